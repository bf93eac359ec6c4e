//! `Type.name(…)` where the name is a trait's method without `self`, which the type implements.

use super::body::bad;
use super::cx::Want;
use super::prove::Proof;
use super::{Checker, codes};
use crate::ast::{Arg, Ident, TypeExpr};
use crate::source::Span;
use crate::thir::{Expr, TraitId, Ty};

impl<'a> Checker<'a, '_> {
    /// The call, or nothing if no trait of the type has such a method.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn trait_static(
        &mut self,
        ty: Ty,
        name: Ident,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        want: Want,
        span: Span,
    ) -> Option<Expr> {
        let mut hits: Vec<(TraitId, u32)> = Vec::new();
        for (tr, m) in self.trait_methods_for(ty, name.name) {
            let mark = self.mark();
            let targs = self.fresh_trait_args(tr);
            if !matches!(self.prove(ty, tr, &targs), Proof::No(..)) {
                hits.push((tr, m));
            }
            self.rollback(mark);
        }
        let s = self.text(name.name);
        let (tr, m) = match hits.as_slice() {
            [] => return None,
            [hit] => *hit,
            _ => {
                let of: Vec<TraitId> = hits.iter().map(|(t, _)| *t).collect();
                self.ambiguous_method(name.name, name.span, &of);
                return Some(bad(span));
            }
        };
        let sig = self.trait_sig(tr, m)?;
        if sig.has_self {
            self.err_help(
                codes::ARGUMENTS,
                span,
                format!("`{s}` is called on a value"),
                format!("write `x.{s}(…)`"),
            );
            return Some(bad(span));
        }
        let targs = self.fresh_trait_args(tr);
        // Binds the trait's arguments where one implementation fits.
        let _ = self.prove(ty, tr, &targs);
        Some(self.trait_call(tr, targs, m, &sig, ty, None, type_args, args, want, span))
    }
}
