//! Every name, index and entry of the tables of a valid bundle, changed in turn.

use super::{Forge, everything, two};
use jet_bytecode::module::*;
use jet_bytecode::verify::Rule;

/// Calls `f` with every name of the package that must be one, by number; gives how many there are.
fn each_name(p: &mut Package, f: &mut dyn FnMut(usize, &mut String)) -> usize {
    let mut n = 0;
    let mut one = |s: &mut String| {
        f(n, s);
        n += 1;
    };
    one(&mut p.name);
    one(&mut p.version);
    p.deps.iter_mut().for_each(|d| one(&mut d.name));
    p.files.iter_mut().for_each(&mut one);
    for x in &mut p.nominals {
        one(&mut x.name);
        match &mut x.kind {
            NominalKind::Struct(fs) => fs.iter_mut().for_each(|f| one(&mut f.name)),
            NominalKind::Enum(vs) | NominalKind::Error(vs) => {
                for v in vs {
                    one(&mut v.name);
                    v.fields.iter_mut().for_each(|f| one(&mut f.name));
                }
            }
            NominalKind::Handle => {}
        }
    }
    for c in &mut p.caps {
        one(&mut c.name);
        c.methods.iter_mut().for_each(|m| one(&mut m.name));
    }
    for t in &mut p.traits {
        one(&mut t.name);
        t.methods.iter_mut().for_each(|m| one(&mut m.name));
    }
    p.imports.iter_mut().for_each(|i| one(&mut i.name));
    p.functions.iter_mut().for_each(|f| one(&mut f.name));
    if let Some(e) = &mut p.entry {
        e.paths.iter_mut().flatten().for_each(&mut one);
    }
    n
}

pub fn names(forge: &mut Forge) {
    let long = "n".repeat(5000);
    let bad = [
        "",
        "a\nb",
        "a\u{0}",
        "\u{1b}[2J",
        "\u{202e}txt",
        "a\u{2066}b",
        "x\u{200f}",
        &long,
    ];
    for (which, base) in [everything(), two()].into_iter().enumerate() {
        for package in 0..base.packages.len() {
            let count = each_name(&mut base.clone().packages[package], &mut |_, _| {});
            for n in 0..count {
                for (k, text) in bad.iter().enumerate() {
                    if n == 1 && text.is_empty() {
                        continue; // A version may be empty.
                    }
                    let mut b = base.clone();
                    each_name(&mut b.packages[package], &mut |i, s| {
                        if i == n {
                            *s = (*text).to_string();
                        }
                    });
                    forge.table(
                        b,
                        &[Rule::Name],
                        &format!("bundle {which}.{package}, name {n} as bad {k}"),
                    );
                }
            }
        }
    }
    for text in [
        "a b", "a.b", "a[b]", "a/b", "a\\b", "a:b", "\"a\"", "a,b", "(a)", "{a}",
    ] {
        let mut b = everything();
        b.packages[0].name = text.into();
        forge.table(b, &[Rule::Name], &format!("package {text}"));
    }
}

/// What an index slot leads to.
#[derive(Clone, Copy, PartialEq, Debug)]
enum To {
    Type,
    /// In the table of types: only lower ones.
    Below,
    Nominal,
    Error,
    Cap,
    Trait,
    Package,
    Function,
}

fn sig_slots(s: &mut Sig, one: &mut dyn FnMut(To, &mut u16)) {
    s.params.iter_mut().for_each(|t| one(To::Type, t));
    one(To::Type, &mut s.ret);
    s.uses.iter_mut().for_each(|c| one(To::Cap, c));
    s.errors.iter_mut().for_each(|e| one(To::Error, e));
}

fn each_index(p: &mut Package, f: &mut dyn FnMut(usize, To, &mut u16)) -> usize {
    let mut n = 0;
    let mut one = |to: To, ix: &mut u16| {
        f(n, to, ix);
        n += 1;
    };
    for t in &mut p.types {
        match t {
            Type::List(t) => one(To::Below, t),
            Type::Tuple(ts) => ts.iter_mut().for_each(|t| one(To::Below, t)),
            Type::Nominal(n) => one(To::Nominal, n),
            Type::Fn(s) | Type::BorrowedFn(s) => sig_slots(s, &mut one),
            Type::Cap(c) => one(To::Cap, c),
            Type::Dyn(t) => one(To::Trait, t),
            Type::ErrorSet(es) => es.iter_mut().for_each(|e| one(To::Error, e)),
            _ => {}
        }
    }
    for x in &mut p.nominals {
        one(To::Package, &mut x.package);
        match &mut x.kind {
            NominalKind::Struct(fs) => fs.iter_mut().for_each(|f| one(To::Type, &mut f.ty)),
            NominalKind::Enum(vs) | NominalKind::Error(vs) => {
                let fields = vs.iter_mut().flat_map(|v| &mut v.fields);
                fields.for_each(|f| one(To::Type, &mut f.ty));
            }
            NominalKind::Handle => {}
        }
    }
    for c in &mut p.caps {
        one(To::Package, &mut c.package);
        if let Some(c) = &mut c.parent {
            one(To::Cap, c);
        }
        c.methods
            .iter_mut()
            .for_each(|m| sig_slots(&mut m.sig, &mut one));
    }
    for t in &mut p.traits {
        one(To::Package, &mut t.package);
        t.methods
            .iter_mut()
            .for_each(|m| sig_slots(&mut m.sig, &mut one));
    }
    for i in &mut p.impls {
        one(To::Nominal, &mut i.ty);
        match &mut i.interface {
            Interface::Trait(t) => one(To::Trait, t),
            Interface::Cap(c) => one(To::Cap, c),
        }
        i.methods.iter_mut().for_each(|m| one(To::Function, m));
    }
    for i in &mut p.imports {
        one(To::Package, &mut i.package);
        sig_slots(&mut i.sig, &mut one);
    }
    for f in &mut p.functions {
        sig_slots(&mut f.sig, &mut one);
        f.captures.iter_mut().for_each(|t| one(To::Type, t));
    }
    if let Some(e) = &mut p.entry {
        one(To::Function, &mut e.function);
    }
    n
}

