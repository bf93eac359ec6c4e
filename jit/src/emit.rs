//! Emission of a region: values, blocks, exits and ends of blocks; the operations are in `emit_ops.rs`.
//!
//! Exits are cold blocks, the first target of their branch, and share one block that leaves. What must stay
//! true: a value is emitted before its uses, since blocks come in reverse postorder; a graph of which that does not hold,
//! or in which a block has no end, is translated to something that ends, and `bad` says to throw it away.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::immediates::Ieee64;
use cranelift_codegen::ir::{
    AliasRegionData, Block, BlockArg, FuncRef, InstBuilder, MemFlagsData, SigRef, Type, Value,
    types,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::{FunctionBuilder, Switch};
use jet_gc::layout::{DATA_OFFSET, GRANULE_SHIFT};
use jet_vm::Loaded;
use jet_vm::plug::{Abi, LEFT, RAISED};
use rustc_hash::FxHashMap;

use crate::ir::{BlockId, Cc, Edge, ExitId, FCc, Graph, Op, Term, Ty, Val, Width};

/// State of the translation of one graph.
pub(crate) struct Emit<'a> {
    pub b: FunctionBuilder<'a>,
    pub loaded: &'a Loaded,
    pub g: &'a Graph,
    pub abi: &'a Abi,
    pub first_exit: u64,
    pub blocks: Vec<Option<Block>>,
    pub values: Vec<Option<Value>>,
    /// One-byte results of comparisons.
    pub flags: Vec<Option<Value>>,
    /// What calls returned, by call.
    pub results: FxHashMap<Val, Value>,
    pub exits: Vec<Option<Block>>,
    pub leave: Option<Block>,
    pub give_back: Option<Block>,
    pub conv: CallConv,
    pub enter_sig: Option<SigRef>,
    pub step_sig: Option<SigRef>,
    pub ctx: Value,
    pub regs: Value,
    pub heap: Value,
    /// Of a region that calls itself: frames that may still be pushed, and the function.
    pub own: Option<(Value, FuncRef)>,
    pub fixed: MemFlagsData,
    pub state: MemFlagsData,
    pub frame: MemFlagsData,
    pub object: MemFlagsData,
    /// The graph is not what its verifier accepts: what was made of it must not be used.
    pub bad: bool,
}

pub(crate) fn ty(t: Ty) -> Type {
    if t == Ty::F { types::F64 } else { types::I64 }
}

/// A block that is seldom reached, with two words.
fn cold_block(b: &mut FunctionBuilder<'_>) -> Block {
    let block = b.create_block();
    b.set_cold_block(block);
    for _ in 0..2 {
        b.append_block_param(block, types::I64);
    }
    block
}

