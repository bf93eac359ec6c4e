//! Handles that attenuators gave out: they are closed when the `with` that made the attenuator ends.
//!
//! A handle that leaves an attenuator is sealed with it, so nothing can use it once the attenuator is gone; closing it
//! frees what the host holds. What must stay true: each entry's binding is a root; an entry goes away when its
//! handle is closed, so there are about as many as open handles (times the attenuators that passed each on).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jet_bytecode::analysis::fuel::element_work;
use jet_bytecode::linked::NominalId;
use jet_bytecode::opcodes::TrapKind;
use jet_gc::Ref;

use crate::ctx::HOST_BINDING;
use crate::host::{HostCx, HostValue};
use crate::slow::{Done, SlowOp, Vm};

/// Most entries: hosts limit open handles far below.
const MAX_GIVEN: usize = 1 << 16;

/// A handle that an attenuator gave out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// The attenuator.
    pub binding: u64,
    /// Entry of the capability table whose host holds the handle.
    pub entry: usize,
    /// The host's number for it.
    pub number: u64,
}

/// Notes that the object `receiver` seals `handle`, which came from something that it holds.
pub(crate) fn note(vm: &mut Vm<'_>, receiver: Ref, handle: Ref) -> Done {
    // SAFETY: an object whose type implements a capability, and a handle.
    let (ty, host) = unsafe {
        let heap = &vm.ctx.heap_box;
        let mut innermost = handle;
        while !heap.ref_field(innermost, 1).is_null() {
            innermost = heap.ref_field(innermost, 1);
        }
        let binding = heap.ref_field(innermost, 0);
        let of_host = heap.header(binding).type_id() == HOST_BINDING;
        let host = of_host.then(|| (heap.word_field(binding, 0), heap.word_field(innermost, 0)));
        (heap.header(receiver).type_id(), host)
    };
    let nominal = vm.ctx.loaded.program.nominal(NominalId(ty));
    let (Some((entry, number)), true) = (host, nominal.is_some_and(|n| n.attenuator)) else {
        return Ok(());
    };
    if vm.ctx.roots.given.len() >= MAX_GIVEN {
        return Err(vm.trap(TrapKind::Handles, "attenuators gave out too many handles"));
    }
    vm.ctx.roots.given.push(Given {
        binding: receiver.to_word(),
        entry: entry as usize,
        number,
    });
    Ok(())
}

/// Forgets handles that a call of the host closed.
pub(crate) fn closed(given: &mut Vec<Given>, entry: usize, args: &[HostValue]) {
    for arg in args {
        if let HostValue::Handle(number) = arg {
            given.retain(|g| (g.entry, g.number) != (entry, *number));
        }
    }
}

/// `end_cap`: the `with` that made the attenuator behind register `a` ends.
pub(crate) struct EndCap;

impl SlowOp for EndCap {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let known = vm.ctx.roots.given.len();
        vm.charge_point(element_work(known as u64))?;
        let binding = vm.reg(vm.a());
        let given = &mut vm.ctx.roots.given;
        let own = given.iter().filter(|g| g.binding == binding);
        let mut ends: Vec<(usize, u64)> = own.map(|g| (g.entry, g.number)).collect();
        if ends.is_empty() {
            return Ok(1);
        }
        ends.sort_unstable();
        ends.dedup();
        given.retain(|g| ends.binary_search(&(g.entry, g.number)).is_err());
        let deadline = vm.ctx.meter.deadline;
        for (entry, number) in ends {
            let caps = &mut vm.ctx.caps;
            let Some(known) = caps.entries.get_mut(entry) else {
                continue;
            };
            let mut cx = HostCx::new(&caps.limits, &mut caps.usage, 0, deadline);
            let host = &mut known.host;
            let cap = known.cap;
            let done = catch_unwind(AssertUnwindSafe(|| host.drop_handle(number, &mut cx)));
            if done.is_err() {
                let program = Arc::clone(&vm.ctx.loaded.program);
                let name = program.cap(cap).map_or("capability", |c| c.name.as_str());
                let text = format!("the host's {name} panicked while it closed a handle");
                return Err(vm.trap(TrapKind::Panic, text));
            }
        }
        Ok(1)
    }
}
