//! Function literals.

use super::body::ex;
use super::cx::{EnvEntry, Frame, FrameErrs, LitKind, ScopeItem, Want};
use super::sigs::MAX_PARAMS;
use super::types::TyPos;
use super::{Checker, codes};
use crate::ast::{FnBody, FnLit};
use crate::source::{Span, sym};
use crate::thir::{CapId, Expr, ExprKind, FnTy, Lambda, LocalId, Stmt, Ty, TyKind, TyTable};
use std::rc::Rc;

impl<'a> Checker<'a, '_> {
    pub(super) fn fn_literal(&mut self, lit: &'a FnLit<'a>, want: Want, span: Span) -> Expr {
        let scope = self.cx.scope.clone();
        let (expected, mut kind) = match want.ty().map(|t| self.kind(t)) {
            Some(TyKind::Borrowed(f)) => (Some(f), LitKind::Borrowed),
            Some(TyKind::Fn(f)) => (Some(f), LitKind::Storable),
            Some(_) => (None, LitKind::Storable),
            None => (None, LitKind::Undecided),
        };
        if lit.uses.is_some() {
            kind = LitKind::Storable;
        }
        if let Some(f) = &expected
            && f.params.len() != lit.params.len()
        {
            let (n, m) = (f.params.len(), lit.params.len());
            self.err_help(
                codes::ARGUMENTS,
                lit.head,
                format!("this function literal has {m} parameters, but {n} are needed"),
                format!(
                    "its parameters are ({})",
                    f.params
                        .iter()
                        .map(|t| self.show(*t))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            );
            return super::body::bad(span);
        }
        if lit.params.len() > MAX_PARAMS {
            self.err(
                codes::TYPE_TOO_LARGE,
                lit.head,
                format!("a function has at most {MAX_PARAMS} parameters"),
            );
            return super::body::bad(span);
        }
        let own = match lit.uses {
            Some(paths) => self.resolve_uses(&scope, paths),
            None => Vec::new(),
        };
        if let Some(id) = self.cx.fn_id
            && let Some(def) = self.prog.fns.get_mut(id.0 as usize)
        {
            def.named.extend(own.iter().copied());
        }
        // Hidden parameters: those that are expected, if the literal needs no others.
        let wanted = expected
            .as_ref()
            .map_or(Vec::new(), |f| self.zonk_uses(&f.uses));
        let known = wanted.iter().all(|c| c.as_infer().is_none());
        let abi: Vec<CapId> =
            if kind == LitKind::Storable && known && own.iter().all(|c| wanted.contains(c)) {
                wanted
            } else {
                own.clone()
            };
        let errs = if !lit.errors.is_empty() {
            let set = self.resolve_errs(lit.errors, &scope);
            FrameErrs::Declared(set)
        } else {
            match &expected {
                Some(f) => {
                    let e = self.zonk(f.errs);
                    if self.prog.tys.has_infer(e) {
                        FrameErrs::Collect(Vec::new())
                    } else {
                        FrameErrs::Declared(e)
                    }
                }
                None => FrameErrs::Collect(Vec::new()),
            }
        };
        let ret = match (&lit.ret, &expected) {
            (Some(t), _) => self.resolve_ty(t, &scope, TyPos::Other),
            (None, Some(f)) => f.ret,
            (None, None) => self.fresh(false),
        };
        let env_len = self.cx.env.len();
        self.cx.frames.push(Frame::new(kind, ret, errs));
        self.cx.push_scope();
        let frame = self.cx.frame_index();
        if kind == LitKind::Storable {
            self.cx.env.push(EnvEntry::Barrier);
        }
        let mut hidden: Vec<(CapId, LocalId)> = Vec::new();
        for cap in &abi {
            let local = self.cap_local(*cap, lit.head);
            hidden.push((*cap, local));
            if own.contains(cap) {
                self.cx.env.push(EnvEntry::Bind {
                    cap: *cap,
                    local,
                    frame,
                    hidden: false,
                });
            }
        }
        let mut params = Vec::new();
        let mut param_tys: Vec<Ty> = Vec::new();
        for (i, p) in lit.params.iter().enumerate() {
            let given = expected.as_ref().and_then(|f| f.params.get(i)).copied();
            let ty = match (&p.ty, given) {
                (Some(t), given) => {
                    let ty = self.resolve_ty(t, &scope, TyPos::Param);
                    if let Some(g) = given
                        && !self.try_unify(ty, g)
                    {
                        let (a, b) = (self.show(ty), self.show(g));
                        self.err_help(
                            codes::MISMATCH,
                            p.span,
                            format!("this parameter is `{a}`, but `{b}` is passed"),
                            "leave the type out",
                        );
                    }
                    ty
                }
                (None, Some(g)) => g,
                (None, None) => {
                    let name = self.text(p.name.name);
                    // Where something else than a function is needed, that is told.
                    let misplaced = want.ty().is_some_and(|t| {
                        !matches!(
                            self.kind(t),
                            TyKind::Infer(_) | TyKind::Fn(_) | TyKind::Borrowed(_)
                        )
                    });
                    if expected.is_none() && !misplaced {
                        self.err_help(
                            codes::CANNOT_INFER,
                            p.span,
                            format!("the type of parameter `{name}` is not known here"),
                            format!("write it: `{name}: T`"),
                        );
                    }
                    TyTable::ERROR
                }
            };
            let name = self.text(p.name.name);
            let local = self.cx.new_local(&name, ty, false, p.span);
            params.push(local);
            param_tys.push(ty);
            if p.name.name != sym::underscore {
                self.check_local_name(p.name);
                self.cx.bind(p.name.name, ScopeItem::Local(local));
            }
        }
        // A stored function has no effect where it stands: whoever calls it hands it its capabilities.
        let old_pure = self.cx.pure;
        if kind == LitKind::Storable {
            self.cx.pure = None;
        }
        let old_guard = std::mem::replace(&mut self.cx.in_guard, false);
        let old_const = std::mem::replace(&mut self.cx.in_const, false);
        let body = match lit.body {
            FnBody::Expr(e) => {
                let unit = self.shallow(ret) == TyTable::UNIT;
                if unit {
                    let v = self.expr(e, Want::Stmt);
                    self.no_dropped_result(&v);
                    self.no_idle_value(e, &v);
                    let never = self.is_never(v.ty);
                    let ty = if never { v.ty } else { TyTable::UNIT };
                    let s = v.span;
                    ex(ExprKind::Block(vec![Stmt::Expr(v)], None), ty, s)
                } else {
                    let v = self.expr(e, Want::Ty(ret));
                    if self.is_never(v.ty) && matches!(self.kind(ret), TyKind::Infer(_)) {
                        self.unify(ret, TyTable::UNIT);
                        v
                    } else {
                        self.coerce(v, ret)
                    }
                }
            }
            FnBody::Block(b) => {
                let e = self.block(b, Want::Stmt);
                if !self.is_never(e.ty) {
                    let saw = self.cx.frames.last().is_some_and(|f| f.saw_return);
                    let open = matches!(self.kind(ret), TyKind::Infer(_));
                    let r = self.shallow(ret);
                    if open && !saw {
                        self.unify(ret, TyTable::UNIT);
                    } else if r != TyTable::UNIT && r != TyTable::ERROR {
                        let t = self.show(r);
                        self.err_help(
                            codes::MISSING_RETURN,
                            lit.head,
                            format!("this function literal can end without its result, a value of type `{t}`"),
                            "its result is what `return` says; `=>` with an expression needs none",
                        );
                        self.cx.idle.retain(|d| {
                            !(b.span.start <= d.span.start && d.span.end <= b.span.end)
                        });
                    }
                } else if matches!(self.kind(ret), TyKind::Infer(_)) {
                    self.unify(ret, TyTable::UNIT);
                }
                e
            }
        };
        self.cx.in_guard = old_guard;
        self.cx.pure = old_pure;
        self.cx.in_const = old_const;
        self.cx.pop_scope();
        self.cx.env.truncate(env_len);
        let Some(frame) = self.cx.frames.pop() else {
            return super::body::bad(span);
        };
        let errs = match frame.errs {
            FrameErrs::Declared(t) => t,
            FrameErrs::Collect(list) => {
                let mut set = self.prog.tys.err_set(list);
                if let Some(f) = &expected {
                    // What is expected may be larger: the literal then has the larger set.
                    if self.cover_errs(f.errs, set) {
                        set = self.settle_errs(f.errs);
                    }
                }
                set
            }
        };
        let storable = match kind {
            LitKind::Storable => true,
            LitKind::Borrowed | LitKind::Function => false,
            LitKind::Undecided => !frame.second && !frame.unknown && frame.caps.is_empty(),
        };
        let fty = FnTy {
            params: param_tys,
            uses: if storable { abi } else { Vec::new() },
            ret,
            errs,
        };
        let ty = self.mk(if storable {
            TyKind::Fn(fty)
        } else {
            TyKind::Borrowed(fty)
        });
        self.cx.last_captures = if frame.unknown {
            None
        } else {
            let mut caps = frame.caps;
            self.sort_caps(&mut caps);
            Some(Rc::new(caps))
        };
        ex(
            ExprKind::Lambda(Box::new(Lambda {
                storable,
                uses: hidden,
                params,
                ret,
                errs,
                body,
            })),
            ty,
            span,
        )
    }

    /// What a `let`-bound borrowed function captured, if it is known.
    pub(super) fn captures_of(&mut self, init: &Expr) -> Option<Rc<Vec<CapId>>> {
        match &init.kind {
            ExprKind::Lambda(_) => self.cx.last_captures.clone(),
            ExprKind::Local(id) => self
                .cx
                .infos
                .get(id.0 as usize)
                .and_then(|i| i.captured.clone()),
            _ => None,
        }
    }

    /// Names of capabilities cannot mean a local.
    pub(super) fn check_local_name(&mut self, name: crate::source::Ident) {
        self.check_value_name(self.cx.scope.module, name);
    }

    /// The same in a module's signatures.
    pub(super) fn check_value_name(&mut self, m: super::ModId, name: crate::source::Ident) {
        if let Some(super::Def::Cap(_)) = self.lookup_name(m, name.name) {
            let t = self.text(name.name);
            self.breach(
                super::rules::Rule::ShadowValue,
                name.span,
                format!("`{t}` is a capability; its name cannot mean something else"),
                "choose another name",
            );
        }
    }
}
