//! Lowering: from the typed, generic program to verified-to-be bytecode, one package at a time.
//!
//! Generic functions are instantiated by a work list per package: an instance, a derived function and
//! a function literal belong to the package whose code asks for them; a function of another package
//! that is not generic becomes an import. Every package, the standard library among them, holds only what
//! the program reaches: packages are compiled from the root down, so that all imports of a package are known
//! before it is its turn. What must stay true: output depends on the input alone (no hash order), and
//! a wrong typed program gives a [`LowerError`], never a panic or code that the verifier would refuse.

mod call;
mod cond;
mod defer;
mod derive;
mod emit;
mod expr;
mod func;
mod fuse;
mod inline;
mod instance;
mod intrinsics;
mod literal;
mod matching;
mod open;
mod ops;
mod pattern;
mod resolve;
mod shape;
mod share;
mod stmt;
mod switching;
mod tables;
mod types;
pub(crate) mod visit;

#[cfg(test)]
mod tests;

use crate::diag::codes;
use crate::source::{FileId, SourceMap, Span};
use crate::thir::*;
use crate::unique::Names;
use jet_bytecode::builder::{BuildError, FnRef, PackageBuilder};
use jet_bytecode::format::{EncodedPackage, encode_package};
use jet_bytecode::limits::{MAX_CONSTS, MAX_MODULE_BYTES};
use jet_bytecode::module::{Bundle, Input, NominalIx, PackageIx, TraitIx, TypeIx};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;
use std::rc::Rc;

/// Why a program cannot be lowered: a limit, or a bug of the compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowerError {
    /// Where.
    pub span: Span,
    /// What.
    pub message: String,
    /// Its code.
    pub code: &'static str,
}

impl LowerError {
    /// The same with a place, if it has none.
    fn within(mut self, place: Span) -> Self {
        if self.span == Span::default() {
            self.span = place;
        }
        self
    }
}

impl std::fmt::Display for LowerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LowerError {}

pub(crate) type Res<T> = Result<T, LowerError>;

/// An internal inconsistency.
fn bug<T>(span: Span, what: impl std::fmt::Display) -> Res<T> {
    Err(LowerError {
        span,
        message: format!("this is a bug of Jet: {what}"),
        code: codes::LOWERING,
    })
}

/// Something that the program needs too much of.
fn limit<T>(span: Span, what: impl std::fmt::Display) -> Res<T> {
    Err(LowerError {
        span,
        message: what.to_string(),
        code: codes::LOWERING,
    })
}

/// Instances of a generic function or type that lead to ever larger ones.
fn growing<T>(span: Span, what: impl std::fmt::Display) -> Res<T> {
    Err(LowerError {
        span,
        message: format!(
            "{what}: does a generic function or type use itself with ever larger types?"
        ),
        code: codes::GROWING_TYPES,
    })
}

/// Most functions of one package, instances and literals included.
const MAX_FUNCTIONS: usize = 40_000;
/// Longest name of a function: it is for stack traces.
const MAX_NAME: usize = 400;
/// Most words of code of one package: what a bundle can hold.
const MAX_CODE_WORDS: usize = MAX_MODULE_BYTES / 8;
/// Deepest type that instantiation may make.
const MAX_TYPE_DEPTH: u32 = 48;
/// Deepest nesting of expressions and literals.
const MAX_NESTING: u32 = 700;

/// Derived functions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Derive {
    Eq,
    Hash,
    Show,
    Cmp,
    /// `eq` with the total order of floats: whether two values are the same key.
    Key,
}

/// Which method an adapter stands for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Slot {
    /// Dynamic method of a trait (by its index among all methods).
    Trait(TraitId, Vec<Ty>, u32),
    /// Method of a capability.
    Cap(CapId, u32),
}

