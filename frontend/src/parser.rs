//! Tokens to the syntax tree: recursive descent, with layout decided here.
//!
//! What must stay true: every function terminates and moves forward or returns an `Error` node; no
//! recursion without `enter`/`leave`, so nesting is at most `MAX_NESTING` and the height of the tree
//! at most `MAX_HEIGHT`; one mistake gives one message (`panicking` silences what follows it up to
//! the next statement or closing bracket); a tree without diagnostics holds no `Error` node.

mod branches;
mod casing;
mod endings;
pub(crate) mod entry;
mod exprs;
mod foreign;
mod forms;
mod fstrings;
mod functions;
mod habits;
mod imports;
mod items;
mod layout;
mod lines;
mod literals;
mod ops;
mod patterns;
mod stmts;
mod types;

use crate::ast::{
    Expr, ExprId, ExprKind, Module, Pat, PatId, PatKind, TypeExpr, TypeExprId, TypeKind,
};
use crate::diag::{Diagnostic, Sink, codes};
use crate::lexer::{Lexed, lex};
use crate::source::{FileId, Ident, Interner, Span, Symbol};
use crate::token::{T, Token};
use bumpalo::Bump;
use layout::Ctx;

/// Deepest nesting of expressions, types, patterns and blocks.
pub const MAX_NESTING: u32 = 200;

/// Greatest height of a tree; chains of operators, calls and `elif` count as well as nesting.
pub const MAX_HEIGHT: u32 = 400;

/// How to read a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether it belongs to the standard library, which may declare `intrinsic fn` and functions of
    /// primitive types.
    pub is_std: bool,
}

/// Something about the layout of a text that tokens and tree leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Index of the token before which it stands.
    pub token: u32,
    /// What it is.
    pub kind: MarkKind,
}

/// Kinds of [`Mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// A block begins whose lines have this indentation.
    Open(u16),
    /// A line of the innermost block begins.
    Line,
    /// As `Line`, for the item that a `derive` line stands before.
    Joined,
    /// `elif`, `else` or `catch` of a statement or expression.
    Clause,
    /// The innermost block ends.
    Close,
}

/// A tree with the tokens that it was made of and the layout that was read.
#[derive(Debug)]
pub struct Layout<'a> {
    /// The tree.
    pub module: Module<'a>,
    /// Its tokens.
    pub lexed: Lexed,
    /// Blocks and lines in order; nested properly if there were no errors.
    pub marks: Vec<Mark>,
}

/// Reads one file. The tree is whole even if there were errors; what could not be read is an
/// `Error` node.
pub fn parse<'a>(
    arena: &'a Bump,
    file: FileId,
    text: &str,
    options: &Options,
    names: &mut Interner,
    sink: &mut Sink,
) -> Module<'a> {
    parse_layout(arena, file, text, options, names, sink).module
}

/// As [`parse`], with tokens and layout.
pub fn parse_layout<'a>(
    arena: &'a Bump,
    file: FileId,
    text: &str,
    options: &Options,
    names: &mut Interner,
    sink: &mut Sink,
) -> Layout<'a> {
    let lexed = lex(file, text, sink);
    let mut parser = Parser::new(arena, (file, text), lexed, options, names, sink);
    let docs = parser.module_docs();
    let items = parser.module_items();
    Layout {
        module: Module {
            file,
            docs,
            items,
            expr_count: parser.exprs,
            pat_count: parser.pats,
            type_count: parser.types,
        },
        lexed: parser.lexed,
        marks: parser.marks,
    }
}

