//! How functions of the standard library can be compiled in place: what they call, what they take apart, and whether
//! their last act is to make a sequence.

use super::Cx;
use super::visit::{Event, walk};
use crate::thir::*;
use rustc_hash::{FxHashMap, FxHashSet};
use std::rc::Rc;

/// Largest function that is compiled in place, in expressions.
pub(super) const MAX_SIZE: u32 = 160;

/// How a function of std can be compiled in place.
pub(super) struct Shape<'p> {
    /// Its last act is to make a sequence of this literal.
    pub makes: Option<&'p Lambda>,
    /// How often each parameter that is a function or a sequence is called or asked.
    pub calls: FxHashMap<LocalId, u32>,
    /// Locals that hold structs to be taken apart.
    pub scalars: Rc<FxHashSet<LocalId>>,
    pub size: u32,
}

/// The expression inside of blocks without statements.
pub(super) fn inner(mut e: &Expr) -> &Expr {
    while let ExprKind::Block(stmts, Some(tail)) = &e.kind
        && stmts.is_empty()
    {
        e = tail;
    }
    e
}

/// The local that an expression is.
pub(super) fn local(e: &Expr) -> Option<LocalId> {
    match inner(e).kind {
        ExprKind::Local(id) => Some(id),
        _ => None,
    }
}

impl<'p> Cx<'p> {
    /// Whether a type is that of lazy sequences.
    pub(super) fn is_sequence(&self, ty: Ty) -> bool {
        match self.tys.kind(ty) {
            TyKind::Adt(id, _) => self
                .prog
                .adts
                .get(id.0 as usize)
                .is_some_and(|a| a.package.0 == 0 && a.module == "iter" && a.name == "Iter"),
            _ => false,
        }
    }

    /// Whether a function is the `next` of lazy sequences.
    pub(super) fn is_next(&self, id: FnId) -> bool {
        let def = self.prog.fns.get(id.0 as usize);
        def.is_some_and(|d| d.package.0 == 0 && d.name == "iter.Iter.next")
    }

