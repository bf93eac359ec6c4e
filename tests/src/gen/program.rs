//! Whole programs: declarations, functions, `main`, and what running it has to print.

use super::core::{Cx, E, EnumDef, Exec, Field, FnSig, Gen, StructDef, Ty, get, set};
use super::rng::Rng;
use super::stmt::indent;
use super::value::{Callable, Res, Stop, Val, World, caps, int_of, show, text_of};
use std::cell::RefCell;
use std::rc::Rc;

/// How a program has to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `main` returns.
    Done,
    /// `main` returns this error.
    Failed(String),
    /// A trap of this kind.
    Trap(String),
}

/// What a run has to come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Files that may be written, if the program may.
    pub files: Option<Vec<(String, String)>>,
    /// The end.
    pub end: Ending,
}

/// A generated program.
#[derive(Clone, Debug)]
pub struct Program {
    /// Module name and text; `main` last.
    pub modules: Vec<(String, String)>,
    /// What `main` has to do, if the reference evaluator reached an end.
    pub expected: Option<Expected>,
    /// What each of its tests has to do.
    pub tests: Vec<Option<Expected>>,
}

/// The program of a seed.
pub fn program(seed: u64) -> Program {
    let mut g = Gen {
        rng: Rng::new(seed),
        structs: Vec::new(),
        // `IoError` is there without a declaration.
        enums: vec![super::library::io_error()],
        sigs: Vec::new(),
        table: Rc::default(),
        consts: Vec::new(),
        vars: Vec::new(),
        slots: 0,
        cx: Cx::default(),
        fresh: 0,
        budget: 0,
        scores: Rc::default(),
        risk: 0,
        fails: false,
        closure_errs: Vec::new(),
        in_generic: false,
        objects: None,
        own_caps: Vec::new(),
    };
    g.risk = g.rng.pick(&[0, 0, 0, 1, 3, 10]);
    g.whole()
}

impl Gen {
    fn whole(&mut self) -> Program {
        let mut head: Vec<String> = Vec::new();
        let int: Callable =
            Rc::new(|_, a| Ok(Val::Int(int_of(&a[0]).wrapping_mul(31).wrapping_add(7))));
        let text: Callable = Rc::new(|_, a| Ok(Val::Int(text_of(&a[0]).len() as i64)));
        self.scores.borrow_mut().push((Ty::Int, int.clone()));
        self.scores.borrow_mut().push((Ty::Str, text));
        let list: Callable = Rc::new(move |w, a| {
            let mut sum = 0i64;
            for x in super::value::items_of(&a[0]) {
                sum = sum.wrapping_mul(3).wrapping_add(int_of(&int(w, vec![x])?));
            }
            Ok(Val::Int(sum))
        });
        self.scores
            .borrow_mut()
            .push((Ty::List(Rc::new(Ty::Int)), list));
        for _ in 0..self.rng.below(4) {
            head.extend(self.const_item());
        }
        for i in 0..2 + self.rng.below(3) {
            let kind = if i < 2 { i } else { self.rng.below(4) };
            let lines = match kind {
                0 => self.enum_item(true),
                1 | 2 => self.struct_item(),
                _ => self.enum_item(false),
            };
            head.push(String::new());
            head.extend(lines);
        }
        super::library::declare(self);
        if self.rng.chance(50) {
            head.push(String::new());
            head.extend(self.own_cap_item());
        }
        if self.rng.chance(40) {
            head.push(String::new());
            head.extend(self.trait_item());
        }
        let mut body: Vec<String> = Vec::new();
        for _ in 0..2 + self.rng.below(4) {
            body.push(String::new());
            if self.rng.chance(25) {
                body.extend(self.generic_item());
            } else {
                body.extend(self.fn_item());
            }
        }
        if self.rng.chance(50) {
            body.push(String::new());
            body.extend(self.recursive_item());
        }
        let errs = if self.rng.chance(25) {
            self.errors()
        } else {
            Vec::new()
        };
        let mut granted = 1 << caps::CONSOLE;
        for (cap, percent) in [
            (caps::ENV, 20),
            (caps::FILE_READ, 12),
            (caps::FILE_WRITE, 5),
        ] {
            if self.rng.chance(percent) {
                granted |= 1 << cap;
            }
        }
        let (main, run) = self.main_item(&errs, granted);
        body.push(String::new());
        body.extend(main);
        let mut tests = Vec::new();
        if self.rng.chance(20) {
            for at in 0..1 + self.rng.below(2) {
                let (lines, expected) = self.test_item(at);
                body.push(String::new());
                body.extend(lines);
                tests.push(expected);
            }
        }
        let split = self.rng.chance(35);
        let head = head.join("\n");
        let body = format!("{}\n", body.join("\n"));
        let mut names: Vec<String> = self.structs.iter().map(|s| s.shape.0.clone()).collect();
        names.extend(self.enums.iter().skip(1).map(|e| e.name.clone()));
        names.extend(self.consts.iter().map(|c| c.0.clone()));
        names.extend(self.objects.iter().map(|o| o.0.clone()));
        names.extend(
            self.sigs
                .iter()
                .filter(|s| s.name.starts_with("via"))
                .map(|s| s.name.clone()),
        );
        names.dedup();
        for c in &self.own_caps {
            names.push(c.name.clone());
            names.push(c.attenuator_name.clone());
        }
        let expected = self.evaluate(&run, granted);
        Program {
            modules: super::library::modules(&mut self.rng, &head, &body, names, split),
            expected,
            tests,
        }
    }

