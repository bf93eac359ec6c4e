//! Builders for the compiler: a package's tables with interning ([`PackageBuilder`]) and a function's code
//! with labels ([`FunctionBuilder`]).
//!
//! A finished function has no unreachable code, short jumps where they fit, exact `joins`, and obeys
//! the limits of the format; a finished package is canonical, but only the verifier says that it is valid.
//! Errors are remembered and come out of `finish`, so emitting needs no checks.

use crate::analysis::decode::instrs;
use crate::analysis::liveness::joins_of;
use crate::module::*;
use crate::opcodes::{Lane, Op, Word, arg_words, switch_words};
use rustc_hash::{FxHashMap, FxHashSet};

/// Most words of a function's code.
pub const MAX_CODE_WORDS: usize = 1 << 16;
/// Most registers of a function.
pub const MAX_REGS: usize = 1024;

/// A register of the function being built.
pub type Reg = u16;

/// Why something cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// More than [`MAX_REGS`] registers.
    TooManyRegisters,
    /// More than [`MAX_CODE_WORDS`] words.
    CodeTooLong,
    /// More arguments than an instruction holds.
    TooManyArguments,
    /// A table of the package has more entries than an index can name.
    TableFull(&'static str),
    /// A label that is used was never bound.
    UnboundLabel,
    /// Control can run off the end.
    FallsOff,
    /// The instruction was given operands of another form than the table says.
    BadOperands(Op),
    /// A declared nominal type, capability or trait was never defined.
    Undefined(String),
}

impl std::fmt::Display for BuildError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BuildError::TooManyRegisters => {
                write!(f, "function needs more than {MAX_REGS} registers")
            }
            BuildError::CodeTooLong => {
                write!(f, "function needs more than {MAX_CODE_WORDS} words of code")
            }
            BuildError::TooManyArguments => write!(f, "too many arguments in one call"),
            BuildError::TableFull(t) => write!(f, "package has too many {t}"),
            BuildError::UnboundLabel => write!(f, "jump to a label that was never bound"),
            BuildError::FallsOff => write!(f, "control runs off the end of the function"),
            BuildError::BadOperands(op) => {
                write!(f, "operands do not fit `{}`", op.info().mnemonic)
            }
            BuildError::Undefined(name) => write!(f, "`{name}` was declared but not defined"),
        }
    }
}

impl std::error::Error for BuildError {}

/// A jump target that is known later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(u32);

/// A function to be called, before the number of imports is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FnRef {
    /// By index into the imports.
    Import(u16),
    /// By index into the package's own functions.
    Local(u16),
}

#[derive(Clone, Debug)]
struct Item {
    op: Op,
    a: u16,
    b: u16,
    c: u16,
    args: Vec<u16>,
    labels: Vec<Label>,
    function: Option<FnRef>,
    line: Option<(u16, u32, u32)>,
    long: bool,
}

/// Builds one function.
#[derive(Clone, Debug)]
pub struct FunctionBuilder {
    name: String,
    kind: FnKind,
    sig: Sig,
    captures: Vec<TypeIx>,
    regs: Vec<TypeIx>,
    items: Vec<Item>,
    /// By label: the item that it stands before.
    labels: Vec<Option<u32>>,
    last_bound: Option<u32>,
    line: Option<(u16, u32, u32)>,
    words: usize,
    error: Option<BuildError>,
}

/// A function with its calls still by [`FnRef`]; `PackageBuilder::define` takes it.
#[derive(Clone, Debug)]
pub struct FinishedFunction {
    function: Function,
    relocs: Vec<(u32, FnRef)>,
}

impl FinishedFunction {
    /// The function; its calls have zero for the callee.
    pub fn function(&self) -> &Function {
        &self.function
    }
}

impl FunctionBuilder {
    /// Starts a function. `leading` are the types of the registers that a call fills: environment (literals),
    /// the capabilities of `sig.uses`, the parameters. They get registers 0, 1, …
    pub fn new(
        name: impl Into<String>,
        kind: FnKind,
        sig: Sig,
        captures: Vec<TypeIx>,
        leading: Vec<TypeIx>,
    ) -> Self {
        FunctionBuilder {
            name: name.into(),
            kind,
            sig,
            captures,
            regs: leading,
            items: Vec::new(),
            labels: Vec::new(),
            last_bound: None,
            line: None,
            words: 0,
            error: None,
        }
    }

