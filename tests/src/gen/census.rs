//! Which forms of the syntax tree and which opcodes the generated programs contain.

use bumpalo::Bump;
use jet_bytecode::analysis::decode::decode;
use jet_bytecode::format;
use jet_bytecode::opcodes::OPS;
use jet_frontend::diag::Sink;
use jet_frontend::parser;
use jet_frontend::source::{Interner, SourceMap};
use std::collections::BTreeMap;

/// Counts by name.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Forms of the tree: `Expr.Binary`, `Stmt.For`, `BinaryOp.Add`.
    pub nodes: BTreeMap<String, u64>,
    /// Opcodes.
    pub ops: BTreeMap<String, u64>,
}

/// Types of the tree whose forms are counted, with those that a program of the language as it is cannot have
/// left out.
pub const FORMS: &[(&str, &[&str])] = &[
    (
        "Expr",
        &[
            "Int",
            "Float",
            "Bool",
            "Char",
            "Str",
            "FStr",
            "Tuple",
            "List",
            "ListRepeat",
            "Map",
            "Name",
            "Field",
            "TupleField",
            "Call",
            "MethodCall",
            "Index",
            "Try",
            "Unary",
            "Binary",
            "Range",
            "Else",
            "If",
            "Match",
            "Fn",
            "Return",
            "Raise",
            "Break",
            "Continue",
            "Block",
        ],
    ),
    (
        "Stmt",
        &[
            "Expr", "Let", "Assign", "While", "Loop", "For", "Try", "With", "Allow", "Assert",
            "Fn", "Pass",
        ],
    ),
    (
        "Pat",
        &[
            "Wild", "Bind", "At", "Literal", "Range", "Tuple", "List", "Path", "Call", "Or",
        ],
    ),
    (
        "TypeExpr",
        &["Path", "List", "Tuple", "Option", "Fn", "Union"],
    ),
    (
        "Item",
        &[
            "Import",
            "FromImport",
            "Const",
            "Struct",
            "Enum",
            "Trait",
            "Impl",
            "Capability",
            "CapSet",
            "Fn",
        ],
    ),
    (
        "op",
        &[
            "Pow", "Mul", "Div", "Rem", "MulWrap", "Add", "Sub", "AddWrap", "SubWrap", "Shl",
            "Shr", "UShr", "BitAnd", "BitXor", "BitOr", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And",
            "Or", "Neg", "BitNot", "Not",
        ],
    ),
];

impl Census {
    /// Counts the forms of a module's tree, read off its debug text: a new form needs no change here.
    pub fn add_text(&mut self, text: &str) {
        let arena = Bump::new();
        let mut names = Interner::new();
        let mut sources = SourceMap::new();
        let mut sink = Sink::new();
        let id = sources.add("main.jet", text);
        let options = parser::Options { is_std: false };
        let module = parser::parse(&arena, id, text, &options, &mut names, &mut sink);
        let debug = format!("{module:?}");
        let mut stack: Vec<&str> = Vec::new();
        let mut word = 0;
        let bytes = debug.as_bytes();
        let mut pending: Option<&str> = None;
        let mut i = 0;
        while i < bytes.len() {
            let c = bytes[i];
            if c == b'"' || c == b'\'' {
                // Skips literals of the text.
                i += 1;
                while i < bytes.len() && bytes[i] != c {
                    i += if bytes[i] == b'\\' { 2 } else { 1 };
                }
                i += 1;
                word = i;
                continue;
            }
            if !c.is_ascii_alphanumeric() && c != b'_' {
                let name = debug.get(word..i).unwrap_or("");
                if !name.is_empty() {
                    match pending.take() {
                        Some("kind") => {
                            if let Some(owner) = stack
                                .iter()
                                .rev()
                                .find(|s| s.starts_with(|c: char| c.is_ascii_uppercase()))
                            {
                                *self.nodes.entry(format!("{owner}.{name}")).or_default() += 1;
                            }
                        }
                        Some("op") => *self.nodes.entry(format!("op.{name}")).or_default() += 1,
                        _ => {}
                    }
                    if c == b':' {
                        pending = Some(name);
                    }
                }
                match c {
                    b'{' => {
                        let at = debug[..i].trim_end();
                        let start = at
                            .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                            .map_or(0, |p| p + 1);
                        let name = &at[start..];
                        // A struct, not a form with named parts.
                        let owner = FORMS.iter().any(|f| f.0 == name);
                        stack.push(if owner { name } else { "" });
                    }
                    b'}' => {
                        stack.pop();
                    }
                    b' ' | b':' => {}
                    _ => pending = None,
                }
                word = i + 1;
            }
            i += 1;
        }
    }

    /// Counts the opcodes of a bundle.
    pub fn add_bundle(&mut self, bytes: &[u8]) {
        let Ok(bundle) = format::decode(bytes) else {
            return;
        };
        for package in &bundle.packages {
            for function in &package.functions {
                let mut pc = 0;
                while let Ok(instr) = decode(&function.code, pc) {
                    *self
                        .ops
                        .entry(instr.op.info().mnemonic.to_string())
                        .or_default() += 1;
                    pc += instr.len;
                }
            }
        }
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Census) {
        for (k, n) in &other.nodes {
            *self.nodes.entry(k.clone()).or_default() += n;
        }
        for (k, n) in &other.ops {
            *self.ops.entry(k.clone()).or_default() += n;
        }
    }

    /// Forms and opcodes that never occurred.
    pub fn missing(&self) -> Vec<String> {
        let mut out = Vec::new();
        for (ty, forms) in FORMS {
            for form in *forms {
                let name = format!("{ty}.{form}");
                if !self.nodes.contains_key(&name) {
                    out.push(name);
                }
            }
        }
        for op in OPS {
            if !self.ops.contains_key(op.mnemonic) {
                out.push(format!("opcode {}", op.mnemonic));
            }
        }
        out
    }

    /// A table of all counts.
    pub fn table(&self) -> String {
        let mut out = String::new();
        for (k, n) in self.nodes.iter().chain(&self.ops) {
            out.push_str(&format!("{n:>12}  {k}\n"));
        }
        out
    }
}
