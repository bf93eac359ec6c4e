//! Strings: what machine code does with those that stand in one piece, and with short ones; all else is the
//! interpreter's.
//!
//! What must stay true: bytes are read of what was told to be a plain string, below its length or the first of all; work is charged as
//! the handlers charge it.
//!
//! A string that does not stand in one piece leaves, so that behind the operation it is known to; where that happens
//! often the operation becomes a step of the interpreter ([`Region::stepped`](crate::region::Region::stepped)).

use jet_bytecode::analysis::decode::Instr;
use jet_bytecode::analysis::fuel::BYTES_PER_UNIT;
use jet_bytecode::builtins::Builtin;
use jet_bytecode::module::Const;
use jet_bytecode::opcodes::Op as Code;
use jet_gc::layout::{
    DATA_OFFSET, FORMAT_MASK, GRANULE_SHIFT, HASH_OFFSET, LENGTH_OFFSET, array_size,
};
use jet_gc::{Format, Header};
use jet_vm::plug;

use crate::Abort;
use crate::ir::{Alias, Bin, BlockId, Cc, Edge, Op, Term, Ty, Val, Width};
use crate::lower::Lower;
use crate::lower_ops::Done;

// `byte_work` shifts, and what is one byte long is no work.
const _: () = assert!(BYTES_PER_UNIT.is_power_of_two() && BYTES_PER_UNIT > 1);
const ROPE_LEN: u32 = plug::ROPE_LEN as u32;

/// Whether machine code may leave because of a string that this operation was given.
pub(crate) fn leaves(i: &Instr) -> bool {
    match i.op {
        Code::StrLen | Code::StrByte | Code::StrEq | Code::StrCmp | Code::HashStr => true,
        Code::Builtin => matches!(
            Builtin::from_u16(i.b),
            Some(Builtin::StrSlice | Builtin::StrFind)
        ),
        _ => false,
    }
}

