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

mod authority;
mod forms;
mod fused;
mod shared;
