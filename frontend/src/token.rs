//! Tokens. They carry where they stand in their line; the parser makes the layout from that.

use crate::source::{FileId, Span, Symbol};

/// A token: its kind, place, and whether it begins a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: T,
    /// Whether it is the first of its line.
    pub line_start: bool,
    /// Column of the first token of its line, in spaces (at most `u16::MAX`).
    pub indent: u16,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// The word of a name, as soon as the parser has interned it.
    pub name: Symbol,
}

impl Token {
    /// Its span in `file`.
    pub fn span(self, file: FileId) -> Span {
        Span::new(file, self.start, self.end)
    }
}

/// Places of the table of keywords: several times their number, so that most words meet an empty one.
const SLOTS: usize = 256;

/// Where to look for a word.
const fn slot(word: &[u8]) -> usize {
    match word {
        [] => 0,
        [only] => *only as usize % SLOTS,
        [first, .., last] => (*first as usize * 3 + *last as usize * 29 + word.len() * 7) % SLOTS,
    }
}

/// A full table would not compile: the index runs out of it.
#[allow(clippy::indexing_slicing)]
const fn insert(
    mut table: [Option<(&'static str, T)>; SLOTS],
    text: &'static str,
    kind: T,
) -> [Option<(&'static str, T)>; SLOTS] {
    let mut at = slot(text.as_bytes());
    while table[at].is_some() {
        at = (at + 1) % SLOTS;
    }
    table[at] = Some((text, kind));
    table
}

macro_rules! tokens {
    (
        special { $($special:ident => $what:literal,)* }
        punct { $($punct:ident => $ptext:literal,)* }
        keywords { $($key:ident => $text:literal,)* }
    ) => {
        /// Kinds of tokens.
        #[allow(missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum T { $($special,)* $($punct,)* $($key,)* }

        impl T {
            /// How a message names it.
            pub fn describe(self) -> &'static str {
                match self {
                    $(T::$special => $what,)*
                    $(T::$punct => concat!("`", $ptext, "`"),)*
                    $(T::$key => concat!("`", $text, "`"),)*
                }
            }

            /// The keyword of a word.
            pub fn keyword(word: &str) -> Option<T> {
                let mut at = slot(word.as_bytes());
                while let Some(Some((text, kind))) = TABLE.get(at) {
                    if *text == word {
                        return Some(*kind);
                    }
                    at = (at + 1) % SLOTS;
                }
                None
            }

            /// Whether it is a keyword.
            pub fn is_keyword(self) -> bool {
                matches!(self, $(T::$key)|*)
            }
        }

        /// Every keyword.
        pub const KEYWORDS: &[&str] = &[$($text),*];

        /// Keywords by [`slot`], each in the first free place from there on.
        const TABLE: [Option<(&str, T)>; SLOTS] = {
            let mut table = [None; SLOTS];
            $(table = insert(table, $text, T::$key);)*
            table
        };
    };
}

tokens! {
    special {
        Eof => "the end of the file",
        Newline => "the end of the line",
        Error => "this text",
        Ident => "a name",
        Int => "a number",
        Float => "a number",
        Char => "a character",
        Str => "a string",
        RawStr => "a string",
        TripleStr => "a string",
        RawTripleStr => "a string",
        FStrStart => "an f-string",
        FStrText => "text of an f-string",
        FStrOpen => "`{`",
        FStrSpec => "a format specification",
        FStrClose => "the `}` of the f-string",
        FStrEnd => "the end of the f-string",
    }
    punct {
        LParen => "(", RParen => ")", LBracket => "[", RBracket => "]", LBrace => "{", RBrace => "}",
        Comma => ",", Colon => ":", Semi => ";", Dot => ".", DotDot => "..", DotDotEq => "..=",
        Question => "?", Bang => "!", At => "@", Arrow => "->", FatArrow => "=>",
        Assign => "=", PlusEq => "+=", MinusEq => "-=", StarEq => "*=", SlashEq => "/=",
        PercentEq => "%=", StarStarEq => "**=", PlusWrapEq => "+%=", MinusWrapEq => "-%=",
        StarWrapEq => "*%=", AmpEq => "&=", PipeEq => "|=", CaretEq => "^=", ShlEq => "<<=",
        ShrEq => ">>=", UShrEq => ">>>=",
        Plus => "+", Minus => "-", Star => "*", Slash => "/", Percent => "%", StarStar => "**",
        PlusWrap => "+%", MinusWrap => "-%", StarWrap => "*%",
        Shl => "<<", Shr => ">>", UShr => ">>>", Amp => "&", Pipe => "|", Caret => "^", Tilde => "~",
        EqEq => "==", NotEq => "!=", Lt => "<", Le => "<=", Gt => ">", Ge => ">=",
        AndAnd => "&&", OrOr => "||", PlusPlus => "++", ColonColon => "::", ColonEq => ":=",
    }
    keywords {
        Import => "import", Const => "const", Struct => "struct", Enum => "enum", Trait => "trait",
        Impl => "impl", Fn => "fn", Pub => "pub", Let => "let", Mut => "mut",
        If => "if", Elif => "elif", Else => "else", Match => "match", For => "for", In => "in",
        While => "while", Loop => "loop", Break => "break", Continue => "continue",
        Return => "return", Raise => "raise", Try => "try", Catch => "catch", With => "with",
        Allow => "allow", Concurrent => "concurrent", Spawn => "spawn", Defer => "defer",
        Pass => "pass", Assert => "assert", Uses => "uses", SelfKw => "self", SelfType => "Self",
        True => "true", False => "false", And => "and", Or => "or", Not => "not",
    }
}

impl T {
    /// Whether it closes a bracket.
    pub fn is_closer(self) -> bool {
        matches!(self, T::RParen | T::RBracket | T::RBrace | T::FStrClose)
    }

    /// Whether it opens a bracket.
    pub fn is_opener(self) -> bool {
        matches!(self, T::LParen | T::LBracket | T::LBrace | T::FStrOpen)
    }

    /// Whether a line that begins with it can only begin a statement or item: where a bracket is
    /// still open at such a line, the bracket was forgotten.
    pub fn begins_statement_only(self) -> bool {
        matches!(
            self,
            T::Import
                | T::Const
                | T::Struct
                | T::Enum
                | T::Trait
                | T::Impl
                | T::Pub
                | T::Let
                | T::For
                | T::While
                | T::Loop
                | T::Break
                | T::Continue
                | T::Return
                | T::Raise
                | T::Try
                | T::Catch
                | T::With
                | T::Allow
                | T::Concurrent
                | T::Defer
                | T::Pass
                | T::Assert
        )
    }
}
