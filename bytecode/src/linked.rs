//! The linked model: all packages of a bundle merged into one set of tables, which the virtual
//! machine and the compiler of machine code read.
//!
//! Invariants: types are hash-consed, so two ids are equal exactly if the types are; nominal types,
//! capabilities and traits of one (package, name) have one id and one content; code words keep
//! their package-local operands, which resolve through the function's package. Ids index the tables
//! of the program that they came from; an accessor that is given another program's id answers with
//! an empty entry, never a panic.

use crate::joins::Joins;
use crate::module::{Const, FnKind, LineEntry};
use std::collections::HashMap;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);
        impl $name {
            /// The id as a table index.
            pub fn index(self) -> usize { self.0 as usize }
        }
    )* };
}
ids! {
    /// Index into [`Program::packages`].
    PackageId;
    /// Index into [`Program::types`].
    TypeId;
    /// Index into [`Program::nominals`].
    NominalId;
    /// Index into [`Program::caps`].
    CapId;
    /// Index into [`Program::traits`].
    TraitId;
    /// Index into [`Program::impls`].
    ImplId;
    /// Index into [`Program::functions`].
    FnId;
}

/// A type over global ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LType {
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
    List(TypeId),
    /// Tuple of two or more.
    Tuple(Vec<TypeId>),
    /// Struct, enum, error, handle or attenuator.
    Nominal(NominalId),
    /// Storable function.
    Fn(LSig),
    /// Borrowed function.
    BorrowedFn(LSig),
    /// Capability.
    Cap(CapId),
    /// Dynamic object of a trait.
    Dyn(TraitId),
    /// Set of two or more error types, strictly ascending.
    ErrorSet(Vec<NominalId>),
    /// Environment of a function literal.
    Env,
}

/// A signature over global ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LSig {
    /// Visible parameters.
    pub params: Vec<TypeId>,
    /// Hidden capability parameters, in the order of their registers.
    pub uses: Vec<CapId>,
    /// Result on the value edge.
    pub ret: TypeId,
    /// Error types on the error edge, strictly ascending.
    pub errors: Vec<NominalId>,
}

/// A field of a struct or payload of a variant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LField {
    /// Name.
    pub name: String,
    /// Type.
    pub ty: TypeId,
    /// Whether it may be assigned.
    pub mutable: bool,
}

/// A variant of an enum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LVariant {
    /// Name.
    pub name: String,
    /// Payload.
    pub fields: Vec<LField>,
}

/// What a nominal type is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LNominalKind {
    /// Struct or attenuator.
    Struct(Vec<LField>),
    /// Enum.
    Enum(Vec<LVariant>),
    /// Error.
    Error(Vec<LVariant>),
    /// Opaque handle.
    Handle,
}

/// A nominal type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LNominal {
    /// Package that declares it.
    pub package: PackageId,
    /// Name with type arguments.
    pub name: String,
    /// Content.
    pub kind: LNominalKind,
    /// Its type.
    pub ty: TypeId,
    /// Whether it is a struct with a capability or attenuator field.
    pub attenuator: bool,
}

/// A method of a trait or capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LMethod {
    /// Name.
    pub name: String,
    /// Signature without receiver.
    pub sig: LSig,
}

/// A capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LCap {
    /// Package that declares it.
    pub package: PackageId,
    /// Name.
    pub name: String,
    /// Parent, whose methods come first.
    pub parent: Option<CapId>,
    /// Methods.
    pub methods: Vec<LMethod>,
    /// Its type.
    pub ty: TypeId,
}

/// A trait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LTrait {
    /// Package that declares it.
    pub package: PackageId,
    /// Name with type arguments.
    pub name: String,
    /// Methods that can be called dynamically.
    pub methods: Vec<LMethod>,
    /// Its dynamic object type.
    pub ty: TypeId,
}

/// What an implementation record implements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LInterface {
    /// A trait.
    Trait(TraitId),
    /// A capability.
    Cap(CapId),
}

