//! Statements that assign or change what a variable refers to.

use super::core::{Exec, Gen, S, Ty, Var, get, level, set};
use super::stmt::line;
use super::value::{Stop, Val, equal, int_of, items_of, list_of, map_of, object_of, text_of};
use std::rc::Rc;

impl Gen {
    pub(super) fn mutables(&self) -> Vec<Var> {
        let hidden = self.cx.barrier;
        self.vars
            .iter()
            .skip(hidden)
            .filter(|v| v.mutable && !v.counter)
            .cloned()
            .collect()
    }

    pub(super) fn assign_stmt(&mut self) -> S {
        let vars = self.mutables();
        if vars.is_empty() {
            return self.let_stmt();
        }
        let v = self.rng.pick(&vars);
        let slot = v.slot;
        if v.ty == Ty::Int && self.rng.chance(60) {
            type Op = fn(i64, i64) -> Option<i64>;
            let (op, run): (&str, Op) = self.rng.pick(&[
                ("+%=", (|a, b| Some(a.wrapping_add(b))) as Op),
                ("-%=", |a, b| Some(a.wrapping_sub(b))),
                ("*%=", |a, b| Some(a.wrapping_mul(b))),
                ("^=", |a, b| Some(a ^ b)),
                ("|=", |a, b| Some(a | b)),
                ("&=", |a, b| Some(a & b)),
                ("+=", i64::checked_add),
                ("-=", i64::checked_sub),
            ]);
            let small = matches!(op, "+=" | "-=");
            let e = self.placed(&Ty::Int, 3);
            let text = if small && e.bits > 40 {
                format!("{} {op} {} % 1000", v.name, e.at(level::MUL))
            } else {
                format!("{} {op} {}", v.name, e.text)
            };
            let cut = small && e.bits > 40;
            let eval = e.eval;
            return line(
                text,
                Rc::new(move |w, f| {
                    let before = int_of(&get(f, slot));
                    let mut n = int_of(&eval(w, f)?);
                    if cut {
                        n %= 1000;
                    }
                    let out = run(before, n).ok_or(Stop::Trap("overflow"))?;
                    set(f, slot, Val::Int(out));
                    Ok(())
                }),
            );
        }
        if v.ty == Ty::Str && self.rng.chance(50) {
            let e = self.placed(&Ty::Str, 3);
            let eval = e.eval;
            return line(
                format!("{} += {}", v.name, e.text),
                Rc::new(move |w, f| {
                    let before = text_of(&get(f, slot));
                    let more = text_of(&eval(w, f)?);
                    set(f, slot, super::core::short(format!("{before}{more}"))?);
                    Ok(())
                }),
            );
        }
        let e = self.placed(&v.ty, 4);
        let eval = e.eval;
        line(
            format!("{} = {}", v.name, e.text),
            Rc::new(move |w, f| {
                let v = eval(w, f)?;
                set(f, slot, v);
                Ok(())
            }),
        )
    }

    /// Changes something that a variable refers to.
    pub(super) fn change_stmt(&mut self) -> S {
        let hidden = self.cx.barrier;
        let vars: Vec<Var> = self
            .vars
            .iter()
            .enumerate()
            .filter(|(i, v)| {
                (*i >= hidden || v.fixed())
                    && matches!(v.ty, Ty::List(_) | Ty::Map(..) | Ty::Set(_) | Ty::Struct(_))
            })
            .map(|(_, v)| v.clone())
            .collect();
        if vars.is_empty() {
            return self.let_stmt();
        }
        let v = self.rng.pick(&vars);
        let slot = v.slot;
        match v.ty.clone() {
            Ty::List(t) => self.change_list(&v, &t),
            Ty::Map(k, t) => {
                let key = self.placed(&k, 1);
                let ke = key.eval;
                match self.rng.below(4) {
                    0 => line(
                        format!("{}.remove({})", v.name, key.text),
                        Rc::new(move |w, f| {
                            let m = get(f, slot);
                            let k = ke(w, f)?;
                            map_of(&m).borrow_mut().retain(|e| !equal(&e.0, &k));
                            Ok(())
                        }),
                    ),
                    1 => {
                        let init = self.placed(&t, 1);
                        let g = self.fun_arg(&[(*t).clone()], &t, 2);
                        let mark = g.mark();
                        let (ie, ge) = (init.eval, g.eval);
                        line(
                            format!(
                                "{}.update({}, {}, {}){mark}",
                                v.name, key.text, init.text, g.text
                            ),
                            Rc::new(move |w, f| {
                                let m = get(f, slot);
                                let k = ke(w, f)?;
                                let init = ie(w, f)?;
                                let Val::Fun(g) = ge(w, f)? else {
                                    return Err(Stop::TooLong);
                                };
                                let old = map_of(&m)
                                    .borrow()
                                    .iter()
                                    .find(|e| equal(&e.0, &k))
                                    .map(|e| e.1.clone());
                                let new = g(w, vec![old.unwrap_or(init)])?;
                                super::lists::put(&m, &k, new);
                                Ok(())
                            }),
                        )
                    }
                    _ => {
                        let x = self.placed(&t, 3);
                        let xe = x.eval;
                        line(
                            format!("{}[{}] = {}", v.name, key.text, x.text),
                            Rc::new(move |w, f| {
                                let m = get(f, slot);
                                let k = ke(w, f)?;
                                let x = xe(w, f)?;
                                super::lists::put(&m, &k, x);
                                Ok(())
                            }),
                        )
                    }
                }
            }
            Ty::Set(t) => {
                let x = self.placed(&t, 1);
                let xe = x.eval;
                let add = self.rng.chance(70);
                line(
                    format!(
                        "{}.{}({})",
                        v.name,
                        if add { "add" } else { "remove" },
                        x.text
                    ),
                    Rc::new(move |w, f| {
                        let s = get(f, slot);
                        let x = xe(w, f)?;
                        let mut xs = list_of(&s).borrow_mut();
                        let there = xs.iter().position(|y| equal(y, &x));
                        match (add, there) {
                            (true, None) => xs.push(super::lists::copy_key(&x)),
                            (false, Some(at)) => {
                                xs.remove(at);
                            }
                            _ => {}
                        }
                        Ok(())
                    }),
                )
            }
            Ty::Struct(i) => {
                let fields: Vec<(usize, super::core::Field)> = self.structs[i]
                    .fields
                    .iter()
                    .cloned()
                    .enumerate()
                    .filter(|f| f.1.mutable)
                    .collect();
                if fields.is_empty() {
                    return self.let_stmt();
                }
                let (k, field) = self.rng.pick(&fields);
                let x = self.placed(&field.ty, 3);
                let xe = x.eval;
                line(
                    format!("{}.{} = {}", v.name, field.name, x.text),
                    Rc::new(move |w, f| {
                        let o = get(f, slot);
                        let x = xe(w, f)?;
                        object_of(&o).fields.borrow_mut()[k] = x;
                        Ok(())
                    }),
                )
            }
            _ => self.let_stmt(),
        }
    }

