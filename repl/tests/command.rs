//! The command as a user meets it: what it prints, where, and with which code it exits.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const HELLO: &str = "fn main() uses Console:\n    Console.print(\"hello\")\n";

struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "jet-command-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(&root).unwrap();
        let folder = Folder(root.canonicalize().unwrap());
        for (path, text) in files {
            folder.write(path, text.as_bytes());
        }
        folder
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        // Tests may be started with interrupts ignored, which a process inherits.
        let mut command = Command::new("env");
        command
            .args(["--default-signal=INT", env!("CARGO_BIN_EXE_jetvm")])
            .args(line.split_whitespace())
            .current_dir(&self.0)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Ran {
        Ran::of(self.command(line).output().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    #[track_caller]
    fn expect(self, code: i32, out: &str, in_err: &[&str]) -> Ran {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, out, "{self:?}");
        for part in in_err {
            assert!(self.err.contains(part), "`{part}` is not in {self:?}");
        }
        if in_err.is_empty() {
            assert_eq!(self.err, "", "{self:?}");
        }
        self
    }
}

#[test]
fn sources_and_bundles_run_alike() {
    let folder = Folder::new(&[("hello.jet", HELLO), ("dir/main.jet", HELLO)]);
    folder.run("hello.jet").expect(0, "hello\n", &[]);
    folder.run("run dir").expect(0, "hello\n", &[]);
    folder.run("check dir").expect(0, "", &[]);
    folder.run("build dir").expect(0, "", &[]);
    let first = fs::read(folder.0.join("dir.jbc")).unwrap();
    folder.run("build dir -o again.jbc").expect(0, "", &[]);
    assert_eq!(first, fs::read(folder.0.join("again.jbc")).unwrap());
    folder.run("dir.jbc").expect(0, "hello\n", &[]);
    let verified = folder.run("verify dir.jbc");
    assert!(
        verified.out.starts_with("ok: 2 packages, ") && verified.code == Some(0),
        "{verified:?}"
    );
    let audited = folder.run("audit dir.jbc");
    assert!(
        audited.out.starts_with("main asks for\n  Console\n"),
        "{audited:?}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&folder.run("audit --json dir").out).unwrap();
    assert_eq!(json["requests"][0]["capability"], "Console");
    assert!(folder.run("disasm dir.jbc").out.contains("main"));
    folder
        .run("build dir.jbc")
        .expect(2, "", &["is a bundle already"]);
    // The same sources elsewhere give the same bytes.
    let other = Folder::new(&[("x/y/dir/main.jet", HELLO)]);
    other.run("build x/y/dir").expect(0, "", &[]);
    assert_eq!(first, fs::read(other.0.join("dir.jbc")).unwrap());
}

#[test]
fn a_missing_grant_is_refused_before_anything_runs() {
    let text = "fn main() uses Console + FileRead ! IoError:\n    Console.print(\"started\")\n    load()?\n\n\
        fn load() uses FileRead ! IoError:\n    let _text = FileRead.read_text(\"x\")?\n";
    let folder = Folder::new(&[("main.jet", text), ("x", "")]);
    folder
        .run("main.jet")
        .expect(3, "", &["`FileRead`", "--allow-read", "load"]);
    folder
        .run("main.jet --allow-read --deny-read")
        .expect(3, "", &["`FileRead`"]);
    folder
        .run("main.jet --deny-console --allow-read")
        .expect(3, "", &["`Console`"]);
    folder
        .run("main.jet --allow-read=.")
        .expect(0, "started\n", &[]);
    let json = folder
        .run("main.jet --message-format=json")
        .expect(3, "", &["call_path"]);
    let object: serde_json::Value = serde_json::from_str(json.err.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&object["capability"], &object["flag"]),
        (&"FileRead".into(), &"--allow-read".into())
    );
}

