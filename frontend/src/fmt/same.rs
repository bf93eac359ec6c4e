//! Whether two trees are the same, places in the text apart.
//!
//! A tree is compared by a hash of what `Debug` writes of it without its spans: every field of every
//! node takes part, those that are yet to be added as well. Ids are given out in the order of the
//! text, so they are equal in equal trees. Both trees use one table of names.

use crate::ast::Module;
use std::fmt::{self, Write as _};
use std::hash::Hasher as _;

/// Takes text, leaves spans out and hashes the rest.
struct Filter {
    hash: std::collections::hash_map::DefaultHasher,
    bytes: u64,
    /// Inside of a string or character: its quote, and whether the last byte was a backslash.
    quoted: Option<(u8, bool)>,
    /// How much of `SPAN` was read.
    seen: usize,
    skipping: bool,
}

/// How a span begins.
const SPAN: &[u8] = b"Span { ";

impl Filter {
    fn byte(&mut self, byte: u8) {
        if self.skipping {
            self.skipping = byte != b'}';
            return;
        }
        self.hash.write_u8(byte);
        self.bytes += 1;
        if let Some((quote, escaped)) = self.quoted {
            let ends = byte == quote && !escaped;
            self.quoted = (!ends).then_some((quote, byte == b'\\' && !escaped));
            return;
        }
        if matches!(byte, b'"' | b'\'') {
            self.quoted = Some((byte, false));
        }
        self.seen = match SPAN.get(self.seen) {
            Some(&expected) if expected == byte => self.seen + 1,
            _ => usize::from(byte == b'S'),
        };
        if self.seen == SPAN.len() {
            self.seen = 0;
            self.skipping = true;
        }
    }
}

impl fmt::Write for Filter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|b| self.byte(b));
        Ok(())
    }
}

/// A hash of a tree, and how much was hashed.
pub(super) fn fingerprint(module: &Module<'_>) -> (u64, u64) {
    let mut filter = Filter {
        hash: std::collections::hash_map::DefaultHasher::new(),
        bytes: 0,
        quoted: None,
        seen: 0,
        skipping: false,
    };
    // Cannot fail: the filter takes everything.
    let _ = write!(filter, "{:?}{:?}", module.docs, module.items);
    (filter.hash.finish(), filter.bytes)
}
