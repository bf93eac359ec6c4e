//! The `.jbc` file, version 0: canonical, checked before anything in it is believed.
//!
//! ```text
//! magic     "JETBC\0"
//! version   u16, 0
//! root      blake3 of magic, version and all that follows, signatures apart
//! count     u32, number of sections
//! table     a section: kind u16, package u16, offset u64, length u64, blake3 of its bytes
//! sections  in table order, without gaps: for each package in bundle order all kinds in order
//! ```
//!
//! Behind the sections, and outside of what the root hash covers, signatures may stand ([`signature`]). Integers are little-endian. Metadata sections are postcard; the code section is fixed width. What must
//! stay true: one bundle has one encoding (decoding re-encodes metadata and compares), so
//! hashes name content; no count is believed before the bytes for it are there.

mod sections;
pub mod signature;

use crate::module::{Bundle, Package};
use sections::{KINDS, SectionKind};

/// First bytes of a file.
pub const MAGIC: &[u8; 6] = b"JETBC\0";
/// Format version; only an exact match loads.
pub const VERSION: u16 = 0;
/// Largest bundle, signatures apart.
pub const MAX_MODULE_BYTES: usize = 16 << 20;
/// Largest file.
pub const MAX_FILE_BYTES: usize = MAX_MODULE_BYTES + signature::MAX_BYTES;
/// Largest sum of the sections that expand most when decoded (all but code, joins, lines, constants).
pub const MAX_METADATA_BYTES: usize = 4 << 20;
/// Most packages of a bundle.
pub const MAX_PACKAGES: usize = 256;

/// Most entries of the other tables of all packages together: an entry is many times its bytes.
pub const MAX_ENTRIES: usize = 1 << 19;
/// Most constants of all packages together.
pub const MAX_CONSTS: usize = 1 << 18;

/// Where the root hash ends.
const ROOT_END: usize = 6 + 2 + 32;
const HEADER: usize = ROOT_END + 4;
const ENTRY: usize = 2 + 2 + 8 + 8 + 32;

/// Why bytes are no bundle, or a bundle cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// Not a bundle at all.
    NotABundle,
    /// Another version of the format.
    Version(u16),
    /// The file ends too early, or a length leads out of it.
    Truncated,
    /// Larger than a limit.
    TooLarge(&'static str),
    /// The section table is not the canonical one: gap, overlap, duplicate, unknown, missing or trailing bytes.
    Sections(&'static str),
    /// A hash is wrong: of this section, or of the whole (`None`).
    Hash(Option<&'static str>),
    /// Content of this section does not decode.
    Content(&'static str),
    /// Content of this section decodes but is not in canonical form.
    NotCanonical(&'static str),
    /// A signature is malformed, or not one of this bundle.
    Signature(&'static str),
}

impl std::fmt::Display for FormatError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FormatError::NotABundle => write!(f, "not a Jet bundle"),
            FormatError::Version(v) => write!(
                f,
                "bundle format version {v}; this program reads version {VERSION}: build it again"
            ),
            FormatError::Truncated => write!(f, "bundle is truncated"),
            FormatError::TooLarge(what) => write!(f, "bundle exceeds the limit for {what}"),
            FormatError::Sections(what) => write!(f, "bundle's section table is malformed: {what}"),
            FormatError::Hash(None) => write!(f, "bundle was changed: its hash does not match"),
            FormatError::Hash(Some(s)) => {
                write!(
                    f,
                    "bundle was changed: hash of section `{s}` does not match"
                )
            }
            FormatError::Content(s) => write!(f, "section `{s}` of the bundle is malformed"),
            FormatError::Signature(what) => write!(f, "bundle's signature is not valid: {what}"),
            FormatError::NotCanonical(s) => {
                write!(f, "section `{s}` of the bundle is not in canonical form")
            }
        }
    }
}

impl std::error::Error for FormatError {}

/// The sections of one package, encoded and hashed.
#[derive(Clone, Debug)]
pub struct EncodedPackage {
    /// In the order of the kinds, each with its hash.
    sections: Vec<(Vec<u8>, [u8; 32])>,
    /// Entries of its tables.
    entries: usize,
}

impl EncodedPackage {
    /// Content hash, which dependants record in [`crate::module::Dep::hash`].
    pub fn hash(&self) -> [u8; 32] {
        hash_of_sections(self.sections.iter().map(|(_, hash)| hash))
    }
}

/// Content hash of a package out of those of its sections.
fn hash_of_sections<'a>(sections: impl Iterator<Item = &'a [u8; 32]>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"jet package 0");
    for (kind, hash) in KINDS.iter().zip(sections) {
        hasher.update(&(*kind as u16).to_le_bytes());
        hasher.update(hash);
    }
    *hasher.finalize().as_bytes()
}