#[test]
fn a_path_outside_of_the_grant_is_an_error_of_the_program() {
    let text = "fn main(args: [string]) uses Console + FileRead:\n    for path in args:\n        match FileRead.read_text(path):\n            \
        Ok(text) => Console.print(text)\n            Err(IoError.Denied(p)) => Console.print(f\"denied {p}\")\n            \
        Err(_) => Console.print(\"other\")\n";
    let folder = Folder::new(&[("main.jet", text), ("in/a", "inside"), ("out/b", "outside")]);
    std::os::unix::fs::symlink("../out/b", folder.0.join("in/link")).unwrap();
    let line = "main.jet --allow-read=in -- in/a in/../out/b in/link /etc/passwd in/none";
    let expected = "inside\ndenied in/../out/b\ndenied in/link\ndenied /etc/passwd\nother\n";
    folder.run(line).expect(0, expected, &[]);
}

#[test]
fn errors_of_main_and_traps_exit_with_1() {
    let text = "fn main() uses FileRead ! IoError:\n    let text = FileRead.read_text(\"none\")?\n";
    let folder = Folder::new(&[
        ("fail.jet", text),
        (
            "trap.jet",
            "fn main():\n    let xs = [1]\n    let i = xs.len() + 2\n    let _x = xs[i]\n",
        ),
    ]);
    folder
        .run("fail.jet --allow-read")
        .expect(1, "", &["main failed", "NotFound", "none"]);
    folder.run("trap.jet").expect(
        1,
        "",
        &["trap[bounds]", "index 3", "trap.jet:4", "let _x = xs[i]"],
    );
    let short = folder
        .run("trap.jet --message-format=short")
        .expect(1, "", &["trap[bounds]: "]);
    assert_eq!(short.err.lines().count(), 1, "{short:?}");
    let json: serde_json::Value =
        serde_json::from_str(&folder.run("trap.jet --message-format=json").err).unwrap();
    assert_eq!(
        (&json["trap"], &json["line"], &json["limit"]),
        (&"bounds".into(), &4.into(), &serde_json::Value::Null)
    );
}

#[test]
fn what_does_not_check_says_so_in_every_format() {
    let folder = Folder::new(&[(
        "bad.jet",
        "fn main():\n    let x: int = \"text\"\n    Console.print(\"x\")\n",
    )]);
    for command in ["run", "check", "build", "audit", "disasm"] {
        folder
            .run(&format!("{command} bad.jet"))
            .expect(1, "", &["error[E", "bad.jet:2:"]);
    }
    let short = folder
        .run("check bad.jet --message-format=short")
        .expect(1, "", &["bad.jet:2:"]);
    assert!(
        short.err.lines().all(|line| line.starts_with("bad.jet:")),
        "{short:?}"
    );
    let json = folder
        .run("check bad.jet --message-format=json")
        .expect(1, "", &["{"]);
    for line in json.err.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            object["code"].is_string() && object["line"].is_u64(),
            "{line}"
        );
    }
}

