//! What the generated programs contain: forms of the syntax tree, opcodes, builtins, functions of the standard
//! library, ways to end.
//!
//! The list of what has to occur is read off the sources (declarations of the tree, table of opcodes, `std/*.jet`),
//! so that a new form is missing until the generator makes it; [`NEVER`] says what cannot occur, and why.

use super::tree::{self, Value};
use bumpalo::Bump;
use jet_bytecode::analysis::decode::decode;
use jet_bytecode::builtins::{BUILTINS, Builtin};
use jet_bytecode::module::Bundle;
use jet_bytecode::opcodes::{OPS, Op};
use jet_frontend::diag::Sink;
use jet_frontend::parser;
use jet_frontend::source::{Interner, SourceMap};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// Counts by name.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Forms of the tree (`ExprKind.Binary`, `StmtKind.For.label`), `op add_i64`, `builtin str_find`,
    /// `std iter.Iter.map`, `end trap bounds`.
    pub counts: BTreeMap<String, u64>,
}

/// What does not occur, with the reason: names that begin so.
pub const NEVER: &[(&str, &str)] = &[
    ("ExprKind.Error", "a place that does not parse"),
    ("StmtKind.Error", "a place that does not parse"),
    ("PatKind.Error", "a place that does not parse"),
    ("TypeKind.Error", "a place that does not parse"),
    ("ExprKind.Spawn", "not supported yet"),
    ("StmtKind.Concurrent", "not supported yet"),
    ("StmtKind.Select", "not supported yet"),
    ("SelectKind", "not supported yet"),
    ("ItemKind.Extern", "not supported yet"),
    ("ExternItem", "not supported yet"),
    ("FnKind.Extern", "not supported yet"),
    (
        "FnKind.Deferred",
        "of interface packages: generated programs are one package",
    ),
    ("FnKind.Intrinsic", "of the standard library alone"),
    (
        "std json.fields",
        "called by what `derive Json` writes alone",
    ),
    (
        "std json.no_variant",
        "called by what `derive Json` writes alone",
    ),
    ("std json.part", "called by what `derive Json` writes alone"),
    ("std json.tag", "called by what `derive Json` writes alone"),
    (
        "std database.",
        "of databases: generated programs have none, what they do is not computed",
    ),
    (
        "std net.",
        "of the network: generated programs have none, what they do is not computed",
    ),
    (
        "std listen.",
        "of requests from outside: generated programs get none, what they do is not computed",
    ),
    (
        "std process.",
        "of programs outside: generated programs run none, what they do is not computed",
    ),
    ("Sign.Space", "no form is written so"),
    ("builtin debug_line", "`dbg` stands in tests alone"),
    (
        "builtin failure_text",
        "called where an error of `main` has a `Show` of its own",
    ),
    (
        "builtin str_is_boundary",
        "no function of the library calls it",
    ),
];

struct Expected {
    schema: tree::Schema,
    names: BTreeSet<String>,
    std: BTreeSet<String>,
}

fn expected() -> &'static Expected {
    static EXPECTED: OnceLock<Expected> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let schema = tree::Schema::read(&[
            include_str!("../../../frontend/src/ast.rs"),
            include_str!("../../../frontend/src/ast/expr.rs"),
            include_str!("../../../frontend/src/ast/item.rs"),
            include_str!("../../../frontend/src/ast/pat.rs"),
            include_str!("../../../frontend/src/ast/ty.rs"),
        ]);
        let mut names: BTreeSet<String> = schema.names();
        names.extend(OPS.iter().map(|o| format!("op {}", o.mnemonic)));
        names.extend(BUILTINS.iter().map(|b| format!("builtin {}", b.name)));
        names.extend(
            [
                "done",
                "failed",
                "trap bounds",
                "trap conversion",
                "trap missing_key",
                "trap overflow",
                "trap panic",
                "trap shift",
                "trap zero_divide",
            ]
            .iter()
            .map(|e| format!("end {e}")),
        );
        let mut std = BTreeSet::new();
        for file in &jet_frontend::std::package().files {
            std_functions(&file.module, &file.text, &mut std);
        }
        names.extend(std.iter().map(|s| format!("std {s}")));
        Expected { schema, names, std }
    })
}

