//! From the graph of places to trace IR: environments, joins, exits, control flow. The instructions
//! themselves are in `lower_ops.rs`, calls in `lower_calls.rs`.
//!
//! An environment says, for each inlined frame, which value each live register has, and whether the
//! register's slot on the VM stack holds it already (*home*). A write makes a register not home; storing all
//! that is not home completes the frames for the interpreter. What must stay true: exits, steps and calls
//! see complete frames (all that liveness counts as live); a loop's parameters are the registers that its
//! body writes and, with a safepoint in it, all references.

use jet_bytecode::analysis::decode::{Instr, decode};
use jet_bytecode::analysis::liveness::RegSet;
use jet_bytecode::layout::RegKind;
use jet_bytecode::linked::{LFunction, Program};
use jet_bytecode::opcodes::Op as Code;
use jet_vm::Loaded;
use jet_vm::plug::{HEADER_WORDS, Inlined, Left};
use rustc_hash::FxHashMap;
use std::sync::Arc;

use crate::Abort;
use crate::ir::{BlockId, Cc, Edge, Exit, ExitId, FCc, Graph, Op, Step, Term, Ty, Val};
use crate::lower_ops::Done;
use crate::paths::{End, Facts, FnFacts, Key, Paths, after_call, function, needs_step};
use crate::region::{CtxId, Region};
use crate::rotate;

/// A frame in an environment.
#[derive(Clone)]
pub(crate) struct Frame {
    pub ctx: CtxId,
    pub base: u32,
    pub facts: Arc<FnFacts>,
    pub regs: Vec<Option<Val>>,
    pub home: Vec<bool>,
    /// Whether its header stands on the VM stack.
    pub headed: bool,
}

/// Values of registers at a place.
#[derive(Clone)]
pub(crate) struct Env {
    pub frames: Vec<Frame>,
    pub fuel: Val,
}

/// An edge that leads somewhere: block it comes from, which of its edges, values there.
pub(crate) type Incoming = (BlockId, usize, Env);

/// A condition.
#[derive(Clone, Copy)]
pub(crate) enum Cond {
    Int(Cc, Val, Val),
    Float(FCc, Val, Val),
}

/// Builds the IR of a region.
pub(crate) struct Lower<'a> {
    pub program: &'a Program,
    pub loaded: &'a Loaded,
    pub facts: &'a mut Facts,
    pub region: &'a Region,
    pub paths: &'a Paths,
    pub g: Graph,
    pub env: Env,
    pub cur: BlockId,
    /// Context and function of the node, and the instruction.
    pub ctx: CtxId,
    pub pc: u32,
    node: usize,
    /// Whether an exit would have needed a register that has no value here: nothing is compiled then.
    missing: bool,
    /// Exit at the current instruction, if it was asked for: growing, not growing.
    cached: [Option<ExitId>; 2],
    incoming: Vec<Vec<Incoming>>,
    blocks: Vec<Option<BlockId>>,
    done: Vec<bool>,
    params: FxHashMap<usize, (Env, Vec<(usize, u16)>)>,
    /// Whether indices are masked as well as checked.
    pub masked: bool,
    /// Called for each node: whether to force an exit there.
    force: &'a mut dyn FnMut() -> bool,
    pub max_depth: u32,
    pub max_base: u32,
    /// Inlined frames by context.
    chains: FxHashMap<CtxId, Arc<[Inlined]>>,
    /// Most words from a frame to the next.
    pub stride: u32,
}

/// Builds the IR of a region from its graph.
pub(crate) fn lower(
    loaded: &Loaded,
    facts: &mut Facts,
    region: &Region,
    paths: &Paths,
    masked: bool,
    force: &mut dyn FnMut() -> bool,
) -> Done<Graph> {
    let program = Arc::clone(loaded.program());
    let n = paths.nodes.len();
    let mut l = Lower {
        program: &program,
        loaded,
        facts,
        region,
        paths,
        g: Graph::default(),
        env: Env {
            frames: Vec::new(),
            fuel: 0,
        },
        cur: 0,
        ctx: 0,
        pc: region.pc,
        node: 0,
        missing: false,
        cached: [None; 2],
        incoming: vec![Vec::new(); n],
        blocks: vec![None; n],
        done: vec![false; n],
        params: FxHashMap::default(),
        force,
        masked,
        max_depth: 0,
        max_base: 0,
        chains: FxHashMap::default(),
        stride: 1,
    };
    l.run()?;
    Ok(l.g)
}

