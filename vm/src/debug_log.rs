//! Where `dbg` writes: a log that the host reads after the run, and the program never.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most bytes of a log.
const BYTES: usize = 1 << 16;
/// Most bytes of a line.
const LINE_BYTES: usize = 1 << 12;

/// The first `max` bytes of a text, or fewer where that would split a character.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev();
    end.filter_map(|end| text.get(..end)).next().unwrap_or("")
}

/// A bounded log, shared with the instance that it was given to.
#[derive(Clone, Debug, Default)]
pub struct DebugLog {
    inner: Arc<Mutex<Lines>>,
}

#[derive(Debug, Default)]
struct Lines {
    skip: u64,
    seen: u64,
    bytes: usize,
    kept: Vec<String>,
}

/// What a [`DebugLog`] came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debugged {
    /// Lines that were kept, in order; long ones are cut.
    pub lines: Vec<String>,
    /// How many more there were.
    pub dropped: u64,
    /// How many there were of all.
    pub seen: u64,
}

impl DebugLog {
    /// A log that keeps nothing of its first `skip` lines.
    #[must_use]
    pub fn after(skip: u64) -> DebugLog {
        let log = DebugLog::default();
        log.inner().skip = skip;
        log
    }

    fn inner(&self) -> MutexGuard<'_, Lines> {
        // Whoever panicked left the lines as they were between two calls.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, line: &str) {
        let mut log = self.inner();
        log.seen += 1;
        let short = cut(line, LINE_BYTES);
        if log.seen <= log.skip || log.bytes + short.len() > BYTES {
            // One that did not fit is the last: no later one is shown behind a gap.
            if log.seen > log.skip {
                log.bytes = BYTES;
            }
            return;
        }
        log.bytes += short.len() + 1;
        let more = if short.len() < line.len() { " …" } else { "" };
        log.kept.push(format!("{short}{more}"));
    }

    /// What was written so far.
    #[must_use]
    pub fn read(&self) -> Debugged {
        let log = self.inner();
        let shown = log.skip.min(log.seen) + log.kept.len() as u64;
        Debugged {
            lines: log.kept.clone(),
            dropped: log.seen - shown,
            seen: log.seen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_fits_and_counts_the_rest() {
        let log = DebugLog::after(1);
        log.push("before");
        log.push("one");
        log.push(&"é".repeat(LINE_BYTES));
        let read = log.read();
        assert_eq!(read.lines.len(), 2);
        assert_eq!(
            (read.lines[0].as_str(), read.dropped, read.seen),
            ("one", 0, 3)
        );
        assert_eq!(read.lines[1].len(), LINE_BYTES + " …".len());
        for _ in 0..BYTES {
            log.push("x");
        }
        let read = log.read();
        assert!(read.lines.len() < BYTES / 2);
        assert_eq!(read.lines.len() as u64 + read.dropped, read.seen - 1);
    }
}
