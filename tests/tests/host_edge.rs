//! Programs at the host's edge: what reaches for more than its grant, on real files, databases, sockets and processes. Every attempt
//! is refused or harmless, and leaves the program usable. The attempts are listed in `adversarial/HOST-EDGE.md`, which this test
//! compares with what it ran (`JET_BLESS=1` records).
#![allow(missing_docs)]

#[path = "host_edge/database.rs"]
mod database;
#[path = "host_edge/database_hidden.rs"]
mod database_hidden;
#[path = "host_edge/files.rs"]
mod files;
#[path = "host_edge/listen.rs"]
mod listen;
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

/// An attempt: what it tries, and how it ends.
pub struct Attempt {
    pub what: String,
    pub ends: String,
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

#[test]
fn the_list_of_attempts_is_complete() {
    let mut text = String::from(
        "# Attempts at the host's edge\n\nWhat `tests/tests/host_edge.rs` tries on the real file system, SQLite, sockets and processes, and how each \
         ends. Written by\n`JET_BLESS=1 cargo test -p jet-tests --test host_edge`; see also the programs of [host](README.md).\n",
    );
    let mut count = 0;
    for (family, attempts) in [
        ("Database", database::attempts()),
        ("Files", files::attempts()),
        ("Net", net::attempts()),
        ("Listen", listen::attempts()),
        ("Process", process::attempts()),
        ("Policies and audits", policy::attempts()),
    ] {
        text.push_str(&format!("\n## {family}\n\n| Attempt | Ends |\n|---|---|\n"));
        for attempt in attempts {
            count += 1;
            let what = attempt
                .what
                .replace('|', "\\|")
                .replace('\n', " ")
                .replace('\0', "\\0");
            text.push_str(&format!("| `{what}` | {} |\n", attempt.ends));
        }
    }
    text.push_str(&format!("\n{count} attempts.\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("adversarial/HOST-EDGE.md");
    if std::env::var_os("JET_BLESS").is_some() {
        std::fs::write(&path, &text).expect("list is written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == text, "{} is not up to date", path.display());
    assert!(count >= 200, "only {count} attempts");
}
