//! Between values of the heap and values of a host capability.
//!
//! What must stay true: an answer is checked against the declared type while it is built, so a host that
//! answers with something else is contained; nesting is limited and size is charged, so that neither cyclic
//! data nor sharing can make the host's copy large.

use std::sync::Arc;

use jet_bytecode::analysis::fuel::{byte_work, element_work};
use jet_bytecode::layout::ElemKind;
use jet_bytecode::layout::{EnumRepr, RecordLayout, elem_kind, enum_repr, nominal_record, record};
use jet_bytecode::linked::{LNominalKind, LType, NominalId, Program, TypeId};
use jet_bytecode::opcodes::TrapKind;
use jet_gc::{Format, Header, Ref};

use crate::ctx::HANDLE;
use crate::host::HostValue;
use crate::ops_list::{Bytes, Elem, Refs, U32s, Words};
use crate::slow::{Done, Stop, Vm};
use crate::strings::text_of;

/// Deepest nesting of data that a host takes or gives.
const MAX_DEPTH: u32 = 128;

/// Header of a handle (see [`HANDLE`]).
pub(crate) const HANDLE_HEADER: Header = Header::record(HANDLE, 0, 2, 1);

/// One conversion: the binding that is called, and what was read so far.
pub(crate) struct Marshal {
    /// The program, whose types say what values are.
    pub program: Arc<Program>,
    /// Bytes of host values made so far; where they are the program's data, charged to its heap.
    bytes: u64,
}

impl Marshal {
    /// A conversion for one call.
    pub fn new(program: Arc<Program>) -> Marshal {
        Marshal { program, bytes: 0 }
    }

    /// What [`Marshal::read`] charged to the heap: to be refunded when the host's values are gone.
    pub fn charged(&self) -> u64 {
        self.bytes
    }

    fn count(&mut self, vm: &mut Vm<'_>, bytes: u64) -> Done {
        if !vm.ctx.heap_box.charge_host(bytes) {
            return Err(vm.too_large(self.bytes + bytes));
        }
        self.bytes += bytes;
        Ok(())
    }

