//! Lowers programs built by hand and passes them through the verifier.

use super::lower;
use crate::source::{SourceMap, Span};
use crate::thir::*;
use jet_bytecode::module::Bundle;

const I: Ty = TyTable::INT;
const B: Ty = TyTable::BOOL;
const S: Ty = TyTable::STR;
const U: Ty = TyTable::UNIT;
const N: Ty = TyTable::NEVER;

fn at() -> Span {
    Span::default()
}

fn ex(kind: ExprKind, ty: Ty) -> Expr {
    Expr {
        kind,
        ty,
        span: at(),
    }
}

fn int(v: i64) -> Expr {
    ex(ExprKind::Int(v), I)
}

fn text(s: &str) -> Expr {
    ex(ExprKind::Str(s.into()), S)
}

fn var(id: u32, ty: Ty) -> Expr {
    ex(ExprKind::Local(LocalId(id)), ty)
}

fn bin(op: BinOp, a: Expr, b: Expr) -> Expr {
    let ty = if super::ops::is_comparison(op) {
        B
    } else {
        a.ty
    };
    ex(ExprKind::Binary(op, Box::new(a), Box::new(b)), ty)
}

fn block(stmts: Vec<Stmt>) -> Expr {
    ex(ExprKind::Block(stmts, None), U)
}

fn value(stmts: Vec<Stmt>, tail: Expr) -> Expr {
    let ty = tail.ty;
    ex(ExprKind::Block(stmts, Some(Box::new(tail))), ty)
}

fn ret(e: Expr) -> Stmt {
    Stmt::Expr(ex(ExprKind::Return(Some(Box::new(e))), N))
}

fn name(id: u32, ty: Ty) -> Pat {
    pat(PatKind::Bind(LocalId(id), None), ty)
}

fn pat(kind: PatKind, ty: Ty) -> Pat {
    Pat {
        kind,
        ty,
        span: at(),
    }
}

fn let_(id: u32, init: Expr) -> Stmt {
    Stmt::Let {
        pat: name(id, init.ty),
        init: Box::new(init),
        otherwise: None,
    }
}

fn set(id: u32, op: Option<BinOp>, v: Expr) -> Stmt {
    Stmt::Assign {
        place: Place::Local(LocalId(id)),
        op,
        value: Box::new(v),
        span: at(),
    }
}

fn call(f: FnId, targs: Vec<Ty>, args: Vec<Expr>, ret: Ty, errs: Ty, ty: Ty) -> Expr {
    let callee = Callee::Fn(f, targs);
    ex(
        ExprKind::Call {
            callee: Box::new(callee),
            caps: vec![],
            args,
            ret,
            errs,
        },
        ty,
    )
}

fn try_(e: Expr, ty: Ty) -> Expr {
    ex(ExprKind::Try(Box::new(e)), ty)
}

/// Std with its lang items, then package `app`.
struct Prog {
    p: Program,
}

const APP: PkgId = PkgId(1);

impl Prog {
    fn new() -> Prog {
        let mut p = Program {
            tys: TyTable::new(),
            ..Program::default()
        };
        for (name, deps) in [("std", vec![]), ("app", vec![PkgId(0)])] {
            p.packages.push(PackageDef {
                name: name.into(),
                version: "1".into(),
                deps,
            });
        }
        let mut me = Prog { p };
        let t0 = me.ty(TyKind::Param(0));
        let t1 = me.ty(TyKind::Param(1));
        let std = PkgId(0);
        me.p.lang.option = Some(me.adt(
            std,
            "Option",
            AdtKind::Enum,
            1,
            &[("Some", &[("value", t0)]), ("None", &[])],
        ));
        me.p.lang.result = Some(me.adt(
            std,
            "Result",
            AdtKind::Enum,
            2,
            &[("Ok", &[("value", t0)]), ("Err", &[("error", t1)])],
        ));
        me.p.lang.ordering = Some(me.adt(
            std,
            "Ordering",
            AdtKind::Enum,
            0,
            &[("Less", &[]), ("Equal", &[]), ("Greater", &[])],
        ));
        me.p.lang.range = Some(me.adt(
            std,
            "Range",
            AdtKind::Struct,
            0,
            &[("Range", &[("start", I), ("end", I), ("by", I)])],
        ));
        me.p.lang.show = Some(me.trait_("Show", "show", vec![], S));
        me.p.lang.eq = Some(me.trait_("Eq", "eq", vec![t0], B));
        me.p.lang.hash = Some(me.trait_("Hash", "hash", vec![], I));
        let ord = me.adt_ty(me.p.lang.ordering.unwrap(), vec![]);
        me.p.lang.ord = Some(me.trait_("Ord", "cmp", vec![t0], ord));
        me
    }

