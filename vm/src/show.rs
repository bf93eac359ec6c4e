//! Values as text for messages: the error that a program ended with. Limited in depth and length, since the
//! data may be anything.

use jet_bytecode::layout::{
    ElemKind, EnumRepr, RecordLayout, elem_kind, enum_repr, nominal_record, record,
};
use jet_bytecode::linked::{LField, LNominalKind, LType, NominalId, PackageId, Program, TypeId};
use jet_gc::Heap;
use jet_gc::Ref;
use jet_gc::layout::DATA_OFFSET;

use crate::format::{float_text, quote_char, quote_str};
use crate::strings::text_prefix;

const MAX_DEPTH: u32 = 6;
const MAX_TEXT: usize = 2000;
const MAX_ITEMS: u32 = 20;

/// Writes values of one heap.
pub(crate) struct Show<'a> {
    /// The types.
    pub program: &'a Program,
    /// The heap.
    pub heap: &'a Heap,
    /// What was written.
    pub out: String,
}

/// The name of a nominal type without its module and arguments.
pub(crate) fn plain_name(name: &str) -> &str {
    let name = name.split('[').next().unwrap_or(name);
    name.rsplit('.').next().unwrap_or(name)
}

/// The fields of a map, less the values: of a set only the keys are shown.
fn without_values(fields: &[LField]) -> Vec<LField> {
    let mut out = fields.to_vec();
    for f in &mut out {
        if f.name == "vals" {
            f.name.clear();
        }
    }
    out
}

