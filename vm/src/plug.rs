//! The socket for a compiler of machine code: what it implements, and what it may know of a loaded program
//! and of the machine state. This crate knows nothing of any compiler.
//!
//! What must stay true: all that a compiler learns here about code and layout is what handlers use, so both
//! agree; machine code leaves the frames on the VM stack as the interpreter would have them.

use jet_bytecode::linked::{FnId, LInterface, Program, TraitId};
use jet_bytecode::module::Const;
use jet_gc::HeapCore;

use crate::ctx::Ctx;
use crate::load::Loaded;

/// Machine code left to the interpreter. If `exit` of the context is a number, that exit's [`Left`] says where, `regs`
/// being the frame of the region's root; if it is 0, `pc` and `regs` do.
pub const LEFT: i64 = -1;
/// Its frame returned on the error edge with the value; the rest of the fuel is in the context.
pub const RAISED: i64 = -2;
/// The run stops (a trap, say); the value is the interpreter's status.
pub const STOPPED: i64 = -3;

/// Less fuel than this is topped up when machine code leaves: machine code may ask for as much ahead of what it will use.
pub const LOW_FUEL: i64 = 4096;

/// How machine code comes back: `fuel` is what is left, and the frame that it was entered for returned
/// `value`; or one of the negative codes above.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Back {
    /// Rest of the slice, or a code.
    pub fuel: i64,
    /// The value that goes with it.
    pub value: u64,
}

/// A frame that was inlined: what machine code leaves to whoever handles its exits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inlined {
    /// Its register 0, in words from the root's.
    pub base: u32,
    /// The two words of its header.
    pub header: [u64; 2],
}

/// Where an exit leads.
#[derive(Clone, Debug)]
pub struct Left {
    /// Code index of the instruction that the interpreter executes next.
    pub at: usize,
    /// Its frame, in words from the root's register 0.
    pub base: u32,
    /// Inlined frames, outermost first: their headers are still to be written, and they are not yet counted.
    pub frames: std::sync::Arc<[Inlined]>,
}

