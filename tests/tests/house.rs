//! Rules of the house that a machine can check: where unsafe code is, that files stay readable, which way the
//! crates' arrows point.

use std::path::{Path, PathBuf};

use jet_tests::suite::root;

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
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

#[test]
fn source_files_stay_readable() {
    let mut long = Vec::new();
    for room in ["bytecode", "frontend", "gc", "vm", "jit", "repl", "bench"] {
        let mut files = Vec::new();
        rust_files(&root().join(room).join("src"), &mut files);
        for file in files {
            let lines = std::fs::read_to_string(&file)
                .expect("source")
                .lines()
                .count();
            // Tests beside the code may be longer: they are read one at a time.
            if lines > 800 && !file.ends_with("tests.rs") {
                long.push(format!("{}: {lines} lines", file.display()));
            }
        }
    }
    assert!(long.is_empty(), "divide these:\n{}", long.join("\n"));
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
        for line in manifest.lines().filter(|l| l.starts_with("jet-")) {
            let name = line.split(['.', ' ']).next().expect("a name");
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
