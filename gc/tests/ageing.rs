//! Survivors that stay young for a second collection: when they become old, what keeps them alive meanwhile, their
//! external buffers, the limit, and that ageing is given up where it does not pay.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{NODE, config, push, push_all, roots, values};
use jet_gc::layout::GC_OLD;
use jet_gc::{Ageing, Format, GcMode, Header, Heap, HeapConfig, OutOfMemoryCause, Ref};

/// Heaps in which survivors age, with each kind of old space.
fn heaps(limit: u64) -> [Heap; 2] {
    [u64::MAX, 0].map(|blocks_from| {
        let mut heap = Heap::new(HeapConfig {
            ageing: Ageing::Always,
            blocks_from,
            ..config(limit, GcMode::Normal)
        })
        .unwrap();
        // A full collection is what changes the kind.
        heap.collect(&mut roots(&mut [])).unwrap();
        heap
    })
}

fn is_old(h: &Heap, slot: u64) -> bool {
    // SAFETY: slots hold live references.
    unsafe { h.header(Ref::from_word(slot)).0 & GC_OLD != 0 }
}

fn minor(h: &mut Heap, slots: &mut [u64]) {
    h.check(&mut roots(slots)).unwrap();
    h.collect_minor(&mut roots(slots)).unwrap();
    h.check(&mut roots(slots)).unwrap();
}

/// A node that two young collections have made old.
fn old_node(h: &mut Heap, slots: &mut [u64], value: u64) {
    push(h, slots, value).unwrap();
    minor(h, slots);
    minor(h, slots);
    assert!(is_old(h, slots[0]));
}

/// Stores a new node into the first field of the one in `slots[0]`, and nowhere else.
fn store(h: &mut Heap, slots: &mut [u64], value: u64) {
    let node = h.alloc_record(NODE, &mut roots(slots)).unwrap();
    // SAFETY: both are current.
    unsafe {
        h.set_word_field(node, 0, value);
        h.set_ref_field(Ref::from_word(slots[0]), 0, node);
    }
}

fn next(h: &Heap, slot: u64) -> u64 {
    // SAFETY: a live node.
    unsafe { h.ref_field(Ref::from_word(slot), 0).to_word() }
}

#[test]
fn the_second_collection_makes_old() {
    for mut h in heaps(64 << 20) {
        let mut slots = [0];
        push(&mut h, &mut slots, 7).unwrap();
        let first = slots[0];
        minor(&mut h, &mut slots);
        let second = slots[0];
        assert!(second != first && !is_old(&h, second));
        let s = h.stats();
        assert_eq!(
            (s.bytes_aged, s.bytes_promoted, s.live_after_last),
            (24, 0, 24)
        );
        minor(&mut h, &mut slots);
        assert!(slots[0] != second && is_old(&h, slots[0]));
        let s = h.stats();
        assert_eq!(
            (s.bytes_aged, s.bytes_promoted, s.live_after_last),
            (24, 24, 24)
        );
        assert_eq!(values(&h, slots[0]), [7]);
        // A full collection makes all of them old.
        push_all(&mut h, &mut slots, 8, 3);
        minor(&mut h, &mut slots);
        push_all(&mut h, &mut slots, 11, 3);
        h.collect(&mut roots(&mut slots)).unwrap();
        h.check(&mut roots(&mut slots)).unwrap();
        let mut slot = slots[0];
        while slot != 0 {
            assert!(is_old(&h, slot));
            slot = next(&h, slot);
        }
        assert_eq!(values(&h, slots[0]), [13, 12, 11, 10, 9, 8, 7]);
    }
}

#[test]
fn what_dies_in_its_second_round_never_becomes_old() {
    for mut h in heaps(64 << 20) {
        let mut slots = [0];
        for i in 0..20 {
            push_all(&mut h, &mut slots, i, 1000);
            minor(&mut h, &mut slots);
            slots[0] = 0;
        }
        let s = h.stats();
        assert_eq!((s.bytes_aged, s.bytes_promoted), (20 * 24_000, 0));
    }
}

