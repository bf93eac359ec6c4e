//! The trace IR: blocks of operations in SSA form, with block parameters, between bytecode and machine code.
//!
//! Values are 64-bit words (`I`: integers, booleans, references) or floats (`F`). An operation that may fail
//! names an [`Exit`]: where the interpreter goes on, before which instruction, with which values in which
//! slots of the VM frames. What must stay true: definitions dominate uses (uses in exits too); a reference
//! is not used after a safepoint, but for what was reloaded after it; slots that an exit does not list hold
//! the value of their register already.

use jet_bytecode::linked::TypeId;
use jet_vm::plug::Left;

use crate::Abort;

/// A value: index into [`Graph::ops`].
pub type Val = u32;
/// Index into [`Graph::blocks`].
pub type BlockId = usize;
/// Index into [`Graph::exits`].
pub type ExitId = usize;

/// Type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ty {
    /// Word.
    I,
    /// Float.
    F,
    /// No value.
    None,
}

/// Integer operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bin {
    /// Wrapping.
    Add,
    /// Wrapping.
    Sub,
    /// Wrapping.
    Mul,
    /// Neither zero nor overflow can happen.
    Div,
    /// Neither zero nor overflow can happen.
    Rem,
    /// Bits.
    And,
    /// Bits.
    Or,
    /// Bits.
    Xor,
    /// Amount below 64.
    Shl,
    /// Amount below 64, arithmetic.
    Shr,
    /// Amount below 64, logical.
    Ushr,
    /// High half of the unsigned product.
    MulHigh,
    /// Rotation to the left.
    Rotl,
}

/// Float operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FBin {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`, by a helper.
    Rem,
    /// `**`, by a helper.
    Pow,
}

/// Condition on two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cc {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less, signed.
    Lt,
    /// Less or equal, signed.
    Le,
    /// Greater, signed.
    Gt,
    /// Greater or equal, signed.
    Ge,
    /// Less, unsigned.
    Ult,
    /// Greater or equal, unsigned.
    Uge,
}

impl Cc {
    /// The opposite.
    #[must_use]
    pub fn negate(self) -> Cc {
        match self {
            Cc::Eq => Cc::Ne,
            Cc::Ne => Cc::Eq,
            Cc::Lt => Cc::Ge,
            Cc::Le => Cc::Gt,
            Cc::Gt => Cc::Le,
            Cc::Ge => Cc::Lt,
            Cc::Ult => Cc::Uge,
            Cc::Uge => Cc::Ult,
        }
    }

    /// The condition on exchanged operands, if it has a name here.
    #[must_use]
    pub fn swap(self) -> Option<Cc> {
        Some(match self {
            Cc::Eq | Cc::Ne => self,
            Cc::Lt => Cc::Gt,
            Cc::Le => Cc::Ge,
            Cc::Gt => Cc::Lt,
            Cc::Ge => Cc::Le,
            Cc::Ult | Cc::Uge => return None,
        })
    }

    /// Its value on constants.
    #[must_use]
    pub fn eval(self, x: i64, y: i64) -> bool {
        match self {
            Cc::Eq => x == y,
            Cc::Ne => x != y,
            Cc::Lt => x < y,
            Cc::Le => x <= y,
            Cc::Gt => x > y,
            Cc::Ge => x >= y,
            Cc::Ult => (x as u64) < y as u64,
            Cc::Uge => x as u64 >= y as u64,
        }
    }
}

/// Condition on two floats; false on NaN but for the last three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FCc {
    /// Equal.
    Eq,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Not equal, or NaN.
    Ne,
    /// Not less, or NaN.
    Nlt,
    /// Not less or equal, or NaN.
    Nle,
}

impl FCc {
    /// The opposite.
    #[must_use]
    pub fn negate(self) -> FCc {
        match self {
            FCc::Eq => FCc::Ne,
            FCc::Ne => FCc::Eq,
            FCc::Lt => FCc::Nlt,
            FCc::Nlt => FCc::Lt,
            FCc::Le => FCc::Nle,
            FCc::Nle => FCc::Le,
        }
    }
}

/// What is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// Byte.
    U8,
    /// Four bytes; a reference, a char, a length.
    U32,
    /// Word.
    I64,
    /// Float.
    F64,
}

impl Width {
    /// Type of the value.
    #[must_use]
    pub fn ty(self) -> Ty {
        if self == Width::F64 { Ty::F } else { Ty::I }
    }

