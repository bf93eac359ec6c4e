//! Structure of one package by itself: counts, indices, names, canonical order.
//!
//! What must stay true: after this, every index of the package's tables (operands of code apart) may be
//! followed, structural types are acyclic and shallow, and sizes fit the layout.

use super::{Meter, Result, Rule, VerifyLimits, ensure, error};
use crate::limits::{
    MAX_LIST, MAX_NAME, MAX_PACKAGE_NAME, MAX_PAYLOAD, MAX_RECORD_FIELDS, MAX_SIG, MAX_TYPE_DEPTH,
    MAX_VARIANTS,
};
use crate::module::*;
use crate::shown::hides;
use std::collections::HashSet;
use std::hash::Hash;

struct Check<'a> {
    p: &'a Package,
    meter: &'a mut Meter,
}

pub(super) fn check(p: &Package, limits: &VerifyLimits, meter: &mut Meter) -> Result<()> {
    let mut c = Check { p, meter };
    c.manifest()?;
    super::in_force(c.types())?;
    c.nominals()?;
    c.interfaces()?;
    c.links()?;
    c.constants()?;
    for f in &p.functions {
        super::in_force(c.function(f, limits)).map_err(|e| e.in_function(&f.name))?;
    }
    c.entry()
}

fn name(text: &str) -> Result<()> {
    // In messages and audits a name shows as what it is.
    let ok = !text.is_empty() && text.len() <= MAX_NAME && !text.contains(hides);
    ensure(ok, Rule::Name, || {
        format!("`{:.80}`", text.escape_debug().to_string())
    })
}

fn package_name(text: &str) -> Result<()> {
    name(text)?;
    // Names of instances spell `package.Type`, so a package's name must not look like part of one.
    let bad = |c: char| c.is_whitespace() || ".,[](){}:\"'/\\".contains(c);
    ensure(
        text.len() <= MAX_PACKAGE_NAME && !text.contains(bad),
        Rule::Name,
        || format!("package name `{:.80}`", text.escape_debug().to_string()),
    )
}

fn limit(count: usize, max: usize, what: &str) -> Result<()> {
    ensure(count <= max, Rule::Count, || {
        format!("{count} {what}, at most {max}")
    })
}

fn unique<T: Eq + Hash>(items: impl Iterator<Item = T>, what: &str) -> Result<()> {
    let mut items = items.enumerate();
    // Most lists are short: they are compared one by one.
    let mut few: Vec<T> = Vec::new();
    for (i, item) in items.by_ref().take(8) {
        ensure(!few.contains(&item), Rule::Duplicate, || {
            format!("{what} {i} occurs twice")
        })?;
        few.push(item);
    }
    if few.len() < 8 {
        return Ok(());
    }
    let mut seen: HashSet<T> = HashSet::with_capacity(few.len() + items.size_hint().0);
    seen.extend(few);
    for (i, item) in items {
        ensure(seen.insert(item), Rule::Duplicate, || {
            format!("{what} {i} occurs twice")
        })?;
    }
    Ok(())
}

fn ascending<T: PartialOrd>(mut items: impl Iterator<Item = T>, what: &str) -> Result<()> {
    let mut last = items.next();
    for item in items {
        let ascends = last.as_ref().is_none_or(|l| *l < item);
        ensure(ascends, Rule::Order, || format!("{what} do not ascend"))?;
        last = Some(item);
    }
    Ok(())
}

