//! One call from source texts to a bundle: parse every module, check the program, lower it.
//!
//! Pure: texts in, bundle and diagnostics out. A bundle comes only from a program without errors.

use crate::ast;
use crate::ceiling;
use crate::check::{self, ParsedPackage};
use crate::derived_json::Derived;
use crate::diag::{Diagnostic, Severity, Sink};
use crate::lower;
use crate::parser;
use crate::source::{FileId, Interner, SourceMap};
use crate::std;
use crate::testing::{self, TestInfo};
use crate::thir::Program;
use crate::unique::Names;
use bumpalo::Bump;
use jet_bytecode::format::{EncodedPackage, FormatError, assemble, content_hash};
use jet_bytecode::module::{Bundle, Input};
use rustc_hash::{FxHashMap, FxHashSet};

/// A source file of a package.
#[derive(Clone, Debug)]
pub struct SourceInput {
    /// Path as messages show it.
    pub path: String,
    /// Dotted module name within the package.
    pub module: String,
    /// Whole text.
    pub text: String,
}

/// A package to compile.
#[derive(Clone, Debug)]
pub struct PackageInput {
    /// Name, unique in the program.
    pub name: String,
    /// Version text.
    pub version: String,
    /// Names of the packages that it depends on (`std` is added to each).
    pub deps: Vec<String>,
    /// Its modules.
    pub files: Vec<SourceInput>,
}

/// A program: packages in dependency order, the root last, without std.
#[derive(Clone, Debug, Default)]
pub struct ProgramInput {
    /// The packages.
    pub packages: Vec<PackageInput>,
    /// Which packages implement the deferred functions of which others.
    pub implementations: Vec<Implementation>,
}

/// A package that implements the deferred functions of an interface package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Implementation {
    /// Name of the interface package.
    pub interface: String,
    /// Name of the package that implements it.
    pub package: String,
}

/// A standard capability that a declaration of a package names: whatever of it becomes code, the package may have
/// this authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The package.
    pub package: String,
    /// The capability.
    pub capability: String,
    /// The declaration, with its place.
    pub by: String,
}

/// What compiling gave.
#[derive(Debug)]
pub struct CompileOutput {
    /// The program, if it has no errors and was asked for.
    pub bundle: Option<Bundle>,
    /// Its packages as they are written.
    pub encoded: Vec<EncodedPackage>,
    /// The standard capabilities that each package's declarations name, each once, with the first that does.
    pub named: Vec<Named>,
    /// Errors and warnings in order of position.
    pub diagnostics: Vec<Diagnostic>,
    /// All texts, for rendering.
    pub sources: SourceMap,
    /// The typed program. Kept only so that its owner decides when to free it, which takes a while: a process that is
    /// about to end need not.
    pub leftover: Option<Box<Program>>,
}

impl CompileOutput {
    /// The program's bytes, if it has no errors and was asked for.
    pub fn bytes(&self) -> Option<Result<Vec<u8>, FormatError>> {
        self.bundle.as_ref().map(|_| assemble(&self.encoded))
    }

    /// Whether a diagnostic is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
    }
}

/// A program whose entry point runs one of its tests.
#[derive(Debug)]
pub struct TestOutput {
    /// The bundle and the diagnostics.
    pub output: CompileOutput,
    /// The tests; the entry point takes the index of one as its only argument.
    pub tests: Vec<TestInfo>,
}

/// Compiles a program to a bundle.
pub fn compile(input: &ProgramInput) -> CompileOutput {
    run(input, Goal::Bundle, &mut ()).output
}

/// Looks for errors only.
pub fn check_only(input: &ProgramInput) -> CompileOutput {
    run(input, Goal::Check, &mut ()).output
}

/// Compiles the `test` blocks of the root package and the examples in its documentation.
pub fn compile_tests(input: &ProgramInput) -> TestOutput {
    run(input, Goal::Tests, &mut ())
}

/// The examples in the standard library's documentation, as a program with tests.
pub fn std_examples() -> ProgramInput {
    let std = crate::std::package();
    let files = std.files.iter().flat_map(testing::examples);
    let mut files: Vec<SourceInput> = files.map(|e| e.source).collect();
    for f in &mut files {
        // Nothing is opened: they see what every program sees.
        f.module = format!("std.{}", f.module);
    }
    ProgramInput {
        implementations: Vec::new(),
        packages: vec![PackageInput {
            name: "examples".to_string(),
            version: std.version,
            deps: Vec::new(),
            files,
        }],
    }
}

/// What a compilation is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    Check,
    Bundle,
    Tests,
}

