//! Files, the environment and the clock: what capabilities of the host and their fakes answer.

use super::core::{Call, E, Eval, Gen, S, Ty, level, set};
use super::stmt::{indent, line};
use super::value::{Cap, Res, Stop, Val, World, caps, int_of, list_val, map_of, str_val, text_of};
use super::world;
use std::rc::Rc;

/// Paths that programs speak of.
pub const PATHS: &[&str] = &[
    "a.txt",
    "empty",
    "d/b.txt",
    "d/nope",
    "nope",
    "w/old.txt",
    "w/new.txt",
];

/// Methods of `FileRead` and `FileWrite` by number.
mod method {
    pub const READ_TEXT: usize = 0;
    pub const STAT: usize = 1;
    pub const LIST: usize = 2;
    pub const OPEN: usize = 3;
    pub const READ: usize = 4;
    pub const READ_BYTES: usize = 6;
    pub const WRITE_TEXT: usize = 0;
    pub const APPEND_TEXT: usize = 1;
    pub const REMOVE: usize = 2;
    pub const RENAME: usize = 3;
    pub const WRITE_BYTES: usize = 4;
}

/// A value of `IoError`.
pub fn io_error(variant: usize, args: Vec<Val>) -> Val {
    let name = ["NotFound", "Denied", "Exists", "Invalid", "Other"][variant];
    Val::Variant(Rc::new((format!("IoError.{name}"), variant, args)))
}

fn raise<T>(variant: usize, args: Vec<Val>) -> Res<T> {
    Err(Stop::Raise(io_error(variant, args)))
}

/// What a file holds, as `FileRead` sees it.
fn content(w: &World, path: &str) -> Option<String> {
    let fixed = world::FILES.iter().find(|f| f.0 == path);
    fixed
        .map(|f| f.1.to_string())
        .or_else(|| w.files.get(path).cloned())
}

/// Names in a folder, with whether they are folders.
fn listing(paths: &[String], dir: &str) -> Vec<(String, bool)> {
    let prefix = format!("{dir}/");
    let mut names: Vec<(String, bool)> = Vec::new();
    for p in paths {
        let Some(rest) = p.strip_prefix(&prefix) else {
            continue;
        };
        let (name, deep) = match rest.split_once('/') {
            Some((n, _)) => (n.to_string(), true),
            None => (rest.to_string(), false),
        };
        if !names.iter().any(|n| n.0 == name) {
            names.push((name, deep));
        }
    }
    names.sort();
    names
}

/// The granted folder.
pub fn real(write: bool) -> Cap {
    if write {
        return Rc::new(|w, m, args| {
            let path = text_of(&args[0]).to_string();
            if !path.starts_with("w/") {
                return raise(1, vec![str_val(&path)]);
            }
            match m {
                method::WRITE_TEXT | method::WRITE_BYTES => {
                    w.files.insert(path, text_of(&args[1]).to_string());
                }
                method::APPEND_TEXT => w
                    .files
                    .entry(path)
                    .or_default()
                    .push_str(&text_of(&args[1])),
                method::REMOVE => {
                    if w.files.remove(&path).is_none() {
                        return raise(0, vec![str_val(&path)]);
                    }
                }
                _ => {
                    let to = text_of(&args[1]).to_string();
                    let Some(text) = w.files.remove(&path) else {
                        return raise(0, vec![str_val(&path)]);
                    };
                    w.files.insert(to, text);
                }
            }
            Ok(Val::Unit)
        });
    }
    Rc::new(|w, m, args| {
        let path = text_of(&args[0]).to_string();
        match m {
            method::LIST => {
                let mut paths: Vec<String> = world::FILES.iter().map(|f| f.0.into()).collect();
                paths.extend(w.files.keys().cloned());
                let names = listing(&paths, &path);
                if names.is_empty() && path != "w" {
                    return raise(0, vec![str_val(&path)]);
                }
                Ok(list_val(names.iter().map(|n| str_val(&n.0)).collect()))
            }
            method::READ => Ok(Val::Unit),
            m => match content(w, &path) {
                Some(text) if m == method::STAT => Ok(Val::Int(text.len() as i64)),
                Some(text) => Ok(str_val(&text)),
                None => raise(0, vec![str_val(&path)]),
            },
        }
    })
}

