//! Instruction selection at load: which handler a verified instruction gets, and what its lanes hold then.
//!
//! Handlers are chosen by the types of registers and by whether an operand is the value that the previous
//! instruction wrote (the accumulator). What must stay true: a handler that reads the accumulator stands
//! where control can come from the previous instruction alone, and that one left its value there.

use std::collections::HashSet;
use std::sync::Arc;

use jet_bytecode::analysis::decode::{Instr, instrs};
use jet_bytecode::layout::{
    ElemKind, EnumRepr, RecordLayout, RegKind, elem_kind, enum_repr, reg_kind,
};
use jet_bytecode::linked::{FnId, LFunction, LType, TypeId};
use jet_bytecode::opcodes::Op;
use jet_gc::Header;

use crate::code::{HEADER_WORDS, Word};
use crate::ctx::BOUND_FN;
use crate::dispatch::{FIRST, Handler, NONE, SECOND};
use crate::lists as li;
use crate::load::{LoadError, Tables};
use crate::ops_call as oc;
use crate::ops_float as of;
use crate::ops_jump as oj;
use crate::ops_list as ol;
use crate::ops_num as on;
use crate::ops_record as or;
use crate::slow::slow_op;
use crate::strings as st;

/// Handlers of the special words, in their order.
pub(crate) const SPECIAL_HANDLERS: [Handler; crate::code::SPECIALS] = [
    oc::halt_error,
    oc::halt,
    crate::capability::boundary_error,
    crate::capability::boundary,
];

macro_rules! acc2 {
    ($acc:expr, $($f:ident)::+ [$($t:ty),*]) => {
        if $acc == FIRST {
            $($f)::+::<$($t,)* { FIRST }> as Handler
        } else {
            $($f)::+::<$($t,)* { NONE }> as Handler
        }
    };
}
macro_rules! acc3 {
    ($acc:expr, $($f:ident)::+ [$($t:ty),*]) => {
        match $acc {
            FIRST => $($f)::+::<$($t,)* { FIRST }> as Handler,
            SECOND => $($f)::+::<$($t,)* { SECOND }> as Handler,
            _ => $($f)::+::<$($t,)* { NONE }> as Handler,
        }
    };
}
macro_rules! back {
    ($back:expr, $($f:ident)::+ [$($t:tt)*]) => {
        match $back {
            0 => $($f)::+::<$($t)* 0> as Handler,
            1 => $($f)::+::<$($t)* 1> as Handler,
            3 => $($f)::+::<$($t)* 3> as Handler,
            _ => $($f)::+::<$($t)* 2> as Handler,
        }
    };
}
macro_rules! back_acc2 {
    ($back:expr, $acc:expr, $($f:ident)::+ [$($t:tt)*]) => {
        match ($back, $acc) {
            (0, FIRST) => $($f)::+::<$($t)* 0, { FIRST }> as Handler,
            (1, FIRST) => $($f)::+::<$($t)* 1, { FIRST }> as Handler,
            (2, FIRST) => $($f)::+::<$($t)* 2, { FIRST }> as Handler,
            (3, FIRST) => $($f)::+::<$($t)* 3, { FIRST }> as Handler,
            (0, _) => $($f)::+::<$($t)* 0, { NONE }> as Handler,
            (1, _) => $($f)::+::<$($t)* 1, { NONE }> as Handler,
            (3, _) => $($f)::+::<$($t)* 3, { NONE }> as Handler,
            (_, _) => $($f)::+::<$($t)* 2, { NONE }> as Handler,
        }
    };
}
macro_rules! back_acc3 {
    ($back:expr, $acc:expr, $($f:ident)::+ [$($t:tt)*]) => {
        match ($back, $acc) {
            (0, SECOND) => $($f)::+::<$($t)* 0, { SECOND }> as Handler,
            (1, SECOND) => $($f)::+::<$($t)* 1, { SECOND }> as Handler,
            (2, SECOND) => $($f)::+::<$($t)* 2, { SECOND }> as Handler,
            (3, SECOND) => $($f)::+::<$($t)* 3, { SECOND }> as Handler,
            (b, a) => back_acc2!(b, a, $($f)::+ [$($t)*]),
        }
    };
}
macro_rules! by_elem {
    ($elem:expr, $($f:ident)::+) => {
        match $elem {
            ElemKind::Words => $($f)::+::<ol::Words> as Handler,
            ElemKind::Bytes => $($f)::+::<ol::Bytes> as Handler,
            ElemKind::U32s => $($f)::+::<ol::U32s> as Handler,
            ElemKind::Refs => $($f)::+::<ol::Refs> as Handler,
        }
    };
}
macro_rules! slow_by_elem {
    ($elem:expr, $op:ident) => {
        match $elem {
            ElemKind::Words => slow_op::<li::$op<ol::Words>> as Handler,
            ElemKind::Bytes => slow_op::<li::$op<ol::Bytes>> as Handler,
            ElemKind::U32s => slow_op::<li::$op<ol::U32s>> as Handler,
            ElemKind::Refs => slow_op::<li::$op<ol::Refs>> as Handler,
        }
    };
}
macro_rules! by_elem_acc {
    ($elem:expr, $acc:expr, $($f:ident)::+) => {
        match $elem {
            ElemKind::Words => acc3!($acc, $($f)::+ [ol::Words]),
            ElemKind::Bytes => acc3!($acc, $($f)::+ [ol::Bytes]),
            ElemKind::U32s => acc3!($acc, $($f)::+ [ol::U32s]),
            ElemKind::Refs => acc3!($acc, $($f)::+ [ol::Refs]),
        }
    };
}

