//! `jet-mutants`: mutates the verifier's source with the operators of `cargo mutants`, and says which mutants no test
//! of `bytecode/` notices.
//!
//! All mutants are built at once, into a copy of the crate, each behind a switch that a variable of the environment
//! turns on; so a mutant costs a run of the tests and no build. Outcomes are kept in the folder (`--dir`, default
//! `target/mutants`), and a further run goes on with what has none; `--again` asks for the survivors once more.
//! `--list` only lists, `--only=TEXT` takes those whose description holds the text.
//!
//! Must stay true: without the switch the copy does what the source does; a mutant is named by its file, line, column
//! and change, never by its number.

use proc_macro2::Span;
use quote::ToTokens;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Tests that say something about the verifier, the quick ones first; each failing one ends a mutant.
const SUITES: &[&str] = &[
    "refuse",
    "roundtrip",
    "signatures",
    "jet_bytecode",
    "forged",
    "shadow",
    "random_code",
    "assembler",
    "hostile",
    "large",
];
/// Looks at lines of the source, which are others in the copy.
const SKIPPED: &str = "every_check_of_the_verifier";

/// A change of the source.
struct Mutant {
    /// File, place and change, for people and for the outcomes.
    what: String,
}

/// Collects the mutants of one file and the text that holds them all.
struct Collect<'a> {
    file: &'a str,
    function: String,
    mutants: &'a mut Vec<Mutant>,
    /// Text to put in at a place: (place, whether behind what ends there, order, text).
    edits: Vec<(usize, bool, usize, String)>,
}

impl Collect<'_> {
    fn number(&mut self, at: Span, change: &str) -> usize {
        let start = at.start();
        let what = format!(
            "{}:{}:{} {change} in {}",
            self.file,
            start.line,
            start.column + 1,
            self.function
        );
        self.mutants.push(Mutant { what });
        self.mutants.len()
    }

    fn insert(&mut self, at: usize, behind: bool, text: String) {
        let order = self.edits.len();
        self.edits.push((at, behind, order, text));
    }

    /// Puts alternatives in front of an expression; its own parts may get theirs in between.
    fn alternatives(
        &mut self,
        e: &syn::Expr,
        with: Vec<(usize, String)>,
        inside: impl FnOnce(&mut Self),
    ) {
        if with.is_empty() {
            return inside(self);
        }
        let range = e.span().byte_range();
        let mut text = String::from("(");
        for (n, other) in with {
            text.push_str(&format!("if crate::mutant::on({n}) {{ {other} }} else "));
        }
        text.push_str("{ ");
        self.insert(range.start, false, text);
        inside(self);
        self.insert(range.end, true, String::from(" })"));
    }
}

/// What an operator is replaced with.
fn others(op: &syn::BinOp) -> &'static [&'static str] {
    use syn::BinOp as B;
    match op {
        B::Eq(_) => &["!="],
        B::Ne(_) => &["=="],
        B::Lt(_) => &["==", ">", "<="],
        B::Gt(_) => &["==", "<", ">="],
        B::Le(_) => &[">", "<"],
        B::Ge(_) => &["<", ">"],
        B::And(_) => &["||"],
        B::Or(_) => &["&&"],
        B::Add(_) => &["-", "*"],
        B::Sub(_) => &["+", "/"],
        B::Mul(_) => &["+", "/"],
        B::Div(_) => &["%", "*"],
        B::Rem(_) => &["/", "+"],
        B::BitAnd(_) => &["|", "^"],
        B::BitOr(_) => &["&", "^"],
        B::BitXor(_) => &["|", "&"],
        B::Shl(_) => &[">>"],
        B::Shr(_) => &["<<"],
        B::AddAssign(_) => &["-=", "*="],
        B::SubAssign(_) => &["+=", "/="],
        B::BitOrAssign(_) => &["&=", "^="],
        B::BitAndAssign(_) => &["|=", "^="],
        _ => &[],
    }
}

/// Whether a chain of conditions binds names: what binds cannot be an operand of anything else.
fn binds(e: &syn::Expr) -> bool {
    match e {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(b) => binds(&b.left) || binds(&b.right),
        _ => false,
    }
}

/// The first type among a path's arguments.
fn inner(path: &syn::TypePath) -> Option<&syn::Type> {
    let syn::PathArguments::AngleBracketed(args) = &path.path.segments.last()?.arguments else {
        return None;
    };
    match args.args.first()? {
        syn::GenericArgument::Type(t) => Some(t),
        _ => None,
    }
}

