//! Forged files: the section table, lengths and encodings changed with all hashes made right again.

use super::{everything, two};
use jet_bytecode::format::{FormatError, MAX_MODULE_BYTES, decode, encode, sections};
use std::collections::HashSet;

const HEADER: usize = 44;
const ENTRY: usize = 52;

/// Makes the hashes of all sections and of the whole right, as far as the table leads to bytes.
fn reseal(bytes: &mut [u8]) {
    let count = u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize;
    for i in 0..count.min(64) {
        let at = HEADER + i * ENTRY;
        let Some(entry) = bytes.get(at..at + ENTRY) else {
            break;
        };
        let number = |from: usize| u64::from_le_bytes(entry[from..from + 8].try_into().unwrap());
        let (start, len) = (number(4) as usize, number(12) as usize);
        let body = start.checked_add(len).and_then(|end| bytes.get(start..end));
        if let Some(body) = body {
            let hash = *blake3::hash(body).as_bytes();
            bytes[at + 20..at + ENTRY].copy_from_slice(&hash);
        }
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..8]);
    hasher.update(&bytes[40..]);
    bytes[8..40].copy_from_slice(hasher.finalize().as_bytes());
}

#[derive(Default)]
struct Files {
    distinct: HashSet<[u8; 32]>,
}

impl Files {
    #[track_caller]
    fn refused(&mut self, mut bytes: Vec<u8>, what: &str) -> FormatError {
        reseal(&mut bytes);
        self.distinct.insert(*blake3::hash(&bytes).as_bytes());
        match decode(&bytes) {
            Err(e) => {
                assert!(!matches!(e, FormatError::Hash(None)), "{what}: {e}");
                e
            }
            Ok(_) => panic!("{what}: accepted"),
        }
    }
}

#[test]
fn section_tables_are_checked_field_by_field() {
    let mut files = Files::default();
    for base in [everything(), two()] {
        let good = encode(&base).unwrap();
        let table = sections(&good).unwrap();
        for (i, s) in table.iter().enumerate() {
            let at = HEADER + i * ENTRY;
            let field = |from: usize, size: usize, value: u64| {
                let mut bytes = good.clone();
                bytes[at + from..at + from + size].copy_from_slice(&value.to_le_bytes()[..size]);
                bytes
            };
            for kind in [0u64, 9, 0xffff, 1 + (i as u64 + 1) % 8] {
                files.refused(field(0, 2, kind), &format!("section {i} of kind {kind}"));
            }
            for package in [7u64, 0xffff] {
                files.refused(
                    field(2, 2, package),
                    &format!("section {i} of package {package}"),
                );
            }
            let (offset, len) = (s.offset as u64, s.len as u64);
            for to in [
                0,
                offset - 1,
                offset + 1,
                offset + len,
                good.len() as u64,
                u64::MAX,
            ] {
                if to != offset {
                    files.refused(field(4, 8, to), &format!("section {i} at {to}"));
                }
            }
            for to in [
                0,
                len.wrapping_sub(1),
                len + 1,
                1 << 40,
                u64::MAX,
                MAX_MODULE_BYTES as u64,
            ] {
                if to != len {
                    files.refused(field(12, 8, to), &format!("section {i} of length {to}"));
                }
            }
            // Two sections exchanged, one dropped, one twice.
            if i + 1 < table.len() {
                let mut bytes = good.clone();
                let (a, b) = bytes.split_at_mut(at + ENTRY);
                a[at..].swap_with_slice(&mut b[..ENTRY]);
                files.refused(bytes, &format!("sections {i} and the next exchanged"));
            }
            let mut bytes = good.clone();
            bytes[40..44].copy_from_slice(&(table.len() as u32 - 1).to_le_bytes());
            bytes.drain(at..at + ENTRY);
            files.refused(bytes, &format!("section {i} dropped"));
            let mut bytes = good.clone();
            bytes[40..44].copy_from_slice(&(table.len() as u32 + 1).to_le_bytes());
            let entry = bytes[at..at + ENTRY].to_vec();
            bytes.splice(at..at, entry);
            files.refused(bytes, &format!("section {i} twice"));
        }
        for count in [0u32, 1, 7, 9, 8 * 257, u32::MAX] {
            let mut bytes = good.clone();
            bytes[40..44].copy_from_slice(&count.to_le_bytes());
            files.refused(bytes, &format!("{count} sections"));
        }
    }
    assert!(files.distinct.len() >= 500, "{}", files.distinct.len());
}

/// The bundle with other content in one section.
fn with_section(good: &[u8], i: usize, body: &[u8]) -> Vec<u8> {
    let table = sections(good).unwrap();
    let s = &table[i];
    let mut out = good.to_vec();
    out.splice(s.offset..s.offset + s.len, body.iter().copied());
    let grown = body.len() as i64 - s.len as i64;
    for (k, t) in table.iter().enumerate().skip(i) {
        let at = HEADER + k * ENTRY;
        let moved = if k > i { grown } else { 0 };
        let len = if k == i { body.len() } else { t.len };
        out[at + 4..at + 12].copy_from_slice(&((t.offset as i64 + moved) as u64).to_le_bytes());
        out[at + 12..at + 20].copy_from_slice(&(len as u64).to_le_bytes());
    }
    out
}

#[test]
fn section_contents_have_one_encoding() {
    let mut files = Files::default();
    for base in [everything(), two()] {
        let good = encode(&base).unwrap();
        for (i, s) in sections(&good).unwrap().iter().enumerate() {
            let body = &good[s.offset..s.offset + s.len];
            let mut longer = body.to_vec();
            longer.push(0);
            files.refused(
                with_section(&good, i, &longer),
                &format!("{} {i}: byte left over", s.kind),
            );
            if !body.is_empty() {
                files.refused(
                    with_section(&good, i, &body[..body.len() - 1]),
                    &format!("{} {i}: byte missing", s.kind),
                );
            }
            if s.kind == "code" {
                continue; // Fixed width.
            }
            // A number written with a byte more than it needs, wherever a byte could be a number's last.
            for at in 0..body.len().min(300) {
                if body[at] >= 0x80 {
                    continue;
                }
                let mut overlong = body.to_vec();
                overlong[at] |= 0x80;
                overlong.insert(at + 1, 0);
                let mut bytes = with_section(&good, i, &overlong);
                reseal(&mut bytes);
                // Inside of a name the same bytes may be text; then it is another bundle, not another encoding.
                match decode(&bytes) {
                    Err(_) => drop(files.distinct.insert(*blake3::hash(&bytes).as_bytes())),
                    Ok(b) => assert_eq!(encode(&b).unwrap(), bytes, "{} {i} at {at}", s.kind),
                }
            }
            // A count that asks for more than there is.
            for count in [
                [0xff, 0xff, 0xff, 0xff, 0x0f].as_slice(),
                &[0xff, 0xff, 0x03],
            ] {
                for at in [0, 1, 2] {
                    let mut huge = body.to_vec();
                    if at < huge.len() {
                        huge.splice(at..=at, count.iter().copied());
                        let mut bytes = with_section(&good, i, &huge);
                        reseal(&mut bytes);
                        if let Err(e) = decode(&bytes) {
                            assert!(!matches!(e, FormatError::Hash(_)));
                            files.distinct.insert(*blake3::hash(&bytes).as_bytes());
                        }
                    }
                }
            }
        }
    }
    assert!(files.distinct.len() >= 500, "{}", files.distinct.len());
}
