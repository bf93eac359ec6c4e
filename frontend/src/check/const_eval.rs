//! Evaluates checked expressions at compile time, for constants: scalars, strings, tuples and variants, with
//! operators, control flow and calls of functions that work on such values alone.
//!
//! What must stay true: a value that comes out is the one that the program would have computed; whatever has
//! no rule here stops with the place that needs it; the work and the nesting are bounded, whatever the input.

use crate::source::Span;
use crate::thir::{
    AdtId, Callee, Expr, ExprKind, FnId, ForIter, LocalDef, LocalId, LoopId, Pat, PatKind, Piece,
    Place, Program, Stmt, Ty, TyKind, UnOp,
};
use std::rc::Rc;

/// Steps that one constant may take.
pub(super) const MAX_STEPS: u64 = 200_000;
/// Steps that all constants of a program may take together.
pub(super) const MAX_TOTAL_STEPS: u64 = 2_000_000;
/// Deepest nesting of expressions and calls.
const MAX_DEPTH: u32 = 600;
/// Longest text.
pub(super) const MAX_TEXT: usize = 1 << 16;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Unit,
    Int(i64),
    Float(f64),
    Bool(bool),
    Byte(u8),
    Char(char),
    Str(Rc<str>),
    Tuple(Rc<[Value]>),
    Variant(AdtId, u32, Rc<[Value]>),
}

/// Why there is no value.
#[derive(Clone, Debug)]
pub(super) enum Stop {
    /// The program would trap there.
    Trap(String),
    /// There is no rule for what stands there.
    Cannot(&'static str),
    /// Too much work, or too deep.
    Limit,
}

/// Where it stopped: the place in the constant, and the place below it in a function, if it is in one.
#[derive(Clone, Debug)]
pub(super) struct Stopped {
    pub why: Stop,
    pub at: Span,
    pub inner: Option<Span>,
}

/// A way out of an expression other than its value.
pub(super) enum Exit {
    Return(Value),
    Raise(Value),
    Break(LoopId),
    Continue(LoopId),
    Stop(Box<Stopped>),
}

pub(super) type Res<T> = Result<T, Exit>;

/// The evaluator.
pub(super) struct Eval<'p> {
    pub prog: &'p Program,
    /// Values of the constants that are known.
    consts: &'p [Option<Value>],
    steps: &'p mut u64,
    depth: u32,
    locals: Vec<Option<Value>>,
    /// Calls around the current place, outermost first.
    calls: Vec<Span>,
}

