//! Expressions, statements and blocks.

use super::{ExprId, FnItem, Ident, Param, Pat, PatId, Path, Span, Symbol, TypeExpr};

/// An expression.
#[derive(Clone, Copy, Debug)]
pub struct Expr<'a> {
    /// Key of side tables.
    pub id: ExprId,
    /// Where it is written (parentheses included).
    pub span: Span,
    /// What is written.
    pub kind: ExprKind<'a>,
}

/// The forms of expressions.
#[derive(Clone, Copy, Debug)]
pub enum ExprKind<'a> {
    /// Integer literal; `-9223372036854775808` is one too.
    Int(i64),
    /// Float literal, always finite.
    Float(f64),
    /// `true`, `false`.
    Bool(bool),
    /// Character literal.
    Char(char),
    /// String literal of any form, decoded.
    Str(&'a str),
    /// `f"…"`.
    FStr(&'a [FPart<'a>]),
    /// `(a, b)`; no element is `()`. A single element has no tuple.
    Tuple(&'a [Expr<'a>]),
    /// `[1, 2]`.
    List(&'a [Expr<'a>]),
    /// `[v; n]`.
    ListRepeat {
        /// The element.
        value: &'a Expr<'a>,
        /// How often.
        count: &'a Expr<'a>,
    },
    /// `{"a": 1}`.
    Map(&'a [MapEntry<'a>]),
    /// A name: value, function, type, module, capability, `self`, `Self`, `None`.
    Name(Symbol),
    /// `a.b` without a call.
    Field {
        /// Left of the dot.
        base: &'a Expr<'a>,
        /// Right of it.
        name: Ident,
    },
    /// `t.0`.
    TupleField {
        /// Left of the dot.
        base: &'a Expr<'a>,
        /// Right of it.
        index: u32,
        /// Span of the index.
        index_span: Span,
    },
    /// `f(x)`, `Point(x = 1.0)`, `Map[string, int]()`, `(pick())(x)`.
    Call {
        /// What is called.
        callee: &'a Expr<'a>,
        /// Type arguments in brackets; empty without.
        type_args: &'a [TypeExpr<'a>],
        /// Arguments.
        args: &'a [Arg<'a>],
    },
    /// `a.b(x)`, `math.sqrt(x)`, `Token.Number(1)`, `Console.print(s)`.
    MethodCall {
        /// Left of the dot.
        recv: &'a Expr<'a>,
        /// Right of it.
        name: Ident,
        /// Type arguments in brackets; empty without.
        type_args: &'a [TypeExpr<'a>],
        /// Arguments.
        args: &'a [Arg<'a>],
    },
    /// `xs[i]`, `xs[a..b]` (the index is a `Range`, whose ends may be missing here alone).
    Index {
        /// What is indexed.
        base: &'a Expr<'a>,
        /// What stands in the brackets.
        index: &'a Expr<'a>,
    },
    /// A generic name with type arguments that is not called itself.
    TypeApply {
        /// The generic.
        base: &'a Expr<'a>,
        /// Its arguments, at least one.
        args: &'a [TypeExpr<'a>],
    },
    /// `e?`.
    Try(&'a Expr<'a>),
    /// `-a`, `~a`, `not a`.
    Unary {
        /// The operator.
        op: UnaryOp,
        /// Its operand.
        operand: &'a Expr<'a>,
    },
    /// `a + b` and so on, `and`, `or`.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// Span of the operator.
        op_span: Span,
        /// Left operand.
        left: &'a Expr<'a>,
        /// Right operand.
        right: &'a Expr<'a>,
    },
    /// `a..b`, `a..=b`. Ends are missing only right inside index brackets.
    Range {
        /// First value.
        lo: Option<&'a Expr<'a>>,
        /// Last value, or one past it.
        hi: Option<&'a Expr<'a>>,
        /// Whether `hi` belongs to the range.
        inclusive: bool,
    },
    /// `e else fallback`: the fallback is a value, `return`, `raise`, `break`, `continue`, or (in
    /// `let x = e else:`) a `Block`.
    Else {
        /// An option or fallible value.
        value: &'a Expr<'a>,
        /// Evaluated if there is none.
        fallback: &'a Expr<'a>,
    },
    /// `if … elif … else`, as statement or value.
    If {
        /// Conditions with their blocks, at least one.
        branches: &'a [IfBranch<'a>],
        /// Block of `else`.
        otherwise: Option<&'a Block<'a>>,
    },
    /// `match`, as statement or value.
    Match {
        /// What is looked at.
        scrutinee: &'a Expr<'a>,
        /// The arms.
        arms: &'a [MatchArm<'a>],
    },
    /// `fn(x) => e`, `fn(x): …`.
    Fn(&'a FnLit<'a>),
    /// `spawn f(x)`; the operand is a `Call` or `MethodCall`.
    Spawn(&'a Expr<'a>),
    /// `return e`.
    Return(Option<&'a Expr<'a>>),
    /// `raise e`.
    Raise(&'a Expr<'a>),
    /// `break`, `break outer`.
    Break(Option<Ident>),
    /// `continue`, `continue outer`.
    Continue(Option<Ident>),
    /// The block of `let x = e else:`.
    Block(&'a Block<'a>),
    /// What could not be read; a diagnostic has said so.
    Error,
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `-`.
    Neg,
    /// `~`.
    BitNot,
    /// `not`.
    Not,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `**`.
    Pow,
    /// `*`.
    Mul,
    /// `/`.
    Div,
    /// `%`.
    Rem,
    /// `*%`.
    MulWrap,
    /// `+`.
    Add,
    /// `-`.
    Sub,
    /// `+%`.
    AddWrap,
    /// `-%`.
    SubWrap,
    /// `<<`.
    Shl,
    /// `>>`.
    Shr,
    /// `>>>`.
    UShr,
    /// `&`.
    BitAnd,
    /// `^`.
    BitXor,
    /// `|`.
    BitOr,
    /// `==`.
    Eq,
    /// `!=`.
    Ne,
    /// `<`.
    Lt,
    /// `<=`.
    Le,
    /// `>`.
    Gt,
    /// `>=`.
    Ge,
    /// `and`.
    And,
    /// `or`.
    Or,
}

