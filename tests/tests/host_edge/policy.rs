//! Policies, quotas and audit logs, as the command line has them.

use super::{Attempt, Ended, SECRET, World, recorded, stopped};

const READ: &str = r#"
fn main(args: [string]) uses Console + FileRead:
    for path in args:
        Console.print(match FileRead.read_text(path):
            Ok(text) => text
            Err(e) => e.show())
"#;

/// Policies that are refused before anything runs.
const WRONG: &[&str] = &[
    "[grant]\nread = true",
    "[grants]\nread = 'in'",
    "[grants]\nnetwork = true",
    "[grants]\nread = true\nread = false",
    "[grants]\nrun = ['sh -c']",
    "[deny]\nreads = ['in']",
    "[limits]\nfuel = 'much'",
    "[limits]\nmemory = '1'",
    "[quotas.Files]\ncalls = 1",
    "[quotas.FileRead]\ncalls = -1",
    "[audit]\narguments = 'everything'",
    "[audit.capabilities]\nfileread = 'text'",
    "not toml",
];

fn world(name: &str) -> World {
    let world = World::new(name);
    std::fs::create_dir_all(world.0.join("in")).expect("folder");
    world.write("in/a", "inside");
    world.write("in/key", SECRET);
    world.write("other", "outside");
    world.write("read.jet", READ);
    world
}

#[test]
fn policies_hold_and_denials_win() {
    let world = world("policy");
    let mut attempts = Vec::new();
    for wrong in WRONG {
        world.write("wrong.toml", wrong);
        let ended = world.run(&[
            "read.jet",
            "--policy=wrong.toml",
            "--allow-read",
            "--",
            "in/a",
        ]);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(2), ""),
            "{wrong}: {}",
            ended.err
        );
        assert!(ended.err.contains("wrong.toml"), "{wrong}: {}", ended.err);
        attempts.push(Attempt::new(
            *wrong,
            format!("exit code {}", ended.code.unwrap_or(-1)),
        ));
    }
    recorded("Policies that are none", &attempts);
    world.write("p.toml", "[grants]\nread = ['in']\n[deny]\nread = ['in/key']\n[limits]\nfuel = 100000\ntime = '10s'\n");
    let tried = ["--", "in/a", "in/key", "other"];
    let run = |flags: &[&str]| {
        let mut args = vec!["read.jet", "--policy=p.toml"];
        args.extend(flags);
        args.extend(tried);
        world.run(&args)
    };
    assert_eq!(
        run(&[]).lines(),
        [
            "inside",
            "IoError.Denied(\"in/key\")",
            "IoError.Denied(\"other\")"
        ]
    );
    let ended = run(&["--allow-read=other,in/key"]);
    assert_eq!(
        ended.lines(),
        ["inside", "IoError.Denied(\"in/key\")", "outside"]
    );
    let ended = run(&["--deny-read=in/a"]);
    assert!(ended.lines()[0].contains("Denied"), "{}", ended.out);
    assert_eq!(run(&["--deny-read"]).code, Some(3));
    // A loop needs more than the policy's fuel, whatever the flag says.
    world.write("loop.jet", "fn main() uses Console:\n    let mut n = 0\n    while n < 1_000_000:\n        n += 1\n    Console.print(f\"{n}\")\n");
    let ended = world.run(&["loop.jet", "--policy=p.toml", "--fuel=100000000"]);
    assert_eq!(ended.code, Some(4), "{}", ended.out);
    // Paths of a policy start at its folder.
    std::fs::create_dir(world.0.join("etc")).expect("folder");
    world.write("etc/p.toml", "[grants]\nread = ['../in']\n");
    let ended = world.run(&["read.jet", "--policy=etc/p.toml", "--", "in/a"]);
    assert_eq!(ended.lines(), ["inside"]);
}

