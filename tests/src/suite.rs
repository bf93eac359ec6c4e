//! What the suites of programs share: the repository, its folders in order, work in threads, a command with its input.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The command under test: the one that was built with the tests, or what `JET_UNDER_TEST` names, built for another machine say.
pub fn jetvm(built: &str) -> Command {
    other().map_or_else(|| Command::new(built), Command::new)
}

/// Another command that is under test, by `JET_UNDER_TEST`.
pub fn other() -> Option<OsString> {
    std::env::var_os("JET_UNDER_TEST")
}

/// What is in a folder, by name.
///
/// # Panics
/// Where the folder cannot be read.
pub fn sorted(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// Copies a folder with all that is in it.
///
/// # Panics
/// Where something cannot be read or written.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in sorted(from) {
        let target = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            std::fs::copy(&entry, &target).expect("a copy");
        }
    }
}

/// The programs of a suite, `FAMILY/NAME`: what `jetvm` is given (a file, a folder with `main.jet`, a package), and
/// the main module.
///
/// # Panics
/// Where a folder cannot be read.
pub fn programs(suite: &Path) -> Vec<(PathBuf, PathBuf)> {
    let families = sorted(suite).into_iter().filter(|p| p.is_dir());
    let mut out = Vec::new();
    for path in families.flat_map(|family| sorted(&family)) {
        let mains = [
            path.clone(),
            path.join("main.jet"),
            path.join("src/main.jet"),
        ];
        let mut mains = mains.into_iter();
        let main = mains.find(|p| p.is_file() && p.extension().is_some_and(|e| e == "jet"));
        out.extend(main.map(|main| (path, main)));
    }
    out
}

/// Those whose name contains `JET_ONLY`; all of them without it.
///
/// # Panics
/// Where there is nothing to select from: a test that runs nothing says nothing.
pub fn selected<T>(mut cases: Vec<T>, name: impl Fn(&T) -> &str) -> Vec<T> {
    assert!(!cases.is_empty(), "no cases");
    if let Ok(only) = std::env::var("JET_ONLY") {
        cases.retain(|c| name(c).contains(&only));
        eprintln!("{} with `{only}` in their names", cases.len());
        // Other suites may have it; a name that none has is mistyped.
        let known = ["tests", "examples", "bench"].map(|dir| root().join(dir));
        assert!(
            !cases.is_empty() || known.iter().any(|dir| has(dir, &only)),
            "nothing is called `{only}`"
        );
    }
    cases
}

/// Whether the path of something in a folder contains the text.
fn has(dir: &Path, text: &str) -> bool {
    sorted(dir)
        .iter()
        .any(|path| path.to_string_lossy().contains(text) || path.is_dir() && has(path, text))
}

/// Does the work of every case, in so many threads.
///
/// # Panics
/// With all failures, if there is one.
pub fn each<T: Sync>(threads: usize, cases: &[T], work: impl Fn(&T) -> Result<(), String> + Sync) {
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let work = || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = work(case) {
                        failures.lock().expect("no panics").push(why);
                    }
                }
            };
            // The compiler is at home on such a stack.
            let thread = std::thread::Builder::new().stack_size(64 << 20);
            thread.spawn_scoped(scope, work).expect("a thread");
        }
    });
    let failures = failures.into_inner().expect("no panics");
    assert!(
        failures.is_empty(),
        "{} of {} failed:\n\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n\n")
    );
}

/// Runs a command with this input.
///
/// # Panics
/// Where the command cannot be started.
pub fn fed(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stdin = child.stdin.take().expect("piped");
    // A program that does not read its input may be gone by now.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}
