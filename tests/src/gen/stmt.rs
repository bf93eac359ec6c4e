//! Statements and blocks.

use super::core::{E, Exec, Frame, Gen, S, Ty, Var, get, level, set};
use super::value::{
    Res, Stop, Val, World, bool_of, equal, int_of, items_of, list_of, map_of, object_of, show,
    text_of,
};
use std::cell::RefCell;
use std::rc::Rc;

/// Lines one level deeper.
pub fn indent(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .map(|l| {
            if l.is_empty() {
                String::new()
            } else {
                format!("    {l}")
            }
        })
        .collect()
}

/// A statement on one line.
fn line(text: String, exec: Exec) -> S {
    S {
        lines: vec![text],
        exec,
    }
}

/// Runs statements in order.
pub fn run_all(stmts: &[S]) -> Exec {
    let execs: Vec<Exec> = stmts.iter().map(|s| s.exec.clone()).collect();
    Rc::new(move |w, f| execs.iter().try_for_each(|e| e(w, f)))
}

impl Gen {
    /// A block of statements in a scope of its own; never empty.
    pub fn block(&mut self, most: usize, d: u32) -> S {
        let vars = self.vars.len();
        let n = 1 + self.rng.below(most);
        let mut stmts = Vec::new();
        for _ in 0..n {
            if self.budget > 0 {
                stmts.push(self.stmt(d));
            }
        }
        self.vars.truncate(vars);
        if stmts.is_empty() {
            return line("pass".into(), Rc::new(|_, _| Ok(())));
        }
        S {
            exec: run_all(&stmts),
            lines: stmts.into_iter().flat_map(|s| s.lines).collect(),
        }
    }

    /// A statement whose nesting is at most `d`.
    pub fn stmt(&mut self, d: u32) -> S {
        self.cx.infer = false;
        self.budget -= 2;
        if d == 0 {
            return match self.rng.below(5) {
                0 | 1 => self.let_stmt(),
                2 => self.assign_stmt(),
                3 => self.change_stmt(),
                _ => self.print_stmt(),
            };
        }
        match self.rng.below(33) {
            0..=5 => self.let_stmt(),
            6 | 7 => self.assign_stmt(),
            8..=11 => self.change_stmt(),
            12..=14 => self.print_stmt(),
            15 | 16 => self.if_stmt(d),
            17 => self.while_stmt(d),
            18 => self.for_range(d),
            19 => self.for_each(d),
            20 | 21 => self.match_stmt(d),
            22 => self.match_value(),
            23 => self.try_stmt(d),
            24 => self.let_else(d),
            25 => self.leave_stmt(),
            26 => self.each_stmt(d),
            27 => self.caps_stmt(d),
            28 => self.closure_stmt(),
            30..=32 => match self.extra_stmt(d) {
                Some(s) => s,
                None => self.let_stmt(),
            },
            _ => self.call_stmt(),
        }
    }

    fn let_stmt(&mut self) -> S {
        let ty = self.any_ty();
        if let Ty::Tuple(_) | Ty::Struct(_) = &ty
            && self.rng.chance(30)
        {
            let e = self.shown(&ty, 3);
            let vars = self.vars.len();
            for _ in 0..6 {
                let p = self.pat(&ty, 2);
                if p.always && p.text.contains('(') {
                    let (ee, test) = (e.eval.clone(), p.test);
                    return line(
                        format!("let {} = {}", p.text, e.at(level::EITHER)),
                        Rc::new(move |w, f| {
                            let v = ee(w, f)?;
                            test(&v, f);
                            Ok(())
                        }),
                    );
                }
                self.vars.truncate(vars);
            }
        }
        let written = matches!(ty, Ty::Dyn | Ty::Fun(..))
            || ty == Ty::List(Rc::new(Ty::Dyn))
            || self.rng.chance(40);
        let e = if written {
            self.placed(&ty, 4)
        } else {
            self.shown(&ty, 4)
        };
        let mutable = self.rng.chance(45);
        let name = self.name("v");
        let slot = self.bind(&name, &ty, mutable);
        if !mutable && let Some(v) = self.vars.last_mut() {
            v.bits = e.bits;
        }
        let head = if mutable { "let mut" } else { "let" };
        let ann = if written {
            format!(": {}", self.ty_text(&ty))
        } else {
            String::new()
        };
        let eval = e.eval;
        line(
            format!("{head} {name}{ann} = {}", e.text),
            Rc::new(move |w, f| {
                w.tick()?;
                let v = eval(w, f)?;
                set(f, slot, v);
                Ok(())
            }),
        )
    }