impl Lower<'_> {
    /// An operation on strings.
    pub(crate) fn text_op(&mut self, i: &Instr) -> Done {
        let dst = i.a;
        match i.op {
            Code::StrLen => {
                let s = self.read(i.b)?;
                let v = if self.stepped() {
                    let format = self.format(s);
                    let record = self.int(Format::Record as i64);
                    self.either(
                        (Cc::Eq, format, record),
                        |l| l.push(Op::Load(s, ROPE_LEN, Width::I64, Alias::Fixed)),
                        |l| l.str_size(s),
                    )
                } else {
                    self.plain_or_leave(s);
                    self.str_size(s)
                };
                self.write(dst, v);
                Ok(())
            }
            Code::StrByte => {
                let (s, k) = (self.read(i.b)?, self.read(i.c)?);
                let tests = |l: &mut Self, slow| l.unless_plain(slow, s);
                self.or_step(i, tests, |l, ()| {
                    let len = l.str_size(s);
                    let k = l.below(k, len);
                    let v = l.push(Op::LoadElem(s, k, Width::U8, Alias::Fixed));
                    l.write(dst, v);
                    Ok(())
                })
            }
            Code::StrEq => self.str_eq(i),
            Code::StrCmp => {
                // Of one byte each; the order of others is the interpreter's work.
                let (p, q) = (self.read(i.b)?, self.read(i.c)?);
                let tests = |l: &mut Self, slow| {
                    for s in [p, q] {
                        l.unless_plain(slow, s);
                        let (n, one) = (l.str_size(s), l.int(1));
                        l.unless(slow, Cc::Ne, n, one);
                    }
                };
                self.or_step(i, tests, |l, ()| {
                    let none = l.int(0);
                    l.charge_work(none);
                    let (x, y) = (l.first_byte(p), l.first_byte(q));
                    let more = l.push(Op::Cmp(Cc::Gt, x, y));
                    let less = l.push(Op::Cmp(Cc::Lt, x, y));
                    let v = l.bin(Bin::Sub, more, less);
                    l.write(dst, v);
                    Ok(())
                })
            }
            Code::HashStr => {
                let s = self.read(i.b)?;
                // Every format has something at this offset.
                let known = self.push(Op::Load(s, HASH_OFFSET as u32, Width::U32, Alias::Fixed));
                let tests = |l: &mut Self, slow| {
                    l.unless_plain(slow, s);
                    let zero = l.int(0);
                    l.unless(slow, Cc::Eq, known, zero);
                };
                self.or_step(i, tests, |l, ()| {
                    let n = l.str_size(s);
                    let work = l.byte_work(n);
                    l.charge_work(work);
                    l.write(dst, known);
                    Ok(())
                })
            }
            _ => Err(Abort::Internal("no operation on strings")),
        }
    }

    fn str_eq(&mut self, i: &Instr) -> Done {
        let (p, q) = (self.read(i.b)?, self.read(i.c)?);
        let dst = i.a;
        let tests = |l: &mut Self, slow| {
            l.unless_plain(slow, p);
            l.unless_plain(slow, q);
        };
        // A constant of one byte stands on either side.
        let short = [(p, q), (q, p)]
            .into_iter()
            .find_map(|(s, k)| match self.text(k) {
                Some([byte]) => Some((s, *byte)),
                _ => None,
            });
        if let Some((s, byte)) = short {
            return self.or_step(i, tests, |l, ()| {
                let none = l.int(0);
                l.charge_work(none);
                let (n, one) = (l.str_size(s), l.int(1));
                let single = l.push(Op::Cmp(Cc::Eq, n, one));
                let (x, k) = (l.first_byte(s), l.int(i64::from(byte)));
                let first = l.push(Op::Cmp(Cc::Eq, x, k));
                let v = l.bin(Bin::And, single, first);
                l.write(dst, v);
                Ok(())
            });
        }
        self.or_step(i, tests, |l, ()| {
            let n = l.str_size(p);
            let m = l.str_size(q);
            let same = l.push(Op::Cmp(Cc::Eq, n, m));
            let work = l.byte_work(n);
            let work = l.bin(Bin::Mul, work, same);
            l.charge_work(work);
            let one = l.int(1);
            let v = l.either(
                (Cc::Ne, n, m),
                |l| l.int(0),
                |l| {
                    l.either(
                        (Cc::Gt, n, one),
                        |l| l.either((Cc::Eq, p, q), |_| one, |l| l.push(Op::StrSame(p, q))),
                        |l| {
                            let (x, y) = (l.first_byte(p), l.first_byte(q));
                            let same = l.push(Op::Cmp(Cc::Eq, x, y));
                            let zero = l.int(0);
                            let empty = l.push(Op::Cmp(Cc::Eq, n, zero));
                            l.bin(Bin::Or, same, empty)
                        },
                    )
                },
            );
            l.write(dst, v);
            Ok(())
        })
    }

    /// Part of a string that stands in one piece: one byte of ASCII here, others by a helper.
    pub(crate) fn slice(&mut self, i: &Instr, [s, from, to]: [u16; 3]) -> Done {
        let (s, from, to) = (self.read(s)?, self.read(from)?, self.read(to)?);
        let dst = i.a;
        let exit = self.exit(false);
        let tests = |l: &mut Self, slow| l.unless_plain(slow, s);
        self.or_step(i, tests, |l, ()| {
            // Where there is no such part, the helper says so, and nothing was charged.
            let span = l.bin(Bin::Sub, to, from);
            let work = l.byte_work(span);
            l.charge_work(work);
            let [other, join] = [(); 2].map(|()| l.g.block());
            let (len, one) = (l.str_size(s), l.int(1));
            l.unless(other, Cc::Ne, span, one);
            l.unless(other, Cc::Uge, from, len);
            // The whole is the string itself.
            l.unless(other, Cc::Eq, len, one);
            let index = l.masked_index(from, len);
            let byte = l.push(Op::LoadElem(s, index, Width::U8, Alias::Fixed));
            let ascii = l.int(0x80);
            l.unless(other, Cc::Uge, byte, ascii);
            let granules = (array_size(Format::Str, 1) >> GRANULE_SHIFT) as u32;
            let header = Header::of(Format::Str, 0).0;
            let fresh = l.push(Op::Alloc(granules, header, exit));
            l.push(Op::Init(fresh, LENGTH_OFFSET as u32, one, Width::U32));
            l.push(Op::Init(fresh, DATA_OFFSET as u32, byte, Width::U8));
            let end = |v| {
                let args = vec![v];
                Term::Jump(Edge { block: join, args })
            };
            l.g.blocks[l.cur].term = end(fresh);
            l.cur = other;
            let part = l.push(Op::StrPart(s, from, to, exit));
            l.g.blocks[l.cur].term = end(part);
            l.cur = join;
            let v = l.g.param(join, Ty::I);
            l.write(dst, v);
            Ok(())
        })
    }

    /// Where a string first stands in another, both in one piece.
    pub(crate) fn find(&mut self, i: &Instr, [s, pattern, from]: [u16; 3]) -> Done {
        let (s, pattern, from) = (self.read(s)?, self.read(pattern)?, self.read(from)?);
        let dst = i.a;
        let tests = |l: &mut Self, slow| {
            l.unless_plain(slow, s);
            l.unless_plain(slow, pattern);
            let zero = l.int(0);
            l.unless(slow, Cc::Lt, from, zero);
        };
        self.or_step(i, tests, |l, ()| {
            let (n, m) = (l.str_size(s), l.str_size(pattern));
            let bytes = l.bin(Bin::Add, n, m);
            let work = l.byte_work(bytes);
            l.charge_work(work);
            let v = l.push(Op::StrFind(s, pattern, from));
            l.write(dst, v);
            Ok(())
        })
    }

    /// The bytes of a string that is a constant.
    fn text(&self, v: Val) -> Option<&[u8]> {
        let Op::Pool(n) = self.g.ops[v as usize] else {
            return None;
        };
        match jet_vm::plug::constant(self.program, n)? {
            Const::Str(s) => Some(s.as_bytes()),
            _ => None,
        }
    }

    /// The first byte of a plain string; of an empty one, anything.
    fn first_byte(&mut self, s: Val) -> Val {
        const { assert!(array_size(Format::Str, 0) > DATA_OFFSET as u64) };
        self.push(Op::Load(s, DATA_OFFSET as u32, Width::U8, Alias::Fixed))
    }

    /// Whether this operation has been left often because of a string.
    fn stepped(&self) -> bool {
        self.region.stepped.contains(&(self.ctx, self.pc))
    }

    /// Leaves, or goes to `slow`, if the string is a rope or stands elsewhere.
    fn unless_plain(&mut self, slow: BlockId, s: Val) {
        // Constants stand in one piece.
        if self.text(s).is_some() {
            return;
        }
        if self.stepped() {
            let (format, plain) = (self.format(s), self.int(Format::Str as i64));
            self.unless(slow, Cc::Ne, format, plain);
        } else {
            self.plain_or_leave(s);
        }
    }

    fn plain_or_leave(&mut self, s: Val) {
        let (format, plain) = (self.format(s), self.int(Format::Str as i64));
        let exit = self.exit(true);
        self.push(Op::Guard(Cc::Ne, format, plain, exit));
    }

    fn str_size(&mut self, s: Val) -> Val {
        self.push(Op::Load(s, LENGTH_OFFSET as u32, Width::U32, Alias::Fixed))
    }

    /// Fuel for work on that many bytes.
    fn byte_work(&mut self, bytes: Val) -> Val {
        let shift = self.int(i64::from(BYTES_PER_UNIT.trailing_zeros()));
        self.bin(Bin::Ushr, bytes, shift)
    }

    /// Format of an object.
    fn format(&mut self, object: Val) -> Val {
        let byte = self.push(Op::Load(object, 0, Width::U8, Alias::Fixed));
        let mask = self.int(FORMAT_MASK as i64);
        self.bin(Bin::And, byte, mask)
    }
}
