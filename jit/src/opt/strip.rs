//! Counted loops run in strips: up to a limit that is computed before the loop, which the fuel and the lengths of what
//! is indexed have room for, so that nothing in the loop checks these. Where the limit is reached and the loop's own
//! condition still holds, the charge is checked as it was and the next strip begins, down to the last unit of fuel.
//!
//! The loop tests `x < n` behind its body, where `x` is its counter after a step that is positive and the same in
//! all iterations, and has one way back, which pays. Before it stand
//! - the limit: the least of `n`, of where the counter is after as many steps as can be paid whatever way they take, and
//!   of the lengths that the counter indexes in every iteration;
//! - the bounds checks of the first iteration, which leave to the loop's beginning.
//!
//! What must stay true: sums that wrap make the limit less, never more; the counter grows, so what holds in the first
//! iteration and is below the limit in the next holds in all; costs of a body are at most those of its dearest way.

use rustc_hash::FxHashMap;

use super::Flow;
use super::nest::before;
use crate::ir::{Alias, Bin, BlockId, Cc, Edge, ExitId, Graph, Op, Term, Ty, Val, Width};
use crate::ir_check::dominates;

/// Most blocks of a loop.
const BLOCKS: usize = 40;
/// Most steps of a strip, where the product of steps and their size might be too large, and the largest such size.
const STEPS: i64 = 1 << 24;
const STEP: i64 = 1 << 32;
/// Largest constant beside the counter in an index.
const OFFSET: i64 = 1 << 20;

/// A loop of the form above.
struct Counted {
    head: BlockId,
    /// The block that tests, and the one behind it that pays and leads back.
    test: BlockId,
    latch: BlockId,
    /// The test, as a condition to stay.
    stays: (Cc, Val, Val),
    /// Where it leads to when it does not stay.
    out: Edge,
    /// Which parameters of the head the counter and the fuel are.
    counter: usize,
    fuel: usize,
    step: Val,
    /// The charge of the latch.
    charge: Val,
    /// Cost of the dearest iteration.
    cost: u64,
    /// An exit of the head's beginning.
    start: Option<ExitId>,
    /// Bounds checks of each iteration: block, check, index, constant beside the counter in it, length.
    bounds: Vec<(BlockId, Val, Val, i64, Val)>,
}

/// Runs the pass.
pub(crate) fn run(g: &mut Graph) {
    let mut done = vec![false; g.blocks.len()];
    loop {
        let flow = Flow::new(g);
        let next = flow.order.iter().find_map(|b| {
            let fresh = *b != 0 && done.get(*b) == Some(&false) && flow.is_head(*b);
            fresh.then(|| counted(g, &flow, *b)).flatten()
        });
        let Some(l) = next else { return };
        done[l.head] = true;
        strip(g, &flow, &l);
    }
}

/// The loop of a head, if it is one of those.
fn counted(g: &Graph, flow: &Flow, head: BlockId) -> Option<Counted> {
    let body = flow.body(head);
    if body.len() > BLOCKS || body.iter().any(|b| *b != head && flow.is_head(*b)) {
        return None;
    }
    let mut backs = flow.preds[head].iter().filter(|p| body.contains(p));
    let (Some(latch), None) = (backs.next().copied(), backs.next()) else {
        return None;
    };
    let (Term::Jump(back), [test]) = (&g.blocks[latch].term, flow.preds[latch].as_slice()) else {
        return None;
    };
    let test = *test;
    if latch == head || !g.blocks[latch].params.is_empty() {
        return None;
    }
    let Term::Branch(cc, a, b, yes, no) = &g.blocks[test].term else {
        return None;
    };
    let (cc, out) = match (yes.block == latch, no.block == latch) {
        (true, false) => (*cc, no),
        (false, true) => (cc.negate(), yes),
        _ => return None,
    };
    if body.contains(&out.block) {
        return None;
    }
    let mut at = FxHashMap::default();
    for b in &body {
        let block = &g.blocks[*b];
        at.extend(block.params.iter().chain(&block.ops).map(|v| (*v, *b)));
    }
    let outside = |v: Val| !at.contains_key(&v) || g.constant(v).is_some();
    let (cc, x, n) = match cc {
        Cc::Lt | Cc::Le => (cc, *a, *b),
        Cc::Gt | Cc::Ge => (cc.swap()?, *b, *a),
        _ => return None,
    };
    let params = &g.blocks[head].params;
    let counter = back.args.iter().position(|v| *v == x)?;
    let step = match g.ops[x as usize] {
        Op::Bin(Bin::Add, i, step) | Op::Checked(Bin::Add, i, step, _) if i == params[counter] => {
            step
        }
        _ => return None,
    };
    let good = g.constant(step).is_none_or(|k| (1..=STEP).contains(&k));
    if !good || !outside(n) || !outside(step) {
        return None;
    }
    let mut charge = None;
    for v in &g.blocks[latch].ops {
        match &g.ops[*v as usize] {
            Op::Charge(..) if charge.is_none() => charge = Some(*v),
            op if op.pure() => {}
            _ => return None,
        }
    }
    let charge = charge?;
    let fuel = back.args.iter().position(|v| *v == charge)?;
    let unknown = |op: &Op| op.safepoint() || matches!(op, Op::ChargeBy(..));
    let all = |b: &BlockId| g.blocks[*b].ops.iter();
    if body
        .iter()
        .flat_map(all)
        .any(|v| unknown(&g.ops[*v as usize]))
    {
        return None;
    }
    let cost = dearest(g, flow, &body, head);
    if cost == 0 || cost > 1 << 20 {
        return None;
    }
    let start = start(g, head, &at);
    if start.is_none() && g.constant(step).is_none() {
        return None;
    }
    let mut bounds = Vec::new();
    for b in body
        .iter()
        .filter(|b| start.is_some() && dominates(&flow.idom, **b, test))
    {
        for v in &g.blocks[*b].ops {
            let Op::Guard(Cc::Uge, index, len, _) = g.ops[*v as usize] else {
                continue;
            };
            let beside = match g.ops[index as usize] {
                _ if index == params[counter] => Some(0),
                Op::Bin(Bin::Add, i, k) | Op::Checked(Bin::Add, i, k, _)
                    if i == params[counter] =>
                {
                    g.constant(k).filter(|k| (-OFFSET..=OFFSET).contains(k))
                }
                _ => None,
            };
            if let Some(k) = beside
                && outside(len)
                && is_length(g, len)
            {
                bounds.push((*b, *v, index, k, len));
            }
        }
    }
    Some(Counted {
        head,
        test,
        latch,
        stays: (cc, x, n),
        out: out.clone(),
        counter,
        fuel,
        step,
        charge,
        cost,
        start,
        bounds,
    })
}

