//! Builtins, called with constants.

mod common;

use common::*;
use jet_bytecode::builtins::Builtin;
use jet_bytecode::module::Type;
use jet_bytecode::opcodes::Op;
use jet_vm::Outcome;

/// One argument of a builtin.
enum Arg {
    S(&'static str),
    I(i64),
    F(f64),
}

/// Calls a builtin with constants; the result is put out as text.
fn builtin(b: Builtin, args: &[Arg]) -> Result<String, String> {
    use jet_bytecode::builtins::{BType, BUILTINS};
    let mut p = Prog::new();
    let mut f = p.main();
    let row = &BUILTINS[b as usize];
    let (chars, bytes) = (p.p.ty(Type::Char), p.p.ty(Type::Byte));
    let ty = |p: &mut Prog, t: BType| match t {
        BType::Unit => p.unit,
        BType::Bool => p.bool,
        BType::Char => chars,
        BType::Int => p.int,
        BType::Float => p.float,
        BType::Str => p.str,
        BType::ListByte => p.p.ty(Type::List(bytes)),
        BType::ListChar => p.p.ty(Type::List(chars)),
        BType::ListStr => p.p.ty(Type::List(p.str)),
    };
    let mut regs = vec![];
    for (arg, t) in args.iter().zip(row.params) {
        let t = ty(&mut p, *t);
        let r = f.reg(t);
        let n = f.reg(p.int);
        match arg {
            Arg::S(s) => {
                let k = p.p.const_str(s);
                f.load_const(r, k);
            }
            Arg::F(x) => {
                let k = p.p.const_float(*x);
                f.load_const(r, k);
            }
            Arg::I(v) if t == chars => {
                f.const_imm(n, *v as i32);
                f.emit(Op::IntToChar, r, n, 0);
            }
            Arg::I(v) => {
                let k = p.p.const_int(*v);
                f.load_const(r, k);
            }
        }
        regs.push(r);
    }
    let result_ty = ty(&mut p, row.result);
    let (r, t, n) = (f.reg(result_ty), f.reg(p.str), f.reg(p.int));
    f.emit_args(Op::Builtin, r, b as u16, &regs);
    let shown = match row.result {
        BType::Str => r,
        BType::Float => {
            f.emit_args(Op::Builtin, t, Builtin::FloatToStr as u16, &[r]);
            t
        }
        BType::ListStr => {
            let k = p.p.const_str("|");
            f.load_const(t, k);
            f.emit_args(Op::Builtin, t, Builtin::StrJoin as u16, &[r, t]);
            t
        }
        BType::ListByte => {
            f.emit_args(Op::Builtin, t, Builtin::StrFromBytes as u16, &[r]);
            t
        }
        BType::ListChar => {
            f.emit_args(Op::Builtin, t, Builtin::StrFromChars as u16, &[r]);
            t
        }
        other => {
            let from = if other == BType::Int { r } else { n };
            if other != BType::Int {
                f.emit(Op::WordToInt, n, r, 0);
            }
            f.emit_args(Op::Builtin, t, Builtin::IntToStr as u16, &[from]);
            t
        }
    };
    p.put(&mut f, TEXT, shown);
    let ran = run(&p.finish_main(f));
    match &ran.outcome {
        Outcome::Finished => Ok(ran.texts().remove(0)),
        Outcome::Trapped(t) | Outcome::Limit(_, t) => Err(t.message.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn builtins() {
    use Arg::{F, I, S};
    let ok = |b, args: &[Arg], want: &str| {
        assert_eq!(builtin(b, args).as_deref(), Ok(want), "{b:?}");
    };
    let bad = |b, args: &[Arg], want: &str| {
        let got = builtin(b, args).unwrap_err();
        assert!(got.contains(want), "{b:?}: {got}");
    };
    let text = "Grüße, Welt";
    ok(Builtin::StrSlice, &[S(text), I(0), I(4)], "Grü");
    bad(
        Builtin::StrSlice,
        &[S(text), I(0), I(3)],
        "byte 3 is inside",
    );
    bad(Builtin::StrSlice, &[S(text), I(6), I(99)], "out of bounds");
    bad(Builtin::StrSlice, &[S(text), I(6), I(4)], "out of bounds");
    bad(Builtin::StrSlice, &[S(text), I(-1), I(4)], "out of bounds");
    bad(
        Builtin::StrSlice,
        &[S(text), I(i64::MIN), I(i64::MAX)],
        "out of bounds",
    );
    ok(Builtin::StrFind, &[S(text), S("W"), I(0)], "9");
    ok(Builtin::StrFind, &[S(text), S("G"), I(1)], "-1");
    ok(Builtin::StrFind, &[S(text), S("ü"), I(3)], "-1");
    ok(Builtin::StrFind, &[S(text), S(""), I(13)], "13");
    ok(Builtin::StrFind, &[S(text), S(""), I(14)], "-1");
    ok(Builtin::StrRfind, &[S("abcabc"), S("bc")], "4");
    ok(Builtin::StrToUpper, &[S(text)], "GRÜSSE, WELT");
    ok(Builtin::StrTrim, &[S("  x y \n")], "x y");
    ok(Builtin::StrTrimStart, &[S("  x ")], "x ");
    ok(Builtin::StrTrimEnd, &[S("   ")], "");
    ok(
        Builtin::StrReplace,
        &[S("a-b-c"), S("-"), S("--")],
        "a--b--c",
    );
    ok(Builtin::StrReplace, &[S("ab"), S(""), S(".")], ".a.b.");
    ok(Builtin::StrReplace, &[S("aaa"), S("a"), S("")], "");
    ok(Builtin::StrRepeat, &[S("ab"), I(3)], "ababab");
    ok(Builtin::StrRepeat, &[S(""), I(i64::MAX)], "");
    bad(Builtin::StrRepeat, &[S("x"), I(1 << 40)], "memory limit");
    bad(Builtin::StrRepeat, &[S("x"), I(-1)], "-1 copies");
    ok(Builtin::StrSplit, &[S("a,b,,c"), S(",")], "a|b||c");
    ok(Builtin::StrSplit, &[S("äb"), S("")], "ä|b");
    ok(Builtin::StrLines, &[S("a\r\nb\n\nc")], "a|b||c");
    ok(Builtin::StrSplitWhitespace, &[S(" a  b\t")], "a|b");
    ok(Builtin::StrChars, &[S(text)], text);
    ok(Builtin::StrBytes, &[S(text)], text);
    ok(Builtin::StrCharAt, &[S(text), I(2)], "252");
    bad(Builtin::StrCharAt, &[S(text), I(3)], "inside a character");
    bad(Builtin::StrCharAt, &[S("ab"), I(2)], "out of bounds");
    ok(Builtin::StrIsBoundary, &[S(text), I(3)], "0");
    ok(Builtin::StrIsInt, &[S("-12")], "1");
    ok(Builtin::StrIsInt, &[S("1_000")], "0");
    ok(
        Builtin::StrToInt,
        &[S("-9223372036854775808")],
        "-9223372036854775808",
    );
    bad(
        Builtin::StrToInt,
        &[S("9223372036854775808")],
        "is not an int",
    );
    ok(Builtin::StrToFloat, &[S("1e3")], "1000.0");
    ok(Builtin::FloatToStr, &[F(0.1)], "0.1");
    ok(Builtin::StrQuote, &[S("a\"\n")], "\"a\\\"\\n\"");
    ok(Builtin::FormatFloat, &[F(3.1459), S("8.2f")], "    3.15");
    ok(Builtin::FormatStr, &[S("ab"), S("^6")], "  ab  ");
    bad(Builtin::FormatInt, &[I(1), S("q")], "unknown type");
    ok(Builtin::CharToDigit, &[I('f' as i64), I(16)], "15");
    ok(Builtin::CharToDigit, &[I('g' as i64), I(16)], "-1");
    bad(Builtin::CharToDigit, &[I('1' as i64), I(37)], "base 37");
    ok(Builtin::CharToUpper, &[I('ß' as i64)], "SS");
    ok(Builtin::CharIsAlpha, &[I('ß' as i64)], "1");
    ok(Builtin::CharLen, &[I('ß' as i64)], "2");
    ok(Builtin::Round, &[F(-2.5)], "-3.0");
    ok(Builtin::Floor, &[F(-2.5)], "-3.0");
    ok(Builtin::Atan2, &[F(0.0), F(1.0)], "0.0");
    ok(Builtin::FloatBits, &[F(1.0)], "4607182418800017408");
}
