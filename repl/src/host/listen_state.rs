//! Listeners and connections of a program, and what becomes of them as bytes come and go.
//!
//! All of it is one table behind one lock. The thread of `listen_io.rs` reads and accepts; a program's calls take whole requests
//! out and put answers in. No call here blocks: sockets do not, and what waits leaves a completer behind. What must stay true: a
//! connection has one request under way, and the next one is read only when its answer is complete; what is kept of all
//! connections is bounded; each stage of a connection has a moment at which it ends.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use jet_vm::host::{Completer, HostValue, Ticket};

use super::http_reply::Reply;
use super::http_request::{End, Framing, HttpLimits, Request, head_end, read_head};
use super::listen::ListenFail;
use super::listen_peer::{Fate, Peer, SENDING, STALLED, Stage};

/// How long `receive` waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// Until accepting is tried again where the system has no room for more.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections that are accepted at once.
const ACCEPTS: usize = 32;
/// Bytes of answers that wait for their clients, from which on `answer` waits too.
const UNSENT: usize = 16 << 20;

/// A listener.
#[derive(Debug)]
pub(super) struct Door {
    pub socket: Arc<TcpListener>,
    /// `None` gives connections as they are.
    pub http: Option<HttpLimits>,
    /// Connections with a whole request, or plain ones, in the order of their coming.
    ready: VecDeque<u64>,
    waiter: Option<Completer>,
    open: usize,
    most: usize,
    paused: Option<Instant>,
}

/// A request that the program has.
#[derive(Debug)]
pub(super) struct Taken {
    peer: u64,
    from: SocketAddr,
    request: Request,
}

/// What to wait for on a socket.
pub(super) enum Watched {
    Door(u64, Arc<TcpListener>),
    Peer(u64, Arc<TcpStream>, bool, bool),
}

/// What an answer comes to.
pub(super) enum Sent {
    Done,
    /// The client is slow, and so is the program for a while.
    Later(Ticket),
}

#[derive(Debug, Default)]
pub(super) struct State {
    doors: HashMap<u64, Door>,
    peers: HashMap<u64, Peer>,
    taken: HashMap<u64, Taken>,
    /// Plain connections that the program has.
    visitors: HashSet<u64>,
    last: u64,
    /// Bytes that are set aside for requests, and how many may be.
    reserved: usize,
    most_reserved: usize,
    /// The capability is gone.
    pub stop: bool,
    /// The thread has to look at its sockets anew.
    pub wake: bool,
    /// The socket of the listener that was ended last.
    pub ended: Weak<TcpListener>,
}

