//! From a region to the graph of its places: nodes, edges, loops.
//!
//! A node is a run of instructions in one context. It ends behind a jump, before a leader of the function,
//! at an inlined call and at a return. What must stay true: every node is reached from the root; every
//! loop is entered at its head alone (else the region is refused).

use std::sync::Arc;

use jet_bytecode::analysis::cfg::Cfg;
use jet_bytecode::analysis::decode::{Instr, decode};
use jet_bytecode::analysis::liveness::Liveness;
use jet_bytecode::layout::{RegKind, reg_kind};
use jet_bytecode::linked::{FnId, LFunction, LType, Program, TraitId};
use jet_bytecode::module::Const;
use jet_bytecode::opcodes::Op;
use jet_vm::plug::constant_index;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::Abort;
use crate::region::{CtxId, Region};

/// What is known of a function, computed once.
#[derive(Debug)]
pub struct FnFacts {
    /// Whether a word starts a block.
    pub leader: Vec<bool>,
    /// Liveness.
    pub live: Liveness,
    /// Kind of each register.
    pub kinds: Vec<RegKind>,
    /// Whether it jumps backward.
    pub loops: bool,
    /// Its loops: target of backward jumps, and the last of these.
    pub ranges: Vec<(u32, u32)>,
    /// What a register holds wherever it holds anything: all that is ever written to it is this constant.
    pub constants: Vec<Option<crate::ir::Op>>,
}

/// Facts of all functions that were looked at.
#[derive(Debug, Default)]
pub struct Facts {
    known: FxHashMap<FnId, Arc<FnFacts>>,
}

impl Facts {
    /// Those of a function.
    pub fn of(&mut self, program: &Program, f: FnId) -> Arc<FnFacts> {
        let known = self.known.entry(f).or_insert_with(|| {
            let function = &program.functions[f.index()];
            let cfg = Cfg::new(&function.code);
            let mut leader = vec![false; function.code.len() + 1];
            for b in &cfg.blocks {
                leader[b.start as usize] = true;
            }
            let mut ranges: Vec<(u32, u32)> = Vec::new();
            for i in jet_bytecode::analysis::decode::instrs(&function.code).map_while(Result::ok) {
                for t in i.targets(&function.code).filter(|t| *t <= i.pc) {
                    match ranges.iter_mut().find(|(start, _)| *start == t) {
                        Some((_, end)) => *end = i.pc,
                        None => ranges.push((t, i.pc)),
                    }
                }
            }
            Arc::new(FnFacts {
                leader,
                loops: !ranges.is_empty(),
                ranges,
                constants: constants(program, function),
                live: Liveness::new(program, function),
                kinds: function
                    .regs
                    .iter()
                    .map(|t| reg_kind(program, *t))
                    .collect(),
            })
        });
        Arc::clone(known)
    }
}

impl FnFacts {
    /// The innermost loop of the code that a place is in: from the target of its backward jumps to the last of them.
    pub fn innermost(&self, pc: u32) -> Option<(u32, u32)> {
        let around = self.ranges.iter().filter(|(s, e)| (*s..=*e).contains(&pc));
        around.copied().min_by_key(|(s, e)| e - s)
    }
}

/// See [`FnFacts::constants`].
fn constants(program: &Program, f: &LFunction) -> Vec<Option<crate::ir::Op>> {
    use crate::ir::Op as Ir;
    let mut all: Vec<Option<Ir>> = vec![None; f.regs.len()];
    let mut written = vec![false; f.regs.len()];
    written[..f.entry_regs()].fill(true);
    for i in jet_bytecode::analysis::decode::instrs(&f.code).map_while(Result::ok) {
        let Some(r) = i.writes().map(usize::from) else {
            continue;
        };
        let value = match i.op {
            Op::ConstImm => Some(Ir::Const(i64::from(i.imm32()))),
            Op::LoadConst => match program.constant(f.package, i.const_index()) {
                Some(Const::Int(n)) => Some(Ir::Const(*n)),
                Some(Const::Float(bits)) => Some(Ir::FConst(*bits)),
                Some(Const::Str(_)) => {
                    let n = constant_index(program, f.package.index(), i.const_index());
                    Some(Ir::Pool(n))
                }
                None => None,
            },
            _ => None,
        };
        if !std::mem::replace(&mut written[r], true) {
            all[r] = value;
        } else if all[r] != value {
            all[r] = None;
        }
    }
    all
}

