//! The checker: names, types, errors and capabilities of a whole program, from syntax to [`thir`].
//!
//! Stages, each over all packages before the next begins: `collect` (items get ids), `sigs`
//! (signatures, fields, interfaces), `impls` (implementations, attenuators), then bodies one by
//! one (`body`, `expr`, `call`, ...), each followed by `zonk` (final types), `audit` (second-class
//! rules, matches), and `entry`. What must stay true: a program is returned only if no error was
//! reported by any stage, and no `Infer` or `Error` type is in it.

mod asserts;
mod audit;
mod authority;
mod body;
mod call;
mod caps;
mod classes;
mod closures;
mod coerce;
mod coherence;
mod collect;
mod const_eval;
mod const_ops;
mod construct;
mod consts;
mod cx;
mod deferred;
mod entry;
mod errors;
pub mod exhaust;
mod expr;
mod habits;
mod heads;
mod held;
mod impls;
mod infer;
mod interfaces;
mod local_fn;
mod methods;
mod names;
mod ops;
mod patterns;
mod places;
mod prove;
mod report;
pub mod rules;
mod sigs;
mod stmts;
mod trait_statics;
mod types;
mod zonk;

use crate::ast;
use crate::diag::{Sink, codes};
use crate::source::{Interner, SourceMap, Span, Symbol};
use crate::thir::{self, AdtId, CapId, ConstId, FnId, PkgId, TraitId, Ty};
use cx::FnCx;
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// A package whose modules are parsed.
#[derive(Debug)]
pub struct ParsedPackage<'a> {
    /// Its name; what others import.
    pub name: String,
    /// Version text.
    pub version: String,
    /// Indices of the packages that it may import (the standard library is always one).
    pub deps: Vec<usize>,
    /// Whether it is the standard library.
    pub is_std: bool,
    /// Its modules with their dotted names (`main` or `lib` is the root).
    pub modules: Vec<(String, ast::Module<'a>)>,
}

/// What a program is compiled for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Purpose {
    /// To run its tests: assertions of the root package tell the values that they compare.
    pub tests: bool,
    /// By someone who reads what `dbg` writes: it may stand everywhere in the root package, else in `test` blocks only.
    pub debugs: bool,
}

/// Checks packages (the standard library first, the root package last, dependencies before their
/// dependents). `links` names interface packages with the packages that implement their deferred functions. `None` if anything is wrong; the sink says what.
pub fn check<'a>(
    packages: &[ParsedPackage<'a>],
    links: &[(usize, usize)],
    names: &mut Interner,
    sources: &SourceMap,
    sink: &mut Sink,
    purpose: Purpose,
) -> Option<thir::Program> {
    let mut checker = Checker::new(names, sources, sink);
    checker.purpose = purpose;
    let package = |i: usize| PkgId(collect::id32(i));
    let links = links.iter().map(|(i, by)| (package(*i), package(*by)));
    checker.links = links.collect();
    checker.collect(packages);
    checker.signatures();
    checker.implementations();
    checker.bodies();
    checker.link_deferred();
    checker.entry();
    checker.main_error();
    checker.flush_caps();
    checker.unused_imports();
    checker.hidden_prelude();
    if checker.poisoned && !checker.sink.has_errors() {
        // Never silently: whatever refused the program has to be seen.
        checker.err(
            codes::CANNOT_INFER,
            Span::default(),
            "this program cannot be checked",
        );
    }
    if checker.sink.has_errors() || checker.poisoned {
        return None;
    }
    Some(checker.prog)
}

/// Index of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ModId(pub u32);

/// What a name of a module stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Def {
    Module(ModId),
    Adt(AdtId),
    Trait(TraitId),
    Cap(CapId),
    CapSet(u32),
    Fn(FnId),
    Const(ConstId),
}

/// An entry of a module's names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub def: Def,
    pub is_pub: bool,
    pub imported: bool,
    pub span: Span,
}

#[derive(Debug)]
pub(crate) struct ModInfo<'a> {
    pub pkg: PkgId,
    /// Dotted; empty for the root.
    pub name: String,
    pub ast: ast::Module<'a>,
    pub names: FxHashMap<Symbol, Entry>,
}

#[derive(Debug)]
pub(crate) struct PkgInfo {
    pub name: String,
    pub deps: Vec<PkgId>,
    pub is_std: bool,
    pub modules: FxHashMap<String, ModId>,
}

/// `ty: Trait[args]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pred {
    pub ty: Ty,
    pub trait_id: TraitId,
    pub args: Vec<Ty>,
}

/// A type parameter of a signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generic {
    pub name: Symbol,
    /// Stands in error position, so that it is `Never` where nothing binds it.
    pub is_err: bool,
    /// Stands for capabilities (`uses U`).
    pub is_uses: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct ParamSig {
    pub name: Symbol,
    pub ty: Ty,
    pub default: Option<FnId>,
    pub span: Span,
}

