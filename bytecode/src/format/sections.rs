//! Sections of a package: what each holds and how its bytes are made and read.
//!
//! What must stay true: sections decode in the order of [`KINDS`] (later ones rely on the functions
//! being there); tables are bounded by what an index can name before they grow; joins and lines
//! are flat lists of numbers, so that a hostile file cannot expand much.

use super::{Cursor, FormatError, MAX_CONSTS};
use crate::module::*;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::marker::PhantomData;

/// Kind of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum SectionKind {
    /// Name, version, dependencies.
    Manifest = 1,
    /// Types, nominal types, capabilities, traits.
    Types = 2,
    /// Constant pool.
    Constants = 3,
    /// Implementations, imports, function heads.
    Functions = 4,
    /// Code words.
    Code = 5,
    /// Initialised registers at jump targets.
    Joins = 6,
    /// Source files and positions.
    Lines = 7,
    /// Entry point and requests.
    Entry = 8,
}

/// All kinds, in the order in which they stand in the file.
pub(super) const KINDS: &[SectionKind] = &[
    SectionKind::Manifest,
    SectionKind::Types,
    SectionKind::Constants,
    SectionKind::Functions,
    SectionKind::Code,
    SectionKind::Joins,
    SectionKind::Lines,
    SectionKind::Entry,
];

impl SectionKind {
    pub(super) fn from_u16(n: u16) -> Option<SectionKind> {
        KINDS.iter().copied().find(|k| *k as u16 == n)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            SectionKind::Manifest => "manifest",
            SectionKind::Types => "types",
            SectionKind::Constants => "constants",
            SectionKind::Functions => "functions",
            SectionKind::Code => "code",
            SectionKind::Joins => "joins",
            SectionKind::Lines => "lines",
            SectionKind::Entry => "entry",
        }
    }

    /// Whether its decoded form may be many times its bytes.
    pub(super) fn expands(self) -> bool {
        matches!(
            self,
            SectionKind::Manifest
                | SectionKind::Types
                | SectionKind::Functions
                | SectionKind::Entry
        )
    }
}

/// A table of at most `N` entries; more is refused while reading.
struct Table<T, const N: usize = 65_535>(Vec<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Table<T, N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for V<T, N> {
            type Value = Table<T, N>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "a table")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut out = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if out.len() >= N {
                        return Err(serde::de::Error::custom("table too long"));
                    }
                    out.push(item);
                }
                Ok(Table(out))
            }
        }
        d.deserialize_seq(V::<T, N>(PhantomData))
    }
}

/// A function without code, joins and lines.
#[derive(Serialize)]
struct HeadRef<'a> {
    name: &'a str,
    kind: FnKind,
    sig: &'a Sig,
    captures: &'a [TypeIx],
    regs: &'a [TypeIx],
}

#[derive(Deserialize)]
struct Head {
    name: String,
    kind: FnKind,
    sig: Sig,
    captures: Vec<TypeIx>,
    regs: Vec<TypeIx>,
}

fn post<T: Serialize>(value: &T, kind: SectionKind) -> Result<Vec<u8>, FormatError> {
    postcard::to_stdvec(value).map_err(|_| FormatError::Content(kind.name()))
}

fn flat_joins(f: &Function) -> Vec<u32> {
    let mut out = Vec::new();
    for j in &f.joins {
        out.push(j.pc);
        out.push(j.live.len() as u32);
        out.extend(j.live.iter().map(|r| u32::from(*r)));
    }
    out
}

fn flat_lines(f: &Function) -> Vec<u32> {
    let entry = |l: &LineEntry| [l.pc, u32::from(l.file), l.line, l.col];
    f.lines.iter().flat_map(entry).collect()
}

/// The bytes of one section.
pub(super) fn encode(p: &Package, kind: SectionKind) -> Result<Vec<u8>, FormatError> {
    match kind {
        SectionKind::Manifest => post(&(&p.name, &p.version, &p.deps), kind),
        SectionKind::Types => post(&(&p.types, &p.nominals, &p.caps, &p.traits), kind),
        SectionKind::Constants => post(&p.consts, kind),
        SectionKind::Functions => {
            let heads: Vec<HeadRef<'_>> = p
                .functions
                .iter()
                .map(|f| HeadRef {
                    name: &f.name,
                    kind: f.kind,
                    sig: &f.sig,
                    captures: &f.captures,
                    regs: &f.regs,
                })
                .collect();
            post(&(&p.impls, &p.imports, heads), kind)
        }
        SectionKind::Code => {
            let mut out = Vec::new();
            let count = |n: usize| u32::try_from(n).map_err(|_| FormatError::TooLarge("code"));
            out.extend_from_slice(&count(p.functions.len())?.to_le_bytes());
            for f in &p.functions {
                out.extend_from_slice(&count(f.code.len())?.to_le_bytes());
            }
            for word in p.functions.iter().flat_map(|f| &f.code) {
                out.extend_from_slice(&word.to_le_bytes());
            }
            Ok(out)
        }
        SectionKind::Joins => {
            // The reader relies on it.
            if p.functions.iter().any(|f| f.joins.len() > f.code.len()) {
                return Err(FormatError::TooLarge("joins"));
            }
            let flat: Vec<Vec<u32>> = p.functions.iter().map(flat_joins).collect();
            post(&flat, kind)
        }
        SectionKind::Lines => {
            let flat: Vec<Vec<u32>> = p.functions.iter().map(flat_lines).collect();
            post(&(&p.files, flat), kind)
        }
        SectionKind::Entry => post(&p.entry, kind),
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8], kind: SectionKind) -> Result<T, FormatError> {
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        _ => Err(FormatError::Content(kind.name())),
    }
}