/// Values that a function of this type may give instead of what it computes.
fn values(ty: &syn::Type) -> Vec<String> {
    match ty {
        syn::Type::Tuple(t) if t.elems.is_empty() => vec!["()".into()],
        syn::Type::Reference(r) => match &*r.elem {
            syn::Type::Slice(_) => vec!["&[]".into()],
            syn::Type::Path(p) if p.path.is_ident("str") => vec!["\"\"".into(), "\"xyzzy\"".into()],
            _ => vec![],
        },
        syn::Type::Path(p) => {
            let Some(last) = p.path.segments.last() else {
                return vec![];
            };
            let of = inner(p);
            match last.ident.to_string().as_str() {
                "bool" => vec!["true".into(), "false".into()],
                "usize" | "u8" | "u16" | "u32" | "u64" => vec!["0".into(), "1".into()],
                "String" => vec!["String::new()".into(), "\"xyzzy\".into()".into()],
                "Vec" | "Openings" => vec!["vec![]".into()],
                "HashMap" | "HashSet" | "Receivers" => vec!["Default::default()".into()],
                "Option" => std::iter::once("None".to_owned())
                    .chain(
                        of.into_iter()
                            .flat_map(values)
                            .map(|v| format!("Some({v})")),
                    )
                    .collect(),
                "Result" => of
                    .into_iter()
                    .flat_map(values)
                    .map(|v| format!("Ok({v})"))
                    .collect(),
                _ => vec![],
            }
        }
        _ => vec![],
    }
}

impl Collect<'_> {
    fn body(&mut self, sig: &syn::Signature, block: &syn::Block) {
        let outer = std::mem::replace(&mut self.function, sig.ident.to_string());
        if sig.constness.is_none() {
            let given = match &sig.output {
                syn::ReturnType::Default => vec![String::from("()")],
                syn::ReturnType::Type(_, ty) => values(ty),
            };
            for value in given {
                let n = self.number(sig.ident.span(), &format!("replace body with {value}"));
                let at = block.brace_token.span.open().byte_range().end;
                self.insert(
                    at,
                    false,
                    format!(" if crate::mutant::on({n}) {{ return {value}; }} "),
                );
            }
            visit::visit_block(self, block);
        }
        self.function = outer;
    }
}

impl<'ast> Visit<'ast> for Collect<'_> {
    fn visit_item_fn(&mut self, f: &'ast syn::ItemFn) {
        self.body(&f.sig, &f.block);
    }

    fn visit_impl_item_fn(&mut self, f: &'ast syn::ImplItemFn) {
        self.body(&f.sig, &f.block);
    }

    // What is computed at compile time has no switch.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_type(&mut self, _: &'ast syn::Type) {}
    fn visit_pat(&mut self, _: &'ast syn::Pat) {}

    fn visit_item_mod(&mut self, m: &'ast syn::ItemMod) {
        // The switches of rules are the tests' own.
        if m.ident != "switches" {
            visit::visit_item_mod(self, m);
        }
    }

    fn visit_expr(&mut self, e: &'ast syn::Expr) {
        let plain = |e: &syn::Expr| e.to_token_stream().to_string();
        let with: Vec<(usize, String)> = match e {
            syn::Expr::Binary(b) if !binds(e) => others(&b.op)
                .iter()
                .map(|to| {
                    let from = b.op.to_token_stream();
                    let n = self.number(b.op.span(), &format!("replace {from} with {to}"));
                    (n, format!("{} {to} {}", plain(&b.left), plain(&b.right)))
                })
                .collect(),
            syn::Expr::Unary(u) if !matches!(u.op, syn::UnOp::Deref(_)) => {
                let n = self.number(u.op.span(), &format!("delete {}", u.op.to_token_stream()));
                // Twice is not at all, and has the type of once.
                let op = u.op.to_token_stream();
                vec![(n, format!("{op}({op}({}))", plain(&u.expr)))]
            }
            _ => vec![],
        };
        self.alternatives(e, with, |s| visit::visit_expr(s, e));
    }

    fn visit_expr_match(&mut self, m: &'ast syn::ExprMatch) {
        let catches = |a: &syn::Arm| matches!(a.pat, syn::Pat::Wild(_)) && a.guard.is_none();
        let wild = m.arms.iter().any(catches);
        for arm in &m.arms {
            let mut on = String::new();
            if wild && !catches(arm) {
                let pat = arm.pat.to_token_stream().to_string();
                let n = self.number(arm.pat.span(), &format!("delete arm {pat:.60}"));
                on = format!("!crate::mutant::on({n})");
            }
            match &arm.guard {
                None if !on.is_empty() => {
                    self.insert(arm.pat.span().byte_range().end, true, format!(" if {on}"));
                }
                Some((_, guard)) if !binds(guard) => {
                    let t = self.number(guard.span(), "replace guard with true");
                    let f = self.number(guard.span(), "replace guard with false");
                    let range = guard.span().byte_range();
                    let and = if on.is_empty() {
                        on
                    } else {
                        format!("{on} && ")
                    };
                    let head =
                        format!("{and}!crate::mutant::on({f}) && (crate::mutant::on({t}) || (");
                    self.insert(range.start, false, head);
                    self.visit_expr(guard);
                    self.insert(range.end, true, String::from("))"));
                }
                Some((_, guard)) => {
                    if !on.is_empty() {
                        self.insert(guard.span().byte_range().start, false, format!("{on} && "));
                    }
                    self.visit_expr(guard);
                }
                None => {}
            }
            self.visit_expr(&arm.body);
        }
        self.visit_expr(&m.expr);
    }
}

