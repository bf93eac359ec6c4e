//! Runtime code: what the loader makes of verified functions, and how a place in it is found again.
//!
//! One array holds all functions; word `i` of a function's file code is word `start + i` here, so a code
//! index and a file pc differ by a constant. What must stay true: the array is never moved
//! after loading, nor changed, but by `Loaded::observe` before it is shared; `back` says for every extension word how far its instruction is.

use crate::dispatch::Handler;

/// A runtime word: an instruction (slot = handler) or an extension word (slot = a resolved operand).
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub(crate) struct Word {
    /// Handler or side operand.
    pub slot: *const (),
    /// Lane 0: a side operand of instructions, the first argument in extension words.
    pub l: u16,
    /// Lane `a`.
    pub a: u16,
    /// Lane `b`.
    pub b: u16,
    /// Lane `c`.
    pub c: u16,
}

impl Word {
    /// A word from its slot and the file's lanes.
    pub fn new(slot: *const (), lanes: [u16; 4]) -> Word {
        let [l, a, b, c] = lanes;
        Word { slot, l, a, b, c }
    }

    /// The handler of an instruction.
    ///
    /// # Safety
    /// This word is an instruction.
    #[inline(always)]
    pub unsafe fn handler(&self) -> Handler {
        // SAFETY: the loader put a handler there.
        unsafe { core::mem::transmute::<*const (), Handler>(self.slot) }
    }

    /// Writes lanes `b` and `c` as one operand.
    pub fn set_wide(&mut self, v: i32) {
        self.b = v as u16;
        self.c = (v >> 16) as u16;
    }
}

/// Words of a frame's header: the call's lanes this far below register 0, then the return link.
pub const HEADER_WORDS: usize = 2;

/// What the interpreter must know of a function to call it through its id.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct FnEntry {
    /// Its first word.
    pub entry: *const Word,
    /// 1 if register 0 is the environment, else 0.
    pub env: u32,
    /// Number of registers.
    pub nregs: u32,
}

/// A dynamic call's row, resolved at load: the function of type `t` is `table[t]`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct DynSite {
    /// Row of entry points, one for each type id from `first` on.
    pub row: *const *const Word,
    /// Lowest type id in the row.
    pub first: u64,
    /// Which argument is the object.
    pub object: usize,
}

/// A charge op whose cost does not fit a lane.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct BigCharge {
    /// Its static cost.
    pub cost: i64,
    /// What it is besides.
    pub handler: Handler,
}

/// All code of a program.
pub(crate) struct Code {
    /// The words of every function, one function after the other, then the special words; where code counts,
    /// then the same once more with [`crate::native::step`] as handler of every instruction.
    pub words: Box<[Word]>,
    /// How many words there are without the copy.
    pub total: usize,
    /// Whether there is a copy, and jumps and calls count.
    pub counts: bool,
    /// Entry points by function id, in the copy.
    pub copy_functions: Box<[FnEntry]>,
    /// Registers that the accumulators hold before each instruction (see [`crate::select`]).
    pub acc: Box<[[u16; 2]]>,
    /// Distance from each word to its instruction (0 for an instruction).
    pub back: Box<[u16]>,
    /// Index of the first word of each function.
    pub starts: Box<[u32]>,
    /// Whether a word is an `on_error`.
    pub on_error: Box<[bool]>,
    /// Entry points by function id.
    pub functions: Box<[FnEntry]>,
}

/// Words behind the last function belong to none: where the entry function's frame returns to and where
/// frames behind a boundary do; the error return of each is the word before. This one: value return of the
/// entry function's frame.
pub(crate) const HALT: usize = 1;
/// Error return through a boundary.
pub(crate) const BOUNDARY_ERROR: usize = 2;
/// Value return through a boundary.
pub(crate) const BOUNDARY: usize = 3;
/// How many there are.
pub(crate) const SPECIALS: usize = 4;

// SAFETY: the pointers inside name handlers and words of the same immutable arrays.
unsafe impl Send for Code {}
// SAFETY: as above; nothing is changed after loading.
unsafe impl Sync for Code {}

impl Code {
    /// Index of a word; a copy has the index of its original.
    pub fn index_of(&self, pc: *const Word) -> usize {
        let index = (pc.addr() - self.words.as_ptr().addr()) / size_of::<Word>();
        if index < self.total {
            index
        } else {
            index - self.total
        }
    }

    /// Function that holds the word at this index, and the pc within it.
    pub fn locate(&self, index: usize) -> (usize, u32) {
        let f = self
            .starts
            .partition_point(|&start| start as usize <= index)
            .saturating_sub(1);
        (f, (index - self.starts[f] as usize) as u32)
    }

    /// Index of the first special word.
    pub fn specials(&self) -> usize {
        self.total - SPECIALS
    }

    /// A special word.
    pub fn special(&self, which: usize) -> *const Word {
        &raw const self.words[self.specials() + which]
    }

    /// Index of the call instruction that a return address belongs to.
    pub fn call_before(&self, return_index: usize) -> usize {
        let mut last = return_index - 1;
        if self.on_error[last] {
            last -= 1;
        }
        last - usize::from(self.back[last])
    }
}
