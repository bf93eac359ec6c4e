//! Operand types of every instruction: the classes of the opcode table, then the rules of `special` rows.
//!
//! What must stay true: an opcode is either `simple`, and its classes say everything, or has an arm
//! here or in [`super::calls`]; there is no default that accepts. Registers were checked to be declared.

use super::facts::Facts;
use super::formation::spell;
use super::receivers::{self, Openings};
use super::{Result, Rule, ensure, error, refuse};
use crate::analysis::decode::Instr;
use crate::layout::{self, EnumRepr, RegKind};
use crate::linked::*;
use crate::module::{Const, FnKind};
use crate::opcodes::{Class, Lane, Op, TrapKind};
use std::collections::HashMap;

/// Checks operands of one function.
pub(super) struct Operands<'a> {
    pub(super) prog: &'a Program,
    pub(super) f: &'a LFunction,
    /// The receiver register, if the function is an attenuator's method.
    pub(super) receiver: Option<u16>,
    /// In a literal, the attenuator registers read from captures.
    captured: HashMap<u16, u16>,
    pub(super) openings: &'a Openings,
    pub(super) facts: &'a Facts<'a>,
}

impl<'a> Operands<'a> {
    pub(super) fn new(
        prog: &'a Program,
        f: &'a LFunction,
        openings: &'a Openings,
        facts: &'a Facts<'a>,
    ) -> Self {
        let first = f.sig.params.first().copied();
        let is_method = f.kind == FnKind::Named && first.is_some_and(|t| prog.kind(t) == Kind::Att);
        let receiver = is_method.then_some(f.sig.uses.len() as u16);
        Operands {
            prog,
            f,
            receiver,
            captured: receivers::captured(prog, f),
            openings,
            facts,
        }
    }

    pub(super) fn ty(&self, r: u16) -> Result<TypeId> {
        self.f
            .reg_type(r)
            .ok_or_else(|| error(Rule::RegisterIndex, format!("register {r}")))
    }

