//! What a module offers, for its readers: declarations with their signatures and `##` comments.
//!
//! Signatures are the text that was written, so that a reader sees what a caller has to satisfy. What
//! must stay true: no text, however wrong, makes more than diagnostics.

use bumpalo::Bump;

use crate::ast::{self, FnItem, Item, ItemKind, Span};
use crate::diag::{Diagnostic, Severity, Sink};
use crate::driver::SourceInput;
use crate::parser::{Options, parse};
use crate::source::{FileId, Interner, SourceFile};

/// A module's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleDoc {
    /// Name below the package, such as `json`.
    pub name: String,
    /// Path inside the program.
    pub path: String,
    /// The text at its head.
    pub docs: String,
    /// What is declared, in the order of the text.
    pub items: Vec<ItemDoc>,
}

/// A declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemDoc {
    /// The word that declares it: `fn`, `struct`, `field`, `variant`, `impl`, …
    pub kind: &'static str,
    /// Its name; of an `impl`, what it is for.
    pub name: String,
    /// What is written from the keyword to the colon, on one line.
    pub signature: String,
    /// Its documentation.
    pub docs: String,
    /// Whether other packages see it.
    pub is_pub: bool,
    /// Line of the file, from 1.
    pub line: u32,
    /// Fields, variants and functions of it.
    pub members: Vec<ItemDoc>,
}

/// Reads a module's documentation.
///
/// # Errors
/// What is wrong with its syntax.
pub fn module(source: &SourceInput, is_std: bool) -> Result<ModuleDoc, Vec<Diagnostic>> {
    let arena = Bump::new();
    let mut names = Interner::new();
    let mut sink = Sink::new();
    let options = Options { is_std };
    let parsed = parse(
        &arena,
        FileId(0),
        &source.text,
        &options,
        &mut names,
        &mut sink,
    );
    let mut told = sink.finish();
    told.retain(|d| d.severity == Severity::Error);
    if !told.is_empty() {
        return Err(told);
    }
    let reader = Reader {
        file: SourceFile::new(source.path.as_str(), source.text.as_str()),
        text: &source.text,
        names: &names,
    };
    Ok(ModuleDoc {
        name: source.module.clone(),
        path: source.path.clone(),
        docs: trimmed(parsed.docs),
        items: parsed
            .items
            .iter()
            .filter_map(|item| reader.item(item))
            .collect(),
    })
}

/// What turns nodes into documentation.
struct Reader<'t> {
    file: SourceFile,
    text: &'t str,
    names: &'t Interner,
}

