//! Tests of the formatter: decisions of style, every source of the repository, random layouts.

use super::{Failure, format};

fn formatted(text: &str) -> String {
    match format(text) {
        Ok(result) => {
            assert_eq!(format(&result).unwrap(), result, "not stable:\n{text}");
            result
        }
        Err(Failure::Syntax(errors)) => panic!("{text}\n{errors:#?}"),
        Err(Failure::Broken(why)) => panic!("{why}:\n{text}"),
        Err(Failure::TooLarge(bytes)) => panic!("{bytes} bytes:\n{text}"),
    }
}

/// Every `.jet` file of the repository.
fn sources() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![root];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" {
                    folders.push(path);
                }
            } else if name.ends_with(".jet")
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                found.push((path.display().to_string(), text));
            }
        }
    }
    found.sort();
    found
}

/// Whether a source is given random layouts: of the conformance suite every ninth, by its name.
fn takes_layout(path: &str) -> bool {
    let sum: usize = path
        .rsplit('/')
        .next()
        .unwrap_or("")
        .bytes()
        .map(usize::from)
        .sum();
    !path.contains("/tests/programs/") || sum.is_multiple_of(9)
}

#[test]
fn every_source_formats() {
    let mut count = 0;
    for (path, text) in sources() {
        match format(&text) {
            Ok(result) => {
                count += 1;
                let again = format(&result);
                assert_eq!(again.unwrap(), result, "not stable: {path}");
            }
            Err(Failure::Syntax(_)) => {}
            Err(Failure::Broken(why)) => panic!("{path}: {why}"),
            Err(Failure::TooLarge(bytes)) => panic!("{path}: {bytes} bytes"),
        }
    }
    assert!(count > 40, "{count}");
    assert_eq!(formatted("fn f():\n  pass"), "fn f():\n    pass\n");
}

/// Sources that are kept in the one style.
#[test]
fn our_own_sources_are_formatted() {
    for (path, text) in sources() {
        let kept = ["/frontend/std/", "/examples/", "/bench/awfy/"];
        if kept.iter().any(|folder| path.contains(folder)) {
            assert_eq!(format(&text).unwrap(), text, "run `jetvm fmt {path}`");
        }
    }
}

/// The program of a file, or of its folder if that has a `main.jet`, without lines of the source.
fn code(files: &[(String, String)]) -> Option<jet_bytecode::module::Bundle> {
    let files = files.iter().map(|(path, text)| {
        let path = std::path::Path::new(path);
        let module = path.file_stem().unwrap().to_string_lossy().into_owned();
        crate::driver::SourceInput {
            path: std::format!("{module}.jet"),
            module,
            text: text.clone(),
        }
    });
    let program = crate::driver::ProgramInput {
        implementations: Vec::new(),
        packages: vec![crate::driver::PackageInput {
            name: "program".into(),
            version: "0.0.0".into(),
            deps: Vec::new(),
            files: files.collect(),
        }],
    };
    let mut bundle = crate::driver::compile(&program).bundle?;
    for package in &mut bundle.packages {
        // The hashes of the sources.
        package.inputs.clear();
        for function in &mut package.functions {
            function.lines.clear();
        }
        if let Some(entry) = &mut package.entry {
            entry.paths.clear();
        }
    }
    Some(bundle)
}

#[test]
fn layout_changes_no_code() {
    let mut folders = std::collections::BTreeMap::new();
    for (path, text) in sources() {
        let (folder, _) = path.rsplit_once('/').unwrap();
        // Programs of the conformance suite are not kept in the one style: their assertions repeat other texts.
        let kept = !path.contains("/tests/programs/");
        if text.len() < 100_000 && kept && format(&text).is_ok() {
            let files: &mut Vec<_> = folders.entry(folder.to_string()).or_default();
            files.push((path, text));
        }
    }
    let mut count = 0;
    for files in folders.values() {
        let whole = files.iter().any(|(path, _)| path.ends_with("/main.jet"));
        let size = if whole { files.len() } else { 1 };
        for program in files.chunks(size) {
            let laid = program.iter().map(|(path, text)| {
                let (laid, _) = relayout::relayout(text, 7, true).unwrap();
                (path.clone(), format(&laid).unwrap())
            });
            let laid: Vec<_> = laid.collect();
            let before = code(program);
            assert!(before == code(&laid), "{:?}", program.first());
            count += usize::from(before.is_some());
        }
    }
    assert!(count > 15, "{count}");
}

mod relayout;
mod style;
