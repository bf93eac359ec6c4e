//! Builtins that read a string and give a number or another string.

use jet_bytecode::analysis::fuel::{byte_work, character_work};
use jet_bytecode::opcodes::TrapKind;

use super::builtins;
use crate::slow::{Done, SlowOp, Stop, Vm};

impl Vm<'_> {
    /// Charges for reading the strings in these argument places, and flattens them.
    pub(super) fn read_args<const N: usize>(&mut self, places: [usize; N]) -> Done<[usize; N]> {
        let regs = places.map(|k| self.arg_ix(k));
        let work = regs.iter().map(|r| self.str_len(*r)).sum();
        self.charge_point(byte_work(work))?;
        for r in regs {
            self.flatten(r)?;
        }
        Ok(regs)
    }

    /// The trap for byte offsets that do not select part of the string in `reg`.
    #[cold]
    pub(super) fn bad_slice(&mut self, reg: usize, from: i64, to: i64) -> Stop {
        let text = self.text(reg);
        let len = text.len();
        let on = |i: i64| usize::try_from(i).is_ok_and(|i| i > len || text.is_char_boundary(i));
        let why = if on(from) && on(to) {
            format!("slice {from}..{to} out of bounds: the string has {len} bytes")
        } else {
            let at = if on(from) { to } else { from };
            if at < 0 {
                format!("slice {from}..{to} out of bounds: the string has {len} bytes")
            } else {
                format!("byte {at} is inside a character")
            }
        };
        self.trap(TrapKind::Bounds, why)
    }

    /// As [`Vm::read_args`] of the first argument, of which each character is looked at.
    pub(super) fn read_characters(&mut self) -> Done<usize> {
        let [s] = self.read_args([0])?;
        self.charge(character_work(self.str_len(s)))?;
        Ok(s)
    }

    /// Charges for a result of this size, which must be possible.
    pub(super) fn charge_result(&mut self, len: u64) -> Done {
        if len > u64::from(u32::MAX).min(self.ctx.heap_box.limit()) {
            return Err(self.too_large(len));
        }
        self.charge(byte_work(len))
    }
}

/// Where the pattern first stands at or behind a byte offset, which may be inside a character.
pub(crate) fn first_from(text: &str, pattern: &str, from: usize) -> Option<usize> {
    let start = (from..=text.len()).find(|&i| text.is_char_boundary(i))?;
    let rest = text.get(start..)?;
    let found = match pattern.as_bytes() {
        [byte] => rest.find(char::from(*byte)),
        _ => rest.find(pattern),
    };
    Some(found? + start)
}

pub(crate) fn offset(found: Option<usize>) -> u64 {
    found.map_or(-1i64 as u64, |i| i as u64)
}

