//! Single properties of the heap: limits, deep graphs, barriers, stress modes, external buffers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{NODE, config, push, push_all, roots, values};
use jet_gc::layout::{GC_BITS, GC_OLD};
use jet_gc::{Format, GcMode, Heap, HeapError, NoRoots, OutOfMemoryCause, Ref};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn heap(limit: u64, mode: GcMode) -> Heap {
    Heap::new(config(limit, mode)).unwrap()
}

fn list_len(heap: &Heap, list: Ref) -> u64 {
    values(heap, list.to_word()).len() as u64
}

#[test]
fn a_new_heap_is_small() {
    let mut h = heap(1 << 30, GcMode::Normal);
    assert_eq!(h.stats().committed, 0);
    h.alloc_record(NODE, &mut NoRoots).unwrap();
    assert!(h.stats().committed <= 64 << 10);
    assert_eq!(h.stats().bytes_allocated, 24);
}

#[test]
fn an_endless_list_meets_its_limit_soon() {
    for limit in [1 << 20, 64 << 20] {
        let mut h = heap(limit, GcMode::Normal);
        let mut slots = [0];
        let start = Instant::now();
        let mut n = 0;
        let e = loop {
            match push(&mut h, &mut slots, n) {
                Ok(()) => n += 1,
                Err(e) => break e,
            }
        };
        assert_eq!(e.cause, OutOfMemoryCause::Limit);
        assert!(start.elapsed() < Duration::from_secs(20));
        assert!(h.stats().peak <= limit, "{} > {limit}", h.stats().peak);
        assert!(n * 24 > limit / 4, "only {n} nodes under {limit}");
        assert!(h.stats().full.count < 20);
        assert_eq!(list_len(&h, Ref::from_word(slots[0])), n);
        h.check(&mut roots(&mut slots)).unwrap();
        // The heap is usable once the list is gone.
        slots[0] = 0;
        for i in 0..n {
            push(&mut h, &mut slots, i).unwrap();
            slots[0] = 0;
        }
    }
}

#[test]
fn what_the_heap_grows_by_again_is_kept_and_the_rest_given_back() {
    const LIVE: u64 = 24 * 800_000;
    let mut h = heap(1 << 30, GcMode::Normal);
    let mut slots = [0];
    let mut build = |h: &mut Heap| {
        push_all(h, &mut slots, 0, LIVE / 24);
        h.collect(&mut roots(&mut slots)).unwrap();
        h.check(&mut roots(&mut slots)).unwrap();
        slots[0] = 0;
        h.stats().committed
    };
    let first = build(&mut h);
    let second = build(&mut h);
    assert!(first > LIVE && second > 2 * LIVE, "{first} {second}");
    // It does not add up.
    assert!(build(&mut h).max(build(&mut h)) <= 3 * LIVE);
    // With nothing alive the next full collection is far away, but not as far.
    for _ in 0..2 {
        h.collect(&mut NoRoots).unwrap();
    }
    assert!(
        h.stats().committed < second / 2 + LIVE / 4,
        "{}",
        h.stats().committed
    );
}

/// Pushes until the heap is full, with large garbage now and then: the number of nodes.
fn fill(h: &mut Heap, slots: &mut [u64]) -> u64 {
    let mut n = 0;
    while push(h, slots, n).is_ok() {
        n += 1;
        for _ in 0..if n % 20_000 == 0 { 12 } else { 0 } {
            if h.alloc_array(Format::Bytes, 0, 150_000, &mut roots(slots))
                .is_err()
            {
                return n;
            }
        }
    }
    n
}

#[test]
fn kept_memory_makes_way_for_collections() {
    let limit = 16 << 20;
    let mut h = heap(limit, GcMode::Normal);
    let mut slots = [0];
    for _ in 0..3 {
        let n = fill(&mut h, &mut slots);
        assert!(n * 24 > limit / 4, "only {n} nodes under {limit}");
        assert!(h.stats().peak <= limit, "{} > {limit}", h.stats().peak);
        h.check(&mut roots(&mut slots)).unwrap();
        slots[0] = 0;
    }
}

#[test]
fn a_nearly_full_heap_still_runs() {
    let limit = 16 << 20;
    let n = fill(&mut heap(limit, GcMode::Normal), &mut [0]);
    let mut h = heap(limit, GcMode::Normal);
    let mut slots = [0, 0];
    for i in 0..n * 9 / 10 {
        push(&mut h, &mut slots, i).unwrap();
    }
    let before = h.stats();
    for i in 0..1_000_000 {
        h.alloc_record(NODE, &mut roots(&mut slots)).unwrap();
        if i % 1000 == 0 {
            h.alloc_array(Format::Bytes, 0, 50_000, &mut roots(&mut slots))
                .unwrap();
        }
    }
    let after = h.stats();
    // 74 MB of garbage, in at least a fortieth of the limit at a time.
    assert!(after.collections() - before.collections() < 400);
    assert!(after.bytes_copied - before.bytes_copied < 400 << 20);
    assert!(after.peak <= limit);
}

