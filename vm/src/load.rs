//! The loader: from a verified program to runtime code and tables that every instance shares.
//!
//! What must stay true: the program passed the verifier of this process, so operands resolve; where one does
//! not, the loader answers with [`LoadError`], never with code that trusts it. Limits of the runtime layout
//! that the verifier does not know (24-bit type ids, 16-bit frame distances) are checked here.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jet_bytecode::analysis::decode::instrs;
use jet_bytecode::analysis::fuel::static_costs;
use jet_bytecode::layout::{self, RecordLayout};
use jet_bytecode::linked::{CapId, FnId, LInterface, LType, NominalId, Program, TypeId};
use jet_bytecode::module::{Const, FnKind};
use jet_bytecode::verify::VerifiedProgram;

use crate::code::{BigCharge, Code, DynSite, FnEntry, HEADER_WORDS, SPECIALS, Word};
use crate::ctx::FIRST_SPECIAL;
use crate::dispatch::Handler;
use crate::select::Selector;

/// Most entries of all dynamic call tables together.
const MAX_ROWS: usize = 1 << 23;

/// Most entries that implementation records of capabilities give besides their own.
const MAX_CAP_METHODS: usize = 1 << 21;

/// By nominal type and capability: the functions behind the capability's methods.
pub(crate) type CapImpls = HashMap<(u32, u32), Box<[FnId]>>;

/// Why a verified program cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// A limit of the runtime.
    TooLarge(&'static str),
    /// An operand does not resolve: the program was not verified.
    Unverified {
        /// Function, with its package.
        function: String,
        /// Word of its code.
        pc: u32,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::TooLarge(what) => write!(f, "the program has too many {what}"),
            LoadError::Unverified { function, pc } => {
                write!(f, "not verified: {function}, word {pc}")
            }
        }
    }
}

impl std::error::Error for LoadError {}

/// A capability call site.
pub(crate) struct CapSite {
    /// Interface by which it calls.
    pub cap: CapId,
    /// Method of it.
    pub method: u16,
    /// Whether arguments, result or errors hold data that a boundary must copy or seal.
    pub crosses: bool,
    /// What a boundary does with each parameter.
    pub params: Box<[Crossing]>,
    /// What it does with the result.
    pub ret: Crossing,
}

/// What happens to a value at an attenuator's edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crossing {
    /// A scalar: nothing.
    Word,
    /// A reference to what cannot change: nothing.
    Shared,
    /// Copied deep.
    Copied,
    /// A handle, or an option of one: unsealed on the way in, sealed on the way out.
    Sealed,
}

/// A program made ready to run. Shared by all its instances.
pub struct Loaded {
    /// The program.
    pub(crate) program: Arc<Program>,
    /// Runtime code.
    pub(crate) code: Code,
    /// Static cost of each charge point, by code index.
    pub(crate) costs: Vec<u32>,
    /// Constants of all packages.
    pub(crate) consts: Vec<Const>,
    /// Dynamic call sites.
    pub(crate) sites: Box<[DynSite]>,
    /// The same sites with rows that lead into the copy of the code.
    pub(crate) copy_sites: Box<[DynSite]>,
    /// What the sites' rows point into.
    pub(crate) _rows: Vec<Box<[*const Word]>>,
    /// Capability call sites.
    pub(crate) cap_sites: Vec<CapSite>,
    /// Functions that implement a capability (relations applied) for a type.
    pub(crate) cap_impls: CapImpls,
    /// For each type, whether an attenuator's edge copies it.
    pub(crate) copied: Vec<bool>,
    /// Costs of backward jumps that do not fit a lane.
    pub(crate) big_costs: Vec<i64>,
    /// Other charge ops whose cost does not fit a lane.
    pub(crate) big_charges: Vec<BigCharge>,
    /// Largest frame in words, header included.
    pub(crate) max_frame: usize,
    /// Under the monitor: the handlers of calls, by code index.
    pub(crate) behind: Option<Box<[Option<Handler>]>>,
}

// SAFETY: the raw pointers name words of `code`, which is immutable.
unsafe impl Send for Loaded {}
// SAFETY: as above.
unsafe impl Sync for Loaded {}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("functions", &self.program.functions.len())
            .field("words", &self.code.words.len())
            .finish_non_exhaustive()
    }
}

