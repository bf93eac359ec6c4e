//! Programs that a reader of the guide wrote at the first try: those that were right stay right.
//!
//! `firsttry/NN_name/session.txt` holds `$ command` lines, each followed by its exact output. A folder without
//! one holds a program that did not compile; it still must not.

use std::path::Path;
use std::process::Command;

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

#[test]
fn first_tries_print_what_was_recorded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("firsttry");
    let mut failures = Vec::new();
    let (mut right, mut wrong) = (0, 0);
    let mut dirs: Vec<_> = std::fs::read_dir(&root)
        .expect("folder")
        .map(|e| e.expect("entry").path())
        .filter(|p| p.is_dir())
        .collect();
    dirs.sort();
    for dir in dirs {
        let Ok(session) = std::fs::read_to_string(dir.join("session.txt")) else {
            wrong += 1;
            let out = Command::new(JETVM)
                .arg("check")
                .arg(&dir)
                .output()
                .expect("jetvm");
            if out.status.code() != Some(1) {
                failures.push(format!("{}: was expected not to check", dir.display()));
            }
            continue;
        };
        right += 1;
        for part in session.split("$ ").skip(1) {
            let (command, shown) = part.split_once('\n').expect("command line");
            let line = command.replacen("jetvm", JETVM, 1);
            let out = Command::new("sh")
                .args(["-c", &line])
                .current_dir(&dir)
                .output()
                .expect("sh");
            let got = String::from_utf8_lossy(&out.stdout);
            if got != shown {
                failures.push(format!(
                    "{}: $ {command}\n--- shown\n{shown}--- got\n{got}",
                    dir.display()
                ));
            }
        }
    }
    assert_eq!((right, wrong), (18, 2));
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
