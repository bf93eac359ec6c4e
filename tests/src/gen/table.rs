//! Methods of the standard library by the type that they are called on and the type that they give, each with what
//! it does; ranges and comparisons.

use super::core::{E, Gen, Ty, level};
use super::value::{
    Res, Stop, Val, compare, equal, float_of, int_of, items_of, list_val, map_of, opt_val, str_val,
    text_of,
};
use std::rc::Rc;

type Model = fn(&Val) -> Res<Val>;

/// Receiver, what follows it, result, model.
struct Row {
    on: fn() -> Ty,
    text: &'static str,
    gives: fn() -> Ty,
    model: Model,
}

fn list(t: Ty) -> Ty {
    Ty::List(Rc::new(t))
}
fn opt(t: Ty) -> Ty {
    Ty::Opt(Rc::new(t))
}
fn ints() -> Ty {
    list(Ty::Int)
}
fn texts() -> Ty {
    list(Ty::Str)
}
fn table_ty() -> Ty {
    Ty::Map(Rc::new(Ty::Str), Rc::new(Ty::Int))
}
fn set_ty() -> Ty {
    Ty::Set(Rc::new(Ty::Int))
}
fn pairs() -> Ty {
    list(Ty::Tuple(vec![Ty::Str, Ty::Int]))
}
fn groups() -> Ty {
    Ty::Map(Rc::new(Ty::Int), Rc::new(texts()))
}

fn ok(v: Val) -> Res<Val> {
    Ok(v)
}
fn b(x: bool) -> Res<Val> {
    Ok(Val::Bool(x))
}
fn n(x: usize) -> Res<Val> {
    Ok(Val::Int(x as i64))
}
fn s(x: &Val) -> Rc<str> {
    text_of(x)
}
fn xs(x: &Val) -> Vec<i64> {
    items_of(x).iter().map(int_of).collect()
}
fn words<'s>(x: impl Iterator<Item = &'s str>) -> Res<Val> {
    let out: Vec<Val> = x.map(str_val).collect();
    if out.len() > 400 {
        return Err(Stop::TooLong);
    }
    Ok(list_val(out))
}
fn c(x: &Val) -> char {
    match x {
        Val::Char(c) => *c,
        _ => ' ',
    }
}
fn at(x: Option<usize>) -> Res<Val> {
    Ok(opt_val(x.map(|i| Val::Int(i as i64))))
}

