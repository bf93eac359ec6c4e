//! Writes the tree.

use super::breaks;
use super::spacing::Spacing;
use super::tree::{Block, Bracket, Kind, Line, Node, Seq, Tree, Why};
use super::trivia::{Comment, Trivia};
use super::{INDENT, WIDTH};
use crate::token::{T, Token};
use std::ops::Range;

/// Columns of a text on one line.
pub(super) fn columns(text: &str) -> usize {
    text.chars().count()
}

/// A finished line.
#[derive(Debug, Default)]
struct Out<'t> {
    text: String,
    /// Comments at its end.
    comments: Vec<&'t str>,
    indent: usize,
    /// Whether it holds tokens.
    code: bool,
}

struct Printer<'t> {
    text: &'t str,
    spacing: Spacing<'t>,
    trivia: &'t Trivia,
    lines: Vec<Out<'t>>,
    line: Out<'t>,
    column: usize,
    /// Comments before this one are written.
    done: usize,
    /// Comments on lines of their own that wait for the comma behind them.
    waiting: Vec<Comment>,
}

/// How what stands in a line may be broken.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Column of the line, and of brackets that close on a line of their own.
    indent: usize,
    /// Column of lines that go on.
    cont: usize,
    /// Whether a bracket is open, so that a line may break before operators.
    bracketed: bool,
    /// Columns of what follows.
    tail: usize,
}

/// The text of a tree.
pub(super) fn print(text: &str, tokens: &[Token], trivia: &Trivia, tree: &Tree) -> String {
    let mut printer = Printer {
        text,
        spacing: Spacing { tokens },
        trivia,
        lines: Vec::new(),
        line: Out::default(),
        column: 0,
        done: 0,
        waiting: Vec::new(),
    };
    printer.block(&tree.root, 0, true);
    let end = trivia.before(tokens.len().saturating_sub(1)).end;
    printer.comments(tree.end_lead..end, 0, !printer.is_empty());
    printer.end_line();
    align(printer.lines)
}

/// Joins the lines. Comments at the ends of lines that follow each other at one indentation begin in
/// one column, if none becomes too long.
fn align(lines: Vec<Out<'_>>) -> String {
    let mut text = String::new();
    let plain = |l: &Out<'_>| l.code && !l.text.contains('\n');
    let mut rest = lines.as_slice();
    while let Some(first) = rest.first() {
        let run = rest
            .iter()
            .take_while(|l| plain(l) && l.indent == first.indent)
            .count();
        let (these, others) = rest.split_at_checked(run.max(1)).unwrap_or((rest, &[]));
        rest = others;
        let commented = || these.iter().filter(|l| !l.comments.is_empty());
        let column = commented().map(|l| columns(&l.text)).max().unwrap_or(0);
        let longest = commented()
            .map(|l| l.comments.iter().map(|c| columns(c) + 2).sum::<usize>())
            .max()
            .unwrap_or(0);
        let aligned = run > 0 && column + longest <= WIDTH;
        for line in these {
            text.push_str(&line.text);
            if aligned && !line.comments.is_empty() {
                for _ in columns(&line.text)..column {
                    text.push(' ');
                }
            }
            for comment in &line.comments {
                text.push_str("  ");
                text.push_str(comment);
            }
            text.push('\n');
        }
    }
    text
}

impl<'t> Printer<'t> {
    // ----- lines -----