/// A function that some code asks for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum FnKey {
    /// Instance of a function.
    Inst(FnId, Vec<Ty>),
    /// Derived function of a type.
    Derived(Derive, Ty),
    /// Literal without captures that calls a function: the function as a storable value.
    Wrap(FnId, Vec<Ty>),
    /// Literal that captures the function's capabilities: the function as a borrowed value.
    Bound(FnId, Vec<Ty>),
    /// Function with exactly the interface's signature for a vtable; the flag says that the receiver
    /// is the box of the type.
    Adapter(Slot, Ty, bool),
}

/// A package on its way.
struct Unit {
    b: PackageBuilder,
    deps: FxHashMap<PkgId, PackageIx>,
    files: FxHashMap<FileId, u16>,
    last_file: Option<(FileId, u16)>,
    tys: FxHashMap<Ty, TypeIx>,
    nominals: FxHashMap<Ty, NominalIx>,
    nominal_names: FxHashMap<NominalIx, Ty>,
    caps: FxHashMap<CapId, u16>,
    traits: FxHashMap<(TraitId, Vec<Ty>), TraitIx>,
    cells: FxHashMap<TypeIx, NominalIx>,
    boxes: FxHashMap<Ty, NominalIx>,
    pending: VecDeque<(NominalIx, Ty)>,
    fns: FxHashMap<FnKey, FnRef>,
    queue: VecDeque<(FnKey, FnRef, String)>,
    names: Names,
    impls: FxHashSet<(Slot, Ty)>,
}

/// The state of the whole lowering.
struct Cx<'p> {
    prog: &'p Program,
    sources: &'p SourceMap,
    tys: TyTable,
    units: Vec<Unit>,
    /// What each package was built from.
    inputs: Vec<Vec<Input>>,
    cur: usize,
    trait_impls: FxHashMap<TraitId, Vec<usize>>,
    cap_impls: FxHashMap<CapId, Vec<usize>>,
    boxed: FxHashMap<FnId, Rc<FxHashSet<LocalId>>>,
    inlinable: FxHashMap<FnId, bool>,
    shapes: FxHashMap<FnId, Option<Rc<shape::Shape<'p>>>>,
    resolved: FxHashMap<(TraitId, u32, Ty, Vec<Ty>), resolve::Found>,
    depth: u32,
    made: &'p open::Made,
    last_made: Option<&'p open::Node>,
}

/// What lowering gives.
#[derive(Debug)]
pub struct Lowered {
    /// The program.
    pub bundle: Bundle,
    /// Its packages as they are written.
    pub encoded: Vec<EncodedPackage>,
}

/// Compiles a checked program. The type table of `prog` grows by the instantiated types.
/// `inputs`: what each package was built from, if that is to be recorded.
pub fn lower(
    prog: &mut Program,
    sources: &SourceMap,
    inputs: Vec<Vec<Input>>,
) -> Result<Lowered, LowerError> {
    let tys = std::mem::take(&mut prog.tys);
    let made = open::Made::default();
    let mut cx = Cx {
        prog,
        sources,
        tys,
        units: Vec::new(),
        inputs,
        cur: 0,
        trait_impls: FxHashMap::default(),
        cap_impls: FxHashMap::default(),
        boxed: FxHashMap::default(),
        inlinable: FxHashMap::default(),
        shapes: FxHashMap::default(),
        resolved: FxHashMap::default(),
        depth: 0,
        made: &made,
        last_made: None,
    };
    let result = cx.run();
    let tys = std::mem::take(&mut cx.tys);
    drop(cx);
    prog.tys = tys;
    result
}

