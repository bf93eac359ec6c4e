//! `jetvm check --fix`: what it repairs compiles, and nothing else is touched.

use std::path::{Path, PathBuf};
use std::process::Command;

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Folder {
        let dir = std::env::temp_dir().join(format!("jet-fix-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        for (file, text) in files {
            let path = dir.join(file);
            std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
            std::fs::write(path, text).expect("writable");
        }
        Folder(dir)
    }

    fn check(&self, input: &str, flags: &[&str]) -> (Option<i32>, String) {
        let out = Command::new(JETVM)
            .current_dir(&self.0)
            .args(["check", "--message-format=short"])
            .args(flags)
            .arg(input)
            .output()
            .expect("jetvm starts");
        (
            out.status.code(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        )
    }

    fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.join(file)).expect("file")
    }

    fn names(&self, dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join(dir)).expect("folder");
        let mut names: Vec<String> = entries
            .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn several_faults_of_one_file() {
    let wrong = "\
fn area(width: int, height: int) -> int:
    width * height;

fn both(a: bool, b: bool) -> bool:
    if a && b:
        return True
    else if a || b:
        return False
    return !a

fn half(n: int) -> float:
    return n as float / 2.0

fn main():
    let mut n = area(width: 2, height: 3)
    let x: int? = null
    n++
    let xs = [1].map(|v| v + 1)
";
    let right = "\
fn area(width: int, height: int) -> int:
    return width * height

fn both(a: bool, b: bool) -> bool:
    if a and b:
        return true
    elif a or b:
        return false
    return not a

fn half(n: int) -> float:
    return float(n) / 2.0

fn main():
    let mut n = area(width = 2, height = 3)
    let x: int? = None
    n += 1
    let xs = [1].map(fn(v) => v + 1)
";
    let folder = Folder::new("several", &[("a.jet", wrong)]);
    let (exit, said) = folder.check("a.jet", &["--fix"]);
    assert_eq!(folder.text("a.jet"), right, "{said}");
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.starts_with("repaired "), "{said}");
    assert_eq!(folder.names(Path::new("")), ["a.jet"]);
    let (exit, said) = folder.check("a.jet", &["--fix"]);
    assert_eq!(exit, Some(0));
    assert!(
        !said.contains("repaired") && !said.contains("error"),
        "{said}"
    );
}

#[test]
fn parentheses_of_assert_go_and_nothing_else() {
    let wrong = "fn f(c: bool):\n    assert(c, \"a\")\n    let _ = 1\n    assert (c, \"b\")\n\nfn main():\n    f(true)\n";
    let right = "fn f(c: bool):\n    assert c, \"a\"\n    let _ = 1\n    assert c, \"b\"\n\nfn main():\n    f(true)\n";
    let folder = Folder::new("assert", &[("a.jet", wrong)]);
    let (exit, said) = folder.check("a.jet", &["--fix"]);
    assert_eq!(folder.text("a.jet"), right, "{said}");
    assert_eq!(exit, Some(0), "{said}");
}

#[test]
fn a_capability_travels_up_the_calls_through_files() {
    let main = "\
from report import report

struct Quiet:
    mut lines: int = 0

impl Console for Quiet:
    fn print(self, s: string):
        self.lines += 1
    fn write(self, s: string):
        pass
    fn error(self, s: string):
        pass
    fn read_line(self) -> string?:
        return None

fn bound():
    with Console = Quiet():
        report(1)

fn middle(n: int) -> int ! IoError:
    report(n)
    return n

fn main() ! IoError:
    bound()
    let n = middle(1)?
";
    let report = "\
fn report(n: int):
    if n > 0:
        line(n)

fn line(n: int) uses Clock:
    Console.print(f\"{Clock.now()} {n}\")
";
    let folder = Folder::new("path", &[("main.jet", main), ("report.jet", report)]);
    let (exit, said) = folder.check("main.jet", &["--fix"]);
    assert_eq!(exit, Some(0), "{said}");
    let fixed = folder.text("main.jet");
    assert!(fixed.contains("fn bound() uses Clock:"), "{fixed}{said}");
    assert!(
        fixed.contains("fn middle(n: int) -> int uses Clock + Console ! IoError:")
            || fixed.contains("fn middle(n: int) -> int uses Console + Clock ! IoError:"),
        "{fixed}"
    );
    assert!(
        folder
            .text("report.jet")
            .contains("fn line(n: int) uses Clock + Console:")
    );
}

#[test]
fn what_has_no_fix_stays() {
    let text = "fn main():\n    let n: int = \"a\"\n";
    let folder = Folder::new("stays", &[("a.jet", text)]);
    let (exit, said) = folder.check("a.jet", &["--fix"]);
    assert_eq!(exit, Some(1));
    assert!(
        said.contains("E0401") && !said.contains("repaired"),
        "{said}"
    );
    assert_eq!(folder.text("a.jet"), text);
}

#[test]
fn json_carries_the_edits() {
    let folder = Folder::new("json", &[("a.jet", "fn main():\n    let x = 1;\n")]);
    let out = Command::new(JETVM)
        .current_dir(&folder.0)
        .args(["check", "--message-format=json", "a.jet"])
        .output()
        .expect("jetvm starts");
    let line = String::from_utf8_lossy(&out.stderr).into_owned();
    let message: serde_json::Value = serde_json::from_str(line.trim()).expect("json");
    let edit = &message["fix"][0];
    assert_eq!(
        (
            &edit["file"],
            &edit["start"],
            &edit["end"],
            &edit["replacement"]
        ),
        (&"a.jet".into(), &24.into(), &25.into(), &"".into())
    );
}

#[test]
fn what_is_no_source_or_does_not_parse_stays_as_it_is() {
    let notes = "# Notes\n\nlet x = 1;\n";
    let half = "fn main():\n    let x = 1;\n    let y = (x\n";
    let folder = Folder::new("foreign", &[("notes.md", notes), ("half.jet", half)]);
    let (code, text) = folder.check("notes.md", &["--fix"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("neither source text nor a bundle"), "{text}");
    assert_eq!(folder.text("notes.md"), notes);
    let (code, text) = folder.check("half.jet", &["--fix"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(!text.contains("repaired"), "{text}");
    assert_eq!(folder.text("half.jet"), half);
}

#[test]
fn a_long_path_of_calls() {
    let mut text = String::from("fn f0():\n    Console.print(\"\")\n");
    for i in 1..300 {
        text.push_str(&format!("\nfn f{i}():\n    f{}()\n", i - 1));
    }
    text.push_str("\nfn main() uses Console:\n    f299()\n");
    let folder = Folder::new("long_path", &[("main.jet", &text)]);
    let (code, told) = folder.check("main.jet", &["--fix"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("repaired 300 faults"), "{told}");
}