/// Files in a map.
pub fn memory(files: Val, write: bool) -> Cap {
    const WHOLE: &str = "files in memory are read with read_text or read_bytes";
    if write {
        return Rc::new(move |_, m, args| {
            let path = &args[0];
            let find = |p: &Val| {
                map_of(&files)
                    .borrow()
                    .iter()
                    .position(|e| super::value::equal(&e.0, p))
            };
            let old = find(path).map(|i| map_of(&files).borrow()[i].1.clone());
            match m {
                method::WRITE_TEXT | method::WRITE_BYTES => {
                    super::lists::put(&files, path, args[1].clone())
                }
                method::APPEND_TEXT => {
                    let before = old.map_or_else(|| Rc::from(""), |o| text_of(&o));
                    let text = format!("{before}{}", text_of(&args[1]));
                    super::lists::put(&files, path, str_val(&text));
                }
                _ => {
                    let Some(i) = find(path) else {
                        return raise(0, vec![path.clone()]);
                    };
                    let (_, text) = map_of(&files).borrow_mut().remove(i);
                    if m == method::RENAME {
                        super::lists::put(&files, &args[1], text);
                    }
                }
            }
            Ok(Val::Unit)
        });
    }
    Rc::new(move |_, m, args| {
        let path = text_of(&args[0]);
        let found = map_of(&files)
            .borrow()
            .iter()
            .find(|e| *text_of(&e.0) == *path)
            .map(|e| text_of(&e.1));
        match m {
            method::LIST => {
                let paths: Vec<String> = map_of(&files)
                    .borrow()
                    .iter()
                    .map(|e| text_of(&e.0).to_string())
                    .collect();
                let names = listing(&paths, &path);
                if names.is_empty() {
                    return raise(0, vec![str_val(&path)]);
                }
                Ok(list_val(names.iter().map(|n| str_val(&n.0)).collect()))
            }
            method::OPEN | method::READ => raise(4, vec![str_val(WHOLE)]),
            m => match found {
                Some(text) if m == method::STAT => Ok(Val::Int(text.len() as i64)),
                Some(text) => Ok(Val::Str(text)),
                None => raise(0, vec![str_val(&path)]),
            },
        }
    })
}

/// Every change denied.
pub fn denied() -> Cap {
    Rc::new(|_, _, args| raise(1, vec![args[0].clone()]))
}

/// Year, month and day of a moment.
fn date(millis: i64) -> (i64, i64, i64) {
    let days = millis.div_euclid(86_400_000) + 719_468;
    let era = days.div_euclid(146_097);
    let d = days.rem_euclid(146_097);
    let y = (d - d / 1460 + d / 36_524 - d / 146_096) / 365;
    let of_year = d - (365 * y + y / 4 - y / 100);
    let m = (5 * of_year + 2) / 153;
    let day = of_year - (153 * m + 2) / 5 + 1;
    let month = if m < 10 { m + 3 } else { m - 9 };
    (y + era * 400 + i64::from(month <= 2), month, day)
}

impl Gen {
    fn path(&mut self) -> (String, Val) {
        let p = self.rng.pick(PATHS);
        let value = str_val(p);
        // A path that is put together is a path too.
        let text = match p.split_once('/') {
            Some((a, b)) if self.rng.chance(30) => format!("\"{a}/\" + \"{b}\""),
            _ => format!("\"{p}\""),
        };
        (text, value)
    }

    /// A call that can fail with `IoError`, in an expression.
    fn io_call(&mut self, text: String, eval: Eval, ret: &Ty, d: u32) -> Option<E> {
        let call = Call {
            text,
            args: Rc::new(|_, _| Ok(Vec::new())),
            run: Rc::new(move |w, _| eval(w, &Rc::default())),
        };
        self.fallible(call, &[0], ret, d)
    }

