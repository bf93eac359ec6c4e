//! Names by their first letter: types, variants and constants have a capital, everything else a small one.
//!
//! The language relies on it in patterns, where a capital says that a name is no new variable, so that a
//! name in the wrong case is an error where it is declared. Scripts without case are free.

use super::Parser;
use crate::diag::{Diagnostic, codes};
use crate::source::Ident;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Struct, enum, error, trait, capability, set of capabilities, type parameter, variant.
    Type(&'static str),
    Constant,
    /// Function, parameter, field, local, label.
    Value(&'static str),
}

impl Parser<'_, '_> {
    /// Tells a declared name that has the wrong case.
    pub(super) fn cased(&mut self, name: Ident, names: Names) {
        let text = self.names.name(name.name).to_string();
        let Some(first) = text.trim_start_matches('_').chars().next() else {
            return;
        };
        let (wrong, what, better, rule) = match names {
            Names::Type(what) => (
                first.is_lowercase(),
                what,
                pascal(&text),
                "types, traits, capabilities and variants begin with a capital letter",
            ),
            Names::Constant => (
                !first.is_uppercase() && first.is_alphabetic(),
                "a constant",
                upper(&text),
                "constants are written in capital letters, since a small one in a pattern is a new name",
            ),
            Names::Value(what) => (
                first.is_uppercase(),
                what,
                snake(&text),
                "functions, parameters, fields and locals begin with a small letter",
            ),
        };
        if !wrong || self.options.is_std {
            return;
        }
        let d = Diagnostic::error(
            codes::NAME_CASE,
            name.span,
            format!("`{text}` is in the wrong case for {what}"),
        )
        .note(rule);
        self.report(if better == text {
            d.help("choose another name")
        } else {
            d.help(format!("write `{better}`")).fix(name.span, better)
        });
    }
}

/// `my_point` as `MyPoint`.
fn pascal(text: &str) -> String {
    let mut out = String::new();
    let mut start = true;
    for c in text.chars() {
        if c == '_' {
            start = true;
        } else if std::mem::take(&mut start) {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

/// `maxSize` as `MAX_SIZE`.
fn upper(text: &str) -> String {
    snake(text).to_uppercase()
}

/// `MaxSize` and `MAX_SIZE` as `max_size`.
pub(super) fn snake(text: &str) -> String {
    let mut out = String::new();
    let mut before_small = false;
    for c in text.chars() {
        if c.is_uppercase() && before_small {
            out.push('_');
        }
        before_small = c.is_lowercase() || c.is_numeric();
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_change_their_case() {
        assert_eq!(pascal("my_point"), "MyPoint");
        assert_eq!(upper("maxSize"), "MAX_SIZE");
        assert_eq!(snake("DoIt"), "do_it");
        assert_eq!(snake("MAX_SIZE"), "max_size");
        assert_eq!(snake("X"), "x");
    }
}
