//! A bundle as assembly text.
//!
//! What must stay true: everything that the bundle holds is in the text; what does not decode to an
//! instruction in canonical form is written as raw words. Comments say what indices name; behind
//! [`MAX_COMMENTED`] bytes there are none, so that no small file makes a huge text.

use crate::analysis::decode::{Instr, decode};
use crate::builtins::BUILTINS;
use crate::disasm;
use crate::module::*;
use crate::opcodes::{Lane, Op, TrapKind, Word};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

/// Size of the text from which on it has no comments.
const MAX_COMMENTED: usize = 32 << 20;

/// The bundle as text that [`super::assemble`] reads back.
pub fn text(bundle: &Bundle) -> String {
    let mut w = Writer {
        out: String::new(),
        hashes: HashMap::new(),
    };
    for p in &bundle.packages {
        w.package(p);
    }
    w.out
}

struct Writer<'a> {
    out: String,
    /// Hashes of the packages so far.
    hashes: HashMap<&'a str, [u8; 32]>,
}

macro_rules! line {
    ($w:expr, $($arg:tt)*) => {{ let _ = writeln!($w.out, $($arg)*); }};
}

fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\'' => out.push('\''),
            // Controls, direction marks and what does not show.
            c => match c.escape_debug().next() {
                Some('\\') => {
                    let _ = write!(out, "\\u{{{:x}}}", c as u32);
                }
                _ => out.push(c),
            },
        }
    }
    out.push('"');
    out
}

fn join<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn refs(items: &[u16]) -> String {
    join(items, |i| format!("%{i}"))
}

fn sig(s: &Sig) -> String {
    let mut out = format!("({}) -> %{}", refs(&s.params), s.ret);
    if !s.uses.is_empty() {
        let _ = write!(out, " uses ({})", refs(&s.uses));
    }
    if !s.errors.is_empty() {
        let _ = write!(out, " raises ({})", refs(&s.errors));
    }
    out
}

fn field(f: &Field) -> String {
    let m = if f.mutable { "mut " } else { "" };
    format!("{m}{} %{}", quote(&f.name), f.ty)
}

fn variants(vs: &[Variant]) -> String {
    join(vs, |v| {
        format!("{} {{{}}}", quote(&v.name), join(&v.fields, field))
    })
}

fn methods(ms: &[Method]) -> String {
    join(ms, |m| format!("{} {}", quote(&m.name), sig(&m.sig)))
}

fn ty(t: &Type) -> String {
    match t {
        Type::Unit => "unit".into(),
        Type::Bool => "bool".into(),
        Type::Byte => "byte".into(),
        Type::Char => "char".into(),
        Type::Int => "int".into(),
        Type::Float => "float".into(),
        Type::Str => "string".into(),
        Type::Env => "env".into(),
        Type::List(t) => format!("list %{t}"),
        Type::Tuple(ts) => format!("tuple ({})", refs(ts)),
        Type::Nominal(n) => format!("nominal %{n}"),
        Type::Cap(c) => format!("cap %{c}"),
        Type::Dyn(t) => format!("dyn %{t}"),
        Type::ErrorSet(es) => format!("errors ({})", refs(es)),
        Type::Fn(s) => format!("own {}", sig(s)),
        Type::BorrowedFn(s) => format!("borrowed {}", sig(s)),
    }
}

impl<'a> Writer<'a> {
    /// A comment behind a statement, with nothing in it that ends the line.
    fn note(&self, text: impl FnOnce() -> String) -> String {
        if self.out.len() > MAX_COMMENTED {
            return String::new();
        }
        let text = text();
        if text.is_empty() {
            return text;
        }
        format!("  ; {text}")
    }

    fn package_ref(&self, p: &Package, ix: PackageIx) -> String {
        let Some(i) = usize::from(ix).checked_sub(1) else {
            return "self".into();
        };
        let name = p.deps.get(i).map(|d| &d.name);
        match name {
            Some(n) if p.deps.iter().position(|d| d.name == *n) == Some(i) => quote(n),
            _ => ix.to_string(),
        }
    }

