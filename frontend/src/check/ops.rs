//! Operators, f-strings, lists, maps, ranges, indexing.

use super::body::{bad, ex, gone};
use super::cx::Want;
use super::{Checker, codes};
use crate::ast::{self, BinaryOp, ExprKind as A, FPart, FormatSpec, FormatType, UnaryOp};
use crate::diag::Diagnostic;
use crate::source::Span;
use crate::thir::{AdtKind, BinOp, Callee, Expr, ExprKind, Piece, Stmt, Ty, TyKind, TyTable, UnOp};

pub(super) fn bin_op(op: BinaryOp) -> Option<BinOp> {
    Some(match op {
        BinaryOp::Pow => BinOp::Pow,
        BinaryOp::Mul => BinOp::Mul,
        BinaryOp::Div => BinOp::Div,
        BinaryOp::Rem => BinOp::Rem,
        BinaryOp::MulWrap => BinOp::MulWrap,
        BinaryOp::Add => BinOp::Add,
        BinaryOp::Sub => BinOp::Sub,
        BinaryOp::AddWrap => BinOp::AddWrap,
        BinaryOp::SubWrap => BinOp::SubWrap,
        BinaryOp::Shl => BinOp::Shl,
        BinaryOp::Shr => BinOp::Shr,
        BinaryOp::UShr => BinOp::Ushr,
        BinaryOp::BitAnd => BinOp::BitAnd,
        BinaryOp::BitXor => BinOp::BitXor,
        BinaryOp::BitOr => BinOp::BitOr,
        BinaryOp::Eq => BinOp::Eq,
        BinaryOp::Ne => BinOp::Ne,
        BinaryOp::Lt => BinOp::Lt,
        BinaryOp::Le => BinOp::Le,
        BinaryOp::Gt => BinOp::Gt,
        BinaryOp::Ge => BinOp::Ge,
        BinaryOp::And | BinaryOp::Or => return None,
    })
}

/// Whether an operator works on two values of a type, giving the same type.
pub(super) fn arith_fits(op: BinOp, ty: Ty) -> bool {
    match op {
        BinOp::Add => matches!(ty, TyTable::INT | TyTable::FLOAT | TyTable::STR),
        BinOp::Sub | BinOp::Mul | BinOp::Div | BinOp::Rem | BinOp::Pow => {
            matches!(ty, TyTable::INT | TyTable::FLOAT)
        }
        _ => ty == TyTable::INT,
    }
}

