//! The `jetvm` command: what each subcommand does, and with which code it exits.
//!
//! Exit codes: 0 fine; 1 the program failed or does not check; 2 usage; 3 refused (not granted, not
//! verified); 4 a limit; 101 a bug of ours; 130 interrupted.

pub mod args;
pub mod bundle;
mod doc;
mod explain;
mod fix;
mod fmt;
pub mod grants;
mod new;
pub mod observed;
mod program;
pub mod quantity;
mod repl;
mod run;
mod test;

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::process::ExitCode;

use args::{AuditArgs, Command, MessageFormat, Refused};
use jet_vm::host::interrupt;

use crate::audit;
use crate::audit_diff;
use crate::render::{Style, clean_line};
use crate::sources::{self, LoadError};
use program::Loaded;
pub(crate) use run::gc_log;

/// Fine.
pub const OK: u8 = 0;
/// The program failed or does not check.
pub const FAILED: u8 = 1;
/// The command line, or a file that it names, is wrong.
pub const USAGE: u8 = 2;
/// Not granted, or not verified.
pub const REFUSED: u8 = 3;
/// A limit ended the run.
pub const LIMIT: u8 = 4;
/// A bug of ours.
pub const BUG: u8 = 101;
/// Interrupted.
pub const INTERRUPTED: u8 = 130;

/// Stack of the thread that does the work: enough for the bounded recursion of every stage in every
/// build.
const STACK: usize = 64 << 20;

/// The command, on this process's arguments and streams.
#[must_use]
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|l| format!("{}:{}", l.file(), l.line()))
            .unwrap_or_default();
        let payload = info.payload();
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        report_bug(&format!("{} at {place}", text.unwrap_or("panic")));
    }));
    interrupt::install();
    interrupt::outlive_file_size_limit();
    let work = || dispatch(std::env::args_os().skip(1).collect());
    let code = match std::thread::Builder::new()
        .name("jetvm".into())
        .stack_size(STACK)
        .spawn(work)
    {
        Ok(thread) => thread.join().unwrap_or(BUG),
        Err(error) => {
            eprintln!("error: cannot start a thread: {error}");
            FAILED
        }
    };
    ExitCode::from(code)
}

/// Says in one line that we are at fault, and what to send us.
fn report_bug(what: &str) {
    let what = clean_line(what);
    // Not `eprintln!`: a closed stream must not panic inside a panic.
    let _ = writeln!(
        std::io::stderr(),
        "jetvm {}: internal error: {what}. This is a bug of jetvm: please report this line, the command and the program.",
        env!("CARGO_PKG_VERSION")
    );
}

/// How to write to this process's standard error.
fn style(format: MessageFormat) -> Style {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    Style {
        format,
        color: !no_color && !dumb && std::io::stderr().is_terminal(),
    }
}

fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Says why a program cannot be loaded, and gives the exit code.
fn not_loaded(error: &LoadError, style: Style) -> u8 {
    say(&style.load_error(error));
    if error.code == sources::UNREADABLE {
        USAGE
    } else {
        FAILED
    }
}

/// Writes what a subcommand was asked to show.
fn show(text: &str) -> u8 {
    match std::io::stdout()
        .write_all(text.as_bytes())
        .and_then(|()| std::io::stdout().flush())
    {
        Ok(()) => OK,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => OK,
        Err(error) => {
            say(&format!(
                "error: cannot write to standard output: {error}\n"
            ));
            FAILED
        }
    }
}

fn dispatch(args: Vec<std::ffi::OsString>) -> u8 {
    let as_json = args
        .iter()
        .take_while(|arg| *arg != "--")
        .any(|arg| arg == "--message-format=json");
    let cli = match args::parse(args) {
        Ok(cli) => cli,
        Err(refused) => return not_taken(&refused, as_json),
    };
    let style = style(cli.message_format);
    match &cli.command {
        Command::Run(args) => run::run(args, style),
        Command::Build(args) => bundle::build(args, style),
        Command::Check(args) if args.fix => fix::fix(&args.input, style),
        Command::Check(args) => check(&args.input, style),
        Command::Explain(args) => explain::explain(args.code.as_deref(), style),
        Command::Repl(args) => repl::repl(args, style),
        Command::Verify(args) => bundle::verify(args, style),
        Command::Audit(args) => show_audit(args, style),
        Command::Disasm(args) => bundle::disasm(args, style),
        Command::Asm(args) => bundle::asm(args, style),
        Command::Inspect(args) => bundle::inspect(args, style),
        Command::Key(args) => bundle::key(args, style),
        Command::Test(args) => test::test(args, style),
        Command::Fmt(args) => fmt::fmt(args, style),
        Command::Doc(args) => doc::doc(args, style),
        Command::New(args) => new::new(args, style),
    }
}

