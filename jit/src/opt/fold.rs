//! Constants: operations on them, neutral operands, checks and branches that they decide, and tests of a
//! comparison's result, which become tests of the comparison. What an object is that was just made is a constant
//! too: its variant and type, and that it is an object.

use jet_gc::Header;
use jet_gc::layout::{FIRST_ADDRESS, FORMAT_MASK, TAG_OFFSET, TYPE_SHIFT};

use super::{Replace, settle};
use crate::ir::{Bin, Cc, Graph, Op, Term, Val, Width};

/// Runs the pass.
pub(crate) fn run(g: &mut Graph) {
    remainders(g);
    let mut replace = Replace::new(g);
    for b in g.order() {
        let mut kept = Vec::with_capacity(g.blocks[b].ops.len());
        for v in std::mem::take(&mut g.blocks[b].ops) {
            g.ops[v as usize].uses(&mut |u| *u = replace.find(*u));
            match fold(g, v) {
                Fold::Keep => kept.push(v),
                Fold::Op(op) => {
                    g.ops[v as usize] = op;
                    kept.push(v);
                }
                Fold::Same(by) => replace.set(v, by),
                Fold::Gone => {}
            }
        }
        g.blocks[b].ops = kept;
        let mut term = std::mem::replace(&mut g.blocks[b].term, Term::Open);
        term.uses(&mut |u| *u = replace.find(*u));
        while let Term::Branch(cc, x, y, _, _) = &mut term {
            let Some(test) = through(g, *cc, *x, *y) else {
                break;
            };
            match test {
                Test::Int(c, p, q) => (*cc, *x, *y) = (c, p, q),
                Test::Float(c, p, q) => {
                    if let Term::Branch(_, _, _, yes, no) = term {
                        term = Term::FBranch(c, p, q, yes, no);
                    }
                    break;
                }
            }
        }
        if let Term::Branch(cc, x, y, _, _) = &term {
            match (g.constant(*x), g.constant(*y)) {
                (Some(x), Some(y)) => {
                    let yes = cc.eval(x, y);
                    settle(&mut term, yes);
                }
                _ if x == y => {
                    let yes = matches!(cc, Cc::Eq | Cc::Le | Cc::Ge | Cc::Uge);
                    settle(&mut term, yes);
                }
                _ => {
                    if let Some(yes) = of_object(g, *cc, *x, *y) {
                        settle(&mut term, yes);
                    }
                }
            }
        }
        if let Term::Switch(v, edges) = &mut term
            && let Some(k) = g.constant(*v)
            && let Some(last) = edges.len().checked_sub(1)
        {
            let which = usize::try_from(k).unwrap_or(last).min(last);
            term = Term::Jump(edges.swap_remove(which));
        }
        g.blocks[b].term = term;
    }
    replace.apply(g);
}

/// Remainders by powers of two that are only compared with zero become the low bits, which are zero for the same
/// numbers, negative ones too.
fn remainders(g: &mut Graph) {
    let power = |g: &Graph, v: Val| match g.ops[v as usize] {
        Op::Bin(Bin::Rem, _, k) => g.constant(k).filter(|k| *k > 0 && k & (k - 1) == 0),
        _ => None,
    };
    let order = g.order();
    let all = order.iter().flat_map(|b| &g.blocks[*b].ops);
    let found: Vec<Val> = all.copied().filter(|v| power(g, *v).is_some()).collect();
    if found.is_empty() {
        return;
    }
    let mut other = vec![false; g.ops.len()];
    let zero =
        |g: &Graph, cc: &Cc, y: Val| matches!(cc, Cc::Eq | Cc::Ne) && g.constant(y) == Some(0);
    for b in &order {
        for v in &g.blocks[*b].ops {
            match &g.ops[*v as usize] {
                Op::Cmp(cc, _, y) | Op::Guard(cc, _, y, _) if zero(g, cc, *y) => {}
                op => op.clone().uses(&mut |u| other[*u as usize] = true),
            }
        }
        let mut term = g.blocks[*b].term.clone();
        match &term {
            Term::Branch(cc, _, y, _, _) if zero(g, cc, *y) => {}
            _ => term.uses(&mut |u| other[*u as usize] = true),
        }
        for e in term.edges() {
            e.args.iter().for_each(|u| other[*u as usize] = true);
        }
    }
    for e in &g.exits {
        other[e.fuel as usize] = true;
        e.slots.iter().for_each(|(_, u)| other[*u as usize] = true);
    }
    for v in found.into_iter().filter(|v| !other[*v as usize]) {
        if let (Some(k), Op::Bin(_, x, _)) = (power(g, v), g.ops[v as usize].clone()) {
            let low = g.value(Op::Const(k - 1));
            g.ops[v as usize] = Op::Bin(Bin::And, x, low);
        }
    }
}

