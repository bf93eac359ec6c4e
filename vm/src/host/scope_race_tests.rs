//! File grants against somebody who renames and links inside of the granted directory all the time.
//!
//! `JET_RACE_SECONDS=30 cargo test -p jet-vm --release -- races --nocapture` is the long run; it asks for 100,000 operations.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::file_read::FileRead;
use super::file_write::FileWrite;
use super::grants::PathGrant;
use super::scope::Scope;
use super::{HostAnswer, HostCapability, HostCx, HostFailure, HostUsage, HostValue, Limits};

const SECRET: &str = "nobody inside may see this";
const MARK: &str = "written by the program";

/// What every file and directory outside is, with its content.
fn outside(dir: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.push((path.clone(), None));
            all.extend(outside(&path));
        } else {
            all.push((path.clone(), Some(fs::read(&path).unwrap())));
        }
    }
    all.sort();
    all
}

/// Repeats `step` until told to stop; what fails because another thread was faster is left as it is.
fn meddle(
    stop: &Arc<AtomicBool>,
    mut step: impl FnMut() + Send + 'static,
) -> std::thread::JoinHandle<()> {
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            step();
        }
    })
}

struct Caller {
    read: FileRead,
    write: FileWrite,
    usage: HostUsage,
    limits: Limits,
    done: u64,
    refused: u64,
    other: u64,
}

impl Caller {
    fn call(&mut self, write: bool, name: &str, args: &[HostValue]) -> Option<HostValue> {
        let mut cx = HostCx::new(&self.limits, &mut self.usage, 1 << 20, None);
        let host: &mut dyn HostCapability = if write {
            &mut self.write
        } else {
            &mut self.read
        };
        let method = host.methods().iter().position(|m| m.name == name).unwrap();
        match host.call(method, args, &mut cx) {
            HostAnswer::Now(Ok(value)) => {
                self.done += 1;
                Some(value)
            }
            HostAnswer::Now(Err(HostFailure::Error { variant: 1, .. })) => {
                self.refused += 1;
                None
            }
            HostAnswer::Now(Err(HostFailure::Error { .. })) => {
                self.other += 1;
                None
            }
            other => panic!("{name}: {other:?}"),
        }
    }

    fn text(&mut self, write: bool, name: &str, args: &[&str]) -> Option<HostValue> {
        let args: Vec<HostValue> = args.iter().map(|a| HostValue::str(a)).collect();
        let answer = self.call(write, name, &args);
        if let Some(value) = &answer {
            let shown = format!("{value:?}");
            assert!(
                !shown.contains(SECRET),
                "{name} {args:?} read what is outside: {shown}"
            );
            assert!(
                !shown.contains("only_outside"),
                "{name} {args:?} listed what is outside: {shown}"
            );
        }
        answer
    }
}

impl Caller {
    /// Reads an open file, and closes it.
    fn reads(&mut self, path: &str, file: HostValue) {
        let bytes = self.call(false, "read", &[file.clone(), HostValue::Int(64)]);
        if let Some(HostValue::Bytes(bytes)) = bytes {
            assert!(!String::from_utf8_lossy(&bytes).contains(SECRET), "{path}");
        }
        self.call(false, "close", &[file]);
    }
}

