//! What tests grant: an environment, a folder of files, standard input. The same for each run and each mode, so
//! that the reference evaluator knows it too.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Environment variables.
pub const VARIABLES: &[(&str, &str)] = &[("HOME", "/jet"), ("EMPTY", ""), ("LANG", "é=\"x\"")];

/// Standard input.
pub const INPUT: &str = "first line\nsecond\n\nlast é";

/// Files that may be read: `w/` is what may be written.
pub const FILES: &[(&str, &str)] = &[
    ("a.txt", "one\ntwo\n"),
    ("empty", ""),
    ("d/b.txt", "日本 deep"),
];

/// Files in `w/` when a run begins.
pub const WRITABLE: &[(&str, &str)] = &[("w/old.txt", "old")];

/// The folder of this process.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = std::env::temp_dir().join(format!("jet-fuzz-files-{}", std::process::id()));
        // A folder that cannot be made shows as a grant that cannot be opened.
        for (path, text) in FILES {
            put(&root, path, text);
        }
        for (path, text) in WRITABLE {
            put(&root, path, text);
        }
        // The path as links give it: scopes compare it so.
        std::fs::canonicalize(&root).unwrap_or(root)
    })
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    if let Some(dir) = path.parent() {
        let _ = std::fs::create_dir_all(dir);
    }
    let _ = std::fs::write(path, text);
}

/// Puts `w/` back to what it is when a run begins.
pub fn reset() {
    let root = root();
    let _ = std::fs::remove_dir_all(root.join("w"));
    for (path, text) in WRITABLE {
        put(root, path, text);
    }
}

/// The files of `w/` by name.
pub fn files() -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = std::fs::read_dir(root().join("w"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| {
            let name = e.file_name().into_string().ok()?;
            let text = std::fs::read(e.path()).ok()?;
            Some((
                format!("w/{name}"),
                String::from_utf8_lossy(&text).into_owned(),
            ))
        })
        .collect();
    out.sort();
    out
}

/// Removes the folder.
pub fn clean() {
    let _ = std::fs::remove_dir_all(root());
}
