//! The module model: what one package's unit of a bundle says, before linking.
//!
//! All indices are local to the package. A nominal type, trait or capability is described in full
//! by every package that mentions it, with the package that declares it; the linker unifies
//! descriptions by (package, name, content). Names of instantiated generics spell their arguments,
//! with the declaring package in front of each nominal one: `Map[string, app.Point]`.

use crate::joins::Joins;
use serde::{Deserialize, Serialize};

/// Index into [`Package::types`].
pub type TypeIx = u16;
/// Index into [`Package::nominals`].
pub type NominalIx = u16;
/// Index into [`Package::caps`].
pub type CapIx = u16;
/// Index into [`Package::traits`].
pub type TraitIx = u16;
/// Index into imports followed by functions of a package.
pub type FnIx = u16;
/// 0 is the package itself, n is `deps[n - 1]`.
pub type PackageIx = u16;

/// A type. Structural types refer only to lower indices, so they are acyclic; nominal types may recur.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    /// `()`.
    Unit,
    /// `bool`.
    Bool,
    /// `byte`.
    Byte,
    /// `char`.
    Char,
    /// `int`.
    Int,
    /// `float`.
    Float,
    /// `string`.
    Str,
    /// Growable list.
    List(TypeIx),
    /// Tuple of two or more.
    Tuple(Vec<TypeIx>),
    /// Struct, enum, error, handle or attenuator.
    Nominal(NominalIx),
    /// Storable function: data captures, capabilities handed by the caller.
    Fn(Sig),
    /// Borrowed function (second class). `sig.uses` is empty.
    BorrowedFn(Sig),
    /// Capability (second class).
    Cap(CapIx),
    /// Dynamic object of a trait.
    Dyn(TraitIx),
    /// Set of two or more error types, strictly ascending.
    ErrorSet(Vec<NominalIx>),
    /// Environment of a function literal: only register 0 of a literal's code has this type.
    Env,
}

/// Signature of a function or method, without receiver.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sig {
    /// Visible parameters.
    pub params: Vec<TypeIx>,
    /// Hidden capability parameters, in the canonical order of capability identity
    /// (declaring package's name, then capability name), strictly ascending.
    pub uses: Vec<CapIx>,
    /// Result on the value edge.
    pub ret: TypeIx,
    /// Error types on the error edge, strictly ascending by index; empty if it cannot fail. One error type is
    /// held in a register of its nominal type, several in a register of the `ErrorSet`.
    pub errors: Vec<NominalIx>,
}

/// A field of a struct or a payload of a variant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// Name, for `Show` and messages.
    pub name: String,
    /// Type.
    pub ty: TypeIx,
    /// Whether it may be assigned. Always false in variants.
    pub mutable: bool,
}

/// A variant of an enum.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Variant {
    /// Name.
    pub name: String,
    /// Payload.
    pub fields: Vec<Field>,
}

/// What a nominal type is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NominalKind {
    /// Struct; an attenuator exactly if a field is a capability or attenuator.
    Struct(Vec<Field>),
    /// Enum of 1 to 255 variants.
    Enum(Vec<Variant>),
    /// Error: an enum that may stand on an error edge.
    Error(Vec<Variant>),
    /// Opaque handle that a capability gives out.
    Handle,
}

/// A nominal type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Nominal {
    /// Package that declares it.
    pub package: PackageIx,
    /// Name with type arguments.
    pub name: String,
    /// Content.
    pub kind: NominalKind,
}

/// A method of a trait or capability.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Method {
    /// Name.
    pub name: String,
    /// Signature without receiver. In capabilities `uses` is empty.
    pub sig: Sig,
}

/// A capability: an interface that carries authority.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cap {
    /// Package that declares it.
    pub package: PackageIx,
    /// Name.
    pub name: String,
    /// Parent, whose methods come first in `methods`.
    pub parent: Option<CapIx>,
    /// Methods.
    pub methods: Vec<Method>,
}

/// A trait whose dynamic objects or implementations the package mentions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trait {
    /// Package that declares it.
    pub package: PackageIx,
    /// Name with type arguments.
    pub name: String,
    /// Methods that can be called dynamically.
    pub methods: Vec<Method>,
}