    /// The host's form of a value. Does not allocate in the heap. `binding` is the receiver.
    pub fn read(
        &mut self,
        vm: &mut Vm<'_>,
        ty: TypeId,
        value: u64,
        binding: Ref,
        depth: u32,
    ) -> Done<HostValue> {
        if depth > MAX_DEPTH {
            return Err(vm.trap(
                TrapKind::Panic,
                "the data is nested too deep for a capability",
            ));
        }
        self.count(vm, 32)?;
        vm.charge(element_work(8))?;
        let program = Arc::clone(&self.program);
        let r = Ref::from_word(value);
        Ok(match program.ty(ty) {
            LType::Unit => HostValue::Unit,
            LType::Bool => HostValue::Bool(value != 0),
            LType::Byte => HostValue::Byte(value as u8),
            LType::Char => {
                HostValue::Char(char::from_u32(value as u32).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            LType::Int => HostValue::Int(value as i64),
            LType::Float => HostValue::Float(f64::from_bits(value)),
            LType::Str => {
                let len = crate::strings::len_of(vm.ctx, value);
                // A text is copied twice on the way.
                self.count(vm, 2 * len)?;
                vm.charge(byte_work(len))?;
                // SAFETY: a value of type string.
                HostValue::str(&unsafe { text_of(&vm.ctx.heap_box, r) })
            }
            LType::List(elem) => self.read_list(vm, *elem, r, binding, depth)?,
            LType::Tuple(parts) => {
                let layout = record(&program, parts.iter().copied()).unwrap_or_default();
                HostValue::Record(self.read_fields(vm, parts, &layout, r, binding, depth)?)
            }
            LType::Nominal(n) => self.read_nominal(vm, *n, value, binding, depth)?,
            _ => return Err(vm.trap(TrapKind::Unreachable, "no data for a capability")),
        })
    }

    fn read_list(
        &mut self,
        vm: &mut Vm<'_>,
        elem: TypeId,
        list: Ref,
        binding: Ref,
        depth: u32,
    ) -> Done<HostValue> {
        let program = Arc::clone(&self.program);
        let (data, len) = vm.list_parts(list);
        if matches!(program.ty(elem), LType::Byte) {
            self.count(vm, len)?;
            vm.charge(byte_work(len))?;
            let bytes = (0..len)
                // SAFETY: elements of a `[byte]`.
                .map(|i| unsafe { Bytes::load(vm.element::<Bytes>(data, i)) } as u8)
                .collect();
            return Ok(HostValue::Bytes(bytes));
        }
        let kind = elem_kind(&program, elem);
        let mut items = Vec::new();
        for i in 0..len {
            // SAFETY: elements of a list of this kind; reading does not allocate in the heap.
            let value = unsafe {
                match kind {
                    ElemKind::Words => Words::load(vm.element::<Words>(data, i)),
                    ElemKind::Bytes => Bytes::load(vm.element::<Bytes>(data, i)),
                    ElemKind::U32s => U32s::load(vm.element::<U32s>(data, i)),
                    ElemKind::Refs => Refs::load(vm.element::<Refs>(data, i)),
                }
            };
            items.push(self.read(vm, elem, value, binding, depth + 1)?);
        }
        Ok(HostValue::List(items))
    }

    fn read_fields(
        &mut self,
        vm: &mut Vm<'_>,
        types: &[TypeId],
        layout: &RecordLayout,
        r: Ref,
        binding: Ref,
        depth: u32,
    ) -> Done<Vec<HostValue>> {
        let mut out = Vec::with_capacity(types.len());
        for (ty, slot) in types.iter().zip(&layout.fields) {
            let i = u32::from(slot.ordinal);
            // SAFETY: a record of this layout.
            let value = unsafe {
                if slot.is_ref {
                    vm.ctx.heap_box.ref_field(r, i).to_word()
                } else {
                    vm.ctx.heap_box.word_field(r, i)
                }
            };
            out.push(self.read(vm, *ty, value, binding, depth + 1)?);
        }
        Ok(out)
    }

    fn read_nominal(
        &mut self,
        vm: &mut Vm<'_>,
        n: NominalId,
        value: u64,
        binding: Ref,
        depth: u32,
    ) -> Done<HostValue> {
        let program = Arc::clone(&self.program);
        let r = Ref::from_word(value);
        let Some(nominal) = program.nominal(n) else {
            return Err(vm.trap(TrapKind::Unreachable, "no such type"));
        };
        let variants = match &nominal.kind {
            LNominalKind::Handle => {
                // SAFETY: a value of a handle type.
                let (sealed, inner, number) = unsafe {
                    let heap = &vm.ctx.heap_box;
                    (
                        heap.ref_field(r, 0),
                        heap.ref_field(r, 1),
                        heap.word_field(r, 0),
                    )
                };
                if sealed != binding || !inner.is_null() {
                    return Err(wrong_handle(vm));
                }
                return Ok(HostValue::Handle(number));
            }
            LNominalKind::Struct(fields) => {
                let types: Vec<TypeId> = fields.iter().map(|f| f.ty).collect();
                let layout = nominal_record(&program, n, 0).unwrap_or_default();
                let fields = self.read_fields(vm, &types, &layout, r, binding, depth)?;
                return Ok(HostValue::Record(fields));
            }
            LNominalKind::Enum(variants) | LNominalKind::Error(variants) => variants,
        };
        let payload_types = |v: usize| -> Vec<TypeId> {
            let fields = variants.get(v).map(|v| v.fields.as_slice());
            fields.unwrap_or_default().iter().map(|f| f.ty).collect()
        };
        let variant = match enum_repr(&program, n) {
            Some(EnumRepr::Immediate) | None => return Ok(HostValue::Variant(value as u8, vec![])),
            Some(EnumRepr::Nullable { none, some }) => {
                if value == 0 {
                    return Ok(HostValue::Variant(none as u8, vec![]));
                }
                let Some(ty) = payload_types(usize::from(some)).first().copied() else {
                    return Ok(HostValue::Variant(some as u8, vec![]));
                };
                let inner = self.read(vm, ty, value, binding, depth + 1)?;
                return Ok(HostValue::Variant(some as u8, vec![inner]));
            }
            Some(EnumRepr::Boxed | EnumRepr::Error) if !r.is_address() => {
                return Ok(HostValue::Variant(value as u8, vec![]));
            }
            // SAFETY: a record of an enum.
            Some(_) => unsafe { vm.ctx.heap_box.header(r) }.tag(),
        };
        let types = payload_types(usize::from(variant));
        let layout = nominal_record(&program, n, u16::from(variant)).unwrap_or_default();
        let payload = self.read_fields(vm, &types, &layout, r, binding, depth)?;
        Ok(HostValue::Variant(variant, payload))
    }

    /// The heap's form of an answer. `binding` is the place of the receiver among the bindings.
    pub fn build(
        &mut self,
        vm: &mut Vm<'_>,
        ty: TypeId,
        value: &HostValue,
        binding: usize,
        depth: u32,
    ) -> Done<u64> {
        if depth > MAX_DEPTH {
            return Err(wrong_answer(vm));
        }
        let program = Arc::clone(&self.program);
        Ok(match (program.ty(ty), value) {
            (LType::Unit, HostValue::Unit) => 0,
            (LType::Bool, HostValue::Bool(b)) => u64::from(*b),
            (LType::Byte, HostValue::Byte(b)) => u64::from(*b),
            (LType::Char, HostValue::Char(c)) => u64::from(u32::from(*c)),
            (LType::Int, HostValue::Int(n)) => *n as u64,
            (LType::Float, HostValue::Float(x)) => x.to_bits(),
            (LType::Str, HostValue::Str(text)) => {
                vm.charge(byte_work(text.len() as u64))?;
                vm.new_str(text)?.to_word()
            }
            (LType::List(elem), HostValue::Bytes(bytes))
                if matches!(program.ty(*elem), LType::Byte) =>
            {
                let n = bytes.len() as u64;
                vm.charge(byte_work(n))?;
                let list = vm.new_list(Format::Bytes, n, n)?;
                let (data, _) = vm.list_parts(list);
                if n > 0 {
                    let p = vm.element::<Bytes>(data, 0);
                    // SAFETY: a fresh array of that many bytes.
                    unsafe { p.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
                }
                list.to_word()
            }
            (LType::List(elem), HostValue::List(items)) => {
                self.build_list(vm, *elem, items, binding, depth)?
            }
            (LType::Tuple(parts), HostValue::Record(fields)) => {
                let layout = record(&program, parts.iter().copied()).unwrap_or_default();
                self.build_record(vm, parts, &layout, (0, 0), fields, binding, depth)?
            }
            (LType::Nominal(n), value) => self.build_nominal(vm, *n, value, binding, depth)?,
            _ => return Err(wrong_answer(vm)),
        })
    }

    fn build_list(
        &mut self,
        vm: &mut Vm<'_>,
        elem: TypeId,
        items: &[HostValue],
        binding: usize,
        depth: u32,
    ) -> Done<u64> {
        let kind = elem_kind(&self.program, elem);
        let n = items.len() as u64;
        vm.charge(element_work(n))?;
        let format = match kind {
            ElemKind::Words => Format::Words,
            ElemKind::Bytes => Format::Bytes,
            ElemKind::U32s => Format::U32s,
            ElemKind::Refs => Format::RefArray,
        };
        let list = vm.new_list(format, n, n)?;
        let place = vm.keep(list);
        for (i, item) in items.iter().enumerate() {
            let value = self.build(vm, elem, item, binding, depth + 1)?;
            let (data, _) = vm.list_parts(vm.kept(place));
            let i = i as u64;
            match kind {
                ElemKind::Words => vm.store::<Words>(data, i, value),
                ElemKind::Bytes => vm.store::<Bytes>(data, i, value),
                ElemKind::U32s => vm.store::<U32s>(data, i, value),
                ElemKind::Refs => vm.store::<Refs>(data, i, value),
            }
        }
        Ok(vm.kept(place).to_word())
    }

    #[allow(clippy::too_many_arguments)]
    fn build_record(
        &mut self,
        vm: &mut Vm<'_>,
        types: &[TypeId],
        layout: &RecordLayout,
        (type_id, tag): (u32, u8),
        fields: &[HostValue],
        binding: usize,
        depth: u32,
    ) -> Done<u64> {
        if fields.len() != types.len() || layout.fields.len() != types.len() {
            return Err(wrong_answer(vm));
        }
        let mut values = Vec::with_capacity(fields.len());
        for ((ty, slot), field) in types.iter().zip(&layout.fields).zip(fields) {
            let value = self.build(vm, *ty, field, binding, depth + 1)?;
            // References are found again where they are kept.
            values.push(if slot.is_ref {
                vm.keep(Ref::from_word(value)) as u64
            } else {
                value
            });
        }
        let (refs, words) = (u32::from(layout.nrefs), u32::from(layout.nwords));
        let r = vm.record(Header::record(type_id, tag, refs, words))?;
        for (slot, value) in layout.fields.iter().zip(values) {
            let i = u32::from(slot.ordinal);
            // SAFETY: a fresh record of this layout.
            unsafe {
                if slot.is_ref {
                    let value = vm.kept(value as usize);
                    vm.ctx.heap_box.init_ref_field(r, i, value);
                } else {
                    vm.ctx.heap_box.set_word_field(r, i, value);
                }
            }
        }
        Ok(r.to_word())
    }

    fn build_nominal(
        &mut self,
        vm: &mut Vm<'_>,
        n: NominalId,
        value: &HostValue,
        binding: usize,
        depth: u32,
    ) -> Done<u64> {
        let program = Arc::clone(&self.program);
        let Some(nominal) = program.nominal(n) else {
            return Err(wrong_answer(vm));
        };
        match (&nominal.kind, value) {
            (LNominalKind::Handle, HostValue::Handle(number)) => {
                let r = vm.record(HANDLE_HEADER)?;
                let sealed = Ref::from_word(vm.ctx.roots.bindings[binding]);
                // SAFETY: a fresh record of that shape.
                unsafe {
                    vm.ctx.heap_box.init_ref_field(r, 0, sealed);
                    vm.ctx.heap_box.set_word_field(r, 0, *number);
                }
                Ok(r.to_word())
            }
            (LNominalKind::Struct(declared), HostValue::Record(fields)) => {
                let types: Vec<TypeId> = declared.iter().map(|f| f.ty).collect();
                let layout = nominal_record(&program, n, 0).unwrap_or_default();
                self.build_record(vm, &types, &layout, (n.0, 0), fields, binding, depth)
            }
            (
                LNominalKind::Enum(variants) | LNominalKind::Error(variants),
                HostValue::Variant(v, payload),
            ) => {
                let Some(variant) = variants.get(usize::from(*v)) else {
                    return Err(wrong_answer(vm));
                };
                if variant.fields.len() != payload.len() {
                    return Err(wrong_answer(vm));
                }
                match (enum_repr(&program, n), payload.as_slice()) {
                    (Some(EnumRepr::Immediate), _) => Ok(u64::from(*v)),
                    (Some(EnumRepr::Nullable { .. }), []) => Ok(0),
                    (Some(EnumRepr::Nullable { .. }), [value]) => {
                        let ty = variant.fields[0].ty;
                        self.build(vm, ty, value, binding, depth + 1)
                    }
                    (Some(EnumRepr::Boxed), []) => Ok(u64::from(*v)),
                    _ => {
                        let types: Vec<TypeId> = variant.fields.iter().map(|f| f.ty).collect();
                        let layout = nominal_record(&program, n, u16::from(*v)).unwrap_or_default();
                        self.build_record(vm, &types, &layout, (n.0, *v), payload, binding, depth)
                    }
                }
            }
            _ => Err(wrong_answer(vm)),
        }
    }
}

/// The trap for a handle that another binding sealed.
#[cold]
pub(crate) fn wrong_handle(vm: &mut Vm<'_>) -> Stop {
    vm.trap(
        TrapKind::Handle,
        "the handle was given out by another binding",
    )
}

#[cold]
pub(crate) fn wrong_answer(vm: &mut Vm<'_>) -> Stop {
    vm.trap(
        TrapKind::Panic,
        "the host answered with a value of another type than declared",
    )
}