    /// Whether nothing has been written.
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.line.text.is_empty() && self.line.comments.is_empty()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.text.is_empty() {
            self.lines.push(line);
        } else if !line.comments.is_empty() {
            match self.lines.last_mut() {
                Some(last) if last.code => last.comments.extend(line.comments),
                _ => self.lines.push(Out {
                    text: line.comments.join("  "),
                    ..Out::default()
                }),
            }
        }
    }

    /// Begins a line.
    fn newline(&mut self, indent: usize) {
        self.end_line();
        self.line.indent = indent;
        self.column = indent;
    }

    fn blank_line(&mut self) {
        self.end_line();
        self.lines.push(Out::default());
    }

    /// Appends to the line.
    fn push(&mut self, text: &str) {
        if self.line.text.is_empty() {
            for _ in 0..self.line.indent {
                self.line.text.push(' ');
            }
        }
        self.line.text.push_str(text);
        match text.rsplit_once('\n') {
            Some((_, last)) => self.column = columns(last),
            None => self.column += columns(text),
        }
    }

    // ----- comments -----

    /// Ends the line with a comment.
    fn suffix(&mut self, comment: Comment) {
        let text = self.text.get(comment.start..comment.end).unwrap_or("");
        self.line.comments.push(text);
    }

    /// Writes comments, those with lines of their own each on a line. `blanks`: whether a blank line
    /// may come first.
    fn comments(&mut self, range: Range<usize>, indent: usize, mut blanks: bool) {
        for index in range.start.max(self.done)..range.end {
            self.done = index + 1;
            let Some(comment) = self.trivia.comment(index) else {
                continue;
            };
            if !comment.own_line {
                self.suffix(comment);
                continue;
            }
            if blanks && comment.blank {
                self.blank_line();
            }
            blanks = true;
            self.comment_line(comment, indent);
        }
    }

    fn comment_line(&mut self, comment: Comment, indent: usize) {
        self.newline(indent);
        let text = self.text.get(comment.start..comment.end).unwrap_or("");
        self.push(text);
        // What follows begins a line of its own.
        self.end_line();
        self.line.indent = indent;
        self.column = indent;
    }

    /// Writes what waited for a comma.
    fn waited(&mut self, indent: usize) {
        for comment in std::mem::take(&mut self.waiting) {
            self.comment_line(comment, indent);
        }
    }

    // ----- blocks -----

    fn block(&mut self, block: &Block, indent: usize, module: bool) {
        let mut before: Option<bool> = None;
        for (n, line) in block.lines.iter().enumerate() {
            let derives = block.lines.get(n + 1).is_some_and(|next| next.joined);
            let set_off = self.is_set_off(line, module) || derives;
            self.line_lead(line, indent, before, set_off);
            self.newline(indent);
            let has_block = line
                .seq
                .nodes
                .iter()
                .any(|n| matches!(n.kind, Kind::Block(_)));
            let place = Place {
                indent,
                cont: indent + if has_block { 2 * INDENT } else { INDENT },
                bracketed: false,
                tail: 0,
            };
            self.seq(&line.seq, place);
            before = Some(set_off);
        }
        self.comments(block.tail.clone(), indent, before.is_some());
    }

    /// Whether a blank line stands before and behind a line with its blocks: at the top of a module
    /// everything that has a block, elsewhere functions.
    fn is_set_off(&self, line: &Line, module: bool) -> bool {
        let has_block = line
            .seq
            .nodes
            .iter()
            .any(|n| matches!(n.kind, Kind::Block(_)));
        let mut first = self.spacing.kind(line.token);
        if first == T::Pub {
            first = self.spacing.kind(line.token + 1);
        }
        has_block && (module || first == T::Fn)
    }

    /// What stands before a line of a block. `before`: whether the line before is set off.
    fn line_lead(&mut self, line: &Line, indent: usize, before: Option<bool>, set_off: bool) {
        let end = self.trivia.before(line.token).end;
        let mut first = line.lead;
        while let Some(comment) = self.trivia.comment(first)
            && first < end
            && !comment.own_line
        {
            self.suffix(comment);
            first += 1;
        }
        self.done = self.done.max(first);
        let Some(before) = before else {
            self.comments(first..end, indent, false);
            if first < end && self.trivia.blank(line.token) {
                self.blank_line();
            }
            return;
        };
        let required = (before || set_off) && !line.joined;
        let attached = self.trivia.attached(line.token).clamp(first, end);
        self.comments(first..attached, indent, true);
        let blank = match self.trivia.comment(attached).filter(|_| attached < end) {
            Some(comment) => comment.blank,
            None => self.trivia.blank(line.token) && !(line.joined && first == end),
        };
        if blank || required {
            self.blank_line();
        }
        self.comments(attached..end, indent, false);
    }

    // ----- lines and their parts -----

    fn seq(&mut self, seq: &Seq, place: Place) {
        let nodes = seq.nodes.as_slice();
        let mut start = 0;
        let mut behind_block = false;
        while start < nodes.len() {
            let rest = nodes.get(start..).unwrap_or(&[]);
            let Some(first) = rest.first() else { break };
            if let Kind::Block(block) = &first.kind {
                self.block(block, place.indent + INDENT, false);
                behind_block = true;
                start += 1;
                continue;
            }
            if behind_block || matches!(first.kind, Kind::Break(Why::Clause)) {
                let range = self.trivia.before(first.token);
                self.comments(range, place.indent, false);
                self.newline(place.indent);
            }
            behind_block = false;
            let count = rest
                .iter()
                .skip(1)
                .take_while(|n| !matches!(n.kind, Kind::Block(_) | Kind::Break(Why::Clause)))
                .count()
                + 1;
            let last = start + count >= nodes.len();
            let tail = if last { place.tail } else { 0 };
            self.part(rest.get(..count).unwrap_or(rest), Place { tail, ..place });
            start += count;
        }
    }

    /// Nodes without blocks and clauses, on as few lines as can be.
    fn part(&mut self, nodes: &[Node], place: Place) {
        let Some(first) = nodes.first() else { return };
        let space = usize::from(first.space && !self.line.text.is_empty());
        let column = self.column + space;
        let forced = nodes.iter().skip(1).any(|n| n.forced)
            || (first.forced && matches!(first.kind, Kind::Bracket(_)));
        if !forced && column + breaks::width(nodes) + place.tail <= WIDTH {
            return nodes.iter().for_each(|n| self.flat(n));
        }
        let operators = if place.bracketed {
            breaks::operators(self.spacing, nodes)
        } else {
            None
        };
        let any_commented = nodes
            .iter()
            .skip(1)
            .any(|n| matches!(n.kind, Kind::Break(Why::Comment)));
        let chain = breaks::chain(self.spacing, nodes);
        if any_commented {
            // What is commented may stand in an operand: then it is met there.
            if let Some(at) = operators {
                return self.operators(nodes, &at, place);
            }
            if let Some(chain) = chain.filter(|c| c.commented) {
                return self.chain(nodes, &chain.links, place);
            }
            return self.broken(nodes, &[], place);
        }
        let (broken, fits) =
            breaks::brackets(self.spacing, nodes, column, place.indent, place.tail);
        if forced && fits {
            return self.broken(nodes, &broken, place);
        }
        if let Some(at) = operators {
            return self.operators(nodes, &at, place);
        }
        match chain {
            Some(chain) if chain.links.len() > if fits { 2 } else { 1 } => {
                self.chain(nodes, &chain.links, place);
            }
            _ => self.broken(nodes, &broken, place),
        }
    }

    /// A line for each of these operators with what is right of it.
    fn operators(&mut self, nodes: &[Node], at: &[usize], place: Place) {
        let mut start = 0;
        for (n, end) in at.iter().copied().chain([nodes.len()]).enumerate() {
            let mut operand = nodes.get(start..end).unwrap_or(&[]);
            if n > 0
                && let Some((operator, right)) = operand.split_first()
            {
                self.comments(self.trivia.before(operator.token), place.cont, false);
                self.newline(place.cont);
                self.bare_token(operator.token);
                operand = right;
            }
            let last = end == nodes.len();
            let inner = Place {
                indent: if n > 0 { place.cont } else { place.indent },
                cont: place.cont + INDENT,
                tail: if last { place.tail } else { 0 },
                ..place
            };
            self.part(operand, inner);
            start = end;
        }
    }

    /// A line for each of these links of a chain of calls.
    fn chain(&mut self, nodes: &[Node], links: &[usize], place: Place) {
        let mut start = 0;
        for (n, end) in links.iter().copied().chain([nodes.len()]).enumerate() {
            let link = nodes.get(start..end).unwrap_or(&[]);
            let mut inner = Place { tail: 0, ..place };
            if n > 0
                && let Some(dot) = link.first()
            {
                self.comments(self.trivia.before(dot.token), place.cont, false);
                self.newline(place.cont);
                inner.indent = place.cont;
                inner.cont = place.cont + INDENT;
            }
            if end == nodes.len() {
                inner.tail = place.tail;
            }
            self.part(link, inner);
            start = end;
        }
    }

    /// Nodes with some of their brackets broken.
    fn broken(&mut self, nodes: &[Node], broken: &[bool], place: Place) {
        for (n, node) in nodes.iter().enumerate() {
            match &node.kind {
                Kind::Bracket(bracket) if broken.get(n).copied().unwrap_or(node.forced) => {
                    self.open(node);
                    self.bracket(node, bracket, place.indent);
                }
                _ => self.flat(node),
            }
        }
    }

    fn open(&mut self, node: &Node) {
        if node.space && !self.line.text.is_empty() {
            self.push(" ");
        }
        self.bare_token(node.token);
    }

    /// The inside of a broken bracket and its end. The closing bracket stands at `indent`.
    fn bracket(&mut self, node: &Node, bracket: &Bracket, indent: usize) {
        let inner = indent + INDENT;
        let kind = self.spacing.kind(node.token);
        let hole = kind == T::FStrOpen;
        if let [one] = bracket.items.as_slice()
            && !bracket.comments
            && let [only] = one.nodes.as_slice()
            && let Kind::Bracket(nested) = &only.kind
            && !hole
        {
            self.open(only);
            self.bracket(only, nested, indent);
            return self.bare_token(bracket.close);
        }
        if hole || self.hugs(bracket) {
            self.line_of_items(&bracket.items, indent);
            return self.close(bracket, indent);
        }
        let listed = kind == T::LBracket && !self.spacing.behind_operand(node.token);
        let simple = |item: &Seq| {
            item.nodes.len() <= 2 && item.nodes.iter().all(|n| matches!(n.kind, Kind::Token))
        };
        let fill = listed && bracket.items.len() > 1 && bracket.items.iter().all(simple);
        let parens = kind == T::LParen && !self.spacing.behind_operand(node.token);
        let grouped = parens && bracket.items.len() == 1;
        let commas = bracket.items.len() > 1;
        for (n, item) in bracket.items.iter().enumerate() {
            let last = n + 1 == bracket.items.len();
            let Some(first) = item.nodes.first() else {
                continue;
            };
            let before = self.trivia.before(first.token);
            let commented = before.end > before.start.max(self.done) || !self.waiting.is_empty();
            let needed = item.width + usize::from(commas) + 1;
            if fill && n > 0 && !commented && self.column + needed <= WIDTH {
                self.push(" ");
            } else {
                self.item_lead(first.token, inner, n > 0);
                self.newline(inner);
            }
            let place = Place {
                indent: inner,
                cont: if grouped { inner } else { inner + INDENT },
                bracketed: true,
                tail: usize::from(commas),
            };
            self.seq(item, place);
            let ends_in_block = item
                .nodes
                .last()
                .is_some_and(|n| matches!(n.kind, Kind::Block(_)));
            if !last || (commas && !ends_in_block) {
                self.push(",");
            }
            if !last && let Some(token) = self.comma_behind(item) {
                self.comma_comments(token);
            }
        }
        self.close(bracket, indent);
    }

    /// The comma behind an element.
    fn comma_behind(&self, item: &Seq) -> Option<usize> {
        let mut node = item.nodes.last()?;
        loop {
            let end = match &node.kind {
                Kind::Bracket(bracket) => bracket.close,
                Kind::Block(block) => {
                    node = block.lines.last()?.seq.nodes.last()?;
                    continue;
                }
                Kind::Token | Kind::Break(_) => node.token,
            };
            return (self.spacing.kind(end + 1) == T::Comma).then_some(end + 1);
        }
    }

    /// Comments before a comma: they end its line, or stand behind it.
    fn comma_comments(&mut self, comma: usize) {
        let range = self.trivia.before(comma);
        for index in range.start.max(self.done)..range.end {
            self.done = index + 1;
            match self.trivia.comment(index) {
                Some(comment) if comment.own_line => self.waiting.push(comment),
                Some(comment) => self.suffix(comment),
                None => {}
            }
        }
    }

    /// Comments and a blank line before an element.
    fn item_lead(&mut self, token: usize, indent: usize, blanks: bool) {
        let before = self.trivia.before(token);
        let mut first = before.start.max(self.done);
        while let Some(comment) = self.trivia.comment(first)
            && first < before.end
            && !comment.own_line
        {
            // What waits stood before this one.
            if self.waiting.is_empty() {
                self.suffix(comment);
            } else {
                self.waiting.push(comment);
            }
            first += 1;
        }
        self.done = self.done.max(first);
        let waited = !self.waiting.is_empty();
        self.waited(indent);
        let commented = first < before.end;
        self.comments(first..before.end, indent, blanks || waited);
        let closer = self.spacing.kind(token).is_closer();
        if !closer && self.trivia.blank(token) && (blanks || commented || waited) {
            self.blank_line();
        }
    }

    /// Whether the last element ends in a block whose header stays on the line of the bracket.
    fn hugs(&self, bracket: &Bracket) -> bool {
        let Some((last, before)) = bracket.items.split_last() else {
            return false;
        };
        let Some(header) = last
            .nodes
            .iter()
            .position(|n| matches!(n.kind, Kind::Block(_)))
        else {
            return false;
        };
        let header = last.nodes.get(..header).unwrap_or(&[]);
        let width = before.iter().map(|i| i.width + 2).sum::<usize>() + breaks::width(header);
        !bracket.comments
            && !before.iter().any(|i| i.forced)
            && !header.iter().any(|n| n.forced)
            && self.column + width <= WIDTH
    }

    /// Elements behind each other, the last one with its blocks.
    fn line_of_items(&mut self, items: &[Seq], indent: usize) {
        for (n, item) in items.iter().enumerate() {
            if n > 0 {
                self.push(", ");
            }
            let place = Place {
                indent,
                cont: indent + INDENT,
                bracketed: true,
                tail: 0,
            };
            self.seq(item, place);
        }
    }

    /// The closing bracket of a broken bracket.
    fn close(&mut self, bracket: &Bracket, indent: usize) {
        let behind = self.spacing.kind(bracket.close.wrapping_sub(1)) == T::Comma;
        if behind {
            self.comma_comments(bracket.close.wrapping_sub(1));
        }
        self.item_lead(bracket.close, indent + INDENT, false);
        let hole = self.spacing.kind(bracket.close) == T::FStrClose;
        let ends_in_block = bracket.items.last().is_some_and(|item| item.forced);
        if !hole || ends_in_block {
            self.newline(indent);
        }
        self.bare_token(bracket.close);
    }

    /// A node on one line.
    fn flat(&mut self, node: &Node) {
        match &node.kind {
            Kind::Token | Kind::Break(_) => self.token_of(node),
            Kind::Bracket(bracket) => {
                self.open(node);
                if self.spacing.kind(node.token) == T::FStrOpen
                    && self.spacing.space(node.token + 1)
                {
                    self.push(" ");
                }
                for (n, item) in bracket.items.iter().enumerate() {
                    if n > 0 {
                        self.push(", ");
                    }
                    item.nodes.iter().for_each(|n| self.flat(n));
                }
                self.bare_token(bracket.close);
            }
            // Never on one line: whoever meets a block breaks the line.
            Kind::Block(_) => {}
        }
    }

    fn token_of(&mut self, node: &Node) {
        if node.space && !self.line.text.is_empty() {
            self.push(" ");
        }
        self.bare_token(node.token);
    }

    /// A token. Comments before it that have found no other place end the line.
    fn bare_token(&mut self, at: usize) {
        let range = self.trivia.before(at);
        for index in range.start.max(self.done)..range.end {
            self.done = index + 1;
            if let Some(comment) = self.trivia.comment(index) {
                self.suffix(comment);
            }
        }
        let Some(token) = self.spacing.tokens.get(at) else {
            return;
        };
        let text = self
            .text
            .get(token.start as usize..token.end as usize)
            .unwrap_or("");
        self.push(text);
        self.line.code = true;
    }
}
