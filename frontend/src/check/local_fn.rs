//! Functions inside of functions. They are lifted to the top: what they capture, fixed data of the functions
//! around them, becomes leading parameters that each call fills in.
//!
//! What must stay true: only first-class values that are never assigned are captured, so it makes no
//! difference when a call passes them; a call of a function that is still being checked (its own, by
//! recursion) is completed when its captures are known.

use super::body::{bad, ex};
use super::cx::ScopeItem;
use super::rules::{Rule, broken};
use super::sigs::Enclosing;
use super::{Checker, FnSrc, Sig, codes};
use crate::ast;
use crate::diag::Diagnostic;
use crate::source::{Span, Symbol};
use crate::thir::{
    AdtKind, Callee, Expr, ExprKind, FnId, FnTy, Lambda, LocalId, Ty, TyKind, TyTable,
};
use std::rc::Rc;

/// What a name of a body stands for.
pub(super) enum Found {
    Local(LocalId),
    Fn(FnId),
    /// Something that cannot be captured, as was told.
    Bad,
    /// Nothing of this body.
    None,
}

impl<'a> Checker<'a, '_> {
    /// Looks a name up here and in the functions around.
    pub(super) fn find_local(&mut self, name: Symbol, span: Span) -> Found {
        match self.cx.lookup(name) {
            Some(ScopeItem::Local(id)) => return Found::Local(id),
            Some(ScopeItem::Fn(f)) => return Found::Fn(f),
            None => {}
        }
        if !self.cx.outer_local(name) {
            return Found::None;
        }
        match self.capture(name, span) {
            Some(id) => Found::Local(id),
            None => Found::Bad,
        }
    }

    /// Runs `f` in the function around this one.
    fn in_parent<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let parent = self.cx.parent.take()?;
        let mine = std::mem::replace(&mut self.cx, *parent);
        let result = f(self);
        let parent = std::mem::replace(&mut self.cx, mine);
        self.cx.parent = Some(Box::new(parent));
        Some(result)
    }

    /// Captures a local of a function around this one by its name.
    fn capture(&mut self, name: Symbol, span: Span) -> Option<LocalId> {
        let (outer, ty) = self.in_parent(|me| {
            let own = me.cx.by_name.get(&name).and_then(|v| v.last()).copied();
            let id = match own {
                Some(ScopeItem::Local(id)) => id,
                Some(ScopeItem::Fn(_)) => return None,
                None => me.capture(name, span)?,
            };
            let ty = me.cx.local_ty(id);
            Some((id, me.zonk(ty)))
        })??;
        let id = self.capture_local(outer, ty, span)?;
        // Outside of everything that the body binds itself.
        if let Some(scope) = self.cx.scopes.first_mut() {
            scope.push(name);
            let items = self.cx.by_name.entry(name).or_default();
            items.insert(0, ScopeItem::Local(id));
        }
        Some(id)
    }

    /// The parameter that stands for a local of the function around this one.
    fn capture_local(&mut self, outer: LocalId, ty: Ty, span: Span) -> Option<LocalId> {
        if let Some((_, own)) = self.cx.captures.iter().find(|(o, _)| *o == outer) {
            return Some(*own);
        }
        let (name, mutable, at) = {
            let parent = self.cx.parent.as_mut()?;
            let def = parent.locals.get(outer.0 as usize)?;
            let info = parent.infos.get_mut(outer.0 as usize)?;
            info.used = true;
            (def.name.clone(), info.mutable, info.span)
        };
        let kind = self.kind(ty);
        let complaint = match &kind {
            TyKind::Error => return None,
            _ if mutable => Some((
                Some(Rule::StorableLocalFn),
                format!("a local function captures fixed data only, and `{name}` is `mut`"),
                format!(
                    "pass it as a parameter, or write a function literal, which shares it: `let f = fn(…) => …`; for a copy, `let fixed = {name}`"
                ),
            )),
            TyKind::Borrowed(_) => Some((
                Some(Rule::BorrowedLocalFn),
                format!("a local function cannot capture the borrowed function `{name}`"),
                "pass it as a parameter `f: fn(…)`, or write a function literal".to_string(),
            )),
            TyKind::Cap(_) => Some((
                Some(Rule::LocalFnAuthority),
                format!("a local function cannot capture `{name}`"),
                "name the capability in its `uses`".to_string(),
            )),
            TyKind::Adt(a, _) if self.adt_kind(*a) == AdtKind::Attenuator => Some((
                Some(Rule::LocalFnAuthority),
                format!("a local function cannot capture `{name}`: it holds a capability"),
                "name the capability in its `uses` and bind it with `with` around the call"
                    .to_string(),
            )),
            _ if self.prog.tys.has_infer(ty) => Some((
                None,
                format!(
                    "the type of `{name}` is not known yet where this local function captures it"
                ),
                format!("write it: `let {name}: T = …`"),
            )),
            _ => None,
        };
        if let Some((rule, message, help)) = complaint
            && rule.is_none_or(broken)
        {
            let code = rule.map_or(codes::CANNOT_INFER, Rule::code);
            self.push(
                Diagnostic::error(code, span, message)
                    .note_at(at, "it is declared here")
                    .help(help),
            );
            return None;
        }
        let id = self.cx.new_local(&name, ty, false, at);
        if let Some(info) = self.cx.infos.get_mut(id.0 as usize) {
            info.frame = 0;
            info.env_depth = 0;
        }
        self.cx.captures.push((outer, id));
        Some(id)
    }

    /// The values of what a local function captured, for a call of it from here.
    pub(super) fn captured_args(&mut self, f: FnId, span: Span) -> Vec<Expr> {
        let Some(info) = self.fns.get(f.0 as usize) else {
            return Vec::new();
        };
        if !info.local {
            return Vec::new();
        }
        if !info.checked {
            if self.cx.fn_id != Some(f) {
                self.cx.open_mentions.push((f, span));
            }
            return Vec::new();
        }
        let (captures, level) = (info.captures.clone(), info.level);
        captures
            .iter()
            .map(|outer| match self.local_of(level, *outer, span) {
                Some(id) => ex(ExprKind::Local(id), self.cx.local_ty(id), span),
                None => bad(span),
            })
            .collect()
    }

    /// The local of this body that stands for one of the body around the functions of that level.
    fn local_of(&mut self, level: usize, outer: LocalId, span: Span) -> Option<LocalId> {
        if self.cx.level() < level {
            return Some(outer);
        }
        let (id, ty) = self.in_parent(|me| {
            let id = me.local_of(level, outer, span)?;
            let ty = me.cx.local_ty(id);
            Some((id, me.zonk(ty)))
        })??;
        self.capture_local(id, ty, span)
    }

    /// Completes recursive calls.
    pub(super) fn own_captures(&self, f: FnId, args: &mut Vec<Expr>, span: Span) {
        let n = self.fns.get(f.0 as usize).map_or(0, |i| i.sig.params.len());
        if self.cx.fn_id != Some(f) || self.cx.captures.is_empty() || args.len() != n {
            return;
        }
        let own = self.cx.captures.iter();
        let values = own.map(|(_, id)| ex(ExprKind::Local(*id), self.cx.local_ty(*id), span));
        args.splice(0..0, values);
    }

    /// Mentions of a function with captures from inside of it that only a call of its own could be.
    pub(super) fn settle_mentions(&mut self, f: FnId) {
        let open = std::mem::take(&mut self.cx.open_mentions);
        let mut rest = Vec::new();
        for (g, span) in open {
            if g != f {
                rest.push((g, span));
                continue;
            }
            if self.cx.captures.is_empty() {
                continue;
            }
            let display = self.sig(f).display.clone();
            self.err_help(
                codes::STORABLE,
                span,
                format!("`{display}` captures locals, so in itself it can only be called, and not by another local function"),
                "pass what it captures as parameters",
            );
        }
        if let Some(parent) = self.cx.parent.as_mut() {
            parent.open_mentions.extend(rest);
        }
    }

    /// A local function as a value: a literal that calls it with what it captured.
    pub(super) fn captured_fn_value(
        &mut self,
        f: FnId,
        sig: &Sig,
        targs: Vec<Ty>,
        ty: &FnTy,
        span: Span,
    ) -> Option<Expr> {
        let info = self.fns.get(f.0 as usize)?;
        if !info.local {
            return None;
        }
        if !info.checked {
            self.cx.open_mentions.push((f, span));
            return None;
        }
        if info.captures.is_empty() {
            return None;
        }
        let mut args = self.captured_args(f, span);
        let frame = self.cx.frame_index() + 1;
        let first = self.cx.locals.len();
        let uses = self.zonk_uses(&ty.uses);
        if uses.iter().any(|c| c.as_infer().is_some()) {
            self.err_help(
                codes::CANNOT_INFER,
                span,
                format!(
                    "it is not known here which capabilities `{}` uses",
                    sig.display
                ),
                "write them as type arguments in brackets",
            );
            return Some(bad(span));
        }
        let uses: Vec<_> = uses
            .iter()
            .map(|c| (*c, self.cap_local(*c, span)))
            .collect();
        let caps = uses
            .iter()
            .map(|(_, id)| ex(ExprKind::Local(*id), self.cx.local_ty(*id), span))
            .collect();
        let mut params = Vec::new();
        for (p, t) in sig.params.iter().zip(&ty.params) {
            let name = self.text(p.name);
            let id = self.cx.new_local(&name, *t, false, span);
            params.push(id);
            args.push(ex(ExprKind::Local(id), *t, span));
        }
        for info in self.cx.infos.iter_mut().skip(first) {
            info.frame = frame;
        }
        let call = ex(
            ExprKind::Call {
                callee: Box::new(Callee::Fn(f, targs)),
                caps,
                args,
                ret: ty.ret,
                errs: ty.errs,
            },
            ty.ret,
            span,
        );
        let body = if sig.errs == TyTable::NEVER {
            call
        } else {
            ex(ExprKind::Try(Box::new(call)), ty.ret, span)
        };
        let whole = self.mk(TyKind::Fn(ty.clone()));
        Some(ex(
            ExprKind::Lambda(Box::new(Lambda {
                storable: true,
                uses,
                params,
                ret: ty.ret,
                errs: ty.errs,
                body,
            })),
            whole,
            span,
        ))
    }

    /// A function inside of a function.
    pub(super) fn local_fn(&mut self, f: &'a ast::FnItem<'a>) {
        let (generics, preds, full) = match self.cx.fn_id {
            Some(id) => {
                let sig = self.sig(id);
                let full = self
                    .prog
                    .fns
                    .get(id.0 as usize)
                    .map_or(String::new(), |d| d.name.clone());
                (sig.generics.clone(), sig.preds.clone(), full)
            }
            None => {
                self.err_help(
                    codes::BAD_CONST,
                    f.head,
                    "a constant's value declares no functions",
                    "declare it beside the constant",
                );
                return;
            }
        };
        let enc = Enclosing {
            scope: self.cx.scope.clone(),
            generics,
            preds,
            receiver: None,
            display: String::new(),
            full,
        };
        let name = self.text(f.name.name);
        if let Some(super::Def::Cap(_)) = self.lookup_name(enc.scope.module, f.name.name) {
            self.breach(
                Rule::ShadowValue,
                f.name.span,
                "a capability's name cannot be used again",
                "",
            );
        }
        let id = self.new_fn(
            enc.scope.clone(),
            FnSrc::Item(f),
            format!("{}.{name}", enc.full),
            f.name.name,
            f.head,
        );
        let (sig, scope) = self.make_sig(f, &enc);
        self.first_class_sig(&sig);
        if let Some(def) = self.prog.fns.get_mut(id.0 as usize) {
            def.generics = super::collect::id32(sig.generics.len());
            def.open = sig.generics.iter().any(|g| g.is_uses);
            def.ret = sig.ret;
            def.errs = sig.errs;
        }
        self.cx.bind(f.name.name, ScopeItem::Fn(id));
        if let Some(info) = self.fns.get_mut(id.0 as usize) {
            info.sig = Rc::new(sig);
            info.scope = scope;
            info.local = true;
            info.level = self.cx.level() + 1;
        }
        self.fn_body(id);
    }
}