/// A place: context and pc.
pub type Key = (CtxId, u32);

/// How a node ends.
#[derive(Clone, Debug)]
pub enum End {
    /// Before this place.
    Fall(Key),
    /// With a conditional jump: where it goes when taken and when not, as far as it was seen.
    Branch(Option<Key>, Option<Key>),
    /// With a switch: places by value, and for all other values.
    Switch(Vec<Option<Key>>, Option<Key>),
    /// With a call of one of these functions, inlined.
    Call(Vec<(FnId, CtxId)>),
    /// With a return.
    Return,
    /// With a return on the error edge.
    Raise,
    /// With an instruction that is left to the interpreter.
    Leave,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Node {
    /// First place.
    pub key: Key,
    /// Place of the last instruction (the one that ends the node; for `Fall` the one that follows).
    pub last: u32,
    /// How it ends.
    pub end: End,
    /// Successors.
    pub succs: Vec<usize>,
    /// Predecessors.
    pub preds: Vec<usize>,
    /// Registers written.
    pub writes: Vec<(CtxId, u16)>,
    /// Whether a collection may happen in it.
    pub safepoint: bool,
}

/// A loop.
#[derive(Clone, Debug, Default)]
pub struct Loop {
    /// Nodes.
    pub body: FxHashSet<usize>,
    /// Registers written in it.
    pub writes: FxHashSet<(CtxId, u16)>,
    /// Whether a collection may happen in it.
    pub safepoint: bool,
}

/// The graph. Node 0 is the root.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Node of each place where one starts.
    pub index: FxHashMap<Key, usize>,
    /// Reverse postorder.
    pub order: Vec<usize>,
    /// Loops by head.
    pub loops: FxHashMap<usize, Loop>,
    /// Node that stands for another one in the peeled first iteration.
    pub peeled: FxHashMap<usize, usize>,
    /// Where the region is entered.
    pub entry: usize,
    /// Of copies of tests for ways from outside of their loop: a place outside of it.
    pub outside: FxHashMap<usize, u32>,
}

/// Most words of a place behind a call that is copied for each way back.
const SPLIT_WORDS: u32 = 12;

/// Most nodes of a region.
const MAX_NODES: usize = 600;

/// The function of a context.
pub fn function<'p>(program: &'p Program, region: &Region, ctx: CtxId) -> &'p LFunction {
    &program.functions[region.contexts[ctx].func.index()]
}

/// Which argument of a dynamic call is the object, and of which trait it is.
pub(crate) fn receiver(program: &Program, f: &LFunction, i: &Instr) -> Option<(usize, TraitId)> {
    i.args(&f.code)
        .enumerate()
        .find_map(|(n, r)| match program.ty(f.reg_type(r)?) {
            LType::Dyn(of) => Some((n, *of)),
            _ => None,
        })
}

/// Where a call returns to in its function, and where its `on_error` is.
pub fn after_call(f: &LFunction, call: &Instr) -> (u32, Option<Instr>) {
    let next = call.next_pc();
    match decode(&f.code, next) {
        Ok(i) if i.op == Op::OnError => (i.next_pc(), Some(i)),
        _ => (next, None),
    }
}

/// Whether native code may have the interpreter execute this operation, which may collect.
pub fn needs_step(op: Op) -> bool {
    matches!(
        op,
        Op::PowInt
            | Op::CmpFloat
            | Op::IntToChar
            | Op::StrConcat
            | Op::StrConcatN
            | Op::StrByte
            | Op::StrEq
            | Op::StrCmp
            | Op::ListNew
            | Op::ListOf
            | Op::ListFill
            | Op::ListPush
            | Op::ListInsert
            | Op::ListRemove
            | Op::ListTruncate
            | Op::ListExtend
            | Op::ListSlice
            | Op::BindFn
            | Op::NewAtt
            | Op::AsCap
            | Op::HashStr
            | Op::DeepCopy
            | Op::HashWord
            | Op::Builtin
    )
}

