//! Strings: access, concatenation, comparison, hashing.
//!
//! A string is an inline `Str`, an external one, or a *rope*: a record (references: left, right; word:
//! length in bytes) that stands for a concatenation nobody has read yet. Reading flattens it: the text is
//! put together once and the rope then points to it (left: the text, right: 0), so that appending in a loop
//! is linear. What must stay true: whoever looks at bytes goes through [`Vm::flatten`] or [`append_bytes`].

use jet_bytecode::analysis::fuel::byte_work;
use jet_bytecode::opcodes::TrapKind;
use jet_gc::Heap;
use jet_gc::layout::{
    DATA_OFFSET, GRANULE_SHIFT, HASH_OFFSET, LENGTH_OFFSET, array_size, word_offset,
};
use jet_gc::{Format, Header, Ref};

use crate::ctx::{BOUND_FN, Ctx, ROPE};
use crate::dispatch::{S, format, handler};
use crate::slow::{Done, SlowOp, Vm, slow_op};

/// Concatenations up to this size are copied at once.
const ROPE_FROM: u64 = 256;
const ROPE_HEADER: Header = Header::record(ROPE, 0, 2, 1);
/// Byte offset of a rope's length.
pub const ROPE_LEN: usize = word_offset(ROPE_HEADER.nrefs(), 0);

const STR: u8 = Format::Str as u8;
const RECORD: u8 = Format::Record as u8;

handler! { fn str_len[](s) {
    let p = s.object(s.reg(s.b()));
    if format(p) == RECORD {
        return s.put(p.add(ROPE_LEN).cast::<u64>().read());
    }
    s.put(u64::from(p.add(LENGTH_OFFSET).cast::<u32>().read()))
} }
handler! { fn str_byte[](s) {
    let p = s.object(s.reg(s.b()));
    if format(p) != STR {
        return s.tail(slow_op::<ByteAt>);
    }
    let i = s.reg(s.c());
    if i >= u64::from(p.add(LENGTH_OFFSET).cast::<u32>().read()) {
        return s.fault();
    }
    s.put(u64::from(*p.add(DATA_OFFSET + i as usize)))
} }
handler! { fn str_eq[](s) {
    let (p, q) = (s.object(s.reg(s.b())), s.object(s.reg(s.c())));
    if format(p) != STR || format(q) != STR {
        return s.tail(slow_op::<StrEq>);
    }
    let n = p.add(LENGTH_OFFSET).cast::<u32>().read();
    let same = n == q.add(LENGTH_OFFSET).cast::<u32>().read();
    let work = if same { byte_work(u64::from(n)) } else { 0 };
    let left = s.fuel - s.l() as i64 - work as i64;
    if left < 0 {
        return s.tail(crate::fuel::slice_end);
    }
    let s = S { fuel: left, ..s };
    if !same {
        return s.put(0);
    }
    s.put(u64::from(p == q || same_bytes(p.add(DATA_OFFSET), q.add(DATA_OFFSET), n as usize)))
} }
handler! { fn hash_str[](s) {
    let p = s.object(s.reg(s.b()));
    let known = p.add(HASH_OFFSET).cast::<u32>().read();
    if format(p) != STR || known == 0 {
        return s.tail(slow_op::<HashStr>);
    }
    let work = byte_work(u64::from(p.add(LENGTH_OFFSET).cast::<u32>().read()));
    let left = s.fuel - s.l() as i64 - work as i64;
    if left < 0 {
        return s.tail(crate::fuel::slice_end);
    }
    S { fuel: left, ..s }.put(u64::from(known))
} }

/// Whether two ranges hold the same bytes.
///
/// # Safety
/// Both are readable for `n` bytes.
#[inline(never)]
unsafe fn same_bytes(p: *const u8, q: *const u8, n: usize) -> bool {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(p, n) == std::slice::from_raw_parts(q, n) }
}

/// Whether two inline strings of one length have the same bytes.
///
/// # Safety
/// They are such, in the cage at `heap`.
pub(crate) unsafe fn same_text(heap: *mut u8, a: u64, b: u64) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        let [p, q] = [a, b].map(|r| heap.add((r as u32 as usize) << GRANULE_SHIFT));
        let n = p.add(LENGTH_OFFSET).cast::<u32>().read() as usize;
        same_bytes(p.add(DATA_OFFSET), q.add(DATA_OFFSET), n)
    }
}

