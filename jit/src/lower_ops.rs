//! From instructions to trace IR, one arm an opcode; the control flow between them is in `lower.rs`, enums are
//! in `lower_enums.rs`, strings in `lower_text.rs`.
//!
//! What must stay true: every check of an instruction stands before its first effect and leaves before the
//! instruction, so that the interpreter traps by itself; what an arm does is what the handler does.

use jet_bytecode::analysis::decode::Instr;
use jet_bytecode::analysis::fuel::element_work;
use jet_bytecode::builtins::Builtin;
use jet_bytecode::layout::{
    self, ElemKind, EnumRepr, RecordLayout, RegKind, elem_kind, enum_repr, reg_kind,
};
use jet_bytecode::linked::{LNominalKind, LType, TypeId};
use jet_bytecode::module::Const;
use jet_bytecode::opcodes::Op as Code;
use jet_gc::layout::{GRANULE_SHIFT, LENGTH_OFFSET, array_size, element_offset};
use jet_gc::{Format, Header};
use jet_vm::plug::{self, LIST_HEADER, MIX_MASKS, MIX_TURN, WORD_FACTORS};

use crate::Abort;
use crate::ir::{Alias, Bin, BlockId, Cc, Edge, FBin, FCc, Op, Round, Shown, Term, Ty, Val, Width};
use crate::lower::{Incoming, Lower};

pub(crate) type Done<T = ()> = Result<T, Abort>;

/// Most elements of a list that is made inline.
const SMALL_LIST: usize = 16;
// The offsets as the IR has them.
const LIST_DATA: u32 = plug::LIST_DATA as u32;
const LIST_LEN: u32 = plug::LIST_LEN as u32;
/// An operand that does not resolve: the program was not verified.
pub(crate) const BAD: Abort = Abort::Internal("an operand does not resolve");

