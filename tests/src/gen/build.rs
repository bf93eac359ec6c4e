//! Values made of parts: literals, constructors, function literals.

use super::core::{E, Eval, Gen, Ty, level};
use super::value::{Object, Val, list_val, opt_val};
use std::cell::RefCell;
use std::rc::Rc;

impl Gen {
    /// A tuple.
    pub fn tuple(&mut self, parts: Vec<E>) -> E {
        let all = Self::sequence(&parts);
        E::new(
            format!("({})", Self::commas(&parts)),
            level::ATOM,
            Rc::new(move |w, f| Ok(Val::Tuple(Rc::new(all(w, f)?)))),
        )
    }

    /// A list literal.
    pub fn list(&mut self, parts: Vec<E>) -> E {
        let all = Self::sequence(&parts);
        E::new(
            format!("[{}]", Self::commas(&parts)),
            level::ATOM,
            Rc::new(move |w, f| Ok(list_val(all(w, f)?))),
        )
    }

    /// A map literal.
    pub fn map_literal(&mut self, entries: Vec<(E, E)>) -> E {
        let text: Vec<String> = entries
            .iter()
            .map(|(k, v)| format!("{}: {}", k.at(level::ELSE), v.text))
            .collect();
        let evals: Vec<(Eval, Eval)> = entries.into_iter().map(|(k, v)| (k.eval, v.eval)).collect();
        E::new(
            format!("{{{}}}", text.join(", ")),
            level::ATOM,
            Rc::new(move |w, f| {
                let m: Rc<RefCell<Vec<(Val, Val)>>> = Rc::default();
                for (k, v) in &evals {
                    let (k, v) = (k(w, f)?, v(w, f)?);
                    super::core::map_set(&m, super::lists::copy_key(&k), v);
                }
                Ok(Val::Map(m))
            }),
        )
    }

    /// `Some(x)`.
    pub fn some(&mut self, x: E) -> E {
        let eval = x.eval.clone();
        E::new(
            format!("Some({})", x.text),
            level::ATOM,
            Rc::new(move |w, f| Ok(opt_val(Some(eval(w, f)?)))),
        )
    }

