//! Heaps that share a cage: none sees what another had, and threads do not get in each other's way.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use jet_gc::{Cage, Format, GcMode, Header, Heap, HeapConfig, Ref, SliceRoots};
use std::sync::Arc;

const NODE: Header = Header::record(1, 0, 1, 1);

fn cage() -> Arc<Cage> {
    Arc::new(Cage::new(1 << 33).unwrap())
}

fn config(mode: GcMode) -> HeapConfig {
    HeapConfig {
        limit: 64 << 20,
        mode,
        ..HeapConfig::default()
    }
}

fn roots(slots: &mut [u64]) -> SliceRoots<'_> {
    // SAFETY: the tests keep live references or immediates in the slots, and none elsewhere.
    unsafe { SliceRoots::new(slots) }
}

/// Puts `n` nodes with values from `first` before the list in `slots[0]`.
fn push(heap: &mut Heap, slots: &mut [u64], first: u64, n: u64) {
    for value in first..first + n {
        let node = heap.alloc_record(NODE, &mut roots(slots)).unwrap();
        // SAFETY: the node is fresh, the slot's reference current.
        unsafe {
            heap.init_ref_field(node, 0, Ref::from_word(slots[0]));
            heap.set_word_field(node, 0, value);
        }
        slots[0] = node.to_word();
    }
}

fn values(heap: &Heap, slot: u64) -> Vec<u64> {
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

#[test]
fn memory_is_zero_when_another_gets_it() {
    let cage = cage();
    for round in 0..200u64 {
        let mut heap = Heap::new_in(&cage, config(GcMode::Normal));
        let mut slots = [0];
        // Parts, small and big chunks, retained and long large objects.
        let sizes = [1, 100, 400, 3_000, 20_000, 300_000, 2_000_000];
        for _ in 0..=round % 40 {
            for (i, &len) in sizes.iter().enumerate().take(2 + (round % 6) as usize) {
                let made = heap.alloc_array(Format::Bytes, i as u32, len, &mut roots(&mut slots));
                let r = made.unwrap();
                // SAFETY: a fresh byte array.
                let bytes = unsafe { heap.bytes_mut(r) };
                assert!(bytes.iter().all(|b| *b == 0), "round {round}, {len} bytes");
                bytes.fill(0xee);
                slots[0] = r.to_word();
            }
        }
        heap.check(&mut roots(&mut slots)).unwrap();
    }
}

#[test]
fn threads_share_a_cage() {
    let cage = cage();
    std::thread::scope(|scope| {
        for t in 0..4u64 {
            let cage = &cage;
            scope.spawn(move || {
                for round in 0..200 {
                    let mode = if round % 20 == 0 {
                        GcMode::Stress(50)
                    } else {
                        GcMode::Normal
                    };
                    let mut heap = Heap::new_in(cage, config(mode));
                    let mut slots = [0];
                    push(&mut heap, &mut slots, t, 50 + round % 7 * 400);
                    heap.collect_minor(&mut roots(&mut slots)).unwrap();
                    heap.check(&mut roots(&mut slots)).unwrap();
                    assert_eq!(values(&heap, slots[0]).last(), Some(&t));
                }
            });
        }
    });
}
