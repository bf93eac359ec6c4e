//! The shape of the syntax tree, read off its declarations, and trees read off their debug text: a form that is
//! added to the language is counted without a change here.

use std::collections::{BTreeMap, BTreeSet};

/// A value as `{:?}` writes it.
#[derive(Debug)]
pub enum Value<'t> {
    /// A word, number or literal.
    Atom(&'t str),
    /// `Name { field: value, … }`.
    Struct(&'t str, Vec<(&'t str, Value<'t>)>),
    /// `Name(value, …)`; the name of a tuple is empty.
    Tuple(&'t str, Vec<Value<'t>>),
    /// `[value, …]`.
    List(Vec<Value<'t>>),
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b',') {
            self.at += 1;
        }
    }

    fn quoted(&mut self) -> Value<'t> {
        let start = self.at;
        let quote = self.peek();
        self.at += 1;
        while self.at < self.text.len() && self.peek() != quote {
            self.at += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        Value::Atom(self.text.get(start..self.at).unwrap_or(""))
    }

    fn word(&mut self) -> &'t str {
        let start = self.at;
        while !matches!(
            self.peek(),
            0 | b' ' | b',' | b':' | b'{' | b'}' | b'(' | b')' | b'[' | b']'
        ) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or("")
    }

    fn many(&mut self, end: u8) -> Vec<Value<'t>> {
        let mut out = Vec::new();
        self.at += 1;
        loop {
            self.space();
            if self.peek() == end || self.peek() == 0 {
                self.at += 1;
                return out;
            }
            let before = self.at;
            out.push(self.value());
            if self.at == before {
                self.at += 1;
            }
        }
    }

    fn value(&mut self) -> Value<'t> {
        self.space();
        match self.peek() {
            b'"' | b'\'' => return self.quoted(),
            b'[' => return Value::List(self.many(b']')),
            b'(' => return Value::Tuple("", self.many(b')')),
            _ => {}
        }
        let name = self.word();
        if self.peek() == b'(' {
            return Value::Tuple(name, self.many(b')'));
        }
        if self.text[self.at..].starts_with(" {") {
            self.at += 2;
            let mut fields = Vec::new();
            loop {
                self.space();
                if self.peek() == b'}' || self.peek() == 0 {
                    self.at += 1;
                    return Value::Struct(name, fields);
                }
                let field = self.word();
                if self.peek() == b':' {
                    self.at += 1;
                }
                let before = self.at;
                fields.push((field, self.value()));
                if self.at == before {
                    self.at += 1;
                }
            }
        }
        // Places are written as numbers with colons.
        while self.peek() == b':' {
            self.at += 1;
            self.word();
        }
        Value::Atom(name)
    }
}

impl<'t> Value<'t> {
    /// Reads debug text on one line.
    pub fn parse(text: &'t str) -> Value<'t> {
        Reader { text, at: 0 }.value()
    }

    fn name(&self) -> &'t str {
        match self {
            Value::Atom(name) | Value::Struct(name, _) | Value::Tuple(name, _) => name,
            Value::List(_) => "",
        }
    }
}

enum Shape {
    Struct(Vec<(String, String)>),
    /// Variants with their parts: names are empty for those without.
    Enum(BTreeMap<String, Vec<(String, String)>>),
}

/// The types of the tree.
pub struct Schema {
    types: BTreeMap<String, Shape>,
}

/// A type without references and lifetimes.
fn plain(ty: &str) -> String {
    let mut out = ty.replace("&'a ", "").replace("<'a>", "").replace('&', "");
    out.retain(|c| c != ' ');
    out
}

fn field(line: &str) -> Option<(String, String)> {
    let line = line.trim().trim_end_matches(',');
    let (name, ty) = line.split_once(": ")?;
    Some((name.trim_start_matches("pub ").to_string(), plain(ty)))
}

fn inside<'t>(ty: &'t str, open: &str, close: &str) -> Option<&'t str> {
    ty.strip_prefix(open)?.strip_suffix(close)
}

