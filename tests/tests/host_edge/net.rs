//! A network of hostile servers and names, and programs that try to reach what is not theirs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Attempt, SECRET, World, recorded};

/// Asks for every argument and says what came back.
const ASK: &str = r#"
fn main(args: [string]) uses Console + Net:
    for url in args:
        let told = match Net.request(Request(url, headers = [("authorization", "Bearer mine"), ("x-own", "1")])):
            Ok(r) => f"{r.status} {r.text() else "bytes"} from {r.url}"
            Err(e) => problem(e)
        Console.print(told.replace("\n", " "))

fn problem(e: NetError) -> string:
    return match e:
        NetError.Denied(what) => f"Denied {what}"
        NetError.Unreachable(why) => f"Unreachable {why}"
        NetError.TimedOut => "TimedOut"
        NetError.TooLarge => "TooLarge"
        NetError.Invalid(what) => f"Invalid {what}"
"#;

/// A server that answers by path, and what it was asked.
pub struct Server {
    pub port: u16,
    pub heard: Arc<Mutex<Vec<String>>>,
}

fn head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    while !text.ends_with(b"\r\n\r\n") && text.len() < 100_000 {
        match stream.read(&mut byte) {
            Ok(1) => text.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

impl Server {
    pub fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let port = listener.local_addr().expect("address").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (all, answer) = (Arc::clone(&heard), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, answer) = (Arc::clone(&all), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let head = head(&mut stream);
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    all.lock().expect("list").push(head);
                    answer(&path, &mut stream);
                });
            }
        });
        Server { port, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("list").clone()
    }
}

fn say(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes());
}

fn ok(stream: &mut TcpStream, body: &str) {
    say(
        stream,
        &format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ),
    );
}

/// Somebody inside, who must not hear anything.
fn inside() -> Server {
    Server::start(|_, stream| ok(stream, SECRET))
}

/// Addresses under a grant of everything (the public internet): the machine and its surroundings, in every spelling.
const SPELLINGS: &[&str] = &[
    "http://127.0.0.1:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://017700000001:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0:PORT/",
    "http://[::1]:PORT/",
    "http://[::]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fe80::1%25lo]:PORT/",
    "http://[fc00::1]:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://192.168.0.1/",
    "http://172.16.0.1/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://198.18.0.1/",
    "http://good.test@127.0.0.1:PORT/",
    "http://good.test:80@localhost:PORT/",
    "http://good.test#@127.0.0.1:PORT/",
    "http://127.0.0.1\\@good.test:PORT/",
    "http:127.0.0.1:PORT",
    "http:///127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "file:///etc/passwd",
    "ftp://localhost/",
    "gopher://127.0.0.1:PORT/",
    "data:text/plain,x",
    "unix:/var/run/docker.sock",
    "http://",
    "http://:PORT/",
    "",
    "http://ⓛocalhost:PORT/",
    "http://localhost\u{3002}:PORT/",
    "http://127。0。0。1:PORT/",
    "http://127.0.0.1:PORT /",
    "http://loop.test:PORT/",
    "http://mapped.test:PORT/",
    "http://mixed.test:PORT/",
    "http://private.test/",
    "http://zero.test:PORT/",
];

/// Under a grant of `good.test:PORT` and `127.0.0.1:PORT` alone.
const OTHERS: &[&str] = &[
    "http://other.test:PORT/",
    "http://good.test:1/",
    "http://good.test/",
    "https://good.test/",
    "http://good.test.evil.test:PORT/",
    "http://evilgood.test:PORT/",
    "http://127.0.0.2:PORT/",
    "http://8.8.8.8/",
    "http://good.test:0/",
    "http://good.test:99999/",
    "http://good.test:-1/",
    "http://good.test:PORT/to-other",
    "http://good.test:PORT/to-inside",
    "http://good.test:PORT/to-port",
    "http://good.test:PORT/to-file",
    "http://good.test:PORT/to-numbers",
    "http://good.test:PORT/to-loop",
    "http://good.test:PORT/to-slashes",
    "http://good.test:PORT/to-user",
];

