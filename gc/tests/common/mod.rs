//! What the tests of the heap share: configurations, roots in a slice, lists of records.
#![allow(dead_code, reason = "each test takes what it needs")]

use jet_gc::{Cage, GcMode, Header, Heap, HeapConfig, OutOfMemory, Ref, SliceRoots};
use std::sync::Arc;

/// A reference to the next node, and a word.
pub const NODE: Header = Header::record(1, 0, 1, 1);

pub fn config(limit: u64, mode: GcMode) -> HeapConfig {
    HeapConfig {
        limit,
        mode,
        ..HeapConfig::default()
    }
}

/// A cage for several heaps.
pub fn cage() -> Arc<Cage> {
    Arc::new(Cage::new(1 << 33).unwrap())
}

pub fn roots(slots: &mut [u64]) -> SliceRoots<'_> {
    // SAFETY: the tests keep live references or immediates in the slots, and none elsewhere.
    unsafe { SliceRoots::new(slots) }
}

/// Puts a node before the list in `slots[0]`.
pub fn push(heap: &mut Heap, slots: &mut [u64], value: u64) -> Result<(), OutOfMemory> {
    let node = heap.alloc_record(NODE, &mut roots(slots))?;
    // SAFETY: the node is fresh, the slot's reference current.
    unsafe {
        heap.init_ref_field(node, 0, Ref::from_word(slots[0]));
        heap.set_word_field(node, 0, value);
    }
    slots[0] = node.to_word();
    Ok(())
}

/// Puts `n` nodes with values from `first` before the list in `slots[0]`.
pub fn push_all(heap: &mut Heap, slots: &mut [u64], first: u64, n: u64) {
    for value in first..first + n {
        push(heap, slots, value).unwrap();
    }
}

/// The values of a list of records whose first reference leads to the next.
pub fn values(heap: &Heap, slot: u64) -> Vec<u64> {
    let (mut r, mut out) = (Ref::from_word(slot), Vec::new());
    while r.is_address() {
        // SAFETY: a live list.
        unsafe {
            out.push(heap.word_field(r, 0));
            r = heap.ref_field(r, 0);
        }
    }
    out
}
