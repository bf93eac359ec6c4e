//! Assertions of a program that is compiled to run its tests: they tell the values that they compare.

use super::Checker;
use super::body::ex;
use super::prove::Proof;
use crate::source::Span;
use crate::thir::{BinOp, Callee, Expr, ExprKind, Pat, PatKind, Piece, Stmt, TyTable, UnOp};

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
}
