//! Programs that listen: where they may not, and clients that mean no good to those that may.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jet_vm::host::{Limits, ListenGrant};
use jet_vm::{Binding, Quota};
use jetvm::engine::{Config, End, GcChoice};
use jetvm::host::listen::Listen;

use jet_tests::serving::{Running, all, body, head, one, status};

use super::revocation::module;
use super::{Attempt, JETVM, World, ended, recorded, until};

/// Tries to listen at each `host|port`, as a server and as a listener.
const TRY: &str = r#"
fn main(args: [string]) uses Console + Listen:
    for place in args:
        let parts = place.split("|")
        let port = parts[1].to_int() else -1
        let told = match Listen.serve(parts[0], port, HttpLimits()):
            Ok(_) => "open"
            Err(e) => e.show()
        let plain = match Listen.open(parts[0], port):
            Ok(_) => "open"
            Err(e) => e.show()
        Console.print(f"{told} {plain}".replace("\u{0}", " "))
"#;

/// Places outside of a grant of `127.0.0.1:PORT`.
const OUTSIDE: &[&str] = &[
    "0.0.0.0|PORT",
    "::|PORT",
    "[::]|PORT",
    "::1|PORT",
    "[::ffff:0.0.0.0]|PORT",
    "::ffff:127.0.0.2|PORT",
    "127.0.0.2|PORT",
    "127.0.0.1|NEXT",
    "127.0.0.1|0",
    "127.0.0.1|-1",
    "127.0.0.1|65536",
    "127.0.0.1|9223372036854775807",
    "127.0.0.1:PORT|PORT",
    "2130706433|PORT",
    "127.1|PORT",
    "0x7f.1|PORT",
    "0177.0.0.1|PORT",
    "localhost.example|PORT",
    "example.org|PORT",
    "::1%lo|PORT",
    "*|PORT",
    "|PORT",
    "127.0.0.1 |PORT",
    "127.0.0.1\n|PORT",
];

/// Other names of the granted place.
const INSIDE: &[&str] = &[
    "127.0.0.1|PORT",
    "localhost|PORT",
    "LocalHost.|PORT",
    "::ffff:127.0.0.1|PORT",
    "[::FFFF:7F00:1]|PORT",
];

/// Answers by path, and says what it was asked.
const SERVE: &str = r#"
fn main(args: [string]) uses Console + Listen ! ListenError:
    let seconds = args[0].to_int() else 10
    let limits = HttpLimits(head = 2048, headers = 16, body = 5000, seconds = seconds)
    let server = Listen.serve("127.0.0.1", 0, limits)?
    Console.print(f"port {Listen.port(server)}")
    let seen: [string] = []
    let mut open = true
    while open:
        let e = Listen.next(server)?
        let a = Listen.asked(e)
        if a.path != "/seen":
            seen.push(f"{a.method} {a.path}")
        let value = a.param("v") else ""
        let reply = match a.path:
            "/big" => Reply(body = [byte(120); 3_000_000])
            "/header" => Reply(headers = [("x-own", value)], body = "tail".bytes())
            "/name" => Reply(headers = [(value, "x")])
            "/status" => Reply(value.to_int() else 0)
            "/from" => text_reply(200, a.from)
            "/header-of" => text_reply(200, a.header(value) else "none")
            "/seen" => text_reply(200, seen.join(","))
            _ => Reply(body = a.body)
        if a.path == "/stop":
            open = false
        match Listen.answer(e, reply):
            Ok(_) => pass
            Err(ListenError.Invalid(what)) =>
                match Listen.answer(e, text_reply(500, f"invalid: {what}")):
                    Ok(_) => pass
                    Err(_) => seen.push("lost")
            Err(_) => seen.push("lost")
    Listen.stop(server)
"#;

/// What a program was asked so far.
pub fn seen(server: &Running) -> String {
    body(&server.ask("/seen")).to_owned()
}

/// Has it end, which it does well.
pub fn stop(server: Running) {
    until("an answer", || server.ask("/stop").contains(" 200 "));
    let ended = ended(server.wait());
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.err, "");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

