//! What is answered over HTTP/1.1, as bytes.
//!
//! What must stay true: no text of a program begins a header or an answer of its own. How a message is carried (its length, whether
//! the connection stays) is said here alone.

use std::io::Write;

use jet_vm::host::HostValue;

use super::http_request::{MOST_HEADERS, is_token};
use super::http_values::read_pairs;

/// Bytes of all headers.
const MOST_HEAD: usize = 64 << 10;

/// An answer of a program.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub status: i64,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Headers that say how a message is carried.
const OURS: &[&str] = &[
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Reply {
    /// The answer in a value of the interface's type.
    pub fn read(value: &HostValue) -> Option<Reply> {
        let HostValue::Record(fields) = value else {
            return None;
        };
        let [
            HostValue::Int(status),
            HostValue::List(headers),
            HostValue::Bytes(body),
        ] = fields.as_slice()
        else {
            return None;
        };
        Some(Reply {
            status: *status,
            headers: read_pairs(headers)?,
            body: body.clone(),
        })
    }

    /// Bytes of what the program says.
    pub fn weight(&self) -> usize {
        let headers = self.headers.iter().map(|(n, v)| n.len() + v.len());
        self.body.len() + headers.sum::<usize>()
    }

    /// What goes over the wire, with the body or (for `HEAD`) only its length. `Err` says what no answer may have.
    pub fn bytes(&self, with_body: bool, keep: bool) -> Result<Vec<u8>, String> {
        let bodiless = matches!(self.status, 204 | 304);
        if !(200..=599).contains(&self.status) {
            return Err(format!("the status {}", self.status));
        }
        if bodiless && !self.body.is_empty() {
            return Err(format!("a body with the status {}", self.status));
        }
        if self.headers.len() > MOST_HEADERS {
            return Err("so many headers".to_owned());
        }
        let mut out = Vec::with_capacity(128 + self.body.len());
        let _ = write!(out, "HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err("the name of a header".to_owned());
            }
            if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
                return Err(format!("the header `{name}`"));
            }
            let clean = |b: u8| b == b'\t' || (b >= b' ' && b != 0x7f);
            if !value.bytes().all(clean) {
                return Err(format!("the value of the header `{name}`"));
            }
            let _ = write!(out, "{name}: {value}\r\n");
            if out.len() > MOST_HEAD {
                return Err("so long headers".to_owned());
            }
        }
        if !bodiless {
            let _ = write!(out, "content-length: {}\r\n", self.body.len());
        }
        if !keep {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if with_body {
            out.extend_from_slice(&self.body);
        }
        Ok(out)
    }

    /// An answer that the program has no part in.
    pub fn of_host(status: u16) -> Reply {
        Reply {
            status: status.into(),
            headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
            body: format!("{status} {}\n", reason(status.into())).into_bytes(),
        }
    }
}

fn reason(status: i64) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: i64, headers: &[(&str, &str)], body: &str) -> Reply {
        Reply {
            status,
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn text(reply: &Reply, with_body: bool, keep: bool) -> String {
        String::from_utf8(reply.bytes(with_body, keep).unwrap()).unwrap()
    }

    #[test]
    fn answers() {
        let ok = reply(200, &[("x-own", "a b")], "hi");
        assert_eq!(
            text(&ok, true, true),
            "HTTP/1.1 200 OK\r\nx-own: a b\r\ncontent-length: 2\r\n\r\nhi"
        );
        assert_eq!(
            text(&ok, false, false),
            "HTTP/1.1 200 OK\r\nx-own: a b\r\ncontent-length: 2\r\nconnection: close\r\n\r\n"
        );
        assert_eq!(
            text(&reply(204, &[], ""), true, true),
            "HTTP/1.1 204 No Content\r\n\r\n"
        );
        assert!(
            text(&Reply::of_host(431), true, false)
                .ends_with("\r\n\r\n431 Request Header Fields Too Large\n")
        );
    }

    #[test]
    fn no_text_becomes_a_header_or_an_answer() {
        for (name, value) in [
            ("x", "a\r\nset-cookie: b"),
            ("x", "a\nb"),
            ("x", "a\rb"),
            ("x", "a\0b"),
            ("x", "a\u{7f}"),
            ("x", "\u{1b}[2J"),
            ("x\r\ny", "a"),
            ("x:y", "a"),
            ("x y", "a"),
            (" x", "a"),
            ("", "a"),
            ("\u{e4}", "a"),
            ("Content-Length", "0"),
            ("transfer-encoding", "chunked"),
            ("CONNECTION", "close"),
            ("Upgrade", "h2c"),
        ] {
            let made = reply(200, &[(name, value)], "").bytes(true, true);
            assert!(made.is_err(), "{name:?}: {value:?}");
        }
        for status in [-1, 0, 100, 101, 199, 600, i64::MAX, i64::MIN] {
            assert!(
                reply(status, &[], "").bytes(true, true).is_err(),
                "{status}"
            );
        }
        assert!(reply(204, &[], "x").bytes(true, true).is_err());
        assert!(reply(304, &[], "x").bytes(true, true).is_err());
        let long = "x".repeat(MOST_HEAD);
        assert!(reply(200, &[("x", &long)], "").bytes(true, true).is_err());
        let many = vec![("x", "y"); MOST_HEADERS + 1];
        assert!(reply(200, &many, "").bytes(true, true).is_err());
    }
}
