//! `Process`: running a program of the grant to its end.
//!
//! A grant of some programs names them, each with the arguments that it has to begin with; they are looked up when the capability is
//! made, so that no later change of `PATH` matters. Under a grant of every program they are looked up at each call. There is no shell,
//! no environment and no open file but the three streams. A program is the leader of a group of its own, which is killed when the
//! program ends, takes too long or writes too much, or the run of the Jet program is over. What left the group lives on, without the
//! streams. What must stay true: the call returns only when the program itself is gone; no thread and no stream outlives the call; a
//! group is signalled only while its leader has not been waited for.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::grants::RunGrant;
use super::{
    HostAnswer, HostCapability, HostCx, HostEnum, HostFailure, HostMethod, HostResult, HostStruct,
    HostType, HostValue, HostVariant,
};

static PROCESS_ERROR: HostEnum = HostEnum {
    name: "ProcessError",
    variants: &[
        HostVariant {
            name: "Denied",
            fields: &[("what", HostType::Str)],
        },
        HostVariant {
            name: "Failed",
            fields: &[("why", HostType::Str)],
        },
        HostVariant {
            name: "TimedOut",
            fields: &[],
        },
        HostVariant {
            name: "TooLarge",
            fields: &[],
        },
    ],
};
const BYTES: HostType = HostType::List(&HostType::Byte);
static OUTPUT: HostStruct = HostStruct {
    name: "Output",
    fields: &[("code", HostType::Int), ("out", BYTES), ("err", BYTES)],
};
static METHODS: [HostMethod; 1] = [HostMethod {
    name: "run",
    params: &[HostType::Str, HostType::List(&HostType::Str), BYTES],
    ret: HostType::Struct(&OUTPUT),
    errors: &[&PROCESS_ERROR],
}];

/// How long a program may run.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a running program is looked at, in milliseconds, if it says nothing.
const LOOK: i32 = 2;
/// How long its streams are read after it is gone: somebody outside of its group may hold them.
const AFTERWARDS: Duration = Duration::from_millis(200);
/// Bytes of each stream at most, whatever memory there is.
const MAX_STREAM: u64 = 16 << 20;

/// A program of the grant.
#[derive(Debug)]
struct Allowed {
    /// As the grant writes it.
    name: String,
    /// What is run.
    path: PathBuf,
    /// What its arguments begin with.
    args: Vec<String>,
}

/// The capability over some programs.
#[derive(Debug)]
pub struct Process {
    /// `None` is every program.
    allowed: Option<Vec<Allowed>>,
    denied: Vec<PathBuf>,
    cwd: PathBuf,
    patience: Duration,
    text: String,
}

fn denied(what: &str) -> HostFailure {
    HostFailure::error(&PROCESS_ERROR, "Denied", [HostValue::str(what)])
}

fn failed(why: &str) -> HostFailure {
    HostFailure::error(&PROCESS_ERROR, "Failed", [HostValue::str(why)])
}

/// The file of a program: as it stands with a slash in it, else the first of that name in the folders of `PATH`.
fn find(name: &str, cwd: &Path) -> Option<PathBuf> {
    let is_program = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let path = cwd.join(name).canonicalize().ok()?;
        return is_program(&path).then_some(path);
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| is_program(path))
}

impl Process {
    /// The programs of the grant. `Err` names one that is not there.
    pub fn new(grant: &RunGrant, cwd: &Path) -> Result<Process, String> {
        let look_up = |name: &String| {
            find(name, cwd).ok_or_else(|| format!("there is no program `{name}` to grant"))
        };
        let allow = |command: &Vec<String>| {
            let (name, args) = command
                .split_first()
                .ok_or_else(|| "a granted command is empty".to_owned())?;
            Ok::<_, String>(Allowed {
                name: name.clone(),
                path: look_up(name)?,
                args: args.to_vec(),
            })
        };
        let allowed = grant.allow.as_ref();
        let allowed = allowed.map(|all| all.iter().map(allow).collect::<Result<_, _>>());
        let denied: Result<_, String> = grant
            .deny
            .iter()
            .map(|n| look_up(n).and_then(|path| path.canonicalize().map_err(|e| e.to_string())))
            .collect();
        let text = match &grant.allow {
            None => "every program".to_owned(),
            Some(all) => {
                let all: Vec<String> = all.iter().map(|c| c.join(" ")).collect();
                all.join(", ")
            }
        };
        Ok(Process {
            allowed: allowed.transpose()?,
            denied: denied?,
            cwd: cwd.to_owned(),
            patience: PATIENCE,
            text,
        })
    }

