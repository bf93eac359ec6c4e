//! An instance: a loaded program with grants and limits, and its runs. The public face of the crate.
//!
//! What must stay true: without a grant for every request nothing of the program runs; whatever ends a run,
//! what the host capabilities buffered is delivered, and no trap can be caught by the program.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jet_bytecode::linked::{LNominalKind, NominalId};
use jet_bytecode::module::Const;
use jet_bytecode::opcodes::TrapKind;
use jet_gc::{Format, GcMode, Header, Ref};
use jet_gc::{Heap, HeapConfig, Watch};

use crate::calls::AuditSink;
use crate::capability::{CapEntry, CapTable, Quota};
use crate::code::{HALT, HEADER_WORDS};
use crate::ctx::{Ctx, HOST_BINDING};
use crate::dispatch::{CONTINUE, FAILED, FINISHED, WAITING};
use crate::frames::{RootSet, VmStack};
use crate::fuel::Meter;
use crate::host::interface::bind;
use crate::host::{HostCapability, HostFailure, HostResult, HostUsage, LimitKind, Limits, Ticket};
use crate::load::Loaded;
use crate::observe::{Allocations, Observe, Observer};
use crate::ops_list::Refs;
use crate::show::{Show, plain_name};
use crate::slow::Vm;
use crate::snapshot::Snapshot;
use crate::trap::{Trap, limit_of};

/// Words of stack for each frame that the depth limit allows, on average.
const WORDS_PER_FRAME: usize = 48;
/// Least and most words of a stack.
const MIN_STACK: usize = 1 << 16;
const MAX_STACK: usize = 1 << 25;
/// Words of stack that are not charged.
const FREE_STACK: usize = 16 << 10;

/// How often a run that waits for the host looks whether it is cancelled.
const WAIT_SLICE: Duration = Duration::from_millis(20);

/// Why nobody wants the answer of a call any more.
const ANOTHER_RUN: &str = "the run was left for another one";
const GONE: &str = "the run was left while it waited";

/// How an instance runs.
pub struct Config {
    /// Limits.
    pub limits: Limits,
    /// When collections happen.
    pub gc: GcMode,
    /// Whether young objects are collected apart.
    pub generational: bool,
    /// Key of the hashing opcodes. The same seed gives the same run.
    pub seed: u64,
    /// Told of each host call.
    pub audit: Option<AuditSink>,
    /// Told of each collection.
    pub gc_log: Option<jet_gc::CollectionLog>,
    /// Gets the lines of `dbg`.
    pub debug: Option<crate::DebugLog>,
    /// What to remember of the heap.
    pub observe: Observe,
    /// The old space is mark-region from so many bytes of objects on (0: from the first full collection).
    pub blocks_from: u64,
    /// Makes one allocation of a run fail: the next after so many.
    pub fail_after: Option<u64>,
    /// Compiler of machine code; used where the program was loaded with counters.
    pub jit: Option<Box<dyn crate::plug::Jit>>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            limits: Limits::default(),
            gc: GcMode::Normal,
            generational: true,
            seed: 0x6a65_7476_6d5f_7631,
            audit: None,
            gc_log: None,
            debug: None,
            observe: Observe::default(),
            blocks_from: jet_gc::BLOCKS_FROM,
            fail_after: None,
            jit: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("limits", &self.limits)
            .field("gc", &self.gc)
            .finish_non_exhaustive()
    }
}

/// A grant of the host for one request.
pub struct Binding {
    /// What answers.
    pub host: Box<dyn HostCapability>,
    /// How much of it is granted.
    pub quota: Quota,
    /// Set to take the grant back: calls that start afterwards trap.
    pub revoked: Arc<AtomicBool>,
}

impl From<Box<dyn HostCapability>> for Binding {
    fn from(host: Box<dyn HostCapability>) -> Binding {
        Binding {
            host,
            quota: Quota::default(),
            revoked: Arc::default(),
        }
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding")
            .field("interface", &self.host.interface())
            .finish_non_exhaustive()
    }
}