const ROWS: &[Row] = &[
    Row {
        on: || Ty::Str,
        text: ".is_empty()",
        gives: || Ty::Bool,
        model: |v| b(s(v).is_empty()),
    },
    Row {
        on: || Ty::Str,
        text: ".starts_with(\"a\")",
        gives: || Ty::Bool,
        model: |v| b(s(v).starts_with('a')),
    },
    Row {
        on: || Ty::Str,
        text: ".ends_with(\"é\")",
        gives: || Ty::Bool,
        model: |v| b(s(v).ends_with('é')),
    },
    Row {
        on: || Ty::Str,
        text: ".contains(\"jet\")",
        gives: || Ty::Bool,
        model: |v| b(s(v).contains("jet")),
    },
    Row {
        on: || Ty::Str,
        text: ".find(\"0\")",
        gives: || opt(Ty::Int),
        model: |v| at(s(v).find('0')),
    },
    Row {
        on: || Ty::Str,
        text: ".rfind(\"z\")",
        gives: || opt(Ty::Int),
        model: |v| at(s(v).rfind('z')),
    },
    Row {
        on: || Ty::Str,
        text: ".lines()",
        gives: texts,
        model: |v| words(s(v).lines()),
    },
    Row {
        on: || Ty::Str,
        text: ".words()",
        gives: texts,
        model: |v| words(s(v).split_whitespace()),
    },
    Row {
        on: || Ty::Str,
        text: ".to_int()",
        gives: || opt(Ty::Int),
        model: |v| {
            let t = s(v);
            // A sign alone or in front of nothing is no number; `+` is as in Rust.
            Ok(opt_val(t.parse::<i64>().ok().map(Val::Int)))
        },
    },
    Row {
        on: || Ty::Str,
        text: ".to_float().is_some()",
        gives: || Ty::Bool,
        model: |v| {
            let t = s(v);
            let plain = t
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
            b(plain && t.parse::<f64>().is_ok())
        },
    },
    Row {
        on: || Ty::Str,
        text: ".split(\"\")",
        gives: texts,
        model: |v| {
            if s(v).is_empty() {
                return Err(Stop::TooLong);
            }
            Ok(list_val(
                s(v).chars().map(|c| str_val(&c.to_string())).collect(),
            ))
        },
    },
    Row {
        on: || Ty::Str,
        text: ".hash() == \"\".hash()",
        gives: || Ty::Bool,
        model: |v| b(s(v).is_empty()),
    },
    Row {
        on: || Ty::Char,
        text: ".is_lower()",
        gives: || Ty::Bool,
        model: |v| b(c(v).is_lowercase()),
    },
    Row {
        on: || Ty::Char,
        text: ".to_upper()",
        gives: || Ty::Str,
        model: |v| ok(str_val(&c(v).to_uppercase().to_string())),
    },
    Row {
        on: || Ty::Char,
        text: ".to_lower()",
        gives: || Ty::Str,
        model: |v| ok(str_val(&c(v).to_lowercase().to_string())),
    },
    Row {
        on: || Ty::Char,
        text: ".to_digit(16)",
        gives: || opt(Ty::Int),
        model: |v| at(c(v).to_digit(16).map(|d| d as usize)),
    },
    Row {
        on: || Ty::Char,
        text: ".len_utf8()",
        gives: || Ty::Int,
        model: |v| n(c(v).len_utf8()),
    },
    Row {
        on: || Ty::Float,
        text: ".is_finite()",
        gives: || Ty::Bool,
        model: |v| b(float_of(v).is_finite()),
    },
    Row {
        on: || Ty::Float,
        text: ".is_nan()",
        gives: || Ty::Bool,
        model: |v| b(float_of(v).is_nan()),
    },
    Row {
        on: || Ty::Int,
        text: ".cmp(5) == Ordering.Less",
        gives: || Ty::Bool,
        model: |v| b(int_of(v) < 5),
    },
    Row {
        on: || Ty::Int,
        text: ".cmp(0).reverse() != Ordering.Greater",
        gives: || Ty::Bool,
        model: |v| b(int_of(v) >= 0),
    },
    Row {
        on: ints,
        text: ".is_empty()",
        gives: || Ty::Bool,
        model: |v| b(xs(v).is_empty()),
    },
    Row {
        on: ints,
        text: ".contains(1)",
        gives: || Ty::Bool,
        model: |v| b(xs(v).contains(&1)),
    },
    Row {
        on: ints,
        text: ".index_of(2)",
        gives: || opt(Ty::Int),
        model: |v| at(xs(v).iter().position(|x| *x == 2)),
    },
    Row {
        on: ints,
        text: ".any(fn(x) => x < 0)",
        gives: || Ty::Bool,
        model: |v| b(xs(v).iter().any(|x| *x < 0)),
    },
    Row {
        on: ints,
        text: ".all(fn(x) => x > 0)",
        gives: || Ty::Bool,
        model: |v| b(xs(v).iter().all(|x| *x > 0)),
    },
    Row {
        on: ints,
        text: ".find(fn(x) => x % 3 == 1)",
        gives: || opt(Ty::Int),
        model: |v| {
            ok(opt_val(
                xs(v).into_iter().find(|x| x % 3 == 1).map(Val::Int),
            ))
        },
    },
    Row {
        on: ints,
        text: ".map(fn(x) => x % 100).sum()",
        gives: || Ty::Int,
        model: |v| ok(Val::Int(xs(v).iter().map(|x| x % 100).sum())),
    },
    Row {
        on: texts,
        text: ".group_by(fn(w) => w.len())",
        gives: groups,
        model: |v| {
            let out: Val = Val::Map(Rc::default());
            for w in items_of(v) {
                let k = Val::Int(s(&w).len() as i64);
                let old = map_of(&out)
                    .borrow()
                    .iter()
                    .find(|e| equal(&e.0, &k))
                    .map(|e| e.1.clone());
                match old {
                    Some(list) => super::value::list_of(&list).borrow_mut().push(w),
                    None => super::lists::put(&out, &k, list_val(vec![w])),
                }
            }
            Ok(out)
        },
    },
    Row {
        on: texts,
        text: ".index_of(\"a\")",
        gives: || opt(Ty::Int),
        model: |v| at(items_of(v).iter().position(|w| &*s(w) == "a")),
    },
    Row {
        on: texts,
        text: ".copy().is_empty()",
        gives: || Ty::Bool,
        model: |v| b(items_of(v).is_empty()),
    },
    Row {
        on: texts,
        text: "[0..0]",
        gives: texts,
        model: |_| ok(list_val(Vec::new())),
    },
    Row {
        on: table_ty,
        text: ".len()",
        gives: || Ty::Int,
        model: |v| n(map_of(v).borrow().len()),
    },
    Row {
        on: table_ty,
        text: ".is_empty()",
        gives: || Ty::Bool,
        model: |v| b(map_of(v).borrow().is_empty()),
    },
    Row {
        on: table_ty,
        text: ".contains(\"a\")",
        gives: || Ty::Bool,
        model: |v| b(map_of(v).borrow().iter().any(|e| &*s(&e.0) == "a")),
    },
    Row {
        on: table_ty,
        text: ".entries()",
        gives: pairs,
        model: |v| {
            let pair = |e: &(Val, Val)| Val::Tuple(Rc::new(vec![e.0.clone(), e.1.clone()]));
            ok(list_val(map_of(v).borrow().iter().map(pair).collect()))
        },
    },
    Row {
        on: set_ty,
        text: ".len()",
        gives: || Ty::Int,
        model: |v| n(items_of(v).len()),
    },
    Row {
        on: set_ty,
        text: ".is_empty()",
        gives: || Ty::Bool,
        model: |v| b(items_of(v).is_empty()),
    },
    Row {
        on: set_ty,
        text: ".contains(3)",
        gives: || Ty::Bool,
        model: |v| b(xs(v).contains(&3)),
    },
    Row {
        on: set_ty,
        text: ".items()",
        gives: ints,
        model: |v| ok(list_val(items_of(v))),
    },
    Row {
        on: || list(Ty::Byte),
        text: ".to_text().is_some()",
        gives: || Ty::Bool,
        model: |v| {
            let bytes: Vec<u8> = items_of(v)
                .iter()
                .map(|x| match x {
                    Val::Byte(b) => *b,
                    _ => 0,
                })
                .collect();
            b(String::from_utf8(bytes).is_ok())
        },
    },
];

