//! `FileRead`: reading files and directories inside a granted scope.
//!
//! Only regular files are opened; what is read is bounded by the memory that the program has left.
//! Listings are sorted, so that the order tells nothing about the file system.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use cap_std::fs::{File, Metadata, OpenOptions};

use super::io_error::{IO_ERROR, IoFail};
use super::scope::{Last, Scope};
use super::{
    HostAnswer, HostCapability, HostCx, HostFailure, HostMethod, HostResult, HostStruct, HostType,
    HostValue,
};

static ENTRY: HostStruct = HostStruct {
    name: "Entry",
    fields: &[("name", HostType::Str), ("is_dir", HostType::Bool)],
};
static STAT: HostStruct = HostStruct {
    name: "Stat",
    fields: &[("size", HostType::Int), ("is_dir", HostType::Bool)],
};
const FILE: HostType = HostType::Handle("File");
const BYTES: HostType = HostType::List(&HostType::Byte);

static METHODS: [HostMethod; 7] = [
    HostMethod {
        name: "read_text",
        params: &[HostType::Str],
        ret: HostType::Str,
        errors: &[&IO_ERROR],
    },
    HostMethod {
        name: "read_bytes",
        params: &[HostType::Str],
        ret: BYTES,
        errors: &[&IO_ERROR],
    },
    HostMethod {
        name: "list",
        params: &[HostType::Str],
        ret: HostType::List(&HostType::Struct(&ENTRY)),
        errors: &[&IO_ERROR],
    },
    HostMethod {
        name: "stat",
        params: &[HostType::Str],
        ret: HostType::Struct(&STAT),
        errors: &[&IO_ERROR],
    },
    HostMethod {
        name: "open",
        params: &[HostType::Str],
        ret: FILE,
        errors: &[&IO_ERROR],
    },
    HostMethod {
        name: "read",
        params: &[FILE, HostType::Int],
        ret: BYTES,
        errors: &[&IO_ERROR],
    },
    HostMethod {
        name: "close",
        params: &[FILE],
        ret: HostType::Unit,
        errors: &[],
    },
];

/// Bytes that an entry of a listing costs besides its name.
const ENTRY_COST: u64 = 64;

/// The capability over a scope.
#[derive(Debug)]
pub struct FileRead {
    scope: Arc<Scope>,
    open: HashMap<u64, File>,
    next: u64,
}

impl FileRead {
    /// Reads inside the scope.
    #[must_use]
    pub fn new(scope: Arc<Scope>) -> Self {
        FileRead {
            scope,
            open: HashMap::new(),
            next: 1,
        }
    }

    fn open_regular(&self, path: &str) -> Result<(File, Metadata), IoFail> {
        let place = self.scope.locate(path, Last::Follow)?;
        if place.meta.is_none() {
            return Err(IoFail::NotFound);
        }
        self.scope.open_file(&place, OpenOptions::new().read(true))
    }

    fn read_all(&self, path: &str, cx: &HostCx<'_>) -> Result<Vec<u8>, IoFail> {
        let (file, meta) = self.open_regular(path)?;
        cx.check_memory(meta.len())?;
        read_up_to(&file, cx.memory_left().saturating_add(1), meta.len(), cx)
    }

