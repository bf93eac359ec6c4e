//! Switches the capability rules off, one clause at a time, and asks who notices.
//!
//! For each clause of the checker's table the programs of the adversarial suite that break it are compiled without it:
//! at least one must get another verdict. What the verifier then says to the bytecode of such a program shows
//! which clauses are kept twice. For the verifier's rules about authority the same is done with the modules that
//! its own tests forge. `JET_BLESS=1` writes both tables into `adversarial/README.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Mutex;

use jet_bytecode::verify::{self, RULES as VERIFIER_RULES};
use jet_frontend::check::rules::{RULES, Rule, watch};
use jet_frontend::diag::Severity;
use jet_frontend::driver::{self, ProgramInput};
use jet_tests::suite::{self, each, root};
use jetvm::sources::{Input, load};

#[path = "../../bytecode/tests/refuse/main.rs"]
mod refuse;

fn adversarial() -> PathBuf {
    root().join("tests/adversarial")
}

/// Clauses that no program can notice, each with the reason.
const IMPLIED: &[(Rule, &str)] = &[
    (
        Rule::InterfaceSelf,
        "the parser refuses it before, with E0117 (`smuggling/capability_method_self`)",
    ),
    (
        Rule::PureAttenuator,
        "building one takes a capability, and mentioning that is a breach of `cap.pure.capability`",
    ),
];

/// A program of the suite that is rejected, by its name in the README.
struct Program {
    name: String,
    input: ProgramInput,
}

fn programs() -> Vec<Program> {
    let mut out = Vec::new();
    for (path, main) in suite::programs(&adversarial()) {
        let text = std::fs::read_to_string(main).expect("text");
        if !text.starts_with("#! verdict rejected") {
            continue;
        }
        let Ok(Input::Texts(texts)) = load(&path) else {
            continue;
        };
        let name = path.strip_prefix(adversarial()).expect("in the suite");
        out.push(Program {
            name: name.with_extension("").to_string_lossy().into_owned(),
            input: texts.program,
        });
    }
    out
}

/// The errors of a program: code and place.
type Verdict = BTreeSet<(String, String, u32)>;

fn verdict(input: &ProgramInput) -> Verdict {
    let out = driver::check_only(input);
    let errors = out.diagnostics.iter();
    errors
        .filter(|d| d.severity == Severity::Error)
        .map(|d| {
            let place = out.sources.path(d.span.file).to_string();
            (d.code.to_string(), place, out.sources.line_col(d.span).0)
        })
        .collect()
}

/// What becomes of a program when a clause is off.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Then {
    /// The checker still has something to say.
    OtherMessage,
    /// There is no bytecode for it.
    NoCode,
    /// The verifier refuses it by this rule.
    Verifier(&'static str),
    /// It passes both.
    Through,
}

/// The program without its entry point: then all its functions become code, not only those that `main` reaches.
fn as_library(input: &ProgramInput) -> ProgramInput {
    let mut out = input.clone();
    for file in out.packages.iter_mut().flat_map(|p| &mut p.files) {
        file.text = file.text.replace("\nfn main(", "\nfn main_of_program(");
    }
    out
}

fn without(rule: Rule, input: &ProgramInput, before: &Verdict) -> Option<Then> {
    let after = watch(Some(rule), || verdict(input)).0;
    if after == *before {
        return None;
    }
    if !after.is_empty() {
        return Some(Then::OtherMessage);
    }
    let (out, _) = watch(Some(rule), || driver::compile(&as_library(input)));
    let Some(bundle) = out.bundle else {
        return Some(Then::NoCode);
    };
    match verify::verify(bundle) {
        Ok(_) => Some(Then::Through),
        Err(e) => Some(Then::Verifier(e.rule.name())),
    }
}

/// For each clause: the programs that notice its absence.
type Noticed = BTreeMap<Rule, BTreeMap<String, Then>>;

fn notice(program: &Program, noticed: &Mutex<Noticed>) {
    let (before, broken) = watch(None, || verdict(&program.input));
    for rule in broken {
        if let Some(then) = without(rule, &program.input, &before) {
            let mut noticed = noticed.lock().expect("no panics");
            let entry = noticed.entry(rule).or_default();
            entry.insert(program.name.clone(), then);
        }
    }
}

fn noticed() -> Noticed {
    let programs = programs();
    assert!(programs.len() > 200, "{} programs", programs.len());
    let noticed = Mutex::default();
    each(2, &programs, |p| {
        notice(p, &noticed);
        Ok(())
    });
    noticed.into_inner().expect("no panics")
}

