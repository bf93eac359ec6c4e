//! Values that know their types.

use super::{Shadow, Step, Stop, violated};
use jet_bytecode::linked::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// A struct, tuple, enum value, error or attenuator.
#[derive(Debug)]
pub struct Record {
    /// Its type.
    pub ty: TypeId,
    /// Variant; 0 of structs and tuples.
    pub variant: u16,
    /// Fields.
    pub fields: RefCell<Vec<Value>>,
}

/// A function literal with what it captured.
#[derive(Debug)]
pub struct Closure {
    /// Type of the value: storable or borrowed.
    pub ty: TypeId,
    /// Its code.
    pub function: FnId,
    /// Captures.
    pub captures: Vec<Value>,
    /// Capabilities that were bound.
    pub bound: Vec<Value>,
}

/// Who answers a capability.
#[derive(Clone, Debug)]
pub enum Authority {
    /// The host.
    Host,
    /// A record, by its implementation of this capability.
    By(Rc<Record>, CapId),
}

/// A value.
#[derive(Clone)]
pub enum Value {
    /// `()`
    Unit,
    /// `bool`
    Bool(bool),
    /// `byte`
    Byte(u8),
    /// `char`
    Char(char),
    /// `int`
    Int(i64),
    /// `float`
    Float(f64),
    /// `string`
    Str(Rc<str>),
    /// A list, of elements of this type.
    List(TypeId, Rc<RefCell<Vec<Value>>>),
    /// A record.
    Record(Rc<Record>),
    /// A dynamic object of this trait.
    Dyn(TraitId, Rc<Record>),
    /// A function.
    Fn(Rc<Closure>),
    /// A capability, seen as this interface.
    Cap(Authority, CapId),
    /// A handle of this type.
    Handle(NominalId),
    /// The environment of the running literal.
    Env(Rc<Closure>),
}

impl std::fmt::Debug for Value {
    /// Without what is inside: values may be cyclic.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Unit => write!(f, "()"),
            Value::Bool(v) => write!(f, "{v}"),
            Value::Byte(v) => write!(f, "byte {v}"),
            Value::Char(v) => write!(f, "{v:?}"),
            Value::Int(v) => write!(f, "{v}"),
            Value::Float(v) => write!(f, "{v:?}"),
            Value::Str(v) => write!(f, "string of {}", v.len()),
            Value::List(t, _) => write!(f, "list of type {}", t.0),
            Value::Record(r) => write!(f, "record {}.{}", r.ty.0, r.variant),
            Value::Dyn(t, _) => write!(f, "object of trait {}", t.0),
            Value::Fn(c) => write!(f, "function of type {}", c.ty.0),
            Value::Cap(_, c) => write!(f, "capability {}", c.0),
            Value::Handle(n) => write!(f, "handle {}", n.0),
            Value::Env(_) => write!(f, "environment"),
        }
    }
}

