//! Block parameters that are the same value on every edge, or themselves: that value stands for them.

use super::Replace;
use crate::ir::{Graph, Op};

/// Runs the pass.
pub(crate) fn run(g: &mut Graph) {
    let order = g.order();
    let mut replace = Replace::new(g);
    // Blocks with an edge to each block, once each.
    let mut preds: Vec<Vec<usize>> = vec![Vec::new(); g.blocks.len()];
    for from in &order {
        for e in g.blocks[*from].term.edges() {
            if preds[e.block].last() != Some(from) {
                preds[e.block].push(*from);
            }
        }
    }
    loop {
        let mut changed = false;
        for b in order.iter().skip(1) {
            for k in 0..g.blocks[*b].params.len() {
                let p = g.blocks[*b].params[k];
                if replace.find(p) != p {
                    continue;
                }
                let mut one = None;
                let mut many = false;
                for from in &preds[*b] {
                    for e in g.blocks[*from].term.edges() {
                        if e.block != *b {
                            continue;
                        }
                        let a = replace.find(e.args[k]);
                        if a == p {
                            continue;
                        }
                        let same = one.is_none_or(|o| o == a || equal(g, o, a));
                        many |= !same;
                        one.get_or_insert(a);
                    }
                }
                if let (Some(v), false) = (one, many) {
                    replace.set(p, v);
                    changed = true;
                }
            }
        }
        if !changed {
            break;
        }
    }
    replace.apply(g);
    for b in order.iter().skip(1) {
        let keep: Vec<bool> = g.blocks[*b]
            .params
            .iter()
            .map(|p| replace.find(*p) == *p)
            .collect();
        if keep.contains(&false) {
            super::dce::drop_params(g, *b, &keep);
        }
    }
}

/// Whether both are the same constant.
fn equal(g: &Graph, a: u32, b: u32) -> bool {
    match (&g.ops[a as usize], &g.ops[b as usize]) {
        (Op::Const(x), Op::Const(y)) => x == y,
        (Op::FConst(x), Op::FConst(y)) => x == y,
        _ => false,
    }
}