/// Text of an inline string.
///
/// # Safety
/// It is one, in the cage at `heap`, which stays as it is while the text is used.
pub(crate) unsafe fn inline_text<'a>(heap: *const u8, s: u64) -> &'a str {
    // SAFETY: the caller's promise; strings are UTF-8.
    unsafe {
        let p = heap.add((s as u32 as usize) << GRANULE_SHIFT);
        let n = p.add(LENGTH_OFFSET).cast::<u32>().read() as usize;
        std::str::from_utf8_unchecked(std::slice::from_raw_parts(p.add(DATA_OFFSET), n))
    }
}

/// Part of an inline string, where it can be had without a collection; 0 where not, or where there is no such part.
///
/// # Safety
/// It is such a string of the context's heap.
pub(crate) unsafe fn part(ctx: *mut crate::ctx::Ctx, s: u64, from: u64, to: u64) -> u64 {
    // SAFETY: the caller's promise; nobody else uses the heap meanwhile.
    unsafe {
        let text = inline_text((*ctx).heap, s);
        if from == 0 && to == text.len() as u64 {
            return s;
        }
        let (Ok(from), Ok(to)) = (usize::try_from(from), usize::try_from(to)) else {
            return 0;
        };
        let Some(bytes) = text.get(from..to).map(str::as_bytes) else {
            return 0;
        };
        let n = bytes.len() as u32;
        let size = array_size(Format::Str, n) as usize;
        if size > jet_gc::INLINE_MAX {
            return 0;
        }
        let fresh = (*ctx).heap_box.try_alloc_raw(size);
        if fresh.is_null() {
            return 0;
        }
        let p = (*ctx).heap.add((fresh.0 as usize) << GRANULE_SHIFT);
        p.cast::<u64>().write(Header::of(Format::Str, 0).0);
        p.add(LENGTH_OFFSET).cast::<u32>().write(n);
        p.add(DATA_OFFSET)
            .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        fresh.to_word()
    }
}

// Lane 0: the immediate.
handler! { fn new_immediate[](s) { s.put_skip(s.l() as u64, 2) } }
// Lane b: the payload.
handler! { fn new_some[](s) { s.put_skip(s.reg(s.b()), 2) } }

/// Whether a string is a rope.
///
/// # Safety
/// `r` is a live string of the heap.
unsafe fn is_rope(heap: &Heap, r: Ref) -> bool {
    // SAFETY: the caller's promise.
    unsafe { heap.header(r).format() == Some(Format::Record) }
}

/// Length in bytes.
///
/// # Safety
/// `r` is a live string of the heap.
pub(crate) unsafe fn str_len_of(heap: &Heap, r: Ref) -> u64 {
    // SAFETY: the caller's promise.
    unsafe {
        if is_rope(heap, r) {
            heap.word_field(r, 0)
        } else {
            u64::from(heap.len(r))
        }
    }
}

/// Length in bytes of the string in a register's value.
pub(crate) fn len_of(ctx: &Ctx, value: u64) -> u64 {
    // SAFETY: used for operands that the verifier typed as strings.
    unsafe { str_len_of(&ctx.heap_box, Ref::from_word(value)) }
}

/// Calls `piece` with the parts of a string, last first.
///
/// # Safety
/// `r` is a live string of the heap.
unsafe fn pieces_backwards(heap: &Heap, r: Ref, mut piece: impl FnMut(&[u8])) {
    let mut pending = vec![r];
    while let Some(r) = pending.pop() {
        // SAFETY: strings and the parts of ropes are live strings.
        unsafe {
            if is_rope(heap, r) {
                pending.push(heap.ref_field(r, 0));
                let right = heap.ref_field(r, 1);
                if right.is_address() {
                    pending.push(right);
                }
            } else {
                piece(heap.str_bytes(r));
            }
        }
    }
}

