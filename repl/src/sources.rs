//! From a path of the command line to the texts of a program.
//!
//! A file brings the modules beside it that it imports; a folder with `main.jet` likewise; a folder
//! with `jet.toml` brings every module below `src/`, and its dependencies by path. Paths inside a
//! program start with the package's name and never tell where it lay, so that the same sources give
//! the same bundle anywhere; [`Texts::display`] leads back. Everything read is bounded: bytes of a
//! file, files and depth of a package.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jet_bytecode::format::{MAGIC, MAX_FILE_BYTES};
use jet_bytecode::shown::hides;
use jet_frontend::driver::{Implementation, PackageInput, ProgramInput, SourceInput};
use jet_frontend::source::MAX_SOURCE_BYTES;

use crate::manifest::{Manifest, is_name};

/// Modules of one package.
const MAX_FILES: usize = 4096;
/// Bytes of text of a program, std apart.
const MAX_TEXT: usize = 64 << 20;
/// Folders inside each other below `src/`.
const MAX_DEPTH: usize = 16;
/// Packages of a program, std apart.
const MAX_PACKAGES: usize = 200;

/// What a path of the command line holds.
#[derive(Debug)]
pub enum Input {
    /// Source texts.
    Texts(Texts),
    /// The bytes of what says it is a bundle.
    Bundle(Vec<u8>),
}

/// A program's texts.
#[derive(Debug, Default)]
pub struct Texts {
    /// What the compiler is given.
    pub program: ProgramInput,
    /// For each dependency: who depends on it, and which standard capabilities it may name.
    pub ceilings: Vec<Ceiling>,
    /// From a path inside the program to where the file lies.
    display: HashMap<String, String>,
    /// Bytes of text so far.
    bytes: usize,
}

/// The authority that one package leaves to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// Who depends.
    pub dependent: String,
    /// On whom.
    pub dependency: String,
    /// Standard capabilities that the dependency may name.
    pub allow: Vec<String>,
    /// The interface package, if the dependency is not a dependency but implements that.
    pub implements: Option<String>,
}

impl Texts {
    /// Where the file of a path inside the program lies; the path itself if nobody knows.
    #[must_use]
    pub fn display<'a>(&'a self, path: &'a str) -> &'a str {
        self.display.get(path).map_or(path, String::as_str)
    }

    /// A module, and where it lies.
    fn module(
        &mut self,
        path: String,
        module: String,
        file: &Path,
        bytes: Vec<u8>,
    ) -> Result<SourceInput, LoadError> {
        // A bundle holds the path for traps, and refuses one that does not show as what it is.
        if path.contains(hides) {
            let message = "its name holds a character that is not seen";
            return Err(error(BAD_PACKAGE, file, message));
        }
        let text = text(file, bytes)?;
        self.bytes += text.len();
        if self.bytes > MAX_TEXT {
            return Err(error(
                TOO_LARGE,
                file,
                format!("the program's text is larger than {} MiB", MAX_TEXT >> 20),
            ));
        }
        self.show_as(path.clone(), file.display().to_string());
        Ok(SourceInput { path, module, text })
    }

    /// Says where the file of a path inside the program lies.
    pub fn show_as(&mut self, inside: impl Into<String>, path: impl Into<String>) {
        self.display.insert(inside.into(), path.into());
    }

    /// Name of the program's own package.
    #[must_use]
    pub fn name(&self) -> &str {
        self.program
            .packages
            .last()
            .map_or("main", |package| package.name.as_str())
    }
}

/// Why the texts could not be had.
#[derive(Debug, PartialEq, Eq)]
pub struct LoadError {
    /// Stable code.
    pub code: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong.
    pub message: String,
    /// What to do instead.
    pub help: Option<String>,
}

/// There is nothing at the path, or it cannot be read.
pub const UNREADABLE: &str = "L0001";
/// A source file is not text.
pub const NOT_TEXT: &str = "L0002";
/// A file or package is too large.
pub const TOO_LARGE: &str = "L0003";
/// A manifest or the layout of a package is wrong.
pub const BAD_PACKAGE: &str = "L0004";