impl<'p> Eval<'p> {
    pub(super) fn new(
        prog: &'p Program,
        consts: &'p [Option<Value>],
        steps: &'p mut u64,
    ) -> Eval<'p> {
        Eval {
            prog,
            consts,
            steps,
            depth: 0,
            locals: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// The value of a constant's expression.
    pub(super) fn constant(
        &mut self,
        e: &Expr,
        locals: &[LocalDef],
    ) -> Result<Value, Box<Stopped>> {
        self.locals = vec![None; locals.len()];
        match self.expr(e) {
            Ok(v) => Ok(v),
            Err(Exit::Stop(s)) => Err(s),
            Err(_) => Err(Box::new(Stopped {
                why: Stop::Cannot("a way out of the constant"),
                at: e.span,
                inner: None,
            })),
        }
    }

    pub(super) fn stop<T>(&self, why: Stop, span: Span) -> Res<T> {
        let (at, inner) = match self.calls.first() {
            Some(call) => (*call, Some(span)),
            None => (span, None),
        };
        Err(Exit::Stop(Box::new(Stopped { why, at, inner })))
    }

    pub(super) fn cannot<T>(&self, what: &'static str, span: Span) -> Res<T> {
        self.stop(Stop::Cannot(what), span)
    }

    pub(super) fn trap<T>(&self, text: impl Into<String>, span: Span) -> Res<T> {
        self.stop(Stop::Trap(text.into()), span)
    }

    pub(super) fn charge(&mut self, steps: usize, span: Span) -> Res<()> {
        *self.steps = self.steps.saturating_sub(steps as u64);
        if *self.steps == 0 {
            return self.stop(Stop::Limit, span);
        }
        Ok(())
    }

    pub(super) fn text(&mut self, text: String, span: Span) -> Res<Value> {
        if text.len() > MAX_TEXT {
            return self.stop(Stop::Limit, span);
        }
        self.charge(text.len() / 8, span)?;
        Ok(Value::Str(text.into()))
    }

    fn expr(&mut self, e: &Expr) -> Res<Value> {
        self.charge(1, e.span)?;
        if self.depth >= MAX_DEPTH {
            return self.stop(Stop::Limit, e.span);
        }
        self.depth += 1;
        let v = self.kind(e);
        self.depth -= 1;
        v
    }

    fn all(&mut self, es: &[Expr]) -> Res<Rc<[Value]>> {
        let mut out = Vec::with_capacity(es.len());
        for e in es {
            out.push(self.expr(e)?);
        }
        Ok(out.into())
    }

    fn bool(&mut self, e: &Expr) -> Res<bool> {
        match self.expr(e)? {
            Value::Bool(b) => Ok(b),
            _ => self.cannot("this condition", e.span),
        }
    }

    fn int(&mut self, e: &Expr) -> Res<i64> {
        match self.expr(e)? {
            Value::Int(n) => Ok(n),
            _ => self.cannot("this number", e.span),
        }
    }

    fn kind(&mut self, e: &Expr) -> Res<Value> {
        let span = e.span;
        Ok(match &e.kind {
            ExprKind::Int(n) => Value::Int(*n),
            ExprKind::Float(x) => Value::Float(*x),
            ExprKind::Bool(b) => Value::Bool(*b),
            ExprKind::Byte(b) => Value::Byte(*b),
            ExprKind::Char(c) => Value::Char(*c),
            ExprKind::Str(s) => return self.text(s.clone(), span),
            ExprKind::Unit => Value::Unit,
            ExprKind::Local(id) => match self.locals.get(id.0 as usize) {
                Some(Some(v)) => v.clone(),
                _ => return self.cannot("a captured name", span),
            },
            ExprKind::Const(id) => match self.consts.get(id.0 as usize) {
                Some(Some(v)) => v.clone(),
                // That constant has its own message.
                _ => return self.cannot("a constant without value", span),
            },
            ExprKind::Binary(op, a, b) => {
                let a = self.expr(a)?;
                let b = self.expr(b)?;
                return self.binary(*op, a, b, span);
            }
            ExprKind::Unary(op, a) => match (op, self.expr(a)?) {
                (UnOp::Neg, Value::Int(n)) => match n.checked_neg() {
                    Some(n) => Value::Int(n),
                    None => return self.trap(format!("integer overflow: -({n})"), span),
                },
                (UnOp::Neg, Value::Float(x)) => Value::Float(-x),
                (UnOp::BitNot, Value::Int(n)) => Value::Int(!n),
                (UnOp::Not, Value::Bool(b)) => Value::Bool(!b),
                _ => return self.cannot("this operator", span),
            },
            ExprKind::And(a, b) => Value::Bool(self.bool(a)? && self.bool(b)?),
            ExprKind::Or(a, b) => Value::Bool(self.bool(a)? || self.bool(b)?),
            ExprKind::Convert(c, a) => {
                let v = self.expr(a)?;
                return self.convert(*c, v, span);
            }
            ExprKind::Interp(pieces) => {
                let mut out = String::new();
                for p in pieces {
                    match p {
                        Piece::Text(t) => out.push_str(t),
                        Piece::Value(_, Some(_)) => {
                            return self.cannot("a format specification", span);
                        }
                        Piece::Value(v, None) => {
                            let at = v.span;
                            let v = self.expr(v)?;
                            out.push_str(&self.show(&v, at)?);
                        }
                    }
                    if out.len() > MAX_TEXT {
                        return self.stop(Stop::Limit, span);
                    }
                }
                return self.text(out, span);
            }
            ExprKind::Tuple(es) => Value::Tuple(self.all(es)?),
            ExprKind::Construct { variant, fields } => {
                let TyKind::Adt(id, _) = self.prog.tys.kind(e.ty) else {
                    return self.cannot("this value", span);
                };
                let id = *id;
                let kind = self.prog.adts.get(id.0 as usize).map(|a| a.kind);
                match kind {
                    Some(crate::thir::AdtKind::Enum | crate::thir::AdtKind::Error) => {
                        Value::Variant(id, *variant, self.all(fields)?)
                    }
                    _ => return self.cannot("a struct", span),
                }
            }
            ExprKind::Field(a, i) => match self.expr(a)? {
                Value::Tuple(vs) => match vs.get(*i as usize) {
                    Some(v) => v.clone(),
                    None => return self.cannot("this field", span),
                },
                _ => return self.cannot("a struct", span),
            },
            ExprKind::Call { errs, .. } => {
                let fallible = *errs != crate::thir::TyTable::NEVER;
                match (self.call(e), fallible) {
                    (Ok(v), false) => v,
                    (Ok(v), true) => return self.result(0, v, span),
                    (Err(Exit::Raise(v)), true) => return self.result(1, v, span),
                    (Err(exit), _) => return Err(exit),
                }
            }
            ExprKind::Try(a) => {
                if let ExprKind::Call { errs, .. } = &a.kind
                    && *errs != crate::thir::TyTable::NEVER
                {
                    return self.call(a);
                }
                match self.expr(a)? {
                    Value::Variant(id, v, vs) if Some(id) == self.prog.lang.result => {
                        let Some(inner) = vs.first().cloned() else {
                            return self.cannot("this value", span);
                        };
                        if v != 0 {
                            return Err(Exit::Raise(inner));
                        }
                        inner
                    }
                    // A call that turned out not to fail.
                    v if matches!(a.kind, ExprKind::Call { .. }) => v,
                    _ => return self.cannot("this `?`", span),
                }
            }
            ExprKind::Else(a, b) => match self.expr(a)? {
                Value::Variant(_, 0, vs) => match vs.first() {
                    Some(v) => v.clone(),
                    None => return self.cannot("this value", span),
                },
                Value::Variant(..) => return self.expr(b),
                _ => return self.cannot("this `else`", span),
            },
            ExprKind::WidenErr(a) => return self.expr(a),
            ExprKind::Block(stmts, tail) => {
                for s in stmts {
                    self.stmt(s)?;
                }
                return match tail {
                    Some(t) => self.expr(t),
                    None => Ok(Value::Unit),
                };
            }
            ExprKind::If(c, a, b) => {
                if self.bool(c)? {
                    return self.expr(a);
                }
                return match b {
                    Some(b) => self.expr(b),
                    None => Ok(Value::Unit),
                };
            }
            ExprKind::Match(s, arms) => {
                let v = self.expr(s)?;
                for arm in arms {
                    if !self.matches(&arm.pat, &v)? {
                        continue;
                    }
                    if let Some(g) = &arm.guard
                        && !self.bool(g)?
                    {
                        continue;
                    }
                    return self.expr(&arm.body);
                }
                return self.cannot("this `match`", span);
            }
            ExprKind::TryCatch { body, catches } => match self.expr(body) {
                Err(Exit::Raise(v)) => {
                    for c in catches {
                        let mut taken = false;
                        for ty in &c.tys {
                            taken = taken || self.is_of(&v, *ty, span)?;
                        }
                        if taken {
                            if let Some(id) = c.local {
                                self.bind(id, v, span)?;
                            }
                            return self.expr(&c.body);
                        }
                    }
                    return Err(Exit::Raise(v));
                }
                other => return other,
            },
            ExprKind::Return(v) => {
                let v = match v {
                    Some(v) => self.expr(v)?,
                    None => Value::Unit,
                };
                return Err(Exit::Return(v));
            }
            ExprKind::Raise(v) => {
                let v = self.expr(v)?;
                return Err(Exit::Raise(v));
            }
            ExprKind::Break(id) => return Err(Exit::Break(*id)),
            ExprKind::Continue(id) => return Err(Exit::Continue(*id)),
            ExprKind::Panic(m) => match self.expr(m)? {
                Value::Str(s) => return self.trap(s.to_string(), span),
                _ => return self.trap("panic", span),
            },
            ExprKind::List(_) | ExprKind::ListFill(..) | ExprKind::Index(..) => {
                return self.cannot("a list", span);
            }
            ExprKind::FnRef(..) | ExprKind::Lambda(_) | ExprKind::BindFn { .. } => {
                return self.cannot("a function as a value", span);
            }
            ExprKind::MakeDyn(_) => return self.cannot("a trait's object", span),
            ExprKind::With(..) | ExprKind::AsCap(_) | ExprKind::Recap(_) => {
                return self.cannot("a capability", span);
            }
        })
    }

    fn result(&mut self, variant: u32, v: Value, span: Span) -> Res<Value> {
        match self.prog.lang.result {
            Some(id) => Ok(Value::Variant(id, variant, Rc::from([v]))),
            None => self.cannot("this value", span),
        }
    }

    /// Whether an error is of a type, or of a member of a set.
    ///
    /// Values do not know their type arguments, so where those tell errors apart there is no answer.
    fn is_of(&self, v: &Value, ty: Ty, span: Span) -> Res<bool> {
        match (v, self.prog.tys.kind(ty)) {
            (Value::Variant(id, ..), TyKind::Adt(other, args)) if id == other => {
                if args.is_empty() {
                    Ok(true)
                } else {
                    self.cannot("an error with type arguments", span)
                }
            }
            (_, TyKind::ErrSet(members)) => {
                for m in members {
                    if self.is_of(v, *m, span)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    fn bind(&mut self, id: LocalId, v: Value, span: Span) -> Res<()> {
        match self.locals.get_mut(id.0 as usize) {
            Some(slot) => {
                *slot = Some(v);
                Ok(())
            }
            None => self.cannot("this name", span),
        }
    }

    // Calls.

    fn call(&mut self, e: &Expr) -> Res<Value> {
        let span = e.span;
        let ExprKind::Call {
            callee, caps, args, ..
        } = &e.kind
        else {
            return self.cannot("this call", span);
        };
        if !caps.is_empty() {
            return self.cannot("a capability", span);
        }
        let args = self.all(args)?;
        match &**callee {
            Callee::Fn(id, _) => self.call_fn(*id, &args, span),
            Callee::Trait {
                trait_id, method, ..
            } => {
                let name = self
                    .prog
                    .traits
                    .get(trait_id.0 as usize)
                    .and_then(|t| t.methods.get(*method as usize))
                    .map_or("", |m| m.name.as_str());
                let lang = &self.prog.lang;
                match (name, &*args) {
                    ("show", [v]) if lang.show == Some(*trait_id) => {
                        let text = self.show(v, span)?;
                        self.text(text, span)
                    }
                    ("eq", [a, b]) if lang.eq == Some(*trait_id) => {
                        Ok(Value::Bool(self.equal(a, b, span)?))
                    }
                    _ => self.cannot("a method of a trait", span),
                }
            }
            Callee::Dyn { .. } => self.cannot("a method of a trait", span),
            Callee::Value(_) => self.cannot("a function as a value", span),
            Callee::Cap { .. } => self.cannot("a capability", span),
        }
    }

    fn call_fn(&mut self, id: FnId, args: &[Value], span: Span) -> Res<Value> {
        let prog = self.prog;
        let Some(def) = prog.fns.get(id.0 as usize) else {
            return self.cannot("this call", span);
        };
        if let Some(name) = &def.intrinsic {
            return self.intrinsic(name, args, span);
        }
        let Some(body) = &def.body else {
            return self.cannot("this call", span);
        };
        if def.params.len() != args.len() {
            return self.cannot("a local function that captures", span);
        }
        let locals = vec![None; def.locals.len()];
        let outer = std::mem::replace(&mut self.locals, locals);
        self.calls.push(span);
        let bound = def
            .params
            .iter()
            .zip(args)
            .try_for_each(|(p, v)| self.bind(*p, v.clone(), span));
        let done = bound.and_then(|()| self.expr(body));
        self.calls.pop();
        self.locals = outer;
        match done {
            Err(Exit::Return(v)) => Ok(v),
            other => other,
        }
    }

    /// Functions of the library whose rule is short enough to stand here too.
    fn intrinsic(&mut self, name: &str, args: &[Value], span: Span) -> Res<Value> {
        Ok(match (name, args) {
            ("str_len", [Value::Str(s)]) => Value::Int(s.len() as i64),
            ("str_starts_with", [Value::Str(s), Value::Str(p)]) => Value::Bool(s.starts_with(&**p)),
            ("str_ends_with", [Value::Str(s), Value::Str(p)]) => Value::Bool(s.ends_with(&**p)),
            ("str_is_boundary", [Value::Str(s), Value::Int(i)]) => {
                Value::Bool(usize::try_from(*i).is_ok_and(|i| s.is_char_boundary(i)))
            }
            ("str_repeat", [Value::Str(s), Value::Int(n)]) => {
                let Ok(n) = usize::try_from(*n) else {
                    return self.trap(
                        "a string cannot be repeated a negative number of times",
                        span,
                    );
                };
                match s.len().checked_mul(n) {
                    Some(len) if len <= MAX_TEXT => return self.text(s.repeat(n), span),
                    _ => return self.stop(Stop::Limit, span),
                }
            }
            ("str_slice", [Value::Str(s), Value::Int(a), Value::Int(b)]) => {
                let part = usize::try_from(*a)
                    .ok()
                    .zip(usize::try_from(*b).ok())
                    .and_then(|(a, b)| s.get(a..b));
                match part {
                    Some(part) => return self.text(part.to_string(), span),
                    None => {
                        return self.trap(
                            format!("{a}..{b} is out of bounds or cuts a character"),
                            span,
                        );
                    }
                }
            }
            ("sqrt_float", [Value::Float(x)]) => Value::Float(x.sqrt()),
            ("floor", [Value::Float(x)]) => Value::Float(x.floor()),
            ("ceil", [Value::Float(x)]) => Value::Float(x.ceil()),
            ("round", [Value::Float(x)]) => Value::Float(x.round()),
            ("trunc", [Value::Float(x)]) => Value::Float(x.trunc()),
            ("char_len", [Value::Char(c)]) => Value::Int(c.len_utf8() as i64),
            _ => return self.cannot("this function of the library", span),
        })
    }

    fn show(&self, v: &Value, span: Span) -> Res<String> {
        Ok(match v {
            Value::Int(n) => n.to_string(),
            Value::Bool(b) => b.to_string(),
            Value::Char(c) => c.to_string(),
            Value::Byte(b) => b.to_string(),
            Value::Str(s) => s.to_string(),
            Value::Float(_) => return self.cannot("the text of a float", span),
            _ => return self.cannot("the text of such a value", span),
        })
    }

    fn matches(&mut self, p: &Pat, v: &Value) -> Res<bool> {
        self.charge(1, p.span)?;
        Ok(match (&p.kind, v) {
            (PatKind::Wild | PatKind::Unit, _) => true,
            (PatKind::Bind(id, sub), _) => {
                let fits = match sub {
                    Some(sub) => self.matches(sub, v)?,
                    None => true,
                };
                if fits {
                    self.bind(*id, v.clone(), p.span)?;
                }
                fits
            }
            (PatKind::Int(n), Value::Int(v)) => n == v,
            (PatKind::Float(x), Value::Float(v)) => x == v,
            (PatKind::Bool(b), Value::Bool(v)) => b == v,
            (PatKind::Byte(b), Value::Byte(v)) => b == v,
            (PatKind::Char(c), Value::Char(v)) => c == v,
            (PatKind::Str(s), Value::Str(v)) => **s == **v,
            (PatKind::Range(lo, hi), v) => {
                let n = match v {
                    Value::Int(n) => *n,
                    Value::Byte(b) => i64::from(*b),
                    Value::Char(c) => i64::from(u32::from(*c)),
                    _ => return self.cannot("this pattern", p.span),
                };
                (*lo..=*hi).contains(&n)
            }
            (PatKind::Variant(n, subs), Value::Variant(_, v, vs)) => {
                if n != v {
                    return Ok(false);
                }
                for (i, sub) in subs {
                    let Some(v) = vs.get(*i as usize) else {
                        return self.cannot("this pattern", p.span);
                    };
                    if !self.matches(sub, v)? {
                        return Ok(false);
                    }
                }
                true
            }
            (PatKind::Member(ty, sub), v) => self.is_of(v, *ty, p.span)? && self.matches(sub, v)?,
            (PatKind::Tuple(subs), Value::Tuple(vs)) => {
                for (sub, v) in subs.iter().zip(vs.iter()) {
                    if !self.matches(sub, v)? {
                        return Ok(false);
                    }
                }
                true
            }
            (PatKind::Or(alts), v) => {
                for alt in alts {
                    if self.matches(alt, v)? {
                        return Ok(true);
                    }
                }
                false
            }
            _ => return self.cannot("this pattern", p.span),
        })
    }

    // Statements.

    fn stmt(&mut self, s: &Stmt) -> Res<()> {
        match s {
            Stmt::Expr(e) => self.expr(e).map(|_| ()),
            Stmt::Let {
                pat,
                init,
                otherwise,
            } => {
                let v = self.expr(init)?;
                if self.matches(pat, &v)? {
                    return Ok(());
                }
                match otherwise {
                    Some(b) => self.expr(b).map(|_| ()),
                    None => self.cannot("this pattern", pat.span),
                }
            }
            Stmt::Assign {
                place,
                op,
                value,
                span,
            } => {
                let Place::Local(id) = place else {
                    return self.cannot("a list or struct", *span);
                };
                let old = self.locals.get(id.0 as usize).cloned().flatten();
                let v = self.expr(value)?;
                let v = match (op, old) {
                    (None, _) => v,
                    (Some(op), Some(old)) => self.binary(*op, old, v, *span)?,
                    (Some(_), None) => return self.cannot("this name", *span),
                };
                self.bind(*id, v, *span)
            }
            Stmt::While { id, cond, body } => {
                while self.bool(cond)? {
                    if self.round(*id, body)? {
                        break;
                    }
                }
                Ok(())
            }
            Stmt::Loop { id, body } => {
                while !self.round(*id, body)? {}
                Ok(())
            }
            Stmt::Defer(e) => self.cannot("`defer`", e.span),
            Stmt::For {
                id,
                pat,
                iter,
                body,
            } => {
                let ForIter::Range { lo, hi, inclusive } = &**iter else {
                    return self.cannot("a loop over something else than `a..b`", pat.span);
                };
                let (lo, hi) = (self.int(lo)?, self.int(hi)?);
                let mut i = lo;
                while i < hi || (*inclusive && i == hi) {
                    if !self.matches(pat, &Value::Int(i))? {
                        return self.cannot("this pattern", pat.span);
                    }
                    if self.round(*id, body)? {
                        break;
                    }
                    match i.checked_add(1) {
                        Some(next) => i = next,
                        None => break,
                    }
                }
                Ok(())
            }
        }
    }

    /// One round of a loop; true if it left the loop.
    fn round(&mut self, id: LoopId, body: &Expr) -> Res<bool> {
        match self.expr(body) {
            Ok(_) => Ok(false),
            Err(Exit::Break(l)) if l == id => Ok(true),
            Err(Exit::Continue(l)) if l == id => Ok(false),
            Err(exit) => Err(exit),
        }
    }
}
