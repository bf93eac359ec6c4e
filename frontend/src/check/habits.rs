//! Names of other languages: functions, types and members that Jet calls otherwise.
//!
//! Looked at only where a name is unknown, so each of them stays free for programs to declare.

use super::{Checker, codes};
use crate::diag::Diagnostic;
use crate::source::{Ident, Span, Symbol, sym};
use crate::thir::Ty;

/// What to write instead: the advice, and the name alone if that is all that changes.
type Answer = (&'static str, Option<&'static str>);

/// Functions and values.
fn value(name: &str) -> Option<Answer> {
    Some(match name {
        "len" => ("the length is a method: `xs.len()`", None),
        "print" | "println" | "printf" | "puts" | "echo" => (
            "write `Console.print(…)`; the function says `uses Console`",
            Some("Console.print"),
        ),
        "console" | "System" | "fmt" | "sys" => (
            "write `Console.print(…)`; the function says `uses Console`",
            None,
        ),
        "input" => ("write `Console.read_line()`, which is an option", None),
        "open" => ("write `FileRead.read_text(path)?`", None),
        "str" | "String" => ("text of a value is `string(x)`", Some("string")),
        "range" => ("a range is written `0..n`, with its end `0..=n`", None),
        "assert_eq" | "assertEqual" => ("write `assert a == b`", None),
        "this" => ("the receiver is called `self`", Some("self")),
        "undefined" | "NULL" | "nullptr" => ("write `None`; its type is `T?`", Some("None")),
        "abs" | "sqrt" | "floor" | "ceil" | "round" | "Math" => {
            ("write `import std.math` and `math.…`", None)
        }
        "sorted" => ("write `xs.copy()` and `sort()` on it", None),
        "reversed" => ("write `xs.copy()` and `reverse()` on it", None),
        "enumerate" => ("it is a method: `xs.enumerate()`", None),
        "zip" => ("it is a method: `xs.zip(ys)`", None),
        "map" | "filter" => ("it is a method: `xs.map(fn(x) => …)`", None),
        "sum" => ("it is a method: `xs.sum()`", None),
        "any" | "all" => ("it is a method: `xs.any(fn(x) => …)`", None),
        "list" => (
            "a list is written `[a, b]`, an empty one `let xs: [T] = []`",
            None,
        ),
        "dict" => (
            "a map is written `{key: value}`, an empty one `Map[K, V]()`",
            None,
        ),
        "set" | "HashSet" => ("an empty set is `Set[T]()`", None),
        "Vec" | "List" | "Array" => ("an empty list is `let xs: [T] = []`", None),
        "HashMap" | "Dict" => ("an empty map is `Map[K, V]()`", None),
        "type" | "isinstance" | "typeof" => (
            "types are known before the program runs; for variants use `match`",
            None,
        ),
        "exit" => (
            "return from `main`, or raise an error that `main` names",
            None,
        ),
        "super" | "base" => (
            "there is no inheritance: a struct may hold the other one",
            None,
        ),
        "chr" => ("write `char(n)`", Some("char")),
        "ord" => ("write `int(c)`", Some("int")),
        "Exception" | "Error" => (
            "declare an `error` with a variant for what can go wrong",
            None,
        ),
        "none" => ("write `None`; its type is `T?`", Some("None")),
        "some" => ("write `Some(x)`", Some("Some")),
        "TRUE" => ("write `true`", Some("true")),
        "FALSE" => ("write `false`", Some("false")),
        "pow" => ("a power is `a ** b`", None),
        "parseInt" => ("write `s.to_int()`, which is an option", None),
        "parseFloat" => ("write `s.to_float()`, which is an option", None),
        "time" | "Date" | "datetime" => (
            "the time is a capability: `Clock.now()`, and the function says `uses Clock`",
            None,
        ),
        "os" | "process" => (
            "variables are read by `Env.get(name)`, files by `FileRead`; the function says so in `uses`",
            None,
        ),
        "unreachable" | "todo" | "unimplemented" => ("write `panic(\"…\")`", None),
        "sleep" => ("waiting needs tasks, which are not there yet", None),
        "vec" => ("a list is written `[a, b]`", None),
        _ if name.len() > 5 && (name.ends_with("Error") || name.ends_with("Exception")) => (
            "there are no errors of this name: declare an `error` with a variant for what can go wrong",
            None,
        ),
        _ => return None,
    })
}

