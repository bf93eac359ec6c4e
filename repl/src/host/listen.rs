//! `Listen`: connections that others open, as they are or with requests over HTTP/1.1, at the addresses of a grant.
//!
//! A listener's sockets belong to a thread of their own (`listen_io.rs`): it accepts, reads whole requests within their limits and sends
//! what could not be sent at once. A program's call takes a request that is there or gets a ticket for the next one, so that it
//! never holds its thread for a client, and no client for another. What a request may look like says `http_request.rs`, what an
//! answer may, `http_reply.rs`.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use jet_vm::host::{
    HostAnswer, HostCapability, HostCx, HostEnum, HostFailure, HostMethod, HostResult, HostStruct,
    HostType, HostValue, HostVariant, ListenGrant, Ticket,
};

use super::http_reply::Reply;
use super::http_request::{HttpLimits, MOST_HEADERS, Request};
use super::http_values::{BYTES, PAIRS};
use super::listen_io::Reactor;
use super::listen_scope::{ListenScope, address_of};
use super::listen_state::Sent;

static LISTEN_ERROR: HostEnum = HostEnum {
    name: "ListenError",
    variants: &[
        HostVariant {
            name: "Denied",
            fields: &[("what", HostType::Str)],
        },
        HostVariant {
            name: "InUse",
            fields: &[],
        },
        HostVariant {
            name: "Failed",
            fields: &[("why", HostType::Str)],
        },
        HostVariant {
            name: "TimedOut",
            fields: &[],
        },
        HostVariant {
            name: "Gone",
            fields: &[],
        },
        HostVariant {
            name: "Invalid",
            fields: &[("what", HostType::Str)],
        },
    ],
};
static LIMITS: HostStruct = HostStruct {
    name: "HttpLimits",
    fields: &[
        ("head", HostType::Int),
        ("headers", HostType::Int),
        ("body", HostType::Int),
        ("seconds", HostType::Int),
    ],
};
static ASKED: HostStruct = HostStruct {
    name: "Asked",
    fields: &[
        ("method", HostType::Str),
        ("path", HostType::Str),
        ("query", HostType::Option(&HostType::Str)),
        ("headers", PAIRS),
        ("body", BYTES),
        ("from", HostType::Str),
    ],
};
static REPLY: HostStruct = HostStruct {
    name: "Reply",
    fields: &[
        ("status", HostType::Int),
        ("headers", PAIRS),
        ("body", BYTES),
    ],
};
const SERVER: HostType = HostType::Handle("Server");
const EXCHANGE: HostType = HostType::Handle("Exchange");
const LISTENER: HostType = HostType::Handle("Listener");
const VISITOR: HostType = HostType::Handle("Visitor");
static ERRORS: [&HostEnum; 1] = [&LISTEN_ERROR];

const fn fallible(name: &'static str, params: &'static [HostType], ret: HostType) -> HostMethod {
    HostMethod {
        name,
        params,
        ret,
        errors: &ERRORS,
    }
}

const fn plain(name: &'static str, params: &'static [HostType], ret: HostType) -> HostMethod {
    HostMethod {
        name,
        params,
        ret,
        errors: &[],
    }
}

static METHODS: [HostMethod; 13] = [
    fallible(
        "serve",
        &[HostType::Str, HostType::Int, HostType::Struct(&LIMITS)],
        SERVER,
    ),
    plain("port", &[SERVER], HostType::Int),
    fallible("next", &[SERVER], EXCHANGE),
    plain("asked", &[EXCHANGE], HostType::Struct(&ASKED)),
    fallible(
        "answer",
        &[EXCHANGE, HostType::Struct(&REPLY)],
        HostType::Unit,
    ),
    plain("stop", &[SERVER], HostType::Unit),
    fallible("open", &[HostType::Str, HostType::Int], LISTENER),
    plain("port_of", &[LISTENER], HostType::Int),
    fallible("accept", &[LISTENER], VISITOR),
    fallible("receive", &[VISITOR, HostType::Int], BYTES),
    fallible("send", &[VISITOR, BYTES], HostType::Unit),
    plain("hang_up", &[VISITOR], HostType::Unit),
    plain("close", &[LISTENER], HostType::Unit),
];

