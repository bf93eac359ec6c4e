//! The world of the forged programs: types of every representation, a capability with an attenuator and a
//! fake, a trait, function literals. What must stay true: it verifies once `step` and `main` are defined.

use jet_bytecode::builder::{FnRef, FunctionBuilder, PackageBuilder};
use jet_bytecode::builtins::BUILTINS;
use jet_bytecode::module::*;
use jet_bytecode::opcodes::Op;

/// xorshift: runs are the same everywhere.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n.max(1)
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

pub fn field(name: &str, ty: TypeIx, mutable: bool) -> Field {
    Field {
        name: name.into(),
        ty,
        mutable,
    }
}

pub fn variant(name: &str, fields: Vec<Field>) -> Variant {
    Variant {
        name: name.into(),
        fields,
    }
}

/// What stands for the capability.
#[derive(Clone, Copy, PartialEq)]
enum Owner {
    Attenuator,
    Fake,
    Enum,
}

/// Types and functions of every program.
pub struct World {
    pub p: PackageBuilder,
    pub unit: TypeIx,
    pub bool_: TypeIx,
    pub byte: TypeIx,
    pub char_: TypeIx,
    pub int: TypeIx,
    pub float: TypeIx,
    pub str_: TypeIx,
    pub env: TypeIx,
    pub lists: Vec<(TypeIx, TypeIx)>,
    pub pair: TypeIx,
    pub node: TypeIx,
    pub opt: TypeIx,
    pub shape: TypeIx,
    pub color: TypeIx,
    pub refused: NominalIx,
    pub refused_ty: TypeIx,
    pub lost_ty: TypeIx,
    pub errs: TypeIx,
    pub file: TypeIx,
    pub out: CapIx,
    pub out_ty: TypeIx,
    pub narrow: TypeIx,
    pub fake: TypeIx,
    /// Enums that stand for the capability: with payloads and without.
    pub modes: [TypeIx; 2],
    /// A child of the capability that adds nothing.
    pub quiet_ty: TypeIx,
    pub dyn_show: TypeIx,
    pub own: TypeIx,
    pub own_uses: TypeIx,
    pub borrowed: TypeIx,
    pub step: FnRef,
    pub lit: FnRef,
    pub lit_cap: FnRef,
    pub lit_uses: FnRef,
}