/// Tables that grow while code is selected.
pub(crate) struct Tables<'a> {
    pub program: &'a Program,
    pub records: HashMap<(TypeId, u16), Option<Arc<RecordLayout>>>,
    pub const_base: Vec<u32>,
    pub starts: Vec<u32>,
    pub entries: Vec<FnEntry>,
    pub sites: Vec<DynSite>,
    pub rows: Vec<Box<[*const Word]>>,
    pub row_of: HashMap<(u32, u16), (usize, u64)>,
    pub row_total: usize,
    pub site_of: HashMap<(usize, usize), usize>,
    pub impls_of: HashMap<u32, Vec<usize>>,
    pub cap_sites: Vec<CapSite>,
    pub cap_site_of: HashMap<(u32, u16), usize>,
    pub copied: Vec<bool>,
    pub big_costs: Vec<i64>,
    pub big_charges: Vec<BigCharge>,
    /// Whether jumps and calls count for a compiler.
    pub counts: bool,
}

impl Tables<'_> {
    /// Layout of a struct (variant 0), variant or tuple.
    pub fn record(&mut self, ty: TypeId, variant: u16) -> Option<Arc<RecordLayout>> {
        let program = self.program;
        self.records
            .entry((ty, variant))
            .or_insert_with(|| {
                let layout = match program.ty(ty) {
                    LType::Nominal(n) => layout::nominal_record(program, *n, variant),
                    LType::Tuple(_) => layout::tuple_record(program, ty),
                    _ => None,
                };
                layout.map(Arc::new)
            })
            .clone()
    }

    /// Lane value and `BACK` parameter for a backward jump of this cost.
    pub fn back_cost(&mut self, cost: u32) -> Option<(u16, u8)> {
        if let Ok(lane) = u16::try_from(cost) {
            return Some((lane, 1));
        }
        self.big_costs.push(i64::from(cost));
        Some((u16::try_from(self.big_costs.len() - 1).ok()?, 2))
    }

    /// Lane value and handler for another charge op of this cost.
    pub fn charge(&mut self, cost: u32, handler: Handler) -> Option<(u16, Handler)> {
        if let Ok(lane) = u16::try_from(cost) {
            return Some((lane, handler));
        }
        self.big_charges.push(BigCharge {
            cost: i64::from(cost),
            handler,
        });
        let lane = u16::try_from(self.big_charges.len() - 1).ok()?;
        Some((lane, crate::ops_call::charge_big))
    }

    /// The site index of a dynamic call.
    pub fn dyn_site(
        &mut self,
        trait_id: u32,
        method: u16,
        object: usize,
    ) -> Result<u16, LoadError> {
        let too_large = LoadError::TooLarge("dynamic calls");
        let (row, first) = match self.row_of.get(&(trait_id, method)) {
            Some(known) => *known,
            None => {
                let made = self.row(trait_id, method)?;
                self.row_of.insert((trait_id, method), made);
                made
            }
        };
        let ptr = self.rows[row].as_ptr();
        let index = match self.site_of.get(&(row, object)) {
            Some(index) => *index,
            None => {
                self.sites.push(DynSite {
                    row: ptr,
                    first,
                    object,
                });
                self.site_of.insert((row, object), self.sites.len() - 1);
                self.sites.len() - 1
            }
        };
        u16::try_from(index).map_err(|_| too_large)
    }

    fn row(&mut self, trait_id: u32, method: u16) -> Result<(usize, u64), LoadError> {
        let records = self.impls_of.get(&trait_id).map_or(&[][..], Vec::as_slice);
        let found: Vec<(u32, FnId)> = records
            .iter()
            .filter_map(|i| self.program.impls.get(*i))
            .filter_map(|i| Some((i.ty.0, *i.methods.get(usize::from(method))?)))
            .collect();
        let first = found.iter().map(|(t, _)| *t).min().unwrap_or(0);
        let last = found.iter().map(|(t, _)| *t).max().unwrap_or(0);
        let len = (last - first) as usize + 1;
        self.row_total += len;
        if self.row_total > MAX_ROWS {
            return Err(LoadError::TooLarge("implementations of traits"));
        }
        let mut row = vec![std::ptr::null::<Word>(); len].into_boxed_slice();
        for (ty, f) in found {
            if let (Some(slot), Some(entry)) = (
                row.get_mut((ty - first) as usize),
                self.entries.get(f.index()),
            ) {
                *slot = entry.entry;
            }
        }
        self.rows.push(row);
        Ok((self.rows.len() - 1, u64::from(first)))
    }
}

impl Loaded {
    /// Makes a verified program ready to run in the interpreter.
    pub fn new(program: VerifiedProgram) -> Result<Loaded, LoadError> {
        Loaded::build(Arc::new(program.into_program()), false)
    }

