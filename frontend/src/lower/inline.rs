//! Inlining of small functions: the one-liners of std and plain getters of the program.
//!
//! What must stay true: an inlined body has no loop, literal, error edge or authority; a function of the
//! program itself is inlined only if it cannot trap, so that the stack of a trap shows it.

use super::emit::{Lbl, Reg};
use super::func::{FnCx, Frame, Opnd, Place_, RetTo};
use super::visit::{Event, walk};
use super::{Cx, Res};
use crate::thir::*;
use jet_bytecode::opcodes::Op;
use rustc_hash::FxHashSet;
use std::rc::Rc;

/// Largest body, in expressions.
const MAX_SIZE: u32 = 28;
/// Deepest nesting of inlined bodies.
const MAX_DEPTH: usize = 5;

impl<'p> Cx<'p> {
    /// Whether calls of the function may be replaced by its body.
    fn can_inline(&mut self, id: FnId) -> bool {
        if let Some(b) = self.inlinable.get(&id) {
            return *b;
        }
        let can = self.check_inline(id).is_some();
        self.inlinable.insert(id, can);
        can
    }

    fn check_inline(&self, id: FnId) -> Option<()> {
        let prog = self.prog;
        let def = prog.fns.get(id.0 as usize)?;
        let body = def.body.as_ref()?;
        if !def.uses.is_empty() {
            return None;
        }
        let second = def.locals.iter().any(|l| self.second_class(l.ty));
        if second {
            return None;
        }
        let std = def.package.0 == 0;
        let mut size = 0;
        let mut ok = true;
        walk(body, &mut |ev| {
            match ev {
                Event::Control => ok = false,
                Event::Expr(e) => {
                    size += 1;
                    ok &= size <= MAX_SIZE && (std || harmless(e)) && allowed(e);
                }
                Event::Def(_) | Event::Assign(_) | Event::Stmt(_) => {}
            }
            ok
        });
        ok.then_some(())
    }
}

/// What an inlined body may hold.
fn allowed(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Call { caps, errs, .. } => caps.is_empty() && *errs == TyTable::NEVER,
        ExprKind::Lambda(_)
        | ExprKind::BindFn { .. }
        | ExprKind::FnRef(..)
        | ExprKind::Try(_)
        | ExprKind::Raise(_)
        | ExprKind::TryCatch { .. }
        | ExprKind::With(..)
        | ExprKind::AsCap(_)
        | ExprKind::Recap(_)
        | ExprKind::Break(_)
        | ExprKind::Continue(_)
        | ExprKind::Interp(_)
        | ExprKind::List(_) => false,
        _ => true,
    }
}

/// What cannot trap (memory and depth apart).
fn harmless(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Int(_)
        | ExprKind::Float(_)
        | ExprKind::Bool(_)
        | ExprKind::Byte(_)
        | ExprKind::Char(_)
        | ExprKind::Str(_)
        | ExprKind::Unit
        | ExprKind::Local(_)
        | ExprKind::And(..)
        | ExprKind::Or(..)
        | ExprKind::Field(..)
        | ExprKind::Block(..)
        | ExprKind::If(..)
        | ExprKind::Return(_) => true,
        ExprKind::Binary(op, a, _) => {
            let float = a.ty == TyTable::FLOAT && !matches!(op, BinOp::Rem | BinOp::Pow);
            let word = matches!(
                a.ty,
                TyTable::INT | TyTable::BOOL | TyTable::BYTE | TyTable::CHAR | TyTable::STR
            );
            float
                || word
                    && matches!(
                        op,
                        BinOp::Eq
                            | BinOp::Ne
                            | BinOp::Lt
                            | BinOp::Le
                            | BinOp::Gt
                            | BinOp::Ge
                            | BinOp::BitAnd
                            | BinOp::BitOr
                            | BinOp::BitXor
                            | BinOp::AddWrap
                            | BinOp::SubWrap
                            | BinOp::MulWrap
                    )
                    && (a.ty != TyTable::STR || matches!(op, BinOp::Eq | BinOp::Ne))
        }
        ExprKind::Unary(op, a) => *op != UnOp::Neg || a.ty == TyTable::FLOAT,
        _ => false,
    }
}