/// Encodes a package.
pub fn encode_package(package: &Package) -> Result<EncodedPackage, FormatError> {
    let mut sections = Vec::with_capacity(KINDS.len());
    for kind in KINDS {
        let body = sections::encode(package, *kind)?;
        let hash = *blake3::hash(&body).as_bytes();
        sections.push((body, hash));
    }
    Ok(EncodedPackage {
        sections,
        entries: table_entries(package),
    })
}

/// Hash of a build input's bytes, which a package records in [`crate::module::Input::hash`].
pub fn content_hash(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// Content hash of a package, which dependants record in [`crate::module::Dep::hash`].
pub fn package_hash(package: &Package) -> Result<[u8; 32], FormatError> {
    Ok(encode_package(package)?.hash())
}

/// Root hash of an encoded bundle, as its header states it.
pub fn root_hash(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.get(8..40)?.try_into().ok()
}

/// Writes a bundle.
pub fn encode(bundle: &Bundle) -> Result<Vec<u8>, FormatError> {
    if bundle.packages.len() > MAX_PACKAGES {
        return Err(FormatError::TooLarge("packages"));
    }
    let encoded: Result<Vec<_>, _> = bundle.packages.iter().map(encode_package).collect();
    assemble(&encoded?)
}

/// Writes a bundle of encoded packages.
pub fn assemble(packages: &[EncodedPackage]) -> Result<Vec<u8>, FormatError> {
    if packages.len() > MAX_PACKAGES {
        return Err(FormatError::TooLarge("packages"));
    }
    let count = packages.len() * KINDS.len();
    let mut offset = HEADER + count * ENTRY;
    let mut metadata = 0usize;
    let sections = packages.iter().flat_map(|p| KINDS.iter().zip(&p.sections));
    let size = offset + sections.map(|(_, (body, _))| body.len()).sum::<usize>();
    if size > MAX_MODULE_BYTES {
        return Err(FormatError::TooLarge("size"));
    }
    if packages.iter().map(|p| p.entries).sum::<usize>() > MAX_ENTRIES {
        return Err(FormatError::TooLarge("tables"));
    }
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 32]);
    out.extend_from_slice(&(count as u32).to_le_bytes());
    for (i, package) in (0u16..).zip(packages) {
        for (kind, (body, hash)) in KINDS.iter().zip(&package.sections) {
            out.extend_from_slice(&(*kind as u16).to_le_bytes());
            out.extend_from_slice(&i.to_le_bytes());
            out.extend_from_slice(&(offset as u64).to_le_bytes());
            out.extend_from_slice(&(body.len() as u64).to_le_bytes());
            out.extend_from_slice(hash);
            offset += body.len();
            metadata += if kind.expands() { body.len() } else { 0 };
        }
    }
    if metadata > MAX_METADATA_BYTES {
        return Err(FormatError::TooLarge("metadata"));
    }
    for (body, _) in packages.iter().flat_map(|p| &p.sections) {
        out.extend_from_slice(body);
    }
    let root = root_of(out.get(ROOT_END..).unwrap_or(&[]));
    if let Some(slot) = out.get_mut(ROOT_END - 32..ROOT_END) {
        slot.copy_from_slice(&root);
    }
    Ok(out)
}

