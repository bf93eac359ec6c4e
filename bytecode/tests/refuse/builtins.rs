//! Each builtin takes exactly what its row says: accepted so, refused with anything else in any place.

use jet_bytecode::builder::*;
use jet_bytecode::builtins::{BType, BUILTINS};
use jet_bytecode::module::*;
use jet_bytecode::opcodes::Op;
use jet_bytecode::verify::{Rule, verify};

const TYPES: [BType; 9] = [
    BType::Unit,
    BType::Bool,
    BType::Char,
    BType::Int,
    BType::Float,
    BType::Str,
    BType::ListByte,
    BType::ListChar,
    BType::ListStr,
];

/// A function of a value of each type that calls builtin `n` with these places of [`TYPES`].
fn calling(n: usize, result: usize, args: &[usize]) -> Bundle {
    let mut p = PackageBuilder::new("app", "1");
    let byte = p.ty(Type::Byte);
    let scalars = [
        Type::Unit,
        Type::Bool,
        Type::Char,
        Type::Int,
        Type::Float,
        Type::Str,
    ];
    let mut types: Vec<TypeIx> = scalars.map(|t| p.ty(t)).to_vec();
    for elem in [byte, types[2], types[5]] {
        types.push(p.ty(Type::List(elem)));
    }
    let sig = p.sig(types.clone(), vec![], types[0], vec![]);
    let mut f = FunctionBuilder::new("f", FnKind::Named, sig, vec![], types);
    let args: Vec<u16> = args.iter().map(|a| *a as u16).collect();
    f.emit_args(Op::Builtin, result as u16, n as u16, &args);
    f.emit(Op::Ret, 0, 0, 0);
    let at = p.declare("f");
    p.define(at, f.finish().unwrap());
    Bundle {
        packages: vec![p.finish().unwrap()],
    }
}

#[test]
fn builtins_take_what_their_rows_say() {
    let place = |t: &BType| TYPES.iter().position(|x| x == t).unwrap();
    for (n, row) in BUILTINS.iter().enumerate() {
        let args: Vec<usize> = row.params.iter().map(place).collect();
        let result = place(&row.result);
        let rule = |result, args: &[usize]| verify(calling(n, result, args)).err().map(|e| e.rule);
        assert_eq!(rule(result, &args), None, "{}", row.name);
        for other in 0..TYPES.len() {
            if other != result {
                assert_eq!(rule(other, &args), Some(Rule::Result), "{}", row.name);
            }
            for k in 0..args.len() {
                let mut changed = args.clone();
                changed[k] = other;
                if changed != args {
                    let found = rule(result, &changed);
                    assert_eq!(found, Some(Rule::Arguments), "{}, {k}", row.name);
                }
            }
        }
        let more = [&args[..], &[0]].concat();
        assert_eq!(rule(result, &more), Some(Rule::Arguments), "{}", row.name);
        if let [_, fewer @ ..] = &args[..] {
            assert_eq!(rule(result, fewer), Some(Rule::Arguments), "{}", row.name);
        }
    }
}