#[test]
fn quotas_are_counted() {
    let world = world("quotas");
    let run = |quota: &str, files: &[&str]| {
        world.write("p.toml", &format!("[quotas.FileRead]\n{quota}\n"));
        let flags = ["read.jet", "--allow-read=in", "--policy=p.toml", "--"];
        world.run(&[&flags[..], files].concat())
    };
    let used_up = |ended: &Ended, what: &str| {
        let why = format!("the granted number of {what} of FileRead is used up");
        assert!(ended.err.contains(&why), "{}", ended.err);
    };
    let ended = run("calls = 2", &["in/a", "in/none", "in/a"]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.out, "inside\nIoError.NotFound(\"in/none\")\n");
    used_up(&ended, "calls");
    let mut attempts = vec![Attempt::new("calls = 2, and a third call", stopped(&ended))];
    // Path and answer count: 4 + 6 bytes a call.
    let ended = run("bytes = '19'", &["in/a", "in/a"]);
    assert_eq!(ended.out, "inside\n");
    used_up(&ended, "bytes");
    attempts.push(Attempt::new(
        "bytes = '19', and a twentieth byte",
        stopped(&ended),
    ));
    recorded("Quotas and audits", &attempts);
    let ended = run("bytes = '20'", &["in/a", "in/a"]);
    assert_eq!(ended.lines(), ["inside", "inside"]);
}

#[test]
fn every_call_is_in_the_audit_log() {
    let world = world("audit");
    let hostile = "in/\u{202e}x\u{1b}[2J\n{\"n\":99}";
    world.write(
        "p.toml",
        "[audit]\narguments = 'text'\n[audit.capabilities]\nConsole = 'nothing'\n",
    );
    let ended = world.run(&[
        "read.jet",
        "--allow-read=in",
        "--policy=p.toml",
        "--audit-log=log.jsonl",
        "--",
        "in/a",
        "other",
        hostile,
    ]);
    assert_eq!(ended.lines().len(), 3, "{}", ended.out);
    let log = std::fs::read_to_string(world.0.join("log.jsonl")).expect("log");
    assert!(log.chars().all(|c| matches!(c, ' '..='~' | '\n')), "{log}");
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|l| serde_json::from_str(l).expect("a line of JSON"))
        .collect();
    assert_eq!(lines.len(), 6, "{log}");
    for (i, line) in lines.iter().enumerate() {
        assert_eq!(line["n"], i + 1);
        assert!(
            line["file"]
                .as_str()
                .is_some_and(|f| f.ends_with("read.jet")),
            "{line}"
        );
        assert!(
            line["micros"].is_u64() && line["time_ms"].is_u64(),
            "{line}"
        );
        let console = i % 2 == 1;
        assert_eq!(
            line["capability"],
            if console {
                "std.Console"
            } else {
                "std.FileRead"
            }
        );
        assert_eq!(line["line"], 4);
        assert_eq!(line["arguments"].is_null(), console, "{line}");
    }
    assert_eq!(
        (&lines[0]["verdict"], &lines[0]["arguments"][0]),
        (&"ok".into(), &"in/a".into())
    );
    assert_eq!(
        (&lines[2]["verdict"], &lines[2]["detail"]),
        (&"error".into(), &"IoError.Denied".into())
    );
    assert_eq!(lines[4]["arguments"][0], hostile);
    // Without a policy arguments are hashed; another run writes behind the first.
    let ended = world.run(&[
        "read.jet",
        "--allow-read=in",
        "--audit-log=log.jsonl",
        "--",
        "in/key",
    ]);
    assert_eq!(ended.code, Some(0));
    let longer = std::fs::read_to_string(world.0.join("log.jsonl")).expect("log");
    let added = longer.strip_prefix(&log).expect("what was there stays");
    assert!(
        !added.contains("in/key") && !added.contains(SECRET),
        "{added}"
    );
    // A call that is stopped is told, too.
    world.write("none.toml", "[quotas.FileRead]\ncalls = 0\n");
    world.run(&[
        "read.jet",
        "--allow-read=in",
        "--policy=none.toml",
        "--audit-log=stopped.jsonl",
        "--",
        "in/a",
    ]);
    let log = std::fs::read_to_string(world.0.join("stopped.jsonl")).expect("log");
    assert!(
        log.contains("\"verdict\":\"stopped\"") && log.contains("used up"),
        "{log}"
    );
}

#[test]
fn what_cannot_be_recorded_does_not_happen() {
    let world = world("audit-full");
    let paths = vec!["in/a"; 60].join(" ");
    // The log may not grow beyond 2 KiB.
    let line = format!(
        "ulimit -f 2 && exec {} run read.jet --allow-read=in --audit-log=log.jsonl -- {paths}",
        super::JETVM
    );
    let run = std::process::Command::new("bash")
        .args(["-c", &line])
        .current_dir(&world.0)
        .output()
        .expect("bash");
    let ended = super::ended(run);
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert!(
        ended.err.contains("calls cannot be recorded any more"),
        "{}",
        ended.err
    );
    assert!(ended.out.lines().count() < 60, "{}", ended.out);
    assert_eq!(
        world
            .run(&[
                "read.jet",
                "--allow-read=in",
                "--audit-log=none/log",
                "--",
                "in/a"
            ])
            .code,
        Some(2)
    );
}

