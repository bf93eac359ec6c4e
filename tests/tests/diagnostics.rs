//! Programs that must not compile, or not without warnings, with their messages.
//!
//! `diagnostics/NAME.jet` has its messages, in the short format, in `NAME.err`. Lines that must be
//! reported end in `#~ CODE`: the codes and lines there and in the messages must be the same.
//! `JET_BLESS=1` writes the `.err` files; read them before you commit them.

use std::path::PathBuf;
use std::process::Command;

use jet_tests::suite::root;

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

/// `(line, code)` of each message in the short format `file:line:column: error[CODE]: text`.
fn reported(messages: &str) -> Vec<(usize, String)> {
    messages
        .lines()
        .filter_map(|l| {
            let (place, rest) = l.split_once(": ")?;
            let line = place.split(':').nth(1)?.parse().ok()?;
            let code = rest.split_once('[')?.1.split_once(']')?.0;
            Some((line, code.to_string()))
        })
        .collect()
}

/// `(line, code)` of each `#~ CODE` annotation.
fn annotated(text: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if let Some((_, codes)) = line.split_once("#~") {
            out.extend(codes.split_whitespace().map(|c| (i + 1, c.to_string())));
        }
    }
    out
}

#[test]
fn messages_are_as_recorded() {
    let bless = std::env::var_os("JET_BLESS").is_some();
    let only = std::env::var("JET_ONLY").unwrap_or_default();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root().join("tests/diagnostics"))
        .expect("folder is there")
        .map(|e| e.expect("entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "jet"))
        .filter(|p| p.to_string_lossy().contains(&only))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut failures = Vec::new();
    for path in &paths {
        let name = path.strip_prefix(root()).expect("under the repository");
        let out = Command::new(JETVM)
            .current_dir(root())
            .args(["check", "--message-format=short"])
            .arg(name)
            .output()
            .expect("jetvm starts");
        let got = String::from_utf8_lossy(&out.stderr).into_owned();
        let text = std::fs::read_to_string(path).expect("program");
        let mut want = annotated(&text);
        let mut codes = reported(&got);
        want.sort();
        codes.sort();
        // Warnings alone refuse nothing.
        let refused = want.iter().any(|(_, code)| code.starts_with('E'));
        if out.status.code() != Some(i32::from(refused)) {
            failures.push(format!(
                "{}: exit {:?}\n{got}",
                name.display(),
                out.status.code()
            ));
        } else if want != codes {
            failures.push(format!(
                "{}: annotated {want:?}\nreported {codes:?}\n{got}",
                name.display()
            ));
        } else if bless {
            std::fs::write(path.with_extension("err"), &got).expect("writable");
        } else {
            let recorded = std::fs::read_to_string(path.with_extension("err")).unwrap_or_default();
            if recorded != got {
                failures.push(format!(
                    "{}:\n--- recorded\n{recorded}\n--- got\n{got}",
                    name.display()
                ));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} failed:\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
}