/// Why an instance was not made. Nothing of the program ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceError {
    /// The program has no entry point.
    NoEntry,
    /// A request was not granted.
    NotGranted {
        /// Package of the capability.
        package: String,
        /// The capability.
        capability: String,
        /// Calls from `main` to a use, as text.
        path: Vec<String>,
    },
    /// A grant does not implement the interface that the program declares.
    WrongInterface {
        /// The capability.
        capability: String,
        /// What differs.
        why: String,
    },
    /// The system gave no memory for heap or stack.
    System(String),
    /// The constants alone exceed the memory limit.
    Constants(String),
}

impl fmt::Display for InstanceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstanceError::NoEntry => f.write_str("the program has no `main`"),
            InstanceError::NotGranted {
                capability, path, ..
            } => {
                write!(f, "`{capability}` is not granted")?;
                if path.is_empty() {
                    return Ok(());
                }
                write!(f, ", needed by {}", path.join(" → "))
            }
            InstanceError::WrongInterface { capability, why } => {
                write!(f, "the grant for `{capability}` does not fit: {why}")
            }
            InstanceError::System(why) => write!(f, "no memory for the instance: {why}"),
            InstanceError::Constants(why) => write!(f, "the constants do not fit: {why}"),
        }
    }
}

impl std::error::Error for InstanceError {}

/// An error that `main` ended with, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Error type.
    pub error: String,
    /// Variant.
    pub variant: String,
    /// Its text by `Show` where the type has an implementation, else the whole value as a program would write it.
    pub text: String,
}

/// How a run ended, or that it waits.
#[derive(Debug)]
pub enum Outcome {
    /// `main` returned.
    Finished,
    /// `main` returned an error.
    Failed(Failure),
    /// A trap.
    Trapped(Trap),
    /// A limit.
    Limit(LimitKind, Trap),
    /// A host call answers later: wait for it, then [`Instance::resume`].
    Waiting(Ticket),
}

/// Counters of an instance.
#[derive(Clone, Debug, Default)]
pub struct RunStats {
    /// Fuel used.
    pub fuel: u64,
    /// Heap counters.
    pub gc: jet_gc::Stats,
    /// Calls that reached the host, output bytes, open handles.
    pub host: HostUsage,
}

/// See the module.
pub struct Instance {
    ctx: Box<Ctx>,
}

// SAFETY: the raw pointers of the context point into what the instance owns (heap, stack, tables) or into
// its immutable code; host capabilities, the audit sink, the monitor and the compiler of machine code are `Send` by
// their types. One thread uses it at a time.
unsafe impl Send for Instance {}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").finish_non_exhaustive()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        crate::capability::abandon(&mut self.ctx, GONE);
    }
}