    pub(super) fn change_list(&mut self, v: &Var, t: &Ty) -> S {
        let slot = v.slot;
        let name = v.name.clone();
        type Change = fn(&mut Vec<Val>);
        let simple: Option<(&str, Change)> = match self.rng.below(12) {
            0 => Some(("reverse()", |xs| xs.reverse())),
            1 => Some(("truncate(3)", |xs| xs.truncate(3))),
            2 if self.rng.chance(30) => Some(("clear()", Vec::clear)),
            3 | 4 if self.has_ord(t) => Some(("sort()", |xs| xs.sort_by(super::value::compare))),
            _ => None,
        };
        if let Some((text, change)) = simple {
            return line(
                format!("{name}.{text}"),
                Rc::new(move |_, f| {
                    change(&mut list_of(&get(f, slot)).borrow_mut());
                    Ok(())
                }),
            );
        }
        let x = self.placed(t, 3);
        let xe = x.eval;
        let n = self.rng.below(3);
        match self.rng.below(6) {
            0 => line(
                format!("{name}.insert(0, {})", x.text),
                Rc::new(move |w, f| {
                    let xs = get(f, slot);
                    let x = xe(w, f)?;
                    list_of(&xs).borrow_mut().insert(0, x);
                    Ok(())
                }),
            ),
            1 => {
                let risky = self.rng.below(100) < self.risk;
                let body = format!("{name}[{n}] = {}", x.text);
                let exec: Exec = Rc::new(move |w, f| {
                    let xs = get(f, slot);
                    if !risky && list_of(&xs).borrow().len() <= n {
                        return Ok(());
                    }
                    let x = xe(w, f)?;
                    match list_of(&xs).borrow_mut().get_mut(n) {
                        Some(place) => *place = x,
                        None => return Err(Stop::Trap("bounds")),
                    }
                    Ok(())
                });
                if risky {
                    return line(body, exec);
                }
                S {
                    lines: vec![format!("if {name}.len() > {n}:"), format!("    {body}")],
                    exec,
                }
            }
            2 => S {
                lines: vec![
                    format!("if {name}.len() > {n}:"),
                    format!("    {name}.swap({n}, {name}.len() - 1)"),
                    format!("    {name}.remove(0)"),
                ],
                exec: Rc::new(move |_, f| {
                    let xs = get(f, slot);
                    let mut xs = list_of(&xs).borrow_mut();
                    if xs.len() > n {
                        let last = xs.len() - 1;
                        xs.swap(n, last);
                        xs.remove(0);
                    }
                    Ok(())
                }),
            },
            3 => {
                let more = self.placed(&Ty::List(Rc::new(t.clone())), 2);
                let me = more.eval;
                line(
                    format!("{name}.extend({})", more.text),
                    Rc::new(move |w, f| {
                        let xs = get(f, slot);
                        let more = items_of(&me(w, f)?);
                        let mut xs = list_of(&xs).borrow_mut();
                        xs.extend(more);
                        if xs.len() > 400 {
                            Err(Stop::TooLong)
                        } else {
                            Ok(())
                        }
                    }),
                )
            }
            _ => line(
                format!("{name}.push({})", x.text),
                Rc::new(move |w, f| {
                    let xs = get(f, slot);
                    let x = xe(w, f)?;
                    let mut xs = list_of(&xs).borrow_mut();
                    xs.push(x);
                    if xs.len() > 400 {
                        Err(Stop::TooLong)
                    } else {
                        Ok(())
                    }
                }),
            ),
        }
    }
}
