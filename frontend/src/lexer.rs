//! Text to tokens, in one pass.
//!
//! The lexer knows lines and indentation but not layout: each token says whether it begins its line
//! and how far that line is indented; the parser decides what that means. What must stay true: time
//! and memory are linear in the text; every `FStrStart` has its `FStrEnd`; brackets nest at most
//! `MAX_BRACKETS` deep (beyond that lexing stops with an error); spans lie on character boundaries;
//! an `Error` token or a repaired one always comes with a diagnostic.

mod foreign;
mod numbers;
mod strings;

use crate::diag::{Diagnostic, Sink, codes};
use crate::source::{FileId, MAX_SOURCE_BYTES, Span, Symbol};
use crate::token::{T, Token};
use jet_bytecode::shown::hides;

/// Longest name, in bytes.
pub const MAX_NAME: usize = 255;
/// A name in a bundle spells out where it is declared: several names of the source with what stands between.
const _: () = assert!(8 * MAX_NAME < jet_bytecode::limits::MAX_NAME);

/// Deepest nesting of brackets.
pub const MAX_BRACKETS: usize = 200;

/// A line of documentation: the text behind `##`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocLine {
    /// First byte of the text.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
    /// Index of the next token.
    pub token: u32,
    /// Whether a blank line stands between it and what follows.
    pub detached: bool,
}

/// What the lexer makes of a file.
#[derive(Clone, Debug, Default)]
pub struct Lexed {
    /// All tokens; the last one is `Eof`, which begins a line of indentation 0.
    pub tokens: Vec<Token>,
    /// Documentation lines in order.
    pub docs: Vec<DocLine>,
    /// Whether lexing stopped early with an error.
    pub stopped: bool,
}

/// Splits a text into tokens.
pub fn lex(file: FileId, text: &str, sink: &mut Sink) -> Lexed {
    let mut lexer = Lexer {
        file,
        text,
        bytes: text.as_bytes(),
        pos: 0,
        out: Lexed::default(),
        line_start: true,
        indent: 0,
        tab_seen: false,
        open: Vec::new(),
        last_error: None,
        sink,
    };
    if lexer.check_text() {
        // About as many as programs have; more is no harm.
        lexer.out.tokens.reserve(text.len() / 4 + 1);
        lexer.run();
    } else {
        lexer.out.stopped = true;
    }
    while let Some(open) = lexer.open.pop() {
        if matches!(open, Open::Hole { .. }) {
            lexer.push(T::FStrEnd, lexer.pos, lexer.pos);
        }
    }
    lexer.out.tokens.push(Token {
        kind: T::Eof,
        line_start: true,
        indent: 0,
        start: lexer.offset(text.len()),
        end: lexer.offset(text.len()),
        name: Symbol::default(),
    });
    lexer.out
}

/// A bracket that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// `(`, `[` or `{`: the kind of its closer.
    Bracket(T),
    /// A hole `{…}` of an f-string that began at `start`.
    Hole { triple: bool, start: u32 },
}

struct Lexer<'t> {
    file: FileId,
    text: &'t str,
    bytes: &'t [u8],
    pos: usize,
    out: Lexed,
    /// Whether the next token is the first of its line.
    line_start: bool,
    /// Indentation of the current line.
    indent: u16,
    /// Whether a tab in indentation was reported.
    tab_seen: bool,
    open: Vec<Open>,
    /// Where the last error was.
    last_error: Option<u32>,
    sink: &'t mut Sink,
}

/// Characters that change the direction of text or hide in it: those that no name of a bundle may hold either.
fn is_hidden(c: char) -> bool {
    !c.is_control() && hides(c)
}

/// Whether an identifier with this character looks like one without it. In a string these belong to the sign before.
fn selects_variant(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}')
}