fn start(world: &World, args: &[&str]) -> Running {
    let mut command = Command::new(JETVM);
    command.current_dir(&world.0).arg("run").args(args);
    Running::start(&mut command)
}

pub fn serving(world: &World, flags: &[&str], seconds: &str) -> Running {
    world.write("serve.jet", SERVE);
    let mut args = vec!["serve.jet", "--max-time=300s"];
    args.extend(flags);
    args.extend(["--", seconds]);
    start(world, &args)
}

pub const GRANT: &str = "--allow-listen=127.0.0.1:0";

#[test]
fn only_granted_places_are_listened_at() {
    let world = World::new("listen-grants");
    world.write("try.jet", TRY);
    let port = free_port();
    let spelled = |list: &[&str]| -> Vec<String> {
        let next = port.checked_add(1).unwrap_or(1).to_string();
        list.iter()
            .map(|p| p.replace("PORT", &port.to_string()).replace("NEXT", &next))
            .collect()
    };
    let grant = format!("--allow-listen=127.0.0.1:{port}");
    let places = spelled(OUTSIDE);
    let mut args = vec!["try.jet", &grant, "--"];
    args.extend(places.iter().map(String::as_str));
    let ended = world.run(&args);
    let lines = ended.lines();
    assert_eq!(lines.len(), places.len(), "{}", ended.out);
    let mut attempts = Vec::new();
    for ((place, what), line) in places.iter().zip(OUTSIDE).zip(lines) {
        attempts.push(Attempt::new(
            *what,
            line.split('(').next().unwrap_or_default(),
        ));
        let refused =
            |t: &str| t.starts_with("ListenError.Denied(") || t.starts_with("ListenError.Invalid(");
        let (first, second) = line.rsplit_once(" ListenError.").unwrap_or((line, ""));
        assert!(
            refused(first) && refused(&format!("ListenError.{second}")),
            "{place}: {line}"
        );
    }
    recorded("Places to listen at beside the grant", &attempts);
    // Other names of the granted place; who comes second finds it in use.
    let places = spelled(INSIDE);
    for place in &places {
        let ended = world.run(&["try.jet", &grant, "--", place]);
        let line = ended.lines()[0];
        assert!(
            line.starts_with("open ") || line.contains("InUse"),
            "{place}: {line}"
        );
        assert!(
            !line.contains("Denied") && !line.contains("Invalid"),
            "{place}: {line}"
        );
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").port();
    let place = format!("127.0.0.1|{port}");
    let ended = world.run(&["try.jet", "--allow-listen", "--", &place]);
    assert_eq!(ended.lines(), ["ListenError.InUse ListenError.InUse"]);
    // Without a list: what only this machine reaches. Denials win.
    let ended = world.run(&[
        "try.jet",
        "--allow-listen",
        "--deny-listen=127.0.0.5",
        "--",
        "127.0.0.1|0",
        "0.0.0.0|0",
        "::|0",
        "127.0.0.5|0",
        "192.0.2.1|0",
    ]);
    let lines = ended.lines();
    assert_eq!(lines[0], "open open", "{lines:?}");
    assert!(
        lines[1..]
            .iter()
            .all(|l| l.starts_with("ListenError.Denied(")),
        "{lines:?}"
    );
    let ended = world.run(&[
        "try.jet",
        "--allow-listen=0.0.0.0",
        "--deny-listen=127.0.0.1:22",
        "--",
        "0.0.0.0|22",
        "127.0.0.1|22",
    ]);
    assert!(
        ended
            .lines()
            .iter()
            .all(|l| l.starts_with("ListenError.Denied(")),
        "{}",
        ended.out
    );
    for bad in [
        "",
        "example.org:80",
        "127.0.0.1:65536",
        "127.0.0.1:",
        "*:80",
        "http://127.0.0.1",
    ] {
        let ended = world.run(&["try.jet", &format!("--allow-listen={bad}")]);
        assert_eq!(ended.code, Some(2), "{bad}: {}", ended.err);
    }
    assert_eq!(
        world
            .run(&["try.jet", "--allow-listen", "--deny-listen"])
            .code,
        Some(3)
    );
    let ended = world.run(&["try.jet"]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.err.contains("--allow-listen"), "{}", ended.err);
}

#[test]
fn connections_are_carried_as_the_standard_says() {
    let world = World::new("listen-http");
    let server = serving(&world, &[GRANT], "30");
    let mut stream = server.connect();
    let send =
        |stream: &mut TcpStream, text: &str| stream.write_all(text.as_bytes()).expect("sent");
    // One connection, many requests; a body by length, in chunks, and none.
    send(
        &mut stream,
        "POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc",
    );
    assert!(one(&mut stream).ends_with("\r\n\r\nabc"));
    send(
        &mut stream,
        "POST /b HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nz: 1\r\n\r\n",
    );
    assert!(one(&mut stream).ends_with("\r\n\r\nabc"));
    send(
        &mut stream,
        "HEAD /c HTTP/1.1\r\nhost: h\r\n\r\nHEAD /header?v=w HTTP/1.1\r\nhost: h\r\n\r\n",
    );
    assert_eq!(
        head(&mut stream),
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    );
    assert_eq!(
        head(&mut stream),
        "HTTP/1.1 200 OK\r\nx-own: w\r\ncontent-length: 4\r\n\r\n"
    );
    // Whoever waits for a word gets it, and only then.
    send(
        &mut stream,
        "POST /d HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n",
    );
    assert_eq!(one(&mut stream), "HTTP/1.1 100 Continue\r\n\r\n");
    send(&mut stream, "hi");
    assert!(one(&mut stream).ends_with("\r\n\r\nhi"));
    send(
        &mut stream,
        "POST /e HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5001\r\n\r\n",
    );
    let answer = all(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // Requests that come at once are answered one after the other.
    let mut stream = server.connect();
    let many: String = (0..50)
        .map(|i| format!("POST /p HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{i:02}"))
        .collect();
    send(&mut stream, &many);
    for i in 0..50 {
        let answer = one(&mut stream);
        assert!(answer.ends_with(&format!("\r\n\r\n{i:02}")), "{answer}");
    }
    // Nothing stands between two answers.
    send(
        &mut stream,
        "GET /status?v=204 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\nGET /late HTTP/1.1\r\nhost: h\r\n\r\n",
    );
    assert_eq!(
        all(&mut stream),
        "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
    );
    let answer = server.talk(b"GET /old HTTP/1.0\r\n\r\n");
    assert!(answer.contains("connection: close"), "{answer}");
    let answer =
        server.talk(b"GET http://h/full?v=1 HTTP/1.1\r\nHost: h\r\nconnection: close\r\n\r\n");
    assert_eq!(status(&answer), "200");
    assert!(body(&server.ask("/from")).starts_with("127.0.0.1:"));
    let answer = server.talk(b"GET /header-of?v=x-a HTTP/1.1\r\nhost: h\r\nX-A:  b c \r\nx-a: d\r\nconnection: close\r\n\r\n");
    assert_eq!(body(&answer), "b c");
    // Who half-closes still gets all answers.
    let mut stream = server.connect();
    let half = "POST /half HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\nx";
    send(&mut stream, &half.repeat(2));
    stream.shutdown(Shutdown::Write).expect("a half");
    let answers = all(&mut stream);
    assert_eq!(answers.matches("\r\n\r\nx").count(), 2, "{answers}");
    let heard = seen(&server);
    assert!(
        heard.contains("HEAD /c") && !heard.contains("/late") && !heard.contains("/e"),
        "{heard}"
    );
    stop(server);
}

/// Closes with bytes unread, which resets the connection.
fn reset(stream: TcpStream) {
    let _ = stream.peek(&mut [0]);
}

#[test]
fn slow_and_broken_clients_hold_nobody_up() {
    let world = World::new("listen-slow");
    let server = serving(&world, &[GRANT], "1");
    let half = "POST /half HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nhalf";
    // All at once: each ends at its own deadline, with a word or without.
    let mut silent = server.connect();
    let mut heads = server.connect();
    heads.write_all(&half.as_bytes()[..30]).expect("sent");
    let mut bodies = server.connect();
    bodies.write_all(half.as_bytes()).expect("sent");
    let mut drip = server.connect();
    drip.set_read_timeout(Some(Duration::from_millis(50)))
        .expect("a socket");
    let start = Instant::now();
    let mut byte = [0];
    let ended = loop {
        // A request that is as long as it takes.
        let _ = drip.write_all(b"G");
        match drip.read(&mut byte) {
            Ok(n) => break n,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break 0,
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it may drip for ever"
        );
    };
    assert!(ended <= 1);
    assert_eq!(all(&mut silent), "");
    let mut attempts = vec![
        Attempt::new("a head, a byte at a time, for ever", "closed in time"),
        Attempt::new("a connection, then silence", "closed in time"),
    ];
    for (what, stream) in [
        ("half a head, then silence", &mut heads),
        ("half a body, then silence", &mut bodies),
    ] {
        let answer = all(stream);
        assert_eq!(status(&answer), "408", "{answer}");
        attempts.push(Attempt::new(
            what,
            format!("answered with {}", status(&answer)),
        ));
    }
    recorded("Clients that hold a server up", &attempts);
    // Resets in the middle, and clients that are gone before their answer.
    for _ in 0..20 {
        let mut stream = server.connect();
        stream.write_all(&half.as_bytes()[..20]).expect("sent");
        drop(stream);
        let mut stream = server.connect();
        stream.write_all(half.as_bytes()).expect("sent");
        drop(stream);
        let mut stream = server.connect();
        stream
            .write_all(b"GET /big HTTP/1.1\r\nhost: h\r\n\r\n")
            .expect("sent");
        reset(stream);
    }
    until("an answer", || server.ask("/after").contains(" 200 "));
    // Answers that nobody reads.
    let unread: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = server.connect();
            stream
                .write_all(b"GET /big HTTP/1.1\r\nhost: h\r\n\r\n")
                .expect("sent");
            stream
        })
        .collect();
    until("an answer", || server.ask("/after").contains(" 200 "));
    drop(unread);
    until("an answer", || seen(&server).contains("GET /after"));
    let heard = seen(&server);
    assert!(!heard.contains("/half"), "{heard}");
    stop(server);
}

