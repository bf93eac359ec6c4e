//! Text of a bundle, for people: types spelled, registers with types, jumps with labels, source lines.
//!
//! What must stay true: total on any decoded bundle, verified or not; text of the file is escaped,
//! so it cannot steer a terminal; spelling a type is bounded in depth and length.

use crate::analysis::decode::{Instr, decode};
use crate::builtins::BUILTINS;
use crate::module::*;
use crate::opcodes::{Lane, OPS, Op, TrapKind};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Most characters of one spelled type.
const MAX_SPELLED: usize = 400;
/// Levels of a structural type that are spelled.
const MAX_DEPTH: u32 = 12;

/// Most characters of one name.
const MAX_NAME: usize = 100;
/// Where output ends, so that no small file makes a huge text.
const MAX_OUTPUT: usize = 64 << 20;

/// Finds the text of a source line, by file name and line from 1; fit to be shown as it is.
pub type Sources<'a> = &'a dyn Fn(&str, u32) -> Option<String>;

/// The whole bundle as text; a very large one is cut off.
pub fn disassemble(bundle: &Bundle) -> String {
    disassemble_with(bundle, &|_, _| None)
}

/// The same, with the text of source lines where somebody has it.
pub fn disassemble_with(bundle: &Bundle, sources: Sources<'_>) -> String {
    let mut out = String::new();
    for p in &bundle.packages {
        package(&mut out, p, sources);
    }
    if out.len() >= MAX_OUTPUT {
        out.push_str("… (cut off)\n");
    }
    out
}

fn quote(text: &str) -> String {
    format!("\"{}\"", escape(text))
}

/// Escapes controls and direction marks; shortens.
fn escape(text: &str) -> String {
    let mut chars = text.chars();
    let short: String = chars.by_ref().take(MAX_NAME).collect();
    let more = if chars.next().is_some() { "…" } else { "" };
    format!("{}{more}", short.escape_debug())
}

macro_rules! line {
    ($out:expr, $($arg:tt)*) => {
        if $out.len() < MAX_OUTPUT {
            let _ = writeln!($out, $($arg)*);
        }
    };
}

fn package_name(p: &Package, ix: PackageIx) -> String {
    match usize::from(ix).checked_sub(1) {
        None => escape(&p.name),
        Some(i) => p.deps.get(i).map_or("?".into(), |d| escape(&d.name)),
    }
}

fn qualified(p: &Package, package: PackageIx, name: &str) -> String {
    if package == 0 {
        escape(name)
    } else {
        format!("{}.{}", package_name(p, package), escape(name))
    }
}

fn nominal_name(p: &Package, ix: NominalIx) -> String {
    p.nominals.get(usize::from(ix)).map_or_else(
        || format!("nominal?{ix}"),
        |n| qualified(p, n.package, &n.name),
    )
}

fn cap_name(p: &Package, ix: CapIx) -> String {
    p.caps
        .get(usize::from(ix))
        .map_or_else(|| format!("cap?{ix}"), |c| qualified(p, c.package, &c.name))
}

fn trait_name(p: &Package, ix: TraitIx) -> String {
    p.traits.get(usize::from(ix)).map_or_else(
        || format!("trait?{ix}"),
        |t| qualified(p, t.package, &t.name),
    )
}

/// A type as in source, with `borrowed` and `cap` marked.
pub fn type_text(p: &Package, ix: TypeIx) -> String {
    let mut out = String::new();
    spell(&mut out, p, ix, 0);
    out
}

