//! Statements: definitions, assignments, loops.
//!
//! What must stay true: loops test at the bottom, so an iteration takes one backward jump; a counter
//! never steps past its end, so `0..=n` works up to the largest int; a place's parts are evaluated once.

use super::emit::{Lbl, Reg};
use super::func::{FnCx, LoopCx, Opnd, Place_};
use super::{Res, visit};
use crate::source::Span;
use crate::thir::*;
use jet_bytecode::opcodes::{Op, TrapKind};

impl<'p> FnCx<'_, 'p> {
    pub(super) fn stmt(&mut self, s: &'p Stmt) -> Res<()> {
        if self.code.dead() {
            return Ok(());
        }
        match s {
            Stmt::Expr(e) => self.expr(e, None),
            Stmt::Let {
                pat,
                init,
                otherwise,
            } => self.let_(pat, init, otherwise.as_deref()),
            Stmt::Assign {
                place,
                op,
                value,
                span,
            } => self.assign(place, *op, value, *span),
            Stmt::While { id, cond, body } => {
                let (head, next) = (self.code.label(), self.code.label());
                self.looped(*id, next, |me| {
                    // A loop without condition needs no test.
                    if let ExprKind::Bool(true) = &cond.kind {
                        me.code.bind_back(next);
                        me.expr(body, None)?;
                        me.code.jmp(next);
                        return Ok(());
                    }
                    me.code.jmp(next);
                    me.code.bind_back(head);
                    me.expr(body, None)?;
                    me.code.bind(next);
                    me.jump_if(cond, head, true)
                })
            }
            Stmt::Loop { id, body } => {
                let next = self.code.label();
                self.looped(*id, next, |me| {
                    me.at(body.span)?;
                    me.code.bind_back(next);
                    me.expr(body, None)?;
                    me.code.jmp(next);
                    Ok(())
                })
            }
            Stmt::Defer(body) => {
                self.defer(body);
                Ok(())
            }
            Stmt::For {
                id,
                pat,
                iter,
                body,
            } => {
                self.push_scope();
                match &**iter {
                    ForIter::Range { lo, hi, inclusive } => {
                        self.for_range(*id, pat, lo, hi, *inclusive, body)?;
                    }
                    ForIter::RangeValue(r) => self.for_range_value(*id, pat, r, body)?,
                    ForIter::List(xs) => self.for_list(*id, pat, xs, body)?,
                    ForIter::Iterator { state, iter, next } => {
                        self.for_iterator(*id, pat, *state, iter, next, body)?;
                    }
                }
                self.pop_scope();
                Ok(())
            }
        }
    }

    fn let_(&mut self, pat: &'p Pat, init: &'p Expr, otherwise: Option<&'p Expr>) -> Res<()> {
        match &pat.kind {
            PatKind::Bind(id, None) => {
                let id = *id;
                if self.let_known(id, init)? {
                    return Ok(());
                }
                let d = self.local_def(id)?;
                let ty = self.ty(d.ty);
                if self.is_boxed(id) {
                    let o = self.operand(init)?;
                    self.at(init.span)?;
                    self.bind_local(id, o.reg, false)?;
                    self.drop(o);
                    return Ok(());
                }
                // A fixed name for a fixed name shares its register.
                if !d.mutable
                    && let ExprKind::Local(src) = &init.kind
                    && !self.local_def(*src)?.mutable
                    && let Place_::Reg(r) = self.place(*src)?
                {
                    self.set_place(id, Place_::Reg(r));
                    return Ok(());
                }
                let ity = self.ty(init.ty);
                if ity == TyTable::NEVER {
                    return self.expr(init, None);
                }
                let r = self.temp(ty)?;
                self.expr(init, Some(r))?;
                self.keep(r);
                self.set_place(id, Place_::Reg(r));
                Ok(())
            }
            PatKind::Wild => self.expr(init, None),
            // `let (a, b) = (x, y)` makes no tuple.
            PatKind::Tuple(ps) if otherwise.is_none() => {
                if let ExprKind::Tuple(xs) = &init.kind
                    && ps.len() == xs.len()
                {
                    let all: Vec<&'p Expr> = xs.iter().collect();
                    let os = self.operands(&all)?;
                    for ((p, o), x) in ps.iter().zip(os).zip(xs) {
                        let stable = o.temp || self.is_fixed_local(x)?;
                        self.test_pat(p, o.reg, stable, None)?;
                        if o.temp {
                            self.keep(o.reg);
                        }
                    }
                    return Ok(());
                }
                self.let_pat(pat, init, None)
            }
            _ => self.let_pat(pat, init, otherwise),
        }
    }

    fn let_pat(&mut self, pat: &'p Pat, init: &'p Expr, otherwise: Option<&'p Expr>) -> Res<()> {
        let o = self.operand(init)?;
        let stable = o.temp || self.is_fixed_local(init)?;
        if o.temp {
            self.keep(o.reg);
        }
        match otherwise {
            None => self.test_pat(pat, o.reg, stable, None),
            Some(b) => {
                let fail = self.code.label();
                self.test_pat(pat, o.reg, stable, Some(fail))?;
                self.code.begin_cold(fail);
                self.expr(b, None)?;
                if !self.code.dead() {
                    self.trap(TrapKind::Unreachable);
                }
                self.code.end_cold();
                Ok(())
            }
        }
    }

    /// Whether the expression is a local that is never assigned and has a register.
    pub(super) fn is_fixed_local(&self, e: &Expr) -> Res<bool> {
        match &e.kind {
            ExprKind::Local(id) => Ok(!self.local_def(*id)?.mutable),
            _ => Ok(false),
        }
    }

    fn assign(
        &mut self,
        place: &'p Place,
        op: Option<BinOp>,
        value: &'p Expr,
        span: Span,
    ) -> Res<()> {
        let ty = self.ty(value.ty);
        match place {
            Place::Local(id) => {
                let lty = self.local_ty(*id)?;
                match self.place(*id)? {
                    Place_::Reg(r) => match op {
                        None => self.expr(value, Some(r)),
                        Some(op) => {
                            let left = Opnd {
                                reg: r,
                                temp: false,
                            };
                            let left = if visit::assigns(value, *id) {
                                let t = self.temp_opnd(lty)?;
                                self.code.mov(t.reg, r);
                                t
                            } else {
                                left
                            };
                            self.binary_with(span, op, lty, left.reg, value, r)?;
                            self.drop(left);
                            Ok(())
                        }
                    },
                    Place_::Cell(c) => {
                        let o = match op {
                            None => self.operand(value)?,
                            Some(op) => {
                                let old = self.temp(lty)?;
                                self.code.op(Op::GetField, old, c, 0);
                                let t = self.temp_opnd(lty)?;
                                self.binary_with(span, op, lty, old, value, t.reg)?;
                                self.code.free(old);
                                t
                            }
                        };
                        self.at(span)?;
                        self.code.op(Op::SetField, c, 0, o.reg);
                        self.drop(o);
                        Ok(())
                    }
                    Place_::None => Ok(()),
                    Place_::Known(_) => self.bug("a known local is assigned"),
                }
            }
            Place::Field(obj, i) if self.known_field(obj, *i).is_some() => {
                let Some(Place_::Reg(r)) = self.known_field(obj, *i) else {
                    return self.bug("a known field is assigned");
                };
                match op {
                    None => self.expr(value, Some(r)),
                    Some(op) => self.binary_with(span, op, ty, r, value, r),
                }
            }
            Place::Field(obj, i) => {
                let oty = self.ty(obj.ty);
                let fty = self.cx.field_ty(oty, 0, *i)?;
                match op {
                    None => {
                        let os = self.operands(&[obj, value])?;
                        self.at(span)?;
                        if let [o, v] = os.as_slice() {
                            self.code.op(Op::SetField, o.reg, *i as u16, v.reg);
                        }
                        self.drop_all(os);
                    }
                    Some(op) => {
                        let o = self.operand(obj)?;
                        let o = self.guard_operand(o, obj, &[value])?;
                        let old = self.temp(fty)?;
                        self.at(span)?;
                        self.code.op(Op::GetField, old, o.reg, *i as u16);
                        let new = self.temp(fty)?;
                        self.binary_with(span, op, fty, old, value, new)?;
                        self.code.op(Op::SetField, o.reg, *i as u16, new);
                        self.code.free(new);
                        self.code.free(old);
                        self.drop(o);
                    }
                }
                Ok(())
            }
            Place::Index(xs, i) => {
                match op {
                    None => {
                        let os = self.operands(&[xs, i, value])?;
                        self.at(span)?;
                        if let [xs, i, v] = os.as_slice() {
                            self.code.op(Op::ListSet, xs.reg, i.reg, v.reg);
                        }
                        self.drop_all(os);
                    }
                    Some(op) => {
                        let xo = self.operand(xs)?;
                        let xo = self.guard_operand(xo, xs, &[i, value])?;
                        let io = self.operand(i)?;
                        let io = self.guard_operand(io, i, &[value])?;
                        let old = self.temp(ty)?;
                        self.at(span)?;
                        self.code.op(Op::ListGet, old, xo.reg, io.reg);
                        let new = self.temp(ty)?;
                        self.binary_with(span, op, ty, old, value, new)?;
                        self.code.op(Op::ListSet, xo.reg, io.reg, new);
                        self.code.free(new);
                        self.code.free(old);
                        self.drop(io);
                        self.drop(xo);
                    }
                }
                Ok(())
            }
        }
    }

    // Loops.

    /// Registers a loop around `f`, whose end it binds.
    fn looped(&mut self, id: LoopId, next: Lbl, f: impl FnOnce(&mut Self) -> Res<()>) -> Res<()> {
        let end = self.code.label();
        let outermost = self.code.begin_hoist();
        let depth = self.defers.depth();
        self.loops.push(LoopCx {
            depth,
            id,
            next,
            end,
        });
        let r = f(self);
        self.loops.pop();
        if outermost {
            self.code.end_hoist();
        }
        self.code.bind(end);
        r
    }

    /// The register that counts, if the pattern is a name that can be the counter itself.
    fn counter(&mut self, pat: &'p Pat) -> Res<(Reg, bool)> {
        if let PatKind::Bind(id, None) = &pat.kind
            && !self.is_boxed(*id)
            && !self.local_def(*id)?.mutable
        {
            return Ok((self.declare(*id)?, true));
        }
        Ok((self.scoped(TyTable::INT)?, false))
    }

    /// Binds a loop's pattern to the value of this round.
    fn round(&mut self, pat: &'p Pat, r: Reg, own: bool) -> Res<()> {
        if own {
            return Ok(());
        }
        self.test_pat(pat, r, true, None)
    }

    fn for_range(
        &mut self,
        id: LoopId,
        pat: &'p Pat,
        lo: &'p Expr,
        hi: &'p Expr,
        inclusive: bool,
        body: &'p Expr,
    ) -> Res<()> {
        // The counter's name is not in scope in `lo` and `hi`, but its register is taken first.
        let (i, own) = self.counter(pat)?;
        self.expr(lo, Some(i))?;
        let small = self.imm_of(hi).and_then(|v| {
            let v = if inclusive { v.checked_add(1)? } else { v };
            i16::try_from(v).ok()
        });
        let (next, head) = (self.code.label(), self.code.label());
        if let Some(k) = small {
            let enters = self.imm_of(lo).is_some_and(|lo| lo < i64::from(k));
            return self.looped(id, next, |me| {
                let end = me.loop_end()?;
                if !enters {
                    me.code.jump(Op::JGeImm, i, k as u16, end);
                }
                me.code.bind_back(head);
                me.in_scope(|me| {
                    me.round(pat, i, own)?;
                    me.expr(body, None)
                })?;
                me.code.bind(next);
                me.code.op(Op::AddImm, i, i, 1);
                me.code.jump(Op::JLtImm, i, k as u16, head);
                Ok(())
            });
        }
        let h = self.stable_operand(hi)?;
        self.looped(id, next, |me| {
            let end = me.loop_end()?;
            if inclusive {
                let step = me.code.label();
                me.code.jump(Op::JLt, h, i, end);
                me.code.jmp(head);
                me.code.bind_back(step);
                me.code.op(Op::AddImm, i, i, 1);
                me.code.bind(head);
                me.in_scope(|me| {
                    me.round(pat, i, own)?;
                    me.expr(body, None)
                })?;
                me.code.bind(next);
                me.code.jump(Op::JLt, i, h, step);
            } else {
                me.code.jump(Op::JLe, h, i, end);
                me.code.bind_back(head);
                me.in_scope(|me| {
                    me.round(pat, i, own)?;
                    me.expr(body, None)
                })?;
                me.code.bind(next);
                me.code.op(Op::AddImm, i, i, 1);
                me.code.jump(Op::JLt, i, h, head);
            }
            Ok(())
        })
    }

    fn loop_end(&self) -> Res<Lbl> {
        match self.loops.last() {
            Some(l) => Ok(l.end),
            None => self.bug("a loop without its context"),
        }
    }

    fn in_scope(&mut self, f: impl FnOnce(&mut Self) -> Res<()>) -> Res<()> {
        self.push_scope();
        let r = f(self);
        self.pop_scope();
        r
    }

    /// A register with the expression's value that nothing changes until the scope ends.
    fn stable_operand(&mut self, e: &'p Expr) -> Res<Reg> {
        let o = self.operand(e)?;
        if o.temp {
            self.keep(o.reg);
            return Ok(o.reg);
        }
        // A register that is not ours is a fixed local, a hoisted constant, or a mutable local.
        let mutable = match &e.kind {
            ExprKind::Local(id) => self.local_def(*id)?.mutable,
            ExprKind::Block(..) => true,
            _ => false,
        };
        if !mutable {
            return Ok(o.reg);
        }
        let ty = self.ty(e.ty);
        let r = self.scoped(ty)?;
        self.code.mov(r, o.reg);
        Ok(r)
    }

    fn for_range_value(
        &mut self,
        id: LoopId,
        pat: &'p Pat,
        range: &'p Expr,
        body: &'p Expr,
    ) -> Res<()> {
        let (i, own) = self.counter(pat)?;
        let r = self.operand(range)?;
        let end_value = self.temp(TyTable::INT)?;
        let step = self.scoped(TyTable::INT)?;
        let left = self.scoped(TyTable::INT)?;
        self.at(range.span)?;
        self.code.op(Op::GetField, i, r.reg, 0);
        self.code.op(Op::GetField, end_value, r.reg, 1);
        self.code.op(Op::GetField, step, r.reg, 2);
        self.drop(r);
        let (next, head) = (self.code.label(), self.code.label());
        self.looped(id, next, |me| {
            let end = me.loop_end()?;
            // How many rounds are left: (distance - 1) / step + 1, in the direction of the step. A step of
            // zero makes no progress and gives no round.
            let (down, count) = (me.code.label(), me.code.label());
            let size = me.temp(TyTable::INT)?;
            me.code.jump(Op::JEqImm, step, 0, end);
            me.code.jump(Op::JLtImm, step, 0, down);
            me.code.jump(Op::JLe, end_value, i, end);
            me.code.op(Op::SubInt, left, end_value, i);
            me.code.mov(size, step);
            me.code.jmp(count);
            me.code.bind(down);
            me.code.jump(Op::JLe, i, end_value, end);
            me.code.op(Op::SubInt, left, i, end_value);
            me.code.op(Op::NegInt, size, step, 0);
            me.code.bind(count);
            me.code.op(Op::AddImm, left, left, -1i16 as u16);
            me.code.op(Op::DivInt, left, left, size);
            me.code.free(size);
            me.code.bind_back(head);
            me.in_scope(|me| {
                me.round(pat, i, own)?;
                me.expr(body, None)
            })?;
            me.code.bind(next);
            // Wraps at most after the last round, where nobody looks.
            me.code.op(Op::AddWrap, i, i, step);
            me.code.op(Op::AddImm, left, left, -1i16 as u16);
            me.code.jump(Op::JGeImm, left, 0, head);
            Ok(())
        })?;
        self.code.free(end_value);
        Ok(())
    }

    fn for_list(&mut self, id: LoopId, pat: &'p Pat, list: &'p Expr, body: &'p Expr) -> Res<()> {
        let lty = self.ty(list.ty);
        let elem = match self.cx.tys.kind(lty) {
            TyKind::List(t) => *t,
            _ => return self.bug("`for` over what is no list"),
        };
        let xs = self.stable_operand(list)?;
        let i = self.scoped(TyTable::INT)?;
        let n = self.scoped(TyTable::INT)?;
        self.code.imm(i, 0);
        let (next, head, test) = (self.code.label(), self.code.label(), self.code.label());
        let ignored = matches!(pat.kind, PatKind::Wild);
        self.looped(id, next, |me| {
            me.code.jmp(test);
            me.code.bind_back(head);
            me.in_scope(|me| {
                if !ignored {
                    me.at(pat.span)?;
                    let own = match &pat.kind {
                        PatKind::Bind(id, None) if !me.is_boxed(*id) => Some(me.declare(*id)?),
                        _ => None,
                    };
                    let x = match own {
                        Some(r) => r,
                        None => me.scoped(elem)?,
                    };
                    me.code.op(Op::ListGet, x, xs, i);
                    me.round(pat, x, own.is_some())?;
                }
                me.expr(body, None)
            })?;
            me.code.bind(next);
            me.code.op(Op::AddImm, i, i, 1);
            me.code.bind(test);
            me.code.op(Op::ListLen, n, xs, 0);
            me.code.jump(Op::JLt, i, n, head);
            Ok(())
        })
    }

    fn for_iterator(
        &mut self,
        id: LoopId,
        pat: &'p Pat,
        state: LocalId,
        iter: &'p Expr,
        next_value: &'p Expr,
        body: &'p Expr,
    ) -> Res<()> {
        if self.for_known(state, iter)? {
            if self.code.dead() {
                return Ok(());
            }
        } else if self.is_boxed(state) {
            let o = self.operand(iter)?;
            self.bind_local(state, o.reg, false)?;
            self.drop(o);
        } else {
            let r = self.declare(state)?;
            self.expr(iter, Some(r))?;
        }
        let oty = self.ty(next_value.ty);
        let item = self.cx.field_ty(oty, 0, 0)?;
        let x = self.scoped(item)?;
        let (next, head) = (self.code.label(), self.code.label());
        let inlined = self.is_option_call(next_value)?;
        let opt = if inlined { x } else { self.scoped(oty)? };
        let ignored = matches!(pat.kind, PatKind::Wild);
        self.looped(id, next, |me| {
            let end = me.loop_end()?;
            me.code.jmp(next);
            me.code.bind_back(head);
            me.in_scope(|me| {
                if !inlined && !ignored {
                    me.code.op(Op::GetPayload, x, opt, 0);
                }
                me.round(pat, x, false)?;
                me.expr(body, None)
            })?;
            me.code.bind(next);
            if inlined {
                if !me.option_call(next_value, Some(x), end)? {
                    return me.bug("an option that is not inlined after all");
                }
                me.code.jmp(head);
            } else {
                me.expr(next_value, Some(opt))?;
                me.code.jump(Op::JTag, opt, 0, head);
            }
            Ok(())
        })
    }
}
