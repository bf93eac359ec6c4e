//! Operators and conversions of constants.
//!
//! What must stay true: each gives what the instruction of the same name gives, or stops where that traps.

use super::const_eval::{Eval, MAX_TEXT, Res, Stop, Value};
use crate::source::Span;
use crate::thir::{AdtId, BinOp, Conv, ImplOf, TyKind};

impl Eval<'_> {
    pub(super) fn binary(&mut self, op: BinOp, a: Value, b: Value, span: Span) -> Res<Value> {
        match op {
            BinOp::Eq => return Ok(Value::Bool(self.equal(&a, &b, span)?)),
            BinOp::Ne => return Ok(Value::Bool(!self.equal(&a, &b, span)?)),
            BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge => {
                let order = match (&a, &b) {
                    (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
                    (Value::Byte(a), Value::Byte(b)) => Some(a.cmp(b)),
                    (Value::Char(a), Value::Char(b)) => Some(a.cmp(b)),
                    (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
                    (Value::Str(a), Value::Str(b)) => Some(a.cmp(b)),
                    (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
                    _ => return self.cannot("the order of such values", span),
                };
                return Ok(Value::Bool(order.is_some_and(|o| match op {
                    BinOp::Lt => o.is_lt(),
                    BinOp::Le => o.is_le(),
                    BinOp::Gt => o.is_gt(),
                    _ => o.is_ge(),
                })));
            }
            _ => {}
        }
        match (a, b) {
            (Value::Int(a), Value::Int(b)) => self.int_op(op, a, b, span),
            (Value::Float(a), Value::Float(b)) => Ok(Value::Float(match op {
                BinOp::Add => a + b,
                BinOp::Sub => a - b,
                BinOp::Mul => a * b,
                BinOp::Div => a / b,
                BinOp::Rem => a % b,
                BinOp::Pow => a.powf(b),
                _ => return self.cannot("this operator", span),
            })),
            (Value::Str(a), Value::Str(b)) if op == BinOp::Add => {
                if a.len() + b.len() > MAX_TEXT {
                    return self.stop(Stop::Limit, span);
                }
                self.text(format!("{a}{b}"), span)
            }
            _ => self.cannot("this operator", span),
        }
    }

    fn int_op(&mut self, op: BinOp, a: i64, b: i64, span: Span) -> Res<Value> {
        let (sign, done) = match op {
            BinOp::Add => ("+", a.checked_add(b)),
            BinOp::Sub => ("-", a.checked_sub(b)),
            BinOp::Mul => ("*", a.checked_mul(b)),
            BinOp::Div | BinOp::Rem if b == 0 => {
                return self.trap("division by zero", span);
            }
            BinOp::Div => ("/", a.checked_div(b)),
            BinOp::Rem => ("%", a.checked_rem(b)),
            BinOp::Pow => ("**", power(a, b)),
            BinOp::AddWrap => ("", Some(a.wrapping_add(b))),
            BinOp::SubWrap => ("", Some(a.wrapping_sub(b))),
            BinOp::MulWrap => ("", Some(a.wrapping_mul(b))),
            BinOp::BitAnd => ("", Some(a & b)),
            BinOp::BitOr => ("", Some(a | b)),
            BinOp::BitXor => ("", Some(a ^ b)),
            BinOp::Shl | BinOp::Shr | BinOp::Ushr => {
                let Some(by) = u32::try_from(b).ok().filter(|b| *b < 64) else {
                    return self.trap(format!("shift by {b}, outside of 0 to 63"), span);
                };
                let v = match op {
                    BinOp::Shl => a.wrapping_shl(by),
                    BinOp::Shr => a >> by,
                    _ => (a.cast_unsigned() >> by).cast_signed(),
                };
                ("", Some(v))
            }
            _ => return self.cannot("this operator", span),
        };
        match done {
            Some(n) => Ok(Value::Int(n)),
            None if op == BinOp::Pow && b < 0 => {
                self.trap(format!("negative exponent: {a} ** {b}"), span)
            }
            None => self.trap(format!("integer overflow: {a} {sign} {b}"), span),
        }
    }

    pub(super) fn equal(&mut self, a: &Value, b: &Value, span: Span) -> Res<bool> {
        // Shared parts are compared as often as they stand there.
        self.charge(1, span)?;
        match (a, b) {
            (Value::Tuple(x), Value::Tuple(y)) => self.all_equal(x, y, span),
            (Value::Variant(i, v, x), Value::Variant(j, w, y)) => {
                if self.own_equality(*i) {
                    return self.cannot("an `==` of its own", span);
                }
                Ok(i == j && v == w && self.all_equal(x, y, span)?)
            }
            _ => Ok(a == b),
        }
    }

    fn all_equal(&mut self, x: &[Value], y: &[Value], span: Span) -> Res<bool> {
        if x.len() != y.len() {
            return Ok(false);
        }
        let mut same = true;
        for (a, b) in x.iter().zip(y) {
            // Beyond the first difference, too: an `==` of its own may stand there.
            same &= self.equal(a, b, span)?;
        }
        Ok(same)
    }

    fn own_equality(&self, id: AdtId) -> bool {
        self.prog.impls.iter().any(|im| {
            let of_eq =
                matches!(&im.interface, ImplOf::Trait(t, _) if Some(*t) == self.prog.lang.eq);
            of_eq && matches!(self.prog.tys.kind(im.self_ty), TyKind::Adt(other, _) if *other == id)
        })
    }

    pub(super) fn convert(&mut self, c: Conv, v: Value, span: Span) -> Res<Value> {
        Ok(match (c, v) {
            (Conv::IntToFloat, Value::Int(n)) => Value::Float(n as f64),
            (Conv::FloatToInt, Value::Float(x)) => {
                // Exactly the floats whose whole part is in range.
                if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x) {
                    return self.trap("the float does not fit into `int`", span);
                }
                Value::Int(x as i64)
            }
            (Conv::IntToByte, Value::Int(n)) => match u8::try_from(n) {
                Ok(b) => Value::Byte(b),
                Err(_) => return self.trap(format!("{n} does not fit into `byte`"), span),
            },
            (Conv::IntToChar, Value::Int(n)) => {
                match u32::try_from(n).ok().and_then(char::from_u32) {
                    Some(c) => Value::Char(c),
                    None => return self.trap(format!("{n} is no character"), span),
                }
            }
            (Conv::WordToInt, Value::Bool(b)) => Value::Int(i64::from(b)),
            (Conv::WordToInt, Value::Byte(b)) => Value::Int(i64::from(b)),
            (Conv::WordToInt, Value::Char(c)) => Value::Int(i64::from(u32::from(c))),
            _ => return self.cannot("this conversion", span),
        })
    }
}

/// `a ** b`, if `b` is not negative and the value fits.
fn power(a: i64, b: i64) -> Option<i64> {
    match (a, b) {
        (_, i64::MIN..0) => None,
        (0 | 1, _) => Some(if b == 0 { 1 } else { a }),
        (-1, _) => Some(if b % 2 == 0 { 1 } else { -1 }),
        _ => a.checked_pow(u32::try_from(b).ok()?),
    }
}