    pub(super) fn shape(&mut self, id: FnId) -> Option<Rc<Shape<'p>>> {
        if let Some(s) = self.shapes.get(&id) {
            return s.clone();
        }
        let shape = self.shape_of(id).map(Rc::new);
        self.shapes.insert(id, shape.clone());
        shape
    }

    fn shape_of(&self, id: FnId) -> Option<Shape<'p>> {
        let prog = self.prog;
        let def = prog.fns.get(id.0 as usize)?;
        let body = def.body.as_ref()?;
        if def.package.0 != 0 || !def.uses.is_empty() || def.open || self.is_next(id) {
            return None;
        }
        let ty = |id: LocalId| def.locals.get(id.0 as usize).map(|l| l.ty);
        let function = |t: Ty| matches!(self.tys.kind(t), TyKind::Fn(_) | TyKind::Borrowed(_));
        let mut calls: FxHashMap<LocalId, u32> = FxHashMap::default();
        for p in &def.params {
            let t = ty(*p)?;
            if function(t) || self.is_sequence(t) {
                calls.insert(*p, 0);
            }
        }
        let makes = self.made(body);
        if makes.is_none() && calls.is_empty() {
            return None;
        }
        // `let pull = self.pull`, and structs that only this function sees.
        let mut pulls: FxHashMap<LocalId, LocalId> = FxHashMap::default();
        let mut scalars: FxHashSet<LocalId> = FxHashSet::default();
        if let (Some(_), ExprKind::Block(stmts, _)) = (makes, &body.kind) {
            for s in stmts {
                let Stmt::Let { pat, init, .. } = s else {
                    continue;
                };
                let PatKind::Bind(to, None) = pat.kind else {
                    continue;
                };
                match &init.kind {
                    ExprKind::Field(of, 0) => {
                        if let Some(p) = local(of).filter(|p| calls.contains_key(p)) {
                            pulls.insert(to, p);
                        }
                    }
                    ExprKind::Construct { variant: 0, .. } => {
                        scalars.insert(to);
                    }
                    _ => {}
                }
            }
        }
        let mut size = 0;
        let mut ok = true;
        let mut mentions: FxHashMap<LocalId, i64> = FxHashMap::default();
        let mut literals = 0;
        walk(body, &mut |ev| {
            match ev {
                Event::Expr(e) => {
                    size += 1;
                    let mut fits = |id: Option<LocalId>| {
                        if let Some(id) = id {
                            *mentions.entry(id).or_default() -= 1;
                        }
                    };
                    match &e.kind {
                        ExprKind::Local(id) => *mentions.entry(*id).or_default() += 1,
                        ExprKind::Field(of, _) => fits(local(of)),
                        ExprKind::Lambda(_) => literals += 1,
                        ExprKind::Call { callee, args, .. } => match &**callee {
                            Callee::Value(f) => {
                                let id = local(f);
                                fits(id);
                                let of = id.map(|id| pulls.get(&id).copied().unwrap_or(id));
                                if let Some(n) = of.and_then(|of| calls.get_mut(&of)) {
                                    *n += 1;
                                }
                            }
                            Callee::Fn(f, _) if self.is_next(*f) => {
                                let id = args.first().and_then(local);
                                fits(id);
                                if let Some(n) = id.and_then(|id| calls.get_mut(&id)) {
                                    *n += 1;
                                }
                            }
                            _ => {}
                        },
                        ExprKind::BindFn { .. }
                        | ExprKind::FnRef(..)
                        | ExprKind::With(..)
                        | ExprKind::TryCatch { .. }
                        | ExprKind::Raise(_)
                        | ExprKind::AsCap(_)
                        | ExprKind::Recap(_) => ok = false,
                        _ => {}
                    }
                    ok &= size <= MAX_SIZE;
                }
                Event::Stmt(Stmt::For { iter, .. }) => {
                    if let ForIter::Iterator { iter, .. } = &**iter
                        && let Some(id) = local(iter)
                    {
                        *mentions.entry(id).or_default() -= 1;
                        if let Some(n) = calls.get_mut(&id) {
                            *n += 1;
                        }
                    }
                }
                Event::Stmt(Stmt::Assign {
                    place: Place::Field(of, _),
                    ..
                }) => {
                    if let Some(id) = local(of) {
                        *mentions.entry(id).or_default() -= 1;
                    }
                }
                Event::Stmt(Stmt::Defer(_)) => ok = false,
                Event::Assign(id) => ok &= !calls.contains_key(&id) && !scalars.contains(&id),
                Event::Stmt(_) | Event::Def(_) | Event::Control => {}
            }
            ok
        });
        let only_known = |id: &LocalId| mentions.get(id).copied().unwrap_or(0) == 0;
        ok &= literals == u32::from(makes.is_some());
        ok &= calls.keys().chain(pulls.keys()).all(only_known);
        scalars.retain(only_known);
        ok.then(|| Shape {
            makes,
            calls,
            scalars: Rc::new(scalars),
            size,
        })
    }

    /// The literal of the sequence that a body makes as its last act, if it leaves nowhere else.
    fn made(&self, body: &'p Expr) -> Option<&'p Lambda> {
        let ExprKind::Block(stmts, None) = &body.kind else {
            return None;
        };
        let (last, before) = stmts.split_last()?;
        let Stmt::Expr(Expr {
            kind: ExprKind::Return(Some(value)),
            ..
        }) = last
        else {
            return None;
        };
        let ExprKind::Construct { fields, .. } = &value.kind else {
            return None;
        };
        let ([field], true) = (fields.as_slice(), self.is_sequence(value.ty)) else {
            return None;
        };
        let ExprKind::Lambda(l) = &field.kind else {
            return None;
        };
        let mut straight = true;
        for s in before {
            let Stmt::Let {
                init: e,
                otherwise: None,
                ..
            } = s
            else {
                let Stmt::Expr(e) = s else {
                    return None;
                };
                walk(e, &mut |ev| {
                    straight &= !matches!(
                        ev,
                        Event::Control
                            | Event::Expr(Expr {
                                kind: ExprKind::Return(_),
                                ..
                            })
                    );
                    straight
                });
                continue;
            };
            walk(e, &mut |ev| {
                straight &= !matches!(ev, Event::Control);
                straight
            });
        }
        straight.then_some(&**l)
    }
}
