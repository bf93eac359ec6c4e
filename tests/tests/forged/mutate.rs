//! Mutants of valid bundles: structure-aware ones change one thing of a valid program, blind ones bytes of its file.
//!
//! What must stay true: a seed makes the same mutant always; what was changed is never only what a hash catches (the
//! hashes of a changed file are made right again), so that every mutant meets the decoder or the verifier.

use jet_bytecode::analysis::decode::{Instr, instrs};
use jet_bytecode::format::{decode, encode};
use jet_bytecode::module::*;
use jet_bytecode::opcodes::{Class, Lane, OPS, Word};

use super::programs::Rng;

/// A mutant, or why there is none.
pub enum Mutant {
    /// It can be given to the verifier.
    Bundle(Box<Bundle>),
    /// The decoder refuses its bytes.
    NoFile,
    /// No file holds it.
    NoEncoding,
}

/// The next mutant of a bundle whose file has these bytes. One in four is blind.
pub fn next(base: &Bundle, bytes: &[u8], rng: &mut Rng) -> (bool, Mutant) {
    if rng.below(4) == 0 {
        let mut changed = bytes.to_vec();
        blind(&mut changed, rng);
        let read = decode(&changed).map_or(Mutant::NoFile, |b| Mutant::Bundle(Box::new(b)));
        return (true, read);
    }
    let mut b = base.clone();
    if let Some(p) = b.packages.last_mut() {
        for _ in 0..1 + rng.below(2) {
            structured(p, rng);
        }
    }
    // The file's own checks count too.
    let Ok(written) = encode(&b) else {
        return (false, Mutant::NoEncoding);
    };
    match decode(&written) {
        Ok(read) => assert!(read == b, "what was encoded decodes to something else"),
        Err(e) => panic!("what was encoded does not decode: {e}"),
    }
    (false, Mutant::Bundle(Box::new(b)))
}

/// Changes one thing of a package.
fn structured(p: &mut Package, rng: &mut Rng) {
    if p.functions.is_empty() {
        return;
    }
    match rng.below(16) {
        0..=6 => operand(p, rng),
        7..=8 => opcode(p, rng),
        9..=12 => tables(p, rng),
        _ => words(p, rng),
    }
}

/// A function: half of the time one of the last two, which are what runs first.
fn function(p: &Package, rng: &mut Rng) -> usize {
    let n = p.functions.len();
    match rng.below(2) {
        0 => n - 1 - rng.below(2.min(n)),
        _ => rng.below(n),
    }
}

/// An instruction of a function.
fn instruction(f: &Function, rng: &mut Rng) -> Option<Instr> {
    let count = instrs(&f.code).map_while(Result::ok).count();
    instrs(&f.code).map_while(Result::ok).nth(rng.below(count))
}

/// Replaces an operand by another of its kind, by what the opcode table says about it.
fn operand(p: &mut Package, rng: &mut Rng) {
    let n = function(p, rng);
    let f = &p.functions[n];
    let Some(i) = instruction(f, rng) else { return };
    let (words, regs) = (f.code.len(), f.regs.len());
    let args = i.args(&f.code).count();
    let pick = rng.below(3 + args.min(4));
    let (word, lane, kind) = match i.op.info().lanes.get(pick) {
        Some(kind) => (i.pc as usize, pick + 1, *kind),
        None => {
            let k = rng.below(args);
            (i.pc as usize + 1 + k / 4, k % 4, Lane::Read(Class::Any))
        }
    };
    let value = match kind {
        // Now and then one that is out of range.
        _ if rng.below(24) == 0 => rng.next() as u16,
        Lane::Read(_) | Lane::Write(_) => register(f, Word(f.code[word]).split()[lane], regs, rng),
        Lane::Imm16 | Lane::Imm32 => rng.next() as u16 & 0x1ff,
        Lane::Jump16 | Lane::Jump32 => (rng.below(words) as i64 - i64::from(i.pc)) as u16,
        Lane::Index => rng.below(40) as u16,
        Lane::Const32 => rng.below(p.consts.len()) as u16,
        Lane::Count => rng.below(6) as u16,
        Lane::Unused | Lane::High => return,
    };
    let w = &mut p.functions[n].code[word];
    let mut split = Word(*w).split();
    split[lane] = value;
    *w = Word::lanes(split).0;
}

/// Another register: half of the time one of the same type, so that what is wrong then is finer.
fn register(f: &Function, than: u16, regs: usize, rng: &mut Rng) -> u16 {
    let ty = f.regs.get(usize::from(than));
    let start = rng.below(regs);
    if rng.below(2) == 0 {
        let same = (start..regs).chain(0..start).find(|r| f.regs.get(*r) == ty);
        if let Some(r) = same {
            return r as u16;
        }
    }
    start as u16
}

/// Another opcode with the same shape of operands.
fn opcode(p: &mut Package, rng: &mut Rng) {
    let n = function(p, rng);
    let Some(i) = instruction(&p.functions[n], rng) else {
        return;
    };
    let shape = |lanes: [Lane; 3]| lanes.map(|l| std::mem::discriminant(&l));
    let of = shape(i.op.info().lanes);
    let same = || OPS.iter().filter(|o| shape(o.lanes) == of);
    let Some(to) = same().nth(rng.below(same().count())) else {
        return;
    };
    let code = &mut p.functions[n].code;
    let [_, a, b, c] = Word(code[i.pc as usize]).split();
    code[i.pc as usize] = Word::lanes([to.op as u16, a, b, c]).0;
}