impl<'a> Lower<'a> {
    fn run(&mut self) -> Done {
        let entry = self.g.block();
        self.env.fuel = self.g.param(entry, Ty::I);
        let facts = self.facts.of(self.program, self.region.func);
        let count = facts.kinds.len();
        let frame = Frame {
            ctx: 0,
            base: 0,
            facts: Arc::clone(&facts),
            regs: vec![None; count],
            home: vec![true; count],
            headed: true,
        };
        self.env.frames.push(frame);
        let f = self.function(0);
        let live = facts.live.live(f, self.region.pc, true);
        if self.calls_itself() {
            self.g.own = Some(1);
            for r in 0..f.entry_regs() {
                let ty = self.reg_ty(0, r as u16);
                let v = self.g.param(entry, ty);
                if live.contains(r as u16) {
                    self.env.frames[0].regs[r] = Some(v);
                    self.env.frames[0].home[r] = false;
                }
            }
        } else {
            for r in live.iter() {
                let ty = self.reg_ty(0, r);
                let op = facts.constants[usize::from(r)].clone();
                let v = self.g.push(entry, op.unwrap_or(Op::Slot(u32::from(r), ty)));
                self.env.frames[0].regs[usize::from(r)] = Some(v);
            }
        }
        let exit = self.exit(false);
        let room = self.g.push(entry, Op::Room(0, 0, exit));
        self.g.blocks[entry].term = Term::Jump(Edge::default());
        self.edge(entry, 0, self.paths.entry)?;
        for n in self.paths.order.clone() {
            self.node(n)?;
        }
        self.g.ops[room as usize] = Op::Room(self.max_depth, self.max_base, exit);
        if self.max_depth == 0 {
            self.g.blocks[entry].ops.retain(|v| *v != room);
        }
        if let Some(stride) = &mut self.g.own {
            *stride = self.stride;
        }
        if self.missing {
            return Err(Abort::Internal("an exit lacks a live register"));
        }
        Ok(())
    }

    /// Whether the root is a function's entry, and a call that stays one calls that function.
    fn calls_itself(&self) -> bool {
        let own = |(ctx, pc): &(CtxId, u32)| {
            let f = self.function(*ctx);
            let call = decode(&f.code, *pc).ok().filter(|i| i.op == Code::Call);
            call.and_then(|i| self.program.resolve_fn(f.package, i.b)) == Some(self.region.func)
        };
        self.region.pc == 0 && self.region.opaque.iter().any(own)
    }

