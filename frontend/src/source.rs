//! Source files, spans and interned names.
//!
//! A `Span` is a half-open byte range of one file; both ends lie on character boundaries of that
//! file's text. Files are at most `MAX_SOURCE_BYTES` long, so offsets always fit in 32 bits.

pub mod names;

pub use names::{Interner, Symbol, sym};

/// Longest source file that is accepted, in bytes. It bounds the memory that tokens and trees take.
pub const MAX_SOURCE_BYTES: usize = 4 << 20;

/// A file of a [`SourceMap`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A half-open range of bytes in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span of `file` from `start` up to `end`.
    pub fn new(file: FileId, start: u32, end: u32) -> Span {
        Span {
            file,
            start,
            end: end.max(start),
        }
    }

    /// The smallest span that covers both (of the same file; else `self`).
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file {
            return self;
        }
        Span {
            file: self.file,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// The empty span right behind this one.
    pub fn after(self) -> Span {
        Span {
            start: self.end,
            ..self
        }
    }

    /// The empty span right before this one.
    pub fn before(self) -> Span {
        Span {
            end: self.start,
            ..self
        }
    }

    /// Whether the span holds no text.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// A name and where it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ident {
    /// The name.
    pub name: Symbol,
    /// Where it is written.
    pub span: Span,
}

/// One source file.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Path as the user should see it.
    pub path: String,
    /// Whole text.
    pub text: String,
    /// Byte offset of the start of each line.
    line_starts: Vec<u32>,
    /// How many characters start before each multiple of [`STRIDE`] bytes, so that a column in a long line is
    /// found without counting from the line's start. Empty for a text of ASCII alone.
    chars: Vec<u32>,
}

/// Bytes between two entries of the character counts.
const STRIDE: usize = 1024;

/// Bytes that start a character.
fn char_starts(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| (**b as i8) >= -0x40).count()
}

impl SourceFile {
    /// A file from its path and text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> SourceFile {
        let text = text.into();
        let mut line_starts = Vec::with_capacity(text.len() / 24 + 1);
        line_starts.push(0);
        let ends = text.match_indices('\n');
        line_starts.extend(ends.map(|(i, _)| u32::try_from(i + 1).unwrap_or(u32::MAX)));
        let mut chars = Vec::new();
        if !text.is_ascii() {
            chars.push(0);
            let mut count = 0;
            for part in text.as_bytes().chunks(STRIDE) {
                count += char_starts(part);
                chars.push(u32::try_from(count).unwrap_or(u32::MAX));
            }
        }
        SourceFile {
            path: path.into(),
            text,
            line_starts,
            chars,
        }
    }

    /// Line and column of a byte offset, both from 1; columns count characters.
    pub fn line_col(&self, offset: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|&s| s <= offset).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0) as usize;
        let end = (offset as usize).min(self.text.len());
        let column = self
            .chars_before(end)
            .saturating_sub(self.chars_before(start));
        (
            u32::try_from(line).unwrap_or(u32::MAX),
            u32::try_from(column + 1).unwrap_or(u32::MAX),
        )
    }

    fn chars_before(&self, offset: usize) -> usize {
        if self.chars.is_empty() {
            return offset;
        }
        let at = offset / STRIDE;
        let rest = self.text.as_bytes().get(at * STRIDE..offset);
        self.chars.get(at).copied().unwrap_or(0) as usize + rest.map_or(0, char_starts)
    }

    /// Text of a line counted from 1, without its line end; empty if there is no such line.
    pub fn line(&self, line: u32) -> &str {
        let at = |n: usize| self.line_starts.get(n).map(|&s| s as usize);
        let Some(start) = at((line as usize).wrapping_sub(1)) else {
            return "";
        };
        let end = at(line as usize).unwrap_or(self.text.len());
        self.text
            .get(start..end)
            .unwrap_or("")
            .trim_end_matches(['\n', '\r'])
    }
}

/// All source files of a compilation.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// An empty map.
    pub fn new() -> SourceMap {
        SourceMap::default()
    }

    /// Adds a file.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(SourceFile::new(path, text));
        id
    }

    /// The file of an id.
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// Every file with its id, in the order of their ids.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        (0u32..).map(FileId).zip(self.files.iter())
    }

    /// Path of a file, for messages.
    pub fn path(&self, id: FileId) -> &str {
        self.file(id).map_or("<unknown>", |f| f.path.as_str())
    }

    /// The text that a span covers; empty if the span is not of this map.
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file)
            .and_then(|f| f.text.get(span.start as usize..span.end as usize))
            .unwrap_or("")
    }

    /// Line and column, from 1, of the start of a span.
    pub fn line_col(&self, span: Span) -> (u32, u32) {
        self.file(span.file)
            .map_or((1, 1), |f| f.line_col(span.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns() {
        let mut map = SourceMap::new();
        let id = map.add("a.jet", "aä\nb\r\n\nc");
        let at = |o| map.file(id).unwrap().line_col(o);
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(3), (1, 3));
        assert_eq!(at(4), (2, 1));
        assert_eq!(at(8), (4, 1));
        assert_eq!(at(99), (4, 2));
        let file = map.file(id).unwrap();
        let long = SourceFile::new("b.jet", format!("x\n{}", "ä".repeat(3000)));
        for (offset, column) in [
            (2, 1),
            (1022, 511),
            (1024, 512),
            (1026, 513),
            (6000, 3000),
            (9999, 3001),
        ] {
            assert_eq!(long.line_col(offset), (2, column));
        }
        assert_eq!(file.line(1), "aä");
        assert_eq!(file.line(2), "b");
        assert_eq!(file.line(3), "");
        assert_eq!(file.line(4), "c");
        assert_eq!(file.line(0), "");
        assert_eq!(file.line(9), "");
        assert_eq!(map.text(Span::new(id, 1, 3)), "ä");
        assert_eq!(map.text(Span::new(FileId(7), 1, 3)), "");
    }
}
