//! Calls, function values, leaving a function, and conversions that need a record.
//!
//! What must stay true: a callee gets exactly its hidden capabilities from registers of exactly those
//! types; nothing turns an index into authority; errors reach `on_error` or the own error edge, never vanish.

use super::formation::spell;
use super::types::Operands;
use super::{Result, Rule, ensure, error, refuse};
use crate::analysis::decode::Instr;
use crate::builtins::{BType, Builtin};
use crate::linked::*;
use crate::module::FnKind;
use crate::opcodes::Op;

impl<'a> Operands<'a> {
    /// Hidden capabilities, then the rest.
    fn hand_over<'b>(&self, uses: &[CapId], args: &'b [u16]) -> Result<&'b [u16]> {
        ensure(args.len() >= uses.len(), Rule::Hidden, || {
            format!("{} of {}", args.len(), uses.len())
        })?;
        let (hidden, rest) = args.split_at(uses.len().min(args.len()));
        for (r, cap) in hidden.iter().zip(uses) {
            let ok = *self.lty(*r)? == LType::Cap(*cap);
            ensure(ok, Rule::Hidden, || {
                let want = self.prog.cap(*cap).map_or("?", |c| c.name.as_str());
                format!("register {r} is not capability {}", want.escape_debug())
            })?;
        }
        Ok(rest)
    }

    fn result(&self, r: u16, sig: &LSig) -> Result<()> {
        self.same(r, sig.ret, Rule::Result, "result")
    }

    pub(super) fn call(&self, i: &Instr, args: &[u16]) -> Result<&'a [NominalId]> {
        let sig = match i.op {
            Op::Call => {
                let callee = self.callee(i.b, FnKind::Named)?;
                let rest = self.hand_over(&callee.sig.uses, args)?;
                self.fill(rest, callee.sig.params.iter().copied(), Rule::Arguments)?;
                // What crosses an attenuator's edge is copied; only its own methods are inside.
                if let (Some(first), Some(r)) = (callee.sig.params.first(), rest.first())
                    && self.prog.kind(*first) == Kind::Att
                {
                    self.receiver_only(*r)?;
                }
                &callee.sig
            }
            Op::CallFn => match self.lty(i.b)? {
                LType::Fn(sig) => {
                    let rest = self.hand_over(&sig.uses, args)?;
                    self.fill(rest, sig.params.iter().copied(), Rule::Arguments)?;
                    sig
                }
                LType::BorrowedFn(sig) => {
                    self.fill(args, sig.params.iter().copied(), Rule::Arguments)?;
                    sig
                }
                _ => return refuse(Rule::Callee, format!("register {}", i.b)),
            },
            Op::CallDyn => {
                // Parameters are never capabilities, so the first argument that is none is the object.
                let object = args
                    .iter()
                    .find(|r| !matches!(self.lty(**r), Ok(LType::Cap(_))));
                let of = match object.map(|r| self.lty(*r)).transpose()? {
                    Some(LType::Dyn(t)) => self.prog.trait_(*t),
                    _ => None,
                };
                let method = of
                    .and_then(|t| t.methods.get(usize::from(i.b)))
                    .ok_or_else(|| error(Rule::Callee, format!("trait method {}", i.b)))?;
                let rest = self.hand_over(&method.sig.uses, args)?;
                let Some((first, rest)) = rest.split_first() else {
                    return refuse(Rule::Arguments, "no dynamic object");
                };
                ensure(object == Some(first), Rule::Hidden, || {
                    String::from("more capabilities than the method uses")
                })?;
                self.fill(rest, method.sig.params.iter().copied(), Rule::Arguments)?;
                &method.sig
            }
            _ => {
                let of = match args.first().map(|r| self.lty(*r)).transpose()? {
                    Some(LType::Cap(c)) => self.prog.cap(*c),
                    _ => None,
                };
                let method = of
                    .and_then(|c| c.methods.get(usize::from(i.b)))
                    .ok_or_else(|| error(Rule::Callee, format!("capability method {}", i.b)))?;
                let rest = args.get(1..).unwrap_or(&[]);
                self.fill(rest, method.sig.params.iter().copied(), Rule::Arguments)?;
                &method.sig
            }
        };
        self.result(i.a, sig)?;
        Ok(&sig.errors)
    }

    /// The error register holds all errors of the call before.
    pub(super) fn on_error(&self, i: &Instr, errors: &'a [NominalId]) -> Result<()> {
        let ok = match self.lty(i.a)? {
            LType::Nominal(e) => errors == [*e],
            LType::ErrorSet(set) => self.facts.subset(errors, set),
            _ => false,
        };
        ensure(ok, Rule::ErrorType, || {
            let own = self.ty(i.a).map(|t| spell(self.prog, t));
            format!("register {} is {}", i.a, own.unwrap_or_default())
        })
    }

    fn callee(&self, ix: u16, kind: FnKind) -> Result<&'a LFunction> {
        let id = self.prog.resolve_fn(self.f.package, ix);
        let id = id.ok_or_else(|| error(Rule::Index, format!("function {ix}")))?;
        let rule = if kind == FnKind::Named {
            Rule::Callee
        } else {
            Rule::Literal
        };
        match self.prog.function(id).filter(|f| f.kind == kind) {
            Some(f) => Ok(f),
            None => refuse(rule, format!("function {ix} is of the other kind")),
        }
    }

    pub(super) fn builtin(&self, i: &Instr, args: &[u16]) -> Result<()> {
        let row = crate::builtins::BUILTINS.get(usize::from(i.b));
        let row = row.ok_or_else(|| error(Rule::Callee, format!("builtin {}", i.b)))?;
        let matches = |r: u16, b: BType| -> Result<bool> {
            let list = |t: &LType, e: LType| matches!(t, LType::List(x) if *self.prog.ty(*x) == e);
            let ty = self.lty(r)?;
            Ok(match b {
                BType::Unit => *ty == LType::Unit,
                BType::Bool => *ty == LType::Bool,
                BType::Char => *ty == LType::Char,
                BType::Int => *ty == LType::Int,
                BType::Float => *ty == LType::Float,
                BType::Str => *ty == LType::Str,
                BType::ListByte => list(ty, LType::Byte),
                BType::ListChar => list(ty, LType::Char),
                BType::ListStr => list(ty, LType::Str),
            })
        };
        debug_assert_eq!(Builtin::from_u16(i.b), Some(row.builtin));
        ensure(args.len() == row.params.len(), Rule::Arguments, || {
            format!("{} arguments for `{}`", args.len(), row.name)
        })?;
        for (r, b) in args.iter().zip(row.params) {
            ensure(matches(*r, *b)?, Rule::Arguments, || {
                format!("register {r} for `{}`", row.name)
            })?;
        }
        ensure(matches(i.a, row.result)?, Rule::Result, || {
            format!("register {} for `{}`", i.a, row.name)
        })
    }

    pub(super) fn literal(&self, i: &Instr, args: &[u16]) -> Result<()> {
        let callee = self.callee(i.b, FnKind::Literal)?;
        let id = self.prog.resolve_fn(self.f.package, i.b);
        ensure(callee.package == self.f.package, Rule::Literal, || {
            format!("function {} is of another package", i.b)
        })?;
        let sig = match self.lty(i.a)? {
            LType::Fn(sig) | LType::BorrowedFn(sig) => Some(sig),
            _ => None,
        };
        // A borrowed function's type uses nothing, so neither does its code.
        ensure(sig == Some(&callee.sig), Rule::Literal, || {
            format!("register {} has another signature", i.a)
        })?;
        self.fill(args, callee.captures.iter().copied(), Rule::Arguments)?;
        let open = id.and_then(|id| self.openings.get(id.index()));
        for r in open.into_iter().flatten() {
            if let Some(r) = args.get(usize::from(*r)) {
                self.receiver_only(*r)?;
            }
        }
        if i.op == Op::MakeFn {
            for r in args {
                let ok = self.prog.kind(self.ty(*r)?).first_class();
                ensure(ok, Rule::Capture, || {
                    format!("register {r} is second class")
                })?;
            }
        }
        Ok(())
    }

    pub(super) fn bind_fn(&self, i: &Instr, args: &[u16]) -> Result<()> {
        let (LType::BorrowedFn(to), LType::Fn(from)) = (self.lty(i.a)?, self.lty(i.b)?) else {
            return refuse(Rule::Class, "`bind_fn` operands");
        };
        let rest = self.hand_over(&from.uses, args)?;
        ensure(rest.is_empty(), Rule::Hidden, || {
            String::from("more capabilities than the function uses")
        })?;
        let same = to.params == from.params && to.ret == from.ret && to.errors == from.errors;
        ensure(same, Rule::SameType, || {
            format!("registers {} and {} differ in signature", i.a, i.b)
        })
    }

    pub(super) fn get_capture(&self, i: &Instr) -> Result<()> {
        let capture = self.f.captures.get(usize::from(i.b)).copied();
        let capture = capture.ok_or_else(|| error(Rule::Capture, format!("capture {}", i.b)))?;
        self.same(i.a, capture, Rule::Capture, "capture")
    }

    pub(super) fn leave(&self, i: &Instr) -> Result<()> {
        let sig = &self.f.sig;
        if i.op == Op::Ret {
            return self.same(i.a, sig.ret, Rule::Return, "result");
        }
        let ok = match self.lty(i.a)? {
            LType::Nominal(e) => sig.errors.binary_search(e).is_ok(),
            LType::ErrorSet(set) => self.facts.subset(set, &sig.errors),
            _ => false,
        };
        ensure(ok, Rule::Return, || {
            let own = self.ty(i.a).map(|t| spell(self.prog, t));
            format!("raises {}", own.unwrap_or_default())
        })
    }

    pub(super) fn convert(&self, i: &Instr) -> Result<()> {
        let implements = |interface: LInterface| -> Result<bool> {
            Ok(match self.lty(i.b)? {
                LType::Nominal(n) => self.prog.find_impl(*n, interface).is_some(),
                _ => false,
            })
        };
        let ok = match (i.op, self.lty(i.a)?) {
            (Op::MakeDyn, LType::Dyn(t)) => implements(LInterface::Trait(*t))?,
            (Op::AsCap, LType::Cap(c)) => implements(LInterface::Cap(*c))?,
            (Op::Recap, LType::Cap(to)) => match self.lty(i.b)? {
                LType::Cap(from) => self.related(*from, *to),
                _ => false,
            },
            _ => false,
        };
        ensure(ok, Rule::Conversion, || {
            let name = |r| self.ty(r).map(|t| spell(self.prog, t)).unwrap_or_default();
            format!("{} to {}", name(i.b), name(i.a))
        })
    }

    /// Child to parent, or parent to a child that added no method.
    fn related(&self, from: CapId, to: CapId) -> bool {
        let (Some(f), Some(t)) = (self.prog.cap(from), self.prog.cap(to)) else {
            return false;
        };
        f.parent == Some(to) || (t.parent == Some(from) && t.methods.len() == f.methods.len())
    }
}
