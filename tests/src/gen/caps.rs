//! `with` and `allow`: fakes, attenuators, capabilities of the program's own.

use super::core::{E, Eval, Gen, S, Ty, level, set};
use super::stmt::{indent, line};
use super::value::{
    Cap, Object, Res, Stop, Val, World, bool_of, caps, deep_copy, int_of, items_of, object_of,
    opt_val, str_val, text_of,
};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A binding that is made when a `with` is reached.
type Bind = Rc<dyn Fn(&mut World, &super::core::Frame) -> Res<Cap>>;

/// What stands right of `with C =`.
pub struct Binding {
    /// The capability.
    cap: usize,
    /// Text of the right side.
    text: String,
    /// What it makes.
    make: Bind,
}

/// The text of a buffer as an object: standard output and error.
fn buffer(lines: Vec<Val>) -> Val {
    let shape = Rc::new((
        "Buffer".to_string(),
        vec!["out".into(), "err".into(), "at".into(), "lines".into()],
    ));
    Val::Object(Rc::new(Object {
        shape,
        fields: RefCell::new(vec![
            str_val(""),
            str_val(""),
            Val::Int(0),
            super::value::list_val(lines),
        ]),
    }))
}

/// A console that keeps its text in an object.
fn console_of(object: Val, errors: bool) -> Cap {
    Rc::new(move |_, method, args| {
        let fields = &object_of(&object).fields;
        let put = |k: usize| {
            let text = format!("{}{}", text_of(&fields.borrow()[k]), text_of(&args[0]));
            fields.borrow_mut()[k] = str_val(&text);
            if text.len() > 4000 {
                return Err(Stop::TooLong);
            }
            Ok(Val::Unit)
        };
        match method {
            0 => put(0),
            1 if errors => put(1),
            1 => Ok(Val::Unit),
            _ => {
                let at = int_of(&fields.borrow()[2]);
                let lines = items_of(&fields.borrow()[3]);
                let found = lines.get(at as usize).cloned();
                if found.is_some() {
                    fields.borrow_mut()[2] = Val::Int(at + 1);
                }
                Ok(opt_val(found))
            }
        }
    })
}

/// The logger of the library: notes go to a console, with a prefix.
fn prefixed(prefix: Rc<str>, out: Cap) -> Cap {
    let count = Cell::new(0i64);
    Rc::new(move |w, method, args| {
        if method == 1 {
            return Ok(Val::Int(count.get()));
        }
        count.set(count.get() + 1);
        let text = format!("{prefix}{}\n", text_of(&args[0]));
        w.tick()?;
        out(w, 0, vec![str_val(&text)])
    })
}

/// An attenuator that counts calls; `free` methods cost nothing.
fn counted(left: i64, inner: Cap, fallible: Option<&'static str>, free: usize) -> Cap {
    let left = Cell::new(left);
    Rc::new(move |w, method, args| {
        if method != free {
            if left.get() < 1 {
                return Err(match fallible {
                    Some(of) => Stop::Raise(super::files::io_error(
                        4,
                        vec![str_val(&format!("no calls of `{of}` are left"))],
                    )),
                    None => Stop::Trap("panic"),
                });
            }
            left.set(left.get() - 1);
        }
        w.tick()?;
        inner(w, method, args)
    })
}

impl Gen {
    /// How many calls are granted: enough, most times.
    fn quota(&mut self) -> i64 {
        if self.rng.below(100) < 3 * self.risk {
            self.rng.below(6) as i64
        } else {
            1_000_000
        }
    }

    /// A capability passed on, counted.
    fn counting(&mut self, which: usize) -> Option<Binding> {
        let (name, cap, fallible, free) = match which {
            caps::CONSOLE => ("Console", "CountedConsole", None, 99),
            caps::FILE_READ => ("FileRead", "CountedFileRead", Some("FileRead"), 99),
            caps::FILE_WRITE => ("FileWrite", "CountedFileWrite", Some("FileWrite"), 99),
            caps::ENV => ("Env", "CountedEnv", None, 99),
            caps::CLOCK => ("Clock", "CountedClock", None, 99),
            _ => return None,
        };
        // A file's quota runs out without harm: it raises.
        let n = if fallible.is_some() {
            self.rng.below(5) as i64
        } else {
            self.quota()
        };
        Some(Binding {
            cap: which,
            text: format!("{cap}({n}, {name})"),
            make: Rc::new(move |w, _| Ok(counted(n, w.cap(which)?, fallible, free))),
        })
    }

