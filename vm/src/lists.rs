//! Slow list operations: whatever allocates, moves many elements or charges by work.
//!
//! What must stay true: a list's length never exceeds its capacity; reference elements at and above the
//! length are 0; reference stores tell the collector.

use std::marker::PhantomData;

use jet_bytecode::analysis::fuel::element_work;
use jet_bytecode::opcodes::TrapKind;
use jet_gc::layout::DATA_OFFSET;
use jet_gc::{Format, Ref};

use crate::ops_list::{Elem, LIST_HEADER};
use crate::slow::{Done, SlowOp, Vm};

impl Vm<'_> {
    /// Backing array (0: none) and length of a list.
    pub fn list_parts(&self, list: Ref) -> (Ref, u64) {
        // SAFETY: callers pass list operands; see the module for the record.
        unsafe {
            (
                self.ctx.heap_box.ref_field(list, 0),
                self.ctx.heap_box.word_field(list, 0),
            )
        }
    }

    /// Length of a list.
    pub fn list_len(&self, list: Ref) -> u64 {
        self.list_parts(list).1
    }

    /// Elements that a list has room for.
    pub fn capacity(&self, data: Ref) -> u64 {
        if data.is_null() {
            0
        } else {
            // SAFETY: a backing array.
            u64::from(unsafe { self.ctx.heap_box.len(data) })
        }
    }

    /// Changes a list's length.
    pub fn set_list_len(&mut self, list: Ref, len: u64) {
        // SAFETY: callers pass lists and lengths within the capacity.
        unsafe { self.ctx.heap_box.set_word_field(list, 0, len) };
    }

    /// A new list of `len` zero elements with room for `room`.
    pub fn new_list(&mut self, format: Format, len: u64, room: u64) -> Done<Ref> {
        let place = if room > 0 {
            let data = self.array(format, room)?;
            Some(self.keep(data))
        } else {
            None
        };
        let list = self.record(LIST_HEADER)?;
        if let Some(place) = place {
            let data = self.kept(place);
            // SAFETY: a fresh list.
            unsafe { self.ctx.heap_box.init_ref_field(list, 0, data) };
        }
        self.set_list_len(list, len);
        Ok(list)
    }

    /// Makes room for `more` elements in the list in register `reg`.
    pub fn grow(&mut self, reg: usize, format: Format, more: u64) -> Done {
        let (data, len) = self.list_parts(self.obj(reg));
        let capacity = self.capacity(data);
        let need = len.saturating_add(more);
        if need <= capacity {
            return Ok(());
        }
        // Small lists double; large ones grow by half, to leave memory for others.
        let grown = if capacity < 4096 {
            capacity * 2
        } else {
            capacity + capacity / 2
        };
        let fresh = self.array(format, need.max(grown).max(4))?;
        let list = self.obj(reg);
        let (data, len) = self.list_parts(list);
        // SAFETY: both are arrays of this format with at least `len` elements; the fresh one was allocated
        // last.
        unsafe {
            if !data.is_null() {
                let heap = &mut self.ctx.heap_box;
                heap.copy_elements(data, 0, fresh, 0, len as u32);
            }
            self.ctx.heap_box.set_ref_field(list, 0, fresh);
        }
        Ok(())
    }

    /// Address of element `i` of a backing array.
    pub fn element<E: Elem>(&self, data: Ref, i: u64) -> *mut u8 {
        self.address(data)
            .wrapping_add(DATA_OFFSET + i as usize * E::SIZE)
    }

    /// Stores an element, with the barrier.
    pub fn store<E: Elem>(&mut self, data: Ref, i: u64, value: u64) {
        // SAFETY: callers check `i` against the capacity; the value has the element's type.
        unsafe {
            if E::REF {
                self.ctx
                    .heap_box
                    .set_ref_at(data, i as u32, Ref::from_word(value));
            } else {
                E::store(self.element::<E>(data, i), value);
            }
        }
    }

    fn out_of_bounds(&mut self, index: i64, len: u64) -> crate::slow::Stop {
        let (kind, text) = crate::trap::bounds(index, len);
        self.trap(kind, text)
    }
}

macro_rules! ops {
    ($($(#[$m:meta])* $name:ident;)*) => { $(
        $(#[$m])*
        pub(crate) struct $name<E>(PhantomData<E>);
    )* };
}
ops! {
    /// `list_push` when there is no room.
    Push;
    /// `list_new`
    New;
    /// `list_of`
    Of;
    /// `list_fill`
    Fill;
    /// `list_insert`
    Insert;
    /// `list_remove`
    Remove;
    /// `list_truncate`
    Truncate;
    /// `list_extend`
    Extend;
    /// `list_slice`
    Slice;
}

impl<E: Elem> SlowOp for Push<E> {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        vm.grow(vm.a(), E::FORMAT, 1)?;
        let list = vm.obj(vm.a());
        let (data, len) = vm.list_parts(list);
        vm.store::<E>(data, len, vm.reg(vm.b()));
        vm.set_list_len(list, len + 1);
        Ok(1)
    }
}

impl<E: Elem> SlowOp for New<E> {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let room = (vm.reg(vm.b()) as i64).max(0) as u64;
        vm.charge_point(element_work(room))?;
        let list = vm.new_list(E::FORMAT, 0, room)?;
        vm.result(list.to_word());
        Ok(1)
    }
}

