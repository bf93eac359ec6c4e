//! Runs the adversarial suite: every program under `adversarial/` gets exactly its verdict.
//!
//! A case is `FAMILY/NAME.jet`, or a folder `FAMILY/NAME/` with a `main.jet` or a `jet.toml`. Directives stand
//! on the first lines of its main file:
//!
//! - `#! verdict rejected [CODE…]`: does not compile. Every error stands on a line that ends in `#~ CODE…`, and the
//!   other way round; codes without a place stand behind `rejected`.
//! - `#! verdict refused NAME`: asks for capability NAME, is not granted it, and does not begin.
//! - `#! verdict trapped KIND`: ends in that trap. What it printed before stands in `NAME.out`.
//! - `#! verdict limit NAME`: ends in that limit.
//! - `#! verdict failed`: an error reaches the end of `main`.
//! - `#! verdict runs`: prints what `NAME.out` has.
//! - `#! authority A + B` (or `none`): what the audit says that `main` asks for; with `runs` and `trapped`.
//! - `#! flags …`, `#! args …`, `#! stdin TEXT`.
//!
//! In every case: no panic, no signal, and no control character in what jetvm says. `JET_ONLY=part-of-path` selects,
//! `JET_BLESS=1` writes the table in `adversarial/README.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use jet_tests::suite::{each, fed, programs, root, selected};

const JETVM: &str = env!("CARGO_BIN_EXE_jetvm-under-test");

/// The interpreter alone.
const OFF: &str = "--jit=off";
/// Machine code at once.
const STRESS: &str = "--jit=stress";

fn suite() -> PathBuf {
    root().join("tests/adversarial")
}

#[derive(Default)]
struct Case {
    /// Relative to the repository: what jetvm is given.
    target: String,
    /// The file with the directives.
    main: PathBuf,
    verdict: String,
    /// What stands behind the verdict.
    details: Vec<String>,
    authority: Option<String>,
    flags: Vec<String>,
    args: Vec<String>,
    stdin: String,
    title: String,
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_string).collect()
}

fn case(target: &Path, main: &Path) -> Case {
    let text = std::fs::read_to_string(main).expect("program is readable");
    let relative = target.strip_prefix(root()).expect("under the repository");
    let mut case = Case {
        target: relative.to_string_lossy().into_owned(),
        main: main.to_path_buf(),
        ..Case::default()
    };
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("#! ") else {
            case.title = line.trim_start_matches("# ").to_string();
            break;
        };
        match rest.split_once(' ') {
            Some(("verdict", v)) => {
                let mut all = words(v);
                case.verdict = all.remove(0);
                case.details = all;
            }
            Some(("authority", a)) => case.authority = Some(a.to_string()),
            Some(("flags", f)) => case.flags = words(f),
            Some(("args", a)) => case.args = words(a),
            Some(("stdin", s)) => case.stdin = s.replace("\\n", "\n"),
            _ => panic!("{}: unknown directive {line}", main.display()),
        }
    }
    assert!(!case.verdict.is_empty(), "{}: no verdict", main.display());
    case
}

/// All cases, by family.
fn cases() -> Vec<Case> {
    let programs = programs(&suite());
    programs
        .iter()
        .map(|(target, main)| case(target, main))
        .collect()
}

fn jetvm(args: &[&str], stdin: &str) -> Output {
    fed(Command::new(JETVM).current_dir(root()).args(args), stdin)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What every message of ours keeps to.
fn clean(out: &Output) -> Result<(), String> {
    if matches!(out.status.code(), None | Some(101)) {
        return Err(format!("ends with {}", out.status));
    }
    let hidden = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
    };
    match lossy(&out.stderr).chars().find(|c| hidden(*c)) {
        Some(c) => Err(format!("a message has the character {c:?}")),
        None => Ok(()),
    }
}

/// `(file, line, code)` of the errors in the short format, without those that have no place.
fn reported(messages: &str) -> (Vec<(String, usize, String)>, Vec<String>) {
    let (mut placed, mut others) = (Vec::new(), Vec::new());
    for line in messages.lines() {
        let Some((place, rest)) = line.split_once("error[") else {
            continue;
        };
        let Some((code, _)) = rest.split_once(']') else {
            continue;
        };
        let mut parts = place.split(':');
        match (parts.next(), parts.next().and_then(|n| n.parse().ok())) {
            (Some(file), Some(n)) => placed.push((file.to_string(), n, code.to_string())),
            _ => others.push(code.to_string()),
        }
    }
    placed.sort();
    (placed, others)
}

