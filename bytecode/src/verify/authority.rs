//! Implementation records with their provenance, and the entry point.
//!
//! What must stay true: behind an attenuator's or fake's capability stand only functions that the package
//! that declares the type named; nobody else can give a type authority or a new face.
//!
//! Several packages may carry a trait's record for one instance of a generic, each with its own copies of
//! the methods; the first in bundle order counts. That changes nobody's authority: each record is checked
//! against the interface by itself, so whichever is taken, a method gets the capabilities that the interface
//! names, from its caller, and no others; and records of capabilities are never in question, since only
//! the package that declares the type has them.

use super::{Meter, Result, Rule, VerifyError, ensure};
use crate::linked::*;
use crate::module::{Bundle, FnKind, Interface};

/// Checks the records of all packages and puts them into the program.
pub(super) fn check_impls(prog: &mut Program, bundle: &Bundle, meter: &mut Meter) -> Result<()> {
    for (i, p) in (0u32..).zip(&bundle.packages) {
        for record in &p.impls {
            let place = |e: VerifyError| e.in_package(&p.name);
            meter.spend(1 + record.methods.len()).map_err(place)?;
            let Some(linked) = resolve(prog, PackageId(i), record) else {
                return super::refuse(Rule::Index, "implementation record").map_err(place);
            };
            check_impl(prog, &linked, meter).map_err(place)?;
            let key = (linked.ty, linked.interface);
            match prog.impl_index.get(&key) {
                Some(id) => {
                    let known = prog.impls.get(id.index());
                    ensure(
                        known.is_some_and(|k| k.methods == linked.methods)
                            || is_trait_instance(prog, &linked),
                        Rule::ImplDuplicate,
                        || type_name(prog, linked.ty),
                    )
                    .map_err(place)?;
                }
                None => {
                    let id = ImplId(prog.impls.len() as u32);
                    prog.impl_index.insert(key, id);
                    prog.impls.push(linked);
                }
            }
        }
    }
    Ok(())
}

fn resolve(prog: &Program, package: PackageId, record: &crate::module::Impl) -> Option<LImpl> {
    let function = |f: &u16| prog.resolve_fn(package, *f);
    Some(LImpl {
        package,
        ty: prog.resolve_nominal(package, record.ty)?,
        interface: match record.interface {
            Interface::Trait(t) => LInterface::Trait(prog.resolve_trait(package, t)?),
            Interface::Cap(c) => LInterface::Cap(prog.resolve_cap(package, c)?),
        },
        methods: record.methods.iter().map(function).collect::<Option<_>>()?,
    })
}

fn type_name(prog: &Program, id: NominalId) -> String {
    prog.nominal(id)
        .map_or_else(String::new, |n| format!("`{}`", n.name.escape_debug()))
}

/// Whether a record is of a trait, and the type or the trait is an instance of a generic: it belongs to
/// whoever asked for it.
fn is_trait_instance(prog: &Program, record: &LImpl) -> bool {
    match record.interface {
        LInterface::Trait(t) => {
            let generic = |name: &str| name.contains('[');
            prog.nominal(record.ty).is_some_and(|n| generic(&n.name))
                || prog.trait_(t).is_some_and(|t| generic(&t.name))
        }
        LInterface::Cap(_) => false,
    }
}

fn check_impl(prog: &Program, record: &LImpl, meter: &mut Meter) -> Result<()> {
    let Some(n) = prog.nominal(record.ty) else {
        return Ok(());
    };
    let by_declarer = record.package == n.package;
    let (methods, origin) = match record.interface {
        LInterface::Cap(c) => {
            let methods = prog.cap(c).map(|c| c.methods.as_slice());
            (methods, by_declarer)
        }
        LInterface::Trait(t) => {
            let t = prog.trait_(t);
            ensure(!n.attenuator, Rule::ImplForm, || {
                format!(
                    "attenuator {} implements a trait",
                    type_name(prog, record.ty)
                )
            })?;
            let by_trait = t.is_some_and(|t| t.package == record.package);
            // A third package may only name functions of the two that are concerned.
            let theirs = |id: &FnId| {
                prog.function(*id).is_some_and(|f| {
                    f.package == n.package || t.is_some_and(|t| t.package == f.package)
                })
            };
            (
                t.map(|t| t.methods.as_slice()),
                by_declarer
                    || by_trait
                    || is_trait_instance(prog, record)
                    || record.methods.iter().all(theirs),
            )
        }
    };
    let methods = methods.unwrap_or(&[]);
    ensure(origin, Rule::ImplOrigin, || type_name(prog, record.ty))?;
    let of_cap = matches!(record.interface, LInterface::Cap(_));
    let implementer = match n.kind {
        LNominalKind::Struct(_) => true,
        LNominalKind::Enum(_) => of_cap,
        _ => false,
    };
    ensure(
        implementer && methods.len() == record.methods.len(),
        Rule::ImplForm,
        || type_name(prog, record.ty),
    )?;
    for (m, id) in methods.iter().zip(&record.methods) {
        meter.spend(1 + m.sig.params.len() + m.sig.uses.len() + m.sig.errors.len())?;
        let ok = prog.function(*id).is_some_and(|f| {
            let rest = f.sig.params.split_first();
            f.kind == FnKind::Named
                && rest.is_some_and(|(r, rest)| *r == n.ty && rest == m.sig.params.as_slice())
                && f.sig.uses == m.sig.uses
                && f.sig.ret == m.sig.ret
                && f.sig.errors == m.sig.errors
        });
        ensure(ok, Rule::ImplSignature, || {
            format!(
                "`{}` of {}",
                m.name.escape_debug(),
                type_name(prog, record.ty)
            )
        })?;
        // An attenuator's code is its own package's.
        let local = prog.function(*id).is_some_and(|f| f.package == n.package);
        ensure(local || !of_cap, Rule::ImplOrigin, || {
            format!("`{}` is of another package", m.name.escape_debug())
        })?;
    }
    Ok(())
}

/// Checks the entry point: only the last package has one.
pub(super) fn check_entry(prog: &mut Program, bundle: &Bundle) -> Result<()> {
    let last = bundle.packages.len().saturating_sub(1);
    for (i, p) in bundle.packages.iter().enumerate() {
        let Some(e) = &p.entry else { continue };
        let place = |e: VerifyError| e.in_package(&p.name);
        ensure(i == last, Rule::Entry, || {
            String::from("entry in a package that is not the last")
        })
        .map_err(place)?;
        let id = prog.resolve_fn(PackageId(i as u32), e.function);
        let id = id.ok_or_else(|| place(super::error(Rule::Index, "entry function")))?;
        let strings = prog
            .find_type(&LType::Str)
            .and_then(|s| prog.find_type(&LType::List(s)));
        let f = prog.function(id).filter(|f| {
            let params = match f.sig.params.as_slice() {
                [] => true,
                [one] => Some(*one) == strings,
                _ => false,
            };
            f.package == PackageId(i as u32)
                && f.kind == FnKind::Named
                && params
                && *prog.ty(f.sig.ret) == LType::Unit
        });
        let Some(f) = f else {
            return super::refuse(Rule::Entry, "entry function").map_err(place);
        };
        ensure(f.sig.uses.len() == e.paths.len(), Rule::Entry, || {
            String::from("entry with requests that have no path, or paths without request")
        })
        .map_err(place)?;
        prog.entry = Some(LEntry {
            function: id,
            requests: f.sig.uses.clone(),
            paths: e.paths.clone(),
        });
    }
    Ok(())
}