impl Lower<'_> {
    pub(crate) fn ltype(&self, r: u16) -> Done<&LType> {
        Ok(self.program.ty(self.f().reg_type(r).ok_or(BAD)?))
    }

    pub(crate) fn ty(&self, r: u16) -> Done<TypeId> {
        self.f().reg_type(r).ok_or(BAD)
    }

    fn kind(&self, r: u16) -> Done<RegKind> {
        Ok(reg_kind(self.program, self.ty(r)?))
    }

    pub(crate) fn repr(&self, r: u16) -> Done<Option<EnumRepr>> {
        Ok(match self.ltype(r)? {
            LType::Nominal(n) => enum_repr(self.program, *n),
            _ => None,
        })
    }

    pub(crate) fn bin(&mut self, op: Bin, a: Val, b: Val) -> Val {
        self.push(Op::Bin(op, a, b))
    }

    pub(crate) fn guard(&mut self, cc: Cc, a: Val, b: Val) {
        let exit = self.exit(false);
        self.push(Op::Guard(cc, a, b, exit));
    }

    /// The index, where it is below the length; leaves where it is not. What is not trusted may not look behind
    /// the end by speculation either.
    pub(crate) fn below(&mut self, index: Val, len: Val) -> Val {
        self.guard(Cc::Uge, index, len);
        self.masked_index(index, len)
    }

    /// The index, which is known to be below the length.
    pub(crate) fn masked_index(&mut self, index: Val, len: Val) -> Val {
        if self.masked {
            self.push(Op::Mask(index, len))
        } else {
            index
        }
    }

    fn width(kind: RegKind) -> Width {
        match kind {
            RegKind::Word => Width::I64,
            RegKind::Float => Width::F64,
            RegKind::Ref => Width::U32,
        }
    }

    /// Storage of a list's elements, and its classes.
    fn list(&self, r: u16) -> Done<(Width, bool, TypeId)> {
        let ty = self.ty(r)?;
        let LType::List(e) = self.program.ty(ty) else {
            return Err(BAD);
        };
        let width = match elem_kind(self.program, *e) {
            ElemKind::Words if self.program.ty(*e) == &LType::Float => Width::F64,
            ElemKind::Words => Width::I64,
            ElemKind::Bytes => Width::U8,
            ElemKind::U32s | ElemKind::Refs => Width::U32,
        };
        Ok((width, elem_kind(self.program, *e) == ElemKind::Refs, ty))
    }

    fn list_len(&mut self, list: Val, ty: TypeId) -> Val {
        self.push(Op::Load(list, LIST_LEN, Width::I64, Alias::Len(ty)))
    }

    fn list_data(&mut self, list: Val, ty: TypeId) -> Val {
        self.push(Op::Load(list, LIST_DATA, Width::U32, Alias::Data(ty)))
    }

    /// Two ways to a word, by a condition that is likely false: each gives a value; they meet again.
    pub(crate) fn either(
        &mut self,
        (cc, a, b): (Cc, Val, Val),
        yes: impl FnOnce(&mut Self) -> Val,
        no: impl FnOnce(&mut Self) -> Val,
    ) -> Val {
        let [y, n, join] = [self.g.block(), self.g.block(), self.g.block()];
        let edge = Edge::to;
        self.g.blocks[self.cur].term = Term::Branch(cc, a, b, edge(y), edge(n));
        self.cur = y;
        let v = yes(self);
        self.g.blocks[self.cur].term = Term::Jump(Edge {
            block: join,
            args: vec![v],
        });
        self.cur = n;
        let v = no(self);
        self.g.blocks[self.cur].term = Term::Jump(Edge {
            block: join,
            args: vec![v],
        });
        self.cur = join;
        self.g.param(join, Ty::I)
    }

    /// Goes to `slow` if the condition holds.
    pub(crate) fn unless(&mut self, slow: BlockId, cc: Cc, a: Val, b: Val) {
        let next = self.g.block();
        self.g.blocks[self.cur].term = Term::Branch(cc, a, b, Edge::to(slow), Edge::to(next));
        self.cur = next;
    }

    /// Does `fast`, or has the interpreter execute the instruction where the tests lead to the block that they are
    /// given.
    pub(crate) fn or_step<T>(
        &mut self,
        i: &Instr,
        tests: impl FnOnce(&mut Self, BlockId) -> T,
        fast: impl FnOnce(&mut Self, T) -> Done,
    ) -> Done {
        let slow = self.g.block();
        let tested = tests(self, slow);
        if self.g.blocks.len() == slow + 1 {
            // No test leads there: each would have a block behind it.
            self.g.blocks.pop();
            return fast(self, tested);
        }
        let env = self.env.clone();
        fast(self, tested)?;
        let mut ends: Vec<Incoming> = Vec::new();
        self.g.blocks[self.cur].term = Term::Jump(Edge::default());
        ends.push((self.cur, 0, self.env.clone()));
        self.env = env;
        self.cur = slow;
        self.step(i)?;
        self.g.blocks[self.cur].term = Term::Jump(Edge::default());
        ends.push((self.cur, 0, self.env.clone()));
        self.merge(ends)
    }

    pub(crate) fn set_fixed(
        &mut self,
        r: u16,
        object: Val,
        layout: &RecordLayout,
        field: usize,
        alias: Alias,
    ) -> Done {
        let offset = layout.offset(field).ok_or(BAD)?;
        let width = Self::width(self.kind(r)?);
        let v = self.push(Op::Load(object, offset, width, alias));
        self.write(r, v);
        Ok(())
    }

    /// An instruction that does not end a node.
    pub(crate) fn instruction(&mut self, i: &Instr) -> Done {
        macro_rules! bin {
            ($op:ident) => {{
                let (x, y) = (self.read(i.b)?, self.read(i.c)?);
                let v = self.bin(Bin::$op, x, y);
                self.write(i.a, v);
            }};
        }
        macro_rules! checked {
            ($op:ident, $x:expr, $y:expr) => {{
                let (x, y) = ($x, $y);
                let exit = self.exit(false);
                let v = self.push(Op::Checked(Bin::$op, x, y, exit));
                self.write(i.a, v);
            }};
        }
        macro_rules! fbin {
            ($op:ident) => {{
                let (x, y) = (self.read(i.b)?, self.read(i.c)?);
                let v = self.push(Op::FBin(FBin::$op, x, y));
                self.write(i.a, v);
            }};
        }
        macro_rules! un {
            ($op:expr) => {{
                let x = self.read(i.b)?;
                let v = self.push(($op)(x));
                self.write(i.a, v);
            }};
        }
        macro_rules! cmp {
            ($cc:ident) => {{
                let (x, y) = (self.read(i.b)?, self.read(i.c)?);
                let v = self.push(Op::Cmp(Cc::$cc, x, y));
                self.write(i.a, v);
            }};
        }
        macro_rules! fcmp {
            ($cc:ident) => {{
                let (x, y) = (self.read(i.b)?, self.read(i.c)?);
                let v = self.push(Op::FCmp(FCc::$cc, x, y));
                self.write(i.a, v);
            }};
        }
        macro_rules! shift {
            ($op:ident) => {{
                let (x, y) = (self.read(i.b)?, self.read(i.c)?);
                let limit = self.int(64);
                self.guard(Cc::Uge, y, limit);
                let v = self.bin(Bin::$op, x, y);
                self.write(i.a, v);
            }};
        }
        match i.op {
            Code::OnError => {}
            Code::Mov | Code::WordToInt | Code::MakeDyn | Code::Recap => {
                let v = self.read(i.b)?;
                self.write(i.a, v);
            }
            Code::ConstImm => {
                let v = self.int(i64::from(i.imm32()));
                self.write(i.a, v);
            }
            Code::LoadConst => self.constant(i)?,
            Code::AddInt => checked!(Add, self.read(i.b)?, self.read(i.c)?),
            Code::SubInt => checked!(Sub, self.read(i.b)?, self.read(i.c)?),
            Code::MulInt => checked!(Mul, self.read(i.b)?, self.read(i.c)?),
            Code::NegInt => checked!(Sub, self.int(0), self.read(i.b)?),
            Code::AddImm => checked!(Add, self.read(i.b)?, self.int(i64::from(i.c as i16))),
            Code::DivInt | Code::RemInt => {
                let (x, y) = (self.read(i.b)?, self.read(i.c)?);
                let known = self.g.constant(y);
                if known.is_none_or(|k| k == 0) {
                    let zero = self.int(0);
                    self.guard(Cc::Eq, y, zero);
                }
                if known.is_none_or(|k| k == -1) {
                    let (min, minus, zero) = (self.int(i64::MIN), self.int(-1), self.int(0));
                    let p = self.push(Op::Cmp(Cc::Eq, y, minus));
                    let q = self.push(Op::Cmp(Cc::Eq, x, min));
                    let both = self.bin(Bin::And, p, q);
                    self.guard(Cc::Ne, both, zero);
                }
                let op = if i.op == Code::DivInt {
                    Bin::Div
                } else {
                    Bin::Rem
                };
                let v = self.bin(op, x, y);
                self.write(i.a, v);
            }
            Code::AddWrap => bin!(Add),
            Code::SubWrap => bin!(Sub),
            Code::MulWrap => bin!(Mul),
            Code::AndInt => bin!(And),
            Code::OrInt => bin!(Or),
            Code::XorInt => bin!(Xor),
            Code::Shl => shift!(Shl),
            Code::Shr => shift!(Shr),
            Code::Ushr => shift!(Ushr),
            Code::NotInt | Code::NotBool => {
                let x = self.read(i.b)?;
                let k = self.int(if i.op == Code::NotInt { -1 } else { 1 });
                let v = self.bin(Bin::Xor, x, k);
                self.write(i.a, v);
            }
            Code::EqWord | Code::EqRef => cmp!(Eq),
            Code::NeWord => cmp!(Ne),
            Code::LtWord => cmp!(Lt),
            Code::LeWord => cmp!(Le),
            Code::EqFloat => fcmp!(Eq),
            Code::NeFloat => fcmp!(Ne),
            Code::LtFloat => fcmp!(Lt),
            Code::LeFloat => fcmp!(Le),
            Code::AddFloat => fbin!(Add),
            Code::SubFloat => fbin!(Sub),
            Code::MulFloat => fbin!(Mul),
            Code::DivFloat => fbin!(Div),
            Code::RemFloat => fbin!(Rem),
            Code::PowFloat => fbin!(Pow),
            Code::NegFloat => un!(Op::FNeg),
            Code::SqrtFloat => un!(Op::FSqrt),
            Code::IntToFloat => un!(Op::ToFloat),
            Code::FloatToInt => {
                let x = self.read(i.b)?;
                let exit = self.exit(false);
                let low = self.push(Op::FConst((-9_223_372_036_854_775_808.0f64).to_bits()));
                let high = self.push(Op::FConst(9_223_372_036_854_775_808.0f64.to_bits()));
                self.push(Op::FGuard(FCc::Nle, low, x, exit));
                self.push(Op::FGuard(FCc::Nlt, x, high, exit));
                let v = self.push(Op::ToInt(x));
                self.write(i.a, v);
            }
            Code::IntToByte => {
                let x = self.read(i.b)?;
                let k = self.int(256);
                self.guard(Cc::Uge, x, k);
                self.write(i.a, x);
            }
            Code::StrLen | Code::StrByte | Code::StrEq | Code::StrCmp | Code::HashStr => {
                self.text_op(i)?;
            }
            Code::ListNew => {
                let room = self.read(i.b)?;
                if self.g.constant(room) == Some(0) {
                    let exit = self.exit(false);
                    self.charge();
                    let v = self.push(Op::Alloc(
                        LIST_HEADER.record_granules(),
                        LIST_HEADER.0,
                        exit,
                    ));
                    self.write(i.a, v);
                } else {
                    self.step(i)?;
                }
            }
            Code::ListOf => {
                let args: Vec<u16> = i.args(&self.f().code).collect();
                let values = args
                    .iter()
                    .map(|r| self.read(*r))
                    .collect::<Done<Vec<Val>>>()?;
                if values.len() > SMALL_LIST {
                    return self.step(i);
                }
                let exit = self.exit(false);
                self.small_list(i, &values, exit)?;
            }
            Code::ListFill => {
                let (n, v) = (self.read(i.b)?, self.read(i.c)?);
                let n = self.g.constant(n).and_then(|n| usize::try_from(n).ok());
                match n.filter(|n| *n <= SMALL_LIST) {
                    Some(n) => {
                        let exit = self.exit(false);
                        let work = self.int(element_work(n as u64) as i64);
                        self.charge_work(work);
                        self.small_list(i, &vec![v; n], exit)?;
                    }
                    None => self.step(i)?,
                }
            }
            Code::ListLen => {
                let list = self.read(i.b)?;
                let v = self.list_len(list, self.ty(i.b)?);
                self.write(i.a, v);
            }
            Code::ListGet => {
                let (list, k) = (self.read(i.b)?, self.read(i.c)?);
                let (width, _, ty) = self.list(i.b)?;
                let len = self.list_len(list, ty);
                let k = self.below(k, len);
                let data = self.list_data(list, ty);
                let v = self.push(Op::LoadElem(data, k, width, Alias::Elem(ty)));
                self.write(i.a, v);
            }
            Code::ListSet => {
                let (list, k, v) = (self.read(i.a)?, self.read(i.b)?, self.read(i.c)?);
                let (width, is_ref, ty) = self.list(i.a)?;
                let len = self.list_len(list, ty);
                let k = self.below(k, len);
                let data = self.list_data(list, ty);
                self.store_elem((data, k, v), width, is_ref, ty);
            }
            Code::ListPush => {
                let (list, v) = (self.read(i.a)?, self.read(i.b)?);
                let (width, is_ref, ty) = self.list(i.a)?;
                let len = self.list_len(list, ty);
                let data = self.list_data(list, ty);
                let zero = self.int(0);
                // An empty list has no array to ask for its length.
                let cap = self.either(
                    (Cc::Eq, data, zero),
                    |_| zero,
                    |l| {
                        l.push(Op::Load(
                            data,
                            LENGTH_OFFSET as u32,
                            Width::U32,
                            Alias::Fixed,
                        ))
                    },
                );
                let full = |l: &mut Self, slow| l.unless(slow, Cc::Uge, len, cap);
                self.or_step(i, full, |l, ()| {
                    l.store_elem((data, len, v), width, is_ref, ty);
                    let one = l.int(1);
                    let more = l.bin(Bin::Add, len, one);
                    l.push(Op::Store(list, LIST_LEN, more, Width::I64, Alias::Len(ty)));
                    Ok(())
                })?;
            }
            Code::ListPop => {
                let list = self.read(i.b)?;
                let (width, is_ref, ty) = self.list(i.b)?;
                let len = self.list_len(list, ty);
                let zero = self.int(0);
                self.guard(Cc::Eq, len, zero);
                let data = self.list_data(list, ty);
                let one = self.int(1);
                let less = self.bin(Bin::Sub, len, one);
                let v = self.push(Op::LoadElem(data, less, width, Alias::Elem(ty)));
                if is_ref {
                    self.push(Op::StoreElem(data, less, zero, width, Alias::Elem(ty)));
                }
                self.push(Op::Store(list, LIST_LEN, less, Width::I64, Alias::Len(ty)));
                self.write(i.a, v);
            }
            Code::ListSwap => {
                let (list, p, q) = (self.read(i.a)?, self.read(i.b)?, self.read(i.c)?);
                let (width, is_ref, ty) = self.list(i.a)?;
                let len = self.list_len(list, ty);
                let (p, q) = (self.below(p, len), self.below(q, len));
                let data = self.list_data(list, ty);
                let x = self.push(Op::LoadElem(data, p, width, Alias::Elem(ty)));
                let y = self.push(Op::LoadElem(data, q, width, Alias::Elem(ty)));
                self.store_elem((data, p, y), width, is_ref, ty);
                self.store_elem((data, q, x), width, is_ref, ty);
            }
            Code::New => self.construct(i)?,
            Code::MakeFn | Code::MakeBorrowed => {
                let id = self.program.resolve_fn(self.f().package, i.b).ok_or(BAD)?;
                let captures = self
                    .program
                    .function(id)
                    .ok_or(BAD)?
                    .captures
                    .iter()
                    .copied();
                let layout = layout::record(self.program, captures).ok_or(BAD)?;
                self.build(i, &layout, id.0, 1)?;
            }
            Code::GetField | Code::GetCap => {
                let object = self.read(i.b)?;
                let (layout, mutable) = self.fields(i.b, i.c)?;
                let offset = layout.offset(usize::from(i.c)).ok_or(BAD)?;
                let alias = if mutable {
                    Alias::Field(self.ty(i.b)?, offset)
                } else {
                    Alias::Final
                };
                self.set_fixed(i.a, object, &layout, usize::from(i.c), alias)?;
            }
            Code::SetField => {
                let (object, v) = (self.read(i.a)?, self.read(i.c)?);
                let (layout, _) = self.fields(i.a, i.b)?;
                let offset = layout.offset(usize::from(i.b)).ok_or(BAD)?;
                let alias = Alias::Field(self.ty(i.a)?, offset);
                let kind = self.kind(i.c)?;
                if kind == RegKind::Ref {
                    self.push(Op::StoreRef(object, offset, v, alias));
                } else {
                    self.push(Op::Store(object, offset, v, Self::width(kind), alias));
                }
            }
            Code::GetCapture => {
                let env = self.read(0)?;
                let captures = self.f().captures.iter().copied();
                let layout = layout::record(self.program, captures).ok_or(BAD)?;
                self.set_fixed(i.a, env, &layout, usize::from(i.b), Alias::Final)?;
            }
            Code::GetTag => {
                let v = self.switch_value(i.b)?;
                self.write(i.a, v);
            }
            Code::GetPayload => self.payload(i)?,
            Code::ErrCast => {
                let LType::Nominal(n) = self.ltype(i.a)? else {
                    return Err(BAD);
                };
                let n = n.0;
                let r = self.read(i.b)?;
                let id = self.type_id(r);
                let k = self.int(i64::from(n));
                self.guard(Cc::Ne, id, k);
                let known = self.push(Op::Known(r, Shown::Error(n)));
                self.write(i.a, known);
            }
            Code::Call | Code::CallFn | Code::CallDyn => self.call(i)?,
            Code::HashWord if self.kind(i.b)? != RegKind::Float => {
                let x = self.read(i.b)?;
                let seed = self.push(Op::Seed);
                let half = self.int(32);
                let turned = self.bin(Bin::Rotl, seed, half);
                let p = self.bin(Bin::Xor, x, seed);
                let q = self.bin(Bin::Add, x, turned);
                let p = self.fold(p, WORD_FACTORS[0] as i64);
                let q = self.fold(q, WORD_FACTORS[1] as i64);
                let v = self.bin(Bin::Xor, p, q);
                self.write(i.a, v);
            }
            Code::HashMix => {
                let (x, y) = (self.read(i.b)?, self.read(i.c)?);
                let turn = self.int(i64::from(MIX_TURN));
                let turned = self.bin(Bin::Rotl, x, turn);
                let k = self.int(MIX_MASKS[0] as i64);
                let p = self.bin(Bin::Xor, turned, k);
                let k = self.int(MIX_MASKS[1] as i64);
                let q = self.bin(Bin::Xor, y, k);
                let low = self.bin(Bin::Mul, p, q);
                let high = self.bin(Bin::MulHigh, p, q);
                let both = self.bin(Bin::Xor, low, high);
                let v = self.bin(Bin::Add, both, x);
                self.write(i.a, v);
            }
            Code::Builtin => {
                let args: Vec<u16> = i.args(&self.f().code).collect();
                let builtin = Builtin::from_u16(i.b);
                match (builtin, &args[..]) {
                    (Some(Builtin::StrSlice), [s, from, to]) => {
                        return self.slice(i, [*s, *from, *to]);
                    }
                    (Some(Builtin::StrFind), [s, pattern, from]) => {
                        return self.find(i, [*s, *pattern, *from]);
                    }
                    _ => {}
                }
                let round = match builtin {
                    Some(Builtin::Floor) => Some(Round::Floor),
                    Some(Builtin::Ceil) => Some(Round::Ceil),
                    Some(Builtin::Trunc) => Some(Round::Trunc),
                    _ => None,
                };
                match (round, args.first()) {
                    (Some(round), Some(x)) => {
                        let x = self.read(*x)?;
                        self.charge();
                        let v = self.push(Op::FRound(round, x));
                        self.write(i.a, v);
                    }
                    _ => self.step(i)?,
                }
            }
            _ => self.step(i)?,
        }
        Ok(())
    }

    /// Charges the instruction's static cost and some work.
    pub(crate) fn charge_work(&mut self, work: Val) {
        let exit = self.exit(false);
        let cost = self.loaded.cost(self.at(self.pc));
        let cost = self.int(i64::from(cost));
        let all = self.bin(Bin::Add, work, cost);
        self.env.fuel = self.push(Op::ChargeBy(self.env.fuel, all, exit));
    }

    /// Both halves of a product folded together.
    fn fold(&mut self, x: Val, k: i64) -> Val {
        let k = self.int(k);
        let low = self.bin(Bin::Mul, x, k);
        let high = self.bin(Bin::MulHigh, x, k);
        self.bin(Bin::Xor, low, high)
    }

    fn constant(&mut self, i: &Instr) -> Done {
        let package = self.f().package;
        let v = match self.program.constant(package, i.const_index()).ok_or(BAD)? {
            Const::Int(n) => Op::Const(*n),
            Const::Float(bits) => Op::FConst(*bits),
            Const::Str(_) => Op::Pool(plug::constant_index(
                self.program,
                package.index(),
                i.const_index(),
            )),
        };
        let v = self.push(v);
        self.write(i.a, v);
        Ok(())
    }

    /// A new list of these values, with its array; leaves before the instruction when the nursery is full.
    fn small_list(&mut self, i: &Instr, values: &[Val], exit: crate::ir::ExitId) -> Done {
        let (width, is_ref, _) = self.list(i.a)?;
        let format = match width {
            _ if is_ref => Format::RefArray,
            Width::U8 => Format::Bytes,
            Width::U32 => Format::U32s,
            Width::I64 | Width::F64 => Format::Words,
        };
        let n = values.len() as u32;
        let mut data = None;
        if n > 0 {
            let size = array_size(format, n);
            let array = self.push(Op::Alloc(
                (size >> GRANULE_SHIFT) as u32,
                Header::of(format, 0).0,
                exit,
            ));
            let len = self.int(i64::from(n));
            self.push(Op::Init(array, LENGTH_OFFSET as u32, len, Width::U32));
            for (k, v) in (0u32..).zip(values) {
                if self.g.constant(*v) != Some(0) {
                    let at = element_offset(format, k) as u32;
                    self.push(Op::Init(array, at, *v, width));
                }
            }
            data = Some(array);
        }
        let list = self.push(Op::Alloc(
            LIST_HEADER.record_granules(),
            LIST_HEADER.0,
            exit,
        ));
        if let Some(data) = data {
            let len = self.int(i64::from(n));
            self.push(Op::Init(list, LIST_DATA, data, Width::U32));
            self.push(Op::Init(list, LIST_LEN, len, Width::I64));
        }
        self.write(i.a, list);
        Ok(())
    }

    fn store_elem(
        &mut self,
        (data, k, v): (Val, Val, Val),
        width: Width,
        is_ref: bool,
        ty: TypeId,
    ) {
        if is_ref {
            self.push(Op::StoreElemRef(data, k, v, Alias::Elem(ty)));
        } else {
            self.push(Op::StoreElem(data, k, v, width, Alias::Elem(ty)));
        }
    }

    /// Layout of the struct or tuple in a register, and whether a field can be assigned.
    fn fields(&self, r: u16, field: u16) -> Done<(RecordLayout, bool)> {
        let ty = self.ty(r)?;
        match self.program.ty(ty) {
            LType::Nominal(n) => {
                let layout = layout::nominal_record(self.program, *n, 0).ok_or(BAD)?;
                let nominal = self.program.nominal(*n).ok_or(BAD)?;
                let LNominalKind::Struct(fields) = &nominal.kind else {
                    return Err(BAD);
                };
                let mutable = fields.get(usize::from(field)).ok_or(BAD)?.mutable;
                Ok((layout, mutable))
            }
            _ => Ok((layout::tuple_record(self.program, ty).ok_or(BAD)?, false)),
        }
    }

    fn construct(&mut self, i: &Instr) -> Done {
        let ty = self.ty(i.a)?;
        let args: Vec<u16> = i.args(&self.f().code).collect();
        let (id, variant) = match self.program.ty(ty) {
            LType::Nominal(n) => (n.0, i.b),
            LType::Tuple(_) => (0, 0),
            _ => return Err(BAD),
        };
        let repr = self.repr(i.a)?;
        let immediate = match repr {
            Some(EnumRepr::Immediate) => Some(variant),
            Some(EnumRepr::Nullable { none, .. }) if none == variant => Some(0),
            Some(EnumRepr::Boxed) if args.is_empty() => Some(variant),
            _ => None,
        };
        if let Some(k) = immediate {
            let v = self.int(i64::from(k));
            self.write(i.a, v);
            return Ok(());
        }
        if matches!(repr, Some(EnumRepr::Nullable { .. })) {
            let v = self.read(*args.first().ok_or(BAD)?)?;
            self.write(i.a, v);
            return Ok(());
        }
        let record_variant = if repr.is_some() { variant } else { 0 };
        let layout = match self.program.ty(ty) {
            LType::Nominal(n) => layout::nominal_record(self.program, *n, record_variant),
            _ => layout::tuple_record(self.program, ty),
        };
        let tag = u8::try_from(variant).map_err(|_| BAD)?;
        self.build(i, &layout.ok_or(BAD)?, id, tag)
    }

    /// A new record of the instruction's arguments.
    fn build(&mut self, i: &Instr, layout: &RecordLayout, id: u32, tag: u8) -> Done {
        let args: Vec<u16> = i.args(&self.f().code).collect();
        if layout.fields.len() != args.len() {
            return Err(BAD);
        }
        let size = layout.size();
        if size as usize > jet_gc::INLINE_MAX {
            return Err(Abort::Unsupported("a record too large for the nursery"));
        }
        let header = Header::record(id, tag, u32::from(layout.nrefs), u32::from(layout.nwords));
        let values = args
            .iter()
            .map(|r| self.read(*r))
            .collect::<Done<Vec<Val>>>()?;
        let exit = self.exit(false);
        let object = self.push(Op::Alloc(size >> GRANULE_SHIFT, header.0, exit));
        for (k, (r, v)) in args.iter().zip(values).enumerate() {
            let offset = layout.offset(k).ok_or(BAD)?;
            let width = Self::width(self.kind(*r)?);
            self.push(Op::Init(object, offset, v, width));
        }
        self.write(i.a, object);
        Ok(())
    }
}