impl Show<'_> {
    /// Writes a value.
    ///
    /// # Safety
    /// `value` has type `ty` and is live.
    pub unsafe fn value(&mut self, ty: TypeId, value: u64, depth: u32) {
        if depth > MAX_DEPTH || self.out.len() > MAX_TEXT {
            self.out.push('…');
            return;
        }
        let program = self.program;
        let r = Ref::from_word(value);
        // SAFETY: the caller's promise; parts have their declared types.
        unsafe {
            match program.ty(ty) {
                LType::Unit => self.out.push_str("()"),
                LType::Bool => self.out.push_str(if value != 0 { "true" } else { "false" }),
                LType::Byte | LType::Int => self.out.push_str(&(value as i64).to_string()),
                LType::Char => {
                    let c = char::from_u32(value as u32).unwrap_or(char::REPLACEMENT_CHARACTER);
                    self.out.push_str(&quote_char(c));
                }
                LType::Float => self.out.push_str(&float_text(f64::from_bits(value))),
                LType::Str => {
                    // A character has at most four bytes.
                    let (text, _) = text_prefix(self.heap, r, MAX_TEXT * 2);
                    let cut: String = text.chars().take(MAX_TEXT / 2).collect();
                    self.out.push_str(&quote_str(&cut));
                }
                LType::List(elem) => self.list(*elem, r, depth),
                LType::Tuple(parts) => {
                    let layout = record(program, parts.iter().copied()).unwrap_or_default();
                    self.out.push('(');
                    self.fields(parts.iter().map(|t| (None, *t)), &layout, r, depth);
                    self.out.push(')');
                }
                LType::Nominal(n) => self.nominal(*n, value, depth),
                LType::ErrorSet(_) if r.is_address() => {
                    let n = NominalId(self.heap.header(r).type_id());
                    self.nominal(n, value, depth);
                }
                _ => self.out.push('…'),
            }
        }
    }

    unsafe fn list(&mut self, elem: TypeId, list: Ref, depth: u32) {
        // SAFETY: the caller's promise: a list.
        unsafe {
            let len = self.heap.word_field(list, 0) as u32;
            self.out.push('[');
            for i in 0..len.min(MAX_ITEMS) {
                if i > 0 {
                    self.out.push_str(", ");
                }
                let Some(value) = self.element((elem, list), i) else {
                    break;
                };
                self.value(elem, value, depth + 1);
            }
            self.out
                .push_str(if len > MAX_ITEMS { ", …]" } else { "]" });
        }
    }

    /// Whether a type is the one of the standard library that programs know by this name.
    fn is_std(&self, package: PackageId, known: &str, name: &str) -> bool {
        let declared = self.program.packages.get(package.index());
        name == known && declared.is_some_and(|p| p.name == "std")
    }

    /// The entries of a map, as the program would write them: see `frontend/std/map.jet`. A field that a
    /// foreign standard library lacks is nothing to be shown.
    ///
    /// # Safety
    /// `r` is a live record of this layout.
    unsafe fn map(&mut self, fields: &[LField], layout: &RecordLayout, r: Ref, depth: u32) {
        let column = |name: &str| {
            let at = fields.iter().position(|f| f.name == name)?;
            let LType::List(elem) = self.program.ty(fields.get(at)?.ty) else {
                return None;
            };
            let slot = layout.fields.get(at)?;
            // SAFETY: the caller's promise: a record of this layout, whose field is a list.
            let list = unsafe { self.heap.ref_field(r, u32::from(slot.ordinal)) };
            Some((*elem, list))
        };
        let (hashes, names, vals) = (column("hashes"), column("names"), column("vals"));
        self.out.push('{');
        // SAFETY: lists of these elements; indices stay below each list's length.
        unsafe {
            if let (Some(hashes), Some(names)) = (hashes, names) {
                let len = self.heap.word_field(hashes.1, 0) as u32;
                let mut shown = 0;
                for i in 0..len {
                    let gone = self.element(hashes, i).is_none_or(|h| (h as i64) < 0);
                    let Some(key) = self.element(names, i) else {
                        break;
                    };
                    if gone {
                        continue;
                    }
                    if shown > 0 {
                        self.out.push_str(", ");
                    }
                    if shown == MAX_ITEMS || self.out.len() > MAX_TEXT {
                        self.out.push('…');
                        break;
                    }
                    shown += 1;
                    self.value(names.0, key, depth + 1);
                    if let Some(vals) = vals
                        && let Some(value) = self.element(vals, i)
                    {
                        self.out.push_str(": ");
                        self.value(vals.0, value, depth + 1);
                    }
                }
            }
        }
        self.out.push('}');
    }

    /// An element of a list, if it has that many.
    ///
    /// # Safety
    /// The reference is a live list of that element type.
    unsafe fn element(&self, (elem, list): (TypeId, Ref), i: u32) -> Option<u64> {
        // SAFETY: the caller's promise; the index is below the length.
        unsafe {
            if i >= self.heap.word_field(list, 0) as u32 {
                return None;
            }
            let data = self.heap.ref_field(list, 0);
            let p = self.heap.address(data).add(DATA_OFFSET);
            let i = i as usize;
            Some(match elem_kind(self.program, elem) {
                ElemKind::Words => p.cast::<u64>().add(i).read(),
                ElemKind::Bytes => u64::from(p.add(i).read()),
                ElemKind::U32s | ElemKind::Refs => u64::from(p.cast::<u32>().add(i).read()),
            })
        }
    }

    unsafe fn fields<'f>(
        &mut self,
        types: impl Iterator<Item = (Option<&'f str>, TypeId)>,
        layout: &RecordLayout,
        r: Ref,
        depth: u32,
    ) {
        for (i, ((name, ty), slot)) in types.zip(&layout.fields).enumerate() {
            if i > 0 {
                self.out.push_str(", ");
            }
            if let Some(name) = name {
                self.out.push_str(name);
                self.out.push_str(" = ");
            }
            let at = u32::from(slot.ordinal);
            // SAFETY: the caller's promise: a record of this layout.
            unsafe {
                let value = if slot.is_ref {
                    self.heap.ref_field(r, at).to_word()
                } else {
                    self.heap.word_field(r, at)
                };
                self.value(ty, value, depth + 1);
            }
        }
    }

    unsafe fn nominal(&mut self, n: NominalId, value: u64, depth: u32) {
        let program = self.program;
        let r = Ref::from_word(value);
        let Some(nominal) = program.nominal(n) else {
            self.out.push('…');
            return;
        };
        let name = plain_name(&nominal.name).to_owned();
        // SAFETY: the caller's promise.
        unsafe {
            match &nominal.kind {
                LNominalKind::Handle => self.out.push_str(&name),
                LNominalKind::Struct(fields) if self.is_std(nominal.package, "Map", &name) => {
                    let layout = nominal_record(program, n, 0).unwrap_or_default();
                    self.map(fields, &layout, r, depth);
                }
                LNominalKind::Struct(fields) if self.is_std(nominal.package, "Set", &name) => {
                    self.out.push_str("Set");
                    let layout = nominal_record(program, n, 0).unwrap_or_default();
                    let slot = layout.fields.first().map_or(0, |s| u32::from(s.ordinal));
                    let inner = fields.first().map(|f| program.ty(f.ty));
                    if let Some(LType::Nominal(map)) = inner
                        && let Some(LNominalKind::Struct(fields)) =
                            program.nominal(*map).map(|n| &n.kind)
                    {
                        let map_layout = nominal_record(program, *map, 0).unwrap_or_default();
                        let map = self.heap.ref_field(r, slot);
                        self.map(&without_values(fields), &map_layout, map, depth);
                    }
                }
                LNominalKind::Struct(fields) => {
                    let layout = nominal_record(program, n, 0).unwrap_or_default();
                    self.out.push_str(&name);
                    self.out.push('(');
                    let types = fields.iter().map(|f| (Some(f.name.as_str()), f.ty));
                    self.fields(types, &layout, r, depth);
                    self.out.push(')');
                }
                LNominalKind::Enum(variants) | LNominalKind::Error(variants) => {
                    let repr = enum_repr(program, n);
                    let variant = match repr {
                        Some(EnumRepr::Nullable { none, some }) => {
                            if value == 0 {
                                none
                            } else {
                                some
                            }
                        }
                        Some(EnumRepr::Boxed | EnumRepr::Error) if r.is_address() => {
                            u16::from(self.heap.header(r).tag())
                        }
                        _ => value as u16,
                    };
                    let declared = variants.get(usize::from(variant));
                    let text = declared.map_or("?", |v| v.name.as_str());
                    if self.is_std(nominal.package, "Option", &name)
                        || self.is_std(nominal.package, "Result", &name)
                    {
                        self.out.push_str(text);
                    } else {
                        self.out.push_str(&format!("{name}.{text}"));
                    }
                    let fields: &[LField] = declared.map_or(&[], |v| &v.fields);
                    if fields.is_empty() {
                        return;
                    }
                    self.out.push('(');
                    if matches!(repr, Some(EnumRepr::Nullable { .. })) {
                        self.value(fields[0].ty, value, depth + 1);
                    } else {
                        let layout = nominal_record(program, n, variant).unwrap_or_default();
                        self.fields(fields.iter().map(|f| (None, f.ty)), &layout, r, depth);
                    }
                    self.out.push(')');
                }
            }
        }
    }
}
