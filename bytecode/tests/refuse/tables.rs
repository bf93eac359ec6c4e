//! Structure, formation, implementation records, linking.

use super::common::{World, field, variant};
use super::{Cases, find};
use jet_bytecode::builder::*;
use jet_bytecode::format::package_hash;
use jet_bytecode::module::*;
use jet_bytecode::opcodes::Op;
use jet_bytecode::verify::{Rule, verify};

pub fn structure(c: &mut Cases) {
    use Rule::*;
    c.bundle(Count, "no package", Bundle::default());
    c.change(Count, "registers", |p| {
        p.functions[0].regs = vec![0; 1025];
    });
    c.change(Count, "parameters", |p| {
        p.functions[0].sig.params = vec![0; 256];
    });
    c.change(Index, "field type", |p| {
        if let NominalKind::Struct(fs) = &mut p.nominals[0].kind {
            fs[0].ty = 9999;
        }
    });
    c.change(Index, "register type", |p| p.functions[0].regs.push(9999));
    c.change(Index, "nominal of type", |p| {
        p.types.push(Type::Nominal(9999));
    });
    c.change(Index, "capability of type", |p| {
        p.types.push(Type::Cap(9999))
    });
    c.change(Index, "trait of type", |p| p.types.push(Type::Dyn(9999)));
    c.change(Index, "declaring package", |p| p.nominals[0].package = 7);
    c.change(Index, "parent", |p| p.caps[0].parent = Some(99));
    c.change(Index, "method of record", |p| {
        p.impls[0].methods[0] = 9999;
    });
    c.change(Index, "entry", |p| {
        p.entry.as_mut().unwrap().function = 9999;
    });
    c.change(Name, "empty", |p| p.functions[0].name.clear());
    c.change(Name, "direction mark", |p| {
        p.functions[0].name = "f\u{202e}x".into();
    });
    c.change(Name, "escape", |p| p.files[0] = "\x1b[2J".into());
    c.change(Name, "package with a dot", |p| p.name = "a.B".into());
    c.change(Duplicate, "type", |p| p.types.push(Type::Int));
    c.change(Duplicate, "function", |p| {
        p.functions[1].name = p.functions[0].name.clone();
    });
    c.change(Duplicate, "constant", |p| {
        let k = p.consts[0].clone();
        p.consts.push(k);
    });
    c.change(Duplicate, "nominal", |p| {
        let n = p.nominals[0].clone();
        p.nominals.push(n);
    });
    c.change(Duplicate, "record", |p| {
        let i = p.impls[0].clone();
        p.impls.push(i);
    });
    c.change(TypeOrder, "list of itself", |p| {
        let n = p.types.len() as u16;
        p.types.push(Type::List(n));
    });
    c.change(TypeOrder, "later type", |p| {
        let n = p.types.len() as u16;
        p.types.push(Type::List(n + 1));
        p.types.push(Type::List(n));
    });
    c.change(Nesting, "65 lists", |p| {
        let mut t = p.types.iter().position(|t| *t == Type::Bool).unwrap() as u16;
        for _ in 0..64 {
            p.types.push(Type::List(t));
            t = p.types.len() as u16 - 1;
        }
    });
    c.change(TypeForm, "tuple of one", |p| {
        p.types.push(Type::Tuple(vec![0]));
    });
    c.world(TypeForm, "error set of one", |w| {
        w.pb.ty(Type::ErrorSet(vec![w.e1]));
    });
    c.world(TypeForm, "borrowed with uses", |w| {
        let sig = w.pb.sig(vec![], vec![w.out], w.unit, vec![]);
        w.pb.ty(Type::BorrowedFn(sig));
    });
    c.world(Order, "uses", |w| {
        let mut sig = w.pb.sig(vec![], vec![w.out, w.net], w.unit, vec![]);
        sig.uses.reverse();
        w.pb.ty(Type::Fn(sig));
    });
    c.world(Order, "errors", |w| {
        w.pb.ty(Type::ErrorSet(vec![w.e2, w.e1]));
    });
    c.world(ErrorsOnly, "struct raised", |w| {
        let sig = w.pb.sig(vec![], vec![], w.unit, vec![w.point_n]);
        w.pb.ty(Type::Fn(sig));
    });
    c.world(EnumForm, "no variant", |w| {
        let n = w.pb.nominal(0, "Never");
        w.pb.define_nominal(n, NominalKind::Enum(vec![]));
    });
    c.world(EnumForm, "256 variants", |w| {
        let n = w.pb.nominal(0, "Many");
        let vs = (0..256).map(|i| variant(&format!("v{i}"), vec![]));
        w.pb.define_nominal(n, NominalKind::Enum(vs.collect()));
    });
    c.world(EnumForm, "mutable payload", |w| {
        let n = w.pb.nominal(0, "E");
        let v = variant("A", vec![field("x", w.int, true)]);
        w.pb.define_nominal(n, NominalKind::Enum(vec![v]));
    });
    c.world(RecordSize, "fields", |w| {
        let n = w.pb.nominal(0, "Wide");
        let fs = vec![field("x", w.int, false); 4096];
        w.pb.define_nominal(n, NominalKind::Struct(fs));
    });
    c.change(Constant, "NaN", |p| {
        p.consts.push(Const::Float(f64::NAN.to_bits() | 1));
    });
    c.change(DebugTable, "place", |p| {
        let i = find(p, "main");
        p.functions[i].lines[1].pc = 1000;
    });
    c.change(DebugTable, "file", |p| {
        let i = find(p, "main");
        p.functions[i].lines[1].file = 7;
    });
}

