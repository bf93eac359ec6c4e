//! Walks over typed expressions: which locals are mentioned, defined, assigned, and which a function
//! literal captures.
//!
//! What must stay true: every child of every expression, statement, place and pattern is visited, in
//! the order of evaluation, so that captures come out in the order of first mention.

use crate::thir::*;
use rustc_hash::FxHashSet;

/// What a walk meets.
pub(crate) enum Event<'p> {
    /// An expression, before its children; the answer says whether to go into them.
    Expr(&'p Expr),
    /// A local that is defined here.
    Def(LocalId),
    /// A local that is assigned here.
    Assign(LocalId),
    /// A loop, `defer` or `let … else`.
    Control,
    /// A statement, before its parts.
    Stmt(&'p Stmt),
}

type Visit<'a, 'p> = &'a mut dyn FnMut(Event<'p>) -> bool;

pub(crate) fn walk<'p>(e: &'p Expr, f: Visit<'_, 'p>) {
    if !f(Event::Expr(e)) {
        return;
    }
    match &e.kind {
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
        | ExprKind::Continue(_) => {}
        ExprKind::Binary(_, a, b)
        | ExprKind::And(a, b)
        | ExprKind::Or(a, b)
        | ExprKind::ListFill(a, b)
        | ExprKind::Index(a, b)
        | ExprKind::Else(a, b) => {
            walk(a, f);
            walk(b, f);
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
        | ExprKind::Panic(a) => walk(a, f),
        ExprKind::Interp(ps) => {
            for p in ps {
                if let Piece::Value(v, _) = p {
                    walk(v, f);
                }
            }
        }
        ExprKind::List(xs) | ExprKind::Tuple(xs) | ExprKind::Construct { fields: xs, .. } => {
            xs.iter().for_each(|x| walk(x, f));
        }
        ExprKind::Call {
            callee, caps, args, ..
        } => {
            match &**callee {
                Callee::Value(v) => walk(v, f),
                Callee::Cap { cap, .. } => walk(cap, f),
                _ => {}
            }
            caps.iter().chain(args).for_each(|x| walk(x, f));
        }
        ExprKind::Lambda(l) => {
            for (_, id) in &l.uses {
                f(Event::Def(*id));
            }
            for id in &l.params {
                f(Event::Def(*id));
            }
            walk(&l.body, f);
        }
        ExprKind::BindFn { func, caps } => {
            walk(func, f);
            caps.iter().for_each(|x| walk(x, f));
        }
        ExprKind::Block(stmts, tail) => {
            stmts.iter().for_each(|s| walk_stmt(s, f));
            if let Some(t) = tail {
                walk(t, f);
            }
        }
        ExprKind::If(c, a, b) => {
            walk(c, f);
            walk(a, f);
            if let Some(b) = b {
                walk(b, f);
            }
        }
        ExprKind::Match(s, arms) => {
            walk(s, f);
            for arm in arms {
                walk_pat(&arm.pat, f);
                if let Some(g) = &arm.guard {
                    walk(g, f);
                }
                walk(&arm.body, f);
            }
        }
        ExprKind::With(bindings, body) => {
            for (id, v) in bindings {
                walk(v, f);
                f(Event::Def(*id));
            }
            walk(body, f);
        }
        ExprKind::TryCatch { body, catches } => {
            walk(body, f);
            for c in catches {
                if let Some(id) = c.local {
                    f(Event::Def(id));
                }
                walk(&c.body, f);
            }
        }
    }
}

fn walk_stmt<'p>(s: &'p Stmt, f: Visit<'_, 'p>) {
    f(Event::Stmt(s));
    match s {
        Stmt::Expr(e) => walk(e, f),
        Stmt::Let {
            pat,
            init,
            otherwise,
        } => {
            walk(init, f);
            if let Some(o) = otherwise {
                f(Event::Control);
                walk(o, f);
            }
            walk_pat(pat, f);
        }
        Stmt::Assign { place, value, .. } => {
            match place {
                Place::Local(id) => {
                    f(Event::Assign(*id));
                }
                Place::Field(a, _) => walk(a, f),
                Place::Index(a, b) => {
                    walk(a, f);
                    walk(b, f);
                }
            }
            walk(value, f);
        }
        Stmt::While { cond, body, .. } => {
            f(Event::Control);
            walk(cond, f);
            walk(body, f);
        }
        Stmt::Loop { body, .. } | Stmt::Defer(body) => {
            f(Event::Control);
            walk(body, f);
        }
        Stmt::For {
            pat, iter, body, ..
        } => {
            f(Event::Control);
            match &**iter {
                ForIter::Range { lo, hi, .. } => {
                    walk(lo, f);
                    walk(hi, f);
                }
                ForIter::RangeValue(e) | ForIter::List(e) => walk(e, f),
                ForIter::Iterator { state, iter, next } => {
                    walk(iter, f);
                    f(Event::Def(*state));
                    walk(next, f);
                }
            }
            walk_pat(pat, f);
            walk(body, f);
        }
    }
}

