//! Which part of the file system a grant covers, and how a path of the program gets there.
//!
//! A path is made absolute and normalised by its text, matched to a grant, and then walked one
//! component at a time over open directories, never following a link that the system would
//! follow: a link's target starts the resolution anew and must lie in a grant again. So neither
//! `..` nor a link, whenever it was made, leaves a grant. Denials are by text *and* by identity
//! (device and inode), so that renaming or linking does not lift them. Nothing outside the grants
//! is touched, so an answer does not tell whether a path outside exists.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};

use super::grants::PathGrant;
use super::io_error::IoFail;

/// Links followed in one resolution.
const MAX_LINKS: usize = 40;

/// A grant that cannot be opened.
#[derive(Debug)]
pub struct GrantError {
    /// The path of the grant.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot open the granted path `{}`: {}",
            self.path.display(),
            self.error
        )
    }
}

impl std::error::Error for GrantError {}

/// Device and inode.
type Identity = (u64, u64);

fn identity(meta: &Metadata) -> Identity {
    (meta.dev(), meta.ino())
}

/// A path as it is at the start: the nearest existing directory, and what follows.
struct Anchor {
    base: Dir,
    base_id: Identity,
    /// Path of `base` without links.
    base_real: PathBuf,
    rest: Vec<OsString>,
    /// What the grantor wrote, absolute and normalised.
    written: PathBuf,
    /// The same without links.
    real: PathBuf,
    /// Identity of what the path names, if it exists.
    id: Option<Identity>,
    /// Keeps a file that the path names in being, so that no other gets its identity when it is removed.
    _pinned: Option<std::fs::File>,
    /// Identities of the directories above it that exist.
    above: Vec<Identity>,
    /// For each denial whose path does not exist: how many of its missing components lead to `base`.
    in_missing: Vec<usize>,
}

impl Anchor {
    fn open(path: &Path, cwd: &Path) -> Result<Anchor, GrantError> {
        let fail = |error| GrantError {
            path: path.to_owned(),
            error,
        };
        let written = normalise(&cwd.join(path));
        let (real, mut rest) = match cwd.join(path).canonicalize() {
            Ok(real) => (real, Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                nearest_existing(&written).map_err(fail)?
            }
            Err(error) => return Err(fail(error)),
        };
        let mut base_real = real;
        let meta = std::fs::metadata(&base_real).map_err(fail)?;
        let mut id = rest.is_empty().then(|| {
            use std::os::unix::fs::MetadataExt;
            (meta.dev(), meta.ino())
        });
        let mut pinned = None;
        if !meta.is_dir() {
            if !rest.is_empty() {
                return Err(fail(io::ErrorKind::NotADirectory.into()));
            }
            pinned = pin(&base_real).map_err(fail)?;
            if let Some(file) = &pinned {
                use std::os::unix::fs::MetadataExt;
                let meta = file.metadata().map_err(fail)?;
                id = Some((meta.dev(), meta.ino()));
            }
            let name = base_real.file_name().map(OsStr::to_owned);
            rest.extend(name);
            base_real.pop();
        }
        let base = Dir::open_ambient_dir(&base_real, ambient_authority()).map_err(fail)?;
        let base_id = identity(&base.dir_metadata().map_err(fail)?);
        if rest.is_empty() {
            id = Some(base_id);
        }
        let above = base_real.ancestors().filter_map(|path| {
            use std::os::unix::fs::MetadataExt;
            let meta = std::fs::metadata(path).ok()?;
            Some((meta.dev(), meta.ino()))
        });
        let above = above.filter(|above| Some(*above) != id).collect();
        let real = rest
            .iter()
            .fold(base_real.clone(), |path, part| path.join(part));
        Ok(Anchor {
            base,
            base_id,
            base_real,
            rest,
            written,
            real,
            id,
            _pinned: pinned,
            above,
            in_missing: Vec::new(),
        })
    }
}

/// Holds a file without opening what is in it, which nobody has to be allowed to read.
#[cfg(target_os = "linux")]
fn pin(path: &Path) -> io::Result<Option<std::fs::File>> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.read(true).custom_flags(libc::O_PATH);
    options.open(path).map(Some)
}

/// Other systems cannot hold what they may not read.
#[cfg(not(target_os = "linux"))]
fn pin(_: &Path) -> io::Result<Option<std::fs::File>> {
    Ok(None)
}

