//! `FileRead`: reading files and directories inside a granted scope.
//!
//! Only regular files are opened; what is read is bounded by the memory that the program has left.
//! Listings are sorted, so that the order tells nothing about the file system.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use cap_std::fs::{File, Metadata, OpenOptions};

use super::io_error::{ERRORS, IoFail};
use super::scope::{Last, Scope};
use super::{
    HostAnswer, HostCapability, HostCx, HostEnum, HostFailure, HostMethod, HostResult, HostStruct,
    HostType, HostValue,
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
const DIR: HostType = HostType::Handle("Dir");
const BYTES: HostType = HostType::List(&HostType::Byte);

const fn method(
    name: &'static str,
    params: &'static [HostType],
    ret: HostType,
    errors: &'static [&'static HostEnum],
) -> HostMethod {
    HostMethod {
        name,
        params,
        ret,
        errors,
    }
}

const ENTRIES: HostType = HostType::List(&HostType::Struct(&ENTRY));

static METHODS: [HostMethod; 13] = [
    method("read_text", &[HostType::Str], HostType::Str, &ERRORS),
    method("read_bytes", &[HostType::Str], BYTES, &ERRORS),
    method("list", &[HostType::Str], ENTRIES, &ERRORS),
    method("stat", &[HostType::Str], HostType::Struct(&STAT), &ERRORS),
    method("open", &[HostType::Str], FILE, &ERRORS),
    method("read", &[FILE, HostType::Int], BYTES, &ERRORS),
    method("close", &[FILE], HostType::Unit, &[]),
    method("open_dir", &[HostType::Str], DIR, &ERRORS),
    method("list_at", &[DIR, HostType::Str], ENTRIES, &ERRORS),
    method(
        "stat_at",
        &[DIR, HostType::Str],
        HostType::Struct(&STAT),
        &ERRORS,
    ),
    method("open_at", &[DIR, HostType::Str], FILE, &ERRORS),
    method("open_dir_at", &[DIR, HostType::Str], DIR, &ERRORS),
    method("close_dir", &[DIR], HostType::Unit, &[]),
];

/// Bytes that an entry of a listing costs besides its name.
const ENTRY_COST: u64 = 64;

/// The capability over a scope.
#[derive(Debug)]
pub struct FileRead {
    scope: Arc<Scope>,
    open: HashMap<u64, Open>,
    next: u64,
}

/// What a handle stands for.
#[derive(Debug)]
enum Open {
    File(File),
    /// A directory: what may be read through it.
    Dir(Arc<Scope>),
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

    /// The scope of an open directory.
    fn dir(&self, handle: u64) -> Result<Arc<Scope>, HostFailure> {
        match self.open.get(&handle) {
            Some(Open::Dir(scope)) => Ok(Arc::clone(scope)),
            _ => Err(HostFailure::handle("the directory is closed")),
        }
    }

    /// Counts what is opened, and gives a handle for it.
    fn give(
        &mut self,
        cx: &mut HostCx<'_>,
        open: impl FnOnce() -> Result<Open, IoFail>,
    ) -> Result<HostValue, IoFail> {
        cx.charge_handle()?;
        let opened = open().inspect_err(|_| cx.release_handle())?;
        let handle = self.next;
        self.next += 1;
        self.open.insert(handle, opened);
        Ok(HostValue::Handle(handle))
    }

    fn open(&mut self, scope: &Scope, path: &str, cx: &mut HostCx<'_>) -> HostResult {
        self.give(cx, || Ok(Open::File(open_regular(scope, path)?.0)))
            .map_err(|fail| fail.at(path))
    }

    fn open_dir(&mut self, scope: &Scope, path: &str, cx: &mut HostCx<'_>) -> HostResult {
        self.give(cx, || Ok(Open::Dir(Arc::new(scope.below(path)?))))
            .map_err(|fail| fail.at(path))
    }

    fn read(&self, handle: u64, count: i64, cx: &HostCx<'_>) -> HostResult {
        let Some(Open::File(file)) = self.open.get(&handle) else {
            return Err(closed());
        };
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

fn open_regular(scope: &Scope, path: &str) -> Result<(File, Metadata), IoFail> {
    let place = scope.locate(path, Last::Follow)?;
    if place.meta.is_none() {
        return Err(IoFail::NotFound);
    }
    scope.open_file(&place, OpenOptions::new().read(true))
}

fn read_all(scope: &Scope, path: &str, cx: &HostCx<'_>) -> Result<Vec<u8>, IoFail> {
    let (file, meta) = open_regular(scope, path)?;
    cx.check_memory(meta.len())?;
    read_up_to(&file, cx.memory_left().saturating_add(1), meta.len(), cx)
}

fn read_text(scope: &Scope, path: &str, cx: &HostCx<'_>) -> Result<HostValue, IoFail> {
    let bytes = read_all(scope, path, cx)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(HostValue::Str(text.into())),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(IoFail::Invalid(format!("not UTF-8 text (byte {at})")))
        }
    }
}

fn list(scope: &Scope, path: &str, cx: &HostCx<'_>) -> Result<HostValue, IoFail> {
    let place = scope.locate(path, Last::Follow)?;
    let dir = scope.open_directory(&place)?;
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
            matches!(metadata(scope, &target), Ok(meta) if meta.is_dir())
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

fn metadata(scope: &Scope, path: &str) -> Result<Metadata, IoFail> {
    scope
        .locate(path, Last::Follow)?
        .meta
        .ok_or(IoFail::NotFound)
}

fn stat(scope: &Scope, path: &str) -> Result<HostValue, IoFail> {
    let meta = metadata(scope, path)?;
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

impl FileRead {
    fn answer(&mut self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostResult {
        use HostValue::{Handle, Int, Str};
        // What takes a path takes it in the grant, or in a directory that is open.
        let (scope, args) = match args {
            [Handle(dir), Str(_)] => (self.dir(*dir)?, args.get(1..).unwrap_or_default()),
            _ => (Arc::clone(&self.scope), args),
        };
        match (method, args) {
            (0, [Str(path)]) => read_text(&scope, path, cx).map_err(|fail| fail.at(path)),
            (1, [Str(path)]) => read_all(&scope, path, cx)
                .map(HostValue::Bytes)
                .map_err(|fail| fail.at(path)),
            (2 | 8, [Str(path)]) => list(&scope, path, cx).map_err(|fail| fail.at(path)),
            (3 | 9, [Str(path)]) => stat(&scope, path).map_err(|fail| fail.at(path)),
            (4 | 10, [Str(path)]) => self.open(&scope, path, cx),
            (7 | 11, [Str(path)]) => self.open_dir(&scope, path, cx),
            (5, [Handle(file), Int(count)]) => self.read(*file, *count, cx),
            (6 | 12, [Handle(open)]) => self.close(*open, cx),
            _ => Err(super::wrong_arguments(&METHODS, method)),
        }
    }
}

fn closed() -> HostFailure {
    HostFailure::handle("the file or directory is closed")
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
        let result = self.answer(method, args, cx);
        result.into()
    }

    fn drop_handle(&mut self, handle: u64, cx: &mut HostCx<'_>) {
        let _ = self.close(handle, cx);
    }

    fn scope_text(&self) -> String {
        self.scope.text().to_owned()
    }
}