fn spell(out: &mut String, p: &Package, ix: TypeIx, depth: u32) {
    if depth > MAX_DEPTH || out.len() > MAX_SPELLED {
        out.push('…');
        return;
    }
    let Some(ty) = p.types.get(usize::from(ix)) else {
        let _ = write!(out, "type?{ix}");
        return;
    };
    match ty {
        Type::Unit => out.push_str("()"),
        Type::Bool => out.push_str("bool"),
        Type::Byte => out.push_str("byte"),
        Type::Char => out.push_str("char"),
        Type::Int => out.push_str("int"),
        Type::Float => out.push_str("float"),
        Type::Str => out.push_str("string"),
        Type::Env => out.push_str("env"),
        Type::List(t) => {
            out.push('[');
            spell(out, p, *t, depth + 1);
            out.push(']');
        }
        Type::Tuple(ts) => {
            out.push('(');
            spell_list(out, p, ts, depth + 1);
            out.push(')');
        }
        Type::Nominal(n) => out.push_str(&nominal_name(p, *n)),
        Type::Cap(c) => {
            let _ = write!(out, "cap {}", cap_name(p, *c));
        }
        Type::Dyn(t) => {
            let _ = write!(out, "dyn {}", trait_name(p, *t));
        }
        Type::ErrorSet(es) => spell_errors(out, p, es),
        Type::Fn(sig) => {
            out.push_str("own fn");
            spell_sig(out, p, sig, depth + 1);
        }
        Type::BorrowedFn(sig) => {
            out.push_str("fn");
            spell_sig(out, p, sig, depth + 1);
        }
    }
}

fn spell_list(out: &mut String, p: &Package, list: &[TypeIx], depth: u32) {
    for (i, t) in list.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        if out.len() > MAX_SPELLED {
            out.push('…');
            return;
        }
        spell(out, p, *t, depth);
    }
}

fn spell_errors(out: &mut String, p: &Package, errors: &[NominalIx]) {
    for (i, e) in errors.iter().enumerate() {
        if i > 0 {
            out.push_str(" | ");
        }
        if out.len() > MAX_SPELLED {
            out.push('…');
            return;
        }
        out.push_str(&nominal_name(p, *e));
    }
}

fn spell_sig(out: &mut String, p: &Package, sig: &Sig, depth: u32) {
    out.push('(');
    spell_list(out, p, &sig.params, depth);
    out.push_str(") -> ");
    spell(out, p, sig.ret, depth);
    if !sig.uses.is_empty() {
        let uses: Vec<String> = sig.uses.iter().map(|c| cap_name(p, *c)).collect();
        let _ = write!(out, " uses {}", uses.join(" + "));
    }
    if !sig.errors.is_empty() {
        out.push_str(" ! ");
        spell_errors(out, p, &sig.errors);
    }
}

fn sig_text(p: &Package, sig: &Sig) -> String {
    let mut out = String::new();
    spell_sig(&mut out, p, sig, 0);
    out
}

fn function_name(p: &Package, ix: u16) -> String {
    let i = usize::from(ix);
    match p.imports.get(i) {
        Some(f) => qualified(p, f.package, &f.name),
        None => p
            .functions
            .get(i - p.imports.len())
            .map_or_else(|| format!("function?{ix}"), |f| escape(&f.name)),
    }
}

fn package(out: &mut String, p: &Package, sources: Sources<'_>) {
    line!(out, "package {} {}", escape(&p.name), escape(&p.version));
    for d in &p.deps {
        let hash: String = d.hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
        line!(out, "  depends on {} {hash}", escape(&d.name));
    }
    for n in &p.nominals {
        nominal(out, p, n);
    }
    for c in &p.caps {
        let parent = c.parent.map(|c| format!(": {}", cap_name(p, c)));
        let name = qualified(p, c.package, &c.name);
        line!(out, "\ncapability {name}{}", parent.unwrap_or_default());
        methods(out, p, &c.methods);
    }
    for t in &p.traits {
        line!(out, "\ntrait {}", qualified(p, t.package, &t.name));
        methods(out, p, &t.methods);
    }
    for i in &p.impls {
        let of = match i.interface {
            Interface::Trait(t) => format!("trait {}", trait_name(p, t)),
            Interface::Cap(c) => format!("capability {}", cap_name(p, c)),
        };
        line!(out, "\nimpl {of} for {}", nominal_name(p, i.ty));
        for m in &i.methods {
            line!(out, "  {}", function_name(p, *m));
        }
    }
    for i in &p.imports {
        let name = qualified(p, i.package, &i.name);
        line!(out, "\nimport {name}{}", sig_text(p, &i.sig));
    }
    if let Some(e) = &p.entry {
        line!(out, "\nentry {}", function_name(p, e.function));
        for path in &e.paths {
            let steps: Vec<String> = path.iter().map(|s| escape(s)).collect();
            line!(out, "  request: {}", steps.join(" → "));
        }
    }
    for f in &p.functions {
        if out.len() >= MAX_OUTPUT {
            return;
        }
        out.push('\n');
        function(out, p, f, sources);
    }
    out.push('\n');
}

