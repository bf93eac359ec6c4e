//! The opcode table: the single source for the enum, codec, disassembler, verifier, interpreter,
//! recorder and the opcode reference.
//!
//! An instruction is one 64-bit word of four 16-bit lanes: opcode, `a`, `b`, `c` (opcode lowest).
//! Operand notation, one entry a lane:
//!
//! - `w T` writes and `r T` reads a register of type class `T` (see [`Class`]),
//! - `imm` a signed 16-bit immediate, `idx` an unsigned 16-bit index that the typing rule explains,
//! - `imm32` a signed 32-bit immediate over lanes `b` and `c` (`b` low), `k32` a constant index,
//! - `j16` and `j32` a jump offset in words, relative to this instruction,
//! - `n` the number of argument registers, which follow in `max(1, ceil(n / 4))` extension words of
//!   four registers each (unused lanes zero); for `switch`, `n` jump offsets follow, two a word,
//! - `_` an unused lane, always zero.
//!
//! `simple` rows are typed by their classes alone; `special` rows have a rule of their own in the
//! verifier. Effect classes are what an optimiser may assume; see [`Effect`].

/// Applies macro `$m` to every row of the table. A row is
/// `Variant "mnemonic" [lane, lane, lane] effect rule "doc";`.
#[macro_export]
macro_rules! for_each_op {
    ($m:ident) => {
        $m! {
            // Moves and constants.
            Mov "mov" [w Any, r Any, _] pure special "a = b; same type, or an error or error set into a larger set";
            ConstImm "const_imm" [w Any, imm32] pure special "a = immediate: int, bool, byte, char, unit, or the variant index of an enum without payloads";
            LoadConst "load_const" [w Any, k32] pure special "a = constant of the pool";
            // Integers.
            AddInt "add_int" [w Int, r Int, r Int] guard simple "a = b + c, traps on overflow";
            SubInt "sub_int" [w Int, r Int, r Int] guard simple "a = b - c, traps on overflow";
            MulInt "mul_int" [w Int, r Int, r Int] guard simple "a = b * c, traps on overflow";
            DivInt "div_int" [w Int, r Int, r Int] guard simple "a = b / c truncated, traps on zero and overflow";
            RemInt "rem_int" [w Int, r Int, r Int] guard simple "a = b % c with the sign of b, traps on zero and overflow";
            PowInt "pow_int" [w Int, r Int, r Int] guard simple "a = b ** c, traps on overflow and negative c";
            AddWrap "add_wrap" [w Int, r Int, r Int] pure simple "a = b + c modulo 2^64";
            SubWrap "sub_wrap" [w Int, r Int, r Int] pure simple "a = b - c modulo 2^64";
            MulWrap "mul_wrap" [w Int, r Int, r Int] pure simple "a = b * c modulo 2^64";
            AndInt "and_int" [w Int, r Int, r Int] pure simple "a = b & c";
            OrInt "or_int" [w Int, r Int, r Int] pure simple "a = b | c";
            XorInt "xor_int" [w Int, r Int, r Int] pure simple "a = b ^ c";
            Shl "shl" [w Int, r Int, r Int] guard simple "a = b << c, traps unless 0 <= c < 64";
            Shr "shr" [w Int, r Int, r Int] guard simple "a = b >> c arithmetic, traps unless 0 <= c < 64";
            Ushr "ushr" [w Int, r Int, r Int] guard simple "a = b >>> c logical, traps unless 0 <= c < 64";
            NegInt "neg_int" [w Int, r Int, _] guard simple "a = -b, traps on overflow";
            NotInt "not_int" [w Int, r Int, _] pure simple "a = ~b";
            AddImm "add_imm" [w Int, r Int, imm] guard simple "a = b + immediate, traps on overflow";
            // Comparisons to bool. `Word` operands of one instruction have one type.
            EqWord "eq_word" [w Bool, r Word, r Word] pure special "a = b == c, bit for bit";
            NeWord "ne_word" [w Bool, r Word, r Word] pure special "a = b != c, bit for bit";
            LtWord "lt_word" [w Bool, r Word, r Word] pure special "a = b < c, signed";
            LeWord "le_word" [w Bool, r Word, r Word] pure special "a = b <= c, signed";
            EqFloat "eq_float" [w Bool, r Float, r Float] pure simple "a = b == c (IEEE)";
            NeFloat "ne_float" [w Bool, r Float, r Float] pure simple "a = b != c (IEEE)";
            LtFloat "lt_float" [w Bool, r Float, r Float] pure simple "a = b < c (IEEE)";
            LeFloat "le_float" [w Bool, r Float, r Float] pure simple "a = b <= c (IEEE)";
            CmpFloat "cmp_float" [w Int, r Float, r Float] pure simple "a = -1, 0 or 1 by IEEE total order";
            EqRef "eq_ref" [w Bool, r Ref, r Ref] pure special "a = b and c are the same object";
            NotBool "not_bool" [w Bool, r Bool, _] pure simple "a = not b";
            // Floats.
            AddFloat "add_float" [w Float, r Float, r Float] pure simple "a = b + c";
            SubFloat "sub_float" [w Float, r Float, r Float] pure simple "a = b - c";
            MulFloat "mul_float" [w Float, r Float, r Float] pure simple "a = b * c";
            DivFloat "div_float" [w Float, r Float, r Float] pure simple "a = b / c";
            RemFloat "rem_float" [w Float, r Float, r Float] pure simple "a = b % c with the sign of b";
            PowFloat "pow_float" [w Float, r Float, r Float] pure simple "a = b ** c";
            NegFloat "neg_float" [w Float, r Float, _] pure simple "a = -b";
            SqrtFloat "sqrt_float" [w Float, r Float, _] pure simple "a = square root of b";
            // Conversions.
            IntToFloat "int_to_float" [w Float, r Int, _] pure simple "a = nearest float to b";
            FloatToInt "float_to_int" [w Int, r Float, _] guard simple "a = b truncated, traps when out of range or NaN";
            IntToByte "int_to_byte" [w Byte, r Int, _] guard simple "a = b, traps unless 0 <= b < 256";
            IntToChar "int_to_char" [w Char, r Int, _] guard simple "a = b, traps unless a Unicode scalar value";
            WordToInt "word_to_int" [w Int, r Word, _] pure simple "a = b widened: bool, byte, char, enum without payloads";
            // Jumps. A backward jump is a fuel charge point.
            Jmp "jmp" [_, j32] jump special "jump";
            JmpIf "jmp_if" [r Bool, j32] jump special "jump if a";
            JmpIfNot "jmp_if_not" [r Bool, j32] jump special "jump unless a";
            JEq "jeq" [r Word, r Word, j16] jump special "jump if a == b";
            JNe "jne" [r Word, r Word, j16] jump special "jump if a != b";
            JLt "jlt" [r Word, r Word, j16] jump special "jump if a < b, signed";
            JLe "jle" [r Word, r Word, j16] jump special "jump if a <= b, signed";
            JEqImm "jeq_imm" [r Word, imm, j16] jump special "jump if a == immediate";
            JNeImm "jne_imm" [r Word, imm, j16] jump special "jump if a != immediate";
            JLtImm "jlt_imm" [r Word, imm, j16] jump special "jump if a < immediate";
            JLeImm "jle_imm" [r Word, imm, j16] jump special "jump if a <= immediate";
            JGtImm "jgt_imm" [r Word, imm, j16] jump special "jump if a > immediate";
            JGeImm "jge_imm" [r Word, imm, j16] jump special "jump if a >= immediate";
            JEqFloat "jeq_float" [r Float, r Float, j16] jump special "jump if a == b";
            JNeFloat "jne_float" [r Float, r Float, j16] jump special "jump if a != b";
            JLtFloat "jlt_float" [r Float, r Float, j16] jump special "jump if a < b";
            JLeFloat "jle_float" [r Float, r Float, j16] jump special "jump if a <= b";
            JNltFloat "jnlt_float" [r Float, r Float, j16] jump special "jump unless a < b (so also on NaN)";
            JNleFloat "jnle_float" [r Float, r Float, j16] jump special "jump unless a <= b (so also on NaN)";
            JTag "jtag" [r Enum, idx, j16] jump special "jump if a is the variant of that index";
            JNotTag "jnot_tag" [r Enum, idx, j16] jump special "jump unless a is the variant of that index";
            JErrIs "jerr_is" [r ErrorSet, idx, j16] jump special "jump if a belongs to the error type with that type index";
            Switch "switch" [r Any, n, _] jump special "jump by value (int) or variant index (enum) a in 0..n, fall through above and below";
            // Strings.
            StrConcat "str_concat" [w Str, r Str, r Str] alloc simple "a = b followed by c";
            StrConcatN "str_concat_n" [w Str, _, n] alloc special "a = all arguments, strings, in order";
            StrLen "str_len" [w Int, r Str, _] read simple "a = length of b in bytes";
            StrByte "str_byte" [w Int, r Str, r Int] alloc simple "a = byte c of b, traps out of bounds";
            StrEq "str_eq" [w Bool, r Str, r Str] alloc simple "a = b == c";
            StrCmp "str_cmp" [w Int, r Str, r Str] alloc simple "a = -1, 0 or 1 by byte order";
            // Lists.
            ListNew "list_new" [w List, r Int, _] alloc special "a = empty list with room for b elements";
            ListOf "list_of" [w List, _, n] alloc special "a = list of the arguments";
            ListFill "list_fill" [w List, r Int, r Any] alloc special "a = list of b times c, traps if b < 0";
            ListLen "list_len" [w Int, r List, _] read special "a = length of b";
            ListGet "list_get" [w Any, r List, r Int] guard special "a = b[c], traps out of bounds";
            ListSet "list_set" [r List, r Int, r Any] write special "a[b] = c, traps out of bounds";
            ListPush "list_push" [r List, r Any, _] alloc special "append b to a";
            ListPop "list_pop" [w Any, r List, _] write special "a = last element of b, removed; traps if empty";
            ListInsert "list_insert" [r List, r Int, r Any] alloc special "insert c at index b of a, traps unless 0 <= b <= len";
            ListRemove "list_remove" [w Any, r List, r Int] write special "a = element c of b, removed; traps out of bounds";
            ListSwap "list_swap" [r List, r Int, r Int] write special "exchange elements b and c of a, traps out of bounds";
            ListTruncate "list_truncate" [r List, r Int, _] write special "drop all but the first b elements of a, traps if b < 0";
            ListExtend "list_extend" [r List, r List, _] alloc special "append all elements of b to a";
            ListSlice "list_slice" [w List, r List, n] alloc special "a = copy of b[x..y] with two int arguments x, y; traps out of bounds";
            // Records: structs, tuples, enum variants.
            New "new" [w Any, idx, n] alloc special "a = new struct, tuple (index 0) or enum variant (index b) of the arguments";
            GetField "get_field" [w Any, r Any, idx] read special "a = field c of struct, tuple or attenuator b (data fields)";
            SetField "set_field" [r Any, idx, r Any] write special "field b of struct or attenuator a = c; the field is mutable";
            GetTag "get_tag" [w Int, r Enum, _] read special "a = variant index of b";
            GetPayload "get_payload" [w Any, r Enum, idx] guard special "a = payload of b; c = variant * 256 + field; traps if b is another variant";
            ErrCast "err_cast" [w Enum, r ErrorSet, _] guard special "a = b narrowed to one error type, traps if it is another";
            // Functions.
            MakeFn "make_fn" [w Fn, idx, n] alloc special "a = storable function b with data captures";
            MakeBorrowed "make_borrowed" [w BorrowedFn, idx, n] alloc special "a = borrowed function b with captures of any kind";
            BindFn "bind_fn" [w BorrowedFn, r Fn, n] alloc special "a = storable function b with its capabilities bound";
            GetCapture "get_capture" [w Any, idx, _] read special "a = capture b of the running function literal";
            Call "call" [w Any, idx, n] call special "a = function b of (hidden capabilities, arguments); `on_error` follows if it can fail";
            CallFn "call_fn" [w Any, r AnyFn, n] call special "a = call of storable function b (capabilities that it uses, then arguments) or borrowed function b (arguments)";
            CallDyn "call_dyn" [w Any, idx, n] call special "a = trait method b; arguments in the callee's register order: hidden capabilities, the dynamic object, the rest";
            CapCall "cap_call" [w Any, idx, n] suspend special "a = capability method b; arguments: the capability, then the method's";
            OnError "on_error" [w Any, j32] jump special "error edge of the preceding call: a = the error, jump";
            Ret "ret" [r Any, _, _] jump special "return a on the value edge";
            Raise "raise" [r Any, _, _] jump special "return a on the error edge";
            Panic "panic" [r Str, _, _] jump special "trap with message a";
            Trap "trap" [idx, _, _] jump special "trap of the kind with that index";
            // Objects and authority.
            MakeDyn "make_dyn" [w Dyn, r Any, _] pure special "a = struct b as dynamic object, by an implementation record";
            NewAtt "new_att" [w Att, _, n] alloc special "a = attenuator of the arguments; mutable data is copied deep";
            GetCap "get_cap" [w Any, r Att, idx] read special "a = capability or attenuator field c of receiver b";
            AsCap "as_cap" [w Cap, r Any, _] alloc special "a = attenuator or data value b as capability, by an implementation record";
            Recap "recap" [w Cap, r Cap, _] pure special "a = capability b under a declared relation (child to parent, or a parent that added no method)";
            EndCap "end_cap" [r Cap, _, _] call simple "close what the attenuator behind capability a gave out; its `with` ends";
            // Hashing, seeded per instance.
            HashWord "hash_word" [w Int, r Any, _] pure special "a = hash of scalar b";
            HashStr "hash_str" [w Int, r Str, _] alloc simple "a = hash of string b";
            HashMix "hash_mix" [w Int, r Int, r Int] pure simple "a = combination of hashes b and c";
            // Copies.
            DeepCopy "deep_copy" [w Any, r Any, _] alloc special "a = data b with everything changeable in it copied; same type; charges by work";
            // Everything else that needs no authority.
            Builtin "builtin" [w Any, idx, n] call special "a = builtin function b of the arguments; charges by work";
        }
    };
}

