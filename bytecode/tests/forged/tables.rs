//! One thing changed in the tables of a valid bundle: every name, index, list and record in turn.

use super::edit::type_ix;
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

/// Every place of a type, given something second class.
pub fn formation(forge: &mut Forge) {
    let base = everything();
    let p = &base.packages[0];
    let att = p.nominals.iter().position(|n| n.name == "Narrow").unwrap() as u16;
    let cap = type_ix(p, &Type::Cap(0));
    let att = type_ix(p, &Type::Nominal(att));
    let borrowed = p
        .types
        .iter()
        .position(|t| matches!(t, Type::BorrowedFn(_)))
        .unwrap() as u16;
    let (int, env) = (type_ix(p, &Type::Int), type_ix(p, &Type::Env));
    let empty = |ret: TypeIx, params: Vec<TypeIx>| Sig {
        params,
        uses: vec![],
        ret,
        errors: vec![],
    };
    for (second, name) in [
        (cap, "capability"),
        (att, "attenuator"),
        (borrowed, "borrowed"),
        (env, "environment"),
    ] {
        let mut add = |what: &str, rules: &[Rule], change: &dyn Fn(&mut Package)| {
            let mut b = everything();
            change(&mut b.packages[0]);
            forge.table(b, rules, &format!("{name} as {what}"));
        };
        let field = |ty: TypeIx, mutable: bool| Field {
            name: "f".into(),
            ty,
            mutable,
        };
        let nominal = |name: &str, kind: NominalKind| Nominal {
            package: 0,
            name: name.into(),
            kind,
        };
        let first = &[Rule::FirstClass];
        add("element", first, &|p| p.types.push(Type::List(second)));
        add("member", first, &|p| {
            p.types.push(Type::Tuple(vec![int, second]))
        });
        add("first member", first, &|p| {
            p.types.push(Type::Tuple(vec![second, int]))
        });
        for (k, with) in [
            vec![field(second, false)],
            vec![field(int, true), field(second, true)],
        ]
        .into_iter()
        .enumerate()
        {
            let variants = |name: &str| Variant {
                name: name.into(),
                fields: with
                    .iter()
                    .cloned()
                    .map(|f| Field {
                        mutable: false,
                        ..f
                    })
                    .collect(),
            };
            let plain = Variant {
                name: "None".into(),
                fields: vec![],
            };
            let vs = vec![plain.clone(), variants("Some")];
            add(&format!("payload {k}"), first, &|p| {
                p.nominals
                    .push(nominal("Odd", NominalKind::Enum(vs.clone())));
                let n = p.nominals.len() as u16 - 1;
                p.types.push(Type::Nominal(n));
            });
            add(&format!("payload of an error {k}"), first, &|p| {
                p.nominals
                    .push(nominal("Odd", NominalKind::Error(vs.clone())));
            });
        }
        // A field that is a capability or attenuator makes an attenuator; then it is fixed.
        let rules: &[Rule] = match name {
            "borrowed" | "environment" => &[Rule::FirstClass, Rule::AttenuatorField],
            _ => &[Rule::AttenuatorField],
        };
        add("mutable field", rules, &|p| {
            p.nominals.push(nominal(
                "Odd",
                NominalKind::Struct(vec![field(second, true)]),
            ));
        });
        if name == "borrowed" || name == "environment" {
            add("field", rules, &|p| {
                p.nominals.push(nominal(
                    "Odd",
                    NominalKind::Struct(vec![field(second, false)]),
                ));
            });
            add(
                "field beside a capability",
                &[Rule::AttenuatorField],
                &|p| {
                    let fs = vec![
                        field(second, false),
                        Field {
                            name: "c".into(),
                            ..field(cap, false)
                        },
                    ];
                    p.nominals.push(nominal("Odd", NominalKind::Struct(fs)));
                },
            );
        }
        add("result of a function type", first, &|p| {
            p.types.push(Type::Fn(empty(second, vec![])))
        });
        add("result of a borrowed type", first, &|p| {
            p.types.push(Type::BorrowedFn(empty(second, vec![int])))
        });
        if name != "borrowed" {
            let rules = &[Rule::Parameter];
            add("parameter of a function type", rules, &|p| {
                p.types.push(Type::Fn(empty(int, vec![second])))
            });
            add("parameter of a borrowed type", rules, &|p| {
                p.types
                    .push(Type::BorrowedFn(empty(int, vec![int, second])));
            });
        }
        for own in [true, false] {
            let method = |sig: Sig| Method {
                name: "odd".into(),
                sig,
            };
            for (sig, what) in [
                (empty(second, vec![]), "result"),
                (empty(int, vec![second]), "parameter"),
            ] {
                if !own && what == "parameter" && name == "borrowed" {
                    continue;
                }
                let rules: &[Rule] = &[Rule::CapMethod, Rule::FirstClass, Rule::Parameter];
                add(&format!("{what} of a method ({own})"), rules, &|p| {
                    if own {
                        p.caps.push(Cap {
                            package: 0,
                            name: "Odd".into(),
                            parent: None,
                            methods: vec![method(sig.clone())],
                        });
                    } else {
                        p.traits.push(Trait {
                            package: 0,
                            name: "Odd".into(),
                            methods: vec![method(sig.clone())],
                        });
                    }
                });
            }
        }
        let named = p.functions.iter().position(|f| f.name == "arith").unwrap();
        add("result of a function", &[Rule::FirstClass], &|p| {
            p.functions[named].sig.ret = second
        });
        if name != "borrowed" {
            let rules = &[
                Rule::Parameter,
                Rule::AttenuatorParameter,
                Rule::Environment,
            ];
            add("parameter of a function", rules, &|p| {
                p.functions[named].sig.params[1] = second;
                p.functions[named].regs[1] = second;
            });
        }
        add(
            "what an error may be",
            &[Rule::ErrorsOnly, Rule::Index, Rule::Order],
            &|p| {
                p.functions[named].sig.errors = vec![second];
            },
        );
    }
    // Storable functions go into data, but not through a capability.
    let own = p
        .types
        .iter()
        .position(|t| matches!(t, Type::Fn(_)))
        .unwrap() as u16;
    let dynamic = p
        .types
        .iter()
        .position(|t| matches!(t, Type::Dyn(_)))
        .unwrap() as u16;
    for (what, ty) in [
        ("function", own),
        ("object", dynamic),
        ("cap", cap),
        ("borrowed", borrowed),
    ] {
        for list in [false, true] {
            let mut b = everything();
            let p = &mut b.packages[0];
            let mut ty = ty;
            if list && !matches!(what, "cap" | "borrowed") {
                p.types.push(Type::List(ty));
                ty = p.types.len() as u16 - 1;
            }
            p.caps.push(Cap {
                package: 0,
                name: "Odd".into(),
                parent: None,
                methods: vec![Method {
                    name: format!("odd{list}"),
                    sig: empty(0, vec![ty]),
                }],
            });
            forge.table(
                b,
                &[Rule::CapMethod],
                &format!("{what} through a capability, listed {list}"),
            );
        }
    }
    for c in 0..p.caps.len() {
        let mut b = everything();
        b.packages[0].caps[c].methods[0].sig.uses.push(0);
        forge.table(
            b,
            &[Rule::CapMethod],
            &format!("method of {c} uses a capability"),
        );
        let mut b = everything();
        b.packages[0].caps[c].parent = Some(c as u16);
        forge.table(b, &[Rule::Parent], &format!("{c} is its own parent"));
        for parent in 0..p.caps.len() {
            let ok = p.caps[c].methods.starts_with(&p.caps[parent].methods);
            if parent != c && !ok {
                let mut b = everything();
                b.packages[0].caps[c].parent = Some(parent as u16);
                forge.table(b, &[Rule::Parent], &format!("{parent} is a parent of {c}"));
            }
        }
    }
    let mut b = everything();
    b.packages[0].caps[0].parent = Some(1);
    forge.table(b, &[Rule::Parent], "parents in a circle");
}

