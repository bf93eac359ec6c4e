//! Statements and blocks.

use super::core::{E, Exec, Gen, S, Ty, Var, get, level, set};
use super::value::{Res, Stop, Val, World, bool_of, int_of, show};
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

    pub(super) fn let_stmt(&mut self) -> S {
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
