//! `jetvm test`: the standard library's examples pass, and outcomes are told in each format.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

fn jetvm(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(JETVM);
    command.current_dir(folder).arg("test").args(args);
    command.output().expect("jetvm starts")
}

fn stdout(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Files in a folder of their own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Folder {
        let root = std::env::temp_dir().join(format!("jet-test-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        Folder(root)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn examples_of_the_standard_library() {
    for mode in [&[][..], &["--gc=stress:3"]] {
        let out = jetvm(Path::new("."), &[&["--std"], mode].concat());
        let text = stdout(&out);
        let failed: Vec<&str> = text.lines().filter(|l| !l.starts_with("ok ")).collect();
        let told = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(0), "{}\n{told}", failed.join("\n"));
        let count = text.lines().filter(|l| l.starts_with("ok ")).count();
        assert!(count > 90, "only {count} examples");
    }
}

const PACKAGE: &[(&str, &str)] = &[
    ("jet.toml", "name = \"app\"\nversion = \"1.0.0\"\n"),
    (
        "src/lib.jet",
        "## Half of it.\n##\n##     assert half(4) == 2\n##     assert half(5) == 3\npub fn half(n: int) -> int:\n    return n / 2\n\ntest \"half\":\n    assert half(2) == 1\n",
    ),
    (
        "tests/more.jet",
        "from app import half\n\nstruct P:\n    x: int\n\ntest \"told\":\n    assert P(half(2)) == P(2)\n\ntest \"console\":\n    let b = Buffer()\n    with Console = b:\n        Console.print(\"hi\")\n    assert b.text() == \"hi\\n\"\n\ntest \"endless\":\n    let mut n = 0\n    loop:\n        n = n +% 1\n",
    ),
];

#[test]
fn outcomes() {
    let folder = Folder::new("outcomes", PACKAGE);
    let out = jetvm(&folder.0, &[".", "--fuel=100000"]);
    let text = stdout(&out);
    assert_eq!(out.status.code(), Some(1), "{text}");
    for part in [
        "ok    half  (./src/lib.jet:8)",
        "FAIL  example of half  (./src/lib.jet:2)\n      assertion failed: half(5) == 3\n        left: 2\n        right: 3\n",
        "./src/lib.jet:4:5",
        "FAIL  told  (./tests/more.jet:6)\n      assertion failed: P(half(2)) == P(2)\n        left: P(x = 1)\n        right: P(x = 2)\n",
        "ok    console",
        "FAIL  endless",
        "2 passed, 3 failed\n",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let out = jetvm(&folder.0, &[".", "--filter=console"]);
    assert_eq!(out.status.code(), Some(0));
    assert!(stdout(&out).ends_with("1 passed, 0 failed, 4 filtered out\n"));
}

#[test]
fn formats() {
    let folder = Folder::new("formats", PACKAGE);
    let out = jetvm(&folder.0, &[".", "--format=json", "--filter=to"]);
    let lines: Vec<serde_json::Value> = stdout(&out)
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["outcome"], "failed");
    assert_eq!(lines[0]["line"], 6);
    assert_eq!(lines[1]["failed"], 1);
    let out = jetvm(&folder.0, &[".", "--format=junit", "--filter=half"]);
    let text = stdout(&out);
    assert!(
        text.contains("<testsuite name=\"app\" tests=\"2\" failures=\"1\""),
        "{text}"
    );
    assert!(text.contains("<failure type=\"panic\""), "{text}");
}

#[test]
fn tests_do_not_change_the_bundle() {
    let with = "fn main() uses Console:\n    Console.print(\"hi\")\n\ntest \"a\":\n    assert [1].len() == 1\n";
    let without =
        "fn main() uses Console:\n    Console.print(\"hi\")\n\n#     a\n#   ..............\n";
    let built = |text: &str| {
        let folder = Folder::new(
            &format!("same{}", text.contains("test")),
            &[("a.jet", text)],
        );
        let mut command = Command::new(JETVM);
        let out = command
            .current_dir(&folder.0)
            .args(["build", "a.jet", "-o", "a.jbc"]);
        assert!(out.status().expect("jetvm starts").success());
        let bytes = std::fs::read(folder.0.join("a.jbc")).expect("a bundle");
        let mut bundle = jet_bytecode::format::decode(&bytes).expect("a bundle");
        // The sources' hashes differ, as the sources do.
        for package in &mut bundle.packages {
            package.inputs.clear();
        }
        bundle
    };
    assert!(built(with) == built(without));
}

#[test]
fn tests_are_checked() {
    let folder = Folder::new(
        "checked",
        &[(
            "a.jet",
            "fn main():\n    pass\n\ntest \"a\":\n    assert 1 == \"x\"\n",
        )],
    );
    let out = jetvm(&folder.0, &["a.jet"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("a.jet:5"));
}

#[test]
fn modes_are_honoured_or_refused() {
    let folder = Folder::new("modes", PACKAGE);
    let out = jetvm(&folder.0, &[".", "--stats", "--filter=half"]);
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{told}");
    assert!(told.contains("`--stats`"), "{told}");
    let flags = [
        ".",
        "--gc-log",
        "--gc=stress",
        "--monitor",
        "--filter=console",
    ];
    let out = jetvm(&folder.0, &flags);
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(0), "{told}");
    assert!(told.starts_with("gc 1: "), "{told}");
}

#[test]
fn a_filter_that_fits_nothing_is_told() {
    let folder = Folder::new("nothing", PACKAGE);
    let out = jetvm(&folder.0, &[".", "--filter=zzz"]);
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{told}");
    assert!(
        told.contains("no test has `zzz` in its name or path; there are 5"),
        "{told}"
    );
}
