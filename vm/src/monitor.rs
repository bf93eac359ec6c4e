//! The monitor: asserts at every call that only declared authority goes down the call tree.
//!
//! It is an observer for tests and suspicious hosts, and believes nothing that the verifier or the types of registers
//! say: it looks at the objects. The *authority* of a value is the set of the host's bindings that can be reached through
//! the capability fields of attenuators and the captures of borrowed functions. A frame may exercise what it was
//! handed: the authority of its hidden arguments, its attenuator receiver, its borrowed functions and, for a borrowed
//! literal, its own captures. At each call:
//! - what is handed over is within what the caller may exercise;
//! - the hidden arguments are as many as the called function declares, each a binding of that capability;
//! - no argument of data leads to a binding (looked at up to a bound, and by sample in long runs), and no storable
//!   function captured one;
//! - a call that reaches the host does so through a binding that the frame may exercise.
//!
//! It is off unless a program is loaded by [`Loaded::observe`], which puts [`observe`] in the place of the handlers of
//! calls; nothing of it is in the code of other programs. What must stay true: it changes nothing but what it
//! reports, so that an observed run gives the same output, fuel and outcome.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jet_bytecode::analysis::decode::{decode, instrs};
use jet_bytecode::layout::{RegKind, nominal_record, record, reg_kind};
use jet_bytecode::linked::{
    CapId, FnId, Kind, LFunction, LNominalKind, LType, NominalId, Program, TypeId,
};
use jet_bytecode::module::FnKind;
use jet_bytecode::opcodes::{Op, TrapKind};
use jet_gc::{Heap, Ref};

use crate::code::Word;
use crate::ctx::{BOUND_FN, Ctx, HANDLE, HOST_BINDING};
use crate::deepcopy::references;
use crate::dispatch::{Handler, TRAPPED, handler};
use crate::load::Loaded;

/// Objects that are looked at behind one argument of data.
const DATA_BUDGET: usize = 64;
/// Calls whose data is looked at without exception; of later ones, one in [`SAMPLE`].
const ALWAYS: u64 = 50_000;
const SAMPLE: u64 = 64;

/// A set of entries of the capability table; those from 127 on count as one.
type Set = u128;

fn single(entry: u64) -> Set {
    1 << entry.min(127)
}

/// What the monitor of an instance saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Calls that it looked at.
    pub calls: u64,
    /// Those of them that reached the host.
    pub host_calls: u64,
    /// The first breach; the run ended there.
    pub breach: Option<String>,
}

/// A call instruction.
struct Site {
    op: Op,
    /// Function that the instruction is in.
    caller: FnId,
    /// Register of the function value, function index, or method.
    b: u16,
    args: Vec<u16>,
}

/// State of a run.
#[derive(Default)]
pub(crate) struct Monitor {
    pub seen: Observed,
    /// For each frame that runs below the current one: its register 0, and what the frame that it called may exercise.
    frames: Vec<(usize, Set)>,
    sites: HashMap<usize, Arc<Site>>,
    known: Known,
}

/// Authority behind attenuators, by address: their capability fields never change.
#[derive(Default)]
struct Known {
    /// Collections so far, since these move objects.
    collections: u64,
    sets: HashMap<u64, Set>,
}

impl Loaded {
    /// Whether the monitor stands in front of calls. Machine code is not made then: it would not be seen.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.behind.is_some()
    }

    /// Puts the monitor in front of every call.
    pub fn observe(&mut self) {
        if self.behind.is_some() {
            return;
        }
        let mut behind: Vec<Option<Handler>> = vec![None; self.code.words.len()];
        for (f, start) in self.program.functions.iter().zip(&self.code.starts) {
            for instr in instrs(&f.code).map_while(Result::ok) {
                if matches!(instr.op, Op::Call | Op::CallFn | Op::CallDyn | Op::CapCall) {
                    let at = (start + instr.pc) as usize;
                    let word = &mut self.code.words[at];
                    // SAFETY: the first word of an instruction.
                    behind[at] = Some(unsafe { word.handler() });
                    word.slot = observe as Handler as *const ();
                }
            }
        }
        self.behind = Some(behind.into_boxed_slice());
    }
}

