//! Second-class formation: where capabilities, attenuators and borrowed functions may stand in types.
//!
//! What must stay true: no type of a value that can be stored, returned, raised or sent holds a
//! second-class type, so authority can only go down the call tree; the rules of flow need no
//! analysis because of this.

use super::{Meter, Result, Rule, VerifyError, ensure};
use crate::layout;
use crate::linked::*;
use std::collections::HashMap;

/// Spells a type for a message.
pub(super) fn spell(prog: &Program, ty: TypeId) -> String {
    match prog.ty(ty) {
        LType::Nominal(n) => prog
            .nominal(*n)
            .map_or_else(String::new, |n| n.name.escape_debug().take(80).collect()),
        LType::Cap(c) => prog.cap(*c).map_or_else(String::new, |c| {
            format!("capability {}", c.name.escape_debug())
        }),
        LType::Dyn(t) => prog
            .trait_(*t)
            .map_or_else(String::new, |t| format!("dyn {}", t.name.escape_debug())),
        LType::Unit => "()".into(),
        LType::Bool => "bool".into(),
        LType::Byte => "byte".into(),
        LType::Char => "char".into(),
        LType::Int => "int".into(),
        LType::Float => "float".into(),
        LType::Str => "string".into(),
        LType::List(_) => format!("list type {}", ty.0),
        LType::Tuple(_) => format!("tuple type {}", ty.0),
        LType::Fn(_) => format!("storable function type {}", ty.0),
        LType::BorrowedFn(_) => format!("borrowed function type {}", ty.0),
        LType::ErrorSet(_) => format!("error set {}", ty.0),
        LType::Env => "environment".into(),
    }
}

/// The first package that mentions a type.
fn mentions(prog: &Program, ty: TypeId) -> &str {
    let first = prog.packages.iter().find(|p| p.types.contains(&ty));
    first.map_or("", |p| p.name.as_str())
}

fn structural(prog: &Program, id: TypeId, ty: &LType, meter: &mut Meter) -> Result<()> {
    meter.spend(1)?;
    match ty {
        LType::List(t) => first_class(prog, *t, "list element", Rule::FirstClass),
        LType::Tuple(ts) => {
            meter.spend(ts.len())?;
            for t in ts {
                first_class(prog, *t, "tuple member", Rule::FirstClass)?;
            }
            let fits = layout::tuple_record(prog, id).is_some();
            ensure(fits, Rule::RecordSize, || format!("type {}", id.0))
        }
        LType::Fn(sig) | LType::BorrowedFn(sig) => signature(prog, sig, meter),
        _ => Ok(()),
    }
}

pub(super) fn check(prog: &Program, meter: &mut Meter) -> Result<()> {
    for (id, ty) in (0u32..).map(TypeId).zip(&prog.types) {
        structural(prog, id, ty, meter).map_err(|e| e.in_package(mentions(prog, id)))?;
    }
    // What crosses an attenuator's edge is copied, and what these hold cannot be.
    let stored = holders(prog, |t| matches!(t, LType::Fn(_) | LType::Dyn(_)));
    for n in &prog.nominals {
        let place = |e: VerifyError| e.in_package(prog.package_name(n.package));
        nominal(prog, n, meter).map_err(place)?;
        attenuator_data(prog, n, &stored).map_err(place)?;
    }
    for t in &prog.traits {
        let place = |e: VerifyError| e.in_package(prog.package_name(t.package));
        for m in &t.methods {
            signature(prog, &m.sig, meter).map_err(place)?;
        }
    }
    let functions = holders(prog, |t| {
        matches!(
            t,
            LType::Fn(_) | LType::BorrowedFn(_) | LType::Cap(_) | LType::Dyn(_) | LType::Env
        )
    });
    let is_handle = |n: NominalId| {
        prog.nominal(n)
            .is_some_and(|n| n.kind == LNominalKind::Handle)
    };
    let handles = holders(prog, |t| matches!(t, LType::Nominal(n) if is_handle(*n)));
    let caps = Caps {
        prog,
        functions,
        handles,
    };
    for c in &prog.caps {
        let place = |e: VerifyError| e.in_package(prog.package_name(c.package));
        caps.check(c, meter).map_err(place)?;
    }
    no_cyclic_parents(prog)
}