    fn ty(&mut self, k: TyKind) -> Ty {
        self.p.tys.intern(k)
    }

    fn adt_ty(&mut self, id: AdtId, args: Vec<Ty>) -> Ty {
        self.ty(TyKind::Adt(id, args))
    }

    fn option(&mut self, t: Ty) -> Ty {
        self.adt_ty(self.p.lang.option.unwrap(), vec![t])
    }

    fn result(&mut self, t: Ty, e: Ty) -> Ty {
        self.adt_ty(self.p.lang.result.unwrap(), vec![t, e])
    }

    fn list(&mut self, t: Ty) -> Ty {
        self.ty(TyKind::List(t))
    }

    fn adt(
        &mut self,
        package: PkgId,
        name: &str,
        kind: AdtKind,
        generics: u32,
        variants: &[(&str, &[(&str, Ty)])],
    ) -> AdtId {
        self.p.adts.push(AdtDef {
            package,
            module: if package.0 == 0 { "core" } else { "" }.into(),
            name: name.into(),
            kind,
            generics,
            variants: variants
                .iter()
                .map(|(name, fields)| VariantDef {
                    name: (*name).into(),
                    fields: fields
                        .iter()
                        .map(|(name, ty)| FieldDef {
                            name: (*name).into(),
                            ty: *ty,
                            mutable: kind == AdtKind::Struct,
                            default: None,
                        })
                        .collect(),
                })
                .collect(),
            derive_ord: true,
            span: at(),
        });
        AdtId(self.p.adts.len() as u32 - 1)
    }

    fn trait_(&mut self, name: &str, method: &str, params: Vec<Ty>, ret: Ty) -> TraitId {
        let dynamic = params.is_empty();
        self.p.traits.push(TraitDef {
            package: PkgId(0),
            module: "core".into(),
            name: name.into(),
            generics: 1,
            supers: vec![],
            methods: vec![MethodDef {
                name: method.into(),
                generics: 0,
                params,
                uses: vec![],
                ret,
                errs: N,
                default: None,
                dynamic,
            }],
            span: at(),
        });
        TraitId(self.p.traits.len() as u32 - 1)
    }

    /// A function whose first locals are its parameters; `mut` locals have a `*` in front.
    fn func(
        &mut self,
        name: &str,
        generics: u32,
        params: u32,
        locals: &[(&str, Ty)],
        sig: (Ty, Ty),
        body: Option<Expr>,
    ) -> FnId {
        self.p.fns.push(FnDef {
            open: false,
            named: Vec::new(),
            package: APP,
            name: name.into(),
            generics,
            uses: vec![],
            needs: Vec::new(),
            params: (0..params).map(LocalId).collect(),
            ret: sig.0,
            errs: sig.1,
            locals: locals
                .iter()
                .map(|(n, ty)| LocalDef {
                    name: n.trim_start_matches('*').into(),
                    ty: *ty,
                    mutable: n.starts_with('*'),
                })
                .collect(),
            intrinsic: body.is_none().then(|| name.into()),
            body,
            span: at(),
        });
        FnId(self.p.fns.len() as u32 - 1)
    }

    fn uses(&mut self, f: FnId, uses: Vec<(CapId, LocalId)>) {
        self.p.fns[f.0 as usize].uses = uses;
    }

    fn cap(&mut self, name: &str, methods: &[(&str, Vec<Ty>, Ty)]) -> CapId {
        self.p.caps.push(CapDef {
            package: APP,
            name: name.into(),
            parent: None,
            methods: methods
                .iter()
                .map(|(n, ps, r)| MethodDef {
                    name: (*n).into(),
                    generics: 0,
                    params: ps.clone(),
                    uses: vec![],
                    ret: *r,
                    errs: N,
                    default: None,
                    dynamic: true,
                })
                .collect(),
            span: at(),
        });
        CapId(self.p.caps.len() as u32 - 1)
    }

