//! Function values: literals with their captures, named functions bound or wrapped.
//!
//! What must stay true: a literal's signature is that of the value's type; a captured mutable local is
//! captured as its cell; captures come in the order of first mention.

use super::emit::Reg;
use super::func::{FnCx, Place_};
use super::{FnKey, Res, visit};
use crate::thir::*;
use jet_bytecode::module::FnKind;
use jet_bytecode::opcodes::Op;
use std::rc::Rc;

impl<'p> FnCx<'_, 'p> {
    pub(super) fn lambda(&mut self, e: &'p Expr, l: &'p Lambda, dst: Reg) -> Res<()> {
        let ty = self.ty(e.ty);
        let (f, storable) = match self.cx.tys.kind(ty) {
            TyKind::Fn(f) => (f.clone(), true),
            TyKind::Borrowed(f) => (f.clone(), false),
            _ => return self.bug("a function literal of another type"),
        };
        let mut regs: Vec<Reg> = Vec::new();
        let mut captured = Vec::new();
        for id in visit::captures(l) {
            let (Place_::Reg(r) | Place_::Cell(r)) = self.place(id)? else {
                continue;
            };
            regs.push(r);
            captured.push((id, self.place(id)?));
        }
        let n = self.literals.get() + 1;
        self.literals.set(n);
        let root = self.name.split("#fn").next().unwrap_or("").to_owned();
        let (at, name) = self.cx.declare(format!("{root}#fn{n}"), e.span)?;
        let types: Option<Vec<_>> = regs.iter().map(|r| self.code.reg_type(*r)).collect();
        let Some(types) = types else {
            return self.bug("a capture without a register");
        };
        let mut inner = FnCx::new(&mut *self.cx, name, &f, e.span);
        inner.frame.locals = self.frame.locals;
        inner.frame.targs = Rc::clone(&self.frame.targs);
        inner.frame.boxed = Rc::clone(&self.frame.boxed);
        inner.literals = Rc::clone(&self.literals);
        inner.inlining = self.inlining.clone();
        inner.nesting = self.nesting;
        inner.at(e.span)?;
        let filled = inner.leading(FnKind::Literal, &f)?;
        for (i, ((id, place), ty)) in captured.into_iter().zip(&types).enumerate() {
            // A capability's register has its one definition here.
            let r = inner.code.fresh(*ty, true);
            inner.code.op(Op::GetCapture, r, i as u16, 0);
            inner.set_place(
                id,
                match place {
                    Place_::Cell(_) => Place_::Cell(r),
                    _ => Place_::Reg(r),
                },
            );
        }
        let locals = l.uses.iter().map(|(_, id)| *id).chain(l.params.clone());
        for (id, r) in locals.zip(filled.into_iter().skip(1)) {
            inner.bind_param(id, r)?;
        }
        inner.body(&l.body)?;
        inner.finish(at, FnKind::Literal, &f, types, e.span)?;
        self.at(e.span)?;
        let op = if storable {
            Op::MakeFn
        } else {
            Op::MakeBorrowed
        };
        self.code.func(op, dst, at, &regs);
        Ok(())
    }

    /// A data function turned into a borrowed one.
    pub(super) fn bind_fn(
        &mut self,
        e: &'p Expr,
        func: &'p Expr,
        caps: &'p [Expr],
        dst: Reg,
    ) -> Res<()> {
        if let ExprKind::FnRef(id, targs) = &func.kind {
            // A named function needs no storable value in between.
            let targs = self.tys(targs);
            let key = if caps.is_empty() {
                FnKey::Wrap(*id, targs)
            } else {
                FnKey::Bound(*id, targs)
            };
            let f = self.cx.function(key, e.span)?;
            let all: Vec<&'p Expr> = caps.iter().collect();
            let os = self.operands(&all)?;
            let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
            self.at(e.span)?;
            self.code.func(Op::MakeBorrowed, dst, f, &regs);
            self.drop_all(os);
            return Ok(());
        }
        let mut all: Vec<&'p Expr> = vec![func];
        all.extend(caps);
        let os = self.operands(&all)?;
        let regs: Vec<Reg> = os.iter().map(|o| o.reg).collect();
        self.at(e.span)?;
        if let [f, rest @ ..] = regs.as_slice() {
            self.code.args(Op::BindFn, dst, *f, rest);
        }
        self.drop_all(os);
        Ok(())
    }
}