    /// Logarithm of the size.
    #[must_use]
    pub fn shift(self) -> i64 {
        match self {
            Width::U8 => 0,
            Width::U32 => 2,
            Width::I64 | Width::F64 => 3,
        }
    }
}

/// What a memory access may meet: accesses of different classes never touch the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alias {
    /// Never written after it was created: headers, captures, payloads, strings.
    Fixed,
    /// The same, of objects that a register of their type always holds.
    Final,
    /// Length of lists of a type.
    Len(TypeId),
    /// Backing arrays of lists of a type.
    Data(TypeId),
    /// Elements of lists of a type.
    Elem(TypeId),
    /// Field of a record type, by offset.
    Field(TypeId, u32),
    /// Constants of the pool that are references: moved by collections.
    Pool,
}

/// What a check has shown of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    /// It is not the immediate of `none`: an object of the payload's type.
    Some,
    /// It is an error of this type.
    Error(u32),
    /// Its call leads to this function, whose first register it is if it has one for it.
    Calls(u32),
    /// It binds a storable function and capabilities.
    Bound,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Parameter of a block.
    Param(Ty),
    /// Integer constant.
    Const(i64),
    /// Float constant, by its bits.
    FConst(u64),
    /// Register's slot of the VM frame: words from the root's register 0.
    Slot(u32, Ty),
    /// Stores to a slot.
    SetSlot(u32, Val),
    /// Stores a constant to a slot: frame headers, which may lie below the root's register 0.
    SetHeader(i32, u64),
    /// Integer operation.
    Bin(Bin, Val, Val),
    /// `Add`, `Sub` or `Mul` that leaves on overflow.
    Checked(Bin, Val, Val, ExitId),
    /// Float operation.
    FBin(FBin, Val, Val),
    /// `-x`
    FNeg(Val),
    /// Square root.
    FSqrt(Val),
    /// Floor, ceiling, truncation.
    FRound(Round, Val),
    /// Nearest float.
    ToFloat(Val),
    /// Truncated; in range.
    ToInt(Val),
    /// Bits of a float.
    Bits(Val),
    /// The same reference, where a check has shown what it is. Loads that need that are of this value, so they
    /// cannot move above the check. Where two checks have shown the same of one reference and one of them always
    /// comes first, its value stands for both; what different checks have shown stays apart, so a load never moves
    /// to where only another check was made.
    Known(Val, Shown),
    /// The first word where it is below the second (unsigned), else 0: for speculation too, which a check does not
    /// stop.
    Mask(Val, Val),
    /// Whether two inline strings of one length have the same bytes.
    StrSame(Val, Val),
    /// Where the second of two inline strings first stands in the first, from an offset on; -1 where nowhere.
    StrFind(Val, Val, Val),
    /// Part of an inline string, from an offset to another; leaves where there is none or no room for it.
    StrPart(Val, Val, Val, ExitId),
    /// 0 or 1.
    Cmp(Cc, Val, Val),
    /// 0 or 1.
    FCmp(FCc, Val, Val),
    /// Leaves if the condition holds.
    Guard(Cc, Val, Val, ExitId),
    /// Leaves if the condition holds.
    FGuard(FCc, Val, Val, ExitId),
    /// Field of an object.
    Load(Val, u32, Width, Alias),
    /// Element of an array.
    LoadElem(Val, Val, Width, Alias),
    /// Stores a scalar: object, offset, value.
    Store(Val, u32, Val, Width, Alias),
    /// Stores a scalar: array, index, value.
    StoreElem(Val, Val, Val, Width, Alias),
    /// Stores a reference with the barrier: object, offset, value.
    StoreRef(Val, u32, Val, Alias),
    /// Stores a reference with the barrier: array, index, value.
    StoreElemRef(Val, Val, Val, Alias),
    /// Constant of the pool that is a reference.
    Pool(u32),
    /// Key of the hashing operations.
    Seed,
    /// New record, zeroed: size in granules, header. Leaves when the nursery is full.
    Alloc(u32, u64, ExitId),
    /// Stores to a fresh record: no barrier.
    Init(Val, u32, Val, Width),
    /// Fuel less a cost; leaves if that is too little.
    Charge(Val, u32, ExitId),
    /// Fuel less a value; leaves if that is too little.
    ChargeBy(Val, Val, ExitId),
    /// Executes the instruction at a code index in the interpreter; fuel before, result fuel after.
    Step(Box<Step>),
    /// Calls the machine code of a function; result is the fuel after.
    Call(Box<Call>),
    /// The value of a call; it follows the call at once.
    CallValue(Val, Ty),
    /// Frames on the VM stack.
    Depth(i32),
    /// Leaves unless that many frames and words of stack are free.
    Room(u32, u32, ExitId),
    /// Leaves now and then (tests).
    Force(ExitId),
}

/// Rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Round {
    /// Down.
    Floor,
    /// Up.
    Ceil,
    /// To zero.
    Trunc,
}

/// See [`Op::Step`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// Code index.
    pub at: usize,
    /// Words of the instruction.
    pub words: u32,
    /// Frame.
    pub base: u32,
    /// Fuel before.
    pub fuel: Val,
}

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The region itself ([`Graph::own`]).
    Own,
    /// The function whose entry has this code index.
    Direct(usize),
    /// The function of a closure.
    Closure(Val),
    /// What the type of an object has in this row of entries, and the first type of the row.
    Dyn(Val, usize, u64),
}

/// See [`Op::Call`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// Who is called.
    pub target: Target,
    /// The callee's frame.
    pub base: u32,
    /// Fuel, the call itself not yet paid.
    pub fuel: Val,
    /// Cost of the call.
    pub cost: u32,
    /// Arguments, from register 0 of the callee on.
    pub args: Vec<Val>,
    /// Its frame's header.
    pub header: [u64; 2],
    /// Frames inlined between the root's and the caller's, both the caller's counted.
    pub depth: u32,
    /// Taken when the call cannot be made.
    pub exit: ExitId,
    /// Code index of the `on_error` behind it, if it can fail, and the caller's frame.
    pub on_error: Option<(usize, u32)>,
}

/// A place where control goes, with the values of its parameters.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Edge {
    /// Block.
    pub block: BlockId,
    /// Arguments.
    pub args: Vec<Val>,
}

impl Edge {
    /// To a block without parameters.
    #[must_use]
    pub fn to(block: BlockId) -> Edge {
        let args = Vec::new();
        Edge { block, args }
    }
}

/// End of a block.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// Not there yet.
    Open,
    /// Goes on.
    Jump(Edge),
    /// On words.
    Branch(Cc, Val, Val, Edge, Edge),
    /// On floats.
    FBranch(FCc, Val, Val, Edge, Edge),
    /// By value from 0 on; the last edge is for all others.
    Switch(Val, Vec<Edge>),
    /// Leaves.
    Exit(ExitId),
    /// The root's frame returns: fuel, value.
    Return(Val, Val),
    /// The root's frame returns on its error edge: fuel, error.
    Raise(Val, Val),
}

impl Term {
    /// The edges.
    #[must_use]
    pub fn edges(&self) -> Vec<&Edge> {
        match self {
            Term::Jump(e) => vec![e],
            Term::Branch(_, _, _, t, e) | Term::FBranch(_, _, _, t, e) => vec![t, e],
            Term::Switch(_, edges) => edges.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The edges.
    pub fn edges_mut(&mut self) -> Vec<&mut Edge> {
        match self {
            Term::Jump(e) => vec![e],
            Term::Branch(_, _, _, t, e) | Term::FBranch(_, _, _, t, e) => vec![t, e],
            Term::Switch(_, edges) => edges.iter_mut().collect(),
            _ => Vec::new(),
        }
    }

    /// Values that it uses itself, without those of edges.
    pub fn uses(&mut self, f: &mut dyn FnMut(&mut Val)) {
        match self {
            Term::Branch(_, a, b, _, _) | Term::FBranch(_, a, b, _, _) => {
                f(a);
                f(b);
            }
            Term::Switch(v, _) => f(v),
            Term::Return(a, b) | Term::Raise(a, b) => {
                f(a);
                f(b);
            }
            Term::Open | Term::Jump(_) | Term::Exit(_) => {}
        }
    }
}

/// A block.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Parameters.
    pub params: Vec<Val>,
    /// Operations in order.
    pub ops: Vec<Val>,
    /// End.
    pub term: Term,
}

/// A way out.
#[derive(Clone, Debug)]
pub struct Exit {
    /// Where the interpreter goes on.
    pub left: Left,
    /// Context of that instruction, for a recording from there.
    pub ctx: usize,
    /// Fuel.
    pub fuel: Val,
    /// Slots to store.
    pub slots: Vec<(u32, Val)>,
    /// Whether the region should grow when it is often taken.
    pub grows: bool,
}

/// A region in SSA form.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Operations.
    pub ops: Vec<Op>,
    /// Blocks; 0 is the entry.
    pub blocks: Vec<Block>,
    /// Exits.
    pub exits: Vec<Exit>,
    /// Whether the region calls itself: then block 0 has the function's arguments as parameters behind the fuel,
    /// and frames on top of each other are at most so many words apart.
    pub own: Option<u32>,
    /// Blocks and loop heads to which they lead back, from outside of the loop that the code has there: the edges of
    /// loops around it.
    pub around: Vec<(BlockId, BlockId)>,
    /// Loop heads, with the exit at their beginning.
    pub starts: Vec<(BlockId, ExitId)>,
}

