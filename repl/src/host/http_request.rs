//! What a client sends over HTTP/1.1: heads and bodies, as strictly as they can be read.
//!
//! Where the standard leaves a choice, and others have read the same bytes differently, the request is refused: line ends are CR LF
//! and nothing else, a length stands once and is digits, there is a length or chunks and not both, no folded lines, no second `Host`.
//! So what stands behind a request cannot be taken for a part of it, or the other way round. Everything is bounded before it is kept.

use std::time::Duration;

/// How large a request may be and how long it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HttpLimits {
    /// Bytes of the request line and headers.
    pub head: usize,
    /// Headers.
    pub headers: usize,
    /// Bytes of the body.
    pub body: usize,
    /// From its first byte to its last.
    pub time: Duration,
}

/// Headers at most, whatever the program says.
pub(super) const MOST_HEADERS: usize = 128;
/// Bytes of a line that says how long a chunk is.
const CHUNK_LINE: usize = 256;
/// Bytes of what follows the last chunk.
const TRAILER: usize = 4096;

/// A request that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub method: String,
    /// As it was sent, without the query.
    pub path: String,
    pub query: Option<String>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The head of a request, and what it says of the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub request: Request,
    pub body: Framing,
    /// Whether another request may follow.
    pub keep: bool,
    /// Whether the client waits for a word before it sends the body.
    pub waits: bool,
}

/// How the end of a body is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunks(Chunks),
}

/// Where a head ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    NotYet,
    /// Behind so many bytes.
    At(usize),
    /// It has bytes that no head has.
    Never,
}

/// Looks for the end of a head from `scanned` on; what was looked at once is not looked at again.
pub(super) fn head_end(bytes: &[u8], scanned: &mut usize) -> End {
    let mut before = match scanned.checked_sub(1) {
        Some(at) => bytes.get(at).copied(),
        None => None,
    };
    for (at, byte) in bytes.iter().enumerate().skip(*scanned) {
        if (*byte == b'\n') != (before == Some(b'\r')) || *byte == 0 {
            return End::Never;
        }
        if *byte == b'\n' {
            let line_start = at.checked_sub(2).and_then(|a| bytes.get(a)) == Some(&b'\n');
            if at == 1 {
                return End::Never;
            }
            if line_start {
                return End::At(at + 1);
            }
        }
        before = Some(*byte);
    }
    *scanned = bytes.len();
    End::NotYet
}

/// Reads a head that is whole. `Err` is the status of the refusal.
pub(super) fn read_head(bytes: &[u8], most: usize) -> Result<Head, u16> {
    let mut room = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let room = room.get_mut(..most.min(MOST_HEADERS)).ok_or(500u16)?;
    let mut parsed = httparse::Request::new(room);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(end)) if end == bytes.len() => {}
        Ok(_) => return Err(400),
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        Err(httparse::Error::Version) => return Err(505),
        Err(_) => return Err(400),
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(400);
    };
    let mut headers = Vec::with_capacity(parsed.headers.len());
    for header in parsed.headers.iter() {
        let value = std::str::from_utf8(header.value).map_err(|_| 400u16)?;
        headers.push((header.name.to_ascii_lowercase(), value.to_owned()));
    }
    let host = only(&headers, "host")?;
    if version == 1 && host.is_none() {
        return Err(400);
    }
    if host.is_some_and(|h| !h.bytes().all(in_authority)) {
        return Err(400);
    }
    let (path, query) = target_of(method, target, host)?;
    let body = framing(&headers, version)?;
    let waits = match only(&headers, "expect")? {
        None => false,
        Some(text) if text.eq_ignore_ascii_case("100-continue") => version == 1,
        Some(_) => return Err(417),
    };
    let closes = headers
        .iter()
        .filter(|(name, _)| name == "connection")
        .flat_map(|(_, value)| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("close"));
    Ok(Head {
        request: Request {
            method: method.to_owned(),
            path,
            query,
            headers,
            body: Vec::new(),
        },
        body,
        keep: version == 1 && !closes,
        waits,
    })
}

/// The value of a header that may stand once.
fn only<'a>(headers: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, u16> {
    let mut found = headers.iter().filter(|(n, _)| n == name);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(400),
        (first, None) => Ok(first.map(|(_, value)| value.as_str())),
    }
}

fn in_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
}

