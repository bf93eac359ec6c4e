//! A program that is typed entry by entry.
//!
//! Each entry is compiled as a module that sees what earlier ones declared, and runs in an instance of
//! its own through the whole pipeline. Values survive by doing again what made them: the entries that
//! the new one depends on run first, with the answers of the host from a [`Tape`]. The language has no
//! hidden state, so that gives the same values, functions and shared references included. What must stay
//! true: an entry that did not end well leaves no trace in what later ones see.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::{Duration, Instant};

use jet_frontend::diag::{Severity, codes};
use jet_frontend::driver::{CompileOutput, PackageInput, ProgramInput, SourceInput};
use jet_frontend::session::{self, Bound, Findings, Part, RUN, Shape, Written, alias};
use jet_vm::host::{HostCapability, LimitKind, interrupt};
use jet_vm::{DebugLog, Debugged};

use crate::audit::{self, Request};
use crate::cli::args::RunOptions;
use crate::cli::gc_log;
use crate::engine::{Config, End, Module};
use crate::render::{Style, clean_line};
use crate::sources::Texts;
use crate::tape::{CHANNEL, Channel, Recorded, Tape};
use crate::trap_text::{Lines, refused};

/// Name that the last value has.
const LAST: &str = "it";
/// What a value's text is the only element of, so that strings keep their quotes.
const SHOWN: &str = "f\"{[it]}\"";

type Parts = rustc_hash::FxHashMap<String, Part>;

/// A name with a value.
#[derive(Clone, Debug)]
struct Var {
    /// The entry that bound it last.
    entry: usize,
    ty: Written,
    shown: String,
    mutable: bool,
    plain: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    number: usize,
    header: String,
    part: Part,
    declares: bool,
    runs: bool,
    /// Names that it is handed, each with the entry that bound it, and whether they hold references.
    reads: Vec<(String, usize, bool)>,
    /// Names that it hands on, and whether they hold references.
    binds: Vec<(String, bool)>,
    needs: Vec<String>,
    fuel: u64,
    time: Duration,
    /// Lines of `dbg`.
    debugged: u64,
}

impl Entry {
    fn module(&self) -> String {
        module_name(self.number)
    }
}

fn module_name(number: usize) -> String {
    format!("e{number}")
}

/// What came of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It ran, or was declared. The value's text if it has one, what the compiler warned of, and names
    /// that are not kept.
    Done {
        /// `[1, 2]`.
        value: Option<String>,
        /// Rendered warnings.
        warnings: String,
        /// Names whose values are second class.
        dropped: Vec<String>,
    },
    /// It does not compile, or ended in an error, trap or limit: the rendered messages.
    Failed(String),
    /// Ctrl-C.
    Interrupted,
    /// A bug of ours.
    Bug(String),
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    options: RunOptions,
    style: Style,
    hosts: Vec<Recorded>,
    tape: Tape,
    seed: u64,
    entries: Vec<Entry>,
    count: usize,
    vars: BTreeMap<String, Var>,
    /// Declared names, and the entry that declared them last.
    items: BTreeMap<String, usize>,
    imports: Vec<String>,
    errors: Vec<Written>,
    caps: Vec<String>,
    debugged: Debugged,
}

/// A text on its way to become an entry.
struct Draft {
    number: usize,
    text: String,
    shape: Shape,
    reads: Vec<(String, Var)>,
}

impl Session {
    /// A session under grants, with limits for each entry.
    pub fn new(options: RunOptions, style: Style, seed: u64) -> Result<Session, String> {
        let cwd = std::env::current_dir()
            .map_err(|error| format!("cannot tell the working directory: {error}"))?;
        let hosts = crate::host::capabilities(&options.grants, &cwd)?;
        let tape = Tape::default();
        let mut session = Session {
            hosts: hosts.into_iter().map(|h| Recorded::new(h, &tape)).collect(),
            options,
            style,
            tape,
            seed,
            entries: Vec::new(),
            count: 0,
            vars: BTreeMap::new(),
            items: BTreeMap::new(),
            imports: Vec::new(),
            errors: Vec::new(),
            caps: Vec::new(),
            debugged: Debugged::default(),
        };
        let (_, findings) = session.compile(&[], "fn main():\n    pass\n", None, false);
        session.errors = findings.errors;
        session.caps = findings.caps;
        // These stand for language forms, which say so where they are used.
        session
            .caps
            .retain(|cap| !["Tasks", "Plugins", "Ffi"].contains(&cap.as_str()));
        Ok(session)
    }

