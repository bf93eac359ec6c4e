//! Long tables: list literals and runs of statements that would make one function too long are compiled as
//! functions of their own, a piece each.
//!
//! What must stay true: a piece has no way out but its end and assigns nothing around it, so it may run as a
//! call; pieces run in order, with the values that the names around them have at that time.

use super::Res;
use super::emit::Reg;
use super::func::{FnCx, Place_};
use super::visit::{Event, walk};
use crate::source::Span;
use crate::thir::*;
use jet_bytecode::module::FnKind;
use jet_bytecode::opcodes::Op;
use rustc_hash::FxHashSet;
use std::rc::Rc;

/// Tables with fewer parts are never taken apart.
const MIN_PARTS: usize = 256;
/// Expressions of one piece.
const PIECE: usize = 3_000;
/// Tables with fewer expressions stay whole.
const MIN_WEIGHT: usize = 6_000;

/// How many expressions there are, and whether they may run as a call.
fn measure(e: &Expr) -> (usize, bool) {
    let mut weight = 0;
    let mut movable = true;
    let mut defined: FxHashSet<LocalId> = FxHashSet::default();
    walk(e, &mut |event| {
        match event {
            Event::Expr(e) => {
                weight += 1;
                match &e.kind {
                    // What leaves a function literal stays inside of the piece.
                    ExprKind::Lambda(l) => {
                        walk(&l.body, &mut |event| {
                            weight += usize::from(matches!(event, Event::Expr(_)));
                            true
                        });
                        return false;
                    }
                    ExprKind::Return(_)
                    | ExprKind::Break(_)
                    | ExprKind::Continue(_)
                    | ExprKind::Raise(_)
                    | ExprKind::Try(_) => movable = false,
                    _ => {}
                }
            }
            Event::Def(id) => {
                defined.insert(id);
            }
            Event::Assign(id) => movable &= defined.contains(&id),
            Event::Control | Event::Stmt(_) => {}
        }
        true
    });
    (weight, movable)
}

