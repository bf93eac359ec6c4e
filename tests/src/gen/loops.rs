//! Loops, and blocks that run for each element.

use super::core::{Exec, Frame, Gen, S, Ty, get, level, set};
use super::stmt::indent;
use super::value::{Res, Stop, Val, World, bool_of, int_of, items_of, map_of};
use std::rc::Rc;

impl Gen {
    /// Runs a loop's body once; false if the loop is over.
    pub(super) fn turn(body: &Exec, id: usize, w: &mut World, f: &Frame) -> Res<bool> {
        w.tick()?;
        match body(w, f) {
            Ok(()) => Ok(true),
            Err(Stop::Break(x)) if x == id => Ok(false),
            Err(Stop::Continue(x)) if x == id => Ok(true),
            Err(stop) => Err(stop),
        }
    }

    pub(super) fn enter_loop(&mut self) -> (usize, String) {
        self.fresh += 1;
        let id = self.fresh;
        let label = self.rng.chance(40).then(|| format!("l{id}"));
        let head = label.as_ref().map_or(String::new(), |l| format!("{l}: "));
        self.cx.loops.push((id, label));
        (id, head)
    }

    pub(super) fn while_stmt(&mut self, d: u32) -> S {
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

    pub(super) fn for_range(&mut self, d: u32) -> S {
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
    pub(super) fn for_each(&mut self, d: u32) -> S {
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

    /// `xs.each(fn(x): …)` with a block that changes what is around it.
    pub(super) fn each_stmt(&mut self, d: u32) -> S {
        let t = self.data_ty(1);
        let xs = self.shown(&Ty::List(Rc::new(t.clone())), 2);
        let cx = self.cx.clone();
        let vars = self.vars.len();
        self.cx.ret = None;
        self.cx.loops = Vec::new();
        let name = self.name("p");
        let slot = self.bind(&name, &t, false);
        let outer = std::mem::replace(&mut self.fails, false);
        let body = self.block(3, d - 1);
        let fails = std::mem::replace(&mut self.fails, outer);
        self.fails |= fails;
        let fails = fails && super::hof::raises(&body.lines);
        self.vars.truncate(vars);
        self.cx = cx;
        let mut lines = vec![format!("{}.copy().each(fn({name}):", xs.text_as_receiver())];
        lines.extend(indent(&body.lines));
        lines.push(if fails { ")?".into() } else { ")".into() });
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
}