impl<'p> Cx<'p> {
    fn run(&mut self) -> Res<Lowered> {
        let nowhere = Span::default();
        let prog = self.prog;
        for (i, im) in prog.impls.iter().enumerate() {
            match &im.interface {
                ImplOf::Trait(t, _) => {
                    let list = self.trait_impls.entry(*t).or_default();
                    // One for every type comes last: a type with one of its own lacks its bounds.
                    let tys = &self.tys;
                    let blanket = |i: &usize| {
                        let im = prog.impls.get(*i);
                        im.is_some_and(|d| matches!(tys.kind(d.self_ty), TyKind::Param(_)))
                    };
                    let at = if blanket(&i) {
                        list.len()
                    } else {
                        list.iter().position(blanket).unwrap_or(list.len())
                    };
                    list.insert(at, i);
                }
                ImplOf::Cap(c) => self.cap_impls.entry(*c).or_default().push(i),
            }
        }
        for p in &prog.packages {
            self.units.push(Unit {
                b: PackageBuilder::new(p.name.clone(), p.version.clone()),
                deps: FxHashMap::default(),
                files: FxHashMap::default(),
                last_file: None,
                tys: FxHashMap::default(),
                nominals: FxHashMap::default(),
                nominal_names: FxHashMap::default(),
                caps: FxHashMap::default(),
                traits: FxHashMap::default(),
                cells: FxHashMap::default(),
                boxes: FxHashMap::default(),
                pending: VecDeque::new(),
                fns: FxHashMap::default(),
                queue: VecDeque::new(),
                names: Names::default(),
                impls: FxHashSet::default(),
            });
        }
        let Some(root) = self.units.len().checked_sub(1) else {
            return bug(nowhere, "a program without packages");
        };
        for cur in (0..=root).rev() {
            self.cur = cur;
            self.start_unit(cur, cur == root)?;
            self.drain()?;
        }
        self.finish()
    }

    /// Index of a source file in the current package.
    fn file(&mut self, id: FileId) -> u16 {
        let Some(u) = self.units.get_mut(self.cur) else {
            return 0;
        };
        if let Some((last, at)) = u.last_file
            && last == id
        {
            return at;
        }
        let sources = self.sources;
        let at = *u.files.entry(id).or_insert_with(|| {
            let path = sources.path(id);
            u.b.file(if path.is_empty() { "?" } else { path })
        });
        u.last_file = Some((id, at));
        at
    }

    fn unit(&mut self) -> Res<&mut Unit> {
        match self.units.get_mut(self.cur) {
            Some(u) => Ok(u),
            None => bug(Span::default(), "no such package"),
        }
    }

    /// Names the dependencies and asks for the roots.
    fn start_unit(&mut self, cur: usize, is_root: bool) -> Res<()> {
        let prog = self.prog;
        if let Some(p) = prog.packages.get(cur) {
            for d in &p.deps {
                self.dep(*d)?;
            }
        }
        if !is_root {
            return Ok(());
        }
        if let Some(main) = &prog.main {
            let at = self.function(FnKey::Inst(main.function, Vec::new()), Span::default())?;
            self.unit()?.b.entry(at, main.paths.clone());
        } else {
            // A library: everything that is not generic.
            let own = PkgId(cur as u32);
            let tests: FxHashSet<FnId> = prog.tests.iter().map(|t| t.function).collect();
            for (i, f) in prog.fns.iter().enumerate() {
                let method_of_attenuator = f
                    .params
                    .first()
                    .and_then(|p| f.locals.get(p.0 as usize))
                    .is_some_and(|l| self.authority(l.ty));
                let test = tests.contains(&FnId(i as u32));
                let plain = f.generics == 0 && !method_of_attenuator && !test;
                if f.package == own && plain && f.body.is_some() {
                    self.function(FnKey::Inst(FnId(i as u32), Vec::new()), f.span)?;
                }
            }
            for im in &prog.impls {
                if let ImplOf::Cap(c) = &im.interface
                    && im.package == own
                    && im.generics == 0
                {
                    self.cap_record(*c, im.self_ty, im.span)?;
                }
            }
        }
        Ok(())
    }

    /// Compiles until the work list of the package is empty.
    fn drain(&mut self) -> Res<()> {
        loop {
            if let Some((key, at, name)) = self.unit()?.queue.pop_front() {
                let place = self.key_span(&key);
                self.compile(key, at, name).map_err(|e| e.within(place))?;
                if self.unit()?.b.code_words() > MAX_CODE_WORDS {
                    return growing(
                        place,
                        "the program needs too much code, instances of generic functions included",
                    );
                }
            } else if let Some((ix, ty)) = self.unit()?.pending.pop_front() {
                let place = self.ty_span(ty);
                self.describe(ix, ty).map_err(|e| e.within(place))?;
            } else {
                return Ok(());
            }
        }
    }