/// Type class that an operand register must belong to. `Any` leaves the check to the typing rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Left to the rule.
    Any,
    /// `int`.
    Int,
    /// `float`.
    Float,
    /// `bool`.
    Bool,
    /// `byte`.
    Byte,
    /// `char`.
    Char,
    /// One of int, bool, byte, char, or an enum without payloads.
    Word,
    /// `string`.
    Str,
    /// A list.
    List,
    /// Any data type that is a reference with identity: list, struct, dynamic object.
    Ref,
    /// An enum, options and results included.
    Enum,
    /// An error set.
    ErrorSet,
    /// A storable function.
    Fn,
    /// A borrowed function.
    BorrowedFn,
    /// Either kind of function.
    AnyFn,
    /// A dynamic object.
    Dyn,
    /// An attenuator.
    Att,
    /// A capability.
    Cap,
}

/// What an instruction may do besides writing its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: depends on its operands alone.
    Pure,
    /// Reads the heap.
    Read,
    /// Writes the heap (and may trap).
    Write,
    /// Allocates, so it is a safepoint (and may trap).
    Alloc,
    /// Pure or reading, but may trap.
    Guard,
    /// Transfers control within the function or out of it.
    Jump,
    /// Runs other code: a safepoint.
    Call,
    /// May suspend the task: a safepoint and a capability call.
    Suspend,
}

