//! Derived methods in bytecode: `eq`, `hash`, `show`, `cmp` by structure.
//!
//! What must stay true: `==` on floats is IEEE, `hash` and `cmp` go by their total order; strings and
//! characters inside other values are shown as literals; recursion goes through calls.

use super::emit::{Lbl, Reg};
use super::func::{FnCx, Opnd};
use super::ops::CmpKind;
use super::{Cx, Derive, FnKey, Res, bug, limit};
use crate::source::Span;
use crate::thir::*;
use jet_bytecode::builder::FnRef;
use jet_bytecode::builtins::Builtin;
use jet_bytecode::module::FnKind;
use jet_bytecode::opcodes::Op;
use rustc_hash::FxHashSet;

const LESS: i32 = 0;
const EQUAL: i32 = 1;
const GREATER: i32 = 2;

/// A part of a value: how it is loaded, its type, its name.
struct Part {
    op: Op,
    index: u16,
    ty: Ty,
    name: String,
}

impl<'p> Cx<'p> {
    pub(super) fn compile_derived(
        &mut self,
        d: Derive,
        ty: Ty,
        at: FnRef,
        name: String,
    ) -> Res<()> {
        let ordering = match self.prog.lang.ordering {
            Some(id) => self.tys.intern(TyKind::Adt(id, Vec::new())),
            None => TyTable::UNIT,
        };
        let (params, ret) = match d {
            Derive::Eq | Derive::Key => (vec![ty, ty], TyTable::BOOL),
            Derive::Hash => (vec![ty], TyTable::INT),
            Derive::Show => (vec![ty], TyTable::STR),
            Derive::Cmp => (vec![ty, ty], ordering),
        };
        let f = FnTy {
            params,
            uses: Vec::new(),
            ret,
            errs: TyTable::NEVER,
        };
        let span = self.adt(ty).map_or(Span::default(), |(_, d, _)| d.span);
        let mut fx = FnCx::new(self, name, &f, span);
        fx.at(span)?;
        let regs = fx.leading(FnKind::Named, &f)?;
        let a = regs.first().copied().unwrap_or(0);
        let b = regs.get(1).copied().unwrap_or(a);
        match d {
            Derive::Eq => fx.derive_eq(ty, a, b)?,
            Derive::Hash => fx.derive_hash(ty, a)?,
            Derive::Show => fx.derive_show(ty, a)?,
            Derive::Cmp => fx.derive_cmp(ty, a, b)?,
            Derive::Key => {
                fx.keyed = true;
                fx.derive_eq(ty, a, b)?;
            }
        }
        fx.finish(at, FnKind::Named, &f, Vec::new(), span)
    }

    /// Whether values of the type hold floats.
    pub(super) fn holds_float(&mut self, ty: Ty, seen: &mut FxHashSet<Ty>) -> bool {
        if !seen.insert(ty) {
            return false;
        }
        match self.tys.kind(ty).clone() {
            TyKind::Float => true,
            TyKind::List(t) => self.holds_float(t, seen),
            TyKind::Tuple(ts) | TyKind::ErrSet(ts) => ts.iter().any(|t| self.holds_float(*t, seen)),
            TyKind::Adt(_, args) => {
                let Some((_, def, _)) = self.adt(ty) else {
                    return false;
                };
                def.variants.iter().flat_map(|v| &v.fields).any(|f| {
                    let fty = self.tys.subst(f.ty, &args);
                    self.holds_float(fty, seen)
                })
            }
            _ => false,
        }
    }

    /// Whether values of the type hold something that can change.
    pub(super) fn needs_copy(&mut self, ty: Ty, seen: &mut FxHashSet<Ty>) -> bool {
        if !seen.insert(ty) {
            return false;
        }
        match self.tys.kind(ty).clone() {
            TyKind::List(_) => true,
            TyKind::Tuple(ts) => ts.iter().any(|t| self.needs_copy(*t, seen)),
            TyKind::Adt(_, args) => {
                let Some((_, def, _)) = self.adt(ty) else {
                    return false;
                };
                def.variants.iter().flat_map(|v| &v.fields).any(|f| {
                    f.mutable || {
                        let fty = self.tys.subst(f.ty, &args);
                        self.needs_copy(fty, seen)
                    }
                })
            }
            _ => false,
        }
    }
}