    fn read_text(&self, path: &str, cx: &HostCx<'_>) -> Result<HostValue, IoFail> {
        let bytes = self.read_all(path, cx)?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(HostValue::Str(text.into())),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                Err(IoFail::Invalid(format!("not UTF-8 text (byte {at})")))
            }
        }
    }

    fn list(&self, path: &str, cx: &HostCx<'_>) -> Result<HostValue, IoFail> {
        let place = self.scope.locate(path, Last::Follow)?;
        let dir = self.scope.open_listing(&place)?;
        let mut entries = Vec::new();
        let mut cost = 0;
        for entry in dir.entries().map_err(|e| IoFail::from_io(&e))? {
            let entry = entry.map_err(|e| IoFail::from_io(&e))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            cost += name.len() as u64 + ENTRY_COST;
            cx.check_memory(cost)?;
            let kind = entry.file_type().map_err(|e| IoFail::from_io(&e))?;
            let is_dir = if kind.is_symlink() {
                // A link counts as what it leads to, if the program may look there.
                let target = format!("{}/{name}", path.trim_end_matches('/'));
                matches!(self.metadata(&target), Ok(meta) if meta.is_dir())
            } else {
                kind.is_dir()
            };
            entries.push((name, is_dir));
        }
        entries.sort();
        let records = entries.into_iter().map(|(name, is_dir)| {
            HostValue::Record(vec![HostValue::Str(name.into()), HostValue::Bool(is_dir)])
        });
        Ok(HostValue::List(records.collect()))
    }

    fn metadata(&self, path: &str) -> Result<Metadata, IoFail> {
        self.scope
            .locate(path, Last::Follow)?
            .meta
            .ok_or(IoFail::NotFound)
    }

    fn stat(&self, path: &str) -> Result<HostValue, IoFail> {
        let meta = self.metadata(path)?;
        // The size of anything but a regular file differs between file systems.
        let size = if meta.is_file() {
            i64::try_from(meta.len()).unwrap_or(i64::MAX)
        } else {
            0
        };
        Ok(HostValue::Record(vec![
            HostValue::Int(size),
            HostValue::Bool(meta.is_dir()),
        ]))
    }

    fn open(&mut self, path: &str, cx: &mut HostCx<'_>) -> Result<HostValue, IoFail> {
        cx.charge_handle()?;
        match self.open_regular(path) {
            Ok((file, _)) => {
                let handle = self.next;
                self.next += 1;
                self.open.insert(handle, file);
                Ok(HostValue::Handle(handle))
            }
            Err(fail) => {
                cx.release_handle();
                Err(fail)
            }
        }
    }

    fn read(&self, handle: u64, count: i64, cx: &HostCx<'_>) -> HostResult {
        let file = self.open.get(&handle).ok_or_else(closed)?;
        let count = u64::try_from(count).map_err(|_| {
            HostFailure::argument(format!("cannot read {count} bytes: the count is negative"))
        })?;
        let bytes = read_up_to(file, count, count.min(64 << 10), cx).map_err(|fail| fail.at(""))?;
        Ok(HostValue::Bytes(bytes))
    }

    fn close(&mut self, handle: u64, cx: &mut HostCx<'_>) -> HostResult {
        self.open.remove(&handle).ok_or_else(closed)?;
        cx.release_handle();
        Ok(HostValue::Unit)
    }
}

fn closed() -> HostFailure {
    HostFailure::handle("the file is closed")
}

/// Reads until the end or the bound; a result that the heap could not take is a limit.
fn read_up_to(file: &File, bound: u64, expected: u64, cx: &HostCx<'_>) -> Result<Vec<u8>, IoFail> {
    let bound = bound.min(cx.memory_left().saturating_add(1));
    let mut bytes = Vec::with_capacity(usize::try_from(expected.min(bound)).unwrap_or(0));
    Read::take(file, bound)
        .read_to_end(&mut bytes)
        .map_err(|e| IoFail::from_io(&e))?;
    cx.check_memory(bytes.len() as u64)?;
    Ok(bytes)
}

impl HostCapability for FileRead {
    fn interface(&self) -> (&'static str, &'static str) {
        ("std", "FileRead")
    }

    fn methods(&self) -> &'static [HostMethod] {
        &METHODS
    }

    fn call(&mut self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostAnswer {
        let result = match (method, args) {
            (0, [HostValue::Str(path)]) => self.read_text(path, cx).map_err(|fail| fail.at(path)),
            (1, [HostValue::Str(path)]) => self
                .read_all(path, cx)
                .map(HostValue::Bytes)
                .map_err(|fail| fail.at(path)),
            (2, [HostValue::Str(path)]) => self.list(path, cx).map_err(|fail| fail.at(path)),
            (3, [HostValue::Str(path)]) => self.stat(path).map_err(|fail| fail.at(path)),
            (4, [HostValue::Str(path)]) => self.open(path, cx).map_err(|fail| fail.at(path)),
            (5, [HostValue::Handle(file), HostValue::Int(count)]) => self.read(*file, *count, cx),
            (6, [HostValue::Handle(file)]) => self.close(*file, cx),
            _ => Err(super::wrong_arguments(&METHODS, method)),
        };
        result.into()
    }

    fn drop_handle(&mut self, handle: u64, cx: &mut HostCx<'_>) {
        let _ = self.close(handle, cx);
    }

    fn scope_text(&self) -> String {
        self.scope.text().to_owned()
    }
}
