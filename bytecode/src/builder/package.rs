//! One package's tables, with interning.
//!
//! What must stay true: indices that were handed out stay valid; calls are patched with function indices at the
//! end, when the number of imports is known.

use super::BuildError;
use super::function::{FinishedFunction, FnRef};
use crate::module::*;
use rustc_hash::{FxHashMap, FxHashSet};

/// Builds one package.
#[derive(Clone, Debug, Default)]
pub struct PackageBuilder {
    package: Package,
    types: FxHashMap<Type, TypeIx>,
    nominals: FxHashMap<(PackageIx, String), NominalIx>,
    caps: FxHashMap<(PackageIx, String), CapIx>,
    traits: FxHashMap<(PackageIx, String), TraitIx>,
    imports: FxHashMap<(PackageIx, String), u16>,
    consts: FxHashMap<ConstKey, u32>,
    files: FxHashMap<String, u16>,
    nominal_kinds: Vec<Option<NominalKind>>,
    cap_bodies: Vec<Option<(Option<CapIx>, Vec<Method>)>>,
    trait_bodies: Vec<Option<Vec<Method>>>,
    functions: Vec<(String, Option<FinishedFunction>)>,
    impls: Vec<(NominalIx, Interface, Vec<FnRef>)>,
    known_impls: FxHashSet<(NominalIx, Interface)>,
    entry: Option<(FnRef, Vec<Vec<String>>)>,
    code_words: usize,
    error: Option<BuildError>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum ConstKey {
    Int(i64),
    Float(u64),
    Str(String),
}

impl PackageBuilder {
    /// Starts a package.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        PackageBuilder {
            package: Package {
                name: name.into(),
                version: version.into(),
                ..Package::default()
            },
            ..PackageBuilder::default()
        }
    }

    fn index(&mut self, len: usize, table: &'static str) -> u16 {
        // The last index stays free, so that a count fits 16 bits too.
        match u16::try_from(len) {
            Ok(i) if i < u16::MAX => i,
            _ => {
                self.error.get_or_insert(BuildError::TableFull(table));
                0
            }
        }
    }

    /// Adds a dependency with its content hash ([`crate::format::package_hash`]); returns its index for
    /// `package` fields. The package itself is 0.
    pub fn dep(&mut self, name: &str, hash: [u8; 32]) -> PackageIx {
        if let Some(i) = self.package.deps.iter().position(|d| d.name == name) {
            return i as u16 + 1;
        }
        let i = self.index(self.package.deps.len() + 1, "dependencies");
        self.package.deps.push(Dep {
            name: name.to_owned(),
            hash,
        });
        i
    }

    /// Says what the package was built from.
    pub fn inputs(&mut self, inputs: Vec<Input>) {
        self.package.inputs = inputs;
    }

    /// Interns a type. Its components must come from this builder.
    pub fn ty(&mut self, ty: Type) -> TypeIx {
        if let Some(i) = self.types.get(&ty) {
            return *i;
        }
        let i = self.index(self.package.types.len(), "types");
        if self.error.is_none() {
            self.types.insert(ty.clone(), i);
            self.package.types.push(ty);
        }
        i
    }

    /// A signature in canonical form: `uses` in the order of capability identity, errors ascending, both
    /// without duplicates.
    pub fn sig(
        &self,
        params: Vec<TypeIx>,
        mut uses: Vec<CapIx>,
        ret: TypeIx,
        mut errors: Vec<NominalIx>,
    ) -> Sig {
        uses.sort_by_cached_key(|c| self.cap_key(*c));
        uses.dedup();
        errors.sort_unstable();
        errors.dedup();
        Sig {
            params,
            uses,
            ret,
            errors,
        }
    }

    /// What capabilities are ordered by: declaring package's name, then name.
    pub fn cap_key(&self, cap: CapIx) -> (String, String) {
        match self.package.caps.get(usize::from(cap)) {
            Some(c) => (self.package_name(c.package).to_owned(), c.name.clone()),
            None => Default::default(),
        }
    }

    /// The name of a package by its index here.
    pub fn package_name(&self, ix: PackageIx) -> &str {
        match usize::from(ix).checked_sub(1) {
            None => &self.package.name,
            Some(i) => self.package.deps.get(i).map_or("", |d| d.name.as_str()),
        }
    }

    /// The type that holds these errors in a register: the nominal type of one, the set of several.
    pub fn error_type(&mut self, mut errors: Vec<NominalIx>) -> Option<TypeIx> {
        errors.sort_unstable();
        errors.dedup();
        match errors.as_slice() {
            [] => None,
            [one] => Some(self.ty(Type::Nominal(*one))),
            _ => Some(self.ty(Type::ErrorSet(errors))),
        }
    }

    /// Declares a nominal type (the same one for the same package and name); define it later.
    pub fn nominal(&mut self, package: PackageIx, name: &str) -> NominalIx {
        let key = (package, name.to_owned());
        if let Some(i) = self.nominals.get(&key) {
            return *i;
        }
        let i = self.index(self.nominal_kinds.len(), "nominal types");
        self.nominals.insert(key, i);
        self.nominal_kinds.push(None);
        self.package.nominals.push(Nominal {
            package,
            name: name.to_owned(),
            kind: NominalKind::Handle,
        });
        i
    }

    /// Defines a declared nominal type.
    pub fn define_nominal(&mut self, ix: NominalIx, kind: NominalKind) {
        if let Some(slot) = self.nominal_kinds.get_mut(usize::from(ix)) {
            *slot = Some(kind);
        }
    }

    /// Declares a capability; define it later.
    pub fn cap(&mut self, package: PackageIx, name: &str) -> CapIx {
        let key = (package, name.to_owned());
        if let Some(i) = self.caps.get(&key) {
            return *i;
        }
        let i = self.index(self.cap_bodies.len(), "capabilities");
        self.caps.insert(key, i);
        self.cap_bodies.push(None);
        self.package.caps.push(Cap {
            package,
            name: name.to_owned(),
            parent: None,
            methods: Vec::new(),
        });
        i
    }

    /// Defines a declared capability; `methods` start with the parent's.
    pub fn define_cap(&mut self, ix: CapIx, parent: Option<CapIx>, methods: Vec<Method>) {
        if let Some(slot) = self.cap_bodies.get_mut(usize::from(ix)) {
            *slot = Some((parent, methods));
        }
    }

    /// Declares a trait; define it later.
    pub fn trait_(&mut self, package: PackageIx, name: &str) -> TraitIx {
        let key = (package, name.to_owned());
        if let Some(i) = self.traits.get(&key) {
            return *i;
        }
        let i = self.index(self.trait_bodies.len(), "traits");
        self.traits.insert(key, i);
        self.trait_bodies.push(None);
        self.package.traits.push(Trait {
            package,
            name: name.to_owned(),
            methods: Vec::new(),
        });
        i
    }

    /// Defines a declared trait.
    pub fn define_trait(&mut self, ix: TraitIx, methods: Vec<Method>) {
        if let Some(slot) = self.trait_bodies.get_mut(usize::from(ix)) {
            *slot = Some(methods);
        }
    }

    /// Adds an implementation record (once for each pair).
    pub fn implement(&mut self, ty: NominalIx, interface: Interface, methods: Vec<FnRef>) {
        if self.known_impls.insert((ty, interface)) {
            self.impls.push((ty, interface, methods));
        }
    }

    /// Imports a function of a dependency.
    pub fn import(&mut self, package: PackageIx, name: &str, sig: Sig) -> FnRef {
        let key = (package, name.to_owned());
        if let Some(i) = self.imports.get(&key) {
            return FnRef::Import(*i);
        }
        let i = self.index(self.package.imports.len(), "imports");
        self.imports.insert(key, i);
        self.package.imports.push(Import {
            package,
            name: name.to_owned(),
            sig,
        });
        FnRef::Import(i)
    }

    /// Declares a function of this package, so that it can be called before it is defined.
    pub fn declare(&mut self, name: impl Into<String>) -> FnRef {
        let i = self.index(self.functions.len(), "functions");
        self.functions.push((name.into(), None));
        FnRef::Local(i)
    }

    /// Defines a declared function.
    pub fn define(&mut self, at: FnRef, function: FinishedFunction) {
        if let FnRef::Local(i) = at
            && let Some((_, slot)) = self.functions.get_mut(usize::from(i))
        {
            self.code_words += function.function.code.len();
            *slot = Some(function);
        }
    }

    /// Words of code of the functions defined so far.
    pub fn code_words(&self) -> usize {
        self.code_words
    }

    /// Interns an int constant.
    pub fn const_int(&mut self, v: i64) -> u32 {
        self.constant(ConstKey::Int(v))
    }

    /// Interns a float constant. All NaNs are one.
    pub fn const_float(&mut self, v: f64) -> u32 {
        let v = if v.is_nan() { f64::NAN } else { v };
        self.constant(ConstKey::Float(v.to_bits()))
    }

    /// Interns a string constant.
    pub fn const_str(&mut self, v: &str) -> u32 {
        self.constant(ConstKey::Str(v.to_owned()))
    }

    fn constant(&mut self, key: ConstKey) -> u32 {
        if let Some(i) = self.consts.get(&key) {
            return *i;
        }
        let i = self.package.consts.len() as u32;
        self.package.consts.push(match &key {
            ConstKey::Int(v) => Const::Int(*v),
            ConstKey::Float(v) => Const::Float(*v),
            ConstKey::Str(v) => Const::Str(v.clone()),
        });
        self.consts.insert(key, i);
        i
    }

    /// Interns a source file name.
    pub fn file(&mut self, name: &str) -> u16 {
        if let Some(i) = self.files.get(name) {
            return *i;
        }
        let i = self.index(self.package.files.len(), "files");
        self.files.insert(name.to_owned(), i);
        self.package.files.push(name.to_owned());
        i
    }

    /// Sets the entry point; `paths` has one call path for each capability in `main`'s `uses`.
    pub fn entry(&mut self, function: FnRef, paths: Vec<Vec<String>>) {
        self.entry = Some((function, paths));
    }

    /// Finishes the package.
    pub fn finish(mut self) -> Result<Package, BuildError> {
        if let Some(e) = self.error {
            return Err(e);
        }
        let imports = self.package.imports.len();
        if imports + self.functions.len() > usize::from(u16::MAX) {
            return Err(BuildError::TableFull("functions"));
        }
        let resolve = |f: FnRef| match f {
            FnRef::Import(i) => i,
            FnRef::Local(i) => (imports + usize::from(i)) as u16,
        };
        for (n, kind) in self.package.nominals.iter_mut().zip(self.nominal_kinds) {
            n.kind = kind.ok_or_else(|| BuildError::Undefined(n.name.clone()))?;
        }
        for (c, body) in self.package.caps.iter_mut().zip(self.cap_bodies) {
            let body = body.ok_or_else(|| BuildError::Undefined(c.name.clone()))?;
            (c.parent, c.methods) = body;
        }
        for (t, body) in self.package.traits.iter_mut().zip(self.trait_bodies) {
            t.methods = body.ok_or_else(|| BuildError::Undefined(t.name.clone()))?;
        }
        for (name, slot) in self.functions {
            let mut done = slot.ok_or(BuildError::Undefined(name))?;
            for (pc, f) in done.relocs {
                if let Some(w) = done.function.code.get_mut(pc as usize) {
                    *w = *w & !(0xffff << 32) | u64::from(resolve(f)) << 32;
                }
            }
            self.package.functions.push(done.function);
        }
        for (ty, interface, methods) in self.impls {
            let methods = methods.into_iter().map(resolve).collect();
            self.package.impls.push(Impl {
                ty,
                interface,
                methods,
            });
        }
        self.package.entry = self.entry.map(|(f, paths)| Entry {
            function: resolve(f),
            paths,
        });
        Ok(self.package)
    }
}
