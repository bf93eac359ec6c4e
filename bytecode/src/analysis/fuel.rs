//! The definition of fuel: what is charged, where, and how much. Whatever executes a function charges
//! exactly this, so that fuel is equal in every mode.
//!
//! A *charge point* is a taken backward jump (target at or before its own place; switches and error
//! edges included), or an instruction of [`is_charge_op`]. Its static cost is the weight of the longest
//! forward path to it, itself included, from a *segment start*: the function's entry, the instruction
//! after a charge op, the target of a backward jump. A conditional backward jump that is not taken charges
//! nothing, and the path goes on through it. The weight of an instruction is its length in words, since
//! argument lists are work; a `switch` weighs one. Charge ops charge before they act, a jump when it is taken.
//!
//! So what is charged is never less than what was executed. Charge ops that work on lists and
//! strings also charge [`element_work`] or [`byte_work`] for the amount, before doing it.

use super::decode::{Instr, instrs};
use crate::opcodes::Op;

/// Elements of a list, or arguments, that cost one unit of fuel.
pub const ELEMENTS_PER_UNIT: u64 = 8;
/// Bytes of a string that cost one unit of fuel.
pub const BYTES_PER_UNIT: u64 = 32;

/// Units that a string costs which is put together with others.
pub const UNITS_PER_PIECE: u64 = 4;

/// Dynamic cost of work on that many elements.
pub fn element_work(elements: u64) -> u64 {
    elements / ELEMENTS_PER_UNIT
}

/// Dynamic cost of work on that many bytes of strings.
pub fn byte_work(bytes: u64) -> u64 {
    bytes / BYTES_PER_UNIT
}

/// Dynamic cost of work that looks at each character of so many bytes, such as mapping its case.
pub fn character_work(bytes: u64) -> u64 {
    bytes
}

/// Dynamic cost of putting that many strings together, besides that of their bytes.
pub fn piece_work(pieces: u64) -> u64 {
    pieces.saturating_mul(UNITS_PER_PIECE)
}

/// Whether the instruction is a charge point by itself.
pub fn is_charge_op(op: Op) -> bool {
    matches!(
        op,
        Op::Call
            | Op::CallFn
            | Op::CallDyn
            | Op::CapCall
            | Op::Builtin
            | Op::Ret
            | Op::Raise
            | Op::NewAtt
            | Op::EndCap
            | Op::DeepCopy
            | Op::ListNew
            | Op::ListFill
            | Op::ListSlice
            | Op::ListExtend
            | Op::ListInsert
            | Op::ListRemove
            | Op::StrConcat
            | Op::StrConcatN
            | Op::StrEq
            | Op::StrCmp
            | Op::HashStr
    )
}

/// Weight of an instruction on a path.
pub fn weight(instr: &Instr) -> u32 {
    if instr.op == Op::Switch { 1 } else { instr.len }
}

/// Static cost of each charge point, by word; 0 elsewhere. For a jump it is due on its backward
/// edges only. Malformed code ends the table early (with zeros).
pub fn static_costs(code: &[u64]) -> Vec<u32> {
    let mut costs = vec![0u32; code.len()];
    // Weight of the longest path to just before the instruction at this word.
    let mut before = vec![0u32; code.len()];
    for instr in instrs(code) {
        let Ok(instr) = instr else { break };
        let at = before.get(instr.pc as usize).copied().unwrap_or(0);
        let here = at.saturating_add(weight(&instr));
        let charges = is_charge_op(instr.op);
        let out = if charges { 0 } else { here };
        let mut due = charges;
        for target in instr.targets(code) {
            if target <= instr.pc {
                due = true;
            } else if let Some(b) = before.get_mut(target as usize) {
                *b = (*b).max(out);
            }
        }
        if due && let Some(cost) = costs.get_mut(instr.pc as usize) {
            *cost = here;
        }
        if instr.falls_through()
            && let Some(b) = before.get_mut(instr.next_pc() as usize)
        {
            *b = (*b).max(out);
        }
    }
    costs
}
