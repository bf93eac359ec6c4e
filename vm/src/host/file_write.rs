//! `FileWrite`: creating, changing and removing files inside a granted scope.
//!
//! What is written counts as output, before it is written. A rename never carries a file from
//! where the program may not read to where it may.

use std::io::Write;
use std::sync::Arc;

use cap_std::fs::{File, OpenOptions};

use super::io_error::{IO_ERROR, IoFail};
use super::scope::{Last, Scope};
use super::{HostAnswer, HostCapability, HostCx, HostEnum, HostMethod, HostType, HostValue};

static ERRORS: [&HostEnum; 1] = [&IO_ERROR];

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

    fn open(&self, path: &str, options: &mut OpenOptions) -> Result<File, IoFail> {
        let place = self.scope.locate(path, Last::Follow)?;
        if place.meta.is_none() && path.ends_with('/') {
            return Err(IoFail::Invalid("the path names a directory".into()));
        }
        let (file, _) = self.scope.open_file(&place, options.create(true))?;
        Ok(file)
    }

    fn write(&self, path: &str, data: &[u8], cx: &mut HostCx<'_>) -> Result<(), IoFail> {
        // Emptied only after it is known to be a regular file inside the scope.
        let file = self.open(path, OpenOptions::new().write(true))?;
        cx.charge_output(data.len())?;
        file.set_len(0)
            .and_then(|()| (&file).write_all(data))
            .map_err(|e| IoFail::from_io(&e))
    }

    fn append(&self, path: &str, data: &[u8], cx: &mut HostCx<'_>) -> Result<(), IoFail> {
        let mut file = self.open(path, OpenOptions::new().append(true))?;
        cx.charge_output(data.len())?;
        file.write_all(data).map_err(|e| IoFail::from_io(&e))
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
