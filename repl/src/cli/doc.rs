//! `jetvm doc`: what a package or the standard library offers, as Markdown or JSON.
//!
//! What must stay true: what is shown comes from the sources alone, and nothing of it runs; what could
//! act on a terminal is taken out.

use std::fmt::Write as _;
use std::path::Path;

use jet_frontend::docs::{self, ItemDoc, ModuleDoc};
use jet_frontend::driver::SourceInput;
use jet_frontend::source::SourceMap;
use serde_json::{Value, json};

use super::args::{DocArgs, DocFormat};
use super::{FAILED, OK, USAGE, not_loaded, say, show};
use crate::render::{Style, clean};
use crate::sources::{self, Input, Texts};

/// Shows documentation and gives the exit code.
pub(super) fn doc(args: &DocArgs, style: Style) -> u8 {
    let (package, texts, is_std) = match &args.input {
        None => (jet_frontend::std::package(), Texts::default(), true),
        Some(path) => match sources::load(path) {
            Ok(Input::Texts(mut texts)) => match texts.program.packages.pop() {
                Some(package) => (package, texts, false),
                None => return USAGE,
            },
            Ok(Input::Bundle(_)) => {
                let message = format!("`{}` is a bundle: it has no documentation", path.display());
                say(&style.plain("", &message, Some("name its sources"), &[]));
                return USAGE;
            }
            Err(error) => return not_loaded(&error, style),
        },
    };
    let mut modules = Vec::new();
    let wanted = |source: &&SourceInput| args.module.as_ref().is_none_or(|m| *m == source.module);
    for source in package.files.iter().filter(wanted) {
        match docs::module(source, is_std) {
            Ok(module) => modules.push(module),
            Err(errors) => {
                let mut map = SourceMap::new();
                map.add(source.path.as_str(), source.text.as_str());
                say(&style.diagnostics(&errors, &map, &texts));
                return FAILED;
            }
        }
    }
    if let Some(name) = args.module.as_ref().filter(|_| modules.is_empty()) {
        let names: Vec<_> = package.files.iter().map(|f| f.module.as_str()).collect();
        let message = format!("`{}` has no module `{name}`", package.name);
        let help = format!("there is {}", names.join(", "));
        say(&style.plain("", &message, Some(&help), &[]));
        return USAGE;
    }
    let nothing_offered = !modules
        .iter()
        .any(|m| m.items.iter().any(|i| i.is_pub && i.kind != "impl"));
    if !args.private {
        for module in &mut modules {
            keep_public(&mut module.items);
        }
        if nothing_offered {
            let message = format!("no declaration of `{}` is `pub`", package.name);
            say(&style.note(&message, "with `--private`, all are shown"));
        }
    }
    let name = package.name.as_str();
    match (&args.output, args.format) {
        (None, DocFormat::Markdown) => {
            let pages: Vec<_> = modules.iter().map(|m| page(name, m)).collect();
            show(&clean(&pages.join("\n")))
        }
        (None, DocFormat::Json) => show(&format!("{}\n", as_json(name, &modules))),
        (Some(folder), format) => write(folder, name, &modules, format, style),
    }
}

/// Leaves what other packages see.
fn keep_public(items: &mut Vec<ItemDoc>) {
    for item in items.iter_mut() {
        // Variants are as visible as their type, and a capability's functions as the capability.
        item.members.retain(|m| m.is_pub || m.kind == "variant");
    }
    items.retain(|i| i.is_pub && !(i.kind == "impl" && is_inherent(i) && i.members.is_empty()));
}

/// Whether it adds functions to a type instead of implementing a trait.
fn is_inherent(item: &ItemDoc) -> bool {
    !item.signature.contains(" for ")
}

/// A page for each module, and one that lists them.
fn write(
    folder: &Path,
    package: &str,
    modules: &[ModuleDoc],
    format: DocFormat,
    style: Style,
) -> u8 {
    let mut files: Vec<(String, String)> = Vec::new();
    match format {
        DocFormat::Json => files.push((
            format!("{package}.json"),
            format!("{}\n", as_json(package, modules)),
        )),
        DocFormat::Markdown => {
            let mut index = format!("# {package}\n\n| Module | |\n|---|---|\n");
            for module in modules {
                let first = module.docs.lines().next().unwrap_or_default();
                let _ = writeln!(
                    index,
                    "| [{0}]({0}.md) | {1} |",
                    module.name,
                    first.replace('|', "\\|")
                );
                files.push((format!("{}.md", module.name), page(package, module)));
            }
            files.push(("README.md".into(), index));
        }
    }
    let written = std::fs::create_dir_all(folder).and_then(|()| {
        files
            .iter()
            .try_for_each(|(name, text)| std::fs::write(folder.join(name), clean(text)))
    });
    match written {
        Ok(()) => OK,
        Err(why) => {
            let message = format!("cannot write to `{}`: {why}", folder.display());
            say(&style.plain("", &message, None, &[]));
            FAILED
        }
    }
}

/// A module as a page of Markdown.
fn page(package: &str, module: &ModuleDoc) -> String {
    let mut out = format!("# {package}.{}\n", module.name);
    text(&module.docs, &mut out);
    for item in &module.items {
        let title = match item.kind {
            "impl" => item.signature.clone(),
            kind => format!("{kind} {}", item.name),
        };
        let _ = writeln!(out, "\n## {title}");
        if item.kind != "impl" {
            let _ = writeln!(out, "\n```jet\n{}\n```", item.signature);
        }
        text(&item.docs, &mut out);
        let (functions, parts): (Vec<_>, Vec<_>) =
            item.members.iter().partition(|m| m.kind == "fn");
        if !parts.is_empty() {
            out.push('\n');
        }
        for part in parts {
            let _ = write!(out, "- `{}`", part.signature);
            let docs = part.docs.replace('\n', "\n  ");
            let _ = writeln!(out, "{}{docs}", if docs.is_empty() { "" } else { ": " });
        }
        for function in functions {
            let _ = writeln!(out, "\n### {}", function.name);
            let _ = writeln!(out, "\n```jet\n{}\n```", function.signature);
            text(&function.docs, &mut out);
        }
    }
    out
}

/// Paragraphs, and examples as blocks of code.
fn text(docs: &str, out: &mut String) {
    if docs.is_empty() {
        return;
    }
    out.push('\n');
    let mut open = false;
    let mut blank = 0usize;
    for line in docs.lines() {
        if line.is_empty() {
            blank += 1;
            continue;
        }
        let code = line.strip_prefix("    ");
        if open && code.is_none() {
            out.push_str("```\n");
            open = false;
        }
        out.push_str(&"\n".repeat(blank));
        blank = 0;
        match code {
            Some(code) => {
                if !open {
                    out.push_str("```jet\n");
                    open = true;
                }
                out.push_str(code);
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    if open {
        out.push_str("```\n");
    }
}

fn as_json(package: &str, modules: &[ModuleDoc]) -> Value {
    fn items(of: &[ItemDoc]) -> Vec<Value> {
        of.iter()
            .map(|i| {
                json!({
                    "kind": i.kind, "name": i.name, "signature": i.signature, "docs": i.docs,
                    "public": i.is_pub, "line": i.line, "members": items(&i.members),
                })
            })
            .collect()
    }
    let modules: Vec<_> = modules
        .iter()
        .map(
            |m| json!({ "name": m.name, "path": m.path, "docs": m.docs, "items": items(&m.items) }),
        )
        .collect();
    json!({ "package": package, "modules": modules })
}
