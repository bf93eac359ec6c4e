//! The mark-region old space: how much of its limit a heap can fill, what fragmentation costs, deep graphs on a
//! bounded stack, and the change from one kind of old space to the other.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{config, roots};
use jet_gc::{Cage, Format, GcMode, Header, Heap, HeapConfig, OutOfMemory, OutOfMemoryCause, Ref};
use std::sync::Arc;

const NODE: Header = Header::record(1, 0, 2, 1);

fn heap(limit: u64, blocks_from: u64, mode: GcMode) -> Heap {
    Heap::new(HeapConfig {
        blocks_from,
        ..config(limit, mode)
    })
    .unwrap()
}

/// A node with references to what is in `slots[a]` and `slots[b]`.
fn node(h: &mut Heap, slots: &mut [u64], a: usize, b: usize, n: u64) -> Result<Ref, OutOfMemory> {
    let r = h.alloc_record(NODE, &mut roots(slots))?;
    // SAFETY: the node is fresh, the slots' references current.
    unsafe {
        h.init_ref_field(r, 0, Ref::from_word(slots[a]));
        h.init_ref_field(r, 1, Ref::from_word(slots[b]));
        h.set_word_field(r, 0, n);
    }
    Ok(r)
}

fn sum(h: &Heap, slot: u64) -> (u64, u64) {
    let (mut r, mut n, mut sum) = (Ref::from_word(slot), 0, 0u64);
    while r.is_address() {
        n += 1;
        // SAFETY: a live list.
        unsafe {
            sum = sum.wrapping_add(h.word_field(r, 0));
            r = h.ref_field(r, 0);
        }
    }
    (n, sum)
}

#[test]
fn most_of_the_limit_is_for_data() {
    let limit = 64 << 20;
    let mut filled = Vec::new();
    for from in [0, 16 << 20, u64::MAX] {
        let mut h = heap(limit, from, GcMode::Normal);
        let mut slots = [0, 0];
        let mut n = 0;
        while let Ok(r) = node(&mut h, &mut slots, 0, 1, n) {
            slots[0] = r.to_word();
            n += 1;
        }
        assert_eq!(sum(&h, slots[0]), (n, n * (n - 1) / 2));
        assert!(h.stats().peak <= limit);
        h.check(&mut roots(&mut slots)).unwrap();
        filled.push(n * 24 * 100 / limit);
    }
    println!("filled with data, per cent: {filled:?}");
    // A copying space keeps as much free as it holds.
    assert!(
        filled[0] >= 75 && filled[1] >= 75 && filled[2] <= 50,
        "{filled:?}"
    );
}

/// Puts new nodes into the elements of the array in `slots[1]` that `at` lists; their words are the indices.
fn put(h: &mut Heap, slots: &mut [u64], at: impl Iterator<Item = u32>) -> u64 {
    let mut n = 0;
    for i in at {
        let r = node(h, slots, 0, 0, u64::from(i)).unwrap();
        // SAFETY: the array is live and has so many elements.
        unsafe { h.set_ref_at(Ref::from_word(slots[1]), i, r) };
        n += 1;
    }
    n
}

