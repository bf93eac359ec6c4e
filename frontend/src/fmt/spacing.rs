//! Which tokens have a space between them on one line.

use crate::token::{T, Token};

/// Whether an operand can end with a token, so that `(`, `[` and binary operators may follow it.
/// `member`: it stands behind a dot, where keywords are names.
fn ends_operand(kind: T, member: bool) -> bool {
    member
        || matches!(
            kind,
            T::Ident
                | T::Int
                | T::Float
                | T::Char
                | T::Str
                | T::RawStr
                | T::TripleStr
                | T::RawTripleStr
                | T::FStrEnd
                | T::RParen
                | T::RBracket
                | T::RBrace
                | T::Question
                | T::SelfKw
                | T::SelfType
                | T::True
                | T::False
        )
}

/// The tokens of a text, with what their neighbours make of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spacing<'t> {
    /// All tokens.
    pub tokens: &'t [Token],
}

impl Spacing<'_> {
    /// Kind of a token; `Eof` outside.
    pub fn kind(self, at: usize) -> T {
        self.tokens.get(at).map_or(T::Eof, |token| token.kind)
    }

    fn prev(self, at: usize) -> T {
        at.checked_sub(1).map_or(T::Eof, |at| self.kind(at))
    }

    /// Whether a token is a name behind a dot or `fn`.
    fn is_member(self, at: usize) -> bool {
        match self.prev(at) {
            T::Dot => true,
            T::Fn => self.kind(at).is_keyword(),
            _ => false,
        }
    }

    /// Whether an operand ends right before a token.
    pub fn behind_operand(self, at: usize) -> bool {
        at.checked_sub(1)
            .is_some_and(|prev| ends_operand(self.kind(prev), self.is_member(prev)))
    }

    /// Whether a token is an operator that stands before its operand.
    fn is_prefix(self, at: usize) -> bool {
        matches!(self.kind(at), T::Minus | T::Tilde) && !self.behind_operand(at)
    }

    /// How tightly a binary operator binds, if a token is one before which a line may break.
    pub fn operator(self, at: usize) -> Option<u8> {
        if self.is_member(at) {
            return None;
        }
        let level = match self.kind(at) {
            T::Else => 0,
            T::Or => 1,
            T::And => 2,
            T::EqEq | T::NotEq | T::Lt | T::Le | T::Gt | T::Ge => 3,
            T::Pipe => 4,
            T::Caret => 5,
            T::Amp => 6,
            T::Shl | T::Shr | T::UShr => 7,
            T::Plus | T::Minus | T::PlusWrap | T::MinusWrap => 8,
            T::Star | T::Slash | T::Percent | T::StarWrap => 9,
            T::StarStar => 10,
            _ => return None,
        };
        // An operator at the very front of an operand is a prefix.
        self.behind_operand(at).then_some(level)
    }

    /// Whether the brackets behind `impl` are the list type of `impl [byte]:`.
    fn is_impl_of_list(self, open: usize) -> bool {
        let mut depth = 0usize;
        for at in open..self.tokens.len() {
            match self.kind(at) {
                T::LBracket => depth += 1,
                T::RBracket => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return matches!(self.kind(at + 1), T::Colon | T::For | T::Question);
            }
        }
        false
    }

    /// Whether a token closes the type parameters of an `impl`.
    fn closes_impl(self, close: usize) -> bool {
        let mut depth = 0usize;
        for at in (0..=close).rev() {
            match self.kind(at) {
                T::RBracket => depth += 1,
                T::LBracket => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return self.prev(at) == T::Impl && !self.is_member(at.saturating_sub(1));
            }
        }
        false
    }

    /// Whether a space stands between a token and the one before it.
    pub fn space(self, at: usize) -> bool {
        let (prev, this) = (self.prev(at), self.kind(at));
        match (prev, this) {
            (T::FStrOpen, T::LBrace) => return true,
            (T::FStrStart | T::FStrText | T::FStrOpen | T::FStrClose | T::FStrSpec, _)
            | (_, T::FStrText | T::FStrOpen | T::FStrClose | T::FStrSpec | T::FStrEnd) => {
                return false;
            }
            (T::LParen | T::LBracket | T::LBrace, _)
            | (_, T::RParen | T::RBracket | T::RBrace | T::Comma | T::Semi | T::Colon) => {
                return false;
            }
            (T::Comma | T::Semi | T::Colon, _) => return true,
            // `t.0 .1`: without the space a float.
            (T::Int, T::Dot) => return self.kind(at + 1) == T::Int,
            (T::Dot, _) | (_, T::Dot | T::Question) => return false,
            // A range without an upper end: `..=>` would be read as `..=` and `>`.
            (T::DotDot, T::FatArrow | T::Pipe | T::If) => return true,
            (T::DotDot | T::DotDotEq, _) => return false,
            (_, T::DotDot | T::DotDotEq) => {
                let member = at >= 1 && self.is_member(at - 1);
                return !ends_operand(prev, member);
            }
            _ => {}
        }
        let prev_at = at.saturating_sub(1);
        if self.is_prefix(prev_at) {
            return self.is_prefix(at);
        }
        match this {
            T::LParen | T::LBracket if prev == T::RBracket => self.closes_impl(prev_at),
            T::LParen => !(self.behind_operand(at) || prev == T::Fn),
            T::LBracket if prev == T::Impl && !self.is_member(prev_at) => self.is_impl_of_list(at),
            T::LBracket => !(self.behind_operand(at) || prev == T::Fn),
            _ => true,
        }
    }
}
