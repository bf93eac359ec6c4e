//! Capabilities in bodies: the environment of bindings, hidden arguments, `with`, `allow`, calls of
//! capability methods.
//!
//! Every use goes through `find_cap`, which walks the environment from the innermost entry: an
//! `allow` that does not list the capability, or the start of a storable literal, ends the walk.

use super::body::{bad, ex};
use super::call::Ticked;
use super::cx::{EnvEntry, LocalInfo, Want};
use super::expr::St;
use super::rules::{Rule, broken};
use super::{Checker, Def, PendingCap, Sig, UseKind, UseSite, codes};
use crate::ast::{self, Arg, ExprKind as A, Ident, Path, TypeExpr};
use crate::diag::Diagnostic;
use crate::source::Span;
use crate::thir::{
    AdtKind, Callee as TCallee, CapId, Expr, ExprKind, FnId, FnTy, Lambda, TyKind, TyTable,
};
use std::rc::Rc;

/// Who needs a hidden argument.
#[derive(Clone, Debug)]
pub(super) enum Callee {
    Fn(FnId),
    /// A function value.
    Value,
    /// A trait's method, a capability's method, or a mention, by its name.
    Named(String),
}

impl<'a> Checker<'a, '_> {
    /// The binding of a capability at this place, marked as used.
    pub(super) fn find_cap(&mut self, cap: CapId, span: Span, who: &Callee) -> Expr {
        let ty = self.prog.tys.intern(TyKind::Cap(cap));
        let name = self.cap_name(cap);
        if let Some(why) = self.cx.pure
            && broken(Rule::PureCapability)
        {
            let what = format!("{why} is pure: it cannot use `{name}`");
            let d = Diagnostic::error(Rule::PureCapability.code(), span, what);
            self.pend(d.help("compute the value before"), cap, span, who);
            return bad(span);
        }
        let mut found = None;
        let mut barrier = false;
        for e in self.cx.env.iter().rev() {
            match e {
                EnvEntry::Bind {
                    cap: c,
                    local,
                    frame,
                    hidden,
                } if *c == cap => {
                    found = Some((*local, *frame, *hidden));
                    break;
                }
                EnvEntry::Bind { .. } => {}
                EnvEntry::Allow { caps, span: at } => {
                    if !caps.contains(&cap) && broken(Rule::AllowUse) {
                        let list = if caps.is_empty() {
                            "none".to_string()
                        } else {
                            self.caps_text(caps)
                        };
                        let at = *at;
                        let d = Diagnostic::error(
                            Rule::AllowUse.code(),
                            span,
                            format!("`{name}` is used here, but the block allows {list}"),
                        )
                        .note_at(at, "the block is here")
                        .help(format!(
                            "add `{name}` to `allow`, or bind it inside with `with`"
                        ));
                        self.pend(d, cap, span, who);
                        return bad(span);
                    }
                }
                EnvEntry::Barrier => {
                    if broken(Rule::StorableUses) {
                        barrier = true;
                        break;
                    }
                }
            }
        }
        let Some((local, frame, hidden)) = found else {
            self.missing_cap(cap, span, who, barrier);
            return bad(span);
        };
        for f in self.cx.frames.iter_mut().skip(frame + 1) {
            f.second = true;
            if !f.caps.contains(&cap) {
                f.caps.push(cap);
            }
        }
        if hidden {
            let kind = match who {
                Callee::Fn(f) => UseKind::Fn(*f),
                Callee::Value => UseKind::Direct(format!("a function that uses {name}")),
                Callee::Named(n) => UseKind::Direct(n.clone()),
            };
            self.cx.sites.push(UseSite { cap, span, kind });
        }
        ex(ExprKind::Local(local), ty, span)
    }

    fn pend(&mut self, diag: Diagnostic, cap: CapId, span: Span, who: &Callee) {
        self.poisoned = true;
        let (callee, what) = match who {
            Callee::Fn(f) => (Some(*f), self.sig(*f).display.clone()),
            Callee::Value => (None, "the function value".to_string()),
            Callee::Named(n) => (None, n.clone()),
        };
        let here = match self.cx.fn_id {
            Some(f) => {
                let s = self.sig(f);
                (s.head, s.display.clone())
            }
            None => (span, "here".to_string()),
        };
        self.pending.push(PendingCap {
            diag,
            cap,
            callee,
            here,
            what,
        });
    }

    fn missing_cap(&mut self, cap: CapId, span: Span, who: &Callee, barrier: bool) {
        let name = self.cap_name(cap);
        let what = match who {
            Callee::Fn(f) => format!("`{}` uses `{name}`", self.sig(*f).display),
            Callee::Value => format!("this function uses `{name}`"),
            Callee::Named(n) if *n == name => format!("this uses `{name}`"),
            Callee::Named(n) => format!("`{n}` uses `{name}`"),
        };
        if barrier {
            let d = Diagnostic::error(
                Rule::StorableUses.code(),
                span,
                format!("{what}, but a stored function sees only its own `uses`"),
            )
            .help(format!(
                "write `fn(…) uses {name} => …`: whoever calls it hands it over"
            ));
            self.pend(d, cap, span, who);
            return;
        }
        let f = self.cx.fn_id;
        let of_cap = f
            .and_then(|f| self.fns.get(f.0 as usize))
            .is_some_and(|i| i.of_cap);
        let rule = if of_cap {
            Rule::AttenuatorOwnFields
        } else {
            Rule::UsesDeclared
        };
        if !broken(rule) {
            // There is no binding to hand over: nothing can be compiled.
            self.poisoned = true;
            return;
        }
        let Some(f) = f else {
            self.err(
                rule.code(),
                span,
                format!("{what}, which is not available here"),
            );
            return;
        };
        let sig = self.sig(f);
        if of_cap {
            let d = Diagnostic::error(
                rule.code(),
                span,
                format!("{what}, but a capability's method uses only the fields of `self`"),
            )
            .help(format!(
                "give the struct a field of type `{name}` and bind it: `with {name} = self.field:`"
            ));
            self.pend(d, cap, span, who);
            return;
        }
        // A method that asks for more than its trait gives was told at its signature.
        let of_impl = self
            .fns
            .get(f.0 as usize)
            .is_some_and(|i| i.abi_uses.is_some());
        let written = |item: &ast::FnItem<'a>| {
            let last = item.uses.iter().map(ast::Path::last);
            last.into_iter().any(|part| self.text(part.name) == name)
        };
        if of_impl && self.fn_item(f).is_some_and(written) {
            self.poisoned = true;
            return;
        }
        let mut d = Diagnostic::error(
            rule.code(),
            span,
            format!("{what}, but `{}` does not have it", sig.display),
        );
        if let Some(item) = self.fn_item(f) {
            d = match item.uses.last() {
                Some(last) => d
                    .help(format!("add `+ {name}` to the `uses` of `{}`", sig.display))
                    .fix(last.span.after(), format!(" + {name}")),
                None => {
                    let d = d.help(format!(
                        "write `uses {name}` in the signature of `{}`",
                        sig.display
                    ));
                    match self.uses_place(item) {
                        Some(p) => d.fix(p, format!(" uses {name}")),
                        None => d,
                    }
                }
            };
        }
        self.pend(d, cap, span, who);
    }

    /// Where `uses` would stand in a signature without it.
    fn uses_place(&self, item: &ast::FnItem<'a>) -> Option<Span> {
        if let Some(r) = &item.ret {
            return Some(r.span.after());
        }
        if let Some(e) = item.errors.first() {
            let text = self.sources.text(Span {
                end: e.span.start,
                ..item.head
            });
            let bang = text.rfind('!')?;
            let upto = text.get(..bang)?.trim_end().len();
            let at = item.head.start + u32::try_from(upto).ok()?;
            return Some(Span::new(item.head.file, at, at));
        }
        if item.wheres.is_empty() {
            return Some(item.head.after());
        }
        None
    }

    /// Hidden arguments of a call, in the order of the callee's `uses`.
    pub(super) fn hidden_args(&mut self, uses: &[CapId], span: Span, who: Callee) -> Vec<Expr> {
        let uses = &self.zonk_uses(uses);
        if uses.iter().any(|c| c.as_infer().is_some()) {
            self.err_help(
                codes::CANNOT_INFER,
                span,
                "it is not known here which capabilities this uses",
                "write them where the value is made, as in `Router[Net + Console](…)` or `Router[none](…)`",
            );
            return Vec::new();
        }
        if let (Some(cap), Some(why)) = (uses.first(), self.cx.pure)
            && broken(Rule::PureCapability)
        {
            let list = self.caps_text(uses);
            let what = format!("{why} is pure: it cannot call what uses `{list}`");
            let d = Diagnostic::error(Rule::PureCapability.code(), span, what);
            self.pend(d.help("compute the value before"), *cap, span, &who);
            return uses.iter().map(|_| bad(span)).collect();
        }
        uses.iter().map(|c| self.find_cap(*c, span, &who)).collect()
    }

    /// A borrowed function from outside of an `allow` must be known to capture no more than it lists.
    pub(super) fn borrowed_in_allow(&mut self, info: &LocalInfo, name: &str, span: Span) {
        let mut problem = None;
        for (i, e) in self.cx.env.iter().enumerate().rev() {
            match e {
                // Parameters of literals inside of the block come from elsewhere too.
                EnvEntry::Allow { caps, span: at }
                    if i >= info.env_depth || info.captured.is_none() =>
                {
                    match &info.captured {
                        None => problem = Some((*at, None)),
                        Some(c) => {
                            if let Some(x) = c.iter().find(|x| !caps.contains(x)) {
                                problem = Some((*at, Some(*x)));
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        if let Some((at, cap)) = problem {
            let msg = match cap {
                Some(c) => format!(
                    "`{name}` captured `{}`, which the block does not allow",
                    self.cap_name(c)
                ),
                None => {
                    format!("what `{name}` captured is not known here, so `allow` cannot be proved")
                }
            };
            let rule = if cap.is_some() {
                Rule::AllowCaptured
            } else {
                Rule::AllowUnknown
            };
            if !broken(rule) {
                return;
            }
            self.push(
                Diagnostic::error(rule.code(), span, msg)
                    .note_at(at, "the block is here")
                    .help("call it outside of the block, or take an `own fn` with its `uses`"),
            );
        }
    }

    pub(super) fn allow_stmt(
        &mut self,
        span: Span,
        caps: &'a [Path<'a>],
        body: &'a ast::Block<'a>,
    ) -> Expr {
        let scope = self.cx.scope.clone();
        let caps = self.resolve_uses(&scope, caps);
        let len = self.cx.env.len();
        self.cx.env.push(EnvEntry::Allow { caps, span });
        let e = self.block(body, Want::Stmt);
        self.cx.env.truncate(len);
        e
    }

    pub(super) fn with_stmt(
        &mut self,
        span: Span,
        bindings: &'a [ast::WithBinding<'a>],
        body: &'a ast::Block<'a>,
    ) -> Expr {
        let m = self.cx.scope.module;
        let mut out = Vec::new();
        let mut binds: Vec<(CapId, crate::thir::LocalId)> = Vec::new();
        for b in bindings {
            let scope = self.cx.scope.clone();
            if self.set_param(&scope, &b.cap).is_some() {
                let t = self.text(b.cap.last().name);
                self.breach(
                    Rule::ParameterBound,
                    b.cap.span,
                    format!("`with` binds one capability, `{t}` stands for any number of them"),
                    format!(
                        "bind a capability by its name: what `{t}` has of that name is rebound too"
                    ),
                );
                continue;
            }
            let cap = match self.resolve_path(m, &b.cap, "capability") {
                Some(Def::Cap(c)) => c,
                Some(d) => {
                    let k = self.def_kind(d);
                    self.breach(
                        Rule::UsesNames,
                        b.cap.span,
                        format!("`with` binds one capability, this is {k}"),
                        "",
                    );
                    continue;
                }
                None => continue,
            };
            if binds.iter().any(|(c, _)| *c == cap)
                && self.breach(
                    Rule::WithTwice,
                    b.cap.span,
                    "this capability is bound twice here",
                    "",
                )
            {
                continue;
            }
            let v = self.with_value(&b.value, cap);
            let local = self.cap_local(cap, b.cap.span);
            binds.push((cap, local));
            out.push((local, v));
        }
        let len = self.cx.env.len();
        let frame = self.cx.frame_index();
        for (cap, local) in binds {
            self.cx.env.push(EnvEntry::Bind {
                cap,
                local,
                frame,
                hidden: false,
            });
        }
        let e = self.block(body, Want::Stmt);
        self.cx.env.truncate(len);
        let ty = e.ty;
        ex(ExprKind::With(out, Box::new(e)), ty, span)
    }

    /// The right side of a binding.
    fn with_value(&mut self, e: &'a ast::Expr<'a>, cap: CapId) -> Expr {
        let cap_ty = self.prog.tys.intern(TyKind::Cap(cap));
        if let Some(v) = self.cap_mention(e) {
            return self.recap(v, cap, e.span);
        }
        let v = self.expr(e, Want::Any);
        self.mention_field(&v, cap);
        match self.kind(v.ty) {
            TyKind::Error => bad(e.span),
            TyKind::Cap(_) => self.recap(v, cap, e.span),
            TyKind::Adt(..) if self.find_cap_impl(v.ty, cap).is_some() => {
                ex(ExprKind::AsCap(Box::new(v)), cap_ty, e.span)
            }
            _ if self.refused_impls.contains(&cap) => {
                self.poisoned = true;
                bad(e.span)
            }
            _ => {
                let (t, n) = (self.show(v.ty), self.cap_name(cap));
                let refused = self.breach(
                    Rule::WithImplements,
                    e.span,
                    format!("`{t}` does not implement `{n}`"),
                    format!("write `impl {n} for {t}:` in its module, or bind another value"),
                );
                if !refused {
                    return ex(ExprKind::AsCap(Box::new(v)), cap_ty, e.span);
                }
                bad(e.span)
            }
        }
    }

    /// A capability as binding of itself, of its parent or of its child.
    fn recap(&mut self, v: Expr, cap: CapId, span: Span) -> Expr {
        let TyKind::Cap(from) = self.kind(v.ty) else {
            return bad(span);
        };
        if from == cap {
            return v;
        }
        let ty = self.prog.tys.intern(TyKind::Cap(cap));
        if self.is_parent(cap, from) || (self.is_parent(from, cap) && self.adds_nothing(from, cap))
        {
            return ex(ExprKind::Recap(Box::new(v)), ty, span);
        }
        let (a, b) = (self.cap_name(from), self.cap_name(cap));
        let help = if self.is_parent(from, cap) {
            format!("`{b}` has methods that `{a}` lacks: bind an attenuator that implements it")
        } else {
            format!("bind an attenuator that implements `{b}`")
        };
        let refused = self.breach(
            Rule::WithRelated,
            span,
            format!("`{a}` cannot be bound as `{b}`"),
            help,
        );
        if !refused {
            return ex(ExprKind::Recap(Box::new(v)), ty, span);
        }
        bad(span)
    }

    /// Whether `up` is an ancestor of `down`.
    fn is_parent(&self, up: CapId, down: CapId) -> bool {
        let mut at = self.prog.caps.get(down.0 as usize).and_then(|c| c.parent);
        for _ in 0..self.prog.caps.len() {
            match at {
                Some(c) if c == up => return true,
                Some(c) => at = self.prog.caps.get(c.0 as usize).and_then(|c| c.parent),
                None => return false,
            }
        }
        false
    }

    fn adds_nothing(&self, up: CapId, down: CapId) -> bool {
        let n = |c: CapId| self.prog.caps.get(c.0 as usize).map(|c| c.methods.len());
        n(up) == n(down)
    }

    /// The name of a capability where one may be mentioned (`with`, constructor of an attenuator).
    pub(super) fn cap_mention(&mut self, e: &'a ast::Expr<'a>) -> Option<Expr> {
        let is_path = matches!(e.kind, A::Name(_) | A::Field { .. });
        if !is_path {
            return None;
        }
        if let Some(St::Def(Def::Cap(c))) = self.static_of(e) {
            let name = self.cap_name(c);
            return Some(self.find_cap(c, e.span, &Callee::Named(name)));
        }
        None
    }

    /// An argument for a capability field.
    pub(super) fn cap_argument(&mut self, e: &'a ast::Expr<'a>, cap: CapId) -> Expr {
        if let Some(v) = self.cap_mention(e) {
            return self.recap(v, cap, e.span);
        }
        let v = self.expr(e, Want::Any);
        self.mention_field(&v, cap);
        match self.kind(v.ty) {
            TyKind::Error => bad(e.span),
            TyKind::Cap(_) => self.recap(v, cap, e.span),
            TyKind::Adt(id, _)
                if self.adt_kind(id) == AdtKind::Attenuator
                    && self.find_cap_impl(v.ty, cap).is_some() =>
            {
                let ty = self.prog.tys.intern(TyKind::Cap(cap));
                ex(ExprKind::AsCap(Box::new(v)), ty, e.span)
            }
            _ => {
                let (t, n) = (self.show(v.ty), self.cap_name(cap));
                let refused = self.breach(
                    Rule::AttenuatorArgument,
                    e.span,
                    format!("capability `{n}` is needed here, not `{t}`"),
                    format!("pass `{n}`, or bind the value first: `with {n} = …:`"),
                );
                if !refused {
                    let ty = self.prog.tys.intern(TyKind::Cap(cap));
                    return ex(ExprKind::AsCap(Box::new(v)), ty, e.span);
                }
                bad(e.span)
            }
        }
    }

    pub(super) fn cap_method(&mut self, cap: CapId, name: Ident) -> Option<(u32, Rc<Sig>)> {
        let info = self.caps.get(cap.0 as usize)?;
        let pos = info.methods.iter().position(|m| m.name == name.name);
        if let Some(i) = pos {
            let sig = info.methods.get(i)?.clone();
            return Some((super::collect::id32(i), sig));
        }
        let names: Vec<_> = info.methods.iter().map(|m| m.name).collect();
        let (t, n) = (self.text(name.name), self.cap_name(cap));
        let d = Diagnostic::error(
            codes::UNKNOWN_MEMBER,
            name.span,
            format!("capability `{n}` has no method `{t}`"),
        );
        let d = match self.closest(&t, &names) {
            Some(c) => d.help(format!("did you mean `{c}`?")).fix(name.span, c),
            None => {
                let all: Vec<String> = names.iter().map(|s| self.text(*s)).collect();
                d.help(format!("its methods are: {}", all.join(", ")))
            }
        };
        self.push(d);
        None
    }

    /// `Console.print(s)`.
    pub(super) fn cap_call(
        &mut self,
        cap: CapId,
        name: Ident,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        span: Span,
    ) -> Expr {
        let text = format!("{}.{}", self.cap_name(cap), self.text(name.name));
        let Some((m, sig)) = self.cap_method(cap, name) else {
            self.drop_args(args);
            return bad(span);
        };
        let binding = self.find_cap(cap, span, &Callee::Named(text));
        self.cap_invoke(binding, m, &sig, type_args, args, span)
    }

    fn cap_invoke(
        &mut self,
        binding: Expr,
        m: u32,
        sig: &Sig,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        span: Span,
    ) -> Expr {
        let callee = TCallee::Cap {
            cap: Box::new(binding),
            method: m,
        };
        self.interface_call(callee, None, sig, type_args, args, span)
    }

    /// A call by the signature of a capability's method.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn interface_call(
        &mut self,
        callee: TCallee,
        recv: Option<Expr>,
        sig: &Sig,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        span: Span,
    ) -> Expr {
        if let Some(t) = type_args.first() {
            self.err(
                codes::TYPE_ARGS,
                t.span,
                "methods of capabilities are not generic",
            );
        }
        let formals = self.formals(&sig.params, 0, &[]);
        let mut prefix = Vec::new();
        let what = Ticked(&sig.display);
        let rest = self.arguments(&formals, args, &[], span, &what, &mut prefix);
        let all = recv.into_iter().chain(rest).collect();
        self.finish_call(callee, Vec::new(), all, sig.ret, sig.errs, prefix, span)
    }

    /// `self.db.query(…)` on a capability field.
    pub(super) fn cap_call_on(
        &mut self,
        recv: Expr,
        cap: CapId,
        name: Ident,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        span: Span,
    ) -> Expr {
        self.field_use(cap, span);
        let Some((m, sig)) = self.cap_method(cap, name) else {
            self.drop_args(args);
            return bad(span);
        };
        self.cap_invoke(recv, m, &sig, type_args, args, span)
    }

    /// `Console.print` as a borrowed function.
    pub(super) fn cap_method_value(&mut self, cap: CapId, name: Ident, span: Span) -> Expr {
        let text = format!("{}.{}", self.cap_name(cap), self.text(name.name));
        let Some((m, sig)) = self.cap_method(cap, name) else {
            return bad(span);
        };
        let binding = self.find_cap(cap, span, &Callee::Named(text));
        if self.is_error(binding.ty) {
            return bad(span);
        }
        let frame = self.cx.frame_index() + 1;
        let mut params = Vec::new();
        let mut args = Vec::new();
        for p in &sig.params {
            let pname = self.text(p.name);
            let l = self.cx.new_local(&pname, p.ty, false, span);
            if let Some(i) = self.cx.infos.get_mut(l.0 as usize) {
                i.frame = frame;
            }
            params.push(l);
            args.push(ex(ExprKind::Local(l), p.ty, span));
        }
        let call = ex(
            ExprKind::Call {
                callee: Box::new(TCallee::Cap {
                    cap: Box::new(binding),
                    method: m,
                }),
                caps: Vec::new(),
                args,
                ret: sig.ret,
                errs: sig.errs,
            },
            sig.ret,
            span,
        );
        let body = if sig.errs == TyTable::NEVER {
            call
        } else {
            ex(ExprKind::Try(Box::new(call)), sig.ret, span)
        };
        let ty = self.mk(TyKind::Borrowed(FnTy {
            params: sig.params.iter().map(|p| p.ty).collect(),
            uses: Vec::new(),
            ret: sig.ret,
            errs: sig.errs,
        }));
        self.cx.last_captures = Some(Rc::new(vec![cap]));
        ex(
            ExprKind::Lambda(Box::new(Lambda {
                storable: false,
                uses: Vec::new(),
                params,
                ret: sig.ret,
                errs: sig.errs,
                body,
            })),
            ty,
            span,
        )
    }
}
