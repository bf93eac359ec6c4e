//! Hostile shapes for a tracing compiler, written anew for each comparison: branches that go every way equally
//! often, receivers of many types, deep nests, mutual recursion, long bodies, thousands of loops, error edges in hot loops.
//!
//! Must stay true: every shape is one function of one module with the harness of the kernels, and its name says what
//! and how many. What is wanted is that with machine code none is slower than in the interpreter; the comparison says by
//! how much each is faster or slower, and no test decides.

use std::fmt::Write as _;

/// The shapes: name, and the size of a full measurement.
pub const SHAPES: [(&str, u32); 26] = [
    ("Branches2", 300_000),
    ("Branches4", 300_000),
    ("Branches8", 300_000),
    ("Branches16", 300_000),
    ("Branches32", 300_000),
    ("Branches64", 300_000),
    ("Switch64", 300_000),
    ("Tests8", 100_000),
    ("Tests16", 100_000),
    ("Nest4", 16),
    ("Nest8", 4),
    ("Nest12", 2),
    ("Types1", 300_000),
    ("Types2", 300_000),
    ("Types4", 300_000),
    ("Types8", 300_000),
    ("Types16", 300_000),
    ("Types32", 300_000),
    ("Mutual", 24),
    ("Body100", 10_000),
    ("Body1000", 2_000),
    ("Loops100", 20),
    ("Loops2000", 20),
    ("Errors1", 200_000),
    ("Errors8", 200_000),
    ("Chain", 100_000),
];

/// Pseudo-random numbers that every shape draws from.
const NEXT: &str =
    "fn next(seed: int) -> int:\n    return (seed * 1103515245 + 12345) % 2147483648\n\n";

fn number(name: &str) -> usize {
    let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().unwrap_or(1)
}

fn function(name: &str) -> String {
    name.to_lowercase()
}

/// A chain of tests, one for each way; each does something of its own.
fn branches(out: &mut String, f: &str, ways: usize) {
    let _ = writeln!(
        out,
        "fn {f}(n: int) -> int:\n    let mut seed = 42\n    let mut sum = 0"
    );
    let _ = writeln!(
        out,
        "    for i in 0..n:\n        seed = next(seed)\n        let way = (seed / 65536) % {ways}"
    );
    for k in 0..ways {
        let word = match k {
            0 => format!("if way == {k}"),
            _ if k + 1 == ways => "else".to_owned(),
            _ => format!("elif way == {k}"),
        };
        let _ = writeln!(
            out,
            "        {word}:\n            sum = (sum + i * {}) % 1000003",
            k + 3
        );
    }
    out.push_str("    return sum\n\n");
}

fn switch(out: &mut String, f: &str, ways: usize) {
    let _ = writeln!(
        out,
        "fn {f}(n: int) -> int:\n    let mut seed = 42\n    let mut sum = 0"
    );
    let _ = writeln!(
        out,
        "    for i in 0..n:\n        seed = next(seed)\n        match (seed / 65536) % {ways}:"
    );
    for k in 0..ways - 1 {
        let _ = writeln!(
            out,
            "            {k} => sum = (sum + i * {}) % 1000003",
            k + 3
        );
    }
    out.push_str("            _ => sum += 1\n    return sum\n\n");
}

/// Independent tests in a row: 2 to the power of `tests` ways through the body.
fn tests(out: &mut String, f: &str, tests: usize) {
    let _ = writeln!(
        out,
        "fn {f}(n: int) -> int:\n    let mut seed = 42\n    let mut sum = 0"
    );
    let _ = writeln!(
        out,
        "    for _ in 0..n:\n        seed = next(seed)\n        let bits = seed / 8192"
    );
    for k in 0..tests {
        let _ = writeln!(
            out,
            "        if bits & {} == 0:\n            sum += {}\n        else:\n            sum = sum ^ {}",
            1 << k,
            k + 1,
            k + 7
        );
    }
    out.push_str("        sum = sum % 1000003\n    return sum\n\n");
}

