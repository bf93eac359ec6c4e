//! Strings, characters and f-strings: where they end. Escapes are read by `parser::literals`.

use super::{Lexer, Open};
use crate::diag::{Diagnostic, codes};
use crate::token::T;

impl Lexer<'_> {
    /// Position behind the closing quote of a one-line literal whose content begins at `at`, or the
    /// end of the line as error.
    fn find_quote(&self, mut at: usize, quote: u8, escapes: bool) -> Result<usize, usize> {
        loop {
            match self.byte(at) {
                0 if at >= self.bytes.len() => return Err(self.bytes.len()),
                b'\n' => return Err(at),
                b'\r' if self.byte(at + 1) == b'\n' => return Err(at),
                b'\\' if escapes && !matches!(self.byte(at + 1), b'\n' | b'\r' | 0) => at += 2,
                b if b == quote => return Ok(at + 1),
                _ => at += 1,
            }
        }
    }

    /// Position behind the closing `"""` of a literal whose content begins at `at`.
    fn find_triple(&self, mut at: usize, escapes: bool) -> Option<usize> {
        while at < self.bytes.len() {
            match self.byte(at) {
                b'\\' if escapes => at += 2,
                b'"' if self.byte(at + 1) == b'"' && self.byte(at + 2) == b'"' => {
                    return Some(at + 3);
                }
                _ => at += 1,
            }
        }
        None
    }

    fn is_triple(&self, quote: usize) -> bool {
        self.byte(quote) == b'"' && self.byte(quote + 1) == b'"' && self.byte(quote + 2) == b'"'
    }

    fn unterminated(&mut self, start: usize, end: usize, triple: bool) {
        let end = end.min(self.text.len());
        let quote = if triple { "\"\"\"" } else { "\"" };
        let shown = if triple { start + 3 } else { end };
        let mut diagnostic = Diagnostic::error(
            codes::UNTERMINATED_STRING,
            self.span(start, shown.min(end)),
            if triple {
                "this string does not end"
            } else {
                "this string does not end on its line"
            },
        )
        .label(format!("`{quote}` is missing"));
        if !triple {
            diagnostic =
                diagnostic.help("close it; a string over several lines is `\"\"\"…\"\"\"`");
        }
        self.error(diagnostic);
        self.pos = end;
        self.push(T::Error, start, end);
    }

    /// A string that begins at `quote`; its token begins at `start`.
    pub(super) fn string(&mut self, start: usize, quote: usize) {
        self.quoted(start, quote, true, T::Str, T::TripleStr);
    }

    /// `r"…"`: `pos` is at the `r`.
    pub(super) fn raw_string(&mut self) {
        let start = self.pos;
        self.quoted(start, start + 1, false, T::RawStr, T::RawTripleStr);
    }

    fn quoted(&mut self, start: usize, quote: usize, escapes: bool, one: T, three: T) {
        let triple = self.is_triple(quote);
        let found = if triple {
            self.find_triple(quote + 3, escapes).ok_or(self.bytes.len())
        } else {
            self.find_quote(quote + 1, b'"', escapes)
        };
        match found {
            Ok(end) => {
                self.pos = end;
                // A prefix that was refused leaves the quotes as token.
                let from = if escapes { quote } else { start };
                self.push(if triple { three } else { one }, from, end);
            }
            Err(end) => self.unterminated(start, end, triple),
        }
    }

    pub(super) fn char_literal(&mut self) {
        let start = self.pos;
        match self.find_quote(start + 1, b'\'', true) {
            Ok(end) => {
                self.pos = end;
                self.push(T::Char, start, end);
            }
            Err(line_end) => {
                // Only the quote is taken, so that the rest of the line keeps its meaning.
                let end = start + 1;
                let diagnostic = Diagnostic::error(
                    codes::BAD_CHAR_LITERAL,
                    self.span(start, end),
                    "this character literal has no closing `'`",
                )
                .help("a character is `'x'`, a string `\"x\"`");
                self.error(diagnostic);
                self.pos = line_end.max(end);
                self.push(T::Error, start, line_end.max(end));
            }
        }
    }

    /// `f"…"`: `pos` is at the `f`.
    pub(super) fn fstring(&mut self) {
        let start = self.pos;
        let triple = self.is_triple(start + 1);
        let content = start + if triple { 4 } else { 2 };
        self.pos = content;
        self.push(T::FStrStart, start, content);
        self.fstring_text(start, triple);
    }

    /// Reads text of an f-string from `pos` up to a hole or the end.
    fn fstring_text(&mut self, fstart: usize, triple: bool) {
        let start = self.pos;
        let mut at = start;
        loop {
            let b = self.byte(at);
            let line_end = b == b'\n' || (b == b'\r' && self.byte(at + 1) == b'\n');
            if at >= self.bytes.len() || (line_end && !triple) {
                at = at.min(self.bytes.len());
                self.text_token(start, at);
                let diagnostic = Diagnostic::error(
                    codes::UNTERMINATED_FSTRING,
                    self.span(fstart, if triple { fstart + 4 } else { at }),
                    if triple {
                        "this f-string does not end"
                    } else {
                        "this f-string does not end on its line"
                    },
                )
                .label(if triple {
                    "`\"\"\"` is missing"
                } else {
                    "`\"` is missing"
                });
                self.error(diagnostic);
                self.pos = at;
                return self.push(T::FStrEnd, at, at);
            }
            match b {
                b'\\' if self.byte(at + 1) == b'u' && self.byte(at + 2) == b'{' => {
                    // The braces of `\u{…}` are no hole.
                    at += 3;
                    while self.byte(at).is_ascii_hexdigit() {
                        at += 1;
                    }
                    at += usize::from(self.byte(at) == b'}');
                }
                b'\\' if !matches!(self.byte(at + 1), b'\n' | b'\r' | 0) => at += 2,
                b'"' if !triple || self.is_triple(at) => {
                    self.text_token(start, at);
                    let end = at + if triple { 3 } else { 1 };
                    self.pos = end;
                    return self.push(T::FStrEnd, at, end);
                }
                b'{' if self.byte(at + 1) == b'{' => at += 2,
                b'}' if self.byte(at + 1) == b'}' => at += 2,
                b'{' => {
                    self.text_token(start, at);
                    let hole = Open::Hole {
                        triple,
                        start: self.offset(fstart),
                    };
                    self.pos = at + 1;
                    if self.enter(hole, at) {
                        self.push(T::FStrOpen, at, at + 1);
                    } else {
                        self.push(T::FStrEnd, at, at);
                    }
                    return;
                }
                b'}' => {
                    let span = self.span(at, at + 1);
                    let diagnostic = Diagnostic::error(
                        codes::FSTRING_BRACE,
                        span,
                        "this `}` closes nothing in the f-string",
                    )
                    .help("write `}}` for a brace in the text")
                    .fix(span, "}}");
                    self.error(diagnostic);
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }

    fn text_token(&mut self, start: usize, end: usize) {
        if end > start {
            self.push(T::FStrText, start, end);
        }
    }

    /// The `:` of a hole: the format specification runs up to the `}`.
    pub(super) fn hole_spec(&mut self, colon: usize) {
        let start = colon + 1;
        let mut end = start;
        while !matches!(self.byte(end), b'}' | b'{' | b'"' | b'\n' | b'\r')
            && end < self.bytes.len()
        {
            end += 1;
        }
        self.pos = end;
        let closed = self.byte(end) == b'}';
        self.push(if closed { T::FStrSpec } else { T::Error }, colon, end);
        match self.byte(end) {
            b'}' => self.close_hole(end),
            b'{' => {
                let diagnostic = Diagnostic::error(
                    codes::BAD_FORMAT_SPEC,
                    self.span(end, end + 1),
                    "a format specification is fixed text",
                )
                .help("build strings of computed width with `repeat`, or close the hole with `}`");
                self.error(diagnostic);
                while !matches!(self.byte(self.pos), b'"' | b'\n' | 0) {
                    self.pos += 1;
                }
                self.abandon_hole();
            }
            _ => {
                let diagnostic = Diagnostic::error(
                    codes::FSTRING_BRACE,
                    self.span(colon, end),
                    "the `{` of this f-string is not closed",
                )
                .help("write `}` behind the format specification");
                self.error(diagnostic);
                self.abandon_hole();
            }
        }
    }

    /// Goes on with the text behind a hole that was not closed.
    fn abandon_hole(&mut self) {
        if let Some(Open::Hole { triple, start }) = self.open.pop() {
            self.push(T::FStrClose, self.pos, self.pos);
            self.fstring_text(start as usize, triple);
        }
    }

    /// The `}` of a hole.
    pub(super) fn close_hole(&mut self, at: usize) {
        if let Some(Open::Hole { triple, start }) = self.open.pop() {
            self.push(T::FStrClose, at, at + 1);
            self.pos = at + 1;
            self.fstring_text(start as usize, triple);
        }
    }
}
