//! What the generator knows while it writes: types, names in scope, and for each piece of text the function that
//! computes what it has to do.

use super::rng::Rng;
use super::value::{Callable, Cap, Res, Stop, Val, World, equal, str_val};
use std::cell::RefCell;
use std::rc::Rc;

/// A type of a generated program.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum Ty {
    Unit,
    Int,
    Float,
    Bool,
    Char,
    Byte,
    Str,
    Tuple(Vec<Ty>),
    List(Rc<Ty>),
    Map(Rc<Ty>, Rc<Ty>),
    Set(Rc<Ty>),
    Opt(Rc<Ty>),
    Struct(usize),
    Enum(usize),
    /// An object of the trait `Score`.
    Dyn,
    /// The generic struct `Cell[T]`.
    Cell(Rc<Ty>),
    /// `T` of the generic function around.
    Param,
    /// An object of the program's own trait.
    Object,
    /// A storable function.
    Fun(Vec<Ty>, Rc<Ty>),
    /// A storable function with authority or errors.
    Act(Rc<Act>),
}

/// The type of a storable function that says more than parameters and result.
#[derive(Clone, PartialEq, Debug)]
pub struct Act {
    /// Parameters.
    pub ps: Vec<Ty>,
    /// Result.
    pub ret: Ty,
    /// Whether its caller hands it `Console`.
    pub console: bool,
    /// Errors, as numbers of enums.
    pub errs: Vec<usize>,
}

/// Registers of a call, by slot.
pub type Frame = Rc<RefCell<Vec<Val>>>;
/// Computes an expression.
pub type Eval = Rc<dyn Fn(&mut World, &Frame) -> Res<Val>>;
/// Carries out a statement.
pub type Exec = Rc<dyn Fn(&mut World, &Frame) -> Res<()>>;

/// An expression: its text, how tightly it binds (0 tightest), what it does.
#[derive(Clone)]
pub struct E {
    /// Text on one line.
    pub text: String,
    /// Level of its operator in the table of operators.
    pub level: u8,
    /// What it computes.
    pub eval: Eval,
    /// For an integer: its magnitude is below 2 to this.
    pub bits: u8,
}

/// Levels of operators, tightest first.
#[allow(missing_docs)]
pub mod level {
    pub const ATOM: u8 = 0;
    pub const UNARY: u8 = 1;
    pub const POW: u8 = 2;
    pub const MUL: u8 = 3;
    pub const ADD: u8 = 4;
    pub const SHIFT: u8 = 5;
    pub const AND: u8 = 6;
    pub const XOR: u8 = 7;
    pub const OR: u8 = 8;
    pub const RANGE: u8 = 9;
    pub const COMPARE: u8 = 10;
    pub const NOT: u8 = 11;
    pub const BOTH: u8 = 12;
    pub const EITHER: u8 = 13;
    pub const ELSE: u8 = 14;
    pub const OPEN: u8 = 20;
}

impl E {
    /// An expression of unknown magnitude.
    pub fn new(text: impl Into<String>, level: u8, eval: Eval) -> E {
        E {
            text: text.into(),
            level,
            eval,
            bits: 64,
        }
    }

    /// A value as it is written.
    pub fn value(text: impl Into<String>, level: u8, v: Val) -> E {
        E::new(text, level, Rc::new(move |_, _| Ok(v.clone())))
    }

    /// The text where an operand may bind at most as loosely as `most`.
    pub fn at(&self, most: u8) -> String {
        // A brace would double the one of an f-string.
        if self.level <= most && !(self.text.starts_with('{') && most == level::EITHER) {
            self.text.clone()
        } else {
            format!("({})", self.text)
        }
    }
}

/// Evaluates the arguments of a call.
pub type Args = Rc<dyn Fn(&mut World, &Frame) -> Res<Vec<Val>>>;
/// Carries out a call.
pub type Run = Rc<dyn Fn(&mut World, Vec<Val>) -> Res<Val>>;

/// Carries out a call and gives its value or its error.
pub type Looked = Rc<dyn Fn(&mut World, &Frame) -> Res<Result<Val, Val>>>;

/// A call: what fails in its arguments is not its own failure.
#[derive(Clone)]
pub struct Call {
    /// Text, without what handles errors.
    pub text: String,
    /// Its arguments.
    pub args: Args,
    /// What it does.
    pub run: Run,
}

