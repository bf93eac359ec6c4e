//! Items: what stands at the top of a module, and the functions inside of it.

use super::{Block, Expr, GenericParam, Ident, PatId, Path, Span, TypeExpr, WherePred};

/// An item.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// `##` lines before it.
    pub docs: Option<&'a str>,
    /// Span of `pub`, if written.
    pub is_pub: Option<Span>,
    /// Where it is written.
    pub span: Span,
    /// What is written.
    pub kind: ItemKind<'a>,
}

/// The forms of items.
#[derive(Clone, Copy, Debug)]
pub enum ItemKind<'a> {
    /// `import std.math`, `import a.b as c`.
    Import(&'a Import<'a>),
    /// `from shapes import Shape, area as shape_area`.
    FromImport(&'a FromImport<'a>),
    /// `const LIMIT: int = 1`.
    Const(&'a ConstItem<'a>),
    /// `struct`.
    Struct(&'a StructItem<'a>),
    /// `enum`, `error`.
    Enum(&'a EnumItem<'a>),
    /// `trait`.
    Trait(&'a TraitItem<'a>),
    /// `impl`.
    Impl(&'a ImplItem<'a>),
    /// `capability`.
    Capability(&'a CapabilityItem<'a>),
    /// `capset App = Console + Database`.
    CapSet(&'a CapSetItem<'a>),
    /// `fn`, `deferred fn`, `intrinsic fn`.
    Fn(&'a FnItem<'a>),
    /// `test "name":`.
    Test(&'a TestItem<'a>),
    /// `extern "library":`.
    Extern(&'a ExternItem<'a>),
}

/// `import a.b as c`.
#[derive(Clone, Copy, Debug)]
pub struct Import<'a> {
    /// The module.
    pub path: Path<'a>,
    /// The name behind `as`.
    pub alias: Option<Ident>,
}

/// `from a.b import X, Y as Z`.
#[derive(Clone, Copy, Debug)]
pub struct FromImport<'a> {
    /// The module.
    pub path: Path<'a>,
    /// The names, at least one except after an error.
    pub names: &'a [ImportName],
}

/// A name behind `import`.
#[derive(Clone, Copy, Debug)]
pub struct ImportName {
    /// The name in the module.
    pub name: Ident,
    /// The name behind `as`.
    pub alias: Option<Ident>,
}

/// `const NAME: T = e`.
#[derive(Clone, Copy, Debug)]
pub struct ConstItem<'a> {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: TypeExpr<'a>,
    /// Its value.
    pub value: Expr<'a>,
}

/// `struct`.
#[derive(Clone, Copy, Debug)]
pub struct StructItem<'a> {
    /// Its name.
    pub name: Ident,
    /// Type parameters.
    pub generics: &'a [GenericParam<'a>],
    /// `where`.
    pub wheres: &'a [WherePred<'a>],
    /// `derive` lines before it.
    pub derives: &'a [Path<'a>],
    /// Fields in order.
    pub fields: &'a [FieldDef<'a>],
    /// Methods.
    pub methods: &'a [&'a FnItem<'a>],
}

/// A field of a struct.
#[derive(Clone, Copy, Debug)]
pub struct FieldDef<'a> {
    /// `##` lines before it.
    pub docs: Option<&'a str>,
    /// Span of `pub`, if written.
    pub is_pub: Option<Span>,
    /// Span of `mut`, if written.
    pub mutable: Option<Span>,
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: TypeExpr<'a>,
    /// Evaluated at each construction that does not give the field.
    pub default: Option<Expr<'a>>,
    /// All of it.
    pub span: Span,
}

/// `enum` or `error`.
#[derive(Clone, Copy, Debug)]
pub struct EnumItem<'a> {
    /// Whether it is an `error`.
    pub is_error: bool,
    /// Its name.
    pub name: Ident,
    /// Type parameters.
    pub generics: &'a [GenericParam<'a>],
    /// `where`.
    pub wheres: &'a [WherePred<'a>],
    /// `derive` lines before it.
    pub derives: &'a [Path<'a>],
    /// Variants in order.
    pub variants: &'a [VariantDef<'a>],
    /// Methods.
    pub methods: &'a [&'a FnItem<'a>],
}

/// A variant: `End`, `BadDigit(at: int, found: char)`.
#[derive(Clone, Copy, Debug)]
pub struct VariantDef<'a> {
    /// `##` lines before it.
    pub docs: Option<&'a str>,
    /// Its name.
    pub name: Ident,
    /// Its payload; empty without.
    pub fields: &'a [VariantField<'a>],
    /// All of it.
    pub span: Span,
}

