//! Lazy sequences of `std.iter`: the reference pulls value by value too, so that what a function in the chain
//! changes is changed in the same order.

use super::core::{E, Frame, Gen, Ty, level};
use super::hof::callable;
use super::value::{
    Res, Stop, Val, World, bool_of, compare, equal, int_of, list_val, opt_val, option_of,
};
use std::rc::Rc;

/// Gives the next value.
type Pull = Box<dyn FnMut(&mut World) -> Res<Option<Val>>>;
/// Makes a sequence.
type Make = Rc<dyn Fn(&mut World, &Frame) -> Res<Pull>>;

struct Seq {
    text: String,
    make: Make,
}

/// Values that a sequence may give before the program is thrown away.
const MOST: usize = 400;

fn all(pull: &mut Pull, w: &mut World) -> Res<Vec<Val>> {
    let mut out = Vec::new();
    while let Some(x) = pull(w)? {
        w.tick()?;
        out.push(x);
        if out.len() > MOST {
            return Err(Stop::TooLong);
        }
    }
    Ok(out)
}

impl Gen {
    /// A function that a sequence keeps: storable, so it captures fixed data.
    fn kept(&mut self, ps: &[Ty], ret: &Ty, d: u32) -> E {
        self.literal_fn(ps, ret, d.min(2), true)
    }

    fn source(&mut self, t: &Ty, d: u32) -> Seq {
        if *t == Ty::Int && self.rng.chance(50) {
            let (a, n) = (self.rng.below(7) as i64, self.rng.below(7) as i64);
            return match self.rng.below(4) {
                0 => Seq {
                    text: format!("iter.range({a}..{})", a + n),
                    make: Rc::new(move |_, _| {
                        let mut xs = a..a + n;
                        Ok(Box::new(move |_| Ok(xs.next().map(Val::Int))))
                    }),
                },
                1 => Seq {
                    text: format!("iter.count({a}).take({n})"),
                    make: Rc::new(move |_, _| {
                        let mut xs = a..a + n;
                        Ok(Box::new(move |_| Ok(xs.next().map(Val::Int))))
                    }),
                },
                2 => Seq {
                    text: format!(
                        "iter.successors({a}, fn(n) => if n > 1: Some(n / 2) else: None)"
                    ),
                    make: Rc::new(move |_, _| {
                        let mut next = Some(a);
                        Ok(Box::new(move |_| {
                            let x = next;
                            next = x.and_then(|n| (n > 1).then_some(n / 2));
                            Ok(x.map(Val::Int))
                        }))
                    }),
                },
                _ => Seq {
                    text: format!("iter.repeat({a}).take({n})"),
                    make: Rc::new(move |_, _| {
                        let mut left = n;
                        Ok(Box::new(move |_| {
                            left -= 1;
                            Ok((left >= 0).then_some(Val::Int(a)))
                        }))
                    }),
                },
            };
        }
        if self.rng.chance(8) {
            return Seq {
                text: format!("iter.empty[{}]()", self.ty_text(t)),
                make: Rc::new(|_, _| Ok(Box::new(|_| Ok(None)))),
            };
        }
        let xs = self.shown(&Ty::List(Rc::new(t.clone())), d.saturating_sub(1));
        let xe = xs.eval.clone();
        Seq {
            text: format!("iter.of({})", xs.text),
            make: Rc::new(move |w, f| {
                let xs = xe(w, f)?;
                let mut at = 0;
                Ok(Box::new(move |_| {
                    // As the list is by then.
                    let x = super::value::list_of(&xs).borrow().get(at).cloned();
                    at += usize::from(x.is_some());
                    Ok(x)
                }))
            }),
        }
    }

