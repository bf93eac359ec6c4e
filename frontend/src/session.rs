//! Sessions: programs that grow entry by entry, as a REPL's do.
//!
//! Each entry is a module of its own. Its text is read as it was typed, so messages have its places;
//! a generated header brings the names of earlier entries in, and a function [`RUN`] whose body the
//! entry's statements become. Everything then goes through the whole pipeline like any program.

use crate::ast::{Block, FnItem, Item, ItemKind, Module, Stmt};
use crate::diag::{Sink, codes};
use crate::driver::{self, CompileOutput, Goal, Hook, HookCx, ProgramInput, SourceInput};
use crate::lexer::lex;
use crate::parser::entry::{Entry, item_name, parse_entry};
use crate::source::{FileId, Interner};
use crate::std::{PRELUDE_MODULES, STD};
use crate::thir::{
    AdtKind, Expr, ExprKind, FnDef, LocalId, PatKind, PkgId, Program, Stmt as TStmt, Ty, TyKind,
};
use crate::token::T;
use bumpalo::Bump;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Name of the function that an entry's statements become.
pub const RUN: &str = "run";

/// Deepest type that a value may have to survive its entry.
const MAX_DEPTH: usize = 40;

/// What a text is, as far as the parser can tell.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// More lines belong to it.
    pub unfinished: bool,
    /// Names that it declares.
    pub items: Vec<String>,
    /// Its imports, as they are written.
    pub imports: Vec<String>,
    /// Whether there are statements.
    pub stmts: bool,
    /// Names that its statements bind, and whether they are `mut`.
    pub bound: Vec<(String, bool)>,
    /// Whether it ends with an expression whose value can be kept.
    pub value: bool,
    /// Every name in it.
    pub words: BTreeSet<String>,
}

/// Reads a text.
pub fn shape(text: &str) -> Shape {
    let arena = Bump::new();
    let (mut names, mut sink) = (Interner::new(), Sink::new());
    let file = FileId(0);
    let mut module = Module {
        file,
        docs: None,
        items: &[],
        expr_count: 0,
        pat_count: 0,
        type_count: 0,
    };
    let entry = parse_entry(
        &arena,
        (file, text),
        &mut module,
        None,
        &mut names,
        &mut sink,
    );
    let diagnostics = sink.finish();
    // A statement ends with its line unless a bracket, a text or a block is open.
    let end = text.trim_end().len();
    let waits = |code: &str, start: u32| {
        if code == codes::CATCH_MISSING {
            return true;
        }
        let block = code == codes::EXPECTED_BLOCK;
        let open_text = [codes::UNTERMINATED_STRING, codes::UNTERMINATED_FSTRING].contains(&code);
        block && start as usize >= end || open_text && text.matches("\"\"\"").count() % 2 == 1
    };
    let lines = lines(text);
    let cut = lines.open
        || diagnostics
            .first()
            .is_some_and(|d| waits(d.code, d.span.start));
    let inside = lines.deep && diagnostics.is_empty();
    let mut imports = Vec::new();
    for item in &entry.items {
        if let ItemKind::Import(_) | ItemKind::FromImport(_) = item.kind {
            let (start, end) = (item.span.start as usize, item.span.end as usize);
            imports.extend(text.get(start..end).map(str::to_owned));
        }
    }
    let named = |item: &Item<'_>| item_name(item).map(|name| names.name(name).to_owned());
    Shape {
        unfinished: cut || lines.derive || inside && !text.ends_with('\n'),
        items: entry.items.iter().filter_map(named).collect(),
        imports,
        stmts: !entry.stmts.is_empty(),
        bound: entry
            .bound
            .iter()
            .map(|(name, mutable)| (names.name(*name).to_owned(), *mutable))
            .collect(),
        value: entry.value,
        words: words(text),
    }
}

/// How the text ends.
struct Lines {
    /// Within brackets.
    open: bool,
    /// In a block, which the next line may continue; an empty line ends it.
    deep: bool,
    /// With a `derive`, which belongs to what follows.
    derive: bool,
}

