//! Forged modules: valid bundles with one thing broken, each refused by the rule that it breaks, where it breaks it.
//!
//! `*.jasm` beside this file are written by hand: text before the first `;== NAME` is common to all cases of
//! the file, `;~ rule` stands on the line that is refused (`;~ ok`: the case verifies). The other modules are
//! generated: every operand, index, name and edge of a bundle that uses every opcode, changed in turn.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod bytes;
mod code;
#[path = "../common/mod.rs"]
mod common;
mod edit;
mod formation;
mod linking;
mod names;
mod readable;
mod shapes;

use jet_bytecode::asm::text;
use jet_bytecode::builder::FunctionBuilder;
use jet_bytecode::format::{decode, encode, package_hash};
use jet_bytecode::module::*;
use jet_bytecode::opcodes::Op;
use jet_bytecode::verify::{RULES, Rule, VerifyError, VerifyLimits, verify, verify_with};
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;

/// A valid bundle of one package that uses every opcode.
pub fn everything() -> Bundle {
    static BASE: OnceLock<Bundle> = OnceLock::new();
    BASE.get_or_init(common::everything).clone()
}

/// A valid bundle of two packages: `app` mentions everything that `lib` declares.
pub fn two() -> Bundle {
    static BASE: OnceLock<Bundle> = OnceLock::new();
    BASE.get_or_init(make_two).clone()
}

fn make_two() -> Bundle {
    let mut lib = everything().packages.remove(0);
    lib.name = "lib".into();
    let mut app = Package {
        name: "app".into(),
        version: "2".into(),
        types: lib.types.clone(),
        nominals: lib.nominals.clone(),
        caps: lib.caps.clone(),
        traits: lib.traits.clone(),
        entry: lib.entry.take(),
        ..Package::default()
    };
    app.nominals.iter_mut().for_each(|n| n.package = 1);
    app.caps.iter_mut().for_each(|c| c.package = 1);
    app.traits.iter_mut().for_each(|t| t.package = 1);
    for f in &lib.functions {
        if ["parse", "say", "both", "arith"].contains(&f.name.as_str()) {
            app.imports.push(Import {
                package: 1,
                name: f.name.clone(),
                sig: f.sig.clone(),
            });
        }
    }
    let main = lib.functions.iter().find(|f| f.name == "main").unwrap();
    let (sig, entry) = (main.sig.clone(), main.regs[..2].to_vec());
    let mut f = FunctionBuilder::new("main", FnKind::Named, sig.clone(), vec![], entry);
    let u = f.reg(sig.ret);
    f.const_imm(u, 0);
    f.emit(Op::Ret, u, 0, 0);
    app.entry.as_mut().unwrap().function = app.imports.len() as u16;
    app.functions.push(f.finish().unwrap().function().clone());
    app.deps.push(Dep {
        name: "lib".into(),
        hash: package_hash(&lib).unwrap(),
    });
    Bundle {
        packages: vec![lib, app],
    }
}

/// What a refusal does not say though it must: the package always, the function where the fault is in one, the
/// instruction where it is in code.
fn unnamed(e: &VerifyError) -> Option<&'static str> {
    let text = e.to_string();
    let says = |part: &str| text.contains(part);
    let code = ["flow.rs", "types.rs", "calls.rs"]
        .iter()
        .any(|f| e.site.file().ends_with(f));
    let function = code || e.site.file().ends_with("frame.rs");
    if !says(&format!("`{}`", e.rule.name())) || !says(e.rule.sentence()) || e.message.is_empty() {
        return Some("rule");
    }
    let package = e
        .package
        .as_ref()
        .map(|p| format!("in package `{}`", p.escape_debug()));
    // A bundle of no package has none to name.
    let any = !e.message.starts_with("0 packages");
    if any && !package.is_some_and(|p| says(&p)) {
        return Some("package");
    }
    let named = e
        .function
        .as_ref()
        .map(|f| format!("function `{}`", f.escape_debug()));
    if function && !named.is_some_and(|f| says(&f)) {
        return Some("function");
    }
    if code && !e.pc.is_some_and(|pc| says(&format!(" at {pc}: "))) {
        return Some("instruction");
    }
    None
}

