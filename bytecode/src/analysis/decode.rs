//! The one decoder of code words: instructions with operands, jump targets and lengths.
//!
//! What must stay true: a decoded instruction lies in the code as a whole, extension words included;
//! targets are computed without overflow and may be anything, so whoever follows one checks it.

use crate::opcodes::{Effect, Lane, Op, Word, arg_words, switch_words};

/// A decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instr {
    /// Place of its first word.
    pub pc: u32,
    /// Opcode.
    pub op: Op,
    /// Lane `a`.
    pub a: u16,
    /// Lane `b`.
    pub b: u16,
    /// Lane `c`.
    pub c: u16,
    /// Length in words, extension words included.
    pub len: u32,
}

/// Why a word does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Past the end of the code.
    End,
    /// No such opcode.
    Opcode(u16),
    /// Extension words run past the end of the code.
    Truncated,
}

/// Decodes the instruction at `pc`.
#[inline]
pub fn decode(code: &[u64], pc: u32) -> Result<Instr, DecodeError> {
    let word = Word(*code.get(pc as usize).ok_or(DecodeError::End)?);
    let [number, a, b, c] = word.split();
    let op = Op::from_u16(number).ok_or(DecodeError::Opcode(number))?;
    let words = match op.shape().count(b, c) {
        None => 0,
        Some(n) if op == Op::Switch => switch_words(n),
        Some(n) => arg_words(n),
    };
    let len = 1 + words as u32;
    if pc as usize + len as usize > code.len() {
        return Err(DecodeError::Truncated);
    }
    Ok(Instr {
        pc,
        op,
        a,
        b,
        c,
        len,
    })
}

/// Iterates over the instructions of `code` in order; ends after the first error.
pub fn instrs(code: &[u64]) -> Instrs<'_> {
    instrs_from(code, 0)
}

/// The same from the instruction at `pc` on.
pub fn instrs_from(code: &[u64], pc: u32) -> Instrs<'_> {
    Instrs {
        code,
        pc,
        failed: false,
    }
}

/// Iterator over instructions.
#[derive(Clone, Debug)]
pub struct Instrs<'a> {
    code: &'a [u64],
    pc: u32,
    failed: bool,
}

impl Iterator for Instrs<'_> {
    type Item = Result<Instr, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.pc as usize >= self.code.len() {
            return None;
        }
        let item = decode(self.code, self.pc);
        match &item {
            Ok(i) => self.pc = self.pc.saturating_add(i.len),
            Err(_) => self.failed = true,
        }
        Some(item)
    }
}

/// Iterator over the jump targets of an instruction that lie in the code.
#[derive(Clone, Debug)]
pub struct Targets<'a> {
    pc: i64,
    len: i64,
    /// The target in the instruction's own lanes.
    own: Option<i64>,
    /// Offsets of a `switch`, two a word; the second one of the last word taken.
    words: std::slice::Iter<'a, u64>,
    high: Option<u32>,
    left: u16,
}

impl Iterator for Targets<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        loop {
            let target = match self.own.take() {
                Some(target) => target,
                None => {
                    self.left = self.left.checked_sub(1)?;
                    let offset = match self.high.take() {
                        Some(high) => high,
                        None => {
                            let word = *self.words.next()?;
                            self.high = Some((word >> 32) as u32);
                            word as u32
                        }
                    };
                    self.pc + i64::from(offset as i32)
                }
            };
            if (0..self.len).contains(&target) {
                return Some(target as u32);
            }
        }
    }
}

/// Iterator over argument registers.
#[derive(Clone, Debug)]
pub struct Args<'a> {
    words: std::slice::Iter<'a, u64>,
    /// What is left of the current word, lowest lane first, and how many lanes that is.
    word: u64,
    buffered: u8,
    left: u16,
}

impl Iterator for Args<'_> {
    type Item = u16;

    #[inline]
    fn next(&mut self) -> Option<u16> {
        self.left = self.left.checked_sub(1)?;
        if self.buffered == 0 {
            self.word = *self.words.next()?;
            self.buffered = 4;
        }
        let lane = self.word as u16;
        self.word >>= 16;
        self.buffered -= 1;
        Some(lane)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(usize::from(self.left)))
    }
}

impl Instr {
    /// Place of the next instruction.
    #[inline]
    pub fn next_pc(&self) -> u32 {
        self.pc.saturating_add(self.len)
    }

    /// Lanes `b` and `c` as one signed operand.
    pub fn imm32(&self) -> i32 {
        (u32::from(self.b) | u32::from(self.c) << 16) as i32
    }