/// What an implementation record implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Interface {
    /// A trait, for dynamic objects.
    Trait(TraitIx),
    /// A capability, by an attenuator or a fake.
    Cap(CapIx),
}

/// Implementation record: the functions behind `make_dyn` and `as_cap`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Impl {
    /// Implementing struct, enum (capabilities only) or attenuator.
    pub ty: NominalIx,
    /// What it implements.
    pub interface: Interface,
    /// One function a method, in the interface's order; each takes the receiver as first parameter.
    pub methods: Vec<FnIx>,
}

/// A function of another package.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Import {
    /// Whose.
    pub package: PackageIx,
    /// Its full name there.
    pub name: String,
    /// Its signature, as the importer believes.
    pub sig: Sig,
}

/// A constant of the pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Const {
    /// An int that does not fit an immediate.
    Int(i64),
    /// A float, by its bits.
    Float(u64),
    /// A string.
    Str(String),
}

/// A position in source for the instructions from `pc` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineEntry {
    /// First word that it covers.
    pub pc: u32,
    /// Index into [`Package::files`].
    pub file: u16,
    /// Line from 1.
    pub line: u32,
    /// Column in characters from 1.
    pub col: u32,
}

/// What kind of code a function is; fixes what its leading registers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FnKind {
    /// Registers: capabilities of `sig.uses`, then parameters.
    Named,
    /// Code of a function literal: environment, then capabilities of `sig.uses`, then parameters.
    Literal,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Full name within the package: `module.Type.method`, unique.
    pub name: String,
    /// Named function or literal.
    pub kind: FnKind,
    /// Signature. The receiver of a method is its first parameter.
    pub sig: Sig,
    /// Types of the captures of a literal.
    pub captures: Vec<TypeIx>,
    /// One declared type for each register, parameters first.
    pub regs: Vec<TypeIx>,
    /// Instruction and extension words.
    #[serde(skip)]
    pub code: Vec<u64>,
    /// Initialised registers at each jump target.
    pub joins: Joins,
    /// Source positions, ascending by `pc`.
    pub lines: Vec<LineEntry>,
}

/// A package that this one depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dep {
    /// Name, unique in a bundle.
    pub name: String,
    /// Content hash of the package that it was compiled against.
    pub hash: [u8; 32],
}

/// Something that a package was built from: a source file, by its path inside the package.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Input {
    /// Name, unique in the package; the package's name stands before a path.
    pub name: String,
    /// Hash of its bytes ([`crate::format::content_hash`]).
    pub hash: [u8; 32],
}

/// The program's entry point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `main`: takes nothing or the arguments as `[string]`, returns unit.
    pub function: FnIx,
    /// For each capability that it requests, the calls from `main` to a use, as text for people.
    pub paths: Vec<Vec<String>>,
}

/// One package: the unit of linking, hashing and trust.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Package {
    /// Name, unique in a bundle; the standard library is `std`.
    pub name: String,
    /// Version text of its manifest.
    pub version: String,
    /// Direct dependencies.
    pub deps: Vec<Dep>,
    /// What it was built from: nothing relies on it, but who rebuilds can compare.
    pub inputs: Vec<Input>,
    /// Types.
    pub types: Vec<Type>,
    /// Nominal types.
    pub nominals: Vec<Nominal>,
    /// Capabilities.
    pub caps: Vec<Cap>,
    /// Traits.
    pub traits: Vec<Trait>,
    /// Implementation records.
    pub impls: Vec<Impl>,
    /// Functions of other packages.
    pub imports: Vec<Import>,
    /// Functions of this package.
    pub functions: Vec<Function>,
    /// Constant pool.
    pub consts: Vec<Const>,
    /// Source file names, for messages.
    pub files: Vec<String>,
    /// Entry point, if it is a program.
    pub entry: Option<Entry>,
}

/// A whole program: packages in dependency order, the program's own last.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Bundle {
    /// The packages.
    pub packages: Vec<Package>,
}
