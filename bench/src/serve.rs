//! `serve`: the server of `examples/reports-server` under load, beside the same handler on Node with its SQLite module.
//!
//! Must stay true: a closed loop, so many clients with a connection each, who ask again when they have their answer; every answer is
//! read whole and must be the one of the user who asks, else it is an error; contenders take turns slice by slice, and are otherwise
//! idle; what a server holds in memory is read from the system. Everything is bounded in number and time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;

use crate::compare;

/// What `serve` is asked for.
#[derive(Args)]
pub struct Options {
    /// Seconds of load for each contender, in all.
    #[arg(long, value_name = "SECONDS", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Seconds of a contender's turn.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    slice: u64,
    /// Clients that ask at the same time.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=128))]
    clients: u64,
    /// Requests at most, for each client and turn.
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    requests: u64,
    /// The `jetvm` to measure; built with cargo where not given.
    #[arg(long, value_name = "PATH")]
    jetvm: Option<PathBuf>,
    /// The Node to measure; one without `node:sqlite` is reported as skipped.
    #[arg(long, value_name = "PATH", default_value = "node")]
    node: PathBuf,
}

/// A server that runs, and what it has been through.
struct Contender {
    name: &'static str,
    child: Child,
    port: u16,
    asked: u64,
    errors: u64,
    /// Time under load.
    took: Duration,
    /// Microseconds of each answer.
    micros: Vec<u32>,
    /// Processor time under load, in seconds.
    worked: f64,
    /// Resident bytes behind each turn.
    resident: Vec<u64>,
    first_error: Option<String>,
}

impl Drop for Contender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Contender {
    /// Starts a server, which says where it listens.
    fn start(name: &'static str, command: &mut Command) -> Result<Contender, String> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start {}: {e}", command.get_program().display()))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            let _ = BufReader::new(out).read_line(&mut line);
        }
        let port = line.trim().rsplit(' ').next().and_then(|p| p.parse().ok());
        let Some(port) = port else {
            let _ = child.kill();
            let mut why = String::new();
            if let Some(mut errors) = child.stderr.take() {
                let _ = errors.read_to_string(&mut why);
            }
            let _ = child.wait();
            let why = why
                .lines()
                .find(|l| l.contains("rror"))
                .unwrap_or("it ended");
            return Err(why.trim().to_owned());
        };
        Ok(Contender {
            name,
            child,
            port,
            asked: 0,
            errors: 0,
            took: Duration::ZERO,
            micros: Vec::new(),
            worked: 0.0,
            resident: Vec::new(),
            first_error: None,
        })
    }

    /// A turn: all clients ask until the time is over.
    fn turn(&mut self, options: &Options, length: Duration) {
        let before = processor(self.child.id());
        let start = Instant::now();
        let end = start + length;
        let port = self.port;
        let most = options.requests;
        let clients: Vec<_> = (0..options.clients)
            .map(|id| std::thread::spawn(move || client(port, id, end, most)))
            .collect();
        for one in clients {
            match one.join() {
                Ok(seen) => {
                    self.asked += seen.micros.len() as u64;
                    self.errors += u64::from(seen.error.is_some());
                    self.micros.extend(seen.micros);
                    if self.first_error.is_none() {
                        self.first_error = seen.error;
                    }
                }
                Err(_) => self.errors += 1,
            }
        }
        self.took += start.elapsed();
        self.worked += processor(self.child.id()) - before;
        self.resident.push(resident(self.child.id()).unwrap_or(0));
    }

    fn per_second(&self) -> f64 {
        self.asked as f64 / self.took.as_secs_f64().max(1e-9)
    }

    /// Microseconds of processor time for a request.
    fn cost(&self) -> f64 {
        self.worked * 1e6 / self.asked.max(1) as f64
    }

    /// Milliseconds within which such a part of the answers came.
    fn quantile(&mut self, part: f64) -> f64 {
        self.micros.sort_unstable();
        let at = (self.micros.len() as f64 * part) as usize;
        let found = self.micros.get(at.min(self.micros.len().saturating_sub(1)));
        f64::from(found.copied().unwrap_or(0)) / 1e3
    }
}

/// What a client saw.
struct Seen {
    micros: Vec<u32>,
    error: Option<String>,
}

/// Asks until the time is over or an answer is wrong.
fn client(port: u16, id: u64, end: Instant, most: u64) -> Seen {
    let mut micros = Vec::new();
    let error = ask(port, id, end, most, &mut micros).err();
    Seen { micros, error }
}

