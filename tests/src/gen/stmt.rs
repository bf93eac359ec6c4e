//! Statements and blocks.

use super::core::{E, Exec, Gen, S, Ty, Var, get, level, set};
use super::value::caps;
use super::value::{Stop, Val, World, bool_of, int_of, show};
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
pub fn line(text: String, exec: Exec) -> S {
    S {
        lines: vec![text],
        exec,
    }
}

/// Runs statements in order.
pub fn in_order(stmts: &[S]) -> Exec {
    let execs: Vec<Exec> = stmts.iter().map(|s| s.exec.clone()).collect();
    Rc::new(move |w, f| execs.iter().try_for_each(|e| e(w, f)))
}

/// A block: what it put off runs at its end, however it is left but by a trap.
pub fn scoped(run: Exec) -> Exec {
    Rc::new(move |w, f| {
        w.deferred.push(Vec::new());
        let out = run(w, f);
        let deferred = w.deferred.pop().unwrap_or_default();
        if !matches!(out, Err(Stop::Trap(_) | Stop::TooLong)) {
            for d in deferred.iter().rev() {
                d(w, f)?;
            }
        }
        out
    })
}

impl S {
    /// A statement.
    pub fn new(lines: Vec<String>, exec: Exec) -> S {
        S { lines, exec }
    }

    /// Statements one after the other, in the block around them.
    pub fn together(parts: Vec<S>) -> S {
        S {
            exec: in_order(&parts),
            lines: parts.into_iter().flat_map(|s| s.lines).collect(),
        }
    }

    /// As a block of its own.
    pub fn scoped(self) -> S {
        S {
            lines: self.lines,
            exec: scoped(self.exec),
        }
    }
}

impl Gen {
    /// A block of statements in a scope of its own; never empty.
    pub fn block(&mut self, most: usize, d: u32) -> S {
        let vars = self.vars.len();
        let s = self.stmts(most, d);
        self.vars.truncate(vars);
        s.scoped()
    }

    /// Statements of the block around; never none.
    pub fn stmts(&mut self, most: usize, d: u32) -> S {
        let n = 1 + self.rng.below(most);
        let mut stmts = Vec::new();
        for _ in 0..n {
            if self.budget > 0 {
                stmts.push(self.stmt(d));
            }
        }
        if stmts.is_empty() {
            return line("pass".into(), Rc::new(|_, _| Ok(())));
        }
        S::together(stmts)
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
        match self.rng.below(38) {
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
            28 => {
                if self.rng.chance(50) {
                    self.closure_stmt()
                } else {
                    self.act_stmt(d)
                }
            }
            30..=32 => match self.extra_stmt(d) {
                Some(s) => s,
                None => self.let_stmt(),
            },
            33 | 34 => self.caps_stmt(d),
            35 => self.defer_stmt(d),
            36 | 37 => self.local_fn(d),
            _ => self.call_stmt(),
        }
    }

    /// `defer:`.
    fn defer_stmt(&mut self, d: u32) -> S {
        let cx = self.cx.clone();
        self.cx.errs = Vec::new();
        self.cx.ret = None;
        self.cx.loops = Vec::new();
        let body = self.block(2, d - 1);
        self.cx = cx;
        let mut lines = vec!["defer:".to_string()];
        lines.extend(indent(&body.lines));
        let run = body.exec;
        S {
            lines,
            exec: Rc::new(move |w, _| {
                if let Some(block) = w.deferred.last_mut() {
                    block.push(run.clone());
                }
                Ok(())
            }),
        }
    }

    /// `let (mut a, b) = (x, y)`.
    fn let_pair(&mut self) -> S {
        let (s, t) = (self.data_ty(1), self.data_ty(1));
        let ty = Ty::Tuple(vec![s.clone(), t.clone()]);
        let e = self.placed(&ty, 3);
        let (a, b) = (self.name("v"), self.name("v"));
        let text = format!(
            "let (mut {a}, {b}): {} = {}",
            self.ty_text(&ty),
            e.at(level::EITHER)
        );
        let (x, y) = (self.bind(&a, &s, true), self.bind(&b, &t, false));
        let eval = e.eval;
        line(
            text,
            Rc::new(move |w, f| {
                if let Val::Tuple(parts) = eval(w, f)? {
                    set(f, x, parts[0].clone());
                    set(f, y, parts[1].clone());
                }
                Ok(())
            }),
        )
    }

    pub(super) fn let_stmt(&mut self) -> S {
        if self.rng.chance(5) {
            return self.let_pair();
        }
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
        let written = matches!(ty, Ty::Dyn | Ty::Object | Ty::Fun(..) | Ty::Act(_))
            || ty == Ty::List(Rc::new(Ty::Dyn))
            || ty == Ty::List(Rc::new(Ty::Object))
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

    /// Prints a value; where nothing can be printed, asserts that it equals itself.
    pub fn print_stmt(&mut self) -> S {
        let ty = self.data_ty(2);
        if !self.cx.has(caps::CONSOLE) {
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
        let ps = self.bind(&p, &Ty::Int, false);
        let e = self.shown(&Ty::Int, 2);
        self.vars.truncate(vars);
        self.cx = cx;
        if self.rng.chance(25) {
            return self.adding(total, &p, ps, e);
        }
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
            exec: Rc::new(move |w, f| {
                let (frame, ee) = (f.clone(), ee.clone());
                // What is bound here, wherever it is called.
                let bindings = w.bindings.clone();
                let g = Val::Fun(Rc::new(move |w: &mut World, args: Vec<Val>| {
                    let arg = int_of(&args[0]);
                    set(&frame, ps, Val::Int(arg));
                    let before = int_of(&get(&frame, ts));
                    let e = w.under(bindings.clone(), |w| ee(w, &frame))?;
                    let e = int_of(&e);
                    set(&frame, ts, Val::Int(before.wrapping_add(e)));
                    Ok(Val::Int(int_of(&get(&frame, ts)) ^ arg))
                }));
                set(f, slot, g);
                Ok(())
            }),
        }
    }

    /// `xs.each(fn(p) => total = total +% e)`: a literal whose body is an assignment.
    fn adding(&mut self, total: Var, p: &str, ps: usize, e: E) -> S {
        let xs = self.shown(&Ty::List(Rc::new(Ty::Int)), 2);
        let (xe, ee, ts) = (xs.eval.clone(), e.eval, total.slot);
        line(
            format!(
                "{}.copy().each(fn({p}) => {} = {p} +% ({}))",
                xs.at(level::ATOM),
                total.name,
                e.text
            ),
            Rc::new(move |w, f| {
                for x in super::value::items_of(&xe(w, f)?) {
                    w.tick()?;
                    set(f, ps, x.clone());
                    let n = int_of(&ee(w, f)?);
                    set(f, ts, Val::Int(int_of(&x).wrapping_add(n)));
                }
                Ok(())
            }),
        )
    }

    fn call_stmt(&mut self) -> S {
        let found: Vec<_> = self
            .sigs
            .iter()
            .filter(|s| {
                self.cx.covers(s.caps) && (s.ret == Ty::Unit || !s.errs.is_empty() || s.caps != 0)
            })
            .cloned()
            .collect();
        if found.is_empty() {
            return self.print_stmt();
        }
        let sig = self.rng.pick(&found);
        self.call_as_stmt(&sig)
    }
}

impl E {
    /// The text left of a dot.
    pub fn text_as_receiver(&self) -> String {
        self.at(level::ATOM)
    }
}
