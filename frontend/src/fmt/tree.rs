//! Tokens and marks to nested lines, brackets and blocks, with their widths on one line.
//!
//! A [`Seq`] is what stands in a line or between two commas of a bracket. `forced` says that it
//! cannot stand on one line: it holds a block, a clause on a line of its own, or a comment where only
//! a broken bracket has a place for it. Comments elsewhere inside of a line go to its end and force
//! nothing.

use super::spacing::Spacing;
use super::trivia::Trivia;
use crate::parser::{Mark, MarkKind};
use crate::token::{T, Token};
use std::ops::Range;

/// A line of a block or an element of a bracket.
#[derive(Debug, Default)]
pub(super) struct Seq {
    pub nodes: Vec<Node>,
    /// Columns on one line.
    pub width: usize,
    pub forced: bool,
}

/// A part of a line.
#[derive(Debug)]
pub(super) struct Node {
    pub kind: Kind,
    /// Its first token.
    pub token: usize,
    /// Columns on one line.
    pub width: usize,
    /// Whether a space stands before it.
    pub space: bool,
    pub forced: bool,
}

/// Forms of nodes.
#[derive(Debug)]
pub(super) enum Kind {
    Token,
    Bracket(Bracket),
    Block(Block),
    /// A token that begins a line by a rule of its own: a clause, or a link of a chain or an operator
    /// that comments stand before.
    Break(Why),
}

/// Why a token begins a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Clause,
    Comment,
}

/// A bracket that holds something.
#[derive(Debug)]
pub(super) struct Bracket {
    pub items: Vec<Seq>,
    /// Whether comments stand at its commas or brackets.
    pub comments: bool,
    pub close: usize,
}

/// A block.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub lines: Vec<Line>,
    /// Comments behind its last line.
    pub tail: Range<usize>,
}

/// A line of a block.
#[derive(Debug)]
pub(super) struct Line {
    pub seq: Seq,
    /// First token.
    pub token: usize,
    /// First comment before it that does not end a block before.
    pub lead: usize,
    /// Whether a `derive` before it belongs to it.
    pub joined: bool,
}

/// A module.
#[derive(Debug)]
pub(super) struct Tree {
    pub root: Block,
    /// First comment before the end that does not end a block.
    pub end_lead: usize,
}

struct Builder<'t> {
    text: &'t str,
    spacing: Spacing<'t>,
    marks: &'t [Mark],
    trivia: &'t Trivia,
    at: usize,
    mark: usize,
    /// Comments before this one ended a block.
    lead: usize,
}

/// Makes the tree of a text without errors.
pub(super) fn build(text: &str, tokens: &[Token], marks: &[Mark], trivia: &Trivia) -> Tree {
    let mut builder = Builder {
        text,
        spacing: Spacing { tokens },
        marks,
        trivia,
        at: 0,
        mark: 0,
        lead: 0,
    };
    let root = builder.block();
    Tree {
        root,
        end_lead: builder.lead,
    }
}

