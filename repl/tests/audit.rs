//! `audit --diff`, `--deny-new` and `run --explain-grants`: what a new version gains, by which calls, and the flags
//! that a program needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let root = std::env::temp_dir().join(format!("jet-audit-{}-{name}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        Folder(root)
    }

    fn write(&self, path: &str, text: &str) -> &Folder {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn run(&self, line: &str) -> (Option<i32>, String, String) {
        let out = Command::new(env!("CARGO_BIN_EXE_jetvm"))
            .args(line.split_whitespace())
            .current_dir(&self.0)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (out.status.code(), text(out.stdout), text(out.stderr))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const MANIFEST: &str = "name = \"app\"\nversion = \"1.0.0\"\n\n[dependencies]\ntext = { path = \"../NAME\", allow = [\"FileWrite\"] }\n";
const MAIN: &str = "import text\n\nfn main() uses Console + FileWrite:\n    Console.print(text.shout(\"hi\"))\n    text.log(\"hi\")\n";
const OLD: &str = "pub fn shout(s: string) -> string:\n    return s.to_upper()\n\npub fn log(s: string) uses FileWrite:\n    FileWrite.append_text(\"log\", s) else ()\n";

/// An application whose dependency comes in two versions.
fn versions(name: &str, newer: &str, main: &str) -> Folder {
    let folder = Folder::new(name);
    for (dir, dep, lib) in [("old", "text1", OLD), ("new", "text2", newer)] {
        let main = if dir == "old" { MAIN } else { main };
        folder
            .write(&format!("{dir}/jet.toml"), &MANIFEST.replace("NAME", dep))
            .write(&format!("{dir}/src/main.jet"), main)
            .write(
                &format!("{dep}/jet.toml"),
                "name = \"text\"\nversion = \"1.0.1\"\n",
            )
            .write(&format!("{dep}/src/lib.jet"), lib);
    }
    folder
}

#[test]
fn a_patch_release_that_takes_more_is_named_with_its_path() {
    let newer = "pub fn shout(s: string) -> string uses FileWrite:\n    note(s)\n    return s.to_upper()\n\nfn note(s: string) uses FileWrite:\n    FileWrite.append_text(\"stolen\", s) else ()\n\npub fn log(s: string):\n    pass\n";
    let old = OLD.replace(
        "uses FileWrite:\n    FileWrite.append_text(\"log\", s) else ()",
        ":\n    pass",
    );
    let main = MAIN.replace(" + FileWrite", "");
    let folder = versions("patch", newer, MAIN);
    folder.write("text1/src/lib.jet", &old.replace(") :", "):"));
    folder.write("old/src/main.jet", &main);
    let (code, out, err) = folder.run("audit --diff old new");
    assert_eq!(code, Some(0), "{out}{err}");
    for part in [
        "gained\n  `main` asks for FileWrite\n",
        "  package `text` uses FileWrite\n    text.shout (text/src/lib.jet:2) → text.note (text/src/lib.jet:2) → FileWrite.append_text (text/src/lib.jet:6)\n",
        "lost: nothing\n",
    ] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    let (code, out, err) = folder.run("audit --diff old new --deny-new");
    assert_eq!(code, Some(3), "{out}{err}");
    assert!(err.contains("`new` gains authority"), "{err}");
    let (code, out, _) = folder.run("audit --diff old new --deny-new --json");
    assert_eq!(code, Some(3));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let gained = json["gained"].as_array().unwrap();
    let share = gained
        .iter()
        .find(|f| f["kind"] == "use" && f["package"] == "text")
        .unwrap();
    assert_eq!(share["capability"], "FileWrite");
    assert_eq!(share["path"].as_array().unwrap().len(), 3);
    assert_eq!(json["lost"].as_array().unwrap().len(), 0);
}

#[test]
fn the_other_way_round_it_is_lost_and_nothing_is_denied() {
    let newer = OLD.replace(
        " uses FileWrite:\n    FileWrite.append_text(\"log\", s) else ()",
        ":\n    pass",
    );
    let main = MAIN.replace(" + FileWrite", "");
    let folder = versions("lost", &newer, &main);
    let (code, out, err) = folder.run("audit --diff old new --deny-new");
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.starts_with("gained: nothing\nlost\n  `main` asks for FileWrite\n"),
        "{out}"
    );
    let (code, out, _) = folder.run("audit --diff old old --deny-new");
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "gained: nothing\nlost: nothing\n")
    );
}

#[test]
fn a_new_attenuator_is_gained_authority() {
    let folder = Folder::new("attenuator");
    folder.write("a.jet", "capability Log:\n    fn note(s: string)\n\nstruct Fake:\n    n: int\n\nimpl Log for Fake:\n    fn note(self, s: string):\n        pass\n\nfn main() uses Console:\n    Console.print(\"x\")\n    with Log = Fake(1):\n        Log.note(\"x\")\n");
    folder.write("b.jet", "capability Log:\n    fn note(s: string)\n\nstruct Real:\n    out: Console\n\nimpl Log for Real:\n    fn note(self, s: string):\n        self.out.print(s)\n\nfn main() uses Console:\n    Console.print(\"x\")\n    with Log = Real(Console):\n        Log.note(\"x\")\n");
    let (code, out, _) = folder.run("audit --diff a.jet b.jet --deny-new");
    assert_eq!(code, Some(3), "{out}");
    assert!(
        out.contains("Log is made from Console, by Real\n    b.jet:9\n"),
        "{out}"
    );
    // Two bundles are compared just as well as two sources.
    folder.run("build a.jet");
    folder.run("build b.jet");
    assert_eq!(folder.run("audit --diff a.jbc b.jbc").1, out);
}

