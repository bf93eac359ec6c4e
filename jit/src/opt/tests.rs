//! What passes must do, and what they must not.

use super::{Passes, run};
use crate::ir::{Alias, Bin, Cc, Edge, Exit, Graph, Op, Term, Ty, Val, Width};
use crate::ir_check::verify;
use jet_bytecode::linked::TypeId;

const LEN: Alias = Alias::Len(TypeId(1));

fn exit(g: &mut Graph, fuel: Val, slots: Vec<(u32, Val)>) -> usize {
    g.exits.push(Exit {
        at: 0,
        ctx: 0,
        base: 0,
        fuel,
        slots,
        frames: Vec::new(),
        grows: false,
    });
    g.exits.len() - 1
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
    let to = |block, args: &[Val]| Edge {
        block,
        args: args.to_vec(),
    };
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
    let known = g.push(body, Op::Known(x));
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