pub fn formation(c: &mut Cases) {
    use Rule::*;
    c.world(FirstClass, "list of capabilities", |w| {
        w.pb.ty(Type::List(w.out_ty));
    });
    c.world(FirstClass, "tuple with attenuator", |w| {
        w.pb.ty(Type::Tuple(vec![w.int, w.att]));
    });
    c.world(FirstClass, "list of environments", |w| {
        w.pb.ty(Type::List(w.env));
    });
    c.world(FirstClass, "borrowed in a field", |w| {
        let n = w.pb.nominal(0, "Holder");
        let f = field("f", w.borrowed, false);
        w.pb.define_nominal(n, NominalKind::Struct(vec![f]));
    });
    c.world(FirstClass, "attenuator as payload", |w| {
        let n = w.pb.nominal(0, "Option[app.Narrow]");
        let v = variant("Some", vec![field("0", w.att, false)]);
        w.pb.define_nominal(n, NominalKind::Enum(vec![v]));
    });
    c.world(FirstClass, "capability in an error", |w| {
        let n = w.pb.nominal(0, "Leak");
        let v = variant("Some", vec![field("0", w.out_ty, false)]);
        w.pb.define_nominal(n, NominalKind::Error(vec![v]));
    });
    c.world(FirstClass, "capability as result", |w| {
        let sig = w.pb.sig(vec![], vec![], w.out_ty, vec![]);
        w.pb.ty(Type::Fn(sig));
    });
    c.world(FirstClass, "borrowed as result", |w| {
        let (b, int) = (w.borrowed, w.int);
        w.named("give", &[b, int], &[], b, &[], |f, _| {
            f.emit(Op::Ret, 0, 0, 0);
        });
    });
    c.world(AttenuatorField, "mutable capability", |w| {
        let n = w.pb.nominal(0, "Swap");
        let f = field("c", w.out_ty, true);
        w.pb.define_nominal(n, NominalKind::Struct(vec![f]));
    });
    c.world(AttenuatorField, "mutable attenuator", |w| {
        let n = w.pb.nominal(0, "Swap");
        let f = field("c", w.att, true);
        w.pb.define_nominal(n, NominalKind::Struct(vec![f]));
    });
    c.world(AttenuatorField, "borrowed function", |w| {
        let n = w.pb.nominal(0, "Callback");
        let fs = vec![field("c", w.out_ty, false), field("f", w.borrowed, false)];
        w.pb.define_nominal(n, NominalKind::Struct(fs));
    });
    c.world(AttenuatorField, "function in a list", |w| {
        let sig = w.pb.sig(vec![], vec![], w.unit, vec![]);
        let stored = w.pb.ty(Type::Fn(sig));
        let list = w.pb.ty(Type::List(stored));
        let n = w.pb.nominal(0, "Hooked");
        let fs = vec![field("c", w.out_ty, false), field("fs", list, false)];
        w.pb.define_nominal(n, NominalKind::Struct(fs));
    });
    c.world(Parameter, "capability", |w| {
        let sig = w.pb.sig(vec![w.out_ty], vec![], w.unit, vec![]);
        w.pb.ty(Type::Fn(sig));
    });
    c.world(Parameter, "attenuator of a borrowed function", |w| {
        let sig = w.pb.sig(vec![w.att], vec![], w.unit, vec![]);
        w.pb.ty(Type::BorrowedFn(sig));
    });
    c.world(Parameter, "capability of a named function", |w| {
        let (cap, unit) = (w.out_ty, w.unit);
        w.named("take", &[cap], &[], unit, &[], |f, _| {
            let u = f.reg(unit);
            f.const_imm(u, 0);
            f.emit(Op::Ret, u, 0, 0);
        });
    });
    let cap_with = |w: &mut World, params: Vec<TypeIx>, uses: Vec<CapIx>| {
        let sig = w.pb.sig(params, uses, w.unit, vec![]);
        let cap = w.pb.cap(0, "Odd");
        let m = Method {
            name: "m".into(),
            sig,
        };
        w.pb.define_cap(cap, None, vec![m]);
    };
    c.world(CapMethod, "uses", |w| cap_with(w, vec![], vec![w.out]));
    c.world(CapMethod, "function", |w| cap_with(w, vec![w.own], vec![]));
    c.world(CapMethod, "borrowed", |w| {
        cap_with(w, vec![w.borrowed], vec![]);
    });
    c.world(CapMethod, "dynamic object", |w| {
        cap_with(w, vec![w.dyn_show], vec![]);
    });
    c.world(CapMethod, "struct that holds a function", |w| {
        let n = w.pb.nominal(0, "Holder");
        let f = field("f", w.own, false);
        w.pb.define_nominal(n, NominalKind::Struct(vec![f]));
        let t = w.pb.ty(Type::Nominal(n));
        let t = w.pb.ty(Type::List(t));
        cap_with(w, vec![t], vec![]);
    });
    c.world(CapMethod, "handles in a list", |w| {
        let n = w.pb.nominal(0, "File");
        w.pb.define_nominal(n, NominalKind::Handle);
        let t = w.pb.ty(Type::Nominal(n));
        let t = w.pb.ty(Type::List(t));
        cap_with(w, vec![t], vec![]);
    });
    c.world(Parent, "other methods", |w| {
        let cap = w.pb.cap(0, "Fake");
        w.pb.define_cap(cap, Some(w.out), vec![]);
    });
    c.world(Parent, "cycle", |w| {
        let (a, b) = (w.pb.cap(0, "A"), w.pb.cap(0, "B"));
        w.pb.define_cap(a, Some(b), vec![]);
        w.pb.define_cap(b, Some(a), vec![]);
    });
}