fn first_class(prog: &Program, ty: TypeId, what: &str, rule: Rule) -> Result<()> {
    ensure(prog.kind(ty).first_class(), rule, || {
        format!("{what} is {}", spell(prog, ty))
    })
}

/// A signature's visible part: parameters first class or borrowed functions, result first class.
pub(super) fn signature(prog: &Program, sig: &LSig, meter: &mut Meter) -> Result<()> {
    meter.spend(1 + sig.params.len())?;
    for t in &sig.params {
        let kind = prog.kind(*t);
        let ok = kind.first_class() || kind == Kind::BorrowedFn;
        ensure(ok, Rule::Parameter, || {
            format!("parameter is {}", spell(prog, *t))
        })?;
    }
    first_class(prog, sig.ret, "result", Rule::FirstClass)
}

fn nominal(prog: &Program, n: &LNominal, meter: &mut Meter) -> Result<()> {
    let id = match prog.ty(n.ty) {
        LType::Nominal(id) => *id,
        _ => return Ok(()),
    };
    match &n.kind {
        LNominalKind::Struct(fields) => {
            meter.spend(fields.len())?;
            for f in fields {
                let kind = prog.kind(f.ty);
                if matches!(kind, Kind::Cap | Kind::Att) {
                    ensure(!f.mutable, Rule::AttenuatorField, || {
                        format!("field `{}` is mutable", f.name.escape_debug())
                    })?;
                } else if n.attenuator {
                    first_class(prog, f.ty, "attenuator's field", Rule::AttenuatorField)?;
                } else {
                    first_class(prog, f.ty, "field", Rule::FirstClass)?;
                }
            }
            record_fits(prog, id, 0)
        }
        LNominalKind::Enum(variants) | LNominalKind::Error(variants) => {
            for (i, v) in (0u16..).zip(variants) {
                meter.spend(1 + v.fields.len())?;
                for f in &v.fields {
                    first_class(prog, f.ty, "payload", Rule::FirstClass)?;
                }
                record_fits(prog, id, i)?;
            }
            Ok(())
        }
        LNominalKind::Handle => Ok(()),
    }
}

/// The data of an attenuator holds no functions and no objects.
fn attenuator_data(prog: &Program, n: &LNominal, stored: &[bool]) -> Result<()> {
    let LNominalKind::Struct(fields) = &n.kind else {
        return Ok(());
    };
    for f in fields.iter().filter(|_| n.attenuator) {
        let holds = stored.get(f.ty.index()).copied().unwrap_or(true);
        let data = !matches!(prog.kind(f.ty), Kind::Cap | Kind::Att);
        ensure(!(data && holds), Rule::AttenuatorField, || {
            format!(
                "field `{}` holds a function or an object",
                f.name.escape_debug()
            )
        })?;
    }
    Ok(())
}

fn record_fits(prog: &Program, id: NominalId, variant: u16) -> Result<()> {
    let fits = layout::nominal_record(prog, id, variant).is_some();
    ensure(fits, Rule::RecordSize, || {
        format!("record {variant} of nominal type {}", id.0)
    })
}

/// For each type, whether a value of it can hold one that `source` says yes to. Linear: marks run from
/// the sources to what contains them.
fn holders(prog: &Program, source: impl Fn(&LType) -> bool) -> Vec<bool> {
    let mut within: HashMap<TypeId, Vec<TypeId>> = HashMap::new();
    let mut marks = vec![false; prog.types.len()];
    let mut work = Vec::new();
    for (i, ty) in (0u32..).zip(&prog.types) {
        let id = TypeId(i);
        if source(ty) {
            work.push(id);
        }
        let mut hold = |part: TypeId| within.entry(part).or_default().push(id);
        match ty {
            LType::List(t) => hold(*t),
            LType::Tuple(ts) => ts.iter().copied().for_each(hold),
            LType::ErrorSet(es) => {
                let tys = es.iter().filter_map(|e| prog.nominal(*e)).map(|n| n.ty);
                tys.for_each(hold);
            }
            LType::Nominal(n) => match prog.nominal(*n).map(|n| &n.kind) {
                Some(LNominalKind::Struct(fs)) => fs.iter().for_each(|f| hold(f.ty)),
                Some(LNominalKind::Enum(vs) | LNominalKind::Error(vs)) => {
                    vs.iter().flat_map(|v| &v.fields).for_each(|f| hold(f.ty));
                }
                _ => {}
            },
            _ => {}
        }
    }
    while let Some(id) = work.pop() {
        if let Some(mark) = marks.get_mut(id.index())
            && !std::mem::replace(mark, true)
        {
            work.extend(within.remove(&id).unwrap_or_default());
        }
    }
    marks
}