/// Changes every file that it is given in every way there is.
const CHANGE: &str = r#"
fn main(args: [string]) uses Console + FileWrite:
    for path in args:
        let tried = [
            FileWrite.write_text(path, "mine"), FileWrite.append_text(path, "mine"), FileWrite.write_bytes(path, [1]),
            FileWrite.remove(path), FileWrite.rename("mine", path), FileWrite.rename(path, "stolen"), FileWrite.create_dir(path),
        ]
        Console.print(tried.map(told).join(" "))

fn told(done: Result[(), IoError]) -> string:
    return match done:
        Ok(_) => "done"
        Err(IoError.Denied(_)) => "Denied"
        Err(IoError.Exists(_)) => "Exists"
        Err(e) => e.show()
"#;

#[test]
fn what_says_or_records_what_a_program_does_is_not_its_to_write() {
    let world = World::new("protected");
    for folder in ["logs", "etc", "data"] {
        std::fs::create_dir(world.0.join(folder)).expect("folder");
    }
    world.write("change.jet", CHANGE);
    world.write("mine", "mine");
    world.write("logs/old", "{}\n");
    world.write("etc/p.toml", "[grants]\nwrite = true\n");
    world.write("keys", "");
    std::fs::hard_link(world.0.join("logs/old"), world.0.join("hard")).expect("link");
    std::os::unix::fs::symlink("logs/old", world.0.join("soft")).expect("link");
    std::os::unix::fs::symlink("logs", world.0.join("way")).expect("link");
    rusqlite::Connection::open(world.0.join("data/shop.db"))
        .and_then(|db| db.execute_batch("create table orders(a)"))
        .expect("database");
    let absolute = world.0.join("logs/old").to_string_lossy().into_owned();
    let closed = [
        "logs/old",
        "./etc/../logs/old",
        "soft",
        "hard",
        "way/old",
        &absolute,
        "etc/p.toml",
        "data/shop.db",
        "data/shop.db-journal",
        "data/shop.db-wal",
        "data/shop.db-shm",
    ];
    let mut args = vec![
        "change.jet",
        "--policy=etc/p.toml",
        "--allow-write=.",
        "--allow-db=data/shop.db",
        "--audit-log=logs/old",
        "--",
    ];
    args.extend(closed);
    let ended = world.run(&args);
    let mut attempts = Vec::new();
    for (path, line) in closed.iter().zip(ended.lines()) {
        // A link to the log is the program's own to move or to remove; what is not there cannot be made.
        let link = *path == "soft";
        let fine = line
            .split(' ')
            .all(|w| ["Denied", "Exists"].contains(&w) || link && w == "done");
        assert!(fine, "{path}: {line}");
        attempts.push(Attempt::new(path.replace(&absolute, "/…/logs/old"), line));
    }
    // The folders in which they lie stay where they are.
    let folders = ["logs", "etc", "data", "."];
    let mut args = args[..6].to_vec();
    args.extend(folders);
    let ended = world.run(&args);
    for (path, line) in folders.iter().zip(ended.lines()) {
        assert!(!line.contains("done"), "{path}: {line}");
        attempts.push(Attempt::new(*path, line));
    }
    recorded("Files that say or record what a program does", &attempts);
    let log = std::fs::read_to_string(world.0.join("logs/old")).expect("log");
    assert!(log.starts_with("{}\n{\"") && !log.contains("mine"), "{log}");
    assert_eq!(
        std::fs::read_to_string(world.0.join("etc/p.toml")).expect("policy"),
        "[grants]\nwrite = true\n"
    );
    // Files beside them are granted as ever.
    let ended = world.run(&[
        "change.jet",
        "--allow-write=logs",
        "--audit-log=logs/old",
        "--",
        "logs/new",
    ]);
    assert!(
        ended.lines()[0].starts_with("done done done done"),
        "{}",
        ended.out
    );
}

