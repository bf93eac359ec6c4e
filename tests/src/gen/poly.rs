//! Generic functions, and a trait of the program's own with methods that use capabilities and fail.
//!
//! A generic body knows of `T` only what its bounds say. The reference needs no instances: its values carry
//! their kind.

use super::core::{Cx, E, FnSig, Gen, Ty};
use super::stmt::indent;
use super::value::{Callable, Stop, Val, caps};
use std::cell::RefCell;
use std::rc::Rc;

/// What a method does, by the struct that it is called on.
type Table = Rc<RefCell<Vec<(String, Callable)>>>;

/// `ty` with another type for `T`.
pub fn subst(ty: &Ty, to: &Ty) -> Ty {
    let one = |t: &Ty| Rc::new(subst(t, to));
    match ty {
        Ty::Param => to.clone(),
        Ty::Tuple(ts) => Ty::Tuple(ts.iter().map(|t| subst(t, to)).collect()),
        Ty::List(t) => Ty::List(one(t)),
        Ty::Map(k, v) => Ty::Map(one(k), one(v)),
        Ty::Set(t) => Ty::Set(one(t)),
        Ty::Opt(t) => Ty::Opt(one(t)),
        Ty::Cell(t) => Ty::Cell(one(t)),
        Ty::Fun(ps, r) => Ty::Fun(ps.iter().map(|t| subst(t, to)).collect(), one(r)),
        other => other.clone(),
    }
}

/// What `T` has to be for `pattern` to be `ty`: `None` if nothing does, `Some(None)` if it may be anything.
fn solve(pattern: &Ty, ty: &Ty) -> Option<Option<Ty>> {
    let both = |a: Option<Option<Ty>>, b: Option<Option<Ty>>| match (a?, b?) {
        (Some(x), Some(y)) => (x == y).then_some(Some(x)),
        (x, y) => Some(x.or(y)),
    };
    match (pattern, ty) {
        (Ty::Param, t) => Some(Some(t.clone())),
        (Ty::List(a), Ty::List(b))
        | (Ty::Set(a), Ty::Set(b))
        | (Ty::Opt(a), Ty::Opt(b))
        | (Ty::Cell(a), Ty::Cell(b)) => solve(a, b),
        (Ty::Map(a, b), Ty::Map(c, d)) => both(solve(a, c), solve(b, d)),
        (Ty::Tuple(xs), Ty::Tuple(ys)) if xs.len() == ys.len() => xs
            .iter()
            .zip(ys)
            .try_fold(None, |acc, (x, y)| both(Some(acc), solve(x, y))),
        (Ty::Fun(ps, r), Ty::Fun(qs, s)) if ps.len() == qs.len() => ps
            .iter()
            .zip(qs)
            .try_fold(solve(r, s)?, |acc, (x, y)| both(Some(acc), solve(x, y))),
        (a, b) => (a == b).then_some(None),
    }
}

impl Gen {
    /// Whether `T` may stand for it.
    fn eligible(&self, ty: &Ty) -> bool {
        self.has_ord(ty) && self.has_eq(ty) && self.showable(ty) && !self.has_object(ty)
    }

    /// A function whose result is of the type, or can be made so.
    pub fn giving(&mut self, sig: &FnSig, ty: &Ty) -> Option<FnSig> {
        if !sig.generic {
            return (sig.ret == *ty).then(|| sig.clone());
        }
        match solve(&sig.ret, ty)? {
            Some(t) => self.eligible(&t).then(|| self.instance(sig, &t)),
            None => Some(self.concrete(sig)),
        }
    }

    /// A generic function at some type.
    pub fn concrete(&mut self, sig: &FnSig) -> FnSig {
        if !sig.generic {
            return sig.clone();
        }
        let mut t = Ty::Int;
        for _ in 0..5 {
            let other = self.data_ty(2);
            if self.eligible(&other) {
                t = other;
                break;
            }
        }
        self.instance(sig, &t)
    }

    fn instance(&mut self, sig: &FnSig, t: &Ty) -> FnSig {
        let mut out = sig.clone();
        out.generic = false;
        out.ret = subst(&sig.ret, t);
        for p in &mut out.params {
            p.1 = subst(&p.1, t);
        }
        // The type is written, or seen from the arguments.
        let seen = sig.params.iter().any(|p| p.1 == Ty::Param);
        if !seen || self.rng.chance(40) {
            out.name = format!("{}[{}]", sig.name, self.ty_text(t));
        } else {
            out.shown = true;
        }
        out
    }