impl Graph {
    /// Makes the edge with number `which` of a block's end lead there.
    ///
    /// # Errors
    /// If the block ends with fewer edges.
    pub fn set_edge(&mut self, from: BlockId, which: usize, edge: Edge) -> Result<(), Abort> {
        let mut edges = self.blocks[from].term.edges_mut();
        let slot = edges.get_mut(which);
        **slot.ok_or(Abort::Internal("no such edge"))? = edge;
        Ok(())
    }

    /// A new block.
    pub fn block(&mut self) -> BlockId {
        self.blocks.push(Block {
            params: Vec::new(),
            ops: Vec::new(),
            term: Term::Open,
        });
        self.blocks.len() - 1
    }

    /// A new value that is in no block yet.
    pub fn value(&mut self, op: Op) -> Val {
        self.ops.push(op);
        (self.ops.len() - 1) as Val
    }

    /// A new operation at the end of a block.
    pub fn push(&mut self, block: BlockId, op: Op) -> Val {
        let v = self.value(op);
        self.blocks[block].ops.push(v);
        v
    }

    /// A new parameter.
    pub fn param(&mut self, block: BlockId, ty: Ty) -> Val {
        let v = self.value(Op::Param(ty));
        self.blocks[block].params.push(v);
        v
    }

    /// Type of a value.
    #[must_use]
    pub fn ty(&self, v: Val) -> Ty {
        self.ops[v as usize].ty()
    }

    /// A constant's value.
    #[must_use]
    pub fn constant(&self, v: Val) -> Option<i64> {
        match self.ops[v as usize] {
            Op::Const(k) => Some(k),
            _ => None,
        }
    }

    /// Blocks in reverse postorder from the entry.
    #[must_use]
    pub fn order(&self) -> Vec<BlockId> {
        let mut state = vec![0u8; self.blocks.len()];
        let mut out = Vec::new();
        let mut stack = vec![(0, 0)];
        state[0] = 1;
        while let Some((b, i)) = stack.pop() {
            let edges = self.blocks[b].term.edges();
            if let Some(e) = edges.get(i) {
                stack.push((b, i + 1));
                if state[e.block] == 0 {
                    state[e.block] = 1;
                    stack.push((e.block, 0));
                }
            } else {
                out.push(b);
            }
        }
        out.reverse();
        out
    }
}

impl Op {
    /// Type of the result.
    #[must_use]
    pub fn ty(&self) -> Ty {
        match self {
            Op::Param(ty) | Op::Slot(_, ty) | Op::CallValue(_, ty) => *ty,
            Op::FConst(_)
            | Op::FBin(..)
            | Op::FNeg(_)
            | Op::FSqrt(_)
            | Op::FRound(..)
            | Op::ToFloat(_) => Ty::F,
            Op::Load(_, _, w, _) | Op::LoadElem(_, _, w, _) => w.ty(),
            Op::SetSlot(..)
            | Op::SetHeader(..)
            | Op::Guard(..)
            | Op::FGuard(..)
            | Op::Store(..)
            | Op::StoreElem(..)
            | Op::StoreRef(..)
            | Op::StoreElemRef(..)
            | Op::Init(..)
            | Op::Depth(_)
            | Op::Room(..)
            | Op::Force(_) => Ty::None,
            _ => Ty::I,
        }
    }

