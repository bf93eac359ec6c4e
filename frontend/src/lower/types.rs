//! From types of the frontend to the type tables of the current package: nominal types described in
//! full, capabilities, traits, signatures, and the names of instances.
//!
//! What must stay true: a type is described under one name only, components come before what they are
//! part of, and nominal types are described lazily, so recursion ends.

use super::{Cx, MAX_TYPE_DEPTH, Res, bug, limit};
use crate::source::Span;
use crate::thir::*;
use jet_bytecode::limits::{MAX_LIST, MAX_NAME, MAX_SIG};
use jet_bytecode::module::{
    CapIx, Field, Method, NominalIx, NominalKind, Sig, TraitIx, Type, TypeIx, Variant,
};

const TOO_LARGE: &str = "a type is too large";

/// Most nominal types of a package.
const MAX_NOMINALS: usize = 30_000;

/// A name as it is, if the format can hold it.
fn bounded(name: String, span: Span) -> Res<String> {
    if name.len() > MAX_NAME {
        return super::growing(span, TOO_LARGE);
    }
    Ok(name)
}

impl<'p> Cx<'p> {
    /// Index of a type in the current package.
    pub(super) fn ty_ix(&mut self, ty: Ty) -> Res<TypeIx> {
        if let Some(i) = self.unit()?.tys.get(&ty) {
            return Ok(*i);
        }
        if self.depth > MAX_TYPE_DEPTH {
            return super::growing(Span::default(), "a type nests too deeply");
        }
        self.depth += 1;
        let made = self.make_ty(ty);
        self.depth -= 1;
        let ix = made?;
        self.unit()?.tys.insert(ty, ix);
        Ok(ix)
    }

    fn make_ty(&mut self, ty: Ty) -> Res<TypeIx> {
        let t = match self.tys.kind(ty).clone() {
            TyKind::Unit | TyKind::Never => Type::Unit,
            TyKind::Bool => Type::Bool,
            TyKind::Byte => Type::Byte,
            TyKind::Char => Type::Char,
            TyKind::Int => Type::Int,
            TyKind::Float => Type::Float,
            TyKind::Str => Type::Str,
            TyKind::List(t) => Type::List(self.ty_ix(t)?),
            TyKind::Tuple(ts) => Type::Tuple(self.ty_ixs(&ts)?),
            TyKind::Adt(..) => Type::Nominal(self.nominal(ty)?),
            TyKind::Fn(f) => Type::Fn(self.sig(&f)?),
            TyKind::Borrowed(f) => Type::BorrowedFn(self.sig(&f)?),
            TyKind::Cap(c) => Type::Cap(self.cap(c)?),
            TyKind::Dyn(t, args) => Type::Dyn(self.trait_ix(t, &args)?),
            TyKind::ErrSet(ms) => {
                let errors = self.errors(&ms)?;
                match self.unit()?.b.error_type(errors) {
                    Some(ix) => return Ok(ix),
                    None => return bug(Span::default(), "an empty error set"),
                }
            }
            k @ (TyKind::Param(_) | TyKind::Infer(_) | TyKind::Error | TyKind::Caps(_)) => {
                return bug(Span::default(), format!("type {k:?} reaches lowering"));
            }
        };
        Ok(self.unit()?.b.ty(t))
    }

    fn ty_ixs(&mut self, tys: &[Ty]) -> Res<Vec<TypeIx>> {
        tys.iter().map(|t| self.ty_ix(*t)).collect()
    }

    fn errors(&mut self, members: &[Ty]) -> Res<Vec<NominalIx>> {
        let mut out = Vec::new();
        for m in members {
            out.push(self.nominal(*m)?);
        }
        out.sort_unstable();
        out.dedup();
        Ok(out)
    }

    /// Signature from a function type of the frontend.
    pub(super) fn sig(&mut self, f: &FnTy) -> Res<Sig> {
        let params = self.ty_ixs(&f.params)?;
        let ret = self.ty_ix(f.ret)?;
        let mut uses = Vec::new();
        for c in &f.uses {
            uses.push(self.cap(*c)?);
        }
        let members = self.tys.err_members(f.errs);
        let errors = self.errors(&members)?;
        for (count, what) in [
            (params.len(), "parameters"),
            (uses.len(), "capabilities"),
            (errors.len(), "error types"),
        ] {
            if count > MAX_SIG {
                let what = format!(
                    "a function of this program has {count} {what}; at most {MAX_SIG} are possible"
                );
                return limit(Span::default(), what);
            }
        }
        let sig = self.unit()?.b.sig(params, uses.clone(), ret, errors);
        if sig.uses != uses {
            return bug(Span::default(), "capabilities of a signature out of order");
        }
        Ok(sig)
    }