impl<'p> FnCx<'_, 'p> {
    /// Fills a list with the values of the expressions.
    pub(super) fn fill(&mut self, span: Span, ty: Ty, list: Reg, xs: &'p [Expr]) -> Res<()> {
        if xs.len() < MIN_PARTS {
            return self.push_all(span, list, xs);
        }
        let sizes: Vec<(usize, bool)> = xs.iter().map(measure).collect();
        if sizes.iter().map(|(w, _)| w).sum::<usize>() < MIN_WEIGHT {
            return self.push_all(span, list, xs);
        }
        for (from, to, movable) in pieces(&sizes) {
            let Some(part) = xs.get(from..to) else {
                continue;
            };
            if movable {
                let all: Vec<&'p Expr> = part.iter().collect();
                self.piece(span, Some((ty, list)), &all)?;
            } else {
                self.push_all(span, list, part)?;
            }
        }
        Ok(())
    }

    fn push_all(&mut self, span: Span, list: Reg, xs: &'p [Expr]) -> Res<()> {
        for x in xs {
            let o = self.operand(x)?;
            self.at(span)?;
            self.code.op(Op::ListPush, list, o.reg, 0);
            self.drop(o);
        }
        Ok(())
    }

    /// The statements of a block, in pieces if they are many.
    pub(super) fn stmts(&mut self, stmts: &'p [Stmt]) -> Res<()> {
        let sizes: Vec<(usize, bool)> = if stmts.len() < MIN_PARTS {
            Vec::new()
        } else {
            let size = |s: &Stmt| match s {
                Stmt::Expr(e) if e.ty != TyTable::NEVER => measure(e),
                _ => (1, false),
            };
            stmts.iter().map(size).collect()
        };
        if sizes.iter().map(|(w, _)| w).sum::<usize>() < MIN_WEIGHT {
            return stmts.iter().try_for_each(|s| self.stmt(s));
        }
        for (from, to, movable) in pieces(&sizes) {
            let Some(part) = stmts.get(from..to) else {
                continue;
            };
            if movable && to - from > 1 && !self.code.dead() {
                let all: Vec<&'p Expr> = part
                    .iter()
                    .filter_map(|s| match s {
                        Stmt::Expr(e) => Some(e),
                        _ => None,
                    })
                    .collect();
                self.piece(self.span, None, &all)?;
            } else {
                part.iter().try_for_each(|s| self.stmt(s))?;
            }
        }
        Ok(())
    }

    /// Compiles expressions as a function and calls it: with a list they are pushed onto it, without one
    /// they run for their effects.
    fn piece(&mut self, span: Span, list: Option<(Ty, Reg)>, xs: &[&'p Expr]) -> Res<()> {
        let span = xs.first().map_or(span, |x| x.span);
        let mut mentioned = Vec::new();
        let mut seen: FxHashSet<LocalId> = FxHashSet::default();
        let mut defined: FxHashSet<LocalId> = FxHashSet::default();
        for x in xs {
            walk(x, &mut |event| {
                let id = match event {
                    Event::Expr(Expr {
                        kind: ExprKind::Local(id),
                        ..
                    }) => *id,
                    Event::Assign(id) => id,
                    Event::Def(id) => {
                        defined.insert(id);
                        return true;
                    }
                    _ => return true,
                };
                if seen.insert(id) {
                    mentioned.push(id);
                }
                true
            });
        }
        let mut captured = Vec::new();
        let mut regs = Vec::new();
        let mut types = Vec::new();
        for id in mentioned {
            if defined.contains(&id) {
                continue;
            }
            let place = self.place(id)?;
            let (Place_::Reg(r) | Place_::Cell(r)) = place else {
                continue;
            };
            let Some(ty) = self.code.reg_type(r) else {
                return self.bug("a capture without a register");
            };
            captured.push((id, place));
            regs.push(r);
            types.push(ty);
        }
        let kind = if captured.is_empty() {
            FnKind::Named
        } else {
            FnKind::Literal
        };
        let f = FnTy {
            params: list.iter().map(|(ty, _)| *ty).collect(),
            uses: Vec::new(),
            ret: TyTable::UNIT,
            errs: TyTable::NEVER,
        };
        let n = self.literals.get() + 1;
        self.literals.set(n);
        let root = self.name.split("#fn").next().unwrap_or("").to_owned();
        let (at, name) = self.cx.declare(format!("{root}#fn{n}"), span)?;
        let mut inner = FnCx::new(&mut *self.cx, name, &f, span);
        inner.frame.locals = self.frame.locals;
        inner.frame.targs = Rc::clone(&self.frame.targs);
        inner.frame.boxed = Rc::clone(&self.frame.boxed);
        inner.frame.span = self.frame.span;
        inner.literals = Rc::clone(&self.literals);
        inner.inlining = self.inlining.clone();
        inner.nesting = self.nesting;
        inner.at(span)?;
        let filled = inner.leading(kind, &f)?;
        for (i, ((id, place), ty)) in captured.into_iter().zip(&types).enumerate() {
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
        for x in xs {
            match (list, filled.last()) {
                (Some(_), Some(into)) => {
                    let o = inner.operand(x)?;
                    inner.at(x.span)?;
                    inner.code.op(Op::ListPush, *into, o.reg, 0);
                    inner.drop(o);
                }
                _ => inner.expr(x, None)?,
            }
        }
        inner.ret_unit()?;
        inner.finish(at, kind, &f, types, span)?;
        self.at(span)?;
        let given: Vec<Reg> = list.iter().map(|(_, r)| *r).collect();
        let unit = self.temp(TyTable::UNIT)?;
        if kind == FnKind::Named {
            self.code.func(Op::Call, unit, at, &given);
        } else {
            let ty = self.cx.tys.intern(TyKind::Borrowed(f));
            let literal = self.temp(ty)?;
            self.code.func(Op::MakeBorrowed, literal, at, &regs);
            self.code.args(Op::CallFn, unit, literal, &given);
        }
        self.code.free(unit);
        Ok(())
    }
}

/// Runs of parts that are alike in whether they may move, none longer than a piece.
fn pieces(sizes: &[(usize, bool)]) -> Vec<(usize, usize, bool)> {
    let mut out = Vec::new();
    let mut from = 0;
    let mut weight = 0;
    for (i, (size, movable)) in sizes.iter().enumerate() {
        let before = sizes.get(from).is_some_and(|(_, m)| m == movable);
        if i > from && (!before || weight + size > PIECE) {
            let was = sizes.get(from).is_some_and(|(_, m)| *m);
            out.push((from, i, was));
            from = i;
            weight = 0;
        }
        weight += size;
    }
    if from < sizes.len() {
        let was = sizes.get(from).is_some_and(|(_, m)| *m);
        out.push((from, sizes.len(), was));
    }
    out
}
