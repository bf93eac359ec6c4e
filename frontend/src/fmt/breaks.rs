//! Where a line that does not fit is broken.
//!
//! Nothing here writes: each function looks at the nodes of one line and says what could be done.

use super::spacing::Spacing;
use super::tree::{Kind, Node, Why};
use super::{INDENT, WIDTH};
use crate::token::T;

/// Attempts to make a line fit by breaking one more bracket.
const ATTEMPTS: usize = 8;
/// Widest name that the first link of a chain stays beside.
const SHORT_HEAD: usize = INDENT;

/// Columns of nodes on one line, without a space before the first.
pub(super) fn width(nodes: &[Node]) -> usize {
    let spaces = nodes.iter().skip(1).filter(|n| n.space).count();
    nodes.iter().map(|n| n.width).sum::<usize>() + spaces
}

/// Positions of the binary operators that bind most loosely, if the nodes have any.
pub(super) fn operators(spacing: Spacing<'_>, nodes: &[Node]) -> Option<Vec<usize>> {
    // Behind the `=>` of a function literal; the parts of a one-line `if` stay together.
    let body = nodes
        .iter()
        .rposition(|n| is_token(spacing, n, T::FatArrow))
        .map_or(0, |at| at + 1);
    let whole = nodes
        .iter()
        .any(|n| is_token(spacing, n, T::If) || is_token(spacing, n, T::Match));
    let level = |at: usize, node: &Node| match node.kind {
        Kind::Break(Why::Comment) => spacing.operator(node.token),
        Kind::Token if at > body && !whole => spacing.operator(node.token),
        _ => None,
    };
    let found = nodes.iter().enumerate().skip(1);
    let lowest = found
        .clone()
        .filter_map(|(at, node)| level(at, node))
        .min()?;
    Some(
        found
            .filter(|&(at, node)| level(at, node) == Some(lowest))
            .map(|(at, _)| at)
            .collect(),
    )
}

fn is_token(spacing: Spacing<'_>, node: &Node, kind: T) -> bool {
    matches!(node.kind, Kind::Token)
        && spacing.kind(node.token) == kind
        && !(node.token > 0 && spacing.kind(node.token - 1) == T::Dot)
}

/// A chain of calls.
#[derive(Debug)]
pub(super) struct Chain {
    /// Positions of the dots that begin lines when it is broken.
    pub links: Vec<usize>,
    /// Whether comments stand before a link, so that it must be broken.
    pub commented: bool,
}

/// The chain of calls to break: one with comments, or the one with the most links.
pub(super) fn chain(spacing: Spacing<'_>, nodes: &[Node]) -> Option<Chain> {
    let mut best: Option<Chain> = None;
    let mut start = 0;
    while start < nodes.len() {
        let behind = nodes.iter().enumerate().skip(start + 1);
        let end = behind
            .clone()
            .find(|(_, n)| {
                n.space
                    || (matches!(n.kind, Kind::Token)
                        && matches!(
                            spacing.kind(n.token),
                            T::DotDot | T::DotDotEq | T::Comma | T::Semi | T::Colon
                        ))
            })
            .map_or(nodes.len(), |(at, _)| at);
        let mut found = Chain {
            links: Vec::new(),
            commented: false,
        };
        for (at, node) in behind.take_while(|(at, _)| *at < end) {
            if spacing.kind(node.token) != T::Dot {
                continue;
            }
            let commented = matches!(node.kind, Kind::Break(_));
            let calls = [2, 3].iter().any(|n| {
                nodes.get(at + n).is_some_and(|n| {
                    matches!(n.kind, Kind::Bracket(_)) && spacing.kind(n.token) == T::LParen
                })
            }) && nodes
                .get(at + 2)
                .is_some_and(|n| matches!(n.kind, Kind::Bracket(_)));
            let head = nodes.get(start);
            let attached = at == start + 1
                && head.is_some_and(|n| matches!(n.kind, Kind::Token) && n.width <= SHORT_HEAD);
            if commented || (calls && !attached) {
                found.commented |= commented;
                found.links.push(at);
            }
        }
        let better = best
            .as_ref()
            .is_none_or(|b| (found.commented, found.links.len()) >= (b.commented, b.links.len()));
        if !found.links.is_empty() && better {
            best = Some(found);
        }
        start = end;
    }
    best
}

/// Which brackets of a line to break, and whether its parts fit then. `column`: where it begins;
/// `indent`: where a closing bracket stands; `tail`: columns of what follows the line.
pub(super) fn brackets(
    spacing: Spacing<'_>,
    nodes: &[Node],
    column: usize,
    indent: usize,
    tail: usize,
) -> (Vec<bool>, bool) {
    let mut broken: Vec<bool> = nodes
        .iter()
        .map(|n| n.forced && matches!(n.kind, Kind::Bracket(_)))
        .collect();
    for _ in 0..ATTEMPTS {
        let Some((from, to)) = overflow(nodes, &broken, column, indent, tail) else {
            return (broken, true);
        };
        let part = nodes.iter().zip(&broken).enumerate();
        let widest = part
            .take(to)
            .skip(from)
            .filter(|(_, (node, broken))| !**broken && may_break(spacing, node, indent))
            .max_by_key(|(_, (node, _))| {
                let index =
                    spacing.kind(node.token) == T::LBracket && spacing.behind_operand(node.token);
                (!index, node.width)
            })
            .map(|(at, _)| at);
        match widest.and_then(|at| broken.get_mut(at)) {
            Some(flag) => *flag = true,
            None => return (broken, false),
        }
    }
    (broken, false)
}

/// The first stretch of nodes between broken brackets that is too long.
fn overflow(
    nodes: &[Node],
    broken: &[bool],
    column: usize,
    indent: usize,
    tail: usize,
) -> Option<(usize, usize)> {
    let (mut at_column, mut from) = (column, 0);
    for (at, (node, broken)) in nodes.iter().zip(broken).enumerate() {
        let space = usize::from(node.space && at > 0);
        if *broken {
            if at_column + space + 1 > WIDTH {
                return Some((from, at));
            }
            at_column = indent + 1;
            from = at + 1;
        } else {
            at_column += space + node.width;
        }
    }
    (at_column + tail > WIDTH).then_some((from, nodes.len()))
}

/// Whether breaking a bracket can help.
fn may_break(spacing: Spacing<'_>, node: &Node, indent: usize) -> bool {
    let Kind::Bracket(bracket) = &node.kind else {
        return false;
    };
    if spacing.kind(node.token) == T::FStrOpen {
        return false;
    }
    match bracket.items.as_slice() {
        [] => false,
        // A string that is too long even on a line of its own stays where it is.
        [one] => {
            let solid = operators(spacing, &one.nodes).is_none()
                && one
                    .nodes
                    .iter()
                    .all(|n| matches!(n.kind, Kind::Token) || spacing.kind(n.token) == T::FStrOpen);
            !(solid && indent + INDENT + one.width > WIDTH)
        }
        _ => true,
    }
}
