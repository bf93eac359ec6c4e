//! The context: everything that handlers reach through one pointer. Its first fields are what fast
//! handlers read; the rest is for slow operations and the embedder.
//!
//! What must stay true: while handlers run, the context is used through their pointer alone; `heap_box`,
//! `roots` and `loaded` never move (they own what the raw fields point to).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use jet_gc::Heap;
use jet_gc::HeapCore;

use crate::capability::CapTable;
use crate::code::{BigCharge, DynSite, FnEntry, Word};
use crate::frames::RootSet;
use crate::fuel::Meter;
use crate::load::Loaded;
use crate::trap::Trap;

/// Type id of a record that is a binding of the host (word 0: its entry of the capability table).
pub(crate) const HOST_BINDING: u32 = 0xff_ffff;
/// Type id of a function with its capabilities bound (references: function, capabilities).
pub(crate) const BOUND_FN: u32 = 0xff_fffe;
/// Type id of a string that is still to be put together (references: left, right or 0; word: length).
pub(crate) const ROPE: u32 = 0xff_fffd;
/// Type id of a handle (references: binding that sealed it, handle inside or 0; word: the host's number).
pub(crate) const HANDLE: u32 = 0xff_fffc;
/// Nominal types and functions have ids below this.
pub(crate) const FIRST_SPECIAL: u32 = 0xff_fff0;

/// See the module.
#[repr(C)]
pub(crate) struct Ctx {
    /// The heap's inline allocator.
    pub core: *mut HeapCore,
    /// Highest register 0 of a new frame, as far as the stack was charged (see `Vm::grow_stack`).
    pub stack_limit: *mut u64,
    /// How many more frames there may be.
    pub depth_left: i64,
    /// Constants of all packages, strings as references.
    pub consts: *const u64,
    /// Entry points by function id.
    pub functions: *const FnEntry,
    /// Dynamic call sites.
    pub sites: *const DynSite,
    /// Costs of backward jumps that do not fit a lane.
    pub big_costs: *const i64,
    /// Other charge ops whose cost does not fit a lane.
    pub big_charges: *const BigCharge,
    /// Key of the hashing opcodes.
    pub hash_seed: u64,
    /// Counters of loop heads and entries: the one of the word at `pc` is at `(pc >> 2) + hot_bias`.
    pub hot_bias: usize,
    /// Machine code by word, or null: the entry of the word at `pc` is at `(pc >> 1) + native_bias`.
    pub native_bias: usize,
    /// Distance in bytes from a word to its copy (see [`crate::native`]); 0 without one.
    pub copy_bytes: usize,
    /// What the copy's handler does: see [`crate::native`].
    pub mode: u64,
    /// Machine code that calls itself counts frames down in a register: this is the depth less that.
    pub depth_delta: i64,
    /// Whether the last call was one of a bound function; a recording asks.
    pub bound: bool,
    /// Which exit machine code left by.
    pub exit: u64,
    /// Branches until the next forced exit, for tests.
    pub stress: u64,
    /// Machine code calls no further with the native stack below this.
    pub native_limit: u64,
    /// Saved instruction.
    pub pc: *const Word,
    /// Saved register 0.
    pub regs: *mut u64,
    /// Base of the cage.
    pub heap: *mut u8,
    /// Saved rest of the fuel slice.
    pub fuel: i64,
    /// Saved accumulator.
    pub acc: u64,
    /// Saved float accumulator.
    pub facc: f64,
    /// Highest register 0 of a new frame that the mapping has room for.
    pub stack_end: *mut u64,
    /// The heap.
    pub heap_box: Box<Heap>,
    /// What keeps objects alive.
    pub roots: RootSet,
    /// Fuel that is not in the slice, deadline, cancellation.
    pub meter: Meter,
    /// The trap that ended the run.
    pub trap: Option<Box<Trap>>,
    /// The code.
    pub loaded: Arc<Loaded>,
    /// Capabilities of the host.
    pub caps: CapTable,
    /// Looks at calls, if the program was loaded for it.
    pub monitor: Option<Box<crate::monitor::Monitor>>,
    /// Where `dbg` writes, if the host wants it.
    pub debug: Option<crate::DebugLog>,
    /// Text of the error that is about to leave the entry function.
    pub failure: Option<Box<str>>,
    /// The compiler of machine code, with its tables.
    pub jit: Option<Box<crate::native::Engine>>,
}

impl Ctx {
    /// A flag that ends the run at the next slice end once it is set.
    pub fn cancel_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.meter.cancel)
    }
}
