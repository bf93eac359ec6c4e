//! Types of the frontend, interned: equal types have equal handles.
//!
//! Shared by the checker, which makes them, and by lowering, which substitutes concrete types for
//! parameters. `Infer` and `Error` never leave the checker.

use rustc_hash::FxHashMap;

/// Handle of an interned type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ty(pub u32);

/// Index of a struct, enum, error or handle type in [`super::Program::adts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AdtId(pub u32);
/// Index of a capability in [`super::Program::caps`].
///
/// An authority parameter (`uses U`) is one too, without methods or declaration: [`CapId::param`]. It
/// stands for any set of capabilities until lowering knows which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CapId(pub u32);

impl CapId {
    const PARAM: u32 = 0x8000_0000;
    const INFER: u32 = 0xC000_0000;
    const INDEX: u32 = 0x3FFF_FFFF;

    /// The authority parameter with this index among the parameters of the declaration.
    pub fn param(index: u32) -> CapId {
        CapId(Self::PARAM | (index & Self::INDEX))
    }

    /// The authorities that an inference variable stands for (checker only).
    pub fn infer(var: u32) -> CapId {
        CapId(Self::INFER | (var & Self::INDEX))
    }

    /// The index, if it is a parameter.
    pub fn as_param(self) -> Option<u32> {
        (self.0 & Self::INFER == Self::PARAM).then_some(self.0 & Self::INDEX)
    }

    /// The variable, if it stands for one.
    pub fn as_infer(self) -> Option<u32> {
        (self.0 & Self::INFER == Self::INFER).then_some(self.0 & Self::INDEX)
    }
}
/// Index of a trait in [`super::Program::traits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraitId(pub u32);

/// Signature of a function value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FnTy {
    /// Parameters.
    pub params: Vec<Ty>,
    /// Capabilities that the caller hands over, in canonical order. Empty for borrowed functions.
    pub uses: Vec<CapId>,
    /// Result on the value edge.
    pub ret: Ty,
    /// What it may raise: `Never`, an error type, a type parameter, or an [`TyKind::ErrSet`].
    pub errs: Ty,
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TyKind {
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
    /// `[T]`.
    List(Ty),
    /// Tuple of two or more.
    Tuple(Vec<Ty>),
    /// Struct, enum, error or handle with its arguments. `T?` is std's `Option`, `Map[K, V]` std's `Map`.
    Adt(AdtId, Vec<Ty>),
    /// Storable function.
    Fn(FnTy),
    /// Borrowed function (second class).
    Borrowed(FnTy),
    /// Capability (second class).
    Cap(CapId),
    /// Trait as an object.
    Dyn(TraitId, Vec<Ty>),
    /// Argument of an authority parameter: a set of capabilities in canonical order. A set of one parameter or
    /// one variable alone is that `Param` or `Infer`.
    Caps(Vec<CapId>),
    /// Two or more members, ascending by handle: error types and type parameters.
    ErrSet(Vec<Ty>),
    /// Type parameter by its index in the list of the function's parameters
    /// (those of the enclosing impl, struct or trait first; a trait's `Self` is its parameter 0).
    Param(u32),
    /// Type of expressions that do not return, and the error type of what cannot fail.
    Never,
    /// Inference variable (checker only).
    Infer(u32),
    /// Stands for a type that was already reported (checker only).
    Error,
}

/// What is known of a type without a walk over it.
#[derive(Clone, Copy, Debug, Default)]
struct Meta {
    has_param: bool,
    has_infer: bool,
    depth: u32,
    weight: u32,
}

/// The interner.
#[derive(Debug)]
pub struct TyTable {
    kinds: Vec<TyKind>,
    metas: Vec<Meta>,
    index: FxHashMap<TyKind, Ty>,
    /// The place of each capability in the order of hidden parameters.
    cap_order: Vec<u32>,
}

impl TyTable {
    /// `()`.
    pub const UNIT: Ty = Ty(0);
    /// `bool`.
    pub const BOOL: Ty = Ty(1);
    /// `byte`.
    pub const BYTE: Ty = Ty(2);
    /// `char`.
    pub const CHAR: Ty = Ty(3);
    /// `int`.
    pub const INT: Ty = Ty(4);
    /// `float`.
    pub const FLOAT: Ty = Ty(5);
    /// `string`.
    pub const STR: Ty = Ty(6);
    /// Never.
    pub const NEVER: Ty = Ty(7);
    /// Already reported.
    pub const ERROR: Ty = Ty(8);

