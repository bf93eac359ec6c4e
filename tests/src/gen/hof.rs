//! Functions as values: what is handed to a parameter, storable functions with authority and errors.

use super::core::{Act, Call, E, Eval, Gen, S, Ty, Var, get, level, set};
use super::stmt::{indent, line};
use super::value::{Callable, Stop, Val, caps, list_val};
use std::cell::RefCell;
use std::rc::Rc;

/// A function that is handed to a borrowed parameter.
pub struct FunArg {
    /// Text.
    pub text: String,
    /// Gives a function.
    pub eval: Eval,
    /// Whether calling it may fail, so that the call that takes it may.
    pub fails: bool,
}

impl FunArg {
    /// What stands behind the call that takes the function.
    pub fn mark(&self) -> &'static str {
        if self.fails { "?" } else { "" }
    }
}

/// The function that a value is.
pub fn callable(v: Val) -> Result<Callable, Stop> {
    match v {
        Val::Fun(g) => Ok(g),
        _ => Err(Stop::TooLong),
    }
}

/// Whether something in these lines may raise an error that is not caught in them: of what would, some may have been left out again.
pub(super) fn raises(lines: &[String]) -> bool {
    let depth = |l: &str| l.len() - l.trim_start().len();
    // How deep the `try` is in whose body a line stands; each catches all that its body raises.
    let mut caught: Option<usize> = None;
    lines.iter().any(|l| {
        if caught.is_some_and(|d| depth(l) <= d) {
            caught = None;
        }
        if caught.is_none() && l.trim() == "try:" {
            caught = Some(depth(l));
        }
        caught.is_none() && (l.contains(")?") || l.contains("raise "))
    })
}

impl Gen {
    /// Something for a borrowed parameter: a literal, a function in scope, a function of the program. It may fail
    /// with the errors of this place.
    pub fn fun_arg(&mut self, ps: &[Ty], ret: &Ty, d: u32) -> FunArg {
        if self.rng.chance(30)
            && let Some(found) = self.named_fun(ps, ret)
        {
            self.fails |= found.fails;
            return found;
        }
        let errs = if self.rng.chance(60) {
            self.cx.errs.clone()
        } else {
            Vec::new()
        };
        let outer = std::mem::replace(&mut self.fails, false);
        let before = std::mem::replace(&mut self.closure_errs, errs);
        let e = self.literal_fn(ps, ret, d, false);
        self.closure_errs = before;
        let fails = std::mem::replace(&mut self.fails, outer);
        let fails = fails && raises(std::slice::from_ref(&e.text));
        self.fails |= fails;
        FunArg {
            text: e.text,
            eval: e.eval,
            fails,
        }
    }

    fn named_fun(&mut self, ps: &[Ty], ret: &Ty) -> Option<FunArg> {
        let mut found: Vec<FunArg> = Vec::new();
        for (i, v) in self.vars.iter().enumerate() {
            let fits = match &v.ty {
                Ty::Fun(p, r) => p == ps && **r == *ret,
                Ty::Act(a) => {
                    a.ps == ps
                        && a.ret == *ret
                        && (!a.console || self.cx.has(caps::CONSOLE))
                        && a.errs.iter().all(|e| self.cx.errs.contains(e))
                }
                _ => false,
            };
            if fits && (i >= self.cx.barrier || v.fixed()) && !(v.borrowed && self.cx.pure) {
                let slot = v.slot;
                found.push(FunArg {
                    text: v.name.clone(),
                    eval: Rc::new(move |_, f| Ok(get(f, slot))),
                    fails: matches!(&v.ty, Ty::Act(a) if !a.errs.is_empty()),
                });
            }
        }
        for s in &self.sigs {
            let fits = s.of.is_none()
                && !s.generic
                && !s.shown
                && s.ret == *ret
                && s.params.len() == ps.len()
                && s.params.iter().zip(ps).all(|(p, t)| p.1 == *t)
                && self.cx.covers(s.caps)
                && !(self.cx.pure && s.caps != 0)
                && s.errs.iter().all(|e| self.cx.errs.contains(e));
            if fits {
                let id = s.id;
                found.push(FunArg {
                    text: s.name.clone(),
                    eval: Rc::new(move |_, _| {
                        Ok(Val::Fun(Rc::new(move |w, args| w.call(id, args))))
                    }),
                    fails: !s.errs.is_empty(),
                });
            }
        }
        if found.is_empty() {
            return None;
        }
        let at = self.rng.below(found.len());
        Some(found.swap_remove(at))
    }

