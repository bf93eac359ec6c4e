//! Lists, records, enums, errors, closures, objects and strings: programs built by hand, run under every collector mode.

mod common;

use common::*;
use jet_bytecode::builder::FunctionBuilder;
use jet_bytecode::builtins::Builtin;
use jet_bytecode::module::{FnKind, Interface, Method, NominalKind, Type};
use jet_bytecode::opcodes::Op;
use jet_vm::host::{LimitKind, Limits};
use jet_vm::{Config, Outcome};

#[test]
fn lists() {
    let mut p = Prog::new();
    let strs = p.p.ty(Type::List(p.str));
    let mut f = p.main();
    let (n, i, j) = (f.reg(p.int), f.reg(p.int), f.reg(p.int));
    let (t, ss, part) = (f.reg(p.str), f.reg(strs), f.reg(strs));
    f.const_imm(n, 0);
    f.emit(Op::ListNew, ss, n, 0);
    f.const_imm(i, 0);
    let (head, done) = (f.label(), f.label());
    f.bind(head);
    f.jump(Op::JGeImm, i, 100, done);
    f.emit_args(Op::Builtin, t, Builtin::IntToStr as u16, &[i]);
    f.emit(Op::ListPush, ss, t, 0);
    f.emit(Op::AddImm, i, i, 1);
    f.jmp(head);
    f.bind(done);
    f.const_imm(i, 10);
    f.const_imm(n, 14);
    f.emit_args(Op::ListSlice, part, ss, &[i, n]);
    f.const_imm(i, 1);
    f.emit(Op::ListRemove, t, part, i);
    f.emit(Op::ListInsert, part, i, t);
    f.const_imm(j, 3);
    f.emit(Op::ListSwap, part, i, j);
    f.emit(Op::ListExtend, part, part, 0);
    f.emit(Op::ListPop, t, part, 0);
    f.emit(Op::ListPush, part, t, 0);
    f.const_imm(n, 7);
    f.emit(Op::ListTruncate, part, n, 0);
    f.const_imm(i, 0);
    f.emit(Op::ListSet, part, i, t);
    let joined = f.reg(p.str);
    let k = p.p.const_str("+");
    f.load_const(t, k);
    f.emit_args(Op::Builtin, joined, Builtin::StrJoin as u16, &[part, t]);
    p.put(&mut f, TEXT, joined);
    assert_eq!(run(&p.finish_main(f)).texts(), ["11+13+12+11+10+13+12"]);
}