/// Path and query of a request's target.
fn target_of(
    method: &str,
    target: &str,
    host: Option<&str>,
) -> Result<(String, Option<String>), u16> {
    if method == "CONNECT" {
        return Err(501);
    }
    if !target
        .bytes()
        .all(|b| matches!(b, b'!'..=b'~') && b != b'#')
    {
        return Err(400);
    }
    if target == "*" && method == "OPTIONS" {
        return Ok((target.to_owned(), None));
    }
    let scheme = target.get(..7).unwrap_or_default();
    let local = if scheme.eq_ignore_ascii_case("http://") {
        let rest = target.get(7..).unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, local) = rest.split_at(end);
        // Two names for the host are one too many.
        if authority.is_empty() || !host.is_some_and(|h| h.eq_ignore_ascii_case(authority)) {
            return Err(400);
        }
        local
    } else if target.starts_with('/') {
        target
    } else {
        return Err(400);
    };
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (local, None),
    };
    let path = if path.is_empty() { "/" } else { path };
    Ok((path.to_owned(), query))
}

/// How long the body is, if it is said once.
fn framing(headers: &[(String, String)], version: u8) -> Result<Framing, u16> {
    let length = only(headers, "content-length")?;
    let coding = only(headers, "transfer-encoding")?;
    match (length, coding) {
        (None, None) => Ok(Framing::Length(0)),
        (Some(text), None) => {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            if !digits {
                return Err(400);
            }
            // More than fits is more than any limit.
            Ok(Framing::Length(text.parse().unwrap_or(usize::MAX)))
        }
        (None, Some(coding)) if version == 1 => {
            if coding.eq_ignore_ascii_case("chunked") {
                Ok(Framing::Chunks(Chunks::default()))
            } else {
                Err(501)
            }
        }
        _ => Err(400),
    }
}

/// A body that comes in chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    at: At,
    /// Bytes of the trailer that came.
    trailer: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// The line that says how long the next one is.
    #[default]
    Size,
    /// In one, with so many bytes to come.
    Data(usize),
    /// Behind one.
    DataEnd,
    Trailer,
    Done,
}

/// A line that ends with CR LF and has no such bytes else; `None` if it is not whole.
fn line(input: &[u8], most: usize) -> Result<Option<&[u8]>, u16> {
    let Some(end) = input.iter().position(|b| *b == b'\n') else {
        return if input.len() > most {
            Err(400)
        } else {
            Ok(None)
        };
    };
    let line = input
        .get(..end)
        .and_then(|l| l.strip_suffix(b"\r"))
        .ok_or(400u16)?;
    let clean = line.iter().all(|b| matches!(b, b'\t' | b' '..=b'~'));
    if end >= most || !clean {
        return Err(400);
    }
    Ok(Some(line))
}

impl Chunks {
    /// Takes what it can of the input and puts data behind `body`, which has `most` bytes at most. Gives how many bytes it took;
    /// `Err` is the status of the refusal.
    pub fn take(&mut self, input: &[u8], body: &mut Vec<u8>, most: usize) -> Result<usize, u16> {
        let mut taken = 0;
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            match self.at {
                At::Size => {
                    let Some(line) = line(rest, CHUNK_LINE)? else {
                        return Ok(taken);
                    };
                    let size = chunk_size(line)?;
                    taken += line.len() + 2;
                    if size > most.saturating_sub(body.len()) {
                        return Err(413);
                    }
                    self.at = if size == 0 {
                        At::Trailer
                    } else {
                        At::Data(size)
                    };
                }
                At::Data(left) => {
                    let now = rest.get(..left.min(rest.len())).unwrap_or_default();
                    if now.is_empty() {
                        return Ok(taken);
                    }
                    body.extend_from_slice(now);
                    taken += now.len();
                    self.at = match left - now.len() {
                        0 => At::DataEnd,
                        left => At::Data(left),
                    };
                }
                At::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        taken += 2;
                        self.at = At::Size;
                    }
                    [] | [b'\r'] => return Ok(taken),
                    _ => return Err(400),
                },
                At::Trailer => {
                    let Some(line) = line(rest, TRAILER)? else {
                        return Ok(taken);
                    };
                    taken += line.len() + 2;
                    self.trailer += line.len() + 2;
                    if line.is_empty() {
                        self.at = At::Done;
                    } else if self.trailer > TRAILER || !is_field(line) {
                        return Err(400);
                    }
                }
                At::Done => return Ok(taken),
            }
        }
    }

    /// Whether the body is whole.
    pub fn is_done(&self) -> bool {
        self.at == At::Done
    }
}

/// The size in a chunk's first line; extensions are passed over.
fn chunk_size(line: &[u8]) -> Result<usize, u16> {
    let digits = line.split(|b| *b == b';').next().unwrap_or_default();
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(400);
    }
    let text = std::str::from_utf8(digits).map_err(|_| 400u16)?;
    usize::from_str_radix(text, 16).map_err(|_| 400)
}

/// Whether a line could be a header.
fn is_field(line: &[u8]) -> bool {
    let name = line.split(|b| *b == b':').next().unwrap_or_default();
    !name.is_empty() && name.len() < line.len() && name.iter().all(|b| is_token(*b))
}

/// Characters of names of headers and methods.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
#[path = "http_request_tests.rs"]
mod tests;
