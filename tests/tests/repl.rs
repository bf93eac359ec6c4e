//! `jetvm repl` as a person types it, on a pseudo-terminal.
//!
//! A script of keys is typed, each step after the prompt of the one before, and what a terminal would
//! show is kept in `tests/repl/NAME.screen`. `JET_BLESS=1` writes the screens; read them before you
//! commit them.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use jet_tests::suite::fed;

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");
/// How long a step may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const COLUMNS: u16 = 100;

/// What a terminal without an upper edge shows.
#[derive(Default)]
struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// Bytes of a character or an escape that has not ended.
    pending: Vec<u8>,
}

impl Screen {
    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.pending.push(*byte);
            if self.take() {
                self.pending.clear();
            }
        }
    }

    fn line(&mut self) -> &mut Vec<char> {
        while self.lines.len() <= self.row {
            self.lines.push(Vec::new());
        }
        &mut self.lines[self.row]
    }

    /// Acts on what is pending if it is whole.
    fn take(&mut self) -> bool {
        let pending = self.pending.clone();
        match pending.as_slice() {
            [0x1b] | [0x1b, b'['] => false,
            [0x1b, b'[', middle @ .., last] => {
                if !(0x40..=0x7e).contains(last) {
                    return false;
                }
                let text = String::from_utf8_lossy(middle).into_owned();
                let n = text.split(';').next().and_then(|n| n.parse().ok());
                self.escape(*last, &text, n);
                true
            }
            [0x1b, ..] | [7] => true,
            [b'\r'] => {
                self.column = 0;
                true
            }
            [b'\n'] => {
                self.row += 1;
                self.line();
                true
            }
            [8] => {
                self.column = self.column.saturating_sub(1);
                true
            }
            bytes => match std::str::from_utf8(bytes)
                .ok()
                .and_then(|s| s.chars().next())
            {
                Some(c) => {
                    let column = self.column;
                    let line = self.line();
                    while line.len() <= column {
                        line.push(' ');
                    }
                    line[column] = c;
                    self.column += 1;
                    true
                }
                None => bytes.len() >= 4,
            },
        }
    }

    fn escape(&mut self, what: u8, text: &str, n: Option<usize>) {
        let (count, column) = (n.unwrap_or(1).max(1), self.column);
        match what {
            b'A' => self.row = self.row.saturating_sub(count),
            b'B' => self.row += count,
            b'C' => self.column += count,
            b'D' => self.column = self.column.saturating_sub(count),
            b'G' => self.column = count - 1,
            b'K' if text == "2" => self.line().clear(),
            b'K' => self.line().truncate(column),
            b'J' => {
                self.line().truncate(column);
                let row = self.row;
                self.lines.truncate(row + 1);
            }
            _ => {}
        }
    }

    fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| {
            let line: String = line.iter().collect();
            format!("{}\n", line.trim_end())
        });
        lines.collect()
    }

    /// Whether the cursor stands right behind a prompt.
    fn at_prompt(&self) -> bool {
        let line: String = self.lines.get(self.row).into_iter().flatten().collect();
        self.column == 5 && ["jet>", "...>"].contains(&line.trim_end())
    }
}

struct Terminal {
    child: Child,
    master: File,
    output: Receiver<Vec<u8>>,
    screen: Screen,
}

impl Terminal {
    fn open(flags: &[&str]) -> Terminal {
        let size = libc::winsize {
            ws_row: 200,
            ws_col: COLUMNS,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let (mut master, mut slave) = (0, 0);
        // SAFETY: the out pointers are valid for a write each; name and settings may be null.
        let opened = unsafe {
            libc::openpty(
                &raw mut master,
                &raw mut slave,
                std::ptr::null_mut(),
                std::ptr::null(),
                &raw const size,
            )
        };
        assert_eq!(opened, 0, "no pseudo-terminal");
        // SAFETY: both were opened just now and belong to nobody else.
        let (master, slave) =
            unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        // The child must not hold the other end, or it never sees it closed.
        // SAFETY: sets a flag of a descriptor that is open.
        unsafe { libc::fcntl(master.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
        let stream = || Stdio::from(slave.try_clone().expect("descriptor"));
        // Tests may be started with interrupts ignored, which a process inherits.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT", JETVM]);
        command
            .arg("repl")
            .args(flags)
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .env_remove("JETVM_HISTORY")
            .stdin(stream())
            .stdout(stream())
            .stderr(stream());
        // SAFETY: both calls are allowed between fork and exec; they make the terminal the child's own.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("jetvm starts");
        drop(slave);
        let master = File::from(master);
        let mut reader = master.try_clone().expect("descriptor");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        let mut terminal = Terminal {
            child,
            master,
            output,
            screen: Screen::default(),
        };
        terminal.wait(0);
        terminal
    }

    /// Reads until a prompt waits below the given row.
    fn wait(&mut self, below: usize) {
        let until = Instant::now() + PATIENCE;
        while !(self.screen.at_prompt() && self.screen.row >= below) {
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.feed(&bytes),
                Err(why) => panic!("no prompt ({why}):\n{}", self.screen.text()),
            }
        }
    }

    fn keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("terminal");
    }

    /// Types a line and waits for the next prompt.
    fn line(&mut self, line: &str) {
        let row = self.screen.row;
        self.keys(line);
        self.keys("\r");
        self.wait(row + 1);
    }

    /// Reads until a text stands on the screen.
    fn sees(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.screen.text().contains(text) {
            let left = until.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.feed(&bytes),
                Err(why) => panic!("no `{text}` ({why}):\n{}", self.screen.text()),
            }
        }
    }