#[test]
fn an_endless_array_list_meets_its_limit_soon() {
    let mut h = heap(64 << 20, GcMode::Normal);
    let mut slots = [0];
    let mut cap = 4;
    let e = loop {
        match h.alloc_array(Format::Words, 1, cap, &mut roots(&mut slots)) {
            Ok(new) => {
                let old = std::mem::replace(&mut slots[0], new.to_word());
                if old != 0 {
                    // SAFETY: `old` was a root until now and nothing was allocated since.
                    unsafe { h.copy_elements(Ref::from_word(old), 0, new, 0, cap / 2) };
                }
                cap *= 2;
            }
            Err(e) => break e,
        }
    };
    assert_eq!(e.cause, OutOfMemoryCause::Limit);
    assert!(h.stats().peak <= 64 << 20 && cap as u64 * 8 >= 32 << 20);
}

#[test]
fn impossible_sizes_fail_at_once() {
    let mut h = heap(1 << 20, GcMode::Normal);
    for bytes in [u64::MAX, u64::MAX - 7, 1 << 40, 1 << 32, (1 << 20) + 1] {
        assert_eq!(
            h.alloc_slow(bytes, &mut NoRoots).unwrap_err().cause,
            OutOfMemoryCause::Limit
        );
    }
    assert!(
        h.alloc_array(Format::Words, 0, u32::MAX, &mut NoRoots)
            .is_err()
    );
    assert!(
        h.alloc_array(Format::Bytes, 0, u32::MAX, &mut NoRoots)
            .is_err()
    );
    assert_eq!(h.stats().committed, 0);
    h.check(&mut NoRoots).unwrap();
}

