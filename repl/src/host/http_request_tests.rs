//! Requests that are read, and those that are not.

use super::*;

fn read(text: &str) -> Result<Head, u16> {
    let mut scanned = 0;
    match head_end(text.as_bytes(), &mut scanned) {
        End::At(end) => {
            assert_eq!(end, text.len(), "{text:?}");
            read_head(text.as_bytes(), 16)
        }
        End::NotYet => Err(0),
        End::Never => Err(400),
    }
}

#[test]
fn a_plain_request() {
    let head = read(
        "POST /a/b?x=1&y HTTP/1.1\r\nHost: h:80\r\nX-Own:  v w \r\nContent-Length: 12\r\nExpect: 100-Continue\r\n\r\n",
    )
    .unwrap();
    assert_eq!(head.request.method, "POST");
    assert_eq!(head.request.path, "/a/b");
    assert_eq!(head.request.query.as_deref(), Some("x=1&y"));
    assert_eq!(
        head.request.headers[1],
        ("x-own".to_owned(), "v w".to_owned())
    );
    assert_eq!(head.body, Framing::Length(12));
    assert!(head.keep && head.waits);
}

#[test]
fn who_closes() {
    for (text, keep) in [
        ("GET / HTTP/1.1\r\nhost: h\r\n\r\n", true),
        (
            "GET / HTTP/1.1\r\nhost: h\r\nconnection: x, Close\r\n\r\n",
            false,
        ),
        ("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", false),
        ("GET / HTTP/1.0\r\n\r\n", false),
    ] {
        assert_eq!(read(text).unwrap().keep, keep, "{text:?}");
    }
}

#[test]
fn targets() {
    for (line, host, expected) in [
        ("GET /a", "h", Ok(("/a", None))),
        ("GET /?", "h", Ok(("/", Some("")))),
        ("GET //a", "h", Ok(("//a", None))),
        ("GET http://H/a?b", "h", Ok(("/a", Some("b")))),
        ("GET http://h", "h", Ok(("/", None))),
        ("GET http://h?b", "h", Ok(("/", Some("b")))),
        ("OPTIONS *", "h", Ok(("*", None))),
        ("GET *", "h", Err(400)),
        ("GET http://other/a", "h", Err(400)),
        ("GET https://h/a", "h", Err(400)),
        ("GET a", "h", Err(400)),
        ("GET /a#b", "h", Err(400)),
        ("GET /\u{e4}", "h", Err(400)),
        ("CONNECT h:80", "h", Err(501)),
        ("GET /", "h/x", Err(400)),
        ("GET /", "a@h", Err(400)),
        ("GET /", "h h", Err(400)),
    ] {
        let text = format!("{line} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        let found = read(&text).map(|h| (h.request.path, h.request.query));
        let expected =
            expected.map(|(path, query)| (path.to_owned(), query.map(|q: &str| q.to_owned())));
        assert_eq!(found, expected, "{text:?}");
    }
}

/// Heads that two readers could read in two ways, or nobody.
#[test]
fn ambiguous_heads_are_refused() {
    for (text, status) in [
        ("GET / HTTP/1.1\n\n", 400),
        ("GET / HTTP/1.1\r\nhost: h\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: h\rx: y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: h\0\r\n\r\n", 400),
        ("\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: h\r\nhost: h\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nhost: h\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nhost: h\r\n\r\n", 400),
        (" GET / HTTP/1.1\r\nhost: h\r\n\r\n", 400),
        ("G@T / HTTP/1.1\r\nhost: h\r\n\r\n", 400),
        ("GET /\r\nhost: h\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nhost: h\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\n", 505),
        ("GET / HTTP/0.9\r\nhost: h\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\nhost: h\r\nx : y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: h\r\n x: y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: h\r\nx: y\r\n z\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: h\r\n: y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: h\r\nx\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: h\r\nx: \u{7f}\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: h\r\nexpect: later\r\n\r\n", 417),
    ] {
        assert_eq!(read(text).map(|_| ()), Err(status), "{text:?}");
    }
    let many = format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "x: y\r\n".repeat(16));
    assert_eq!(read(&many).map(|_| ()), Err(431));
    let raw = b"GET / HTTP/1.1\r\nhost: h\r\nx: \xff\r\n\r\n";
    assert_eq!(read_head(raw, 16).map(|_| ()), Err(400));
}