impl Call {
    /// A call as an expression that passes errors on.
    pub fn eval(&self) -> Eval {
        let (args, run) = (self.args.clone(), self.run.clone());
        Rc::new(move |w, f| {
            let args = args(w, f)?;
            run(w, args)
        })
    }

    /// A call looked at as a result.
    pub fn result(&self) -> Looked {
        let (args, run) = (self.args.clone(), self.run.clone());
        Rc::new(move |w, f| {
            let args = args(w, f)?;
            match run(w, args) {
                Ok(v) => Ok(Ok(v)),
                Err(Stop::Raise(e)) => Ok(Err(e)),
                Err(stop) => Err(stop),
            }
        })
    }
}

/// A statement: lines relative to its block, and what they do.
#[derive(Clone)]
pub struct S {
    /// Lines without the block's indentation.
    pub lines: Vec<String>,
    /// What they do.
    pub exec: Exec,
}

/// A name in scope.
#[derive(Clone)]
pub struct Var {
    /// Name.
    pub name: String,
    /// Type.
    pub ty: Ty,
    /// Where its value is.
    pub slot: usize,
    /// Whether it may be assigned.
    pub mutable: bool,
    /// Whether it is a borrowed function.
    pub borrowed: bool,
    /// Whether it is a part of an attenuator: nothing that is stored captures it.
    pub second: bool,
    /// Magnitude, as for expressions.
    pub bits: u8,
    /// Whether it counts a loop: nobody else assigns it.
    pub counter: bool,
}

impl Var {
    /// Whether a function that is stored may capture it.
    pub fn fixed(&self) -> bool {
        !(self.mutable || self.borrowed || self.second)
    }
}

/// A field.
#[derive(Clone)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Type.
    pub ty: Ty,
    /// Whether it may be assigned.
    pub mutable: bool,
    /// What it is unless given.
    pub default: Option<E>,
}

/// A struct.
#[derive(Clone)]
pub struct StructDef {
    /// Name and field names.
    pub shape: Rc<(String, Vec<String>)>,
    /// Fields.
    pub fields: Vec<Field>,
    /// Whether it derives `Ord`.
    pub ord: bool,
    /// Whether it derives `Json`.
    pub json: bool,
}

/// An enum or error.
#[derive(Clone)]
pub struct EnumDef {
    /// Name.
    pub name: String,
    /// Variants with their payload.
    pub variants: Vec<(String, Vec<(String, Ty)>)>,
    /// Whether it is an `error`.
    pub error: bool,
    /// Whether it derives `Ord`.
    pub ord: bool,
    /// Whether it derives `Json`.
    pub json: bool,
}

/// A function of the program.
#[derive(Clone)]
pub struct FnSig {
    /// Name.
    pub name: String,
    /// Number in the table of functions.
    pub id: usize,
    /// Parameters without `self`; the last ones may have defaults.
    pub params: Vec<(String, Ty, Option<E>)>,
    /// Result.
    pub ret: Ty,
    /// Errors, as numbers of enums.
    pub errs: Vec<usize>,
    /// Capabilities that it uses, a bit each (see [`caps`]).
    pub caps: u32,
    /// The type that it is a method of.
    pub of: Option<Ty>,
    /// Whether `T` stands in it.
    pub generic: bool,
    /// Whether its arguments have to show their types.
    pub shown: bool,
}

/// Makes a binding of an attenuator: fields, inner capability, console.
pub type MakeAttenuator = Rc<dyn Fn(Vec<Val>, Cap, Option<Cap>) -> Cap>;

/// A capability that the program declares, with a fake and an attenuator.
#[derive(Clone)]
pub struct OwnCap {
    /// Name.
    pub name: String,
    /// Methods, as functions that use it.
    pub sigs: Vec<FnSig>,
    /// The fake.
    pub fake: usize,
    /// Its methods; the fake is the first argument.
    pub fake_methods: Rc<RefCell<Vec<Callable>>>,
    /// Name of the attenuator.
    pub attenuator_name: String,
    /// Its fields that hold data.
    pub held: Vec<Ty>,
    /// Whether it holds a console.
    pub console: bool,
    /// Makes a binding.
    pub attenuator: Rc<RefCell<Option<MakeAttenuator>>>,
}

