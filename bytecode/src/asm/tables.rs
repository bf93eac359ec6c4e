//! Everything of a package but code: manifest, types, interfaces, records, constants, entry.
//!
//! What must stay true: an alias stands for the place of its definition in its table, wherever it is used; a
//! number stands for itself, in range or not.

use super::lex::{Tok, Token};
use super::{AsmError, Assembly, Place};
use crate::joins::Joins;
use crate::module::*;
use std::collections::{HashMap, HashSet};

pub(super) type Result<T> = std::result::Result<T, AsmError>;

/// A table that references lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Table {
    Type,
    Nominal,
    Cap,
    Trait,
    Const,
    /// Imports, then functions.
    Function,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Table::Type => "type",
            Table::Nominal => "nominal type",
            Table::Cap => "capability",
            Table::Trait => "trait",
            Table::Const => "constant",
            Table::Function => "function",
        }
    }
}

/// Reads tokens.
pub(super) struct Parser<'a> {
    toks: Vec<Token<'a>>,
    pub(super) at: usize,
    /// Aliases of each package.
    aliases: Vec<HashMap<(Table, &'a str), u32>>,
    pub(super) bundle: Bundle,
    pub(super) places: Vec<Place>,
    /// Dependencies without a hash: package and place in its list.
    computed: HashSet<(usize, usize)>,
    /// Whether a function's head is being read, not an import.
    in_function: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn new(toks: Vec<Token<'a>>) -> Result<Self> {
        let aliases = aliases(&toks)?;
        Ok(Parser {
            toks,
            at: 0,
            aliases,
            bundle: Bundle::default(),
            places: Vec::new(),
            computed: HashSet::new(),
            in_function: false,
        })
    }

    pub(super) fn peek(&self) -> Option<&Token<'a>> {
        self.toks.get(self.at)
    }

    /// An error at the next token, or behind the last one if that begins another line.
    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        let before = self.at.checked_sub(1).and_then(|i| self.toks.get(i));
        match (self.peek(), before) {
            (Some(t), _) if !t.first => self.fail_at(self.at, message),
            (_, Some(before)) => Err(AsmError::new(before.line, before.end, message)),
            _ => self.fail_at(self.at, message),
        }
    }

    pub(super) fn fail_at<T>(&self, at: usize, message: impl Into<String>) -> Result<T> {
        let t = self.toks.get(at).or(self.toks.last());
        let (line, col) = t.map_or((1, 1), |t| (t.line, t.col));
        Err(AsmError::new(line, col, message))
    }

    /// The statement ends here: the next token begins a line.
    pub(super) fn end(&self) -> Result<()> {
        match self.peek() {
            Some(t) if !t.first => self.fail("expected the end of the line"),
            _ => Ok(()),
        }
    }

    pub(super) fn is(&self, c: char) -> bool {
        matches!(self.peek(), Some(t) if t.tok == Tok::Punct(c))
    }

    pub(super) fn eat(&mut self, c: char) -> bool {
        let yes = self.is(c);
        self.at += usize::from(yes);
        yes
    }

    pub(super) fn need(&mut self, c: char) -> Result<()> {
        if self.eat(c) {
            return Ok(());
        }
        let c = if c == '>' { "->".into() } else { c.to_string() };
        self.fail(format!("expected `{c}`"))
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(t) if t.tok == Tok::Word(word))
    }

    /// Takes the word if it stands on the same line.
    fn eat_word(&mut self, word: &str) -> bool {
        let yes = self.is_word(word) && self.peek().is_some_and(|t| !t.first);
        self.at += usize::from(yes);
        yes
    }

    pub(super) fn word(&mut self, what: &str) -> Result<&'a str> {
        match self.peek().map(|t| &t.tok) {
            Some(Tok::Word(w)) => {
                let w = *w;
                self.at += 1;
                Ok(w)
            }
            _ => self.fail(format!("expected {what}")),
        }
    }

    fn string(&mut self, what: &str) -> Result<String> {
        match self.peek().map(|t| &t.tok) {
            Some(Tok::Str(s)) => {
                let s = s.clone();
                self.at += 1;
                Ok(s)
            }
            _ => self.fail(format!("expected {what} in quotes")),
        }
    }

    /// The text of a number.
    pub(super) fn num_text(&mut self, what: &str) -> Result<&'a str> {
        match self.peek().map(|t| &t.tok) {
            Some(Tok::Num(n)) => {
                let n = *n;
                self.at += 1;
                Ok(n)
            }
            _ => self.fail(format!("expected {what}")),
        }
    }

    /// A whole number in this range.
    pub(super) fn number(&mut self, what: &str, min: i128, max: i128) -> Result<i128> {
        let at = self.at;
        let text = self.num_text(what)?;
        match integer(text) {
            Some(v) if (min..=max).contains(&v) => Ok(v),
            Some(_) => self.fail_at(at, format!("{what} is from {min} to {max}")),
            None => self.fail_at(at, format!("`{text}` is no whole number")),
        }
    }

    pub(super) fn u16(&mut self, what: &str) -> Result<u16> {
        Ok(self.number(what, 0, i128::from(u16::MAX))? as u16)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(self.number(what, 0, i128::from(u32::MAX))? as u32)
    }

    /// `%3` or `%name`.
    pub(super) fn reference(&mut self, table: Table) -> Result<u32> {
        let Some(Tok::Ref(name)) = self.peek().map(|t| &t.tok) else {
            let what = table.name();
            return self.fail(format!("expected a {what}, as `%3` or `%name`"));
        };
        let name = *name;
        let found = self
            .bundle
            .packages
            .len()
            .checked_sub(1)
            .and_then(|p| self.aliases.get(p))
            .and_then(|a| a.get(&(table, name)).copied());
        let value = match found {
            Some(v) => v,
            None if name.starts_with(|c: char| c.is_ascii_digit()) => match name.parse() {
                Ok(n) => n,
                Err(_) => return self.fail(format!("`%{name}` is no index")),
            },
            None => return self.fail(format!("no {} `%{name}` in this package", table.name())),
        };
        if value > u32::from(u16::MAX) && table != Table::Const {
            return self.fail(format!("index {value} does not fit 16 bits"));
        }
        self.at += 1;
        Ok(value)
    }

    pub(super) fn ix(&mut self, table: Table) -> Result<u16> {
        Ok(self.reference(table)? as u16)
    }

    /// Items in brackets, with commas between them.
    pub(super) fn list<T>(
        &mut self,
        [open, close]: [char; 2],
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.need(open)?;
        let mut out = Vec::new();
        while !self.eat(close) {
            if !out.is_empty() {
                self.need(',')?;
            }
            out.push(item(self)?);
        }
        Ok(out)
    }

    fn refs(&mut self, table: Table) -> Result<Vec<u16>> {
        self.list(['(', ')'], |p| p.ix(table))
    }

    /// `(params) -> ret`, then `uses (…)` and `raises (…)` unless empty.
    pub(super) fn sig(&mut self) -> Result<Sig> {
        let params = self.refs(Table::Type)?;
        self.need('>')?;
        let ret = self.ix(Table::Type)?;
        let mut sig = Sig {
            params,
            uses: Vec::new(),
            ret,
            errors: Vec::new(),
        };
        if self.eat_word("uses") {
            sig.uses = self.refs(Table::Cap)?;
        }
        if self.eat_word("raises") {
            sig.errors = self.refs(Table::Nominal)?;
        }
        Ok(sig)
    }

    /// `self`, the name of a dependency, or a number.
    fn package_ix(&mut self) -> Result<PackageIx> {
        match self.peek().map(|t| &t.tok) {
            Some(Tok::Word("self")) => {
                self.at += 1;
                Ok(0)
            }
            Some(Tok::Str(name)) => {
                let deps = self.bundle.packages.last().map(|p| p.deps.as_slice());
                let at = deps.unwrap_or(&[]).iter().position(|d| d.name == *name);
                match at.map(|i| u16::try_from(i + 1)) {
                    Some(Ok(i)) => {
                        self.at += 1;
                        Ok(i)
                    }
                    _ => self.fail("no dependency of that name above"),
                }
            }
            _ => self.u16("a package: `self`, a dependency's name or its number"),
        }
    }

    fn package(&mut self) -> Result<&mut Package> {
        match self.bundle.packages.last_mut() {
            Some(p) => Ok(p),
            None => Err(AsmError::new(1, 1, "no package")),
        }
    }

    pub(super) fn place(&mut self, line: u32, function: Option<usize>, pc: Option<u32>) {
        self.places.push(Place {
            line,
            package: self.bundle.packages.len().saturating_sub(1),
            function,
            pc,
        });
    }

    /// The whole text.
    pub(super) fn bundle(mut self) -> Result<Assembly> {
        while let Some(t) = self.peek() {
            let line = t.line;
            let at = self.at;
            let statement = self.word("a statement")?;
            if statement == "package" {
                let package = Package {
                    name: self.string("the package's name")?,
                    version: self.string("its version")?,
                    ..Package::default()
                };
                self.bundle.packages.push(package);
                self.place(line, None, None);
            } else if self.bundle.packages.is_empty() {
                let what = "a bundle begins with `package \"NAME\" \"VERSION\"`";
                return self.fail_at(at, what);
            } else {
                let is_function = matches!(statement, "fn" | "literal");
                if !is_function {
                    self.place(line, None, None);
                }
                self.statement(statement, line)?;
            }
            self.end()?;
        }
        self.compute_hashes()?;
        Ok(Assembly {
            bundle: self.bundle,
            places: self.places,
        })
    }

    /// The optional `%name =` of a definition.
    fn definition(&mut self, table: Table) -> Result<()> {
        self.defined(table)?;
        self.need('=')
    }

    /// The optional `%name`, which must stand for this place in the table.
    fn defined(&mut self, table: Table) -> Result<()> {
        let Some(Tok::Ref(_)) = self.peek().map(|t| &t.tok) else {
            return Ok(());
        };
        let at = self.at;
        let named = self.reference(table)?;
        let last = self.bundle.packages.last();
        let place = last.map_or(0, |p| match table {
            Table::Type => p.types.len(),
            Table::Nominal => p.nominals.len(),
            Table::Cap => p.caps.len(),
            Table::Trait => p.traits.len(),
            Table::Const => p.consts.len(),
            Table::Function if self.in_function => p.imports.len() + p.functions.len(),
            Table::Function => p.imports.len(),
        });
        if named as usize != place {
            return self.fail_at(
                at,
                "imports stand before functions, each definition on a line of its own",
            );
        }
        Ok(())
    }

    fn statement(&mut self, statement: &str, line: u32) -> Result<()> {
        match statement {
            "dep" => {
                let name = self.string("the dependency's name")?;
                let hash = if self.eat_word("hash") {
                    let at = self.at;
                    let text = self.string("the hash")?;
                    match hash_bytes(&text) {
                        Some(h) => h,
                        None => return self.fail_at(at, "a hash is 64 hexadecimal digits"),
                    }
                } else {
                    if !self.bundle.packages.iter().any(|p| p.name == name) {
                        return self.fail_at(
                            self.at.saturating_sub(1),
                            "no package of that name above; give its hash: `dep \"NAME\" hash \"…\"`",
                        );
                    }
                    let package = self.bundle.packages.len().saturating_sub(1);
                    let dep = self.package()?.deps.len();
                    self.computed.insert((package, dep));
                    [0; 32]
                };
                self.package()?.deps.push(Dep { name, hash });
            }
            "input" => {
                let name = self.string("the input's name")?;
                if !self.eat_word("hash") {
                    return self.fail_at(self.at, "`input \"NAME\" hash \"…\"`");
                }
                let at = self.at;
                let text = self.string("the hash")?;
                let Some(hash) = hash_bytes(&text) else {
                    return self.fail_at(at, "a hash is 64 hexadecimal digits");
                };
                self.package()?.inputs.push(Input { name, hash });
            }
            "type" => {
                self.definition(Table::Type)?;
                let ty = self.ty()?;
                self.package()?.types.push(ty);
            }
            "nominal" => {
                self.definition(Table::Nominal)?;
                let package = self.package_ix()?;
                let name = self.string("the type's name")?;
                let kind = self.nominal_kind()?;
                let n = Nominal {
                    package,
                    name,
                    kind,
                };
                self.package()?.nominals.push(n);
            }
            "cap" => {
                self.definition(Table::Cap)?;
                let package = self.package_ix()?;
                let name = self.string("the capability's name")?;
                let parent = match self.eat_word("parent") {
                    true => Some(self.ix(Table::Cap)?),
                    false => None,
                };
                let methods = self.list(['{', '}'], Self::method)?;
                let c = Cap {
                    package,
                    name,
                    parent,
                    methods,
                };
                self.package()?.caps.push(c);
            }
            "trait" => {
                self.definition(Table::Trait)?;
                let package = self.package_ix()?;
                let name = self.string("the trait's name")?;
                let methods = self.list(['{', '}'], Self::method)?;
                let t = Trait {
                    package,
                    name,
                    methods,
                };
                self.package()?.traits.push(t);
            }
            "impl" => {
                let ty = self.ix(Table::Nominal)?;
                let interface = match self.word("`trait` or `cap`")? {
                    "trait" => Interface::Trait(self.ix(Table::Trait)?),
                    "cap" => Interface::Cap(self.ix(Table::Cap)?),
                    _ => return self.fail_at(self.at - 1, "expected `trait` or `cap`"),
                };
                let methods = self.refs(Table::Function)?;
                let i = Impl {
                    ty,
                    interface,
                    methods,
                };
                self.package()?.impls.push(i);
            }
            "import" => {
                self.definition(Table::Function)?;
                let package = self.package_ix()?;
                let name = self.string("the function's name")?;
                let sig = self.sig()?;
                let i = Import { package, name, sig };
                self.package()?.imports.push(i);
            }
            "const" => {
                self.definition(Table::Const)?;
                let c = self.constant()?;
                self.package()?.consts.push(c);
            }
            "file" => {
                let name = self.string("the file's name")?;
                self.package()?.files.push(name);
            }
            "entry" => {
                let function = self.ix(Table::Function)?;
                let paths = Vec::new();
                self.package()?.entry = Some(Entry { function, paths });
            }
            "path" => {
                let path = self.list(['(', ')'], |p| p.string("a step of the path"))?;
                match &mut self.package()?.entry {
                    Some(e) => e.paths.push(path),
                    None => return self.fail("`path` stands behind `entry`"),
                }
            }
            "fn" => self.function(FnKind::Named, line)?,
            "literal" => self.function(FnKind::Literal, line)?,
            other => {
                let what = format!(
                    "`{other}` is no statement; there are package, dep, type, nominal, cap, trait, impl, import, const, file, entry, path, fn, literal"
                );
                return self.fail_at(self.at - 1, what);
            }
        }
        Ok(())
    }

    /// A function's `%name`, `"name"`, signature; the rest is code's.
    pub(super) fn function_head(&mut self, kind: FnKind) -> Result<Function> {
        self.in_function = true;
        self.defined(Table::Function)?;
        self.in_function = false;
        Ok(Function {
            name: self.string("the function's name")?,
            kind,
            sig: self.sig()?,
            captures: Vec::new(),
            regs: Vec::new(),
            code: Vec::new(),
            joins: Joins::default(),
            lines: Vec::new(),
        })
    }

    fn ty(&mut self) -> Result<Type> {
        Ok(match self.word("a type")? {
            "unit" => Type::Unit,
            "bool" => Type::Bool,
            "byte" => Type::Byte,
            "char" => Type::Char,
            "int" => Type::Int,
            "float" => Type::Float,
            "string" => Type::Str,
            "env" => Type::Env,
            "list" => Type::List(self.ix(Table::Type)?),
            "tuple" => Type::Tuple(self.refs(Table::Type)?),
            "nominal" => Type::Nominal(self.ix(Table::Nominal)?),
            "cap" => Type::Cap(self.ix(Table::Cap)?),
            "dyn" => Type::Dyn(self.ix(Table::Trait)?),
            "errors" => Type::ErrorSet(self.refs(Table::Nominal)?),
            "own" => Type::Fn(self.sig()?),
            "borrowed" => Type::BorrowedFn(self.sig()?),
            other => {
                let what = format!(
                    "`{other}` is no type; there are unit, bool, byte, char, int, float, string, env, list, tuple, nominal, cap, dyn, errors, own, borrowed"
                );
                return self.fail_at(self.at - 1, what);
            }
        })
    }

    fn field(&mut self) -> Result<Field> {
        let mutable = self.is_word("mut");
        self.at += usize::from(mutable);
        Ok(Field {
            name: self.string("the field's name")?,
            ty: self.ix(Table::Type)?,
            mutable,
        })
    }

    fn variant(&mut self) -> Result<Variant> {
        Ok(Variant {
            name: self.string("the variant's name")?,
            fields: self.list(['{', '}'], Self::field)?,
        })
    }

    fn nominal_kind(&mut self) -> Result<NominalKind> {
        Ok(match self.word("`struct`, `enum`, `error` or `handle`")? {
            "struct" => NominalKind::Struct(self.list(['{', '}'], Self::field)?),
            "enum" => NominalKind::Enum(self.list(['{', '}'], Self::variant)?),
            "error" => NominalKind::Error(self.list(['{', '}'], Self::variant)?),
            "handle" => NominalKind::Handle,
            _ => {
                return self.fail_at(
                    self.at - 1,
                    "expected `struct`, `enum`, `error` or `handle`",
                );
            }
        })
    }

    fn method(&mut self) -> Result<Method> {
        Ok(Method {
            name: self.string("the method's name")?,
            sig: self.sig()?,
        })
    }

    fn constant(&mut self) -> Result<Const> {
        Ok(match self.word("`int`, `float` or `string`")? {
            "int" => {
                let v = self.number("an int", i128::from(i64::MIN), i128::from(i64::MAX))?;
                Const::Int(v as i64)
            }
            "float" => {
                let at = self.at;
                let text = self.num_text("a float, or its bits as `0x…`")?;
                let value = match text.strip_prefix("0x") {
                    Some(hex) => u64::from_str_radix(hex, 16).ok(),
                    None => text.parse::<f64>().ok().map(f64::to_bits),
                };
                match value {
                    Some(bits) => Const::Float(bits),
                    None => return self.fail_at(at, "expected a float, or its bits as `0x…`"),
                }
            }
            "string" => Const::Str(self.string("the string")?),
            _ => return self.fail_at(self.at - 1, "expected `int`, `float` or `string`"),
        })
    }

    /// Dependencies without hash get that of the package of that name that stands before.
    fn compute_hashes(&mut self) -> Result<()> {
        let mut known: HashMap<String, [u8; 32]> = HashMap::new();
        for (i, p) in self.bundle.packages.iter_mut().enumerate() {
            for (k, d) in p.deps.iter_mut().enumerate() {
                if self.computed.contains(&(i, k)) {
                    d.hash = known.get(&d.name).copied().unwrap_or([0; 32]);
                }
            }
            if !self.computed.is_empty() {
                let hash = crate::format::package_hash(p)
                    .map_err(|e| AsmError::new(1, 1, format!("package `{}`: {e}", p.name)))?;
                known.insert(p.name.clone(), hash);
            }
        }
        Ok(())
    }
}