#[test]
fn too_many_connections_are_no_way_to_stop_it() {
    let world = World::new("listen-many");
    let server = serving(&world, &[GRANT, "--untrusted"], "2");
    // Sixteen are open at a time; those without a request give way.
    let idle: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
    until("an answer", || server.ask("/idle").contains(" 200 "));
    let half: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = server.connect();
            let _ = stream.write_all(b"GET /half HTTP/1.1\r\n");
            stream
        })
        .collect();
    until("an answer", || {
        let mut stream = server.connect();
        let _ = stream.write_all(b"GET /through HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
        let mut some = [0; 12];
        stream.read_exact(&mut some).is_ok() && some.ends_with(b"200")
    });
    drop((idle, half));
    let heard = seen(&server);
    assert!(
        heard.contains("/idle") && heard.contains("/through") && !heard.contains("/half"),
        "{heard}"
    );
    stop(server);
}

const PLAIN: &str = r#"
fn main(args: [string]) uses Console + Listen ! ListenError:
    let l = Listen.open("127.0.0.1", 0)?
    Console.print(f"port {Listen.port_of(l)}")
    let mut open = true
    while open:
        let v = Listen.accept(l)?
        let all: [byte] = []
        try:
            loop:
                let some = Listen.receive(v, 7)?
                if some.is_empty():
                    break
                all.extend(some)
            Listen.send(v, all)?
        catch e: ListenError:
            Console.print(e.show())
        open = all != "stop".bytes()
        Listen.hang_up(v)
    Listen.close(l)
