//! Enums, errors and conditions: how a variant is told, and the tests of conditional jumps.
//!
//! What must stay true: a tag is read only of what is an object; a payload is read of the value that stands
//! behind the check of its variant.

use jet_bytecode::analysis::decode::Instr;
use jet_bytecode::layout::{self, EnumRepr};
use jet_bytecode::linked::{LNominalKind, LType};
use jet_bytecode::opcodes::Op as Code;
use jet_gc::layout::{FIRST_ADDRESS, TAG_OFFSET};

use crate::Abort;
use crate::ir::{Alias, BlockId, Cc, Edge, FCc, Op, Shown, Term, Val, Width};
use crate::lower::{Cond, Lower};
use crate::lower_ops::{BAD, Done};

impl Lower<'_> {
    /// Whether a value of the enum in this register may be an immediate.
    fn has_immediates(&self, r: u16) -> Done<bool> {
        let LType::Nominal(n) = self.ltype(r)? else {
            return Ok(false);
        };
        Ok(match &self.program.nominal(*n).ok_or(BAD)?.kind {
            LNominalKind::Enum(vs) => vs.iter().any(|v| v.fields.is_empty()),
            _ => false,
        })
    }

    fn tag(&mut self, object: Val) -> Val {
        self.push(Op::Load(object, TAG_OFFSET as u32, Width::U8, Alias::Fixed))
    }

    /// What a switch on this register goes by: the int, or the variant's index.
    pub(crate) fn switch_value(&mut self, r: u16) -> Done<Val> {
        let v = self.read(r)?;
        let zero = self.int(0);
        Ok(match self.repr(r)? {
            None | Some(EnumRepr::Immediate) => v,
            Some(EnumRepr::Nullable { none: 0, .. }) => self.push(Op::Cmp(Cc::Ne, v, zero)),
            Some(EnumRepr::Nullable { .. }) => self.push(Op::Cmp(Cc::Eq, v, zero)),
            Some(EnumRepr::Boxed | EnumRepr::Error) => {
                if self.has_immediates(r)? {
                    let first = self.int(i64::from(FIRST_ADDRESS));
                    self.either((Cc::Ult, v, first), |_| v, |l| l.tag(v))
                } else {
                    self.tag(v)
                }
            }
        })
    }

    pub(crate) fn payload(&mut self, i: &Instr) -> Done {
        let (variant, field) = (i.c >> 8, i.c & 0xff);
        let r = self.read(i.b)?;
        match self.repr(i.b)?.ok_or(BAD)? {
            EnumRepr::Nullable { some, .. } if some == variant => {
                let zero = self.int(0);
                self.guard(Cc::Eq, r, zero);
                let known = self.push(Op::Known(r, Shown::Some));
                self.write(i.a, known);
                Ok(())
            }
            EnumRepr::Immediate | EnumRepr::Nullable { .. } => {
                Err(Abort::Unsupported("a payload that no value has"))
            }
            EnumRepr::Boxed | EnumRepr::Error => {
                if self.has_immediates(i.b)? {
                    let first = self.int(i64::from(FIRST_ADDRESS));
                    self.guard(Cc::Ult, r, first);
                }
                let tag = self.tag(r);
                let k = self.int(i64::from(variant));
                self.guard(Cc::Ne, tag, k);
                let LType::Nominal(n) = self.ltype(i.b)? else {
                    return Err(BAD);
                };
                let layout = layout::nominal_record(self.program, *n, variant).ok_or(BAD)?;
                self.set_fixed(i.a, r, &layout, usize::from(field), Alias::Fixed)
            }
        }
    }

    /// Ends the current block with a conditional jump's test: block, edge, whether it is the taken one.
    pub(crate) fn branch(&mut self, i: &Instr) -> Done<Vec<(BlockId, usize, bool)>> {
        macro_rules! int {
            ($cc:ident) => {
                Cond::Int(Cc::$cc, self.read(i.a)?, self.read(i.b)?)
            };
        }
        macro_rules! imm {
            ($cc:ident) => {
                Cond::Int(Cc::$cc, self.read(i.a)?, self.int(i64::from(i.b as i16)))
            };
        }
        macro_rules! float {
            ($cc:ident) => {
                Cond::Float(FCc::$cc, self.read(i.a)?, self.read(i.b)?)
            };
        }
        let cond = match i.op {
            Code::JmpIf => Cond::Int(Cc::Ne, self.read(i.a)?, self.int(0)),
            Code::JmpIfNot => Cond::Int(Cc::Eq, self.read(i.a)?, self.int(0)),
            Code::JEq => int!(Eq),
            Code::JNe => int!(Ne),
            Code::JLt => int!(Lt),
            Code::JLe => int!(Le),
            Code::JEqImm => imm!(Eq),
            Code::JNeImm => imm!(Ne),
            Code::JLtImm => imm!(Lt),
            Code::JLeImm => imm!(Le),
            Code::JGtImm => imm!(Gt),
            Code::JGeImm => imm!(Ge),
            Code::JEqFloat => float!(Eq),
            Code::JNeFloat => float!(Ne),
            Code::JLtFloat => float!(Lt),
            Code::JLeFloat => float!(Le),
            Code::JNltFloat => float!(Nlt),
            Code::JNleFloat => float!(Nle),
            Code::JErrIs => {
                let ty = self
                    .program
                    .resolve_type(self.f().package, i.b)
                    .ok_or(BAD)?;
                let LType::Nominal(n) = self.program.ty(ty) else {
                    return Err(BAD);
                };
                let r = self.read(i.a)?;
                let id = self.type_id(r);
                Cond::Int(Cc::Eq, id, self.int(i64::from(n.0)))
            }
            Code::JTag | Code::JNotTag => return self.jump_tag(i),
            _ => return Err(Abort::Unsupported("a jump of another kind")),
        };
        let at = self.cur;
        let (yes, no) = (Edge::default(), Edge::default());
        self.g.blocks[at].term = match cond {
            Cond::Int(cc, a, b) => Term::Branch(cc, a, b, yes, no),
            Cond::Float(cc, a, b) => Term::FBranch(cc, a, b, yes, no),
        };
        Ok(vec![(at, 0, true), (at, 1, false)])
    }

    fn jump_tag(&mut self, i: &Instr) -> Done<Vec<(BlockId, usize, bool)>> {
        let r = self.read(i.a)?;
        let negate = i.op == Code::JNotTag;
        let ty = self.ty(i.a)?;
        let repr = self.repr(i.a)?.ok_or(BAD)?;
        let LType::Nominal(n) = self.program.ty(ty) else {
            return Err(BAD);
        };
        let empty = || {
            let layout = layout::nominal_record(self.program, *n, i.b);
            Ok::<bool, Abort>(layout.ok_or(BAD)?.fields.is_empty())
        };
        let plain = |cc: Cc, k: i64| (if negate { cc.negate() } else { cc }, k);
        let (cc, k) = match repr {
            EnumRepr::Nullable { none, .. } => plain(if none == i.b { Cc::Eq } else { Cc::Ne }, 0),
            EnumRepr::Immediate => plain(Cc::Eq, i64::from(i.b)),
            EnumRepr::Boxed if empty()? => plain(Cc::Eq, i64::from(i.b)),
            EnumRepr::Boxed | EnumRepr::Error => {
                let mut edges = Vec::new();
                if self.has_immediates(i.a)? {
                    let first = self.int(i64::from(FIRST_ADDRESS));
                    let next = self.g.block();
                    let at = self.cur;
                    let to = Edge::to(next);
                    self.g.blocks[at].term = Term::Branch(Cc::Ult, r, first, Edge::default(), to);
                    edges.push((at, 0, negate));
                    self.cur = next;
                }
                let tag = self.tag(r);
                let k = self.int(i64::from(i.b));
                let at = self.cur;
                self.g.blocks[at].term =
                    Term::Branch(Cc::Eq, tag, k, Edge::default(), Edge::default());
                edges.push((at, 0, !negate));
                edges.push((at, 1, negate));
                return Ok(edges);
            }
        };
        let k = self.int(k);
        let at = self.cur;
        self.g.blocks[at].term = Term::Branch(cc, r, k, Edge::default(), Edge::default());
        Ok(vec![(at, 0, true), (at, 1, false)])
    }
}
