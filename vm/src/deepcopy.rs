//! Deep copies of data that crosses an attenuator's edge.
//!
//! The copy keeps sharing and cycles, does not recurse, and is charged before it is made. Strings and
//! sealed handles are immutable and stay; everything else that is reachable is copied. Since an allocation may
//! move objects, the graph is numbered first, then allocated (old and new objects in temporaries), then
//! filled without another allocation. What must stay true: the tables that this takes are charged to the heap
//! before they grow.

use std::collections::{HashMap, HashSet};

use jet_bytecode::analysis::fuel::element_work;
use jet_bytecode::layout::{RegKind, nominal_record, reg_kind};
use jet_bytecode::linked::{Kind, LNominalKind, LType, NominalId, Program, TypeId};
use jet_gc::Heap;
use jet_gc::layout::DATA_OFFSET;
use jet_gc::{Format, Header, Ref};

use jet_bytecode::opcodes::TrapKind;

use crate::ctx::FIRST_SPECIAL;
use crate::load::Crossing;
use crate::slow::{Done, SlowOp, Vm};

/// Bytes of tables for each object that is copied, at the worst moment: numbering has a set (12, and half of that
/// once more while it grows) and a list (8 + 4); then come two temporaries (16) and the map of copies (21).
const OBJECT_COST: u64 = 56;
/// Bytes for each reference that waits to be looked at: a list that doubles.
const PENDING_COST: u64 = 12;
/// So many temporaries are kept from one operation to the next.
const KEPT_TEMPS: usize = 1 << 12;

/// For each type, whether its values may hold anything that a copy would be told from: mutable data or
/// handles. Linear in the program.
pub(crate) fn copied_types(program: &Program) -> Vec<bool> {
    let mut copied = vec![false; program.types.len()];
    let mut part_of: Vec<Vec<TypeId>> = vec![Vec::new(); program.types.len()];
    let mut work = Vec::new();
    for (id, ty) in (0u32..).map(TypeId).zip(&program.types) {
        let mut parts: Vec<TypeId> = Vec::new();
        let changeable = match ty {
            LType::Unit
            | LType::Bool
            | LType::Byte
            | LType::Char
            | LType::Int
            | LType::Float
            | LType::Str => false,
            LType::Tuple(of) => {
                parts.extend(of);
                false
            }
            LType::Nominal(n) => match program.nominal(*n).map(|n| &n.kind) {
                Some(LNominalKind::Struct(fields)) => {
                    parts.extend(fields.iter().map(|f| f.ty));
                    fields.iter().any(|f| f.mutable)
                }
                Some(LNominalKind::Enum(vs) | LNominalKind::Error(vs)) => {
                    parts.extend(vs.iter().flat_map(|v| v.fields.iter().map(|f| f.ty)));
                    false
                }
                Some(LNominalKind::Handle) | None => true,
            },
            _ => true,
        };
        if changeable {
            work.push(id);
        } else {
            for part in parts {
                if let Some(list) = part_of.get_mut(part.index()) {
                    list.push(id);
                }
            }
        }
    }
    while let Some(id) = work.pop() {
        if std::mem::replace(&mut copied[id.index()], true) {
            continue;
        }
        work.append(&mut part_of[id.index()]);
    }
    copied
}

/// What happens to values of a type at an attenuator's edge.
pub(crate) fn crossing(program: &Program, copied: &[bool], ty: TypeId) -> Crossing {
    if reg_kind(program, ty) != RegKind::Ref {
        Crossing::Word
    } else if is_handle(program, ty) {
        Crossing::Sealed
    } else if copied.get(ty.index()).copied().unwrap_or(true) {
        Crossing::Copied
    } else {
        Crossing::Shared
    }
}

/// Whether the type is a handle or an option of one.
fn is_handle(program: &Program, ty: TypeId) -> bool {
    let nominal = |ty| match program.ty(ty) {
        LType::Nominal(n) => program.nominal(*n).map(|n| &n.kind),
        _ => None,
    };
    let handle = |ty| matches!(nominal(ty), Some(LNominalKind::Handle));
    match nominal(ty) {
        Some(LNominalKind::Handle) => true,
        Some(LNominalKind::Enum(variants)) => {
            let mut payloads = variants.iter().flat_map(|v| &v.fields);
            variants.len() == 2
                && payloads.next().is_some_and(|f| handle(f.ty))
                && payloads.next().is_none()
        }
        _ => false,
    }
}

/// The references inside an object.
///
/// # Safety
/// `r` is a live object of the heap.
pub(crate) unsafe fn references(heap: &Heap, r: Ref, mut visit: impl FnMut(u32, Ref)) {
    // SAFETY: the header says how many references there are.
    unsafe {
        let header = heap.header(r);
        match header.format() {
            Some(Format::Record) => {
                for i in 0..header.nrefs() {
                    visit(i, heap.ref_field(r, i));
                }
            }
            Some(Format::RefArray) => {
                for i in 0..heap.len(r) {
                    visit(i, heap.ref_at(r, i));
                }
            }
            _ => {}
        }
    }
}

