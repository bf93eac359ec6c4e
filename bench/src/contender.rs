//! What takes part in a comparison: our own modes and the peers, how each is made ready
//! and how it is started.
//!
//! Must stay true: nothing is written into the suite's checkout; what has to be compiled
//! goes into a directory of this run, which is removed at the end.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;

use crate::process;
use crate::suite::{Counts, Suite};

/// How long a compiler may take.
const COMPILE_TIMEOUT: Duration = Duration::from_secs(600);

/// How `jetvm` runs our programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Interpreter only.
    Off,
    /// With the compiler.
    On,
}

impl Mode {
    /// The value of `--jit`.
    pub fn flag(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::On => "on",
        }
    }
}

/// Implementations of other languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// LuaJIT.
    #[value(name = "luajit")]
    LuaJit,
    /// LuaJIT's interpreter alone.
    #[value(name = "luajit-joff")]
    LuaJitOff,
    /// PUC Lua 5.4.
    #[value(name = "lua5.4")]
    Lua54,
    /// Node.js.
    Node,
    /// The JDK that is installed.
    Java,
    /// PyPy.
    #[value(name = "pypy3")]
    PyPy3,
    /// C++ by `g++ -O3`.
    Cpp,
    /// C by `gcc -O2`.
    Gcc,
    /// Go.
    Go,
    /// OCaml, compiled to machine code.
    #[value(name = "ocaml")]
    OCaml,
}

impl Peer {
    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Peer::LuaJit => "luajit",
            Peer::LuaJitOff => "luajit-joff",
            Peer::Lua54 => "lua5.4",
            Peer::Node => "node",
            Peer::Java => "java",
            Peer::PyPy3 => "pypy3",
            Peer::Cpp => "cpp",
            Peer::Gcc => "gcc",
            Peer::Go => "go",
            Peer::OCaml => "ocaml",
        }
    }

    /// The programs that must be installed; the first one runs, or compiles, the suite.
    fn tools(self) -> &'static [&'static str] {
        match self {
            Peer::LuaJit | Peer::LuaJitOff => &["luajit"],
            Peer::Lua54 => &["lua5.4"],
            Peer::Node => &["node"],
            Peer::Java => &["java", "javac"],
            Peer::PyPy3 => &["pypy3"],
            Peer::Cpp => &["g++"],
            Peer::Gcc => &["gcc"],
            Peer::Go => &["go"],
            Peer::OCaml => &["ocamlopt"],
        }
    }

    fn version_flag(self) -> &'static str {
        match self {
            Peer::LuaJit | Peer::LuaJitOff | Peer::Lua54 => "-v",
            Peer::Go => "version",
            Peer::OCaml => "-version",
            Peer::Node | Peer::Java | Peer::PyPy3 | Peer::Cpp | Peer::Gcc => "--version",
        }
    }

    /// The folder of "Are We Fast Yet?" with this language's programs.
    fn folder(self) -> Option<&'static str> {
        match self {
            Peer::LuaJit | Peer::LuaJitOff | Peer::Lua54 => Some("Lua"),
            Peer::Node => Some("JavaScript"),
            Peer::Java => Some("Java"),
            Peer::PyPy3 => Some("Python"),
            Peer::Cpp => Some("C++"),
            Peer::Gcc | Peer::Go | Peer::OCaml => None,
        }
    }

    /// The file with this language's kernels of a suite.
    fn kernels(self, suite: Suite) -> Option<&'static str> {
        match self {
            Peer::LuaJit | Peer::LuaJitOff | Peer::Lua54 => Some("kernels.lua"),
            Peer::Node => Some("kernels.js"),
            Peer::Gcc => Some("kernels.c"),
            Peer::Java if suite == Suite::Heap => Some("Heap.java"),
            Peer::Go if suite == Suite::Heap => Some("heap.go"),
            Peer::OCaml if suite == Suite::Heap => Some("heap.ml"),
            Peer::Java | Peer::Go | Peer::OCaml | Peer::PyPy3 | Peer::Cpp => None,
        }
    }

    /// Whether it has the programs of a suite.
    pub fn knows(self, suite: Suite) -> bool {
        match suite {
            Suite::Awfy => self.folder().is_some(),
            Suite::Kernels | Suite::Heap => self.kernels(suite).is_some(),
            Suite::Shapes => false,
        }
    }
}