/// The nearest existing ancestor without links, and the components below it.
fn nearest_existing(path: &Path) -> io::Result<(PathBuf, Vec<OsString>)> {
    let mut rest = Vec::new();
    let mut at = path;
    while let (Some(parent), Some(name)) = (at.parent(), at.file_name()) {
        rest.push(name.to_owned());
        at = parent;
        match at.canonicalize() {
            Ok(real) => {
                rest.reverse();
                return Ok((real, rest));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Makes `.` and `..` disappear by text; at the root `..` stays there.
fn normalise(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    out
}

/// What a resolution does with a link as the last component.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// Goes where it leads.
    Follow,
    /// Takes the link itself.
    Stay,
}

/// Where a path of the program leads.
pub(super) struct Place {
    /// Open parent directory, or the directory itself if `name` is `None`.
    pub dir: Arc<Dir>,
    /// Last component: neither `..` nor a path.
    pub name: Option<OsString>,
    /// What is there, if anything.
    pub meta: Option<Metadata>,
    /// Its path, without links.
    real: PathBuf,
    /// As of an [`Anchor`], with what the place itself adds.
    in_missing: Vec<usize>,
}

/// The open directories of a grant.
pub struct Scope {
    cwd: PathBuf,
    /// `None` stands for the whole file system, whose only anchor is the root.
    allow: Vec<Anchor>,
    deny: Arc<[Anchor]>,
    /// Devices of process file systems. They lead past every grant: to the memory, environment and
    /// open files of this very process.
    closed_devices: Arc<[u64]>,
    /// Whether it is a directory that a program opened: where that lies is not the program's to ask.
    held: bool,
    text: String,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({})", self.text)
    }
}

impl Scope {
    /// Opens what a grant names. Relative paths start at `cwd`.
    pub fn open(grant: &PathGrant, cwd: &Path) -> Result<Scope, GrantError> {
        let everything = [PathBuf::from("/")];
        let allowed = grant.allow.as_deref().unwrap_or(&everything);
        let open = |paths: &[PathBuf]| -> Result<Vec<Anchor>, GrantError> {
            paths.iter().map(|path| Anchor::open(path, cwd)).collect()
        };
        Ok(Scope {
            cwd: normalise(cwd),
            allow: open(allowed)?,
            deny: open(&grant.deny)?.into(),
            closed_devices: process_file_systems().into(),
            held: false,
            text: describe(grant),
        })
    }

    /// What the grant covers, for people.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a path lies in the scope, wherever its links lead; it need not exist.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        !matches!(self.locate(path, Last::Stay), Err(IoFail::Denied))
    }

    /// Resolves a path of the program.
    pub(super) fn locate(&self, path: &str, last: Last) -> Result<Place, IoFail> {
        if path.is_empty() {
            return Err(IoFail::Invalid("the path is empty".into()));
        }
        if path.contains('\0') {
            return Err(IoFail::Invalid("the path contains a NUL character".into()));
        }
        if self.held && path.starts_with('/') {
            return Err(IoFail::Denied);
        }
        let wants_dir = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
        let mut target = normalise(&self.cwd.join(path));
        for _ in 0..=MAX_LINKS {
            match self.walk(&target, last == Last::Follow || wants_dir)? {
                Walk::Link(next) => target = next,
                Walk::Place(place) => {
                    let is_dir = place.meta.as_ref().is_none_or(Metadata::is_dir);
                    if wants_dir && !is_dir {
                        return Err(IoFail::Invalid("not a directory".into()));
                    }
                    return Ok(*place);
                }
            }
        }
        Err(IoFail::Invalid("too many symbolic links".into()))
    }

    /// Walks a normalised absolute path until it ends or meets a link to follow.
    fn walk(&self, path: &Path, follow_last: bool) -> Result<Walk, IoFail> {
        if self
            .deny
            .iter()
            .any(|d| path.starts_with(&d.written) || path.starts_with(&d.real))
        {
            return Err(IoFail::Denied);
        }
        let (anchor, below) = self.anchor_of(path).ok_or(IoFail::Denied)?;
        if self.deny.iter().any(|d| anchor.real.starts_with(&d.real)) {
            return Err(IoFail::Denied);
        }
        let parts: Vec<&OsStr> = anchor
            .rest
            .iter()
            .map(OsString::as_os_str)
            .chain(below.iter())
            .collect();
        let mut dir = Arc::new(anchor.base.try_clone().map_err(|e| IoFail::from_io(&e))?);
        let mut here = anchor.base_real.clone();
        let mut id = anchor.base_id;
        let mut in_missing = anchor.in_missing.clone();
        in_missing.resize(self.deny.len(), 0);
        for (i, part) in parts.iter().enumerate() {
            self.enter_missing(id, part, &mut in_missing)?;
            let is_last = i + 1 == parts.len();
            let meta = match dir.symlink_metadata(part) {
                Ok(meta) => meta,
                Err(error) if is_last && error.kind() == io::ErrorKind::NotFound => {
                    return Ok(Walk::Place(Box::new(Place {
                        dir,
                        name: Some((*part).to_owned()),
                        meta: None,
                        real: here.join(part),
                        in_missing,
                    })));
                }
                Err(error) => return Err(IoFail::from_io(&error)),
            };
            self.check_identity(&meta)?;
            if meta.is_symlink() && (!is_last || follow_last) {
                let link = dir
                    .read_link_contents(part)
                    .map_err(|e| IoFail::from_io(&e))?;
                let mut next = normalise(&here.join(link));
                next.extend(parts.get(i + 1..).unwrap_or_default());
                return Ok(Walk::Link(next));
            }
            if is_last {
                return Ok(Walk::Place(Box::new(Place {
                    dir,
                    name: Some((*part).to_owned()),
                    meta: Some(meta),
                    real: here.join(part),
                    in_missing,
                })));
            }
            if !meta.is_dir() {
                return Err(IoFail::Invalid(
                    "a component of the path is not a directory".into(),
                ));
            }
            let next = open_dir(&dir, part)?;
            let opened = next.dir_metadata().map_err(|e| IoFail::from_io(&e))?;
            self.check_identity(&opened)?;
            id = identity(&opened);
            dir = Arc::new(next);
            here.push(part);
        }
        let meta = dir.dir_metadata().map_err(|e| IoFail::from_io(&e))?;
        self.check_identity(&meta)?;
        Ok(Walk::Place(Box::new(Place {
            dir,
            name: None,
            meta: Some(meta),
            real: here,
            in_missing,
        })))
    }

    /// The innermost grant that a path lies in, and the path below it.
    fn anchor_of<'a>(&'a self, path: &'a Path) -> Option<(&'a Anchor, &'a Path)> {
        let matching = |anchor: &'a Anchor| {
            let by_text = path.strip_prefix(&anchor.written).ok();
            by_text
                .or_else(|| path.strip_prefix(&anchor.real).ok())
                .map(|below| (anchor, below))
        };
        self.allow
            .iter()
            .filter_map(matching)
            .min_by_key(|(_, below)| below.components().count())
    }

    /// Refuses what a denial names, under whatever name it was reached.
    fn check_identity(&self, meta: &Metadata) -> Result<(), IoFail> {
        let id = identity(meta);
        if self.closed_devices.contains(&id.0)
            || self.deny.iter().any(|denied| denied.id == Some(id))
        {
            return Err(IoFail::Denied);
        }
        Ok(())
    }

    /// Refuses to take away a directory in which something denied lies: under its path there would be room for something else.
    pub(super) fn check_movable(&self, place: &Place) -> Result<(), IoFail> {
        let held = |meta: &Metadata| {
            let id = identity(meta);
            self.deny.iter().any(|denied| denied.above.contains(&id))
        };
        match &place.meta {
            Some(meta) if meta.is_dir() && held(meta) => Err(IoFail::Denied),
            _ => Ok(()),
        }
    }

    /// Follows the denials of paths that did not exist at the start. Case is ignored, as some
    /// file systems do.
    fn enter_missing(
        &self,
        dir: Identity,
        part: &OsStr,
        depths: &mut [usize],
    ) -> Result<(), IoFail> {
        for (denied, depth) in self.deny.iter().zip(depths) {
            if denied.id.is_some() {
                continue;
            }
            if dir == denied.base_id {
                *depth = 0;
            } else if *depth == 0 {
                continue;
            }
            if denied
                .rest
                .get(*depth)
                .is_some_and(|name| name.eq_ignore_ascii_case(part))
            {
                *depth += 1;
                if *depth == denied.rest.len() {
                    return Err(IoFail::Denied);
                }
            } else {
                *depth = 0;
            }
        }
        Ok(())
    }

    /// Opens a regular file at a place, and nothing else: opening a FIFO may wait for ever, opening
    /// a device may do anything.
    pub(super) fn open_file(
        &self,
        place: &Place,
        options: &mut OpenOptions,
    ) -> Result<(File, Metadata), IoFail> {
        let not_regular = || IoFail::Invalid("not a regular file".into());
        let Some(name) = &place.name else {
            return Err(IoFail::Invalid("is a directory".into()));
        };
        if let Some(meta) = &place.meta {
            if meta.is_dir() {
                return Err(IoFail::Invalid("is a directory".into()));
            }
            if !meta.is_file() {
                return Err(not_regular());
            }
        }
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
        let file = place
            .dir
            .open_with(name, options)
            .map_err(|e| IoFail::from_io(&e))?;
        let meta = file.metadata().map_err(|e| IoFail::from_io(&e))?;
        self.check_identity(&meta)?;
        if !meta.is_file() {
            return Err(not_regular());
        }
        Ok((file, meta))
    }

    /// What of the scope lies in one of its directories, which is held open from now on: whatever stands at its path later,
    /// paths start in this directory and none leaves it. The denials hold on.
    pub(super) fn below(&self, path: &str) -> Result<Scope, IoFail> {
        let place = self.locate(path, Last::Follow)?;
        let base = self
            .open_directory(&place)?
            .try_clone()
            .map_err(|e| IoFail::from_io(&e))?;
        let base_id = identity(&base.dir_metadata().map_err(|e| IoFail::from_io(&e))?);
        let real = place.real;
        Ok(Scope {
            cwd: real.clone(),
            allow: vec![Anchor {
                base,
                base_id,
                base_real: real.clone(),
                rest: Vec::new(),
                written: real.clone(),
                real,
                id: Some(base_id),
                _pinned: None,
                above: Vec::new(),
                in_missing: place.in_missing,
            }],
            deny: Arc::clone(&self.deny),
            closed_devices: Arc::clone(&self.closed_devices),
            held: true,
            text: format!("{path} in {}", self.text),
        })
    }

    /// Opens the directory at a place.
    pub(super) fn open_directory(&self, place: &Place) -> Result<Arc<Dir>, IoFail> {
        let Some(name) = &place.name else {
            return Ok(Arc::clone(&place.dir));
        };
        match &place.meta {
            None => Err(IoFail::NotFound),
            Some(meta) if !meta.is_dir() => Err(IoFail::Invalid("not a directory".into())),
            Some(_) => {
                let dir = open_dir(&place.dir, name)?;
                self.check_identity(&dir.dir_metadata().map_err(|e| IoFail::from_io(&e))?)?;
                Ok(Arc::new(dir))
            }
        }
    }
}

