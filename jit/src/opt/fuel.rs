//! Fuel: one check for many charges. The first charge after a stop (a loop's head, a safepoint) asks for what
//! the dearest way to the next stop costs; the charges on these ways then need no check of their own.
//!
//! Each still subtracts its own cost, so what an exit reports stays exact. Leaving earlier than the
//! interpreter would run out of fuel is always right: the interpreter then does the rest.

use super::Flow;
use crate::ir::{Bin, Graph, Op};
use jet_vm::plug::LOW_FUEL;

/// Most that is asked for at once: with less left, leaving machine code gets another slice, so the next try has enough.
const MOST: u64 = LOW_FUEL as u64;

/// Runs the pass.
pub(crate) fn run(g: &mut Graph) {
    let flow = Flow::new(g);
    let n = g.blocks.len();
    // Cost of the dearest way from the start of a block to a stop.
    let mut ahead = vec![0u64; n];
    for b in flow.order.iter().rev() {
        let mut cost = behind(g, &flow, &ahead, *b);
        for v in g.blocks[*b].ops.iter().rev() {
            cost = before(&g.ops[*v as usize], cost);
        }
        ahead[*b] = cost;
    }
    let mut covered_out = vec![false; n];
    for b in flow.order.clone() {
        let mut covered =
            b != 0 && !flow.is_head(b) && flow.preds[b].iter().all(|p| covered_out[*p]);
        // Costs behind each operation, last first.
        let mut cost = behind(g, &flow, &ahead, b);
        let mut rest = Vec::with_capacity(g.blocks[b].ops.len());
        for v in g.blocks[b].ops.iter().rev() {
            rest.push(cost);
            cost = before(&g.ops[*v as usize], cost);
        }
        let ops = g.blocks[b].ops.clone();
        let mut kept = Vec::with_capacity(ops.len());
        for (v, rest) in ops.into_iter().zip(rest.into_iter().rev()) {
            match g.ops[v as usize] {
                Op::Charge(fuel, cost, exit) => {
                    let all = u64::from(cost) + rest;
                    if !covered && all <= MOST {
                        if rest > 0 {
                            let need = g.value(Op::Const(all as i64));
                            let check = g.value(Op::Guard(crate::ir::Cc::Lt, fuel, need, exit));
                            kept.extend([need, check]);
                            pay(g, v, fuel, cost, &mut kept);
                            covered = true;
                            continue;
                        }
                        covered = true;
                    } else if covered {
                        pay(g, v, fuel, cost, &mut kept);
                        continue;
                    }
                }
                ref op if op.safepoint() || matches!(op, Op::ChargeBy(..)) => covered = false,
                _ => {}
            }
            kept.push(v);
        }
        g.blocks[b].ops = kept;
        covered_out[b] = covered;
    }
    shorten(g);
}

/// Makes `v` the fuel less a cost, unchecked.
fn pay(g: &mut Graph, v: u32, fuel: u32, cost: u32, kept: &mut Vec<u32>) {
    let k = g.value(Op::Const(i64::from(cost)));
    g.ops[v as usize] = Op::Bin(Bin::Sub, fuel, k);
    kept.extend([k, v]);
}

/// Cost behind a block: that of its dearest successor, but for loop heads, where it stops.
fn behind(g: &Graph, flow: &Flow, ahead: &[u64], b: usize) -> u64 {
    let edges = g.blocks[b].term.edges();
    let costs = edges
        .iter()
        .filter(|e| !flow.is_head(e.block))
        .map(|e| ahead[e.block]);
    costs.max().unwrap_or(0)
}

fn before(op: &Op, behind: u64) -> u64 {
    match op {
        Op::Charge(_, cost, _) => behind + u64::from(*cost),
        Op::ChargeBy(..) => 0,
        op if op.safepoint() => 0,
        _ => behind,
    }
}

/// Subtractions in a row from one value become subtractions from its start, which exits alone need.
fn shorten(g: &mut Graph) {
    for b in g.order() {
        let mut ops = Vec::with_capacity(g.blocks[b].ops.len());
        for v in std::mem::take(&mut g.blocks[b].ops) {
            if let Op::Bin(Bin::Sub, x, k) = g.ops[v as usize]
                && let Op::Bin(Bin::Sub, y, j) = g.ops[x as usize]
                && let (Some(k), Some(j)) = (g.constant(k), g.constant(j))
                && let Some(sum) = k.checked_add(j)
                && k > 0
                && j > 0
            {
                let sum = g.value(Op::Const(sum));
                g.ops[v as usize] = Op::Bin(Bin::Sub, y, sum);
                ops.push(sum);
            }
            ops.push(v);
        }
        g.blocks[b].ops = ops;
    }
}
