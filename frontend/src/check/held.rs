//! What an attenuator holds and is used for: its capability fields, its own methods, and itself as a value.
//!
//! What must stay true: whatever reaches the host through `self` counts as a use of what it is reached by, so that
//! `allow` and pure places see it.

use super::body::{bad, ex};
use super::cx::EnvEntry;
use super::rules::{Rule, broken};
use super::{Checker, codes};
use crate::ast::{Arg, Ident, TypeExpr};
use crate::diag::Diagnostic;
use crate::source::Span;
use crate::thir::{AdtKind, Callee as TCallee, CapId, Expr, ExprKind, Ty, TyKind};

impl<'a> Checker<'a, '_> {
    /// A capability or attenuator field of `self`, or `self` itself, that is bound or handed on is used.
    pub(super) fn mention_field(&mut self, v: &Expr, cap: CapId) {
        match (&v.kind, self.kind(v.ty)) {
            (ExprKind::Field(..), TyKind::Cap(c)) => self.field_use(c, v.span),
            (_, TyKind::Adt(id, _)) if self.adt_kind(id) == AdtKind::Attenuator => match v.kind {
                ExprKind::Field(..) => self.field_use(cap, v.span),
                ExprKind::Local(_) => self.use_held(v),
                _ => {}
            },
            _ => {}
        }
    }

    /// An attenuator that is handed on as it is: all that it is good for is used.
    pub(super) fn mention_attenuator(&mut self, v: &Expr) {
        match v.kind {
            ExprKind::Field(..) => {
                for cap in self.implemented_caps(v.ty) {
                    self.field_use(cap, v.span);
                }
            }
            ExprKind::Local(_) => self.use_held(v),
            _ => {}
        }
    }

    fn use_held(&mut self, v: &Expr) {
        for cap in self.held_caps(v.ty) {
            self.field_use(cap, v.span);
        }
    }

    /// The capabilities that a type implements.
    fn implemented_caps(&mut self, ty: Ty) -> Vec<CapId> {
        let all = (0..self.caps.len()).map(|i| CapId(super::collect::id32(i)));
        all.filter(|c| self.find_cap_impl(ty, *c).is_some())
            .collect()
    }

    /// The capabilities that an attenuator's methods can reach: of its fields, and what attenuators in them implement.
    pub(super) fn held_caps(&mut self, ty: Ty) -> Vec<CapId> {
        let TyKind::Adt(id, _) = self.kind(ty) else {
            return Vec::new();
        };
        let def = self.prog.adts.get(id.0 as usize);
        let fields = def.and_then(|a| a.variants.first());
        let fields: Vec<Ty> =
            fields.map_or(Vec::new(), |v| v.fields.iter().map(|f| f.ty).collect());
        let mut out = Vec::new();
        for field in fields {
            match self.kind(field) {
                TyKind::Cap(c) => out.push(c),
                TyKind::Adt(id, _) if self.adt_kind(id) == AdtKind::Attenuator => {
                    out.extend(self.implemented_caps(field));
                }
                _ => {}
            }
        }
        out
    }

    /// A use of a capability field of `self`: pure places and `allow` see it.
    pub(super) fn field_use(&mut self, cap: CapId, span: Span) {
        let name = self.cap_name(cap);
        if let Some(why) = self.cx.pure {
            self.breach(
                Rule::PureCapability,
                span,
                format!("{why} is pure: it cannot use `{name}`"),
                "",
            );
        }
        let bad_block = self.cx.env.iter().find_map(|e| match e {
            EnvEntry::Allow { caps, span } if !caps.contains(&cap) => Some(*span),
            _ => None,
        });
        if let Some(at) = bad_block
            && broken(Rule::AllowField)
        {
            self.push(
                Diagnostic::error(
                    Rule::AllowField.code(),
                    span,
                    format!("`{name}` is used here, but the block does not allow it"),
                )
                .note_at(at, "the block is here")
                .help(format!("add `{name}` to `allow`")),
            );
        }
    }

    /// A method of an attenuator in a field of `self`.
    pub(super) fn att_call(
        &mut self,
        recv: Expr,
        ty: Ty,
        name: Ident,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        span: Span,
    ) -> Expr {
        let own = matches!(recv.kind, ExprKind::Local(_));
        let mut hits: Vec<(CapId, usize)> = Vec::new();
        for cap in (0..self.caps.len()).map(|i| CapId(super::collect::id32(i))) {
            let info = self.caps.get(cap.0 as usize);
            if info.is_some_and(|c| c.methods.iter().any(|m| m.name == name.name))
                && let Some(i) = self.find_cap_impl(ty, cap)
                // A parent's method is implemented with its child's.
                && hits.iter().all(|(_, other)| *other != i)
            {
                hits.push((cap, i));
            }
        }
        match hits.as_slice() {
            [] => {}
            &[(cap, i)] if own => {
                return self.own_att_call(recv, ty, (cap, i), name, type_args, args, span);
            }
            &[(cap, _)] => {
                let cty = self.prog.tys.intern(TyKind::Cap(cap));
                let binding = ex(ExprKind::AsCap(Box::new(recv)), cty, span);
                return self.cap_call_on(binding, cap, name, type_args, args, span);
            }
            several => {
                let names: Vec<String> = several.iter().map(|(c, _)| self.cap_name(*c)).collect();
                let (t, n) = (self.show(ty), self.text(name.name));
                let first = names.first().cloned().unwrap_or_default();
                self.err_help(
                    codes::AMBIGUOUS_METHOD,
                    name.span,
                    format!(
                        "`{n}` is a method of several capabilities of `{t}`: {}",
                        names.join(", ")
                    ),
                    format!("bind the one that is meant: `with {first} = …:` and `{first}.{n}(…)`"),
                );
                self.drop_args(args);
                return bad(span);
            }
        }
        let (t, n) = (self.show(ty), self.text(name.name));
        self.err(
            codes::UNKNOWN_MEMBER,
            name.span,
            format!("attenuator `{t}` has no method `{n}`"),
        );
        bad(span)
    }

    /// `self.method(…)` in a method of an attenuator: a plain call, inside of its edge. It may use all that
    /// `self` holds.
    #[allow(clippy::too_many_arguments)]
    fn own_att_call(
        &mut self,
        recv: Expr,
        ty: Ty,
        (cap, index): (CapId, usize),
        name: Ident,
        type_args: &'a [TypeExpr<'a>],
        args: &'a [Arg<'a>],
        span: Span,
    ) -> Expr {
        for held in self.held_caps(ty) {
            self.field_use(held, span);
        }
        let Some((m, sig)) = self.cap_method(cap, name) else {
            self.drop_args(args);
            return bad(span);
        };
        let function = self
            .prog
            .impls
            .get(index)
            .and_then(|i| i.methods.get(m as usize).copied().flatten());
        let Some(function) = function else {
            return bad(span);
        };
        let callee = TCallee::Fn(function, Vec::new());
        self.interface_call(callee, Some(recv), &sig, type_args, args, span)
    }
}
