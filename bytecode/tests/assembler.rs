//! Assembly text: what is written reads back to the same bytes, and mistakes are told with their place.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::everything;
use jet_bytecode::asm::{assemble, text};
use jet_bytecode::format::{decode, encode};
use jet_bytecode::module::*;
use jet_bytecode::verify::verify;

#[track_caller]
fn round_trip(b: &Bundle) {
    let written = text(b);
    let back = assemble(&written).unwrap_or_else(|e| {
        let line = written.lines().nth(e.line as usize - 1);
        panic!("{e}: {line:?}")
    });
    assert_eq!(&back.bundle, b);
    assert_eq!(text(&back.bundle), written);
}

#[test]
fn every_opcode_and_table_round_trips() {
    let b = everything();
    round_trip(&b);
    assert_eq!(
        encode(&assemble(&text(&b)).unwrap().bundle).unwrap(),
        encode(&b).unwrap()
    );
}

/// A random number generator that needs no crate.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

#[test]
fn what_is_broken_round_trips() {
    let mut rng = Rng(7);
    for _ in 0..300 {
        let mut b = everything();
        let p = &mut b.packages[0];
        for _ in 0..1 + rng.below(4) {
            let n = p.functions.len();
            let f = &mut p.functions[rng.below(n)];
            let at = rng.below(f.code.len());
            match rng.below(9) {
                0 => f.code[at] = rng.0,
                1 => f.code[at] ^= 1 << rng.below(64),
                2 => f.code.truncate(at),
                3 => f
                    .joins
                    .push(rng.below(90) as u32, [rng.below(60_000) as u16, 0]),
                4 => f.lines.insert(
                    rng.below(f.lines.len()),
                    LineEntry {
                        pc: rng.below(100) as u32,
                        file: 9,
                        line: 0,
                        col: u32::MAX,
                    },
                ),
                5 => f.regs.push(60_000),
                6 => f.name = "\"\\\n\r\u{202e}\u{0}\u{301}é%r0;".into(),
                7 => p.deps.push(Dep {
                    name: "a".into(),
                    hash: [rng.below(2) as u8; 32],
                }),
                _ => p.consts.push(Const::Float(rng.0)),
            }
            if p.functions.iter().any(|f| f.code.is_empty()) {
                break;
            }
        }
        round_trip(&b);
    }
}

#[test]
fn hashes_of_dependencies_are_computed() {
    let part = "package \"lib\" \"1\"\nfile \"x\"\n\npackage \"app\" \"\"\ndep \"lib\"\n";
    let b = assemble(part).unwrap().bundle;
    assert_eq!(
        b.packages[1].deps[0].hash,
        jet_bytecode::format::package_hash(&b.packages[0]).unwrap()
    );
    assert!(verify(b.clone()).is_ok());
    let changed = assemble(&text(&b).replace("\"x\"", "\"y\""))
        .unwrap()
        .bundle;
    assert!(verify(changed).is_ok());
    let zeros = format!("dep \"lib\" hash \"{}\"", "0".repeat(64));
    let stated = assemble(&part.replace("dep \"lib\"", &zeros))
        .unwrap()
        .bundle;
    assert_eq!(stated.packages[1].deps[0].hash, [0; 32]);
    round_trip(&stated);
    assert_eq!(decode(&encode(&stated).unwrap()).unwrap(), stated);
}

#[test]
fn mistakes_have_a_place_and_a_sentence() {
    let head = "package \"a\" \"\"\ntype %int = int\n";
    let f = "fn %f \"f\" (%int) -> %int\nregs %int\n";
    for (text, expected) in [
        ("type %0 = int", "1:1: a bundle begins with"),
        ("package \"a\"", "1:12: expected its version in quotes"),
        (&format!("{head}typ x"), "3:1: `typ` is no statement"),
        (
            &format!("{head}type %0 = int"),
            "3:6: this type has number 1",
        ),
        (
            &format!("{head}type %int = int"),
            "3:6: `%int` is defined twice",
        ),
        (
            &format!("{head}type = list %x"),
            "3:13: no type `%x` in this package",
        ),
        (
            &format!("{head}type = list %99999"),
            "3:13: index 99999 does not fit",
        ),
        (&format!("{head}type = lst %0"), "3:8: `lst` is no type"),
        (
            &format!("{head}dep \"b\""),
            "3:5: no package of that name above",
        ),
        (&format!("{head}file \"a"), "3:6: the string does not end"),
        (&format!("{head}file \"\\q\""), "3:6: no such escape"),
        (
            &format!("{head}file \"a\" 3"),
            "3:10: expected the end of the line",
        ),
        (
            &format!("{head}{f}add_int r0, r0\nend"),
            "5:15: expected `,`",
        ),
        (
            &format!("{head}{f}add_int r0, r0, 4\nend"),
            "5:17: expected a register",
        ),
        (
            &format!("{head}{f}add_imm r0, r0, 70000\nend"),
            "5:17: this immediate is from",
        ),
        (&format!("{head}{f}add r0\nend"), "5:1: `add` is no opcode"),
        (
            &format!("{head}{f}jmp L\nend"),
            "5:5: no label `L` in this function",
        ),
        (
            &format!("{head}{f}jeq r0, r0, +40000\nend"),
            "5:13: this offset has 16 bits",
        ),
        (&format!("{head}{f}ret r0"), "has no `end`"),
        (
            &format!("{head}{f}builtin r0, nothing, (r0)\nend"),
            "5:13: expected an index",
        ),
        (
            &format!("{head}{f}L:\nL:\nend"),
            "6:1: label `L` is defined twice",
        ),
        (&format!("{head}€"), "3:1: '€' begins nothing here"),
        (&format!("{head}type = list %"), "3:13: `%` without"),
    ] {
        let e = assemble(text).expect_err(text).to_string();
        assert!(e.contains(expected), "{text}\n{e}");
    }
}

#[test]
fn any_text_is_answered() {
    let good = text(&everything());
    let mut rng = Rng(3);
    for _ in 0..400 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..1 + rng.below(3) {
            let at = rng.below(bytes.len());
            match rng.below(3) {
                0 => bytes[at] = b"%r0,(){}\":=@+-;\n \\>9"[rng.below(20)],
                1 => {
                    bytes.remove(at);
                }
                _ => bytes.truncate(at.max(1)),
            }
        }
        let _ = assemble(&String::from_utf8_lossy(&bytes));
    }
}
