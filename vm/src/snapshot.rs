//! A picture of the heap: how much there is of each type, and what holds it.
//!
//! The walk knows the static type of each slot, from the registers' types down, because objects of lists, tuples and
//! arrays do not say what they are. Every object is seen once, breadth first, so the path that it is counted under is
//! a shortest one from a root. Paths are of types and fields, not of objects: all that is held in the same way is
//! counted together, and a step that repeats one that is on the path already (a list's next node) goes back to it.
//!
//! What must stay true: nothing here changes the heap or allocates in it.

use std::collections::{HashMap, HashSet, VecDeque};

use jet_bytecode::layout::{EnumRepr, RecordLayout, enum_repr, nominal_record, record};
use jet_bytecode::linked::{FnId, LField, LNominalKind, LType, NominalId, Program, TypeId};
use jet_gc::layout::object_size;
use jet_gc::{Format, Heap, Ref};

use crate::ctx::{BOUND_FN, FIRST_SPECIAL, HANDLE, HOST_BINDING, ROPE};
use crate::deepcopy::references;
use crate::frames::{Root, RootSet};
use crate::trap::place;

/// Longest path that is told apart.
const MAX_PATH: u32 = 40;
/// Most paths that are told apart; what comes then is counted where it branches off.
const MAX_PATHS: usize = 50_000;

/// What the heap held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// When it was taken.
    pub when: String,
    /// Objects that something holds.
    pub objects: u64,
    /// Their bytes, long texts that lie outside of the heap included.
    pub bytes: u64,
    /// By type, most bytes first.
    pub types: Vec<TypeCount>,
    /// By retaining path, most bytes first.
    pub paths: Vec<PathCount>,
}

/// Objects of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeCount {
    /// Its name.
    pub name: String,
    /// How many.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The path that holds most of them.
    pub path: Vec<String>,
}

/// Objects that are held in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathCount {
    /// The root, then each step: the field (or nothing) and the type that it leads to.
    pub path: Vec<String>,
    /// How many objects the path ends at.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their bytes and those of all that was reached through them.
    pub retained: u64,
}

/// What is known of an object.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    /// A value of a type.
    Typed(TypeId),
    /// The array behind a list of such elements.
    Elements(TypeId),
    /// A value that only its header tells.
    Header,
    /// Either part of a text that was put together.
    Text,
}

struct Node {
    parent: u32,
    label: String,
    class: u32,
    depth: u32,
    objects: u64,
    bytes: u64,
}

/// Names a step below a node: what is known, the header's type id and tag, and the field.
type Step = (u32, What, u32, u32);

struct Walk<'a> {
    program: &'a Program,
    heap: &'a Heap,
    nodes: Vec<Node>,
    steps: HashMap<Step, u32>,
    classes: Vec<(String, u64, u64)>,
    class_ids: HashMap<String, u32>,
    fields: Vec<String>,
    field_ids: HashMap<String, u32>,
    seen: HashSet<u32>,
    /// What was found: object, what is known of it, where the path to it was, and the field that led there.
    queue: VecDeque<(Ref, What, u32, u32)>,
}

/// Takes a picture of what the roots hold.
pub(crate) fn take(roots: &mut RootSet, heap: &Heap, when: String) -> Snapshot {
    let loaded = std::sync::Arc::clone(&roots.loaded);
    let program = &loaded.program;
    let mut walk = Walk {
        program,
        heap,
        nodes: Vec::new(),
        steps: HashMap::new(),
        classes: Vec::new(),
        class_ids: HashMap::new(),
        fields: vec![String::new()],
        field_ids: HashMap::from([(String::new(), 0)]),
        seen: HashSet::new(),
        queue: VecDeque::new(),
    };
    let mut places: HashMap<String, u32> = HashMap::new();
    roots.visit_as(&mut |root, slot| {
        let r = Ref::from_word(*slot);
        if !r.is_address() {
            return;
        }
        let (label, what) = match root {
            Root::Const => (String::from("constant"), What::Text),
            Root::Temp => (String::from("running operation"), What::Header),
            Root::Binding => (String::from("grant"), What::Header),
            Root::Boundary => (String::from("attenuator that is called"), What::Header),
            Root::Register(index, reg) => {
                let (f, _) = loaded.code.locate(index);
                let at = place(&loaded, index);
                let ty = program.functions[f].reg_type(reg);
                (
                    format!("{} ({}:{})", at.function, at.file, at.line),
                    ty.map_or(What::Header, What::Typed),
                )
            }
        };
        let next = walk.nodes.len() as u32;
        let node = *places.entry(label.clone()).or_insert(next);
        if node == next {
            let class = walk.class("");
            walk.nodes.push(Node {
                parent: u32::MAX,
                label,
                class,
                depth: 0,
                objects: 0,
                bytes: 0,
            });
        }
        walk.queue.push_back((r, what, node, 0));
    });
    walk.run();
    walk.finish(when)
}

