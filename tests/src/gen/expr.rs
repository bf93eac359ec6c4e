//! Expressions of a given type.

use super::core::{Call, E, Eval, Gen, Ty, get, level};
use super::value::{
    Stop, Val, bool_of, equal, int_of, items_of, list_val, map_of, object_of, option_of,
};
use std::rc::Rc;

impl Gen {
    /// An expression of the type whose nesting is at most `d`.
    pub fn expr(&mut self, ty: &Ty, d: u32) -> E {
        self.budget -= 1;
        if d == 0 || self.budget < 0 {
            return self.leaf(ty);
        }
        if self.has_object(ty) {
            return match ty {
                Ty::List(t) if self.rng.chance(70) => {
                    let n = 1 + self.rng.below(3);
                    let parts = (0..n).map(|_| self.dynamic_of(t, d - 1)).collect();
                    self.list(parts)
                }
                _ => self.leaf(ty),
            };
        }
        match self.rng.below(32) {
            27 | 28 => self.table_expr(ty, d).unwrap_or_else(|| self.leaf(ty)),
            29 => self.iter_expr(ty, d).unwrap_or_else(|| self.leaf(ty)),
            30 if *ty == Ty::Str => self.json_expr(d),
            31 if *ty == Ty::Bool => self.order_expr(d).unwrap_or_else(|| self.leaf(ty)),
            24 | 25 => match self.effect_expr(ty, d) {
                Some(e) => e,
                None => self.typed(ty, d),
            },
            0 => self.if_expr(ty, d),
            1 | 2 => self.call_expr(ty, d).unwrap_or_else(|| self.leaf(ty)),
            3 => self.else_expr(ty, d),
            4 => self.index_expr(ty, d),
            5 => self.member_expr(ty).unwrap_or_else(|| self.leaf(ty)),
            6 => self.generic_expr(ty, d),
            7 => match self.act_call(ty, d) {
                Some(e) => e,
                None => self.fun_call(ty, d).unwrap_or_else(|| self.leaf(ty)),
            },
            8 | 9 => self.leaf(ty),
            _ => self.typed(ty, d),
        }
    }

    /// An expression whose text alone shows its type.
    pub fn shown(&mut self, ty: &Ty, d: u32) -> E {
        let before = std::mem::replace(&mut self.cx.infer, true);
        let e = self.expr(ty, d);
        self.cx.infer = before;
        e
    }

    /// An expression at a place whose type is known.
    pub fn placed(&mut self, ty: &Ty, d: u32) -> E {
        let before = std::mem::replace(&mut self.cx.infer, false);
        let e = self.expr(ty, d);
        self.cx.infer = before;
        e
    }

    /// A pure expression.
    pub fn pure(&mut self, ty: &Ty, d: u32) -> E {
        let before = std::mem::replace(&mut self.cx.pure, true);
        // A guard cannot fail.
        let errs = std::mem::take(&mut self.cx.errs);
        let e = self.expr(ty, d);
        self.cx.errs = errs;
        self.cx.pure = before;
        e
    }

    /// A variable, constant or literal.
    pub fn leaf(&mut self, ty: &Ty) -> E {
        let vars = self.visible(ty);
        if !vars.is_empty() && self.rng.chance(75) {
            let v = self.rng.pick(&vars);
            let slot = v.slot;
            let mut e = E::new(v.name, level::ATOM, Rc::new(move |_, f| Ok(get(f, slot))));
            e.bits = v.bits;
            return e;
        }
        let consts: Vec<_> = self.consts.iter().filter(|c| &c.1 == ty).cloned().collect();
        if !consts.is_empty() && self.rng.chance(25) {
            let c = self.rng.pick(&consts);
            return E::value(c.0, level::ATOM, c.2);
        }
        self.literal(ty)
    }

