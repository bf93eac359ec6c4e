//! The VM stack, the walk over its frames, and the roots that they hold.
//!
//! The stack is one reserved mapping that never moves, with an inaccessible page above it. What must stay
//! true: a frame's header is complete before the frame runs; the walk ends at the entry function's frame;
//! at a safepoint the live reference registers (recomputed from the bytecode) are all that a frame keeps.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jet_gc::cage::PAGE;
use jet_gc::{Heap, Roots};

use crate::code::{BOUNDARY, BOUNDARY_ERROR, Word};
use crate::ctx::Ctx;
use crate::given::Given;
use crate::load::Loaded;
use crate::observe::Observer;
use crate::slow::{Done, Vm};

/// A stack's mapping: `words` words of use, and an inaccessible page.
#[derive(Clone, Copy)]
struct Mapping {
    base: *mut u64,
    words: usize,
}

// SAFETY: addresses of a mapping that one stack, or nobody, uses.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(words: usize) -> io::Result<Mapping> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a fresh anonymous mapping; no existing memory is affected.
        let p = unsafe { libc::mmap(std::ptr::null_mut(), words * 8 + PAGE, access, flags, -1, 0) };
        if p == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = p.cast();
        let mapping = Mapping { base, words };
        // SAFETY: the last page of the mapping just made, which holds nothing.
        if unsafe { libc::mprotect(p.byte_add(words * 8), PAGE, libc::PROT_NONE) } != 0 {
            let why = io::Error::last_os_error();
            // SAFETY: nothing uses the mapping.
            unsafe { mapping.unmap() };
            return Err(why);
        }
        Ok(mapping)
    }

    /// Makes all of it zero; whether that was possible.
    ///
    /// # Safety
    /// Nothing uses its contents any more.
    unsafe fn clear(self) -> bool {
        // SAFETY: the usable part of the mapping (caller).
        unsafe { libc::madvise(self.base.cast(), self.words * 8, libc::MADV_DONTNEED) == 0 }
    }

    /// Gives it back.
    ///
    /// # Safety
    /// Nothing uses it any more.
    unsafe fn unmap(self) {
        // SAFETY: passed on; the length is that of `new`.
        unsafe { libc::munmap(self.base.cast(), self.words * 8 + PAGE) };
    }
}

/// Mappings that are kept at most.
const KEPT: usize = 8;

/// Mappings that no stack uses, all zero: making one and giving it back costs more than a small program's run.
static IDLE: Mutex<Vec<Mapping>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<Mapping>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stack.
pub(crate) struct VmStack(Mapping);

impl VmStack {
    /// Room for `words` words, all zero (memory is committed as it is touched).
    pub fn new(words: usize) -> io::Result<VmStack> {
        let words = (words * 8).next_multiple_of(PAGE) / 8;
        let mut idle = idle();
        if let Some(at) = idle.iter().rposition(|m| m.words == words) {
            return Ok(VmStack(idle.swap_remove(at)));
        }
        drop(idle);
        Mapping::new(words).map(VmStack)
    }

    /// First word.
    pub fn base(&self) -> *mut u64 {
        self.0.base
    }

    /// Word behind the last usable one.
    pub fn end(&self) -> *mut u64 {
        self.0.base.wrapping_add(self.0.words)
    }
}

impl Drop for VmStack {
    fn drop(&mut self) {
        // SAFETY: the stack is at its end.
        if !unsafe { self.0.clear() } {
            // SAFETY: as above.
            unsafe { self.0.unmap() };
            return;
        }
        let mut idle = idle();
        // The eldest goes: sizes that are used no more do not stay for ever.
        let eldest = (idle.len() >= KEPT).then(|| idle.remove(0));
        idle.push(self.0);
        drop(idle);
        if let Some(eldest) = eldest {
            // SAFETY: it was idle, and is no more in the list.
            unsafe { eldest.unmap() };
        }
    }
}

/// Words by which the charged part of the stack grows at least, in heaps with a low and with any limit.
const GROWTH: [usize; 2] = [8 << 10, 32 << 10];
/// Less room than this is made more when machine code leaves.
const LOW_STACK: usize = 8 << 10;