    /// An expression whose value comes from what is bound.
    pub fn effect_expr(&mut self, ty: &Ty, d: u32) -> Option<E> {
        if self.cx.pure {
            return None;
        }
        let read = self.cx.has(caps::FILE_READ);
        match ty {
            Ty::Str if read => {
                let (text, path) = self.path();
                let call: Eval = Rc::new(move |w, _| {
                    w.invoke(caps::FILE_READ, method::READ_TEXT, vec![path.clone()])
                });
                self.io_call(format!("FileRead.read_text({text})"), call, ty, d)
            }
            Ty::Int if read && self.rng.chance(60) => {
                let (text, path) = self.path();
                let call: Eval = Rc::new(move |w, _| {
                    w.invoke(caps::FILE_READ, method::STAT, vec![path.clone()])
                });
                if self.cx.errs.contains(&0) {
                    self.fails = true;
                    return Some(E::new(
                        format!("FileRead.stat({text})?.size"),
                        level::ATOM,
                        call,
                    ));
                }
                let fallback = self.placed(&Ty::Int, 0);
                let fe = fallback.eval.clone();
                Some(E::new(
                    format!(
                        "(FileRead.stat({text}) else Stat({}, false)).size",
                        fallback.text
                    ),
                    level::ATOM,
                    Rc::new(move |w, f| match call(w, f) {
                        Err(Stop::Raise(_)) => fe(w, f),
                        other => other,
                    }),
                ))
            }
            Ty::List(t) if read && **t == Ty::Str && self.cx.errs.contains(&0) => {
                let dir = self.rng.pick(&["d", "w", "nope"]);
                self.fails = true;
                Some(E::new(
                    format!("FileRead.list(\"{dir}\")?.map(fn(e) => e.name)"),
                    level::ATOM,
                    Rc::new(move |w, _| {
                        w.invoke(caps::FILE_READ, method::LIST, vec![str_val(dir)])
                    }),
                ))
            }
            Ty::List(t) if read && **t == Ty::Byte => {
                let (text, path) = self.path();
                let call: Eval = Rc::new(move |w, _| {
                    let text = w.invoke(caps::FILE_READ, method::READ_BYTES, vec![path.clone()])?;
                    Ok(list_val(text_of(&text).bytes().map(Val::Byte).collect()))
                });
                self.io_call(format!("FileRead.read_bytes({text})"), call, ty, d)
            }
            Ty::Opt(t) if **t == Ty::Str && self.cx.has(caps::ENV) => {
                let name = self.rng.pick(&["HOME", "EMPTY", "LANG", "NONE", ""]);
                Some(E::new(
                    format!("Env.get(\"{name}\")"),
                    level::ATOM,
                    Rc::new(move |w, _| w.invoke(caps::ENV, 0, vec![str_val(name)])),
                ))
            }
            Ty::Opt(t) if **t == Ty::Str && self.cx.has(caps::CONSOLE) => Some(E::new(
                "Console.read_line()",
                level::ATOM,
                Rc::new(|w, _| w.invoke(caps::CONSOLE, 2, Vec::new())),
            )),
            Ty::Int if self.cx.has(caps::CLOCK) => {
                type Part = fn(i64) -> i64;
                let (text, part): (&str, Part) = self.rng.pick(&[
                    ("Clock.now().millis", (|n| n) as Part),
                    ("Clock.today().year", |n| date(n).0),
                    ("Clock.today().month", |n| date(n).1),
                    ("Clock.now().date().day", |n| date(n).2),
                ]);
                let mut e = E::new(
                    text,
                    level::ATOM,
                    Rc::new(move |w, _| {
                        let n = int_of(&w.invoke(caps::CLOCK, 0, Vec::new())?);
                        Ok(Val::Int(part(n)))
                    }),
                );
                e.bits = 45;
                Some(e)
            }
            Ty::Int if self.cx.has(caps::LOG) => Some(E::new(
                "Log.count()",
                level::ATOM,
                Rc::new(|w, _| w.invoke(caps::LOG, 1, Vec::new())),
            )),
            _ => None,
        }
    }

    /// A statement about files.
    pub(super) fn file_stmt(&mut self, d: u32) -> S {
        if self.cx.has(caps::FILE_WRITE) && self.rng.chance(55) {
            return self.write_stmt();
        }
        if self.cx.has(caps::FILE_READ) && self.rng.chance(40) {
            return self.handle_stmt();
        }
        if self.cx.has(caps::FILE_READ) && self.cx.has(caps::CONSOLE) {
            let ty = self.rng.pick(&[
                Ty::Str,
                Ty::Int,
                Ty::List(Rc::new(Ty::Byte)),
                Ty::List(Rc::new(Ty::Str)),
            ]);
            if let Some(e) = self.effect_expr(&ty, d.min(2)) {
                return self.print_of(&e.at(level::EITHER), e.eval);
            }
        }
        self.let_stmt()
    }