/// An implementation record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LImpl {
    /// Package that the record stands in.
    pub package: PackageId,
    /// Implementing type.
    pub ty: NominalId,
    /// What it implements.
    pub interface: LInterface,
    /// One function a method, in the interface's order.
    pub methods: Vec<FnId>,
}

/// A function.
#[derive(Clone, Debug, PartialEq)]
pub struct LFunction {
    /// Package that it stands in: its code's operands resolve there.
    pub package: PackageId,
    /// Index among that package's functions.
    pub local: u32,
    /// Full name within the package.
    pub name: String,
    /// Named function or literal.
    pub kind: FnKind,
    /// Signature.
    pub sig: LSig,
    /// Types of the captures of a literal.
    pub captures: Vec<TypeId>,
    /// Type of each register.
    pub regs: Vec<TypeId>,
    /// Instruction and extension words, operands local to the package.
    pub code: Vec<u64>,
    /// Initialised registers at each jump target, checked.
    pub joins: Joins,
    /// Source positions, ascending.
    pub lines: Vec<LineEntry>,
}

impl LFunction {
    /// The type of a register.
    pub fn reg_type(&self, reg: u16) -> Option<TypeId> {
        self.regs.get(usize::from(reg)).copied()
    }

    /// The source position that covers the word at `pc`.
    pub fn line_at(&self, pc: u32) -> Option<LineEntry> {
        let after = self.lines.partition_point(|l| l.pc <= pc);
        self.lines.get(after.checked_sub(1)?).copied()
    }

    /// Number of leading registers that a call fills: environment, capabilities, parameters.
    pub fn entry_regs(&self) -> usize {
        let env = usize::from(self.kind == FnKind::Literal);
        env + self.sig.uses.len() + self.sig.params.len()
    }
}

/// A package: names, and the map from its local indices to ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LPackage {
    /// Name.
    pub name: String,
    /// Version text.
    pub version: String,
    /// Content hash.
    pub hash: [u8; 32],
    /// By `TypeIx`.
    pub types: Vec<TypeId>,
    /// By `NominalIx`.
    pub nominals: Vec<NominalId>,
    /// By `CapIx`.
    pub caps: Vec<CapId>,
    /// By `TraitIx`.
    pub traits: Vec<TraitId>,
    /// By `FnIx`: imports, then functions.
    pub fns: Vec<FnId>,
    /// Constant pool.
    pub consts: Vec<Const>,
    /// Source file names.
    pub files: Vec<String>,
}

/// The entry point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LEntry {
    /// `main`.
    pub function: FnId,
    /// Capabilities that the host must grant, in `main`'s register order.
    pub requests: Vec<CapId>,
    /// For each request, the calls from `main` to a use, as text for people.
    pub paths: Vec<Vec<String>>,
}

/// A linked program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Packages, in bundle order.
    pub packages: Vec<LPackage>,
    /// Types, hash-consed; components before what they are part of.
    pub types: Vec<LType>,
    /// Nominal types.
    pub nominals: Vec<LNominal>,
    /// Capabilities.
    pub caps: Vec<LCap>,
    /// Traits.
    pub traits: Vec<LTrait>,
    /// Implementation records, without duplicates.
    pub impls: Vec<LImpl>,
    /// Functions, in bundle order.
    pub functions: Vec<LFunction>,
    /// Entry point, if the last package is a program.
    pub entry: Option<LEntry>,
    // Keys come from files, so these hash with a secret seed (no colliding names can be made).
    pub(crate) impl_index: HashMap<(NominalId, LInterface), ImplId>,
    pub(crate) type_index: HashMap<LType, TypeId>,
}

/// Kind of a type: what may be done with its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// First class: data, handles and structures that may hold storable functions.
    Data,
    /// First class: storable function.
    Fn,
    /// Second class: capability.
    Cap,
    /// Second class: attenuator, a struct with a capability or attenuator field.
    Att,
    /// Second class: borrowed function.
    BorrowedFn,
    /// Environment of the running literal.
    Env,
}