impl World {
    pub fn new() -> World {
        let mut p = PackageBuilder::new("app", "1.0.0");
        let unit = p.ty(Type::Unit);
        let bool_ = p.ty(Type::Bool);
        let byte = p.ty(Type::Byte);
        let char_ = p.ty(Type::Char);
        let int = p.ty(Type::Int);
        let float = p.ty(Type::Float);
        let str_ = p.ty(Type::Str);
        let env = p.ty(Type::Env);
        let node_n = p.nominal(0, "Node");
        let node = p.ty(Type::Nominal(node_n));
        let opt_n = p.nominal(0, "Option[app.Node]");
        let opt = p.ty(Type::Nominal(opt_n));
        p.define_nominal(
            opt_n,
            NominalKind::Enum(vec![
                variant("Some", vec![field("0", node, false)]),
                variant("None", vec![]),
            ]),
        );
        let shape_n = p.nominal(0, "Shape");
        let shape = p.ty(Type::Nominal(shape_n));
        let color_n = p.nominal(0, "Color");
        let color = p.ty(Type::Nominal(color_n));
        p.define_nominal(
            color_n,
            NominalKind::Enum(vec![variant("Red", vec![]), variant("Green", vec![])]),
        );
        let mut lists = Vec::new();
        for elem in [
            bool_, byte, char_, int, float, str_, unit, node, opt, shape, color,
        ] {
            lists.push((p.ty(Type::List(elem)), elem));
        }
        let (strs, shapes) = (lists[5].0, lists[9].0);
        lists.push((p.ty(Type::List(strs)), strs));
        p.define_nominal(
            node_n,
            NominalKind::Struct(vec![
                field("next", opt, true),
                field("val", int, true),
                field("items", strs, true),
                field("weight", float, true),
                field("kind", color, false),
            ]),
        );
        p.define_nominal(
            shape_n,
            NominalKind::Enum(vec![
                variant("Empty", vec![]),
                variant("Circle", vec![field("r", float, false)]),
                variant(
                    "Named",
                    vec![field("s", str_, false), field("n", node, false)],
                ),
                variant("Many", vec![field("of", shapes, false)]),
            ]),
        );
        let pair = p.ty(Type::Tuple(vec![int, str_, float, strs]));
        let refused = p.nominal(0, "Refused");
        let refused_ty = p.ty(Type::Nominal(refused));
        p.define_nominal(
            refused,
            NominalKind::Error(vec![variant("Number", vec![field("n", int, false)])]),
        );
        let lost = p.nominal(0, "Lost");
        let lost_ty = p.ty(Type::Nominal(lost));
        p.define_nominal(
            lost,
            NominalKind::Error(vec![
                variant("Empty", vec![]),
                variant(
                    "Text",
                    vec![field("s", str_, false), field("l", strs, false)],
                ),
            ]),
        );
        let errs = p.error_type(vec![refused, lost]).unwrap();
        let file_n = p.nominal(0, "File");
        p.define_nominal(file_n, NominalKind::Handle);
        let file = p.ty(Type::Nominal(file_n));
        let out = p.cap(0, "Out");
        let method = |name: &str, params: Vec<TypeIx>, ret, errors| Method {
            name: name.into(),
            sig: Sig {
                params,
                uses: vec![],
                ret,
                errors,
            },
        };
        let methods = vec![
            method("note", vec![int], unit, vec![]),
            method("text", vec![str_], int, vec![refused]),
            method("echo", vec![strs], strs, vec![]),
            method("open", vec![], file, vec![]),
            method("read", vec![file, int], int, vec![]),
        ];
        p.define_cap(out, None, methods.clone());
        let quiet = p.cap(0, "Quiet");
        p.define_cap(quiet, Some(out), methods);
        let quiet_ty = p.ty(Type::Cap(quiet));
        let out_ty = p.ty(Type::Cap(out));
        let narrow_n = p.nominal(0, "Narrow");
        let narrow = p.ty(Type::Nominal(narrow_n));
        p.define_nominal(
            narrow_n,
            NominalKind::Struct(vec![
                field("out", out_ty, false),
                field("node", node, true),
                field("n", int, true),
            ]),
        );
        let fake_n = p.nominal(0, "Fake");
        let fake = p.ty(Type::Nominal(fake_n));
        p.define_nominal(
            fake_n,
            NominalKind::Struct(vec![field("seen", strs, true), field("n", int, true)]),
        );
        let mode_n = p.nominal(0, "Mode");
        p.define_nominal(
            mode_n,
            NominalKind::Enum(vec![
                variant("Off", vec![]),
                variant("On", vec![field("s", strs, false), field("n", int, false)]),
            ]),
        );
        let modes = [p.ty(Type::Nominal(mode_n)), color];
        let show = p.trait_(0, "Show");
        let sig = p.sig(vec![int], vec![out], str_, vec![]);
        p.define_trait(
            show,
            vec![Method {
                name: "show".into(),
                sig,
            }],
        );
        let dyn_show = p.ty(Type::Dyn(show));
        let plain = p.sig(vec![int], vec![], int, vec![]);
        let using = p.sig(vec![int], vec![out], int, vec![]);
        let own = p.ty(Type::Fn(plain.clone()));
        let own_uses = p.ty(Type::Fn(using));
        let borrowed = p.ty(Type::BorrowedFn(plain));
        let step = p.declare("step");
        let none = FnRef::Local(0);
        let mut w = World {
            p,
            unit,
            bool_,
            byte,
            char_,
            int,
            float,
            str_,
            env,
            lists,
            pair,
            node,
            opt,
            shape,
            color,
            refused,
            refused_ty,
            lost_ty,
            errs,
            file,
            out,
            out_ty,
            narrow,
            fake,
            modes,
            quiet_ty,
            dyn_show,
            own,
            own_uses,
            borrowed,
            step,
            lit: none,
            lit_cap: none,
            lit_uses: none,
        };
        let owners = [
            (narrow, narrow_n, Owner::Attenuator),
            (fake, fake_n, Owner::Fake),
            (modes[0], mode_n, Owner::Enum),
            (modes[1], color_n, Owner::Enum),
        ];
        w.interfaces(owners, node_n, show);
        w
    }

