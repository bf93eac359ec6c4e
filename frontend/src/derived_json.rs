//! `derive Json`: implementations of `std.json.Json` as text, one module of them for each module that asks.
//!
//! The text is parsed and checked like a program's own. Its module is called `MODULE#json`, sees every name
//! of `MODULE` (`check::collect` opens what stands before `#`) and names of its own that end in `__`, so
//! that nothing which a program declares can stand in its way. What must stay true: the text depends on
//! the declarations alone, and a complaint about it is told at the `derive` (see [`Derived::retell`]).

use crate::ast::{self, GenericParam, ItemKind, Path, WherePred};
use crate::diag::{Diagnostic, Severity, codes};
use crate::source::{Interner, Span, sym};
use rustc_hash::FxHashSet;
use std::fmt::Write as _;

/// Implementations for one module.
#[derive(Clone, Debug, Default)]
pub struct Derived {
    /// The text.
    pub text: String,
    /// For each type: where its part of the text ends, where `Json` is asked for, and its name.
    parts: Vec<(u32, Span, String)>,
}

impl Derived {
    /// The implementations that a module asks for; nothing if it asks for none.
    pub fn of(module: &ast::Module<'_>, text: &str, names: &Interner) -> Option<Derived> {
        let mut out = Derived::default();
        for item in module.items {
            let (derives, name) = match item.kind {
                ItemKind::Struct(s) => (s.derives, s.name),
                ItemKind::Enum(e) => (e.derives, e.name),
                _ => continue,
            };
            let Some(asked) = derives.iter().find(|d| is_json(d)) else {
                continue;
            };
            if out.text.is_empty() {
                out.text.push_str("import std.json as json__\n");
            }
            let mut w = Writer {
                out: &mut out.text,
                source: text,
                names,
            };
            match item.kind {
                ItemKind::Struct(s) => w.structure(s),
                ItemKind::Enum(e) => w.enumeration(e),
                _ => {}
            }
            let end = u32::try_from(out.text.len()).unwrap_or(u32::MAX);
            let name = names.name(name.name).to_string();
            out.parts.push((end, asked.span, name));
        }
        (!out.parts.is_empty()).then_some(out)
    }

    /// A complaint about the text as one about the declaration; warnings are nobody's concern.
    pub fn retell(&self, d: &Diagnostic, told: &mut FxHashSet<Span>) -> Option<Diagnostic> {
        let (_, span, name) = self
            .parts
            .iter()
            .find(|(end, ..)| d.span.start < *end)
            .or(self.parts.last())?;
        if d.severity != Severity::Error || !told.insert(*span) {
            return None;
        }
        let plain = d.message.replace("json__.", "");
        Some(
            Diagnostic::error(
                codes::BAD_DERIVE,
                *span,
                format!("`Json` cannot be derived for `{name}`: {plain}"),
            )
            .help(format!(
                "derive `Json` for the types of its fields too, or write `impl Json for {name}:` with `from std.json import Json`"
            )),
        )
    }
}

/// Whether a derive is of `Json`.
fn is_json(path: &Path<'_>) -> bool {
    path.segments.len() == 1 && path.last().name == sym::Json
}

struct Writer<'w> {
    out: &'w mut String,
    source: &'w str,
    names: &'w Interner,
}

