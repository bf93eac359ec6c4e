//! Capability calls: the one path to the host, and calls of attenuators and fakes.
//!
//! A capability value is a binding of the host (a record whose word is its entry of the table) or an object
//! whose type implements the interface. [`call`] is the only function that reaches the host: it checks
//! revocation, then quota, then calls, then tells the audit sink. A call of an object enters its method like
//! any other call; where data crosses, a *boundary* frame stands between, whose return copies what comes back
//! (registers: call site, receiver, result). What must stay true: nothing here is skipped for speed; a host
//! panic does not pass.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use jet_bytecode::linked::{CapId, LMethod, LNominalKind, LType, NominalId, Program, TypeId};
use jet_bytecode::opcodes::TrapKind;
use jet_gc::{Header, Ref};

use crate::calls::{AuditEvent, AuditSink, Verdict, weight};
use crate::code::{BOUNDARY, HEADER_WORDS, Word};
use crate::ctx::{Ctx, HOST_BINDING};
use crate::dispatch::{CONTINUE, S, TRAPPED, WAITING, handler};
use crate::given;
use crate::host::{
    HostAnswer, HostCapability, HostCx, HostFailure, HostResult, HostTrap, HostUsage, HostValue,
    LimitKind, Limits, Ticket,
};
use crate::load::{Crossing, Loaded};
use crate::marshal::{HANDLE_HEADER, Marshal, wrong_answer, wrong_handle};
use crate::slow::{Done, SlowOp, Stop, Vm};

/// Words of a boundary's frame, the header of the next one included.
const BOUNDARY_FRAME: usize = 3 + HEADER_WORDS;

/// How much of a grant may be used; `None` is any amount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Calls.
    pub calls: Option<u64>,
    /// Bytes of text and data in arguments and answers.
    pub bytes: Option<u64>,
}

/// An entry of the capability table.
pub(crate) struct CapEntry {
    /// Interface that it was bound to.
    pub cap: CapId,
    /// Implementation.
    pub host: Box<dyn HostCapability>,
    /// Host method by interface method.
    pub methods: Vec<usize>,
    /// Set by whoever takes the grant back.
    pub revoked: Arc<AtomicBool>,
    /// What is left.
    pub quota: Quota,
}

impl CapEntry {
    /// The name of a variant of one of the host's errors.
    fn variant(&self, error: &str, variant: u8) -> &'static str {
        let mut errors = self.host.methods().iter().flat_map(|m| m.errors);
        errors
            .find(|e| e.name == error)
            .and_then(|e| e.variants.get(usize::from(variant)))
            .map_or("?", |v| v.name)
    }
}

/// The capability table and what its calls share.
pub(crate) struct CapTable {
    /// Entries; a binding's word indexes them.
    pub entries: Vec<CapEntry>,
    /// Limits of the instance.
    pub limits: Limits,
    /// What calls used.
    pub usage: HostUsage,
    /// Audit sink.
    pub audit: Option<AuditSink>,
    /// Whether it missed something.
    pub unheard: bool,
    /// Call that waits for its answer.
    pub waiting: Option<Pending>,
}

/// A call whose answer comes later.
pub(crate) struct Pending {
    /// What the embedder waits on, until it takes it.
    pub ticket: Option<Ticket>,
    entry: usize,
    site: usize,
    started: Instant,
    /// What the audit will be told.
    args: Vec<HostValue>,
}

// Lane b: the call site; lane c: number of arguments, the receiver first.
handler! { fn cap_call[](s) {
    let left = s.fuel - s.l() as i64;
    if left < 0 {
        return s.tail(crate::fuel::slice_end);
    }
    let status = start(s.ctx, s.pc, s.regs, left);
    resume_state(s, status)
} }

/// Goes on where `ctx` says, or ends the run with `status`.
///
/// # Safety
/// As all handlers; with `CONTINUE` the saved state is a runnable one.
#[inline(always)]
unsafe fn resume_state(s: S, status: u64) -> u64 {
    if status != CONTINUE {
        return status;
    }
    // SAFETY: the context outlives the run.
    unsafe {
        let ctx = s.ctx;
        S {
            pc: (*ctx).pc,
            regs: (*ctx).regs,
            fuel: (*ctx).fuel,
            acc: (*ctx).acc,
            ..s
        }
        .go()
    }
}

