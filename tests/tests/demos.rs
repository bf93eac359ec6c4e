//! The demonstrations in `examples/`: a harness, an interface, an honest program, and programs that try to get more, each ended by the
//! message that is recorded beside it (`ends.txt`: how it was run, its exit code, what it printed, what was said).
//! `JET_BLESS=1` records.

use std::path::{Path, PathBuf};
use std::process::Command;

use jet_tests::serving::{Running, body, one, status};
use jet_tests::suite::{copy, root};

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

fn examples() -> PathBuf {
    root().join("examples")
}

/// A demonstration: its folder, its honest program, and how it is run.
struct Demo {
    name: &'static str,
    honest: &'static str,
    flags: &'static [&'static str],
    args: &'static [&'static str],
}

impl Demo {
    fn run(&self, program: &str) -> String {
        with_program(self.name, self.honest, program, self.flags, self.args)
    }

    /// Runs a program that wants more: it ends with this message, and nothing of what it wanted comes out. Gives what it
    /// ended with.
    fn stops(&self, program: &str, message: &str, wanted: &[&str]) -> String {
        let ended = self.run(program);
        assert!(
            !ended.contains("exit code 0") && ended.contains(message),
            "{program}: {ended}"
        );
        for secret in wanted {
            assert!(!ended.contains(secret), "{program}, {secret}: {ended}");
        }
        ended
    }

