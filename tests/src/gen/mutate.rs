//! Mutations of source texts: the compiler has to answer each with a bundle or with errors.

use super::oracle::{self, Compiled, Which};
use super::rng::Rng;

/// Splits a text into words, numbers, spaces and signs.
pub fn tokens(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut last = ' ';
    let class = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            0
        } else if c == ' ' {
            1
        } else {
            2
        }
    };
    for c in text.chars() {
        match out.last_mut() {
            Some(t) if class(c) == class(last) && class(c) != 2 => t.push(c),
            _ => out.push(c.to_string()),
        }
        last = c;
    }
    out
}

const SPICE: &[&str] = &[
    "fn",
    "self",
    "match",
    "if",
    "else",
    "elif",
    "let",
    "mut",
    "return",
    "raise",
    "with",
    "allow",
    "none",
    "uses",
    "own",
    "struct",
    "enum",
    "error",
    "trait",
    "impl",
    "capability",
    "capset",
    "const",
    "derive",
    "where",
    "try",
    "catch",
    "defer",
    "concurrent",
    "spawn",
    "select",
    "break",
    "continue",
    "loop",
    "while",
    "for",
    "in",
    "pass",
    "test",
    "assert",
    "import",
    "from",
    "as",
    "pub",
    "deferred",
    "extern",
    "not",
    "and",
    "or",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    ".",
    "..",
    "..=",
    "=",
    "==",
    "=>",
    "->",
    "?",
    "!",
    "|",
    "&",
    "@",
    "_",
    "\"",
    "'",
    "f\"",
    "\"\"\"",
    "#",
    "##",
    "\n",
    "    ",
    "\t",
    "int",
    "string",
    "Console",
    "Log",
    "Self",
    "None",
    "Some",
    "Ok",
    "Err",
    "Map",
    "0",
    "-1",
    "9223372036854775808",
    "1e999",
    "Result",
    "main",
    "T",
    "!!",
    "\\",
    "\u{202e}",
    "\0",
    "é",
];

/// Words that can stand for one another without a change of form.
const KIN: &[&[&str]] = &[
    &["+", "-", "*", "/", "%", "&", "^"],
    &["<", ">"],
    &["true", "false"],
    &["and", "or"],
    &["break", "continue"],
    &["0", "1", "2", "3", "64", "-1", "9223372036854775807"],
    &["int", "float", "string", "bool", "char", "byte"],
    &[
        "map", "filter", "each", "any", "all", "find", "sort_key", "group_by",
    ],
    &["first", "last", "pop", "max", "min"],
    &["push", "insert", "extend", "remove", "contains", "index_of"],
    &["len", "is_empty", "copy", "show", "hash"],
    &["Console", "Log", "FileRead", "FileWrite", "Env", "Clock"],
    &["Some", "Ok", "Err"],
    &["uses", "own"],
    &["let", "for"],
    &["else", "elif"],
    &["raise", "return"],
    &["self", "Self"],
];

/// A small change of which many are still programs: another operator, number, name, or a line less or twice.
fn gently(rng: &mut Rng, ts: &mut Vec<String>) {
    match rng.below(6) {
        0 | 1 => {
            let places: Vec<(usize, &[&str])> = ts
                .iter()
                .enumerate()
                .filter_map(|(i, t)| {
                    let kin = KIN.iter().find(|k| k.contains(&t.as_str()))?;
                    Some((i, *kin))
                })
                .collect();
            if !places.is_empty() {
                let (at, kin) = rng.pick(&places);
                ts[at] = rng.pick(kin).to_string();
            }
        }
        2 | 3 => {
            // A variable for another one.
            let names: Vec<usize> = (0..ts.len())
                .filter(|i| {
                    ts[*i].starts_with(|c: char| c.is_ascii_lowercase())
                        && ts[*i].ends_with(|c: char| c.is_ascii_digit())
                })
                .collect();
            if names.len() > 1 {
                let (a, b) = (rng.pick(&names), rng.pick(&names));
                ts[a] = ts[b].clone();
            }
        }
        k => {
            // A line that goes, comes twice, or stands elsewhere.
            let text = ts.concat();
            let mut lines: Vec<&str> = text.lines().collect();
            if lines.len() < 3 {
                return;
            }
            let at = rng.below(lines.len());
            if k == 4 {
                lines.remove(at);
            } else {
                let depth = |l: &str| l.len() - l.trim_start().len();
                let to: Vec<usize> = (0..lines.len())
                    .filter(|i| depth(lines[*i]) == depth(lines[at]))
                    .collect();
                let line = lines[at];
                let to = rng.pick(&to);
                lines.insert(to, line);
            }
            *ts = tokens(&(lines.join("\n") + "\n"));
        }
    }
}

/// A mutant of `text`; `other` gives pieces to splice in.
pub fn mutate(rng: &mut Rng, text: &str, other: &str) -> String {
    let mut ts = tokens(text);
    if rng.chance(50) {
        for _ in 0..1 + rng.below(2) {
            if !ts.is_empty() {
                gently(rng, &mut ts);
            }
        }
        return ts.concat();
    }
    let donor = tokens(other);
    for _ in 0..1 + rng.below(4) {
        if ts.is_empty() {
            break;
        }
        let at = rng.below(ts.len());
        match rng.below(9) {
            0 => {
                let to = rng.below(ts.len());
                ts.swap(at, to);
            }
            1 => {
                ts.remove(at);
            }
            2 => {
                let n = (1 + rng.below(20)).min(ts.len() - at);
                ts.drain(at..at + n);
            }
            3 => {
                let t = ts[at].clone();
                ts.insert(at, t);
            }
            4 => ts.insert(at, rng.pick(SPICE).to_string()),
            5 => ts[at] = rng.pick(SPICE).to_string(),
            6 if !donor.is_empty() => {
                let from = rng.below(donor.len());
                let n = (1 + rng.below(30)).min(donor.len() - from);
                for (k, t) in donor[from..from + n].iter().enumerate() {
                    ts.insert(at + k, t.clone());
                }
            }
            7 => {
                // A word for another word of the same text: names that mean something else.
                let words: Vec<usize> = (0..ts.len())
                    .filter(|i| ts[*i].chars().all(|c| c.is_alphanumeric() || c == '_'))
                    .collect();
                if words.len() > 1 {
                    let (a, b) = (rng.pick(&words), rng.pick(&words));
                    ts[a] = ts[b].clone();
                }
            }
            _ => {
                let mut bytes = ts.concat().into_bytes();
                for _ in 0..1 + rng.below(3) {
                    let at = rng.below(bytes.len());
                    if let Some(b) = bytes.get_mut(at) {
                        *b ^= 1 << rng.below(8);
                    }
                }
                ts = tokens(&String::from_utf8_lossy(&bytes));
            }
        }
    }
    ts.concat()
}

/// Everything that has to hold for a mutant: true if it still compiles.
pub fn check(modules: &[(String, String)], which: Which) -> Result<bool, String> {
    match oracle::compile(modules)? {
        Compiled::Refused(_) => Ok(false),
        Compiled::Program(bundle, bytes) => {
            let loaded = oracle::load(*bundle, &bytes)?;
            if loaded[0].program().entry.is_some() {
                match oracle::run_modes(&loaded, &[], which) {
                    Ok(_) => {}
                    // A mutant may ask for what is not granted.
                    Err(e) if e.starts_with("no instance") && e.contains("is not granted") => {}
                    Err(e) => return Err(e),
                }
            }
            Ok(true)
        }
    }
}
