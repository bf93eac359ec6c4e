//! The typed program: what the checker proves and lowering compiles.
//!
//! Everything is resolved: names to ids, methods to functions or trait methods, capabilities to
//! explicit locals, defaults and named arguments to plain arguments. Bodies are generic; lowering
//! instantiates them. What must stay true: an expression's type is final (no inference variables), every
//! capability that is used is a local of kind `Cap` that reaches the use by hidden parameters, `with`
//! bindings and captures only, and a program that was reported to have errors is never lowered.

// Fields of variants are explained by the line above their variant.
#![allow(missing_docs)]

pub mod ty;
pub mod walk;

use crate::source::Span;
pub use ty::{AdtId, CapId, FnTy, TraitId, Ty, TyKind, TyTable};

/// Index into [`Program::fns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FnId(pub u32);
/// Index into [`Program::consts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConstId(pub u32);
/// Index into [`Program::packages`]; the standard library is 0, the root is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PkgId(pub u32);
/// Index into [`FnDef::locals`] of the function whose body mentions it (literals share its table).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalId(pub u32);
/// A loop, unique within a function body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoopId(pub u32);

/// A whole checked program.
#[derive(Debug, Default)]
pub struct Program {
    /// All types.
    pub tys: TyTable,
    /// Packages in dependency order.
    pub packages: Vec<PackageDef>,
    /// Structs, enums, errors, handles.
    pub adts: Vec<AdtDef>,
    /// Capabilities.
    pub caps: Vec<CapDef>,
    /// Traits.
    pub traits: Vec<TraitDef>,
    /// Implementations of traits and capabilities. Inherent methods are not here: calls name them.
    pub impls: Vec<ImplDef>,
    /// Functions and methods.
    pub fns: Vec<FnDef>,
    /// Constants.
    pub consts: Vec<ConstDef>,
    /// Things that lowering must be able to name.
    pub lang: LangItems,
    /// `main` of the root package.
    pub main: Option<Entry>,
    /// Deferred functions, each with the root package's function that calls its implementation.
    pub deferred: Vec<(FnId, FnId)>,
    /// `test` blocks of the root package, in order.
    pub tests: Vec<TestDef>,
}

/// A `test` block.
#[derive(Debug)]
pub struct TestDef {
    /// Its name.
    pub name: String,
    /// Its body: no parameters, no result, no errors, no capabilities.
    pub function: FnId,
    /// Whether it is an example of the documentation.
    pub example: bool,
    /// Where it is declared.
    pub span: Span,
}

/// A package.
#[derive(Debug)]
pub struct PackageDef {
    /// Name.
    pub name: String,
    /// Version text.
    pub version: String,
    /// Direct dependencies (std among them, except in std).
    pub deps: Vec<PkgId>,
}

/// The entry point.
#[derive(Debug)]
pub struct Entry {
    /// `main`.
    pub function: FnId,
    /// For each of its capabilities, in the order of its `uses`, the calls from `main` to a use as text:
    /// `main (main.jet:12)`, `report (main.jet:20)`, `Console.print (main.jet:22)`.
    pub paths: Vec<Vec<String>>,
}

/// Declarations of the standard library with a meaning of their own. All are set once std is loaded.
#[derive(Debug, Default)]
pub struct LangItems {
    /// `enum Option[T]: Some(value: T) None`: variant 0 is `Some`, 1 is `None`.
    pub option: Option<AdtId>,
    /// `enum Result[T, E]: Ok(value: T) Err(error: E)`.
    pub result: Option<AdtId>,
    /// `enum Ordering: Less Equal Greater`.
    pub ordering: Option<AdtId>,
    /// `struct Range: start: int, end: int, step: int` (end exclusive; step may be negative).
    pub range: Option<AdtId>,
    /// `struct Map[K, V]`.
    pub map: Option<AdtId>,
    /// `struct Set[T]`.
    pub set: Option<AdtId>,
    /// `trait Show: fn show(self) -> string`. Derived for data that has no implementation.
    pub show: Option<TraitId>,
    /// `trait Eq: fn eq(self, other: Self) -> bool`. Derived likewise.
    pub eq: Option<TraitId>,
    /// `trait Hash: fn hash(self) -> int`. Derived likewise.
    pub hash: Option<TraitId>,
    /// `trait Ord: fn cmp(self, other: Self) -> Ordering`. Derived on request; primitives,
    /// strings, tuples, lists and options of `Ord` types have it.
    pub ord: Option<TraitId>,
}