/// What takes part in a compilation between its stages.
pub(crate) trait Hook {
    /// A module of the program has been parsed.
    fn parsed<'a>(&mut self, _: &SourceInput, _: &mut ast::Module<'a>, _: HookCx<'a, '_>) {}

    /// Whether `dbg` may stand everywhere.
    fn debugs(&self) -> bool {
        false
    }

    /// The program has been checked.
    fn checked(&mut self, _program: &Program) {}
}

impl Hook for () {}

/// What a [`Hook`] may use.
pub(crate) struct HookCx<'a, 'x> {
    pub arena: &'a Bump,
    pub names: &'x mut Interner,
    pub sources: &'x mut SourceMap,
    pub sink: &'x mut Sink,
}

/// Parses files and what the compiler writes for them.
struct Parser<'a> {
    arena: &'a Bump,
    names: Interner,
    sources: SourceMap,
    sink: Sink,
    derived: FxHashMap<FileId, Derived>,
}

impl<'a> Parser<'a> {
    fn file(
        &mut self,
        file: &SourceInput,
        is_std: bool,
        hook: &mut impl Hook,
    ) -> Vec<(String, ast::Module<'a>)> {
        let options = parser::Options { is_std };
        let id = self.sources.add(&file.path, &file.text);
        let (names, sink) = (&mut self.names, &mut self.sink);
        let mut module = parser::parse(self.arena, id, &file.text, &options, names, sink);
        let cx = HookCx {
            arena: self.arena,
            names,
            sources: &mut self.sources,
            sink,
        };
        hook.parsed(file, &mut module, cx);
        let (names, sink) = (&mut self.names, &mut self.sink);
        let mut out = vec![(file.module.clone(), module)];
        if let Some(derived) = Derived::of(&module, &file.text, names) {
            let path = format!("{} (derive Json)", file.path);
            let id = self.sources.add(path, &derived.text);
            let module = parser::parse(self.arena, id, &derived.text, &options, names, sink);
            // An example opens the module that it belongs to, and so does what is derived in it.
            out.push((format!("{}#json", file.module), module));
            self.derived.insert(id, derived);
        }
        out
    }

    /// Modules of the standard library that a module imports.
    fn std_imports(&self, module: &ast::Module<'_>, out: &mut Vec<String>) {
        for item in module.items {
            let path = match item.kind {
                ast::ItemKind::Import(i) => i.path,
                ast::ItemKind::FromImport(i) => i.path,
                _ => continue,
            };
            if let [first, rest @ ..] = path.segments
                && self.names.name(first.name) == std::STD
            {
                let rest: Vec<&str> = rest.iter().map(|s| self.names.name(s.name)).collect();
                out.push(rest.join("."));
            }
        }
    }

    /// Diagnostics in order; those of derived text are told where it was asked for.
    fn finish(self) -> (Vec<Diagnostic>, SourceMap) {
        let mut told = FxHashSet::default();
        let mut out: Vec<Diagnostic> = self
            .sink
            .finish()
            .into_iter()
            .filter_map(|d| match self.derived.get(&d.span.file) {
                Some(derived) => derived.retell(&d, &mut told),
                None => Some(d),
            })
            .collect();
        for d in &mut out {
            d.notes
                .retain(|(s, _)| s.is_none_or(|s| !self.derived.contains_key(&s.file)));
        }
        out.sort_by_key(|d| (d.span, d.severity));
        (out, self.sources)
    }
}