    fn fail(&mut self, e: BuildError) {
        self.error.get_or_insert(e);
    }

    /// The first error so far, which `finish` will return.
    pub fn error(&self) -> Option<&BuildError> {
        self.error.as_ref()
    }

    /// A new register of this type.
    pub fn reg(&mut self, ty: TypeIx) -> Reg {
        if self.regs.len() >= MAX_REGS {
            self.fail(BuildError::TooManyRegisters);
            return 0;
        }
        self.regs.push(ty);
        (self.regs.len() - 1) as u16
    }

    /// The type of a register.
    pub fn reg_type(&self, reg: Reg) -> Option<TypeIx> {
        self.regs.get(usize::from(reg)).copied()
    }

    /// A new label, not yet bound.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label((self.labels.len() - 1) as u32)
    }

    /// Binds a label to this place.
    pub fn bind(&mut self, label: Label) {
        let at = self.items.len() as u32;
        if let Some(slot) = self.labels.get_mut(label.0 as usize) {
            *slot = Some(at);
            self.last_bound = Some(at);
        }
    }

    /// Sets the source position of the instructions that follow.
    pub fn line(&mut self, file: u16, line: u32, col: u32) {
        self.line = Some((file, line, col));
    }

    /// Whether control cannot reach this place by falling through: the last instruction ends a block
    /// and no label is bound here.
    pub fn terminated(&self) -> bool {
        let at = self.items.len() as u32;
        self.items.last().is_some_and(|i| ends(i.op)) && self.last_bound != Some(at)
    }

    fn push(&mut self, op: Op, lanes: [u16; 3]) -> Option<&mut Item> {
        if self.words > 4 * MAX_CODE_WORDS {
            self.fail(BuildError::CodeTooLong);
            return None;
        }
        self.words += 1;
        let [a, b, c] = lanes;
        self.items.push(Item {
            op,
            a,
            b,
            c,
            args: Vec::new(),
            labels: Vec::new(),
            function: None,
            line: self.line,
            long: false,
        });
        self.items.last_mut()
    }

    /// Emits an instruction without jump, constant or arguments. Unused lanes are given as 0.
    pub fn emit(&mut self, op: Op, a: u16, b: u16, c: u16) {
        let bad = op
            .info()
            .lanes
            .iter()
            .any(|l| matches!(l, Lane::Jump16 | Lane::Jump32 | Lane::Count));
        if bad {
            return self.fail(BuildError::BadOperands(op));
        }
        self.push(op, [a, b, c]);
    }

    /// Emits `const_imm`.
    pub fn const_imm(&mut self, dst: Reg, value: i32) {
        let v = value as u32;
        self.push(Op::ConstImm, [dst, v as u16, (v >> 16) as u16]);
    }

    /// Emits `load_const`.
    pub fn load_const(&mut self, dst: Reg, constant: u32) {
        let k = [dst, constant as u16, (constant >> 16) as u16];
        self.push(Op::LoadConst, k);
    }

    /// Emits a jump of any kind but `switch` and `on_error`: `a` and `b` as in the table (0 where unused).
    pub fn jump(&mut self, op: Op, a: u16, b: u16, to: Label) {
        let wide = op.info().lanes.contains(&Lane::Jump32);
        if op == Op::OnError || !(wide || op.info().lanes.contains(&Lane::Jump16)) {
            return self.fail(BuildError::BadOperands(op));
        }
        if let Some(item) = self.push(op, [a, if wide { 0 } else { b }, 0]) {
            item.labels.push(to);
        }
    }

    /// Emits `jmp`.
    pub fn jmp(&mut self, to: Label) {
        self.jump(Op::Jmp, 0, 0, to);
    }

    /// Emits `switch` on `value` over 0, 1, …; other values fall through.
    pub fn switch(&mut self, value: Reg, to: &[Label]) {
        let Ok(n) = u16::try_from(to.len()) else {
            return self.fail(BuildError::TooManyArguments);
        };
        self.words += switch_words(n);
        if let Some(item) = self.push(Op::Switch, [value, n, 0]) {
            item.labels.extend_from_slice(to);
        }
    }

    /// Emits an instruction with arguments, whose index (lane `b`) is no function.
    pub fn emit_args(&mut self, op: Op, a: u16, b: u16, args: &[Reg]) {
        let Ok(n) = u16::try_from(args.len()) else {
            return self.fail(BuildError::TooManyArguments);
        };
        let lanes = op.info().lanes;
        if op == Op::Switch || lanes.last() != Some(&Lane::Count) {
            return self.fail(BuildError::BadOperands(op));
        }
        self.words += arg_words(n);
        if let Some(item) = self.push(op, [a, b, n]) {
            item.args.extend_from_slice(args);
        }
    }

    /// Emits `call`, `make_fn` or `make_borrowed` of a function.
    pub fn emit_fn(&mut self, op: Op, dst: Reg, function: FnRef, args: &[Reg]) {
        if !matches!(op, Op::Call | Op::MakeFn | Op::MakeBorrowed) {
            return self.fail(BuildError::BadOperands(op));
        }
        let before = self.items.len();
        self.emit_args(op, dst, 0, args);
        if let Some(item) = self.items.get_mut(before) {
            item.function = Some(function);
        }
    }

    /// Emits `on_error`, to stand directly behind a call that can fail.
    pub fn on_error(&mut self, error: Reg, to: Label) {
        if let Some(item) = self.push(Op::OnError, [error, 0, 0]) {
            item.labels.push(to);
        }
    }

    fn target(&self, label: Label) -> Option<usize> {
        let at = self.labels.get(label.0 as usize).copied().flatten()?;
        Some(at as usize)
    }

    /// Marks the items that control can reach.
    fn reachable(&self) -> Result<Vec<bool>, BuildError> {
        let mut seen = vec![false; self.items.len()];
        let mut work = vec![0usize];
        while let Some(mut at) = work.pop() {
            loop {
                let (Some(item), Some(mark)) = (self.items.get(at), seen.get_mut(at)) else {
                    return Err(BuildError::FallsOff);
                };
                if std::mem::replace(mark, true) {
                    break;
                }
                for l in &item.labels {
                    work.push(self.target(*l).ok_or(BuildError::UnboundLabel)?);
                }
                if ends(item.op) {
                    break;
                }
                at += 1;
            }
        }
        Ok(seen)
    }

    /// Finishes the function: removes unreachable code, sizes jumps, computes joins.
    pub fn finish(mut self) -> Result<FinishedFunction, BuildError> {
        if let Some(e) = self.error.take() {
            return Err(e);
        }
        if self.regs.len() > MAX_REGS {
            return Err(BuildError::TooManyRegisters);
        }
        let seen = self.reachable()?;
        // Renumber labels onto the items that remain.
        let mut place = Vec::with_capacity(seen.len() + 1);
        let mut kept = 0u32;
        for s in &seen {
            place.push(kept);
            kept += u32::from(*s);
        }
        place.push(kept);
        for l in self.labels.iter_mut().flatten() {
            *l = place.get(*l as usize).copied().unwrap_or(kept);
        }
        let mut keep = seen.iter();
        self.items.retain(|_| keep.next().copied().unwrap_or(false));
        let starts = self.relax()?;
        let (code, relocs, lines) = self.encode(&starts)?;
        if code.len() > MAX_CODE_WORDS {
            return Err(BuildError::CodeTooLong);
        }
        let last = instrs(&code).map_while(Result::ok).last();
        if last.is_none_or(|i| i.falls_through()) {
            return Err(BuildError::FallsOff);
        }
        let joins = joins_of(&code, self.regs.len());
        Ok(FinishedFunction {
            function: Function {
                name: self.name,
                kind: self.kind,
                sig: self.sig,
                captures: self.captures,
                regs: self.regs,
                code,
                joins,
                lines,
            },
            relocs,
        })
    }

    /// Decides which short jumps become long; returns the first word of each item.
    fn relax(&mut self) -> Result<Vec<i64>, BuildError> {
        loop {
            let mut starts = Vec::with_capacity(self.items.len() + 1);
            let mut pc = 0i64;
            for item in &self.items {
                starts.push(pc);
                pc += item.words();
            }
            starts.push(pc);
            if pc > 8 * MAX_CODE_WORDS as i64 {
                return Err(BuildError::CodeTooLong);
            }
            let mut changed = false;
            for i in 0..self.items.len() {
                let far = match (self.items.get(i), starts.get(i)) {
                    (Some(item), Some(start)) if item.is_short() && !item.long => {
                        let to = item.labels.first().and_then(|l| self.target(*l));
                        let to = to.and_then(|t| starts.get(t));
                        let to = to.ok_or(BuildError::UnboundLabel)?;
                        i16::try_from(to - start).is_err()
                    }
                    _ => false,
                };
                if far && let Some(item) = self.items.get_mut(i) {
                    item.long = true;
                    changed = true;
                }
            }
            if !changed {
                return Ok(starts);
            }
        }
    }

    #[allow(clippy::type_complexity)]
    fn encode(
        &self,
        starts: &[i64],
    ) -> Result<(Vec<u64>, Vec<(u32, FnRef)>, Vec<LineEntry>), BuildError> {
        let mut code: Vec<u64> = Vec::new();
        let mut relocs = Vec::new();
        let mut lines: Vec<LineEntry> = Vec::new();
        let offset = |label: &Label, from: usize| -> Result<i32, BuildError> {
            let to = self.target(*label).and_then(|t| starts.get(t));
            let to = to.ok_or(BuildError::UnboundLabel)?;
            i32::try_from(to - from as i64).map_err(|_| BuildError::CodeTooLong)
        };
        for item in &self.items {
            let pc = code.len();
            if let Some((file, line, col)) = item.line {
                let same = |l: &LineEntry| (l.file, l.line, l.col) == (file, line, col);
                if !lines.last().is_some_and(same) {
                    lines.push(LineEntry {
                        pc: pc as u32,
                        file,
                        line,
                        col,
                    });
                }
            }
            if let Some(f) = item.function {
                relocs.push((pc as u32, f));
            }
            let (op, a) = (item.op, item.a);
            if op == Op::Switch {
                code.push(Word::abc(op, a, item.b, 0).0);
                let mut half = Vec::with_capacity(item.labels.len());
                for l in &item.labels {
                    half.push(offset(l, pc)? as u32);
                }
                half.resize(switch_words(item.b) * 2, 0);
                for pair in half.chunks(2) {
                    let low = pair.first().copied().unwrap_or(0);
                    let high = pair.get(1).copied().unwrap_or(0);
                    code.push(u64::from(low) | u64::from(high) << 32);
                }
                continue;
            }
            match item.labels.first() {
                Some(l) if !item.is_short() => {
                    code.push(Word::a32(op, a, offset(l, pc)? as u32).0);
                }
                Some(l) if !item.long => {
                    let o = offset(l, pc)? as i16;
                    code.push(Word::abc(op, a, item.b, o as u16).0);
                }
                Some(l) => match inverse(op, a, item.b) {
                    Some((op, a, b)) => {
                        code.push(Word::abc(op, a, b, 2).0);
                        code.push(Word::a32(Op::Jmp, 0, offset(l, pc + 1)? as u32).0);
                    }
                    None => {
                        code.push(Word::abc(op, a, item.b, 2).0);
                        code.push(Word::a32(Op::Jmp, 0, 2).0);
                        code.push(Word::a32(Op::Jmp, 0, offset(l, pc + 2)? as u32).0);
                    }
                },
                None => {
                    code.push(Word::abc(op, a, item.b, item.c).0);
                    if op.info().lanes.last() == Some(&Lane::Count) {
                        let mut args = item.args.clone();
                        args.resize(arg_words(item.c) * 4, 0);
                        for l in args.chunks(4) {
                            let mut lanes = [0u16; 4];
                            lanes.iter_mut().zip(l).for_each(|(to, from)| *to = *from);
                            code.push(Word::lanes(lanes).0);
                        }
                    }
                }
            }
        }
        Ok((code, relocs, lines))
    }
}