fn read_joins(flat: &[u32], f: &mut Function) -> Option<()> {
    let mut rest = flat.iter().copied();
    while let Some(pc) = rest.next() {
        let n = rest.next()?;
        // Each join is a jump target, so there are no more of them than words.
        if f.joins.len() >= f.code.len() || n as usize > rest.len() {
            return None;
        }
        let mut live = Vec::with_capacity(n as usize);
        for r in rest.by_ref().take(n as usize) {
            live.push(u16::try_from(r).ok()?);
        }
        f.joins.push(Join { pc, live });
    }
    Some(())
}

fn read_lines(flat: &[u32], f: &mut Function) -> Option<()> {
    for entry in flat.chunks(4) {
        let [pc, file, line, col] = entry.try_into().ok()?;
        let file = u16::try_from(file).ok()?;
        f.lines.push(LineEntry {
            pc,
            file,
            line,
            col,
        });
    }
    Some(())
}

/// Reads one section into the package; refuses what `encode` would not have written.
pub(super) fn decode(p: &mut Package, kind: SectionKind, body: &[u8]) -> Result<(), FormatError> {
    let malformed = || FormatError::Content(kind.name());
    match kind {
        SectionKind::Manifest => {
            let (name, version, deps): (String, String, Table<Dep>) = read(body, kind)?;
            (p.name, p.version, p.deps) = (name, version, deps.0);
        }
        SectionKind::Types => {
            let (types, nominals, caps, traits): (
                Table<Type>,
                Table<Nominal>,
                Table<Cap>,
                Table<Trait>,
            ) = read(body, kind)?;
            (p.types, p.nominals, p.caps, p.traits) = (types.0, nominals.0, caps.0, traits.0);
        }
        SectionKind::Constants => {
            p.consts = read::<Table<Const, MAX_CONSTS>>(body, kind)?.0;
        }
        SectionKind::Functions => {
            let (impls, imports, heads): (Table<Impl>, Table<Import>, Table<Head>) =
                read(body, kind)?;
            (p.impls, p.imports) = (impls.0, imports.0);
            let function = |h: Head| Function {
                name: h.name,
                kind: h.kind,
                sig: h.sig,
                captures: h.captures,
                regs: h.regs,
                code: Vec::new(),
                joins: Vec::new(),
                lines: Vec::new(),
            };
            p.functions = heads.0.into_iter().map(function).collect();
        }
        SectionKind::Code => {
            let mut cur = Cursor { bytes: body, at: 0 };
            if cur.u32()? as usize != p.functions.len() {
                return Err(malformed());
            }
            let mut lens = Vec::with_capacity(p.functions.len());
            for _ in &p.functions {
                lens.push(cur.u32()? as usize);
            }
            for (f, len) in p.functions.iter_mut().zip(lens) {
                let words = cur.take(len.checked_mul(8).ok_or(FormatError::Truncated)?)?;
                f.code = words
                    .chunks_exact(8)
                    .map(|w| u64::from_le_bytes(w.try_into().unwrap_or([0; 8])))
                    .collect();
            }
            if cur.at != body.len() {
                return Err(malformed());
            }
        }
        SectionKind::Joins => {
            let flat: Table<Vec<u32>> = read(body, kind)?;
            if flat.0.len() != p.functions.len() {
                return Err(malformed());
            }
            for (f, flat) in p.functions.iter_mut().zip(&flat.0) {
                read_joins(flat, f).ok_or_else(malformed)?;
            }
        }
        SectionKind::Lines => {
            let (files, flat): (Table<String>, Table<Vec<u32>>) = read(body, kind)?;
            if flat.0.len() != p.functions.len() {
                return Err(malformed());
            }
            for (f, flat) in p.functions.iter_mut().zip(&flat.0) {
                read_lines(flat, f).ok_or_else(malformed)?;
            }
            p.files = files.0;
        }
        SectionKind::Entry => p.entry = read(body, kind)?,
    }
    if kind != SectionKind::Code && encode(p, kind)? != body {
        return Err(FormatError::NotCanonical(kind.name()));
    }
    Ok(())
}