/// Connections of a listener at most, whatever the limit of open handles.
const MOST_PEERS: u32 = 256;
/// Bytes that all bodies under way may have, whatever memory the program has.
const MOST_BODIES: u64 = 64 << 20;
/// Bytes that `receive` gives at most.
const MOST_RECEIVED: u64 = 1 << 20;

/// Why nobody was heard or answered.
#[derive(Debug)]
pub(super) enum ListenFail {
    Denied(String),
    InUse,
    Failed(String),
    TimedOut,
    Gone,
    Invalid(String),
    Trap(HostFailure),
}

impl From<HostFailure> for ListenFail {
    fn from(failure: HostFailure) -> Self {
        ListenFail::Trap(failure)
    }
}

impl From<ListenFail> for HostFailure {
    fn from(fail: ListenFail) -> HostFailure {
        let (variant, payload) = match fail {
            ListenFail::Denied(what) => (0, vec![HostValue::str(&what)]),
            ListenFail::InUse => (1, Vec::new()),
            ListenFail::Failed(why) => (2, vec![HostValue::str(&why)]),
            ListenFail::TimedOut => (3, Vec::new()),
            ListenFail::Gone => (4, Vec::new()),
            ListenFail::Invalid(what) => (5, vec![HostValue::str(&what)]),
            ListenFail::Trap(failure) => return failure,
        };
        HostFailure::Error {
            error: LISTEN_ERROR.name,
            variant,
            payload,
        }
    }
}

type Answered = Result<HostAnswer, ListenFail>;

/// The capability over a scope.
#[derive(Debug)]
pub struct Listen {
    scope: ListenScope,
    /// The thread, from the first listener on.
    reactor: Option<Reactor>,
    /// Handles that were charged.
    charged: usize,
}

fn now(value: HostValue) -> Answered {
    Ok(Ok(value).into())
}

fn later(sent: Sent) -> HostAnswer {
    match sent {
        Sent::Done => Ok(HostValue::Unit).into(),
        Sent::Later(ticket) => HostAnswer::Later(ticket),
    }
}

fn closed(what: &str) -> ListenFail {
    HostFailure::handle(format!("the {what} is closed")).into()
}

impl Listen {
    /// The grant's addresses. `Err` says what is wrong with the grant.
    pub fn new(grant: &ListenGrant) -> Result<Listen, String> {
        Ok(Listen {
            scope: ListenScope::new(grant)?,
            reactor: None,
            charged: 0,
        })
    }

    fn reactor(&self, what: &str) -> Result<&Reactor, ListenFail> {
        self.reactor.as_ref().ok_or_else(|| closed(what))
    }

    /// Charges a handle. One that was charged for a request that never came is used first.
    fn charge(&mut self, cx: &mut HostCx<'_>) -> Result<(), ListenFail> {
        let open = self.reactor.as_ref().map_or(0, |r| r.state().handles());
        if self.charged <= open {
            cx.charge_handle()?;
            self.charged += 1;
        }
        Ok(())
    }

    fn release(&mut self, cx: &mut HostCx<'_>) {
        if self.charged > 0 {
            self.charged -= 1;
            cx.release_handle();
        }
    }

    fn open(
        &mut self,
        host: &str,
        port: i64,
        http: Option<HttpLimits>,
        cx: &mut HostCx<'_>,
    ) -> Answered {
        let ip = address_of(host).ok_or_else(|| ListenFail::Invalid("the address".into()))?;
        let port = u16::try_from(port).map_err(|_| ListenFail::Invalid("the port".into()))?;
        let at = SocketAddr::new(ip, port);
        let denied = |at: SocketAddr| ListenFail::Denied(at.to_string());
        if !self.scope.allows(at) {
            return Err(denied(at));
        }
        self.charge(cx)?;
        let socket = TcpListener::bind(at).map_err(|e| of_system(&e))?;
        let chosen = socket.local_addr().map_err(|e| of_system(&e))?;
        if self.scope.denies(SocketAddr::new(ip, chosen.port())) {
            return Err(denied(at));
        }
        socket.set_nonblocking(true).map_err(|e| of_system(&e))?;
        if self.reactor.is_none() {
            let bodies = (cx.limits().memory / 4).min(MOST_BODIES);
            let started = Reactor::start(usize::try_from(bodies).unwrap_or(usize::MAX));
            self.reactor = Some(started.map_err(|_| HostFailure::failed("no thread to listen"))?);
        }
        let most = cx.limits().handles.min(MOST_PEERS) as usize;
        let reactor = self.reactor("listener")?;
        let number = reactor.with(|state, _| {
            state.wake = true;
            state.open_door(socket, http, most)
        });
        now(HostValue::Handle(number))
    }

