//! Instances of functions with authority parameters: a copy of the body in which each parameter is replaced by the
//! capabilities that it stands for.
//!
//! What must stay true: at one place each capability has one binding, the innermost: what a `with` binds is
//! handed over for the parameter's part of that name too. Hidden arguments stay in canonical order, one
//! of each; other locals keep their numbers.

use super::{Cx, LowerError, Res, bug};
use crate::thir::walk::Pass;
use crate::thir::*;
use std::cell::OnceCell;

/// Bodies that were made during a lowering.
#[derive(Default)]
pub(super) struct Made {
    first: OnceCell<Box<Node>>,
}

pub(super) struct Node {
    def: FnDef,
    next: OnceCell<Box<Node>>,
}

impl Drop for Made {
    fn drop(&mut self) {
        // One by one: a chain that drops itself would nest as deep as it is long.
        let mut next = self.first.take();
        while let Some(mut node) = next {
            next = node.next.take();
        }
    }
}

impl<'p> Cx<'p> {
    /// The function with the capabilities of these type arguments in place of its authority parameters.
    pub(super) fn instance_of(&mut self, def: &'p FnDef, args: &[Ty]) -> Res<&'p FnDef> {
        if !def.open {
            return Ok(def);
        }
        let mut open = Open {
            tys: &mut self.tys,
            args,
            locals: def.locals.clone(),
            bound: Vec::new(),
        };
        let uses = open.leading(&def.uses);
        let mut body = def.body.clone();
        if let Some(body) = &mut body {
            open.expr(body)?;
        }
        let made = FnDef {
            package: def.package,
            name: def.name.clone(),
            generics: def.generics,
            open: false,
            uses,
            needs: Vec::new(),
            named: Vec::new(),
            params: def.params.clone(),
            ret: def.ret,
            errs: def.errs,
            locals: open.locals,
            body,
            intrinsic: def.intrinsic.clone(),
            span: def.span,
        };
        let place = match self.last_made {
            None => &self.made.first,
            Some(node) => &node.next,
        };
        let node = place.get_or_init(|| {
            Box::new(Node {
                def: made,
                next: OnceCell::new(),
            })
        });
        self.last_made = Some(node);
        Ok(&node.def)
    }
}

/// One body on its way.
struct Open<'t> {
    tys: &'t mut TyTable,
    args: &'t [Ty],
    locals: Vec<LocalDef>,
    /// The bindings around the current place, the innermost last.
    bound: Vec<(CapId, LocalId)>,
}

impl Open<'_> {
    /// Hidden parameters, each capability once.
    fn leading(&mut self, uses: &[(CapId, LocalId)]) -> Vec<(CapId, LocalId)> {
        let (open, mut out): (Vec<_>, Vec<_>) =
            uses.iter().partition(|(c, _)| c.as_param().is_some());
        for (set, _) in open {
            for cap in self.tys.subst_caps(&[set], self.args) {
                if out.iter().any(|(c, _)| *c == cap) {
                    continue;
                }
                let id = LocalId(u32::try_from(self.locals.len()).unwrap_or(u32::MAX));
                let ty = self.tys.intern(TyKind::Cap(cap));
                self.locals.push(LocalDef {
                    name: String::new(),
                    ty,
                    mutable: false,
                });
                out.push((cap, id));
            }
        }
        let mut order: Vec<CapId> = out.iter().map(|(c, _)| *c).collect();
        self.tys.sort_caps(&mut order);
        out.sort_by_key(|(c, _)| order.iter().position(|o| o == c));
        self.bound.extend(out.iter().copied());
        out
    }

    /// Hidden arguments.
    fn hidden(&mut self, caps: &mut Vec<Expr>) -> Res<()> {
        let mut out: Vec<(CapId, Expr)> = Vec::new();
        for mut e in std::mem::take(caps) {
            let TyKind::Cap(cap) = *self.tys.kind(e.ty) else {
                return bug(e.span, "a hidden argument that is no capability");
            };
            if cap.as_param().is_none() {
                self.expr(&mut e)?;
                out.push((cap, e));
                continue;
            }
            for cap in self.tys.subst_caps(&[cap], self.args) {
                let Some((_, id)) = self.bound.iter().rev().find(|(c, _)| *c == cap) else {
                    return bug(e.span, "an authority parameter without its binding");
                };
                let kind = ExprKind::Local(*id);
                let ty = self.tys.intern(TyKind::Cap(cap));
                out.push((cap, Expr { kind, ty, ..e }));
            }
        }
        let mut order: Vec<CapId> = out.iter().map(|(c, _)| *c).collect();
        self.tys.sort_caps(&mut order);
        for cap in order {
            // The first of equals: each is the innermost binding.
            if let Some(at) = out.iter().position(|(c, _)| *c == cap) {
                caps.push(out.swap_remove(at).1);
            }
        }
        Ok(())
    }
}

impl Pass for Open<'_> {
    type Stop = LowerError;

    fn expr(&mut self, e: &mut Expr) -> Res<()> {
        let span = e.span;
        match &mut e.kind {
            ExprKind::Call {
                callee, caps, args, ..
            } => {
                callee.children(self)?;
                self.hidden(caps)?;
                args.iter_mut().try_for_each(|a| self.expr(a))
            }
            ExprKind::BindFn { func, caps } => {
                self.expr(func)?;
                self.hidden(caps)
            }
            ExprKind::Lambda(l) if l.storable => {
                // It sees only what its caller hands it.
                let around = std::mem::take(&mut self.bound);
                l.uses = self.leading(&l.uses);
                let done = self.expr(&mut l.body);
                self.bound = around;
                done
            }
            ExprKind::With(binds, body) => {
                let around = self.bound.len();
                for (_, v) in binds.iter_mut() {
                    self.expr(v)?;
                }
                for (id, _) in binds.iter() {
                    let ty = self.locals.get(id.0 as usize).map(|l| l.ty);
                    match ty.map(|t| self.tys.kind(t)) {
                        Some(TyKind::Cap(c)) => self.bound.push((*c, *id)),
                        _ => return bug(span, "`with` binds what is no capability"),
                    }
                }
                let done = self.expr(body);
                self.bound.truncate(around);
                done
            }
            _ => e.children(self),
        }
    }
}