impl BinaryOp {
    /// How it is written.
    pub fn text(self) -> &'static str {
        match self {
            BinaryOp::Pow => "**",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Rem => "%",
            BinaryOp::MulWrap => "*%",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::AddWrap => "+%",
            BinaryOp::SubWrap => "-%",
            BinaryOp::Shl => "<<",
            BinaryOp::Shr => ">>",
            BinaryOp::UShr => ">>>",
            BinaryOp::BitAnd => "&",
            BinaryOp::BitXor => "^",
            BinaryOp::BitOr => "|",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::And => "and",
            BinaryOp::Or => "or",
        }
    }
}

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub struct Arg<'a> {
    /// `width` of `width = 3`.
    pub name: Option<Ident>,
    /// The value.
    pub value: Expr<'a>,
}

/// An entry of a map literal.
#[derive(Clone, Copy, Debug)]
pub struct MapEntry<'a> {
    /// Left of the colon.
    pub key: Expr<'a>,
    /// Right of it.
    pub value: Expr<'a>,
}

/// A part of an f-string.
#[derive(Clone, Copy, Debug)]
pub enum FPart<'a> {
    /// Text, decoded; never empty.
    Text(&'a str),
    /// `{expr:spec}`.
    Value {
        /// The expression.
        expr: Expr<'a>,
        /// What stands behind the colon.
        spec: Option<FormatSpec>,
    },
}

/// A format specification: `[[fill]align][sign][#][0][width][.precision][type]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatSpec {
    /// What fills up to the width; a space if not written.
    pub fill: char,
    /// Where the text stands in the width.
    pub align: Option<Align>,
    /// Sign of numbers.
    pub sign: Sign,
    /// `#`: prefix of a base.
    pub alternate: bool,
    /// `0`: zeros after the sign up to the width.
    pub zero: bool,
    /// Least width in characters.
    pub width: Option<u16>,
    /// Digits after the point, or most characters of a string.
    pub precision: Option<u16>,
    /// The type letter.
    pub ty: Option<FormatType>,
    /// Where it is written, without the colon.
    pub span: Span,
}