/// Whether an object is shared by copies instead of being copied.
fn is_shared(header: Header) -> bool {
    match header.format() {
        Some(Format::Str | Format::ExtStr) => true,
        Some(Format::Record) => header.type_id() >= FIRST_SPECIAL,
        _ => false,
    }
}

impl Vm<'_> {
    /// A deep copy of the data that `root` refers to (an immediate is its own copy).
    pub fn deep_copy(&mut self, root: Ref) -> Done<Ref> {
        if !root.is_address() {
            return Ok(root);
        }
        let place = self.keep(root);
        let mut charged = 0;
        let copy = self.copy_kept(place, &mut charged);
        self.ctx.heap_box.refund_host(charged);
        let temps = &mut self.ctx.roots.temps;
        temps.truncate(place);
        temps.shrink_to(KEPT_TEMPS);
        copy
    }

    /// The copy of the object in temporary `place`; what was charged is added to `charged`.
    fn copy_kept(&mut self, place: usize, charged: &mut u64) -> Done<Ref> {
        let numbered = match self.number(self.kept(place), charged) {
            Some(numbered) => numbered,
            None => {
                // Once more without garbage in the heap.
                self.ctx.heap_box.refund_host(std::mem::take(charged));
                let ctx = &mut *self.ctx;
                ctx.heap_box
                    .collect(&mut ctx.roots)
                    .map_err(|e| self.out_of_memory(e))?;
                match self.number(self.kept(place), charged) {
                    Some(numbered) => numbered,
                    None => {
                        let limit = self.ctx.heap_box.limit();
                        let why = format!("memory limit of {limit} bytes reached");
                        return Err(self.trap(TrapKind::Memory, why));
                    }
                }
            }
        };
        let (order, elements) = numbered;
        self.charge(element_work(elements))?;
        if order.is_empty() {
            return Ok(self.kept(place));
        }
        let old = self.ctx.roots.temps.len();
        let n = order.len();
        self.ctx.roots.temps.reserve_exact(2 * n);
        for r in &order {
            self.keep(*r);
        }
        drop(order);
        self.copy_numbered(old, n)
    }

    /// The objects to copy, the root first, and how many elements they have; `None` when the heap has no room for
    /// the tables. Collects nothing.
    fn number(&mut self, root: Ref, charged: &mut u64) -> Option<(Vec<Ref>, u64)> {
        let mut order: Vec<Ref> = Vec::new();
        let mut known: HashSet<u32> = HashSet::new();
        let mut elements = 0u64;
        let mut pending = vec![root];
        let (mut objects, mut waiting) = (0, 64);
        while let Some(r) = pending.pop() {
            if order.len() == objects {
                let more = (objects / 2).max(64);
                self.charge_tables(more as u64 * OBJECT_COST, charged)?;
                objects += more;
            }
            if pending.len() >= waiting {
                self.charge_tables(waiting as u64 * PENDING_COST, charged)?;
                waiting *= 2;
            }
            // SAFETY: `r` is reachable from a live operand; nothing allocates in this loop.
            unsafe {
                let heap = &self.ctx.heap_box;
                let header = heap.header(r);
                if is_shared(header) || !known.insert(r.0) {
                    continue;
                }
                order.push(r);
                elements += 2 + match header.format() {
                    Some(Format::Record) => u64::from(header.nrefs() + header.nwords()),
                    Some(_) => u64::from(heap.len(r)),
                    None => 0,
                };
                let wide = header.format() == Some(Format::RefArray);
                if wide && heap.len(r) as usize > waiting {
                    // So many at once are charged before.
                    let more = heap.len(r) as usize;
                    self.charge_tables(more as u64 * PENDING_COST, charged)?;
                    waiting += more;
                }
                references(&self.ctx.heap_box, r, |_, to| {
                    if to.is_address() && !known.contains(&to.0) {
                        pending.push(to);
                    }
                });
            }
        }
        Some((order, elements))
    }

    fn charge_tables(&mut self, bytes: u64, charged: &mut u64) -> Option<()> {
        if !self.ctx.heap_box.charge_host(bytes) {
            return None;
        }
        *charged += bytes;
        Some(())
    }

    /// Copies the `n` objects in temporaries from `old` on; the copy of the first.
    fn copy_numbered(&mut self, old: usize, n: usize) -> Done<Ref> {
        for i in 0..n {
            let from = self.kept(old + i);
            // SAFETY: kept alive and current.
            let (header, len) = unsafe {
                let heap = &self.ctx.heap_box;
                let header = heap.header(from);
                let array = header.format() != Some(Format::Record);
                (header, if array { heap.len(from) } else { 0 })
            };
            let copy = match header.format() {
                Some(Format::Record) => self.record(Header::record(
                    header.type_id(),
                    header.tag(),
                    header.nrefs(),
                    header.nwords(),
                ))?,
                Some(format) => self.array(format, u64::from(len))?,
                None => from,
            };
            self.keep(copy);
        }
        let copies: HashMap<u32, Ref> = (0..n)
            .map(|i| (self.kept(old + i).0, self.kept(old + n + i)))
            .collect();
        for i in 0..n {
            let (from, to) = (self.kept(old + i), self.kept(old + n + i));
            // SAFETY: two objects of the same shape; nothing allocates in this loop. References are
            // stored with the barrier, the rest is copied as bytes.
            unsafe { self.fill_copy(from, to, &copies) };
        }
        // The root was the first to be numbered.
        Ok(self.kept(old + n))
    }

    /// # Safety
    /// Both are live and of one shape.
    unsafe fn fill_copy(&mut self, from: Ref, to: Ref, copies: &HashMap<u32, Ref>) {
        // SAFETY: the caller's promise.
        unsafe {
            let heap = &mut self.ctx.heap_box;
            let header = heap.header(from);
            let mapped = |r: Ref| copies.get(&r.0).copied().unwrap_or(r);
            match header.format() {
                Some(Format::Record) => {
                    for i in 0..header.nrefs() {
                        let value = mapped(heap.ref_field(from, i));
                        heap.set_ref_field(to, i, value);
                    }
                    for j in 0..header.nwords() {
                        let value = heap.word_field(from, j);
                        heap.set_word_field(to, j, value);
                    }
                }
                Some(Format::RefArray) => {
                    for i in 0..heap.len(from) {
                        let value = mapped(heap.ref_at(from, i));
                        heap.set_ref_at(to, i, value);
                    }
                }
                Some(format) => {
                    let bytes = heap.len(from) as usize * format.element_size();
                    let (a, b) = (heap.address(from), heap.address(to));
                    b.add(DATA_OFFSET)
                        .copy_from_nonoverlapping(a.add(DATA_OFFSET), bytes);
                }
                None => {}
            }
        }
    }
}

