//! `Net`: requests over HTTP and HTTPS, and plain connections, to the hosts of a grant.
//!
//! Each name is resolved here, and a connection goes to exactly the addresses that were checked (`net_scope.rs`). Redirects are followed by
//! us, one at a time, each as a destination of its own; what the program added to its request stays with the first origin. No proxy, no
//! cookies, no compression. A request runs on a thread of its own and answers later; the size and time of its answer are bounded.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jet_vm::host::{
    HostAnswer, HostCapability, HostCx, HostEnum, HostFailure, HostMethod, HostResult, HostStruct,
    HostType, HostValue, HostVariant, NetGrant, Ticket,
};
use ureq::http::{Method, Request, Uri};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::http_values::{BYTES, PAIRS, read_pairs};
use super::net_scope::{Lookup, NetScope, host_of};

pub use super::net_scope::{Resolver as NameResolver, resolve_by};

static NET_ERROR: HostEnum = HostEnum {
    name: "NetError",
    variants: &[
        HostVariant {
            name: "Denied",
            fields: &[("what", HostType::Str)],
        },
        HostVariant {
            name: "Unreachable",
            fields: &[("why", HostType::Str)],
        },
        HostVariant {
            name: "TimedOut",
            fields: &[],
        },
        HostVariant {
            name: "TooLarge",
            fields: &[],
        },
        HostVariant {
            name: "Invalid",
            fields: &[("what", HostType::Str)],
        },
    ],
};
static REQUEST: HostStruct = HostStruct {
    name: "Request",
    fields: &[
        ("url", HostType::Str),
        ("method", HostType::Str),
        ("headers", PAIRS),
        ("body", BYTES),
        ("redirects", HostType::Int),
    ],
};
static RESPONSE: HostStruct = HostStruct {
    name: "Response",
    fields: &[
        ("status", HostType::Int),
        ("headers", PAIRS),
        ("body", BYTES),
        ("url", HostType::Str),
    ],
};
const SOCKET: HostType = HostType::Handle("Socket");
static ERRORS: [&HostEnum; 1] = [&NET_ERROR];

const fn method(name: &'static str, params: &'static [HostType], ret: HostType) -> HostMethod {
    HostMethod {
        name,
        params,
        ret,
        errors: &ERRORS,
    }
}

static METHODS: [HostMethod; 6] = [
    method("get", &[HostType::Str], HostType::Struct(&RESPONSE)),
    method(
        "request",
        &[HostType::Struct(&REQUEST)],
        HostType::Struct(&RESPONSE),
    ),
    method("connect", &[HostType::Str, HostType::Int], SOCKET),
    method("send", &[SOCKET, BYTES], HostType::Unit),
    method("receive", &[SOCKET, HostType::Int], BYTES),
    HostMethod {
        name: "close",
        params: &[SOCKET],
        ret: HostType::Unit,
        errors: &[],
    },
];

/// How long a request, or a step of a connection, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often something that waits looks at time and cancellation.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes of a body at most, whatever memory the program has.
const MAX_BODY: u64 = 64 << 20;
/// Redirects that are followed at most.
const MAX_REDIRECTS: i64 = 10;
/// Requests that run at the same time.
const MAX_RUNNING: usize = 64;

fn error(variant: &str, what: impl AsRef<str>) -> HostFailure {
    HostFailure::error(&NET_ERROR, variant, [HostValue::str(what.as_ref())])
}

fn denied(what: impl AsRef<str>) -> HostFailure {
    error("Denied", what)
}

fn not_reached(why: impl AsRef<str>) -> HostFailure {
    error("Unreachable", why)
}

fn invalid(what: impl AsRef<str>) -> HostFailure {
    error("Invalid", what)
}

fn timed_out() -> HostFailure {
    HostFailure::error(&NET_ERROR, "TimedOut", [])
}

fn too_large() -> HostFailure {
    HostFailure::error(&NET_ERROR, "TooLarge", [])
}

/// The capability over a scope.
#[derive(Debug)]
pub struct Net {
    scope: Arc<NetScope>,
    open: HashMap<u64, TcpStream>,
    next: u64,
    /// Cloned into each request that runs, so that it can be counted.
    running: Arc<()>,
    patience: Duration,
}

