//! Programs that listen, under test: started, talked to, ended.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

/// A program that listens on this machine. It is killed where a test leaves it behind.
#[derive(Debug)]
pub struct Running {
    child: Option<Child>,
    out: BufReader<ChildStdout>,
    /// Where it listens.
    pub port: u16,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Running {
    /// Starts a program whose first line ends with its port.
    ///
    /// # Panics
    /// Where it does not say one.
    pub fn start(command: &mut Command) -> Running {
        let mut child = command
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        out.read_line(&mut line).expect("its first line");
        let port = line.trim().rsplit(' ').next().and_then(|p| p.parse().ok());
        let Some(port) = port else {
            let ended = child.wait_with_output().expect("its end");
            panic!("{line}{}", String::from_utf8_lossy(&ended.stderr));
        };
        Running {
            child: Some(child),
            out,
            port,
        }
    }

    /// A connection to it.
    ///
    /// # Panics
    /// Where it does not listen.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).expect("a socket");
        stream.set_write_timeout(patience).expect("a socket");
        stream
    }

    /// Sends bytes, and gives everything that comes back until the other side closes.
    pub fn talk(&self, text: &[u8]) -> String {
        let mut stream = self.connect();
        // The other side may have had enough before all was said.
        let _ = stream.write_all(text);
        all(&mut stream)
    }

    /// Asks once, with headers that each end with their line.
    pub fn ask_with(&self, path: &str, headers: &str) -> String {
        self.talk(
            format!("GET {path} HTTP/1.1\r\nhost: h\r\n{headers}connection: close\r\n\r\n")
                .as_bytes(),
        )
    }

    /// Asks once.
    pub fn ask(&self, path: &str) -> String {
        self.ask_with(path, "")
    }

    /// Interrupts it.
    ///
    /// # Panics
    /// Where that is not possible.
    pub fn interrupt(&self) {
        let child = self.child.as_ref().expect("it runs");
        let id = child.id().to_string();
        let done = Command::new("kill").args(["-INT", &id]).status();
        assert!(done.is_ok_and(|s| s.success()), "kill");
    }

    /// How it ends.
    ///
    /// # Panics
    /// Where its output cannot be read.
    pub fn wait(mut self) -> Output {
        let mut out = Vec::new();
        self.out.read_to_end(&mut out).expect("its output");
        let child = self.child.take().expect("it runs");
        let ended = child.wait_with_output().expect("its end");
        Output {
            stdout: out,
            ..ended
        }
    }
}

/// Everything that comes until the other side closes.
///
/// # Panics
/// Where it does not close.
pub fn all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    loop {
        match stream.read(&mut some) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(&some[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!(
                    "the connection stays open: {}",
                    String::from_utf8_lossy(&bytes)
                )
            }
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The head of an answer.
///
/// # Panics
/// Where there is none.
pub fn head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        text.push(byte[0]);
    }
    String::from_utf8(text).expect("text")
}

/// One answer of a connection that stays.
///
/// # Panics
/// Where there is none.
pub fn one(stream: &mut TcpStream) -> String {
    let head = head(stream);
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "));
    let mut rest = vec![0; length.map_or(0, |l| l.parse().expect("a number"))];
    stream.read_exact(&mut rest).expect("a body");
    head + &String::from_utf8_lossy(&rest)
}

/// The body of an answer.
pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// The status of an answer.
pub fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("nothing")
}
