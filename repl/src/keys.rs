//! Key files: the secret that signs bundles, and lists of public keys that are trusted.
//!
//! A public key is the text `jet-public-` and 64 hexadecimal digits, a secret one `jet-secret-` and 64;
//! what follows on the line, and lines that begin with `#`, are for people. What must stay true: a secret key is
//! never shown, is written to a file that only its owner can read, and never over another file.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use jet_bytecode::format::signature::{PublicKey, SecretKey, signers};

use crate::audit::hex;

const PUBLIC: &str = "jet-public-";
const SECRET: &str = "jet-secret-";
/// Largest key file.
const MAX_FILE: u64 = 1 << 20;

/// The text of a public key.
#[must_use]
pub fn text(key: PublicKey) -> String {
    format!("{PUBLIC}{}", hex(&key.to_bytes()))
}

fn bytes(word: &str, prefix: &str) -> Option<[u8; 32]> {
    let digits = word.strip_prefix(prefix)?;
    if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [0; 32];
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(out)
}

/// The public key that a text is.
#[must_use]
pub fn public(word: &str) -> Option<PublicKey> {
    bytes(word, PUBLIC).and_then(PublicKey::from_bytes)
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|f| f.take(MAX_FILE).read_to_string(&mut text))
        .map_err(|why| format!("cannot read `{}`: {why}", path.display()))?;
    Ok(text)
}

/// The first words of the lines that say something, with the lines' numbers.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.lines())
        .filter_map(|(n, line)| Some((n, line.split_whitespace().next()?)))
        .filter(|(_, word)| !word.starts_with('#'))
}

/// The keys of a file, at least one.
pub fn read_public(path: &Path) -> Result<Vec<PublicKey>, String> {
    let text = read(path)?;
    let mut out = Vec::new();
    for (line, word) in words(&text) {
        out.push(public(word).ok_or_else(|| {
            format!(
                "line {line} of `{}` is no public key: `{PUBLIC}` and 64 hexadecimal digits",
                path.display()
            )
        })?);
    }
    if out.is_empty() {
        return Err(format!("`{}` holds no public key", path.display()));
    }
    Ok(out)
}

/// The secret key of a file.
pub fn read_secret(path: &Path) -> Result<SecretKey, String> {
    let text = read(path)?;
    let mut keys = words(&text).map(|(_, word)| bytes(word, SECRET));
    match (keys.next(), keys.next()) {
        (Some(Some(seed)), None) => Ok(SecretKey::from_seed(&seed)),
        _ => Err(format!(
            "`{}` is no secret key; `jetvm key new FILE` makes one",
            path.display()
        )),
    }
}

/// Makes a key: the secret in this file, the public key in the one with `.pub` behind its name.
pub fn create(path: &Path) -> Result<(PublicKey, PathBuf), String> {
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(&mut seed))
        .map_err(|why| format!("the system gives no random bytes: {why}"))?;
    let key = SecretKey::from_seed(&seed).public();
    let mut public_path = path.as_os_str().to_owned();
    public_path.push(".pub");
    let public_path = PathBuf::from(public_path);
    let write = |path: &Path, private: bool, line: String| {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if private {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        options
            .open(path)
            .and_then(|mut f| f.write_all(line.as_bytes()))
            .map_err(|why| format!("cannot write `{}`: {why}", path.display()))
    };
    write(path, true, format!("{SECRET}{}\n", hex(&seed)))?;
    write(&public_path, false, format!("{}\n", text(key)))?;
    Ok((key, public_path))
}

/// The trusted key that signed the bundle, or why there is none.
pub fn signed_by(bundle: &[u8], trusted: &[PublicKey]) -> Result<PublicKey, String> {
    let signers = signers(bundle).map_err(|why| why.to_string())?;
    match signers.iter().find(|k| trusted.contains(k)) {
        Some(key) => Ok(*key),
        None if signers.is_empty() => Err("it has no signature".to_owned()),
        None => {
            let names: Vec<String> = signers.iter().map(|k| format!("`{}`", text(*k))).collect();
            Err(format!(
                "it is signed by {}, which is not trusted",
                names.join(", ")
            ))
        }
    }
}
