//! An entry of the REPL: items and statements in any order, as if a module's text were also the body
//! of a function.

use super::{Options, Parser};
use crate::ast::{ExprKind, Item, ItemKind, Module, Pat, PatKind, Stmt, StmtKind};
use crate::diag::Sink;
use crate::lexer::lex;
use crate::source::{FileId, Ident, Interner, Symbol, sym};
use crate::token::T;
use bumpalo::Bump;

/// What an entry consists of.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// Declarations.
    pub items: Vec<Item<'a>>,
    /// Statements.
    pub stmts: Vec<Stmt<'a>>,
    /// Names that the statements bind for what follows, and whether they are `mut`.
    pub bound: Vec<(Symbol, bool)>,
    /// Whether the last statement is an expression whose value can be kept.
    pub value: bool,
}

/// Reads an entry. Its nodes continue the numbers of `module`, whose counts are raised. With `keep`,
/// the value of the last statement is bound to that name.
pub(crate) fn parse_entry<'a>(
    arena: &'a Bump,
    (file, text): (FileId, &str),
    module: &mut Module<'a>,
    keep: Option<&str>,
    names: &mut Interner,
    sink: &mut Sink,
) -> Entry<'a> {
    let lexed = lex(file, text, sink);
    let keep = keep.map(|name| names.intern(name));
    let mut parser = Parser::new(arena, (file, text), lexed, &Options::default(), names, sink);
    parser.exprs = module.expr_count;
    parser.pats = module.pat_count;
    parser.types = module.type_count;
    let (mut items, mut stmts) = (Vec::new(), Vec::new());
    parser.lines(0, |p| {
        if p.item_ahead() {
            items.extend(p.item());
        } else {
            stmts.push(p.stmt());
        }
    });
    let mut value = false;
    if let Some(Stmt {
        kind: StmtKind::Expr(e),
        span,
    }) = stmts.last().copied()
    {
        value = !matches!(
            e.kind,
            ExprKind::If { .. }
                | ExprKind::Match { .. }
                | ExprKind::Return(_)
                | ExprKind::Raise(_)
                | ExprKind::Break(_)
                | ExprKind::Continue(_)
                | ExprKind::Error
        );
        if let Some(name) = keep.filter(|_| value) {
            let name = Ident { name, span };
            let bind = PatKind::Bind {
                name,
                mutable: false,
            };
            let pat = parser.pat(span, bind);
            stmts.pop();
            stmts.push(Stmt {
                span,
                kind: StmtKind::Let {
                    pat: parser.alloc(pat),
                    ty: None,
                    init: e,
                    otherwise: None,
                },
            });
        }
    }
    module.expr_count = parser.exprs;
    module.pat_count = parser.pats;
    module.type_count = parser.types;
    let mut bound: Vec<(Symbol, bool)> = Vec::new();
    for stmt in &stmts {
        if let StmtKind::Let { pat, .. } = stmt.kind {
            bind(pat, &mut bound);
        }
    }
    Entry {
        items,
        stmts,
        bound,
        value,
    }
}

/// Names that a pattern binds; a later one takes the place of an earlier one.
fn bind(pat: &Pat<'_>, out: &mut Vec<(Symbol, bool)>) {
    let mut add = |name: Symbol, mutable: bool| {
        out.retain(|(n, _)| *n != name);
        out.push((name, mutable));
    };
    match pat.kind {
        PatKind::Bind { name, mutable } => add(name.name, mutable),
        PatKind::At { name, pat } => {
            add(name.name, false);
            bind(pat, out);
        }
        PatKind::Tuple(pats) | PatKind::Or(pats) => pats.iter().for_each(|p| bind(p, out)),
        PatKind::List {
            before,
            rest,
            after,
        } => {
            if let Some(name) = rest.and_then(|rest| rest.name) {
                add(name.name, false);
            }
            before.iter().chain(after).for_each(|p| bind(p, out));
        }
        PatKind::Call { args, .. } => args.iter().for_each(|arg| bind(&arg.pat, out)),
        _ => {}
    }
}

impl Parser<'_, '_> {
    /// Whether the line here is a declaration.
    fn item_ahead(&mut self) -> bool {
        match self.peek() {
            T::Import | T::Const | T::Struct | T::Enum | T::Trait | T::Impl | T::Pub => true,
            T::Fn => self.peek_at(1) == T::Ident,
            T::Ident => {
                let next = self.peek_at(1);
                let before_name = [
                    sym::error,
                    sym::from,
                    sym::capability,
                    sym::capset,
                    sym::derive,
                    sym::class,
                    sym::interface,
                ];
                let before_text = [sym::test, sym::extern_];
                let before_fn = [sym::deferred, sym::intrinsic];
                self.foreign_fn_at(self.pos)
                    || next == T::Ident && before_name.iter().any(|w| self.at_word(*w))
                    || matches!(next, T::Str | T::RawStr)
                        && before_text.iter().any(|w| self.at_word(*w))
                    || next == T::Fn && before_fn.iter().any(|w| self.at_word(*w))
            }
            _ => false,
        }
    }
}

/// The name that an item declares.
pub(crate) fn item_name(item: &Item<'_>) -> Option<Symbol> {
    Some(match item.kind {
        ItemKind::Const(i) => i.name.name,
        ItemKind::Struct(i) => i.name.name,
        ItemKind::Enum(i) => i.name.name,
        ItemKind::Trait(i) => i.name.name,
        ItemKind::Capability(i) => i.name.name,
        ItemKind::CapSet(i) => i.name.name,
        ItemKind::Fn(i) => i.name.name,
        _ => return None,
    })
}
