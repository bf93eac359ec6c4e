//! Changes to functions that keep everything else as it was.

use jet_bytecode::analysis::decode::{Instr, instrs};
use jet_bytecode::module::*;
use jet_bytecode::opcodes::{Lane, Op, Word};

/// The instructions of a valid function.
pub fn list(f: &Function) -> Vec<Instr> {
    instrs(&f.code).map(Result::unwrap).collect()
}

/// Sets a lane of a word; lane 0 is the opcode.
pub fn set(f: &mut Function, word: usize, lane: usize, value: u16) {
    let mut lanes = Word(f.code[word]).split();
    lanes[lane] = value;
    f.code[word] = Word::lanes(lanes).0;
}

/// A register operand of an instruction: where it is stored, and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    pub word: usize,
    pub lane: usize,
    pub write: bool,
    /// Argument, by place; else an operand lane.
    pub arg: Option<usize>,
    pub reg: u16,
}

/// All register operands of an instruction.
pub fn slots(f: &Function, i: &Instr) -> Vec<Slot> {
    let pc = i.pc as usize;
    let mut out = Vec::new();
    for (k, (lane, reg)) in i.operands().enumerate() {
        if let Lane::Write(_) | Lane::Read(_) = lane {
            out.push(Slot {
                word: pc,
                lane: k + 1,
                write: matches!(lane, Lane::Write(_)),
                arg: None,
                reg,
            });
        }
    }
    for (k, reg) in i.args(&f.code).enumerate() {
        out.push(Slot {
            word: pc + 1 + k / 4,
            lane: k % 4,
            write: false,
            arg: Some(k),
            reg,
        });
    }
    out
}

/// Puts words in front of the instruction at `pc`. Jumps there lead to them if `caught`, else past them.
pub fn insert(f: &mut Function, pc: u32, words: &[Word], caught: bool) {
    let n = words.len() as u32;
    let moved = |t: u32| {
        if t > pc || (t == pc && !caught) {
            t + n
        } else {
            t
        }
    };
    let place = |p: u32| if p >= pc { p + n } else { p };
    let all = list(f);
    let mut code = f.code.clone();
    for i in &all {
        let shift = |t: i64| {
            let to = u32::try_from(t).map_or(t, |t| i64::from(moved(t)));
            to - i64::from(place(i.pc))
        };
        let at = i.pc as usize;
        if let Some(t) = i.target() {
            let offset = shift(t);
            let w = Word(code[at]);
            let lanes = i.op.info().lanes;
            code[at] = match lanes.iter().position(|l| *l == Lane::Jump16) {
                Some(k) => {
                    let mut l = w.split();
                    l[k + 1] = offset as i16 as u16;
                    Word::lanes(l).0
                }
                None => Word::a32(i.op, i.a, offset as i32 as u32).0,
            };
        }
        for (k, t) in i.switch_targets(&f.code).enumerate() {
            let w = &mut code[at + 1 + k / 2];
            let half = 32 * (k % 2);
            *w = *w & !(0xffff_ffff << half) | u64::from(shift(t) as i32 as u32) << half;
        }
    }
    code.splice(pc as usize..pc as usize, words.iter().map(|w| w.0));
    f.code = code;
    f.joins
        .edit(|list| list.iter_mut().for_each(|(pc, _)| *pc = moved(*pc)));
    for l in &mut f.lines {
        l.pc = place(l.pc);
    }
}

/// A new register of a type, uninitialised.
pub fn fresh(f: &mut Function, ty: TypeIx) -> u16 {
    f.regs.push(ty);
    f.regs.len() as u16 - 1
}

/// A new register of a type, set by this word (which gets it as lane `a`) before everything else.
pub fn filled(f: &mut Function, ty: TypeIx, word: Word) -> u16 {
    let r = fresh(f, ty);
    let [op, _, b, c] = word.split();
    insert(f, 0, &[Word::lanes([op, r, b, c])], false);
    f.joins
        .edit(|list| list.iter_mut().for_each(|(_, live)| live.push(r)));
    r
}

/// The type index of a type that the package has.
pub fn type_ix(p: &Package, t: &Type) -> TypeIx {
    p.types.iter().position(|x| x == t).unwrap() as TypeIx
}

/// A register of another type than this one, set at the start: a string, or an int.
pub fn wrong(p: &Package, f: &mut Function, than: TypeIx) -> u16 {
    let str_ = type_ix(p, &Type::Str);
    if than == str_ {
        return filled(f, type_ix(p, &Type::Int), Word::a32(Op::ConstImm, 0, 1));
    }
    let k = p.consts.iter().position(|c| matches!(c, Const::Str(_)));
    filled(f, str_, Word::a32(Op::LoadConst, 0, k.unwrap() as u32))
}
