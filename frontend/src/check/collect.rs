//! First stage: every item of every package gets an id, every module its names.
//!
//! Item ids are given out in the order of the text, packages in the order in which they came, so
//! that the same sources give the same program.

use super::rules::Rule;
use super::{
    AdtInfo, AdtItem, CapInfo, CapSetInfo, Checker, ConstInfo, Def, Entry, FnInfo, FnSrc, ModId,
    ModInfo, ParsedPackage, PkgInfo, Progress, Sig, TraitInfo, TyScope, codes,
};
use crate::ast::{self, FnKind, Ident, ItemKind, Path};
use crate::source::{Span, Symbol, sym};
use crate::thir::{
    AdtDef, AdtId, AdtKind, CapDef, CapId, ConstDef, ConstId, Expr, ExprKind, FnDef, FnId,
    PackageDef, PkgId, TraitDef, TraitId, TyTable,
};
use rustc_hash::FxHashMap;
use std::rc::Rc;

pub(super) fn id32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The module that a package's name stands for: `main` of a program, else `lib`.
fn root_module(p: &ParsedPackage<'_>, is_program: bool) -> &'static str {
    let has = |name: &str| p.modules.iter().any(|(n, _)| n == name);
    match (is_program, has("main"), has("lib")) {
        (true, true, _) | (_, true, false) => "main",
        _ => "lib",
    }
}

/// Whether a capability of this name is to come: until then the name stands for nothing else.
pub(super) fn is_future_capability(name: Symbol) -> bool {
    matches!(name, sym::Tasks | sym::Plugins | sym::Ffi)
}

impl<'a> Checker<'a, '_> {
    pub(super) fn collect(&mut self, packages: &[ParsedPackage<'a>]) {
        for (i, p) in packages.iter().enumerate() {
            let pkg = PkgId(id32(i));
            let deps: Vec<PkgId> = p
                .deps
                .iter()
                .filter(|d| **d < packages.len() && **d != i)
                .map(|d| PkgId(id32(*d)))
                .collect();
            self.prog.packages.push(PackageDef {
                name: p.name.clone(),
                version: p.version.clone(),
                deps: deps.clone(),
            });
            let mut modules = FxHashMap::default();
            let root = root_module(p, i + 1 == packages.len());
            for (name, module) in &p.modules {
                let id = ModId(id32(self.mods.len()));
                let name = if name == root {
                    String::new()
                } else {
                    name.clone()
                };
                modules.insert(name.clone(), id);
                self.mods.push(ModInfo {
                    pkg,
                    name,
                    ast: *module,
                    names: FxHashMap::default(),
                });
            }
            self.pkgs.push(PkgInfo {
                name: p.name.clone(),
                deps,
                is_std: p.is_std,
                modules,
            });
        }
        for m in 0..self.mods.len() {
            self.declare_module(ModId(id32(m)));
        }
        self.fill_prelude();
        self.lang_items();
        self.no_shadowed_caps();
        for m in 0..self.mods.len() {
            self.imports(ModId(id32(m)));
        }
        for m in 0..self.mods.len() {
            self.open_module(ModId(id32(m)));
        }
        self.order_caps();
    }

    /// Settles the order of hidden parameters: by the declaring package's name, then the capability's.
    fn order_caps(&mut self) {
        let name = |c: &CapDef| {
            let package = self.prog.packages.get(c.package.0 as usize);
            (
                package.map_or(String::new(), |p| p.name.clone()),
                c.name.clone(),
            )
        };
        let mut all: Vec<_> = self.prog.caps.iter().map(name).enumerate().collect();
        all.sort_by(|(i, a), (j, b)| (a, i).cmp(&(b, j)));
        let mut order = vec![0; all.len()];
        for (place, (i, _)) in all.iter().enumerate() {
            if let Some(o) = order.get_mut(*i) {
                *o = id32(place);
            }
        }
        self.prog.tys.set_cap_order(order);
    }

    /// A module called `M#…` (the compiler's own: no program can write that) sees the names of `M`.
    fn open_module(&mut self, m: ModId) {
        if !self.module(m).is_some_and(|i| i.name.contains('#')) {
            return;
        }
        let target = self.opened_by(m).and_then(|t| self.module(t));
        let seen: Vec<(Symbol, Entry)> = target.map_or(Vec::new(), |t| {
            let entries = t.names.iter().map(|(s, e)| (*s, *e));
            entries.collect()
        });
        if let Some(info) = self.mods.get_mut(m.0 as usize) {
            for (s, e) in seen {
                let entry = Entry {
                    imported: true,
                    is_pub: false,
                    ..e
                };
                info.names.entry(s).or_insert(entry);
            }
        }
    }

    /// The module whose names one of the compiler's own sees.
    pub(super) fn opened_by(&self, m: ModId) -> Option<ModId> {
        let info = self.module(m)?;
        let (opened, _) = info.name.rsplit_once('#')?;
        let package = self.pkgs.get(info.pkg.0 as usize)?;
        let named = package.modules.get(opened);
        let root = matches!(opened, "main" | "lib").then(|| package.modules.get(""));
        named.or(root.flatten()).copied()
    }

    pub(super) fn module(&self, m: ModId) -> Option<&ModInfo<'a>> {
        self.mods.get(m.0 as usize)
    }

    pub(super) fn pkg_of(&self, m: ModId) -> PkgId {
        self.module(m).map_or(PkgId(0), |m| m.pkg)
    }

    pub(super) fn in_std(&self, m: ModId) -> bool {
        self.pkgs
            .get(self.pkg_of(m).0 as usize)
            .is_some_and(|p| p.is_std)
    }

    fn mod_name(&self, m: ModId) -> String {
        self.module(m).map_or(String::new(), |m| m.name.clone())
    }

    /// `module.name`, or the name alone in the root.
    pub(super) fn qualified(&self, m: ModId, name: &str) -> String {
        let module = self.mod_name(m);
        if module.is_empty() {
            name.to_string()
        } else {
            format!("{module}.{name}")
        }
    }

    fn declare(&mut self, m: ModId, name: Ident, def: Def, is_pub: bool, imported: bool) {
        let old = self
            .module(m)
            .and_then(|m| m.names.get(&name.name))
            .copied();
        if let Some(old) = old {
            if old.def == def && imported {
                return;
            }
            let text = self.text(name.name);
            self.push(
                crate::diag::Diagnostic::error(
                    codes::DUPLICATE,
                    name.span,
                    format!("`{text}` is declared twice in this module"),
                )
                .note_at(old.span, "the first one is here")
                .help("give one of them another name"),
            );
            return;
        }
        if let Some(info) = self.mods.get_mut(m.0 as usize) {
            info.names.insert(
                name.name,
                Entry {
                    def,
                    is_pub,
                    imported,
                    span: name.span,
                },
            );
        }
    }

    fn declare_module(&mut self, m: ModId) {
        let Some(items) = self.module(m).map(|m| m.ast.items) else {
            return;
        };
        for item in items {
            let is_pub = item.is_pub.is_some();
            match item.kind {
                ItemKind::Import(_) | ItemKind::FromImport(_) => {}
                ItemKind::Test(t) => self.declare_test(m, t),
                ItemKind::Const(c) => {
                    let id = ConstId(id32(self.consts.len()));
                    self.declare(m, c.name, Def::Const(id), is_pub, false);
                    self.consts.push(ConstInfo {
                        module: m,
                        item: c,
                        ty: TyTable::ERROR,
                        failed: false,
                    });
                    self.prog.consts.push(ConstDef {
                        name: self.qualified(m, self.names.name(c.name.name)),
                        ty: TyTable::ERROR,
                        value: Expr {
                            kind: ExprKind::Unit,
                            ty: TyTable::ERROR,
                            span: c.value.span,
                        },
                        locals: Vec::new(),
                    });
                }
                ItemKind::Struct(s) => {
                    let kind = self.struct_kind(m, s);
                    self.declare_adt(m, s.name, AdtItem::Struct(s), kind, s.derives, is_pub);
                }
                ItemKind::Enum(e) => {
                    let kind = if e.is_error {
                        AdtKind::Error
                    } else {
                        AdtKind::Enum
                    };
                    self.declare_adt(m, e.name, AdtItem::Enum(e), kind, e.derives, is_pub);
                }
                ItemKind::Trait(t) => {
                    let id = TraitId(id32(self.traits.len()));
                    self.declare(m, t.name, Def::Trait(id), is_pub, false);
                    self.traits.push(TraitInfo {
                        module: m,
                        item: t,
                        generics: Vec::new(),
                        preds: Vec::new(),
                        methods: Vec::new(),
                    });
                    self.prog.traits.push(TraitDef {
                        package: self.pkg_of(m),
                        module: self.mod_name(m),
                        name: self.text(t.name.name),
                        generics: 1,
                        methods: Vec::new(),
                        supers: Vec::new(),
                        span: t.name.span,
                    });
                }
                ItemKind::Impl(i) => self.impl_items.push((m, i)),
                ItemKind::Capability(c) => {
                    let id = CapId(id32(self.caps.len()));
                    self.declare(m, c.name, Def::Cap(id), is_pub, false);
                    self.plain_cap_name(c.name);
                    self.caps.push(CapInfo {
                        module: m,
                        item: c,
                        methods: Vec::new(),
                        state: Progress::Todo,
                    });
                    self.prog.caps.push(CapDef {
                        package: self.pkg_of(m),
                        name: self.text(c.name.name),
                        parent: None,
                        methods: Vec::new(),
                        span: c.name.span,
                    });
                }
                ItemKind::CapSet(c) => {
                    let id = id32(self.capsets.len());
                    self.declare(m, c.name, Def::CapSet(id), is_pub, false);
                    self.capsets.push(CapSetInfo {
                        module: m,
                        item: c,
                        caps: Vec::new(),
                        state: Progress::Todo,
                    });
                }
                ItemKind::Fn(f) => {
                    let name = self.text(f.name.name);
                    let full = self.qualified(m, &name);
                    let scope = self.module_scope(m);
                    let id = self.new_fn(scope, FnSrc::Item(f), full, f.name.name, f.head);
                    if f.kind == FnKind::Deferred {
                        self.declare_deferred(m, f);
                    }
                    if f.kind == FnKind::Intrinsic {
                        self.intrinsics.entry(name).or_insert(id);
                    }
                    // What is deferred is there for others to implement and call.
                    let is_pub = is_pub || f.kind == FnKind::Deferred;
                    self.declare(m, f.name, Def::Fn(id), is_pub, false);
                }
                ItemKind::Extern(e) => {
                    let what = "foreign functions are not supported yet";
                    self.breach(Rule::Extern, e.library_span, what, "");
                }
            }
        }
    }

    /// A test is a function of its own. Tests of other packages are theirs to run.
    fn declare_test(&mut self, m: ModId, t: &'a ast::TestItem<'a>) {
        if self.pkg_of(m).0 as usize + 1 != self.pkgs.len() {
            return;
        }
        let name = crate::testing::function_name(t);
        let full = self.qualified(m, &name);
        let scope = self.module_scope(m);
        let id = self.new_fn(scope, FnSrc::Test(t), full, sym::empty, t.name_span);
        if let Some(info) = self.fns.get_mut(id.0 as usize) {
            let mut sig = (*info.sig).clone();
            sig.ret = TyTable::UNIT;
            sig.display = name;
            info.sig = Rc::new(sig);
        }
        if let Some(def) = self.prog.fns.get_mut(id.0 as usize) {
            def.ret = TyTable::UNIT;
        }
        self.prog.tests.push(crate::thir::TestDef {
            name: t.name.to_string(),
            function: id,
            example: crate::testing::is_example(&self.mod_name(m)),
            span: t.name_span,
        });
    }

    pub(super) fn module_scope(&self, m: ModId) -> TyScope {
        TyScope {
            module: m,
            generics: Rc::new(Vec::new()),
            sets: Rc::new(Vec::new()),
            self_ty: None,
        }
    }

    /// A function whose signature and body come later.
    pub(super) fn new_fn(
        &mut self,
        scope: TyScope,
        src: FnSrc<'a>,
        full: String,
        name: Symbol,
        head: Span,
    ) -> FnId {
        let id = FnId(id32(self.fns.len()));
        let module = scope.module;
        let intrinsic = match src {
            FnSrc::Item(f) if f.kind == FnKind::Intrinsic => Some(self.text(f.name.name)),
            _ => None,
        };
        let package = self.pkg_of(module);
        let unique = self.fn_names.entry(package).or_default().unique(full);
        self.prog.fns.push(FnDef {
            package,
            name: unique,
            generics: 0,
            open: false,
            uses: Vec::new(),
            needs: Vec::new(),
            named: Vec::new(),
            params: Vec::new(),
            ret: TyTable::ERROR,
            errs: TyTable::NEVER,
            locals: Vec::new(),
            body: None,
            intrinsic,
            span: head,
        });
        self.fns.push(FnInfo {
            sig: Rc::new(Sig {
                name,
                display: self.text(name),
                generics: Vec::new(),
                own: 0,
                preds: Vec::new(),
                params: Vec::new(),
                has_self: false,
                ret: TyTable::ERROR,
                errs: TyTable::NEVER,
                uses: Vec::new(),
                head,
                is_pub: false,
                module,
            }),
            src,
            scope,
            abi_uses: None,
            of_cap: false,
            sites: Vec::new(),
            local: false,
            level: 0,
            captures: Vec::new(),
            checked: false,
        });
        id
    }

    fn struct_kind(&mut self, m: ModId, s: &ast::StructItem<'a>) -> AdtKind {
        let handle = s
            .derives
            .iter()
            .any(|d| self.names.name(d.last().name) == "Handle");
        if handle && self.in_std(m) {
            AdtKind::Handle
        } else {
            AdtKind::Struct
        }
    }

    fn declare_adt(
        &mut self,
        m: ModId,
        name: Ident,
        item: AdtItem<'a>,
        kind: AdtKind,
        derives: &'a [Path<'a>],
        is_pub: bool,
    ) {
        let id = AdtId(id32(self.adts.len()));
        let mut derive_ord = false;
        for (i, d) in derives.iter().enumerate() {
            let what = d.last();
            let before = derives.get(..i).unwrap_or(&[]);
            if before.iter().any(|b| b.last().name == what.name) {
                let t = self.text(what.name);
                let message = format!("`{t}` is derived twice");
                self.err_help(codes::BAD_DERIVE, what.span, message, "name it once");
                continue;
            }
            match what.name {
                sym::Ord if d.segments.len() == 1 => derive_ord = true,
                // The driver writes the implementation.
                sym::Json if d.segments.len() == 1 => {}
                sym::Show | sym::Eq | sym::Hash => {
                    let t = self.text(what.name);
                    self.err_help(
                        codes::BAD_DERIVE,
                        what.span,
                        format!("`{t}` need not be derived: all data has it"),
                        "remove it",
                    );
                }
                _ if kind == AdtKind::Handle => {}
                _ => {
                    let t = self.text(what.name);
                    self.err_help(
                        codes::BAD_DERIVE,
                        what.span,
                        format!("`{t}` cannot be derived"),
                        "derive `Ord`, or write an `impl`",
                    );
                }
            }
        }
        self.declare(m, name, Def::Adt(id), is_pub, false);
        self.adts.push(AdtInfo {
            module: m,
            name: name.name,
            item,
            generics: Vec::new(),
            preds: Vec::new(),
            variants: Rc::new(Vec::new()),
            methods: FxHashMap::default(),
        });
        self.prog.adts.push(AdtDef {
            package: self.pkg_of(m),
            module: self.mod_name(m),
            name: self.text(name.name),
            kind,
            generics: 0,
            variants: Vec::new(),
            derive_ord,
            span: name.span,
        });
    }

    fn fill_prelude(&mut self) {
        let mut all = Vec::new();
        for p in self.pkgs.iter().filter(|p| p.is_std) {
            for name in crate::std::PRELUDE_MODULES {
                if let Some(info) = p.modules.get(*name).and_then(|m| self.module(*m)) {
                    let entries = info.names.iter().filter(|(_, e)| e.is_pub);
                    all.extend(entries.map(|(s, e)| (*s, e.def)));
                }
            }
        }
        for (s, d) in all {
            self.prelude.insert(s, d);
        }
    }

    fn std_def(&self, name: &str) -> Option<Def> {
        let s = self.names.lookup(name)?;
        if let Some(d) = self.prelude.get(&s) {
            return Some(*d);
        }
        let pkg = self.pkgs.iter().find(|p| p.is_std)?;
        let mut found: Vec<(&String, Def)> = pkg
            .modules
            .iter()
            .filter_map(|(n, m)| Some((n, self.module(*m)?.names.get(&s)?.def)))
            .collect();
        found.sort_by(|a, b| a.0.cmp(b.0));
        found.first().map(|f| f.1)
    }

    fn lang_items(&mut self) {
        let adt = |d: Option<Def>| match d {
            Some(Def::Adt(id)) => Some(id),
            _ => None,
        };
        let tr = |d: Option<Def>| match d {
            Some(Def::Trait(id)) => Some(id),
            _ => None,
        };
        self.prog.lang.option = adt(self.std_def("Option"));
        self.prog.lang.result = adt(self.std_def("Result"));
        self.prog.lang.ordering = adt(self.std_def("Ordering"));
        self.prog.lang.range = adt(self.std_def("Range"));
        self.prog.lang.map = adt(self.std_def("Map"));
        self.prog.lang.set = adt(self.std_def("Set"));
        self.prog.lang.show = tr(self.std_def("Show"));
        self.prog.lang.eq = tr(self.std_def("Eq"));
        self.prog.lang.hash = tr(self.std_def("Hash"));
        self.prog.lang.ord = tr(self.std_def("Ord"));
    }

    /// No item may carry the name of a capability that is visible everywhere.
    fn of_std(&self, def: Def) -> bool {
        let Def::Cap(c) = def else {
            return false;
        };
        let info = self.caps.get(c.0 as usize);
        info.is_some_and(|c| self.in_std(c.module))
    }

    fn no_shadowed_caps(&mut self) {
        let mut bad = Vec::new();
        for info in &self.mods {
            for (s, e) in &info.names {
                let taken = match self.prelude.get(s) {
                    Some(Def::Cap(c)) => e.def != Def::Cap(*c),
                    _ => is_future_capability(*s) && !self.of_std(e.def),
                };
                if taken {
                    bad.push((*s, e.span));
                }
            }
        }
        bad.sort_by_key(|b| b.1);
        for (s, span) in bad {
            let t = self.text(s);
            self.breach(
                Rule::ShadowStandard,
                span,
                format!("`{t}` is a standard capability; its name cannot mean something else"),
                "choose another name",
            );
        }
    }

    /// Letters of other scripts look like others: a capability's name must not.
    fn plain_cap_name(&mut self, name: Ident) {
        let t = self.text(name.name);
        if !t.is_ascii() {
            self.breach(
                Rule::AsciiName,
                name.span,
                "the name of a capability has only ASCII letters, so that none looks like another",
                "choose another name",
            );
        }
    }

    /// Notes that a module's name stands for something whose absence was told.
    pub(super) fn told_name(&mut self, m: ModId, name: Symbol) {
        self.told_names.insert((m, name));
    }

    /// Warns of items that carry the name of something that every module sees.
    pub(super) fn hidden_prelude(&mut self) {
        let mut hiding = Vec::new();
        for (i, info) in self.mods.iter().enumerate() {
            if self.in_std(ModId(id32(i))) || info.name.contains('#') {
                continue;
            }
            for (name, e) in &info.names {
                let other = self.prelude.get(name).filter(|d| **d != e.def);
                if let Some(other) = other
                    && !matches!(other, Def::Cap(_))
                {
                    hiding.push((e.span, *name, *other));
                }
            }
        }
        hiding.sort_by_key(|(span, ..)| *span);
        for (span, name, other) in hiding {
            let (text, kind) = (self.text(name), self.def_kind(other));
            self.push(
                crate::diag::Diagnostic::warning(
                    codes::HIDES,
                    span,
                    format!("this `{text}` hides {kind} of that name, which every module sees"),
                )
                .help("choose another name"),
            );
        }
    }

    fn path_text(&self, segments: &[Ident]) -> String {
        let parts: Vec<&str> = segments.iter().map(|s| self.names.name(s.name)).collect();
        parts.join(".")
    }

    /// The module of an import path.
    fn find_module(&mut self, m: ModId, path: &Path<'a>) -> Option<ModId> {
        let pkg = self.pkg_of(m);
        let whole = self.path_text(path.segments);
        let own = self.pkgs.get(pkg.0 as usize)?;
        if let Some(id) = own.modules.get(&whole) {
            return Some(*id);
        }
        let (first, rest) = path.segments.split_first()?;
        let first_text = self.text(first.name);
        let rest = self.path_text(rest);
        let own = self.pkgs.get(pkg.0 as usize)?;
        let candidates: Vec<PkgId> = if own.name == first_text {
            vec![pkg]
        } else {
            own.deps.clone()
        };
        for d in candidates {
            let Some(p) = self.pkgs.get(d.0 as usize) else {
                continue;
            };
            if p.name != first_text {
                continue;
            }
            if let Some(id) = p.modules.get(&rest) {
                return Some(*id);
            }
            let known: Vec<String> = {
                let mut k: Vec<String> = p
                    .modules
                    .keys()
                    .filter(|k| !k.is_empty() && !k.contains('#'))
                    .cloned()
                    .collect();
                if p.is_std {
                    // Only those that some module imports were loaded.
                    let all = crate::std::MODULES.iter().map(|(n, _)| (*n).to_string());
                    k = all.collect();
                }
                k.sort();
                k
            };
            let what = if rest.is_empty() {
                format!("package `{first_text}` has no root module")
            } else {
                format!("package `{first_text}` has no module `{rest}`")
            };
            self.err_help(
                codes::UNKNOWN_MODULE,
                path.span,
                what,
                format!("its modules are: {}", known.join(", ")),
            );
            return None;
        }
        self.err_help(
            codes::UNKNOWN_MODULE,
            path.span,
            format!("there is no module `{whole}`"),
            format!(
                "a module is a file of this package (`{}.jet`) or belongs to a dependency of jet.toml",
                whole.replace('.', "/")
            ),
        );
        None
    }

    fn imports(&mut self, m: ModId) {
        let Some(items) = self.module(m).map(|m| m.ast.items) else {
            return;
        };
        for item in items {
            match item.kind {
                ItemKind::Import(i) => {
                    let name = i.alias.unwrap_or(i.path.last());
                    match self.find_module(m, &i.path) {
                        Some(target) => self.declare(m, name, Def::Module(target), false, true),
                        None => self.told_name(m, name.name),
                    }
                }
                ItemKind::FromImport(i) => {
                    let Some(target) = self.find_module(m, &i.path) else {
                        for n in i.names {
                            self.told_name(m, n.alias.unwrap_or(n.name).name);
                        }
                        continue;
                    };
                    for n in i.names {
                        self.import_name(m, target, &i.path, n);
                    }
                }
                _ => {}
            }
        }
    }

    fn import_name(&mut self, m: ModId, target: ModId, path: &Path<'a>, n: &ast::ImportName) {
        let name = self.text(n.name.name);
        let from = self.path_text(path.segments);
        let entry = self
            .module(target)
            .and_then(|t| t.names.get(&n.name.name))
            .filter(|e| !e.imported)
            .copied();
        let Some(entry) = entry else {
            let sub = format!("{from}.{name}");
            let pkg = self.pkg_of(m);
            let is_module = self
                .pkgs
                .get(pkg.0 as usize)
                .is_some_and(|p| p.modules.contains_key(&sub));
            let all: Vec<Symbol> = self.module(target).map_or(Vec::new(), |t| {
                let own = t.names.iter().filter(|(_, e)| !e.imported);
                own.map(|(s, _)| *s).collect()
            });
            let help = if is_module {
                format!("write `import {sub}`")
            } else {
                match self.closest(&name, &all) {
                    Some(c) => format!("did you mean `{c}`?"),
                    None => "import it from the module that declares it".to_string(),
                }
            };
            self.err_help(
                codes::UNKNOWN_NAME,
                n.name.span,
                format!("module `{from}` declares no `{name}`"),
                help,
            );
            self.told_name(m, n.alias.unwrap_or(n.name).name);
            return;
        };
        if !entry.is_pub && self.pkg_of(m) != self.pkg_of(target) {
            self.err_help(
                codes::PRIVATE,
                n.name.span,
                format!("`{name}` is not offered by its package"),
                "only what is declared `pub` can be imported from another package",
            );
            return;
        }
        if let (Def::Cap(_) | Def::CapSet(_), Some(alias)) = (entry.def, n.alias)
            && self.breach(
                Rule::RenamedImport,
                alias.span,
                "a capability cannot be renamed on import",
                format!("import `{name}` under its own name"),
            )
        {
            self.told_name(m, alias.name);
            return;
        }
        let local = n.alias.unwrap_or(n.name);
        if let Some(Def::Cap(c)) = self.prelude.get(&local.name)
            && entry.def != Def::Cap(*c)
            && self.breach(
                Rule::ShadowStandard,
                local.span,
                "this is the name of a standard capability; it cannot mean something else",
                "choose another name with `as`",
            )
        {
            return;
        }
        self.declare(m, local, entry.def, false, true);
    }
}