#[test]
fn diff_takes_two_programs() {
    let folder = Folder::new("usage");
    folder.write("a.jet", "fn main():\n    pass\n");
    for line in [
        "audit --diff a.jet",
        "audit a.jet a.jet",
        "audit --deny-new a.jet",
    ] {
        assert_eq!(folder.run(line).0, Some(2), "{line}");
    }
    assert_eq!(folder.run("audit --diff a.jet missing.jet").0, Some(2));
}

#[test]
fn grants_are_explained_and_enough() {
    let folder = Folder::new("grants");
    folder.write("p.jet", "fn main() uses Clock + Env:\n    home()\n    Clock.now()\n\nfn home() uses Env:\n    Env.get(\"HOME\")\n");
    let (code, out, err) = folder.run("run --explain-grants p.jet");
    assert_eq!(code, Some(0), "{err}");
    for part in [
        "--allow-env\n  p.main (p.jet:2) → p.home (p.jet:2) → Env.get (p.jet:6)\n  `--allow-env=NAME,…` grants no more than these\n",
        "--allow-clock\n",
        "--deny-console\n",
    ] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    // The command line in its last line runs the program; with any flag of a capability left out, it does not.
    let line = out.lines().last().unwrap().strip_prefix("jetvm ").unwrap();
    assert_eq!(folder.run(line).0, Some(0), "{line}");
    for flag in ["--allow-env ", "--allow-clock "] {
        assert_eq!(folder.run(&line.replace(flag, "")).0, Some(3), "{line}");
    }
    folder.write(
        "own.jet",
        "capability Orders:\n    fn all() -> int\n\nfn main() uses Orders:\n    Orders.all()\n",
    );
    let (code, _, err) = folder.run("run --explain-grants own.jet");
    assert_eq!(code, Some(3));
    assert!(err.contains("`own.Orders`, which no flag grants"), "{err}");
    folder.write("none.jet", "fn main():\n    pass\n");
    let (code, out, _) = folder.run("run --explain-grants none.jet");
    assert_eq!(code, Some(0));
    assert!(
        out.ends_with("jetvm run --deny-console none.jet\n"),
        "{out}"
    );
}

const CHAIN: &str = "capability Store:
    fn rows() -> [string]

capability Orders:
    fn recent() -> [string]

struct FileStore:
    path: string
    files: FileRead
impl Store for FileStore:
    fn rows(self) -> [string]:
        return (self.files.read_text(self.path) else \"\").lines()

struct Counted:
    store: Store
    mut n: int = 0
impl Store for Counted:
    fn rows(self) -> [string]:
        self.n += 1
        return self.store.rows()

struct UserOrders:
    user: string
    store: Store
impl Orders for UserOrders:
    fn recent(self) -> [string]:
        return self.store.rows().filter(fn(r) => r.starts_with(self.user))

fn report() uses Orders + Console:
    Orders.recent().each(Console.print)

fn serve(user: string) uses Store + Console:
    with Store = Counted(Store):
        with Orders = UserOrders(user, Store):
            report()

fn main() uses FileRead + Console:
    with Store = FileStore(\"orders.txt\", FileRead):
        serve(\"ada\")
";

#[test]
fn provenance_leads_to_the_root() {
    let folder = Folder::new("chain");
    folder.write("shop.jet", CHAIN);
    let (code, out, err) = folder.run("audit shop.jet");
    assert_eq!(code, Some(0), "{out}{err}");
    for part in [
        "  Orders ← Store, by UserOrders (shop.jet:27)\n    made by shop.serve (shop.jet:34)\n",
        "    UserOrders ← Counted (shop.jet:19) ← FileStore (shop.jet:12) ← FileRead, granted by the host\n",
        "foreign functions: none\n",
    ] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    let (_, out, _) = folder.run("audit shop.jet --json");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let orders = json["attenuators"].as_array().unwrap();
    let orders = orders.iter().find(|a| a["by"] == "UserOrders").unwrap();
    let chain = orders["chains"][0].as_array().unwrap();
    assert_eq!(chain.len(), 3, "{orders}");
    assert_eq!(chain[1]["by"], "FileStore");
    assert_eq!(chain[2]["granted"], "FileRead");
    assert_eq!(json["externs"].as_array().map(Vec::len), Some(0));
    // The bundle says the same.
    assert_eq!(folder.run("build shop.jet -o shop.jbc").0, Some(0));
    let (_, from_bundle, _) = folder.run("audit shop.jbc --json");
    assert_eq!(from_bundle, out);
}

#[test]
fn warnings_can_be_denied() {
    let folder = Folder::new("warnings");
    folder.write(
        "a.jet",
        "fn main() uses Console + Env:\n    Console.print(\"x\")\n",
    );
    let (code, out, _) = folder.run("audit a.jet");
    assert_eq!(code, Some(0));
    assert!(
        out.contains("warning: main asks for Env and never uses it\n"),
        "{out}"
    );
    let (code, _, err) = folder.run("audit a.jet --deny-warnings");
    assert_eq!(code, Some(3));
    assert!(err.contains("`a.jet` has 2 warnings"), "{err}");
    // In a bundle, of which nobody has the sources.
    assert_eq!(folder.run("build a.jet -o a.jbc").0, Some(0));
    let (code, _, err) = folder.run("audit a.jbc --deny-warnings");
    assert_eq!(code, Some(3), "{err}");
    folder.write(
        "b.jet",
        "fn main() uses Console:\n    Console.print(\"x\")\n",
    );
    assert_eq!(folder.run("audit b.jet --deny-warnings").0, Some(0));
    assert_eq!(
        folder.run("audit --diff a.jet b.jet --deny-warnings").0,
        Some(0)
    );
    assert_eq!(
        folder.run("audit --diff b.jet a.jet --deny-warnings").0,
        Some(3)
    );
}