struct Parser<'a, 't> {
    arena: &'a Bump,
    file: FileId,
    text: &'t str,
    lexed: Lexed,
    /// Index of the next token; never beyond `Eof`.
    pos: usize,
    layout: Vec<Ctx>,
    /// The layout as read so far.
    marks: Vec<Mark>,
    /// The first token of the current statement: it begins a line but ends nothing.
    line_token: usize,
    names: &'t mut Interner,
    sink: &'t mut Sink,
    options: Options,
    exprs: u32,
    pats: u32,
    types: u32,
    depth: u32,
    /// Height of what was read since the last `enter`.
    height: u32,
    /// An error was told and the parser has not found its feet again.
    panicking: bool,
    /// Reading was given up.
    fatal: bool,
    /// Inside of `if c: …` on one line, where `else if` is a misspelt `elif`.
    inline_if: bool,
    /// At the end of a statement, where `else:` may begin a block.
    stmt_end: bool,
    /// Inside of a guard, where `=>` ends the expression.
    guarding: bool,
    /// A statement at the top of the module was told.
    top_level_reported: bool,
}

impl<'a, 't> Parser<'a, 't> {
    fn new(
        arena: &'a Bump,
        (file, text): (FileId, &'t str),
        mut lexed: Lexed,
        options: &Options,
        names: &'t mut Interner,
        sink: &'t mut Sink,
    ) -> Parser<'a, 't> {
        for token in &mut lexed.tokens {
            if token.kind == T::Ident
                && let Some(word) = text.get(token.start as usize..token.end as usize)
            {
                token.name = names.intern(word);
            }
        }
        Parser {
            arena,
            file,
            text,
            lexed,
            pos: 0,
            layout: Vec::new(),
            marks: Vec::new(),
            line_token: usize::MAX,
            names,
            sink,
            options: *options,
            exprs: 0,
            pats: 0,
            types: 0,
            depth: 0,
            height: 0,
            panicking: false,
            fatal: false,
            inline_if: false,
            stmt_end: false,
            guarding: false,
            top_level_reported: false,
        }
    }
}

impl<'a> Parser<'a, '_> {
    // ----- tokens -----

    /// The token at an index, without layout.
    #[inline]
    fn token(&self, at: usize) -> Token {
        match self.lexed.tokens.get(at) {
            Some(token) => *token,
            None => self.last_token(),
        }
    }

    #[cold]
    fn last_token(&self) -> Token {
        self.lexed.tokens.last().copied().unwrap_or(Token {
            kind: T::Eof,
            line_start: true,
            indent: 0,
            start: 0,
            end: 0,
            name: Symbol::default(),
        })
    }

    /// The next token, without layout.
    #[inline]
    fn raw(&self) -> Token {
        self.token(self.pos)
    }

    /// Kind of the next token; `Newline` where the line ends a statement.
    #[inline]
    fn peek(&self) -> T {
        self.view(self.pos)
    }

    /// Kind of the token behind `n` others.
    #[inline]
    fn peek_at(&self, n: usize) -> T {
        self.view(self.pos + n)
    }

    #[inline]
    fn at(&self, kind: T) -> bool {
        self.peek() == kind
    }

    /// Takes the next token whatever it is.
    #[inline]
    fn bump(&mut self) -> Token {
        let token = self.raw();
        if token.kind != T::Eof {
            self.pos += 1;
        }
        token
    }

    #[inline]
    fn eat(&mut self, kind: T) -> bool {
        let found = self.at(kind);
        if found {
            self.bump();
        }
        found
    }

    /// Takes a token of this kind or tells that it is missing.
    fn need(&mut self, kind: T) -> bool {
        let found = self.eat(kind);
        if !found {
            self.unexpected(kind.describe());
        }
        found
    }

    /// Notes something about the layout before the next token.
    fn mark(&mut self, kind: MarkKind) {
        let token = u32::try_from(self.pos).unwrap_or(u32::MAX);
        self.marks.push(Mark { token, kind });
    }

    fn span_of(&self, token: Token) -> Span {
        token.span(self.file)
    }

    /// Span of the next token; behind the last one where the line ends.
    fn here(&self) -> Span {
        if matches!(self.peek(), T::Newline | T::Eof) && self.pos > 0 {
            self.prev_span().after()
        } else {
            self.span_of(self.raw())
        }
    }

