//! Heaps that share a cage: ten thousand small ones at once, made and dropped fast.
//! The figures: `cargo test --release -p jet-gc --test tiny -- --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{cage, config, push_all, roots, values};
use jet_gc::{GcMode, Heap};
use std::time::Instant;

const HEAPS: usize = 10_000;

// One test, so that nothing else in the process takes memory or time.
#[test]
fn many_and_fast() {
    ten_thousand_at_once();
    made_and_dropped_fast();
}

/// Resident bytes of this process, where the system tells.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

fn ten_thousand_at_once() {
    let cage = cage();
    let before = resident();
    let mut heaps: Vec<(Box<Heap>, u64)> = Vec::with_capacity(HEAPS);
    for i in 0..HEAPS {
        let mut heap = Box::new(Heap::new_in(&cage, config(64 << 20, GcMode::Normal)));
        let mut slots = [0];
        push_all(&mut heap, &mut slots, i as u64, 40);
        assert!(heap.stats().committed <= 4096);
        heaps.push((heap, slots[0]));
    }
    if let (Some(before), Some(after)) = (before, resident()) {
        let each = (after - before) / HEAPS as u64;
        println!("{HEAPS} live heaps: {each} bytes each");
        assert!(each <= 8 << 10, "{each} bytes each");
    }
    // They are independent: some grow and collect, the others keep what they had.
    for (i, (heap, slot)) in heaps.iter_mut().enumerate().step_by(97) {
        let mut slots = [*slot];
        push_all(heap, &mut slots, 1_000_000, 3_000);
        heap.collect_minor(&mut roots(&mut slots)).unwrap();
        push_all(heap, &mut slots, 2_000_000, 10);
        heap.collect(&mut roots(&mut slots)).unwrap();
        heap.check(&mut roots(&mut slots)).unwrap();
        assert_eq!(values(heap, slots[0]).len(), 3_050, "heap {i}");
        *slot = slots[0];
    }
    for (i, (heap, slot)) in heaps.iter_mut().enumerate() {
        heap.check(&mut roots(&mut [*slot])).unwrap();
        let last = values(heap, *slot).last().copied();
        assert_eq!(last, Some(i as u64));
    }
    drop(heaps);
    // All of it is back, but for the pages that are cut into parts.
    assert!(cage.committed() <= (HEAPS as u64) * 4096 + (1 << 20));
}

fn made_and_dropped_fast() {
    let cage = cage();
    let n = 200_000;
    let start = Instant::now();
    for i in 0..n {
        let mut heap = Heap::new_in(&cage, config(64 << 20, GcMode::Normal));
        let mut slots = [0];
        push_all(&mut heap, &mut slots, i, 10);
        assert_eq!(heap.stats().bytes_allocated, 240);
    }
    let rate = n as f64 / start.elapsed().as_secs_f64();
    println!("made, used and dropped: {rate:.0} a second");
    // A debug build on a busy machine proves nothing.
    assert!(rate >= 100_000.0 || cfg!(debug_assertions), "{rate}");
}