/// Says why a command line was not taken, or shows the help that was asked for, and gives the exit code.
fn not_taken(refused: &Refused, as_json: bool) -> u8 {
    let (message, help) = match refused {
        Refused::Message(message) => (clean_line(message), None),
        Refused::Clap(error) if !error.use_stderr() => {
            let _ = error.print();
            return OK;
        }
        Refused::Clap(error) | Refused::Help(error, _) if !as_json => {
            let _ = error.print();
            if let Refused::Help(_, help) = refused {
                say(&format!("\nhint: {}\n", clean_line(help)));
            }
            return USAGE;
        }
        Refused::Clap(error) => (said(error), None),
        Refused::Help(error, help) => (said(error), Some(clean_line(help))),
    };
    if as_json {
        let style = style(MessageFormat::Json);
        let help = help.as_deref();
        let help = help.unwrap_or("for what is supported, try `jetvm --help`");
        say(&style.plain("", &message, Some(help), &[]));
    } else {
        say(&format!(
            "error: {message}\n\nFor what is supported, try `jetvm --help`.\n"
        ));
    }
    USAGE
}

/// What the parser of command lines says is wrong, without its advice.
fn said(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    clean_line(first.trim_start_matches("error: ").trim())
}

fn check(input: &Path, style: Style) -> u8 {
    match program::load(input, style) {
        Ok(loaded) => {
            // As in `build`.
            std::mem::forget(loaded);
            OK
        }
        Err(code) => code,
    }
}

fn show_audit(args: &AuditArgs, style: Style) -> u8 {
    if let Some(newer) = &args.newer {
        return compare_audits(args, newer, style);
    }
    let loaded = match program::load(&args.input, style) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let module = &loaded.module;
    let shown = if args.json {
        show(&format!("{}\n", audit::json(module.program())))
    } else {
        let mut text = audit::text(module.program());
        let _ = writeln!(text, "bundle\n  {}", audit::hex(&module.hash()));
        show(&text)
    };
    if shown == OK && args.deny_warnings {
        return denied_warnings(&loaded, &args.input, style);
    }
    shown
}

/// `audit --deny-warnings`.
fn denied_warnings(loaded: &Loaded, path: &Path, style: Style) -> u8 {
    let told = loaded.output.iter().flat_map(|o| &o.diagnostics);
    let told = told.filter(|d| d.severity == jet_frontend::diag::Severity::Warning);
    let count = told.count() + audit::warnings(loaded.module.program()).len();
    if count == 0 {
        return OK;
    }
    let plural = if count == 1 { "" } else { "s" };
    let what = format!("`{}` has {count} warning{plural}", path.display());
    let help = "without `--deny-warnings`, they are only shown";
    say(&style.plain("refused", &what, Some(help), &[]));
    REFUSED
}

/// `audit --diff OLD NEW`.
fn compare_audits(args: &AuditArgs, newer: &Path, style: Style) -> u8 {
    let (old, new) = match (
        program::load(&args.input, style),
        program::load(newer, style),
    ) {
        (Ok(old), Ok(new)) => (old.module, new),
        (Err(code), _) | (_, Err(code)) => return code,
    };
    let diff = audit_diff::diff(old.program(), new.module.program());
    let shown = if args.json {
        show(&format!("{}\n", audit_diff::json(&diff)))
    } else {
        show(&audit_diff::text(&diff))
    };
    if shown == OK && args.deny_new && !diff.gained.is_empty() {
        say(&style.plain(
            "refused",
            &format!("`{}` gains authority", newer.display()),
            Some("without `--deny-new`, this is only shown"),
            &[],
        ));
        return REFUSED;
    }
    if shown == OK && args.deny_warnings {
        return denied_warnings(&new, newer, style);
    }
    shown
}
