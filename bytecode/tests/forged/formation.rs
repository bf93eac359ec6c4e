//! Every place of a type, given what must not stand there; implementation records and the entry.

use super::edit::type_ix;
use super::{Forge, everything};
use jet_bytecode::module::*;
use jet_bytecode::verify::Rule;

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
        if name == "borrowed" {
            // A function that is stored, in the data of an attenuator.
            let rules = &[Rule::AttenuatorField];
            for deep in [false, true] {
                add(
                    &format!("stored function in an attenuator, {deep}"),
                    rules,
                    &|p| {
                        p.types.push(Type::Fn(empty(int, vec![])));
                        let mut at = p.types.len() as u16 - 1;
                        if deep {
                            p.types.push(Type::List(at));
                            at += 1;
                        }
                        let fs = vec![
                            field(at, false),
                            Field {
                                name: "c".into(),
                                ..field(cap, false)
                            },
                        ];
                        p.nominals.push(nominal("Odd", NominalKind::Struct(fs)));
                    },
                );
            }
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
