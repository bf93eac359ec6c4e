//! Expressions of lists, maps, sets, options and what goes through functions.

use super::core::{E, Frame, Gen, Ty, level, map_set};
use super::hof::callable;
use super::value::{
    Object, Res, Stop, Val, World, bool_of, compare, equal, int_of, items_of, list_of, list_val,
    map_of, opt_val, option_of, text_of,
};
use std::cell::RefCell;
use std::rc::Rc;

/// Keys are copied on insert: nothing in them is shared afterwards.
pub fn copy_key(k: &Val) -> Val {
    match k {
        Val::List(xs) => list_val(xs.borrow().iter().map(copy_key).collect()),
        Val::Tuple(xs) => Val::Tuple(Rc::new(xs.iter().map(copy_key).collect())),
        Val::Object(o) => Val::Object(Rc::new(Object {
            shape: o.shape.clone(),
            fields: RefCell::new(o.fields.borrow().iter().map(copy_key).collect()),
        })),
        other => other.clone(),
    }
}

/// A list that did not become too long.
fn bounded(xs: Vec<Val>) -> Res<Val> {
    if xs.len() > 400 {
        return Err(Stop::TooLong);
    }
    Ok(list_val(xs))
}

type ListOp = Box<dyn Fn(&mut World, &Frame, Vec<Val>) -> Res<Val>>;

