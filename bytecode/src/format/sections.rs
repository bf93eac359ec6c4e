//! Sections of a package: what each holds and how its bytes are made and read.
//!
//! What must stay true: sections decode in the order of [`KINDS`] (later ones rely on the functions
//! being there); tables are bounded by what an index can name before they grow; joins and lines
//! are flat lists of numbers, so that a hostile file cannot expand much.

use super::{Cursor, FormatError, MAX_CONSTS};
use crate::joins::Joins;
use crate::module::*;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::marker::PhantomData;

/// Kind of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum SectionKind {
    /// Name, version, dependencies, build inputs.
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

/// Writes a number as postcard does: seven bits a byte, lowest first.
fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Takes such a number of at most 32 bits, in its only form.
fn take(bytes: &mut &[u8], kind: SectionKind) -> Result<u32, FormatError> {
    let malformed = || FormatError::Content(kind.name());
    let mut n = 0u64;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or_else(malformed)?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            if *byte == 0 && shift > 0 {
                return Err(FormatError::NotCanonical(kind.name()));
            }
            return u32::try_from(n).map_err(|_| malformed());
        }
    }
    Err(malformed())
}

/// Takes the length of a list of such numbers, of which each needs a byte at least.
fn take_len(bytes: &mut &[u8], kind: SectionKind) -> Result<usize, FormatError> {
    let n = take(bytes, kind)? as usize;
    if n > bytes.len() {
        return Err(FormatError::Content(kind.name()));
    }
    Ok(n)
}

fn put_joins(out: &mut Vec<u8>, f: &Function) {
    let len = 2 * f.joins.len() + f.joins.registers();
    put(out, len as u64);
    for j in f.joins.iter() {
        put(out, u64::from(j.pc));
        put(out, j.live.len() as u64);
        for r in j.live {
            put(out, u64::from(*r));
        }
    }
}

fn put_lines(out: &mut Vec<u8>, f: &Function) {
    put(out, f.lines.len() as u64 * 4);
    for l in &f.lines {
        put(out, u64::from(l.pc));
        put(out, u64::from(l.file));
        put(out, u64::from(l.line));
        put(out, u64::from(l.col));
    }
}

/// The bytes of one section.
pub(super) fn encode(p: &Package, kind: SectionKind) -> Result<Vec<u8>, FormatError> {
    match kind {
        SectionKind::Manifest => post(&(&p.name, &p.version, &p.deps, &p.inputs), kind),
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
            let words: usize = p.functions.iter().map(|f| f.code.len()).sum();
            let mut out = Vec::with_capacity(4 + p.functions.len() * 4 + words * 8);
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
            let mut out = Vec::new();
            put(&mut out, p.functions.len() as u64);
            p.functions.iter().for_each(|f| put_joins(&mut out, f));
            Ok(out)
        }
        SectionKind::Lines => {
            // The reader relies on it.
            if p.functions.iter().any(|f| f.lines.len() > f.code.len()) {
                return Err(FormatError::TooLarge("lines"));
            }
            let mut out = post(&p.files, kind)?;
            put(&mut out, p.functions.len() as u64);
            p.functions.iter().for_each(|f| put_lines(&mut out, f));
            Ok(out)
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

fn take_joins(bytes: &mut &[u8], f: &mut Function) -> Result<(), FormatError> {
    let kind = SectionKind::Joins;
    let malformed = || FormatError::Content(kind.name());
    let mut left = take_len(bytes, kind)?;
    let mut live = Vec::new();
    while left > 0 {
        let pc = take(bytes, kind)?;
        left = left.checked_sub(2).ok_or_else(malformed)?;
        let n = take(bytes, kind)? as usize;
        left = left.checked_sub(n).ok_or_else(malformed)?;
        // Each join is a jump target, so there are no more of them than words.
        if f.joins.len() >= f.code.len() || n > bytes.len() {
            return Err(malformed());
        }
        live.clear();
        for _ in 0..n {
            live.push(u16::try_from(take(bytes, kind)?).map_err(|_| malformed())?);
        }
        f.joins.push(pc, live.iter().copied());
    }
    f.joins.shrink_to_fit();
    Ok(())
}

fn take_lines(bytes: &mut &[u8], f: &mut Function) -> Result<(), FormatError> {
    let kind = SectionKind::Lines;
    let malformed = || FormatError::Content(kind.name());
    let len = take_len(bytes, kind)?;
    if !len.is_multiple_of(4) {
        return Err(malformed());
    }
    // Each stands at a word of its own, so there are no more of them than words.
    if len / 4 > f.code.len() {
        return Err(malformed());
    }
    f.lines.reserve_exact(len / 4);
    for _ in 0..len / 4 {
        f.lines.push(LineEntry {
            pc: take(bytes, kind)?,
            file: u16::try_from(take(bytes, kind)?).map_err(|_| malformed())?,
            line: take(bytes, kind)?,
            col: take(bytes, kind)?,
        });
    }
    Ok(())
}

/// Reads one section into the package; refuses what `encode` would not have written.
pub(super) fn decode(p: &mut Package, kind: SectionKind, body: &[u8]) -> Result<(), FormatError> {
    let malformed = || FormatError::Content(kind.name());
    match kind {
        SectionKind::Manifest => {
            let (name, version, deps, inputs): (String, String, Table<Dep>, Table<Input>) =
                read(body, kind)?;
            (p.name, p.version, p.deps, p.inputs) = (name, version, deps.0, inputs.0);
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
                joins: Joins::default(),
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
            let mut rest = body;
            let count = take(&mut rest, kind)? as usize;
            if count != p.functions.len() {
                return Err(malformed());
            }
            for f in &mut p.functions {
                take_joins(&mut rest, f)?;
            }
            if !rest.is_empty() {
                return Err(malformed());
            }
        }
        SectionKind::Lines => {
            let (files, mut rest): (Table<String>, _) =
                postcard::take_from_bytes(body).map_err(|_| malformed())?;
            p.files = files.0;
            let head = body.get(..body.len() - rest.len()).unwrap_or(&[]);
            if post(&p.files, kind)? != head {
                return Err(FormatError::NotCanonical(kind.name()));
            }
            let count = take(&mut rest, kind)? as usize;
            if count != p.functions.len() {
                return Err(malformed());
            }
            for f in &mut p.functions {
                take_lines(&mut rest, f)?;
            }
            if !rest.is_empty() {
                return Err(malformed());
            }
        }
        SectionKind::Entry => p.entry = read(body, kind)?,
    }
    // Code has fixed width; numbers of joins and lines were taken in their only form.
    let plain = matches!(
        kind,
        SectionKind::Code | SectionKind::Joins | SectionKind::Lines
    );
    if !plain && encode(p, kind)? != body {
        return Err(FormatError::NotCanonical(kind.name()));
    }
    Ok(())
}
