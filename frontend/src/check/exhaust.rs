//! Exhaustiveness and reachability of `match` by usefulness of pattern rows, after Maranget,
//! "Warnings for pattern matching" (JFP 2007), with value ranges split at their ends and lists by length.
//!
//! What must stay true: the work is metered, because usefulness is exponential in the worst case; a match
//! that exceeds the meter is reported as too complex, never accepted.

use crate::thir::{AdtKind, Arm, Pat, PatKind, Program, Ty, TyKind, TyTable};
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Steps that one `match` may take before it counts as too complex.
const MAX_WORK: u32 = 400_000;
/// Steps of all of a program.
pub(super) const MAX_TOTAL_WORK: u32 = 40_000_000;

/// From this many arms on, a match on plain values is checked by sets of them.
const FLAT_ARMS: usize = 64;

/// What is known of a match.
#[derive(Debug, Default)]
pub struct MatchReport {
    /// A value, as pattern text, that no arm takes.
    pub missing: Option<String>,
    /// Arms that never run because earlier ones take everything they match.
    pub unreachable: Vec<usize>,
    /// The meter ran out: the other fields say nothing.
    pub too_complex: bool,
}

/// Checks the arms of a match on a value of type `scrutinee`, in at most `left` steps, which it takes from there.
pub fn check_match(prog: &mut Program, scrutinee: Ty, arms: &[Arm], left: &mut u32) -> MatchReport {
    let most = MAX_WORK.min(*left);
    let mut cx = Cx {
        prog,
        work: 0,
        most,
    };
    let report = cx.report(scrutinee, arms);
    *left -= cx.work.min(most);
    report
}

impl Cx<'_> {
    fn report(&mut self, scrutinee: Ty, arms: &[Arm]) -> MatchReport {
        let cx = self;
        if arms.len() >= FLAT_ARMS
            && let Some(report) = cx.flat(scrutinee, arms)
        {
            return report;
        }
        let mut report = MatchReport::default();
        let mut rows: Vec<Vec<P>> = Vec::new();
        for (i, arm) in arms.iter().enumerate() {
            let row = vec![lower(&arm.pat)];
            if cx.useful(&rows, &[scrutinee], &row).is_none() {
                report.unreachable.push(i);
            } else if arm.guard.is_none() {
                rows.push(row);
            }
        }
        if let Some(witness) = cx.useful(&rows, &[scrutinee], &[P::Wild]) {
            let head = witness.first().cloned().unwrap_or(P::Wild);
            report.missing = Some(cx.text(&head, scrutinee));
        }
        if cx.work > cx.most {
            return MatchReport {
                too_complex: true,
                ..MatchReport::default()
            };
        }
        report
    }
}

/// A pattern reduced to what matters for coverage.
#[derive(Clone, Debug)]
enum P {
    Wild,
    Ctor(C, Vec<P>),
    /// Alternatives, shared: rows are copied for each.
    Or(Rc<[P]>),
}

/// A constructor: how a value of the type may be built.
#[derive(Clone, Debug, PartialEq)]
enum C {
    /// The only one of a struct, tuple or unit.
    Single,
    Variant(u32),
    Bool(bool),
    /// Inclusive range of the numbers of int, byte or char.
    Range(i128, i128),
    Str(String),
    Float(u64),
    /// List of exactly that many elements.
    Fixed(usize),
    /// List with at least that many elements at its front and back.
    Var(usize, usize),
    /// Member of an error set.
    Member(Ty),
}