#[test]
fn holes_are_used_and_sparse_blocks_emptied() {
    let (limit, len) = (32 << 20, 200_000);
    let held = |h: &Heap| {
        let s = h.stats();
        (s.live_after_last, s.fragmented)
    };
    // Lines have room for five nodes: every line keeps one; one in seven is free; most are.
    for step in [2u32, 7, 50] {
        let mut h = heap(limit, 0, GcMode::Normal);
        let mut slots = [0, 0];
        let array = h
            .alloc_array(Format::RefArray, 2, len, &mut roots(&mut slots))
            .unwrap();
        slots[1] = array.to_word();
        let large = (u64::from(len) * 4 + 16).next_multiple_of(16 << 10);
        let all = put(&mut h, &mut slots, 0..len) * 24;
        h.collect(&mut roots(&mut slots)).unwrap();
        let (live, fragmented) = held(&h);
        assert_eq!(live, all + large);
        assert!(fragmented < 1 << 20, "all are old and close together");
        // One in `step` stays, so the blocks that hold them are sparse.
        for i in (0..len).filter(|i| i % step != 0) {
            // SAFETY: the array is live and has so many elements.
            unsafe { h.set_ref_at(Ref::from_word(slots[1]), i, Ref::NULL) };
        }
        let copied = h.stats().bytes_copied;
        // The first collection finds what is free, the second goes by it.
        for _ in 0..2 {
            h.collect(&mut roots(&mut slots)).unwrap();
            h.check(&mut roots(&mut slots)).unwrap();
        }
        let (live, fragmented) = held(&h);
        let kept = live - large;
        assert_eq!(kept, u64::from(len.div_ceil(step)) * 24);
        let moved = h.stats().bytes_copied - copied;
        println!("one in {step}: {kept} bytes stay, {moved} moved, {fragmented} free beside them");
        if step == 50 {
            assert!(
                moved > kept / 2 && fragmented < 1 << 20,
                "blocks are emptied"
            );
        } else {
            assert!(
                moved < kept / 2 && fragmented > all / 3,
                "blocks stay as they are"
            );
        }
        if step == 7 {
            // What becomes old goes into the free lines: no block is added for half of what they can take.
            let gone = (0..len).filter(|i| i % (2 * step) == 3);
            let new = put(&mut h, &mut slots, gone) * 24;
            h.collect_minor(&mut roots(&mut slots)).unwrap();
            h.check(&mut roots(&mut slots)).unwrap();
            assert_eq!(held(&h), (live + new, fragmented - new));
        }
        // Before memory runs out all of it is used, whatever the blocks were like.
        let mut n = 0;
        while let Ok(r) = node(&mut h, &mut slots, 0, 0, n) {
            slots[0] = r.to_word();
            n += 1;
        }
        assert_eq!(sum(&h, slots[0]), (n, n * (n - 1) / 2));
        let used = (n * 24 + kept + large) * 100 / limit;
        println!("one in {step}: {used} per cent used in the end");
        assert!(used >= 70, "{used} per cent");
        for i in (0..len).step_by(step as usize) {
            // SAFETY: the array and its elements are live.
            let value = unsafe { h.word_field(h.ref_at(Ref::from_word(slots[1]), i), 0) };
            assert_eq!(value, u64::from(i));
        }
    }
}

#[test]
fn marking_needs_a_bounded_stack() {
    // A deep spine at the end of each node, which is looked at first; the other children all wait: more than the stack
    // has entries for.
    let mut h = heap(64 << 20, 0, GcMode::Normal);
    let mut slots = [0, 0, 0];
    let n = 400_000;
    for i in 0..n {
        let waits = node(&mut h, &mut slots, 2, 2, i).unwrap();
        slots[1] = waits.to_word();
        let r = node(&mut h, &mut slots, 1, 0, i).unwrap();
        slots[0] = r.to_word();
    }
    slots[1] = 0;
    for _ in 0..3 {
        h.collect(&mut roots(&mut slots)).unwrap();
        h.check(&mut roots(&mut slots)).unwrap();
        assert_eq!(h.stats().live_after_last, 2 * n * 24);
        let (mut r, mut seen) = (Ref::from_word(slots[0]), 0);
        while r.is_address() {
            // SAFETY: a live tree.
            unsafe {
                let waits = h.ref_field(r, 0);
                assert_eq!(h.word_field(waits, 0), h.word_field(r, 0));
                r = h.ref_field(r, 1);
            }
            seen += 1;
        }
        assert_eq!(seen, n);
    }
}

#[test]
fn large_and_external_objects_live_beside_blocks() {
    let mut h = heap(64 << 20, 0, GcMode::Stress(40));
    let mut slots = [0; 8];
    for i in 0..2_000u64 {
        let at = (i % 8) as usize;
        let r = match i % 5 {
            0 => h.alloc_array(Format::RefArray, 1, 20_000, &mut roots(&mut slots)),
            1 => h.alloc_ext_str(2, vec![b'x'; 300].into(), &mut roots(&mut slots)),
            2 => h.alloc_array(Format::Bytes, 3, 3_000, &mut roots(&mut slots)),
            _ => node(&mut h, &mut slots, at, (at + 1) % 8, i),
        }
        .unwrap();
        slots[at] = r.to_word();
        let from = Ref::from_word(slots[(at + 3) % 8]);
        if i % 5 == 0 && from.is_address() {
            // SAFETY: `r` is a fresh array, the slot's reference current.
            unsafe { h.set_ref_at(r, (i % 20_000) as u32, from) };
        }
    }
    h.check(&mut roots(&mut slots)).unwrap();
    slots = [0; 8];
    h.collect(&mut roots(&mut slots)).unwrap();
    assert_eq!((h.stats().live_after_last, h.external().len()), (0, 0));
}

/// Nodes of a list, first to last.
fn nodes(h: &Heap, slot: u64) -> Vec<Ref> {
    let (mut r, mut all) = (Ref::from_word(slot), Vec::new());
    while r.is_address() {
        all.push(r);
        // SAFETY: a live list.
        r = unsafe { h.ref_field(r, 0) };
    }
    all
}