    fn package(&mut self, p: &'a Package) {
        line!(self, "package {} {}", quote(&p.name), quote(&p.version));
        for d in &p.deps {
            if self.hashes.get(d.name.as_str()) == Some(&d.hash) {
                line!(self, "dep {}", quote(&d.name));
            } else {
                let hash: String = d.hash.iter().map(|b| format!("{b:02x}")).collect();
                line!(self, "dep {} hash \"{hash}\"", quote(&d.name));
            }
        }
        for i in &p.inputs {
            let hash: String = i.hash.iter().map(|b| format!("{b:02x}")).collect();
            line!(self, "input {} hash \"{hash}\"", quote(&i.name));
        }
        for (i, t) in (0u16..=u16::MAX).zip(&p.types) {
            let plain = !matches!(
                t,
                Type::List(_)
                    | Type::Tuple(_)
                    | Type::Nominal(_)
                    | Type::Cap(_)
                    | Type::Dyn(_)
                    | Type::ErrorSet(_)
                    | Type::Fn(_)
                    | Type::BorrowedFn(_)
            );
            let note = self.note(|| match plain {
                true => String::new(),
                false => disasm::type_text(p, i),
            });
            line!(self, "type %{i} = {}{note}", ty(t));
        }
        for (i, n) in p.nominals.iter().enumerate() {
            let kind = match &n.kind {
                NominalKind::Struct(fs) => format!("struct {{{}}}", join(fs, field)),
                NominalKind::Enum(vs) => format!("enum {{{}}}", variants(vs)),
                NominalKind::Error(vs) => format!("error {{{}}}", variants(vs)),
                NominalKind::Handle => "handle".into(),
            };
            let package = self.package_ref(p, n.package);
            line!(self, "nominal %{i} = {package} {} {kind}", quote(&n.name));
        }
        for (i, c) in p.caps.iter().enumerate() {
            let parent = c.parent.map(|p| format!(" parent %{p}"));
            let (package, name) = (self.package_ref(p, c.package), quote(&c.name));
            let (parent, methods) = (parent.unwrap_or_default(), methods(&c.methods));
            line!(self, "cap %{i} = {package} {name}{parent} {{{methods}}}");
        }
        for (i, t) in p.traits.iter().enumerate() {
            let (package, name) = (self.package_ref(p, t.package), quote(&t.name));
            line!(
                self,
                "trait %{i} = {package} {name} {{{}}}",
                methods(&t.methods)
            );
        }
        for i in &p.impls {
            let of = match i.interface {
                Interface::Trait(t) => format!("trait %{t}"),
                Interface::Cap(c) => format!("cap %{c}"),
            };
            line!(self, "impl %{} {of} ({})", i.ty, refs(&i.methods));
        }
        for (i, f) in p.imports.iter().enumerate() {
            let (package, name) = (self.package_ref(p, f.package), quote(&f.name));
            line!(self, "import %{i} = {package} {name} {}", sig(&f.sig));
        }
        for (i, c) in p.consts.iter().enumerate() {
            match c {
                Const::Int(v) => line!(self, "const %{i} = int {v}"),
                Const::Float(bits) => {
                    let note = self.note(|| format!("{:?}", f64::from_bits(*bits)));
                    line!(self, "const %{i} = float {bits:#x}{note}");
                }
                Const::Str(s) => line!(self, "const %{i} = string {}", quote(s)),
            }
        }
        for f in &p.files {
            line!(self, "file {}", quote(f));
        }
        if let Some(e) = &p.entry {
            line!(self, "entry %{}", e.function);
            for path in &e.paths {
                line!(self, "path ({})", join(path, |s| quote(s)));
            }
        }
        for (i, f) in (p.imports.len()..).zip(&p.functions) {
            self.out.push('\n');
            self.function(p, i, f);
        }
        self.out.push('\n');
        if let Ok(hash) = crate::format::package_hash(p) {
            self.hashes.insert(&p.name, hash);
        }
    }