    /// Type of a function's instance, receiver among the parameters.
    pub(super) fn fn_ty(&mut self, id: FnId, args: &[Ty]) -> Res<FnTy> {
        let prog = self.prog;
        let Some(def) = prog.fns.get(id.0 as usize) else {
            return bug(Span::default(), "no such function");
        };
        let uses: Vec<CapId> = def.uses.iter().map(|(c, _)| *c).collect();
        let mut params = Vec::new();
        for p in &def.params {
            match def.locals.get(p.0 as usize) {
                Some(l) => params.push(self.tys.subst(l.ty, args)),
                None => return bug(def.span, "a parameter without a local"),
            }
        }
        Ok(FnTy {
            params,
            uses: self.tys.subst_caps(&uses, args),
            ret: self.tys.subst(def.ret, args),
            errs: self.tys.subst(def.errs, args),
        })
    }

    /// Signature of a function's instance.
    pub(super) fn fn_sig(&mut self, id: FnId, args: &[Ty]) -> Res<Sig> {
        let f = self.fn_ty(id, args)?;
        self.sig(&f)
    }

    /// Index of a nominal type; its description follows.
    pub(super) fn nominal(&mut self, ty: Ty) -> Res<NominalIx> {
        if let Some(i) = self.unit()?.nominals.get(&ty) {
            return Ok(*i);
        }
        let TyKind::Adt(id, _) = self.tys.kind(ty).clone() else {
            let kind = self.tys.kind(ty);
            return bug(Span::default(), format!("{kind:?} is not a nominal type"));
        };
        let prog = self.prog;
        let Some(def) = prog.adts.get(id.0 as usize) else {
            return bug(Span::default(), "no such type");
        };
        let package = self.dep(def.package)?;
        let name = self.nominal_name(ty)?;
        let name = bounded(name, def.span)?;
        let u = self.unit()?;
        let ix = u.b.nominal(package, &name);
        if u.nominals.len() >= MAX_NOMINALS {
            return limit(def.span, "the program needs too many types");
        }
        if u.nominal_names.insert(ix, ty).is_some() {
            return bug(def.span, format!("two types are called `{name}`"));
        }
        u.nominals.insert(ty, ix);
        u.pending.push_back((ix, ty));
        Ok(ix)
    }

    /// Fills in the description of a nominal type.
    pub(super) fn describe(&mut self, ix: NominalIx, ty: Ty) -> Res<()> {
        let TyKind::Adt(id, args) = self.tys.kind(ty).clone() else {
            return bug(Span::default(), "not a nominal type");
        };
        let prog = self.prog;
        let Some(def) = prog.adts.get(id.0 as usize) else {
            return bug(Span::default(), "no such type");
        };
        let is_struct = matches!(def.kind, AdtKind::Struct | AdtKind::Attenuator);
        let mut variants = Vec::new();
        for v in &def.variants {
            let mut fields = Vec::new();
            for f in &v.fields {
                let fty = self.tys.subst(f.ty, &args);
                fields.push(Field {
                    name: f.name.clone(),
                    ty: self.ty_ix(fty)?,
                    mutable: is_struct && f.mutable,
                });
            }
            variants.push(Variant {
                name: v.name.clone(),
                fields,
            });
        }
        let kind = match def.kind {
            AdtKind::Struct | AdtKind::Attenuator => {
                NominalKind::Struct(variants.into_iter().next().map_or(Vec::new(), |v| v.fields))
            }
            AdtKind::Enum => NominalKind::Enum(variants),
            AdtKind::Error => NominalKind::Error(variants),
            AdtKind::Handle => NominalKind::Handle,
        };
        self.unit()?.b.define_nominal(ix, kind);
        Ok(())
    }

    /// Index of a capability.
    pub(super) fn cap(&mut self, id: CapId) -> Res<CapIx> {
        if let Some(i) = self.unit()?.caps.get(&id) {
            return Ok(*i);
        }
        let prog = self.prog;
        let Some(def) = prog.caps.get(id.0 as usize) else {
            return bug(Span::default(), "no such capability");
        };
        let package = self.dep(def.package)?;
        let ix = self.unit()?.b.cap(package, &def.name);
        self.unit()?.caps.insert(id, ix);
        let parent = match def.parent {
            Some(p) => Some(self.cap(p)?),
            None => None,
        };
        let mut methods = Vec::new();
        for m in &def.methods {
            methods.push(self.method(m, &[])?);
        }
        self.unit()?.b.define_cap(ix, parent, methods);
        Ok(ix)
    }

