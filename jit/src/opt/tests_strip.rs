//! Loops that run in strips, executed: whatever fuel, lengths and bounds there are, the changed loop ends where the
//! loop as it was would end, reads nothing behind the end of its list, and checks less.

use super::tests::{exit_at, to};
use super::{Passes, run};
use crate::ir::{Alias, Bin, Cc, Graph, Op, Term, Ty, Val, Width};
use crate::ir_check::verify;
use jet_bytecode::linked::TypeId;

const COST: u32 = 7;
/// Slots of the frame.
const LIST: u32 = 0;
const COUNTER: u32 = 1;
const END: u32 = 2;
const STEP: u32 = 3;

/// What a loop looks like.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// Its condition.
    cc: Cc,
    /// The constant beside the counter in the index.
    beside: i64,
    /// The step, where it is not read from a slot.
    step: Option<i64>,
}

/// What it is given.
#[derive(Clone, Copy, Debug)]
struct Input {
    fuel: i64,
    start: i64,
    end: i64,
    step: i64,
    len: i64,
}

fn exit(g: &mut Graph, at: usize, fuel: Val, counter: Val) -> usize {
    exit_at(g, at, fuel, vec![(COUNTER, counter)])
}

/// `do: list[i + beside]; i += step; while i < end`, where going back costs. Exit 0 is before the body, 1 before the test.
fn graph(shape: Shape) -> Graph {
    let mut g = Graph::default();
    let [entry, head, test, latch, end] = [(); 5].map(|()| g.block());
    let fuel = g.param(entry, Ty::I);
    let list = g.push(entry, Op::Slot(LIST, Ty::I));
    let start = g.push(entry, Op::Slot(COUNTER, Ty::I));
    let most = g.push(entry, Op::Slot(END, Ty::I));
    let step = match shape.step {
        Some(k) => g.push(entry, Op::Const(k)),
        None => g.push(entry, Op::Slot(STEP, Ty::I)),
    };
    let [f, i] = [(); 2].map(|()| g.param(head, Ty::I));
    g.blocks[entry].term = Term::Jump(to(head, &[fuel, start]));
    let before = exit(&mut g, 0, f, i);
    g.starts.push((head, before));
    let len = g.push(head, Op::Load(list, 16, Width::I64, Alias::Len(TypeId(1))));
    let index = if shape.beside == 0 {
        i
    } else {
        let k = g.push(head, Op::Const(shape.beside));
        g.push(head, Op::Checked(Bin::Add, i, k, before))
    };
    g.push(head, Op::Guard(Cc::Uge, index, len, before));
    let data = g.push(head, Op::Load(list, 8, Width::U32, Alias::Data(TypeId(1))));
    let element = g.push(
        head,
        Op::LoadElem(data, index, Width::I64, Alias::Elem(TypeId(1))),
    );
    let zero = g.push(head, Op::Const(0));
    // So that the element is looked at.
    g.push(head, Op::Guard(Cc::Lt, element, zero, before));
    let next = g.push(head, Op::Checked(Bin::Add, i, step, before));
    g.blocks[head].term = Term::Jump(to(test, &[]));
    g.blocks[test].term = Term::Branch(shape.cc, next, most, to(latch, &[]), to(end, &[]));
    let e = exit(&mut g, 1, f, next);
    let less = g.push(latch, Op::Charge(f, COST, e));
    g.blocks[latch].term = Term::Jump(to(head, &[less, next]));
    g.blocks[end].term = Term::Return(f, next);
    verify(&g).unwrap();
    g
}

/// Where it ended: whether it returned, fuel, counter.
type Ended = (bool, i64, i64);

/// What the loop does from before its body (0) or before its test (1) on.
fn plain(shape: Shape, given: Input, mut at: usize, mut fuel: i64, mut i: i64) -> Ended {
    loop {
        if at == 0 {
            let index = i.checked_add(shape.beside);
            let next = i.checked_add(given.step);
            match (index, next) {
                (Some(k), Some(next)) if (0..given.len).contains(&k) => i = next,
                _ => return (false, fuel, i),
            }
        }
        if !shape.cc.eval(i, given.end) {
            return (true, fuel, i);
        }
        // One that does not end is told by what it stands before its test with.
        if fuel < i64::from(COST) {
            return (false, fuel, i);
        }
        fuel -= i64::from(COST);
        at = 0;
    }
}