    fn evaluate(&self, main: &Exec, granted: u32) -> Option<Expected> {
        let bindings = super::caps::granted(granted);
        let mut world = World::new(6_000, self.table.clone(), bindings);
        let frame = Rc::new(RefCell::new(Vec::new()));
        let end = match main(&mut world, &frame) {
            Ok(()) | Err(Stop::Return(_)) => Ending::Done,
            Err(Stop::Raise(e)) => Ending::Failed(show(&e)),
            Err(Stop::Trap(kind)) => Ending::Trap(kind.to_string()),
            Err(_) => return None,
        };
        let writes = granted >> caps::FILE_WRITE & 1 == 1;
        Some(Expected {
            out: world.out,
            err: world.err,
            files: writes.then(|| world.files.into_iter().collect()),
            end,
        })
    }

    pub(super) fn declare(&mut self, f: Callable) -> usize {
        self.table.borrow_mut().push(Some(f));
        self.table.borrow().len() - 1
    }

    pub(super) fn start_fn(&mut self, budget: i32) {
        self.vars.clear();
        self.slots = 0;
        self.cx = Cx::default();
        self.budget = budget;
    }

    fn const_item(&mut self) -> Vec<String> {
        self.start_fn(3);
        let ty = self
            .rng
            .pick(&[Ty::Int, Ty::Str, Ty::Bool, Ty::Float, Ty::Char]);
        let e = self.leaf(&ty);
        let mut world = World::new(10, Rc::default(), Rc::default());
        let Ok(v) = (e.eval)(&mut world, &Rc::default()) else {
            return Vec::new();
        };
        // A pattern can name it if a literal says what it is.
        let plain = !e.text.starts_with('K');
        let name = self.name(if plain { "K" } else { "KK" });
        let text = format!("const {name}: {} = {}", self.ty_text(&ty), e.text);
        self.consts.push((name, ty, v));
        vec![text]
    }

