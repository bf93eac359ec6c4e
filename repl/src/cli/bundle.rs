//! What is done with bundles: `build`, `verify`, `disasm`, `asm`, `inspect`, `key`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jet_bytecode::format::signature;
use jet_bytecode::{asm, disasm as text, format};

use super::program;
use super::{FAILED, OK, REFUSED, USAGE, not_loaded, say, show};
use crate::audit;
use crate::engine::{Refusal, Verified};
use crate::inspect as inspection;
use crate::keys;
use crate::render::Style;
use crate::trap_text::Lines;

/// `build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// FILE.jet or a folder with `main.jet` or `jet.toml`; with `--sign` also FILE.jbc.
    #[arg(value_name = "FILE|DIR")]
    pub input: PathBuf,
    /// The bundle to write [default: NAME.jbc].
    #[arg(short, long, value_name = "OUT.jbc")]
    pub output: Option<PathBuf>,
    /// Signs the bundle with the secret key of a file.
    #[arg(long, value_name = "KEY")]
    pub sign: Vec<PathBuf>,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// FILE.jbc.
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Asks for a signature by this public key, or by one of a file of them.
    #[arg(long, value_name = "PUB")]
    pub key: Option<PathBuf>,
}

/// `disasm`.
#[derive(Debug, Args)]
pub struct DisasmArgs {
    /// FILE.jet, a folder with `main.jet` or `jet.toml`, or FILE.jbc.
    #[arg(value_name = "FILE|DIR")]
    pub input: PathBuf,
    /// Writes all of the bundle, as `jetvm asm` reads it.
    #[arg(long)]
    pub full: bool,
}

/// `asm`.
#[derive(Debug, Args)]
pub struct AsmArgs {
    /// FILE.jasm.
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// The bundle to write, valid or not [default: FILE.jbc].
    #[arg(short, long, value_name = "OUT.jbc")]
    pub output: Option<PathBuf>,
}

/// `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// FILE.jbc.
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Writes JSON.
    #[arg(long)]
    pub json: bool,
}