/// Writes the text of a string into `out`, which has its length.
///
/// # Safety
/// `r` is a live string of the heap.
pub(crate) unsafe fn write_text(heap: &Heap, r: Ref, out: &mut [u8]) {
    let mut end = out.len();
    // SAFETY: the caller's promise.
    unsafe {
        pieces_backwards(heap, r, |bytes| {
            let start = end - bytes.len();
            out[start..end].copy_from_slice(bytes);
            end = start;
        });
    }
}

/// Appends the text of a string.
///
/// # Safety
/// `r` is a live string of the heap.
pub(crate) unsafe fn append_bytes(heap: &Heap, r: Ref, out: &mut Vec<u8>) {
    // SAFETY: the caller's promise.
    unsafe {
        if is_rope(heap, r) {
            let at = out.len();
            out.resize(at + str_len_of(heap, r) as usize, 0);
            write_text(heap, r, &mut out[at..]);
        } else {
            out.extend_from_slice(heap.str_bytes(r));
        }
    }
}

/// The text of a string, copied.
///
/// # Safety
/// `r` is a live string of the heap.
pub(crate) unsafe fn text_of(heap: &Heap, r: Ref) -> String {
    let mut bytes = Vec::new();
    // SAFETY: the caller's promise.
    unsafe { append_bytes(heap, r, &mut bytes) };
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The first `max` bytes of a string at most (fewer, to end between characters), and whether that is all
/// of it. For messages: a rope may stand for far more text than there is memory.
///
/// # Safety
/// `r` is a live string of the heap.
pub(crate) unsafe fn text_prefix(heap: &Heap, r: Ref, max: usize) -> (String, bool) {
    let mut out = Vec::new();
    let mut pending = vec![r];
    while let Some(r) = pending.pop() {
        if out.len() >= max {
            break;
        }
        // SAFETY: strings and the parts of ropes are live strings.
        unsafe {
            if is_rope(heap, r) {
                let right = heap.ref_field(r, 1);
                if right.is_address() {
                    pending.push(right);
                }
                pending.push(heap.ref_field(r, 0));
            } else {
                let bytes = heap.str_bytes(r);
                out.extend_from_slice(&bytes[..bytes.len().min(max - out.len())]);
            }
        }
    }
    // SAFETY: the caller's promise.
    let whole = unsafe { str_len_of(heap, r) } == out.len() as u64;
    if let Err(e) = std::str::from_utf8(&out) {
        out.truncate(e.valid_up_to());
    }
    (String::from_utf8_lossy(&out).into_owned(), whole)
}

impl Vm<'_> {
    /// Length in bytes of the string in register `reg`.
    pub fn str_len(&self, reg: usize) -> u64 {
        len_of(self.ctx, self.reg(reg))
    }

    /// Makes register `reg` hold a string that is no rope. Charges for the copying.
    pub fn flatten(&mut self, reg: usize) -> Done {
        let r = self.obj(reg);
        // SAFETY: a string operand.
        if !unsafe { is_rope(&self.ctx.heap_box, r) } {
            return Ok(());
        }
        // SAFETY: a rope.
        let (left, right) = unsafe {
            (
                self.ctx.heap_box.ref_field(r, 0),
                self.ctx.heap_box.ref_field(r, 1),
            )
        };
        if right.is_null() {
            self.set(reg, left.to_word());
            return Ok(());
        }
        let len = self.str_len(reg);
        self.charge(byte_work(len))?;
        let flat = self.array(Format::Str, len)?;
        let rope = self.obj(reg);
        // SAFETY: `flat` is a fresh string of that length, which is no part of the rope; all are live.
        unsafe {
            let heap = &mut self.ctx.heap_box;
            let data = heap.data_ptr(flat);
            write_text(
                heap,
                rope,
                std::slice::from_raw_parts_mut(data, len as usize),
            );
            heap.set_ref_field(rope, 0, flat);
            heap.init_ref_field(rope, 1, Ref::NULL);
        }
        self.set(reg, flat.to_word());
        Ok(())
    }

    /// Bytes of the flat string in register `reg`.
    pub fn bytes(&self, reg: usize) -> &[u8] {
        // SAFETY: a string operand; ropes were flattened (and would give no bytes).
        unsafe { self.ctx.heap_box.str_bytes(self.obj(reg)) }
    }

    /// Text of the flat string in register `reg`.
    pub fn text(&self, reg: usize) -> &str {
        // SAFETY: strings are UTF-8: constants, results of the runtime, checked conversions.
        unsafe { std::str::from_utf8_unchecked(self.bytes(reg)) }
    }

    /// A new string.
    pub fn new_str(&mut self, text: &str) -> Done<Ref> {
        let r = self
            .ctx
            .heap_box
            .alloc_str(0, text.as_bytes(), &mut self.ctx.roots);
        r.map_err(|e| self.out_of_memory(e))
    }

    /// A new string of bytes `from..to` of the flat string in register `reg`.
    pub fn substring(&mut self, reg: usize, from: usize, to: usize) -> Done<Ref> {
        let fresh = self.array(Format::Str, (to - from) as u64)?;
        // SAFETY: the fresh string has room for exactly these bytes; they are different objects.
        unsafe {
            let out = self.ctx.heap_box.data_ptr(fresh);
            let source = self.bytes(reg);
            out.copy_from_nonoverlapping(source[from..to].as_ptr(), to - from);
        }
        Ok(fresh)
    }

    /// A new string of `len` bytes that `write` fills; `write` sees the heap and must leave UTF-8.
    fn build(&mut self, len: u64, write: impl FnOnce(&Vm<'_>, &mut [u8])) -> Done<Ref> {
        let fresh = self.array(Format::Str, len)?;
        let data = self.ctx.heap_box.data_ptr(fresh);
        // SAFETY: the data of a fresh string, which no operand is.
        let out = unsafe { std::slice::from_raw_parts_mut(data, len as usize) };
        write(self, out);
        Ok(fresh)
    }

    /// A rope of the strings in register `left` and temporary `right`.
    fn rope(&mut self, left: usize, right: usize, len: u64) -> Done<Ref> {
        let rope = self.record(ROPE_HEADER)?;
        let (l, r) = (self.obj(left), self.kept(right));
        // SAFETY: a fresh record with two references and a word.
        unsafe {
            let heap = &mut self.ctx.heap_box;
            heap.init_ref_field(rope, 0, l);
            heap.init_ref_field(rope, 1, r);
            heap.set_word_field(rope, 0, len);
        }
        Ok(rope)
    }
}

/// Checks a string's length.
fn check_len(vm: &mut Vm<'_>, len: u64) -> Done {
    if len > u64::from(u32::MAX) {
        return Err(vm.too_large(len));
    }
    Ok(())
}

/// `str_concat`
pub(crate) struct Concat;

impl SlowOp for Concat {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let (x, y) = (vm.b(), vm.c());
        let (n, m) = (vm.str_len(x), vm.str_len(y));
        let len = n + m;
        check_len(vm, len)?;
        // A long result is a rope: the longer part is not copied now.
        vm.charge_point(byte_work(if len < ROPE_FROM { len } else { n.min(m) }))?;
        let value = if m == 0 {
            vm.obj(x)
        } else if n == 0 {
            vm.obj(y)
        } else if len < ROPE_FROM {
            vm.build(len, |vm, out| {
                let (left, right) = out.split_at_mut(n as usize);
                // SAFETY: string operands.
                unsafe {
                    write_text(&vm.ctx.heap_box, vm.obj(x), left);
                    write_text(&vm.ctx.heap_box, vm.obj(y), right);
                }
            })?
        } else {
            let right = vm.keep(vm.obj(y));
            vm.rope(x, right, len)?
        };
        vm.result(value.to_word());
        Ok(1)
    }
}

