//! Values of literals: escapes, numbers, format specifications.

use super::Parser;
use crate::ast::{Align, FormatSpec, FormatType, Sign};
use crate::diag::{Diagnostic, codes};
use crate::source::Span;
use crate::token::{T, Token};

impl<'a> Parser<'a, '_> {
    fn literal_error(
        &mut self,
        code: &'static str,
        start: usize,
        end: usize,
        message: String,
        help: &str,
    ) {
        let at = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let span = Span::new(self.file, at(start), at(end));
        let diagnostic = Diagnostic::error(code, span, message).help(help);
        self.report(diagnostic);
    }

    /// Reads one escape; `at` is behind the backslash. Gives the character and what follows it.
    fn escape(&mut self, at: usize, limit: usize) -> (Option<char>, usize) {
        let rest = self.text.get(at..limit).unwrap_or("");
        let Some(c) = rest.chars().next() else {
            return (None, limit);
        };
        let next = at + c.len_utf8();
        let simple = match c {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            '0' => Some('\0'),
            '\\' => Some('\\'),
            '"' => Some('"'),
            '\'' => Some('\''),
            _ => None,
        };
        if simple.is_some() {
            return (simple, next);
        }
        let help = "escapes are \\n \\t \\r \\0 \\\\ \\\" \\' \\x41 \\u{1F600}; `r\"…\"` has none";
        match c {
            'u' => {
                let body = rest.get(1..).unwrap_or("");
                let digits = body
                    .strip_prefix('{')
                    .and_then(|b| b.split_once('}'))
                    .map(|(d, _)| d);
                if let Some(digits) = digits.filter(|d| {
                    (1..=6).contains(&d.len()) && d.bytes().all(|b| b.is_ascii_hexdigit())
                }) {
                    let end = next + digits.len() + 2;
                    let value = u32::from_str_radix(digits, 16)
                        .ok()
                        .and_then(char::from_u32);
                    if value.is_none() {
                        let message = format!("`\\u{{{digits}}}` is no Unicode scalar value");
                        self.literal_error(
                            codes::BAD_ESCAPE,
                            at - 1,
                            end,
                            message,
                            "scalar values are 0 to D7FF and E000 to 10FFFF",
                        );
                    }
                    return (value, end);
                }
                self.literal_error(
                    codes::BAD_ESCAPE,
                    at - 1,
                    next,
                    "`\\u` is followed by one to six hexadecimal digits in braces".to_string(),
                    "write for example `\\u{1F600}`",
                );
                (None, next)
            }
            'x' => {
                let digits = rest.get(1..3).unwrap_or("");
                match u8::from_str_radix(digits, 16) {
                    Ok(value) if value < 0x80 && !digits.starts_with('+') => {
                        (Some(char::from(value)), next + 2)
                    }
                    _ => {
                        self.literal_error(
                            codes::BAD_ESCAPE,
                            at - 1,
                            next,
                            "`\\x` is followed by two hexadecimal digits, at most 7f".to_string(),
                            "write `\\u{…}` for other characters",
                        );
                        (None, next)
                    }
                }
            }
            _ => {
                self.literal_error(
                    codes::BAD_ESCAPE,
                    at - 1,
                    next,
                    format!("`\\{}` is no escape", c.escape_default()),
                    help,
                );
                (None, next)
            }
        }
    }

    /// Decodes text between `start` and `end`. In f-strings doubled braces stand for one.
    fn decode(&mut self, start: usize, end: usize, escapes: bool, braces: bool) -> &'a str {
        let text = self.text.get(start..end).unwrap_or("");
        let special =
            |b: u8| b == b'\r' || (escapes && b == b'\\') || (braces && (b == b'{' || b == b'}'));
        if !text.bytes().any(special) {
            return self.arena.alloc_str(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut at = start;
        while at < end {
            let Some(c) = self.text.get(at..end).and_then(|t| t.chars().next()) else {
                break;
            };
            let next = at + c.len_utf8();
            let follows = |wanted: char| {
                self.text
                    .get(next..end)
                    .is_some_and(|t| t.starts_with(wanted))
            };
            if c == '\\' && escapes {
                let (value, after) = self.escape(next, end);
                out.push(value.unwrap_or('\u{FFFD}'));
                at = after.max(next);
                continue;
            }
            if c == '\r' && follows('\n') {
                at = next;
                continue;
            }
            out.push(c);
            at = if braces && (c == '{' || c == '}') && follows(c) {
                next + 1
            } else {
                next
            };
        }
        self.arena.alloc_str(&out)
    }

    /// Text of a string token of any form.
    pub(super) fn string_value(&mut self, token: Token) -> &'a str {
        let (start, end) = (token.start as usize, token.end as usize);
        let (open, close, escapes) = match token.kind {
            T::Str => (1, 1, true),
            T::RawStr => (2, 1, false),
            T::TripleStr => (3, 3, true),
            _ => (4, 3, false),
        };
        self.decode(start + open, end.saturating_sub(close), escapes, false)
    }

    /// Text of a piece of an f-string.
    pub(super) fn fstring_text_value(&mut self, token: Token) -> &'a str {
        self.decode(token.start as usize, token.end as usize, true, true)
    }

    /// Value of a character token.
    pub(super) fn char_value(&mut self, token: Token) -> char {
        let (start, end) = (
            token.start as usize + 1,
            (token.end as usize).saturating_sub(1),
        );
        let body = self.text.get(start..end).unwrap_or("").to_string();
        let mut chars = body.chars();
        let problem = match (chars.next(), chars.next()) {
            (Some('\\'), _) => {
                let (value, after) = self.escape(start + 1, end);
                if after >= end {
                    return value.unwrap_or('\u{FFFD}');
                }
                "a character literal holds one character"
            }
            (Some(c), None) => return c,
            (None, _) => "a character literal holds one character, this one none",
            (Some(_), Some(_)) => "a character literal holds one character",
        };
        let span = self.span_of(token);
        let mut diagnostic = Diagnostic::error(codes::BAD_CHAR_LITERAL, span, problem);
        if !body.is_empty() {
            diagnostic = diagnostic.help("strings are in double quotes");
            if !body.contains(['"', '\\']) {
                diagnostic = diagnostic.fix(span, format!("\"{body}\""));
            }
        }
        self.report(diagnostic);
        '\u{FFFD}'
    }

    /// Value of an integer token; with `negative` its negation, so that the least one can be
    /// written.
    pub(super) fn int_value(&mut self, token: Token, negative: bool) -> i64 {
        let text = self.token_text(token);
        let (base, digits) = match text.get(..2) {
            Some("0x") => (16u32, text.get(2..).unwrap_or("")),
            Some("0b") => (2, text.get(2..).unwrap_or("")),
            Some("0o") => (8, text.get(2..).unwrap_or("")),
            _ => (10, text),
        };
        let mut value: Option<u64> = Some(0);
        for digit in digits.chars().filter_map(|c| c.to_digit(base)) {
            value = value
                .and_then(|v| v.checked_mul(u64::from(base)))
                .and_then(|v| v.checked_add(u64::from(digit)));
        }
        match value {
            Some(v) if negative && v <= 1 << 63 => return 0i64.wrapping_sub_unsigned(v),
            Some(v) if !negative && i64::try_from(v).is_ok() => return v.cast_signed(),
            _ => {}
        }
        let span = self.span_of(token);
        let mut diagnostic = Diagnostic::error(
            codes::INT_OVERFLOW,
            span,
            "this number does not fit into `int`",
        )
        .note("`int` holds -9223372036854775808 to 9223372036854775807");
        diagnostic = match value {
            Some(v) if base != 10 && !negative => {
                let signed = v.cast_signed();
                diagnostic
                    .help(format!("the integer with these 64 bits is `{signed}`"))
                    .fix(span, format!("({signed})"))
            }
            _ => diagnostic.help("write a float (`1e20`), or keep the digits in a string"),
        };
        self.report(diagnostic);
        0
    }

    /// Value of a float token.
    pub(super) fn float_value(&mut self, token: Token) -> f64 {
        let text = self.token_text(token).replace('_', "");
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => value,
            _ => {
                let diagnostic = Diagnostic::error(
                    codes::FLOAT_OVERFLOW,
                    self.span_of(token),
                    "this number does not fit into `float`",
                )
                .note("the greatest float is about 1.8e308");
                self.report(diagnostic);
                0.0
            }
        }
    }

    /// Value of a tuple index behind a dot.
    pub(super) fn tuple_index(&mut self, token: Token) -> u32 {
        let text = self.token_text(token);
        let plain =
            text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
        if let Some(index) = text.parse::<u32>().ok().filter(|_| plain) {
            return index;
        }
        let diagnostic = Diagnostic::error(
            codes::BAD_NUMBER,
            self.span_of(token),
            "the index of a tuple is a plain number",
        )
        .help("write for example `t.0`");
        self.report(diagnostic);
        0
    }

    /// Reads a format specification; the token begins with the colon.
    pub(super) fn format_spec(&mut self, token: Token) -> FormatSpec {
        let span = Span::new(self.file, token.start + 1, token.end);
        let text = self
            .text
            .get(token.start as usize + 1..token.end as usize)
            .unwrap_or("");
        let mut spec = FormatSpec {
            fill: ' ',
            align: None,
            sign: Sign::Minus,
            alternate: false,
            zero: false,
            width: None,
            precision: None,
            ty: None,
            span,
        };
        if let Err(problem) = read_spec(text, &mut spec) {
            let diagnostic = Diagnostic::error(
                codes::BAD_FORMAT_SPEC,
                if span.is_empty() { self.span_of(token) } else { span },
                problem,
            )
            .help("the form is `[[fill]align][sign][#][0][width][.precision][type]`, as in `{x:>8.2f}`");
            self.report(diagnostic);
        }
        spec
    }
}

