//! Bodies of functions, default values and constants.

use super::collect::id32;
use super::cx::{EnvEntry, FnCx, Frame, FrameErrs, LitKind, ScopeItem};
use super::{Checker, FnSrc, codes};
use crate::ast;
use crate::diag::Diagnostic;
use crate::source::{Span, sym};
use crate::thir::{CapId, Expr, ExprKind, FnId, LocalId, Stmt, Ty, TyKind, TyTable};

pub(super) fn ex(kind: ExprKind, ty: Ty, span: crate::source::Span) -> Expr {
    Expr { kind, ty, span }
}

pub(super) fn bad(span: crate::source::Span) -> Expr {
    ex(ExprKind::Unit, TyTable::ERROR, span)
}

/// What is made of parts of which one is never there: they are evaluated up to that one. An error if one of
/// them was told to be wrong.
pub(super) fn gone(parts: Vec<Expr>, span: crate::source::Span) -> Expr {
    if parts.iter().any(|e| e.ty == TyTable::ERROR) {
        return bad(span);
    }
    let parts = parts.into_iter().map(Stmt::Expr).collect();
    ex(ExprKind::Block(parts, None), TyTable::NEVER, span)
}

impl Frame {
    pub(super) fn new(kind: LitKind, ret: Ty, errs: FrameErrs) -> Frame {
        Frame {
            kind,
            ret,
            saw_return: false,
            errs,
            tries: Vec::new(),
            loops: Vec::new(),
            deferred: None,
            second: false,
            caps: Vec::new(),
            unknown: false,
        }
    }
}