    /// Names with values, and their types.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.vars
            .iter()
            .map(|(name, var)| (name.as_str(), var.shown.as_str()))
    }

    /// What the last entry wrote by `dbg`.
    pub fn take_debugged(&mut self) -> Debugged {
        std::mem::take(&mut self.debugged)
    }

    /// Whether the program's output stands within a line.
    #[must_use]
    pub fn within_line(&self) -> bool {
        self.tape.within_line()
    }

    /// Type of an expression; `Err` has the rendered messages.
    pub fn type_of(&mut self, text: &str) -> Result<String, String> {
        let draft = self.draft(text);
        if !draft.shape.value {
            return Err("a type is that of an expression\n".to_owned());
        }
        let part = part(&draft, 0, true);
        let (output, findings) = self.look(&draft, part);
        if output.has_errors() {
            return Err(self.messages(&output, &draft, Severity::Error));
        }
        let found = findings.bound.into_iter().find(|b| b.name == LAST);
        Ok(found.map_or_else(|| "()".to_owned(), |b| b.shown))
    }

    /// Takes an entry.
    pub fn enter(&mut self, text: &str) -> Answer {
        let draft = self.draft(text);
        let (output, findings) = self.look(&draft, part(&draft, self.muts(&draft), true));
        if output.has_errors() {
            return Answer::Failed(self.messages(&output, &draft, Severity::Error));
        }
        let warnings = self.messages(&output, &draft, Severity::Warning);
        let last = findings.bound.iter().find(|b| b.name == LAST);
        let keep = draft.shape.value && last.is_some_and(|b| b.ty.is_some() && b.shown != "()");
        let mut dropped = Vec::new();
        let mut bound: Vec<Bound> = Vec::new();
        for b in &findings.bound {
            if b.name == LAST && draft.shape.value && !keep {
                continue;
            }
            // Others are `mut` names that it was handed.
            let own = draft.shape.bound.iter().any(|(name, _)| *name == b.name);
            if !own && b.name != LAST {
                continue;
            }
            match b.ty {
                Some(_) => bound.push(b.clone()),
                None => dropped.push(b.name.clone()),
            }
        }
        let needs: Vec<String> = findings
            .needs
            .iter()
            .map(|(_, name)| name.clone())
            .collect();
        // A value that cannot be shown has its type told.
        let mut shown = keep;
        let (entry, module) = loop {
            let entry = self.finish(&draft, &bound, &needs, keep, shown);
            match self.build(&entry) {
                Ok(module) => break (entry, module),
                Err(Answer::Bug(_)) if shown => shown = false,
                Err(answer) => return answer,
            }
        };
        let lone = last.filter(|_| keep && !shown).map(|b| b.shown.clone());
        let missing: Vec<Request> = audit::requests(module.program())
            .into_iter()
            .filter(|r| r.package == "std" && !self.options.grants.covers(&r.name))
            .map(|mut r| {
                // From `main` through the entry's function; neither was typed.
                r.path.drain(..r.path.len().min(2));
                r
            })
            .collect();
        if !missing.is_empty() {
            return Answer::Failed(refused(self.style, &missing));
        }
        if !entry.runs {
            self.keep(entry, &draft, &bound, findings);
            return Answer::Done {
                value: None,
                warnings,
                dropped,
            };
        }
        match self.run(entry, &module) {
            Ok((entry, value)) => {
                self.keep(entry, &draft, &bound, findings);
                Answer::Done {
                    value: lone.or(value).filter(|_| keep),
                    warnings,
                    dropped,
                }
            }
            Err(answer) => answer,
        }
    }

    fn draft(&mut self, text: &str) -> Draft {
        self.count += 1;
        let shape = session::shape(text);
        let reads = self
            .vars
            .iter()
            .filter(|(name, _)| shape.words.contains(*name))
            .map(|(name, var)| (name.clone(), var.clone()))
            .collect();
        Draft {
            number: self.count,
            text: text.to_owned(),
            shape,
            reads,
        }
    }

    /// How many of the names that it reads can be assigned.
    fn muts(&self, draft: &Draft) -> usize {
        draft.reads.iter().filter(|(_, var)| var.mutable).count()
    }

    /// Checks a draft to learn its types and needs.
    fn look(&self, draft: &Draft, part: Part) -> (CompileOutput, Findings) {
        let caps: Vec<&str> = self.caps.iter().map(String::as_str).collect();
        let mut header = self.header(draft, &[]);
        if draft.shape.stmts {
            self.signature(&mut header, draft, &caps, "");
            header.push_str("    return\n");
        }
        let entry = Entry {
            number: draft.number,
            header,
            part,
            declares: true,
            runs: false,
            reads: Vec::new(),
            binds: Vec::new(),
            needs: Vec::new(),
            fuel: 0,
            time: Duration::ZERO,
            debugged: 0,
        };
        let mut entries: Vec<&Entry> = self.entries.iter().filter(|e| e.declares).collect();
        entries.push(&entry);
        self.compile(
            &entries,
            "fn main():\n    pass\n",
            Some(&entry.module()),
            false,
        )
    }

    /// What stands before the entry's own items.
    fn header(&self, draft: &Draft, types: &[&Written]) -> String {
        let mut out = String::new();
        for line in &self.imports {
            out.push_str(line);
            out.push('\n');
        }
        let mut modules: BTreeSet<&str> = BTreeSet::new();
        let reads = draft.reads.iter().map(|(_, var)| &var.ty);
        for ty in reads.chain(types.iter().copied()).chain(&self.errors) {
            modules.extend(ty.modules.iter().map(String::as_str));
        }
        for module in modules {
            let _ = writeln!(out, "import {module} as {}", alias(module));
        }
        for (name, entry) in &self.items {
            // What the entry declares or binds itself takes the place of what was.
            if !draft.shape.items.contains(name) {
                let _ = writeln!(out, "from {} import {name}", module_name(*entry));
            }
        }
        out
    }

    fn signature(&self, out: &mut String, draft: &Draft, caps: &[&str], ret: &str) {
        let params: Vec<String> = draft
            .reads
            .iter()
            .map(|(name, var)| {
                let own = if var.ty.text.starts_with("fn(") {
                    "own "
                } else {
                    ""
                };
                format!("{name}: {own}{}", var.ty.text)
            })
            .collect();
        let _ = write!(out, "pub fn {RUN}({}){ret}", params.join(", "));
        if !caps.is_empty() {
            let _ = write!(out, " uses {}", caps.join(" + "));
        }
        let errors: Vec<&str> = self.errors.iter().map(|e| e.text.as_str()).collect();
        let _ = writeln!(out, " ! {}:", errors.join(" | "));
        for (name, var) in &draft.reads {
            if var.mutable {
                let _ = writeln!(out, "    let mut {name} = {name}");
            }
        }
    }

    /// The entry as it runs.
    fn finish(
        &self,
        draft: &Draft,
        bound: &[Bound],
        needs: &[String],
        keep: bool,
        shown: bool,
    ) -> Entry {
        // What it binds, and `mut` names that it may have assigned.
        let mut results: Vec<(String, &Written, bool)> = Vec::new();
        for b in bound {
            if let Some(ty) = &b.ty {
                results.push((b.name.clone(), ty, !b.plain));
            }
        }
        for (name, var) in draft.reads.iter().filter(|(_, var)| var.mutable) {
            if !results.iter().any(|(n, ..)| n == name) {
                results.push((name.clone(), &var.ty, !var.plain));
            }
        }
        let types: Vec<&Written> = results.iter().map(|(_, ty, _)| *ty).collect();
        let mut header = self.header(draft, &types);
        if draft.shape.stmts {
            let own = |text: &str| {
                if text.starts_with("fn(") {
                    format!("({text})")
                } else {
                    text.to_owned()
                }
            };
            let mut tys: Vec<String> = types.iter().map(|ty| own(&ty.text)).collect();
            tys.push("string".to_owned());
            let mut values: Vec<&str> = results.iter().map(|(name, ..)| name.as_str()).collect();
            values.push(if shown { SHOWN } else { "\"\"" });
            let together = |parts: &str, many: bool| {
                if many {
                    format!("({parts})")
                } else {
                    parts.to_owned()
                }
            };
            let many = !results.is_empty();
            let caps: Vec<&str> = needs.iter().map(String::as_str).collect();
            let ret = format!(" -> {}", together(&tys.join(", "), many));
            self.signature(&mut header, draft, &caps, &ret);
            let values = together(&values.join(", "), many);
            let _ = writeln!(header, "    return {values}");
        }
        Entry {
            number: draft.number,
            header,
            part: part(draft, self.muts(draft), keep),
            declares: !draft.shape.items.is_empty()
                || !draft.shape.imports.is_empty()
                || !draft.shape.stmts,
            runs: draft.shape.stmts,
            reads: draft
                .reads
                .iter()
                .map(|(name, var)| (name.clone(), var.entry, !var.plain))
                .collect(),
            binds: results
                .into_iter()
                .map(|(name, _, refs)| (name, refs))
                .collect(),
            needs: needs.to_vec(),
            fuel: 0,
            time: Duration::ZERO,
            debugged: 0,
        }
    }

    /// The earlier entries that have to run for this one, in order: those that bound what it reads, and
    /// those that may have changed something that is reachable from there.
    fn before(&self, entry: &Entry) -> Vec<&Entry> {
        // Names with their entries, and whether something can change through them.
        let mut needed: BTreeSet<(&str, usize)> = BTreeSet::new();
        let mut live: BTreeSet<usize> = BTreeSet::new();
        needed.extend(entry.reads.iter().map(|(n, from, _)| (n.as_str(), *from)));
        loop {
            let next = self.entries.iter().rev().find(|e| {
                let bound = e
                    .binds
                    .iter()
                    .any(|(n, _)| needed.contains(&(n.as_str(), e.number)));
                let touches = e
                    .reads
                    .iter()
                    .any(|(n, from, refs)| *refs && needed.contains(&(n.as_str(), *from)));
                e.runs && !live.contains(&e.number) && (bound || touches)
            });
            let Some(next) = next else { break };
            live.insert(next.number);
            needed.extend(next.reads.iter().map(|(n, from, _)| (n.as_str(), *from)));
            needed.extend(next.binds.iter().map(|(n, _)| (n.as_str(), next.number)));
        }
        self.entries
            .iter()
            .filter(|e| live.contains(&e.number))
            .collect()
    }

    /// Compiles and verifies the entry with what runs before it.
    fn build(&self, entry: &Entry) -> Result<Module, Answer> {
        let before = self.before(entry);
        let mut needs: BTreeSet<&str> = BTreeSet::from(["ReplChannel"]);
        let mut main = String::from("from repl import ReplChannel\n");
        let mut body = String::new();
        let mut modules: BTreeSet<String> = BTreeSet::new();
        let running: Vec<&Entry> = before.iter().copied().chain([entry]).collect();
        for e in running.iter().filter(|e| e.runs) {
            needs.extend(e.needs.iter().map(String::as_str));
            modules.insert(e.module());
            let args: Vec<String> = e
                .reads
                .iter()
                .map(|(name, from, _)| local(name, *from))
                .collect();
            let mut names: Vec<String> = e
                .binds
                .iter()
                .map(|(name, _)| local(name, e.number))
                .collect();
            names.push("shown".to_owned());
            let pattern = match names.as_slice() {
                [one] => one.clone(),
                many => format!("({})", many.join(", ")),
            };
            let live = e.number == entry.number;
            let _ = writeln!(body, "    ReplChannel.begin({}, {live})", e.number);
            let _ = writeln!(
                body,
                "    let {pattern} = {}.{RUN}({})?",
                alias(&e.module()),
                args.join(", ")
            );
        }
        body.push_str(if entry.runs {
            "    ReplChannel.value(shown)\n"
        } else {
            "    ReplChannel.value(\"\")\n"
        });
        for error in &self.errors {
            modules.extend(error.modules.iter().cloned());
        }
        for module in &modules {
            let _ = writeln!(main, "import {module} as {}", alias(module));
        }
        let errors: Vec<&str> = self.errors.iter().map(|e| e.text.as_str()).collect();
        let needs: Vec<&str> = needs.into_iter().collect();
        let _ = write!(
            main,
            "fn main() uses {} ! {}:\n{body}",
            needs.join(" + "),
            errors.join(" | ")
        );
        let mut entries: Vec<&Entry> = Vec::new();
        for e in &self.entries {
            if e.declares || before.iter().any(|b| b.number == e.number) {
                entries.push(e);
            }
        }
        entries.push(entry);
        let (output, _) = self.compile(&entries, &main, None, true);
        let bug = Answer::Bug;
        if let Some(d) = output
            .diagnostics
            .iter()
            .find(|d| d.severity == Severity::Error)
        {
            let (line, _) = output.sources.line_col(d.span);
            let path = output.sources.path(d.span.file);
            if d.code == codes::LOWERING || path == entry.part.path {
                // Paths of entries are shown as they are.
                let only = std::slice::from_ref(d);
                let shown = self
                    .style
                    .diagnostics(only, &output.sources, &Texts::default());
                return Err(Answer::Failed(shown));
            }
            return Err(bug(format!(
                "{} in what was made of an entry: {path}:{line}: {}",
                d.code, d.message
            )));
        }
        let bytes = output
            .bytes()
            .ok_or_else(|| bug("the compiler gave neither a program nor an error".to_owned()))?;
        let bytes = bytes.map_err(|why| {
            let what = format!("the session cannot be written as a bundle: {why}");
            Answer::Failed(
                self.style
                    .plain(crate::sources::TOO_LARGE, &what, None, &[]),
            )
        })?;
        let mut module = Module::from_bytes(&bytes).map_err(|why| {
            bug(format!(
                "the verifier refused what the compiler wrote: {}",
                why.text()
            ))
        })?;
        if self.options.monitor && !module.observe() {
            return Err(bug("the monitor came too late".to_owned()));
        }
        Ok(module)
    }

    fn compile(
        &self,
        entries: &[&Entry],
        main: &str,
        about: Option<&str>,
        emit: bool,
    ) -> (CompileOutput, Findings) {
        let file = |package: &str, module: &str, text: &str| SourceInput {
            path: format!("{package}/{module}.jet"),
            module: module.to_owned(),
            text: text.to_owned(),
        };
        let package = |name: &str, deps: Vec<String>, files: Vec<SourceInput>| PackageInput {
            name: name.to_owned(),
            version: "0.0.0".to_owned(),
            deps,
            files,
        };
        let mut files = vec![file("session", "main", main)];
        let mut parts = Parts::default();
        for entry in entries {
            files.push(file("session", &entry.module(), &entry.header));
            parts.insert(entry.module(), entry.part.clone());
        }
        let input = ProgramInput {
            implementations: Vec::new(),
            packages: vec![
                package("repl", Vec::new(), vec![file("repl", "lib", CHANNEL)]),
                package("session", vec!["repl".to_owned()], files),
            ],
        };
        session::compile(&input, &parts, about.unwrap_or(""), emit)
    }

    /// Runs an entry that was built.
    fn run(
        &mut self,
        mut entry: Entry,
        module: &Module,
    ) -> Result<(Entry, Option<String>), Answer> {
        let before = self.before(&entry);
        let (fuel, time) = before
            .iter()
            .fold((0u64, Duration::ZERO), |(fuel, time), e| {
                (fuel.saturating_add(e.fuel), time.saturating_add(e.time))
            });
        let mut limits = self.options.limits.clone();
        limits.fuel = limits.fuel.map(|own| own.saturating_add(fuel));
        // Doing it again takes about as long as it took.
        limits.time = limits
            .time
            .map(|own| own.saturating_add(time.saturating_mul(2)));
        let log = DebugLog::after(before.iter().map(|e| e.debugged).sum());
        let config = Config {
            limits,
            gc: self.options.gc,
            seed: self.seed,
            gc_log: gc_log(&self.options, self.style),
            debug: Some(log.clone()),
            observe: jet_vm::Observe::default(),
            jit: self.options.compiler(self.seed),
        };
        interrupt::clear();
        self.tape.start();
        let mut hosts: Vec<Box<dyn HostCapability>> =
            self.hosts.iter().map(Recorded::again).collect();
        hosts.push(Box::new(Channel::new(&self.tape)));
        let started = Instant::now();
        let report = module.run(hosts, &[], &config).map_err(|why| {
            Answer::Failed(self.style.plain(
                "",
                &format!("the entry cannot start: {why}"),
                None,
                &[],
            ))
        })?;
        let interrupted = interrupt::interrupted();
        interrupt::clear();
        let debugged = log.read();
        entry.debugged = debugged.lines.len() as u64 + debugged.dropped;
        self.debugged = debugged;
        match report.end {
            End::Done => {
                entry.fuel = report.fuel.saturating_sub(fuel);
                entry.time = started.elapsed().saturating_sub(time);
                let number = i64::try_from(entry.number).unwrap_or(i64::MAX);
                let value = self.tape.keep(number);
                let value = value
                    .as_deref()
                    .and_then(|text| text.strip_prefix('[')?.strip_suffix(']').map(str::to_owned));
                Ok((entry, value))
            }
            End::Interrupted => Err(Answer::Interrupted),
            End::Bug(what) => Err(Answer::Bug(what)),
            _ if interrupted => Err(Answer::Interrupted),
            End::Failed(error) => Err(Answer::Failed(self.style.plain(
                "failed",
                &format!("the entry failed: {}", clean_line(&error)),
                None,
                &[],
            ))),
            End::Ended(mut ending) => {
                // The run's limit includes what runs again.
                let own = self.options.limits.fuel;
                if let (Some(LimitKind::Fuel), Some(own)) = (ending.limit, own) {
                    ending.message = format!("the fuel limit of {own} for an entry is reached");
                }
                // The frames below are ours.
                if ending.elided.is_none() {
                    ending
                        .stack
                        .retain(|frame| frame.file != "session/main.jet");
                }
                for frame in &mut ending.stack {
                    if frame
                        .function
                        .ends_with(&format!("{}.{RUN}", entry.module()))
                    {
                        frame.function = "the entry".to_owned();
                    }
                    // The line that calls what was typed is ours: where it is in it, nobody can see.
                    let ours = frame.file.strip_prefix("session/e");
                    if let Some(number) = ours.and_then(|name| name.strip_suffix(".jet")) {
                        frame.file = format!("entry {number}");
                        (frame.line, frame.column) = (0, 0);
                    }
                }
                let mut texts = Texts::default();
                let file = |part: &Part| SourceInput {
                    path: part.path.clone(),
                    module: part.path.clone(),
                    text: part.text.clone(),
                };
                let parts = self.entries.iter().map(|e| &e.part).chain([&entry.part]);
                texts.program.packages.push(PackageInput {
                    name: "session".to_owned(),
                    version: String::new(),
                    deps: Vec::new(),
                    files: parts.map(file).collect(),
                });
                Err(Answer::Failed(ending.text(
                    self.style,
                    &Lines::new(Some(&texts)),
                    &self.options.limits,
                )))
            }
        }
    }

    /// Makes what an entry declared and bound visible.
    fn keep(&mut self, entry: Entry, draft: &Draft, bound: &[Bound], findings: Findings) {
        for name in &draft.shape.items {
            self.items.insert(name.clone(), entry.number);
            self.vars.remove(name);
        }
        for import in &draft.shape.imports {
            if !self.imports.contains(import) {
                self.imports.push(import.clone());
            }
        }
        if entry.declares {
            self.errors = findings.errors;
        }
        for (name, refs) in &entry.binds {
            let fresh = bound.iter().find(|b| b.name == *name);
            let old = self.vars.get(name);
            let var = match (fresh, old) {
                (Some(b), _) => {
                    let mutable = draft
                        .shape
                        .bound
                        .iter()
                        .any(|(n, mutable)| n == name && *mutable);
                    b.ty.clone().map(|ty| Var {
                        entry: entry.number,
                        ty,
                        shown: b.shown.clone(),
                        mutable,
                        plain: !refs,
                    })
                }
                (None, Some(old)) => Some(Var {
                    entry: entry.number,
                    ..old.clone()
                }),
                (None, None) => None,
            };
            if let Some(var) = var {
                self.items.remove(name);
                self.vars.insert(name.clone(), var);
            }
        }
        self.entries.push(entry);
    }

    /// Diagnostics about the typed text.
    fn messages(&self, output: &CompileOutput, draft: &Draft, severity: Severity) -> String {
        let part = part(draft, 0, false);
        let about: Vec<_> = output
            .diagnostics
            .iter()
            .filter(|d| d.severity == severity && output.sources.path(d.span.file) == part.path)
            // Later entries may use what this one binds and imports.
            .filter(|d| d.code != codes::UNUSED_NAME && d.code != codes::UNUSED_IMPORT)
            .cloned()
            .collect();
        let about = if about.is_empty() && severity == Severity::Error {
            output.diagnostics.clone()
        } else {
            about
        };
        self.style
            .diagnostics(&about, &output.sources, &Texts::default())
    }
}

fn local(name: &str, entry: usize) -> String {
    format!("v{entry}_{name}")
}

fn part(draft: &Draft, before: usize, keep: bool) -> Part {
    Part {
        path: format!("entry {}", draft.number),
        text: draft.text.clone(),
        before,
        keep: (keep && draft.shape.value).then(|| LAST.to_owned()),
    }
}