#[test]
fn what_does_not_fit_the_remembered_set_is_remembered_again() {
    // More old objects than the set has entries for under this limit.
    let n = 6_000;
    let mut h = heap(1 << 20, 0, GcMode::Normal);
    let mut slots = [0, 0];
    for i in 0..n {
        let r = node(&mut h, &mut slots, 0, 1, i).unwrap();
        slots[0] = r.to_word();
    }
    h.collect(&mut roots(&mut slots)).unwrap();
    for value in 1..=4 {
        // All of them refer to one young object; the first collection is a full one, since the set overflowed.
        let young = node(&mut h, &mut slots, 1, 1, value * n).unwrap();
        for r in nodes(&h, slots[0]) {
            // SAFETY: nothing was allocated since these references were read.
            unsafe { h.set_ref_field(r, 1, young) };
        }
        let full = h.stats().full.count;
        h.collect_minor(&mut roots(&mut slots)).unwrap();
        assert_eq!(h.stats().full.count, full + 1);
        h.check(&mut roots(&mut slots)).unwrap();
        // Few enough for the set: the next young collection keeps what they refer to.
        let young = node(&mut h, &mut slots, 1, 1, value).unwrap();
        let all = nodes(&h, slots[0]);
        let some = || all.iter().rev().step_by(7);
        for r in some() {
            // SAFETY: as above.
            unsafe { h.set_ref_field(*r, 1, young) };
        }
        let minor = h.stats().minor.count;
        h.collect_minor(&mut roots(&mut slots)).unwrap();
        assert_eq!(h.stats().minor.count, minor + 1);
        h.check(&mut roots(&mut slots)).unwrap();
        for r in some() {
            // SAFETY: a young collection moves no old objects.
            let kept = unsafe { h.word_field(h.ref_field(*r, 1), 0) };
            assert_eq!(kept, value);
        }
    }
}

#[test]
fn a_change_to_blocks_that_lacks_memory_changes_nothing() {
    let cage = Arc::new(Cage::new(8 << 20).unwrap());
    let mut h = Heap::new_in(
        &cage,
        HeapConfig {
            limit: 4 << 20,
            blocks_from: 1 << 20,
            ..HeapConfig::default()
        },
    );
    let mut slots = [0, 0];
    let mut n = 0;
    let mut grow = |h: &mut Heap, slots: &mut [u64; 2], bytes: u64| {
        for _ in 0..bytes / 24 {
            let r = node(h, slots, 0, 0, n).unwrap();
            slots[0] = r.to_word();
            n += 1;
        }
    };
    let len = 5_000;
    let array = h
        .alloc_array(Format::RefArray, 2, len, &mut roots(&mut slots))
        .unwrap();
    slots[1] = array.to_word();
    grow(&mut h, &mut slots, 800 << 10);
    h.collect(&mut roots(&mut slots)).unwrap();
    // The list is held by an old large array, too, of which a young collection looks at what was stored into.
    for (i, r) in nodes(&h, slots[0]).into_iter().enumerate() {
        // SAFETY: the array has more elements than are asked for, and nothing is allocated.
        unsafe {
            let array = Ref::from_word(slots[1]);
            h.set_ref_at(array, i as u32 % len, r);
        }
    }
    h.collect(&mut roots(&mut slots)).unwrap();
    grow(&mut h, &mut slots, 400 << 10);
    // No page is left in the cage when all is to move into blocks.
    let mut taken = Vec::new();
    while let Some(page) = cage.commit(1) {
        taken.push(page);
    }
    let failed = h.collect(&mut roots(&mut slots)).unwrap_err();
    assert_eq!(failed.cause, OutOfMemoryCause::System);
    h.check(&mut roots(&mut slots)).unwrap();
    for page in taken {
        // SAFETY: the pages are this test's, and nothing was put there.
        unsafe { cage.release(page, 1) };
    }
    // Young collections go on as before.
    for _ in 0..3 {
        grow(&mut h, &mut slots, 10 << 10);
        for r in nodes(&h, slots[0]).into_iter().step_by(5).skip(400) {
            // SAFETY: live references; nothing is allocated meanwhile.
            unsafe { h.set_ref_field(r, 1, Ref::from_word(slots[0])) };
        }
        let minor = h.stats().minor.count;
        h.collect_minor(&mut roots(&mut slots)).unwrap();
        assert_eq!(h.stats().minor.count, minor + 1);
        h.check(&mut roots(&mut slots)).unwrap();
    }
    // And the change is made at the next full collection, after which all is where it was.
    h.collect(&mut roots(&mut slots)).unwrap();
    h.check(&mut roots(&mut slots)).unwrap();
    let kept = nodes(&h, slots[0]);
    for i in 0..len {
        // SAFETY: live references.
        let held = unsafe { h.ref_at(Ref::from_word(slots[1]), i) };
        assert!(kept.contains(&held));
    }
    assert_eq!(sum(&h, slots[0]), (n, n * (n - 1) / 2));
}