impl Shadow<'_> {
    /// Whether a value is of a type. What it holds was checked when it was put in.
    pub(super) fn is_of(&self, v: &Value, ty: TypeId) -> bool {
        match (self.prog.ty(ty), v) {
            (LType::Unit, Value::Unit)
            | (LType::Bool, Value::Bool(_))
            | (LType::Byte, Value::Byte(_))
            | (LType::Char, Value::Char(_))
            | (LType::Int, Value::Int(_))
            | (LType::Float, Value::Float(_))
            | (LType::Str, Value::Str(_))
            | (LType::Env, Value::Env(_)) => true,
            (LType::List(e), Value::List(t, _)) => e == t,
            (LType::Tuple(ts), Value::Record(r)) => {
                r.ty == ty && r.fields.borrow().len() == ts.len()
            }
            (LType::Nominal(n), Value::Handle(h)) => n == h,
            (LType::Nominal(_), Value::Record(r)) => {
                let fields = self.fields_of(ty, r.variant);
                r.ty == ty && fields.is_some_and(|fs| fs.len() == r.fields.borrow().len())
            }
            (LType::ErrorSet(set), Value::Record(r)) => match self.prog.ty(r.ty) {
                LType::Nominal(n) => set.binary_search(n).is_ok(),
                _ => false,
            },
            (LType::Fn(_) | LType::BorrowedFn(_), Value::Fn(c)) => c.ty == ty,
            (LType::Cap(c), Value::Cap(authority, as_)) => {
                c == as_
                    && match authority {
                        Authority::Host => self.is_granted(*c),
                        Authority::By(r, of) => self.impl_of(r, LInterface::Cap(*of)).is_some(),
                    }
            }
            (LType::Dyn(t), Value::Dyn(of, r)) => {
                t == of && self.impl_of(r, LInterface::Trait(*t)).is_some()
            }
            _ => false,
        }
    }

    /// The host's own capability, or one that is related to it without more methods.
    fn is_granted(&self, c: CapId) -> bool {
        let covers = |g: &CapId| {
            let (Some(given), Some(seen)) = (self.prog.cap(*g), self.prog.cap(c)) else {
                return false;
            };
            *g == c || given.methods.starts_with(&seen.methods)
        };
        self.granted.iter().any(covers)
    }

    /// The implementation of an interface by a record.
    pub(super) fn impl_of(&self, r: &Record, interface: LInterface) -> Option<ImplId> {
        match self.prog.ty(r.ty) {
            LType::Nominal(n) => self.prog.find_impl(*n, interface),
            _ => None,
        }
    }

    /// Types of the fields of a record.
    pub(super) fn fields_of(&self, ty: TypeId, variant: u16) -> Option<Vec<TypeId>> {
        let fields = |fs: &[LField]| fs.iter().map(|f| f.ty).collect();
        match self.prog.ty(ty) {
            LType::Tuple(ts) if variant == 0 => Some(ts.clone()),
            LType::Nominal(n) => match &self.prog.nominal(*n)?.kind {
                LNominalKind::Struct(fs) if variant == 0 => Some(fields(fs)),
                LNominalKind::Enum(vs) | LNominalKind::Error(vs) => {
                    vs.get(usize::from(variant)).map(|v| fields(&v.fields))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Makes a record; every field is of its type.
    pub(super) fn record(&mut self, ty: TypeId, variant: u16, fields: Vec<Value>) -> Step<Value> {
        let Some(types) = self.fields_of(ty, variant) else {
            return violated(format!("no record {}.{variant}", ty.0));
        };
        if types.len() != fields.len() {
            return violated(format!("record {} of {} fields", ty.0, fields.len()));
        }
        for (v, t) in fields.iter().zip(types) {
            self.check(v, t, "field")?;
        }
        Ok(Value::Record(Rc::new(Record {
            ty,
            variant,
            fields: RefCell::new(fields),
        })))
    }

    /// Some value of a type, as a host or caller could have it.
    pub(super) fn plain(&mut self, ty: TypeId, depth: u32) -> Option<Value> {
        if depth > 6 {
            return None;
        }
        Some(match self.prog.ty(ty).clone() {
            LType::Unit => Value::Unit,
            LType::Bool => Value::Bool(true),
            LType::Byte => Value::Byte(7),
            LType::Char => Value::Char('é'),
            LType::Int => Value::Int(3),
            LType::Float => Value::Float(1.5),
            LType::Str => Value::Str("text".into()),
            LType::List(t) => {
                let one = self.plain(t, depth + 1);
                let items = one.map_or_else(Vec::new, |v| vec![v.clone(), v]);
                Value::List(t, Rc::new(RefCell::new(items)))
            }
            LType::Tuple(ts) => {
                let fields: Option<Vec<Value>> =
                    ts.iter().map(|t| self.plain(*t, depth + 1)).collect();
                self.record(ty, 0, fields?).ok()?
            }
            LType::Nominal(n) => {
                let kind = self.prog.nominal(n)?.kind.clone();
                let count = match &kind {
                    LNominalKind::Struct(_) => 1,
                    LNominalKind::Enum(vs) | LNominalKind::Error(vs) => vs.len() as u16,
                    LNominalKind::Handle => return Some(Value::Handle(n)),
                };
                (0..count).find_map(|variant| {
                    let types = self.fields_of(ty, variant)?;
                    let fields: Option<Vec<Value>> =
                        types.iter().map(|t| self.plain(*t, depth + 1)).collect();
                    self.record(ty, variant, fields?).ok()
                })?
            }
            LType::ErrorSet(set) => {
                let first = self.prog.nominal(*set.first()?)?.ty;
                self.plain(first, depth + 1)?
            }
            _ => return None,
        })
    }

    /// Data with everything changeable in it copied.
    pub(super) fn deep_copy(&mut self, v: &Value) -> Step<Value> {
        let mut known = HashMap::new();
        self.copy(v, &mut known, 0)
    }

    fn copy(
        &mut self,
        v: &Value,
        known: &mut HashMap<*const (), Value>,
        depth: u32,
    ) -> Step<Value> {
        self.steps = self.steps.checked_sub(1).ok_or(Stop::Limit)?;
        if depth > 200 {
            return Err(Stop::Limit);
        }
        match v {
            Value::List(t, items) => {
                let key = Rc::as_ptr(items).cast();
                if let Some(copy) = known.get(&key) {
                    return Ok(copy.clone());
                }
                let made = Rc::new(RefCell::new(Vec::new()));
                known.insert(key, Value::List(*t, Rc::clone(&made)));
                let items = items.borrow().clone();
                for item in &items {
                    let item = self.copy(item, known, depth + 1)?;
                    made.borrow_mut().push(item);
                }
                Ok(Value::List(*t, made))
            }
            Value::Record(r) | Value::Dyn(_, r) => {
                let key = Rc::as_ptr(r).cast();
                let wrap = |r: Rc<Record>| match v {
                    Value::Dyn(t, _) => Value::Dyn(*t, r),
                    _ => Value::Record(r),
                };
                if let Some(Value::Record(copy)) = known.get(&key) {
                    return Ok(wrap(Rc::clone(copy)));
                }
                let made = Rc::new(Record {
                    ty: r.ty,
                    variant: r.variant,
                    fields: RefCell::new(Vec::new()),
                });
                known.insert(key, Value::Record(Rc::clone(&made)));
                let fields = r.fields.borrow().clone();
                for field in &fields {
                    let field = self.copy(field, known, depth + 1)?;
                    made.fields.borrow_mut().push(field);
                }
                Ok(wrap(made))
            }
            other => Ok(other.clone()),
        }
    }
}
