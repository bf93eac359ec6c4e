//! Answers that come later: a one-shot cell between whoever does the work and the task that waits.
//!
//! A [`Completer`] that is dropped without an answer completes its ticket with a trap, so a waiting
//! task cannot be forgotten.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::{HostFailure, HostResult};

#[derive(Debug)]
struct Cell {
    answer: Mutex<State>,
    ready: Condvar,
}

#[derive(Debug)]
enum State {
    Waiting,
    Ready(HostResult),
    Taken,
}

/// The waiting side.
#[derive(Debug)]
pub struct Ticket(Arc<Cell>);

/// The working side.
#[derive(Debug)]
pub struct Completer(Option<Arc<Cell>>);

impl Ticket {
    /// A ticket and what completes it.
    #[must_use]
    pub fn new() -> (Ticket, Completer) {
        let cell = Arc::new(Cell {
            answer: Mutex::new(State::Waiting),
            ready: Condvar::new(),
        });
        (Ticket(Arc::clone(&cell)), Completer(Some(cell)))
    }

    /// The answer, if it has come. An answer is given out once.
    #[must_use]
    pub fn poll(&self) -> Option<HostResult> {
        let mut state = self.0.answer.lock().unwrap_or_else(PoisonError::into_inner);
        take(&mut state)
    }

    /// Waits until the answer comes or the moment has passed; `None` then.
    #[must_use]
    pub fn wait(&self, until: Option<Instant>) -> Option<HostResult> {
        let mut state = self.0.answer.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(answer) = take(&mut state) {
                return Some(answer);
            }
            state = match until {
                None => self
                    .0
                    .ready
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.checked_duration_since(Instant::now())?;
                    let (state, _) = self
                        .0
                        .ready
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner);
                    state
                }
            };
        }
    }
}

fn take(state: &mut State) -> Option<HostResult> {
    match std::mem::replace(state, State::Taken) {
        State::Ready(answer) => Some(answer),
        State::Waiting => {
            *state = State::Waiting;
            None
        }
        State::Taken => Some(Err(HostFailure::failed("the answer was already taken"))),
    }
}

impl Completer {
    /// Delivers the answer.
    pub fn complete(mut self, answer: HostResult) {
        self.deliver(answer);
    }

    fn deliver(&mut self, answer: HostResult) {
        if let Some(cell) = self.0.take() {
            *cell.answer.lock().unwrap_or_else(PoisonError::into_inner) = State::Ready(answer);
            cell.ready.notify_all();
        }
    }
}

impl Drop for Completer {
    fn drop(&mut self) {
        self.deliver(Err(HostFailure::failed("the host gave no answer")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::HostValue;
    use std::time::Duration;

    #[test]
    fn answers_arrive_once() {
        let (ticket, completer) = Ticket::new();
        assert_eq!(ticket.poll(), None);
        completer.complete(Ok(HostValue::Int(3)));
        assert_eq!(ticket.poll(), Some(Ok(HostValue::Int(3))));
        assert!(ticket.poll().unwrap().is_err());
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let (ticket, _completer) = Ticket::new();
        assert_eq!(
            ticket.wait(Some(Instant::now() + Duration::from_millis(5))),
            None
        );
    }

    #[test]
    fn a_dropped_completer_answers_with_a_trap() {
        let (ticket, completer) = Ticket::new();
        let thread = std::thread::spawn(move || drop(completer));
        assert!(ticket.wait(None).unwrap().is_err());
        thread.join().unwrap();
    }
}
