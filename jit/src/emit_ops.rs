//! Emission of operations. What must stay true: checks leave before any effect of their operation; a store of
//! a reference tests the header as handlers do; a call changes nothing before it is sure to be made.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, BlockArg, FuncRef, InstBuilder, MemFlagsData, Signature, Value, types,
};
use jet_gc::layout::{FIRST_ADDRESS, GC_OLD, GC_REMEMBERED, GRANULE_SHIFT, TYPE_SHIFT, ref_index};
use jet_vm::plug::{BOUND, FUNCTION_ENTRY, FUNCTION_ENV, FUNCTION_SIZE, HEADER_WORDS, RAISED};

use crate::backend::entry_signature;
use crate::emit::{Emit, ty};
use crate::ir::{Bin, Call, ExitId, FBin, Op, Round, Step, Target, Ty, Val, Width};

impl Emit<'_> {
    pub(crate) fn op(&mut self, v: Val) {
        let g = self.g;
        let op = &g.ops[v as usize];
        let value = match op {
            Op::Const(_) | Op::FConst(_) | Op::Param(_) => return,
            Op::Cmp(cc, a, b) => {
                let flag = self.compare(*cc, *a, *b);
                self.flags[v as usize] = Some(flag);
                return;
            }
            Op::FCmp(cc, a, b) => {
                let flag = self.fcompare(*cc, *a, *b);
                self.flags[v as usize] = Some(flag);
                return;
            }
            Op::Slot(slot, t) => {
                let at = *slot as i32 * 8;
                self.b.ins().load(ty(*t), self.frame, self.regs, at)
            }
            Op::SetSlot(slot, x) => {
                let x = self.v(*x);
                self.b
                    .ins()
                    .store(self.frame, x, self.regs, *slot as i32 * 8);
                return;
            }
            Op::SetHeader(slot, word) => {
                let word = self.k(*word as i64);
                self.b.ins().store(self.frame, word, self.regs, *slot * 8);
                return;
            }
            Op::Bin(op, a, b) => self.bin(*op, *a, *b),
            Op::Checked(op, a, b, e) => self.checked(*op, *a, *b, *e),
            Op::FBin(op, a, b) => {
                let (x, y) = (self.v(*a), self.v(*b));
                let i = self.b.ins();
                match op {
                    FBin::Add => i.fadd(x, y),
                    FBin::Sub => i.fsub(x, y),
                    FBin::Mul => i.fmul(x, y),
                    FBin::Div => i.fdiv(x, y),
                    FBin::Rem => self.call_float(self.abi.rem, x, y),
                    FBin::Pow => self.call_float(self.abi.pow, x, y),
                }
            }
            Op::FNeg(a) => {
                let x = self.v(*a);
                self.b.ins().fneg(x)
            }
            Op::FSqrt(a) => {
                let x = self.v(*a);
                self.b.ins().sqrt(x)
            }
            Op::FRound(r, a) => {
                let x = self.v(*a);
                match r {
                    Round::Floor => self.b.ins().floor(x),
                    Round::Ceil => self.b.ins().ceil(x),
                    Round::Trunc => self.b.ins().trunc(x),
                }
            }
            Op::ToFloat(a) => {
                let x = self.v(*a);
                self.b.ins().fcvt_from_sint(types::F64, x)
            }
            Op::ToInt(a) => {
                let x = self.v(*a);
                self.b.ins().fcvt_to_sint_sat(types::I64, x)
            }
            Op::Bits(a) => {
                let x = self.v(*a);
                self.b.ins().bitcast(types::I64, MemFlagsData::new(), x)
            }
            Op::Known(a, _) => self.v(*a),
            Op::Mask(a, b) => {
                let (x, y) = (self.v(*a), self.v(*b));
                let below = self.b.ins().icmp(IntCC::UnsignedLessThan, x, y);
                let zero = self.k(0);
                self.b.ins().select_spectre_guard(below, x, zero)
            }
            Op::StrSame(a, b) => {
                let args = [self.heap, self.v(*a), self.v(*b)];
                self.call_word(self.abi.str_same, &args)
            }
            Op::StrFind(s, pattern, from) => {
                let args = [self.heap, self.v(*s), self.v(*pattern), self.v(*from)];
                self.call_word(self.abi.str_find, &args)
            }
            Op::StrPart(s, from, to, e) => {
                let args = [self.ctx, self.v(*s), self.v(*from), self.v(*to)];
                let part = self.call_word(self.abi.str_part, &args);
                let zero = self.k(0);
                let flag = self.b.ins().icmp(IntCC::Equal, part, zero);
                self.leave_if(flag, *e);
                part
            }
            Op::Guard(cc, a, b, e) => {
                let flag = self.compare(*cc, *a, *b);
                return self.leave_if(flag, *e);
            }
            Op::FGuard(cc, a, b, e) => {
                let flag = self.fcompare(*cc, *a, *b);
                return self.leave_if(flag, *e);
            }
            Op::Load(object, at, width, _) => {
                let p = self.address(*object);
                self.load(p, *at as i32, *width)
            }
            Op::LoadElem(array, index, width, _) => {
                let (p, at) = self.element(*array, *index, *width);
                self.load(p, at, *width)
            }
            Op::Store(object, at, x, width, _) | Op::Init(object, at, x, width) => {
                let p = self.address(*object);
                return self.store(p, *at as i32, *x, *width);
            }
            Op::StoreElem(array, index, x, width, _) => {
                let (p, at) = self.element(*array, *index, *width);
                return self.store(p, at, *x, *width);
            }
            Op::StoreRef(object, at, x, _) => {
                let index = self.k(i64::from(ref_index(*at as usize)));
                let p = self.address(*object);
                return self.store_ref(*object, p, (p, *at as i32), index, *x, self.abi.set_field);
            }
            Op::StoreElemRef(array, index, x, _) => {
                let p = self.address(*array);
                let place = self.element(*array, *index, Width::U32);
                let index = self.v(*index);
                return self.store_ref(*array, p, place, index, *x, self.abi.set_element);
            }
            Op::Pool(n) => {
                let pool = self
                    .b
                    .ins()
                    .load(types::I64, self.fixed, self.ctx, self.abi.consts);
                self.b
                    .ins()
                    .load(types::I64, self.state, pool, *n as i32 * 8)
            }
            Op::Seed => self
                .b
                .ins()
                .load(types::I64, self.fixed, self.ctx, self.abi.hash_seed),
            Op::Alloc(granules, header, e) => {
                let core = self
                    .b
                    .ins()
                    .load(types::I64, self.fixed, self.ctx, self.abi.core);
                let at = self.b.ins().uload32(self.state, core, self.abi.alloc_ptr);
                let end = self.b.ins().uload32(self.state, core, self.abi.alloc_end);
                let next = self.offset(at, i64::from(*granules));
                let flag = self.b.ins().icmp(IntCC::UnsignedGreaterThan, next, end);
                self.leave_if(flag, *e);
                self.b
                    .ins()
                    .istore32(self.state, next, core, self.abi.alloc_ptr);
                let header = self.k(*header as i64);
                let shift = self.k(i64::from(GRANULE_SHIFT));
                let scaled = self.b.ins().ishl(at, shift);
                let p = self.b.ins().iadd(self.heap, scaled);
                self.b.ins().store(self.object, header, p, 0);
                at
            }
            Op::Charge(fuel, cost, e) => {
                let (fuel, cost) = (self.v(*fuel), self.k(i64::from(*cost)));
                self.charge(fuel, cost, *e)
            }
            Op::ChargeBy(fuel, cost, e) => {
                let (fuel, cost) = (self.v(*fuel), self.v(*cost));
                self.charge(fuel, cost, *e)
            }
            Op::Step(step) => self.step(step),
            Op::Call(call) => {
                let (fuel, value) = self.call(call);
                // The operation behind the call takes its value.
                self.results.insert(v, value);
                fuel
            }
            Op::CallValue(call, t) => match (self.results.get(call).copied(), t) {
                (Some(word), Ty::I | Ty::None) => word,
                (Some(word), Ty::F) => self.b.ins().bitcast(types::F64, MemFlagsData::new(), word),
                (None, _) => return,
            },
            Op::Depth(n) if self.own.is_some() => {
                // The context's depth matters where somebody else looks at it.
                if *n <= 0 {
                    self.inlined(-i64::from(*n));
                }
                return;
            }
            Op::Depth(n) => return self.add_depth(i64::from(*n)),
            Op::Room(depth, _, e) if self.own.is_some() => {
                if let Some((budget, _)) = self.own {
                    let n = self.k(i64::from(*depth));
                    let flag = self.b.ins().icmp(IntCC::SignedLessThan, budget, n);
                    self.leave_if(flag, *e);
                }
                return;
            }
            Op::Room(depth, base, e) => {
                let d = self
                    .b
                    .ins()
                    .load(types::I64, self.state, self.ctx, self.abi.depth_left);
                let n = self.k(i64::from(*depth));
                let flag = self.b.ins().icmp(IntCC::SignedLessThan, d, n);
                self.leave_if(flag, *e);
                let limit =
                    self.b
                        .ins()
                        .load(types::I64, self.state, self.ctx, self.abi.stack_limit);
                let top = self.offset(self.regs, i64::from(*base) * 8);
                let flag = self.b.ins().icmp(IntCC::UnsignedGreaterThan, top, limit);
                return self.leave_if(flag, *e);
            }
            Op::Force(e) => {
                let at = self.abi.stress;
                let n = self.b.ins().load(types::I64, self.state, self.ctx, at);
                let n = self.offset(n, -1);
                self.b.ins().store(self.state, n, self.ctx, at);
                let zero = self.k(0);
                let flag = self.b.ins().icmp(IntCC::SignedLessThanOrEqual, n, zero);
                return self.leave_if(flag, *e);
            }
        };
        self.values[v as usize] = Some(value);
    }

    fn bin(&mut self, op: Bin, a: Val, b: Val) -> Value {
        let (x, y) = (self.v(a), self.v(b));
        let i = self.b.ins();
        match op {
            Bin::Add => i.iadd(x, y),
            Bin::Sub => i.isub(x, y),
            Bin::Mul => i.imul(x, y),
            Bin::Div => i.sdiv(x, y),
            Bin::Rem => i.srem(x, y),
            Bin::And => i.band(x, y),
            Bin::Or => i.bor(x, y),
            Bin::Xor => i.bxor(x, y),
            Bin::Shl => i.ishl(x, y),
            Bin::Shr => i.sshr(x, y),
            Bin::Ushr => i.ushr(x, y),
            Bin::MulHigh => i.umulhi(x, y),
            Bin::Rotl => i.rotl(x, y),
        }
    }

    fn checked(&mut self, op: Bin, a: Val, b: Val, e: ExitId) -> Value {
        let (x, y) = (self.v(a), self.v(b));
        // A constant addend overflows where the sum is on its wrong side.
        if op == Bin::Add
            && let Some(k) = self.g.constant(b)
        {
            let s = self.b.ins().iadd(x, y);
            let cc = if k >= 0 {
                IntCC::SignedLessThan
            } else {
                IntCC::SignedGreaterThan
            };
            let flag = self.b.ins().icmp(cc, s, x);
            self.leave_if(flag, e);
            return s;
        }
        // So does a constant factor where the other one is out of its range. (The very least product of a power of
        // two is left to the interpreter.)
        if op == Bin::Mul
            && let Some(k) = self.g.constant(b)
            && k > 1
        {
            let most = i64::MAX / k;
            let (bias, limit) = (self.k(most), self.k(2 * most));
            let t = self.b.ins().iadd(x, bias);
            let flag = self.b.ins().icmp(IntCC::UnsignedGreaterThan, t, limit);
            self.leave_if(flag, e);
            return self.b.ins().imul(x, y);
        }
        let (s, flag) = match op {
            Bin::Add => self.b.ins().sadd_overflow(x, y),
            Bin::Sub => self.b.ins().ssub_overflow(x, y),
            _ => self.b.ins().smul_overflow(x, y),
        };
        self.leave_if(flag, e);
        s
    }

    fn charge(&mut self, fuel: Value, cost: Value, e: ExitId) -> Value {
        if crate::WITHOUT_LIMITS {
            return fuel;
        }
        let flag = self.b.ins().icmp(IntCC::SignedLessThan, fuel, cost);
        self.leave_if(flag, e);
        self.b.ins().isub(fuel, cost)
    }

    /// Calls a helper of words.
    fn call_word(&mut self, address: usize, args: &[Value]) -> Value {
        let mut s = Signature::new(self.conv);
        s.params
            .extend(args.iter().map(|_| AbiParam::new(types::I64)));
        s.returns.push(AbiParam::new(types::I64));
        let sig = self.b.import_signature(s);
        let f = self.k(address as i64);
        let call = self.b.ins().call_indirect(sig, f, args);
        self.b.inst_results(call)[0]
    }

    fn call_float(&mut self, address: usize, x: Value, y: Value) -> Value {
        let mut s = Signature::new(self.conv);
        s.params.extend([AbiParam::new(types::F64); 2]);
        s.returns.push(AbiParam::new(types::F64));
        let sig = self.b.import_signature(s);
        let f = self.k(address as i64);
        let call = self.b.ins().call_indirect(sig, f, &[x, y]);
        self.b.inst_results(call)[0]
    }

    fn store_ref(
        &mut self,
        object: Val,
        p: Value,
        (q, at): (Value, i32),
        index: Value,
        x: Val,
        helper: usize,
    ) {
        let none = i64::from(FIRST_ADDRESS);
        if self.g.constant(x).is_some_and(|k| (0..none).contains(&k)) {
            // No object, so there is nothing for the collector to find.
            let v = self.v(x);
            self.b.ins().istore32(self.object, v, q, at);
            return;
        }
        let byte = self.b.ins().uload8(types::I64, self.object, p, 0);
        let mask = self.k((GC_OLD | GC_REMEMBERED) as i64);
        let bits = self.b.ins().band(byte, mask);
        let old = self.k(GC_OLD as i64);
        let flag = self.b.ins().icmp(IntCC::Equal, bits, old);
        let [slow, fast, done] = [(); 3].map(|()| self.b.create_block());
        self.b.set_cold_block(slow);
        self.b.ins().brif(flag, slow, &[], fast, &[]);
        self.b.switch_to_block(fast);
        let v = self.v(x);
        self.b.ins().istore32(self.object, v, q, at);
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(slow);
        let mut s = Signature::new(self.conv);
        s.params.extend([AbiParam::new(types::I64); 4]);
        let sig = self.b.import_signature(s);
        let f = self.k(helper as i64);
        let (object, v) = (self.v(object), self.v(x));
        self.b
            .ins()
            .call_indirect(sig, f, &[self.ctx, object, index, v]);
        self.b.ins().jump(done, &[]);
        self.b.switch_to_block(done);
    }

    /// Returns a code and its value if it is negative.
    fn return_if_negative(&mut self, code: Value, value: Value) {
        let zero = self.k(0);
        let flag = self.b.ins().icmp(IntCC::SignedLessThan, code, zero);
        let back = self.give_back();
        let go_on = self.b.create_block();
        let args = [code, value].map(BlockArg::Value);
        self.b.ins().brif(flag, back, &args, go_on, &[]);
        self.b.switch_to_block(go_on);
    }

    fn step(&mut self, step: &Step) -> Value {
        let sig = match self.step_sig {
            Some(sig) => sig,
            None => {
                let mut s = entry_signature(self.conv);
                s.params.push(AbiParam::new(types::I64));
                let sig = self.b.import_signature(s);
                self.step_sig = Some(sig);
                sig
            }
        };
        let f = self.k(self.abi.step as i64);
        let pc = self.k(self.loaded.address(step.at) as i64);
        let regs = self.offset(self.regs, i64::from(step.base) * 8);
        let fuel = self.v(step.fuel);
        let words = self.k(i64::from(step.words));
        let call = self
            .b
            .ins()
            .call_indirect(sig, f, &[self.ctx, pc, regs, fuel, words]);
        let (code, value) = {
            let r = self.b.inst_results(call);
            (r[0], r[1])
        };
        self.return_if_negative(code, value);
        code
    }

    /// Type of an object.
    fn type_of(&mut self, object: Val) -> Value {
        let p = self.address(object);
        let header = self.load(p, 0, Width::I64);
        let shift = self.k(i64::from(TYPE_SHIFT));
        self.b.ins().ushr(header, shift)
    }

    /// Where the machine code of the word is noted whose address is at `at`.
    fn place_of(&mut self, bias: Value, at: Value) -> Value {
        // Never moved: what is read is there only behind the tests before.
        let word = self.b.ins().load(types::I64, self.state, at, 0);
        let one = self.k(1);
        let half = self.b.ins().ushr(word, one);
        self.b.ins().iadd(bias, half)
    }

    /// A call of the region itself.
    fn call_own(&mut self, call: &Call, budget: Value, own: FuncRef) -> (Value, Value) {
        let e = call.exit;
        let inner = self.offset(budget, -(i64::from(call.depth) + 1));
        if !crate::WITHOUT_LIMITS {
            let zero = self.k(0);
            let flag = self.b.ins().icmp(IntCC::SignedLessThan, inner, zero);
            self.leave_if(flag, e);
            self.native_room(e);
        }
        let (fuel, cost) = (self.v(call.fuel), self.k(i64::from(call.cost)));
        let fuel = self.charge(fuel, cost, e);
        self.header(call);
        let frame = self.offset(self.regs, i64::from(call.base) * 8);
        let mut args = vec![self.ctx, frame, fuel, inner];
        args.extend(call.args.iter().map(|v| self.v(*v)));
        let made = self.b.ins().call(own, &args);
        let (code, value) = {
            let r = self.b.inst_results(made);
            (r[0], r[1])
        };
        self.raised(call, code, value);
        self.return_if_negative(code, value);
        (code, value)
    }

    /// Leaves where little of the native stack is left.
    fn native_room(&mut self, e: ExitId) {
        let sp = self.b.ins().get_stack_pointer(types::I64);
        let lowest = self
            .b
            .ins()
            .load(types::I64, self.state, self.ctx, self.abi.native_limit);
        let flag = self.b.ins().icmp(IntCC::UnsignedLessThan, sp, lowest);
        self.leave_if(flag, e);
    }

    /// The callee's frame header.
    fn header(&mut self, call: &Call) {
        for (n, word) in call.header.iter().enumerate() {
            let word = self.k(*word as i64);
            let at = (call.base as i32 - HEADER_WORDS as i32 + n as i32) * 8;
            self.b.ins().store(self.frame, word, self.regs, at);
        }
    }

    /// Where the callee raised: the interpreter goes on at `on_error`.
    fn raised(&mut self, call: &Call, code: Value, value: Value) {
        let abi = self.abi;
        let Some((on_error, base)) = call.on_error else {
            return;
        };
        let raised = self.k(RAISED);
        let flag = self.b.ins().icmp(IntCC::Equal, code, raised);
        let [error, go_on] = [(); 2].map(|()| self.b.create_block());
        self.b.set_cold_block(error);
        self.b.ins().brif(flag, error, &[], go_on, &[]);
        self.b.switch_to_block(error);
        if self.own.is_some() {
            self.inlined(i64::from(call.depth));
        } else {
            self.add_depth(1);
        }
        self.b.ins().store(self.state, value, self.ctx, abi.acc);
        let fuel = self
            .b
            .ins()
            .load(types::I64, self.state, self.ctx, abi.fuel);
        let pc = self.k(self.loaded.address(on_error) as i64);
        let regs = self.offset(self.regs, i64::from(base) * 8);
        let none = self.k(0);
        self.left(fuel, Some(pc), regs, none);
        self.b.switch_to_block(go_on);
    }

    fn call(&mut self, call: &Call) -> (Value, Value) {
        if let (Target::Own, Some((budget, own))) = (call.target, self.own) {
            return self.call_own(call, budget, own);
        }
        let abi = self.abi;
        let e = call.exit;
        // Whether it can be made, before anything is changed.
        let bias = self
            .b
            .ins()
            .load(types::I64, self.fixed, self.ctx, abi.native_bias);
        let mut env = None;
        let place = match call.target {
            Target::Direct(entry) => self.offset(bias, (self.loaded.address(entry) >> 1) as i64),
            Target::Closure(f) => {
                let id = self.type_of(f);
                let bound = self.k(i64::from(BOUND));
                let flag = self.b.ins().icmp(IntCC::Equal, id, bound);
                self.leave_if(flag, e);
                let size = self.k(FUNCTION_SIZE as i64);
                let at = self.b.ins().imul(id, size);
                let at = self.offset(at, self.loaded.functions() as i64);
                let flag = self.b.ins().uload32(self.state, at, FUNCTION_ENV as i32);
                env = Some((f, flag));
                let at = self.offset(at, FUNCTION_ENTRY as i64);
                self.place_of(bias, at)
            }
            Target::Dyn(object, row, first) => {
                let id = self.type_of(object);
                let k = self.offset(id, -(first as i64));
                let three = self.k(3);
                let at = self.b.ins().ishl(k, three);
                let at = self.offset(at, row as i64);
                self.place_of(bias, at)
            }
            Target::Own => bias,
        };
        let code = self.b.ins().load(types::I64, self.state, place, 0);
        let zero = self.k(0);
        let flag = self.b.ins().icmp(IntCC::Equal, code, zero);
        self.leave_if(flag, e);
        let depth = match self.own {
            Some((budget, _)) => {
                let at = abi.depth_delta;
                let delta = self.b.ins().load(types::I64, self.state, self.ctx, at);
                self.b.ins().iadd(budget, delta)
            }
            None => {
                let at = abi.depth_left;
                self.b.ins().load(types::I64, self.state, self.ctx, at)
            }
        };
        let inner = self.offset(depth, -(i64::from(call.depth) + 1));
        let zero = self.k(0);
        let flag = self.b.ins().icmp(IntCC::SignedLessThan, inner, zero);
        self.leave_if(flag, e);
        let frame = self.offset(self.regs, i64::from(call.base) * 8);
        let limit = self
            .b
            .ins()
            .load(types::I64, self.state, self.ctx, abi.stack_limit);
        let flag = self.b.ins().icmp(IntCC::UnsignedGreaterThan, frame, limit);
        self.leave_if(flag, e);
        self.native_room(e);
        let (fuel, cost) = (self.v(call.fuel), self.k(i64::from(call.cost)));
        let fuel = self.charge(fuel, cost, e);
        // A closure with environment has that in register 0, and its arguments behind.
        let mut first = self.regs;
        if let Some((f, flag)) = env {
            let f = self.v(f);
            let at = call.base as i32 * 8;
            self.b.ins().store(self.frame, f, self.regs, at);
            let three = self.k(3);
            let words = self.b.ins().ishl(flag, three);
            first = self.b.ins().iadd(first, words);
        }
        for (n, arg) in call.args.iter().enumerate() {
            let v = self.v(*arg);
            let at = (call.base as i32 + n as i32) * 8;
            self.b.ins().store(self.frame, v, first, at);
        }
        self.header(call);
        self.b
            .ins()
            .store(self.state, inner, self.ctx, abi.depth_left);
        let sig = match self.enter_sig {
            Some(sig) => sig,
            None => {
                let sig = self.b.import_signature(entry_signature(self.conv));
                self.enter_sig = Some(sig);
                sig
            }
        };
        let made = self
            .b
            .ins()
            .call_indirect(sig, code, &[self.ctx, frame, self.heap, fuel]);
        let (code, value) = {
            let r = self.b.inst_results(made);
            (r[0], r[1])
        };
        self.raised(call, code, value);
        self.return_if_negative(code, value);
        if self.own.is_none() {
            self.b
                .ins()
                .store(self.state, depth, self.ctx, abi.depth_left);
        }
        (code, value)
    }
}