impl Net {
    /// The grant's hosts. `Err` says what is wrong with the grant.
    pub fn new(grant: &NetGrant) -> Result<Net, String> {
        Ok(Net {
            scope: Arc::new(NetScope::new(grant)?),
            open: HashMap::new(),
            next: 1,
            running: Arc::new(()),
            patience: PATIENCE,
        })
    }

    /// The same with another time for each request and step of a connection.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Net {
        Net { patience, ..self }
    }

    fn request(&self, sent: Sent, cx: &mut HostCx<'_>) -> Result<HostAnswer, HostFailure> {
        let headers = sent.headers.iter().map(|(n, v)| n.len() + v.len());
        let head = sent.method.len() + sent.url.len() + headers.sum::<usize>();
        cx.charge_output(head + sent.body.len())?;
        if Arc::strong_count(&self.running) > MAX_RUNNING {
            return Err(not_reached("too many requests at the same time"));
        }
        let (ticket, completer) = Ticket::new();
        let job = Job {
            scope: Arc::clone(&self.scope),
            until: cx.interrupt().until(self.patience),
            most: cx.memory_left().min(MAX_BODY),
            _counted: Arc::clone(&self.running),
        };
        let thread = std::thread::Builder::new().name("request".into());
        let spawned = thread.spawn(move || completer.complete(job.run(sent)));
        match spawned {
            Ok(_) => Ok(HostAnswer::Later(ticket)),
            Err(_) => Err(HostFailure::failed("no thread for a request")),
        }
    }

    fn connect(&mut self, host: &str, port: i64, cx: &mut HostCx<'_>) -> HostResult {
        let host = host_of(host).ok_or_else(|| invalid("the host"))?;
        let port = u16::try_from(port)
            .ok()
            .filter(|p| *p > 0)
            .ok_or_else(|| invalid("the port"))?;
        // A name is told to those who resolve it.
        cx.charge_output(host.len())?;
        cx.charge_handle()?;
        let scope = Arc::clone(&self.scope);
        let end = cx.interrupt().until(self.patience);
        let opened = wait_for(cx, end, move || match scope.look_up(&host, port) {
            Lookup::Denied => Err(denied(format!("{host}:{port}"))),
            Lookup::Unknown => Err(not_reached("the name has no address")),
            Lookup::Found(addresses) => {
                let mut last = timed_out();
                for address in addresses {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(timed_out());
                    }
                    match TcpStream::connect_timeout(&address, left) {
                        Ok(stream) => return Ok(stream),
                        Err(error) => last = from_io(&error),
                    }
                }
                Err(last)
            }
        });
        match opened {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                let handle = self.next;
                self.next += 1;
                self.open.insert(handle, stream);
                Ok(HostValue::Handle(handle))
            }
            Err(fail) => {
                cx.release_handle();
                Err(fail)
            }
        }
    }

    fn send(&self, handle: u64, data: &[u8], cx: &mut HostCx<'_>) -> HostResult {
        let mut stream = self.open.get(&handle).ok_or_else(closed)?;
        cx.charge_output(data.len())?;
        let end = cx.interrupt().until(self.patience);
        let mut rest = data;
        let _ = stream.set_write_timeout(Some(LOOK));
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(0) => return Err(not_reached("the connection is closed")),
                Ok(n) => rest = rest.get(n..).unwrap_or_default(),
                Err(error) if waits(&error) => check(cx, end)?,
                Err(error) => return Err(from_io(&error)),
            }
        }
        Ok(HostValue::Unit)
    }

    fn receive(&self, handle: u64, most: i64, cx: &mut HostCx<'_>) -> HostResult {
        let mut stream = self.open.get(&handle).ok_or_else(closed)?;
        let most = u64::try_from(most).map_err(|_| {
            HostFailure::argument(format!(
                "cannot receive {most} bytes: the count is negative"
            ))
        })?;
        // No bytes stand for the end, so there has to be room for some.
        cx.check_memory(most.min(1))?;
        let size = most.min(cx.memory_left()).min(1 << 20);
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        let end = cx.interrupt().until(self.patience);
        let _ = stream.set_read_timeout(Some(LOOK));
        loop {
            match stream.read(&mut bytes) {
                Ok(n) => {
                    bytes.truncate(n);
                    return Ok(HostValue::Bytes(bytes));
                }
                Err(error) if waits(&error) => check(cx, end)?,
                Err(error) => return Err(from_io(&error)),
            }
        }
    }

    fn close(&mut self, handle: u64, cx: &mut HostCx<'_>) -> HostResult {
        self.open.remove(&handle).ok_or_else(closed)?;
        cx.release_handle();
        Ok(HostValue::Unit)
    }
}