impl Item {
    fn is_short(&self) -> bool {
        self.op.info().lanes.contains(&Lane::Jump16)
    }

    fn words(&self) -> i64 {
        if self.op == Op::Switch {
            return 1 + switch_words(self.b) as i64;
        }
        if self.long {
            return if inverse(self.op, self.a, self.b).is_some() {
                2
            } else {
                3
            };
        }
        if self.op.info().lanes.last() == Some(&Lane::Count) {
            return 1 + arg_words(self.c) as i64;
        }
        1
    }
}

fn ends(op: Op) -> bool {
    matches!(op, Op::Jmp | Op::Ret | Op::Raise | Op::Panic | Op::Trap)
}

/// The jump that is taken exactly when this one is not.
fn inverse(op: Op, a: u16, b: u16) -> Option<(Op, u16, u16)> {
    Some(match op {
        Op::JEq => (Op::JNe, a, b),
        Op::JNe => (Op::JEq, a, b),
        Op::JLt => (Op::JLe, b, a),
        Op::JLe => (Op::JLt, b, a),
        Op::JEqImm => (Op::JNeImm, a, b),
        Op::JNeImm => (Op::JEqImm, a, b),
        Op::JLtImm => (Op::JGeImm, a, b),
        Op::JGeImm => (Op::JLtImm, a, b),
        Op::JLeImm => (Op::JGtImm, a, b),
        Op::JGtImm => (Op::JLeImm, a, b),
        Op::JEqFloat => (Op::JNeFloat, a, b),
        Op::JNeFloat => (Op::JEqFloat, a, b),
        Op::JLtFloat => (Op::JNltFloat, a, b),
        Op::JNltFloat => (Op::JLtFloat, a, b),
        Op::JLeFloat => (Op::JNleFloat, a, b),
        Op::JNleFloat => (Op::JLeFloat, a, b),
        Op::JTag => (Op::JNotTag, a, b),
        Op::JNotTag => (Op::JTag, a, b),
        _ => return None,
    })
}

