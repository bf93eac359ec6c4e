//! Assignments.

use super::body::bad;
use super::cx::{LitKind, Want};
use super::local_fn::Found;
use super::ops::{arith_fits, bin_op};
use super::{Checker, codes};
use crate::ast::{self, BinaryOp, ExprKind as A};
use crate::diag::Diagnostic;
use crate::source::Span;
use crate::thir::{BinOp, Expr, ExprKind, Place, Stmt, Ty, TyKind, TyTable};

impl<'a> Checker<'a, '_> {
    pub(super) fn assign(
        &mut self,
        span: Span,
        target: &'a ast::Expr<'a>,
        op: Option<BinaryOp>,
        value: &'a ast::Expr<'a>,
        out: &mut Vec<Stmt>,
    ) {
        if let A::Index { base, index } = target.kind {
            let b = self.expr(base, Want::Any);
            let bt = self.zonk(b.ty);
            if let TyKind::Adt(id, args) = self.prog.tys.kind(bt).clone()
                && Some(id) == self.prog.lang.map
            {
                self.assign_map(span, b, &args, index, op, value, out);
                return;
            }
            if self.is_never(bt) {
                self.expr(index, Want::Any);
                self.expr(value, Want::Any);
                out.push(Stmt::Expr(b));
                return;
            }
            let place = self.index_place(b, bt, index, target.span);
            self.finish_assign(span, place, op, value, out);
            return;
        }
        let place = self.assign_place(target);
        self.finish_assign(span, place, op, value, out);
    }

    fn finish_assign(
        &mut self,
        span: Span,
        place: Option<(Place, Ty)>,
        op: Option<BinaryOp>,
        value: &'a ast::Expr<'a>,
        out: &mut Vec<Stmt>,
    ) {
        let Some((place, ty)) = place else {
            self.expr(value, Want::Any);
            return;
        };
        let (op, value) = match op {
            None => (None, self.check_expr(value, ty)),
            Some(o) => match self.op_value(o, ty, value, span) {
                Some((b, v)) => (Some(b), v),
                None => return,
            },
        };
        out.push(Stmt::Assign {
            place,
            op,
            value: Box::new(value),
            span,
        });
    }

    /// The right side of `op=` on a place of a type.
    fn op_value(
        &mut self,
        op: BinaryOp,
        ty: Ty,
        value: &'a ast::Expr<'a>,
        span: Span,
    ) -> Option<(BinOp, Expr)> {
        let bop = bin_op(op)?;
        let t = self.zonk(ty);
        let v = self.expr(value, Want::Ty(t));
        if self.is_error(t) || self.is_error(v.ty) {
            return None;
        }
        if self.is_never(v.ty) {
            return Some((bop, v));
        }
        let fits = self.try_unify(v.ty, t);
        let t = self.zonk(t);
        if !fits || !arith_fits(bop, t) {
            let left = Expr {
                kind: ExprKind::Unit,
                ty: t,
                span,
            };
            self.op_mismatch(op, value.span, &left, &v, span);
            return None;
        }
        Some((bop, v))
    }

    /// `m[k] = v`, `m[k] op= v`.
    #[allow(clippy::too_many_arguments)]
    fn assign_map(
        &mut self,
        span: Span,
        m: Expr,
        args: &[Ty],
        index: &'a ast::Expr<'a>,
        op: Option<BinaryOp>,
        value: &'a ast::Expr<'a>,
        out: &mut Vec<Stmt>,
    ) {
        let kt = args.first().copied().unwrap_or(TyTable::ERROR);
        let vt = args.get(1).copied().unwrap_or(TyTable::ERROR);
        let Some(op) = op else {
            let key = self.check_expr(index, kt);
            let v = self.check_expr(value, vt);
            let call = self.std_method(m, "set", vec![key, v], span);
            out.push(Stmt::Expr(call));
            return;
        };
        let mut stmts = Vec::new();
        let m = self.hold(m, "map", &mut stmts);
        let key = self.check_expr(index, kt);
        let key = self.hold(key, "key", &mut stmts);
        let old = self.std_method(m.clone(), "index", vec![key.clone()], span);
        let old = self.hold(old, "old", &mut stmts);
        let Some((bop, v)) = self.op_value(op, vt, value, span) else {
            return;
        };
        let sum = Expr {
            kind: ExprKind::Binary(bop, Box::new(old), Box::new(v)),
            ty: vt,
            span,
        };
        let call = self.std_method(m, "set", vec![key, sum], span);
        stmts.push(Stmt::Expr(call));
        out.push(Stmt::Expr(Expr {
            kind: ExprKind::Block(stmts, None),
            ty: TyTable::UNIT,
            span,
        }));
    }

    fn index_place(
        &mut self,
        b: Expr,
        bt: Ty,
        index: &'a ast::Expr<'a>,
        span: Span,
    ) -> Option<(Place, Ty)> {
        if let A::Range { .. } = index.kind {
            self.err(
                codes::IMMUTABLE,
                span,
                "a slice is a copy, so it cannot be assigned",
            );
            return None;
        }
        match self.prog.tys.kind(bt).clone() {
            TyKind::List(t) => {
                let i = self.check_expr(index, TyTable::INT);
                Some((Place::Index(Box::new(b), Box::new(i)), t))
            }
            TyKind::Error => {
                self.expr(index, Want::Any);
                None
            }
            TyKind::Str => {
                self.err_help(
                    codes::IMMUTABLE,
                    span,
                    "strings do not change",
                    "build a new one, from a list of characters or with a StringBuilder",
                );
                None
            }
            _ => {
                let t = self.show(bt);
                self.err_help(
                    codes::NOT_INDEXABLE,
                    span,
                    format!("`{t}` has no index that can be assigned"),
                    "lists and maps have one",
                );
                None
            }
        }
    }

    /// `x = 3` without `let`; `x` is known from here on, so that it is told once.
    fn new_without_let(&mut self, name: crate::source::Ident) {
        let told = self.told;
        self.unknown_value(name);
        if self.told == told {
            return;
        }
        let text = self.text(name.name);
        let local = self.cx.new_local(&text, TyTable::ERROR, true, name.span);
        self.cx.bind(name.name, super::cx::ScopeItem::Local(local));
    }

    fn assign_place(&mut self, target: &'a ast::Expr<'a>) -> Option<(Place, Ty)> {
        let span = target.span;
        match target.kind {
            A::Name(s) => {
                let found = self.find_local(s, span);
                if matches!(found, Found::Bad) {
                    return None;
                }
                let Found::Local(id) = found else {
                    let name = crate::source::Ident { name: s, span };
                    if self.cx.lookup(s).is_some()
                        || self.lookup_name(self.cx.scope.module, s).is_some()
                    {
                        let t = self.text(s);
                        self.err_help(
                            codes::IMMUTABLE,
                            span,
                            format!("`{t}` cannot be assigned"),
                            "only `let mut` names, `mut` fields and elements can",
                        );
                    } else {
                        self.new_without_let(name);
                    }
                    return None;
                };
                let e = self.mention(id, span);
                let info = self.cx.infos.get(id.0 as usize).cloned()?;
                if !info.mutable {
                    let t = self.text(s);
                    let d = Diagnostic::error(
                        codes::IMMUTABLE,
                        span,
                        format!("`{t}` is fixed, so it cannot be assigned"),
                    )
                    .note_at(info.span, "it is declared here")
                    .help(format!("declare it with `let mut {t}`"));
                    let before = Span {
                        start: 0,
                        end: info.span.start,
                        ..info.span
                    };
                    let is_let = self.sources.text(before).trim_end().ends_with("let");
                    self.push(if is_let {
                        d.fix(info.span.before(), "mut ")
                    } else {
                        d
                    });
                    // Told once: what follows is the same fault.
                    if let Some(info) = self.cx.infos.get_mut(id.0 as usize) {
                        info.mutable = true;
                    }
                    return None;
                }
                let storable = self
                    .cx
                    .frames
                    .iter()
                    .skip(info.frame + 1)
                    .any(|f| f.kind == LitKind::Storable);
                if storable {
                    return None;
                }
                Some((Place::Local(id), e.ty))
            }
            A::Field { base, name } => {
                let b = self.expr(base, Want::Any);
                if self.is_error(b.ty) {
                    return None;
                }
                if let Some((i, f, args, id)) = self.find_field(b.ty, name.name) {
                    if !self.field_visible(&f, id) {
                        self.private(name);
                        return None;
                    }
                    if !f.mutable {
                        let t = self.text(name.name);
                        self.push(
                            Diagnostic::error(
                                codes::IMMUTABLE,
                                span,
                                format!("field `{t}` is fixed, so it cannot be assigned"),
                            )
                            .note_at(f.span, "it is declared here")
                            .help(format!("declare it as `mut {t}`")),
                        );
                        return None;
                    }
                    let ty = self.subst(f.ty, &args);
                    return Some((Place::Field(Box::new(b), i), ty));
                }
                // Says what is wrong with the field.
                let e = self.field_of(b, name, span);
                if !self.is_error(e.ty) {
                    self.err(codes::IMMUTABLE, span, "this cannot be assigned");
                }
                None
            }
            A::TupleField { base, .. } => {
                self.expr(base, Want::Any);
                self.err_help(
                    codes::IMMUTABLE,
                    span,
                    "tuples do not change",
                    "build a new tuple, or use a struct with `mut` fields",
                );
                None
            }
            _ => {
                let e = self.expr(target, Want::Any);
                let _ = bad(e.span);
                self.err(codes::IMMUTABLE, span, "this cannot be assigned");
                None
            }
        }
    }
}
