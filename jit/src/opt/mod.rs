//! The optimiser: passes over the trace IR, each in a file of its own with a switch of its own.
//!
//! What must stay true: a pass keeps every check that it cannot prove, never moves a check or an effect
//! above another effect, and never moves a load of an object across a safepoint.

mod cse;
mod dce;
mod fold;
mod fuel;
mod hoist;
mod layout;
mod nest;
mod params;
mod ranges;
mod strip;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_strip;

use crate::ir::{BlockId, Edge, Graph, Term, Val};
use crate::ir_check::dominators;

/// Which passes run.
#[derive(Clone, Copy, Debug)]
pub struct Passes {
    /// Behind an inlined call whose result is looked at, each way back has a copy of its own.
    pub split: bool,
    /// The first iteration of the root's loop is a copy of its own, so that what it checked and loaded is
    /// known in the loop.
    pub peel: bool,
    /// Tests that loops jump to are copied for ways from outside, so that each loop tests behind its body.
    pub rotate: bool,
    /// Loops around a loop that lead to its head lead to a block before it.
    pub nest: bool,
    /// Block parameters that are always one value go.
    pub params: bool,
    /// Constants.
    pub fold: bool,
    /// What was computed, loaded or checked before is not again; stores forward to loads.
    pub cse: bool,
    /// Loads that do not change in a loop stand before it.
    pub hoist: bool,
    /// Checks that ranges prove go.
    pub ranges: bool,
    /// Counted loops run up to a limit that fuel and lengths have room for, without checks of these.
    pub strip: bool,
    /// One check of the fuel for many charges.
    pub fuel: bool,
    /// Operations whose results nobody uses go.
    pub dce: bool,
    /// Branches go straight on where the loop does.
    pub layout: bool,
}

impl Default for Passes {
    fn default() -> Passes {
        Passes {
            split: true,
            peel: true,
            rotate: true,
            nest: true,
            params: true,
            fold: true,
            cse: true,
            hoist: true,
            ranges: true,
            strip: true,
            fuel: true,
            dce: true,
            layout: true,
        }
    }
}

/// Runs the passes.
pub(crate) fn run(g: &mut Graph, passes: &Passes) {
    if passes.nest {
        nest::run(g);
    }
    for round in 0..3 {
        if passes.params {
            params::run(g);
        }
        if passes.fold {
            fold::run(g);
        }
        if passes.cse {
            cse::run(g);
        }
        if passes.hoist && round == 0 {
            hoist::run(g);
        }
    }
    if passes.ranges {
        ranges::run(g);
    }
    if passes.strip {
        strip::run(g);
    }
    if passes.fuel {
        fuel::run(g);
    }
    if passes.dce {
        dce::run(g);
    }
    if passes.layout {
        layout::run(g);
    }
}

/// Values that are to be replaced by others.
pub(crate) struct Replace {
    to: Vec<Val>,
}

impl Replace {
    /// None.
    pub fn new(g: &Graph) -> Replace {
        Replace {
            to: (0..g.ops.len() as Val).collect(),
        }
    }

    /// What stands for a value.
    pub fn find(&self, v: Val) -> Val {
        let mut v = v;
        while let Some(next) = self.to.get(v as usize)
            && *next != v
        {
            v = *next;
        }
        v
    }

    /// Has `by` stand for `v`.
    pub fn set(&mut self, v: Val, by: Val) {
        let by = self.find(by);
        if by != v {
            self.to[v as usize] = by;
        }
    }

    /// Replaces everywhere.
    pub fn apply(&self, g: &mut Graph) {
        for op in &mut g.ops {
            op.uses(&mut |u| *u = self.find(*u));
        }
        for b in &mut g.blocks {
            b.term.uses(&mut |u| *u = self.find(*u));
            for e in b.term.edges_mut() {
                e.args.iter_mut().for_each(|u| *u = self.find(*u));
            }
        }
        for e in &mut g.exits {
            e.fuel = self.find(e.fuel);
            e.slots.iter_mut().for_each(|(_, u)| *u = self.find(*u));
        }
    }
}

/// Shape of the control flow.
pub(crate) struct Flow {
    /// Reverse postorder.
    pub order: Vec<BlockId>,
    /// Place of each block in it.
    pub place: Vec<usize>,
    /// Predecessors, one an edge.
    pub preds: Vec<Vec<BlockId>>,
    /// Immediate dominators.
    pub idom: Vec<BlockId>,
}

impl Flow {
    /// Of a graph.
    pub fn new(g: &Graph) -> Flow {
        let n = g.blocks.len();
        let order = g.order();
        let mut place = vec![usize::MAX; n];
        let mut preds = vec![Vec::new(); n];
        for (i, b) in order.iter().enumerate() {
            place[*b] = i;
            for e in g.blocks[*b].term.edges() {
                preds[e.block].push(*b);
            }
        }
        let idom = dominators(&order, &place, &preds, n);
        Flow {
            order,
            place,
            preds,
            idom,
        }
    }

    /// Whether an edge from one of its predecessors to `b` goes back.
    pub fn is_head(&self, b: BlockId) -> bool {
        self.preds[b]
            .iter()
            .any(|p| self.place[*p] >= self.place[b])
    }

    /// Blocks of the loop of a head.
    pub fn body(&self, head: BlockId) -> Vec<BlockId> {
        let mut inside = vec![false; self.place.len()];
        inside[head] = true;
        let mut body = vec![head];
        let back = self.preds[head]
            .iter()
            .filter(|p| self.place[**p] >= self.place[head]);
        let mut work: Vec<BlockId> = back.copied().collect();
        while let Some(b) = work.pop() {
            if !std::mem::replace(&mut inside[b], true) {
                body.push(b);
                work.extend(&self.preds[b]);
            }
        }
        body
    }
}

/// Makes a two-way end that always goes one way a jump.
pub(crate) fn settle(term: &mut Term, yes: bool) {
    if let Term::Branch(_, _, _, y, n) | Term::FBranch(_, _, _, y, n) = term {
        let edge: Edge = std::mem::take(if yes { y } else { n });
        *term = Term::Jump(edge);
    }
}
