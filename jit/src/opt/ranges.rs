//! Ranges: overflow and bounds checks that intervals and dominating conditions prove.
//!
//! One walk over the dominator tree computes an interval for each word, refined by the conditions that hold
//! where it is asked for (branches taken, checks passed). Parameters of loops start from the edges into the
//! loop; a back edge that leaves the interval widens it, and the walk starts again. The last walk removes.

use rustc_hash::FxHashMap;

use super::Flow;
use crate::ir::{Alias, Bin, BlockId, Cc, Graph, Op, Term, Ty, Val, Width};

/// Interval, both ends included.
type Range = (i64, i64);
const FULL: Range = (i64::MIN, i64::MAX);
/// Most elements or bytes of anything on the heap.
const MAX_LEN: i64 = u32::MAX as i64;
/// Walks until everything that still moves is given up.
const ROUNDS: usize = 6;

struct Walk<'g> {
    g: &'g mut Graph,
    flow: Flow,
    children: Vec<Vec<BlockId>>,
    range: Vec<Range>,
    /// Conditions that hold here: by value, with the other operand.
    facts: FxHashMap<Val, Vec<(Cc, Val)>>,
    /// Values with facts, in the order in which they got them.
    trail: Vec<Val>,
    /// Union of the arguments for each parameter over forward edges, of this walk.
    forward: Vec<Option<Range>>,
    /// The same over back edges.
    backward: Vec<Option<Range>>,
    wide: Vec<(bool, bool)>,
    removing: bool,
}

/// Runs the pass.
pub(crate) fn run(g: &mut Graph) {
    let flow = Flow::new(g);
    let n = g.ops.len();
    let mut children = vec![Vec::new(); g.blocks.len()];
    for b in flow.order.iter().skip(1) {
        children[flow.idom[*b]].push(*b);
    }
    let mut w = Walk {
        g,
        flow,
        children,
        range: vec![FULL; n],
        facts: FxHashMap::default(),
        trail: Vec::new(),
        forward: vec![None; n],
        backward: vec![None; n],
        wide: vec![(false, false); n],
        removing: false,
    };
    for round in 0..ROUNDS {
        w.all();
        let mut stable = true;
        for p in 0..n {
            let Some(back) = w.backward[p] else { continue };
            let (lo, hi) = w.range[p];
            let wide = &mut w.wide[p];
            if round + 2 >= ROUNDS {
                stable &= *wide == (true, true);
                *wide = (true, true);
                continue;
            }
            if back.0 < lo && !wide.0 {
                wide.0 = true;
                stable = false;
            }
            if back.1 > hi && !wide.1 {
                wide.1 = true;
                stable = false;
            }
        }
        if stable {
            w.removing = true;
            w.all();
            break;
        }
    }
}

fn union(a: Option<Range>, b: Range) -> Option<Range> {
    Some(a.map_or(b, |a| (a.0.min(b.0), a.1.max(b.1))))
}

fn clamp(lo: i128, hi: i128) -> Range {
    let cut = |x: i128| x.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
    (cut(lo), cut(hi))
}