    fn port(&self, number: u64) -> Answered {
        let state = self.reactor("listener")?.state();
        let door = state.door(number).ok_or_else(|| closed("listener"))?;
        let at = door.socket.local_addr().map_err(|e| of_system(&e));
        now(HostValue::Int(at.map_or(0, |a| a.port()).into()))
    }

    /// The next request, or the next connection.
    fn next(&mut self, door: u64, cx: &mut HostCx<'_>) -> Answered {
        if self.reactor("listener")?.state().door(door).is_none() {
            return Err(closed("listener"));
        }
        self.charge(cx)?;
        let found = self.reactor("listener")?.with(|state, _| state.next(door));
        match found {
            Some(Ok(number)) => now(HostValue::Handle(number)),
            Some(Err(ticket)) => Ok(HostAnswer::Later(ticket)),
            None => Err(closed("listener")),
        }
    }

    fn asked(&self, number: u64) -> Answered {
        let state = self.reactor("request")?.state();
        let (request, from) = state.asked(number).ok_or_else(|| closed("request"))?;
        now(asked(request, from))
    }

    fn answer(&mut self, number: u64, reply: &Reply, cx: &mut HostCx<'_>) -> Answered {
        let reactor = self.reactor("request")?;
        if reactor.state().asked(number).is_none() {
            return Err(closed("request"));
        }
        cx.charge_output(reply.weight())?;
        let done = reactor.with(|state, now| state.answer(number, reply, now));
        match done {
            None => Err(closed("request")),
            Some(Ok(sent)) => {
                self.release(cx);
                Ok(later(sent))
            }
            Some(Err(fail)) => {
                if !matches!(fail, ListenFail::Invalid(_)) {
                    self.release(cx);
                }
                Err(fail)
            }
        }
    }

    fn close_door(&mut self, number: u64, cx: &mut HostCx<'_>) -> Answered {
        let done = self
            .reactor("listener")?
            .with(|state, _| state.close_door(number));
        if !done {
            return Err(closed("listener"));
        }
        self.release(cx);
        now(HostValue::Unit)
    }

    fn receive(&mut self, visitor: u64, most: i64, cx: &mut HostCx<'_>) -> Answered {
        let reactor = self.visited(visitor)?;
        let most = u64::try_from(most).map_err(|_| {
            HostFailure::argument(format!(
                "cannot receive {most} bytes: the count is negative"
            ))
        })?;
        let most = most.min(cx.memory_left()).min(MOST_RECEIVED);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let found: Result<Vec<u8>, Ticket> =
            reactor.with(|state, now| state.receive(visitor, most, now))?;
        match found {
            Ok(bytes) => now(HostValue::Bytes(bytes)),
            Err(ticket) => Ok(HostAnswer::Later(ticket)),
        }
    }

    fn send(&mut self, visitor: u64, data: &[u8], cx: &mut HostCx<'_>) -> Answered {
        let reactor = self.visited(visitor)?;
        cx.charge_output(data.len())?;
        let sent = reactor.with(|state, now| state.send(visitor, data, now))?;
        Ok(later(sent))
    }

    fn hang_up(&mut self, visitor: u64, cx: &mut HostCx<'_>) -> Answered {
        let reactor = self.visited(visitor)?;
        reactor.with(|state, now| state.hang_up(visitor, now));
        self.release(cx);
        now(HostValue::Unit)
    }

    /// The thread, if it has the connection.
    fn visited(&self, visitor: u64) -> Result<&Reactor, ListenFail> {
        let reactor = self.reactor("connection")?;
        if reactor.state().has_visitor(visitor) {
            Ok(reactor)
        } else {
            Err(closed("connection"))
        }
    }
}