impl Writer<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        for _ in 0..depth {
            self.out.push_str("    ");
        }
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn slice(&self, span: Span) -> &str {
        self.source
            .get(span.start as usize..span.end as usize)
            .unwrap_or("")
    }

    fn head(
        &mut self,
        name: ast::Ident,
        generics: &[GenericParam<'_>],
        wheres: &[WherePred<'_>],
    ) -> String {
        let name = self.names.name(name.name).to_string();
        let mut params = Vec::new();
        let mut args = Vec::new();
        for g in generics {
            let mut p = self.names.name(g.name.name).to_string();
            args.push(p.clone());
            p.push_str(": ");
            for b in g.bounds {
                let _ = write!(p, "{} + ", self.slice(b.span));
            }
            p.push_str("json__.Json");
            params.push(p);
        }
        let wheres: Vec<&str> = wheres.iter().map(|w| self.slice(w.span)).collect();
        let mut line = String::from("impl");
        if !params.is_empty() {
            let _ = write!(line, "[{}]", params.join(", "));
        }
        let _ = write!(line, " json__.Json for {name}");
        if !args.is_empty() {
            let _ = write!(line, "[{}]", args.join(", "));
        }
        if !wheres.is_empty() {
            let _ = write!(line, " where {}", wheres.join(", "));
        }
        line.push(':');
        self.line(0, &line);
        name
    }

    fn structure(&mut self, s: &ast::StructItem<'_>) {
        let name = self.head(s.name, s.generics, s.wheres);
        self.line(1, "fn to_json(self) -> json__.Value:");
        self.line(2, "let out__ = json__.fields()");
        for f in s.fields {
            let f = self.names.name(f.name.name);
            let put = format!("out__.set(\"{f}\", json__.encode(self.{f}))");
            self.line(2, &put);
        }
        self.line(2, "return json__.Value.Object(out__)");
        self.line(
            1,
            "fn from_json(value__: json__.Value) -> Self ! json__.JsonError:",
        );
        let open = format!("let fields__ = json__.object(value__, \"{name}\")?");
        self.line(2, &open);
        if s.fields.is_empty() {
            self.line(2, "fields__.len()");
        }
        let args: Vec<String> = s
            .fields
            .iter()
            .map(|f| {
                let n = self.names.name(f.name.name);
                match &f.default {
                    Some(d) => {
                        let value = self.slice(d.span);
                        format!("{n} = json__.field_or(fields__, \"{n}\", fn() => ({value}))?")
                    }
                    None => format!("{n} = json__.field(fields__, \"{n}\")?"),
                }
            })
            .collect();
        let build = format!("return {name}({})", args.join(", "));
        self.line(2, &build);
    }

    fn enumeration(&mut self, e: &ast::EnumItem<'_>) {
        let name = self.head(e.name, e.generics, e.wheres);
        self.line(1, "fn to_json(self) -> json__.Value:");
        self.line(2, "match self:");
        for v in e.variants {
            let n = self.names.name(v.name.name);
            if v.fields.is_empty() {
                let arm = format!("{name}.{n} => return json__.Value.Text(\"{n}\")");
                self.line(3, &arm);
                continue;
            }
            let binds: Vec<String> = (0..v.fields.len()).map(|i| format!("a{i}__")).collect();
            let arm = format!("{name}.{n}({}) =>", binds.join(", "));
            self.line(3, &arm);
            self.line(4, "let out__ = json__.fields()");
            for (f, b) in v.fields.iter().zip(&binds) {
                let f = self.names.name(f.name.name);
                let put = format!("out__.set(\"{f}\", json__.encode({b}))");
                self.line(4, &put);
            }
            let done = format!("return json__.tagged(\"{n}\", out__)");
            self.line(4, &done);
        }
        self.line(
            1,
            "fn from_json(value__: json__.Value) -> Self ! json__.JsonError:",
        );
        let open = format!("let case__ = json__.tag(value__, \"{name}\")?");
        self.line(2, &open);
        let mut known = Vec::new();
        for v in e.variants {
            let n = self.names.name(v.name.name);
            known.push(n.to_string());
            let test = format!("if case__.name == \"{n}\":");
            self.line(2, &test);
            if v.fields.is_empty() {
                let done = format!("return {name}.{n}");
                self.line(3, &done);
                continue;
            }
            let args: Vec<String> = v
                .fields
                .iter()
                .map(|f| format!("json__.part(case__, \"{}\")?", self.names.name(f.name.name)))
                .collect();
            let done = format!("return {name}.{n}({})", args.join(", "));
            self.line(3, &done);
        }
        let none = format!("raise json__.no_variant(case__, \"{}\")", known.join(", "));
        self.line(2, &none);
    }
}