/// Public functions of a module of the standard library, by the names that the compiler gives them.
fn std_functions(module: &str, text: &str, out: &mut BTreeSet<String>) {
    let mut owner = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("impl") {
            // `impl[T: Ord] Iter[T]:`, `impl Console for Buffer:`
            let rest = rest.trim_end_matches(':');
            let rest = match rest.strip_prefix('[') {
                Some(r) => r.split_once("] ").map_or(r, |p| p.1),
                None => rest,
            };
            // Methods of implementations are called through traits and capabilities.
            owner = if rest.contains(" for ") {
                "-".into()
            } else {
                let t = rest.trim();
                let t = if t.starts_with('[') {
                    t
                } else {
                    t.split('[').next().unwrap_or(t)
                };
                t.to_string()
            };
        } else if !line.starts_with(' ') && !line.is_empty() && !line.starts_with('#') {
            owner = String::new();
        }
        let Some(at) = line.find("pub fn ") else {
            continue;
        };
        if owner == "-" || line.trim_start().starts_with('#') {
            continue;
        }
        let name: String = line[at + 7..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        out.insert(if owner.is_empty() {
            format!("{module}.{name}")
        } else {
            format!("{module}.{owner}.{name}")
        });
    }
}

impl Census {
    fn count(&mut self, name: String) {
        *self.counts.entry(name).or_default() += 1;
    }

    /// Counts the forms of a module's tree, read off its debug text.
    pub fn add_text(&mut self, text: &str) {
        let arena = Bump::new();
        let mut names = Interner::new();
        let mut sources = SourceMap::new();
        let mut sink = Sink::new();
        let id = sources.add("main.jet", text);
        let options = parser::Options { is_std: false };
        let module = parser::parse(&arena, id, text, &options, &mut names, &mut sink);
        // Short functions of the library are put in place: a call of that name counts for them.
        let mut called = BTreeSet::new();
        let mut start = 0;
        for (i, c) in text.char_indices() {
            if !(c.is_alphanumeric() || c == '_') {
                if matches!(c, '(' | '[') {
                    called.insert(&text[start..i]);
                }
                start = i + c.len_utf8();
            }
        }
        for key in &expected().std {
            let name = key.rsplit('.').next().unwrap_or("");
            if called.contains(name) {
                self.count(format!("std {key}"));
            }
        }
        let debug = format!("{module:?}");
        let value = Value::parse(&debug);
        expected()
            .schema
            .walk(&value, "Module", &mut |name| self.count(name));
    }

    /// Counts the opcodes, builtins and functions of the standard library of a bundle.
    pub fn add_bundle(&mut self, bundle: &Bundle) {
        for package in &bundle.packages {
            for function in &package.functions {
                let mut pc = 0;
                while let Ok(instr) = decode(&function.code, pc) {
                    self.count(format!("op {}", instr.op.info().mnemonic));
                    if instr.op == Op::Builtin
                        && let Some(b) = Builtin::from_u16(instr.b)
                    {
                        self.count(format!("builtin {}", BUILTINS[b as usize].name));
                    }
                    pc += instr.len;
                }
                // Copies of generic functions stand with those who use them.
                let name = match package.name.as_str() {
                    "std" => Some(function.name.as_str()),
                    _ => function.name.strip_prefix("std."),
                };
                if let Some(name) = name {
                    let ends = name.match_indices('[').map(|(i, _)| i);
                    let key = ends
                        .chain([name.len()])
                        .map(|i| &name[..i])
                        .find(|k| expected().std.contains(*k));
                    if let Some(key) = key {
                        self.count(format!("std {key}"));
                    }
                }
            }
        }
    }

    /// Counts a program: its texts, its bundle and its end.
    pub fn add_program(&mut self, program: &super::program::Program, bundle: &Bundle) {
        for (_, text) in &program.modules {
            self.add_text(text);
        }
        self.add_bundle(bundle);
        if let Some(e) = &program.expected {
            self.add_end(&e.end);
        }
    }

    /// Counts a way to end.
    pub fn add_end(&mut self, end: &super::program::Ending) {
        self.count(match end {
            super::program::Ending::Done => "end done".into(),
            super::program::Ending::Failed(_) => "end failed".into(),
            super::program::Ending::Trap(kind) => format!("end trap {kind}"),
        });
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Census) {
        for (k, n) in &other.counts {
            *self.counts.entry(k.clone()).or_default() += n;
        }
    }

    /// What never occurred though it could.
    pub fn missing(&self) -> Vec<String> {
        expected()
            .names
            .iter()
            .filter(|n| !self.counts.contains_key(*n))
            .filter(|n| !NEVER.iter().any(|(never, _)| n.starts_with(never)))
            .cloned()
            .collect()
    }

    /// A table of all counts, and of what is left out.
    pub fn table(&self) -> String {
        let mut out = String::new();
        for (k, n) in &self.counts {
            out.push_str(&format!("{n:>12}  {k}\n"));
        }
        for (name, why) in NEVER {
            out.push_str(&format!("{:>12}  {name}: {why}\n", "-"));
        }
        out
    }
}