impl Walk<'_> {
    fn class(&mut self, name: &str) -> u32 {
        if let Some(&id) = self.class_ids.get(name) {
            return id;
        }
        let id = self.classes.len() as u32;
        self.classes.push((name.to_owned(), 0, 0));
        self.class_ids.insert(name.to_owned(), id);
        id
    }

    fn run(&mut self) {
        while let Some((r, what, from, field)) = self.queue.pop_front() {
            // Every root and every path may lead to the object; the first one counts.
            if !self.seen.insert(r.0) {
                continue;
            }
            self.object(r, what, from, field);
        }
    }

    /// Counts an object and finds what it holds. `field` is the way to it from the node `from`.
    fn object(&mut self, r: Ref, what: What, from: u32, field: u32) {
        // SAFETY: reached from a root through references of live objects; nothing allocates.
        let (header, size) = unsafe {
            let header = self.heap.header(r);
            let len = if header.format() == Some(Format::Record) {
                0
            } else {
                self.heap.len(r)
            };
            let mut size = object_size(header, len).unwrap_or(0);
            if header.format() == Some(Format::ExtStr) {
                size += u64::from(len);
            }
            (header, size)
        };
        let what = self.resolve(what);
        let key = (
            from,
            what,
            header.type_id() << 8 | u32::from(header.tag()),
            field,
        );
        let node = match self.steps.get(&key) {
            Some(&node) => node,
            None => {
                let name = self.name(what, r);
                let node = self.step(from, field, &name);
                self.steps.insert(key, node);
                node
            }
        };
        let n = &mut self.nodes[node as usize];
        n.objects += 1;
        n.bytes += size;
        let class = &mut self.classes[n.class as usize];
        class.1 += 1;
        class.2 += size;
        self.parts(r, what, node);
    }

    /// The node for a step from `from`.
    fn step(&mut self, from: u32, field: u32, name: &str) -> u32 {
        let field = &self.fields[field as usize];
        let label = if field.is_empty() {
            name.to_owned()
        } else {
            format!("{field}: {name}")
        };
        let parent = &self.nodes[from as usize];
        let (depth, mut up) = (parent.depth + 1, from);
        // A step that is on the path already.
        while up != u32::MAX {
            let n = &self.nodes[up as usize];
            if n.depth > 0 && n.label == label {
                return up;
            }
            up = n.parent;
        }
        if depth > MAX_PATH || self.nodes.len() >= MAX_PATHS {
            return from;
        }
        let class = self.class(name);
        self.nodes.push(Node {
            parent: from,
            label,
            class,
            depth,
            objects: 0,
            bytes: 0,
        });
        self.nodes.len() as u32 - 1
    }

    /// A nullable enum is its payload.
    fn resolve(&self, what: What) -> What {
        let What::Typed(ty) = what else { return what };
        let LType::Nominal(n) = self.program.ty(ty) else {
            return what;
        };
        match (
            enum_repr(self.program, *n),
            self.program.nominal(*n).map(|n| &n.kind),
        ) {
            (Some(EnumRepr::Nullable { some, .. }), Some(LNominalKind::Enum(variants))) => {
                let payload = variants
                    .get(usize::from(some))
                    .and_then(|v| v.fields.first());
                payload.map_or(What::Header, |f| What::Typed(f.ty))
            }
            _ => what,
        }
    }

    fn name(&self, what: What, r: Ref) -> String {
        match what {
            What::Typed(ty) => match self.program.ty(ty) {
                LType::Fn(_)
                | LType::BorrowedFn(_)
                | LType::Env
                | LType::Dyn(_)
                | LType::Cap(_)
                | LType::ErrorSet(_) => self.by_header(what, r),
                _ => type_name(self.program, ty, 0),
            },
            What::Elements(ty) => format!("elements of [{}]", type_name(self.program, ty, 0)),
            What::Text => String::from("string"),
            What::Header => self.by_header(what, r),
        }
    }

    fn is_function(&self, what: What) -> bool {
        let What::Typed(ty) = what else { return false };
        matches!(
            self.program.ty(ty),
            LType::Fn(_) | LType::BorrowedFn(_) | LType::Env
        )
    }

    fn by_header(&self, what: What, r: Ref) -> String {
        // SAFETY: as in `object`.
        let header = unsafe { self.heap.header(r) };
        match (header.format(), header.type_id()) {
            (Some(Format::Str | Format::ExtStr), _) | (Some(Format::Record), ROPE) => {
                String::from("string")
            }
            (Some(Format::Record), HOST_BINDING) => String::from("grant"),
            (Some(Format::Record), HANDLE) => String::from("handle"),
            (Some(Format::Record), BOUND_FN) => String::from("bound function"),
            (Some(Format::Record), id) if self.is_function(what) => {
                format!("fn {}", self.program.function_name(FnId(id)))
            }
            (Some(Format::Record), id) if id > 0 && !matches!(what, What::Header) => {
                let nominal = self.program.nominal(NominalId(id));
                nominal.map_or_else(|| String::from("record"), |n| n.name.clone())
            }
            (Some(Format::Record), _) => String::from("record"),
            _ => String::from("array"),
        }
    }

    /// Queues what an object holds.
    fn parts(&mut self, r: Ref, what: What, node: u32) {
        let program = self.program;
        // SAFETY: as in `object`.
        let header = unsafe { self.heap.header(r) };
        let id = header.type_id();
        if header.format() == Some(Format::Record) && (FIRST_SPECIAL..).contains(&id) {
            let part = if id == ROPE { What::Text } else { What::Header };
            return self.each(r, node, |_| (part, String::new()));
        }
        let nominal = |n: NominalId| {
            let layout = nominal_record(program, n, u16::from(header.tag()))?;
            let fields: &[LField] = match &program.nominal(n)?.kind {
                LNominalKind::Struct(fields) => fields,
                LNominalKind::Enum(vs) | LNominalKind::Error(vs) => {
                    &vs.get(usize::from(header.tag()))?.fields
                }
                LNominalKind::Handle => &[],
            };
            Some(named(
                &layout,
                fields.iter().map(|f| (f.name.clone(), f.ty)),
            ))
        };
        let fields = match what {
            What::Elements(ty) => return self.each(r, node, |_| (What::Typed(ty), String::new())),
            What::Typed(ty) => match program.ty(ty) {
                LType::List(elem) => {
                    let elem = *elem;
                    return self.each(r, node, |_| (What::Elements(elem), String::new()));
                }
                LType::Tuple(parts) => record(program, parts.iter().copied()).map(|layout| {
                    named(
                        &layout,
                        parts.iter().enumerate().map(|(i, t)| (i.to_string(), *t)),
                    )
                }),
                LType::Nominal(n) => nominal(*n),
                LType::Fn(_) | LType::BorrowedFn(_) | LType::Env => {
                    let captures = program.function(FnId(id)).map(|f| &f.captures);
                    captures.and_then(|types| {
                        let layout = record(program, types.iter().copied())?;
                        let named_types = types.iter().map(|t| (String::from("captured"), *t));
                        Some(named(&layout, named_types))
                    })
                }
                LType::Dyn(_) | LType::Cap(_) | LType::ErrorSet(_) => nominal(NominalId(id)),
                _ => None,
            },
            What::Header | What::Text => None,
        };
        let fields = fields.unwrap_or_default();
        self.each(r, node, |i| match fields.get(&i) {
            Some((name, ty)) => (What::Typed(*ty), name.clone()),
            None => (What::Header, String::new()),
        });
    }

    /// Queues every reference of an object, as what `kind` says of its position.
    fn each(&mut self, r: Ref, node: u32, kind: impl Fn(u32) -> (What, String)) {
        let mut found = Vec::new();
        // SAFETY: as in `object`.
        unsafe {
            references(self.heap, r, |i, to| {
                if to.is_address() {
                    found.push((i, to));
                }
            });
        }
        for (i, to) in found {
            if !self.seen.contains(&to.0) {
                let (what, field) = kind(i);
                let next = self.fields.len() as u32;
                let id = *self.field_ids.entry(field).or_insert_with_key(|field| {
                    self.fields.push(field.clone());
                    next
                });
                self.queue.push_back((to, what, node, id));
            }
        }
    }

    fn path(&self, mut node: u32) -> Vec<String> {
        let mut out = Vec::new();
        while let Some(n) = self.nodes.get(node as usize) {
            out.push(n.label.clone());
            node = n.parent;
        }
        out.reverse();
        out
    }

    fn finish(self, when: String) -> Snapshot {
        // A node stands behind its parent.
        let mut retained: Vec<u64> = self.nodes.iter().map(|n| n.bytes).collect();
        for (i, n) in self.nodes.iter().enumerate().rev() {
            if n.parent != u32::MAX {
                retained[n.parent as usize] += retained[i];
            }
        }
        let mut main: Vec<Option<u32>> = vec![None; self.classes.len()];
        for (i, n) in (0u32..).zip(&self.nodes) {
            let best = &mut main[n.class as usize];
            if best.is_none_or(|b| self.nodes[b as usize].bytes < n.bytes) {
                *best = Some(i);
            }
        }
        let mut types: Vec<TypeCount> = self
            .classes
            .iter()
            .zip(&main)
            .filter(|((_, objects, _), _)| *objects > 0)
            .map(|((name, objects, bytes), node)| TypeCount {
                name: name.clone(),
                objects: *objects,
                bytes: *bytes,
                path: node.map(|n| self.path(n)).unwrap_or_default(),
            })
            .collect();
        types.sort_by(|a, b| (b.bytes, &a.name).cmp(&(a.bytes, &b.name)));
        let mut paths: Vec<PathCount> = (0u32..)
            .zip(&self.nodes)
            .filter(|(_, n)| n.objects > 0)
            .map(|(i, n)| PathCount {
                path: self.path(i),
                objects: n.objects,
                bytes: n.bytes,
                retained: retained[i as usize],
            })
            .collect();
        paths.sort_by(|a, b| (b.bytes, &a.path).cmp(&(a.bytes, &b.path)));
        Snapshot {
            when,
            objects: types.iter().map(|t| t.objects).sum(),
            bytes: types.iter().map(|t| t.bytes).sum(),
            types,
            paths,
        }
    }
}