/// Words of the code changed, swapped, removed, doubled; places behind them move along.
fn words(p: &mut Package, rng: &mut Rng) {
    let n = function(p, rng);
    let f = &mut p.functions[n];
    if f.code.len() < 2 {
        return;
    }
    let at = rng.below(f.code.len());
    match rng.below(5) {
        0 => f.code[at] ^= 1 << rng.below(64),
        1 => {
            let lane = 16 * rng.below(4);
            f.code[at] = f.code[at] & !(0xffff << lane) | (rng.next() & 0xffff) << lane;
        }
        2 => {
            let other = rng.below(f.code.len());
            f.code.swap(at, other);
        }
        3 => {
            f.code.remove(at);
            f.joins.edit(|list| {
                let places = list.iter_mut().map(|(pc, _)| pc);
                places.for_each(|pc| *pc -= u32::from(*pc as usize > at));
            });
        }
        _ => {
            f.code.insert(at, f.code[at]);
            f.joins.edit(|list| {
                let places = list.iter_mut().map(|(pc, _)| pc);
                places.for_each(|pc| *pc += u32::from(*pc as usize > at));
            });
        }
    }
}

/// What stands beside the code: joins, registers, signatures, records, types.
fn tables(p: &mut Package, rng: &mut Rng) {
    let types = p.types.len();
    let count = p.functions.len();
    let n = function(p, rng);
    let nominals = p.nominals.len();
    let caps = p.caps.len();
    let f = &mut p.functions[n];
    match rng.below(15) {
        0..=2 if !f.joins.is_empty() => {
            let k = rng.below(f.joins.len());
            let r = rng.below(f.regs.len()) as u16;
            f.joins.edit(|list| {
                let live = &mut list[k].1;
                match live.binary_search(&r) {
                    Ok(at) => drop(live.remove(at)),
                    Err(at) => live.insert(at, r),
                }
            });
        }
        3 => {
            let k = rng.below(f.regs.len());
            f.regs[k] = rng.below(types) as u16;
        }
        4 => f.sig.ret = rng.below(types) as u16,
        5 => f.captures.reverse(),
        6 if !f.sig.errors.is_empty() => drop(f.sig.errors.pop()),
        7 if nominals > 0 => f.sig.errors.push(rng.below(nominals) as u16),
        8 if !p.impls.is_empty() => {
            let k = rng.below(p.impls.len());
            let m = rng.below(p.impls[k].methods.len());
            if let Some(slot) = p.impls[k].methods.get_mut(m) {
                *slot = rng.below(count) as u16;
            }
        }
        9 | 10 if nominals > 0 => match &mut p.nominals[rng.below(nominals)].kind {
            NominalKind::Struct(fs) if !fs.is_empty() => {
                let at = rng.below(fs.len());
                fs[at].ty = rng.below(types) as u16;
                fs[at].mutable ^= rng.below(2) == 0;
            }
            NominalKind::Enum(vs) | NominalKind::Error(vs) => match rng.below(3) {
                0 => vs.reverse(),
                1 => drop(vs.pop()),
                _ => {
                    let at = rng.below(vs.len());
                    if let Some(field) = vs.get_mut(at).and_then(|v| v.fields.first_mut()) {
                        field.ty = rng.below(types) as u16;
                    }
                }
            },
            _ => {}
        },
        11 => {
            let (a, b) = (rng.below(types), rng.below(types));
            p.types.swap(a, b);
        }
        12 if caps > 0 => {
            let at = rng.below(caps);
            let m = rng.below(p.caps[at].methods.len());
            if let Some(method) = p.caps[at].methods.get_mut(m) {
                match rng.below(3) {
                    0 => method.sig.ret = rng.below(types) as u16,
                    1 => method.sig.params.push(rng.below(types) as u16),
                    _ => method.sig.errors.clear(),
                }
            }
        }
        13 if caps > 0 => match rng.below(2) {
            0 => f.sig.uses.clear(),
            _ => f.sig.uses.push(rng.below(caps) as u16),
        },
        _ => {
            if let Some(slot) = f.sig.params.first_mut() {
                *slot = rng.below(types) as u16;
            }
        }
    }
}

/// Flips bytes of the file behind its table of sections, and makes the hashes right again.
fn blind(bytes: &mut [u8], rng: &mut Rng) {
    const ENTRY: usize = 52;
    let count = u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize;
    let start = 44 + count * ENTRY;
    for _ in 0..1 + rng.below(3) {
        let at = start + rng.below(bytes.len() - start);
        match rng.below(3) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = rng.next() as u8,
            _ => bytes[at] = bytes[at].wrapping_add(1),
        }
    }
    for i in 0..count {
        let at = 44 + i * ENTRY;
        let number = |from: usize| {
            u64::from_le_bytes(bytes[at + from..at + from + 8].try_into().unwrap()) as usize
        };
        let (offset, len) = (number(4), number(12));
        let hash = *blake3::hash(&bytes[offset..offset + len]).as_bytes();
        bytes[at + 20..at + ENTRY].copy_from_slice(&hash);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..8]);
    hasher.update(&bytes[40..]);
    bytes[8..40].copy_from_slice(hasher.finalize().as_bytes());
}