    /// A call that can fail, in an expression: `?`, or a value instead.
    pub fn fallible(&mut self, call: Call, errs: &[usize], ret: &Ty, d: u32) -> Option<E> {
        let text = &call.text;
        if errs.is_empty() {
            return Some(E::new(text, level::ATOM, call.eval()));
        }
        if errs.iter().all(|e| self.cx.errs.contains(e)) && self.rng.chance(70) {
            self.fails = true;
            return Some(E::new(format!("{text}?"), level::ATOM, call.eval()));
        }
        if *ret == Ty::Unit {
            return None;
        }
        let fallback = self.expr(ret, d);
        let (fe, result) = (fallback.eval.clone(), call.result());
        Some(E::new(
            format!("{text} else {}", fallback.at(level::EITHER)),
            level::ELSE,
            Rc::new(move |w, f| match result(w, f)? {
                Ok(v) => Ok(v),
                Err(_) => fe(w, f),
            }),
        ))
    }

    /// A call as a statement, whatever it gives and however it fails.
    pub fn call_as_stmt(&mut self, sig: &super::core::FnSig) -> S {
        let sig = &self.concrete(sig);
        let covered = sig.errs.iter().all(|e| self.cx.errs.contains(e));
        let passed = sig.errs.is_empty() || covered && self.rng.chance(60);
        if !passed {
            // The result is looked at.
            let call = self.call_parts(sig, 2);
            return self.looked_at(call, "is_err", false);
        }
        let Some(e) = self.call_of(sig, 2) else {
            return self.let_stmt();
        };
        let eval = e.eval;
        if sig.ret == Ty::Unit {
            return line(e.text, Rc::new(move |w, f| eval(w, f).map(|_| ())));
        }
        let name = self.name("v");
        let slot = self.bind(&name, &sig.ret, false);
        line(
            format!("let {name} = {}", e.text),
            Rc::new(move |w, f| {
                let v = eval(w, f)?;
                set(f, slot, v);
                Ok(())
            }),
        )
    }

    /// `let x = (call).is_ok()`.
    pub fn looked_at(&mut self, call: Call, method: &str, good: bool) -> S {
        let name = self.name("ok");
        let slot = self.bind(&name, &Ty::Bool, false);
        let result = call.result();
        line(
            format!("let {name} = ({}).{method}()", call.text),
            Rc::new(move |w, f| {
                let ok = result(w, f)?.is_ok();
                set(f, slot, Val::Bool(ok == good));
                Ok(())
            }),
        )
    }

    /// The type of a storable function with authority or errors.
    pub fn act_ty(&mut self) -> Ty {
        let ps = (0..self.rng.below(3)).map(|_| self.data_ty(1)).collect();
        let ret = if self.rng.chance(30) {
            Ty::Unit
        } else {
            self.data_ty(1)
        };
        let console = self.rng.chance(65);
        let errs = if !console || self.rng.chance(30) {
            let all = self.errors();
            vec![self.rng.pick(&all)]
        } else {
            Vec::new()
        };
        Ty::Act(Rc::new(Act {
            ps,
            ret,
            console,
            errs,
        }))
    }

    /// `let v: fn(A) -> B uses Console = fn(x) uses Console:` and a block, kept in a variable, a struct or a list.
    pub(super) fn act_stmt(&mut self, d: u32) -> S {
        let ty = self.act_ty();
        let Ty::Act(act) = ty.clone() else {
            return self.let_stmt();
        };
        let cx = self.cx.clone();
        let vars = self.vars.len();
        let barrier = vars;
        self.cx = super::core::Cx {
            errs: act.errs.clone(),
            caps: u32::from(act.console) << caps::CONSOLE,
            ret: Some(act.ret.clone()),
            barrier,
            ..super::core::Cx::default()
        };
        let mut heads = Vec::new();
        let mut slots = Vec::new();
        for t in &act.ps {
            let p = self.name("p");
            slots.push(self.bind(&p, t, false));
            heads.push(p);
        }
        let outer = std::mem::replace(&mut self.fails, false);
        let mut body = self.stmts(3, d.min(2));
        if act.ret != Ty::Unit {
            body = S::together(vec![body, self.return_of(&act.ret.clone())]);
        }
        self.fails = outer;
        let body = body.scoped();
        self.vars.truncate(vars);
        self.cx = cx;
        let name = self.name("act");
        let slot = self.bind(&name, &ty, false);
        let uses = if act.console { " uses Console" } else { "" };
        let mut lines = vec![format!(
            "let {name}: {} = fn({}){uses}:",
            self.ty_text(&ty),
            heads.join(", ")
        )];
        lines.extend(indent(&body.lines));
        let run = body.exec;
        S::new(
            lines,
            Rc::new(move |_, f| {
                let captured = Rc::new(RefCell::new(f.borrow().clone()));
                let (run, slots) = (run.clone(), slots.clone());
                let g: Callable = Rc::new(move |w, args| {
                    // Each call has variables of its own.
                    let frame = Rc::new(RefCell::new(captured.borrow().clone()));
                    for (s, v) in slots.iter().zip(args) {
                        set(&frame, *s, v);
                    }
                    match run(w, &frame) {
                        Ok(()) => Ok(Val::Unit),
                        Err(Stop::Return(v)) => Ok(v),
                        Err(stop) => Err(stop),
                    }
                });
                set(f, slot, Val::Fun(g));
                Ok(())
            }),
        )
    }