#[test]
fn an_old_object_keeps_a_survivor_alive() {
    for mut h in heaps(64 << 20) {
        let mut slots = [0];
        old_node(&mut h, &mut slots, 1);
        let old = slots[0];
        store(&mut h, &mut slots, 2);
        minor(&mut h, &mut slots);
        assert_eq!((slots[0], h.stats().remembered), (old, 1));
        assert!(!is_old(&h, next(&h, old)));
        // Nothing is stored between the two collections.
        minor(&mut h, &mut slots);
        assert!(is_old(&h, next(&h, old)));
        assert_eq!(h.stats().remembered, 0);
        assert_eq!(values(&h, old), [1, 2]);
        // One that is cut off dies in its second round.
        store(&mut h, &mut slots, 3);
        minor(&mut h, &mut slots);
        // SAFETY: current.
        unsafe { h.set_ref_field(Ref::from_word(old), 0, Ref::NULL) };
        let promoted = h.stats().bytes_promoted;
        minor(&mut h, &mut slots);
        assert_eq!(
            (h.stats().bytes_promoted, h.stats().remembered),
            (promoted, 0)
        );
    }
}

#[test]
fn what_becomes_old_before_what_it_refers_to_is_remembered() {
    for mut h in heaps(64 << 20) {
        let mut slots = [0];
        push(&mut h, &mut slots, 1).unwrap();
        minor(&mut h, &mut slots);
        // The node is young, so no barrier notes the store; then it becomes old and what was stored does not.
        store(&mut h, &mut slots, 2);
        minor(&mut h, &mut slots);
        assert_eq!(h.stats().remembered, 1);
        assert!(is_old(&h, slots[0]) && !is_old(&h, next(&h, slots[0])));
        minor(&mut h, &mut slots);
        assert!(is_old(&h, next(&h, slots[0])) && is_old(&h, slots[0]));
        assert_eq!(h.stats().remembered, 0);
        assert_eq!(values(&h, slots[0]), [1, 2]);
    }
}

#[test]
fn large_objects_that_become_old_at_once_are_remembered() {
    // A record is longer than a small object may be under a low limit; an array of references has cards.
    let record = Header::record(5, 0, 4000, 0);
    for mut h in heaps(4 << 20) {
        for array in [false, true] {
            let mut slots = [0];
            let large = if array {
                h.alloc_array(Format::RefArray, 2, 9_000, &mut roots(&mut slots))
            } else {
                h.alloc_record(record, &mut roots(&mut slots))
            };
            slots[0] = large.unwrap().to_word();
            let stored = [0, 1, 77, 3999];
            for i in stored {
                let node = h.alloc_record(NODE, &mut roots(&mut slots)).unwrap();
                let to = Ref::from_word(slots[0]);
                // SAFETY: both are current, the field or element exists.
                unsafe {
                    h.set_word_field(node, 0, u64::from(i));
                    if array {
                        h.set_ref_at(to, i, node);
                    } else {
                        h.set_ref_field(to, i, node);
                    }
                }
            }
            for round in 0..3 {
                minor(&mut h, &mut slots);
                assert!(is_old(&h, slots[0]));
                for i in stored {
                    let from = Ref::from_word(slots[0]);
                    // SAFETY: as above.
                    unsafe {
                        let node = if array {
                            h.ref_at(from, i)
                        } else {
                            h.ref_field(from, i)
                        };
                        assert_eq!(h.word_field(node, 0), u64::from(i));
                        assert_eq!(is_old(&h, node.to_word()), round > 0);
                    }
                }
            }
        }
    }
}

#[test]
fn a_new_array_that_is_remembered_whole_may_die_or_live() {
    for mut h in heaps(64 << 20) {
        for lives in [false, true] {
            let mut slots = [0, 0];
            let array = h
                .alloc_array(Format::RefArray, 2, 20_000, &mut roots(&mut slots))
                .unwrap();
            let node = h.alloc_record(NODE, &mut roots(&mut slots)).unwrap();
            // SAFETY: both are current.
            unsafe {
                h.write_barrier(array);
                h.set_word_field(node, 0, 5);
                h.set_ref_at(array, 19_999, node);
            }
            slots[0] = if lives { array.to_word() } else { 0 };
            minor(&mut h, &mut slots);
            assert_eq!(h.stats().remembered, u64::from(lives));
            minor(&mut h, &mut slots);
            assert_eq!(h.stats().remembered, 0);
            if lives {
                // SAFETY: current.
                unsafe {
                    let node = h.ref_at(Ref::from_word(slots[0]), 19_999);
                    assert!(is_old(&h, node.to_word()));
                    assert_eq!(h.word_field(node, 0), 5);
                }
            }
        }
    }
}