/// `str_concat_n`
pub(crate) struct ConcatN;

impl SlowOp for ConcatN {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let n = vm.c();
        let mut len = 0u64;
        for k in 0..n {
            len += vm.str_len(vm.arg_ix(k));
        }
        check_len(vm, len)?;
        let first = if n > 0 { vm.str_len(vm.arg_ix(0)) } else { 0 };
        let append = n > 1 && len >= 4 * ROPE_FROM && first >= len / 2;
        let skip = usize::from(append);
        let copied = if append { len - first } else { len };
        vm.charge_point(byte_work(copied))?;
        let flat = vm.build(copied, |vm, mut out| {
            for k in skip..n {
                let reg = vm.arg_ix(k);
                let (part, rest) = out.split_at_mut(vm.str_len(reg) as usize);
                // SAFETY: a string operand.
                unsafe { write_text(&vm.ctx.heap_box, vm.obj(reg), part) };
                out = rest;
            }
        })?;
        let value = if append {
            let right = vm.keep(flat);
            vm.rope(vm.arg_ix(0), right, len)?
        } else {
            flat
        };
        vm.result(value.to_word());
        Ok(1 + n.div_ceil(4).max(1))
    }
}

/// `str_byte` of what is no inline string.
struct ByteAt;

impl SlowOp for ByteAt {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        vm.flatten(vm.b())?;
        let i = vm.reg(vm.c());
        let found = usize::try_from(i)
            .ok()
            .and_then(|i| vm.bytes(vm.b()).get(i).copied());
        match found {
            Some(byte) => {
                vm.result(u64::from(byte));
                Ok(1)
            }
            None => {
                let len = vm.str_len(vm.b());
                let text = format!(
                    "index {} out of bounds: the string has {len} bytes",
                    i as i64
                );
                Err(vm.trap(TrapKind::Bounds, text))
            }
        }
    }
}

