//! What tells values to people: assertions of a program that is compiled to run its tests, and `dbg`.
//!
//! What must stay true: a program cannot see what `dbg` wrote, and programs that are built hold none.

use super::body::{bad, ex, gone};
use super::cx::Want;
use super::prove::Proof;
use super::{Checker, codes};
use crate::ast::Arg;
use crate::source::Span;
use crate::thir::{BinOp, Callee, Expr, ExprKind, Pat, PatKind, Piece, Stmt, TyTable, UnOp};

/// Most characters of an expression that `dbg` repeats.
const TEXT: usize = 80;

impl<'a> Checker<'a, '_> {
    /// `assert a == b` that tells both values when it fails; nothing, if it does not compare values that can be
    /// shown.
    pub(super) fn telling_assert(&mut self, cond: &Expr, text: &str, span: Span) -> Option<Expr> {
        let own = self.pkg_of(self.cx.scope.module).0 as usize + 1 == self.pkgs.len();
        let ExprKind::Binary(op, left, right) = &cond.kind else {
            return None;
        };
        let op = *op;
        let compares = matches!(
            op,
            BinOp::Eq | BinOp::Ne | BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge
        );
        let ty = self.zonk(left.ty);
        let show = self.prog.lang.show?;
        let inner = self.intrinsics.get("show_inner").copied()?;
        if !own || !compares || self.prove(ty, show, &[]) != Proof::Yes {
            return None;
        }
        let mut stmts = Vec::new();
        let mut pieces = vec![Piece::Text(format!("assertion failed: {text}"))];
        let mut sides = Vec::new();
        for (name, e) in [("left", left), ("right", right)] {
            let local = self.cx.new_local(name, ty, false, span);
            stmts.push(Stmt::Let {
                pat: Pat {
                    kind: PatKind::Bind(local, None),
                    ty,
                    span,
                },
                init: Box::new(Expr::clone(e)),
                otherwise: None,
            });
            let value = ex(ExprKind::Local(local), ty, span);
            let shown = ExprKind::Call {
                callee: Box::new(Callee::Fn(inner, vec![ty])),
                caps: Vec::new(),
                args: vec![value.clone()],
                ret: TyTable::STR,
                errs: TyTable::NEVER,
            };
            pieces.push(Piece::Text(format!("\n  {name}: ")));
            pieces.push(Piece::Value(ex(shown, TyTable::STR, span), None));
            sides.push(Box::new(value));
        }
        let [left, right] = <[Box<Expr>; 2]>::try_from(sides).ok()?;
        let again = ex(ExprKind::Binary(op, left, right), TyTable::BOOL, span);
        let not = ex(
            ExprKind::Unary(UnOp::Not, Box::new(again)),
            TyTable::BOOL,
            span,
        );
        let message = ex(ExprKind::Interp(pieces), TyTable::STR, span);
        let panic = ex(ExprKind::Panic(Box::new(message)), TyTable::NEVER, span);
        stmts.push(Stmt::Expr(ex(
            ExprKind::If(Box::new(not), Box::new(panic), None),
            TyTable::UNIT,
            span,
        )));
        Some(ex(ExprKind::Block(stmts, None), TyTable::UNIT, span))
    }

    /// Whether the function that is being checked is in the root package and, unless someone debugs, a `test` block.
    fn may_debug(&self) -> bool {
        let own = self.pkg_of(self.cx.scope.module).0 as usize + 1 == self.pkgs.len();
        let mut cx = Some(&self.cx);
        while let Some(at) = cx {
            let test = self.prog.tests.iter().any(|t| Some(t.function) == at.fn_id);
            if own && (test || self.purpose.debugs) {
                return true;
            }
            cx = at.parent.as_deref();
        }
        false
    }

    /// `dbg(x)`: its value, which a line in the log tells.
    pub(super) fn dbg_call(&mut self, args: &'a [Arg<'a>], span: Span) -> Expr {
        let [arg] = args else {
            self.drop_args(args);
            self.err_help(
                codes::ARGUMENTS,
                span,
                format!("`dbg` takes one value, here are {}", args.len()),
                "for several write a tuple: `dbg((a, b))`",
            );
            return bad(span);
        };
        let value = self.expr(&arg.value, Want::Any);
        let ty = self.zonk(value.ty);
        if !self.may_debug() {
            self.err_help(
                codes::DEBUG,
                span,
                "`dbg` stands in programs that `jetvm test` and `jetvm repl` run, not in what is built",
                "remove it; a program tells things by `Console`",
            );
            return bad(span);
        }
        let inner = self.intrinsics.get("show_inner").copied();
        let (Some(show), Some(inner)) = (self.prog.lang.show, inner) else {
            return bad(span);
        };
        if self.is_error(ty) || self.is_never(ty) {
            return gone(vec![value], span);
        }
        self.cx
            .oblige(ty, show, Vec::new(), value.span, "`dbg`".to_string());
        let words: Vec<&str> = self
            .sources
            .text(arg.value.span)
            .split_whitespace()
            .collect();
        let text = words.join(" ");
        let mut short: String = text.chars().take(TEXT).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        let mut stmts = Vec::new();
        let held = self.hold(value, "dbg", &mut stmts);
        let shown = ExprKind::Call {
            callee: Box::new(Callee::Fn(inner, vec![ty])),
            caps: Vec::new(),
            args: vec![held.clone()],
            ret: TyTable::STR,
            errs: TyTable::NEVER,
        };
        let pieces = vec![
            Piece::Text(format!("{}: {short} = ", self.place(span))),
            Piece::Value(ex(shown, TyTable::STR, span), None),
        ];
        let line = ex(ExprKind::Interp(pieces), TyTable::STR, span);
        let note = self.intrinsic("debug_line", vec![line], TyTable::UNIT, Vec::new(), span);
        stmts.push(Stmt::Expr(note));
        ex(ExprKind::Block(stmts, Some(Box::new(held))), ty, span)
    }

    /// A local of a checked expression, for desugared forms that need it twice.
    pub(super) fn hold(&mut self, e: Expr, name: &str, stmts: &mut Vec<Stmt>) -> Expr {
        let (ty, span) = (e.ty, e.span);
        if let ExprKind::Local(id) = e.kind
            && !self.cx.infos.get(id.0 as usize).is_some_and(|i| i.mutable)
        {
            return e;
        }
        let local = self.cx.new_local(name, ty, false, span);
        stmts.push(Stmt::Let {
            pat: crate::thir::Pat {
                kind: crate::thir::PatKind::Bind(local, None),
                ty,
                span,
            },
            init: Box::new(e),
            otherwise: None,
        });
        ex(ExprKind::Local(local), ty, span)
    }
}
