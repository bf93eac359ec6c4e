//! Provenance to the root: for each attenuator, what its capability fields were filled with wherever one is made, and so
//! on down to what the host granted.
//!
//! A capability register has one static definition, so where it comes from can be read off: a hidden parameter comes from
//! the calls of the function, a capture from where the literal was made, a field of `self` from where the attenuator was
//! made. What is called through a value may be any function of that signature; then the callers of all such values
//! count. So the answer may name more than ever happens, and never less.

use std::collections::{BTreeMap, BTreeSet};

use jet_bytecode::analysis::decode::{Instr, instrs};
use jet_bytecode::linked::{CapId, FnId, LFunction, LType, NominalId, Program};
use jet_bytecode::module::FnKind;
use jet_bytecode::opcodes::Op;

/// What a capability turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// What the host granted for this capability.
    Granted(CapId),
    /// An attenuator or fake of this type.
    Made(NominalId),
}

/// A place where an attenuator is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// Function.
    pub function: FnId,
    /// Place in its code.
    pub pc: u32,
}

/// Where the authority of each attenuator comes from.
#[derive(Debug, Default)]
pub struct Chains {
    /// For each attenuator: where it is made.
    pub sites: BTreeMap<NominalId, Vec<Site>>,
    /// For each attenuator: what its capability fields hold, over all these places.
    pub origins: BTreeMap<NominalId, BTreeSet<Origin>>,
}

/// A register that holds a capability or attenuator.
type Place = (FnId, u16);

/// Where a register's content comes from: another register, or an origin.
#[derive(Clone, Copy)]
enum From {
    Place(Place),
    Origin(Origin),
    /// What the fields of this attenuator with this type hold.
    Field(NominalId, CapOr),
}

/// The type of an attenuator's field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum CapOr {
    Cap(CapId),
    Att(NominalId),
}

#[derive(Default)]
struct Graph {
    sources: BTreeMap<Place, Vec<From>>,
    /// What fills each field type of each attenuator.
    fields: BTreeMap<(NominalId, CapOr), Vec<Place>>,
    sites: BTreeMap<NominalId, Vec<Site>>,
    /// Hidden arguments of calls through values, by capability.
    handed: BTreeMap<CapId, Vec<Place>>,
    /// Functions that are called through values: literals, methods of objects, and entry points.
    values: Vec<FnId>,
}

impl Chains {
    /// Reads them off a program.
    #[must_use]
    pub fn of(program: &Program) -> Chains {
        let mut graph = Graph::default();
        for id in (0u32..).map(FnId).take(program.functions.len()) {
            graph.function(program, id);
        }
        for record in &program.impls {
            // A trait's method may be called through an object, a capability's has no hidden parameters.
            graph.values.extend(&record.methods);
        }
        graph.open_calls(program);
        if let Some(entry) = &program.entry {
            for (k, cap) in (0u16..).zip(&entry.requests) {
                let granted = From::Origin(Origin::Granted(*cap));
                let place = (entry.function, k);
                graph.sources.entry(place).or_default().push(granted);
            }
        }
        let mut origins: BTreeMap<NominalId, BTreeSet<Origin>> = BTreeMap::new();
        for ((att, _), places) in &graph.fields {
            let found = graph.trace(places);
            origins.entry(*att).or_default().extend(found);
        }
        Chains {
            sites: graph.sites,
            origins,
        }
    }

    /// The chains from an attenuator to the root, each a list of what stands behind the step before; cut where an
    /// attenuator stands behind itself.
    #[must_use]
    pub fn to_root(&self, att: NominalId, most: usize) -> Vec<Vec<Origin>> {
        let mut out = Vec::new();
        let mut work = vec![(att, Vec::new())];
        while let Some((at, way)) = work.pop() {
            let behind = self.origins.get(&at);
            // A fake, or an attenuator of a library that nobody makes.
            if behind.is_none_or(BTreeSet::is_empty) {
                out.push(way);
                continue;
            }
            for origin in behind.into_iter().flatten() {
                let mut way: Vec<Origin> = way.clone();
                if out.len() + work.len() >= most {
                    break;
                }
                match origin {
                    Origin::Made(next) if *next == att || way.contains(origin) => {}
                    Origin::Made(next) => {
                        way.push(*origin);
                        work.push((*next, way));
                    }
                    Origin::Granted(_) => {
                        way.push(*origin);
                        out.push(way);
                    }
                }
            }
        }
        out.sort();
        out.dedup();
        out
    }
}

