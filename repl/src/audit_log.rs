//! `--audit-log`: a line of JSON for each call of the host.
//!
//! What must stay true: a line is written before the program goes on; all of it is ASCII, with everything else escaped, so that no
//! text of a program can end a line, hide one or change the direction of what stands in a terminal; what cannot be written stops
//! the program at its next call.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jet_vm::host::HostValue;
use jet_vm::{AuditEvent, AuditSink, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::audit::hex;

/// What of a call's arguments is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arguments {
    /// Their values; of long ones the beginning.
    Text,
    /// A hash of their values: whoever knows them can tell that these were they.
    #[default]
    Digest,
    /// Nothing.
    Nothing,
}

/// Characters of a text that are kept.
const MOST: usize = 1000;

/// Opens the log, behind what it holds, and makes the sink that writes it. Which arguments are kept is said by capability, and for
/// the others.
pub fn sink(
    path: &Path,
    others: Arguments,
    by_capability: BTreeMap<String, Arguments>,
) -> io::Result<AuditSink> {
    let mut file: File = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let mut number = 0u64;
    Ok(Box::new(move |event| {
        number += 1;
        let name = event.capability.rsplit('.').next().unwrap_or_default();
        let keep = by_capability.get(name).copied().unwrap_or(others);
        let line = line(event, number, keep);
        file.write_all(line.as_bytes()).is_ok()
    }))
}

fn line(event: &AuditEvent<'_>, number: u64, keep: Arguments) -> String {
    let (verdict, detail) = match event.verdict {
        Verdict::Ok => ("ok", None),
        Verdict::Error(error, variant) => ("error", Some(format!("{error}.{variant}"))),
        Verdict::Trap(why) => ("stopped", Some(why.to_owned())),
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let arguments = match keep {
        Arguments::Text => Value::Array(event.args.iter().map(plain).collect()),
        Arguments::Digest => {
            let all = Value::Array(event.args.iter().map(whole).collect());
            Value::String(hex(blake3::hash(all.to_string().as_bytes()).as_bytes()))
        }
        Arguments::Nothing => Value::Null,
    };
    let value = json!({
        "n": number,
        "time_ms": now.as_millis() as u64,
        "capability": event.capability,
        "method": event.method,
        "arguments": arguments,
        "file": event.file,
        "line": event.line,
        "verdict": verdict,
        "detail": detail,
        "micros": event.duration.as_micros() as u64,
    });
    let mut out = ascii(&value.to_string());
    out.push('\n');
    out
}

/// JSON without characters outside of printable ASCII. They stand in strings only, where they can be escaped.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut units = [0; 2];
    for c in text.chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// A value for people: long texts are cut off, of bytes the number is kept.
fn plain(value: &HostValue) -> Value {
    match value {
        HostValue::Str(text) if text.chars().count() > MOST => {
            json!({ "begins": text.chars().take(MOST).collect::<String>(), "bytes": text.len() })
        }
        HostValue::Bytes(bytes) => json!({ "bytes": bytes.len() }),
        HostValue::List(items) | HostValue::Record(items) => {
            let mut shown: Vec<Value> = items.iter().take(MOST).map(plain).collect();
            if items.len() > MOST {
                shown.push(json!({ "and": items.len() - MOST }));
            }
            Value::Array(shown)
        }
        HostValue::Variant(index, payload) => {
            json!({ "variant": index, "of": payload.iter().map(plain).collect::<Vec<_>>() })
        }
        other => whole(other),
    }
}

/// A value with all that it holds.
fn whole(value: &HostValue) -> Value {
    match value {
        HostValue::Unit => Value::Null,
        HostValue::Bool(b) => json!(b),
        HostValue::Int(n) => json!(n),
        HostValue::Float(x) => json!({ "float": x.to_bits() }),
        HostValue::Char(c) => json!(c),
        HostValue::Byte(b) => json!(b),
        HostValue::Str(text) => json!(&**text),
        HostValue::Bytes(bytes) => json!(bytes),
        HostValue::List(items) | HostValue::Record(items) => items.iter().map(whole).collect(),
        HostValue::Variant(index, payload) => {
            json!({ "variant": index, "of": payload.iter().map(whole).collect::<Vec<_>>() })
        }
        HostValue::Handle(number) => json!({ "handle": number }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn hostile_text_stays_inside_its_line() {
        let hostile = "a\n{\"n\":2}\u{202e}\u{2028}\u{1b}[2J\u{1F600}\u{7f}";
        let args = [HostValue::str(hostile), HostValue::Bytes(vec![1, 2])];
        let event = AuditEvent {
            capability: "std.Console",
            method: "print",
            args: &args,
            file: hostile,
            line: 3,
            verdict: Verdict::Trap(hostile),
            duration: Duration::from_micros(5),
        };
        let text = line(&event, 1, Arguments::Text);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(
            text.trim_end().chars().all(|c| matches!(c, ' '..='~')),
            "{text}"
        );
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["arguments"][0], hostile);
        assert_eq!(read["file"], hostile);
        assert_eq!(read["detail"], hostile);
        assert_eq!(read["arguments"][1]["bytes"], 2);
        let digest = line(&event, 1, Arguments::Digest);
        assert!(!digest.contains("202e\"") && digest.contains("\"arguments\":\""));
        let nothing: Value = serde_json::from_str(&line(&event, 1, Arguments::Nothing)).unwrap();
        assert!(nothing["arguments"].is_null());
    }
}