/// Signature of anything that can be called by name.
#[derive(Clone, Debug)]
pub(crate) struct Sig {
    pub name: Symbol,
    /// For messages: `Point.norm`.
    pub display: String,
    /// Enclosing parameters first.
    pub generics: Vec<Generic>,
    /// Where the function's own parameters begin.
    pub own: usize,
    pub preds: Vec<Pred>,
    /// The receiver first, if it has one.
    pub params: Vec<ParamSig>,
    pub has_self: bool,
    pub ret: Ty,
    pub errs: Ty,
    /// Canonical order.
    pub uses: Vec<CapId>,
    pub head: Span,
    pub is_pub: bool,
    pub module: ModId,
}

/// Where a function's body comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FnSrc<'a> {
    Item(&'a ast::FnItem<'a>),
    /// A default value of the signature's result type.
    Default(&'a ast::Expr<'a>),
    Test(&'a ast::TestItem<'a>),
}

/// A use of one of a function's own capabilities.
#[derive(Clone, Debug)]
pub(crate) struct UseSite {
    pub cap: CapId,
    pub span: Span,
    pub kind: UseKind,
}

#[derive(Clone, Debug)]
pub(crate) enum UseKind {
    /// The end of a path: `Console.print`, or the capability's name.
    Direct(String),
    /// A call or mention of a function that uses it.
    Fn(FnId),
}

#[derive(Debug)]
pub(crate) struct FnInfo<'a> {
    pub sig: Rc<Sig>,
    pub src: FnSrc<'a>,
    pub scope: TyScope,
    /// Hidden parameters, which for a method of an implementation are those of the trait.
    pub abi_uses: Option<Vec<CapId>>,
    /// Method of an implementation by an attenuator or of a capability by a fake: no `uses`.
    pub of_cap: bool,
    pub sites: Vec<UseSite>,
    /// Declared inside of another function, whose type parameters it shares.
    pub local: bool,
    /// How many functions are around a local function.
    pub level: usize,
    /// What a local function captured: locals of the body around it.
    pub captures: Vec<crate::thir::LocalId>,
    pub checked: bool,
}

/// Names that written types may mention beside those of the module.
#[derive(Clone, Debug)]
pub(crate) struct TyScope {
    pub module: ModId,
    pub generics: Rc<Vec<(Symbol, Ty)>>,
    /// Those that stand for capabilities.
    pub sets: Rc<Vec<Symbol>>,
    pub self_ty: Option<Ty>,
}

#[derive(Clone, Debug)]
pub(crate) struct FieldInfo {
    pub name: Symbol,
    pub ty: Ty,
    pub mutable: bool,
    pub is_pub: bool,
    pub default: Option<FnId>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct VariantInfo {
    pub name: Symbol,
    pub fields: Vec<FieldInfo>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum AdtItem<'a> {
    Struct(&'a ast::StructItem<'a>),
    Enum(&'a ast::EnumItem<'a>),
}

#[derive(Debug)]
pub(crate) struct AdtInfo<'a> {
    pub module: ModId,
    pub name: Symbol,
    pub item: AdtItem<'a>,
    pub generics: Vec<Generic>,
    pub preds: Vec<Pred>,
    pub variants: Rc<Vec<VariantInfo>>,
    pub methods: FxHashMap<Symbol, FnId>,
}

#[derive(Debug)]
pub(crate) struct TraitInfo<'a> {
    pub module: ModId,
    pub item: &'a ast::TraitItem<'a>,
    /// `Self` first.
    pub generics: Vec<Generic>,
    /// Bounds on the parameters and, on `Self`, the traits that it asks for.
    pub preds: Vec<Pred>,
    pub methods: Vec<Rc<Sig>>,
}

#[derive(Debug)]
pub(crate) struct CapInfo<'a> {
    pub module: ModId,
    pub item: &'a ast::CapabilityItem<'a>,
    /// The parent's first.
    pub methods: Vec<Rc<Sig>>,
    pub state: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Todo,
    Doing,
    Done,
}

#[derive(Debug)]
pub(crate) struct CapSetInfo<'a> {
    pub module: ModId,
    pub item: &'a ast::CapSetItem<'a>,
    pub caps: Vec<CapId>,
    pub state: Progress,
}

#[derive(Debug)]
pub(crate) struct ConstInfo<'a> {
    pub module: ModId,
    pub item: &'a ast::ConstItem<'a>,
    pub ty: Ty,
    /// Something is wrong with its expression or type, and was told.
    pub failed: bool,
}

/// An implementation of a trait or capability (same index as in the program).
#[derive(Debug)]
pub(crate) struct ImplInfo {
    pub generics: usize,
    pub preds: Vec<Pred>,
}

/// An `impl` without a trait, in the standard library.
#[derive(Debug)]
pub(crate) struct Inherent {
    pub generics: usize,
    pub self_ty: Ty,
    pub methods: FxHashMap<Symbol, FnId>,
}

/// A missing capability; told at the end, when paths through functions are known.
#[derive(Debug)]
pub(crate) struct PendingCap {
    pub diag: crate::diag::Diagnostic,
    pub cap: CapId,
    pub callee: Option<FnId>,
    pub here: (Span, String),
    pub what: String,
}