pub fn records(c: &mut Cases) {
    use Rule::*;
    c.world(ImplForm, "attenuator implements a trait", |w| {
        let show = w.named("Narrow.show", &[w.att], &[], w.str_, &[], |f, w| {
            let s = f.reg(w.str_);
            let k = w.pb.const_str("");
            f.load_const(s, k);
            f.emit(Op::Ret, s, 0, 0);
        });
        w.pb.implement(w.att_n, Interface::Trait(w.show), vec![show]);
    });
    c.change(ImplForm, "missing method", |p| {
        p.impls[0].methods.pop();
    });
    c.world(ImplForm, "error implements a capability", |w| {
        let methods = vec![w.att_print, w.att_read];
        w.pb.implement(w.e1, Interface::Cap(w.out), methods);
    });
    c.world(ImplForm, "enum implements a trait", |w| {
        let (color, str_) = (w.color, w.str_);
        let show = w.named("Color.show", &[color], &[], str_, &[], |f, w| {
            let s = f.reg(str_);
            let k = w.pb.const_str("");
            f.load_const(s, k);
            f.emit(Op::Ret, s, 0, 0);
        });
        let n = w.pb.nominal(0, "Color");
        w.pb.implement(n, Interface::Trait(w.show), vec![show]);
    });
    c.change(ImplSignature, "other methods' order", |p| {
        p.impls[0].methods.reverse();
    });
    c.world(ImplSignature, "uses more than the interface", |w| {
        let (point, str_, unit, net, e2) = (w.point, w.str_, w.unit, w.net, w.e2);
        let print = w.named("P.print", &[point, str_], &[net], unit, &[], |f, _| {
            let u = f.reg(unit);
            f.const_imm(u, 0);
            f.emit(Op::Ret, u, 0, 0);
        });
        let read = w.named("P.read", &[point, str_], &[], str_, &[e2], |f, _| {
            f.emit(Op::Ret, 1, 0, 0);
        });
        w.pb.implement(w.point_n, Interface::Cap(w.out), vec![print, read]);
    });
    c.change(Entry, "request without path", |p| {
        p.entry.as_mut().unwrap().paths.clear();
    });
    c.change(Entry, "other signature", |p| {
        let say = find(p, "say") as u16;
        p.entry.as_mut().unwrap().function = say;
    });
    c.change(Entry, "literal", |p| {
        let lit = find(p, "lit_uses") as u16;
        p.entry.as_mut().unwrap().function = lit;
    });
}

