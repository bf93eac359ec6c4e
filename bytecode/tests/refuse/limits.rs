//! Modules exactly at a limit are accepted, those one beyond are refused.

use super::common::{World, field, variant};
use jet_bytecode::builder::*;
use jet_bytecode::format::package_hash;
use jet_bytecode::limits::*;
use jet_bytecode::module::*;
use jet_bytecode::verify::{Rule, verify};

/// `make(n)` is accepted, `make(n + 1)` is refused by the rule.
fn ends_at(what: &str, n: usize, rule: Rule, make: impl Fn(usize) -> Bundle) {
    if let Err(e) = verify(make(n)) {
        panic!("{n} {what}: {e}");
    }
    match verify(make(n + 1)) {
        Err(e) => assert_eq!(e.rule, rule, "{} {what}: {e}", n + 1),
        Ok(_) => panic!("{} {what}: accepted", n + 1),
    }
}

fn world(f: impl FnOnce(&mut World)) -> Bundle {
    let mut w = World::new();
    f(&mut w);
    w.finish()
}

fn enumeration(w: &mut World, variants: Vec<Variant>) {
    let n = w.pb.nominal(0, "Many");
    w.pb.define_nominal(n, NominalKind::Enum(variants));
}

#[test]
fn names() {
    ends_at("bytes of a file's name", MAX_NAME, Rule::Name, |n| {
        world(|w| {
            w.pb.file(&"f".repeat(n));
        })
    });
    ends_at("bytes of a package", MAX_PACKAGE_NAME, Rule::Name, |n| {
        let mut b = World::new().finish();
        b.packages[0].name = "p".repeat(n);
        b
    });
}

#[test]
fn types() {
    ends_at("fields", MAX_RECORD_FIELDS, Rule::RecordSize, |n| {
        world(|w| {
            let ty = w.pb.nominal(0, "Wide");
            let fields = (0..n).map(|i| field(&format!("x{i}"), w.int, false));
            let kind = NominalKind::Struct(fields.collect());
            w.pb.define_nominal(ty, kind);
        })
    });
    ends_at("members of a tuple", MAX_RECORD_FIELDS, Rule::Count, |n| {
        world(|w| {
            w.pb.ty(Type::Tuple(vec![w.int; n]));
        })
    });
    ends_at("variants", MAX_VARIANTS, Rule::EnumForm, |n| {
        let variants = (0..n).map(|i| variant(&format!("v{i}"), vec![]));
        world(|w| enumeration(w, variants.collect()))
    });
    ends_at("values of a variant", MAX_PAYLOAD, Rule::EnumForm, |n| {
        world(|w| {
            let fields = (0..n).map(|i| field(&i.to_string(), w.int, false));
            let one = variant("A", fields.collect());
            enumeration(w, vec![one]);
        })
    });
    let depth = usize::from(MAX_TYPE_DEPTH);
    ends_at("types in each other", depth, Rule::Nesting, |n| {
        world(|w| {
            // `bool` is one.
            let mut ty = w.bool_;
            for _ in 1..n {
                ty = w.pb.ty(Type::List(ty));
            }
        })
    });
}

#[test]
fn signatures() {
    ends_at("parameters", MAX_SIG, Rule::Count, |n| {
        world(|w| {
            let sig = w.pb.sig(vec![w.int; n], vec![], w.unit, vec![]);
            w.pb.ty(Type::Fn(sig));
        })
    });
    ends_at("used capabilities", MAX_SIG, Rule::Count, |n| {
        world(|w| {
            let caps = (0..n).map(|i| {
                let cap = w.pb.cap(0, &format!("C{i:03}"));
                w.pb.define_cap(cap, None, vec![]);
                cap
            });
            let caps = caps.collect();
            let sig = w.pb.sig(vec![], caps, w.unit, vec![]);
            w.pb.ty(Type::Fn(sig));
        })
    });
    ends_at("errors", MAX_SIG, Rule::Count, |n| {
        world(|w| {
            let errors = (0..n).map(|i| {
                let error = w.pb.nominal(0, &format!("E{i:03}"));
                let kind = NominalKind::Error(vec![variant("Other", vec![])]);
                w.pb.define_nominal(error, kind);
                error
            });
            let errors = errors.collect();
            w.pb.ty(Type::ErrorSet(errors));
        })
    });
    ends_at("methods", MAX_LIST, Rule::Count, |n| {
        world(|w| {
            let sig = w.pb.sig(vec![], vec![], w.unit, vec![]);
            let methods = (0..n).map(|i| Method {
                name: format!("m{i}"),
                sig: sig.clone(),
            });
            let methods = methods.collect();
            let cap = w.pb.cap(0, "Wide");
            w.pb.define_cap(cap, None, methods);
        })
    });
}

/// A signature lists what it uses by the names of the packages first: `app.Write` stands before `lib.Ask`.
#[test]
fn capabilities_of_two_packages() {
    let mut lib = PackageBuilder::new("lib", "1");
    let ask = lib.cap(0, "Ask");
    lib.define_cap(ask, None, vec![]);
    let lib = lib.finish().unwrap();
    let app = |reverse: bool| {
        let mut pb = PackageBuilder::new("app", "1");
        let dep = pb.dep("lib", package_hash(&lib).unwrap());
        let ask = pb.cap(dep, "Ask");
        pb.define_cap(ask, None, vec![]);
        let write = pb.cap(0, "Write");
        pb.define_cap(write, None, vec![]);
        let unit = pb.ty(Type::Unit);
        let mut sig = pb.sig(vec![], vec![ask, write], unit, vec![]);
        if reverse {
            sig.uses.reverse();
        }
        pb.ty(Type::Fn(sig));
        Bundle {
            packages: vec![lib.clone(), pb.finish().unwrap()],
        }
    };
    verify(app(false)).unwrap();
    assert_eq!(verify(app(true)).unwrap_err().rule, Rule::Order);
}