/// One lane of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Always zero.
    Unused,
    /// Register written.
    Write(Class),
    /// Register read.
    Read(Class),
    /// Signed 16-bit immediate.
    Imm16,
    /// Unsigned 16-bit index.
    Index,
    /// Number of extension operands.
    Count,
    /// Jump offset in this lane.
    Jump16,
    /// First half of a 32-bit immediate.
    Imm32,
    /// First half of a constant index.
    Const32,
    /// First half of a 32-bit jump offset.
    Jump32,
    /// Second half of a 32-bit operand.
    High,
}

/// What decoding needs of a row, in four bytes: which lanes are registers, counts and jumps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    op: Op,
    bits: u8,
}

impl Shape {
    const READS_A: u8 = 1;
    const READS_B: u8 = 2;
    const READS_C: u8 = 4;
    const WRITES_A: u8 = 8;
    const COUNT_B: u8 = 16;
    const COUNT_C: u8 = 32;
    const JUMP16: u8 = 64;
    const JUMP32: u8 = 128;

    /// Writes stand in lane `a`, counts in `b` or `c`, 16-bit jumps in `c`, 32-bit jumps from `b` on (a test
    /// compares this with the table).
    const fn new(op: Op, lanes: [Lane; 3]) -> Shape {
        let [a, b, c] = lanes;
        let bits = match a {
            Lane::Read(_) => Self::READS_A,
            Lane::Write(_) => Self::WRITES_A,
            _ => 0,
        } | match b {
            Lane::Read(_) => Self::READS_B,
            Lane::Count => Self::COUNT_B,
            Lane::Jump32 => Self::JUMP32,
            _ => 0,
        } | match c {
            Lane::Read(_) => Self::READS_C,
            Lane::Count => Self::COUNT_C,
            Lane::Jump16 => Self::JUMP16,
            _ => 0,
        };
        Shape { op, bits }
    }