    /// The smallest expressions.
    pub(super) fn literal(&mut self, ty: &Ty) -> E {
        match ty {
            Ty::Unit => E::value("()", level::ATOM, Val::Unit),
            Ty::Int => self.int_literal(),
            Ty::Float => {
                let n = self.rng.below(64) as f64;
                let x = self.rng.pick(&[0.0, 0.5, 1.0, 2.25, 1e10, 3.0]) + n;
                E::value(format!("{x:?}"), level::ATOM, Val::Float(x))
            }
            Ty::Bool => {
                let b = self.rng.chance(50);
                E::value(b.to_string(), level::ATOM, Val::Bool(b))
            }
            Ty::Char => {
                let c = self.rng.pick(&[
                    'a', 'b', 'z', '0', '9', ' ', 'é', '日', 'X', '\'', '\\', '\n',
                ]);
                let text = match c {
                    '\'' => "'\\''".into(),
                    '\\' => "'\\\\'".into(),
                    '\n' => "'\\n'".into(),
                    c if self.rng.chance(10) => format!("'\\u{{{:x}}}'", c as u32),
                    c => format!("'{c}'"),
                };
                E::value(text, level::ATOM, Val::Char(c))
            }
            Ty::Byte => {
                let n = self.rng.below(256) as u8;
                E::value(format!("byte({n})"), level::ATOM, Val::Byte(n))
            }
            Ty::Str => {
                let s = self.word();
                let v = super::value::str_val(&s);
                if self.rng.chance(10) && !s.contains(['"', '\n']) {
                    return E::value(format!("r\"{s}\""), level::ATOM, v);
                }
                if self.rng.chance(5) && !s.contains(['"', '\\', '\n']) {
                    return E::value(format!("\"\"\"{s}\"\"\""), level::ATOM, v);
                }
                E::value(self.quote(&s), level::ATOM, v)
            }
            Ty::Tuple(ts) => {
                let parts: Vec<E> = ts.iter().map(|t| self.leaf(t)).collect();
                self.tuple(parts)
            }
            Ty::List(t) => {
                if !self.cx.infer && self.rng.chance(15) {
                    return E::new("[]", level::ATOM, Rc::new(|_, _| Ok(list_val(Vec::new()))));
                }
                let n = 1 + self.rng.below(3);
                let parts: Vec<E> = (0..n).map(|_| self.leaf(t)).collect();
                self.list(parts)
            }
            Ty::Map(k, v) => {
                let text = format!("{}()", self.ty_text(ty));
                let (k, v) = (self.leaf(k), self.leaf(v));
                if self.rng.chance(60) {
                    return self.map_literal(vec![(k, v)]);
                }
                E::new(
                    text,
                    level::ATOM,
                    Rc::new(|_, _| Ok(Val::Map(Rc::default()))),
                )
            }
            Ty::Set(_) => E::new(
                format!("{}()", self.ty_text(ty)),
                level::ATOM,
                Rc::new(|_, _| Ok(Val::Set(Rc::default()))),
            ),
            Ty::Opt(t) => {
                if !self.cx.infer && self.rng.chance(40) {
                    return E::value("None", level::ATOM, Val::Opt(None));
                }
                let x = self.leaf(t);
                self.some(x)
            }
            Ty::Struct(_) | Ty::Enum(_) | Ty::Cell(_) => self.construct(ty, 0),
            Ty::Dyn => self.dynamic(0),
            Ty::Object => self.object_value(0),
            Ty::Param => self.param_value(),
            Ty::Fun(ps, r) => self.literal_fn(ps, r, 1, true),
            Ty::Act(a) => {
                let a = a.clone();
                self.literal_act(&a)
            }
        }
    }

    /// A value of the type that stands for anything: somebody gave it.
    fn param_value(&mut self) -> E {
        let mut vars = self.visible(&Ty::Param);
        if vars.is_empty() {
            vars = self
                .vars
                .iter()
                .filter(|v| v.ty == Ty::Param)
                .cloned()
                .collect();
        }
        let v = self.rng.pick(&vars);
        let slot = v.slot;
        E::new(v.name, level::ATOM, Rc::new(move |_, f| Ok(get(f, slot))))
    }

    fn int_literal(&mut self) -> E {
        let n: i64 = match self.rng.below(20) {
            0 => i64::MAX,
            1 => i64::MIN,
            2 => self.rng.word() as i64,
            3..=6 => self.rng.below(1000) as i64,
            _ => self.rng.below(12) as i64 - 2,
        };
        let mag = n.unsigned_abs();
        let text = match self.rng.below(8) {
            0 => format!("0x{mag:x}"),
            1 => format!("0b{mag:b}"),
            2 => format!("0o{mag:o}"),
            3 if mag >= 1000 => {
                let digits = mag.to_string();
                let cut = digits.len() % 3;
                let mut out = String::new();
                for (i, c) in digits.chars().enumerate() {
                    if i > 0 && i % 3 == cut % 3 {
                        out.push('_');
                    }
                    out.push(c);
                }
                out
            }
            _ => mag.to_string(),
        };
        let (text, lv) = if n < 0 {
            (format!("-{text}"), level::UNARY)
        } else {
            (text, level::ATOM)
        };
        let mut e = E::value(text, lv, Val::Int(n));
        e.bits = (64 - mag.leading_zeros()) as u8;
        e
    }