fn closed() -> HostFailure {
    HostFailure::handle("the connection is closed")
}

/// Whether waiting may go on.
fn check(cx: &HostCx<'_>, end: Instant) -> Result<(), HostFailure> {
    cx.interrupt().check()?;
    if Instant::now() >= end {
        return Err(timed_out());
    }
    Ok(())
}

/// Does something that cannot be interrupted on a thread that can be left behind.
fn wait_for<T: Send + 'static>(
    cx: &HostCx<'_>,
    end: Instant,
    work: impl FnOnce() -> Result<T, HostFailure> + Send + 'static,
) -> Result<T, HostFailure> {
    let (tell, hear) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("connect".into());
    let spawned = thread.spawn(move || {
        let _ = tell.send(work());
    });
    if spawned.is_err() {
        return Err(HostFailure::failed("no thread for a connection"));
    }
    loop {
        match hear.recv_timeout(LOOK) {
            Ok(done) => return done,
            Err(mpsc::RecvTimeoutError::Timeout) => check(cx, end)?,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(HostFailure::failed("a connection came to nothing"));
            }
        }
    }
}

fn waits(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn from_io(error: &std::io::Error) -> HostFailure {
    not_reached(match error.kind() {
        ErrorKind::TimedOut => return timed_out(),
        ErrorKind::ConnectionRefused => "the connection was refused",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            "the connection was reset"
        }
        ErrorKind::UnexpectedEof => "the answer ended early",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "there is no way there",
        _ => "the connection failed",
    })
}

/// What a program sends.
struct Sent {
    url: String,
    method: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    redirects: i64,
}

impl Sent {
    fn read(value: &HostValue) -> Option<Sent> {
        let HostValue::Record(fields) = value else {
            return None;
        };
        let [
            HostValue::Str(url),
            HostValue::Str(method),
            HostValue::List(headers),
            HostValue::Bytes(body),
            HostValue::Int(redirects),
        ] = fields.as_slice()
        else {
            return None;
        };
        Some(Sent {
            url: url.to_string(),
            method: method.to_string(),
            headers: read_pairs(headers)?,
            body: body.clone(),
            redirects: *redirects,
        })
    }
}

/// A request on its thread.
struct Job {
    scope: Arc<NetScope>,
    until: Instant,
    most: u64,
    _counted: Arc<()>,
}

/// Headers that say how a message is carried, and are not the program's business.
const OURS: &[&str] = &[
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "keep-alive",
    "accept-encoding",
    "proxy-authorization",
    "proxy-connection",
    "proxy-authenticate",
    "forwarded",
    "http2-settings",
];
/// Headers that go along to another origin.
const HARMLESS: &[&str] = &["accept", "accept-language", "user-agent"];

/// A destination: scheme, host and port.
#[derive(PartialEq, Eq)]
struct Origin {
    https: bool,
    host: String,
    port: u16,
}

fn origin(uri: &Uri) -> Result<Origin, HostFailure> {
    let https = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => {
            return Err(invalid(
                "the address does not begin with http:// or https://",
            ));
        }
    };
    let authority = uri
        .authority()
        .ok_or_else(|| invalid("the address has no host"))?;
    if authority.as_str().contains('@') {
        return Err(invalid("a user name in the address"));
    }
    let host = host_of(authority.host()).ok_or_else(|| invalid("the host in the address"))?;
    let rest = authority
        .as_str()
        .get(authority.host().len()..)
        .unwrap_or_default();
    let port = match (rest.strip_prefix(':'), https) {
        (None, false) => 80,
        (None, true) => 443,
        (Some(text), _) => text
            .parse::<u16>()
            .ok()
            .filter(|p| *p > 0)
            .ok_or_else(|| invalid("the port in the address"))?,
    };
    Ok(Origin { https, host, port })
}