/// The same from the annotations of a case's files.
fn annotated(path: &Path, out: &mut Vec<(String, usize, String)>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("folder") {
            annotated(&entry.expect("entry").path(), out);
        }
    } else if path.extension().is_some_and(|e| e == "jet") {
        let text = std::fs::read_to_string(path).expect("program");
        let name = path.strip_prefix(root()).expect("under the repository");
        for (i, line) in text.lines().enumerate() {
            if let Some((_, codes)) = line.split_once("#~") {
                let file = name.to_string_lossy().into_owned();
                out.extend(words(codes).into_iter().map(|c| (file.clone(), i + 1, c)));
            }
        }
    }
}

fn rejected(case: &Case) -> Result<(), String> {
    let out = jetvm(&["check", "--message-format=short", &case.target], "");
    let text = lossy(&out.stderr);
    clean(&out)?;
    if out.status.code() != Some(1) {
        return Err(format!("{}, expected 1\n{text}", out.status));
    }
    let (placed, others) = reported(&text);
    let mut want = Vec::new();
    annotated(&root().join(&case.target), &mut want);
    want.sort();
    if placed != want || others != case.details {
        return Err(format!(
            "expected {want:?} and {:?}\nreported {placed:?} and {others:?}\n{text}",
            case.details
        ));
    }
    // The human format goes over the source again; it must hold as well.
    clean(&jetvm(&["check", &case.target], ""))
}

fn audited(case: &Case) -> Result<(), String> {
    let out = jetvm(&["audit", "--json", &case.target], "");
    let audit: serde_json::Value =
        serde_json::from_slice(&out.stdout).map_err(|e| format!("audit: {e}"))?;
    let requests = audit["requests"].as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = requests
        .iter()
        .filter_map(|r| r["capability"].as_str())
        .collect();
    let got = if names.is_empty() {
        "none".to_string()
    } else {
        names.join(" + ")
    };
    match &case.authority {
        Some(want) if *want == got => Ok(()),
        want => Err(format!("the audit says {got}, expected {want:?}")),
    }
}

fn run(case: &Case, gc: &str, jit: &str) -> Result<(), String> {
    let mut args = vec!["run", "--message-format=short", "--seed=1", gc, jit];
    if jit == OFF && gc == "--gc=normal" && !case.target.contains("/exhaustion/") {
        // At every call: only declared authority goes down. (Elsewhere work and memory are the point.)
        args.push("--monitor");
    }
    args.extend(case.flags.iter().map(String::as_str));
    args.extend([case.target.as_str(), "--"]);
    args.extend(case.args.iter().map(String::as_str));
    let out = jetvm(&args, &case.stdin);
    let (stdout, stderr) = (lossy(&out.stdout), lossy(&out.stderr));
    clean(&out)?;
    let detail = case.details.first().cloned().unwrap_or_default();
    let (exit, said) = match case.verdict.as_str() {
        "runs" => (0, None),
        "refused" => (3, Some(format!("{detail}`, which is not granted"))),
        "trapped" => (1, Some(format!("trap[{detail}]"))),
        "limit" => (4, Some(format!("limit[{detail}]"))),
        "failed" => (1, Some("main failed".to_string())),
        other => return Err(format!("unknown verdict {other}")),
    };
    if out.status.code() != Some(exit) || said.is_some_and(|s| !stderr.contains(&s)) {
        return Err(format!("{}, expected {exit}\n{stderr}", out.status));
    }
    let recorded = case.main.with_extension("out");
    match case.verdict.as_str() {
        "runs" | "trapped" | "refused" => {
            let want = std::fs::read_to_string(recorded).unwrap_or_default();
            if stdout != want {
                return Err(format!("printed\n{stdout}\nexpected\n{want}"));
            }
        }
        _ => {}
    }
    Ok(())
}