    fn prev_span(&self) -> Span {
        self.span_of(self.token(self.pos.saturating_sub(1)))
    }

    /// From a byte up to the end of the last token taken.
    fn span_from(&self, start: u32) -> Span {
        Span::new(self.file, start, self.prev_span().end.max(start))
    }

    fn token_text(&self, token: Token) -> &str {
        self.text
            .get(token.start as usize..token.end as usize)
            .unwrap_or("")
    }

    fn symbol(&mut self, token: Token) -> Symbol {
        if token.name != Symbol::default() {
            return token.name;
        }
        let text = self
            .text
            .get(token.start as usize..token.end as usize)
            .unwrap_or("");
        self.names.intern(text)
    }

    /// Whether the token at an index is this soft keyword (or foreign word).
    #[inline]
    fn word_at(&self, at: usize, word: Symbol) -> bool {
        let token = self.token(at);
        token.kind == T::Ident && token.name == word
    }

    /// Whether the next token is this soft keyword.
    #[inline]
    fn at_word(&self, word: Symbol) -> bool {
        self.at(T::Ident) && self.word_at(self.pos, word)
    }

    fn eat_word(&mut self, word: Symbol) -> bool {
        let found = self.at_word(word);
        if found {
            self.bump();
        }
        found
    }

    fn ident_of(&mut self, token: Token) -> Ident {
        Ident {
            name: self.symbol(token),
            span: self.span_of(token),
        }
    }

    /// A name; tells if there is none.
    fn ident(&mut self, what: &str) -> Option<Ident> {
        if self.at(T::Ident) {
            let token = self.bump();
            return Some(self.ident_of(token));
        }
        if self.peek().is_keyword() {
            let token = self.raw();
            let word = self.token_text(token).to_string();
            self.fail(
                Diagnostic::error(
                    codes::UNEXPECTED,
                    self.span_of(token),
                    format!("expected {what}, found the keyword `{word}`"),
                )
                .help(format!("choose another name, for example `{word}_`")),
            );
            return None;
        }
        self.unexpected(what);
        None
    }

    /// A name behind a dot, where keywords are names.
    fn member(&mut self) -> Option<Ident> {
        if self.at(T::Ident) || self.peek().is_keyword() {
            let token = self.bump();
            return Some(self.ident_of(token));
        }
        None
    }

    // ----- errors -----

    fn silent(&self) -> bool {
        self.panicking || self.fatal || (self.lexed.stopped && self.raw().kind == T::Eof)
    }

    /// Tells an error from which reading goes on at once.
    fn report(&mut self, diagnostic: Diagnostic) {
        if !self.silent() {
            self.sink.push(diagnostic);
        }
        if self.sink.is_full() {
            self.give_up();
        }
    }

    /// Tells an error and skips what follows, up to where reading can go on.
    fn fail(&mut self, diagnostic: Diagnostic) {
        self.report(diagnostic);
        self.panicking = true;
    }

    /// Stops reading.
    fn give_up(&mut self) {
        self.fatal = true;
        self.pos = self.lexed.tokens.len().saturating_sub(1);
    }

    /// What stands here, for messages.
    fn found(&self) -> String {
        match self.peek() {
            T::Ident => format!("`{}`", self.token_text(self.raw())),
            T::Int | T::Float | T::Char => {
                let text: String = self.token_text(self.raw()).chars().take(30).collect();
                format!("`{text}`")
            }
            kind => kind.describe().to_string(),
        }
    }

    /// Tells that something else was expected here.
    fn unexpected(&mut self, expected: &str) {
        if self.at(T::Error) {
            self.panicking = true;
            return;
        }
        if self.at(T::Semi) {
            return self.semicolon();
        }
        let message = format!("expected {expected}, found {}", self.found());
        self.fail(Diagnostic::error(codes::UNEXPECTED, self.here(), message));
    }