#[test]
fn buffers_age_with_their_strings() {
    for mut h in heaps(64 << 20) {
        let mut slots = [0, 0];
        for slot in 0..2 {
            let made = h.alloc_ext_str(5, vec![slot; 1000].into(), &mut roots(&mut slots));
            slots[usize::from(slot)] = made.unwrap().to_word();
        }
        minor(&mut h, &mut slots);
        assert_eq!((h.external().len(), h.external().young_bytes()), (2, 0));
        slots[1] = 0;
        minor(&mut h, &mut slots);
        assert_eq!(h.external().len(), 1, "it dies in its second round");
        assert!(is_old(&h, slots[0]));
        minor(&mut h, &mut slots);
        // SAFETY: current.
        unsafe { assert_eq!(h.str_bytes(Ref::from_word(slots[0])), [0; 1000]) };
        slots[0] = 0;
        minor(&mut h, &mut slots);
        assert_eq!(
            h.external().len(),
            1,
            "an old one waits for a full collection"
        );
        h.collect(&mut roots(&mut slots)).unwrap();
        assert_eq!(h.external().len(), 0);
    }
}

#[test]
fn the_checker_finds_a_missed_barrier_for_a_survivor() {
    for mut h in heaps(64 << 20) {
        let mut slots = [0, 0];
        old_node(&mut h, &mut slots, 1);
        let node = h.alloc_record(NODE, &mut roots(&mut slots)).unwrap();
        slots[1] = node.to_word();
        minor(&mut h, &mut slots);
        let (old, young) = (Ref::from_word(slots[0]), Ref::from_word(slots[1]));
        // SAFETY: both are current; the barrier is left out on purpose, then made up for.
        unsafe {
            h.init_ref_field(old, 0, young);
            let found = h.check(&mut roots(&mut slots));
            assert_eq!(
                found,
                Err(jet_gc::HeapError::MissedBarrier(old, 0, young.0))
            );
            h.write_barrier(old);
        }
        h.check(&mut roots(&mut slots)).unwrap();
    }
}

#[test]
fn more_old_objects_than_the_set_may_hold_lead_to_survivors() {
    // 2,048 entries under the lowest limits.
    for mut h in heaps(1 << 20) {
        let mut slots = [0, 0];
        push_all(&mut h, &mut slots, 0, 5000);
        minor(&mut h, &mut slots);
        // Each of the nodes, which are young still, refers to one that becomes old later than it.
        let (mut at, mut n) = (slots[0], 0);
        let header = Header::record(1, 0, 1, 1);
        slots[1] = at;
        while at != 0 {
            let new = h.alloc_record(header, &mut roots(&mut slots)).unwrap();
            at = slots[1];
            // SAFETY: all are current: `slots[1]` is a root.
            unsafe {
                let rest = h.ref_field(Ref::from_word(at), 0);
                h.init_ref_field(new, 0, rest);
                h.set_word_field(new, 0, 10_000);
                h.set_ref_field(Ref::from_word(at), 0, new);
                slots[1] = rest.to_word();
            }
            at = slots[1];
            n += 1;
        }
        assert_eq!(n, 5000);
        let full = h.stats().full.count;
        for _ in 0..4 {
            minor(&mut h, &mut slots);
        }
        assert!(h.stats().full.count <= full + 4);
        assert_eq!(values(&h, slots[0]).len(), 10_000);
    }
}