// A frame behind a boundary returned: copy what comes out, then return once more.
handler! { fn boundary[](s) {
    if !cross_out(s.ctx, s.pc, s.regs, s.fuel, s.acc, false) {
        return TRAPPED;
    }
    (*s.ctx).depth_left -= 1;
    let value = (*s.ctx).acc;
    crate::ops_call::leave(s, (*s.ctx).fuel, value)
} }
handler! { fn boundary_error[](s) {
    if !cross_out(s.ctx, s.pc, s.regs, s.fuel, s.acc, true) {
        return TRAPPED;
    }
    (*s.ctx).depth_left -= 1;
    let error = (*s.ctx).acc;
    crate::ops_call::leave_error(s, (*s.ctx).fuel, error)
} }

/// # Safety
/// Called by `cap_call` with its state.
#[inline(never)]
unsafe fn start(ctx: *mut Ctx, pc: *const Word, regs: *mut u64, fuel: i64) -> u64 {
    // SAFETY: the handler does not use the context during this call.
    let ctx = unsafe { &mut *ctx };
    ctx.fuel = fuel;
    let mut vm = Vm::new(ctx, pc, regs);
    let site = vm.b();
    let receiver = Ref::from_word(vm.arg(0));
    // SAFETY: a capability register.
    let header = unsafe { vm.ctx.heap_box.header(receiver) };
    let status = if header.type_id() == HOST_BINDING {
        // SAFETY: a binding.
        let entry = unsafe { vm.ctx.heap_box.word_field(receiver, 0) } as usize;
        match call(&mut vm, entry, site, receiver) {
            Ok((HostAnswer::Now(result), call)) => finish(&mut vm, result, &call),
            Ok((HostAnswer::Later(ticket), call)) => {
                vm.ctx.caps.waiting = Some(Pending {
                    ticket: Some(ticket),
                    ..call
                });
                WAITING
            }
            Err(_) => TRAPPED,
        }
    } else {
        match enter_object(&mut vm, site, header) {
            Ok(()) => CONTINUE,
            Err(_) => TRAPPED,
        }
    };
    ctx.roots.temps.clear();
    status
}

/// The method behind a call site.
fn method_of(loaded: &Loaded, site: usize) -> Option<&LMethod> {
    let site = loaded.cap_sites.get(site)?;
    let cap = loaded.program.cap(site.cap)?;
    cap.methods.get(usize::from(site.method))
}

/// Calls the host. The only place that does.
fn call(vm: &mut Vm<'_>, entry: usize, site: usize, receiver: Ref) -> Done<(HostAnswer, Pending)> {
    let started = Instant::now();
    let loaded = Arc::clone(&vm.ctx.loaded);
    let program = &loaded.program;
    let info = &loaded.cap_sites[site];
    let declared = program
        .cap(info.cap)
        .and_then(|c| Some((c, c.methods.get(usize::from(info.method))?)));
    let known = vm.ctx.caps.entries.get(entry);
    let (Some((cap, method)), Some(known)) = (declared, known) else {
        return Err(vm.trap(TrapKind::Unreachable, "no such capability"));
    };
    let name = &cap.name;
    let stopped = if known.revoked.load(Ordering::Acquire) {
        Some(format!("the grant of {name} was revoked"))
    } else if known.quota.calls == Some(0) {
        Some(format!("the granted number of calls of {name} is used up"))
    } else if vm.ctx.caps.unheard {
        Some("calls cannot be recorded any more".to_owned())
    } else {
        None
    };
    if let Some(why) = stopped {
        tell(vm, site, &[], Verdict::Trap(&why), started);
        return Err(vm.trap(TrapKind::Revoked, why));
    }
    let Some(host_method) = known.methods.get(usize::from(info.method)).copied() else {
        return Err(vm.trap(TrapKind::Unreachable, "no such method"));
    };
    let mut marshal = Marshal::new(Arc::clone(program));
    let place = vm.keep(receiver);
    make_room_for_texts(vm, program, &method.sig.params)?;
    let memory_left = memory_left(vm)?;
    let receiver = vm.kept(place);
    let mut args = Vec::with_capacity(method.sig.params.len());
    for (k, ty) in method.sig.params.iter().enumerate() {
        let value = vm.arg(k + 1);
        match marshal.read(vm, *ty, value, receiver, 0) {
            Ok(arg) => args.push(arg),
            Err(stop) => {
                vm.ctx.heap_box.refund_host(marshal.charged());
                return Err(stop);
            }
        }
    }
    if !pay_bytes(&mut vm.ctx.caps.entries[entry], &args) {
        vm.ctx.heap_box.refund_host(marshal.charged());
        return Err(out_of_bytes(vm, name, site, &args, started));
    }
    let meter = &vm.ctx.meter;
    let deadline = meter.deadline;
    let fuel = meter.left.saturating_add(vm.ctx.fuel.max(0) as u64);
    let cancel = Arc::clone(&meter.cancel);
    let caps = &mut vm.ctx.caps;
    caps.usage.calls += 1;
    let known = &mut caps.entries[entry];
    if let Some(calls) = &mut known.quota.calls {
        *calls -= 1;
    }
    let handles = caps.usage.handles;
    let mut cx =
        HostCx::new(&caps.limits, &mut caps.usage, memory_left, deadline).with_work(fuel, cancel);
    let host = &mut known.host;
    let answer = catch_unwind(AssertUnwindSafe(|| host.call(host_method, &args, &mut cx)));
    let work = cx.work();
    vm.ctx.heap_box.refund_host(marshal.charged());
    if vm.ctx.caps.usage.handles < handles {
        given::closed(&mut vm.ctx.roots.given, entry, &args);
    }
    if let Err(stop) = vm.charge(work) {
        tell_trap(vm, site, &args, started);
        return Err(stop);
    }
    let Ok(answer) = answer else {
        let text = format!("the host's {name}.{} panicked", method.name);
        tell(vm, site, &args, Verdict::Trap(&text), started);
        return Err(vm.trap(TrapKind::Panic, text));
    };
    let call = Pending {
        ticket: None,
        entry,
        site,
        started,
        args: if vm.ctx.caps.audit.is_some() {
            args
        } else {
            Vec::new()
        },
    };
    Ok((answer, call))
}