    /// A sequence of the type, with some adaptors.
    fn sequence_of(&mut self, t: &Ty, d: u32) -> Seq {
        if d == 0 || self.rng.chance(30) {
            return self.source(t, d);
        }
        let n = self.rng.below(4);
        match self.rng.below(12) {
            0 | 1 => {
                let s = self.sequence_of(t, d - 1);
                let g = self.kept(std::slice::from_ref(t), &Ty::Bool, d);
                let (make, ge) = (s.make, g.eval);
                let which = self.rng.pick(&["filter", "take_while", "skip_while"]);
                Seq {
                    text: format!("{}.{which}({})", s.text, g.text),
                    make: Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        let g = callable(ge(w, f)?)?;
                        let mut done = false;
                        Ok(Box::new(move |w| {
                            loop {
                                if which == "take_while" && done {
                                    return Ok(None);
                                }
                                let Some(x) = pull(w)? else { return Ok(None) };
                                w.tick()?;
                                if which == "skip_while" {
                                    if done || !bool_of(&g(w, vec![x.clone()])?) {
                                        done = true;
                                        return Ok(Some(x));
                                    }
                                    continue;
                                }
                                if bool_of(&g(w, vec![x.clone()])?) {
                                    return Ok(Some(x));
                                }
                                if which == "take_while" {
                                    done = true;
                                    return Ok(None);
                                }
                            }
                        }))
                    }),
                }
            }
            2 => {
                let s = self.sequence_of(t, d - 1);
                let make = s.make;
                Seq {
                    text: format!("{}.take({n})", s.text),
                    make: Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        let mut left = n;
                        Ok(Box::new(move |w| {
                            if left == 0 {
                                return Ok(None);
                            }
                            left -= 1;
                            pull(w)
                        }))
                    }),
                }
            }
            3 => {
                let s = self.sequence_of(t, d - 1);
                let make = s.make;
                Seq {
                    text: format!("{}.skip({n})", s.text),
                    make: Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        let mut at = 0;
                        Ok(Box::new(move |w| {
                            while at < n {
                                at += 1;
                                if pull(w)?.is_none() {
                                    return Ok(None);
                                }
                            }
                            pull(w)
                        }))
                    }),
                }
            }
            4 => {
                let s = self.sequence_of(t, d - 1);
                let make = s.make;
                let by = n + 1;
                Seq {
                    text: format!("{}.step({by})", s.text),
                    make: Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        let mut begun = false;
                        Ok(Box::new(move |w| {
                            if begun {
                                for _ in 1..by {
                                    if pull(w)?.is_none() {
                                        return Ok(None);
                                    }
                                }
                            }
                            begun = true;
                            pull(w)
                        }))
                    }),
                }
            }
            5 => {
                let (s, o) = (self.sequence_of(t, d - 1), self.source(t, d - 1));
                let (make, other) = (s.make, o.make);
                Seq {
                    text: format!("{}.chain({})", s.text, o.text),
                    make: Rc::new(move |w, f| {
                        let mut first = make(w, f)?;
                        let mut second = other(w, f)?;
                        let mut done = false;
                        Ok(Box::new(move |w| {
                            if !done {
                                match first(w)? {
                                    Some(x) => return Ok(Some(x)),
                                    None => done = true,
                                }
                            }
                            second(w)
                        }))
                    }),
                }
            }
            6 if matches!(t, Ty::Int | Ty::Str | Ty::Char) => {
                let s = self.sequence_of(t, d - 1);
                let make = s.make;
                Seq {
                    text: format!("{}.unique()", s.text),
                    make: Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        let mut seen: Vec<Val> = Vec::new();
                        Ok(Box::new(move |w| {
                            loop {
                                let Some(x) = pull(w)? else { return Ok(None) };
                                if !seen.iter().any(|y| equal(&x, y)) {
                                    seen.push(x.clone());
                                    return Ok(Some(x));
                                }
                            }
                        }))
                    }),
                }
            }
            7 | 8 => {
                let from = self.data_ty(1);
                let s = self.sequence_of(&from, d - 1);
                let some = self.rng.chance(40);
                let to = if some {
                    Ty::Opt(Rc::new(t.clone()))
                } else {
                    t.clone()
                };
                let g = self.kept(std::slice::from_ref(&from), &to, d);
                let (make, ge) = (s.make, g.eval);
                Seq {
                    text: format!(
                        "{}.{}({})",
                        s.text,
                        if some { "filter_map" } else { "map" },
                        g.text
                    ),
                    make: Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        let g = callable(ge(w, f)?)?;
                        Ok(Box::new(move |w| {
                            loop {
                                let Some(x) = pull(w)? else { return Ok(None) };
                                w.tick()?;
                                let y = g(w, vec![x])?;
                                if !some {
                                    return Ok(Some(y));
                                }
                                if let Some(y) = option_of(&y) {
                                    return Ok(Some(y));
                                }
                            }
                        }))
                    }),
                }
            }
            9 if *t == Ty::Int => {
                let from = self.data_ty(0);
                let s = self.sequence_of(&from, d - 1);
                let g = self.kept(&[Ty::Int, from], &Ty::Int, d);
                let (make, ge) = (s.make, g.eval);
                Seq {
                    text: format!("{}.scan({n}, {})", s.text, g.text),
                    make: Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        let g = callable(ge(w, f)?)?;
                        let mut acc = Val::Int(n as i64);
                        Ok(Box::new(move |w| {
                            let Some(x) = pull(w)? else { return Ok(None) };
                            w.tick()?;
                            acc = g(w, vec![acc.clone(), x])?;
                            Ok(Some(acc.clone()))
                        }))
                    }),
                }
            }
            10 => {
                // Each value that often.
                let s = self.sequence_of(t, d - 1);
                let make = s.make;
                let x = self.name("x");
                Seq {
                    text: format!("{}.flat_map(fn({x}) => iter.repeat({x}).take({n}))", s.text),
                    make: Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        let mut held: Option<(Val, usize)> = None;
                        Ok(Box::new(move |w| {
                            loop {
                                w.tick()?;
                                if let Some((x, left)) = &mut held
                                    && *left > 0
                                {
                                    *left -= 1;
                                    return Ok(Some(x.clone()));
                                }
                                let Some(x) = pull(w)? else { return Ok(None) };
                                held = Some((x, n));
                            }
                        }))
                    }),
                }
            }
            _ => match t {
                Ty::Tuple(ts) if ts.len() == 2 && ts[0] == Ty::Int && self.rng.chance(50) => {
                    let s = self.sequence_of(&ts[1], d - 1);
                    let make = s.make;
                    Seq {
                        text: format!("{}.enumerate()", s.text),
                        make: Rc::new(move |w, f| {
                            let mut pull = make(w, f)?;
                            let mut at = 0;
                            Ok(Box::new(move |w| {
                                let Some(x) = pull(w)? else { return Ok(None) };
                                at += 1;
                                Ok(Some(Val::Tuple(Rc::new(vec![Val::Int(at - 1), x]))))
                            }))
                        }),
                    }
                }
                Ty::Tuple(ts) if ts.len() == 2 => {
                    let (s, o) = (self.sequence_of(&ts[0], d - 1), self.source(&ts[1], d - 1));
                    let (make, other) = (s.make, o.make);
                    Seq {
                        text: format!("{}.zip({})", s.text, o.text),
                        make: Rc::new(move |w, f| {
                            let mut first = make(w, f)?;
                            let mut second = other(w, f)?;
                            Ok(Box::new(move |w| {
                                let Some(x) = first(w)? else { return Ok(None) };
                                let Some(y) = second(w)? else { return Ok(None) };
                                Ok(Some(Val::Tuple(Rc::new(vec![x, y]))))
                            }))
                        }),
                    }
                }
                Ty::List(u) => {
                    let s = self.sequence_of(&u.clone(), d - 1);
                    let make = s.make;
                    let size = n + 1;
                    Seq {
                        text: format!("{}.chunks({size})", s.text),
                        make: Rc::new(move |w, f| {
                            let mut pull = make(w, f)?;
                            Ok(Box::new(move |w| {
                                let mut out = Vec::new();
                                while out.len() < size {
                                    match pull(w)? {
                                        Some(x) => out.push(x),
                                        None => break,
                                    }
                                }
                                Ok((!out.is_empty()).then(|| list_val(out)))
                            }))
                        }),
                    }
                }
                _ => self.source(t, d),
            },
        }
    }

    /// An expression that uses a sequence up.
    pub fn iter_expr(&mut self, ty: &Ty, d: u32) -> Option<E> {
        if self.cx.pure || self.has_object(ty) {
            return None;
        }
        let d = d.min(3);
        match ty {
            Ty::List(t) => {
                let s = self.sequence_of(&t.clone(), d);
                let make = s.make;
                Some(E::new(
                    format!("{}.to_list()", s.text),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        Ok(list_val(all(&mut pull, w)?))
                    }),
                ))
            }
            Ty::Set(t) => {
                let s = self.sequence_of(&t.clone(), d);
                let make = s.make;
                Some(E::new(
                    format!("{}.to_set()", s.text),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        let mut out: Vec<Val> = Vec::new();
                        for x in all(&mut pull, w)? {
                            if !out.iter().any(|y| equal(&x, y)) {
                                out.push(super::lists::copy_key(&x));
                            }
                        }
                        Ok(Val::Set(Rc::new(std::cell::RefCell::new(out))))
                    }),
                ))
            }
            Ty::Opt(t) => {
                let s = self.sequence_of(&t.clone(), d);
                let make = s.make;
                let n = self.rng.below(3);
                let way = self.rng.below(if self.has_ord(t) && **t != Ty::Float {
                    5
                } else {
                    3
                });
                let text = match way {
                    0 => format!("{}.next()", s.text),
                    1 => format!("{}.nth({n})", s.text),
                    2 => format!("{}.last()", s.text),
                    3 => format!("{}.min()", s.text),
                    _ => format!("{}.max()", s.text),
                };
                Some(E::new(
                    text,
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        if way < 2 {
                            let before = if way == 0 { 0 } else { n };
                            for _ in 0..before {
                                if pull(w)?.is_none() {
                                    return Ok(opt_val(None));
                                }
                            }
                            return Ok(opt_val(pull(w)?));
                        }
                        let xs = all(&mut pull, w)?;
                        let mut best: Option<Val> = None;
                        for x in xs {
                            let better = match (&best, way) {
                                (None, _) | (_, 2) => true,
                                (Some(b), 3) => compare(&x, b).is_lt(),
                                (Some(b), _) => compare(&x, b).is_gt(),
                            };
                            if better {
                                best = Some(x);
                            }
                        }
                        Ok(opt_val(best))
                    }),
                ))
            }
            Ty::Int => {
                let t = self.data_ty(1);
                let s = self.sequence_of(&t, d);
                let make = s.make;
                if self.rng.chance(50) {
                    return Some(E::new(
                        format!("{}.len()", s.text),
                        level::ATOM,
                        Rc::new(move |w, f| {
                            let mut pull = make(w, f)?;
                            Ok(Val::Int(all(&mut pull, w)?.len() as i64))
                        }),
                    ));
                }
                let g = self.fun_arg(&[Ty::Int, t], &Ty::Int, d.saturating_sub(1));
                let ge = g.eval.clone();
                Some(E::new(
                    format!("{}.fold(1, {}){}", s.text, g.text, g.mark()),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        let g = callable(ge(w, f)?)?;
                        let mut acc = Val::Int(1);
                        while let Some(x) = pull(w)? {
                            w.tick()?;
                            acc = g(w, vec![acc, x])?;
                        }
                        Ok(acc)
                    }),
                ))
            }
            Ty::Bool => {
                let t = self.data_ty(1);
                let s = self.sequence_of(&t, d);
                let g = self.fun_arg(std::slice::from_ref(&t), &Ty::Bool, d.saturating_sub(1));
                let (make, ge) = (s.make, g.eval.clone());
                let way = self.rng.pick(&["any", "all", "find"]);
                let tail = if way == "find" { ".is_some()" } else { "" };
                Some(E::new(
                    format!("{}.{way}({}){}{tail}", s.text, g.text, g.mark()),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        let g = callable(ge(w, f)?)?;
                        while let Some(x) = pull(w)? {
                            w.tick()?;
                            if bool_of(&g(w, vec![x])?) != (way == "all") {
                                return Ok(Val::Bool(way != "all"));
                            }
                        }
                        Ok(Val::Bool(way == "all"))
                    }),
                ))
            }
            Ty::Str => {
                let s = self.sequence_of(&Ty::Int, d);
                let make = s.make;
                let part = self.name("part");
                Some(E::new(
                    format!(
                        "{}.map(fn({part}) => f\"<{{{part}}}>\").to_list().join(\"\")",
                        s.text
                    ),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let mut pull = make(w, f)?;
                        let xs = all(&mut pull, w)?;
                        let parts: Vec<String> =
                            xs.iter().map(|x| format!("<{}>", int_of(x))).collect();
                        super::core::short(parts.concat())
                    }),
                ))
            }
            _ => None,
        }
    }
}
