//! `defer` and the ends of `with`: every way out of a block passes the deferred blocks that were met until there, last
//! one first; the block of a `with` begins by deferring the ends of its attenuators.
//!
//! What must stay true: a jump that may leave a block goes through [`FnCx::leave`] with the number of such
//! blocks around its target; each target has its own copy of the deferred blocks, so values on the way
//! (results, errors) need no tests; a deferred block itself has no jump out, as the checker made sure.

use super::emit::{Lbl, Reg};
use super::func::FnCx;
use super::{Res, limit};
use crate::thir::*;
use jet_bytecode::opcodes::Op;

/// Most copies of deferred blocks in one function.
const MAX_COPIES: u32 = 4096;

/// Ways out of a block for one target.
struct Exit {
    /// Blocks with `defer` around the target.
    depth: usize,
    target: Lbl,
    /// Where to enter, by the number of deferred blocks that were met, less one.
    entries: Vec<Option<Lbl>>,
}

/// What is done on the way out.
#[derive(Clone, Copy)]
pub(super) enum Deferred<'p> {
    /// A block runs.
    Block(&'p Expr),
    /// The attenuator behind the capability in this register ends.
    End(Reg),
}

/// A block with `defer` that is being compiled.
#[derive(Default)]
struct DeferCx<'p> {
    met: Vec<Deferred<'p>>,
    exits: Vec<Exit>,
}

/// The blocks with `defer` around the current place.
#[derive(Default)]
pub(super) struct Defers<'p> {
    open: Vec<DeferCx<'p>>,
    copies: u32,
    /// Where results and errors wait while deferred blocks run, and where they then leave the function.
    ret: Option<(Option<Reg>, Lbl)>,
    raise: Option<(Reg, Lbl)>,
}

impl Defers<'_> {
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }
}

impl FnCx<'_, '_> {
    /// Whether what `with` binds is an attenuator made there whose capability gives out handles: they are closed at
    /// the end.
    pub(super) fn gives_handles(&mut self, bound: &Expr) -> bool {
        let ExprKind::AsCap(made) = &bound.kind else {
            return false;
        };
        let built = match &made.kind {
            ExprKind::Block(_, Some(last)) => &last.kind,
            kind => kind,
        };
        let ty = self.ty(made.ty);
        let made = matches!(built, ExprKind::Construct { .. }) && self.cx.authority(ty);
        let TyKind::Cap(cap) = *self.cx.tys.kind(bound.ty) else {
            return false;
        };
        let prog = self.cx.prog;
        let methods = prog.caps.get(cap.0 as usize).map(|c| c.methods.as_slice());
        let handle = |ty: Ty| {
            let of = match self.cx.tys.kind(ty) {
                TyKind::Adt(id, args) if Some(*id) == prog.lang.option => args.first().copied(),
                _ => Some(ty),
            };
            let adt = of.and_then(|ty| self.cx.adt(ty));
            adt.is_some_and(|(_, def, _)| def.kind == AdtKind::Handle)
        };
        made && methods.unwrap_or_default().iter().any(|m| handle(m.ret))
    }
}

/// Whether a block has something to run at its end.
pub(super) fn has_defer(stmts: &[Stmt]) -> bool {
    stmts.iter().any(|s| matches!(s, Stmt::Defer(_)))
}