fn nominal(out: &mut String, p: &Package, n: &Nominal) {
    let name = qualified(p, n.package, &n.name);
    let fields = |fields: &[Field]| -> String {
        let text: Vec<String> = fields
            .iter()
            .map(|f| {
                let m = if f.mutable { "mut " } else { "" };
                format!("{m}{}: {}", escape(&f.name), type_text(p, f.ty))
            })
            .collect();
        text.join(", ")
    };
    match &n.kind {
        NominalKind::Struct(fs) => {
            line!(out, "\nstruct {name}({})", fields(fs));
        }
        NominalKind::Enum(vs) | NominalKind::Error(vs) => {
            let error = matches!(n.kind, NominalKind::Error(_));
            line!(out, "\n{} {name}", if error { "error" } else { "enum" });
            for (i, v) in vs.iter().enumerate() {
                line!(out, "  {i} {}({})", escape(&v.name), fields(&v.fields));
            }
        }
        NominalKind::Handle => {
            line!(out, "\nhandle {name}");
        }
    }
}

fn methods(out: &mut String, p: &Package, methods: &[Method]) {
    for (i, m) in methods.iter().enumerate() {
        line!(out, "  {i} {}{}", escape(&m.name), sig_text(p, &m.sig));
    }
}

fn function(out: &mut String, p: &Package, f: &Function, sources: Sources<'_>) {
    let kind = match f.kind {
        FnKind::Named => "fn",
        FnKind::Literal => "literal",
    };
    line!(out, "{kind} {}{}", escape(&f.name), sig_text(p, &f.sig));
    for (i, t) in f.captures.iter().enumerate() {
        line!(out, "  capture {i}: {}", type_text(p, *t));
    }
    for (i, t) in f.regs.iter().enumerate() {
        line!(out, "  r{i}: {}", type_text(p, *t));
    }
    let mut labels: BTreeMap<u32, usize> = f.joins.iter().map(|j| (j.pc, 0)).collect();
    for (i, label) in labels.values_mut().enumerate() {
        *label = i;
    }
    let mut joins = f.joins.iter().peekable();
    let mut lines = f.lines.iter().peekable();
    let mut pc = 0u32;
    while (pc as usize) < f.code.len() && out.len() < MAX_OUTPUT {
        while let Some(l) = lines.next_if(|l| l.pc <= pc) {
            let file = p.files.get(usize::from(l.file));
            let text = file.and_then(|f| sources(f, l.line));
            let text = text.map_or_else(String::new, |t| format!("  {t}"));
            let file = file.map_or("?".into(), |f| escape(f));
            line!(out, "  ; {file}:{}:{}{text}", l.line, l.col);
        }
        while let Some(j) = joins.next_if(|j| j.pc <= pc) {
            let live: Vec<String> = j.live.iter().map(|r| format!("r{r}")).collect();
            let label = labels.get(&j.pc).copied().unwrap_or(0);
            line!(out, "L{label}: ({})", live.join(" "));
        }
        match decode(&f.code, pc) {
            Ok(i) => {
                line!(out, "  {pc:5}  {}", instruction(p, f, &i, &labels));
                pc = i.next_pc();
            }
            Err(_) => {
                let word = f.code.get(pc as usize).copied().unwrap_or(0);
                line!(out, "  {pc:5}  ?? {word:016x}");
                pc += 1;
            }
        }
    }
}

fn register(p: &Package, f: &Function, r: u16) -> String {
    let ty = f.regs.get(usize::from(r));
    match ty.and_then(|t| p.types.get(usize::from(*t))) {
        Some(Type::Cap(c)) => format!("r{r}:{}", cap_name(p, *c)),
        _ => format!("r{r}"),
    }
}

