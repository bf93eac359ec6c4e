//! Rules of the house that a machine can check: where unsafe code is, that files stay readable, which way the
//! crates' arrows point.

use std::path::{Path, PathBuf};

use jet_tests::suite::root;

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    files_with(&["rs"], dir, out);
}

/// Files below a folder whose names end so.
fn files_with(ends: &[&str], dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            if !path.ends_with("target") {
                files_with(ends, &path, out);
            }
        } else if path
            .extension()
            .is_some_and(|e| ends.iter().any(|end| e == *end))
        {
            out.push(path);
        }
    }
}

/// Whether a line begins unsafe code (and is no comment).
fn is_unsafe(line: &str) -> bool {
    let line = line.trim_start();
    !line.starts_with("//")
        && [
            "unsafe {",
            "unsafe fn",
            "unsafe impl",
            "unsafe extern",
            "unsafe trait",
        ]
        .iter()
        .any(|form| line.contains(form))
}

#[test]
fn unsafe_code_is_where_the_safety_page_says() {
    let page = std::fs::read_to_string(root().join("docs/safety.md")).expect("page");
    let mut listed: Vec<String> = page
        .lines()
        .filter_map(|l| l.strip_prefix("| `")?.split_once('`'))
        .map(|(file, _)| file.to_string())
        .filter(|f| f.contains("/src/") && f.ends_with(".rs"))
        .collect();
    let mut found = Vec::new();
    for room in ["bytecode", "frontend", "gc", "vm", "jit", "repl", "bench"] {
        let mut files = Vec::new();
        rust_files(&root().join(room).join("src"), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).expect("source");
            if text.lines().any(is_unsafe) {
                let name = file.strip_prefix(root()).expect("below the root");
                found.push(name.to_string_lossy().into_owned());
            }
        }
    }
    listed.sort();
    found.sort();
    assert_eq!(listed, found, "left: docs/safety.md, right: the sources");
    assert!(
        found
            .iter()
            .all(|f| ["gc/", "vm/", "jit/"].iter().any(|r| f.starts_with(r)))
    );
}

/// The rooms of the code.
const ROOMS: &[&str] = &[
    "bytecode", "frontend", "gc", "vm", "jit", "repl", "bench", "tests",
];

#[test]
fn source_files_stay_readable() {
    let mut long = Vec::new();
    for room in ROOMS {
        for part in ["src", "std", "tests"] {
            let dir = root().join(room).join(part);
            let mut files = Vec::new();
            if dir.is_dir() {
                files_with(&["rs", "jet"], &dir, &mut files);
            }
            for file in files {
                let text = std::fs::read_to_string(&file).expect("source");
                // Half of the standard library is its documentation, which is read elsewhere.
                let std = part == "std";
                let counts = |l: &&str| !std || !l.trim_start().starts_with("##");
                let lines = text.lines().filter(counts).count();
                // Tests may be longer, for they are read one at a time.
                let most = if part == "tests" { 1_000 } else { 800 };
                if lines > most && !file.ends_with("tests.rs") {
                    long.push(format!("{}: {lines} lines", file.display()));
                }
            }
        }
    }
    assert!(long.is_empty(), "divide these:\n{}", long.join("\n"));
}

/// What is committed speaks of the project and not of who made it, where, or when.
#[test]
fn texts_name_no_machine() {
    let words = [
        concat!("/work", "/main"),
        concat!("/work", "/shared"),
        concat!("/tmp", "/jet/"),
        concat!("..", "/shared/"),
        concat!("LANGUAGE", ".md"),
    ];
    let mut files = vec![root().join("README.md"), root().join("Cargo.toml")];
    for room in ROOMS.iter().chain(&["docs", "examples"]) {
        files_with(&["rs", "jet", "md", "toml"], &root().join(room), &mut files);
    }
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        for word in words.iter().filter(|w| text.contains(**w)) {
            found.push(format!("{}: {word}", file.display()));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn arrows_point_down() {
    let allowed: &[(&str, &[&str])] = &[
        ("bytecode", &[]),
        ("gc", &[]),
        ("frontend", &["jet-bytecode"]),
        ("vm", &["jet-bytecode", "jet-gc"]),
        ("jit", &["jet-bytecode", "jet-gc", "jet-vm"]),
    ];
    for (room, rooms) in allowed {
        let manifest =
            std::fs::read_to_string(root().join(room).join("Cargo.toml")).expect("manifest");
        let lines = manifest
            .lines()
            .filter(|l| !l.trim_start().starts_with('#'));
        let words = lines.flat_map(|l| l.split(|c: char| !c.is_ascii_alphanumeric() && c != '-'));
        let ours = words.filter(|w| w.starts_with("jet-") || *w == "jetvm");
        for name in ours.filter(|w| *w != format!("jet-{room}")) {
            assert!(rooms.contains(&name), "{room} must not use {name}");
        }
    }
}

#[test]
fn only_tests_can_switch_rules_off() {
    for room in [
        ".", "bytecode", "frontend", "gc", "vm", "jit", "repl", "bench", "tests",
    ] {
        let path = root().join(room).join("Cargo.toml");
        let manifest = std::fs::read_to_string(path).expect("manifest");
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let declares = section == "[features]" && line == "rule-switches = []";
            let tests = room == "tests" && section == "[dev-dependencies]";
            assert!(
                !line.contains("rule-switches") || declares || tests,
                "{room}/Cargo.toml, {section}: {line}"
            );
        }
    }
}