fn ask(port: u16, id: u64, end: Instant, most: u64, micros: &mut Vec<u32>) -> Result<(), String> {
    let text = |e: std::io::Error| e.to_string();
    let stream = TcpStream::connect(("127.0.0.1", port)).map_err(text)?;
    stream.set_nodelay(true).map_err(text)?;
    let patience = Some(Duration::from_secs(10));
    stream.set_read_timeout(patience).map_err(text)?;
    stream.set_write_timeout(patience).map_err(text)?;
    let mut reader = BufReader::new(stream.try_clone().map_err(text)?);
    let mut writer = stream;
    let mut random = id.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut body = Vec::new();
    for _ in 0..most {
        if Instant::now() >= end {
            break;
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (user, since) = (2 + random % 98, (random >> 32) % 60);
        let request = format!(
            "GET /report?since={since} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer token-of-user{user}\r\naccept: application/json\r\n\r\n"
        );
        let start = Instant::now();
        writer.write_all(request.as_bytes()).map_err(text)?;
        let status = answer(&mut reader, &mut body)?;
        micros.push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
        let own = format!("{{\"owner\":\"user{user}\",\"count\":60,");
        if status != 200 || !body.starts_with(own.as_bytes()) {
            return Err(format!(
                "user{user} got {status} {}",
                String::from_utf8_lossy(&body)
            ));
        }
    }
    Ok(())
}

/// Reads an answer whole.
fn answer(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Result<u16, String> {
    let text = |e: std::io::Error| e.to_string();
    let mut line = String::new();
    let (mut status, mut length) = (None, None);
    loop {
        line.clear();
        if reader.read_line(&mut line).map_err(text)? == 0 {
            return Err("the connection was closed".to_owned());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
            status = rest.get(..3).and_then(|s| s.parse().ok());
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<usize>().ok();
        }
    }
    let length = length
        .filter(|l| *l <= 1 << 20)
        .ok_or("an answer without length")?;
    body.resize(length, 0);
    reader.read_exact(body).map_err(text)?;
    status.ok_or_else(|| "an answer without status".to_owned())
}

/// Bytes of memory that a process has, where the system tells.
fn resident(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Seconds of processor time that a process used, all threads together; in hundredths, as the system counts.
fn processor(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // Behind the name, which may have spaces: the state, and eleven numbers before the two.
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = rest
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Runs both servers under load in turns. `false` if there was an error, or no peer.
pub fn run(options: &Options) -> Result<bool, String> {
    let jetvm = compare::jetvm(options.jetvm.as_deref())?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut ours = Command::new(&jetvm);
    ours.arg("run")
        .arg(here.join("../examples/reports-server/harness"))
        .args([
            "--allow-listen=127.0.0.1:0",
            "--allow-db=:memory:",
            "--max-output=1T",
            "--",
            "0",
            "demo",
        ]);
    let mut contenders = vec![Contender::start("jet", &mut ours)?];
    let mut node = Command::new(&options.node);
    node.arg("--no-warnings")
        .arg(here.join("serve/reports.mjs"));
    match Contender::start("node", &mut node) {
        Ok(contender) => contenders.push(contender),
        Err(why) => println!("node is skipped: {why}"),
    }
    let slice = Duration::from_secs(options.slice);
    let turns = options.seconds.div_ceil(options.slice);
    // The first turn is for compilers and caches; it counts for errors only.
    for contender in &mut contenders {
        contender.turn(options, Duration::from_secs(1));
        contender.micros.clear();
        (contender.asked, contender.took) = (0, Duration::ZERO);
        contender.worked = 0.0;
        contender.resident.clear();
    }
    for _ in 0..turns {
        for contender in &mut contenders {
            contender.turn(options, slice);
        }
    }
    println!(
        "{} clients, {} turns of {} s each",
        options.clients, turns, options.slice
    );
    println!(
        "{:<6} {:>10} {:>8} {:>10} {:>9} {:>9} {:>8} {:>9} {:>9} {:>9}",
        "",
        "requests",
        "errors",
        "per s",
        "p50, ms",
        "p99, ms",
        "cpu, µs",
        "first MB",
        "last MB",
        "most MB"
    );
    let mut fine = true;
    for contender in &mut contenders {
        let mb = |bytes: Option<&u64>| bytes.copied().unwrap_or(0) as f64 / 1e6;
        let (p50, p99) = (contender.quantile(0.5), contender.quantile(0.99));
        println!(
            "{:<6} {:>10} {:>8} {:>10.0} {:>9.2} {:>9.2} {:>8.0} {:>9.1} {:>9.1} {:>9.1}",
            contender.name,
            contender.asked,
            contender.errors,
            contender.per_second(),
            p50,
            p99,
            contender.cost(),
            mb(contender.resident.first()),
            mb(contender.resident.last()),
            mb(contender.resident.iter().max()),
        );
        if let Some(error) = &contender.first_error {
            println!("{}: {error}", contender.name);
        }
        fine &= contender.errors == 0;
    }
    match contenders.as_slice() {
        [jet, node] => println!(
            "requests per second, ours / node: {:.2}; processor time a request: {:.2}",
            jet.per_second() / node.per_second().max(1e-9),
            jet.cost() / node.cost().max(1e-9)
        ),
        _ => fine = false,
    }
    Ok(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole() {
        let mut two = BufReader::new(
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"[..],
        );
        let mut body = Vec::new();
        assert_eq!(answer(&mut two, &mut body), Ok(200));
        assert_eq!(body, b"hi");
        assert_eq!(answer(&mut two, &mut body), Ok(404));
        assert!(body.is_empty());
        assert!(answer(&mut two, &mut body).is_err());
        let mut endless =
            BufReader::new(&b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n"[..]);
        assert!(answer(&mut endless, &mut body).is_err());
    }
}
