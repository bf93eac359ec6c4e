//! Programs outside: only those granted, with the arguments that are granted, and gone when the call is over.

use std::time::{Duration, Instant};

use super::{Attempt, SECRET, World, recorded, until};

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

#[test]
fn only_granted_programs_run() {
    let world = World::new("run-grants");
    world.write("run.jet", RUN);
    let mut args = vec!["run.jet", "--allow-run=echo granted,cat", "--"];
    args.extend(REFUSED);
    let ended = world.run(&args);
    let mut attempts = Vec::new();
    for (what, line) in REFUSED.iter().zip(ended.lines()) {
        assert!(line.starts_with("ProcessError.Denied("), "{what}: {line}");
        attempts.push(Attempt::new(*what, "ProcessError.Denied"));
    }
    recorded("Programs beside the grant", &attempts);
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
}

/// A program of the test's own.
fn script(world: &World, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    world.write(name, text);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(world.0.join(name), mode).expect("a program");
}

#[test]
fn neither_side_sees_the_environment_of_the_other() {
    let world = World::new("run-environment");
    world.write("run.jet", RUN);
    std::fs::create_dir(world.0.join("bin")).expect("folder");
    script(&world, "echo", &format!("#!/bin/sh\necho {SECRET}\n"));
    script(&world, "bin/echo", &format!("#!/bin/sh\necho {SECRET}\n"));
    script(&world, "outer", "#!/bin/sh\necho \"$PATH\" > path\n");
    let evil = world.0.join("bin").to_string_lossy().into_owned();
    let usual = "/usr/local/bin:/usr/bin:/bin";
    let first = |ended: super::Ended| ended.lines()[0].to_owned();
    let run = |grant: &str, path: &str, line: &str| {
        let flags = ["run.jet", grant, "--", line];
        first(world.run_with(&flags, &[("PATH", path), ("TOKEN", SECRET)]))
    };
    let mut attempts = Vec::new();
    let mut tried = |what: &str, ends: String, wanted: &str| {
        assert_eq!(ends, wanted, "{what}");
        attempts.push(Attempt::new(what, ends));
    };
    // Folders of PATH that are relative could be the program's own.
    for path in [".", "bin", "", "./bin/"] {
        let path = format!("{path}:{usual}");
        tried(
            &format!("PATH={path}, echo"),
            run("--allow-run=echo", &path, "echo|granted"),
            "0 granted ",
        );
    }
    tried(
        "PATH=., with a program of that name in it",
        {
            let ended = world.run_with(
                &["run.jet", "--allow-run=echo", "--", "echo"],
                &[("PATH", ".:bin")],
            );
            format!("exit code {}", ended.code.unwrap_or(-1))
        },
        "exit code 2",
    );
    // Whoever starts jetvm says where programs are; what it starts is not told.
    assert_eq!(
        run("--allow-run=echo", &format!("{evil}:{usual}"), "echo|x"),
        format!("0 {SECRET} ")
    );
    tried(
        "env, with a token in the environment of the host",
        run("--allow-run=env", usual, "env"),
        "0 ",
    );
    assert_eq!(
        run("--allow-run=./outer", &format!("{evil}:{usual}"), "./outer"),
        "0 "
    );
    let path = std::fs::read_to_string(world.0.join("path")).expect("it ran");
    assert!(!path.contains(&evil), "{path}");
    recorded("Programs and their surroundings", &attempts);
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
