//! A function's signature, captures and registers.
//!
//! What must stay true: the leading registers are what a call fills; an environment and an attenuator
//! receiver stand only where the code that made them knows them.

use super::formation::{self, spell};
use super::{Meter, Result, Rule, ensure};
use crate::linked::*;
use crate::module::FnKind;

pub(super) fn check(
    prog: &Program,
    id: FnId,
    f: &LFunction,
    receivers: &super::Receivers,
    meter: &mut Meter,
) -> Result<()> {
    meter.spend(f.regs.len() + f.captures.len())?;
    let named = f.kind == FnKind::Named;
    // An attenuator may be the first parameter of what its records name; the rest is as anywhere.
    let mut sig = f.sig.clone();
    if let Some(first) = sig.params.first().copied()
        && prog.kind(first) == Kind::Att
    {
        ensure(
            named && receivers.contains(&(first, id)),
            Rule::AttenuatorParameter,
            || format!("receiver {}", spell(prog, first)),
        )?;
        sig.params.remove(0);
    }
    let second = sig.params.iter().find(|t| prog.kind(**t) == Kind::Att);
    ensure(second.is_none(), Rule::AttenuatorParameter, || {
        let name = second.map(|t| spell(prog, *t));
        format!("parameter {}", name.unwrap_or_default())
    })?;
    formation::signature(prog, &sig, meter)?;

    let entry = f.entry_regs();
    let cap = |c: &CapId| prog.cap(*c).map(|c| c.ty);
    let env = (!named).then(|| prog.find_type(&LType::Env));
    let filled = env
        .into_iter()
        .chain(f.sig.uses.iter().map(cap))
        .chain(f.sig.params.iter().map(|t| Some(*t)));
    let fits = entry <= f.regs.len() && filled.zip(&f.regs).all(|(want, have)| want == Some(*have));
    ensure(fits, Rule::Registers, || {
        format!("{entry} leading registers")
    })?;
    let skip = usize::from(!named);
    for (i, ty) in f.regs.iter().enumerate().skip(skip) {
        ensure(*prog.ty(*ty) != LType::Env, Rule::Environment, || {
            format!("register {i}")
        })?;
    }
    let captures_ok =
        (!named || f.captures.is_empty()) && f.captures.iter().all(|t| *prog.ty(*t) != LType::Env);
    ensure(captures_ok, Rule::Environment, || String::from("captures"))?;
    let fits = crate::layout::record(prog, f.captures.iter().copied()).is_some();
    ensure(fits, Rule::RecordSize, || String::from("captures"))
}
