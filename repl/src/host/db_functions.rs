//! The functions of SQL whose work grows faster than their arguments, written anew for `Database`.
//!
//! SQLite looks at limits between the steps of its machine only. Its own `instr`, `replace`, `trim`, `unhex` with a second argument,
//! `like` and `glob` may need as many comparisons in one step as the product of the lengths of their arguments. These here answer the
//! same; the first ones in time that grows with the sum, the last two look at the limits while they compare. What they do is counted
//! as fuel.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, ffi};

use super::db_guard::{Budget, Guard};

/// Bytes of text that count as one unit of fuel.
const BYTES_PER_UNIT: u64 = 16;
/// Comparisons of `like` and `glob` between two looks at the limits.
const LOOK: u64 = 1 << 14;

/// How texts are taken from arguments, and what the functions may do.
struct Run {
    guard: Arc<Guard>,
    /// Writes real numbers as SQLite does.
    writer: Mutex<Connection>,
}

/// Puts the functions in the place of SQLite's own.
pub(super) fn install(connection: &Connection, guard: &Arc<Guard>) -> Result<(), Error> {
    let run = Arc::new(Run {
        guard: Arc::clone(guard),
        writer: Mutex::new(Connection::open_in_memory()?),
    });
    type Function = fn(&Run, &Context<'_>) -> Result<Value, Error>;
    let all: [(&str, i32, Function); 12] = [
        ("instr", 2, instr),
        ("replace", 3, replace),
        ("trim", 1, |r, c| trim(r, c, true, true)),
        ("trim", 2, |r, c| trim(r, c, true, true)),
        ("ltrim", 1, |r, c| trim(r, c, true, false)),
        ("ltrim", 2, |r, c| trim(r, c, true, false)),
        ("rtrim", 1, |r, c| trim(r, c, false, true)),
        ("rtrim", 2, |r, c| trim(r, c, false, true)),
        ("unhex", 2, unhex),
        ("like", 2, |r, c| matches(r, c, &LIKE)),
        ("like", 3, |r, c| matches(r, c, &LIKE)),
        ("glob", 2, |r, c| matches(r, c, &GLOB)),
    ];
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, arguments, function) in all {
        let run = Arc::clone(&run);
        connection.create_scalar_function(name, arguments, flags, move |cx| function(&run, cx))?;
    }
    Ok(())
}

fn failed(message: &str) -> Error {
    Error::UserFunctionError(message.into())
}

fn too_big() -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None)
}

impl Run {
    /// An argument as text: its bytes, or nothing for null.
    fn text<'a>(&self, cx: &'a Context<'_>, at: usize) -> Result<Option<Cow<'a, [u8]>>, Error> {
        Ok(match cx.get_raw(at) {
            ValueRef::Null => None,
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(Cow::Borrowed(bytes)),
            ValueRef::Integer(n) => Some(Cow::Owned(n.to_string().into_bytes())),
            ValueRef::Real(x) => {
                let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
                let mut cast = writer.prepare_cached("SELECT CAST(? AS TEXT)")?;
                let text: String = cast.query_row([x], |row| row.get(0))?;
                Some(Cow::Owned(text.into_bytes()))
            }
        })
    }

    /// Notes that so many bytes are looked at.
    fn spend(&self, bytes: usize) -> Result<(), Error> {
        self.budget().extra(bytes as u64 / BYTES_PER_UNIT)
    }

    fn budget(&self) -> &Budget {
        &self.guard.budget
    }
}

/// A text as SQLite's functions read it that end at a zero.
fn to_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

fn is_inside(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// The first character of a text, with its bytes: one, and all that continue it.
fn first(bytes: &[u8]) -> &[u8] {
    let lead = bytes.first().copied().unwrap_or_default();
    let more = bytes.iter().skip(1).take_while(|b| is_inside(**b)).count();
    let len = if lead < 0xc0 { 1 } else { 1 + more };
    bytes.get(..len).unwrap_or(bytes)
}

/// The characters of a text.
fn characters(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let (one, rest) = bytes.split_at(first(bytes).len());
        bytes = rest;
        Some(one)
    })
}

/// Tells where a part stands in a text, one place behind the other, until there is an answer.
fn each_place<T>(text: &[u8], part: &[u8], mut found: impl FnMut(usize) -> Option<T>) -> Option<T> {
    if let (Ok(text), Ok(part)) = (std::str::from_utf8(text), std::str::from_utf8(part)) {
        return text.match_indices(part).find_map(|(at, _)| found(at));
    }
    // Each byte as a character: texts are what is searched in time that grows with the sum of the lengths.
    let [text, part] = [text, part].map(|b| b.iter().map(|b| char::from(*b)).collect::<String>());
    let (mut seen, mut place) = (0, 0);
    text.match_indices(&part).find_map(|(at, _)| {
        place += text
            .get(seen..at)
            .map_or(0, |before| before.chars().count());
        seen = at;
        found(place)
    })
}