    /// Lanes `b` and `c` as a constant index.
    pub fn const_index(&self) -> u32 {
        self.imm32() as u32
    }

    /// The three operand lanes.
    pub fn lanes(&self) -> [u16; 3] {
        [self.a, self.b, self.c]
    }

    /// The lanes with their table entries.
    pub fn operands(&self) -> impl Iterator<Item = (Lane, u16)> {
        self.op.info().lanes.into_iter().zip(self.lanes())
    }

    /// Number of extension operands, if the instruction has such.
    #[inline]
    pub fn count(&self) -> Option<u16> {
        self.op.shape().count(self.b, self.c)
    }

    /// Jump target from the instruction's own lanes (not of a `switch`). May lie outside the code.
    #[inline]
    pub fn target(&self) -> Option<i64> {
        let shape = self.op.shape();
        let offset = if shape.jump16() {
            i64::from(self.c as i16)
        } else if shape.jump32() {
            i64::from(self.imm32())
        } else {
            return None;
        };
        Some(i64::from(self.pc) + offset)
    }

    /// Argument registers in the extension words (none for `switch`).
    #[inline]
    pub fn args<'a>(&self, code: &'a [u64]) -> Args<'a> {
        let n = match self.op {
            Op::Switch => None,
            _ => self.count(),
        };
        let (words, left) = match n {
            Some(n) => (self.extension(code), n),
            None => (&[][..], 0),
        };
        Args {
            words: words.iter(),
            word: 0,
            buffered: 0,
            left,
        }
    }

    /// All extension lanes beyond the argument registers: zero in canonical code.
    pub fn padding<'a>(&self, code: &'a [u64]) -> impl Iterator<Item = u16> + use<'a> {
        let n = self.count().map_or(0, usize::from);
        let skip = if self.op == Op::Switch { n * 2 } else { n };
        self.extension(code)
            .iter()
            .flat_map(|w| Word(*w).split())
            .skip(skip)
    }

    /// Jump targets of a `switch`, by value. May lie outside the code.
    pub fn switch_targets<'a>(&self, code: &'a [u64]) -> impl Iterator<Item = i64> + use<'a> {
        let n = match self.op {
            Op::Switch => usize::from(self.b),
            _ => 0,
        };
        let pc = i64::from(self.pc);
        self.extension(code)
            .iter()
            .flat_map(|w| [*w as u32 as i32, (*w >> 32) as u32 as i32])
            .take(n)
            .map(move |offset| pc + i64::from(offset))
    }

    /// All jump targets that lie in the code.
    #[inline]
    pub fn targets<'a>(&self, code: &'a [u64]) -> Targets<'a> {
        let switch = self.op == Op::Switch;
        Targets {
            pc: i64::from(self.pc),
            len: code.len() as i64,
            own: self.target(),
            words: if switch { self.extension(code) } else { &[] }.iter(),
            high: None,
            left: if switch { self.b } else { 0 },
        }
    }

    #[inline]
    fn extension<'a>(&self, code: &'a [u64]) -> &'a [u64] {
        code.get(self.pc as usize + 1..self.next_pc() as usize)
            .unwrap_or(&[])
    }

    /// Whether the next instruction can follow. (After a call with an error edge, `on_error` does.)
    #[inline]
    pub fn falls_through(&self) -> bool {
        !matches!(
            self.op,
            Op::Jmp | Op::Ret | Op::Raise | Op::Panic | Op::Trap
        )
    }

    /// The register written, if any. `on_error` writes it on its jump only; a call on the value edge only.
    #[inline]
    pub fn writes(&self) -> Option<u16> {
        self.op.shape().writes().then_some(self.a)
    }

    /// The registers read: operand lanes, then arguments; for `get_capture` the environment, register 0.
    #[inline]
    pub fn reads<'a>(&self, code: &'a [u64]) -> impl Iterator<Item = u16> + use<'a> {
        let [a, b, c] = self.op.shape().reads();
        let env = self.op == Op::GetCapture;
        let lanes = [
            a.then_some(self.a),
            b.then_some(self.b),
            c.then_some(self.c),
            env.then_some(0),
        ];
        lanes.into_iter().flatten().chain(self.args(code))
    }

    /// Whether this is a call of any kind that may have an error edge.
    pub fn is_call(&self) -> bool {
        matches!(self.op, Op::Call | Op::CallFn | Op::CallDyn | Op::CapCall)
    }

    /// Whether a collection may happen while it executes.
    pub fn is_safepoint(&self) -> bool {
        matches!(
            self.op.info().effect,
            Effect::Alloc | Effect::Call | Effect::Suspend
        )
    }
}
