//! What passes must do, and what they must not.

use super::{Passes, run};
use crate::ir::{Alias, Bin, BlockId, Cc, Edge, Exit, Graph, Op, Shown, Term, Ty, Val, Width};
use crate::ir_check::verify;
use jet_bytecode::linked::TypeId;
use jet_gc::Header;
use jet_vm::plug::Left;
use std::sync::Arc;

const LEN: Alias = Alias::Len(TypeId(1));

/// An exit to the instruction `at` of the root's frame.
pub(super) fn exit_at(g: &mut Graph, at: usize, fuel: Val, slots: Vec<(u32, Val)>) -> usize {
    let left = Left {
        at,
        base: 0,
        frames: Arc::new([]),
    };
    g.exits.push(Exit {
        left,
        ctx: 0,
        fuel,
        slots,
        grows: false,
    });
    g.exits.len() - 1
}

fn exit(g: &mut Graph, fuel: Val, slots: Vec<(u32, Val)>) -> usize {
    exit_at(g, 0, fuel, slots)
}

pub(super) fn to(block: BlockId, args: &[Val]) -> Edge {
    Edge {
        block,
        args: args.to_vec(),
    }
}

/// `while i < len: list[i]; i += 1`, from `start` on (a constant, or a register).
fn walk(start: Option<i64>, store: bool) -> Graph {
    let mut g = Graph::default();
    let [entry, head, body, end] = [(); 4].map(|()| g.block());
    let fuel = g.param(entry, Ty::I);
    let list = g.push(entry, Op::Slot(0, Ty::I));
    let first = match start {
        Some(k) => g.push(entry, Op::Const(k)),
        None => g.push(entry, Op::Slot(1, Ty::I)),
    };
    let f = g.param(head, Ty::I);
    let i = g.param(head, Ty::I);
    g.blocks[entry].term = Term::Jump(to(head, &[fuel, first]));
    let len = g.push(head, Op::Load(list, 16, Width::I64, LEN));
    g.blocks[head].term = Term::Branch(Cc::Lt, i, len, to(body, &[]), to(end, &[]));
    let e = exit(&mut g, f, vec![(1, i)]);
    let again = g.push(body, Op::Load(list, 16, Width::I64, LEN));
    g.push(body, Op::Guard(Cc::Uge, i, again, e));
    if store {
        g.push(body, Op::Store(list, 16, i, Width::I64, LEN));
    }
    let one = g.push(body, Op::Const(1));
    let next = g.push(body, Op::Checked(Bin::Add, i, one, e));
    let a = g.push(body, Op::Charge(f, 3, e));
    let e2 = exit(&mut g, a, vec![(1, next)]);
    let b = g.push(body, Op::Charge(a, 4, e2));
    g.blocks[body].term = Term::Jump(to(head, &[b, next]));
    g.blocks[end].term = Term::Return(f, i);
    verify(&g).unwrap();
    g
}

fn count(g: &Graph, of: impl Fn(&Op) -> bool) -> usize {
    let live = g.order().into_iter().flat_map(|b| g.blocks[b].ops.clone());
    live.filter(|v| of(&g.ops[*v as usize])).count()
}

fn optimised(mut g: Graph) -> Graph {
    run(&mut g, &Passes::default());
    verify(&g).unwrap();
    g
}

#[test]
fn a_counted_loop_checks_nothing_but_its_condition_and_fuel() {
    let g = optimised(walk(Some(0), false));
    // The one guard left is that of the fuel, for both charges.
    assert_eq!(count(&g, |op| matches!(op, Op::Guard(..))), 1);
    assert_eq!(
        count(&g, |op| matches!(op, Op::Checked(..) | Op::Charge(..))),
        0
    );
    // The length is loaded once, before the loop.
    assert_eq!(count(&g, |op| matches!(op, Op::Load(..))), 1);
    let load = g.blocks[0]
        .ops
        .iter()
        .any(|v| matches!(g.ops[*v as usize], Op::Load(..)));
    assert!(load, "hoisted to the entry");
}

/// Walks a list of nodes, `while node.next is there`; the loop looks at the node again with a guard, and with a branch.
fn nodes(first: Cc, again: Cc) -> Graph {
    let mut g = Graph::default();
    let [entry, head, body, there, end] = [(); 5].map(|()| g.block());
    let fuel = g.param(entry, Ty::I);
    let node = g.push(entry, Op::Slot(0, Ty::I));
    let none = g.push(entry, Op::Const(0));
    let f = g.param(head, Ty::I);
    let at = g.param(head, Ty::I);
    g.blocks[entry].term = Term::Jump(to(head, &[fuel, node]));
    g.blocks[head].term = Term::Branch(first, at, none, to(end, &[]), to(body, &[]));
    let e = exit(&mut g, f, vec![(0, at)]);
    g.push(body, Op::Guard(again, at, none, e));
    g.blocks[body].term = Term::Branch(again, at, none, to(end, &[]), to(there, &[]));
    let less = g.push(there, Op::Charge(f, 3, e));
    let known = g.push(there, Op::Known(at, Shown::Bound));
    let next = g.push(there, Op::Load(known, 8, Width::U32, Alias::Fixed));
    g.blocks[there].term = Term::Jump(to(head, &[less, next]));
    g.blocks[end].term = Term::Return(f, at);
    verify(&g).unwrap();
    optimised(g)
}

