//! Bodies of functions, default values and constants.

use super::collect::id32;
use super::cx::{EnvEntry, FnCx, Frame, FrameErrs, LitKind, ScopeItem};
use super::{Checker, FnSrc, codes};
use crate::ast;
use crate::diag::Diagnostic;
use crate::source::sym;
use crate::thir::{CapId, ConstId, Expr, ExprKind, FnId, LocalId, Stmt, Ty, TyKind, TyTable};

pub(super) fn ex(kind: ExprKind, ty: Ty, span: crate::source::Span) -> Expr {
    Expr { kind, ty, span }
}

pub(super) fn bad(span: crate::source::Span) -> Expr {
    ex(ExprKind::Unit, TyTable::ERROR, span)
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
        for i in 0..self.consts.len() {
            self.const_body(ConstId(id32(i)));
        }
        self.const_cycles();
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
                if !self.is_never(e.ty) && sig.ret != TyTable::UNIT && sig.ret != TyTable::ERROR {
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
            self.unused_names(sig.module);
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
    fn unused_names(&mut self, module: super::ModId) {
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
        for (name, span) in unused {
            self.push(
                Diagnostic::warning(codes::UNUSED_NAME, span, format!("nothing uses `{name}`"))
                    .help(format!(
                        "remove it, or write `_{name}` if it has to stand here"
                    )),
            );
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

    fn const_body(&mut self, id: ConstId) {
        let Some((module, item, ty)) = self
            .consts
            .get(id.0 as usize)
            .map(|c| (c.module, c.item, c.ty))
        else {
            return;
        };
        self.cx = FnCx::new(self.module_scope(module));
        self.cx.at = item.name.span;
        self.cx.pure = Some("a constant");
        self.cx.in_const = true;
        self.cx.frames.push(Frame::new(
            LitKind::Function,
            TyTable::ERROR,
            FrameErrs::Declared(TyTable::NEVER),
        ));
        self.cx.push_scope();
        let mut value = self.check_expr(&item.value, ty);
        self.finish_types(Some(&mut value));
        self.audit_body(&mut value);
        let mentions = std::mem::take(&mut self.cx.const_mentions);
        let locals = std::mem::take(&mut self.cx.locals);
        if let Some(c) = self.consts.get_mut(id.0 as usize) {
            c.mentions = mentions;
        }
        if let Some(c) = self.prog.consts.get_mut(id.0 as usize) {
            c.value = value;
            c.locals = locals;
        }
    }

    /// No constant needs itself. Without recursion: constants may form long chains.
    fn const_cycles(&mut self) {
        let n = self.consts.len();
        // Removes constants whose mentions are all removed, until nothing changes.
        let mut left: Vec<usize> = self.consts.iter().map(|c| c.mentions.len()).collect();
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); n];
        for (i, c) in self.consts.iter().enumerate() {
            for m in &c.mentions {
                if let Some(u) = users.get_mut(m.0 as usize) {
                    u.push(i);
                }
            }
        }
        let mut ready: Vec<usize> = (0..n).filter(|i| left.get(*i) == Some(&0)).collect();
        let mut done = vec![false; n];
        while let Some(i) = ready.pop() {
            if let Some(d) = done.get_mut(i) {
                *d = true;
            }
            for u in users.get(i).cloned().unwrap_or_default() {
                if let Some(l) = left.get_mut(u) {
                    *l = l.saturating_sub(1);
                    if *l == 0 {
                        ready.push(u);
                    }
                }
            }
        }
        for (i, d) in done.into_iter().enumerate() {
            if !d && let Some(span) = self.consts.get(i).map(|c| c.item.name.span) {
                self.err_help(
                    codes::BAD_CONST,
                    span,
                    "the value of this constant needs itself",
                    "write the value out",
                );
            }
        }
    }
}
