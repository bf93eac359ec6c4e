//! `jetvm explain`: what a code means, with a wrong program and a right one.

use std::fmt::Write;

use jet_frontend::diag::codes;
use jet_frontend::diag::explain::{self, Page, Sample};
use serde_json::{Value, json};

use super::args::MessageFormat;
use super::{USAGE, say, show};
use crate::near::nearest;
use crate::render::{Style, clean_line};

/// Shows one page, or the list of all.
pub(super) fn explain(code: Option<&str>, style: Style) -> u8 {
    let json = style.format == MessageFormat::Json;
    let Some(code) = code else {
        let mut out = String::new();
        for page in explain::pages() {
            let _ = if json {
                writeln!(out, "{}", as_json(&page))
            } else {
                writeln!(out, "{:<12} {}", page.code, page.title)
            };
        }
        return show(&out);
    };
    match explain::page(code) {
        Some(page) if json => show(&format!("{}\n", as_json(&page))),
        Some(page) => show(&text(&page)),
        None => {
            let all = codes::ALL
                .iter()
                .chain(codes::RUNTIME)
                .map(|(code, _)| *code);
            let help = match nearest(code, all) {
                Some(near) => format!("did you mean `{near}`? `jetvm explain` lists all"),
                None => {
                    let first = codes::ALL.first().map_or("", |(code, _)| code);
                    format!("codes look like {first}; `jetvm explain` lists all")
                }
            };
            say(&style.plain(
                "",
                &format!("there is no code `{}`", clean_line(code)),
                Some(&help),
                &[],
            ));
            USAGE
        }
    }
}

fn text(page: &Page) -> String {
    let mut out = format!("{}: {}\n\n{}\n", page.code, page.title, page.text);
    for (name, sample) in [("Wrong", page.wrong), ("Right", page.right)] {
        let Some(sample) = sample else { continue };
        let _ = match sample.run.filter(|flags| !flags.is_empty()) {
            Some(flags) => writeln!(out, "\n{name}, with {flags}:\n"),
            None => writeln!(out, "\n{name}:\n"),
        };
        for line in sample.text.lines() {
            let line = format!("    {line}");
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
    out
}

fn as_json(page: &Page) -> Value {
    let sample = |sample: Option<Sample>| {
        sample.map(|sample| json!({ "program": sample.text, "run": sample.run }))
    };
    json!({
        "code": page.code, "title": page.title, "text": page.text,
        "wrong": sample(page.wrong), "right": sample(page.right),
    })
}