#[test]
fn limits_end_a_run_with_4_and_their_name() {
    let folder = Folder::new(&[
        ("loop.jet", "fn main():\n    loop:\n        pass\n"),
        (
            "grow.jet",
            "fn main():\n    let xs: [int] = []\n    loop:\n        xs.push(1)\n",
        ),
        (
            "deep.jet",
            "fn f(n: int) -> int:\n    return f(n + 1) + 1\n\nfn main() uses Console:\n    Console.print(f\"{f(0)}\")\n",
        ),
        (
            "flood.jet",
            "fn main() uses Console:\n    loop:\n        Console.print(\"0123456789\")\n",
        ),
        (
            "wait.jet",
            "fn main() uses Console:\n    let line = Console.read_line()\n    Console.print(\"read\")\n",
        ),
    ]);
    let started = Instant::now();
    folder
        .run("loop.jet --fuel=1000000")
        .expect(4, "", &["limit[fuel]", "loop.jet:3"]);
    folder
        .run("loop.jet --max-time=300ms")
        .expect(4, "", &["limit[time]", "loop.jet"]);
    folder
        .run("grow.jet --max-memory=64M")
        .expect(4, "", &["limit[memory]", "grow.jet:4"]);
    folder
        .run("deep.jet")
        .expect(4, "", &["limit[depth]", "deep.jet:2"]);
    folder
        .run("deep.jet --max-depth=100")
        .expect(4, "", &["limit[depth]"]);
    let flood = folder.run("flood.jet --max-output=100");
    assert_eq!((flood.code, flood.out.len()), (Some(4), 99), "{flood:?}");
    // Somebody who waits for input that never comes is ended too.
    let mut child = folder
        .command("wait.jet --max-time=300ms")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take();
    Ran::of(child.wait_with_output().unwrap()).expect(4, "", &["limit[time]", "wait.jet:2"]);
    drop(input);
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn input_is_read_line_by_line() {
    let text = "fn main() uses Console:\n    loop:\n        match Console.read_line():\n            Some(line) => Console.print(f\"<{line}>\")\n            None => break\n    Console.error(\"end\")\n";
    let folder = Folder::new(&[("cat.jet", text)]);
    let mut child = folder
        .command("cat.jet")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all("a\nä\r\n\nlast".as_bytes())
        .unwrap();
    Ran::of(child.wait_with_output().unwrap()).expect(0, "<a>\n<ä>\n<>\n<last>\n", &["end\n"]);
}

#[test]
fn interrupts_exit_with_130() {
    let folder = Folder::new(&[(
        "loop.jet",
        "fn main() uses Console:\n    Console.print(\"kept\")\n    loop:\n        pass\n",
    )]);
    let child = folder
        .command("loop.jet")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(130), "kept\n"),
        "{ran:?}"
    );
}

#[test]
fn stats_say_what_it_cost_and_what_ran() {
    let folder = Folder::new(&[("hello.jet", HELLO)]);
    let ran = folder
        .run("hello.jet --stats=json --jit=stress --seed=7")
        .expect(0, "hello\n", &["{"]);
    let stats: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(stats["jit"]["mode"], "stress");
    assert_eq!(
        (&stats["end"], &stats["seed"], &stats["host"]["output"]),
        (&"ok".into(), &7.into(), &6.into())
    );
    assert!(stats["fuel"].as_u64().unwrap() > 0);
    let again = folder.run("hello.jet --stats=json --jit=off --gc=stress --seed=7");
    let again: serde_json::Value = serde_json::from_str(&again.err).unwrap();
    assert_eq!(again["fuel"], stats["fuel"]);
    assert!(again["full"]["collections"].as_u64().unwrap() > 0);
    assert!(again["full"]["p50_ms"].as_f64().unwrap() > 0.0);
    let told = |flags: &str, engine: &str| {
        let told = format!("engine {engine}");
        let ran = folder.run(&format!("hello.jet --stats {flags}"));
        ran.expect(0, "hello\n", &[&told]);
    };
    told("--jit=off", "interpreter");
    told("", jet_jit::Mode::On.engine());
}

#[test]
fn each_collection_is_told() {
    let text = "fn main():\n    let mut keep: [[int]] = []\n    for i in 0..200_000:\n        keep.push([i, i + 1])\n";
    let folder = Folder::new(&[("grow.jet", text)]);
    let human = folder
        .run("grow.jet --gc-log")
        .expect(0, "", &["gc 1: nursery, "]);
    let json = folder.run("grow.jet --gc-log --message-format=json");
    let events: Vec<serde_json::Value> = json
        .err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), human.err.lines().count());
    for (i, event) in events.iter().enumerate() {
        assert_eq!(event["gc"], i + 1);
        assert!(event["before"].as_u64() >= event["after"].as_u64());
        assert!(event["committed"].as_u64() > event["after"].as_u64());
    }
}