impl Gen {
    /// Expressions of compound types.
    pub fn compound(&mut self, ty: &Ty, d: u32) -> E {
        match ty {
            Ty::Tuple(ts) => {
                let parts: Vec<E> = ts.iter().map(|t| self.expr(t, d - 1)).collect();
                self.tuple(parts)
            }
            Ty::List(t) => self.list_expr(&t.clone(), d),
            Ty::Map(k, v) => {
                if self.rng.chance(40) {
                    let m = self.shown(ty, d - 1);
                    let me = m.eval.clone();
                    return E::new(
                        format!("{}.copy()", m.at(level::ATOM)),
                        level::ATOM,
                        Rc::new(move |w, f| {
                            let m = me(w, f)?;
                            let copy = map_of(&m)
                                .borrow()
                                .iter()
                                .map(|e| (copy_key(&e.0), e.1.clone()))
                                .collect();
                            Ok(Val::Map(Rc::new(RefCell::new(copy))))
                        }),
                    );
                }
                let n = 1 + self.rng.below(3);
                let entries = (0..n)
                    .map(|_| (self.expr(k, d - 1), self.expr(v, d - 1)))
                    .collect();
                self.map_literal(entries)
            }
            Ty::Set(_) => {
                let (a, b) = (self.shown(ty, d - 1), self.shown(ty, d - 1));
                let (ae, be) = (a.eval.clone(), b.eval.clone());
                let op = self.rng.pick(&["union", "intersect", "minus"]);
                E::new(
                    format!("{}.{op}({})", a.at(level::ATOM), b.text),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let (a, b) = (items_of(&ae(w, f)?), items_of(&be(w, f)?));
                        let has = |xs: &[Val], x: &Val| xs.iter().any(|y| equal(x, y));
                        let out: Vec<Val> = match op {
                            "union" => {
                                let mut out = a.clone();
                                out.extend(b.iter().filter(|x| !has(&a, x)).cloned());
                                out
                            }
                            "intersect" => a.into_iter().filter(|x| has(&b, x)).collect(),
                            _ => a.into_iter().filter(|x| !has(&b, x)).collect(),
                        };
                        Ok(Val::Set(Rc::new(RefCell::new(
                            out.iter().map(copy_key).collect(),
                        ))))
                    }),
                )
            }
            Ty::Opt(t) => self.opt_expr(&t.clone(), d),
            Ty::Struct(_) | Ty::Enum(_) | Ty::Cell(_) => self.construct(ty, d - 1),
            Ty::Dyn => self.dynamic(d - 1),
            Ty::Object => self.object_value(d - 1),
            Ty::Fun(ps, r) => self.literal_fn(&ps.clone(), &r.clone(), d - 1, true),
            _ => self.leaf(ty),
        }
    }

    fn on_list(&mut self, t: &Ty, d: u32, tail: String, run: ListOp) -> E {
        let xs = self.shown(&Ty::List(Rc::new(t.clone())), d - 1);
        let xe = xs.eval.clone();
        E::new(
            format!("{}{tail}", xs.at(level::ATOM)),
            level::ATOM,
            Rc::new(move |w, f| {
                let v = xe(w, f)?;
                run(w, f, items_of(&v))
            }),
        )
    }

    fn list_expr(&mut self, t: &Ty, d: u32) -> E {
        match self.rng.below(14) {
            0 | 1 => {
                let n = 1 + self.rng.below(4);
                let parts: Vec<E> = (0..n).map(|_| self.expr(t, d - 1)).collect();
                self.list(parts)
            }
            2 if !matches!(t, Ty::Dyn | Ty::Object | Ty::Fun(..)) => {
                let (x, n) = (self.expr(t, d - 1), self.rng.below(5));
                let xe = x.eval.clone();
                E::new(
                    format!("[{}; {n}]", x.text),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let x = xe(w, f)?;
                        Ok(list_val(vec![x; n]))
                    }),
                )
            }
            3 | 4 if !matches!(t, Ty::Dyn | Ty::Object | Ty::Fun(..)) => {
                let from = self.data_ty(1);
                let xs = self.shown(&Ty::List(Rc::new(from.clone())), d - 1);
                let g = self.fun_arg(std::slice::from_ref(&from), t, d - 1);
                let (xe, ge) = (xs.eval.clone(), g.eval.clone());
                E::new(
                    format!("{}.map({}){}", xs.at(level::ATOM), g.text, g.mark()),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let xs = xe(w, f)?;
                        let g = callable(ge(w, f)?)?;
                        let mut out = Vec::new();
                        // The list may change meanwhile: the walk sees what is there when it comes by.
                        for x in items_of(&xs) {
                            w.tick()?;
                            out.push(g(w, vec![x])?);
                        }
                        bounded(out)
                    }),
                )
            }
            5 => {
                let xs = self.shown(&Ty::List(Rc::new(t.clone())), d - 1);
                if matches!(t, Ty::Dyn | Ty::Object | Ty::Fun(..)) {
                    return xs;
                }
                let g = self.fun_arg(std::slice::from_ref(t), &Ty::Bool, d - 1);
                let (xe, ge) = (xs.eval.clone(), g.eval.clone());
                E::new(
                    format!("{}.filter({}){}", xs.at(level::ATOM), g.text, g.mark()),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let xs = xe(w, f)?;
                        let g = callable(ge(w, f)?)?;
                        let mut out = Vec::new();
                        for x in items_of(&xs) {
                            w.tick()?;
                            if bool_of(&g(w, vec![x.clone()])?) {
                                out.push(x);
                            }
                        }
                        Ok(list_val(out))
                    }),
                )
            }
            6 => {
                let n = self.rng.below(5);
                let take = self.rng.chance(50);
                let tail = format!(".{}({n})", if take { "take" } else { "skip" });
                self.on_list(
                    t,
                    d,
                    tail,
                    Box::new(move |_, _, xs| {
                        let n = n.min(xs.len());
                        Ok(list_val(if take {
                            xs[..n].to_vec()
                        } else {
                            xs[n..].to_vec()
                        }))
                    }),
                )
            }
            7 => self.on_list(
                t,
                d,
                ".copy()".into(),
                Box::new(|_, _, xs| Ok(list_val(xs))),
            ),
            8 => {
                let n = self.rng.below(3);
                let risky = self.rng.below(100) < self.risk;
                if !risky {
                    return self.on_list(
                        t,
                        d,
                        "[0..]".into(),
                        Box::new(|_, _, xs| Ok(list_val(xs))),
                    );
                }
                self.on_list(
                    t,
                    d,
                    format!("[..{n}]"),
                    Box::new(move |_, _, xs| {
                        xs.get(..n)
                            .map(|s| list_val(s.to_vec()))
                            .ok_or(Stop::Trap("bounds"))
                    }),
                )
            }
            9 if *t == Ty::Int => {
                let (a, n) = (self.rng.below(5) as i64, self.rng.below(6) as i64);
                let inclusive = self.rng.chance(50);
                let end = a + n + i64::from(inclusive);
                let (rev, step) = (self.rng.chance(30), 1 + self.rng.below(3));
                let mut text = format!("({a}{}{})", if inclusive { "..=" } else { ".." }, a + n);
                let mut xs: Vec<i64> = (a..end).collect();
                if rev {
                    text += ".rev()";
                    xs.reverse();
                }
                if step > 1 {
                    text += &format!(".step({step})");
                    xs = xs.into_iter().step_by(step).collect();
                }
                let g = self.fun_arg(&[Ty::Int], &Ty::Int, d - 1);
                let ge = g.eval.clone();
                E::new(
                    format!("{text}.map({}){}", g.text, g.mark()),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let g = callable(ge(w, f)?)?;
                        let mut out = Vec::new();
                        for x in &xs {
                            w.tick()?;
                            out.push(g(w, vec![Val::Int(*x)])?);
                        }
                        Ok(list_val(out))
                    }),
                )
            }
            9 if *t == Ty::Char => {
                let s = self.shown(&Ty::Str, d - 1);
                let se = s.eval.clone();
                E::new(
                    format!("{}.chars()", s.at(level::ATOM)),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        bounded(text_of(&se(w, f)?).chars().map(Val::Char).collect())
                    }),
                )
            }
            9 | 10 if *t == Ty::Byte => {
                let s = self.shown(&Ty::Str, d - 1);
                let se = s.eval.clone();
                E::new(
                    format!("{}.bytes()", s.at(level::ATOM)),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        bounded(text_of(&se(w, f)?).bytes().map(Val::Byte).collect())
                    }),
                )
            }
            9 | 10 if *t == Ty::Str => {
                let s = self.shown(&Ty::Str, d - 1);
                let se = s.eval.clone();
                let sep = self.rng.pick(&[",", " ", "a", "jet"]);
                E::new(
                    format!("{}.split(\"{sep}\")", s.at(level::ATOM)),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        bounded(
                            text_of(&se(w, f)?)
                                .split(sep)
                                .map(super::value::str_val)
                                .collect(),
                        )
                    }),
                )
            }
            10 => {
                if let Ty::Tuple(ts) = t
                    && ts.len() == 2
                {
                    if ts[0] == Ty::Int && self.rng.chance(50) {
                        return self.on_list(
                            &ts[1].clone(),
                            d,
                            ".enumerate()".into(),
                            Box::new(|_, _, xs| {
                                let pair =
                                    |(i, x)| Val::Tuple(Rc::new(vec![Val::Int(i as i64), x]));
                                Ok(list_val(xs.into_iter().enumerate().map(pair).collect()))
                            }),
                        );
                    }
                    let b = self.shown(&Ty::List(Rc::new(ts[1].clone())), d - 1);
                    let be = b.eval.clone();
                    return self.on_list(
                        &ts[0].clone(),
                        d,
                        format!(".zip({})", b.text),
                        Box::new(move |w, f, xs| {
                            let ys = items_of(&be(w, f)?);
                            let pair = |(x, y)| Val::Tuple(Rc::new(vec![x, y]));
                            Ok(list_val(xs.into_iter().zip(ys).map(pair).collect()))
                        }),
                    );
                }
                self.leaf(&Ty::List(Rc::new(t.clone())))
            }
            11 => {
                if let Ty::List(u) = t {
                    let n = 1 + self.rng.below(3);
                    let chunks = self.rng.chance(50);
                    let tail = format!(".{}({n})", if chunks { "chunks" } else { "windows" });
                    return self.on_list(
                        &u.clone(),
                        d,
                        tail,
                        Box::new(move |_, _, xs| {
                            let part = |p: &[Val]| list_val(p.to_vec());
                            Ok(list_val(if chunks {
                                xs.chunks(n).map(part).collect()
                            } else {
                                xs.windows(n).map(part).collect()
                            }))
                        }),
                    );
                }
                self.leaf(&Ty::List(Rc::new(t.clone())))
            }
            12 if matches!(t, Ty::Int | Ty::Str | Ty::Char) || *t == Ty::List(Rc::new(Ty::Int)) => {
                let v = self.data_ty(0);
                let m = self.shown(&Ty::Map(Rc::new(t.clone()), Rc::new(v)), d - 1);
                let me = m.eval.clone();
                E::new(
                    format!("{}.keys()", m.at(level::ATOM)),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let m = me(w, f)?;
                        let keys = map_of(&m).borrow().iter().map(|e| copy_key(&e.0)).collect();
                        Ok(list_val(keys))
                    }),
                )
            }
            12 => {
                let m = self.shown(&Ty::Map(Rc::new(Ty::Int), Rc::new(t.clone())), d - 1);
                if matches!(t, Ty::Dyn | Ty::Object | Ty::Fun(..)) {
                    return self.leaf(&Ty::List(Rc::new(t.clone())));
                }
                let me = m.eval.clone();
                E::new(
                    format!("{}.values()", m.at(level::ATOM)),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let m = me(w, f)?;
                        let values = map_of(&m).borrow().iter().map(|e| e.1.clone()).collect();
                        Ok(list_val(values))
                    }),
                )
            }
            _ => self.leaf(&Ty::List(Rc::new(t.clone()))),
        }
    }

    fn opt_expr(&mut self, t: &Ty, d: u32) -> E {
        match self.rng.below(8) {
            0 => {
                let x = self.expr(t, d - 1);
                self.some(x)
            }
            1 => self.on_list(
                t,
                d,
                ".first()".into(),
                Box::new(|_, _, xs| Ok(opt_val(xs.first().cloned()))),
            ),
            2 => self.on_list(
                t,
                d,
                ".last()".into(),
                Box::new(|_, _, xs| Ok(opt_val(xs.last().cloned()))),
            ),
            3 => {
                let i = self.shown(&Ty::Int, d - 1);
                let ie = i.eval.clone();
                self.on_list(
                    t,
                    d,
                    format!(".get({})", i.text),
                    Box::new(move |w, f, xs| {
                        let i = int_of(&ie(w, f)?);
                        Ok(opt_val(
                            usize::try_from(i).ok().and_then(|i| xs.get(i).cloned()),
                        ))
                    }),
                )
            }
            4 if self.has_ord(t) && *t != Ty::Float => {
                let largest = self.rng.chance(50);
                let tail = if largest { ".max()" } else { ".min()" };
                self.on_list(
                    t,
                    d,
                    tail.into(),
                    Box::new(move |_, _, xs| {
                        let mut best: Option<Val> = None;
                        for x in xs {
                            let better = best.as_ref().is_none_or(|b| {
                                if largest {
                                    compare(b, &x).is_lt()
                                } else {
                                    compare(&x, b).is_lt()
                                }
                            });
                            if better {
                                best = Some(x);
                            }
                        }
                        Ok(opt_val(best))
                    }),
                )
            }
            5 => {
                let from = self.data_ty(1);
                let o = self.shown(&Ty::Opt(Rc::new(from.clone())), d - 1);
                let g = self.fun_arg(std::slice::from_ref(&from), t, d - 1);
                let (oe, ge) = (o.eval.clone(), g.eval.clone());
                E::new(
                    format!("{}.map({}){}", o.at(level::ATOM), g.text, g.mark()),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let o = oe(w, f)?;
                        let g = callable(ge(w, f)?)?;
                        match option_of(&o) {
                            Some(x) => Ok(opt_val(Some(g(w, vec![x])?))),
                            None => Ok(Val::Opt(None)),
                        }
                    }),
                )
            }
            6 => {
                let k = self.key_ty();
                let m = self.shown(&Ty::Map(Rc::new(k.clone()), Rc::new(t.clone())), d - 1);
                let key = self.expr(&k, 0);
                let (me, ke) = (m.eval.clone(), key.eval.clone());
                E::new(
                    format!("{}.get({})", m.at(level::ATOM), key.text),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let m = me(w, f)?;
                        let k = ke(w, f)?;
                        let found = map_of(&m)
                            .borrow()
                            .iter()
                            .find(|e| equal(&e.0, &k))
                            .map(|e| e.1.clone());
                        Ok(opt_val(found))
                    }),
                )
            }
            _ => {
                let xs = self.visible(&Ty::List(Rc::new(t.clone())));
                if xs.is_empty() || self.cx.pure {
                    return self.leaf(&Ty::Opt(Rc::new(t.clone())));
                }
                let v = self.rng.pick(&xs);
                let slot = v.slot;
                E::new(
                    format!("{}.pop()", v.name),
                    level::ATOM,
                    Rc::new(move |_, f| {
                        let xs = super::core::get(f, slot);
                        let popped = list_of(&xs).borrow_mut().pop();
                        Ok(opt_val(popped))
                    }),
                )
            }
        }
    }

    /// `xs.fold(a, fn(acc, x) => …)`.
    pub fn fold_expr(&mut self, d: u32) -> E {
        let t = self.data_ty(1);
        let xs = self.shown(&Ty::List(Rc::new(t.clone())), d - 1);
        let init = self.shown(&Ty::Int, 0);
        let g = self.fun_arg(&[Ty::Int, t], &Ty::Int, d - 1);
        let (xe, ie, ge) = (xs.eval.clone(), init.eval.clone(), g.eval.clone());
        E::new(
            format!(
                "{}.fold({}, {}){}",
                xs.at(level::ATOM),
                init.text,
                g.text,
                g.mark()
            ),
            level::ATOM,
            Rc::new(move |w, f| {
                let xs = xe(w, f)?;
                let mut acc = ie(w, f)?;
                let g = callable(ge(w, f)?)?;
                for x in items_of(&xs) {
                    w.tick()?;
                    acc = g(w, vec![acc, x])?;
                }
                Ok(acc)
            }),
        )
    }

    /// Sums and lengths of ranges.
    pub fn range_expr(&mut self, d: u32) -> E {
        let a = self.shown(&Ty::Int, d - 1);
        let n = self.rng.below(9) as i64;
        let ae = a.eval.clone();
        let sum = self.rng.chance(50);
        let mut e = E::new(
            format!(
                "({} & 255..=(({}))).{}()",
                a.at(level::AND),
                n + 128,
                if sum { "sum" } else { "len" }
            ),
            level::ATOM,
            Rc::new(move |w, f| {
                let a = int_of(&ae(w, f)?) & 255;
                let range = a..=n + 128;
                Ok(Val::Int(if sum {
                    range.sum()
                } else {
                    range.count() as i64
                }))
            }),
        );
        e.bits = 20;
        e
    }

    /// The number of an object, or of a value whose type implements `Score`.
    pub fn dyn_score(&mut self, d: u32) -> E {
        let objects = self.visible(&Ty::Dyn);
        let twice = self.rng.chance(50);
        let method = if twice { "twice" } else { "score" };
        let scores = self.scores.clone();
        let tys: Vec<Ty> = scores.borrow().iter().map(|s| s.0.clone()).collect();
        let (recv, at) = if !objects.is_empty() && self.rng.chance(60) {
            let v = self.rng.pick(&objects);
            let slot = v.slot;
            (
                E::new(
                    v.name,
                    level::ATOM,
                    Rc::new(move |_, f| Ok(super::core::get(f, slot))),
                ),
                None,
            )
        } else {
            let at = self.rng.below(tys.len());
            (self.shown(&tys[at], d - 1), Some(at))
        };
        let re = recv.eval.clone();
        let text = if self.rng.chance(30) && at.is_some() {
            format!("score_of({})", recv.text)
        } else {
            String::new()
        };
        let generic = !text.is_empty();
        E::new(
            if generic {
                text
            } else {
                format!("{}.{method}()", recv.at(level::ATOM))
            },
            level::ATOM,
            Rc::new(move |w, f| {
                let v = re(w, f)?;
                let (at, v) = match at {
                    Some(at) => (at, v),
                    None => {
                        let Val::Tuple(parts) = &v else {
                            return Err(Stop::TooLong);
                        };
                        (int_of(&parts[0]) as usize, parts[1].clone())
                    }
                };
                w.tick()?;
                let run = scores.borrow()[at].1.clone();
                let n = int_of(&run(w, vec![v])?);
                Ok(Val::Int(if generic {
                    n ^ 5
                } else if twice {
                    n.wrapping_mul(2)
                } else {
                    n
                }))
            }),
        )
    }
}

/// Sets a key of a map value.
pub fn put(m: &Val, k: &Val, v: Val) {
    map_set(map_of(m), copy_key(k), v);
}