/// Implementation records and the entry.
pub fn records(forge: &mut Forge) {
    let base = everything();
    let p = &base.packages[0];
    let all = &[Rule::ImplSignature, Rule::ImplForm, Rule::ImplOrigin];
    for (n, record) in p.impls.iter().enumerate() {
        for m in 0..record.methods.len() {
            for f in 0..p.functions.len() as u16 {
                if f == record.methods[m] {
                    continue;
                }
                let mut b = everything();
                b.packages[0].impls[n].methods[m] = f;
                forge.table(
                    b,
                    &[Rule::ImplSignature],
                    &format!("record {n}: method {m} is function {f}"),
                );
            }
        }
        for ty in 0..p.nominals.len() as u16 {
            if ty != record.ty {
                let mut b = everything();
                b.packages[0].impls[n].ty = ty;
                forge.table(b, all, &format!("record {n} for type {ty}"));
            }
        }
        let mut b = everything();
        b.packages[0].impls[n].methods.pop();
        forge.table(b, &[Rule::ImplForm], &format!("record {n}: a method less"));
        let mut b = everything();
        let again = record.methods[0];
        b.packages[0].impls[n].methods.push(again);
        forge.table(b, &[Rule::ImplForm], &format!("record {n}: a method more"));
        for to in [
            Interface::Cap(2),
            Interface::Trait(0),
            Interface::Cap(0),
            Interface::Cap(1),
        ] {
            let fits = |i: &Impl| i.ty == record.ty && i.interface == to;
            let same = matches!(
                (record.interface, to),
                (Interface::Cap(_), Interface::Cap(0 | 1))
            );
            if !p.impls.iter().any(fits) && !same {
                let mut b = everything();
                b.packages[0].impls[n].interface = to;
                forge.table(b, all, &format!("record {n} of {to:?}"));
            }
        }
    }
    for f in 0..p.functions.len() as u16 {
        if p.functions[usize::from(f)].name != "main" {
            let mut b = everything();
            b.packages[0].entry.as_mut().unwrap().function = f;
            forge.table(b, &[Rule::Entry], &format!("entry is function {f}"));
        }
    }
    for (what, paths) in [("no path", vec![]), ("two paths", vec![vec![], vec![]])] {
        let mut b = everything();
        b.packages[0].entry.as_mut().unwrap().paths = paths;
        forge.table(b, &[Rule::Entry], what);
    }
}