    fn show(&mut self, e: Expr) -> Expr {
        let callee = Callee::Trait {
            trait_id: self.p.lang.show.unwrap(),
            trait_args: vec![],
            self_ty: e.ty,
            method: 0,
            method_args: vec![],
        };
        ex(
            ExprKind::Call {
                callee: Box::new(callee),
                caps: vec![],
                args: vec![e],
                ret: S,
                errs: N,
            },
            S,
        )
    }

    /// Lowers with `main`, verifies, gives the disassembly.
    fn check(mut self, main: FnId) -> String {
        let caps = self.p.fns[main.0 as usize].uses.len();
        self.p.main = Some(Entry {
            function: main,
            paths: vec![vec!["main".into()]; caps],
        });
        let mut sources = SourceMap::new();
        sources.add("main.jet", "x\n");
        let lowered = lower(&mut self.p, &sources, Vec::new()).unwrap();
        verified(&lowered.bundle)
    }
}

fn verified(bundle: &Bundle) -> String {
    let text = jet_bytecode::disasm::disassemble(bundle);
    if let Err(e) = jet_bytecode::verify::verify(bundle.clone()) {
        panic!("{e}\n{text}");
    }
    if std::env::var("JET_SHOW").is_ok() {
        println!("{text}");
    }
    text
}

/// How often an instruction occurs in the text.
fn count(text: &str, mnemonic: &str) -> usize {
    text.split_whitespace().filter(|w| *w == mnemonic).count()
}

fn while_(cond: Expr, body: Vec<Stmt>) -> Stmt {
    Stmt::While {
        id: LoopId(0),
        cond: Box::new(cond),
        body: Box::new(block(body)),
    }
}

fn for_(iter: ForIter, local: u32, ty: Ty, body: Vec<Stmt>) -> Stmt {
    Stmt::For {
        id: LoopId(7),
        pat: name(local, ty),
        iter: Box::new(iter),
        body: Box::new(block(body)),
    }
}

fn if_(c: Expr, a: Expr, b: Option<Expr>) -> Expr {
    let ty = b.as_ref().map_or(U, |_| a.ty);
    ex(ExprKind::If(Box::new(c), Box::new(a), b.map(Box::new)), ty)
}

#[test]
fn loops_have_one_branch_a_round() {
    let mut p = Prog::new();
    // let mut s = 0; for i in 0..=n: s += i * 3; while s > 100: s = s - 7
    let body = block(vec![
        let_(1, int(0)),
        for_(
            ForIter::Range {
                lo: int(0),
                hi: var(0, I),
                inclusive: true,
            },
            2,
            I,
            vec![set(1, Some(BinOp::Add), bin(BinOp::Mul, var(2, I), int(3)))],
        ),
        while_(
            bin(BinOp::Gt, var(1, I), int(100)),
            vec![set(1, None, bin(BinOp::Sub, var(1, I), int(7)))],
        ),
        ret(var(1, I)),
    ]);
    let f = p.func(
        "sum",
        0,
        1,
        &[("n", I), ("*s", I), ("i", I)],
        (I, N),
        Some(body),
    );
    let main = block(vec![Stmt::Expr(call(f, vec![], vec![int(9)], I, N, I))]);
    let main = p.func("main", 0, 0, &[], (U, N), Some(main));
    let text = p.check(main);
    assert_eq!(count(&text, "jgt_imm"), 1, "{text}");
    assert_eq!(count(&text, "add_imm"), 2, "{text}");
    assert_eq!(count(&text, "mul_int"), 1, "{text}");
}