impl Paths {
    /// The graph of a region.
    pub fn new(program: &Program, facts: &mut Facts, region: &Region) -> Result<Paths, Abort> {
        let mut paths = Paths::default();
        let mut work = vec![(0, region.pc)];
        paths.index.insert((0, region.pc), 0);
        let mut keys = vec![(0, region.pc)];
        while let Some(key) = work.pop() {
            let node = scan(program, facts, region, key)?;
            for k in succ_keys(program, region, &node) {
                paths.index.entry(k).or_insert_with(|| {
                    work.push(k);
                    keys.push(k);
                    keys.len() - 1
                });
            }
            paths.nodes.push(node);
            if keys.len() > MAX_NODES {
                return Err(Abort::TooLarge);
            }
        }
        // Nodes were scanned in another order than their numbers.
        let mut by_key: FxHashMap<Key, Node> = paths.nodes.drain(..).map(|n| (n.key, n)).collect();
        for key in &keys {
            let node = by_key
                .remove(key)
                .ok_or(Abort::Internal("a place without node"))?;
            paths.nodes.push(node);
        }
        for i in 0..paths.nodes.len() {
            let mut succs: Vec<usize> = succ_keys(program, region, &paths.nodes[i])
                .into_iter()
                .filter_map(|k| paths.index.get(&k).copied())
                .collect();
            succs.dedup();
            for s in &succs {
                paths.nodes[*s].preds.push(i);
            }
            paths.nodes[i].succs = succs;
        }
        paths.find_loops()?;
        Ok(paths)
    }

    /// Gives each way by which an inlined callee returns a copy of its own of the place behind the call, if that
    /// looks at once at what was returned: then each copy knows what it looks at.
    pub fn split(&mut self, program: &Program, region: &Region, most: usize) -> Result<(), Abort> {
        let mut changed = false;
        for n in self.order.clone() {
            let node = &self.nodes[n];
            let short = node.last - node.key.1 <= SPLIT_WORDS && !node.safepoint;
            let looks = matches!(node.end, End::Branch(..) | End::Switch(..));
            if n == 0 || !short || !looks || self.loops.contains_key(&n) || node.preds.len() < 2 {
                continue;
            }
            let code = &function(program, region, node.key.0).code;
            let tested = decode(code, node.last)
                .map_err(|_| Abort::Internal("code does not decode"))?
                .a;
            let returns = node.preds.iter().all(|p| {
                let pred = &self.nodes[*p];
                matches!(pred.end, End::Return) && pred.writes.last() == Some(&(node.key.0, tested))
            });
            if !returns || self.nodes.len() + node.preds.len() > most {
                continue;
            }
            for p in self.nodes[n].preds.split_off(1) {
                let copy = self.nodes.len();
                let mut node = self.nodes[n].clone();
                node.preds = vec![p];
                for s in &mut self.nodes[p].succs {
                    if *s == n {
                        *s = copy;
                    }
                }
                for s in &node.succs {
                    self.nodes[*s].preds.push(copy);
                }
                self.nodes.push(node);
                changed = true;
            }
        }
        if changed {
            self.order.clear();
            self.loops.clear();
            self.find_loops()?;
        }
        Ok(())
    }

