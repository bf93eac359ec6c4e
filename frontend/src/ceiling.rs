//! What each package's declarations say of the standard capabilities: what its dependents' manifests bound.

use crate::driver::Named;
use crate::source::{SourceMap, Span};
use crate::thir::{CapId, PkgId, Program, TyKind};
use rustc_hash::FxHashSet;

/// Functions and literals, attenuator fields, methods of traits and parents of capabilities that name a standard capability.
pub(crate) fn named_capabilities(program: &Program, sources: &SourceMap) -> Vec<Named> {
    let mut found: Vec<(PkgId, CapId, Span, &str)> = Vec::new();
    for f in &program.fns {
        let uses = f.uses.iter().map(|(cap, _)| *cap);
        let uses = uses.chain(f.named.iter().copied());
        found.extend(uses.map(|cap| (f.package, cap, f.span, f.name.as_str())));
    }
    for t in &program.traits {
        for m in &t.methods {
            found.extend(
                m.uses
                    .iter()
                    .map(|cap| (t.package, *cap, t.span, t.name.as_str())),
            );
        }
    }
    for adt in &program.adts {
        for field in adt.variants.iter().flat_map(|v| &v.fields) {
            if let TyKind::Cap(cap) = program.tys.kind(field.ty) {
                found.push((adt.package, *cap, adt.span, &adt.name));
            }
        }
    }
    for cap in &program.caps {
        if let Some(parent) = cap.parent {
            found.push((cap.package, parent, cap.span, &cap.name));
        }
    }
    let mut out: Vec<Named> = Vec::new();
    let mut seen: FxHashSet<(PkgId, CapId)> = FxHashSet::default();
    for (package, cap, span, by) in found {
        // The first package is the standard library.
        let Some(def) = program
            .caps
            .get(cap.0 as usize)
            .filter(|c| c.package.0 == 0)
        else {
            continue;
        };
        if package.0 == 0 || !seen.insert((package, cap)) {
            continue;
        }
        let (line, _) = sources.line_col(span);
        out.push(Named {
            package: program
                .packages
                .get(package.0 as usize)
                .map_or_else(String::new, |p| p.name.clone()),
            capability: def.name.clone(),
            by: format!("{by} ({}:{line})", sources.path(span.file)),
        });
    }
    out
}