/// A library with a struct, an instance of a generic, a trait and a capability; then a program that
/// describes them too and adds records.
fn two(app: impl FnOnce(&mut PackageBuilder, [u16; 4], FnRef)) -> Bundle {
    fn world(pb: &mut PackageBuilder, lib: u16) -> [u16; 4] {
        let unit = pb.ty(Type::Unit);
        let int = pb.ty(Type::Int);
        let plain = pb.nominal(lib, "Plain");
        pb.define_nominal(plain, NominalKind::Struct(vec![field("x", int, false)]));
        let boxed = pb.nominal(lib, "Box[int]");
        pb.define_nominal(boxed, NominalKind::Struct(vec![field("x", int, false)]));
        let sig = pb.sig(vec![], vec![], unit, vec![]);
        let m = vec![Method {
            name: "m".into(),
            sig,
        }];
        let t = pb.trait_(lib, "T");
        pb.define_trait(t, m.clone());
        let c = pb.cap(lib, "C");
        pb.define_cap(c, None, m);
        [plain, boxed, t, c]
    }
    fn method(pb: &mut PackageBuilder, name: &str, ty: NominalIx) -> FnRef {
        let (unit, ty) = (pb.ty(Type::Unit), pb.ty(Type::Nominal(ty)));
        let sig = pb.sig(vec![ty], vec![], unit, vec![]);
        let mut f = FunctionBuilder::new(name, FnKind::Named, sig, vec![], vec![ty]);
        let u = f.reg(unit);
        f.const_imm(u, 0);
        f.emit(Op::Ret, u, 0, 0);
        let at = pb.declare(name);
        pb.define(at, f.finish().unwrap());
        at
    }
    let mut lib = PackageBuilder::new("lib", "1");
    let ids = world(&mut lib, 0);
    let [plain, boxed, t, _] = ids;
    let m = method(&mut lib, "box_m", boxed);
    lib.implement(boxed, Interface::Trait(t), vec![m]);
    let m = method(&mut lib, "plain_1", plain);
    method(&mut lib, "plain_2", plain);
    lib.implement(plain, Interface::Trait(t), vec![m]);
    let lib = lib.finish().unwrap();
    let mut pb = PackageBuilder::new("app", "1");
    let dep = pb.dep("lib", package_hash(&lib).unwrap());
    let ids = world(&mut pb, dep);
    let m = method(&mut pb, "plain_m", ids[0]);
    app(&mut pb, ids, m);
    let [_, boxed, t, _] = ids;
    let _ = (boxed, t);
    Bundle {
        packages: vec![lib, pb.finish().unwrap()],
    }
}

pub fn packages(c: &mut Cases) {
    use Rule::*;
    verify(two(|_, _, _| {})).unwrap();
    let b = two(|pb, [plain, _, _, cap], m| {
        pb.implement(plain, Interface::Cap(cap), vec![m]);
    });
    c.bundle(ImplOrigin, "capability for another's type", b);
    let b = two(|pb, [plain, _, t, _], m| {
        pb.implement(plain, Interface::Trait(t), vec![m]);
    });
    c.bundle(ImplOrigin, "neither type nor trait", b);
    let b = two(|pb, [_, boxed, t, _], _| {
        let unit = pb.ty(Type::Unit);
        let ty = pb.ty(Type::Nominal(boxed));
        let sig = pb.sig(vec![ty], vec![], unit, vec![]);
        let mut f = FunctionBuilder::new("box_m", FnKind::Named, sig, vec![], vec![ty]);
        let u = f.reg(unit);
        f.const_imm(u, 0);
        f.emit(Op::Ret, u, 0, 0);
        let m = pb.declare("box_m");
        pb.define(m, f.finish().unwrap());
        pb.implement(boxed, Interface::Trait(t), vec![m]);
    });
    // Of two records of a generic's instance the first counts.
    let prog = verify(b).unwrap();
    let boxed = prog.nominals.iter().position(|n| n.name == "Box[int]");
    let records: Vec<_> = prog
        .impls
        .iter()
        .filter(|r| Some(r.ty.index()) == boxed)
        .collect();
    assert_eq!(records.len(), 1);
    assert_eq!(prog.function_name(records[0].methods[0]), "lib.box_m");
    // A third package may name functions of the type's package.
    let by_import = |name: &'static str| {
        two(move |pb, [plain, _, t, _], _| {
            let (unit, ty) = (pb.ty(Type::Unit), pb.ty(Type::Nominal(plain)));
            let sig = pb.sig(vec![ty], vec![], unit, vec![]);
            let m = pb.import(1, name, sig);
            pb.implement(plain, Interface::Trait(t), vec![m]);
        })
    };
    verify(by_import("plain_1")).unwrap();
    c.bundle(
        ImplDuplicate,
        "two faces for one type",
        by_import("plain_2"),
    );
    let mut b = two(|_, _, _| {});
    b.packages[1].deps[0].hash[5] ^= 1;
    c.bundle(Dependency, "hash", b);
    let mut b = two(|_, _, _| {});
    b.packages[1].nominals[0].kind = NominalKind::Handle;
    c.bundle(Identity, "content", b);
    let mut b = two(|_, _, _| {});
    b.packages[1].caps[0].methods.clear();
    c.bundle(Identity, "interface", b);
    let b = two(|pb, _, _| {
        let unit = pb.ty(Type::Unit);
        let sig = pb.sig(vec![], vec![], unit, vec![]);
        pb.import(1, "box_m", sig);
    });
    c.bundle(Import, "signature", b);
}
