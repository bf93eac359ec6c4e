//! `jetvm new`: a package to start from.
//!
//! What must stay true: nothing that exists is touched, and what is made passes `check`, `fmt --check`
//! and `test`, and runs.

use std::path::Path;

use super::args::NewArgs;
use super::{FAILED, OK, USAGE, say};
use crate::manifest::is_name;
use crate::render::Style;

const MAIN: &str = r#"## The greeting for somebody.
##
##     assert greeting("Ada") == "Hello, Ada!"
fn greeting(name: string) -> string:
    return f"Hello, {name}!"

fn main(args: [string]) uses Console:
    Console.print(greeting(args.get(0) else "world"))

test "an empty name":
    assert greeting("") == "Hello, !"
"#;

const LIB: &str = r#"## The greeting for somebody.
##
##     assert greeting("Ada") == "Hello, Ada!"
pub fn greeting(name: string) -> string:
    return f"Hello, {name}!"

test "an empty name":
    assert greeting("") == "Hello, !"
"#;

/// Makes the package and gives the exit code.
pub(super) fn new(args: &NewArgs, style: Style) -> u8 {
    let folder = args.path.as_path();
    let name = folder
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    if !is_name(&name) || name == "std" {
        let message = format!("`{name}` cannot name a package");
        let help = "use lower-case letters, digits and `_`";
        say(&style.plain("", &message, Some(help), &[]));
        return USAGE;
    }
    match create(folder, &name, args.lib) {
        Ok(()) => {
            let shown = folder.display();
            let next = if args.lib { "test" } else { "run" };
            say(&style.note(
                &format!("made the package `{name}` in `{shown}`"),
                &format!("`jetvm {next} {shown}`"),
            ));
            OK
        }
        Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists => {
            let message = format!("cannot make `{}`: it exists already", folder.display());
            let help = "choose another name; nothing that exists is touched";
            say(&style.plain("", &message, Some(help), &[]));
            FAILED
        }
        Err(why) => {
            let message = format!("cannot make `{}`: {why}", folder.display());
            say(&style.plain("", &message, None, &[]));
            FAILED
        }
    }
}

fn create(folder: &Path, name: &str, lib: bool) -> std::io::Result<()> {
    // Fails if it exists, whatever it is.
    std::fs::create_dir(folder)?;
    std::fs::create_dir(folder.join("src"))?;
    let manifest = format!("name = \"{name}\"\nversion = \"0.1.0\"\n");
    std::fs::write(folder.join("jet.toml"), manifest)?;
    std::fs::write(folder.join(".gitignore"), "*.jbc\n")?;
    let (file, text) = if lib {
        ("lib.jet", LIB)
    } else {
        ("main.jet", MAIN)
    };
    std::fs::write(folder.join("src").join(file), text)
}
