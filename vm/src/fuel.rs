//! Fuel: handed out in slices that handlers count down in a register. The end of a slice is where the
//! deadline and cancellation are looked at.
//!
//! What must stay true: fuel used = granted slices minus what is left of the current one, so it is exact
//! at any moment at which `Ctx::fuel` is current; a charge that cannot be paid traps before its
//! instruction does anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use jet_bytecode::opcodes::TrapKind;

use crate::ctx::Ctx;
use crate::dispatch::{S, TRAPPED, handler};

/// Units of a slice: about a millisecond of the interpreter. Machine code is left at the end of each, and charges of loops behind loops cover
/// all of the ways that lead there, so that some use them up in a fraction of that.
const SLICE: u64 = 1 << 20;

/// What is not in the slice.
pub(crate) struct Meter {
    /// Units that may still be handed out; without a limit never exhausted in practice.
    pub left: u64,
    /// Units handed out.
    pub granted: u64,
    /// Of what was used, what machine code and its steps used.
    pub native: u64,
    /// When the run must end.
    pub deadline: Option<Instant>,
    /// Set by the embedder to end the run.
    pub cancel: Arc<AtomicBool>,
}

impl Meter {
    /// A meter with nothing handed out.
    pub fn new(limit: Option<u64>) -> Meter {
        Meter {
            left: limit.unwrap_or(u64::MAX),
            granted: 0,
            native: 0,
            deadline: None,
            cancel: Arc::new(AtomicBool::new(false)),
        }
    }
}

impl Meter {
    /// Machine code begins, or ends, with so much left of the slice; counted modulo 2^64, so that nothing is kept in between.
    #[inline(always)]
    pub(crate) fn enter_native(&mut self, left: i64) {
        self.native = self
            .native
            .wrapping_sub(self.granted.wrapping_sub(left as u64));
    }

    /// See [`Meter::enter_native`].
    #[inline(always)]
    pub(crate) fn leave_native(&mut self, left: i64) {
        self.native = self
            .native
            .wrapping_add(self.granted.wrapping_sub(left as u64));
    }
}

/// Hands out another slice, or says why not.
pub(crate) fn refill(ctx: &mut Ctx) -> Result<(), (TrapKind, String)> {
    let more = hand_out(&mut ctx.meter, 1)?;
    ctx.fuel += more;
    Ok(())
}

/// Hands out a slice, and more where `missing` is more; or says why not. Whoever cancelled the run is named before the
/// time limit, and that before the fuel limit, so that what a run ended by does not depend on where it ended.
fn hand_out(meter: &mut Meter, missing: u64) -> Result<i64, (TrapKind, String)> {
    if meter.cancel.load(Ordering::Relaxed) {
        return Err((TrapKind::Cancelled, String::from("cancelled")));
    }
    if let Some(deadline) = meter.deadline
        && Instant::now() >= deadline
    {
        return Err((TrapKind::Time, String::from("the time limit is reached")));
    }
    if meter.left < missing {
        let limit = meter.granted.saturating_add(meter.left);
        return Err((
            TrapKind::Fuel,
            format!("the fuel limit of {limit} is reached"),
        ));
    }
    let more = SLICE.max(missing).min(meter.left);
    meter.left -= more;
    meter.granted = meter.granted.saturating_add(more);
    Ok(more as i64)
}

/// Charges `cost` from slow code, whose fuel is in `ctx.fuel`.
pub(crate) fn charge(ctx: &mut Ctx, cost: u64) -> Result<(), (TrapKind, String)> {
    // More than an i64 can count is more than any limit: costs come from lengths below 2^40.
    let cost = i64::try_from(cost).unwrap_or(i64::MAX);
    if ctx.fuel < cost {
        let missing = cost.saturating_sub(ctx.fuel) as u64;
        ctx.fuel += hand_out(&mut ctx.meter, missing)?;
    }
    ctx.fuel -= cost;
    Ok(())
}

// The slice does not cover the instruction at `pc`, which has not begun: get another and begin again.
handler! { #[cold] #[inline(never)] fn slice_end[](s) {
    if more(s) {
        S { fuel: (*s.ctx).fuel, ..s }.go()
    } else {
        TRAPPED
    }
} }

#[inline(never)]
fn more(s: S) -> bool {
    // SAFETY: handlers do not use the context during this call.
    let ctx = unsafe { &mut *s.ctx };
    ctx.fuel = s.fuel;
    match refill(ctx) {
        Ok(()) => true,
        Err((kind, message)) => {
            ctx.pc = s.pc;
            ctx.regs = s.regs;
            crate::trap::record(ctx, kind, message);
            false
        }
    }
}
