//! What README and `docs/` show is true: commands print it, snippets compile and run.
//!
//! Fences of one file are taken in order, in one folder with a copy of `examples/` and of the README:
//!
//! - `console`: `$ command` lines, each followed by its output (standard output, then messages).
//!   `cargo run --release --` and `jetvm` stand for the command under test; `cargo` commands that build or test
//!   the repository itself are the business of `.ci/run`.
//! - `jet`: a program. With `fn main` it is run, and a `text` fence that follows at once is its output (without
//!   one, it has to end well); without `fn main` it is checked.
//! - `jet NAME.jet`, `text NAME`: a file for what follows: a module, or the input of a command.
//! - `jet-error CODE…`: a program that does not check, with these codes and no others.
//!
//! In an output, a line `…` stands for any lines, and `…` in a line for any text.

use std::path::{Path, PathBuf};
use std::process::Command;

use jet_tests::suite::{copy, root};

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

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

/// A fenced block: the words behind the backticks, the lines, and whether it follows the one before at once.
struct Fence {
    kind: Vec<String>,
    body: String,
    adjacent: bool,
}

fn fences(text: &str) -> Vec<Fence> {
    let mut out: Vec<Fence> = Vec::new();
    let mut inside = false;
    let mut adjacent = false;
    for line in text.lines() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            inside = !inside;
            if inside {
                let kind = kind.split_whitespace().map(String::from).collect();
                let body = String::new();
                out.push(Fence {
                    kind,
                    body,
                    adjacent,
                });
            }
            adjacent = true;
        } else if inside {
            if let Some(fence) = out.last_mut() {
                fence.body.push_str(line);
                fence.body.push('\n');
            }
        } else if !line.trim().is_empty() {
            adjacent = false;
        }
    }
    out
}

/// Commands of a `console` fence with the output that the text shows.
fn sessions(text: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            out.push((command.to_string(), String::new()));
        } else if let Some((_, shown)) = out.last_mut() {
            shown.push_str(line);
            shown.push('\n');
        }
    }
    out
}

/// Whether a line is as shown, `…` standing for any text.
fn line_agrees(shown: &str, got: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = got.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
        last = Some(part);
    }
    rest.is_empty() || last == Some("")
}

/// Whether the output is as shown, a line `…` standing for any lines.
fn agrees(shown: &str, got: &str) -> bool {
    let shown: Vec<&str> = shown.lines().map(str::trim_end).collect();
    let got: Vec<&str> = got.lines().map(str::trim_end).collect();
    // Lines of the output at which what was shown so far can end.
    let mut ends = vec![true];
    ends.resize(got.len() + 1, false);
    for line in shown {
        let mut next = vec![false; got.len() + 1];
        if line.trim() == "…" {
            let first = ends.iter().position(|&e| e).unwrap_or(next.len());
            next[first..].fill(true);
        } else {
            for (i, text) in got.iter().enumerate() {
                next[i + 1] = ends[i] && line_agrees(line, text);
            }
        }
        ends = next;
    }
    ends[got.len()]
}

/// The folder that one file's fences share.
struct Place {
    dir: PathBuf,
    path: String,
}

impl Place {
    fn new(index: usize) -> Place {
        let dir = std::env::temp_dir().join(format!("jet-docs-{}-{index}", std::process::id()));
        copy(&root().join("examples"), &dir.join("examples"));
        std::fs::copy(root().join("README.md"), dir.join("README.md")).expect("copy");
        let bin = dir.join("bin");
        std::fs::create_dir_all(&bin).expect("folder");
        std::os::unix::fs::symlink(JETVM, bin.join("jetvm")).expect("link");
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", bin.display());
        Place { dir, path }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.join(name);
        std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        std::fs::write(path, text).expect("write");
    }

    /// Exit code, and standard output followed by messages.
    fn run(&self, line: &str) -> (i32, String) {
        let out = Command::new("sh")
            .args(["-c", line])
            .current_dir(&self.dir)
            .env("PATH", &self.path)
            .env("NO_COLOR", "1")
            .output()
            .expect("sh");
        let got = format!(
            "{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
        (out.status.code().unwrap_or(-1), got)
    }
}

/// What is wrong with a snippet, if something is.
fn snippet(place: &Place, fence: &Fence, shown: Option<&str>) -> Option<String> {
    place.write("snippet.jet", &fence.body);
    let kind = fence.kind.first().map_or("", String::as_str);
    if kind == "jet-error" {
        let (code, got) = place.run("jetvm check --message-format=short snippet.jet");
        let mut found: Vec<&str> = got
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|w| w.len() == 5 && w.starts_with(['E', 'W']))
            .filter(|w| w[1..].bytes().all(|b| b.is_ascii_digit()))
            .collect();
        found.sort_unstable();
        found.dedup();
        let mut wanted: Vec<&str> = fence.kind[1..].iter().map(String::as_str).collect();
        wanted.sort_unstable();
        return (code != 1 || found != wanted)
            .then(|| format!("--- wanted {wanted:?}\n--- got\n{got}"));
    }
    let main = fence.body.lines().any(|l| l.starts_with("fn main("));
    let (code, got) = place.run(if main {
        "jetvm run snippet.jet"
    } else {
        "jetvm check snippet.jet"
    });
    let fine = match shown {
        Some(shown) if main => agrees(shown, &got),
        Some(_) | None => code == 0,
    };
    (!fine).then(|| format!("--- shown\n{}--- got\n{got}", shown.unwrap_or_default()))
}