impl Instance {
    /// An instance of a program. `grants` are looked up by interface; what the program does not request
    /// stays unused.
    pub fn new(
        loaded: Arc<Loaded>,
        config: Config,
        grants: Vec<Binding>,
    ) -> Result<Instance, InstanceError> {
        let program = Arc::clone(&loaded.program);
        let entry = program.entry.as_ref().ok_or(InstanceError::NoEntry)?;
        let entries = table(&program, entry, grants)?;
        let heap = Heap::new(HeapConfig {
            limit: config.limits.memory,
            mode: config.gc,
            generational: config.generational,
            log: config.gc_log,
            blocks_from: config.blocks_from,
            watch: Watch {
                allocations: config.observe.allocations,
                growth: config.observe.snapshot,
            },
            ..HeapConfig::default()
        });
        let mut heap_box = Box::new(heap.map_err(|e| InstanceError::System(e.to_string()))?);
        let depth = config.limits.depth.max(1);
        let words = (depth as usize)
            .saturating_mul(WORDS_PER_FRAME)
            .clamp(MIN_STACK, MAX_STACK)
            + 2 * loaded.max_frame;
        let stack = VmStack::new(words).map_err(|e| InstanceError::System(e.to_string()))?;
        let stack_end = stack.end().wrapping_sub(loaded.max_frame + 16);
        let stack_limit = stack.base().wrapping_add(FREE_STACK).min(stack_end);
        let consts: Box<[Cell<u64>]> = loaded.consts.iter().map(|_| Cell::new(0)).collect();
        let mut meter = Meter::new(config.limits.fuel);
        // A moment too far away to be represented is no deadline.
        meter.deadline = config
            .limits
            .time
            .and_then(|t| Instant::now().checked_add(t));
        let core = heap_box.core();
        let heap = heap_box.base();
        let mut roots = RootSet::new(stack, Arc::clone(&loaded), consts);
        roots.observer = Observer::new(config.observe);
        let mut ctx = Box::new(Ctx {
            core,
            stack_limit,
            depth_left: i64::from(depth),
            consts: roots.consts.as_ptr().cast(),
            functions: loaded.code.functions.as_ptr(),
            sites: loaded.sites.as_ptr(),
            big_costs: loaded.big_costs.as_ptr(),
            big_charges: loaded.big_charges.as_ptr(),
            hash_seed: config.seed,
            hot_bias: 0,
            native_bias: 0,
            copy_bytes: 0,
            mode: 0,
            depth_delta: 0,
            bound: false,
            exit: 0,
            stress: 0,
            native_limit: 0,
            pc: std::ptr::null(),
            regs: std::ptr::null_mut(),
            heap,
            fuel: 0,
            acc: 0,
            facc: 0.0,
            stack_end,
            heap_box,
            roots,
            meter,
            trap: None,
            caps: CapTable {
                entries,
                limits: config.limits,
                usage: HostUsage::default(),
                audit: config.audit,
                unheard: false,
                waiting: None,
            },
            monitor: loaded.behind.is_some().then(Box::default),
            loaded,
            debug: config.debug,
            failure: None,
            jit: None,
        });
        crate::native::attach(&mut ctx, config.jit);
        constants(&mut ctx)?;
        bindings(&mut ctx)?;
        ctx.heap_box.fail_after(config.fail_after);
        Ok(Instance { ctx })
    }

    /// Runs `main`. A call that answers later is waited for, up to the time limit.
    pub fn run(&mut self, args: &[String]) -> Outcome {
        let mut outcome = self.run_main(args);
        while let Outcome::Waiting(ticket) = outcome {
            outcome = self.wait(&ticket);
        }
        outcome
    }

    /// Waits for an answer, looking at the time limit and at whether the run is cancelled.
    fn wait(&mut self, ticket: &Ticket) -> Outcome {
        loop {
            let now = Instant::now();
            let deadline = self.ctx.meter.deadline;
            let look = now + WAIT_SLICE;
            let until = deadline.map_or(look, |d| d.min(look));
            if let Some(result) = ticket.wait(Some(until)) {
                return self.resume(result);
            }
            if self.ctx.meter.cancel.load(Ordering::Relaxed) {
                return self.fail(TrapKind::Cancelled, "cancelled");
            }
            if deadline.is_some_and(|d| Instant::now() >= d) {
                return self.fail(TrapKind::Time, "the time limit is reached");
            }
        }
    }

    /// Runs `main` until it ends or waits.
    pub fn run_main(&mut self, args: &[String]) -> Outcome {
        let status = self.start(args);
        self.outcome(status)
    }

    /// Goes on after [`Outcome::Waiting`], with the answer.
    pub fn resume(&mut self, result: HostResult) -> Outcome {
        let mut status = crate::capability::answer(&mut self.ctx, result);
        if status == CONTINUE {
            status = self.dispatch();
        }
        self.outcome(status)
    }

    /// Ends a waiting run.
    pub fn fail(&mut self, kind: TrapKind, message: &str) -> Outcome {
        crate::capability::abandon(&mut self.ctx, message);
        crate::trap::record(&mut self.ctx, kind, message.to_owned());
        self.outcome(crate::dispatch::TRAPPED)
    }