/// Tells the audit sink, if there is one, how a call ended.
fn tell(vm: &mut Vm<'_>, site: usize, args: &[HostValue], verdict: Verdict<'_>, started: Instant) {
    if vm.ctx.caps.audit.is_none() {
        return;
    }
    let duration = started.elapsed();
    let loaded = Arc::clone(&vm.ctx.loaded);
    let place = crate::trap::place(&loaded, loaded.code.index_of(vm.pc));
    let cap = loaded.cap_sites.get(site);
    let cap = cap.and_then(|info| loaded.program.cap(info.cap));
    let (Some(cap), Some(method)) = (cap, method_of(&loaded, site)) else {
        return;
    };
    let capability = format!("{}.{}", loaded.program.package_name(cap.package), cap.name);
    let event = AuditEvent {
        capability: &capability,
        method: &method.name,
        args,
        file: &place.file,
        line: place.line,
        verdict,
        duration,
    };
    if let Some(audit) = &mut vm.ctx.caps.audit {
        let kept = catch_unwind(AssertUnwindSafe(|| audit(&event)));
        vm.ctx.caps.unheard |= !kept.unwrap_or(false);
    }
}

/// Tells the audit sink of a call that ended the run, by the trap that was recorded.
#[cold]
fn tell_trap(vm: &mut Vm<'_>, site: usize, args: &[HostValue], started: Instant) {
    let why = vm.ctx.trap.as_ref().map(|t| t.message.clone());
    let why = why.unwrap_or_default();
    tell(vm, site, args, Verdict::Trap(&why), started);
}

/// Takes the weight of values off a grant's bytes; `false` if there are not enough left.
fn pay_bytes(entry: &mut CapEntry, values: &[HostValue]) -> bool {
    let Some(left) = &mut entry.quota.bytes else {
        return true;
    };
    let weight = weight(values);
    let enough = weight <= *left;
    *left = left.saturating_sub(weight);
    enough
}

#[cold]
fn out_of_bytes(
    vm: &mut Vm<'_>,
    name: &str,
    site: usize,
    args: &[HostValue],
    started: Instant,
) -> Stop {
    let why = format!("the granted number of bytes of {name} is used up");
    tell(vm, site, args, Verdict::Trap(&why), started);
    vm.trap(TrapKind::Revoked, why)
}

/// Collects where the host's copies of the arguments that are texts or bytes would not fit otherwise: reading them
/// collects nothing.
fn make_room_for_texts(vm: &mut Vm<'_>, program: &Program, params: &[TypeId]) -> Done {
    let mut bytes = 0u64;
    for (k, ty) in params.iter().enumerate() {
        let value = vm.arg(k + 1);
        bytes += match program.ty(*ty) {
            LType::Str => 2 * crate::strings::len_of(vm.ctx, value),
            LType::List(_) => vm.list_parts(Ref::from_word(value)).1,
            _ => 0,
        };
    }
    if bytes < 1 << 16 || vm.ctx.heap_box.room() > bytes + (1 << 16) {
        return Ok(());
    }
    let ctx = &mut *vm.ctx;
    ctx.heap_box
        .charge_host_or_collect(bytes, &mut ctx.roots)
        .map_err(|e| vm.out_of_memory(e))?;
    vm.ctx.heap_box.refund_host(bytes);
    Ok(())
}