impl Reader<'_> {
    fn item(&self, item: &Item<'_>) -> Option<ItemDoc> {
        let is_pub = item.is_pub.is_some();
        let doc = |kind, name: ast::Ident, members| ItemDoc {
            kind,
            name: self.names.name(name.name).to_owned(),
            signature: self.head(kind, name.span, item.span),
            docs: trimmed(item.docs),
            is_pub,
            line: self.line(name.span),
            members,
        };
        Some(match item.kind {
            ItemKind::Import(_)
            | ItemKind::FromImport(_)
            | ItemKind::Test(_)
            | ItemKind::Extern(_) => return None,
            ItemKind::Fn(f) => self.function(f, item.docs, is_pub),
            ItemKind::Const(c) => doc("const", c.name, Vec::new()),
            ItemKind::CapSet(c) => doc("capset", c.name, Vec::new()),
            ItemKind::Struct(s) => {
                let fields = s.fields.iter().map(|f| self.field(f));
                doc(
                    "struct",
                    s.name,
                    fields.chain(self.functions(s.methods, false)).collect(),
                )
            }
            ItemKind::Enum(e) => {
                let kind = if e.is_error { "error" } else { "enum" };
                let variants = e
                    .variants
                    .iter()
                    .map(|v| self.part("variant", v.name, v.docs, v.span, true));
                doc(
                    kind,
                    e.name,
                    variants.chain(self.functions(e.methods, false)).collect(),
                )
            }
            ItemKind::Trait(t) => doc("trait", t.name, self.functions(t.fns, true).collect()),
            ItemKind::Capability(c) => {
                doc("capability", c.name, self.functions(c.fns, true).collect())
            }
            ItemKind::Impl(i) => {
                let signature = one_line(self.slice(i.head))
                    .trim_end_matches(':')
                    .to_owned();
                // An implementation of a trait is seen by whoever sees both; its functions are the trait's.
                let of_trait = i.of.is_some();
                ItemDoc {
                    kind: "impl",
                    name: one_line(self.slice(i.target.span)),
                    signature,
                    docs: trimmed(item.docs),
                    is_pub: true,
                    line: self.line(i.head),
                    members: if of_trait {
                        Vec::new()
                    } else {
                        self.functions(i.fns, false).collect()
                    },
                }
            }
        })
    }

    fn functions<'f>(
        &'f self,
        fns: &'f [&'f FnItem<'f>],
        all_pub: bool,
    ) -> impl Iterator<Item = ItemDoc> + 'f {
        fns.iter()
            .map(move |f| self.function(f, f.docs, all_pub || f.is_pub.is_some()))
    }

    fn function(&self, f: &FnItem<'_>, docs: Option<&str>, is_pub: bool) -> ItemDoc {
        ItemDoc {
            kind: "fn",
            name: self.names.name(f.name.name).to_owned(),
            signature: one_line(self.slice(f.head))
                .trim_end_matches(':')
                .to_owned(),
            docs: trimmed(docs.or(f.docs)),
            is_pub,
            line: self.line(f.name.span),
            members: Vec::new(),
        }
    }

    fn field(&self, f: &ast::FieldDef<'_>) -> ItemDoc {
        self.part("field", f.name, f.docs, f.span, f.is_pub.is_some())
    }

    fn part(
        &self,
        kind: &'static str,
        name: ast::Ident,
        docs: Option<&str>,
        span: Span,
        is_pub: bool,
    ) -> ItemDoc {
        let text = one_line(self.slice(span));
        ItemDoc {
            kind,
            name: self.names.name(name.name).to_owned(),
            signature: text.strip_prefix("pub ").unwrap_or(&text).to_owned(),
            docs: trimmed(docs),
            is_pub,
            line: self.line(name.span),
            members: Vec::new(),
        }
    }

    /// What is written from a keyword to the colon that opens the body, or to the end of the line.
    fn head(&self, keyword: &str, name: Span, whole: Span) -> String {
        let rest = self.slice(Span::new(name.file, name.start, whole.end.max(name.end)));
        let mut depth = 0usize;
        let mut end = rest.len();
        for (at, c) in rest.char_indices() {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                '\n' if depth == 0 => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        let line = one_line(rest.get(..end).unwrap_or(rest));
        let line = if keyword == "const" {
            line.as_str()
        } else {
            line.split(" #")
                .next()
                .unwrap_or(&line)
                .trim_end_matches(':')
        };
        format!("{keyword} {line}")
    }

    fn slice(&self, span: Span) -> &str {
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    fn line(&self, span: Span) -> u32 {
        self.file.line_col(span.start).0
    }
}

/// A text with its white space made single, and none inside of brackets that begin or end a line.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines().map(str::trim) {
        let opens = out.is_empty() || out.ends_with(['(', '[', '{']);
        let closes = line.starts_with([')', ']', '}']);
        if closes && out.ends_with(',') {
            out.pop();
        } else if !opens && !closes {
            out.push(' ');
        }
        out.push_str(line);
    }
    out
}

/// The lines of `##` comments, without blank ones at both ends.
fn trimmed(docs: Option<&str>) -> String {
    let lines: Vec<&str> = docs
        .unwrap_or_default()
        .lines()
        .map(str::trim_end)
        .collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ModuleDoc {
        let source = SourceInput {
            path: "app/main.jet".into(),
            module: "main".into(),
            text: text.into(),
        };
        module(&source, false).expect("it parses")
    }

    #[test]
    fn declarations_and_their_parts() {
        let text = "\
## The module.

## A point.
##
##     assert Point(1).x == 1
pub struct Point[T: Show]:
    ## Across.
    pub x: T
    mut y: int = 0   # down

    ## Both.
    pub fn sum(
        self,
        extra: int = (1),
    ) -> int uses Console ! IoError:
        return 0

enum Kind:
    ## Nothing.
    None_
    Some_(value: int)

const LIMIT: int = 10
";
        let doc = read(text);
        assert_eq!(doc.docs, "The module.");
        let point = &doc.items[0];
        assert_eq!(point.signature, "struct Point[T: Show]");
        assert_eq!(point.docs, "A point.\n\n    assert Point(1).x == 1");
        assert!(point.is_pub);
        let parts: Vec<_> = point
            .members
            .iter()
            .map(|m| (m.kind, m.signature.as_str(), m.docs.as_str(), m.is_pub))
            .collect();
        assert_eq!(
            parts,
            [
                ("field", "x: T", "Across.", true),
                ("field", "mut y: int = 0", "", false),
                (
                    "fn",
                    "fn sum(self, extra: int = (1)) -> int uses Console ! IoError",
                    "Both.",
                    true
                ),
            ]
        );
        assert_eq!(doc.items[1].members[1].signature, "Some_(value: int)");
        assert_eq!(doc.items[2].signature, "const LIMIT: int = 10");
        assert_eq!(doc.items[2].line, 23);
    }

    #[test]
    fn wrong_syntax_is_told() {
        let source = SourceInput {
            path: "a.jet".into(),
            module: "a".into(),
            text: "fn (".into(),
        };
        assert!(module(&source, false).is_err());
    }
}