    /// Set to end the run at the next slice end.
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        self.ctx.cancel_flag()
    }

    /// When the time limit ends the run.
    pub fn deadline(&self) -> Option<Instant> {
        self.ctx.meter.deadline
    }

    /// Fuel used so far, exactly.
    pub fn fuel_used(&self) -> u64 {
        self.ctx
            .meter
            .granted
            .saturating_sub(self.ctx.fuel.max(0) as u64)
    }

    /// Counters.
    pub fn stats(&self) -> RunStats {
        RunStats {
            fuel: self.fuel_used(),
            gc: self.ctx.heap_box.stats(),
            host: self.ctx.caps.usage,
        }
    }

    /// What the monitor saw, if the program is observed ([`Loaded::observe`]).
    pub fn observed(&self) -> Option<&crate::Observed> {
        self.ctx.monitor.as_ref().map(|m| &m.seen)
    }

    /// Allocations by source line, if they were counted.
    pub fn allocations(&self) -> Option<Vec<Allocations>> {
        let roots = &self.ctx.roots;
        roots.observer.as_ref()?.allocations(&self.ctx.loaded)
    }

    /// What the heap held when it was at its largest, if that was looked at.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.ctx.roots.observer.as_ref()?.snapshot()
    }

    /// What the compiler of machine code did, if there is one.
    pub fn jit_stats(&self) -> Option<crate::plug::JitStats> {
        let stats = self.ctx.jit.as_ref()?.jit.stats();
        Some(crate::plug::JitStats {
            fuel: self.ctx.meter.native,
            ..stats
        })
    }

    /// What the grants cover, by capability, for messages.
    pub fn scopes(&self) -> Vec<(String, String)> {
        let name = |e: &CapEntry| {
            let cap = self.ctx.loaded.program.cap(e.cap);
            cap.map_or_else(String::new, |c| c.name.clone())
        };
        let entries = &self.ctx.caps.entries;
        entries
            .iter()
            .map(|e| (name(e), e.host.scope_text()))
            .collect()
    }

    /// Builds the entry frame and runs it.
    fn start(&mut self, args: &[String]) -> u64 {
        crate::capability::abandon(&mut self.ctx, ANOTHER_RUN);
        let loaded = Arc::clone(&self.ctx.loaded);
        let Some(entry) = &loaded.program.entry else {
            return self.refuse(TrapKind::Unreachable, "no entry point");
        };
        let ctx = &mut *self.ctx;
        let regs = ctx.roots.stack.base().wrapping_add(HEADER_WORDS);
        ctx.roots.entry = std::ptr::null_mut();
        ctx.roots.given.clear();
        ctx.roots.temps.clear();
        ctx.depth_left = i64::from(ctx.caps.limits.depth.max(1)) - 1;
        ctx.trap = None;
        ctx.failure = None;
        if let Some(monitor) = &mut ctx.monitor {
            monitor.start();
        }
        crate::native::begin(ctx);
        let main = loaded.code.functions[entry.function.index()];
        // The arguments are made before there is a frame, with the first word for messages.
        ctx.roots.pc = std::ptr::null();
        ctx.pc = main.entry;
        ctx.regs = regs;
        let caps = entry.requests.len();
        let takes_args = loaded.program.functions[entry.function.index()]
            .sig
            .params
            .len()
            == 1;
        // SAFETY: the first frame of the stack: two header words, then registers.
        unsafe {
            regs.sub(HEADER_WORDS).write(0);
            let link = loaded.code.special(HALT).addr() << 16;
            regs.sub(1).write(link as u64);
        }
        ctx.roots.entry = regs;
        if takes_args {
            let list = {
                let mut vm = Vm::new(ctx, main.entry, regs);
                vm.ctx.roots.pc = std::ptr::null();
                arguments(&mut vm, args)
            };
            ctx.roots.temps.clear();
            match list {
                // SAFETY: the parameter behind the capabilities.
                Ok(list) => unsafe { regs.add(caps).write(list.to_word()) },
                Err(_) => return crate::dispatch::TRAPPED,
            }
        }
        for k in 0..caps {
            // SAFETY: capability registers come first; the bindings stand in request order.
            unsafe { regs.add(k).write(ctx.roots.bindings[k]) };
        }
        ctx.pc = main.entry;
        ctx.regs = regs;
        ctx.acc = 0;
        self.dispatch()
    }

    fn refuse(&mut self, kind: TrapKind, message: &str) -> u64 {
        self.ctx.trap = Some(Box::new(Trap {
            kind,
            message: message.to_owned(),
            stack: Vec::new(),
            elided: None,
        }));
        crate::dispatch::TRAPPED
    }

    /// Runs handlers from the saved state on.
    fn dispatch(&mut self) -> u64 {
        let ctx: *mut Ctx = &mut *self.ctx;
        loop {
            // SAFETY: the saved state is that of an instruction of verified, loaded code (see
            // `crate::dispatch`), and the context is reached through this pointer alone meanwhile.
            let status = unsafe {
                crate::native::note_stack(ctx);
                let (pc, regs) = ((*ctx).pc, (*ctx).regs);
                let (heap, fuel, acc) = ((*ctx).heap, (*ctx).fuel, (*ctx).acc);
                ((*pc).handler())(pc, regs, heap, ctx, fuel, acc, (*ctx).facc)
            };
            if status != CONTINUE {
                return status;
            }
        }
    }

    fn outcome(&mut self, status: u64) -> Outcome {
        match status {
            WAITING => {
                if let Some(why) = self.of_all(|host| host.before_wait()) {
                    return self.fail(TrapKind::Panic, &why);
                }
                let pending = self.ctx.caps.waiting.as_mut();
                match pending.and_then(|p| p.ticket.take()) {
                    Some(ticket) => Outcome::Waiting(ticket),
                    None => self.trapped(),
                }
            }
            FINISHED => match self.flush() {
                None => Outcome::Finished,
                Some(why) => Outcome::Trapped(Trap {
                    kind: TrapKind::Panic,
                    message: why,
                    stack: Vec::new(),
                    elided: None,
                }),
            },
            FAILED => {
                let failure = self.failure();
                self.flush();
                Outcome::Failed(failure)
            }
            _ => {
                self.flush();
                self.trapped()
            }
        }
    }

    fn trapped(&mut self) -> Outcome {
        let trap = self.ctx.trap.take().map_or_else(
            || Trap {
                kind: TrapKind::Unreachable,
                message: String::from("nothing runs"),
                stack: Vec::new(),
                elided: None,
            },
            |trap| *trap,
        );
        match limit_of(trap.kind) {
            Some(limit) => Outcome::Limit(limit, trap),
            None => Outcome::Trapped(trap),
        }
    }

    /// Delivers what the hosts buffered; the first failure, if any.
    fn flush(&mut self) -> Option<String> {
        self.of_all(|host| host.flush())
    }

    /// Has every host do something; the first reason why one could not.
    fn of_all(
        &mut self,
        act: impl Fn(&mut dyn HostCapability) -> Result<(), HostFailure>,
    ) -> Option<String> {
        let mut first = None;
        for entry in &mut self.ctx.caps.entries {
            let host = std::panic::AssertUnwindSafe(|| act(entry.host.as_mut()));
            match std::panic::catch_unwind(host) {
                Ok(Ok(())) => {}
                Ok(Err(HostFailure::Trap(_, why))) => {
                    first.get_or_insert(why);
                }
                _ => {
                    first.get_or_insert_with(|| String::from("the host failed at the end"));
                }
            }
        }
        first
    }

    /// The error that `main` returned.
    fn failure(&self) -> Failure {
        let program = &self.ctx.loaded.program;
        let value = self.ctx.acc;
        let r = Ref::from_word(value);
        // SAFETY: the error of the entry function: a record whose header names its type.
        let header = unsafe { self.ctx.heap_box.header(r) };
        let Some(nominal) = program.nominal(NominalId(header.type_id())) else {
            return Failure {
                error: String::from("?"),
                variant: String::from("?"),
                text: String::from("?"),
            };
        };
        let variant = match &nominal.kind {
            LNominalKind::Error(vs) | LNominalKind::Enum(vs) => {
                vs.get(usize::from(header.tag())).map(|v| v.name.clone())
            }
            _ => None,
        };
        let mut show = Show {
            program,
            heap: &self.ctx.heap_box,
            out: String::new(),
        };
        match &self.ctx.failure {
            Some(text) => show.out.push_str(text),
            // SAFETY: as above.
            None => unsafe { show.value(nominal.ty, value, 0) },
        }
        Failure {
            error: plain_name(&nominal.name).to_owned(),
            variant: variant.unwrap_or_default(),
            text: show.out,
        }
    }
}

