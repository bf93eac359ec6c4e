//! Builtins, as far as beliefs need them: a result of the declared type, a trap where the real one may trap.

use super::{Shadow, Step, Stop, Value, violated};
use jet_bytecode::builtins::{BType, BUILTINS, Builtin};
use jet_bytecode::linked::{LType, TypeId};
use jet_bytecode::opcodes::TrapKind;
use std::cell::RefCell;
use std::rc::Rc;

fn text(s: impl Into<Rc<str>>) -> Value {
    Value::Str(s.into())
}

impl Shadow<'_> {
    fn type_of(&self, elem: &LType) -> Step<TypeId> {
        match self.prog.find_type(elem) {
            Some(t) => Ok(t),
            None => violated(format!("a program without {elem:?}")),
        }
    }

    fn list(&self, elem: &LType, items: Vec<Value>) -> Step<Value> {
        Ok(Value::List(
            self.type_of(elem)?,
            Rc::new(RefCell::new(items)),
        ))
    }

    pub(super) fn builtin(&mut self, number: u16, args: &[Value]) -> Step<Value> {
        let Some(row) = BUILTINS.get(usize::from(number)) else {
            return violated(format!("no builtin {number}"));
        };
        if args.len() != row.params.len() {
            return violated(format!("{} arguments for `{}`", args.len(), row.name));
        }
        for (v, b) in args.iter().zip(row.params) {
            self.checks += 1;
            let list = |t: &TypeId, e: LType| *self.prog.ty(*t) == e;
            let ok = match (b, v) {
                (BType::Unit, Value::Unit)
                | (BType::Bool, Value::Bool(_))
                | (BType::Char, Value::Char(_))
                | (BType::Int, Value::Int(_))
                | (BType::Float, Value::Float(_))
                | (BType::Str, Value::Str(_)) => true,
                (BType::ListByte, Value::List(t, _)) => list(t, LType::Byte),
                (BType::ListChar, Value::List(t, _)) => list(t, LType::Char),
                (BType::ListStr, Value::List(t, _)) => list(t, LType::Str),
                _ => false,
            };
            if !ok {
                return violated(format!("{v:?} as {b:?} for `{}`", row.name));
            }
        }
        self.answer(row.builtin, row.result, args)
    }

    fn answer(&mut self, b: Builtin, result: BType, args: &[Value]) -> Step<Value> {
        use Builtin as B;
        let trap = |k: TrapKind| Err(Stop::Trap(k));
        Ok(match (b, args) {
            (B::StrSlice, [Value::Str(s), Value::Int(from), Value::Int(to)]) => {
                let range = usize::try_from(*from).ok().zip(usize::try_from(*to).ok());
                match range.and_then(|(f, t)| s.get(f..t)) {
                    Some(part) => text(part),
                    None => return trap(TrapKind::Bounds),
                }
            }
            (B::StrRepeat, [Value::Str(s), Value::Int(n)]) => {
                let Ok(n) = usize::try_from(*n) else {
                    return trap(TrapKind::Conversion);
                };
                if s.len().saturating_mul(n) > super::MAX_SIZE {
                    return Err(Stop::Limit);
                }
                text(s.repeat(n))
            }
            (B::StrTrim, [Value::Str(s)]) => text(s.trim()),
            (B::StrToLower, [Value::Str(s)]) => text(s.to_lowercase()),
            (B::StrToUpper, [Value::Str(s)]) => text(s.to_uppercase()),
            (B::StrChars, [Value::Str(s)]) => {
                self.list(&LType::Char, s.chars().map(Value::Char).collect())?
            }
            (B::StrBytes, [Value::Str(s)]) => {
                self.list(&LType::Byte, s.bytes().map(Value::Byte).collect())?
            }
            (B::StrLines, [Value::Str(s)]) => {
                self.list(&LType::Str, s.lines().map(text).collect())?
            }
            (B::BytesPushStr, [Value::List(_, l), Value::Str(s)]) => {
                if l.borrow().len() + s.len() > super::MAX_SIZE {
                    return Err(Stop::Limit);
                }
                l.borrow_mut().extend(s.bytes().map(Value::Byte));
                Value::Unit
            }
            (B::StrJoin, [Value::List(_, l), Value::Str(sep)]) => {
                let parts: Vec<Rc<str>> = l
                    .borrow()
                    .iter()
                    .filter_map(|v| match v {
                        Value::Str(s) => Some(Rc::clone(s)),
                        _ => None,
                    })
                    .collect();
                if parts.iter().map(|p| p.len() + sep.len()).sum::<usize>() > super::MAX_SIZE {
                    return Err(Stop::Limit);
                }
                text(parts.join(&**sep))
            }
            (B::IntToStr, [Value::Int(n)]) => text(n.to_string()),
            (B::StrToInt, [Value::Str(s)]) => match s.parse() {
                Ok(n) => Value::Int(n),
                Err(_) => return trap(TrapKind::Conversion),
            },
            (B::StrToFloat, [Value::Str(s)]) => match s.parse() {
                Ok(x) => Value::Float(x),
                Err(_) => return trap(TrapKind::Conversion),
            },
            (B::CharToStr, [Value::Char(c)]) => text(c.to_string()),
            (B::CharLen, [Value::Char(c)]) => Value::Int(c.len_utf8() as i64),
            (B::FloatBits, [Value::Float(x)]) => Value::Int(x.to_bits() as i64),
            (B::FloatFromBits, [Value::Int(n)]) => Value::Float(f64::from_bits(*n as u64)),
            (B::Floor, [Value::Float(x)]) => Value::Float(x.floor()),
            _ => match result {
                BType::Unit => Value::Unit,
                BType::Bool => Value::Bool(self.steps.is_multiple_of(2)),
                BType::Char => Value::Char('x'),
                BType::Int => Value::Int((self.steps % 5) as i64 - 1),
                BType::Float => Value::Float(0.5),
                BType::Str => text("result"),
                BType::ListByte => self.list(&LType::Byte, vec![Value::Byte(65)])?,
                BType::ListChar => self.list(&LType::Char, vec![Value::Char('x')])?,
                BType::ListStr => self.list(&LType::Str, vec![text("a"), text("b")])?,
            },
        })
    }
}
