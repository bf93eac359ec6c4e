//! Helpers for messages: pushing diagnostics, names of types, suggestions for misspellings.

use super::{Checker, Def, codes};
use crate::diag::Diagnostic;
use crate::source::{Span, Symbol};
use crate::thir::{AdtId, CapId, FnTy, TraitId, Ty, TyKind};

impl<'a> Checker<'a, '_> {
    pub(super) fn push(&mut self, d: Diagnostic) {
        if d.severity == crate::diag::Severity::Error {
            self.poisoned = true;
            self.told += 1;
        }
        self.sink.push(d);
    }

    pub(super) fn err(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.push(Diagnostic::error(code, span, message));
    }

    pub(super) fn err_help(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Diagnostic::error(code, span, message).help(help));
    }

    pub(super) fn not_supported(&mut self, span: Span, what: &str) {
        self.err(
            codes::NOT_SUPPORTED,
            span,
            format!("{what} not supported yet"),
        );
    }

    pub(super) fn text(&self, s: Symbol) -> String {
        self.names.name(s).to_string()
    }

    /// `main.jet:12`.
    pub(super) fn place(&self, span: Span) -> String {
        let path = self.sources.path(span.file);
        let (line, _) = self.sources.line_col(span);
        format!("{path}:{line}")
    }

    pub(super) fn adt_name(&self, id: AdtId) -> String {
        self.prog
            .adts
            .get(id.0 as usize)
            .map_or(String::new(), |a| a.name.clone())
    }

    pub(super) fn trait_name(&self, id: TraitId) -> String {
        self.prog
            .traits
            .get(id.0 as usize)
            .map_or(String::new(), |t| t.name.clone())
    }

    pub(super) fn cap_name(&self, id: CapId) -> String {
        if id.as_infer().is_some() {
            return "_".to_string();
        }
        if let Some(i) = id.as_param() {
            // As it is called where it stands.
            let names = self.cx.scope.generics.iter();
            let mut own = names.filter(|(s, t)| {
                self.cx.scope.sets.contains(s) && *self.prog.tys.kind(*t) == TyKind::Param(i)
            });
            return own.next().map_or(format!("U{i}"), |(s, _)| self.text(*s));
        }
        self.prog
            .caps
            .get(id.0 as usize)
            .map_or(String::new(), |c| c.name.clone())
    }

    pub(super) fn caps_text(&self, caps: &[CapId]) -> String {
        let names: Vec<String> = caps.iter().map(|c| self.cap_name(*c)).collect();
        names.join(" + ")
    }

    /// A type as it is written.
    pub(super) fn show(&self, ty: Ty) -> String {
        let mut out = String::new();
        self.show_into(ty, &mut out, 0);
        out
    }

    /// `Trait[A, B]`.
    pub(super) fn show_trait(&self, id: TraitId, args: &[Ty]) -> String {
        let mut out = self.trait_name(id);
        self.show_args(args, &mut out, 0);
        out
    }

    fn show_args(&self, args: &[Ty], out: &mut String, depth: usize) {
        if args.is_empty() {
            return;
        }
        out.push('[');
        self.show_list(args, ", ", out, depth);
        out.push(']');
    }

    fn show_list(&self, tys: &[Ty], sep: &str, out: &mut String, depth: usize) {
        for (i, t) in tys.iter().enumerate() {
            if i > 0 {
                out.push_str(sep);
            }
            self.show_into(*t, out, depth);
        }
    }

    fn show_fn(&self, f: &FnTy, out: &mut String, depth: usize) {
        out.push_str("fn(");
        self.show_list(&f.params, ", ", out, depth);
        out.push(')');
        let ret = self.shallow(f.ret);
        if !matches!(self.prog.tys.kind(ret), TyKind::Unit) {
            out.push_str(" -> ");
            self.show_into(ret, out, depth);
        }
        if !f.uses.is_empty() {
            out.push_str(" uses ");
            out.push_str(&self.caps_text(&f.uses));
        }
        let errs = self.shallow(f.errs);
        if !matches!(self.prog.tys.kind(errs), TyKind::Never | TyKind::Infer(_)) {
            out.push_str(" ! ");
            self.show_into(errs, out, depth);
        }
    }

    fn show_into(&self, ty: Ty, out: &mut String, depth: usize) {
        if depth > 12 || out.len() > 400 {
            out.push('…');
            return;
        }
        let ty = self.shallow(ty);
        let d = depth + 1;
        match self.prog.tys.kind(ty) {
            TyKind::Unit => out.push_str("()"),
            TyKind::Bool => out.push_str("bool"),
            TyKind::Byte => out.push_str("byte"),
            TyKind::Char => out.push_str("char"),
            TyKind::Int => out.push_str("int"),
            TyKind::Float => out.push_str("float"),
            TyKind::Str => out.push_str("string"),
            TyKind::List(t) => {
                out.push('[');
                self.show_into(*t, out, d);
                out.push(']');
            }
            TyKind::Tuple(ts) => {
                out.push('(');
                self.show_list(ts, ", ", out, d);
                out.push(')');
            }
            TyKind::Adt(id, args) => {
                if Some(*id) == self.prog.lang.option
                    && let [t] = args.as_slice()
                {
                    let is_fn = matches!(self.prog.tys.kind(self.shallow(*t)), TyKind::Fn(_));
                    if is_fn {
                        out.push('(');
                    }
                    self.show_into(*t, out, d);
                    if is_fn {
                        out.push(')');
                    }
                    out.push('?');
                    return;
                }
                out.push_str(&self.adt_name(*id));
                self.show_args(args, out, d);
            }
            TyKind::Fn(f) => self.show_fn(f, out, d),
            TyKind::Borrowed(f) => {
                out.push_str("borrowed ");
                self.show_fn(f, out, d);
            }
            TyKind::Cap(id) => out.push_str(&self.cap_name(*id)),
            TyKind::Caps(caps) if caps.is_empty() => out.push_str("none"),
            TyKind::Caps(caps) => out.push_str(&self.caps_text(caps)),
            TyKind::Dyn(id, args) => {
                out.push_str(&self.trait_name(*id));
                self.show_args(args, out, d);
            }
            TyKind::ErrSet(ts) => self.show_list(ts, " | ", out, d),
            TyKind::Param(i) => {
                let name = self
                    .cx
                    .scope
                    .generics
                    .iter()
                    .find(|(_, t)| *t == ty)
                    .map(|(s, _)| self.text(*s));
                match name {
                    Some(n) => out.push_str(&n),
                    None => out.push_str(&format!("T{i}")),
                }
            }
            TyKind::Never => out.push_str("nothing (it does not return)"),
            TyKind::Infer(_) | TyKind::Error => out.push('_'),
        }
    }

    /// What kind of thing a definition is, with an article.
    pub(super) fn def_kind(&self, def: Def) -> &'static str {
        match def {
            Def::Module(_) => "a module",
            Def::Adt(_) => "a type",
            Def::Trait(_) => "a trait",
            Def::Cap(_) => "a capability",
            Def::CapSet(_) => "a set of capabilities",
            Def::Fn(_) => "a function",
            Def::Const(_) => "a constant",
        }
    }

    /// The candidate most like `name`, if it is close enough to be meant.
    pub(super) fn closest(&self, name: &str, candidates: &[Symbol]) -> Option<String> {
        if self.suggestions.get() == 0 {
            return None;
        }
        self.suggestions.set(self.suggestions.get() - 1);
        let mut best: Option<(usize, String)> = None;
        let limit = (name.chars().count() / 3).min(3);
        for c in candidates {
            let text = self.names.name(*c);
            if text.is_empty() || text == name || text.len().abs_diff(name.len()) > 3 * limit.max(1)
            {
                continue;
            }
            let d = if text.eq_ignore_ascii_case(name) {
                0
            } else {
                distance(name, text)
            };
            if d <= limit && best.as_ref().is_none_or(|(b, _)| d < *b) {
                best = Some((d, text.to_string()));
            }
        }
        best.map(|(_, t)| t)
    }
}

/// Edit distance with transpositions of neighbours, on at most 64 characters.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let at = |r: &[usize], i: usize| r.get(i).copied().unwrap_or(usize::MAX / 2);
    for (i, ca) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let cost = usize::from(ca != cb);
            let mut d = (at(&row, j) + cost)
                .min(at(&row, j + 1) + 1)
                .min(at(&next, j) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(cb) && b.get(j - 1) == Some(ca) {
                d = d.min(at(&before, j - 1) + 1);
            }
            next.push(d);
        }
        before = row;
        row = next;
    }
    at(&row, b.len())
}
