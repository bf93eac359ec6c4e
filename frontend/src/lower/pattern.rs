//! Patterns: tests that jump to `fail`, payloads loaded where a sub-pattern wants them, bindings.
//!
//! What must stay true: without a `fail` label the pattern is known to match and is not tested; a
//! binding shares the register of what it names only if that register is stable.

use super::Res;
use super::emit::{Lbl, Reg};
use super::func::{FnCx, Place_};
use super::visit::pat_locals;
use crate::thir::*;
use jet_bytecode::opcodes::Op;

impl<'p> FnCx<'_, 'p> {
    /// Tests the value in `r` and binds names; jumps to `fail` if it does not match.
    pub(super) fn test_pat(
        &mut self,
        pat: &'p Pat,
        r: Reg,
        stable: bool,
        fail: Option<Lbl>,
    ) -> Res<()> {
        self.nested(|me| me.test_pat_inner(pat, r, stable, fail))
    }

    fn test_pat_inner(&mut self, pat: &'p Pat, r: Reg, stable: bool, fail: Option<Lbl>) -> Res<()> {
        if self.code.dead() {
            return Ok(());
        }
        match &pat.kind {
            PatKind::Wild | PatKind::Unit => Ok(()),
            PatKind::Bind(id, sub) => {
                if let Some(s) = sub {
                    self.test_pat(s, r, stable, fail)?;
                }
                self.bind_local(*id, r, stable)
            }
            PatKind::Int(v) => self.test_word(TyTable::INT, r, *v, fail),
            PatKind::Byte(v) => self.test_word(TyTable::BYTE, r, i64::from(*v), fail),
            PatKind::Char(v) => self.test_word(TyTable::CHAR, r, i64::from(u32::from(*v)), fail),
            PatKind::Bool(b) => {
                if let Some(f) = fail {
                    let op = if *b { Op::JmpIfNot } else { Op::JmpIf };
                    self.code.jump(op, r, 0, f);
                }
                Ok(())
            }
            PatKind::Float(v) => {
                if let Some(f) = fail {
                    let c = self.float_const(*v)?;
                    let o = self.const_opnd(TyTable::FLOAT, c)?;
                    self.code.jump(Op::JNeFloat, r, o.reg, f);
                    self.drop(o);
                }
                Ok(())
            }
            PatKind::Str(s) => {
                if let Some(f) = fail {
                    let o = self.str_opnd(s)?;
                    let t = self.temp(TyTable::BOOL)?;
                    self.code.op(Op::StrEq, t, r, o.reg);
                    self.code.jump(Op::JmpIfNot, t, 0, f);
                    self.code.free(t);
                    self.drop(o);
                }
                Ok(())
            }
            PatKind::Range(lo, hi) => {
                let Some(f) = fail else { return Ok(()) };
                let ty = self.ty(pat.ty);
                match i16::try_from(*lo) {
                    Ok(k) => self.code.jump(Op::JLtImm, r, k as u16, f),
                    Err(_) => {
                        let c = self.int_const(*lo)?;
                        let o = self.const_opnd(ty, c)?;
                        self.code.jump(Op::JLt, r, o.reg, f);
                        self.drop(o);
                    }
                }
                match i16::try_from(*hi) {
                    Ok(k) => self.code.jump(Op::JGtImm, r, k as u16, f),
                    Err(_) => {
                        let c = self.int_const(*hi)?;
                        let o = self.const_opnd(ty, c)?;
                        self.code.jump(Op::JLt, o.reg, r, f);
                        self.drop(o);
                    }
                }
                Ok(())
            }
            PatKind::Variant(v, subs) => {
                let ty = self.ty(pat.ty);
                let Some((_, def, _)) = self.cx.adt(ty) else {
                    return self.bug("a variant pattern on what is no enum");
                };
                if let Some(f) = fail
                    && def.variants.len() > 1
                {
                    self.code.jump(Op::JNotTag, r, *v as u16, f);
                }
                for (i, s) in subs {
                    let fty = self.cx.field_ty(ty, *v, *i)?;
                    let index = (*v as u16).wrapping_mul(256).wrapping_add(*i as u16);
                    self.test_part(s, fty, fail, |me, d| {
                        me.code.op(Op::GetPayload, d, r, index);
                    })?;
                }
                Ok(())
            }
            PatKind::Struct(subs) => {
                let ty = self.ty(pat.ty);
                for (i, s) in subs {
                    let fty = self.cx.field_ty(ty, 0, *i)?;
                    self.test_part(s, fty, fail, |me, d| {
                        me.code.op(Op::GetField, d, r, *i as u16);
                    })?;
                }
                Ok(())
            }
            PatKind::Tuple(subs) => {
                let ty = self.ty(pat.ty);
                for (i, s) in (0u32..).zip(subs) {
                    let fty = self.cx.field_ty(ty, 0, i)?;
                    self.test_part(s, fty, fail, |me, d| {
                        me.code.op(Op::GetField, d, r, i as u16);
                    })?;
                }
                Ok(())
            }
            PatKind::Member(member, inner) => {
                let member = self.ty(*member);
                let have = self.ty(pat.ty);
                if have == member {
                    return self.test_pat(inner, r, stable, fail);
                }
                // A member may itself be a set once it is instantiated.
                let all = self.cx.tys.err_members(have);
                let wanted = self.cx.tys.err_members(member);
                match (wanted.as_slice(), fail) {
                    ([one], _) if all.contains(one) => {
                        if let Some(f) = fail {
                            let ix = self.cx.ty_ix(*one)?;
                            let yes = self.code.label();
                            self.code.jump(Op::JErrIs, r, ix, yes);
                            self.code.jmp(f);
                            self.code.bind(yes);
                        }
                        self.test_part(inner, *one, fail, |me, d| {
                            me.code.op(Op::ErrCast, d, r, 0);
                        })
                    }
                    (_, Some(f)) if !wanted.iter().any(|m| all.contains(m)) => {
                        self.code.jmp(f);
                        Ok(())
                    }
                    _ => self.bug("a pattern of several errors at once"),
                }
            }
            PatKind::List { front, rest, back } => {
                let ty = self.ty(pat.ty);
                let elem = match self.cx.tys.kind(ty) {
                    TyKind::List(t) => *t,
                    _ => return self.bug("a list pattern on what is no list"),
                };
                let count = front.len() + back.len();
                let n = self.scoped(TyTable::INT)?;
                let need_len = fail.is_some() || !back.is_empty() || matches!(rest, Some(Some(_)));
                if need_len {
                    self.code.op(Op::ListLen, n, r, 0);
                }
                if let Some(f) = fail {
                    let k = count.min(30_000) as u16;
                    let op = if rest.is_some() {
                        Op::JLtImm
                    } else {
                        Op::JNeImm
                    };
                    if rest.is_none() || count > 0 {
                        self.code.jump(op, n, k, f);
                    }
                }
                for (i, s) in front.iter().enumerate() {
                    self.test_part(s, elem, fail, |me, d| {
                        if let Ok(o) = me.int_opnd(i as i64) {
                            me.code.op(Op::ListGet, d, r, o.reg);
                            me.drop(o);
                        }
                    })?;
                }
                for (i, s) in back.iter().enumerate() {
                    let from_end = (back.len() - i) as i16;
                    let at = self.temp(TyTable::INT)?;
                    self.test_part(s, elem, fail, |me, d| {
                        me.code.op(Op::AddImm, at, n, -from_end as u16);
                        me.code.op(Op::ListGet, d, r, at);
                    })?;
                    self.code.free(at);
                }
                if let Some(Some(id)) = rest {
                    let slice = self.scoped(ty)?;
                    let from = self.int_opnd(front.len() as i64)?;
                    let to = self.temp(TyTable::INT)?;
                    self.at(pat.span)?;
                    self.code.op(Op::AddImm, to, n, -(back.len() as i16) as u16);
                    self.code.args(Op::ListSlice, slice, r, &[from.reg, to]);
                    self.code.free(to);
                    self.drop(from);
                    self.bind_local(*id, slice, true)?;
                }
                Ok(())
            }
            PatKind::Or(alts) => self.test_or(alts, r, stable, fail),
        }
    }

    /// Loads a part for a sub-pattern that wants it, straight into a name's register if it is a name.
    fn test_part(
        &mut self,
        sub: &'p Pat,
        ty: Ty,
        fail: Option<Lbl>,
        load: impl FnOnce(&mut Self, Reg),
    ) -> Res<()> {
        match &sub.kind {
            PatKind::Wild | PatKind::Unit => Ok(()),
            PatKind::Bind(id, None) if !self.is_boxed(*id) => {
                self.at(sub.span)?;
                if self.frame.fixed.contains(id)
                    && let Some(Place_::Reg(r)) = self.frame.places.get(id.0 as usize).copied()
                {
                    load(self, r);
                    return Ok(());
                }
                let r = self.declare(*id)?;
                load(self, r);
                Ok(())
            }
            _ => {
                self.at(sub.span)?;
                let r = self.scoped(ty)?;
                load(self, r);
                self.test_pat(sub, r, true, fail)
            }
        }
    }

    fn test_word(&mut self, ty: Ty, r: Reg, v: i64, fail: Option<Lbl>) -> Res<()> {
        let Some(f) = fail else { return Ok(()) };
        match i16::try_from(v) {
            Ok(k) => self.code.jump(Op::JNeImm, r, k as u16, f),
            Err(_) => {
                let c = self.int_const(v)?;
                let o = self.const_opnd(ty, c)?;
                self.code.jump(Op::JNe, r, o.reg, f);
                self.drop(o);
            }
        }
        Ok(())
    }

    fn test_or(&mut self, alts: &'p [Pat], r: Reg, stable: bool, fail: Option<Lbl>) -> Res<()> {
        let Some((last, first)) = alts.split_last() else {
            return self.bug("an or-pattern without alternatives");
        };
        // Each alternative binds the same names in the same registers.
        let mut ids = Vec::new();
        pat_locals(last, &mut |id| ids.push(id));
        let mut fresh = Vec::new();
        for id in ids {
            if self.frame.fixed.insert(id) {
                fresh.push(id);
                if self.is_boxed(id) {
                    let ty = self.local_ty(id)?;
                    let (_, cell_ty) = self.cx.cell(ty)?;
                    let c = self.code.alloc(cell_ty, false);
                    self.keep(c);
                    self.set_place(id, Place_::Cell(c));
                } else {
                    self.declare(id)?;
                }
            }
        }
        let ok = self.code.label();
        for alt in first {
            let next = self.code.label();
            self.test_pat(alt, r, stable, Some(next))?;
            self.code.jmp(ok);
            self.code.bind(next);
        }
        self.test_pat(last, r, stable, fail)?;
        self.code.bind(ok);
        for id in fresh {
            self.frame.fixed.remove(&id);
        }
        Ok(())
    }
}

/// Whether the pattern matches whatever it is given, by its form alone.
pub(super) fn always(pat: &Pat) -> bool {
    match &pat.kind {
        PatKind::Wild | PatKind::Unit | PatKind::Bind(_, None) => true,
        PatKind::Bind(_, Some(p)) => always(p),
        PatKind::Tuple(ps) => ps.iter().all(always),
        PatKind::Struct(ps) => ps.iter().all(|(_, p)| always(p)),
        _ => false,
    }
}
