//! One connection of a listener: where it is between a client's bytes and a program's answer, and how it is read and written.
//!
//! No call here blocks: the socket does not. What must stay true: each stage has a moment at which it ends, and what is read ahead
//! is bounded.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jet_vm::host::{Completer, HostValue};

use super::http_request::{Framing, Request};

/// How long a connection may stay without a request.
const IDLE: Duration = Duration::from_secs(15);
/// How long a client may take nothing of what is sent to it.
pub(super) const STALLED: Duration = Duration::from_secs(10);
/// How long it may take all of it.
pub(super) const SENDING: Duration = Duration::from_secs(120);
/// How long a connection is read, and how much of it, after the last answer, so that the answer arrives.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 << 10;
/// Bytes that are read ahead of an HTTP connection whose request is under way, and of a plain one.
const AHEAD: usize = 4 << 10;
const AHEAD_PLAIN: usize = 64 << 10;
/// Where a connection is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Between requests.
    Idle,
    /// Some of a head has come; up to here there is no end of it.
    Head(usize),
    Body(Box<Request>, Framing),
    /// A whole request that nobody has taken.
    Ready(Box<Request>),
    /// The program has the request.
    Asked,
    /// An answer is being sent, the last one or not.
    Answering(bool),
    /// Shut down for writing; what still comes is thrown away.
    Closing(usize),
    Plain,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub socket: Arc<TcpStream>,
    pub door: u64,
    pub from: SocketAddr,
    pub stage: Stage,
    pub inbox: Vec<u8>,
    pub outbox: Vec<u8>,
    pub sent: usize,
    /// When its stage ends.
    pub until: Option<Instant>,
    /// When all of an answer has to be sent.
    pub all_sent: Option<Instant>,
    /// Whether the connection stays after the answer, and whether the answer has a body.
    pub keep: bool,
    pub head_only: bool,
    /// Bytes that are set aside for its request.
    pub reserved: usize,
    /// Whether the client sends no more.
    pub ended: bool,
    pub on_sent: Option<Completer>,
    pub on_bytes: Option<(Completer, usize)>,
}

/// Whether a connection stays.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Stays,
    Ends,
}

impl Peer {
    /// Of a client that has just come, with so much time for its first request; without one for a plain connection.
    pub fn new(
        socket: TcpStream,
        from: SocketAddr,
        door: u64,
        time: Option<Duration>,
        now: Instant,
    ) -> Peer {
        Peer {
            socket: Arc::new(socket),
            door,
            from,
            stage: if time.is_some() {
                Stage::Idle
            } else {
                Stage::Plain
            },
            inbox: Vec::new(),
            outbox: Vec::new(),
            sent: 0,
            until: time.map(|t| now + t),
            all_sent: None,
            keep: true,
            head_only: false,
            reserved: 0,
            ended: false,
            on_sent: None,
            on_bytes: None,
        }
    }

    pub fn wants_bytes(&self) -> bool {
        !self.ended
            && match self.stage {
                Stage::Idle | Stage::Head(_) | Stage::Body(..) | Stage::Closing(_) => true,
                Stage::Ready(_) | Stage::Asked | Stage::Answering(_) => self.inbox.len() < AHEAD,
                Stage::Plain => self.inbox.len() < AHEAD_PLAIN,
            }
    }

    pub fn deadline(&self) -> Option<Instant> {
        match (self.until, self.all_sent) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// At most `most` bytes of what came.
    pub fn take_bytes(&mut self, most: usize) -> Vec<u8> {
        let now = most.min(self.inbox.len());
        self.inbox.drain(..now).collect()
    }

    pub fn read(&mut self) -> Fate {
        let mut bytes = [0; 16 << 10];
        match (&*self.socket).read(&mut bytes) {
            Ok(0) => self.ended = true,
            Ok(n) => match &mut self.stage {
                Stage::Closing(thrown) => {
                    *thrown += n;
                    if *thrown > LINGER_BYTES {
                        return Fate::Ends;
                    }
                }
                _ => self
                    .inbox
                    .extend_from_slice(bytes.get(..n).unwrap_or_default()),
            },
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => return Fate::Ends,
        }
        Fate::Stays
    }

    /// Puts bytes behind what is to be sent.
    pub fn queue(&mut self, bytes: Vec<u8>) {
        if self.outbox.is_empty() {
            (self.outbox, self.sent) = (bytes, 0);
        } else {
            self.outbox.extend(bytes);
        }
    }

    pub fn begin_answer(&mut self, last: bool, now: Instant) {
        self.stage = Stage::Answering(last);
        self.until = Some(now + STALLED);
        self.all_sent = Some(now + SENDING);
    }

    /// Sends what there is to send; goes on to the next stage when that is all.
    pub fn write(&mut self, now: Instant) -> Fate {
        loop {
            let rest = self.outbox.get(self.sent..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match (&*self.socket).write(rest) {
                Ok(0) => return Fate::Ends,
                Ok(n) => {
                    self.sent += n;
                    if matches!(self.stage, Stage::Answering(_) | Stage::Plain) {
                        self.until = Some(now + STALLED);
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Fate::Stays,
                Err(_) => return Fate::Ends,
            }
        }
        self.outbox = Vec::new();
        self.sent = 0;
        self.all_sent = None;
        if let Some(waiter) = self.on_sent.take() {
            waiter.complete(Ok(HostValue::Unit));
        }
        match self.stage {
            Stage::Answering(true) => self.close(now),
            Stage::Answering(false) => {
                self.stage = Stage::Idle;
                self.until = Some(now + IDLE);
                Fate::Stays
            }
            Stage::Plain => {
                if self.on_bytes.is_none() {
                    self.until = None;
                }
                Fate::Stays
            }
            _ => Fate::Stays,
        }
    }

    /// Says that nothing more will come. What the client is still sending is read for a while: closing at once would take back
    /// what was sent to it.
    pub fn close(&mut self, now: Instant) -> Fate {
        self.inbox = Vec::new();
        self.outbox = Vec::new();
        self.stage = Stage::Closing(0);
        self.until = Some(now + LINGER);
        self.all_sent = None;
        if self.socket.shutdown(Shutdown::Write).is_err() || self.ended {
            return Fate::Ends;
        }
        Fate::Stays
    }
}
