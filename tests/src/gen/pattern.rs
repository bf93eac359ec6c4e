//! Patterns of a type, with what they test and bind.

use super::core::{Frame, Gen, Ty, set};
use super::value::{Val, int_of, list_val, object_of};
use std::rc::Rc;

/// Tests a value and binds its parts.
pub type Test = Rc<dyn Fn(&Val, &Frame) -> bool>;

/// A pattern.
pub struct P {
    /// Text.
    pub text: String,
    /// What it does.
    pub test: Test,
    /// Whether it matches every value.
    pub always: bool,
}

fn all(parts: Vec<Test>) -> impl Fn(&[Val], &Frame) -> bool {
    move |vs, f| vs.len() == parts.len() && parts.iter().zip(vs).all(|(p, v)| p(v, f))
}

impl Gen {
    /// A name for the whole value, or `_`.
    pub fn pat_plain(&mut self, ty: &Ty) -> P {
        if self.rng.chance(25) {
            return P {
                text: "_".into(),
                test: Rc::new(|_, _| true),
                always: true,
            };
        }
        let name = self.name("b");
        let slot = self.bind(&name, ty, false);
        P {
            text: name,
            test: Rc::new(move |v, f| {
                set(f, slot, v.clone());
                true
            }),
            always: true,
        }
    }