#[test]
fn records_survive_collections() {
    // A linked list of boxed options with float and string payloads, changed through a field.
    let mut p = Prog::new();
    let node = p.p.nominal(0, "Node");
    let link = p.p.nominal(0, "Option[Node]");
    let (node_ty, link_ty) = (p.p.ty(Type::Nominal(node)), p.p.ty(Type::Nominal(link)));
    let fields = vec![
        field("text", p.str, true),
        field("n", p.int, true),
        field("next", link_ty, true),
        field("x", p.float, false),
    ];
    p.p.define_nominal(node, NominalKind::Struct(fields));
    p.p.define_nominal(
        link,
        NominalKind::Enum(vec![
            variant("None", vec![]),
            variant("Some", vec![field("value", node_ty, false)]),
        ]),
    );
    let mut f = p.main();
    let (list, at) = (f.reg(link_ty), f.reg(link_ty));
    let (first, one) = (f.reg(node_ty), f.reg(node_ty));
    let (i, sum, v, len) = (f.reg(p.int), f.reg(p.int), f.reg(p.int), f.reg(p.int));
    let (t, x) = (f.reg(p.str), f.reg(p.float));
    f.emit_args(Op::New, list, 0, &[]);
    f.const_imm(i, 0);
    f.const_imm(sum, 0);
    f.emit_args(Op::Builtin, t, Builtin::IntToStr as u16, &[i]);
    f.emit(Op::IntToFloat, x, i, 0);
    f.emit_args(Op::New, first, 0, &[t, i, list, x]);
    let (build, walk, done) = (f.label(), f.label(), f.label());
    f.bind(build);
    f.emit_args(Op::Builtin, t, Builtin::IntToStr as u16, &[i]);
    f.emit(Op::IntToFloat, x, i, 0);
    f.emit_args(Op::New, one, 0, &[t, i, list, x]);
    f.emit_args(Op::New, list, 1, &[one]);
    f.emit(Op::SetField, first, 2, list);
    f.emit(Op::SetField, first, 0, t);
    f.emit(Op::AddImm, i, i, 1);
    f.jump(Op::JLtImm, i, 200, build);
    f.emit(Op::GetField, at, first, 2);
    f.bind(walk);
    f.jump(Op::JTag, at, 0, done);
    f.emit(Op::GetPayload, one, at, 256);
    f.emit(Op::GetField, v, one, 1);
    f.emit(Op::AddInt, sum, sum, v);
    f.emit(Op::GetField, x, one, 3);
    f.emit(Op::FloatToInt, v, x, 0);
    f.emit(Op::AddInt, sum, sum, v);
    f.emit(Op::GetField, t, one, 0);
    f.emit(Op::StrLen, len, t, 0);
    f.emit(Op::AddInt, sum, sum, len);
    f.emit(Op::GetField, at, one, 2);
    f.jmp(walk);
    f.bind(done);
    p.put(&mut f, INT, sum);
    let digits = 10 + 2 * 90 + 3 * 100;
    assert_eq!(run(&p.finish_main(f)).ints(), [199 * 200 + digits]);
}

#[test]
fn enums() {
    // enum Shape: Dot, Box(w, h), Named(text, w), Line
    let mut p = Prog::new();
    let shape = p.p.nominal(0, "Shape");
    let ty = p.p.ty(Type::Nominal(shape));
    let variants = vec![
        variant("Dot", vec![]),
        variant(
            "Box",
            vec![field("w", p.int, false), field("h", p.int, false)],
        ),
        variant(
            "Named",
            vec![field("w", p.int, false), field("t", p.str, false)],
        ),
        variant("Line", vec![]),
    ];
    p.p.define_nominal(shape, NominalKind::Enum(variants));
    let mut f = p.function("size", &[ty], false, p.int, vec![]);
    let (a, b) = (f.reg(p.int), f.reg(p.int));
    let t = f.reg(p.str);
    let arms: Vec<_> = (0..3).map(|_| f.label()).collect();
    f.switch(0, &arms);
    f.const_imm(a, -4);
    f.emit(Op::Ret, a, 0, 0);
    f.bind(arms[0]);
    f.const_imm(a, -1);
    f.emit(Op::Ret, a, 0, 0);
    f.bind(arms[1]);
    f.emit(Op::GetPayload, a, 0, 256);
    f.emit(Op::GetPayload, b, 0, 257);
    f.emit(Op::MulInt, a, a, b);
    f.emit(Op::Ret, a, 0, 0);
    f.bind(arms[2]);
    f.emit(Op::GetPayload, t, 0, 513);
    f.emit(Op::StrLen, a, t, 0);
    f.emit(Op::Ret, a, 0, 0);
    let size = p.add("size", f);
    let mut f = p.main();
    let (s, w, h) = (f.reg(ty), f.reg(p.int), f.reg(p.int));
    let t = f.reg(p.str);
    f.const_imm(w, 6);
    f.const_imm(h, 7);
    let k = p.p.const_str("hello");
    f.load_const(t, k);
    for (v, args) in [(0, vec![]), (1, vec![w, h]), (2, vec![w, t]), (3, vec![])] {
        f.emit_args(Op::New, s, v, &args);
        let r = f.reg(p.int);
        f.emit_fn(Op::Call, r, size, &[s]);
        p.put(&mut f, INT, r);
        f.emit(Op::GetTag, r, s, 0);
        p.put(&mut f, INT, r);
        let (yes, end) = (f.label(), f.label());
        f.const_imm(r, 0);
        f.jump(Op::JTag, s, 2, yes);
        f.jump(Op::JNotTag, s, 3, end);
        f.bind(yes);
        f.const_imm(r, 1);
        f.bind(end);
        p.put(&mut f, INT, r);
    }
    let want = [-1, 0, 0, 42, 1, 0, 5, 2, 1, -4, 3, 1];
    assert_eq!(run(&p.finish_main(f)).ints(), want);
}