// Stands in the place of a call's handler, and goes on there.
handler! { fn observe[](s) {
    match look(s.ctx, s.pc, s.regs, s.fuel) {
        Some(behind) => s.tail(behind),
        None => TRAPPED,
    }
} }

/// The handler behind the observed instruction, if nothing is wrong.
///
/// # Safety
/// Called by `observe` with its state.
#[inline(never)]
unsafe fn look(ctx: *mut Ctx, pc: *const Word, regs: *mut u64, fuel: i64) -> Option<Handler> {
    // SAFETY: the handler does not use the context during this call.
    let ctx = unsafe { &mut *ctx };
    let loaded = Arc::clone(&ctx.loaded);
    let index = loaded.code.index_of(pc);
    let behind = loaded.behind.as_ref()?.get(index).copied().flatten();
    let mut monitor = ctx.monitor.take().unwrap_or_default();
    let mut known = std::mem::take(&mut monitor.known);
    let collections = ctx.heap_box.collections();
    if known.collections != collections {
        known.sets.clear();
        known.collections = collections;
    }
    let calls = monitor.seen.calls;
    let view = View {
        known: RefCell::new(known),
        data_too: calls < ALWAYS || calls.is_multiple_of(SAMPLE),
        loaded: &loaded,
        program: &loaded.program,
        heap: &ctx.heap_box,
        ctx,
        regs,
    };
    let done = monitor.call(&view, index);
    monitor.known = view.known.into_inner();
    if let Err(why) = &done {
        monitor.seen.breach = Some(why.clone());
    }
    ctx.monitor = Some(monitor);
    match done {
        Ok(()) => behind,
        Err(why) => {
            (ctx.pc, ctx.regs, ctx.fuel) = (pc, regs, fuel);
            crate::trap::record(ctx, TrapKind::Unreachable, format!("monitor: {why}"));
            None
        }
    }
}

/// What the monitor looks at.
struct View<'a> {
    known: RefCell<Known>,
    /// Whether this call's data is looked at.
    data_too: bool,
    loaded: &'a Loaded,
    program: &'a Program,
    heap: &'a Heap,
    ctx: &'a Ctx,
    regs: *mut u64,
}

type Checked<T = ()> = Result<T, String>;

impl Monitor {
    /// A run begins.
    pub fn start(&mut self) {
        self.frames.clear();
        self.seen = Observed::default();
    }

    fn site(&mut self, view: &View<'_>, index: usize) -> Checked<Arc<Site>> {
        if let Some(site) = self.sites.get(&index) {
            return Ok(Arc::clone(site));
        }
        let (f, pc) = view.loaded.code.locate(index);
        let function = &view.program.functions[f];
        let instr = decode(&function.code, pc).map_err(|_| "no instruction".to_owned())?;
        let site = Arc::new(Site {
            op: instr.op,
            caller: FnId(f as u32),
            b: instr.b,
            args: instr.args(&function.code).collect(),
        });
        self.sites.insert(index, Arc::clone(&site));
        Ok(site)
    }

    /// A call is about to be made.
    fn call(&mut self, view: &View<'_>, index: usize) -> Checked {
        let site = self.site(view, index)?;
        self.seen.calls += 1;
        // Frames at or above this one have returned.
        while self
            .frames
            .last()
            .is_some_and(|(at, _)| *at >= view.regs.addr())
        {
            self.frames.pop();
        }
        // The entry function may exercise all that was granted.
        let may = self.frames.last().map_or(Set::MAX, |(_, set)| *set);
        let handed = match site.op {
            Op::Call => view.named(&site)?,
            Op::CallFn => view.value(&site)?,
            Op::CallDyn => view.object(&site)?,
            _ => self.capability(view, &site)?,
        };
        if handed & !may != 0 {
            let name = view.program.function_name(site.caller);
            return Err(format!(
                "{name} hands over authority that it was not handed: {}",
                view.names(handed & !may)
            ));
        }
        self.frames.push((view.regs.addr(), handed));
        Ok(())
    }