impl Job {
    fn run(&self, mut sent: Sent) -> HostResult {
        let mut left = sent.redirects.clamp(0, MAX_REDIRECTS);
        if !["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
            .contains(&sent.method.as_str())
        {
            return Err(invalid("the method"));
        }
        for (name, _) in &sent.headers {
            if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
                return Err(invalid(format!("the header `{name}`")));
            }
        }
        loop {
            let uri: Uri = sent.url.parse().map_err(|_| invalid("the address"))?;
            let here = origin(&uri)?;
            let (status, headers, body) = self.once(&uri, &here, &sent)?;
            let next = headers
                .iter()
                .find(|(name, _)| name == "location")
                .map(|(_, v)| v.clone());
            let (301 | 302 | 303 | 307 | 308, Some(next), true) = (status, next, left > 0) else {
                return Ok(answer(status, headers, body, &sent.url));
            };
            left -= 1;
            let url = join(&here, &uri, &next)?;
            let to: Uri = url.parse().map_err(|_| invalid("where a redirect leads"))?;
            let there = origin(&to)?;
            if here.https && !there.https {
                return Err(denied("a redirect from https to http"));
            }
            if here != there {
                sent.headers
                    .retain(|(name, _)| HARMLESS.iter().any(|h| h.eq_ignore_ascii_case(name)));
            }
            if status == 303 || (status < 303 && sent.method == "POST") {
                sent.method = if sent.method == "HEAD" {
                    "HEAD".into()
                } else {
                    "GET".into()
                };
                sent.body.clear();
                sent.headers
                    .retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            } else if here != there && !sent.body.is_empty() {
                return Err(denied("sending a body on to another origin"));
            }
            sent.url = url;
        }
    }

    /// One request, without redirects.
    #[allow(clippy::type_complexity)]
    fn once(
        &self,
        uri: &Uri,
        to: &Origin,
        sent: &Sent,
    ) -> Result<(u16, Vec<(String, String)>, Vec<u8>), HostFailure> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(timed_out());
        }
        if !self.scope.names(&to.host, to.port) {
            return Err(denied(format!("{}:{}", to.host, to.port)));
        }
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_idle_connections(0)
            .max_response_header_size(64 << 10)
            .user_agent("jet")
            .accept_encoding("")
            .timeout_global(Some(left))
            .build();
        let (tell, hear) = mpsc::channel();
        let resolver = Checked {
            scope: Arc::clone(&self.scope),
            host: to.host.clone(),
            port: to.port,
            tell: std::sync::Mutex::new(tell),
        };
        let agent = ureq::Agent::with_parts(config, DefaultConnector::default(), resolver);
        let method: Method = sent.method.parse().map_err(|_| invalid("the method"))?;
        let mut request = Request::builder().method(method).uri(uri.clone());
        for (name, value) in &sent.headers {
            request = request.header(name, value);
        }
        let no_header = |_| invalid("a header");
        let answered = if sent.body.is_empty() {
            agent.run(request.body(()).map_err(no_header)?)
        } else {
            agent.run(request.body(sent.body.as_slice()).map_err(no_header)?)
        };
        let fail = |error: ureq::Error| hear.try_recv().unwrap_or_else(|_| from_ureq(&error));
        let mut response = answered.map_err(fail)?;
        let status = response.status().as_u16();
        let mut headers = Vec::new();
        for (name, value) in response.headers() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.push((name.as_str().to_owned(), value));
        }
        let body = response
            .body_mut()
            .with_config()
            .limit(self.most)
            .read_to_vec();
        Ok((status, headers, body.map_err(fail)?))
    }
}

fn answer(status: u16, headers: Vec<(String, String)>, body: Vec<u8>, url: &str) -> HostValue {
    let pair = |(name, value): (String, String)| {
        HostValue::Record(vec![HostValue::str(&name), HostValue::str(&value)])
    };
    HostValue::Record(vec![
        HostValue::Int(status.into()),
        HostValue::List(headers.into_iter().map(pair).collect()),
        HostValue::Bytes(body),
        HostValue::str(url),
    ])
}

