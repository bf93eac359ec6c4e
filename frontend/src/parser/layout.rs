//! Layout: where statements, blocks and brackets end, and how reading goes on after an error.
//!
//! A stack of contexts says what a line break means. In a `Bracket` it means nothing (but a line
//! that can only be a statement, no deeper than the block around, ends a forgotten bracket). In a
//! `Block` it ends the statement, unless the line begins with `.`. Blocks inside brackets end with
//! their indentation, at a comma, or at the closing bracket.

use super::{MarkKind, Parser};
use crate::ast::{Block, Stmt};
use crate::diag::{Diagnostic, codes};
use crate::source::Span;
use crate::token::{T, Token};

/// What a line break means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ctx {
    /// Lines of this indentation are statements.
    Block {
        indent: u16,
        /// Whether a bracket is open around the block.
        bracketed: bool,
    },
    /// Inside a bracket; `base` is the indentation of the block around.
    Bracket { base: u16, index: bool },
}

impl<'a> Parser<'a, '_> {
    /// Kind of the token at an index, as the layout shows it.
    #[inline]
    pub(super) fn view(&self, at: usize) -> T {
        let token = self.token(at);
        if token.line_start {
            self.view_line_start(at, token)
        } else {
            token.kind
        }
    }

    fn view_line_start(&self, at: usize, token: Token) -> T {
        if token.kind == T::Eof || at == self.line_token {
            return token.kind;
        }
        match self.layout.last() {
            Some(Ctx::Bracket { base, .. }) => {
                let statement = token.kind.begins_statement_only()
                    || (token.kind == T::Fn && self.token(at + 1).kind == T::Ident);
                if statement && token.indent <= *base {
                    T::Newline
                } else {
                    token.kind
                }
            }
            Some(Ctx::Block { indent, .. }) => {
                if token.kind == T::Dot && token.indent >= *indent {
                    T::Dot
                } else {
                    T::Newline
                }
            }
            None => token.kind,
        }
    }

    /// Indentation of the innermost block.
    pub(super) fn block_indent(&self) -> u16 {
        match self.layout.last() {
            Some(Ctx::Block { indent, .. }) => *indent,
            Some(Ctx::Bracket { base, .. }) => *base,
            None => 0,
        }
    }

    pub(super) fn in_bracket(&self) -> bool {
        match self.layout.last() {
            Some(Ctx::Block { bracketed, .. }) => *bracketed,
            Some(Ctx::Bracket { .. }) => true,
            None => false,
        }
    }

    /// Whether a bracket is open and no block of lines stands between it and here.
    pub(super) fn right_in_bracket(&self) -> bool {
        matches!(self.layout.last(), Some(Ctx::Bracket { .. }))
    }

    /// Whether the innermost bracket is that of an index.
    pub(super) fn in_index(&self) -> bool {
        matches!(self.layout.last(), Some(Ctx::Bracket { index: true, .. }))
    }

    /// Takes the opening bracket that stands here.
    pub(super) fn open(&mut self, index: bool) -> Token {
        let token = self.bump();
        let base = self.block_indent();
        self.layout.push(Ctx::Bracket { base, index });
        token
    }

    /// Whether the last token ends an f-string that took the rest of the line with it, which was told.
    fn behind_open_fstring(&self) -> bool {
        let last = self.prev_span();
        let mut told = self.sink.diagnostics().iter();
        told.any(|d| {
            d.code == codes::UNTERMINATED_FSTRING
                && d.span.start <= last.start
                && last.start <= d.span.end
        })
    }

    /// Takes the closing bracket of `opener`, or tells that it is missing and looks for it.
    pub(super) fn close(&mut self, opener: Token, closer: T) {
        if self.at(closer) {
            self.bump();
            self.layout.pop();
            return;
        }
        if !self.panicking {
            let opener_span = self.span_of(opener);
            let open_text = opener.kind.describe();
            let base = self.block_indent();
            let raw = self.raw();
            let line_over = matches!(self.peek(), T::Newline | T::Eof)
                || (raw.line_start && raw.indent <= base && !raw.kind.is_closer());
            if self.at(T::Error) || line_over && self.behind_open_fstring() {
                self.panicking = true;
            } else if line_over {
                self.fail(
                    Diagnostic::error(
                        codes::UNCLOSED_BRACKET,
                        opener_span,
                        format!("this {open_text} is not closed"),
                    )
                    .note_at(
                        self.prev_span().after(),
                        format!("a {} is missing, at the latest here", closer.describe()),
                    ),
                );
            } else if self.at(T::Semi) {
                self.semicolon();
            } else if self.at(T::Arrow) && closer == T::RParen {
                let span = self.here();
                self.fail(
                    Diagnostic::error(codes::HABIT_TYPE, span, "a function type begins with `fn`")
                        .help("write `fn(A) -> B`"),
                );
            } else {
                let message = if closer == T::FStrClose {
                    format!("expected {}, found {}", closer.describe(), self.found())
                } else {
                    format!(
                        "expected `,` or {}, found {}",
                        closer.describe(),
                        self.found()
                    )
                };
                self.fail(
                    Diagnostic::error(codes::UNEXPECTED, self.here(), message)
                        .note_at(opener_span, format!("{open_text} is opened here")),
                );
            }
        }
        let base = self.block_indent();
        let mut depth = 0usize;
        let mut fstrings = 0usize;
        loop {
            let token = self.raw();
            if token.kind == T::Eof || self.at(T::Newline) {
                break;
            }
            if token.kind == T::FStrEnd {
                if fstrings == 0 {
                    break;
                }
                fstrings -= 1;
            } else if token.kind == T::FStrStart {
                fstrings += 1;
            } else if token.kind.is_closer() {
                if depth == 0 {
                    if token.kind == closer {
                        self.bump();
                        self.panicking = false;
                    }
                    break;
                }
                depth -= 1;
            } else if token.line_start && token.indent <= base && self.pos != self.line_token {
                break;
            } else if token.kind.is_opener() {
                depth += 1;
            }
            self.bump();
        }
        self.layout.pop();
    }

    /// Reads what stands between brackets, with commas between; `item` reads one and says whether it
    /// found something. A comma at the end is allowed.
    pub(super) fn list<V>(
        &mut self,
        closer: T,
        mut item: impl FnMut(&mut Self) -> Option<V>,
    ) -> Vec<V> {
        let mut out = Vec::new();
        while !matches!(self.peek(), T::Eof | T::Newline) && !self.at(closer) {
            let before = self.pos;
            if let Some(value) = item(self) {
                out.push(value);
            }
            if self.panicking && !self.resume_at_comma(closer) {
                break;
            }
            if !self.eat(T::Comma) || self.pos == before {
                break;
            }
        }
        out
    }

    /// After an error in a list: goes to the next comma or the closer of this bracket, if they stand
    /// before the line's end.
    fn resume_at_comma(&mut self, closer: T) -> bool {
        let base = self.block_indent();
        let mut at = self.pos;
        let mut depth = 0usize;
        loop {
            let token = self.token(at);
            if token.kind == T::Eof
                || (token.line_start
                    && at != self.line_token
                    && token.indent <= base
                    && token.kind != closer)
            {
                return false;
            }
            if depth == 0 && (token.kind == T::Comma || token.kind == closer) {
                self.pos = at;
                self.panicking = false;
                return true;
            }
            if token.kind.is_opener() || token.kind == T::FStrStart {
                depth += 1;
            } else if token.kind.is_closer() || token.kind == T::FStrEnd {
                if depth == 0 {
                    return false;
                }
                depth -= 1;
            }
            at += 1;
        }
    }

    /// The `:` behind a block's header, or what other languages write there.
    pub(super) fn header_colon(&mut self, what: &str) {
        if self.panicking {
            // The header was wrong: its colon at the line's end still begins the block.
            let mut at = self.pos;
            loop {
                let token = self.token(at);
                if token.kind == T::Eof || (token.line_start && at != self.line_token) {
                    return;
                }
                if token.kind == T::Colon && self.token(at + 1).line_start {
                    self.pos = at + 1;
                    self.panicking = false;
                    return;
                }
                at += 1;
            }
        }
        if self.eat(T::Colon) {
            return;
        }
        match self.peek() {
            T::LBrace => {
                let span = self.here();
                self.fail(
                    Diagnostic::error(
                        codes::HABIT_BRACES,
                        span,
                        format!("{what} is followed by `:` and an indented block, not by braces"),
                    )
                    .help("write `:` at the end of the line and indent the block by four spaces"),
                );
                self.skip_braces();
            }
            T::Newline | T::Eof => {
                let span = self.prev_span().after();
                let deeper = self.raw().indent > self.block_indent();
                let diagnostic = Diagnostic::error(
                    codes::MISSING_COLON,
                    span,
                    format!("`:` is missing behind {what}"),
                )
                .help("write `:` at the end of this line")
                .fix(span, ":");
                if deeper {
                    self.report(diagnostic);
                } else {
                    self.fail(diagnostic);
                }
            }
            T::Arrow | T::FatArrow => {
                let span = self.here();
                self.report(
                    Diagnostic::error(
                        codes::HABIT_ARROW,
                        span,
                        format!("a block begins with `:`, not with {}", self.found()),
                    )
                    .help("write `:`")
                    .fix(span, ":"),
                );
                self.bump();
            }
            T::Ident if self.token_text(self.raw()) == "then" => {
                let colon = self.peek_at(1) == T::Colon;
                self.keyword_habit(if colon { "" } else { ":" }, "write `:`");
                self.bump();
                self.eat(T::Colon);
            }
            _ => self.unexpected(&format!("`:` behind {what}")),
        }
    }

    /// Skips a block in braces, whose braces have been told, and the clauses that follow it.
    pub(super) fn skip_braces(&mut self) {
        loop {
            let mut depth = 0usize;
            loop {
                let token = self.raw();
                let item = token.line_start
                    && token.indent == 0
                    && (token.kind == T::Fn || token.kind.begins_statement_only());
                match token.kind {
                    T::Eof => break,
                    _ if item => break,
                    T::LBrace => depth += 1,
                    T::RBrace => depth = depth.saturating_sub(1),
                    _ => {}
                }
                self.bump();
                if depth == 0 {
                    break;
                }
            }
            // `} else {` belongs to what was told.
            let clause = matches!(self.raw().kind, T::Else | T::Elif | T::Catch);
            if !clause || self.raw().line_start {
                break;
            }
            while !matches!(self.raw().kind, T::LBrace | T::Eof) && !self.raw().line_start {
                self.bump();
            }
            if self.raw().kind != T::LBrace {
                break;
            }
        }
        self.panicking = true;
    }

    /// The block behind a header's colon: lines, or one statement on the same line.
    pub(super) fn block(&mut self) -> Block<'a> {
        let start = self.raw();
        if self.panicking {
            return self.empty_block();
        }
        if start.line_start || start.kind == T::Eof {
            let base = self.block_indent();
            if start.kind == T::Eof || start.indent <= base || start.kind.is_closer() {
                let span = self.prev_span().after();
                if self.comment_told(span) {
                    return self.empty_block();
                }
                self.report(
                    Diagnostic::error(
                        codes::EXPECTED_BLOCK,
                        span,
                        "an indented block is expected behind this `:`",
                    )
                    .help(format!(
                        "indent it by {} spaces; a block that does nothing is `pass`",
                        base + 4
                    )),
                );
                return self.empty_block();
            }
            let mut stmts = Vec::new();
            self.stmt_lines(start.indent, &mut stmts);
            return Block {
                span: self.block_span(&stmts, start.start),
                stmts: self.slice(&stmts),
                inline: false,
            };
        }
        let stmt = self.inline_stmt();
        Block {
            stmts: self.slice(&[stmt]),
            inline: true,
            span: stmt.span,
        }
    }

    /// Whether a comment of another language was told behind this place: it may be all that the block holds.
    fn comment_told(&self, place: Span) -> bool {
        let mut told = self.sink.diagnostics().iter();
        told.any(|d| {
            d.code == codes::HABIT_COMMENT
                && d.span.file == place.file
                && d.span.start >= place.start
                && d.span.start <= self.raw().start
        })
    }

    fn empty_block(&self) -> Block<'a> {
        Block {
            stmts: &[],
            inline: true,
            span: self.prev_span().after(),
        }
    }

    fn block_span(&self, stmts: &[Stmt<'a>], start: u32) -> Span {
        match (stmts.first(), stmts.last()) {
            (Some(a), Some(b)) => a.span.to(b.span),
            _ => Span::new(self.file, start, start),
        }
    }

    /// Statements of one block, from its first line on.
    fn stmt_lines(&mut self, indent: u16, out: &mut Vec<Stmt<'a>>) {
        let Some(saved) = self.enter() else { return };
        let inline_if = std::mem::replace(&mut self.inline_if, false);
        let stmt_end = std::mem::replace(&mut self.stmt_end, false);
        self.lines(indent, |p| {
            let stmt = p.stmt();
            out.push(stmt);
        });
        self.inline_if = inline_if;
        self.stmt_end = stmt_end;
        self.leave(saved);
    }

    /// Calls `line` at the first token of each line of a block.
    pub(super) fn lines(&mut self, indent: u16, mut line: impl FnMut(&mut Self)) {
        let bracketed = self.in_bracket();
        self.layout.push(Ctx::Block { indent, bracketed });
        self.mark(MarkKind::Open(indent));
        let mut shown_indent = None;
        loop {
            let token = self.raw();
            if token.kind == T::Eof || !token.line_start || token.indent < indent {
                break;
            }
            if bracketed && (token.kind.is_closer() || token.kind == T::Comma) {
                break;
            }
            if token.indent > indent && shown_indent != Some(token.indent) {
                shown_indent = Some(token.indent);
                self.report(
                    Diagnostic::error(
                        codes::BAD_INDENT,
                        Span::new(self.file, token.start, token.end),
                        format!(
                            "this line is indented by {} spaces, but its block by {indent}",
                            token.indent
                        ),
                    )
                    .help(format!(
                        "indent it by {indent} spaces; only a line that ends in `:` begins a deeper block"
                    )),
                );
            }
            let start = self.pos;
            self.line_token = start;
            self.mark(MarkKind::Line);
            // A line of its own indentation, right or wrong, is read as one of that block.
            if let Some(Ctx::Block { indent: i, .. }) = self.layout.last_mut() {
                *i = token.indent;
            }
            line(self);
            self.end_line(start);
            if let Some(Ctx::Block { indent: i, .. }) = self.layout.last_mut() {
                *i = indent;
            }
        }
        self.mark(MarkKind::Close);
        self.layout.pop();
    }

    /// Behind a statement: the line ends here, or the rest of it is told and skipped.
    fn end_line(&mut self, start: usize) {
        let bracketed = self.in_bracket();
        if !self.panicking {
            match self.peek() {
                T::Newline | T::Eof => {}
                kind if bracketed && (kind.is_closer() || kind == T::Comma) => {}
                _ => self.trailing(),
            }
        }
        if self.panicking {
            self.sync();
        }
        if self.pos == start {
            self.bump();
            if !self.raw().line_start {
                self.sync();
            }
        }
    }

    /// Skips to the next line of this block or of one around it, or to the bracket that ends it.
    pub(super) fn sync(&mut self) {
        let (indent, bracketed) = (self.block_indent(), self.in_bracket());
        let mut depth = 0usize;
        loop {
            let token = self.raw();
            if token.kind == T::Eof {
                break;
            }
            if token.line_start && token.indent <= indent && self.pos != self.line_token {
                break;
            }
            if token.kind.is_opener() || token.kind == T::FStrStart {
                depth += 1;
            } else if token.kind.is_closer() || token.kind == T::FStrEnd {
                if depth == 0 && bracketed {
                    break;
                }
                depth = depth.saturating_sub(1);
            }
            self.bump();
        }
        self.panicking = false;
    }

    /// Whether a clause (`else`, `elif`, `catch`) of the statement or expression that was just read
    /// stands here: on the same line, or on a line of the same block.
    pub(super) fn at_clause(&self, kind: T) -> bool {
        let token = self.raw();
        if token.kind != kind {
            return false;
        }
        match self.layout.last() {
            Some(Ctx::Block { indent, .. }) if token.line_start => token.indent == *indent,
            _ => true,
        }
    }
}
