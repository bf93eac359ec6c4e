//! Conditions as jumps: fused compare-and-branch, short circuits without values.
//!
//! What must stay true: `jump_if` falls through exactly when the condition is not `sense`; comparisons of
//! floats keep IEEE meaning for NaN in both senses, but where they stand for a type parameter: there `<` is that of
//! `Ord`, their total order.

use super::Res;
use super::defer::has_defer;
use super::emit::{Lbl, Reg};
use super::func::{FnCx, Opnd};
use super::ops::{CmpKind, is_comparison};
use crate::thir::*;
use jet_bytecode::opcodes::Op;
use rustc_hash::FxHashSet;

impl<'p> FnCx<'_, 'p> {
    /// Jumps to `to` if the condition is `sense`, else falls through.
    pub(super) fn jump_if(&mut self, e: &'p Expr, to: Lbl, sense: bool) -> Res<()> {
        if self.code.dead() {
            return Ok(());
        }
        self.nested(|me| me.jump_if_inner(e, to, sense))
    }

    fn jump_if_inner(&mut self, e: &'p Expr, to: Lbl, sense: bool) -> Res<()> {
        match &e.kind {
            ExprKind::Bool(b) => {
                if *b == sense {
                    self.code.jmp(to);
                }
                Ok(())
            }
            ExprKind::Unary(UnOp::Not, a) => self.jump_if(a, to, !sense),
            ExprKind::And(a, b) => self.short_circuit(a, b, to, sense, true),
            ExprKind::Or(a, b) => self.short_circuit(a, b, to, sense, false),
            ExprKind::Binary(op, a, b) if is_comparison(*op) => {
                self.jump_compare(e, *op, a, b, to, sense)
            }
            ExprKind::Call { args, .. } if self.plain_key(e)? => match args.as_slice() {
                [a, b] => self.jump_compare(e, BinOp::Eq, a, b, to, sense),
                _ => self.bug("keys of another number"),
            },
            ExprKind::Block(stmts, Some(tail)) if !has_defer(stmts) => {
                self.push_scope();
                for s in stmts {
                    self.stmt(s)?;
                }
                self.jump_if(tail, to, sense)?;
                self.pop_scope();
                Ok(())
            }
            _ => {
                if let Some(v) = self.imm_of(e) {
                    if (v != 0) == sense {
                        self.code.jmp(to);
                    }
                    return Ok(());
                }
                if self.cond_known(e, to, sense)? || self.inline_cond(e, to, sense)? {
                    return Ok(());
                }
                let o = self.operand(e)?;
                let op = if sense { Op::JmpIf } else { Op::JmpIfNot };
                self.code.jump(op, o.reg, 0, to);
                self.drop(o);
                Ok(())
            }
        }
    }

    /// Whether this compares keys of a type for which that is `==`.
    fn plain_key(&mut self, e: &'p Expr) -> Res<bool> {
        let ExprKind::Call { callee, args, .. } = &e.kind else {
            return Ok(false);
        };
        let (Callee::Fn(id, _), Some(a)) = (&**callee, args.first()) else {
            return Ok(false);
        };
        let def = self.cx.prog.fns.get(id.0 as usize);
        if def.and_then(|d| d.intrinsic.as_deref()) != Some("same_key") {
            return Ok(false);
        }
        let ty = self.ty(a.ty);
        Ok(!self.cx.holds_float(ty, &mut FxHashSet::default()))
    }

    fn short_circuit(
        &mut self,
        a: &'p Expr,
        b: &'p Expr,
        to: Lbl,
        sense: bool,
        and: bool,
    ) -> Res<()> {
        if and == sense {
            // `a and b` true, or `a or b` false: both must agree.
            let skip = self.code.label();
            self.jump_if(a, skip, !sense)?;
            self.jump_if(b, to, sense)?;
            self.code.bind(skip);
        } else {
            self.jump_if(a, to, sense)?;
            self.jump_if(b, to, sense)?;
        }
        Ok(())
    }

    fn jump_compare(
        &mut self,
        e: &'p Expr,
        op: BinOp,
        a: &'p Expr,
        b: &'p Expr,
        to: Lbl,
        sense: bool,
    ) -> Res<()> {
        let ty = self.ty(a.ty);
        let ordering = !matches!(op, BinOp::Eq | BinOp::Ne);
        match self.cmp_kind(ty, ordering) {
            CmpKind::Word => self.jump_words(op, a, b, to, sense),
            CmpKind::Float if ordering && self.by_order(a) => {
                let os = self.operands(&[a, b])?;
                let t = self.temp(TyTable::INT)?;
                if let [l, r] = os.as_slice() {
                    self.code.op(Op::CmpFloat, t, l.reg, r.reg);
                }
                self.jump_imm(op, sense, t, 0, to);
                self.code.free(t);
                self.drop_all(os);
                Ok(())
            }
            CmpKind::Float => {
                let os = self.operands(&[a, b])?;
                if let [l, r] = os.as_slice() {
                    let (code, l, r) = match (op, sense) {
                        (BinOp::Eq, true) | (BinOp::Ne, false) => (Op::JEqFloat, l.reg, r.reg),
                        (BinOp::Ne, true) | (BinOp::Eq, false) => (Op::JNeFloat, l.reg, r.reg),
                        (BinOp::Lt, true) => (Op::JLtFloat, l.reg, r.reg),
                        (BinOp::Le, true) => (Op::JLeFloat, l.reg, r.reg),
                        (BinOp::Gt, true) => (Op::JLtFloat, r.reg, l.reg),
                        (BinOp::Ge, true) => (Op::JLeFloat, r.reg, l.reg),
                        (BinOp::Lt, false) => (Op::JNltFloat, l.reg, r.reg),
                        (BinOp::Le, false) => (Op::JNleFloat, l.reg, r.reg),
                        (BinOp::Gt, false) => (Op::JNltFloat, r.reg, l.reg),
                        _ => (Op::JNleFloat, r.reg, l.reg),
                    };
                    self.code.jump(code, l, r, to);
                }
                self.drop_all(os);
                Ok(())
            }
            CmpKind::Unit => {
                self.expr(a, None)?;
                self.expr(b, None)?;
                let value = matches!(op, BinOp::Eq | BinOp::Le | BinOp::Ge);
                if value == sense {
                    self.code.jmp(to);
                }
                Ok(())
            }
            CmpKind::Str if ordering => {
                let os = self.operands(&[a, b])?;
                let t = self.temp(TyTable::INT)?;
                if let [l, r] = os.as_slice() {
                    self.code.op(Op::StrCmp, t, l.reg, r.reg);
                }
                self.jump_imm(op, sense, t, 0, to);
                self.code.free(t);
                self.drop_all(os);
                Ok(())
            }
            _ if ordering => {
                let os = self.operands(&[a, b])?;
                let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
                let oty = self.ordering_ty()?;
                let t = self.temp(oty)?;
                self.at(e.span)?;
                self.cmp_regs(ty, &regs, t)?;
                // Less is 0, Equal 1, Greater 2.
                let (code, k) = match (op, sense) {
                    (BinOp::Lt, true) | (BinOp::Ge, false) => (Op::JEqImm, 0),
                    (BinOp::Lt, false) | (BinOp::Ge, true) => (Op::JNeImm, 0),
                    (BinOp::Gt, true) | (BinOp::Le, false) => (Op::JEqImm, 2),
                    _ => (Op::JNeImm, 2),
                };
                self.code.jump(code, t, k, to);
                self.code.free(t);
                self.drop_all(os);
                Ok(())
            }
            kind => {
                let positive = (op == BinOp::Eq) == sense;
                if let Some((value, variant)) = self.tag_test(ty, a, b)? {
                    let code = if positive { Op::JTag } else { Op::JNotTag };
                    let o = self.operand(value)?;
                    self.code.jump(code, o.reg, variant, to);
                    self.drop(o);
                    return Ok(());
                }
                let os = self.operands(&[a, b])?;
                let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
                let t = self.temp(TyTable::BOOL)?;
                self.at(e.span)?;
                if let (CmpKind::Str, [l, r]) = (kind, regs.as_slice()) {
                    self.code.op(Op::StrEq, t, *l, *r);
                } else {
                    self.eq_regs(ty, &regs, t)?;
                }
                let code = if positive { Op::JmpIf } else { Op::JmpIfNot };
                self.code.jump(code, t, 0, to);
                self.code.free(t);
                self.drop_all(os);
                Ok(())
            }
        }
    }

    /// A comparison with a variant without payload (`x == None`) is a tag test: the value and the variant.
    pub(super) fn tag_test(
        &mut self,
        ty: Ty,
        a: &'p Expr,
        b: &'p Expr,
    ) -> Res<Option<(&'p Expr, u16)>> {
        let is_enum = self
            .cx
            .adt(ty)
            .is_some_and(|(_, d, _)| matches!(d.kind, AdtKind::Enum | AdtKind::Error));
        let eq = self.cx.prog.lang.eq;
        if !is_enum || self.cx.has_impl(eq, ty) {
            return Ok(None);
        }
        for (value, other) in [(a, b), (b, a)] {
            if let ExprKind::Construct { variant, fields } = &other.kind
                && fields.is_empty()
            {
                return Ok(Some((value, *variant as u16)));
            }
        }
        Ok(None)
    }

    /// Jumps if `r op k` is `sense`.
    fn jump_imm(&mut self, op: BinOp, sense: bool, r: Reg, k: i16, to: Lbl) {
        let code = match (op, sense) {
            (BinOp::Eq, true) | (BinOp::Ne, false) => Op::JEqImm,
            (BinOp::Ne, true) | (BinOp::Eq, false) => Op::JNeImm,
            (BinOp::Lt, true) | (BinOp::Ge, false) => Op::JLtImm,
            (BinOp::Le, true) | (BinOp::Gt, false) => Op::JLeImm,
            (BinOp::Gt, true) | (BinOp::Le, false) => Op::JGtImm,
            _ => Op::JGeImm,
        };
        self.code.jump(code, r, k as u16, to);
    }

    fn jump_words(&mut self, op: BinOp, a: &'p Expr, b: &'p Expr, to: Lbl, sense: bool) -> Res<()> {
        let small = |me: &Self, e: &'p Expr| me.word_imm(e).and_then(|v| i16::try_from(v).ok());
        if let Some(k) = small(self, b) {
            let o = self.operand(a)?;
            self.jump_imm(op, sense, o.reg, k, to);
            self.drop(o);
            return Ok(());
        }
        if let Some(k) = small(self, a) {
            let o = self.operand(b)?;
            self.jump_imm(swap(op), sense, o.reg, k, to);
            self.drop(o);
            return Ok(());
        }
        let os = self.operands(&[a, b])?;
        if let [l, r] = os.as_slice() {
            self.jump_regs(op, sense, l, r, to);
        }
        self.drop_all(os);
        Ok(())
    }

    fn jump_regs(&mut self, op: BinOp, sense: bool, l: &Opnd, r: &Opnd, to: Lbl) {
        let (code, l, r) = match (op, sense) {
            (BinOp::Eq, true) | (BinOp::Ne, false) => (Op::JEq, l.reg, r.reg),
            (BinOp::Ne, true) | (BinOp::Eq, false) => (Op::JNe, l.reg, r.reg),
            (BinOp::Lt, true) | (BinOp::Ge, false) => (Op::JLt, l.reg, r.reg),
            (BinOp::Le, true) | (BinOp::Gt, false) => (Op::JLe, l.reg, r.reg),
            (BinOp::Gt, true) | (BinOp::Le, false) => (Op::JLt, r.reg, l.reg),
            _ => (Op::JLe, r.reg, l.reg),
        };
        self.code.jump(code, l, r, to);
    }

    /// The number of a literal, or of a variant of an enum without payloads.
    fn word_imm(&self, e: &'p Expr) -> Option<i64> {
        if let ExprKind::Construct { variant, fields } = &e.kind
            && fields.is_empty()
        {
            return Some(i64::from(*variant));
        }
        self.imm_of(e)
    }
}

/// The operator with its operands exchanged.
fn swap(op: BinOp) -> BinOp {
    match op {
        BinOp::Lt => BinOp::Gt,
        BinOp::Le => BinOp::Ge,
        BinOp::Gt => BinOp::Lt,
        BinOp::Ge => BinOp::Le,
        o => o,
    }
}