macro_rules! by_count {
    ($n:expr, $counts:expr, $($f:ident)::+) => {
        match ($n, $counts) {
            (0, false) => $($f)::+::<0, false> as Handler,
            (1, false) => $($f)::+::<1, false> as Handler,
            (2, false) => $($f)::+::<2, false> as Handler,
            (3, false) => $($f)::+::<3, false> as Handler,
            (_, false) => $($f)::+::<{ oc::ANY }, false> as Handler,
            (0, true) => $($f)::+::<0, true> as Handler,
            (1, true) => $($f)::+::<1, true> as Handler,
            (2, true) => $($f)::+::<2, true> as Handler,
            (3, true) => $($f)::+::<3, true> as Handler,
            (_, true) => $($f)::+::<{ oc::ANY }, true> as Handler,
        }
    };
}

pub(crate) use back;
pub(crate) use by_count;

/// What an instruction does to the accumulators.
pub(crate) enum Acc {
    /// It holds the value of register `a` afterwards.
    Sets,
    /// As before.
    Keeps,
    /// The float accumulator holds the value of register `a` afterwards; it is as before.
    SetsFloat,
    /// It holds the value of register `a` afterwards; the float accumulator is unknown.
    Calls,
    /// Unknown.
    Clobbers,
}

/// Selects one function.
pub(crate) struct Selector<'t, 'p> {
    pub(crate) t: &'t mut Tables<'p>,
    pub(crate) f: &'p LFunction,
    id: FnId,
    out: &'t mut [Word],
    base: *const Word,
    costs: &'t [u32],
    acc: Option<u16>,
    facc: Option<u16>,
    /// Registers in the accumulators before each word, where somebody wants to know.
    pub(crate) held: Option<&'t mut [[u16; 2]]>,
    /// Layout of the environment, once it was asked for.
    environment: Option<Arc<RecordLayout>>,
}

impl<'t, 'p> Selector<'t, 'p> {
    /// A selector that writes to `out`, the function's words in the array at `base`.
    pub fn new(
        t: &'t mut Tables<'p>,
        id: FnId,
        out: &'t mut [Word],
        base: *const Word,
        costs: &'t [u32],
    ) -> Selector<'t, 'p> {
        let f = &t.program.functions[id.index()];
        Selector {
            t,
            f,
            id,
            out,
            base,
            costs,
            acc: None,
            facc: None,
            held: None,
            environment: None,
        }
    }