fn lines(text: &str) -> Lines {
    let lexed = lex(FileId(0), text, &mut Sink::new());
    let (mut depth, mut deep, mut derive) = (0usize, false, false);
    for token in lexed.tokens.iter().filter(|token| token.kind != T::Eof) {
        if depth == 0 && token.line_start {
            deep = token.indent > 0;
            let word = text.get(token.start as usize..token.end as usize);
            derive = word == Some("derive");
        }
        if matches!(token.kind, T::LParen | T::LBracket | T::LBrace) {
            depth += 1;
        } else if token.kind.is_closer() {
            depth = depth.saturating_sub(1);
        }
    }
    Lines {
        open: depth > 0,
        deep,
        derive,
    }
}

fn words(text: &str) -> BTreeSet<String> {
    let lexed = lex(FileId(0), text, &mut Sink::new());
    let names = lexed.tokens.iter().filter(|token| token.kind == T::Ident);
    names
        .filter_map(|token| text.get(token.start as usize..token.end as usize))
        .map(str::to_owned)
        .collect()
}

/// The text of an entry, beside the header that is its module's text in the program.
#[derive(Clone, Debug)]
pub struct Part {
    /// Path for messages.
    pub path: String,
    /// What was typed.
    pub text: String,
    /// Statements of the header's [`RUN`] that stand before the entry's; the others stand behind.
    pub before: usize,
    /// The name that the value of the last expression is bound to.
    pub keep: Option<String>,
}

/// What was found out about an entry.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Names that its statements bind, with the types that they have.
    pub bound: Vec<Bound>,
    /// Capabilities that it needs: package and name.
    pub needs: Vec<(String, String)>,
    /// Error types of the session and of the prelude, as a module with the imports beside them names
    /// them.
    pub errors: Vec<Written>,
    /// Capabilities of the standard library.
    pub caps: Vec<String>,
}

/// A name that an entry binds.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The name.
    pub name: String,
    /// Its type; `None` if no later entry can be handed a value of it.
    pub ty: Option<Written>,
    /// The type for people.
    pub shown: String,
    /// Whether values of it hold nothing that can change.
    pub plain: bool,
}

/// A type as another module writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The type.
    pub text: String,
    /// Modules that it mentions, each imported as [`alias`].
    pub modules: BTreeSet<String>,
}

/// The name by which a header imports a module.
pub fn alias(module: &str) -> String {
    format!("m_{}", module.replace('.', "_"))
}

/// Compiles (or only checks) a session. `parts` are by module; `about` is the module to look at.
pub fn compile(
    input: &ProgramInput,
    parts: &FxHashMap<String, Part>,
    about: &str,
    emit: bool,
) -> (CompileOutput, Findings) {
    let mut hook = Session {
        parts,
        about,
        findings: Findings::default(),
    };
    let goal = if emit { Goal::Bundle } else { Goal::Check };
    let output = driver::run(input, goal, &mut hook).output;
    (output, hook.findings)
}

struct Session<'p> {
    parts: &'p FxHashMap<String, Part>,
    about: &'p str,
    findings: Findings,
}

