//! The memory limit: generated programs that ask for ever more of one shape of data each. Every one of them ends
//! with exit code 4 and a trap that names its line, and the process never holds more than the limit and 24 MiB:
//! heap, headroom, stack, tables of copies, the runtime and its code, all of it.
//!
//! All of them: `JET_MEMORY=all cargo test -p jet-tests --test memory -- --nocapture`.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

/// What a process may hold beyond the limit.
const SLACK: u64 = 24 << 20;

/// A shape of data: declarations, what stands before the endless loop, and its body, in which `i` counts.
struct Shape(&'static str, &'static str, &'static str, &'static str);

const SHAPES: [Shape; 44] = [
    Shape("ints", "", "let xs: [int] = []", "xs.push(i)"),
    Shape(
        "floats",
        "",
        "let xs: [float] = []",
        "xs.push(float(i) * 0.5)",
    ),
    Shape("bytes", "", "let xs: [byte] = []", "xs.push(byte(i % 256))"),
    Shape(
        "chars",
        "",
        "let xs: [char] = []",
        "xs.extend(\"some more text\".chars())",
    ),
    Shape(
        "strings",
        "",
        "let xs: [string] = []",
        "xs.push(f\"item {i}\")",
    ),
    Shape(
        "long strings",
        "",
        "let xs: [string] = []",
        "xs.push(\"0123456789\".repeat(500) + string(i))",
    ),
    Shape(
        "very long strings",
        "",
        "let xs: [string] = []",
        "xs.push(\"0123456789\".repeat(20_000) + string(i))",
    ),
    Shape("lists", "", "let xs: [[int]] = []", "xs.push([i; 10])"),
    Shape(
        "large lists",
        "",
        "let xs: [[int]] = []",
        "xs.push([i; 9_000])",
    ),
    Shape(
        "lists of lists",
        "",
        "let xs: [[[string]]] = []",
        "xs.push([[\"a\"], [string(i)]])",
    ),
    Shape("doubling", "", "let xs = [1, 2, 3]", "xs.extend(xs.copy())"),
    Shape(
        "copies",
        "",
        "let xs = [[1, 2, 3]]",
        "xs.push(xs[i].copy())",
    ),
    Shape(
        "tuples",
        "",
        "let xs: [(int, string)] = []",
        "xs.push((i, \"x\"))",
    ),
    Shape(
        "options",
        "",
        "let xs: [(int, int)?] = []",
        "xs.push(Some((i, i)))",
    ),
    Shape(
        "records",
        "struct P:\n    x: float\n    mut y: float\n",
        "let xs: [P] = []",
        "xs.push(P(float(i), 0.0))",
    ),
    Shape(
        "linked",
        "struct Node:\n    value: int\n    next: Node?\n",
        "let mut top: Node? = None",
        "top = Some(Node(i, top))",
    ),
    Shape(
        "ring",
        "struct Node:\n    value: int\n    mut next: Node?\n",
        "let first = Node(0, None)\n    let mut last = first",
        "let node = Node(i, Some(first))\n        last.next = Some(node)\n        last = node",
    ),
    Shape(
        "enums",
        "enum E:\n    A(n: int)\n    B(s: string, n: int)\n    C\n",
        "let xs: [E] = []",
        "xs.push(if i % 2 == 0: E.A(i) else: E.B(\"b\", i))",
    ),
    Shape(
        "objects",
        "trait T:\n    fn n(self) -> int\n\nstruct S:\n    k: int\n\nimpl T for S:\n    fn n(self) -> int:\n        return self.k\n",
        "let xs: [T] = []",
        "xs.push(S(i))",
    ),
    Shape(
        "closures",
        "fn adder(n: int) -> (fn(int) -> int):\n    return fn(x) => x + n\n",
        "let xs: [fn(int) -> int] = []",
        "xs.push(adder(i))",
    ),
    Shape(
        "chained closures",
        "fn after(f: own fn(int) -> int, n: int) -> (fn(int) -> int):\n    return fn(x) => f(x) + n\n",
        "let mut f: fn(int) -> int = fn(x) => x",
        "f = after(f, i)",
    ),
    Shape("int map", "", "let m = Map[int, int]()", "m[i] = i"),
    Shape(
        "string map",
        "",
        "let m = Map[string, string]()",
        "m[f\"key {i}\"] = \"value\"",
    ),
    Shape(
        "map of lists",
        "",
        "let m = Map[int, [int]]()",
        "m[i] = [i, i + 1]",
    ),
    Shape(
        "map of tuples",
        "",
        "let m = Map[(int, int), bool]()",
        "m[(i, i * 7)] = true",
    ),
    Shape("int set", "", "let s = Set[int]()", "s.add(i * 31)"),
    Shape(
        "string set",
        "",
        "let s = Set[string]()",
        "s.add(f\"member {i}\")",
    ),
    Shape(
        "builder",
        "",
        "let b = StringBuilder()",
        "b.push(\"some text to push\")",
    ),
    Shape(
        "builder, built",
        "",
        "let b = StringBuilder()\n    let mut n = 0",
        "b.push(\"some text to push\".repeat(100))\n        if i % 50 == 0:\n            n += b.build().len()",
    ),
    Shape("rope", "", "let mut s = \"\"", "s = s + f\"{i},\""),
    Shape(
        "rope, read",
        "",
        "let mut s = \"start\"",
        "s += \"abcdefgh\".repeat(60)\n        if i % 40 == 0 and s.ends_with(\"x\"):\n            return",
    ),
    Shape(
        "prepended",
        "",
        "let mut s = \"start\".repeat(100)",
        "s = f\"{i},\" + s\n        if i % 20_000 == 0 and s.ends_with(\"x\"):\n            return",
    ),
    Shape(
        "doubled text",
        "",
        "let mut s = \"0123456789abcdef\"",
        "s = s + s\n        if s.ends_with(\"x\"):\n            return",
    ),
    Shape(
        "repeated",
        "",
        "let mut n = 1_000",
        "n *= 2\n        if \"abc\".repeat(n).len() == 1:\n            return",
    ),
    Shape(
        "one list",
        "",
        "let mut n = 1_000",
        "n *= 2\n        let xs = [0; n]\n        if xs.len() == 1:\n            return",
    ),
    Shape(
        "split",
        "",
        "let mut s = \"a,b,c\"\n    let all: [[string]] = []",
        "s = s + \",\" + s\n        all.push(s.split(\",\"))",
    ),
    Shape(
        "json",
        "import std.json\n\nderive Json\nstruct Row:\n    id: int\n    name: string\n    tags: [string]\n",
        "let rows: [Row] = []",
        "rows.push(Row(i, f\"row {i}\", [\"a\", \"b\"]))\n        if i % 4_096 == 0 and json.write(rows).len() == 1:\n            return",
    ),
    Shape(
        "parsed json",
        "import std.json\n",
        "let all: [json.Value] = []",
        "all.push(json.parse(\"{\\\"a\\\": [1, 2.5, true, null], \\\"b\\\": {\\\"c\\\": \\\"text\\\"}}\") else return)",
    ),
    Shape(
        "tree",
        "enum Tree:\n    Leaf\n    Fork(left: Tree, right: Tree)\n\nfn grow(depth: int) -> Tree:\n    if depth == 0:\n        return Tree.Leaf\n    return Tree.Fork(grow(depth - 1), grow(depth - 1))\n",
        "let mut t = Tree.Leaf",
        "t = Tree.Fork(t, grow(12 + i % 2))",
    ),
    Shape(
        "deep calls",
        "struct Node:\n    value: int\n    next: Node?\n\nfn chain(n: int) -> Node:\n    let rest = chain(n + 1)\n    return Node(n + rest.value, Some(rest))\n",
        "let mut n = 0",
        "n += chain(i).value",
    ),
    Shape(
        "deep calls with data",
        "fn sum(n: int, xs: [int]) -> int:\n    let more = [n; 20]\n    return sum(n + 1, more) + more[0] + xs[0]\n",
        "let mut n = 0",
        "n += sum(i, [1])",
    ),
    Shape(
        "graph",
        "struct Node:\n    id: int\n    edges: [Node]\n",
        "let nodes: [Node] = [Node(0, [])]",
        "let node = Node(i, [])\n        let other = nodes[i * 7919 % nodes.len()]\n        node.edges.push(other)\n        other.edges.push(node)\n        nodes.push(node)",
    ),
    Shape(
        "edge of an attenuator",
        "struct Node:\n    value: int\n    mut next: Node?\n\ncapability Sink:\n    fn take(node: Node) -> int\n\nstruct Keep:\n    mut n: int\n\nimpl Sink for Keep:\n    fn take(self, node: Node) -> int:\n        self.n += 1\n        return node.value\n\nfn give(node: Node) -> int uses Sink:\n    return Sink.take(node)\n",
        "let mut top = Node(0, None)",
        "for k in 0..2_000:\n            top = Node(k, Some(top))\n        with Sink = Keep(0):\n            if give(top) == -1:\n                return",
    ),
    Shape(
        "sorted",
        "",
        "let mut xs = [3, 1, 2]",
        "xs = xs.map(fn(x) => x * 7 % 1_000_003)\n        xs.extend(xs.copy())\n        xs.sort()",
    ),
];

