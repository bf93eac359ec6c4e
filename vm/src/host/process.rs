//! `Process`: running a program of the grant to its end.
//!
//! A grant names programs, each with the arguments that it has to begin with; what it names is looked up when the capability is made, so
//! that no later change of `PATH` matters. There is no shell, no environment and no open file but the three streams. A program is
//! the leader of a group of its own, which is killed with it when the run of the Jet program is over, when the call takes too long or
//! writes too much. What must stay true: the call returns only when the program is gone.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(2);
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
    text: String,
}

#[derive(Debug)]
enum Fail {
    Denied(String),
    Failed(&'static str),
    TimedOut,
    TooLarge,
    Trap(HostFailure),
}

impl From<HostFailure> for Fail {
    fn from(failure: HostFailure) -> Self {
        Fail::Trap(failure)
    }
}

impl From<Fail> for HostFailure {
    fn from(fail: Fail) -> HostFailure {
        let (variant, payload) = match fail {
            Fail::Denied(what) => (0, vec![HostValue::str(&what)]),
            Fail::Failed(why) => (1, vec![HostValue::str(why)]),
            Fail::TimedOut => (2, Vec::new()),
            Fail::TooLarge => (3, Vec::new()),
            Fail::Trap(failure) => return failure,
        };
        HostFailure::Error {
            error: PROCESS_ERROR.name,
            variant,
            payload,
        }
    }
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
            text,
        })
    }

    /// The file that a call runs.
    fn program(&self, name: &str, args: &[&str]) -> Result<PathBuf, Fail> {
        let denied = || Fail::Denied(name.to_owned());
        let path = match &self.allowed {
            None => find(name, &self.cwd).ok_or_else(denied)?,
            Some(allowed) => {
                let fits = |a: &&Allowed| {
                    (a.name == name || a.path.as_os_str() == name)
                        && args.len() >= a.args.len()
                        && a.args.iter().zip(args).all(|(want, is)| want == is)
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

    fn run(
        &self,
        name: &str,
        args: &[HostValue],
        input: &[u8],
        cx: &mut HostCx<'_>,
    ) -> Result<HostValue, Fail> {
        let mut words = Vec::with_capacity(args.len());
        for arg in args {
            match arg {
                HostValue::Str(text) if !text.contains('\0') => words.push(&**text),
                _ => return Err(Fail::Failed("an argument has a NUL character")),
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
        let child = child.map_err(|_| Fail::Failed("it cannot be started"))?;
        attend(Group(child), input, most, cx)
    }
}

/// A child with everything that it started, as long as that stays in its group. Killed when dropped.
struct Group(Child);

impl Group {
    fn kill(&mut self) {
        if let Ok(group) = i32::try_from(self.0.id()) {
            // SAFETY: sends a signal. The leader was not waited for unless `kill` failed for want of a process, so its number
            // still is that of its group.
            unsafe {
                libc::kill(-group, libc::SIGKILL);
            }
        }
        let _ = self.0.kill();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        let _ = self.0.wait();
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

/// Reads a stream into memory, on a thread of its own.
fn collect(
    mut from: impl Read + Send + 'static,
    most: u64,
    all: &Arc<AtomicU64>,
) -> std::sync::mpsc::Receiver<Vec<u8>> {
    let (tell, hear) = std::sync::mpsc::channel();
    let all = Arc::clone(all);
    let _ = std::thread::Builder::new()
        .name("output".into())
        .spawn(move || {
            let mut bytes = Vec::new();
            let mut piece = [0; 8192];
            while let Ok(n @ 1..) = from.read(&mut piece) {
                all.fetch_add(n as u64, Ordering::Relaxed);
                if all.load(Ordering::Relaxed) > most {
                    break;
                }
                bytes.extend(piece.iter().take(n));
            }
            let _ = tell.send(bytes);
        });
    hear
}

/// Feeds a child and waits for it.
fn attend(mut group: Group, input: &[u8], most: u64, cx: &HostCx<'_>) -> Result<HostValue, Fail> {
    let broken = || Fail::Failed("it has no streams");
    let read = Arc::new(AtomicU64::new(0));
    let out = collect(group.0.stdout.take().ok_or_else(broken)?, most, &read);
    let err = collect(group.0.stderr.take().ok_or_else(broken)?, most, &read);
    let mut stdin = group.0.stdin.take().ok_or_else(broken)?;
    let input = input.to_vec();
    let _ = std::thread::Builder::new()
        .name("input".into())
        .spawn(move || {
            // A program need not read all that it is given.
            let _ = stdin.write_all(&input);
        });
    let interrupt = cx.interrupt();
    let end = Instant::now() + PATIENCE;
    while !ended(&group.0) {
        interrupt.check()?;
        if Instant::now() >= end {
            return Err(Fail::TimedOut);
        }
        if read.load(Ordering::Relaxed) > most {
            return Err(Fail::TooLarge);
        }
        std::thread::sleep(LOOK);
    }
    // What it left running in its group ends with it, and so do the streams.
    group.kill();
    let status = group
        .0
        .wait()
        .map_err(|_| Fail::Failed("its end was not seen"))?;
    let out = out
        .recv_timeout(AFTERWARDS)
        .map_err(|_| Fail::Failed("its output was left open"))?;
    let err = err
        .recv_timeout(AFTERWARDS)
        .map_err(|_| Fail::Failed("its output was left open"))?;
    if read.load(Ordering::Relaxed) > most {
        return Err(Fail::TooLarge);
    }
    Ok(HostValue::Record(vec![
        HostValue::Int(code(status)),
        HostValue::Bytes(out),
        HostValue::Bytes(err),
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
            ) => self.run(name, words, input, cx).map_err(HostFailure::from),
            _ => Err(super::wrong_arguments(&METHODS, method)),
        };
        result.into()
    }

    fn scope_text(&self) -> String {
        self.text.clone()
    }
}