/// Shapes: enums, tuples, sets, records, constants, debug tables, orders, limits.
pub fn shapes(forge: &mut Forge) {
    let base = everything();
    let p = &base.packages[0];
    let mut add = |what: String, rules: &[Rule], change: &dyn Fn(&mut Package)| {
        let mut b = everything();
        change(&mut b.packages[0]);
        forge.table(b, rules, &what);
    };
    for (n, x) in p.nominals.iter().enumerate() {
        let (NominalKind::Enum(vs) | NominalKind::Error(vs)) = &x.kind else {
            continue;
        };
        let of = |p: &mut Package, f: &dyn Fn(&mut Vec<Variant>)| match &mut p.nominals[n].kind {
            NominalKind::Enum(vs) | NominalKind::Error(vs) => f(vs),
            _ => {}
        };
        add(format!("{n}: no variants"), &[Rule::EnumForm], &|p| {
            of(p, &|vs| vs.clear())
        });
        add(format!("{n}: 256 variants"), &[Rule::EnumForm], &|p| {
            of(p, &|vs| {
                for k in 0..256 {
                    vs.push(Variant {
                        name: format!("V{k}"),
                        fields: vec![],
                    });
                }
            });
        });
        for v in 0..vs.len() {
            let fields = |count: usize, mutable: bool| -> Vec<Field> {
                (0..count)
                    .map(|k| Field {
                        name: format!("f{k}"),
                        ty: 4,
                        mutable,
                    })
                    .collect()
            };
            add(
                format!("{n}.{v}: changeable payload"),
                &[Rule::EnumForm],
                &|p| of(p, &|vs| vs[v].fields = fields(1, true)),
            );
            add(format!("{n}.{v}: 257 payloads"), &[Rule::EnumForm], &|p| {
                of(p, &|vs| vs[v].fields = fields(257, false))
            });
            add(
                format!("{n}.{v}: 5000 payloads"),
                &[Rule::RecordSize],
                &|p| {
                    of(p, &|vs| vs[v].fields = fields(5000, false));
                },
            );
        }
    }
    for n in 0..4 {
        add(
            format!("tuple of {n}"),
            if n < 2 {
                &[Rule::TypeForm]
            } else {
                &[Rule::Count]
            },
            &|p| {
                p.types
                    .push(Type::Tuple(vec![4; if n < 2 { n } else { 5000 + n }]));
            },
        );
    }
    let errors: Vec<u16> = (0u16..)
        .zip(&p.nominals)
        .filter(|(_, n)| matches!(n.kind, NominalKind::Error(_)))
        .map(|(i, _)| i)
        .collect();
    let (a, b) = (errors[0], errors[1]);
    for (what, set, rule) in [
        ("empty", vec![], Rule::TypeForm),
        ("of one", vec![a], Rule::TypeForm),
        ("falling", vec![b, a], Rule::Order),
        ("equal", vec![a, a], Rule::Order),
        ("too many", (0..300).collect(), Rule::Count),
    ] {
        add(format!("error set {what}"), &[rule], &|p| {
            p.types.push(Type::ErrorSet(set.clone()))
        });
        if what != "empty" && what != "of one" {
            add(format!("errors {what}"), &[rule], &|p| {
                p.functions[0].sig.errors = set.clone()
            });
        }
    }
    for (what, uses, rule) in [
        ("falling", vec![0u16, 2, 1], Rule::Order),
        ("equal", vec![0, 0], Rule::Order),
        ("too many", vec![0; 300], Rule::Count),
    ] {
        for f in 0..p.functions.len() {
            add(format!("uses {what} in {f}"), &[rule], &|p| {
                p.functions[f].sig.uses = uses.clone()
            });
        }
        let uses = &uses;
        add(format!("uses {what} in a type"), &[rule], &|p| {
            p.types.push(Type::Fn(Sig {
                params: vec![],
                uses: uses.clone(),
                ret: 0,
                errors: vec![],
            }));
        });
    }
    add(
        "borrowed function that uses".into(),
        &[Rule::TypeForm],
        &|p| {
            p.types.push(Type::BorrowedFn(Sig {
                params: vec![],
                uses: vec![0],
                ret: 0,
                errors: vec![],
            }));
        },
    );
    for f in 0..p.functions.len() {
        add(format!("256 parameters in {f}"), &[Rule::Count], &|p| {
            p.functions[f].sig.params = vec![4; 256]
        });
        add(format!("5000 captures in {f}"), &[Rule::Count], &|p| {
            p.functions[f].captures = vec![4; 5000]
        });
        add(format!("1025 registers in {f}"), &[Rule::Count], &|p| {
            p.functions[f].regs.resize(1025, 4)
        });
        add(format!("too much code in {f}"), &[Rule::CodeSize], &|p| {
            let w = p.functions[f].code[0];
            p.functions[f].code.resize((1 << 16) + 1, w);
        });
    }
    add("more joins than words".into(), &[Rule::Count], &|p| {
        let f = &mut p.functions[0];
        f.joins = (0..=f.code.len() as u32)
            .map(|pc| Join { pc, live: vec![] })
            .collect();
    });
    for depth in [64usize, 65, 200] {
        let chain = |p: &mut Package, next: &dyn Fn(TypeIx) -> Type| {
            p.types.push(Type::Tuple(vec![4, 4, 4]));
            for _ in 0..depth {
                let last = p.types.len() as u16 - 1;
                p.types.push(next(last));
            }
        };
        add(format!("lists {depth} deep"), &[Rule::Nesting], &|p| {
            chain(p, &Type::List);
        });
        add(format!("pairs {depth} deep"), &[Rule::Nesting], &|p| {
            chain(p, &|t| Type::Tuple(vec![t, t]));
        });
    }
    for bits in [
        0x7ff8_0000_0000_0001u64,
        0xfff8_0000_0000_0000,
        0x7ff0_0000_0000_0001,
        u64::MAX,
    ] {
        add(format!("float {bits:x}"), &[Rule::Constant], &|p| {
            p.consts.push(Const::Float(bits))
        });
    }
    let n = p
        .functions
        .iter()
        .position(|f| !f.lines.is_empty())
        .unwrap();
    let lines = p.functions[n].lines.len();
    for k in 0..lines {
        let mut line = |what: &str, change: &dyn Fn(&mut LineEntry)| {
            add(format!("line {k}: {what}"), &[Rule::DebugTable], &|p| {
                change(&mut p.functions[n].lines[k])
            });
        };
        line("outside", &|l| l.pc = 1 << 20);
        line("file", &|l| l.file = 7);
        line("line 0", &|l| l.line = 0);
        line("column 0", &|l| l.col = 0);
        add(format!("line {k} twice"), &[Rule::DebugTable], &|p| {
            let l = p.functions[n].lines[k];
            p.functions[n].lines.insert(k, l);
        });
    }
    for k in 0..p.functions.len() {
        let change = |p: &mut Package| {
            p.functions[k].lines = vec![LineEntry {
                pc: 0,
                file: 3,
                line: 1,
                col: 1,
            }];
        };
        add(
            format!("file of a line in {k}"),
            &[Rule::DebugTable],
            &change,
        );
    }
}

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
