//! Deferred functions: an interface package declares them, another package implements them, the program's own calls
//! them.
//!
//! What must stay true: only the root package mentions one, and never the root that implements it; the
//! implementation has the same type, no more authority and no more errors, so a call hands over at most what the
//! declaration says. The call goes through a function of the root package with exactly the declared type.

use super::body::ex;
use super::collect::id32;
use super::rules::{Rule, broken};
use super::{Checker, Def, FnSrc, ModId, UseKind, UseSite, codes};
use crate::ast::FnKind;
use crate::diag::Diagnostic;
use crate::source::Span;
use crate::thir::{Callee, CapId, ExprKind, FnId, LocalDef, LocalId, PkgId, Stmt, TyKind, TyTable};

impl<'a> Checker<'a, '_> {
    fn is_deferred(&self, f: FnId) -> bool {
        self.fn_item(f).is_some_and(|i| i.kind == FnKind::Deferred)
    }

    fn pkg_name(&self, p: PkgId) -> String {
        self.pkgs
            .get(p.0 as usize)
            .map_or(String::new(), |p| p.name.clone())
    }

    fn root_pkg(&self) -> PkgId {
        PkgId(id32(self.pkgs.len().saturating_sub(1)))
    }

    /// A declaration of one, in its module.
    pub(super) fn declare_deferred(&mut self, m: ModId, f: &'a crate::ast::FnItem<'a>) {
        if self.module(m).is_some_and(|m| !m.name.is_empty()) {
            self.breach(
                Rule::DeferredForm,
                f.head,
                "a deferred function stands in the root module of its package",
                "declare it in `src/lib.jet`",
            );
        }
        if let Some(g) = f.generics.first() {
            self.breach(
                Rule::DeferredForm,
                g.span,
                "a deferred function has no type parameters",
                "who implements it does not see who calls it: write the types out",
            );
        }
    }

    /// Whether a deferred function may be called here; told if not.
    pub(super) fn deferred_mention(&mut self, f: FnId, span: Span) {
        if !self.is_deferred(f) {
            return;
        }
        let sig = self.sig(f);
        let (here, root) = (self.pkg_of(self.cx.scope.module), self.root_pkg());
        let owner = self.pkg_of(sig.module);
        let (name, interface) = (sig.display.clone(), self.pkg_name(owner));
        let by = self.links.iter().find(|(i, _)| *i == owner).map(|l| l.1);
        let why = match by {
            _ if here == owner => (
                format!("`{name}` is deferred: the package that declares it does not call it"),
                "the program that names an implementation calls it".to_string(),
            ),
            Some(by) if by == here => (
                format!("`{name}` is what this package implements: it does not call it"),
                "call your own function".to_string(),
            ),
            _ if here != root => (
                format!("`{name}` is deferred: only the program's own package calls it"),
                "take a function as parameter: `f: fn(…)`".to_string(),
            ),
            None => (
                format!("nothing implements `{interface}`, which declares `{name}`"),
                format!(
                    "name a package in `jet.toml`: `[implementations]`, `{interface} = {{ path = … }}`"
                ),
            ),
            Some(_) => return,
        };
        self.breach(Rule::DeferredCall, span, why.0, why.1);
    }

    /// Compares each implementation with what it implements, and gives the deferred functions their bodies.
    pub(super) fn link_deferred(&mut self) {
        let root = self.root_pkg();
        for (interface, by) in self.links.clone() {
            let root_module = self
                .pkgs
                .get(interface.0 as usize)
                .and_then(|p| p.modules.get(""))
                .copied();
            let all = (0..self.fns.len()).map(|i| FnId(id32(i)));
            let declared: Vec<FnId> = all
                .filter(|f| {
                    let sig = self.sig(*f);
                    let own = Some(sig.module) == root_module && sig.generics.is_empty();
                    own && self.is_deferred(*f)
                })
                .collect();
            if declared.is_empty() {
                let (i, b) = (self.pkg_name(interface), self.pkg_name(by));
                let span = self.root_span(interface);
                self.err_help(
                    codes::BAD_IMPL,
                    span,
                    format!("`{b}` implements `{i}`, which has no deferred functions"),
                    "declare one in its `src/lib.jet`: `deferred fn run() uses Console`",
                );
            }
            for f in declared {
                let Some(with) = self.implementation_of(f, interface, by) else {
                    continue;
                };
                if self.fits_deferred(f, with) && by != root {
                    self.link_one(f, with, root);
                }
            }
        }
    }

    /// Somewhere in the root module of a package.
    fn root_span(&self, p: PkgId) -> Span {
        let root = self
            .pkgs
            .get(p.0 as usize)
            .and_then(|p| p.modules.get(""))
            .and_then(|m| self.module(*m));
        let spans = root
            .into_iter()
            .flat_map(|m| m.names.values())
            .map(|e| e.span);
        spans.min_by_key(|s| s.start).unwrap_or_default()
    }

    fn implementation_of(&mut self, f: FnId, interface: PkgId, by: PkgId) -> Option<FnId> {
        let sig = self.sig(f);
        let root = self
            .pkgs
            .get(by.0 as usize)
            .and_then(|p| p.modules.get(""))
            .copied();
        let entry = root
            .and_then(|m| self.module(m))
            .and_then(|m| m.names.get(&sig.name))
            .copied();
        let (i, b, name) = (self.pkg_name(interface), self.pkg_name(by), &sig.display);
        let problem = match entry {
            Some(e) if e.imported => None,
            Some(e) if !e.is_pub => Some((e.span, format!("`{name}` is not `pub`"))),
            Some(e) => match e.def {
                Def::Fn(g) if !self.is_deferred(g) => return Some(g),
                _ => Some((e.span, format!("`{name}` is not a function"))),
            },
            None => None,
        };
        let (span, what) = problem.unwrap_or((
            self.root_span(by),
            format!("`{b}` declares no function `{name}`"),
        ));
        self.push(
            Diagnostic::error(
                codes::BAD_IMPL,
                span,
                format!("`{b}` does not implement `{i}`: {what}"),
            )
            .note_at(sig.head, "it is declared here")
            .help(format!("write `pub fn {name}(…)` in its `src/lib.jet`")),
        );
        None
    }

    fn fits_deferred(&mut self, f: FnId, with: FnId) -> bool {
        let (want, got) = (self.sig(f), self.sig(with));
        self.cx.scope = self.module_scope(got.module);
        let name = got.display.clone();
        let what = if !got.generics.is_empty() {
            Some("it has type parameters".to_string())
        } else if want.params.len() != got.params.len() {
            let (a, b) = (want.params.len(), got.params.len());
            Some(format!("it takes {a} parameters, here are {b}"))
        } else {
            let params = want.params.iter().zip(&got.params);
            let mut types: Vec<_> = params.map(|(w, g)| ("parameter", w.ty, g.ty)).collect();
            types.push(("result", want.ret, got.ret));
            let known = |t| t != TyTable::ERROR;
            types
                .into_iter()
                .find(|(_, w, g)| w != g && known(*w) && known(*g))
                .map(|(place, w, g)| {
                    let (w, g) = (self.show(w), self.show(g));
                    format!("a {place} is `{w}`, not `{g}`")
                })
        };
        let allowed = self.prog.tys.err_members(want.errs);
        let raised = self.prog.tys.err_members(got.errs);
        let extra = raised.into_iter().find(|e| !allowed.contains(e));
        let what = what.or_else(|| extra.map(|e| format!("it does not raise `{}`", self.show(e))));
        let what = what.map(|w| format!("`{name}` does not fit its deferred declaration: {w}"));
        let uses = got.uses.iter().filter(|c| !want.uses.contains(c)).copied();
        let uses: Vec<CapId> = uses.collect();
        if uses.is_empty() || !broken(Rule::DeferredUses) {
            let fits = what.is_none();
            if let Some(what) = what {
                self.push(
                    Diagnostic::error(codes::BAD_IMPL, got.head, what)
                        .note_at(want.head, "it is declared here"),
                );
            }
            return fits;
        }
        let list = self.caps_text(&uses);
        let mut d = Diagnostic::error(
            Rule::DeferredUses.code(),
            got.head,
            format!("`{name}` uses `{list}`, which its deferred declaration does not"),
        )
        .note_at(want.head, "it is declared here")
        .help("the implementation is handed what the declaration names, and nothing else");
        if let Some(what) = what {
            d = d.note(what);
        }
        if let Some(cap) = uses.first() {
            d = d.call(got.head, name);
            for (span, what) in self.path(with, *cap) {
                d = d.call(span, what);
            }
        }
        self.push(d);
        false
    }

    /// A function of the root package that hands on to the implementation.
    fn link_one(&mut self, f: FnId, with: FnId, root: PkgId) {
        let (want, got) = (self.sig(f), self.sig(with));
        let span = want.head;
        let mut locals = Vec::new();
        let mut local = |name: String, ty| {
            let id = LocalId(id32(locals.len()));
            locals.push(LocalDef {
                name,
                ty,
                mutable: false,
            });
            id
        };
        let mut uses: Vec<(CapId, LocalId)> = Vec::new();
        for c in &want.uses {
            let ty = self.prog.tys.intern(TyKind::Cap(*c));
            uses.push((*c, local(self.cap_name(*c), ty)));
        }
        let mut params = Vec::new();
        for p in &want.params {
            params.push((local(self.text(p.name), p.ty), p.ty));
        }
        let mut caps = Vec::new();
        for c in &got.uses {
            if let Some((_, id)) = uses.iter().find(|(u, _)| u == c) {
                let ty = self.prog.tys.intern(TyKind::Cap(*c));
                caps.push(ex(ExprKind::Local(*id), ty, span));
            }
        }
        let args = params.iter();
        let args = args.map(|(id, ty)| ex(ExprKind::Local(*id), *ty, span));
        let call = ExprKind::Call {
            callee: Box::new(Callee::Fn(with, Vec::new())),
            caps,
            args: args.collect(),
            ret: got.ret,
            errs: got.errs,
        };
        let mut value = ex(call, got.ret, span);
        if got.errs != TyTable::NEVER {
            value = ex(ExprKind::Try(Box::new(value)), got.ret, span);
        }
        let ret = ExprKind::Return(Some(Box::new(value)));
        let body = vec![Stmt::Expr(ex(ret, TyTable::NEVER, span))];
        let body = ex(ExprKind::Block(body, None), TyTable::NEVER, span);
        let full = format!(
            "{}.{}",
            self.pkg_name(self.pkg_of(want.module)),
            want.display
        );
        let Some(src) = self.fn_item(f) else {
            return;
        };
        let scope = self.module_scope(want.module);
        let stub = self.new_fn(scope, FnSrc::Item(src), full.clone(), want.name, span);
        if let Some(info) = self.fns.get_mut(stub.0 as usize) {
            info.sig = want.clone();
            info.checked = true;
        }
        if let Some(def) = self.prog.fns.get_mut(stub.0 as usize) {
            def.package = root;
            def.name = full;
            def.uses = uses;
            def.params = params.into_iter().map(|(id, _)| id).collect();
            def.ret = want.ret;
            def.errs = want.errs;
            def.locals = locals;
            def.body = Some(body);
        }
        // Call paths lead through it.
        let sites = got.uses.iter().map(|cap| UseSite {
            cap: *cap,
            span: got.head,
            kind: UseKind::Fn(with),
        });
        if let Some(info) = self.fns.get_mut(f.0 as usize) {
            info.sites = sites.collect();
        }
        self.prog.deferred.push((f, stub));
    }
}
