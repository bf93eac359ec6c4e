//! Lines that begin with a word of another language, or with a function or test as others write it.

use super::Parser;
use super::habits::LineHabit;
use crate::diag::{Diagnostic, codes};
use crate::source::sym;
use crate::token::T;

impl<'a> Parser<'a, '_> {
    /// Looks for a foreign word at the start of a line.
    pub(super) fn line_habit(&mut self) -> LineHabit {
        if !self.at(T::Ident) {
            return LineHabit::None;
        }
        if self.foreign_fn_at(self.pos) {
            self.keyword_habit("fn", "write `fn name(x: T) -> R:`");
            return LineHabit::Fn;
        }
        let modifiers = [
            (sym::async_, "every function may wait: write `fn`"),
            (sym::public, "write `pub`"),
            (
                sym::private,
                "leave it out: what is not `pub` stays inside the package",
            ),
            (
                sym::static_,
                "leave it out: a function without `self` stands in the module",
            ),
            (sym::unsafe_, "leave it out"),
            (sym::export, "write `pub`"),
        ];
        for (word, help) in modifiers {
            if self.at_word(word) && (self.foreign_operand() || self.peek_at(1) == T::Const) {
                self.keyword_habit("", help);
                self.bump();
                self.line_token = self.pos;
                return match self.peek() {
                    T::Fn => LineHabit::Fn,
                    T::Ident => self.line_habit_again(),
                    _ => self.skip_line(),
                };
            }
        }
        if self.peek_at(1) == T::Ident
            && self.peek_at(2) == T::Assign
            && ![sym::var, sym::val, sym::type_]
                .iter()
                .any(|w| self.at_word(*w))
        {
            let span = self.here();
            let word = self.token_text(self.raw()).to_string();
            self.report(
                Diagnostic::error(codes::HABIT_LET, span, "a new name begins with `let`")
                    .help(format!("write `let` instead of `{word}`"))
                    .fix(span, "let"),
            );
            return LineHabit::Let;
        }
        if self.c_function() {
            return self.skip_line();
        }
        if self.loose_end() {
            return self.skip_line();
        }
        if self.token_text(self.raw()) == "foreach" && self.peek_at(1) == T::LParen {
            self.keyword_habit("for", "write `for x in xs:`");
            if self.brace_ends_line() {
                self.skip_to_braces();
            }
            return self.skip_line();
        }
        for word in ["elsif", "elseif"] {
            if self.token_text(self.raw()) == word {
                self.keyword_habit("elif", "write `elif`");
                return self.skip_line();
            }
        }
        if self.at_word(sym::switch) && self.peek_at(1) == T::LParen && self.brace_ends_line() {
            self.keyword_habit("match", "write `match value:` and arms `pattern => …`");
            self.skip_to_braces();
            return self.skip_line();
        }
        if self.token_text(self.raw()) == "test" && self.test_name() {
            return self.skip_line();
        }
        let guard = self.peek_at(1) == T::Let && self.token_text(self.raw()) == "guard";
        if !self.foreign_operand() && !self.block_word() && !guard {
            return LineHabit::None;
        }
        if self.token_text(self.raw()) == "foreach" {
            self.keyword_habit("for", "write `for x in xs:`");
            return LineHabit::For;
        }
        let lets = [sym::var, sym::val];
        if lets.iter().any(|w| self.at_word(*w)) && self.peek_at(1) == T::Ident {
            self.keyword_habit(
                "let",
                "a new name begins with `let`, or `let mut` if it changes",
            );
            return LineHabit::Let;
        }
        if self.at_word(sym::class) {
            self.keyword_habit("struct", "write `struct Name:`; there is no inheritance");
            return LineHabit::Item;
        }
        if self.at_word(sym::interface) {
            self.keyword_habit("trait", "write `trait Name:`");
            return LineHabit::Item;
        }
        if self.at_word(sym::switch) || self.token_text(self.raw()) == "when" {
            self.keyword_habit("match", "write `match value:` and arms `pattern => …`");
            return LineHabit::Match;
        }
        let told = [
            (
                sym::type_,
                "there are no type aliases: declare a `struct` or `enum`",
            ),
            (sym::use_, "write `import a.b` or `from a import b`"),
            (sym::include, "write `import a.b`"),
            (sym::require, "write `import a.b`"),
            (
                sym::mod_,
                "a file is a module by its name alone: `import name`",
            ),
            (sym::module, "a file is a module by its name alone"),
            (sym::package, "a package is named in its `jet.toml`"),
            (sym::del, "write `xs.remove(i)` or `m.remove(k)`"),
            (
                sym::yield_,
                "build and return a list, or send into a channel",
            ),
            (sym::global, "there are no global variables: pass the value"),
            (sym::unless, "write `if not …:`"),
            (sym::until, "write `while not …:`"),
            (sym::except, "write `catch e: SomeError:`"),
            (sym::finally, "write `defer:` before what may fail"),
            (sym::do_, "write `loop:` and `break`, or `while c:`"),
            (sym::case, "an arm is `pattern => value`, inside of `match`"),
        ];
        for (word, help) in told {
            if self.at_word(word) {
                self.keyword_habit("", help);
                if self.peek_at(1) == T::LBrace {
                    self.bump();
                    self.foreign_braces();
                }
                return self.skip_line();
            }
        }
        let told = [
            ("using", "write `import a.b` or `from a import b`"),
            ("namespace", "a file is a module by its name alone"),
            (
                "typedef",
                "there are no type aliases: declare a `struct` or `enum`",
            ),
            ("record", "declare a `struct` with a line for each field"),
            ("data", "declare a `struct` with a line for each field"),
            ("union", "declare an `enum` with a variant for each"),
            ("implement", "write `impl Trait for Type:`"),
            (
                "goto",
                "write a loop with `break` or `continue`, perhaps with a label",
            ),
            ("guard", "write `let Some(x) = value else return`"),
            ("repeat", "write `for _ in 0..n:`"),
            (
                "extension",
                "methods of another type are those of a trait: `impl Trait for Type:`",
            ),
            ("sub", "write `fn name(x: T) -> R:`"),
            (
                "print",
                "write `Console.print(…)`; the function says `uses Console`",
            ),
            (
                "echo",
                "write `Console.print(…)`; the function says `uses Console`",
            ),
            (
                "puts",
                "write `Console.print(…)`; the function says `uses Console`",
            ),
        ];
        let word = self.token_text(self.raw()).to_string();
        for (known, help) in told {
            if word == known {
                self.keyword_habit("", help);
                if self.brace_ends_line() {
                    self.skip_to_braces();
                }
                return self.skip_line();
            }
        }
        LineHabit::None
    }

    /// `test foo:` and `test("foo"):`. `true`: told.
    pub(super) fn test_name(&mut self) -> bool {
        let at = usize::from(self.peek_at(1) == T::LParen);
        let name = self.token(self.pos + 1 + at);
        let colon = self.token(self.pos + 2 + 2 * at).kind == T::Colon;
        if !colon || !matches!(name.kind, T::Ident | T::Str) || name.line_start {
            return false;
        }
        if at == 0 && name.kind == T::Str {
            return false;
        }
        let text = self.token_text(name).trim_matches('"').to_string();
        let last = self.token(self.pos + 1 + 2 * at);
        let span = self
            .span_of(self.token(self.pos + 1))
            .to(self.span_of(last));
        self.report(
            Diagnostic::error(
                codes::HABIT_LITERAL,
                span,
                "the name of a test is a string, without parentheses",
            )
            .help(format!("write `test \"{text}\":`"))
            .fix(span, format!("\"{text}\"")),
        );
        true
    }

    /// `int f(int x) {`: a function of other languages. `true`: told.
    pub(super) fn c_function(&mut self) -> bool {
        let named = self.peek_at(1) == T::Ident && self.peek_at(2) == T::LParen;
        let word = self.token_text(self.raw());
        if !named || matches!(word, "def" | "func" | "function" | "fun" | "proc") {
            return false;
        }
        let span = self.here().to(self.span_of(self.token(self.pos + 1)));
        let name = self.token_text(self.token(self.pos + 1)).to_string();
        if !self.brace_ends_line() && !self.colon_ends_line() {
            return false;
        }
        self.report(
            Diagnostic::error(
                codes::HABIT_KEYWORD,
                span,
                "a function is declared with `fn`",
            )
            .help(format!("write `fn {name}(x: T) -> R:`")),
        );
        if self.brace_ends_line() {
            self.skip_to_braces();
        }
        true
    }

    /// `do:`, `finally:`, `except:`: foreign words that are followed by a colon.
    fn block_word(&self) -> bool {
        (self.peek_at(1) == T::LBrace && self.at_word(sym::do_))
            || self.peek_at(1) == T::Colon
                && self.token(self.pos + 2).line_start
                && [sym::do_, sym::finally, sym::except]
                    .iter()
                    .any(|w| self.word_at(self.pos, *w))
    }

    fn line_habit_again(&mut self) -> LineHabit {
        if self.foreign_fn_at(self.pos) {
            return LineHabit::Fn;
        }
        self.skip_line()
    }

    pub(super) fn skip_line(&mut self) -> LineHabit {
        self.panicking = true;
        LineHabit::Skip
    }
}
