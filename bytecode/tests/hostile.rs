//! Hostile bytes and bundles: whatever comes in, the answer is a bundle or an error, never a panic; and
//! what verifies can be analysed and shown.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::everything;
use jet_bytecode::analysis::{cfg::Cfg, fuel, liveness::Liveness};
use jet_bytecode::disasm::disassemble;
use jet_bytecode::format::{FormatError, decode, encode};
use jet_bytecode::module::*;
use jet_bytecode::verify::verify;
use quickcheck::{QuickCheck, TestResult};

/// Runs everything that takes a bundle.
fn exercise(bundle: Bundle) {
    let text = disassemble(&bundle);
    assert!(!text.contains('\u{1b}'));
    for f in bundle.packages.iter().flat_map(|p| &p.functions) {
        let _ = (Cfg::new(&f.code), fuel::static_costs(&f.code));
    }
    if let Ok(bytes) = encode(&bundle) {
        assert_eq!(decode(&bytes).as_ref(), Ok(&bundle));
    }
    let Ok(prog) = verify(bundle) else { return };
    for f in &prog.functions {
        let live = Liveness::new(&prog, f);
        for pc in 0..f.code.len() as u32 {
            live.live_refs(f, pc, true, |r| assert!(usize::from(r) < f.regs.len()));
        }
    }
}

/// Recomputes all hashes of an encoded bundle, so that mutations reach what lies behind them.
fn rehash(bytes: &mut [u8]) {
    if bytes.len() < 44 {
        return;
    }
    let count = u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize;
    for i in 0..count.min(10_000) {
        let at = 44 + i * 52;
        let Some(entry) = bytes.get(at..at + 52) else {
            break;
        };
        let start = u64::from_le_bytes(entry[4..12].try_into().unwrap()) as usize;
        let len = u64::from_le_bytes(entry[12..20].try_into().unwrap()) as usize;
        let end = start.saturating_add(len);
        if let Some(body) = bytes.get(start..end) {
            let hash = blake3::hash(body);
            bytes[at + 20..at + 52].copy_from_slice(hash.as_bytes());
        }
    }
    let mut h = blake3::Hasher::new();
    h.update(&bytes[..8]);
    h.update(&bytes[40..]);
    let root = *h.finalize().as_bytes();
    bytes[8..40].copy_from_slice(&root);
}

#[test]
fn random_bytes() {
    fn prop(bytes: Vec<u8>, magic: bool) -> bool {
        let mut all = Vec::new();
        if magic {
            all.extend_from_slice(b"JETBC\0\0\0");
        }
        all.extend_from_slice(&bytes);
        rehash(&mut all);
        if let Ok(b) = decode(&all) {
            exercise(b);
        }
        true
    }
    QuickCheck::new()
        .tests(2000)
        .quickcheck(prop as fn(Vec<u8>, bool) -> bool);
}

#[test]
fn flipped_bytes_with_right_hashes() {
    let good = encode(&everything()).unwrap();
    let prop = move |flips: Vec<(u32, u8)>| {
        let mut bytes = good.clone();
        for (at, to) in flips.iter().take(4) {
            let i = *at as usize % bytes.len();
            bytes[i] = *to;
        }
        rehash(&mut bytes);
        if let Ok(b) = decode(&bytes) {
            assert_eq!(encode(&b).unwrap(), bytes, "one bundle, one encoding");
            exercise(b);
        }
    };
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..3000 {
        let mut flips = Vec::new();
        for _ in 0..1 + seed % 3 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            flips.push(((seed >> 20) as u32, (seed >> 56) as u8));
        }
        prop(flips);
    }
}

#[test]
fn mutated_bundles() {
    fn prop(choices: Vec<(u8, u16, u16, u16)>) -> TestResult {
        if choices.is_empty() {
            return TestResult::discard();
        }
        let mut b = everything();
        let p = &mut b.packages[0];
        for (what, x, y, z) in choices.into_iter().take(3) {
            mutate(p, what, x, y, z);
        }
        exercise(b);
        TestResult::passed()
    }
    QuickCheck::new()
        .tests(3000)
        .max_tests(10_000)
        .quickcheck(prop as fn(Vec<(u8, u16, u16, u16)>) -> TestResult);
}

fn at<T>(list: &mut [T], i: u16) -> Option<&mut T> {
    let n = list.len().max(1);
    list.get_mut(usize::from(i) % n)
}