/// What is allowed at the place that is being written.
#[derive(Clone, Default)]
pub struct Cx {
    /// Errors that `?` and `raise` may give here.
    pub errs: Vec<usize>,
    /// Capabilities in scope, a bit each.
    pub caps: u32,
    /// Result of the function around; `None` inside of a literal.
    pub ret: Option<Ty>,
    /// Loops around: number and label.
    pub loops: Vec<(usize, Option<String>)>,
    /// Variables before this one may be mentioned only if they are fixed data.
    pub barrier: usize,
    /// The value of the expression has to show its type.
    pub infer: bool,
    /// No effects: no calls that print or change anything.
    pub pure: bool,
}

impl Cx {
    /// Whether a capability is in scope.
    pub fn has(&self, cap: usize) -> bool {
        self.caps >> cap & 1 == 1
    }

    /// Whether all of these are in scope.
    pub fn covers(&self, caps: u32) -> bool {
        caps & !self.caps == 0
    }

    /// Brings a capability into scope.
    pub fn allow(&mut self, cap: usize) {
        self.caps |= 1 << cap;
    }

    /// Takes one away.
    pub fn deny(&mut self, cap: usize) {
        self.caps &= !(1 << cap);
    }
}

/// The generator.
pub struct Gen {
    /// Choices.
    pub rng: Rng,
    /// Structs so far.
    pub structs: Vec<StructDef>,
    /// Enums and errors so far.
    pub enums: Vec<EnumDef>,
    /// Functions so far.
    pub sigs: Vec<FnSig>,
    /// What they do.
    pub table: Rc<RefCell<Vec<Option<Callable>>>>,
    /// Constants so far.
    pub consts: Vec<(String, Ty, Val)>,
    /// Names in scope.
    pub vars: Vec<Var>,
    /// Slots given out in this function.
    pub slots: usize,
    /// See [`Cx`].
    pub cx: Cx,
    /// Names given out.
    pub fresh: usize,
    /// Nodes that may still be written in this function.
    pub budget: i32,
    /// How `Score` values give their number: by type.
    pub scores: Rc<RefCell<Vec<(Ty, Callable)>>>,
    /// Whether what is being written can fail: `?` or `raise` was written.
    pub fails: bool,
    /// Errors that the next function literal may pass on.
    pub closure_errs: Vec<usize>,
    /// Whether `T` is a type here.
    pub in_generic: bool,
    /// The program's own trait, and the structs that implement it.
    pub objects: Option<(String, Vec<usize>)>,
    /// Capabilities of the program's own.
    pub own_caps: Vec<OwnCap>,
    /// Percentage of places where a trap is risked on purpose.
    pub risk: usize,
}

impl Gen {
    /// A new name.
    pub fn name(&mut self, stem: &str) -> String {
        self.fresh += 1;
        format!("{stem}{}", self.fresh)
    }

    /// A new slot.
    pub fn slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    /// Brings a new variable into scope.
    pub fn bind(&mut self, name: &str, ty: &Ty, mutable: bool) -> usize {
        let slot = self.slot();
        self.vars.push(Var {
            name: name.to_string(),
            ty: ty.clone(),
            slot,
            mutable,
            borrowed: false,
            second: false,
            bits: 64,
            counter: false,
        });
        slot
    }

    /// Variables that can be mentioned here.
    pub fn visible(&self, ty: &Ty) -> Vec<Var> {
        self.vars
            .iter()
            .enumerate()
            .filter(|(i, v)| &v.ty == ty && !v.borrowed && (*i >= self.cx.barrier || v.fixed()))
            .map(|(_, v)| v.clone())
            .collect()
    }

