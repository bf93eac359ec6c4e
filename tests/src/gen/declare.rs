//! Capabilities of the program's own with a fake and an attenuator, and `test` blocks.

use super::caps::crossed;
use super::core::{Cx, E, Field, FnSig, Frame, Gen, OwnCap, S, StructDef, Ty, get, set};
use super::program::{Ending, Expected};
use super::stmt::{indent, line, scoped};
use super::value::{Callable, Cap, Stop, Val, World, caps, deep_copy, show};
use std::cell::RefCell;
use std::rc::Rc;

/// Where an attenuator's method finds its inner capability and its console.
const INNER: usize = 30;
const OUT: usize = 31;

/// The place of a field of an attenuator in a method's frame.
type Slots = Vec<usize>;

struct AttMethod {
    params: Slots,
    fields: Slots,
    run: super::core::Exec,
}

impl Gen {
    /// The name of a capability.
    pub fn cap_name(&self, which: usize) -> String {
        match which {
            caps::CONSOLE => "Console".into(),
            caps::LOG => "Log".into(),
            caps::FILE_READ => "FileRead".into(),
            caps::FILE_WRITE => "FileWrite".into(),
            caps::ENV => "Env".into(),
            caps::CLOCK => "Clock".into(),
            n => self.own_caps[n - caps::OWN].name.clone(),
        }
    }

    /// The list behind `uses`, with a name for two of them where there is one.
    pub fn uses_text(&mut self, mask: u32) -> String {
        let mut names: Vec<String> = (0..caps::OWN + self.own_caps.len())
            .filter(|c| mask >> c & 1 == 1)
            .map(|c| self.cap_name(c))
            .collect();
        if names.is_empty() {
            return String::new();
        }
        if mask & 3 == 3 && self.rng.chance(30) {
            names.retain(|n| n != "Console" && n != "Log");
            names.push("Both".into());
        }
        if self.rng.chance(30) {
            names.reverse();
        }
        format!(" uses {}", names.join(" + "))
    }

    fn own_ty(&mut self) -> Ty {
        loop {
            let ty = self.data_ty(2);
            if !self.has_object(&ty) {
                return ty;
            }
        }
    }