impl State {
    /// Of nothing, with room for so many bytes of requests.
    pub fn new(most_reserved: usize) -> State {
        State {
            most_reserved,
            ..State::default()
        }
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// How many handles the program has.
    pub fn handles(&self) -> usize {
        self.doors.len() + self.taken.len() + self.visitors.len()
    }

    pub fn open_door(&mut self, socket: TcpListener, http: Option<HttpLimits>, most: usize) -> u64 {
        let number = self.number();
        let door = Door {
            socket: Arc::new(socket),
            http,
            ready: VecDeque::new(),
            waiter: None,
            open: 0,
            most: most.max(1),
            paused: None,
        };
        self.doors.insert(number, door);
        number
    }

    pub fn door(&self, number: u64) -> Option<&Door> {
        self.doors.get(&number)
    }

    /// Ends a listener with all connections that wait at it; requests that the program has can still be answered.
    pub fn close_door(&mut self, number: u64) -> bool {
        let Some(door) = self.doors.remove(&number) else {
            return false;
        };
        let waiting: Vec<u64> = self
            .peers
            .iter()
            .filter(|(id, p)| {
                let used = matches!(
                    p.stage,
                    Stage::Asked | Stage::Answering(_) | Stage::Closing(_)
                );
                p.door == number && !used && !self.visitors.contains(id)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            self.remove(id);
        }
        self.wake = true;
        self.ended = Arc::downgrade(&door.socket);
        if let Some(waiter) = door.waiter {
            waiter.complete(Err(ListenFail::Gone.into()));
        }
        true
    }

    /// The next request or connection: its handle, or a ticket for it.
    pub fn next(&mut self, door: u64) -> Option<Result<u64, Ticket>> {
        if let Some(number) = self.take_ready(door) {
            return Some(Ok(number));
        }
        let (ticket, completer) = Ticket::new();
        self.doors.get_mut(&door)?.waiter = Some(completer);
        Some(Err(ticket))
    }

    fn take_ready(&mut self, door: u64) -> Option<u64> {
        loop {
            let id = self.doors.get_mut(&door)?.ready.pop_front()?;
            let Some(peer) = self.peers.get_mut(&id) else {
                continue;
            };
            match std::mem::replace(&mut peer.stage, Stage::Asked) {
                Stage::Ready(request) => {
                    let from = peer.from;
                    let number = self.number();
                    let taken = Taken {
                        peer: id,
                        from,
                        request: *request,
                    };
                    self.taken.insert(number, taken);
                    return Some(number);
                }
                Stage::Plain => {
                    peer.stage = Stage::Plain;
                    self.visitors.insert(id);
                    return Some(id);
                }
                other => peer.stage = other,
            }
        }
    }

    fn serve_waiter(&mut self, door: u64) {
        let waits = self.doors.get(&door).is_some_and(|d| d.waiter.is_some());
        if !waits {
            return;
        }
        if let Some(number) = self.take_ready(door)
            && let Some(waiter) = self.doors.get_mut(&door).and_then(|d| d.waiter.take())
        {
            waiter.complete(Ok(HostValue::Handle(number)));
        }
    }

    /// A request that the program has, and whose it is.
    pub fn asked(&self, number: u64) -> Option<(&Request, SocketAddr)> {
        let taken = self.taken.get(&number)?;
        Some((&taken.request, taken.from))
    }

    /// Answers a request. `None` if it is not open, `Some(Err)` if the answer cannot be one or cannot be given; the last of which
    /// ends the request as well as an answer does.
    pub fn answer(
        &mut self,
        number: u64,
        reply: &Reply,
        now: Instant,
    ) -> Option<Result<Sent, ListenFail>> {
        let taken = self.taken.get(&number)?;
        let id = taken.peer;
        let Some(mut peer) = self.peers.remove(&id) else {
            self.taken.remove(&number);
            return Some(Err(ListenFail::Gone));
        };
        let over = peer.ended && peer.inbox.is_empty();
        let keep = peer.keep && !over && self.doors.contains_key(&peer.door);
        let bytes = match reply.bytes(!peer.head_only, keep) {
            Ok(bytes) => bytes,
            Err(what) => {
                self.peers.insert(id, peer);
                return Some(Err(ListenFail::Invalid(what)));
            }
        };
        self.taken.remove(&number);
        self.release(&mut peer);
        let was_read = peer.wants_bytes();
        peer.queue(bytes);
        peer.begin_answer(!keep, now);
        let mut fate = peer.write(now);
        if fate == Fate::Ends && !matches!(peer.stage, Stage::Closing(_)) {
            self.discard(id, peer);
            return Some(Err(ListenFail::Gone));
        }
        let mut sent = Sent::Done;
        if !peer.outbox.is_empty() {
            self.wake = true;
            let others: usize = self.peers.values().map(|p| p.outbox.len()).sum();
            if others + peer.outbox.len() > UNSENT {
                let (ticket, completer) = Ticket::new();
                peer.on_sent = Some(completer);
                sent = Sent::Later(ticket);
            }
        }
        self.wake |= !was_read;
        if fate == Fate::Stays {
            fate = self.advance(id, &mut peer, now);
        }
        self.settle(id, peer, fate);
        Some(Ok(sent))
    }

    /// Gives up a request that the program can no longer answer.
    pub fn abandon(&mut self, number: u64, now: Instant) -> bool {
        let found = self.taken.get(&number).map(|t| t.peer);
        if let Some(peer) = found.and_then(|id| self.peers.get_mut(&id)) {
            peer.keep = false;
        }
        self.answer(number, &Reply::of_host(500), now).is_some()
    }

    pub fn has_visitor(&self, number: u64) -> bool {
        self.visitors.contains(&number)
    }

    /// The next bytes of a plain connection.
    pub fn receive(
        &mut self,
        number: u64,
        most: usize,
        now: Instant,
    ) -> Result<Result<Vec<u8>, Ticket>, ListenFail> {
        let peer = self.peers.get_mut(&number).ok_or(ListenFail::Gone)?;
        if most == 0 || peer.ended || !peer.inbox.is_empty() {
            self.wake |= !peer.wants_bytes();
            return Ok(Ok(peer.take_bytes(most)));
        }
        let (ticket, completer) = Ticket::new();
        peer.on_bytes = Some((completer, most));
        peer.until = Some(now + PATIENCE);
        Ok(Err(ticket))
    }

    /// Sends bytes over a plain connection.
    pub fn send(&mut self, number: u64, data: &[u8], now: Instant) -> Result<Sent, ListenFail> {
        let mut peer = self.peers.remove(&number).ok_or(ListenFail::Gone)?;
        peer.queue(data.to_vec());
        peer.until = Some(now + STALLED);
        peer.all_sent = Some(now + SENDING);
        if peer.write(now) == Fate::Ends {
            self.discard(number, peer);
            return Err(ListenFail::Gone);
        }
        let mut sent = Sent::Done;
        if !peer.outbox.is_empty() {
            self.wake = true;
            let (ticket, completer) = Ticket::new();
            peer.on_sent = Some(completer);
            sent = Sent::Later(ticket);
        }
        self.peers.insert(number, peer);
        Ok(sent)
    }

    /// Ends a plain connection; what was sent still arrives.
    pub fn hang_up(&mut self, number: u64, now: Instant) -> bool {
        if !self.visitors.remove(&number) {
            return false;
        }
        if let Some(mut peer) = self.peers.remove(&number) {
            let fate = peer.close(now);
            self.settle(number, peer, fate);
        }
        self.wake = true;
        true
    }

    /// What the thread has to wait for, and until when at most.
    pub fn watched(&self, now: Instant, out: &mut Vec<Watched>) -> Option<Instant> {
        let mut until: Option<Instant> = None;
        let mut by = |moment: Option<Instant>| {
            if let Some(m) = moment {
                until = Some(until.map_or(m, |u| u.min(m)));
            }
        };
        for (id, door) in &self.doors {
            match door.paused {
                Some(moment) if moment > now => by(Some(moment)),
                _ if door.open < door.most || self.idle_longest(*id).is_some() => {
                    out.push(Watched::Door(*id, Arc::clone(&door.socket)));
                }
                _ => {}
            }
        }
        for (id, peer) in &self.peers {
            by(peer.deadline());
            let (reads, writes) = (peer.wants_bytes(), !peer.outbox.is_empty());
            out.push(Watched::Peer(*id, Arc::clone(&peer.socket), reads, writes));
        }
        until
    }

    /// The connection of a listener that has been without a request for longest.
    fn idle_longest(&self, door: u64) -> Option<u64> {
        let idle = self.peers.iter().filter(|(_, p)| {
            p.door == door && matches!(p.stage, Stage::Idle) && p.inbox.is_empty()
        });
        idle.min_by_key(|(_, p)| p.until).map(|(id, _)| *id)
    }

    /// Accepts who knocks at a listener.
    pub fn accept(&mut self, number: u64, now: Instant) {
        for _ in 0..ACCEPTS {
            let Some(door) = self.doors.get_mut(&number) else {
                return;
            };
            door.paused = None;
            let full = door.open >= door.most;
            let gives_way = if full {
                self.idle_longest(number)
            } else {
                None
            };
            if full && gives_way.is_none() {
                return;
            }
            let Some(door) = self.doors.get_mut(&number) else {
                return;
            };
            let (socket, from) = match door.socket.accept() {
                Ok(found) => found,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::ConnectionAborted | ErrorKind::Interrupted
                    ) =>
                {
                    continue;
                }
                Err(_) => {
                    door.paused = Some(now + PAUSE);
                    return;
                }
            };
            if socket.set_nonblocking(true).is_err() {
                continue;
            }
            let _ = socket.set_nodelay(true);
            door.open += 1;
            let time = door.http.map(|l| l.time);
            if let Some(id) = gives_way {
                self.remove(id);
            }
            let id = self.number();
            let peer = Peer::new(socket, from, number, time, now);
            self.peers.insert(id, peer);
            if time.is_none() {
                if let Some(door) = self.doors.get_mut(&number) {
                    door.ready.push_back(id);
                }
                self.serve_waiter(number);
            }
        }
    }

    /// Reads, writes or ends a connection.
    pub fn attend(&mut self, id: u64, reads: bool, writes: bool, lost: bool, now: Instant) {
        let Some(mut peer) = self.peers.remove(&id) else {
            return;
        };
        let mut fate = Fate::Stays;
        // What came before a reset is read first: a plain connection may want it.
        if reads && peer.wants_bytes() {
            fate = peer.read();
        } else if lost {
            fate = Fate::Ends;
        }
        if fate == Fate::Stays && writes {
            fate = peer.write(now);
        }
        if fate == Fate::Stays {
            fate = self.advance(id, &mut peer, now);
        }
        self.settle(id, peer, fate);
    }

    /// Ends what has taken too long.
    pub fn expire(&mut self, now: Instant) {
        let late: Vec<u64> = self
            .peers
            .iter()
            .filter(|(_, p)| p.deadline().is_some_and(|d| d <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            let Some(mut peer) = self.peers.remove(&id) else {
                continue;
            };
            let fate = match peer.stage {
                Stage::Head(_) | Stage::Body(..) => self.refuse(&mut peer, 408, now),
                Stage::Plain if peer.outbox.is_empty() => {
                    if let Some((waiter, _)) = peer.on_bytes.take() {
                        waiter.complete(Err(ListenFail::TimedOut.into()));
                    }
                    peer.until = None;
                    Fate::Stays
                }
                _ => {
                    if let Some(waiter) = peer.on_sent.take() {
                        waiter.complete(Err(ListenFail::TimedOut.into()));
                    }
                    Fate::Ends
                }
            };
            self.settle(id, peer, fate);
        }
    }

    /// Does with a connection's bytes what can be done with them.
    fn advance(&mut self, id: u64, peer: &mut Peer, now: Instant) -> Fate {
        loop {
            match &mut peer.stage {
                Stage::Plain => {
                    if (peer.ended || !peer.inbox.is_empty())
                        && let Some((waiter, most)) = peer.on_bytes.take()
                    {
                        peer.until = None;
                        let bytes = peer.take_bytes(most);
                        waiter.complete(Ok(HostValue::Bytes(bytes)));
                    }
                    return Fate::Stays;
                }
                Stage::Idle if !self.doors.contains_key(&peer.door) => return peer.close(now),
                Stage::Idle if peer.inbox.is_empty() => {
                    return if peer.ended { Fate::Ends } else { Fate::Stays };
                }
                Stage::Idle => {
                    // Some clients end a body with a line that nobody asked for.
                    if peer.inbox.starts_with(b"\r\n") {
                        peer.inbox.drain(..2);
                    }
                    peer.stage = Stage::Head(0);
                    let time = self.limits(peer).map(|l| l.time);
                    peer.until = Some(now + time.unwrap_or_default());
                }
                Stage::Head(scanned) => {
                    let end = head_end(&peer.inbox, scanned);
                    let Some(limits) = self.limits(peer) else {
                        return Fate::Ends;
                    };
                    match end {
                        End::Never => return self.refuse(peer, 400, now),
                        End::NotYet if peer.inbox.len() > limits.head => {
                            return self.refuse(peer, 431, now);
                        }
                        End::NotYet if peer.ended => return Fate::Ends,
                        End::NotYet => return Fate::Stays,
                        End::At(end) if end > limits.head => return self.refuse(peer, 431, now),
                        End::At(end) => {
                            if let Err(status) = self.begin_body(peer, end, &limits, now) {
                                return self.refuse(peer, status, now);
                            }
                        }
                    }
                }
                Stage::Body(..) => {
                    let Some(most) = self.limits(peer).map(|l| l.body) else {
                        return Fate::Ends;
                    };
                    match self.fill(peer, most) {
                        Err(status) => return self.refuse(peer, status, now),
                        Ok(false) if peer.ended => return Fate::Ends,
                        Ok(false) => return Fate::Stays,
                        Ok(true) => {
                            if let Some(door) = self.doors.get_mut(&peer.door) {
                                door.ready.push_back(id);
                            }
                        }
                    }
                }
                Stage::Ready(_) | Stage::Asked | Stage::Answering(_) => return Fate::Stays,
                Stage::Closing(_) => {
                    return if peer.ended { Fate::Ends } else { Fate::Stays };
                }
            }
        }
    }

    fn limits(&self, peer: &Peer) -> Option<HttpLimits> {
        self.doors.get(&peer.door)?.http
    }

    /// The head is whole: `end` bytes of the inbox.
    fn begin_body(
        &mut self,
        peer: &mut Peer,
        end: usize,
        limits: &HttpLimits,
        now: Instant,
    ) -> Result<(), u16> {
        let head = read_head(peer.inbox.get(..end).unwrap_or_default(), limits.headers)?;
        peer.inbox.drain(..end);
        peer.keep = head.keep;
        peer.head_only = head.request.method == "HEAD";
        if let Framing::Length(length) = head.body {
            if length > limits.body {
                return Err(413);
            }
            self.reserve(peer, length)?;
        }
        if head.waits && peer.inbox.is_empty() && head.body != Framing::Length(0) {
            peer.queue(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
        }
        peer.stage = Stage::Body(Box::new(head.request), head.body);
        if peer.write(now) == Fate::Ends {
            return Err(400);
        }
        Ok(())
    }

    /// Takes what there is of a body; whether it is whole.
    fn fill(&mut self, peer: &mut Peer, most: usize) -> Result<bool, u16> {
        let Stage::Body(mut request, mut framing) =
            std::mem::replace(&mut peer.stage, Stage::Asked)
        else {
            return Err(500);
        };
        let done = match &mut framing {
            Framing::Length(length) => {
                let missing = length.saturating_sub(request.body.len());
                let now = missing.min(peer.inbox.len());
                request.body.extend(peer.inbox.drain(..now));
                now == missing
            }
            Framing::Chunks(chunks) => {
                let taken = chunks.take(&peer.inbox, &mut request.body, most)?;
                peer.inbox.drain(..taken);
                let more = request.body.len().saturating_sub(peer.reserved);
                self.reserve(peer, more)?;
                chunks.is_done()
            }
        };
        peer.stage = if done {
            peer.until = None;
            Stage::Ready(request)
        } else {
            Stage::Body(request, framing)
        };
        Ok(done)
    }

    fn reserve(&mut self, peer: &mut Peer, bytes: usize) -> Result<(), u16> {
        if bytes > self.most_reserved.saturating_sub(self.reserved) {
            return Err(503);
        }
        self.reserved += bytes;
        peer.reserved += bytes;
        Ok(())
    }

    fn release(&mut self, peer: &mut Peer) {
        self.reserved = self.reserved.saturating_sub(peer.reserved);
        peer.reserved = 0;
    }

    /// Answers what is no request that could be served, and ends the connection.
    fn refuse(&mut self, peer: &mut Peer, status: u16, now: Instant) -> Fate {
        self.release(peer);
        peer.inbox.clear();
        let answer = Reply::of_host(status).bytes(!peer.head_only, false);
        peer.queue(answer.unwrap_or_default());
        peer.begin_answer(true, now);
        peer.write(now)
    }

    fn settle(&mut self, id: u64, peer: Peer, fate: Fate) {
        let door = peer.door;
        let ready = matches!(peer.stage, Stage::Ready(_));
        if fate == Fate::Ends {
            self.discard(id, peer);
            return;
        }
        self.peers.insert(id, peer);
        if ready {
            self.serve_waiter(door);
        }
    }

    fn remove(&mut self, id: u64) {
        if let Some(peer) = self.peers.remove(&id) {
            self.discard(id, peer);
        }
    }

    fn discard(&mut self, id: u64, mut peer: Peer) {
        self.release(&mut peer);
        self.wake = true;
        if let Some(door) = self.doors.get_mut(&peer.door) {
            door.open = door.open.saturating_sub(1);
            if matches!(peer.stage, Stage::Ready(_) | Stage::Plain) {
                door.ready.retain(|ready| *ready != id);
            }
        }
        if let Some(waiter) = peer.on_sent {
            waiter.complete(Err(ListenFail::Gone.into()));
        }
        if let Some((waiter, _)) = peer.on_bytes {
            waiter.complete(Err(ListenFail::Gone.into()));
        }
    }

    /// Whether something is under way to a client.
    pub fn is_sending(&self) -> bool {
        self.peers.values().any(|p| !p.outbox.is_empty())
    }
}