    /// A table with the primitive types at their fixed handles.
    pub fn new() -> TyTable {
        let mut t = TyTable {
            kinds: Vec::new(),
            metas: Vec::new(),
            index: FxHashMap::default(),
            cap_order: Vec::new(),
        };
        for k in [
            TyKind::Unit,
            TyKind::Bool,
            TyKind::Byte,
            TyKind::Char,
            TyKind::Int,
            TyKind::Float,
            TyKind::Str,
            TyKind::Never,
            TyKind::Error,
        ] {
            t.intern(k);
        }
        t
    }

    /// The handle of a type.
    pub fn intern(&mut self, kind: TyKind) -> Ty {
        if let Some(&ty) = self.index.get(&kind) {
            return ty;
        }
        let ty = Ty(self.kinds.len() as u32);
        let meta = self.meta_of(&kind);
        self.metas.push(meta);
        self.kinds.push(kind.clone());
        self.index.insert(kind, ty);
        ty
    }

    fn meta_of(&self, kind: &TyKind) -> Meta {
        let mut meta = Meta {
            has_param: matches!(kind, TyKind::Param(_)),
            has_infer: matches!(kind, TyKind::Infer(_)),
            depth: 0,
            weight: 1,
        };
        let uses = match kind {
            TyKind::Fn(f) | TyKind::Borrowed(f) => f.uses.as_slice(),
            TyKind::Caps(caps) => caps,
            TyKind::Cap(cap) => std::slice::from_ref(cap),
            _ => &[],
        };
        meta.has_param |= uses.iter().any(|c| c.as_param().is_some());
        meta.has_infer |= uses.iter().any(|c| c.as_infer().is_some());
        let mut add = |t: Ty| {
            let m = self.metas.get(t.0 as usize).copied().unwrap_or_default();
            meta.has_param |= m.has_param;
            meta.has_infer |= m.has_infer;
            meta.depth = meta.depth.max(m.depth);
            meta.weight = meta.weight.saturating_add(m.weight);
        };
        match kind {
            TyKind::List(t) => add(*t),
            TyKind::Tuple(ts) | TyKind::Adt(_, ts) | TyKind::Dyn(_, ts) | TyKind::ErrSet(ts) => {
                ts.iter().for_each(|t| add(*t))
            }
            TyKind::Fn(f) | TyKind::Borrowed(f) => {
                f.params.iter().for_each(|t| add(*t));
                add(f.ret);
                add(f.errs);
            }
            _ => {}
        }
        meta.depth = meta.depth.saturating_add(1);
        meta
    }

    fn meta(&self, ty: Ty) -> Meta {
        self.metas.get(ty.0 as usize).copied().unwrap_or_default()
    }

    /// Whether a type parameter is in it.
    pub fn has_param(&self, ty: Ty) -> bool {
        self.meta(ty).has_param
    }

    /// Whether an inference variable is in it.
    pub fn has_infer(&self, ty: Ty) -> bool {
        self.meta(ty).has_infer
    }

    /// How deep it nests; a primitive has 1.
    pub fn depth(&self, ty: Ty) -> u32 {
        self.meta(ty).depth
    }

    /// How many nodes it has when written out (shared parts count each time; saturating).
    pub fn weight(&self, ty: Ty) -> u32 {
        self.meta(ty).weight
    }

    /// The type behind a handle.
    pub fn kind(&self, ty: Ty) -> &TyKind {
        self.kinds.get(ty.0 as usize).unwrap_or(&TyKind::Error)
    }

    /// The type of what raises any of these: flattens sets, drops `Never`, sorts, removes doubles.
    pub fn err_set(&mut self, members: impl IntoIterator<Item = Ty>) -> Ty {
        let mut flat = Vec::new();
        for m in members {
            match self.kind(m) {
                TyKind::Never => {}
                TyKind::ErrSet(inner) => flat.extend(inner.iter().copied()),
                _ => flat.push(m),
            }
        }
        flat.sort_unstable();
        flat.dedup();
        match flat.as_slice() {
            [] => Self::NEVER,
            [one] => *one,
            _ => self.intern(TyKind::ErrSet(flat)),
        }
    }