    // ----- depth -----

    /// Begins something that nests. `None`: it nests too deep, and reading has been given up.
    fn enter(&mut self) -> Option<u32> {
        if self.depth >= MAX_NESTING || self.height > MAX_HEIGHT {
            self.too_deep();
            return None;
        }
        self.depth += 1;
        Some(std::mem::take(&mut self.height))
    }

    /// Ends what `enter` began.
    fn leave(&mut self, saved: u32) {
        self.depth = self.depth.saturating_sub(1);
        self.height = (self.height + 1).max(saved);
    }

    /// Wraps all that was read since the last `enter` in one more node. `false`: too high.
    fn grow(&mut self) -> bool {
        self.height += 1;
        if self.height > MAX_HEIGHT {
            self.too_deep();
            return false;
        }
        true
    }

    fn too_deep(&mut self) {
        if !self.fatal {
            self.panicking = false;
            let diagnostic = Diagnostic::error(
                codes::TOO_DEEP,
                self.here(),
                "this code is nested too deep, or is too long for one expression",
            )
            .note(format!(
                "at most {MAX_NESTING} levels of nesting and {MAX_HEIGHT} operators, calls or `elif` in a chain"
            ))
            .help("give parts of it a name with `let`, or move them to a function");
            self.report(diagnostic);
            self.give_up();
        }
    }

    // ----- nodes -----

    fn expr(&mut self, span: Span, kind: ExprKind<'a>) -> Expr<'a> {
        let id = ExprId(self.exprs);
        self.exprs += 1;
        Expr { id, span, kind }
    }

    fn error_expr(&mut self) -> Expr<'a> {
        let span = self.here();
        self.expr(span, ExprKind::Error)
    }

    fn pat_id(&mut self) -> PatId {
        let id = PatId(self.pats);
        self.pats += 1;
        id
    }

    fn pat(&mut self, span: Span, kind: PatKind<'a>) -> Pat<'a> {
        let id = self.pat_id();
        Pat { id, span, kind }
    }

    fn type_expr(&mut self, span: Span, kind: TypeKind<'a>) -> TypeExpr<'a> {
        let id = TypeExprId(self.types);
        self.types += 1;
        TypeExpr { id, span, kind }
    }

    fn alloc<V: Copy>(&self, value: V) -> &'a V {
        self.arena.alloc(value)
    }

    fn slice<V: Copy>(&self, values: &[V]) -> &'a [V] {
        self.arena.alloc_slice_copy(values)
    }

    // ----- documentation -----

    fn join_docs(&self, from: usize, to: usize) -> Option<&'a str> {
        let lines = self.lexed.docs.get(from..to)?;
        if lines.is_empty() {
            return None;
        }
        let mut text = String::new();
        for (n, line) in lines.iter().enumerate() {
            if n > 0 {
                text.push('\n');
            }
            text.push_str(
                self.text
                    .get(line.start as usize..line.end as usize)
                    .unwrap_or(""),
            );
        }
        Some(self.arena.alloc_str(&text))
    }

    /// Documentation at the top of the file that a blank line sets off from the first item.
    fn module_docs(&mut self) -> Option<&'a str> {
        let count = self
            .lexed
            .docs
            .iter()
            .take_while(|d| d.token == 0 && d.detached)
            .count();
        self.join_docs(0, count)
    }

    /// Documentation right before the next token.
    fn docs(&self) -> Option<&'a str> {
        let at = u32::try_from(self.pos).unwrap_or(u32::MAX);
        let docs = &self.lexed.docs;
        let end = docs.partition_point(|d| d.token <= at);
        let first = docs.partition_point(|d| d.token < at);
        let detached = docs
            .get(first..end)?
            .iter()
            .rposition(|d| d.detached)
            .map_or(first, |n| first + n + 1);
        self.join_docs(detached, end)
    }
}

#[cfg(test)]
mod tests;