    /// A struct, enum or cell by its constructor.
    pub fn construct(&mut self, ty: &Ty, d: u32) -> E {
        let before = std::mem::replace(&mut self.cx.infer, false);
        let out = match ty {
            Ty::Struct(i) => self.construct_struct(*i, d),
            Ty::Enum(i) => {
                let def = self.enums[*i].clone();
                let at = self.rng.below(def.variants.len());
                let (variant, payload) = def.variants[at].clone();
                let parts: Vec<E> = payload.iter().map(|(_, t)| self.expr(t, d)).collect();
                let all = Self::sequence(&parts);
                let name = format!("{}.{variant}", def.name);
                let mut text = name.clone();
                if !parts.is_empty() {
                    let named = self.rng.chance(10);
                    let args: Vec<String> = parts
                        .iter()
                        .zip(&payload)
                        .map(|(e, (n, _))| {
                            if named {
                                format!("{n} = {}", e.text)
                            } else {
                                e.text.clone()
                            }
                        })
                        .collect();
                    text = format!("{name}({})", args.join(", "));
                }
                E::new(
                    text,
                    level::ATOM,
                    Rc::new(move |w, f| Ok(Val::Variant(Rc::new((name.clone(), at, all(w, f)?))))),
                )
            }
            Ty::Cell(t) => {
                self.cx.infer = before;
                let explicit = self.rng.chance(30);
                if explicit {
                    self.cx.infer = false;
                }
                let x = self.expr(t, d);
                let head = if explicit {
                    self.ty_text(ty)
                } else {
                    "Cell".into()
                };
                let eval = x.eval.clone();
                let shape = Rc::new((
                    "Cell".to_string(),
                    vec!["value".to_string(), "reads".to_string()],
                ));
                E::new(
                    format!("{head}({})", x.text),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let v = eval(w, f)?;
                        Ok(Val::Object(Rc::new(Object {
                            shape: shape.clone(),
                            fields: RefCell::new(vec![v, Val::Int(0)]),
                        })))
                    }),
                )
            }
            _ => self.literal(ty),
        };
        self.cx.infer = before;
        out
    }

    pub(super) fn construct_struct(&mut self, i: usize, d: u32) -> E {
        let def = self.structs[i].clone();
        let mut args = Vec::new();
        let mut evals: Vec<Eval> = Vec::new();
        let mut named = false;
        for field in &def.fields {
            if let Some(e) = &field.default
                && self.rng.chance(50)
            {
                named = true;
                evals.push(e.eval.clone());
                continue;
            }
            named = named || self.rng.chance(15);
            let e = self.expr(&field.ty, d);
            args.push(if named {
                format!("{} = {}", field.name, e.text)
            } else {
                e.text
            });
            evals.push(e.eval);
        }
        let shape = def.shape.clone();
        E::new(
            format!("{}({})", shape.0, args.join(", ")),
            level::ATOM,
            Rc::new(move |w, f| {
                let fields: super::value::Res<Vec<Val>> = evals.iter().map(|e| e(w, f)).collect();
                Ok(Val::Object(Rc::new(Object {
                    shape: shape.clone(),
                    fields: RefCell::new(fields?),
                })))
            }),
        )
    }

    /// A function literal on one line. A storable one captures fixed data, by value.
    pub fn literal_fn(&mut self, ps: &[Ty], r: &Ty, d: u32, storable: bool) -> E {
        let vars = self.vars.len();
        let cx = self.cx.clone();
        if storable {
            self.cx.barrier = self.vars.len();
            self.cx.caps = 0;
        }
        self.cx.errs = if storable {
            Vec::new()
        } else {
            std::mem::take(&mut self.closure_errs)
        };
        self.cx.ret = None;
        self.cx.loops = Vec::new();
        let annotate = cx.infer || self.rng.chance(20);
        let mut heads = Vec::new();
        let mut slots = Vec::new();
        for t in ps {
            let name = self.name("p");
            slots.push(self.bind(&name, t, false));
            heads.push(if annotate {
                format!("{name}: {}", self.ty_text(t))
            } else {
                name
            });
        }
        // Between brackets the body has to show its own type.
        self.cx.infer = true;
        let outer = std::mem::replace(&mut self.fails, false);
        let body = self.expr(r, d);
        let fails = self.fails;
        self.fails |= outer;
        self.vars.truncate(vars);
        self.cx = cx;
        let eval = body.eval.clone();
        let result = if annotate && !fails && self.rng.chance(30) {
            format!(" -> {}", self.ret_text(r))
        } else {
            String::new()
        };
        E::new(
            format!("fn({}){result} => {}", heads.join(", "), body.text),
            level::OPEN,
            Rc::new(move |w, f| {
                let frame = if storable {
                    Rc::new(RefCell::new(f.borrow().clone()))
                } else {
                    f.clone()
                };
                let (slots, eval) = (slots.clone(), eval.clone());
                // A borrowed literal captured what is bound here.
                let bindings = w.bindings.clone();
                Ok(Val::Fun(Rc::new(move |w, args| {
                    for (s, v) in slots.iter().zip(args) {
                        super::core::set(&frame, *s, v);
                    }
                    w.under(bindings.clone(), |w| eval(w, &frame))
                })))
            }),
        )
    }

    /// A literal of a storable function with authority or errors, on one line.
    pub(super) fn literal_act(&mut self, act: &super::core::Act) -> E {
        let vars = self.vars.len();
        let cx = self.cx.clone();
        let outer = std::mem::replace(&mut self.fails, false);
        self.cx = super::core::Cx {
            errs: act.errs.clone(),
            caps: u32::from(act.console) << super::value::caps::CONSOLE,
            barrier: vars,
            infer: true,
            ..super::core::Cx::default()
        };
        let mut heads = Vec::new();
        let mut slots = Vec::new();
        for t in &act.ps {
            let name = self.name("p");
            slots.push(self.bind(&name, t, false));
            heads.push(name);
        }
        let body = if act.ret == Ty::Unit {
            let (text, eval): (String, Eval) = if act.console {
                let e = self.shown(&Ty::Str, 2);
                let ee = e.eval;
                (
                    format!("Console.print({})", e.text),
                    Rc::new(move |w, f| {
                        let s = super::value::text_of(&ee(w, f)?);
                        w.write(&format!("{s}\n"))?;
                        Ok(Val::Unit)
                    }),
                )
            } else {
                ("()".into(), Rc::new(|_, _| Ok(Val::Unit)))
            };
            E::new(text, level::ATOM, eval)
        } else {
            self.expr(&act.ret, 2)
        };
        self.fails = outer;
        self.vars.truncate(vars);
        self.cx = cx;
        let uses = if act.console { " uses Console" } else { "" };
        let (mut result, mut errors) = (String::new(), String::new());
        if self.rng.chance(30) && act.ret != Ty::Unit {
            result = format!(" -> {}", self.ret_text(&act.ret));
            errors = self.errors_text(&act.errs);
        }
        let eval = body.eval;
        E::new(
            format!(
                "fn({}){result}{uses}{errors} => {}",
                heads.join(", "),
                body.text
            ),
            level::OPEN,
            Rc::new(move |_, f| {
                let frame = Rc::new(RefCell::new(f.borrow().clone()));
                let (slots, eval) = (slots.clone(), eval.clone());
                Ok(Val::Fun(Rc::new(move |w, args| {
                    for (s, v) in slots.iter().zip(args) {
                        super::core::set(&frame, *s, v);
                    }
                    eval(w, &frame)
                })))
            }),
        )
    }
}