fn mutate(p: &mut Package, what: u8, x: u16, y: u16, z: u16) {
    let types = p.types.len() as u16 + 1;
    let Some(f) = at(&mut p.functions, x) else {
        return;
    };
    match what % 16 {
        0..=4 => {
            // One lane of one word to a small or any value.
            if let Some(w) = at(&mut f.code, y) {
                let lane = u32::from(z >> 14) * 16;
                let v = if z & 1 == 0 { z >> 1 & 31 } else { z };
                *w = *w & !(0xffffu64 << lane) | u64::from(v) << lane;
            }
        }
        5 => {
            if let Some(t) = at(&mut f.regs, y) {
                *t = z % types;
            }
        }
        6 => {
            f.joins.edit(|list| {
                if let Some((_, live)) = at(list, y) {
                    live.push(z % 32);
                    live.sort_unstable();
                    live.dedup();
                }
            });
        }
        7 => {
            f.joins.edit(|list| {
                if let Some((pc, _)) = at(list, y) {
                    *pc = u32::from(z % 64);
                }
            });
        }
        8 => f.code.truncate(usize::from(y)),
        9 => f.sig.ret = y % types,
        10 => {
            f.sig.uses.clear();
        }
        11 => {
            f.kind = if y & 1 == 0 {
                FnKind::Named
            } else {
                FnKind::Literal
            }
        }
        12 => {
            if let Some(t) = at(&mut p.types, y) {
                *t = match z % 8 {
                    0 => Type::List(y),
                    1 => Type::Nominal(z % 8),
                    2 => Type::Cap(z % 4),
                    3 => Type::Env,
                    4 => Type::ErrorSet(vec![z % 8, z % 8 + 1]),
                    5 => Type::Tuple(vec![0, y % types, 1]),
                    6 => Type::Dyn(z % 2),
                    _ => Type::Float,
                };
            }
        }
        13 => {
            if let Some(n) = at(&mut p.nominals, y)
                && let NominalKind::Struct(fs) = &mut n.kind
                && let Some(f) = at(fs, z)
            {
                f.ty = z % types;
                f.mutable ^= true;
            }
        }
        14 => {
            if let Some(i) = at(&mut p.impls, y)
                && let Some(m) = at(&mut i.methods, z)
            {
                *m = z;
            }
        }
        _ => {
            if let Some(c) = at(&mut p.caps, y) {
                c.parent = Some(z % 4);
            }
        }
    }
}

#[test]
fn files_are_checked() {
    let good = encode(&everything()).unwrap();
    assert!(decode(&good).is_ok());
    assert_eq!(decode(b"#!/bin/sh"), Err(FormatError::NotABundle));
    assert_eq!(decode(b""), Err(FormatError::NotABundle));
    let mut other = good.clone();
    other[6] = 1;
    assert_eq!(decode(&other), Err(FormatError::Version(1)));
    for n in (6..good.len()).step_by(97) {
        assert!(decode(&good[..n]).is_err());
    }
    // A wrong byte anywhere is seen by the root hash.
    for n in (40..good.len()).step_by(61) {
        let mut bad = good.clone();
        bad[n] ^= 4;
        assert_eq!(decode(&bad), Err(FormatError::Hash(None)));
    }
    let change = |f: &dyn Fn(&mut Vec<u8>)| {
        let mut b = good.clone();
        f(&mut b);
        rehash(&mut b);
        decode(&b)
    };
    let entry = 44;
    let trailing = change(&|b| b.push(0));
    assert_eq!(trailing, Err(FormatError::Sections("trailing bytes")));
    let unknown = change(&|b| b[entry] = 99);
    assert_eq!(unknown, Err(FormatError::Sections("unknown kind")));
    let duplicate = change(&|b| b[entry + 52] = 1);
    assert_eq!(duplicate, Err(FormatError::Sections("wrong order")));
    let overlap = change(&|b| b[entry + 4] -= 1);
    assert_eq!(overlap, Err(FormatError::Sections("gap or overlap")));
    let incomplete = change(&|b| b[40] -= 1);
    assert_eq!(incomplete, Err(FormatError::Sections("incomplete package")));
    let huge = change(&|b| b[entry + 12 + 7] = 0xff);
    assert_eq!(huge, Err(FormatError::Truncated));
    // A section's own hash.
    let mut b = good.clone();
    b[entry + 25] ^= 1;
    let mut h = blake3::Hasher::new();
    h.update(&b[..8]);
    h.update(&b[40..]);
    let root = *h.finalize().as_bytes();
    b[8..40].copy_from_slice(&root);
    assert_eq!(decode(&b), Err(FormatError::Hash(Some("manifest"))));
}

