//! Operators, conversions and methods of numbers, booleans, characters and strings.

use super::core::{E, Eval, Frame, Gen, Ty, level, short};
use super::value::{
    Res, Stop, Val, World, bool_of, compare, equal, float_of, int_of, items_of, option_of, show,
    str_val, text_of,
};
use std::cmp::Ordering;
use std::rc::Rc;

/// `a < b` of the operator.
pub fn less(a: &Val, b: &Val) -> bool {
    match (a, b) {
        (Val::Float(x), Val::Float(y)) => x < y,
        _ => compare(a, b) == Ordering::Less,
    }
}

/// A float with that many digits behind the point.
fn float_text(v: &Val, digits: usize) -> String {
    let x = float_of(v);
    if x.is_nan() {
        return "NaN".into();
    }
    format!("{x:.digits$}")
}

/// A float with an exponent of a sign and two digits, in twelve columns.
fn exponent_text(v: &Val) -> String {
    let x = float_of(v);
    let text = if x.is_nan() {
        "NaN".into()
    } else if x.is_infinite() {
        format!("{x}")
    } else {
        let text = format!("{x:.1e}");
        let (m, e) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match e.strip_prefix('-') {
            Some(d) => ('-', d),
            None => ('+', e),
        };
        format!("{m}e{sign}{digits:0>2}")
    };
    format!("{text:>12}")
}

fn two(a: &E, b: &E) -> impl Fn(&mut World, &Frame) -> Res<(Val, Val)> + use<> {
    let (a, b): (Eval, Eval) = (a.eval.clone(), b.eval.clone());
    move |w, f| Ok((a(w, f)?, b(w, f)?))
}

/// An operator on two integers.
type IntOp = fn(i64, i64) -> Result<i64, &'static str>;

const INT_OPS: &[(&str, u8, IntOp)] = &[
    ("+", level::ADD, |a, b| a.checked_add(b).ok_or("overflow")),
    ("-", level::ADD, |a, b| a.checked_sub(b).ok_or("overflow")),
    ("*", level::MUL, |a, b| a.checked_mul(b).ok_or("overflow")),
    ("+%", level::ADD, |a, b| Ok(a.wrapping_add(b))),
    ("-%", level::ADD, |a, b| Ok(a.wrapping_sub(b))),
    ("*%", level::MUL, |a, b| Ok(a.wrapping_mul(b))),
    ("&", level::AND, |a, b| Ok(a & b)),
    ("^", level::XOR, |a, b| Ok(a ^ b)),
    ("|", level::OR, |a, b| Ok(a | b)),
];

impl Gen {
    /// An expression made for its type.
    pub fn typed(&mut self, ty: &Ty, d: u32) -> E {
        match ty {
            Ty::Int => self.int_expr(d),
            Ty::Bool => self.bool_expr(d),
            Ty::Str => self.str_expr(d),
            Ty::Float => self.float_expr(d),
            Ty::Char => self.char_expr(d),
            Ty::Byte => {
                let e = self.shown(&Ty::Int, d - 1);
                let ee = e.eval.clone();
                E::new(
                    format!("byte({} & 0xff)", e.at(level::AND)),
                    level::ATOM,
                    Rc::new(move |w, f| Ok(Val::Byte((int_of(&ee(w, f)?) & 255) as u8))),
                )
            }
            _ => self.compound(ty, d),
        }
    }

    fn int_op(&mut self, op: usize, a: E, b: E) -> E {
        let (text, lv, run) = INT_OPS[op];
        let both = two(&a, &b);
        let bits = match text {
            "+" | "-" => a.bits.max(b.bits).saturating_add(1),
            "*" => a.bits.saturating_add(b.bits),
            _ => 64,
        };
        let mut e = E::new(
            format!("{} {text} {}", a.at(lv), b.at(lv - 1)),
            lv,
            Rc::new(move |w, f| {
                let (a, b) = both(w, f)?;
                run(int_of(&a), int_of(&b))
                    .map(Val::Int)
                    .map_err(Stop::Trap)
            }),
        );
        e.bits = bits.min(64);
        e
    }