enum Walk {
    Place(Box<Place>),
    Link(PathBuf),
}

/// Opens a subdirectory by one name, not through a link that took its place meanwhile.
fn open_dir(dir: &Dir, name: &OsStr) -> Result<Dir, IoFail> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_DIRECTORY | libc::O_NONBLOCK);
    let file = dir
        .open_with(name, &options)
        .map_err(|e| IoFail::from_io(&e))?;
    Ok(Dir::from_std_file(file.into_std()))
}

fn describe(grant: &PathGrant) -> String {
    let list = |paths: &[PathBuf]| {
        let names: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        names.join(", ")
    };
    let mut text = grant
        .allow
        .as_deref()
        .map_or_else(|| "everything".to_owned(), list);
    if !grant.deny.is_empty() {
        text.push_str(", but not ");
        text.push_str(&list(&grant.deny));
    }
    text
}

/// Devices of the mounted process file systems.
#[cfg(target_os = "linux")]
fn process_file_systems() -> Vec<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut devices: Vec<u64> = std::fs::metadata("/proc/self")
        .iter()
        .map(MetadataExt::dev)
        .collect();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for line in mounts.lines() {
        // "36 35 98:0 /root /mount options … - type source options": the device is the third
        // field, the type follows the dash.
        let Some((before, after)) = line.split_once(" - ") else {
            continue;
        };
        if after.split(' ').next() != Some("proc") {
            continue;
        }
        let device = before
            .split(' ')
            .nth(2)
            .and_then(|pair| pair.split_once(':'));
        if let Some((major, minor)) = device
            && let (Ok(major), Ok(minor)) = (major.parse(), minor.parse())
        {
            devices.push(libc::makedev(major, minor));
        }
    }
    devices
}

/// Other systems show processes in no file system.
#[cfg(not(target_os = "linux"))]
fn process_file_systems() -> Vec<u64> {
    Vec::new()
}