fn align_of(c: char) -> Option<Align> {
    match c {
        '<' => Some(Align::Left),
        '^' => Some(Align::Center),
        '>' => Some(Align::Right),
        _ => None,
    }
}

/// A number of at most 4 digits at the front of `text`; gives it and the rest.
fn read_number(text: &str) -> Result<Option<(u16, &str)>, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits).unwrap_or((text, ""));
    if number.is_empty() {
        return Ok(None);
    }
    match number.parse::<u16>() {
        Ok(value) if value <= 4096 => Ok(Some((value, rest))),
        _ => Err("widths and precisions are at most 4096".to_string()),
    }
}

fn read_spec(text: &str, spec: &mut FormatSpec) -> Result<(), String> {
    if text.is_empty() {
        return Err("a format specification is missing behind the `:`".to_string());
    }
    let mut rest = text;
    let mut chars = rest.chars();
    if let (Some(first), second) = (chars.next(), chars.next()) {
        if let Some(align) = second.and_then(align_of) {
            spec.fill = first;
            spec.align = Some(align);
            rest = chars.as_str();
        } else if let Some(align) = align_of(first) {
            spec.align = Some(align);
            rest = rest.get(1..).unwrap_or("");
        }
    }
    for (c, sign) in [('+', Sign::Plus), ('-', Sign::Minus), (' ', Sign::Space)] {
        if let Some(tail) = rest.strip_prefix(c) {
            spec.sign = sign;
            rest = tail;
            break;
        }
    }
    if let Some(tail) = rest.strip_prefix('#') {
        spec.alternate = true;
        rest = tail;
    }
    if let Some(tail) = rest.strip_prefix('0') {
        spec.zero = true;
        rest = tail;
    }
    if let Some((width, tail)) = read_number(rest)? {
        spec.width = Some(width);
        rest = tail;
    }
    if let Some(tail) = rest.strip_prefix('.') {
        let Some((precision, tail)) = read_number(tail)? else {
            return Err(
                "digits are missing behind the `.` of the format specification".to_string(),
            );
        };
        spec.precision = Some(precision);
        rest = tail;
    }
    let mut chars = rest.chars();
    spec.ty = match chars.next() {
        None => return Ok(()),
        Some('d') => Some(FormatType::Decimal),
        Some('x') => Some(FormatType::HexLower),
        Some('X') => Some(FormatType::HexUpper),
        Some('b') => Some(FormatType::Binary),
        Some('o') => Some(FormatType::Octal),
        Some('f') => Some(FormatType::Fixed),
        Some('e') => Some(FormatType::Exp),
        Some('s') => Some(FormatType::Text),
        Some(',' | '_') => {
            return Err("digits are not grouped by format specifications".to_string());
        }
        Some('?') => return Err("there is no debug format: a value shows as it is".to_string()),
        Some(c) => return Err(format!("`{c}` is no type of a format specification")),
    };
    if chars.as_str().is_empty() {
        Ok(())
    } else {
        Err(format!(
            "`{}` is too much in this format specification",
            chars.as_str()
        ))
    }
}
