//! Whole programs: declarations, functions, `main`, and what running it has to print.

use super::core::{Cx, E, EnumDef, Exec, Field, FnSig, Gen, StructDef, Ty, get, set};
use super::rng::Rng;
use super::stmt::indent;
use super::value::{Callable, Res, Stop, Val, World, int_of, show, text_of};
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

/// A generated program.
#[derive(Clone, Debug)]
pub struct Program {
    /// Module name and text; `main` last.
    pub modules: Vec<(String, String)>,
    /// Standard output and ending, if the reference evaluator reached an end.
    pub expected: Option<(String, Ending)>,
}

const LIBRARY: &str = r#"struct Cell[T]:
    value: T
    mut reads: int = 0

    fn read(self) -> T:
        self.reads += 1
        return self.value

trait Score:
    fn score(self) -> int
    fn twice(self) -> int:
        return self.score() *% 2

impl Score for int:
    fn score(self) -> int:
        return self *% 31 +% 7

impl Score for string:
    fn score(self) -> int:
        return self.len()

impl[T: Score] Score for [T]:
    fn score(self) -> int:
        let mut sum = 0
        for x in self:
            sum = sum *% 3 +% x.score()
        return sum

fn choose[T](c: bool, a: T, b: T) -> T:
    if c:
        return a
    return b

fn apply[T, U](x: T, f: fn(T) -> U) -> U:
    return f(x)

fn score_of[T](x: T) -> int where T: Score:
    return x.score() ^ 5

fn bits(x: float) -> string:
    if x.is_nan():
        return "nan"
    return string(math.float_bits(x))

capability Log:
    fn note(s: string)
    fn count() -> int

struct Prefixed:
    prefix: string
    mut n: int = 0
    out: Console

impl Log for Prefixed:
    fn note(self, s: string):
        self.n += 1
        self.out.print(self.prefix + s)

    fn count(self) -> int:
        return self.n

capset Both = Console + Log

fn shout(s: string) uses Console:
    Console.print("! " + s)

struct Hook:
    go: fn(string) -> () uses Console

fn noted(s: string) uses Both:
    Console.write("")
    Log.note(s)

struct Item:
    mut id: int
    tags: [string]

capability Name:
    fn name() -> string

capability Shop: Name:
    fn items() -> [Item]
    fn door() -> File?
    fn take(item: Item)

struct Store:
    label: string
    held: [Item]
    out: Console

impl Shop for Store:
    fn name(self) -> string:
        return self.label

    fn items(self) -> [Item]:
        return self.held

    fn door(self) -> File?:
        return None

    fn take(self, item: Item):
        self.out.print(f"taking {item.id} {[item.tags[0]]}")
        self.held.push(item)

fn named() -> string uses Name:
    return Name.name()

fn shop(a: int, b: string) uses Console:
    let mine: [Item] = []
    with Shop = Store(b, mine, out = Console):
        let item = Item(a, [b])
        Shop.take(item)
        item.id = 0
        item.tags[0] = "mine"
        Shop.items().clear()
        Console.print(f"{Shop.items()} {Shop.items().len()} {Shop.name()}")
        Console.print(f"{[item]}")
        Shop.take(Item(5, ["c"]))
        with Name = Shop:
            Console.print(f"{Shop.items()[1].id + 1 + mine.len()} {named()}")

fn twice_noted(s: string) uses Log:
    Log.note(s)
    if Log.count() % 2 == 0:
        Log.note(s + s)
"#;

const LIBRARY_NAMES: &[&str] = &[
    "Cell",
    "Score",
    "choose",
    "apply",
    "score_of",
    "bits",
    "Log",
    "Prefixed",
    "twice_noted",
    "shop",
    "shout",
    "Hook",
    "noted",
];