/// Where a value stands in its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// `<`.
    Left,
    /// `^`.
    Center,
    /// `>`.
    Right,
}

/// How the sign of a number is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Only `-` (also when nothing is written).
    Minus,
    /// `+`: always.
    Plus,
    /// A space instead of `+`.
    Space,
}

/// The type letter of a format specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatType {
    /// `d`: decimal integer.
    Decimal,
    /// `x`: hexadecimal, lower case.
    HexLower,
    /// `X`: hexadecimal, upper case.
    HexUpper,
    /// `b`: binary.
    Binary,
    /// `o`: octal.
    Octal,
    /// `f`: fixed point.
    Fixed,
    /// `e`: scientific.
    Exp,
    /// `s`: text.
    Text,
}

/// A condition and its block.
#[derive(Clone, Copy, Debug)]
pub struct IfBranch<'a> {
    /// The condition.
    pub cond: Expr<'a>,
    /// The block.
    pub body: Block<'a>,
}

/// An arm of `match`.
#[derive(Clone, Copy, Debug)]
pub struct MatchArm<'a> {
    /// The pattern.
    pub pat: Pat<'a>,
    /// Behind `if`.
    pub guard: Option<Expr<'a>>,
    /// Right of `=>`: one statement, or a block of lines.
    pub body: Block<'a>,
    /// All of it.
    pub span: Span,
}

/// A function literal.
#[derive(Clone, Copy, Debug)]
pub struct FnLit<'a> {
    /// Parameters; types are optional here, defaults never there, `_` is allowed as name.
    pub params: &'a [Param<'a>],
    /// Written result.
    pub ret: Option<TypeExpr<'a>>,
    /// Written `uses`, `None` if not written.
    pub uses: Option<&'a [Path<'a>]>,
    /// Written errors; empty if not written.
    pub errors: &'a [TypeExpr<'a>],
    /// The body.
    pub body: FnBody<'a>,
    /// From `fn` up to the `=>` or `:`.
    pub head: Span,
}

/// The body of a function literal.
#[derive(Clone, Copy, Debug)]
pub enum FnBody<'a> {
    /// `=> e`: the value is the result.
    Expr(&'a Expr<'a>),
    /// `: …`, or `=>` and an assignment (`inline`): the result is what `return` says.
    Block(&'a Block<'a>),
}

/// Statements of one block, in a line of their own or behind the colon.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// The statements. Empty only after an error.
    pub stmts: &'a [Stmt<'a>],
    /// Whether it stands behind the colon on the same line.
    pub inline: bool,
    /// From the first to the last statement.
    pub span: Span,
}

impl<'a> Block<'a> {
    /// The last statement, if it is an expression: what the block yields when used as a value.
    pub fn value(&self) -> Option<&'a Expr<'a>> {
        match self.stmts.last()?.kind {
            StmtKind::Expr(e) => Some(e),
            _ => None,
        }
    }
}

/// A statement.
#[derive(Clone, Copy, Debug)]
pub struct Stmt<'a> {
    /// Where it is written.
    pub span: Span,
    /// What is written.
    pub kind: StmtKind<'a>,
}