    fn enum_item(&mut self, error: bool) -> Vec<String> {
        self.start_fn(3);
        let stem = if error { "Err" } else { "Enum" };
        let name = self.name(stem);
        let mut variants = Vec::new();
        for i in 0..1 + self.rng.below(4) {
            let n = if self.rng.chance(45) {
                0
            } else {
                1 + self.rng.below(2)
            };
            let payload = (0..n).map(|k| (format!("a{k}"), self.data_ty(1))).collect();
            variants.push((format!("V{i}"), payload));
        }
        let mut lines = Vec::new();
        let at = self.enums.len();
        self.enums.push(EnumDef {
            name: name.clone(),
            variants,
            error,
            ord: false,
            json: false,
        });
        let every = self.enums[at]
            .variants
            .iter()
            .all(|v| v.1.iter().all(|(_, t)| self.has_ord(t)));
        let json = self.enums[at]
            .variants
            .iter()
            .all(|v| v.1.iter().all(|(_, t)| self.has_json(t)));
        let ord = every && self.rng.chance(60);
        let json = json && self.rng.chance(50);
        lines.extend(self.derives(ord, json));
        self.enums[at].ord = ord;
        self.enums[at].json = json;
        lines.push(format!("{} {name}:", if error { "error" } else { "enum" }));
        for (v, payload) in self.enums[at].variants.clone() {
            let args: Vec<String> = payload
                .iter()
                .map(|(n, t)| format!("{n}: {}", self.ty_text(t)))
                .collect();
            if self.rng.chance(5) {
                lines.push("    ## A variant.".into());
            }
            lines.push(if args.is_empty() {
                format!("    {v}")
            } else {
                format!("    {v}({})", args.join(", "))
            });
        }
        if !error {
            lines.extend(self.score_impl(&Ty::Enum(at)));
        }
        lines
    }

    fn derives(&mut self, ord: bool, json: bool) -> Vec<String> {
        match (ord, json) {
            (true, true) if self.rng.chance(50) => vec!["derive Ord, Json".into()],
            (true, true) => vec!["derive Json".into(), "derive Ord".into()],
            (true, false) => vec!["derive Ord".into()],
            (false, true) => vec!["derive Json".into()],
            (false, false) => Vec::new(),
        }
    }

    fn struct_item(&mut self) -> Vec<String> {
        self.start_fn(3);
        let name = self.name("Struct");
        let mut fields: Vec<Field> = Vec::new();
        let n = 1 + self.rng.below(4);
        for k in 0..n {
            let ty = self.data_ty(2);
            let mutable = self.rng.chance(50);
            let default = (k + 1 == n && self.rng.chance(50)).then(|| {
                self.cx = Cx::default();
                self.leaf(&ty)
            });
            fields.push(Field {
                name: format!("f{k}"),
                ty,
                mutable,
                default,
            });
        }
        let mut lines = Vec::new();
        let ord = fields.iter().all(|f| self.has_ord(&f.ty)) && self.rng.chance(60);
        let json = fields.iter().all(|f| self.has_json(&f.ty)) && self.rng.chance(50);
        lines.extend(self.derives(ord, json));
        lines.push(format!("struct {name}:"));
        for f in &fields {
            let default = f
                .default
                .as_ref()
                .map_or(String::new(), |e| format!(" = {}", e.text));
            if self.rng.chance(5) {
                lines.push("    ## A field.".into());
            }
            let public = if self.rng.chance(5) { "pub " } else { "" };
            lines.push(format!(
                "    {public}{}{}: {}{default}",
                if f.mutable { "mut " } else { "" },
                f.name,
                self.ty_text(&f.ty)
            ));
        }
        let at = self.structs.len();
        let names = fields.iter().map(|f| f.name.clone()).collect();
        self.structs.push(StructDef {
            shape: Rc::new((name, names)),
            fields,
            ord,
            json,
        });
        for _ in 0..self.rng.below(3) {
            let method = self.method(at);
            lines.push(String::new());
            lines.extend(indent(&method));
        }
        lines.extend(self.score_impl(&Ty::Struct(at)));
        lines
    }

    fn score_impl(&mut self, ty: &Ty) -> Vec<String> {
        self.start_fn(20);
        let slot = self.bind("self", ty, false);
        let e = self.shown(&Ty::Int, 3);
        let eval = e.eval;
        let run: Callable = Rc::new(move |w, args| {
            let f = Rc::default();
            for v in args {
                set(&f, slot, v);
            }
            eval(w, &f)
        });
        self.scores.borrow_mut().push((ty.clone(), run));
        vec![
            String::new(),
            format!("impl Score for {}:", self.ty_text(ty)),
            "    fn score(self) -> int:".into(),
            format!("        return {}", e.text),
        ]
    }