fn first_word(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

/// Names of the test's own world.
const NAMES: &str = "localhost=127.0.0.1;good.test=127.0.0.1;loop.test=127.0.0.1;mapped.test=::ffff:127.0.0.1;mixed.test=8.8.8.8,127.0.0.1;private.test=10.1.2.3;zero.test=0.0.0.0;rebound.test=127.0.0.1|127.0.0.2;evilgood.test=127.0.0.1;other.test=127.0.0.1";

fn run(world: &World, args: &[&str]) -> super::Ended {
    // A proxy would hear of everything.
    let proxy = "http://127.0.0.1:1";
    let env = [
        ("JET_TEST_NAMES", NAMES),
        ("http_proxy", proxy),
        ("https_proxy", proxy),
        ("ALL_PROXY", proxy),
        ("HTTP_PROXY", proxy),
    ];
    world.run_with(args, &env)
}

#[test]
fn no_spelling_of_an_address_leads_inside() {
    let world = World::new("net-spellings");
    world.write("ask.jet", ASK);
    let secret = inside();
    let urls: Vec<String> = SPELLINGS
        .iter()
        .map(|u| u.replace("PORT", &secret.port.to_string()))
        .collect();
    let mut args = vec!["ask.jet", "--allow-net", "--"];
    args.extend(urls.iter().map(String::as_str));
    let ended = run(&world, &args);
    let lines = ended.lines();
    assert_eq!(lines.len(), urls.len(), "{}", ended.out);
    let mut attempts = Vec::new();
    for ((url, what), line) in urls.iter().zip(SPELLINGS).zip(lines) {
        assert!(
            line.starts_with("Denied ") || line.starts_with("Invalid "),
            "{url}: {line}"
        );
        attempts.push(Attempt::new(*what, first_word(line)));
    }
    recorded("Addresses of the machine and its surroundings", &attempts);
    assert!(secret.heard().is_empty(), "{:?}", secret.heard());
}

#[test]
fn only_granted_hosts_and_ports_hear_anything() {
    let world = World::new("net-grants");
    world.write("ask.jet", ASK);
    let secret = inside();
    let inside_port = secret.port;
    let good = Server::start(move |path, stream| {
        let to = match path {
            "/to-other" => format!("http://other.test:{inside_port}/"),
            "/to-inside" => format!("http://127.0.0.1:{inside_port}/"),
            "/to-port" => format!("http://good.test:{inside_port}/"),
            "/to-file" => "file:///etc/passwd".to_owned(),
            "/to-numbers" => format!("http://2130706433:{inside_port}/"),
            "/to-loop" => "/to-loop".to_owned(),
            "/to-slashes" => format!("//127.0.0.1:{inside_port}/"),
            "/to-user" => format!("http://good.test@127.0.0.1:{inside_port}/"),
            "/to-self" => "hello".to_owned(),
            _ => return ok(stream, "hello from good"),
        };
        say(
            stream,
            &format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"),
        );
    });
    let port = good.port.to_string();
    let grant = format!("--allow-net=good.test:{port},127.0.0.1:{port}");
    let urls: Vec<String> = OTHERS.iter().map(|u| u.replace("PORT", &port)).collect();
    let mut args = vec!["ask.jet", &grant, "--"];
    args.extend(urls.iter().map(String::as_str));
    let ended = run(&world, &args);
    let mut attempts = Vec::new();
    for ((url, what), line) in urls.iter().zip(OTHERS).zip(ended.lines()) {
        attempts.push(Attempt::new(*what, first_word(line)));
        // A redirect that is followed too often is given as it is.
        let circle = url.ends_with("/to-loop") && line.starts_with("302 ");
        assert!(
            circle || line.starts_with("Denied ") || line.starts_with("Invalid "),
            "{url}: {line}"
        );
        assert!(!line.contains(SECRET), "{url}: {line}");
    }
    assert!(secret.heard().is_empty(), "{:?}", secret.heard());
    recorded("Hosts, ports and redirects beside the grant", &attempts);

    let ended = run(
        &world,
        &[
            "ask.jet",
            &grant,
            "--",
            &format!("http://good.test:{port}/to-self"),
            &format!("http://127.0.0.1:{port}/x?y"),
        ],
    );
    let lines = ended.lines();
    assert!(
        lines[0].starts_with("200 hello from good from http://good.test:"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("200 hello from good"), "{lines:?}");
    // Denials win, by name and by address.
    for deny in ["good.test", "127.0.0.0/8"] {
        let deny = format!("--deny-net={deny}");
        let ended = run(
            &world,
            &[
                "ask.jet",
                &grant,
                &deny,
                "--",
                &format!("http://good.test:{port}/"),
            ],
        );
        assert!(
            ended.lines()[0].starts_with("Denied "),
            "{deny}: {}",
            ended.out
        );
    }
    // A name alone gives no address of the surroundings.
    let ended = run(
        &world,
        &[
            "ask.jet",
            &format!("--allow-net=good.test:{port}"),
            "--",
            &format!("http://good.test:{port}/"),
        ],
    );
    assert!(ended.lines()[0].starts_with("Denied "), "{}", ended.out);
    assert_eq!(
        run(&world, &["ask.jet", "--allow-net=http://x"]).code,
        Some(2)
    );
    assert_eq!(run(&world, &["ask.jet"]).code, Some(3));
}

#[test]
fn a_name_that_changes_its_address_is_looked_at_each_time() {
    let world = World::new("net-rebinding");
    world.write("ask.jet", ASK);
    let good = Server::start(|_, stream| ok(stream, "once"));
    let port = good.port;
    let (name, grant) = (
        format!("http://rebound.test:{port}/"),
        format!("--allow-net=rebound.test:{port},127.0.0.1:{port}"),
    );
    // The first look-up says 127.0.0.1, which is granted; all later ones 127.0.0.2.
    let ended = run(&world, &["ask.jet", &grant, "--", &name, &name, &name]);
    let lines = ended.lines();
    assert!(lines[0].starts_with("200 once"), "{lines:?}");
    assert!(
        lines[1..].iter().all(|l| l.starts_with("Denied ")),
        "{lines:?}"
    );
    assert_eq!(good.heard().len(), 1);
}

#[test]
fn what_a_program_adds_stays_with_the_first_origin() {
    let world = World::new("net-headers");
    world.write("ask.jet", ASK);
    let second = Server::start(|_, stream| ok(stream, "second"));
    let to = second.port;
    let first = Server::start(move |_, stream| {
        say(
            stream,
            &format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{to}/\r\n\r\n"),
        )
    });
    let grant = format!("--allow-net=127.0.0.1:{},127.0.0.1:{to}", first.port);
    let ended = run(
        &world,
        &[
            "ask.jet",
            &grant,
            "--",
            &format!("http://127.0.0.1:{}/", first.port),
        ],
    );
    assert!(ended.lines()[0].starts_with("200 second"), "{}", ended.out);
    assert!(
        first.heard()[0]
            .to_lowercase()
            .contains("authorization: bearer mine"),
        "{:?}",
        first.heard()
    );
    let heard = second.heard()[0].to_lowercase();
    assert!(
        !heard.contains("authorization") && !heard.contains("x-own"),
        "{heard}"
    );
}

/// Requests that a program may not send, as arguments of `Request` behind the address.
const SMUGGLED: &[&str] = &[
    r#"headers = [("host", "x")]"#,
    r#"headers = [("Host", "x")]"#,
    r#"headers = [("content-length", "0")]"#,
    r#"headers = [("transfer-encoding", "chunked")]"#,
    r#"headers = [("connection", "x-mine")]"#,
    r#"headers = [("proxy-authorization", "x")]"#,
    r#"headers = [("expect", "100-continue")]"#,
    r#"headers = [("upgrade", "h2c")]"#,
    r#"headers = [("a b", "x")]"#,
    r#"headers = [("a:b", "x")]"#,
    r#"headers = [("a\r\nb", "x")]"#,
    r#"headers = [("", "x")]"#,
    r#"headers = [("a", "b\r\nx-smuggled: 1")]"#,
    r#"headers = [("a", "b\nx-smuggled: 1")]"#,
    r#"headers = [("a", "b\u{0}c")]"#,
    r#"method = "CONNECT""#,
    r#"method = "TRACE""#,
    r#"method = "get""#,
    r#"method = """#,
    r#"method = "GET / HTTP/1.1\r\nx: y\r\n\r\nGET""#,
];

#[test]
fn requests_are_what_they_say() {
    let world = World::new("net-requests");
    let server = Server::start(|_, stream| {
        let mut body = [0; 4];
        let _ = stream.read_exact(&mut body);
        ok(stream, &format!("heard {}", String::from_utf8_lossy(&body)));
    });
    let sent: Vec<String> = SMUGGLED
        .iter()
        .map(|what| format!("    tell(Net.request(Request(url, {what})))\n"))
        .collect();
    world.write(
        "send.jet",
        &format!(
            r#"
fn main(args: [string]) uses Console + Net:
    let url = args[0]
{}    tell(Net.request(Request(url + " HTTP/1.1\r\nx-smuggled: 1\r\n\r\n")))
    tell(Net.request(Request(url, method = "POST", headers = [("x-good", "yes"), ("Content-Type", "text/x")], body = "body".bytes())))

fn tell(r: Result[Response, NetError]) uses Console:
    Console.print(match r:
        Ok(r) => f"{{r.status}} {{r.text() else "bytes"}}"
        Err(NetError.Invalid(what)) => f"Invalid {{what}}"
        Err(e) => e.show())
"#,
            sent.concat()
        ),
    );
    let port = server.port;
    let grant = format!("--allow-net=127.0.0.1:{port}");
    let ended = run(
        &world,
        &[
            "send.jet",
            &grant,
            "--",
            &format!("http://127.0.0.1:{port}/a?b"),
        ],
    );
    let lines = ended.lines();
    let (last, refused) = lines.split_last().expect("lines");
    assert_eq!(refused.len(), SMUGGLED.len() + 1, "{lines:?}");
    let mut attempts = Vec::new();
    for (what, line) in SMUGGLED
        .iter()
        .chain(&["an address with line ends"])
        .zip(refused)
    {
        assert!(line.starts_with("Invalid "), "{what}: {line}");
        attempts.push(Attempt::new(*what, *line));
    }
    recorded("Requests that are not what they say", &attempts);
    // What may be sent arrives as it is, alone, and nothing else of the program's.
    assert_eq!(*last, "200 heard body");
    let heard = server.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let mut lines = heard[0].trim_end().split("\r\n");
    assert_eq!(lines.next(), Some("POST /a?b HTTP/1.1"), "{heard:?}");
    let mut headers: Vec<String> = lines.map(str::to_lowercase).collect();
    headers.sort();
    let own = format!("host: 127.0.0.1:{port}");
    let wanted = [
        &*own,
        "content-length: 4",
        "content-type: text/x",
        "x-good: yes",
        "user-agent: jet",
    ];
    for wanted in wanted {
        assert!(headers.iter().any(|h| h == wanted), "{wanted}: {headers:?}");
    }
    let others: Vec<&String> = headers
        .iter()
        .filter(|h| !wanted.contains(&h.as_str()))
        .collect();
    assert!(others.iter().all(|h| *h == "accept: */*"), "{others:?}");
}

/// Ways in which a server is no help, and the typed error for each.
const FAULTS: &[(&str, &[&str])] = &[
    ("/silent", &["TimedOut", "limit"]),
    ("/drip", &["TimedOut", "limit"]),
    ("/endless", &["TooLarge"]),
    ("/endless-header", &["TooLarge", "Unreachable"]),
    ("/huge", &["TooLarge", "Unreachable"]),
    ("/short", &["Unreachable"]),
    ("/garbage", &["Unreachable"]),
    ("/chunks", &["Unreachable"]),
];

#[test]
fn faults_are_typed_errors_and_the_program_goes_on() {
    let world = World::new("net-faults");
    world.write("ask.jet", ASK);
    let server = Server::start(|path, stream| match path {
        "/silent" => std::thread::sleep(Duration::from_secs(20)),
        "/drip" => {
            say(stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n");
            for _ in 0..200 {
                say(stream, "x");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        "/endless" => {
            say(
                stream,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            );
            while stream
                .write_all(b"400\r\n")
                .and_then(|()| stream.write_all(&[b'x'; 0x400]))
                .and_then(|()| stream.write_all(b"\r\n"))
                .is_ok()
            {}
        }
        "/endless-header" => {
            say(stream, "HTTP/1.1 200 OK\r\nx: ");
            while stream.write_all(&[b'y'; 4096]).is_ok() {}
        }
        "/huge" => say(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\nxxxx",
        ),
        "/short" => say(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nxxxx",
        ),
        "/garbage" => say(stream, "SSH-2.0-OpenSSH_9.9\r\n\r\n"),
        "/chunks" => say(
            stream,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nnot a size\r\n",
        ),
        _ => ok(stream, "fine"),
    });
    let port = server.port;
    let grant = format!("--allow-net=127.0.0.1:{port}");
    let fine = format!("http://127.0.0.1:{port}/fine");
    let mut attempts = Vec::new();
    for (path, expected) in FAULTS {
        let start = Instant::now();
        let url = format!("http://127.0.0.1:{port}{path}");
        let ended = run(
            &world,
            &[
                "ask.jet",
                &grant,
                "--max-memory=16M",
                "--max-time=3s",
                "--",
                &fine,
                &url,
                &fine,
            ],
        );
        assert!(
            start.elapsed() < Duration::from_secs(15),
            "{path} took {:?}",
            start.elapsed()
        );
        if expected.contains(&"limit") {
            assert_eq!(ended.code, Some(4), "{path}: {}", ended.err);
            assert!(ended.err.contains("time"), "{path}: {}", ended.err);
            attempts.push(Attempt::new(*path, "the time limit"));
            continue;
        }
        let lines = ended.lines();
        assert!(
            expected.iter().any(|e| lines[1].starts_with(e)),
            "{path}: {lines:?}"
        );
        assert!(
            lines[0].starts_with("200 fine") && lines[2].starts_with("200 fine"),
            "{path}: {lines:?}"
        );
        attempts.push(Attempt::new(*path, first_word(lines[1])));
    }
    let ended = run(
        &world,
        &[
            "ask.jet",
            &grant,
            "--allow-net=nowhere.test:80",
            "--",
            "http://nowhere.test/",
            &fine,
        ],
    );
    let lines = ended.lines();
    assert!(
        lines[0].starts_with("Unreachable the name has no address"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("200 fine"), "{lines:?}");
    attempts.push(Attempt::new("a name without address", lines[0]));
    let port = resetting();
    let ended = run(
        &world,
        &[
            "ask.jet",
            &grant,
            &format!("--allow-net=127.0.0.1:{port}"),
            "--",
            &format!("http://127.0.0.1:{port}/"),
            &fine,
        ],
    );
    let lines = ended.lines();
    assert!(
        lines[0].starts_with("Unreachable the connection was reset"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("200 fine"), "{lines:?}");
    attempts.push(Attempt::new("a connection that is reset", lines[0]));
    // Nobody listens.
    let free = TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("port")
        .port();
    let ended = run(
        &world,
        &[
            "ask.jet",
            &format!("--allow-net=127.0.0.1:{free}"),
            "--",
            &format!("http://127.0.0.1:{free}/"),
        ],
    );
    assert!(ended.lines()[0].starts_with("Unreachable"), "{}", ended.out);
    attempts.push(Attempt::new(
        "a port where nobody listens",
        ended.lines()[0],
    ));
    recorded("Servers that are no help", &attempts);
}

/// Closes each connection with what it was sent unread, so that it is reset.
fn resetting() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = stream.peek(&mut [0]);
        }
    });
    port
}

#[test]
fn connections_keep_to_the_grant() {
    let world = World::new("net-sockets");
    world.write(
        "talk.jet",
        r#"
fn main(args: [string]) uses Console + Net ! NetError:
    let port = args[0].to_int() else 0
    for host in ["127.0.0.1", "good.test", "private.test", "localhost", "2130706433", "127.0.0.1:80", "", "a b"]:
        match Net.connect(host, port):
            Ok(s) =>
                Net.send(s, "GET /plain HTTP/1.0\r\n\r\n".bytes())?
                let all: [byte] = []
                loop:
                    let some = Net.receive(s, 7)?
                    if some.is_empty():
                        break
                    all.extend(some)
                Net.close(s)
                Console.print(f"{host}: {all.len()} bytes")
            Err(e) => Console.print(f"{host}: {e.show()}")
    for p in [port + 1, 0, -1, 65_536, 9_223_372_036_854_775_807]:
        Console.print(match Net.connect("127.0.0.1", p):
            Ok(_) => "open"
            Err(e) => e.show().split("(")[0])
"#,
    );
    let server = Server::start(|_, stream| ok(stream, "plain"));
    let port = server.port.to_string();
    let grant = format!("--allow-net=127.0.0.1:{port},good.test:{port},private.test:{port}");
    let ended = run(&world, &["talk.jet", &grant, "--", &port]);
    let lines = ended.lines();
    for at in [0, 1] {
        assert!(
            lines[at].ends_with(" bytes") && !lines[at].ends_with(" 0 bytes"),
            "{lines:?}"
        );
    }
    assert!(
        lines[2..8]
            .iter()
            .all(|l| l.contains("Denied") || l.contains("Invalid")),
        "{lines:?}"
    );
    assert_eq!(lines[8], "NetError.Denied", "{lines:?}");
    assert!(
        lines[9..].iter().all(|l| *l == "NetError.Invalid"),
        "{lines:?}"
    );
    // Open connections are counted.
    world.write("leak.jet", "fn main(args: [string]) uses Net ! NetError:\n    let port = args[0].to_int() else 0\n    loop:\n        Net.connect(\"127.0.0.1\", port)?\n");
    let ended = run(&world, &["leak.jet", &grant, "--untrusted", "--", &port]);
    assert_eq!(ended.code, Some(4), "{}", ended.err);
    assert!(ended.err.contains("handles"), "{}", ended.err);
}

#[test]
fn a_token_is_used_and_never_seen() {
    let world = World::new("net-token");
    world.write(
        "token.jet",
        r#"
fn main(args: [string]) uses Console + Net:
    with Net = BearerToken(args[0], args[1], Net):
        guest(args[0], args[2])

fn guest(origin: string, other: string) uses Console + Net:
    for url in [origin + "/echo", origin + "/away", other + "/echo", origin + "@" + other + "/echo"]:
        match Net.request(Request(url, headers = [("Authorization", "none")], redirects = 9)):
            Ok(r) => Console.print(f"{r.status} {r.text() else "bytes"} {r.headers.show()}")
            Err(e) => Console.print(e.show())
"#,
    );
    let other = Server::start(|_, stream| ok(stream, "other"));
    let to = other.port;
    let heard: Arc<AtomicU32> = Arc::default();
    let count = Arc::clone(&heard);
    let first = Server::start(move |path, stream| {
        count.fetch_add(1, Ordering::Relaxed);
        match path {
            "/away" => say(
                stream,
                &format!(
                    "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{to}/echo\r\nx-echo: {SECRET}\r\n\r\n"
                ),
            ),
            _ => ok(stream, &format!("you are {SECRET}")),
        }
    });
    let (origin, away) = (
        format!("http://127.0.0.1:{}", first.port),
        format!("http://127.0.0.1:{to}"),
    );
    let grant = format!("--allow-net=127.0.0.1:{},127.0.0.1:{to}", first.port);
    let ended = run(&world, &["token.jet", &grant, "--", &origin, SECRET, &away]);
    let lines = ended.lines();
    assert!(lines[0].starts_with("200 you are …"), "{lines:?}");
    assert!(lines[1].starts_with("302"), "{lines:?}");
    assert!(
        lines[2].contains("Denied") && lines[3].contains("Denied"),
        "{lines:?}"
    );
    assert!(!ended.out.contains(SECRET), "{}", ended.out);
    assert!(other.heard().is_empty(), "{:?}", other.heard());
    let asked = first.heard();
    assert!(
        asked
            .iter()
            .all(|h| h.contains(&format!("Bearer {SECRET}")) && !h.contains("none")),
        "{asked:?}"
    );
    assert_eq!(heard.load(Ordering::Relaxed), 2);
}