fn nest(out: &mut String, f: &str, depth: usize) {
    let _ = writeln!(out, "fn {f}(n: int) -> int:\n    let mut sum = 0");
    for k in 0..depth {
        let _ = writeln!(out, "{}for i{k} in 0..n:", "    ".repeat(k + 1));
    }
    let all: Vec<String> = (0..depth).map(|k| format!("i{k}")).collect();
    let _ = writeln!(
        out,
        "{}sum = (sum + {}) % 1000003",
        "    ".repeat(depth + 1),
        all.join(" * 3 + ")
    );
    out.push_str("    return sum\n\n");
}

fn types(out: &mut String, f: &str, n: usize) {
    let trait_name = format!("Shape{n}");
    let _ = writeln!(
        out,
        "trait {trait_name}:\n    fn area(self, k: int) -> int\n"
    );
    for k in 0..n {
        let _ = writeln!(out, "struct S{n}x{k}:\n    side: int\n");
        let _ = writeln!(
            out,
            "impl {trait_name} for S{n}x{k}:\n    fn area(self, k: int) -> int:\n        return self.side * {} + k\n",
            k + 1
        );
    }
    let _ = writeln!(
        out,
        "fn {f}(n: int) -> int:\n    let mut seed = 42\n    let shapes: [{trait_name}] = []"
    );
    for k in 0..n {
        let _ = writeln!(out, "    shapes.push(S{n}x{k}({}))", k + 2);
    }
    let _ = writeln!(
        out,
        "    let mut sum = 0\n    for i in 0..n:\n        seed = next(seed)\n        sum = (sum + shapes[(seed / 65536) % {n}].area(i)) % 1000003\n    return sum\n"
    );
}

fn mutual(out: &mut String, f: &str) {
    out.push_str("fn even(n: int) -> int:\n    if n < 2:\n        return n\n    return odd(n - 1) + odd(n - 2)\n\n");
    out.push_str("fn odd(n: int) -> int:\n    if n < 2:\n        return 1\n    return third(n - 1) + even(n - 2)\n\n");
    out.push_str("fn third(n: int) -> int:\n    if n < 3:\n        return 2\n    return even(n - 1) + odd(n - 3)\n\n");
    let _ = writeln!(out, "fn {f}(n: int) -> int:\n    return even(n)\n");
}

fn body(out: &mut String, f: &str, lines: usize) {
    let _ = writeln!(
        out,
        "fn {f}(n: int) -> int:\n    let mut a = 1\n    let mut b = 2\n    let mut c = 3\n    for i in 0..n:"
    );
    for k in 0..lines {
        let line = match k % 4 {
            0 => format!("a = (a + b * {} + i) % 1000003", k % 7 + 1),
            1 => format!("b = b ^ (a + {k})"),
            2 => format!("if a % {} == 0:\n            c += 1", k % 5 + 2),
            _ => "c = (c + a) % 65537".to_owned(),
        };
        let _ = writeln!(out, "        {line}");
    }
    out.push_str("    return a + b + c\n\n");
}

/// Loops one behind the other, each short.
fn loops(out: &mut String, f: &str, count: usize) {
    const EACH: usize = 50;
    for part in 0..count.div_ceil(EACH) {
        let _ = writeln!(
            out,
            "fn {f}_{part}(n: int, start: int) -> int:\n    let mut sum = start"
        );
        for k in part * EACH..count.min((part + 1) * EACH) {
            let _ = writeln!(
                out,
                "    for i in 0..n:\n        sum = (sum * {} + i) % 1000003",
                k % 9 + 2
            );
        }
        out.push_str("    return sum\n\n");
    }
    let _ = writeln!(
        out,
        "fn {f}(n: int) -> int:\n    let mut sum = 0\n    for _ in 0..n:"
    );
    for part in 0..count.div_ceil(EACH) {
        let _ = writeln!(out, "        sum = {f}_{part}(n, sum)");
    }
    out.push_str("    return sum\n\n");
}

