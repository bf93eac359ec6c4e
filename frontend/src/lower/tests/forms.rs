//! Loops, lists, options, matches, errors.

use super::*;

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