/// How much memory the host may take for its answer. Collects where much could be free that is not.
fn memory_left(vm: &mut Vm<'_>) -> Done<u64> {
    let heap = &vm.ctx.heap_box;
    let limit = heap.limit();
    if heap.room() < limit / 4 && heap.allocated_since_full() > limit / 8 {
        let ctx = &mut *vm.ctx;
        ctx.heap_box
            .collect(&mut ctx.roots)
            .map_err(|e| vm.out_of_memory(e))?;
    }
    Ok(vm.ctx.heap_box.room())
}

/// Puts an answer into the frame of the call at `vm.pc`.
fn finish(vm: &mut Vm<'_>, result: HostResult, call: &Pending) -> u64 {
    if let Ok(value) = &result
        && !pay_bytes(
            &mut vm.ctx.caps.entries[call.entry],
            std::slice::from_ref(value),
        )
    {
        let loaded = Arc::clone(&vm.ctx.loaded);
        let cap = loaded.program.cap(loaded.cap_sites[call.site].cap);
        let name = cap.map_or("capability", |c| c.name.as_str());
        out_of_bytes(vm, name, call.site, &call.args, call.started);
        return TRAPPED;
    }
    let verdict = match &result {
        Err(HostFailure::Error { error, variant, .. }) => {
            let known = &vm.ctx.caps.entries[call.entry];
            Verdict::Error(error, known.variant(error, *variant))
        }
        _ => Verdict::Ok,
    };
    // What the host answered counts when the program has it: an answer that does not fit ends the run.
    match deliver(vm, call.entry, call.site, result) {
        Ok(()) => {
            tell(vm, call.site, &call.args, verdict, call.started);
            CONTINUE
        }
        Err(_) => {
            tell_trap(vm, call.site, &call.args, call.started);
            TRAPPED
        }
    }
}

fn deliver(vm: &mut Vm<'_>, entry: usize, site: usize, result: HostResult) -> Done {
    let loaded = Arc::clone(&vm.ctx.loaded);
    let Some(method) = method_of(&loaded, site) else {
        return Err(vm.trap(TrapKind::Unreachable, "no such method"));
    };
    let words = 1 + vm.c().div_ceil(4).max(1);
    let mut marshal = Marshal::new(Arc::clone(&vm.ctx.loaded.program));
    match result {
        Ok(value) => {
            let value = marshal.build(vm, method.sig.ret, &value, entry, 0)?;
            vm.result(value);
            // The call's return address: behind `on_error`, if there is one.
            // SAFETY: the loader put the link into the first extension word.
            let link = unsafe { (*vm.pc.add(1)).slot.addr() };
            vm.ctx.pc = core::ptr::with_exposed_provenance(link >> 16);
            vm.ctx.acc = value;
            Ok(())
        }
        Err(HostFailure::Error {
            error,
            variant,
            payload,
        }) => {
            let program = Arc::clone(&vm.ctx.loaded.program);
            let named = |n: &NominalId| {
                program.nominal(*n).is_some_and(|n| {
                    let plain = n.name.split('[').next().unwrap_or_default();
                    plain.rsplit('.').next() == Some(error)
                })
            };
            let Some(n) = method.sig.errors.iter().find(|n| named(n)) else {
                return Err(wrong_answer(vm));
            };
            let Some(ty) = program.nominal(*n).map(|n| n.ty) else {
                return Err(wrong_answer(vm));
            };
            let value = HostValue::Variant(variant, payload);
            let value = marshal.build(vm, ty, &value, entry, 0)?;
            // SAFETY: a call that can fail is followed by `on_error`.
            vm.ctx.pc = unsafe { vm.pc.add(words) };
            vm.ctx.acc = value;
            Ok(())
        }
        Err(HostFailure::Trap(kind, message)) => Err(vm.trap(trap_kind(kind), message)),
    }
}

