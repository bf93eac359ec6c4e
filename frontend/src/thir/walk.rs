//! One way through a body for passes that change it.
//!
//! What must stay true: every child of every expression, statement, place and pattern is met, in the order of
//! evaluation; what a pass does with a node, it does before it goes on to the node's children.

use super::{Callee, Expr, ExprKind, ForIter, Pat, PatKind, Piece, Place, Stmt};

/// A pass that changes bodies. Its functions call [`Expr::children`] and [`Pat::children`] to go on.
pub trait Pass {
    /// Why it stops before the end.
    type Stop;

    /// An expression.
    fn expr(&mut self, e: &mut Expr) -> Result<(), Self::Stop>;

    /// A pattern.
    fn pat(&mut self, _: &mut Pat) -> Result<(), Self::Stop> {
        Ok(())
    }
}

impl Expr {
    /// Shows the pass what this expression is made of.
    ///
    /// # Errors
    /// Where the pass stops.
    pub fn children<P: Pass>(&mut self, p: &mut P) -> Result<(), P::Stop> {
        match &mut self.kind {
            ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Bool(_)
            | ExprKind::Byte(_)
            | ExprKind::Char(_)
            | ExprKind::Str(_)
            | ExprKind::Unit
            | ExprKind::Local(_)
            | ExprKind::Const(_)
            | ExprKind::FnRef(..)
            | ExprKind::Return(None)
            | ExprKind::Break(_)
            | ExprKind::Continue(_) => Ok(()),
            ExprKind::Binary(_, a, b)
            | ExprKind::And(a, b)
            | ExprKind::Or(a, b)
            | ExprKind::ListFill(a, b)
            | ExprKind::Index(a, b)
            | ExprKind::Else(a, b) => {
                p.expr(a)?;
                p.expr(b)
            }
            ExprKind::Unary(_, a)
            | ExprKind::Convert(_, a)
            | ExprKind::Field(a, _)
            | ExprKind::Try(a)
            | ExprKind::MakeDyn(a)
            | ExprKind::WidenErr(a)
            | ExprKind::AsCap(a)
            | ExprKind::Recap(a)
            | ExprKind::Return(Some(a))
            | ExprKind::Raise(a)
            | ExprKind::Panic(a) => p.expr(a),
            ExprKind::Interp(parts) => parts.iter_mut().try_for_each(|part| match part {
                Piece::Value(v, _) => p.expr(v),
                Piece::Text(_) => Ok(()),
            }),
            ExprKind::List(es) | ExprKind::Tuple(es) | ExprKind::Construct { fields: es, .. } => {
                each(es, p)
            }
            ExprKind::Call {
                callee, caps, args, ..
            } => {
                callee.children(p)?;
                each(caps, p)?;
                each(args, p)
            }
            ExprKind::BindFn { func, caps } => {
                p.expr(func)?;
                each(caps, p)
            }
            ExprKind::Lambda(l) => p.expr(&mut l.body),
            ExprKind::Block(stmts, value) => {
                stmts.iter_mut().try_for_each(|s| s.children(p))?;
                value.iter_mut().try_for_each(|v| p.expr(v))
            }
            ExprKind::If(c, a, b) => {
                p.expr(c)?;
                p.expr(a)?;
                b.iter_mut().try_for_each(|b| p.expr(b))
            }
            ExprKind::Match(s, arms) => {
                p.expr(s)?;
                arms.iter_mut().try_for_each(|arm| {
                    p.pat(&mut arm.pat)?;
                    arm.guard.iter_mut().try_for_each(|g| p.expr(g))?;
                    p.expr(&mut arm.body)
                })
            }
            ExprKind::With(binds, body) => {
                binds.iter_mut().try_for_each(|(_, v)| p.expr(v))?;
                p.expr(body)
            }
            ExprKind::TryCatch { body, catches } => {
                p.expr(body)?;
                catches.iter_mut().try_for_each(|c| p.expr(&mut c.body))
            }
        }
    }
}

fn each<P: Pass>(es: &mut [Expr], p: &mut P) -> Result<(), P::Stop> {
    es.iter_mut().try_for_each(|e| p.expr(e))
}

impl Callee {
    /// Shows the pass the value that is called, if one is.
    ///
    /// # Errors
    /// Where the pass stops.
    pub fn children<P: Pass>(&mut self, p: &mut P) -> Result<(), P::Stop> {
        match self {
            Callee::Value(e) | Callee::Cap { cap: e, .. } => p.expr(e),
            Callee::Fn(..) | Callee::Trait { .. } | Callee::Dyn { .. } => Ok(()),
        }
    }
}

impl Stmt {
    fn children<P: Pass>(&mut self, p: &mut P) -> Result<(), P::Stop> {
        match self {
            Stmt::Expr(e) | Stmt::Defer(e) | Stmt::Loop { body: e, .. } => p.expr(e),
            Stmt::Let {
                pat,
                init,
                otherwise,
            } => {
                p.expr(init)?;
                p.pat(pat)?;
                otherwise.iter_mut().try_for_each(|o| p.expr(o))
            }
            Stmt::Assign { place, value, .. } => {
                match place {
                    Place::Local(_) => {}
                    Place::Field(a, _) => p.expr(a)?,
                    Place::Index(a, b) => {
                        p.expr(a)?;
                        p.expr(b)?;
                    }
                }
                p.expr(value)
            }
            Stmt::While { cond, body, .. } => {
                p.expr(cond)?;
                p.expr(body)
            }
            Stmt::For {
                pat, iter, body, ..
            } => {
                match &mut **iter {
                    ForIter::Range { lo, hi, .. } => {
                        p.expr(lo)?;
                        p.expr(hi)?;
                    }
                    ForIter::RangeValue(e) | ForIter::List(e) => p.expr(e)?,
                    ForIter::Iterator { iter, next, .. } => {
                        p.expr(iter)?;
                        p.expr(next)?;
                    }
                }
                p.pat(pat)?;
                p.expr(body)
            }
        }
    }
}

impl Pat {
    /// Shows the pass what this pattern is made of.
    ///
    /// # Errors
    /// Where the pass stops.
    pub fn children<P: Pass>(&mut self, p: &mut P) -> Result<(), P::Stop> {
        match &mut self.kind {
            PatKind::Bind(_, Some(inner)) | PatKind::Member(_, inner) => p.pat(inner),
            PatKind::Variant(_, fields) | PatKind::Struct(fields) => {
                fields.iter_mut().try_for_each(|(_, f)| p.pat(f))
            }
            PatKind::Tuple(ps) | PatKind::Or(ps) => ps.iter_mut().try_for_each(|q| p.pat(q)),
            PatKind::List { front, back, .. } => {
                front.iter_mut().chain(back).try_for_each(|q| p.pat(q))
            }
            _ => Ok(()),
        }
    }
}