#[test]
fn error_edges() {
    let mut p = Prog::new();
    let other = p.p.nominal(0, "Other");
    p.p.define_nominal(
        other,
        NominalKind::Error(vec![
            variant("Plain", vec![]),
            variant("Text", vec![field("t", p.str, false)]),
        ]),
    );
    let other_ty = p.p.ty(Type::Nominal(other));
    let set = p.p.error_type(vec![p.refused, other]).unwrap();
    // pick(n): 0 -> 5; 1 -> Refused.Number(n); 2 -> Other.Text
    let mut f = p.function("pick", &[p.int], false, p.int, vec![p.refused, other]);
    let (e, o, s) = (f.reg(p.refused_ty), f.reg(other_ty), f.reg(set));
    let t = f.reg(p.str);
    let (l1, l2) = (f.label(), f.label());
    f.jump(Op::JEqImm, 0, 1, l1);
    f.jump(Op::JEqImm, 0, 2, l2);
    f.emit(Op::AddImm, 0, 0, 5);
    f.emit(Op::Ret, 0, 0, 0);
    f.bind(l1);
    f.emit_args(Op::New, e, 0, &[0]);
    f.emit(Op::Mov, s, e, 0);
    f.emit(Op::Raise, s, 0, 0);
    f.bind(l2);
    let k = p.p.const_str("why");
    f.load_const(t, k);
    f.emit_args(Op::New, o, 1, &[t]);
    f.emit(Op::Mov, s, o, 0);
    f.emit(Op::Raise, s, 0, 0);
    let pick = p.add("pick", f);
    let mut f = p.main();
    for n in 0..3 {
        let (r, e, o, s) = (
            f.reg(p.int),
            f.reg(p.refused_ty),
            f.reg(other_ty),
            f.reg(set),
        );
        let t = f.reg(p.str);
        let (bad, is_other, end) = (f.label(), f.label(), f.label());
        f.const_imm(r, n);
        f.emit_fn(Op::Call, r, pick, &[r]);
        f.on_error(s, bad);
        p.put(&mut f, INT, r);
        f.jmp(end);
        f.bind(bad);
        f.jump(Op::JErrIs, s, other_ty, is_other);
        f.emit(Op::ErrCast, e, s, 0);
        f.emit(Op::GetPayload, r, e, 0);
        f.emit(Op::AddImm, r, r, 100);
        p.put(&mut f, INT, r);
        f.jmp(end);
        f.bind(is_other);
        f.emit(Op::ErrCast, o, s, 0);
        f.emit(Op::GetPayload, t, o, 256);
        f.emit(Op::StrLen, r, t, 0);
        f.emit(Op::AddImm, r, r, 200);
        p.put(&mut f, INT, r);
        f.bind(end);
    }
    // The host's error edge.
    for n in [21, -3] {
        let (r, e) = (f.reg(p.int), f.reg(p.refused_ty));
        let (bad, end) = (f.label(), f.label());
        f.const_imm(r, n);
        f.emit_args(Op::CapCall, r, CHECK, &[0, r]);
        f.on_error(e, bad);
        p.put(&mut f, INT, r);
        f.jmp(end);
        f.bind(bad);
        f.emit(Op::GetPayload, r, e, 0);
        p.put(&mut f, INT, r);
        f.bind(end);
    }
    assert_eq!(run(&p.finish_main(f)).ints(), [5, 101, 203, 42, -3]);
}