/// One column of the comparison, ready to be started.
#[derive(Clone, Debug)]
pub struct Contender {
    /// The name in tables and reports.
    pub name: String,
    /// What the implementation says about its version.
    pub version: String,
    /// One of our modes, not a peer.
    pub ours: bool,
    program: OsString,
    arguments: Vec<OsString>,
    folder: PathBuf,
}

impl Contender {
    /// The command that measures one program.
    pub fn command(&self, name: &str, counts: Counts) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .arg(name)
            .arg(counts.iterations.to_string())
            .arg(counts.inner.to_string())
            .current_dir(&self.folder)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// `jetvm` at `jetvm`, running the programs in `programs`.
pub fn ours(mode: Mode, jetvm: &Path, programs: &Path, suite: Suite) -> Contender {
    let stats = (suite == Suite::Heap).then_some("--stats=json");
    Contender {
        name: format!("jet-{}", mode.flag()),
        version: version(Command::new(jetvm).arg("--version")),
        ours: true,
        program: jetvm.into(),
        arguments: ["run".into(), programs.into(), "--allow-timer".into()]
            .into_iter()
            .chain([format!("--jit={}", mode.flag()).into()])
            .chain(stats.map(OsString::from))
            .chain(["--".into()])
            .collect(),
        folder: PathBuf::from("."),
    }
}

/// The program that runs, or compiles, a peer; an error if one of its tools is missing.
fn tool(peer: Peer) -> Result<PathBuf, String> {
    let mut found = None;
    for tool in peer.tools().iter().rev() {
        found = Some(find_program(tool).ok_or_else(|| format!("{tool} is not installed"))?);
    }
    found.ok_or_else(|| "no tool is known for it".to_owned())
}

/// A peer with the kernels in `folder`, compiled into `scratch` where needed; an error says why it
/// cannot take part.
pub fn kernel_peer(
    peer: Peer,
    suite: Suite,
    folder: &Path,
    scratch: &Path,
) -> Result<Contender, String> {
    let file = peer.kernels(suite).ok_or("it has no such kernels")?;
    let tool = tool(peer)?;
    let source = folder.join(file);
    if !source.is_file() {
        return Err(format!("{} is not there", source.display()));
    }
    let mut program = tool.clone();
    let mut arguments: Vec<OsString> = Vec::new();
    let compiler = peer.tools().last().copied().unwrap_or_default();
    // Flags, of which the last takes the output.
    let compile = |flags: &[&str], output: &Path, source: &Path, libraries: &[&str]| {
        let mut command = Command::new(compiler);
        command.args(flags).arg(output).arg(source).args(libraries);
        process::run(&mut command, COMPILE_TIMEOUT).map_err(|e| format!("{compiler}: {e}"))
    };
    match peer {
        Peer::Gcc => {
            program = scratch.join("kernels");
            let flags = ["-O2", "-ffp-contract=off", "-o"];
            compile(&flags, &program, &source, &["-lm"])?;
        }
        Peer::Go => {
            program = scratch.join("kernels-go");
            compile(&["build", "-o"], &program, &source, &[])?;
        }
        Peer::OCaml => {
            program = scratch.join("kernels-ocaml");
            // It writes what lies between beside the source, so that has to be a copy.
            let copy = scratch.join(file);
            fs::copy(&source, &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
            let flags = ["-O3", "-I", "+unix", "unix.cmxa", "-o"];
            compile(&flags, &program, &copy, &[])?;
        }
        Peer::Java => {
            let classes = scratch.join("java-kernels");
            compile(&["-d"], &classes, &source, &[])?;
            arguments.extend(["-cp".into(), classes.into(), "Heap".into()]);
        }
        Peer::LuaJitOff => arguments.extend(["-joff".into(), source.into()]),
        _ => arguments.push(source.into()),
    }
    Ok(Contender {
        name: peer.name().to_owned(),
        version: version(Command::new(&tool).arg(peer.version_flag())),
        ours: false,
        program: program.into(),
        arguments,
        folder: folder.to_path_buf(),
    })
}

/// A peer with the checkout of "Are We Fast Yet?" at `suite`, compiled into `scratch` where needed;
/// an error says why it cannot take part.
pub fn awfy_peer(peer: Peer, suite: &Path, scratch: &Path) -> Result<Contender, String> {
    let language = peer.folder().ok_or("the suite is not written in it")?;
    let tool = &tool(peer)?;
    let folder = suite.join("benchmarks").join(language);
    if !folder.is_dir() {
        return Err(format!("{} is not there", folder.display()));
    }
    let mut program = tool.clone().into_os_string();
    let mut arguments: Vec<OsString> = Vec::new();
    match peer {
        Peer::LuaJit | Peer::Lua54 => arguments.push("harness.lua".into()),
        Peer::LuaJitOff => arguments.extend(["-joff".into(), "harness.lua".into()]),
        Peer::Node => arguments.push("harness.js".into()),
        Peer::PyPy3 => arguments.push("harness.py".into()),
        Peer::Java => {
            let classes = compile_java(&folder, scratch)?;
            arguments.extend(["-cp".into(), classes.into(), "Harness".into()]);
        }
        Peer::Cpp | Peer::Gcc | Peer::Go | Peer::OCaml => {
            program = compile_cpp(tool, &folder, scratch)?.into()
        }
    }
    Ok(Contender {
        name: peer.name().to_owned(),
        version: version(Command::new(tool).arg(peer.version_flag())),
        ours: false,
        program,
        arguments,
        folder,
    })
}

fn compile_java(folder: &Path, scratch: &Path) -> Result<PathBuf, String> {
    let classes = scratch.join("java");
    let mut sources = Vec::new();
    source_files(&folder.join("src"), "java", &mut sources)
        .map_err(|e| format!("cannot list its sources: {e}"))?;
    process::run(
        Command::new("javac").arg("-d").arg(&classes).args(sources),
        COMPILE_TIMEOUT,
    )
    .map_err(|e| format!("javac: {e}"))?;
    Ok(classes)
}

fn compile_cpp(compiler: &Path, folder: &Path, scratch: &Path) -> Result<PathBuf, String> {
    let binary = scratch.join("cpp-harness");
    let mut sources = Vec::new();
    source_files(&folder.join("src"), "cpp", &mut sources)
        .map_err(|e| format!("cannot list its sources: {e}"))?;
    // As the suite builds it, with its flag that keeps float results exact.
    process::run(
        Command::new(compiler)
            .args(["-O3", "-march=native", "-flto", "-ffp-contract=off"])
            .args(["-std=c++17", "-o"])
            .arg(&binary)
            .args(sources),
        COMPILE_TIMEOUT,
    )
    .map_err(|e| format!("g++: {e}"))?;
    Ok(binary)
}

/// The files below `folder` with an extension, in a fixed order.
fn source_files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(())
}

/// The program of that name in `PATH`.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// The first line that a version command prints, or nothing.
fn version(command: &mut Command) -> String {
    let Ok(output) = command.output() else {
        return String::new();
    };
    let text = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: Counts = Counts {
        iterations: 3,
        inner: 100,
    };

    #[test]
    fn our_command_line_is_the_documented_one() {
        let (jetvm, programs) = (Path::new("bin/jetvm"), Path::new("bench/awfy"));
        let jet = ours(Mode::Off, jetvm, programs, Suite::Awfy);
        assert_eq!(jet.name, "jet-off");
        let command = jet.command("Richards", COUNTS);
        let arguments: Vec<_> = command.get_args().map(|a| a.to_str().unwrap()).collect();
        assert_eq!(
            arguments,
            [
                "run",
                "bench/awfy",
                "--allow-timer",
                "--jit=off",
                "--",
                "Richards",
                "3",
                "100"
            ]
        );
    }

    #[test]
    fn a_peer_without_a_checkout_cannot_take_part() {
        // Whichever tools are installed, there is a reason.
        for p in Peer::value_variants() {
            let (suite, scratch) = (Path::new("no/such/suite"), Path::new("no/such/scratch"));
            assert!(awfy_peer(*p, suite, scratch).is_err(), "{}", p.name());
            let kernels = kernel_peer(*p, Suite::Heap, suite, scratch);
            assert!(kernels.is_err(), "{}", p.name());
        }
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for p in Peer::value_variants() {
            assert_eq!(p.to_possible_value().unwrap().get_name(), p.name());
        }
    }
}