/// Limits in MiB and modes: each shape runs with one of them, with `JET_MEMORY=all` with each.
const RUNS: [(u64, &str); 3] = [(6, "off"), (16, "on"), (48, "off")];

/// The program, and the lines that may be named: those of the loop's body and of the declarations' code.
fn program(shape: &Shape) -> String {
    let Shape(_, declarations, before, body) = shape;
    format!(
        "{declarations}\nfn main():\n    {before}\n    let mut i = 0\n    while true:\n        {body}\n        i += 1\n"
    )
}

fn run(dir: &Path, shape: &Shape, limit: u64, jit: &str) -> Result<u64, String> {
    let name = shape.0;
    let file = dir.join(format!(
        "{}-{limit}-{jit}.jet",
        name.replace([' ', ','], "_")
    ));
    std::fs::write(&file, program(shape)).map_err(|e| e.to_string())?;
    let out = Command::new(JETVM)
        .args([
            "run",
            "--seed=1",
            "--stats=json",
            "--message-format=json",
            "--max-depth=10000000",
        ])
        .args([format!("--max-memory={limit}M"), format!("--jit={jit}")])
        .arg(&file)
        .output()
        .map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&out.stderr);
    if out.status.code() != Some(4) {
        return Err(format!("{name}: {:?}\n{text}", out.status));
    }
    let objects: Vec<Value> = text
        .lines()
        .filter_map(|l| serde_json::from_str(l).ok())
        .collect();
    let message = objects.iter().find(|o| o["code"] == "memory");
    let message = message.ok_or_else(|| format!("{name}: no message of the limit\n{text}"))?;
    let lines = program(shape).lines().count() as u64;
    let named = |frame: &Value| {
        let file = frame["file"].as_str().unwrap_or_default();
        let line = frame["line"].as_u64().unwrap_or_default();
        !file.starts_with("std") && (1..=lines).contains(&line)
    };
    let stack = message["stack"].as_array();
    if !stack.is_some_and(|frames| frames.iter().any(named)) {
        return Err(format!(
            "{name}: the trap names no line of the program\n{text}"
        ));
    }
    let stats = objects.iter().find_map(|o| o.get("process"));
    let peak = stats.and_then(|p| p["peak_resident"].as_u64());
    let peak = match peak {
        Some(peak) => peak,
        // Where the system does not tell, the rest was tested.
        None if !cfg!(target_os = "linux") => return Ok(0),
        None => return Err(format!("{name}: no figure of the peak\n{text}")),
    };
    if peak >= (limit << 20) + SLACK {
        return Err(format!(
            "{name}: {} KiB resident, limit {limit} MiB, --jit={jit}",
            peak >> 10
        ));
    }
    Ok(peak.saturating_sub(limit << 20))
}

