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

#[test]
fn holes_are_used_and_sparse_blocks_emptied() {
    let mut h = heap(64 << 20, 0, GcMode::Normal);
    let len = 400_000;
    let mut slots = [0, 0];
    // One in `step` of many objects stays; in between, more is allocated than fits without using the holes.
    for step in [2u32, 7, 50] {
        for round in 0..4 {
            let keep = h
                .alloc_array(Format::RefArray, 2, len / step, &mut roots(&mut slots))
                .unwrap();
            slots[1] = keep.to_word();
            for i in 0..len / step * step {
                let r = node(&mut h, &mut slots, 0, 0, u64::from(i)).unwrap();
                if i % step == 0 {
                    let array = Ref::from_word(slots[1]);
                    // SAFETY: the array is live and has so many elements.
                    unsafe { h.set_ref_at(array, i / step, r) };
                }
            }
            h.collect(&mut roots(&mut slots)).unwrap();
            h.check(&mut roots(&mut slots)).unwrap();
            let array = Ref::from_word(slots[1]);
            for i in 0..len / step {
                // SAFETY: as above; elements are nodes.
                unsafe {
                    let r = h.ref_at(array, i);
                    assert_eq!(h.word_field(r, 0), u64::from(i * step), "round {round}");
                }
            }
        }
        h.collect(&mut roots(&mut slots)).unwrap();
        let s = h.stats();
        let live = s.live_after_last;
        assert!(
            s.fragmented <= live / 2 + (2 << 20),
            "{} of {live} at {step}",
            s.fragmented
        );
        slots[1] = 0;
    }
}

#[test]
fn marking_needs_a_bounded_stack() {
    // A tree whose left spine is deep and whose right children all wait: more than the stack has entries for.
    let mut h = heap(64 << 20, 0, GcMode::Normal);
    let mut slots = [0, 0, 0];
    let n = 400_000;
    for i in 0..n {
        let right = node(&mut h, &mut slots, 2, 2, i).unwrap();
        slots[1] = right.to_word();
        let r = node(&mut h, &mut slots, 0, 1, i).unwrap();
        slots[0] = r.to_word();
    }
    slots[1] = 0;
    for _ in 0..3 {
        h.collect(&mut roots(&mut slots)).unwrap();
        h.check(&mut roots(&mut slots)).unwrap();
        assert_eq!(h.stats().live_after_last, 2 * n * 24);
        assert_eq!(sum(&h, slots[0]), (n, n * (n - 1) / 2));
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
