//! Values of the reference evaluator, with the equality, order and text that the language gives them.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::rc::Rc;

/// What ends the evaluation of an expression or statement early.
#[derive(Clone)]
pub enum Stop {
    /// A trap of this kind.
    Trap(&'static str),
    /// The error edge.
    Raise(Val),
    /// `return`.
    Return(Val),
    /// `break` out of the loop with this number.
    Break(usize),
    /// `continue` of the loop with this number.
    Continue(usize),
    /// The program does more than a test should: it is thrown away.
    TooLong,
}

/// What evaluation gives.
pub type Res<T> = Result<T, Stop>;

/// A function value.
pub type Callable = Rc<dyn Fn(&mut World, Vec<Val>) -> Res<Val>>;

/// A struct.
pub struct Object {
    /// Name and field names.
    pub shape: Rc<(String, Vec<String>)>,
    /// Fields.
    pub fields: RefCell<Vec<Val>>,
}

/// A value.
#[derive(Clone)]
pub enum Val {
    /// `()`.
    Unit,
    /// `int`.
    Int(i64),
    /// `float`.
    Float(f64),
    /// `bool`.
    Bool(bool),
    /// `char`.
    Char(char),
    /// `byte`.
    Byte(u8),
    /// `string`.
    Str(Rc<str>),
    /// A tuple.
    Tuple(Rc<Vec<Val>>),
    /// A list.
    List(Rc<RefCell<Vec<Val>>>),
    /// A map, in order of insertion.
    Map(Rc<RefCell<Vec<(Val, Val)>>>),
    /// A set, in order of insertion.
    Set(Rc<RefCell<Vec<Val>>>),
    /// `Some`, `None`.
    Opt(Option<Rc<Val>>),
    /// `Ok`, `Err`.
    Result(Result<Rc<Val>, Rc<Val>>),
    /// A struct.
    Object(Rc<Object>),
    /// A variant: its qualified name, its index, its payload.
    Variant(Rc<(String, usize, Vec<Val>)>),
    /// A function.
    Fun(Callable),
}

/// What is bound to a capability: its methods by number.
pub type Cap = Rc<dyn Fn(&mut World, usize, Vec<Val>) -> Res<Val>>;

/// The bindings in scope, by number of the capability (see [`caps`]).
pub type Bindings = Rc<Vec<Option<Cap>>>;

/// Numbers of capabilities.
#[allow(missing_docs)]
pub mod caps {
    pub const CONSOLE: usize = 0;
    pub const LOG: usize = 1;
    pub const FILE_READ: usize = 2;
    pub const FILE_WRITE: usize = 3;
    pub const ENV: usize = 4;
    pub const CLOCK: usize = 5;
    /// Capabilities that the program declares follow.
    pub const OWN: usize = 6;
}

/// What a program run by the reference evaluator changes.
pub struct World {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Lines of standard input that were read.
    pub lines: usize,
    /// Files that may be written, by path.
    pub files: std::collections::BTreeMap<String, String>,
    /// Steps left.
    pub steps: u32,
    /// Functions of the program.
    pub fns: Rc<RefCell<Vec<Option<Callable>>>>,
    /// Bindings in scope.
    pub bindings: Bindings,
    /// What `defer` put off, by block.
    pub deferred: Vec<Vec<super::core::Exec>>,
}

impl World {
    /// A world in which nothing happened yet.
    pub fn new(steps: u32, fns: Rc<RefCell<Vec<Option<Callable>>>>, bindings: Bindings) -> World {
        World {
            out: String::new(),
            err: String::new(),
            lines: 0,
            files: super::world::WRITABLE
                .iter()
                .map(|(n, t)| (n.to_string(), t.to_string()))
                .collect(),
            steps,
            fns,
            bindings,
            deferred: Vec::new(),
        }
    }

    /// One step of work.
    pub fn tick(&mut self) -> Res<()> {
        self.steps = self.steps.checked_sub(1).ok_or(Stop::TooLong)?;
        Ok(())
    }

    /// What is bound to a capability.
    pub fn cap(&self, which: usize) -> Res<Cap> {
        let found = self.bindings.get(which).cloned().flatten();
        found.ok_or(Stop::TooLong)
    }