    /// The same, and it is as recorded.
    fn stops_as_recorded(&self, program: &str, message: &str, wanted: &[&str]) {
        let now = self.stops(program, message, wanted);
        let path = examples().join(self.name).join(program).join("ends.txt");
        if std::env::var_os("JET_BLESS").is_some() {
            std::fs::write(&path, &now).expect("recorded");
        }
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(now, known, "{} differs", path.display());
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

#[test]
fn data_agent() {
    let demo = Demo {
        name: "data_agent",
        honest: "report",
        flags: &["--allow-db=:memory:", "--untrusted"],
        args: &["demo", "ada", "all cards"],
    };
    let honest = demo.run("report");
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
        demo.stops_as_recorded(program, message, &["card of", "990000"]);
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
    let demo = Demo {
        name: "process_monitor",
        honest: "summary",
        flags: &[
            "--allow-run=ps,uptime,df",
            "--allow-read=notes",
            "--allow-clock",
            "--untrusted",
            "--max-output=400",
        ],
        args: &["notes"],
    };
    let honest = demo.run("summary");
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
        demo.stops_as_recorded(program, message, &["root:"]);
    }
}

#[test]
fn sandbox_agent() {
    let demo = Demo {
        name: "sandbox_agent",
        honest: "tidy",
        flags: &[
            "--allow-read=workspace",
            "--allow-write=workspace",
            "--allow-run=wc -l --,sort --",
            "--audit-log=log.jsonl",
            "--max-time=2s",
        ],
        args: &["workspace", "tidy up"],
    };
    let honest = demo.run("tidy");
    assert!(
        honest.ends_with("exit code 0\ntask: tidy up\nb.list: 3 lines in order\n"),
        "{honest}"
    );
    let wanted = ["got ", "root:", "uid="];
    demo.stops_as_recorded("takes_network", "Net", &wanted);
    let message = "AgentError.Refused(\"one more write\")";
    demo.stops_as_recorded("climbs_out", message, &wanted);
    // Where the time is over differs from run to run.
    let ended = demo.stops("never_ends", "the time limit is reached", &wanted);
    let begins = "-- workspace tidy up\nexit code 4\nthinking\n";
    assert!(ended.contains(begins), "{ended}");
}

/// The server of reports with another package behind its interface, in a copy of its own.
fn reports_server(program: &str) -> (PathBuf, Command) {
    let world =
        std::env::temp_dir().join(format!("jet-demo-{}-reports-{program}", std::process::id()));
    let _ = std::fs::remove_dir_all(&world);
    copy(&examples().join("reports-server"), &world);
    let manifest = world.join("harness/jet.toml");
    let text = std::fs::read_to_string(&manifest).expect("manifest");
    std::fs::write(
        &manifest,
        text.replace("../summary", &format!("../{program}")),
    )
    .expect("manifest");
    let mut command = Command::new(JETVM);
    command.current_dir(&world).args([
        "run",
        "harness",
        "--allow-listen=127.0.0.1:0",
        "--max-time=300s",
    ]);
    (world, command)
}

/// A database of its own, of ada, who has three orders, and eve.
fn shop(world: &Path) {
    let db = rusqlite::Connection::open(world.join("shop.db")).expect("database");
    db.execute_batch(
        "create table cards(owner text, card text); insert into cards values ('eve', 'card of eve');
         create table sessions(token text, owner text); insert into sessions values ('one', 'ada'), ('two', 'eve');
         create table orders(owner text, day int, item text, cents int);
         insert into orders values ('ada', 118, 'tea', 450), ('eve', 119, 'plans', 990000), ('ada', 101, 'paper', 1200), ('ada', 80, 'tea', 4900);",
    )
    .expect("tables");
}

fn as_user(server: &Running, token: &str, path: &str) -> String {
    server.ask_with(path, &format!("authorization: Bearer {token}\r\n"))
}

#[test]
fn reports_server_answers_each_user() {
    let (world, mut command) = reports_server("summary");
    shop(&world);
    command.args([
        "--allow-db=shop.db:sessions,orders",
        "--deny-db-write",
        "--",
        "0",
    ]);
    let server = Running::start(&mut command);
    let of = |token: &str, path: &str| body(&as_user(&server, token, path)).to_owned();
    assert_eq!(
        of("one", "/report?since=100"),
        r#"{"owner":"ada","count":3,"cents":1650,"largest":[{"day":101,"item":"paper","cents":1200},{"day":118,"item":"tea","cents":450}]}"#
    );
    assert_eq!(
        of("two", "/report"),
        r#"{"owner":"eve","count":1,"cents":990000,"largest":[{"day":119,"item":"plans","cents":990000}]}"#
    );
    assert!(of("one", "/report?item=tea").contains(r#""cents":5350,"#));
    for path in [
        "/report?owner=eve",
        "/report?item=x%27%20or%20owner%3D%27eve",
        "/report?since=-9223372036854775808",
        "/report?item=plans",
    ] {
        let answer = of("one", path);
        assert!(
            answer.starts_with(r#"{"owner":"ada","count":3,"#),
            "{path}: {answer}"
        );
        assert!(!answer.contains("990000"), "{path}: {answer}");
    }
    // Who is not known, and what is not there.
    for token in ["", "three", "one'", "ada", "' or '1'='1", "one two"] {
        let answer = as_user(&server, token, "/report");
        assert_eq!(status(&answer), "401", "{token}: {answer}");
    }
    assert_eq!(status(&server.ask("/report")), "401");
    for (headers, expected) in [
        ("authorization: Basic one\r\n", "401"),
        ("authorization: bearer one\r\n", "401"),
        ("x-authorization: Bearer one\r\n", "401"),
    ] {
        assert_eq!(
            status(&server.ask_with("/report", headers)),
            expected,
            "{headers}"
        );
    }
    for (path, expected) in [
        ("/", "404"),
        ("/cards", "404"),
        ("/report/../cards", "404"),
        ("/report?since=soon", "400"),
    ] {
        assert_eq!(status(&as_user(&server, "one", path)), expected, "{path}");
    }
    let answer = server.talk(b"DELETE /report HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    assert_eq!(status(&answer), "405", "{answer}");
    let answer = server.talk(b"POST /report HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\nx");
    assert_eq!(status(&answer), "413", "{answer}");
    // One connection, two users: each request is its token's.
    let mut stream = server.connect();
    for (token, owner) in [("one", "ada"), ("two", "eve"), ("one", "ada")] {
        let text =
            format!("GET /report HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n\r\n");
        std::io::Write::write_all(&mut stream, text.as_bytes()).expect("sent");
        let answer = one(&mut stream);
        assert!(
            body(&answer).starts_with(&format!(r#"{{"owner":"{owner}","#)),
            "{answer}"
        );
    }
    // An interrupt ends it, with open connections, and the port is free again.
    let port = server.port;
    server.interrupt();
    let ended = server.wait();
    assert_eq!(ended.status.code(), Some(130));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    drop(std::net::TcpListener::bind(("127.0.0.1", port)).expect("a free port"));
    let _ = std::fs::remove_dir_all(&world);
}

#[test]
fn reports_server_gives_a_package_no_more_than_its_user() {
    let demo = Demo {
        name: "reports-server",
        honest: "summary",
        flags: &["--allow-listen=127.0.0.1:0", "--allow-db=:memory:"],
        args: &["0", "demo"],
    };
    demo.stops_as_recorded("takes_database", "E0601", &["card of"]);
    let (world, mut command) = reports_server("asks_for_more");
    command.args(["--allow-db=:memory:", "--", "0", "demo"]);
    let server = Running::start(&mut command);
    let answer = as_user(&server, "token-of-ada", "/report");
    let lines: Vec<&str> = body(&answer).lines().collect();
    // Twice the fifty rows that an answer has at most, and nothing for what would be SQL.
    assert_eq!((lines[0], lines.len()), ("ada 60", 101), "{answer}");
    assert!(
        !answer.contains("990") && !answer.contains("card of"),
        "{answer}"
    );
    let answer = as_user(&server, "token-of-ada", "/report?item=all");
    assert_eq!(
        (status(&answer), body(&answer)),
        ("403", "refused: a negative limit\n")
    );
    assert_eq!(status(&as_user(&server, "token-of-ada", "/report")), "200");
    server.interrupt();
    assert_eq!(server.wait().status.code(), Some(130));
    let _ = std::fs::remove_dir_all(&world);
}