    /// Ctrl-D; gives the exit code and compares the screen.
    fn end(mut self, name: &str) {
        self.keys("\u{4}");
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("child") {
                break status;
            }
            assert!(
                Instant::now() < until,
                "does not end:\n{}",
                self.screen.text()
            );
            std::thread::sleep(Duration::from_millis(10));
        };
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(200)) {
            self.screen.feed(&bytes);
        }
        assert_eq!(status.code(), Some(0), "{}", self.screen.text());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("repl/{name}.screen"));
        let got = self.screen.text();
        if std::env::var_os("JET_BLESS").is_some() {
            std::fs::write(&path, &got).expect("writable");
        }
        let recorded = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(recorded, got, "--- got\n{got}");
    }
}

#[test]
fn mistakes_functions_and_redefinition() {
    let mut t = Terminal::open(&[]);
    t.line("1 + 2");
    t.line("it * 10");
    t.line("let xs = [3, 1,");
    t.line("  2]");
    t.line("xs.push(9)");
    t.line("xs");
    t.line("len(xs)");
    t.line("xs.lenght()");
    t.line("let total = null");
    t.line("fn twice(n: int) -> int:");
    t.line("    let m = n * 2");
    t.line("    return m");
    t.line("");
    t.line("twice(21)");
    t.line("fn twice(n: int) -> string:");
    t.line("    return f\"{n}{n}\"");
    t.line("");
    t.line("twice(21)");
    t.line("xs[7]");
    t.line("xs.len()");
    t.line(":type xs.map(fn(x) => (x, \"a\"))");
    t.line(":nope");
    t.line(":names");
    t.end("functions");
}

#[test]
fn capabilities_and_interruption() {
    let mut t = Terminal::open(&["--allow-clock"]);
    t.line("Console.print(\"hello\")");
    t.line("let text = FileRead.read_text(\"/etc/hostname\")?");
    t.line("fn peek() -> string uses FileRead ! IoError:");
    t.line("    return FileRead.read_text(\"/etc/hostname\")?");
    t.line("");
    t.line("peek()?");
    t.line("let before = Clock.now()");
    t.line("let out = Console.print");
    t.line("let n = 5");
    // Half an entry is dropped.
    t.keys("let n = (6");
    t.sees("let n = (6");
    let row = t.screen.row;
    t.keys("\u{3}");
    t.wait(row + 1);
    t.line("n");
    // A loop that never ends.
    t.line("loop:");
    t.line("    pass");
    let row = t.screen.row;
    t.keys("\r");
    std::thread::sleep(Duration::from_millis(700));
    t.keys("\u{3}");
    t.sees("interrupted");
    t.wait(row + 1);
    t.line("n + 1");
    // The program reads, and Ctrl-C is not the end of the session there either.
    let row = t.screen.row;
    t.keys("let name = Console.read_line() else \"nobody\"\r");
    std::thread::sleep(Duration::from_millis(1500));
    t.keys("Ada\r");
    t.wait(row + 2);
    t.line("name");
    t.line("name.len()");
    t.end("capabilities");
}

#[test]
fn values_survive_and_effects_do_not_happen_again() {
    let script = "\
struct Counter:
    mut n: int = 0
    fn up(self) -> int:
        self.n += 1
        return self.n

let c = Counter()
let same_one = c
fn next(c: Counter) -> int uses Console:
    Console.print(\"counting\")
    return c.up()

next(c)
next(same_one)
c.n
let mut total = 10
total += c.n
total
let add = fn(x: int) => x + c.n
add(1)
c.up()
add(1)
let boom = [c.up(), 1 / (c.n - c.n)]
c.n
";
    let out = fed(Command::new(JETVM).arg("repl"), script);
    let stdout = String::from_utf8_lossy(&out.stdout);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(
        stdout.lines().collect::<Vec<_>>(),
        [
            "counting", "1", "counting", "2", "2", "12", "3", "3", "4", "3"
        ],
        "{stderr}"
    );
    assert!(stderr.starts_with("trap[zero_divide]"), "{stderr}");
}

#[test]
fn limits_hold_for_each_entry() {
    let run = |flags: &[&str], script: &str| {
        let out = fed(Command::new(JETVM).arg("repl").args(flags), script);
        (
            String::from_utf8_lossy(&out.stdout).into_owned(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        )
    };
    let script = "\
let mut n = 0
for i in 0..2000:
    n += i

for i in 0..2000:
    n += i

n
for i in 0..200000:
    n += i

n
";
    let (out, err) = run(&["--fuel=30000"], script);
    assert_eq!(out, "3998000\n3998000\n", "{err}");
    assert!(err.starts_with("limit[fuel]"), "{err}");
    assert!(err.contains("(entry 5"), "{err}");
    let (_, err) = run(&["--fuel=30000"], "let a = 1\nwhile true: pass\n");
    assert!(err.contains("at the entry (entry 2)"), "{err}");
    let (out, err) = run(&["--deny-console"], "Console.print(\"x\")\n1\n");
    assert_eq!(out, "1\n");
    assert!(err.contains("leave out `--deny-console`"), "{err}");
}

#[test]
fn the_fuel_limit_is_that_of_an_entry() {
    // The entry that fails runs the first two again, which is not its work.
    let typed =
        "let xs = [0; 100]\nfor i in 0..200: xs.push(i)\n\nfor i in 0..1_000_000: xs[0] = i\n\n";
    let out = fed(Command::new(JETVM).args(["repl", "--fuel=5000"]), typed);
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(
        told.contains("limit[fuel]: the fuel limit of 5000 for an entry is reached"),
        "{told}"
    );
}