    /// The exit that it may take.
    #[must_use]
    pub fn exit(&self) -> Option<ExitId> {
        match self {
            Op::Checked(_, _, _, e)
            | Op::Guard(_, _, _, e)
            | Op::FGuard(_, _, _, e)
            | Op::Alloc(_, _, e)
            | Op::StrPart(_, _, _, e)
            | Op::Charge(_, _, e)
            | Op::ChargeBy(_, _, e)
            | Op::Room(_, _, e)
            | Op::Force(e) => Some(*e),
            Op::Call(c) => Some(c.exit),
            _ => None,
        }
    }

    /// Whether a collection may happen.
    #[must_use]
    pub fn safepoint(&self) -> bool {
        matches!(self, Op::Step(_) | Op::Call(_))
    }

    /// Whether it depends on its operands alone and does nothing else.
    #[must_use]
    pub fn pure(&self) -> bool {
        matches!(
            self,
            Op::Const(_)
                | Op::FConst(_)
                | Op::Bin(..)
                | Op::FBin(..)
                | Op::FNeg(_)
                | Op::FSqrt(_)
                | Op::FRound(..)
                | Op::ToFloat(_)
                | Op::ToInt(_)
                | Op::Bits(_)
                | Op::Known(..)
                | Op::Mask(..)
                | Op::StrSame(..)
                | Op::StrFind(..)
                | Op::Cmp(..)
                | Op::FCmp(..)
                | Op::Seed
        )
    }

    /// What it reads.
    #[must_use]
    pub fn reads(&self) -> Option<Alias> {
        match self {
            Op::Load(_, _, _, a) | Op::LoadElem(_, _, _, a) => Some(*a),
            Op::Pool(_) => Some(Alias::Pool),
            _ => None,
        }
    }

    /// What it writes, but for safepoints, which write everything.
    #[must_use]
    pub fn writes(&self) -> Option<Alias> {
        match self {
            Op::Store(_, _, _, _, a)
            | Op::StoreElem(_, _, _, _, a)
            | Op::StoreRef(_, _, _, a)
            | Op::StoreElemRef(_, _, _, a) => Some(*a),
            _ => None,
        }
    }

    /// Whether it can go when nobody uses its result.
    #[must_use]
    pub fn removable(&self) -> bool {
        self.pure()
            || self.reads().is_some()
            || matches!(self, Op::Slot(..) | Op::Param(_) | Op::CallValue(..))
    }

    /// Its operands.
    pub fn uses(&mut self, f: &mut dyn FnMut(&mut Val)) {
        match self {
            Op::Param(_)
            | Op::Const(_)
            | Op::FConst(_)
            | Op::Slot(..)
            | Op::SetHeader(..)
            | Op::Pool(_)
            | Op::Seed
            | Op::Alloc(..)
            | Op::Depth(_)
            | Op::Room(..)
            | Op::Force(_) => {}
            Op::SetSlot(_, a)
            | Op::FNeg(a)
            | Op::FSqrt(a)
            | Op::FRound(_, a)
            | Op::ToFloat(a)
            | Op::ToInt(a)
            | Op::Bits(a)
            | Op::Known(a, _)
            | Op::Load(a, _, _, _)
            | Op::Charge(a, _, _)
            | Op::CallValue(a, _) => f(a),
            Op::Bin(_, a, b)
            | Op::Checked(_, a, b, _)
            | Op::FBin(_, a, b)
            | Op::Cmp(_, a, b)
            | Op::StrSame(a, b)
            | Op::Mask(a, b)
            | Op::FCmp(_, a, b)
            | Op::Guard(_, a, b, _)
            | Op::FGuard(_, a, b, _)
            | Op::LoadElem(a, b, _, _)
            | Op::Store(a, _, b, _, _)
            | Op::StoreRef(a, _, b, _)
            | Op::Init(a, _, b, _)
            | Op::ChargeBy(a, b, _) => {
                f(a);
                f(b);
            }
            Op::StoreElem(a, b, c, _, _)
            | Op::StoreElemRef(a, b, c, _)
            | Op::StrFind(a, b, c)
            | Op::StrPart(a, b, c, _) => {
                f(a);
                f(b);
                f(c);
            }
            Op::Step(s) => f(&mut s.fuel),
            Op::Call(c) => {
                f(&mut c.fuel);
                if let Target::Closure(v) | Target::Dyn(v, ..) = &mut c.target {
                    f(v);
                }
                c.args.iter_mut().for_each(f);
            }
        }
    }
}
