//! What a run tells of its heap: the snapshot by type and retaining path, the profile of allocations by line, and
//! that the program does the same with and without them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

const PROGRAM: &str = "\
struct Node:
    name: string
    mut next: Node?
    tags: [int]

fn chain(n: int) -> Node:
    let mut top = Node(\"end\", None, [])
    for i in 0..n:
        top = Node(f\"node {i}\", Some(top), [i, i])
    return top

fn garbage(n: int) -> int:
    let mut total = 0
    for i in 0..n:
        total += [i, i + 1].len()
    return total

fn main() uses Console:
    let kept = chain(3_000)
    let by_name = Map[string, Node]()
    by_name[kept.name] = kept
    Console.print(f\"{garbage(50_000)} {by_name.len()} {kept.name}\")
";

fn temp(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("jet-observe-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("temporary folder");
    dir
}

fn run(dir: &Path, program: &str, flags: &[&str]) -> Output {
    std::fs::write(dir.join("app.jet"), program).expect("program");
    Command::new(JETVM)
        .current_dir(dir)
        .args(["run", "app.jet", "--seed=1"])
        .args(flags)
        .output()
        .expect("jetvm starts")
}

/// What the last run wrote; the file is gone then, so that no later run's is taken for it.
fn json(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).expect("the file is there");
    std::fs::remove_file(file).expect("the file was there");
    serde_json::from_str(&text).expect("JSON")
}

/// The line of the program with this text, from 1.
fn line(text: &str) -> u64 {
    let at = PROGRAM.lines().position(|l| l.contains(text));
    at.expect("a line") as u64 + 1
}

#[test]
fn the_snapshot_tells_types_and_what_holds_them() {
    let dir = temp("snapshot");
    let plain = run(&dir, PROGRAM, &[]);
    for jit in ["--jit=off", "--jit=on"] {
        let out = run(&dir, PROGRAM, &[jit, "--heap-snapshot=heap.json"]);
        assert_eq!((out.status.code(), &out.stdout), (Some(0), &plain.stdout));
        let taken = json(&dir.join("heap.json"));
        let types = taken["types"].as_array().expect("types");
        let of = |name: &str| {
            let found = types.iter().find(|t| t["type"] == name);
            found.map(|t| t["objects"].as_u64().unwrap_or(0))
        };
        let nodes = of("main.Node").or(of("app.Node")).or(of("Node"));
        assert!(nodes.is_some_and(|n| n > 1_000 && n <= 3_001), "{taken:#}");
        assert!(of("[int]").is_some_and(|n| n > 1_000), "{taken:#}");
        let paths = taken["paths"].as_array().expect("paths");
        let path = |end: &str| {
            paths.iter().find(|p| {
                let steps = p["path"].as_array();
                steps.and_then(|s| s.last()).and_then(Value::as_str) == Some(end)
            })
        };
        // The list's nodes are one path from the function that holds them, whatever their number.
        let names = path("name: string").expect("the names");
        assert!(names["objects"].as_u64().is_some_and(|n| n > 1_000));
        let root = names["path"][0].as_str().unwrap_or_default();
        assert!(
            root.contains("app.jet:") || root.contains("main.jet:"),
            "{root}"
        );
        assert!(names["path"].as_array().is_some_and(|p| p.len() <= 6));
    }
}

#[test]
fn the_snapshot_is_of_the_moment_when_memory_ran_out() {
    let dir = temp("full");
    let program =
        "fn main():\n    let all: [[int]] = []\n    while true:\n        all.push([1, 2, 3])\n";
    let flags = ["--max-memory=4M", "--heap-snapshot=heap.json"];
    let out = run(&dir, program, &flags);
    assert_eq!(out.status.code(), Some(4));
    let taken = json(&dir.join("heap.json"));
    assert_eq!(taken["when"], "memory limit");
    assert!(
        taken["bytes"]
            .as_u64()
            .is_some_and(|b| b > 1 << 20 && b < 4 << 20)
    );
    assert_eq!(
        taken["types"][0]["path"].as_array().map(Vec::len),
        Some(5),
        "{taken:#}"
    );
}

#[test]
fn allocations_are_counted_at_their_lines() {
    let dir = temp("allocations");
    let plain = run(&dir, PROGRAM, &[]);
    let out = run(&dir, PROGRAM, &["--alloc-profile=a.json"]);
    assert_eq!((out.status.code(), &out.stdout), (Some(0), &plain.stdout));
    let all = json(&dir.join("a.json"));
    let at = |text: &str| {
        let lines = all["lines"].as_array().expect("lines").iter();
        let here = lines.filter(|l| l["line"] == line(text));
        here.map(|l| l["objects"].as_u64().unwrap_or(0))
            .sum::<u64>()
    };
    // A list and its elements for each round.
    assert_eq!(at("total += [i, i + 1]"), 100_000, "{all:#}");
    assert!(at("top = Node(f") >= 4 * 3_000, "{all:#}");
    // The map's own memory counts where it was filled.
    assert!(at("by_name[kept.name] = kept") > 0, "{all:#}");
    let sum: u64 = all["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .filter_map(|l| l["bytes"].as_u64())
        .sum();
    assert_eq!(all["bytes"].as_u64(), Some(sum));
    let table = run(&dir, PROGRAM, &["--alloc-profile"]);
    let text = String::from_utf8_lossy(&table.stderr).into_owned();
    assert!(
        text.contains("allocated at") && text.contains("garbage"),
        "{text}"
    );
    assert_eq!(table.stdout, plain.stdout);
}