/// `new_att`: the arguments are in layout order, the header in the first extension word's slot.
pub(crate) struct NewAtt;

impl SlowOp for NewAtt {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        vm.charge_point(0)?;
        // SAFETY: the loader put the header there.
        let header = Header(unsafe { (*vm.pc.add(1)).slot.addr() } as u64);
        let loaded = std::sync::Arc::clone(&vm.ctx.loaded);
        let program = &loaded.program;
        let id = NominalId(header.type_id());
        let fields = match program.nominal(id).map(|n| &n.kind) {
            Some(LNominalKind::Struct(fields)) => fields.as_slice(),
            _ => &[],
        };
        let layout = nominal_record(program, id, 0).unwrap_or_default();
        let refs = usize::from(layout.nrefs);
        let first = vm.ctx.roots.temps.len();
        for k in 0..refs {
            let value = Ref::from_word(vm.arg(k));
            vm.keep(value);
        }
        for (field, slot) in fields.iter().zip(&layout.fields) {
            let data = reg_kind(program, field.ty) == RegKind::Ref
                && !matches!(program.kind(field.ty), Kind::Cap | Kind::Att);
            if data && loaded.copied.get(field.ty.index()).copied().unwrap_or(true) {
                let place = first + usize::from(slot.ordinal);
                let copy = vm.deep_copy(vm.kept(place))?;
                vm.keep_again(place, copy);
            }
        }
        let r = vm.record(header)?;
        for k in 0..refs {
            let value = vm.kept(first + k);
            // SAFETY: a fresh record with that many references.
            unsafe { vm.ctx.heap_box.init_ref_field(r, k as u32, value) };
        }
        let words = usize::from(layout.nwords);
        for k in 0..words {
            let value = vm.arg(refs + k);
            // SAFETY: a fresh record with that many words.
            unsafe { vm.ctx.heap_box.set_word_field(r, k as u32, value) };
        }
        vm.result(r.to_word());
        Ok(1 + (refs + words).div_ceil(4).max(1))
    }
}

/// `deep_copy` (lane 0: whether the type has anything to copy).
pub(crate) struct DeepCopy;

impl SlowOp for DeepCopy {
    fn run(vm: &mut Vm<'_>) -> Done<usize> {
        vm.charge_point(0)?;
        let value = vm.reg(vm.b());
        let copy = if vm.word().l != 0 {
            vm.deep_copy(Ref::from_word(value))?.to_word()
        } else {
            value
        };
        vm.result(copy);
        Ok(1)
    }
}