impl Ctx {
    /// How far the charged part of the stack goes next; `None` when it goes to the end.
    fn next_stack(&self) -> Option<(*mut u64, u64)> {
        if self.stack_limit >= self.stack_end {
            return None;
        }
        let growth = GROWTH[usize::from(self.heap_box.limit() >= 16 << 20)];
        let next = self.stack_limit.wrapping_add(growth).min(self.stack_end);
        Some((next, (next.addr() - self.stack_limit.addr()) as u64))
    }

    /// Charges more of the stack where little is left and the heap has room for it.
    pub fn top_up_stack(&mut self, regs: *mut u64) {
        if regs.wrapping_add(LOW_STACK) > self.stack_limit
            && let Some((next, bytes)) = self.next_stack()
            && self.heap_box.charge_host(bytes)
        {
            self.stack_limit = next;
        }
    }
}

impl Vm<'_> {
    /// Charges more of the stack; false when there is no more of it. Stacks are memory of the program like its
    /// heap, under the same limit. May collect.
    pub fn grow_stack(&mut self) -> Done<bool> {
        let Some((next, bytes)) = self.ctx.next_stack() else {
            return Ok(false);
        };
        let ctx = &mut *self.ctx;
        ctx.heap_box
            .charge_host_or_collect(bytes, &mut ctx.roots)
            .map_err(|e| self.out_of_memory(e))?;
        self.ctx.stack_limit = next;
        Ok(true)
    }
}

/// Live reference registers by code index, computed when first asked for.
struct LiveCache {
    /// For each word: 0 unknown, else place in `lists` plus one. One table for instructions that execute,
    /// one for calls in callers' frames.
    at: [Vec<u32>; 2],
    lists: Vec<Box<[u16]>>,
    analyses: Vec<Option<Box<jet_bytecode::analysis::liveness::Liveness>>>,
}

impl LiveCache {
    fn get(&mut self, loaded: &Loaded, index: usize, executes: bool) -> &[u16] {
        let table = &mut self.at[usize::from(executes)];
        if table.is_empty() {
            table.resize(loaded.code.total, 0);
        }
        if table[index] == 0 {
            let (f, pc) = loaded.code.locate(index);
            let function = &loaded.program.functions[f];
            if self.analyses.is_empty() {
                self.analyses
                    .resize_with(loaded.program.functions.len(), || None);
            }
            let liveness = self.analyses[f].get_or_insert_with(|| {
                Box::new(jet_bytecode::analysis::liveness::Liveness::new(
                    &loaded.program,
                    function,
                ))
            });
            let mut regs = Vec::new();
            liveness.live_refs(function, pc, executes, |r| regs.push(r));
            self.lists.push(regs.into_boxed_slice());
            table[index] = self.lists.len() as u32;
        }
        &self.lists[table[index] as usize - 1]
    }
}

/// A place in a frame.
#[derive(Clone, Copy)]
pub(crate) struct FrameAt {
    /// Code index of its current instruction (the call, in a caller's frame).
    pub index: usize,
    /// Its register 0.
    pub regs: *mut u64,
}

/// What a slot that keeps an object alive is.
#[derive(Clone, Copy)]
pub(crate) enum Root {
    /// A constant.
    Const,
    /// Held by the operation that runs.
    Temp,
    /// A binding of the host, or one that gave a handle out.
    Binding,
    /// The receiver of a call through an attenuator.
    Boundary,
    /// A register of a frame: code index of its instruction, number.
    Register(usize, u16),
}

/// Everything that keeps objects alive.
pub(crate) struct RootSet {
    /// The stack.
    pub stack: VmStack,
    /// Constants of all packages (only those in `const_refs` are references).
    pub consts: Box<[Cell<u64>]>,
    /// Which constants are references.
    pub const_refs: Vec<u32>,
    /// Objects that a slow operation holds.
    pub temps: Vec<u64>,
    /// Handles that attenuators gave out.
    pub given: Vec<Given>,
    /// Bindings of the host, in the order of the capability table.
    pub bindings: Vec<u64>,
    /// Register 0 of the entry function's frame; null while nothing runs.
    pub entry: *mut u64,
    /// Current instruction.
    pub pc: *const Word,
    /// Current register 0.
    pub regs: *mut u64,
    /// The code.
    pub loaded: Arc<Loaded>,
    live: LiveCache,
    /// Frames and registers that the last visit walked.
    walked: u64,
    /// What is to be observed, if anything.
    pub observer: Option<Box<Observer>>,
}

