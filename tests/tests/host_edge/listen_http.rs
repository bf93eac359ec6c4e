//! Requests over HTTP that hide others, or are too much; and answers that a program may not give.

use jet_tests::serving::status;

use super::listen::{GRANT, seen, serving, stop};
use super::{Attempt, World, recorded};

/// Requests that two readers could take for different ones, each with one behind it that must not be heard; and what they get.
const SMUGGLED: &[(&str, &str, &str)] = &[
    (
        "two lengths",
        "content-length: 4\r\ncontent-length: 40\r\n\r\n",
        "400",
    ),
    (
        "the same length twice",
        "content-length: 4\r\ncontent-length: 4\r\n\r\n",
        "400",
    ),
    ("a list of lengths", "content-length: 4, 4\r\n\r\n", "400"),
    ("a length with a sign", "content-length: +4\r\n\r\n", "400"),
    (
        "a length and chunks",
        "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "chunks and a length",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "chunked twice",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "a coding that hides",
        "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "501",
    ),
    (
        "a coding behind a vertical tab",
        "transfer-encoding:\u{b}chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "a space before the colon",
        "transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "a folded header",
        "x: y\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    ("a bare line feed", "x: y\ncontent-length: 4\r\n\r\n", "400"),
    (
        "a bare carriage return",
        "x: y\rcontent-length: 4\r\n\r\n",
        "400",
    ),
    ("a NUL in a header", "x: \0y\r\n\r\n", "400"),
    ("two hosts", "host: other\r\n\r\n", "400"),
    (
        "a chunk that is longer than it says",
        "transfer-encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
        "400",
    ),
    (
        "a chunk's size with a bare line feed",
        "transfer-encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
        "400",
    ),
    (
        "a chunk's size with a sign",
        "transfer-encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
        "400",
    ),
    (
        "a chunk of more bytes than there are numbers",
        "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\na\r\n0\r\n\r\n",
        "400",
    ),
];

/// Requests that are too much, and what they get.
fn too_much() -> Vec<(&'static str, String, &'static str)> {
    let get = "GET / HTTP/1.1\r\nhost: h\r\n";
    vec![
        (
            "a head without end",
            format!("{get}x: {}", "y".repeat(100_000)),
            "431",
        ),
        (
            "an address without end",
            format!("GET /{}", "y".repeat(100_000)),
            "431",
        ),
        (
            "many headers",
            format!("{get}{}\r\n", "x: y\r\n".repeat(17)),
            "431",
        ),
        (
            "a body beyond the limit",
            format!("{get}content-length: 5001\r\n\r\n"),
            "413",
        ),
        (
            "a body beyond all numbers",
            format!("{get}content-length: 99999999999999999999999\r\n\r\n"),
            "413",
        ),
        (
            "chunks without end",
            format!(
                "{get}transfer-encoding: chunked\r\n\r\n{}",
                "3e8\r\n".to_owned() + &("z".repeat(1000) + "\r\n3e8\r\n").repeat(50)
            ),
            "413",
        ),
        (
            "an extension without end",
            format!(
                "{get}transfer-encoding: chunked\r\n\r\n1;{}",
                "x".repeat(100_000)
            ),
            "400",
        ),
        (
            "a trailer without end",
            format!(
                "{get}transfer-encoding: chunked\r\n\r\n0\r\n{}",
                "x: y\r\n".repeat(2_000)
            ),
            "400",
        ),
        (
            "another protocol",
            "SSH-2.0-OpenSSH_9.9\r\n\r\n".into(),
            "400",
        ),
        (
            "a TLS hello",
            "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n".into(),
            "400",
        ),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), "505"),
        ("no host", "GET / HTTP/1.1\r\n\r\n".into(), "400"),
        (
            "a tunnel",
            "CONNECT other:22 HTTP/1.1\r\nhost: h\r\n\r\n".into(),
            "501",
        ),
        (
            "the address of another host",
            "GET http://other/ HTTP/1.1\r\nhost: h\r\n\r\n".into(),
            "400",
        ),
        (
            "an expectation that nobody meets",
            format!("{get}expect: a miracle\r\n\r\n"),
            "417",
        ),
    ]
}

/// Values of a header that a program may not send, percent-encoded.
const INJECTED: &[&str] = &[
    "a%0d%0aset-cookie:%20b",
    "a%0ab",
    "a%0db",
    "%0d%0a%0d%0aHTTP/1.1%20200%20OK%0d%0a%0d%0a",
    "a%00b",
    "a%7fb",
    "%1b[2J",
];

#[test]
fn no_request_hides_in_another() {
    let world = World::new("listen-smuggling");
    let server = serving(&world, &[GRANT], "30");
    let mut attempts = Vec::new();
    for (what, rest, expected) in SMUGGLED {
        let text = format!(
            "POST /outer HTTP/1.1\r\nhost: h\r\n{rest}GET /hidden HTTP/1.1\r\nhost: h\r\n\r\n"
        );
        let answer = server.talk(text.as_bytes());
        assert_eq!(status(&answer), *expected, "{what}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{what}: {answer}");
        assert!(answer.contains("connection: close"), "{what}: {answer}");
        attempts.push(Attempt::new(
            *what,
            format!("answered with {}", status(&answer)),
        ));
    }
    assert_eq!(seen(&server), "");
    for (what, text, expected) in too_much() {
        let answer = server.talk(text.as_bytes());
        assert_eq!(status(&answer), expected, "{what}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{what}: {answer}");
        attempts.push(Attempt::new(
            what,
            format!("answered with {}", status(&answer)),
        ));
    }
    recorded("Requests that hide in another, or are too much", &attempts);
    assert_eq!(seen(&server), "");
    stop(server);
}

#[test]
fn no_text_of_a_program_becomes_a_header() {
    let world = World::new("listen-injection");
    let server = serving(&world, &[GRANT], "30");
    let mut attempts = Vec::new();
    for value in INJECTED {
        let answer = server.ask(&format!("/header?v={value}"));
        assert_eq!(status(&answer), "500", "{value}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{value}: {answer}");
        assert!(
            !answer.to_lowercase().contains("set-cookie"),
            "{value}: {answer}"
        );
        attempts.push(Attempt::new(
            format!("a header `{value}`"),
            format!("answered with {}", status(&answer)),
        ));
    }
    for name in [
        "a%0d%0ab",
        "a:b",
        "",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "a%20b",
    ] {
        let answer = server.ask(&format!("/name?v={name}"));
        assert_eq!(status(&answer), "500", "{name}: {answer}");
        attempts.push(Attempt::new(
            format!("a header's name `{name}`"),
            format!("answered with {}", status(&answer)),
        ));
    }
    for code in ["0", "100", "101", "600", "-1"] {
        let answer = server.ask(&format!("/status?v={code}"));
        assert_eq!(status(&answer), "500", "{code}: {answer}");
        attempts.push(Attempt::new(
            format!("a status {code}"),
            format!("answered with {}", status(&answer)),
        ));
    }
    recorded("Answers that a program may not give", &attempts);
    let answer = server.ask("/header?v=fine+%e2%82%ac");
    assert!(
        answer.contains("x-own: fine \u{20ac}\r\n") && answer.ends_with("tail"),
        "{answer}"
    );
    stop(server);
}
