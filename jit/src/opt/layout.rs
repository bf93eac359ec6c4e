//! Which way of a branch goes straight on: the one that stays in the innermost loop, where the other leaves it.

use super::Flow;
use crate::ir::{Graph, Term};

/// Runs the pass.
pub(crate) fn run(g: &mut Graph) {
    let flow = Flow::new(g);
    let mut loops: Vec<Vec<bool>> = Vec::new();
    // The smallest loop of each block.
    let mut of: Vec<Option<(usize, usize)>> = vec![None; g.blocks.len()];
    for head in flow.order.iter().filter(|b| flow.is_head(**b)) {
        let body = flow.body(*head);
        let mut inside = vec![false; g.blocks.len()];
        for b in &body {
            inside[*b] = true;
            if of[*b].is_none_or(|(size, _)| body.len() < size) {
                of[*b] = Some((body.len(), loops.len()));
            }
        }
        loops.push(inside);
    }
    for b in flow.order {
        let Some((_, inside)) = of[b].map(|(size, k)| (size, &loops[k])) else {
            continue;
        };
        let swap = match &g.blocks[b].term {
            Term::Branch(_, _, _, yes, no) | Term::FBranch(_, _, _, yes, no) => {
                inside[yes.block] && !inside[no.block]
            }
            _ => false,
        };
        if !swap {
            continue;
        }
        match &mut g.blocks[b].term {
            Term::Branch(cc, _, _, yes, no) => {
                *cc = cc.negate();
                std::mem::swap(yes, no);
            }
            Term::FBranch(cc, _, _, yes, no) => {
                *cc = cc.negate();
                std::mem::swap(yes, no);
            }
            _ => {}
        }
    }
}
