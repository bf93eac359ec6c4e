//! One function on its way to bytecode: locals and their registers, scopes, constants, positions, and
//! the work list's functions: instances, wrappers, adapters.
//!
//! What must stay true: a destination register is written as the last act of each path, so the old value
//! of an assigned local can be read until then; an operand that stays in a mutable local's register is
//! copied if something evaluated later may assign the local.

use super::defer::Defers;
use super::emit::{ConstVal, Emit, Lbl, Reg};
use super::fuse::Known;
use super::{Cx, MAX_NESTING, Res, bug, build_error, limit, visit};
use crate::source::Span;
use crate::thir::*;
use jet_bytecode::builder::FnRef;
use jet_bytecode::module::{FnKind, Type, TypeIx};
use jet_bytecode::opcodes::{Op, TrapKind};
use rustc_hash::{FxHashMap, FxHashSet};
use std::rc::Rc;

/// Where a local is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place_ {
    /// Not defined yet.
    None,
    /// In a register of its own, or an alias of one that outlives it.
    Reg(Reg),
    /// In the field of the cell in this register.
    Cell(Reg),
    /// Nowhere: what stands for its value is [`FnCx::knowns`] at this index.
    Known(u32),
}

/// The body that is being compiled: the function's own or one that is inlined into it.
pub(super) struct Frame<'p> {
    pub locals: &'p [LocalDef],
    pub targs: Rc<[Ty]>,
    pub places: Vec<Place_>,
    pub boxed: Rc<FxHashSet<LocalId>>,
    /// Position that stands for all positions of an inlined body.
    pub span: Option<Span>,
    /// In an inlined body: what `return` does.
    pub ret: Option<RetTo>,
    /// Locals whose registers patterns of an or-pattern share.
    pub fixed: FxHashSet<LocalId>,
    /// Locals that hold structs to be taken apart.
    pub scalars: Rc<FxHashSet<LocalId>>,
}

/// What `return` does in an inlined body.
#[derive(Clone, Copy, Debug)]
pub(super) enum RetTo {
    /// Puts its value there, if it is wanted, and jumps.
    Value(Option<Reg>, Lbl),
    /// Takes an option apart: the payload of `Some` goes there and to the first label, `None` to the second.
    Option(Option<Reg>, Lbl, Lbl),
}

/// A `try` whose body is being compiled.
pub(super) struct Handler {
    /// How many blocks with `defer` are around it.
    pub depth: usize,
    pub catches: Vec<(Ty, Option<Reg>, Lbl)>,
}

/// A loop whose body is being compiled.
pub(super) struct LoopCx {
    /// How many blocks with `defer` are around it.
    pub depth: usize,
    pub id: LoopId,
    pub next: Lbl,
    pub end: Lbl,
}

/// A register with a value; `temp` says that it is to be freed.
#[derive(Debug)]
pub(super) struct Opnd {
    pub reg: Reg,
    pub temp: bool,
}

/// A function being compiled.
pub(super) struct FnCx<'c, 'p> {
    pub cx: &'c mut Cx<'p>,
    pub code: Emit,
    pub frame: Frame<'p>,
    pub scopes: Vec<Vec<Reg>>,
    pub handlers: Vec<Handler>,
    pub loops: Vec<LoopCx>,
    pub defers: Defers<'p>,
    pub ret: Ty,
    pub errs: Ty,
    pub name: String,
    pub literals: Rc<std::cell::Cell<u32>>,
    pub span: Span,
    /// Whether instructions are placed at `span`.
    pub placed: bool,
    pub inlining: Vec<FnId>,
    pub raise_out: FxHashMap<Reg, Lbl>,
    pub nesting: u32,
    pub knowns: Vec<Known<'p>>,
    /// How many standard functions are being compiled in place.
    pub fused: u32,
    /// Whether equal parts are those that are the same as keys.
    pub keyed: bool,
}