fn trap_kind(kind: HostTrap) -> TrapKind {
    match kind {
        HostTrap::Limit(LimitKind::Fuel) => TrapKind::Fuel,
        HostTrap::Limit(LimitKind::Memory) => TrapKind::Memory,
        HostTrap::Limit(LimitKind::Depth) => TrapKind::Depth,
        HostTrap::Limit(LimitKind::Time) => TrapKind::Time,
        HostTrap::Limit(LimitKind::Output) => TrapKind::Output,
        HostTrap::Limit(LimitKind::Handles) => TrapKind::Handles,
        HostTrap::Cancelled => TrapKind::Cancelled,
        HostTrap::BadHandle => TrapKind::Handle,
        HostTrap::BadArgument | HostTrap::Failed => TrapKind::Panic,
    }
}

/// Answers the call that waits; the result is the status with which the run goes on.
pub(crate) fn answer(ctx: &mut Ctx, result: HostResult) -> u64 {
    let Some(pending) = ctx.caps.waiting.take() else {
        return TRAPPED;
    };
    let (pc, regs) = (ctx.pc, ctx.regs);
    let mut vm = Vm::new(ctx, pc, regs);
    let status = finish(&mut vm, result, &pending);
    ctx.roots.temps.clear();
    status
}

/// Gives up the call that waits, if there is one; the audit sink is told why.
pub(crate) fn abandon(ctx: &mut Ctx, why: &str) {
    if let Some(call) = ctx.caps.waiting.take() {
        let (pc, regs) = (ctx.pc, ctx.regs);
        let mut vm = Vm::new(ctx, pc, regs);
        tell(
            &mut vm,
            call.site,
            &call.args,
            Verdict::Trap(why),
            call.started,
        );
    }
}

/// Enters the method of an attenuator or fake.
fn enter_object(vm: &mut Vm<'_>, site: usize, header: Header) -> Done {
    let loaded = Arc::clone(&vm.ctx.loaded);
    let info = &loaded.cap_sites[site];
    let ty = header.type_id();
    let methods = loaded.cap_impls.get(&(ty, info.cap.0));
    let target = methods.and_then(|m| m.get(usize::from(info.method)).copied());
    let entry = target.and_then(|f| loaded.code.functions.get(f.index()).copied());
    let Some(entry) = entry else {
        return Err(vm.trap(TrapKind::Unreachable, "no such implementation"));
    };
    let n = vm.c();
    let first = vm.ctx.roots.temps.len();
    let receiver = vm.keep(Ref::from_word(vm.arg(0)));
    let mut values = vec![0u64; n];
    let mut is_ref = vec![false; n];
    for (k, crossing) in (1..n).zip(&info.params) {
        let value = vm.arg(k);
        let r = match crossing {
            Crossing::Word => {
                values[k] = value;
                continue;
            }
            Crossing::Shared => Ref::from_word(value),
            Crossing::Copied => vm.deep_copy(Ref::from_word(value))?,
            Crossing::Sealed => unseal(vm, Ref::from_word(value), receiver)?,
        };
        values[k] = vm.keep(r) as u64;
        is_ref[k] = true;
    }
    // An enum was boxed to be a capability: its method takes the enum.
    let boxed = loaded
        .program
        .nominal(NominalId(ty))
        .is_some_and(|n| matches!(n.kind, LNominalKind::Enum(_)));
    // SAFETY: the loader put the link into the first extension word of a call.
    let link = unsafe { (*vm.pc.add(1)).slot.addr() };
    let top = vm.regs.wrapping_add((link & 0xffff) + BOUNDARY_FRAME);
    while top > vm.ctx.stack_limit && vm.grow_stack()? {}
    // SAFETY: frames lie inside the stack: the limit below leaves room for the largest one.
    unsafe {
        let frame = vm.regs.add(link & 0xffff);
        let callee = if info.crosses {
            frame.add(BOUNDARY_FRAME)
        } else {
            frame
        };
        if callee > vm.ctx.stack_limit || vm.ctx.depth_left < 1 {
            return Err(vm.trap(TrapKind::Depth, "calls are nested too deep"));
        }
        let lanes = (&raw const (*vm.pc).l).cast::<u64>().read();
        frame.sub(HEADER_WORDS).write(lanes);
        frame.sub(1).write(link as u64);
        let object = vm.kept(receiver);
        if info.crosses {
            frame.write(site as u64);
            frame.add(1).write(object.to_word());
            frame.add(2).write(0);
            // Result register 2 of the boundary's frame.
            callee.sub(HEADER_WORDS).write(2 << 16);
            let back = loaded.code.special(BOUNDARY).addr() << 16 | BOUNDARY_FRAME;
            callee.sub(1).write(back as u64);
        }
        callee.write(if boxed {
            unbox(vm, object)
        } else {
            object.to_word()
        });
        for k in 1..n {
            let value = if is_ref[k] {
                vm.kept(values[k] as usize).to_word()
            } else {
                values[k]
            };
            callee.add(k).write(value);
        }
        vm.ctx.depth_left -= 1;
        vm.ctx.pc = entry.entry;
        vm.ctx.regs = callee;
        vm.ctx.acc = 0;
    }
    vm.ctx.roots.temps.truncate(first);
    Ok(())
}