#[test]
fn commands_and_snippets_do_what_the_text_says() {
    let mut files = vec![root().join("README.md")];
    markdown(&root().join("docs"), &mut files);
    let mut failures = Vec::new();
    let (mut commands, mut snippets) = (0, 0);
    for (i, file) in files.iter().enumerate() {
        let text = std::fs::read_to_string(file).expect("text");
        let place = Place::new(i);
        let fences = fences(&text);
        for (at, fence) in fences.iter().enumerate() {
            let kind: Vec<&str> = fence.kind.iter().map(String::as_str).collect();
            match kind.as_slice() {
                ["jet" | "text", name] => place.write(name, &fence.body),
                ["jet"] | ["jet-error", ..] => {
                    snippets += 1;
                    let shown = fences
                        .get(at + 1)
                        .filter(|next| next.adjacent && next.kind == ["text"])
                        .map(|next| next.body.as_str());
                    if let Some(why) = snippet(&place, fence, shown) {
                        failures.push(format!("{}:\n{}{why}", file.display(), fence.body));
                    }
                }
                ["console"] => {
                    for (command, shown) in sessions(&fence.body) {
                        let own = command.starts_with("cargo run --release -- ");
                        if command.starts_with("cargo") && !own {
                            continue;
                        }
                        commands += 1;
                        let line = command.replace("cargo run --release --", "jetvm");
                        let (_, got) = place.run(&line);
                        if !agrees(&shown, &got) {
                            failures.push(format!(
                                "{}: $ {command}\n--- shown\n{shown}--- got\n{got}",
                                file.display()
                            ));
                        }
                    }
                }
                _ => {}
            }
        }
        let _ = std::fs::remove_dir_all(&place.dir);
    }
    assert!(commands > 0, "no command found");
    assert!(snippets > 0, "no snippet found");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// The name that a heading has in links: lower case, words joined by `-`, without punctuation.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// What `[…](…)` points at, outside of fences and of code in a line.
fn links(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            let prose: String = line.split('`').step_by(2).collect();
            let targets = prose.split("](").skip(1);
            out.extend(targets.filter_map(|t| Some(t.split_once(')')?.0.to_string())));
        }
    }
    out
}

#[test]
fn links_lead_somewhere() {
    let mut files = vec![root().join("README.md")];
    for dir in ["docs", "tests", "bench", "examples"] {
        markdown(&root().join(dir), &mut files);
    }
    let headings = |file: &Path| -> Vec<String> {
        let text = std::fs::read_to_string(file).expect("text");
        let headings = text.lines().filter(|l| l.starts_with('#'));
        headings
            .map(|l| anchor(l.trim_start_matches('#')))
            .collect()
    };
    let (mut seen, mut dead) = (0, Vec::new());
    for file in &files {
        let text = std::fs::read_to_string(file).expect("text");
        for link in links(&text).iter().filter(|l| !l.contains("://")) {
            seen += 1;
            let (path, name) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => file.clone(),
                path => file.parent().expect("folder").join(path),
            };
            let there = target.exists()
                && (name.is_empty() || headings(&target).contains(&name.to_string()));
            if !there {
                dead.push(format!("{}: {link}", file.display()));
            }
        }
    }
    assert!(seen > 10, "{seen} links found");
    assert!(dead.is_empty(), "{dead:#?}");
}

/// `docs/llm.md` has to fit beside a task in the context of a small model.
#[test]
fn the_page_for_models_is_short() {
    let text = std::fs::read_to_string(root().join("docs/llm.md")).expect("text");
    let words = text.split_whitespace().count();
    assert!(words <= 2_500, "{words} words");
}

/// Every function that the standard library offers says what it does.
#[test]
fn the_standard_library_is_documented() {
    fn undocumented(of: &[jet_frontend::docs::ItemDoc], owner: &str, out: &mut Vec<String>) {
        for item in of.iter().filter(|i| i.is_pub) {
            let name = format!("{owner}.{}", item.name);
            if item.docs.is_empty() && !matches!(item.kind, "impl" | "field" | "variant") {
                out.push(name.clone());
            }
            undocumented(&item.members, &name, out);
        }
    }
    let mut missing = Vec::new();
    for source in &jet_frontend::std::package().files {
        let module = jet_frontend::docs::module(source, true).expect("std parses");
        undocumented(&module.items, &module.name, &mut missing);
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