fn instr(run: &Run, cx: &Context<'_>) -> Result<Value, Error> {
    let (Some(text), Some(part)) = (run.text(cx, 0)?, run.text(cx, 1)?) else {
        return Ok(Value::Null);
    };
    run.spend(text.len() + part.len())?;
    let blobs = matches!(
        (cx.get_raw(0), cx.get_raw(1)),
        (ValueRef::Blob(_), ValueRef::Blob(_))
    );
    let starts = |at: usize| blobs || at == 0 || text.get(at).is_none_or(|b| !is_inside(*b));
    let found = match part.is_empty() {
        true => Some(0),
        false => each_place(&text, &part, |at| starts(at).then_some(at)),
    };
    let before = found.and_then(|at| text.get(..at));
    let place = before.map_or(0, |before| match blobs {
        true => 1 + before.len(),
        false => {
            // A byte that continues nothing counts with what stands before it, but at the beginning.
            let skip = usize::from(!before.is_empty());
            1 + skip + before.iter().skip(1).filter(|b| !is_inside(**b)).count()
        }
    });
    Ok(Value::Integer(i64::try_from(place).unwrap_or(i64::MAX)))
}

fn replace(run: &Run, cx: &Context<'_>) -> Result<Value, Error> {
    let (Some(text), Some(part)) = (run.text(cx, 0)?, run.text(cx, 1)?) else {
        return Ok(Value::Null);
    };
    if to_zero(&part).is_empty() {
        return Ok(as_text(text.into_owned()));
    }
    let Some(by) = run.text(cx, 2)? else {
        return Ok(Value::Null);
    };
    run.spend(2 * text.len() + part.len())?;
    let mut count = 0;
    each_place(&text, &part, |_| {
        count += 1;
        None::<()>
    });
    let size = (text.len() - count * part.len()) as u64 + count as u64 * by.len() as u64;
    if size > run.budget().longest() {
        return Err(too_big());
    }
    run.spend(usize::try_from(size).unwrap_or(usize::MAX))?;
    let mut out = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    let mut from = 0;
    each_place(&text, &part, |at| {
        out.extend_from_slice(text.get(from..at).unwrap_or_default());
        out.extend_from_slice(&by);
        from = at + part.len();
        None::<()>
    });
    out.extend_from_slice(text.get(from..).unwrap_or_default());
    Ok(as_text(out))
}

