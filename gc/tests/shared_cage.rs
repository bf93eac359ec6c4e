//! Heaps that share a cage: none sees what another had, and threads do not get in each other's way.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{cage, config, push_all, roots, values};
use jet_gc::{Format, GcMode, Heap};

#[test]
fn memory_is_zero_when_another_gets_it() {
    let cage = cage();
    for round in 0..200u64 {
        let mut heap = Heap::new_in(&cage, config(64 << 20, GcMode::Normal));
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
                    let mut heap = Heap::new_in(cage, config(64 << 20, mode));
                    let mut slots = [0];
                    push_all(&mut heap, &mut slots, t, 50 + round % 7 * 400);
                    heap.collect_minor(&mut roots(&mut slots)).unwrap();
                    heap.check(&mut roots(&mut slots)).unwrap();
                    assert_eq!(values(&heap, slots[0]).last(), Some(&t));
                }
            });
        }
    });
}