/// Struct, enum, error or handle.
#[derive(Debug)]
pub struct AdtDef {
    /// Declaring package.
    pub package: PkgId,
    /// Dotted module path within the package; empty for the root module.
    pub module: String,
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: AdtKind,
    /// Number of type parameters.
    pub generics: u32,
    /// Variants; a struct has one.
    pub variants: Vec<VariantDef>,
    /// Whether `derive Ord` was asked for.
    pub derive_ord: bool,
    /// Where it is declared.
    pub span: Span,
}

/// What an ADT is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdtKind {
    /// Struct of data.
    Struct,
    /// Struct with a capability or attenuator field.
    Attenuator,
    /// Enum.
    Enum,
    /// Error.
    Error,
    /// Opaque handle.
    Handle,
}

/// A variant, or the one shape of a struct.
#[derive(Debug)]
pub struct VariantDef {
    /// Name (the struct's own name for structs).
    pub name: String,
    /// Payload or fields; types mention the ADT's parameters.
    pub fields: Vec<FieldDef>,
}

/// A field.
#[derive(Debug)]
pub struct FieldDef {
    /// Name.
    pub name: String,
    /// Type.
    pub ty: Ty,
    /// Whether it may be assigned.
    pub mutable: bool,
    /// Function without parameters (generic as the ADT) that computes the default.
    pub default: Option<FnId>,
}

/// A capability.
#[derive(Debug)]
pub struct CapDef {
    /// Declaring package.
    pub package: PkgId,
    /// Name.
    pub name: String,
    /// Parent; its methods come first.
    pub parent: Option<CapId>,
    /// Methods.
    pub methods: Vec<MethodDef>,
    /// Where it is declared.
    pub span: Span,
}

/// A trait.
#[derive(Debug)]
pub struct TraitDef {
    /// Declaring package.
    pub package: PkgId,
    /// Dotted module path.
    pub module: String,
    /// Name.
    pub name: String,
    /// Number of type parameters, `Self` (parameter 0) included.
    pub generics: u32,
    /// Methods. Types mention the trait's parameters, then the method's own.
    pub methods: Vec<MethodDef>,
    /// Traits that it asks of `Self`, directly or through others, with their arguments over its parameters.
    pub supers: Vec<(TraitId, Vec<Ty>)>,
    /// Where it is declared.
    pub span: Span,
}

/// A method of a trait or capability.
#[derive(Debug)]
pub struct MethodDef {
    /// Name.
    pub name: String,
    /// Number of type parameters of its own.
    pub generics: u32,
    /// Parameters without the receiver.
    pub params: Vec<Ty>,
    /// Hidden capability parameters, canonical order; empty in capabilities.
    pub uses: Vec<CapId>,
    /// Result.
    pub ret: Ty,
    /// What it may raise.
    pub errs: Ty,
    /// Default body (traits): a function generic over the trait's parameters, then the method's own.
    pub default: Option<FnId>,
    /// Whether a dynamic object offers it: it has no type parameters and mentions `Self` only as receiver.
    pub dynamic: bool,
}

/// An implementation of a trait or a capability.
#[derive(Debug)]
pub struct ImplDef {
    /// Package that contains it.
    pub package: PkgId,
    /// Number of type parameters.
    pub generics: u32,
    /// What is implemented.
    pub interface: ImplOf,
    /// The implementing type, over the impl's parameters.
    pub self_ty: Ty,
    /// For each method of the interface its function (generic over the impl's parameters, then the
    /// method's own), or `None` where the trait's default serves.
    pub methods: Vec<Option<FnId>>,
    /// Where it stands.
    pub span: Span,
}

/// What an impl implements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImplOf {
    /// A trait with its arguments (without `Self`).
    Trait(TraitId, Vec<Ty>),
    /// A capability.
    Cap(CapId),
}