    #[inline]
    fn has(self, bit: u8) -> bool {
        self.bits & bit != 0
    }

    /// Whether lanes `a`, `b`, `c` are registers that are read.
    #[inline]
    pub(crate) fn reads(self) -> [bool; 3] {
        [
            self.has(Self::READS_A),
            self.has(Self::READS_B),
            self.has(Self::READS_C),
        ]
    }

    /// Whether lane `a` is a register that is written.
    #[inline]
    pub(crate) fn writes(self) -> bool {
        self.has(Self::WRITES_A)
    }

    /// The number of extension operands out of lanes `b` and `c`.
    #[inline]
    pub(crate) fn count(self, b: u16, c: u16) -> Option<u16> {
        if self.has(Self::COUNT_C) {
            Some(c)
        } else if self.has(Self::COUNT_B) {
            Some(b)
        } else {
            None
        }
    }

    /// Whether lane `c` is a jump offset.
    #[inline]
    pub(crate) fn jump16(self) -> bool {
        self.has(Self::JUMP16)
    }

    /// Whether lanes `b` and `c` are a jump offset.
    #[inline]
    pub(crate) fn jump32(self) -> bool {
        self.has(Self::JUMP32)
    }
}

/// A row of the opcode table.
#[derive(Clone, Copy, Debug)]
pub struct OpInfo {
    /// The opcode.
    pub op: Op,
    /// Name in assembly text.
    pub mnemonic: &'static str,
    /// Operands `a`, `b`, `c`.
    pub lanes: [Lane; 3],
    /// Effect class.
    pub effect: Effect,
    /// Whether the verifier has a rule beyond the operand classes.
    pub special: bool,
    /// One line for the opcode reference.
    pub doc: &'static str,
}

