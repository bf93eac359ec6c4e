//! `jetvm fmt` on files: what it writes, lists and leaves alone. The style itself is tested in the frontend.

use std::path::PathBuf;
use std::process::{Command, Output};

use jet_tests::suite::fed;

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

const UGLY: &str = "fn main( ) uses Console:\n  Console.print( \"x\" ) # said\n";
const FINE: &str = "fn main() uses Console:\n    Console.print(\"x\")  # said\n";
const BAD: &str = "fn main(:\n";

fn temp(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("jet-fmt-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(dir.join("inner/.hidden")).expect("temporary folder");
    for (file, text) in [
        ("ugly.jet", UGLY),
        ("inner/fine.jet", FINE),
        ("inner/bad.jet", BAD),
        ("inner/.hidden/ugly.jet", UGLY),
        ("notes.txt", UGLY),
    ] {
        std::fs::write(dir.join(file), text).expect("file");
    }
    dir
}

fn fmt(dir: &std::path::Path, args: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(JETVM);
    command.current_dir(dir).env("NO_COLOR", "1").arg("fmt");
    fed(command.args(args), stdin)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn check_lists_and_writes_nothing() {
    let dir = temp("check");
    let out = fmt(&dir, &["--check", "."], "");
    assert_eq!(out.status.code(), Some(1));
    assert_eq!(text(&out.stdout).trim_end(), "./ugly.jet");
    assert!(
        text(&out.stderr).contains("bad.jet"),
        "{}",
        text(&out.stderr)
    );
    assert_eq!(
        std::fs::read_to_string(dir.join("ugly.jet")).expect("file"),
        UGLY
    );
}

#[test]
fn files_are_replaced_and_bad_ones_left_alone() {
    let dir = temp("write");
    let out = fmt(&dir, &["."], "");
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    assert_eq!(text(&out.stdout), "");
    for (file, expected) in [
        ("ugly.jet", FINE),
        ("inner/fine.jet", FINE),
        ("inner/bad.jet", BAD),
        ("inner/.hidden/ugly.jet", UGLY),
        ("notes.txt", UGLY),
    ] {
        let now = std::fs::read_to_string(dir.join(file)).expect("file");
        assert_eq!(now, expected, "{file}");
    }
    assert_eq!(std::fs::read_dir(&dir).expect("folder").count(), 3);
    let again = fmt(&dir, &["--check", "ugly.jet"], "");
    assert_eq!(again.status.code(), Some(0));
}

#[test]
fn standard_input() {
    let dir = temp("stdin");
    let out = fmt(&dir, &["--stdin"], UGLY);
    assert_eq!(
        (out.status.code(), text(&out.stdout)),
        (Some(0), FINE.to_string())
    );
    assert_eq!(
        fmt(&dir, &["--stdin", "--check"], UGLY).status.code(),
        Some(1)
    );
    assert_eq!(
        fmt(&dir, &["--stdin", "--check"], FINE).status.code(),
        Some(0)
    );
    let bad = fmt(&dir, &["--stdin"], BAD);
    assert_eq!(
        (bad.status.code(), text(&bad.stdout)),
        (Some(1), String::new())
    );
}

#[test]
fn wrong_use() {
    let dir = temp("usage");
    assert_eq!(fmt(&dir, &[], "").status.code(), Some(2));
    assert_eq!(fmt(&dir, &["nothing.jet"], "").status.code(), Some(2));
}