impl RootSet {
    /// Nothing but an empty stack.
    pub fn new(stack: VmStack, loaded: Arc<Loaded>, consts: Box<[Cell<u64>]>) -> RootSet {
        RootSet {
            stack,
            consts,
            const_refs: Vec::new(),
            temps: Vec::new(),
            given: Vec::new(),
            bindings: Vec::new(),
            entry: std::ptr::null_mut(),
            pc: std::ptr::null(),
            regs: std::ptr::null_mut(),
            loaded,
            live: LiveCache {
                at: [Vec::new(), Vec::new()],
                lists: Vec::new(),
                analyses: Vec::new(),
            },
            walked: 0,
            observer: None,
        }
    }
}

/// The caller of the frame at `regs`; `None` for the entry function's.
///
/// # Safety
/// `regs` is register 0 of a frame on the stack whose entry frame is at `entry`.
pub(crate) unsafe fn caller(loaded: &Loaded, entry: *mut u64, regs: *mut u64) -> Option<FrameAt> {
    if regs == entry {
        return None;
    }
    // SAFETY: every frame but the entry's has a header with the link to its caller.
    let (link, below) = unsafe {
        let link = regs.sub(1).read();
        (link, regs.sub((link & 0xffff) as usize))
    };
    let ret = loaded
        .code
        .index_of(std::ptr::without_provenance((link >> 16) as usize));
    let index = if ret >= loaded.code.specials() {
        ret
    } else {
        loaded.code.call_before(ret)
    };
    Some(FrameAt { index, regs: below })
}

// SAFETY: visits every slot that is used after an allocation: registers that the verified code may read
// later (liveness), operands of the instruction that executes, constants, bindings and temporaries; each
// is a distinct memory word. Visiting reads code and stack only.
unsafe impl Roots for RootSet {
    fn visit(&mut self, f: &mut dyn FnMut(&mut u64)) {
        self.visit_as(&mut |_, slot| f(slot));
    }

    fn walked(&self) -> u64 {
        self.walked
    }

    fn allocated(&mut self, bytes: u64) {
        if let Some(at) = self.allocating()
            && let Some(observer) = &mut self.observer
        {
            observer.allocated(at, bytes);
        }
    }

    fn collected(&mut self, heap: &Heap) {
        self.look(heap, false);
    }
}

impl RootSet {
    /// Shows every slot, and what it is.
    pub(crate) fn visit_as(&mut self, f: &mut dyn FnMut(Root, &mut u64)) {
        for &i in &self.const_refs {
            let cell = &self.consts[i as usize];
            let mut value = cell.get();
            f(Root::Const, &mut value);
            cell.set(value);
        }
        self.temps.iter_mut().for_each(|t| f(Root::Temp, t));
        self.bindings.iter_mut().for_each(|b| f(Root::Binding, b));
        let given = self.given.iter_mut();
        given.for_each(|g| f(Root::Binding, &mut g.binding));
        if self.entry.is_null() || self.pc.is_null() {
            return;
        }
        let code = &self.loaded.code;
        let mut at = FrameAt {
            index: code.index_of(self.pc),
            regs: self.regs,
        };
        let mut executes = true;
        self.walked = 0;
        loop {
            let special = code.specials();
            if at.index >= special {
                if at.index == special + BOUNDARY || at.index == special + BOUNDARY_ERROR {
                    // SAFETY: register 1 of a boundary's frame is the receiver.
                    f(Root::Boundary, unsafe { &mut *at.regs.add(1) });
                }
            } else {
                let live = self.live.get(&self.loaded, at.index, executes);
                self.walked += 2 + live.len() as u64;
                for &r in live {
                    // SAFETY: a register of this frame, which nobody else refers to now.
                    f(Root::Register(at.index, r), unsafe {
                        &mut *at.regs.add(usize::from(r))
                    });
                }
            }
            executes = false;
            // SAFETY: the frames below are complete.
            match unsafe { caller(&self.loaded, self.entry, at.regs) } {
                Some(next) => at = next,
                None => return,
            }
        }
    }
}
