//! `jetvm fmt`: source files into the one style.
//!
//! What must stay true: a file is replaced whole or not at all, by a file beside it that takes its
//! name, and only by a text that the formatter has checked to be the same program; a file with errors
//! stays as it is and the others are formatted nevertheless. Links to folders are not followed, and a
//! link to a file is not replaced: the file that it leads to is.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jet_frontend::fmt::{self, Failure};
use jet_frontend::source::{MAX_SOURCE_BYTES, SourceMap};

use super::args::FmtArgs;
use super::{BUG, FAILED, OK, USAGE, not_loaded, report_bug, say, show};
use crate::render::Style;
use crate::replace::replace;
use crate::sources::{self, Texts};

/// Folders inside each other.
const MAX_DEPTH: usize = 64;

/// `jetvm fmt`.
pub(super) fn fmt(args: &FmtArgs, style: Style) -> u8 {
    if args.stdin {
        return stdin(args.check, style);
    }
    let mut code = OK;
    let mut files = Vec::new();
    for input in &args.inputs {
        if let Err(message) = collect(input, true, 0, &mut files) {
            say(&style.plain("", &message, None, &[]));
            code = code.max(USAGE);
        }
    }
    files.dedup();
    let mut changed = String::new();
    for path in &files {
        match file(path, args.check, style) {
            Ok(true) if args.check => {
                changed.push_str(&crate::render::clean_line(&path.display().to_string()));
                changed.push('\n');
                code = code.max(FAILED);
            }
            Ok(_) => {}
            Err(failed) => code = code.max(failed),
        }
    }
    code.max(show(&changed))
}

/// The source files of a path: itself, or those in the folder. Names that begin with a dot, and
/// `target`, are left out unless they were asked for.
fn collect(path: &Path, named: bool, depth: usize, out: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |why: &io::Error| format!("cannot read `{}`: {why}", path.display());
    let meta = if named {
        fs::metadata(path)
    } else {
        fs::symlink_metadata(path)
    };
    let meta = meta.map_err(|why| failed(&why))?;
    let is_source = sources::is_source(path);
    if !meta.is_dir() {
        if !named && !is_source {
            return Ok(());
        }
        if named && !is_source {
            return Err(format!(
                "`{}` is no source file: its name does not end in `.jet`",
                path.display()
            ));
        }
        if named || meta.is_file() {
            out.push(path.to_path_buf());
        }
        return Ok(());
    }
    if depth > MAX_DEPTH {
        return Err(format!(
            "`{}` lies more than {MAX_DEPTH} folders deep",
            path.display()
        ));
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(|why| failed(&why))? {
        entries.push(entry.map_err(|why| failed(&why))?.path());
    }
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with('.') && name != "target" {
            collect(&entry, false, depth + 1, out)?;
        }
    }
    Ok(())
}

/// Formats a file. Whether it was, or would be, changed.
fn file(path: &Path, check: bool, style: Style) -> Result<bool, u8> {
    let text = sources::read_source(path).map_err(|error| not_loaded(&error, style))?;
    let name = path.display().to_string();
    let result = format(&name, &text, style)?;
    if result == text {
        return Ok(false);
    }
    if !check {
        replace(path, &result).map_err(|why| {
            let message = format!("cannot write `{name}`: {why}");
            say(&style.plain("", &message, None, &[]));
            FAILED
        })?;
    }
    Ok(true)
}

/// The text in the one style; or says what is wrong and gives the exit code.
fn format(name: &str, text: &str, style: Style) -> Result<String, u8> {
    match fmt::format(text) {
        Ok(result) => Ok(result),
        Err(Failure::Syntax(errors)) => {
            let mut map = SourceMap::new();
            map.add(name, text);
            say(&style.diagnostics(&errors, &map, &Texts::default()));
            Err(FAILED)
        }
        Err(Failure::TooLarge(bytes)) => {
            let what = format!(
                "`{name}` would have {bytes} bytes in the one style; a source file has at most {MAX_SOURCE_BYTES}"
            );
            say(&style.plain(
                sources::TOO_LARGE,
                &what,
                Some("split it into modules"),
                &[],
            ));
            Err(FAILED)
        }
        Err(Failure::Broken(why)) => {
            report_bug(&format!("formatting `{name}` would change it: {why}"));
            Err(BUG)
        }
    }
}

fn stdin(check: bool, style: Style) -> u8 {
    let mut bytes = Vec::new();
    let read = io::stdin()
        .take(MAX_SOURCE_BYTES as u64 + 1)
        .read_to_end(&mut bytes);
    let text = match (read, String::from_utf8(bytes)) {
        (Ok(_), Ok(text)) => text,
        (Err(why), _) => {
            let message = format!("cannot read standard input: {why}");
            say(&style.plain("", &message, None, &[]));
            return USAGE;
        }
        (_, Err(_)) => {
            say(&style.plain("", "standard input is not UTF-8 text", None, &[]));
            return FAILED;
        }
    };
    match format("<stdin>", &text, style) {
        Ok(result) if check => {
            if result == text {
                OK
            } else {
                FAILED.max(show("<stdin>\n"))
            }
        }
        Ok(result) => show(&result),
        Err(code) => code,
    }
}
