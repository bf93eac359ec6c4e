//! Constructors of structs, attenuators and variants; conversions.

use super::body::{bad, ex, gone};
use super::call::Formal;
use super::cx::Want;
use super::{Checker, codes};
use crate::ast::Arg;
use crate::diag::Diagnostic;
use crate::source::{Ident, Span, Symbol};
use crate::thir::{AdtId, AdtKind, Callee, Conv, Expr, ExprKind, Ty, TyKind, TyTable};

impl<'a> Checker<'a, '_> {
    /// A struct, attenuator or variant.
    pub(super) fn construct(
        &mut self,
        id: AdtId,
        variant: usize,
        written: Option<Vec<Ty>>,
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Expr {
        let Some(info) = self.adts.get(id.0 as usize) else {
            return bad(span);
        };
        let (variants, generics, preds) = (
            info.variants.clone(),
            info.generics.clone(),
            info.preds.clone(),
        );
        let foreign = self.pkg_of(info.module) != self.pkg_of(self.cx.scope.module);
        let kind = self.adt_kind(id);
        let targs = written.unwrap_or_else(|| generics.iter().map(|_| self.fresh(false)).collect());
        let ty = self.mk(TyKind::Adt(id, targs.clone()));
        if let Want::Ty(t) = want {
            let t = self.zonk(t);
            if let TyKind::Adt(other, _) = self.prog.tys.kind(t)
                && *other == id
            {
                self.hint_construct(ty, t);
            }
        }
        let Some(v) = variants.get(variant) else {
            return bad(span);
        };
        let is_struct = matches!(kind, AdtKind::Struct | AdtKind::Attenuator);
        let what = if is_struct {
            format!("`{}`", self.adt_name(id))
        } else {
            format!("`{}`", self.text(v.name))
        };
        if foreign && is_struct {
            let given: Vec<(Symbol, Span, bool)> = args
                .iter()
                .enumerate()
                .filter_map(|(i, a)| match a.name {
                    Some(n) => Some((n.name, n.span, true)),
                    None => v.fields.get(i).map(|f| (f.name, a.value.span, false)),
                })
                .collect();
            for (n, s, named) in given {
                if !v.fields.iter().any(|f| f.name == n && !f.is_pub) {
                    continue;
                }
                if named {
                    self.private(Ident { name: n, span: s });
                } else {
                    // Who gives a value by position has not heard of the field.
                    let help = if Some(id) == self.prog.lang.map {
                        "an empty map is `Map[K, V]()`, one with entries `{key: value}`"
                    } else if Some(id) == self.prog.lang.set {
                        "an empty set is `Set[T]()`; fill it by `add`"
                    } else {
                        "look for a function of its package that makes one"
                    };
                    self.err_help(
                        codes::PRIVATE,
                        s,
                        format!("{what} is not built from this outside of its package"),
                        help,
                    );
                }
                return bad(span);
            }
        }
        let mut formals = Vec::new();
        for f in &v.fields {
            formals.push(Formal {
                name: f.name,
                ty: self.subst(f.ty, &targs),
                default: f.default,
            });
        }
        let brackets = self.sources.text(span).ends_with("()");
        if v.fields.is_empty() && !is_struct && (brackets || !args.is_empty()) {
            let d = Diagnostic::error(codes::ARGUMENTS, span, format!("{what} carries no values"))
                .help("remove the brackets");
            let behind = Span {
                start: span.end.saturating_sub(2),
                ..span
            };
            self.push(if brackets { d.fix(behind, "") } else { d });
            return bad(span);
        }
        if kind == AdtKind::Attenuator && self.cx.pure.is_some() {
            let rule = super::rules::Rule::PureAttenuator;
            self.breach(rule, span, "an attenuator cannot be built here", "");
        }
        let mut prefix = Vec::new();
        let fields = self.arguments(&formals, args, &targs, span, &what, &mut prefix);
        self.oblige_all(&preds, &targs, span, &what);
        let e = ex(
            ExprKind::Construct {
                variant: super::collect::id32(variant),
                fields,
            },
            ty,
            span,
        );
        if prefix.is_empty() {
            return e;
        }
        ex(ExprKind::Block(prefix, Some(Box::new(e))), ty, span)
    }

    /// Takes type arguments from a wanted type, but leaves open those that a coercion may change.
    pub(super) fn hint_construct(&mut self, ty: Ty, want: Ty) {
        let (TyKind::Adt(_, mine), TyKind::Adt(_, theirs)) = (self.kind(ty), self.kind(want))
        else {
            return;
        };
        for (m, t) in mine.iter().zip(&theirs) {
            self.try_unify(*m, *t);
        }
    }

    /// `float(n)`, `int(x)`, `byte(n)`, `char(n)`, `string(x)`.
    pub(super) fn convert(&mut self, to: Ty, name: Ident, args: &'a [Arg<'a>], span: Span) -> Expr {
        let text = self.text(name.name);
        let [a] = args else {
            self.err_help(
                codes::ARGUMENTS,
                span,
                format!("`{text}(…)` converts one value"),
                format!("write `{text}(x)`"),
            );
            return bad(span);
        };
        let e = self.expr(&a.value, Want::Any);
        let from = self.zonk(e.ty);
        if self.is_error(from) || self.is_never(from) {
            return gone(vec![e], span);
        }
        if from == to {
            return e;
        }
        let conv = |c: Conv, e: Expr, ty: Ty| ex(ExprKind::Convert(c, Box::new(e)), ty, span);
        let k = |t: Ty| t;
        match (k(from), k(to)) {
            (TyTable::INT, TyTable::FLOAT) => return conv(Conv::IntToFloat, e, to),
            (TyTable::FLOAT, TyTable::INT) => return conv(Conv::FloatToInt, e, to),
            (TyTable::INT, TyTable::BYTE) => return conv(Conv::IntToByte, e, to),
            (TyTable::INT, TyTable::CHAR) => return conv(Conv::IntToChar, e, to),
            (TyTable::BOOL | TyTable::BYTE | TyTable::CHAR, TyTable::INT) => {
                return conv(Conv::WordToInt, e, to);
            }
            (TyTable::BYTE, TyTable::CHAR) => {
                let n = conv(Conv::WordToInt, e, TyTable::INT);
                return conv(Conv::IntToChar, n, to);
            }
            (_, TyTable::STR) => return self.show_call(e, span),
            _ => {}
        }
        let (f, t) = (self.show(from), self.show(to));
        let help = match (from, to) {
            (TyTable::STR, TyTable::INT) => "write `.to_int()`, which is an option",
            (TyTable::STR, TyTable::FLOAT) => "write `.to_float()`, which is an option",
            (TyTable::FLOAT, TyTable::BYTE | TyTable::CHAR) => "convert to `int` first",
            (TyTable::CHAR, TyTable::BYTE) => "write `byte(int(c))`",
            (_, TyTable::BOOL) => "write a comparison",
            _ => "there is no such conversion: write what you mean as a function",
        };
        self.err_help(
            codes::CONVERSION,
            span,
            format!("`{f}` cannot be converted to `{t}`"),
            help,
        );
        bad(span)
    }

    /// `Show.show` of a value.
    pub(super) fn show_call(&mut self, e: Expr, span: Span) -> Expr {
        let Some(show) = self.prog.lang.show else {
            return bad(span);
        };
        let ty = e.ty;
        self.cx
            .oblige(ty, show, Vec::new(), e.span, "a text of it".to_string());
        ex(
            ExprKind::Call {
                callee: Box::new(Callee::Trait {
                    trait_id: show,
                    trait_args: Vec::new(),
                    self_ty: ty,
                    method: 0,
                    method_args: Vec::new(),
                }),
                caps: Vec::new(),
                args: vec![e],
                ret: TyTable::STR,
                errs: TyTable::NEVER,
            },
            TyTable::STR,
            span,
        )
    }
}