"#;

const REUSE: &str = r#"
fn main() uses Listen ! ListenError:
    for _ in 0..100:
        let a = Listen.open("127.0.73.1", 0)?
        let port = Listen.port_of(a)
        let b = Listen.serve("127.0.73.2", 0, HttpLimits())?
        Listen.stop(b)
        Listen.close(a)
        Listen.close(Listen.open("127.0.73.1", port)?)
"#;

#[test]
fn plain_connections() {
    let world = World::new("listen-plain");
    world.write("plain.jet", PLAIN);
    let server = start(&world, &["plain.jet", GRANT, "--max-time=300s"]);
    let echo = |data: &[u8]| -> Vec<u8> {
        let mut stream = server.connect();
        let mut writer = stream.try_clone().expect("a socket");
        let data = data.to_vec();
        let writing = std::thread::spawn(move || {
            let _ = writer.write_all(&data);
            let _ = writer.shutdown(Shutdown::Write);
        });
        let mut back = Vec::new();
        stream.read_to_end(&mut back).expect("an answer");
        writing.join().expect("no panic");
        back
    };
    assert_eq!(echo(b"hello"), b"hello");
    assert_eq!(echo(b""), b"");
    let much: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
    assert_eq!(echo(&much), much);
    // Who is gone in the middle is an end or an error, and others are served.
    for _ in 0..5 {
        let mut stream = server.connect();
        stream.write_all(b"half").expect("sent");
        drop(stream);
    }
    assert_eq!(echo(b"stop"), b"stop");
    let ended = ended(server.wait());
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    // Ports are free once they are closed. At this address nothing else listens or connects, so nobody can take one in between.
    world.write("reuse.jet", REUSE);
    let ended = world.run(&["reuse.jet", "--allow-listen", "--untrusted"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for (text, code, message) in [
        (
            "    let l = Listen.open(\"127.0.0.1\", 0)?\n    Listen.close(l)\n    Listen.close(l)\n",
            1,
            "closed",
        ),
        (
            "    let s = Listen.serve(\"127.0.0.1\", 0, HttpLimits())?\n    Listen.stop(s)\n    Listen.next(s)?\n",
            1,
            "closed",
        ),
        (
            "    with Listen = CountedListen(1, Listen):\n        let s = Listen.serve(\"127.0.0.1\", 0, HttpLimits())?\n        Listen.stop(s)\n    with Listen = OneServer(\"127.0.0.1\", 1, HttpLimits(), Listen):\n        Listen.serve(\"127.0.0.1\", 2, HttpLimits())?\n",
            1,
            "Denied",
        ),
        (
            "    loop:\n        Listen.open(\"127.0.0.1\", 0)?\n",
            4,
            "handles",
        ),
        (
            "    Listen.next(Listen.serve(\"127.0.0.1\", 0, HttpLimits())?)?\n",
            4,
            "time",
        ),
        (
            "    Listen.serve(\"127.0.0.1\", 0, HttpLimits(head = 0))?\n",
            1,
            "Invalid",
        ),
        (
            "    Listen.serve(\"127.0.0.1\", 0, HttpLimits(body = -1))?\n",
            1,
            "Invalid",
        ),
        (
            "    Listen.serve(\"127.0.0.1\", 0, HttpLimits(seconds = 1_000_000))?\n",
            1,
            "Invalid",
        ),
    ] {
        world.write(
            "ends.jet",
            &format!("fn main() uses Listen ! ListenError:\n{text}"),
        );
        let ended = world.run(&["ends.jet", "--allow-listen", "--untrusted", "--max-time=1s"]);
        assert_eq!(ended.code, Some(code), "{text}: {}", ended.err);
        assert!(ended.err.contains(message), "{text}: {}", ended.err);
    }
}

#[test]
fn policies_quotas_and_audits_of_listening() {
    let world = World::new("listen-policy");
    world.write(
        "policy.toml",
        "[grants]\nlisten = ['127.0.0.1:0']\n[deny]\nlisten = ['127.0.0.1:1']\n[quotas.Listen]\ncalls = 8\n[audit]\narguments = 'text'\n",
    );
    let server = serving(
        &world,
        &["--policy=policy.toml", "--audit-log=log.jsonl"],
        "30",
    );
    for path in ["/a", "/b"] {
        assert_eq!(status(&server.ask(path)), "200");
    }
    // serve, port, and three calls for each request.
    let ended = ended(server.wait());
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended
            .err
            .contains("the granted number of calls of Listen is used up"),
        "{}",
        ended.err
    );
    let log = std::fs::read_to_string(world.0.join("log.jsonl")).expect("the log");
    let listen: Vec<&str> = log.lines().filter(|l| l.contains("std.Listen")).collect();
    assert_eq!(listen.len(), 9, "{log}");
    assert!(listen[8].contains("\"stopped\""), "{log}");
    world.write(
        "policy.toml",
        "[grants]\nlisten = true\n[deny]\nlisten = true\n",
    );
    assert_eq!(
        world
            .run(&["serve.jet", "--policy=policy.toml", "--", "1"])
            .code,
        Some(3)
    );
    let ended = world.run(&["serve.jet", "--explain-grants"]);
    assert!(ended.out.contains("--allow-listen"), "{}", ended.out);
}

#[test]
fn an_interrupt_ends_a_program_that_listens() {
    let world = World::new("listen-interrupt");
    let server = serving(&world, &[GRANT], "30");
    assert_eq!(status(&server.ask("/a")), "200");
    let mut idle = server.connect();
    server.interrupt();
    assert_eq!(all(&mut idle), "");
    let ended = ended(server.wait());
    assert_eq!(ended.code, Some(130), "{}", ended.err);
}

fn config() -> Config {
    Config {
        limits: Limits {
            time: Some(Duration::from_secs(300)),
            ..Limits::default()
        },
        gc: GcChoice::Normal,
        seed: 7,
        gc_log: None,
        debug: None,
        observe: jet_vm::Observe::default(),
        jit: jet_jit::Options::default(),
    }
}

#[test]
fn a_revoked_grant_ends_what_listens() {
    // An address of this process alone, so that its port is free.
    let id = std::process::id();
    let host = format!("127.{}.{}.7", 64 + id % 64, (id >> 6) % 256);
    let text = format!(
        "fn main() uses Listen ! ListenError:\n    let s = Listen.serve(\"{host}\", 18080, HttpLimits())?\n    loop:\n        let e = Listen.next(s)?\n        Listen.answer(e, text_reply(200, Listen.asked(e).path))?\n"
    );
    let server = module(&text);
    let grant = ListenGrant::of(Some(vec![format!("{host}:18080")]));
    let revoked = Arc::<AtomicBool>::default();
    let binding = Binding {
        host: Box::new(Listen::new(&grant).expect("a grant")),
        quota: Quota::default(),
        revoked: Arc::clone(&revoked),
    };
    let running = std::thread::spawn(move || {
        server
            .run_bound(vec![binding], &[], &config(), None)
            .expect("it starts")
    });
    let place = format!("{host}:18080");
    let ask = |path: &str| -> Option<String> {
        let mut stream = TcpStream::connect(&place).ok()?;
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).expect("a socket");
        let text = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).ok()?;
        Some(all(&mut stream))
    };
    until("an answer", || {
        ask("/a").is_some_and(|a| a.ends_with("\r\n\r\n/a"))
    });
    // While it waits, others run.
    let other = module("fn main():\n    assert (0..1000).sum() == 499_500\n");
    let report = other
        .run_bound(Vec::new(), &[], &config(), None)
        .expect("it starts");
    assert_eq!(report.end, End::Done);
    // The call that waits is the last: what it gets cannot be looked at.
    revoked.store(true, Ordering::SeqCst);
    let answer = ask("/b");
    assert_eq!(answer.as_deref(), Some(""));
    let report = running.join().expect("no panic");
    match &report.end {
        End::Ended(ending) => assert_eq!(ending.kind, "revoked", "{ending:?}"),
        other => panic!("it ended with {other:?}"),
    }
    drop(TcpListener::bind(&place).expect("a free port"));
}