    fn params(&mut self) -> Vec<(String, Ty, Option<E>)> {
        let n = self.rng.below(4);
        let mut out: Vec<(String, Ty, Option<E>)> = Vec::new();
        for k in 0..n {
            if k + 1 < n && self.rng.chance(10) {
                let ty = Ty::Fun(vec![self.data_ty(0)], Rc::new(self.data_ty(1)));
                out.push((format!("a{k}"), ty, None));
                continue;
            }
            let ty = self.data_ty(2);
            let default = (k + 1 == n && self.rng.chance(40)).then(|| self.leaf(&ty));
            out.push((format!("a{k}"), ty, default));
        }
        out
    }

    fn method(&mut self, at: usize) -> Vec<String> {
        let of = Ty::Struct(at);
        let name = self.name("m");
        self.function(name, Some(of), false)
    }

    fn fn_item(&mut self) -> Vec<String> {
        let name = self.name("fun");
        self.function(name, None, true)
    }

    fn function(&mut self, name: String, of: Option<Ty>, effects: bool) -> Vec<String> {
        self.start_fn(60);
        let params = self.params();
        let ret = match self.rng.below(6) {
            0 => Ty::Unit,
            1 if of.is_none() => Ty::Fun(vec![Ty::Int, Ty::Int], Rc::new(Ty::Int)),
            _ => self.data_ty(2),
        };
        let mut mask = 0;
        if effects {
            for (cap, percent) in [
                (caps::CONSOLE, 35),
                (caps::LOG, 12),
                (caps::ENV, 5),
                (caps::FILE_READ, 5),
                (caps::FILE_WRITE, 3),
                (caps::CLOCK, 5),
            ] {
                if self.rng.chance(percent) {
                    mask |= 1 << cap;
                }
            }
            for k in 0..self.own_caps.len() {
                if self.rng.chance(25) {
                    mask |= 1 << (caps::OWN + k);
                }
            }
        }
        let errs = self.some_errors(35);
        let mut slots = Vec::new();
        if let Some(of) = &of {
            slots.push(self.bind("self", of, false));
        }
        for (n, t, _) in &params {
            slots.push(self.bind(n, t, false));
        }
        self.cx = Cx {
            errs: errs.clone(),
            caps: mask,
            ret: Some(ret.clone()),
            ..Cx::default()
        };
        let body = self.body_of(&ret, 6);
        let lines = body.lines.clone();
        let run = Self::callable_of(slots, body);
        let id = self.declare(run);
        let mut args: Vec<String> = of.iter().map(|_| "self".to_string()).collect();
        for (n, t, d) in &params {
            let d = d
                .as_ref()
                .map_or(String::new(), |e| format!(" = {}", e.text));
            let own = if matches!(t, Ty::Fun(..)) { "own " } else { "" };
            args.push(format!("{n}: {own}{}{d}", self.ty_text(t)));
        }
        let mut head = format!("fn {name}({})", args.join(", "));
        if ret != Ty::Unit {
            head += &format!(" -> {}", self.ret_text(&ret));
        }
        head += &self.uses_text(mask);
        head += &self.errors_text(&errs);
        self.sigs.push(FnSig {
            name,
            id,
            params,
            ret,
            errs,
            caps: mask,
            of,
            generic: false,
            shown: false,
        });
        let mut out = Vec::new();
        if self.rng.chance(10) {
            out.push("## What it does is nobody's guess.".into());
        }
        let public = if self.rng.chance(10) { "pub " } else { "" };
        out.push(format!("{public}{head}:"));
        out.extend(indent(&lines));
        out
    }

    pub(super) fn errors_text(&self, errs: &[usize]) -> String {
        if errs.is_empty() {
            return String::new();
        }
        let names: Vec<String> = errs.iter().map(|e| self.enums[*e].name.clone()).collect();
        format!(" ! {}", names.join(" | "))
    }

