//! Loops in loops that have one head become nested: what leads to the head from outside of the inner loop, the edges
//! of the loops around it included, leads to a block before it, which is the head of those. Then what the inner loop
//! does not change is no parameter of it, and what is loaded of that can stand before it.

use std::collections::BTreeSet;

use super::Flow;
use crate::ir::{BlockId, Edge, Graph, Term, Val};

/// Runs the pass.
pub(crate) fn run(g: &mut Graph) {
    let around: BTreeSet<(BlockId, BlockId)> = std::mem::take(&mut g.around).into_iter().collect();
    let heads: BTreeSet<BlockId> = around.iter().map(|(_, head)| *head).collect();
    for head in heads {
        let flow = Flow::new(g);
        if flow.place[head] == usize::MAX {
            continue;
        }
        let inner =
            |p: &BlockId| flow.place[*p] >= flow.place[head] && !around.contains(&(*p, head));
        if flow.preds[head].iter().any(inner) {
            let outer: Vec<BlockId> = flow.preds[head]
                .iter()
                .copied()
                .filter(|p| !inner(p))
                .collect();
            before(g, head, &outer);
        }
    }
}

/// Makes a block before `head` that edges from `outer` lead to.
pub(crate) fn before(g: &mut Graph, head: BlockId, outer: &[BlockId]) -> BlockId {
    let block = g.block();
    let types: Vec<_> = g.blocks[head].params.iter().map(|p| g.ty(*p)).collect();
    let args: Vec<Val> = types.into_iter().map(|t| g.param(block, t)).collect();
    g.blocks[block].term = Term::Jump(Edge { block: head, args });
    for p in outer {
        for e in g.blocks[*p].term.edges_mut() {
            if e.block == head {
                e.block = block;
            }
        }
    }
    block
}