/// The program of a seed.
pub fn program(seed: u64) -> Program {
    let mut g = Gen {
        rng: Rng::new(seed),
        structs: Vec::new(),
        enums: Vec::new(),
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
    };
    g.risk = g.rng.pick(&[0, 0, 0, 1, 3]);
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
        let note: Callable = Rc::new(|w, a| {
            let s = text_of(&a[0]);
            w.note(&s)?;
            let n = w.logs.last().map_or(0, |l| l.borrow().count);
            if n % 2 == 0 {
                w.note(&format!("{s}{s}"))?;
            }
            Ok(Val::Unit)
        });
        let id = self.declare(note);
        self.sigs.push(FnSig {
            name: "twice_noted".into(),
            id,
            params: vec![("s".into(), Ty::Str, None)],
            ret: Ty::Unit,
            errs: Vec::new(),
            console: false,
            log: true,
            of: None,
        });
        let mut body: Vec<String> = Vec::new();
        for _ in 0..2 + self.rng.below(4) {
            body.push(String::new());
            body.extend(self.fn_item());
        }
        if self.rng.chance(50) {
            body.push(String::new());
            body.extend(self.recursive_item());
        }
        let errs: Vec<usize> = if self.rng.chance(25) {
            (0..self.enums.len())
                .filter(|i| self.enums[*i].error)
                .collect()
        } else {
            Vec::new()
        };
        let (main, run) = self.main_item(&errs);
        body.push(String::new());
        body.extend(main);
        let split = self.rng.chance(35);
        let head = format!("import std.math\n\n{LIBRARY}\n{}\n", head.join("\n"));
        let body = format!("{}\n", body.join("\n"));
        let modules = if split {
            let mut names: Vec<String> = LIBRARY_NAMES.iter().map(|s| s.to_string()).collect();
            names.extend(self.structs.iter().map(|s| s.shape.0.clone()));
            names.extend(self.enums.iter().map(|e| e.name.clone()));
            names.extend(self.consts.iter().map(|c| c.0.clone()));
            let main = format!(
                "import std.math\nfrom shared import {}\n{body}",
                names.join(", ")
            );
            vec![("shared".to_string(), head), ("main".to_string(), main)]
        } else {
            vec![("main".to_string(), format!("{head}{body}"))]
        };
        Program {
            modules,
            expected: self.evaluate(&run),
        }
    }

    fn evaluate(&self, main: &Exec) -> Option<(String, Ending)> {
        let mut world = World {
            out: String::new(),
            steps: 6_000,
            fns: self.table.clone(),
            consoles: Vec::new(),
            logs: Vec::new(),
        };
        let frame = Rc::new(RefCell::new(Vec::new()));
        let ending = match main(&mut world, &frame) {
            Ok(()) | Err(Stop::Return(_)) => Ending::Done,
            Err(Stop::Raise(e)) => Ending::Failed(show(&e)),
            Err(Stop::Trap(kind)) => Ending::Trap(kind.to_string()),
            Err(_) => return None,
        };
        Some((world.out, ending))
    }

    fn declare(&mut self, f: Callable) -> usize {
        self.table.borrow_mut().push(Some(f));
        self.table.borrow().len() - 1
    }

    fn start_fn(&mut self, budget: i32) {
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
        let mut world = World {
            out: String::new(),
            steps: 10,
            fns: Rc::default(),
            consoles: Vec::new(),
            logs: Vec::new(),
        };
        let Ok(v) = (e.eval)(&mut world, &Rc::default()) else {
            return Vec::new();
        };
        let name = self.name("K");
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
        });
        let every = self.enums[at]
            .variants
            .iter()
            .all(|v| v.1.iter().all(|(_, t)| self.has_ord(t)));
        if every && self.rng.chance(60) {
            lines.push("derive Ord".into());
            self.enums[at].ord = true;
        }
        lines.push(format!("{} {name}:", if error { "error" } else { "enum" }));
        for (v, payload) in self.enums[at].variants.clone() {
            let args: Vec<String> = payload
                .iter()
                .map(|(n, t)| format!("{n}: {}", self.ty_text(t)))
                .collect();
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
        if ord {
            lines.push("derive Ord".into());
        }
        lines.push(format!("struct {name}:"));
        for f in &fields {
            let default = f
                .default
                .as_ref()
                .map_or(String::new(), |e| format!(" = {}", e.text));
            lines.push(format!(
                "    {}{}: {}{default}",
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
        let console = effects && self.rng.chance(35);
        let log = effects && self.rng.chance(15);
        let errs: Vec<usize> = if self.rng.chance(35) {
            (0..self.enums.len())
                .filter(|i| self.enums[*i].error)
                .take(1 + self.rng.below(2))
                .collect()
        } else {
            Vec::new()
        };
        let mut slots = Vec::new();
        if let Some(of) = &of {
            slots.push(self.bind("self", of, false));
        }
        for (n, t, _) in &params {
            slots.push(self.bind(n, t, false));
        }
        self.cx = Cx {
            errs: errs.clone(),
            console,
            log,
            ret: Some(ret.clone()),
            ..Cx::default()
        };
        let body = self.block(6, 3);
        let mut lines: Vec<String> = body.lines;
        let exec = body.exec;
        let last = if ret == Ty::Unit {
            E::value("()", 0, Val::Unit)
        } else {
            let e = self.placed(&ret, 3);
            lines.push(format!("return {}", e.text));
            e
        };
        let eval = last.eval;
        let run: Callable = Rc::new(move |w, args| {
            let f = Rc::default();
            for (s, v) in slots.iter().zip(args) {
                set(&f, *s, v);
            }
            match exec(w, &f) {
                Ok(()) => eval(w, &f),
                Err(Stop::Return(v)) => Ok(v),
                Err(stop) => Err(stop),
            }
        });
        let id = self.declare(run);
        let mut args: Vec<String> = of.iter().map(|_| "self".to_string()).collect();
        for (n, t, d) in &params {
            let d = d
                .as_ref()
                .map_or(String::new(), |e| format!(" = {}", e.text));
            args.push(format!("{n}: {}{d}", self.ty_text(t)));
        }
        let mut head = format!("fn {name}({})", args.join(", "));
        if ret != Ty::Unit {
            head += &format!(" -> {}", self.ret_text(&ret));
        }
        let uses: Vec<&str> = [("Console", console), ("Log", log)]
            .iter()
            .filter(|c| c.1)
            .map(|c| c.0)
            .collect();
        if !uses.is_empty() {
            head += &format!(" uses {}", uses.join(" + "));
        }
        head += &self.errors_text(&errs);
        self.sigs.push(FnSig {
            name,
            id,
            params,
            ret,
            errs,
            console,
            log,
            of,
        });
        let mut out = vec![format!("{head}:")];
        out.extend(indent(&lines));
        out
    }

    fn errors_text(&self, errs: &[usize]) -> String {
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
        let body = self.block(3, 2);
        let next = self.shown(&Ty::Int, 3);
        let (exec, eval) = (body.exec, next.eval);
        let run: Callable = Rc::new(move |w, args| {
            let f = Rc::default();
            set(&f, n, args[0].clone());
            set(&f, acc, args[1].clone());
            let left = int_of(&args[0]);
            if left <= 0 {
                return Ok(get(&f, acc));
            }
            match exec(w, &f) {
                Ok(()) => {}
                Err(Stop::Return(v)) => return Ok(v),
                Err(stop) => return Err(stop),
            }
            let next = eval(w, &f)?;
            let out = int_of(&w.call(id, vec![Val::Int(left - 1), next])?);
            Ok(Val::Int(out.wrapping_add(left)))
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
            console: false,
            log: false,
            of: None,
        });
        lines
    }

    fn main_item(&mut self, errs: &[usize]) -> (Vec<String>, Exec) {
        self.start_fn(150);
        self.cx = Cx {
            errs: errs.to_vec(),
            console: true,
            ret: Some(Ty::Unit),
            ..Cx::default()
        };
        let mut stmts = Vec::new();
        for _ in 0..6 + self.rng.below(10) {
            if self.budget > 0 {
                stmts.push(self.stmt(4));
            }
        }
        let mut lines = vec![format!("fn main() uses Console{}:", self.errors_text(errs))];
        let exec = super::stmt::run_all(&stmts);
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
        (lines, run)
    }
}
