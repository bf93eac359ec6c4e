//! Host calls of a session: made once, recorded, and answered from the record when an entry runs
//! again.
//!
//! What must stay true: a call of an earlier entry never reaches the host a second time, and a replay
//! that would differ from what was recorded ends instead of going on with other answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jet_vm::host::{
    HostAnswer, HostCapability, HostCx, HostFailure, HostMethod, HostResult, HostType, HostValue,
    interrupt,
};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

/// How often somebody who waits for the host looks whether Ctrl-C was pressed.
const TICK: Duration = Duration::from_millis(20);

/// A call and what came of it.
#[derive(Clone, Debug)]
pub struct Record {
    interface: (&'static str, &'static str),
    method: usize,
    args: Vec<HostValue>,
    result: HostResult,
}

/// The records of a session's entries, and where a run of it stands.
#[derive(Debug, Default)]
struct State {
    entries: HashMap<i64, Arc<Vec<Record>>>,
    replaying: Option<(Arc<Vec<Record>>, usize)>,
    live: Vec<Record>,
    value: Option<String>,
    /// Output since the last line end: what stands before the cursor.
    line: String,
}

/// Shared by the capabilities of a session.
#[derive(Clone, Debug, Default)]
pub struct Tape(Arc<Mutex<State>>);

impl Tape {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prepares for a run.
    pub fn start(&self) {
        let mut state = self.state();
        state.replaying = None;
        state.live.clear();
        state.value = None;
        state.line.clear();
    }

    /// Keeps the live calls as those of an entry. Gives the text of its value.
    pub fn keep(&self, entry: i64) -> Option<String> {
        let mut state = self.state();
        let live = std::mem::take(&mut state.live);
        state.entries.insert(entry, Arc::new(live));
        state.value.take()
    }

    /// Whether the output stands within a line.
    #[must_use]
    pub fn within_line(&self) -> bool {
        !self.state().line.is_empty()
    }
}

/// A capability whose calls are recorded.
pub struct Recorded {
    host: Arc<Mutex<Box<dyn HostCapability>>>,
    interface: (&'static str, &'static str),
    methods: &'static [HostMethod],
    tape: Tape,
}

impl std::fmt::Debug for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Recorded").field(&self.interface).finish()
    }
}

impl Recorded {
    /// The same capability on a tape. What it holds open stays open between runs.
    #[must_use]
    pub fn new(host: Box<dyn HostCapability>, tape: &Tape) -> Recorded {
        Recorded {
            interface: host.interface(),
            methods: host.methods(),
            host: Arc::new(Mutex::new(host)),
            tape: tape.clone(),
        }
    }

    /// For one more run.
    #[must_use]
    pub fn again(&self) -> Box<dyn HostCapability> {
        Box::new(Recorded {
            host: Arc::clone(&self.host),
            interface: self.interface,
            methods: self.methods,
            tape: self.tape.clone(),
        })
    }

    fn host(&self) -> MutexGuard<'_, Box<dyn HostCapability>> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The recorded answer, if this call belongs to an earlier entry.
    fn replay(&self, method: usize, args: &[HostValue]) -> Option<HostResult> {
        let mut state = self.tape.state();
        let (records, next) = state.replaying.as_mut()?;
        let record = records.get(*next).filter(|record| {
            record.interface == self.interface && record.method == method && record.args == args
        });
        *next += 1;
        Some(record.map_or_else(
            || {
                Err(HostFailure::failed(
                    "an earlier entry did not do again what it did before",
                ))
            },
            |record| record.result.clone(),
        ))
    }

