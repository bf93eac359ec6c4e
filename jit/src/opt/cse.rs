//! Common subexpressions along the dominator tree: pure operations, loads of memory that nobody wrote in
//! between, checks that were made before; and loads of what was just stored.
//!
//! Memory has a version for each alias class. At a block the version is that at the end of its immediate
//! dominator, unless a block on a way between the two (the block itself, if it is on a cycle) writes the class.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Flow, Replace};
use crate::ir::{Alias, BlockId, Graph, Op, Val, Width};
use crate::ir_check::dominates;

/// What is the same computation.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Op(Op),
    Load(Val, u32, Width, u32),
    Elem(Val, Val, Width, u32),
    Pool(u32, u32),
}

/// Versions of memory.
#[derive(Clone, Default)]
struct Memory {
    /// Of classes that were written since the epoch.
    classes: FxHashMap<Alias, u32>,
    /// Of all others.
    epoch: u32,
}

impl Memory {
    fn version(&self, class: Alias) -> u32 {
        if class == Alias::Fixed || class == Alias::Final {
            return 0;
        }
        self.classes.get(&class).copied().unwrap_or(self.epoch)
    }
}

/// What a block writes.
#[derive(Clone, Default)]
pub(crate) struct Writes {
    pub all: bool,
    pub classes: FxHashSet<Alias>,
}

/// What each block writes.
pub(crate) fn writes(g: &Graph) -> Vec<Writes> {
    let of = |b: &crate::ir::Block| {
        let mut w = Writes::default();
        for v in &b.ops {
            let op = &g.ops[*v as usize];
            w.all |= op.safepoint();
            w.classes.extend(op.writes());
        }
        w
    };
    g.blocks.iter().map(of).collect()
}

/// Runs the pass.
pub(crate) fn run(g: &mut Graph) {
    let flow = Flow::new(g);
    let writes = writes(g);
    let mut replace = Replace::new(g);
    let mut known: FxHashMap<Key, Vec<(BlockId, Val)>> = FxHashMap::default();
    let mut out: Vec<Memory> = vec![Memory::default(); g.blocks.len()];
    let mut fresh = 0u32;
    for b in &flow.order {
        let b = *b;
        let mut memory = if b == 0 {
            Memory::default()
        } else {
            let mut m = out[flow.idom[b]].clone();
            let between = between(&flow, &writes, b);
            fresh += 1;
            if between.all {
                m = Memory {
                    classes: FxHashMap::default(),
                    epoch: fresh,
                };
            } else {
                for c in &between.classes {
                    m.classes.insert(*c, fresh);
                }
            }
            m
        };
        let mut kept = Vec::with_capacity(g.blocks[b].ops.len());
        for v in std::mem::take(&mut g.blocks[b].ops) {
            g.ops[v as usize].uses(&mut |u| *u = replace.find(*u));
            let op = &g.ops[v as usize];
            if let Some(key) = key(op, &memory) {
                let list = known.entry(key).or_default();
                let hit = list
                    .iter()
                    .find(|(d, _)| *d == b || dominates(&flow.idom, *d, b));
                if let Some((_, by)) = hit {
                    replace.set(v, *by);
                    continue;
                }
                list.push((b, v));
            }
            if op.safepoint() {
                fresh += 1;
                memory = Memory {
                    classes: FxHashMap::default(),
                    epoch: fresh,
                };
            }
            if let Some(class) = op.writes() {
                fresh += 1;
                memory.classes.insert(class, fresh);
                let stored = match op {
                    Op::Store(p, at, x, w, _) => Some((Key::Load(*p, *at, *w, fresh), *x)),
                    Op::StoreRef(p, at, x, _) => Some((Key::Load(*p, *at, Width::U32, fresh), *x)),
                    Op::StoreElem(p, i, x, w, _) => Some((Key::Elem(*p, *i, *w, fresh), *x)),
                    Op::StoreElemRef(p, i, x, _) => {
                        Some((Key::Elem(*p, *i, Width::U32, fresh), *x))
                    }
                    _ => None,
                };
                if let Some((key, x)) = stored {
                    known.entry(key).or_default().push((b, x));
                }
            }
            if let Op::Init(p, at, x, w) = op {
                // Of memory that is never written again; what may be is read by its own class.
                let key = Key::Load(*p, *at, *w, 0);
                known.entry(key).or_default().push((b, *x));
            }
            kept.push(v);
        }
        g.blocks[b].ops = kept;
        out[b] = memory;
    }
    replace.apply(g);
}

/// What is written on the ways from the immediate dominator of a block to it.
fn between(flow: &Flow, writes: &[Writes], b: BlockId) -> Writes {
    let mut all = Writes::default();
    let mut seen = FxHashSet::default();
    let mut work: Vec<BlockId> = flow.preds[b].clone();
    while let Some(u) = work.pop() {
        if u == flow.idom[b] || !seen.insert(u) {
            continue;
        }
        all.all |= writes[u].all;
        all.classes.extend(&writes[u].classes);
        if u != b {
            work.extend(&flow.preds[u]);
        }
    }
    all
}

fn key(op: &Op, memory: &Memory) -> Option<Key> {
    Some(match op {
        Op::Load(p, at, w, class) => Key::Load(*p, *at, *w, memory.version(*class)),
        Op::LoadElem(p, i, w, class) => Key::Elem(*p, *i, *w, memory.version(*class)),
        Op::Pool(n) => Key::Pool(*n, memory.version(Alias::Pool)),
        // The exit does not matter: who comes second has passed the first.
        Op::Guard(cc, x, y, _) => Key::Op(Op::Guard(*cc, *x, *y, 0)),
        Op::FGuard(cc, x, y, _) => Key::Op(Op::FGuard(*cc, *x, *y, 0)),
        Op::Checked(o, x, y, _) => Key::Op(Op::Checked(*o, *x, *y, 0)),
        _ if op.pure() => Key::Op(op.clone()),
        _ => return None,
    })
}