    /// Calls a method of what is bound.
    pub fn invoke(&mut self, which: usize, method: usize, args: Vec<Val>) -> Res<Val> {
        self.tick()?;
        let cap = self.cap(which)?;
        cap(self, method, args)
    }

    /// Runs with other bindings.
    pub fn under<T>(
        &mut self,
        bindings: Bindings,
        run: impl FnOnce(&mut World) -> Res<T>,
    ) -> Res<T> {
        let before = std::mem::replace(&mut self.bindings, bindings);
        let out = run(self);
        self.bindings = before;
        out
    }

    /// Runs with capabilities bound otherwise.
    pub fn with<T>(
        &mut self,
        new: Vec<(usize, Cap)>,
        run: impl FnOnce(&mut World) -> Res<T>,
    ) -> Res<T> {
        let mut bindings = (*self.bindings).clone();
        for (which, cap) in new {
            if bindings.len() <= which {
                bindings.resize(which + 1, None);
            }
            bindings[which] = Some(cap);
        }
        self.under(Rc::new(bindings), run)
    }

    /// `Console.write` on whatever is bound.
    pub fn write(&mut self, s: &str) -> Res<()> {
        self.invoke(caps::CONSOLE, 0, vec![str_val(s)]).map(|_| ())
    }

    /// Calls function number `id`.
    pub fn call(&mut self, id: usize, args: Vec<Val>) -> Res<Val> {
        self.tick()?;
        let f = self.fns.borrow()[id].clone().ok_or(Stop::TooLong)?;
        f(self, args)
    }
}

/// A copy that shares nothing changeable with the original; what was one inside of it stays one.
pub fn deep_copy(v: &Val) -> Val {
    fn copy(v: &Val, seen: &mut Vec<(usize, Val)>) -> Val {
        let address = match v {
            Val::List(x) | Val::Set(x) => Rc::as_ptr(x) as usize,
            Val::Map(x) => Rc::as_ptr(x) as usize,
            Val::Object(x) => Rc::as_ptr(x) as usize,
            _ => 0,
        };
        if let Some((_, done)) = seen.iter().find(|s| s.0 == address && address != 0) {
            return done.clone();
        }
        let out = match v {
            Val::List(xs) => {
                let out = list_val(Vec::new());
                seen.push((address, out.clone()));
                let parts: Vec<Val> = xs.borrow().iter().map(|x| copy(x, seen)).collect();
                *list_of(&out).borrow_mut() = parts;
                return out;
            }
            Val::Set(xs) => Val::Set(Rc::new(RefCell::new(
                xs.borrow().iter().map(|x| copy(x, seen)).collect(),
            ))),
            Val::Map(m) => {
                let out = Val::Map(Rc::default());
                seen.push((address, out.clone()));
                let parts: Vec<(Val, Val)> = m
                    .borrow()
                    .iter()
                    .map(|(k, x)| (copy(k, seen), copy(x, seen)))
                    .collect();
                *map_of(&out).borrow_mut() = parts;
                return out;
            }
            Val::Object(o) => {
                let out = Rc::new(Object {
                    shape: o.shape.clone(),
                    fields: RefCell::new(Vec::new()),
                });
                seen.push((address, Val::Object(out.clone())));
                let parts: Vec<Val> = o.fields.borrow().iter().map(|x| copy(x, seen)).collect();
                *out.fields.borrow_mut() = parts;
                return Val::Object(out);
            }
            Val::Tuple(xs) => Val::Tuple(Rc::new(xs.iter().map(|x| copy(x, seen)).collect())),
            Val::Opt(Some(x)) => opt_val(Some(copy(x, seen))),
            Val::Result(Ok(x)) => Val::Result(Ok(Rc::new(copy(x, seen)))),
            Val::Result(Err(x)) => Val::Result(Err(Rc::new(copy(x, seen)))),
            Val::Variant(x) => Val::Variant(Rc::new((
                x.0.clone(),
                x.1,
                x.2.iter().map(|y| copy(y, seen)).collect(),
            ))),
            other => other.clone(),
        };
        if address != 0 {
            seen.push((address, out.clone()));
        }
        out
    }
    copy(v, &mut Vec::new())
}

/// A string value.
pub fn str_val(s: &str) -> Val {
    Val::Str(Rc::from(s))
}

/// A list value.
pub fn list_val(xs: Vec<Val>) -> Val {
    Val::List(Rc::new(RefCell::new(xs)))
}

/// An option value.
pub fn opt_val(x: Option<Val>) -> Val {
    Val::Opt(x.map(Rc::new))
}

/// The integer.
pub fn int_of(v: &Val) -> i64 {
    match v {
        Val::Int(n) => *n,
        _ => unreachable!("the generator types its programs"),
    }
}

/// The boolean.
pub fn bool_of(v: &Val) -> bool {
    matches!(v, Val::Bool(true))
}

/// The text.
pub fn text_of(v: &Val) -> Rc<str> {
    match v {
        Val::Str(s) => s.clone(),
        _ => unreachable!("the generator types its programs"),
    }
}

/// The float.
pub fn float_of(v: &Val) -> f64 {
    match v {
        Val::Float(x) => *x,
        _ => unreachable!("the generator types its programs"),
    }
}

/// The elements of a list.
pub fn items_of(v: &Val) -> Vec<Val> {
    match v {
        Val::List(xs) | Val::Set(xs) => xs.borrow().clone(),
        _ => unreachable!("the generator types its programs"),
    }
}

/// The list's storage.
pub fn list_of(v: &Val) -> &Rc<RefCell<Vec<Val>>> {
    match v {
        Val::List(xs) | Val::Set(xs) => xs,
        _ => unreachable!("the generator types its programs"),
    }
}

/// The map's storage.
pub fn map_of(v: &Val) -> &Rc<RefCell<Vec<(Val, Val)>>> {
    match v {
        Val::Map(m) => m,
        _ => unreachable!("the generator types its programs"),
    }
}

/// The object.
pub fn object_of(v: &Val) -> &Rc<Object> {
    match v {
        Val::Object(o) => o,
        _ => unreachable!("the generator types its programs"),
    }
}

/// The option.
pub fn option_of(v: &Val) -> Option<Val> {
    match v {
        Val::Opt(o) => o.as_deref().cloned(),
        _ => unreachable!("the generator types its programs"),
    }
}

/// `==`.
pub fn equal(a: &Val, b: &Val) -> bool {
    let all =
        |x: &[Val], y: &[Val]| x.len() == y.len() && x.iter().zip(y).all(|(p, q)| equal(p, q));
    match (a, b) {
        (Val::Unit, Val::Unit) => true,
        (Val::Int(x), Val::Int(y)) => x == y,
        (Val::Float(x), Val::Float(y)) => x == y,
        (Val::Bool(x), Val::Bool(y)) => x == y,
        (Val::Char(x), Val::Char(y)) => x == y,
        (Val::Byte(x), Val::Byte(y)) => x == y,
        (Val::Str(x), Val::Str(y)) => x == y,
        (Val::Tuple(x), Val::Tuple(y)) => all(x, y),
        (Val::List(x), Val::List(y)) => all(&x.borrow(), &y.borrow()),
        (Val::Map(x), Val::Map(y)) => {
            let (x, y) = (x.borrow(), y.borrow());
            x.len() == y.len()
                && x.iter()
                    .all(|(k, v)| y.iter().any(|(l, w)| equal(k, l) && equal(v, w)))
        }
        (Val::Set(x), Val::Set(y)) => {
            let (x, y) = (x.borrow(), y.borrow());
            x.len() == y.len() && x.iter().all(|k| y.iter().any(|l| equal(k, l)))
        }
        (Val::Opt(x), Val::Opt(y)) => match (x, y) {
            (None, None) => true,
            (Some(x), Some(y)) => equal(x, y),
            _ => false,
        },
        (Val::Result(x), Val::Result(y)) => match (x, y) {
            (Ok(x), Ok(y)) | (Err(x), Err(y)) => equal(x, y),
            _ => false,
        },
        (Val::Object(x), Val::Object(y)) => all(&x.fields.borrow(), &y.fields.borrow()),
        (Val::Variant(x), Val::Variant(y)) => x.1 == y.1 && all(&x.2, &y.2),
        _ => false,
    }
}

/// `cmp`.
pub fn compare(a: &Val, b: &Val) -> Ordering {
    let all = |x: &[Val], y: &[Val]| {
        for (p, q) in x.iter().zip(y) {
            let o = compare(p, q);
            if o != Ordering::Equal {
                return o;
            }
        }
        x.len().cmp(&y.len())
    };
    match (a, b) {
        (Val::Int(x), Val::Int(y)) => x.cmp(y),
        (Val::Float(x), Val::Float(y)) => x.total_cmp(y),
        (Val::Bool(x), Val::Bool(y)) => x.cmp(y),
        (Val::Char(x), Val::Char(y)) => x.cmp(y),
        (Val::Byte(x), Val::Byte(y)) => x.cmp(y),
        (Val::Str(x), Val::Str(y)) => x.as_bytes().cmp(y.as_bytes()),
        (Val::Tuple(x), Val::Tuple(y)) => all(x, y),
        (Val::List(x), Val::List(y)) => all(&x.borrow(), &y.borrow()),
        (Val::Object(x), Val::Object(y)) => all(&x.fields.borrow(), &y.fields.borrow()),
        (Val::Variant(x), Val::Variant(y)) => x.1.cmp(&y.1).then_with(|| all(&x.2, &y.2)),
        _ => Ordering::Equal,
    }
}

/// Characters that change the direction of text.
fn deceives(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text of a value inside of another.
pub fn show_inner(v: &Val) -> String {
    match v {
        Val::Str(s) => {
            let mut out = String::from("\"");
            for c in s.chars() {
                match c {
                    '"' => out.push_str("\\\""),
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    c if c.is_control() || deceives(c) => {
                        out.push_str(&format!("\\u{{{:x}}}", c as u32))
                    }
                    c => out.push(c),
                }
            }
            out + "\""
        }
        Val::Char('\'') => String::from("'\\''"),
        Val::Char('\\') => String::from("'\\\\'"),
        Val::Char('\n') => String::from("'\\n'"),
        Val::Char('\r') => String::from("'\\r'"),
        Val::Char('\t') => String::from("'\\t'"),
        Val::Char(c) if c.is_control() || deceives(*c) => format!("'\\u{{{:x}}}'", *c as u32),
        Val::Char(c) => format!("'{c}'"),
        other => show(other),
    }
}

/// The text of a value.
pub fn show(v: &Val) -> String {
    let join = |xs: &[Val]| xs.iter().map(show_inner).collect::<Vec<_>>().join(", ");
    match v {
        Val::Unit => String::from("()"),
        Val::Int(n) => n.to_string(),
        // As Rust, but for the sign of a large exponent.
        Val::Float(x) => match format!("{x:?}").split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                format!("{digits}e+{exponent}")
            }
            _ => format!("{x:?}"),
        },
        Val::Bool(b) => b.to_string(),
        Val::Char(c) => c.to_string(),
        Val::Byte(b) => b.to_string(),
        Val::Str(s) => s.to_string(),
        Val::Tuple(xs) => format!("({})", join(xs)),
        Val::List(xs) => format!("[{}]", join(&xs.borrow())),
        Val::Set(xs) => format!("Set{{{}}}", join(&xs.borrow())),
        Val::Map(m) => {
            let parts: Vec<String> = m
                .borrow()
                .iter()
                .map(|(k, v)| format!("{}: {}", show_inner(k), show_inner(v)))
                .collect();
            format!("{{{}}}", parts.join(", "))
        }
        Val::Opt(None) => String::from("None"),
        Val::Opt(Some(x)) => format!("Some({})", show_inner(x)),
        Val::Result(Ok(x)) => format!("Ok({})", show_inner(x)),
        Val::Result(Err(x)) => format!("Err({})", show_inner(x)),
        Val::Object(o) => {
            let fields = o.fields.borrow();
            let parts: Vec<String> = o
                .shape
                .1
                .iter()
                .zip(fields.iter())
                .map(|(n, v)| format!("{n} = {}", show_inner(v)))
                .collect();
            format!("{}({})", o.shape.0, parts.join(", "))
        }
        Val::Variant(e) if e.2.is_empty() => e.0.clone(),
        Val::Variant(e) => format!("{}({})", e.0, join(&e.2)),
        Val::Fun(_) => String::from("fn"),
    }
}