/// The forms of statements.
#[derive(Clone, Copy, Debug)]
pub enum StmtKind<'a> {
    /// An expression; also `if`, `match`, `return`, `raise`, `break`, `continue`.
    Expr(&'a Expr<'a>),
    /// `let p: T = e else …`. With a plain pattern an `else` is part of `init` (`ExprKind::Else`);
    /// with one that can fail it is `otherwise`.
    Let {
        /// The pattern; `mut` is on its bindings.
        pat: &'a Pat<'a>,
        /// Written type.
        ty: Option<&'a TypeExpr<'a>>,
        /// The value.
        init: &'a Expr<'a>,
        /// What runs if the pattern does not match; it has to leave.
        otherwise: Option<&'a Block<'a>>,
    },
    /// `a = e`, `a += e`.
    Assign {
        /// The place.
        target: &'a Expr<'a>,
        /// Operator of `+=` and its kin.
        op: Option<BinaryOp>,
        /// The value.
        value: &'a Expr<'a>,
    },
    /// `while c:`.
    While {
        /// `outer:` before it.
        label: Option<Ident>,
        /// The condition.
        cond: &'a Expr<'a>,
        /// The body.
        body: &'a Block<'a>,
    },
    /// `loop:`.
    Loop {
        /// `outer:` before it.
        label: Option<Ident>,
        /// The body.
        body: &'a Block<'a>,
    },
    /// `for p in e:`; `for k, v in e` has a `Tuple` pattern.
    For {
        /// `outer:` before it.
        label: Option<Ident>,
        /// The pattern.
        pat: &'a Pat<'a>,
        /// What is walked.
        iter: &'a Expr<'a>,
        /// The body.
        body: &'a Block<'a>,
    },
    /// `try: … catch e: E: …`.
    Try {
        /// The body.
        body: &'a Block<'a>,
        /// At least one, except after an error.
        catches: &'a [Catch<'a>],
    },
    /// `with C = e, D = f:`.
    With {
        /// The bindings, at least one.
        bindings: &'a [WithBinding<'a>],
        /// The body.
        body: &'a Block<'a>,
    },
    /// `allow C + D:`; `allow none:` has no capability.
    Allow {
        /// The capabilities.
        caps: &'a [Path<'a>],
        /// The body.
        body: &'a Block<'a>,
    },
    /// `concurrent:`.
    Concurrent {
        /// The body.
        body: &'a Block<'a>,
    },
    /// `select:`.
    Select {
        /// The arms.
        arms: &'a [SelectArm<'a>],
    },
    /// `defer:`.
    Defer {
        /// The body.
        body: &'a Block<'a>,
    },
    /// `assert e`, `assert e, message`.
    Assert {
        /// The condition.
        cond: &'a Expr<'a>,
        /// A string.
        message: Option<&'a Expr<'a>>,
    },
    /// A local function.
    Fn(&'a FnItem<'a>),
    /// `pass`.
    Pass,
    /// What could not be read; a diagnostic has said so.
    Error,
}

/// `catch e: A | B: …`.
#[derive(Clone, Copy, Debug)]
pub struct Catch<'a> {
    /// The name (`_` is allowed).
    pub name: Ident,
    /// Id of the binding.
    pub id: PatId,
    /// The errors that it takes; empty (`catch e:`) is all.
    pub errors: &'a [TypeExpr<'a>],
    /// The body.
    pub body: Block<'a>,
    /// All of it.
    pub span: Span,
}

/// `C = e` of `with`.
#[derive(Clone, Copy, Debug)]
pub struct WithBinding<'a> {
    /// The capability.
    pub cap: Path<'a>,
    /// What it is bound to.
    pub value: Expr<'a>,
    /// All of it.
    pub span: Span,
}

/// An arm of `select`.
#[derive(Clone, Copy, Debug)]
pub struct SelectArm<'a> {
    /// What it waits for.
    pub kind: SelectKind<'a>,
    /// What it does.
    pub body: Block<'a>,
    /// All of it.
    pub span: Span,
}

/// What an arm of `select` waits for.
#[derive(Clone, Copy, Debug)]
pub enum SelectKind<'a> {
    /// `v = rx.recv()`.
    Recv {
        /// What is bound.
        pat: Pat<'a>,
        /// The operation.
        op: Expr<'a>,
    },
    /// `tx.send(x)`, or `rx.recv()` whose value is dropped.
    Op(Expr<'a>),
    /// `timeout 20`.
    Timeout(Expr<'a>),
    /// `else`.
    Else,
}