#[test]
fn what_a_branch_showed_is_not_asked_again() {
    let asked = |first, again| {
        let g = nodes(first, again);
        let branches = g.order().into_iter();
        let branches = branches.filter(|b| matches!(g.blocks[*b].term, Term::Branch(..)));
        let node = |op: &Op| matches!(op, Op::Guard(cc, ..) if *cc == again);
        (branches.count(), count(&g, node))
    };
    assert_eq!(asked(Cc::Eq, Cc::Eq), (1, 0));
    assert_eq!(asked(Cc::Le, Cc::Le), (1, 0));
    // What is not negative may still be none: the guard stays, and shows what the branch behind it asks.
    assert_eq!(asked(Cc::Lt, Cc::Eq), (1, 1));
}

#[test]
fn an_unknown_start_keeps_the_check() {
    let g = optimised(walk(None, false));
    assert_eq!(count(&g, |op| matches!(op, Op::Guard(Cc::Uge, ..))), 1);
    // The condition alone shows that adding one cannot overflow.
    assert_eq!(count(&g, |op| matches!(op, Op::Checked(..))), 0);
}

#[test]
fn a_negative_start_keeps_the_check() {
    let g = optimised(walk(Some(-1), false));
    assert_eq!(count(&g, |op| matches!(op, Op::Guard(Cc::Uge, ..))), 1);
}

#[test]
fn a_written_length_is_loaded_again() {
    let g = optimised(walk(Some(0), true));
    assert_eq!(count(&g, |op| matches!(op, Op::Load(..))), 1);
    assert!(
        !g.blocks[0]
            .ops
            .iter()
            .any(|v| matches!(g.ops[*v as usize], Op::Load(..)))
    );
}

#[test]
fn fuel_at_exits_stays_exact() {
    let g = optimised(walk(Some(0), false));
    // Both charges subtract from the fuel at the head: three, then seven.
    let costs: Vec<i64> = g
        .ops
        .iter()
        .filter_map(|op| match op {
            Op::Bin(Bin::Sub, _, k) => g.constant(*k),
            _ => None,
        })
        .collect();
    assert!(costs.contains(&3) && costs.contains(&7), "{costs:?}");
}

#[test]
fn a_check_is_not_passed_by_loads_of_what_it_shows() {
    // `if x is an object: use x.field`, in a loop that does not change it.
    let mut g = Graph::default();
    let [entry, head, body, end] = [(); 4].map(|()| g.block());
    let fuel = g.param(entry, Ty::I);
    let x = g.push(entry, Op::Slot(0, Ty::I));
    let f = g.param(head, Ty::I);
    let edge = |block, args: &[Val]| Edge {
        block,
        args: args.to_vec(),
    };
    g.blocks[entry].term = Term::Jump(edge(head, &[fuel]));
    let zero = g.push(head, Op::Const(0));
    g.blocks[head].term = Term::Branch(Cc::Eq, x, zero, edge(end, &[]), edge(body, &[]));
    let known = g.push(body, Op::Known(x, Shown::Some));
    let field = g.push(
        body,
        Op::Load(known, 8, Width::I64, Alias::Field(TypeId(2), 8)),
    );
    let e = exit(&mut g, f, vec![(1, field)]);
    let less = g.push(body, Op::Charge(f, 2, e));
    g.blocks[body].term = Term::Jump(edge(head, &[less]));
    g.blocks[end].term = Term::Return(f, zero);
    verify(&g).unwrap();
    let g = optimised(g);
    assert!(
        !g.blocks[0]
            .ops
            .iter()
            .any(|v| matches!(g.ops[*v as usize], Op::Load(..)))
    );
}