    /// Writes all words.
    pub fn run(mut self) -> Result<(), LoadError> {
        let code = &self.f.code;
        let mut targets = HashSet::new();
        for instr in instrs(code).map_while(Result::ok) {
            targets.extend(instr.targets(code));
        }
        for instr in instrs(code).map_while(Result::ok) {
            if targets.contains(&instr.pc) {
                self.acc = None;
                self.facc = None;
            }
            for k in 0..instr.len {
                let pc = (instr.pc + k) as usize;
                let lanes = jet_bytecode::opcodes::Word(code[pc]).split();
                self.out[pc] = Word::new(std::ptr::null(), lanes);
            }
            self.out[instr.pc as usize].l = 0;
            if let Some(held) = &mut self.held {
                held[instr.pc as usize] =
                    [self.acc.unwrap_or(u16::MAX), self.facc.unwrap_or(u16::MAX)];
            }
            let (handler, effect) = match self.select(&instr) {
                Ok(Some(found)) => found,
                Ok(None) => {
                    return Err(LoadError::Unverified {
                        function: self.t.program.function_name(self.id),
                        pc: instr.pc,
                    });
                }
                Err(e) => return Err(e),
            };
            self.out[instr.pc as usize].slot = handler as *const ();
            // A register that is written is no longer what an accumulator holds.
            let written = instr.writes();
            let kept = |acc: Option<u16>| acc.filter(|r| Some(*r) != written);
            (self.acc, self.facc) = match effect {
                Acc::Sets => (Some(instr.a), kept(self.facc)),
                Acc::SetsFloat => (kept(self.acc), Some(instr.a)),
                // `on_error` writes on its jump only.
                Acc::Keeps if instr.op == Op::OnError => (self.acc, self.facc),
                Acc::Keeps => (kept(self.acc), kept(self.facc)),
                Acc::Calls => (Some(instr.a), None),
                Acc::Clobbers => (None, None),
            };
        }
        Ok(())
    }

    pub(crate) fn ty(&self, reg: u16) -> Option<TypeId> {
        self.f.reg_type(reg)
    }

