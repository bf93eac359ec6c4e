//! Registers of a long function that are never in use at the same time become one.
//!
//! Names keep their registers until their block ends, so a function with more names than registers would be refused.
//! What must stay true: a register is shared by values of one type only, no two of which are needed at one place;
//! what a call fills and what is second class keeps its register. Work is bounded: where it would be too much, nothing
//! is shared.

use super::emit::{Ins, Lbl, Reg};
use jet_bytecode::module::TypeIx;
use jet_bytecode::opcodes::{Lane, Op};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Most words of sets.
const MAX_WORDS: usize = 1 << 22;

/// Where a register's value may be needed: from an instruction to another.
#[derive(Clone, Copy)]
struct Range {
    from: u32,
    to: u32,
}

/// The registers of an instruction: what it writes, then what it reads.
fn registers(ins: &Ins, args: impl Fn((u32, u32)) -> Vec<Reg>, mut f: impl FnMut(Reg, bool)) {
    let lanes = |op: Op, xs: &[u16], f: &mut dyn FnMut(Reg, bool)| {
        for (lane, x) in op.info().lanes.iter().zip(xs) {
            match lane {
                Lane::Read(_) => f(*x, false),
                Lane::Write(_) => f(*x, true),
                _ => {}
            }
        }
    };
    match ins {
        Ins::Bind(_) => {}
        Ins::Plain(op, a, b, c) => lanes(*op, &[*a, *b, *c], &mut f),
        Ins::Imm(r, _) | Ins::Const(r, _) | Ins::OnError(r, _) => f(*r, true),
        Ins::Jump(op, a, b, _) => lanes(*op, &[*a, *b], &mut f),
        Ins::Switch(r, _) => f(*r, false),
        Ins::Args(op, a, b, list) => {
            lanes(*op, &[*a, *b], &mut f);
            args(*list).into_iter().for_each(|r| f(r, false));
        }
        Ins::Fn(op, a, _, list) => {
            lanes(*op, &[*a], &mut f);
            args(*list).into_iter().for_each(|r| f(r, false));
        }
    }
}

/// New numbers for registers, and the types of those that are left; `None` if that would not pay.
pub(super) fn share(
    code: &[Ins],
    args: &[Reg],
    targets: &[Lbl],
    types: &[TypeIx],
    fixed: impl Fn(usize) -> bool,
) -> Option<(Vec<Reg>, Vec<TypeIx>)> {
    let list = |(start, len): (u32, u32)| {
        let start = start as usize;
        args.get(start..start + len as usize)
            .unwrap_or(&[])
            .to_vec()
    };
    let ends = |ins: &Ins| {
        matches!(ins, Ins::Jump(..) | Ins::OnError(..) | Ins::Switch(..))
            || matches!(
                ins,
                Ins::Plain(Op::Ret | Op::Raise | Op::Panic | Op::Trap, ..)
            )
    };
    // Blocks: from a label or behind a jump up to the next.
    let mut starts = vec![0usize];
    let mut block_of: FxHashMap<Lbl, usize> = FxHashMap::default();
    for (i, ins) in code.iter().enumerate() {
        if let Ins::Bind(l) = ins {
            if starts.last() != Some(&i)
                && !matches!(code.get(i.wrapping_sub(1)), Some(Ins::Bind(_)))
            {
                starts.push(i);
            }
            block_of.insert(*l, starts.len() - 1);
        } else if ends(ins) && i + 1 < code.len() {
            starts.push(i + 1);
        }
    }
    let words = types.len().div_ceil(64);
    let n = starts.len();
    if n.saturating_mul(words) > MAX_WORDS {
        return None;
    }
    let end_of = |b: usize| starts.get(b + 1).copied().unwrap_or(code.len());
    let body = |b: usize| {
        code.get(starts.get(b).copied().unwrap_or(0)..end_of(b))
            .unwrap_or(&[])
    };
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); n];
    for (b, next) in after.iter_mut().enumerate() {
        let mut to = |l: &Lbl| next.extend(block_of.get(l).copied());
        let mut falls = b + 1 < n;
        match body(b).last() {
            Some(Ins::Jump(op, _, _, l)) => {
                to(l);
                falls &= *op != Op::Jmp;
            }
            Some(Ins::OnError(_, l)) => to(l),
            Some(Ins::Switch(_, (start, len))) => {
                let start = *start as usize;
                let all = targets.get(start..start + *len as usize).unwrap_or(&[]);
                all.iter().for_each(to);
            }
            Some(ins) if ends(ins) => falls = false,
            _ => {}
        }
        if falls {
            next.push(b + 1);
        }
    }
    // What is needed at the start of each block, backwards until nothing changes.
    let mut needed = vec![0u64; n * words];
    let row = |b: usize| b * words..(b + 1) * words;
    let bit = |r: Reg| (usize::from(r) / 64, 1u64 << (r % 64));
    let mut now = vec![0u64; words];
    let mut changed = true;
    let mut rounds = 0;
    while changed {
        changed = false;
        rounds += 1;
        if rounds > 64 {
            return None;
        }
        for b in (0..n).rev() {
            now.fill(0);
            for s in after.get(b).map_or(&[][..], |a| a) {
                for (w, x) in now.iter_mut().zip(needed.get(row(*s)).unwrap_or(&[])) {
                    *w |= *x;
                }
            }
            for ins in body(b).iter().rev() {
                step(ins, &list, &mut now, &bit);
            }
            if let Some(old) = needed.get_mut(row(b))
                && old != now.as_slice()
            {
                old.copy_from_slice(&now);
                changed = true;
            }
        }
    }
    // From the first to the last place at which each register is written, read or needed.
    let mut ranges: Vec<Option<Range>> = vec![None; types.len()];
    let mut touch = |r: usize, at: usize| {
        if let Some(slot) = ranges.get_mut(r) {
            let at = at as u32;
            let range = slot.get_or_insert(Range { from: at, to: at });
            range.from = range.from.min(at);
            range.to = range.to.max(at);
        }
    };
    for b in 0..n {
        let first = starts.get(b).copied().unwrap_or(0);
        for (k, w) in needed.get(row(b)).unwrap_or(&[]).iter().enumerate() {
            let mut w = *w;
            while w != 0 {
                let r = k * 64 + w.trailing_zeros() as usize;
                touch(r, first);
                w &= w - 1;
            }
        }
        for s in after.get(b).map_or(&[][..], |a| a) {
            for (k, w) in needed.get(row(*s)).unwrap_or(&[]).iter().enumerate() {
                let mut w = *w;
                while w != 0 {
                    let r = k * 64 + w.trailing_zeros() as usize;
                    touch(r, end_of(b));
                    w &= w - 1;
                }
            }
        }
        for (i, ins) in body(b).iter().enumerate() {
            registers(ins, list, |r, _| touch(usize::from(r), first + i));
        }
    }
    Some(number(types, &ranges, fixed))
}

