//! Which callees are inlined.
//!
//! What must stay true: this decides how fast machine code is, never what it does.

use jet_bytecode::analysis::decode::Instr;
use jet_bytecode::linked::{FnId, LFunction, Program};
use jet_bytecode::module::FnKind;
use jet_vm::Loaded;

use crate::paths::{Facts, receiver};
use crate::region::{CtxId, Region};
use crate::tuning::{ROOM, SHORT, TINY, Tuning};

/// Callees that are inlined at a place.
pub(crate) fn ways(region: &Region, ctx: CtxId, pc: u32) -> usize {
    let children = region.contexts[ctx].children.keys();
    children.filter(|(at, ..)| *at == pc).count()
}

/// Whether a function is small enough to be inlined, and the region not too large.
pub(crate) fn fits(
    tuning: &Tuning,
    facts: &mut Facts,
    program: &Program,
    region: &Region,
    ctx: CtxId,
    callee: FnId,
) -> bool {
    let f = &program.functions[callee.index()];
    let loops = facts.of(program, callee).loops;
    let [any, looping] = tuning.inline;
    let literal = f.kind == FnKind::Literal;
    let small = f.code.len() <= if loops { looping } else { any } * if literal { 2 } else { 1 };
    let room = region.contexts.len() < tuning.contexts && region.contexts[ctx].depth < tuning.depth;
    let times = match f.code.len() {
        n if n > SHORT => 1,
        n if loops || n > TINY => 2,
        _ => 3,
    };
    // Short callees come cheap; of others not too many in one region.
    let callees = region.contexts.iter().skip(1);
    let words: usize = callees
        .map(|c| program.functions[c.func.index()].code.len())
        .sum();
    let most = if f.code.len() <= SHORT {
        ROOM
    } else {
        ROOM / 2
    };
    small && room && words < most && region.in_chain(ctx, callee) < times
}

/// The functions that a dynamic call may lead to.
pub(crate) fn targets(loaded: &Loaded, f: &LFunction, i: &Instr) -> Vec<FnId> {
    let all = receiver(loaded.program(), f, i).map(|(_, of)| loaded.dyn_targets(of, i.b));
    let mut all: Vec<FnId> = all.into_iter().flatten().map(|(_, f)| f).collect();
    all.sort_unstable();
    all.dedup();
    all
}
