//! Programs outside: only those granted, with the arguments that are granted, and gone when the call is over.

use std::time::{Duration, Instant};

use super::{Attempt, SECRET, World, until};

const RUN: &str = r#"
fn main(args: [string]) uses Console + Process:
    for line in args:
        let words = line.split("|")
        let told = match Process.run(words[0], words.skip(1), "input".bytes()):
            Ok(r) => f"{r.code} {r.text() else "bytes"}"
            Err(e) => e.show()
        Console.print(told.replace("\n", " "))
"#;

/// Under a grant of `echo granted` and of `cat` without more.
const REFUSED: &[&str] = &[
    "sh|-c|echo hi",
    "/bin/sh|-c|echo hi",
    "echo",
    "echo|other",
    "echo|granted2",
    "echo| granted",
    "",
    " ",
    "echo granted",
    "echo;sh",
    "./echo|granted",
    "../../bin/echo|granted",
    "/bin/sh",
    "env",
    "echo\n|granted",
    "ECHO|granted",
    "cat2",
];

pub fn attempts() -> Vec<Attempt> {
    let more = [
        "a program that another PATH would find",
        "a shell's words in an argument: `$(id)`, `;`, `*`, `>`",
        "the environment of the host, from a program that is granted",
        "a program that does not end",
        "a program that leaves another one running",
        "a program that writes without end",
        "a program that is killed",
    ];
    let refused = REFUSED.iter().map(|r| Attempt {
        what: (*r).to_owned(),
        ends: "refused".to_owned(),
    });
    let more = more.iter().map(|m| Attempt {
        what: (*m).to_owned(),
        ends: "harmless".to_owned(),
    });
    refused.chain(more).collect()
}

#[test]
fn only_granted_programs_run() {
    let world = World::new("run-grants");
    world.write("run.jet", RUN);
    let mut args = vec!["run.jet", "--allow-run=echo granted,cat", "--"];
    args.extend(REFUSED);
    let ended = world.run(&args);
    for (what, line) in REFUSED.iter().zip(ended.lines()) {
        assert!(line.starts_with("ProcessError.Denied("), "{what}: {line}");
    }
    let ended = world.run(&[
        "run.jet",
        "--allow-run=echo granted,cat",
        "--",
        "echo|granted|$(id)|;id|*|>made|a b",
        "cat",
        "cat|run.jet",
    ]);
    let lines = ended.lines();
    assert_eq!(lines[0], "0 granted $(id) ;id * >made a b ");
    assert_eq!(lines[1], "0 input");
    assert!(lines[2].starts_with("0  fn main"), "{lines:?}");
    assert!(!world.0.join("made").exists());
    // Denials win, under every path of the program; what is not there cannot be granted.
    let ended = world.run(&[
        "run.jet",
        "--allow-run",
        "--deny-run=cat",
        "--",
        "cat",
        "/bin/cat",
        "/usr/bin/cat",
        "echo|ok",
    ]);
    let lines = ended.lines();
    assert!(
        lines[..3]
            .iter()
            .all(|l| l.starts_with("ProcessError.Denied(")),
        "{lines:?}"
    );
    assert_eq!(lines[3], "0 ok ");
    assert_eq!(
        world.run(&["run.jet", "--allow-run=no-such-program"]).code,
        Some(2)
    );
    assert_eq!(world.run(&["run.jet"]).code, Some(3));
    let ended = world.run_with(
        &["run.jet", "--allow-run=env", "--", "env"],
        &[("TOKEN", SECRET)],
    );
    assert_eq!(ended.lines(), ["0 "]);
}

/// Whether a process with this text in its command line is there.
fn alive(mark: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("processes");
    processes.flatten().any(|entry| {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        command.starts_with("sleep ") && command.contains(mark)
    })
}

#[test]
fn what_was_started_ends_with_the_call() {
    let world = World::new("run-ends");
    world.write("run.jet", RUN);
    // Numbers that nothing else sleeps for.
    let mark = |n: u32| format!("{}.{}", 3000 + n, std::process::id());
    let start = Instant::now();
    let line = format!("sleep|{}", mark(1));
    let ended = world.run(&[
        "run.jet",
        "--allow-run=sleep",
        "--max-time=500ms",
        "--",
        &line,
    ]);
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(start.elapsed() < Duration::from_secs(20));
    until("the end of a program at the time limit", || {
        !alive(&mark(1))
    });

    let line = format!("sh|-c|sleep {} & echo started", mark(2));
    let ended = world.run(&["run.jet", "--allow-run=sh -c", "--", &line]);
    assert_eq!(ended.lines(), ["0 started "]);
    until("the end of what a program left behind", || !alive(&mark(2)));

    let start = Instant::now();
    let ended = world.run(&[
        "run.jet",
        "--allow-run=yes,sh -c",
        "--max-memory=8M",
        "--",
        "yes",
        "sh|-c|kill -9 $$",
        "sh|-c|exit 7",
        "sh|-c|echo oh >&2; exit 0",
    ]);
    let lines = ended.lines();
    assert_eq!(lines, ["ProcessError.TooLarge", "137 ", "7 ", "0 "]);
    assert!(start.elapsed() < Duration::from_secs(30));
}
