//! One call from source texts to a bundle: parse every module, check the program, lower it.
//!
//! Pure: texts in, bundle and diagnostics out. A bundle comes only from a program without errors.

use crate::check::{self, ParsedPackage};
use crate::diag::{Diagnostic, Severity, Sink, codes};
use crate::lower;
use crate::parser;
use crate::source::{Interner, SourceMap};
use bumpalo::Bump;
use jet_bytecode::module::Bundle;
use rustc_hash::FxHashMap;

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
}

/// What compiling gave.
#[derive(Debug)]
pub struct CompileOutput {
    /// The program, if it has no errors and was asked for.
    pub bundle: Option<Bundle>,
    /// Errors and warnings in order of position.
    pub diagnostics: Vec<Diagnostic>,
    /// All texts, for rendering.
    pub sources: SourceMap,
}

impl CompileOutput {
    /// Whether a diagnostic is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
    }
}

/// Compiles a program to a bundle.
pub fn compile(input: &ProgramInput) -> CompileOutput {
    run(input, true)
}

/// Looks for errors only.
pub fn check_only(input: &ProgramInput) -> CompileOutput {
    run(input, false)
}

fn run(input: &ProgramInput, emit: bool) -> CompileOutput {
    let arena = Bump::new();
    let mut names = Interner::new();
    let mut sources = SourceMap::new();
    let mut sink = Sink::new();
    let std_package = crate::std::package();
    let mut by_name: FxHashMap<&str, usize> = FxHashMap::default();
    let mut parsed = Vec::new();
    for (i, package) in std::iter::once(&std_package)
        .chain(&input.packages)
        .enumerate()
    {
        let mut deps = if i == 0 { Vec::new() } else { vec![0] };
        deps.extend(
            package
                .deps
                .iter()
                .filter_map(|d| by_name.get(d.as_str()).copied()),
        );
        by_name.insert(&package.name, i);
        let options = parser::Options { is_std: i == 0 };
        let mut modules = Vec::new();
        for file in &package.files {
            let id = sources.add(&file.path, &file.text);
            let module = parser::parse(&arena, id, &file.text, &options, &mut names, &mut sink);
            modules.push((file.module.clone(), module));
        }
        parsed.push(ParsedPackage {
            name: package.name.clone(),
            version: package.version.clone(),
            deps,
            is_std: i == 0,
            modules,
        });
    }
    let mut bundle = None;
    // A file that does not parse would drown its mistake in names that are missing elsewhere.
    if !sink.has_errors()
        && let Some(mut program) = check::check(&parsed, &mut names, &sources, &mut sink)
        && emit
    {
        match lower::lower(&mut program, &sources) {
            Ok(b) => bundle = Some(b),
            Err(e) => sink.push(Diagnostic::error(codes::LOWERING, e.span, e.message)),
        }
    }
    CompileOutput {
        bundle,
        diagnostics: sink.finish(),
        sources,
    }
}