fn cap_or(program: &Program, f: &LFunction, reg: u16) -> Option<CapOr> {
    match program.ty(f.reg_type(reg)?) {
        LType::Cap(cap) => Some(CapOr::Cap(*cap)),
        LType::Nominal(n) if program.nominal(*n)?.attenuator => Some(CapOr::Att(*n)),
        _ => None,
    }
}

impl Graph {
    fn add(&mut self, to: Place, from: From) {
        self.sources.entry(to).or_default().push(from);
    }

    fn function(&mut self, program: &Program, id: FnId) {
        let Some(f) = program.function(id) else {
            return;
        };
        for i in instrs(&f.code).map_while(Result::ok) {
            let args: Vec<u16> = i.args(&f.code).collect();
            self.instruction(program, (id, f), &i, &args);
        }
    }

    fn instruction(
        &mut self,
        program: &Program,
        (id, f): (FnId, &LFunction),
        i: &Instr,
        args: &[u16],
    ) {
        let nominal = |reg: u16| match f.reg_type(reg).map(|t| program.ty(t)) {
            Some(LType::Nominal(n)) => Some(*n),
            _ => None,
        };
        match i.op {
            Op::Recap | Op::Mov => self.add((id, i.a), From::Place((id, i.b))),
            Op::AsCap => {
                if let Some(n) = nominal(i.b) {
                    self.add((id, i.a), From::Origin(Origin::Made(n)));
                }
            }
            Op::NewAtt => {
                let Some(n) = nominal(i.a) else { return };
                let site = Site {
                    function: id,
                    pc: i.pc,
                };
                self.sites.entry(n).or_default().push(site);
                for reg in args {
                    if let Some(ty) = cap_or(program, f, *reg) {
                        if let CapOr::Att(inner) = ty {
                            self.add((id, *reg), From::Origin(Origin::Made(inner)));
                        }
                        self.fields.entry((n, ty)).or_default().push((id, *reg));
                    }
                }
            }
            Op::GetCap => {
                if let (Some(n), Some(ty)) = (nominal(i.b), cap_or(program, f, i.a)) {
                    self.add((id, i.a), From::Field(n, ty));
                }
            }
            Op::GetCapture => {
                // Filled in where the literal is made.
                self.add((id, i.a), From::Place((id, capture(i.b))));
            }
            Op::MakeFn | Op::MakeBorrowed => {
                if let Some(callee) = program.resolve_fn(f.package, i.b) {
                    for (k, reg) in (0u16..).zip(args) {
                        self.add((callee, capture(k)), From::Place((id, *reg)));
                    }
                    self.values.push(callee);
                }
            }
            Op::Call => {
                if let Some(callee) = program.resolve_fn(f.package, i.b) {
                    for (k, reg) in (0u16..).zip(args) {
                        if cap_or(program, f, *reg).is_some() {
                            self.add((callee, k), From::Place((id, *reg)));
                        }
                    }
                }
            }
            Op::CallFn | Op::CallDyn | Op::BindFn => {
                for reg in args {
                    if let Some(CapOr::Cap(cap)) = cap_or(program, f, *reg) {
                        self.handed.entry(cap).or_default().push((id, *reg));
                    }
                }
            }
            _ => {}
        }
    }

    /// Hidden parameters of what is called through values: whatever any such call hands over.
    fn open_calls(&mut self, program: &Program) {
        let values = std::mem::take(&mut self.values);
        for id in values.into_iter().collect::<BTreeSet<_>>() {
            let Some(f) = program.function(id) else {
                continue;
            };
            let first = u16::from(f.kind == FnKind::Literal);
            for (k, cap) in (first..).zip(&f.sig.uses) {
                for place in self.handed.get(cap).cloned().unwrap_or_default() {
                    self.add((id, k), From::Place(place));
                }
            }
        }
    }

    /// All that the content of these registers can be.
    fn trace(&self, places: &[Place]) -> BTreeSet<Origin> {
        let mut found = BTreeSet::new();
        let mut seen: BTreeSet<Place> = BTreeSet::new();
        let mut work = places.to_vec();
        while let Some(place) = work.pop() {
            if !seen.insert(place) {
                continue;
            }
            for from in self.sources.get(&place).into_iter().flatten() {
                match from {
                    From::Place(p) => work.push(*p),
                    From::Origin(o) => {
                        found.insert(*o);
                    }
                    From::Field(n, ty) => {
                        work.extend(self.fields.get(&(*n, *ty)).into_iter().flatten());
                    }
                }
            }
        }
        found
    }
}

/// Captures are places of their own, above all registers.
fn capture(k: u16) -> u16 {
    u16::MAX - k
}
