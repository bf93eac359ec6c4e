//! Every command in README and `docs/` is run and prints what the text says.
//!
//! A fence of kind `console` holds `$ command` lines, each followed by its output (standard output, then
//! messages). `cargo run --release --` and `jetvm` stand for the command under test. A line `…` stands for any
//! lines. `cargo` commands that build or test the repository itself are the business of `.ci/run`.
//! Commands of one file run in one copy of `examples/` and the README, in order.

use std::path::{Path, PathBuf};
use std::process::Command;

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn markdown(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("folder")
        .map(|e| e.expect("entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            markdown(&path, out);
        } else if path.extension().is_some_and(|e| e == "md") {
            out.push(path);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("folder") {
        let entry = entry.expect("entry").path();
        let target = to.join(entry.file_name().expect("name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            std::fs::copy(&entry, &target).expect("copy");
        }
    }
}

/// Commands with the output that the text shows.
fn sessions(text: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            inside = !inside && kind == "console";
            continue;
        }
        if !inside {
            continue;
        }
        if let Some(command) = line.strip_prefix("$ ") {
            out.push((command.to_string(), String::new()));
        } else if let Some((_, shown)) = out.last_mut() {
            shown.push_str(line);
            shown.push('\n');
        }
    }
    out
}

/// Whether the output is as shown, `…` standing for any lines.
fn agrees(shown: &str, got: &str) -> bool {
    let mut rest = got;
    let mut open = false;
    for part in shown.split_inclusive('\n') {
        if part.trim() == "…" {
            open = true;
        } else if open {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
            open = false;
        } else {
            match rest.strip_prefix(part) {
                Some(r) => rest = r,
                None => return false,
            }
        }
    }
    open || rest.is_empty()
}

#[test]
fn commands_print_what_the_text_says() {
    let mut files = vec![root().join("README.md")];
    markdown(&root().join("docs"), &mut files);
    let mut failures = Vec::new();
    let mut count = 0;
    for (i, file) in files.iter().enumerate() {
        let text = std::fs::read_to_string(file).expect("text");
        let dir = std::env::temp_dir().join(format!("jet-docs-{}-{i}", std::process::id()));
        copy(&root().join("examples"), &dir.join("examples"));
        std::fs::copy(root().join("README.md"), dir.join("README.md")).expect("copy");
        let bin = dir.join("bin");
        std::fs::create_dir_all(&bin).expect("folder");
        std::os::unix::fs::symlink(JETVM, bin.join("jetvm")).expect("link");
        let path = format!(
            "{}:{}",
            bin.display(),
            std::env::var("PATH").unwrap_or_default()
        );
        for (command, shown) in sessions(&text) {
            if command.starts_with("cargo") && !command.starts_with("cargo run --release -- ") {
                continue;
            }
            let line = command.replace("cargo run --release --", "jetvm");
            let out = Command::new("sh")
                .args(["-c", &line])
                .current_dir(&dir)
                .env("PATH", &path)
                .env("NO_COLOR", "1")
                .output()
                .expect("sh");
            let got = format!(
                "{}{}",
                String::from_utf8_lossy(&out.stdout),
                String::from_utf8_lossy(&out.stderr)
            );
            count += 1;
            if !agrees(&shown, &got) {
                failures.push(format!(
                    "{}: $ {command}\n--- shown\n{shown}--- got\n{got}",
                    file.display()
                ));
            }
        }
        let _ = std::fs::remove_dir_all(&dir);
    }
    assert!(count > 0, "no command found");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
