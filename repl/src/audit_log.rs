//! `--audit-log`: a line of JSON for each call of the host.
//!
//! What must stay true: a line is written before the program goes on; all of it is ASCII, with everything else escaped, so that no
//! text of a program can end a line, hide one or change the direction of what stands in a terminal; what cannot be written stops
//! the program at its next call.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jet_vm::host::HostValue;
use jet_vm::{AuditEvent, AuditSink, Verdict};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use crate::audit::hex;
use crate::render::ascii_line;

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
    let mut torn = ends_within_a_line(path);
    let mut number = 0u64;
    Ok(Box::new(move |event| {
        number += 1;
        let name = event.capability.rsplit('.').next().unwrap_or_default();
        let keep = by_capability.get(name).copied().unwrap_or(others);
        let mut line = line(event, number, keep);
        if torn {
            line.insert(0, '\n');
        }
        let written = file.write_all(line.as_bytes()).is_ok();
        torn = !written;
        written
    }))
}

/// Whether a file ends with a line that is not whole.
fn ends_within_a_line(path: &Path) -> bool {
    let last = || {
        // Nothing but a file has an end; and whoever opens a pipe takes part in it.
        if !std::fs::metadata(path)?.is_file() {
            return Ok(b'\n');
        }
        let mut file = File::open(path)?;
        file.seek(io::SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        io::Result::Ok(last[0])
    };
    // An empty file has no last byte.
    last().is_ok_and(|byte| byte != b'\n')
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
            let mut hash = blake3::Hasher::new();
            // Written piece by piece: as one text, data is several times its size.
            let args: Vec<Whole<'_>> = event.args.iter().map(Whole).collect();
            match serde_json::to_writer(&mut hash, &args) {
                Ok(()) => Value::String(hex(hash.finalize().as_bytes())),
                Err(_) => Value::Null,
            }
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
    ascii_line(&value)
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
        other => serde_json::to_value(Whole(other)).unwrap_or_default(),
    }
}

/// A value with all that it holds, as JSON.
struct Whole<'a>(&'a HostValue);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let one = |to: S, name: &'static str, value: u64| {
            let mut map = to.serialize_map(Some(1))?;
            map.serialize_entry(name, &value)?;
            map.end()
        };
        match self.0 {
            HostValue::Unit => to.serialize_unit(),
            HostValue::Bool(b) => to.serialize_bool(*b),
            HostValue::Int(n) => to.serialize_i64(*n),
            HostValue::Float(x) => one(to, "float", x.to_bits()),
            HostValue::Char(c) => to.serialize_char(*c),
            HostValue::Byte(b) => to.serialize_u8(*b),
            HostValue::Str(text) => to.serialize_str(text),
            HostValue::Bytes(bytes) => to.collect_seq(bytes),
            HostValue::List(items) | HostValue::Record(items) => {
                to.collect_seq(items.iter().map(Whole))
            }
            HostValue::Variant(index, payload) => {
                let mut map = to.serialize_map(Some(2))?;
                let of: Vec<Whole<'_>> = payload.iter().map(Whole).collect();
                map.serialize_entry("of", &of)?;
                map.serialize_entry("variant", index)?;
                map.end()
            }
            HostValue::Handle(number) => one(to, "handle", *number),
        }
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

    #[test]
    fn the_hash_is_of_the_json_of_all_arguments() {
        let args = [
            HostValue::str("a\u{202e}"),
            HostValue::Bytes(vec![0, 255]),
            HostValue::List(vec![HostValue::Variant(1, vec![HostValue::Int(-3)])]),
            HostValue::Record(vec![
                HostValue::Float(0.5),
                HostValue::Unit,
                HostValue::Byte(7),
            ]),
            HostValue::Handle(9),
            HostValue::Char('é'),
            HostValue::Bool(true),
        ];
        let event = AuditEvent {
            capability: "std.Console",
            method: "print",
            args: &args,
            file: "a.jet",
            line: 3,
            verdict: Verdict::Ok,
            duration: Duration::ZERO,
        };
        let json = json!([
            "a\u{202e}", [0, 255], [{ "of": [-3], "variant": 1 }], [{ "float": 0.5f64.to_bits() }, null, 7],
            { "handle": 9 }, "é", true,
        ]);
        let read: Value = serde_json::from_str(&line(&event, 1, Arguments::Digest)).unwrap();
        let hash = blake3::hash(json.to_string().as_bytes());
        assert_eq!(read["arguments"], hex(hash.as_bytes()));
    }
}