    pub(crate) fn ltype(&self, reg: u16) -> Option<&'p LType> {
        Some(self.t.program.ty(self.ty(reg)?))
    }

    pub(crate) fn repr(&self, reg: u16) -> Option<EnumRepr> {
        match self.ltype(reg)? {
            LType::Nominal(n) => enum_repr(self.t.program, *n),
            _ => None,
        }
    }

    fn elem(&self, reg: u16) -> Option<ElemKind> {
        match self.ltype(reg)? {
            LType::List(e) => Some(elem_kind(self.t.program, *e)),
            _ => None,
        }
    }

    /// Accumulator variant for register operands `x` (first) and `y` (second).
    fn pick(&self, x: u16, y: Option<u16>) -> u8 {
        match self.acc {
            Some(r) if r == x => FIRST,
            Some(r) if Some(r) == y => SECOND,
            _ => NONE,
        }
    }

    /// The same for float operands.
    fn pick_float(&self, x: u16, y: Option<u16>) -> u8 {
        match self.facc {
            Some(r) if r == x => FIRST,
            Some(r) if Some(r) == y => SECOND,
            _ => NONE,
        }
    }

    fn is_float(&self, reg: u16) -> bool {
        self.ltype(reg) == Some(&LType::Float)
    }

    pub(crate) fn word(&mut self, instr: &Instr) -> &mut Word {
        &mut self.out[instr.pc as usize]
    }

    /// Address of the word at `pc` of this function.
    fn address(&self, pc: u32) -> *const Word {
        let start = self.t.starts[self.id.index()];
        self.base.wrapping_add((start + pc) as usize)
    }

    /// Cost lane of a jump and its `BACK` parameter.
    pub(crate) fn jump_back(&mut self, instr: &Instr, target: i64) -> Option<u8> {
        if target > i64::from(instr.pc) {
            return Some(0);
        }
        let (lane, back) = self.t.back_cost(self.costs[instr.pc as usize])?;
        self.word(instr).l = lane;
        let back = if back == 1 && self.t.counts && instr.op != Op::Switch {
            3
        } else {
            back
        };
        Some(back)
    }

    /// Handler of a charge op with its cost in lane 0.
    pub(crate) fn charged(&mut self, instr: &Instr, handler: Handler) -> Option<Handler> {
        let (lane, handler) = self.t.charge(self.costs[instr.pc as usize], handler)?;
        self.word(instr).l = lane;
        Some(handler)
    }

    /// Handler of a charge op whose fast form falls back to a slow one, which charges by itself.
    fn fast_or(&mut self, instr: &Instr, fast: Handler, slow: Handler) -> Option<Handler> {
        if u16::try_from(self.costs[instr.pc as usize]).is_err() {
            return Some(slow);
        }
        self.charged(instr, fast)
    }

    /// Puts the return link and lanes of a call in place.
    pub(crate) fn link(&mut self, instr: &Instr) {
        let code = &self.f.code;
        let next = instr.next_pc();
        let fallible = code
            .get(next as usize)
            .is_some_and(|w| jet_bytecode::opcodes::Word(*w).op() == Some(Op::OnError));
        let ret = self.address(next + u32::from(fallible));
        let distance = self.f.regs.len() + HEADER_WORDS;
        let link = (ret.addr() << 16) | distance;
        let at = instr.pc as usize;
        self.out[at + 1].slot = std::ptr::without_provenance(link);
        if instr.len > 2 {
            let n = usize::from(instr.c);
            self.out[at + 2].slot = std::ptr::without_provenance(n);
        }
    }

    /// Rewrites a construction: arguments in layout order, header and sizes in place.
    pub(crate) fn build(
        &mut self,
        instr: &Instr,
        layout: &RecordLayout,
        type_id: u32,
        tag: u8,
        args: &[u16],
    ) -> Option<()> {
        if layout.fields.len() != args.len() {
            return None;
        }
        let (refs, words) = (layout.nrefs, layout.nwords);
        let header = Header::record(type_id, tag, u32::from(refs), u32::from(words));
        let mut ordered = vec![0u16; args.len()];
        for (slot, reg) in layout.fields.iter().zip(args) {
            let at = if slot.is_ref {
                slot.ordinal
            } else {
                refs + slot.ordinal
            };
            *ordered.get_mut(usize::from(at))? = *reg;
        }
        let at = instr.pc as usize;
        for (k, four) in ordered.chunks(4).enumerate() {
            let mut lanes = [0u16; 4];
            lanes[..four.len()].copy_from_slice(four);
            self.out[at + 1 + k] = Word::new(std::ptr::null(), lanes);
        }
        self.out[at + 1].slot = std::ptr::without_provenance(header.0 as usize);
        let word = &mut self.out[at];
        word.l = u16::try_from(header.record_bytes() / 8).ok()?;
        word.b = refs;
        word.c = words;
        Some(())
    }

    pub(crate) fn new_handler(&self, instr: &Instr) -> Handler {
        let word = &self.out[instr.pc as usize];
        if usize::from(word.l) * 8 > jet_gc::INLINE_MAX {
            return slow_op::<crate::slow::NewRecord>;
        }
        match (word.b, word.c) {
            (1, 0) => or::new_fixed::<1, 0>,
            (2, 0) => or::new_fixed::<2, 0>,
            (3, 0) => or::new_fixed::<3, 0>,
            (0, 1) => or::new_fixed::<0, 1>,
            (0, 2) => or::new_fixed::<0, 2>,
            (0, 3) => or::new_fixed::<0, 3>,
            (1, 1) => or::new_fixed::<1, 1>,
            (1, 2) => or::new_fixed::<1, 2>,
            (2, 1) => or::new_fixed::<2, 1>,
            _ => or::new_any,
        }
    }

    /// Layout of the object that a field access goes to.
    fn layout_of(&mut self, reg: u16) -> Option<Arc<RecordLayout>> {
        let ty = self.ty(reg)?;
        self.t.record(ty, 0)
    }

    pub(crate) fn field(layout: &RecordLayout, field: u16) -> Option<(bool, u16)> {
        let slot = layout.fields.get(usize::from(field))?;
        let offset = layout.offset(usize::from(field))?;
        Some((slot.is_ref, u16::try_from(offset).ok()?))
    }

    fn captures(&mut self) -> Option<Arc<RecordLayout>> {
        if self.environment.is_none() {
            let types = self.f.captures.iter().copied();
            self.environment = jet_bytecode::layout::record(self.t.program, types).map(Arc::new);
        }
        self.environment.clone()
    }

    fn select(&mut self, i: &Instr) -> Result<Option<(Handler, Acc)>, LoadError> {
        if i.op == Op::CallDyn {
            return self.call_dyn(i);
        }
        Ok(self.select_plain(i))
    }

    fn select_plain(&mut self, i: &Instr) -> Option<(Handler, Acc)> {
        use Acc::{Calls, Clobbers, Keeps, Sets, SetsFloat};
        let one = self.pick(i.b, None);
        let two = self.pick(i.b, Some(i.c));
        let fone = self.pick_float(i.b, None);
        let ftwo = self.pick_float(i.b, Some(i.c));
        macro_rules! bin {
            ($o:ident) => {
                (acc3!(two, on::bin[on::$o]), Sets)
            };
        }
        macro_rules! cmp {
            ($o:ident) => {
                (acc3!(two, on::cmp[on::$o]), Sets)
            };
        }
        macro_rules! un {
            ($o:ident) => {
                (acc2!(one, on::un[on::$o]), Sets)
            };
        }
        macro_rules! jcmp {
            ($o:ident) => {{
                let back = self.jump_back(i, i.target()?)?;
                let acc = self.pick(i.a, Some(i.b));
                (back_acc3!(back, acc, oj::jcmp [on::$o,]), Keeps)
            }};
        }
        macro_rules! jimm {
            ($o:ident) => {{
                let back = self.jump_back(i, i.target()?)?;
                let acc = self.pick(i.a, None);
                (back_acc2!(back, acc, oj::jcmp_imm [on::$o,]), Keeps)
            }};
        }
        macro_rules! fbin {
            ($o:ident) => {
                (acc3!(ftwo, of::bin[of::$o]), SetsFloat)
            };
        }
        macro_rules! fun {
            ($o:ident) => {
                (acc2!(fone, of::un[of::$o]), SetsFloat)
            };
        }
        macro_rules! fcmp {
            ($o:ident) => {
                (acc3!(ftwo, of::cmp[of::$o]), Sets)
            };
        }
        macro_rules! jfcmp {
            ($o:ident) => {{
                let back = self.jump_back(i, i.target()?)?;
                let acc = self.pick_float(i.a, Some(i.b));
                (back_acc3!(back, acc, of::jcmp [of::$o,]), Keeps)
            }};
        }
        macro_rules! slow {
            ($o:ty) => {
                (slow_op::<$o> as Handler, Clobbers)
            };
        }
        Some(match i.op {
            Op::Mov if self.is_float(i.a) => fun!(Mov),
            Op::Mov => un!(Mov),
            Op::ConstImm => (on::const_imm, Sets),
            Op::LoadConst => {
                let base = *self.t.const_base.get(self.f.package.index())?;
                let index = base.checked_add(i.const_index())?;
                self.word(i).set_wide(index as i32);
                if self.is_float(i.a) {
                    (of::load_const, SetsFloat)
                } else {
                    (on::load_const, Sets)
                }
            }
            Op::AddInt => bin!(AddInt),
            Op::SubInt => bin!(SubInt),
            Op::MulInt => bin!(MulInt),
            Op::DivInt => bin!(DivInt),
            Op::RemInt => bin!(RemInt),
            Op::PowInt => bin!(PowInt),
            Op::AddWrap => bin!(AddWrap),
            Op::SubWrap => bin!(SubWrap),
            Op::MulWrap => bin!(MulWrap),
            Op::AndInt => bin!(AndInt),
            Op::OrInt => bin!(OrInt),
            Op::XorInt => bin!(XorInt),
            Op::Shl => bin!(Shl),
            Op::Shr => bin!(Shr),
            Op::Ushr => bin!(Ushr),
            Op::NegInt => un!(NegInt),
            Op::NotInt => un!(NotInt),
            Op::AddImm => (acc2!(one, on::bin_imm[on::AddInt]), Sets),
            Op::EqWord | Op::EqRef => cmp!(Eq),
            Op::NeWord => cmp!(Ne),
            Op::LtWord => cmp!(Lt),
            Op::LeWord => cmp!(Le),
            Op::EqFloat => fcmp!(Eq),
            Op::NeFloat => fcmp!(Ne),
            Op::LtFloat => fcmp!(Lt),
            Op::LeFloat => fcmp!(Le),
            Op::CmpFloat => (acc3!(ftwo, of::order[]), Sets),
            Op::NotBool => un!(NotBool),
            Op::AddFloat => fbin!(Add),
            Op::SubFloat => fbin!(Sub),
            Op::MulFloat => fbin!(Mul),
            Op::DivFloat => fbin!(Div),
            Op::RemFloat => fbin!(Rem),
            Op::PowFloat => fbin!(Pow),
            Op::NegFloat => fun!(Neg),
            Op::SqrtFloat => fun!(Sqrt),
            Op::IntToFloat => (acc2!(one, of::of_int[]), SetsFloat),
            Op::FloatToInt => (acc2!(fone, of::to_int[]), Sets),
            Op::IntToByte => un!(IntToByte),
            Op::IntToChar => un!(IntToChar),
            Op::WordToInt => un!(Mov),
            Op::Jmp => {
                let back = self.jump_back(i, i.target()?)?;
                (back!(back, oj::jmp[]), Keeps)
            }
            Op::JmpIf => {
                let back = self.jump_back(i, i.target()?)?;
                let acc = self.pick(i.a, None);
                (back_acc2!(back, acc, oj::jmp_if[]), Keeps)
            }
            Op::JmpIfNot => {
                let back = self.jump_back(i, i.target()?)?;
                let acc = self.pick(i.a, None);
                (back_acc2!(back, acc, oj::jmp_if_not[]), Keeps)
            }
            Op::JEq => jcmp!(Eq),
            Op::JNe => jcmp!(Ne),
            Op::JLt => jcmp!(Lt),
            Op::JLe => jcmp!(Le),
            Op::JEqFloat => jfcmp!(Eq),
            Op::JNeFloat => jfcmp!(Ne),
            Op::JLtFloat => jfcmp!(Lt),
            Op::JLeFloat => jfcmp!(Le),
            Op::JNltFloat => jfcmp!(Nlt),
            Op::JNleFloat => jfcmp!(Nle),
            Op::JEqImm => jimm!(Eq),
            Op::JNeImm => jimm!(Ne),
            Op::JLtImm => jimm!(Lt),
            Op::JLeImm => jimm!(Le),
            Op::JGtImm => jimm!(Gt),
            Op::JGeImm => jimm!(Ge),
            Op::JTag | Op::JNotTag => (self.jump_tag(i)?, Keeps),
            Op::JErrIs => {
                let ty = self.t.program.resolve_type(self.f.package, i.b)?;
                let LType::Nominal(n) = self.t.program.ty(ty) else {
                    return None;
                };
                self.word(i).b = u16::try_from(n.0).ok()?;
                let back = self.jump_back(i, i.target()?)?;
                (back!(back, oj::jerr_is[]), Keeps)
            }
            Op::Switch => (self.switch(i)?, Keeps),
            Op::StrConcat => slow!(st::Concat),
            Op::StrConcatN => slow!(st::ConcatN),
            Op::StrLen => (st::str_len, Sets),
            Op::StrByte => (st::str_byte, Calls),
            Op::StrEq => (self.fast_or(i, st::str_eq, slow_op::<st::StrEq>)?, Calls),
            Op::StrCmp => slow!(st::StrCmp),
            Op::ListNew => {
                let elem = self.elem(i.a)?;
                let fast = by_elem!(elem, ol::list_new);
                (self.fast_or(i, fast, slow_by_elem!(elem, New))?, Calls)
            }
            Op::ListOf => (slow_by_elem!(self.elem(i.a)?, Of), Clobbers),
            Op::ListFill => (slow_by_elem!(self.elem(i.a)?, Fill), Clobbers),
            Op::ListLen => (acc2!(one, ol::list_len_op[]), Sets),
            Op::ListGet if self.is_float(i.a) => (acc3!(two, of::list_get[]), SetsFloat),
            Op::ListGet => (by_elem_acc!(self.elem(i.b)?, two, ol::list_get), Sets),
            Op::ListSet if self.is_float(i.c) => {
                let acc = self.pick_float(u16::MAX, Some(i.c));
                (acc3!(acc, of::list_set[]), Keeps)
            }
            Op::ListSet => (by_elem_acc!(self.elem(i.a)?, two, ol::list_set), Keeps),
            Op::ListPush => (by_elem!(self.elem(i.a)?, ol::list_push), Clobbers),
            Op::ListPop => (by_elem!(self.elem(i.b)?, ol::list_pop), Sets),
            Op::ListInsert => (slow_by_elem!(self.elem(i.a)?, Insert), Clobbers),
            Op::ListRemove => (slow_by_elem!(self.elem(i.b)?, Remove), Clobbers),
            Op::ListSwap => (by_elem!(self.elem(i.a)?, ol::list_swap), Keeps),
            Op::ListTruncate => (slow_by_elem!(self.elem(i.a)?, Truncate), Clobbers),
            Op::ListExtend => (slow_by_elem!(self.elem(i.a)?, Extend), Clobbers),
            Op::ListSlice => (slow_by_elem!(self.elem(i.b)?, Slice), Clobbers),
            Op::New => (self.construct(i)?, Calls),
            Op::GetField | Op::GetCap => {
                let layout = self.layout_of(i.b)?;
                let (is_ref, offset) = Self::field(&layout, i.c)?;
                self.word(i).c = offset;
                if self.is_float(i.a) {
                    return Some((acc2!(one, of::get_field[]), SetsFloat));
                }
                let h = if is_ref {
                    acc2!(one, or::get_ref[])
                } else {
                    acc2!(one, or::get_word[])
                };
                (h, Sets)
            }
            Op::SetField => {
                let layout = self.layout_of(i.a)?;
                let (is_ref, offset) = Self::field(&layout, i.b)?;
                self.word(i).b = offset;
                if self.is_float(i.c) {
                    let acc = self.pick_float(u16::MAX, Some(i.c));
                    return Some((acc3!(acc, of::set_field[]), Keeps));
                }
                let acc = match self.acc {
                    Some(r) if r == i.c => SECOND,
                    _ => NONE,
                };
                let h = if is_ref {
                    acc3!(acc, or::set_ref[])
                } else {
                    acc3!(acc, or::set_word[])
                };
                (h, Keeps)
            }
            Op::GetTag => {
                let h: Handler = match self.repr(i.b)? {
                    EnumRepr::Immediate => oj::get_tag::<oj::SelWord>,
                    EnumRepr::Nullable { none: 0, .. } => oj::get_tag::<oj::SelNone0>,
                    EnumRepr::Nullable { .. } => oj::get_tag::<oj::SelNone1>,
                    EnumRepr::Boxed | EnumRepr::Error => oj::get_tag::<oj::SelBoxed>,
                };
                (h, Sets)
            }
            Op::GetPayload => (self.payload(i)?, Sets),
            Op::ErrCast => {
                let LType::Nominal(n) = self.ltype(i.a)? else {
                    return None;
                };
                self.word(i).c = u16::try_from(n.0).ok()?;
                (or::err_cast, Sets)
            }
            Op::MakeFn | Op::MakeBorrowed => {
                let id = self.t.program.resolve_fn(self.f.package, i.b)?;
                let f = self.t.program.function(id)?;
                let layout =
                    jet_bytecode::layout::record(self.t.program, f.captures.iter().copied())?;
                let args: Vec<u16> = i.args(&self.f.code).collect();
                self.build(i, &layout, id.0, 1, &args)?;
                (self.new_handler(i), Calls)
            }
            Op::BindFn => {
                let mut args = vec![i.b];
                args.extend(i.args(&self.f.code));
                // One more operand than the extension words have room for is read from its lane instead.
                self.word(i).l = 0;
                let refs = u32::try_from(args.len()).ok()?;
                if refs > 4095 {
                    return None;
                }
                let header = Header::record(BOUND_FN, 1, refs, 0);
                self.out[i.pc as usize + 1].slot = std::ptr::without_provenance(header.0 as usize);
                slow!(crate::strings::BindFn)
            }
            Op::GetCapture => {
                let layout = self.captures()?;
                let (is_ref, offset) = Self::field(&layout, i.b)?;
                self.word(i).c = offset;
                let h: Handler = if is_ref {
                    or::capture_ref
                } else {
                    or::capture_word
                };
                (h, Sets)
            }
            Op::Call => {
                let id = self.t.program.resolve_fn(self.f.package, i.b)?;
                let entry = *self.t.starts.get(id.index())?;
                let here = self.t.starts[self.id.index()] + i.pc;
                self.link(i);
                self.word(i).set_wide(entry as i32 - here as i32);
                let h: Handler = match (i.c, self.t.counts) {
                    (0, false) => oc::call::<0, false>,
                    (1, false) => oc::call::<1, false>,
                    (2, false) => oc::call::<2, false>,
                    (3, false) => oc::call::<3, false>,
                    (4, false) => oc::call::<4, false>,
                    (_, false) => oc::call_many::<false>,
                    (0, true) => oc::call::<0, true>,
                    (1, true) => oc::call::<1, true>,
                    (2, true) => oc::call::<2, true>,
                    (3, true) => oc::call::<3, true>,
                    (4, true) => oc::call::<4, true>,
                    (_, true) => oc::call_many::<true>,
                };
                (self.charged(i, h)?, Calls)
            }
            Op::CallFn => {
                self.link(i);
                let h = by_count!(i.c, self.t.counts, oc::call_fn);
                (self.charged(i, h)?, Calls)
            }
            Op::CallDyn => return None,
            Op::CapCall => {
                self.link(i);
                let index = self.cap_site(i)?;
                self.word(i).b = index;
                (self.charged(i, crate::capability::cap_call)?, Clobbers)
            }
            Op::OnError => {
                let back = self.jump_back(i, i.target()?)?;
                // Skipped on the value edge, where the accumulator is the call's.
                (back!(back, oc::on_error[]), Keeps)
            }
            Op::Ret => {
                let acc = self.pick(i.a, None);
                let h = acc2!(acc, oc::ret[]);
                (self.charged(i, h)?, Clobbers)
            }
            Op::Raise => (self.charged(i, oc::raise)?, Clobbers),
            Op::Panic => slow!(st::Panic),
            Op::Trap => (or::always_fault, Clobbers),
            Op::MakeDyn | Op::Recap => un!(Mov),
            Op::AsCap => {
                // An enum's value may be no object of its own: it gets one, tagged with its type.
                match self.ltype(i.b)? {
                    LType::Nominal(n) if enum_repr(self.t.program, *n).is_some() => {
                        let id = u16::try_from(n.0).ok()?;
                        let is_ref = reg_kind(self.t.program, self.ty(i.b)?) == RegKind::Ref;
                        let word = self.word(i);
                        word.c = id;
                        word.l = u16::from(is_ref);
                        slow!(crate::capability::BoxCap)
                    }
                    _ => un!(Mov),
                }
            }
            Op::EndCap => slow!(crate::given::EndCap),
            Op::NewAtt => {
                let LType::Nominal(n) = self.ltype(i.a)? else {
                    return None;
                };
                let layout = self.layout_of(i.a)?;
                let args: Vec<u16> = i.args(&self.f.code).collect();
                self.build(i, &layout, n.0, 0, &args)?;
                slow!(crate::deepcopy::NewAtt)
            }
            Op::DeepCopy => {
                let ty = self.ty(i.b)?;
                let copies = reg_kind(self.t.program, ty) == RegKind::Ref
                    && *self.t.copied.get(ty.index())?;
                self.word(i).l = u16::from(copies);
                slow!(crate::deepcopy::DeepCopy)
            }
            Op::HashWord => {
                let float = reg_kind(self.t.program, self.ty(i.b)?) == RegKind::Float;
                let h: Handler = if float { of::hash_float } else { on::hash_word };
                (h, Sets)
            }
            Op::HashStr => (
                self.fast_or(i, st::hash_str, slow_op::<st::HashStr>)?,
                Calls,
            ),
            Op::HashMix => bin!(HashMix),
            Op::Builtin => match crate::builtins::handler_of(i.b)? {
                (handler, true) => (self.charged(i, handler)?, Calls),
                (handler, false) => (handler, Clobbers),
            },
        })
    }
}
