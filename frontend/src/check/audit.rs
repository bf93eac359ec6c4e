//! Last look at a body with final types: second-class values stand only where the language lets
//! them, matches are exhaustive.
//!
//! The walk is the one place that enforces where capabilities, attenuators and borrowed functions may
//! stand: a form that does not name them here refuses them.

use super::rules::{Rule, broken};
use super::{Checker, codes};
use crate::diag::Diagnostic;
use crate::source::Span;
use crate::thir::{
    AdtKind, Callee, Expr, ExprKind, ForIter, PatKind, Piece, Place, Stmt, Ty, TyKind,
};

/// What may stand at a place beside data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    Data,
    Cap,
    /// Capability or attenuator: fields of an attenuator, right of `with`.
    Authority,
    Attenuator,
    Borrowed,
}

impl<'a> Checker<'a, '_> {
    pub(super) fn audit_body(&mut self, e: &mut Expr) {
        self.audit(e, May::Data);
    }

    fn audit_ty(&mut self, ty: Ty, span: Span) {
        if let Some(what) = self.second_class(ty, false)
            && !(broken(Rule::TypeArgument) && self.within_told(span))
        {
            self.breach(
                Rule::TypeArgument,
                span,
                format!("{what} cannot stand for a type parameter or be part of data here"),
                "authority and borrowed functions are only passed down; pass data, or an `own fn`",
            );
        }
    }

    /// Whether it was told already that what is second class there lacks a trait.
    fn within_told(&self, span: Span) -> bool {
        let mut told = self.second_told.iter();
        told.any(|s| s.file == span.file && s.start <= span.start && span.end <= s.end)
    }

    fn audit_all(&mut self, es: &mut [Expr], may: May) {
        for e in es {
            self.audit(e, may);
        }
    }

    fn audit(&mut self, e: &mut Expr, may: May) {
        let span = e.span;
        let ty = e.ty;
        let kind = self.prog.tys.kind(ty);
        let second = matches!(kind, TyKind::Cap(_) | TyKind::Borrowed(_));
        let att = matches!(kind, TyKind::Adt(id, _) if self.adt_kind(*id) == AdtKind::Attenuator);
        let fits = match kind {
            TyKind::Cap(_) => matches!(may, May::Cap | May::Authority),
            TyKind::Borrowed(_) => may == May::Borrowed,
            _ if att => matches!(may, May::Attenuator | May::Authority),
            _ => true,
        };
        if !fits {
            let (rule, what, help) = match kind {
                TyKind::Borrowed(_) => (
                    Rule::BorrowedValue,
                    "a borrowed function cannot be used here: it is only called, `let`-bound, captured by a borrowed literal, or passed to a parameter `f: fn(…)`",
                    "to store it, make it storable: capture data only, and declare parameters as `own fn(…)`",
                ),
                TyKind::Cap(_) => (
                    Rule::CapabilityValue,
                    "a capability cannot be used here",
                    "it stands before a method's dot, right of `with`, and as an attenuator's field",
                ),
                _ => (
                    Rule::AttenuatorValue,
                    "an attenuator cannot be used here",
                    "it stands right of `with`, and as another attenuator's field",
                ),
            };
            if broken(rule) && self.within_told(span) {
                return;
            }
            if self.breach(rule, span, what, help) {
                return;
            }
        }
        let told = self.told;
        match &mut e.kind {
            ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Bool(_)
            | ExprKind::Byte(_)
            | ExprKind::Char(_)
            | ExprKind::Str(_)
            | ExprKind::Unit
            | ExprKind::Local(_)
            | ExprKind::Const(_)
            | ExprKind::Break(_)
            | ExprKind::Continue(_) => {}
            ExprKind::FnRef(_, tys) => {
                for t in tys.clone() {
                    self.audit_ty(t, span);
                }
            }
            ExprKind::Binary(_, a, b)
            | ExprKind::And(a, b)
            | ExprKind::Or(a, b)
            | ExprKind::ListFill(a, b)
            | ExprKind::Index(a, b)
            | ExprKind::Else(a, b) => {
                self.audit(a, May::Data);
                self.audit(b, May::Data);
            }
            ExprKind::Field(a, _) => self.audit(a, May::Attenuator),
            ExprKind::Unary(_, a)
            | ExprKind::Convert(_, a)
            | ExprKind::Try(a)
            | ExprKind::MakeDyn(a)
            | ExprKind::WidenErr(a)
            | ExprKind::Raise(a)
            | ExprKind::Panic(a) => self.audit(a, May::Data),
            ExprKind::AsCap(a) => self.audit(a, May::Attenuator),
            ExprKind::Recap(a) => self.audit(a, May::Cap),
            ExprKind::Return(a) => {
                if let Some(a) = a {
                    self.audit(a, May::Data);
                }
            }
            ExprKind::Interp(parts) => {
                for p in parts {
                    if let Piece::Value(e, _) = p {
                        self.audit(e, May::Data);
                    }
                }
            }
            ExprKind::List(es) | ExprKind::Tuple(es) => self.audit_all(es, May::Data),
            ExprKind::Construct { fields, .. } => {
                let may = if att { May::Authority } else { May::Data };
                self.audit_all(fields, may);
            }
            ExprKind::Call {
                callee, caps, args, ..
            } => {
                match &mut **callee {
                    Callee::Fn(_, tys) => {
                        for t in tys.clone() {
                            self.audit_ty(t, span);
                        }
                    }
                    Callee::Trait {
                        trait_args,
                        self_ty,
                        method_args,
                        ..
                    } => {
                        let mut all = trait_args.clone();
                        all.push(*self_ty);
                        all.extend(method_args.iter().copied());
                        for t in all {
                            self.audit_ty(t, span);
                        }
                    }
                    Callee::Dyn { .. } => {}
                    Callee::Value(f) => self.audit(f, May::Borrowed),
                    Callee::Cap { cap, .. } => self.audit(cap, May::Cap),
                }
                if self.told > told {
                    return;
                }
                self.audit_all(caps, May::Cap);
                // `self.method(…)` of an attenuator.
                let own = match &mut **callee {
                    Callee::Fn(f, _) => self.fns.get(f.0 as usize).is_some_and(|i| i.of_cap),
                    _ => false,
                };
                if own && let Some((first, rest)) = args.split_first_mut() {
                    self.audit(first, May::Attenuator);
                    self.audit_all(rest, May::Borrowed);
                } else {
                    self.audit_all(args, May::Borrowed);
                }
            }
            ExprKind::Lambda(l) => self.audit(&mut l.body, May::Data),
            ExprKind::BindFn { func, caps } => {
                self.audit(func, May::Data);
                self.audit_all(caps, May::Cap);
            }
            ExprKind::Block(stmts, value) => {
                for s in stmts {
                    self.audit_stmt(s);
                }
                // Blocks that the checker made around an argument pass on what may stand there.
                if let Some(v) = value {
                    let made = matches!(v.kind, ExprKind::Lambda(_) | ExprKind::Construct { .. });
                    self.audit(v, if made { may } else { May::Data });
                }
            }
            ExprKind::If(c, a, b) => {
                self.audit(c, May::Data);
                self.audit(a, May::Data);
                if let Some(b) = b {
                    self.audit(b, May::Data);
                }
            }
            ExprKind::Match(s, arms) => {
                self.audit(s, May::Data);
                for a in arms.iter_mut() {
                    if let Some(g) = &mut a.guard {
                        self.audit(g, May::Data);
                    }
                    self.audit(&mut a.body, May::Data);
                }
                let ty = s.ty;
                if !self.poisoned {
                    self.exhaustive(ty, arms, span);
                }
            }
            ExprKind::With(binds, body) => {
                for (_, e) in binds {
                    self.audit(e, May::Cap);
                }
                self.audit(body, May::Data);
            }
            ExprKind::TryCatch { body, catches } => {
                self.audit(body, May::Data);
                for c in catches {
                    self.audit(&mut c.body, May::Data);
                }
            }
        }
        // Parts that are second class were told where they stand.
        if self.told == told && !att && !second {
            self.audit_ty(ty, span);
        }
    }

    fn audit_stmt(&mut self, s: &mut Stmt) {
        match s {
            Stmt::Expr(e) => self.audit(e, May::Data),
            Stmt::Let {
                pat,
                init,
                otherwise,
            } => {
                let plain = matches!(pat.kind, PatKind::Bind(_, None)) && otherwise.is_none();
                self.audit(init, if plain { May::Borrowed } else { May::Data });
                if let Some(o) = otherwise {
                    self.audit(o, May::Data);
                }
            }
            Stmt::Assign { place, value, .. } => {
                match place {
                    Place::Local(_) => {}
                    Place::Field(e, _) => self.audit(e, May::Attenuator),
                    Place::Index(a, b) => {
                        self.audit(a, May::Data);
                        self.audit(b, May::Data);
                    }
                }
                self.audit(value, May::Data);
            }
            Stmt::While { cond, body, .. } => {
                self.audit(cond, May::Data);
                self.audit(body, May::Data);
            }
            Stmt::Loop { body, .. } | Stmt::Defer(body) => self.audit(body, May::Data),
            Stmt::For { iter, body, .. } => {
                match &mut **iter {
                    ForIter::Range { lo, hi, .. } => {
                        self.audit(lo, May::Data);
                        self.audit(hi, May::Data);
                    }
                    ForIter::RangeValue(e) | ForIter::List(e) => self.audit(e, May::Data),
                    ForIter::Iterator { iter, next, .. } => {
                        self.audit(iter, May::Data);
                        self.audit(next, May::Data);
                    }
                }
                self.audit(body, May::Data);
            }
        }
    }

    fn exhaustive(&mut self, ty: Ty, arms: &[crate::thir::Arm], span: Span) {
        let report = super::exhaust::check_match(&mut self.prog, ty, arms, &mut self.match_work);
        if report.too_complex {
            self.err_help(
                codes::NOT_EXHAUSTIVE,
                span,
                "this `match` is too complex to check",
                "split it into smaller ones",
            );
            return;
        }
        if let Some(missing) = report.missing {
            self.push(
                Diagnostic::error(
                    codes::NOT_EXHAUSTIVE,
                    Span {
                        end: arms
                            .first()
                            .map_or(span.end, |a| a.pat.span.start.max(span.start)),
                        ..span
                    },
                    format!("this `match` does not cover `{missing}`"),
                )
                .help(format!("add an arm `{missing} => …`, or `_ => …`")),
            );
        }
        for i in report.unreachable {
            if let Some(a) = arms.get(i) {
                self.push(
                    Diagnostic::warning(
                        codes::UNREACHABLE_ARM,
                        a.pat.span,
                        "this arm never matches: those above it take everything",
                    )
                    .help("remove it, or move it up"),
                );
            }
        }
    }
}
