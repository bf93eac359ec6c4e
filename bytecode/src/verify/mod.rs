//! The verifier: the only way from a bundle to a program that anything may execute.
//!
//! It trusts nothing in the file. Order: [`structure`] (each package by itself: indices, counts,
//! canonical order), [`link`] (one set of tables), [`formation`] (what second-class types may stand in),
//! [`authority`] (implementation records, entry), then each function once: [`frame`] (signature and registers),
//! [`flow`] (control flow, assignment, error edges), [`types`] and [`calls`] (operands).
//!
//! What must stay true: every check is linear in the module, metered, total (no panic on any bundle;
//! maps with keys from the file hash with a secret seed, so that nobody can make them collide);
//! later stages assume nothing that is not checked here; each refusal names its [`Rule`].

mod authority;
mod calls;
mod facts;
mod flow;
mod formation;
mod frame;
mod link;
mod parallel;
mod receivers;
mod rules;
mod structure;
mod types;

use crate::format::Decoded;
use crate::linked::{FnId, Program, TypeId};
use crate::module::Bundle;
use std::collections::HashSet;

#[cfg(feature = "rule-switches")]
pub use rules::watch;
pub use rules::{RULES, Rule};

/// Limits of verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyLimits {
    /// Units of work; about one a table entry, instruction and operand.
    pub work: u64,
    /// Most words of one function.
    pub code_words: usize,
    /// Most registers of one function.
    pub registers: usize,
    /// Threads that check functions of a large module; 0: one for each processor. The answer is the same.
    pub threads: usize,
}

impl Default for VerifyLimits {
    fn default() -> Self {
        VerifyLimits {
            work: 500_000_000,
            code_words: crate::builder::MAX_CODE_WORDS,
            registers: crate::builder::MAX_REGS,
            threads: 0,
        }
    }
}

/// Why a bundle was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    /// The rule that it breaks.
    pub rule: Rule,
    /// Package, if the fault is in one.
    pub package: Option<String>,
    /// Function, if the fault is in one.
    pub function: Option<String>,
    /// Place in the function's code.
    pub pc: Option<u32>,
    /// What exactly is wrong. Names come from the file, with unprintable characters escaped.
    pub message: String,
    /// The check in the verifier's source, by which tests tell what they reach.
    pub site: &'static std::panic::Location<'static>,
}

impl std::fmt::Display for VerifyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused by rule `{}`", self.rule.name())?;
        if let Some(p) = &self.package {
            write!(f, " in package `{}`", p.escape_debug())?;
        }
        if let Some(n) = &self.function {
            write!(f, ", function `{}`", n.escape_debug())?;
        }
        if let Some(pc) = self.pc {
            write!(f, " at {pc}")?;
        }
        write!(f, ": {} ({})", self.message, self.rule.sentence())
    }
}

impl std::error::Error for VerifyError {}

type Result<T> = std::result::Result<T, VerifyError>;

/// An error without its place, which an outer stage adds.
#[track_caller]
fn refuse<T>(rule: Rule, message: impl Into<String>) -> Result<T> {
    Err(error(rule, message))
}

#[track_caller]
fn error(rule: Rule, message: impl Into<String>) -> VerifyError {
    VerifyError {
        rule,
        package: None,
        function: None,
        pc: None,
        message: message.into(),
        site: std::panic::Location::caller(),
    }
}

/// Refuses unless the condition holds (or the rule is switched off, which only tests can do).
#[inline]
#[track_caller]
fn ensure(ok: bool, rule: Rule, message: impl FnOnce() -> String) -> Result<()> {
    if ok || !rules::broken(rule) {
        Ok(())
    } else {
        refuse(rule, message())
    }
}

/// Drops an error of a rule that is switched off, which only tests can do.
fn in_force<T: Default>(result: Result<T>) -> Result<T> {
    match result {
        Err(e) if !rules::broken(e.rule) => Ok(T::default()),
        other => other,
    }
}

impl VerifyError {
    fn in_package(mut self, name: &str) -> Self {
        self.package.get_or_insert_with(|| name.to_owned());
        self
    }

    fn in_function(mut self, name: &str) -> Self {
        self.function.get_or_insert_with(|| name.to_owned());
        self
    }

    fn at(mut self, pc: u32) -> Self {
        self.pc.get_or_insert(pc);
        self
    }
}

/// Counts work against the limit.
struct Meter {
    left: u64,
}

impl Meter {
    fn spend(&mut self, units: usize) -> Result<()> {
        match self.left.checked_sub(units as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => refuse(Rule::Work, "verification work limit reached"),
        }
    }
}

/// A program that the verifier of this process passed. Nothing else is executed.
#[derive(Clone, Debug)]
pub struct VerifiedProgram(Program);

impl VerifiedProgram {
    /// The program.
    pub fn program(&self) -> &Program {
        &self.0
    }

    /// Gives up the proof and takes the program.
    pub fn into_program(self) -> Program {
        self.0
    }
}

impl std::ops::Deref for VerifiedProgram {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.0
    }
}

/// Functions that an implementation record names, with the type that they may take as receiver.
type Receivers = HashSet<(TypeId, FnId)>;

fn receivers(prog: &Program) -> Receivers {
    let mut out = Receivers::default();
    for record in &prog.impls {
        let ty = prog.nominal(record.ty).map(|n| n.ty);
        out.extend(record.methods.iter().filter_map(|m| Some((ty?, *m))));
    }
    out
}

/// Verifies and links a bundle under the default limits.
pub fn verify(bundle: Bundle) -> Result<VerifiedProgram> {
    verify_with(bundle, VerifyLimits::default())
}

/// Verifies and links a bundle that was read from bytes, under the default limits.
pub fn verify_decoded(decoded: Decoded) -> Result<VerifiedProgram> {
    verify_decoded_with(decoded, VerifyLimits::default())
}

/// Verifies and links a bundle that was read from bytes.
pub fn verify_decoded_with(decoded: Decoded, limits: VerifyLimits) -> Result<VerifiedProgram> {
    let (bundle, hashes) = decoded.into_parts();
    run(bundle, Some(&hashes), limits)
}

/// Verifies and links a bundle.
pub fn verify_with(bundle: Bundle, limits: VerifyLimits) -> Result<VerifiedProgram> {
    run(bundle, None, limits)
}

/// `hashes`: the content hashes of the packages, if they are known.
fn run(
    mut bundle: Bundle,
    hashes: Option<&[[u8; 32]]>,
    limits: VerifyLimits,
) -> Result<VerifiedProgram> {
    let mut meter = Meter { left: limits.work };
    for package in &bundle.packages {
        structure::check(package, &limits, &mut meter).map_err(|e| e.in_package(&package.name))?;
    }
    let mut prog = link::link(&bundle, hashes, &mut meter)?;
    link::move_functions(&mut bundle, &mut prog);
    formation::check(&prog, &mut meter)?;
    authority::check_impls(&mut prog, &bundle, &mut meter)?;
    authority::check_entry(&mut prog, &bundle)?;
    let receivers = receivers(&prog);
    let openings = receivers::openings(&prog, &mut meter)?;
    let tables = parallel::Tables {
        prog: &prog,
        receivers: &receivers,
        openings: &openings,
    };
    parallel::check(&tables, limits.threads, &mut meter)?;
    Ok(VerifiedProgram(prog))
}