/// Types.
fn ty(name: &str) -> Option<Answer> {
    Some(match name {
        "str" | "String" | "Str" => ("text is `string`", Some("string")),
        "i64" | "i32" | "i16" | "i8" | "u64" | "u32" | "u16" | "usize" | "isize" | "long"
        | "short" | "integer" | "Int" | "Integer" | "int64" => {
            ("whole numbers are `int`, of 64 bits", Some("int"))
        }
        "u8" | "uint8" => ("eight bits are a `byte`", Some("byte")),
        "f64" | "f32" | "double" | "Float" | "float64" => {
            ("floating point numbers are `float`", Some("float"))
        }
        "number" => ("numbers are `int` or `float`", None),
        "boolean" | "Bool" | "Boolean" => ("truth values are `bool`", Some("bool")),
        "Char" | "rune" => ("characters are `char`", Some("char")),
        "None" | "void" | "unit" | "Unit" => {
            ("no result is written as nothing, or `()`", Some("()"))
        }
        "bytes" => ("bytes are a list: `[byte]`", Some("[byte]")),
        "any" | "Any" | "object" | "Object" => (
            "there is no type for everything: use a type parameter, an `enum` or a trait",
            None,
        ),
        "Optional" | "Maybe" | "Nullable" => ("a value that may be missing is `T?`", None),
        "List" | "list" | "Vec" | "Array" | "array" | "ArrayList" | "Sequence" => {
            ("a list is written `[T]`", None)
        }
        "dict" | "Dict" | "HashMap" | "map" | "BTreeMap" => ("a map is `Map[K, V]`", None),
        "set" | "HashSet" => ("a set is `Set[T]`", None),
        "tuple" | "Tuple" => ("a tuple is written `(A, B)`", None),
        "Fn" | "FnMut" | "FnOnce" | "Callable" | "Function" => {
            ("a function type is written `fn(A) -> B`", None)
        }
        "Exception" | "Error" => (
            "declare an `error` with a variant for what can go wrong",
            None,
        ),
        _ => return None,
    })
}

/// Methods and fields: what the standard library calls them.
fn member(name: &str) -> Option<&'static str> {
    Some(match name {
        "append" | "add" | "push_back" | "pushBack" | "Add" => "push",
        "length" | "size" | "count" | "Length" | "Count" | "getLength" => "len",
        "upper" | "toUpperCase" | "to_uppercase" | "toUpper" => "to_upper",
        "lower" | "toLowerCase" | "to_lowercase" | "toLower" => "to_lower",
        "strip" => "trim",
        "startswith" | "startsWith" => "starts_with",
        "endswith" | "endsWith" => "ends_with",
        "indexOf" | "index" | "position" => "index_of",
        "includes" | "has" | "has_key" | "contains_key" | "containsKey" | "__contains__" => {
            "contains"
        }
        "items" | "iteritems" => "entries",
        "forEach" | "for_each" => "each",
        "reduce" | "foldl" | "inject" => "fold",
        "extend_from_slice" | "concat" | "addAll" | "append_all" => "extend",
        "clone" | "dup" => "copy",
        "reversed" => "reverse",
        "charAt" => "chars",
        "splitlines" => "lines",
        "is_some_and" => "is_some",
        "slice" => "take",
        "some" | "exists" => "any",
        "every" => "all",
        "sortBy" | "sort_with" => "sort_by",
        "drop" => "skip",
        "push_str" => "push",
        "parse" | "parseInt" => "to_int",
        _ => return None,
    })
}

/// Members that are something else than a method of another name.
fn advice(name: &str) -> Option<&'static str> {
    Some(match name {
        "to_string" | "toString" | "str" => "text of a value is `string(x)`, or `f\"{x}\"`",
        "substring" | "substr" => "a part of a string is `s[a..b]`, by byte offsets",
        "format" => "write the values into an f-string: `f\"{x}\"`",
        "iter" | "into_iter" | "iterator" => "walk the value itself: `for x in xs:`",
        "collect" | "toList" | "to_vec" => "leave it out: these methods give lists already",
        "unwrap" | "expect" => "write `else` with a value or a way out, or `?` behind an error",
        "unwrap_or" | "unwrapOr" | "getOrElse" => "write `x else value`",
        "then" => "write the next line: calls wait by themselves",
        "equals" => "compare with `==`",
        _ => return None,
    })
}

/// Modules of the standard library that a program imports to use them.
const STD_MODULES: &[&str] = &["math", "json", "random"];

