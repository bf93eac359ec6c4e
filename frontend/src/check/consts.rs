//! Constants: their bodies, their order, and their values, which take the place of the bodies.
//!
//! What must stay true: after `constants` a constant whose value is known is a literal, a tuple or a variant of
//! such; one that needs what the evaluator has no rule for stays as it is written; a constant is evaluated once, after all that it needs; nothing here recurses over
//! constants or calls, however long the chains are.

use super::body::ex;
use super::collect::id32;
use super::const_eval::{Eval, MAX_STEPS, MAX_TOTAL_STEPS, Stop, Stopped, Value};
use super::cx::{FnCx, Frame as FrameOf, FrameErrs, LitKind};
use super::{Checker, codes};
use crate::diag::Diagnostic;
use crate::lower::visit::{Event, walk};
use crate::source::Span;
use crate::thir::{Callee, ConstId, Expr, ExprKind, FnId, Pat, PatKind, Ty, TyKind, TyTable};
use rustc_hash::{FxHashMap, FxHashSet};

/// Most constants whose functions' patterns need constants whose functions' patterns …
const MAX_NESTED: u32 = 8;

/// How far the constants are.
#[derive(Debug, Default)]
pub(crate) struct ConstState {
    /// Values that are known.
    values: Vec<Option<Value>>,
    /// Constants that were dealt with, or are being so.
    begun: FxHashSet<ConstId>,
    done: FxHashSet<ConstId>,
    /// Functions whose bodies are checked and whose constants are known.
    ready: FxHashSet<FnId>,
    /// Functions with errors.
    wrong: FxHashSet<FnId>,
    /// Constants without a value, with what they need.
    unknown: FxHashMap<ConstId, &'static str>,
    steps: u64,
    /// Parts that values may still have.
    parts: usize,
    nested: u32,
}

/// Parts of a constant's value, written out; of texts, pieces of 64 bytes. And of all values of a program.
const MAX_PARTS: usize = 20_000;
const MAX_TOTAL_PARTS: usize = 1_000_000;

/// What is left of so many parts when a value, whose parts may be shared, is written out; `None` if they do not suffice.
fn written_out(v: &Value, left: usize) -> Option<usize> {
    fn take(v: &Value, left: usize) -> Option<usize> {
        let own = match v {
            Value::Str(s) => 1 + s.len() / 64,
            _ => 1,
        };
        let left = left.checked_sub(own)?;
        match v {
            Value::Tuple(parts) | Value::Variant(_, _, parts) => {
                parts.iter().try_fold(left, |left, part| take(part, left))
            }
            _ => Some(left),
        }
    }
    let given = left.min(MAX_PARTS);
    Some(left - given + take(v, given)?)
}

/// A constant whose needs are looked through.
struct Open {
    id: ConstId,
    /// Functions and constants that are still to be looked at.
    fns: Vec<FnId>,
    consts: Vec<ConstId>,
    seen: FxHashSet<FnId>,
}