impl Walk<'_> {
    fn all(&mut self) {
        self.forward.fill(None);
        self.backward.fill(None);
        self.facts.clear();
        self.trail.clear();
        // An explicit stack: entering a block, or leaving it with the trail's length before.
        let mut stack = vec![(0, None)];
        while let Some((b, leave)) = stack.pop() {
            if let Some(mark) = leave {
                self.undo(mark);
                continue;
            }
            stack.push((b, Some(self.trail.len())));
            self.block(b);
            for c in self.children[b].iter().rev() {
                stack.push((*c, None));
            }
        }
    }

    fn undo(&mut self, mark: usize) {
        while self.trail.len() > mark {
            if let Some(v) = self.trail.pop()
                && let Some(list) = self.facts.get_mut(&v)
            {
                list.pop();
            }
        }
    }

    /// Notes that a condition holds from here on.
    fn hold(&mut self, cc: Cc, a: Val, b: Val) {
        self.facts.entry(a).or_default().push((cc, b));
        self.trail.push(a);
        if let Some(cc) = cc.swap() {
            self.facts.entry(b).or_default().push((cc, a));
            self.trail.push(b);
        }
    }

    /// Interval of a value here.
    fn of(&self, v: Val) -> Range {
        // The other side of a fact by its own facts, but for those about this value.
        self.narrowed(v, |other| {
            Some(self.narrowed(other, |third| (third != v).then(|| self.plain(third))))
        })
    }

    fn plain(&self, v: Val) -> Range {
        match self.g.ops[v as usize] {
            Op::Const(k) => (k, k),
            _ => self.range[v as usize],
        }
    }

    /// The interval of a value by its facts about others, of which `interval` says what is known, if it is to be used.
    fn narrowed(&self, v: Val, interval: impl Fn(Val) -> Option<Range>) -> Range {
        let (mut lo, mut hi) = self.plain(v);
        for (cc, other) in self.facts.get(&v).map_or(&[][..], Vec::as_slice) {
            let Some((a, b)) = interval(*other) else {
                continue;
            };
            match cc {
                Cc::Eq => {
                    lo = lo.max(a);
                    hi = hi.min(b);
                }
                Cc::Lt => hi = hi.min(b.saturating_sub(1)),
                Cc::Le => hi = hi.min(b),
                Cc::Gt => lo = lo.max(a.saturating_add(1)),
                Cc::Ge => lo = lo.max(a),
                Cc::Ult if a >= 0 => {
                    lo = lo.max(0);
                    hi = hi.min(b.saturating_sub(1));
                }
                Cc::Ne if a == b && lo == a => lo = lo.saturating_add(1),
                Cc::Ne if a == b && hi == a => hi = hi.saturating_sub(1),
                _ => {}
            }
        }
        // Conditions that exclude each other hold only where nothing comes (behind a check that always leaves); an
        // interval without values is none.
        if lo <= hi { (lo, hi) } else { self.plain(v) }
    }

    /// Conditions on the edge from a block to another, through blocks that have one way in.
    fn edge_conditions(&self, from: BlockId, to: BlockId) -> Vec<(Cc, Val, Val)> {
        let mut out = Vec::new();
        let (mut from, mut to) = (from, to);
        for _ in 0..4 {
            if let Term::Branch(cc, a, b, yes, no) = &self.g.blocks[from].term
                && yes.block != no.block
            {
                out.push((if yes.block == to { *cc } else { cc.negate() }, *a, *b));
            }
            match self.flow.preds[from].as_slice() {
                [one] if *one != from => (from, to) = (*one, from),
                _ => break,
            }
        }
        out
    }

    /// Conditions about parameters that hold on every edge into a block.
    fn parameter_facts(&mut self, b: BlockId) {
        let preds = self.flow.preds[b].clone();
        let params = self.g.blocks[b].params.clone();
        for (k, p) in params.iter().enumerate() {
            let mut common: Option<Vec<(Cc, Val)>> = None;
            for from in &preds {
                let term = &self.g.blocks[*from].term;
                let edges: Vec<Val> = term
                    .edges()
                    .iter()
                    .filter(|e| e.block == b)
                    .filter_map(|e| e.args.get(k).copied())
                    .collect();
                let [arg] = edges.as_slice() else {
                    common = Some(Vec::new());
                    break;
                };
                let mut here = Vec::new();
                for (cc, x, y) in self.edge_conditions(*from, b) {
                    if x == *arg {
                        here.push((cc, y));
                    } else if y == *arg {
                        here.extend(cc.swap().map(|cc| (cc, x)));
                    }
                }
                common = Some(match common {
                    None => here,
                    Some(c) => c
                        .into_iter()
                        .filter(|(cc, y)| {
                            here.iter()
                                .any(|(c, z)| c == cc && (y == z || self.same(*y, *z)))
                        })
                        .collect(),
                });
            }
            for (cc, y) in common.unwrap_or_default() {
                // The other operand must be one that is the same on every edge.
                if !params.contains(&y) {
                    self.hold(cc, *p, y);
                }
            }
        }
    }

    fn same(&self, a: Val, b: Val) -> bool {
        let k = self.g.constant(a);
        k.is_some() && k == self.g.constant(b)
    }

    fn block(&mut self, b: BlockId) {
        let head = self.flow.is_head(b);
        for p in self.g.blocks[b].params.clone() {
            let i = p as usize;
            let (mut lo, mut hi) = if b == 0 {
                FULL
            } else {
                self.forward[i].unwrap_or(FULL)
            };
            if head && self.wide[i].0 {
                lo = i64::MIN;
            }
            if head && self.wide[i].1 {
                hi = i64::MAX;
            }
            self.range[i] = (lo, hi);
        }
        if let [one] = self.flow.preds[b].as_slice()
            && let Term::Branch(cc, x, y, yes, no) = &self.g.blocks[*one].term
            && yes.block != no.block
        {
            let cc = if yes.block == b { *cc } else { cc.negate() };
            let (x, y) = (*x, *y);
            self.hold(cc, x, y);
        } else {
            self.parameter_facts(b);
        }
        let ops = std::mem::take(&mut self.g.blocks[b].ops);
        let mut kept = Vec::with_capacity(ops.len());
        for v in ops {
            if !self.op(v) {
                kept.push(v);
            }
        }
        self.g.blocks[b].ops = kept;
        if let Term::Branch(cc, x, y, yes, no) = &self.g.blocks[b].term
            && self.removing
        {
            let way = if self.proves(*cc, *x, *y) {
                Some(yes)
            } else {
                self.proves(cc.negate(), *x, *y).then_some(no)
            };
            if let Some(way) = way.cloned() {
                self.g.blocks[b].term = Term::Jump(way);
            }
        }
        for e in self.g.blocks[b].term.clone().edges() {
            let back = self.flow.place[e.block] <= self.flow.place[b];
            let conditions = self.edge_conditions(b, e.block);
            let mark = self.trail.len();
            if let Some((cc, x, y)) = conditions.first()
                && matches!(self.g.blocks[b].term, Term::Branch(..))
            {
                self.hold(*cc, *x, *y);
            }
            for (p, a) in self.g.blocks[e.block].params.clone().iter().zip(&e.args) {
                if self.g.ty(*p) != Ty::I {
                    continue;
                }
                let r = self.of(*a);
                let list = if back {
                    &mut self.backward
                } else {
                    &mut self.forward
                };
                list[*p as usize] = union(list[*p as usize], r);
            }
            self.undo(mark);
        }
    }

    /// Computes the interval of an operation; whether it goes.
    fn op(&mut self, v: Val) -> bool {
        let op = self.g.ops[v as usize].clone();
        let range = match &op {
            Op::Const(k) => (*k, *k),
            Op::Cmp(..) | Op::FCmp(..) => (0, 1),
            Op::Load(_, _, _, Alias::Len(_)) => (0, MAX_LEN),
            Op::Load(_, _, w, _) | Op::LoadElem(_, _, w, _) => match w {
                Width::U8 => (0, 255),
                Width::U32 => (0, MAX_LEN),
                _ => FULL,
            },
            Op::Bin(op, a, b) => self.bin(*op, *a, *b, false),
            Op::Checked(op, a, b, _) => {
                let exact = self.exact(*op, *a, *b);
                if self.removing
                    && let Some((lo, hi)) = exact
                    && lo >= i128::from(i64::MIN)
                    && hi <= i128::from(i64::MAX)
                {
                    self.g.ops[v as usize] = Op::Bin(*op, *a, *b);
                }
                self.bin(*op, *a, *b, true)
            }
            Op::Guard(cc, a, b, _) => {
                if self.removing && self.proves(cc.negate(), *a, *b) {
                    return true;
                }
                self.hold(cc.negate(), *a, *b);
                return false;
            }
            _ => FULL,
        };
        self.range[v as usize] = range;
        false
    }

    /// Whether a condition holds here.
    fn proves(&self, cc: Cc, a: Val, b: Val) -> bool {
        let ((al, ah), (bl, bh)) = (self.of(a), self.of(b));
        let fact = |want: &[Cc], x: Val| {
            let list = self.facts.get(&x).map_or(&[][..], Vec::as_slice);
            list.iter().any(|(c, y)| *y == b && want.contains(c))
        };
        match cc {
            Cc::Lt => ah < bl || fact(&[Cc::Lt], a),
            Cc::Le => ah <= bl || fact(&[Cc::Lt, Cc::Le, Cc::Eq], a),
            Cc::Gt => al > bh || fact(&[Cc::Gt], a),
            Cc::Ge => al >= bh || fact(&[Cc::Gt, Cc::Ge, Cc::Eq], a),
            // That a reference is one, say, is no interval.
            Cc::Ne => ah < bl || al > bh || fact(&[Cc::Ne, Cc::Lt, Cc::Gt], a),
            Cc::Ult => {
                if al >= 0 && bl >= 0 && ah < bl || fact(&[Cc::Ult], a) {
                    return true;
                }
                if al < 0 {
                    return false;
                }
                // A length is never negative, so that a signed condition is enough.
                if bl >= 0 && fact(&[Cc::Lt], a) {
                    return true;
                }
                // x - k with x at most the length.
                match &self.g.ops[a as usize] {
                    Op::Checked(Bin::Add, x, k, _) | Op::Bin(Bin::Add, x, k) if bl >= 0 => {
                        let k = self.g.constant(*k).unwrap_or(0);
                        let x_ok = self.of(*x).0 >= 0;
                        x_ok && k < 0 && fact(&[Cc::Lt, Cc::Le, Cc::Ult], *x)
                    }
                    _ => false,
                }
            }
            Cc::Eq => (al, ah) == (bl, bh) && al == ah || fact(&[Cc::Eq], a),
            Cc::Uge => false,
        }
    }

    /// The mathematical result of an operation that may overflow.
    fn exact(&self, op: Bin, a: Val, b: Val) -> Option<(i128, i128)> {
        let ((al, ah), (bl, bh)) = (self.of(a), self.of(b));
        let [al, ah, bl, bh] = [al, ah, bl, bh].map(i128::from);
        Some(match op {
            Bin::Add => (al + bl, ah + bh),
            Bin::Sub => (al - bh, ah - bl),
            Bin::Mul => {
                let all = [al * bl, al * bh, ah * bl, ah * bh];
                let lo = all.iter().copied().min()?;
                (lo, all.iter().copied().max()?)
            }
            _ => return None,
        })
    }

    fn bin(&self, op: Bin, a: Val, b: Val, checked: bool) -> Range {
        let ((al, ah), (bl, bh)) = (self.of(a), self.of(b));
        match op {
            Bin::Add | Bin::Sub | Bin::Mul => match self.exact(op, a, b) {
                Some((lo, hi)) if checked => clamp(lo, hi),
                Some((lo, hi)) if lo >= i128::from(i64::MIN) && hi <= i128::from(i64::MAX) => {
                    clamp(lo, hi)
                }
                _ => FULL,
            },
            Bin::And => {
                if bl >= 0 {
                    (0, if al >= 0 { ah.min(bh) } else { bh })
                } else if al >= 0 {
                    (0, ah)
                } else {
                    FULL
                }
            }
            Bin::Rem if bl > i64::MIN => {
                let most = bl
                    .saturating_abs()
                    .max(bh.saturating_abs())
                    .saturating_sub(1)
                    .max(0);
                (
                    if al >= 0 { 0 } else { -most },
                    if ah <= 0 { 0 } else { most.min(ah.max(0)) },
                )
            }
            Bin::Div if bl > 0 => {
                let all = [al / bl, al / bh, ah / bl, ah / bh];
                (
                    all.iter().copied().min().unwrap_or(i64::MIN),
                    all.iter().copied().max().unwrap_or(i64::MAX),
                )
            }
            Bin::Ushr => match self.g.constant(b) {
                Some(k) if (1..64).contains(&k) => (0, (u64::MAX >> k) as i64),
                _ if al >= 0 => (0, ah),
                _ => FULL,
            },
            Bin::Shr => match self.g.constant(b) {
                Some(k) if (0..64).contains(&k) => (al >> k, ah >> k),
                _ => (al.min(0), ah.max(0)),
            },
            Bin::Or | Bin::Xor if al >= 0 && bl >= 0 => {
                let bits = 64 - (ah | bh).leading_zeros();
                (
                    0,
                    if bits >= 63 {
                        i64::MAX
                    } else {
                        (1 << bits) - 1
                    },
                )
            }
            _ => FULL,
        }
    }
}