    /// A function that calls itself, with a count that goes down.
    fn recursive_item(&mut self) -> Vec<String> {
        self.start_fn(30);
        let name = self.name("rec");
        let id = self.declare(Rc::new(|_, _| Err(Stop::TooLong)));
        let (n, acc) = (
            self.bind("n", &Ty::Int, false),
            self.bind("acc", &Ty::Int, false),
        );
        self.cx = Cx {
            ret: Some(Ty::Int),
            ..Cx::default()
        };
        let body = self.stmts(3, 2);
        let next = self.shown(&Ty::Int, 3);
        let (exec, eval) = (body.exec, next.eval);
        let whole = super::stmt::scoped(Rc::new(move |w, f| {
            exec(w, f)?;
            let left = int_of(&get(f, n));
            let next = eval(w, f)?;
            let out = int_of(&w.call(id, vec![Val::Int(left - 1), next])?);
            Err(Stop::Return(Val::Int(out.wrapping_add(left))))
        }));
        let run: Callable = Rc::new(move |w, args| {
            let f = Rc::default();
            set(&f, n, args[0].clone());
            set(&f, acc, args[1].clone());
            if int_of(&args[0]) <= 0 {
                return Ok(get(&f, acc));
            }
            match whole(w, &f) {
                Ok(()) => Ok(Val::Unit),
                Err(Stop::Return(v)) => Ok(v),
                Err(stop) => Err(stop),
            }
        });
        self.table.borrow_mut()[id] = Some(run);
        let mut lines = vec![
            format!("fn {name}(n: int, acc: int) -> int:"),
            "    if n <= 0:".into(),
            "        return acc".into(),
        ];
        lines.extend(indent(&body.lines));
        lines.push(format!("    return {name}(n - 1, {}) +% n", next.text));
        // Others reach it with a small count only.
        let outer = self.name("down");
        let count = 1 + self.rng.below(7) as i64;
        let call: Callable =
            Rc::new(move |w, args| w.call(id, vec![Val::Int(count), args[0].clone()]));
        let outer_id = self.declare(call);
        lines.push(String::new());
        lines.push(format!("fn {outer}(x: int) -> int:"));
        lines.push(format!("    return {name}({count}, x)"));
        self.sigs.push(FnSig {
            name: outer,
            id: outer_id,
            params: vec![("x".into(), Ty::Int, None)],
            ret: Ty::Int,
            errs: Vec::new(),
            caps: 0,
            of: None,
            generic: false,
            shown: false,
        });
        lines
    }

    fn main_item(&mut self, errs: &[usize], granted: u32) -> (Vec<String>, Exec) {
        self.start_fn(120);
        self.cx = Cx {
            errs: errs.to_vec(),
            caps: granted,
            ret: Some(Ty::Unit),
            ..Cx::default()
        };
        let mut stmts = Vec::new();
        for _ in 0..4 + self.rng.below(9) {
            if self.budget > 0 {
                stmts.push(self.stmt(4));
            }
        }
        if granted >> caps::FILE_READ != 0 {
            stmts.push(self.file_stmt(3));
            stmts.push(self.file_stmt(3));
        }
        let uses = self.uses_text(granted);
        let args = if self.rng.chance(20) {
            "args: [string]"
        } else {
            ""
        };
        let mut lines = vec![format!("fn main({args}){uses}{}:", self.errors_text(errs))];
        let exec = super::stmt::in_order(&stmts);
        for s in stmts {
            lines.extend(indent(&s.lines));
        }
        // The state at the end.
        let mut prints: Vec<(String, usize)> = Vec::new();
        for v in self.vars.clone() {
            if !v.borrowed && self.showable(&v.ty) {
                lines.push(format!("    Console.print(f\"{} {{{}}}\")", v.name, v.name));
                prints.push((v.name, v.slot));
            }
        }
        lines.push("    Console.print(\"end\")".into());
        let run: Exec = Rc::new(move |w, f| {
            exec(w, f)?;
            for (name, slot) in &prints {
                w.write(&format!("{name} {}\n", show(&get(f, *slot))))?;
            }
            let done: Res<()> = w.write("end\n");
            done
        });
        (lines, super::stmt::scoped(run))
    }

    /// None, one or two errors.
    pub(super) fn some_errors(&mut self, percent: usize) -> Vec<usize> {
        if !self.rng.chance(percent) {
            return Vec::new();
        }
        let mut all = self.errors();
        if self.rng.chance(85) {
            // Errors of files are for those who speak of files.
            all.retain(|e| *e != 0);
        }
        let first = self.rng.pick(&all);
        let second = self.rng.pick(&all);
        if first == second || self.rng.chance(50) {
            return vec![first];
        }
        vec![first, second]
    }
}