#[test]
fn races_with_renames_and_links_reach_nothing_outside() {
    let seconds: f64 = std::env::var("JET_RACE_SECONDS").map_or(2.0, |s| s.parse().unwrap());
    let root = std::env::temp_dir().join(format!("jet-race-{}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    for dir in ["in/sub/deep", "in/spare", "in/quiet", "out/deep"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let root = root.canonicalize().unwrap();
    let (inside, away) = (root.join("in"), root.join("out"));
    for name in ["f.txt", "g.txt", "deep/f.txt", "only_outside"] {
        fs::write(away.join(name), SECRET).unwrap();
    }
    for name in [
        "f.txt",
        "sub/f.txt",
        "sub/g.txt",
        "sub/deep/f.txt",
        "quiet/f.txt",
    ] {
        fs::write(inside.join(name), "harmless").unwrap();
    }
    symlink("../out", inside.join("door")).unwrap();
    let before = outside(&away);

    let stop = Arc::new(AtomicBool::new(false));
    let wait = |n: u64| std::thread::sleep(Duration::from_micros(n % 97));
    // A directory that is now itself, now a link to what is outside.
    let dir = inside.clone();
    let mut n = 0u64;
    let linker = meddle(&stop, move || {
        n += 1;
        fs::rename(dir.join("sub"), dir.join("aside")).unwrap();
        let target = ["../out", "..", "/", "spare"][n as usize % 4];
        let target = if target == "/" {
            dir.parent().unwrap().join("out")
        } else {
            target.into()
        };
        symlink(target, dir.join("sub")).unwrap();
        wait(n * 31);
        fs::remove_file(dir.join("sub")).unwrap();
        fs::rename(dir.join("aside"), dir.join("sub")).unwrap();
        wait(n * 17);
        std::thread::sleep(Duration::from_micros(300));
    });
    // A file that is now itself, now a link, now a directory.
    let dir = inside.clone();
    let mut n = 0u64;
    let renamer = meddle(&stop, move || {
        n += 1;
        let (at, other) = (dir.join("f.txt"), dir.join("other"));
        let _ = fs::rename(&at, &other);
        match n % 3 {
            0 => drop(symlink("../out/f.txt", &at)),
            1 => drop(symlink(dir.parent().unwrap().join("out/f.txt"), &at)),
            _ => drop(fs::create_dir(&at)),
        }
        wait(n * 13);
        let _ = fs::remove_file(&at).or_else(|_| fs::remove_dir(&at));
        let _ = fs::rename(&other, &at);
        wait(n * 7);
        std::thread::sleep(Duration::from_micros(300));
    });

    let grant = PathGrant {
        allow: Some(vec!["in".into()]),
        deny: vec![],
    };
    let scope = Arc::new(Scope::open(&grant, &root).unwrap());
    let mut caller = Caller {
        read: FileRead::new(Arc::clone(&scope)),
        write: FileWrite::new(Arc::clone(&scope), Some(scope)),
        usage: HostUsage::default(),
        limits: Limits {
            output: u64::MAX,
            ..Limits::default()
        },
        done: 0,
        refused: 0,
        other: 0,
    };
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < end {
        for path in [
            "in/f.txt",
            "in/sub/f.txt",
            "in/sub/deep/f.txt",
            "in/sub/../f.txt",
            "in/door/f.txt",
            // Nobody meddles with this one.
            "in/quiet/f.txt",
        ] {
            caller.text(false, "read_text", &[path]);
            caller.text(true, "write_text", &[path, MARK]);
            caller.text(true, "append_text", &[path, MARK]);
            caller.text(false, "stat", &[path]);
            if let Some(file) = caller.text(false, "open", &[path]) {
                caller.reads(path, file);
            }
        }
        for path in ["in/sub", "in/sub/deep", "in/door", "in/quiet"] {
            caller.text(false, "list", &[path]);
            let Some(dir) = caller.text(false, "open_dir", &[path]) else {
                continue;
            };
            for below in ["f.txt", "deep/f.txt", "../door/f.txt"] {
                let at = [dir.clone(), HostValue::str(below)];
                if let Some(file) = caller.call(false, "open_at", &at) {
                    caller.reads(below, file);
                }
            }
            caller.call(false, "close_dir", &[dir]);
        }
        caller.text(true, "write_text", &["in/sub/new", MARK]);
        caller.text(true, "rename", &["in/sub/new", "in/sub/deep/newer"]);
        caller.text(true, "remove", &["in/sub/deep/newer"]);
        caller.text(true, "create_dir", &["in/sub/dir"]);
        caller.text(true, "remove", &["in/sub/dir"]);
        caller.text(true, "remove", &["in/sub/g.txt"]);
    }
    stop.store(true, Ordering::Relaxed);
    linker.join().unwrap();
    renamer.join().unwrap();
    assert_eq!(outside(&away), before, "something outside was changed");
    let left: Vec<_> = outside(&inside)
        .into_iter()
        .filter(|(p, _)| p.to_string_lossy().ends_with(".tmp"))
        .collect();
    assert!(
        left.is_empty(),
        "files of unfinished writes are left: {left:?}"
    );
    let all = caller.done + caller.refused + caller.other;
    println!(
        "{all} operations: {} succeeded, {} refused, {} failed otherwise",
        caller.done, caller.refused, caller.other
    );
    assert!(
        caller.done * 10 >= all,
        "{} of {all} succeeded",
        caller.done
    );
    assert!(
        caller.refused * 10 >= all,
        "{} of {all} were refused",
        caller.refused
    );
    assert!(seconds < 30.0 || all >= 100_000, "only {all} operations");
    fs::remove_dir_all(&root).unwrap();
}