impl Hook for Session<'_> {
    fn parsed<'a>(&mut self, file: &SourceInput, module: &mut Module<'a>, cx: HookCx<'a, '_>) {
        let Some(part) = self.parts.get(&file.module) else {
            return;
        };
        let id = cx.sources.add(&part.path, &part.text);
        let keep = part.keep.as_deref();
        let read = (id, part.text.as_str());
        let entry = parse_entry(cx.arena, read, module, keep, cx.names, cx.sink);
        merge(cx.arena, module, &entry, part.before, cx.names);
    }

    fn debugs(&self) -> bool {
        true
    }

    fn checked(&mut self, program: &Program) {
        let Some(root) = program.packages.len().checked_sub(1) else {
            return;
        };
        let root = PkgId(u32::try_from(root).unwrap_or(u32::MAX));
        let writer = Writer { program, root };
        let name = format!("{}.{RUN}", self.about);
        let run = program
            .fns
            .iter()
            .find(|f| f.package == root && f.name == name);
        if let Some(run) = run {
            self.findings.bound = writer.bound(run);
            self.findings.needs = run
                .needs
                .iter()
                .filter_map(|id| program.caps.get(id.0 as usize))
                .map(|cap| (writer.package(cap.package), cap.name.clone()))
                .collect();
        }
        let std = |cap: &&crate::thir::CapDef| writer.package(cap.package) == STD;
        let caps = program.caps.iter().filter(std);
        self.findings.caps = caps.map(|cap| cap.name.clone()).collect();
        for (i, adt) in program.adts.iter().enumerate() {
            let prelude = writer.package(adt.package) == STD
                && PRELUDE_MODULES.contains(&adt.module.as_str());
            if adt.kind == AdtKind::Error && adt.generics == 0 && (prelude || adt.package == root) {
                let mut out = Written::default();
                let id = crate::thir::AdtId(u32::try_from(i).unwrap_or(u32::MAX));
                writer.adt(id, &mut out);
                self.findings.errors.push(out);
            }
        }
    }
}

/// Puts the entry's items beside the header's, and its statements into [`RUN`].
fn merge<'a>(
    arena: &'a Bump,
    module: &mut Module<'a>,
    entry: &Entry<'a>,
    before: usize,
    names: &Interner,
) {
    let mut items: Vec<Item<'a>> = Vec::new();
    for item in module.items {
        let mut item = *item;
        if let ItemKind::Fn(run) = item.kind
            && names.name(run.name.name) == RUN
            && let Some(body) = &run.body
        {
            let before = before.min(body.stmts.len());
            let (first, last) = body.stmts.split_at(before);
            let stmts: Vec<Stmt<'a>> = [first, &entry.stmts, last].concat();
            let body = Block {
                stmts: arena.alloc_slice_copy(&stmts),
                ..*body
            };
            let run = FnItem {
                body: Some(body),
                ..*run
            };
            item.kind = ItemKind::Fn(arena.alloc(run));
        }
        items.push(item);
    }
    items.extend(entry.items.iter().copied());
    module.items = arena.alloc_slice_copy(&items);
}

/// Writes types for other modules.
struct Writer<'p> {
    program: &'p Program,
    root: PkgId,
}