    /// `with` and `allow`.
    pub(super) fn caps_stmt(&mut self, d: u32) -> S {
        match self.rng.below(12) {
            0 => self.buffer_stmt(d),
            1 => self.script_stmt(d),
            2 | 3 => self.log_stmt(d),
            4 | 5 => self.allow_stmt(d),
            6 | 7 => self.own_cap_stmt(d),
            8 => self.files_stmt(d),
            9 => self.clock_stmt(d),
            _ => {
                let have: Vec<usize> = (0..caps::OWN).filter(|c| self.cx.has(*c)).collect();
                let picked = if have.is_empty() {
                    None
                } else {
                    let which = self.rng.pick(&have);
                    self.counting(which)
                };
                match picked {
                    Some(b) => self.with(vec![b], d),
                    None => self.let_stmt(),
                }
            }
        }
    }

    /// A `with` around some statements.
    fn with(&mut self, bindings: Vec<Binding>, d: u32) -> S {
        let before = self.cx.caps;
        for b in &bindings {
            self.cx.allow(b.cap);
        }
        let body = self.block(4, d.saturating_sub(1));
        self.cx.caps = before;
        self.with_body(bindings, body)
    }

    fn with_body(&mut self, bindings: Vec<Binding>, body: S) -> S {
        let heads: Vec<String> = bindings
            .iter()
            .map(|b| format!("{} = {}", self.cap_name(b.cap), b.text))
            .collect();
        let mut lines = vec![format!("with {}:", heads.join(", "))];
        lines.extend(indent(&body.lines));
        let makes: Vec<(usize, Bind)> = bindings.into_iter().map(|b| (b.cap, b.make)).collect();
        let run = super::stmt::scoped(body.exec);
        S::new(
            lines,
            Rc::new(move |w, f| {
                let mut new = Vec::new();
                for (cap, make) in &makes {
                    new.push((*cap, make(w, f)?));
                }
                w.with(new, |w| run(w, f))
            }),
        )
    }

    /// `Console.print(f"tag {…}")` of a text.
    pub(super) fn print_of(&mut self, text: &str, eval: Eval) -> S {
        let tag = self.name("t");
        line(
            format!("Console.print(f\"{tag} {{{text}}}\")"),
            Rc::new(move |w, f| {
                let v = eval(w, f)?;
                w.write(&format!("{tag} {}\n", super::value::show(&v)))
            }),
        )
    }

    /// A fake console that is read afterwards.
    fn buffer_stmt(&mut self, d: u32) -> S {
        let name = self.name("buf");
        let slot = self.slot();
        let open = line(
            format!("let {name} = Buffer()"),
            Rc::new(move |_, f| {
                set(f, slot, buffer(Vec::new()));
                Ok(())
            }),
        );
        let binding = Binding {
            cap: caps::CONSOLE,
            text: name.clone(),
            make: Rc::new(move |_, f| Ok(console_of(super::core::get(f, slot), true))),
        };
        let mut bindings = vec![binding];
        if self.rng.chance(30) {
            bindings.extend(self.log_binding());
        }
        let with = self.with(bindings, d);
        let mut parts = vec![open, with];
        if self.cx.has(caps::CONSOLE) {
            for (k, method) in ["text", "errors"].iter().enumerate() {
                let eval: Eval = Rc::new(move |_, f| {
                    Ok(object_of(&super::core::get(f, slot)).fields.borrow()[k].clone())
                });
                parts.push(self.print_of(&format!("{name}.{method}()"), eval));
            }
        }
        S::together(parts)
    }