    fn mutables(&self) -> Vec<Var> {
        let hidden = self.cx.barrier;
        self.vars
            .iter()
            .skip(hidden)
            .filter(|v| v.mutable && !v.counter)
            .cloned()
            .collect()
    }

    fn assign_stmt(&mut self) -> S {
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
    fn change_stmt(&mut self) -> S {
        let hidden = self.cx.barrier;
        let vars: Vec<Var> = self
            .vars
            .iter()
            .enumerate()
            .filter(|(i, v)| {
                (*i >= hidden || !v.mutable)
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
                        let g = self.literal_fn(&[(*t).clone()], &t, 2, false);
                        let (ie, ge) = (init.eval, g.eval);
                        line(
                            format!("{}.update({}, {}, {})", v.name, key.text, init.text, g.text),
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

    fn change_list(&mut self, v: &Var, t: &Ty) -> S {
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

    /// Prints a value; where nothing can be printed, asserts that it equals itself.
    pub fn print_stmt(&mut self) -> S {
        let ty = self.data_ty(2);
        if !self.cx.console || self.cx.barrier > 0 {
            if !self.has_eq(&ty) || !self.showable(&ty) {
                return self.let_stmt();
            }
            let e = self.shown(&ty, 2);
            let name = self.name("s");
            let slot = self.bind(&name, &ty, false);
            let eval = e.eval;
            return S {
                lines: vec![
                    format!("let {name} = {}", e.text),
                    format!("assert {name} == {name}, \"{name}\""),
                ],
                exec: Rc::new(move |w, f| {
                    let v = eval(w, f)?;
                    set(f, slot, v);
                    Ok(())
                }),
            };
        }
        let (e, text) = if self.showable(&ty) {
            let e = self.shown(&ty, 3);
            let text = format!("{{{}}}", e.at(level::EITHER));
            (e, text)
        } else {
            let e = self.shown(&Ty::Float, 3);
            let text = format!("{{bits({})}}", e.text);
            (e, text)
        };
        let tag = self.name("t");
        let eval = e.eval;
        line(
            format!("Console.print(f\"{tag} {text}\")"),
            Rc::new(move |w, f| {
                let v = eval(w, f)?;
                let text = match &v {
                    Val::Float(x) if x.is_nan() => "nan".to_string(),
                    Val::Float(x) => (x.to_bits() as i64).to_string(),
                    v => show(v),
                };
                w.write(&format!("{tag} {text}\n"))
            }),
        )
    }

    fn if_stmt(&mut self, d: u32) -> S {
        let mut lines = Vec::new();
        let mut arms: Vec<(E, Exec)> = Vec::new();
        let n = 1 + self.rng.below(2);
        for i in 0..n {
            let c = self.shown(&Ty::Bool, 3);
            let body = self.block(3, d - 1);
            lines.push(format!(
                "{} {}:",
                if i == 0 { "if" } else { "elif" },
                c.text
            ));
            lines.extend(indent(&body.lines));
            arms.push((c, body.exec));
        }
        let mut last: Exec = Rc::new(|_, _| Ok(()));
        if self.rng.chance(60) {
            let body = self.block(3, d - 1);
            lines.push("else:".into());
            lines.extend(indent(&body.lines));
            last = body.exec;
        }
        S {
            lines,
            exec: Rc::new(move |w, f| {
                for (c, body) in &arms {
                    if bool_of(&(c.eval)(w, f)?) {
                        return body(w, f);
                    }
                }
                last(w, f)
            }),
        }
    }

    /// Runs a loop's body once; false if the loop is over.
    fn turn(body: &Exec, id: usize, w: &mut World, f: &Frame) -> Res<bool> {
        w.tick()?;
        match body(w, f) {
            Ok(()) => Ok(true),
            Err(Stop::Break(x)) if x == id => Ok(false),
            Err(Stop::Continue(x)) if x == id => Ok(true),
            Err(stop) => Err(stop),
        }
    }

    fn enter_loop(&mut self) -> (usize, String) {
        self.fresh += 1;
        let id = self.fresh;
        let label = self.rng.chance(40).then(|| format!("l{id}"));
        let head = label.as_ref().map_or(String::new(), |l| format!("{l}: "));
        self.cx.loops.push((id, label));
        (id, head)
    }

    fn while_stmt(&mut self, d: u32) -> S {
        let n = 1 + self.rng.below(6) as i64;
        let name = self.name("n");
        let slot = self.bind(&name, &Ty::Int, true);
        if let Some(v) = self.vars.last_mut() {
            v.counter = true;
            v.bits = 4;
        }
        let (id, head) = self.enter_loop();
        let endless = self.rng.chance(30);
        let c = if endless {
            None
        } else {
            Some(self.shown(&Ty::Bool, 2))
        };
        let body = self.block(3, d - 1);
        self.cx.loops.pop();
        let mut lines = vec![format!("let mut {name} = 0")];
        match &c {
            None => {
                lines.push(format!("{head}loop:"));
                lines.push(format!("    if {name} >= {n}:"));
                lines.push("        break".into());
            }
            Some(c) => lines.push(format!(
                "{head}while {name} < {n} and {}:",
                c.at(level::NOT)
            )),
        }
        lines.push(format!("    {name} += 1"));
        lines.extend(indent(&body.lines));
        let exec = body.exec;
        S {
            lines,
            exec: Rc::new(move |w, f| {
                set(f, slot, Val::Int(0));
                loop {
                    let at = int_of(&get(f, slot));
                    if at >= n {
                        return Ok(());
                    }
                    if let Some(c) = &c
                        && !bool_of(&(c.eval)(w, f)?)
                    {
                        return Ok(());
                    }
                    set(f, slot, Val::Int(at + 1));
                    if !Self::turn(&exec, id, w, f)? {
                        return Ok(());
                    }
                }
            }),
        }
    }

    fn for_range(&mut self, d: u32) -> S {
        let a = self.rng.below(9) as i64 - 4;
        let n = self.rng.below(6) as i64;
        let vars = self.vars.len();
        let (id, head) = self.enter_loop();
        let name = self.name("i");
        let slot = self.bind(&name, &Ty::Int, false);
        if let Some(v) = self.vars.last_mut() {
            v.bits = 5;
        }
        let body = self.block(3, d - 1);
        self.cx.loops.pop();
        self.vars.truncate(vars);
        let (range, values): (String, Vec<i64>) = match self.rng.below(4) {
            0 => (format!("{a}..={}", a + n), (a..=a + n).collect()),
            1 => (
                format!("({a}..{}).rev()", a + n),
                (a..a + n).rev().collect(),
            ),
            2 => (
                format!("({a}..{}).step(2)", a + n),
                (a..a + n).step_by(2).collect(),
            ),
            _ => (format!("{a}..{}", a + n), (a..a + n).collect()),
        };
        let mut lines = vec![format!("{head}for {name} in {range}:")];
        lines.extend(indent(&body.lines));
        let exec = body.exec;
        S {
            lines,
            exec: Rc::new(move |w, f| {
                for i in &values {
                    set(f, slot, Val::Int(*i));
                    if !Self::turn(&exec, id, w, f)? {
                        break;
                    }
                }
                Ok(())
            }),
        }
    }

    /// Walks a list, a map, the characters of a string or pairs.
    fn for_each(&mut self, d: u32) -> S {
        let (text, eval, ty): (String, super::core::Eval, Ty) = match self.rng.below(3) {
            0 => {
                let ty = Ty::Map(Rc::new(self.key_ty()), Rc::new(self.data_ty(1)));
                let m = self.shown(&ty, 2);
                let me = m.eval.clone();
                let Ty::Map(k, v) = ty else {
                    return self.let_stmt();
                };
                (
                    format!("{}.copy()", m.text_as_receiver()),
                    Rc::new(move |w, f| {
                        let m = me(w, f)?;
                        let pairs = map_of(&m)
                            .borrow()
                            .iter()
                            .map(|e| {
                                Val::Tuple(Rc::new(vec![super::lists::copy_key(&e.0), e.1.clone()]))
                            })
                            .collect();
                        Ok(super::value::list_val(pairs))
                    }),
                    Ty::Tuple(vec![(*k).clone(), (*v).clone()]),
                )
            }
            1 => {
                let t = Ty::Tuple(vec![self.data_ty(1), self.data_ty(1)]);
                let xs = self.shown(&Ty::List(Rc::new(t.clone())), 2);
                (format!("{}.copy()", xs.text_as_receiver()), xs.eval, t)
            }
            _ => {
                let t = self.data_ty(1);
                let xs = self.shown(&Ty::List(Rc::new(t.clone())), 2);
                (format!("{}.copy()", xs.text_as_receiver()), xs.eval, t)
            }
        };
        let vars = self.vars.len();
        let (id, head) = self.enter_loop();
        let mut pats = Vec::new();
        let mut slots = Vec::new();
        let parts = match &ty {
            Ty::Tuple(ts) if ts.len() == 2 => ts.clone(),
            t => vec![t.clone()],
        };
        for t in &parts {
            let name = self.name("x");
            slots.push(self.bind(&name, t, false));
            pats.push(name);
        }
        let body = self.block(3, d - 1);
        self.cx.loops.pop();
        self.vars.truncate(vars);
        let mut lines = vec![format!("{head}for {} in {text}:", pats.join(", "))];
        lines.extend(indent(&body.lines));
        let exec = body.exec;
        S {
            lines,
            exec: Rc::new(move |w, f| {
                let xs = eval(w, f)?;
                for x in items_of(&xs) {
                    match (&x, slots.as_slice()) {
                        (Val::Tuple(ps), [a, b]) => {
                            set(f, *a, ps[0].clone());
                            set(f, *b, ps[1].clone());
                        }
                        (_, [a, ..]) => set(f, *a, x.clone()),
                        _ => {}
                    }
                    if !Self::turn(&exec, id, w, f)? {
                        break;
                    }
                }
                Ok(())
            }),
        }
    }

    /// `match` as a statement.
    fn match_stmt(&mut self, d: u32) -> S {
        let ty = self.data_ty(2);
        let x = self.shown(&ty, 3);
        let mut lines = vec![format!("match {}:", x.text)];
        type Arm = (super::pattern::Test, Option<E>, Exec);
        let mut arms: Vec<Arm> = Vec::new();
        let vars = self.vars.len();
        let mut closed = false;
        // An enum is taken apart variant by variant, everything else ends with `_`.
        let whole: Vec<usize> = match &ty {
            Ty::Enum(i) if self.rng.chance(60) => (0..self.enums[*i].variants.len()).collect(),
            _ => Vec::new(),
        };
        let n = if whole.is_empty() {
            1 + self.rng.below(3)
        } else {
            whole.len()
        };
        for k in 0..n {
            let (p, guard) = match (&ty, whole.get(k)) {
                (Ty::Enum(i), Some(at)) => (self.pat_variant(*i, *at, 1), None),
                _ => {
                    let p = self.pat(&ty, 3);
                    let guard = self.rng.chance(30).then(|| self.pure(&Ty::Bool, 2));
                    (p, guard)
                }
            };
            closed = closed || (p.always && guard.is_none());
            let body = self.block(2, d - 1);
            self.vars.truncate(vars);
            let cond = guard
                .as_ref()
                .map_or(String::new(), |g| format!(" if {}", g.text));
            lines.push(format!("    {}{cond} =>", p.text));
            lines.extend(indent(&indent(&body.lines)));
            arms.push((p.test, guard, body.exec));
            if closed {
                break;
            }
        }
        if whole.is_empty() && !closed {
            lines.push("    _ => pass".into());
        }
        let xe = x.eval;
        S {
            lines,
            exec: Rc::new(move |w, f| {
                let v = xe(w, f)?;
                for (test, guard, body) in &arms {
                    if test(&v, f) {
                        if let Some(g) = guard
                            && !bool_of(&(g.eval)(w, f)?)
                        {
                            continue;
                        }
                        return body(w, f);
                    }
                }
                Ok(())
            }),
        }
    }

    /// `let v = match x: …`.
    fn match_value(&mut self) -> S {
        let (from, to) = (self.data_ty(2), self.data_ty(1));
        let x = self.shown(&from, 3);
        let vars = self.vars.len();
        let name = self.name("m");
        let mut lines = vec![format!(
            "let {name}: {} = match {}:",
            self.ty_text(&to),
            x.text
        )];
        let mut arms = Vec::new();
        for _ in 0..1 + self.rng.below(3) {
            let p = self.pat(&from, 3);
            let e = self.placed(&to, 2);
            self.vars.truncate(vars);
            let always = p.always;
            lines.push(format!("    {} => {}", p.text, e.text));
            arms.push((p.test, e.eval));
            if always {
                break;
            }
        }
        let e = self.placed(&to, 1);
        lines.push(format!("    _ => {}", e.text));
        arms.push((Rc::new(|_, _| true), e.eval));
        let slot = self.bind(&name, &to, false);
        let xe = x.eval;
        S {
            lines,
            exec: Rc::new(move |w, f| {
                let v = xe(w, f)?;
                for (test, e) in &arms {
                    if test(&v, f) {
                        let out = e(w, f)?;
                        set(f, slot, out);
                        return Ok(());
                    }
                }
                Ok(())
            }),
        }
    }

    fn errors(&self) -> Vec<usize> {
        (0..self.enums.len())
            .filter(|i| self.enums[*i].error)
            .collect()
    }

    fn try_stmt(&mut self, d: u32) -> S {
        let errs = self.errors();
        let before = std::mem::replace(&mut self.cx.errs, errs.clone());
        let body = self.block(4, d - 1);
        let vars = self.vars.len();
        // Something that fails for sure, behind a condition.
        let c = self.shown(&Ty::Bool, 2);
        let which = self.rng.pick(&errs);
        let raised = self.construct(&Ty::Enum(which), 1);
        self.cx.errs = before;
        let mut lines = vec!["try:".to_string()];
        lines.extend(indent(&body.lines));
        lines.push(format!("    if {}:", c.text));
        lines.push(format!("        raise {}", raised.text));
        type Catch = (Option<String>, usize, Exec);
        let mut catches: Vec<Catch> = Vec::new();
        let separate = self.rng.chance(60);
        let kinds: Vec<Option<usize>> = if separate {
            errs.iter().map(|e| Some(*e)).collect()
        } else {
            vec![None]
        };
        for kind in kinds {
            let name = self.name("e");
            let ty = kind.map_or(Ty::Unit, Ty::Enum);
            let slot = self.bind(&name, &ty, false);
            let handler = self.block(2, d - 1);
            self.vars.truncate(vars);
            let ann = match kind {
                Some(k) => format!(": {}", self.enums[k].name),
                None => String::new(),
            };
            lines.push(format!("catch {name}{ann}:"));
            lines.extend(indent(&handler.lines));
            catches.push((
                kind.map(|k| format!("{}.", self.enums[k].name)),
                slot,
                handler.exec,
            ));
        }
        let (run, ce, re) = (body.exec, c.eval, raised.eval);
        S {
            lines,
            exec: Rc::new(move |w, f| {
                let mut attempt = || {
                    run(w, f)?;
                    if bool_of(&ce(w, f)?) {
                        return Err(Stop::Raise(re(w, f)?));
                    }
                    Ok(())
                };
                match attempt() {
                    Err(Stop::Raise(e)) => {
                        for (kind, slot, handler) in &catches {
                            let fits = match (kind, &e) {
                                (Some(k), Val::Variant(v)) => v.0.starts_with(k.as_str()),
                                _ => true,
                            };
                            if fits {
                                set(f, *slot, e.clone());
                                return handler(w, f);
                            }
                        }
                        Err(Stop::Raise(e))
                    }
                    other => other,
                }
            }),
        }
    }

    /// A way out of here: its text and what it does.
    pub fn way_out(&mut self) -> Option<(String, Exec)> {
        let mut ways: Vec<(String, Exec)> = Vec::new();
        if let Some(ret) = self.cx.ret.clone() {
            if ret == Ty::Unit {
                ways.push((
                    "return".into(),
                    Rc::new(|_, _| Err(Stop::Return(Val::Unit))),
                ));
            } else {
                let e = self.placed(&ret, 1);
                let eval = e.eval;
                ways.push((
                    format!("return {}", e.text),
                    Rc::new(move |w, f| Err(Stop::Return(eval(w, f)?))),
                ));
            }
        }
        if let Some((id, _)) = self.cx.loops.last().cloned() {
            ways.push(("break".into(), Rc::new(move |_, _| Err(Stop::Break(id)))));
            ways.push((
                "continue".into(),
                Rc::new(move |_, _| Err(Stop::Continue(id))),
            ));
        }
        for (id, label) in self.cx.loops.clone() {
            if let Some(l) = label {
                ways.push((
                    format!("break {l}"),
                    Rc::new(move |_, _| Err(Stop::Break(id))),
                ));
                ways.push((
                    format!("continue {l}"),
                    Rc::new(move |_, _| Err(Stop::Continue(id))),
                ));
            }
        }
        if !self.cx.errs.is_empty() {
            let which = self.rng.pick(&self.cx.errs.clone());
            let e = self.construct(&Ty::Enum(which), 1);
            let eval = e.eval;
            ways.push((
                format!("raise {}", e.text),
                Rc::new(move |w, f| Err(Stop::Raise(eval(w, f)?))),
            ));
        }
        if ways.is_empty() {
            return None;
        }
        Some(self.rng.pick(&ways))
    }

    fn leave_stmt(&mut self) -> S {
        let c = self.shown(&Ty::Bool, 2);
        let Some((text, leave)) = self.way_out() else {
            return self.let_stmt();
        };
        let ce = c.eval.clone();
        S {
            lines: vec![
                format!("if {}:", c.at(level::EITHER)),
                format!("    {text}"),
            ],
            exec: Rc::new(move |w, f| {
                if bool_of(&ce(w, f)?) {
                    leave(w, f)
                } else {
                    Ok(())
                }
            }),
        }
    }

    /// `let Some(x) = e else:`, or `let x = e else return`.
    fn let_else(&mut self, d: u32) -> S {
        let ty = self.data_ty(1);
        let o = self.shown(&Ty::Opt(Rc::new(ty.clone())), 3);
        let Some((out, leave)) = self.way_out() else {
            return self.let_stmt();
        };
        let oe = o.eval.clone();
        if self.rng.chance(40) {
            let name = self.name("v");
            let slot = self.bind(&name, &ty, false);
            return line(
                format!("let {name} = {} else {out}", o.at(level::EITHER)),
                Rc::new(move |w, f| match super::value::option_of(&oe(w, f)?) {
                    Some(v) => {
                        set(f, slot, v);
                        Ok(())
                    }
                    None => leave(w, f),
                }),
            );
        }
        let before = self.block(1, d - 1);
        let vars = self.vars.len();
        let mut p = self.pat(&Ty::Opt(Rc::new(ty.clone())), 2);
        if p.always || p.text == "None" {
            self.vars.truncate(vars);
            let inner = self.pat_plain(&ty);
            let test = inner.test;
            p = super::pattern::P {
                text: format!("Some({})", inner.text),
                test: Rc::new(move |v, f| matches!(v, Val::Opt(Some(x)) if test(x, f))),
                always: false,
            };
        }
        let mut lines = vec![format!("let {} = {} else:", p.text, o.at(level::EITHER))];
        lines.extend(indent(&before.lines));
        lines.push(format!("    {out}"));
        let (test, run) = (p.test, before.exec);
        S {
            lines,
            exec: Rc::new(move |w, f| {
                let v = oe(w, f)?;
                if test(&v, f) {
                    return Ok(());
                }
                run(w, f)?;
                leave(w, f)
            }),
        }
    }

    /// `xs.each(fn(x): …)` with a block that changes what is around it.
    fn each_stmt(&mut self, d: u32) -> S {
        let t = self.data_ty(1);
        let xs = self.shown(&Ty::List(Rc::new(t.clone())), 2);
        let cx = self.cx.clone();
        let vars = self.vars.len();
        self.cx.errs = Vec::new();
        self.cx.ret = None;
        self.cx.loops = Vec::new();
        let name = self.name("p");
        let slot = self.bind(&name, &t, false);
        let body = self.block(3, d - 1);
        self.vars.truncate(vars);
        self.cx = cx;
        let mut lines = vec![format!("{}.copy().each(fn({name}):", xs.text_as_receiver())];
        lines.extend(indent(&body.lines));
        lines.push(")".into());
        let (xe, run) = (xs.eval, body.exec);
        S {
            lines,
            exec: Rc::new(move |w, f| {
                let xs = xe(w, f)?;
                for x in items_of(&xs) {
                    w.tick()?;
                    set(f, slot, x);
                    run(w, f)?;
                }
                Ok(())
            }),
        }
    }

    /// A borrowed function that changes a variable around it.
    fn closure_stmt(&mut self) -> S {
        let ints: Vec<Var> = self
            .mutables()
            .into_iter()
            .filter(|v| v.ty == Ty::Int)
            .collect();
        if ints.is_empty() {
            return self.let_stmt();
        }
        let total = self.rng.pick(&ints);
        let (name, p) = (self.name("g"), self.name("p"));
        let vars = self.vars.len();
        let cx = self.cx.clone();
        self.cx.errs = Vec::new();
        self.cx.ret = None;
        self.cx.loops = Vec::new();
        // It may run where other capabilities are bound.
        self.cx.console = false;
        self.cx.log = false;
        let ps = self.bind(&p, &Ty::Int, false);
        let e = self.shown(&Ty::Int, 2);
        self.vars.truncate(vars);
        self.cx = cx;
        let slot = self.bind(&name, &Ty::Fun(vec![Ty::Int], Rc::new(Ty::Int)), false);
        if let Some(v) = self.vars.last_mut() {
            v.borrowed = true;
        }
        let (ts, ee) = (total.slot, e.eval);
        let t = &total.name;
        S {
            lines: vec![
                format!("let {name} = fn({p}: int):"),
                format!("    {t} = {t} +% ({})", e.text),
                format!("    return {t} ^ {p}"),
            ],
            exec: Rc::new(move |_, f| {
                let (frame, ee) = (f.clone(), ee.clone());
                let g = Val::Fun(Rc::new(move |w: &mut World, args: Vec<Val>| {
                    let arg = int_of(&args[0]);
                    set(&frame, ps, Val::Int(arg));
                    let before = int_of(&get(&frame, ts));
                    let e = int_of(&ee(w, &frame)?);
                    set(&frame, ts, Val::Int(before.wrapping_add(e)));
                    Ok(Val::Int(int_of(&get(&frame, ts)) ^ arg))
                }));
                set(f, slot, g);
                Ok(())
            }),
        }
    }

    fn call_stmt(&mut self) -> S {
        let found: Vec<_> = self
            .sigs
            .iter()
            .filter(|s| {
                s.ret == Ty::Unit && (!s.console || self.cx.console) && (!s.log || self.cx.log)
            })
            .cloned()
            .collect();
        if found.is_empty() {
            return self.print_stmt();
        }
        let sig = self.rng.pick(&found);
        match self.call_of(&sig, 3) {
            Some(e) => {
                let eval = e.eval;
                line(e.text, Rc::new(move |w, f| eval(w, f).map(|_| ())))
            }
            None => self.print_stmt(),
        }
    }

    /// `with` and `allow`.
    fn caps_stmt(&mut self, d: u32) -> S {
        if !self.cx.console || self.cx.barrier > 0 {
            return self.let_stmt();
        }
        let cx = self.cx.clone();
        match self.rng.below(4) {
            0 => {
                // A fake console that is read afterwards.
                let name = self.name("buf");
                let body = self.block(3, d - 1);
                self.cx = cx;
                let tag = self.name("t");
                let mut lines = vec![
                    format!("let {name} = Buffer()"),
                    format!("with Console = {name}:"),
                ];
                lines.extend(indent(&body.lines));
                lines.push(format!("Console.print(f\"{tag} {{{name}.text()}}\")"));
                let run = body.exec;
                S {
                    lines,
                    exec: Rc::new(move |w, f| {
                        let shape = Rc::new(("Buffer".to_string(), vec!["out".to_string()]));
                        let buffer = Val::Object(Rc::new(super::value::Object {
                            shape,
                            fields: RefCell::new(vec![super::value::str_val("")]),
                        }));
                        w.consoles.push(Some(buffer.clone()));
                        let out = run(w, f);
                        w.consoles.pop();
                        out?;
                        let text = text_of(&object_of(&buffer).fields.borrow()[0]).to_string();
                        w.write(&format!("{tag} {text}\n"))
                    }),
                }
            }
            1 => {
                // An attenuator: notes go to the console, with a prefix.
                let prefix = self.word();
                self.cx.log = true;
                let c = self.shown(&Ty::Bool, 1);
                let body = self.block(3, d - 1);
                self.cx = cx;
                let e = self.shown(&Ty::Str, 2);
                let tag = self.name("t");
                let mut lines = vec![format!(
                    "with Log = Prefixed({}, out = Console):",
                    self.quote(&prefix)
                )];
                lines.push(format!("    if {}:", c.text));
                lines.push(format!("        Log.note({})", e.text));
                lines.extend(indent(&body.lines));
                lines.push(format!("    Console.print(f\"{tag} {{Log.count()}}\")"));
                let (run, ce, ee) = (body.exec, c.eval, e.eval);
                S {
                    lines,
                    exec: Rc::new(move |w, f| {
                        let log = super::value::Log {
                            prefix: prefix.clone(),
                            count: 0,
                            kept: Some(Val::Int(w.consoles.len() as i64)),
                        };
                        let depth = w.logs.len();
                        w.logs.push(Rc::new(RefCell::new(log)));
                        let mut go = || {
                            if bool_of(&ce(w, f)?) {
                                let s = text_of(&ee(w, f)?).to_string();
                                w.note(&s)?;
                            }
                            run(w, f)?;
                            let n = w.logs.last().map_or(0, |l| l.borrow().count);
                            w.write(&format!("{tag} {n}\n"))
                        };
                        let out = go();
                        w.logs.truncate(depth);
                        out
                    }),
                }
            }
            2 => {
                self.cx.log = false;
                let body = self.block(3, d - 1);
                self.cx = cx;
                let mut lines = vec!["allow Console:".to_string()];
                lines.extend(indent(&body.lines));
                S {
                    lines,
                    exec: body.exec,
                }
            }
            _ => {
                self.cx.log = false;
                self.cx.console = false;
                let vars = self.vars.clone();
                // What a borrowed function captured may be more than nothing.
                self.vars.retain(|v| !v.borrowed);
                let body = self.block(3, d - 1);
                self.vars = vars;
                self.cx = cx;
                let mut lines = vec!["allow none:".to_string()];
                lines.extend(indent(&body.lines));
                S {
                    lines,
                    exec: body.exec,
                }
            }
        }
    }
}

impl E {
    /// The text left of a dot.
    pub fn text_as_receiver(&self) -> String {
        self.at(level::ATOM)
    }
}

impl World {
    /// `Log.note` on what is bound.
    pub fn note(&mut self, s: &str) -> Res<()> {
        self.tick()?;
        let Some(log) = self.logs.last().cloned() else {
            return Err(Stop::TooLong);
        };
        let (prefix, at) = {
            let mut log = log.borrow_mut();
            log.count += 1;
            let at = log.kept.as_ref().map_or(0, int_of);
            (log.prefix.clone(), at)
        };
        // The attenuator prints to the console that it was built with.
        let later = self
            .consoles
            .split_off((at as usize).min(self.consoles.len()));
        let out = self.write(&format!("{prefix}{s}\n"));
        self.consoles.extend(later);
        out
    }
}
