//! The syntax tree of one module, in a bumpalo arena.
//!
//! Nodes are `Copy` and refer to each other by `&'a`. Every node has a span. Expressions, patterns
//! (parameters and `catch` names count as patterns: they bind) and written types have ids that are
//! dense per module, from 0 up to the counts in [`Module`], so that later stages use side tables.
//! The tree holds what was written: whether a name is a type, a module, a capability or a value is
//! for the name resolution to say. What must stay true: tree height is bounded by
//! `parser::MAX_HEIGHT`, so recursive walks are safe.
//!
//! Choices that a walk has to know:
//! - Parentheses leave no node. `()` is `Tuple(&[])`.
//! - `a.b(x)` is `MethodCall` whatever `a` is (value, module, enum, capability); `a.b` is `Field`.
//! - Type arguments: `Map[string, int]()` is `Call { type_args }`, `x.f[int](…)` is
//!   `MethodCall { type_args }`, any other mention (`Result[int, E].Ok(1)`) is `TypeApply`. What
//!   tells it from an index: the base is a `PascalCase` name; or it is a `snake_case` name or field,
//!   a `(` follows `]`, and everything between reads as types (a primitive type, a `PascalCase`
//!   name, `[T]`, `T?`, tuple or `fn` of such). `fs[LIMIT](x)` and `fs[i](x)` are an index and a call.
//! - `return`, `raise`, `break`, `continue` are expressions of no value. The parser lets them stand
//!   only as a statement, right of `else`, and as an arm's or `=>` literal's body.
//! - In a pattern a lone lower-case name binds; a lone upper-case name is `Path`.

pub mod expr;
pub mod item;
pub mod pat;
pub mod ty;

pub use crate::source::{FileId, Ident, Span, Symbol};
pub use expr::*;
pub use item::*;
pub use pat::*;
pub use ty::*;

/// Id of an expression, dense per module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExprId(pub u32);

/// Id of a pattern, parameter or other binding place, dense per module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatId(pub u32);

/// Id of a written type, dense per module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeExprId(pub u32);

/// One parsed file.
#[derive(Clone, Copy, Debug)]
pub struct Module<'a> {
    /// The file.
    pub file: FileId,
    /// Its documentation (`##` lines at the top, set off by a blank line).
    pub docs: Option<&'a str>,
    /// Items in the order of the text.
    pub items: &'a [Item<'a>],
    /// Number of expression ids given out.
    pub expr_count: u32,
    /// Number of pattern ids given out.
    pub pat_count: u32,
    /// Number of type ids given out.
    pub type_count: u32,
}

/// A dotted name: `math`, `shapes.Shape`, `Token.End`. Never empty.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    /// The names between the dots, at least one.
    pub segments: &'a [Ident],
    /// All of it.
    pub span: Span,
}

impl Path<'_> {
    /// The last name.
    pub fn last(&self) -> Ident {
        self.segments.last().copied().unwrap_or(Ident {
            name: crate::source::sym::empty,
            span: self.span,
        })
    }

    /// The name, if it has no dot.
    pub fn single(&self) -> Option<Ident> {
        match self.segments {
            [one] => Some(*one),
            _ => None,
        }
    }
}
