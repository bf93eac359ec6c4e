//! Which registers are live where. At a safepoint the live registers of reference kind are the
//! roots of the frame.
//!
//! For verified code one backward pass suffices: at a jump target the declared joins stand for what is
//! live there. They are a superset of it, since whatever is read later must be initialised on every
//! path, and the verifier checked that all of them are initialised. [`joins_of`] computes the exact sets
//! by iteration; the builder runs it, so its code loses nothing.
//!
//! What must stay true: a call writes its result on the value edge only and `on_error` its
//! register on the error edge only, so both are treated as a pair.

use super::decode::{Instr, decode, instrs};
use crate::joins::Joins;
use crate::layout::{RegKind, reg_kind};
use crate::linked::{LFunction, Program};
use crate::opcodes::Op;

/// A set of registers. Most functions have few: the first 64 need no memory of their own.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RegSet {
    first: u64,
    rest: Vec<u64>,
}

impl RegSet {
    /// The empty set with room for `regs` registers.
    pub fn new(regs: usize) -> RegSet {
        RegSet {
            first: 0,
            rest: vec![0; regs.div_ceil(64).saturating_sub(1)],
        }
    }

    /// The empty set with the room of another.
    fn like(other: &RegSet) -> RegSet {
        RegSet {
            first: 0,
            rest: vec![0; other.rest.len()],
        }
    }

    #[inline]
    fn word(&mut self, reg: u16) -> Option<&mut u64> {
        match usize::from(reg / 64).checked_sub(1) {
            None => Some(&mut self.first),
            Some(i) => self.rest.get_mut(i),
        }
    }

    /// Adds a register; one beyond the room is ignored (within the last 64 there is always room).
    #[inline]
    pub fn insert(&mut self, reg: u16) {
        if let Some(w) = self.word(reg) {
            *w |= 1 << (reg % 64);
        }
    }

    /// Removes a register.
    #[inline]
    pub fn remove(&mut self, reg: u16) {
        if let Some(w) = self.word(reg) {
            *w &= !(1 << (reg % 64));
        }
    }

    /// Whether the register is in the set.
    #[inline]
    pub fn contains(&self, reg: u16) -> bool {
        let word = match usize::from(reg / 64).checked_sub(1) {
            None => Some(&self.first),
            Some(i) => self.rest.get(i),
        };
        word.is_some_and(|w| w >> (reg % 64) & 1 == 1)
    }

    /// Adds all of another set; whether that changed anything.
    #[inline]
    pub fn union(&mut self, other: &RegSet) -> bool {
        let mut changed = other.first & !self.first != 0;
        self.first |= other.first;
        for (w, o) in self.rest.iter_mut().zip(&other.rest) {
            changed |= *o & !*w != 0;
            *w |= *o;
        }
        changed
    }

    /// Keeps what is also in the other set.
    pub fn intersect(&mut self, other: &RegSet) {
        self.first &= other.first;
        for (w, o) in self.rest.iter_mut().zip(&other.rest) {
            *w &= *o;
        }
    }

    /// The first member that is not in the other set.
    pub fn first_outside(&self, other: &RegSet) -> Option<u16> {
        let extra = self.first & !other.first;
        if extra != 0 {
            return Some(extra.trailing_zeros() as u16);
        }
        let mut pairs = self.rest.iter().zip(&other.rest).enumerate();
        pairs.find_map(|(i, (w, o))| {
            let extra = w & !o;
            (extra != 0).then(|| (i * 64) as u16 + 64 + extra.trailing_zeros() as u16)
        })
    }

    /// Empties the set.
    pub fn clear(&mut self) {
        self.first = 0;
        self.rest.fill(0);
    }

    /// Members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let words = std::iter::once(&self.first).chain(&self.rest);
        words.enumerate().flat_map(|(i, w)| {
            let mut rest = *w;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                rest &= rest.wrapping_sub(1);
                (bit < 64).then(|| (i * 64) as u16 + bit as u16)
            })
        })
    }
}

/// State of a backward walk: what is live before the instruction last stepped over.
struct Walk {
    live: RegSet,
    /// Live on the error edge of the call that comes next.
    error_edge: Option<RegSet>,
}

impl Walk {
    fn new(live: RegSet) -> Walk {
        Walk {
            live,
            error_edge: None,
        }
    }

    /// Steps to just behind the reads of the instruction: what must survive it.
    fn step_across(&mut self, instr: &Instr, code: &[u64], mut at: impl FnMut(u32, &mut RegSet)) {
        if instr.op == Op::OnError {
            let mut edge = RegSet::like(&self.live);
            for t in instr.targets(code) {
                at(t, &mut edge);
            }
            edge.remove(instr.a);
            self.error_edge = Some(edge);
            return;
        }
        if !instr.falls_through() {
            self.live.clear();
        }
        if instr.op == Op::Switch {
            // A table may name one place many times.
            let mut targets: Vec<u32> = instr.targets(code).collect();
            targets.sort_unstable();
            targets.dedup();
            targets.iter().for_each(|t| at(*t, &mut self.live));
        } else {
            for t in instr.targets(code) {
                at(t, &mut self.live);
            }
        }
        if let Some(dst) = instr.writes() {
            self.live.remove(dst);
        }
        if let Some(edge) = self.error_edge.take() {
            self.live.union(&edge);
        }
    }

    fn step(&mut self, instr: &Instr, code: &[u64], at: impl FnMut(u32, &mut RegSet)) {
        self.step_across(instr, code, at);
        if instr.op != Op::OnError {
            for r in instr.reads(code) {
                self.live.insert(r);
            }
        }
    }
}