builtins! {
    /// `str_slice`
    Slice |vm| {
        let reg = vm.arg_ix(0);
        let (from, to) = (vm.arg(1) as i64, vm.arg(2) as i64);
        vm.charge_point(byte_work(to.saturating_sub(from).clamp(0, vm.str_len(reg) as i64) as u64))?;
        vm.flatten(reg)?;
        let text = vm.text(reg);
        let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        match range.filter(|(a, b)| text.get(*a..*b).is_some()) {
            Some((0, b)) if b == text.len() => vm.obj(reg).to_word(),
            Some((a, b)) => vm.substring(reg, a, b)?.to_word(),
            None => return Err(vm.bad_slice(reg, from, to)),
        }
    }
    /// `str_find`
    Find |vm| {
        let [s, p] = vm.read_args([0, 1])?;
        let from = vm.arg(2) as i64;
        let Ok(from) = usize::try_from(from) else {
            return Err(vm.bad_slice(s, from, from));
        };
        let (text, pattern) = (vm.text(s), vm.text(p));
        offset(first_from(text, pattern, from))
    }
    /// `str_rfind`
    Rfind |vm| {
        let [s, p] = vm.read_args([0, 1])?;
        offset(vm.text(s).rfind(vm.text(p)))
    }
    /// `str_starts_with`
    StartsWith |vm| {
        let [s, p] = vm.read_args([0, 1])?;
        u64::from(vm.bytes(s).starts_with(vm.bytes(p)))
    }
    /// `str_ends_with`
    EndsWith |vm| {
        let [s, p] = vm.read_args([0, 1])?;
        u64::from(vm.bytes(s).ends_with(vm.bytes(p)))
    }
    /// `str_to_lower`
    ToLower |vm| {
        let s = vm.read_characters()?;
        let len = vm.text(s).chars().flat_map(char::to_lowercase).map(char::len_utf8).sum::<usize>();
        vm.charge_result(len as u64)?;
        let text = vm.text(s).to_lowercase();
        vm.new_str(&text)?.to_word()
    }
    /// `str_to_upper`
    ToUpper |vm| {
        let s = vm.read_characters()?;
        let len = vm.text(s).chars().flat_map(char::to_uppercase).map(char::len_utf8).sum::<usize>();
        vm.charge_result(len as u64)?;
        let text = vm.text(s).to_uppercase();
        vm.new_str(&text)?.to_word()
    }
    /// `str_repeat`
    Repeat |vm| {
        let [s] = vm.read_args([0])?;
        let n = vm.arg(1) as i64;
        let Ok(n) = u64::try_from(n) else {
            return Err(vm.trap(TrapKind::Bounds, format!("{n} copies of a string")));
        };
        let len = vm.str_len(s).saturating_mul(n);
        vm.charge_result(len)?;
        let fresh = vm.array(jet_gc::Format::Str, len)?;
        let piece = vm.bytes(s).to_vec();
        if !piece.is_empty() {
            // SAFETY: the data of a fresh string of `len` bytes.
            let out = unsafe {
                std::slice::from_raw_parts_mut(vm.ctx.heap_box.data_ptr(fresh), len as usize)
            };
            out.chunks_exact_mut(piece.len()).for_each(|c| c.copy_from_slice(&piece));
        }
        fresh.to_word()
    }
    /// `str_replace`
    Replace |vm| {
        let [s, p, r] = vm.read_args([0, 1, 2])?;
        let count = vm.text(s).matches(vm.text(p)).count() as u64;
        if count == 0 {
            vm.obj(s).to_word()
        } else {
            let removed = count * vm.str_len(p);
            let len = vm.str_len(s) - removed + count.saturating_mul(vm.str_len(r));
            vm.charge_result(len)?;
            let fresh = vm.array(jet_gc::Format::Str, len)?;
            // SAFETY: the data of a fresh string of `len` bytes, which no operand is.
            let out = unsafe {
                std::slice::from_raw_parts_mut(vm.ctx.heap_box.data_ptr(fresh), len as usize)
            };
            let (text, with) = (vm.text(s), vm.bytes(r));
            let (mut at, mut last) = (0, 0);
            for (i, found) in text.match_indices(vm.text(p)) {
                let kept = text.as_bytes().get(last..i).unwrap_or_default();
                for part in [kept, with] {
                    out[at..at + part.len()].copy_from_slice(part);
                    at += part.len();
                }
                last = i + found.len();
            }
            out[at..].copy_from_slice(text.as_bytes().get(last..).unwrap_or_default());
            fresh.to_word()
        }
    }
    /// `str_is_boundary`
    IsBoundary |vm| {
        let s = vm.arg_ix(0);
        vm.charge_point(0)?;
        vm.flatten(s)?;
        let i = usize::try_from(vm.arg(1) as i64);
        u64::from(i.is_ok_and(|i| vm.text(s).is_char_boundary(i)))
    }
    /// `str_char_at`
    CharAt |vm| {
        let s = vm.arg_ix(0);
        vm.charge_point(0)?;
        vm.flatten(s)?;
        let at = vm.arg(1) as i64;
        let found = usize::try_from(at)
            .ok()
            .and_then(|i| vm.text(s).get(i..)?.chars().next());
        match found {
            Some(c) => u64::from(u32::from(c)),
            None => return Err(vm.bad_slice(s, at, at.saturating_add(1).max(vm.str_len(s) as i64))),
        }
    }
}

/// `str_trim`, `str_trim_start`, `str_trim_end`
pub(crate) struct Trim<const START: bool, const END: bool>;

impl<const START: bool, const END: bool> SlowOp for Trim<START, END> {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        let [s] = vm.read_args([0])?;
        let text = vm.text(s);
        let from = if START {
            text.len() - text.trim_start().len()
        } else {
            0
        };
        let to = if END {
            text.trim_end().len().max(from)
        } else {
            text.len()
        };
        let value = if from == 0 && to == text.len() {
            vm.obj(s)
        } else {
            vm.substring(s, from, to)?
        };
        vm.result(value.to_word());
        Ok(2)
    }
}
