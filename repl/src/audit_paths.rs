//! Which code touches which capability, and by which calls: read off the verified bytecode, not off what a
//! bundle says of itself.
//!
//! A capability can only be in a register of its own type, so a package touches exactly the capabilities that
//! its functions have registers for. Names and lines of the steps come from debug tables.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jet_bytecode::analysis::decode::instrs;
use jet_bytecode::linked::{CapId, FnId, LFunction, LType, PackageId, Program};
use jet_bytecode::module::FnKind;
use jet_bytecode::opcodes::Op;

/// A package's capability, and a way to a use of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The package whose code it is.
    pub package: PackageId,
    /// The capability.
    pub cap: CapId,
    /// Calls from a function that nothing else of the package calls with it, to the use.
    pub path: Vec<String>,
}

/// What an instruction does with a capability.
enum Step {
    /// Hands it to a function, or makes a literal that has it.
    Into(FnId),
    /// Uses it: what is called.
    Use(String),
}

/// Every package's capabilities, in the order of packages and capabilities.
#[must_use]
pub fn shares(program: &Program) -> Vec<Share> {
    let mut touching: BTreeMap<(u32, u32), Vec<FnId>> = BTreeMap::new();
    for (id, function) in (0u32..).zip(&program.functions) {
        let caps: BTreeSet<u32> = function
            .regs
            .iter()
            .filter_map(|ty| match program.ty(*ty) {
                LType::Cap(cap) => Some(cap.0),
                _ => None,
            })
            .collect();
        for cap in caps {
            let key = (function.package.0, cap);
            touching.entry(key).or_default().push(FnId(id));
        }
    }
    touching
        .into_iter()
        .map(|((package, cap), functions)| Share {
            package: PackageId(package),
            cap: CapId(cap),
            path: outermost(program, &functions, CapId(cap)),
        })
        .collect()
}

/// The path from the first function that none of the others hands the capability to.
fn outermost(program: &Program, functions: &[FnId], cap: CapId) -> Vec<String> {
    let mut called: BTreeSet<FnId> = BTreeSet::new();
    for id in functions {
        for (step, _) in steps(program, *id, cap) {
            if let Step::Into(callee) = step
                && callee != *id
            {
                called.insert(callee);
            }
        }
    }
    let roots = functions.iter().filter(|id| !called.contains(id));
    let mut ways = roots.map(|id| path(program, *id, cap));
    let first = ways.next();
    match (first, functions.first()) {
        (Some(way), _) if way.len() > 1 => way,
        (Some(way), _) => ways.find(|w| w.len() > 1).unwrap_or(way),
        (None, Some(id)) => path(program, *id, cap),
        (None, None) => Vec::new(),
    }
}

/// The shortest chain of calls from a function to a use of a capability. Only the function itself if there is
/// no use.
#[must_use]
pub fn path(program: &Program, from: FnId, cap: CapId) -> Vec<String> {
    let start = label(program, from, None);
    let mut seen = BTreeSet::from([from]);
    let mut queue = VecDeque::from([(from, vec![start.clone()])]);
    while let Some((id, way)) = queue.pop_front() {
        for (step, pc) in steps(program, id, cap) {
            match step {
                Step::Use(what) => {
                    let mut way = way;
                    way.push(with_place(program, id, Some(pc), what));
                    return way;
                }
                Step::Into(callee) => {
                    if seen.insert(callee) {
                        let mut way = way.clone();
                        let name = program.function_name(callee);
                        way.push(with_place(program, id, Some(pc), name));
                        queue.push_back((callee, way));
                    }
                }
            }
        }
    }
    vec![start]
}

/// What a function does with a capability, uses first.
fn steps(program: &Program, id: FnId, cap: CapId) -> Vec<(Step, u32)> {
    let Some(function) = program.function(id) else {
        return Vec::new();
    };
    let is_cap = |reg: u16| {
        function
            .reg_type(reg)
            .is_some_and(|ty| *program.ty(ty) == LType::Cap(cap))
    };
    if !(0..function.regs.len()).any(|reg| u16::try_from(reg).is_ok_and(is_cap)) {
        return Vec::new();
    }
    let mut uses = Vec::new();
    let mut into = Vec::new();
    for instr in instrs(&function.code).map_while(Result::ok) {
        let handed = instr.args(&function.code).any(is_cap);
        match instr.op {
            Op::Call if handed => {
                if let Some(callee) = program.resolve_fn(function.package, instr.b) {
                    into.push((Step::Into(callee), instr.pc));
                }
            }
            Op::MakeFn | Op::MakeBorrowed => {
                let callee = program.resolve_fn(function.package, instr.b);
                let has = |f: &LFunction| {
                    f.sig.uses.contains(&cap)
                        || f.captures
                            .iter()
                            .any(|ty| *program.ty(*ty) == LType::Cap(cap))
                };
                if let Some(callee) = callee
                    && program.function(callee).is_some_and(has)
                {
                    into.push((Step::Into(callee), instr.pc));
                }
            }
            Op::CapCall if instr.args(&function.code).next().is_some_and(is_cap) => {
                uses.push((
                    Step::Use(method(program, cap, usize::from(instr.b))),
                    instr.pc,
                ));
            }
            Op::CallFn | Op::CallDyn if handed => {
                uses.push((Step::Use("a function value that uses it".into()), instr.pc));
            }
            Op::NewAtt if handed => {
                let name = function.reg_type(instr.a).and_then(|ty| {
                    let LType::Nominal(id) = program.ty(ty) else {
                        return None;
                    };
                    Some(program.nominal(*id)?.name.clone())
                });
                let what = format!("attenuator {}", name.unwrap_or_default());
                uses.push((Step::Use(what), instr.pc));
            }
            Op::Recap if is_cap(instr.b) => {
                uses.push((Step::Use("bound as another capability".into()), instr.pc));
            }
            _ => {}
        }
    }
    uses.extend(into);
    uses
}

fn method(program: &Program, cap: CapId, index: usize) -> String {
    let Some(cap) = program.cap(cap) else {
        return "?".into();
    };
    let name = cap.methods.get(index).map_or("?", |m| m.name.as_str());
    format!("{}.{name}", cap.name)
}

/// A function's name with a place in its code.
#[must_use]
pub fn label(program: &Program, id: FnId, pc: Option<u32>) -> String {
    with_place(program, id, pc, program.function_name(id))
}

/// `what (file:line)`, the line of the place in the function's code.
fn with_place(program: &Program, id: FnId, pc: Option<u32>, what: String) -> String {
    let place = program.function(id).and_then(|function| {
        let line = match pc {
            Some(pc) => function.line_at(pc),
            None if function.kind == FnKind::Named => function.lines.first().copied(),
            None => None,
        }?;
        let package = program.packages.get(function.package.index())?;
        let file = package.files.get(usize::from(line.file))?;
        let own = program.packages.last().map_or("", |p| p.name.as_str());
        let short = file.strip_prefix(own).and_then(|f| f.strip_prefix('/'));
        Some(format!("{}:{}", short.unwrap_or(file), line.line))
    });
    match place {
        Some(place) => format!("{what} ({place})"),
        None => what,
    }
}
