//! Functions: captures, registers, instructions, joins, source lines.
//!
//! What must stay true: how an instruction is read follows from its row of the opcode table, so a new opcode
//! needs nothing here unless its index operand has names.

use super::lex::Tok;
use super::tables::{Parser, Result, Table, integer};
use crate::builtins::BUILTINS;
use crate::module::*;
use crate::opcodes::{Lane, OPS, Op, OpInfo, TrapKind, Word};
use std::collections::HashMap;

/// Where a jump's offset is stored.
enum Slot {
    /// Lane 1, 2 or 3 of the instruction's word.
    Lane(usize),
    /// Lanes 2 and 3.
    Wide,
    /// The n-th target of a `switch`.
    Switch(usize),
}

/// A jump to a label, to be filled in when all labels are known.
struct Fix<'a> {
    label: &'a str,
    /// Token, for messages.
    at: usize,
    pc: usize,
    slot: Slot,
}

struct Code<'a> {
    f: Function,
    labels: HashMap<&'a str, usize>,
    fixes: Vec<Fix<'a>>,
}

/// A jump operand.
enum Target<'a> {
    Label(&'a str, usize),
    Offset(i32),
}

fn row(mnemonic: &str) -> Option<&'static OpInfo> {
    OPS.iter().find(|row| row.mnemonic == mnemonic)
}

impl<'a> Parser<'a> {
    /// A function from behind its first word to its `end`.
    pub(super) fn function(&mut self, kind: FnKind, line: u32) -> Result<()> {
        let index = self.bundle.packages.last().map_or(0, |p| p.functions.len());
        self.place(line, Some(index), None);
        let mut c = Code {
            f: self.function_head(kind)?,
            labels: HashMap::new(),
            fixes: Vec::new(),
        };
        loop {
            self.end()?;
            let Some(line) = self.peek().map(|t| t.line) else {
                return self.fail("the function has no `end`");
            };
            let at = self.at;
            let word = self.word("an instruction or `end`")?;
            if word == "end" {
                break;
            }
            let pc = c.f.code.len();
            self.line_of_code(word, at, &mut c)?;
            let is_code = c.f.code.len() > pc;
            self.place(line, Some(index), is_code.then_some(pc as u32));
        }
        for fix in std::mem::take(&mut c.fixes) {
            self.fill(&fix, &mut c)?;
        }
        if let Some(p) = self.bundle.packages.last_mut() {
            p.functions.push(c.f);
        }
        Ok(())
    }

    fn line_of_code(&mut self, word: &'a str, at: usize, c: &mut Code<'a>) -> Result<()> {
        let here = c.f.code.len();
        if self.eat(':') {
            if c.labels.insert(word, here).is_some() {
                return self.fail_at(at, format!("label `{word}` is defined twice"));
            }
            return Ok(());
        }
        match word {
            "capture" | "regs" => {
                let list = if word == "regs" {
                    &mut c.f.regs
                } else {
                    &mut c.f.captures
                };
                list.push(self.ix(Table::Type)?);
                while self.eat(',') {
                    list.push(self.ix(Table::Type)?);
                }
            }
            "join" => {
                let pc = self.place_in_code(here)?;
                let live = self.list(['(', ')'], Self::register)?;
                c.f.joins.push(pc, live);
            }
            "line" => {
                let pc = self.place_in_code(here)?;
                let file = self.u16("a file's number")?;
                self.need(':')?;
                let line = self.u32("a line")?;
                self.need(':')?;
                let col = self.u32("a column")?;
                c.f.lines.push(LineEntry {
                    pc,
                    file,
                    line,
                    col,
                });
            }
            "word" => {
                let v = self.number("a word", 0, i128::from(u64::MAX))?;
                c.f.code.push(v as u64);
            }
            "ext" => {
                let mut lanes = [0u16; 4];
                for lane in &mut lanes {
                    *lane = self.u16("a lane")?;
                }
                c.f.code.push(Word::lanes(lanes).0);
            }
            "raw" => {
                let op = match self.peek().map(|t| &t.tok) {
                    Some(Tok::Word(name)) => match row(name) {
                        Some(row) => {
                            self.at += 1;
                            row.op as u16
                        }
                        None => return self.fail(format!("`{name}` is no opcode")),
                    },
                    _ => self.u16("an opcode")?,
                };
                let mut lanes = [op, 0, 0, 0];
                for lane in lanes.iter_mut().skip(1) {
                    *lane = self.u16("a lane")?;
                }
                c.f.code.push(Word::lanes(lanes).0);
            }
            _ => match row(word) {
                Some(row) => self.instruction(row, c)?,
                None => return self.fail_at(at, format!("`{word}` is no opcode")),
            },
        }
        Ok(())
    }

