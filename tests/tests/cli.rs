//! The command line as a user meets it: bundles behave as their sources, grants are asked for before anything
//! runs, paths outside a grant are typed errors inside the program, limits stop what would not end.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jet_tests::suite::root;

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

fn temp(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("jet-cli-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("temporary folder");
    dir
}

fn jetvm_in(dir: &Path, args: &[&str]) -> Output {
    Command::new(JETVM)
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .args(args)
        .output()
        .expect("jetvm starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn bundle_runs_as_its_source() {
    let dir = temp("bundle");
    let w = dir.join("w.jbc");
    let w2 = dir.join("w2.jbc");
    let (w, w2) = (w.to_string_lossy(), w2.to_string_lossy());
    for out in [&w, &w2] {
        let built = jetvm_in(&root(), &["build", "examples/wordfreq", "-o", out]);
        assert!(built.status.success(), "{}", text(&built.stderr));
    }
    assert_eq!(
        std::fs::read(&*w).expect("bundle"),
        std::fs::read(&*w2).expect("bundle"),
        "builds differ"
    );
    let verified = jetvm_in(&root(), &["verify", &w]);
    assert!(verified.status.success(), "{}", text(&verified.stderr));
    let audit = jetvm_in(&root(), &["audit", &w]);
    assert!(audit.status.success());
    let report = text(&audit.stdout);
    assert!(
        report.contains("Console") && report.contains("FileRead"),
        "{report}"
    );
    assert!(!report.contains("FileWrite"), "{report}");
    let args = ["--allow-read=.", "--", "README.md"];
    let source = jetvm_in(
        &root(),
        &[&["run", "examples/wordfreq"], &args[..]].concat(),
    );
    let bundle = jetvm_in(&root(), &[&["run", &w], &args[..]].concat());
    assert!(source.status.success(), "{}", text(&source.stderr));
    assert!(!source.stdout.is_empty());
    assert_eq!(text(&source.stdout), text(&bundle.stdout));
}

#[test]
fn a_missing_grant_is_refused_before_anything_runs() {
    let out = jetvm_in(&root(), &["run", "examples/wordfreq", "--", "README.md"]);
    let message = text(&out.stderr);
    assert_eq!(out.status.code(), Some(3), "{message}");
    assert!(out.stdout.is_empty());
    assert!(message.contains("FileRead"), "{message}");
    assert!(
        message.contains("main") && message.contains("FileRead.read_text"),
        "{message}"
    );
    assert!(message.contains("--allow-read"), "{message}");
}

const READER: &str = "\
fn main(args: [string]) uses Console + FileRead:
    for path in args:
        match FileRead.read_text(path):
            Ok(text) => Console.print(f\"{path}: {text.trim()}\")
            Err(IoError.Denied(_)) => Console.print(f\"{path}: denied\")
            Err(IoError.NotFound(_)) => Console.print(f\"{path}: not found\")
            Err(e) => Console.print(f\"{path}: {e}\")
";

#[test]
fn paths_outside_a_grant_are_typed_errors() {
    let dir = temp("paths");
    std::fs::create_dir_all(dir.join("in/deep")).expect("folder");
    std::fs::write(dir.join("read.jet"), READER).expect("program");
    std::fs::write(dir.join("secret.txt"), "secret").expect("file");
    std::fs::write(dir.join("in/ok.txt"), "fine").expect("file");
    std::os::unix::fs::symlink("../secret.txt", dir.join("in/link.txt")).expect("link");
    std::os::unix::fs::symlink("..", dir.join("in/up")).expect("link");
    std::os::unix::fs::symlink("ok.txt", dir.join("in/good_link.txt")).expect("link");
    std::os::unix::fs::symlink("/etc", dir.join("in/etc")).expect("link");
    let absolute = dir.join("secret.txt").to_string_lossy().into_owned();
    let paths = [
        "in/ok.txt",
        "in/good_link.txt",
        "in/deep/../ok.txt",
        "secret.txt",
        "in/../secret.txt",
        "in/link.txt",
        "in/up/secret.txt",
        "in/etc/passwd",
        "in/deep/../../secret.txt",
        &absolute,
        "/etc/passwd",
        "/proc/self/environ",
        "in/missing.txt",
        "./in/ok.txt",
    ];
    let mut args = vec!["run", "read.jet", "--allow-read=in", "--"];
    args.extend(paths);
    let out = jetvm_in(&dir, &args);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let got = text(&out.stdout);
    assert!(
        !got.contains("secret\n") || !got.contains(": secret"),
        "{got}"
    );
    let lines: Vec<&str> = got.lines().collect();
    assert_eq!(lines.len(), paths.len(), "{got}");
    for (path, line) in paths.iter().zip(&lines) {
        let fine = [
            "in/ok.txt",
            "in/good_link.txt",
            "in/deep/../ok.txt",
            "./in/ok.txt",
        ]
        .contains(path);
        let want = if fine {
            "fine"
        } else if *path == "in/missing.txt" {
            "not found"
        } else {
            "denied"
        };
        assert_eq!(*line, format!("{path}: {want}"));
    }
}

#[test]
fn denials_win_over_grants() {
    let dir = temp("deny");
    std::fs::create_dir_all(dir.join("in/no")).expect("folder");
    std::fs::write(dir.join("read.jet"), READER).expect("program");
    std::fs::write(dir.join("in/no/x.txt"), "x").expect("file");
    let out = jetvm_in(
        &dir,
        &[
            "run",
            "--allow-read=in",
            "--deny-read=in/no",
            "read.jet",
            "--",
            "in/no/x.txt",
        ],
    );
    assert_eq!(
        text(&out.stdout),
        "in/no/x.txt: denied\n",
        "{}",
        text(&out.stderr)
    );
}

#[test]
fn endless_recursion_is_a_limit_with_its_line() {
    let dir = temp("depth");
    let program = "fn f(n: int) -> int:\n    return f(n + 1) + 1\n\nfn main():\n    let x = f(0)\n";
    std::fs::write(dir.join("deep.jet"), program).expect("program");
    let out = jetvm_in(&dir, &["run", "deep.jet"]);
    let message = text(&out.stderr);
    assert_eq!(out.status.code(), Some(4), "{message}");
    assert!(
        message.contains("depth") && message.contains("deep.jet:2"),
        "{message}"
    );
    assert!(message.len() < 20_000, "the stack is not shortened");
}

#[test]
fn a_plugin_that_asks_for_more_is_refused() {
    let out = jetvm_in(&root(), &["check", "examples/plugin_report/spy"]);
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8_lossy(&out.stderr);
    for part in ["E0609", "`FileRead`", "it does not raise `IoError`"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn usage_errors_exit_with_2() {
    for args in [
        &["run"][..],
        &["frobnicate", "x", "y"],
        &["run", "--fuel=x", "examples/wordfreq"],
        &["run", "--max-memory=", "examples/wordfreq"],
        &["run", "--jit=sometimes", "examples/wordfreq"],
    ] {
        let out = jetvm_in(&root(), args);
        assert_eq!(
            out.status.code(),
            Some(2),
            "{args:?}: {}",
            text(&out.stderr)
        );
        assert!(!out.stderr.is_empty());
    }
}

#[test]
fn json_messages_are_one_object_a_line() {
    let dir = temp("json");
    std::fs::write(
        dir.join("bad.jet"),
        "fn main():\n    Console.print(\"x\")\n",
    )
    .expect("program");
    let out = jetvm_in(&dir, &["check", "--message-format=json", "bad.jet"]);
    assert_eq!(out.status.code(), Some(1));
    let mut found = false;
    for line in text(&out.stderr).lines().chain(text(&out.stdout).lines()) {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        if value.get("code").is_some() {
            found = true;
            assert_eq!(value["line"], 2, "{line}");
            assert_eq!(value["severity"], "error");
        }
    }
    assert!(found);
}

#[test]
fn slips_on_the_command_line() {
    let dir = temp("slips");
    std::fs::write(dir.join("a.jet"), "fn main():\n    pass\n").expect("a file");
    let told = |args: &[&str]| {
        let out = jetvm_in(&dir, args);
        let message = text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{args:?}: {message}");
        message
    };
    for (args, part) in [
        (&["chek", "a.jet"][..], "did you mean `check`?"),
        (&["explain", "overflo"], "did you mean `overflow`?"),
        (&["run", "a.jet", "--allow-read", "."], "`--allow-read=.`"),
        (&["run", "a.jet", "x"], "`-- x`"),
        (&["repl", "--stats"], "`--stats`"),
    ] {
        let message = told(args);
        assert!(message.contains(part), "{args:?}: {message}");
        let json = told(&[&["--message-format=json"], args].concat());
        let object: serde_json::Value = serde_json::from_str(&json).expect("one object");
        assert_eq!(object["code"], serde_json::Value::Null, "{json}");
        assert!(
            object["message"].as_str().is_some_and(|m| !m.is_empty()),
            "{json}"
        );
    }
    let out = jetvm_in(&dir, &["new", "a.jet"]);
    assert_eq!(out.status.code(), Some(2));
    std::fs::create_dir(dir.join("p")).expect("a folder");
    let out = jetvm_in(&dir, &["new", "p"]);
    assert!(
        text(&out.stderr).contains("`p`: it exists already"),
        "{}",
        text(&out.stderr)
    );
    // What a file is called is what is run, whatever it resembles.
    std::fs::create_dir(dir.join("chek")).expect("a folder");
    let out = jetvm_in(&dir, &["chek"]);
    assert!(
        text(&out.stderr).contains("neither `main.jet`"),
        "{}",
        text(&out.stderr)
    );
    // A library is no program, and that has a code.
    std::fs::write(dir.join("lib.jet"), "fn f():\n    pass\n").expect("a file");
    let out = jetvm_in(&dir, &["run", "lib.jet"]);
    assert!(
        text(&out.stderr).contains("error[E0425]"),
        "{}",
        text(&out.stderr)
    );
}
