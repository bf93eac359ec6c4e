//! Patterns.

use super::Parser;
use crate::ast::{Pat, PatArg, PatKind, PatLiteral, RestPat};
use crate::diag::{Diagnostic, codes};
use crate::source::{Ident, sym};
use crate::token::T;

/// What an element of a bracketed pattern is.
enum Element<'a> {
    Pat(Pat<'a>),
    Rest(RestPat),
}

impl<'a> Parser<'a, '_> {
    /// A pattern with alternatives.
    pub(super) fn pattern(&mut self) -> Pat<'a> {
        let Some(saved) = self.enter() else {
            let span = self.here();
            return self.pat(span, PatKind::Error);
        };
        let first = self.pattern_single();
        let mut pat = first;
        if self.at(T::Pipe) || self.at(T::OrOr) {
            let mut alternatives = vec![first];
            while self.at(T::Pipe) || self.at(T::OrOr) {
                if self.at(T::OrOr) {
                    self.operator_habit("|", "alternatives of a pattern are joined by `|`");
                }
                self.bump();
                alternatives.push(self.pattern_single());
            }
            let span = self.span_from(first.span.start);
            let alternatives = self.slice(&alternatives);
            pat = self.pat(span, PatKind::Or(alternatives));
        }
        self.leave(saved);
        pat
    }

    fn pattern_single(&mut self) -> Pat<'a> {
        let start = self.raw();
        let span = self.span_of(start);
        match self.peek() {
            T::Mut => {
                self.bump();
                match self.ident("a name") {
                    Some(name) => {
                        self.cased(name, super::casing::Names::Value("a local"));
                        let span = self.span_from(start.start);
                        self.pat(
                            span,
                            PatKind::Bind {
                                name,
                                mutable: true,
                            },
                        )
                    }
                    None => self.pat(span, PatKind::Error),
                }
            }
            T::Ident | T::SelfType => self.pattern_name(),
            T::LParen => {
                let opener = self.open(false);
                let mut comma = None;
                let elements = self.list(T::RParen, |p| {
                    let pat = p.pattern();
                    if p.at(T::Comma) {
                        comma = Some(p.here());
                    }
                    Some(pat)
                });
                self.close(opener, T::RParen);
                let span = self.span_from(start.start);
                match elements.as_slice() {
                    [one] => {
                        if let Some(comma) = comma {
                            self.tuple_of_one(comma);
                        }
                        Pat { span, ..*one }
                    }
                    elements => {
                        let elements = self.slice(elements);
                        self.pat(span, PatKind::Tuple(elements))
                    }
                }
            }
            T::LBracket => self.pattern_list(),
            T::LBrace => {
                self.fail(
                    Diagnostic::error(
                        codes::HABIT_BRACES,
                        span,
                        "a struct is taken apart by its name, a tuple in parentheses",
                    )
                    .help("write `let Point(x, y) = p` or `let (a, b) = pair`"),
                );
                self.pat(span, PatKind::Error)
            }
            T::Let | T::Const => {
                self.fail(
                    Diagnostic::error(
                        codes::HABIT_LET,
                        span,
                        "this place names new values by itself",
                    )
                    .help("leave the word out")
                    .fix(span, ""),
                );
                self.pat(span, PatKind::Error)
            }
            T::DotDotEq => self.pattern_range(None, start.start),
            T::DotDot => self.pattern_range(None, start.start),
            _ => match self.pattern_literal() {
                Some(literal) if matches!(self.peek(), T::DotDot | T::DotDotEq) => {
                    self.pattern_range(Some(literal), start.start)
                }
                Some(literal) => {
                    let span = self.span_from(start.start);
                    self.pat(span, PatKind::Literal(literal))
                }
                None => {
                    let span = self.here();
                    self.unexpected("a pattern");
                    self.pat(span, PatKind::Error)
                }
            },
        }
    }

    /// A literal, if one stands here.
    fn pattern_literal(&mut self) -> Option<PatLiteral<'a>> {
        let negative = self.at(T::Minus) && matches!(self.peek_at(1), T::Int | T::Float);
        if negative {
            self.bump();
        }
        let kind = self.peek();
        let token = self.raw();
        let literal = match kind {
            T::Int => PatLiteral::Int(self.int_value(token, negative)),
            T::Float => {
                let value = self.float_value(token);
                PatLiteral::Float(if negative { -value } else { value })
            }
            T::True => PatLiteral::Bool(true),
            T::False => PatLiteral::Bool(false),
            T::Char => PatLiteral::Char(self.char_value(token)),
            T::Str | T::RawStr | T::TripleStr | T::RawTripleStr => {
                PatLiteral::Str(self.string_value(token))
            }
            T::FStrStart => {
                let span = self.here();
                self.fail(
                    Diagnostic::error(
                        codes::PATTERN_MIX,
                        span,
                        "an f-string is computed and cannot be a pattern",
                    )
                    .help("bind a name and compare it in a guard: `s if s == f\"…\"`"),
                );
                return None;
            }
            _ => return None,
        };
        self.bump();
        Some(literal)
    }

    fn pattern_range(&mut self, lo: Option<PatLiteral<'a>>, start: u32) -> Pat<'a> {
        let inclusive = self.bump().kind == T::DotDotEq;
        let hi = self.pattern_literal();
        let span = self.span_from(start);
        if hi.is_none() && (inclusive || lo.is_none()) {
            self.unexpected("the end of the range");
            return self.pat(span, PatKind::Error);
        }
        let is_number = |l: &PatLiteral<'_>| {
            matches!(
                l,
                PatLiteral::Int(_) | PatLiteral::Float(_) | PatLiteral::Char(_)
            )
        };
        if !lo.iter().chain(hi.iter()).all(is_number) {
            self.report(Diagnostic::error(
                codes::PATTERN_MIX,
                span,
                "the ends of a range are numbers or characters",
            ));
        }
        self.pat(span, PatKind::Range { lo, hi, inclusive })
    }

    fn pattern_list(&mut self) -> Pat<'a> {
        let opener = self.open(false);
        let elements = self.list(T::RBracket, |p| {
            if !p.at_rest() {
                return Some(Element::Pat(p.pattern()));
            }
            let dots = p.bump();
            let name = if p.at(T::Ident) {
                p.ident("a name")
            } else {
                None
            };
            let id = p.pat_id();
            Some(Element::Rest(RestPat {
                id,
                name,
                span: p.span_from(dots.start),
            }))
        });
        self.close(opener, T::RBracket);
        let span = self.span_from(opener.start);
        let (mut before, mut after, mut rest) = (Vec::new(), Vec::new(), None);
        for element in elements {
            match element {
                Element::Pat(pat) if rest.is_none() => before.push(pat),
                Element::Pat(pat) => after.push(pat),
                Element::Rest(one) if rest.is_none() => rest = Some(one),
                Element::Rest(again) => self.report(Diagnostic::error(
                    codes::PATTERN_MIX,
                    again.span,
                    "a list pattern has one `..` at most",
                )),
            }
        }
        let (before, after) = (self.slice(&before), self.slice(&after));
        self.pat(
            span,
            PatKind::List {
                before,
                rest,
                after,
            },
        )
    }

    /// Whether the `..` of what is left out stands here, and not a range without a first value.
    fn at_rest(&self) -> bool {
        self.at(T::DotDot) && !matches!(self.peek_at(1), T::Int | T::Float | T::Char | T::Minus)
    }

    fn is_upper(&self, name: Ident) -> bool {
        let text = self.names.name(name.name);
        text.trim_start_matches('_')
            .starts_with(|c: char| c.is_uppercase())
    }

    fn pattern_name(&mut self) -> Pat<'a> {
        let token = self.raw();
        let span = self.span_of(token);
        if let Some(literal) = self.foreign_constant() {
            // `null` and its kin have been told.
            return self.pat(
                span,
                match literal {
                    Some(value) => PatKind::Literal(PatLiteral::Bool(value)),
                    None => PatKind::Error,
                },
            );
        }
        let path = if self.at(T::SelfType) {
            let token = self.bump();
            let first = self.ident_of(token);
            self.path_from(first)
        } else {
            match self.path("a pattern") {
                Some(path) => path,
                None => return self.pat(span, PatKind::Error),
            }
        };
        if self.at(T::LParen) {
            return self.pattern_call(path);
        }
        if self.at(T::LBrace) {
            let here = self.here();
            self.fail(
                Diagnostic::error(
                    codes::HABIT_BRACES,
                    here,
                    "the fields of a pattern stand in parentheses",
                )
                .help("write `Point(x = 0.0, ..)`"),
            );
            return self.pat(span, PatKind::Error);
        }
        let Some(name) = path.single() else {
            return self.pat(path.span, PatKind::Path(path));
        };
        if name.name == sym::underscore {
            return self.pat(span, PatKind::Wild);
        }
        if self.at(T::At) {
            self.bump();
            let Some(saved) = self.enter() else {
                return self.pat(span, PatKind::Error);
            };
            let inner = self.pattern_single();
            self.leave(saved);
            let inner = self.alloc(inner);
            let whole = self.span_from(span.start);
            return self.pat(whole, PatKind::At { name, pat: inner });
        }
        if self.is_upper(name) {
            return self.pat(span, PatKind::Path(path));
        }
        self.pat(
            span,
            PatKind::Bind {
                name,
                mutable: false,
            },
        )
    }

    fn pattern_call(&mut self, path: crate::ast::Path<'a>) -> Pat<'a> {
        let opener = self.open(false);
        let mut rest = None;
        let args = self.list(T::RParen, |p| {
            if p.at_rest() {
                let dots = p.bump();
                let span = p.span_of(dots);
                if p.at(T::Comma) && p.peek_at(1) != T::RParen {
                    p.report(Diagnostic::error(
                        codes::PATTERN_MIX,
                        span,
                        "`..` stands at the end of these patterns",
                    ));
                }
                rest = Some(span);
                return None;
            }
            let name = if p.at(T::Ident) && matches!(p.peek_at(1), T::Assign | T::Colon) {
                let name = p.ident("a name");
                if p.at(T::Colon) {
                    p.named_with_colon();
                }
                p.bump();
                name
            } else {
                None
            };
            let pat = p.pattern();
            Some(PatArg { name, pat })
        });
        self.close(opener, T::RParen);
        let span = self.span_from(path.span.start);
        let args = self.slice(&args);
        self.pat(span, PatKind::Call { path, args, rest })
    }
}