/// Adds a file's mutants to the list and gives its text with all of them.
fn mutate(name: &str, text: &str, mutants: &mut Vec<Mutant>) -> Result<String, String> {
    let file = syn::parse_file(text).map_err(|e| format!("{name}: {e}"))?;
    let mut collect = Collect {
        file: name,
        function: String::new(),
        mutants,
        edits: Vec::new(),
    };
    collect.visit_file(&file);
    let mut edits = collect.edits;
    // What ends somewhere comes before what begins there; of several, the inner end first and the outer beginning.
    edits.sort_by_key(|(at, behind, order, _)| (*at, !behind, *order));
    let mut out = String::with_capacity(text.len() * 2);
    let mut done = 0;
    for (at, _, _, part) in edits {
        out.push_str(text.get(done..at).ok_or("edits overlap")?);
        out.push_str(&part);
        done = at;
    }
    out.push_str(text.get(done..).ok_or("edits overlap")?);
    Ok(out)
}

const SWITCH: &str = "
/// Which mutant runs.
#[doc(hidden)]
pub mod mutant {
    /// Whether it is this one.
    pub fn on(n: u32) -> bool {
        static WHICH: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
        let read = || std::env::var(\"JET_MUTANT\").ok().and_then(|v| v.parse().ok()).unwrap_or(0);
        *WHICH.get_or_init(read) == n
    }
}
";

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// Makes the copy with all mutants in it.
fn prepare(root: &Path, tree: &Path) -> Result<Vec<Mutant>, String> {
    let io = |e: std::io::Error| e.to_string();
    let _ = std::fs::remove_dir_all(tree);
    for part in ["bytecode", "tests/src/shadow", "tests/tests/forged", "docs"] {
        copy(&root.join(part), &tree.join(part)).map_err(io)?;
    }
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).map_err(io)?;
    let members = manifest.lines().map(|line| match line.split_once(" = [") {
        Some(("members", _)) => "members = [\"bytecode\"]",
        Some(("default-members", _)) => "",
        _ => line,
    });
    let members: Vec<&str> = members.collect();
    std::fs::write(tree.join("Cargo.toml"), members.join("\n")).map_err(io)?;
    std::fs::copy(root.join("Cargo.lock"), tree.join("Cargo.lock")).map_err(io)?;
    let lib = tree.join("bytecode/src/lib.rs");
    let text = std::fs::read_to_string(&lib).map_err(io)?;
    std::fs::write(&lib, text + SWITCH).map_err(io)?;
    let mut mutants = Vec::new();
    let dir = tree.join("bytecode/src/verify");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir)
        .map_err(io)?
        .filter_map(|e| e.ok().map(|e| e.path()))
        .collect();
    files.sort();
    for path in files {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&path).map_err(io)?;
        let changed = mutate(&name, &text, &mut mutants)?;
        std::fs::write(&path, changed).map_err(io)?;
    }
    Ok(mutants)
}

/// Builds the tests of the copy; gives them by name.
fn build(tree: &Path, target: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo)
        .args([
            "test",
            "--no-run",
            "--offline",
            "--message-format=json-render-diagnostics",
            "--features",
            "rule-switches",
        ])
        .current_dir(tree.join("bytecode"))
        .env("CARGO_TARGET_DIR", target)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| e.to_string())?;
    if !out.status.success() {
        return Err("the copy does not build".to_owned());
    }
    let mut all = BTreeMap::new();
    let field = |line: &str, name: &str| -> Option<String> {
        let rest = line.split_once(&format!("\"{name}\":\""))?.1;
        Some(rest.split_once('"')?.0.to_owned())
    };
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        if let Some(path) = field(line, "executable") {
            let path = PathBuf::from(path);
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let name = name
                .rsplit_once('-')
                .map_or(name.as_str(), |p| p.0)
                .to_owned();
            all.insert(name, path);
        }
    }
    Ok(all)
}

