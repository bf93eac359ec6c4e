//! Bundles as files: assembly text round-trips for every program we have, signatures are asked for and
//! refused by the command line, `inspect` tells what is inside.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jet_bytecode::asm::{assemble, text as assembly};
use jet_bytecode::format::encode;
use jet_tests::suite::root;
use jetvm::sources::{Input, load};

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

fn temp(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("jet-bundles-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("temporary folder");
    dir
}

fn jetvm(dir: &Path, args: &[&str]) -> Output {
    Command::new(JETVM)
        .current_dir(dir)
        .env("NO_COLOR", "1")
        .env_remove("JETVM_TRUSTED_KEYS")
        .args(args)
        .output()
        .expect("jetvm starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn ok(dir: &Path, args: &[&str]) -> String {
    let out = jetvm(dir, args);
    assert!(out.status.success(), "{args:?}: {}", text(&out.stderr));
    text(&out.stdout)
}

#[track_caller]
fn refused(dir: &Path, args: &[&str], code: i32, why: &str) {
    let out = jetvm(dir, args);
    let said = text(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{args:?}: {said}");
    assert!(said.contains(why), "{args:?}: {said}");
    assert!(out.stdout.is_empty(), "{args:?}");
}

/// Folders and files that are programs: examples, benchmarks, and every tenth conformance program.
fn programs() -> Vec<PathBuf> {
    let mut out = vec![root().join("bench/awfy")];
    let list = |dir: &str| {
        let mut all: Vec<PathBuf> = std::fs::read_dir(root().join(dir))
            .expect("folder")
            .map(|e| e.expect("entry").path())
            .collect();
        all.sort();
        all
    };
    let is_program = |p: &PathBuf| p.is_dir() || p.extension().is_some_and(|e| e == "jet");
    out.extend(list("examples").into_iter().filter(is_program));
    for area in list("tests/programs").iter().filter(|p| p.is_dir()) {
        let name = format!("tests/programs/{}", area.file_name().unwrap().display());
        let all = list(&name)
            .into_iter()
            .filter(|p| p.extension().is_some_and(|e| e == "jet"));
        out.extend(all.step_by(10));
    }
    out
}

#[test]
fn assembly_of_every_program_is_read_back_to_the_same_bytes() {
    let mut seen = 0;
    let mut packages = std::collections::BTreeSet::new();
    for path in programs() {
        let Ok(Input::Texts(texts)) = load(&path) else {
            continue;
        };
        let Some(bundle) = jet_frontend::driver::compile(&texts.program).bundle else {
            continue;
        };
        packages.extend(bundle.packages.iter().map(|p| p.name.clone()));
        let written = assembly(&bundle);
        let back = assemble(&written)
            .unwrap_or_else(|why| panic!("{}: {why}", path.display()))
            .bundle;
        assert_eq!(
            encode(&back).unwrap(),
            encode(&bundle).unwrap(),
            "{}",
            path.display()
        );
        assert!(!written.contains("  word ") && !written.contains("  raw "));
        seen += 1;
    }
    assert!(seen > 20, "{seen} programs");
    assert!(packages.contains("std"));
}

const HELLO: &str = "fn main() uses Console:\n    Console.print(\"hello\")\n";

#[test]
fn assembly_and_bundle_are_one_program() {
    let dir = temp("asm");
    std::fs::write(dir.join("hello.jet"), HELLO).unwrap();
    ok(&dir, &["build", "hello.jet", "-o", "a.jbc"]);
    let full = ok(&dir, &["disasm", "--full", "a.jbc"]);
    assert_eq!(full, ok(&dir, &["disasm", "hello.jet", "--full"]));
    std::fs::write(dir.join("b.jasm"), &full).unwrap();
    ok(&dir, &["asm", "b.jasm"]);
    assert_eq!(
        std::fs::read(dir.join("a.jbc")).unwrap(),
        std::fs::read(dir.join("b.jbc")).unwrap()
    );
    assert_eq!(ok(&dir, &["b.jbc"]), "hello\n");
    // For people: source lines, types, capability tags.
    let shown = ok(&dir, &["disasm", "hello.jet"]);
    for part in [
        "Console.print(\"hello\")",
        "cap std.Console",
        "r0:std.Console",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    // A forged module assembles; it is the verifier that says no, and where.
    let ret = full
        .lines()
        .rfind(|l| l.trim_start().starts_with("ret "))
        .unwrap();
    let forged = full.replace(ret, "  ret r77");
    std::fs::write(dir.join("c.jasm"), forged).unwrap();
    ok(&dir, &["asm", "c.jasm", "-o", "c.jbc"]);
    refused(&dir, &["c.jbc"], 3, "refused by rule `register_index`");
    std::fs::write(dir.join("d.jasm"), full.replace(ret, "  rte r0")).unwrap();
    refused(&dir, &["asm", "d.jasm"], 1, "`rte` is no opcode");
    refused(&dir, &["asm", "none.jasm"], 2, "none.jasm");
}

/// The same sources in two folders, of other names and depths, give the same bytes; and these say what they were made of.
#[test]
fn builds_are_the_same_anywhere_and_name_their_inputs() {
    let app =
        "import tools\n\nfn main() uses Console:\n    Console.print(tools.shout(\"hello\"))\n";
    let library = "pub fn shout(s: string) -> string:\n    return s.to_upper()\n";
    let write = |dir: &Path| {
        for (file, text) in [
            (
                "app/jet.toml",
                "name = \"app\"\n\n[dependencies]\ntools = { path = \"../tools\", allow = [] }\n",
            ),
            ("app/src/main.jet", app),
            ("tools/jet.toml", "name = \"tools\"\nversion = \"1.2.0\"\n"),
            ("tools/src/lib.jet", library),
        ] {
            let path = dir.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    };
    let one = temp("same-one");
    let two = temp("same-two").join("a/much/deeper place");
    write(&one);
    write(&two);
    ok(&one, &["build", "app", "-o", "out.jbc"]);
    ok(&two.join("app"), &["build", ".", "-o", "../out.jbc"]);
    let bytes = std::fs::read(one.join("out.jbc")).unwrap();
    assert!(bytes == std::fs::read(two.join("out.jbc")).unwrap());
    let bundle = jet_bytecode::format::decode(&bytes).unwrap();
    let inputs = |name: &str| {
        let package = bundle.packages.iter().find(|p| p.name == name).unwrap();
        package.inputs.clone()
    };
    let of = |text: &str| jet_bytecode::format::content_hash(text.as_bytes());
    for (package, file, text) in [("app", "main", app), ("tools", "lib", library)] {
        let all = inputs(package);
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(
            all[0].name.contains(file) && all[0].hash == of(text),
            "{all:?}"
        );
    }
    assert!(inputs("std").len() > 3);
    let shown = ok(&one, &["inspect", "out.jbc"]);
    assert!(
        shown.contains("  built from ") && !shown.contains("same-one"),
        "{shown}"
    );
    // Another text, even one that compiles to the same code, is another build.
    std::fs::write(
        two.join("tools/src/lib.jet"),
        format!("{library}\n# More.\n"),
    )
    .unwrap();
    ok(&two, &["build", "app", "-o", "out.jbc"]);
    let other = std::fs::read(two.join("out.jbc")).unwrap();
    assert!(bytes != other);
}

#[test]
fn signatures_are_asked_for() {
    let dir = temp("sign");
    std::fs::write(dir.join("hello.jet"), HELLO).unwrap();
    let shown = ok(&dir, &["key", "new", "mine"]);
    let public = shown.lines().next().unwrap().to_owned();
    ok(&dir, &["key", "new", "other"]);
    refused(&dir, &["key", "new", "mine"], 1, "cannot write `mine`");
    assert!(!shown.contains("jet-secret-"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(dir.join("mine")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
    ok(&dir, &["build", "hello.jet", "-o", "plain.jbc"]);
    ok(
        &dir,
        &["build", "hello.jet", "-o", "signed.jbc", "--sign", "mine"],
    );
    ok(
        &dir,
        &["build", "plain.jbc", "-o", "late.jbc", "--sign=mine"],
    );
    ok(
        &dir,
        &["build", "signed.jbc", "-o", "both.jbc", "--sign", "other"],
    );
    let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
    assert_eq!(read("signed.jbc"), read("late.jbc"));
    refused(&dir, &["build", "plain.jbc"], 2, "is a bundle already");
    refused(
        &dir,
        &["build", "plain.jbc", "--sign", "mine.pub"],
        2,
        "is no secret key",
    );

    assert!(ok(&dir, &["verify", "signed.jbc"]).contains(&public));
    assert!(!ok(&dir, &["verify", "plain.jbc"]).contains("signed by"));
    for key in ["mine.pub", public.as_str()] {
        ok(&dir, &["verify", "signed.jbc", "--key", key]);
        ok(&dir, &["verify", "both.jbc", "--key", key]);
        refused(
            &dir,
            &["verify", "plain.jbc", "--key", key],
            3,
            "it has no signature",
        );
    }
    refused(
        &dir,
        &["verify", "signed.jbc", "--key", "other.pub"],
        3,
        "which is not trusted",
    );
    refused(
        &dir,
        &["verify", "signed.jbc", "--key", "hello.jet"],
        2,
        "is no public key",
    );

    // Signed or not, a bundle runs as before; with the flag only if a trusted key signed it.
    for name in ["plain.jbc", "signed.jbc", "both.jbc"] {
        assert_eq!(ok(&dir, &[name]), "hello\n");
    }
    std::fs::write(dir.join("trusted"), format!("# ours\n\n{public} mine\n")).unwrap();
    let asks = ["--require-signature", "--trusted-keys=trusted"];
    let run = |name| [&[name], &asks[..]].concat();
    assert_eq!(ok(&dir, &run("signed.jbc")), "hello\n");
    assert_eq!(ok(&dir, &run("both.jbc")), "hello\n");
    refused(&dir, &run("plain.jbc"), 3, "it has no signature");
    refused(&dir, &run("hello.jet"), 3, "it is source text");
    ok(
        &dir,
        &["build", "hello.jet", "-o", "theirs.jbc", "--sign", "other"],
    );
    refused(&dir, &run("theirs.jbc"), 3, "which is not trusted");
    refused(
        &dir,
        &["signed.jbc", "--require-signature"],
        2,
        "without trusted keys",
    );
    let by_variable = Command::new(JETVM)
        .current_dir(&dir)
        .env("JETVM_TRUSTED_KEYS", "trusted")
        .args(["signed.jbc", "--require-signature"])
        .output()
        .unwrap();
    assert!(by_variable.status.success());

    // The signature of another bundle; a stripped one; a changed program under a signature.
    let signature = read("signed.jbc").split_off(read("plain.jbc").len());
    std::fs::write(dir.join("hello2.jet"), HELLO.replace("hello", "other")).unwrap();
    ok(&dir, &["build", "hello2.jet", "-o", "plain2.jbc"]);
    std::fs::write(
        dir.join("moved.jbc"),
        [read("plain2.jbc"), signature].concat(),
    )
    .unwrap();
    let stripped = read("signed.jbc")[..read("plain.jbc").len()].to_vec();
    std::fs::write(dir.join("stripped.jbc"), stripped).unwrap();
    let mut changed = read("signed.jbc");
    changed[1000] ^= 1;
    std::fs::write(dir.join("changed.jbc"), changed).unwrap();
    refused(&dir, &run("moved.jbc"), 3, "did not sign this bundle");
    refused(&dir, &["moved.jbc"], 3, "did not sign this bundle");
    refused(&dir, &run("stripped.jbc"), 3, "it has no signature");
    refused(&dir, &run("changed.jbc"), 3, "its hash does not match");
}

#[test]
fn inspect_tells_what_is_inside() {
    let dir = temp("inspect");
    std::fs::write(dir.join("hello.jet"), HELLO).unwrap();
    ok(&dir, &["key", "new", "k"]);
    ok(&dir, &["build", "hello.jet", "-o", "h.jbc", "--sign", "k"]);
    let shown = ok(&dir, &["inspect", "h.jbc"]);
    for part in [
        "signed by jet-public-",
        "verified",
        "package hello",
        "manifest",
        "asks for\n  Console",
        "hello.main",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    let value: serde_json::Value =
        serde_json::from_str(&ok(&dir, &["inspect", "h.jbc", "--json"])).unwrap();
    let size = std::fs::metadata(dir.join("h.jbc")).unwrap().len();
    assert_eq!(value["bytes"], size);
    assert_eq!(value["requests"][0], "Console");
    assert_eq!(value["signers"].as_array().unwrap().len(), 1);
    let sections: Vec<&serde_json::Value> = value["packages"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|p| p["sections"].as_array().unwrap())
        .collect();
    // The sections lie one behind the other, and fill the file but for the signature.
    for pair in sections.windows(2) {
        let end = pair[0]["offset"].as_u64().unwrap() + pair[0]["bytes"].as_u64().unwrap();
        assert_eq!(pair[1]["offset"], end);
    }
    let last = sections.last().unwrap();
    let end = last["offset"].as_u64().unwrap() + last["bytes"].as_u64().unwrap();
    assert_eq!(end + 8 + 2 + 96, size);
    // What is refused can be looked at, and says why.
    let full = ok(&dir, &["disasm", "h.jbc", "--full"]);
    let ret = full
        .lines()
        .rfind(|l| l.trim_start().starts_with("ret "))
        .unwrap();
    std::fs::write(dir.join("bad.jasm"), full.replace(ret, "  ret r77")).unwrap();
    ok(&dir, &["asm", "bad.jasm"]);
    let out = jetvm(&dir, &["inspect", "bad.jbc"]);
    assert_eq!(out.status.code(), Some(3));
    assert!(text(&out.stdout).contains("not verified: refused by rule `register_index`"));
    refused(&dir, &["inspect", "hello.jet"], 3, "not a Jet bundle");
}

/// The bytes of a program that prints a text, padded by functions so that reading it takes a while.
fn large(word: &str) -> Vec<u8> {
    let mut text =
        format!("fn main() uses Console:\n    let mut t = 0\n    Console.print(\"{word}\")\n");
    for n in 0..300 {
        text.push_str(&format!("    t = {word}_{n}(t, [1, 2])\n"));
    }
    for n in 0..300 {
        text.push_str(&format!(
            "\n## Part {n}.\npub fn {word}_{n}(a: int, b: [int]) -> int:\n    let mut sum = a\n    for x in b:\n        sum += x * {n}\n    return sum\n"
        ));
    }
    let dir = temp(word);
    let file = dir.join("main.jet");
    std::fs::write(&file, text).unwrap();
    let Ok(Input::Texts(texts)) = load(&file) else {
        panic!("no texts");
    };
    let output = jet_frontend::driver::compile(&texts.program);
    let bundle = output
        .bundle
        .unwrap_or_else(|| panic!("{:?}", output.diagnostics.first()));
    encode(&bundle).unwrap()
}

/// Runs a module that was loaded, and gives what it printed.
fn printed(module: &jetvm::engine::Module) -> String {
    use jet_vm::host::HostCapability;
    use jet_vm::host::console::Console;
    use jetvm::engine::{Config, End, GcChoice};
    #[derive(Clone, Default)]
    struct Sink(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let out = Sink::default();
    let console = Console::new(
        Box::new(std::io::empty()),
        Box::new(out.clone()),
        Box::new(std::io::sink()),
    );
    let grants: Vec<Box<dyn HostCapability>> = vec![Box::new(console)];
    let config = Config {
        limits: jet_vm::host::Limits::default(),
        gc: GcChoice::Normal,
        seed: 1,
        gc_log: None,
        debug: None,
        observe: jet_vm::Observe::default(),
        jit: jet_jit::Options {
            mode: jet_jit::Mode::Off,
            ..jet_jit::Options::default()
        },
    };
    let report = module.run(grants, &[], &config).unwrap();
    assert_eq!(report.end, End::Done);
    let bytes = out.0.lock().unwrap().clone();
    text(&bytes)
}

/// One look at the changing file by a process of its own: the old, the new, or a refusal; a signal never.
fn looked_at_by_a_process(dir: &Path) -> usize {
    let out = jetvm(dir, &["run", "x.jbc"]);
    let said = text(&out.stderr);
    match (out.status.code(), text(&out.stdout).as_str()) {
        (Some(0), "first\n") => 0,
        (Some(0), "second\n") => 1,
        // Without its first bytes it is a source file that does not check.
        (Some(1..=3), "") if !said.is_empty() => 2,
        other => panic!("{other:?}, {said}"),
    }
}

/// Two seconds of it; `JET_RACE_SECONDS=30` for the whole.
#[test]
fn a_file_that_changes_while_it_is_read_is_the_old_or_the_new_or_refused() {
    use jetvm::engine::Module;
    let dir = temp("race");
    let (one, two) = (large("first"), large("second"));
    std::fs::write(dir.join("one"), &one).unwrap();
    std::fs::write(dir.join("two"), &two).unwrap();
    let victim = dir.join("x.jbc");
    std::fs::write(&victim, &one).unwrap();
    // Another process rewrites it in place, and cuts it off, as fast as it can.
    let script = "while :; do cat one > x.jbc; cat two > x.jbc; head -c 900 one > x.jbc; : > x.jbc; cat one >> x.jbc; done";
    let mut writer = Command::new("sh")
        .args(["-c", script])
        .current_dir(&dir)
        .spawn()
        .unwrap();
    let seconds: Option<u64> = std::env::var("JET_RACE_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok());
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds.unwrap_or(2));
    let root = |b: &[u8]| jet_bytecode::format::root_hash(b).unwrap();
    let expected = [root(&one), root(&two)];
    let mut seen = [0u64; 3];
    let mut processes = [0u64; 3];
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut looks = 0u64;
        while std::time::Instant::now() < end || seen[0] + seen[1] + seen[2] < 20 {
            looks += 1;
            if looks % 16 == 1 {
                processes[looked_at_by_a_process(&dir)] += 1;
            }
            let bytes = match jetvm::sources::read_bundle(&victim) {
                Ok(bytes) => bytes,
                Err(_) => {
                    seen[2] += 1;
                    continue;
                }
            };
            match Module::from_bytes(&bytes) {
                // A mix has another hash than either.
                Ok(module) => match expected.iter().position(|h| *h == module.hash()) {
                    Some(which) => {
                        assert_eq!(printed(&module), ["first\n", "second\n"][which]);
                        seen[which] += 1;
                    }
                    None => panic!("neither the old nor the new one"),
                },
                Err(why) => {
                    assert!(!why.text().is_empty());
                    seen[2] += 1;
                }
            }
        }
    }));
    writer.kill().unwrap();
    writer.wait().unwrap();
    println!("in this process: old, new, refused {seen:?}; processes {processes:?}");
    result.unwrap();
    let loads: u64 = seen.iter().chain(&processes).sum();
    let least = if seconds.is_some_and(|s| s >= 30) {
        1000
    } else {
        20
    };
    assert!(loads >= least, "{seen:?} {processes:?}");
}

/// Files are read into memory of this process's own, where nobody can change them any more; none is ever mapped.
#[test]
fn no_file_is_mapped() {
    fn look(dir: &Path, wrong: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, wrong);
                continue;
            }
            if path.extension().is_none_or(|e| e != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("mmap(") {
                // The call's arguments.
                let call = text[at..].split(';').next().unwrap();
                let call: String = call.split_whitespace().collect();
                // No file: -1 stands where a file would.
                if text[..at].ends_with("libc::") && !call.contains(",-1,0") {
                    wrong.push(format!("{}: {call}", path.display()));
                }
            }
        }
    }
    let mut wrong = Vec::new();
    for room in ["bytecode", "gc", "frontend", "vm", "jit", "repl"] {
        look(&root().join(room).join("src"), &mut wrong);
        let manifest = std::fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
        assert!(!manifest.contains("memmap"), "{room}");
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn modules_are_verified_once_and_named_by_their_content() {
    use jetvm::engine::Modules;
    let (one, two) = (large("a"), large("b"));
    let modules = Modules::new(1);
    let first = modules.load(&one).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &modules.load(&one).unwrap()));
    // The header's word for it is not believed.
    let mut lying = two.clone();
    lying[8..40].copy_from_slice(&one[8..40]);
    assert!(modules.load(&lying).is_err());
    let mut changed = one.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(modules.load(&changed).is_err());
    // Room for one: the second drives the first out.
    let second = modules.load(&two).unwrap();
    assert_ne!(first.hash(), second.hash());
    assert_eq!(modules.len(), 1);
    let again = modules.load(&one).unwrap();
    assert!(!std::sync::Arc::ptr_eq(&first, &again));
    assert_eq!(again.hash(), first.hash());
}