    /// The same, with counters for a compiler of machine code.
    pub fn counting(program: VerifiedProgram) -> Result<Loaded, LoadError> {
        Loaded::build(Arc::new(program.into_program()), true)
    }

    /// Whether the instruction at this code index stands in a file of the standard library.
    pub(crate) fn in_std(&self, index: usize) -> bool {
        let (f, pc) = self.code.locate(index);
        let function = &self.program.functions[f];
        let package = self.program.packages.get(function.package.index());
        let Some(package) = package else { return false };
        let file = function
            .line_at(pc)
            .and_then(|line| package.files.get(usize::from(line.file)));
        package.name == "std" || file.is_some_and(|f| f.starts_with("std/"))
    }

    /// The same program, loaded with counters or without.
    pub fn again(&self, counts: bool) -> Result<Loaded, LoadError> {
        Loaded::build(Arc::clone(&self.program), counts)
    }

    /// What it is given passed the verifier.
    fn build(program: Arc<Program>, counts: bool) -> Result<Loaded, LoadError> {
        let p = &*program;
        if p.nominals.len() > usize::from(u16::MAX) {
            return Err(LoadError::TooLarge("types"));
        }
        if p.functions.len() >= FIRST_SPECIAL as usize {
            return Err(LoadError::TooLarge("functions"));
        }
        let mut starts = Vec::with_capacity(p.functions.len());
        let mut total = 0usize;
        let mut max_frame = 0usize;
        for f in &p.functions {
            starts.push(u32::try_from(total).map_err(|_| LoadError::TooLarge("instructions"))?);
            total += f.code.len();
            max_frame = max_frame.max(f.regs.len() + HEADER_WORDS);
        }
        if total > i32::MAX as usize / 2 {
            return Err(LoadError::TooLarge("instructions"));
        }
        if max_frame > usize::from(u16::MAX) {
            return Err(LoadError::TooLarge("registers"));
        }
        let mut consts = Vec::new();
        let mut const_base = Vec::new();
        for package in &p.packages {
            const_base
                .push(u32::try_from(consts.len()).map_err(|_| LoadError::TooLarge("constants"))?);
            consts.extend(package.consts.iter().cloned());
        }
        let blank = Word::new(std::ptr::null(), [0; 4]);
        let all = total + SPECIALS;
        let mut words = vec![blank; if counts { 2 * all } else { all }].into_boxed_slice();
        // Return addresses are kept as integers in frame headers.
        let base = words.as_mut_ptr();
        let _ = base.expose_provenance();
        let entries: Vec<FnEntry> = p
            .functions
            .iter()
            .zip(&starts)
            .map(|(f, start)| FnEntry {
                entry: base.wrapping_add(*start as usize).cast_const(),
                env: u32::from(f.kind == FnKind::Literal),
                nregs: f.regs.len() as u32,
            })
            .collect();
        let mut tables = Tables {
            program: p,
            records: HashMap::new(),
            const_base,
            starts: starts.clone(),
            entries: entries.clone(),
            sites: Vec::new(),
            rows: Vec::new(),
            row_of: HashMap::new(),
            row_total: 0,
            site_of: HashMap::new(),
            impls_of: HashMap::new(),
            cap_sites: Vec::new(),
            cap_site_of: HashMap::new(),
            copied: crate::deepcopy::copied_types(p),
            big_costs: Vec::new(),
            big_charges: Vec::new(),
            counts,
        };
        for (i, record) in p.impls.iter().enumerate() {
            if let LInterface::Trait(t) = record.interface {
                tables.impls_of.entry(t.0).or_default().push(i);
            }
        }
        let mut costs = vec![0u32; total + SPECIALS];
        let mut back = vec![0u16; total + SPECIALS];
        let mut on_error = vec![false; total + SPECIALS];
        let mut acc = vec![[u16::MAX; 2]; if counts { total + SPECIALS } else { 0 }];
        for (i, f) in p.functions.iter().enumerate() {
            let start = starts[i] as usize;
            costs[start..start + f.code.len()].copy_from_slice(&static_costs(&f.code));
            for instr in instrs(&f.code) {
                let bad = |_| LoadError::Unverified {
                    function: p.function_name(FnId(i as u32)),
                    pc: 0,
                };
                let instr = instr.map_err(bad)?;
                let at = start + instr.pc as usize;
                on_error[at] = instr.op == jet_bytecode::opcodes::Op::OnError;
                for k in 1..instr.len {
                    back[at + k as usize] = k as u16;
                }
            }
            let code = &mut words[start..start + f.code.len()];
            let mut selector =
                Selector::new(&mut tables, FnId(i as u32), code, base, &costs[start..]);
            selector.held = acc.get_mut(start..start + f.code.len());
            selector.run()?;
        }
        for (which, handler) in crate::select::SPECIAL_HANDLERS.iter().enumerate() {
            words[total + which] = Word::new(*handler as *const (), [0; 4]);
        }
        let mut copy_functions = Vec::new();
        if counts {
            crate::native::copy(&mut words, all, &back, p);
            copy_functions.extend(entries.iter().map(|e| FnEntry {
                entry: e.entry.wrapping_add(all),
                ..*e
            }));
        }
        let cap_impls =
            cap_impls(p).ok_or(LoadError::TooLarge("implementations of capabilities"))?;
        let Tables {
            sites,
            rows,
            cap_sites,
            copied,
            big_costs,
            big_charges,
            ..
        } = tables;
        let (copy_sites, rows) = if counts {
            copied_sites(&sites, rows, all)
        } else {
            (Vec::new(), rows)
        };
        Ok(Loaded {
            copy_sites: copy_sites.into_boxed_slice(),
            code: Code {
                words,
                total: all,
                counts,
                copy_functions: copy_functions.into_boxed_slice(),
                acc: acc.into_boxed_slice(),
                back: back.into_boxed_slice(),
                starts: starts.into_boxed_slice(),
                on_error: on_error.into_boxed_slice(),
                functions: entries.into_boxed_slice(),
            },
            costs,
            consts,
            sites: sites.into_boxed_slice(),
            _rows: rows,
            cap_sites,
            cap_impls,
            copied,
            big_costs,
            big_charges,
            max_frame,
            behind: None,
            program,
        })
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }
}

