//! Patterns.

use super::cx::ScopeItem;
use super::{Checker, Def, FieldInfo, codes};
use crate::ast::{self, PatArg, PatKind as A, PatLiteral, Path};
use crate::diag::Diagnostic;
use crate::source::{Ident, Span, Symbol, sym};
use crate::thir::{AdtId, AdtKind, LocalId, Pat, PatKind, Ty, TyKind, TyTable};

/// Names bound by a pattern.
#[derive(Debug, Default)]
struct Binds {
    bound: Vec<(Symbol, LocalId)>,
    /// In a later alternative: the locals of the first, which it has to bind too.
    reuse: Option<Vec<(Symbol, LocalId)>>,
}

impl<'a> Checker<'a, '_> {
    /// Checks a pattern and binds its names in the current scope.
    pub(super) fn bind_pat(&mut self, p: &'a ast::Pat<'a>, ty: Ty) -> Pat {
        let mut binds = Binds::default();
        let out = self.pat(p, ty, &mut binds);
        for (s, l) in binds.bound {
            self.cx.bind(s, ScopeItem::Local(l));
        }
        out
    }

    fn bind_name(&mut self, name: Ident, mutable: bool, ty: Ty, binds: &mut Binds) -> LocalId {
        self.check_local_name(name);
        let text = self.text(name.name);
        if binds.bound.iter().any(|(s, _)| *s == name.name) {
            self.err_help(
                codes::DUPLICATE,
                name.span,
                format!("`{text}` is bound twice in this pattern"),
                "choose another name for one of them",
            );
        }
        if let Some(reuse) = &binds.reuse {
            let old = reuse.iter().find(|(s, _)| *s == name.name).copied();
            if let Some((_, l)) = old {
                let t = self.cx.local_ty(l);
                if !self.unify(t, ty) {
                    let (a, b) = (self.show(t), self.show(ty));
                    self.err(
                        codes::PATTERN,
                        name.span,
                        format!("`{text}` is `{b}` here, but `{a}` in the first alternative"),
                    );
                }
                binds.bound.push((name.name, l));
                return l;
            }
            self.err_help(
                codes::PATTERN,
                name.span,
                format!("`{text}` is not bound by the first alternative"),
                "alternatives bind the same names",
            );
        }
        let l = self.cx.new_local(&text, ty, mutable, name.span);
        if let Some(info) = self.cx.infos.get_mut(l.0 as usize) {
            info.named = true;
        }
        binds.bound.push((name.name, l));
        l
    }

    fn pat(&mut self, p: &'a ast::Pat<'a>, ty: Ty, binds: &mut Binds) -> Pat {
        self.cx.at = p.span;
        let ty = self.shallow(ty);
        let kind = self.pat_kind(p, ty, binds);
        Pat {
            kind,
            ty,
            span: p.span,
        }
    }

    fn pat_kind(&mut self, p: &'a ast::Pat<'a>, ty: Ty, binds: &mut Binds) -> PatKind {
        let span = p.span;
        match p.kind {
            A::Wild => PatKind::Wild,
            A::Error => {
                self.poisoned = true;
                PatKind::Wild
            }
            A::Bind { name, mutable } => {
                PatKind::Bind(self.bind_name(name, mutable, ty, binds), None)
            }
            A::At { name, pat } => {
                let l = self.bind_name(name, false, ty, binds);
                let inner = self.pat(pat, ty, binds);
                PatKind::Bind(l, Some(Box::new(inner)))
            }
            A::Literal(lit) => self.pat_literal(lit, ty, span),
            A::Range { lo, hi, inclusive } => self.pat_range(lo, hi, inclusive, ty, span),
            A::Tuple([]) => {
                self.pat_fits(TyTable::UNIT, ty, span);
                PatKind::Unit
            }
            A::Tuple(items) => {
                let tys: Vec<Ty> = match self.kind(ty) {
                    TyKind::Tuple(ts) if ts.len() == items.len() => ts,
                    TyKind::Infer(_) => {
                        let ts: Vec<Ty> = items.iter().map(|_| self.fresh(false)).collect();
                        let t = self.mk(TyKind::Tuple(ts.clone()));
                        self.unify(ty, t);
                        ts
                    }
                    TyKind::Error | TyKind::Never => vec![self.shallow(ty); items.len()],
                    _ => {
                        let t = self.show(ty);
                        self.err(
                            codes::PATTERN,
                            span,
                            format!("a tuple of {} cannot match `{t}`", items.len()),
                        );
                        vec![TyTable::ERROR; items.len()]
                    }
                };
                let ps = items
                    .iter()
                    .zip(tys)
                    .map(|(i, t)| self.pat(i, t, binds))
                    .collect();
                PatKind::Tuple(ps)
            }
            A::List {
                before,
                rest,
                after,
            } => {
                let elem = match self.kind(ty) {
                    TyKind::List(t) => t,
                    TyKind::Infer(_) => {
                        let t = self.fresh(false);
                        let l = self.mk_list(t);
                        self.unify(ty, l);
                        t
                    }
                    TyKind::Error | TyKind::Never => self.shallow(ty),
                    _ => {
                        let t = self.show(ty);
                        self.err(
                            codes::PATTERN,
                            span,
                            format!("a list pattern cannot match `{t}`"),
                        );
                        TyTable::ERROR
                    }
                };
                let front = before.iter().map(|i| self.pat(i, elem, binds)).collect();
                let rest = rest.map(|r| {
                    r.name
                        .filter(|n| n.name != sym::underscore)
                        .map(|n| self.bind_name(n, false, ty, binds))
                });
                let back = after.iter().map(|i| self.pat(i, elem, binds)).collect();
                PatKind::List { front, rest, back }
            }
            A::Path(path) => self.pat_path(&path, None, None, ty, span, binds),
            A::Call { path, args, rest } => self.pat_path(&path, Some(args), rest, ty, span, binds),
            A::Or(alts) => self.pat_or(alts, ty, binds),
        }
    }

    fn pat_or(&mut self, alts: &'a [ast::Pat<'a>], ty: Ty, binds: &mut Binds) -> PatKind {
        let mut out = Vec::new();
        let mut first: Option<Vec<(Symbol, LocalId)>> = None;
        for a in alts {
            let mut b = Binds {
                bound: Vec::new(),
                reuse: match (&first, &binds.reuse) {
                    (Some(f), _) => Some(f.clone()),
                    (None, outer) => outer.clone(),
                },
            };
            out.push(self.pat(a, ty, &mut b));
            match &first {
                None => first = Some(b.bound),
                Some(f) => {
                    let missing = f.iter().find(|(s, _)| !b.bound.iter().any(|(t, _)| t == s));
                    if let Some((s, _)) = missing {
                        let t = self.text(*s);
                        self.err_help(
                            codes::PATTERN,
                            a.span,
                            format!("this alternative does not bind `{t}`"),
                            "alternatives bind the same names",
                        );
                    }
                }
            }
        }
        for b in first.unwrap_or_default() {
            if binds.bound.iter().any(|(s, _)| *s == b.0) {
                let t = self.text(b.0);
                self.err(
                    codes::DUPLICATE,
                    self.cx.here(),
                    format!("`{t}` is bound twice in this pattern"),
                );
            }
            binds.bound.push(b);
        }
        PatKind::Or(out)
    }

    fn pat_fits(&mut self, want: Ty, ty: Ty, span: Span) -> bool {
        if self.try_unify(want, ty) {
            return true;
        }
        let (w, t) = (self.show(want), self.show(ty));
        let mut d = Diagnostic::error(codes::PATTERN, span, format!("`{w}` cannot match `{t}`"));
        if self.as_result(ty).is_some() {
            d = d.help("it can fail: match `Ok(…)` and `Err(…)`");
        } else if self.as_option(ty).is_some() {
            d = d.help("it may be missing: match `Some(…)` and `None`");
        } else if want == TyTable::STR && self.shallow(ty) == TyTable::CHAR {
            d = d.help("write the character in single quotes");
        } else if want == TyTable::INT && self.shallow(ty) == TyTable::FLOAT {
            d = d.help("write it as a float: `1.0`");
        }
        self.push(d);
        false
    }

    fn pat_literal(&mut self, lit: PatLiteral<'a>, ty: Ty, span: Span) -> PatKind {
        match lit {
            PatLiteral::Int(n) => {
                if self.shallow(ty) == TyTable::BYTE {
                    return match u8::try_from(n) {
                        Ok(b) => PatKind::Byte(b),
                        Err(_) => {
                            self.err(codes::PATTERN, span, "a byte is 0 to 255");
                            PatKind::Wild
                        }
                    };
                }
                self.pat_fits(TyTable::INT, ty, span);
                PatKind::Int(n)
            }
            PatLiteral::Float(x) => {
                self.pat_fits(TyTable::FLOAT, ty, span);
                PatKind::Float(x)
            }
            PatLiteral::Bool(b) => {
                self.pat_fits(TyTable::BOOL, ty, span);
                PatKind::Bool(b)
            }
            PatLiteral::Char(c) => {
                self.pat_fits(TyTable::CHAR, ty, span);
                PatKind::Char(c)
            }
            PatLiteral::Str(s) => {
                self.pat_fits(TyTable::STR, ty, span);
                PatKind::Str(s.to_string())
            }
        }
    }

    fn pat_range(
        &mut self,
        lo: Option<PatLiteral<'a>>,
        hi: Option<PatLiteral<'a>>,
        inclusive: bool,
        ty: Ty,
        span: Span,
    ) -> PatKind {
        let is_char = matches!(lo.or(hi), Some(PatLiteral::Char(_)));
        let (min, max, want) = if is_char {
            (0, i64::from(u32::from(char::MAX)), TyTable::CHAR)
        } else if self.shallow(ty) == TyTable::BYTE {
            (0, 255, TyTable::BYTE)
        } else {
            (i64::MIN, i64::MAX, TyTable::INT)
        };
        let float = |l: Option<PatLiteral<'a>>| matches!(l, Some(PatLiteral::Float(_)));
        if !float(lo) && !float(hi) && !self.pat_fits(want, ty, span) {
            return PatKind::Wild;
        }
        let num = |l: PatLiteral<'a>| match l {
            PatLiteral::Int(n) if !is_char => Some(n),
            PatLiteral::Char(c) if is_char => Some(i64::from(u32::from(c))),
            _ => None,
        };
        let a = lo.map_or(Some(min), num);
        let b = hi.map_or(Some(max), num);
        let (Some(a), Some(b)) = (a, b) else {
            self.err_help(
                codes::PATTERN,
                span,
                "the ends of a range pattern are two ints or two characters",
                "use a guard: `x if x < 1.5`",
            );
            return PatKind::Wild;
        };
        let b = if inclusive || hi.is_none() {
            Some(b)
        } else {
            // No character stands between the two parts of Unicode.
            b.checked_sub(1).map(|b| match b {
                0xD800..=0xDFFF if is_char => 0xD7FF,
                b => b,
            })
        };
        match b {
            Some(b) if a <= b && a >= min && b <= max => PatKind::Range(a, b),
            _ => {
                self.err(codes::PATTERN, span, "this range is empty or out of bounds");
                PatKind::Wild
            }
        }
    }

    /// A variant, struct or constant.
    fn pat_path(
        &mut self,
        path: &Path<'a>,
        args: Option<&'a [PatArg<'a>]>,
        rest: Option<Span>,
        ty: Ty,
        span: Span,
        binds: &mut Binds,
    ) -> PatKind {
        let m = self.cx.scope.module;
        if let Some(one) = path.single() {
            if let Some((id, v)) = self.short_variant(one.name) {
                return self.pat_variant(id, v, args, rest, ty, span, binds);
            }
            if one.name == sym::Self_
                && let Some(TyKind::Adt(id, _)) = self.cx.scope.self_ty.map(|t| self.kind(t))
            {
                return self.pat_struct(id, args, rest, ty, span, binds);
            }
            match self.lookup_name(m, one.name) {
                Some(Def::Adt(id)) => return self.pat_struct(id, args, rest, ty, span, binds),
                Some(Def::Const(c)) if args.is_none() => return self.pat_const(c, ty, span),
                Some(Def::Cap(_)) if args.is_none() => {
                    self.check_local_name(one);
                    return self.pat_recover(args, binds);
                }
                Some(d) => {
                    let (t, k) = (self.text(one.name), self.def_kind(d));
                    self.err(
                        codes::PATTERN,
                        span,
                        format!("`{t}` is {k}, which no value matches"),
                    );
                    return self.pat_recover(args, binds);
                }
                None => {
                    // A variant without its enum is the likely slip.
                    let t = self.text(one.name);
                    if let TyKind::Adt(id, _) = self.kind(ty)
                        && self.variant_of(id, one.name).is_some()
                    {
                        let n = self.adt_name(id);
                        self.push(
                            Diagnostic::error(
                                codes::PATTERN,
                                one.span,
                                format!("variants are written with their enum: `{n}.{t}`"),
                            )
                            .help(format!("write `{n}.{t}`"))
                            .fix(one.span, format!("{n}.{t}")),
                        );
                    } else {
                        self.unknown_name(one, &[], m, "variant or type");
                    }
                    return self.pat_recover(args, binds);
                }
            }
        }
        // `Enum.Variant`, `module.Enum.Variant`, `module.Struct`.
        let n = path.segments.len();
        let Some(last) = path.segments.last().copied() else {
            return PatKind::Wild;
        };
        let head = path.segments.get(..n.saturating_sub(1)).unwrap_or(&[]);
        let head_path = Path {
            segments: head,
            span,
        };
        if let [one] = head
            && one.name == sym::Self_
            && let Some(TyKind::Adt(id, _)) = self.cx.scope.self_ty.map(|t| self.kind(t))
        {
            return self.pat_named_variant(id, last, args, rest, ty, span, binds);
        }
        match self.resolve_path(m, &head_path, "type") {
            Some(Def::Adt(id)) => self.pat_named_variant(id, last, args, rest, ty, span, binds),
            Some(Def::Module(target)) => match self.module_member(m, target, last) {
                Some(Def::Adt(id)) => self.pat_struct(id, args, rest, ty, span, binds),
                Some(Def::Const(c)) if args.is_none() => self.pat_const(c, ty, span),
                Some(d) => {
                    let k = self.def_kind(d);
                    self.err(
                        codes::PATTERN,
                        span,
                        format!("this is {k}, which no value matches"),
                    );
                    self.pat_recover(args, binds)
                }
                None => self.pat_recover(args, binds),
            },
            Some(d) => {
                let k = self.def_kind(d);
                self.err(codes::PATTERN, span, format!("{k} has no variants"));
                self.pat_recover(args, binds)
            }
            None => self.pat_recover(args, binds),
        }
    }

    /// After an error: binds the names with the type that was reported.
    fn pat_recover(&mut self, args: Option<&'a [PatArg<'a>]>, binds: &mut Binds) -> PatKind {
        for a in args.unwrap_or(&[]) {
            self.pat(&a.pat, TyTable::ERROR, binds);
        }
        self.poisoned = true;
        PatKind::Wild
    }

    #[allow(clippy::too_many_arguments)]
    fn pat_named_variant(
        &mut self,
        id: AdtId,
        name: Ident,
        args: Option<&'a [PatArg<'a>]>,
        rest: Option<Span>,
        ty: Ty,
        span: Span,
        binds: &mut Binds,
    ) -> PatKind {
        match self.variant_of(id, name.name) {
            Some(v) => self.pat_variant(id, v, args, rest, ty, span, binds),
            None => {
                self.unknown_type_member(id, name);
                self.pat_recover(args, binds)
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn pat_variant(
        &mut self,
        id: AdtId,
        v: usize,
        args: Option<&'a [PatArg<'a>]>,
        rest: Option<Span>,
        ty: Ty,
        span: Span,
        binds: &mut Binds,
    ) -> PatKind {
        // A member of an error set is looked at as such.
        if let TyKind::ErrSet(members) = self.kind(ty) {
            let member = members
                .iter()
                .copied()
                .find(|m| matches!(self.kind(*m), TyKind::Adt(a, _) if a == id));
            if let Some(member) = member {
                let inner = self.pat_variant(id, v, args, rest, member, span, binds);
                return PatKind::Member(
                    member,
                    Box::new(Pat {
                        kind: inner,
                        ty: member,
                        span,
                    }),
                );
            }
        }
        let Some(targs) = self.adt_args(id, ty, span) else {
            return self.pat_recover(args, binds);
        };
        let Some(info) = self.adts.get(id.0 as usize) else {
            return PatKind::Wild;
        };
        let variants = info.variants.clone();
        let Some(variant) = variants.get(v) else {
            return PatKind::Wild;
        };
        let name = self.text(variant.name);
        let subs = self.pat_fields(
            &variant.fields,
            &targs,
            args,
            rest,
            span,
            &name,
            false,
            id,
            binds,
        );
        PatKind::Variant(super::collect::id32(v), subs)
    }

    /// Type arguments of an ADT that a pattern names, unified with the scrutinee.
    fn adt_args(&mut self, id: AdtId, ty: Ty, span: Span) -> Option<Vec<Ty>> {
        if let TyKind::Adt(other, args) = self.kind(ty)
            && other == id
        {
            return Some(args);
        }
        let n = self.adt_arity(id);
        let args: Vec<Ty> = (0..n).map(|_| self.fresh(false)).collect();
        let t = self.mk(TyKind::Adt(id, args.clone()));
        if self.pat_fits(t, ty, span) {
            Some(args)
        } else {
            None
        }
    }

    fn pat_struct(
        &mut self,
        id: AdtId,
        args: Option<&'a [PatArg<'a>]>,
        rest: Option<Span>,
        ty: Ty,
        span: Span,
        binds: &mut Binds,
    ) -> PatKind {
        let name = self.adt_name(id);
        match self.adt_kind(id) {
            AdtKind::Struct => {}
            AdtKind::Attenuator => {
                let refused = self.breach(
                    super::rules::Rule::AttenuatorPattern,
                    span,
                    format!("`{name}` holds a capability, so no pattern looks into it"),
                    "",
                );
                if refused {
                    return self.pat_recover(args, binds);
                }
            }
            AdtKind::Handle => {
                let what = format!("`{name}` is opaque");
                if self.breach(super::rules::Rule::HandlePattern, span, what, "") {
                    return self.pat_recover(args, binds);
                }
            }
            _ => {
                self.err_help(
                    codes::PATTERN,
                    span,
                    format!("`{name}` is an enum: a pattern names one of its variants"),
                    format!("write `{name}.…`"),
                );
                return self.pat_recover(args, binds);
            }
        }
        if args.is_none() {
            self.err_help(
                codes::PATTERN,
                span,
                format!("`{name}` needs its fields"),
                format!("write `{name}(..)`"),
            );
            return PatKind::Wild;
        }
        if let TyKind::ErrSet(_) = self.kind(ty) {
            self.pat_fits(TyTable::UNIT, ty, span);
            return self.pat_recover(args, binds);
        }
        let Some(targs) = self.adt_args(id, ty, span) else {
            return self.pat_recover(args, binds);
        };
        let Some(info) = self.adts.get(id.0 as usize) else {
            return PatKind::Wild;
        };
        let variants = info.variants.clone();
        let Some(variant) = variants.first() else {
            return PatKind::Wild;
        };
        let subs = self.pat_fields(
            &variant.fields,
            &targs,
            args,
            rest,
            span,
            &name,
            true,
            id,
            binds,
        );
        PatKind::Struct(subs)
    }

    #[allow(clippy::too_many_arguments)]
    fn pat_fields(
        &mut self,
        fields: &[FieldInfo],
        targs: &[Ty],
        args: Option<&'a [PatArg<'a>]>,
        rest: Option<Span>,
        span: Span,
        name: &str,
        is_struct: bool,
        id: AdtId,
        binds: &mut Binds,
    ) -> Vec<(u32, Pat)> {
        let given = args.unwrap_or(&[]);
        let mut out: Vec<(u32, Pat)> = Vec::new();
        for (i, a) in given.iter().enumerate() {
            let pos = match a.name {
                Some(n) => fields.iter().position(|f| f.name == n.name),
                None => Some(i).filter(|i| *i < fields.len()),
            };
            let Some(pos) = pos else {
                let names: Vec<String> = fields.iter().map(|f| self.text(f.name)).collect();
                let what = match a.name {
                    Some(n) => format!("`{name}` has no `{}`", self.text(n.name)),
                    None => format!(
                        "`{name}` has {} values, here are {}",
                        fields.len(),
                        given.len()
                    ),
                };
                let help = if names.is_empty() {
                    format!("write `{name}` without brackets")
                } else {
                    format!("it has ({})", names.join(", "))
                };
                self.err_help(codes::PATTERN, a.pat.span, what, help);
                self.pat(&a.pat, TyTable::ERROR, binds);
                continue;
            };
            let Some(f) = fields.get(pos) else {
                continue;
            };
            if !self.field_visible(f, id) {
                self.private(a.name.unwrap_or(Ident {
                    name: f.name,
                    span: a.pat.span,
                }));
            }
            let index = super::collect::id32(pos);
            if out.iter().any(|(j, _)| *j == index) {
                self.err(codes::PATTERN, a.pat.span, "this field is matched twice");
            }
            let t = self.subst(f.ty, targs);
            let p = self.pat(&a.pat, t, binds);
            out.push((index, p));
        }
        if rest.is_none() && out.len() < fields.len() && given.len() < fields.len() {
            let missing: Vec<String> = fields
                .iter()
                .enumerate()
                .filter(|(i, _)| !out.iter().any(|(j, _)| *j as usize == *i))
                .map(|(_, f)| self.text(f.name))
                .collect();
            let help = if args.is_none() {
                format!("write `{name}({})` or `{name}(..)`", missing.join(", "))
            } else {
                "add them, or `..` for the rest".to_string()
            };
            let what = if is_struct { "fields" } else { "values" };
            self.err_help(
                codes::PATTERN,
                span,
                format!("`{name}` has more {what}: {}", missing.join(", ")),
                help,
            );
        }
        out.sort_by_key(|(i, _)| *i);
        out
    }

    /// The value of a constant.
    fn pat_const(&mut self, c: crate::thir::ConstId, ty: Ty, span: Span) -> PatKind {
        let cty = self.const_ty(c);
        if !self.pat_fits(cty, ty, span) {
            return PatKind::Wild;
        }
        let kind = self
            .const_value(c, span)
            .and_then(|v| self.pat_of(&v, cty, span));
        let needs = self.const_needs(c);
        kind.unwrap_or_else(|| {
            // Why the constant has no value may have been told.
            self.poisoned = true;
            if let Some(what) = needs {
                self.err_help(
                    codes::BAD_CONST,
                    span,
                    format!("this constant needs {what}, which the compiler does not compute: no pattern can name it"),
                    "write a guard, `x if x == NAME`, or compute it without lists, maps, structs and function values",
                );
            }
            PatKind::Wild
        })
    }
}