    /// A pattern whose nesting is at most `d`.
    pub fn pat(&mut self, ty: &Ty, d: u32) -> P {
        if d == 0 || self.rng.chance(25) {
            return self.pat_plain(ty);
        }
        if self.rng.chance(6) {
            let p = self.pat(ty, d - 1);
            if !p.text.contains('|') && !p.always && !p.text.contains('@') {
                let name = self.name("b");
                let slot = self.bind(&name, ty, false);
                let test = p.test;
                return P {
                    text: format!("{name} @ {}", p.text),
                    test: Rc::new(move |v, f| {
                        set(f, slot, v.clone());
                        test(v, f)
                    }),
                    always: false,
                };
            }
            return p;
        }
        let consts: Vec<_> = self
            .consts
            .iter()
            .filter(|c| &c.1 == ty && !c.0.starts_with("KK"))
            .cloned()
            .collect();
        if !consts.is_empty() && *ty != Ty::Float && self.rng.chance(15) {
            let c = self.rng.pick(&consts);
            let value = c.2;
            return P {
                text: c.0,
                test: Rc::new(move |v, _| super::value::equal(v, &value)),
                always: false,
            };
        }
        match ty {
            Ty::Float => {
                let x = self.rng.pick(&[0.0, 0.5, 2.25, 1e10]);
                P {
                    text: format!("{x:?}"),
                    test: Rc::new(move |v, _| matches!(v, Val::Float(y) if *y == x)),
                    always: false,
                }
            }
            Ty::Byte => {
                let (text, lo, hi) = self.rng.pick(&[
                    ("0..=9", 0, 9),
                    ("10..100", 10, 99),
                    ("200..", 200, 255),
                    ("7", 7, 7),
                ]);
                P {
                    text: text.into(),
                    test: Rc::new(move |v, _| matches!(v, Val::Byte(x) if (lo..=hi).contains(x))),
                    always: false,
                }
            }
            Ty::Int => self.pat_int(),
            Ty::Bool => {
                let b = self.rng.chance(50);
                P {
                    text: b.to_string(),
                    test: Rc::new(move |v, _| matches!(v, Val::Bool(x) if *x == b)),
                    always: false,
                }
            }
            Ty::Char => {
                let (text, lo, hi) = self.rng.pick(&[
                    ("'0'..='9'", '0', '9'),
                    ("'a'..='z'", 'a', 'z'),
                    ("'X'", 'X', 'X'),
                    ("'a'..'c'", 'a', 'b'),
                    ("'é'..", 'é', char::MAX),
                ]);
                P {
                    text: text.into(),
                    test: Rc::new(move |v, _| matches!(v, Val::Char(c) if (lo..=hi).contains(c))),
                    always: false,
                }
            }
            Ty::Str => {
                let n = 1 + self.rng.below(2);
                let words: Vec<String> = (0..n).map(|_| self.word()).collect();
                let text: Vec<String> = words.iter().map(|w| self.quote(w)).collect();
                P {
                    text: text.join(" | "),
                    test: Rc::new(
                        move |v, _| matches!(v, Val::Str(s) if words.iter().any(|w| **w == **s)),
                    ),
                    always: false,
                }
            }
            Ty::Tuple(ts) => {
                let parts: Vec<P> = ts.iter().map(|t| self.pat_inner(t, d - 1)).collect();
                let text: Vec<String> = parts.iter().map(|p| p.text.clone()).collect();
                let always = parts.iter().all(|p| p.always);
                let tests = all(parts.into_iter().map(|p| p.test).collect());
                P {
                    text: format!("({})", text.join(", ")),
                    test: Rc::new(move |v, f| matches!(v, Val::Tuple(xs) if tests(xs, f))),
                    always,
                }
            }
            Ty::Opt(t) => {
                if self.rng.chance(35) {
                    return P {
                        text: "None".into(),
                        test: Rc::new(|v, _| matches!(v, Val::Opt(None))),
                        always: false,
                    };
                }
                let p = self.pat_inner(t, d - 1);
                let test = p.test;
                P {
                    text: format!("Some({})", p.text),
                    test: Rc::new(move |v, f| matches!(v, Val::Opt(Some(x)) if test(x, f))),
                    always: false,
                }
            }
            Ty::List(t) => self.pat_list(&t.clone(), ty, d),
            Ty::Struct(i) => {
                let def = self.structs[*i].clone();
                let mut text = Vec::new();
                let mut tests: Vec<(usize, Test)> = Vec::new();
                let mut always = true;
                let mut left_out = false;
                let mut named = self.rng.chance(60);
                for (k, field) in def.fields.iter().enumerate() {
                    if self.rng.chance(40) {
                        left_out = true;
                        named = true;
                        continue;
                    }
                    named = named || self.rng.chance(20);
                    let p = self.pat_inner(&field.ty, d - 1);
                    always = always && p.always;
                    text.push(if named {
                        format!("{} = {}", field.name, p.text)
                    } else {
                        p.text
                    });
                    tests.push((k, p.test));
                }
                if left_out {
                    text.push("..".into());
                }
                P {
                    text: format!("{}({})", def.shape.0, text.join(", ")),
                    test: Rc::new(move |v, f| {
                        let fields = object_of(v).fields.borrow();
                        tests.iter().all(|(k, t)| t(&fields[*k], f))
                    }),
                    always,
                }
            }
            Ty::Enum(i) => {
                if self.rng.chance(20)
                    && let Some(p) = self.pat_either(*i)
                {
                    return p;
                }
                let at = self.rng.below(self.enums[*i].variants.len());
                self.pat_variant(*i, at, d)
            }
            _ => self.pat_plain(ty),
        }
    }

    /// A pattern inside of another: alternatives only where they need no parentheses.
    fn pat_inner(&mut self, ty: &Ty, d: u32) -> P {
        self.pat(ty, d)
    }

    /// Two variants whose first parts are of one type, bound to the same name.
    fn pat_either(&mut self, i: usize) -> Option<P> {
        let def = self.enums[i].clone();
        let with: Vec<usize> = (0..def.variants.len())
            .filter(|k| !def.variants[*k].1.is_empty())
            .collect();
        if with.len() < 2 {
            return None;
        }
        let (a, b) = (self.rng.pick(&with), self.rng.pick(&with));
        let ty = def.variants[a].1[0].1.clone();
        if a == b || def.variants[b].1[0].1 != ty {
            return None;
        }
        let name = self.name("b");
        let slot = self.bind(&name, &ty, false);
        let mut part = |k: usize| {
            let (variant, payload) = &def.variants[k];
            let first = if self.rng.chance(40) {
                format!("{} = {name}", payload[0].0)
            } else {
                name.clone()
            };
            let rest = if payload.len() > 1 { ", .." } else { "" };
            format!("{}.{variant}({first}{rest})", def.name)
        };
        let text = format!("{} | {}", part(a), part(b));
        Some(P {
            text,
            test: Rc::new(move |v, f| {
                let Val::Variant(e) = v else { return false };
                if e.1 != a && e.1 != b {
                    return false;
                }
                set(f, slot, e.2[0].clone());
                true
            }),
            always: false,
        })
    }

