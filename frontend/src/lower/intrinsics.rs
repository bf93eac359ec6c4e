//! The intrinsics of std in one table: name to opcode, builtin, or a rule of its own.
//!
//! What must stay true: an intrinsic never fails on an error edge and uses no capability.

use super::Res;
use super::emit::Reg;
use super::func::FnCx;
use super::ops::CmpKind;
use crate::thir::*;
use jet_bytecode::builtins::Builtin;
use jet_bytecode::opcodes::{Op, TrapKind};
use rustc_hash::FxHashSet;

/// How an intrinsic is compiled.
#[derive(Clone, Copy)]
enum Rule {
    /// `op dst, a, b` with as many operands as there are.
    Value(Op),
    /// `op a, b, c`, nothing written.
    Effect(Op),
    /// `op dst, a, [rest]`.
    Args(Op),
    /// A rule of its own.
    Special(Special),
}

#[derive(Clone, Copy)]
enum Special {
    Same,
    ShowInner,
    CopyKey,
    SameKey,
    MissingKey,
}

const TABLE: &[(&str, Rule)] = &[
    ("list_new", Rule::Value(Op::ListNew)),
    ("list_len", Rule::Value(Op::ListLen)),
    ("list_get", Rule::Value(Op::ListGet)),
    ("list_set", Rule::Effect(Op::ListSet)),
    ("list_push", Rule::Effect(Op::ListPush)),
    ("list_pop", Rule::Value(Op::ListPop)),
    ("list_insert", Rule::Effect(Op::ListInsert)),
    ("list_remove", Rule::Value(Op::ListRemove)),
    ("list_swap", Rule::Effect(Op::ListSwap)),
    ("list_truncate", Rule::Effect(Op::ListTruncate)),
    ("list_extend", Rule::Effect(Op::ListExtend)),
    ("list_slice", Rule::Args(Op::ListSlice)),
    ("str_len", Rule::Value(Op::StrLen)),
    ("str_byte", Rule::Value(Op::StrByte)),
    ("str_cmp", Rule::Value(Op::StrCmp)),
    ("str_eq", Rule::Value(Op::StrEq)),
    ("str_concat", Rule::Value(Op::StrConcat)),
    ("sqrt_float", Rule::Value(Op::SqrtFloat)),
    ("cmp_float", Rule::Value(Op::CmpFloat)),
    ("hash_str", Rule::Value(Op::HashStr)),
    ("hash_mix", Rule::Value(Op::HashMix)),
    ("same_object", Rule::Special(Special::Same)),
    ("show_inner", Rule::Special(Special::ShowInner)),
    ("copy_key", Rule::Special(Special::CopyKey)),
    ("same_key", Rule::Special(Special::SameKey)),
    ("missing_key", Rule::Special(Special::MissingKey)),
];

impl<'p> FnCx<'_, 'p> {
    /// Compiles an intrinsic on registers; the result is written only if it is wanted.
    pub(super) fn intrinsic_opt(
        &mut self,
        name: &str,
        regs: &[Reg],
        f: &FnTy,
        dst: Option<Reg>,
    ) -> Res<()> {
        let rule = TABLE.iter().find(|(n, _)| *n == name).map(|(_, r)| *r);
        if let Some(Rule::Effect(op)) = rule {
            let [a, b, c] = lanes(regs);
            self.code.op(op, a, b, c);
            if let Some(d) = dst {
                self.code.imm(d, 0);
            }
            return Ok(());
        }
        let (d, t) = self.dst_or_temp(dst, f.ret)?;
        match rule {
            Some(Rule::Value(op)) => {
                let [a, b, _] = lanes(regs);
                self.code.op(op, d, a, b);
            }
            Some(Rule::Args(op)) => {
                if let [a, rest @ ..] = regs {
                    self.code.args(op, d, *a, rest);
                }
            }
            Some(Rule::Special(s)) => self.special(s, regs, f, d)?,
            Some(Rule::Effect(_)) => {}
            None => match Builtin::by_name(name) {
                Some(b) => self.builtin(b, d, regs),
                None => return self.bug(format!("intrinsic `{name}` is not known")),
            },
        }
        self.drop_opt(t);
        Ok(())
    }

    /// The same with a result.
    pub(super) fn intrinsic(&mut self, name: &str, regs: &[Reg], f: &FnTy, dst: Reg) -> Res<()> {
        self.intrinsic_opt(name, regs, f, Some(dst))
    }

    fn special(&mut self, s: Special, regs: &[Reg], f: &FnTy, dst: Reg) -> Res<()> {
        if matches!(s, Special::MissingKey) {
            self.trap(TrapKind::MissingKey);
            return Ok(());
        }
        let Some(ty) = f.params.first().copied() else {
            return self.bug("an intrinsic without parameters");
        };
        match (s, regs) {
            (Special::Same, [a, b]) => {
                let is_ref = match self.cx.tys.kind(ty) {
                    TyKind::List(_) | TyKind::Dyn(..) => true,
                    TyKind::Adt(..) => self
                        .cx
                        .adt(ty)
                        .is_some_and(|(_, d, _)| d.kind == AdtKind::Struct),
                    _ => false,
                };
                if is_ref {
                    self.code.op(Op::EqRef, dst, *a, *b);
                    Ok(())
                } else if self.cmp_kind(ty, false) == CmpKind::Word {
                    self.code.op(Op::EqWord, dst, *a, *b);
                    Ok(())
                } else {
                    // Values without identity are the same if they are equal.
                    self.eq_regs(ty, regs, dst)
                }
            }
            (Special::SameKey, _) => self.same_key(ty, regs, dst),
            (Special::ShowInner, [a]) => self.show_inner(ty, *a, dst),
            (Special::CopyKey, [a]) => {
                if self.cx.needs_copy(ty, &mut FxHashSet::default()) {
                    self.code.op(Op::DeepCopy, dst, *a, 0);
                } else {
                    self.code.mov(dst, *a);
                }
                Ok(())
            }
            _ => self.bug("an intrinsic with other arguments"),
        }
    }
}

fn lanes(regs: &[Reg]) -> [Reg; 3] {
    let at = |i: usize| regs.get(i).copied().unwrap_or(0);
    [at(0), at(1), at(2)]
}
