//! Cages are used again by later heaps: what they then hold is zero, and none of it is another heap's.
#![allow(clippy::unwrap_used)]

mod common;

use common::{config, push_all, roots, values};
use jet_gc::{Format, GcMode, Heap, NoRoots};

/// The other test's cages are of another size.
const LIMIT: u64 = 3 << 20;

#[test]
fn a_cage_that_is_used_again_is_zero() {
    let mut first = Heap::new(config(LIMIT, GcMode::Normal)).unwrap();
    let mut slots = [0];
    push_all(&mut first, &mut slots, 0, 5_000);
    first.collect_minor(&mut roots(&mut slots)).unwrap();
    push_all(&mut first, &mut slots, 0, 100);
    let base = first.base();
    drop(first);
    for mode in [GcMode::Normal, GcMode::Stress(1)] {
        let mut again = Heap::new(config(LIMIT, mode)).unwrap();
        assert_eq!(again.base(), base, "not the same cage");
        for len in [100, 1_000, 50_000] {
            let bytes = again.alloc_array(Format::Bytes, 1, len, &mut NoRoots);
            let bytes = bytes.unwrap();
            // SAFETY: a live array of bytes, and nothing is allocated meanwhile.
            let bytes = unsafe { again.bytes_mut(bytes) };
            assert!(bytes.len() == len as usize && bytes.iter().all(|b| *b == 0));
            bytes.fill(0xff);
        }
        let mut slots = [0];
        push_all(&mut again, &mut slots, 7, 300);
        again.collect(&mut roots(&mut slots)).unwrap();
        again.check(&mut roots(&mut slots)).unwrap();
        assert_eq!(values(&again, slots[0]).len(), 300);
    }
}

#[test]
fn heaps_that_live_together_have_cages_of_their_own() {
    let heaps: Vec<Heap> = (0..20)
        .map(|_| Heap::new(config(100 << 20, GcMode::Normal)).unwrap())
        .collect();
    let mut bases: Vec<_> = heaps.iter().map(Heap::base).collect();
    bases.sort_unstable();
    bases.dedup();
    assert_eq!(bases.len(), heaps.len());
}