/// What follows a range, what it gives, and how it is computed from the values.
struct RangeRow {
    text: &'static str,
    gives: fn() -> Ty,
    model: fn(&[i64]) -> Val,
}

fn int_list(x: &[i64]) -> Val {
    list_val(x.iter().map(|x| Val::Int(*x)).collect())
}
fn lists(x: Vec<&[i64]>) -> Val {
    list_val(x.into_iter().map(int_list).collect())
}
fn one(x: Option<i64>) -> Val {
    opt_val(x.map(Val::Int))
}
fn pair(a: i64, b: Val) -> Val {
    Val::Tuple(Rc::new(vec![Val::Int(a), b]))
}

const RANGES: &[RangeRow] = &[
    RangeRow {
        text: ".to_list()",
        gives: ints,
        model: int_list,
    },
    RangeRow {
        text: ".take(2).to_list()",
        gives: ints,
        model: |x| int_list(&x[..x.len().min(2)]),
    },
    RangeRow {
        text: ".skip(2).to_list()",
        gives: ints,
        model: |x| int_list(&x[x.len().min(2)..]),
    },
    RangeRow {
        text: ".filter(fn(i) => i % 2 == 0)",
        gives: ints,
        model: |x| int_list(&x.iter().copied().filter(|i| i % 2 == 0).collect::<Vec<_>>()),
    },
    RangeRow {
        text: ".first()",
        gives: || opt(Ty::Int),
        model: |x| one(x.first().copied()),
    },
    RangeRow {
        text: ".last()",
        gives: || opt(Ty::Int),
        model: |x| one(x.last().copied()),
    },
    RangeRow {
        text: ".min()",
        gives: || opt(Ty::Int),
        model: |x| one(x.iter().min().copied()),
    },
    RangeRow {
        text: ".max()",
        gives: || opt(Ty::Int),
        model: |x| one(x.iter().max().copied()),
    },
    RangeRow {
        text: ".get(1)",
        gives: || opt(Ty::Int),
        model: |x| one(x.get(1).copied()),
    },
    RangeRow {
        text: ".index_of(3)",
        gives: || opt(Ty::Int),
        model: |x| one(x.iter().position(|i| *i == 3).map(|i| i as i64)),
    },
    RangeRow {
        text: ".find(fn(i) => i > 2)",
        gives: || opt(Ty::Int),
        model: |x| one(x.iter().copied().find(|i| *i > 2)),
    },
    RangeRow {
        text: ".contains(3)",
        gives: || Ty::Bool,
        model: |x| Val::Bool(x.contains(&3)),
    },
    RangeRow {
        text: ".is_empty()",
        gives: || Ty::Bool,
        model: |x| Val::Bool(x.is_empty()),
    },
    RangeRow {
        text: ".any(fn(i) => i == 1)",
        gives: || Ty::Bool,
        model: |x| Val::Bool(x.contains(&1)),
    },
    RangeRow {
        text: ".all(fn(i) => i < 4)",
        gives: || Ty::Bool,
        model: |x| Val::Bool(x.iter().all(|i| *i < 4)),
    },
    RangeRow {
        text: ".join(\"-\")",
        gives: || Ty::Str,
        model: |x| str_val(&x.iter().map(i64::to_string).collect::<Vec<_>>().join("-")),
    },
    RangeRow {
        text: ".fold(1, fn(a, i) => a *% 3 +% i)",
        gives: || Ty::Int,
        model: |x| {
            Val::Int(
                x.iter()
                    .fold(1i64, |a, i| a.wrapping_mul(3).wrapping_add(*i)),
            )
        },
    },
    RangeRow {
        text: ".chunks(2)",
        gives: || list(ints()),
        model: |x| lists(x.chunks(2).collect()),
    },
    RangeRow {
        text: ".windows(2)",
        gives: || list(ints()),
        model: |x| lists(x.windows(2).collect()),
    },
    RangeRow {
        text: ".enumerate()",
        gives: || list(Ty::Tuple(vec![Ty::Int, Ty::Int])),
        model: |x| {
            list_val(
                x.iter()
                    .enumerate()
                    .map(|(i, x)| pair(i as i64, Val::Int(*x)))
                    .collect(),
            )
        },
    },
    RangeRow {
        text: ".zip([\"a\", \"b\"])",
        gives: || list(Ty::Tuple(vec![Ty::Int, Ty::Str])),
        model: |x| {
            list_val(
                x.iter()
                    .zip(["a", "b"])
                    .map(|(i, s)| pair(*i, str_val(s)))
                    .collect(),
            )
        },
    },
    RangeRow {
        text: ".group_by(fn(i) => i % 2)",
        gives: || Ty::Map(Rc::new(Ty::Int), Rc::new(ints())),
        model: |x| {
            let out = Val::Map(Rc::default());
            for i in x {
                let k = Val::Int(i % 2);
                let old = map_of(&out)
                    .borrow()
                    .iter()
                    .find(|e| equal(&e.0, &k))
                    .map(|e| e.1.clone());
                match old {
                    Some(l) => super::value::list_of(&l).borrow_mut().push(Val::Int(*i)),
                    None => super::lists::put(&out, &k, int_list(&[*i])),
                }
            }
            out
        },
    },
];

