//! The shadow interpreter: runs verified programs slowly, with values that know what they are, and checks at every
//! step what the verifier has promised.
//!
//! It shares nothing with the interpreter that users run but the decoder: own values, own frames, one `match`. What is
//! promised, and checked here: a register is written before it is read, on each path (what a join does not list is
//! forgotten there); a register, field, element, capture and argument holds a value of its declared type; control stays
//! on starts of instructions; calls hand over what the callee's registers are; an error edge is taken with a declared
//! error only; live registers at a safepoint are initialised; authority comes from the entry alone.
//!
//! Results of builtins and of the host are of the right type but not always the real ones: this checks beliefs, not
//! outputs.

mod builtins;
mod ops;
mod value;

use jet_bytecode::analysis::decode::{Instr, decode};
use jet_bytecode::linked::*;
use jet_bytecode::module::FnKind;
use jet_bytecode::opcodes::{Op, TrapKind};
use std::collections::HashSet;
use std::rc::Rc;
pub use value::{Authority, Closure, Record, Value};

/// Why a run ended before its function returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The program trapped.
    Trap(TrapKind),
    /// Steps, depth or size used up.
    Limit,
    /// The verifier promised something that is not so.
    Violation(String),
}

type Step<T> = Result<T, Stop>;

fn violated<T>(what: impl Into<String>) -> Step<T> {
    Err(Stop::Violation(what.into()))
}

/// How a function ended.
#[derive(Clone, Debug)]
pub enum End {
    /// On the value edge.
    Value(Value),
    /// On the error edge.
    Error(Value),
    /// Not at all.
    Stopped(Stop),
}

/// A running function.
struct Frame {
    id: FnId,
    pc: u32,
    regs: Vec<Option<Value>>,
}

/// Most nested calls.
const MAX_DEPTH: usize = 100;
/// Most elements of a list and bytes of a string.
const MAX_SIZE: usize = 10_000;

/// Runs functions of one program.
pub struct Shadow<'a> {
    prog: &'a Program,
    frames: Vec<Frame>,
    /// Steps left.
    pub steps: u64,
    /// Checks made so far.
    pub checks: u64,
    /// Capabilities that the host gave: all that exists of authority.
    granted: HashSet<CapId>,
    /// Calls of the host so far.
    pub host_calls: u64,
}

impl<'a> Shadow<'a> {
    /// An interpreter of this program.
    #[must_use]
    pub fn new(prog: &'a Program, steps: u64) -> Self {
        Shadow {
            prog,
            frames: Vec::new(),
            steps,
            checks: 0,
            granted: HashSet::new(),
            host_calls: 0,
        }
    }

    /// Runs a named function with capabilities of the host and plain values of its parameters' types. `None` if there
    /// is no such value, or it is a method of an attenuator.
    pub fn run(&mut self, id: FnId) -> Option<End> {
        let prog = self.prog;
        let f = prog.function(id)?;
        if f.kind != FnKind::Named {
            return None;
        }
        let mut args = Vec::new();
        self.granted = f.sig.uses.iter().copied().collect();
        for cap in &f.sig.uses {
            args.push(Value::Cap(Authority::Host, *cap));
        }
        for ty in &f.sig.params {
            args.push(self.plain(*ty, 0)?);
        }
        self.frames.clear();
        Some(match self.enter(id, args).and_then(|()| self.go()) {
            Ok(end) => end,
            Err(stop) => End::Stopped(stop),
        })
    }

