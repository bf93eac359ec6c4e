//! Data that crosses between the VM and a host capability: plain, owned, without references into
//! the heap, so that neither side can reach into the other.

use std::sync::Arc;

/// A value of one of the types that a capability's methods may take and return.
#[derive(Clone, Debug, PartialEq)]
pub enum HostValue {
    /// `()`.
    Unit,
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(i64),
    /// `float`.
    Float(f64),
    /// `char`.
    Char(char),
    /// `byte`.
    Byte(u8),
    /// `string`.
    Str(Arc<str>),
    /// `[byte]`.
    Bytes(Vec<u8>),
    /// Any other list.
    List(Vec<HostValue>),
    /// Struct or tuple, fields in order.
    Record(Vec<HostValue>),
    /// Variant of an enum (by index) with its payload. `None` is variant 0 and `Some` variant 1.
    Variant(u8, Vec<HostValue>),
    /// Handle. The number is the host's; the VM seals it with the binding that gave it out, so a
    /// capability sees only numbers that it returned itself.
    Handle(u64),
}

impl HostValue {
    /// A `string`.
    #[must_use]
    pub fn str(text: &str) -> Self {
        HostValue::Str(Arc::from(text))
    }

    /// `None`.
    #[must_use]
    pub fn none() -> Self {
        HostValue::Variant(1, Vec::new())
    }

    /// `Some(value)`.
    #[must_use]
    pub fn some(value: HostValue) -> Self {
        HostValue::Variant(0, vec![value])
    }

    /// Whether the value has the shape that the type asks for. The VM asks before it lets a
    /// result into the heap: a host that returns the wrong type is contained, not believed.
    #[must_use]
    pub fn fits(&self, ty: &HostType) -> bool {
        match (self, ty) {
            (HostValue::Unit, HostType::Unit)
            | (HostValue::Bool(_), HostType::Bool)
            | (HostValue::Int(_), HostType::Int)
            | (HostValue::Float(_), HostType::Float)
            | (HostValue::Char(_), HostType::Char)
            | (HostValue::Byte(_), HostType::Byte)
            | (HostValue::Str(_), HostType::Str)
            | (HostValue::Handle(_), HostType::Handle(_)) => true,
            (HostValue::Bytes(_), HostType::List(HostType::Byte)) => true,
            (HostValue::List(items), HostType::List(element)) => {
                **element != HostType::Byte && items.iter().all(|item| item.fits(element))
            }
            (HostValue::Variant(1, payload), HostType::Option(_)) => payload.is_empty(),
            (HostValue::Variant(0, payload), HostType::Option(inner)) => {
                matches!(payload.as_slice(), [value] if value.fits(inner))
            }
            (HostValue::Record(fields), HostType::Struct(declared)) => {
                fits_fields(fields, declared.fields)
            }
            (HostValue::Record(fields), HostType::Tuple(types)) => {
                fields.len() == types.len() && fields.iter().zip(*types).all(|(f, t)| f.fits(t))
            }
            (HostValue::Variant(index, payload), HostType::Enum(declared)) => declared
                .variants
                .get(usize::from(*index))
                .is_some_and(|variant| fits_fields(payload, variant.fields)),
            _ => false,
        }
    }
}

/// Whether values fit the declared fields, one to one.
#[must_use]
pub fn fits_fields(values: &[HostValue], fields: &[(&str, HostType)]) -> bool {
    values.len() == fields.len() && values.iter().zip(fields).all(|(v, (_, t))| v.fits(t))
}

/// A type as a host capability declares it; compared with what the program declares before
/// anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostType {
    /// `()`.
    Unit,
    /// `bool`.
    Bool,
    /// `byte`.
    Byte,
    /// `char`.
    Char,
    /// `int`.
    Int,
    /// `float`.
    Float,
    /// `string`.
    Str,
    /// `[T]`.
    List(&'static HostType),
    /// `T?`.
    Option(&'static HostType),
    /// `(A, B)`.
    Tuple(&'static [HostType]),
    /// A struct of the capability's package.
    Struct(&'static HostStruct),
    /// An enum of the capability's package.
    Enum(&'static HostEnum),
    /// A handle type of the capability's package, by name.
    Handle(&'static str),
}

/// A struct that a host capability takes or returns.
#[derive(Debug, PartialEq, Eq)]
pub struct HostStruct {
    /// Name.
    pub name: &'static str,
    /// Fields in order.
    pub fields: &'static [(&'static str, HostType)],
}

/// An enum or error that a host capability takes, returns or raises.
#[derive(Debug, PartialEq, Eq)]
pub struct HostEnum {
    /// Name.
    pub name: &'static str,
    /// Variants in order.
    pub variants: &'static [HostVariant],
}

/// A variant of a [`HostEnum`].
#[derive(Debug, PartialEq, Eq)]
pub struct HostVariant {
    /// Name.
    pub name: &'static str,
    /// Payload.
    pub fields: &'static [(&'static str, HostType)],
}

/// A method that a host capability answers.
#[derive(Debug, PartialEq, Eq)]
pub struct HostMethod {
    /// Name, by which it is found in the program's interface.
    pub name: &'static str,
    /// Parameters, without receiver.
    pub params: &'static [HostType],
    /// Result on the value edge.
    pub ret: HostType,
    /// Errors on the error edge, in any order.
    pub errors: &'static [&'static HostEnum],
}