/// Executes a graph: where it ends, and how many checks it made.
fn execute(g: &Graph, shape: Shape, given: Input) -> (Ended, u64) {
    let mut values = vec![0i64; g.ops.len()];
    for (v, op) in g.ops.iter().enumerate() {
        if let Op::Const(k) = op {
            values[v] = *k;
        }
    }
    values[g.blocks[0].params[0] as usize] = given.fuel;
    let (mut block, mut checks) = (0, 0u64);
    loop {
        for v in &g.blocks[block].ops {
            let of = |v: Val| values[v as usize];
            let leave = |e: usize| {
                let exit = &g.exits[e];
                plain(
                    shape,
                    given,
                    exit.left.at,
                    of(exit.fuel),
                    of(exit.slots[0].1),
                )
            };
            let op = &g.ops[*v as usize];
            checks += u64::from(op.exit().is_some());
            values[*v as usize] = match op {
                Op::Const(k) => *k,
                Op::Slot(COUNTER, _) => given.start,
                Op::Slot(END, _) => given.end,
                Op::Slot(STEP, _) => given.step,
                Op::Slot(..) | Op::Load(_, _, _, Alias::Data(_)) => 1,
                Op::Load(..) => given.len,
                Op::LoadElem(_, i, ..) => {
                    assert!(
                        (0..given.len).contains(&of(*i)),
                        "{shape:?} {given:?}: {}",
                        of(*i)
                    );
                    of(*i)
                }
                Op::Bin(op, x, y) => {
                    let (x, y) = (of(*x), of(*y));
                    match op {
                        Bin::Add => x.wrapping_add(y),
                        Bin::Sub => x.wrapping_sub(y),
                        Bin::Mul => x.wrapping_mul(y),
                        Bin::Shr => x >> y,
                        other => panic!("{other:?}"),
                    }
                }
                Op::Checked(Bin::Add, x, y, e) => match of(*x).checked_add(of(*y)) {
                    Some(sum) => sum,
                    None => return (leave(*e), checks),
                },
                Op::Guard(cc, x, y, e) => {
                    if cc.eval(of(*x), of(*y)) {
                        return (leave(*e), checks);
                    }
                    0
                }
                Op::Charge(f, cost, e) => {
                    if of(*f) < i64::from(*cost) {
                        return (leave(*e), checks);
                    }
                    of(*f) - i64::from(*cost)
                }
                other => panic!("{other:?}"),
            };
        }
        let of = |v: Val| values[v as usize];
        let edge = match &g.blocks[block].term {
            Term::Jump(e) => e,
            Term::Branch(cc, x, y, yes, no) => {
                if cc.eval(of(*x), of(*y)) {
                    yes
                } else {
                    no
                }
            }
            Term::Return(f, i) => return ((true, of(*f), of(*i)), checks),
            other => panic!("{other:?}"),
        };
        let args: Vec<i64> = edge.args.iter().map(|v| of(*v)).collect();
        for (p, v) in g.blocks[edge.block].params.iter().zip(args) {
            values[*p as usize] = v;
        }
        block = edge.block;
    }
}

fn shapes() -> Vec<Shape> {
    let mut all = Vec::new();
    for cc in [Cc::Lt, Cc::Le] {
        for beside in [0, -1, 3] {
            for step in [Some(1), Some(2), Some(5), Some(1 << 33), None] {
                all.push(Shape { cc, beside, step });
            }
        }
    }
    all
}

#[test]
fn strips_end_where_the_loop_ends() {
    let fuels = [
        0,
        6,
        7,
        8,
        13,
        14,
        55,
        56,
        57,
        63,
        64,
        65,
        700,
        4096,
        i64::MAX,
    ];
    let ends = [i64::MIN, -2, 0, 1, 2, 3, 9, 10, 100, i64::MAX - 1, i64::MAX];
    let starts = [i64::MIN, -3, -1, 0, 1, 2, 8, 50, i64::MAX - 4, i64::MAX];
    for shape in shapes() {
        let mut g = graph(shape);
        run(&mut g, &Passes::default());
        verify(&g).unwrap();
        for fuel in fuels {
            for (end, start) in ends.iter().flat_map(|e| starts.map(|s| (*e, s))) {
                for len in [0, 1, 2, 9, 10, 11, 64] {
                    let steps = [1, 3, i64::MAX, 0, -1, i64::MIN];
                    for step in shape.step.map_or(steps.to_vec(), |k| vec![k]) {
                        // Without a step it ends by its fuel alone.
                        if step <= 0 && fuel > 4096 {
                            continue;
                        }
                        let given = Input {
                            fuel,
                            start,
                            end,
                            step,
                            len,
                        };
                        let (ended, _) = execute(&g, shape, given);
                        assert_eq!(
                            ended,
                            plain(shape, given, 0, fuel, start),
                            "{shape:?} {given:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn strips_check_little() {
    for shape in shapes().into_iter().filter(|s| s.step != Some(1 << 33)) {
        let mut g = graph(shape);
        run(&mut g, &Passes::default());
        let given = Input {
            fuel: 1 << 20,
            start: 1,
            end: 10_000,
            step: shape.step.unwrap_or(1),
            len: 20_000,
        };
        let (ended, checks) = execute(&g, shape, given);
        assert!(ended.0);
        let rounds = 10_000 / given.step as u64;
        // The check of the element itself stays.
        assert!(checks <= rounds + 200, "{shape:?}: {checks}");
    }
}