/// Gathers forged modules and what became of them.
#[derive(Default)]
pub struct Forge {
    distinct: HashSet<u64>,
    rules: BTreeMap<&'static str, usize>,
    /// Places of the verifier's source that refused something.
    sites: HashSet<(String, u32)>,
    wrong: Vec<String>,
    /// One module for each rule.
    samples: Vec<(Rule, Bundle)>,
}

impl Forge {
    /// A function changed, refused at this word.
    pub fn code(&mut self, n: usize, f: Function, pc: u32, rules: &[Rule], what: &str) {
        let name = f.name.clone();
        let at = |e: &VerifyError| e.function.as_ref() == Some(&name) && e.pc == Some(pc);
        self.function(n, f, rules, what, &at);
    }

    /// A function changed, refused somewhere.
    pub fn code_near(&mut self, n: usize, f: Function, rules: &[Rule], what: &str) {
        self.function(n, f, rules, what, &|_| true);
    }

    fn function(
        &mut self,
        n: usize,
        f: Function,
        rules: &[Rule],
        what: &str,
        at: &dyn Fn(&VerifyError) -> bool,
    ) {
        let mut b = everything();
        b.packages[0].functions[n] = f;
        self.check(b, rules, what, at);
    }

    /// A bundle, refused by one of these rules.
    pub fn table(&mut self, b: Bundle, rules: &[Rule], what: &str) {
        self.check(b, rules, what, &|_| true);
    }

    fn check(&mut self, b: Bundle, rules: &[Rule], what: &str, at: &dyn Fn(&VerifyError) -> bool) {
        let mut hasher = DefaultHasher::new();
        match encode(&b) {
            Ok(bytes) => {
                // The file's own checks must not be what refuses it.
                assert_eq!(decode(&bytes).as_ref(), Ok(&b), "{what}");
                bytes.hash(&mut hasher);
            }
            Err(_) => text(&b).hash(&mut hasher),
        }
        self.distinct.insert(hasher.finish());
        match verify(b.clone()) {
            Ok(_) => self.wrong.push(format!("{what}: accepted")),
            Err(e) if !rules.contains(&e.rule) || !at(&e) => {
                self.wrong.push(format!("{what}: {e}"));
            }
            Err(e) => {
                if let Some(missing) = unnamed(&e) {
                    self.wrong.push(format!("{what}: names no {missing}: {e}"));
                }
                *self.rules.entry(e.rule.name()).or_default() += 1;
                self.sites.insert((e.site.file().into(), e.site.line()));
                if rules.len() == 1
                    && self.samples.iter().filter(|(r, _)| *r == e.rule).count() < 20
                {
                    self.samples.push((e.rule, b));
                }
            }
        }
    }
}

/// All of them.
fn forge() -> &'static Forge {
    static ALL: OnceLock<Forge> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut forge = Forge::default();
        for valid in [everything(), two()] {
            verify(valid).unwrap();
        }
        code::operands(&mut forge);
        code::counts(&mut forge);
        code::callees(&mut forge);
        code::jumps(&mut forge);
        code::joins(&mut forge);
        code::edges(&mut forge);
        code::immediates(&mut forge);
        code::frames(&mut forge);
        names::names(&mut forge);
        names::indices(&mut forge);
        names::duplicates(&mut forge);
        formation::formation(&mut forge);
        formation::records(&mut forge);
        shapes::shapes(&mut forge);
        linking::linking(&mut forge);
        readable::all(&mut forge);
        forge
    })
}

#[test]
fn forged_modules_are_refused_by_the_rule_that_they_break() {
    let forge = forge();
    println!("{} modules: {:?}", forge.distinct.len(), forge.rules);
    let wrong = forge.wrong.len();
    let some: Vec<_> = forge.wrong.iter().take(60).cloned().collect();
    assert!(wrong == 0, "{wrong} wrong\n{}", some.join("\n"));
    assert!(forge.distinct.len() >= 3000, "{}", forge.distinct.len());
}

