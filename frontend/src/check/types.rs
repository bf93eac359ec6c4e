//! Written types, paths to items, lists of capabilities.

use super::rules::Rule;
use super::sigs::MAX_PARAMS;
use super::{Checker, Def, Generic, ModId, Pred, Progress, TyScope, codes};
use crate::ast::{self, Ident, Path, TypeExpr, TypeKind};
use crate::source::{Span, Symbol, sym};
use crate::thir::{AdtId, AdtKind, CapId, FnTy, TraitId, Ty, TyKind, TyTable};
use jet_bytecode::limits::MAX_SIG;

/// Most error types of a signature.
const MAX_ERRORS: usize = 100;

/// Where a written type stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TyPos {
    /// The whole type of a parameter: a function type is borrowed unless `own`.
    Param,
    /// The whole type of a struct's field: capabilities may stand here.
    Field,
    /// Right of `!` or in a union.
    Error,
    Other,
}

impl<'a> Checker<'a, '_> {
    /// What a name means in a module, apart from locals and type parameters.
    pub(super) fn lookup_name(&self, m: ModId, name: Symbol) -> Option<Def> {
        let own = self.module(m).and_then(|m| m.names.get(&name));
        if own.is_some_and(|e| e.imported) {
            self.used_names.borrow_mut().insert((m, name));
        }
        own.map(|e| e.def)
            .or_else(|| self.prelude.get(&name).copied())
            .or_else(|| {
                // Modules of the standard library share their intrinsics.
                let text = self.names.name(name);
                let f = self.intrinsics.get(text).filter(|_| self.in_std(m))?;
                Some(Def::Fn(*f))
            })
    }

    /// A name of another module, told if it is not there or not offered.
    pub(super) fn module_member(&mut self, from: ModId, target: ModId, name: Ident) -> Option<Def> {
        let entry = self
            .module(target)
            .and_then(|t| t.names.get(&name.name))
            .filter(|e| !e.imported)
            .copied();
        let text = self.text(name.name);
        match entry {
            None => {
                let all: Vec<Symbol> = self.module(target).map_or(Vec::new(), |t| {
                    let own = t.names.iter().filter(|(_, e)| !e.imported);
                    own.map(|(s, _)| *s).collect()
                });
                let m = self
                    .module(target)
                    .map_or(String::new(), |t| t.name.clone());
                let msg = format!("module `{m}` declares no `{text}`");
                let d = crate::diag::Diagnostic::error(codes::UNKNOWN_NAME, name.span, msg);
                let d = match self.closest(&text, &all) {
                    Some(c) => d.help(format!("did you mean `{c}`?")).fix(name.span, c),
                    None => d,
                };
                self.push(d);
                None
            }
            Some(e) if !e.is_pub && self.pkg_of(from) != self.pkg_of(target) => {
                self.err_help(
                    codes::PRIVATE,
                    name.span,
                    format!("`{text}` is not offered by its package"),
                    "only what is declared `pub` can be used from another package",
                );
                None
            }
            Some(e) => Some(e.def),
        }
    }

    pub(super) fn unknown_name(&mut self, name: Ident, extra: &[Symbol], m: ModId, what: &str) {
        if super::collect::is_future_capability(name.name) {
            let t = self.text(name.name);
            self.not_supported(name.span, &format!("capability `{t}` is"));
            return;
        }
        if self.told_names.contains(&(m, name.name)) {
            self.poisoned = true;
            return;
        }
        let text = self.text(name.name);
        if matches!(what, "capability" | "trait") {
            self.told_name(m, name.name);
            self.unknown_trait |= what == "trait";
        }
        if self.suggestions.get() == 0 {
            self.err(
                codes::UNKNOWN_NAME,
                name.span,
                format!("there is no {what} `{text}` here"),
            );
            return;
        }
        if let Some(d) = self.foreign_name(name, what) {
            self.push(d);
            return;
        }
        let mut all: Vec<Symbol> = extra.to_vec();
        if let Some(info) = self.module(m) {
            all.extend(info.names.keys().copied());
        }
        all.extend(self.prelude.keys().copied());
        all.extend([
            sym::int,
            sym::float,
            sym::bool_,
            sym::char_,
            sym::byte,
            sym::string,
            sym::panic,
        ]);
        all.sort_by(|a, b| self.names.name(*a).cmp(self.names.name(*b)));
        let d = crate::diag::Diagnostic::error(
            codes::UNKNOWN_NAME,
            name.span,
            format!("there is no {what} `{text}` here"),
        );
        let d = match self.closest(&text, &all) {
            Some(c) => d.help(format!("did you mean `{c}`?")).fix(name.span, c),
            None => d,
        };
        self.push(d);
    }

    /// The item of a dotted name; told if there is none.
    pub(super) fn resolve_path(&mut self, m: ModId, path: &Path<'a>, what: &str) -> Option<Def> {
        let (first, rest) = path.segments.split_first()?;
        let Some(mut def) = self.lookup_name(m, first.name) else {
            self.unknown_name(*first, &[], m, what);
            return None;
        };
        for seg in rest {
            match def {
                Def::Module(target) => def = self.module_member(m, target, *seg)?,
                other => {
                    let kind = self.def_kind(other);
                    let text = self.text(seg.name);
                    self.err(
                        codes::WRONG_KIND,
                        seg.span,
                        format!("`.{text}` needs a module on its left, not {kind}"),
                    );
                    return None;
                }
            }
        }
        Some(def)
    }

    pub(super) fn primitive(name: Symbol) -> Option<Ty> {
        match name {
            sym::int => Some(TyTable::INT),
            sym::float => Some(TyTable::FLOAT),
            sym::bool_ => Some(TyTable::BOOL),
            sym::char_ => Some(TyTable::CHAR),
            sym::byte => Some(TyTable::BYTE),
            sym::string => Some(TyTable::STR),
            _ => None,
        }
    }

    pub(super) fn resolve_ty(&mut self, t: &TypeExpr<'a>, sc: &TyScope, pos: TyPos) -> Ty {
        self.cx.at = t.span;
        match t.kind {
            TypeKind::Path { path, args } => self.resolve_ty_path(t.span, &path, args, sc, pos),
            TypeKind::List(inner) => {
                let e = self.resolve_ty(inner, sc, TyPos::Other);
                self.cx.at = t.span;
                self.mk_list(e)
            }
            TypeKind::Tuple([]) => TyTable::UNIT,
            TypeKind::Tuple([one]) => self.resolve_ty(one, sc, pos),
            TypeKind::Tuple(items) => {
                let tys = items
                    .iter()
                    .map(|i| self.resolve_ty(i, sc, TyPos::Other))
                    .collect();
                self.cx.at = t.span;
                self.mk(TyKind::Tuple(tys))
            }
            TypeKind::Option(inner) => {
                let e = self.resolve_ty(inner, sc, TyPos::Other);
                self.cx.at = t.span;
                self.mk_option(e)
            }
            TypeKind::Fn(f) => {
                let fty = self.resolve_fn_ty(f, sc);
                self.cx.at = t.span;
                if pos == TyPos::Param && f.own.is_none() {
                    if !fty.uses.is_empty() {
                        self.breach(
                            Rule::BorrowedUses,
                            t.span,
                            "a borrowed function brings its capabilities along, so it has no `uses`",
                            "remove `uses`, or write `own fn` for a stored function that is handed them at each call",
                        );
                    }
                    let fty = FnTy {
                        uses: Vec::new(),
                        ..fty
                    };
                    self.mk(TyKind::Borrowed(fty))
                } else {
                    self.mk(TyKind::Fn(fty))
                }
            }
            TypeKind::Union(members) => self.resolve_errs(members, sc),
            TypeKind::Caps(_) => {
                self.err_help(
                    codes::WRONG_KIND,
                    t.span,
                    "capabilities joined by `+` are no type",
                    "they stand behind `uses`, and as the argument of a parameter that is declared `uses U`",
                );
                TyTable::ERROR
            }
            TypeKind::Error => {
                self.poisoned = true;
                TyTable::ERROR
            }
        }
    }

    fn resolve_fn_ty(&mut self, f: &ast::FnType<'a>, sc: &TyScope) -> FnTy {
        if let Some(p) = f.params.get(MAX_PARAMS) {
            self.err(
                codes::TYPE_TOO_LARGE,
                p.span,
                format!("a function has at most {MAX_PARAMS} parameters"),
            );
        }
        let params = f.params.iter().take(MAX_PARAMS);
        let params = params
            .map(|p| self.resolve_ty(p, sc, TyPos::Param))
            .collect();
        let ret = match f.ret {
            Some(r) => self.resolve_ty(r, sc, TyPos::Other),
            None => TyTable::UNIT,
        };
        FnTy {
            params,
            uses: self.resolve_uses(sc, f.uses),
            ret,
            errs: self.resolve_errs(f.errors, sc),
        }
    }

    /// The error set of what stands right of `!`.
    pub(super) fn resolve_errs(&mut self, errors: &[TypeExpr<'a>], sc: &TyScope) -> Ty {
        if let Some(e) = errors.get(MAX_ERRORS) {
            self.err_help(
                codes::TYPE_TOO_LARGE,
                e.span,
                format!("at most {MAX_ERRORS} error types can be named here"),
                "put them into one `error` with a variant for each",
            );
            return TyTable::ERROR;
        }
        let told = self.told;
        let mut all = Vec::new();
        for e in errors {
            let t = self.resolve_ty(e, sc, TyPos::Error);
            all.push(self.check_err_members(t, e.span));
        }
        if all.contains(&TyTable::ERROR) || self.told > told {
            return TyTable::ERROR;
        }
        self.prog.tys.err_set(all)
    }

    fn resolve_ty_path(
        &mut self,
        span: Span,
        path: &Path<'a>,
        args: &'a [TypeExpr<'a>],
        sc: &TyScope,
        pos: TyPos,
    ) -> Ty {
        if let Some(one) = path.single() {
            let generic = sc.generics.iter().find(|(s, _)| *s == one.name);
            let simple = match generic {
                Some((_, t)) => Some(*t),
                None if one.name == sym::Self_ => match sc.self_ty {
                    Some(t) => Some(t),
                    None => {
                        self.err(
                            codes::UNKNOWN_NAME,
                            one.span,
                            "`Self` stands only in structs, enums, traits and implementations",
                        );
                        Some(TyTable::ERROR)
                    }
                },
                None => Self::primitive(one.name).filter(|_| {
                    !self
                        .module(sc.module)
                        .is_some_and(|m| m.names.contains_key(&one.name))
                }),
            };
            if simple.is_some() && sc.sets.contains(&one.name) {
                let text = self.text(one.name);
                self.err_help(
                    codes::WRONG_KIND,
                    one.span,
                    format!("`{text}` stands for capabilities, it is not a type"),
                    format!("write it behind `uses`, or as argument of another `uses` parameter: `Router[{text}]`"),
                );
                return TyTable::ERROR;
            }
            if let Some(t) = simple {
                if !args.is_empty() {
                    let text = self.text(one.name);
                    self.err_help(
                        codes::TYPE_ARGS,
                        span,
                        format!("`{text}` takes no type arguments"),
                        "remove the brackets",
                    );
                }
                return t;
            }
            if matches!(
                one.name,
                sym::Sender | sym::Receiver | sym::Task | sym::TaskError
            ) && self.lookup_name(sc.module, one.name).is_none()
            {
                self.not_supported(span, "tasks and channels are");
                return TyTable::ERROR;
            }
        }
        let Some(def) = self.resolve_path(sc.module, path, "type") else {
            return TyTable::ERROR;
        };
        match def {
            Def::Adt(id) => {
                let want = self.adt_arity(id);
                let tys = self.resolve_adt_args(id, args, sc);
                self.cx.at = span;
                if tys.len() != want {
                    let name = self.adt_name(id);
                    self.err_help(
                        codes::TYPE_ARGS,
                        span,
                        format!(
                            "`{name}` takes {want} type argument{}, here are {}",
                            if want == 1 { "" } else { "s" },
                            tys.len()
                        ),
                        self.arity_help(id, want),
                    );
                    return TyTable::ERROR;
                }
                self.mk(TyKind::Adt(id, tys))
            }
            Def::Trait(id) => {
                let want = self
                    .traits
                    .get(id.0 as usize)
                    .map_or(0, |t| t.item.generics.len());
                let tys: Vec<Ty> = args
                    .iter()
                    .map(|a| self.resolve_ty(a, sc, TyPos::Other))
                    .collect();
                self.cx.at = span;
                if tys.len() != want {
                    let name = self.trait_name(id);
                    self.err(
                        codes::TYPE_ARGS,
                        span,
                        format!(
                            "trait `{name}` takes {want} type arguments, here are {}",
                            tys.len()
                        ),
                    );
                    return TyTable::ERROR;
                }
                let lang = &self.prog.lang;
                let builtin = [lang.show, lang.eq, lang.hash, lang.ord];
                if builtin.contains(&Some(id)) {
                    let name = self.trait_name(id);
                    self.err_help(
                        codes::WRONG_KIND,
                        span,
                        format!("`{name}` cannot be the type of an object"),
                        format!("use it as a bound: `fn f[T: {name}](x: T)`"),
                    );
                    return TyTable::ERROR;
                }
                self.mk(TyKind::Dyn(id, tys))
            }
            Def::Cap(id) => {
                let name = self.cap_name(id);
                if pos != TyPos::Field
                    && self.breach(
                        Rule::CapabilityType,
                        span,
                        format!("capability `{name}` is no type for data"),
                        format!(
                            "write `uses {name}` in the signature of the function that needs it"
                        ),
                    )
                {
                    return TyTable::ERROR;
                }
                self.mk(TyKind::Cap(id))
            }
            other => {
                let kind = self.def_kind(other);
                let text = self.text(path.last().name);
                self.err(
                    codes::WRONG_KIND,
                    span,
                    format!("`{text}` is {kind}, not a type"),
                );
                TyTable::ERROR
            }
        }
    }

    fn arity_help(&self, id: AdtId, want: usize) -> String {
        let name = self.adt_name(id);
        if want == 0 {
            return format!("write `{name}`");
        }
        let Some(info) = self.adts.get(id.0 as usize) else {
            return name;
        };
        let names: Vec<String> = info
            .item
            .generics()
            .iter()
            .map(|g| self.text(g.name.name))
            .collect();
        format!(
            "write `{name}[{}]` with types for the parameters",
            names.join(", ")
        )
    }

    pub(super) fn adt_arity(&self, id: AdtId) -> usize {
        self.adts
            .get(id.0 as usize)
            .map_or(0, |a| a.item.generics().len())
    }

    pub(super) fn adt_kind(&self, id: AdtId) -> AdtKind {
        self.prog
            .adts
            .get(id.0 as usize)
            .map_or(AdtKind::Enum, |a| a.kind)
    }

    /// A bound: a trait with arguments.
    pub(super) fn resolve_bound(
        &mut self,
        t: &TypeExpr<'a>,
        sc: &TyScope,
    ) -> Option<(TraitId, Vec<Ty>)> {
        let TypeKind::Path { path, args } = t.kind else {
            self.err(codes::WRONG_KIND, t.span, "a bound is the name of a trait");
            return None;
        };
        match self.resolve_path(sc.module, &path, "trait")? {
            Def::Trait(id) => {
                let want = self
                    .traits
                    .get(id.0 as usize)
                    .map_or(0, |t| t.item.generics.len());
                let tys: Vec<Ty> = args
                    .iter()
                    .map(|a| self.resolve_ty(a, sc, TyPos::Other))
                    .collect();
                if tys.len() != want {
                    let name = self.trait_name(id);
                    self.err(
                        codes::TYPE_ARGS,
                        t.span,
                        format!(
                            "trait `{name}` takes {want} type arguments, here are {}",
                            tys.len()
                        ),
                    );
                    return None;
                }
                Some((id, tys))
            }
            other => {
                let kind = self.def_kind(other);
                let text = self.text(path.last().name);
                self.err_help(
                    codes::WRONG_KIND,
                    t.span,
                    format!("`{text}` is {kind}, not a trait"),
                    "a bound is the name of a trait, such as `Ord` or `Show`",
                );
                None
            }
        }
    }

    /// Bounds of generics and `where` as predicates. `generics` carries the types of the names.
    pub(super) fn resolve_preds(
        &mut self,
        params: &'a [ast::GenericParam<'a>],
        wheres: &'a [ast::WherePred<'a>],
        sc: &TyScope,
        out: &mut Vec<Pred>,
    ) {
        for p in params {
            let ty = sc.generics.iter().find(|(s, _)| *s == p.name.name);
            let Some((_, ty)) = ty.copied() else {
                continue;
            };
            for b in p.bounds {
                if let Some((trait_id, args)) = self.resolve_bound(b, sc) {
                    out.push(Pred { ty, trait_id, args });
                }
            }
        }
        for w in wheres {
            let ty = self.resolve_ty(&w.ty, sc, TyPos::Other);
            for b in w.bounds {
                if let Some((trait_id, args)) = self.resolve_bound(b, sc) {
                    out.push(Pred { ty, trait_id, args });
                }
            }
        }
    }

    /// Adds written type parameters to a scope, numbering on from what is there.
    pub(super) fn extend_generics(
        &mut self,
        base: &TyScope,
        params: &'a [ast::GenericParam<'a>],
        start: usize,
    ) -> (TyScope, Vec<Generic>) {
        let mut names = (*base.generics).clone();
        let mut sets = (*base.sets).clone();
        let mut out = Vec::new();
        for (i, p) in params.iter().enumerate() {
            if p.is_uses {
                sets.push(p.name.name);
            }
            if names.iter().any(|(s, _)| *s == p.name.name) {
                let t = self.text(p.name.name);
                self.err_help(
                    codes::DUPLICATE,
                    p.name.span,
                    format!("type parameter `{t}` is declared twice"),
                    "choose another name",
                );
            }
            match self.lookup_name(base.module, p.name.name) {
                Some(Def::Cap(_)) => {
                    self.breach(
                        Rule::ShadowValue,
                        p.name.span,
                        "a type parameter cannot have the name of a capability",
                        "choose another name",
                    );
                }
                Some(Def::CapSet(_)) if p.is_uses => {
                    self.breach(
                        Rule::ShadowValue,
                        p.name.span,
                        "a `uses` parameter cannot have the name of a set of capabilities",
                        "choose another name",
                    );
                }
                Some(def @ (Def::Adt(_) | Def::Trait(_))) if !self.in_std(base.module) => {
                    let (t, kind) = (self.text(p.name.name), self.def_kind(def));
                    self.err_help(
                        codes::DUPLICATE,
                        p.name.span,
                        format!("the type parameter `{t}` hides {kind} of that name"),
                        "choose another name",
                    );
                }
                _ => {}
            }
            if p.is_uses && matches!(self.names.name(p.name.name), "none" | "Self") {
                self.breach(
                    Rule::ShadowValue,
                    p.name.span,
                    "a `uses` parameter cannot have this name",
                    "choose another name",
                );
            }
            let index = super::collect::id32(start + i);
            let ty = self.prog.tys.intern(TyKind::Param(index));
            names.push((p.name.name, ty));
            out.push(Generic {
                name: p.name.name,
                is_err: false,
                is_uses: p.is_uses,
            });
        }
        (
            TyScope {
                generics: std::rc::Rc::new(names),
                sets: std::rc::Rc::new(sets),
                ..base.clone()
            },
            out,
        )
    }

    /// Puts capabilities into the order of hidden parameters.
    pub(super) fn sort_caps(&self, caps: &mut Vec<CapId>) {
        self.prog.tys.sort_caps(caps);
    }

    /// The capabilities of a `uses` or `allow` list, sets spelled out, in canonical order.
    pub(super) fn resolve_uses(&mut self, sc: &TyScope, paths: &[Path<'a>]) -> Vec<CapId> {
        let mut out = Vec::new();
        for (i, p) in paths.iter().enumerate() {
            let before = paths.get(..i).unwrap_or(&[]);
            // Sets may have members in common; a name that stands twice is a slip.
            if i < MAX_SIG
                && before.iter().any(|q| {
                    q.single()
                        .is_some_and(|q| Some(q.name) == p.single().map(|p| p.name))
                })
            {
                let t = self.text(p.last().name);
                self.err_help(
                    codes::DUPLICATE,
                    p.span,
                    format!("`{t}` is named twice"),
                    "name it once",
                );
                continue;
            }
            self.resolve_uses_one(sc, p, &mut out);
        }
        self.sort_caps(&mut out);
        if let (true, Some(p)) = (out.len() > MAX_SIG, paths.last()) {
            self.err_help(
                codes::TYPE_TOO_LARGE,
                p.span,
                format!("at most {MAX_SIG} capabilities can be named here"),
                "put the methods that are used together into one capability",
            );
            out.truncate(MAX_SIG);
        }
        out
    }

    fn resolve_uses_one(&mut self, sc: &TyScope, p: &Path<'a>, out: &mut Vec<CapId>) {
        let m = sc.module;
        if let Some(set) = self.set_param(sc, p) {
            out.push(set);
            return;
        }
        match self.resolve_path(m, p, "capability") {
            Some(Def::Cap(c)) => out.push(c),
            Some(Def::CapSet(i)) => {
                self.expand_capset(i, p.span);
                if let Some(s) = self.capsets.get(i as usize) {
                    out.extend(s.caps.iter().copied());
                }
            }
            Some(other) => {
                let kind = self.def_kind(other);
                let text = self.text(p.last().name);
                self.breach(
                    Rule::UsesNames,
                    p.span,
                    format!("`{text}` is {kind}, not a capability"),
                    "",
                );
            }
            None => {}
        }
    }

    pub(super) fn expand_capset(&mut self, i: u32, span: Span) {
        let Some(info) = self.capsets.get_mut(i as usize) else {
            return;
        };
        match info.state {
            Progress::Done => return,
            Progress::Doing => {
                self.err(
                    codes::IMPORT_CYCLE,
                    span,
                    "this set of capabilities contains itself",
                );
                return;
            }
            Progress::Todo => info.state = Progress::Doing,
        }
        let (module, paths) = (info.module, info.item.caps);
        let scope = self.module_scope(module);
        let caps = self.resolve_uses(&scope, paths);
        if let Some(info) = self.capsets.get_mut(i as usize) {
            info.caps = caps;
            info.state = Progress::Done;
        }
    }
}

impl<'a> super::AdtItem<'a> {
    pub(super) fn generics(&self) -> &'a [ast::GenericParam<'a>] {
        match self {
            super::AdtItem::Struct(s) => s.generics,
            super::AdtItem::Enum(e) => e.generics,
        }
    }

    pub(super) fn wheres(&self) -> &'a [ast::WherePred<'a>] {
        match self {
            super::AdtItem::Struct(s) => s.wheres,
            super::AdtItem::Enum(e) => e.wheres,
        }
    }

    pub(super) fn methods(&self) -> &'a [&'a ast::FnItem<'a>] {
        match self {
            super::AdtItem::Struct(s) => s.methods,
            super::AdtItem::Enum(e) => e.methods,
        }
    }
}