    /// A console with lines to read.
    fn script_stmt(&mut self, d: u32) -> S {
        let (name, lines) = (self.name("script"), self.name("lines"));
        let slot = self.slot();
        let xs = self.shown(&Ty::List(Rc::new(Ty::Str)), 2);
        let list = self.bind(&lines, &Ty::List(Rc::new(Ty::Str)), false);
        let xe = xs.eval;
        let open = S::new(
            vec![
                format!("let {lines} = {}", xs.text),
                format!("let {name} = Script({lines})"),
            ],
            Rc::new(move |w, f| {
                let v = xe(w, f)?;
                set(f, list, v.clone());
                let object = buffer(Vec::new());
                object_of(&object).fields.borrow_mut()[3] = v;
                set(f, slot, object);
                Ok(())
            }),
        );
        let with = self.with(
            vec![Binding {
                cap: caps::CONSOLE,
                text: name.clone(),
                make: Rc::new(move |_, f| Ok(console_of(super::core::get(f, slot), false))),
            }],
            d,
        );
        let mut parts = vec![open, with];
        if self.cx.has(caps::CONSOLE) {
            let eval: Eval = Rc::new(move |_, f| {
                Ok(object_of(&super::core::get(f, slot)).fields.borrow()[0].clone())
            });
            parts.push(self.print_of(&format!("{name}.text()"), eval));
        }
        S::together(parts)
    }

    fn log_binding(&mut self) -> Option<Binding> {
        if !self.cx.has(caps::CONSOLE) {
            return None;
        }
        let prefix = self.shown(&Ty::Str, 1);
        let pe = prefix.eval.clone();
        let named = self.rng.chance(50);
        Some(Binding {
            cap: caps::LOG,
            text: format!(
                "Prefixed({}, {}Console)",
                prefix.text,
                if named { "out = " } else { "0, " }
            ),
            make: Rc::new(move |w, f| {
                let prefix = text_of(&pe(w, f)?);
                Ok(prefixed(prefix, w.cap(caps::CONSOLE)?))
            }),
        })
    }

    fn log_stmt(&mut self, d: u32) -> S {
        let Some(binding) = self.log_binding() else {
            return self.let_stmt();
        };
        let before = self.cx.caps;
        self.cx.allow(caps::LOG);
        let mut parts = Vec::new();
        for _ in 0..1 + self.rng.below(2) {
            parts.push(self.log_use());
        }
        let vars = self.vars.len();
        parts.push(self.stmts(3, d.saturating_sub(1)));
        let count: Eval = Rc::new(|w, _| w.invoke(caps::LOG, 1, Vec::new()));
        parts.push(self.print_of("Log.count()", count));
        self.vars.truncate(vars);
        self.cx.caps = before;
        self.with_body(vec![binding], S::together(parts))
    }

    /// A note under a condition, or a method handed to a borrowed parameter.
    fn log_use(&mut self) -> S {
        if self.rng.chance(40) {
            let xs = self.shown(&Ty::List(Rc::new(Ty::Str)), 2);
            let xe = xs.eval.clone();
            return line(
                format!("{}.copy().each(Log.note)", xs.at(level::ATOM)),
                Rc::new(move |w, f| {
                    for x in items_of(&xe(w, f)?) {
                        w.invoke(caps::LOG, 0, vec![x])?;
                    }
                    Ok(())
                }),
            );
        }
        let c = self.shown(&Ty::Bool, 1);
        let e = self.shown(&Ty::Str, 2);
        let (ce, ee) = (c.eval, e.eval);
        S::new(
            vec![
                format!("if {}:", c.text),
                format!("    Log.note({})", e.text),
            ],
            Rc::new(move |w, f| {
                if bool_of(&ce(w, f)?) {
                    let s = ee(w, f)?;
                    w.invoke(caps::LOG, 0, vec![s])?;
                }
                Ok(())
            }),
        )
    }

    /// `allow S:` with what is in scope, or less, or nothing.
    fn allow_stmt(&mut self, d: u32) -> S {
        let cx = self.cx.clone();
        let mut names = Vec::new();
        for which in 0..caps::OWN + self.own_caps.len() {
            if !self.cx.has(which) {
                continue;
            }
            if self.rng.chance(60) {
                names.push(self.cap_name(which));
            } else {
                self.cx.deny(which);
            }
        }
        // What a borrowed function captured may be more.
        let vars = self.vars.clone();
        self.vars.retain(|v| !v.borrowed);
        let body = self.block(3, d.saturating_sub(1));
        self.vars = vars;
        self.cx = cx;
        let list = if names.is_empty() {
            "none".into()
        } else {
            names.join(" + ")
        };
        let mut lines = vec![format!("allow {list}:")];
        lines.extend(indent(&body.lines));
        S::new(lines, body.exec)
    }