    fn int_expr(&mut self, d: u32) -> E {
        match self.rng.below(23) {
            0..=8 => {
                let (a, b) = (self.shown(&Ty::Int, d - 1), self.shown(&Ty::Int, d - 1));
                let mut op = self.rng.below(INT_OPS.len());
                let fits = match op {
                    0 | 1 => a.bits.max(b.bits) < 62,
                    2 => a.bits.saturating_add(b.bits) < 62,
                    _ => true,
                };
                if !fits && self.rng.below(100) >= self.risk {
                    op += 3;
                }
                self.int_op(op, a, b)
            }
            9 => {
                // Division by a literal, or by something odd.
                let a = self.shown(&Ty::Int, d - 1);
                let rem = self.rng.chance(50);
                let sign = if rem { "%" } else { "/" };
                let (right, be, bits) = if self.rng.below(100) < self.risk {
                    let b = self.shown(&Ty::Int, d - 1);
                    (b.at(level::POW), b.eval.clone(), 64)
                } else if self.rng.chance(50) {
                    let n = 1 + self.rng.below(40) as i64;
                    let bits = if rem { 6 } else { a.bits };
                    (
                        n.to_string(),
                        Rc::new(move |_: &mut World, _: &Frame| Ok(Val::Int(n))) as Eval,
                        bits,
                    )
                } else {
                    let b = self.shown(&Ty::Int, d - 1);
                    let be = b.eval.clone();
                    let eval: Eval = Rc::new(move |w, f| Ok(Val::Int(int_of(&be(w, f)?) | 1)));
                    (format!("({} | 1)", b.at(level::OR)), eval, 64)
                };
                let ae = a.eval.clone();
                let mut e = E::new(
                    format!("{} {sign} {right}", a.at(level::MUL)),
                    level::MUL,
                    Rc::new(move |w, f| {
                        let (a, b) = (int_of(&ae(w, f)?), int_of(&be(w, f)?));
                        if b == 0 {
                            return Err(Stop::Trap("zero_divide"));
                        }
                        let out = if rem {
                            a.checked_rem(b)
                        } else {
                            a.checked_div(b)
                        };
                        out.map(Val::Int).ok_or(Stop::Trap("overflow"))
                    }),
                );
                e.bits = bits;
                e
            }
            10 => {
                let (a, b) = (self.shown(&Ty::Int, d - 1), self.shown(&Ty::Int, d - 1));
                let sign = self.rng.pick(&["<<", ">>", ">>>"]);
                let risky = self.rng.below(100) < self.risk;
                let (right, mask) = if risky {
                    (b.at(level::ADD), -1)
                } else {
                    (format!("({} & 63)", b.at(level::AND)), 63)
                };
                let both = two(&a, &b);
                E::new(
                    format!("{} {sign} {right}", a.at(level::SHIFT)),
                    level::SHIFT,
                    Rc::new(move |w, f| {
                        let (a, b) = both(w, f)?;
                        let (a, b) = (int_of(&a), int_of(&b) & mask);
                        if !(0..64).contains(&b) {
                            return Err(Stop::Trap("shift"));
                        }
                        Ok(Val::Int(match sign {
                            "<<" => a << b,
                            ">>" => a >> b,
                            _ => ((a as u64) >> b) as i64,
                        }))
                    }),
                )
            }
            11 => {
                let a = self.shown(&Ty::Int, d - 1);
                let ae = a.eval.clone();
                let not = a.bits > 62 || self.rng.chance(50);
                let mut e = E::new(
                    // `-9223372036854775808` would be a literal.
                    format!("{}({})", if not { "~" } else { "-" }, a.text),
                    level::UNARY,
                    Rc::new(move |w, f| {
                        let a = int_of(&ae(w, f)?);
                        if not {
                            return Ok(Val::Int(!a));
                        }
                        a.checked_neg().map(Val::Int).ok_or(Stop::Trap("overflow"))
                    }),
                );
                e.bits = a.bits.saturating_add(1).min(64);
                e
            }
            12 => {
                let (a, n) = (self.shown(&Ty::Int, d - 1), self.rng.below(5) as i64);
                let ae = a.eval.clone();
                E::new(
                    format!("({} & 0xff) ** {n}", a.at(level::AND)),
                    level::POW,
                    Rc::new(move |w, f| Ok(Val::Int((int_of(&ae(w, f)?) & 255).pow(n as u32)))),
                )
            }
            13 => {
                let ty = self.rng.pick(&[Ty::Char, Ty::Byte, Ty::Bool]);
                let ty = if ty == Ty::Bool { Ty::Char } else { ty };
                let a = self.shown(&ty, d - 1);
                let ae = a.eval.clone();
                let mut e = E::new(
                    format!("int({})", a.text),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        Ok(Val::Int(match ae(w, f)? {
                            Val::Char(c) => i64::from(c as u32),
                            Val::Byte(b) => i64::from(b),
                            _ => 0,
                        }))
                    }),
                );
                e.bits = 21;
                e
            }
            14 => {
                let a = self.shown(&Ty::Float, d - 1);
                let ae = a.eval.clone();
                let risky = self.rng.below(100) < self.risk;
                if risky {
                    return E::new(
                        format!("int({})", a.text),
                        level::ATOM,
                        Rc::new(move |w, f| {
                            let t = float_of(&ae(w, f)?).trunc();
                            if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0)
                                .contains(&t)
                            {
                                return Ok(Val::Int(t as i64));
                            }
                            Err(Stop::Trap("conversion"))
                        }),
                    );
                }
                E::new(
                    format!("math.float_bits({})", a.text),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let x = float_of(&ae(w, f)?);
                        // The sign of what is not a number is nobody's promise.
                        if x.is_nan() {
                            return Err(Stop::TooLong);
                        }
                        Ok(Val::Int(x.to_bits() as i64))
                    }),
                )
            }
            15 => {
                let t = self.data_ty(0);
                let xs = self.shown(&Ty::List(Rc::new(t)), d - 1);
                let xe = xs.eval.clone();
                let mut e = E::new(
                    format!("{}.len()", xs.at(level::ATOM)),
                    level::ATOM,
                    Rc::new(move |w, f| Ok(Val::Int(items_of(&xe(w, f)?).len() as i64))),
                );
                e.bits = 20;
                e
            }
            16 => {
                let s = self.shown(&Ty::Str, d - 1);
                let se = s.eval.clone();
                if self.rng.chance(30) {
                    return E::new(
                        format!("{}.to_int() else -1", s.at(level::ATOM)),
                        level::ELSE,
                        Rc::new(move |w, f| {
                            let s = text_of(&se(w, f)?);
                            Ok(Val::Int(s.parse::<i64>().unwrap_or(-1)))
                        }),
                    );
                }
                let mut e = E::new(
                    format!("{}.len()", s.at(level::ATOM)),
                    level::ATOM,
                    Rc::new(move |w, f| Ok(Val::Int(text_of(&se(w, f)?).len() as i64))),
                );
                e.bits = 20;
                e
            }
            17 => self.dyn_score(d),
            18 => self.fold_expr(d),
            19 => self.range_expr(d),
            20 => self.rare_int(d),
            _ => {
                let e = self.shown(&Ty::Int, d - 1);
                let ee = e.eval.clone();
                let m = self.rng.pick(&[7i64, 100, 1000, 65_537]);
                let mut e = E::new(
                    format!("({} % {m}).abs()", e.at(level::MUL)),
                    level::ATOM,
                    Rc::new(move |w, f| Ok(Val::Int((int_of(&ee(w, f)?) % m).abs()))),
                );
                e.bits = 17;
                e
            }
        }
    }

    fn bool_expr(&mut self, d: u32) -> E {
        match self.rng.below(10) {
            9 => self.float_bool(d),
            0 => {
                let a = self.shown(&Ty::Bool, d - 1);
                let ae = a.eval.clone();
                E::new(
                    format!("not {}", a.at(level::NOT)),
                    level::NOT,
                    Rc::new(move |w, f| Ok(Val::Bool(!bool_of(&ae(w, f)?)))),
                )
            }
            1 | 2 => {
                let (a, b) = (self.shown(&Ty::Bool, d - 1), self.shown(&Ty::Bool, d - 1));
                let (ae, be) = (a.eval.clone(), b.eval.clone());
                let and = self.rng.chance(50);
                let lv = if and { level::BOTH } else { level::EITHER };
                E::new(
                    format!(
                        "{} {} {}",
                        a.at(lv),
                        if and { "and" } else { "or" },
                        b.at(lv - 1)
                    ),
                    lv,
                    Rc::new(move |w, f| {
                        let a = bool_of(&ae(w, f)?);
                        if a == and { be(w, f) } else { Ok(Val::Bool(a)) }
                    }),
                )
            }
            3 | 4 => {
                let ty = self.data_ty(2);
                if !self.has_eq(&ty) {
                    return self.leaf(&Ty::Bool);
                }
                let (a, b) = (self.shown(&ty, d - 1), self.shown(&ty, d - 1));
                let both = two(&a, &b);
                let ne = self.rng.chance(40);
                E::new(
                    format!(
                        "{} {} {}",
                        a.at(level::RANGE),
                        if ne { "!=" } else { "==" },
                        b.at(level::RANGE)
                    ),
                    level::COMPARE,
                    Rc::new(move |w, f| {
                        let (a, b) = both(w, f)?;
                        Ok(Val::Bool(equal(&a, &b) != ne))
                    }),
                )
            }
            5 | 6 => {
                let ty = self.data_ty(1);
                if !self.has_ord(&ty) {
                    return self.leaf(&Ty::Bool);
                }
                let (a, b) = (self.shown(&ty, d - 1), self.shown(&ty, d - 1));
                let both = two(&a, &b);
                let op = self.rng.pick(&["<", "<=", ">", ">="]);
                E::new(
                    format!("{} {op} {}", a.at(level::RANGE), b.at(level::RANGE)),
                    level::COMPARE,
                    Rc::new(move |w, f| {
                        let (a, b) = both(w, f)?;
                        if let (Val::Float(a), Val::Float(b)) = (&a, &b) {
                            return Ok(Val::Bool(match op {
                                "<" => a < b,
                                "<=" => a <= b,
                                ">" => a > b,
                                _ => a >= b,
                            }));
                        }
                        let o = compare(&a, &b);
                        Ok(Val::Bool(match op {
                            "<" => o.is_lt(),
                            "<=" => o.is_le(),
                            ">" => o.is_gt(),
                            _ => o.is_ge(),
                        }))
                    }),
                )
            }
            7 => {
                let c = self.shown(&Ty::Char, d - 1);
                let ce = c.eval.clone();
                let (name, test): (&str, fn(char) -> bool) = self.rng.pick(&[
                    ("is_digit", (|c| c.is_ascii_digit()) as fn(char) -> bool),
                    ("is_whitespace", char::is_whitespace),
                    ("is_alpha", char::is_alphabetic),
                    ("is_upper", char::is_uppercase),
                ]);
                E::new(
                    format!("{}.{name}()", c.at(level::ATOM)),
                    level::ATOM,
                    Rc::new(move |w, f| match ce(w, f)? {
                        Val::Char(c) => Ok(Val::Bool(test(c))),
                        _ => Ok(Val::Bool(false)),
                    }),
                )
            }
            _ => {
                let ty = self.data_ty(1);
                let o = self.shown(&Ty::Opt(Rc::new(ty)), d - 1);
                let oe = o.eval.clone();
                let none = self.rng.chance(50);
                E::new(
                    format!(
                        "{}.{}()",
                        o.at(level::ATOM),
                        if none { "is_none" } else { "is_some" }
                    ),
                    level::ATOM,
                    Rc::new(move |w, f| Ok(Val::Bool(option_of(&oe(w, f)?).is_none() == none))),
                )
            }
        }
    }

    fn str_expr(&mut self, d: u32) -> E {
        match self.rng.below(12) {
            0..=2 => self.fstring(d),
            3 | 4 => {
                let (a, b) = (self.shown(&Ty::Str, d - 1), self.shown(&Ty::Str, d - 1));
                let both = two(&a, &b);
                E::new(
                    format!("{} + {}", a.at(level::ADD), b.at(level::MUL)),
                    level::ADD,
                    Rc::new(move |w, f| {
                        let (a, b) = both(w, f)?;
                        short(format!("{}{}", text_of(&a), text_of(&b)))
                    }),
                )
            }
            5 => {
                let ty = self.data_ty(1);
                if !self.showable(&ty) {
                    return self.leaf(&Ty::Str);
                }
                let a = self.shown(&ty, d - 1);
                let ae = a.eval.clone();
                let text = if self.rng.chance(50) {
                    format!("string({})", a.text)
                } else {
                    format!("{}.show()", a.at(level::ATOM))
                };
                E::new(
                    text,
                    level::ATOM,
                    Rc::new(move |w, f| short(show(&ae(w, f)?))),
                )
            }
            6 => {
                let s = self.shown(&Ty::Str, d - 1);
                let se = s.eval.clone();
                let (name, run): (&str, fn(&str) -> String) = self.rng.pick(&[
                    ("to_upper", (|s| s.to_uppercase()) as fn(&str) -> String),
                    ("to_lower", |s| s.to_lowercase()),
                    ("trim", |s| s.trim().into()),
                    ("trim_start", |s| s.trim_start().into()),
                    ("trim_end", |s| s.trim_end().into()),
                ]);
                E::new(
                    format!("{}.{name}()", s.at(level::ATOM)),
                    level::ATOM,
                    Rc::new(move |w, f| short(run(&text_of(&se(w, f)?)))),
                )
            }
            7 => {
                let (s, n) = (self.shown(&Ty::Str, d - 1), self.rng.below(4));
                let se = s.eval.clone();
                E::new(
                    format!("{}.repeat({n})", s.at(level::ATOM)),
                    level::ATOM,
                    Rc::new(move |w, f| short(text_of(&se(w, f)?).repeat(n))),
                )
            }
            8 => {
                let (s, a, b) = (self.shown(&Ty::Str, d - 1), self.word(), self.word());
                if a.is_empty() {
                    return s;
                }
                let se = s.eval.clone();
                E::new(
                    format!(
                        "{}.replace({}, {})",
                        s.at(level::ATOM),
                        self.quote(&a),
                        self.quote(&b)
                    ),
                    level::ATOM,
                    Rc::new(move |w, f| short(text_of(&se(w, f)?).replace(&a, &b))),
                )
            }
            9 => {
                let xs = self.shown(&Ty::List(Rc::new(Ty::Str)), d - 1);
                let sep = self.word();
                let xe = xs.eval.clone();
                E::new(
                    format!("{}.join({})", xs.at(level::ATOM), self.quote(&sep)),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let xs = items_of(&xe(w, f)?);
                        let parts: Vec<Rc<str>> = xs.iter().map(text_of).collect();
                        short(parts.join(&sep))
                    }),
                )
            }
            10 => {
                let (s, n) = (self.shown(&Ty::Str, d - 1), self.rng.below(4));
                let se = s.eval.clone();
                let back = self.rng.chance(50);
                let slice = if back {
                    format!("..{n}")
                } else {
                    format!("{n}..")
                };
                E::new(
                    format!("({} + \"....\")[{slice}]", s.at(level::ADD)),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let s = format!("{}....", text_of(&se(w, f)?));
                        let part = if back { s.get(..n) } else { s.get(n..) };
                        part.map(str_val).ok_or(Stop::Trap("bounds"))
                    }),
                )
            }
            _ => {
                let xs = self.shown(&Ty::List(Rc::new(Ty::Char)), d - 1);
                let xe = xs.eval.clone();
                E::new(
                    format!("{}.to_text()", xs.at(level::ATOM)),
                    level::ATOM,
                    Rc::new(move |w, f| {
                        let xs = items_of(&xe(w, f)?);
                        short(xs.iter().map(show).collect())
                    }),
                )
            }
        }
    }

    fn fstring(&mut self, d: u32) -> E {
        let mut text = String::from("f\"");
        type Part = (Eval, fn(&Val) -> String);
        let mut parts: Vec<Result<String, Part>> = Vec::new();
        for _ in 0..1 + self.rng.below(3) {
            if self.rng.chance(50) {
                let s = self.word();
                let quoted = self.quote(&s);
                // Braces are written twice, but those of `\u{…}` are not.
                let inner = quoted[1..quoted.len() - 1].replace("\\u{", "\u{1}");
                let mut out = String::new();
                let mut escape = false;
                for c in inner.chars() {
                    match c {
                        '\u{1}' => {
                            out.push_str("\\u{");
                            escape = true;
                        }
                        '}' if escape => {
                            out.push('}');
                            escape = false;
                        }
                        '{' => out.push_str("{{"),
                        '}' => out.push_str("}}"),
                        c => out.push(c),
                    }
                }
                text += &out;
                parts.push(Ok(s));
                continue;
            }
            let (e, spec, run): (E, &str, fn(&Val) -> String) = match self.rng.below(15) {
                9 => (self.shown(&Ty::Int, d - 1), ":#X", |v| {
                    let n = int_of(v);
                    format!("{}0x{:X}", if n < 0 { "-" } else { "" }, n.unsigned_abs())
                }),
                10 => (self.shown(&Ty::Int, d - 1), ":b", |v| {
                    let n = int_of(v);
                    format!("{}{:b}", if n < 0 { "-" } else { "" }, n.unsigned_abs())
                }),
                11 => (self.shown(&Ty::Int, d - 1), ":<12o", |v| {
                    let n = int_of(v);
                    let text = format!("{}{:o}", if n < 0 { "-" } else { "" }, n.unsigned_abs());
                    format!("{text:<12}")
                }),
                12 => (self.shown(&Ty::Int, d - 1), ":5d", |v| {
                    format!("{:>5}", int_of(v))
                }),
                13 => (self.shown(&Ty::Float, d - 1), ":.3f", |v| float_text(v, 3)),
                14 => {
                    if self.rng.chance(50) {
                        (self.shown(&Ty::Str, d - 1), ":-^7s", |v| {
                            format!("{:-^7}", text_of(v))
                        })
                    } else {
                        (self.shown(&Ty::Float, d - 1), ":>12.1e", |v| {
                            exponent_text(v)
                        })
                    }
                }
                0 => (self.shown(&Ty::Int, d - 1), ":>8", |v| {
                    format!("{:>8}", int_of(v))
                }),
                1 => (self.shown(&Ty::Int, d - 1), ":x", |v| {
                    let n = int_of(v);
                    format!("{}{:x}", if n < 0 { "-" } else { "" }, n.unsigned_abs())
                }),
                2 => (self.shown(&Ty::Int, d - 1), ":+06", |v| {
                    format!("{:+06}", int_of(v))
                }),
                3 => (self.shown(&Ty::Str, d - 1), ":*^9", |v| {
                    format!("{:*^9}", text_of(v))
                }),
                4 => (self.shown(&Ty::Str, d - 1), ":<5.3", |v| {
                    format!("{:<5.3}", text_of(v))
                }),
                _ => {
                    let ty = self.data_ty(2);
                    if !self.showable(&ty) {
                        continue;
                    }
                    (self.shown(&ty, d - 1), "", show)
                }
            };
            text += &format!("{{{}{spec}}}", e.at(level::EITHER));
            parts.push(Err((e.eval, run)));
        }
        E::new(
            text + "\"",
            level::ATOM,
            Rc::new(move |w, f| {
                let mut out = String::new();
                for p in &parts {
                    match p {
                        Ok(s) => out += s,
                        Err((e, run)) => out += &run(&e(w, f)?),
                    }
                }
                short(out)
            }),
        )
    }

    fn float_expr(&mut self, d: u32) -> E {
        match self.rng.below(8) {
            0 => {
                let a = self.shown(&Ty::Int, d - 1);
                let ae = a.eval.clone();
                E::new(
                    format!("float({})", a.text),
                    level::ATOM,
                    Rc::new(move |w, f| Ok(Val::Float(int_of(&ae(w, f)?) as f64))),
                )
            }
            1 => {
                let a = self.shown(&Ty::Float, d - 1);
                let ae = a.eval.clone();
                let (name, run): (&str, fn(f64) -> f64) = self.rng.pick(&[
                    ("abs", f64::abs as fn(f64) -> f64),
                    ("floor", f64::floor),
                    ("ceil", f64::ceil),
                    ("round", f64::round),
                    ("trunc", f64::trunc),
                    ("sqrt", f64::sqrt),
                ]);
                E::new(
                    format!("{}.{name}()", a.at(level::ATOM)),
                    level::ATOM,
                    Rc::new(move |w, f| Ok(Val::Float(run(float_of(&ae(w, f)?))))),
                )
            }
            2 => {
                let a = self.shown(&Ty::Float, d - 1);
                let ae = a.eval.clone();
                E::new(
                    format!("-({})", a.text),
                    level::UNARY,
                    Rc::new(move |w, f| Ok(Val::Float(-float_of(&ae(w, f)?)))),
                )
            }
            _ => {
                let (a, b) = (self.shown(&Ty::Float, d - 1), self.shown(&Ty::Float, d - 1));
                let both = two(&a, &b);
                type FloatOp = fn(f64, f64) -> f64;
                let (op, lv, run): (&str, u8, FloatOp) = self.rng.pick(&[
                    ("+", level::ADD, (|a, b| a + b) as FloatOp),
                    ("-", level::ADD, |a, b| a - b),
                    ("*", level::MUL, |a, b| a * b),
                    ("/", level::MUL, |a, b| a / b),
                    ("%", level::MUL, |a, b| a % b),
                    ("**", level::POW, f64::powf),
                ]);
                let left = if lv == level::POW { 0 } else { lv };
                E::new(
                    format!("{} {op} {}", a.at(left), b.at(lv - 1)),
                    lv,
                    Rc::new(move |w, f| {
                        let (a, b) = both(w, f)?;
                        Ok(Val::Float(run(float_of(&a), float_of(&b))))
                    }),
                )
            }
        }
    }

    fn char_expr(&mut self, d: u32) -> E {
        if self.rng.chance(50) {
            let s = self.shown(&Ty::Str, d - 1);
            let fallback = self.leaf(&Ty::Char);
            let (se, fe) = (s.eval.clone(), fallback.eval.clone());
            return E::new(
                format!(
                    "{}.chars().last() else {}",
                    s.at(level::ATOM),
                    fallback.at(level::EITHER)
                ),
                level::ELSE,
                Rc::new(move |w, f| match text_of(&se(w, f)?).chars().last() {
                    Some(c) => Ok(Val::Char(c)),
                    None => fe(w, f),
                }),
            );
        }
        let a = self.shown(&Ty::Int, d - 1);
        let ae = a.eval.clone();
        let risky = self.rng.below(100) < self.risk;
        let mask: i64 = if risky { 0x1f_ffff } else { 0x3fff };
        E::new(
            format!("char({} & {mask})", a.at(level::AND)),
            level::ATOM,
            Rc::new(move |w, f| {
                let n = int_of(&ae(w, f)?) & mask;
                char::from_u32(n as u32)
                    .map(Val::Char)
                    .ok_or(Stop::Trap("conversion"))
            }),
        )
    }
}
