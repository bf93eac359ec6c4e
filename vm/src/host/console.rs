//! `Console`: standard input, output and error of the program.
//!
//! Output is charged before it is buffered; the buffer reaches the stream when it is full, before
//! the program waits for anything or writes an error, and at its end. Reading answers later if no whole line is
//! there yet, so that a program that waits for input still ends at its time limit.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::{
    Completer, HostAnswer, HostCapability, HostCx, HostFailure, HostMethod, HostResult, HostType,
    HostValue, LimitKind, Ticket,
};

const OPTIONAL_TEXT: HostType = HostType::Option(&HostType::Str);

static METHODS: [HostMethod; 4] = [
    HostMethod {
        name: "print",
        params: &[HostType::Str],
        ret: HostType::Unit,
        errors: &[],
    },
    HostMethod {
        name: "write",
        params: &[HostType::Str],
        ret: HostType::Unit,
        errors: &[],
    },
    HostMethod {
        name: "error",
        params: &[HostType::Str],
        ret: HostType::Unit,
        errors: &[],
    },
    HostMethod {
        name: "read_line",
        params: &[],
        ret: OPTIONAL_TEXT,
        errors: &[],
    },
];

/// Bytes that are gathered before they are written.
const BUFFER: usize = 64 << 10;

/// The capability over three streams.
pub struct Console {
    out: Box<dyn Write + Send>,
    error: Box<dyn Write + Send>,
    buffer: Vec<u8>,
    /// Whether somebody watches the output appear.
    interactive: bool,
    input: Input,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console")
            .field("interactive", &self.interactive)
            .finish_non_exhaustive()
    }
}

impl Console {
    /// The streams of this process.
    #[must_use]
    pub fn process() -> Self {
        let interactive = io::stdout().is_terminal();
        let mut console = Console::new(
            Box::new(io::stdin()),
            Box::new(io::stdout()),
            Box::new(io::stderr()),
        );
        console.interactive = interactive;
        console
    }

    /// Any streams.
    #[must_use]
    pub fn new(
        input: Box<dyn Read + Send>,
        out: Box<dyn Write + Send>,
        error: Box<dyn Write + Send>,
    ) -> Self {
        Console {
            out,
            error,
            buffer: Vec::new(),
            interactive: false,
            input: Input::Idle(Some(input)),
        }
    }

    fn put(&mut self, text: &str, end: &str, cx: &mut HostCx<'_>) -> HostResult {
        cx.charge_output(text.len() + end.len())?;
        if self.buffer.len() + text.len() + end.len() > BUFFER {
            self.write_buffer()?;
        }
        if text.len() > BUFFER {
            self.out
                .write_all(text.as_bytes())
                .map_err(|e| lost("output", &e))?;
        } else {
            self.buffer.extend_from_slice(text.as_bytes());
        }
        self.buffer.extend_from_slice(end.as_bytes());
        if self.interactive {
            self.deliver()?;
        }
        Ok(HostValue::Unit)
    }

    fn put_error(&mut self, text: &str, cx: &mut HostCx<'_>) -> HostResult {
        cx.charge_output(text.len() + 1)?;
        self.deliver()?;
        let line = format!("{text}\n");
        self.error
            .write_all(line.as_bytes())
            .and_then(|()| self.error.flush())
            .map_err(|e| lost("error", &e))?;
        Ok(HostValue::Unit)
    }

    fn write_buffer(&mut self) -> Result<(), HostFailure> {
        // Emptied first: what a broken stream refused once is not offered again.
        let bytes = std::mem::take(&mut self.buffer);
        self.out.write_all(&bytes).map_err(|e| lost("output", &e))
    }

    fn deliver(&mut self) -> Result<(), HostFailure> {
        if self.buffer.is_empty() && !self.interactive {
            return self.out.flush().map_err(|e| lost("output", &e));
        }
        self.write_buffer()?;
        self.out.flush().map_err(|e| lost("output", &e))
    }
}

fn lost(stream: &str, error: &io::Error) -> HostFailure {
    let why = match error.kind() {
        io::ErrorKind::BrokenPipe => "nobody reads it any more".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        _ => error.to_string(),
    };
    HostFailure::failed(format!("cannot write to standard {stream}: {why}"))
}

impl HostCapability for Console {
    fn interface(&self) -> (&'static str, &'static str) {
        ("std", "Console")
    }

