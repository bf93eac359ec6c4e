//! From a type to its representation in registers and on the heap: the one function that the
//! interpreter, the collector's root finder and the compiler of machine code share.
//!
//! What must stay true: `reg_kind` never looks through a nominal type's payload, so it needs no
//! recursion; a `Nullable` payload is never an immediate, so `None` and `Some(x)` cannot meet.

use crate::linked::{LField, LNominalKind, LType, NominalId, Program, TypeId};

/// Most reference fields, and most scalar words, of one record.
pub const MAX_RECORD_FIELDS: usize = 4095;
/// Most variants of an enum: a tag and an immediate are both below 256.
pub const MAX_VARIANTS: usize = 255;

/// What a register of a type holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegKind {
    /// A scalar: int, bool, byte, char, unit, variant index.
    Word,
    /// The bits of a float.
    Float,
    /// A reference or an immediate below 256: a root.
    Ref,
}

/// How values of an enum are represented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EnumRepr {
    /// No payloads: the register is a scalar, the variant index.
    Immediate,
    /// `none` is the immediate 0; `some` is its one payload itself.
    Nullable {
        /// Variant without payload.
        none: u16,
        /// Variant with the payload.
        some: u16,
    },
    /// Variants without payload are immediates (the index), others records tagged by the index.
    Boxed,
    /// Every variant is a record, so that the header tells the error type.
    Error,
}

/// Element storage of a list's backing array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ElemKind {
    /// 8-byte scalars: int, float, and enums without payloads.
    Words,
    /// Bytes: byte, bool, unit.
    Bytes,
    /// 4-byte scalars: char.
    U32s,
    /// 4-byte references.
    Refs,
}

/// Where a field of a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FieldSlot {
    /// Among the references or among the words.
    pub is_ref: bool,
    /// Position there.
    pub ordinal: u16,
}

/// Layout of a record: references first, in field order, then words, in field order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RecordLayout {
    /// One slot a field.
    pub fields: Vec<FieldSlot>,
    /// Number of references.
    pub nrefs: u16,
    /// Number of words.
    pub nwords: u16,
}

impl RecordLayout {
    /// Byte offset of field `i` from the start of the object.
    pub fn offset(&self, i: usize) -> Option<u32> {
        let slot = self.fields.get(i)?;
        Some(if slot.is_ref {
            8 + 4 * u32::from(slot.ordinal)
        } else {
            8 + 4 * (u32::from(self.nrefs) + (u32::from(self.nrefs) & 1))
                + 8 * u32::from(slot.ordinal)
        })
    }

    /// Size of the object in bytes, header included.
    pub fn size(&self) -> u32 {
        8 + 4 * (u32::from(self.nrefs) + (u32::from(self.nrefs) & 1)) + 8 * u32::from(self.nwords)
    }
}

/// What a register of this type holds.
pub fn reg_kind(prog: &Program, ty: TypeId) -> RegKind {
    match prog.ty(ty) {
        LType::Unit | LType::Bool | LType::Byte | LType::Char | LType::Int => RegKind::Word,
        LType::Float => RegKind::Float,
        LType::Nominal(n) => match enum_repr_shallow(prog, *n) {
            Some(true) => RegKind::Word,
            _ => RegKind::Ref,
        },
        _ => RegKind::Ref,
    }
}

/// For a (non-error) enum, whether no variant has a payload.
fn enum_repr_shallow(prog: &Program, id: NominalId) -> Option<bool> {
    match &prog.nominal(id)?.kind {
        LNominalKind::Enum(vs) => Some(vs.iter().all(|v| v.fields.is_empty())),
        _ => None,
    }
}

/// Whether values of this type are references to objects and never immediates.
pub fn never_immediate(prog: &Program, ty: TypeId) -> bool {
    match prog.ty(ty) {
        LType::Nominal(n) => prog
            .nominal(*n)
            .is_some_and(|n| !matches!(n.kind, LNominalKind::Enum(_))),
        _ => reg_kind(prog, ty) == RegKind::Ref,
    }
}

/// How values of an enum or error type are represented; `None` for other nominal types.
pub fn enum_repr(prog: &Program, id: NominalId) -> Option<EnumRepr> {
    let variants = match &prog.nominal(id)?.kind {
        LNominalKind::Enum(vs) => vs,
        LNominalKind::Error(_) => return Some(EnumRepr::Error),
        _ => return None,
    };
    if variants.iter().all(|v| v.fields.is_empty()) {
        return Some(EnumRepr::Immediate);
    }
    let nullable = |payload: &[LField]| matches!(payload, [f] if never_immediate(prog, f.ty));
    Some(match variants.as_slice() {
        [a, b] if a.fields.is_empty() && nullable(&b.fields) => {
            EnumRepr::Nullable { none: 0, some: 1 }
        }
        [a, b] if b.fields.is_empty() && nullable(&a.fields) => {
            EnumRepr::Nullable { none: 1, some: 0 }
        }
        _ => EnumRepr::Boxed,
    })
}

/// Layout of a record with fields of these types; `None` if it has too many.
pub fn record(prog: &Program, fields: impl IntoIterator<Item = TypeId>) -> Option<RecordLayout> {
    let mut layout = RecordLayout::default();
    for ty in fields {
        let is_ref = reg_kind(prog, ty) == RegKind::Ref;
        let count = if is_ref {
            &mut layout.nrefs
        } else {
            &mut layout.nwords
        };
        if usize::from(*count) >= MAX_RECORD_FIELDS {
            return None;
        }
        layout.fields.push(FieldSlot {
            is_ref,
            ordinal: *count,
        });
        *count += 1;
    }
    Some(layout)
}

/// Layout of a struct, an attenuator, or one variant (`variant` is 0 for structs).
pub fn nominal_record(prog: &Program, id: NominalId, variant: u16) -> Option<RecordLayout> {
    let fields = match &prog.nominal(id)?.kind {
        LNominalKind::Struct(fields) if variant == 0 => fields,
        LNominalKind::Enum(vs) | LNominalKind::Error(vs) => &vs.get(usize::from(variant))?.fields,
        _ => return None,
    };
    record(prog, fields.iter().map(|f| f.ty))
}

/// Layout of a tuple.
pub fn tuple_record(prog: &Program, ty: TypeId) -> Option<RecordLayout> {
    match prog.ty(ty) {
        LType::Tuple(ts) => record(prog, ts.iter().copied()),
        _ => None,
    }
}

/// Element storage of a list with elements of this type.
pub fn elem_kind(prog: &Program, elem: TypeId) -> ElemKind {
    match prog.ty(elem) {
        LType::Unit | LType::Bool | LType::Byte => ElemKind::Bytes,
        LType::Char => ElemKind::U32s,
        _ => match reg_kind(prog, elem) {
            RegKind::Word | RegKind::Float => ElemKind::Words,
            RegKind::Ref => ElemKind::Refs,
        },
    }
}