    /// The same with another time for each program.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Process {
        Process { patience, ..self }
    }

    /// The file that a call runs. What the grant names by a path the program may name by any path to it.
    fn program(&self, name: &str, args: &[&str]) -> Result<PathBuf, HostFailure> {
        let denied = || denied(name);
        let path = match &self.allowed {
            None => find(name, &self.cwd).ok_or_else(denied)?,
            Some(allowed) => {
                let by_path = name.contains('/').then(|| find(name, &self.cwd)).flatten();
                let fits = |a: &&Allowed| {
                    let named = a.name == name
                        || a.path.as_os_str() == name
                        || a.name.contains('/') && by_path.as_ref() == Some(&a.path);
                    let given = a.args.iter().zip(args).all(|(want, is)| want == is);
                    named && args.len() >= a.args.len() && given
                };
                allowed
                    .iter()
                    .find(fits)
                    .map(|a| a.path.clone())
                    .ok_or_else(denied)?
            }
        };
        let real = path.canonicalize().map_err(|_| denied())?;
        if self.denied.contains(&real) {
            return Err(denied());
        }
        Ok(path)
    }

    fn run(&self, name: &str, args: &[HostValue], input: &[u8], cx: &mut HostCx<'_>) -> HostResult {
        let mut words = Vec::with_capacity(args.len());
        for arg in args {
            match arg {
                HostValue::Str(text) if !text.contains('\0') => words.push(&**text),
                _ => return Err(failed("an argument has a NUL character")),
            }
        }
        let path = self.program(name, &words)?;
        cx.charge_output(input.len() + words.iter().map(|w| w.len()).sum::<usize>())?;
        let most = (cx.memory_left() / 4).min(MAX_STREAM);
        let child = Command::new(path)
            .arg0(name)
            .args(&words)
            .env_clear()
            .current_dir(&self.cwd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let child = child.map_err(|_| failed("it cannot be started"))?;
        attend(Group::of(child), input, most, self.patience, cx)
    }
}

/// A child with everything that it started, as long as that stays in its group. Killed when dropped.
struct Group {
    leader: Child,
    /// Whether the leader was waited for: its number may be that of somebody else's group now.
    gone: bool,
}

impl Group {
    fn of(leader: Child) -> Group {
        let gone = false;
        Group { leader, gone }
    }

    fn kill(&mut self) {
        if self.gone {
            return;
        }
        if let Ok(group) = i32::try_from(self.leader.id()) {
            // SAFETY: sends a signal. The leader was not waited for, so its number still is that of its group.
            unsafe {
                libc::kill(-group, libc::SIGKILL);
            }
        }
        let _ = self.leader.kill();
    }

    /// Waits for the leader. What it left in its group is not killed any more.
    fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.leader.wait()?;
        self.gone = true;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        let _ = self.wait();
    }
}

/// Whether the leader has ended. It is not waited for, so that its number is not given to somebody else.
fn ended(child: &Child) -> bool {
    let pid: libc::id_t = child.id();
    // SAFETY: `info` is plain data for which all-zero bytes are valid, and lives across the call that fills it; `WNOWAIT` leaves the
    // child to be waited for.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        libc::waitid(libc::P_PID, pid, &raw mut info, flags) != 0 || info.si_pid() != 0
    }
}

/// A stream of a child that is read piece by piece, and what came.
struct Stream<T> {
    from: Option<T>,
    bytes: Vec<u8>,
}

impl<T: Read + AsRawFd> Stream<T> {
    fn of(from: Option<T>) -> std::io::Result<Stream<T>> {
        let from = from.ok_or(std::io::ErrorKind::BrokenPipe)?;
        do_not_wait(&from)?;
        Ok(Stream {
            from: Some(from),
            bytes: Vec::new(),
        })
    }

    fn fd(&self) -> RawFd {
        self.from.as_ref().map_or(NONE, AsRawFd::as_raw_fd)
    }

    /// Takes what is there.
    fn read(&mut self) {
        let Some(from) = &mut self.from else {
            return;
        };
        let mut piece = [0; 1 << 14];
        match from.read(&mut piece) {
            Ok(n @ 1..) => self.bytes.extend(piece.iter().take(n)),
            Err(error) if waits(&error) => {}
            Ok(_) | Err(_) => self.from = None,
        }
    }
}

/// The streams of a child. Nobody but the call looks at them, and they are closed with it.
struct Streams<'a> {
    input: Option<ChildStdin>,
    rest: &'a [u8],
    out: Stream<ChildStdout>,
    err: Stream<ChildStderr>,
}