impl Builder<'_> {
    /// The mark before the next token, if there is one left.
    fn mark_here(&self) -> Option<MarkKind> {
        let mark = self.marks.get(self.mark)?;
        (mark.token as usize <= self.at).then_some(mark.kind)
    }

    fn block(&mut self) -> Block {
        let mut block = Block::default();
        let indent = match self.mark_here() {
            Some(MarkKind::Open(indent)) => usize::from(indent),
            _ => 0,
        };
        self.mark += 1;
        loop {
            let joined = match self.mark_here() {
                Some(MarkKind::Line) => false,
                Some(MarkKind::Joined) => true,
                _ => break,
            };
            self.mark += 1;
            let (token, lead) = (self.at, self.lead.max(self.trivia.before(self.at).start));
            let seq = self.seq(false, false);
            block.lines.push(Line {
                seq,
                token,
                lead,
                joined,
            });
        }
        if let Some(MarkKind::Close) = self.mark_here() {
            self.mark += 1;
        }
        block.tail = self.tail(indent);
        block
    }

    /// Comments before the next token that belong to a block of this indentation, which ended.
    fn tail(&mut self, indent: usize) -> Range<usize> {
        let before = self.trivia.before(self.at);
        let first = self.lead.max(before.start);
        let end = match self.spacing.kind(self.at) {
            // What stands before a comma goes behind it.
            T::Comma => first,
            // Documentation belongs to what it stands before, wherever it begins.
            _ if self.line_follows() => self.trivia.docs(self.at),
            _ => before.end,
        };
        let mut tail = first..first;
        // The comment behind the last token ends its line.
        if let Some(comment) = self.trivia.comment(first)
            && first < end
            && !comment.own_line
        {
            tail.end += 1;
        }
        while tail.end < end
            && self
                .trivia
                .comment(tail.end)
                .is_some_and(|c| c.column >= indent)
        {
            tail.end += 1;
        }
        self.lead = tail.end;
        tail
    }

    /// Whether the next token begins a line of a block that is still open.
    fn line_follows(&self) -> bool {
        let rest = self.marks.get(self.mark..).unwrap_or(&[]);
        rest.iter()
            .find(|m| m.kind != MarkKind::Close)
            .is_some_and(|m| {
                m.token as usize == self.at && matches!(m.kind, MarkKind::Line | MarkKind::Joined)
            })
    }

    /// Whether comments stand before a token that ended no block.
    fn commented(&self, token: usize) -> bool {
        self.trivia.any(token) && self.trivia.before(token).end > self.lead
    }

    /// Columns of a token; of its first line, if it has several.
    fn columns(&self, at: usize) -> usize {
        let Some(token) = self.spacing.tokens.get(at) else {
            return 0;
        };
        let text = self
            .text
            .get(token.start as usize..token.end as usize)
            .unwrap_or("");
        super::print::columns(text.split('\n').next().unwrap_or(""))
    }

    /// What stands up to the end of the line, or in a bracket up to a comma or the closer.
    fn seq(&mut self, bracketed: bool, hole: bool) -> Seq {
        let mut seq = Seq::default();
        loop {
            let token = self.at;
            let mut kind = Kind::Token;
            match self.mark_here() {
                Some(MarkKind::Open(_)) => {
                    let block = self.block();
                    seq.forced = true;
                    seq.nodes.push(Node {
                        kind: Kind::Block(block),
                        token,
                        width: 0,
                        space: false,
                        forced: true,
                    });
                    continue;
                }
                Some(MarkKind::Clause) => {
                    self.mark += 1;
                    let after_block = seq
                        .nodes
                        .last()
                        .is_some_and(|n| matches!(n.kind, Kind::Block(_)));
                    let line_start = self.spacing.tokens.get(token).is_some_and(|t| t.line_start);
                    if after_block || (line_start && !bracketed) {
                        kind = Kind::Break(Why::Clause);
                    }
                }
                Some(_) => break,
                None => {}
            }
            let token_kind = self.spacing.kind(token);
            if token_kind == T::Eof
                || (bracketed && (token_kind.is_closer() || token_kind == T::Comma))
            {
                break;
            }
            // `space` looks at the token before, which is no neighbour at the front.
            let first = seq.nodes.is_empty();
            let space = !first && self.spacing.space(token);
            let node = if token_kind.is_opener() {
                self.bracket(space)
            } else {
                let can_break = token_kind == T::Dot
                    || (bracketed && !first && self.spacing.operator(token).is_some());
                if matches!(kind, Kind::Token) && can_break && !hole && self.commented(token) {
                    kind = Kind::Break(Why::Comment);
                }
                self.at += 1;
                Node {
                    forced: matches!(kind, Kind::Break(_)),
                    kind,
                    token,
                    width: self.columns(token),
                    space,
                }
            };
            seq.width += node.width + usize::from(node.space);
            seq.forced |= node.forced;
            seq.nodes.push(node);
        }
        seq
    }

    fn bracket(&mut self, space: bool) -> Node {
        let token = self.at;
        let hole = self.spacing.kind(token) == T::FStrOpen;
        self.at += 1;
        let (mut items, mut comments) = (Vec::new(), false);
        let mut width = self.columns(token);
        let mut forced = false;
        loop {
            comments |= !hole && self.commented(self.at);
            let kind = self.spacing.kind(self.at);
            if kind.is_closer() || kind == T::Eof {
                break;
            }
            let before = (self.at, self.mark);
            let seq = self.seq(true, hole);
            forced |= seq.forced;
            width += seq.width + if items.is_empty() { 0 } else { 2 };
            items.push(seq);
            comments |= !hole && self.commented(self.at);
            if self.spacing.kind(self.at) == T::Comma {
                self.at += 1;
            } else if (self.at, self.mark) == before {
                break;
            }
        }
        let close = self.at;
        if self.spacing.kind(close).is_closer() {
            width += self.columns(close);
            self.at += 1;
        }
        // `{ {"a": 1}["a"]}`: the space that keeps the braces apart.
        width += usize::from(hole && self.spacing.space(token + 1));
        Node {
            forced: forced || comments,
            kind: Kind::Bracket(Bracket {
                items,
                comments,
                close,
            }),
            token,
            width,
            space,
        }
    }
}