/// All state of a check.
pub(crate) struct Checker<'a, 's> {
    pub names: &'s mut Interner,
    pub sources: &'s SourceMap,
    pub sink: &'s mut Sink,
    pub prog: thir::Program,
    pub pkgs: Vec<PkgInfo>,
    pub mods: Vec<ModInfo<'a>>,
    pub fns: Vec<FnInfo<'a>>,
    pub adts: Vec<AdtInfo<'a>>,
    pub traits: Vec<TraitInfo<'a>>,
    pub caps: Vec<CapInfo<'a>>,
    pub capsets: Vec<CapSetInfo<'a>>,
    pub consts: Vec<ConstInfo<'a>>,
    pub const_state: consts::ConstState,
    /// Parallel to `prog.impls`.
    pub impls: Vec<ImplInfo>,
    pub inherents: Vec<Inherent>,
    /// Functions of the inherents by name.
    pub inherent_fns: FxHashMap<Symbol, Vec<(usize, FnId)>>,
    /// Implementations of each trait.
    pub trait_impls: FxHashMap<TraitId, Vec<usize>>,
    /// Implementations of each capability.
    pub cap_impls: FxHashMap<CapId, Vec<usize>>,
    /// The same by what they are for.
    pub heads: heads::Heads,
    /// Impl items with their modules, in order.
    pub impl_items: Vec<(ModId, &'a ast::ImplItem<'a>)>,
    pub prelude: FxHashMap<Symbol, Def>,
    /// Functions of the standard library by the intrinsic that they declare.
    pub intrinsics: FxHashMap<String, FnId>,
    /// Traits that have a method of this name.
    pub trait_methods: FxHashMap<Symbol, Vec<(TraitId, u32)>>,
    pub cx: FnCx<'a>,
    pub pending: Vec<PendingCap>,
    /// Full names of functions that are taken, per package.
    pub fn_names: FxHashMap<PkgId, crate::unique::Names>,
    /// Suggestions for misspellings that may still be looked for (each looks at every name).
    pub suggestions: std::cell::Cell<u32>,
    /// A bound names a trait that there is not.
    pub unknown_trait: bool,
    /// Names of modules that stand for nothing, which was told where they should come from.
    pub told_names: rustc_hash::FxHashSet<(ModId, Symbol)>,
    /// Capabilities with an implementation that was refused.
    pub refused_impls: rustc_hash::FxHashSet<CapId>,
    /// Imported names that something mentions.
    pub used_names: std::cell::RefCell<rustc_hash::FxHashSet<(ModId, Symbol)>>,
    /// Steps of inference left for the whole program.
    pub total_fuel: u64,
    /// Where something second class was told to lack a trait.
    pub second_told: Vec<crate::source::Span>,
    /// Steps of checking `match` left for the whole program.
    pub match_work: u32,
    /// What the program is compiled for.
    pub purpose: Purpose,
    /// Interface packages with those that implement their deferred functions.
    pub links: Vec<(PkgId, PkgId)>,
    /// Errors told so far.
    pub told: usize,
    /// Two implementations overlap: which of them a call means is no fault of the call.
    pub overlaps: bool,
    /// An error happened whose diagnostic the sink may have dropped.
    pub poisoned: bool,
}

impl<'a, 's> Checker<'a, 's> {
    fn new(names: &'s mut Interner, sources: &'s SourceMap, sink: &'s mut Sink) -> Self {
        Checker {
            names,
            sources,
            sink,
            prog: thir::Program::default(),
            pkgs: Vec::new(),
            mods: Vec::new(),
            fns: Vec::new(),
            adts: Vec::new(),
            traits: Vec::new(),
            caps: Vec::new(),
            capsets: Vec::new(),
            consts: Vec::new(),
            const_state: consts::ConstState::default(),
            impls: Vec::new(),
            inherents: Vec::new(),
            inherent_fns: FxHashMap::default(),
            trait_impls: FxHashMap::default(),
            cap_impls: FxHashMap::default(),
            heads: heads::Heads::default(),
            impl_items: Vec::new(),
            prelude: FxHashMap::default(),
            intrinsics: FxHashMap::default(),
            trait_methods: FxHashMap::default(),
            cx: FnCx::new(TyScope {
                module: ModId(0),
                generics: Rc::new(Vec::new()),
                sets: Rc::new(Vec::new()),
                self_ty: None,
            }),
            pending: Vec::new(),
            fn_names: FxHashMap::default(),
            suggestions: std::cell::Cell::new(40),
            unknown_trait: false,
            told_names: rustc_hash::FxHashSet::default(),
            refused_impls: rustc_hash::FxHashSet::default(),
            used_names: std::cell::RefCell::default(),
            total_fuel: 200_000_000,
            second_told: Vec::new(),
            match_work: exhaust::MAX_TOTAL_WORK,
            purpose: Purpose::default(),
            links: Vec::new(),
            told: 0,
            overlaps: false,
            poisoned: false,
        }
    }
}
