//! The demonstrations in `examples/`: a harness, an interface, an honest program, and programs that try to get more, each ended by the
//! message that is recorded beside it (`ends.txt`: how it was run, its exit code, what it printed, what was said).
//! `JET_BLESS=1` records.

use std::path::{Path, PathBuf};
use std::process::Command;

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
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

/// Runs a demonstration with another program behind its interface.
fn with_program(demo: &str, honest: &str, program: &str, flags: &[&str], args: &[&str]) -> String {
    let world =
        std::env::temp_dir().join(format!("jet-demo-{}-{demo}-{program}", std::process::id()));
    let _ = std::fs::remove_dir_all(&world);
    copy(&examples().join(demo), &world);
    let manifest = world.join("harness/jet.toml");
    let text = std::fs::read_to_string(&manifest).expect("manifest");
    std::fs::write(
        &manifest,
        text.replace(&format!("../{honest}"), &format!("../{program}")),
    )
    .expect("manifest");
    let run = Command::new(JETVM)
        .current_dir(&world)
        .env("NO_COLOR", "1")
        .args(["run", "harness"])
        .args(flags)
        .arg("--")
        .args(args)
        .output()
        .expect("jetvm starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut out = format!(
        "$ jetvm run harness {} -- {}\nexit code {}\n{}",
        flags.join(" "),
        args.join(" "),
        run.status.code().expect("it ends by itself"),
        text(&run.stdout)
    );
    if out.len() > 2000 {
        out.truncate(2000);
        out.push_str("…\n");
    }
    out.push_str(&text(&run.stderr));
    let _ = std::fs::remove_dir_all(&world);
    out
}

fn recorded(demo: &str, program: &str, now: &str) {
    let path = examples().join(demo).join(program).join("ends.txt");
    if std::env::var_os("JET_BLESS").is_some() {
        std::fs::write(&path, now).expect("recorded");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(now, known, "{} differs", path.display());
}

#[test]
fn data_agent() {
    let flags = ["--allow-db=:memory:", "--untrusted"];
    let args = ["demo", "ada", "all cards"];
    let run = |program| with_program("data_agent", "report", program, &flags, &args);
    let honest = run("report");
    assert!(
        honest.contains("exit code 0\nada asks for all cards\n")
            && honest.contains("6550 cents in 3 orders"),
        "{honest}"
    );
    for (program, message) in [
        ("takes_database", "Database"),
        ("widens_owner", "E0601"),
        ("negative_limit", "OrderError.Refused(\"a negative limit\")"),
    ] {
        let ended = run(program);
        assert!(
            !ended.contains("exit code 0") && ended.contains(message),
            "{program}: {ended}"
        );
        assert!(
            !ended.contains("card of") && !ended.contains("990000"),
            "{program}: {ended}"
        );
        recorded("data_agent", program, &ended);
    }
}

#[test]
fn the_data_agent_needs_one_table_only() {
    let world = std::env::temp_dir().join(format!("jet-demo-{}-table", std::process::id()));
    let _ = std::fs::remove_dir_all(&world);
    std::fs::create_dir_all(&world).expect("folder");
    let file = world.join("shop.db");
    let db = rusqlite::Connection::open(&file).expect("database");
    db.execute_batch(
        "create table users(name text, card text); insert into users values ('eve', 'card of eve');
         create table orders(owner text, day int, item text, cents int);",
    )
    .expect("tables");
    for i in 0..300 {
        let owner = if i % 3 == 0 { "ada" } else { "eve" };
        db.execute(
            "insert into orders values (?, ?, 'tea', ?)",
            (owner, i, i * 10),
        )
        .expect("order");
    }
    drop(db);
    let harness = examples().join("data_agent/harness");
    let grant = format!("--allow-db={}:orders", file.display());
    let run = |user: &str| {
        let run = Command::new(JETVM)
            .arg("run")
            .arg(&harness)
            .args([&grant, "--deny-db-write", "--", user, "all"])
            .output()
            .expect("jetvm starts");
        String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr)
    };
    // At most 50 rows an answer, whoever asks; all are counted.
    assert!(run("ada").ends_with("in 100 orders\n"), "{}", run("ada"));
    assert!(run("eve").ends_with("in 200 orders\n"), "{}", run("eve"));
    assert!(
        run("x' or '1'='1").ends_with("0 cents in 0 orders\n"),
        "{}",
        run("x")
    );
    let _ = std::fs::remove_dir_all(&world);
}

#[test]
fn process_monitor() {
    let flags = [
        "--allow-run=ps,uptime,df",
        "--allow-read=notes",
        "--allow-clock",
        "--untrusted",
        "--max-output=400",
    ];
    let run = |program| with_program("process_monitor", "summary", program, &flags, &["notes"]);
    let honest = run("summary");
    let mut lines = honest.lines().skip(1);
    assert_eq!(lines.next(), Some("exit code 0"), "{honest}");
    assert!(
        lines.next().is_some_and(|l| l.starts_with("report of 2")),
        "{honest}"
    );
    let rest: Vec<&str> = lines.collect();
    assert_eq!(
        rest,
        [
            "programs run: true",
            "largest first: true",
            "load is known: true",
            "disk is used: true",
            "look at the disk on mondays"
        ]
    );
    for (program, message) in [
        ("reads_files", "FileRead"),
        ("kills", "E0601"),
        ("floods", "output"),
    ] {
        let ended = run(program);
        assert!(
            !ended.contains("exit code 0") && ended.contains(message),
            "{program}: {ended}"
        );
        assert!(!ended.contains("root:"), "{program}: {ended}");
        recorded("process_monitor", program, &ended);
    }
}

#[test]
fn sandbox_agent() {
    let flags = [
        "--allow-read=workspace",
        "--allow-write=workspace",
        "--allow-run=wc -l --,sort --",
        "--audit-log=log.jsonl",
        "--max-time=2s",
    ];
    let run = |program| {
        with_program(
            "sandbox_agent",
            "tidy",
            program,
            &flags,
            &["workspace", "tidy up"],
        )
    };
    let honest = run("tidy");
    assert!(
        honest.ends_with("exit code 0\ntask: tidy up\nb.list: 3 lines in order\n"),
        "{honest}"
    );
    for (program, message) in [
        ("takes_network", "Net"),
        ("climbs_out", "AgentError.Refused(\"one more write\")"),
        ("never_ends", "time"),
    ] {
        let ended = run(program);
        assert!(
            !ended.contains("exit code 0") && ended.contains(message),
            "{program}: {ended}"
        );
        assert!(
            !ended.contains("got ") && !ended.contains("root:") && !ended.contains("uid="),
            "{program}: {ended}"
        );
        // Where the time is over differs from run to run.
        if program != "never_ends" {
            recorded("sandbox_agent", program, &ended);
        }
    }
}
