//! Attenuators inside function literals: which captures of a literal are used as a receiver.
//!
//! A literal in an attenuator's method may capture `self` and use its fields. Whoever else holds an
//! attenuator may capture it too, but not open it. So a capture that a literal *opens* (reads or writes
//! fields of, calls a method on, or hands to a literal that opens it) must be given by a register that
//! its maker may open itself: in the end, a receiver.
//!
//! What must stay true: this runs before functions are verified, so it believes nothing and only
//! collects; that a register has one definition is checked later, for each function.

use super::{Meter, Result};
use crate::analysis::decode::instrs;
use crate::linked::*;
use crate::module::FnKind;
use crate::opcodes::Op;
use std::collections::HashMap;

/// By function: captures that its code opens, ascending.
pub(super) type Openings = Vec<Vec<u16>>;

/// The attenuator registers that a literal reads from captures, with the capture.
pub(super) fn captured(prog: &Program, f: &LFunction) -> HashMap<u16, u16> {
    let att = |t: &TypeId| prog.kind(*t) == Kind::Att;
    if f.kind != FnKind::Literal || !f.captures.iter().any(att) {
        return HashMap::new();
    }
    instrs(&f.code)
        .map_while(std::result::Result::ok)
        .filter(|i| i.op == Op::GetCapture && f.reg_type(i.a).as_ref().is_some_and(att))
        .map(|i| (i.a, i.b))
        .collect()
}

/// Computes the openings of all functions. Linear: each capture is marked once.
pub(super) fn openings(prog: &Program, meter: &mut Meter) -> Result<Openings> {
    let mut open: Vec<Vec<u16>> = vec![Vec::new(); prog.functions.len()];
    let mut work: Vec<(FnId, u16)> = Vec::new();
    // From a literal's capture to the captures of others that are handed to it.
    let mut handed: HashMap<(FnId, u16), Vec<(FnId, u16)>> = HashMap::new();
    for (id, f) in (0u32..).map(FnId).zip(&prog.functions) {
        let captured = captured(prog, f);
        if captured.is_empty() {
            continue;
        }
        for i in instrs(&f.code).map_while(std::result::Result::ok) {
            meter.spend(i.len as usize)?;
            let used = |r: u16| captured.get(&r).map(|c| (id, *c));
            match i.op {
                Op::GetField | Op::GetCap => work.extend(used(i.b)),
                Op::SetField => work.extend(used(i.a)),
                Op::Call => work.extend(i.args(&f.code).filter_map(used)),
                Op::MakeBorrowed => {
                    let Some(callee) = prog.resolve_fn(f.package, i.b) else {
                        continue;
                    };
                    for (k, r) in (0u16..).zip(i.args(&f.code)) {
                        if let Some(own) = used(r) {
                            handed.entry((callee, k)).or_default().push(own);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    while let Some((id, capture)) = work.pop() {
        let Some(list) = open.get_mut(id.index()) else {
            continue;
        };
        if let Err(at) = list.binary_search(&capture) {
            list.insert(at, capture);
            meter.spend(1 + list.len() / 64)?;
            work.extend(handed.remove(&(id, capture)).unwrap_or_default());
        }
    }
    Ok(open)
}
