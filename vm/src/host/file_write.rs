//! `FileWrite`: creating, changing and removing files inside a granted scope.
//!
//! What is written counts as output, before it is written. A file is replaced whole or not at all: the new content
//! goes to a file of its own beside the old one, which takes the old one's name when it is complete; what could not be
//! appended whole is taken back. A rename never carries a file from where the program may not read to where it may.

use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::sync::Arc;

use cap_std::fs::{File, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt};

use super::io_error::{ERRORS, IoFail};
use super::scope::{Last, Place, Scope};
use super::{HostAnswer, HostCapability, HostCx, HostMethod, HostType, HostValue};

const fn method(name: &'static str, params: &'static [HostType]) -> HostMethod {
    HostMethod {
        name,
        params,
        ret: HostType::Unit,
        errors: &ERRORS,
    }
}

static METHODS: [HostMethod; 6] = [
    method("write_text", &[HostType::Str, HostType::Str]),
    method("append_text", &[HostType::Str, HostType::Str]),
    method(
        "write_bytes",
        &[HostType::Str, HostType::List(&HostType::Byte)],
    ),
    method("create_dir", &[HostType::Str]),
    method("remove", &[HostType::Str]),
    method("rename", &[HostType::Str, HostType::Str]),
];

/// The capability over a scope.
#[derive(Debug)]
pub struct FileWrite {
    scope: Arc<Scope>,
    /// What the same program may read, if anything.
    view: Option<Arc<Scope>>,
}

impl FileWrite {
    /// Writes inside `scope`; `view` is what the program's `FileRead` covers, if it has one.
    #[must_use]
    pub fn new(scope: Arc<Scope>, view: Option<Arc<Scope>>) -> Self {
        FileWrite { scope, view }
    }

    /// The place of a file that is to be written.
    fn place(&self, path: &str) -> Result<Place, IoFail> {
        let place = self.scope.locate(path, Last::Follow)?;
        if place.meta.is_none() && path.ends_with('/') {
            return Err(IoFail::Invalid("the path names a directory".into()));
        }
        Ok(place)
    }

    fn write(&self, path: &str, data: &[u8], cx: &mut HostCx<'_>) -> Result<(), IoFail> {
        let place = self.place(path)?;
        // What is there must be a regular file that may be written, though it is not written itself.
        let old = match place.meta {
            None => None,
            Some(_) => Some(
                self.scope
                    .open_file(&place, OpenOptions::new().write(true))?,
            ),
        };
        let Some(name) = &place.name else {
            return Err(IoFail::Invalid("is a directory".into()));
        };
        cx.charge_output(data.len())?;
        // Until it is whole, nobody else reads what replaces something. Then who may read it stays; that it runs as somebody does not.
        let (mut file, beside) = create_beside(&place, if old.is_some() { 0o600 } else { 0o666 })?;
        let done = file
            .write_all(data)
            .and_then(|()| match &old {
                Some((_, meta)) => {
                    let mode = meta.permissions().mode() & 0o777;
                    file.set_permissions(Permissions::from_mode(mode))
                }
                None => Ok(()),
            })
            .and_then(|()| place.dir.rename(&beside, &place.dir, name));
        done.map_err(|error| {
            // If that fails too, a file with a name of ours is left, which does no harm.
            let _ = place.dir.remove_file(&beside);
            IoFail::from_io(&error)
        })
    }

