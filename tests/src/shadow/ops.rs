//! One instruction of the shadow interpreter.

use super::{Authority, Closure, MAX_SIZE, Record, Shadow, Step, Stop, Value, violated};
use jet_bytecode::analysis::decode::Instr;
use jet_bytecode::linked::*;
use jet_bytecode::module::Const;
use jet_bytecode::opcodes::{Op, TrapKind};
use std::cell::RefCell;
use std::rc::Rc;

fn trap<T>(kind: TrapKind) -> Step<T> {
    Err(Stop::Trap(kind))
}

/// A comparison of words: ints, bools, bytes, chars, variants.
fn word(v: &Value) -> Step<i64> {
    Ok(match v {
        Value::Int(v) => *v,
        Value::Bool(v) => i64::from(*v),
        Value::Byte(v) => i64::from(*v),
        Value::Char(v) => i64::from(u32::from(*v)),
        Value::Record(r) if r.fields.borrow().is_empty() => i64::from(r.variant),
        other => return violated(format!("{other:?} as a word")),
    })
}

type Items = Rc<RefCell<Vec<Value>>>;

impl Shadow<'_> {
    fn int(&mut self, r: u16) -> Step<i64> {
        match self.get(r)? {
            Value::Int(v) => Ok(v),
            other => violated(format!("{other:?} as int")),
        }
    }

    fn float(&mut self, r: u16) -> Step<f64> {
        match self.get(r)? {
            Value::Float(v) => Ok(v),
            other => violated(format!("{other:?} as float")),
        }
    }

    fn boolean(&mut self, r: u16) -> Step<bool> {
        match self.get(r)? {
            Value::Bool(v) => Ok(v),
            other => violated(format!("{other:?} as bool")),
        }
    }

    fn string(&mut self, r: u16) -> Step<Rc<str>> {
        match self.get(r)? {
            Value::Str(v) => Ok(v),
            other => violated(format!("{other:?} as string")),
        }
    }

    fn items(&mut self, r: u16) -> Step<(TypeId, Items)> {
        match self.get(r)? {
            Value::List(t, items) => Ok((t, items)),
            other => violated(format!("{other:?} as list")),
        }
    }

    fn object(&mut self, r: u16) -> Step<Rc<Record>> {
        match self.get(r)? {
            Value::Record(record) => Ok(record),
            other => violated(format!("{other:?} as record")),
        }
    }

    /// The element type of the list that a register is declared for.
    fn elem(&self, r: u16) -> Step<TypeId> {
        match self.prog.ty(self.declared(r)?) {
            LType::List(t) => Ok(*t),
            other => violated(format!("r{r} is no list but {other:?}")),
        }
    }

    fn declared(&self, r: u16) -> Step<TypeId> {
        let (f, _) = self.here()?;
        match f.reg_type(r) {
            Some(t) => Ok(t),
            None => violated(format!("r{r} is not declared")),
        }
    }

    /// Puts an element in: of the list's element type.
    fn element(&mut self, v: &Value, elem: TypeId) -> Step<()> {
        self.check(v, elem, "element")
    }

    fn arg_values(&mut self, f: &LFunction, i: &Instr) -> Step<Vec<Value>> {
        let regs: Vec<u16> = i.args(&f.code).collect();
        regs.into_iter().map(|r| self.get(r)).collect()
    }

    fn branch(&mut self, taken: bool, i: &Instr) -> Step<()> {
        match (taken, i.target()) {
            (false, _) => self.next(i),
            (true, Some(t)) => self.jump(t),
            (true, None) => violated("a jump without target"),
        }
    }

    fn arithmetic(&mut self, i: &Instr) -> Step<Value> {
        let (x, y) = (self.int(i.b)?, self.int(i.c)?);
        let or = |v: Option<i64>| v.map_or_else(|| trap(TrapKind::Overflow), Ok);
        let shift = |ok: bool| {
            if ok { Ok(()) } else { trap(TrapKind::Shift) }
        };
        Ok(Value::Int(match i.op {
            Op::AddInt => or(x.checked_add(y))?,
            Op::SubInt => or(x.checked_sub(y))?,
            Op::MulInt => or(x.checked_mul(y))?,
            Op::DivInt | Op::RemInt if y == 0 => return trap(TrapKind::ZeroDivide),
            Op::DivInt => or(x.checked_div(y))?,
            Op::RemInt => or(x.checked_rem(y))?,
            Op::PowInt => match u32::try_from(y) {
                Ok(y) => or(x.checked_pow(y))?,
                Err(_) if y < 0 => return trap(TrapKind::Overflow),
                Err(_) => or(match x {
                    0 | 1 => Some(x),
                    -1 if y % 2 == 0 => Some(1),
                    -1 => Some(-1),
                    _ => None,
                })?,
            },
            Op::AddWrap => x.wrapping_add(y),
            Op::SubWrap => x.wrapping_sub(y),
            Op::MulWrap => x.wrapping_mul(y),
            Op::AndInt => x & y,
            Op::OrInt => x | y,
            Op::XorInt => x ^ y,
            Op::HashMix => x.rotate_left(5) ^ y,
            _ => {
                shift((0..64).contains(&y))?;
                match i.op {
                    Op::Shl => x << y,
                    Op::Shr => x >> y,
                    _ => ((x as u64) >> y) as i64,
                }
            }
        }))
    }

    fn floats(&mut self, i: &Instr) -> Step<Value> {
        let (x, y) = (self.float(i.b)?, self.float(i.c)?);
        Ok(match i.op {
            Op::EqFloat => Value::Bool(x == y),
            Op::NeFloat => Value::Bool(x != y),
            Op::LtFloat => Value::Bool(x < y),
            Op::LeFloat => Value::Bool(x <= y),
            Op::CmpFloat => Value::Int(x.total_cmp(&y) as i64),
            Op::AddFloat => Value::Float(x + y),
            Op::SubFloat => Value::Float(x - y),
            Op::MulFloat => Value::Float(x * y),
            Op::DivFloat => Value::Float(x / y),
            Op::RemFloat => Value::Float(x % y),
            _ => Value::Float(x.powf(y)),
        })
    }

    fn unary(&mut self, i: &Instr) -> Step<Value> {
        Ok(match i.op {
            Op::NegInt => match self.int(i.b)?.checked_neg() {
                Some(v) => Value::Int(v),
                None => return trap(TrapKind::Overflow),
            },
            Op::NotInt => Value::Int(!self.int(i.b)?),
            Op::AddImm => match self.int(i.b)?.checked_add(i64::from(i.c as i16)) {
                Some(v) => Value::Int(v),
                None => return trap(TrapKind::Overflow),
            },
            Op::NotBool => Value::Bool(!self.boolean(i.b)?),
            Op::NegFloat => Value::Float(-self.float(i.b)?),
            Op::SqrtFloat => Value::Float(self.float(i.b)?.sqrt()),
            Op::IntToFloat => Value::Float(self.int(i.b)? as f64),
            Op::FloatToInt => {
                let x = self.float(i.b)?.trunc();
                if !(-9.3e18..9.3e18).contains(&x) {
                    return trap(TrapKind::Conversion);
                }
                Value::Int(x as i64)
            }
            Op::IntToByte => match u8::try_from(self.int(i.b)?) {
                Ok(v) => Value::Byte(v),
                Err(_) => return trap(TrapKind::Conversion),
            },
            Op::IntToChar => {
                let v = u32::try_from(self.int(i.b)?).ok().and_then(char::from_u32);
                match v {
                    Some(c) => Value::Char(c),
                    None => return trap(TrapKind::Conversion),
                }
            }
            _ => Value::Int(word(&self.get(i.b)?)?),
        })
    }

    fn immediate(&mut self, i: &Instr) -> Step<Value> {
        let v = i.imm32();
        let ty = self.declared(i.a)?;
        let bad = || violated(format!("immediate {v}"));
        Ok(match self.prog.ty(ty) {
            LType::Int => Value::Int(i64::from(v)),
            LType::Unit if v == 0 => Value::Unit,
            LType::Bool if v == 0 || v == 1 => Value::Bool(v == 1),
            LType::Byte => match u8::try_from(v) {
                Ok(v) => Value::Byte(v),
                Err(_) => return bad(),
            },
            LType::Char => match char::from_u32(v as u32) {
                Some(c) => Value::Char(c),
                None => return bad(),
            },
            LType::Nominal(_) => match u16::try_from(v) {
                Ok(variant) => self.record(ty, variant, Vec::new())?,
                Err(_) => return bad(),
            },
            _ => return bad(),
        })
    }

    /// Everything but `ret` and `raise`.
    pub(super) fn step(&mut self, f: &LFunction, i: &Instr) -> Step<()> {
        match i.op {
            Op::Ret | Op::Raise | Op::OnError => violated(format!("{:?} out of place", i.op)),
            Op::Jmp => self.branch(true, i),
            Op::JmpIf | Op::JmpIfNot => {
                let v = self.boolean(i.a)?;
                self.branch(v == (i.op == Op::JmpIf), i)
            }
            Op::JEq | Op::JNe | Op::JLt | Op::JLe => {
                let (x, y) = (self.get(i.a)?, self.get(i.b)?);
                let (x, y) = (word(&x)?, word(&y)?);
                let taken = match i.op {
                    Op::JEq => x == y,
                    Op::JNe => x != y,
                    Op::JLt => x < y,
                    _ => x <= y,
                };
                self.branch(taken, i)
            }
            Op::JEqImm | Op::JNeImm | Op::JLtImm | Op::JLeImm | Op::JGtImm | Op::JGeImm => {
                let (x, y) = (word(&self.get(i.a)?)?, i64::from(i.b as i16));
                let taken = match i.op {
                    Op::JEqImm => x == y,
                    Op::JNeImm => x != y,
                    Op::JLtImm => x < y,
                    Op::JLeImm => x <= y,
                    Op::JGtImm => x > y,
                    _ => x >= y,
                };
                self.branch(taken, i)
            }
            Op::JEqFloat
            | Op::JNeFloat
            | Op::JLtFloat
            | Op::JLeFloat
            | Op::JNltFloat
            | Op::JNleFloat => {
                let (x, y) = (self.float(i.a)?, self.float(i.b)?);
                let taken = match i.op {
                    Op::JEqFloat => x == y,
                    Op::JNeFloat => x != y,
                    Op::JLtFloat => x < y,
                    Op::JLeFloat => x <= y,
                    Op::JNltFloat => x.partial_cmp(&y).is_none_or(|o| !o.is_lt()),
                    _ => x.partial_cmp(&y).is_none_or(|o| !o.is_le()),
                };
                self.branch(taken, i)
            }
            Op::JTag | Op::JNotTag => {
                let is = self.object(i.a)?.variant == i.b;
                self.branch(is == (i.op == Op::JTag), i)
            }
            Op::JErrIs => {
                let ty = self.prog.resolve_type(f.package, i.b);
                let is = Some(self.object(i.a)?.ty) == ty;
                self.branch(is, i)
            }
            Op::Switch => {
                let at = match self.get(i.a)? {
                    Value::Int(v) => usize::try_from(v).ok(),
                    Value::Record(r) => Some(usize::from(r.variant)),
                    other => return violated(format!("switch on {other:?}")),
                };
                let to = at.and_then(|at| i.switch_targets(&f.code).nth(at));
                match to {
                    Some(t) => self.jump(t),
                    None => self.next(i),
                }
            }
            Op::Panic => {
                self.string(i.a)?;
                trap(TrapKind::Panic)
            }
            Op::Trap => match TrapKind::from_u16(i.a) {
                Some(kind) => trap(kind),
                None => violated(format!("trap {}", i.a)),
            },
            Op::Call | Op::CallFn | Op::CallDyn | Op::CapCall => self.call(f, i),
            Op::EndCap => match self.get(i.a)? {
                Value::Cap(..) => self.next(i),
                other => violated(format!("end of {other:?}")),
            },
            Op::ListSet
            | Op::ListPush
            | Op::ListInsert
            | Op::ListSwap
            | Op::ListTruncate
            | Op::ListExtend
            | Op::SetField => {
                self.change(i)?;
                self.next(i)
            }
            _ => {
                let v = self.value(f, i)?;
                self.set(i.a, v)?;
                self.next(i)
            }
        }
    }

    /// What an instruction writes into its register.
    fn value(&mut self, f: &LFunction, i: &Instr) -> Step<Value> {
        let prog = self.prog;
        Ok(match i.op {
            Op::Mov => self.get(i.b)?,
            Op::ConstImm => self.immediate(i)?,
            Op::LoadConst => match prog.constant(f.package, i.const_index()) {
                Some(Const::Int(v)) => Value::Int(*v),
                Some(Const::Float(bits)) => Value::Float(f64::from_bits(*bits)),
                Some(Const::Str(s)) => Value::Str(s.as_str().into()),
                None => return violated("no such constant"),
            },
            Op::AddInt
            | Op::SubInt
            | Op::MulInt
            | Op::DivInt
            | Op::RemInt
            | Op::PowInt
            | Op::AddWrap
            | Op::SubWrap
            | Op::MulWrap
            | Op::AndInt
            | Op::OrInt
            | Op::XorInt
            | Op::Shl
            | Op::Shr
            | Op::Ushr
            | Op::HashMix => self.arithmetic(i)?,
            Op::EqFloat
            | Op::NeFloat
            | Op::LtFloat
            | Op::LeFloat
            | Op::CmpFloat
            | Op::AddFloat
            | Op::SubFloat
            | Op::MulFloat
            | Op::DivFloat
            | Op::RemFloat
            | Op::PowFloat => self.floats(i)?,
            Op::NegInt
            | Op::NotInt
            | Op::AddImm
            | Op::NotBool
            | Op::NegFloat
            | Op::SqrtFloat
            | Op::IntToFloat
            | Op::FloatToInt
            | Op::IntToByte
            | Op::IntToChar
            | Op::WordToInt => self.unary(i)?,
            Op::EqWord | Op::NeWord | Op::LtWord | Op::LeWord => {
                let (x, y) = (self.get(i.b)?, self.get(i.c)?);
                let (x, y) = (word(&x)?, word(&y)?);
                Value::Bool(match i.op {
                    Op::EqWord => x == y,
                    Op::NeWord => x != y,
                    Op::LtWord => x < y,
                    _ => x <= y,
                })
            }
            Op::EqRef => Value::Bool(match (self.get(i.b)?, self.get(i.c)?) {
                (Value::List(_, x), Value::List(_, y)) => Rc::ptr_eq(&x, &y),
                (Value::Record(x), Value::Record(y)) | (Value::Dyn(_, x), Value::Dyn(_, y)) => {
                    Rc::ptr_eq(&x, &y)
                }
                (x, y) => return violated(format!("identity of {x:?} and {y:?}")),
            }),
            Op::StrConcat => {
                let (x, y) = (self.string(i.b)?, self.string(i.c)?);
                if x.len() + y.len() > MAX_SIZE {
                    return Err(Stop::Limit);
                }
                Value::Str(format!("{x}{y}").into())
            }
            Op::StrConcatN => {
                let mut out = String::new();
                for v in self.arg_values(f, i)? {
                    match v {
                        Value::Str(s) => out.push_str(&s),
                        other => return violated(format!("{other:?} as string")),
                    }
                    if out.len() > MAX_SIZE {
                        return Err(Stop::Limit);
                    }
                }
                Value::Str(out.into())
            }
            Op::StrLen => Value::Int(self.string(i.b)?.len() as i64),
            Op::StrByte => {
                let (s, at) = (self.string(i.b)?, self.int(i.c)?);
                match usize::try_from(at)
                    .ok()
                    .and_then(|a| s.as_bytes().get(a).copied())
                {
                    Some(b) => Value::Int(i64::from(b)),
                    None => return trap(TrapKind::Bounds),
                }
            }
            Op::StrEq => Value::Bool(self.string(i.b)? == self.string(i.c)?),
            Op::StrCmp => Value::Int(self.string(i.b)?.cmp(&self.string(i.c)?) as i64),
            Op::HashStr => Value::Int(self.string(i.b)?.len() as i64 * 31),
            Op::HashWord => {
                let v = self.get(i.b)?;
                match v {
                    Value::Float(x) => Value::Int(x.to_bits() as i64),
                    Value::Unit => Value::Int(0),
                    other => Value::Int(word(&other)?.wrapping_mul(31)),
                }
            }
            Op::DeepCopy => {
                let v = self.get(i.b)?;
                self.deep_copy(&v)?
            }
            Op::Builtin => {
                let args = self.arg_values(f, i)?;
                self.builtin(i.b, &args)?
            }
            Op::ListNew => {
                self.int(i.b)?;
                Value::List(self.elem(i.a)?, Items::default())
            }
            Op::ListOf => {
                let elem = self.elem(i.a)?;
                let items = self.arg_values(f, i)?;
                for v in &items {
                    self.element(v, elem)?;
                }
                Value::List(elem, Rc::new(RefCell::new(items)))
            }
            Op::ListFill => {
                let (n, v, elem) = (self.int(i.b)?, self.get(i.c)?, self.elem(i.a)?);
                self.element(&v, elem)?;
                let Ok(n) = usize::try_from(n) else {
                    return trap(TrapKind::Bounds);
                };
                if n > MAX_SIZE {
                    return Err(Stop::Limit);
                }
                Value::List(elem, Rc::new(RefCell::new(vec![v; n])))
            }
            Op::ListLen => {
                let (_, items) = self.items(i.b)?;
                let len = items.borrow().len();
                Value::Int(len as i64)
            }
            Op::ListGet => {
                let ((_, items), at) = (self.items(i.b)?, self.int(i.c)?);
                let v = usize::try_from(at)
                    .ok()
                    .and_then(|a| items.borrow().get(a).cloned());
                v.map_or_else(|| trap(TrapKind::Bounds), Ok)?
            }
            Op::ListPop => {
                let (_, items) = self.items(i.b)?;
                let v = items.borrow_mut().pop();
                v.map_or_else(|| trap(TrapKind::Bounds), Ok)?
            }
            Op::ListRemove => {
                let ((_, items), at) = (self.items(i.b)?, self.int(i.c)?);
                let len = items.borrow().len();
                match usize::try_from(at).ok().filter(|a| *a < len) {
                    Some(at) => items.borrow_mut().remove(at),
                    None => return trap(TrapKind::Bounds),
                }
            }
            Op::ListSlice => {
                let (elem, items) = self.items(i.b)?;
                let args = self.arg_values(f, i)?;
                let [Value::Int(from), Value::Int(to)] = args[..] else {
                    return violated("bounds of a slice");
                };
                let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
                let part = range.and_then(|(a, b)| items.borrow().get(a..b).map(<[_]>::to_vec));
                match part {
                    Some(part) => Value::List(elem, Rc::new(RefCell::new(part))),
                    None => return trap(TrapKind::Bounds),
                }
            }
            Op::New => {
                let (ty, fields) = (self.declared(i.a)?, self.arg_values(f, i)?);
                self.record(ty, i.b, fields)?
            }
            Op::NewAtt => {
                let (ty, fields) = (self.declared(i.a)?, self.arg_values(f, i)?);
                let mut copies = Vec::new();
                for v in &fields {
                    copies.push(self.deep_copy(v)?);
                }
                self.record(ty, 0, copies)?
            }
            Op::GetField | Op::GetCap => {
                let record = self.object(i.b)?;
                let v = record.fields.borrow().get(usize::from(i.c)).cloned();
                v.map_or_else(|| violated(format!("no field {}", i.c)), Ok)?
            }
            Op::GetTag => Value::Int(i64::from(self.object(i.b)?.variant)),
            Op::GetPayload => {
                let record = self.object(i.b)?;
                if record.variant != i.c >> 8 {
                    return trap(TrapKind::Variant);
                }
                let v = record.fields.borrow().get(usize::from(i.c & 0xff)).cloned();
                v.map_or_else(|| violated(format!("no payload {}", i.c)), Ok)?
            }
            Op::ErrCast => {
                let record = self.object(i.b)?;
                if record.ty != self.declared(i.a)? {
                    return trap(TrapKind::Variant);
                }
                Value::Record(record)
            }
            Op::MakeFn | Op::MakeBorrowed => {
                let captures = self.arg_values(f, i)?;
                let Some(function) = prog.resolve_fn(f.package, i.b) else {
                    return violated(format!("no function {}", i.b));
                };
                let types = self.function(function)?.captures.clone();
                if types.len() != captures.len() {
                    return violated("number of captures");
                }
                for (v, t) in captures.iter().zip(types) {
                    self.check(v, t, "capture")?;
                    let second = matches!(v, Value::Cap(..)) || !prog.kind(t).first_class();
                    if second && i.op == Op::MakeFn {
                        return violated("a storable function holds authority");
                    }
                }
                Value::Fn(Rc::new(Closure {
                    ty: self.declared(i.a)?,
                    function,
                    captures,
                    bound: Vec::new(),
                }))
            }
            Op::BindFn => {
                let Value::Fn(c) = self.get(i.b)? else {
                    return violated("bind of no function");
                };
                Value::Fn(Rc::new(Closure {
                    ty: self.declared(i.a)?,
                    function: c.function,
                    captures: c.captures.clone(),
                    bound: self.arg_values(f, i)?,
                }))
            }
            Op::GetCapture => match self.get_env()? {
                Some(c) => match c.captures.get(usize::from(i.b)) {
                    Some(v) => v.clone(),
                    None => return violated(format!("no capture {}", i.b)),
                },
                None => return violated("no environment"),
            },
            Op::MakeDyn => {
                let record = self.object(i.b)?;
                match prog.ty(self.declared(i.a)?) {
                    LType::Dyn(t) => Value::Dyn(*t, record),
                    other => return violated(format!("object of {other:?}")),
                }
            }
            Op::AsCap => {
                let record = self.object(i.b)?;
                match prog.ty(self.declared(i.a)?) {
                    LType::Cap(c) => Value::Cap(Authority::By(record, *c), *c),
                    other => return violated(format!("capability of {other:?}")),
                }
            }
            Op::Recap => {
                let Value::Cap(authority, _) = self.get(i.b)? else {
                    return violated("recap of no capability");
                };
                match prog.ty(self.declared(i.a)?) {
                    LType::Cap(c) => Value::Cap(authority, *c),
                    other => return violated(format!("capability of {other:?}")),
                }
            }
            other => return violated(format!("{other:?} has no meaning here")),
        })
    }

    fn get_env(&self) -> Step<Option<Rc<Closure>>> {
        Ok(self.frames.last().and_then(|fr| match fr.regs.first() {
            Some(Some(Value::Env(c))) => Some(Rc::clone(c)),
            _ => None,
        }))
    }

    /// Instructions that change a list or record and write no register.
    fn change(&mut self, i: &Instr) -> Step<()> {
        if i.op == Op::SetField {
            let (record, v) = (self.object(i.a)?, self.get(i.c)?);
            let types = self.fields_of(record.ty, record.variant);
            let Some(ty) = types.and_then(|ts| ts.get(usize::from(i.b)).copied()) else {
                return violated(format!("no field {}", i.b));
            };
            self.check(&v, ty, "field")?;
            if let Some(slot) = record.fields.borrow_mut().get_mut(usize::from(i.b)) {
                *slot = v;
            }
            return Ok(());
        }
        let (elem, items) = self.items(i.a)?;
        let len = items.borrow().len();
        let within = |v: i64, end: usize| {
            let at = usize::try_from(v).ok().filter(|a| *a < end);
            at.map_or_else(|| trap(TrapKind::Bounds), Ok)
        };
        match i.op {
            Op::ListSet => {
                let (at, v) = (self.int(i.b)?, self.get(i.c)?);
                self.element(&v, elem)?;
                let at = within(at, len)?;
                items.borrow_mut()[at] = v;
            }
            Op::ListPush => {
                let v = self.get(i.b)?;
                self.element(&v, elem)?;
                if len >= MAX_SIZE {
                    return Err(Stop::Limit);
                }
                items.borrow_mut().push(v);
            }
            Op::ListInsert => {
                let (at, v) = (self.int(i.b)?, self.get(i.c)?);
                self.element(&v, elem)?;
                let at = within(at, len + 1)?;
                if len >= MAX_SIZE {
                    return Err(Stop::Limit);
                }
                items.borrow_mut().insert(at, v);
            }
            Op::ListSwap => {
                let (a, b) = (self.int(i.b)?, self.int(i.c)?);
                let (a, b) = (within(a, len)?, within(b, len)?);
                items.borrow_mut().swap(a, b);
            }
            Op::ListTruncate => match usize::try_from(self.int(i.b)?) {
                Ok(n) => items.borrow_mut().truncate(n),
                Err(_) => return trap(TrapKind::Bounds),
            },
            _ => {
                let (other, more) = self.items(i.b)?;
                if other != elem {
                    return violated("lists of two types");
                }
                let more = more.borrow().clone();
                if len + more.len() > MAX_SIZE {
                    return Err(Stop::Limit);
                }
                items.borrow_mut().extend(more);
            }
        }
        Ok(())
    }

    fn call(&mut self, f: &LFunction, i: &Instr) -> Step<()> {
        let prog = self.prog;
        let args = self.arg_values(f, i)?;
        match i.op {
            Op::Call => match prog.resolve_fn(f.package, i.b) {
                Some(id) => self.enter(id, args),
                None => violated(format!("no function {}", i.b)),
            },
            Op::CallFn => match self.get(i.b)? {
                Value::Fn(c) => self.call_closure(&c, args),
                other => violated(format!("call of {other:?}")),
            },
            Op::CallDyn => {
                let object = args.iter().find_map(|v| match v {
                    Value::Dyn(t, r) => Some((*t, Rc::clone(r))),
                    _ => None,
                });
                let Some((t, record)) = object else {
                    return violated("no object");
                };
                let id = self.method(&record, LInterface::Trait(t), i.b)?;
                let receiver = |v: Value| match v {
                    Value::Dyn(_, r) if Rc::ptr_eq(&r, &record) => Value::Record(r),
                    other => other,
                };
                // The receiver is the first that is no capability.
                let at = args.iter().position(|v| !matches!(v, Value::Cap(..)));
                let mut args = args;
                if let Some(slot) = at.and_then(|at| args.get_mut(at)) {
                    *slot = receiver(slot.clone());
                }
                self.enter(id, args)
            }
            _ => {
                let mut args = args.into_iter();
                match args.next() {
                    Some(Value::Cap(Authority::By(record, of), _)) => {
                        let id = self.method(&record, LInterface::Cap(of), i.b)?;
                        let all = std::iter::once(Value::Record(record)).chain(args);
                        self.enter(id, all.collect())
                    }
                    Some(Value::Cap(Authority::Host, cap)) => {
                        let args = args.collect();
                        self.host(cap, i, args)
                    }
                    other => violated(format!("capability call on {other:?}")),
                }
            }
        }
    }

    fn method(&mut self, r: &Record, interface: LInterface, method: u16) -> Step<FnId> {
        let record = self
            .impl_of(r, interface)
            .and_then(|id| self.prog.impl_(id));
        let id = record.and_then(|i| i.methods.get(usize::from(method)));
        match id {
            Some(id) => Ok(*id),
            None => violated(format!("no method {method} of {interface:?}")),
        }
    }

    /// The host takes what the interface says, and answers with something of the right type, now and then with an error.
    fn host(&mut self, cap: CapId, i: &Instr, args: Vec<Value>) -> Step<()> {
        let prog = self.prog;
        let method = prog.cap(cap).and_then(|c| c.methods.get(usize::from(i.b)));
        let Some(method) = method else {
            return violated(format!("no method {} of capability {}", i.b, cap.0));
        };
        if !self.granted.contains(&cap)
            && !self.is_of(
                &Value::Cap(Authority::Host, cap),
                prog.cap(cap).map_or(TypeId(0), |c| c.ty),
            )
        {
            return violated(format!("capability {} was never granted", cap.0));
        }
        if args.len() != method.sig.params.len() {
            return violated(format!("{} arguments for the host", args.len()));
        }
        for (v, t) in args.iter().zip(&method.sig.params) {
            self.check(v, *t, "argument of the host")?;
        }
        self.host_calls += 1;
        if let Some(error) = method.sig.errors.first()
            && self.host_calls.is_multiple_of(3)
        {
            let ty = prog.nominal(*error).map_or(TypeId(0), |n| n.ty);
            return match self.plain(ty, 0) {
                Some(v) => self.resume(v, true),
                None => Err(Stop::Limit),
            };
        }
        match self.plain(method.sig.ret, 0) {
            Some(v) => self.resume(v, false),
            None => Err(Stop::Limit),
        }
    }
}