/// A function, method, default-value function or intrinsic.
#[derive(Debug)]
pub struct FnDef {
    /// Package that contains it.
    pub package: PkgId,
    /// Full name within the package, unique: `module.Type.method`; impls of traits spell the trait:
    /// `module.Type.Trait.method`.
    pub name: String,
    /// Number of type parameters (enclosing ones first).
    pub generics: u32,
    /// Whether an authority parameter is among the type parameters.
    pub open: bool,
    /// Hidden capability parameters, canonical order (declaring package's name, then capability's name),
    /// and the locals that hold them. The local of an authority parameter stands for all that it brings.
    pub uses: Vec<(CapId, LocalId)>,
    /// Those of `uses` that the body needs.
    pub needs: Vec<CapId>,
    /// Capabilities that literals in the body say they use.
    pub named: Vec<CapId>,
    /// Parameters, the receiver first.
    pub params: Vec<LocalId>,
    /// Result.
    pub ret: Ty,
    /// What it may raise.
    pub errs: Ty,
    /// All locals of the body and of the literals in it.
    pub locals: Vec<LocalDef>,
    /// The body; `None` for intrinsics.
    pub body: Option<Expr>,
    /// Name of the intrinsic that it stands for.
    pub intrinsic: Option<String>,
    /// Where it is declared.
    pub span: Span,
}

/// A local.
#[derive(Debug, Clone)]
pub struct LocalDef {
    /// Name, for messages.
    pub name: String,
    /// Type; a `Cap` for capability bindings.
    pub ty: Ty,
    /// Whether it is assigned after its definition.
    pub mutable: bool,
}

/// A constant. Lowering evaluates or inlines the expression, which is pure and has no references to
/// changeable data.
#[derive(Debug)]
pub struct ConstDef {
    /// Name.
    pub name: String,
    /// Type.
    pub ty: Ty,
    /// Value.
    pub value: Expr,
    /// Locals of the value.
    pub locals: Vec<LocalDef>,
}

/// An expression.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type. A fallible call that is not under `Try` has type `Result`.
    pub ty: Ty,
    /// Where it stands.
    pub span: Span,
}

/// Arithmetic, bit and comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Pow,
    AddWrap,
    SubWrap,
    MulWrap,
    BitAnd,
    BitOr,
    BitXor,
    Shl,
    Shr,
    Ushr,
    /// On any data: primitive where the type is, else by `Eq` (user implementation or derived).
    Eq,
    Ne,
    /// On primitives and strings, else by `Ord`.
    Lt,
    Le,
    Gt,
    Ge,
}

/// Unary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnOp {
    /// Checked negation of int or float.
    Neg,
    /// `~`.
    BitNot,
    /// `not`.
    Not,
}

/// Conversions between primitives. `string(x)` is a call of `Show.show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Conv {
    IntToFloat,
    FloatToInt,
    IntToByte,
    IntToChar,
    /// bool, byte, char to int.
    WordToInt,
}

/// What is called.
#[derive(Debug, Clone)]
pub enum Callee {
    /// A function or method with all its type arguments.
    Fn(FnId, Vec<Ty>),
    /// A method of a trait on a type that is known only by its bounds, or whose implementation is
    /// looked up after instantiation. `trait_args` excludes `Self`.
    Trait {
        trait_id: TraitId,
        trait_args: Vec<Ty>,
        self_ty: Ty,
        method: u32,
        method_args: Vec<Ty>,
    },
    /// A method of a dynamic object, the first argument.
    Dyn {
        trait_id: TraitId,
        trait_args: Vec<Ty>,
        method: u32,
    },
    /// A function value, storable or borrowed.
    Value(Box<Expr>),
    /// A method of a capability binding (an expression of `Cap` type: a local or an attenuator's field).
    Cap { cap: Box<Expr>, method: u32 },
}

/// A piece of an interpolated string.
#[derive(Debug, Clone)]
pub enum Piece {
    /// Text.
    Text(String),
    /// Value with an optional format specification (canonical text such as `>8.2f`). Without one, or on
    /// types other than int, float, string, the value's `Show` text is formatted.
    Value(Expr, Option<String>),
}

