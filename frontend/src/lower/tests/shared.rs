//! Registers of long functions.

use super::super::emit::{Ins, Lbl};
use super::super::share::share;
use super::fused::main_of;
use jet_bytecode::opcodes::Op;

const TYPES: [u16; 5] = [0, 0, 0, 0, 1];

fn shared(code: &[Ins]) -> (Vec<u16>, usize) {
    let (new, left) = share(code, &[], &[], &TYPES, |r| r == 0).unwrap();
    (new, left.len())
}

#[test]
fn values_that_follow_each_other_share() {
    let code = [
        Ins::Imm(1, 5),
        Ins::Plain(Op::Mov, 0, 1, 0),
        Ins::Imm(2, 6),
        Ins::Imm(3, 7),
        Ins::Plain(Op::AddInt, 0, 2, 3),
        Ins::Imm(4, 1),
        Ins::Plain(Op::Ret, 0, 0, 0),
    ];
    let (new, left) = shared(&code);
    assert_eq!(new[0], 0);
    assert_eq!(new[1], new[2]);
    assert_ne!(new[2], new[3]);
    // Another type.
    assert!(![new[1], new[3]].contains(&new[4]));
    assert_eq!(left, 4);
}

#[test]
fn what_a_loop_needs_again_is_kept() {
    let head = Lbl::first();
    let code = [
        Ins::Imm(1, 5),
        Ins::Bind(head),
        Ins::Imm(2, 6),
        Ins::Plain(Op::AddInt, 3, 1, 2),
        Ins::Jump(Op::JLt, 3, 0, head),
        Ins::Plain(Op::Ret, 0, 0, 0),
    ];
    let (new, _) = shared(&code);
    assert_ne!(new[1], new[2]);
    assert_ne!(new[1], new[3]);
}

#[test]
fn a_function_may_have_more_names_than_registers() {
    use std::fmt::Write as _;
    let mut text = String::from("fn main():\n    let mut sum = 0\n");
    for i in 0..3_000 {
        let _ = write!(
            text,
            "    let a{i} = sum + {i}\n    sum = a{i} * 2 % 1000\n"
        );
    }
    text.push_str("    assert sum > a0\n");
    let main = main_of(&text);
    let registers = main
        .lines()
        .filter(|l| l.trim_start().starts_with('r') && l.contains(": int"));
    assert!(registers.count() < 50, "{main}");
}
