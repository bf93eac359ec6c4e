//! The cases of `*.jasm`.

use super::Forge;
use jet_bytecode::asm::assemble;
use jet_bytecode::verify::{RULES, Rule, verify};

/// A case: its name, its text with the common part before it, and the annotated line.
struct Case {
    name: String,
    text: String,
    line: u32,
    /// `None`: the case verifies.
    rule: Option<Rule>,
}

fn cases(file: &str, text: &str) -> Vec<Case> {
    let mut parts = text.split("\n;== ");
    let common = parts.next().unwrap();
    let case = |part: &str| {
        let (name, body) = part.split_once('\n').unwrap();
        let name = format!("{file}, {name}");
        let text = format!("{common}\n{body}");
        let marks: Vec<(u32, &str)> = (1u32..)
            .zip(text.lines())
            .filter_map(|(n, l)| Some((n, l.split_once(";~ ")?.1.trim())))
            .collect();
        let [(line, rule)] = marks[..] else {
            panic!("{name}: {} annotations, not one", marks.len());
        };
        let known = RULES.iter().copied().find(|r| r.name() == rule);
        assert!(known.is_some() || rule == "ok", "{name}: no rule `{rule}`");
        Case {
            name,
            line,
            rule: known,
            text: text.clone(),
        }
    };
    parts.map(case).collect()
}

pub fn all(forge: &mut Forge) {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forged");
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "jasm"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let only = std::env::var("JET_ONLY").unwrap_or_default();
    for path in files {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for case in cases(&file, &std::fs::read_to_string(&path).unwrap()) {
            if case.name.contains(&only) {
                run(forge, &case);
            }
        }
    }
}

fn run(forge: &mut Forge, case: &Case) {
    let assembly = match assemble(&case.text) {
        Ok(assembly) => assembly,
        Err(e) => {
            let line = case.text.lines().nth(e.line as usize - 1);
            forge.wrong.push(format!("{}: {e}: {line:?}", case.name));
            return;
        }
    };
    let Some(rule) = case.rule else {
        if let Err(e) = verify(assembly.bundle) {
            forge.wrong.push(format!("{}: {e}", case.name));
        }
        return;
    };
    let place = assembly.places.iter().find(|p| p.line == case.line);
    let place = *place.unwrap_or_else(|| panic!("{}: no statement on the line", case.name));
    let package = &assembly.bundle.packages[place.package];
    let function = place.function.map(|f| package.functions[f].name.clone());
    let package = package.name.clone();
    forge.check(assembly.bundle.clone(), &[rule], &case.name, &|e| {
        e.package.as_ref().is_none_or(|p| *p == package)
            && (function.is_none() || e.function == function)
            && (place.pc.is_none() || e.pc == place.pc)
    });
}