impl Check<'_> {
    fn index(&self, ix: u16, len: usize, what: &str) -> Result<()> {
        ensure(usize::from(ix) < len, Rule::Index, || {
            format!("{what} {ix} of {len}")
        })
    }

    fn type_ix(&self, ix: TypeIx) -> Result<()> {
        self.index(ix, self.p.types.len(), "type")
    }

    fn package_ix(&self, ix: PackageIx) -> Result<()> {
        self.index(ix, self.p.deps.len() + 1, "package")
    }

    fn package_text(&self, ix: PackageIx) -> &str {
        match usize::from(ix).checked_sub(1) {
            None => &self.p.name,
            Some(i) => self.p.deps.get(i).map_or("", |d| d.name.as_str()),
        }
    }

    fn manifest(&mut self) -> Result<()> {
        let p = self.p;
        package_name(&p.name)?;
        if !p.version.is_empty() {
            name(&p.version)?;
        }
        let max = usize::from(u16::MAX);
        limit(p.deps.len(), crate::format::MAX_PACKAGES, "dependencies")?;
        limit(p.inputs.len(), max, "build inputs")?;
        limit(p.types.len(), max, "types")?;
        limit(p.nominals.len(), max, "nominal types")?;
        limit(p.caps.len(), max, "capabilities")?;
        limit(p.traits.len(), max, "traits")?;
        limit(p.impls.len(), max, "implementation records")?;
        limit(p.imports.len() + p.functions.len(), max, "functions")?;
        limit(p.files.len(), max, "files")?;
        limit(p.consts.len(), crate::format::MAX_CONSTS, "constants")?;
        let (deps, inputs) = (p.deps.len(), p.inputs.len());
        let tables = [deps, inputs, p.types.len(), p.nominals.len(), p.caps.len()];
        self.meter.spend(tables.iter().sum())?;
        for d in &p.deps {
            package_name(&d.name)?;
        }
        let own = std::iter::once(&p.name);
        unique(own.chain(p.deps.iter().map(|d| &d.name)), "package name")?;
        for i in &p.inputs {
            name(&i.name)?;
        }
        unique(p.inputs.iter().map(|i| &i.name), "build input")?;
        for f in &p.files {
            name(f)?;
        }
        unique(p.files.iter(), "file")
    }

    fn errors(&self, errors: &[NominalIx]) -> Result<()> {
        limit(errors.len(), MAX_SIG, "errors")?;
        ascending(errors.iter(), "errors")?;
        for e in errors {
            self.index(*e, self.p.nominals.len(), "nominal type")?;
            let kind = self.p.nominals.get(usize::from(*e)).map(|n| &n.kind);
            ensure(
                matches!(kind, Some(NominalKind::Error(_))),
                Rule::ErrorsOnly,
                || format!("nominal type {e} is no error"),
            )?;
        }
        Ok(())
    }

    fn sig(&mut self, sig: &Sig) -> Result<()> {
        self.meter
            .spend(1 + sig.params.len() + sig.uses.len() + sig.errors.len())?;
        limit(sig.params.len(), MAX_SIG, "parameters")?;
        limit(sig.uses.len(), MAX_SIG, "used capabilities")?;
        for t in sig.params.iter().chain([&sig.ret]) {
            self.type_ix(*t)?;
        }
        let mut keys = Vec::with_capacity(sig.uses.len());
        for c in &sig.uses {
            self.index(*c, self.p.caps.len(), "capability")?;
            if let Some(cap) = self.p.caps.get(usize::from(*c)) {
                keys.push((self.package_text(cap.package), cap.name.as_str()));
            }
        }
        ascending(keys.iter(), "used capabilities")?;
        self.errors(&sig.errors)
    }

    fn types(&mut self) -> Result<()> {
        unique(self.p.types.iter(), "type")?;
        let mut depths: Vec<u8> = Vec::with_capacity(self.p.types.len());
        for (i, ty) in self.p.types.iter().enumerate() {
            let mut parts: Vec<TypeIx> = Vec::new();
            match ty {
                Type::List(t) => parts.push(*t),
                Type::Tuple(ts) => {
                    limit(ts.len(), MAX_RECORD_FIELDS, "tuple members")?;
                    ensure(ts.len() >= 2, Rule::TypeForm, || {
                        format!("type {i} is a tuple of {}", ts.len())
                    })?;
                    parts.extend(ts);
                }
                Type::Nominal(n) => self.index(*n, self.p.nominals.len(), "nominal type")?,
                Type::Fn(sig) | Type::BorrowedFn(sig) => {
                    parts.extend(&sig.params);
                    parts.push(sig.ret);
                    self.sig(sig)?;
                    let borrowed = matches!(ty, Type::BorrowedFn(_));
                    ensure(!borrowed || sig.uses.is_empty(), Rule::TypeForm, || {
                        format!("type {i}: borrowed function with `uses`")
                    })?;
                }
                Type::Cap(c) => self.index(*c, self.p.caps.len(), "capability")?,
                Type::Dyn(t) => self.index(*t, self.p.traits.len(), "trait")?,
                Type::ErrorSet(es) => {
                    ensure(es.len() >= 2, Rule::TypeForm, || {
                        format!("type {i} is an error set of {}", es.len())
                    })?;
                    self.errors(es)?;
                }
                _ => {}
            }
            self.meter.spend(1 + parts.len())?;
            let mut depth = 1u8;
            for part in parts {
                let below = depths.get(usize::from(part)).copied();
                let below = below
                    .ok_or_else(|| error(Rule::TypeOrder, format!("type {i} refers to {part}")))?;
                depth = depth.max(below.saturating_add(1));
            }
            ensure(depth <= MAX_TYPE_DEPTH, Rule::Nesting, || {
                format!("type {i}")
            })?;
            depths.push(depth);
        }
        Ok(())
    }

    fn fields(&mut self, fields: &[Field], owner: &str) -> Result<()> {
        self.meter.spend(1 + fields.len())?;
        ensure(fields.len() <= MAX_RECORD_FIELDS, Rule::RecordSize, || {
            format!("`{}` has {} fields", owner.escape_debug(), fields.len())
        })?;
        for f in fields {
            name(&f.name)?;
            self.type_ix(f.ty)?;
        }
        Ok(())
    }

    fn nominals(&mut self) -> Result<()> {
        unique(
            self.p.nominals.iter().map(|n| (n.package, &n.name)),
            "nominal type",
        )?;
        for n in &self.p.nominals {
            self.package_ix(n.package)?;
            name(&n.name)?;
            match &n.kind {
                NominalKind::Struct(fields) => self.fields(fields, &n.name)?,
                NominalKind::Enum(variants) | NominalKind::Error(variants) => {
                    let count = variants.len();
                    ensure((1..=MAX_VARIANTS).contains(&count), Rule::EnumForm, || {
                        format!("`{}` has {count} variants", n.name.escape_debug())
                    })?;
                    unique(variants.iter().map(|v| &v.name), "variant")?;
                    for v in variants {
                        name(&v.name)?;
                        self.fields(&v.fields, &n.name)?;
                        let ok =
                            v.fields.len() <= MAX_PAYLOAD && v.fields.iter().all(|f| !f.mutable);
                        ensure(ok, Rule::EnumForm, || {
                            format!("variant `{}`", v.name.escape_debug())
                        })?;
                    }
                }
                NominalKind::Handle => {}
            }
        }
        Ok(())
    }

    fn methods(&mut self, methods: &[Method]) -> Result<()> {
        limit(methods.len(), MAX_LIST, "methods")?;
        unique(methods.iter().map(|m| &m.name), "method")?;
        for m in methods {
            name(&m.name)?;
            self.sig(&m.sig)?;
        }
        Ok(())
    }

    fn interfaces(&mut self) -> Result<()> {
        let p = self.p;
        unique(p.caps.iter().map(|c| (c.package, &c.name)), "capability")?;
        for c in &p.caps {
            self.package_ix(c.package)?;
            name(&c.name)?;
            if let Some(parent) = c.parent {
                self.index(parent, p.caps.len(), "capability")?;
            }
            self.methods(&c.methods)?;
        }
        unique(p.traits.iter().map(|t| (t.package, &t.name)), "trait")?;
        for t in &p.traits {
            self.package_ix(t.package)?;
            name(&t.name)?;
            self.methods(&t.methods)?;
        }
        Ok(())
    }

    fn links(&mut self) -> Result<()> {
        let p = self.p;
        let functions = p.imports.len() + p.functions.len();
        unique(
            p.impls.iter().map(|i| (i.ty, i.interface)),
            "implementation record",
        )?;
        for i in &p.impls {
            self.meter.spend(1 + i.methods.len())?;
            self.index(i.ty, p.nominals.len(), "nominal type")?;
            match i.interface {
                Interface::Trait(t) => self.index(t, p.traits.len(), "trait")?,
                Interface::Cap(c) => self.index(c, p.caps.len(), "capability")?,
            }
            for m in &i.methods {
                self.index(*m, functions, "function")?;
            }
        }
        unique(p.imports.iter().map(|i| (i.package, &i.name)), "import")?;
        for i in &p.imports {
            self.package_ix(i.package)?;
            ensure(i.package != 0, Rule::Import, || {
                format!("`{}` from the package itself", i.name.escape_debug())
            })?;
            name(&i.name)?;
            self.sig(&i.sig)?;
        }
        unique(p.functions.iter().map(|f| &f.name), "function")
    }

    fn constants(&mut self) -> Result<()> {
        self.meter.spend(self.p.consts.len())?;
        let mut floats = HashSet::new();
        let mut ints = HashSet::new();
        let mut strings = HashSet::new();
        for (i, c) in self.p.consts.iter().enumerate() {
            let fresh = match c {
                Const::Int(v) => ints.insert(*v),
                Const::Float(bits) => {
                    let canonical = f64::NAN.to_bits();
                    ensure(
                        !f64::from_bits(*bits).is_nan() || *bits == canonical,
                        Rule::Constant,
                        || format!("constant {i} is another NaN than the canonical one"),
                    )?;
                    floats.insert(*bits)
                }
                Const::Str(s) => strings.insert(s.as_str()),
            };
            ensure(fresh, Rule::Duplicate, || {
                format!("constant {i} occurs twice")
            })?;
        }
        Ok(())
    }

    fn function(&mut self, f: &Function, limits: &VerifyLimits) -> Result<()> {
        name(&f.name)?;
        self.sig(&f.sig)?;
        limit(f.regs.len(), limits.registers, "registers")?;
        limit(f.captures.len(), MAX_RECORD_FIELDS, "captures")?;
        for t in f.regs.iter().chain(&f.captures) {
            self.type_ix(*t)?;
        }
        let words = f.code.len();
        ensure(
            (1..=limits.code_words).contains(&words),
            Rule::CodeSize,
            || format!("{words} words"),
        )?;
        self.meter.spend(f.regs.len() + words)?;
        self.lines(f)?;
        let joins = |pc: u32, why: &str| Err(error(Rule::Joins, why).at(pc));
        let mut last: Option<u32> = None;
        for j in f.joins.iter() {
            self.meter.spend(1 + j.live.len())?;
            if last.is_some_and(|l| l >= j.pc) {
                return joins(j.pc, "joins do not ascend");
            }
            last = Some(j.pc);
            let mut before: Option<u16> = None;
            for r in j.live {
                if before.is_some_and(|b| b >= *r) {
                    return joins(j.pc, "registers of a join do not ascend");
                }
                before = Some(*r);
                if usize::from(*r) >= f.regs.len() {
                    return joins(j.pc, "a join lists an undeclared register");
                }
            }
        }
        Ok(())
    }

    fn lines(&mut self, f: &Function) -> Result<()> {
        self.meter.spend(f.lines.len())?;
        let mut last: Option<u32> = None;
        for l in &f.lines {
            let ok = last.is_none_or(|p| p < l.pc)
                && (l.pc as usize) < f.code.len()
                && usize::from(l.file) < self.p.files.len()
                && l.line > 0
                && l.col > 0;
            ensure(ok, Rule::DebugTable, || format!("{l:?}")).map_err(|e| e.at(l.pc))?;
            last = Some(l.pc);
        }
        Ok(())
    }

    fn entry(&mut self) -> Result<()> {
        let Some(e) = &self.p.entry else {
            return Ok(());
        };
        let functions = self.p.imports.len() + self.p.functions.len();
        self.index(e.function, functions, "function")?;
        limit(e.paths.len(), MAX_LIST, "request paths")?;
        for path in &e.paths {
            self.meter.spend(1 + path.len())?;
            limit(path.len(), 100_000, "steps of a request path")?;
            path.iter().try_for_each(|s| name(s))?;
        }
        Ok(())
    }
}