    /// Where what stands behind a key is declared.
    fn key_span(&self, key: &FnKey) -> Span {
        match key {
            FnKey::Inst(id, _) | FnKey::Wrap(id, _) | FnKey::Bound(id, _) => self
                .prog
                .fns
                .get(id.0 as usize)
                .map_or(Span::default(), |f| f.span),
            FnKey::Derived(_, ty) | FnKey::Adapter(_, ty, _) => self.ty_span(*ty),
        }
    }

    fn ty_span(&self, ty: Ty) -> Span {
        match self.tys.kind(ty) {
            TyKind::Adt(id, _) => self
                .prog
                .adts
                .get(id.0 as usize)
                .map_or(Span::default(), |a| a.span),
            _ => Span::default(),
        }
    }

    /// Index of a package as the current one names it.
    fn dep(&mut self, pkg: PkgId) -> Res<PackageIx> {
        if pkg.0 as usize == self.cur {
            return Ok(0);
        }
        let prog = self.prog;
        let Some(def) = prog.packages.get(pkg.0 as usize) else {
            return bug(Span::default(), "no such package");
        };
        if pkg.0 as usize > self.cur {
            return bug(Span::default(), "a package mentions one that depends on it");
        }
        let u = self.unit()?;
        if let Some(i) = u.deps.get(&pkg) {
            return Ok(*i);
        }
        let i = u.b.dep(&def.name, [0; 32]);
        u.deps.insert(pkg, i);
        Ok(i)
    }

    /// Finishes the packages in dependency order, filling in the hashes of dependencies.
    fn finish(&mut self) -> Res<Lowered> {
        let mut bundle = Bundle::default();
        let mut encoded = Vec::new();
        let mut consts = 0;
        let mut hashes: FxHashMap<String, [u8; 32]> = FxHashMap::default();
        let mut inputs = std::mem::take(&mut self.inputs).into_iter();
        for mut unit in std::mem::take(&mut self.units) {
            unit.b.inputs(inputs.next().unwrap_or_default());
            let mut p = unit
                .b
                .finish()
                .map_err(|e| build_error(e, Span::default()))?;
            for d in &mut p.deps {
                match hashes.get(&d.name) {
                    Some(h) => d.hash = *h,
                    None => return bug(Span::default(), "packages out of order"),
                }
            }
            consts += p.consts.len();
            if consts > MAX_CONSTS {
                let what = format!(
                    "the program has {consts} different numbers and texts; at most {MAX_CONSTS} are possible: read long tables from a file"
                );
                return limit(Span::default(), what);
            }
            let sections = encode_package(&p).or_else(|e| limit(Span::default(), e))?;
            hashes.insert(p.name.clone(), sections.hash());
            encoded.push(sections);
            bundle.packages.push(p);
        }
        Ok(Lowered { bundle, encoded })
    }

    /// The function behind a key, asked for now if it was not before.
    fn function(&mut self, key: FnKey, span: Span) -> Res<FnRef> {
        if let Some(f) = self.unit()?.fns.get(&key) {
            return Ok(*f);
        }
        let prog = self.prog;
        if let FnKey::Inst(id, _) = &key
            && let Some((_, by)) = prog.deferred.iter().find(|(f, _)| f == id)
        {
            return self.function(FnKey::Inst(*by, Vec::new()), span);
        }
        if let FnKey::Inst(id, args) = &key {
            let Some(def) = prog.fns.get(id.0 as usize) else {
                return bug(span, "no such function");
            };
            if def.package.0 as usize != self.cur && args.is_empty() {
                let package = self.dep(def.package)?;
                let sig = self.fn_sig(*id, &[])?;
                let f = self.unit()?.b.import(package, &def.name, sig);
                self.unit()?.fns.insert(key.clone(), f);
                // The declaring package compiles it when it is its turn.
                let here = std::mem::replace(&mut self.cur, def.package.0 as usize);
                let asked = self.function(key, span);
                self.cur = here;
                asked?;
                return Ok(f);
            }
        }
        let name = self.fn_name(&key).map_err(|e| e.within(span))?;
        let f = self.declare(name.clone(), span)?;
        let u = self.unit()?;
        u.fns.insert(key.clone(), f.0);
        u.queue.push_back((key, f.0, f.1));
        Ok(f.0)
    }