/// The handle that the receiver (in temporary `receiver`) sealed in `handle`.
fn unseal(vm: &mut Vm<'_>, handle: Ref, receiver: usize) -> Done<Ref> {
    if !handle.is_address() {
        return Ok(handle);
    }
    // SAFETY: a handle.
    let (sealed, inner) = unsafe {
        let heap = &vm.ctx.heap_box;
        (heap.ref_field(handle, 0), heap.ref_field(handle, 1))
    };
    if sealed != vm.kept(receiver) || inner.is_null() {
        return Err(wrong_handle(vm));
    }
    Ok(inner)
}

/// The enum in a box that `as_cap` made.
///
/// # Safety
/// `object` is such a box.
unsafe fn unbox(vm: &Vm<'_>, object: Ref) -> u64 {
    // SAFETY: it has one field.
    unsafe {
        let heap = &vm.ctx.heap_box;
        if heap.header(object).nrefs() == 1 {
            heap.ref_field(object, 0).to_word()
        } else {
            heap.word_field(object, 0)
        }
    }
}

/// Copies or seals what a boundary's frame returns; the outcome is in `Ctx::acc`.
///
/// # Safety
/// Called by the boundary handlers with their state.
#[inline(never)]
unsafe fn cross_out(
    ctx: *mut Ctx,
    pc: *const Word,
    regs: *mut u64,
    fuel: i64,
    value: u64,
    error: bool,
) -> bool {
    // SAFETY: the handler does not use the context during this call.
    let ctx = unsafe { &mut *ctx };
    ctx.fuel = fuel;
    let mut vm = Vm::new(ctx, pc, regs);
    let done = copy_out(&mut vm, value, error);
    ctx.roots.temps.clear();
    match done {
        Ok(value) => {
            ctx.acc = value;
            true
        }
        Err(_) => false,
    }
}

fn copy_out(vm: &mut Vm<'_>, value: u64, error: bool) -> Done<u64> {
    let loaded = Arc::clone(&vm.ctx.loaded);
    let Some(site) = loaded.cap_sites.get(vm.reg(0) as usize) else {
        return Err(vm.trap(TrapKind::Unreachable, "no such method"));
    };
    let r = Ref::from_word(value);
    let crossing = if error { Crossing::Copied } else { site.ret };
    match crossing {
        Crossing::Word | Crossing::Shared => Ok(value),
        Crossing::Copied => Ok(vm.deep_copy(r)?.to_word()),
        Crossing::Sealed if !r.is_address() => Ok(value),
        Crossing::Sealed => {
            let inner = vm.keep(r);
            let sealed = vm.record(HANDLE_HEADER)?;
            let inner = vm.kept(inner);
            let receiver = Ref::from_word(vm.reg(1));
            // SAFETY: a fresh record of that shape, and a handle.
            unsafe {
                let heap = &mut vm.ctx.heap_box;
                let number = heap.word_field(inner, 0);
                heap.init_ref_field(sealed, 0, receiver);
                heap.init_ref_field(sealed, 1, inner);
                heap.set_word_field(sealed, 0, number);
            }
            given::note(vm, receiver, inner)?;
            Ok(sealed.to_word())
        }
    }
}

/// `as_cap` of an enum (lane c: nominal id; lane 0: whether it is a reference).
pub(crate) struct BoxCap;

impl SlowOp for BoxCap {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let is_ref = vm.word().l != 0;
        let id = u32::from(vm.word().c);
        let header = Header::record(id, u8::MAX, u32::from(is_ref), u32::from(!is_ref));
        let r = vm.record(header)?;
        let value = vm.reg(vm.b());
        // SAFETY: a fresh record with one field.
        unsafe {
            if is_ref {
                vm.ctx.heap_box.init_ref_field(r, 0, Ref::from_word(value));
            } else {
                vm.ctx.heap_box.set_word_field(r, 0, value);
            }
        }
        vm.result(r.to_word());
        Ok(1)
    }
}