/// The capability table: one entry a request.
fn table(
    program: &jet_bytecode::linked::Program,
    entry: &jet_bytecode::linked::LEntry,
    grants: Vec<Binding>,
) -> Result<Vec<CapEntry>, InstanceError> {
    let mut grants: Vec<Option<Binding>> = grants.into_iter().map(Some).collect();
    let mut entries = Vec::with_capacity(entry.requests.len());
    for (k, id) in entry.requests.iter().enumerate() {
        let cap = program.cap(*id).ok_or(InstanceError::NoEntry)?;
        let package = program.package_name(cap.package);
        let found = grants.iter_mut().find(|g| {
            g.as_ref()
                .is_some_and(|g| g.host.interface() == (package, cap.name.as_str()))
        });
        let Some(binding) = found.and_then(Option::take) else {
            return Err(InstanceError::NotGranted {
                package: package.to_owned(),
                capability: cap.name.clone(),
                path: entry.paths.get(k).cloned().unwrap_or_default(),
            });
        };
        let methods =
            bind(program, *id, &*binding.host).map_err(|why| InstanceError::WrongInterface {
                capability: cap.name.clone(),
                why,
            })?;
        entries.push(CapEntry {
            cap: *id,
            host: binding.host,
            methods,
            revoked: binding.revoked,
            quota: binding.quota,
        });
    }
    Ok(entries)
}