fn label(labels: &BTreeMap<u32, usize>, target: i64) -> String {
    let known = u32::try_from(target).ok().and_then(|t| labels.get(&t));
    known.map_or_else(|| format!("@{target}"), |l| format!("L{l}"))
}

fn instruction(p: &Package, f: &Function, i: &Instr, labels: &BTreeMap<u32, usize>) -> String {
    let info = i.op.info();
    let mut text = format!("{:<14}", info.mnemonic);
    let mut note = String::new();
    let mut parts: Vec<String> = Vec::new();
    for (lane, value) in i.operands() {
        parts.push(match lane {
            Lane::Write(_) | Lane::Read(_) => register(p, f, value),
            Lane::Imm16 => (value as i16).to_string(),
            Lane::Imm32 => i.imm32().to_string(),
            Lane::Const32 => constant(p, i.const_index()),
            Lane::Jump16 | Lane::Jump32 => label(labels, i.target().unwrap_or(-1)),
            Lane::Index => index(p, f, i, value, &mut note),
            Lane::Count | Lane::Unused | Lane::High => continue,
        });
    }
    if i.op == Op::Switch {
        let to = i.switch_targets(&f.code).take(1000);
        let to: Vec<String> = to.map(|t| label(labels, t)).collect();
        parts.push(format!("[{}]", to.join(" ")));
    } else if i.count().is_some() {
        let args = i.args(&f.code).take(1000).map(|r| register(p, f, r));
        parts.push(format!("({})", args.collect::<Vec<_>>().join(", ")));
    }
    text.push_str(&parts.join(", "));
    if !note.is_empty() {
        let _ = write!(text, "  ; {note}");
    }
    text
}

/// What an instruction's indices name, and its capability registers; for comments.
pub(crate) fn instruction_note(p: &Package, f: &Function, i: &Instr) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut tag = |r: u16| {
        let text = register(p, f, r);
        if text.contains(':') {
            parts.push(text);
        }
    };
    for (lane, value) in i.operands() {
        if matches!(lane, Lane::Write(_) | Lane::Read(_)) {
            tag(value);
        }
    }
    i.args(&f.code).take(100).for_each(tag);
    for (lane, value) in i.operands() {
        match lane {
            Lane::Const32 => parts.push(constant(p, i.const_index())),
            Lane::Index => {
                let mut note = String::new();
                let text = index(p, f, i, value, &mut note);
                match i.op {
                    Op::Call | Op::MakeFn | Op::MakeBorrowed | Op::JErrIs => parts.push(text),
                    _ if note.is_empty() => {}
                    _ => parts.push(note),
                }
            }
            _ => {}
        }
    }
    parts.join(", ")
}

fn constant(p: &Package, k: u32) -> String {
    match p.consts.get(k as usize) {
        Some(Const::Int(v)) => v.to_string(),
        Some(Const::Float(bits)) => format!("{:?}", f64::from_bits(*bits)),
        Some(Const::Str(s)) => quote(s),
        None => format!("const?{k}"),
    }
}

/// The nominal type of a register.
fn nominal_of<'a>(p: &'a Package, f: &Function, r: u16) -> Option<&'a Nominal> {
    let ty = f.regs.get(usize::from(r))?;
    match p.types.get(usize::from(*ty))? {
        Type::Nominal(n) => p.nominals.get(usize::from(*n)),
        _ => None,
    }
}

fn variant_name(p: &Package, f: &Function, r: u16, variant: u16) -> Option<String> {
    match &nominal_of(p, f, r)?.kind {
        NominalKind::Enum(vs) | NominalKind::Error(vs) => {
            Some(escape(&vs.get(usize::from(variant))?.name))
        }
        _ => None,
    }
}

fn field_name(p: &Package, f: &Function, r: u16, field: u16) -> Option<String> {
    match &nominal_of(p, f, r)?.kind {
        NominalKind::Struct(fs) => Some(escape(&fs.get(usize::from(field))?.name)),
        _ => None,
    }
}