macro_rules! lanes {
    ($($t:tt)*) => { lanes_munch!([] $($t)*) };
}
macro_rules! lanes_munch {
    ([$($acc:expr),*]) => { [$($acc),*] };
    ([$($acc:expr),*] , $($rest:tt)*) => { lanes_munch!([$($acc),*] $($rest)*) };
    ([$($acc:expr),*] w $c:ident $($rest:tt)*) => { lanes_munch!([$($acc,)* Lane::Write(Class::$c)] $($rest)*) };
    ([$($acc:expr),*] r $c:ident $($rest:tt)*) => { lanes_munch!([$($acc,)* Lane::Read(Class::$c)] $($rest)*) };
    ([$($acc:expr),*] imm32 $($rest:tt)*) => { lanes_munch!([$($acc,)* Lane::Imm32, Lane::High] $($rest)*) };
    ([$($acc:expr),*] k32 $($rest:tt)*) => { lanes_munch!([$($acc,)* Lane::Const32, Lane::High] $($rest)*) };
    ([$($acc:expr),*] j32 $($rest:tt)*) => { lanes_munch!([$($acc,)* Lane::Jump32, Lane::High] $($rest)*) };
    ([$($acc:expr),*] j16 $($rest:tt)*) => { lanes_munch!([$($acc,)* Lane::Jump16] $($rest)*) };
    ([$($acc:expr),*] imm $($rest:tt)*) => { lanes_munch!([$($acc,)* Lane::Imm16] $($rest)*) };
    ([$($acc:expr),*] idx $($rest:tt)*) => { lanes_munch!([$($acc,)* Lane::Index] $($rest)*) };
    ([$($acc:expr),*] n $($rest:tt)*) => { lanes_munch!([$($acc,)* Lane::Count] $($rest)*) };
    ([$($acc:expr),*] _ $($rest:tt)*) => { lanes_munch!([$($acc,)* Lane::Unused] $($rest)*) };
}
macro_rules! effect {
    (pure) => {
        Effect::Pure
    };
    (read) => {
        Effect::Read
    };
    (write) => {
        Effect::Write
    };
    (alloc) => {
        Effect::Alloc
    };
    (guard) => {
        Effect::Guard
    };
    (jump) => {
        Effect::Jump
    };
    (call) => {
        Effect::Call
    };
    (suspend) => {
        Effect::Suspend
    };
}
macro_rules! is_special {
    (special) => {
        true
    };
    (simple) => {
        false
    };
}