    fn function(&mut self, p: &Package, index: usize, f: &Function) {
        let kind = match f.kind {
            FnKind::Named => "fn",
            FnKind::Literal => "literal",
        };
        line!(self, "{kind} %{index} {} {}", quote(&f.name), sig(&f.sig));
        for t in &f.captures {
            let note = self.note(|| disasm::type_text(p, *t));
            line!(self, "  capture %{t}{note}");
        }
        for (i, t) in f.regs.iter().enumerate() {
            let note = self.note(|| format!("r{i}: {}", disasm::type_text(p, *t)));
            line!(self, "  regs %{t}{note}");
        }
        // Instruction starts, so that labels stand only there.
        let mut starts = BTreeSet::new();
        let mut list = Vec::new();
        let mut pc = 0u32;
        while (pc as usize) < f.code.len() {
            starts.insert(i64::from(pc));
            let i = canonical(&f.code, pc);
            pc = i.map_or(pc + 1, |i| i.next_pc());
            list.push(i);
        }
        let mut labels = BTreeSet::new();
        for i in list.iter().flatten() {
            let to = i.target().into_iter().chain(i.switch_targets(&f.code));
            labels.extend(to.filter(|t| starts.contains(t)));
        }
        let mut joins = f.joins.iter().peekable();
        let mut lines = f.lines.iter().peekable();
        let at = |here: Option<u32>, pc: u32| match here {
            Some(here) if here == pc => String::new(),
            _ => format!("@{pc} "),
        };
        for (pc, i) in starts.iter().map(|p| *p as u32).zip(&list) {
            if labels.contains(&i64::from(pc)) {
                line!(self, "L{pc}:");
            }
            while let Some(j) = joins.next_if(|j| j.pc <= pc) {
                let live = join(j.live, |r| format!("r{r}"));
                line!(self, "  join {}({live})", at(Some(pc), j.pc));
            }
            while let Some(l) = lines.next_if(|l| l.pc <= pc) {
                let place = at(Some(pc), l.pc);
                line!(self, "  line {place}{}:{}:{}", l.file, l.line, l.col);
            }
            match i {
                Some(i) => {
                    let text = instruction(i, &f.code, &labels);
                    let note = self.note(|| disasm::instruction_note(p, f, i));
                    line!(self, "  {text}{note}");
                }
                None => {
                    let word = Word(f.code.get(pc as usize).copied().unwrap_or(0));
                    let [_, a, b, c] = word.split();
                    match word.op() {
                        Some(op) => line!(self, "  raw {} {a} {b} {c}", op.info().mnemonic),
                        None => line!(self, "  word {:#x}", word.0),
                    }
                }
            }
        }
        for j in joins {
            let live = join(j.live, |r| format!("r{r}"));
            line!(self, "  join {}({live})", at(None, j.pc));
        }
        for l in lines {
            let place = at(None, l.pc);
            line!(self, "  line {place}{}:{}:{}", l.file, l.line, l.col);
        }
        line!(self, "end");
    }
}

/// The instruction at this word, if its mnemonic form says all of it.
fn canonical(code: &[u64], pc: u32) -> Option<Instr> {
    let i = decode(code, pc).ok()?;
    let unused = i.operands().all(|(lane, v)| lane != Lane::Unused || v == 0);
    (unused && i.padding(code).all(|v| v == 0)).then_some(i)
}

fn instruction(i: &Instr, code: &[u64], labels: &BTreeSet<i64>) -> String {
    let target = |t: i64| match labels.contains(&t) {
        true => format!("L{t}"),
        false => format!("{:+}", t - i64::from(i.pc)),
    };
    let mut parts: Vec<String> = Vec::new();
    for (lane, value) in i.operands() {
        parts.push(match lane {
            Lane::Write(_) | Lane::Read(_) => format!("r{value}"),
            Lane::Imm16 => (value as i16).to_string(),
            Lane::Imm32 => i.imm32().to_string(),
            Lane::Const32 => format!("%{}", i.const_index()),
            Lane::Jump16 | Lane::Jump32 => target(i.target().unwrap_or(0)),
            Lane::Index => match i.op {
                Op::Call | Op::MakeFn | Op::MakeBorrowed | Op::JErrIs => format!("%{value}"),
                Op::GetPayload => format!("{}.{}", value >> 8, value & 0xff),
                Op::Builtin => BUILTINS
                    .get(usize::from(value))
                    .map_or_else(|| value.to_string(), |b| b.name.to_owned()),
                Op::Trap => TrapKind::from_u16(value)
                    .map_or_else(|| value.to_string(), |k| format!("{k:?}")),
                _ => value.to_string(),
            },
            Lane::Count if i.op == Op::Switch => {
                let to: Vec<String> = i.switch_targets(code).map(target).collect();
                format!("({})", to.join(", "))
            }
            Lane::Count => {
                let args: Vec<String> = i.args(code).map(|r| format!("r{r}")).collect();
                format!("({})", args.join(", "))
            }
            Lane::Unused | Lane::High => continue,
        });
    }
    format!("{:<14} {}", i.op.info().mnemonic, parts.join(", "))
}