/// What an expression is.
#[derive(Debug, Clone)]
pub enum ExprKind {
    /// Literals.
    Int(i64),
    /// Float literal.
    Float(f64),
    /// Bool literal.
    Bool(bool),
    /// Byte literal.
    Byte(u8),
    /// Character literal.
    Char(char),
    /// String literal.
    Str(String),
    /// `()`.
    Unit,
    /// A local, also a capability binding.
    Local(LocalId),
    /// A constant.
    Const(ConstId),
    /// A named function as storable value with all type arguments.
    FnRef(FnId, Vec<Ty>),
    /// Operator on primitives, or comparison.
    Binary(BinOp, Box<Expr>, Box<Expr>),
    /// Unary operator.
    Unary(UnOp, Box<Expr>),
    /// Short-circuit `and`.
    And(Box<Expr>, Box<Expr>),
    /// Short-circuit `or`.
    Or(Box<Expr>, Box<Expr>),
    /// Conversion.
    Convert(Conv, Box<Expr>),
    /// f-string.
    Interp(Vec<Piece>),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `[value; count]`.
    ListFill(Box<Expr>, Box<Expr>),
    /// Tuple.
    Tuple(Vec<Expr>),
    /// Struct, attenuator or enum variant (of the `Adt` type of the expression), all fields in order of declaration.
    Construct { variant: u32, fields: Vec<Expr> },
    /// Field of struct, attenuator or tuple.
    Field(Box<Expr>, u32),
    /// Element of a list.
    Index(Box<Expr>, Box<Expr>),
    /// A call. `caps` are the hidden arguments in the order of the callee's `uses` (also for `Value` callees of
    /// storable type). `ret` and `errs` are the callee's instantiated edges; if `errs` is not `Never`, the
    /// expression's type is `Result[ret, errs]`, or `ret` directly under `Try`.
    Call {
        callee: Box<Callee>,
        caps: Vec<Expr>,
        args: Vec<Expr>,
        ret: Ty,
        errs: Ty,
    },
    /// `e?`: value of a fallible call or `Result`; the error goes to the innermost enclosing `TryCatch`
    /// of the same function or literal that takes it, else out of the function on its error edge.
    Try(Box<Expr>),
    /// `e else fallback` on an option, `Result` or fallible call.
    Else(Box<Expr>, Box<Expr>),
    /// Function literal.
    Lambda(Box<Lambda>),
    /// Data function turned into a borrowed one, its `uses` bound here.
    BindFn { func: Box<Expr>, caps: Vec<Expr> },
    /// Struct as dynamic object of the `Dyn` type of the expression (any `Data` type; lowering boxes
    /// what is not a struct).
    MakeDyn(Box<Expr>),
    /// Error into a larger set (the expression's type).
    WidenErr(Box<Expr>),
    /// Attenuator or fake as the capability of the expression's type.
    AsCap(Box<Expr>),
    /// Capability as its child's parent or the other way.
    Recap(Box<Expr>),
    /// Statements, then a value (unit if none).
    Block(Vec<Stmt>, Option<Box<Expr>>),
    /// Conditional; without `else` it is unit.
    If(Box<Expr>, Box<Expr>, Option<Box<Expr>>),
    /// Match, known to be exhaustive.
    Match(Box<Expr>, Vec<Arm>),
    /// `with`: bindings in order, then the block.
    With(Vec<(LocalId, Expr)>, Box<Expr>),
    /// `try`: body and clauses. A clause takes the error types in `tys`; `local` holds the error
    /// (of type `err_set(tys)`).
    TryCatch {
        body: Box<Expr>,
        catches: Vec<Catch>,
    },
    /// `return e`; type `Never`, as are the next ones.
    Return(Option<Box<Expr>>),
    /// `raise e`.
    Raise(Box<Expr>),
    /// `break`.
    Break(LoopId),
    /// `continue`.
    Continue(LoopId),
    /// Trap with a message.
    Panic(Box<Expr>),
}

/// A `catch` clause.
#[derive(Debug, Clone)]
pub struct Catch {
    /// Error types it takes.
    pub tys: Vec<Ty>,
    /// Name for the error.
    pub local: Option<LocalId>,
    /// What it does.
    pub body: Expr,
}

/// A function literal.
#[derive(Debug, Clone)]
pub struct Lambda {
    /// Storable (captures data only) or borrowed.
    pub storable: bool,
    /// Hidden capability parameters of a storable literal, canonical order.
    pub uses: Vec<(CapId, LocalId)>,
    /// Parameters.
    pub params: Vec<LocalId>,
    /// Result.
    pub ret: Ty,
    /// What it may raise.
    pub errs: Ty,
    /// Body. Captures are the locals that it mentions and does not define. A captured local that is mutable is
    /// shared, not copied (borrowed literals only; the checker refuses it in storable ones).
    pub body: Expr,
}