impl Schema {
    /// Reads Rust sources as rustfmt leaves them.
    pub fn read(sources: &[&str]) -> Schema {
        let mut types = BTreeMap::new();
        for source in sources {
            let mut lines = source
                .lines()
                .filter(|l| !l.trim_start().starts_with("//") && !l.trim_start().starts_with('#'));
            while let Some(line) = lines.next() {
                let Some((kind, rest)) = ["pub struct ", "pub enum "]
                    .iter()
                    .find_map(|k| line.strip_prefix(k).map(|r| (*k, r)))
                else {
                    continue;
                };
                if !rest.ends_with('{') {
                    continue;
                }
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
                if kind == "pub struct " {
                    let body = lines.by_ref().take_while(|l| *l != "}");
                    types.insert(name, Shape::Struct(body.filter_map(field).collect()));
                    continue;
                }
                let mut variants = BTreeMap::new();
                while let Some(line) = lines.next().filter(|l| *l != "}") {
                    let line = line.trim().trim_end_matches(',');
                    if let Some(v) = line.strip_suffix(" {") {
                        let body = lines.by_ref().take_while(|l| l.trim() != "},");
                        variants.insert(v.to_string(), body.filter_map(field).collect());
                    } else if let Some((v, ty)) = line.split_once('(') {
                        let ty = plain(ty.trim_end_matches(')'));
                        variants.insert(v.to_string(), vec![(String::new(), ty)]);
                    } else if !line.is_empty() {
                        variants.insert(line.to_string(), Vec::new());
                    }
                }
                types.insert(name, Shape::Enum(variants));
            }
        }
        Schema { types }
    }

    /// Whether a part may be there or not.
    fn optional(ty: &str) -> bool {
        ty == "bool" || ty.starts_with("Option<") || ty.starts_with('[')
    }

    /// All forms: variants of enums, and parts that may be missing.
    pub fn names(&self) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        for (name, shape) in &self.types {
            match shape {
                Shape::Struct(fields) => {
                    for (field, ty) in fields {
                        if Self::optional(ty) {
                            out.insert(format!("{name}.{field}"));
                        }
                    }
                }
                Shape::Enum(variants) => {
                    for (variant, parts) in variants {
                        out.insert(format!("{name}.{variant}"));
                        for (field, ty) in parts {
                            if Self::optional(ty) && !field.is_empty() {
                                out.insert(format!("{name}.{variant}.{field}"));
                            }
                        }
                    }
                }
            }
        }
        out
    }

    /// Tells `found` each form in the value.
    pub fn walk(&self, value: &Value<'_>, ty: &str, found: &mut impl FnMut(String)) {
        if let Some(inner) = inside(ty, "Option<", ">") {
            if let Value::Tuple("Some", parts) = value {
                for p in parts {
                    self.walk(p, inner, found);
                }
            }
            return;
        }
        if let Some(inner) = inside(ty, "[", "]") {
            if let Value::List(items) = value {
                for item in items {
                    self.walk(item, inner, found);
                }
            }
            return;
        }
        match self.types.get(ty) {
            None => {}
            Some(Shape::Struct(fields)) => {
                let Value::Struct(_, parts) = value else {
                    return;
                };
                for (name, part) in parts {
                    if let Some((_, t)) = fields.iter().find(|f| f.0 == *name) {
                        self.part(part, t, &format!("{ty}.{name}"), found);
                    }
                }
            }
            Some(Shape::Enum(variants)) => {
                let name = value.name();
                let Some(parts) = variants.get(name) else {
                    return;
                };
                found(format!("{ty}.{name}"));
                match value {
                    Value::Struct(_, values) => {
                        for (field, part) in values {
                            if let Some((_, t)) = parts.iter().find(|p| p.0 == *field) {
                                self.part(part, t, &format!("{ty}.{name}.{field}"), found);
                            }
                        }
                    }
                    Value::Tuple(_, values) => {
                        for (part, (_, t)) in values.iter().zip(parts) {
                            self.walk(part, t, found);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn part(&self, value: &Value<'_>, ty: &str, name: &str, found: &mut impl FnMut(String)) {
        let there = match value {
            Value::Atom(word) => *word == "true",
            Value::Tuple(word, _) => *word == "Some",
            Value::List(items) => !items.is_empty(),
            Value::Struct(..) => false,
        };
        if there && Self::optional(ty) {
            found(name.to_string());
        }
        self.walk(value, ty, found);
    }
}
