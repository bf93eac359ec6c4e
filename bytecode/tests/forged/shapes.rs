//! Shapes of what tables hold: enums, tuples, sets, records, constants, debug tables, orders, limits.

use super::{Forge, everything};
use jet_bytecode::module::*;
use jet_bytecode::verify::Rule;

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
        f.joins = (0..=f.code.len() as u32).map(|pc| (pc, vec![])).collect();
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
    let words = p.functions[n].code.len() as u32;
    for k in 0..lines {
        let mut line = |what: &str, change: &dyn Fn(&mut LineEntry)| {
            add(format!("line {k}: {what}"), &[Rule::DebugTable], &|p| {
                change(&mut p.functions[n].lines[k])
            });
        };
        line("outside", &|l| l.pc = 1 << 20);
        if k + 1 == lines {
            line("just behind the code", &|l| l.pc = words);
        }
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
