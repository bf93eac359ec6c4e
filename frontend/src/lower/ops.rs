//! Operators: arithmetic with small constants as immediates, comparison by the kind of the operands,
//! string concatenation in one instruction, conversions, interpolation.

use super::emit::Reg;
use super::func::{FnCx, Opnd};
use super::resolve::Found;
use super::{Derive, FnKey, Res};
use crate::thir::*;
use jet_bytecode::builtins::Builtin;
use jet_bytecode::opcodes::Op;

/// How values of a type are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CmpKind {
    /// By register, as signed numbers.
    Word,
    Float,
    Str,
    Unit,
    /// By a call of `eq` or `cmp`.
    Call,
}

/// Most pieces of one concatenation.
const MAX_PIECES: usize = 48;

impl<'p> FnCx<'_, 'p> {
    pub(super) fn cmp_kind(&mut self, ty: Ty, ordering: bool) -> CmpKind {
        match self.cx.tys.kind(ty) {
            TyKind::Int | TyKind::Bool | TyKind::Byte | TyKind::Char => CmpKind::Word,
            TyKind::Float => CmpKind::Float,
            TyKind::Str => CmpKind::Str,
            TyKind::Unit => CmpKind::Unit,
            TyKind::Adt(..) if self.cx.plain_enum(ty) => {
                let lang = &self.cx.prog.lang;
                let by = if ordering { lang.ord } else { lang.eq };
                if self.cx.has_impl(by, ty) {
                    CmpKind::Call
                } else {
                    CmpKind::Word
                }
            }
            _ => CmpKind::Call,
        }
    }

    /// `a op b` into `dst`.
    pub(super) fn binary(
        &mut self,
        e: &'p Expr,
        op: BinOp,
        a: &'p Expr,
        b: &'p Expr,
        dst: Reg,
    ) -> Res<()> {
        let ty = self.ty(a.ty);
        if is_comparison(op) {
            return self.compare(e, op, ty, a, b, dst);
        }
        if ty == TyTable::STR {
            let mut parts = Vec::new();
            flatten(e, &mut parts);
            return self.concat_exprs(&parts, e, dst);
        }
        if ty == TyTable::INT && matches!(op, BinOp::Add) && self.small(a).is_some() {
            // A constant on the left of a sum.
            let r = self.operand(b)?;
            self.at(e.span)?;
            let k = self.small(a).unwrap_or(0);
            self.code.op(Op::AddImm, dst, r.reg, k as u16);
            self.drop(r);
            return Ok(());
        }
        let l = self.operand(a)?;
        let l = self.guard_operand(l, a, &[b])?;
        self.binary_with(e.span, op, ty, l.reg, b, dst)?;
        self.drop(l);
        Ok(())
    }

    /// Value of a literal that fits an `add_imm`.
    fn small(&self, e: &'p Expr) -> Option<i16> {
        self.imm_of(e).and_then(|v| i16::try_from(v).ok())
    }

    /// `left op b` into `dst` for arithmetic; `left` keeps its value while `b` is evaluated.
    pub(super) fn binary_with(
        &mut self,
        span: crate::source::Span,
        op: BinOp,
        ty: Ty,
        left: Reg,
        b: &'p Expr,
        dst: Reg,
    ) -> Res<()> {
        if ty == TyTable::INT
            && let Some(v) = self.imm_of(b)
        {
            let k = match op {
                BinOp::Add => i16::try_from(v).ok(),
                BinOp::Sub => v.checked_neg().and_then(|v| i16::try_from(v).ok()),
                _ => None,
            };
            if let Some(k) = k {
                self.at(span)?;
                self.code.op(Op::AddImm, dst, left, k as u16);
                return Ok(());
            }
        }
        let r = self.operand(b)?;
        self.at(span)?;
        let int = ty == TyTable::INT;
        let float = ty == TyTable::FLOAT;
        let code = match op {
            BinOp::Add if int => Op::AddInt,
            BinOp::Sub if int => Op::SubInt,
            BinOp::Mul if int => Op::MulInt,
            BinOp::Div if int => Op::DivInt,
            BinOp::Rem if int => Op::RemInt,
            BinOp::Pow if int => Op::PowInt,
            BinOp::AddWrap if int => Op::AddWrap,
            BinOp::SubWrap if int => Op::SubWrap,
            BinOp::MulWrap if int => Op::MulWrap,
            BinOp::BitAnd if int => Op::AndInt,
            BinOp::BitOr if int => Op::OrInt,
            BinOp::BitXor if int => Op::XorInt,
            BinOp::Shl if int => Op::Shl,
            BinOp::Shr if int => Op::Shr,
            BinOp::Ushr if int => Op::Ushr,
            BinOp::Add if float => Op::AddFloat,
            BinOp::Sub if float => Op::SubFloat,
            BinOp::Mul if float => Op::MulFloat,
            BinOp::Div if float => Op::DivFloat,
            BinOp::Rem if float => Op::RemFloat,
            BinOp::Pow if float => Op::PowFloat,
            BinOp::Add if ty == TyTable::STR => Op::StrConcat,
            _ => {
                let kind = self.cx.tys.kind(ty);
                return self.bug(format!("operator {op:?} on {kind:?}"));
            }
        };
        self.code.op(code, dst, left, r.reg);
        self.drop(r);
        Ok(())
    }

    /// A comparison as a value.
    fn compare(
        &mut self,
        e: &'p Expr,
        op: BinOp,
        ty: Ty,
        a: &'p Expr,
        b: &'p Expr,
        dst: Reg,
    ) -> Res<()> {
        let ordering = !matches!(op, BinOp::Eq | BinOp::Ne);
        let kind = self.cmp_kind(ty, ordering);
        let simple = match (kind, op) {
            (CmpKind::Float, _) if ordering && self.by_order(a) => None,
            (CmpKind::Word, BinOp::Eq) => Some((Op::EqWord, false)),
            (CmpKind::Word, BinOp::Ne) => Some((Op::NeWord, false)),
            (CmpKind::Word, BinOp::Lt) => Some((Op::LtWord, false)),
            (CmpKind::Word, BinOp::Le) => Some((Op::LeWord, false)),
            (CmpKind::Word, BinOp::Gt) => Some((Op::LtWord, true)),
            (CmpKind::Word, BinOp::Ge) => Some((Op::LeWord, true)),
            (CmpKind::Float, BinOp::Eq) => Some((Op::EqFloat, false)),
            (CmpKind::Float, BinOp::Ne) => Some((Op::NeFloat, false)),
            (CmpKind::Float, BinOp::Lt) => Some((Op::LtFloat, false)),
            (CmpKind::Float, BinOp::Le) => Some((Op::LeFloat, false)),
            (CmpKind::Float, BinOp::Gt) => Some((Op::LtFloat, true)),
            (CmpKind::Float, BinOp::Ge) => Some((Op::LeFloat, true)),
            (CmpKind::Str, BinOp::Eq) => Some((Op::StrEq, false)),
            _ => None,
        };
        if let Some((code, swap)) = simple {
            let os = self.operands(&[a, b])?;
            self.at(e.span)?;
            if let [l, r] = os.as_slice() {
                let (l, r) = if swap { (r.reg, l.reg) } else { (l.reg, r.reg) };
                self.code.op(code, dst, l, r);
            }
            self.drop_all(os);
            return Ok(());
        }
        if kind == CmpKind::Call && !ordering && self.tag_test(ty, a, b)?.is_none() {
            let os = self.operands(&[a, b])?;
            let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
            self.at(e.span)?;
            if op == BinOp::Eq {
                self.eq_regs(ty, &regs, dst)?;
            } else {
                let t = self.temp(TyTable::BOOL)?;
                self.eq_regs(ty, &regs, t)?;
                self.code.op(Op::NotBool, dst, t, 0);
                self.code.free(t);
            }
            self.drop_all(os);
            return Ok(());
        }
        self.bool_by_jumps(e, dst)
    }

    /// Whether an operand's type is a parameter, so that it is compared as `Ord` does.
    pub(super) fn by_order(&self, e: &Expr) -> bool {
        matches!(self.cx.tys.kind(e.ty), TyKind::Param(_))
    }

    /// A condition as a value, by jumps.
    pub(super) fn bool_by_jumps(&mut self, e: &'p Expr, dst: Reg) -> Res<()> {
        let (yes, end) = (self.code.label(), self.code.label());
        self.jump_if(e, yes, true)?;
        self.code.imm(dst, 0);
        self.code.jmp(end);
        self.code.bind(yes);
        self.code.imm(dst, 1);
        self.code.bind(end);
        Ok(())
    }

    /// `eq` on two registers.
    pub(super) fn eq_regs(&mut self, ty: Ty, regs: &[Reg], dst: Reg) -> Res<()> {
        let t = self.cx.prog.lang.eq;
        self.lang_call(t, Derive::Eq, ty, regs, dst)
    }

    /// `cmp` on two registers, an `Ordering` into `dst`.
    pub(super) fn cmp_regs(&mut self, ty: Ty, regs: &[Reg], dst: Reg) -> Res<()> {
        let t = self.cx.prog.lang.ord;
        self.lang_call(t, Derive::Cmp, ty, regs, dst)
    }

    /// The method of one of the four derivable traits on registers.
    pub(super) fn lang_call(
        &mut self,
        trait_id: Option<TraitId>,
        derive: Derive,
        ty: Ty,
        regs: &[Reg],
        dst: Reg,
    ) -> Res<()> {
        if let Some(t) = trait_id {
            match self.cx.find_method(t, &[], ty, 0, self.span)? {
                Found::Fn(id, args) => {
                    let f = self.cx.function(FnKey::Inst(id, args), self.span)?;
                    self.code.func(Op::Call, dst, f, regs);
                    return Ok(());
                }
                Found::Dyn(t, args, m) => {
                    let m = self.dyn_method(ty, t, &args, m)?;
                    self.code.args(Op::CallDyn, dst, m, regs);
                    return Ok(());
                }
                Found::Derived(..) => {}
            }
        }
        self.derived(derive, ty, regs, dst)
    }

    /// The type of `Ordering`.
    pub(super) fn ordering_ty(&mut self) -> Res<Ty> {
        match self.cx.prog.lang.ordering {
            Some(id) => Ok(self.cx.tys.intern(TyKind::Adt(id, Vec::new()))),
            None => self.bug("std has no Ordering"),
        }
    }

    pub(super) fn unary(&mut self, e: &'p Expr, op: UnOp, a: &'p Expr, dst: Reg) -> Res<()> {
        let ty = self.ty(a.ty);
        let o = self.operand(a)?;
        self.at(e.span)?;
        let code = match op {
            UnOp::Neg if ty == TyTable::INT => Op::NegInt,
            UnOp::Neg if ty == TyTable::FLOAT => Op::NegFloat,
            UnOp::BitNot if ty == TyTable::INT => Op::NotInt,
            UnOp::Not if ty == TyTable::BOOL => Op::NotBool,
            _ => return self.bug(format!("operator {op:?} on another type")),
        };
        self.code.op(code, dst, o.reg, 0);
        self.drop(o);
        Ok(())
    }

    pub(super) fn convert(&mut self, e: &'p Expr, c: Conv, a: &'p Expr, dst: Reg) -> Res<()> {
        if let (Conv::IntToFloat, Some(v)) = (c, self.imm_of(a)) {
            let v = self.float_const(v as f64)?;
            self.code.constant(dst, v);
            return Ok(());
        }
        let o = self.operand(a)?;
        self.at(e.span)?;
        let code = match c {
            Conv::IntToFloat => Op::IntToFloat,
            Conv::FloatToInt => Op::FloatToInt,
            Conv::IntToByte => Op::IntToByte,
            Conv::IntToChar => Op::IntToChar,
            Conv::WordToInt => Op::WordToInt,
        };
        self.code.op(code, dst, o.reg, 0);
        self.drop(o);
        Ok(())
    }

    // Strings.

    /// Concatenates string expressions.
    fn concat_exprs(&mut self, parts: &[&'p Expr], e: &'p Expr, dst: Reg) -> Res<()> {
        if parts.len() > MAX_PIECES {
            // Left to right in chunks.
            let mut acc: Option<Opnd> = None;
            for chunk in parts.chunks(MAX_PIECES) {
                let mut os = self.operands(chunk)?;
                if let Some(a) = acc.take() {
                    os.insert(0, a);
                }
                let t = self.temp_opnd(TyTable::STR)?;
                self.at(e.span)?;
                self.concat_regs(os, t.reg);
                acc = Some(t);
            }
            if let Some(a) = acc {
                self.code.mov(dst, a.reg);
                self.drop(a);
            }
            return Ok(());
        }
        let os = self.operands(parts)?;
        self.at(e.span)?;
        self.concat_regs(os, dst);
        Ok(())
    }

    /// Concatenates registers and frees them.
    pub(super) fn concat_regs(&mut self, os: Vec<Opnd>, dst: Reg) {
        match os.as_slice() {
            [a] => self.code.mov(dst, a.reg),
            [a, b] => self.code.op(Op::StrConcat, dst, a.reg, b.reg),
            _ => {
                let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
                self.code.args(Op::StrConcatN, dst, 0, &regs);
            }
        }
        self.drop_all(os);
    }

    /// An interpolated string.
    pub(super) fn interp(&mut self, e: &'p Expr, pieces: &'p [Piece], dst: Reg) -> Res<()> {
        // Text beside text is one piece.
        enum Part<'p> {
            Text(String),
            Value(&'p Expr, Option<&'p str>),
        }
        let mut parts: Vec<Part<'p>> = Vec::new();
        for p in pieces {
            match p {
                Piece::Text(t) if t.is_empty() => {}
                Piece::Text(t) => match parts.last_mut() {
                    Some(Part::Text(s)) => s.push_str(t),
                    _ => parts.push(Part::Text(t.clone())),
                },
                Piece::Value(v, spec) => parts.push(Part::Value(v, spec.as_deref())),
            }
        }
        if parts.is_empty() {
            let c = self.str_const("")?;
            self.code.constant(dst, c);
            return Ok(());
        }
        let later: Vec<&'p Expr> = parts
            .iter()
            .filter_map(|p| match p {
                Part::Value(v, _) => Some(*v),
                Part::Text(_) => None,
            })
            .collect();
        let mut seen = 0;
        let mut os: Vec<Opnd> = Vec::new();
        for p in parts {
            let o = match p {
                Part::Text(t) => self.str_opnd(&t)?,
                Part::Value(v, spec) => {
                    seen += 1;
                    let o = self.operand(v)?;
                    let ty = self.ty(v.ty);
                    let o = self.guard_operand(o, v, later.get(seen..).unwrap_or(&[]))?;
                    self.at(v.span)?;
                    self.show_opnd(ty, o, spec)?
                }
            };
            os.push(o);
            if os.len() >= MAX_PIECES {
                let t = self.temp_opnd(TyTable::STR)?;
                self.at(e.span)?;
                self.concat_regs(std::mem::take(&mut os), t.reg);
                os.push(t);
            }
        }
        self.at(e.span)?;
        self.concat_regs(os, dst);
        Ok(())
    }

    /// The text of a value, by a format specification if there is one.
    fn show_opnd(&mut self, ty: Ty, o: Opnd, spec: Option<&str>) -> Res<Opnd> {
        if ty == TyTable::STR && spec.is_none() {
            return Ok(o);
        }
        let t = self.temp_opnd(TyTable::STR)?;
        match spec {
            None => {
                self.show_reg(ty, o.reg, t.reg)?;
                self.drop(o);
            }
            Some(spec) => {
                let s = self.str_opnd(spec)?;
                let builtin = match self.cx.tys.kind(ty) {
                    TyKind::Int => Some(Builtin::FormatInt),
                    TyKind::Float => Some(Builtin::FormatFloat),
                    TyKind::Str => Some(Builtin::FormatStr),
                    _ => None,
                };
                if let Some(b) = builtin {
                    self.builtin(b, t.reg, &[o.reg, s.reg]);
                } else {
                    self.show_reg(ty, o.reg, t.reg)?;
                    self.builtin(Builtin::FormatStr, t.reg, &[t.reg, s.reg]);
                }
                self.drop(s);
                self.drop(o);
            }
        }
        Ok(t)
    }

    /// `show` on a register.
    pub(super) fn show_reg(&mut self, ty: Ty, r: Reg, dst: Reg) -> Res<()> {
        let t = self.cx.prog.lang.show;
        self.lang_call(t, Derive::Show, ty, &[r], dst)
    }

    pub(super) fn builtin(&mut self, b: Builtin, dst: Reg, args: &[Reg]) {
        self.code.args(Op::Builtin, dst, b as u16, args);
    }
}

/// Whether the operator gives a bool.
pub(super) fn is_comparison(op: BinOp) -> bool {
    matches!(
        op,
        BinOp::Eq | BinOp::Ne | BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge
    )
}

/// The operands of a chain of `+` on strings.
fn flatten<'p>(e: &'p Expr, out: &mut Vec<&'p Expr>) {
    match &e.kind {
        ExprKind::Binary(BinOp::Add, a, b) => {
            flatten(a, out);
            flatten(b, out);
        }
        _ => out.push(e),
    }
}