    /// A capability with some methods, a fake and an attenuator.
    pub fn own_cap_item(&mut self) -> Vec<String> {
        let k = self.own_caps.len();
        let which = caps::OWN + k;
        let name = self.name("Cap");
        let all = self.errors();
        let mut sigs = Vec::new();
        for m in 0..1 + self.rng.below(3) {
            let params = (0..self.rng.below(3))
                .map(|i| (format!("a{i}"), self.own_ty(), None))
                .collect();
            let ret = if self.rng.chance(25) {
                Ty::Unit
            } else {
                self.own_ty()
            };
            let errs = if self.rng.chance(30) {
                vec![self.rng.pick(&all)]
            } else {
                Vec::new()
            };
            let id = self.declare(Rc::new(move |w, args| w.invoke(which, m, args)));
            sigs.push(FnSig {
                name: format!("{name}.op{m}"),
                id,
                params,
                ret,
                errs,
                caps: 1 << which,
                of: None,
                generic: false,
                shown: false,
            });
        }
        let mut lines = vec![format!("capability {name}:")];
        let heads: Vec<String> = sigs
            .iter()
            .enumerate()
            .map(|(m, s)| {
                let ps: Vec<String> = s
                    .params
                    .iter()
                    .map(|p| format!("{}: {}", p.0, self.ty_text(&p.1)))
                    .collect();
                let ret = if s.ret == Ty::Unit {
                    String::new()
                } else {
                    format!(" -> {}", self.ret_text(&s.ret))
                };
                format!(
                    "fn op{m}(SELF{}){ret}{}",
                    ps.join(", "),
                    self.errors_text(&s.errs)
                )
            })
            .collect();
        for h in &heads {
            lines.push(format!("    {}", h.replace("SELF", "")));
        }
        let with_self = |h: &String| {
            let me = if h.contains("(SELF)") {
                "self"
            } else {
                "self, "
            };
            format!("{}:", h.replace("SELF", me))
        };
        // The fake: plain data.
        let mut fields = Vec::new();
        for i in 0..1 + self.rng.below(2) {
            fields.push(Field {
                name: format!("f{i}"),
                ty: self.own_ty(),
                mutable: self.rng.chance(70),
                default: None,
            });
        }
        fields.push(Field {
            name: "calls".into(),
            ty: Ty::Int,
            mutable: true,
            default: Some(E::value("0", 0, Val::Int(0))),
        });
        let fake_name = self.name("Fake");
        lines.push(String::new());
        lines.push(format!("struct {fake_name}:"));
        for f in &fields {
            let default = if f.default.is_some() { " = 0" } else { "" };
            lines.push(format!(
                "    {}{}: {}{default}",
                if f.mutable { "mut " } else { "" },
                f.name,
                self.ty_text(&f.ty)
            ));
        }
        let fake = self.structs.len();
        self.structs.push(StructDef {
            shape: Rc::new((
                fake_name.clone(),
                fields.iter().map(|f| f.name.clone()).collect(),
            )),
            fields,
            ord: false,
            json: false,
        });
        lines.push(String::new());
        lines.push(format!("impl {name} for {fake_name}:"));
        let mut fake_methods: Vec<Callable> = Vec::new();
        for (m, sig) in sigs.iter().enumerate() {
            self.start_fn(25);
            let mut slots = vec![self.bind("self", &Ty::Struct(fake), false)];
            for (n, t, _) in &sig.params {
                slots.push(self.bind(n, t, false));
            }
            self.cx = Cx {
                errs: sig.errs.clone(),
                ret: Some(sig.ret.clone()),
                ..Cx::default()
            };
            let body = self.body_of(&sig.ret.clone(), 3);
            if m > 0 {
                lines.push(String::new());
            }
            lines.push(format!("    {}", with_self(&heads[m])));
            lines.extend(indent(&indent(&body.lines)));
            fake_methods.push(Self::callable_of(slots, body));
        }
        // The attenuator.
        let att_name = self.name("Att");
        let console = self.rng.chance(60);
        let mut held: Vec<(Ty, bool)> = Vec::new();
        for _ in 0..self.rng.below(3) {
            held.push((self.own_ty(), self.rng.chance(60)));
        }
        lines.push(String::new());
        lines.push(format!("struct {att_name}:"));
        for (i, (t, mutable)) in held.iter().enumerate() {
            lines.push(format!(
                "    {}h{i}: {}",
                if *mutable { "mut " } else { "" },
                self.ty_text(t)
            ));
        }
        lines.push(format!("    inner: {name}"));
        if console {
            lines.push("    out: Console".into());
        }
        lines.push("    mut count: int = 0".into());
        lines.push(String::new());
        lines.push(format!("impl {name} for {att_name}:"));
        let mut methods = Vec::new();
        for (m, sig) in sigs.iter().enumerate() {
            self.start_fn(25);
            let mut fields = Vec::new();
            let mut every: Vec<(Ty, bool)> = held.clone();
            every.push((Ty::Int, true));
            for (i, (t, mutable)) in every.iter().enumerate() {
                let field = if i < held.len() {
                    format!("self.h{i}")
                } else {
                    "self.count".into()
                };
                fields.push(self.bind(&field, t, *mutable));
                if let Some(v) = self.vars.last_mut() {
                    v.second = true;
                }
            }
            let mut params = Vec::new();
            for (n, t, _) in &sig.params {
                params.push(self.bind(n, t, false));
            }
            self.cx = Cx {
                errs: sig.errs.clone(),
                ret: Some(sig.ret.clone()),
                ..Cx::default()
            };
            let body = self.attenuated(m, sig, console, fields[fields.len() - 1]);
            if m > 0 {
                lines.push(String::new());
            }
            lines.push(format!("    {}", with_self(&heads[m])));
            lines.extend(indent(&indent(&body.lines)));
            methods.push(AttMethod {
                params,
                fields,
                run: body.exec,
            });
        }
        let methods = Rc::new(methods);
        let make: super::core::MakeAttenuator = Rc::new(move |held, inner, out| {
            let mut state = held;
            state.push(Val::Int(0));
            let state = Rc::new(RefCell::new(state));
            let methods = methods.clone();
            let cap: Cap = Rc::new(move |w: &mut World, m: usize, args: Vec<Val>| {
                let method = &methods[m];
                let frame: Frame = Rc::default();
                for (s, v) in method.fields.iter().zip(state.borrow().iter()) {
                    set(&frame, *s, v.clone());
                }
                for (s, v) in method.params.iter().zip(&args) {
                    set(&frame, *s, deep_copy(v));
                }
                w.tick()?;
                let mut bindings: Vec<Option<Cap>> = vec![None; OUT + 1];
                bindings[INNER] = Some(inner.clone());
                bindings[OUT] = out.clone();
                let r = w.under(Rc::new(bindings), |w| (method.run)(w, &frame));
                *state.borrow_mut() = method.fields.iter().map(|s| get(&frame, *s)).collect();
                crossed(match r {
                    Ok(()) => Ok(Val::Unit),
                    Err(Stop::Return(v)) => Ok(v),
                    Err(stop) => Err(stop),
                })
            });
            cap
        });
        self.sigs.extend(sigs.iter().cloned());
        self.own_caps.push(OwnCap {
            name,
            sigs,
            fake,
            fake_methods: Rc::new(RefCell::new(fake_methods)),
            attenuator_name: att_name,
            held: held.into_iter().map(|h| h.0).collect(),
            console,
            attenuator: Rc::new(RefCell::new(Some(make))),
        });
        lines
    }

