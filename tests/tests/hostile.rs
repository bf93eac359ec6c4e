//! Whatever file is given to `run`, `check`, `verify`: a clear error and exit 1, 2 or 3, in bounded time and
//! memory; never a panic (101), a signal or a hang.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

fn temp(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("jet-hostile-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("temporary folder");
    dir.join(name)
}

/// What a process may have of addresses, in KiB. A heap takes 4 GiB of them to begin with, used or not; what only
/// compiles has no heap.
fn addresses(command: &str) -> u32 {
    match command {
        "run" => 6 << 20,
        _ => 2 << 20,
    }
}

/// Runs under a memory limit of the operating system and a deadline; gives exit code and messages.
fn jetvm(args: &[&str], file: &Path) -> (i32, String) {
    let limit = addresses(args.first().expect("a command"));
    let mut child = Command::new("sh")
        .args([
            "-c",
            "ulimit -v \"$1\" || exit 99; shift; exec \"$@\"",
            "sh",
        ])
        .arg(limit.to_string())
        .arg(JETVM)
        .args(args)
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("jetvm starts");
    let stderr = child.stderr.take().expect("piped");
    let reader = std::thread::spawn(move || {
        use std::io::Read;
        let mut text = Vec::new();
        let _ = stderr.take(1 << 22).read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("child") {
            let text = reader.join().expect("reader");
            let code = status
                .code()
                .unwrap_or_else(|| panic!("{args:?} {}: signal\n{text}", file.display()));
            return (code, text);
        }
        if start.elapsed() > Duration::from_secs(60) {
            let _ = child.kill();
            panic!("{args:?} {}: hangs", file.display());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn refused(args: &[&str], file: &Path) {
    let (code, text) = jetvm(args, file);
    assert!(
        matches!(code, 1..=3),
        "{args:?} {}: exit {code}\n{text}",
        file.display()
    );
    assert!(
        !text.trim().is_empty(),
        "{args:?} {}: no message",
        file.display()
    );
}

fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let path = temp(name);
    let mut f = std::fs::File::create(&path).expect("temporary file");
    f.write_all(bytes).expect("writable");
    path
}

#[test]
fn hostile_sources() {
    let deep = |open: &str, close: &str, n: usize| -> Vec<u8> {
        let mut s = String::from("fn main():\n    let x = ");
        s.push_str(&open.repeat(n));
        s.push('1');
        s.push_str(&close.repeat(n));
        s.push('\n');
        s.into_bytes()
    };
    let mut blocks = String::from("fn main():\n");
    for i in 1..3000 {
        blocks.push_str(&" ".repeat(i * 4));
        blocks.push_str("if true:\n");
    }
    let mut wide = String::from("fn main():\n    let x = 1");
    wide.push_str(&" + 1".repeat(200_000));
    wide.push('\n');
    let mut chain = String::from("fn f(n: int) -> int:\n    if n == 0:\n        return 0\n");
    for i in 0..100_000 {
        chain.push_str(&format!("    elif n == {i}:\n        return 1\n"));
    }
    let mut map = String::from("fn main():\n    let m = {");
    for i in 0..330_000 {
        map.push_str(&format!("{i}:\"\","));
    }
    map.push_str("}\n");
    let mut variants = String::from("enum E:\n");
    for i in 0..4_000 {
        variants.push_str(&format!("    V{i}\n"));
    }
    variants.push_str("\nfn main():\n    pass\n");
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("parens.jet", b"(".repeat(10 << 20)),
        ("brackets.jet", b"[".repeat(1 << 20)),
        ("fn_parens.jet", deep("(", ")", 100_000)),
        ("nots.jet", deep("not ", "", 100_000)),
        ("minus.jet", deep("- ", "", 100_000)),
        ("lists.jet", deep("[", "]", 50_000)),
        ("lambdas.jet", deep("fn(x) => ", "", 50_000)),
        ("ifs.jet", deep("if true: 1 else: ", "", 20_000)),
        (
            "types.jet",
            format!(
                "fn f(x: {}int{}):\n    pass\n",
                "[".repeat(50_000),
                "]".repeat(50_000)
            )
            .into_bytes(),
        ),
        ("blocks.jet", blocks.into_bytes()),
        ("wide.jet", wide.into_bytes()),
        ("fstrings.jet", deep("f\"{", "}\"", 5_000)),
        ("utf8.jet", vec![0xff, 0xfe, 0x00, 0x80, b'\n']),
        ("nul.jet", vec![0; 4096]),
        ("tabs.jet", b"fn main():\n\tpass\n".to_vec()),
        ("quote.jet", b"\"".repeat(100_001)),
        ("colon.jet", b"fn main():".to_vec()),
        ("elif.jet", chain.into_bytes()),
        ("map.jet", map.into_bytes()),
        ("enum.jet", variants.into_bytes()),
        ("name.jet", deep("x", "", 1 << 20)),
        (
            "letters.jet",
            "fn main():\n    let user = 1\n    let user\u{3164} = 2\n"
                .as_bytes()
                .to_vec(),
        ),
        (
            "bidi.jet",
            "fn main():\n    let x = \"\u{202e}\"\n".as_bytes().to_vec(),
        ),
    ];
    for (name, bytes) in cases {
        let path = write(name, &bytes);
        refused(&["check"], &path);
        refused(&["run"], &path);
        refused(&["verify"], &path);
    }
    // An empty file is a module without items: it checks, but it is no program.
    refused(&["run"], &write("empty.jet", b""));
}

#[test]
fn hostile_layouts() {
    // Each of these arguments would stand on a line of its own, 600 columns to the right.
    let mut far = String::from("fn main():\n    let x = ");
    far.push_str(&"f(".repeat(150));
    for i in 0..30_000 {
        far.push_str(&format!("a{i}, "));
    }
    far.push('1');
    far.push_str(&")".repeat(150));
    far.push('\n');
    let path = write("far.jet", far.as_bytes());
    refused(&["fmt"], &path);
    assert_eq!(std::fs::read(&path).expect("the file"), far.as_bytes());
    let (code, text) = jetvm(&["fmt"], &write("notes.md", b"# Notes\n"));
    assert_eq!(code, 2, "{text}");
}

#[test]
fn hostile_paths() {
    refused(&["run"], Path::new("/nonexistent/nothing.jet"));
    refused(&["check"], Path::new("/dev/null"));
    let dir = temp("empty_folder");
    std::fs::create_dir_all(&dir).expect("folder");
    refused(&["run"], &dir);
    refused(&["verify"], &dir);
}

/// xorshift: the mutations are the same in every run.
struct Rng(u64);
impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

#[test]
fn mutated_bundles() {
    let source = write(
        "victim.jet",
        b"fn f(n: int) -> int:\n    if n < 2:\n        return n\n    return f(n - 1) + f(n - 2)\n\nfn main() uses Console:\n    let m = {\"a\": [1, 2]}\n    for k, v in m:\n        Console.print(f\"{k} {v} {f(10)}\")\n",
    );
    let bundle = temp("victim.jbc");
    let built = Command::new(JETVM)
        .arg("build")
        .arg(&source)
        .arg("-o")
        .arg(&bundle)
        .output()
        .expect("jetvm starts");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let bytes = std::fs::read(&bundle).expect("bundle");
    let mut rng = Rng(0x9e37_79b9_7f4a_7c15);
    for i in 0..150 {
        let mut bad = bytes.clone();
        match i % 3 {
            0 => {
                let at = rng.below(bad.len());
                bad[at] ^= 1 << rng.below(8);
            }
            1 => bad.truncate(rng.below(bytes.len())),
            _ => {
                for _ in 0..8 {
                    let at = rng.below(bad.len());
                    bad[at] = rng.below(256) as u8;
                }
            }
        }
        if bad == bytes {
            continue;
        }
        let path = write("mutant.jbc", &bad);
        refused(&["verify"], &path);
        refused(&["run"], &path);
    }
    for i in 0..30 {
        let noise: Vec<u8> = (0..rng.below(5000)).map(|_| rng.below(256) as u8).collect();
        let mut with_magic = b"JETBC\0".to_vec();
        with_magic.extend(&noise);
        let path = write("noise.jbc", if i % 2 == 0 { &noise } else { &with_magic });
        refused(&["verify"], &path);
        refused(&["run"], &path);
    }
}