    /// A generic function.
    pub fn generic_item(&mut self) -> Vec<String> {
        let name = self.name("gen");
        self.start_fn(45);
        self.in_generic = true;
        let mut params: Vec<(String, Ty, Option<E>)> = vec![("x".into(), Ty::Param, None)];
        for k in 0..self.rng.below(3) {
            let ty = match self.rng.below(5) {
                0 => Ty::Param,
                1 => Ty::List(Rc::new(Ty::Param)),
                2 => Ty::Fun(vec![Ty::Param], Rc::new(self.data_ty(1))),
                _ => self.data_ty(2),
            };
            params.push((format!("a{k}"), ty, None));
        }
        let ret = self.data_ty(2);
        let mask = if self.rng.chance(25) {
            1 << caps::CONSOLE
        } else {
            0
        };
        let errs = self.some_errors(25);
        let slots: Vec<usize> = params
            .iter()
            .map(|(n, t, _)| self.bind(n, t, false))
            .collect();
        self.cx = Cx {
            errs: errs.clone(),
            caps: mask,
            ret: Some(ret.clone()),
            ..Cx::default()
        };
        let body = self.body_of(&ret, 5);
        let mut lines = Vec::new();
        let args: Vec<String> = params
            .iter()
            .map(|(n, t, _)| {
                let own = if matches!(t, Ty::Fun(..)) { "own " } else { "" };
                format!("{n}: {own}{}", self.ty_text(t))
            })
            .collect();
        let (bounds, tail) = if self.rng.chance(70) {
            ("T: Show + Eq + Ord", "")
        } else {
            ("T: Show", " where T: Eq + Ord")
        };
        let uses = self.uses_text(mask);
        lines.push(format!(
            "fn {name}[{bounds}]({}) -> {}{uses}{}{tail}:",
            args.join(", "),
            self.ret_text(&ret),
            self.errors_text(&errs)
        ));
        lines.extend(indent(&body.lines));
        let id = self.declare(Self::callable_of(slots, body));
        self.sigs.push(FnSig {
            name,
            id,
            params,
            ret,
            errs,
            caps: mask,
            of: None,
            generic: true,
            shown: false,
        });
        self.in_generic = false;
        lines
    }