    fn live(&self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostResult {
        let name = self.methods.get(method).map_or("", |method| method.name);
        if self.interface == ("std", "Console") {
            if name == "read_line" {
                self.host().flush()?;
                let before = std::mem::take(&mut self.tape.state().line);
                return read_line(&before);
            }
            if let ("print" | "write", [HostValue::Str(text)]) = (name, args) {
                let mut state = self.tape.state();
                state.line.push_str(text);
                state.line.push_str(if name == "print" { "\n" } else { "" });
                let start = state.line.rfind('\n').map_or(0, |at| at + 1);
                state.line.drain(..start);
            }
        }
        let answer = self.host().call(method, args, cx);
        let ticket = match answer {
            HostAnswer::Now(result) => return result,
            HostAnswer::Later(ticket) => ticket,
        };
        loop {
            if let Some(result) = ticket.wait(Instant::now().checked_add(TICK)) {
                return result;
            }
            if interrupt::interrupted() {
                return Err(HostFailure::failed("interrupted"));
            }
            cx.interrupt().check()?;
        }
    }
}

/// A line for the program, typed behind what it wrote last.
fn read_line(before: &str) -> HostResult {
    let failed = |error: &dyn std::fmt::Display| {
        HostFailure::failed(format!("cannot read standard input: {error}"))
    };
    let mut editor = DefaultEditor::new().map_err(|error| failed(&error))?;
    match editor.readline(before) {
        Ok(line) => Ok(HostValue::some(HostValue::str(&line))),
        Err(ReadlineError::Eof) => Ok(HostValue::none()),
        Err(ReadlineError::Interrupted) => {
            interrupt::interrupt();
            Err(HostFailure::failed("interrupted"))
        }
        Err(error) => Err(failed(&error)),
    }
}

impl HostCapability for Recorded {
    fn interface(&self) -> (&'static str, &'static str) {
        self.interface
    }

    fn methods(&self) -> &'static [HostMethod] {
        self.methods
    }

    fn call(&mut self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostAnswer {
        if let Some(result) = self.replay(method, args) {
            return result.into();
        }
        let result = self.live(method, args, cx);
        self.tape.state().live.push(Record {
            interface: self.interface,
            method,
            args: args.to_vec(),
            result: result.clone(),
        });
        result.into()
    }

    fn scope_text(&self) -> String {
        self.host().scope_text()
    }

    fn flush(&mut self) -> Result<(), HostFailure> {
        self.host().flush()
    }
}

/// What a session's `main` tells the session.
#[derive(Debug)]
pub struct Channel(Tape);

/// Declaration of the capability, in the package `repl`.
pub const CHANNEL: &str = "pub capability ReplChannel:\n    fn begin(entry: int, live: bool)\n    fn value(text: string)\n";

static CHANNEL_METHODS: [HostMethod; 2] = [
    HostMethod {
        name: "begin",
        params: &[HostType::Int, HostType::Bool],
        ret: HostType::Unit,
        errors: &[],
    },
    HostMethod {
        name: "value",
        params: &[HostType::Str],
        ret: HostType::Unit,
        errors: &[],
    },
];

impl Channel {
    /// The channel of a tape's session.
    #[must_use]
    pub fn new(tape: &Tape) -> Channel {
        Channel(tape.clone())
    }
}

impl HostCapability for Channel {
    fn interface(&self) -> (&'static str, &'static str) {
        ("repl", "ReplChannel")
    }

    fn methods(&self) -> &'static [HostMethod] {
        &CHANNEL_METHODS
    }

    fn call(&mut self, method: usize, args: &[HostValue], _: &mut HostCx<'_>) -> HostAnswer {
        let mut state = self.0.state();
        match (method, args) {
            (0, [HostValue::Int(entry), HostValue::Bool(live)]) => {
                let records = state.entries.get(entry).cloned().unwrap_or_default();
                state.replaying = (!live).then_some((records, 0));
                Ok(HostValue::Unit).into()
            }
            (1, [HostValue::Str(text)]) => {
                state.value = Some(text.to_string());
                Ok(HostValue::Unit).into()
            }
            _ => Err(jet_vm::host::wrong_arguments(&CHANNEL_METHODS, method)).into(),
        }
    }

    fn scope_text(&self) -> String {
        "the session".to_owned()
    }
}