macro_rules! define_ops {
    ($($name:ident $mn:literal [$($lane:tt)*] $eff:ident $rule:ident $doc:literal;)*) => {
        /// An opcode. Its number is its place in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Op { $(#[doc = $doc] $name,)* }

        /// The table, in opcode order.
        pub const OPS: &[OpInfo] = &[$(OpInfo {
            op: Op::$name,
            mnemonic: $mn,
            lanes: lanes!($($lane)*),
            effect: effect!($eff),
            special: is_special!($rule),
            doc: $doc,
        },)*];

        /// Shapes, in opcode order.
        const SHAPES: &[Shape] = &[$(Shape::new(Op::$name, lanes!($($lane)*)),)*];

        impl Op {
            /// The opcode with this number.
            #[inline]
            pub fn from_u16(n: u16) -> Option<Op> {
                SHAPES.get(usize::from(n)).map(|shape| shape.op)
            }

            /// The opcode's shape.
            #[inline]
            pub(crate) fn shape(self) -> Shape {
                // Every opcode has its place in the table.
                let none = Shape { op: self, bits: 0 };
                SHAPES.get(self as usize).copied().unwrap_or(none)
            }

            /// The opcode's row.
            pub fn info(self) -> &'static OpInfo {
                match self { $(Op::$name => {
                    const ROW: OpInfo = OpInfo {
                        op: Op::$name,
                        mnemonic: $mn,
                        lanes: lanes!($($lane)*),
                        effect: effect!($eff),
                        special: is_special!($rule),
                        doc: $doc,
                    };
                    &ROW
                })* }
            }
        }
    };
}
for_each_op!(define_ops);

/// One instruction word, or an extension word, as stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Word(pub u64);

impl Word {
    /// Builds an instruction from three 16-bit lanes.
    pub fn abc(op: Op, a: u16, b: u16, c: u16) -> Word {
        Word::lanes([op as u16, a, b, c])
    }

    /// Builds an instruction with a 32-bit operand over lanes `b` and `c`.
    pub fn a32(op: Op, a: u16, imm: u32) -> Word {
        Word(u64::from(op as u16) | u64::from(a) << 16 | u64::from(imm) << 32)
    }

    /// Builds a word from its four lanes, lowest first.
    pub fn lanes(l: [u16; 4]) -> Word {
        let [p, a, b, c] = l;
        Word(u64::from(p) | u64::from(a) << 16 | u64::from(b) << 32 | u64::from(c) << 48)
    }

    /// The four lanes, lowest first.
    pub fn split(self) -> [u16; 4] {
        [
            self.0 as u16,
            (self.0 >> 16) as u16,
            (self.0 >> 32) as u16,
            (self.0 >> 48) as u16,
        ]
    }

    /// The opcode, if the number is one.
    pub fn op(self) -> Option<Op> {
        Op::from_u16(self.0 as u16)
    }

