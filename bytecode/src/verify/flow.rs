//! Control flow and definite assignment of one function.
//!
//! One pass in code order: at a jump target the declared join is what is initialised, and each way there
//! must have initialised it. What must stay true: a call's result counts on the value edge only, the
//! register of `on_error` on the error edge only; sets are fixed-size bit rows, so the pass is
//! linear in code length times a constant bounded by the register limit.

use super::facts::Facts;
use super::receivers::Openings;
use super::types::Operands;
use super::{Meter, Result, Rule, ensure, error, in_force, refuse};
use crate::analysis::decode::{DecodeError, Instr, instrs};
use crate::analysis::liveness::RegSet;
use crate::linked::*;
use crate::opcodes::Lane;
use crate::opcodes::Op;

pub(super) fn check(
    prog: &Program,
    f: &LFunction,
    openings: &Openings,
    facts: &Facts<'_>,
    meter: &mut Meter,
) -> Result<()> {
    // An instruction is a word at least, and most are one.
    let mut list = Vec::with_capacity(f.code.len());
    for item in instrs(&f.code) {
        match item {
            Ok(instr) => list.push(instr),
            Err(e) => {
                let pc = list.last().map_or(0, Instr::next_pc);
                let why = match e {
                    DecodeError::Opcode(n) => format!("opcode {n}"),
                    _ => String::from("extension words are missing"),
                };
                in_force::<()>(Err(error(Rule::Decode, why).at(pc)))?;
            }
        }
    }
    let flow = Flow {
        prog,
        f,
        facts,
        list,
    };
    meter.spend(f.code.len() * 2)?;
    for instr in &flow.list {
        flow.shape(instr).map_err(|e| e.at(instr.pc))?;
    }
    in_force(flow.targets(meter))?;
    in_force(flow.reachable())?;
    flow.one_definition()?;
    in_force(flow.assignment(openings, meter))
}

struct Flow<'a> {
    prog: &'a Program,
    f: &'a LFunction,
    facts: &'a Facts<'a>,
    list: Vec<Instr>,
}