pub(crate) fn run(input: &ProgramInput, goal: Goal, hook: &mut impl Hook) -> TestOutput {
    let arena = Bump::new();
    let mut p = Parser {
        arena: &arena,
        names: Interner::new(),
        sources: SourceMap::new(),
        sink: Sink::new(),
        derived: FxHashMap::default(),
    };
    let std_package = std::package();
    let mut by_name: FxHashMap<&str, usize> = FxHashMap::default();
    let mut parsed = Vec::new();
    by_name.insert(&std_package.name, 0);
    let mut std_modules = Vec::new();
    let is_prelude = |m: &str| std::PRELUDE_MODULES.contains(&m);
    for file in std_package.files.iter().filter(|f| is_prelude(&f.module)) {
        std_modules.extend(p.file(file, true, &mut ()));
    }
    parsed.push(ParsedPackage {
        name: std_package.name.clone(),
        version: std_package.version.clone(),
        deps: Vec::new(),
        is_std: true,
        modules: std_modules,
    });
    for (i, package) in (1..).zip(&input.packages) {
        let mut deps = vec![0];
        deps.extend(
            package
                .deps
                .iter()
                .filter_map(|d| by_name.get(d.as_str()).copied()),
        );
        by_name.insert(&package.name, i);
        let mut modules = Vec::new();
        for file in &package.files {
            modules.extend(p.file(file, false, hook));
        }
        if goal == Goal::Tests && i == input.packages.len() {
            for example in package.files.iter().flat_map(testing::examples) {
                modules.extend(p.file(&example.source, false, hook));
            }
        }
        parsed.push(ParsedPackage {
            name: package.name.clone(),
            version: package.version.clone(),
            deps,
            is_std: false,
            modules,
        });
    }
    load_std(&mut p, &std_package, &mut parsed);
    let links: Vec<(usize, usize)> = input
        .implementations
        .iter()
        .filter_map(|l| {
            let index = |name: &str| by_name.get(name).copied();
            Some((index(&l.interface)?, index(&l.package)?))
        })
        .collect();
    let mut bundle = None;
    let mut encoded = Vec::new();
    let mut tests = Vec::new();
    let mut named = Vec::new();
    let mut leftover = None;
    // A file that does not parse would drown its mistake in names that are missing elsewhere.
    if !p.sink.has_errors()
        && let Some(mut program) = check::check(
            &parsed,
            &links,
            &mut p.names,
            &p.sources,
            &mut p.sink,
            check::Purpose {
                tests: goal == Goal::Tests,
                debugs: hook.debugs() || goal == Goal::Tests,
            },
        )
        && {
            hook.checked(&program);
            goal != Goal::Check
        }
    {
        if goal == Goal::Tests {
            tests = testing::enter(&mut program, &p.sources);
        }
        named = ceiling::named_capabilities(&program, &p.sources);
        let inputs = inputs(input, &std_package, &parsed);
        match lower::lower(&mut program, &p.sources, inputs) {
            Ok(l) => (bundle, encoded) = (Some(l.bundle), l.encoded),
            Err(e) => p.sink.push(Diagnostic::error(e.code, e.span, e.message)),
        }
        leftover = Some(Box::new(program));
    }
    let (diagnostics, sources) = p.finish();
    TestOutput {
        output: CompileOutput {
            bundle,
            encoded,
            named,
            diagnostics,
            sources,
            leftover,
        },
        tests,
    }
}

/// The source files of each package, as far as they were read, with their hashes.
fn inputs(
    input: &ProgramInput,
    std_package: &PackageInput,
    parsed: &[ParsedPackage<'_>],
) -> Vec<Vec<Input>> {
    let all = |files: &mut dyn Iterator<Item = &SourceInput>| -> Vec<Input> {
        // The examples of one page are files of one path.
        let mut names = Names::default();
        let of = |file: &SourceInput| Input {
            name: names.unique(file.path.clone()),
            hash: content_hash(file.text.as_bytes()),
        };
        files.map(of).collect()
    };
    let used: FxHashSet<&str> = parsed
        .first()
        .map(|std| std.modules.iter().map(|(name, _)| name.as_str()).collect())
        .unwrap_or_default();
    let std_files = std_package.files.iter();
    let mut std_files = std_files.filter(|f| used.contains(f.module.as_str()));
    let rest = input.packages.iter().map(|p| all(&mut p.files.iter()));
    ::std::iter::once(all(&mut std_files)).chain(rest).collect()
}

/// Adds the modules of the standard library that something imports.
fn load_std<'a>(p: &mut Parser<'a>, package: &PackageInput, parsed: &mut [ParsedPackage<'a>]) {
    let mut wanted = Vec::new();
    for (_, module) in parsed.iter().flat_map(|p| &p.modules) {
        p.std_imports(module, &mut wanted);
    }
    let mut loaded: FxHashSet<String> = FxHashSet::default();
    while let Some(name) = wanted.pop() {
        let file = package.files.iter().find(|f| f.module == name);
        let prelude = std::PRELUDE_MODULES.contains(&name.as_str());
        let Some(file) = file.filter(|_| !prelude && loaded.insert(name.clone())) else {
            continue;
        };
        for (name, module) in p.file(file, true, &mut ()) {
            p.std_imports(&module, &mut wanted);
            if let Some(std) = parsed.first_mut() {
                std.modules.push((name, module));
            }
        }
    }
    if let Some(std) = parsed.first_mut() {
        // The order of the table, whoever asked first.
        let place = |m: &str| std::MODULES.iter().position(|(n, _)| *n == m);
        std.modules.sort_by_key(|(name, _)| place(name));
    }
}