impl<'c, 'p> FnCx<'c, 'p> {
    pub(super) fn new(cx: &'c mut Cx<'p>, name: String, f: &FnTy, span: Span) -> FnCx<'c, 'p> {
        FnCx {
            cx,
            code: Emit::new(),
            frame: Frame {
                locals: &[],
                targs: Rc::from([]),
                places: Vec::new(),
                boxed: Rc::default(),
                span: None,
                ret: None,
                fixed: FxHashSet::default(),
                scalars: Rc::default(),
            },
            scopes: vec![Vec::new()],
            handlers: Vec::new(),
            loops: Vec::new(),
            defers: Defers::default(),
            ret: f.ret,
            errs: f.errs,
            name,
            literals: Rc::default(),
            span,
            placed: false,
            inlining: Vec::new(),
            raise_out: FxHashMap::default(),
            nesting: 0,
            knowns: Vec::new(),
            fused: 0,
            keyed: false,
        }
    }

    /// The concrete type behind a type of the body.
    pub(super) fn ty(&mut self, ty: Ty) -> Ty {
        let targs = Rc::clone(&self.frame.targs);
        self.cx.tys.subst(ty, &targs)
    }

    pub(super) fn tys(&mut self, tys: &[Ty]) -> Vec<Ty> {
        tys.iter().map(|t| self.ty(*t)).collect()
    }

    pub(super) fn bug<T>(&self, what: impl std::fmt::Display) -> Res<T> {
        bug(self.span, what)
    }

    // Positions.

    /// Instructions from here on stand for this place.
    pub(super) fn at(&mut self, span: Span) -> Res<()> {
        let span = self.frame.span.unwrap_or(span);
        if span == self.span && self.placed {
            return Ok(());
        }
        self.span = span;
        self.placed = true;
        let (line, col) = self.cx.sources.line_col(span);
        let file = self.cx.file(span.file);
        self.code.set_line(file, line.max(1), col.max(1));
        Ok(())
    }

    // Registers.

    /// A register for a value of this type, freed by hand.
    pub(super) fn temp(&mut self, ty: Ty) -> Res<Reg> {
        let unique = self.cx.second_class(ty);
        let ix = self.cx.ty_ix(ty)?;
        Ok(self.code.alloc(ix, unique))
    }

    pub(super) fn temp_opnd(&mut self, ty: Ty) -> Res<Opnd> {
        Ok(Opnd {
            reg: self.temp(ty)?,
            temp: true,
        })
    }

    /// A register that is freed when the innermost scope ends.
    pub(super) fn scoped(&mut self, ty: Ty) -> Res<Reg> {
        let r = self.temp(ty)?;
        self.keep(r);
        Ok(r)
    }

    /// Leaves a register to the innermost scope.
    pub(super) fn keep(&mut self, r: Reg) {
        if let Some(s) = self.scopes.last_mut() {
            s.push(r);
        }
    }

    pub(super) fn drop(&mut self, o: Opnd) {
        if o.temp {
            self.code.free(o.reg);
        }
    }

    pub(super) fn drop_all(&mut self, os: Vec<Opnd>) {
        for o in os {
            self.drop(o);
        }
    }

    pub(super) fn push_scope(&mut self) {
        self.scopes.push(Vec::new());
    }

    pub(super) fn pop_scope(&mut self) {
        for r in self.scopes.pop().unwrap_or_default() {
            self.code.free(r);
        }
    }

    // Constants.

    /// Where a constant comes from.
    pub(super) fn int_const(&mut self, v: i64) -> Res<ConstVal> {
        Ok(match i32::try_from(v) {
            Ok(i) => ConstVal::Imm(i),
            Err(_) => ConstVal::Pool(self.cx.unit()?.b.const_int(v)),
        })
    }

    pub(super) fn float_const(&mut self, v: f64) -> Res<ConstVal> {
        Ok(ConstVal::Pool(self.cx.unit()?.b.const_float(v)))
    }

    pub(super) fn str_const(&mut self, v: &str) -> Res<ConstVal> {
        Ok(ConstVal::Pool(self.cx.unit()?.b.const_str(v)))
    }