/// Where a redirect leads, seen from a request.
fn join(here: &Origin, from: &Uri, to: &str) -> Result<String, HostFailure> {
    let scheme = if here.https { "https" } else { "http" };
    let lower = to.to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Ok(to.to_owned());
    }
    let first = to.split(['/', '?', '#']).next().unwrap_or_default();
    if first.contains(':') {
        return Err(denied("a redirect to something else than HTTP"));
    }
    if let Some(rest) = to.strip_prefix("//") {
        return Ok(format!("{scheme}://{rest}"));
    }
    let host = if here.host.contains(':') {
        format!("[{}]", here.host)
    } else {
        here.host.clone()
    };
    let base = format!("{scheme}://{host}:{}", here.port);
    let folder = from
        .path()
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    Ok(if to.starts_with('/') {
        format!("{base}{to}")
    } else if to.starts_with('?') {
        format!("{base}{}{to}", from.path())
    } else {
        format!("{base}{folder}/{to}")
    })
}

fn from_ureq(error: &ureq::Error) -> HostFailure {
    match error {
        ureq::Error::Timeout(_) => timed_out(),
        ureq::Error::Io(error) => from_io(error),
        ureq::Error::BodyExceedsLimit(_) | ureq::Error::LargeResponseHeader(..) => too_large(),
        ureq::Error::HostNotFound => not_reached("the name has no address"),
        ureq::Error::ConnectionFailed => not_reached("the connection was refused"),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => invalid("the request"),
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
            not_reached("the other side could not prove who it is")
        }
        _ => not_reached("the answer is not HTTP"),
    }
}

/// Resolves the one destination of a request, and gives addresses that were checked.
struct Checked {
    scope: Arc<NetScope>,
    host: String,
    port: u16,
    tell: std::sync::Mutex<mpsc::Sender<HostFailure>>,
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checked({}:{})", self.host, self.port)
    }
}

impl Resolver for Checked {
    fn resolve(
        &self,
        _: &Uri,
        _: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let (scope, host, port) = (Arc::clone(&self.scope), self.host.clone(), self.port);
        let (send, hear) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("resolve".into());
        thread.spawn(move || {
            let _ = send.send(scope.look_up(&host, port));
        })?;
        let fail = |fail: HostFailure, error: ureq::Error| {
            let tell = self
                .tell
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let _ = tell.send(fail);
            Err(error)
        };
        match hear.recv_timeout(*timeout.after) {
            Ok(Lookup::Found(addresses)) => {
                let mut out = self.empty();
                for address in addresses.into_iter().take(16) {
                    out.push(address);
                }
                Ok(out)
            }
            Ok(Lookup::Denied) => fail(
                denied(format!("{}:{}", self.host, self.port)),
                ureq::Error::HostNotFound,
            ),
            Ok(Lookup::Unknown) => Err(ureq::Error::HostNotFound),
            Err(_) => fail(timed_out(), ureq::Error::HostNotFound),
        }
    }
}

impl HostCapability for Net {
    fn interface(&self) -> (&'static str, &'static str) {
        ("std", "Net")
    }

    fn methods(&self) -> &'static [HostMethod] {
        &METHODS
    }

    fn call(&mut self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostAnswer {
        let result = match (method, args) {
            (0, [HostValue::Str(url)]) => {
                let sent = Sent {
                    url: url.to_string(),
                    method: "GET".into(),
                    headers: Vec::new(),
                    body: Vec::new(),
                    redirects: 5,
                };
                return self.request(sent, cx).unwrap_or_else(|e| Err(e).into());
            }
            (1, [value]) => {
                return match Sent::read(value) {
                    Some(sent) => self.request(sent, cx).unwrap_or_else(|e| Err(e).into()),
                    None => Err(jet_vm::host::wrong_arguments(&METHODS, method)).into(),
                };
            }
            (2, [HostValue::Str(host), HostValue::Int(port)]) => self.connect(host, *port, cx),
            (3, [HostValue::Handle(socket), HostValue::Bytes(data)]) => {
                self.send(*socket, data, cx)
            }
            (4, [HostValue::Handle(socket), HostValue::Int(most)]) => {
                self.receive(*socket, *most, cx)
            }
            (5, [HostValue::Handle(socket)]) => self.close(*socket, cx),
            _ => Err(jet_vm::host::wrong_arguments(&METHODS, method)),
        };
        result.into()
    }

    fn drop_handle(&mut self, handle: u64, cx: &mut HostCx<'_>) {
        let _ = self.close(handle, cx);
    }

    fn scope_text(&self) -> String {
        self.scope.text().to_owned()
    }
}

#[cfg(test)]
mod tests;
