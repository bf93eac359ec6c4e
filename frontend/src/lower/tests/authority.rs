//! Capabilities, attenuators, objects, derived functions, endless instances.

use super::*;

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