    fn sig_of(&mut self, params: &[TypeIx], uses: bool, ret: TypeIx, errors: &[NominalIx]) -> Sig {
        let uses = if uses { vec![self.out] } else { vec![] };
        self.p.sig(params.to_vec(), uses, ret, errors.to_vec())
    }

    pub fn builder(
        &mut self,
        name: &str,
        captures: Option<Vec<TypeIx>>,
        params: &[TypeIx],
        uses: bool,
        ret: TypeIx,
        errors: &[NominalIx],
    ) -> FunctionBuilder {
        let sig = self.sig_of(params, uses, ret, errors);
        let mut regs = Vec::new();
        let kind = if captures.is_some() {
            regs.push(self.env);
            FnKind::Literal
        } else {
            FnKind::Named
        };
        if uses {
            regs.push(self.out_ty);
        }
        regs.extend(params);
        FunctionBuilder::new(name, kind, sig, captures.unwrap_or_default(), regs)
    }

    pub fn add(&mut self, name: &str, f: FunctionBuilder) -> FnRef {
        let at = self.p.declare(name);
        self.p.define(at, f.finish().unwrap());
        at
    }

    /// The records' methods and the literals: fixed code.
    fn interfaces(&mut self, owners: [(TypeIx, u16, Owner); 4], node_n: u16, show: u16) {
        let (unit, int, str_, file, node) = (self.unit, self.int, self.str_, self.file, self.node);
        let strs = self.lists[5].0;
        for (owner, n, of) in owners {
            let mut methods = Vec::new();
            let refused = self.refused;
            let table: [(&str, Vec<TypeIx>, TypeIx, Vec<u16>); 5] = [
                ("note", vec![int], unit, vec![]),
                ("text", vec![str_], int, vec![refused]),
                ("echo", vec![strs], strs, vec![]),
                ("open", vec![], file, vec![]),
                ("read", vec![file, int], int, vec![]),
            ];
            for (k, (name, params, ret, errors)) in table.into_iter().enumerate() {
                let mut all = vec![owner];
                all.extend(&params);
                let name = format!("{owner}.{name}");
                let mut f = self.builder(&name, None, &all, false, ret, &errors);
                let r = f.reg(ret);
                if of == Owner::Enum {
                    match k {
                        0 => f.const_imm(r, 0),
                        2 => f.emit(Op::Mov, r, 1, 0),
                        3 => f.emit(Op::Trap, 6, 0, 0),
                        _ => f.emit(Op::GetTag, r, 0, 0),
                    }
                    if k != 3 {
                        f.emit(Op::Ret, r, 0, 0);
                    }
                } else if of == Owner::Attenuator {
                    // On to what it narrows, with its own counter changed.
                    let (c, m, e) = (f.reg(self.out_ty), f.reg(int), f.reg(self.refused_ty));
                    let bad = f.label();
                    f.emit(Op::GetField, m, 0, 2);
                    f.emit(Op::AddImm, m, m, 1);
                    f.emit(Op::SetField, 0, 2, m);
                    f.emit(Op::GetCap, c, 0, 0);
                    let mut args = vec![c];
                    args.extend(1..=params.len() as u16);
                    f.emit_args(Op::CapCall, r, k as u16, &args);
                    if !errors.is_empty() {
                        f.on_error(e, bad);
                    }
                    f.emit(Op::Ret, r, 0, 0);
                    f.bind(bad);
                    if !errors.is_empty() {
                        f.emit(Op::Raise, e, 0, 0);
                    }
                } else {
                    let seen = f.reg(strs);
                    f.emit(Op::GetField, seen, 0, 0);
                    match k {
                        0 => {
                            f.emit(Op::SetField, 0, 1, 1);
                            f.const_imm(r, 0);
                        }
                        1 => {
                            f.emit(Op::ListPush, seen, 1, 0);
                            f.emit(Op::ListLen, r, seen, 0);
                        }
                        2 => {
                            f.emit(Op::ListExtend, seen, 1, 0);
                            f.emit(Op::Mov, r, seen, 0);
                        }
                        // A fake has no handle to give out.
                        3 => f.emit(Op::Trap, 6, 0, 0),
                        _ => f.emit(Op::GetField, r, 0, 1),
                    }
                    if k != 3 {
                        f.emit(Op::Ret, r, 0, 0);
                    }
                }
                methods.push(self.add(&name, f));
            }
            self.p.implement(n, Interface::Cap(self.out), methods);
        }
        let mut f = self.builder("Node.show", None, &[node, int], true, str_, &[]);
        // Registers: capability, receiver, int.
        let (s, u, items) = (f.reg(str_), f.reg(unit), f.reg(strs));
        f.emit_args(Op::CapCall, u, 0, &[0, 2]);
        f.emit(Op::GetField, items, 1, 2);
        f.emit_args(Op::Builtin, s, builtin("int_to_str"), &[2]);
        f.emit(Op::ListPush, items, s, 0);
        f.emit(Op::Ret, s, 0, 0);
        let m = self.add("Node.show", f);
        self.p.implement(node_n, Interface::Trait(show), vec![m]);
        let mut f = self.builder("lit", Some(vec![int, str_, node]), &[int], false, int, &[]);
        let (a, s, n, t) = (f.reg(int), f.reg(str_), f.reg(node), f.reg(str_));
        f.emit(Op::GetCapture, a, 0, 0);
        f.emit(Op::GetCapture, s, 1, 0);
        f.emit(Op::GetCapture, n, 2, 0);
        f.emit(Op::StrConcat, t, s, s);
        f.emit(Op::StrLen, a, t, 0);
        f.emit(Op::AddWrap, a, a, 1);
        f.emit(Op::SetField, n, 1, a);
        f.emit(Op::Ret, a, 0, 0);
        self.lit = self.add("lit", f);
        let cap = self.out_ty;
        let mut f = self.builder("lit_cap", Some(vec![str_, cap]), &[int], false, int, &[]);
        let (c, s, l) = (f.reg(cap), f.reg(str_), f.reg(strs));
        f.emit(Op::GetCapture, c, 1, 0);
        f.emit(Op::GetCapture, s, 0, 0);
        f.emit_args(Op::ListOf, l, 0, &[s, s]);
        f.emit_args(Op::CapCall, l, 2, &[c, l]);
        f.emit(Op::Ret, 1, 0, 0);
        self.lit_cap = self.add("lit_cap", f);
        let mut f = self.builder("lit_uses", Some(vec![str_]), &[int], true, int, &[]);
        let (s, u) = (f.reg(str_), f.reg(unit));
        f.emit_args(Op::CapCall, u, 0, &[1, 2]);
        f.emit(Op::GetCapture, s, 0, 0);
        f.emit(Op::Ret, 2, 0, 0);
        self.lit_uses = self.add("lit_uses", f);
    }
}

/// Number of a builtin by name.
pub fn builtin(name: &str) -> u16 {
    let info = BUILTINS.iter().position(|b| b.name == name);
    info.unwrap() as u16
}