    /// A call without result that can fail: passed on, or looked at.
    fn ignoring(&mut self, call: Call) -> S {
        if self.cx.errs.contains(&0) && self.rng.chance(50) {
            self.fails = true;
            let eval = call.eval();
            return line(
                format!("{}?", call.text),
                Rc::new(move |w, f| eval(w, f).map(|_| ())),
            );
        }
        self.looked_at(call, "is_ok", true)
    }

    fn write_stmt(&mut self) -> S {
        let (text, path) = self.path();
        let (name, number) = self.rng.pick(&[
            ("write_text", method::WRITE_TEXT),
            ("write_text", method::WRITE_TEXT),
            ("append_text", method::APPEND_TEXT),
            ("write_bytes", method::WRITE_BYTES),
            ("remove", method::REMOVE),
            ("rename", method::RENAME),
        ]);
        let (args, second): (String, Option<Eval>) = match number {
            method::REMOVE => (text, None),
            method::RENAME => {
                let to = self.rng.pick(&["w/new.txt", "w/old.txt"]);
                (
                    format!("{text}, to = \"{to}\""),
                    Some(Rc::new(move |_, _| Ok(str_val(to)))),
                )
            }
            _ => {
                let e = self.shown(&Ty::Str, 2);
                let data = if number == method::WRITE_BYTES {
                    format!("{}.bytes()", e.at(level::ATOM))
                } else {
                    e.text
                };
                (format!("{text}, {data}"), Some(e.eval))
            }
        };
        self.ignoring(Call {
            text: format!("FileWrite.{name}({args})"),
            args: Rc::new(move |w, f| {
                let mut args = vec![path.clone()];
                if let Some(e) = &second {
                    args.push(e(w, f)?);
                }
                Ok(args)
            }),
            run: Rc::new(move |w, args| w.invoke(caps::FILE_WRITE, number, args)),
        })
    }

    /// An open file: read in pieces, closed at the end of its block.
    fn handle_stmt(&mut self) -> S {
        let (text, path) = self.path();
        let (file, part, out) = (self.name("file"), self.name("part"), self.name("parts"));
        let list = Ty::List(Rc::new(Ty::Int));
        let slot = self.bind(&out, &list, false);
        let n = 1 + self.rng.below(5);
        let deferred = self.rng.chance(60);
        let mut body = vec![format!("let {file} = FileRead.open({text})?")];
        if deferred {
            body.push("defer:".into());
            body.push(format!("    FileRead.close({file})"));
        }
        body.push("loop:".into());
        body.push(format!("    let {part} = FileRead.read({file}, {n})?"));
        body.push(format!("    {out}.push({part}.len())"));
        body.push(format!("    if {part}.is_empty(): break"));
        if !deferred {
            body.push(format!("FileRead.close({file})"));
        }
        let mut lines = vec![format!("let {out}: [int] = []"), "try:".into()];
        lines.extend(indent(&body));
        lines.push("catch e: IoError:".into());
        lines.push(format!("    {out}.push(-1)"));
        S::new(
            lines,
            Rc::new(move |w, f| {
                let parts = list_val(Vec::new());
                set(f, slot, parts.clone());
                let push = |n: i64| super::value::list_of(&parts).borrow_mut().push(Val::Int(n));
                let mut read = || -> Res<()> {
                    let text = w.invoke(caps::FILE_READ, method::OPEN, vec![path.clone()])?;
                    let mut left = text_of(&text).len();
                    loop {
                        w.invoke(caps::FILE_READ, method::READ, vec![path.clone()])?;
                        let k = n.min(left);
                        left -= k;
                        push(k as i64);
                        if k == 0 {
                            return Ok(());
                        }
                    }
                };
                match read() {
                    Err(Stop::Raise(_)) => {
                        push(-1);
                        Ok(())
                    }
                    other => other,
                }
            }),
        )
    }
}