/// A text for SQLite. What is not UTF-8 becomes so: SQLite's own functions would hand it on.
fn as_text(bytes: Vec<u8>) -> Value {
    Value::Text(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

fn trim(run: &Run, cx: &Context<'_>, left: bool, right: bool) -> Result<Value, Error> {
    let Some(text) = run.text(cx, 0)? else {
        return Ok(Value::Null);
    };
    let set = match cx.len() {
        1 => Some(Cow::Borrowed(&b" "[..])),
        _ => run.text(cx, 1)?,
    };
    let Some(set) = set else {
        return Ok(Value::Null);
    };
    run.spend(text.len() + set.len())?;
    let set: HashSet<&[u8]> = characters(to_zero(&set)).collect();
    let mut rest = &*text;
    while left && !rest.is_empty() && set.contains(first(rest)) {
        rest = rest.get(first(rest).len()..).unwrap_or_default();
    }
    while right && !rest.is_empty() {
        let more = rest.iter().rev().take_while(|b| is_inside(**b)).count();
        let at = rest.len().saturating_sub(1 + more);
        if !rest.get(at..).is_some_and(|last| set.contains(last)) {
            break;
        }
        rest = rest.get(..at).unwrap_or_default();
    }
    Ok(as_text(rest.to_vec()))
}

fn unhex(run: &Run, cx: &Context<'_>) -> Result<Value, Error> {
    let (Some(text), Some(set)) = (run.text(cx, 0)?, run.text(cx, 1)?) else {
        return Ok(Value::Null);
    };
    run.spend(text.len() + set.len())?;
    let set: HashSet<char> = String::from_utf8_lossy(&set).chars().collect();
    let text = String::from_utf8_lossy(to_zero(&text));
    let digit = |c: char| c.to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut rest = text.chars();
    let mut out = Vec::with_capacity(text.len() / 2);
    while let Some(c) = rest.next() {
        let Some(high) = digit(c) else {
            if !set.contains(&c) {
                return Ok(Value::Null);
            }
            continue;
        };
        let Some(low) = rest.next().and_then(digit) else {
            return Ok(Value::Null);
        };
        out.push(high << 4 | low);
    }
    Ok(Value::Blob(out))
}

/// What stands for what in a pattern.
struct Signs {
    one: char,
    any: char,
    sets: bool,
    ignores_case: bool,
}

const LIKE: Signs = Signs {
    one: '_',
    any: '%',
    sets: false,
    ignores_case: true,
};
const GLOB: Signs = Signs {
    one: '?',
    any: '*',
    sets: true,
    ignores_case: false,
};

/// A part of a pattern.
enum Part {
    /// Any number of characters.
    Any,
    /// One character, whichever.
    One,
    /// This character.
    Is(char),
    /// One of these ranges, or none of them.
    In(Vec<(char, char)>, bool),
    /// Nothing matches: the pattern is not one.
    Never,
}

impl Part {
    fn takes(&self, c: char, signs: &Signs) -> bool {
        match self {
            Part::Any | Part::Never => false,
            Part::One => true,
            Part::Is(own) if signs.ignores_case => own.eq_ignore_ascii_case(&c),
            Part::Is(own) => *own == c,
            Part::In(ranges, others) => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *others
            }
        }
    }
}

/// Divides a pattern.
fn parts(pattern: &str, signs: &Signs, escape: Option<char>) -> Vec<Part> {
    let mut out = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(match c {
            c if Some(c) == escape => rest.next().map_or(Part::Never, Part::Is),
            c if c == signs.any => Part::Any,
            c if c == signs.one => Part::One,
            '[' if signs.sets => {
                let others = rest.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                if rest.next_if_eq(&']').is_some() {
                    ranges.push((']', ']'));
                }
                let mut before = None;
                loop {
                    match (rest.next(), before, rest.peek()) {
                        (None, ..) => break Part::Never,
                        (Some(']'), ..) => break Part::In(ranges, others),
                        (Some('-'), Some(from), Some(to)) if *to != ']' => {
                            ranges.push((from, *to));
                            rest.next();
                            before = None;
                        }
                        (Some(c), ..) => {
                            ranges.push((c, c));
                            before = Some(c);
                        }
                    }
                }
            }
            c => Part::Is(c),
        });
    }
    out
}

fn matches(run: &Run, cx: &Context<'_>, signs: &Signs) -> Result<Value, Error> {
    let pattern = run.text(cx, 0)?;
    let longest = run.budget().longest_pattern();
    if pattern.as_ref().is_some_and(|p| p.len() > longest) {
        return Err(failed("LIKE or GLOB pattern too complex"));
    }
    let escape = match cx.len() {
        3 => match run.text(cx, 2)? {
            None => return Ok(Value::Null),
            Some(text) => {
                let text = String::from_utf8_lossy(to_zero(&text)).into_owned();
                let mut characters = text.chars();
                match (characters.next(), characters.next()) {
                    (Some(one), None) => Some(one),
                    _ => return Err(failed("ESCAPE expression must be a single character")),
                }
            }
        },
        _ => None,
    };
    let (Some(pattern), Some(text)) = (pattern, run.text(cx, 1)?) else {
        return Ok(Value::Null);
    };
    run.spend(text.len())?;
    let parts = parts(&String::from_utf8_lossy(to_zero(&pattern)), signs, escape);
    let text = String::from_utf8_lossy(to_zero(&text));
    // Behind the last sign for any number of characters: the part, and where the next try begins in the text.
    let mut again: Option<(usize, &str)> = None;
    let (mut at, mut rest) = (0, &*text);
    let mut tries = 0u64;
    loop {
        tries += 1;
        if tries.is_multiple_of(LOOK) {
            run.budget().extra(LOOK / BYTES_PER_UNIT)?;
        }
        let mut after = rest.chars();
        let next = after.next();
        match (parts.get(at), next) {
            (Some(Part::Any), _) => {
                at += 1;
                if at == parts.len() {
                    return Ok(Value::Integer(1));
                }
                again = Some((at, rest));
            }
            (None, None) => return Ok(Value::Integer(1)),
            (Some(part), Some(c)) if part.takes(c, signs) => {
                at += 1;
                rest = after.as_str();
            }
            // What is left is too short for it, wherever it would begin.
            (Some(_), None) => return Ok(Value::Integer(0)),
            _ => {
                let Some((part, from)) = again else {
                    return Ok(Value::Integer(0));
                };
                let mut from = from.chars();
                if from.next().is_none() {
                    return Ok(Value::Integer(0));
                }
                again = Some((part, from.as_str()));
                (at, rest) = (part, from.as_str());
            }
        }
    }
}

#[cfg(test)]
mod tests;