    /// A call of a capability's method: what the method behind it may exercise is what the binding holds.
    fn capability(&mut self, view: &View<'_>, site: &Site) -> Checked<Set> {
        let caller = view.function(site.caller)?;
        let (receiver, rest) = site.args.split_first().ok_or("no receiver")?;
        let LType::Cap(cap) = view.ty(caller, *receiver)? else {
            return Err("a call through what is no capability".to_owned());
        };
        let declared = view.program.cap(*cap).ok_or("no such capability")?;
        let method = declared.methods.get(usize::from(site.b));
        let method = method.ok_or("no such method")?;
        view.fits(*receiver, *cap)?;
        view.data_only(&method.sig.params, rest)?;
        if view.binding(*receiver).is_some() {
            self.seen.host_calls += 1;
        }
        view.of_capability(view.reg(*receiver))
    }
}

impl View<'_> {
    fn function(&self, id: FnId) -> Checked<&LFunction> {
        self.program
            .function(id)
            .ok_or_else(|| "no such function".to_owned())
    }

    fn ty(&self, f: &LFunction, reg: u16) -> Checked<&LType> {
        let ty = f.reg_type(reg).ok_or("no such register")?;
        Ok(self.program.ty(ty))
    }

    fn reg(&self, reg: u16) -> Ref {
        // SAFETY: an operand of the instruction: a register of the frame.
        Ref::from_word(unsafe { *self.regs.add(usize::from(reg)) })
    }

    fn type_id(&self, r: Ref) -> u32 {
        // SAFETY: a reference register holds a live object or an immediate; callers asked which.
        unsafe { self.heap.header(r) }.type_id()
    }

    /// The entry of the capability table behind a binding of the host.
    fn entry(&self, r: Ref) -> Option<u64> {
        if !r.is_address() || self.type_id(r) != HOST_BINDING {
            return None;
        }
        // SAFETY: such a record has one word.
        Some(unsafe { self.heap.word_field(r, 0) })
    }

    fn binding(&self, reg: u16) -> Option<u64> {
        self.entry(self.reg(reg))
    }

    /// Names of the bindings of a set.
    fn names(&self, set: Set) -> String {
        let entries = self.ctx.caps.entries.iter().enumerate();
        let of_set = entries.filter(|(i, _)| single(*i as u64) & set != 0);
        let names: Vec<&str> = of_set
            .filter_map(|(_, e)| self.program.cap(e.cap))
            .map(|c| c.name.as_str())
            .collect();
        names.join(", ")
    }

    /// The authority behind a capability or attenuator.
    fn of_capability(&self, root: Ref) -> Checked<Set> {
        if let Some(entry) = self.entry(root) {
            return Ok(single(entry));
        }
        let mut known = self.known.borrow_mut();
        let mut set = 0;
        let mut seen = HashSet::new();
        let mut work = vec![root];
        while let Some(r) = work.pop() {
            if let Some(entry) = self.entry(r) {
                set |= single(entry);
                continue;
            }
            if !r.is_address() || !seen.insert(r.to_word()) {
                continue;
            }
            if let Some(behind) = known.sets.get(&r.to_word()) {
                set |= behind;
                continue;
            }
            // An attenuator or fake; an enum is in a box that holds data only.
            let id = NominalId(self.type_id(r));
            let nominal = self.program.nominal(id).ok_or("no such type")?;
            let LNominalKind::Struct(fields) = &nominal.kind else {
                continue;
            };
            let layout = nominal_record(self.program, id, 0).ok_or("no such record")?;
            for (field, slot) in fields.iter().zip(&layout.fields) {
                if matches!(self.program.kind(field.ty), Kind::Cap | Kind::Att) {
                    // SAFETY: the object's type has this field.
                    work.push(unsafe { self.heap.ref_field(r, u32::from(slot.ordinal)) });
                }
            }
        }
        known.sets.insert(root.to_word(), set);
        Ok(set)
    }

    /// The authority that a borrowed function captured, those inside of it included.
    fn of_function(&self, r: Ref) -> Checked<Set> {
        let mut set = 0;
        let mut work = vec![r];
        while let Some(r) = work.pop() {
            let id = self.type_id(r);
            if id == BOUND_FN {
                // SAFETY: a bound function: the function, then its capabilities.
                unsafe {
                    work.push(self.heap.ref_field(r, 0));
                    for i in 1..self.heap.header(r).nrefs() {
                        set |= self.of_capability(self.heap.ref_field(r, i))?;
                    }
                }
                continue;
            }
            let f = self.function(FnId(id))?;
            let layout = record(self.program, f.captures.iter().copied()).ok_or("no record")?;
            for (ty, slot) in f.captures.iter().zip(&layout.fields) {
                // SAFETY: the function's captures are the record's fields.
                let value = || unsafe { self.heap.ref_field(r, u32::from(slot.ordinal)) };
                match self.program.kind(*ty) {
                    Kind::Cap | Kind::Att => set |= self.of_capability(value())?,
                    Kind::BorrowedFn => work.push(value()),
                    _ => {}
                }
            }
        }
        Ok(set)
    }

    /// Whether a value is a binding of the capability.
    fn fits(&self, reg: u16, cap: CapId) -> Checked {
        let r = self.reg(reg);
        let ok = match self.entry(r) {
            Some(entry) => {
                let entry = self.ctx.caps.entries.get(entry as usize);
                entry.is_some_and(|e| self.related(e.cap, cap))
            }
            None => {
                r.is_address()
                    && self
                        .loaded
                        .cap_impls
                        .contains_key(&(self.type_id(r), cap.0))
            }
        };
        if ok {
            return Ok(());
        }
        let name = self.program.cap(cap).map_or("?", |c| c.name.as_str());
        Err(format!("a binding of something else is given for {name}"))
    }

    /// Whether a binding of one capability may be bound as another: steps to parents, and to children that add nothing.
    fn related(&self, from: CapId, to: CapId) -> bool {
        let methods = |c: CapId| self.program.cap(c).map_or(0, |c| c.methods.len());
        let parent = |c: CapId| self.program.cap(c).and_then(|c| c.parent);
        let mut seen = HashSet::new();
        let mut work = vec![from];
        while let Some(at) = work.pop() {
            if at == to {
                return true;
            }
            if !seen.insert(at) {
                continue;
            }
            work.extend(parent(at));
            let all = (0..self.program.caps.len() as u32).map(CapId);
            work.extend(all.filter(|c| parent(*c) == Some(at) && methods(*c) == methods(at)));
        }
        false
    }

    /// Hidden arguments against what the called function declares; the authority that they hold.
    fn hidden(&self, name: &dyn Fn() -> String, uses: &[CapId], args: &[u16]) -> Checked<Set> {
        if args.len() != uses.len() {
            return Err(format!(
                "{} declares {} capabilities and is handed {}",
                name(),
                uses.len(),
                args.len()
            ));
        }
        let mut set = 0;
        for (cap, reg) in uses.iter().zip(args) {
            self.fits(*reg, *cap)
                .map_err(|why| format!("{}: {why}", name()))?;
            set |= self.of_capability(self.reg(*reg))?;
        }
        Ok(set)
    }

    /// The authority of the other arguments: an attenuator as receiver, and borrowed functions. The rest is data.
    fn visible(&self, params: &[TypeId], args: &[u16]) -> Checked<Set> {
        let mut set = 0;
        for (k, (ty, reg)) in params.iter().zip(args).enumerate() {
            match self.program.kind(*ty) {
                Kind::BorrowedFn => set |= self.of_function(self.reg(*reg))?,
                Kind::Att if k == 0 => set |= self.of_capability(self.reg(*reg))?,
                Kind::Att | Kind::Cap => {
                    return Err("authority is passed as an argument".to_owned());
                }
                _ => self.data(*ty, *reg)?,
            }
        }
        Ok(set)
    }

    fn data_only(&self, params: &[TypeId], args: &[u16]) -> Checked {
        for (ty, reg) in params.iter().zip(args) {
            self.data(*ty, *reg)?;
        }
        Ok(())
    }

    /// No binding is behind a value of data.
    fn data(&self, ty: TypeId, reg: u16) -> Checked {
        if reg_kind(self.program, ty) != RegKind::Ref {
            return Ok(());
        }
        self.holds_nothing(self.reg(reg))
    }

    fn holds_nothing(&self, r: Ref) -> Checked {
        if !self.data_too || !r.is_address() {
            return Ok(());
        }
        let mut seen = HashSet::new();
        let mut work = vec![r];
        while let Some(r) = work.pop() {
            if !r.is_address() || seen.len() >= DATA_BUDGET || !seen.insert(r.to_word()) {
                continue;
            }
            if self.entry(r).is_some() {
                return Err("a binding is behind an argument of data".to_owned());
            }
            // A handle names the binding that it belongs to and conveys nothing.
            if self.type_id(r) != HANDLE {
                // SAFETY: a live object, found through references.
                unsafe { references(self.heap, r, |_, inner| work.push(inner)) };
            }
        }
        Ok(())
    }

    fn named(&self, site: &Site) -> Checked<Set> {
        let caller = self.function(site.caller)?;
        let id = self.program.resolve_fn(caller.package, site.b);
        let id = id.ok_or("no such function")?;
        self.declared(id, &site.args)
    }

    /// A call of a function whose declaration is known: `args` are hidden ones, then the rest.
    fn declared(&self, id: FnId, args: &[u16]) -> Checked<Set> {
        let f = self.function(id)?;
        let n = args.len().saturating_sub(f.sig.params.len());
        let (hidden, rest) = args.split_at(n);
        let name = || self.program.function_name(id);
        Ok(self.hidden(&name, &f.sig.uses, hidden)? | self.visible(&f.sig.params, rest)?)
    }

    fn value(&self, site: &Site) -> Checked<Set> {
        let caller = self.function(site.caller)?;
        let closure = self.reg(site.b);
        if matches!(self.ty(caller, site.b)?, LType::BorrowedFn(_)) {
            // It brings its authority along; what is handed to it besides are borrowed functions.
            let own = self.of_function(closure)?;
            let LType::BorrowedFn(sig) = self.ty(caller, site.b)? else {
                return Ok(own);
            };
            return Ok(own | self.visible(&sig.params, &site.args)?);
        }
        let id = FnId(self.type_id(closure));
        let f = self.function(id)?;
        let second = |ty: &TypeId| !self.program.kind(*ty).first_class();
        if f.kind == FnKind::Literal && f.captures.iter().any(second) {
            return Err(format!(
                "{} is stored and captured authority",
                self.program.function_name(id)
            ));
        }
        self.holds_nothing(closure)?;
        self.declared(id, &site.args)
    }

    /// A trait object's method: what the trait declares is handed over, and the method behind takes no more.
    fn object(&self, site: &Site) -> Checked<Set> {
        let caller = self.function(site.caller)?;
        let object = site
            .args
            .iter()
            .find_map(|r| match self.ty(caller, *r) {
                Ok(LType::Dyn(t)) => Some(*t),
                _ => None,
            })
            .ok_or("no object")?;
        let declared = self.program.trait_(object).ok_or("no such trait")?;
        let method = declared.methods.get(usize::from(site.b));
        let method = method.ok_or("no such method")?;
        let uses = &method.sig.uses;
        let n = uses.len().min(site.args.len());
        let (hidden, rest) = site.args.split_at(n);
        let name = || format!("{}.{}", declared.name, method.name);
        let set = self.hidden(&name, uses, hidden)?;
        let (receiver, rest) = rest.split_first().ok_or("no object")?;
        self.holds_nothing(self.reg(*receiver))?;
        Ok(set | self.visible(&method.sig.params, rest)?)
    }
}
