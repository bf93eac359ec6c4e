//! Loops of which the code jumps to the test first: ways from outside get a copy of the test of their own, so that such
//! a loop is one that tests behind its body, with one head, like every other.
//!
//! What must stay true: every way that came to the test comes to it or to its copy, and what follows them is the same. A
//! loop that cannot be made so stays as it is.

use jet_bytecode::linked::Program;

use crate::paths::{End, Facts, Paths};
use crate::region::{CtxId, Region};

/// Words of bytecode of a test that is copied.
const WORDS: u32 = 12;

/// Most tests that are copied.
const MOST: usize = 16;

/// The place of context `of` at which a place is, or at whose call it is.
fn seen_from(region: &Region, of: CtxId, (mut ctx, mut pc): (CtxId, u32)) -> Option<u32> {
    while ctx != of {
        (ctx, pc) = region.contexts[ctx].parent?;
    }
    Some(pc)
}

/// Whether a place is in the innermost loop of the code that the node `head` is in.
pub(crate) fn inside(
    region: &Region,
    paths: &Paths,
    facts: &mut Facts,
    program: &Program,
    place: (CtxId, u32),
    head: usize,
) -> bool {
    let (ctx, pc) = paths.nodes[head].key;
    let around = facts.of(program, region.contexts[ctx].func).innermost(pc);
    let at = seen_from(region, ctx, place);
    around.is_none_or(|(start, end)| at.is_some_and(|at| (start..=end).contains(&at)))
}

/// Copies tests; `most` is how many nodes there may be.
pub(crate) fn run(
    paths: &mut Paths,
    facts: &mut Facts,
    program: &Program,
    region: &Region,
    most: usize,
) {
    let mut new = paths.clone();
    let mut copies = 0;
    // A test of several places is copied from the first on: then the next is one that ways from outside lead to.
    loop {
        let found = (0..paths.nodes.len()).find_map(|n| {
            let node = &new.nodes[n];
            let (ctx, pc) = node.key;
            let around = facts.of(program, region.contexts[ctx].func).innermost(pc);
            let short = node.last - pc <= WORDS && !node.safepoint;
            let (start, _) = around.filter(|(start, _)| *start != pc)?;
            // The loop must have come back to its start.
            let closed = new.index.get(&(ctx, start));
            let closed = closed.is_some_and(|head| !new.nodes[*head].preds.is_empty());
            if n == 0 || !short || !closed || !matches!(node.end, End::Branch(..)) {
                return None;
            }
            let mut outside = Vec::new();
            for p in &node.preds {
                if !inside(region, &new, facts, program, new.place(*p), n) {
                    outside.push(*p);
                }
            }
            if outside.is_empty() || outside.len() == node.preds.len() {
                return None;
            }
            // Where a collection may happen in the loop, nothing is known of a length from one test to the next, and what
            // the test has shown is worth more in front of the body.
            let collects = (0..new.nodes.len()).any(|m| {
                new.nodes[m].safepoint && inside(region, &new, facts, program, new.place(m), n)
            });
            (!collects).then_some((n, start, outside))
        });
        let Some((n, start, outside)) = found else {
            break;
        };
        if copies == MOST || new.nodes.len() >= most {
            break;
        }
        copies += 1;
        let copy = new.nodes.len();
        let mut node = new.nodes[n].clone();
        new.nodes[n].preds.retain(|p| !outside.contains(p));
        for p in &outside {
            for s in &mut new.nodes[*p].succs {
                if *s == n {
                    *s = copy;
                }
            }
        }
        for s in &node.succs {
            new.nodes[*s].preds.push(copy);
        }
        node.preds = outside;
        // Whatever leads into the loop stands before it.
        new.outside.insert(copy, start.saturating_sub(1));
        new.nodes.push(node);
    }
    if copies > 0 {
        new.order.clear();
        new.loops.clear();
        if new.find_loops().is_ok() {
            *paths = new;
        }
    }
}
