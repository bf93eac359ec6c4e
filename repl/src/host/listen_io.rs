//! The thread that reads, writes and accepts for a program's listeners, so that the program's own thread never waits for a client.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::listen_state::{State, Watched};

/// How long the thread sleeps at most.
const LOOK: Duration = Duration::from_millis(500);
/// How long a program that ends waits for its last answers to be taken.
const LAST: Duration = Duration::from_millis(250);
/// How long a program waits for the thread to let go of a socket, on the busiest of machines.
const LET_GO: Duration = Duration::from_secs(10);

/// The thread, and what it shares with the capability.
#[derive(Debug)]
pub(super) struct Reactor {
    shared: Arc<Mutex<State>>,
    waker: UnixStream,
    thread: Option<JoinHandle<()>>,
}

fn lock(shared: &Mutex<State>) -> MutexGuard<'_, State> {
    // Whoever panicked left a table whose entries are each whole.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reactor {
    /// Starts the thread. `most_reserved` bounds what it keeps of bodies.
    pub fn start(most_reserved: usize) -> std::io::Result<Reactor> {
        let (waker, woken) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let shared = Arc::new(Mutex::new(State::new(most_reserved)));
        let own = Ends(Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("listen".into())
            .spawn(move || run(&own.0, &woken))?;
        Ok(Reactor {
            shared,
            waker,
            thread: Some(thread),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }

    /// Changes something, and has the thread look at its sockets anew if it has to. The place of a listener that was ended is free
    /// when this returns: the thread may be waiting with its socket, and lets go of it first.
    pub fn with<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.state();
        let out = change(&mut state, Instant::now());
        let wake = std::mem::take(&mut state.wake);
        let ended = std::mem::take(&mut state.ended);
        drop(state);
        if wake {
            self.wake();
        }
        let end = Instant::now() + LET_GO;
        while ended.strong_count() > 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_micros(50));
        }
        out
    }

    fn wake(&self) {
        // A full pipe has woken it already.
        let _ = (&self.waker).write(&[0]);
    }

    /// Waits a moment for clients to take their answers.
    pub fn finish(&self) {
        let end = Instant::now() + LAST;
        while self.state().is_sending() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.state().stop = true;
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Ends what the thread has, however the thread ends: dropping what somebody waits for answers it.
struct Ends(Arc<Mutex<State>>);

impl Drop for Ends {
    fn drop(&mut self) {
        *lock(&self.0) = State::default();
    }
}

fn run(shared: &Mutex<State>, woken: &UnixStream) {
    let mut watched = Vec::new();
    loop {
        watched.clear();
        let until = {
            let state = lock(shared);
            if state.stop {
                return;
            }
            state.watched(Instant::now(), &mut watched)
        };
        let events = wait(woken, &watched, until);
        let mut state = lock(shared);
        let now = Instant::now();
        for (at, flags) in events {
            let lost = flags.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
            let reads = flags.intersects(PollFlags::IN | PollFlags::HUP);
            let writes = flags.contains(PollFlags::OUT);
            match watched.get(at) {
                Some(Watched::Door(id, _)) => state.accept(*id, now),
                Some(Watched::Peer(id, ..)) => state.attend(*id, reads, writes, lost, now),
                None => {}
            }
        }
        state.expire(now);
        state.wake = false;
    }
}

/// Waits for one of the sockets, or to be woken: which of them have what.
fn wait(
    woken: &UnixStream,
    watched: &[Watched],
    until: Option<Instant>,
) -> Vec<(usize, PollFlags)> {
    let mut fds = Vec::with_capacity(watched.len() + 1);
    for one in watched {
        fds.push(match one {
            Watched::Door(_, socket) => PollFd::new(socket, PollFlags::IN),
            Watched::Peer(_, socket, reads, writes) => {
                let mut flags = PollFlags::empty();
                flags.set(PollFlags::IN, *reads);
                flags.set(PollFlags::OUT, *writes);
                PollFd::new(socket, flags)
            }
        });
    }
    fds.push(PollFd::new(woken, PollFlags::IN));
    let left = until.map_or(LOOK, |u| u.saturating_duration_since(Instant::now()));
    // A moment more, so that what was waited for is over and not just about to be.
    let left = left.min(LOOK) + Duration::from_millis(1);
    let timeout = Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(1),
        tv_nsec: left.subsec_nanos().into(),
    };
    match poll(&mut fds, Some(&timeout)) {
        Ok(0) => return Vec::new(),
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Vec::new(),
        Err(_) => {
            // No memory for the list; the sockets will still be there.
            std::thread::sleep(Duration::from_millis(20));
            return Vec::new();
        }
    }
    if fds.last().is_some_and(|fd| !fd.revents().is_empty()) {
        let mut bytes = [0; 64];
        while matches!((&*woken).read(&mut bytes), Ok(n) if n > 0) {}
    }
    let found = fds.iter().take(watched.len()).map(PollFd::revents);
    found
        .enumerate()
        .filter(|(_, flags)| !flags.is_empty())
        .collect()
}
