//! Tokens of assembly text.
//!
//! What must stay true: total on any text; a token knows its line and column (from 1, in characters) and
//! whether it is the first of its line, which is what ends a statement.

use super::AsmError;

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tok<'a> {
    /// Keyword, mnemonic, register or label.
    Word(&'a str),
    /// `%3` or `%name`, without the sign.
    Ref(&'a str),
    /// Starts with a digit or a sign; its meaning is the parser's.
    Num(&'a str),
    /// String, unescaped.
    Str(String),
    /// One of `()[]{},:=@` or the arrow, as `>`.
    Punct(char),
}

/// A token with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub tok: Tok<'a>,
    pub line: u32,
    pub col: u32,
    /// Column behind its last character.
    pub end: u32,
    pub first: bool,
}

/// All tokens of a text. `;` begins a comment.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, AsmError> {
    let mut out = Vec::new();
    for (line, content) in (1u32..).zip(text.lines()) {
        line_tokens(content, line, &mut out)?;
    }
    Ok(out)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn line_tokens<'a>(text: &'a str, line: u32, out: &mut Vec<Token<'a>>) -> Result<(), AsmError> {
    let mut rest = text;
    let mut col = 1u32;
    let mut first = true;
    while let Some(c) = rest.chars().next() {
        if c == ';' {
            return Ok(());
        }
        if c.is_ascii_whitespace() {
            rest = rest.strip_prefix(c).unwrap_or("");
            col += 1;
            continue;
        }
        let fail = |what: &str| AsmError::new(line, col, what);
        let (tok, taken) = match c {
            '"' => string(rest).map_err(fail)?,
            '%' => {
                let name = prefix(rest.get(1..).unwrap_or(""), is_word);
                if name.is_empty() {
                    return Err(fail("`%` without a number or name behind it"));
                }
                (Tok::Ref(name), name.len() + 1)
            }
            '-' if rest.starts_with("->") => (Tok::Punct('>'), 2),
            '-' | '+' => {
                let digits = prefix(rest.get(1..).unwrap_or(""), |c| is_word(c) || c == '.');
                if digits.is_empty() {
                    return Err(fail("a sign without a number behind it"));
                }
                (number(rest, digits.len() + 1), digits.len() + 1)
            }
            '0'..='9' => {
                let digits = prefix(rest, |c| is_word(c) || c == '.');
                (Tok::Num(digits), digits.len())
            }
            c if is_word(c) => {
                let word = prefix(rest, is_word);
                (Tok::Word(word), word.len())
            }
            '(' | ')' | '[' | ']' | '{' | '}' | ',' | ':' | '=' | '@' => (Tok::Punct(c), 1),
            _ => return Err(fail(&format!("{c:?} begins nothing here"))),
        };
        let (gone, left) = rest.split_at_checked(taken).unwrap_or((rest, ""));
        let end = col + gone.chars().count() as u32;
        out.push(Token {
            tok,
            line,
            col,
            end,
            first,
        });
        first = false;
        (col, rest) = (end, left);
    }
    Ok(())
}

fn number(rest: &str, len: usize) -> Tok<'_> {
    Tok::Num(rest.get(..len).unwrap_or(""))
}

fn prefix(text: &str, mut ok: impl FnMut(char) -> bool) -> &str {
    let end = text.find(|c| !ok(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or("")
}

/// A string from its opening quote on, and how many bytes it took.
fn string<'a>(text: &str) -> Result<(Tok<'a>, usize), &'static str> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((Tok::Str(out), at + 1)),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('0') => out.push('\0'),
                Some(c @ ('"' | '\\' | '\'')) => out.push(c),
                Some('u') => {
                    let mut hex = String::new();
                    for (_, c) in chars.by_ref().take(12) {
                        match c {
                            '{' => {}
                            '}' => break,
                            c => hex.push(c),
                        }
                    }
                    let c = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
                    out.push(c.ok_or("`\\u{…}` names no character")?);
                }
                _ => return Err("no such escape; there are \\n \\r \\t \\0 \\\" \\\\ \\u{…}"),
            },
            c => out.push(c),
        }
    }
    Err("the string does not end on its line")
}
