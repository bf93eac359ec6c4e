//! Files that are replaced: whole or not at all, by a file beside them that takes their name.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Puts a text in the place of a file's. A link stays: the file that it leads to is replaced.
///
/// # Errors
/// Those of the file system; then the file is as it was. A file that may not be written is not replaced either.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let permissions = fs::metadata(&path)?.permissions();
    if permissions.readonly() {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = File::create_new(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.set_permissions(permissions)?;
        file.sync_all()?;
        fs::rename(&beside, &path)
    });
    if let Err(why) = &written
        && why.kind() != io::ErrorKind::AlreadyExists
    {
        // The file itself is whole; what is left beside it is of no use.
        let _ = fs::remove_file(&beside);
    }
    written
}