/// What becomes of an operation.
enum Fold {
    Keep,
    Op(Op),
    Same(Val),
    Gone,
}

enum Test {
    Int(Cc, Val, Val),
    Float(crate::ir::FCc, Val, Val),
}

/// What a test of a comparison's result (against 0) tests.
fn through(g: &Graph, cc: Cc, x: Val, y: Val) -> Option<Test> {
    if g.constant(y) != Some(0) || !matches!(cc, Cc::Eq | Cc::Ne) {
        return None;
    }
    let yes = cc == Cc::Ne;
    match &g.ops[x as usize] {
        Op::Cmp(c, p, q) => Some(Test::Int(if yes { *c } else { c.negate() }, *p, *q)),
        Op::FCmp(c, p, q) => Some(Test::Float(if yes { *c } else { c.negate() }, *p, *q)),
        // Negation of a truth value.
        Op::Bin(Bin::Xor, p, q) if g.constant(*q) == Some(1) && is_truth(g, *p) => {
            Some(Test::Int(cc.negate(), *p, y))
        }
        _ => None,
    }
}

/// Header of an object that the region made.
fn header(g: &Graph, v: Val) -> Option<Header> {
    match g.ops[v as usize] {
        Op::Alloc(_, header, _) => Some(Header(header)),
        _ => None,
    }
}

/// What a comparison of an object that the region made with a constant that is no object's address gives.
fn of_object(g: &Graph, cc: Cc, x: Val, y: Val) -> Option<bool> {
    header(g, x)?;
    let k = g.constant(y)?;
    if !(0..=i64::from(FIRST_ADDRESS)).contains(&k) {
        return None;
    }
    match cc {
        Cc::Ult => Some(false),
        Cc::Uge => Some(true),
        Cc::Eq if k < i64::from(FIRST_ADDRESS) => Some(false),
        Cc::Ne if k < i64::from(FIRST_ADDRESS) => Some(true),
        _ => None,
    }
}

fn is_truth(g: &Graph, v: Val) -> bool {
    matches!(g.ops[v as usize], Op::Cmp(..) | Op::FCmp(..))
}

