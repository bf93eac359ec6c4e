//! Between packages: what a dependency is, and what is said about it.

use super::edit::type_ix;
use super::{Forge, two};
use jet_bytecode::module::*;
use jet_bytecode::verify::Rule;

/// Between packages: what a dependency is, and what is said about it.
pub fn linking(forge: &mut Forge) {
    let base = two();
    for byte in 0..32 {
        for bit in [0, 7] {
            let mut b = base.clone();
            b.packages[1].deps[0].hash[byte] ^= 1 << bit;
            forge.table(
                b,
                &[Rule::Dependency],
                &format!("hash, byte {byte}, bit {bit}"),
            );
        }
    }
    let mut b = base.clone();
    b.packages.swap(0, 1);
    forge.table(b, &[Rule::Dependency], "dependency behind its dependant");
    let mut b = base.clone();
    b.packages.remove(0);
    forge.table(b, &[Rule::Dependency], "dependency is missing");
    forge.table(Bundle::default(), &[Rule::Count], "no packages");
    let mut b = base.clone();
    let again = b.packages[0].clone();
    b.packages.insert(0, again);
    forge.table(b, &[Rule::Duplicate], "package twice");
    let mut b = base.clone();
    b.packages[1].deps[0].name = "app".into();
    forge.table(b, &[Rule::Duplicate], "depends on itself");
    // What the dependant says about the dependency's things; it is not hashed with it.
    let mut say = |what: &str, rules: &[Rule], change: &dyn Fn(&mut Package)| {
        let mut b = two();
        change(&mut b.packages[1]);
        forge.table(b, rules, what);
    };
    let p = &base.packages[1];
    for n in 0..p.imports.len() {
        say(&format!("import {n}: other name"), &[Rule::Import], &|p| {
            p.imports[n].name.push('x')
        });
        say(&format!("import {n}: of itself"), &[Rule::Import], &|p| {
            p.imports[n].package = 0
        });
        say(
            &format!("import {n}: other result"),
            &[Rule::Import],
            &|p| {
                p.imports[n].sig.ret = type_ix(p, &Type::Str);
            },
        );
        say(
            &format!("import {n}: a parameter more"),
            &[Rule::Import],
            &|p| p.imports[n].sig.params.push(0),
        );
        say(
            &format!("import {n}: no parameters"),
            &[Rule::Import],
            &|p| p.imports[n].sig.params.clear(),
        );
        say(
            &format!("import {n}: hides a capability"),
            &[Rule::Import],
            &|p| {
                p.imports[n].sig.uses = if p.imports[n].sig.uses.is_empty() {
                    vec![0]
                } else {
                    vec![]
                };
            },
        );
        let error = p
            .nominals
            .iter()
            .position(|n| matches!(n.kind, NominalKind::Error(_)));
        say(
            &format!("import {n}: hides an error"),
            &[Rule::Import],
            &|p| {
                let hidden = p.imports[n].sig.errors.is_empty();
                p.imports[n].sig.errors = if hidden {
                    vec![error.unwrap() as u16]
                } else {
                    vec![]
                };
            },
        );
    }
    say("import of a literal", &[Rule::Import], &|p| {
        p.imports[0].name = "lit".into()
    });
    for (n, x) in p
        .nominals
        .iter()
        .enumerate()
        .filter(|(_, x)| x.package == 1)
    {
        say(
            &format!("{}: handle", x.name),
            &[Rule::Identity, Rule::ErrorsOnly, Rule::Index],
            &|p| {
                p.nominals[n].kind = if p.nominals[n].kind == NominalKind::Handle {
                    NominalKind::Struct(vec![])
                } else {
                    NominalKind::Handle
                };
            },
        );
        say(
            &format!("{}: changed", x.name),
            &[Rule::Identity],
            &|p| match &mut p.nominals[n].kind {
                NominalKind::Struct(fs) => fs[0].name.push('x'),
                NominalKind::Enum(vs) | NominalKind::Error(vs) => vs[0].name.push('x'),
                NominalKind::Handle => p.nominals[n].kind = NominalKind::Struct(vec![]),
            },
        );
        say(
            &format!("{}: other mutability", x.name),
            &[Rule::Identity, Rule::ErrorsOnly],
            &|p| match &mut p.nominals[n].kind {
                NominalKind::Struct(fs) => fs[0].mutable = !fs[0].mutable,
                kind => {
                    *kind = NominalKind::Struct(vec![Field {
                        name: "a".into(),
                        ty: 0,
                        mutable: false,
                    }])
                }
            },
        );
    }
    for (n, x) in p.caps.iter().enumerate().filter(|(_, c)| c.package == 1) {
        say(
            &format!("{}: no methods", x.name),
            &[Rule::Identity, Rule::Parent],
            &|p| p.caps[n].methods.clear(),
        );
        say(
            &format!("{}: renamed method", x.name),
            &[Rule::Identity, Rule::Parent],
            &|p| p.caps[n].methods[0].name.push('x'),
        );
        say(
            &format!("{}: another parent", x.name),
            &[Rule::Identity, Rule::Parent],
            &|p| {
                p.caps[n].parent = match p.caps[n].parent {
                    Some(_) => None,
                    None => Some(n as u16),
                };
            },
        );
    }
    for (n, x) in p.traits.iter().enumerate().filter(|(_, t)| t.package == 1) {
        say(
            &format!("{}: no methods", x.name),
            &[Rule::Identity],
            &|p| p.traits[n].methods.clear(),
        );
    }
}