/// The exact live-in sets of all jump targets of `code`, for a function with `regs` registers.
/// Iterates to a fixpoint; for code of the builder, not for hostile code.
pub fn joins_of(code: &[u64], regs: usize) -> Joins {
    let list: Vec<Instr> = instrs(code).map_while(Result::ok).collect();
    // By word: 0, or the number of its set and one more.
    let mut set_at = vec![0u32; code.len()];
    const FORWARD: u32 = 1;
    const BACKWARD: u32 = 2;
    for instr in &list {
        for t in instr.targets(code) {
            if let Some(slot) = set_at.get_mut(t as usize) {
                *slot |= if t <= instr.pc { BACKWARD } else { FORWARD };
            }
        }
    }
    let mut targets: Vec<u32> = Vec::new();
    // By set: whether a jump from behind leads there.
    let mut loops: Vec<bool> = Vec::new();
    for (pc, slot) in (0u32..).zip(&mut set_at) {
        if *slot != 0 {
            targets.push(pc);
            loops.push(*slot & BACKWARD != 0);
            *slot = targets.len() as u32;
        }
    }
    let find = |pc: u32| {
        let n = set_at.get(pc as usize).copied().unwrap_or(0);
        (n as usize).checked_sub(1)
    };
    let mut sets = vec![RegSet::new(regs); targets.len()];
    loop {
        let mut changed = false;
        let mut walk = Walk::new(RegSet::new(regs));
        for instr in list.iter().rev() {
            walk.step(instr, code, |t, into| {
                if let Some(set) = find(t).and_then(|i| sets.get(i)) {
                    into.union(set);
                }
            });
            if let Some(i) = find(instr.pc)
                && let Some(set) = sets.get_mut(i)
            {
                let grew = set.union(&walk.live);
                changed |= grew && loops.get(i) == Some(&true);
            }
        }
        // Only jumps from behind took a set before it was computed: where those did not grow, all are final.
        if !changed {
            break;
        }
    }
    let mut joins = Joins::default();
    for (pc, set) in targets.into_iter().zip(&sets) {
        joins.push(pc, set.iter());
    }
    joins.shrink_to_fit();
    joins
}

/// Instructions between two remembered sets.
const STRIDE: usize = 32;

/// Live registers of a verified function, for queries by place. Small: sets are kept for every
/// 32nd instruction and walked back from there.
#[derive(Clone, Debug)]
pub struct Liveness {
    refs: RegSet,
    /// Place and what is live before the instruction there, ascending.
    points: Vec<(u32, RegSet)>,
}

impl Liveness {
    /// Computes liveness of a function of the program, in one pass.
    pub fn new(prog: &Program, f: &LFunction) -> Liveness {
        let mut refs = RegSet::new(f.regs.len());
        for (r, ty) in (0u16..).zip(&f.regs) {
            if reg_kind(prog, *ty) == RegKind::Ref {
                refs.insert(r);
            }
        }
        let code = f.code.as_slice();
        let starts: Vec<u32> = instrs(code).map_while(Result::ok).map(|i| i.pc).collect();
        let sets: Vec<RegSet> = f
            .joins
            .iter()
            .map(|j| {
                let mut set = RegSet::new(f.regs.len());
                j.live.iter().for_each(|r| set.insert(*r));
                set
            })
            .collect();
        let find = |pc: u32| sets.get(f.joins.find(pc)?);
        let mut points = Vec::new();
        let mut walk = Walk::new(RegSet::new(f.regs.len()));
        let mut since = 0;
        for pc in starts.iter().rev() {
            let Ok(instr) = decode(code, *pc) else { break };
            walk.step(&instr, code, |t, into| {
                if let Some(set) = find(t) {
                    into.union(set);
                }
            });
            if let Some(set) = find(*pc) {
                walk.live.clone_from(set);
            }
            since += 1;
            // Behind a call the pair with `on_error` must be walked as a whole.
            if since >= STRIDE && instr.op != Op::OnError {
                points.push((*pc, walk.live.clone()));
                since = 0;
            }
        }
        points.reverse();
        Liveness { refs, points }
    }

    /// Calls `visit` with each live register of reference kind at the instruction at `pc` of `f` (the same
    /// function). `operands`: whether the instruction's own operands count: they do while it
    /// executes (an allocation); in a caller's frame they do not, nor does its destination ever.
    pub fn live_refs(&self, f: &LFunction, pc: u32, operands: bool, mut visit: impl FnMut(u16)) {
        let mut live = self.live(f, pc, operands);
        live.intersect(&self.refs);
        live.iter().for_each(&mut visit);
    }

    /// The live registers of all kinds, as [`Liveness::live_refs`] counts them.
    pub fn live(&self, f: &LFunction, pc: u32, operands: bool) -> RegSet {
        let code = f.code.as_slice();
        let next = self.points.partition_point(|(p, _)| *p <= pc);
        let (end, live) = match self.points.get(next) {
            Some((p, set)) => (*p, set.clone()),
            None => (code.len() as u32, RegSet::new(f.regs.len())),
        };
        let mut list = Vec::with_capacity(STRIDE * 2);
        let mut at = pc;
        while at < end {
            let Ok(instr) = decode(code, at) else { break };
            at = instr.next_pc();
            list.push(instr);
        }
        let join = |t: u32, into: &mut RegSet| {
            if let Some(j) = f.joins.find(t).and_then(|i| f.joins.get(i)) {
                j.live.iter().for_each(|r| into.insert(*r));
            }
        };
        let mut walk = Walk::new(live);
        for instr in list.iter().rev() {
            if instr.pc != pc {
                walk.step(instr, code, join);
                if f.joins.find(instr.pc).is_some() {
                    walk.live.clear();
                    join(instr.pc, &mut walk.live);
                }
                continue;
            }
            if operands {
                walk.step(instr, code, join);
            } else {
                walk.step_across(instr, code, join);
            }
        }
        walk.live
    }
}
