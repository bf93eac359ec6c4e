//! Signatures of a bundle: ed25519 over its root hash, so over every byte that is not a signature.
//!
//! ```text
//! magic   "JETSIG\0\0"
//! count   u16, 1 to 16
//! entry   public key (32 bytes), signature (64 bytes); keys strictly ascending
//! ```
//!
//! The block stands behind the last section. What must stay true: there is one encoding of a set of
//! signatures (strict verification refuses other forms of one signature, and weak keys); a file with a
//! signature that is not valid is no bundle, whether or not anybody asked for signatures; adding or
//! taking away a signature leaves the root hash as it is.

use super::{Cursor, FormatError};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// First bytes of the block.
const MAGIC: &[u8; 8] = b"JETSIG\0\0";
/// Most signatures of a bundle.
const MAX_COUNT: usize = 16;
const ENTRY: usize = 32 + 64;
/// Largest block.
pub(super) const MAX_BYTES: usize = MAGIC.len() + 2 + MAX_COUNT * ENTRY;

/// What is signed: no other protocol's message.
fn message(root: &[u8; 32]) -> Vec<u8> {
    let mut out = b"jet bundle signature 0\0".to_vec();
    out.extend_from_slice(root);
    out
}

/// Whose signature a bundle has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key of these bytes; `None` if they are none, or one that anybody can sign for.
    pub fn from_bytes(bytes: [u8; 32]) -> Option<PublicKey> {
        let key = VerifyingKey::from_bytes(&bytes).ok()?;
        (!key.is_weak() && key.to_bytes() == bytes).then_some(PublicKey(bytes))
    }

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

/// A key to sign with. It is wiped from memory when it is dropped, and has no text form.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key of 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> SecretKey {
        SecretKey(SigningKey::from_bytes(seed))
    }

    /// The key that others verify with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }
}

/// Whether signatures stand here.
pub(super) fn follow(bytes: &[u8], end: usize) -> bool {
    bytes.get(end..).is_some_and(|b| b.starts_with(MAGIC))
}

/// Checks a block, which is empty if there are no signatures; gives the signers.
pub(super) fn check(block: &[u8], root: &[u8; 32]) -> Result<Vec<PublicKey>, FormatError> {
    Ok(entries(block, root)?.into_iter().map(|e| e.0).collect())
}

fn entries(block: &[u8], root: &[u8; 32]) -> Result<Vec<(PublicKey, [u8; 64])>, FormatError> {
    if block.is_empty() {
        return Ok(Vec::new());
    }
    let mut cur = Cursor {
        bytes: block,
        at: MAGIC.len(),
    };
    let count = usize::from(cur.u16()?);
    if !(1..=MAX_COUNT).contains(&count) {
        return Err(FormatError::Signature("there are from 1 to 16"));
    }
    if block.len() != MAGIC.len() + 2 + count * ENTRY {
        return Err(FormatError::Signature("bytes are missing or left over"));
    }
    let message = message(root);
    let mut out: Vec<(PublicKey, [u8; 64])> = Vec::with_capacity(count);
    for _ in 0..count {
        let key = PublicKey::from_bytes(cur.array()?);
        let key = key.ok_or(FormatError::Signature("its key is none"))?;
        let bytes: [u8; 64] = cur.array()?;
        if out.last().is_some_and(|(last, _)| *last >= key) {
            return Err(FormatError::Signature("keys do not ascend"));
        }
        let signature = Signature::from_bytes(&bytes);
        VerifyingKey::from_bytes(&key.0)
            .and_then(|k| k.verify_strict(&message, &signature))
            .map_err(|_| FormatError::Signature("its key did not sign this bundle"))?;
        out.push((key, bytes));
    }
    Ok(out)
}

/// Who signed a bundle: all signatures are valid, or it is an error.
pub fn signers(bytes: &[u8]) -> Result<Vec<PublicKey>, FormatError> {
    let root = super::root_hash(bytes).ok_or(FormatError::Truncated)?;
    super::open(bytes)?;
    let (_, block) = split(bytes)?;
    check(block, &root)
}

/// The bundle without its signatures.
pub fn strip(bytes: &[u8]) -> &[u8] {
    split(bytes).map_or(bytes, |(bundle, _)| bundle)
}

fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), FormatError> {
    bytes
        .split_at_checked(super::end_of_sections(bytes))
        .ok_or(FormatError::Truncated)
}

/// The bundle with a signature by this key added. The bundle's hashes must be right.
pub fn sign(bytes: &[u8], key: &SecretKey) -> Result<Vec<u8>, FormatError> {
    let root = super::root_hash(bytes).ok_or(FormatError::Truncated)?;
    super::open(bytes)?;
    let (bundle, block) = split(bytes)?;
    let mut all = entries(block, &root)?;
    let public = key.public();
    all.retain(|(k, _)| *k != public);
    all.push((public, key.0.sign(&message(&root)).to_bytes()));
    all.sort_unstable_by_key(|(k, _)| *k);
    if all.len() > MAX_COUNT {
        return Err(FormatError::TooLarge("signatures"));
    }
    let mut out = bundle.to_vec();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&(all.len() as u16).to_le_bytes());
    for (key, signature) in all {
        out.extend_from_slice(&key.0);
        out.extend_from_slice(&signature);
    }
    Ok(out)
}