fn summary<'a>(all: impl Iterator<Item = &'a Then>) -> String {
    let mut counts: BTreeMap<&Then, usize> = BTreeMap::new();
    all.for_each(|t| *counts.entry(t).or_default() += 1);
    let words: Vec<String> = counts
        .iter()
        .map(|(then, n)| match then {
            Then::OtherMessage => format!("{n} with other messages"),
            Then::NoCode => format!("{n} without code"),
            Then::Verifier(rule) => format!("{n} refused by `{rule}`"),
            Then::Through => format!("{n} would run"),
        })
        .collect();
    words.join(", ")
}

fn some<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = names.len();
    let mut out: Vec<&str> = names.take(if count > 6 { 5 } else { 6 }).collect();
    let more = format!("{} more", count - out.len());
    if count > out.len() {
        out.push(&more);
    }
    out.join(", ")
}

fn checker_table(noticed: &Noticed) -> String {
    let mut out = String::from(
        "| Rule | Clause | | Code | Programs that notice | Without it |\n|---|---|---|---|---|---|\n",
    );
    for rule in RULES {
        let head = format!(
            "| {} | `{}` | {} | {} |",
            rule.of(),
            rule.id(),
            rule.sentence(),
            rule.code()
        );
        let tail = match noticed.get(rule) {
            Some(programs) => {
                let names = some(programs.keys().map(String::as_str));
                format!("{names} | {}", summary(programs.values()))
            }
            None => {
                let why = IMPLIED.iter().find(|(r, _)| r == rule);
                format!("none: {} |", why.map_or("", |(_, why)| why))
            }
        };
        let _ = writeln!(out, "{head} {tail} |");
    }
    out
}

#[test]
fn every_clause_is_noticed() {
    let noticed = noticed();
    let implied = |rule: &Rule| IMPLIED.iter().any(|(r, _)| r == rule);
    let unnoticed = RULES.iter().filter(|r| !noticed.contains_key(r));
    let unnoticed: Vec<_> = unnoticed.filter(|r| !implied(r)).map(|r| r.id()).collect();
    assert!(
        unnoticed.is_empty(),
        "switched off, and no program of the suite gets another verdict: {unnoticed:?}"
    );
    let stale = RULES.iter().filter(|r| noticed.contains_key(r));
    let stale: Vec<_> = stale.filter(|r| implied(r)).map(|r| r.id()).collect();
    assert!(stale.is_empty(), "noticed, so not implied: {stale:?}");
    held("clauses", &checker_table(&noticed));
}

fn verifier_table() -> String {
    let cases = refuse::cases();
    let mut unnoticed = Vec::new();
    let mut out = String::from(
        "| Rule | Verifier's rule | | Forged modules that notice | Without it |\n|---|---|---|---|---|\n",
    );
    for rule in VERIFIER_RULES.iter().filter(|r| !r.keeps().is_empty()) {
        let of_rule = cases.all.iter().filter(|(r, ..)| r == rule);
        let noticed: Vec<(&str, Then)> = of_rule
            .filter_map(|(rule, what, bundle)| {
                let after = verify::watch(Some(*rule), || verify::verify(bundle.clone()));
                match after {
                    Ok(_) => Some((what.as_str(), Then::Through)),
                    Err(e) if e.rule == *rule => None,
                    Err(e) => Some((what.as_str(), Then::Verifier(e.rule.name()))),
                }
            })
            .collect();
        if noticed.is_empty() {
            unnoticed.push(rule.name());
        }
        let keeps: Vec<String> = rule.keeps().iter().map(u8::to_string).collect();
        let _ = writeln!(
            out,
            "| {} | `{}` | {} | {} | {} |",
            keeps.join(", "),
            rule.name(),
            rule.sentence(),
            some(noticed.iter().map(|(what, _)| *what)),
            summary(noticed.iter().map(|(_, then)| then)),
        );
    }
    assert!(
        unnoticed.is_empty(),
        "switched off, and nobody notices: {unnoticed:?}"
    );
    out
}

#[test]
fn every_twin_is_noticed() {
    held("twins", &verifier_table());
}

/// Both tests write into one file.
static README: Mutex<()> = Mutex::new(());

/// Holds a table of the README to what was found.
fn held(name: &str, table: &str) {
    let _one = README.lock().expect("no panics");
    let path = adversarial().join("README.md");
    let text = std::fs::read_to_string(&path).expect("README.md");
    let begin =
        format!("<!-- {name}: written by `JET_BLESS=1 cargo test -p jet-tests --test rules` -->\n");
    let end = format!("<!-- end of {name} -->\n");
    let (head, rest) = text.split_once(&begin).expect("the table's beginning");
    let (recorded, tail) = rest.split_once(&end).expect("the table's end");
    if std::env::var_os("JET_BLESS").is_some() {
        std::fs::write(&path, format!("{head}{begin}{table}{end}{tail}")).expect("writable");
    } else {
        assert!(
            recorded == table,
            "README.md is not up to date: JET_BLESS=1 writes it\n{table}"
        );
    }
}
