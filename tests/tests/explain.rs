//! Every page of `jetvm explain` keeps its word: its wrong program gets exactly that code, its right
//! program none. What the wrong one's message looks like is on record in `tests/messages`.

use std::path::Path;
use std::process::Command;

use jet_frontend::diag::explain::{Page, Sample, expand, pages};

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

/// Warnings that come of a sample being no more than a sample.
const ABOUT_SAMPLES: &[&str] = &["W0707", "W0708"];

/// Writes a sample below a folder; gives the path to hand to `jetvm`.
fn write(sample: &Sample, dir: &Path) -> std::path::PathBuf {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir).expect("folder");
    let text = expand(sample.text);
    if !text.starts_with("=== ") {
        let path = dir.join("sample.jet");
        std::fs::write(&path, format!("{text}\n")).expect("writable");
        return path;
    }
    for part in text.trim_start_matches("=== ").split("\n=== ") {
        let (name, body) = part.split_once('\n').expect("name and text");
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        std::fs::write(path, format!("{body}\n")).expect("writable");
    }
    dir.to_path_buf()
}

/// Codes of the messages, each once, and the exit code.
fn outcome(sample: &Sample, dir: &Path) -> (Vec<String>, Option<i32>, String) {
    let text = expand(sample.text);
    if text.len() > jet_frontend::source::MAX_SOURCE_BYTES {
        // The command looks at a file's size before the compiler does.
        let mut sink = jet_frontend::diag::Sink::new();
        jet_frontend::lexer::lex(jet_frontend::source::FileId(0), &text, &mut sink);
        let codes = sink.finish().iter().map(|d| d.code.to_owned()).collect();
        return (codes, Some(1), String::new());
    }
    let path = write(sample, dir);
    let mut command = Command::new(JETVM);
    match sample.run {
        None => command.arg("check"),
        Some(flags) => command.arg("run").args(flags.split_whitespace()),
    };
    let out = command
        .arg("--message-format=json")
        .arg(&path)
        .output()
        .expect("jetvm starts");
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    let mut codes: Vec<String> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| Some(message["code"].as_str()?.to_owned()))
        .collect();
    codes.dedup();
    (codes, out.status.code(), text)
}

fn faults(page: &Page, dir: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(wrong) = &page.wrong {
        let (mut codes, exit, text) = outcome(wrong, dir);
        codes.retain(|code| code == page.code || !ABOUT_SAMPLES.contains(&code.as_str()));
        codes.dedup();
        let warning = page.code.starts_with('W');
        if codes != [page.code] || (exit == Some(0)) != warning {
            faults.push(format!(
                "{} wrong: {codes:?}, exit {exit:?}\n{text}",
                page.code
            ));
        }
    }
    if let Some(right) = &page.right {
        let (mut codes, exit, text) = outcome(right, dir);
        codes.retain(|code| code == page.code || !ABOUT_SAMPLES.contains(&code.as_str()));
        if !codes.is_empty() || exit != Some(0) {
            faults.push(format!(
                "{} right: {codes:?}, exit {exit:?}\n{text}",
                page.code
            ));
        }
    }
    faults
}

#[test]
fn programs_of_the_pages() {
    let base = std::env::temp_dir().join(format!("jet-explain-{}", std::process::id()));
    let only = std::env::var("JET_ONLY").unwrap_or_default();
    let pages: Vec<Page> = pages()
        .into_iter()
        .filter(|p| p.code.contains(&only))
        .collect();
    assert!(!pages.is_empty(), "no pages with `{only}` in their codes");
    let halves = pages.len().div_ceil(2).max(1);
    let faults: Vec<String> = std::thread::scope(|scope| {
        let run = |(n, pages): (usize, &'_ [Page])| {
            let dir = base.join(n.to_string());
            let pages = pages.to_vec();
            scope.spawn(move || {
                pages
                    .iter()
                    .flat_map(|p| faults(p, &dir))
                    .collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = pages.chunks(halves).enumerate().map(run).collect();
        threads
            .into_iter()
            .flat_map(|t| t.join().expect("thread"))
            .collect()
    });
    let _ = std::fs::remove_dir_all(&base);
    assert!(
        faults.is_empty(),
        "{} faults:\n\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// What people see of a page's wrong program; `None` if it is too large to be told from a file.
fn rendering(sample: &Sample, dir: &Path) -> Option<String> {
    if expand(sample.text).len() > jet_frontend::source::MAX_SOURCE_BYTES {
        return None;
    }
    let path = write(sample, dir);
    let mut command = Command::new(JETVM);
    match sample.run {
        None => command.arg("check"),
        Some(flags) => command.arg("run").args(flags.split_whitespace()),
    };
    let name = if path == dir { "." } else { "sample.jet" };
    let out = command
        .arg(name)
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .output()
        .expect("jetvm starts");
    Some(String::from_utf8_lossy(&out.stderr).into_owned())
}

/// Each message's exact text is on record; `JET_BLESS=1` records.
#[test]
fn messages_of_the_pages() {
    let records = Path::new(env!("CARGO_MANIFEST_DIR")).join("messages");
    let bless = std::env::var_os("JET_BLESS").is_some();
    let dir = std::env::temp_dir().join(format!("jet-messages-{}", std::process::id()));
    let mut faults = Vec::new();
    let mut expected = std::collections::BTreeSet::new();
    for page in pages() {
        let Some(text) = page.wrong.as_ref().and_then(|w| rendering(w, &dir)) else {
            continue;
        };
        let record = records.join(format!("{}.txt", page.code));
        expected.insert(record.clone());
        if bless {
            std::fs::create_dir_all(&records).expect("folder");
            std::fs::write(&record, &text).expect("writable");
        }
        let recorded = std::fs::read_to_string(&record).unwrap_or_default();
        if recorded != text {
            faults.push(format!("{}: recorded\n{recorded}\nnow\n{text}", page.code));
        }
    }
    let _ = std::fs::remove_dir_all(&dir);
    for entry in std::fs::read_dir(&records).expect("tests/messages") {
        let path = entry.expect("entry").path();
        if !expected.contains(&path) {
            faults.push(format!("{} belongs to no page", path.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn explain_shows_pages_and_lists() {
    let run = |args: &[&str]| {
        let out = Command::new(JETVM)
            .arg("explain")
            .args(args)
            .output()
            .expect("starts");
        (
            out.status.code(),
            String::from_utf8_lossy(&out.stdout).into_owned(),
        )
    };
    let (exit, page) = run(&["e0601"]);
    assert_eq!(exit, Some(0));
    assert!(
        page.starts_with("E0601: capability is not available\n\nA function may touch"),
        "{page}"
    );
    assert!(
        page.contains("\nWrong:\n\n    fn greet():\n        Console.print"),
        "{page}"
    );
    let (exit, list) = run(&[]);
    assert_eq!(exit, Some(0));
    assert_eq!(list.lines().count(), pages().len());
    assert_eq!(run(&["E9999"]).0, Some(2));
}
