//! Programs that check, and programs that are refused with the code they name.
//!
//! `tests/check/ok/*.jet` have no diagnostics. In `tests/check/bad/*.jet`, `#~ E0401` at the end of a
//! line says that a diagnostic of that code starts in that line; each is named and nothing else is told.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use jet_frontend::diag::Severity;
use jet_frontend::driver::{PackageInput, ProgramInput, SourceInput, check_only, compile};
use std::path::{Path, PathBuf};

fn files(dir: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/check")
        .join(dir);
    let mut out: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "jet"))
        .collect();
    out.sort();
    out
}

/// Diagnostics of a file as `line code message`. `# module: name` starts another module.
fn check(path: &Path) -> Vec<(String, u32, String, String, Severity)> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut files = Vec::new();
    let mut name = "main".to_string();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(next) = line.strip_prefix("# module: ") {
            files.push((name, std::mem::take(&mut current)));
            name = next.trim().to_string();
        } else {
            current.push_str(line);
            current.push('\n');
        }
    }
    files.push((name, current));
    check_files(files)
}

fn check_files(files: Vec<(String, String)>) -> Vec<(String, u32, String, String, Severity)> {
    let input = ProgramInput {
        implementations: Vec::new(),
        packages: vec![PackageInput {
            name: "app".into(),
            version: "0.1.0".into(),
            deps: Vec::new(),
            files: files
                .into_iter()
                .map(|(module, text)| SourceInput {
                    path: format!("{module}.jet"),
                    module,
                    text,
                })
                .collect(),
        }],
    };
    let out = std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(move || match std::env::var_os("EMIT") {
            Some(_) => compile(&input),
            None => check_only(&input),
        })
        .unwrap()
        .join()
        .unwrap();
    out.diagnostics
        .iter()
        .map(|d| {
            let (line, _) = out.sources.line_col(d.span);
            let mut text = d.message.clone();
            if let Some(h) = &d.help {
                text.push_str(" | ");
                text.push_str(h);
            }
            for (s, c) in &d.call_path {
                let (l, _) = out.sources.line_col(*s);
                text.push_str(&format!(" > {c}:{l}"));
            }
            (
                out.sources.path(d.span.file).to_string(),
                line,
                d.code.to_string(),
                text,
                d.severity,
            )
        })
        .collect()
}

#[test]
fn good_programs() {
    let mut failed = String::new();
    for f in files("ok") {
        for (path, line, code, text, _) in check(&f) {
            failed.push_str(&format!("{}: {path}:{line} {code} {text}\n", f.display()));
        }
    }
    assert!(failed.is_empty(), "\n{failed}");
}

#[test]
fn bad_programs() {
    let mut failed = String::new();
    for f in files("bad") {
        let text = std::fs::read_to_string(&f).unwrap();
        let mut want: Vec<(u32, String)> = Vec::new();
        for (i, line) in text.lines().enumerate() {
            if let Some((_, code)) = line.split_once("#~ ") {
                for c in code.split_whitespace() {
                    want.push((i as u32 + 1, c.to_string()));
                }
            }
        }
        let all = check(&f);
        let mut got: Vec<(u32, String)> = all.iter().map(|d| (d.1, d.2.clone())).collect();
        got.sort();
        want.sort();
        if got != want {
            failed.push_str(&format!("{}: wanted {want:?}\n", f.display()));
            for (path, line, code, text, _) in all {
                failed.push_str(&format!("    {path}:{line} {code} {text}\n"));
            }
        }
    }
    assert!(failed.is_empty(), "\n{failed}");
}

/// Mutilated programs are answered with diagnostics, never with a panic.
#[test]
fn mutilated_programs() {
    let mut texts = Vec::new();
    for dir in ["ok", "bad"] {
        for f in files(dir) {
            texts.push(std::fs::read_to_string(f).unwrap());
        }
    }
    let rounds: u64 = std::env::var("CHECK_ROUNDS")
        .ok()
        .and_then(|r| r.parse().ok())
        .unwrap_or(150);
    let mut seed: u64 = std::env::var("CHECK_SEED")
        .ok()
        .and_then(|r| r.parse().ok())
        .unwrap_or(0x9e37_79b9_7f4a_7c15);
    let mut next = move |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % n.max(1) as u64) as usize
    };
    let words = |t: &str| -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for c in t.chars() {
            let word = c.is_alphanumeric() || c == '_';
            match out.last_mut() {
                Some(w) if word && w.chars().all(|c| c.is_alphanumeric() || c == '_') => w.push(c),
                Some(w) if c == ' ' && w.chars().all(|c| c == ' ') => w.push(c),
                _ => out.push(c.to_string()),
            }
        }
        out
    };
    for _ in 0..rounds {
        let mut w = words(&texts[next(texts.len())]);
        for _ in 0..1 + next(4) {
            let (i, j) = (next(w.len()), next(w.len()));
            match next(4) {
                0 => {
                    w.remove(i);
                }
                1 => {
                    let x = w[j].clone();
                    w[i] = x;
                }
                2 => w.swap(i, j),
                _ => {
                    let other = words(&texts[next(texts.len())]);
                    w[i] = other[next(other.len())].clone();
                }
            }
        }
        let text = w.concat();
        let shown = text.clone();
        let result = std::panic::catch_unwind(|| {
            check_files(vec![("main".to_string(), text.clone())]);
        });
        assert!(result.is_ok(), "panic on:\n{shown}");
    }
}

/// Two packages: what is not `pub` stays inside.
#[test]
fn packages_keep_what_is_not_pub() {
    let package = |name: &str, deps: &[&str], module: &str, text: &str| PackageInput {
        name: name.into(),
        version: "1.0.0".into(),
        deps: deps.iter().map(|d| d.to_string()).collect(),
        files: vec![SourceInput {
            path: format!("{name}/{module}.jet"),
            module: module.into(),
            text: text.into(),
        }],
    };
    let lib = "
pub struct Open:
    pub x: int
    secret: int = 1

    pub fn get(self) -> int:
        return self.secret

    fn hidden(self) -> int:
        return self.secret

pub struct Closed:
    secret: int

struct Private:
    x: int

pub fn make() -> Closed:
    return Closed(1)

fn internal() -> int:
    return 1

pub capability Log:
    fn note(s: string)

pub trait Area:
    fn area(self) -> float
";
    let app = "
import lib
from lib import Open, make
from lib import internal
from lib import Log as L

struct Circle:
    r: float

impl lib.Area for Circle:
    fn area(self) -> float:
        return self.r

impl lib.Area for int:
    fn area(self) -> float:
        return 1.0

fn main():
    let o = Open(1)
    let p = Open(1, 2)
    let a = o.x + o.get()
    let b = o.secret
    let c = o.hidden()
    let d = lib.Closed(1)
    let e = make()
    let f = lib.Private(1)
    let g = Circle(1.0).area()
";
    let out = check_only(&ProgramInput {
        implementations: Vec::new(),
        packages: vec![
            package("lib", &[], "lib", lib),
            package("app", &["lib"], "main", app),
        ],
    });
    let got: Vec<(u32, &str)> = out
        .diagnostics
        .iter()
        .map(|d| (out.sources.line_col(d.span).0, d.code))
        .collect();
    assert_eq!(
        got,
        [
            (4, "E0304"),
            (5, "E0307"),
            (14, "E0410"),
            (20, "E0304"),
            (22, "E0304"),
            (23, "E0304"),
            (24, "E0304"),
            (26, "E0304"),
        ]
    );
}