    /// Files in memory, perhaps read only or counted.
    fn files_stmt(&mut self, d: u32) -> S {
        let (name, map) = (self.name("files"), self.name("map"));
        let ty = Ty::Map(Rc::new(Ty::Str), Rc::new(Ty::Str));
        let mut entries = Vec::new();
        for path in super::files::PATHS {
            if self.rng.chance(40) {
                let text = self.shown(&Ty::Str, 1);
                let key = E::value(self.quote(path), level::ATOM, str_val(path));
                entries.push((key, text));
            }
        }
        let e = if entries.is_empty() {
            E::new(
                "Map[string, string]()",
                level::ATOM,
                Rc::new(|_, _| Ok(Val::Map(Rc::default()))),
            )
        } else {
            self.map_literal(entries)
        };
        let ee = e.eval;
        let slot = self.bind(&map, &ty, false);
        let open = S::new(
            vec![
                format!("let {map} = {}", e.text),
                format!("let {name} = MemoryFiles({map})"),
            ],
            Rc::new(move |w, f| {
                let v = ee(w, f)?;
                set(f, slot, v);
                Ok(())
            }),
        );
        let memory = |cap: usize| Binding {
            cap,
            text: name.clone(),
            make: Rc::new(move |_, f| {
                let files = super::core::get(f, slot);
                Ok(super::files::memory(files, cap == caps::FILE_WRITE))
            }),
        };
        let outer = vec![memory(caps::FILE_READ), memory(caps::FILE_WRITE)];
        let before = self.cx.clone();
        self.cx.allow(caps::FILE_READ);
        self.cx.allow(caps::FILE_WRITE);
        let vars = self.vars.len();
        let mut parts = vec![self.file_stmt(d), self.file_stmt(d)];
        if d > 1 && self.rng.chance(60) {
            let inner = match self.rng.below(3) {
                0 => {
                    let text = "ReadOnlyFiles(FileRead)".to_string();
                    vec![
                        Binding {
                            cap: caps::FILE_READ,
                            text: text.clone(),
                            make: Rc::new(|w, _| w.cap(caps::FILE_READ)),
                        },
                        Binding {
                            cap: caps::FILE_WRITE,
                            text,
                            make: Rc::new(|_, _| Ok(super::files::denied())),
                        },
                    ]
                }
                1 => self.counting(caps::FILE_READ).into_iter().collect(),
                _ => self.counting(caps::FILE_WRITE).into_iter().collect(),
            };
            let inside = self.vars.len();
            let body = S::together(vec![self.file_stmt(d - 1), self.file_stmt(d - 1)]);
            self.vars.truncate(inside);
            parts.push(self.with_body(inner, body));
        }
        self.vars.truncate(vars);
        self.cx = before;
        let with = self.with_body(outer, S::together(parts));
        S::together(vec![open, with])
    }

    /// A clock that stands still.
    fn clock_stmt(&mut self, d: u32) -> S {
        let t = self.shown(&Ty::Int, 1);
        let te = t.eval.clone();
        let binding = Binding {
            cap: caps::CLOCK,
            text: format!(
                "FixedClock(Instant({} & 0xfff_ffff_ffff))",
                t.at(level::AND)
            ),
            make: Rc::new(move |w, f| {
                let n = int_of(&te(w, f)?) & 0xfff_ffff_ffff;
                Ok(Rc::new(move |_: &mut World, _, _| Ok(Val::Int(n))) as Cap)
            }),
        };
        self.with(vec![binding], d)
    }