    pub(crate) fn function(&self, ctx: CtxId) -> &'a LFunction {
        function(self.program, self.region, ctx)
    }

    pub(crate) fn f(&self) -> &'a LFunction {
        self.function(self.ctx)
    }

    pub(crate) fn reg_ty(&self, frame: usize, r: u16) -> Ty {
        match self.env.frames[frame].facts.kinds[usize::from(r)] {
            RegKind::Float => Ty::F,
            _ => Ty::I,
        }
    }

    /// Code index of a place of the current function.
    pub(crate) fn at(&self, pc: u32) -> usize {
        self.loaded.index(self.region.contexts[self.ctx].func, pc)
    }

    pub(crate) fn push(&mut self, op: Op) -> Val {
        self.g.push(self.cur, op)
    }

    pub(crate) fn int(&mut self, k: i64) -> Val {
        self.push(Op::Const(k))
    }

    pub(crate) fn top(&mut self) -> &mut Frame {
        let n = self.env.frames.len() - 1;
        &mut self.env.frames[n]
    }

    /// Value of a register of the innermost frame.
    pub(crate) fn read(&self, r: u16) -> Done<Val> {
        let frame = self.env.frames.last().ok_or(Abort::Internal("no frame"))?;
        let v = frame.regs.get(usize::from(r)).copied().flatten();
        v.ok_or(Abort::Internal("a register without value"))
    }

    pub(crate) fn write(&mut self, r: u16, v: Val) {
        let frame = self.top();
        frame.regs[usize::from(r)] = Some(v);
        frame.home[usize::from(r)] = false;
    }

    /// Live registers of each frame, outermost first; of the innermost at the current instruction, with its
    /// operands or without.
    fn live(&self, pc: u32, operands: bool) -> Done<Vec<RegSet>> {
        let mut sets = Vec::with_capacity(self.env.frames.len());
        for (k, frame) in self.env.frames.iter().enumerate() {
            let f = self.function(frame.ctx);
            sets.push(match self.env.frames.get(k + 1) {
                Some(inner) => {
                    let call = self.region.contexts[inner.ctx].parent;
                    let (_, call) = call.ok_or(Abort::Internal("a frame without call"))?;
                    frame.facts.live.live(f, call, false)
                }
                None => frame.facts.live.live(f, pc, operands),
            });
        }
        Ok(sets)
    }

    /// The inlined frames, outermost first.
    fn frames(&mut self) -> Arc<[Inlined]> {
        let ctx = self.env.frames.last().map_or(0, |f| f.ctx);
        if let Some(known) = self.chains.get(&ctx) {
            return Arc::clone(known);
        }
        let inlined = self.env.frames.iter().filter_map(|frame| {
            let (up, call) = self.region.contexts[frame.ctx].parent?;
            let at = self.loaded.index(self.region.contexts[up].func, call);
            let header = self.loaded.call_header(at);
            Some(Inlined {
                base: frame.base,
                header: [header.lanes, header.copy_link],
            })
        });
        let inlined: Arc<[Inlined]> = inlined.collect();
        self.chains.insert(ctx, Arc::clone(&inlined));
        inlined
    }

    /// The exit before the current instruction.
    pub(crate) fn exit(&mut self, grows: bool) -> ExitId {
        if let Some(id) = self.cached[usize::from(grows)] {
            return id;
        }
        let mut slots = Vec::new();
        match self.live(self.pc, true) {
            Ok(sets) => {
                for (frame, live) in self.env.frames.iter().zip(sets) {
                    for r in live.iter().map(usize::from) {
                        match frame.regs[r] {
                            Some(v) if !frame.home[r] => slots.push((frame.base + r as u32, v)),
                            Some(_) => {}
                            None => self.missing = true,
                        }
                    }
                }
            }
            Err(_) => self.missing = true,
        }
        let left = Left {
            at: self.at(self.pc),
            base: self.env.frames.last().map_or(0, |f| f.base),
            frames: self.frames(),
        };
        let exit = Exit {
            left,
            ctx: self.ctx,
            fuel: self.env.fuel,
            slots,
            grows,
        };
        self.g.exits.push(exit);
        let id = self.g.exits.len() - 1;
        self.cached[usize::from(grows)] = Some(id);
        id
    }

    /// Forgets the exit: the environment is about to be that of another place.
    fn moved(&mut self) {
        self.cached = [None; 2];
    }

    /// Stores what is not home, so that frames are complete; `operands` as in [`Lower::live`].
    pub(crate) fn complete(&mut self, operands: bool) -> Done {
        let live = self.live(self.pc, operands)?;
        for (k, live) in live.iter().enumerate() {
            for r in live.iter().map(usize::from) {
                let frame = &mut self.env.frames[k];
                if frame.home[r] {
                    continue;
                }
                let v = frame.regs[r].ok_or(Abort::Internal("a live register without value"))?;
                frame.home[r] = true;
                let slot = frame.base + r as u32;
                self.push(Op::SetSlot(slot, v));
            }
        }
        for frame in self.frames().iter() {
            let inlined = self.env.frames.iter_mut().find(|f| f.base == frame.base);
            let inlined = inlined.ok_or(Abort::Internal("no frame"))?;
            if std::mem::replace(&mut inlined.headed, true) {
                continue;
            }
            for (k, word) in frame.header.iter().enumerate() {
                self.push(Op::SetHeader(
                    frame.base as i32 - HEADER_WORDS as i32 + k as i32,
                    *word,
                ));
            }
        }
        self.moved();
        Ok(())
    }

    /// After a safepoint: references are where the collector left them.
    pub(crate) fn reload(&mut self) -> Done {
        let live = self.live(self.pc, false)?;
        for (k, live) in live.iter().enumerate() {
            for r in live.iter() {
                let frame = &self.env.frames[k];
                if frame.facts.kinds[usize::from(r)] == RegKind::Ref {
                    let slot = frame.base + u32::from(r);
                    let constant = frame.facts.constants[usize::from(r)].clone();
                    let v = self.push(constant.unwrap_or(Op::Slot(slot, Ty::I)));
                    self.env.frames[k].regs[usize::from(r)] = Some(v);
                }
            }
        }
        // What is not live must not be used again.
        for (k, live) in live.iter().enumerate() {
            let frame = &mut self.env.frames[k];
            for r in 0..frame.regs.len() {
                if frame.facts.kinds[r] == RegKind::Ref && !live.contains(r as u16) {
                    frame.regs[r] = None;
                }
            }
        }
        Ok(())
    }

    /// Has the interpreter execute the instruction.
    pub(crate) fn step(&mut self, i: &Instr) -> Done {
        if !needs_step(i.op) {
            return Err(Abort::Internal("a step where no path expects one"));
        }
        self.complete(true)?;
        let inlined = self.env.frames.len() as i32 - 1;
        if inlined > 0 || self.g.own.is_some() {
            self.push(Op::Depth(-inlined));
        }
        let step = Step {
            at: self.at(i.pc),
            words: i.len,
            base: self.env.frames.last().map_or(0, |f| f.base),
            fuel: self.env.fuel,
        };
        self.env.fuel = self.push(Op::Step(Box::new(step)));
        if inlined > 0 {
            self.push(Op::Depth(inlined));
        }
        self.reload()?;
        if let Some(r) = i.writes() {
            let k = self.env.frames.len() - 1;
            let (ty, base) = (self.reg_ty(k, r), self.env.frames[k].base);
            let v = self.push(Op::Slot(base + u32::from(r), ty));
            self.write(r, v);
            self.top().home[usize::from(r)] = true;
        }
        Ok(())
    }

    /// Charges the static cost of the current instruction.
    pub(crate) fn charge(&mut self) {
        let cost = self.loaded.cost(self.at(self.pc));
        self.charge_cost(cost);
    }

    fn charge_cost(&mut self, cost: u32) {
        let exit = self.exit(false);
        self.env.fuel = self.push(Op::Charge(self.env.fuel, cost, exit));
        // What comes after must not leave with this instruction's fuel paid: exits made before stay valid.
    }

    /// Makes an edge of the block `from` lead to a node, with the current environment.
    fn edge(&mut self, from: BlockId, which: usize, to: usize) -> Done {
        let block = match self.blocks[to] {
            Some(b) => b,
            None => {
                let b = self.g.block();
                self.blocks[to] = Some(b);
                b
            }
        };
        let args = if self.done[to] {
            let place = self.paths.place(self.node);
            let (region, paths, program) = (self.region, self.paths, self.program);
            if !rotate::inside(region, paths, self.facts, program, place, to) {
                self.g.around.push((from, block));
            }
            let (head, params) = self.params.get(&to).ok_or(Abort::Irreducible)?;
            let mut args = vec![self.env.fuel];
            for (k, r) in params {
                let v = self.env.frames[*k].regs[usize::from(*r)];
                args.push(v.ok_or(Abort::Internal("a loop register without value"))?);
            }
            for (k, frame) in head.frames.iter().enumerate() {
                for r in 0..frame.regs.len() {
                    let here = &self.env.frames[k];
                    let varies = params.contains(&(k, r as u16));
                    let constant = frame.facts.constants[r].is_some();
                    let changed = here.regs[r] != frame.regs[r] && !constant;
                    if frame.regs[r].is_some() && !varies && changed {
                        return Err(Abort::Internal("a loop register changed"));
                    }
                    if frame.regs[r].is_some() && frame.home[r] && !here.home[r] {
                        return Err(Abort::Internal("a loop register left home"));
                    }
                }
            }
            args
        } else {
            self.incoming[to].push((from, which, self.env.clone()));
            Vec::new()
        };
        self.g.set_edge(from, which, Edge { block, args })
    }

    /// Joins environments at a block: parameters where they differ or `varies` says so.
    fn join(
        &mut self,
        block: BlockId,
        incoming: Vec<Incoming>,
        live: Option<&[RegSet]>,
        varies: &dyn Fn(CtxId, u16) -> bool,
        written: &dyn Fn(CtxId, u16) -> bool,
    ) -> Done<Vec<(usize, u16)>> {
        let mut env = incoming
            .first()
            .ok_or(Abort::Internal("a place that nothing leads to"))?
            .2
            .clone();
        let mut params = Vec::new();
        env.fuel = self.g.param(block, Ty::I);
        for k in 0..env.frames.len() {
            env.frames[k].headed = incoming.iter().all(|(_, _, e)| e.frames[k].headed);
            for r in 0..env.frames[k].regs.len() {
                let keep = live.is_none_or(|l| l[k].contains(r as u16));
                let values: Vec<Option<Val>> = incoming
                    .iter()
                    .map(|(_, _, e)| e.frames[k].regs[r])
                    .collect();
                if !keep || values.contains(&None) {
                    env.frames[k].regs[r] = None;
                    continue;
                }
                let ctx = env.frames[k].ctx;
                if let Some(op) = env.frames[k].facts.constants[r].clone() {
                    env.frames[k].regs[r] = Some(self.g.push(block, op));
                } else if varies(ctx, r as u16) || values.windows(2).any(|w| w[0] != w[1]) {
                    let ty = match env.frames[k].facts.kinds[r] {
                        RegKind::Float => Ty::F,
                        _ => Ty::I,
                    };
                    env.frames[k].regs[r] = Some(self.g.param(block, ty));
                    params.push((k, r as u16));
                }
                env.frames[k].home[r] =
                    incoming.iter().all(|(_, _, e)| e.frames[k].home[r]) && !written(ctx, r as u16);
            }
        }
        for (from, which, e) in incoming {
            let mut args = vec![e.fuel];
            for (k, r) in &params {
                let v = e.frames[*k].regs[usize::from(*r)];
                args.push(v.ok_or(Abort::Internal("a joined register without value"))?);
            }
            self.g.set_edge(from, which, Edge { block, args })?;
        }
        self.env = env;
        Ok(params)
    }

    /// Joins two or more ends within a node.
    pub(crate) fn merge(&mut self, incoming: Vec<Incoming>) -> Done {
        let block = self.g.block();
        self.join(block, incoming, None, &|_, _| false, &|_, _| false)?;
        self.cur = block;
        self.moved();
        Ok(())
    }

    fn node(&mut self, n: usize) -> Done {
        let node = &self.paths.nodes[n];
        let (ctx, start) = node.key;
        (self.ctx, self.pc, self.node) = (ctx, start, n);
        self.moved();
        let incoming = std::mem::take(&mut self.incoming[n]);
        let block = self.blocks[n].ok_or(Abort::Internal("a place that nothing leads to"))?;
        self.cur = block;
        self.env = incoming
            .first()
            .ok_or(Abort::Internal("a place that nothing leads to"))?
            .2
            .clone();
        let live = self.live(start, true)?;
        let head = self.paths.loops.get(&n);
        if head.is_some() || incoming.len() > 1 {
            let facts: Vec<(CtxId, Arc<FnFacts>)> = self
                .env
                .frames
                .iter()
                .map(|f| (f.ctx, Arc::clone(&f.facts)))
                .collect();
            let written = |ctx: CtxId, r: u16| head.is_some_and(|l| l.writes.contains(&(ctx, r)));
            let is_ref = |ctx: CtxId, r: u16| {
                let f = facts.iter().find(|(c, _)| *c == ctx);
                f.is_some_and(|(_, f)| f.kinds[usize::from(r)] == RegKind::Ref)
            };
            let varies = |ctx: CtxId, r: u16| {
                written(ctx, r) || head.is_some_and(|l| l.safepoint) && is_ref(ctx, r)
            };
            let params = self.join(block, incoming, Some(&live), &varies, &written)?;
            if head.is_some() {
                self.params.insert(n, (self.env.clone(), params));
            }
        } else {
            let (from, which, _) = incoming[0];
            self.g.set_edge(from, which, Edge::to(block))?;
            for (frame, live) in self.env.frames.iter_mut().zip(&live) {
                for r in 0..frame.regs.len() {
                    if !live.contains(r as u16) {
                        frame.regs[r] = None;
                    }
                }
            }
        }
        self.done[n] = true;
        if head.is_some() {
            let exit = self.exit(false);
            self.g.starts.push((block, exit));
        }
        if (self.force)() {
            let exit = self.exit(false);
            self.push(Op::Force(exit));
        }
        let code = &self.f().code;
        let mut pc = start;
        loop {
            self.pc = pc;
            self.moved();
            if pc == node.last
                && let End::Fall(key) = node.end
                && key == (node.key.0, pc)
            {
                // The node ends before this instruction, and not with a jump there.
                return self.go_to(key);
            }
            let i = decode(code, pc).map_err(|_| Abort::Internal("code does not decode"))?;
            if pc == node.last {
                return self.end(&i, &node.end.clone());
            }
            self.instruction(&i)?;
            pc = i.next_pc();
        }
    }

    pub(crate) fn go_to(&mut self, key: Key) -> Done {
        let to = self
            .paths
            .target(self.node, key)
            .ok_or(Abort::Internal("no such place"))?;
        let from = self.cur;
        self.g.blocks[from].term = Term::Jump(Edge::default());
        self.edge(from, 0, to)
    }

    /// An edge of the current block to a place, paying for a backward jump, or to the exit.
    fn place(&mut self, from: BlockId, which: usize, key: Option<Key>, cost: Option<u32>) -> Done {
        let saved = (self.cur, self.env.fuel);
        match (key, cost) {
            (None, _) => {
                let exit = self.exit(true);
                let block = self.g.block();
                self.g.blocks[block].term = Term::Exit(exit);
                self.g.set_edge(from, which, Edge::to(block))?;
            }
            (Some(key), None) => {
                let to = self
                    .paths
                    .target(self.node, key)
                    .ok_or(Abort::Internal("no such place"))?;
                self.edge(from, which, to)?;
            }
            (Some(key), Some(cost)) => {
                let block = self.g.block();
                self.g.set_edge(from, which, Edge::to(block))?;
                self.cur = block;
                self.charge_cost(cost);
                self.go_to(key)?;
            }
        }
        (self.cur, self.env.fuel) = saved;
        Ok(())
    }

    /// The instruction that ends a node.
    fn end(&mut self, i: &Instr, end: &End) -> Done {
        let f = self.f();
        let backward = |t: u32| t <= i.pc;
        match end {
            End::Fall(key) => self.go_to(*key),
            End::Leave => {
                let grows = !matches!(
                    i.op,
                    Code::Panic | Code::Trap | Code::CapCall | Code::EndCap
                );
                let exit = self.exit(grows);
                self.g.blocks[self.cur].term = Term::Exit(exit);
                Ok(())
            }
            End::Branch(taken, other) => {
                let cost = i
                    .targets(&f.code)
                    .any(backward)
                    .then(|| self.loaded.cost(self.at(i.pc)));
                if i.op == Code::Jmp {
                    let from = self.cur;
                    self.g.blocks[from].term = Term::Jump(Edge::default());
                    return self.place(from, 0, *taken, cost);
                }
                if taken.is_none() && other.is_none() {
                    let exit = self.exit(true);
                    self.g.blocks[self.cur].term = Term::Exit(exit);
                    return Ok(());
                }
                for (from, which, yes) in self.branch(i)? {
                    if yes {
                        self.place(from, which, *taken, cost)?;
                    } else {
                        self.place(from, which, *other, None)?;
                    }
                }
                Ok(())
            }
            End::Switch(targets, other) => {
                let value = self.switch_value(i.a)?;
                let from = self.cur;
                let edges = vec![Edge::default(); targets.len() + 1];
                self.g.blocks[from].term = Term::Switch(value, edges);
                let cost = self.loaded.cost(self.at(i.pc));
                for (k, t) in targets.iter().enumerate() {
                    let pays = t.is_some_and(|(_, t)| t <= i.pc);
                    self.place(from, k, *t, pays.then_some(cost))?;
                }
                self.place(from, targets.len(), *other, None)
            }
            End::Call(callees) => self.call_inlined(i, callees),
            End::Return => {
                let v = self.read(i.a)?;
                self.charge();
                let Some((up, call)) = self.region.contexts[self.ctx].parent else {
                    self.g.blocks[self.cur].term = Term::Return(self.env.fuel, v);
                    return Ok(());
                };
                let caller = self.function(up);
                let call = decode(&caller.code, call).map_err(|_| Abort::Internal("call"))?;
                self.env.frames.pop();
                self.write(call.a, v);
                self.go_to((up, after_call(caller, &call).0))
            }
            End::Raise => {
                let v = self.read(i.a)?;
                let mut cost = self.loaded.cost(self.at(i.pc));
                let Some((up, call)) = self.region.contexts[self.ctx].parent else {
                    self.charge_cost(cost);
                    self.g.blocks[self.cur].term = Term::Raise(self.env.fuel, v);
                    return Ok(());
                };
                let caller = self.function(up);
                let call = decode(&caller.code, call).map_err(|_| Abort::Internal("call"))?;
                let (_, on_error) = after_call(caller, &call);
                let on_error = on_error.ok_or(Abort::Internal("no error edge"))?;
                let target = on_error.targets(&caller.code).next();
                let target = target.ok_or(Abort::Internal("no error edge"))?;
                if target <= on_error.pc {
                    // Both are paid at once: what cannot be paid is left to the interpreter as a whole.
                    let at = self
                        .loaded
                        .index(self.region.contexts[up].func, on_error.pc);
                    cost += self.loaded.cost(at);
                }
                self.charge_cost(cost);
                self.env.frames.pop();
                self.write(on_error.a, v);
                self.go_to((up, target))
            }
        }
    }
}