/// A compiler of machine code, one to an instance.
pub trait Jit: Send {
    /// What loop heads and function entries count down from.
    fn thresholds(&self) -> (u32, u32);
    /// Told once, before anything runs.
    fn attach(&mut self, loaded: &std::sync::Arc<Loaded>);
    /// The counter of the word at `at`, a loop head or entry, ran out. True: record from here.
    fn hot(&mut self, at: usize, plug: &mut Plug<'_>) -> bool;
    /// Where an exit leads; `None` if there is none of that number.
    fn left(&self, exit: u64) -> Option<&Left>;
    /// Machine code left by this exit. True: record from where it left to.
    fn exited(&mut self, exit: u64, plug: &mut Plug<'_>) -> bool;
    /// While recording: the instruction at `at` is about to execute in the frame at address `frame`. False:
    /// the recording has ended.
    fn step(&mut self, at: usize, frame: usize, plug: &mut Plug<'_>) -> bool;
    /// A recording will not go on.
    fn abandon(&mut self);
    /// How many checks until the next forced exit (tests only).
    fn stress_interval(&mut self) -> u64;
    /// Counters.
    fn stats(&self) -> JitStats;
}

/// What a compiler did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JitStats {
    /// Recordings started.
    pub recordings: u64,
    /// Regions compiled, each version.
    pub regions: u64,
    /// Bytes of machine code.
    pub bytes: u64,
    /// Instructions of the back end's own form that these were made of.
    pub instructions: u64,
    /// Fuel that machine code used, with the instructions that it had the interpreter execute.
    pub fuel: u64,
    /// Regions that were emitted for another machine too, to see that they can be.
    pub foreign: u64,
    /// Microseconds spent recording and compiling.
    pub compile_us: u64,
    /// Of these, the back end's.
    pub back_end_us: u64,
    /// Times that machine code was left by an exit.
    pub exits: u64,
    /// The same by the instruction that the interpreter went on with, most first.
    pub exits_at: Vec<(&'static str, u64)>,
    /// Attempts that failed, by reason.
    pub aborts: Vec<(String, u64)>,
}

/// The tables by which the interpreter finds machine code.
pub struct Plug<'a> {
    /// Whether the instruction is the first of a function that was called by way of a bound one.
    pub bound: bool,
    pub(crate) counters: &'a mut [u32],
    pub(crate) natives: &'a mut [*const ()],
}

/// Type id of bound functions: records of a storable function and its capabilities.
pub const BOUND: u32 = crate::ctx::BOUND_FN;

// Shapes of what handlers and machine code make and read (those of all objects are in `jet_gc::layout`).
pub use crate::code::HEADER_WORDS;
pub use crate::hash::{MIX_MASKS, MIX_TURN, WORD_FACTORS};
pub use crate::ops_list::{LIST_DATA, LIST_HEADER, LIST_LEN};
pub use crate::strings::ROPE_LEN;

// The numbers of variants without payload, which `jet_bytecode` gives, are no addresses.
const _: () = assert!(jet_bytecode::layout::MAX_VARIANTS < jet_gc::layout::FIRST_ADDRESS as usize);

impl Plug<'_> {
    /// Sets the counter of a word.
    pub fn count(&mut self, at: usize, n: u32) {
        if let Some(c) = self.counters.get_mut(at) {
            *c = n;
        }
    }

    /// Has the counter of a word run out after at most `n` more, if it is one that ever does.
    pub fn hurry(&mut self, at: usize, n: u32) {
        if let Some(c) = self.counters.get_mut(at).filter(|c| **c != u32::MAX) {
            *c = (*c).min(n);
        }
    }

    /// Makes `code` the machine code of the loop head or entry at `at`.
    ///
    /// # Safety
    /// It is an [`crate::plug`] entry for that place, compiled for this instance's program, and stays
    /// executable as long as the instance lives or until it is replaced.
    pub unsafe fn install(&mut self, at: usize, code: *const ()) {
        if let (Some(n), Some(c)) = (self.natives.get_mut(at), self.counters.get_mut(at)) {
            *n = code;
            *c = 0;
        }
    }
}

/// Offsets in the context and addresses of helpers, for machine code.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct Abi {
    pub core: i32,
    pub stack_limit: i32,
    pub depth_left: i32,
    /// Room for what machine code that calls itself takes off the depth and does not count with.
    pub depth_delta: i32,
    pub heap: i32,
    pub consts: i32,
    pub native_bias: i32,
    pub hash_seed: i32,
    pub pc: i32,
    pub regs: i32,
    pub fuel: i32,
    pub acc: i32,
    pub exit: i32,
    pub stress: i32,
    pub native_limit: i32,
    pub alloc_ptr: i32,
    pub alloc_end: i32,
    /// Executes one instruction: (context, word, registers, fuel, words to the next) → [`Back`] with the fuel.
    pub step: usize,
    /// Stores a reference with the barrier: (context, record, index, value).
    pub set_field: usize,
    /// The same for an array.
    pub set_element: usize,
    /// Whether two inline strings of one length have the same bytes: (cage, string, string).
    pub str_same: usize,
    /// Where an inline string first stands in another: (cage, string, pattern, offset); -1 where nowhere.
    pub str_find: usize,
    /// Part of an inline string: (context, string, from, to); 0 where the interpreter has to do it.
    pub str_part: usize,
    /// `**` of floats.
    pub pow: usize,
    /// `%` of floats.
    pub rem: usize,
}

/// The numbers of this build.
#[must_use]
pub fn abi() -> Abi {
    use std::mem::offset_of;
    Abi {
        core: offset_of!(Ctx, core) as i32,
        stack_limit: offset_of!(Ctx, stack_limit) as i32,
        depth_left: offset_of!(Ctx, depth_left) as i32,
        depth_delta: offset_of!(Ctx, depth_delta) as i32,
        heap: offset_of!(Ctx, heap) as i32,
        consts: offset_of!(Ctx, consts) as i32,
        native_bias: offset_of!(Ctx, native_bias) as i32,
        hash_seed: offset_of!(Ctx, hash_seed) as i32,
        pc: offset_of!(Ctx, pc) as i32,
        regs: offset_of!(Ctx, regs) as i32,
        fuel: offset_of!(Ctx, fuel) as i32,
        acc: offset_of!(Ctx, acc) as i32,
        exit: offset_of!(Ctx, exit) as i32,
        stress: offset_of!(Ctx, stress) as i32,
        native_limit: offset_of!(Ctx, native_limit) as i32,
        alloc_ptr: offset_of!(HeapCore, alloc_ptr) as i32,
        alloc_end: offset_of!(HeapCore, alloc_end) as i32,
        step: crate::native::step_one as *const () as usize,
        set_field: crate::native::set_field as *const () as usize,
        set_element: crate::native::set_element as *const () as usize,
        str_same: crate::native::str_same as *const () as usize,
        str_find: crate::native::str_find as *const () as usize,
        str_part: crate::native::str_part as *const () as usize,
        pow: crate::native::pow as *const () as usize,
        rem: crate::native::rem as *const () as usize,
    }
}