    /// How a type is written.
    pub fn ty_text(&self, ty: &Ty) -> String {
        match ty {
            Ty::Unit => "()".into(),
            Ty::Int => "int".into(),
            Ty::Float => "float".into(),
            Ty::Bool => "bool".into(),
            Ty::Char => "char".into(),
            Ty::Byte => "byte".into(),
            Ty::Str => "string".into(),
            Ty::Tuple(ts) => {
                let parts: Vec<String> = ts.iter().map(|t| self.ty_text(t)).collect();
                format!("({})", parts.join(", "))
            }
            Ty::List(t) => format!("[{}]", self.ty_text(t)),
            Ty::Map(k, v) => format!("Map[{}, {}]", self.ty_text(k), self.ty_text(v)),
            Ty::Set(t) => format!("Set[{}]", self.ty_text(t)),
            Ty::Opt(t) => format!("{}?", self.ty_text(t)),
            Ty::Struct(i) => self.structs[*i].shape.0.clone(),
            Ty::Enum(i) => self.enums[*i].name.clone(),
            Ty::Dyn => "Score".into(),
            Ty::Param => "T".into(),
            Ty::Object => self
                .objects
                .as_ref()
                .map_or_else(|| "Score".into(), |o| o.0.clone()),
            Ty::Cell(t) => format!("Cell[{}]", self.ty_text(t)),
            Ty::Fun(ps, r) => {
                let parts: Vec<String> = ps.iter().map(|t| self.ty_text(t)).collect();
                format!("fn({}) -> {}", parts.join(", "), self.ty_text(r))
            }
            Ty::Act(a) => {
                let parts: Vec<String> = a.ps.iter().map(|t| self.ty_text(t)).collect();
                let uses = if a.console { " uses Console" } else { "" };
                format!(
                    "fn({}) -> {}{uses}{}",
                    parts.join(", "),
                    self.ty_text(&a.ret),
                    self.errors_text(&a.errs)
                )
            }
        }
    }

    /// The text of a type as a function's result, where a function type needs parentheses.
    pub fn ret_text(&self, ty: &Ty) -> String {
        let text = self.ty_text(ty);
        if matches!(ty, Ty::Fun(..) | Ty::Act(_)) {
            format!("({text})")
        } else {
            text
        }
    }

    /// A type that can be a map's key.
    pub fn key_ty(&mut self) -> Ty {
        match self.rng.below(7) {
            6 => Ty::List(Rc::new(Ty::Int)),
            0 | 1 => Ty::Int,
            2 | 3 => Ty::Str,
            4 => Ty::Char,
            _ => Ty::Tuple(vec![Ty::Int, Ty::Str]),
        }
    }

    /// A data type.
    pub fn data_ty(&mut self, depth: u32) -> Ty {
        if self.in_generic && self.rng.chance(30) {
            return Ty::Param;
        }
        let n = if depth == 0 { 9 } else { 18 };
        match self.rng.below(n) {
            0..=3 => Ty::Int,
            4 => Ty::Bool,
            5 | 6 => Ty::Str,
            7 => Ty::Char,
            8 => {
                if self.rng.chance(50) {
                    Ty::Float
                } else {
                    Ty::Byte
                }
            }
            9 => {
                let k = 2 + self.rng.below(2);
                Ty::Tuple((0..k).map(|_| self.data_ty(depth - 1)).collect())
            }
            10 | 11 => Ty::List(Rc::new(self.data_ty(depth - 1))),
            12 => Ty::Map(Rc::new(self.key_ty()), Rc::new(self.data_ty(depth - 1))),
            13 => Ty::Set(Rc::new(self.key_ty())),
            14 => Ty::Opt(Rc::new(self.data_ty(depth - 1))),
            15 if !self.structs.is_empty() => Ty::Struct(self.rng.below(self.structs.len())),
            16 if !self.enums.is_empty() => Ty::Enum(self.rng.below(self.enums.len())),
            17 => Ty::Cell(Rc::new(self.data_ty(depth - 1))),
            _ => Ty::Int,
        }
    }

    /// Any type of a variable.
    pub fn any_ty(&mut self) -> Ty {
        match self.rng.below(18) {
            16 => self.act_ty(),
            0 => Ty::Fun(vec![self.data_ty(0)], Rc::new(self.data_ty(1))),
            1 => Ty::Fun(vec![Ty::Int, Ty::Int], Rc::new(Ty::Int)),
            2 => Ty::Dyn,
            3 => Ty::List(Rc::new(Ty::Dyn)),
            4 if self.objects.is_some() => Ty::Object,
            5 if self.objects.is_some() => Ty::List(Rc::new(Ty::Object)),
            _ => self.data_ty(2),
        }
    }