    /// A register that holds a constant, hoisted out of the loops around if there are any.
    pub(super) fn const_opnd(&mut self, ty: Ty, v: ConstVal) -> Res<Opnd> {
        let ix = self.cx.ty_ix(ty)?;
        if let Some(reg) = self.code.hoisted(ix, v) {
            return Ok(Opnd { reg, temp: false });
        }
        let o = self.temp_opnd(ty)?;
        self.code.constant(o.reg, v);
        Ok(o)
    }

    pub(super) fn int_opnd(&mut self, v: i64) -> Res<Opnd> {
        let c = self.int_const(v)?;
        self.const_opnd(TyTable::INT, c)
    }

    pub(super) fn str_opnd(&mut self, v: &str) -> Res<Opnd> {
        let c = self.str_const(v)?;
        self.const_opnd(TyTable::STR, c)
    }

    // Locals.

    pub(super) fn local_def(&self, id: LocalId) -> Res<&'p LocalDef> {
        match self.frame.locals.get(id.0 as usize) {
            Some(d) => Ok(d),
            None => self.bug("no such local"),
        }
    }

    pub(super) fn place(&self, id: LocalId) -> Res<Place_> {
        match self.frame.places.get(id.0 as usize) {
            Some(Place_::None) | None => {
                let name = self.local_def(id).map_or("?", |d| d.name.as_str());
                self.bug(format!("local `{name}` is read before it is defined"))
            }
            Some(p) => Ok(*p),
        }
    }

    pub(super) fn set_place(&mut self, id: LocalId, p: Place_) {
        let i = id.0 as usize;
        if self.frame.places.len() <= i {
            self.frame.places.resize(i + 1, Place_::None);
        }
        if let Some(slot) = self.frame.places.get_mut(i) {
            *slot = p;
        }
    }

    pub(super) fn is_boxed(&self, id: LocalId) -> bool {
        self.frame.boxed.contains(&id)
    }

    pub(super) fn local_ty(&mut self, id: LocalId) -> Res<Ty> {
        let d = self.local_def(id)?;
        Ok(self.ty(d.ty))
    }

    /// A register of its own for a local that is not in a cell.
    pub(super) fn declare(&mut self, id: LocalId) -> Res<Reg> {
        let ty = self.local_ty(id)?;
        let r = self.scoped(ty)?;
        self.set_place(id, Place_::Reg(r));
        Ok(r)
    }

    /// Binds a local to a value. `stable`: the register keeps the value as long as the local lives.
    pub(super) fn bind_local(&mut self, id: LocalId, value: Reg, stable: bool) -> Res<()> {
        let d = self.local_def(id)?;
        let ty = self.ty(d.ty);
        if self.is_boxed(id) {
            let cell = match self.frame.places.get(id.0 as usize) {
                Some(Place_::Cell(c)) if self.frame.fixed.contains(&id) => *c,
                _ => {
                    let (_, cell_ty) = self.cx.cell(ty)?;
                    let c = self.code.alloc(cell_ty, false);
                    self.keep(c);
                    self.set_place(id, Place_::Cell(c));
                    c
                }
            };
            self.code.args(Op::New, cell, 0, &[value]);
            return Ok(());
        }
        if self.frame.fixed.contains(&id)
            && let Some(Place_::Reg(r)) = self.frame.places.get(id.0 as usize).copied()
        {
            self.code.mov(r, value);
            return Ok(());
        }
        if stable && !d.mutable {
            self.set_place(id, Place_::Reg(value));
            return Ok(());
        }
        let r = self.declare(id)?;
        self.code.mov(r, value);
        Ok(())
    }

    // Operands.

    /// A register with the expression's value; locals stay where they are.
    pub(super) fn operand(&mut self, e: &'p Expr) -> Res<Opnd> {
        if self.code.dead() {
            // Nothing is emitted here, and names may be undefined.
            let ty = self.ty(e.ty);
            return self.temp_opnd(ty);
        }
        match &e.kind {
            ExprKind::Local(id) => match self.place(*id)? {
                Place_::Reg(reg) => return Ok(Opnd { reg, temp: false }),
                Place_::Cell(cell) => {
                    let ty = self.local_ty(*id)?;
                    let o = self.temp_opnd(ty)?;
                    self.code.op(Op::GetField, o.reg, cell, 0);
                    return Ok(o);
                }
                Place_::None => {}
                Place_::Known(_) => return self.bug("a known value is needed as such"),
            },
            ExprKind::Field(of, i) => {
                if let Some(Place_::Reg(reg)) = self.known_field(of, *i) {
                    return Ok(Opnd { reg, temp: false });
                }
            }
            ExprKind::Block(stmts, Some(tail)) if stmts.is_empty() => return self.operand(tail),
            _ => {}
        }
        let ty = self.ty(e.ty);
        if let Some(c) = self.const_of(e)? {
            return self.const_opnd(ty, c);
        }
        let o = self.temp_opnd(ty)?;
        self.expr(e, Some(o.reg))?;
        Ok(o)
    }

    /// Registers with the values of several expressions, evaluated in order.
    pub(super) fn operands(&mut self, es: &[&'p Expr]) -> Res<Vec<Opnd>> {
        let mut out = Vec::with_capacity(es.len());
        for (i, e) in es.iter().enumerate() {
            let o = self.operand(e)?;
            out.push(self.guard_operand(o, e, es.get(i + 1..).unwrap_or(&[]))?);
        }
        Ok(out)
    }

    /// Copies an operand if it is a local that one of the later expressions may assign.
    pub(super) fn guard_operand(&mut self, o: Opnd, e: &Expr, later: &[&'p Expr]) -> Res<Opnd> {
        let mut inner = e;
        while let ExprKind::Block(s, Some(t)) = &inner.kind
            && s.is_empty()
        {
            inner = t;
        }
        if let ExprKind::Local(id) = &inner.kind
            && !o.temp
            && self.local_def(*id)?.mutable
            && later.iter().any(|l| visit::assigns(l, *id))
        {
            let ty = self.ty(e.ty);
            let copy = self.temp_opnd(ty)?;
            self.code.mov(copy.reg, o.reg);
            return Ok(copy);
        }
        Ok(o)
    }

    /// The value if the expression is a literal or a constant that stands for one.
    pub(super) fn const_of(&mut self, e: &'p Expr) -> Res<Option<ConstVal>> {
        Ok(match &e.kind {
            ExprKind::Float(v) => Some(self.float_const(*v)?),
            ExprKind::Str(s) => Some(self.str_const(s)?),
            ExprKind::Unary(UnOp::Neg, a) => match self.literal(a).map(|a| &a.kind) {
                Some(ExprKind::Float(v)) => Some(self.float_const(-*v)?),
                _ => match self.imm_of(e) {
                    Some(v) => Some(self.int_const(v)?),
                    None => None,
                },
            },
            ExprKind::Construct { variant, fields } if fields.is_empty() => {
                let ty = self.ty(e.ty);
                let plain = self.cx.plain_enum(ty);
                plain.then_some(ConstVal::Imm(*variant as i32))
            }
            ExprKind::Const(_) => match self.literal(e) {
                Some(v) => self.const_of(v)?,
                None => None,
            },
            _ => match self.imm_of(e) {
                Some(v) => Some(self.int_const(v)?),
                None => None,
            },
        })
    }

    /// Looks through constants and empty blocks for a literal.
    fn literal(&self, e: &'p Expr) -> Option<&'p Expr> {
        let prog = self.cx.prog;
        let mut e = e;
        for _ in 0..32 {
            match &e.kind {
                ExprKind::Const(id) => e = &prog.consts.get(id.0 as usize)?.value,
                ExprKind::Int(_)
                | ExprKind::Float(_)
                | ExprKind::Bool(_)
                | ExprKind::Byte(_)
                | ExprKind::Char(_)
                | ExprKind::Str(_)
                | ExprKind::Unary(UnOp::Neg, _) => return Some(e),
                _ => return None,
            }
        }
        None
    }

    /// The value of an int, bool, byte or char literal as a number.
    pub(super) fn imm_of(&self, e: &'p Expr) -> Option<i64> {
        match &self.literal(e)?.kind {
            ExprKind::Int(v) => Some(*v),
            ExprKind::Bool(b) => Some(i64::from(*b)),
            ExprKind::Byte(b) => Some(i64::from(*b)),
            ExprKind::Char(c) => Some(i64::from(u32::from(*c))),
            ExprKind::Unary(UnOp::Neg, a) => match &self.literal(a)?.kind {
                ExprKind::Int(v) => v.checked_neg(),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn trap(&mut self, kind: TrapKind) {
        self.code.op(Op::Trap, kind as u16, 0, 0);
    }

    /// Guards against expressions nested beyond what the stack of this process takes.
    pub(super) fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        if self.nesting > MAX_NESTING {
            return limit(self.span, "an expression nests too deeply");
        }
        self.nesting += 1;
        let r = f(self);
        self.nesting -= 1;
        r
    }

    // Whole functions.

    /// Registers for what a call fills; gives the number.
    pub(super) fn leading(&mut self, kind: FnKind, f: &FnTy) -> Res<Vec<Reg>> {
        let mut regs = Vec::new();
        if kind == FnKind::Literal {
            let env = self.cx.unit()?.b.ty(Type::Env);
            regs.push(self.code.fresh(env, true));
        }
        for c in &f.uses {
            let t = self.cx.tys.intern(TyKind::Cap(*c));
            let ix = self.cx.ty_ix(t)?;
            regs.push(self.code.fresh(ix, true));
        }
        for p in &f.params {
            let ix = self.cx.ty_ix(*p)?;
            regs.push(self.code.fresh(ix, true));
        }
        Ok(regs)
    }

    /// Puts a parameter into its cell if it lives in one.
    pub(super) fn bind_param(&mut self, id: LocalId, r: Reg) -> Res<()> {
        if self.is_boxed(id) {
            self.bind_local(id, r, false)
        } else {
            self.set_place(id, Place_::Reg(r));
            Ok(())
        }
    }

    /// Compiles a body as the whole of the function, whose value counts only if `yields`.
    pub(super) fn body(&mut self, body: &'p Expr) -> Res<()> {
        let ret = self.ret;
        let unit = matches!(self.cx.tys.kind(ret), TyKind::Unit | TyKind::Never);
        let ty = self.ty(body.ty);
        if ty == TyTable::NEVER || unit || ty != ret {
            self.expr(body, None)?;
            if unit {
                self.ret_unit()?;
            } else if !self.code.dead() {
                self.trap(TrapKind::Unreachable);
            }
        } else {
            let o = self.operand(body)?;
            self.code.op(Op::Ret, o.reg, 0, 0);
            self.drop(o);
        }
        Ok(())
    }

    pub(super) fn ret_unit(&mut self) -> Res<()> {
        if !self.code.dead() {
            let r = self.temp(TyTable::UNIT)?;
            self.code.imm(r, 0);
            self.code.op(Op::Ret, r, 0, 0);
            self.code.free(r);
        }
        Ok(())
    }

    /// Encodes the function and puts it where it was declared.
    pub(super) fn finish(
        mut self,
        at: FnRef,
        kind: FnKind,
        f: &FnTy,
        captures: Vec<TypeIx>,
        span: Span,
    ) -> Res<()> {
        self.way_out()?;
        let sig = self.cx.sig(f)?;
        let leading = usize::from(kind == FnKind::Literal) + f.uses.len() + f.params.len();
        let done = self
            .code
            .finish(self.name, kind, sig, captures, leading)
            .map_err(|e| build_error(e, span))?;
        self.cx.unit()?.b.define(at, done);
        Ok(())
    }
}