impl<'p> FnCx<'_, 'p> {
    /// The derived function on registers: in place where it is one instruction, else a call.
    pub(super) fn derived(&mut self, d: Derive, ty: Ty, regs: &[Reg], dst: Reg) -> Res<()> {
        let a = regs.first().copied().unwrap_or(0);
        let b = regs.get(1).copied().unwrap_or(0);
        let kind = self.cmp_kind(ty, d == Derive::Cmp);
        match (d, kind) {
            (Derive::Eq, CmpKind::Word) => self.code.op(Op::EqWord, dst, a, b),
            (Derive::Eq, CmpKind::Float) => self.code.op(Op::EqFloat, dst, a, b),
            (Derive::Eq, CmpKind::Str) => self.code.op(Op::StrEq, dst, a, b),
            (Derive::Eq, CmpKind::Unit) => self.code.imm(dst, 1),
            (Derive::Hash, CmpKind::Word) if ty == TyTable::INT => {
                self.code.op(Op::HashWord, dst, a, 0);
            }
            (Derive::Hash, CmpKind::Word) => {
                let t = self.temp(TyTable::INT)?;
                self.code.op(Op::WordToInt, t, a, 0);
                self.code.op(Op::HashWord, dst, t, 0);
                self.code.free(t);
            }
            (Derive::Hash, CmpKind::Float) => {
                let t = self.temp(TyTable::INT)?;
                self.builtin(Builtin::FloatBits, t, &[a]);
                self.code.op(Op::HashWord, dst, t, 0);
                self.code.free(t);
            }
            (Derive::Hash, CmpKind::Str) => self.code.op(Op::HashStr, dst, a, 0),
            (Derive::Hash, CmpKind::Unit) => self.code.imm(dst, 1),
            (Derive::Cmp, CmpKind::Word) => {
                let (less, equal, end) = (self.code.label(), self.code.label(), self.code.label());
                self.code.jump(Op::JLt, a, b, less);
                self.code.jump(Op::JEq, a, b, equal);
                self.ordering_ends(dst, less, equal, end);
            }
            (Derive::Cmp, CmpKind::Float | CmpKind::Str) => {
                let t = self.temp(TyTable::INT)?;
                let op = if kind == CmpKind::Float {
                    Op::CmpFloat
                } else {
                    Op::StrCmp
                };
                self.code.op(op, t, a, b);
                let (less, equal, end) = (self.code.label(), self.code.label(), self.code.label());
                self.code.jump(Op::JLtImm, t, 0, less);
                self.code.jump(Op::JEqImm, t, 0, equal);
                self.ordering_ends(dst, less, equal, end);
                self.code.free(t);
            }
            (Derive::Cmp, CmpKind::Unit) => self.code.imm(dst, EQUAL),
            (Derive::Show, _) if self.show_simple(ty, a, dst)? => {}
            _ => {
                let f = self.cx.function(FnKey::Derived(d, ty), self.span)?;
                self.code.func(Op::Call, dst, f, regs);
            }
        }
        Ok(())
    }

    /// Falls through as greater.
    fn ordering_ends(&mut self, dst: Reg, less: Lbl, equal: Lbl, end: Lbl) {
        self.code.imm(dst, GREATER);
        self.code.jmp(end);
        self.code.bind(less);
        self.code.imm(dst, LESS);
        self.code.jmp(end);
        self.code.bind(equal);
        self.code.imm(dst, EQUAL);
        self.code.bind(end);
    }

    fn show_simple(&mut self, ty: Ty, a: Reg, dst: Reg) -> Res<bool> {
        match self.cx.tys.kind(ty) {
            TyKind::Int => self.builtin(Builtin::IntToStr, dst, &[a]),
            TyKind::Float => self.builtin(Builtin::FloatToStr, dst, &[a]),
            TyKind::Char => self.builtin(Builtin::CharToStr, dst, &[a]),
            TyKind::Str => self.code.mov(dst, a),
            TyKind::Byte => {
                let t = self.temp(TyTable::INT)?;
                self.code.op(Op::WordToInt, t, a, 0);
                self.builtin(Builtin::IntToStr, dst, &[t]);
                self.code.free(t);
            }
            TyKind::Bool => {
                let yes = self.str_const("true")?;
                let no = self.str_const("false")?;
                let (f, end) = (self.code.label(), self.code.label());
                self.code.jump(Op::JmpIfNot, a, 0, f);
                self.code.constant(dst, yes);
                self.code.jmp(end);
                self.code.bind(f);
                self.code.constant(dst, no);
                self.code.bind(end);
            }
            TyKind::Unit => {
                let c = self.str_const("()")?;
                self.code.constant(dst, c);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The text of a value inside another.
    pub(super) fn show_inner(&mut self, ty: Ty, a: Reg, dst: Reg) -> Res<()> {
        match self.cx.tys.kind(ty) {
            TyKind::Str => self.builtin(Builtin::StrQuote, dst, &[a]),
            TyKind::Char => self.builtin(Builtin::CharQuote, dst, &[a]),
            _ => self.show_reg(ty, a, dst)?,
        }
        Ok(())
    }

    /// The parts of a struct, tuple or variant.
    fn parts(&mut self, ty: Ty, variant: usize) -> Res<Vec<Part>> {
        if let TyKind::Tuple(ts) = self.cx.tys.kind(ty).clone() {
            return Ok((0u16..)
                .zip(ts)
                .map(|(index, ty)| Part {
                    op: Op::GetField,
                    index,
                    ty,
                    name: String::new(),
                })
                .collect());
        }
        let Some((_, def, args)) = self.cx.adt(ty) else {
            let name = self.cx.mangle(ty)?;
            return limit(
                self.span,
                format!("no equality, hash or order for `{name}`: not supported yet"),
            );
        };
        let op = match def.kind {
            AdtKind::Struct => Op::GetField,
            AdtKind::Enum | AdtKind::Error => Op::GetPayload,
            _ => return self.bug("a derived function of a handle or attenuator"),
        };
        let Some(v) = def.variants.get(variant) else {
            return Ok(Vec::new());
        };
        let base = if op == Op::GetPayload {
            (variant as u16).wrapping_mul(256)
        } else {
            0
        };
        let mut out = Vec::new();
        for (i, f) in v.fields.iter().enumerate() {
            out.push(Part {
                op,
                index: base.wrapping_add(i as u16),
                ty: self.cx.tys.subst(f.ty, &args),
                name: f.name.clone(),
            });
        }
        Ok(out)
    }

    fn load(&mut self, part: &Part, from: Reg) -> Res<Opnd> {
        let o = self.temp_opnd(part.ty)?;
        self.code.op(part.op, o.reg, from, part.index);
        Ok(o)
    }

    /// The variants of an enum, or nothing.
    fn enum_def(&self, ty: Ty) -> Option<&'p AdtDef> {
        let (_, def, _) = self.cx.adt(ty)?;
        matches!(def.kind, AdtKind::Enum | AdtKind::Error).then_some(def)
    }

    fn members(&self, ty: Ty) -> Option<Vec<Ty>> {
        match self.cx.tys.kind(ty) {
            TyKind::ErrSet(ms) => Some(ms.clone()),
            _ => None,
        }
    }

    fn elem(&self, ty: Ty) -> Option<Ty> {
        match self.cx.tys.kind(ty) {
            TyKind::List(t) => Some(*t),
            _ => None,
        }
    }

    /// Runs `f` for each index below `n`.
    fn each(&mut self, n: Reg, f: impl FnOnce(&mut Self, Reg) -> Res<()>) -> Res<()> {
        let i = self.temp(TyTable::INT)?;
        self.code.imm(i, 0);
        let (head, test) = (self.code.label(), self.code.label());
        self.code.jmp(test);
        self.code.bind_back(head);
        f(self, i)?;
        self.code.op(Op::AddImm, i, i, 1);
        self.code.bind(test);
        self.code.jump(Op::JLt, i, n, head);
        self.code.free(i);
        Ok(())
    }

    fn ret_imm(&mut self, ty: Ty, v: i32) -> Res<()> {
        let r = self.temp(ty)?;
        self.code.imm(r, v);
        self.code.op(Op::Ret, r, 0, 0);
        self.code.free(r);
        Ok(())
    }

    fn jump_unless_eq(&mut self, ty: Ty, a: Reg, b: Reg, no: Lbl) -> Res<()> {
        if self.keyed && self.cx.holds_float(ty, &mut FxHashSet::default()) {
            let t = self.temp(TyTable::BOOL)?;
            self.same_key(ty, &[a, b], t)?;
            self.code.jump(Op::JmpIfNot, t, 0, no);
            self.code.free(t);
            return Ok(());
        }
        match self.cmp_kind(ty, false) {
            CmpKind::Word => self.code.jump(Op::JNe, a, b, no),
            CmpKind::Float => self.code.jump(Op::JNeFloat, a, b, no),
            CmpKind::Unit => {}
            _ => {
                let t = self.temp(TyTable::BOOL)?;
                self.eq_regs(ty, &[a, b], t)?;
                self.code.jump(Op::JmpIfNot, t, 0, no);
                self.code.free(t);
            }
        }
        Ok(())
    }

    /// Whether two registers are the same as keys of a map: as `eq` says, but floats as their order does.
    pub(super) fn same_key(&mut self, ty: Ty, regs: &[Reg], dst: Reg) -> Res<()> {
        let eq = self.cx.prog.lang.eq;
        if self.cx.has_impl(eq, ty) || !self.cx.holds_float(ty, &mut FxHashSet::default()) {
            return self.eq_regs(ty, regs, dst);
        }
        if let (TyTable::FLOAT, [a, b]) = (ty, regs) {
            let t = self.temp(TyTable::INT)?;
            let end = self.code.label();
            self.code.op(Op::CmpFloat, t, *a, *b);
            self.code.imm(dst, 1);
            self.code.jump(Op::JEqImm, t, 0, end);
            self.code.imm(dst, 0);
            self.code.bind(end);
            self.code.free(t);
            return Ok(());
        }
        let f = self
            .cx
            .function(FnKey::Derived(Derive::Key, ty), self.span)?;
        self.code.func(Op::Call, dst, f, regs);
        Ok(())
    }

    fn eq_parts(&mut self, parts: &[Part], a: Reg, b: Reg, no: Lbl) -> Res<()> {
        for p in parts {
            let x = self.load(p, a)?;
            let y = self.load(p, b)?;
            self.jump_unless_eq(p.ty, x.reg, y.reg, no)?;
            self.drop(x);
            self.drop(y);
        }
        Ok(())
    }

    fn derive_eq(&mut self, ty: Ty, a: Reg, b: Reg) -> Res<()> {
        let no = self.code.label();
        if let Some(elem) = self.elem(ty) {
            let n = self.temp(TyTable::INT)?;
            let m = self.temp(TyTable::INT)?;
            self.code.op(Op::ListLen, n, a, 0);
            self.code.op(Op::ListLen, m, b, 0);
            self.code.jump(Op::JNe, n, m, no);
            self.each(n, |me, i| {
                let x = me.temp_opnd(elem)?;
                let y = me.temp_opnd(elem)?;
                me.code.op(Op::ListGet, x.reg, a, i);
                me.code.op(Op::ListGet, y.reg, b, i);
                me.jump_unless_eq(elem, x.reg, y.reg, no)?;
                me.drop(x);
                me.drop(y);
                Ok(())
            })?;
            self.ret_imm(TyTable::BOOL, 1)?;
        } else if let Some(ms) = self.members(ty) {
            for m in ms {
                let ix = self.cx.ty_ix(m)?;
                let (is, both, next) = (self.code.label(), self.code.label(), self.code.label());
                self.code.jump(Op::JErrIs, a, ix, is);
                self.code.jmp(next);
                self.code.bind(is);
                self.code.jump(Op::JErrIs, b, ix, both);
                self.code.jmp(no);
                self.code.bind(both);
                let x = self.temp(m)?;
                let y = self.temp(m)?;
                self.code.op(Op::ErrCast, x, a, 0);
                self.code.op(Op::ErrCast, y, b, 0);
                let t = self.temp(TyTable::BOOL)?;
                if self.keyed {
                    self.same_key(m, &[x, y], t)?;
                } else {
                    self.eq_regs(m, &[x, y], t)?;
                }
                self.code.op(Op::Ret, t, 0, 0);
                self.code.bind(next);
                for r in [t, y, x] {
                    self.code.free(r);
                }
            }
            self.code.bind(no);
            self.ret_imm(TyTable::BOOL, 0)?;
            return Ok(());
        } else if let Some(def) = self.enum_def(ty) {
            let n = self.temp(TyTable::INT)?;
            let m = self.temp(TyTable::INT)?;
            self.code.op(Op::GetTag, n, a, 0);
            self.code.op(Op::GetTag, m, b, 0);
            self.code.jump(Op::JNe, n, m, no);
            for (i, v) in def.variants.iter().enumerate() {
                if v.fields.is_empty() {
                    continue;
                }
                let next = self.code.label();
                self.code.jump(Op::JNeImm, n, i as u16, next);
                let parts = self.parts(ty, i)?;
                self.eq_parts(&parts, a, b, no)?;
                self.ret_imm(TyTable::BOOL, 1)?;
                self.code.bind(next);
            }
            self.ret_imm(TyTable::BOOL, 1)?;
        } else {
            let parts = self.parts(ty, 0)?;
            self.eq_parts(&parts, a, b, no)?;
            self.ret_imm(TyTable::BOOL, 1)?;
        }
        self.code.bind(no);
        if !self.code.dead() {
            self.ret_imm(TyTable::BOOL, 0)?;
        }
        Ok(())
    }

    fn hash_reg(&mut self, ty: Ty, r: Reg, dst: Reg) -> Res<()> {
        let t = self.cx.prog.lang.hash;
        self.lang_call(t, Derive::Hash, ty, &[r], dst)
    }

    fn hash_parts(&mut self, parts: &[Part], a: Reg, h: Reg) -> Res<()> {
        for p in parts {
            let x = self.load(p, a)?;
            let t = self.temp(TyTable::INT)?;
            self.hash_reg(p.ty, x.reg, t)?;
            self.code.op(Op::HashMix, h, h, t);
            self.code.free(t);
            self.drop(x);
        }
        Ok(())
    }

    fn derive_hash(&mut self, ty: Ty, a: Reg) -> Res<()> {
        let h = self.temp(TyTable::INT)?;
        if let Some(elem) = self.elem(ty) {
            let n = self.temp(TyTable::INT)?;
            self.code.op(Op::ListLen, n, a, 0);
            self.code.op(Op::HashWord, h, n, 0);
            self.each(n, |me, i| {
                let x = me.temp_opnd(elem)?;
                me.code.op(Op::ListGet, x.reg, a, i);
                let t = me.temp(TyTable::INT)?;
                me.hash_reg(elem, x.reg, t)?;
                me.code.op(Op::HashMix, h, h, t);
                me.code.free(t);
                me.drop(x);
                Ok(())
            })?;
        } else if let Some(ms) = self.members(ty) {
            for m in ms {
                let ix = self.cx.ty_ix(m)?;
                let (is, next) = (self.code.label(), self.code.label());
                self.code.jump(Op::JErrIs, a, ix, is);
                self.code.jmp(next);
                self.code.bind(is);
                let x = self.temp(m)?;
                self.code.op(Op::ErrCast, x, a, 0);
                self.hash_reg(m, x, h)?;
                self.code.op(Op::Ret, h, 0, 0);
                self.code.free(x);
                self.code.bind(next);
            }
            self.code.imm(h, 0);
        } else if let Some(def) = self.enum_def(ty) {
            let n = self.temp(TyTable::INT)?;
            self.code.op(Op::GetTag, n, a, 0);
            self.code.op(Op::HashWord, h, n, 0);
            for (i, v) in def.variants.iter().enumerate() {
                if v.fields.is_empty() {
                    continue;
                }
                let next = self.code.label();
                self.code.jump(Op::JNeImm, n, i as u16, next);
                let parts = self.parts(ty, i)?;
                self.hash_parts(&parts, a, h)?;
                self.code.op(Op::Ret, h, 0, 0);
                self.code.bind(next);
            }
        } else {
            let parts = self.parts(ty, 0)?;
            self.code.imm(h, parts.len() as i32);
            self.hash_parts(&parts, a, h)?;
        }
        self.code.op(Op::Ret, h, 0, 0);
        Ok(())
    }

    /// Returns the text `open`, the parts with commas, `close`.
    fn show_parts(&mut self, parts: &[Part], a: Reg, open: &str, close: &str) -> Res<()> {
        let mut os: Vec<Opnd> = Vec::new();
        let mut text = open.to_owned();
        let named = parts
            .first()
            .is_some_and(|p| p.op == Op::GetField && !p.name.is_empty());
        for (i, p) in parts.iter().enumerate() {
            if i > 0 {
                text.push_str(", ");
            }
            if named {
                text.push_str(&p.name);
                text.push_str(" = ");
            }
            if !text.is_empty() {
                os.push(self.str_opnd(&std::mem::take(&mut text))?);
            }
            let x = self.load(p, a)?;
            let t = self.temp_opnd(TyTable::STR)?;
            self.show_inner(p.ty, x.reg, t.reg)?;
            self.drop(x);
            os.push(t);
            if os.len() > 40 {
                let t = self.temp_opnd(TyTable::STR)?;
                self.concat_regs(std::mem::take(&mut os), t.reg);
                os.push(t);
            }
        }
        text.push_str(close);
        if !text.is_empty() || os.is_empty() {
            os.push(self.str_opnd(&text)?);
        }
        let t = self.temp(TyTable::STR)?;
        self.concat_regs(os, t);
        self.code.op(Op::Ret, t, 0, 0);
        self.code.free(t);
        Ok(())
    }

    fn derive_show(&mut self, ty: Ty, a: Reg) -> Res<()> {
        if let Some(elem) = self.elem(ty) {
            let strs = self.cx.tys.intern(TyKind::List(TyTable::STR));
            let n = self.temp(TyTable::INT)?;
            let out = self.temp(strs)?;
            self.code.op(Op::ListLen, n, a, 0);
            self.code.op(Op::ListNew, out, n, 0);
            self.each(n, |me, i| {
                let x = me.temp_opnd(elem)?;
                me.code.op(Op::ListGet, x.reg, a, i);
                let t = me.temp(TyTable::STR)?;
                me.show_inner(elem, x.reg, t)?;
                me.code.op(Op::ListPush, out, t, 0);
                me.code.free(t);
                me.drop(x);
                Ok(())
            })?;
            let open = self.str_opnd("[")?;
            let comma = self.str_opnd(", ")?;
            let inner = self.temp_opnd(TyTable::STR)?;
            self.builtin(Builtin::StrJoin, inner.reg, &[out, comma.reg]);
            let close = self.str_opnd("]")?;
            let t = self.temp(TyTable::STR)?;
            self.concat_regs(vec![open, inner, close], t);
            self.code.op(Op::Ret, t, 0, 0);
            return Ok(());
        }
        if let Some(ms) = self.members(ty) {
            let count = ms.len();
            for (i, m) in ms.into_iter().enumerate() {
                let next = self.code.label();
                if i + 1 < count {
                    let ix = self.cx.ty_ix(m)?;
                    let is = self.code.label();
                    self.code.jump(Op::JErrIs, a, ix, is);
                    self.code.jmp(next);
                    self.code.bind(is);
                }
                let x = self.temp(m)?;
                self.code.op(Op::ErrCast, x, a, 0);
                let t = self.temp(TyTable::STR)?;
                self.show_reg(m, x, t)?;
                self.code.op(Op::Ret, t, 0, 0);
                self.code.free(t);
                self.code.free(x);
                self.code.bind(next);
            }
            return Ok(());
        }
        if let Some(def) = self.enum_def(ty) {
            let id = match self.cx.tys.kind(ty) {
                TyKind::Adt(id, _) => Some(*id),
                _ => None,
            };
            let l = &self.cx.prog.lang;
            let bare = id == l.option || id == l.result;
            let count = def.variants.len();
            for (i, v) in def.variants.iter().enumerate() {
                let next = self.code.label();
                if i + 1 < count {
                    self.code.jump(Op::JNotTag, a, i as u16, next);
                }
                let parts = self.parts(ty, i)?;
                let name = if bare {
                    v.name.clone()
                } else {
                    format!("{}.{}", def.name, v.name)
                };
                if parts.is_empty() {
                    let o = self.temp(TyTable::STR)?;
                    let c = self.str_const(&name)?;
                    self.code.constant(o, c);
                    self.code.op(Op::Ret, o, 0, 0);
                    self.code.free(o);
                } else {
                    self.show_parts(&parts, a, &format!("{name}("), ")")?;
                }
                self.code.bind(next);
            }
            return Ok(());
        }
        // What has no content to show is named.
        let opaque = match self.cx.tys.kind(ty) {
            TyKind::Dyn(t, _) => {
                let def = self.cx.prog.traits.get(t.0 as usize);
                Some(def.map_or("object", |t| t.name.as_str()))
            }
            TyKind::Fn(_) => Some("fn"),
            TyKind::Adt(id, _) => {
                let def = self.cx.prog.adts.get(id.0 as usize);
                def.filter(|d| d.kind == AdtKind::Handle)
                    .map(|d| d.name.as_str())
            }
            _ => None,
        };
        if let Some(name) = opaque {
            let t = self.temp(TyTable::STR)?;
            let c = self.str_const(&format!("<{name}>"))?;
            self.code.constant(t, c);
            self.code.op(Op::Ret, t, 0, 0);
            return Ok(());
        }
        let name = match self.cx.adt(ty) {
            Some((_, d, _)) => d.name.clone(),
            None => String::new(),
        };
        let parts = self.parts(ty, 0)?;
        self.show_parts(&parts, a, &format!("{name}("), ")")
    }

    fn cmp_parts(&mut self, parts: &[Part], a: Reg, b: Reg) -> Res<()> {
        let oty = self.ordering_ty()?;
        for p in parts {
            let x = self.load(p, a)?;
            let y = self.load(p, b)?;
            let o = self.temp(oty)?;
            self.cmp_regs(p.ty, &[x.reg, y.reg], o)?;
            let same = self.code.label();
            self.code.jump(Op::JEqImm, o, EQUAL as u16, same);
            self.code.op(Op::Ret, o, 0, 0);
            self.code.bind(same);
            self.code.free(o);
            self.drop(x);
            self.drop(y);
        }
        Ok(())
    }

    /// Returns the order of two ints unless they are equal.
    fn cmp_ints(&mut self, a: Reg, b: Reg) -> Res<()> {
        let oty = self.ordering_ty()?;
        let (less, equal) = (self.code.label(), self.code.label());
        self.code.jump(Op::JEq, a, b, equal);
        self.code.jump(Op::JLt, a, b, less);
        self.ret_imm(oty, GREATER)?;
        self.code.bind(less);
        self.ret_imm(oty, LESS)?;
        self.code.bind(equal);
        Ok(())
    }

    fn derive_cmp(&mut self, ty: Ty, a: Reg, b: Reg) -> Res<()> {
        let oty = self.ordering_ty()?;
        if let Some(elem) = self.elem(ty) {
            let n = self.temp(TyTable::INT)?;
            let m = self.temp(TyTable::INT)?;
            let k = self.temp(TyTable::INT)?;
            self.code.op(Op::ListLen, n, a, 0);
            self.code.op(Op::ListLen, m, b, 0);
            let short = self.code.label();
            self.code.mov(k, n);
            self.code.jump(Op::JLe, n, m, short);
            self.code.mov(k, m);
            self.code.bind(short);
            self.each(k, |me, i| {
                let x = me.temp_opnd(elem)?;
                let y = me.temp_opnd(elem)?;
                me.code.op(Op::ListGet, x.reg, a, i);
                me.code.op(Op::ListGet, y.reg, b, i);
                let o = me.temp(oty)?;
                me.cmp_regs(elem, &[x.reg, y.reg], o)?;
                let same = me.code.label();
                me.code.jump(Op::JEqImm, o, EQUAL as u16, same);
                me.code.op(Op::Ret, o, 0, 0);
                me.code.bind(same);
                me.code.free(o);
                me.drop(x);
                me.drop(y);
                Ok(())
            })?;
            self.cmp_ints(n, m)?;
        } else if let Some(def) = self.enum_def(ty) {
            let n = self.temp(TyTable::INT)?;
            let m = self.temp(TyTable::INT)?;
            self.code.op(Op::GetTag, n, a, 0);
            self.code.op(Op::GetTag, m, b, 0);
            // `None` is before every `Some`, although it is declared behind it.
            match self.cx.tys.kind(ty) {
                TyKind::Adt(id, _) if Some(*id) == self.cx.prog.lang.option => {
                    self.cmp_ints(m, n)?
                }
                _ => self.cmp_ints(n, m)?,
            }
            for (i, v) in def.variants.iter().enumerate() {
                if v.fields.is_empty() {
                    continue;
                }
                let next = self.code.label();
                self.code.jump(Op::JNeImm, n, i as u16, next);
                let parts = self.parts(ty, i)?;
                self.cmp_parts(&parts, a, b)?;
                self.ret_imm(oty, EQUAL)?;
                self.code.bind(next);
            }
        } else if self.members(ty).is_some() {
            return bug(self.span, "an order of error sets");
        } else {
            let parts = self.parts(ty, 0)?;
            self.cmp_parts(&parts, a, b)?;
        }
        if !self.code.dead() {
            self.ret_imm(oty, EQUAL)?;
        }
        Ok(())
    }
}