    fn method(&mut self, m: &MethodDef, args: &[Ty]) -> Res<Method> {
        let f = self.method_ty(m, args);
        Ok(Method {
            name: m.name.clone(),
            sig: self.sig(&f)?,
        })
    }

    /// Type of an interface's method without receiver.
    pub(super) fn method_ty(&mut self, m: &MethodDef, args: &[Ty]) -> FnTy {
        let f = FnTy {
            params: m.params.clone(),
            uses: m.uses.clone(),
            ret: m.ret,
            errs: m.errs,
        };
        self.tys.subst_fn(&f, args)
    }

    /// Index of a trait whose objects occur.
    pub(super) fn trait_ix(&mut self, id: TraitId, args: &[Ty]) -> Res<TraitIx> {
        let key = (id, args.to_vec());
        if let Some(i) = self.unit()?.traits.get(&key) {
            return Ok(*i);
        }
        let prog = self.prog;
        let Some(def) = prog.traits.get(id.0 as usize) else {
            return bug(Span::default(), "no such trait");
        };
        let package = self.dep(def.package)?;
        let name = bounded(self.trait_name(id, args)?, Span::default())?;
        let ix = self.unit()?.b.trait_(package, &name);
        self.unit()?.traits.insert(key, ix);
        // `Self` occurs as receiver only in what an object offers; the object type stands in for it.
        let me = self.tys.intern(TyKind::Dyn(id, args.to_vec()));
        let mut methods = Vec::new();
        for (t, targs, m) in self.dyn_slots(id, args) {
            let of = prog.traits.get(t.0 as usize);
            if let Some(m) = of.and_then(|t| t.methods.get(m as usize)) {
                let mut full = vec![me];
                full.extend(targs);
                methods.push(self.method(m, &full)?);
            }
        }
        if methods.len() > MAX_LIST {
            let what = format!(
                "objects of `{}` offer more than {MAX_LIST} methods",
                def.name
            );
            return limit(Span::default(), what);
        }
        self.unit()?.b.define_trait(ix, methods);
        Ok(ix)
    }

    /// What objects of a trait offer, in order: its own methods, then those of the traits that it asks for.
    pub(super) fn dyn_slots(&mut self, id: TraitId, args: &[Ty]) -> Vec<(TraitId, Vec<Ty>, u32)> {
        let prog = self.prog;
        let Some(def) = prog.traits.get(id.0 as usize) else {
            return Vec::new();
        };
        let me = self.tys.intern(TyKind::Dyn(id, args.to_vec()));
        let mut full = vec![me];
        full.extend_from_slice(args);
        let mut all = vec![(id, args.to_vec())];
        for (s, sargs) in &def.supers {
            let sargs = sargs.iter().map(|t| self.tys.subst(*t, &full)).collect();
            let one = (*s, sargs);
            if !all.contains(&one) {
                all.push(one);
            }
        }
        let mut out = Vec::new();
        for (t, targs) in all {
            let methods = prog.traits.get(t.0 as usize).map(|t| &t.methods);
            for (i, m) in methods.into_iter().flatten().enumerate() {
                if m.dynamic {
                    out.push((t, targs.clone(), i as u32));
                }
            }
        }
        out
    }

    /// Synthetic struct with one changeable field: a captured mutable local.
    pub(super) fn cell(&mut self, content: Ty) -> Res<(NominalIx, TypeIx)> {
        let ty = self.ty_ix(content)?;
        let name = bounded(format!("cell[{}]", self.mangle(content)?), Span::default())?;
        let u = self.unit()?;
        let ix = match u.cells.get(&ty) {
            Some(i) => *i,
            None => {
                let ix = u.b.nominal(0, &name);
                let field = Field {
                    name: String::from("value"),
                    ty,
                    mutable: true,
                };
                u.b.define_nominal(ix, NominalKind::Struct(vec![field]));
                u.cells.insert(ty, ix);
                ix
            }
        };
        let t = u.b.ty(Type::Nominal(ix));
        Ok((ix, t))
    }

    /// Synthetic struct that holds what is no struct, so that it can be a dynamic object.
    pub(super) fn dyn_box(&mut self, content: Ty) -> Res<(NominalIx, TypeIx)> {
        let ty = self.ty_ix(content)?;
        let name = bounded(format!("box[{}]", self.mangle(content)?), Span::default())?;
        let u = self.unit()?;
        let ix = match u.boxes.get(&content) {
            Some(i) => *i,
            None => {
                let ix = u.b.nominal(0, &name);
                let field = Field {
                    name: String::from("value"),
                    ty,
                    mutable: false,
                };
                u.b.define_nominal(ix, NominalKind::Struct(vec![field]));
                u.boxes.insert(content, ix);
                ix
            }
        };
        let t = u.b.ty(Type::Nominal(ix));
        Ok((ix, t))
    }