/// Whether a value is a length: never negative, and so small that sums with it do not wrap.
fn is_length(g: &Graph, v: Val) -> bool {
    matches!(
        g.ops[v as usize],
        Op::Load(_, _, _, Alias::Len(_)) | Op::Load(_, _, Width::U32, _)
    )
}

/// Cost of the dearest way through a loop without loops in it.
fn dearest(g: &Graph, flow: &Flow, body: &[BlockId], head: BlockId) -> u64 {
    let mut order = body.to_vec();
    order.sort_unstable_by_key(|b| flow.place[*b]);
    let mut ahead: FxHashMap<BlockId, u64> = FxHashMap::default();
    for b in order.iter().rev() {
        let block = &g.blocks[*b];
        let edges = block.term.edges();
        let next = edges.iter().filter(|e| e.block != head);
        let behind = next.filter_map(|e| ahead.get(&e.block)).max().copied();
        let costs = block.ops.iter().map(|v| match g.ops[*v as usize] {
            Op::Charge(_, cost, _) => u64::from(cost),
            _ => 0,
        });
        ahead.insert(*b, behind.unwrap_or(0) + costs.sum::<u64>());
    }
    ahead.get(&head).copied().unwrap_or(0)
}

/// The exit at the beginning of a loop, if what it stores is the same before the loop, or a parameter of its head.
fn start(g: &Graph, head: BlockId, at: &FxHashMap<Val, BlockId>) -> Option<ExitId> {
    let params = &g.blocks[head].params;
    let known = |v: &Val| !at.contains_key(v) || params.contains(v) || constant(g, *v);
    let (_, e) = *g.starts.iter().find(|(b, _)| *b == head)?;
    let exit = &g.exits[e];
    let values = exit.slots.iter().map(|(_, v)| v);
    values.chain([&exit.fuel]).all(known).then_some(e)
}

fn constant(g: &Graph, v: Val) -> bool {
    matches!(g.ops[v as usize], Op::Const(_) | Op::FConst(_))
}

/// A copy of an exit with other values.
fn exit_with(g: &mut Graph, e: ExitId, to: &FxHashMap<Val, Val>) -> ExitId {
    let mut exit = g.exits[e].clone();
    let now = |v: Val| to.get(&v).copied().unwrap_or(v);
    exit.fuel = now(exit.fuel);
    for (_, v) in &mut exit.slots {
        *v = now(*v);
    }
    g.exits.push(exit);
    g.exits.len() - 1
}