/// Name and type of each reference field by its position.
fn named(
    layout: &RecordLayout,
    fields: impl Iterator<Item = (String, TypeId)>,
) -> HashMap<u32, (String, TypeId)> {
    let slots = layout.fields.iter().zip(fields);
    slots
        .filter(|(slot, _)| slot.is_ref)
        .map(|(slot, field)| (u32::from(slot.ordinal), field))
        .collect()
}

/// A type as the program writes it.
fn type_name(program: &Program, ty: TypeId, depth: u32) -> String {
    let name = |t: &TypeId| type_name(program, *t, depth + 1);
    if depth > 6 {
        return String::from("…");
    }
    match program.ty(ty) {
        LType::Unit => String::from("()"),
        LType::Bool => String::from("bool"),
        LType::Byte => String::from("byte"),
        LType::Char => String::from("char"),
        LType::Int => String::from("int"),
        LType::Float => String::from("float"),
        LType::Str => String::from("string"),
        LType::List(elem) => format!("[{}]", name(elem)),
        LType::Tuple(parts) => {
            let parts: Vec<String> = parts.iter().map(name).collect();
            format!("({})", parts.join(", "))
        }
        LType::Nominal(n) => program
            .nominal(*n)
            .map_or_else(|| String::from("?"), |n| n.name.clone()),
        LType::Fn(sig) | LType::BorrowedFn(sig) => {
            let params: Vec<String> = sig.params.iter().map(name).collect();
            format!("fn({})", params.join(", "))
        }
        LType::Cap(c) => program
            .cap(*c)
            .map_or_else(|| String::from("?"), |c| c.name.clone()),
        LType::Dyn(t) => program
            .trait_(*t)
            .map_or_else(|| String::from("?"), |t| t.name.clone()),
        LType::ErrorSet(_) => String::from("error"),
        LType::Env => String::from("function"),
    }
}