    /// A variant with patterns of its payload.
    pub fn pat_variant(&mut self, i: usize, at: usize, d: u32) -> P {
        let def = self.enums[i].clone();
        let (variant, payload) = def.variants[at].clone();
        let parts: Vec<P> = payload
            .iter()
            .map(|(_, t)| self.pat_inner(t, d.saturating_sub(1)))
            .collect();
        let mut text = format!("{}.{variant}", def.name);
        if !parts.is_empty() {
            let named = self.rng.chance(15);
            let inner: Vec<String> = parts
                .iter()
                .zip(&payload)
                .map(|(p, (n, _))| {
                    if named {
                        format!("{n} = {}", p.text)
                    } else {
                        p.text.clone()
                    }
                })
                .collect();
            text += &format!("({})", inner.join(", "));
        }
        let always = def.variants.len() == 1 && parts.iter().all(|p| p.always);
        let tests = all(parts.into_iter().map(|p| p.test).collect());
        P {
            text,
            test: Rc::new(move |v, f| matches!(v, Val::Variant(e) if e.1 == at && tests(&e.2, f))),
            always,
        }
    }

    fn pat_int(&mut self) -> P {
        let a = self.rng.below(8) as i64 - 3;
        let b = a + self.rng.below(50) as i64;
        let (text, lo, hi) = match self.rng.below(6) {
            5 => (format!("{a}..{}", b + 1), a, b),
            0 => (format!("{a}..={b}"), a, b),
            1 => (format!("{a}.."), a, i64::MAX),
            2 => (format!("..={b}"), i64::MIN, b),
            3 => (format!("{a} | {}", a + 1), a, a + 1),
            _ => (format!("{a}"), a, a),
        };
        if self.rng.chance(25) && !text.contains('|') {
            let name = self.name("b");
            let slot = self.bind(&name, &Ty::Int, false);
            return P {
                text: format!("{name} @ {text}"),
                test: Rc::new(move |v, f| {
                    set(f, slot, v.clone());
                    (lo..=hi).contains(&int_of(v))
                }),
                always: false,
            };
        }
        P {
            text,
            test: Rc::new(move |v, _| (lo..=hi).contains(&int_of(v))),
            always: false,
        }
    }

    fn pat_list(&mut self, t: &Ty, ty: &Ty, d: u32) -> P {
        let before: Vec<P> = (0..self.rng.below(3))
            .map(|_| self.pat_inner(t, d - 1))
            .collect();
        let mut text: Vec<String> = before.iter().map(|p| p.text.clone()).collect();
        let mut after = Vec::new();
        let rest = self.rng.chance(60);
        let mut slot = None;
        if rest {
            if self.rng.chance(60) {
                let name = self.name("rest");
                text.push(format!("..{name}"));
                slot = Some(self.bind(&name, ty, false));
            } else {
                text.push("..".into());
            }
            after = (0..self.rng.below(2))
                .map(|_| self.pat_inner(t, d - 1))
                .collect();
            text.extend(after.iter().map(|p: &P| p.text.clone()));
        }
        let (n, m) = (before.len(), after.len());
        let front = all(before.into_iter().map(|p| p.test).collect());
        let back = all(after.into_iter().map(|p| p.test).collect());
        P {
            text: format!("[{}]", text.join(", ")),
            always: rest && n + m == 0,
            test: Rc::new(move |v, f| {
                let xs = super::value::items_of(v);
                if xs.len() < n + m || (!rest && xs.len() != n) {
                    return false;
                }
                let end = xs.len() - m;
                if let Some(slot) = slot {
                    set(f, slot, list_val(xs[n..end].to_vec()));
                }
                front(&xs[..n], f) && back(&xs[end..], f)
            }),
        }
    }
}
