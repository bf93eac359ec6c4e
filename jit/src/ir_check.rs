//! The verifier of the trace IR, and the dominators that it and the passes need.
//!
//! What must stay true: it checks what the head of `ir.rs` promises of definitions, types and edges; what it accepts the
//! back end can translate.

use crate::ir::{BlockId, ExitId, Graph, Op, Term, Val};

/// Checks what the head of `ir.rs` promises of definitions and edges; the text says what is wrong.
pub fn verify(g: &Graph) -> Result<(), &'static str> {
    let order = g.order();
    let n = g.blocks.len();
    let mut place = vec![usize::MAX; n];
    for (i, b) in order.iter().enumerate() {
        place[*b] = i;
    }
    // Dominators, by iteration over the order.
    let mut preds = vec![Vec::new(); n];
    for b in &order {
        for e in g.blocks[*b].term.edges() {
            let block = g.blocks.get(e.block).ok_or("an edge to no block")?;
            if block.params.len() != e.args.len() {
                return Err("arguments do not match parameters");
            }
            for (p, a) in block.params.iter().zip(&e.args) {
                if g.ty(*p) != g.ty(*a) {
                    return Err("an argument of another type");
                }
            }
            preds[e.block].push(*b);
        }
    }
    let idom = dominators(&order, &place, &preds, n);
    let mut defined = vec![None; g.ops.len()];
    for b in &order {
        for (k, v) in g.blocks[*b]
            .params
            .iter()
            .chain(&g.blocks[*b].ops)
            .enumerate()
        {
            if defined[*v as usize].replace((*b, k)).is_some() {
                return Err("a value defined twice");
            }
        }
        if g.blocks[*b].term == Term::Open {
            return Err("a block without end");
        }
        if matches!(&g.blocks[*b].term, Term::Switch(_, edges) if edges.is_empty()) {
            return Err("a switch without edges");
        }
    }
    for b in &order {
        let base = g.blocks[*b].params.len();
        let check = |v: Val, at: usize| {
            if matches!(g.ops[v as usize], Op::Const(_) | Op::FConst(_)) {
                return Ok(());
            }
            let Some((d, k)) = defined[v as usize] else {
                return Err("a use of what is not defined");
            };
            let fine = if d == *b {
                k < at
            } else {
                dominates(&idom, d, *b)
            };
            if fine {
                Ok(())
            } else {
                Err("a use that its definition does not dominate")
            }
        };
        let check_exit = |e: ExitId, at: usize| {
            let exit = g.exits.get(e).ok_or("no such exit")?;
            check(exit.fuel, at)?;
            exit.slots.iter().try_for_each(|(_, v)| check(*v, at))
        };
        for (k, v) in g.blocks[*b].ops.iter().enumerate() {
            let mut op = g.ops[*v as usize].clone();
            let mut result = Ok(());
            op.uses(&mut |u| {
                let r = check(*u, base + k);
                if result.is_ok() {
                    result = r;
                }
            });
            result?;
            if let Some(e) = op.exit() {
                check_exit(e, base + k)?;
            }
        }
        let end = usize::MAX;
        let mut term = g.blocks[*b].term.clone();
        let mut result = Ok(());
        term.uses(&mut |u| {
            let r = check(*u, end);
            if result.is_ok() {
                result = r;
            }
        });
        result?;
        for e in term.edges() {
            e.args.iter().try_for_each(|v| check(*v, end))?;
        }
        if let Term::Exit(e) = term {
            check_exit(e, end)?;
        }
    }
    Ok(())
}

/// Immediate dominators of the blocks of `order`; the entry's is itself.
#[must_use]
pub fn dominators(
    order: &[BlockId],
    place: &[usize],
    preds: &[Vec<BlockId>],
    n: usize,
) -> Vec<BlockId> {
    let mut idom = vec![usize::MAX; n];
    let Some(entry) = order.first() else {
        return idom;
    };
    idom[*entry] = *entry;
    let mut changed = true;
    while changed {
        changed = false;
        for b in order.iter().skip(1) {
            let mut new = usize::MAX;
            for p in &preds[*b] {
                if idom[*p] == usize::MAX {
                    continue;
                }
                if new == usize::MAX {
                    new = *p;
                    continue;
                }
                let (mut x, mut y) = (new, *p);
                while x != y {
                    while place[x] > place[y] {
                        x = idom[x];
                    }
                    while place[y] > place[x] {
                        y = idom[y];
                    }
                }
                new = x;
            }
            if idom[*b] != new {
                idom[*b] = new;
                changed = true;
            }
        }
    }
    idom
}

/// Whether block `a` dominates block `b`.
#[must_use]
pub fn dominates(idom: &[BlockId], a: BlockId, b: BlockId) -> bool {
    let mut at = b;
    loop {
        if at == a {
            return true;
        }
        let up = idom[at];
        if up == at || up == usize::MAX {
            return false;
        }
        at = up;
    }
}