fn error(code: &'static str, path: &Path, message: impl Into<String>) -> LoadError {
    LoadError {
        code,
        path: path.to_owned(),
        message: message.into(),
        help: None,
    }
}

fn unreadable(path: &Path, why: &io::Error) -> LoadError {
    let message = match why.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        _ => format!("cannot be read: {why}"),
    };
    error(UNREADABLE, path, message)
}

/// Whether a file says by its name that it holds source text.
#[must_use]
pub fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext == "jet")
}

/// Reads what the path holds.
pub fn load(path: &Path) -> Result<Input, LoadError> {
    let meta = fs::metadata(path).map_err(|why| unreadable(path, &why))?;
    if meta.is_dir() {
        return load_folder(path).map(Input::Texts);
    }
    let is_bundle_name = path.extension().is_some_and(|ext| ext == "jbc");
    let bytes = read(path, MAX_FILE_BYTES.max(MAX_SOURCE_BYTES))?;
    if is_bundle_name || bytes.starts_with(MAGIC) {
        return Ok(Input::Bundle(bytes));
    }
    if !is_source(path) {
        let mut other = error(BAD_PACKAGE, path, "is neither source text nor a bundle");
        other.help = Some("the name of a source file ends in `.jet`".into());
        return Err(other);
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let name = package_name(&stem);
    let mut texts = Texts::default();
    let files = follow_imports(folder, path, &name, bytes, &mut texts)?;
    texts.program.packages.push(PackageInput {
        name,
        version: "0.0.0".into(),
        deps: Vec::new(),
        files,
    });
    Ok(Input::Texts(texts))
}

/// Reads a program with the modules that only its tests need: those below `tests/` of a package.
pub fn load_for_tests(path: &Path) -> Result<Texts, LoadError> {
    let mut texts = match load(path)? {
        Input::Texts(texts) => texts,
        Input::Bundle(_) => {
            let mut bundle = error(BAD_PACKAGE, path, "a bundle has no tests");
            bundle.help = Some("name a file or folder of sources".into());
            return Err(bundle);
        }
    };
    let folder = path.join("tests");
    if path.join("jet.toml").is_file() && folder.is_dir() {
        let package = texts.name().to_owned();
        let mut files = Vec::new();
        let mut packages = Packages {
            texts: &mut texts,
            loaded: BTreeMap::new(),
            open: Vec::new(),
        };
        packages.modules(&folder, "tests.", &package, 0, &mut files)?;
        if let Some(root) = texts.program.packages.last_mut() {
            root.files.extend(files);
        }
    }
    Ok(texts)
}

/// Reads the bytes of what should be a bundle.
pub fn read_bundle(path: &Path) -> Result<Vec<u8>, LoadError> {
    read(path, MAX_FILE_BYTES)
}

/// The text of a source file.
///
/// # Errors
/// If there is none, or it is no text, or too large.
pub fn read_source(path: &Path) -> Result<String, LoadError> {
    text(path, read(path, MAX_SOURCE_BYTES)?)
}

fn load_folder(path: &Path) -> Result<Texts, LoadError> {
    let mut texts = Texts::default();
    if path.join("jet.toml").is_file() {
        let mut packages = Packages {
            texts: &mut texts,
            loaded: BTreeMap::new(),
            open: Vec::new(),
        };
        packages.add(path, path, Role::Root)?;
        return Ok(texts);
    }
    let main = path.join("main.jet");
    if !main.is_file() {
        let mut none = error(
            BAD_PACKAGE,
            path,
            "the folder has neither `main.jet` nor `jet.toml`",
        );
        none.help = Some("name a file, or a folder with one of these".into());
        return Err(none);
    }
    let real = path.canonicalize().map_err(|why| unreadable(path, &why))?;
    let folder_name = real
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let name = package_name(&folder_name);
    let bytes = read(&main, MAX_SOURCE_BYTES)?;
    let files = follow_imports(path, &main, &name, bytes, &mut texts)?;
    texts.program.packages.push(PackageInput {
        name,
        version: "0.0.0".into(),
        deps: Vec::new(),
        files,
    });
    Ok(texts)
}

/// A package name out of a file or folder name.
fn package_name(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut name: String = lower
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .take(60)
        .collect();
    if !is_name(&name) || name == "std" {
        name.insert(0, '_');
    }
    name
}

/// Bytes of a regular file, at most so many.
fn read(path: &Path, limit: usize) -> Result<Vec<u8>, LoadError> {
    let meta = fs::metadata(path).map_err(|why| unreadable(path, &why))?;
    if !meta.is_file() {
        return Err(error(UNREADABLE, path, "not a regular file"));
    }
    let file = File::open(path).map_err(|why| unreadable(path, &why))?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|why| unreadable(path, &why))?;
    if bytes.len() > limit {
        return Err(error(
            TOO_LARGE,
            path,
            format!("larger than {} MiB", limit >> 20),
        ));
    }
    Ok(bytes)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, LoadError> {
    if bytes.len() > MAX_SOURCE_BYTES {
        return Err(error(
            TOO_LARGE,
            path,
            format!("larger than {} MiB", MAX_SOURCE_BYTES >> 20),
        ));
    }
    String::from_utf8(bytes).map_err(|why| {
        let at = why.utf8_error().valid_up_to();
        let valid = why.as_bytes().get(..at).unwrap_or_default();
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let mut not_text = error(
            NOT_TEXT,
            path,
            format!("not UTF-8 text: byte {at}, on line {line}, begins no character"),
        );
        not_text.help =
            Some("a bundle has the extension `.jbc`; a source file is saved as UTF-8".into());
        not_text
    })
}

/// The root file as module `main`, and the files beside it that it imports, and they.
fn follow_imports(
    folder: &Path,
    root: &Path,
    package: &str,
    bytes: Vec<u8>,
    texts: &mut Texts,
) -> Result<Vec<SourceInput>, LoadError> {
    let root_name = root
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut files = Vec::new();
    let mut wanted = vec![("main".to_owned(), root_name, root.to_owned())];
    let mut seen = BTreeSet::from(["main".to_owned()]);
    let mut bytes = Some(bytes);
    while let Some((module, name, file)) = wanted.pop() {
        let bytes = match bytes.take() {
            Some(bytes) => bytes,
            None => read(&file, MAX_SOURCE_BYTES)?,
        };
        let input = texts.module(format!("{package}/{name}"), module, &file, bytes)?;
        for module in imports(&input.text) {
            let name = format!("{}.jet", module.replace('.', "/"));
            let file = folder.join(&name);
            // What is not there is for the compiler to report, at the import.
            if file.is_file() && seen.insert(module.clone()) {
                wanted.push((module, name, file));
            }
        }
        files.push(input);
        if files.len() > MAX_FILES {
            return Err(error(
                TOO_LARGE,
                folder,
                format!("the program has more than {MAX_FILES} modules"),
            ));
        }
    }
    files.sort_by(|a, b| a.module.cmp(&b.module));
    Ok(files)
}

/// Modules that a text may import. It reads lines, not syntax: a line too many loads a file that the
/// compiler then sees nobody import.
fn imports(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for line in text.lines() {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let rest = match (line.strip_prefix("import "), line.strip_prefix("from ")) {
            (Some(list), _) => list,
            (None, Some(rest)) => rest.split_whitespace().next().unwrap_or_default(),
            (None, None) => continue,
        };
        for part in rest.split(',') {
            let module: String = part
                .trim_start()
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "_.".contains(*c))
                .collect();
            if module.split('.').all(is_name) && !module.starts_with("std.") && module != "std" {
                out.push(module);
            }
        }
    }
    out
}

