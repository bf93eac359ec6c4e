//! Format specifications and the text of numbers.
//!
//! `[[fill]align][sign][#][0][width][,][.precision][type]`, with align `< > ^ =`, sign `+ - space`, type
//! `d x X b o c e E f % s`. Widths count characters. A specification is checked here again although the
//! compiler checked it: bytecode may hold anything.

/// Largest width or precision.
const MAX_SIZE: usize = 65_535;

/// A parsed specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    fill: char,
    align: Option<char>,
    sign: char,
    alternate: bool,
    zero: bool,
    /// Least number of characters.
    pub width: usize,
    comma: bool,
    /// Digits after the point, or characters of a string.
    pub precision: Option<usize>,
    kind: Option<char>,
}

type Made = Result<String, &'static str>;

impl Spec {
    /// Parses a specification.
    pub fn parse(text: &str) -> Result<Spec, &'static str> {
        let chars: Vec<char> = text.chars().take(64).collect();
        let mut at = 0;
        let peek = |i: usize| chars.get(i).copied();
        let is_align = |c: Option<char>| c.is_some_and(|c| "<>^=".contains(c));
        let mut spec = Spec {
            fill: ' ',
            align: None,
            sign: '-',
            alternate: false,
            zero: false,
            width: 0,
            comma: false,
            precision: None,
            kind: None,
        };
        if is_align(peek(1)) {
            spec.fill = peek(0).unwrap_or(' ');
            spec.align = peek(1);
            at = 2;
        } else if is_align(peek(0)) {
            spec.align = peek(0);
            at = 1;
        }
        if let Some(c) = peek(at).filter(|c| "+- ".contains(*c)) {
            spec.sign = c;
            at += 1;
        }
        if peek(at) == Some('#') {
            spec.alternate = true;
            at += 1;
        }
        if peek(at) == Some('0') {
            spec.zero = true;
            at += 1;
        }
        let number = |at: &mut usize| -> Result<Option<usize>, &'static str> {
            let mut n = None;
            while let Some(d) = peek(*at).and_then(|c| c.to_digit(10)) {
                let next = n.unwrap_or(0) * 10 + d as usize;
                if next > MAX_SIZE {
                    return Err("the width or precision is above 65535");
                }
                n = Some(next);
                *at += 1;
            }
            Ok(n)
        };
        spec.width = number(&mut at)?.unwrap_or(0);
        if peek(at) == Some(',') {
            spec.comma = true;
            at += 1;
        }
        if peek(at) == Some('.') {
            at += 1;
            spec.precision = Some(number(&mut at)?.ok_or("digits are missing behind the point")?);
        }
        if let Some(c) = peek(at) {
            if !"dxXboceEf%s".contains(c) {
                return Err("unknown type");
            }
            spec.kind = Some(c);
            at += 1;
        }
        if at != chars.len() || chars.len() == 64 {
            return Err("unexpected characters");
        }
        Ok(spec)
    }

    /// Formats an int.
    pub fn int(&self, n: i64) -> Made {
        let magnitude = n.unsigned_abs();
        let (prefix, digits) = match self.kind {
            None | Some('d') => ("", magnitude.to_string()),
            Some('x') => ("0x", format!("{magnitude:x}")),
            Some('X') => ("0x", format!("{magnitude:X}")),
            Some('b') => ("0b", format!("{magnitude:b}")),
            Some('o') => ("0o", format!("{magnitude:o}")),
            Some('c') => {
                let c = u32::try_from(n).ok().and_then(char::from_u32);
                let c = c.ok_or("the number is not a character")?;
                return Ok(self.pad(String::new(), c.to_string(), '<'));
            }
            Some('e' | 'E' | 'f' | '%') => return self.float(n as f64),
            Some(_) => return Err("this type is not for ints"),
        };
        if self.precision.is_some() {
            return Err("a precision is not for ints");
        }
        let prefix = if self.alternate { prefix } else { "" };
        Ok(self.number(n < 0, prefix, &digits, ""))
    }

    /// Formats a float.
    pub fn float(&self, x: f64) -> Made {
        let negative = x.is_sign_negative() && !x.is_nan();
        let m = x.abs();
        if !x.is_finite() {
            let text = if x.is_nan() { "NaN" } else { "inf" };
            let plain = Spec {
                zero: false,
                comma: false,
                ..*self
            };
            return Ok(plain.number(negative, "", text, ""));
        }
        let text = match self.kind {
            None => match self.precision {
                None => float_text(m),
                Some(p) => format!("{m:.p$}"),
            },
            Some('f') => format!("{m:.*}", self.precision.unwrap_or(6)),
            Some('%') => format!("{:.*}%", self.precision.unwrap_or(6), m * 100.0),
            Some(c @ ('e' | 'E')) => exponent_text(m, self.precision.unwrap_or(6), c),
            Some(_) => return Err("this type is not for floats"),
        };
        let whole = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (digits, rest) = text.split_at(whole);
        Ok(self.number(negative, "", digits, rest))
    }

    /// Formats a string.
    pub fn str(&self, text: &str) -> Made {
        if !matches!(self.kind, None | Some('s')) {
            return Err("this type is not for strings");
        }
        if self.comma || self.alternate || self.sign != '-' || self.align == Some('=') {
            return Err("signs, `#`, `,` and `=` are for numbers");
        }
        let cut = match self.precision {
            Some(p) => text.char_indices().nth(p).map_or(text.len(), |(i, _)| i),
            None => text.len(),
        };
        let text = text.get(..cut).unwrap_or(text);
        Ok(self.pad(String::new(), text.to_owned(), '<'))
    }

    /// Sign, prefix, digits (grouped where asked for) and what follows them, padded.
    fn number(&self, negative: bool, prefix: &str, digits: &str, rest: &str) -> String {
        let sign = match (negative, self.sign) {
            (true, _) => "-",
            (false, '+') => "+",
            (false, ' ') => " ",
            (false, _) => "",
        };
        let head = format!("{sign}{prefix}");
        let zeros = self.zero && self.align.is_none();
        let room = self.width.saturating_sub(head.len() + rest.len());
        let mut digits = digits.to_owned();
        if zeros {
            // With separators, zeros are added as long as the grouped text stays within the width.
            let missing = if self.comma {
                let want = room - room / 4;
                want.saturating_sub(digits.len())
            } else {
                room.saturating_sub(digits.len())
            };
            digits.insert_str(0, &"0".repeat(missing));
        }
        if self.comma {
            digits = grouped(&digits);
        }
        self.pad(head, format!("{digits}{rest}"), '>')
    }

    fn pad(&self, head: String, body: String, default: char) -> String {
        let len = head.chars().count() + body.chars().count();
        let missing = self.width.saturating_sub(len);
        let fill = |n: usize| std::iter::repeat_n(self.fill, n).collect::<String>();
        match self.align.unwrap_or(default) {
            '<' => head + &body + &fill(missing),
            '^' => fill(missing / 2) + &head + &body + &fill(missing - missing / 2),
            '=' => head + &fill(missing) + &body,
            _ => fill(missing) + &head + &body,
        }
    }
}

fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

fn exponent_text(m: f64, precision: usize, mark: char) -> String {
    let text = format!("{m:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}{mark}{sign}{digits:0>2}")
}

/// Shortest text that reads back.
pub(crate) fn float_text(x: f64) -> String {
    if x.is_nan() {
        return String::from("NaN");
    }
    if x.is_infinite() {
        return String::from(if x > 0.0 { "inf" } else { "-inf" });
    }
    zmij::Buffer::new().format_finite(x).to_owned()
}

fn push_escaped(out: &mut String, c: char, quote: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\\' => out.push_str("\\\\"),
        c if c == quote => {
            out.push('\\');
            out.push(c);
        }
        // Control characters and those that change the direction of text would deceive a reader.
        c if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
        }
        c => out.push(c),
    }
}

/// A string as a literal.
pub(crate) fn quote_str(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    text.chars().for_each(|c| push_escaped(&mut out, c, '"'));
    out.push('"');
    out
}

/// Length of [`quote_str`] in bytes.
pub(crate) fn quoted_len(text: &str) -> u64 {
    let mut one = String::new();
    let escaped = |c| {
        one.clear();
        push_escaped(&mut one, c, '"');
        one.len() as u64
    };
    2 + text.chars().map(escaped).sum::<u64>()
}

/// A character as a literal.
pub(crate) fn quote_char(c: char) -> String {
    let mut out = String::from("'");
    push_escaped(&mut out, c, '\'');
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(spec: &str, n: i64) -> String {
        Spec::parse(spec)
            .and_then(|s| s.int(n))
            .unwrap_or_else(str::to_owned)
    }
    fn float(spec: &str, x: f64) -> String {
        Spec::parse(spec)
            .and_then(|s| s.float(x))
            .unwrap_or_else(str::to_owned)
    }
    fn text(spec: &str, x: &str) -> String {
        Spec::parse(spec)
            .and_then(|s| s.str(x))
            .unwrap_or_else(str::to_owned)
    }

    #[test]
    fn ints() {
        assert_eq!(int("", -5), "-5");
        assert_eq!(int(">6", 42), "    42");
        assert_eq!(int("<6", 42), "42    ");
        assert_eq!(int("*^7", 42), "**42***");
        assert_eq!(int("+", 42), "+42");
        assert_eq!(int("06", -42), "-00042");
        assert_eq!(int("#x", 255), "0xff");
        assert_eq!(int("#010b", 5), "0b00000101");
        assert_eq!(int("X", 255), "FF");
        assert_eq!(int("o", 8), "10");
        assert_eq!(int(",", 1_234_567), "1,234,567");
        assert_eq!(int("010,", 1234), "00,001,234");
        assert_eq!(int("=+6", 42), "+   42");
        assert_eq!(int("", i64::MIN), "-9223372036854775808");
        assert!(int("s", 1).contains("not for ints"));
        assert!(Spec::parse("99999999").is_err());
        assert!(Spec::parse("5q").is_err());
    }

    #[test]
    fn floats() {
        assert_eq!(float("", 1.0), "1.0");
        assert_eq!(float(".2f", 3.1459), "3.15");
        assert_eq!(float("8.2f", 3.1459), "    3.15");
        assert_eq!(float("08.2f", -3.1459), "-0003.15");
        assert_eq!(float(".1%", 0.256), "25.6%");
        assert_eq!(float(".2e", 12345.0), "1.23e+04");
        assert_eq!(float("E", 0.5), "5.000000E-01");
        assert_eq!(float(",.2f", 1_234_567.891), "1,234,567.89");
        assert_eq!(float("08", f64::INFINITY), "     inf");
        assert_eq!(float("", f64::NEG_INFINITY), "-inf");
        assert_eq!(float(".0f", 0.5), "0");
        assert_eq!(float_text(1.0), "1.0");
        assert_eq!(float_text(-0.0), "-0.0");
        assert_eq!(float_text(f64::NAN), "NaN");
        for x in [0.1, 1e300, 5e-324, 123456789.125, 1e16, 1e21] {
            let t = float_text(x);
            assert!(t.contains(['.', 'e']), "{t}");
            assert_eq!(t.parse::<f64>(), Ok(x));
        }
    }

    #[test]
    fn strings() {
        assert_eq!(text("5", "ab"), "ab   ");
        assert_eq!(text(">5", "äb"), "   äb");
        assert_eq!(text(".2", "äbc"), "äb");
        assert_eq!(
            quote_str("a\"\n\u{1b}\u{202e}"),
            "\"a\\\"\\n\\u{1b}\\u{202e}\""
        );
        assert_eq!(quote_char('\''), "'\\''");
    }
}
