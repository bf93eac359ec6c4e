//! Patterns.

use super::{Ident, PatId, Path, Span};

/// A pattern.
#[derive(Clone, Copy, Debug)]
pub struct Pat<'a> {
    /// Key of side tables.
    pub id: PatId,
    /// Where it is written.
    pub span: Span,
    /// What is written.
    pub kind: PatKind<'a>,
}

/// The forms of patterns.
#[derive(Clone, Copy, Debug)]
pub enum PatKind<'a> {
    /// `_`.
    Wild,
    /// `x`, `mut x`.
    Bind {
        /// The name that is bound.
        name: Ident,
        /// Whether it may be assigned.
        mutable: bool,
    },
    /// `n @ 1..=9`.
    At {
        /// The name that is bound.
        name: Ident,
        /// What the value has to match.
        pat: &'a Pat<'a>,
    },
    /// A literal.
    Literal(PatLiteral<'a>),
    /// `'0'..='9'`, `1..`, `..=9`; at least one end is there.
    Range {
        /// First value.
        lo: Option<PatLiteral<'a>>,
        /// Last value, or one past it.
        hi: Option<PatLiteral<'a>>,
        /// Whether `hi` belongs to the range.
        inclusive: bool,
    },
    /// `(a, b)`; no element is `()`.
    Tuple(&'a [Pat<'a>]),
    /// `[first, ..rest, last]`.
    List {
        /// Before the `..`, or all of it.
        before: &'a [Pat<'a>],
        /// The `..`, with the name of the rest if it has one.
        rest: Option<RestPat>,
        /// Behind the `..`.
        after: &'a [Pat<'a>],
    },
    /// `None`, `Token.End`; also a lone upper-case name such as a constant.
    Path(Path<'a>),
    /// `Some(x)`, `Token.Number(n)`, `Point(x = 0.0, ..)`.
    Call {
        /// Variant or struct.
        path: Path<'a>,
        /// Patterns of the payload or fields.
        args: &'a [PatArg<'a>],
        /// The `..` at the end: the rest does not matter.
        rest: Option<Span>,
    },
    /// `a | b`: at least two alternatives.
    Or(&'a [Pat<'a>]),
    /// What could not be read; a diagnostic has said so.
    Error,
}

/// A literal in a pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PatLiteral<'a> {
    /// An integer, sign included.
    Int(i64),
    /// A float, sign included.
    Float(f64),
    /// `true`, `false`.
    Bool(bool),
    /// A character.
    Char(char),
    /// A string.
    Str(&'a str),
}

/// The `..rest` of a list pattern.
#[derive(Clone, Copy, Debug)]
pub struct RestPat {
    /// Id of the binding (given out whether or not it has a name).
    pub id: PatId,
    /// Name of the rest, if it is bound.
    pub name: Option<Ident>,
    /// The `..` and the name.
    pub span: Span,
}

/// An argument of a variant or struct pattern.
#[derive(Clone, Copy, Debug)]
pub struct PatArg<'a> {
    /// `x` of `x = 0.0`.
    pub name: Option<Ident>,
    /// The pattern.
    pub pat: Pat<'a>,
}

impl Pat<'_> {
    /// Whether the form alone shows that every value matches: a name, `_`, or a tuple or struct of
    /// such. (Whether a struct's name is really one is for the checker.)
    pub fn is_plain(&self) -> bool {
        match self.kind {
            PatKind::Wild | PatKind::Bind { .. } | PatKind::Error => true,
            PatKind::At { pat, .. } => pat.is_plain(),
            PatKind::Tuple(pats) => pats.iter().all(Pat::is_plain),
            PatKind::Call { path, args, .. } => {
                use crate::source::sym;
                let known = [sym::Some_, sym::Ok_, sym::Err_];
                path.single().is_some_and(|i| !known.contains(&i.name))
                    && args.iter().all(|a| a.pat.is_plain())
            }
            PatKind::List {
                before,
                rest,
                after,
            } => rest.is_some() && before.is_empty() && after.is_empty(),
            PatKind::Literal(_) | PatKind::Range { .. } | PatKind::Path(_) | PatKind::Or(_) => {
                false
            }
        }
    }
}