/// Packages with manifests, dependencies first.
struct Packages<'a> {
    texts: &'a mut Texts,
    /// Real folder to name.
    loaded: BTreeMap<PathBuf, String>,
    /// Real folders of the packages whose dependencies are being added.
    open: Vec<PathBuf>,
}

/// What a package is to the program.
#[derive(Clone, Copy)]
enum Role<'a> {
    /// The program's own.
    Root,
    Dependency,
    /// It implements the deferred functions of this package.
    Implements(&'a str),
}

impl Role<'_> {
    /// Whether a package with this manifest can be that.
    fn suits(self, manifest: &Manifest) -> Result<(), String> {
        let name = &manifest.name;
        match (self, &manifest.implements) {
            (Role::Dependency, Some(interface)) => {
                return Err(format!(
                    "`{name}` implements `{interface}`, so nothing depends on it: name it under `[implementations]`"
                ));
            }
            (Role::Implements(wanted), interface) if interface.as_deref() != Some(wanted) => {
                return Err(format!(
                    "`{name}` does not implement `{wanted}`: its manifest has to say `implements = \"{wanted}\"`"
                ));
            }
            _ => {}
        }
        if !matches!(self, Role::Root) && !manifest.implementations.is_empty() {
            return Err(format!(
                "`{name}` is not the program: only the program's own manifest names implementations"
            ));
        }
        Ok(())
    }
}