#[test]
fn dependencies_name_only_what_their_dependents_allow() {
    let manifest = |allow: &str| {
        format!("name = \"app\"\n[dependencies]\ntool = {{ path = \"../tool\"{allow} }}\n")
    };
    let folder = Folder::new(&[
        ("app/jet.toml", &manifest("")),
        (
            "app/src/main.jet",
            "import tool\n\nfn main() uses Console:\n    tool.hello()\n",
        ),
        ("tool/jet.toml", "name = \"tool\"\n"),
        (
            "tool/src/lib.jet",
            "pub fn hello() uses Console:\n    Console.print(\"from tool\")\n",
        ),
    ]);
    folder
        .run("app")
        .expect(1, "", &["`tool` of `app` names `Console`"]);
    folder.write(
        "app/jet.toml",
        manifest(", allow = [\"Console\"]").as_bytes(),
    );
    folder.run("app").expect(0, "from tool\n", &[]);
}

#[test]
fn whatever_the_file_holds_the_answer_is_a_clear_error() {
    let folder = Folder::new(&[("hello.jet", HELLO), ("nomain.jet", "fn f():\n    pass\n")]);
    folder.write("utf8.jet", b"fn main():\n    \xff\n");
    folder.write(
        "random.jbc",
        &(0..5000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect::<Vec<_>>(),
    );
    folder.write(
        "random",
        &(0..5000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect::<Vec<_>>(),
    );
    folder.write("open.jet", &[b'('; 10 << 20]);
    folder.write(
        "nested.jet",
        format!("fn main():\n    let x = {}1\n", "(".repeat(100_000)).as_bytes(),
    );
    folder.write("empty.jbc", b"");
    folder.run("build hello.jet").expect(0, "", &[]);
    let good = fs::read(folder.0.join("hello.jbc")).unwrap();
    folder.write("cut.jbc", &good[..good.len() / 2]);
    for command in ["run", "check", "verify"] {
        for name in [
            "utf8.jet",
            "random.jbc",
            "random",
            "open.jet",
            "nested.jet",
            "empty.jbc",
            "cut.jbc",
            "/dev/null",
            "/dev/zero",
            ".",
        ] {
            let ran = folder.run(&format!("{command} {name}"));
            assert!(
                matches!(ran.code, Some(1..=3)) && ran.out.is_empty() && ran.err.contains("error"),
                "{command} {name}: {ran:?}"
            );
            assert!(ran.err.len() < 100_000, "{command} {name}");
        }
    }
    folder
        .run("run random.jbc")
        .expect(3, "", &["not a Jet bundle"]);
    folder.run("nomain.jet").expect(1, "", &["main"]);
}

#[test]
fn changed_bundles_are_refused() {
    let folder = Folder::new(&[("hello.jet", HELLO)]);
    folder.run("build hello.jet").expect(0, "", &[]);
    let good = fs::read(folder.0.join("hello.jbc")).unwrap();
    assert!(jetvm::engine::Module::from_bytes(&good).is_ok());
    let mut state = 1u64;
    for _ in 0..300 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mut bytes = good.clone();
        let at = (state >> 33) as usize % bytes.len();
        bytes[at] ^= 1 << (state >> 20 & 7);
        assert!(
            jetvm::engine::Module::from_bytes(&bytes).is_err(),
            "byte {at}"
        );
        bytes.truncate(at);
        assert!(
            jetvm::engine::Module::from_bytes(&bytes).is_err(),
            "cut at {at}"
        );
    }
}

#[test]
fn the_command_line_is_refused_with_2() {
    let folder = Folder::new(&[("hello.jet", HELLO)]);
    for line in [
        "",
        "hello.jet --nope",
        "hello.jet --fuel=x",
        "run none.jet",
        "hello.jet extra",
        "hello.jet --allow-read=",
    ] {
        let ran = folder.run(line);
        assert!(
            ran.code == Some(2) && ran.out.is_empty() && !ran.err.is_empty(),
            "{line}: {ran:?}"
        );
    }
    folder
        .run("hello.jet --allow-tasks")
        .expect(2, "", &["not supported yet"]);
    folder.run("lsp").expect(2, "", &["not supported yet"]);
    assert!(folder.run("--help").out.contains("Usage"));
    assert!(Path::new(env!("CARGO_BIN_EXE_jetvm")).exists());
}