    /// `@17`, or here.
    fn place_in_code(&mut self, here: usize) -> Result<u32> {
        if self.eat('@') {
            return self.u32("a place in the code");
        }
        Ok(here as u32)
    }

    fn register(&mut self) -> Result<u16> {
        let at = self.at;
        let number = match self.peek().map(|t| &t.tok) {
            Some(Tok::Word(w)) => w.strip_prefix('r').and_then(|n| n.parse::<u16>().ok()),
            _ => None,
        };
        self.at += 1;
        match number {
            Some(r) => Ok(r),
            None => self.fail_at(at, "expected a register, from `r0` to `r65535`"),
        }
    }

    fn target(&mut self) -> Result<Target<'a>> {
        let at = self.at;
        match self.peek().map(|t| &t.tok) {
            Some(Tok::Word(label)) => {
                let label = *label;
                self.at += 1;
                Ok(Target::Label(label, at))
            }
            Some(Tok::Num(n)) if n.starts_with(['+', '-']) => {
                let v = self.number("an offset", i128::from(i32::MIN), i128::from(i32::MAX))?;
                Ok(Target::Offset(v as i32))
            }
            _ => self.fail("expected a label, or an offset with its sign"),
        }
    }

    /// What an index operand names: a number, or a name where the opcode's index has names.
    fn index(&mut self, op: Op) -> Result<u16> {
        let at = self.at;
        match op {
            Op::Call | Op::MakeFn | Op::MakeBorrowed => return self.ix(Table::Function),
            Op::JErrIs => return self.ix(Table::Type),
            Op::GetPayload => {
                let text = self.num_text("a variant and payload, as `1.0`")?;
                let part = |t: &str| integer(t).and_then(|v| u8::try_from(v).ok());
                let both = text.split_once('.').map(|(v, p)| (part(v), part(p)));
                return match both {
                    Some((Some(v), Some(p))) => Ok(u16::from(v) << 8 | u16::from(p)),
                    _ => self.fail_at(at, "expected a variant and payload, as `1.0`"),
                };
            }
            _ => {}
        }
        let Some(Tok::Word(name)) = self.peek().map(|t| &t.tok) else {
            return self.u16("an index");
        };
        let found = match op {
            Op::Builtin => BUILTINS.iter().position(|b| b.name == *name),
            Op::Trap => TrapKind::ALL
                .iter()
                .position(|k| format!("{k:?}") == **name),
            _ => None,
        };
        match found.map(u16::try_from) {
            Some(Ok(i)) => {
                self.at += 1;
                Ok(i)
            }
            _ => self.fail("expected an index, or a name that this opcode knows"),
        }
    }

    fn instruction(&mut self, row: &'static OpInfo, c: &mut Code<'a>) -> Result<()> {
        let pc = c.f.code.len();
        let mut lanes = [row.op as u16, 0, 0, 0];
        let mut extension: Vec<u64> = Vec::new();
        let mut first = true;
        for (lane, k) in row.lanes.into_iter().zip(1usize..) {
            if matches!(lane, Lane::Unused | Lane::High) {
                continue;
            }
            if !std::mem::take(&mut first) {
                self.need(',')?;
            }
            let mut set = |k: usize, v: u16| {
                if let Some(l) = lanes.get_mut(k) {
                    *l = v;
                }
            };
            match lane {
                Lane::Write(_) | Lane::Read(_) => set(k, self.register()?),
                Lane::Imm16 => {
                    let v =
                        self.number("this immediate", i128::from(i16::MIN), i128::from(i16::MAX))?;
                    set(k, v as i16 as u16);
                }
                Lane::Imm32 => {
                    let v =
                        self.number("this immediate", i128::from(i32::MIN), i128::from(i32::MAX))?;
                    set(k, v as i32 as u16);
                    set(k + 1, (v as i32 >> 16) as u16);
                }
                Lane::Const32 => {
                    let v = self.reference(Table::Const)?;
                    set(k, v as u16);
                    set(k + 1, (v >> 16) as u16);
                }
                Lane::Index => set(k, self.index(row.op)?),
                Lane::Jump16 | Lane::Jump32 => {
                    let wide = lane == Lane::Jump32;
                    let at = self.at;
                    match self.target()? {
                        Target::Label(label, at) => {
                            let slot = if wide { Slot::Wide } else { Slot::Lane(k) };
                            c.fixes.push(Fix {
                                label,
                                at,
                                pc,
                                slot,
                            });
                        }
                        Target::Offset(v) if wide => {
                            set(k, v as u16);
                            set(k + 1, (v >> 16) as u16);
                        }
                        Target::Offset(v) => match i16::try_from(v) {
                            Ok(v) => set(k, v as u16),
                            Err(_) => return self.fail_at(at, "this offset has 16 bits"),
                        },
                    }
                }
                Lane::Count if row.op == Op::Switch => {
                    let targets = self.list(['(', ')'], Self::target)?;
                    let n = self.count(targets.len())?;
                    set(k, n);
                    extension = vec![0; crate::opcodes::switch_words(n)];
                    for (i, t) in targets.into_iter().enumerate() {
                        match t {
                            Target::Label(label, at) => c.fixes.push(Fix {
                                label,
                                at,
                                pc,
                                slot: Slot::Switch(i),
                            }),
                            Target::Offset(v) => set_half(&mut extension, i, v),
                        }
                    }
                }
                Lane::Count => {
                    let args = self.list(['(', ')'], Self::register)?;
                    let n = self.count(args.len())?;
                    set(k, n);
                    extension = vec![0; crate::opcodes::arg_words(n)];
                    for (i, r) in args.into_iter().enumerate() {
                        if let Some(w) = extension.get_mut(i / 4) {
                            *w |= u64::from(r) << (16 * (i % 4));
                        }
                    }
                }
                Lane::Unused | Lane::High => {}
            }
        }
        c.f.code.push(Word::lanes(lanes).0);
        c.f.code.extend(extension);
        Ok(())
    }

    fn count(&self, n: usize) -> Result<u16> {
        match u16::try_from(n) {
            Ok(n) => Ok(n),
            Err(_) => self.fail("more than 65535 operands"),
        }
    }

    fn fill(&self, fix: &Fix<'a>, c: &mut Code<'a>) -> Result<()> {
        let Some(target) = c.labels.get(fix.label) else {
            return self.fail_at(fix.at, format!("no label `{}` in this function", fix.label));
        };
        let offset = *target as i64 - fix.pc as i64;
        match fix.slot {
            Slot::Lane(k) => {
                let Ok(v) = i16::try_from(offset) else {
                    return self.fail_at(fix.at, "the label is too far away for 16 bits");
                };
                if let Some(w) = c.f.code.get_mut(fix.pc) {
                    *w |= u64::from(v as u16) << (16 * k);
                }
            }
            Slot::Wide => {
                if let Some(w) = c.f.code.get_mut(fix.pc) {
                    *w |= u64::from(offset as i32 as u32) << 32;
                }
            }
            Slot::Switch(i) => {
                if let Some(words) = c.f.code.get_mut(fix.pc + 1..) {
                    set_half(words, i, offset as i32);
                }
            }
        }
        Ok(())
    }
}

/// Stores the i-th target of a `switch`.
fn set_half(words: &mut [u64], i: usize, v: i32) {
    if let Some(w) = words.get_mut(i / 2) {
        *w |= u64::from(v as u32) << (32 * (i % 2));
    }
}