fn lower(pat: &Pat) -> P {
    let indexed = |subs: &[(u32, Pat)]| -> Vec<P> {
        let mut out = Vec::new();
        for (i, sub) in subs {
            let i = *i as usize;
            while out.len() <= i {
                out.push(P::Wild);
            }
            if let Some(slot) = out.get_mut(i) {
                *slot = lower(sub);
            }
        }
        out
    };
    match &pat.kind {
        PatKind::Wild | PatKind::Bind(_, None) => P::Wild,
        PatKind::Bind(_, Some(p)) => lower(p),
        PatKind::Int(n) => P::Ctor(C::Range(i128::from(*n), i128::from(*n)), Vec::new()),
        PatKind::Byte(n) => P::Ctor(C::Range(i128::from(*n), i128::from(*n)), Vec::new()),
        PatKind::Char(c) => {
            let n = i128::from(u32::from(*c));
            P::Ctor(C::Range(n, n), Vec::new())
        }
        PatKind::Range(lo, hi) => P::Ctor(C::Range(i128::from(*lo), i128::from(*hi)), Vec::new()),
        PatKind::Float(x) => P::Ctor(C::Float(x.to_bits()), Vec::new()),
        PatKind::Bool(b) => P::Ctor(C::Bool(*b), Vec::new()),
        PatKind::Str(s) => P::Ctor(C::Str(s.clone()), Vec::new()),
        PatKind::Unit => P::Ctor(C::Single, Vec::new()),
        PatKind::Variant(v, subs) => P::Ctor(C::Variant(*v), indexed(subs)),
        PatKind::Struct(subs) => P::Ctor(C::Single, indexed(subs)),
        PatKind::Tuple(ps) => P::Ctor(C::Single, ps.iter().map(lower).collect()),
        PatKind::Member(ty, p) => P::Ctor(C::Member(*ty), vec![lower(p)]),
        PatKind::List { front, rest, back } => {
            let subs: Vec<P> = front.iter().chain(back).map(lower).collect();
            let ctor = if rest.is_some() {
                C::Var(front.len(), back.len())
            } else {
                C::Fixed(subs.len())
            };
            P::Ctor(ctor, subs)
        }
        PatKind::Or(ps) => P::Or(ps.iter().map(lower).collect()),
    }
}

struct Cx<'a> {
    prog: &'a mut Program,
    work: u32,
    /// Steps that it may be.
    most: u32,
}

/// Plain values that earlier arms of a match take.
#[derive(Default)]
struct Taken {
    all: bool,
    /// Disjoint ranges that do not touch, by their first value.
    ranges: BTreeMap<i128, i128>,
    texts: FxHashSet<String>,
    floats: FxHashSet<u64>,
    variants: FxHashSet<u32>,
    bools: [bool; 2],
}

impl Taken {
    /// Adds the values of a constructor without parts; true if some of them are new.
    fn add(&mut self, c: &C) -> bool {
        match c {
            C::Str(s) => self.texts.insert(s.clone()),
            C::Float(bits) => self.floats.insert(*bits),
            C::Variant(v) => self.variants.insert(*v),
            C::Bool(b) => {
                let slot = self.bools.get_mut(usize::from(*b));
                slot.is_some_and(|taken| !std::mem::replace(taken, true))
            }
            C::Range(lo, hi) => self.add_range(*lo, *hi),
            _ => true,
        }
    }

    fn add_range(&mut self, lo: i128, hi: i128) -> bool {
        let (mut lo, mut hi) = (lo, hi);
        let before = self.ranges.range(..=lo).next_back();
        if before.is_some_and(|(_, end)| *end >= hi) {
            return false;
        }
        // Takes in what overlaps or touches.
        while let Some((&start, &end)) = self.ranges.range(..=hi + 1).next_back()
            && end + 1 >= lo
        {
            lo = lo.min(start);
            hi = hi.max(end);
            self.ranges.remove(&start);
        }
        self.ranges.insert(lo, hi);
        true
    }

    /// A part of `c` that is not taken.
    fn missing(&self, c: &C) -> Option<C> {
        match c {
            C::Variant(v) => (!self.variants.contains(v)).then(|| c.clone()),
            C::Bool(b) => {
                let taken = self.bools.get(usize::from(*b)).copied().unwrap_or(false);
                (!taken).then(|| c.clone())
            }
            C::Range(lo, hi) => {
                let mut from = *lo;
                if let Some((_, end)) = self.ranges.range(..=from).next_back() {
                    from = from.max(end + 1);
                }
                let to = self.ranges.range(from..).next().map_or(*hi, |(s, _)| s - 1);
                (from <= *hi).then(|| C::Range(from, to.min(*hi)))
            }
            _ => Some(c.clone()),
        }
    }
}

/// The constructors of a pattern that looks at nothing below them; `None` stands for all.
fn plain(p: &P) -> Option<Option<Vec<&C>>> {
    match p {
        P::Wild => Some(None),
        P::Ctor(C::Single | C::Fixed(_) | C::Var(..) | C::Member(_), _) => None,
        P::Ctor(c, subs) => subs
            .iter()
            .all(|s| matches!(s, P::Wild))
            .then(|| Some(vec![c])),
        P::Or(alts) => {
            let mut out = Vec::new();
            for alt in alts.iter() {
                match plain(alt)? {
                    Some(cs) => out.extend(cs),
                    None => return Some(None),
                }
            }
            Some(Some(out))
        }
    }
}

