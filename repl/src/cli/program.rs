//! From the FILE of a command line to a verified module, with everything said on the way.

use std::path::Path;

use jet_bytecode::linked::Program;
use jet_frontend::driver::{CompileOutput, Named};

use super::{BUG, FAILED, REFUSED, not_loaded, report_bug, say};
use crate::engine::{Module, Refusal, Verified};
use crate::render::Style;
use crate::sources::{self, Ceiling, Input, Texts};

/// A program that may be run.
pub(super) struct Loaded {
    /// Verified.
    pub module: Verified,
    /// The bundle that it was verified from.
    pub bytes: Vec<u8>,
    /// Its sources, if it was not a bundle.
    pub texts: Option<Texts>,
    /// What the compiler made of them.
    pub output: Option<CompileOutput>,
}

/// Loads, compiles and verifies; or says what is wrong and gives the exit code.
pub(super) fn load(path: &Path, style: Style) -> Result<Loaded, u8> {
    let input = sources::load(path).map_err(|error| not_loaded(&error, style))?;
    match input {
        Input::Bundle(bytes) => match Verified::from_bytes(&bytes) {
            Ok(module) => Ok(Loaded {
                module,
                bytes,
                texts: None,
                output: None,
            }),
            Err(why) => {
                say(&not_verified(style, path, &why));
                Err(REFUSED)
            }
        },
        Input::Texts(texts) => compile(texts, style),
    }
}

fn compile(texts: Texts, style: Style) -> Result<Loaded, u8> {
    let output = jet_frontend::driver::compile(&texts.program);
    let (module, bytes) = verified(&output, &texts, style)?;
    Ok(Loaded {
        module,
        bytes,
        texts: Some(texts),
        output: Some(output),
    })
}

/// What was compiled, as bytes and as the module that they verify to; or says what is wrong.
pub(super) fn verified(
    output: &CompileOutput,
    texts: &Texts,
    style: Style,
) -> Result<(Verified, Vec<u8>), u8> {
    say(&style.diagnostics(&output.diagnostics, &output.sources, texts));
    if output.has_errors() {
        return Err(FAILED);
    }
    let Some(bytes) = output.bytes() else {
        report_bug("the compiler gave neither a program nor an error");
        return Err(BUG);
    };
    let bytes = bytes.map_err(|why| {
        say(&style.plain(
            sources::TOO_LARGE,
            &format!("the program cannot be written as a bundle: {why}"),
            None,
            &[],
        ));
        FAILED
    })?;
    let module = Verified::from_bytes(&bytes).map_err(|why| refused_own(&why))?;
    let over: Vec<String> = texts
        .ceilings
        .iter()
        .flat_map(|ceiling| over_ceiling(module.program(), &output.named, ceiling))
        .collect();
    for message in &over {
        say(&style.plain(sources::BAD_PACKAGE, message, None, &[]));
    }
    if over.is_empty() {
        Ok((module, bytes))
    } else {
        Err(FAILED)
    }
}

/// A program of our own that was refused.
fn refused_own(why: &Refusal) -> u8 {
    report_bug(&format!(
        "the verifier refused what the compiler wrote: {}",
        why.text()
    ));
    BUG
}

/// What was compiled, ready to run: with the monitor, if that was asked for.
pub(super) fn loaded(module: Verified, monitor: bool) -> Result<Module, u8> {
    let mut module = module.load_for(false).map_err(|why| refused_own(&why))?;
    if monitor && !module.observe() {
        report_bug("the monitor came too late");
        return Err(BUG);
    }
    Ok(module)
}

impl Loaded {
    /// Makes the program of a file ready to run, with a compiler of machine code or without.
    pub(super) fn ready(
        self,
        path: &Path,
        style: Style,
        compiler: bool,
    ) -> Result<(Module, Option<Texts>), u8> {
        // What runs has more use for the memory.
        drop(self.output);
        match (self.module.load_for(compiler), self.texts) {
            (Ok(module), texts) => Ok((module, texts)),
            (Err(why), Some(_)) => Err(refused_own(&why)),
            (Err(why), None) => {
                say(&not_verified(style, path, &why));
                Err(REFUSED)
            }
        }
    }
}

/// What a dependency names beyond what its dependent's manifest allows: in a declaration, whether or not it became code
/// and whose package's code it became, or in its part of the bundle.
fn over_ceiling(program: &Program, named: &[Named], ceiling: &Ceiling) -> Vec<String> {
    let declared = named
        .iter()
        .filter(|n| n.package == ceiling.dependency)
        .map(|n| (n.capability.clone(), Some(n.by.clone())));
    let in_bundle = program
        .packages
        .iter()
        .filter(|package| package.name == ceiling.dependency)
        .flat_map(|package| &package.caps)
        .filter_map(|id| program.cap(*id))
        .filter(|cap| program.package_name(cap.package) == "std")
        .map(|cap| (cap.name.clone(), None));
    let mut seen: Vec<String> = ceiling.allow.clone();
    let mut out = Vec::new();
    for (cap, by) in declared.chain(in_bundle) {
        if seen.contains(&cap) {
            continue;
        }
        let by = by.map_or_else(String::new, |by| format!(" in {by}"));
        let Ceiling {
            dependent,
            dependency,
            ..
        } = ceiling;
        out.push(match &ceiling.implements {
            Some(interface) => format!(
                "`{dependency}`, which implements `{interface}` for `{dependent}`, names `{cap}`{by}: it may name what `{dependent}` allows `{interface}`"
            ),
            None => format!(
                "dependency `{dependency}` of `{dependent}` names `{cap}`{by}: allow it in `jet.toml` with `{dependency} = {{ path = …, allow = [\"{cap}\"] }}`"
            ),
        });
        seen.push(cap);
    }
    out
}

/// The message for a bundle that is not to be run.
pub(super) fn not_verified(style: Style, path: &Path, why: &Refusal) -> String {
    style.plain(
        "refused",
        &format!("`{}` is not run: {}", path.display(), why.text()),
        None,
        &[],
    )
}