#[test]
fn lists_options_matches_and_shows() {
    let mut p = Prog::new();
    let li = p.list(I);
    let oi = p.option(I);
    let t0 = p.ty(TyKind::Param(0));
    let lt = p.list(t0);
    let ot = p.option(t0);
    let len = p.func("list_len", 1, 1, &[("xs", lt)], (I, N), None);
    // first[T](xs: [T]) -> T?: if len(xs) == 0: return None; return Some(xs[0])
    let none = ex(
        ExprKind::Construct {
            variant: 1,
            fields: vec![],
        },
        ot,
    );
    let head = ex(ExprKind::Index(Box::new(var(0, lt)), Box::new(int(0))), t0);
    let some = ex(
        ExprKind::Construct {
            variant: 0,
            fields: vec![head],
        },
        ot,
    );
    let size = call(len, vec![t0], vec![var(0, lt)], I, N, I);
    let body = block(vec![
        Stmt::Expr(if_(
            bin(BinOp::Eq, size, int(0)),
            block(vec![ret(none)]),
            None,
        )),
        ret(some),
    ]);
    let first = p.func("first", 1, 1, &[("xs", lt)], (ot, N), Some(body));
    p.p.fns[first.0 as usize].package = PkgId(0);
    // match first(xs): Some(5 | 6) => .., Some(n) if n > 3 => .., Some(n) => n, None => -1
    let f = |v: Expr| call(first, vec![I], vec![v], oi, N, oi);
    let some_pat = |q: Pat| pat(PatKind::Variant(0, vec![(0, q)]), oi);
    let arm = |pat: Pat, guard: Option<Expr>, body: Expr| Arm { pat, guard, body };
    let matched = ex(
        ExprKind::Match(
            Box::new(f(var(0, li))),
            vec![
                arm(
                    some_pat(pat(
                        PatKind::Or(vec![pat(PatKind::Int(5), I), pat(PatKind::Int(6), I)]),
                        I,
                    )),
                    None,
                    int(1),
                ),
                arm(
                    some_pat(name(1, I)),
                    Some(bin(BinOp::Gt, var(1, I), int(3))),
                    var(1, I),
                ),
                arm(some_pat(name(2, I)), None, int(7)),
                arm(pat(PatKind::Variant(1, vec![]), oi), None, int(-1)),
            ],
        ),
        I,
    );
    let or = ex(
        ExprKind::Else(Box::new(f(var(0, li))), Box::new(int(40_000))),
        I,
    );
    let shown = p.show(var(0, li));
    let o = f(var(0, li));
    let shown_option = p.show(o);
    let same = bin(BinOp::Eq, f(var(0, li)), f(var(0, li)));
    let order = bin(BinOp::Lt, var(0, li), var(0, li));
    let main = block(vec![
        let_(0, ex(ExprKind::List(vec![int(1), int(2)]), li)),
        let_(3, matched),
        let_(4, or),
        let_(5, shown),
        let_(6, shown_option),
        let_(8, same),
        let_(9, order),
        for_(
            ForIter::List(var(0, li)),
            7,
            I,
            vec![Stmt::Assign {
                place: Place::Index(Box::new(var(0, li)), Box::new(int(0))),
                op: Some(BinOp::Add),
                value: Box::new(var(7, I)),
                span: at(),
            }],
        ),
    ]);
    let main = p.func(
        "main",
        0,
        0,
        &[
            ("xs", li),
            ("a", I),
            ("b", I),
            ("m", I),
            ("o", I),
            ("s", S),
            ("t", S),
            ("x", I),
            ("eq", B),
            ("lt", B),
        ],
        (U, N),
        Some(main),
    );
    let text = p.check(main);
    // The match and the `else` make no option.
    assert_eq!(count(&text, "get_payload"), 2 + 1, "{text}");
}