/// How a run of tests ended.
#[derive(PartialEq)]
enum End {
    Passed,
    Failed,
    Endless,
}

fn run(test: &Path, cwd: &Path, mutant: usize, patience: Duration) -> Result<End, String> {
    let mut child = Command::new(test)
        .args(["--skip", SKIPPED, "--test-threads=1"])
        .current_dir(cwd)
        .env("JET_MUTANT", mutant.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    let start = Instant::now();
    loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) if status.success() => return Ok(End::Passed),
            Some(_) => return Ok(End::Failed),
            None if start.elapsed() > patience => {
                child
                    .kill()
                    .and_then(|()| child.wait())
                    .map_err(|e| e.to_string())?;
                return Ok(End::Endless);
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn main() -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut dir, mut only) = (root.join("target/mutants"), String::new());
    let (mut list, mut again) = (false, false);
    for arg in std::env::args().skip(1) {
        match arg.split_once('=').unwrap_or((&arg, "")) {
            ("--dir", value) => dir = PathBuf::from(value),
            ("--only", value) => only = value.to_owned(),
            ("--list", _) => list = true,
            ("--again", _) => again = true,
            _ => return Err(format!("{arg}: unknown option")),
        }
    }
    let tree = dir.join("tree");
    let mutants = prepare(&root, &tree)?;
    println!("{} mutants", mutants.len());
    if list {
        mutants
            .iter()
            .filter(|m| m.what.contains(&only))
            .for_each(|m| println!("{}", m.what));
        return Ok(());
    }
    let tests = build(&tree, &dir.join("target"))?;
    let suites: Vec<(&str, &PathBuf)> = SUITES
        .iter()
        .filter_map(|s| Some((*s, tests.get(*s)?)))
        .collect();
    if suites.len() != SUITES.len() {
        return Err(format!(
            "tests are missing: {:?} of {SUITES:?}",
            tests.keys()
        ));
    }
    let cwd = tree.join("bytecode");
    let mut patience = Vec::new();
    for (name, test) in &suites {
        let start = Instant::now();
        if run(test, &cwd, 0, Duration::from_secs(600))? != End::Passed {
            return Err(format!("`{name}` fails without a mutant"));
        }
        println!("{name}: {:.1} s", start.elapsed().as_secs_f64());
        patience.push(start.elapsed() * 10 + Duration::from_secs(20));
    }
    let outcomes = dir.join("outcomes.txt");
    let known = std::fs::read_to_string(&outcomes).unwrap_or_default();
    let mut known: BTreeMap<String, String> = known
        .lines()
        .filter_map(|l| l.split_once('\t'))
        .map(|(outcome, what)| (what.to_owned(), outcome.to_owned()))
        .collect();
    if again {
        known.retain(|_, outcome| outcome != "survived");
    }
    for (n, mutant) in (1..).zip(&mutants) {
        if known.contains_key(&mutant.what) || !mutant.what.contains(&only) {
            continue;
        }
        let mut outcome = String::from("survived");
        for ((name, test), patience) in suites.iter().zip(&patience) {
            match run(test, &cwd, n, *patience)? {
                End::Passed => continue,
                End::Failed => outcome = format!("caught by {name}"),
                End::Endless => outcome = format!("endless in {name}"),
            }
            break;
        }
        println!("{outcome}\t{}", mutant.what);
        known.insert(mutant.what.clone(), outcome);
        let lines: Vec<String> = known
            .iter()
            .map(|(what, outcome)| format!("{outcome}\t{what}\n"))
            .collect();
        std::fs::write(&outcomes, lines.concat()).map_err(|e| e.to_string())?;
    }
    let count = |how: &str| {
        mutants
            .iter()
            .filter(|m| known.get(&m.what).is_some_and(|o| o.starts_with(how)))
            .count()
    };
    println!(
        "{} mutants: {} caught, {} endless, {} survived",
        mutants.len(),
        count("caught"),
        count("endless"),
        count("survived")
    );
    for m in &mutants {
        if known.get(&m.what).is_some_and(|o| o == "survived") {
            println!("{}", m.what);
        }
    }
    Ok(())
}