/// A value of a variant's payload.
#[derive(Clone, Copy, Debug)]
pub struct VariantField<'a> {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub ty: TypeExpr<'a>,
}

/// `trait`.
#[derive(Clone, Copy, Debug)]
pub struct TraitItem<'a> {
    /// Its name.
    pub name: Ident,
    /// Type parameters.
    pub generics: &'a [GenericParam<'a>],
    /// Traits that it asks for (`trait A: B + C:`); each is a `TypeKind::Path`.
    pub supers: &'a [TypeExpr<'a>],
    /// `where`.
    pub wheres: &'a [WherePred<'a>],
    /// Functions; one with a body has a default.
    pub fns: &'a [&'a FnItem<'a>],
}

/// `impl[T] Trait[A] for Type:`; without a trait only in the standard library.
#[derive(Clone, Copy, Debug)]
pub struct ImplItem<'a> {
    /// Type parameters.
    pub generics: &'a [GenericParam<'a>],
    /// The trait or capability; a `TypeKind::Path`.
    pub of: Option<TypeExpr<'a>>,
    /// The type that it is for.
    pub target: TypeExpr<'a>,
    /// `where`.
    pub wheres: &'a [WherePred<'a>],
    /// Functions.
    pub fns: &'a [&'a FnItem<'a>],
    /// The line up to the colon.
    pub head: Span,
}

/// `capability A: B`.
#[derive(Clone, Copy, Debug)]
pub struct CapabilityItem<'a> {
    /// Its name.
    pub name: Ident,
    /// What it is a child of.
    pub parent: Option<Path<'a>>,
    /// Functions; they have no body and no `self`.
    pub fns: &'a [&'a FnItem<'a>],
}

/// `capset App = Console + Database`.
#[derive(Clone, Copy, Debug)]
pub struct CapSetItem<'a> {
    /// Its name.
    pub name: Ident,
    /// Its members.
    pub caps: &'a [Path<'a>],
}

/// What kind of declaration a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FnKind {
    /// With a body; in traits perhaps, in capabilities always without.
    Normal,
    /// `deferred fn`: another package supplies the body.
    Deferred,
    /// `intrinsic fn`: the compiler supplies the body (standard library only).
    Intrinsic,
    /// In an `extern` block.
    Extern,
}

/// A function or method.
#[derive(Clone, Copy, Debug)]
pub struct FnItem<'a> {
    /// `##` lines before it.
    pub docs: Option<&'a str>,
    /// Span of `pub`, if written.
    pub is_pub: Option<Span>,
    /// What kind of declaration it is.
    pub kind: FnKind,
    /// Its name.
    pub name: Ident,
    /// Type parameters.
    pub generics: &'a [GenericParam<'a>],
    /// Its `self`, not among `params`.
    pub receiver: Option<Receiver>,
    /// The other parameters.
    pub params: &'a [Param<'a>],
    /// Result; `None` is `()`.
    pub ret: Option<TypeExpr<'a>>,
    /// What stands after `uses`.
    pub uses: &'a [Path<'a>],
    /// What stands after `!`.
    pub errors: &'a [TypeExpr<'a>],
    /// `where`.
    pub wheres: &'a [WherePred<'a>],
    /// The body; `None` for a declaration.
    pub body: Option<Block<'a>>,
    /// The signature: from `fn` to the end of `where`.
    pub head: Span,
    /// All of it.
    pub span: Span,
}

/// The `self` of a method.
#[derive(Clone, Copy, Debug)]
pub struct Receiver {
    /// Id of the binding.
    pub id: PatId,
    /// Where it is written.
    pub span: Span,
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param<'a> {
    /// Id of the binding.
    pub id: PatId,
    /// Its name.
    pub name: Ident,
    /// Its type; missing only in function literals.
    pub ty: Option<TypeExpr<'a>>,
    /// Evaluated at each call that does not give it.
    pub default: Option<Expr<'a>>,
    /// All of it.
    pub span: Span,
}

/// `test "name":`.
#[derive(Clone, Copy, Debug)]
pub struct TestItem<'a> {
    /// Its name.
    pub name: &'a str,
    /// Span of the name.
    pub name_span: Span,
    /// The body.
    pub body: Block<'a>,
}

/// `extern "library":`.
#[derive(Clone, Copy, Debug)]
pub struct ExternItem<'a> {
    /// The library.
    pub library: &'a str,
    /// Span of the name.
    pub library_span: Span,
    /// The functions.
    pub fns: &'a [&'a FnItem<'a>],
}