#[test]
fn errors_take_their_edges() {
    let mut p = Prog::new();
    let ea = p.adt(
        APP,
        "EA",
        AdtKind::Error,
        0,
        &[("Empty", &[]), ("Bad", &[("at", I)])],
    );
    let eb = p.adt(APP, "EB", AdtKind::Error, 0, &[("Other", &[("why", S)])]);
    let (ea, eb) = (p.adt_ty(ea, vec![]), p.adt_ty(eb, vec![]));
    let set2 = p.p.tys.err_set([ea, eb]);
    let t0 = p.ty(TyKind::Param(0));
    let bad =
        |ty: Ty, v: u32, fields: Vec<Expr>| ex(ExprKind::Construct { variant: v, fields }, ty);
    let raise = |e: Expr| Stmt::Expr(ex(ExprKind::Raise(Box::new(e)), N));
    let fa = block(vec![
        Stmt::Expr(if_(
            bin(BinOp::Lt, var(0, I), int(0)),
            block(vec![raise(bad(ea, 1, vec![var(0, I)]))]),
            None,
        )),
        ret(var(0, I)),
    ]);
    let fa = p.func("fa", 0, 1, &[("n", I)], (I, ea), Some(fa));
    let calla = |v: Expr, ty: Ty| call(fa, vec![], vec![v], I, ea, ty);
    let widened = ex(
        ExprKind::WidenErr(Box::new(bad(eb, 0, vec![text("x")]))),
        set2,
    );
    let fb = block(vec![
        let_(1, try_(calla(var(0, I), I), I)),
        Stmt::Expr(if_(
            bin(BinOp::Eq, var(1, I), int(3)),
            block(vec![raise(widened)]),
            None,
        )),
        ret(var(1, I)),
    ]);
    let fb = p.func("fb", 0, 1, &[("n", I), ("v", I)], (I, set2), Some(fb));
    // apply[X](f: fn(int) -> int ! X) -> int ! X
    let fty = p.ty(TyKind::Borrowed(FnTy {
        params: vec![I],
        uses: vec![],
        ret: I,
        errs: t0,
    }));
    let inner = ex(
        ExprKind::Call {
            callee: Box::new(Callee::Value(Box::new(var(0, fty)))),
            caps: vec![],
            args: vec![int(1)],
            ret: I,
            errs: t0,
        },
        I,
    );
    let apply = p.func(
        "apply",
        1,
        1,
        &[("f", fty)],
        (I, t0),
        Some(block(vec![ret(try_(inner, I))])),
    );
    let ri = p.result(I, set2);
    let callb = |v: Expr, ty: Ty| call(fb, vec![], vec![v], I, set2, ty);
    // A literal that shares a mutable local and fails.
    let lit = |p: &mut Prog, errs: Ty, body: Expr| {
        let ty = p.ty(TyKind::Borrowed(FnTy {
            params: vec![I],
            uses: vec![],
            ret: I,
            errs,
        }));
        ex(
            ExprKind::Lambda(Box::new(Lambda {
                storable: false,
                uses: vec![],
                params: vec![LocalId(if errs == N { 4 } else { 5 })],
                ret: I,
                errs,
                body,
            })),
            ty,
        )
    };
    let plain = lit(
        &mut p,
        N,
        value(vec![set(0, Some(BinOp::Add), var(4, I))], var(0, I)),
    );
    let failing = lit(&mut p, set2, try_(callb(var(5, I), I), I));
    let ok = |q: Pat| pat(PatKind::Variant(0, vec![(0, q)]), ri);
    let err = |q: Pat| pat(PatKind::Variant(1, vec![(0, q)]), ri);
    let arm = |pat: Pat, body: Expr| Arm {
        pat,
        guard: None,
        body,
    };
    let member = |ty: Ty, q: Pat| pat(PatKind::Member(ty, Box::new(q)), set2);
    let looked = ex(
        ExprKind::Match(
            Box::new(callb(int(2), ri)),
            vec![
                arm(ok(name(6, I)), var(6, I)),
                arm(
                    err(member(ea, pat(PatKind::Variant(0, vec![]), ea))),
                    int(0),
                ),
                arm(
                    err(member(
                        ea,
                        pat(PatKind::Variant(1, vec![(0, name(7, I))]), ea),
                    )),
                    var(7, I),
                ),
                arm(err(member(eb, pat(PatKind::Wild, eb))), int(9)),
            ],
        ),
        I,
    );
    let catch = |tys: Vec<Ty>, local: Option<u32>, body: Vec<Stmt>| Catch {
        tys,
        local: local.map(LocalId),
        body: block(body),
    };
    let tried = ex(
        ExprKind::TryCatch {
            body: Box::new(block(vec![
                set(0, None, try_(callb(int(3), I), I)),
                set(0, None, try_(calla(int(3), I), I)),
            ])),
            catches: vec![
                catch(vec![ea], Some(8), vec![set(0, None, int(1))]),
                catch(vec![eb], None, vec![set(0, None, int(2))]),
            ],
        },
        U,
    );
    let ra = p.result(I, ea);
    let stored = calla(int(4), ra);
    let shown = p.show(var(9, ra));
    let main = block(vec![
        let_(0, int(0)),
        let_(1, call(apply, vec![N], vec![plain], I, N, I)),
        let_(
            2,
            try_(call(apply, vec![set2], vec![failing], I, set2, I), I),
        ),
        let_(3, looked),
        Stmt::Expr(tried),
        let_(9, stored),
        let_(10, shown),
        let_(
            11,
            ex(
                ExprKind::Else(Box::new(calla(int(1), ra)), Box::new(int(0))),
                I,
            ),
        ),
        Stmt::Expr(try_(var(9, ra), I)),
    ]);
    let main = p.func(
        "main",
        0,
        0,
        &[
            ("*n", I),
            ("a", I),
            ("b", I),
            ("c", I),
            ("p", I),
            ("q", I),
            ("r", I),
            ("s", I),
            ("e", ea),
            ("st", ra),
            ("sh", S),
            ("el", I),
        ],
        (U, set2),
        Some(main),
    );
    let text = p.check(main);
    assert!(text.contains("make_borrowed"), "{text}");
}