    /// The members of an error type as [`TyTable::err_set`] builds it.
    pub fn err_members(&self, errs: Ty) -> Vec<Ty> {
        match self.kind(errs) {
            TyKind::Never => Vec::new(),
            TyKind::ErrSet(m) => m.clone(),
            _ => vec![errs],
        }
    }

    /// Replaces `Param(i)` by `args[i]` (parameters beyond `args` stay).
    pub fn subst(&mut self, ty: Ty, args: &[Ty]) -> Ty {
        if args.is_empty() || !self.has_param(ty) {
            return ty;
        }
        let kind = self.kind(ty).clone();
        let new = match kind {
            TyKind::Param(i) => return args.get(i as usize).copied().unwrap_or(ty),
            TyKind::List(t) => TyKind::List(self.subst(t, args)),
            TyKind::Tuple(ts) => TyKind::Tuple(self.subst_all(&ts, args)),
            TyKind::Adt(id, ts) => TyKind::Adt(id, self.subst_all(&ts, args)),
            TyKind::Dyn(id, ts) => TyKind::Dyn(id, self.subst_all(&ts, args)),
            TyKind::Fn(f) => TyKind::Fn(self.subst_fn(&f, args)),
            TyKind::Borrowed(f) => TyKind::Borrowed(self.subst_fn(&f, args)),
            TyKind::Caps(caps) => {
                let caps = self.subst_caps(&caps, args);
                return self.caps(caps);
            }
            TyKind::ErrSet(ts) => {
                let ts = self.subst_all(&ts, args);
                return self.err_set(ts);
            }
            _ => return ty,
        };
        self.intern(new)
    }

    /// [`TyTable::subst`] on each.
    pub fn subst_all(&mut self, tys: &[Ty], args: &[Ty]) -> Vec<Ty> {
        tys.iter().map(|&t| self.subst(t, args)).collect()
    }

    /// Says in which order capabilities are handed over, by their index.
    pub fn set_cap_order(&mut self, order: Vec<u32>) {
        self.cap_order = order;
    }

    /// Puts capabilities into the order of hidden parameters: named ones, then parameters; without doubles.
    pub fn sort_caps(&self, caps: &mut Vec<CapId>) {
        let order = |c: &CapId| self.cap_order.get(c.0 as usize).copied();
        caps.sort_by_key(|c| (c.0 >> 30, order(c).unwrap_or(c.0), c.0));
        caps.dedup();
    }

    /// The argument that stands for a set of capabilities.
    pub fn caps(&mut self, mut caps: Vec<CapId>) -> Ty {
        self.sort_caps(&mut caps);
        if let [one] = caps.as_slice() {
            if let Some(i) = one.as_param() {
                return self.intern(TyKind::Param(i));
            }
            if let Some(n) = one.as_infer() {
                return self.intern(TyKind::Infer(n));
            }
        }
        self.intern(TyKind::Caps(caps))
    }

    /// The capabilities of an argument that stands for a set of them.
    pub fn caps_of(&self, ty: Ty) -> Option<Vec<CapId>> {
        match self.kind(ty) {
            TyKind::Caps(caps) => Some(caps.clone()),
            TyKind::Param(i) => Some(vec![CapId::param(*i)]),
            TyKind::Infer(n) => Some(vec![CapId::infer(*n)]),
            TyKind::Error => Some(Vec::new()),
            _ => None,
        }
    }

    /// Replaces authority parameters by what `args` has for them; what merges is there once.
    pub fn subst_caps(&self, caps: &[CapId], args: &[Ty]) -> Vec<CapId> {
        if caps.iter().all(|c| c.as_param().is_none()) {
            return caps.to_vec();
        }
        let mut out = Vec::new();
        for c in caps {
            let arg = c.as_param().and_then(|i| args.get(i as usize));
            match arg.and_then(|t| self.caps_of(*t)) {
                Some(set) => out.extend(set),
                None => out.push(*c),
            }
        }
        self.sort_caps(&mut out);
        out
    }

    /// [`TyTable::subst`] on each part of a signature.
    pub fn subst_fn(&mut self, f: &FnTy, args: &[Ty]) -> FnTy {
        FnTy {
            params: self.subst_all(&f.params, args),
            uses: self.subst_caps(&f.uses, args),
            ret: self.subst(f.ret, args),
            errs: self.subst(f.errs, args),
        }
    }
}

impl Default for TyTable {
    fn default() -> Self {
        Self::new()
    }
}