    fn methods(&self) -> &'static [HostMethod] {
        &METHODS
    }

    fn call(&mut self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostAnswer {
        match (method, args) {
            (0, [HostValue::Str(text)]) => self.put(text, "\n", cx).into(),
            (1, [HostValue::Str(text)]) => self.put(text, "", cx).into(),
            (2, [HostValue::Str(text)]) => self.put_error(text, cx).into(),
            (3, []) => match self.deliver() {
                Ok(()) => self.input.read_line(cx.memory_left()),
                Err(failure) => Err(failure).into(),
            },
            _ => Err(super::wrong_arguments(&METHODS, method)).into(),
        }
    }

    fn scope_text(&self) -> String {
        "standard input, output and error".to_owned()
    }

    fn before_wait(&mut self) -> Result<(), HostFailure> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.deliver()
    }

    fn flush(&mut self) -> Result<(), HostFailure> {
        self.deliver()
    }
}

/// A wish for a line that is not there yet.
struct Wish {
    completer: Completer,
    limit: u64,
}

/// The reading side. The thread that reads starts with the first wish; it reads only while somebody
/// waits, and ends with the console or, if the stream never answers, with the process.
enum Input {
    Idle(Option<Box<dyn Read + Send>>),
    Running {
        lines: Arc<Mutex<Lines>>,
        wishes: Sender<Wish>,
    },
}

#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    /// Start of what has not been handed out.
    start: usize,
    /// Up to here there is no line end.
    scanned: usize,
    ended: bool,
}

impl Input {
    fn read_line(&mut self, limit: u64) -> HostAnswer {
        if let Input::Idle(stream) = self
            && let Some(stream) = stream.take()
        {
            let lines = Arc::new(Mutex::new(Lines::default()));
            let (wishes, receiver) = channel();
            let shared = Arc::clone(&lines);
            let thread = std::thread::Builder::new().name("console-input".into());
            if let Err(error) = thread.spawn(move || serve(stream, &shared, &receiver)) {
                return Err(HostFailure::failed(format!(
                    "cannot read standard input: {error}"
                )))
                .into();
            }
            *self = Input::Running { lines, wishes };
        }
        let Input::Running { lines, wishes } = self else {
            return Err(HostFailure::failed("standard input is closed")).into();
        };
        if let Some(answer) = lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(limit)
        {
            return answer.into();
        }
        let (ticket, completer) = Ticket::new();
        // If the thread is gone the wish is dropped, and the ticket answers with a trap.
        let _ = wishes.send(Wish { completer, limit });
        HostAnswer::Later(ticket)
    }
}

fn serve(stream: Box<dyn Read + Send>, lines: &Mutex<Lines>, wishes: &Receiver<Wish>) {
    let mut stream = io::BufReader::with_capacity(BUFFER, stream);
    while let Ok(wish) = wishes.recv() {
        let answer = loop {
            if let Some(answer) = lines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(wish.limit)
            {
                break answer;
            }
            // Not under the lock: this may take for ever.
            let taken = match stream.fill_buf() {
                Ok(bytes) => {
                    let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                    lines.bytes.extend_from_slice(bytes);
                    lines.ended = bytes.is_empty();
                    bytes.len()
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) => {
                    break Err(HostFailure::failed(format!(
                        "cannot read standard input: {error}"
                    )));
                }
            };
            stream.consume(taken);
        };
        wish.completer.complete(answer);
    }
}

impl Lines {
    /// The next line, `None` of the program's at the end, or nothing yet.
    fn take(&mut self, limit: u64) -> Option<HostResult> {
        let unseen = self.bytes.get(self.scanned..).unwrap_or_default();
        let (end, next) = match unseen.iter().position(|byte| *byte == b'\n') {
            Some(at) => (self.scanned + at, self.scanned + at + 1),
            None if self.ended && self.start == self.bytes.len() => {
                return Some(Ok(HostValue::none()));
            }
            None if self.ended => (self.bytes.len(), self.bytes.len()),
            None => {
                self.scanned = self.bytes.len();
                let waiting = (self.bytes.len() - self.start) as u64;
                return (waiting > limit).then(|| Err(too_long(limit)));
            }
        };
        let line = self.bytes.get(self.start..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let answer = if line.len() as u64 > limit {
            Err(too_long(limit))
        } else {
            match std::str::from_utf8(line) {
                Ok(text) => Ok(HostValue::some(HostValue::str(text))),
                Err(_) => Err(HostFailure::failed(
                    "a line of standard input is not UTF-8 text",
                )),
            }
        };
        self.start = next;
        self.scanned = next;
        if self.start > BUFFER || self.start == self.bytes.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
            self.scanned = 0;
        }
        Some(answer)
    }
}