/// The one expression that a body returns.
pub(super) fn single(body: &Expr) -> Option<&Expr> {
    match &body.kind {
        ExprKind::Return(Some(v)) => Some(v),
        ExprKind::Block(stmts, None) => match stmts.as_slice() {
            [Stmt::Expr(e)] => match &e.kind {
                ExprKind::Return(_) | ExprKind::Block(..) => single(e),
                _ => None,
            },
            _ => None,
        },
        ExprKind::Block(stmts, Some(t)) if stmts.is_empty() => single(t),
        _ => None,
    }
}

/// A function with its type arguments and the arguments of a call.
type Plain<'p> = (FnId, Vec<Ty>, &'p [Expr]);

impl<'p> FnCx<'_, 'p> {
    fn may_inline(&mut self, id: FnId) -> bool {
        self.inlining.len() <= MAX_DEPTH && !self.inlining.contains(&id) && self.cx.can_inline(id)
    }

    /// Runs `f` in the body of a function whose parameters are these expressions.
    fn enter<T>(
        &mut self,
        e: &'p Expr,
        id: FnId,
        targs: &[Ty],
        args: &[&'p Expr],
        ret: RetTo,
        f: impl FnOnce(&mut Self, &'p Expr) -> Res<T>,
    ) -> Res<T> {
        let prog = self.cx.prog;
        let Some((def, body)) = prog
            .fns
            .get(id.0 as usize)
            .and_then(|d| d.body.as_ref().map(|b| (d, b)))
        else {
            return self.bug("a function without a body");
        };
        let os: Vec<Opnd> = self.operands(args)?;
        self.at(e.span)?;
        let frame = Frame {
            locals: &def.locals,
            targs: Rc::from(targs),
            places: Vec::new(),
            boxed: Rc::default(),
            span: Some(self.frame.span.unwrap_or(e.span)),
            ret: Some(ret),
            fixed: FxHashSet::default(),
            scalars: Rc::default(),
        };
        self.push_scope();
        self.inlining.push(id);
        let result = self.in_frame(frame, |me| {
            for (p, o) in def.params.iter().zip(&os) {
                if me.local_def(*p)?.mutable {
                    let r = me.declare(*p)?;
                    me.code.mov(r, o.reg);
                } else {
                    me.set_place(*p, Place_::Reg(o.reg));
                }
            }
            f(me, body)
        });
        self.inlining.pop();
        self.pop_scope();
        self.drop_all(os);
        result
    }

    /// Compiles a call as the callee's body; false if it is not to be inlined.
    pub(super) fn inline_call(
        &mut self,
        e: &'p Expr,
        id: FnId,
        targs: &[Ty],
        args: &[&'p Expr],
        dst: Option<Reg>,
    ) -> Res<bool> {
        if !self.may_inline(id) {
            return Ok(false);
        }
        let f = self.cx.fn_ty(id, targs)?;
        let end = self.code.label();
        self.enter(e, id, targs, args, RetTo::Value(dst, end), |me, body| {
            me.body_to(body, f.ret, dst)
        })?;
        self.code.bind(end);
        Ok(true)
    }

    /// Compiles a call as a condition if its callee is one expression; false if it is not.
    pub(super) fn inline_cond(&mut self, e: &'p Expr, to: Lbl, sense: bool) -> Res<bool> {
        let Some((id, targs, args)) = self.plain_callee(e)? else {
            return Ok(false);
        };
        let prog = self.cx.prog;
        let body = prog.fns.get(id.0 as usize).and_then(|d| d.body.as_ref());
        let Some(value) = body.and_then(single) else {
            return Ok(false);
        };
        if !self.may_inline(id) {
            return Ok(false);
        }
        let args: Vec<&'p Expr> = args.iter().collect();
        let nowhere = self.code.label();
        self.enter(
            e,
            id,
            &targs,
            &args,
            RetTo::Value(None, nowhere),
            |me, _| me.jump_if(value, to, sense),
        )?;
        Ok(true)
    }

    /// A call of a function that is known, has no capabilities and cannot fail.
    fn plain_callee(&mut self, e: &'p Expr) -> Res<Option<Plain<'p>>> {
        let ExprKind::Call {
            callee,
            caps,
            args,
            errs,
            ..
        } = &e.kind
        else {
            return Ok(None);
        };
        if !caps.is_empty() || *errs != TyTable::NEVER {
            return Ok(None);
        }
        let Callee::Fn(id, targs) = &**callee else {
            return Ok(None);
        };
        let targs = self.tys(targs);
        Ok(Some((*id, targs, args)))
    }

    /// Whether `option_call` would compile the call.
    pub(super) fn is_option_call(&mut self, e: &'p Expr) -> Res<bool> {
        if self.known_option(e).is_some() {
            return Ok(true);
        }
        let ty = self.ty(e.ty);
        let is_option = match self.cx.tys.kind(ty) {
            TyKind::Adt(id, _) => Some(*id) == self.cx.prog.lang.option,
            _ => false,
        };
        if !is_option {
            return Ok(false);
        }
        Ok(match self.plain_callee(e)? {
            Some((id, _, _)) => self.may_inline(id),
            None => false,
        })
    }

    /// Compiles a call that gives an option without making the option: falls through with the payload in
    /// `dst`, or jumps to `none`. False if the callee is not to be inlined.
    pub(super) fn option_call(&mut self, e: &'p Expr, dst: Option<Reg>, none: Lbl) -> Res<bool> {
        if let Some(known) = self.known_option(e) {
            self.option_known(e, known, dst, none)?;
            return Ok(true);
        }
        if !self.is_option_call(e)? {
            return Ok(false);
        }
        let Some((id, targs, args)) = self.plain_callee(e)? else {
            return Ok(false);
        };
        let args: Vec<&'p Expr> = args.iter().collect();
        let some = self.code.label();
        let ret = RetTo::Option(dst, some, none);
        self.enter(e, id, &targs, &args, ret, |me, body| {
            let ty = me.ty(body.ty);
            if ty == TyTable::NEVER || ty == TyTable::UNIT {
                me.expr(body, None)
            } else {
                me.return_option(body, dst, some, none)
            }
        })?;
        self.code.bind(some);
        Ok(true)
    }

    /// Returns an option taken apart.
    pub(super) fn return_option(
        &mut self,
        v: &'p Expr,
        dst: Option<Reg>,
        some: Lbl,
        none: Lbl,
    ) -> Res<()> {
        if self.code.dead() {
            return Ok(());
        }
        match &v.kind {
            ExprKind::Construct { variant: 0, fields } if fields.len() == 1 => {
                if let Some(x) = fields.first() {
                    self.expr(x, dst)?;
                }
                self.code.jmp(some);
            }
            ExprKind::Construct { variant: 1, .. } => self.code.jmp(none),
            ExprKind::If(c, a, Some(b)) => {
                let no = self.code.label();
                self.jump_if(c, no, false)?;
                self.return_option(a, dst, some, none)?;
                self.code.bind(no);
                self.return_option(b, dst, some, none)?;
            }
            ExprKind::Block(stmts, Some(t)) => {
                self.push_scope();
                for s in stmts {
                    self.stmt(s)?;
                }
                self.return_option(t, dst, some, none)?;
                self.pop_scope();
            }
            ExprKind::Call { .. } if self.option_call(v, dst, none)? => self.code.jmp(some),
            _ => {
                let o = self.operand(v)?;
                self.code.jump(Op::JNotTag, o.reg, 0, none);
                if let Some(d) = dst {
                    self.code.op(Op::GetPayload, d, o.reg, 0);
                }
                self.code.jmp(some);
                self.drop(o);
            }
        }
        Ok(())
    }
}