fn check(case: &Case) -> Result<(), String> {
    match case.verdict.as_str() {
        "rejected" => rejected(case),
        // Their memory and work are the point: collecting at every allocation would take forever.
        "limit" => {
            run(case, "--gc=normal", OFF)?;
            run(case, "--gc=stress:65521", OFF)?;
            run(case, "--gc=stress:65521", STRESS)
        }
        "refused" => run(case, "--gc=normal", OFF),
        _ => {
            let heavy = case.target.contains("/exhaustion/");
            let stress = if heavy {
                "--gc=stress:997"
            } else {
                "--gc=stress:1"
            };
            run(case, "--gc=normal", OFF)?;
            run(case, stress, OFF)?;
            // Machine code of everything, left by force now and then, while objects move.
            let moves = if heavy { stress } else { "--gc=stress:7" };
            run(case, moves, STRESS)?;
            if matches!(case.verdict.as_str(), "runs" | "trapped") {
                audited(case)?;
            }
            Ok(())
        }
    }
}

#[test]
fn every_attack_gets_its_verdict() {
    each(2, &selected(cases(), |c| &c.target), |case| {
        check(case).map_err(|why| format!("{} ({}): {why}", case.target, case.verdict))
    });
}

/// The table of the README: families with their programs and verdicts.
fn table(cases: &[Case]) -> String {
    let mut families: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        let family = case.target.split('/').nth(2).unwrap_or_default();
        families.entry(family).or_default().push(case);
    }
    let mut out = String::new();
    for (family, cases) in families {
        let _ = writeln!(out, "\n## {family}: {} programs\n", cases.len());
        out.push_str("| Program | Verdict | What it tries |\n|---|---|---|\n");
        for case in cases {
            let name = case.target.split('/').nth(3).unwrap_or_default();
            let mut detail = case.details.clone();
            if case.verdict == "rejected" {
                let mut found = Vec::new();
                annotated(&root().join(&case.target), &mut found);
                detail.extend(found.into_iter().map(|(_, _, code)| code));
                detail.sort();
                detail.dedup();
            }
            let title = case.title.replace('\u{202E}', "").replace('|', "\\|");
            let title = title.split("    #~").next().unwrap_or_default();
            let verdict = format!("{} {}", case.verdict, detail.join(" "));
            let _ = writeln!(
                out,
                "| [{name}]({family}/{name}) | {} | {title} |",
                verdict.trim()
            );
        }
    }
    out
}

const BEGIN: &str =
    "<!-- table: written by `JET_BLESS=1 cargo test -p jet-tests --test adversarial` -->\n";

#[test]
fn the_readme_lists_the_suite() {
    let path = suite().join("README.md");
    let text = std::fs::read_to_string(&path).expect("README.md");
    let (head, recorded) = text.split_once(BEGIN).expect("the table's beginning");
    let table = table(&cases());
    if std::env::var_os("JET_BLESS").is_some() {
        std::fs::write(&path, format!("{head}{BEGIN}{table}")).expect("writable");
    } else {
        assert!(
            recorded == table,
            "README.md is not up to date: JET_BLESS=1 writes it"
        );
    }
}

#[test]
fn the_suite_is_large_enough_and_only_grows() {
    let count = cases().len();
    assert!(count >= 400, "only {count} programs: none is ever removed");
}

/// Whether a name fits a pattern with `*`.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
            let tails = (0..=tail.len()).filter_map(|i| tail.get(i..));
            rest.is_empty() || tails.into_iter().any(|t| fits(rest, t))
        }),
    }
}

/// What the pages promise, and what the comparison says of others, is held up by programs that exist.
#[test]
fn the_pages_name_programs_of_the_suite() {
    let names: Vec<String> = cases()
        .iter()
        .filter_map(|c| c.target.strip_prefix("tests/adversarial/"))
        .map(|n| n.trim_end_matches(".jet").to_string())
        .collect();
    let mut missing = Vec::new();
    for page in ["capabilities", "comparison", "soundness", "threat-model"] {
        let text = std::fs::read_to_string(root().join(format!("docs/{page}.md"))).expect("page");
        for cell in text.split(['|', '\n']) {
            let mut family = "";
            for part in cell.split('`').skip(1).step_by(2) {
                let (of, pattern) = part.split_once('/').unwrap_or((family, part));
                if of.is_empty() || !suite().join(of).is_dir() || pattern.contains(['/', ' ']) {
                    family = "";
                    continue;
                }
                // Further names of a list leave the family out.
                family = of;
                let full = format!("{of}/{pattern}");
                if !pattern.is_empty() && !names.iter().any(|n| fits(&full, n)) {
                    missing.push(format!("docs/{page}.md: {full}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
