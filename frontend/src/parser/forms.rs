//! Forms of other languages that span several tokens: loops in parentheses, macros, struct literals,
//! union types. As with `habits`, each is told once, with the whole change where it is certain.

use super::Parser;
use super::casing::Names;
use crate::ast::{Expr, ExprKind, Pat, PatKind, TypeExpr};
use crate::diag::{Diagnostic, codes};
use crate::source::{Span, sym};
use crate::token::{T, Token};

impl<'a> Parser<'a, '_> {
    /// Tokens up to the end of the line, from `n` ahead, at most 200.
    pub(super) fn line_ahead(&self, n: usize) -> Vec<Token> {
        (n..n + 200)
            .map(|n| self.token(self.pos + n))
            .take_while(|token| !token.line_start && token.kind != T::Eof)
            .collect()
    }

    /// `for (x in xs):` and `for (let i = 0; …)`; the next token is the parenthesis.
    pub(super) fn for_parens(&mut self) {
        let (mut depth, mut inside, mut close) = (0usize, false, None);
        for token in self.line_ahead(0) {
            match token.kind {
                T::LParen => depth += 1,
                T::RParen => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        close = Some(token);
                        break;
                    }
                }
                T::In if depth == 1 => inside = true,
                T::Semi | T::Ident
                    if token.kind == T::Semi || depth == 1 && self.token_text(token) == "of" =>
                {
                    let span = self.here();
                    self.fail(
                        Diagnostic::error(
                            codes::UNEXPECTED,
                            span,
                            "a `for` loop walks over a value",
                        )
                        .help("write `for i in 0..n:`, or `while` for other conditions"),
                    );
                    return self.skip_to_braces();
                }
                _ => {}
            }
        }
        if let Some(close) = close.filter(|_| inside) {
            let span = self.here();
            self.fail(
                Diagnostic::error(
                    codes::UNEXPECTED,
                    span,
                    "the head of a `for` loop has no parentheses",
                )
                .help("write `for x in xs:`")
                .fix(span, "")
                .fix(self.span_of(close), ""),
            );
            self.skip_to_braces();
        }
    }

    /// Skips a block in braces that begins on this line: it belongs to what was told.
    pub(super) fn skip_to_braces(&mut self) {
        let from = usize::from(self.raw().line_start);
        let line = self.line_ahead(from);
        if let Some(at) = line.iter().position(|t| t.kind == T::LBrace) {
            self.pos += at + from;
            self.skip_braces();
        }
    }

    /// Whether a `{` ends this line.
    pub(super) fn brace_ends_line(&self) -> bool {
        let last = self.line_ahead(usize::from(self.raw().line_start));
        last.last().is_some_and(|token| token.kind == T::LBrace)
    }

    /// Whether the `{` here opens a map, whose first key is followed by a colon inside of a line, and no block.
    pub(super) fn at_map(&self) -> bool {
        let mut depth = 0usize;
        let mut at = self.pos;
        loop {
            let kind = self.token(at).kind;
            match kind {
                T::Eof => return false,
                T::Colon if depth == 1 => return !self.token(at + 1).line_start,
                T::Assign | T::Semi if depth == 1 => return false,
                _ if depth == 1 && kind.begins_statement_only() => return false,
                _ if kind.is_opener() => depth += 1,
                _ if kind.is_closer() => {
                    depth -= 1;
                    if depth == 0 {
                        return false;
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Whether the `of` of `for (x of xs)` stands here.
    pub(super) fn at_of(&self) -> bool {
        self.at(T::Ident) && self.token_text(self.raw()) == "of"
    }

    /// A name that a `let` or `for` declares, if the pattern is one name alone.
    pub(super) fn new_name_case(&mut self, pat: &Pat<'a>) {
        let told = self.sink.diagnostics().last().is_some_and(|d| {
            d.code == codes::ITEM_IN_FUNCTION
                && d.span.end <= pat.span.start
                && d.span.end + 2 > pat.span.start
        });
        if told {
            // The constant of another language becomes a local, under its name.
            return;
        }
        match pat.kind {
            PatKind::Bind { name, .. } => self.cased(name, Names::Value("a local")),
            PatKind::Path(path) if !self.at(T::Else) && !self.line_has_else() => {
                if let Some(name) = path.single() {
                    self.cased(name, Names::Value("a local"));
                }
            }
            _ => {}
        }
    }

    /// Whether an `else` follows on this line, so that a pattern may fail.
    fn line_has_else(&self) -> bool {
        self.line_ahead(0).iter().any(|t| t.kind == T::Else)
    }

    /// `(int) -> int` and `int -> int` where a function type is meant; behind the type before the arrow.
    pub(super) fn arrow_type(&mut self, ty: &TypeExpr<'a>) {
        if !self.at(T::Arrow) || self.panicking {
            return;
        }
        self.bump();
        let result = self.ty();
        if self.panicking {
            return;
        }
        let from = self.type_text(ty.span);
        let from = match from.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
            Some(inside) => inside.to_string(),
            None => from,
        };
        let span = ty.span.to(result.span);
        let text = format!("fn({from}) -> {}", self.type_text(result.span));
        self.report(
            Diagnostic::error(codes::HABIT_TYPE, span, "a function type begins with `fn`")
                .help(format!("write `{text}`"))
                .fix(span, text),
        );
    }

    /// `catch (e: E):` and `catch E as e:`; behind the word `catch`. Told, and gone on behind it.
    pub(super) fn foreign_catch_head(&mut self) {
        let line = self.line_ahead(0);
        let text = |t: Option<&Token>| t.map_or("", |t| self.token_text(*t)).to_string();
        if self.at(T::LParen) {
            let Some(close) = line.iter().position(|t| t.kind == T::RParen) else {
                return;
            };
            let inside = line.get(1..close).unwrap_or(&[]);
            let parts: Vec<String> = inside.iter().map(|t| text(Some(t))).collect();
            let better = match parts.as_slice() {
                [name] => name.clone(),
                [name, colon, ty] if colon == ":" => format!("{name}: {ty}"),
                [ty, name] => format!("{name}: {ty}"),
                _ => String::new(),
            };
            self.catch_head(close, better);
        } else if line.get(1).is_some_and(|t| text(Some(t)) == "as") {
            let better = format!("{}: {}", text(line.get(2)), text(line.first()));
            self.catch_head(2, better);
        } else if line.get(1).is_some_and(|t| t.kind == T::Colon)
            && line.len() == 2
            && text(line.first()).starts_with(char::is_uppercase)
        {
            let better = format!("e: {}", text(line.first()));
            self.catch_head(0, better);
        }
    }

    fn catch_head(&mut self, last: usize, better: String) {
        let end = self.token(self.pos + last);
        let span = self.here().to(self.span_of(end));
        let d = Diagnostic::error(
            codes::HABIT_KEYWORD,
            span,
            "the name of an error stands before its type",
        )
        .help("write `catch e: SomeError:`");
        self.fail(if better.is_empty() {
            d
        } else {
            d.fix(span, better)
        });
    }

    /// `[:b]` and `[::n]` where an index stands; told and taken up to the bracket.
    pub(super) fn python_slice(&mut self) {
        let span = self.here();
        let d = Diagnostic::error(codes::HABIT_OPERATOR, span, "a slice is written with `..`");
        self.fail(if self.at(T::Colon) {
            d.help("write `xs[a..b]`").fix(span, "..")
        } else {
            d.help("write `xs[a..b]`; every second element is `(0..xs.len()).step(2).map(fn(i) => xs[i])`")
        });
    }

    /// `...xs` and `*xs` before an element of a list; told and taken.
    pub(super) fn spread(&mut self) {
        let dots = self.at(T::DotDot) && self.peek_at(1) == T::Dot;
        if !dots && !self.at(T::Star) {
            return;
        }
        let start = self.bump();
        if dots {
            self.bump();
        }
        let span = self.span_from(start.start);
        self.report(
            Diagnostic::error(
                codes::HABIT_UNPACK,
                span,
                "a list is not unpacked into another",
            )
            .help("copy it, `let ys = xs.copy()`, and add with `push` and `extend`"),
        );
    }

    /// `(1,)`: there are no tuples of one.
    pub(super) fn tuple_of_one(&mut self, comma: Span) {
        self.report(
            Diagnostic::error(
                codes::HABIT_TUPLE,
                comma,
                "a tuple has at least two members",
            )
            .help("leave the comma out")
            .fix(comma, ""),
        );
    }

    /// `do { … }`, `unsafe { … }`; the word has been told and taken.
    pub(super) fn foreign_braces(&mut self) {
        if self.at(T::LBrace) {
            self.skip_braces();
        }
    }

    /// `println!(…)` and `x!`; the next token is the `!`. `false`: neither.
    pub(super) fn bang_habit(&mut self, left: &Expr<'a>) -> bool {
        let span = left.span.to(self.here());
        if let ExprKind::Name(name) = left.kind
            && matches!(self.peek_at(1), T::LParen | T::LBracket)
        {
            let name = self.names.name(name).to_string();
            let d = Diagnostic::error(
                codes::HABIT_OPERATOR,
                span,
                format!("`{name}!` is a macro of another language"),
            );
            self.fail(match name.as_str() {
                "println" | "print" | "eprintln" => d
                    .help("write `Console.print(…)`; the function says `uses Console`")
                    .fix(span, "Console.print"),
                "format" => d.help("write an f-string: `f\"{x}\"`"),
                "vec" => d.help("a list is written `[a, b]`"),
                "assert" | "assert_eq" => d.help("write `assert a == b`"),
                _ => d.help(format!("a call is `{name}(…)`")),
            });
            return true;
        }
        let ends = matches!(
            self.peek_at(1),
            T::Newline | T::Eof | T::Dot | T::RParen | T::RBracket | T::Comma
        );
        if ends {
            let span = self.here();
            self.fail(
                Diagnostic::error(
                    codes::HABIT_OPERATOR,
                    span,
                    "`!` behind a value is not an operator",
                )
                .help("write `?` to pass an error on, or `else` with a value or a way out"),
            );
        }
        ends
    }

    /// `Point { x: 1 }`; the next token is the brace. `false`: it is something else.
    pub(super) fn struct_braces(&mut self, left: &Expr<'a>) -> bool {
        let ExprKind::Name(name) = left.kind else {
            return false;
        };
        let name = self.names.name(name).to_string();
        let first = self.token(self.pos + 1);
        let field = first.kind == T::Ident && self.token(self.pos + 2).kind == T::Colon;
        if !field || !name.starts_with(char::is_uppercase) {
            return false;
        }
        let field = self.token_text(first).to_string();
        let span = left.span.to(self.here());
        self.fail(
            Diagnostic::error(codes::HABIT_LITERAL, span, "a struct is built by a call")
                .help(format!("write `{name}({field} = …)`")),
        );
        self.skip_braces();
        true
    }

    /// `int | None` where one type stands.
    pub(super) fn union_habit(&mut self, ty: &TypeExpr<'a>) {
        if !self.at(T::Pipe) || self.panicking {
            return;
        }
        let start = ty.span.start;
        let text = self.type_text(ty.span);
        let mut parts = vec![text];
        while self.eat(T::Pipe) {
            if self.at_word(sym::null) || self.at_word(sym::nil) {
                let token = self.bump();
                parts.push(self.token_text(token).to_string());
            } else {
                let part = self.ty();
                parts.push(self.type_text(part.span));
            }
            if self.panicking {
                return;
            }
        }
        let span = self.span_from(start);
        let d = Diagnostic::error(codes::HABIT_TYPE, span, "a value has one type");
        let nothing = |part: &String| ["None", "null", "nil", "undefined"].contains(&part.as_str());
        let rest: Vec<&String> = parts.iter().filter(|part| !nothing(part)).collect();
        self.report(match rest.as_slice() {
            [one] if parts.len() == 2 => d
                .help(format!("a value that may be missing is `{one}?`"))
                .fix(span, format!("{one}?")),
            _ => d.help("declare an `enum` with a variant for each; errors stand behind `!`"),
        });
    }

    fn type_text(&self, span: Span) -> String {
        let text = self.text.get(span.start as usize..span.end as usize);
        text.unwrap_or("").to_string()
    }

    /// What is written instead of `List<…>`.
    pub(super) fn generic_advice(name: &str) -> String {
        match name {
            "List" | "Vec" | "Array" | "list" | "ArrayList" => "a list is written `[T]`".into(),
            "HashMap" | "Dict" | "dict" | "map" | "BTreeMap" => "a map is `Map[K, V]`".into(),
            "HashSet" | "set" => "a set is `Set[T]`".into(),
            "Option" | "Optional" | "Maybe" => "a value that may be missing is `T?`".into(),
            _ => format!("write `{name}[…]`"),
        }
    }

    /// `struct A(B):` — a parent, which structs do not have.
    pub(super) fn parent_habit(&mut self) {
        let word = self.token_text(self.raw()).to_string();
        let behind_colon = self.at(T::Colon)
            && self.peek_at(1) == T::Ident
            && !self.token(self.pos + 1).line_start
            && self.colon_ends_line();
        let extends = self.at(T::Ident) && matches!(word.as_str(), "extends" | "implements");
        if (extends || behind_colon) && !self.panicking {
            let span = self.here();
            let told = self.told_on_line(span);
            if !told {
                self.report(
                    Diagnostic::error(codes::HABIT_KEYWORD, span, "a struct has no parent")
                        .help("put the other struct into a field, or implement a trait for both"),
                );
            }
            if self.brace_ends_line() {
                self.skip_to_braces();
            } else {
                while !(self.raw().line_start
                    || self.at(T::Colon) && self.token(self.pos + 1).line_start)
                {
                    self.bump();
                }
            }
            return;
        }
        if !self.at(T::LParen) || self.panicking {
            return;
        }
        let span = self.here();
        if self.peek_at(1) == T::Ident && self.peek_at(2) == T::Colon {
            self.fail(
                Diagnostic::error(
                    codes::HABIT_TYPE,
                    span,
                    "the fields of a struct stand on lines of their own",
                )
                .help("write `:` and for each field a line `name: T`"),
            );
            return;
        }
        let told = self.told_on_line(span);
        if !told {
            self.report(
                Diagnostic::error(codes::HABIT_KEYWORD, span, "a struct has no parent")
                    .help("put the other struct into a field, or implement a trait for both"),
            );
        }
        let mut depth = 0usize;
        loop {
            match self.raw().kind {
                T::LParen => depth += 1,
                T::RParen => depth = depth.saturating_sub(1),
                T::Eof => return,
                _ => {}
            }
            self.bump();
            if depth == 0 || self.raw().line_start {
                return;
            }
        }
    }

    /// Whether a foreign word was told on this line before this place.
    pub(super) fn told_on_line(&self, span: Span) -> bool {
        self.sink.diagnostics().last().is_some_and(|d| {
            d.code == codes::HABIT_KEYWORD
                && d.span.file == span.file
                && !self
                    .text
                    .get(d.span.end as usize..span.start as usize)
                    .is_none_or(|between| between.contains('\n'))
        })
    }

    /// The arrow of `fn(x) -> e`, if the parameters of a literal lie right before this place.
    pub(super) fn literal_arrow(&self) -> Option<Span> {
        let mut depth = 0usize;
        for n in 1..60 {
            let token = self.token(self.pos.checked_sub(n)?);
            match token.kind {
                T::RParen | T::RBracket => depth += 1,
                T::LParen | T::LBracket => depth = depth.checked_sub(1)?,
                T::Arrow if depth == 0 => return Some(self.span_of(token)),
                T::Fn | T::Colon | T::FatArrow if depth == 0 => return None,
                _ => {}
            }
            if token.line_start {
                return None;
            }
        }
        None
    }

    /// Whether a `:` ends this line.
    pub(super) fn colon_ends_line(&self) -> bool {
        let last = self.line_ahead(usize::from(self.raw().line_start));
        last.last().is_some_and(|token| token.kind == T::Colon)
    }

    /// `import x from y`, `import { a } from "b"`; behind the word `import` and a name.
    pub(super) fn import_from(&mut self, start: Span) -> bool {
        if !(self.at_word(sym::from) || self.at(T::LBrace)) || self.panicking {
            return false;
        }
        let named = self.at_word(sym::from).then(|| self.token(self.pos + 1));
        let module = named
            .filter(|t| t.kind == T::Ident)
            .map(|t| self.token_text(t).to_string());
        let name = self.token(self.pos.saturating_sub(1));
        let name = self.token_text(name).to_string();
        let whole = start.to(named.map_or(self.here(), |t| self.span_of(t)));
        let d = Diagnostic::error(
            codes::HABIT_KEYWORD,
            self.here(),
            "names are imported with `from` in front",
        );
        self.fail(match module {
            Some(module) => d
                .help(format!("write `from {module} import {name}`"))
                .fix(whole, format!("from {module} import {name}")),
            None => d.help("write `from module import a, b`"),
        });
        true
    }
}
