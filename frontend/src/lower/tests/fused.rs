//! What chains of adaptors and literals in place become.

use super::*;
use crate::driver::{PackageInput, ProgramInput, SourceInput, compile};

/// The disassembly of a program's `main`, which the verifier passed.
pub(super) fn main_of(text: &str) -> String {
    let program = ProgramInput {
        implementations: Vec::new(),
        packages: vec![PackageInput {
            name: "p".into(),
            version: "0.0.0".into(),
            deps: Vec::new(),
            files: vec![SourceInput {
                path: "main.jet".into(),
                module: "main".into(),
                text: text.into(),
            }],
        }],
    };
    let output = compile(&program);
    let bundle = output
        .bundle
        .unwrap_or_else(|| panic!("{:#?}", output.diagnostics));
    let all = verified(&bundle);
    let at = all.rfind("fn main(").unwrap();
    let main = &all[at..];
    let end = main[1..].find("\nfn ").map_or(main.len(), |n| n + 1);
    main[..end].to_string()
}

/// Jumps to a label before them.
fn loops(main: &str) -> usize {
    let mut labels: Vec<&str> = Vec::new();
    let mut found = 0;
    for line in main.lines() {
        if let Some((label, _)) = line.split_once(": (") {
            labels.push(label);
        }
        let mut words = line.split_whitespace().skip(1);
        if words.next().is_some_and(|w| w.starts_with('j')) {
            found += usize::from(words.any(|w| labels.contains(&w.trim_end_matches(','))));
        }
    }
    found
}

#[test]
fn a_chain_is_a_loop_without_closures_options_or_objects() {
    let main = main_of(
        "import std.iter\n\nfn main():\n    let xs = [1, 2, 3]\n    let sum = iter.of(xs).map(fn(x) => x * 2).filter(fn(x) => x > 2).take(2).sum()\n    assert sum == 10\n",
    );
    for op in [
        "call_fn",
        "make_fn",
        "make_borrowed",
        "new",
        "get_payload",
        "call",
    ] {
        assert_eq!(count(&main, op), 0, "{op}\n{main}");
    }
    assert!(loops(&main) <= 3, "{main}");
}

#[test]
fn a_loop_over_a_chain_is_one_too() {
    let main = main_of(
        "import std.iter\n\nfn main():\n    let mut n = 0\n    for x in iter.range(0..9).enumerate().map(fn(p) => p.0 + p.1):\n        n += x\n    assert n == 72\n",
    );
    for op in ["call_fn", "make_fn", "make_borrowed", "get_payload"] {
        assert_eq!(count(&main, op), 0, "{op}\n{main}");
    }
    // The range, whose length is asked once, and the pairs that `enumerate` gives.
    assert_eq!(count(&main, "call"), 1, "{main}");
    assert_eq!(count(&main, "new"), 2, "{main}");
}

#[test]
fn literals_of_list_methods_run_in_place() {
    let main = main_of(
        "fn main():\n    let xs = [1, 2, 3]\n    let k = 2\n    assert xs.map(fn(x) => x * k).filter(fn(x) => x > 2).fold(0, fn(a, x) => a + x) == 10\n    assert Some(1).map(fn(x) => x + k) == Some(3)\n",
    );
    for op in ["call_fn", "make_fn", "make_borrowed"] {
        assert_eq!(count(&main, op), 0, "{op}\n{main}");
    }
    assert_eq!(loops(&main), 3, "{main}");
}

#[test]
fn what_is_kept_is_an_object() {
    let main = main_of(
        "import std.iter\n\nfn main():\n    let it = iter.of([1]).map(fn(x) => x + 1)\n    assert it.next() == Some(2)\n",
    );
    assert!(count(&main, "make_fn") > 0, "{main}");
}