fn walk_pat<'p>(p: &'p Pat, f: Visit<'_, 'p>) {
    pat_locals(p, &mut |id| {
        f(Event::Def(id));
    });
}

/// The locals that a pattern binds.
pub(super) fn pat_locals(p: &Pat, f: &mut dyn FnMut(LocalId)) {
    match &p.kind {
        PatKind::Bind(id, sub) => {
            f(*id);
            if let Some(s) = sub {
                pat_locals(s, f);
            }
        }
        PatKind::Variant(_, subs) | PatKind::Struct(subs) => {
            subs.iter().for_each(|(_, s)| pat_locals(s, f));
        }
        PatKind::Member(_, s) => pat_locals(s, f),
        PatKind::Tuple(ps) => ps.iter().for_each(|s| pat_locals(s, f)),
        PatKind::Or(ps) => {
            // Each alternative binds the same locals.
            if let Some(first) = ps.first() {
                pat_locals(first, f);
            }
        }
        PatKind::List { front, rest, back } => {
            front.iter().for_each(|s| pat_locals(s, f));
            if let Some(Some(id)) = rest {
                f(*id);
            }
            back.iter().for_each(|s| pat_locals(s, f));
        }
        _ => {}
    }
}

/// The locals that a literal captures, in order of first mention.
pub(super) fn captures(l: &Lambda) -> Vec<LocalId> {
    let mut defs: FxHashSet<LocalId> = FxHashSet::default();
    defs.extend(l.uses.iter().map(|(_, id)| *id));
    defs.extend(l.params.iter().copied());
    let mut seen = FxHashSet::default();
    let mut out = Vec::new();
    walk(&l.body, &mut |ev| {
        let id = match ev {
            Event::Expr(Expr {
                kind: ExprKind::Local(id),
                ..
            }) => *id,
            Event::Assign(id) => id,
            Event::Def(id) => {
                defs.insert(id);
                return true;
            }
            _ => return true,
        };
        if seen.insert(id) {
            out.push(id);
        }
        true
    });
    out.retain(|id| !defs.contains(id));
    out
}

/// The mutable locals of a body that some literal captures: they live in cells.
pub(super) fn boxed(body: &Expr, locals: &[LocalDef]) -> FxHashSet<LocalId> {
    let mut out = FxHashSet::default();
    walk(body, &mut |ev| {
        if let Event::Expr(Expr {
            kind: ExprKind::Lambda(l),
            ..
        }) = ev
        {
            for id in captures(l) {
                if locals.get(id.0 as usize).is_some_and(|d| d.mutable) {
                    out.insert(id);
                }
            }
        }
        true
    });
    out
}

/// Whether evaluating `e` may assign the local (not through a literal: such locals live in cells).
pub(super) fn assigns(e: &Expr, local: LocalId) -> bool {
    let mut found = false;
    walk(e, &mut |ev| {
        match ev {
            Event::Assign(id) if id == local => found = true,
            Event::Expr(Expr {
                kind: ExprKind::Lambda(_),
                ..
            }) => return false,
            _ => {}
        }
        !found
    });
    found
}
