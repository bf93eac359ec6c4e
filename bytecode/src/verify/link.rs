//! Linking: the packages' tables merged into one program over global ids.
//!
//! What must stay true: a nominal type, trait or capability is identified by its declaring package's name
//! and its own, and every package that mentions it describes it with the same content, compared
//! over global ids (so recursion needs no unfolding); types are hash-consed.

use super::{Meter, Result, Rule, ensure, error, refuse};
use crate::joins::Joins;
use crate::linked::*;
use crate::module::*;
use std::collections::HashMap;

struct Linker<'a> {
    prog: Program,
    bundle: &'a Bundle,
    /// Ids of the packages that a package's indices name, itself first.
    seen: Vec<Vec<PackageId>>,
    nominals: HashMap<(PackageId, &'a str), NominalId>,
    caps: HashMap<(PackageId, &'a str), CapId>,
    traits: HashMap<(PackageId, &'a str), TraitId>,
}

/// Links a structurally sound bundle. Implementation records and the entry come later; names and code of functions
/// stay in the bundle until [`move_functions`]. `hashes` are those of the packages, if they are known.
pub(super) fn link(
    bundle: &Bundle,
    hashes: Option<&[[u8; 32]]>,
    meter: &mut Meter,
) -> Result<Program> {
    ensure(
        (1..=crate::format::MAX_PACKAGES).contains(&bundle.packages.len()),
        Rule::Count,
        || format!("{} packages", bundle.packages.len()),
    )?;
    let mut l = Linker {
        prog: Program::default(),
        bundle,
        seen: Vec::new(),
        nominals: HashMap::new(),
        caps: HashMap::new(),
        traits: HashMap::new(),
    };
    l.packages(hashes)?;
    l.declare();
    for i in 0..bundle.packages.len() {
        let name = bundle.packages.get(i).map_or("", |p| p.name.as_str());
        l.package_types(i, meter).map_err(|e| e.in_package(name))?;
    }
    l.attenuators();
    l.functions(meter)?;
    Ok(l.prog)
}

impl<'a> Linker<'a> {
    fn packages(&mut self, hashes: Option<&[[u8; 32]]>) -> Result<()> {
        let mut by_name: HashMap<&str, PackageId> = HashMap::new();
        for (i, p) in (0u32..).zip(&self.bundle.packages) {
            let mut seen = vec![PackageId(i)];
            let fail = |e: super::VerifyError| e.in_package(&p.name);
            for d in &p.deps {
                let id = by_name.get(d.name.as_str()).copied().ok_or_else(|| {
                    let what = format!("`{}` does not stand before it", d.name.escape_debug());
                    fail(error(Rule::Dependency, what))
                })?;
                let hash = self.prog.packages.get(id.index()).map(|p| p.hash);
                ensure(hash == Some(d.hash), Rule::Dependency, || {
                    format!("`{}` has another content hash", d.name.escape_debug())
                })
                .map_err(fail)?;
                seen.push(id);
            }
            if by_name.insert(&p.name, PackageId(i)).is_some() {
                return refuse(Rule::Duplicate, "package name occurs twice").map_err(fail);
            }
            self.seen.push(seen);
            let known = hashes.and_then(|h| h.get(i as usize)).copied();
            let hash = match known {
                Some(hash) => hash,
                None => crate::format::package_hash(p)
                    .map_err(|e| fail(error(Rule::Count, e.to_string())))?,
            };
            self.prog.packages.push(LPackage {
                name: p.name.clone(),
                version: p.version.clone(),
                hash,
                consts: p.consts.clone(),
                files: p.files.clone(),
                ..LPackage::default()
            });
        }
        Ok(())
    }

    fn package_of(&self, package: usize, ix: PackageIx) -> PackageId {
        let seen = self.seen.get(package).and_then(|s| s.get(usize::from(ix)));
        seen.copied().unwrap_or(PackageId(package as u32))
    }

    fn intern(&mut self, ty: LType) -> TypeId {
        if let Some(id) = self.prog.type_index.get(&ty) {
            return *id;
        }
        let id = TypeId(self.prog.types.len() as u32);
        self.prog.types.push(ty.clone());
        self.prog.type_index.insert(ty, id);
        id
    }

    /// Gives each nominal type, capability and trait its id. Content follows.
    fn declare(&mut self) {
        for (i, p) in self.bundle.packages.iter().enumerate() {
            let mut nominals = Vec::with_capacity(p.nominals.len());
            for n in &p.nominals {
                let key = (self.package_of(i, n.package), n.name.as_str());
                let next = NominalId(self.nominals.len() as u32);
                nominals.push(*self.nominals.entry(key).or_insert(next));
            }
            let mut caps = Vec::with_capacity(p.caps.len());
            for c in &p.caps {
                let key = (self.package_of(i, c.package), c.name.as_str());
                let next = CapId(self.caps.len() as u32);
                caps.push(*self.caps.entry(key).or_insert(next));
            }
            let mut traits = Vec::with_capacity(p.traits.len());
            for t in &p.traits {
                let key = (self.package_of(i, t.package), t.name.as_str());
                let next = TraitId(self.traits.len() as u32);
                traits.push(*self.traits.entry(key).or_insert(next));
            }
            if let Some(lp) = self.prog.packages.get_mut(i) {
                (lp.nominals, lp.caps, lp.traits) = (nominals, caps, traits);
            }
        }
    }

    fn sig(&self, p: &LPackage, sig: &Sig) -> Result<LSig> {
        let missing = || error(Rule::Index, "index of a signature");
        let ty = |t: &TypeIx| p.types.get(usize::from(*t)).copied().ok_or_else(missing);
        let cap = |c: &CapIx| p.caps.get(usize::from(*c)).copied().ok_or_else(missing);
        Ok(LSig {
            params: sig.params.iter().map(ty).collect::<Result<_>>()?,
            uses: sig.uses.iter().map(cap).collect::<Result<_>>()?,
            ret: ty(&sig.ret)?,
            errors: self.errors(p, &sig.errors)?,
        })
    }

    fn errors(&self, p: &LPackage, errors: &[NominalIx]) -> Result<Vec<NominalId>> {
        let mut out = Vec::with_capacity(errors.len());
        for e in errors {
            let id = p.nominals.get(usize::from(*e)).copied();
            out.push(id.ok_or_else(|| error(Rule::Index, "index of an error type"))?);
        }
        out.sort_unstable();
        Ok(out)
    }

    fn package_types(&mut self, i: usize, meter: &mut Meter) -> Result<()> {
        let Some(package) = self.bundle.packages.get(i) else {
            return Ok(());
        };
        let missing = || error(Rule::Index, "index of a type");
        let mut lp = match self.prog.packages.get_mut(i) {
            Some(lp) => std::mem::take(lp),
            None => return Ok(()),
        };
        for ty in &package.types {
            let at = |t: &TypeIx| lp.types.get(usize::from(*t)).copied().ok_or_else(missing);
            let linked = match ty {
                Type::Unit => LType::Unit,
                Type::Bool => LType::Bool,
                Type::Byte => LType::Byte,
                Type::Char => LType::Char,
                Type::Int => LType::Int,
                Type::Float => LType::Float,
                Type::Str => LType::Str,
                Type::Env => LType::Env,
                Type::List(t) => LType::List(at(t)?),
                Type::Tuple(ts) => LType::Tuple(ts.iter().map(at).collect::<Result<_>>()?),
                Type::Nominal(n) => LType::Nominal(
                    lp.nominals
                        .get(usize::from(*n))
                        .copied()
                        .ok_or_else(missing)?,
                ),
                Type::Fn(s) => LType::Fn(self.sig(&lp, s)?),
                Type::BorrowedFn(s) => LType::BorrowedFn(self.sig(&lp, s)?),
                Type::Cap(c) => {
                    LType::Cap(lp.caps.get(usize::from(*c)).copied().ok_or_else(missing)?)
                }
                Type::Dyn(t) => LType::Dyn(
                    lp.traits
                        .get(usize::from(*t))
                        .copied()
                        .ok_or_else(missing)?,
                ),
                Type::ErrorSet(es) => LType::ErrorSet(self.errors(&lp, es)?),
            };
            meter.spend(2)?;
            let id = self.intern(linked);
            lp.types.push(id);
        }
        let content = self.package_contents(i, package, &lp, meter);
        if let Some(slot) = self.prog.packages.get_mut(i) {
            *slot = lp;
        }
        content
    }

    fn package_contents(
        &mut self,
        i: usize,
        package: &Package,
        lp: &LPackage,
        meter: &mut Meter,
    ) -> Result<()> {
        let differs = |name: &str| {
            let what = format!("`{}` has another content elsewhere", name.escape_debug());
            ensure(false, Rule::Identity, || what)
        };
        for (n, id) in package.nominals.iter().zip(&lp.nominals) {
            let kind = match &n.kind {
                NominalKind::Struct(fs) => LNominalKind::Struct(fields(lp, fs, meter)?),
                NominalKind::Enum(vs) => LNominalKind::Enum(variants(lp, vs, meter)?),
                NominalKind::Error(vs) => LNominalKind::Error(variants(lp, vs, meter)?),
                NominalKind::Handle => LNominalKind::Handle,
            };
            match self.prog.nominals.get(id.index()) {
                Some(known) if known.kind == kind => {}
                Some(_) => differs(&n.name)?,
                None => {
                    let ty = self.intern(LType::Nominal(*id));
                    self.prog.nominals.push(LNominal {
                        package: self.package_of(i, n.package),
                        name: n.name.clone(),
                        kind,
                        ty,
                        attenuator: false,
                    });
                }
            }
        }
        for (c, id) in package.caps.iter().zip(&lp.caps) {
            let methods = self.methods(lp, &c.methods, meter)?;
            let parent = c.parent.and_then(|p| lp.caps.get(usize::from(p)).copied());
            match self.prog.caps.get(id.index()) {
                Some(known) if known.methods == methods && known.parent == parent => {}
                Some(_) => differs(&c.name)?,
                None => {
                    let ty = self.intern(LType::Cap(*id));
                    self.prog.caps.push(LCap {
                        package: self.package_of(i, c.package),
                        name: c.name.clone(),
                        parent,
                        methods,
                        ty,
                    });
                }
            }
        }
        for (t, id) in package.traits.iter().zip(&lp.traits) {
            let methods = self.methods(lp, &t.methods, meter)?;
            match self.prog.traits.get(id.index()) {
                Some(known) if known.methods == methods => {}
                Some(_) => differs(&t.name)?,
                None => {
                    let ty = self.intern(LType::Dyn(*id));
                    self.prog.traits.push(LTrait {
                        package: self.package_of(i, t.package),
                        name: t.name.clone(),
                        methods,
                        ty,
                    });
                }
            }
        }
        Ok(())
    }

    fn methods(
        &self,
        lp: &LPackage,
        methods: &[Method],
        meter: &mut Meter,
    ) -> Result<Vec<LMethod>> {
        meter.spend(methods.len())?;
        let method = |m: &Method| {
            Ok(LMethod {
                name: m.name.clone(),
                sig: self.sig(lp, &m.sig)?,
            })
        };
        methods.iter().map(method).collect()
    }

    /// A struct is an attenuator if a field is a capability or (least fixpoint) an attenuator.
    fn attenuators(&mut self) {
        let mut holders: HashMap<NominalId, Vec<NominalId>> = HashMap::new();
        let mut work: Vec<NominalId> = Vec::new();
        for (i, n) in (0u32..).zip(&self.prog.nominals) {
            let LNominalKind::Struct(fields) = &n.kind else {
                continue;
            };
            for f in fields {
                match self.prog.ty(f.ty) {
                    LType::Cap(_) => work.push(NominalId(i)),
                    LType::Nominal(inner) => holders.entry(*inner).or_default().push(NominalId(i)),
                    _ => {}
                }
            }
        }
        while let Some(id) = work.pop() {
            let Some(n) = self.prog.nominals.get_mut(id.index()) else {
                continue;
            };
            if !std::mem::replace(&mut n.attenuator, true) {
                work.extend(holders.remove(&id).unwrap_or_default());
            }
        }
    }

    fn functions(&mut self, meter: &mut Meter) -> Result<()> {
        let count = self.bundle.packages.iter().map(|p| p.functions.len()).sum();
        let mut by_name: HashMap<(PackageId, &str), FnId> = HashMap::with_capacity(count);
        let mut all: Vec<LFunction> = Vec::with_capacity(count);
        for (i, p) in (0u32..).zip(&self.bundle.packages) {
            let Some(lp) = self.prog.packages.get(i as usize) else {
                continue;
            };
            let fail = |e: super::VerifyError| e.in_package(&p.name);
            let mut fns = Vec::with_capacity(p.imports.len() + p.functions.len());
            for import in &p.imports {
                meter.spend(2).map_err(fail)?;
                let from = self.package_of(i as usize, import.package);
                let id = by_name.get(&(from, import.name.as_str())).copied();
                let sig = self.sig(lp, &import.sig).map_err(fail)?;
                let there = id.and_then(|id| all.get(id.index()));
                let ok = there.is_some_and(|f| f.sig == sig && f.kind == FnKind::Named);
                ensure(ok, Rule::Import, || {
                    format!("`{}`", import.name.escape_debug())
                })
                .map_err(fail)?;
                fns.extend(id);
            }
            for (local, f) in (0u32..).zip(&p.functions) {
                let types = |ts: &[TypeIx]| -> Vec<TypeId> {
                    let get = |t: &TypeIx| lp.types.get(usize::from(*t)).copied();
                    ts.iter().filter_map(get).collect()
                };
                let id = FnId(all.len() as u32);
                fns.push(id);
                by_name.insert((PackageId(i), f.name.as_str()), id);
                all.push(LFunction {
                    package: PackageId(i),
                    local,
                    name: String::new(),
                    kind: f.kind,
                    sig: self.sig(lp, &f.sig).map_err(fail)?,
                    captures: types(&f.captures),
                    regs: types(&f.regs),
                    code: Vec::new(),
                    joins: Joins::default(),
                    lines: Vec::new(),
                });
            }
            if let Some(lp) = self.prog.packages.get_mut(i as usize) {
                lp.fns = fns;
            }
        }
        let most = [all.len(), self.prog.types.len(), self.prog.nominals.len()];
        // Object headers hold 24 bits of type or function id.
        ensure(most.iter().all(|n| *n < 1 << 24), Rule::Count, || {
            String::from("more than 2^24 types or functions")
        })?;
        self.prog.functions = all;
        Ok(())
    }
}

/// Moves names, code, joins and lines of functions from the bundle to where they were linked.
pub(super) fn move_functions(bundle: &mut Bundle, prog: &mut Program) {
    let from = bundle.packages.iter_mut().flat_map(|p| &mut p.functions);
    for (to, from) in prog.functions.iter_mut().zip(from) {
        to.name = std::mem::take(&mut from.name);
        to.code = std::mem::take(&mut from.code);
        to.joins = std::mem::take(&mut from.joins);
        to.lines = std::mem::take(&mut from.lines);
    }
}

fn fields(lp: &LPackage, fields: &[Field], meter: &mut Meter) -> Result<Vec<LField>> {
    meter.spend(fields.len())?;
    let field = |f: &Field| {
        let ty = lp.types.get(usize::from(f.ty)).copied();
        Ok(LField {
            name: f.name.clone(),
            ty: ty.ok_or_else(|| error(Rule::Index, "type of a field"))?,
            mutable: f.mutable,
        })
    };
    fields.iter().map(field).collect()
}

fn variants(lp: &LPackage, variants: &[Variant], meter: &mut Meter) -> Result<Vec<LVariant>> {
    let mut out = Vec::with_capacity(variants.len());
    for v in variants {
        out.push(LVariant {
            name: v.name.clone(),
            fields: fields(lp, &v.fields, meter)?,
        });
    }
    Ok(out)
}