    /// Lane `a`.
    pub fn a(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Lane `b`.
    pub fn b(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// Lane `c`.
    pub fn c(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// Lanes `b` and `c` as one signed operand.
    pub fn imm32(self) -> i32 {
        (self.0 >> 32) as i32
    }
}

/// Number of extension words behind an instruction with `n` argument registers.
pub fn arg_words(n: u16) -> usize {
    usize::from(n).div_ceil(4).max(1)
}

/// Number of extension words behind a `switch` with `n` targets.
pub fn switch_words(n: u16) -> usize {
    usize::from(n).div_ceil(2).max(1)
}

/// Kinds of trap that the `trap` instruction names by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum TrapKind {
    /// Integer overflow.
    Overflow,
    /// Division by zero.
    ZeroDivide,
    /// Index outside a list or string, or off a character boundary.
    Bounds,
    /// Shift amount outside 0..63.
    Shift,
    /// Conversion out of range.
    Conversion,
    /// Key not in the map.
    MissingKey,
    /// `panic` or a failed `assert`.
    Panic,
    /// Another variant than the instruction claims.
    Variant,
    /// Call depth or stack size limit.
    Depth,
    /// Fuel used up.
    Fuel,
    /// Heap limit.
    Memory,
    /// Wall-clock limit.
    Time,
    /// Output limit.
    Output,
    /// Handle limit.
    Handles,
    /// Cancelled by its owner or the user.
    Cancelled,
    /// A grant was revoked.
    Revoked,
    /// A handle that another binding gave out, or that is closed.
    Handle,
    /// A collection changed while it was iterated.
    Changed,
    /// A value that no program should reach.
    Unreachable,
}

impl TrapKind {
    /// All kinds, in index order.
    pub const ALL: &'static [TrapKind] = &[
        TrapKind::Overflow,
        TrapKind::ZeroDivide,
        TrapKind::Bounds,
        TrapKind::Shift,
        TrapKind::Conversion,
        TrapKind::MissingKey,
        TrapKind::Panic,
        TrapKind::Variant,
        TrapKind::Depth,
        TrapKind::Fuel,
        TrapKind::Memory,
        TrapKind::Time,
        TrapKind::Output,
        TrapKind::Handles,
        TrapKind::Cancelled,
        TrapKind::Revoked,
        TrapKind::Handle,
        TrapKind::Changed,
        TrapKind::Unreachable,
    ];

    /// The kind with this index.
    pub fn from_u16(n: u16) -> Option<TrapKind> {
        Self::ALL.get(usize::from(n)).copied()
    }

    /// What messages and machines call it.
    pub const fn name(self) -> &'static str {
        match self {
            TrapKind::Overflow => "overflow",
            TrapKind::ZeroDivide => "zero_divide",
            TrapKind::Bounds => "bounds",
            TrapKind::Shift => "shift",
            TrapKind::Conversion => "conversion",
            TrapKind::MissingKey => "missing_key",
            TrapKind::Panic => "panic",
            TrapKind::Variant => "variant",
            TrapKind::Depth => "depth",
            TrapKind::Fuel => "fuel",
            TrapKind::Memory => "memory",
            TrapKind::Time => "time",
            TrapKind::Output => "output",
            TrapKind::Handles => "handles",
            TrapKind::Cancelled => "cancelled",
            TrapKind::Revoked => "revoked",
            TrapKind::Handle => "handle",
            TrapKind::Changed => "changed",
            TrapKind::Unreachable => "unreachable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_agree_with_the_table() {
        for row in OPS {
            let shape = row.op.shape();
            assert_eq!(shape.op, row.op);
            let is = |i: usize, lane: Lane| row.lanes[i] == lane;
            let read = |i: usize| matches!(row.lanes[i], Lane::Read(_));
            assert_eq!(shape.reads(), [read(0), read(1), read(2)], "{row:?}");
            let write = row.lanes.map(|l| matches!(l, Lane::Write(_)));
            assert_eq!(write, [shape.writes(), false, false], "{row:?}");
            let counts = row.lanes.map(|l| l == Lane::Count);
            let expected = match shape.count(1, 2) {
                None => [false; 3],
                Some(n) => [false, n == 1, n == 2],
            };
            assert_eq!(counts, expected, "{row:?}");
            let short = row.lanes.map(|l| l == Lane::Jump16);
            assert_eq!(short, [false, false, shape.jump16()], "{row:?}");
            let long = row.lanes.map(|l| l == Lane::Jump32);
            assert_eq!(long, [false, shape.jump32(), false], "{row:?}");
            assert!(!shape.jump32() || is(2, Lane::High), "{row:?}");
        }
    }
}