/// One instruction backwards.
fn step(
    ins: &Ins,
    list: &impl Fn((u32, u32)) -> Vec<Reg>,
    now: &mut [u64],
    bit: &impl Fn(Reg) -> (usize, u64),
) {
    let mut reads = Vec::new();
    registers(ins, list, |r, writes| {
        let (k, b) = bit(r);
        if !writes {
            reads.push((k, b));
        } else if !matches!(ins, Ins::OnError(..))
            && let Some(w) = now.get_mut(k)
        {
            // The register of an error edge is written on that edge only.
            *w &= !b;
        }
    });
    for (k, b) in reads {
        if let Some(w) = now.get_mut(k) {
            *w |= b;
        }
    }
}

/// Numbers by the order in which they are first needed.
fn number(
    types: &[TypeIx],
    ranges: &[Option<Range>],
    fixed: impl Fn(usize) -> bool,
) -> (Vec<Reg>, Vec<TypeIx>) {
    let mut new: Vec<Reg> = vec![0; types.len()];
    let mut left: Vec<TypeIx> = Vec::new();
    let mut order: Vec<(u32, u32, usize)> = Vec::new();
    let mut take = |ty: TypeIx| {
        left.push(ty);
        Reg::try_from(left.len() - 1).unwrap_or(Reg::MAX)
    };
    for (r, ty) in types.iter().enumerate() {
        if fixed(r) {
            if let Some(slot) = new.get_mut(r) {
                *slot = take(*ty);
            }
        } else if let Some(Some(range)) = ranges.get(r) {
            order.push((range.from, range.to, r));
        }
    }
    order.sort_unstable();
    // Registers in use by the place where that ends, and free ones, for each type.
    let mut used: FxHashMap<TypeIx, BinaryHeap<Reverse<(u32, Reg)>>> = FxHashMap::default();
    let mut free: FxHashMap<TypeIx, BinaryHeap<Reverse<Reg>>> = FxHashMap::default();
    for (from, to, r) in order {
        let Some(ty) = types.get(r).copied() else {
            continue;
        };
        let used = used.entry(ty).or_default();
        let free = free.entry(ty).or_default();
        while let Some(Reverse((end, reg))) = used.peek().copied()
            && end < from
        {
            used.pop();
            free.push(Reverse(reg));
        }
        let reg = match free.pop() {
            Some(Reverse(reg)) => reg,
            None => take(ty),
        };
        used.push(Reverse((to, reg)));
        if let Some(slot) = new.get_mut(r) {
            *slot = reg;
        }
    }
    (new, left)
}