impl Lexer<'_> {
    fn offset(&self, pos: usize) -> u32 {
        u32::try_from(pos).unwrap_or(u32::MAX)
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, self.offset(start), self.offset(end))
    }

    /// The byte at a position, 0 beyond the end (no text that is lexed contains a zero byte).
    fn byte(&self, pos: usize) -> u8 {
        self.bytes.get(pos).copied().unwrap_or(0)
    }

    fn rest(&self) -> &str {
        self.text.get(self.pos..).unwrap_or("")
    }

    fn slice(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or("")
    }

    fn error(&mut self, diagnostic: Diagnostic) {
        self.last_error = Some(diagnostic.span.start);
        self.sink.push(diagnostic);
    }

    fn push(&mut self, kind: T, start: usize, end: usize) {
        let token = Token {
            kind,
            line_start: self.line_start,
            indent: self.indent,
            start: self.offset(start),
            end: self.offset(end),
            name: Symbol::default(),
        };
        self.line_start = false;
        self.out.tokens.push(token);
    }

    /// Looks for what makes a text unfit as a whole. `false`: do not lex it.
    fn check_text(&mut self) -> bool {
        if self.text.len() > MAX_SOURCE_BYTES {
            self.error(
                Diagnostic::error(
                    codes::SOURCE_TOO_LARGE,
                    self.span(0, 0),
                    format!(
                        "this file has {} bytes; a source file has at most {MAX_SOURCE_BYTES}",
                        self.text.len()
                    ),
                )
                .help("split it into modules, or read the data at run time"),
            );
            return false;
        }
        if self.bytes.contains(&0)
            && let Some(at) = self.bytes.iter().position(|&b| b == 0)
        {
            self.error(
                Diagnostic::error(
                    codes::NUL,
                    self.span(at, at + 1),
                    "this file contains a zero byte, so it is not a text",
                )
                .help("give the path of a Jet source file; write `\\0` for a zero in a string"),
            );
            return false;
        }
        if self.text.starts_with('\u{FEFF}') {
            self.pos = '\u{FEFF}'.len_utf8();
        }
        if self.text.is_ascii() {
            return true;
        }
        // All of these characters begin with one of these bytes: a cheap way past the rest.
        let begins = |b: &u8| {
            matches!(
                b,
                0xC2 | 0xCD | 0xD8 | 0xE1 | 0xE2 | 0xE3 | 0xEF | 0xF0 | 0xF3
            )
        };
        let mut at = self.pos;
        while let Some(next) = self.bytes.get(at..).and_then(|b| b.iter().position(begins)) {
            let start = at + next;
            let c = self.text.get(start..).and_then(|t| t.chars().next());
            let end = start + c.map_or(1, char::len_utf8);
            if let Some(c) = c.filter(|&c| is_hidden(c)) {
                self.hidden(c, start, end);
            }
            at = end;
        }
        true
    }

    fn hidden(&mut self, c: char, start: usize, end: usize) {
        let span = self.span(start, end);
        let c = c as u32;
        self.sink.push(
            Diagnostic::error(
                codes::BIDI,
                span,
                format!(
                    "the invisible character U+{c:04X} can make this text look different from what it does"
                ),
            )
            .help(format!("remove it; in a string write `\\u{{{c:X}}}`"))
            .fix(span, ""),
        );
    }

    fn run(&mut self) {
        self.begin_line();
        while self.pos < self.bytes.len() {
            if self.sink.is_full() {
                self.out.stopped = true;
                return;
            }
            let start = self.pos;
            match self.byte(start) {
                b'\n' => {
                    self.end_line(start);
                    self.pos += 1;
                    self.begin_line();
                }
                b'\r' if self.byte(start + 1) == b'\n' => self.pos += 1,
                b' ' | b'\t' => self.pos += 1,
                b'#' => self.comment(),
                b'0'..=b'9' => self.number(),
                b'"' => self.string(start, start),
                b'\'' if self.quoted_name() => {}
                b'\'' => self.char_literal(),
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
                0x80.. => self.other_character(),
                _ => {
                    if !self.punctuation() {
                        self.other_character();
                    }
                }
            }
            if self.out.stopped {
                return;
            }
        }
        self.end_line(self.pos);
    }

    /// Measures the indentation of a line; `pos` is its first byte.
    fn begin_line(&mut self) {
        let start = self.pos;
        let mut width = 0usize;
        let mut tab = None;
        loop {
            match self.byte(self.pos) {
                b' ' => width += 1,
                b'\t' => {
                    tab = tab.or(Some(self.pos));
                    width = (width / 4 + 1) * 4;
                }
                _ => break,
            }
            self.pos += 1;
        }
        self.line_start = true;
        self.indent = u16::try_from(width).unwrap_or(u16::MAX);
        let first = self.byte(self.pos);
        let blank = matches!(first, 0 | b'\n' | b'#')
            || (first == b'\r' && self.byte(self.pos + 1) == b'\n');
        if blank {
            if first != b'#' {
                for doc in self.out.docs.iter_mut().rev() {
                    if doc.detached || doc.token as usize != self.out.tokens.len() {
                        break;
                    }
                    doc.detached = true;
                }
            }
            return;
        }
        if let Some(tab) = tab
            && !self.tab_seen
        {
            self.tab_seen = true;
            let whole = self.span(start, self.pos);
            self.error(
                Diagnostic::error(
                    codes::TAB_INDENT,
                    self.span(tab, tab + 1),
                    "this line is indented with a tab; Jet indents with spaces",
                )
                .help("use four spaces for each level, here and in the lines below")
                .fix(whole, " ".repeat(width)),
            );
        }
        // Where a new item begins nothing can be open: a forgotten bracket ends here.
        if width == 0
            && !self.open.is_empty()
            && !self.open.iter().any(|o| matches!(o, Open::Hole { .. }))
        {
            let word_end = self.word_end(self.pos);
            let kind = T::keyword(self.slice(self.pos, word_end));
            if kind.is_some_and(|k| k.begins_statement_only() || k == T::Fn) {
                self.open.clear();
            }
        }
    }

    /// At a line end: a hole of an f-string that is not triple-quoted ends with its line.
    fn end_line(&mut self, line_end: usize) {
        let Some(at) = self
            .open
            .iter()
            .position(|o| matches!(o, Open::Hole { triple: false, .. }))
        else {
            return;
        };
        let Some(Open::Hole { start, .. }) = self.open.get(at).copied() else {
            return;
        };
        let end = line_end.max(start as usize);
        if self.last_error.is_none_or(|e| e < start) {
            let span = Span::new(self.file, start, self.offset(end));
            self.error(
                Diagnostic::error(
                    codes::UNTERMINATED_FSTRING,
                    span,
                    "this f-string does not end on its line",
                )
                .label("a `}` or `\"` is missing")
                .help("close it, or use `f\"\"\"…\"\"\"` for several lines"),
            );
        }
        // What is missing has been told: the parser keeps silent about it.
        self.push(T::Error, end, end);
        while self.open.len() > at {
            if let Some(Open::Hole { .. }) = self.open.pop() {
                self.push(T::FStrEnd, end, end);
            }
        }
    }

    fn comment(&mut self) {
        let start = self.pos;
        let end = self
            .bytes
            .get(start..)
            .and_then(|b| b.iter().position(|&b| b == b'\n'))
            .map_or(self.bytes.len(), |n| start + n);
        self.pos = end;
        let is_doc = self.line_start
            && self.byte(start + 1) == b'#'
            && self.byte(start + 2) != b'#'
            && !self.open.iter().any(|o| matches!(o, Open::Hole { .. }));
        if is_doc {
            let body = self.slice(start + 2, end);
            let trimmed = body.trim_end();
            let skip = usize::from(trimmed.starts_with(' '));
            let (from, to) = (start + 2 + skip, start + 2 + trimmed.len());
            self.out.docs.push(DocLine {
                start: self.offset(from),
                end: self.offset(to.max(from)),
                token: self.offset(self.out.tokens.len()),
                detached: false,
            });
        }
    }

    /// End of the word (letters, digits, `_`) that begins at `start`.
    fn word_end(&self, start: usize) -> usize {
        let mut end = start;
        while let b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' = self.byte(end) {
            end += 1;
        }
        if self.byte(end) >= 0x80 {
            let tail = self.text.get(end..).unwrap_or("");
            end += tail
                .char_indices()
                .find(|&(_, c)| !(c == '_' || unicode_ident::is_xid_continue(c)))
                .map_or(tail.len(), |(n, _)| n);
        }
        end
    }

    fn word(&mut self) {
        let start = self.pos;
        let end = self.word_end(start);
        let word = self.slice(start, end);
        if self.byte(end) == b'"' {
            match word {
                "r" => return self.raw_string(),
                "f" => return self.fstring(),
                "b" | "u" | "R" | "F" | "B" | "rf" | "fr" | "br" | "rb" | "c" => {
                    let help = match word {
                        "b" | "B" | "br" | "rb" => "write `\"…\".bytes()` for a list of bytes",
                        "F" | "rf" | "fr" => "write `f\"…\"`; it has escapes, `{{` and `}}`",
                        "R" => "write `r\"…\"`",
                        _ => "write `\"…\"`: every string is Unicode",
                    };
                    let diagnostic = Diagnostic::error(
                        codes::STRING_PREFIX,
                        self.span(start, end),
                        format!("`{word}` is no prefix of a string"),
                    )
                    .help(help);
                    self.error(diagnostic);
                    return self.string(start, end);
                }
                _ => {}
            }
        }
        let kind = T::keyword(word).unwrap_or(T::Ident);
        self.name(kind, start, end);
    }

    /// A name or keyword.
    fn name(&mut self, kind: T, start: usize, end: usize) {
        self.pos = end;
        if end - start > MAX_NAME {
            let diagnostic = Diagnostic::error(
                codes::NAME_TOO_LONG,
                self.span(start, end),
                format!(
                    "a name has at most {MAX_NAME} bytes; this one has {}",
                    end - start
                ),
            );
            self.error(diagnostic.help("shorten it; long data belongs into a string"));
            return self.push(T::Ident, start, end);
        }
        let word = self.slice(start, end);
        if let Some((at, c)) = word.char_indices().find(|(_, c)| selects_variant(*c)) {
            self.hidden(c, start + at, start + at + c.len_utf8());
        }
        self.push(kind, start, end);
    }

    /// A character outside ASCII, or one that begins nothing.
    fn other_character(&mut self) {
        let start = self.pos;
        if self.backtick() || self.backslash_literal() || self.dollar() {
            return;
        }
        let Some(c) = self.rest().chars().next() else {
            self.pos += 1;
            return;
        };
        if unicode_ident::is_xid_start(c) {
            let end = self.word_end(start).max(start + c.len_utf8());
            return self.name(T::Ident, start, end);
        }
        if is_hidden(c) {
            self.pos += c.len_utf8();
            return;
        }
        let stray = |c: char| {
            !c.is_ascii_alphanumeric()
                && !unicode_ident::is_xid_start(c)
                && !is_hidden(c)
                && (!c.is_ascii() || (c.is_ascii_control() && c != '\n') || "$`\\".contains(c))
        };
        let rest = self.rest();
        let len = rest
            .char_indices()
            .find(|&(_, c)| !stray(c))
            .map_or(rest.len(), |(n, _)| n)
            .max(c.len_utf8());
        // Typographic quotes: all up to the closing one is meant as a string.
        let quoted_len = matches!(c, '“' | '”' | '„')
            .then(|| {
                let line = rest.lines().next().unwrap_or("");
                line.char_indices()
                    .skip(1)
                    .find(|&(_, c)| matches!(c, '“' | '”' | '"'))
                    .map(|(n, c)| n + c.len_utf8())
            })
            .flatten();
        let len = quoted_len.unwrap_or(len);
        let what = rest.get(..len).unwrap_or("").to_string();
        let end = start + len;
        self.pos = end;
        let span = self.span(start, end);
        let quoted = if c.is_control() || c.is_whitespace() {
            format!("the character U+{:04X}", c as u32)
        } else {
            format!("`{}`", what.chars().take(20).collect::<String>())
        };
        let mut diagnostic = Diagnostic::error(
            codes::STRAY_CHARACTER,
            span,
            format!("{quoted} begins nothing in Jet"),
        );
        let instead = match c {
            '“' | '”' | '„' | '«' | '»' => Some("\""),
            '‘' | '’' => Some("'"),
            '–' | '—' | '−' => Some("-"),
            '×' => Some("*"),
            '÷' => Some("/"),
            '≤' => Some("<="),
            '≥' => Some(">="),
            '≠' => Some("!="),
            '→' => Some("->"),
            '⇒' => Some("=>"),
            '\u{A0}' | '\u{3000}' => Some(" "),
            '…' => Some(".."),
            _ => None,
        };
        if let Some(text) = instead {
            diagnostic = diagnostic.help(format!("write `{text}`"));
            if len == c.len_utf8() {
                diagnostic = diagnostic.fix(span, text);
            }
        } else if c == '\\' {
            diagnostic = diagnostic.help("put a long expression in parentheses to continue it");
        } else if c == '\r' {
            diagnostic = diagnostic.help("end lines with a line feed");
        } else if c == '$' {
            diagnostic = diagnostic.help("in an f-string a value is written `{name}`");
        }
        self.error(diagnostic);
        if c == '\\' {
            // Meant to continue the line: the next one is read as its rest.
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
            if self.byte(end + blank) == b'\n' {
                self.pos = end + blank + 1;
            }
        } else if !c.is_whitespace() {
            self.push(T::Error, start, end);
        }
    }

    fn open(&mut self, kind: T, start: usize) {
        let closer = match kind {
            T::LParen => T::RParen,
            T::LBracket => T::RBracket,
            _ => T::RBrace,
        };
        if self.enter(Open::Bracket(closer), start) {
            self.push(kind, start, start + 1);
        }
    }

    /// Notes an open bracket; `false` if it nests too deep.
    fn enter(&mut self, open: Open, start: usize) -> bool {
        if self.open.len() >= MAX_BRACKETS {
            self.out.stopped = true;
            let diagnostic = Diagnostic::error(
                codes::TOO_DEEP,
                self.span(start, start + 1),
                format!("brackets nest more than {MAX_BRACKETS} deep here"),
            )
            .help("give parts of the expression a name with `let`");
            self.error(diagnostic);
            return false;
        }
        self.open.push(open);
        true
    }

    fn close(&mut self, kind: T, start: usize) {
        self.pos = start + 1;
        match self.open.last() {
            Some(Open::Bracket(closer)) if *closer == kind => {
                self.open.pop();
            }
            Some(Open::Bracket(_)) if kind == T::RBrace => {
                // A bracket left open in a hole: the brace closes the hole, if there is one.
                if let Some(at) = self
                    .open
                    .iter()
                    .rposition(|o| matches!(o, Open::Hole { .. }))
                    && !self
                        .open
                        .get(at..)
                        .is_some_and(|inner| inner.contains(&Open::Bracket(T::RBrace)))
                {
                    self.open.truncate(at + 1);
                    return self.close_hole(start);
                }
            }
            Some(Open::Hole { .. }) if kind == T::RBrace => return self.close_hole(start),
            _ => {}
        }
        self.push(kind, start, start + 1);
    }

    /// Reads an operator or bracket; `false` if there is none.
    fn punctuation(&mut self) -> bool {
        let start = self.pos;
        let (a, b, c, d) = (
            self.byte(start),
            self.byte(start + 1),
            self.byte(start + 2),
            self.byte(start + 3),
        );
        let in_hole = matches!(self.open.last(), Some(Open::Hole { .. }));
        if in_hole && a == b':' {
            self.hole_spec(start);
            return true;
        }
        if a == b'/' && (b == b'/' || b == b'*') && self.foreign_comment(start, b) {
            return true;
        }
        if (a, b, c) == (b'=', b'=', b'=') || (a, b, c) == (b'!', b'=', b'=') {
            let (kind, text) = if a == b'=' {
                (T::EqEq, "==")
            } else {
                (T::NotEq, "!=")
            };
            let span = self.span(start, start + 3);
            let diagnostic = Diagnostic::error(
                codes::HABIT_OPERATOR,
                span,
                format!(
                    "`{}` is not an operator of Jet",
                    self.slice(start, start + 3)
                ),
            )
            .help(format!("write `{text}`; identity is `same(a, b)`"))
            .fix(span, text);
            self.error(diagnostic);
            self.pos = start + 3;
            self.push(kind, start, start + 3);
            return true;
        }
        let (kind, len) = match (a, b, c, d) {
            (b'(', ..) => (T::LParen, 0),
            (b'[', ..) => (T::LBracket, 0),
            (b'{', ..) => (T::LBrace, 0),
            (b')', ..) => {
                self.close(T::RParen, start);
                return true;
            }
            (b']', ..) => {
                self.close(T::RBracket, start);
                return true;
            }
            (b'}', ..) => {
                self.close(T::RBrace, start);
                return true;
            }
            (b',', ..) => (T::Comma, 1),
            (b';', ..) => (T::Semi, 1),
            (b'@', ..) => (T::At, 1),
            (b'?', ..) => (T::Question, 1),
            (b'~', ..) => (T::Tilde, 1),
            (b':', b':', ..) => (T::ColonColon, 2),
            (b':', b'=', ..) => (T::ColonEq, 2),
            (b':', ..) => (T::Colon, 1),
            (b'.', b'.', b'=', _) => (T::DotDotEq, 3),
            (b'.', b'.', ..) => (T::DotDot, 2),
            (b'.', ..) => (T::Dot, 1),
            (b'!', b'=', ..) => (T::NotEq, 2),
            (b'!', ..) => (T::Bang, 1),
            (b'-', b'>', ..) => (T::Arrow, 2),
            (b'=', b'>', ..) => (T::FatArrow, 2),
            (b'=', b'=', ..) => (T::EqEq, 2),
            (b'=', ..) => (T::Assign, 1),
            (b'+', b'%', b'=', _) => (T::PlusWrapEq, 3),
            (b'-', b'%', b'=', _) => (T::MinusWrapEq, 3),
            (b'*', b'%', b'=', _) => (T::StarWrapEq, 3),
            (b'*', b'*', b'=', _) => (T::StarStarEq, 3),
            (b'+', b'%', ..) => (T::PlusWrap, 2),
            (b'-', b'%', ..) => (T::MinusWrap, 2),
            (b'*', b'%', ..) => (T::StarWrap, 2),
            (b'+', b'=', ..) => (T::PlusEq, 2),
            (b'+', b'+', ..) => (T::PlusPlus, 2),
            (b'-', b'=', ..) => (T::MinusEq, 2),
            (b'*', b'=', ..) => (T::StarEq, 2),
            (b'*', b'*', ..) => (T::StarStar, 2),
            (b'/', b'=', ..) => (T::SlashEq, 2),
            (b'%', b'=', ..) => (T::PercentEq, 2),
            (b'+', ..) => (T::Plus, 1),
            (b'-', ..) => (T::Minus, 1),
            (b'*', ..) => (T::Star, 1),
            (b'/', ..) => (T::Slash, 1),
            (b'%', ..) => (T::Percent, 1),
            (b'<', b'<', b'=', _) => (T::ShlEq, 3),
            (b'<', b'<', ..) => (T::Shl, 2),
            (b'<', b'=', ..) => (T::Le, 2),
            (b'<', ..) => (T::Lt, 1),
            (b'>', b'>', b'>', b'=') => (T::UShrEq, 4),
            (b'>', b'>', b'>', _) => (T::UShr, 3),
            (b'>', b'>', b'=', _) => (T::ShrEq, 3),
            (b'>', b'>', ..) => (T::Shr, 2),
            (b'>', b'=', ..) => (T::Ge, 2),
            (b'>', ..) => (T::Gt, 1),
            (b'&', b'&', ..) => (T::AndAnd, 2),
            (b'&', b'=', ..) => (T::AmpEq, 2),
            (b'&', ..) => (T::Amp, 1),
            (b'|', b'|', ..) => (T::OrOr, 2),
            (b'|', b'=', ..) => (T::PipeEq, 2),
            (b'|', ..) => (T::Pipe, 1),
            (b'^', b'=', ..) => (T::CaretEq, 2),
            (b'^', ..) => (T::Caret, 1),
            _ => return false,
        };
        if len == 0 {
            self.pos = start + 1;
            self.open(kind, start);
        } else {
            self.pos = start + len;
            self.push(kind, start, start + len);
        }
        true
    }

    /// `//` and `/*`: answered, and skipped where they are meant as a comment.
    fn foreign_comment(&mut self, start: usize, second: u8) -> bool {
        let before = self.slice(0, start);
        let prev = self.out.tokens.last().map(|t| t.kind);
        let is_comment = second == b'*'
            || self.line_start
            || before.ends_with("  ")
            || matches!(
                prev,
                Some(T::Colon | T::Comma | T::LParen | T::LBrace | T::Semi)
            );
        let span = self.span(start, start + 2);
        let mut diagnostic = Diagnostic::error(
            codes::HABIT_COMMENT,
            span,
            format!("`/{}` means nothing in Jet", second as char),
        );
        if is_comment {
            diagnostic = diagnostic.help("a comment begins with `#`");
            if second == b'/' {
                diagnostic = diagnostic.fix(span, "#");
            }
        } else {
            diagnostic = diagnostic.help("`/` on integers truncates; a comment begins with `#`");
        }
        self.error(diagnostic);
        if !is_comment {
            self.pos = start + 2;
            self.push(T::Slash, start, start + 2);
        } else if second == b'*' {
            let body = self.text.get(start + 2..).unwrap_or("");
            self.pos = body
                .find("*/")
                .map_or(self.text.len(), |n| start + 2 + n + 2);
        } else {
            let body = self.text.get(start..).unwrap_or("");
            self.pos = body.find('\n').map_or(self.text.len(), |n| start + n);
        }
        true
    }
}

#[cfg(test)]
mod tests;