impl Gen {
    /// A method of the standard library that gives the type.
    pub fn table_expr(&mut self, ty: &Ty, d: u32) -> Option<E> {
        if self.rng.chance(30)
            && let Some(e) = self.range_method(ty)
        {
            return Some(e);
        }
        let rows: Vec<&Row> = ROWS.iter().filter(|r| (r.gives)() == *ty).collect();
        if rows.is_empty() {
            return None;
        }
        let row = rows[self.rng.below(rows.len())];
        let x = self.shown(&(row.on)(), d.saturating_sub(1));
        let (xe, model) = (x.eval.clone(), row.model);
        let level = if row.text.contains("==") || row.text.contains("!=") {
            level::COMPARE
        } else {
            level::ATOM
        };
        Some(E::new(
            format!("{}{}", x.at(level::ATOM), row.text),
            level,
            Rc::new(move |w, f| {
                let v = xe(w, f)?;
                model(&v)
            }),
        ))
    }

    fn range_method(&mut self, ty: &Ty) -> Option<E> {
        let rows: Vec<&RangeRow> = RANGES.iter().filter(|r| (r.gives)() == *ty).collect();
        if rows.is_empty() {
            return None;
        }
        let row = rows[self.rng.below(rows.len())];
        let (a, len) = (self.rng.below(6) as i64, self.rng.below(7) as i64);
        let mut values: Vec<i64> = (a..a + len).collect();
        let mut text = format!("({a}..{})", a + len);
        if self.rng.chance(30) {
            text += ".rev()";
            values.reverse();
        }
        if self.rng.chance(30) {
            text += ".step(2)";
            values = values.into_iter().step_by(2).collect();
        }
        let model = row.model;
        Some(E::new(
            format!("{text}{}", row.text),
            level::ATOM,
            Rc::new(move |_, _| Ok(model(&values))),
        ))
    }