#[test]
fn large_arguments_are_hashed_piece_by_piece() {
    let world = World::new("audit-large");
    world.write(
        "large.jet",
        "fn main() uses FileWrite ! IoError:\n    FileWrite.write_bytes(\"out\", \"x\".repeat(8_000_000).bytes())?\n",
    );
    let ended = world.run(&[
        "large.jet",
        "--allow-write=.",
        "--audit-log=log",
        "--stats=json",
    ]);
    let stats: serde_json::Value = ended
        .err
        .lines()
        .find_map(|l| serde_json::from_str(l).ok())
        .expect("statistics");
    let peak = stats["process"]["peak_resident"]
        .as_u64()
        .expect("a number");
    assert!(peak < 160 << 20, "{} MiB", peak >> 20);
}

#[test]
fn a_torn_line_of_the_log_stays_alone() {
    let world = world("audit-torn");
    world.write("log.jsonl", "{\"n\":1}\n{\"n\":2,\"ca");
    let flags = [
        "read.jet",
        "--allow-read=in",
        "--audit-log=log.jsonl",
        "--",
        "in/a",
    ];
    assert_eq!(world.run(&flags).lines(), ["inside"]);
    let log = std::fs::read_to_string(world.0.join("log.jsonl")).expect("log");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[..2], ["{\"n\":1}", "{\"n\":2,\"ca"], "{log}");
    let whole = |l: &&str| serde_json::from_str::<serde_json::Value>(l).is_ok();
    assert!(lines.len() == 4 && lines[2..].iter().all(whole), "{log}");
    // The last call that a full disk lets through leaves a torn line, and what is told of the next one is a line of its own.
    let paths = vec!["in/a"; 60].join(" ");
    let line = format!(
        "ulimit -f 2 && exec {} run read.jet --allow-read=in --audit-log=full.jsonl -- {paths}",
        super::JETVM
    );
    let run = std::process::Command::new("bash")
        .args(["-c", &line])
        .current_dir(&world.0)
        .output();
    assert_eq!(super::ended(run.expect("bash")).code, Some(1));
    assert_eq!(
        world
            .run(&[
                "read.jet",
                "--allow-read=in",
                "--audit-log=full.jsonl",
                "--",
                "in/a"
            ])
            .code,
        Some(0)
    );
    let log = std::fs::read_to_string(world.0.join("full.jsonl")).expect("log");
    let broken = log.lines().filter(|l| !whole(l)).count();
    assert!(
        broken <= 1 && whole(&log.lines().last().expect("a line")),
        "{log}"
    );
}

#[test]
fn a_policy_names_programs_that_lie_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new("policy-run");
    std::fs::create_dir(world.0.join("etc")).expect("folder");
    for (file, says) in [("etc/tool", "the right one"), ("tool", SECRET)] {
        world.write(file, &format!("#!/bin/sh\necho {says} $1\n"));
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(world.0.join(file), mode).expect("a program");
    }
    world.write(
        "run.jet",
        "fn main(args: [string]) uses Console + Process:\n    for name in args:\n        Console.print(match Process.run(name, [\"a\"], []):\n            Ok(r) => r.text() else \"\"\n            Err(e) => e.show()\n        )\n",
    );
    world.write("etc/p.toml", "[grants]\nrun = [['./tool', 'a']]\n");
    let tool = world.0.join("etc/tool").to_string_lossy().into_owned();
    let other = world.0.join("tool").to_string_lossy().into_owned();
    let ended = world.run(&[
        "run.jet",
        "--policy=etc/p.toml",
        "--",
        "etc/tool",
        "./etc/../etc/tool",
        &tool,
        "./tool",
        "tool",
        &other,
    ]);
    let lines: Vec<&str> = ended.out.lines().filter(|l| !l.is_empty()).collect();
    assert_eq!(lines[..3], ["the right one a"; 3], "{}", ended.out);
    assert!(
        lines[3..]
            .iter()
            .all(|l| l.starts_with("ProcessError.Denied("))
            && lines.len() == 6,
        "{}",
        ended.out
    );
    world.write(
        "etc/p.toml",
        "[grants]\nrun = true\n[deny]\nrun = ['./tool']\n",
    );
    let ended = world.run(&["run.jet", "--policy=etc/p.toml", "--", "etc/tool", "./tool"]);
    assert!(
        ended.out.starts_with("ProcessError.Denied(") && ended.out.contains(SECRET),
        "{}",
        ended.out
    );
}
