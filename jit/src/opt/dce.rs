//! Dead code: removable operations and block parameters that no check, effect or exit needs, and objects that are
//! made and filled but never looked at.

use rustc_hash::FxHashMap;

use crate::ir::{Graph, Op, Term, Val};

/// Runs the pass.
pub(crate) fn run(g: &mut Graph) {
    let mut live = vec![false; g.ops.len()];
    let mut work: Vec<Val> = Vec::new();
    let order = g.order();
    let mut exits = vec![false; g.exits.len()];
    let take_exit = |e: usize, exits: &mut Vec<bool>, work: &mut Vec<Val>, g: &Graph| {
        if !exits[e] {
            exits[e] = true;
            work.push(g.exits[e].fuel);
            work.extend(g.exits[e].slots.iter().map(|(_, v)| *v));
        }
    };
    // Arguments for a parameter count once the parameter does.
    let mut feeds: Vec<Vec<Val>> = vec![Vec::new(); g.ops.len()];
    for b in &order {
        for e in g.blocks[*b].term.edges() {
            for (p, a) in g.blocks[e.block].params.iter().zip(&e.args) {
                feeds[*p as usize].push(*a);
            }
        }
    }
    // An object's first stores count once the object does.
    let mut fills: FxHashMap<Val, Vec<Val>> = FxHashMap::default();
    for b in &order {
        for v in &g.blocks[*b].ops {
            match g.ops[*v as usize] {
                Op::Alloc(..) => {}
                Op::Init(object, ..) if matches!(g.ops[object as usize], Op::Alloc(..)) => {
                    fills.entry(object).or_default().push(*v);
                }
                ref op if op.removable() => {}
                _ => work.push(*v),
            }
        }
        let mut term = g.blocks[*b].term.clone();
        term.uses(&mut |v| work.push(*v));
        if let Term::Exit(e) = term {
            take_exit(e, &mut exits, &mut work, g);
        }
    }
    while let Some(v) = work.pop() {
        if std::mem::replace(&mut live[v as usize], true) {
            continue;
        }
        let mut op = g.ops[v as usize].clone();
        op.uses(&mut |u| work.push(*u));
        if let Some(e) = op.exit() {
            take_exit(e, &mut exits, &mut work, g);
        }
        work.extend(&feeds[v as usize]);
        work.extend(fills.get(&v).into_iter().flatten());
    }
    for b in order {
        let keep: Vec<bool> = g.blocks[b]
            .params
            .iter()
            .map(|p| b == 0 || live[*p as usize])
            .collect();
        let ops = &g.ops;
        g.blocks[b]
            .ops
            .retain(|v| live[*v as usize] || matches!(ops[*v as usize], Op::CallValue(..)));
        if keep.contains(&false) {
            drop_params(g, b, &keep);
        }
    }
}

/// Drops parameters of a block, and the arguments for them.
pub(crate) fn drop_params(g: &mut Graph, b: usize, keep: &[bool]) {
    retain(&mut g.blocks[b].params, keep);
    for from in 0..g.blocks.len() {
        for e in g.blocks[from].term.edges_mut() {
            if e.block == b && e.args.len() == keep.len() {
                retain(&mut e.args, keep);
            }
        }
    }
}

fn retain(list: &mut Vec<Val>, keep: &[bool]) {
    let mut k = 0;
    list.retain(|_| {
        k += 1;
        keep[k - 1]
    });
}