impl<'a> Checker<'a, '_> {
    pub(super) fn bodies(&mut self) {
        self.constants();
        let mut i = 0;
        while i < self.fns.len() && !self.sink.is_full() {
            self.fn_body(FnId(id32(i)));
            i += 1;
        }
    }

    pub(super) fn fn_body(&mut self, id: FnId) {
        let Some(info) = self.fns.get(id.0 as usize) else {
            return;
        };
        let (src, scope, sig) = (info.src, info.scope.clone(), info.sig.clone());
        let abi = info.abi_uses.clone().unwrap_or_else(|| sig.uses.clone());
        let (local, checked) = (info.local, info.checked);
        if checked {
            return;
        }
        let of_cap = info.of_cap;
        // What is put off in a body with errors looks at this body's errors only.
        let earlier = std::mem::replace(&mut self.poisoned, false);
        let outer = std::mem::replace(&mut self.cx, FnCx::new(scope));
        if local {
            self.cx.parent = Some(Box::new(outer));
        }
        self.cx.preds = self.elaborate(&sig.preds);
        self.cx.fn_id = Some(id);
        self.cx.at = sig.head;
        self.cx.frames.push(Frame::new(
            LitKind::Function,
            sig.ret,
            FrameErrs::Declared(sig.errs),
        ));
        self.cx.push_scope();
        let mut hidden: Vec<(CapId, LocalId)> = Vec::new();
        for cap in abi {
            let local = self.cap_local(cap, sig.head);
            hidden.push((cap, local));
            if sig.uses.contains(&cap) {
                let frame = self.cx.frame_index();
                self.cx.env.push(EnvEntry::Bind {
                    cap,
                    local,
                    frame,
                    hidden: true,
                });
            }
        }
        let mut params = Vec::new();
        for p in &sig.params {
            let name = self.text(p.name);
            let local = self.cx.new_local(&name, p.ty, false, p.span);
            params.push(local);
            if p.name != sym::underscore {
                self.cx.bind(p.name, ScopeItem::Local(local));
            }
        }
        let body = match src {
            FnSrc::Item(item) => item.body.as_ref().map(|b| {
                let e = self.block(b, super::cx::Want::Stmt);
                // Whether a last call of something unknown would end the function cannot be said.
                let unknown = match &e.kind {
                    ExprKind::Block(stmts, _) => matches!(stmts.last(),
                        Some(Stmt::Expr(last)) if self.is_error(last.ty)),
                    _ => false,
                };
                if !self.is_never(e.ty)
                    && sig.ret != TyTable::UNIT
                    && sig.ret != TyTable::ERROR
                    && !(unknown && self.poisoned)
                {
                    self.missing_return(&sig.display, sig.ret, sig.head, b);
                    self.cx.idle.clear();
                }
                e
            }),
            FnSrc::Test(test) => Some(self.block(&test.body, super::cx::Want::Stmt)),
            FnSrc::Default(value) => {
                self.cx.pure = Some("a default value");
                let v = self.check_expr(value, sig.ret);
                let span = v.span;
                let ret = ex(ExprKind::Return(Some(Box::new(v))), TyTable::NEVER, span);
                Some(ex(
                    ExprKind::Block(vec![Stmt::Expr(ret)], None),
                    TyTable::NEVER,
                    span,
                ))
            }
        };
        for warning in std::mem::take(&mut self.cx.idle) {
            self.push(warning);
        }
        let mut body = body;
        self.finish_types(body.as_mut());
        if let Some(b) = &mut body {
            self.audit_body(b);
        }
        if !self.poisoned {
            self.unused_caps(&sig, of_cap, src);
            self.unused_names(sig.module, body.as_ref().map(|b| b.span));
        }
        self.poisoned |= earlier;
        self.settle_mentions(id);
        let captures = std::mem::take(&mut self.cx.captures);
        params.splice(0..0, captures.iter().map(|(_, own)| *own));
        let locals = std::mem::take(&mut self.cx.locals);
        let sites = std::mem::take(&mut self.cx.sites);
        let mut needs: Vec<CapId> = Vec::new();
        for site in &sites {
            if !needs.contains(&site.cap) {
                needs.push(site.cap);
            }
        }
        if let Some(info) = self.fns.get_mut(id.0 as usize) {
            info.sites = sites;
            info.captures = captures.iter().map(|(outer, _)| *outer).collect();
            info.checked = true;
        }
        if let Some(outer) = self.cx.parent.take() {
            self.cx = *outer;
        }
        if let Some(def) = self.prog.fns.get_mut(id.0 as usize) {
            def.uses = hidden;
            def.needs = needs;
            def.params = params;
            def.locals = locals;
            def.body = body;
        }
    }

    fn missing_return(
        &mut self,
        name: &str,
        ret: Ty,
        head: crate::source::Span,
        b: &ast::Block<'a>,
    ) {
        let t = self.show(ret);
        let mut d = Diagnostic::error(
            codes::MISSING_RETURN,
            head,
            format!("`{name}` can end without its result, a value of type `{t}`"),
        );
        let plain = |v: &&ast::Expr<'a>| {
            !matches!(
                v.kind,
                ast::ExprKind::If { .. } | ast::ExprKind::Match { .. }
            )
        };
        d = match b.value().filter(plain) {
            Some(v) => d
                .help("a function's result is what `return` says: write `return` before its last expression")
                .fix(v.span.before(), "return "),
            None => d.help("end each way through it with `return …`, `raise …` or `panic(…)`"),
        };
        self.push(d);
    }

    /// Names of patterns that nothing mentions.
    fn unused_names(&mut self, module: super::ModId, src_span: Option<Span>) {
        if self.in_std(module) {
            return;
        }
        let unused: Vec<_> = self
            .cx
            .locals
            .iter()
            .zip(&self.cx.infos)
            .filter(|(l, i)| i.named && !i.used && !l.name.starts_with('_'))
            .map(|(l, i)| (l.name.clone(), i.span))
            .collect();
        let body = src_span.map_or("", |s| self.sources.text(s));
        let hole = |name: &str| body.contains(&format!("{{{name}}}"));
        let mut warnings = Vec::new();
        for (name, span) in unused {
            let d = Diagnostic::warning(codes::UNUSED_NAME, span, format!("nothing uses `{name}`"));
            let outer = self.cx.locals.iter().zip(&self.cx.infos).find(|(l, i)| {
                l.name == name && i.span.file == span.file && i.span.end <= span.start && i.mutable
            });
            warnings.push(if let Some((_, outer)) = outer {
                d.note_at(
                    outer.span,
                    format!("it hides this `{name}`, which stays as it is"),
                )
                .help(format!(
                    "to change that one write `{name} = …` without `let`"
                ))
            } else if hole(&name) {
                d.help(format!(
                    "`{{{name}}}` in a string is text unless `f` stands before the quotes: `f\"…\"`"
                ))
            } else {
                d.help(format!(
                    "remove it, or write `_{name}` if it has to stand here"
                ))
            });
        }
        for d in warnings {
            self.push(d);
        }
    }

    /// Imports that nothing mentions.
    pub(super) fn unused_imports(&mut self) {
        if self.poisoned || self.sink.has_errors() {
            return;
        }
        let mut used = std::mem::take(&mut *self.used_names.borrow_mut());
        // What the compiler wrote for a module uses that module's imports.
        for (m, name) in used.clone() {
            if let Some(opened) = self.opened_by(m) {
                used.insert((opened, name));
            }
        }
        for m in 0..self.mods.len() {
            let m = super::ModId(id32(m));
            if self.in_std(m) || self.module(m).is_some_and(|i| i.name.contains('#')) {
                continue;
            }
            let mut unused: Vec<_> = self
                .module(m)
                .into_iter()
                .flat_map(|info| info.names.iter())
                .filter(|(name, e)| e.imported && !used.contains(&(m, **name)))
                .map(|(name, e)| (*name, e.span))
                .collect();
            unused.sort_by_key(|(_, span)| span.start);
            for (name, span) in unused {
                let name = self.text(name);
                self.push(
                    Diagnostic::warning(
                        codes::UNUSED_IMPORT,
                        span,
                        format!("nothing uses the import `{name}`"),
                    )
                    .help("remove it"),
                );
            }
        }
    }

    fn unused_caps(&mut self, sig: &super::Sig, of_cap: bool, src: FnSrc<'a>) {
        let FnSrc::Item(item) = src else {
            return;
        };
        if of_cap || item.body.is_none() || self.in_std(sig.module) {
            return;
        }
        // Methods of traits say what implementations may use.
        let of_trait = sig.generics.first().is_some_and(|g| g.name == sym::Self_);
        let of_impl = self
            .cx
            .fn_id
            .and_then(|f| self.fns.get(f.0 as usize))
            .is_some_and(|i| i.abi_uses.is_some());
        if of_trait || of_impl {
            return;
        }
        let unused: Vec<CapId> = sig
            .uses
            .iter()
            .filter(|c| !self.cx.sites.iter().any(|s| s.cap == **c))
            .copied()
            .collect();
        if !unused.is_empty() {
            let names = self.caps_text(&unused);
            let span = item.uses.first().map_or(sig.head, |p| {
                item.uses.last().map_or(p.span, |l| p.span.to(l.span))
            });
            self.push(
                Diagnostic::warning(
                    codes::UNUSED_CAP,
                    span,
                    format!("`{}` does not use `{names}`", sig.display),
                )
                .help(format!("remove `{names}` from its `uses`")),
            );
        }
    }

    pub(super) fn cap_local(&mut self, cap: CapId, span: crate::source::Span) -> LocalId {
        let name = self.cap_name(cap);
        let ty = self.prog.tys.intern(TyKind::Cap(cap));
        self.cx.new_local(&name, ty, false, span)
    }
}