impl Cx<'_> {
    /// The report for arms that name plain values, in time linear in them; `None` if some look deeper.
    fn flat(&mut self, ty: Ty, arms: &[Arm]) -> Option<MatchReport> {
        let rows: Vec<P> = arms.iter().map(|a| lower(&a.pat)).collect();
        let mut report = MatchReport::default();
        let mut taken = Taken::default();
        for (i, (row, arm)) in rows.iter().zip(arms).enumerate() {
            let named = plain(row)?;
            let guarded = arm.guard.is_some();
            let new = match named {
                None => {
                    let new = !taken.all;
                    taken.all |= !guarded;
                    new
                }
                // What a guarded arm takes stays open, so it is asked for only.
                Some(_) if guarded => !taken.all,
                Some(cs) => {
                    let mut any = false;
                    for c in cs {
                        any |= taken.add(c);
                    }
                    any && !taken.all
                }
            };
            if !new {
                report.unreachable.push(i);
            }
        }
        if taken.all {
            return Some(report);
        }
        let open = match self.all_ctors(ty) {
            Some(all) => all.iter().find_map(|c| taken.missing(c)),
            None => {
                report.missing = Some("_".to_string());
                return Some(report);
            }
        };
        report.missing = open.map(|c| {
            let parts = vec![P::Wild; self.fields(&c, ty).len()];
            self.text(&P::Ctor(c, parts), ty)
        });
        Some(report)
    }

    /// A witness that `q` matches and no row does, one pattern a column.
    fn useful(&mut self, rows: &[Vec<P>], tys: &[Ty], q: &[P]) -> Option<Vec<P>> {
        // Every column of every row is copied below.
        let cells = (rows.len() + 1).saturating_mul(q.len()) / 8;
        self.work = self
            .work
            .saturating_add(1 + cells.min(MAX_WORK as usize) as u32);
        if self.work > self.most {
            return None;
        }
        let (Some((head, rest)), Some((&ty, rest_tys))) = (q.split_first(), tys.split_first())
        else {
            return rows.is_empty().then(Vec::new);
        };
        if let P::Or(alts) = head {
            return alts.iter().find_map(|alt| {
                let mut row = vec![alt.clone()];
                row.extend_from_slice(rest);
                self.useful(rows, tys, &row)
            });
        }
        let rows = flatten(rows);
        let heads: Vec<&C> = rows
            .iter()
            .filter_map(|r| match r.first() {
                Some(P::Ctor(c, _)) => Some(c),
                _ => None,
            })
            .collect();
        let candidates = match head {
            P::Ctor(c, _) => split(vec![c.clone()], &heads),
            _ => match self.all_ctors(ty) {
                Some(all) => split(all, &heads),
                None => Vec::new(),
            },
        };
        if matches!(head, P::Wild) {
            // A constructor that no row names leads to the rows with a wild head alone.
            let unnamed = candidates
                .iter()
                .find(|c| !heads.iter().any(|h| covers(h, c)));
            if candidates.is_empty() || unnamed.is_some() {
                let default: Vec<Vec<P>> = rows
                    .iter()
                    .filter(|r| matches!(r.first(), Some(P::Wild)))
                    .map(|r| r.iter().skip(1).cloned().collect())
                    .collect();
                let tail = self.useful(&default, rest_tys, rest)?;
                let first = match unnamed {
                    Some(c) if !heads.is_empty() => {
                        P::Ctor(c.clone(), vec![P::Wild; self.fields(c, ty).len()])
                    }
                    _ => P::Wild,
                };
                let mut out = vec![first];
                out.extend(tail);
                return Some(out);
            }
        }
        for c in candidates {
            let fields = self.fields(&c, ty);
            let arity = fields.len();
            let special: Vec<Vec<P>> = rows
                .iter()
                .filter_map(|r| specialise(r, &c, arity))
                .collect();
            let Some(row) = specialise(q, &c, arity) else {
                continue;
            };
            let mut sub_tys = fields;
            sub_tys.extend_from_slice(rest_tys);
            if let Some(mut w) = self.useful(&special, &sub_tys, &row) {
                let tail = w.split_off(arity.min(w.len()));
                let mut out = vec![P::Ctor(c, w)];
                out.extend(tail);
                return Some(out);
            }
        }
        None
    }

    /// All constructors of a type, or `None` if they cannot be listed.
    fn all_ctors(&mut self, ty: Ty) -> Option<Vec<C>> {
        Some(match self.prog.tys.kind(ty).clone() {
            TyKind::Unit | TyKind::Tuple(_) => vec![C::Single],
            TyKind::Bool => vec![C::Bool(false), C::Bool(true)],
            TyKind::Byte => vec![C::Range(0, 255)],
            TyKind::Char => vec![C::Range(0, 0xD7FF), C::Range(0xE000, 0x10_FFFF)],
            TyKind::Int => vec![C::Range(i128::from(i64::MIN), i128::from(i64::MAX))],
            TyKind::List(_) => vec![C::Var(0, 0)],
            TyKind::ErrSet(members) => members.iter().map(|&m| C::Member(m)).collect(),
            TyKind::Adt(id, args) => {
                let def = self.prog.adts.get(id.0 as usize)?;
                match def.kind {
                    AdtKind::Struct => vec![C::Single],
                    AdtKind::Attenuator | AdtKind::Handle => return None,
                    AdtKind::Enum | AdtKind::Error => {
                        let shapes: Vec<Vec<Ty>> = def
                            .variants
                            .iter()
                            .map(|v| v.fields.iter().map(|f| f.ty).collect())
                            .collect();
                        let mut out = Vec::new();
                        for (i, shape) in shapes.iter().enumerate() {
                            let tys = self.prog.tys.subst_all(shape, &args);
                            // A payload that cannot exist makes the variant impossible.
                            if !tys.contains(&TyTable::NEVER) {
                                out.push(C::Variant(i as u32));
                            }
                        }
                        out
                    }
                }
            }
            _ => return None,
        })
    }

    /// Types of a constructor's fields.
    fn fields(&mut self, c: &C, ty: Ty) -> Vec<Ty> {
        match (c, self.prog.tys.kind(ty).clone()) {
            (C::Single, TyKind::Tuple(ts)) => ts,
            (C::Single, TyKind::Adt(id, args)) => self.variant_fields(id.0, 0, &args),
            (C::Variant(v), TyKind::Adt(id, args)) => self.variant_fields(id.0, *v, &args),
            (C::Fixed(n), TyKind::List(t)) => vec![t; *n],
            (C::Var(a, b), TyKind::List(t)) => vec![t; a + b],
            (C::Member(m), _) => vec![*m],
            _ => Vec::new(),
        }
    }

    fn variant_fields(&mut self, adt: u32, variant: u32, args: &[Ty]) -> Vec<Ty> {
        let tys: Vec<Ty> = self
            .prog
            .adts
            .get(adt as usize)
            .and_then(|d| d.variants.get(variant as usize))
            .map(|v| v.fields.iter().map(|f| f.ty).collect())
            .unwrap_or_default();
        self.prog.tys.subst_all(&tys, args)
    }

    /// A witness as the pattern that a person would write.
    fn text(&mut self, p: &P, ty: Ty) -> String {
        let P::Ctor(c, subs) = p else {
            return "_".to_string();
        };
        let fields = self.fields(c, ty);
        let mut parts: Vec<String> = Vec::new();
        for (i, &t) in fields.iter().enumerate() {
            parts.push(match subs.get(i) {
                Some(sub) => self.text(sub, t),
                None => "_".to_string(),
            });
        }
        let joined = parts.join(", ");
        let kind = self.prog.tys.kind(ty).clone();
        match c {
            C::Bool(b) => b.to_string(),
            C::Str(s) => format!("{s:?}"),
            C::Float(bits) => format!("{:?}", f64::from_bits(*bits)),
            C::Range(lo, hi) => range_text(*lo, *hi, &kind),
            C::Fixed(_) => format!("[{joined}]"),
            C::Var(front, _) => {
                let back = parts.split_off((*front).min(parts.len()));
                parts.push("..".to_string());
                parts.extend(back);
                format!("[{}]", parts.join(", "))
            }
            C::Member(m) => match subs.first() {
                Some(inner @ P::Ctor(..)) => self.text(inner, *m),
                _ => {
                    let arity = self.fields(&C::Variant(0), *m).len();
                    self.text(&P::Ctor(C::Variant(0), vec![P::Wild; arity]), *m)
                }
            },
            C::Single => match kind {
                TyKind::Adt(id, _) => {
                    let name = self.adt_name(id.0);
                    format!("{name}({joined})")
                }
                TyKind::Unit => "()".to_string(),
                _ => format!("({joined})"),
            },
            C::Variant(v) => {
                let TyKind::Adt(id, _) = kind else {
                    return "_".to_string();
                };
                let lang = &self.prog.lang;
                let bare = lang.option == Some(id) || lang.result == Some(id);
                let def = self.prog.adts.get(id.0 as usize);
                let variant = def
                    .and_then(|d| d.variants.get(*v as usize))
                    .map_or("_", |v| v.name.as_str());
                let name = match def {
                    Some(d) if !bare => format!("{}.{variant}", d.name),
                    _ => variant.to_string(),
                };
                if parts.is_empty() {
                    name
                } else {
                    format!("{name}({joined})")
                }
            }
        }
    }

    fn adt_name(&self, adt: u32) -> String {
        self.prog
            .adts
            .get(adt as usize)
            .map_or_else(|| "_".to_string(), |d| d.name.clone())
    }
}