struct Caps<'a> {
    prog: &'a Program,
    functions: Vec<bool>,
    handles: Vec<bool>,
}

impl Caps<'_> {
    fn check(&self, c: &LCap, meter: &mut Meter) -> Result<()> {
        let prog = self.prog;
        for m in &c.methods {
            meter.spend(1 + m.sig.params.len() + m.sig.errors.len())?;
            let label = || format!("`{}.{}`", c.name.escape_debug(), m.name.escape_debug());
            ensure(m.sig.uses.is_empty(), Rule::CapMethod, || {
                format!("{} uses capabilities", label())
            })?;
            let errors = m.sig.errors.iter().filter_map(|e| prog.nominal(*e));
            let types = m.sig.params.iter().chain([&m.sig.ret]).copied();
            for ty in types.chain(errors.map(|n| n.ty)) {
                let plain = prog.kind(ty) == Kind::Data
                    && !self.holds(&self.functions, ty)
                    && self.handle_ok(ty);
                ensure(plain, Rule::CapMethod, || {
                    format!("{} passes {}", label(), spell(prog, ty))
                })?;
            }
        }
        if let Some(parent) = c.parent.and_then(|p| prog.cap(p)) {
            ensure(c.methods.starts_with(&parent.methods), Rule::Parent, || {
                format!("`{}`", c.name.escape_debug())
            })?;
        }
        Ok(())
    }

    fn holds(&self, marks: &[bool], ty: TypeId) -> bool {
        marks.get(ty.index()).copied().unwrap_or(true)
    }

    /// Handles stand alone or as the payload of an optional.
    fn handle_ok(&self, ty: TypeId) -> bool {
        if !self.holds(&self.handles, ty) {
            return true;
        }
        let is_handle = |ty: TypeId| match self.prog.ty(ty) {
            LType::Nominal(n) => self
                .prog
                .nominal(*n)
                .is_some_and(|n| n.kind == LNominalKind::Handle),
            _ => false,
        };
        if is_handle(ty) {
            return true;
        }
        let LType::Nominal(id) = self.prog.ty(ty) else {
            return false;
        };
        let Some(layout::EnumRepr::Nullable { some, .. }) = layout::enum_repr(self.prog, *id)
        else {
            return false;
        };
        match self.prog.nominal(*id).map(|n| &n.kind) {
            Some(LNominalKind::Enum(vs)) => vs
                .get(usize::from(some))
                .is_some_and(|v| matches!(v.fields.as_slice(), [f] if is_handle(f.ty))),
            _ => false,
        }
    }
}

/// Every chain of parents ends.
fn no_cyclic_parents(prog: &Program) -> Result<()> {
    // 0 unknown, 1 on the current chain, 2 known to end.
    let mut state = vec![0u8; prog.caps.len()];
    for start in 0..prog.caps.len() {
        let mut chain = Vec::new();
        let mut at = Some(start);
        while let Some(i) = at {
            match state.get_mut(i) {
                Some(s @ 0) => *s = 1,
                Some(1) => {
                    let cap = prog.caps.get(i);
                    let name = cap.map_or("", |c| c.name.as_str());
                    let package = cap.map_or("", |c| prog.package_name(c.package));
                    let what = format!("`{}` is its own ancestor", name.escape_debug());
                    return super::refuse(Rule::Parent, what).map_err(|e| e.in_package(package));
                }
                _ => break,
            }
            chain.push(i);
            at = prog.caps.get(i).and_then(|c| c.parent).map(CapId::index);
        }
        for i in chain {
            if let Some(s) = state.get_mut(i) {
                *s = 2;
            }
        }
    }
    Ok(())
}