/// Size of an entry in the table of functions.
pub const FUNCTION_SIZE: usize = size_of::<crate::code::FnEntry>();
/// Where in it is its first word.
pub const FUNCTION_ENTRY: usize = std::mem::offset_of!(crate::code::FnEntry, entry);
/// Where in it is whether register 0 is the environment: four bytes.
pub const FUNCTION_ENV: usize = std::mem::offset_of!(crate::code::FnEntry, env);

/// Index of a package's constant among the constants of all.
#[must_use]
pub fn constant_index(program: &Program, package: usize, ix: u32) -> u32 {
    let before = program.packages.iter().take(package);
    before.map(|p| p.consts.len() as u32).sum::<u32>() + ix
}

/// The constant with this index among those of all packages.
#[must_use]
pub fn constant(program: &Program, index: u32) -> Option<&Const> {
    let mut left = index as usize;
    for p in &program.packages {
        match left.checked_sub(p.consts.len()) {
            Some(behind) => left = behind,
            None => return p.consts.get(left),
        }
    }
    None
}

/// What a call's frame header holds.
#[derive(Clone, Copy, Debug)]
pub struct CallHeader {
    /// Lanes of the call instruction.
    pub lanes: u64,
    /// Return link, to the original code.
    pub link: u64,
    /// The same to the copy, where a recording may be going on.
    pub copy_link: u64,
}

impl Loaded {
    /// Whether jumps and calls count.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.code.counts
    }

    /// Number of words of all functions.
    #[must_use]
    pub fn words(&self) -> usize {
        self.code.specials()
    }

    /// Index of the word at `pc` of a function.
    #[must_use]
    pub fn index(&self, f: FnId, pc: u32) -> usize {
        self.code.starts[f.index()] as usize + pc as usize
    }

    /// Function and pc of a word.
    #[must_use]
    pub fn place(&self, index: usize) -> (FnId, u32) {
        let (f, pc) = self.code.locate(index);
        (FnId(f as u32), pc)
    }

    /// Static cost of the charge point at a word.
    #[must_use]
    pub fn cost(&self, index: usize) -> u32 {
        self.costs[index]
    }

    /// Address of a word.
    #[must_use]
    pub fn address(&self, index: usize) -> usize {
        (&raw const self.code.words[index]).addr()
    }

    /// Header of the frames that the call at this word makes.
    #[must_use]
    pub fn call_header(&self, index: usize) -> CallHeader {
        let word = &self.code.words[index];
        let [l, a, b, c] = [word.l, word.a, word.b, word.c].map(u64::from);
        let link = self.code.words[index + 1].slot.addr() as u64;
        let copy = self.code.total * size_of::<crate::code::Word>();
        CallHeader {
            lanes: l | a << 16 | b << 32 | c << 48,
            link,
            copy_link: link + ((copy as u64) << 16),
        }
    }

    /// The row of entry words that the dynamic call at this word goes by, and the lowest type in it.
    #[must_use]
    pub fn dyn_row(&self, index: usize) -> (usize, u64) {
        let site = &self.sites[usize::from(self.code.words[index].b)];
        (site.row.addr(), site.first)
    }

    /// Address of the table of functions.
    #[must_use]
    pub fn functions(&self) -> usize {
        self.code.functions.as_ptr().addr()
    }

    /// The functions behind a trait's method, by type.
    #[must_use]
    pub fn dyn_targets(&self, of: TraitId, method: u16) -> Vec<(u32, FnId)> {
        let records = self.program.impls.iter();
        records
            .filter(|i| i.interface == LInterface::Trait(of))
            .filter_map(|i| Some((i.ty.0, *i.methods.get(usize::from(method))?)))
            .collect()
    }
}