impl Packages<'_> {
    /// Says which package implements an interface.
    fn link(&mut self, interface: &str, package: &str) {
        let links = &mut self.texts.program.implementations;
        links.push(Implementation {
            interface: interface.to_owned(),
            package: package.to_owned(),
        });
    }

    /// Adds the package in a folder unless it is there, and returns its name.
    fn add(&mut self, folder: &Path, shown: &Path, role: Role) -> Result<String, LoadError> {
        let real = folder
            .canonicalize()
            .map_err(|why| unreadable(shown, &why))?;
        if let Some(name) = self.loaded.get(&real) {
            if let Role::Implements(interface) = role {
                let why = format!(
                    "`{name}` is part of the program already: what implements `{interface}` is a package of its own"
                );
                return Err(error(BAD_PACKAGE, shown, why));
            }
            return Ok(name.clone());
        }
        if self.open.contains(&real) {
            return Err(error(BAD_PACKAGE, shown, "the package depends on itself"));
        }
        if self.open.len() + self.loaded.len() >= MAX_PACKAGES {
            return Err(error(
                TOO_LARGE,
                shown,
                format!("the program has more than {MAX_PACKAGES} packages"),
            ));
        }
        let manifest_path = shown.join("jet.toml");
        let manifest_text = text(&manifest_path, read(&manifest_path, MAX_SOURCE_BYTES)?)?;
        let manifest = Manifest::parse(&manifest_text)
            .map_err(|why| error(BAD_PACKAGE, &manifest_path, why))?;
        if let Err(why) = role.suits(&manifest) {
            return Err(error(BAD_PACKAGE, &manifest_path, why));
        }
        self.open.push(real.clone());
        for (name, dependency) in &manifest.dependencies {
            let found = self.add(
                &folder.join(&dependency.path),
                &shown.join(&dependency.path),
                Role::Dependency,
            )?;
            if found != *name {
                let why =
                    format!("dependency `{name}` leads to a package that is called `{found}`");
                return Err(error(BAD_PACKAGE, &manifest_path, why));
            }
            self.texts.ceilings.push(Ceiling {
                dependent: manifest.name.clone(),
                dependency: found,
                allow: dependency.allow.clone(),
                implements: None,
            });
        }
        for (interface, path) in &manifest.implementations {
            let role = Role::Implements(interface);
            let package = self.add(&folder.join(path), &shown.join(path), role)?;
            // It may name what the interface may name.
            let allow = manifest.dependencies.get(interface);
            self.texts.ceilings.push(Ceiling {
                dependent: manifest.name.clone(),
                dependency: package.clone(),
                allow: allow.map_or(Vec::new(), |d| d.allow.clone()),
                implements: Some(interface.clone()),
            });
            self.link(interface, &package);
        }
        if let (Role::Root, Some(interface)) = (role, &manifest.implements) {
            self.link(interface, &manifest.name);
        }
        self.open.pop();
        if self
            .texts
            .program
            .packages
            .iter()
            .any(|package| package.name == manifest.name)
        {
            let why = format!("two packages of the program are called `{}`", manifest.name);
            return Err(error(BAD_PACKAGE, &manifest_path, why));
        }
        let mut files = Vec::new();
        let inside = format!("{}/src", manifest.name);
        self.modules(&shown.join("src"), "", &inside, 0, &mut files)?;
        let wanted = if self.open.is_empty() {
            &["main", "lib"][..]
        } else {
            &["lib"]
        };
        if !files
            .iter()
            .any(|file| wanted.contains(&file.module.as_str()))
        {
            let names: Vec<String> = wanted
                .iter()
                .map(|name| format!("`src/{name}.jet`"))
                .collect();
            return Err(error(
                BAD_PACKAGE,
                shown,
                format!("the package has no {}", names.join(" or ")),
            ));
        }
        let deps = manifest.dependencies.into_keys().collect();
        self.loaded.insert(real, manifest.name.clone());
        self.texts.program.packages.push(PackageInput {
            name: manifest.name.clone(),
            version: manifest.version,
            deps,
            files,
        });
        Ok(manifest.name)
    }

    /// The modules in a folder, in the order of their names; their paths start with `inside`. Links to
    /// folders are not followed.
    fn modules(
        &mut self,
        folder: &Path,
        prefix: &str,
        inside: &str,
        depth: usize,
        out: &mut Vec<SourceInput>,
    ) -> Result<(), LoadError> {
        if depth > MAX_DEPTH {
            return Err(error(
                TOO_LARGE,
                folder,
                format!("the package nests folders deeper than {MAX_DEPTH}"),
            ));
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(|why| unreadable(folder, &why))? {
            let entry = entry.map_err(|why| unreadable(folder, &why))?;
            let is_dir = entry
                .file_type()
                .map_err(|why| unreadable(folder, &why))?
                .is_dir();
            names.push((entry.file_name().to_string_lossy().into_owned(), is_dir));
        }
        names.sort();
        for (name, is_dir) in names {
            let path = folder.join(&name);
            if is_dir && is_name(&name) {
                self.modules(&path, &format!("{prefix}{name}."), inside, depth + 1, out)?;
            } else if let Some(stem) = name.strip_suffix(".jet").filter(|_| !is_dir) {
                if !is_name(stem) {
                    return Err(error(
                        BAD_PACKAGE,
                        &path,
                        "not the name of a module: use lower-case letters, digits and `_`",
                    ));
                }
                if out.len() >= MAX_FILES {
                    return Err(error(
                        TOO_LARGE,
                        folder,
                        format!("the package has more than {MAX_FILES} modules"),
                    ));
                }
                let bytes = read(&path, MAX_SOURCE_BYTES)?;
                let inside = format!("{inside}/{}{name}", prefix.replace('.', "/"));
                let file = self
                    .texts
                    .module(inside, format!("{prefix}{stem}"), &path, bytes)?;
                out.push(file);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Folder(PathBuf);

    impl Folder {
        fn new(files: &[(&str, &[u8])]) -> Folder {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let name = format!(
                "jet-sources-{}-{}",
                std::process::id(),
                NEXT.fetch_add(1, Ordering::Relaxed)
            );
            let root = std::env::temp_dir().join(name);
            for (path, bytes) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            Folder(root)
        }

        fn texts(&self, path: &str) -> Result<Texts, LoadError> {
            match load(&self.0.join(path))? {
                Input::Texts(texts) => Ok(texts),
                Input::Bundle(_) => panic!("not a bundle"),
            }
        }

        fn code(&self, path: &str) -> &'static str {
            self.texts(path).unwrap_err().code
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn modules(package: &PackageInput) -> Vec<(&str, &str)> {
        package
            .files
            .iter()
            .map(|file| (file.module.as_str(), file.path.as_str()))
            .collect()
    }

    #[test]
    fn a_file_brings_what_it_imports() {
        let folder = Folder::new(&[
            (
                "App One/word count.jet",
                b"import shapes, deep.inner\nimport std.math\nimport none\n",
            ),
            ("App One/shapes.jet", b"from main import x\n"),
            ("App One/deep/inner.jet", b""),
            ("App One/other.jet", b"\xff"),
            ("App One/main.jet", b"from shapes import A\n"),
        ]);
        let texts = folder.texts("App One/word count.jet").unwrap();
        assert_eq!(texts.name(), "word_count");
        let expected = [
            ("deep.inner", "word_count/deep/inner.jet"),
            ("main", "word_count/word count.jet"),
            ("shapes", "word_count/shapes.jet"),
        ];
        assert_eq!(modules(&texts.program.packages[0]), expected);
        assert!(
            texts
                .display("word_count/shapes.jet")
                .ends_with("App One/shapes.jet")
        );
        let texts = folder.texts("App One").unwrap();
        assert_eq!(texts.name(), "app_one");
        assert_eq!(
            modules(&texts.program.packages[0]),
            [
                ("main", "app_one/main.jet"),
                ("shapes", "app_one/shapes.jet")
            ]
        );
    }

    #[test]
    fn packages_come_in_the_order_of_their_dependencies() {
        let folder = Folder::new(&[
            ("app/jet.toml", b"name = \"app\"\n[dependencies]\na = { path = \"../a\", allow = [\"Console\"] }\nb = { path = \"../b\" }\n"),
            ("app/src/main.jet", b""),
            ("app/src/sub/part.jet", b""),
            ("a/jet.toml", b"name = \"a\"\n[dependencies]\nb = { path = \"../b/\" }\n"),
            ("a/src/lib.jet", b""),
            ("b/jet.toml", b"name = \"b\"\nversion = \"2.0.0\"\n"),
            ("b/src/lib.jet", b""),
        ]);
        let texts = folder.texts("app").unwrap();
        let names: Vec<&str> = texts
            .program
            .packages
            .iter()
            .map(|p| p.name.as_str())
            .collect();
        assert_eq!(names, ["b", "a", "app"]);
        let app = texts.program.packages.last().unwrap();
        assert_eq!(
            modules(app),
            [
                ("main", "app/src/main.jet"),
                ("sub.part", "app/src/sub/part.jet")
            ]
        );
        assert_eq!(app.deps, ["a", "b"]);
        assert_eq!(texts.ceilings.len(), 3);
        assert!(texts.ceilings.contains(&Ceiling {
            dependent: "app".into(),
            dependency: "a".into(),
            allow: vec!["Console".into()],
            implements: None,
        }));
    }

    #[test]
    fn what_is_no_program_is_refused() {
        let big = vec![b'('; MAX_SOURCE_BYTES + 1];
        let folder = Folder::new(&[
            ("bad.jet", b"ok\n\xc3\x28"),
            ("big.jet", &big),
            ("empty/x", b""),
            ("nolib/jet.toml", b"name = \"nolib\""),
            ("nolib/src/other.jet", b""),
            (
                "loop/jet.toml",
                b"name = \"loop_\"\n[dependencies]\nb = { path = \"../loop_b\" }",
            ),
            ("loop/src/main.jet", b""),
            (
                "loop_b/jet.toml",
                b"name = \"b\"\n[dependencies]\nloop_ = { path = \"../loop\" }",
            ),
            ("loop_b/src/lib.jet", b""),
            (
                "named/jet.toml",
                b"name = \"named\"\n[dependencies]\nc = { path = \"../nolib2\" }",
            ),
            ("nolib2/jet.toml", b"name = \"d\""),
            ("nolib2/src/lib.jet", b""),
            ("odd/jet.toml", b"name = \"odd\""),
            ("odd/src/main.jet", b""),
            ("odd/src/not-a-name.jet", b""),
        ]);
        assert_eq!(folder.code("none.jet"), UNREADABLE);
        let not_text = folder.texts("bad.jet").unwrap_err();
        assert_eq!(
            (not_text.code, not_text.message.contains("line 2")),
            (NOT_TEXT, true)
        );
        assert_eq!(folder.code("big.jet"), TOO_LARGE);
        for package in ["empty", "nolib", "loop", "named", "odd"] {
            assert_eq!(folder.code(package), BAD_PACKAGE, "{package}");
        }
        assert_eq!(load(Path::new("/dev/zero")).unwrap_err().code, UNREADABLE);
    }

    #[test]
    fn bundles_are_known_by_name_and_by_magic() {
        let mut bytes = MAGIC.to_vec();
        bytes.push(0);
        let folder = Folder::new(&[("a.jbc", b"anything"), ("b", &bytes)]);
        for name in ["a.jbc", "b"] {
            assert!(
                matches!(load(&folder.0.join(name)), Ok(Input::Bundle(_))),
                "{name}"
            );
        }
    }
}