/// Sites like these whose rows lead `all` words further, and all rows.
fn copied_sites(
    sites: &[DynSite],
    mut rows: Vec<Box<[*const Word]>>,
    all: usize,
) -> (Vec<DynSite>, Vec<Box<[*const Word]>>) {
    let mut moved = HashMap::new();
    for i in 0..rows.len() {
        let shifted = rows[i]
            .iter()
            .map(|p| if p.is_null() { *p } else { p.wrapping_add(all) });
        let shifted: Box<[*const Word]> = shifted.collect();
        moved.insert(rows[i].as_ptr(), shifted.as_ptr());
        rows.push(shifted);
    }
    let site = |s: &DynSite| DynSite {
        row: moved.get(&s.row).copied().unwrap_or(s.row),
        ..*s
    };
    (sites.iter().map(site).collect(), rows)
}

/// The functions behind (type, capability) for each implementation record, and for the capabilities that a
/// value may be recapped to: a child to its parent, a parent to a child that added no method. `None` if they
/// are too many: each type goes with each related capability.
fn cap_impls(p: &Program) -> Option<CapImpls> {
    let mut total = 0usize;
    let mut found = CapImpls::new();
    let mut work: Vec<(NominalId, CapId, Box<[FnId]>)> = Vec::new();
    for i in &p.impls {
        if let LInterface::Cap(cap) = i.interface {
            let methods = i.methods.clone().into_boxed_slice();
            found.insert((i.ty.0, cap.0), methods.clone());
            work.push((i.ty, cap, methods));
        }
    }
    let mut same_size: HashMap<CapId, Vec<CapId>> = HashMap::new();
    for (id, cap) in (0u32..).map(CapId).zip(&p.caps) {
        if let Some(parent) = cap.parent
            && p.cap(parent)
                .is_some_and(|c| c.methods.len() == cap.methods.len())
        {
            same_size.entry(parent).or_default().push(id);
        }
    }
    while let Some((ty, cap, methods)) = work.pop() {
        let Some(declared) = p.cap(cap) else { continue };
        let mut next: Vec<CapId> = same_size.get(&cap).cloned().unwrap_or_default();
        next.extend(declared.parent);
        for other in next {
            let n = p.cap(other).map_or(0, |c| c.methods.len());
            let Some(part) = methods.get(..n) else {
                continue;
            };
            if let std::collections::hash_map::Entry::Vacant(e) = found.entry((ty.0, other.0)) {
                total += 1 + part.len();
                if total > MAX_CAP_METHODS {
                    return None;
                }
                let part: Box<[FnId]> = part.into();
                e.insert(part.clone());
                work.push((ty, other, part));
            }
        }
    }
    Some(found)
}
