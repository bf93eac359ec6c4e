//! The entry point with the text of its errors, and call paths of capability errors.

use super::body::ex;
use super::collect::id32;
use super::{Checker, Def, ModId, UseKind, codes};
use crate::diag::Diagnostic;
use crate::source::{Span, sym};
use crate::thir::{
    CapId, Catch, Entry, ExprKind, FnId, ImplOf, LocalDef, LocalId, Piece, Stmt, Ty, TyKind,
    TyTable,
};
use rustc_hash::FxHashSet;

impl<'a> Checker<'a, '_> {
    pub(super) fn entry(&mut self) {
        let Some(root) = self.pkgs.last() else {
            return;
        };
        if root.is_std {
            return;
        }
        let Some(m) = root.modules.get("").copied() else {
            return;
        };
        let def = self
            .module(m)
            .and_then(|m| m.names.get(&sym::main))
            .map(|e| e.def);
        let Some(Def::Fn(f)) = def else {
            return;
        };
        let sig = self.sig(f);
        self.cx = super::cx::FnCx::new(self.module_scope(ModId(0)));
        let list = self.mk_list(TyTable::STR);
        let ok = match sig.params.as_slice() {
            [] => true,
            [p] => p.ty == list && p.default.is_none(),
            _ => false,
        };
        if !ok {
            self.err_help(
                codes::NO_MAIN,
                sig.head,
                "`main` takes the program's arguments or nothing",
                "write `fn main():` or `fn main(args: [string]):`",
            );
        }
        if !sig.generics.is_empty() {
            self.err(codes::NO_MAIN, sig.head, "`main` has no type parameters");
        }
        if sig.ret != TyTable::UNIT && sig.ret != TyTable::ERROR {
            self.err_help(
                codes::NO_MAIN,
                sig.head,
                "`main` has no result",
                "print it, or raise an error: `fn main() ! MyError:`",
            );
        }
        for e in self.prog.tys.err_members(sig.errs) {
            if let TyKind::Param(_) = self.prog.tys.kind(e) {
                return;
            }
        }
        let mut paths = Vec::new();
        for c in &sig.uses {
            paths.push(self.request_path(f, *c));
        }
        self.prog.main = Some(Entry { function: f, paths });
    }

    /// Lets the host show an error that leaves `main` as the program would: by `Show`, where something in it has an
    /// implementation of its own. The host's own text is that of a type without.
    pub(super) fn main_error(&mut self) {
        let Some(main) = self.prog.main.as_ref().map(|m| m.function) else {
            return;
        };
        let Some(def) = self.prog.fns.get(main.0 as usize) else {
            return;
        };
        let (errs, span) = (def.errs, def.span);
        let members = self.prog.tys.err_members(errs);
        let mut seen = FxHashSet::default();
        if !members.iter().any(|t| self.shows_itself(*t, &mut seen)) {
            return;
        }
        let Some(def) = self.prog.fns.get_mut(main.0 as usize) else {
            return;
        };
        let Some(body) = def.body.take() else {
            return;
        };
        let local = LocalId(id32(def.locals.len()));
        def.locals.push(LocalDef {
            name: "error".to_string(),
            ty: errs,
            mutable: false,
        });
        let error = || ex(ExprKind::Local(local), errs, span);
        let text = ex(
            ExprKind::Interp(vec![Piece::Value(error(), None)]),
            TyTable::STR,
            span,
        );
        let told = self.intrinsic("failure_text", vec![text], TyTable::UNIT, Vec::new(), span);
        let raise = ex(ExprKind::Raise(Box::new(error())), TyTable::NEVER, span);
        let catch = Catch {
            tys: members,
            local: Some(local),
            body: ex(
                ExprKind::Block(vec![Stmt::Expr(told), Stmt::Expr(raise)], None),
                TyTable::NEVER,
                span,
            ),
        };
        let (ty, place) = (body.ty, body.span);
        let kind = ExprKind::TryCatch {
            body: Box::new(body),
            catches: vec![catch],
        };
        if let Some(def) = self.prog.fns.get_mut(main.0 as usize) {
            def.body = Some(ex(kind, ty, place));
        }
    }

    /// Whether a type, or one inside of it, has an implementation of `Show` that was written.
    fn shows_itself(&self, ty: Ty, seen: &mut FxHashSet<Ty>) -> bool {
        if !seen.insert(ty) || seen.len() > 2000 {
            return false;
        }
        match self.prog.tys.kind(ty) {
            TyKind::List(t) => self.shows_itself(*t, seen),
            TyKind::Tuple(ts) => ts.iter().any(|t| self.shows_itself(*t, seen)),
            TyKind::Adt(id, args) => {
                let Some(show) = self.prog.lang.show else {
                    return false;
                };
                let written = self.prog.impls.iter().any(|i| {
                    let of = matches!(&i.interface, ImplOf::Trait(t, _) if *t == show);
                    of && matches!(self.prog.tys.kind(i.self_ty), TyKind::Adt(a, _) if a == id)
                });
                let fields = self.prog.adts.get(id.0 as usize);
                written
                    || args.iter().any(|t| self.shows_itself(*t, seen))
                    || fields.is_some_and(|def| {
                        let fields = def.variants.iter().flat_map(|v| &v.fields);
                        fields.into_iter().any(|f| self.shows_itself(f.ty, seen))
                    })
            }
            _ => false,
        }
    }

    fn request_path(&self, f: FnId, cap: CapId) -> Vec<String> {
        let sig = self.sig(f);
        let mut out = vec![format!("{} ({})", sig.display, self.place(sig.head))];
        for (span, what) in self.path(f, cap) {
            out.push(format!("{what} ({})", self.place(span)));
        }
        out
    }

    /// The shortest way from a function to a use of one of its capabilities: places and what is
    /// called there.
    pub(super) fn path(&self, f: FnId, cap: CapId) -> Vec<(Span, String)> {
        let exact = self.path_by(f, |c| c == cap);
        if !exact.is_empty() {
            return exact;
        }
        // Through functions that use what they are asked to.
        self.path_by(f, |c| c == cap || c.as_param().is_some())
    }

    fn path_by(&self, f: FnId, fits: impl Fn(CapId) -> bool) -> Vec<(Span, String)> {
        let mut seen: FxHashSet<FnId> = FxHashSet::default();
        seen.insert(f);
        // Breadth first; each node knows the node that it was reached from.
        type Node = (FnId, Option<usize>, Option<(Span, String)>);
        let mut nodes: Vec<Node> = vec![(f, None, None)];
        let mut i = 0;
        while i < nodes.len() {
            let Some((at, _, _)) = nodes.get(i).cloned() else {
                break;
            };
            let sites: Vec<_> = self
                .fns
                .get(at.0 as usize)
                .map_or(Vec::new(), |x| x.sites.clone());
            for s in sites.iter().filter(|s| fits(s.cap)) {
                match &s.kind {
                    UseKind::Direct(what) => {
                        let mut out = vec![(s.span, what.clone())];
                        let mut k = Some(i);
                        while let Some(j) = k {
                            let Some((_, from, step)) = nodes.get(j) else {
                                break;
                            };
                            if let Some(step) = step {
                                out.push(step.clone());
                            }
                            k = *from;
                        }
                        out.reverse();
                        return out;
                    }
                    UseKind::Fn(g) => {
                        if seen.insert(*g) {
                            let what = self.sig(*g).display.clone();
                            nodes.push((*g, Some(i), Some((s.span, what))));
                        }
                    }
                }
            }
            i += 1;
        }
        Vec::new()
    }

    /// Tells missing capabilities, with the way to a use.
    pub(super) fn flush_caps(&mut self) {
        // The change of one signature mends all uses in that function.
        let mut told: Vec<(Vec<crate::diag::Edit>, CapId)> = Vec::new();
        for p in std::mem::take(&mut self.pending) {
            if self.sink.is_full() {
                break;
            }
            let mut d: Diagnostic = p.diag;
            let again = told.iter().any(|(fix, cap)| *fix == d.fix && *cap == p.cap);
            if again && !d.fix.is_empty() {
                self.poisoned = true;
                continue;
            }
            told.push((d.fix.clone(), p.cap));
            let at = d.span;
            d = d.call(p.here.0, p.here.1);
            d = d.call(at, p.what);
            if let Some(f) = p.callee {
                for (span, what) in self.path(f, p.cap) {
                    d = d.call(span, what);
                }
            }
            self.push(d);
        }
        let _ = id32(0);
    }
}