pub(super) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16).ok()?,
        None => digits.parse::<i128>().ok()?,
    };
    Some(if negative { -value } else { value })
}

fn hash_bytes(text: &str) -> Option<[u8; 32]> {
    let mut out = [0u8; 32];
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(i * 2..i * 2 + 2)?, 16).ok()?;
    }
    Some(out)
}

/// The places of all definitions, by package. A numeric name must be the place itself.
fn aliases<'a>(toks: &[Token<'a>]) -> Result<Vec<HashMap<(Table, &'a str), u32>>> {
    let mut out: Vec<HashMap<(Table, &'a str), u32>> = Vec::new();
    let mut imports: Vec<u32> = Vec::new();
    // Imports come first in the table of functions, wherever they stand in the text.
    for t in toks.iter().filter(|t| t.first) {
        match (&t.tok, imports.last_mut()) {
            (Tok::Word("package"), _) => imports.push(0),
            (Tok::Word("import"), Some(n)) => *n += 1,
            _ => {}
        }
    }
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for (i, t) in toks.iter().enumerate().filter(|(_, t)| t.first) {
        let Tok::Word(word) = t.tok else { continue };
        let table = match word {
            "package" => {
                out.push(HashMap::new());
                counts.clear();
                continue;
            }
            "type" => Table::Type,
            "nominal" => Table::Nominal,
            "cap" => Table::Cap,
            "trait" => Table::Trait,
            "const" => Table::Const,
            "import" | "fn" | "literal" => Table::Function,
            _ => continue,
        };
        if toks.get(i + 1).is_some_and(|t| t.tok == Tok::Punct(':')) {
            continue; // A label.
        }
        let key = if word == "literal" { "fn" } else { word };
        let count = counts.entry(key).or_insert(0);
        let skip = imports.get(out.len().saturating_sub(1)).copied();
        let base = if key == "fn" { skip.unwrap_or(0) } else { 0 };
        let place = base + *count;
        *count += 1;
        let (Some(names), Some(next)) = (out.last_mut(), toks.get(i + 1)) else {
            continue;
        };
        let Tok::Ref(name) = next.tok else { continue };
        let fail = |what: String| Err(AsmError::new(next.line, next.col, what));
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            if name.parse() != Ok(place) {
                return fail(format!("this {} has number {place}", table.name()));
            }
        } else if names.insert((table, name), place).is_some() {
            return fail(format!("`%{name}` is defined twice"));
        }
    }
    Ok(out)
}