#[test]
fn main_may_fail() {
    let mut p = Prog::new();
    let mut f = p.function("main", &[], true, p.unit, vec![p.refused]);
    let (n, e) = (f.reg(p.int), f.reg(p.refused_ty));
    f.const_imm(n, 9);
    f.emit_args(Op::New, e, 0, &[n]);
    f.emit(Op::Raise, e, 0, 0);
    let main = p.add("main", f);
    let loaded = p.finish(main);
    match run(&loaded).outcome {
        Outcome::Failed(failure) => {
            assert_eq!(failure.error, "Refused");
            assert_eq!(failure.variant, "Number");
            assert_eq!(failure.text, "Refused.Number(9)");
        }
        other => panic!("{other:?}"),
    };
}

#[test]
fn closures() {
    let mut p = Prog::new();
    let env = p.p.ty(Type::Env);
    // Storable: captured an int and a string; takes an int.
    let sig = p.p.sig(vec![p.int], vec![], p.int, vec![]);
    let fn_ty = p.p.ty(Type::Fn(sig.clone()));
    let borrowed = p.p.ty(Type::BorrowedFn(sig.clone()));
    let caps = vec![p.int, p.str];
    let mut f = FunctionBuilder::new("add", FnKind::Literal, sig.clone(), caps, vec![env, p.int]);
    let (a, t) = (f.reg(p.int), f.reg(p.str));
    f.emit(Op::GetCapture, a, 0, 0);
    f.emit(Op::AddInt, 1, 1, a);
    f.emit(Op::GetCapture, t, 1, 0);
    f.emit(Op::StrLen, a, t, 0);
    f.emit(Op::AddInt, 1, 1, a);
    f.emit(Op::Ret, 1, 0, 0);
    let add = p.add("add", f);
    // Borrowed: captured the capability, puts its argument out and gives it back.
    let mut f = FunctionBuilder::new(
        "tell",
        FnKind::Literal,
        sig.clone(),
        vec![p.out],
        vec![env, p.int],
    );
    let (c, u) = (f.reg(p.out), f.reg(p.unit));
    f.emit(Op::GetCapture, c, 0, 0);
    f.emit_args(Op::CapCall, u, INT, &[c, 1]);
    f.emit(Op::Ret, 1, 0, 0);
    let tell = p.add("tell", f);
    // Storable that its caller hands `Out`.
    let uses = p.p.sig(vec![p.int], vec![p.cap], p.int, vec![]);
    let uses_ty = p.p.ty(Type::Fn(uses.clone()));
    let mut f = FunctionBuilder::new(
        "with_out",
        FnKind::Literal,
        uses,
        vec![],
        vec![env, p.out, p.int],
    );
    let u = f.reg(p.unit);
    f.emit_args(Op::CapCall, u, INT, &[1, 2]);
    f.emit(Op::AddImm, 2, 2, 1);
    f.emit(Op::Ret, 2, 0, 0);
    let with_out = p.add("with_out", f);
    // apply(f, n) = f(f(n))
    let mut f = p.function("apply", &[borrowed, p.int], false, p.int, vec![]);
    f.emit_args(Op::CallFn, 1, 0, &[1]);
    f.emit_args(Op::CallFn, 1, 0, &[1]);
    f.emit(Op::Ret, 1, 0, 0);
    let apply = p.add("apply", f);
    let mut f = p.main();
    let (n, t, g) = (f.reg(p.int), f.reg(p.str), f.reg(fn_ty));
    let (b, h) = (f.reg(borrowed), f.reg(uses_ty));
    f.const_imm(n, 30);
    let k = p.p.const_str("four");
    f.load_const(t, k);
    f.emit_fn(Op::MakeFn, g, add, &[n, t]);
    f.emit_args(Op::CallFn, n, g, &[n]);
    p.put(&mut f, INT, n);
    f.emit_fn(Op::MakeBorrowed, b, tell, &[0]);
    f.emit_fn(Op::Call, n, apply, &[b, n]);
    f.emit_fn(Op::MakeFn, h, with_out, &[]);
    f.emit_args(Op::CallFn, n, h, &[0, n]);
    f.emit_args(Op::BindFn, b, h, &[0]);
    f.emit_fn(Op::Call, n, apply, &[b, n]);
    p.put(&mut f, INT, n);
    assert_eq!(run(&p.finish_main(f)).ints(), [64, 64, 64, 64, 65, 66, 67]);
}