impl<'a> Checker<'a, '_> {
    /// Checks and evaluates all constants.
    pub(super) fn constants(&mut self) {
        self.const_state.steps = MAX_TOTAL_STEPS;
        self.const_state.parts = MAX_TOTAL_PARTS;
        self.const_state.values = vec![None; self.consts.len()];
        for i in 0..self.consts.len() {
            self.const_body(ConstId(id32(i)));
        }
        for i in 0..self.consts.len() {
            if self.sink.is_full() {
                return;
            }
            self.const_value(ConstId(id32(i)), Span::default());
        }
    }

    /// The value of a constant as an expression of its own type; `None` if it has none, which was told.
    pub(super) fn const_value(&mut self, id: ConstId, asked: Span) -> Option<Value> {
        let known = |me: &Self| me.const_state.values.get(id.0 as usize).cloned().flatten();
        if self.const_state.done.contains(&id) {
            return known(self);
        }
        if self.const_state.begun.contains(&id) || self.const_state.nested >= MAX_NESTED {
            self.needs_itself(id, asked);
            return None;
        }
        // Bodies of functions are checked on the way, so the one that is being checked is put aside.
        let scope = self.module_scope(super::ModId(0));
        let outer = std::mem::replace(&mut self.cx, FnCx::new(scope));
        let poisoned = std::mem::replace(&mut self.poisoned, false);
        self.const_state.nested += 1;
        self.const_chain(id);
        self.const_state.nested -= 1;
        self.poisoned |= poisoned;
        self.cx = outer;
        known(self)
    }

    /// What a constant needs that the compiler does not compute.
    pub(super) fn const_needs(&self, id: ConstId) -> Option<&'static str> {
        self.const_state.unknown.get(&id).copied()
    }

    fn needs_itself(&mut self, id: ConstId, asked: Span) {
        let span = self.consts.get(id.0 as usize).map(|c| c.item.name.span);
        let mut d = Diagnostic::error(
            codes::BAD_CONST,
            span.unwrap_or(asked),
            "the value of this constant needs itself",
        )
        .help("write the value out");
        if asked != Span::default() {
            d = d.note_at(asked, "it is needed here");
        }
        self.push(d);
    }

    /// Evaluates a constant after those that it needs.
    fn const_chain(&mut self, id: ConstId) {
        let mut stack = vec![self.open_const(id)];
        while let Some(top) = stack.last_mut() {
            if let Some(c) = top.consts.pop() {
                let by = top.id;
                if self.const_state.done.contains(&c) {
                    continue;
                }
                if self.const_state.begun.contains(&c) {
                    let here = self.consts.get(by.0 as usize).map(|c| c.item.value.span);
                    self.needs_itself(c, here.unwrap_or_default());
                    self.const_state.done.insert(c);
                    continue;
                }
                let next = self.open_const(c);
                stack.push(next);
            } else if let Some(f) = top.fns.pop() {
                if !top.seen.insert(f) || self.const_state.ready.contains(&f) {
                    continue;
                }
                let local = self.fns.get(f.0 as usize).is_some_and(|i| i.local);
                if !local {
                    self.fn_body(f);
                }
                if self.poisoned {
                    self.const_state.wrong.insert(f);
                }
                self.poisoned |= self.const_state.wrong.contains(&f);
                let Some(body) = self
                    .prog
                    .fns
                    .get(f.0 as usize)
                    .and_then(|d| d.body.as_ref())
                else {
                    continue;
                };
                needs(body, &mut top.fns, &mut top.consts);
            } else if let Some(open) = stack.pop() {
                self.evaluate(open.id);
                self.const_state.done.insert(open.id);
                if stack.is_empty() && !self.poisoned {
                    self.const_state.ready.extend(open.seen);
                }
            }
        }
    }

    fn open_const(&mut self, id: ConstId) -> Open {
        self.const_state.begun.insert(id);
        let mut open = Open {
            id,
            fns: Vec::new(),
            consts: Vec::new(),
            seen: FxHashSet::default(),
        };
        if let Some(c) = self.prog.consts.get(id.0 as usize) {
            needs(&c.value, &mut open.fns, &mut open.consts);
        }
        open
    }

    fn evaluate(&mut self, id: ConstId) {
        let at = id.0 as usize;
        // What is wrong in its expression, or in what it needs, was told.
        if self.consts.get(at).is_none_or(|c| c.failed) || self.poisoned {
            return;
        }
        let Some(def) = self.prog.consts.get(at) else {
            return;
        };
        let given = self.const_state.steps.min(MAX_STEPS);
        let mut steps = given;
        let made = Eval::new(&self.prog, &self.const_state.values, &mut steps)
            .constant(&def.value, &def.locals)
            .and_then(|v| match written_out(&v, self.const_state.parts) {
                Some(left) => Ok((v, left)),
                None => Err(Box::new(Stopped {
                    why: Stop::Limit,
                    at: def.value.span,
                    inner: None,
                })),
            });
        self.const_state.steps -= given - steps;
        match made {
            Ok((v, left)) => {
                self.const_state.parts = left;
                let (ty, span) = (def.ty, def.value.span);
                match self.expr_of(&v, ty, span) {
                    Some(e) => {
                        if let Some(c) = self.prog.consts.get_mut(at) {
                            c.value = e;
                            c.locals = Vec::new();
                        }
                        if let Some(slot) = self.const_state.values.get_mut(at) {
                            *slot = Some(v);
                        }
                    }
                    None => self.err(codes::BAD_CONST, span, "this is no value of a constant"),
                }
            }
            Err(stopped) => {
                if let Stop::Cannot(what) = stopped.why {
                    self.const_state.unknown.insert(id, what);
                }
                self.no_value(*stopped);
            }
        }
    }

    fn no_value(&mut self, s: Stopped) {
        let help = "write `fn name() -> T:`, a function without parameters that computes it where it is needed";
        let (mut d, inner) = match s.why {
            Stop::Trap(text) => (
                Diagnostic::error(
                    codes::CONST_TRAP,
                    s.at,
                    format!("computing this constant traps: {text}"),
                ),
                "it happens here",
            ),
            // It is computed where it is used, and no pattern can name it.
            Stop::Cannot(_) => return,
            Stop::Limit => (
                Diagnostic::error(
                    codes::BAD_CONST,
                    s.at,
                    "computing this constant takes too much work, nests too deep, or makes too large a value",
                )
                .note(format!(
                    "a constant takes at most {MAX_STEPS} steps, all of a program {MAX_TOTAL_STEPS}"
                ))
                .help(help),
                "this far it got",
            ),
        };
        if let Some(span) = s.inner {
            d = d.note_at(span, inner);
        }
        self.push(d);
    }

    /// A value as an expression.
    fn expr_of(&mut self, v: &Value, ty: Ty, span: Span) -> Option<Expr> {
        let kind = match v {
            Value::Unit => ExprKind::Unit,
            Value::Int(n) => ExprKind::Int(*n),
            Value::Float(x) => ExprKind::Float(*x),
            Value::Bool(b) => ExprKind::Bool(*b),
            Value::Byte(b) => ExprKind::Byte(*b),
            Value::Char(c) => ExprKind::Char(*c),
            Value::Str(s) => ExprKind::Str(s.to_string()),
            Value::Tuple(vs) => {
                let tys = self.parts_of(v, ty)?;
                let all: Option<Vec<Expr>> = vs
                    .iter()
                    .zip(tys)
                    .map(|(v, t)| self.expr_of(v, t, span))
                    .collect();
                ExprKind::Tuple(all?)
            }
            Value::Variant(_, variant, vs) => {
                let tys = self.parts_of(v, ty)?;
                let all: Option<Vec<Expr>> = vs
                    .iter()
                    .zip(tys)
                    .map(|(v, t)| self.expr_of(v, t, span))
                    .collect();
                ExprKind::Construct {
                    variant: *variant,
                    fields: all?,
                }
            }
        };
        Some(ex(kind, ty, span))
    }

    /// Types of the parts of a tuple or variant of type `ty`.
    fn parts_of(&mut self, v: &Value, ty: Ty) -> Option<Vec<Ty>> {
        match (v, self.prog.tys.kind(ty).clone()) {
            (Value::Tuple(vs), TyKind::Tuple(tys)) if vs.len() == tys.len() => Some(tys),
            (Value::Variant(id, variant, vs), TyKind::Adt(other, args)) if *id == other => {
                let def = self.prog.adts.get(id.0 as usize)?;
                let fields = &def.variants.get(*variant as usize)?.fields;
                let tys: Vec<Ty> = fields.iter().map(|f| f.ty).collect();
                (tys.len() == vs.len()).then(|| self.prog.tys.subst_all(&tys, &args))
            }
            _ => None,
        }
    }

    /// A pattern that matches exactly the value of a constant.
    pub(super) fn pat_of(&mut self, v: &Value, ty: Ty, span: Span) -> Option<PatKind> {
        Some(match v {
            Value::Unit => PatKind::Unit,
            Value::Int(n) => PatKind::Int(*n),
            Value::Float(x) => PatKind::Float(*x),
            Value::Bool(b) => PatKind::Bool(*b),
            Value::Byte(b) => PatKind::Byte(*b),
            Value::Char(c) => PatKind::Char(*c),
            Value::Str(s) => PatKind::Str(s.to_string()),
            Value::Tuple(vs) | Value::Variant(_, _, vs) => {
                let tys = self.parts_of(v, ty)?;
                let mut subs = Vec::new();
                for (v, ty) in vs.iter().zip(tys) {
                    let kind = self.pat_of(v, ty, span)?;
                    subs.push(Pat { kind, ty, span });
                }
                match v {
                    Value::Variant(_, variant, _) => {
                        PatKind::Variant(*variant, (0..).zip(subs).collect())
                    }
                    _ => PatKind::Tuple(subs),
                }
            }
        })
    }

    fn const_body(&mut self, id: ConstId) {
        let Some((module, item, ty)) = self
            .consts
            .get(id.0 as usize)
            .map(|c| (c.module, c.item, c.ty))
        else {
            return;
        };
        let earlier = std::mem::replace(&mut self.poisoned, false);
        let bad_type = self.is_error(ty);
        self.cx = FnCx::new(self.module_scope(module));
        self.cx.at = item.name.span;
        self.cx.pure = Some("a constant");
        self.cx.in_const = true;
        self.cx.frames.push(FrameOf::new(
            LitKind::Function,
            TyTable::ERROR,
            FrameErrs::Declared(TyTable::NEVER),
        ));
        self.cx.push_scope();
        let mut value = self.check_expr(&item.value, ty);
        self.finish_types(Some(&mut value));
        self.audit_body(&mut value);
        let locals = std::mem::take(&mut self.cx.locals);
        let failed = std::mem::replace(&mut self.poisoned, earlier) || bad_type;
        self.poisoned |= failed;
        if let Some(c) = self.consts.get_mut(id.0 as usize) {
            c.failed |= failed;
        }
        if let Some(c) = self.prog.consts.get_mut(id.0 as usize) {
            c.value = value;
            c.locals = locals;
        }
    }
}

/// The functions and constants that an expression mentions.
fn needs(e: &Expr, fns: &mut Vec<FnId>, consts: &mut Vec<ConstId>) {
    walk(e, &mut |event| {
        if let Event::Expr(e) = event {
            match &e.kind {
                ExprKind::Const(id) => consts.push(*id),
                ExprKind::Call { callee, .. } => {
                    if let Callee::Fn(id, _) = &**callee {
                        fns.push(*id);
                    }
                }
                _ => {}
            }
        }
        true
    });
}
