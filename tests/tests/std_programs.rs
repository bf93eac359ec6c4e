//! The suite of programs stays complete: every public function, constant and type of the standard library is named by a
//! program in the folder of what it belongs to (`programs/std/list` for lists, `programs/std/math` for `std.math`).
//!
//! What is public is read from the library's sources by the frontend's own reader of documentation. That a
//! name stands in a program does not show that it is tested well; that none does shows that it is not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jet_frontend::docs::{ItemDoc, module};
use jet_frontend::std::{PRELUDE_MODULES, package};

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/std")
}

/// The text of all programs of a folder, without their comments.
fn text(dir: &Path, out: &mut String) {
    for entry in std::fs::read_dir(dir).expect("a folder of programs") {
        let path = entry.expect("entry is readable").path();
        if path.is_dir() {
            text(&path, out);
        } else if path.extension().is_some_and(|e| e == "jet") {
            let program = std::fs::read_to_string(&path).expect("program is readable");
            for line in program.lines().filter(|l| !l.starts_with('#')) {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
}

/// Where the methods of a type are tested: by what stands behind `impl`, else by the module.
fn folder<'m>(target: &str, module: &'m str) -> &'m str {
    match target {
        "string" | "[byte]" | "[char]" | "StringBuilder" => "string",
        "char" => "char",
        "int" | "float" => "core",
        "Ordering" => "ordering",
        "Range" => "range",
        _ if target.starts_with('[') => "list",
        _ if target.starts_with("Option[") => "option",
        _ if target.starts_with("Result[") => "result",
        _ if target.starts_with("Set[") => "set",
        _ if module == "caps" => "fakes",
        _ => module,
    }
}

/// What programs have to say, with the folder where they say it ("" for any).
fn wanted(module: &str, item: &ItemDoc, out: &mut Vec<(String, String)>) {
    if !item.is_pub {
        return;
    }
    let prelude = PRELUDE_MODULES.contains(&module);
    let mut want = |folder: &str, text: String| out.push((folder.to_string(), text));
    let methods = || item.members.iter().filter(|m| m.is_pub && m.kind == "fn");
    match item.kind {
        "fn" if prelude => want("core", format!("{}(", item.name)),
        "fn" => want(module, format!("{module}.{}", item.name)),
        "const" if prelude => want("", item.name.clone()),
        "const" => want(module, format!("{module}.{}", item.name)),
        "impl" => {
            for m in methods() {
                want(folder(&item.name, module), format!(".{}(", m.name));
            }
        }
        "capability" => {
            for m in methods() {
                want("", format!("{}.{}(", item.name, m.name));
            }
        }
        "trait" => {
            for m in methods() {
                want("", format!(".{}(", m.name));
            }
        }
        _ => {
            want("", item.name.clone());
            for m in methods() {
                want(folder(&item.name, module), format!(".{}(", m.name));
            }
        }
    }
}

#[test]
fn programs_name_all_of_the_standard_library() {
    let mut wants = Vec::new();
    for source in &package().files {
        let docs = module(source, true).expect("the library parses");
        for item in &docs.items {
            wanted(&docs.name, item, &mut wants);
        }
    }
    assert!(wants.len() > 200, "only {} names were read", wants.len());
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let missing: Vec<String> = wants
        .into_iter()
        .filter(|(folder, want)| {
            let said = texts.entry(folder.clone()).or_insert_with(|| {
                let mut out = String::new();
                text(&programs().join(folder), &mut out);
                out
            });
            !said.contains(want.as_str())
        })
        .map(|(folder, want)| format!("tests/programs/std/{folder}: `{want}`"))
        .collect();
    assert!(
        missing.is_empty(),
        "no program names\n{}",
        missing.join("\n")
    );
}