    /// What the program declared, bound to its fake or attenuator.
    fn own_cap_stmt(&mut self, d: u32) -> S {
        if self.own_caps.is_empty() {
            return self.log_stmt(d);
        }
        let k = self.rng.below(self.own_caps.len());
        let own = self.own_caps[k].clone();
        let which = caps::OWN + k;
        let mut parts = Vec::new();
        let attenuate = self.cx.has(which)
            && (!own.console || self.cx.has(caps::CONSOLE))
            && self.rng.chance(70);
        let binding = if attenuate {
            let mut texts = Vec::new();
            let mut evals = Vec::new();
            for t in &own.held {
                let e = self.placed(t, 2);
                texts.push(e.text);
                evals.push(e.eval);
            }
            texts.push(own.name.clone());
            if own.console {
                texts.push("Console".into());
            }
            let (make, console) = (own.attenuator.clone(), own.console);
            Binding {
                cap: which,
                text: format!("{}({})", own.attenuator_name, texts.join(", ")),
                make: Rc::new(move |w, f| {
                    let mut held = Vec::new();
                    for e in &evals {
                        let v = e(w, f)?;
                        held.push(deep_copy(&v));
                    }
                    let out = if console {
                        Some(w.cap(caps::CONSOLE)?)
                    } else {
                        None
                    };
                    let inner = w.cap(which)?;
                    let Some(make) = make.borrow().clone() else {
                        return Err(Stop::TooLong);
                    };
                    Ok(make(held, inner, out))
                }),
            }
        } else {
            let ty = Ty::Struct(own.fake);
            let name = self.name("fake");
            let e = self.shown(&ty, 2);
            let slot = self.bind(&name, &ty, false);
            let ee = e.eval;
            parts.push(line(
                format!("let {name} = {}", e.text),
                Rc::new(move |w, f| {
                    let v = ee(w, f)?;
                    set(f, slot, v);
                    Ok(())
                }),
            ));
            let run = own.fake_methods.clone();
            Binding {
                cap: which,
                text: name,
                make: Rc::new(move |_, f| {
                    let me = super::core::get(f, slot);
                    let run = run.clone();
                    Ok(
                        Rc::new(move |w: &mut World, method: usize, args: Vec<Val>| {
                            let Some(run) = run.borrow().get(method).cloned() else {
                                return Err(Stop::TooLong);
                            };
                            let mut all = vec![me.clone()];
                            all.extend(args.iter().map(deep_copy));
                            w.tick()?;
                            crossed(run(w, all))
                        }) as Cap,
                    )
                }),
            }
        };
        let before = self.cx.caps;
        self.cx.allow(which);
        let vars = self.vars.len();
        let mut body = vec![self.own_call(which, k), self.stmts(3, d.saturating_sub(1))];
        if self.rng.chance(50) {
            body.push(self.own_call(which, k));
        }
        self.vars.truncate(vars);
        self.cx.caps = before;
        parts.push(self.with_body(vec![binding], S::together(body)));
        S::together(parts)
    }

    /// A call of a method of what the program declared.
    fn own_call(&mut self, which: usize, k: usize) -> S {
        let found: Vec<_> = self.own_caps[k].sigs.clone();
        let sig = self.rng.pick(&found);
        debug_assert!(self.cx.has(which));
        self.call_as_stmt(&sig)
    }
}

/// A result or error that leaves what implements a capability.
pub fn crossed(r: Res<Val>) -> Res<Val> {
    match r {
        Ok(v) => Ok(deep_copy(&v)),
        Err(Stop::Raise(v)) => Err(Stop::Raise(deep_copy(&v))),
        Err(stop) => Err(stop),
    }
}

/// `print`, `error` and `read_line` on the streams of the process.
pub fn real_console() -> Cap {
    Rc::new(|w, method, args| match method {
        0 => {
            w.out.push_str(&text_of(&args[0]));
            if w.out.len() > 60_000 {
                return Err(Stop::TooLong);
            }
            Ok(Val::Unit)
        }
        1 => {
            w.err.push_str(&text_of(&args[0]));
            if w.err.len() > 60_000 {
                return Err(Stop::TooLong);
            }
            Ok(Val::Unit)
        }
        _ => {
            let line = super::world::INPUT.lines().nth(w.lines);
            if line.is_some() {
                w.lines += 1;
            }
            Ok(opt_val(line.map(str_val)))
        }
    })
}

/// What `main` is granted.
pub fn granted(caps_used: u32) -> super::value::Bindings {
    let mut out: Vec<Option<Cap>> = vec![None; caps::OWN];
    for (which, place) in out.iter_mut().enumerate() {
        if caps_used >> which & 1 == 0 {
            continue;
        }
        *place = match which {
            caps::CONSOLE => Some(real_console()),
            caps::FILE_READ => Some(super::files::real(false)),
            caps::FILE_WRITE => Some(super::files::real(true)),
            caps::ENV => Some(Rc::new(|_, _, args: Vec<Val>| {
                let name = text_of(&args[0]);
                let found = super::world::VARIABLES.iter().find(|v| *v.0 == *name);
                Ok(opt_val(found.map(|v| str_val(v.1))))
            })),
            _ => None,
        };
    }
    Rc::new(out)
}