#[test]
fn authority_goes_down() {
    let mut p = Prog::new();
    let out = p.cap("Out", &[("put", vec![S], U)]);
    let more = p.cap("More", &[("twice", vec![S], U)]);
    let (co, cm) = (p.ty(TyKind::Cap(out)), p.ty(TyKind::Cap(more)));
    let put = |cap: Expr, s: Expr, m: u32| {
        Stmt::Expr(ex(
            ExprKind::Call {
                callee: Box::new(Callee::Cap {
                    cap: Box::new(cap),
                    method: m,
                }),
                caps: vec![],
                args: vec![s],
                ret: U,
                errs: N,
            },
            U,
        ))
    };
    let att = p.adt(
        APP,
        "Twice",
        AdtKind::Attenuator,
        0,
        &[("Twice", &[("pre", S), ("out", co)])],
    );
    let fake = p.adt(
        APP,
        "Buffer",
        AdtKind::Struct,
        0,
        &[("Buffer", &[("text", S)])],
    );
    let (ta, tf) = (p.adt_ty(att, vec![]), p.adt_ty(fake, vec![]));
    let field = |e: Expr, i: u32, ty: Ty| ex(ExprKind::Field(Box::new(e), i), ty);
    let method = block(vec![
        put(
            field(var(0, ta), 1, co),
            bin(BinOp::Add, field(var(0, ta), 0, S), var(1, S)),
            0,
        ),
        put(field(var(0, ta), 1, co), var(1, S), 0),
    ]);
    let twice = p.func(
        "Twice.More.twice",
        0,
        2,
        &[("self", ta), ("s", S)],
        (U, N),
        Some(method),
    );
    let keep = block(vec![Stmt::Assign {
        place: Place::Field(Box::new(var(0, tf)), 0),
        op: Some(BinOp::Add),
        value: Box::new(var(1, S)),
        span: at(),
    }]);
    let keep = p.func(
        "Buffer.Out.put",
        0,
        2,
        &[("self", tf), ("s", S)],
        (U, N),
        Some(keep),
    );
    for (cap, self_ty, f) in [(more, ta, twice), (out, tf, keep)] {
        p.p.impls.push(ImplDef {
            package: APP,
            generics: 0,
            interface: ImplOf::Cap(cap),
            self_ty,
            methods: vec![Some(f)],
            span: at(),
        });
    }
    let fty = p.ty(TyKind::Borrowed(FnTy {
        params: vec![S],
        uses: vec![],
        ret: U,
        errs: N,
    }));
    let each = block(vec![Stmt::Expr(ex(
        ExprKind::Call {
            callee: Box::new(Callee::Value(Box::new(var(0, fty)))),
            caps: vec![],
            args: vec![text("a")],
            ret: U,
            errs: N,
        },
        U,
    ))]);
    let each = p.func("each", 0, 1, &[("f", fty)], (U, N), Some(each));
    let say = p.func(
        "say",
        0,
        1,
        &[("s", S), ("Out", co)],
        (U, N),
        Some(block(vec![put(var(1, co), var(0, S), 0)])),
    );
    p.uses(say, vec![(out, LocalId(1))]);
    let storable = p.ty(TyKind::Fn(FnTy {
        params: vec![S],
        uses: vec![out],
        ret: U,
        errs: N,
    }));
    let bind = |f: Expr| {
        ex(
            ExprKind::BindFn {
                func: Box::new(f),
                caps: vec![var(0, co)],
            },
            fty,
        )
    };
    let reference = ex(ExprKind::FnRef(say, vec![]), storable);
    let made = ex(
        ExprKind::Construct {
            variant: 0,
            fields: vec![text(">"), var(0, co)],
        },
        ta,
    );
    let buffer = ex(
        ExprKind::Construct {
            variant: 0,
            fields: vec![text("")],
        },
        tf,
    );
    let as_cap = |e: Expr, ty: Ty| ex(ExprKind::AsCap(Box::new(e)), ty);
    let lambda = ex(
        ExprKind::Lambda(Box::new(Lambda {
            storable: false,
            uses: vec![],
            params: vec![LocalId(5)],
            ret: U,
            errs: N,
            body: block(vec![put(var(0, co), var(5, S), 0)]),
        })),
        fty,
    );
    let main = block(vec![
        let_(3, reference.clone()),
        Stmt::Expr(call(each, vec![], vec![bind(reference)], U, N, U)),
        Stmt::Expr(call(each, vec![], vec![bind(var(3, storable))], U, N, U)),
        Stmt::Expr(call(each, vec![], vec![lambda], U, N, U)),
        Stmt::Expr(ex(
            ExprKind::With(
                vec![(LocalId(1), as_cap(made, cm))],
                Box::new(block(vec![put(var(1, cm), text("x"), 0)])),
            ),
            U,
        )),
        Stmt::Expr(ex(
            ExprKind::With(
                vec![(LocalId(2), as_cap(buffer, co))],
                Box::new(block(vec![put(var(2, co), text("y"), 0)])),
            ),
            U,
        )),
    ]);
    let main = p.func(
        "main",
        0,
        0,
        &[
            ("Out", co),
            ("More", cm),
            ("Out", co),
            ("f", storable),
            ("x", I),
            ("s", S),
        ],
        (U, N),
        Some(main),
    );
    p.uses(main, vec![(out, LocalId(0))]);
    let text = p.check(main);
    assert_eq!(count(&text, "new_att"), 1, "{text}");
    assert_eq!(count(&text, "bind_fn"), 1, "{text}");
}