impl<'a> Checker<'a, '_> {
    /// A module of the standard library that is not imported.
    fn missing_import(&self, name: Ident) -> Diagnostic {
        let text = self.names.name(name.name);
        // Behind the documentation of the file.
        let source = self.sources.text(Span {
            start: 0,
            end: u32::MAX,
            ..name.span
        });
        let lines = source.split_inclusive('\n');
        let head: usize = lines
            .take_while(|l| l.starts_with('#') || l.trim().is_empty())
            .map(str::len)
            .sum();
        let at = u32::try_from(head).unwrap_or(0);
        Diagnostic::error(
            codes::UNKNOWN_NAME,
            name.span,
            format!("there is no name `{text}` here"),
        )
        .help(format!("write `import std.{text}` at the top of the file"))
        .fix(
            Span::new(name.span.file, at, at),
            format!("import std.{text}\n\n"),
        )
    }

    /// The answer to a name of another language.
    pub(super) fn foreign_name(&self, name: Ident, what: &str) -> Option<Diagnostic> {
        let text = self.names.name(name.name);
        if what == "name" && STD_MODULES.contains(&text) {
            return Some(self.missing_import(name));
        }
        let (help, replacement) = match what {
            "type" => ty(text),
            "name" => value(text),
            _ => None,
        }?;
        let d = Diagnostic::error(
            codes::UNKNOWN_NAME,
            name.span,
            format!("there is no {what} `{text}` in Jet"),
        )
        .help(help);
        Some(match replacement {
            Some(replacement) => d.fix(name.span, replacement),
            None => d,
        })
    }

    /// The answer to a member of another language, if one of `all` is meant: the advice, and what stands
    /// in its place. `call` says whether parentheses follow.
    pub(super) fn foreign_member(
        &self,
        name: Ident,
        all: &[Symbol],
        call: bool,
    ) -> Option<(String, Option<String>)> {
        let text = self.names.name(name.name);
        let there = |wanted: &str| all.iter().any(|s| self.names.name(*s) == wanted);
        // A string has `find`, a set has `add`.
        let meant = member(text).map(|m| match m {
            "index_of" if !there(m) => "find",
            "push" if !there(m) => "add",
            "each" if !there(m) => "map",
            m => m,
        });
        match meant.filter(|m| there(m)) {
            Some(m) if call => Some((format!("write `.{m}(…)`"), Some(m.to_string()))),
            Some(m) => Some((format!("write `.{m}()`"), Some(format!("{m}()")))),
            None => advice(text).map(|help| (help.to_string(), None)),
        }
    }

    /// The answer to a bare name that `self` or an enum has.
    pub(super) fn qualified_name(&mut self, name: Ident) -> Option<Diagnostic> {
        let text = self.text(name.name);
        let error = |message: String| Diagnostic::error(codes::UNKNOWN_NAME, name.span, message);
        if let Some(ty) = self.cx.scope.self_ty
            && self.cx.visible_names().contains(&sym::self_)
            && self.has_member(ty, name.name)
        {
            return Some(
                error(format!("there is no name `{text}` here"))
                    .help(format!(
                        "fields and methods are written with their value: `self.{text}`"
                    ))
                    .fix(name.span.before(), "self."),
            );
        }
        if let Some(ty) = self.cx.scope.self_ty
            && self.has_member(ty, name.name)
        {
            return Some(
                error(format!("there is no name `{text}` here")).help(format!(
                    "write `self` as the first parameter, and `self.{text}`"
                )),
            );
        }
        let enums: Vec<String> = self
            .adts
            .iter()
            .zip(&self.prog.adts)
            .filter(|(info, _)| {
                matches!(info.item, super::AdtItem::Enum(_))
                    && info.variants.iter().any(|v| v.name == name.name)
                    && (info.module == self.cx.scope.module
                        || self.lookup_name(self.cx.scope.module, info.name).is_some())
            })
            .map(|(_, def)| def.name.clone())
            .collect();
        let first = enums.first()?;
        let d = error(format!(
            "variants are written with their enum: `{first}.{text}`"
        ));
        Some(if let [only] = enums.as_slice() {
            d.help(format!("write `{only}.{text}`"))
                .fix(name.span.before(), format!("{only}."))
        } else {
            let all: Vec<String> = enums.iter().map(|e| format!("`{e}.{text}`")).collect();
            d.help(format!("write one of {}", all.join(", ")))
        })
    }

    fn has_member(&self, ty: Ty, name: Symbol) -> bool {
        let crate::thir::TyKind::Adt(id, _) = self.prog.tys.kind(self.shallow(ty)) else {
            return false;
        };
        let Some(adt) = self.adts.get(id.0 as usize) else {
            return false;
        };
        let fields = adt
            .variants
            .first()
            .filter(|_| matches!(adt.item, super::AdtItem::Struct(_)));
        adt.methods.contains_key(&name)
            || fields.is_some_and(|v| v.fields.iter().any(|f| f.name == name))
    }
}