impl<'a> Checker<'a, '_> {
    pub(super) fn unary(
        &mut self,
        op: UnaryOp,
        operand: &'a ast::Expr<'a>,
        want: Want,
        span: Span,
    ) -> Expr {
        match op {
            UnaryOp::Not => {
                let e = self.check_expr(operand, TyTable::BOOL);
                ex(ExprKind::Unary(UnOp::Not, Box::new(e)), TyTable::BOOL, span)
            }
            UnaryOp::BitNot => {
                let e = self.check_expr(operand, TyTable::INT);
                ex(
                    ExprKind::Unary(UnOp::BitNot, Box::new(e)),
                    TyTable::INT,
                    span,
                )
            }
            UnaryOp::Neg => {
                let hint = match want {
                    Want::Ty(t) => Want::Ty(t),
                    _ => Want::Any,
                };
                let e = self.expr(operand, hint);
                let ty = self.shallow(e.ty);
                if self.is_error(ty) || self.is_never(ty) {
                    return gone(vec![e], span);
                }
                if ty != TyTable::INT && ty != TyTable::FLOAT {
                    let t = self.show(ty);
                    self.err_help(
                        codes::OPERATOR,
                        span,
                        format!("`-` does not work on `{t}`"),
                        "it negates an `int` or a `float`",
                    );
                    return bad(span);
                }
                ex(ExprKind::Unary(UnOp::Neg, Box::new(e)), ty, span)
            }
        }
    }

    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        left: &'a ast::Expr<'a>,
        right: &'a ast::Expr<'a>,
        want: Want,
        span: Span,
    ) -> Expr {
        let Some(bop) = bin_op(op) else {
            let l = self.expr(left, Want::Ty(TyTable::BOOL));
            if op == BinaryOp::Or
                && (self.as_option(l.ty).is_some() || self.as_result(l.ty).is_some())
            {
                self.push(
                    Diagnostic::error(
                        codes::OPERATOR,
                        op_span,
                        "`or` joins conditions and gives no value instead of a missing one",
                    )
                    .help("write `x else y`")
                    .fix(op_span, "else"),
                );
                self.expr(right, Want::Any);
                return bad(span);
            }
            let l = self.coerce(l, TyTable::BOOL);
            let r = self.check_expr(right, TyTable::BOOL);
            let kind = if op == BinaryOp::And {
                ExprKind::And(Box::new(l), Box::new(r))
            } else {
                ExprKind::Or(Box::new(l), Box::new(r))
            };
            return ex(kind, TyTable::BOOL, span);
        };
        let compare = matches!(
            bop,
            BinOp::Eq | BinOp::Ne | BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge
        );
        let _ = want;
        let l = self.expr(left, Want::Any);
        let lt = self.zonk(l.ty);
        // `1 * 2.0`: the right side decides what to say.
        let r = match self.prog.tys.kind(lt) {
            TyKind::Infer(_) | TyKind::Error | TyKind::Never => self.expr(right, Want::Any),
            _ => self.expr(right, Want::Ty(lt)),
        };
        self.binary_on(bop, op, op_span, l, r, compare, span)
    }

    #[allow(clippy::too_many_arguments)]
    fn binary_on(
        &mut self,
        bop: BinOp,
        op: BinaryOp,
        op_span: Span,
        l: Expr,
        r: Expr,
        compare: bool,
        span: Span,
    ) -> Expr {
        let lt = self.zonk(l.ty);
        let rt = self.zonk(r.ty);
        let dead = |t: Ty| t == TyTable::ERROR || t == TyTable::NEVER;
        if dead(lt) || dead(rt) {
            return gone(vec![l, r], span);
        }
        if !self.try_unify(lt, rt) {
            // Comparing with a narrower error set or an object is a mismatch like any other.
            return self.op_mismatch(op, op_span, &l, &r, span);
        }
        let ty = self.zonk(lt);
        if compare {
            let (tr, why) = match bop {
                BinOp::Eq | BinOp::Ne => (self.prog.lang.eq, format!("`{}`", op.text())),
                _ => (self.prog.lang.ord, format!("`{}`", op.text())),
            };
            let primitive = matches!(
                ty,
                TyTable::INT
                    | TyTable::FLOAT
                    | TyTable::STR
                    | TyTable::BOOL
                    | TyTable::CHAR
                    | TyTable::BYTE
                    | TyTable::UNIT
            );
            if let Some(t) = tr
                && !primitive
            {
                self.cx.oblige(ty, t, Vec::new(), span, why);
            }
            return ex(
                ExprKind::Binary(bop, Box::new(l), Box::new(r)),
                TyTable::BOOL,
                span,
            );
        }
        if let TyKind::Infer(_) = self.prog.tys.kind(ty) {
            self.err_help(
                codes::CANNOT_INFER,
                span,
                format!("the type that `{}` works on is not known here", op.text()),
                "write the type where the value is declared",
            );
            return bad(span);
        }
        if !arith_fits(bop, ty) {
            return self.op_mismatch(op, op_span, &l, &r, span);
        }
        ex(ExprKind::Binary(bop, Box::new(l), Box::new(r)), ty, span)
    }

    pub(super) fn op_mismatch(
        &mut self,
        op: BinaryOp,
        op_span: Span,
        l: &Expr,
        r: &Expr,
        span: Span,
    ) -> Expr {
        let lt = self.zonk(l.ty);
        let rt = self.zonk(r.ty);
        let (a, b) = (self.show(lt), self.show(rt));
        let mut d = Diagnostic::error(
            codes::OPERATOR,
            op_span,
            if a == b {
                format!("`{}` does not work on `{a}`", op.text())
            } else {
                format!("`{}` does not work on `{a}` and `{b}`", op.text())
            },
        );
        let mixed = |x: Ty, y: Ty| x == TyTable::INT && y == TyTable::FLOAT;
        if mixed(lt, rt) || mixed(rt, lt) {
            let int_side = if lt == TyTable::INT { l } else { r };
            d = match int_side.kind {
                ExprKind::Int(n) => d
                    .help(format!("write the number as a float: `{n}.0`"))
                    .fix(int_side.span, format!("{n}.0")),
                _ => d.help("convert one side: `float(…)` or `int(…)`"),
            };
        } else if let Some(side) = [l, r].into_iter().find(|e| self.as_result(e.ty).is_some()) {
            d = d
                .help("one side can fail: write `?` or `else` behind it")
                .fix(side.span.after(), "?");
        } else if [l, r].iter().any(|e| self.as_option(e.ty).is_some()) {
            d = d.help("one side may be missing: write `else` with a value or a way out");
        } else if op == BinaryOp::Add && (lt == TyTable::STR || rt == TyTable::STR) {
            d = d.help("put the values into an f-string, or convert with `string(…)`");
        } else if op == BinaryOp::Add
            && matches!(self.prog.tys.kind(lt), TyKind::List(_))
            && lt == rt
        {
            d = d.help("lists grow in place: `xs.extend(ys)`");
        } else if lt == TyTable::BYTE
            || rt == TyTable::BYTE
            || lt == TyTable::CHAR
            || rt == TyTable::CHAR
        {
            d = d.help("convert to `int` first: `int(…)`");
        } else if lt == TyTable::BOOL && matches!(op, BinaryOp::BitAnd | BinaryOp::BitOr) {
            d = d.help("write `and` or `or`");
        } else if lt == TyTable::BOOL && op == BinaryOp::BitXor {
            d = d.help("write `!=`");
        }
        self.push(d);
        bad(span)
    }

    pub(super) fn fstring(&mut self, parts: &'a [FPart<'a>], span: Span) -> Expr {
        let mut out = Vec::new();
        for p in parts {
            match p {
                FPart::Text(t) => out.push(Piece::Text((*t).to_string())),
                FPart::Value { expr, spec } => {
                    let e = self.expr(expr, Want::Any);
                    let ty = self.zonk(e.ty);
                    if self.is_error(ty) {
                        continue;
                    }
                    let plain = matches!(ty, TyTable::INT | TyTable::FLOAT | TyTable::STR);
                    if !plain && let Some(show) = self.prog.lang.show {
                        if self.as_result(ty).is_some() && matches!(e.kind, ExprKind::Call { .. }) {
                            self.err_help(
                                codes::FORMAT,
                                e.span,
                                "this can fail, so there may be nothing to show",
                                "write `?` behind it, or `else` with a value",
                            );
                            continue;
                        }
                        self.cx
                            .oblige(ty, show, Vec::new(), e.span, "an f-string".to_string());
                    }
                    let spec = spec.as_ref().map(|s| self.spec_text(s, ty));
                    out.push(Piece::Value(e, spec.filter(|s| !s.is_empty())));
                }
            }
        }
        ex(ExprKind::Interp(out), TyTable::STR, span)
    }

    /// Canonical text of a format specification, checked against the value's type.
    fn spec_text(&mut self, s: &FormatSpec, ty: Ty) -> String {
        let number = matches!(ty, TyTable::INT | TyTable::FLOAT);
        let fits = match s.ty {
            None => true,
            Some(
                FormatType::Decimal
                | FormatType::HexLower
                | FormatType::HexUpper
                | FormatType::Binary
                | FormatType::Octal,
            ) => ty == TyTable::INT,
            Some(FormatType::Fixed | FormatType::Exp) => ty == TyTable::FLOAT,
            Some(FormatType::Text) => !number,
        };
        let shown = self.show(ty);
        if !fits {
            let help = match s.ty {
                Some(FormatType::Fixed | FormatType::Exp) if ty == TyTable::INT => {
                    "convert it: `float(…)`"
                }
                _ => "`d x X b o` format an `int`, `f e` a `float`, `s` text",
            };
            self.err_help(
                codes::FORMAT,
                s.span,
                format!("this format does not fit `{shown}`"),
                help,
            );
        } else if !number && (s.sign != ast::Sign::Minus || s.alternate || s.zero) {
            self.err_help(
                codes::FORMAT,
                s.span,
                format!("signs, `#` and `0` format numbers, not `{shown}`"),
                "remove them",
            );
        } else if ty == TyTable::INT && s.precision.is_some() {
            self.err_help(
                codes::FORMAT,
                s.span,
                "an `int` has no digits after the point",
                "convert it: `float(…)`, or remove the precision",
            );
        }
        let mut out = String::new();
        if let Some(a) = s.align {
            if s.fill != ' ' {
                out.push(s.fill);
            }
            out.push(match a {
                ast::Align::Left => '<',
                ast::Align::Center => '^',
                ast::Align::Right => '>',
            });
        }
        match s.sign {
            ast::Sign::Minus => {}
            ast::Sign::Plus => out.push('+'),
            ast::Sign::Space => out.push(' '),
        }
        if s.alternate {
            out.push('#');
        }
        if s.zero {
            out.push('0');
        }
        if let Some(w) = s.width {
            out.push_str(&w.to_string());
        }
        if let Some(p) = s.precision {
            out.push('.');
            out.push_str(&p.to_string());
        }
        if let Some(t) = s.ty {
            out.push(match t {
                FormatType::Decimal => 'd',
                FormatType::HexLower => 'x',
                FormatType::HexUpper => 'X',
                FormatType::Binary => 'b',
                FormatType::Octal => 'o',
                FormatType::Fixed => 'f',
                FormatType::Exp => 'e',
                FormatType::Text => 's',
            });
        }
        out
    }

    pub(super) fn tuple(&mut self, items: &'a [ast::Expr<'a>], want: Want, span: Span) -> Expr {
        match items {
            [] => return ex(ExprKind::Unit, TyTable::UNIT, span),
            [one] => return self.expr(one, want),
            _ => {}
        }
        let hints = match want.ty().map(|t| self.kind(t)) {
            Some(TyKind::Tuple(ts)) if ts.len() == items.len() => Some(ts),
            _ => None,
        };
        let mut out = Vec::new();
        let mut tys = Vec::new();
        for (i, e) in items.iter().enumerate() {
            let v = match hints.as_ref().and_then(|h| h.get(i)) {
                Some(t) => self.check_expr(e, *t),
                None => self.expr(e, Want::Any),
            };
            tys.push(match hints.as_ref().and_then(|h| h.get(i)) {
                Some(t) if !self.is_never(v.ty) => *t,
                _ => v.ty,
            });
            out.push(v);
        }
        if tys.iter().any(|t| self.is_error(*t)) {
            return bad(span);
        }
        if out.iter().any(|e| self.is_never(e.ty)) {
            return ex(ExprKind::Tuple(out), TyTable::NEVER, span);
        }
        let ty = self.mk(TyKind::Tuple(tys));
        ex(ExprKind::Tuple(out), ty, span)
    }

    pub(super) fn list(&mut self, items: &'a [ast::Expr<'a>], want: Want, span: Span) -> Expr {
        let mut elem = match want.ty().map(|t| self.kind(t)) {
            Some(TyKind::List(t)) => Some(t),
            _ => None,
        };
        let byte = elem.map(|t| self.shallow(t)) == Some(TyTable::BYTE);
        let mut out = Vec::new();
        for e in items {
            if byte && let A::Int(n) = e.kind {
                // `[1, 2]` where bytes are wanted.
                if let Ok(b) = u8::try_from(n) {
                    out.push(ex(ExprKind::Byte(b), TyTable::BYTE, e.span));
                    continue;
                }
            }
            let v = match elem {
                Some(t) => self.check_expr(e, t),
                None => self.expr(e, Want::Any),
            };
            if elem.is_none() && !self.is_never(v.ty) {
                elem = Some(v.ty);
            }
            out.push(v);
        }
        let t = match elem {
            Some(t) => t,
            None => self.fresh(false),
        };
        let ty = self.mk_list(t);
        ex(ExprKind::List(out), ty, span)
    }

    pub(super) fn list_fill(
        &mut self,
        value: &'a ast::Expr<'a>,
        count: &'a ast::Expr<'a>,
        want: Want,
        span: Span,
    ) -> Expr {
        let elem = match want.ty().map(|t| self.kind(t)) {
            Some(TyKind::List(t)) => Some(t),
            _ => None,
        };
        let (v, t) = match elem {
            Some(t) => {
                let byte = self.shallow(t) == TyTable::BYTE;
                let v = match value.kind {
                    A::Int(n) if byte && u8::try_from(n).is_ok() => ex(
                        ExprKind::Byte(u8::try_from(n).unwrap_or(0)),
                        TyTable::BYTE,
                        value.span,
                    ),
                    _ => self.check_expr(value, t),
                };
                (v, t)
            }
            None => {
                let v = self.expr(value, Want::Any);
                let t = v.ty;
                (v, t)
            }
        };
        let shared = match self.kind(t) {
            TyKind::List(_) => true,
            TyKind::Adt(id, _) => {
                self.adt_kind(id) == AdtKind::Struct
                    && matches!(v.kind, ExprKind::Construct { .. } | ExprKind::Block(..))
            }
            _ => false,
        };
        if shared {
            self.push(
                Diagnostic::warning(
                    codes::SHARED_FILL,
                    value.span,
                    "each element will be the same object",
                )
                .help("for separate ones write `(0..n).map(fn(i) => …)`"),
            );
        }
        let n = self.check_expr(count, TyTable::INT);
        let ty = self.mk_list(t);
        ex(ExprKind::ListFill(Box::new(v), Box::new(n)), ty, span)
    }

    pub(super) fn map_literal(
        &mut self,
        entries: &'a [ast::MapEntry<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        let Some(map) = self.prog.lang.map else {
            self.not_supported(span, "map literals without the standard library are");
            return bad(span);
        };
        let (k, v) = match want.ty().map(|t| self.kind(t)) {
            Some(TyKind::Adt(id, args)) if id == map && args.len() == 2 => (
                args.first().copied().unwrap_or(TyTable::ERROR),
                args.get(1).copied().unwrap_or(TyTable::ERROR),
            ),
            _ => (self.fresh(false), self.fresh(false)),
        };
        let built = self.construct(map, 0, Some(vec![k, v]), &[], Want::Any, span);
        let mut stmts = Vec::new();
        let held = self.hold(built, "map", &mut stmts);
        for e in entries {
            let key = self.check_expr(&e.key, k);
            let value = self.check_expr(&e.value, v);
            let s = e.key.span.to(e.value.span);
            let call = self.std_method(held.clone(), "set", vec![key, value], s);
            stmts.push(Stmt::Expr(call));
        }
        let ty = held.ty;
        ex(ExprKind::Block(stmts, Some(Box::new(held))), ty, span)
    }

    pub(super) fn range_value(
        &mut self,
        lo: Option<&'a ast::Expr<'a>>,
        hi: Option<&'a ast::Expr<'a>>,
        inclusive: bool,
        span: Span,
    ) -> Expr {
        let (Some(lo), Some(hi)) = (lo, hi) else {
            self.err_help(
                codes::NOT_INDEXABLE,
                span,
                "a range without an end stands only in index brackets",
                "write both ends",
            );
            return bad(span);
        };
        let lo = self.check_expr(lo, TyTable::INT);
        let hi = self.check_expr(hi, TyTable::INT);
        let hi = if inclusive { plus_one(hi) } else { hi };
        let one = ex(ExprKind::Int(1), TyTable::INT, span);
        let ty = self.mk_adt(self.prog.lang.range, Vec::new());
        ex(
            ExprKind::Construct {
                variant: 0,
                fields: vec![lo, hi, one],
            },
            ty,
            span,
        )
    }

    /// A call of an intrinsic of the standard library.
    pub(super) fn intrinsic(
        &mut self,
        name: &str,
        args: Vec<Expr>,
        ret: Ty,
        targs: Vec<Ty>,
        span: Span,
    ) -> Expr {
        let Some(f) = self.intrinsics.get(name).copied() else {
            self.err(
                codes::UNKNOWN_NAME,
                span,
                format!("the standard library does not declare `{name}`"),
            );
            return bad(span);
        };
        ex(
            ExprKind::Call {
                callee: Box::new(Callee::Fn(f, targs)),
                caps: Vec::new(),
                args,
                ret,
                errs: TyTable::NEVER,
            },
            ret,
            span,
        )
    }

    pub(super) fn index(
        &mut self,
        base: &'a ast::Expr<'a>,
        index: &'a ast::Expr<'a>,
        span: Span,
    ) -> Expr {
        let b = self.expr(base, Want::Any);
        let bt = self.zonk(b.ty);
        let kind = self.prog.tys.kind(bt).clone();
        if let A::Range { lo, hi, inclusive } = index.kind
            && matches!(kind, TyKind::List(_) | TyKind::Str)
        {
            return self.slice(b, bt, lo, hi, inclusive, span);
        }
        match kind {
            TyKind::List(t) => {
                let i = self.check_expr(index, TyTable::INT);
                if let ExprKind::Int(i64::MIN..=-1) = i.kind {
                    self.err_help(
                        codes::NOT_INDEXABLE,
                        index.span,
                        "there are no negative indices",
                        "the last element is `xs.last()`, an option, or `xs[xs.len() - 1]`",
                    );
                    return bad(span);
                }
                ex(ExprKind::Index(Box::new(b), Box::new(i)), t, span)
            }
            TyKind::Adt(id, args) if Some(id) == self.prog.lang.map => {
                let k = args.first().copied().unwrap_or(TyTable::ERROR);
                let key = self.check_expr(index, k);
                self.std_method(b, "index", vec![key], span)
            }
            TyKind::Error | TyKind::Never => {
                let i = self.expr(index, Want::Any);
                gone(vec![b, i], span)
            }
            _ => {
                let t = self.show(bt);
                let help = match &kind {
                    TyKind::Str => {
                        "a string is UTF-8: `s[a..b]` cuts by byte offsets, `s.chars()[i]` is a character, `s.bytes()[i]` a byte"
                    }
                    TyKind::Tuple(_) => "elements of a tuple are `t.0`, `t.1`",
                    TyKind::Infer(_) => "write the type where the value is declared",
                    _ if self.as_result(bt).is_some() => "it can fail: write `?` or `else` first",
                    _ if self.as_option(bt).is_some() => {
                        "it may be missing: write `else` with a value or a way out"
                    }
                    _ => "lists, maps and strings have an index",
                };
                self.err_help(
                    codes::NOT_INDEXABLE,
                    span,
                    format!("`{t}` has no index"),
                    help,
                );
                bad(span)
            }
        }
    }

    fn slice(
        &mut self,
        b: Expr,
        bt: Ty,
        lo: Option<&'a ast::Expr<'a>>,
        hi: Option<&'a ast::Expr<'a>>,
        inclusive: bool,
        span: Span,
    ) -> Expr {
        let mut stmts = Vec::new();
        let list = match self.prog.tys.kind(bt) {
            TyKind::List(t) => Some(*t),
            _ => None,
        };
        let b = if hi.is_none() {
            self.hold(b, "slice", &mut stmts)
        } else {
            b
        };
        let from = match lo {
            Some(e) => self.check_expr(e, TyTable::INT),
            None => ex(ExprKind::Int(0), TyTable::INT, span),
        };
        let to = match hi {
            Some(e) => {
                let e = self.check_expr(e, TyTable::INT);
                if inclusive { plus_one(e) } else { e }
            }
            None => {
                let (name, targs) = match list {
                    Some(t) => ("list_len", vec![t]),
                    None => ("str_len", Vec::new()),
                };
                self.intrinsic(name, vec![b.clone()], TyTable::INT, targs, span)
            }
        };
        let (name, targs) = match list {
            Some(t) => ("list_slice", vec![t]),
            None => ("str_slice", Vec::new()),
        };
        let call = self.intrinsic(name, vec![b, from, to], bt, targs, span);
        if stmts.is_empty() {
            return call;
        }
        ex(ExprKind::Block(stmts, Some(Box::new(call))), bt, span)
    }
}

/// `e + 1`, trapping on overflow.
fn plus_one(e: Expr) -> Expr {
    let span = e.span;
    let one = ex(ExprKind::Int(1), TyTable::INT, span);
    ex(
        ExprKind::Binary(BinOp::Add, Box::new(e), Box::new(one)),
        TyTable::INT,
        span,
    )
}