    // Names.

    fn nominal_name(&mut self, ty: Ty) -> Res<String> {
        let prog = self.prog;
        let TyKind::Adt(id, args) = self.tys.kind(ty).clone() else {
            return bug(Span::default(), "not a nominal type");
        };
        let Some(def) = prog.adts.get(id.0 as usize) else {
            return bug(Span::default(), "no such type");
        };
        let std_prelude =
            def.package.0 == 0 && crate::std::PRELUDE_MODULES.contains(&def.module.as_str());
        let args = self.mangle_args(&args)?;
        Ok(if def.module.is_empty() || std_prelude {
            format!("{}{args}", def.name)
        } else {
            format!("{}.{}{args}", def.module, def.name)
        })
    }

    fn trait_name(&mut self, id: TraitId, args: &[Ty]) -> Res<String> {
        let prog = self.prog;
        let Some(def) = prog.traits.get(id.0 as usize) else {
            return bug(Span::default(), "no such trait");
        };
        let std_prelude =
            def.package.0 == 0 && crate::std::PRELUDE_MODULES.contains(&def.module.as_str());
        let args = self.mangle_args(args)?;
        Ok(if def.module.is_empty() || std_prelude {
            format!("{}{args}", def.name)
        } else {
            format!("{}.{}{args}", def.module, def.name)
        })
    }