/// Puts the pool's constants in place; strings become rooted objects.
fn constants(ctx: &mut Ctx) -> Result<(), InstanceError> {
    let loaded = Arc::clone(&ctx.loaded);
    for (i, constant) in loaded.consts.iter().enumerate() {
        let value = match constant {
            Const::Int(n) => *n as u64,
            Const::Float(bits) => *bits,
            Const::Str(text) => {
                let made = ctx
                    .heap_box
                    .alloc_str(0, text.as_bytes(), &mut ctx.roots)
                    .map_err(|e| InstanceError::Constants(e.to_string()))?;
                ctx.roots.const_refs.push(i as u32);
                made.to_word()
            }
        };
        ctx.roots.consts[i].set(value);
    }
    Ok(())
}

/// Makes the binding objects, one an entry of the table.
fn bindings(ctx: &mut Ctx) -> Result<(), InstanceError> {
    for i in 0..ctx.caps.entries.len() {
        let made = ctx
            .heap_box
            .alloc_record(Header::record(HOST_BINDING, 0, 0, 1), &mut ctx.roots)
            .map_err(|e| InstanceError::Constants(e.to_string()))?;
        // SAFETY: a fresh record with one word.
        unsafe { ctx.heap_box.set_word_field(made, 0, i as u64) };
        ctx.roots.bindings.push(made.to_word());
    }
    Ok(())
}

/// The program's arguments as `[string]`.
fn arguments(vm: &mut Vm<'_>, args: &[String]) -> crate::slow::Done<Ref> {
    let n = args.len() as u64;
    let list = vm.new_list(Format::RefArray, n, n)?;
    let place = vm.keep(list);
    for (i, arg) in args.iter().enumerate() {
        let text = vm.new_str(arg)?;
        let (data, _) = vm.list_parts(vm.kept(place));
        vm.store::<Refs>(data, i as u64, text.to_word());
    }
    Ok(vm.kept(place))
}