#[test]
fn dynamic_calls() {
    let mut p = Prog::new();
    let shape = p.p.trait_(0, "Shape");
    let sig = p.p.sig(vec![p.int], vec![p.cap], p.int, vec![]);
    p.p.define_trait(
        shape,
        vec![Method {
            name: "area".into(),
            sig,
        }],
    );
    let dyn_ty = p.p.ty(Type::Dyn(shape));
    let mut objects = vec![];
    for k in 0..3u16 {
        let n = p.p.nominal(0, &format!("S{k}"));
        let ty = p.p.ty(Type::Nominal(n));
        let fields = vec![field("w", p.int, false), field("t", p.str, false)];
        p.p.define_nominal(n, NominalKind::Struct(fields));
        let name = format!("S{k}.area");
        let mut f = p.function(&name, &[ty, p.int], true, p.int, vec![]);
        let (w, u) = (f.reg(p.int), f.reg(p.unit));
        f.emit(Op::GetField, w, 1, 0);
        f.emit_args(Op::CapCall, u, INT, &[0, w]);
        f.emit(Op::MulInt, 2, 2, w);
        f.emit(Op::AddImm, 2, 2, k);
        f.emit(Op::Ret, 2, 0, 0);
        let area = p.add(&name, f);
        p.p.implement(n, Interface::Trait(shape), vec![area]);
        objects.push(ty);
    }
    let mut f = p.main();
    let (n, t, d) = (f.reg(p.int), f.reg(p.str), f.reg(dyn_ty));
    let k = p.p.const_str("t");
    f.load_const(t, k);
    for (i, ty) in objects.iter().enumerate().rev() {
        let s = f.reg(*ty);
        f.const_imm(n, 10 + i as i32);
        f.emit_args(Op::New, s, 0, &[n, t]);
        f.emit(Op::MakeDyn, d, s, 0);
        f.emit_args(Op::CallDyn, n, 0, &[0, d, n]);
        p.put(&mut f, INT, n);
    }
    assert_eq!(run(&p.finish_main(f)).ints(), [12, 146, 11, 122, 10, 100]);
}

#[test]
fn strings() {
    let mut p = Prog::new();
    let mut f = p.main();
    let (s, t, u) = (f.reg(p.str), f.reg(p.str), f.reg(p.str));
    let (i, n) = (f.reg(p.int), f.reg(p.int));
    let b = f.reg(p.bool);
    let k = p.p.const_str("");
    f.load_const(s, k);
    let k = p.p.const_str("äb");
    f.load_const(t, k);
    f.const_imm(i, 0);
    let head = f.label();
    f.bind(head);
    f.emit(Op::StrConcat, s, s, t);
    f.emit(Op::AddImm, i, i, 1);
    f.jump(Op::JLtImm, i, 1000, head);
    f.emit(Op::StrLen, n, s, 0);
    f.emit_args(Op::Builtin, u, Builtin::IntToStr as u16, &[n]);
    p.put(&mut f, TEXT, u);
    f.emit_args(Op::Builtin, u, Builtin::StrRepeat as u16, &[t, i]);
    f.emit(Op::StrEq, b, s, u);
    f.emit(Op::WordToInt, n, b, 0);
    f.emit_args(Op::Builtin, u, Builtin::IntToStr as u16, &[n]);
    p.put(&mut f, TEXT, u);
    f.const_imm(i, 3);
    f.const_imm(n, 8);
    f.emit_args(Op::Builtin, u, Builtin::StrSlice as u16, &[s, i, n]);
    f.emit_args(Op::StrConcatN, u, 0, &[u, t, u, t, u]);
    p.put(&mut f, TEXT, u);
    f.emit_args(Op::Builtin, u, Builtin::StrToUpper as u16, &[u]);
    p.put(&mut f, TEXT, u);
    let k = p.p.const_str("*>10");
    f.load_const(t, k);
    f.emit_args(Op::Builtin, u, Builtin::FormatInt as u16, &[n, t]);
    p.put(&mut f, TEXT, u);
    let texts = run(&p.finish_main(f)).texts();
    assert_eq!(texts[..2], ["3000".to_string(), "1".to_string()]);
    let part = "äbä";
    assert_eq!(texts[2], format!("{part}äb{part}äb{part}"));
    assert_eq!(texts[3], texts[2].to_uppercase());
    assert_eq!(texts[4], "*********8");
}