#[test]
fn what_a_full_stack_leaves_out_is_remembered_too() {
    const PAIR: Header = Header::record(6, 0, 2, 0);
    for mut h in heaps(64 << 20) {
        // A spine, each node of which has one beside it that waits on the stack: more than that has entries for.
        let n = 20_000;
        let mut slots = [0, 0];
        for _ in 0..n {
            let waits = h.alloc_record(PAIR, &mut roots(&mut slots)).unwrap();
            slots[1] = waits.to_word();
            let node = h.alloc_record(PAIR, &mut roots(&mut slots)).unwrap();
            // SAFETY: all are current.
            unsafe {
                h.init_ref_field(node, 0, Ref::from_word(slots[1]));
                h.init_ref_field(node, 1, Ref::from_word(slots[0]));
            }
            slots[0] = node.to_word();
        }
        slots[1] = 0;
        assert_eq!(h.stats().minor.count, 0);
        minor(&mut h, &mut slots);
        // What waits gets something that is younger.
        slots[1] = slots[0];
        while slots[1] != 0 {
            let new = h.alloc_record(NODE, &mut roots(&mut slots)).unwrap();
            // SAFETY: all are current.
            unsafe {
                let at = Ref::from_word(slots[1]);
                let waits = h.ref_field(at, 0);
                h.set_ref_field(waits, 1, new);
                slots[1] = h.ref_field(at, 1).to_word();
            }
        }
        assert_eq!(h.stats().minor.count, 1);
        minor(&mut h, &mut slots);
        assert_eq!(h.stats().remembered, n);
        assert_eq!(h.stats().bytes_promoted, 2 * n * 16);
        minor(&mut h, &mut slots);
        assert_eq!(h.stats().remembered, 0);
        assert_eq!(h.stats().bytes_promoted, 2 * n * 16 + n * 24);
    }
}

#[test]
fn the_limit_holds() {
    for limit in [512 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20] {
        let mut filled = Vec::new();
        for ageing in [Ageing::Never, Ageing::Always] {
            for blocks_from in [u64::MAX, 0] {
                let mut h = Heap::new(HeapConfig {
                    ageing,
                    blocks_from,
                    ..config(limit, GcMode::Normal)
                })
                .unwrap();
                let mut slots = [0, 0];
                let mut n = 0;
                let e = loop {
                    // Garbage, buffers and large objects beside a list that grows.
                    let made = match n % 512 {
                        100 => h.alloc_ext_str(5, vec![1; 900].into(), &mut roots(&mut slots)),
                        300 => h.alloc_array(Format::Bytes, 3, 9_000, &mut roots(&mut slots)),
                        _ => h.alloc_record(NODE, &mut roots(&mut slots)),
                    };
                    match made.and_then(|r| {
                        slots[1] = r.to_word();
                        push(&mut h, &mut slots, n)
                    }) {
                        Ok(()) => n += 1,
                        Err(e) => break e,
                    }
                };
                assert_eq!(e.cause, OutOfMemoryCause::Limit);
                assert!(h.stats().peak <= limit, "{} of {limit}", h.stats().peak);
                h.check(&mut roots(&mut slots)).unwrap();
                assert_eq!(values(&h, slots[0]).len() as u64, n);
                filled.push(n * 24 * 100 / limit);
            }
        }
        println!("{limit}: filled with the list, per cent: {filled:?}");
        // What ages takes hardly any room for data away.
        assert!(
            filled[2] + 3 >= filled[0] && filled[3] + 3 >= filled[1],
            "{filled:?}"
        );
    }
}

/// Ten million nodes, each of which lives for so many further ones: bytes that aged and that were promoted, per cent of
/// those allocated.
fn queue(length: u64, ageing: Ageing) -> (u64, u64) {
    let mut h = Heap::new(HeapConfig {
        ageing,
        ..config(256 << 20, GcMode::Normal)
    })
    .unwrap();
    let mut slots = vec![0; length as usize];
    for i in 0..10_000_000 {
        // The eldest goes.
        let node = h.alloc_record(NODE, &mut roots(&mut slots)).unwrap();
        slots[(i % length) as usize] = node.to_word();
    }
    let s = h.stats();
    let percent = |bytes: u64| bytes * 100 / s.bytes_allocated;
    (percent(s.bytes_aged), percent(s.bytes_promoted))
}

#[test]
fn survivors_age_where_it_pays() {
    // An eighth of a nursery is alive when it is full, and dead when the next one is.
    let (aged, promoted) = queue(20_000, Ageing::Measured);
    assert!(
        (11..14).contains(&aged) && promoted == 0,
        "{aged} and {promoted}"
    );
    assert_eq!(queue(20_000, Ageing::Never), (0, aged));
    // A list that grows for ever.
    let mut h = Heap::new(config(1 << 30, GcMode::Normal)).unwrap();
    let mut slots = [0];
    push_all(&mut h, &mut slots, 0, 4_000_000);
    let s = h.stats();
    let percent = s.bytes_aged * 100 / s.bytes_allocated;
    assert!(percent <= 12, "{percent}");
}