#[test]
fn the_limit_holds_for_the_whole_process() {
    let dir = std::env::temp_dir().join(format!("jet-memory-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("temporary folder");
    let all = std::env::var_os("JET_MEMORY").is_some();
    let only = std::env::var("JET_ONLY").unwrap_or_default();
    let jobs: Vec<(&Shape, (u64, &str))> = SHAPES
        .iter()
        .filter(|s| s.0.contains(&only))
        .enumerate()
        .flat_map(|(i, s)| {
            let runs = if all { &RUNS[..] } else { &RUNS[i % 2..=i % 2] };
            runs.iter().map(move |r| (s, *r))
        })
        .collect();
    let next = AtomicUsize::new(0);
    let results: Vec<Result<u64, String>> = std::thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            while let Some((shape, (limit, jit))) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.push(run(&dir, shape, *limit, jit));
            }
            done
        };
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        workers
            .map(|w| w.join().expect("worker"))
            .into_iter()
            .flatten()
            .collect()
    });
    let _ = std::fs::remove_dir_all(&dir);
    let failures: Vec<&str> = results
        .iter()
        .filter_map(|r| r.as_ref().err().map(String::as_str))
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        jobs.len(),
        failures.join("\n")
    );
    assert!(!only.is_empty() || jobs.len() > if all { 100 } else { 40 });
    let most = results
        .iter()
        .filter_map(|r| r.as_ref().ok())
        .max()
        .copied();
    println!(
        "{} programs, at most {} KiB beyond the limit",
        jobs.len(),
        most.unwrap_or(0) >> 10
    );
}
