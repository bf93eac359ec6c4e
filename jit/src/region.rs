//! A region: the tree of paths that were recorded from one root, joined at equal places.
//!
//! A place is an instruction in an inlining context: the chain of calls, from the root's function, that were
//! inlined. What was seen is a set of edges between places; so the paths form one graph, in which loops are
//! loops. What must stay true: a context's function is the callee of the call at its parent's place.

use jet_bytecode::linked::FnId;
use rustc_hash::{FxHashMap, FxHashSet};

/// Index into [`Region::contexts`]. 0 is the root's own frame.
pub type CtxId = usize;

/// An inlined frame.
#[derive(Clone, Debug)]
pub struct Context {
    /// Caller and the place of the call.
    pub parent: Option<(CtxId, u32)>,
    /// Function.
    pub func: FnId,
    /// Frames between it and the root's.
    pub depth: usize,
    /// Distance in words from the root's register 0 to this frame's.
    pub base: u32,
    /// Whether it was called by way of a bound function, whose capabilities come before the arguments.
    pub bound: bool,
    /// Inlined callees by place of the call.
    pub children: FxHashMap<(u32, FnId, bool), CtxId>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Region {
    /// Function of the root.
    pub func: FnId,
    /// Place of the root: a loop head, or 0 for the entry.
    pub pc: u32,
    /// Code index of the root.
    pub at: usize,
    /// Contexts.
    pub contexts: Vec<Context>,
    /// Where jumps and switches went.
    pub seen: FxHashMap<(CtxId, u32), Vec<u32>>,
    /// Calls that stay calls.
    pub opaque: FxHashSet<(CtxId, u32)>,
    /// Operations that were left because of what they were given: the interpreter executes those.
    pub stepped: FxHashSet<(CtxId, u32)>,
    /// How often it was compiled.
    pub versions: u32,
    /// Whether it must not grow any more.
    pub frozen: bool,
    /// Whether it was to be compiled, and there was no time for it.
    pub waits: bool,
    /// Exits taken since it was compiled that more of it would save.
    pub lost: u64,
    /// What compiling it took last, or was likely to take.
    pub cost: std::time::Duration,
}

impl Region {
    /// A region with nothing seen.
    #[must_use]
    pub fn new(func: FnId, pc: u32, at: usize) -> Region {
        Region {
            func,
            pc,
            at,
            contexts: vec![Context {
                parent: None,
                func,
                depth: 0,
                base: 0,
                bound: false,
                children: FxHashMap::default(),
            }],
            seen: FxHashMap::default(),
            opaque: FxHashSet::default(),
            stepped: FxHashSet::default(),
            versions: 0,
            frozen: false,
            waits: false,
            lost: 0,
            cost: std::time::Duration::ZERO,
        }
    }

    /// Notes that control went from the instruction at `pc` to `next`; whether that is new.
    pub fn saw(&mut self, ctx: CtxId, pc: u32, next: u32) -> bool {
        let known = self.seen.entry((ctx, pc)).or_default();
        let new = !known.contains(&next);
        if new {
            known.push(next);
        }
        new
    }

    /// The context of a call, if it is inlined.
    #[must_use]
    pub fn child(&self, ctx: CtxId, pc: u32, callee: FnId, bound: bool) -> Option<CtxId> {
        let children = &self.contexts[ctx].children;
        children.get(&(pc, callee, bound)).copied()
    }

    /// Adds a context; `distance` is that of the two frames.
    pub fn inline(
        &mut self,
        ctx: CtxId,
        pc: u32,
        (callee, bound): (FnId, bool),
        distance: u32,
    ) -> CtxId {
        let id = self.contexts.len();
        let parent = &mut self.contexts[ctx];
        parent.children.insert((pc, callee, bound), id);
        let (depth, base) = (parent.depth + 1, parent.base + distance);
        self.contexts.push(Context {
            parent: Some((ctx, pc)),
            func: callee,
            depth,
            base,
            bound,
            children: FxHashMap::default(),
        });
        id
    }

    /// How often a function is in the chain of a context.
    #[must_use]
    pub fn in_chain(&self, mut ctx: CtxId, func: FnId) -> usize {
        let mut n = 0;
        loop {
            n += usize::from(self.contexts[ctx].func == func);
            match self.contexts[ctx].parent {
                Some((up, _)) => ctx = up,
                None => return n,
            }
        }
    }

    /// The chain of a context, root first.
    #[must_use]
    pub fn chain(&self, ctx: CtxId) -> Vec<CtxId> {
        let mut chain = vec![ctx];
        let mut at = ctx;
        while let Some((up, _)) = self.contexts[at].parent {
            chain.push(up);
            at = up;
        }
        chain.reverse();
        chain
    }
}