/// Builds one package.
#[derive(Clone, Debug, Default)]
pub struct PackageBuilder {
    package: Package,
    types: FxHashMap<Type, TypeIx>,
    nominals: FxHashMap<(PackageIx, String), NominalIx>,
    caps: FxHashMap<(PackageIx, String), CapIx>,
    traits: FxHashMap<(PackageIx, String), TraitIx>,
    imports: FxHashMap<(PackageIx, String), u16>,
    consts: FxHashMap<ConstKey, u32>,
    files: FxHashMap<String, u16>,
    nominal_kinds: Vec<Option<NominalKind>>,
    cap_bodies: Vec<Option<(Option<CapIx>, Vec<Method>)>>,
    trait_bodies: Vec<Option<Vec<Method>>>,
    functions: Vec<(String, Option<FinishedFunction>)>,
    impls: Vec<(NominalIx, Interface, Vec<FnRef>)>,
    known_impls: FxHashSet<(NominalIx, Interface)>,
    entry: Option<(FnRef, Vec<Vec<String>>)>,
    error: Option<BuildError>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum ConstKey {
    Int(i64),
    Float(u64),
    Str(String),
}

impl PackageBuilder {
    /// Starts a package.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        PackageBuilder {
            package: Package {
                name: name.into(),
                version: version.into(),
                ..Package::default()
            },
            ..PackageBuilder::default()
        }
    }

    fn index(&mut self, len: usize, table: &'static str) -> u16 {
        // The last index stays free, so that a count fits 16 bits too.
        match u16::try_from(len) {
            Ok(i) if i < u16::MAX => i,
            _ => {
                self.error.get_or_insert(BuildError::TableFull(table));
                0
            }
        }
    }

    /// Adds a dependency with its content hash ([`crate::format::package_hash`]); returns its index for
    /// `package` fields. The package itself is 0.
    pub fn dep(&mut self, name: &str, hash: [u8; 32]) -> PackageIx {
        if let Some(i) = self.package.deps.iter().position(|d| d.name == name) {
            return i as u16 + 1;
        }
        let i = self.index(self.package.deps.len() + 1, "dependencies");
        self.package.deps.push(Dep {
            name: name.to_owned(),
            hash,
        });
        i
    }

    /// Interns a type. Its components must come from this builder.
    pub fn ty(&mut self, ty: Type) -> TypeIx {
        if let Some(i) = self.types.get(&ty) {
            return *i;
        }
        let i = self.index(self.package.types.len(), "types");
        if self.error.is_none() {
            self.types.insert(ty.clone(), i);
            self.package.types.push(ty);
        }
        i
    }

    /// A type by its index.
    pub fn type_at(&self, ix: TypeIx) -> Option<&Type> {
        self.package.types.get(usize::from(ix))
    }

    /// A signature in canonical form: `uses` in the order of capability identity, errors ascending, both
    /// without duplicates.
    pub fn sig(
        &self,
        params: Vec<TypeIx>,
        mut uses: Vec<CapIx>,
        ret: TypeIx,
        mut errors: Vec<NominalIx>,
    ) -> Sig {
        uses.sort_by_cached_key(|c| self.cap_key(*c));
        uses.dedup();
        errors.sort_unstable();
        errors.dedup();
        Sig {
            params,
            uses,
            ret,
            errors,
        }
    }

    /// What capabilities are ordered by: declaring package's name, then name.
    pub fn cap_key(&self, cap: CapIx) -> (String, String) {
        match self.package.caps.get(usize::from(cap)) {
            Some(c) => (self.package_name(c.package).to_owned(), c.name.clone()),
            None => Default::default(),
        }
    }

    /// The name of a package by its index here.
    pub fn package_name(&self, ix: PackageIx) -> &str {
        match usize::from(ix).checked_sub(1) {
            None => &self.package.name,
            Some(i) => self.package.deps.get(i).map_or("", |d| d.name.as_str()),
        }
    }

    /// The type that holds these errors in a register: the nominal type of one, the set of several.
    pub fn error_type(&mut self, mut errors: Vec<NominalIx>) -> Option<TypeIx> {
        errors.sort_unstable();
        errors.dedup();
        match errors.as_slice() {
            [] => None,
            [one] => Some(self.ty(Type::Nominal(*one))),
            _ => Some(self.ty(Type::ErrorSet(errors))),
        }
    }

    /// Declares a nominal type (the same one for the same package and name); define it later.
    pub fn nominal(&mut self, package: PackageIx, name: &str) -> NominalIx {
        let key = (package, name.to_owned());
        if let Some(i) = self.nominals.get(&key) {
            return *i;
        }
        let i = self.index(self.nominal_kinds.len(), "nominal types");
        self.nominals.insert(key, i);
        self.nominal_kinds.push(None);
        self.package.nominals.push(Nominal {
            package,
            name: name.to_owned(),
            kind: NominalKind::Handle,
        });
        i
    }

    /// Defines a declared nominal type.
    pub fn define_nominal(&mut self, ix: NominalIx, kind: NominalKind) {
        if let Some(slot) = self.nominal_kinds.get_mut(usize::from(ix)) {
            *slot = Some(kind);
        }
    }

    /// Whether a nominal type has been defined.
    pub fn nominal_defined(&self, ix: NominalIx) -> bool {
        matches!(self.nominal_kinds.get(usize::from(ix)), Some(Some(_)))
    }

    /// Declares a capability; define it later.
    pub fn cap(&mut self, package: PackageIx, name: &str) -> CapIx {
        let key = (package, name.to_owned());
        if let Some(i) = self.caps.get(&key) {
            return *i;
        }
        let i = self.index(self.cap_bodies.len(), "capabilities");
        self.caps.insert(key, i);
        self.cap_bodies.push(None);
        self.package.caps.push(Cap {
            package,
            name: name.to_owned(),
            parent: None,
            methods: Vec::new(),
        });
        i
    }

    /// Defines a declared capability; `methods` start with the parent's.
    pub fn define_cap(&mut self, ix: CapIx, parent: Option<CapIx>, methods: Vec<Method>) {
        if let Some(slot) = self.cap_bodies.get_mut(usize::from(ix)) {
            *slot = Some((parent, methods));
        }
    }

    /// Declares a trait; define it later.
    pub fn trait_(&mut self, package: PackageIx, name: &str) -> TraitIx {
        let key = (package, name.to_owned());
        if let Some(i) = self.traits.get(&key) {
            return *i;
        }
        let i = self.index(self.trait_bodies.len(), "traits");
        self.traits.insert(key, i);
        self.trait_bodies.push(None);
        self.package.traits.push(Trait {
            package,
            name: name.to_owned(),
            methods: Vec::new(),
        });
        i
    }

    /// Defines a declared trait.
    pub fn define_trait(&mut self, ix: TraitIx, methods: Vec<Method>) {
        if let Some(slot) = self.trait_bodies.get_mut(usize::from(ix)) {
            *slot = Some(methods);
        }
    }

    /// Adds an implementation record (once for each pair).
    pub fn implement(&mut self, ty: NominalIx, interface: Interface, methods: Vec<FnRef>) {
        if self.known_impls.insert((ty, interface)) {
            self.impls.push((ty, interface, methods));
        }
    }

    /// Imports a function of a dependency.
    pub fn import(&mut self, package: PackageIx, name: &str, sig: Sig) -> FnRef {
        let key = (package, name.to_owned());
        if let Some(i) = self.imports.get(&key) {
            return FnRef::Import(*i);
        }
        let i = self.index(self.package.imports.len(), "imports");
        self.imports.insert(key, i);
        self.package.imports.push(Import {
            package,
            name: name.to_owned(),
            sig,
        });
        FnRef::Import(i)
    }

    /// Declares a function of this package, so that it can be called before it is defined.
    pub fn declare(&mut self, name: impl Into<String>) -> FnRef {
        let i = self.index(self.functions.len(), "functions");
        self.functions.push((name.into(), None));
        FnRef::Local(i)
    }

    /// Defines a declared function.
    pub fn define(&mut self, at: FnRef, function: FinishedFunction) {
        if let FnRef::Local(i) = at
            && let Some((_, slot)) = self.functions.get_mut(usize::from(i))
        {
            *slot = Some(function);
        }
    }

    /// Interns an int constant.
    pub fn const_int(&mut self, v: i64) -> u32 {
        self.constant(ConstKey::Int(v))
    }

    /// Interns a float constant. All NaNs are one.
    pub fn const_float(&mut self, v: f64) -> u32 {
        let v = if v.is_nan() { f64::NAN } else { v };
        self.constant(ConstKey::Float(v.to_bits()))
    }

    /// Interns a string constant.
    pub fn const_str(&mut self, v: &str) -> u32 {
        self.constant(ConstKey::Str(v.to_owned()))
    }

    fn constant(&mut self, key: ConstKey) -> u32 {
        if let Some(i) = self.consts.get(&key) {
            return *i;
        }
        let i = self.package.consts.len() as u32;
        self.package.consts.push(match &key {
            ConstKey::Int(v) => Const::Int(*v),
            ConstKey::Float(v) => Const::Float(*v),
            ConstKey::Str(v) => Const::Str(v.clone()),
        });
        self.consts.insert(key, i);
        i
    }

    /// Interns a source file name.
    pub fn file(&mut self, name: &str) -> u16 {
        if let Some(i) = self.files.get(name) {
            return *i;
        }
        let i = self.index(self.package.files.len(), "files");
        self.files.insert(name.to_owned(), i);
        self.package.files.push(name.to_owned());
        i
    }

    /// Sets the entry point; `paths` has one call path for each capability in `main`'s `uses`.
    pub fn entry(&mut self, function: FnRef, paths: Vec<Vec<String>>) {
        self.entry = Some((function, paths));
    }

    /// Finishes the package.
    pub fn finish(mut self) -> Result<Package, BuildError> {
        if let Some(e) = self.error {
            return Err(e);
        }
        let imports = self.package.imports.len();
        if imports + self.functions.len() > usize::from(u16::MAX) {
            return Err(BuildError::TableFull("functions"));
        }
        let resolve = |f: FnRef| match f {
            FnRef::Import(i) => i,
            FnRef::Local(i) => (imports + usize::from(i)) as u16,
        };
        for (n, kind) in self.package.nominals.iter_mut().zip(self.nominal_kinds) {
            n.kind = kind.ok_or_else(|| BuildError::Undefined(n.name.clone()))?;
        }
        for (c, body) in self.package.caps.iter_mut().zip(self.cap_bodies) {
            let body = body.ok_or_else(|| BuildError::Undefined(c.name.clone()))?;
            (c.parent, c.methods) = body;
        }
        for (t, body) in self.package.traits.iter_mut().zip(self.trait_bodies) {
            t.methods = body.ok_or_else(|| BuildError::Undefined(t.name.clone()))?;
        }
        for (name, slot) in self.functions {
            let mut done = slot.ok_or(BuildError::Undefined(name))?;
            for (pc, f) in done.relocs {
                if let Some(w) = done.function.code.get_mut(pc as usize) {
                    *w = *w & !(0xffff << 32) | u64::from(resolve(f)) << 32;
                }
            }
            self.package.functions.push(done.function);
        }
        for (ty, interface, methods) in self.impls {
            let methods = methods.into_iter().map(resolve).collect();
            self.package.impls.push(Impl {
                ty,
                interface,
                methods,
            });
        }
        self.package.entry = self.entry.map(|(f, paths)| Entry {
            function: resolve(f),
            paths,
        });
        Ok(self.package)
    }
}