/// `str_eq`
pub(crate) struct StrEq;

impl SlowOp for StrEq {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let (x, y) = (vm.b(), vm.c());
        let (n, m) = (vm.str_len(x), vm.str_len(y));
        vm.charge_point(if n == m { byte_work(n) } else { 0 })?;
        let equal = n == m && {
            vm.flatten(x)?;
            vm.flatten(y)?;
            vm.obj(x) == vm.obj(y) || vm.bytes(x) == vm.bytes(y)
        };
        vm.result(u64::from(equal));
        Ok(1)
    }
}

/// `str_cmp`
pub(crate) struct StrCmp;

impl SlowOp for StrCmp {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let (x, y) = (vm.b(), vm.c());
        let work = vm.str_len(x).min(vm.str_len(y));
        vm.charge_point(byte_work(work))?;
        vm.flatten(x)?;
        vm.flatten(y)?;
        let order = vm.bytes(x).cmp(vm.bytes(y)) as i64;
        vm.result(order as u64);
        Ok(1)
    }
}

/// `hash_str`
pub(crate) struct HashStr;

impl SlowOp for HashStr {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let x = vm.b();
        vm.charge_point(byte_work(vm.str_len(x)))?;
        vm.flatten(x)?;
        let r = vm.obj(x);
        // SAFETY: a flat string.
        let known = unsafe { vm.address(r).add(HASH_OFFSET).cast::<u32>().read() };
        let hash = if known != 0 {
            known
        } else {
            let hash = crate::hash::bytes(vm.bytes(x), vm.ctx.hash_seed);
            // SAFETY: a flat string.
            unsafe { vm.ctx.heap_box.set_str_hash(r, hash) };
            hash
        };
        vm.result(u64::from(hash));
        Ok(1)
    }
}

/// `panic`
pub(crate) struct Panic;

impl SlowOp for Panic {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        // SAFETY: a string operand.
        let (mut text, whole) = unsafe { text_prefix(&vm.ctx.heap_box, vm.obj(vm.a()), 4096) };
        if !whole {
            text.push('…');
        }
        Err(vm.trap(TrapKind::Panic, text))
    }
}

/// `bind_fn`: lane b is the function, the arguments are its capabilities.
pub(crate) struct BindFn;

impl SlowOp for BindFn {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        // SAFETY: the loader put the header there.
        let header = Header(unsafe { (*vm.pc.add(1)).slot.addr() } as u64);
        debug_assert_eq!(header.type_id(), BOUND_FN);
        let r = vm.record(header)?;
        let n = header.nrefs() as usize - 1;
        // SAFETY: a fresh record with one reference more than there are capabilities.
        unsafe {
            let f = vm.obj(vm.b());
            vm.ctx.heap_box.init_ref_field(r, 0, f);
            for k in 0..n {
                let cap = Ref::from_word(vm.arg(k));
                vm.ctx.heap_box.init_ref_field(r, k as u32 + 1, cap);
            }
        }
        vm.result(r.to_word());
        Ok(1 + n.div_ceil(4).max(1))
    }
}