    /// Whether every part of the type satisfies `f`.
    fn every(&self, ty: &Ty, f: &dyn Fn(&Ty) -> bool) -> bool {
        f(ty)
            && match ty {
                Ty::Tuple(ts) => ts.iter().all(|t| self.every(t, f)),
                Ty::List(t) | Ty::Opt(t) | Ty::Set(t) | Ty::Cell(t) => self.every(t, f),
                Ty::Map(k, v) => self.every(k, f) && self.every(v, f),
                Ty::Struct(i) => self.structs[*i].fields.iter().all(|x| self.every(&x.ty, f)),
                Ty::Enum(i) => self.enums[*i]
                    .variants
                    .iter()
                    .all(|v| v.1.iter().all(|(_, t)| self.every(t, f))),
                _ => true,
            }
    }

    /// Whether it is an object or contains one: literals alone make them.
    pub fn has_object(&self, ty: &Ty) -> bool {
        !self.every(ty, &|t| !matches!(t, Ty::Dyn | Ty::Object))
    }

    /// Whether the value's text is the same here and there (floats are shown otherwise).
    pub fn showable(&self, ty: &Ty) -> bool {
        self.every(ty, &|t| {
            !matches!(
                t,
                Ty::Float | Ty::Fun(..) | Ty::Act(_) | Ty::Dyn | Ty::Object | Ty::Unit
            )
        })
    }

    /// Whether it has `Json`, and reads back as what was written.
    pub fn has_json(&self, ty: &Ty) -> bool {
        self.every(ty, &|t| match t {
            Ty::Int | Ty::Bool | Ty::Char | Ty::Byte | Ty::Str | Ty::List(_) | Ty::Set(_) => true,
            // `Some(None)` is written as `None` is.
            Ty::Opt(t) => !matches!(**t, Ty::Opt(_)),
            Ty::Tuple(ts) => ts.len() < 4,
            Ty::Map(k, _) => **k == Ty::Str,
            Ty::Struct(i) => self.structs[*i].json,
            Ty::Enum(i) => self.enums[*i].json,
            _ => false,
        })
    }

    /// Whether the type has `==`.
    pub fn has_eq(&self, ty: &Ty) -> bool {
        self.every(ty, &|t| {
            !matches!(t, Ty::Fun(..) | Ty::Act(_) | Ty::Dyn | Ty::Object)
        })
    }

    /// Whether the type has an order.
    pub fn has_ord(&self, ty: &Ty) -> bool {
        self.every(ty, &|t| match t {
            Ty::Int | Ty::Bool | Ty::Char | Ty::Byte | Ty::Str | Ty::Float => true,
            Ty::Tuple(_) | Ty::List(_) | Ty::Param => true,
            Ty::Struct(i) => self.structs[*i].ord,
            Ty::Enum(i) => self.enums[*i].ord,
            _ => false,
        })
    }

    /// A string literal of this text.
    pub fn quote(&mut self, s: &str) -> String {
        let mut out = String::from("\"");
        for c in s.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                c if c.is_ascii() || self.rng.chance(70) => out.push(c),
                c => out.push_str(&format!("\\u{{{:x}}}", c as u32)),
            }
        }
        out + "\""
    }

    /// A short text.
    pub fn word(&mut self) -> String {
        const PARTS: &[&str] = &[
            "a", "b", "z", "0", "7", " ", ",", "jet", "é", "ß", "日", "X", "Q", "-", "=", "\"",
            "\\", "\n", "{", "}",
        ];
        let n = self.rng.below(5);
        (0..n).map(|_| self.rng.pick(PARTS)).collect()
    }
}

/// A value by its place in a frame.
pub fn get(f: &Frame, slot: usize) -> Val {
    f.borrow().get(slot).cloned().unwrap_or(Val::Unit)
}

/// Puts a value into a frame.
pub fn set(f: &Frame, slot: usize, v: Val) {
    let mut f = f.borrow_mut();
    if f.len() <= slot {
        f.resize(slot + 1, Val::Unit);
    }
    f[slot] = v;
}

/// Puts a value under a key of a map.
pub fn map_set(m: &Rc<RefCell<Vec<(Val, Val)>>>, k: Val, v: Val) {
    let mut m = m.borrow_mut();
    match m.iter_mut().find(|(l, _)| equal(l, &k)) {
        Some(entry) => entry.1 = v,
        None => m.push((k, v)),
    }
}

/// A text that did not become too long.
pub fn short(s: String) -> Res<Val> {
    if s.len() > 3000 {
        return Err(Stop::TooLong);
    }
    Ok(str_val(&s))
}