/// An arm of a match.
#[derive(Debug, Clone)]
pub struct Arm {
    /// Pattern.
    pub pat: Pat,
    /// Guard.
    pub guard: Option<Expr>,
    /// Value.
    pub body: Expr,
}

/// A statement.
#[derive(Debug, Clone)]
pub enum Stmt {
    /// Evaluates and drops.
    Expr(Expr),
    /// `let`; with `else` the pattern may fail and the block diverges.
    Let {
        pat: Pat,
        init: Box<Expr>,
        otherwise: Option<Box<Expr>>,
    },
    /// `place = value`, or `place op= value` with the place's parts evaluated once.
    Assign {
        place: Place,
        op: Option<BinOp>,
        value: Box<Expr>,
        span: Span,
    },
    /// `while`.
    While {
        id: LoopId,
        cond: Box<Expr>,
        body: Box<Expr>,
    },
    /// `loop`.
    Loop { id: LoopId, body: Expr },
    /// `defer`: the block runs when the block around it ends by its value or an error or a jump out of it,
    /// the last one first, not after a trap. Nothing in it leaves it.
    Defer(Expr),
    /// `for`; the pattern is irrefutable.
    For {
        id: LoopId,
        pat: Pat,
        iter: Box<ForIter>,
        body: Box<Expr>,
    },
}

/// What a `for` walks over.
#[derive(Debug, Clone)]
pub enum ForIter {
    /// `lo..hi` or `lo..=hi` written in place.
    Range { lo: Expr, hi: Expr, inclusive: bool },
    /// A `Range` value.
    RangeValue(Expr),
    /// A list; its length is looked at in each round.
    List(Expr),
    /// Anything with `next`: `iter` is bound to `state` once, `next` (an expression over `state` of type
    /// `Option`) is evaluated in each round.
    Iterator {
        state: LocalId,
        iter: Expr,
        next: Expr,
    },
}

/// What is assigned to.
#[derive(Debug, Clone)]
pub enum Place {
    /// A local.
    Local(LocalId),
    /// A mutable field of a struct or attenuator.
    Field(Box<Expr>, u32),
    /// An element of a list.
    Index(Box<Expr>, Box<Expr>),
}

/// A pattern.
#[derive(Debug, Clone)]
pub struct Pat {
    /// What it is.
    pub kind: PatKind,
    /// Type of what it is matched against.
    pub ty: Ty,
    /// Where it stands.
    pub span: Span,
}

/// What a pattern is.
#[derive(Debug, Clone)]
pub enum PatKind {
    /// `_`.
    Wild,
    /// Name, perhaps with `@ pattern`.
    Bind(LocalId, Option<Box<Pat>>),
    /// Literals.
    Int(i64),
    /// Float, compared by `==`.
    Float(f64),
    /// Bool.
    Bool(bool),
    /// Byte.
    Byte(u8),
    /// Character.
    Char(char),
    /// String.
    Str(String),
    /// `()`.
    Unit,
    /// Inclusive range of int, byte or char values (as their numbers).
    Range(i64, i64),
    /// Enum variant of the pattern's type with sub-patterns by field index; others are ignored.
    Variant(u32, Vec<(u32, Pat)>),
    /// Member of an error set, narrowed: the inner pattern is matched at the member's type.
    Member(Ty, Box<Pat>),
    /// Struct with sub-patterns by field index.
    Struct(Vec<(u32, Pat)>),
    /// Tuple.
    Tuple(Vec<Pat>),
    /// List: leading patterns, an optional rest (with an optional name for the copied middle), trailing ones.
    List {
        front: Vec<Pat>,
        rest: Option<Option<LocalId>>,
        back: Vec<Pat>,
    },
    /// Alternatives; each binds the same locals.
    Or(Vec<Pat>),
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_stay_small() {
        // There are millions of them: what is large and rare stands behind a box.
        assert!(size_of::<Expr>() <= 80);
        assert!(size_of::<Stmt>() <= 96);
    }
}