impl Writer<'_> {
    fn package(&self, id: PkgId) -> String {
        let package = self.program.packages.get(id.0 as usize);
        package.map_or_else(String::new, |package| package.name.clone())
    }

    /// Names that the function's own statements bind, the last one of each name.
    fn bound(&self, run: &FnDef) -> Vec<Bound> {
        let mut ids: Vec<LocalId> = Vec::new();
        if let Some(Expr {
            kind: ExprKind::Block(stmts, _),
            ..
        }) = &run.body
        {
            for stmt in stmts {
                if let TStmt::Let { pat, .. } = stmt {
                    pat_locals(&pat.kind, &mut ids);
                }
            }
        }
        let mut out: Vec<Bound> = Vec::new();
        for local in ids.iter().filter_map(|id| run.locals.get(id.0 as usize)) {
            let mut ty = Written::default();
            let whole = self.write(local.ty, &mut ty, 0);
            let shown = ty.text.clone();
            out.retain(|b| b.name != local.name);
            out.push(Bound {
                name: local.name.clone(),
                shown: self.for_people(local.ty, &shown),
                ty: whole.then_some(ty),
                plain: self.plain(local.ty, 0),
            });
        }
        out
    }

    /// Without the aliases of modules.
    fn for_people(&self, ty: Ty, written: &str) -> String {
        if self.program.tys.kind(ty) == &TyKind::Never {
            return "nothing (it does not return)".to_owned();
        }
        let mut out = String::new();
        let mut rest = written;
        while let Some(at) = rest.find("m_") {
            let (before, behind) = rest.split_at(at);
            out.push_str(before);
            let inside = before
                .chars()
                .last()
                .is_some_and(|c| c.is_alphanumeric() || c == '_');
            let name = behind
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(behind.len());
            let (alias, after) = behind.split_at(name);
            match after.strip_prefix('.') {
                Some(after) if !inside => rest = after,
                _ => {
                    out.push_str(alias);
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// Whether values hold nothing that can change and no code.
    fn plain(&self, ty: Ty, depth: usize) -> bool {
        match self.program.tys.kind(ty) {
            TyKind::Unit
            | TyKind::Bool
            | TyKind::Byte
            | TyKind::Char
            | TyKind::Int
            | TyKind::Float
            | TyKind::Str => true,
            TyKind::Tuple(parts) => {
                depth < MAX_DEPTH && parts.iter().all(|part| self.plain(*part, depth + 1))
            }
            TyKind::Adt(id, args) if Some(*id) == self.program.lang.option => {
                depth < MAX_DEPTH && args.iter().all(|arg| self.plain(*arg, depth + 1))
            }
            TyKind::Adt(id, _) => Some(*id) == self.program.lang.range,
            _ => false,
        }
    }

    fn module(&self, package: PkgId, module: &str, name: &str, out: &mut Written) {
        let std = self.package(package) == STD;
        if std && PRELUDE_MODULES.contains(&module) {
            out.text.push_str(name);
            return;
        }
        let path = match (std, module.is_empty()) {
            (true, _) => format!("{STD}.{module}"),
            (false, _) if package == self.root => module.to_owned(),
            (false, true) => self.package(package),
            (false, false) => format!("{}.{module}", self.package(package)),
        };
        out.text.push_str(&alias(&path));
        out.text.push('.');
        out.text.push_str(name);
        out.modules.insert(path);
    }

    fn adt(&self, id: crate::thir::AdtId, out: &mut Written) {
        if let Some(adt) = self.program.adts.get(id.0 as usize) {
            self.module(adt.package, &adt.module, &adt.name, out);
        }
    }

    fn list(&self, tys: &[Ty], separator: &str, out: &mut Written, depth: usize) -> bool {
        let mut whole = true;
        for (i, ty) in tys.iter().enumerate() {
            if i > 0 {
                out.text.push_str(separator);
            }
            whole &= self.write(*ty, out, depth);
        }
        whole
    }

    fn args(&self, args: &[Ty], out: &mut Written, depth: usize) -> bool {
        if args.is_empty() {
            return true;
        }
        out.text.push('[');
        let whole = self.list(args, ", ", out, depth);
        out.text.push(']');
        whole
    }

    /// Writes a type; `false` if it is second class or cannot be written.
    fn write(&self, ty: Ty, out: &mut Written, depth: usize) -> bool {
        if depth > MAX_DEPTH {
            out.text.push('…');
            return false;
        }
        let d = depth + 1;
        let word = match self.program.tys.kind(ty) {
            TyKind::Unit => "()",
            TyKind::Bool => "bool",
            TyKind::Byte => "byte",
            TyKind::Char => "char",
            TyKind::Int => "int",
            TyKind::Float => "float",
            TyKind::Str => "string",
            TyKind::List(element) => {
                out.text.push('[');
                let whole = self.write(*element, out, d);
                out.text.push(']');
                return whole;
            }
            TyKind::Tuple(parts) => {
                out.text.push('(');
                let whole = self.list(parts, ", ", out, d);
                out.text.push(')');
                return whole;
            }
            TyKind::Adt(id, args) => {
                if Some(*id) == self.program.lang.option
                    && let [inner] = args.as_slice()
                {
                    let is_fn = matches!(self.program.tys.kind(*inner), TyKind::Fn(_));
                    out.text.push_str(if is_fn { "(" } else { "" });
                    let whole = self.write(*inner, out, d);
                    out.text.push_str(if is_fn { ")?" } else { "?" });
                    return whole;
                }
                let adt = self.program.adts.get(id.0 as usize);
                let data = adt.is_some_and(|adt| adt.kind != AdtKind::Attenuator);
                self.adt(*id, out);
                return self.args(args, out, d) && data;
            }
            TyKind::Dyn(id, args) => {
                let Some(interface) = self.program.traits.get(id.0 as usize) else {
                    return false;
                };
                self.module(interface.package, &interface.module, &interface.name, out);
                return self.args(args, out, d);
            }
            TyKind::Fn(f) | TyKind::Borrowed(f) => {
                let storable = matches!(self.program.tys.kind(ty), TyKind::Fn(_));
                out.text.push_str("fn(");
                let mut whole = self.list(&f.params, ", ", out, d);
                out.text.push(')');
                if !matches!(self.program.tys.kind(f.ret), TyKind::Unit) {
                    out.text.push_str(" -> ");
                    whole &= self.write(f.ret, out, d);
                }
                for (i, cap) in f.uses.iter().enumerate() {
                    let cap = self.program.caps.get(cap.0 as usize);
                    out.text.push_str(if i == 0 { " uses " } else { " + " });
                    out.text.push_str(cap.map_or("", |cap| cap.name.as_str()));
                }
                if !matches!(self.program.tys.kind(f.errs), TyKind::Never) {
                    out.text.push_str(" ! ");
                    whole &= self.write(f.errs, out, d);
                }
                return whole && storable;
            }
            TyKind::Caps(caps) => {
                if caps.is_empty() {
                    out.text.push_str("none");
                }
                for (i, cap) in caps.iter().enumerate() {
                    let cap = self.program.caps.get(cap.0 as usize);
                    out.text.push_str(if i == 0 { "" } else { " + " });
                    out.text.push_str(cap.map_or("", |cap| cap.name.as_str()));
                }
                return true;
            }
            TyKind::Cap(id) => {
                let cap = self.program.caps.get(id.0 as usize);
                out.text.push_str(cap.map_or("", |cap| cap.name.as_str()));
                return false;
            }
            TyKind::ErrSet(members) => return self.list(members, " | ", out, d),
            TyKind::Param(_) | TyKind::Never | TyKind::Infer(_) | TyKind::Error => {
                out.text.push('_');
                return false;
            }
        };
        out.text.push_str(word);
        true
    }
}

fn pat_locals(pat: &PatKind, out: &mut Vec<LocalId>) {
    match pat {
        PatKind::Bind(id, inner) => {
            out.push(*id);
            if let Some(inner) = inner {
                pat_locals(&inner.kind, out);
            }
        }
        PatKind::Variant(_, parts) | PatKind::Struct(parts) => {
            parts.iter().for_each(|(_, p)| pat_locals(&p.kind, out));
        }
        PatKind::Member(_, inner) => pat_locals(&inner.kind, out),
        PatKind::Tuple(parts) => parts.iter().for_each(|p| pat_locals(&p.kind, out)),
        PatKind::List { front, rest, back } => {
            front
                .iter()
                .chain(back)
                .for_each(|p| pat_locals(&p.kind, out));
            if let Some(Some(id)) = rest {
                out.push(*id);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_go_on_while_something_is_open() {
        for text in [
            "f(1,",
            "[1, 2",
            "let s = \"\"\"two",
            "fn f():",
            "fn f():\n    return",
            "if a:\n    b\nelse:",
            "derive Ord",
            "try:\n    f()?\n",
            "xs.map(fn(x):\n    x + 1",
        ] {
            assert!(shape(text).unfinished, "{text}");
        }
        for text in [
            "1",
            "let x = ",
            "x +",
            "f(1,\n  2)",
            "\"open",
            "fn f():\n    return\n",
            "if a: b",
            "xs.map(fn(x):\n    x + 1\n)",
        ] {
            assert!(!shape(text).unfinished, "{text}");
        }
    }

    #[test]
    fn a_shape_tells_what_is_declared_bound_and_read() {
        let shape = shape("import std.math\nlet (a, mut b) = f(x)\nenum E:\n    A\ng(y)");
        assert_eq!(shape.items, ["E"]);
        assert_eq!(shape.imports, ["import std.math"]);
        assert_eq!(
            shape.bound,
            [("a".to_owned(), false), ("b".to_owned(), true)]
        );
        assert!(shape.value && shape.stmts && shape.words.contains("x"));
    }
}
