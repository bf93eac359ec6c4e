//! What stands between tokens: comments and blank lines.

use crate::lexer::Lexed;
use std::ops::Range;

/// A comment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comment {
    /// First byte (the `#`).
    pub start: usize,
    /// One past the last byte that is not blank.
    pub end: usize,
    /// Whether nothing stands before it on its line.
    pub own_line: bool,
    /// Whether a blank line stands before it.
    pub blank: bool,
    /// Column.
    pub column: usize,
    /// Whether it is documentation (`##`).
    pub is_doc: bool,
}

/// What stands before a token.
#[derive(Clone, Debug, Default)]
struct Gap {
    /// Its comments.
    comments: Range<usize>,
    /// Whether a blank line stands between the last comment, or the token before, and the token.
    blank: bool,
}

/// Everything between the tokens of a text.
#[derive(Debug)]
pub(super) struct Trivia {
    comments: Vec<Comment>,
    gaps: Vec<Gap>,
}

impl Trivia {
    /// Reads what the lexer left out.
    pub fn of(text: &str, lexed: &Lexed) -> Trivia {
        let bytes = text.as_bytes();
        let mut trivia = Trivia {
            comments: Vec::new(),
            gaps: Vec::with_capacity(lexed.tokens.len()),
        };
        let mut at = 0;
        for token in &lexed.tokens {
            let (first, end) = (trivia.comments.len(), token.start as usize);
            // Line ends since the last thing that was seen; the start of the text counts as one.
            let mut lines = usize::from(at == 0);
            let mut column = 0;
            while at < end {
                match bytes.get(at) {
                    Some(b'\n') => {
                        lines += 1;
                        column = 0;
                    }
                    Some(b'#') => {
                        let rest = text.get(at..end).unwrap_or("");
                        let line = rest.split('\n').next().unwrap_or("");
                        let words = line.trim_end();
                        trivia.comments.push(Comment {
                            start: at,
                            end: at + words.len(),
                            own_line: lines > 0,
                            blank: lines > 1,
                            column,
                            is_doc: words.starts_with("##") && !words.starts_with("###"),
                        });
                        at += line.len();
                        lines = 0;
                        continue;
                    }
                    _ => column += 1,
                }
                at += 1;
            }
            trivia.gaps.push(Gap {
                comments: first..trivia.comments.len(),
                blank: lines > 1,
            });
            at = (token.end as usize).max(at);
        }
        trivia
    }

    /// Indices of the comments before a token.
    pub fn before(&self, token: usize) -> Range<usize> {
        self.gaps
            .get(token)
            .map_or(0..0, |gap| gap.comments.clone())
    }

    /// A comment.
    pub fn comment(&self, index: usize) -> Option<Comment> {
        self.comments.get(index).copied()
    }

    /// Whether a comment stands before a token.
    pub fn any(&self, token: usize) -> bool {
        !self.before(token).is_empty()
    }

    /// Whether a blank line stands right before a token.
    pub fn blank(&self, token: usize) -> bool {
        self.gaps.get(token).is_some_and(|gap| gap.blank)
    }

    /// First of the comments before a token with no blank line between it, the ones behind it and
    /// the token; the end of the range if there is none.
    pub fn attached(&self, token: usize) -> usize {
        let range = self.before(token);
        let mut first = range.end;
        let mut blank = self.blank(token);
        for index in range.rev() {
            match self.comment(index) {
                Some(comment) if !blank && comment.own_line => {
                    first = index;
                    blank = comment.blank;
                }
                _ => break,
            }
        }
        first
    }

    /// First comment before a token that is documentation of what the token begins, or stands behind
    /// such; the end of the range if there is none.
    pub fn docs(&self, token: usize) -> usize {
        let end = self.before(token).end;
        let attached = self.attached(token)..end;
        attached
            .into_iter()
            .find(|&index| self.comment(index).is_some_and(|c| c.is_doc))
            .unwrap_or(end)
    }

    /// Whether another text has the same comments, blanks apart: some may share a line now.
    pub fn same_comments(&self, text: &str, other: &Trivia, other_text: &str) -> bool {
        fn all<'t>(trivia: &'t Trivia, text: &'t str) -> impl Iterator<Item = char> + 't {
            let texts = trivia.comments.iter();
            texts
                .flat_map(|c| text.get(c.start..c.end).unwrap_or("").chars())
                .filter(|c| !c.is_whitespace())
        }
        all(self, text).eq(all(other, other_text))
    }
}
