//! `jetvm repl`: reads entries from a person or a pipe, and shows what comes of them.
//!
//! An entry goes on over lines while the parser says that it is unfinished, and inside of a block until
//! an empty line. Values go to standard output, messages to standard error.

use jet_frontend::session::shape;
use jet_vm::host::interrupt;
use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor};

use super::args::ReplArgs;
use super::{FAILED, OK, USAGE, report_bug, say, show};
use crate::render::{Style, clean};
use crate::session::{Answer, Session};

const PROMPT: &str = "jet> ";
const MORE: &str = "...> ";

const HELP: &str = "\
An entry is an expression, statements or declarations. A block ends with an empty line.
`it` is the last value. A name that is bound or declared again means the new thing from then on.

  :type EXPR   the type of an expression, which is not run
  :names       the names that have values, with their types
  :help        this
  :quit        ends the session; so does Ctrl-D

Ctrl-C ends what runs or is typed and keeps the session. Authority is granted by the flags of
`jetvm repl`, the same as those of `jetvm run`; limits hold for each entry.
";

/// What was typed.
enum Input {
    Entry(String),
    Again,
    End,
}

/// Runs a session and gives the exit code.
pub(super) fn repl(args: &ReplArgs, style: Style) -> u8 {
    let options = match args.options() {
        Ok(options) => options,
        Err(message) => {
            say(&style.plain("", &message, None, &[]));
            return USAGE;
        }
    };
    let seed = options.seed.unwrap_or_else(super::run::random_seed);
    let mut session = match Session::new(options, style, seed) {
        Ok(session) => session,
        Err(message) => {
            say(&style.plain("", &message, None, &[]));
            return USAGE;
        }
    };
    let config = Config::builder().auto_add_history(false).build();
    let mut editor = match DefaultEditor::with_config(config) {
        Ok(editor) => editor,
        Err(error) => {
            say(&format!("error: cannot read the terminal: {error}\n"));
            return FAILED;
        }
    };
    interrupt::keep_running();
    let history = std::env::var_os("JETVM_HISTORY");
    if let Some(path) = &history {
        // A first session has none.
        let _ = editor.load_history(path);
    }
    loop {
        let text = match read(&mut editor) {
            Input::Entry(text) => text,
            Input::Again => continue,
            Input::End => break,
        };
        let _ = editor.add_history_entry(text.trim_end());
        let command = text.trim();
        if let Some(command) = command.strip_prefix(':') {
            if !answer_command(command, &mut session) {
                break;
            }
        } else if !command.is_empty() {
            let came = session.enter(&text);
            answer(came, &mut session);
        }
    }
    if let Some(path) = &history
        && let Err(error) = editor.save_history(path)
    {
        say(&format!("error: cannot write the history: {error}\n"));
    }
    OK
}

fn read(editor: &mut DefaultEditor) -> Input {
    let mut text = String::new();
    let mut empty = 0;
    loop {
        let prompt = if text.is_empty() { PROMPT } else { MORE };
        match editor.readline(prompt) {
            Ok(line) => {
                if text.is_empty() && line.trim().is_empty() {
                    return Input::Again;
                }
                if text.is_empty() && line.trim_start().starts_with(':') {
                    return Input::Entry(line);
                }
                empty = if line.trim().is_empty() { empty + 1 } else { 0 };
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(line.trim_end());
                // Who types two empty lines wants to hear what is wrong.
                if empty >= 2 || !shape(&text).unfinished {
                    return Input::Entry(text);
                }
            }
            Err(ReadlineError::Interrupted) => return Input::Again,
            // What a pipe ends with counts; a person who leaves does not mean it.
            Err(ReadlineError::Eof) if !text.trim().is_empty() => return Input::Entry(text),
            Err(ReadlineError::Eof) => return Input::End,
            Err(error) => {
                say(&format!("error: cannot read the terminal: {error}\n"));
                return Input::End;
            }
        }
    }
}

/// `false` ends the session.
fn answer_command(command: &str, session: &mut Session) -> bool {
    let (word, rest) = command
        .split_once(char::is_whitespace)
        .unwrap_or((command, ""));
    match word {
        "q" | "quit" | "exit" => return false,
        "h" | "help" | "?" => {
            show(HELP);
        }
        "t" | "type" => match session.type_of(rest.trim()) {
            Ok(ty) => {
                show(&format!("{}\n", clean(&ty)));
            }
            Err(messages) => say(&messages),
        },
        "names" => {
            let names: String = session
                .names()
                .map(|(name, ty)| format!("{name}: {ty}\n"))
                .collect();
            show(&clean(&names));
        }
        _ => say(&format!(
            "error: there is no command `:{}`; `:help` lists them\n",
            clean(word)
        )),
    }
    true
}

/// Lines of `dbg`, fit for a terminal.
pub(super) fn debugged(log: &jet_vm::Debugged) -> Vec<String> {
    let mut lines: Vec<String> = log.lines.iter().map(|line| clean(line)).collect();
    if log.dropped > 0 {
        lines.push(format!("… and {} more lines of `dbg`", log.dropped));
    }
    lines
}

fn answer(answer: Answer, session: &mut Session) {
    if session.within_line() {
        show("\n");
    }
    for line in debugged(&session.take_debugged()) {
        say(&format!("{line}\n"));
    }
    match answer {
        Answer::Done {
            value,
            warnings,
            dropped,
        } => {
            say(&warnings);
            if let Some(value) = value {
                show(&format!("{}\n", clean(&value)));
            }
            for name in dropped {
                say(&format!(
                    "note: `{name}` is not kept: only first-class values survive an entry\n"
                ));
            }
        }
        Answer::Failed(messages) => say(&messages),
        Answer::Interrupted => say("interrupted\n"),
        Answer::Bug(what) => report_bug(&what),
    }
}