fn root_of(rest: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(MAGIC);
    hasher.update(&VERSION.to_le_bytes());
    hasher.update(rest);
    *hasher.finalize().as_bytes()
}

/// A reader that never reads past the end.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], FormatError> {
        let end = self.at.checked_add(n).ok_or(FormatError::Truncated)?;
        let part = self.bytes.get(self.at..end).ok_or(FormatError::Truncated)?;
        self.at = end;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        self.take(N)?.try_into().map_err(|_| FormatError::Truncated)
    }

    fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }
}

fn table_entries(p: &Package) -> usize {
    p.deps.len()
        + p.inputs.len()
        + p.types.len()
        + p.nominals.len()
        + p.caps.len()
        + p.traits.len()
        + p.impls.len()
        + p.imports.len()
        + p.functions.len()
}

/// Whether a file starts as a bundle does.
pub fn is_bundle(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Root hash of a file whose hashes, section table and signatures are right: it names the content.
pub fn checked_root(bytes: &[u8]) -> Result<[u8; 32], FormatError> {
    open(bytes)?;
    root_hash(bytes).ok_or(FormatError::Truncated)
}

/// A section as a file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it holds.
    pub kind: &'static str,
    /// Index of its package.
    pub package: u16,
    /// Place in the file.
    pub offset: usize,
    /// Bytes.
    pub len: usize,
    /// Hash of its bytes.
    pub hash: [u8; 32],
}

/// The sections of a file whose hashes are right, in file order.
pub fn sections(bytes: &[u8]) -> Result<Vec<Section>, FormatError> {
    let section = |s: &Raw<'_>| Section {
        kind: s.kind.name(),
        package: s.package,
        offset: s.offset,
        len: s.body.len(),
        hash: s.hash,
    };
    Ok(open(bytes)?.iter().map(section).collect())
}

struct Raw<'a> {
    kind: SectionKind,
    package: u16,
    offset: usize,
    body: &'a [u8],
    hash: [u8; 32],
}

/// Where the sections end, as the table says; the end of the file unless signatures follow there.
fn end_of_sections(bytes: &[u8]) -> usize {
    let end = || -> Result<usize, FormatError> {
        let mut cur = Cursor { bytes, at: 40 };
        let count = cur.u32()? as usize;
        let mut end = HEADER + count.min(MAX_PACKAGES * KINDS.len()) * ENTRY;
        for _ in 0..count.min(MAX_PACKAGES * KINDS.len()) {
            cur.take(12)?;
            let len = usize::try_from(cur.u64()?).map_err(|_| FormatError::Truncated)?;
            end = end.checked_add(len).ok_or(FormatError::Truncated)?;
            cur.take(32)?;
        }
        Ok(end)
    };
    match end() {
        Ok(end) if signature::follow(bytes, end) => end,
        _ => bytes.len(),
    }
}