/// What a program is told of a request.
fn asked(request: &Request, from: SocketAddr) -> HostValue {
    let pair = |(name, value): &(String, String)| {
        HostValue::Record(vec![HostValue::str(name), HostValue::str(value)])
    };
    HostValue::Record(vec![
        HostValue::str(&request.method),
        HostValue::str(&request.path),
        match &request.query {
            Some(query) => HostValue::some(HostValue::str(query)),
            None => HostValue::none(),
        },
        HostValue::List(request.headers.iter().map(pair).collect()),
        HostValue::Bytes(request.body.clone()),
        HostValue::str(&from.to_string()),
    ])
}

/// The limits that a program sets, within ours.
fn limits(value: &HostValue, cx: &HostCx<'_>) -> Result<HttpLimits, ListenFail> {
    let HostValue::Record(fields) = value else {
        return Err(wrong(0));
    };
    let [
        HostValue::Int(head),
        HostValue::Int(headers),
        HostValue::Int(body),
        HostValue::Int(seconds),
    ] = fields.as_slice()
    else {
        return Err(wrong(0));
    };
    let within = |name: &str, value: i64, least: i64, most: i64| {
        let value = Some(value).filter(|v| (least..=most).contains(v));
        value
            .and_then(|v| usize::try_from(v).ok())
            .ok_or_else(|| ListenFail::Invalid(format!("the limit `{name}`")))
    };
    let body = within("body", *body, 0, 1 << 26)?;
    // A client must not be able to fill the program's memory with one request.
    let room = usize::try_from(cx.limits().memory / 8).unwrap_or(usize::MAX);
    Ok(HttpLimits {
        head: within("head", *head, 256, 1 << 16)?,
        headers: within("headers", *headers, 1, MOST_HEADERS as i64)?,
        body: body.min(room),
        time: Duration::from_secs(within("seconds", *seconds, 1, 300)? as u64),
    })
}

fn of_system(error: &std::io::Error) -> ListenFail {
    ListenFail::Failed(match error.kind() {
        ErrorKind::AddrInUse => return ListenFail::InUse,
        ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
        ErrorKind::PermissionDenied => "the system does not allow it".into(),
        _ => "listening failed".into(),
    })
}

fn wrong(method: usize) -> ListenFail {
    jet_vm::host::wrong_arguments(&METHODS, method).into()
}

impl HostCapability for Listen {
    fn interface(&self) -> (&'static str, &'static str) {
        ("std", "Listen")
    }

    fn methods(&self) -> &'static [HostMethod] {
        &METHODS
    }

    fn call(&mut self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostAnswer {
        use HostValue::{Bytes, Handle, Int, Str};
        let done = match (method, args) {
            (0, [Str(host), Int(port), value]) => {
                limits(value, cx).and_then(|limits| self.open(host, *port, Some(limits), cx))
            }
            (1 | 7, [Handle(door)]) => self.port(*door),
            (2 | 8, [Handle(door)]) => self.next(*door, cx),
            (3, [Handle(exchange)]) => self.asked(*exchange),
            (4, [Handle(exchange), value]) => match Reply::read(value) {
                Some(reply) => self.answer(*exchange, &reply, cx),
                None => Err(wrong(method)),
            },
            (5 | 12, [Handle(door)]) => self.close_door(*door, cx),
            (6, [Str(host), Int(port)]) => self.open(host, *port, None, cx),
            (9, [Handle(visitor), Int(most)]) => self.receive(*visitor, *most, cx),
            (10, [Handle(visitor), Bytes(data)]) => self.send(*visitor, data, cx),
            (11, [Handle(visitor)]) => self.hang_up(*visitor, cx),
            _ => Err(wrong(method)),
        };
        done.unwrap_or_else(|fail| HostResult::Err(fail.into()).into())
    }

    fn drop_handle(&mut self, handle: u64, cx: &mut HostCx<'_>) {
        let Some(reactor) = &self.reactor else {
            return;
        };
        let closed = reactor.with(|state, now| {
            state.abandon(handle, now) || state.hang_up(handle, now) || state.close_door(handle)
        });
        if closed {
            self.release(cx);
        }
    }

    fn flush(&mut self) -> Result<(), HostFailure> {
        if let Some(reactor) = &self.reactor {
            reactor.finish();
        }
        Ok(())
    }

    fn scope_text(&self) -> String {
        self.scope.text().to_owned()
    }
}
