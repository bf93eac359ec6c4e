//! `jetvm new` and `jetvm doc`, as a user types them.

use std::path::{Path, PathBuf};
use std::process::Command;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("jetvm-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Exit code, standard output and standard error.
fn jetvm(folder: &Path, args: &str) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_jetvm"))
        .args(args.split_whitespace())
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    (
        out.status.code().unwrap_or(-1),
        String::from_utf8(out.stdout).unwrap(),
        String::from_utf8(out.stderr).unwrap(),
    )
}

#[test]
fn a_new_package_runs_and_passes() {
    let folder = Folder::new("new");
    let at = folder.0.as_path();
    assert_eq!(jetvm(at, "new app").0, 0);
    let (code, out, err) = jetvm(at, "run app -- Ada");
    assert_eq!((code, out.as_str()), (0, "Hello, Ada!\n"), "{err}");
    let (code, out, err) = jetvm(at, "test app");
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.ends_with("2 passed, 0 failed\n"), "{out}");
    assert_eq!(jetvm(at, "fmt --check app").0, 0);

    assert_eq!(jetvm(at, "new tools --lib").0, 0);
    let (code, out, err) = jetvm(at, "test tools");
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = jetvm(at, "check tools");
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""));
    assert_eq!(jetvm(at, "fmt --check tools").0, 0);
}

#[test]
fn nothing_that_exists_is_touched() {
    let folder = Folder::new("exists");
    std::fs::create_dir(folder.0.join("app")).unwrap();
    let (code, _, err) = jetvm(&folder.0, "new app");
    assert_eq!(code, 1);
    assert!(err.contains("cannot make `app`"), "{err}");
    assert!(!folder.0.join("app/jet.toml").exists());
    let (code, _, err) = jetvm(&folder.0, "new My-App");
    assert_eq!(code, 2);
    assert!(err.contains("`My-App` cannot name a package"), "{err}");
}

#[test]
fn documentation_of_a_package() {
    let folder = Folder::new("doc");
    let at = folder.0.as_path();
    jetvm(at, "new tools --lib");
    let (code, out, err) = jetvm(at, "doc tools");
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(
        out,
        "# tools.lib\n\n## fn greeting\n\n```jet\nfn greeting(name: string) -> string\n```\n\n\
         The greeting for somebody.\n\n```jet\nassert greeting(\"Ada\") == \"Hello, Ada!\"\n```\n"
    );
    let (code, out, _) = jetvm(at, "doc tools --format=json");
    assert_eq!(code, 0);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["modules"][0]["items"][0]["name"], "greeting");
    assert_eq!(jetvm(at, "doc tools -o pages").0, 0);
    assert!(at.join("pages/README.md").is_file() && at.join("pages/lib.md").is_file());

    jetvm(at, "new app");
    let (code, out, err) = jetvm(at, "doc app");
    assert_eq!((code, out.as_str()), (0, "# app.main\n"));
    assert!(err.contains("`--private`"), "{err}");
    assert!(jetvm(at, "doc app --private").1.contains("## fn main"));
}

#[test]
fn documentation_of_the_standard_library() {
    let folder = Folder::new("std");
    let (code, out, err) = jetvm(&folder.0, "doc --std --module=text");
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("# std.text\n"), "{out}");
    assert!(out.contains("fn length(s: string) -> int"), "{out}");
    let (code, _, err) = jetvm(&folder.0, "doc --std --module=txt");
    assert_eq!(code, 2);
    assert!(err.contains("no module `txt`"), "{err}");
}