/// What stands for no descriptor.
const NONE: RawFd = -1;

impl<'a> Streams<'a> {
    fn of(child: &mut Child, rest: &'a [u8]) -> std::io::Result<Streams<'a>> {
        let input = child.stdin.take();
        if let Some(input) = &input {
            do_not_wait(input)?;
        }
        Ok(Streams {
            input,
            rest,
            out: Stream::of(child.stdout.take())?,
            err: Stream::of(child.stderr.take())?,
        })
    }

    fn came(&self) -> u64 {
        (self.out.bytes.len() + self.err.bytes.len()) as u64
    }

    fn ended(&self) -> bool {
        self.out.from.is_none() && self.err.from.is_none()
    }

    /// Waits a moment for one of them, and takes and gives what goes at once.
    fn turn(&mut self) {
        let input = self.input.as_ref().map_or(NONE, AsRawFd::as_raw_fd);
        let record = |fd, events| libc::pollfd {
            fd,
            events,
            revents: 0,
        };
        let mut set = [
            record(self.out.fd(), libc::POLLIN),
            record(self.err.fd(), libc::POLLIN),
            record(input, libc::POLLOUT),
        ];
        // SAFETY: the three records live across the call; negative descriptors are passed over.
        unsafe {
            libc::poll(set.as_mut_ptr(), 3, LOOK);
        }
        self.out.read();
        self.err.read();
        let Some(input) = &mut self.input else {
            return;
        };
        match input.write(self.rest) {
            Ok(n) => self.rest = self.rest.get(n..).unwrap_or_default(),
            Err(error) if waits(&error) => return,
            // A program need not read all that it is given.
            Err(_) => self.rest = &[],
        }
        if self.rest.is_empty() {
            self.input = None;
        }
    }
}

fn waits(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, WouldBlock};
    [Interrupted, WouldBlock].contains(&error.kind())
}

/// From now on reading and writing tell when they would have to wait.
fn do_not_wait(stream: &impl AsRawFd) -> std::io::Result<()> {
    let fd = stream.as_raw_fd();
    // SAFETY: asks for the flags of an open descriptor and sets them.
    let done = unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        flags >= 0 && libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) >= 0
    };
    done.then_some(()).ok_or_else(std::io::Error::last_os_error)
}

/// Feeds a child and waits for it.
fn attend(
    mut group: Group,
    input: &[u8],
    most: u64,
    patience: Duration,
    cx: &HostCx<'_>,
) -> HostResult {
    let broken = |_| failed("it has no streams");
    let mut streams = Streams::of(&mut group.leader, input).map_err(broken)?;
    let small = |streams: &Streams<'_>| match streams.came() > most {
        true => Err(HostFailure::error(&PROCESS_ERROR, "TooLarge", [])),
        false => Ok(()),
    };
    let interrupt = cx.interrupt();
    let end = Instant::now() + patience;
    while !ended(&group.leader) {
        interrupt.check()?;
        if Instant::now() >= end {
            return Err(HostFailure::error(&PROCESS_ERROR, "TimedOut", []));
        }
        streams.turn();
        small(&streams)?;
    }
    // What it left running in its group ends with it, and so do the streams.
    group.kill();
    let status = group.wait().map_err(|_| failed("its end was not seen"))?;
    let end = Instant::now() + AFTERWARDS;
    while !streams.ended() {
        if Instant::now() >= end {
            return Err(failed("its output was left open"));
        }
        streams.turn();
        small(&streams)?;
    }
    Ok(HostValue::Record(vec![
        HostValue::Int(code(status)),
        HostValue::Bytes(streams.out.bytes),
        HostValue::Bytes(streams.err.bytes),
    ]))
}

/// The exit code; of a program that a signal killed, 128 and the signal, as shells say it.
fn code(status: ExitStatus) -> i64 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code.into(),
        (None, Some(signal)) => 128 + i64::from(signal),
        (None, None) => -1,
    }
}

impl HostCapability for Process {
    fn interface(&self) -> (&'static str, &'static str) {
        ("std", "Process")
    }

    fn methods(&self) -> &'static [HostMethod] {
        &METHODS
    }

    fn call(&mut self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostAnswer {
        let result: HostResult = match (method, args) {
            (
                0,
                [
                    HostValue::Str(name),
                    HostValue::List(words),
                    HostValue::Bytes(input),
                ],
            ) => self.run(name, words, input, cx),
            _ => Err(super::wrong_arguments(&METHODS, method)),
        };
        result.into()
    }

    fn scope_text(&self) -> String {
        self.text.clone()
    }
}

#[cfg(test)]
mod tests;