#[test]
fn string_building_is_linear() {
    // 200,000 appends: quadratic copying would take minutes.
    let mut p = Prog::new();
    let mut f = p.main();
    let (s, t) = (f.reg(p.str), f.reg(p.str));
    let (i, end, n) = (f.reg(p.int), f.reg(p.int), f.reg(p.int));
    let k = p.p.const_str("");
    f.load_const(s, k);
    let k = p.p.const_str("0123456789");
    f.load_const(t, k);
    f.const_imm(i, 0);
    f.const_imm(end, 200_000);
    let head = f.label();
    f.bind(head);
    f.emit(Op::StrConcat, s, s, t);
    f.emit(Op::AddImm, i, i, 1);
    f.jump(Op::JLt, i, end, head);
    f.const_imm(i, 1_999_999);
    f.emit(Op::StrByte, n, s, i);
    p.put(&mut f, INT, n);
    let ran = run_with(&p.finish_main(f), Config::default());
    assert_eq!(ran.ints(), [57]);
    assert!(ran.stats.fuel < 2_000_000);
}

#[test]
fn memory_limit() {
    let mut p = Prog::new();
    let mut f = p.main();
    let (xs, n) = (f.reg(p.ints), f.reg(p.int));
    f.const_imm(n, 0);
    f.emit(Op::ListNew, xs, n, 0);
    let head = f.label();
    f.bind(head);
    f.emit(Op::ListPush, xs, n, 0);
    f.jmp(head);
    let main = p.add("main", f);
    let loaded = p.finish(main);
    let limits = Limits {
        memory: 4 << 20,
        ..Limits::default()
    };
    let config = Config {
        limits,
        ..Config::default()
    };
    let ran = run_with(&loaded, config);
    assert!(matches!(ran.outcome, Outcome::Limit(LimitKind::Memory, _)));
}

#[test]
fn the_compiler_and_the_heap_lay_records_out_alike() {
    use jet_bytecode::layout::{FieldSlot, RecordLayout};
    use jet_gc::layout::{record_size, ref_offset, word_offset};
    for (refs, words) in (0..7u16).flat_map(|r| (0..7u16).map(move |w| (r, w))) {
        let slot = |is_ref| move |ordinal| FieldSlot { is_ref, ordinal };
        let layout = RecordLayout {
            fields: (0..refs)
                .map(slot(true))
                .chain((0..words).map(slot(false)))
                .collect(),
            nrefs: refs,
            nwords: words,
        };
        let (r, w) = (u32::from(refs), u32::from(words));
        assert_eq!(layout.size() as usize, record_size(r, w));
        let of_refs = (0..r).map(ref_offset);
        let of_words = (0..w).map(|j| word_offset(r, j));
        for (i, at) in of_refs.chain(of_words).enumerate() {
            assert_eq!(layout.offset(i).map(|o| o as usize), Some(at));
        }
    }
}
