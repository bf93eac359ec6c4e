//! Written types, generics and lists of capabilities.
//!
//! An error set stands in `errors` of functions and function types; as a type of its own (`Union`)
//! it stands only as a type argument (`Result[T, A | B]`) or after `catch e:`.

use super::{Ident, Path, Span, TypeExprId};

/// A written type.
#[derive(Clone, Copy, Debug)]
pub struct TypeExpr<'a> {
    /// Key of side tables.
    pub id: TypeExprId,
    /// Where it is written.
    pub span: Span,
    /// What is written.
    pub kind: TypeKind<'a>,
}

/// The forms of types.
#[derive(Clone, Copy, Debug)]
pub enum TypeKind<'a> {
    /// `int`, `Map[string, int]`, `shapes.Shape`, `T`, `Self`.
    Path {
        /// The name.
        path: Path<'a>,
        /// What stands in brackets behind it; empty without brackets.
        args: &'a [TypeExpr<'a>],
    },
    /// `[T]`.
    List(&'a TypeExpr<'a>),
    /// `(A, B)`; no element is the unit type `()`.
    Tuple(&'a [TypeExpr<'a>]),
    /// `T?`.
    Option(&'a TypeExpr<'a>),
    /// `fn(A, B) -> R uses C ! E`.
    Fn(&'a FnType<'a>),
    /// `A | B` as a type argument: at least two members.
    Union(&'a [TypeExpr<'a>]),
    /// `C + D` as argument of an authority parameter: at least two members.
    Caps(&'a [Path<'a>]),
    /// What could not be read; a diagnostic has said so.
    Error,
}

/// A function type.
#[derive(Clone, Copy, Debug)]
pub struct FnType<'a> {
    /// Span of `own`, if written.
    pub own: Option<Span>,
    /// Parameter types.
    pub params: &'a [TypeExpr<'a>],
    /// Result; `None` is `()`.
    pub ret: Option<&'a TypeExpr<'a>>,
    /// What stands after `uses`.
    pub uses: &'a [Path<'a>],
    /// What stands after `!`.
    pub errors: &'a [TypeExpr<'a>],
}

/// A generic parameter: `T: Ord + Show` or `uses U`.
#[derive(Clone, Copy, Debug)]
pub struct GenericParam<'a> {
    /// Its name.
    pub name: Ident,
    /// Whether it stands for capabilities (`uses U`).
    pub is_uses: bool,
    /// Bounds; each is a `TypeKind::Path`.
    pub bounds: &'a [TypeExpr<'a>],
    /// All of it.
    pub span: Span,
}

/// One condition of `where`: `T: Ord + Show`.
#[derive(Clone, Copy, Debug)]
pub struct WherePred<'a> {
    /// The type that is bound.
    pub ty: TypeExpr<'a>,
    /// Bounds; each is a `TypeKind::Path`.
    pub bounds: &'a [TypeExpr<'a>],
    /// All of it.
    pub span: Span,
}