fn range_text(lo: i128, hi: i128, kind: &TyKind) -> String {
    let one = |n: i128| -> String {
        let as_char = u32::try_from(n).ok().and_then(char::from_u32);
        match (kind, as_char) {
            (TyKind::Char, Some(c)) => format!("{c:?}"),
            _ => n.to_string(),
        }
    };
    let open_low = matches!(kind, TyKind::Int) && lo == i128::from(i64::MIN);
    let open_high = matches!(kind, TyKind::Int) && hi == i128::from(i64::MAX);
    match (open_low, open_high) {
        (true, true) => "_".to_string(),
        (true, false) => format!("..={}", one(hi)),
        (false, true) => format!("{}..", one(lo)),
        _ if lo == hi => one(lo),
        _ => format!("{}..={}", one(lo), one(hi)),
    }
}

/// Rows with alternatives at their head, one row an alternative.
fn flatten(rows: &[Vec<P>]) -> Vec<Vec<P>> {
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        let mut pending = vec![row.clone()];
        while let Some(r) = pending.pop() {
            match r.first() {
                Some(P::Or(alts)) => {
                    for alt in alts.iter().rev() {
                        let mut new = vec![alt.clone()];
                        new.extend(r.iter().skip(1).cloned());
                        pending.push(new);
                    }
                }
                _ => out.push(r),
            }
        }
    }
    out
}