fn too_long(limit: u64) -> HostFailure {
    HostFailure::limit(
        LimitKind::Memory,
        format!("a line of standard input is longer than the {limit} bytes that are left"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{HostUsage, Limits};
    use std::time::{Duration, Instant};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn console(input: impl Read + Send + 'static) -> (Console, Sink, Sink) {
        let (out, error) = (Sink::default(), Sink::default());
        (
            Console::new(
                Box::new(input),
                Box::new(out.clone()),
                Box::new(error.clone()),
            ),
            out,
            error,
        )
    }

    fn call(console: &mut Console, method: usize, args: &[HostValue]) -> HostResult {
        let (limits, mut usage) = (Limits::default(), HostUsage::default());
        let mut cx = HostCx::new(&limits, &mut usage, 1000, None);
        match console.call(method, args, &mut cx) {
            HostAnswer::Now(answer) => answer,
            HostAnswer::Later(ticket) => ticket.wait(None).unwrap(),
        }
    }

    #[test]
    fn lines_end_with_the_stream_and_lose_their_ends() {
        let (mut console, _, _) = console(&b"one\r\n\ntwo \xc3\xa4\nthree"[..]);
        let mut lines = Vec::new();
        while let HostValue::Variant(0, line) = call(&mut console, 3, &[]).unwrap() {
            lines.extend(line);
        }
        assert_eq!(lines, ["one", "", "two ä", "three"].map(HostValue::str));
        assert_eq!(call(&mut console, 3, &[]), Ok(HostValue::none()));
    }

    #[test]
    fn a_line_that_is_not_text_traps_and_a_long_one_is_a_limit() {
        let (mut first, _, _) = console(&b"\xff\n"[..]);
        assert!(matches!(
            call(&mut first, 3, &[]),
            Err(HostFailure::Trap(super::super::HostTrap::Failed, _))
        ));
        let (mut second, _, _) = console(io::repeat(b'x'));
        let limit = super::super::HostTrap::Limit(LimitKind::Memory);
        assert!(
            matches!(call(&mut second, 3, &[]), Err(HostFailure::Trap(kind, _)) if kind == limit)
        );
    }

    #[test]
    fn output_is_buffered_until_errors_reading_or_the_end() {
        let (mut console, out, error) = console(&b""[..]);
        call(&mut console, 0, &[HostValue::str("a")]).unwrap();
        assert_eq!(out.text(), "");
        call(&mut console, 2, &[HostValue::str("oops")]).unwrap();
        assert_eq!(
            (out.text().as_str(), error.text().as_str()),
            ("a\n", "oops\n")
        );
        call(&mut console, 1, &[HostValue::str("b")]).unwrap();
        call(&mut console, 3, &[]).unwrap();
        assert_eq!(out.text(), "a\nb");
        call(&mut console, 1, &[HostValue::str("c")]).unwrap();
        console.flush().unwrap();
        assert_eq!(out.text(), "a\nbc");
    }

    #[test]
    fn output_has_a_limit() {
        let (mut console, out, _) = console(&b""[..]);
        let (limits, mut usage) = (
            Limits {
                output: 5,
                ..Limits::default()
            },
            HostUsage::default(),
        );
        let mut cx = HostCx::new(&limits, &mut usage, 1000, None);
        let mut print = |text| console.call(0, &[HostValue::str(text)], &mut cx);
        assert!(matches!(print("abc"), HostAnswer::Now(Ok(_))));
        let limit = super::super::HostTrap::Limit(LimitKind::Output);
        assert!(
            matches!(print("d"), HostAnswer::Now(Err(HostFailure::Trap(kind, _))) if kind == limit)
        );
        console.flush().unwrap();
        assert_eq!(out.text(), "abc\n");
    }

    #[test]
    fn waiting_for_input_can_be_given_up() {
        struct Silent;
        impl Read for Silent {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                loop {
                    std::thread::park();
                }
            }
        }
        let (mut console, _, _) = console(Silent);
        let (limits, mut usage) = (Limits::default(), HostUsage::default());
        let mut cx = HostCx::new(&limits, &mut usage, 1000, None);
        let HostAnswer::Later(ticket) = console.call(3, &[], &mut cx) else {
            panic!("nothing can be there yet");
        };
        assert_eq!(
            ticket.wait(Some(Instant::now() + Duration::from_millis(10))),
            None
        );
    }
}
