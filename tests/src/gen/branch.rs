//! `match`, `try`, ways out, `with` and `allow`.

use super::core::{E, Exec, Gen, S, Ty, level, set};
use super::stmt::{indent, line};
use super::value::{Stop, Val, bool_of};
use std::rc::Rc;

impl Gen {
    /// `match` as a statement.
    pub(super) fn match_stmt(&mut self, d: u32) -> S {
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
    pub(super) fn match_value(&mut self) -> S {
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

    pub(super) fn errors(&self) -> Vec<usize> {
        (0..self.enums.len())
            .filter(|i| self.enums[*i].error)
            .collect()
    }

    pub(super) fn try_stmt(&mut self, d: u32) -> S {
        let errs = self.errors();
        let before = std::mem::replace(&mut self.cx.errs, errs.clone());
        // Its own errors end here.
        let fails = self.fails;
        let vars = self.vars.len();
        let body = self.stmts(4, d - 1);
        // Something that fails for sure, behind a condition.
        let c = self.shown(&Ty::Bool, 2);
        let which = self.rng.pick(&errs);
        let raised = self.construct(&Ty::Enum(which), 1);
        self.cx.errs = before;
        self.fails = fails;
        self.vars.truncate(vars);
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
        let attempt: Exec = super::stmt::scoped(Rc::new(move |w, f| {
            run(w, f)?;
            if bool_of(&ce(w, f)?) {
                return Err(Stop::Raise(re(w, f)?));
            }
            Ok(())
        }));
        S {
            lines,
            exec: Rc::new(move |w, f| match attempt(w, f) {
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
        if self.rng.chance(8) && self.risk > 0 {
            ways.push((
                "panic(\"way out\")".into(),
                Rc::new(|_, _| Err(Stop::Trap("panic"))),
            ));
        }
        if ways.is_empty() {
            return None;
        }
        let way = self.rng.pick(&ways);
        self.fails |= way.0.starts_with("raise");
        Some(way)
    }

    pub(super) fn leave_stmt(&mut self) -> S {
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
    pub(super) fn let_else(&mut self, d: u32) -> S {
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
        let vars = self.vars.len();
        let before = self.stmts(1, d - 1);
        self.vars.truncate(vars);
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
        let out: Exec = super::stmt::scoped(Rc::new(move |w, f| {
            run(w, f)?;
            leave(w, f)
        }));
        S {
            lines,
            exec: Rc::new(move |w, f| {
                let v = oe(w, f)?;
                if test(&v, f) {
                    return Ok(());
                }
                out(w, f)
            }),
        }
    }
}