#[test]
fn every_rule_has_forged_modules() {
    let limits = VerifyLimits {
        work: 100,
        ..VerifyLimits::default()
    };
    assert_eq!(
        verify_with(everything(), limits).unwrap_err().rule,
        Rule::Work
    );
    let forge = forge();
    let missing: Vec<_> = RULES
        .iter()
        .filter(|r| **r != Rule::Work && !forge.rules.contains_key(r.name()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The verifier's checks: file, line and the line's text.
fn checks() -> Vec<(String, u32, String)> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/verify");
    let mut out = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "rules.rs" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for (n, line) in (1u32..).zip(text.lines()) {
            let code = line.trim();
            let calls = ["ensure(", "refuse(", "error("];
            let call = |c: &&str| {
                code.match_indices(*c).any(|(at, _)| {
                    let before = code[..at].chars().next_back();
                    !before.is_some_and(|b| b.is_alphanumeric() || b == '_' || b == '.')
                })
            };
            let defined = code.contains("fn ") || code.starts_with("//");
            if calls.iter().any(call) && !defined {
                out.push((name.clone(), n, code.to_string()));
            }
        }
    }
    out
}

/// Checks that no forged module can reach, and why: what comes before refuses it already.
const SECOND_LINE: &[(&str, &str, &str)] = &[
    (
        "authority.rs",
        "\"implementation record\"",
        "indices were checked",
    ),
    (
        "authority.rs",
        "ensure(local || !of_cap",
        "only the declaring package can name the receiver's type",
    ),
    (
        "authority.rs",
        "\"entry function\")))",
        "indices were checked",
    ),
    (
        "calls.rs",
        "_ => return refuse(Rule::Callee, format!(\"register",
        "the class says so",
    ),
    (
        "calls.rs",
        "\"no dynamic object\"",
        "the object is one of the arguments",
    ),
    (
        "calls.rs",
        "callee.package == self.f.package",
        "imports are named functions",
    ),
    ("calls.rs", "`bind_fn` operands", "the classes say so"),
    (
        "flow.rs",
        "missing behind the last call",
        "control would run off the end",
    ),
    (
        "formation.rs",
        "ensure(",
        "the limit on fields is below the layout's",
    ),
    (
        "formation.rs",
        "ensure(fits, Rule::RecordSize",
        "the limit on fields is below the layout's",
    ),
    (
        "frame.rs",
        "String::from(\"captures\"))",
        "the limit on captures is below the layout's",
    ),
    ("link.rs", "index of", "indices were checked"),
    ("link.rs", "type of a field", "indices were checked"),
    ("link.rs", "let missing =", "indices were checked"),
    ("link.rs", "1 << 24", "no file is large enough"),
    ("mod.rs", "error(rule, message)", "every check"),
    ("mod.rs", "refuse(rule, message())", "every check"),
    ("mod.rs", "Rule::Work", "has a test of its own"),
    ("types.rs", "Rule::RegisterIndex", "registers were checked"),
    (
        "types.rs",
        "return refuse(Rule::Class, what)",
        "every opcode has a rule",
    ),
    ("types.rs", "is no list", "the class says so"),
    (
        "types.rs",
        "Rule::NewAttenuator, format!",
        "the class says so",
    ),
];

#[test]
fn every_check_of_the_verifier_refuses_something() {
    let forge = forge();
    let mut unreached = Vec::new();
    for (file, line, text) in checks() {
        let reached = forge
            .sites
            .iter()
            .any(|(f, l)| f.ends_with(&file) && *l == line);
        let excused = SECOND_LINE
            .iter()
            .any(|(f, t, _)| *f == file && (text == *t || (*t != "ensure(" && text.contains(t))));
        // Several checks may have one text; one of them reached is enough.
        if !reached && !excused {
            unreached.push(format!("{file}:{line}: {text}"));
        }
    }
    assert!(unreached.is_empty(), "{}", unreached.join("\n"));
}

/// With a rule out of force, what it refuses is accepted, or refused by another rule only.
#[cfg(feature = "rule-switches")]
#[test]
fn every_rule_is_noticed_when_it_is_missing() {
    use jet_bytecode::verify::watch;
    let forge = forge();
    let noticed = |rule: &Rule| {
        let of = forge.samples.iter().filter(|(r, _)| r == rule);
        let mut of = of.map(|(_, b)| watch(Some(*rule), || verify(b.clone())));
        of.any(|r| !matches!(r, Err(e) if e.rule == *rule))
    };
    let missing: Vec<_> = RULES
        .iter()
        .filter(|r| **r != Rule::Work && !noticed(r))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