/// The manifest section is `name, version, deps`; an overlong varint for the name's length says the
/// same in another way and is refused.
#[test]
fn overlong_varints_are_refused() {
    let good = encode(&everything()).unwrap();
    let start = u64::from_le_bytes(good[48..56].try_into().unwrap()) as usize;
    assert_eq!(&good[start..start + 4], b"\x03app");
    let mut bad = good.clone();
    bad[start] = 0x83;
    bad.insert(start + 1, 0);
    let count = u32::from_le_bytes(good[40..44].try_into().unwrap()) as usize;
    for i in 0..count {
        let at = 44 + i * 52;
        let field = if i == 0 { at + 12 } else { at + 4 };
        let v = u64::from_le_bytes(bad[field..field + 8].try_into().unwrap()) + 1;
        bad[field..field + 8].copy_from_slice(&v.to_le_bytes());
    }
    rehash(&mut bad);
    assert_eq!(decode(&bad), Err(FormatError::NotCanonical("manifest")));
}

/// A count that promises far more than the bytes hold costs nothing.
#[test]
fn huge_counts_are_refused() {
    let good = encode(&everything()).unwrap();
    for i in 0..8 {
        let at = 44 + i * 52;
        let start = u64::from_le_bytes(good[at + 4..at + 12].try_into().unwrap()) as usize;
        let mut bad = good.clone();
        for (k, b) in [0xff, 0xff, 0xff, 0xff, 0x0f].into_iter().enumerate() {
            if let Some(slot) = bad.get_mut(start + k) {
                *slot = b;
            }
        }
        rehash(&mut bad);
        assert!(decode(&bad).is_err(), "section {i}");
    }
}

/// Positions and joins stand at words, so a section of either cannot say more than the code bears.
#[test]
fn no_more_positions_and_joins_than_words() {
    let mut b = everything();
    let f = &mut b.packages[0].functions[0];
    let words = f.code.len() as u32;
    let line = |pc| LineEntry {
        pc,
        file: 0,
        line: 1,
        col: 1,
    };
    f.lines = (0..words).map(line).collect();
    let bytes = encode(&b).unwrap();
    assert_eq!(decode(&bytes).as_ref(), Ok(&b));
    b.packages[0].functions[0].lines.push(line(words));
    assert_eq!(encode(&b).err(), Some(FormatError::TooLarge("lines")));
    // By hand: one more, and the numbers that count them.
    let f = &mut b.packages[0].functions[0];
    f.lines.clear();
    f.code.truncate(1);
    let mut small = encode(&b).unwrap();
    let count = u32::from_le_bytes(small[40..44].try_into().unwrap()) as usize;
    let entry = (0..count)
        .map(|i| 44 + i * 52)
        .find(|at| small[*at..*at + 2] == 7u16.to_le_bytes())
        .unwrap();
    let place = |from: usize| u64::from_le_bytes(small[from..from + 8].try_into().unwrap());
    let (start, len) = (place(entry + 4) as usize, place(entry + 12) as usize);
    // Files, then the functions: the first has no positions.
    let body = small[start..start + len].to_vec();
    let functions = b.packages[0].functions.len();
    let lines: Vec<usize> = b.packages[0]
        .functions
        .iter()
        .map(|f| f.lines.len())
        .collect();
    assert_eq!(lines[0], 0);
    let rest: usize = b.packages[0].functions[1..]
        .iter()
        .map(|f| 1 + f.lines.len() * 4)
        .sum();
    // Every number of the others fits one byte.
    let at = body.len() - rest - 1;
    if body[at] == 0 && functions < 128 {
        let mut forged = body[..at].to_vec();
        forged.push(8);
        forged.extend([0, 0, 1, 1, 1, 0, 1, 1]);
        forged.extend(&body[at + 1..]);
        let grown = forged.len() - body.len();
        small.splice(start..start + len, forged);
        small[entry + 12..entry + 20].copy_from_slice(&((len + grown) as u64).to_le_bytes());
        for i in 0..count {
            let from = 44 + i * 52 + 4;
            let offset = u64::from_le_bytes(small[from..from + 8].try_into().unwrap());
            if offset as usize > start {
                small[from..from + 8].copy_from_slice(&(offset + grown as u64).to_le_bytes());
            }
        }
        rehash(&mut small);
        assert_eq!(decode(&small).err(), Some(FormatError::Content("lines")));
    } else {
        panic!(
            "the section has another shape: {at} {:?}",
            &body[at.saturating_sub(4)..]
        );
    }
}
