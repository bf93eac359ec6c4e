//! The heap against a model: random programs over an object graph run on both, with collections at
//! random points and in every mode; after each collection and at the end the graphs must be equal.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{config, roots};
use jet_gc::layout::MAX_REFS;
use jet_gc::{
    Ageing, Format, GcMode, Handle, Header, Heap, HeapConfig, OutOfMemory, Ref, SliceRoots,
};
use quickcheck::{Arbitrary, Gen, QuickCheck, TestResult};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const ROOTS: usize = 12;
const HANDLES: usize = 4;

/// Operations that were run.
static OPS: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Debug)]
enum Op {
    Record {
        at: usize,
        nrefs: u32,
        nwords: u32,
        tag: u8,
        kind: u32,
    },
    RefArray {
        at: usize,
        len: u32,
    },
    Words {
        at: usize,
        len: u32,
    },
    Str {
        at: usize,
        len: u32,
    },
    Ext {
        at: usize,
        len: u32,
    },
    Store {
        obj: usize,
        slot: u32,
        value: usize,
    },
    Load {
        obj: usize,
        slot: u32,
        at: usize,
    },
    Word {
        obj: usize,
        slot: u32,
        value: u64,
    },
    CopyElements {
        from: usize,
        to: usize,
        at: u32,
        n: u32,
    },
    Fill {
        obj: usize,
        n: u32,
        value: usize,
    },
    Clear {
        at: usize,
    },
    Immediate {
        at: usize,
        value: u8,
    },
    ToHandle {
        handle: usize,
        from: usize,
    },
    FromHandle {
        handle: usize,
        at: usize,
    },
    DropHandle {
        handle: usize,
    },
    Minor,
    Full,
    Garbage {
        n: u32,
    },
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Op {
        let root = |g: &mut Gen| usize::arbitrary(g) % ROOTS;
        let small = |g: &mut Gen, n: u32| u32::arbitrary(g) % n;
        // Now and then something that is a large object.
        let len = |g: &mut Gen| {
            if u8::arbitrary(g) % 16 == 0 {
                5_000 * small(g, 8)
            } else {
                u32::arbitrary(g) % 40
            }
        };
        let at = root(g);
        match u8::arbitrary(g) % 32 {
            0..6 => Op::Record {
                at,
                nrefs: if u8::arbitrary(g) % 64 == 0 {
                    MAX_REFS
                } else {
                    small(g, 6)
                },
                nwords: small(g, 4),
                tag: u8::arbitrary(g),
                kind: small(g, 1 << 24),
            },
            6..8 => Op::RefArray { at, len: len(g) },
            8 => Op::Words { at, len: len(g) },
            9 => Op::Str { at, len: len(g) },
            10 => Op::Ext { at, len: len(g) },
            11..18 => Op::Store {
                obj: root(g),
                slot: u32::arbitrary(g),
                value: root(g),
            },
            18..21 => Op::Load {
                obj: root(g),
                slot: u32::arbitrary(g),
                at,
            },
            21 => Op::Word {
                obj: root(g),
                slot: u32::arbitrary(g),
                value: u64::arbitrary(g),
            },
            22 => Op::CopyElements {
                from: root(g),
                to: root(g),
                at: u32::arbitrary(g),
                n: len(g),
            },
            23 if bool::arbitrary(g) => Op::Fill {
                obj: root(g),
                n: len(g),
                value: root(g),
            },
            23 => Op::Clear { at },
            24 => Op::Immediate {
                at,
                value: u8::arbitrary(g),
            },
            25 => Op::ToHandle {
                handle: root(g) % HANDLES,
                from: root(g),
            },
            26 => Op::FromHandle {
                handle: root(g) % HANDLES,
                at,
            },
            27 => Op::DropHandle {
                handle: root(g) % HANDLES,
            },
            28..30 => Op::Minor,
            30 => Op::Full,
            _ => Op::Garbage { n: small(g, 3000) },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Value {
    Immediate(u8),
    Object(usize),
}

#[derive(Clone, Debug)]
enum Body {
    Record {
        header: Header,
        refs: Vec<Value>,
        words: Vec<u64>,
    },
    RefArray(Vec<Value>),
    Words(Vec<u64>),
    Str(Vec<u8>),
    Ext(Arc<[u8]>),
}

struct World {
    heap: Heap,
    slots: [u64; ROOTS],
    handles: [Option<Handle>; HANDLES],
    model: Vec<Body>,
    model_slots: [Value; ROOTS],
    model_handles: [Option<Value>; HANDLES],
    seed: u8,
}

impl World {
    fn new(config: HeapConfig) -> World {
        World {
            heap: Heap::new(config).unwrap(),
            slots: [0; ROOTS],
            handles: [None; HANDLES],
            model: Vec::new(),
            model_slots: [Value::Immediate(0); ROOTS],
            model_handles: [None; HANDLES],
            seed: 0,
        }
    }

    fn bytes(&mut self, len: u32) -> Vec<u8> {
        self.seed = self.seed.wrapping_add(17);
        (0..len)
            .map(|i| (i as u8).wrapping_mul(7).wrapping_add(self.seed) & 0x7f)
            .collect()
    }

    fn put(
        &mut self,
        at: usize,
        made: Result<Ref, OutOfMemory>,
        body: Body,
    ) -> Result<(), OutOfMemory> {
        self.slots[at] = made?.to_word();
        self.model.push(body);
        self.model_slots[at] = Value::Object(self.model.len() - 1);
        Ok(())
    }

    fn step(&mut self, op: &Op) -> Result<(), OutOfMemory> {
        match *op {
            Op::Record {
                at,
                nrefs,
                nwords,
                tag,
                kind,
            } => {
                let header = Header::record(kind, tag, nrefs, nwords);
                let made = self.heap.alloc_record(header, &mut roots(&mut self.slots));
                let refs = vec![Value::Immediate(0); nrefs as usize];
                self.put(
                    at,
                    made,
                    Body::Record {
                        header,
                        refs,
                        words: vec![0; nwords as usize],
                    },
                )?;
            }
            Op::RefArray { at, len } => {
                let made =
                    self.heap
                        .alloc_array(Format::RefArray, 1, len, &mut roots(&mut self.slots));
                self.put(
                    at,
                    made,
                    Body::RefArray(vec![Value::Immediate(0); len as usize]),
                )?;
            }
            Op::Words { at, len } => {
                let made =
                    self.heap
                        .alloc_array(Format::Words, 2, len, &mut roots(&mut self.slots));
                self.put(at, made, Body::Words(vec![0; len as usize]))?;
            }
            Op::Str { at, len } => {
                let bytes = self.bytes(len);
                let made = self.heap.alloc_str(3, &bytes, &mut roots(&mut self.slots));
                self.put(at, made, Body::Str(bytes))?;
            }
            Op::Ext { at, len } => {
                let bytes: Arc<[u8]> = self.bytes(len).into();
                let made = self
                    .heap
                    .alloc_ext_str(4, bytes.clone(), &mut roots(&mut self.slots));
                self.put(at, made, Body::Ext(bytes))?;
            }
            Op::Store { obj, slot, value } => {
                let new = Ref::from_word(self.slots[value]);
                let new_model = self.model_slots[value];
                let Value::Object(id) = self.model_slots[obj] else {
                    return Ok(());
                };
                let r = Ref::from_word(self.slots[obj]);
                // SAFETY: `r` is in a root slot and of the format that the model says.
                unsafe {
                    match &mut self.model[id] {
                        Body::Record { refs, .. } if !refs.is_empty() => {
                            let i = slot % refs.len() as u32;
                            refs[i as usize] = new_model;
                            self.heap.set_ref_field(r, i, new);
                        }
                        Body::RefArray(refs) if !refs.is_empty() => {
                            let i = slot % refs.len() as u32;
                            refs[i as usize] = new_model;
                            self.heap.set_ref_at(r, i, new);
                        }
                        _ => {}
                    }
                }
            }
            Op::Load { obj, slot, at } => {
                let Value::Object(id) = self.model_slots[obj] else {
                    return Ok(());
                };
                let r = Ref::from_word(self.slots[obj]);
                // SAFETY: as above.
                unsafe {
                    match &self.model[id] {
                        Body::Record { refs, .. } if !refs.is_empty() => {
                            let i = slot % refs.len() as u32;
                            self.model_slots[at] = refs[i as usize];
                            self.slots[at] = self.heap.ref_field(r, i).to_word();
                        }
                        Body::RefArray(refs) if !refs.is_empty() => {
                            let i = slot % refs.len() as u32;
                            self.model_slots[at] = refs[i as usize];
                            self.slots[at] = self.heap.ref_at(r, i).to_word();
                        }
                        _ => {}
                    }
                }
            }
            Op::Word { obj, slot, value } => {
                let Value::Object(id) = self.model_slots[obj] else {
                    return Ok(());
                };
                let r = Ref::from_word(self.slots[obj]);
                // SAFETY: as above.
                unsafe {
                    match &mut self.model[id] {
                        Body::Record { words, .. } if !words.is_empty() => {
                            let j = slot as usize % words.len();
                            words[j] = value;
                            self.heap.set_word_field(r, j as u32, value);
                        }
                        Body::Words(words) if !words.is_empty() => {
                            let j = slot as usize % words.len();
                            words[j] = value;
                            self.heap.data_ptr(r).cast::<u64>().add(j).write(value);
                        }
                        Body::Str(_) => self.heap.set_str_hash(r, 0),
                        _ => {}
                    }
                }
            }
            Op::CopyElements { from, to, at, n } => {
                let (Value::Object(a), Value::Object(b)) =
                    (self.model_slots[from], self.model_slots[to])
                else {
                    return Ok(());
                };
                let (Body::RefArray(source), Body::RefArray(target)) =
                    (&self.model[a], &self.model[b])
                else {
                    return Ok(());
                };
                let n = n.min(source.len() as u32).min(target.len() as u32);
                let from_at = at % (source.len() as u32 - n + 1);
                let to_at = (at >> 8) % (target.len() as u32 - n + 1);
                let part = source[from_at as usize..(from_at + n) as usize].to_vec();
                let (f, t) = (
                    Ref::from_word(self.slots[from]),
                    Ref::from_word(self.slots[to]),
                );
                // SAFETY: both are reference arrays and the ranges lie inside.
                unsafe { self.heap.copy_elements(f, from_at, t, to_at, n) };
                let Body::RefArray(target) = &mut self.model[b] else {
                    return Ok(());
                };
                target[to_at as usize..(to_at + n) as usize].copy_from_slice(&part);
            }
            Op::Fill { obj, n, value } => {
                let Value::Object(id) = self.model_slots[obj] else {
                    return Ok(());
                };
                let Body::RefArray(refs) = &mut self.model[id] else {
                    return Ok(());
                };
                let n = n.min(refs.len() as u32);
                refs[..n as usize].fill(self.model_slots[value]);
                let r = Ref::from_word(self.slots[obj]);
                // SAFETY: a reference array with so many elements.
                unsafe {
                    let value = Ref::from_word(self.slots[value]);
                    self.heap.fill_refs(r, n, value);
                }
            }
            Op::Clear { at } => {
                self.slots[at] = 0;
                self.model_slots[at] = Value::Immediate(0);
            }
            Op::Immediate { at, value } => {
                self.slots[at] = value as u64;
                self.model_slots[at] = Value::Immediate(value);
            }
            Op::ToHandle { handle, from } => {
                let value = Ref::from_word(self.slots[from]);
                // SAFETY: the slot's reference is live.
                unsafe {
                    match self.handles[handle] {
                        Some(h) => assert!(self.heap.set(h, value)),
                        None => self.handles[handle] = Some(self.heap.handle(value).unwrap()),
                    }
                }
                self.model_handles[handle] = Some(self.model_slots[from]);
            }
            Op::FromHandle { handle, at } => {
                if let Some(h) = self.handles[handle] {
                    self.slots[at] = self.heap.get(h).unwrap().to_word();
                    self.model_slots[at] = self.model_handles[handle].unwrap();
                }
            }
            Op::DropHandle { handle } => {
                if let Some(h) = self.handles[handle].take() {
                    assert!(self.heap.drop_handle(h));
                    assert_eq!(self.heap.get(h), None);
                    self.model_handles[handle] = None;
                }
            }
            Op::Minor => {
                self.heap.collect_minor(&mut roots(&mut self.slots))?;
                self.verify();
            }
            Op::Full => {
                self.heap.collect(&mut roots(&mut self.slots))?;
                self.verify();
            }
            Op::Garbage { n } => {
                let header = Header::record(9, 0, 2, 1);
                for _ in 0..n {
                    self.heap
                        .alloc_record(header, &mut roots(&mut self.slots))?;
                }
            }
        }
        Ok(())
    }

    /// The heap's graph equals the model's, object identity included.
    fn verify(&mut self) {
        // SAFETY: as in `step`.
        self.heap
            .check(&mut unsafe { SliceRoots::new(&mut self.slots) })
            .expect("sound heap");
        let stats = self.heap.stats();
        // Stress modes hold the protected old space on top.
        let limit = self.heap.limit();
        assert!(
            stats.peak <= limit || !matches!(self.heap.mode(), GcMode::Normal),
            "{} of {limit}",
            stats.peak
        );
        let mut of_ref: HashMap<Ref, usize> = HashMap::new();
        let mut of_id: HashMap<usize, Ref> = HashMap::new();
        let mut todo: Vec<(Ref, Value)> = self
            .slots
            .iter()
            .map(|&w| Ref::from_word(w))
            .zip(self.model_slots)
            .collect();
        for (handle, value) in self.handles.iter().zip(self.model_handles) {
            if let (Some(h), Some(v)) = (handle, value) {
                todo.push((self.heap.get(*h).unwrap(), v));
            }
        }
        while let Some((r, value)) = todo.pop() {
            let id = match value {
                Value::Immediate(v) => {
                    assert_eq!(r, Ref(v as u32));
                    continue;
                }
                Value::Object(id) => id,
            };
            assert!(r.is_address());
            let known = of_ref
                .insert(r, id)
                .inspect(|&was| assert_eq!(was, id))
                .is_some();
            of_id.insert(id, r).inspect(|&was| assert_eq!(was, r));
            if known {
                continue;
            }
            // SAFETY: `r` was reached from the roots, and the heap is sound.
            unsafe {
                let mut header = self.heap.header(r);
                header.0 &= !jet_gc::layout::GC_BITS;
                match &self.model[id] {
                    Body::Record {
                        header: h,
                        refs,
                        words,
                    } => {
                        assert_eq!(header, *h);
                        let fields = refs.iter().enumerate();
                        todo.extend(fields.map(|(i, &v)| (self.heap.ref_field(r, i as u32), v)));
                        for (j, &w) in words.iter().enumerate() {
                            assert_eq!(self.heap.word_field(r, j as u32), w);
                        }
                    }
                    Body::RefArray(refs) => {
                        assert_eq!(header, Header::of(Format::RefArray, 1));
                        assert_eq!(self.heap.len(r), refs.len() as u32);
                        let elements = refs.iter().enumerate();
                        todo.extend(elements.map(|(i, &v)| (self.heap.ref_at(r, i as u32), v)));
                    }
                    Body::Words(words) => {
                        assert_eq!(header, Header::of(Format::Words, 2));
                        assert_eq!(self.heap.len(r), words.len() as u32);
                        for (j, &w) in words.iter().enumerate() {
                            assert_eq!(self.heap.data_ptr(r).cast::<u64>().add(j).read(), w);
                        }
                    }
                    Body::Str(bytes) => {
                        assert_eq!(header, Header::of(Format::Str, 3));
                        assert_eq!(self.heap.str_bytes(r), &bytes[..]);
                    }
                    Body::Ext(bytes) => {
                        assert_eq!(header, Header::of(Format::ExtStr, 4));
                        assert_eq!(self.heap.str_bytes(r), &bytes[..]);
                    }
                }
            }
        }
    }
}

fn run(config: HeapConfig, fail_after: Option<u64>, ops: &[Op]) -> TestResult {
    let mut world = World::new(config);
    world.heap.fail_after(fail_after);
    OPS.fetch_add(ops.len() as u64, Ordering::Relaxed);
    for op in ops {
        if world.step(op).is_err() {
            // The heap is as good as before: check it and go on.
            world.verify();
        }
    }
    world.verify();
    world.slots = [0; ROOTS];
    world.model_slots = [Value::Immediate(0); ROOTS];
    for h in 0..HANDLES {
        world.step(&Op::DropHandle { handle: h }).unwrap();
    }
    world.step(&Op::Full).unwrap();
    assert!(world.heap.external().is_empty() || config.mode == GcMode::Off);
    assert!(world.heap.stats().live_after_last == 0);
    TestResult::passed()
}

fn check(tests: u64, size: usize, config: HeapConfig) {
    fn property(config: HeapConfig) -> impl Fn(Vec<Op>, Option<u16>) -> TestResult {
        move |ops, fail| run(config, fail.map(u64::from), &ops)
    }
    // A function item would do, but the configuration has to come along.
    struct Property<F>(F);
    impl<F: Fn(Vec<Op>, Option<u16>) -> TestResult + 'static> quickcheck::Testable for Property<F> {
        fn result(&self, g: &mut Gen) -> TestResult {
            let ops = Vec::<Op>::arbitrary(g);
            let fail = Option::<u16>::arbitrary(g);
            (self.0)(ops, fail)
        }
    }
    QuickCheck::new()
        .tests(tests)
        .rng(Gen::new(size))
        .quickcheck(Property(property(config)));
}

#[test]
fn normal() {
    check(60, 600, config(64 << 20, GcMode::Normal));
}

#[test]
fn close_to_the_limit() {
    check(100, 600, config(512 << 10, GcMode::Normal));
    check(60, 600, config(2 << 20, GcMode::Normal));
}

#[test]
fn not_generational() {
    let generational = false;
    check(
        40,
        600,
        HeapConfig {
            generational,
            ..config(1 << 20, GcMode::Normal)
        },
    );
}

#[test]
fn stress() {
    check(10, 200, config(16 << 20, GcMode::Stress(7)));
    check(6, 60, config(1 << 20, GcMode::Stress(1)));
}

#[test]
fn stress_minor() {
    check(10, 200, config(16 << 20, GcMode::StressMinor(5)));
    check(6, 60, config(1 << 20, GcMode::StressMinor(1)));
}

/// The mark-region old space from the first full collection on.
fn blocks(limit: u64, mode: GcMode) -> HeapConfig {
    HeapConfig {
        blocks_from: 0,
        ..config(limit, mode)
    }
}

#[test]
fn mark_region() {
    check(60, 600, blocks(64 << 20, GcMode::Normal));
    check(40, 600, blocks(512 << 10, GcMode::Normal));
    check(40, 600, blocks(2 << 20, GcMode::Normal));
    let generational = false;
    check(
        30,
        600,
        HeapConfig {
            generational,
            ..blocks(1 << 20, GcMode::Normal)
        },
    );
}

#[test]
fn mark_region_stress() {
    check(10, 200, blocks(16 << 20, GcMode::Stress(7)));
    check(6, 60, blocks(1 << 20, GcMode::Stress(1)));
    check(10, 200, blocks(16 << 20, GcMode::StressMinor(5)));
    check(6, 60, blocks(1 << 20, GcMode::StressMinor(1)));
}

/// Survivors stay young for a second collection wherever there is room.
fn ageing(config: HeapConfig) -> HeapConfig {
    let ageing = Ageing::Always;
    HeapConfig { ageing, ..config }
}

#[test]
fn survivors_age() {
    for limit in [64 << 20, 4 << 20, 2 << 20, 512 << 10] {
        check(30, 600, ageing(config(limit, GcMode::Normal)));
        check(30, 600, ageing(blocks(limit, GcMode::Normal)));
    }
    check(40, 1000, ageing(config(64 << 20, GcMode::StressMinor(20))));
    check(40, 1000, ageing(blocks(64 << 20, GcMode::StressMinor(20))));
}

/// A million operations and more, over every kind of old space and mode:
/// `cargo test --release -p jet-gc --test model -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn a_million_operations() {
    let before = OPS.load(Ordering::Relaxed);
    for (tests, size, config) in [
        (400, 1000, config(64 << 20, GcMode::Normal)),
        (400, 1000, config(1 << 20, GcMode::Normal)),
        (400, 1000, blocks(64 << 20, GcMode::Normal)),
        (400, 1000, blocks(1 << 20, GcMode::Normal)),
        (400, 1000, blocks(4 << 20, GcMode::Normal)),
        (400, 1000, ageing(config(64 << 20, GcMode::Normal))),
        (400, 1000, ageing(config(2 << 20, GcMode::Normal))),
        (400, 1000, ageing(blocks(64 << 20, GcMode::Normal))),
        (400, 1000, ageing(blocks(2 << 20, GcMode::Normal))),
        (60, 300, config(16 << 20, GcMode::Stress(3))),
        (60, 300, blocks(16 << 20, GcMode::Stress(3))),
        (60, 300, blocks(16 << 20, GcMode::StressMinor(3))),
        (100, 300, config(64 << 20, GcMode::Off)),
    ] {
        check(tests, size, config);
    }
    let ops = OPS.load(Ordering::Relaxed) - before;
    println!("{ops} operations");
    assert!(ops >= 1_000_000, "only {ops} operations");
}

#[test]
fn never() {
    check(10, 200, config(64 << 20, GcMode::Off));
}
