//! `derive Json` and `std.json`: text of values, and values from text.

use super::core::{E, Gen, S, Ty, level, set};
use super::stmt::line;
use super::value::{Val, str_val, text_of};
use std::rc::Rc;

/// The text that `json.write` gives.
pub fn write(v: &Val) -> String {
    let list = |xs: &[Val]| {
        let parts: Vec<String> = xs.iter().map(write).collect();
        format!("[{}]", parts.join(","))
    };
    let object = |entries: Vec<(String, String)>| {
        let parts: Vec<String> = entries
            .iter()
            .map(|(k, v)| format!("{}:{v}", quoted(k)))
            .collect();
        format!("{{{}}}", parts.join(","))
    };
    match v {
        Val::Unit | Val::Opt(None) => "null".into(),
        Val::Bool(b) => b.to_string(),
        Val::Int(n) => n.to_string(),
        Val::Byte(n) => n.to_string(),
        Val::Char(c) => quoted(&c.to_string()),
        Val::Str(s) => quoted(s),
        Val::Opt(Some(x)) => write(x),
        Val::List(xs) | Val::Set(xs) => list(&xs.borrow()),
        Val::Tuple(xs) => list(xs),
        Val::Map(m) => object(
            m.borrow()
                .iter()
                .map(|(k, v)| (text_of(k).to_string(), write(v)))
                .collect(),
        ),
        Val::Object(o) => object(
            o.shape
                .1
                .iter()
                .zip(o.fields.borrow().iter())
                .map(|(k, v)| (k.clone(), write(v)))
                .collect(),
        ),
        Val::Variant(e) => {
            let name = e.0.rsplit('.').next().unwrap_or_default().to_string();
            if e.2.is_empty() {
                return quoted(&name);
            }
            let fields =
                e.2.iter()
                    .enumerate()
                    .map(|(i, v)| (format!("a{i}"), write(v)))
                    .collect();
            object(vec![(name, object(fields))])
        }
        Val::Float(_) | Val::Result(_) | Val::Fun(_) => String::new(),
    }
}

fn quoted(s: &str) -> String {
    let mut out = String::from("\"");
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if (c as u32) < 32 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out + "\""
}

impl Gen {
    /// A type that has `Json`, among those at hand.
    fn json_ty(&mut self) -> Ty {
        for _ in 0..6 {
            let ty = self.data_ty(2);
            if self.has_json(&ty) {
                return ty;
            }
        }
        Ty::List(Rc::new(Ty::Str))
    }

    /// `json.write(x)`.
    pub fn json_expr(&mut self, d: u32) -> E {
        let ty = self.json_ty();
        let x = self.shown(&ty, d.saturating_sub(1));
        let xe = x.eval.clone();
        let way = self.rng.below(3);
        let text = match way {
            0 => format!("json.write({})", x.text),
            1 => format!("json.encode({}).text()", x.text),
            _ => format!("json.encode({}).kind()", x.text),
        };
        E::new(
            text,
            level::ATOM,
            Rc::new(move |w, f| {
                let v = xe(w, f)?;
                let text = write(&v);
                if way < 2 {
                    return super::core::short(text);
                }
                Ok(str_val(match text.as_bytes()[0] {
                    b'"' => "text",
                    b'[' => "a list",
                    b'{' => "an object",
                    b't' | b'f' => "a bool",
                    b'n' => "null",
                    _ => "a number",
                }))
            }),
        )
    }

    /// A value written and read again, or text that is nearly so.
    pub(super) fn json_stmt(&mut self, d: u32) -> S {
        let ty = self.json_ty();
        let x = self.shown(&ty, d.min(3));
        let (value, out) = (self.name("j"), self.name("back"));
        let slot = self.bind(&value, &ty, false);
        let xe = x.eval;
        let tail = self.rng.pick(&["", "", "", " \\n", "x", "]", ",", "1"]);
        let pretty = self.rng.chance(30);
        let writer = if pretty { "write_pretty" } else { "write" };
        let text = if tail.is_empty() {
            format!("json.{writer}({value})")
        } else {
            format!("json.{writer}({value}) + \"{tail}\"")
        };
        let t = self.ty_text(&ty);
        // A number grows by a digit, and is another one; text that goes on is none.
        let number = matches!(ty, Ty::Int | Ty::Byte)
            || matches!(&ty, Ty::Opt(t) if matches!(**t, Ty::Int | Ty::Byte));
        let good = tail.trim_start_matches(" \\n").is_empty();
        let mut parts = vec![line(
            format!("let {value}: {t} = {}", x.text),
            Rc::new(move |w, f| {
                let v = xe(w, f)?;
                set(f, slot, v);
                Ok(())
            }),
        )];
        if number && tail == "1" {
            return S::together(parts);
        }
        let ok = self.bind(&out, &Ty::Bool, false);
        let shape = self.rng.below(3);
        let read = match shape {
            0 => format!("let {out} = json.read[{t}]({text}) == Ok({value})"),
            _ => format!("let {out} = json.parse({text}).is_ok()"),
        };
        let read = if shape == 1 {
            vec![
                format!("let {out} = match json.parse({text}):"),
                format!("    Ok(v) => json.decode[{t}](v) == Ok({value})"),
                "    Err(_) => false".into(),
            ]
        } else {
            vec![read]
        };
        parts.push(S::new(
            read,
            Rc::new(move |_, f| {
                set(f, ok, Val::Bool(good));
                Ok(())
            }),
        ));
        S::together(parts)
    }
}
