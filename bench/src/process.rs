//! Runs a child process with a deadline and collects its output.

use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// How often a running child is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Milliseconds of a process.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// From its start until its end was seen.
    pub elapsed: f64,
    /// Of processor time.
    pub processor: f64,
}

/// Processor time of all children that ended, in milliseconds.
fn children() -> Result<f64, String> {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|e| e.to_string())?;
    let ms = |t: TimeVal| t.tv_sec() as f64 * 1e3 + t.tv_usec() as f64 / 1e3;
    Ok(ms(used.user_time()) + ms(used.system_time()))
}

/// Runs `command` to its end, while no other child of this process runs; says what that took.
pub fn took(command: &mut Command) -> Result<(Output, Took), String> {
    let before = children()?;
    let start = Instant::now();
    let output = command
        .output()
        .map_err(|e| format!("cannot start {}: {e}", command.get_program().display()))?;
    let took = Took {
        elapsed: start.elapsed().as_secs_f64() * 1e3,
        processor: children()? - before,
    };
    Ok((output, took))
}

/// Runs `command` to its end and returns its standard output.
///
/// Everything else (not started, a failure status, no end in time) is an error that says
/// what happened and the last line that the process printed.
pub fn run(command: &mut Command, timeout: Duration) -> Result<String, String> {
    run_both(command, timeout).map(|(stdout, _)| stdout)
}

/// The same, with what it wrote to standard error.
pub fn run_both(command: &mut Command, timeout: Duration) -> Result<(String, String), String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot start {}: {e}", command.get_program().display()))?;
    let stdout = reader(child.stdout.take());
    let stderr = reader(child.stderr.take());

    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if start.elapsed() > timeout => {
                break Err(format!("no end after {} s", timeout.as_secs()));
            }
            Ok(None) => thread::sleep(POLL),
            Err(e) => break Err(format!("cannot wait: {e}")),
        }
    };
    let status = match status {
        Ok(status) => status,
        Err(message) => {
            // The child may be gone already, which is as good.
            let _ = child.kill();
            let _ = child.wait();
            return Err(message);
        }
    };
    let stdout = stdout.join().unwrap_or_default();
    let stderr = stderr.join().unwrap_or_default();
    if status.success() {
        Ok((stdout, stderr))
    } else {
        Err(failure(&status.to_string(), &stdout, &stderr))
    }
}

/// What a failed process has to say: its status, and a line that tells why.
fn failure(status: &str, stdout: &str, stderr: &str) -> String {
    let is_telling = |line: &&str| line.contains("rror") || line.contains("xception");
    let lines = || stderr.lines().map(str::trim).filter(|l| !l.is_empty());
    let line = lines()
        .find(is_telling)
        .or_else(|| lines().next_back())
        .or_else(|| stdout.lines().map(str::trim).rfind(|l| !l.is_empty()));
    match line {
        Some(line) => format!("{status}: {line}"),
        None => status.to_owned(),
    }
}

/// Reads a pipe to its end in a thread, so that a full pipe never blocks the child.
fn reader<R: Read + Send + 'static>(pipe: Option<R>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // A pipe that breaks ends the output; the status tells the rest.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_an_error() {
        let error = run(
            &mut Command::new("no-such-program-anywhere"),
            Duration::from_secs(1),
        )
        .unwrap_err();
        assert!(error.starts_with("cannot start no-such-program-anywhere"));
    }

    #[test]
    fn failures_say_why() {
        assert_eq!(
            failure(
                "exit status: 1",
                "Starting\n",
                "trace\nError: wrong\nat x\n"
            ),
            "exit status: 1: Error: wrong"
        );
        assert_eq!(
            failure("exit status: 1", "Starting\n", ""),
            "exit status: 1: Starting"
        );
        assert_eq!(failure("signal: 9", "", ""), "signal: 9");
    }

    #[cfg(unix)]
    #[test]
    fn output_status_and_deadline() {
        let sh = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        let timeout = Duration::from_secs(20);
        assert_eq!(
            run(&mut sh("echo hello"), timeout),
            Ok("hello\n".to_owned())
        );
        assert!(
            run(&mut sh("echo 'error: no' >&2; exit 3"), timeout)
                .unwrap_err()
                .ends_with("3: error: no")
        );
        assert_eq!(
            run(&mut sh("exec sleep 30"), Duration::from_millis(50)),
            Err("no end after 0 s".to_owned())
        );
    }
}