fn method_name(p: &Package, f: &Function, i: &Instr) -> Option<String> {
    let method = usize::from(i.b);
    for r in i.args(&f.code).take(300) {
        let ty = f.regs.get(usize::from(r))?;
        let (name, methods) = match p.types.get(usize::from(*ty))? {
            Type::Cap(c) if i.op == Op::CapCall => {
                (cap_name(p, *c), &p.caps.get(usize::from(*c))?.methods)
            }
            Type::Dyn(t) if i.op == Op::CallDyn => {
                (trait_name(p, *t), &p.traits.get(usize::from(*t))?.methods)
            }
            _ => continue,
        };
        return Some(format!("{name}.{}", escape(&methods.get(method)?.name)));
    }
    None
}

/// An index operand; what it names goes into the note where the bare number still matters.
fn index(p: &Package, f: &Function, i: &Instr, value: u16, note: &mut String) -> String {
    let named = match i.op {
        Op::Call | Op::MakeFn | Op::MakeBorrowed => return function_name(p, value),
        Op::Builtin => {
            let row = BUILTINS.get(usize::from(value));
            return row.map_or_else(|| format!("builtin?{value}"), |b| b.name.to_owned());
        }
        Op::Trap => return TrapKind::from_u16(value).map_or("?".into(), |k| format!("{k:?}")),
        Op::JErrIs => return type_text(p, value),
        Op::CapCall | Op::CallDyn => method_name(p, f, i),
        Op::New | Op::JTag | Op::JNotTag => variant_name(p, f, i.a, value),
        Op::GetField | Op::GetCap => field_name(p, f, i.b, value),
        Op::SetField => field_name(p, f, i.a, value),
        Op::GetPayload => {
            let name = variant_name(p, f, i.b, value >> 8);
            *note = name.unwrap_or_default();
            return format!("{}.{}", value >> 8, value & 0xff);
        }
        _ => None,
    };
    *note = named.unwrap_or_default();
    value.to_string()
}

/// The opcode reference as Markdown, generated from the table.
pub fn opcode_reference() -> String {
    let mut out = String::from(
        "# Opcodes\n\n\
         Generated from the opcode table (`bytecode/src/opcodes.rs`) and the builtin table \
         (`bytecode/src/builtins.rs`); do not edit.\n\n\
         `w` writes and `r` reads a register of a type class; `imm` and `imm32` are signed immediates, `idx` an index, \
         `k32` a constant, `j16` and `j32` jump offsets in words, `n` the number of argument registers \
         in the extension words that follow.\n\n\
         | Opcode | Operands | Effect | Meaning |\n|---|---|---|---|\n",
    );
    for row in OPS {
        let lanes: Vec<String> = row
            .lanes
            .iter()
            .filter_map(|lane| {
                Some(match lane {
                    Lane::Write(c) => format!("w {c:?}"),
                    Lane::Read(c) => format!("r {c:?}"),
                    Lane::Imm16 => "imm".into(),
                    Lane::Imm32 => "imm32".into(),
                    Lane::Const32 => "k32".into(),
                    Lane::Jump16 => "j16".into(),
                    Lane::Jump32 => "j32".into(),
                    Lane::Index => "idx".into(),
                    Lane::Count => "n".into(),
                    Lane::Unused | Lane::High => return None,
                })
            })
            .collect();
        let effect = format!("{:?}", row.effect).to_lowercase();
        let doc = row.doc.replace('|', "\\|");
        line!(
            out,
            "| `{}` | {} | {effect} | {doc} |",
            row.mnemonic,
            lanes.join(", ")
        );
    }
    out.push_str("\n# Builtins\n\n| Builtin | Signature | Meaning |\n|---|---|---|\n");
    for row in BUILTINS {
        let params: Vec<String> = row.params.iter().map(|p| format!("{p:?}")).collect();
        let sig = format!("({}) -> {:?}", params.join(", "), row.result);
        line!(out, "| `{}` | {sig} | {} |", row.name, row.doc);
    }
    out.push_str("\n# Rules of the verifier\n\n| Rule | |\n|---|---|\n");
    for rule in crate::verify::RULES {
        line!(out, "| `{}` | {} |", rule.name(), rule.sentence());
    }
    out
}