fn fold(g: &Graph, v: Val) -> Fold {
    match &g.ops[v as usize] {
        // The collector's bits are below.
        Op::Bin(Bin::Ushr, x, k) if g.constant(*k) == Some(i64::from(TYPE_SHIFT)) => {
            match g.ops[*x as usize] {
                Op::Load(object, 0, Width::I64, _) => {
                    let id = |h: Header| Fold::Op(Op::Const(i64::from(h.type_id())));
                    header(g, object).map_or(Fold::Keep, id)
                }
                _ => Fold::Keep,
            }
        }
        Op::Load(object, at, Width::U8, _) if *at as usize == TAG_OFFSET => {
            header(g, *object).map_or(Fold::Keep, |h| Fold::Op(Op::Const(i64::from(h.tag()))))
        }
        Op::Bin(Bin::And, x, k) if g.constant(*k) == Some(FORMAT_MASK as i64) => {
            match g.ops[*x as usize] {
                Op::Load(object, 0, Width::U8, _) => {
                    let format = |h: Header| Fold::Op(Op::Const((h.0 & FORMAT_MASK) as i64));
                    header(g, object).map_or(Fold::Keep, format)
                }
                _ => Fold::Keep,
            }
        }
        Op::Known(x, _) if header(g, *x).is_some() => Fold::Same(*x),
        Op::Bin(op, x, y) => match (g.constant(*x), g.constant(*y)) {
            (Some(a), Some(b)) => eval(*op, a, b).map_or(Fold::Keep, |k| Fold::Op(Op::Const(k))),
            (_, Some(0)) if neutral_zero(*op) => Fold::Same(*x),
            (Some(0), _) if matches!(op, Bin::Add | Bin::Or | Bin::Xor) => Fold::Same(*y),
            (_, Some(1)) if matches!(op, Bin::Mul | Bin::Div) => Fold::Same(*x),
            _ => Fold::Keep,
        },
        Op::Checked(op, x, y, e) => match (g.constant(*x), g.constant(*y)) {
            (Some(a), Some(b)) => {
                let r = match op {
                    Bin::Add => a.checked_add(b),
                    Bin::Sub => a.checked_sub(b),
                    _ => a.checked_mul(b),
                };
                r.map_or(Fold::Keep, |k| Fold::Op(Op::Const(k)))
            }
            (_, Some(0)) if matches!(op, Bin::Add | Bin::Sub) => Fold::Same(*x),
            (_, Some(1)) if *op == Bin::Mul => Fold::Same(*x),
            // The constant on the right, where the back end looks for it.
            (Some(_), None) if matches!(op, Bin::Add | Bin::Mul) => {
                Fold::Op(Op::Checked(*op, *y, *x, *e))
            }
            _ => Fold::Keep,
        },
        Op::Cmp(cc, x, y) => match (g.constant(*x), g.constant(*y)) {
            (Some(a), Some(b)) => Fold::Op(Op::Const(i64::from(cc.eval(a, b)))),
            _ if of_object(g, *cc, *x, *y).is_some() => {
                let yes = of_object(g, *cc, *x, *y) == Some(true);
                Fold::Op(Op::Const(i64::from(yes)))
            }
            _ => match through(g, *cc, *x, *y) {
                Some(Test::Int(c, p, q)) => Fold::Op(Op::Cmp(c, p, q)),
                Some(Test::Float(c, p, q)) => Fold::Op(Op::FCmp(c, p, q)),
                None => Fold::Keep,
            },
        },
        Op::Guard(cc, x, y, e) => match (g.constant(*x), g.constant(*y)) {
            // A check that always fails stays: the exit is where the program goes.
            (Some(a), Some(b)) if !cc.eval(a, b) => Fold::Gone,
            _ if of_object(g, *cc, *x, *y) == Some(false) => Fold::Gone,
            _ => match through(g, *cc, *x, *y) {
                Some(Test::Int(c, p, q)) => Fold::Op(Op::Guard(c, p, q, *e)),
                Some(Test::Float(c, p, q)) => Fold::Op(Op::FGuard(c, p, q, *e)),
                None => Fold::Keep,
            },
        },
        _ => Fold::Keep,
    }
}

fn neutral_zero(op: Bin) -> bool {
    matches!(
        op,
        Bin::Add | Bin::Sub | Bin::Or | Bin::Xor | Bin::Shl | Bin::Shr | Bin::Ushr | Bin::Rotl
    )
}

fn eval(op: Bin, a: i64, b: i64) -> Option<i64> {
    let shift = || u32::try_from(b).ok().filter(|s| *s < 64);
    Some(match op {
        Bin::Add => a.wrapping_add(b),
        Bin::Sub => a.wrapping_sub(b),
        Bin::Mul => a.wrapping_mul(b),
        Bin::Div => a.checked_div(b)?,
        Bin::Rem => a.checked_rem(b)?,
        Bin::And => a & b,
        Bin::Or => a | b,
        Bin::Xor => a ^ b,
        Bin::Shl => a << shift()?,
        Bin::Shr => a >> shift()?,
        Bin::Ushr => ((a as u64) >> shift()?) as i64,
        Bin::MulHigh => ((u128::from(a as u64) * u128::from(b as u64)) >> 64) as i64,
        Bin::Rotl => a.rotate_left((b & 63) as u32),
    })
}