/// `key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// Subcommands of `key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Makes a key: the secret in FILE, the public key in FILE.pub.
    New {
        /// The file of the secret key; it must not exist.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

fn fail(style: Style, code: u8, message: &str) -> u8 {
    say(&style.plain("", message, None, &[]));
    code
}

fn write(style: Style, output: &Path, bytes: &[u8]) -> u8 {
    match std::fs::write(output, bytes) {
        Ok(()) => OK,
        Err(error) => {
            let message = format!("cannot write `{}`: {error}", output.display());
            fail(style, FAILED, &message)
        }
    }
}

/// The bytes of a bundle, or what is said and the exit code.
fn read(input: &Path, style: Style) -> Result<Vec<u8>, u8> {
    crate::sources::read_bundle(input).map_err(|error| match not_loaded(&error, style) {
        FAILED => REFUSED,
        code => code,
    })
}

fn not_a_bundle(style: Style, input: &Path, why: format::FormatError) -> u8 {
    say(&program::not_verified(style, input, &Refusal::Format(why)));
    REFUSED
}

pub(super) fn build(args: &BuildArgs, style: Style) -> u8 {
    let loaded = match program::load(&args.input, style) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    if loaded.texts.is_none() && args.sign.is_empty() {
        let message = format!("`{}` is a bundle already", args.input.display());
        return fail(style, USAGE, &message);
    }
    let output = match (&args.output, &loaded.texts) {
        (Some(output), _) => output.clone(),
        (None, Some(texts)) => PathBuf::from(format!("{}.jbc", texts.name())),
        (None, None) => args.input.clone(),
    };
    let mut bytes = loaded.bytes;
    for file in &args.sign {
        let key = match keys::read_secret(file) {
            Ok(key) => key,
            Err(why) => return fail(style, USAGE, &why),
        };
        bytes = match signature::sign(&bytes, &key) {
            Ok(bytes) => bytes,
            Err(why) => return fail(style, FAILED, &why.to_string()),
        };
    }
    let code = write(style, &output, &bytes);
    // The process ends here: the system frees all at once what would be freed piece by piece.
    std::mem::forget((loaded.module, loaded.texts, loaded.output));
    code
}

pub(super) fn verify(args: &VerifyArgs, style: Style) -> u8 {
    let bytes = match read(&args.input, style) {
        Ok(bytes) => bytes,
        Err(code) => return code,
    };
    let module = match Verified::from_bytes(&bytes) {
        Ok(module) => module,
        Err(why) => {
            say(&program::not_verified(style, &args.input, &why));
            return REFUSED;
        }
    };
    if let Some(wanted) = &args.key {
        let trusted = match wanted.to_str().and_then(keys::public) {
            Some(key) => Ok(vec![key]),
            None => keys::read_public(wanted),
        };
        let trusted = match trusted {
            Ok(trusted) => trusted,
            Err(why) => return fail(style, USAGE, &why),
        };
        if let Err(why) = keys::signed_by(&bytes, &trusted) {
            let message = format!("`{}`: {why}", args.input.display());
            say(&style.plain("refused", &message, None, &[]));
            return REFUSED;
        }
    }
    let program = module.program();
    let mut text = format!(
        "ok: {} packages, {} functions, hash {}\n",
        program.packages.len(),
        program.functions.len(),
        audit::hex(&module.hash())
    );
    for key in signature::signers(&bytes).unwrap_or_default() {
        text.push_str(&format!("signed by {}\n", keys::text(key)));
    }
    show(&text)
}

/// A bundle need not verify to be looked at: its text says why it does not.
pub(super) fn disasm(args: &DisasmArgs, style: Style) -> u8 {
    let input = &args.input;
    let (bytes, texts) = match crate::sources::read_bundle(input) {
        Ok(bytes) if format::is_bundle(&bytes) => (bytes, None),
        _ => match program::load(input, style) {
            Ok(loaded) => (loaded.bytes, loaded.texts),
            Err(code) => return code,
        },
    };
    let lines = Lines::new(texts.as_ref());
    match format::decode(&bytes) {
        Ok(bundle) if args.full => show(&asm::text(&bundle)),
        Ok(bundle) => show(&text::disassemble_with(&bundle, &|file, line| {
            lines.text(file, line)
        })),
        Err(why) => not_a_bundle(style, input, why),
    }
}

pub(super) fn asm(args: &AsmArgs, style: Style) -> u8 {
    let shown = args.input.display();
    let source = match std::fs::read_to_string(&args.input) {
        Ok(source) => source,
        Err(why) => return fail(style, USAGE, &format!("cannot read `{shown}`: {why}")),
    };
    let bundle = match asm::assemble(&source) {
        Ok(assembly) => assembly.bundle,
        Err(why) => return fail(style, FAILED, &format!("{shown}:{why}")),
    };
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| args.input.with_extension("jbc"));
    match format::encode(&bundle) {
        Ok(bytes) => write(style, &output, &bytes),
        Err(why) => fail(style, FAILED, &format!("{shown}: {why}")),
    }
}

pub(super) fn inspect(args: &InspectArgs, style: Style) -> u8 {
    let bytes = match read(&args.input, style) {
        Ok(bytes) => bytes,
        Err(code) => return code,
    };
    let seen = match inspection::inspect(&bytes) {
        Ok(seen) => seen,
        Err(why) => return not_a_bundle(style, &args.input, why),
    };
    let code = match args.json {
        true => show(&format!("{}\n", seen.json())),
        false => show(&seen.text()),
    };
    if code == OK && !seen.verified() {
        return REFUSED;
    }
    code
}

pub(super) fn key(args: &KeyArgs, style: Style) -> u8 {
    let KeyCommand::New { file } = &args.command;
    match keys::create(file) {
        Ok((key, public)) => show(&format!(
            "{}\nsecret key in {}, public key in {}\n",
            keys::text(key),
            file.display(),
            public.display()
        )),
        Err(why) => fail(style, FAILED, &why),
    }
}