    /// Comparisons by method, and identity.
    pub fn order_expr(&mut self, d: u32) -> Option<E> {
        let ty = self.data_ty(1);
        if self.rng.chance(30) {
            let t = list(Ty::Int);
            let (x, y) = (self.shown(&t, d - 1), self.shown(&t, d - 1));
            let (xe, ye) = (x.eval.clone(), y.eval.clone());
            return Some(E::new(
                format!("same({}, {})", x.text, y.text),
                level::ATOM,
                Rc::new(move |w, f| {
                    let (x, y) = (xe(w, f)?, ye(w, f)?);
                    Ok(Val::Bool(Rc::ptr_eq(
                        super::value::list_of(&x),
                        super::value::list_of(&y),
                    )))
                }),
            ));
        }
        if !self.has_ord(&ty) {
            return None;
        }
        let (x, y) = (self.shown(&ty, d - 1), self.shown(&ty, d - 1));
        let (xe, ye) = (x.eval.clone(), y.eval.clone());
        let (name, wanted) = self.rng.pick(&[
            ("Less", std::cmp::Ordering::Less),
            ("Equal", std::cmp::Ordering::Equal),
            ("Greater", std::cmp::Ordering::Greater),
        ]);
        let reverse = self.rng.chance(40);
        let then = self.rng.chance(30);
        Some(E::new(
            format!(
                "{}.cmp({}){}{} == Ordering.{name}",
                x.at(level::ATOM),
                y.text,
                if reverse { ".reverse()" } else { "" },
                if then { ".then(Ordering.Less)" } else { "" },
            ),
            level::COMPARE,
            Rc::new(move |w, f| {
                let (x, y) = (xe(w, f)?, ye(w, f)?);
                let mut o = compare(&x, &y);
                if reverse {
                    o = o.reverse();
                }
                if then {
                    o = o.then(std::cmp::Ordering::Less);
                }
                Ok(Val::Bool(o == wanted))
            }),
        ))
    }
}