/// Changes a loop.
fn strip(g: &mut Graph, flow: &Flow, l: &Counted) {
    let outer: Vec<BlockId> = flow.preds[l.head]
        .iter()
        .copied()
        .filter(|p| *p != l.latch)
        .collect();
    let first = before(g, l.head, &outer);
    let at: Vec<Val> = g.blocks[first].params.clone();
    let params = g.blocks[l.head].params.iter().copied();
    let here: FxHashMap<Val, Val> = params.zip(at.iter().copied()).collect();
    let enter = std::mem::replace(&mut g.blocks[first].term, Term::Open);
    let (last, limit) = limit(g, l, first, &at, &here);
    g.blocks[last].term = enter;
    // The test of the strip, then the loop's own.
    let (cc, x, n) = l.stays;
    let [over, again] = [(); 2].map(|()| g.block());
    g.blocks[l.test].term = Term::Branch(Cc::Ge, x, limit, Edge::to(over), Edge::to(l.latch));
    g.blocks[over].term = Term::Branch(cc, x, n, Edge::to(again), l.out.clone());
    // The next strip is paid for like any iteration was; all others have been.
    let mut copies: FxHashMap<Val, Val> = FxHashMap::default();
    for v in g.blocks[l.latch].ops.clone() {
        let mut op = g.ops[v as usize].clone();
        op.uses(&mut |u| *u = copies.get(u).copied().unwrap_or(*u));
        if let Op::Charge(_, _, e) = &mut op {
            *e = exit_with(g, *e, &copies);
        }
        let copy = g.push(again, op);
        copies.insert(v, copy);
    }
    if let Term::Jump(back) = g.blocks[l.latch].term.clone() {
        let args = back
            .args
            .iter()
            .map(|v| copies.get(v).copied().unwrap_or(*v));
        let args = args.collect();
        g.blocks[again].term = Term::Jump(Edge { block: first, args });
    }
    if let Op::Charge(fuel, cost, _) = g.ops[l.charge as usize] {
        let cost = g.value(Op::Const(i64::from(cost)));
        g.ops[l.charge as usize] = Op::Bin(Bin::Sub, fuel, cost);
    }
    // Below a length, and with steps of at most [`STEP`], neither the counter nor what is indexed can overflow.
    let (_, next, _) = l.stays;
    let indexed = l.bounds.iter().map(|(_, _, index, ..)| *index);
    for v in indexed
        .chain((!l.bounds.is_empty()).then_some(next))
        .collect::<Vec<Val>>()
    {
        if let Op::Checked(Bin::Add, x, y, _) = g.ops[v as usize] {
            g.ops[v as usize] = Op::Bin(Bin::Add, x, y);
        }
    }
    for (b, check, ..) in &l.bounds {
        g.blocks[*b].ops.retain(|v| v != check);
    }
}

/// The lesser of two values: the block where it is known, and the value there. It is a parameter of that block, since
/// Cranelift might compute any operation where it is used, in the loop.
fn lesser(g: &mut Graph, from: BlockId, a: Val, b: Val) -> (BlockId, Val) {
    let block = g.block();
    let least = g.param(block, Ty::I);
    let to = |v| Edge {
        block,
        args: vec![v],
    };
    g.blocks[from].term = Term::Branch(Cc::Lt, a, b, to(a), to(b));
    (block, least)
}

/// Computes the limit in the block `first` and behind it, where the head's parameters have the values `here`; gives the
/// last block as well, which has no end yet.
fn limit(
    g: &mut Graph,
    l: &Counted,
    first: BlockId,
    at: &[Val],
    here: &FxHashMap<Val, Val>,
) -> (BlockId, Val) {
    let start = l.start.map(|e| exit_with(g, e, here));
    let size = g.constant(l.step);
    if let (None, Some(exit)) = (size, start) {
        for (cc, k) in [(Cc::Lt, 1), (Cc::Gt, STEP)] {
            let k = g.push(first, Op::Const(k));
            g.push(first, Op::Guard(cc, l.step, k, exit));
        }
    }
    // What one strip can pay: the fuel is never negative.
    let shift = 64 - (l.cost - 1).leading_zeros();
    let by = g.push(first, Op::Const(i64::from(shift)));
    let mut steps = g.push(first, Op::Bin(Bin::Shr, at[l.fuel], by));
    let mut block = first;
    if size.is_none_or(|k| k > 1 && k >= 1 << (shift.max(1) - 1)) {
        let most = g.push(first, Op::Const(STEPS));
        (block, steps) = lesser(g, first, steps, most);
    }
    let way = match size {
        Some(1) => steps,
        _ => g.push(block, Op::Bin(Bin::Mul, steps, l.step)),
    };
    let next = g.push(block, Op::Bin(Bin::Add, at[l.counter], l.step));
    let mut limit = g.push(block, Op::Bin(Bin::Add, next, way));
    let (cc, _, n) = l.stays;
    let end = if cc == Cc::Le {
        let one = g.push(block, Op::Const(1));
        g.push(block, Op::Bin(Bin::Add, n, one))
    } else {
        n
    };
    (block, limit) = lesser(g, block, end, limit);
    let mut known: Vec<(i64, Val)> = Vec::new();
    for (.., k, len) in &l.bounds {
        let Some(exit) = start else { break };
        if known.contains(&(*k, *len)) {
            continue;
        }
        known.push((*k, *len));
        let (index, most) = if *k == 0 {
            (at[l.counter], *len)
        } else {
            let beside = g.push(block, Op::Const(*k));
            let index = g.push(block, Op::Bin(Bin::Add, at[l.counter], beside));
            (index, g.push(block, Op::Bin(Bin::Sub, *len, beside)))
        };
        g.push(block, Op::Guard(Cc::Uge, index, *len, exit));
        (block, limit) = lesser(g, block, most, limit);
    }
    (block, limit)
}