    /// `return e` at the end of a function's body.
    pub(super) fn return_of(&mut self, ret: &Ty) -> S {
        let e = self.placed(ret, 3);
        let eval = e.eval;
        line(
            format!("return {}", e.text),
            Rc::new(move |w, f| Err(Stop::Return(eval(w, f)?))),
        )
    }

    /// A call of a storable function with authority or errors.
    pub(super) fn act_call(&mut self, ty: &Ty, d: u32) -> Option<E> {
        let found: Vec<(Var, Rc<Act>)> = self
            .vars
            .iter()
            .enumerate()
            .filter_map(|(i, v)| match &v.ty {
                Ty::Act(a)
                    if a.ret == *ty
                        && (!a.console || self.cx.has(caps::CONSOLE))
                        && (i >= self.cx.barrier || v.fixed()) =>
                {
                    Some((v.clone(), a.clone()))
                }
                _ => None,
            })
            .collect();
        if found.is_empty() || self.cx.pure {
            return None;
        }
        let (v, act) = self.rng.pick(&found);
        let args: Vec<E> = act.ps.iter().map(|t| self.placed(t, d.min(2))).collect();
        let all = Self::sequence(&args);
        let slot = v.slot;
        let call = Call {
            text: format!("{}({})", v.name, Self::commas(&args)),
            args: Rc::new(move |w, f| {
                let mut out = vec![get(f, slot)];
                out.extend(all(w, f)?);
                Ok(out)
            }),
            run: Rc::new(move |w, mut args| {
                let g = callable(args.remove(0))?;
                w.tick()?;
                g(w, args)
            }),
        };
        self.fallible(call, &act.errs.clone(), ty, d.saturating_sub(1))
    }