/// Splits constructors so that each head of the rows covers a part wholly or not at all.
fn split(ctors: Vec<C>, heads: &[&C]) -> Vec<C> {
    let mut out = Vec::new();
    for c in ctors {
        match c {
            C::Range(lo, hi) => {
                let mut cuts = vec![lo];
                for h in heads {
                    if let C::Range(a, b) = h {
                        cuts.extend([*a, b + 1].iter().filter(|&&x| x > lo && x <= hi));
                    }
                }
                cuts.sort_unstable();
                cuts.dedup();
                for (i, &start) in cuts.iter().enumerate() {
                    let end = cuts.get(i + 1).map_or(hi, |next| next - 1);
                    out.push(C::Range(start, end));
                }
            }
            C::Var(front, back) => {
                let (mut max_front, mut max_back, mut max_fixed) = (front, back, 0);
                for h in heads {
                    match h {
                        C::Var(a, b) => {
                            max_front = max_front.max(*a);
                            max_back = max_back.max(*b);
                        }
                        C::Fixed(n) => max_fixed = max_fixed.max(n + 1),
                        _ => {}
                    }
                }
                // Lists at least this long are told apart only by their two ends.
                let long = max_fixed.max(max_front + max_back);
                max_front = max_front.max(long - max_back);
                out.extend((front + back..long).map(C::Fixed));
                out.push(C::Var(max_front, max_back));
            }
            other => out.push(other),
        }
    }
    out
}

/// Whether everything that `c` (already split) builds is also built by `head`.
fn covers(head: &C, c: &C) -> bool {
    match (head, c) {
        (C::Range(a, b), C::Range(lo, hi)) => a <= lo && hi <= b,
        (C::Var(a, b), C::Fixed(n)) => a + b <= *n,
        (C::Var(a, b), C::Var(x, y)) => a <= x && b <= y,
        _ => head == c,
    }
}

/// A row under the assumption that its head is built by `c` with `arity` fields.
fn specialise(row: &[P], c: &C, arity: usize) -> Option<Vec<P>> {
    let (head, rest) = row.split_first()?;
    let mut out = match head {
        P::Wild => vec![P::Wild; arity],
        P::Ctor(h, subs) => {
            if !covers(h, c) {
                return None;
            }
            match h {
                C::Var(front, back) => {
                    let mut all = subs.clone();
                    let tail = all.split_off((*front).min(all.len()));
                    while all.len() + back < arity {
                        all.push(P::Wild);
                    }
                    all.extend(tail);
                    all
                }
                _ => subs.clone(),
            }
        }
        P::Or(_) => return None,
    };
    out.resize(arity, P::Wild);
    out.extend_from_slice(rest);
    Some(out)
}