#[test]
fn objects_and_derived_functions() {
    let mut p = Prog::new();
    let f = TyTable::FLOAT;
    let c = TyTable::CHAR;
    let li = p.list(I);
    let pair = p.ty(TyKind::Tuple(vec![I, S]));
    let point = p.adt(
        APP,
        "Point",
        AdtKind::Struct,
        0,
        &[("Point", &[("x", f), ("t", pair), ("c", c)])],
    );
    let tp = p.adt_ty(point, vec![]);
    let color = p.adt(
        APP,
        "Color",
        AdtKind::Enum,
        0,
        &[
            ("Red", &[]),
            ("Green", &[]),
            ("Blue", &[]),
            ("Black", &[]),
            ("White", &[]),
        ],
    );
    let tc = p.adt_ty(color, vec![]);
    let token = p.adt(
        APP,
        "Token",
        AdtKind::Enum,
        0,
        &[
            ("Number", &[("value", I)]),
            ("Word", &[("text", S)]),
            ("At", &[("p", tp), ("color", tc)]),
            ("List", &[("items", li)]),
            ("End", &[]),
        ],
    );
    let tt = p.adt_ty(token, vec![]);
    let show = p.p.lang.show.unwrap();
    let dyn_show = p.ty(TyKind::Dyn(show, vec![]));
    let make = |e: Expr| ex(ExprKind::MakeDyn(Box::new(e)), dyn_show);
    let dyn_call = |e: Expr| {
        ex(
            ExprKind::Call {
                callee: Box::new(Callee::Dyn {
                    trait_id: show,
                    trait_args: vec![],
                    method: 0,
                }),
                caps: vec![],
                args: vec![e],
                ret: S,
                errs: N,
            },
            S,
        )
    };
    let lang = |p: &Prog, t: Option<TraitId>, args: Vec<Expr>, ret: Ty| {
        let _ = p;
        ex(
            ExprKind::Call {
                callee: Box::new(Callee::Trait {
                    trait_id: t.unwrap(),
                    trait_args: vec![],
                    self_ty: args[0].ty,
                    method: 0,
                    method_args: vec![],
                }),
                caps: vec![],
                args,
                ret,
                errs: N,
            },
            ret,
        )
    };
    let construct =
        |ty: Ty, v: u32, fields: Vec<Expr>| ex(ExprKind::Construct { variant: v, fields }, ty);
    let tuple = ex(ExprKind::Tuple(vec![int(1), text("a")]), pair);
    let chr = ex(ExprKind::Char('x'), c);
    let a_point = construct(tp, 0, vec![ex(ExprKind::Float(1.5), f), tuple, chr]);
    let a_token = construct(tt, 2, vec![var(0, tp), construct(tc, 2, vec![])]);
    let arm = |pat: Pat, body: Expr| Arm {
        pat,
        guard: None,
        body,
    };
    let v = |i: u32, subs: Vec<(u32, Pat)>| pat(PatKind::Variant(i, subs), tt);
    let matched = ex(
        ExprKind::Match(
            Box::new(var(1, tt)),
            vec![
                arm(v(0, vec![(0, pat(PatKind::Int(3), I))]), int(30)),
                arm(v(0, vec![(0, name(2, I))]), var(2, I)),
                arm(v(1, vec![(0, pat(PatKind::Str("x".into()), S))]), int(1)),
                arm(
                    v(
                        3,
                        vec![(
                            0,
                            pat(
                                PatKind::List {
                                    front: vec![name(3, I)],
                                    rest: Some(Some(LocalId(4))),
                                    back: vec![pat(PatKind::Range(1, 9), I)],
                                },
                                li,
                            ),
                        )],
                    ),
                    var(3, I),
                ),
                arm(v(4, vec![]), int(5)),
                arm(v(2, vec![]), int(6)),
                arm(pat(PatKind::Wild, tt), int(7)),
            ],
        ),
        I,
    );
    let mut stmts = vec![let_(0, a_point), let_(1, a_token), let_(5, matched)];
    let (eq, hash, ord) = (p.p.lang.eq, p.p.lang.hash, p.p.lang.ord);
    let oty = p.adt_ty(p.p.lang.ordering.unwrap(), vec![]);
    for ty in [tt, tp, tc, li, pair] {
        let x = || match ty {
            t if t == tt => var(1, tt),
            t if t == tp => var(0, tp),
            t if t == tc => construct(tc, 0, vec![]),
            t if t == li => ex(ExprKind::List(vec![int(1)]), li),
            _ => ex(ExprKind::Tuple(vec![int(1), text("a")]), pair),
        };
        stmts.push(Stmt::Expr(lang(&p, eq, vec![x(), x()], B)));
        stmts.push(Stmt::Expr(lang(&p, hash, vec![x()], I)));
        stmts.push(Stmt::Expr(lang(&p, ord, vec![x(), x()], oty)));
        stmts.push(Stmt::Expr(dyn_call(make(x()))));
    }
    stmts.push(let_(
        6,
        ex(
            ExprKind::Interp(vec![
                Piece::Text("n=".into()),
                Piece::Value(int(3), Some(">4".into())),
                Piece::Value(var(0, tp), None),
            ]),
            S,
        ),
    ));
    let range = p.adt_ty(p.p.lang.range.unwrap(), vec![]);
    stmts.push(for_(
        ForIter::RangeValue(construct(range, 0, vec![int(0), int(9), int(2)])),
        7,
        I,
        vec![],
    ));
    let main = p.func(
        "main",
        0,
        0,
        &[
            ("p", tp),
            ("t", tt),
            ("a", I),
            ("b", I),
            ("r", li),
            ("m", I),
            ("s", S),
            ("i", I),
        ],
        (U, N),
        Some(block(stmts)),
    );
    let text = p.check(main);
    assert!(text.contains("switch"), "{text}");
    assert!(text.contains("Point(x = "), "{text}");
}

#[test]
fn endless_instances_are_refused() {
    let mut p = Prog::new();
    let t0 = p.ty(TyKind::Param(0));
    let lt = p.list(t0);
    let f = p.func("grow", 1, 1, &[("x", t0)], (U, N), None);
    let wrapped = ex(ExprKind::List(vec![var(0, t0)]), lt);
    let again = call(f, vec![lt], vec![wrapped], U, N, U);
    let def = &mut p.p.fns[f.0 as usize];
    def.intrinsic = None;
    def.body = Some(block(vec![Stmt::Expr(again)]));
    let start = call(f, vec![I], vec![int(1)], U, N, U);
    let main = p.func(
        "main",
        0,
        0,
        &[],
        (U, N),
        Some(block(vec![Stmt::Expr(start)])),
    );
    p.p.main = Some(Entry {
        function: main,
        paths: vec![],
    });
    let e = lower(&mut p.p, &SourceMap::new(), Vec::new()).unwrap_err();
    assert!(e.message.contains("ever larger"), "{e}");
}