/// Checks everything about a file but what its sections hold.
fn open(bytes: &[u8]) -> Result<Vec<Raw<'_>>, FormatError> {
    if !is_bundle(bytes) {
        return Err(FormatError::NotABundle);
    }
    let mut cur = Cursor { bytes, at: 6 };
    let version = cur.u16()?;
    if version != VERSION {
        return Err(FormatError::Version(version));
    }
    if bytes.len() > MAX_FILE_BYTES {
        return Err(FormatError::TooLarge("size"));
    }
    let root: [u8; 32] = cur.array()?;
    let (bytes, signatures) = bytes
        .split_at_checked(end_of_sections(bytes))
        .ok_or(FormatError::Truncated)?;
    if bytes.len() > MAX_MODULE_BYTES {
        return Err(FormatError::TooLarge("size"));
    }
    if root_of(bytes.get(cur.at..).unwrap_or(&[])) != root {
        return Err(FormatError::Hash(None));
    }
    signature::check(signatures, &root)?;
    let mut cur = Cursor { bytes, at: cur.at };
    let count = cur.u32()? as usize;
    if !count.is_multiple_of(KINDS.len()) {
        return Err(FormatError::Sections("incomplete package"));
    }
    if count / KINDS.len() > MAX_PACKAGES {
        return Err(FormatError::TooLarge("packages"));
    }
    let mut offset = HEADER + count * ENTRY;
    let mut metadata = 0usize;
    let mut out = Vec::new();
    for i in 0..count {
        let kind =
            SectionKind::from_u16(cur.u16()?).ok_or(FormatError::Sections("unknown kind"))?;
        let package = cur.u16()?;
        let start = cur.u64()?;
        let len = usize::try_from(cur.u64()?).map_err(|_| FormatError::Truncated)?;
        let hash: [u8; 32] = cur.array()?;
        let expected = KINDS.get(i % KINDS.len());
        if expected != Some(&kind) || usize::from(package) != i / KINDS.len() {
            return Err(FormatError::Sections("wrong order"));
        }
        if start != offset as u64 {
            return Err(FormatError::Sections("gap or overlap"));
        }
        let end = offset.checked_add(len).ok_or(FormatError::Truncated)?;
        let body = bytes.get(offset..end).ok_or(FormatError::Truncated)?;
        if blake3::hash(body).as_bytes() != &hash {
            return Err(FormatError::Hash(Some(kind.name())));
        }
        metadata += if kind.expands() { len } else { 0 };
        if metadata > MAX_METADATA_BYTES {
            return Err(FormatError::TooLarge("metadata"));
        }
        out.push(Raw {
            kind,
            package,
            offset,
            body,
            hash,
        });
        offset = end;
    }
    if offset != bytes.len() {
        return Err(FormatError::Sections("trailing bytes"));
    }
    Ok(out)
}

/// A bundle that was read, with the content hashes of its packages.
#[derive(Clone, Debug)]
pub struct Decoded {
    // Not to be changed from outside: the verifier takes the hashes for those of the packages.
    bundle: Bundle,
    hashes: Vec<[u8; 32]>,
}

impl Decoded {
    /// The bundle alone.
    pub fn into_bundle(self) -> Bundle {
        self.bundle
    }

    /// The bundle and one hash a package.
    pub(crate) fn into_parts(self) -> (Bundle, Vec<[u8; 32]>) {
        (self.bundle, self.hashes)
    }
}

/// Reads a bundle. The result is well-formed as a file; whether it is a valid program only the
/// verifier says. Signatures, if there are any, are valid ones of this bundle; whose, [`signature::signers`]
/// tells.
pub fn decode(bytes: &[u8]) -> Result<Bundle, FormatError> {
    read(bytes).map(Decoded::into_bundle)
}

/// Reads a bundle as [`decode`] does, for [`crate::verify::verify_decoded`].
pub fn read(bytes: &[u8]) -> Result<Decoded, FormatError> {
    let mut bundle = Bundle::default();
    let mut hashes = Vec::new();
    let (mut consts, mut entries) = (0usize, 0usize);
    for parts in open(bytes)?.chunks(KINDS.len()) {
        let mut package = Package::default();
        for part in parts {
            sections::decode(&mut package, part.kind, part.body)?;
        }
        consts += package.consts.len();
        if consts > MAX_CONSTS {
            return Err(FormatError::TooLarge("constants"));
        }
        entries += table_entries(&package);
        if entries > MAX_ENTRIES {
            return Err(FormatError::TooLarge("tables"));
        }
        bundle.packages.push(package);
        hashes.push(hash_of_sections(parts.iter().map(|part| &part.hash)));
    }
    Ok(Decoded { bundle, hashes })
}