impl<'a> Emit<'a> {
    pub(crate) fn new(
        mut b: FunctionBuilder<'a>,
        loaded: &'a Loaded,
        g: &'a Graph,
        abi: &'a Abi,
        first_exit: u64,
        conv: CallConv,
        own: Option<FuncRef>,
    ) -> Emit<'a> {
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        let p: Vec<Value> = b.block_params(entry).to_vec();
        let mut region = |n: u32, name: &'static str| {
            let data = AliasRegionData {
                user_id: n,
                description: name.into(),
            };
            let region = b.func.dfg.alias_regions.insert(data);
            MemFlagsData::trusted().with_alias_region(Some(region))
        };
        let (fixed, state) = (region(0, "fixed"), region(1, "context"));
        let (frame, object) = (region(2, "frame"), region(3, "heap"));
        let mut values = vec![None; g.ops.len()];
        let mut blocks = vec![None; g.blocks.len()];
        blocks[0] = Some(entry);
        let fixed = fixed.with_readonly().with_can_move();
        let (regs, heap, first) = if own.is_some() {
            // Context, registers, fuel, frames, arguments.
            let heap = b.ins().load(types::I64, fixed, p[0], abi.heap);
            for (param, v) in g.blocks[0].params.iter().skip(1).zip(&p[4..]) {
                values[*param as usize] = Some(*v);
            }
            (p[1], heap, p[2])
        } else {
            (p[1], p[2], p[3])
        };
        values[g.blocks[0].params[0] as usize] = Some(first);
        Emit {
            b,
            loaded,
            g,
            abi,
            first_exit,
            blocks,
            flags: vec![None; values.len()],
            values,
            results: FxHashMap::default(),
            exits: vec![None; g.exits.len()],
            leave: None,
            give_back: None,
            conv,
            enter_sig: None,
            step_sig: None,
            ctx: p[0],
            regs,
            heap,
            own: own.map(|f| (p[3], f)),
            fixed,
            state,
            frame,
            object,
            bad: false,
        }
    }

    pub(crate) fn run(&mut self) {
        let g = self.g;
        for (n, b) in g.order().into_iter().enumerate() {
            if self.target_exit(b).is_some() {
                continue;
            }
            let block = self.block(b);
            if n > 0 {
                self.b.switch_to_block(block);
            }
            for v in &g.blocks[b].ops {
                self.op(*v);
            }
            self.term(&g.blocks[b].term);
        }
        for e in 0..g.exits.len() {
            if let Some(block) = self.exits[e] {
                self.exit_block(e, block);
            }
        }
        if let Some(block) = self.leave {
            self.b.switch_to_block(block);
            let p: Vec<Value> = self.b.block_params(block).to_vec();
            self.inlined(0);
            self.left(p[0], None, self.regs, p[1]);
        }
        if let Some(block) = self.give_back {
            self.b.switch_to_block(block);
            let p: Vec<Value> = self.b.block_params(block).to_vec();
            self.b.ins().return_(&p);
        }
        self.b.seal_all_blocks();
    }

    pub(crate) fn k(&mut self, n: i64) -> Value {
        self.b.ins().iconst(types::I64, n)
    }

    pub(crate) fn block(&mut self, id: BlockId) -> Block {
        if let Some(b) = self.blocks[id] {
            return b;
        }
        let b = self.b.create_block();
        for p in &self.g.blocks[id].params {
            let v = self.b.append_block_param(b, ty(self.g.ty(*p)));
            self.values[*p as usize] = Some(v);
        }
        self.blocks[id] = Some(b);
        b
    }

    /// The exit that a block is, if it is nothing else.
    pub(crate) fn target_exit(&self, id: BlockId) -> Option<ExitId> {
        let b = &self.g.blocks[id];
        match b.term {
            Term::Exit(e) if b.ops.is_empty() && b.params.is_empty() && id != 0 => Some(e),
            _ => None,
        }
    }

    pub(crate) fn exit(&mut self, e: ExitId) -> Block {
        if let Some(b) = self.exits[e] {
            return b;
        }
        let b = self.b.create_block();
        self.b.set_cold_block(b);
        self.exits[e] = Some(b);
        b
    }

    pub(crate) fn edge(&mut self, e: &Edge) -> (Block, Vec<BlockArg>) {
        if let Some(exit) = self.target_exit(e.block) {
            return (self.exit(exit), Vec::new());
        }
        let args = e.args.iter().map(|v| BlockArg::Value(self.v(*v))).collect();
        (self.block(e.block), args)
    }

    /// The value, constants made anew.
    pub(crate) fn v(&mut self, v: Val) -> Value {
        match self.g.ops[v as usize] {
            Op::Const(k) => return self.k(k),
            Op::FConst(bits) => return self.b.ins().f64const(Ieee64::with_bits(bits)),
            _ => {}
        }
        if let Some(value) = self.values[v as usize] {
            return value;
        }
        match self.flags[v as usize] {
            // Comparisons are widened where somebody wants the word.
            Some(flag) => self.b.ins().uextend(types::I64, flag),
            // A use that no definition dominates.
            None => {
                self.bad = true;
                match self.g.ty(v) {
                    Ty::F => self.b.ins().f64const(0.0),
                    Ty::I | Ty::None => self.k(0),
                }
            }
        }
    }

    pub(crate) fn exit_block(&mut self, e: ExitId, block: Block) {
        let exit = &self.g.exits[e];
        self.b.switch_to_block(block);
        for (slot, v) in &exit.slots {
            let v = self.v(*v);
            self.b
                .ins()
                .store(self.frame, v, self.regs, *slot as i32 * 8);
        }
        let fuel = self.v(exit.fuel);
        let id = self.k((self.first_exit + e as u64) as i64);
        let leave = self.leave();
        self.b.ins().jump(leave, &[fuel, id].map(BlockArg::Value));
    }

    /// Leaves: fuel, place (if the exit does not say), frame, exit.
    pub(crate) fn left(&mut self, fuel: Value, pc: Option<Value>, regs: Value, exit: Value) {
        let abi = self.abi;
        let words = [(fuel, abi.fuel), (regs, abi.regs), (exit, abi.exit)];
        for (v, at) in words.into_iter().chain(pc.map(|pc| (pc, abi.pc))) {
            self.b.ins().store(self.state, v, self.ctx, at);
        }
        let (code, zero) = (self.k(LEFT), self.k(0));
        self.b.ins().return_(&[code, zero]);
    }

    fn leave(&mut self) -> Block {
        let b = &mut self.b;
        *self.leave.get_or_insert_with(|| cold_block(b))
    }

    pub(crate) fn give_back(&mut self) -> Block {
        let b = &mut self.b;
        *self.give_back.get_or_insert_with(|| cold_block(b))
    }

    pub(crate) fn offset(&mut self, base: Value, bytes: i64) -> Value {
        if bytes == 0 {
            return base;
        }
        let k = self.k(bytes);
        self.b.ins().iadd(base, k)
    }

    /// Makes the depth that of a place with so many inlined frames.
    pub(crate) fn inlined(&mut self, n: i64) {
        if let Some((budget, _)) = self.own {
            let delta = self.abi.depth_delta;
            let delta = self.b.ins().load(types::I64, self.state, self.ctx, delta);
            let d = self.b.ins().iadd(budget, delta);
            let d = self.offset(d, -n);
            let at = self.abi.depth_left;
            self.b.ins().store(self.state, d, self.ctx, at);
        } else if n > 0 {
            self.add_depth(-n);
        }
    }

    pub(crate) fn add_depth(&mut self, n: i64) {
        let at = self.abi.depth_left;
        let d = self.b.ins().load(types::I64, self.state, self.ctx, at);
        let d = self.offset(d, n);
        self.b.ins().store(self.state, d, self.ctx, at);
    }

    pub(crate) fn address(&mut self, object: Val) -> Value {
        let r = self.v(object);
        let shift = self.k(i64::from(GRANULE_SHIFT));
        let scaled = self.b.ins().ishl(r, shift);
        self.b.ins().iadd(self.heap, scaled)
    }

    pub(crate) fn element(&mut self, array: Val, index: Val, width: Width) -> (Value, i32) {
        let base = self.address(array);
        if let Some(k) = self.g.constant(index)
            && let Ok(at) = i32::try_from(k << width.shift())
            && at < 1 << 30
        {
            return (base, at + DATA_OFFSET as i32);
        }
        let index = self.v(index);
        let shift = self.k(width.shift());
        let scaled = self.b.ins().ishl(index, shift);
        (self.b.ins().iadd(base, scaled), DATA_OFFSET as i32)
    }

    pub(crate) fn load(&mut self, p: Value, at: i32, width: Width) -> Value {
        let flags = self.object;
        let i = self.b.ins();
        match width {
            Width::U8 => i.uload8(types::I64, flags, p, at),
            Width::U32 => i.uload32(flags, p, at),
            Width::I64 => i.load(types::I64, flags, p, at),
            Width::F64 => i.load(types::F64, flags, p, at),
        }
    }

    pub(crate) fn store(&mut self, p: Value, at: i32, v: Val, width: Width) {
        let v = self.v(v);
        let flags = self.object;
        let i = self.b.ins();
        let _ = match width {
            Width::U8 => i.istore8(flags, v, p, at),
            Width::U32 => i.istore32(flags, v, p, at),
            Width::I64 | Width::F64 => i.store(flags, v, p, at),
        };
    }

    /// Leaves by the exit if `flag` is not zero.
    pub(crate) fn leave_if(&mut self, flag: Value, e: ExitId) {
        let exit = self.exit(e);
        let go_on = self.b.create_block();
        self.b.ins().brif(flag, exit, &[], go_on, &[]);
        self.b.switch_to_block(go_on);
    }

    pub(crate) fn compare(&mut self, cc: Cc, a: Val, b: Val) -> Value {
        let cc = match cc {
            Cc::Eq => IntCC::Equal,
            Cc::Ne => IntCC::NotEqual,
            Cc::Lt => IntCC::SignedLessThan,
            Cc::Le => IntCC::SignedLessThanOrEqual,
            Cc::Gt => IntCC::SignedGreaterThan,
            Cc::Ge => IntCC::SignedGreaterThanOrEqual,
            Cc::Ult => IntCC::UnsignedLessThan,
            Cc::Uge => IntCC::UnsignedGreaterThanOrEqual,
        };
        // A comparison that is only tested stays a flag.
        if self.g.constant(b) == Some(0)
            && let Some(flag) = self.flags[a as usize]
        {
            let zero = self.b.ins().iconst(types::I8, 0);
            return self.b.ins().icmp(cc, flag, zero);
        }
        let (x, y) = (self.v(a), self.v(b));
        self.b.ins().icmp(cc, x, y)
    }

    pub(crate) fn fcompare(&mut self, cc: FCc, a: Val, b: Val) -> Value {
        let cc = match cc {
            FCc::Eq => FloatCC::Equal,
            FCc::Lt => FloatCC::LessThan,
            FCc::Le => FloatCC::LessThanOrEqual,
            FCc::Ne => FloatCC::NotEqual,
            FCc::Nlt => FloatCC::UnorderedOrGreaterThanOrEqual,
            FCc::Nle => FloatCC::UnorderedOrGreaterThan,
        };
        let (x, y) = (self.v(a), self.v(b));
        self.b.ins().fcmp(cc, x, y)
    }

    pub(crate) fn term(&mut self, term: &Term) {
        match term {
            Term::Open => self.bad_end(),
            Term::Jump(e) => {
                let (block, args) = self.edge(e);
                self.b.ins().jump(block, &args);
            }
            Term::Branch(cc, a, b, yes, no) => {
                let swap =
                    self.target_exit(no.block).is_some() && self.target_exit(yes.block).is_none();
                let (cc, yes, no) = if swap {
                    (cc.negate(), no, yes)
                } else {
                    (*cc, yes, no)
                };
                let flag = self.compare(cc, *a, *b);
                self.brif(flag, yes, no);
            }
            Term::FBranch(cc, a, b, yes, no) => {
                let swap =
                    self.target_exit(no.block).is_some() && self.target_exit(yes.block).is_none();
                let (cc, yes, no) = if swap {
                    (cc.negate(), no, yes)
                } else {
                    (*cc, yes, no)
                };
                let flag = self.fcompare(cc, *a, *b);
                self.brif(flag, yes, no);
            }
            Term::Switch(v, edges) => {
                let v = self.v(*v);
                let mut switch = Switch::new();
                let Some((other, cases)) = edges.split_last() else {
                    return self.bad_end();
                };
                // Edges of a switch carry arguments, which its table cannot: blocks in between.
                let mut between = Vec::new();
                for (n, e) in cases.iter().enumerate() {
                    let block = self.b.create_block();
                    switch.set_entry(n as u128, block);
                    between.push((block, e));
                }
                let block = self.b.create_block();
                between.push((block, other));
                switch.emit(&mut self.b, v, block);
                for (block, e) in between {
                    self.b.switch_to_block(block);
                    let (to, args) = self.edge(e);
                    self.b.ins().jump(to, &args);
                }
            }
            Term::Exit(e) => {
                let block = self.exit(*e);
                self.b.ins().jump(block, &[]);
            }
            Term::Return(fuel, v) => {
                let fuel = self.v(*fuel);
                let v = self.word(*v);
                self.b.ins().return_(&[fuel, v]);
            }
            Term::Raise(fuel, v) => {
                let fuel = self.v(*fuel);
                self.b
                    .ins()
                    .store(self.state, fuel, self.ctx, self.abi.fuel);
                let (code, v) = (self.k(RAISED), self.word(*v));
                self.b.ins().return_(&[code, v]);
            }
        }
    }

    /// Ends a block that has no end.
    fn bad_end(&mut self) {
        self.bad = true;
        let code = cranelift_codegen::ir::TrapCode::unwrap_user(1);
        self.b.ins().trap(code);
    }

    pub(crate) fn word(&mut self, v: Val) -> Value {
        let value = self.v(v);
        if self.g.ty(v) == Ty::F {
            self.b.ins().bitcast(types::I64, MemFlagsData::new(), value)
        } else {
            value
        }
    }

    pub(crate) fn brif(&mut self, flag: Value, yes: &Edge, no: &Edge) {
        let (yes, yes_args) = self.edge(yes);
        let (no, no_args) = self.edge(no);
        self.b.ins().brif(flag, yes, &yes_args, no, &no_args);
    }
}