    fn function(&self, id: FnId) -> Step<&'a LFunction> {
        match self.prog.function(id) {
            Some(f) => Ok(f),
            None => violated(format!("no function {}", id.0)),
        }
    }

    fn here(&self) -> Step<(&'a LFunction, u32)> {
        match self.frames.last() {
            Some(frame) => Ok((self.function(frame.id)?, frame.pc)),
            None => violated("no frame"),
        }
    }

    /// A value is of a type.
    fn check(&mut self, v: &Value, ty: TypeId, what: &str) -> Step<()> {
        self.checks += 1;
        if self.is_of(v, ty) {
            return Ok(());
        }
        violated(format!(
            "{what}: {v:?} is not of type {} {:?}",
            ty.0,
            self.prog.ty(ty)
        ))
    }

    fn get(&mut self, r: u16) -> Step<Value> {
        let (f, pc) = self.here()?;
        let value = self
            .frames
            .last()
            .and_then(|fr| fr.regs.get(usize::from(r)));
        match value {
            Some(Some(v)) => {
                let v = v.clone();
                let Some(ty) = f.reg_type(r) else {
                    return violated(format!("{} at {pc}: r{r} has no type", f.name));
                };
                self.check(&v, ty, "register read")?;
                Ok(v)
            }
            Some(None) => violated(format!("{} at {pc}: r{r} is not initialised", f.name)),
            None => violated(format!("{} at {pc}: r{r} is not declared", f.name)),
        }
    }

    fn set(&mut self, r: u16, v: Value) -> Step<()> {
        let (f, pc) = self.here()?;
        let Some(ty) = f.reg_type(r) else {
            return violated(format!("{} at {pc}: r{r} is not declared", f.name));
        };
        self.check(&v, ty, "register written")?;
        match self
            .frames
            .last_mut()
            .and_then(|fr| fr.regs.get_mut(usize::from(r)))
        {
            Some(slot) => {
                *slot = Some(v);
                Ok(())
            }
            None => violated(format!("{} at {pc}: r{r} is not there", f.name)),
        }
    }

    /// Calls a function with its leading registers.
    fn enter(&mut self, id: FnId, args: Vec<Value>) -> Step<()> {
        let f = self.function(id)?;
        if self.frames.len() >= MAX_DEPTH {
            return Err(Stop::Limit);
        }
        if args.len() != f.entry_regs() {
            return violated(format!("{}: {} arguments", f.name, args.len()));
        }
        let mut regs: Vec<Option<Value>> = vec![None; f.regs.len()];
        for ((slot, v), ty) in regs.iter_mut().zip(args).zip(&f.regs) {
            self.checks += 1;
            if !self.is_of(&v, *ty) {
                return violated(format!("{}: argument {v:?}", f.name));
            }
            *slot = Some(v);
        }
        self.frames.push(Frame { id, pc: 0, regs });
        Ok(())
    }

    /// Goes on at a place that a jump leads to: what its join does not list is forgotten.
    fn jump(&mut self, to: i64) -> Step<()> {
        let (f, pc) = self.here()?;
        let target = u32::try_from(to)
            .ok()
            .filter(|t| (*t as usize) < f.code.len());
        let Some(target) = target else {
            return violated(format!("{} at {pc}: jump to {to}", f.name));
        };
        if !f.joins.iter().any(|j| j.pc == target) {
            return violated(format!("{} at {pc}: no join at {target}", f.name));
        }
        self.go_to(target)
    }

    /// Goes on at an instruction, which may be a join.
    fn go_to(&mut self, target: u32) -> Step<()> {
        let (f, pc) = self.here()?;
        let Some(frame) = self.frames.last_mut() else {
            return violated("no frame");
        };
        frame.pc = target;
        let Some(join) = f.joins.iter().find(|j| j.pc == target) else {
            return Ok(());
        };
        for r in join.live {
            self.checks += 1;
            if !matches!(frame.regs.get(usize::from(*r)), Some(Some(_))) {
                return violated(format!(
                    "{} at {pc}: r{r} is not initialised at the join {target}",
                    f.name
                ));
            }
        }
        for (r, slot) in (0u16..).zip(frame.regs.iter_mut()) {
            if join.live.binary_search(&r).is_err() {
                *slot = None;
            }
        }
        Ok(())
    }

    fn next(&mut self, i: &Instr) -> Step<()> {
        self.go_to(i.next_pc())
    }

    fn go(&mut self) -> Step<End> {
        loop {
            let Some(left) = self.steps.checked_sub(1) else {
                return Err(Stop::Limit);
            };
            self.steps = left;
            let (f, pc) = self.here()?;
            let i = match decode(&f.code, pc) {
                Ok(i) => i,
                Err(e) => return violated(format!("{} at {pc}: {e:?}", f.name)),
            };
            match i.op {
                Op::Ret => {
                    let v = self.get(i.a)?;
                    if let Some(end) = self.leave(v, false)? {
                        return Ok(end);
                    }
                }
                Op::Raise => {
                    let v = self.get(i.a)?;
                    if let Some(end) = self.leave(v, true)? {
                        return Ok(end);
                    }
                }
                _ => self.step(f, &i)?,
            }
        }
    }

    /// Leaves the running function; gives the end if it was the first.
    fn leave(&mut self, v: Value, error: bool) -> Step<Option<End>> {
        let (f, _) = self.here()?;
        self.checks += 1;
        if error {
            let id = match &v {
                Value::Record(r) => match self.prog.ty(r.ty) {
                    LType::Nominal(n) => *n,
                    other => return violated(format!("{} raises {other:?}", f.name)),
                },
                other => return violated(format!("{} raises {other:?}", f.name)),
            };
            if f.sig.errors.binary_search(&id).is_err() {
                return violated(format!("{} raises what it does not declare", f.name));
            }
        } else {
            self.check(&v, f.sig.ret, "result")?;
        }
        self.frames.pop();
        if self.frames.is_empty() {
            return Ok(Some(match error {
                true => End::Error(v),
                false => End::Value(v),
            }));
        }
        self.resume(v, error)?;
        Ok(None)
    }

    /// Takes up the frame whose call has ended, on one of its edges.
    fn resume(&mut self, v: Value, error: bool) -> Step<()> {
        let (f, pc) = self.here()?;
        let Ok(call) = decode(&f.code, pc) else {
            return violated(format!("{} at {pc}: no call", f.name));
        };
        let edge = decode(&f.code, call.next_pc())
            .ok()
            .filter(|i| i.op == Op::OnError);
        match (error, edge) {
            (true, None) => violated(format!("{} at {pc}: an error without edge", f.name)),
            (true, Some(edge)) => {
                self.set(edge.a, v)?;
                match edge.target() {
                    Some(t) => self.jump(t),
                    None => violated("an error edge without target"),
                }
            }
            (false, edge) => {
                self.set(call.a, v)?;
                self.go_to(edge.map_or(call.next_pc(), |e| e.next_pc()))
            }
        }
    }

    /// A function value is called with its visible arguments, and capabilities unless they are bound.
    fn call_closure(&mut self, c: &Rc<Closure>, args: Vec<Value>) -> Step<()> {
        let mut all = vec![Value::Env(Rc::clone(c))];
        all.extend(c.bound.iter().cloned());
        all.extend(args);
        self.enter(c.function, all)
    }
}