    fn append(&self, path: &str, data: &[u8], cx: &mut HostCx<'_>) -> Result<(), IoFail> {
        let place = self.place(path)?;
        let mut options = OpenOptions::new();
        let (mut file, meta) = self
            .scope
            .open_file(&place, options.append(true).create(true))?;
        cx.charge_output(data.len())?;
        let mut rest = data;
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(written) if written > 0 => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => {
                    let error = other
                        .err()
                        .unwrap_or_else(|| std::io::ErrorKind::WriteZero.into());
                    take_back(&file, meta.len(), data.len() - rest.len());
                    return Err(IoFail::from_io(&error));
                }
            }
        }
        Ok(())
    }

    fn create_dir(&self, path: &str) -> Result<(), IoFail> {
        let place = self.scope.locate(path, Last::Stay)?;
        match (&place.name, &place.meta) {
            (Some(name), None) => place.dir.create_dir(name).map_err(|e| IoFail::from_io(&e)),
            _ => Err(IoFail::Exists),
        }
    }

    fn remove(&self, path: &str) -> Result<(), IoFail> {
        let place = self.scope.locate(path, Last::Stay)?;
        // The granted directory itself is its owner's.
        let name = place.name.as_ref().ok_or(IoFail::Denied)?;
        self.scope.check_movable(&place)?;
        let meta = place.meta.as_ref().ok_or(IoFail::NotFound)?;
        let removed = if meta.is_dir() {
            place.dir.remove_dir(name)
        } else {
            place.dir.remove_file(name)
        };
        removed.map_err(|e| IoFail::from_io(&e))
    }

    /// The path that an error is about is the second element.
    fn rename<'p>(&self, from: &'p str, to: &'p str) -> Result<(), (IoFail, &'p str)> {
        let source = self.scope.locate(from, Last::Stay).map_err(|e| (e, from))?;
        let target = self.scope.locate(to, Last::Stay).map_err(|e| (e, to))?;
        let source_name = source.name.as_ref().ok_or((IoFail::Denied, from))?;
        let target_name = target.name.as_ref().ok_or((IoFail::Denied, to))?;
        if source.meta.is_none() {
            return Err((IoFail::NotFound, from));
        }
        for (place, path) in [(&source, from), (&target, to)] {
            self.scope.check_movable(place).map_err(|e| (e, path))?;
        }
        if let Some(view) = &self.view
            && !view.covers(from)
            && view.covers(to)
        {
            return Err((IoFail::Denied, from));
        }
        source
            .dir
            .rename(source_name, &target.dir, target_name)
            .map_err(|e| (IoFail::from_io(&e), to))
    }
}

/// Takes back what was appended to a file, unless somebody else wrote to it meanwhile.
fn take_back(file: &File, before: u64, written: usize) {
    if written > 0
        && file
            .metadata()
            .is_ok_and(|m| m.len() == before + written as u64)
    {
        let _ = file.set_len(before);
    }
}

/// A new file in the directory of `place`, and its name, which nobody can foresee.
fn create_beside(place: &Place, mode: u32) -> Result<(File, OsString), IoFail> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(mode)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY);
    let mut tries = 0;
    loop {
        let random = std::collections::hash_map::RandomState::new();
        let name = OsString::from(format!(".jet-{:016x}.tmp", random.build_hasher().finish()));
        match place.dir.open_with(&name, &options) {
            Ok(file) => return Ok((file, name)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && tries < 16 => {
                tries += 1;
            }
            Err(error) => return Err(IoFail::from_io(&error)),
        }
    }
}

impl HostCapability for FileWrite {
    fn interface(&self) -> (&'static str, &'static str) {
        ("std", "FileWrite")
    }

    fn methods(&self) -> &'static [HostMethod] {
        &METHODS
    }

    fn call(&mut self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostAnswer {
        let result = match (method, args) {
            (0, [HostValue::Str(path), HostValue::Str(text)]) => self
                .write(path, text.as_bytes(), cx)
                .map_err(|fail| fail.at(path)),
            (1, [HostValue::Str(path), HostValue::Str(text)]) => self
                .append(path, text.as_bytes(), cx)
                .map_err(|fail| fail.at(path)),
            (2, [HostValue::Str(path), HostValue::Bytes(data)]) => {
                self.write(path, data, cx).map_err(|fail| fail.at(path))
            }
            (3, [HostValue::Str(path)]) => self.create_dir(path).map_err(|fail| fail.at(path)),
            (4, [HostValue::Str(path)]) => self.remove(path).map_err(|fail| fail.at(path)),
            (5, [HostValue::Str(from), HostValue::Str(to)]) => {
                self.rename(from, to).map_err(|(fail, path)| fail.at(path))
            }
            _ => Err(super::wrong_arguments(&METHODS, method)),
        };
        result.map(|()| HostValue::Unit).into()
    }

    fn scope_text(&self) -> String {
        self.scope.text().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::PathGrant;

    #[test]
    fn nobody_else_reads_what_is_half_written() {
        let dir = std::env::temp_dir().join(format!("jet-beside-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let grant = PathGrant::of(Some(vec![dir.clone()]));
        let scope = Scope::open(&grant, &dir).unwrap();
        let place = scope.locate("secret", Last::Follow).unwrap();
        let (file, _) = create_beside(&place, 0o600).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
