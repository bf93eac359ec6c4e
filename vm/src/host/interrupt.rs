//! Ctrl-C: a flag that long-running work looks at, and a way out if it does not.
//!
//! The signal is blocked in every thread and taken by one that does nothing else, so no code runs
//! inside a signal handler.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Exit code of a process that was interrupted.
pub const EXIT_INTERRUPTED: i32 = 130;

/// How long the work has to end by itself.
const GRACE: Duration = Duration::from_millis(500);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C was pressed since [`install`].
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

static FLAGS: Mutex<Vec<Arc<AtomicBool>>> = Mutex::new(Vec::new());

/// Whether the process outlives Ctrl-C.
static SESSION: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C ends the work and not the process.
pub fn keep_running() {
    SESSION.store(true, Ordering::Relaxed);
}

/// Forgets that Ctrl-C was pressed, and the flags of work that is over.
pub fn clear() {
    let mut flags = FLAGS.lock().unwrap_or_else(PoisonError::into_inner);
    flags.clear();
    INTERRUPTED.store(false, Ordering::Relaxed);
}

/// Sets the flag too when Ctrl-C is pressed: for work that looks at a flag of its own.
pub fn also_set(flag: Arc<AtomicBool>) {
    let mut flags = FLAGS.lock().unwrap_or_else(PoisonError::into_inner);
    if interrupted() {
        flag.store(true, Ordering::Relaxed);
    }
    flags.push(flag);
}

/// What Ctrl-C does, for input that takes it as a key.
pub fn interrupt() {
    raise();
}

fn raise() {
    let flags = FLAGS.lock().unwrap_or_else(PoisonError::into_inner);
    INTERRUPTED.store(true, Ordering::Relaxed);
    for flag in flags.iter() {
        flag.store(true, Ordering::Relaxed);
    }
}

/// Takes over Ctrl-C for this process: the first sets the flag of [`interrupted`], and if the
/// process has not ended half a second later, or is interrupted again, it ends with
/// [`EXIT_INTERRUPTED`]. After [`keep_running`] the flag is all. Must be called before other threads start. Does nothing if the process was
/// started with interrupts ignored.
pub fn install() {
    // SAFETY: the structs are plain data for which all-zero bytes are valid, they live across the
    // calls that fill or read them, and each call gets pointers to them or null where the
    // interface allows it.
    let set = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGINT, std::ptr::null(), &raw mut action) != 0
            || action.sa_sigaction == libc::SIG_IGN
        {
            return;
        }
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGINT);
        if libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
            return;
        }
        set
    };
    let thread = std::thread::Builder::new().name("interrupt".into());
    let waiting = thread.spawn(move || {
        wait(&set);
        raise();
        while SESSION.load(Ordering::Relaxed) {
            wait(&set);
            raise();
        }
        let again = std::thread::Builder::new().spawn(move || {
            wait(&set);
            leave();
        });
        drop(again);
        std::thread::sleep(GRACE);
        leave();
    });
    if waiting.is_err() {
        // SAFETY: as above; without a thread to take the signal it goes back to its default.
        unsafe {
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        }
    }
}

/// From now on a file that may not grow further is an error of the write, not the end of the process.
pub fn outlive_file_size_limit() {
    // SAFETY: sets a disposition; no code of ours runs in a handler.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

fn wait(set: &libc::sigset_t) {
    let mut signal = 0;
    // SAFETY: both point to live values; the signal is blocked in this thread, as sigwait asks.
    while unsafe { libc::sigwait(set, &raw mut signal) } != 0 {}
}

fn leave() -> ! {
    // SAFETY: ends the process at once; nothing is touched afterwards. Not `exit`: its handlers
    // could wait for locks that the interrupted work holds.
    unsafe { libc::_exit(EXIT_INTERRUPTED) }
}