    /// Makes the first iteration of the root's loop a copy of its own.
    pub fn peel(&mut self, most: usize) -> Result<(), Abort> {
        let Some(root) = self.loops.get(&0) else {
            return Ok(());
        };
        if root.body.len() > most {
            return Ok(());
        }
        let mut body: Vec<usize> = root.body.iter().copied().collect();
        body.sort_unstable();
        let first = self.nodes.len();
        for (k, n) in body.iter().enumerate() {
            self.peeled.insert(*n, first + k);
        }
        for (k, n) in body.iter().enumerate() {
            if let Some(pc) = self.outside.get(n) {
                self.outside.insert(first + k, *pc);
            }
            let mut copy = self.nodes[*n].clone();
            for s in &mut copy.succs {
                if *s != 0 {
                    *s = self.peeled.get(s).copied().unwrap_or(*s);
                }
            }
            self.nodes.push(copy);
        }
        self.entry = self.peeled[&0];
        for n in &mut self.nodes {
            n.preds.clear();
        }
        for i in 0..self.nodes.len() {
            for s in self.nodes[i].succs.clone() {
                self.nodes[s].preds.push(i);
            }
        }
        self.order.clear();
        self.loops.clear();
        self.find_loops()
    }

    /// The place of a node, as far as it matters in which loops of the code that is.
    pub fn place(&self, node: usize) -> Key {
        let (ctx, pc) = self.nodes[node].key;
        (ctx, self.outside.get(&node).copied().unwrap_or(pc))
    }

    /// Words of bytecode in all nodes, and what each takes besides.
    pub fn words(&self) -> u32 {
        let words = self
            .nodes
            .iter()
            .map(|n| 4 + n.last.saturating_sub(n.key.1));
        words.sum()
    }

    /// The node to which control goes from node `from` for a place.
    pub fn target(&self, from: usize, key: Key) -> Option<usize> {
        let succs = &self.nodes[from].succs;
        succs.iter().copied().find(|s| self.nodes[*s].key == key)
    }

    /// Finds order and loops.
    pub(crate) fn find_loops(&mut self) -> Result<(), Abort> {
        let n = self.nodes.len();
        let mut state = vec![0u8; n];
        let mut stack = vec![(self.entry, 0usize)];
        let mut back = Vec::new();
        state[self.entry] = 1;
        while let Some((u, i)) = stack.pop() {
            match self.nodes[u].succs.get(i) {
                Some(&v) => {
                    stack.push((u, i + 1));
                    match state[v] {
                        0 => {
                            state[v] = 1;
                            stack.push((v, 0));
                        }
                        1 => back.push((u, v)),
                        _ => {}
                    }
                }
                None => {
                    state[u] = 2;
                    self.order.push(u);
                }
            }
        }
        self.order.reverse();
        for (latch, head) in back {
            let body = &mut self.loops.entry(head).or_default().body;
            body.insert(head);
            let mut work = vec![latch];
            while let Some(u) = work.pop() {
                if body.insert(u) {
                    if u == self.entry {
                        return Err(Abort::Irreducible);
                    }
                    work.extend(&self.nodes[u].preds);
                }
            }
        }
        for l in self.loops.values_mut() {
            for u in &l.body {
                let node = &self.nodes[*u];
                l.writes.extend(node.writes.iter().copied());
                l.safepoint |= node.safepoint;
            }
        }
        Ok(())
    }
}

/// Places that may follow a node.
fn succ_keys(program: &Program, region: &Region, node: &Node) -> Vec<Key> {
    match &node.end {
        End::Fall(k) => vec![*k],
        End::Branch(a, b) => a.iter().chain(b).copied().collect(),
        End::Switch(targets, other) => {
            let mut all: Vec<Key> = targets.iter().flatten().chain(other).copied().collect();
            all.sort_unstable();
            all.dedup();
            all
        }
        End::Call(callees) => callees.iter().map(|(_, c)| (*c, 0)).collect(),
        End::Return | End::Raise => {
            let Some((up, pc)) = region.contexts[node.key.0].parent else {
                return Vec::new();
            };
            let f = function(program, region, up);
            let Ok(call) = decode(&f.code, pc) else {
                return Vec::new();
            };
            let (next, on_error) = after_call(f, &call);
            if matches!(node.end, End::Return) {
                return vec![(up, next)];
            }
            let target = on_error.and_then(|i| i.targets(&f.code).next());
            target.map(|t| (up, t)).into_iter().collect()
        }
        End::Leave => Vec::new(),
    }
}