impl Kind {
    /// Whether values may be stored, returned and passed freely.
    pub fn first_class(self) -> bool {
        matches!(self, Kind::Data | Kind::Fn)
    }
}

static UNIT: LType = LType::Unit;

impl Program {
    /// The type with this id (`()` for an id of another program).
    pub fn ty(&self, id: TypeId) -> &LType {
        self.types.get(id.index()).unwrap_or(&UNIT)
    }

    /// The nominal type with this id.
    pub fn nominal(&self, id: NominalId) -> Option<&LNominal> {
        self.nominals.get(id.index())
    }

    /// The capability with this id.
    pub fn cap(&self, id: CapId) -> Option<&LCap> {
        self.caps.get(id.index())
    }

    /// The trait with this id.
    pub fn trait_(&self, id: TraitId) -> Option<&LTrait> {
        self.traits.get(id.index())
    }

    /// The function with this id.
    pub fn function(&self, id: FnId) -> Option<&LFunction> {
        self.functions.get(id.index())
    }

    /// The implementation record with this id.
    pub fn impl_(&self, id: ImplId) -> Option<&LImpl> {
        self.impls.get(id.index())
    }

    /// The implementation of an interface by a type.
    pub fn find_impl(&self, ty: NominalId, interface: LInterface) -> Option<ImplId> {
        self.impl_index.get(&(ty, interface)).copied()
    }

    /// The id of a structurally equal type.
    pub fn find_type(&self, ty: &LType) -> Option<TypeId> {
        self.type_index.get(ty).copied()
    }

    /// Resolves a package's type index.
    pub fn resolve_type(&self, package: PackageId, ix: u16) -> Option<TypeId> {
        let p = self.packages.get(package.index())?;
        p.types.get(usize::from(ix)).copied()
    }

    /// Resolves a package's nominal index.
    pub fn resolve_nominal(&self, package: PackageId, ix: u16) -> Option<NominalId> {
        let p = self.packages.get(package.index())?;
        p.nominals.get(usize::from(ix)).copied()
    }

    /// Resolves a package's capability index.
    pub fn resolve_cap(&self, package: PackageId, ix: u16) -> Option<CapId> {
        let p = self.packages.get(package.index())?;
        p.caps.get(usize::from(ix)).copied()
    }

    /// Resolves a package's trait index.
    pub fn resolve_trait(&self, package: PackageId, ix: u16) -> Option<TraitId> {
        let p = self.packages.get(package.index())?;
        p.traits.get(usize::from(ix)).copied()
    }

    /// Resolves a package's function index: imports, then functions.
    pub fn resolve_fn(&self, package: PackageId, ix: u16) -> Option<FnId> {
        let p = self.packages.get(package.index())?;
        p.fns.get(usize::from(ix)).copied()
    }

    /// A constant of a package.
    pub fn constant(&self, package: PackageId, ix: u32) -> Option<&Const> {
        let p = self.packages.get(package.index())?;
        p.consts.get(usize::try_from(ix).ok()?)
    }

    /// The kind of a type.
    pub fn kind(&self, id: TypeId) -> Kind {
        match self.ty(id) {
            LType::Fn(_) => Kind::Fn,
            LType::BorrowedFn(_) => Kind::BorrowedFn,
            LType::Cap(_) => Kind::Cap,
            LType::Env => Kind::Env,
            LType::Nominal(n) if self.nominal(*n).is_some_and(|n| n.attenuator) => Kind::Att,
            _ => Kind::Data,
        }
    }

    /// The full name of a function, with its package: `app.main`.
    pub fn function_name(&self, id: FnId) -> String {
        match self.function(id) {
            Some(f) => format!("{}.{}", self.package_name(f.package), f.name),
            None => String::from("?"),
        }
    }

    /// The name of a package.
    pub fn package_name(&self, id: PackageId) -> &str {
        self.packages
            .get(id.index())
            .map_or("?", |p| p.name.as_str())
    }
}