    /// A trait with implementations for some structs, and a generic function over it.
    pub fn trait_item(&mut self) -> Vec<String> {
        let own: Vec<usize> = self.own_caps.iter().map(|c| c.fake).collect();
        let all: Vec<usize> = (0..self.structs.len())
            .filter(|i| !own.contains(i))
            .collect();
        if all.is_empty() {
            return Vec::new();
        }
        let name = self.name("Trait");
        let mut targets = vec![self.rng.pick(&all)];
        let other = self.rng.pick(&all);
        if !targets.contains(&other) {
            targets.push(other);
        }
        struct Method {
            name: String,
            params: Vec<(String, Ty, Option<E>)>,
            ret: Ty,
            errs: Vec<usize>,
            mask: u32,
            head: String,
        }
        let mut methods = Vec::new();
        let mut lines = vec![format!("trait {name}:")];
        for m in 0..1 + self.rng.below(2) {
            self.start_fn(10);
            let params: Vec<(String, Ty, Option<E>)> = (0..self.rng.below(3))
                .map(|k| (format!("a{k}"), self.data_ty(1), None))
                .collect();
            let ret = if self.rng.chance(20) {
                Ty::Unit
            } else {
                self.data_ty(1)
            };
            let mut mask = 0;
            for cap in [caps::CONSOLE, caps::LOG] {
                if self.rng.chance(30) {
                    mask |= 1 << cap;
                }
            }
            let errs = self.some_errors(30);
            let method = self.name(&format!("do{m}x"));
            let mut head = format!("fn {method}(self");
            for (n, t, _) in &params {
                head += &format!(", {n}: {}", self.ty_text(t));
            }
            head += ")";
            if ret != Ty::Unit {
                head += &format!(" -> {}", self.ret_text(&ret));
            }
            let tail = self.errors_text(&errs);
            lines.push(format!("    {head}{}{tail}", self.uses_text(mask)));
            methods.push(Method {
                name: method,
                params,
                ret,
                errs,
                mask,
                head,
            });
        }
        let mut tables: Vec<Table> = methods.iter().map(|_| Rc::default()).collect();
        for at in &targets {
            lines.push(String::new());
            let target = self.structs[*at].shape.0.clone();
            lines.push(format!("impl {name} for {target}:"));
            for (k, m) in methods.iter().enumerate() {
                self.start_fn(25);
                let mut slots = vec![self.bind("self", &Ty::Struct(*at), false)];
                for (n, t, _) in &m.params {
                    slots.push(self.bind(n, t, false));
                }
                // It may use less than the trait says.
                let mask = if self.rng.chance(30) {
                    m.mask & !(1 << self.rng.below(2))
                } else {
                    m.mask
                };
                self.cx = Cx {
                    errs: m.errs.clone(),
                    caps: mask,
                    ret: Some(m.ret.clone()),
                    ..Cx::default()
                };
                let body = self.body_of(&m.ret.clone(), 3);
                let uses = self.uses_text(mask);
                lines.push(format!(
                    "    {}{uses}{}:",
                    m.head,
                    self.errors_text(&m.errs)
                ));
                lines.extend(indent(&indent(&body.lines)));
                tables[k]
                    .borrow_mut()
                    .push((target.clone(), Self::callable_of(slots, body)));
            }
        }
        self.objects = Some((name.clone(), targets.clone()));
        for (m, table) in methods.into_iter().zip(tables.drain(..)) {
            let id = self.declare(Rc::new(move |w, args| {
                let Some(Val::Object(o)) = args.first() else {
                    return Err(Stop::TooLong);
                };
                let found = table
                    .borrow()
                    .iter()
                    .find(|t| t.0 == o.shape.0)
                    .map(|t| t.1.clone());
                found.ok_or(Stop::TooLong)?(w, args)
            }));
            let sig = FnSig {
                name: m.name.clone(),
                id,
                params: m.params.clone(),
                ret: m.ret.clone(),
                errs: m.errs.clone(),
                caps: m.mask,
                of: Some(Ty::Object),
                generic: false,
                shown: false,
            };
            self.sigs.push(sig.clone());
            for at in &targets {
                self.sigs.push(FnSig {
                    of: Some(Ty::Struct(*at)),
                    ..sig.clone()
                });
            }
            // Through a bound: `T` is a struct, or the trait's objects.
            let via = self.name("via");
            let mut args: Vec<String> = vec!["x: T".into()];
            for (n, t, _) in &m.params {
                args.push(format!("{n}: {}", self.ty_text(t)));
            }
            let names: Vec<String> = m.params.iter().map(|p| p.0.clone()).collect();
            let result = if m.ret == Ty::Unit {
                String::new()
            } else {
                format!(" -> {}", self.ret_text(&m.ret))
            };
            let mark = if m.errs.is_empty() { "" } else { "?" };
            let give = if m.ret == Ty::Unit { "" } else { "return " };
            lines.push(String::new());
            let uses = self.uses_text(m.mask);
            lines.push(format!(
                "fn {via}[T: {name}]({}){result}{uses}{}:",
                args.join(", "),
                self.errors_text(&m.errs)
            ));
            lines.push(format!(
                "    {give}x.{}({}){mark}",
                m.name,
                names.join(", ")
            ));
            let via_id = self.declare(Rc::new(move |w, args| w.call(id, args)));
            for ty in [Ty::Object, Ty::Struct(targets[0])] {
                let mut params = vec![("x".to_string(), ty, None)];
                params.extend(m.params.iter().cloned());
                self.sigs.push(FnSig {
                    name: via.clone(),
                    id: via_id,
                    params,
                    of: None,
                    shown: true,
                    ..sig.clone()
                });
            }
        }
        lines
    }

    /// A value that can stand where an object of the program's trait is wanted.
    pub fn object_value(&mut self, d: u32) -> E {
        let targets = self.objects.as_ref().map_or_else(Vec::new, |o| o.1.clone());
        let vars = self.visible(&Ty::Object);
        if !vars.is_empty() && (targets.is_empty() || self.rng.chance(60)) {
            let v = self.rng.pick(&vars);
            let slot = v.slot;
            return E::new(
                v.name,
                super::core::level::ATOM,
                Rc::new(move |_, f| Ok(super::core::get(f, slot))),
            );
        }
        let at = self.rng.pick(&targets);
        self.shown(&Ty::Struct(at), d)
    }
}