/// A call that fails for half of its arguments, `kinds` ways.
fn errors(out: &mut String, f: &str, kinds: usize) {
    let _ = writeln!(out, "error Bad{kinds}:");
    for k in 0..kinds {
        let _ = writeln!(out, "    Kind{k}(at: int)");
    }
    let _ = writeln!(out, "\nfn {f}_try(x: int, i: int) -> int ! Bad{kinds}:");
    for k in 0..kinds {
        let _ = writeln!(out, "    if x == {k}:\n        raise Bad{kinds}.Kind{k}(i)");
    }
    let _ = writeln!(
        out,
        "    return x\n\nfn {f}_pass(x: int, i: int) -> int ! Bad{kinds}:\n    return {f}_try(x, i)? + 1\n"
    );
    let _ = writeln!(
        out,
        "fn {f}(n: int) -> int:\n    let mut seed = 42\n    let mut sum = 0\n    for i in 0..n:\n        seed = next(seed)"
    );
    let _ = writeln!(
        out,
        "        match {f}_pass((seed / 65536) % {}, i):\n            Ok(x) => sum = (sum + x) % 1000003",
        2 * kinds
    );
    for k in 0..kinds {
        let _ = writeln!(
            out,
            "            Err(Bad{kinds}.Kind{k}(at)) => sum = (sum + at * {}) % 1000003",
            k + 1
        );
    }
    out.push_str("    return sum\n\n");
}

/// Calls through many small functions, with a choice in each.
fn chain(out: &mut String, f: &str) {
    const LONG: usize = 24;
    for k in 0..LONG {
        let next = if k + 1 == LONG {
            "x".to_owned()
        } else {
            format!("{f}_{}(x / 2 + {k})", k + 1)
        };
        let _ = writeln!(
            out,
            "fn {f}_{k}(x: int) -> int:\n    if x % 2 == 0:\n        return {next} + {k}\n    return x\n"
        );
    }
    let _ = writeln!(
        out,
        "fn {f}(n: int) -> int:\n    let mut seed = 42\n    let mut sum = 0\n    for _ in 0..n:\n        seed = next(seed)\n        sum = (sum + {f}_0(seed / 65536)) % 1000003\n    return sum\n"
    );
}

/// The module with all shapes and the harness.
pub fn source() -> String {
    let mut out = String::from(NEXT);
    for (name, _) in SHAPES {
        let (f, n) = (function(name), number(name));
        match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "Branches" => branches(&mut out, &f, n),
            "Switch" => switch(&mut out, &f, n),
            "Tests" => tests(&mut out, &f, n),
            "Nest" => nest(&mut out, &f, n),
            "Types" => types(&mut out, &f, n),
            "Mutual" => mutual(&mut out, &f),
            "Body" => body(&mut out, &f, n),
            "Loops" => loops(&mut out, &f, n),
            "Errors" => errors(&mut out, &f, n),
            _ => chain(&mut out, &f),
        }
    }
    out.push_str("fn shape(name: string, size: int) -> int:\n    match name:\n");
    for (name, _) in SHAPES {
        let _ = writeln!(out, "        \"{name}\" => return {}(size)", function(name));
    }
    out.push_str("        _ => return -1\n\n");
    out.push_str(
        "fn main(args: [string]) uses Console + Timer:\n    let name = args[0]\n    let iterations = args[1].to_int() else return\n    let size = args[2].to_int() else return\n    for _ in 0..iterations:\n        let start = Timer.nanos()\n        let result = shape(name, size)\n        let runtime = (Timer.nanos() - start) / 1000\n        Console.print(f\"{name}: iterations=1 runtime: {runtime}us\")\n        Console.print(f\"{name}: result: {result}\")\n",
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_a_function_that_is_called() {
        let text = source();
        for (name, _) in SHAPES {
            assert!(
                text.contains(&format!("fn {}(n: int)", function(name))),
                "{name}"
            );
            assert!(text.contains(&format!("\"{name}\" =>")), "{name}");
        }
    }
}