/// Makes `Some(7)`, asks which variant it is and takes its payload; an exit at the end sees the object or not.
fn option(seen: bool) -> Graph {
    let mut g = Graph::default();
    let [entry, some, none] = [(); 3].map(|()| g.block());
    let to = Edge::to;
    let fuel = g.param(entry, Ty::I);
    let e = exit(&mut g, fuel, Vec::new());
    let seven = g.push(entry, Op::Const(7));
    let object = g.push(entry, Op::Alloc(2, Header::record(3, 1, 0, 1).0, e));
    g.push(entry, Op::Init(object, 8, seven, Width::I64));
    let first = g.push(entry, Op::Const(256));
    g.push(entry, Op::Guard(Cc::Ult, object, first, e));
    let tag = g.push(entry, Op::Load(object, 1, Width::U8, Alias::Fixed));
    let one = g.push(entry, Op::Const(1));
    g.blocks[entry].term = Term::Branch(Cc::Eq, tag, one, to(some), to(none));
    let payload = g.push(some, Op::Load(object, 8, Width::I64, Alias::Fixed));
    let slots = if seen { vec![(0, object)] } else { Vec::new() };
    let last = exit(&mut g, fuel, slots);
    g.push(some, Op::Force(last));
    g.blocks[some].term = Term::Return(fuel, payload);
    g.blocks[none].term = Term::Return(fuel, one);
    verify(&g).unwrap();
    optimised(g)
}

#[test]
fn an_object_that_nobody_looks_at_is_not_made() {
    let g = option(false);
    assert_eq!(
        count(&g, |op| matches!(op, Op::Alloc(..) | Op::Init(..))),
        0
    );
    assert_eq!(
        count(&g, |op| matches!(op, Op::Load(..) | Op::Guard(..))),
        0
    );
    let ends = g.order().into_iter().map(|b| &g.blocks[b].term);
    let sevens = ends.filter(|t| matches!(t, Term::Return(_, v) if g.constant(*v) == Some(7)));
    assert_eq!(sevens.count(), 1);
}

#[test]
fn an_object_that_an_exit_hands_over_is_made_and_filled() {
    let g = option(true);
    assert_eq!(count(&g, |op| matches!(op, Op::Alloc(..))), 1);
    assert_eq!(count(&g, |op| matches!(op, Op::Init(..))), 1);
}

#[test]
fn what_an_object_was_filled_with_is_not_what_a_field_holds_later() {
    let mut g = Graph::default();
    let entry = g.block();
    let fuel = g.param(entry, Ty::I);
    let x = g.push(entry, Op::Slot(0, Ty::I));
    let e = exit(&mut g, fuel, Vec::new());
    let class = Alias::Field(TypeId(2), 8);
    let object = g.push(entry, Op::Alloc(2, Header::record(3, 0, 0, 1).0, e));
    g.push(entry, Op::Init(object, 8, fuel, Width::I64));
    g.push(entry, Op::Store(object, 8, x, Width::I64, class));
    let seen = g.push(entry, Op::Load(object, 8, Width::I64, class));
    g.blocks[entry].term = Term::Return(fuel, seen);
    let g = optimised(g);
    assert!(matches!(g.blocks[0].term, Term::Return(_, v) if v == x));
}

#[test]
fn what_different_checks_have_shown_stays_apart() {
    let mut g = Graph::default();
    let entry = g.block();
    let fuel = g.param(entry, Ty::I);
    let x = g.push(entry, Op::Slot(0, Ty::I));
    let mut sum = fuel;
    for shown in [Shown::Error(1), Shown::Error(1), Shown::Error(2)] {
        let known = g.push(entry, Op::Known(x, shown));
        let load = g.push(entry, Op::Load(known, 8, Width::I64, Alias::Final));
        sum = g.push(entry, Op::Bin(Bin::Add, sum, load));
    }
    g.blocks[entry].term = Term::Return(fuel, sum);
    run(&mut g, &Passes::default());
    verify(&g).expect("a graph");
    let count = |is: fn(&Op) -> bool| {
        let ops = g.blocks[entry].ops.iter();
        ops.filter(|v| is(&g.ops[**v as usize])).count()
    };
    assert_eq!(count(|op| matches!(op, Op::Known(..))), 2);
    assert_eq!(count(|op| matches!(op, Op::Load(..))), 2);
}

#[test]
fn behind_a_check_that_always_leaves_nothing_is_computed_of_an_empty_interval() {
    for op in [Bin::Div, Bin::Rem] {
        for above in [1, 5] {
            let mut g = Graph::default();
            let entry = g.block();
            let fuel = g.param(entry, Ty::I);
            let [x, y] = [0, 1].map(|r| g.push(entry, Op::Slot(r, Ty::I)));
            let e = exit(&mut g, fuel, vec![]);
            let zero = g.push(entry, Op::Const(0));
            let low = g.push(entry, Op::Const(above));
            let min = g.push(entry, Op::Const(i64::MIN));
            // y is at most 0, and at least 1; x is the least number.
            g.push(entry, Op::Guard(Cc::Gt, y, zero, e));
            g.push(entry, Op::Guard(Cc::Lt, y, low, e));
            g.push(entry, Op::Guard(Cc::Ne, x, min, e));
            let v = g.push(entry, Op::Bin(op, x, y));
            g.blocks[entry].term = Term::Return(fuel, v);
            verify(&g).unwrap();
            let g = optimised(g);
            assert_eq!(count(&g, |o| matches!(o, Op::Bin(o, ..) if *o == op)), 1);
        }
    }
}