pub fn indices(forge: &mut Forge) {
    for (which, base) in [everything(), two()].into_iter().enumerate() {
        for package in 0..base.packages.len() {
            let p = &base.packages[package];
            let size = |to: To| match to {
                To::Type | To::Below => p.types.len(),
                To::Nominal | To::Error => p.nominals.len(),
                To::Cap => p.caps.len(),
                To::Trait => p.traits.len(),
                To::Package => p.deps.len() + 1,
                To::Function => p.imports.len() + p.functions.len(),
            } as u16;
            let mut kinds = Vec::new();
            each_index(&mut base.clone().packages[package], &mut |_, to, _| {
                kinds.push(to)
            });
            for (n, to) in kinds.into_iter().enumerate() {
                let no_error = p
                    .nominals
                    .iter()
                    .position(|n| !matches!(n.kind, NominalKind::Error(_)));
                let mut values = vec![(size(to), None), (0xffff, None)];
                if to == To::Error {
                    values.push((no_error.unwrap() as u16, Some(Rule::ErrorsOnly)));
                }
                for (value, rule) in values {
                    let mut b = base.clone();
                    each_index(&mut b.packages[package], &mut |i, _, ix| {
                        if i == n {
                            *ix = value;
                        }
                    });
                    let all: &[Rule] = match (rule, to) {
                        (Some(_), _) => &[Rule::ErrorsOnly, Rule::Order],
                        (None, To::Below) => &[Rule::TypeOrder, Rule::Index],
                        // Lists are checked to ascend before they are followed.
                        (None, To::Error | To::Cap) => &[Rule::Index, Rule::Order],
                        _ => &[Rule::Index, Rule::TypeOrder],
                    };
                    forge.table(
                        b,
                        all,
                        &format!("bundle {which}.{package}, index {n} ({to:?}) as {value}"),
                    );
                }
            }
        }
    }
}

/// Every entry of every table a second time, at its end.
pub fn duplicates(forge: &mut Forge) {
    for (which, base) in [everything(), two()].into_iter().enumerate() {
        for k in 0..base.packages.len() {
            let p = &base.packages[k];
            let mut twice = |what: &str, n: usize, change: &dyn Fn(&mut Package)| {
                let mut b = base.clone();
                change(&mut b.packages[k]);
                forge.table(
                    b,
                    &[Rule::Duplicate],
                    &format!("bundle {which}.{k}: {what} {n} twice"),
                );
            };
            for n in 0..p.types.len() {
                twice("type", n, &|p| p.types.push(p.types[n].clone()));
            }
            for n in 0..p.nominals.len() {
                twice("nominal type", n, &|p| {
                    p.nominals.push(p.nominals[n].clone())
                });
                twice("variant of", n, &|p| match &mut p.nominals[n].kind {
                    NominalKind::Enum(vs) | NominalKind::Error(vs) => vs.push(vs[0].clone()),
                    _ => p.nominals.push(p.nominals[n].clone()),
                });
            }
            for n in 0..p.caps.len() {
                twice("capability", n, &|p| p.caps.push(p.caps[n].clone()));
                if !p.caps[n].methods.is_empty() {
                    twice("method of capability", n, &|p| {
                        let m = p.caps[n].methods[0].clone();
                        p.caps[n].methods.push(m);
                    });
                }
            }
            for n in 0..p.traits.len() {
                twice("trait", n, &|p| p.traits.push(p.traits[n].clone()));
                twice("method of trait", n, &|p| {
                    let m = p.traits[n].methods[0].clone();
                    p.traits[n].methods.push(m);
                });
            }
            for n in 0..p.impls.len() {
                twice("record", n, &|p| p.impls.push(p.impls[n].clone()));
            }
            for n in 0..p.imports.len() {
                twice("import", n, &|p| p.imports.push(p.imports[n].clone()));
            }
            for n in 0..p.functions.len() {
                twice("function", n, &|p| p.functions.push(p.functions[n].clone()));
            }
            for n in 0..p.consts.len() {
                twice("constant", n, &|p| p.consts.push(p.consts[n].clone()));
            }
            for n in 0..p.files.len() {
                twice("file", n, &|p| p.files.push(p.files[n].clone()));
            }
            for n in 0..p.deps.len() {
                twice("dependency", n, &|p| p.deps.push(p.deps[n].clone()));
            }
        }
    }
}