/// Walks a node.
fn scan(program: &Program, facts: &mut Facts, region: &Region, key: Key) -> Result<Node, Abort> {
    let (ctx, start) = key;
    let f = function(program, region, ctx);
    let known = facts.of(program, region.contexts[ctx].func);
    let mut node = Node {
        key,
        last: start,
        end: End::Leave,
        succs: Vec::new(),
        preds: Vec::new(),
        writes: Vec::new(),
        safepoint: false,
    };
    let mut pc = start;
    loop {
        if pc != start && (known.leader[pc as usize] || (ctx == 0 && pc == region.pc)) {
            node.last = pc;
            node.end = End::Fall((ctx, pc));
            return Ok(node);
        }
        let i = decode(&f.code, pc).map_err(|_| Abort::Internal("code does not decode"))?;
        node.last = pc;
        let seen = |next: u32| {
            let known = region.seen.get(&(ctx, pc));
            known
                .is_some_and(|s| s.contains(&next))
                .then_some((ctx, next))
        };
        match i.op {
            Op::Jmp => {
                let t = i.targets(&f.code).next();
                node.end = End::Fall((ctx, t.ok_or(Abort::Internal("jump"))?));
                // The jump may have to pay, so it is an instruction of the node.
                if t.is_some_and(|t| t <= pc) {
                    node.end = End::Branch(t.map(|t| (ctx, t)), None);
                }
                return Ok(node);
            }
            Op::Switch => {
                let targets = i.switch_targets(&f.code);
                let targets = targets
                    .map(|t| u32::try_from(t).ok().and_then(seen))
                    .collect();
                node.end = End::Switch(targets, seen(i.next_pc()));
                return Ok(node);
            }
            Op::Ret | Op::Raise => {
                if let Some((up, call_pc)) = region.contexts[ctx].parent {
                    let caller = function(program, region, up);
                    let call =
                        decode(&caller.code, call_pc).map_err(|_| Abort::Internal("call"))?;
                    if i.op == Op::Ret {
                        node.writes.push((up, call.a));
                    } else if let (_, Some(e)) = after_call(caller, &call) {
                        node.writes.push((up, e.a));
                    }
                }
                node.end = if i.op == Op::Ret {
                    End::Return
                } else {
                    End::Raise
                };
                return Ok(node);
            }
            Op::Panic | Op::Trap | Op::CapCall | Op::EndCap => return Ok(node),
            Op::OnError => {
                // Behind a call that was not inlined: its value edge.
                node.last = i.next_pc();
                node.end = End::Fall((ctx, i.next_pc()));
                return Ok(node);
            }
            Op::Call | Op::CallFn | Op::CallDyn => {
                if !region.opaque.contains(&(ctx, pc)) {
                    let mut inlined: Vec<(FnId, CtxId)> = region.contexts[ctx]
                        .children
                        .iter()
                        .filter(|((at, ..), _)| *at == pc)
                        .map(|((_, f, _), c)| (*f, *c))
                        .collect();
                    inlined.sort_unstable_by_key(|(_, c)| *c);
                    if !inlined.is_empty() {
                        node.end = End::Call(inlined);
                    }
                    return Ok(node);
                }
                node.safepoint = true;
            }
            _ if i.targets(&f.code).next().is_some() => {
                let target = i.targets(&f.code).next();
                let (mut taken, mut other) = (target.and_then(seen), seen(i.next_pc()));
                if region.versions > 0 && taken.is_none() && other.is_none() {
                    // Behind what an exit was taken for and nobody recorded: both ways, so that a chain of
                    // tests does not take a version each.
                    (taken, other) = (target.map(|t| (ctx, t)), Some((ctx, i.next_pc())));
                }
                node.end = End::Branch(taken, other);
                return Ok(node);
            }
            op => node.safepoint |= needs_step(op),
        }
        if let Some(r) = i.writes() {
            node.writes.push((ctx, r));
        }
        pc = i.next_pc();
    }
}