impl Flow<'_> {
    /// Lanes in canonical form, registers declared.
    fn shape(&self, instr: &Instr) -> Result<()> {
        let register = |r: u16| {
            let ok = self.f.reg_type(r).is_some_and(|t| !self.facts.is_env(t));
            ensure(ok, Rule::RegisterIndex, || format!("register {r}"))
        };
        for (lane, value) in instr.operands() {
            match lane {
                Lane::Unused => {
                    ensure(value == 0, Rule::Operand, || format!("unused lane {value}"))?;
                }
                Lane::Write(_) | Lane::Read(_) => register(value)?,
                _ => {}
            }
        }
        if instr.len == 1 {
            return Ok(());
        }
        instr.args(&self.f.code).try_for_each(register)?;
        ensure(
            instr.padding(&self.f.code).all(|v| v == 0),
            Rule::Operand,
            || String::from("unused extension lanes"),
        )
    }

    /// All jumps lead to instructions, and joins are exactly where they lead.
    fn targets(&self, meter: &mut Meter) -> Result<()> {
        let len = self.f.code.len();
        // What is at each word: 0 no instruction, 1 instruction, 2 one that is jumped to.
        let mut at = vec![0u8; len];
        for instr in &self.list {
            if let Some(slot) = at.get_mut(instr.pc as usize)
                && instr.op != Op::OnError
            {
                *slot = 1;
            }
        }
        for instr in &self.list {
            for t in instr
                .target()
                .into_iter()
                .chain(instr.switch_targets(&self.f.code))
            {
                meter.spend(1)?;
                let slot = usize::try_from(t).ok().and_then(|t| at.get_mut(t));
                match slot {
                    Some(slot) if *slot != 0 => *slot = 2,
                    _ => {
                        return Err(error(Rule::JumpTarget, format!("jump to {t}")).at(instr.pc));
                    }
                }
            }
        }
        let targets = (0u32..)
            .zip(&at)
            .filter(|(_, a)| **a == 2)
            .map(|(pc, _)| pc);
        let mut joins = self.f.joins.iter().map(|j| j.pc);
        for t in targets {
            let join = joins.next();
            if join != Some(t) {
                let found = join.map_or_else(|| String::from("none"), |j| j.to_string());
                return Err(error(Rule::Joins, format!("no join here, but {found}")).at(t));
            }
        }
        match joins.next() {
            Some(pc) => Err(error(Rule::Joins, "join where no jump leads").at(pc)),
            None => Ok(()),
        }
    }

    /// All code is reached, and does not run off the end.
    fn reachable(&self) -> Result<()> {
        match self.reached_in_order() {
            Some(result) => result,
            None => self.reached(),
        }
    }

    /// The answer if one look in code order gives it: everything is reached from before it.
    fn reached_in_order(&self) -> Option<Result<()>> {
        let mut jumped = vec![false; self.f.code.len()];
        let mut falls = true;
        for instr in &self.list {
            if !falls && jumped.get(instr.pc as usize) != Some(&true) {
                return None;
            }
            for t in instr.targets(&self.f.code) {
                if let Some(mark) = jumped.get_mut(t as usize) {
                    *mark = true;
                }
            }
            falls = instr.falls_through();
        }
        let last = self.list.last()?;
        Some(match falls {
            true => Err(error(Rule::FallsOff, "last instruction").at(last.pc)),
            false => Ok(()),
        })
    }

    /// The same in general.
    fn reached(&self) -> Result<()> {
        let mut index = vec![u32::MAX; self.f.code.len()];
        for (i, instr) in (0u32..).zip(&self.list) {
            if let Some(slot) = index.get_mut(instr.pc as usize) {
                *slot = i;
            }
        }
        let mut seen = vec![false; self.list.len()];
        let mut work = vec![0usize];
        while let Some(mut i) = work.pop() {
            while let (Some(instr), Some(mark)) = (self.list.get(i), seen.get_mut(i)) {
                if std::mem::replace(mark, true) {
                    break;
                }
                let to = instr.targets(&self.f.code);
                work.extend(to.filter_map(|t| index.get(t as usize).map(|i| *i as usize)));
                if !instr.falls_through() {
                    break;
                }
                i += 1;
                if i == self.list.len() {
                    return Err(error(Rule::FallsOff, "last instruction").at(instr.pc));
                }
            }
        }
        let dead = seen.iter().position(|s| !s).and_then(|i| self.list.get(i));
        match dead {
            Some(i) => Err(error(Rule::Unreachable, i.op.info().mnemonic).at(i.pc)),
            None => Ok(()),
        }
    }

    /// Capability and attenuator registers have one static definition, so that an audit is exact.
    fn one_definition(&self) -> Result<()> {
        let entry = self.f.entry_regs();
        if !self.f.regs.iter().any(|t| self.facts.single(*t)) {
            return Ok(());
        }
        let single: Vec<bool> = self.f.regs.iter().map(|t| self.facts.single(*t)).collect();
        let mut defined: Vec<bool> = (0..self.f.regs.len()).map(|i| i < entry).collect();
        for instr in &self.list {
            let Some(r) = instr.writes() else { continue };
            let r = usize::from(r);
            if single.get(r) == Some(&true)
                && let Some(d) = defined.get_mut(r)
            {
                let again = std::mem::replace(d, true);
                ensure(!again, Rule::OneDefinition, || format!("register {r}"))
                    .map_err(|e| e.at(instr.pc))?;
            }
        }
        Ok(())
    }

    fn assignment(&self, openings: &Openings, meter: &mut Meter) -> Result<()> {
        let (prog, f) = (self.prog, self.f);
        let code = f.code.as_slice();
        let regs = f.regs.len();
        let row = regs.div_ceil(64);
        let sets: Vec<RegSet> = f
            .joins
            .iter()
            .map(|j| {
                let mut set = RegSet::new(regs);
                j.live.iter().for_each(|r| set.insert(*r));
                set
            })
            .collect();
        meter.spend(sets.len() * row)?;
        // By word: 0, or the number of its join and one more.
        let mut join_at = vec![0u32; code.len()];
        for (n, j) in (1u32..).zip(f.joins.iter()) {
            if let Some(slot) = join_at.get_mut(j.pc as usize) {
                *slot = n;
            }
        }
        let join = |pc: u32| {
            let n = join_at.get(pc as usize).copied().unwrap_or(0);
            sets.get((n as usize).checked_sub(1)?)
        };
        let mut args = Vec::new();
        let operands = Operands::new(prog, f, openings, self.facts);
        let mut assigned = RegSet::new(regs);
        (0..f.entry_regs()).for_each(|r| assigned.insert(r as u16));
        // Whether the place can be reached by falling through.
        let mut falls = true;
        // Behind a call that can fail: its errors, and its result register if that was not initialised before.
        let mut failing: Option<(&[NominalId], Option<u16>)> = None;
        for instr in &self.list {
            let fail = |e: super::VerifyError| e.at(instr.pc);
            if let Some(set) = join(instr.pc) {
                if falls {
                    flows_into(&assigned, set).map_err(fail)?;
                }
                assigned.clone_from(set);
                meter.spend(row)?;
            }
            let mut work = 1 + operands.work(instr);
            for r in instr.reads(code) {
                work += 1;
                ensure(assigned.contains(r), Rule::Uninitialised, || {
                    format!("register {r}")
                })
                .map_err(fail)?;
            }
            let edge = failing.take();
            match (instr.op == Op::OnError, edge) {
                (true, Some((errors, result))) => {
                    operands.on_error(instr, errors).map_err(fail)?;
                    let mut set = assigned.clone();
                    if let Some(r) = result {
                        set.remove(r);
                    }
                    set.insert(instr.a);
                    for target in instr.targets(code).filter_map(join) {
                        flows_into(&set, target).map_err(fail)?;
                    }
                    work += row * 2;
                }
                (true, None) => {
                    return refuse(Rule::ErrorEdge, "not behind a call that can fail")
                        .map_err(fail);
                }
                (false, Some(_)) => {
                    return refuse(Rule::ErrorEdge, "missing behind the call before").map_err(fail);
                }
                (false, None) => {
                    let errors = operands.check(instr, &mut args).map_err(fail)?;
                    let fresh = instr.writes().filter(|r| !assigned.contains(*r));
                    for target in instr.targets(code) {
                        if let Some(set) = join(target) {
                            flows_into(&assigned, set).map_err(fail)?;
                        }
                        work += 1 + row;
                    }
                    if let Some(r) = instr.writes() {
                        assigned.insert(r);
                    }
                    if !errors.is_empty() {
                        work += errors.len();
                        failing = Some((errors, fresh));
                    }
                }
            }
            meter.spend(work).map_err(fail)?;
            falls = instr.falls_through();
        }
        match failing {
            Some(_) => {
                let last = self.list.last().map_or(0, |i| i.pc);
                refuse(Rule::ErrorEdge, "missing behind the last call").map_err(|e| e.at(last))
            }
            None => Ok(()),
        }
    }
}

fn flows_into(assigned: &RegSet, join: &RegSet) -> Result<()> {
    match join.first_outside(assigned) {
        None => Ok(()),
        Some(r) => refuse(
            Rule::JoinAssigned,
            format!("register {r} is not initialised on this way"),
        ),
    }
}
