//! Programs at the host's edge: what reaches for more than its grant, on real files, databases, sockets and processes. Every attempt
//! is refused or harmless, and leaves the program usable. The attempts, and how they end, are listed in `adversarial/HOST-EDGE.md`,
//! with which each test compares what it ran (`JET_BLESS=1` records).
#![allow(missing_docs)]

#[path = "host_edge/database.rs"]
mod database;
#[path = "host_edge/database_hidden.rs"]
mod database_hidden;
#[path = "host_edge/files.rs"]
mod files;
#[path = "host_edge/listen.rs"]
mod listen;
#[path = "host_edge/listen_http.rs"]
mod listen_http;
#[path = "host_edge/net.rs"]
mod net;
#[path = "host_edge/policy.rs"]
mod policy;
#[path = "host_edge/process.rs"]
mod process;
#[path = "host_edge/revocation.rs"]
mod revocation;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

pub const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

/// What nobody but its owner may see.
pub const SECRET: &str = "the-secret-of-eve";

/// An attempt: what it tried, and how it ended.
pub struct Attempt {
    what: String,
    ends: String,
}

impl Attempt {
    pub fn new(what: impl Into<String>, ends: impl Into<String>) -> Attempt {
        let (what, ends) = (what.into(), ends.into());
        Attempt { what, ends }
    }
}

/// A folder of its own for a test, removed at its end.
pub struct World(pub PathBuf);

impl World {
    pub fn new(name: &str) -> World {
        let dir = std::env::temp_dir().join(format!("jet-edge-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("temporary folder");
        World(dir.canonicalize().expect("it is there"))
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("file is written");
    }

    /// Runs `jetvm run` in the folder.
    pub fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, &[])
    }

    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ended {
        let mut command = Command::new(JETVM);
        command
            .current_dir(&self.0)
            .env("NO_COLOR", "1")
            .arg("run")
            .args(args);
        for (name, value) in env {
            command.env(name, value);
        }
        ended(command.output().expect("jetvm starts"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How a run ended.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub fn ended(output: Output) -> Ended {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let ended = Ended {
        code: output.status.code(),
        out: text(&output.stdout),
        err: text(&output.stderr),
    };
    assert!(
        !matches!(ended.code, None | Some(101)),
        "jetvm broke: {:?}\n{}",
        ended.code,
        ended.err
    );
    ended
}

impl Ended {
    /// The lines of standard output, of a run that ended well.
    pub fn lines(&self) -> Vec<&str> {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self.out.lines().collect()
    }
}

/// The first line of what was said of a run that was stopped, without places and numbers.
pub fn stopped(ended: &Ended) -> String {
    let line = ended.err.lines().next().unwrap_or_default();
    let line = line.split(": ").next().unwrap_or_default();
    format!("exit code {}, {line}", ended.code.unwrap_or(-1))
}

/// Waits until something is so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..500 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not happen");
}

/// The sections of the list, each written by the test that made its attempts.
const SECTIONS: [&str; 20] = [
    "SQL that leads past a grant of one table",
    "SQL that is harmless",
    "SQL without an end",
    "SQL that leads to what is hidden",
    "SQL whose single steps would take hours",
    "Files that do not fit",
    "A disk that is full",
    "Files that say or record what a program does",
    "Addresses of the machine and its surroundings",
    "Hosts, ports and redirects beside the grant",
    "Requests that are not what they say",
    "Servers that are no help",
    "Places to listen at beside the grant",
    "Requests that hide in another, or are too much",
    "Answers that a program may not give",
    "Clients that hold a server up",
    "Programs beside the grant",
    "Programs and their surroundings",
    "Policies that are none",
    "Quotas and audits",
];

fn list() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("adversarial/HOST-EDGE.md")
}

fn heading(section: &str) -> String {
    format!("\n## {section}\n\n| Attempt | Ends |\n|---|---|\n")
}

/// The rows of a section in the list.
fn rows<'a>(text: &'a str, section: &str) -> &'a str {
    let from = text
        .split_once(&heading(section))
        .map_or("", |(_, rows)| rows);
    from.split_once("\n\n")
        .map_or(from, |(rows, _)| rows)
        .trim_end()
}

fn blessing() -> bool {
    std::env::var_os("JET_BLESS").is_some()
}

/// Compares what a test tried, and how it ended, with the list.
pub fn recorded(section: &str, attempts: &[Attempt]) {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    assert!(SECTIONS.contains(&section), "{section}");
    let plain = |text: &str| {
        text.replace('|', "\\|")
            .replace(['\n', '\r'], " ")
            .replace('\0', "\\0")
    };
    let line = |a: &Attempt| {
        let what = match a.what.chars().count() {
            0..=200 => plain(&a.what),
            _ => plain(&a.what.chars().take(200).collect::<String>()) + "…",
        };
        format!("| `{what}` | {} |", plain(&a.ends))
    };
    let now: Vec<String> = attempts.iter().map(line).collect();
    let now = now.join("\n");
    let known = std::fs::read_to_string(list()).unwrap_or_default();
    if blessing() {
        let mut text = String::from(
            "# Attempts at the host's edge\n\nWhat `tests/tests/host_edge.rs` tries on the real file system, SQLite, sockets and processes, and how each \
             ended when it was run. Written by\n`JET_BLESS=1 cargo test -p jet-tests --test host_edge`; see also the programs of [host](README.md).\n",
        );
        let mut count = 0;
        for name in SECTIONS {
            let rows = if name == section {
                &now
            } else {
                rows(&known, name)
            };
            count += rows.lines().count();
            text.push_str(&format!("{}{rows}\n", heading(name)));
        }
        text.push_str(&format!("\n{count} attempts.\n"));
        std::fs::write(list(), text).expect("list is written");
        return;
    }
    let listed = rows(&known, section);
    for (new, old) in now.lines().zip(listed.lines()) {
        assert_eq!(
            new,
            old,
            "{section}: {} is not up to date",
            list().display()
        );
    }
    assert_eq!(now.lines().count(), listed.lines().count(), "{section}");
}

#[test]
fn the_list_of_attempts_is_complete() {
    if blessing() {
        return;
    }
    let text = std::fs::read_to_string(list()).expect("the list");
    let headings: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("## ")).collect();
    assert_eq!(headings, SECTIONS);
    let count: usize = SECTIONS
        .iter()
        .map(|s| rows(&text, s).lines().count())
        .sum();
    assert!(text.ends_with(&format!("\n{count} attempts.\n")), "{count}");
    assert!(count >= 250, "only {count} attempts");
}