#[test]
fn lengths_stand_once_and_are_digits() {
    for (headers, expected) in [
        ("", Ok(Framing::Length(0))),
        ("content-length: 5\r\n", Ok(Framing::Length(5))),
        ("content-length: 005\r\n", Ok(Framing::Length(5))),
        (
            "content-length: 99999999999999999999999\r\n",
            Ok(Framing::Length(usize::MAX)),
        ),
        (
            "transfer-encoding: Chunked\r\n",
            Ok(Framing::Chunks(Chunks::default())),
        ),
        ("content-length: 5\r\ncontent-length: 5\r\n", Err(400)),
        ("content-length: 5\r\nContent-Length: 6\r\n", Err(400)),
        ("content-length: 5, 5\r\n", Err(400)),
        ("content-length: +5\r\n", Err(400)),
        ("content-length: -5\r\n", Err(400)),
        ("content-length: 0x5\r\n", Err(400)),
        ("content-length: 5 5\r\n", Err(400)),
        ("content-length:\r\n", Err(400)),
        ("content-length : 5\r\n", Err(400)),
        (
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            Err(400),
        ),
        (
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            Err(400),
        ),
        (
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            Err(400),
        ),
        (
            "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
            Err(400),
        ),
        ("transfer-encoding: identity\r\n", Err(501)),
        ("transfer-encoding: gzip, chunked\r\n", Err(501)),
        ("transfer-encoding: chunked, chunked\r\n", Err(501)),
        ("transfer-encoding: xchunked\r\n", Err(501)),
        ("transfer-encoding: \"chunked\"\r\n", Err(501)),
        ("transfer-encoding:\u{b}chunked\r\n", Err(400)),
    ] {
        let text = format!("POST / HTTP/1.1\r\nhost: h\r\n{headers}\r\n");
        assert_eq!(read(&text).map(|h| h.body), expected, "{headers:?}");
    }
    assert_eq!(
        read("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n").map(|_| ()),
        Err(400)
    );
}

/// Takes the text in pieces of every size.
fn chunked(text: &str, most: usize) -> Result<(Vec<u8>, usize, bool), u16> {
    let mut all = Vec::new();
    for piece in 1..=text.len() {
        let (mut chunks, mut body, mut waiting, mut used) =
            (Chunks::default(), Vec::new(), Vec::new(), 0);
        let mut failed = None;
        for part in text.as_bytes().chunks(piece) {
            waiting.extend_from_slice(part);
            match chunks.take(&waiting, &mut body, most) {
                Ok(n) => {
                    waiting.drain(..n);
                    used += n;
                }
                Err(status) => {
                    failed = Some(status);
                    break;
                }
            }
        }
        all.push(match failed {
            Some(status) => Err(status),
            None => Ok((body, used, chunks.is_done())),
        });
    }
    all.dedup();
    assert_eq!(all.len(), 1, "{text:?}: {all:?}");
    all.remove(0)
}

#[test]
fn chunks() {
    let good = "4\r\nWiki\r\n6;a=b\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nx: y\r\n\r\n";
    assert_eq!(
        chunked(good, 100),
        Ok((b"Wikipedia in \r\n\r\nchunks.".to_vec(), good.len(), true))
    );
    let before = "1\r\na\r\n0\r\n\r\n";
    let (body, used, done) = chunked(&format!("{before}GET / HTTP/1.1\r\n\r\n"), 100).unwrap();
    assert_eq!(
        (body.as_slice(), used, done),
        (&b"a"[..], before.len(), true)
    );
    assert!(!chunked("5\r\nabc", 100).unwrap().2);
    for (text, status) in [
        ("5\r\nabcde\r\n", 413),
        ("fffffffffffffff\r\n", 413),
        ("ffffffffffffffff\r\n", 400),
        ("-1\r\n", 400),
        ("0x1\r\na\r\n", 400),
        (" 1\r\na\r\n", 400),
        ("1 \r\na\r\n", 400),
        ("\r\n", 400),
        (";a\r\n", 400),
        ("1\na\r\n", 400),
        ("1\r\r\na\r\n", 400),
        ("1\r\nab\r\n", 400),
        ("1\r\na\n", 400),
        ("1;\0\r\na\r\n", 400),
        ("0\r\nx\r\n\r\n", 400),
        ("0\r\n x: y\r\n\r\n", 400),
        ("0\r\nx: y\n\r\n", 400),
    ] {
        assert_eq!(chunked(text, 4).map(|_| ()), Err(status), "{text:?}");
    }
    let line = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(300));
    assert_eq!(chunked(&line, 4).map(|_| ()), Err(400));
    let trailer = format!("0\r\n{}\r\n", "x: y\r\n".repeat(1000));
    assert_eq!(chunked_at_once(&trailer), Err(400));
}

fn chunked_at_once(text: &str) -> Result<(), u16> {
    let mut body = Vec::new();
    Chunks::default()
        .take(text.as_bytes(), &mut body, 4)
        .map(|_| ())
}