    /// The body of an attenuator's method: it counts, perhaps tells, changes its state, and asks or answers.
    fn attenuated(&mut self, m: usize, sig: &FnSig, console: bool, count: usize) -> S {
        let mut parts = vec![line(
            "self.count += 1".into(),
            Rc::new(move |_, f| {
                let n = super::value::int_of(&get(f, count));
                set(f, count, Val::Int(n + 1));
                Ok(())
            }),
        )];
        if console && self.rng.chance(60) {
            let tag = self.name("t");
            let e = self.shown(&Ty::Int, 2);
            let ee = e.eval.clone();
            parts.push(line(
                format!(
                    "self.out.print(f\"{tag} {{self.count}} {{{}}}\")",
                    e.at(super::core::level::EITHER)
                ),
                Rc::new(move |w, f| {
                    let n = show(&get(f, count));
                    let v = show(&ee(w, f)?);
                    let text = format!("{tag} {n} {v}\n");
                    w.invoke(OUT, 0, vec![super::value::str_val(&text)])
                        .map(|_| ())
                }),
            ));
        }
        parts.push(self.stmts(3, 2));
        if self.rng.chance(75) {
            let args: Vec<E> = sig.params.iter().map(|p| self.placed(&p.1, 2)).collect();
            let all = Self::sequence(&args);
            let mark = if sig.errs.is_empty() { "" } else { "?" };
            let call = format!("self.inner.op{m}({}){mark}", Self::commas(&args));
            let give = sig.ret != Ty::Unit;
            parts.push(line(
                if give { format!("return {call}") } else { call },
                Rc::new(move |w, f| {
                    let args = all(w, f)?;
                    let v = w.invoke(INNER, m, args)?;
                    if give { Err(Stop::Return(v)) } else { Ok(()) }
                }),
            ));
        } else if sig.ret != Ty::Unit {
            parts.push(self.return_of(&sig.ret.clone()));
        }
        S::together(parts).scoped()
    }

    /// Statements and a result.
    pub fn body_of(&mut self, ret: &Ty, most: usize) -> S {
        let mut parts = vec![self.stmts(most, 3)];
        if *ret != Ty::Unit {
            parts.push(self.return_of(ret));
        }
        S::together(parts).scoped()
    }

    /// A function of parameters in slots, and a body.
    pub fn callable_of(slots: Vec<usize>, body: S) -> Callable {
        let run = body.exec;
        Rc::new(move |w, args| {
            let f: Frame = Rc::default();
            for (s, v) in slots.iter().zip(args) {
                set(&f, *s, v);
            }
            match run(w, &f) {
                Ok(()) => Ok(Val::Unit),
                Err(Stop::Return(v)) => Ok(v),
                Err(stop) => Err(stop),
            }
        })
    }

    /// A `test` block and how it has to end.
    pub fn test_item(&mut self, at: usize) -> (Vec<String>, Option<Expected>) {
        self.start_fn(40);
        self.cx = Cx {
            ret: Some(Ty::Unit),
            ..Cx::default()
        };
        let mut parts = vec![self.stmts(4, 3)];
        let name = self.name("buf");
        // What it prints goes to a buffer of its own.
        if self.rng.chance(60) {
            parts.push(self.caps_stmt(3));
        }
        let c = self.shown(&Ty::Bool, 2);
        let ce = c.eval.clone();
        let message = self.rng.chance(50);
        parts.push(line(
            if message {
                format!("assert {}, \"{name}\"", c.at(super::core::level::EITHER))
            } else {
                format!("assert {}", c.at(super::core::level::EITHER))
            },
            Rc::new(move |w, f| {
                if super::value::bool_of(&ce(w, f)?) {
                    Ok(())
                } else {
                    Err(Stop::Trap("panic"))
                }
            }),
        ));
        let body = S::together(parts);
        let mut lines = vec![format!("test \"number {at}\":")];
        lines.extend(indent(&body.lines));
        let run = scoped(body.exec);
        let mut w = World::new(3_000, self.table.clone(), Rc::new(Vec::new()));
        let end = match run(&mut w, &Rc::default()) {
            Ok(()) | Err(Stop::Return(_)) => Some(Ending::Done),
            Err(Stop::Trap(kind)) => Some(Ending::Trap(kind.to_string())),
            Err(_) => None,
        };
        let expected = end.map(|end| Expected {
            out: w.out,
            err: w.err,
            files: None,
            end,
        });
        (lines, expected)
    }
}