    /// A local function that captures fixed data, perhaps calls itself, perhaps prints; and its calls.
    pub(super) fn local_fn(&mut self, d: u32) -> S {
        let name = self.name("local");
        let (ps, ret) = (
            vec![Ty::Int, self.data_ty(1)],
            if self.rng.chance(50) {
                Ty::Int
            } else {
                self.data_ty(1)
            },
        );
        let console = self.cx.has(caps::CONSOLE) && self.rng.chance(30);
        let errs: Vec<usize> = if self.rng.chance(30) {
            let all = self.errors();
            vec![self.rng.pick(&all)]
        } else {
            Vec::new()
        };
        let cx = self.cx.clone();
        let vars = self.vars.len();
        self.cx = super::core::Cx {
            errs: errs.clone(),
            caps: u32::from(console) << caps::CONSOLE,
            ret: Some(ret.clone()),
            barrier: vars,
            ..super::core::Cx::default()
        };
        let (n, x) = (self.name("n"), self.name("x"));
        let ns = self.bind(&n, &Ty::Int, false);
        if let Some(v) = self.vars.last_mut() {
            v.bits = 4;
        }
        let xs = self.bind(&x, &ps[1], false);
        let outer = std::mem::replace(&mut self.fails, false);
        let base = self.placed(&ret, 1);
        let body = self.stmts(2, d.min(2));
        // It may call itself, with a count that goes down.
        let recursive = self.rng.chance(60);
        let again = recursive.then(|| self.placed(&ps[1], 1));
        let last = self.return_of(&ret);
        self.fails = outer;
        self.vars.truncate(vars);
        self.cx = cx;
        let mut head = format!(
            "fn {name}({n}: int, {x}: {}) -> {}",
            self.ty_text(&ps[1]),
            self.ret_text(&ret)
        );
        if console {
            head += " uses Console";
        }
        head += &self.errors_text(&errs);
        let mut inner = vec![format!("if {n} <= 0:"), format!("    return {}", base.text)];
        inner.extend(body.lines.clone());
        let down = self.name("r");
        if let Some(a) = &again {
            let call = format!("{name}({n} - 1, {})", a.text);
            inner.push(if errs.is_empty() {
                format!("let {down} = {call}")
            } else {
                format!("let {down} = {call}?")
            });
            inner.push(format!("if {n} == 2:"));
            inner.push(format!("    return {down}"));
        }
        inner.extend(last.lines.clone());
        let mut lines = vec![format!("{head}:")];
        lines.extend(indent(&inner));
        // What it captures is what was there when it was declared.
        let id = self.slot();
        let (be, run, ae, le) = (base.eval, body.exec, again.map(|a| a.eval), last.exec);
        let declare = S::new(
            lines,
            Rc::new(move |_, f| {
                let captured = Rc::new(RefCell::new(f.borrow().clone()));
                let me: Rc<RefCell<Option<Callable>>> = Rc::default();
                let (be, run, ae, le) = (be.clone(), run.clone(), ae.clone(), le.clone());
                let myself = me.clone();
                let g: Callable = Rc::new(move |w, args| {
                    w.tick()?;
                    let frame = Rc::new(RefCell::new(captured.borrow().clone()));
                    let n = super::value::int_of(&args[0]);
                    set(&frame, ns, args[0].clone());
                    set(&frame, xs, args[1].clone());
                    if n <= 0 {
                        return be(w, &frame);
                    }
                    let (run, ae, le, myself) =
                        (run.clone(), ae.clone(), le.clone(), myself.clone());
                    let whole = super::stmt::scoped(Rc::new(move |w, f| {
                        run(w, f)?;
                        if let Some(a) = &ae {
                            let a = a(w, f)?;
                            let me = myself.borrow().clone().ok_or(Stop::TooLong)?;
                            let r = me(w, vec![Val::Int(n - 1), a])?;
                            if n == 2 {
                                return Err(Stop::Return(r));
                            }
                        }
                        le(w, f)
                    }));
                    match whole(w, &frame) {
                        Ok(()) => Ok(Val::Unit),
                        Err(Stop::Return(v)) => Ok(v),
                        Err(stop) => Err(stop),
                    }
                });
                *me.borrow_mut() = Some(g.clone());
                set(f, id, Val::Fun(g));
                Ok(())
            }),
        );
        let mut parts = vec![declare];
        let direct = self.rng.chance(60);
        let out = self.name("v");
        let covered = errs.iter().all(|e| self.cx.errs.contains(e));
        if !covered {
            // Looked at as a value.
            let arg = self.placed(&ps[1], 1);
            let slot = self.bind(&out, &Ty::Bool, false);
            let (ae, count) = (arg.eval, self.rng.below(4) as i64);
            parts.push(line(
                format!("let {out} = {name}({count}, {}).is_ok()", arg.text),
                Rc::new(move |w, f| {
                    let a = ae(w, f)?;
                    let g = callable(get(f, id))?;
                    let ok = match g(w, vec![Val::Int(count), a]) {
                        Ok(_) => true,
                        Err(Stop::Raise(_)) => false,
                        Err(stop) => return Err(stop),
                    };
                    set(f, slot, Val::Bool(ok));
                    Ok(())
                }),
            ));
            return S::together(parts);
        }
        let mark = if errs.is_empty() {
            ""
        } else {
            self.fails = true;
            "?"
        };
        let arg = self.placed(&ps[1], 1);
        let ae = arg.eval;
        if direct {
            let count = self.rng.below(4) as i64;
            let slot = self.bind(&out, &ret, false);
            parts.push(line(
                format!("let {out} = {name}({count}, {}){mark}", arg.text),
                Rc::new(move |w, f| {
                    let a = ae(w, f)?;
                    let g = callable(get(f, id))?;
                    let v = g(w, vec![Val::Int(count), a])?;
                    set(f, slot, v);
                    Ok(())
                }),
            ));
        } else {
            // Handed on: its `uses` is bound there.
            let slot = self.bind(&out, &Ty::List(Rc::new(ret)), false);
            let y = self.name("y");
            let held = self.name("held");
            let held_slot = self.slot();
            parts.push(S::new(
                vec![
                    format!("let {held}: {} = {}", self.ty_text(&ps[1]), arg.text),
                    format!("let {out} = (0..3).map(fn({y}) => {name}({y}, {held}){mark}){mark}"),
                ],
                Rc::new(move |w, f| {
                    let a = ae(w, f)?;
                    set(f, held_slot, a.clone());
                    let g = callable(get(f, id))?;
                    let mut xs = Vec::new();
                    for i in 0..3 {
                        w.tick()?;
                        xs.push(g(w, vec![Val::Int(i), a.clone()])?);
                    }
                    set(f, slot, list_val(xs));
                    Ok(())
                }),
            ));
        }
        S::together(parts)
    }
}