    /// Evaluates all in order.
    pub fn sequence(
        parts: &[E],
    ) -> impl Fn(&mut super::value::World, &super::core::Frame) -> super::value::Res<Vec<Val>> + use<>
    {
        let evals: Vec<Eval> = parts.iter().map(|e| e.eval.clone()).collect();
        move |w, f| evals.iter().map(|e| e(w, f)).collect()
    }

    /// Texts with commas.
    pub fn commas(parts: &[E]) -> String {
        parts
            .iter()
            .map(|e| e.text.clone())
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// An element of a list of objects.
    fn dynamic_of(&mut self, t: &Ty, d: u32) -> E {
        if *t == Ty::Dyn {
            self.dynamic(d)
        } else if *t == Ty::Object {
            self.object_value(d)
        } else {
            self.leaf(t)
        }
    }

    /// A value of a type that implements `Score`, where an object is expected.
    pub fn dynamic(&mut self, d: u32) -> E {
        let tys: Vec<Ty> = self.scores.borrow().iter().map(|s| s.0.clone()).collect();
        let at = self.rng.below(tys.len());
        let x = self.shown(&tys[at].clone(), d);
        let eval = x.eval.clone();
        let mut e = E::new(
            x.text,
            x.level,
            Rc::new(move |w, f| {
                let v = eval(w, f)?;
                Ok(Val::Tuple(Rc::new(vec![Val::Int(at as i64), v])))
            }),
        );
        e.bits = 64;
        e
    }

    fn if_expr(&mut self, ty: &Ty, d: u32) -> E {
        let (c, a, b) = (
            self.shown(&Ty::Bool, d - 1),
            self.expr(ty, d - 1),
            self.expr(ty, d - 1),
        );
        let (ce, ae, be) = (c.eval.clone(), a.eval.clone(), b.eval.clone());
        if matches!(ty, Ty::Dyn | Ty::Object) || a.level == level::OPEN || b.level == level::OPEN {
            return a;
        }
        E::new(
            format!("if {}: {} else: {}", c.at(level::ELSE), a.text, b.text),
            level::OPEN,
            Rc::new(move |w, f| {
                if bool_of(&ce(w, f)?) {
                    ae(w, f)
                } else {
                    be(w, f)
                }
            }),
        )
    }

    fn else_expr(&mut self, ty: &Ty, d: u32) -> E {
        if matches!(
            ty,
            Ty::Dyn | Ty::Object | Ty::Unit | Ty::Fun(..) | Ty::Act(_)
        ) {
            return self.leaf(ty);
        }
        let o = self.shown(&Ty::Opt(Rc::new(ty.clone())), d - 1);
        let b = self.expr(ty, d - 1);
        let (oe, be) = (o.eval.clone(), b.eval.clone());
        if self.rng.chance(30) {
            return E::new(
                format!("{}.or({})", o.at(level::ATOM), b.text),
                level::ATOM,
                Rc::new(move |w, f| {
                    let o = oe(w, f)?;
                    let b = be(w, f)?;
                    Ok(option_of(&o).unwrap_or(b))
                }),
            );
        }
        E::new(
            format!("{} else {}", o.at(level::EITHER), b.at(level::EITHER)),
            level::ELSE,
            Rc::new(move |w, f| match option_of(&oe(w, f)?) {
                Some(x) => Ok(x),
                None => be(w, f),
            }),
        )
    }

    /// `[a, b][i]` with an index that is in bounds, most times.
    fn index_expr(&mut self, ty: &Ty, d: u32) -> E {
        if matches!(
            ty,
            Ty::Dyn | Ty::Object | Ty::Unit | Ty::Fun(..) | Ty::Act(_)
        ) {
            return self.leaf(ty);
        }
        if self.rng.chance(30) {
            let k = self.key_ty();
            let (key, v, key2) = (self.shown(&k, 0), self.shown(ty, d - 1), self.shown(&k, 0));
            let fallback = self.expr(ty, 0);
            let m = self.map_literal(vec![(key, v)]);
            let (me, ke, fe) = (m.eval.clone(), key2.eval.clone(), fallback.eval.clone());
            let look = move |w: &mut super::value::World, f: &super::core::Frame| {
                let m = me(w, f)?;
                let k = ke(w, f)?;
                let found = map_of(&m)
                    .borrow()
                    .iter()
                    .find(|(l, _)| equal(l, &k))
                    .map(|e| e.1.clone());
                Ok(found)
            };
            if self.risk > self.rng.below(100) {
                return E::new(
                    format!("{}[{}]", m.text, key2.text),
                    level::ATOM,
                    Rc::new(move |w, f| look(w, f)?.ok_or(Stop::Trap("missing_key"))),
                );
            }
            return E::new(
                format!(
                    "{}.get({}) else {}",
                    m.text,
                    key2.text,
                    fallback.at(level::EITHER)
                ),
                level::ELSE,
                Rc::new(move |w, f| match look(w, f)? {
                    Some(v) => Ok(v),
                    None => fe(w, f),
                }),
            );
        }
        let n = [1usize, 2, 4][self.rng.below(3)];
        let parts: Vec<E> = (0..n).map(|_| self.expr(ty, d - 1)).collect();
        let xs = self.list(parts);
        let i = self.shown(&Ty::Int, d - 1);
        let (xe, ie) = (xs.eval.clone(), i.eval.clone());
        let mask = if self.rng.below(100) < self.risk {
            7
        } else {
            n as i64 - 1
        };
        E::new(
            format!("{}[{} & {mask}]", xs.text, i.at(level::AND)),
            level::ATOM,
            Rc::new(move |w, f| {
                let xs = items_of(&xe(w, f)?);
                let i = int_of(&ie(w, f)?) & mask;
                xs.get(i as usize).cloned().ok_or(Stop::Trap("bounds"))
            }),
        )
    }

    /// A field or tuple element of a variable.
    fn member_expr(&mut self, ty: &Ty) -> Option<E> {
        let mut found = Vec::new();
        for (i, v) in self.vars.iter().enumerate() {
            if i < self.cx.barrier && !v.fixed() {
                continue;
            }
            match &v.ty {
                Ty::Struct(s) => {
                    for (k, field) in self.structs[*s].fields.iter().enumerate() {
                        if &field.ty == ty {
                            found.push((v.clone(), k, format!("{}.{}", v.name, field.name)));
                        }
                    }
                }
                Ty::Tuple(ts) => {
                    for (k, t) in ts.iter().enumerate() {
                        if t == ty {
                            found.push((v.clone(), k, format!("{}.{k}", v.name)));
                        }
                    }
                }
                _ => {}
            }
        }
        if found.is_empty() {
            return None;
        }
        let (v, k, text) = self.rng.pick(&found);
        let slot = v.slot;
        Some(E::new(
            text,
            level::ATOM,
            Rc::new(move |_, f| {
                Ok(match get(f, slot) {
                    Val::Tuple(xs) => xs[k].clone(),
                    v => object_of(&v).fields.borrow()[k].clone(),
                })
            }),
        ))
    }

    /// A call of a generic function or method of the program's own library.
    fn generic_expr(&mut self, ty: &Ty, d: u32) -> E {
        if matches!(
            ty,
            Ty::Dyn | Ty::Object | Ty::Unit | Ty::Fun(..) | Ty::Act(_)
        ) {
            return self.leaf(ty);
        }
        match self.rng.below(4) {
            0 => {
                let (c, a, b) = (
                    self.shown(&Ty::Bool, d - 1),
                    self.shown(ty, d - 1),
                    self.shown(ty, d - 1),
                );
                let args = vec![c, a, b];
                let all = Self::sequence(&args);
                E::new(
                    format!("choose({})", Self::commas(&args)),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let v = all(w, f)?;
                        Ok(if bool_of(&v[0]) {
                            v[1].clone()
                        } else {
                            v[2].clone()
                        })
                    }),
                )
            }
            1 if self.has_ord(ty) => {
                let args = vec![self.shown(ty, d - 1), self.shown(ty, d - 1)];
                let all = Self::sequence(&args);
                let larger = self.rng.chance(50);
                E::new(
                    format!(
                        "{}({})",
                        if larger { "max" } else { "min" },
                        Self::commas(&args)
                    ),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let v = all(w, f)?;
                        // `b < a` asks the operator, which for floats is IEEE.
                        let less = super::ops::less(&v[1], &v[0]);
                        Ok(v[usize::from(less != larger)].clone())
                    }),
                )
            }
            2 => {
                // A cell counts how often it is read.
                let c = self.shown(&Ty::Cell(Rc::new(ty.clone())), d - 1);
                if self.cx.pure {
                    let ce = c.eval.clone();
                    return E::new(
                        format!("{}.value", c.at(level::ATOM)),
                        level::ATOM,
                        Rc::new(move |w, f| Ok(object_of(&ce(w, f)?).fields.borrow()[0].clone())),
                    );
                }
                let ce = c.eval.clone();
                E::new(
                    format!("{}.read()", c.at(level::ATOM)),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let c = ce(w, f)?;
                        w.tick()?;
                        let mut fields = object_of(&c).fields.borrow_mut();
                        fields[1] = Val::Int(int_of(&fields[1]) + 1);
                        Ok(fields[0].clone())
                    }),
                )
            }
            _ => {
                let from = self.data_ty(0);
                let x = self.shown(&from, d - 1);
                let g = self.fun_arg(std::slice::from_ref(&from), ty, d - 1);
                let (xe, ge) = (x.eval.clone(), g.eval.clone());
                E::new(
                    format!("apply({}, {}){}", x.text, g.text, g.mark()),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let x = xe(w, f)?;
                        let Val::Fun(g) = ge(w, f)? else {
                            return Err(Stop::TooLong);
                        };
                        w.tick()?;
                        g(w, vec![x])
                    }),
                )
            }
        }
    }

    /// A call of a function value in scope.
    fn fun_call(&mut self, ty: &Ty, d: u32) -> Option<E> {
        let mut found = Vec::new();
        for (i, v) in self.vars.iter().enumerate() {
            if let Ty::Fun(ps, r) = &v.ty
                && r.as_ref() == ty
                && (i >= self.cx.barrier || v.fixed())
            {
                found.push((v.clone(), ps.clone()));
            }
        }
        if found.is_empty() || (self.cx.pure && found.iter().any(|v| v.0.borrowed)) {
            return None;
        }
        let (v, ps) = self.rng.pick(&found);
        let args: Vec<E> = ps.iter().map(|t| self.placed(t, d - 1)).collect();
        let all = Self::sequence(&args);
        let slot = v.slot;
        Some(E::new(
            format!("{}({})", v.name, Self::commas(&args)),
            level::ATOM,
            Rc::new(move |w, f| {
                let Val::Fun(g) = get(f, slot) else {
                    return Err(Stop::TooLong);
                };
                let args = all(w, f)?;
                w.tick()?;
                g(w, args)
            }),
        ))
    }

    /// A call of one of the program's functions or methods that gives the type.
    fn call_expr(&mut self, ty: &Ty, d: u32) -> Option<E> {
        let found: Vec<_> = self
            .sigs
            .iter()
            .filter(|s| self.cx.covers(s.caps) && (!self.cx.pure || s.caps == 0))
            .cloned()
            .collect();
        let found: Vec<_> = found.iter().filter_map(|s| self.giving(s, ty)).collect();
        if found.is_empty() {
            return None;
        }
        let sig = self.rng.pick(&found);
        self.call_of(&sig, d)
    }

    /// A call of a function, with what handles its errors.
    pub fn call_of(&mut self, sig: &super::core::FnSig, d: u32) -> Option<E> {
        let call = self.call_parts(sig, d);
        let inner = d.saturating_sub(1);
        self.fallible(call, &sig.errs.clone(), &sig.ret.clone(), inner)
    }

    /// A call of that function, with its errors handled.
    pub fn call_parts(&mut self, sig: &super::core::FnSig, d: u32) -> Call {
        let inner = d.saturating_sub(1);
        let sig = &self.concrete(sig);
        let before = std::mem::replace(&mut self.cx.infer, sig.shown);
        let mut evals: Vec<Eval> = Vec::new();
        let mut head = sig.name.clone();
        if let Some(of) = &sig.of {
            let r = self.shown(of, inner);
            head = format!("{}.{}", r.at(level::ATOM), sig.name);
            evals.push(r.eval);
        }
        let mut args = Vec::new();
        let mut named = false;
        for (name, t, default) in &sig.params {
            if let Some(e) = default
                && self.rng.chance(40)
            {
                named = true;
                evals.push(e.eval.clone());
                continue;
            }
            named = named || self.rng.chance(8);
            let e = self.expr(t, inner);
            args.push(if named {
                format!("{name} = {}", e.text)
            } else {
                e.text
            });
            evals.push(e.eval);
        }
        self.cx.infer = before;
        let id = sig.id;
        Call {
            text: format!("{head}({})", args.join(", ")),
            args: Rc::new(move |w, f| evals.iter().map(|e| e(w, f)).collect()),
            run: Rc::new(move |w, args| w.call(id, args)),
        }
    }
}