#[test]
fn deep_graphs_need_no_native_stack() {
    let run = || {
        let mut h = heap(512 << 20, GcMode::Normal);
        let mut slots = [0];
        for i in 0..2_000_000 {
            push(&mut h, &mut slots, i).unwrap();
        }
        h.collect(&mut roots(&mut slots)).unwrap();
        h.check(&mut roots(&mut slots)).unwrap();
        assert_eq!(list_len(&h, Ref::from_word(slots[0])), 2_000_000);
    };
    std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn survivors_become_old_and_garbage_goes() {
    let mut h = heap(64 << 20, GcMode::Normal);
    let mut slots = [0];
    push(&mut h, &mut slots, 7).unwrap();
    let young = slots[0];
    h.alloc_array(Format::Bytes, 0, 1 << 20, &mut NoRoots)
        .unwrap();
    h.collect_minor(&mut roots(&mut slots)).unwrap();
    assert_ne!(slots[0], young);
    // SAFETY: the slot is current.
    unsafe {
        let r = Ref::from_word(slots[0]);
        assert_eq!(h.header(r).0 & GC_BITS, GC_OLD);
        assert_eq!(h.word_field(r, 0), 7);
    }
    assert_eq!(h.stats().live_after_last, 24);
    // A young collection leaves it where it is, a full one moves it.
    let old = slots[0];
    h.collect_minor(&mut roots(&mut slots)).unwrap();
    assert_eq!(slots[0], old);
    h.collect(&mut roots(&mut slots)).unwrap();
    assert_ne!(slots[0], old);
}

#[test]
fn the_checker_finds_a_missed_barrier() {
    let mut h = heap(64 << 20, GcMode::Normal);
    let mut slots = [0, 0];
    push(&mut h, &mut slots, 1).unwrap();
    h.collect_minor(&mut roots(&mut slots)).unwrap();
    let old = Ref::from_word(slots[0]);
    slots[1] = h
        .alloc_record(NODE, &mut roots(&mut slots))
        .unwrap()
        .to_word();
    let young = Ref::from_word(slots[1]);
    // SAFETY: both are current; the barrier is left out on purpose.
    unsafe { h.init_ref_field(old, 0, young) };
    let found = h.check(&mut roots(&mut slots));
    assert_eq!(found, Err(HeapError::MissedBarrier(old, 0, young.0)));
    // SAFETY: as above, now with it.
    unsafe { h.set_ref_field(old, 0, young) };
    h.check(&mut roots(&mut slots)).unwrap();
    slots[1] = 0;
    h.collect_minor(&mut roots(&mut slots)).unwrap();
    h.check(&mut roots(&mut slots)).unwrap();
    assert_eq!(list_len(&h, Ref::from_word(slots[0])), 2);
}

#[test]
fn the_checker_finds_bad_references_and_headers() {
    let mut h = heap(64 << 20, GcMode::Normal);
    let mut slots = [0];
    push(&mut h, &mut slots, 1).unwrap();
    let r = Ref::from_word(slots[0]);
    assert_eq!(
        h.check(&mut roots(&mut [r.to_word() + 1])),
        Err(HeapError::BadRoot(r.to_word() + 1))
    );
    assert_eq!(
        h.check(&mut roots(&mut [u64::MAX])),
        Err(HeapError::BadRoot(u64::MAX))
    );
    // SAFETY: the object is ours; a bad reference in it is never followed before it is taken out.
    unsafe {
        h.init_ref_field(r, 0, Ref(r.0 + 1));
        assert_eq!(h.check(&mut NoRoots), Err(HeapError::BadRef(r, 0, r.0 + 1)));
        h.init_ref_field(r, 0, Ref(255));
        h.check(&mut NoRoots).unwrap();
        h.address(r).write(9);
        assert!(matches!(
            h.check(&mut NoRoots),
            Err(HeapError::BadHeader(_, _))
        ));
        h.address(r).write(Format::Words as u8);
        assert!(matches!(
            h.check(&mut NoRoots),
            Err(HeapError::BadSize(_, _) | HeapError::BadBits(_, _))
        ));
    }
}

#[test]
fn writes_into_a_large_old_array_survive() {
    let mut h = heap(256 << 20, GcMode::Normal);
    let mut slots = [0, 0];
    let len = 100_000;
    slots[0] = h
        .alloc_array(Format::RefArray, 1, len, &mut NoRoots)
        .unwrap()
        .to_word();
    h.collect_minor(&mut roots(&mut slots)).unwrap();
    let array = Ref::from_word(slots[0]);
    for round in 0..3 {
        for i in [0, 1, 4091, 4092, 4093, 8187, 8188, 50_000, len - 1] {
            let node = h.alloc_record(NODE, &mut roots(&mut slots)).unwrap();
            // SAFETY: both are current.
            unsafe {
                h.set_word_field(node, 0, u64::from(i + round));
                h.set_ref_at(array, i, node);
            }
        }
        h.check(&mut roots(&mut slots)).unwrap();
        if round == 1 {
            h.collect(&mut roots(&mut slots)).unwrap();
        } else {
            h.collect_minor(&mut roots(&mut slots)).unwrap();
        }
        h.check(&mut roots(&mut slots)).unwrap();
        assert_eq!(slots[0], array.to_word(), "large objects stay");
        for i in [0, 1, 4091, 4092, 4093, 8187, 8188, 50_000, len - 1] {
            // SAFETY: current.
            unsafe { assert_eq!(h.word_field(h.ref_at(array, i), 0), u64::from(i + round)) };
        }
    }
}

#[test]
fn stress_moves_everything_at_each_allocation() {
    let mut h = heap(64 << 20, GcMode::Stress(1));
    let mut slots = [0];
    for i in 0..300 {
        let before = slots[0];
        push(&mut h, &mut slots, i).unwrap();
        if i > 0 {
            // SAFETY: current.
            let next = unsafe { h.ref_field(Ref::from_word(slots[0]), 0) };
            assert_ne!(next.to_word(), before);
        }
    }
    assert_eq!(h.stats().full.count, 300);
    assert_eq!(list_len(&h, Ref::from_word(slots[0])), 300);
    h.set_mode(GcMode::Stress(100));
    for i in 0..300 {
        push(&mut h, &mut slots, i).unwrap();
    }
    assert_eq!(h.stats().full.count, 303);
    h.set_mode(GcMode::Off);
    h.collect(&mut roots(&mut slots)).unwrap();
    assert_eq!(h.stats().full.count, 303);
}

#[test]
fn one_allocation_fails_on_request() {
    let mut h = heap(64 << 20, GcMode::Normal);
    h.alloc_record(NODE, &mut NoRoots).unwrap();
    h.fail_after(Some(2));
    h.alloc_record(NODE, &mut NoRoots).unwrap();
    h.alloc_record(NODE, &mut NoRoots).unwrap();
    let e = h.alloc_record(NODE, &mut NoRoots).unwrap_err();
    assert_eq!(e.cause, OutOfMemoryCause::Injected);
    h.alloc_record(NODE, &mut NoRoots).unwrap();
    h.check(&mut NoRoots).unwrap();
}

#[test]
fn external_buffers_are_counted_and_freed() {
    let limit = 16 << 20;
    let mut h = heap(limit, GcMode::Normal);
    let mut slots = [0];
    let kept: Arc<[u8]> = Arc::from(&b"kept"[..]);
    slots[0] = h
        .alloc_ext_str(5, kept.clone(), &mut NoRoots)
        .unwrap()
        .to_word();
    // Garbage far beyond the limit is fine.
    for _ in 0..200 {
        h.alloc_ext_str(5, vec![1; 1 << 20].into(), &mut roots(&mut slots))
            .unwrap();
    }
    assert!(h.stats().peak <= limit);
    // SAFETY: current.
    unsafe {
        let r = Ref::from_word(slots[0]);
        assert_eq!(h.str_bytes(r), b"kept");
        assert_eq!(h.len(r), 4);
        assert_eq!(h.str_hash(r), 0);
        h.set_str_hash(r, 77);
        assert_eq!(h.str_hash(r), 77);
    }
    // Held, they meet the limit.
    let mut held = vec![0; 40];
    let mut failed = false;
    for i in 0..held.len() {
        match h.alloc_ext_str(5, vec![1; 1 << 20].into(), &mut roots(&mut held)) {
            Ok(r) => held[i] = r.to_word(),
            Err(e) => {
                assert_eq!(e.cause, OutOfMemoryCause::Limit);
                failed = true;
                break;
            }
        }
    }
    assert!(failed && h.stats().peak <= limit);
    h.collect(&mut NoRoots).unwrap();
    assert_eq!(
        (
            h.external().len(),
            h.stats().external,
            Arc::strong_count(&kept)
        ),
        (0, 0, 1)
    );
}

#[test]
fn memory_is_zero_when_it_is_handed_out() {
    let mut h = heap(2 << 20, GcMode::Normal);
    for round in 0..20_000_u32 {
        let len = round % 700;
        let r = h.alloc_array(Format::Bytes, 0, len, &mut NoRoots).unwrap();
        // SAFETY: fresh.
        let bytes = unsafe { h.bytes_mut(r) };
        assert!(bytes.iter().all(|&b| b == 0));
        bytes.fill(0xff);
        if round % 500 == 0 {
            let r = h
                .alloc_array(Format::Bytes, 0, 100_000, &mut NoRoots)
                .unwrap();
            // SAFETY: fresh.
            let bytes = unsafe { h.bytes_mut(r) };
            assert!(bytes.iter().all(|&b| b == 0));
            bytes.fill(0xff);
        }
    }
    assert!(h.stats().collections() > 2);
}

#[test]
fn inline_allocation_through_the_core() {
    let mut h = Box::new(heap(64 << 20, GcMode::Normal));
    let first = h.alloc_record(NODE, &mut NoRoots).unwrap();
    let core = h.core();
    // SAFETY: the heap is boxed and used through the core only in between; three granules fit.
    unsafe {
        assert!((*core).alloc_end - (*core).alloc_ptr >= 3);
        let r = (*core).alloc_ptr;
        assert_eq!(r, first.0 + 3);
        (*core).alloc_ptr += 3;
        (*core)
            .base
            .add(Ref(r).offset())
            .cast::<u64>()
            .write(NODE.0);
    }
    assert_eq!(h.stats().bytes_allocated, 48);
    h.check(&mut NoRoots).unwrap();
    assert_eq!(h.stats().bytes_allocated, 48);
    h.alloc_record(NODE, &mut NoRoots).unwrap();
    h.collect(&mut NoRoots).unwrap();
    assert_eq!(h.stats().bytes_allocated, 72);
}

#[test]
fn copies_into_a_large_old_array_survive() {
    let mut h = heap(256 << 20, GcMode::Normal);
    let mut slots = [0, 0];
    let len = 100_000;
    slots[0] = h
        .alloc_array(Format::RefArray, 1, len, &mut NoRoots)
        .unwrap()
        .to_word();
    h.collect_minor(&mut roots(&mut slots)).unwrap();
    let source = h
        .alloc_array(Format::RefArray, 1, 30_000, &mut roots(&mut slots))
        .unwrap();
    slots[1] = source.to_word();
    for i in (0..30_000).step_by(500) {
        let node = h.alloc_record(NODE, &mut roots(&mut slots)).unwrap();
        // SAFETY: all are current: nothing was collected (large objects do not move, and the young
        // generation is not full).
        unsafe {
            h.set_word_field(node, 0, u64::from(i));
            h.set_ref_at(source, i, node);
        }
    }
    // SAFETY: both are current.
    unsafe { h.copy_elements(source, 0, Ref::from_word(slots[0]), 40_000, 30_000) };
    slots[1] = 0;
    h.check(&mut roots(&mut slots)).unwrap();
    h.collect_minor(&mut roots(&mut slots)).unwrap();
    h.check(&mut roots(&mut slots)).unwrap();
    for i in (0..30_000).step_by(500) {
        // SAFETY: current.
        unsafe {
            let node = h.ref_at(Ref::from_word(slots[0]), 40_000 + i);
            assert_eq!(h.word_field(node, 0), u64::from(i));
        }
    }
}
