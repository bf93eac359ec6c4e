//! Expressions: names, fields, literals, `if`, `match`, and coercion to a wanted type.

use super::body::{bad, ex, gone};
use super::cx::Want;
use super::{Checker, Def, codes};
use crate::ast::{self, ExprKind as A, Ident};
use crate::diag::Diagnostic;
use crate::source::{Span, Symbol};
use crate::thir::{AdtId, AdtKind, Arm, Expr, ExprKind, FnId, Pat, PatKind, Ty, TyKind, TyTable};

/// What a name, or names with dots, stand for if not for a local.
#[derive(Clone, Debug)]
pub(super) enum St {
    Def(Def),
    /// A type without fields or variants of its own: primitive, parameter, `Self`.
    Ty(Ty),
    /// A struct or enum with written type arguments.
    Adt(AdtId, Vec<Ty>),
    Variant(AdtId, usize, Option<Vec<Ty>>),
    /// Something wrong that was told.
    Bad,
}

impl<'a> Checker<'a, '_> {
    /// Checks an expression and makes it fit a type.
    pub(super) fn check_expr(&mut self, e: &'a ast::Expr<'a>, ty: Ty) -> Expr {
        let x = self.expr(e, Want::Ty(ty));
        self.coerce(x, ty)
    }

    pub(super) fn expr(&mut self, e: &'a ast::Expr<'a>, want: Want) -> Expr {
        self.cx.at = e.span;
        let span = e.span;
        match e.kind {
            A::Int(n) => ex(ExprKind::Int(n), TyTable::INT, span),
            A::Float(x) => ex(ExprKind::Float(x), TyTable::FLOAT, span),
            A::Bool(b) => ex(ExprKind::Bool(b), TyTable::BOOL, span),
            A::Char(c) => ex(ExprKind::Char(c), TyTable::CHAR, span),
            A::Str(s) => ex(ExprKind::Str(s.to_string()), TyTable::STR, span),
            A::FStr(parts) => self.fstring(parts, span),
            A::Tuple(items) => self.tuple(items, want, span),
            A::List(items) => self.list(items, want, span),
            A::ListRepeat { value, count } => self.list_fill(value, count, want, span),
            A::Map(entries) => self.map_literal(entries, want, span),
            A::Name(s) => self.name(Ident { name: s, span }, want),
            A::Field { base, name } => self.field(e, base, name, want),
            A::TupleField {
                base,
                index,
                index_span,
            } => self.tuple_field(base, index, index_span, span),
            A::Call {
                callee,
                type_args,
                args,
            } => self.call(callee, type_args, args, want, span),
            A::MethodCall {
                recv,
                name,
                type_args,
                args,
            } => self.method_call(recv, name, type_args, args, want, span),
            A::Index { base, index } => self.index(base, index, span),
            A::TypeApply { base, args } => self.type_apply(e, base, args),
            A::Try(inner) => self.try_expr(inner, want, span),
            A::Unary { op, operand } => self.unary(op, operand, want, span),
            A::Binary {
                op,
                op_span,
                left,
                right,
            } => self.binary(op, op_span, left, right, want, span),
            A::Range { lo, hi, inclusive } => self.range_value(lo, hi, inclusive, span),
            A::Else { value, fallback } => self.else_expr(value, fallback, want, span),
            A::If {
                branches,
                otherwise,
            } => self.if_expr(branches, otherwise, want, span),
            A::Match { scrutinee, arms } => self.match_expr(scrutinee, arms, want, span),
            A::Fn(lit) => self.fn_literal(lit, want, span),
            A::Spawn(_) => {
                self.not_supported(span, "`spawn` is");
                bad(span)
            }
            A::Return(v) => self.return_expr(v, span),
            A::Raise(v) => self.raise_expr(v, span),
            A::Break(l) => self.jump(span, l, true),
            A::Continue(l) => self.jump(span, l, false),
            A::Block(b) => self.block(b, want),
            A::Error => {
                self.poisoned = true;
                bad(span)
            }
        }
    }

    pub(super) fn field(
        &mut self,
        whole: &'a ast::Expr<'a>,
        base: &'a ast::Expr<'a>,
        name: Ident,
        want: Want,
    ) -> Expr {
        let span = whole.span;
        if let Some(b) = self.static_of(base) {
            let at = Ident {
                name: name.name,
                span,
            };
            return match b {
                St::Def(Def::Cap(c)) => self.cap_method_value(c, name, span),
                St::Def(Def::Adt(id)) | St::Adt(id, _)
                    if self.variant_of(id, name.name).is_none() =>
                {
                    self.type_member_value(id, name, span)
                }
                St::Def(Def::Const(_)) | St::Def(Def::Fn(_)) | St::Variant(..) => {
                    let v = self.expr(base, Want::Any);
                    self.field_of(v, name, span)
                }
                St::Ty(_) | St::Def(Def::Trait(_)) => {
                    let t = self.text(name.name);
                    self.err_help(
                        codes::UNKNOWN_MEMBER,
                        name.span,
                        format!("`{t}` cannot be mentioned like this"),
                        "call it, or use a function literal",
                    );
                    bad(span)
                }
                other => match self.static_member(other, name) {
                    Some(St::Bad) => bad(span),
                    Some(st) => self.static_value(st, at, want),
                    None => {
                        let t = self.text(name.name);
                        self.err(
                            codes::UNKNOWN_MEMBER,
                            name.span,
                            format!("there is no `{t}` here"),
                        );
                        bad(span)
                    }
                },
            };
        }
        let b = self.expr(base, Want::Any);
        self.field_of(b, name, span)
    }

    pub(super) fn private(&mut self, name: Ident) {
        let t = self.text(name.name);
        self.err_help(
            codes::PRIVATE,
            name.span,
            format!("`{t}` is not offered by its package"),
            "only what is declared `pub` can be used from another package",
        );
    }

    pub(super) fn visible(&self, f: FnId) -> bool {
        let sig = self.sig(f);
        sig.is_pub || self.pkg_of(sig.module) == self.pkg_of(self.cx.scope.module)
    }

    /// Index and field of a struct's field.
    pub(super) fn find_field(
        &self,
        ty: Ty,
        name: Symbol,
    ) -> Option<(u32, super::FieldInfo, Vec<Ty>, AdtId)> {
        let TyKind::Adt(id, args) = self.kind(ty) else {
            return None;
        };
        if !matches!(self.adt_kind(id), AdtKind::Struct | AdtKind::Attenuator) {
            return None;
        }
        let info = self.adts.get(id.0 as usize)?;
        let fields = &info.variants.first()?.fields;
        let i = fields.iter().position(|f| f.name == name)?;
        Some((super::collect::id32(i), fields.get(i)?.clone(), args, id))
    }

    pub(super) fn field_visible(&self, f: &super::FieldInfo, id: AdtId) -> bool {
        f.is_pub
            || self
                .adts
                .get(id.0 as usize)
                .is_some_and(|a| self.pkg_of(a.module) == self.pkg_of(self.cx.scope.module))
    }

    pub(super) fn field_of(&mut self, base: Expr, name: Ident, span: Span) -> Expr {
        if self.is_error(base.ty) || self.is_never(base.ty) {
            return gone(vec![base], span);
        }
        if let Some((i, f, args, id)) = self.find_field(base.ty, name.name) {
            if self.adt_kind(id) == AdtKind::Attenuator && !matches!(base.kind, ExprKind::Local(_))
            {
                let n = self.adt_name(id);
                let refused = self.breach(
                    super::rules::Rule::AttenuatorFields,
                    span,
                    format!("fields of `{n}` are read only as `self.…` in its own methods"),
                    "call a method of the capability that it implements",
                );
                if refused {
                    return bad(span);
                }
            }
            if !self.field_visible(&f, id) {
                self.private(name);
                return bad(span);
            }
            let ty = self.subst(f.ty, &args);
            return ex(ExprKind::Field(Box::new(base), i), ty, span);
        }
        let t = self.text(name.name);
        let bt = self.zonk(base.ty);
        if matches!(self.prog.tys.kind(bt), TyKind::Infer(_)) {
            self.err_help(
                codes::CANNOT_INFER,
                base.span,
                "the type of this is not known yet",
                "write the type where the value is declared",
            );
            return bad(span);
        }
        let shown = self.show(bt);
        if let TyKind::Cap(c) = *self.prog.tys.kind(bt)
            && let Some(info) = self.caps.get(c.0 as usize)
            && let Some(sig) = info.methods.iter().find(|s| s.name == name.name)
        {
            let args: Vec<String> = (0..sig.params.len())
                .map(|i| {
                    ["x", "y", "z"]
                        .get(i)
                        .map_or(format!("x{i}"), |n| (*n).to_string())
                })
                .collect();
            let args = args.join(", ");
            self.err_help(
                codes::WRONG_KIND,
                span,
                format!("`{t}` is a method of `{shown}`"),
                format!("call it, or pass it on in a literal: `fn({args}) => self.….{t}({args})`"),
            );
            return bad(span);
        }
        if self.has_method(bt, name.name) {
            self.push(
                Diagnostic::error(
                    codes::WRONG_KIND,
                    span,
                    format!("`{t}` is a method of `{shown}`"),
                )
                .help(format!(
                    "call it: `.{t}(…)`, or use a literal: `fn(x) => x.{t}()`"
                )),
            );
            return bad(span);
        }
        let mut d = Diagnostic::error(
            codes::UNKNOWN_MEMBER,
            name.span,
            format!("`{shown}` has no field `{t}`"),
        );
        let all = self.member_names(bt);
        if let Some((help, replacement)) = self.foreign_member(name, &all, false) {
            d = d.help(help);
            self.push(match replacement {
                Some(text) => d.fix(name.span, text),
                None => d,
            });
            return bad(span);
        }
        if self.as_result(bt).is_some() {
            d = d.help("it can fail: write `?` or `else` first");
        } else if self.as_option(bt).is_some() {
            d = d.help(
                "it may be missing: write `else` with a value or a way out, or `match` on it",
            );
        } else if let TyKind::Adt(id, _) = self.prog.tys.kind(bt).clone() {
            let mut all: Vec<Symbol> = Vec::new();
            if let Some(a) = self.adts.get(id.0 as usize) {
                if let Some(v) = a.variants.first()
                    && matches!(self.adt_kind(id), AdtKind::Struct)
                {
                    all.extend(v.fields.iter().map(|f| f.name));
                }
                all.extend(a.methods.keys().copied());
            }
            all.sort_by(|a, b| self.names.name(*a).cmp(self.names.name(*b)));
            if let Some(c) = self.closest(&t, &all) {
                d = d.help(format!("did you mean `{c}`?")).fix(name.span, c);
            } else if matches!(self.adt_kind(id), AdtKind::Enum | AdtKind::Error) {
                d = d.help("look at its variants with `match`");
            }
        }
        self.push(d);
        bad(span)
    }

    pub(super) fn tuple_field(
        &mut self,
        base: &'a ast::Expr<'a>,
        index: u32,
        index_span: Span,
        span: Span,
    ) -> Expr {
        let b = self.expr(base, Want::Any);
        match self.kind(b.ty) {
            TyKind::Error | TyKind::Never => gone(vec![b], span),
            TyKind::Tuple(ts) => match ts.get(index as usize) {
                Some(t) => ex(ExprKind::Field(Box::new(b), index), *t, span),
                None => {
                    let t = self.show(b.ty);
                    self.err(
                        codes::UNKNOWN_MEMBER,
                        index_span,
                        format!("`{t}` has no element {index}; the first is 0"),
                    );
                    bad(span)
                }
            },
            _ => {
                let t = self.show(b.ty);
                self.err_help(
                    codes::UNKNOWN_MEMBER,
                    index_span,
                    format!("`{t}` is not a tuple"),
                    "elements of a list are `xs[0]`",
                );
                bad(span)
            }
        }
    }

    pub(super) fn if_expr(
        &mut self,
        branches: &'a [ast::IfBranch<'a>],
        otherwise: Option<&'a ast::Block<'a>>,
        want: Want,
        span: Span,
    ) -> Expr {
        let mut join = Join::new(want);
        let mut parts = Vec::new();
        for b in branches {
            let c = self.check_expr(&b.cond, TyTable::BOOL);
            let body = self.branch(&b.body, &mut join);
            parts.push((c, body));
        }
        let last = otherwise.map(|b| self.branch(b, &mut join));
        if last.is_none() && want != Want::Stmt {
            let unit = match want {
                Want::Ty(t) => self.shallow(t) == TyTable::UNIT,
                _ => false,
            };
            if !unit {
                self.err_help(
                    codes::NO_VALUE,
                    span,
                    "this `if` has no value when the condition is false",
                    "add `else:`",
                );
                return bad(span);
            }
        }
        let all_never = last.as_ref().is_some_and(|e| self.is_never(e.ty))
            && parts.iter().all(|(_, e)| self.is_never(e.ty));
        let ty = if all_never {
            TyTable::NEVER
        } else {
            join.ty.unwrap_or(TyTable::UNIT)
        };
        let mut tail = last;
        for (c, body) in parts.into_iter().rev() {
            let s = c.span.to(body.span);
            let e = ex(
                ExprKind::If(Box::new(c), Box::new(body), tail.map(Box::new)),
                ty,
                s,
            );
            tail = Some(e);
        }
        match tail {
            Some(mut e) => {
                e.span = span;
                e
            }
            None => bad(span),
        }
    }

    /// A block that yields one of several values.
    pub(super) fn branch(&mut self, b: &'a ast::Block<'a>, join: &mut Join) -> Expr {
        let want = match (join.want, join.ty) {
            (Want::Stmt, _) => Want::Stmt,
            (_, Some(t)) => Want::Ty(t),
            (w, None) => w,
        };
        let e = self.block(b, want);
        if join.ty.is_none() && !self.is_never(e.ty) {
            join.ty = Some(if join.want == Want::Stmt {
                TyTable::UNIT
            } else {
                e.ty
            });
        }
        if join.want == Want::Stmt
            && let ExprKind::Block(_, Some(v)) = &e.kind
        {
            self.no_dropped_result(&(**v).clone());
        }
        e
    }

    pub(super) fn match_expr(
        &mut self,
        scrutinee: &'a ast::Expr<'a>,
        arms: &'a [ast::MatchArm<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        let s = self.expr(scrutinee, Want::Any);
        if let Some((_, e)) = self.as_result(s.ty) {
            self.settle_errs(e);
        }
        let sty = self.zonk(s.ty);
        let mut join = Join::new(want);
        let mut out = Vec::new();
        for arm in arms {
            self.cx.push_scope();
            let pat = self.bind_pat(&arm.pat, sty);
            let guard = arm.guard.as_ref().map(|g| {
                let old = self.cx.pure.replace("a guard");
                let old_guard = std::mem::replace(&mut self.cx.in_guard, true);
                let e = self.check_expr(g, TyTable::BOOL);
                self.cx.pure = old;
                self.cx.in_guard = old_guard;
                e
            });
            let body = self.branch(&arm.body, &mut join);
            self.cx.pop_scope();
            out.push(Arm { pat, guard, body });
        }
        let all_never = !out.is_empty() && out.iter().all(|a| self.is_never(a.body.ty));
        let ty = if all_never {
            TyTable::NEVER
        } else {
            join.ty.unwrap_or(TyTable::UNIT)
        };
        ex(ExprKind::Match(Box::new(s), out), ty, span)
    }

    /// `match r: Ok(v) => Ok(v), Err(e) => Err(widened e)` for a call whose errors are fewer.
    pub(super) fn widen_result(&mut self, e: Expr, want: Ty, value: Ty, from: Ty, to: Ty) -> Expr {
        let span = e.span;
        let old = e.ty;
        let v = self.cx.new_local("value", value, false, span);
        let x = self.cx.new_local("error", from, false, span);
        let bind = |local, ty| Pat {
            kind: PatKind::Bind(local, None),
            ty,
            span,
        };
        let arm = |variant: u32, local, ty, field: Expr| Arm {
            pat: Pat {
                kind: PatKind::Variant(variant, vec![(0, bind(local, ty))]),
                ty: old,
                span,
            },
            guard: None,
            body: ex(
                ExprKind::Construct {
                    variant,
                    fields: vec![field],
                },
                want,
                span,
            ),
        };
        let val = ex(ExprKind::Local(v), value, span);
        let err = ex(
            ExprKind::WidenErr(Box::new(ex(ExprKind::Local(x), from, span))),
            to,
            span,
        );
        let arms = vec![arm(0, v, value, val), arm(1, x, from, err)];
        ex(ExprKind::Match(Box::new(e), arms), want, span)
    }
}

/// The common type of branches.
pub(super) struct Join {
    want: Want,
    ty: Option<Ty>,
}

impl Join {
    fn new(want: Want) -> Join {
        Join {
            want,
            ty: match want {
                Want::Ty(t) => Some(t),
                Want::Stmt => Some(TyTable::UNIT),
                _ => None,
            },
        }
    }
}