impl<'p> FnCx<'_, 'p> {
    /// Compiles a block some of whose statements are `defer`, or at whose end something is done.
    pub(super) fn block_with_defers(
        &mut self,
        met: Vec<Deferred<'p>>,
        stmts: &'p [Stmt],
        tail: Option<&'p Expr>,
        dst: Option<Reg>,
    ) -> Res<()> {
        self.push_scope();
        let exits = Vec::new();
        self.defers.open.push(DeferCx { met, exits });
        for s in stmts {
            self.stmt(s)?;
        }
        // What is deferred may still read the destination.
        let mut value = None;
        match (tail, dst) {
            (Some(t), Some(d)) => {
                let ty = self.ty(t.ty);
                if ty == TyTable::NEVER {
                    self.expr(t, None)?;
                } else {
                    let r = self.scoped(ty)?;
                    self.expr(t, Some(r))?;
                    value = Some((d, r));
                }
            }
            (Some(t), None) => self.expr(t, None)?,
            (None, _) => {}
        }
        let DeferCx { met, exits } = self.defers.open.pop().unwrap_or_default();
        for what in met.iter().rev() {
            self.deferred(*what)?;
        }
        match (value, dst) {
            (Some((d, r)), _) => self.code.mov(d, r),
            (None, Some(d)) => self.code.imm(d, 0),
            (None, None) => {}
        }
        for exit in exits {
            let last = exit.entries.last().copied().flatten();
            let Some(last) = last else {
                return self.bug("a way out without an entry");
            };
            self.code.begin_cold(last);
            for (i, entry) in exit.entries.iter().enumerate().rev() {
                if let Some(l) = entry
                    && *l != last
                {
                    self.code.bind(*l);
                }
                if let Some(what) = met.get(i) {
                    self.deferred(*what)?;
                }
            }
            self.leave(exit.depth, exit.target);
            self.code.end_cold();
        }
        self.pop_scope();
        Ok(())
    }

    fn deferred(&mut self, what: Deferred<'p>) -> Res<()> {
        if self.code.dead() {
            return Ok(());
        }
        let body = match what {
            Deferred::Block(body) => body,
            Deferred::End(cap) => {
                self.code.op(Op::EndCap, cap, 0, 0);
                return Ok(());
            }
        };
        self.defers.copies += 1;
        if self.defers.copies > MAX_COPIES {
            return limit(
                body.span,
                "too many ways lead out through `defer` blocks here: move some of this into functions",
            );
        }
        self.at(body.span)?;
        self.expr(body, None)
    }

    /// Meets a `defer`.
    pub(super) fn defer(&mut self, body: &'p Expr) {
        if let Some(d) = self.defers.open.last_mut() {
            d.met.push(Deferred::Block(body));
        }
    }

    /// Jumps to a target that has so many blocks with `defer` around it.
    pub(super) fn leave(&mut self, depth: usize, target: Lbl) {
        if !self.code.dead() {
            let l = self.exit_label(depth, target);
            self.code.jmp(l);
        }
    }

    /// Where an error edge goes that leads to the target.
    pub(super) fn landing(&mut self, depth: usize, target: Lbl) -> Lbl {
        self.exit_label(depth, target)
    }

    fn exit_label(&mut self, depth: usize, target: Lbl) -> Lbl {
        let open = self.defers.open.get_mut(depth..).unwrap_or_default();
        // Blocks that met no `defer` yet have nothing to run.
        let Some(d) = open.iter_mut().rev().find(|d| !d.met.is_empty()) else {
            return target;
        };
        let at = d.met.len() - 1;
        let i = match d.exits.iter().position(|e| e.target == target) {
            Some(i) => i,
            None => {
                d.exits.push(Exit {
                    depth,
                    target,
                    entries: Vec::new(),
                });
                d.exits.len() - 1
            }
        };
        let Some(exit) = d.exits.get_mut(i) else {
            return target;
        };
        if exit.entries.len() <= at {
            exit.entries.resize(at + 1, None);
        }
        match exit.entries.get_mut(at) {
            Some(Some(l)) => *l,
            Some(slot) => {
                let l = self.code.label();
                *slot = Some(l);
                l
            }
            None => target,
        }
    }

    /// Whether something is to be run on the way out of the function.
    fn deferring(&self) -> bool {
        self.defers.open.iter().any(|d| !d.met.is_empty())
    }

    /// Returns what is in the register; none is `()`.
    pub(super) fn return_reg(&mut self, value: Option<Reg>) -> Res<()> {
        if self.code.dead() {
            return Ok(());
        }
        if !self.deferring() {
            match value {
                Some(r) => self.code.op(Op::Ret, r, 0, 0),
                None => self.ret_unit()?,
            }
            return Ok(());
        }
        let (slot, out) = match self.defers.ret {
            Some(x) => x,
            None => {
                let slot = match value {
                    Some(_) => Some(self.temp(self.ret)?),
                    None => None,
                };
                let x = (slot, self.code.label());
                self.defers.ret = Some(x);
                x
            }
        };
        if let (Some(slot), Some(r)) = (slot, value) {
            self.code.mov(slot, r);
        }
        self.leave(0, out);
        Ok(())
    }

    /// Raises what is in the register out of the function.
    pub(super) fn raise_reg(&mut self, e: Reg) -> Res<()> {
        if self.code.dead() {
            return Ok(());
        }
        if !self.deferring() {
            self.code.op(Op::Raise, e, 0, 0);
            return Ok(());
        }
        let (slot, out) = match self.defers.raise {
            Some(x) => x,
            None => {
                let x = (self.temp(self.errs)?, self.code.label());
                self.defers.raise = Some(x);
                x
            }
        };
        self.code.mov(slot, e);
        self.leave(0, out);
        Ok(())
    }

    /// The ends of the ways out of the function.
    pub(super) fn way_out(&mut self) -> Res<()> {
        if let Some((slot, out)) = self.defers.ret {
            self.code.begin_cold(out);
            match slot {
                Some(r) => self.code.op(Op::Ret, r, 0, 0),
                None => self.ret_unit()?,
            }
            self.code.end_cold();
        }
        if let Some((slot, out)) = self.defers.raise {
            self.code.begin_cold(out);
            self.code.op(Op::Raise, slot, 0, 0);
            self.code.end_cold();
        }
        Ok(())
    }
}
