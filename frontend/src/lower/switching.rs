//! `match` on plain values: jump tables for dense numbers and variants, a binary search over them and over texts.
//!
//! What must stay true: of the arms that name a value the first whose guard holds is taken; a value that none
//! names gets to the rest; no function of the search recurses deeper than the logarithm of the arms.

use super::Res;
use super::emit::{Lbl, Reg};
use super::func::FnCx;
use super::matching::View;
use super::pattern::always;
use crate::thir::*;
use jet_bytecode::opcodes::{Op, TrapKind};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Texts are searched from this many on; below, they are compared one by one.
const MIN_TEXTS: usize = 12;
/// Longest jump table.
const MAX_TABLE: i64 = 512;

/// What an arm names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Key {
    Num(i64),
    Text(String),
}

/// Neighbouring values that are told apart at once.
enum Cluster {
    /// A jump table from this value on.
    Table(i64, Vec<Lbl>),
    One(Key, Lbl),
}

impl Cluster {
    fn first(&self) -> Key {
        match self {
            Cluster::Table(base, _) => Key::Num(*base),
            Cluster::One(key, _) => key.clone(),
        }
    }
}

impl<'p> FnCx<'_, 'p> {
    /// Compiles the arms as a search if that pays: each names variants, small ranges or texts, but perhaps the
    /// last, which takes the rest.
    pub(super) fn switch(
        &mut self,
        r: Reg,
        ty: Ty,
        stable: bool,
        arms: &[View<'p>],
        dst: Option<Reg>,
        end: Lbl,
    ) -> Res<bool> {
        let is_enum = self
            .cx
            .adt(ty)
            .is_some_and(|(_, d, _)| matches!(d.kind, AdtKind::Enum | AdtKind::Error));
        let (named, rest) = match arms.split_last() {
            Some((last, before)) if last.arm.guard.is_none() && last.pat.is_none_or(always) => {
                (before, Some(*last))
            }
            _ => (arms, None),
        };
        if arms.len() < 4 {
            return Ok(false);
        }
        let mut keys: Vec<Vec<Key>> = Vec::new();
        for v in named {
            let Some(p) = v.pat else { return Ok(false) };
            let Some(k) = keys_of(p) else {
                return Ok(false);
            };
            if k.len() > 1 && v.arm.guard.is_some() {
                return Ok(false);
            }
            keys.push(k);
        }
        // The arms of each value, in order.
        let mut chains: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (i, ks) in keys.iter().enumerate() {
            for k in ks {
                let chain = chains.entry(k.clone()).or_default();
                if chain.last() != Some(&i) {
                    chain.push(i);
                }
            }
        }
        let least = match chains.first_key_value() {
            Some((Key::Text(_), _)) => MIN_TEXTS,
            _ => 4,
        };
        if chains.len() < least {
            return Ok(false);
        }
        let other = self.code.label();
        let mut labels: FxHashMap<Vec<usize>, Lbl> = FxHashMap::default();
        let mut bodies: Vec<(Lbl, Vec<usize>)> = Vec::new();
        let mut points: Vec<(Key, Lbl)> = Vec::new();
        for (key, chain) in chains {
            let label = match labels.get(&chain) {
                Some(l) => *l,
                None => {
                    let l = self.code.label();
                    bodies.push((l, chain.clone()));
                    labels.insert(chain, l);
                    l
                }
            };
            points.push((key, label));
        }
        let clusters = clusters(points, other, is_enum);
        if is_enum && clusters.len() != 1 {
            // Tags have no order to search by.
            return Ok(false);
        }
        self.search(r, ty, is_enum, &clusters, other)?;
        self.bodies(r, stable, named, &keys, bodies, dst, end, other)?;
        self.code.bind(other);
        if !self.code.dead() {
            match rest {
                Some(v) => {
                    self.push_scope();
                    if let Some(p) = v.pat {
                        self.test_pat(p, r, stable, None)?;
                    }
                    self.arm_body(v.arm, dst, None, end)?;
                    self.pop_scope();
                }
                None => self.trap(TrapKind::Unreachable),
            }
        }
        Ok(true)
    }

    /// The arms behind the labels of their values.
    #[allow(clippy::too_many_arguments)]
    fn bodies(
        &mut self,
        r: Reg,
        stable: bool,
        named: &[View<'p>],
        keys: &[Vec<Key>],
        chains: Vec<(Lbl, Vec<usize>)>,
        dst: Option<Reg>,
        end: Lbl,
        other: Lbl,
    ) -> Res<()> {
        let mut bodies: Vec<Option<Lbl>> = vec![None; named.len()];
        for (label, chain) in chains {
            self.code.bind(label);
            for i in chain {
                if self.code.dead() {
                    break;
                }
                let (Some(v), Some(body)) = (named.get(i).copied(), bodies.get_mut(i)) else {
                    continue;
                };
                let Some(p) = v.pat else { continue };
                let shared = keys.get(i).is_some_and(|k| k.len() > 1);
                if shared && let Some(l) = *body {
                    self.code.jmp(l);
                    break;
                }
                let fail = self.code.label();
                if shared {
                    let l = self.code.label();
                    *body = Some(l);
                    self.code.bind_back(l);
                }
                self.push_scope();
                self.test_known(p, r, stable, fail)?;
                self.arm_body(v.arm, dst, Some(fail), end)?;
                self.pop_scope();
                self.code.bind(fail);
            }
            self.code.jmp(other);
        }
        Ok(())
    }

    /// Jumps to the label of the value in `r`; the code behind it is not reached.
    fn search(
        &mut self,
        r: Reg,
        ty: Ty,
        is_enum: bool,
        clusters: &[Cluster],
        other: Lbl,
    ) -> Res<()> {
        let (low, high) = clusters.split_at(clusters.len() / 2);
        match (low, high) {
            (_, []) => self.code.jmp(other),
            ([], [Cluster::Table(base, labels)]) => {
                self.table(r, ty, is_enum, *base, labels)?;
                self.code.jmp(other);
            }
            ([], [Cluster::One(Key::Num(n), label), ..]) => {
                self.jump_number(Op::JEqImm, Op::JEq, r, ty, *n, *label)?;
                self.code.jmp(other);
            }
            ([], [Cluster::One(Key::Text(s), label), ..]) => {
                let o = self.str_opnd(s)?;
                let t = self.temp(TyTable::BOOL)?;
                self.code.op(Op::StrEq, t, r, o.reg);
                self.code.jump(Op::JmpIf, t, 0, *label);
                self.code.free(t);
                self.drop(o);
                self.code.jmp(other);
            }
            (_, [middle, ..]) => {
                let below = self.code.label();
                match middle.first() {
                    Key::Num(n) => self.jump_number(Op::JLtImm, Op::JLt, r, ty, n, below)?,
                    Key::Text(s) => {
                        let o = self.str_opnd(&s)?;
                        let t = self.temp(TyTable::INT)?;
                        self.code.op(Op::StrCmp, t, r, o.reg);
                        self.code.jump(Op::JLtImm, t, 0, below);
                        self.code.free(t);
                        self.drop(o);
                    }
                }
                self.search(r, ty, is_enum, high, other)?;
                self.code.bind(below);
                self.search(r, ty, is_enum, low, other)?;
            }
        }
        Ok(())
    }

    fn jump_number(&mut self, imm: Op, op: Op, r: Reg, ty: Ty, n: i64, to: Lbl) -> Res<()> {
        match i16::try_from(n) {
            Ok(k) => self.code.jump(imm, r, k as u16, to),
            Err(_) => {
                let c = self.int_const(n)?;
                let o = self.const_opnd(ty, c)?;
                self.code.jump(op, r, o.reg, to);
                self.drop(o);
            }
        }
        Ok(())
    }

    /// A jump table; other values fall through.
    fn table(&mut self, r: Reg, ty: Ty, is_enum: bool, base: i64, labels: &[Lbl]) -> Res<()> {
        if is_enum || (ty == TyTable::INT && base == 0) {
            self.code.switch(r, labels);
            return Ok(());
        }
        // The value as an int from zero.
        let t = self.temp(TyTable::INT)?;
        let mut from = r;
        if ty != TyTable::INT {
            self.code.op(Op::WordToInt, t, r, 0);
            from = t;
        }
        if base != 0 {
            let b = self.int_opnd(base)?;
            self.code.op(Op::SubWrap, t, from, b.reg);
            self.drop(b);
        }
        self.code.switch(t, labels);
        self.code.free(t);
        Ok(())
    }

    /// Tests a pattern whose variant or number is already known.
    fn test_known(&mut self, p: &'p Pat, r: Reg, stable: bool, fail: Lbl) -> Res<()> {
        match &p.kind {
            PatKind::Variant(v, subs) => {
                let ty = self.ty(p.ty);
                for (i, s) in subs {
                    let fty = self.cx.field_ty(ty, *v, *i)?;
                    if matches!(s.kind, PatKind::Wild) {
                        continue;
                    }
                    let index = (*v as u16).wrapping_mul(256).wrapping_add(*i as u16);
                    let t = match &s.kind {
                        PatKind::Bind(id, None) if !self.is_boxed(*id) => {
                            let t = self.declare(*id)?;
                            self.code.op(Op::GetPayload, t, r, index);
                            continue;
                        }
                        _ => self.scoped(fty)?,
                    };
                    self.code.op(Op::GetPayload, t, r, index);
                    self.test_pat(s, t, true, Some(fail))?;
                }
                Ok(())
            }
            PatKind::Bind(id, Some(sub)) => {
                self.test_known(sub, r, stable, fail)?;
                self.bind_local(*id, r, stable)
            }
            _ => Ok(()),
        }
    }
}

/// Groups sorted values into jump tables, where they stand close enough, and single ones.
fn clusters(points: Vec<(Key, Lbl)>, other: Lbl, is_enum: bool) -> Vec<Cluster> {
    let mut out: Vec<Cluster> = Vec::new();
    let mut run: Vec<(i64, Lbl)> = Vec::new();
    let flush = |run: &mut Vec<(i64, Lbl)>, out: &mut Vec<Cluster>| {
        let (Some(first), Some(last)) = (run.first().copied(), run.last().copied()) else {
            return;
        };
        if run.len() < 4 && !is_enum {
            out.extend(run.drain(..).map(|(n, l)| Cluster::One(Key::Num(n), l)));
            return;
        }
        // Small numbers need no subtraction; variants count from zero.
        let base = if is_enum || (0..16).contains(&first.0) {
            0
        } else {
            first.0
        };
        let mut labels = vec![other; usize::try_from(last.0 - base + 1).unwrap_or(0)];
        for (n, l) in run.drain(..) {
            if let Some(slot) = usize::try_from(n - base)
                .ok()
                .and_then(|i| labels.get_mut(i))
            {
                *slot = l;
            }
        }
        out.push(Cluster::Table(base, labels));
    };
    for (key, label) in points {
        match key {
            Key::Num(n) => {
                if let (Some(first), Some(last)) = (run.first(), run.last()) {
                    let size = n.checked_sub(first.0).unwrap_or(i64::MAX);
                    let near = n.checked_sub(last.0).is_some_and(|gap| gap <= 4);
                    if !is_enum && (size >= MAX_TABLE || !near) {
                        flush(&mut run, &mut out);
                    }
                }
                run.push((n, label));
            }
            Key::Text(_) => out.push(Cluster::One(key, label)),
        }
    }
    flush(&mut run, &mut out);
    out
}

/// The variants, numbers or texts that a pattern names, if it is told by them. With several, it binds nothing.
fn keys_of(p: &Pat) -> Option<Vec<Key>> {
    match &p.kind {
        PatKind::Variant(v, _) => Some(vec![Key::Num(i64::from(*v))]),
        PatKind::Int(v) => Some(vec![Key::Num(*v)]),
        PatKind::Byte(v) => Some(vec![Key::Num(i64::from(*v))]),
        PatKind::Char(v) => Some(vec![Key::Num(i64::from(u32::from(*v)))]),
        PatKind::Str(s) => Some(vec![Key::Text(s.clone())]),
        PatKind::Range(lo, hi) => {
            let size = hi.checked_sub(*lo)?;
            (0..=64)
                .contains(&size)
                .then(|| (*lo..=*hi).map(Key::Num).collect())
        }
        PatKind::Or(ps) => {
            let mut all = Vec::new();
            for p in ps {
                match &p.kind {
                    PatKind::Variant(_, subs)
                        if !subs.iter().all(|(_, s)| matches!(s.kind, PatKind::Wild)) =>
                    {
                        return None;
                    }
                    PatKind::Bind(..) => return None,
                    _ => all.extend(keys_of(p)?),
                }
            }
            Some(all)
        }
        _ => None,
    }
}
