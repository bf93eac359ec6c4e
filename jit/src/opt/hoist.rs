//! Loads that do not change in a loop stand before it: lengths, backing arrays and fields, of objects that
//! are there before the loop, of classes that the loop does not write, in loops without safepoint.
//!
//! Only loads that are sound wherever their object exists are moved (a register of list or struct type
//! always holds an object), since the loop might not have come to them.

use super::{Flow, cse};
use crate::ir::{Alias, Edge, Graph, Op, Term, Val};
use crate::ir_check::dominates;

/// Runs the pass.
pub(crate) fn run(g: &mut Graph) {
    loop {
        let flow = Flow::new(g);
        let mut changed = false;
        // Inner loops first, so that what leaves one can leave the next.
        for head in flow.order.iter().rev() {
            if flow.is_head(*head) && *head != 0 && out_of(g, &flow, *head) {
                changed = true;
                break;
            }
        }
        if !changed {
            return;
        }
    }
}

/// Moves what can be moved out of the loop of `head`; whether that was anything.
fn out_of(g: &mut Graph, flow: &Flow, head: usize) -> bool {
    let body = flow.body(head);
    let writes = cse::writes(g);
    if body.iter().any(|b| writes[*b].all) {
        return false;
    }
    let mut defined = vec![usize::MAX; g.ops.len()];
    for (b, block) in g.blocks.iter().enumerate() {
        for v in block.params.iter().chain(&block.ops) {
            defined[*v as usize] = b;
        }
    }
    let outside = |v: Val, g: &Graph| {
        matches!(g.ops[v as usize], Op::Const(_))
            || defined[v as usize] != usize::MAX
                && !body.contains(&defined[v as usize])
                && dominates(&flow.idom, defined[v as usize], head)
    };
    let mut moved = Vec::new();
    for b in &body {
        for v in &g.blocks[*b].ops {
            if let Op::Load(object, _, _, class) = g.ops[*v as usize]
                && matches!(
                    class,
                    Alias::Len(_) | Alias::Data(_) | Alias::Field(..) | Alias::Final
                )
                && outside(object, g)
                && !body.iter().any(|b| writes[*b].classes.contains(&class))
            {
                moved.push((*b, *v));
            }
        }
    }
    if moved.is_empty() {
        return false;
    }
    let before = preheader(g, flow, head);
    for (b, v) in moved {
        g.blocks[b].ops.retain(|o| *o != v);
        g.blocks[before].ops.push(v);
    }
    true
}

/// The block that alone leads into the loop, made if need be.
fn preheader(g: &mut Graph, flow: &Flow, head: usize) -> usize {
    let outer: Vec<usize> = flow.preds[head]
        .iter()
        .copied()
        .filter(|p| flow.place[*p] < flow.place[head])
        .collect();
    if let [one] = outer.as_slice()
        && matches!(g.blocks[*one].term, Term::Jump(_))
    {
        return *one;
    }
    let block = g.block();
    let types: Vec<_> = g.blocks[head].params.iter().map(|p| g.ty(*p)).collect();
    let args: Vec<Val> = types.into_iter().map(|t| g.param(block, t)).collect();
    g.blocks[block].term = Term::Jump(Edge { block: head, args });
    for p in outer {
        for e in g.blocks[p].term.edges_mut() {
            if e.block == head {
                e.block = block;
            }
        }
    }
    block
}