    /// Declares a function under a name that is made unique.
    fn declare(&mut self, mut name: String, span: Span) -> Res<(FnRef, String)> {
        // The format bounds names; a cut name is still unique by its number.
        while name.len() > MAX_NAME {
            name.pop();
        }
        let u = self.unit()?;
        if u.names.len() >= MAX_FUNCTIONS {
            let plain = self.prog.fns.iter().filter(|f| f.generics == 0).count();
            if plain > MAX_FUNCTIONS / 2 {
                let what = format!(
                    "a package has at most {MAX_FUNCTIONS} functions, instances of generic ones included: divide it"
                );
                return limit(span, what);
            }
            return growing(
                span,
                "the program needs too many instances of generic functions",
            );
        }
        let unique = u.names.unique(name);
        let f = u.b.declare(unique.clone());
        Ok((f, unique))
    }

    fn fn_name(&mut self, key: &FnKey) -> Res<String> {
        let prog = self.prog;
        let of = |cx: &Self, id: &FnId| -> String {
            let Some(def) = prog.fns.get(id.0 as usize) else {
                return String::from("?");
            };
            match prog.packages.get(def.package.0 as usize) {
                Some(p) if def.package.0 as usize != cx.cur => format!("{}.{}", p.name, def.name),
                _ => def.name.clone(),
            }
        };
        Ok(match key {
            FnKey::Inst(id, args) => {
                let name = of(self, id);
                if args.is_empty() {
                    name
                } else {
                    format!("{name}{}", self.mangle_args(args)?)
                }
            }
            FnKey::Wrap(id, args) | FnKey::Bound(id, args) => {
                format!("{}{}#value", of(self, id), self.mangle_args(args)?)
            }
            FnKey::Derived(d, ty) => {
                let what = match d {
                    Derive::Eq => "eq",
                    Derive::Hash => "hash",
                    Derive::Show => "show",
                    Derive::Cmp => "cmp",
                    Derive::Key => "key",
                };
                format!("{}#{what}", self.mangle(*ty)?)
            }
            FnKey::Adapter(slot, ty, _) => {
                let name = match slot {
                    Slot::Trait(t, args, m) => {
                        let name = prog.traits.get(t.0 as usize).map_or("?", |t| &t.name);
                        format!("{name}{}.{m}", self.mangle_args(args)?)
                    }
                    Slot::Cap(c, m) => {
                        let name = prog.caps.get(c.0 as usize).map_or("?", |t| &t.name);
                        format!("{name}.{m}")
                    }
                };
                format!("{}#{name}", self.mangle(*ty)?)
            }
        })
    }
}

fn build_error(e: BuildError, span: Span) -> LowerError {
    let message = match e {
        BuildError::UnboundLabel | BuildError::FallsOff | BuildError::BadOperands(_) => {
            format!("this is a bug of Jet: {e}")
        }
        BuildError::Undefined(_) => format!("this is a bug of Jet: {e}"),
        BuildError::TooManyRegisters => format!(
            "this function holds too many values at once ({e}): move parts of it into functions of their own"
        ),
        BuildError::CodeTooLong => format!(
            "this function is too long ({e}): move parts of it into functions of their own, and long tables into a text or file that the program reads"
        ),
        BuildError::TooManyArguments => {
            format!("{e}: put them into a struct or a list")
        }
        _ => e.to_string(),
    };
    LowerError {
        span,
        message,
        code: codes::LOWERING,
    }
}