    pub(super) fn lty(&self, r: u16) -> Result<&'a LType> {
        Ok(self.prog.ty(self.ty(r)?))
    }

    pub(super) fn same(&self, r: u16, ty: TypeId, rule: Rule, what: &str) -> Result<()> {
        let own = self.ty(r)?;
        ensure(own == ty, rule, || {
            let (want, have) = (spell(self.prog, ty), spell(self.prog, own));
            format!("{what}: register {r} is {have}, not {want}")
        })
    }

    /// Registers given as arguments are exactly of these types.
    pub(super) fn fill(
        &self,
        args: &[u16],
        types: impl ExactSizeIterator<Item = TypeId>,
        rule: Rule,
    ) -> Result<()> {
        ensure(args.len() == types.len(), rule, || {
            format!("{} arguments for {}", args.len(), types.len())
        })?;
        for (r, ty) in args.iter().zip(types) {
            self.same(*r, ty, rule, "argument")?;
        }
        Ok(())
    }

    fn class(&self, r: u16, class: Class) -> Result<()> {
        let ty = self.ty(r)?;
        let ok = self.facts.is(ty, class);
        ensure(ok, Rule::Class, || {
            format!("register {r} is {}, not {class:?}", spell(self.prog, ty))
        })
    }

    /// Work of the checks of one instruction beyond its operands: sets and variants that are gone through.
    pub(super) fn work(&self, i: &Instr) -> usize {
        let r = match i.op {
            Op::ConstImm | Op::New | Op::Raise | Op::OnError => i.a,
            Op::HashWord | Op::Mov => i.b,
            _ => return 0,
        };
        match self.f.reg_type(r).map(|t| self.prog.ty(t)) {
            Some(LType::ErrorSet(set)) => set.len() / 8,
            Some(LType::Nominal(n)) => match self.prog.nominal(*n).map(|n| &n.kind) {
                Some(LNominalKind::Enum(vs)) => vs.len() / 16,
                _ => 0,
            },
            _ => 0,
        }
    }

    /// Checks one instruction (not `on_error`); returns the errors of a call. `args` is room for its arguments.
    pub(super) fn check(&self, i: &Instr, args: &mut Vec<u16>) -> Result<&'a [NominalId]> {
        for (lane, value) in i.operands() {
            if let Lane::Write(class) | Lane::Read(class) = lane {
                self.class(value, class)?;
            }
        }
        if !i.op.info().special {
            return Ok(&[]);
        }
        args.clear();
        args.extend(i.args(&self.f.code));
        let args = args.as_slice();
        match i.op {
            Op::Call | Op::CallFn | Op::CallDyn | Op::CapCall => return self.call(i, args),
            Op::Builtin => self.builtin(i, args)?,
            Op::MakeFn | Op::MakeBorrowed => self.literal(i, args)?,
            Op::BindFn => self.bind_fn(i, args)?,
            Op::GetCapture => self.get_capture(i)?,
            Op::Ret | Op::Raise => self.leave(i)?,
            Op::MakeDyn | Op::AsCap | Op::Recap => self.convert(i)?,
            Op::NewAtt => self.new_att(i, args)?,
            Op::GetCap => self.get_cap(i)?,
            Op::New => self.new_record(i, args)?,
            Op::GetField | Op::SetField => self.field(i)?,
            Op::Mov => self.mov(i)?,
            Op::DeepCopy => {
                let kind = self.prog.kind(self.ty(i.b)?);
                ensure(kind == Kind::Data, Rule::Class, || {
                    format!("register {} is no data", i.b)
                })?;
                self.same(i.a, self.ty(i.b)?, Rule::SameType, "copy")?;
            }
            Op::ConstImm => self.const_imm(i)?,
            Op::LoadConst => self.load_const(i)?,
            Op::EqWord | Op::NeWord | Op::LtWord | Op::LeWord | Op::EqRef => {
                self.same(i.c, self.ty(i.b)?, Rule::SameType, "comparison")?;
            }
            Op::JEq | Op::JNe | Op::JLt | Op::JLe => {
                self.same(i.b, self.ty(i.a)?, Rule::SameType, "comparison")?;
            }
            // Classes say all; the rest are jumps whose targets the flow pass checks.
            Op::Jmp | Op::JmpIf | Op::JmpIfNot => {}
            Op::JEqImm | Op::JNeImm | Op::JLtImm | Op::JLeImm | Op::JGtImm | Op::JGeImm => {}
            Op::JEqFloat
            | Op::JNeFloat
            | Op::JLtFloat
            | Op::JLeFloat
            | Op::JNltFloat
            | Op::JNleFloat => {}
            Op::ListLen | Op::Panic | Op::GetTag => {}
            Op::JTag | Op::JNotTag => {
                self.variant(i.a, i.b)?;
            }
            Op::JErrIs => {
                let ty = self.prog.resolve_type(self.f.package, i.b);
                let ty = ty.ok_or_else(|| error(Rule::Index, format!("type {}", i.b)))?;
                self.error_member(i.a, ty)?;
            }
            Op::ErrCast => self.error_member(i.b, self.ty(i.a)?)?,
            Op::Switch => self.switch(i)?,
            Op::StrConcatN => {
                for r in args {
                    self.class(*r, Class::Str)?;
                }
            }
            Op::GetPayload => {
                let (variant, field) = (i.c >> 8, usize::from(i.c & 0xff));
                let fields = self.variant(i.b, variant)?;
                let payload = fields.get(field).ok_or_else(|| {
                    error(
                        Rule::Variant,
                        format!("payload {field} of variant {variant}"),
                    )
                })?;
                self.same(i.a, payload.ty, Rule::SameType, "payload")?;
            }
            Op::Trap => {
                use TrapKind as K;
                let ok = matches!(
                    TrapKind::from_u16(i.a),
                    Some(
                        K::Overflow
                            | K::ZeroDivide
                            | K::Bounds
                            | K::Shift
                            | K::Conversion
                            | K::MissingKey
                            | K::Panic
                            | K::Variant
                            | K::Changed
                            | K::Unreachable
                    )
                );
                ensure(ok, Rule::TrapKind, || format!("kind {}", i.a))?;
            }
            Op::HashWord => {
                let kind = layout::reg_kind(self.prog, self.ty(i.b)?);
                ensure(kind != RegKind::Ref, Rule::Class, || {
                    format!("register {} is no scalar", i.b)
                })?;
            }
            Op::ListNew
            | Op::ListOf
            | Op::ListFill
            | Op::ListGet
            | Op::ListSet
            | Op::ListPush
            | Op::ListPop
            | Op::ListInsert
            | Op::ListRemove
            | Op::ListSwap
            | Op::ListTruncate
            | Op::ListExtend
            | Op::ListSlice => self.list(i, args)?,
            other => {
                let what = format!("`{}` has no rule", other.info().mnemonic);
                return refuse(Rule::Class, what);
            }
        }
        Ok(&[])
    }

    fn elem(&self, r: u16) -> Result<TypeId> {
        match self.lty(r)? {
            LType::List(t) => Ok(*t),
            _ => refuse(Rule::Class, format!("register {r} is no list")),
        }
    }

    fn list(&self, i: &Instr, args: &[u16]) -> Result<()> {
        let element = |r: u16, list: u16| {
            let elem = self.elem(list)?;
            self.same(r, elem, Rule::Element, "element")
        };
        match i.op {
            Op::ListFill => element(i.c, i.a),
            Op::ListGet | Op::ListPop | Op::ListRemove => element(i.a, i.b),
            Op::ListSet | Op::ListInsert => element(i.c, i.a),
            Op::ListPush => element(i.b, i.a),
            Op::ListOf => args.iter().try_for_each(|r| element(*r, i.a)),
            Op::ListExtend => self.same(i.b, self.ty(i.a)?, Rule::Element, "list"),
            Op::ListSlice => {
                self.same(i.b, self.ty(i.a)?, Rule::Element, "list")?;
                ensure(args.len() == 2, Rule::Arguments, || {
                    format!("{} bounds", args.len())
                })?;
                args.iter().try_for_each(|r| self.class(*r, Class::Int))
            }
            // Allocation, swap and truncation: classes say all.
            _ => Ok(()),
        }
    }

    fn mov(&self, i: &Instr) -> Result<()> {
        if self.ty(i.a)? == self.ty(i.b)? {
            return Ok(());
        }
        let wider = match self.lty(i.a)? {
            LType::ErrorSet(set) => match self.lty(i.b)? {
                LType::ErrorSet(from) => self.facts.subset(from, set),
                LType::Nominal(e) => set.binary_search(e).is_ok(),
                _ => false,
            },
            _ => false,
        };
        if wider {
            return Ok(());
        }
        self.same(i.b, self.ty(i.a)?, Rule::SameType, "source")
    }

    fn const_imm(&self, i: &Instr) -> Result<()> {
        let v = i.imm32();
        let ok = match self.lty(i.a)? {
            LType::Int => true,
            LType::Unit => v == 0,
            LType::Bool => (0..=1).contains(&v),
            LType::Byte => (0..=255).contains(&v),
            LType::Char => char::from_u32(v as u32).is_some(),
            LType::Nominal(n) => {
                let count = match self.prog.nominal(*n).map(|n| &n.kind) {
                    Some(LNominalKind::Enum(vs)) => vs.len() as i64,
                    _ => 0,
                };
                layout::enum_repr(self.prog, *n) == Some(EnumRepr::Immediate)
                    && (0..count).contains(&i64::from(v))
            }
            _ => false,
        };
        ensure(ok, Rule::Immediate, || {
            format!("{v} is no immediate of register {}", i.a)
        })
    }

    fn load_const(&self, i: &Instr) -> Result<()> {
        let k = i.const_index();
        let value = self.prog.constant(self.f.package, k);
        let value = value.ok_or_else(|| error(Rule::Index, format!("constant {k}")))?;
        let class = match value {
            Const::Int(_) => Class::Int,
            Const::Float(_) => Class::Float,
            Const::Str(_) => Class::Str,
        };
        self.class(i.a, class)
    }

    /// The payload of a variant of the enum in a register.
    fn variant(&self, r: u16, variant: u16) -> Result<&'a [LField]> {
        let variants = self.variants(r)?;
        let v = variants.get(usize::from(variant)).ok_or_else(|| {
            let what = format!("variant {variant} of {}", variants.len());
            error(Rule::Variant, what)
        })?;
        Ok(&v.fields)
    }

    fn variants(&self, r: u16) -> Result<&'a [LVariant]> {
        let nominal = match self.lty(r)? {
            LType::Nominal(n) => self.prog.nominal(*n),
            _ => None,
        };
        match nominal.map(|n| &n.kind) {
            Some(LNominalKind::Enum(vs) | LNominalKind::Error(vs)) => Ok(vs),
            _ => refuse(Rule::Class, format!("register {r} is no enum")),
        }
    }

    fn switch(&self, i: &Instr) -> Result<()> {
        let n = usize::from(i.b);
        let ok = match self.lty(i.a)? {
            LType::Int => n >= 1,
            LType::Nominal(_) => {
                let variants = self.variants(i.a).map_or(0, <[_]>::len);
                (1..=variants).contains(&n)
            }
            _ => false,
        };
        ensure(ok, Rule::SwitchForm, || {
            format!("{n} targets on register {}", i.a)
        })
    }

    fn error_member(&self, set: u16, ty: TypeId) -> Result<()> {
        let ok = match (self.lty(set)?, self.prog.ty(ty)) {
            (LType::ErrorSet(set), LType::Nominal(e)) => set.binary_search(e).is_ok(),
            _ => false,
        };
        ensure(ok, Rule::ErrorMember, || {
            format!("{} in register {set}", spell(self.prog, ty))
        })
    }

    fn struct_fields(&self, r: u16) -> Option<(&'a LNominal, &'a [LField])> {
        let LType::Nominal(n) = self.lty(r).ok()? else {
            return None;
        };
        let n = self.prog.nominal(*n)?;
        match &n.kind {
            LNominalKind::Struct(fields) => Some((n, fields)),
            _ => None,
        }
    }

    fn new_record(&self, i: &Instr, args: &[u16]) -> Result<()> {
        let no_variant = || {
            ensure(i.b == 0, Rule::Variant, || {
                format!("variant {} of a struct or tuple", i.b)
            })
        };
        if let LType::Tuple(ts) = self.lty(i.a)? {
            no_variant()?;
            return self.fill(args, ts.iter().copied(), Rule::Arguments);
        }
        if let Some((n, fields)) = self.struct_fields(i.a) {
            ensure(!n.attenuator, Rule::NewAttenuator, || {
                format!("`{}`", n.name.escape_debug())
            })?;
            no_variant()?;
            return self.fill(args, fields.iter().map(|f| f.ty), Rule::Arguments);
        }
        let payload = self.variant(i.a, i.b)?;
        if let LType::Nominal(n) = self.lty(i.a)? {
            let repr = layout::enum_repr(self.prog, *n);
            ensure(repr != Some(EnumRepr::Immediate), Rule::Class, || {
                String::from("an enum without payloads is made by `const_imm`")
            })?;
        }
        self.fill(args, payload.iter().map(|f| f.ty), Rule::Arguments)
    }

    /// The register may be opened: the receiver, or what a literal captured (its maker is checked).
    pub(super) fn receiver_only(&self, r: u16) -> Result<()> {
        let ok = self.receiver == Some(r) || self.captured.contains_key(&r);
        ensure(ok, Rule::Receiver, || {
            format!("register {r} is not the receiver")
        })
    }

    fn field(&self, i: &Instr) -> Result<()> {
        let get = i.op == Op::GetField;
        let (object, index, value) = if get {
            (i.b, i.c, i.a)
        } else {
            (i.a, i.b, i.c)
        };
        let missing = || error(Rule::FieldIndex, format!("field {index}"));
        if get && let LType::Tuple(ts) = self.lty(object)? {
            let ty = ts.get(usize::from(index)).ok_or_else(missing)?;
            return self.same(value, *ty, Rule::SameType, "field");
        }
        let Some((n, fields)) = self.struct_fields(object) else {
            return refuse(Rule::Class, format!("register {object} has no fields"));
        };
        let field = fields.get(usize::from(index)).ok_or_else(missing)?;
        if n.attenuator {
            self.receiver_only(object)?;
            ensure(
                self.prog.kind(field.ty).first_class(),
                Rule::FieldIndex,
                || format!("field {index} is no data; `get_cap` reads it"),
            )?;
        }
        ensure(get || field.mutable, Rule::Mutable, || {
            format!("field `{}`", field.name.escape_debug())
        })?;
        self.same(value, field.ty, Rule::SameType, "field")
    }

    fn new_att(&self, i: &Instr, args: &[u16]) -> Result<()> {
        match self.struct_fields(i.a) {
            Some((n, fields)) if n.attenuator => {
                self.fill(args, fields.iter().map(|f| f.ty), Rule::Arguments)
            }
            _ => refuse(Rule::NewAttenuator, format!("register {}", i.a)),
        }
    }

    fn get_cap(&self, i: &Instr) -> Result<()> {
        self.receiver_only(i.b)?;
        let field = self
            .struct_fields(i.b)
            .and_then(|(_, fields)| fields.get(usize::from(i.c)))
            .filter(|f| matches!(self.prog.kind(f.ty), Kind::Cap | Kind::Att));
        let field =
            field.ok_or_else(|| error(Rule::FieldIndex, format!("capability field {}", i.c)))?;
        self.same(i.a, field.ty, Rule::SameType, "field")
    }
}