impl<E: Elem> SlowOp for Of<E> {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let n = vm.c();
        let list = vm.new_list(E::FORMAT, n as u64, n as u64)?;
        let (data, _) = vm.list_parts(list);
        for k in 0..n {
            let value = vm.arg(k);
            vm.store::<E>(data, k as u64, value);
        }
        vm.result(list.to_word());
        Ok(1 + n.div_ceil(4).max(1))
    }
}

impl<E: Elem> SlowOp for Fill<E> {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let n = vm.reg(vm.b()) as i64;
        let Ok(n) = u64::try_from(n) else {
            return Err(vm.trap(TrapKind::Bounds, format!("list of {n} elements")));
        };
        vm.charge_point(element_work(n))?;
        let list = vm.new_list(E::FORMAT, n, n)?;
        let value = vm.reg(vm.c());
        let (data, _) = vm.list_parts(list);
        if value != 0 && n > 0 {
            // SAFETY: all of them are below the capacity.
            unsafe {
                if E::REF {
                    vm.ctx
                        .heap_box
                        .fill_refs(data, n as u32, Ref::from_word(value));
                } else {
                    let first = vm.element::<E>(data, 0);
                    for k in 0..n as usize {
                        E::store(first.add(k * E::SIZE), value);
                    }
                }
            }
        }
        vm.result(list.to_word());
        Ok(1)
    }
}

impl<E: Elem> SlowOp for Insert<E> {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let at = vm.reg(vm.b());
        let len = vm.list_len(vm.obj(vm.a()));
        if at > len {
            return Err(vm.out_of_bounds(at as i64, len));
        }
        vm.charge_point(element_work(len - at))?;
        vm.grow(vm.a(), E::FORMAT, 1)?;
        let list = vm.obj(vm.a());
        let (data, _) = vm.list_parts(list);
        // SAFETY: there is room for one more; both ranges lie in the array.
        unsafe {
            vm.ctx
                .heap_box
                .copy_elements(data, at as u32, data, at as u32 + 1, (len - at) as u32);
        }
        vm.store::<E>(data, at, vm.reg(vm.c()));
        vm.set_list_len(list, len + 1);
        Ok(1)
    }
}

impl<E: Elem> SlowOp for Remove<E> {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let at = vm.reg(vm.c());
        let list = vm.obj(vm.b());
        let (data, len) = vm.list_parts(list);
        if at >= len {
            return Err(vm.out_of_bounds(at as i64, len));
        }
        vm.charge_point(element_work(len - at))?;
        // SAFETY: `at` is an element; the rest moves within the array.
        unsafe {
            let value = E::load(vm.element::<E>(data, at));
            vm.ctx.heap_box.copy_elements(
                data,
                at as u32 + 1,
                data,
                at as u32,
                (len - at - 1) as u32,
            );
            if E::REF {
                E::store(vm.element::<E>(data, len - 1), 0);
            }
            vm.set_list_len(list, len - 1);
            vm.result(value);
        }
        Ok(1)
    }
}

impl<E: Elem> SlowOp for Truncate<E> {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let n = vm.reg(vm.b()) as i64;
        let Ok(n) = u64::try_from(n) else {
            return Err(vm.trap(TrapKind::Bounds, format!("list of {n} elements")));
        };
        let list = vm.obj(vm.a());
        let (data, len) = vm.list_parts(list);
        if n < len {
            if E::REF {
                for k in n..len {
                    // SAFETY: elements of the array; 0 is no reference.
                    unsafe { E::store(vm.element::<E>(data, k), 0) };
                }
            }
            vm.set_list_len(list, n);
        }
        Ok(1)
    }
}

impl<E: Elem> SlowOp for Extend<E> {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let more = vm.list_len(vm.obj(vm.b()));
        vm.charge_point(element_work(more))?;
        vm.grow(vm.a(), E::FORMAT, more)?;
        let (list, other) = (vm.obj(vm.a()), vm.obj(vm.b()));
        let (data, len) = vm.list_parts(list);
        let (from, more) = vm.list_parts(other);
        if more > 0 {
            // SAFETY: there is room for `more` behind `len`; `from` has that many.
            unsafe {
                vm.ctx
                    .heap_box
                    .copy_elements(from, 0, data, len as u32, more as u32);
            }
            vm.set_list_len(list, len + more);
        }
        Ok(1)
    }
}

impl<E: Elem> SlowOp for Slice<E> {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let len = vm.list_len(vm.obj(vm.b()));
        let (x, y) = (vm.arg(0) as i64, vm.arg(1) as i64);
        if x < 0 || x > y || y as u64 > len {
            return Err(vm.trap(
                TrapKind::Bounds,
                format!("slice {x}..{y} out of bounds: the list has {len} elements"),
            ));
        }
        let n = (y - x) as u64;
        vm.charge_point(element_work(n))?;
        let list = vm.new_list(E::FORMAT, n, n)?;
        if n > 0 {
            let (to, _) = vm.list_parts(list);
            let (from, _) = vm.list_parts(vm.obj(vm.b()));
            // SAFETY: both ranges lie in their arrays.
            unsafe {
                vm.ctx
                    .heap_box
                    .copy_elements(from, x as u32, to, 0, n as u32);
            }
        }
        vm.result(list.to_word());
        Ok(2)
    }
}