    fn package_name(&self, id: PkgId) -> &'p str {
        let prog = self.prog;
        prog.packages
            .get(id.0 as usize)
            .map_or("?", |p| p.name.as_str())
    }

    /// `[A, B]`, or nothing.
    pub(super) fn mangle_args(&mut self, args: &[Ty]) -> Res<String> {
        if args.is_empty() {
            return Ok(String::new());
        }
        let mut parts = Vec::new();
        for a in args {
            parts.push(self.mangle(*a)?);
        }
        Ok(format!("[{}]", parts.join(", ")))
    }

    /// A type as text, nominal types with their package.
    pub(super) fn mangle(&mut self, ty: Ty) -> Res<String> {
        if self.depth > MAX_TYPE_DEPTH {
            return super::growing(Span::default(), "a type nests too deeply");
        }
        self.depth += 1;
        let text = self.mangle_inner(ty);
        self.depth -= 1;
        let text = text?;
        if text.len() > 3_000 {
            return super::growing(Span::default(), TOO_LARGE);
        }
        Ok(text)
    }

    fn mangle_inner(&mut self, ty: Ty) -> Res<String> {
        let prog = self.prog;
        Ok(match self.tys.kind(ty).clone() {
            TyKind::Unit => String::from("()"),
            TyKind::Never => String::from("never"),
            TyKind::Bool => String::from("bool"),
            TyKind::Byte => String::from("byte"),
            TyKind::Char => String::from("char"),
            TyKind::Int => String::from("int"),
            TyKind::Float => String::from("float"),
            TyKind::Str => String::from("string"),
            TyKind::List(t) => format!("[{}]", self.mangle(t)?),
            TyKind::Tuple(ts) => {
                let mut parts = Vec::new();
                for t in ts {
                    parts.push(self.mangle(t)?);
                }
                format!("({})", parts.join(", "))
            }
            TyKind::Adt(id, _) => {
                let package = prog
                    .adts
                    .get(id.0 as usize)
                    .map_or("?", |d| self.package_name(d.package));
                format!("{package}.{}", self.nominal_name(ty)?)
            }
            TyKind::Fn(f) => self.mangle_fn("own fn", &f)?,
            TyKind::Borrowed(f) => self.mangle_fn("fn", &f)?,
            TyKind::Cap(c) => self.mangle_cap(c),
            TyKind::Caps(caps) => {
                let caps: Vec<_> = caps.iter().map(|c| self.mangle_cap(*c)).collect();
                format!("uses {}", caps.join(" + ")).trim_end().to_owned()
            }
            TyKind::Dyn(t, args) => {
                let package = prog
                    .traits
                    .get(t.0 as usize)
                    .map_or("?", |d| self.package_name(d.package));
                format!("dyn {package}.{}", self.trait_name(t, &args)?)
            }
            TyKind::ErrSet(ms) => {
                let mut parts = Vec::new();
                for m in ms {
                    parts.push(self.mangle(m)?);
                }
                parts.sort();
                parts.join(" | ")
            }
            k @ (TyKind::Param(_) | TyKind::Infer(_) | TyKind::Error) => {
                return bug(Span::default(), format!("type {k:?} reaches lowering"));
            }
        })
    }

    fn mangle_cap(&self, c: CapId) -> String {
        let prog = self.prog;
        prog.caps.get(c.0 as usize).map_or(String::from("?"), |d| {
            format!("{}.{}", self.package_name(d.package), d.name)
        })
    }

    fn mangle_fn(&mut self, word: &str, f: &FnTy) -> Res<String> {
        let mut parts = Vec::new();
        for p in &f.params {
            parts.push(self.mangle(*p)?);
        }
        let mut text = format!("{word}({}) -> {}", parts.join(", "), self.mangle(f.ret)?);
        if !f.uses.is_empty() {
            let caps: Vec<_> = f.uses.iter().map(|c| self.mangle_cap(*c)).collect();
            text = format!("{text} uses {}", caps.join(" + "));
        }
        if f.errs != TyTable::NEVER {
            text = format!("{text} ! {}", self.mangle(f.errs)?);
        }
        Ok(format!("({text})"))
    }

    // Questions.

    /// The last package, in dependency order, of those whose declarations a type mentions.
    pub(super) fn last_package(&self, ty: Ty) -> usize {
        let prog = self.prog;
        let all = |tys: &[Ty]| tys.iter().map(|t| self.last_package(*t)).max().unwrap_or(0);
        let cap = |c: &CapId| {
            let d = prog.caps.get(c.0 as usize);
            d.map_or(0, |d| d.package.0 as usize)
        };
        match self.tys.kind(ty) {
            TyKind::List(t) => self.last_package(*t),
            TyKind::Tuple(ts) | TyKind::ErrSet(ts) => all(ts),
            TyKind::Adt(id, ts) => {
                let d = prog.adts.get(id.0 as usize);
                all(ts).max(d.map_or(0, |d| d.package.0 as usize))
            }
            TyKind::Dyn(id, ts) => {
                let d = prog.traits.get(id.0 as usize);
                all(ts).max(d.map_or(0, |d| d.package.0 as usize))
            }
            TyKind::Fn(f) | TyKind::Borrowed(f) => all(&f.params)
                .max(all(&[f.ret, f.errs]))
                .max(f.uses.iter().map(cap).max().unwrap_or(0)),
            TyKind::Cap(c) => cap(c),
            TyKind::Caps(caps) => caps.iter().map(cap).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// The ADT behind a type, with its arguments.
    pub(super) fn adt(&self, ty: Ty) -> Option<(AdtId, &'p AdtDef, Vec<Ty>)> {
        let prog = self.prog;
        match self.tys.kind(ty) {
            TyKind::Adt(id, args) => {
                let def = prog.adts.get(id.0 as usize)?;
                Some((*id, def, args.clone()))
            }
            _ => None,
        }
    }

    /// Whether values are second class: capability, attenuator, borrowed function.
    pub(super) fn second_class(&self, ty: Ty) -> bool {
        let prog = self.prog;
        match self.tys.kind(ty) {
            TyKind::Cap(_) | TyKind::Borrowed(_) => true,
            TyKind::Adt(id, _) => prog
                .adts
                .get(id.0 as usize)
                .is_some_and(|d| d.kind == AdtKind::Attenuator),
            _ => false,
        }
    }

    /// Whether it is a capability or attenuator.
    pub(super) fn authority(&self, ty: Ty) -> bool {
        self.second_class(ty) && !matches!(self.tys.kind(ty), TyKind::Borrowed(_))
    }

    /// Whether it is an enum whose variants have no payload.
    pub(super) fn plain_enum(&self, ty: Ty) -> bool {
        self.adt(ty).is_some_and(|(_, d, _)| {
            d.kind == AdtKind::Enum && d.variants.iter().all(|v| v.fields.is_empty())
        })
    }

    /// Type of a field of a variant (0 for structs).
    pub(super) fn field_ty(&mut self, ty: Ty, variant: u32, field: u32) -> Res<Ty> {
        if let TyKind::Tuple(ts) = self.tys.kind(ty) {
            return match ts.get(field as usize) {
                Some(t) => Ok(*t),
                None => bug(Span::default(), "no such tuple field"),
            };
        }
        let Some((_, def, args)) = self.adt(ty) else {
            let kind = self.tys.kind(ty);
            return bug(Span::default(), format!("{kind:?} has no fields"));
        };
        let f = def
            .variants
            .get(variant as usize)
            .and_then(|v| v.fields.get(field as usize));
        match f {
            Some(f) => Ok(self.tys.subst(f.ty, &args)),
            None => bug(def.span, "no such field"),
        }
    }
}
