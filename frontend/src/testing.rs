//! Tests of a program: its `test` blocks and the examples in its documentation, behind one entry point.
//!
//! An example is what stands four spaces deeper than the text of a `##` comment. It becomes a module of its own,
//! called `MODULE#exampleN`, that sees every name of `MODULE`; its lines keep their numbers. The entry point
//! takes the index of a test as its argument and runs that one. What must stay true: a program that is
//! compiled without its tests is the same as if it had none.

use crate::ast;
use crate::diag::Sink;
use crate::driver::SourceInput;
use crate::lexer::lex;
use crate::source::{FileId, SourceMap, Span};
use crate::thir::{
    BinOp, Callee, Entry, Expr, ExprKind, FnDef, FnId, LocalDef, LocalId, PkgId, Program, Stmt,
    TyKind, TyTable,
};

/// A test that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestInfo {
    /// What it is called.
    pub name: String,
    /// Path of its file as inside the program.
    pub path: String,
    /// Line of the file, from 1.
    pub line: u32,
    /// Whether it is an example of the documentation.
    pub example: bool,
}

/// An example of a file's documentation, as a module to parse.
#[derive(Clone, Debug)]
pub struct Example {
    /// The module; its path is the file's.
    pub source: SourceInput,
}

/// First words of what is declared at the top of a module.
const ITEMS: &[&str] = &[
    "struct",
    "enum",
    "error",
    "derive",
    "trait",
    "impl",
    "fn",
    "const",
    "capability",
    "capset",
    "import",
    "from",
    "pub",
];

/// The examples of a file's documentation.
pub fn examples(file: &SourceInput) -> Vec<Example> {
    let mut sink = Sink::with_max(1);
    let lexed = lex(FileId(0), &file.text, &mut sink);
    let starts: Vec<usize> = std::iter::once(0)
        .chain(file.text.match_indices('\n').map(|(i, _)| i + 1))
        .collect();
    let line_of = |at: u32| {
        starts
            .partition_point(|s| *s <= at as usize)
            .saturating_sub(1)
    };
    let mut out = Vec::new();
    // Lines of the example that is open, with the numbers of the first and of the last line read.
    let mut open: Vec<String> = Vec::new();
    let mut first = 0;
    let mut last = 0;
    for doc in &lexed.docs {
        let text = file
            .text
            .get(doc.start as usize..doc.end as usize)
            .unwrap_or("");
        let line = line_of(doc.start);
        if line != last + 1 {
            close(file, &mut open, first, last, &mut out);
        }
        last = line;
        match text.strip_prefix("    ") {
            Some(code) => {
                if open.is_empty() {
                    first = line;
                }
                open.push(code.to_string());
            }
            None if text.is_empty() && !open.is_empty() => open.push(String::new()),
            None => close(file, &mut open, first, last, &mut out),
        }
    }
    close(file, &mut open, first, last, &mut out);
    out
}

/// What is documented: the first name of the first line that is no comment.
fn subject(file: &SourceInput, line: usize) -> String {
    let after = file.text.lines().skip(line);
    let head = after
        .map(str::trim)
        .find(|l| !l.starts_with('#') && !l.starts_with("derive "))
        .unwrap_or("");
    let words = head.split(|c: char| !c.is_alphanumeric() && c != '_');
    let keywords = ["pub", "intrinsic", "deferred", "mut"];
    let mut words = words.filter(|w| !w.is_empty() && !keywords.contains(w));
    let first = words.next().unwrap_or("");
    let name = if ITEMS.contains(&first) {
        words.next().unwrap_or(first)
    } else {
        first
    };
    let module = match file.module.as_str() {
        "main" | "lib" => "",
        other => other,
    };
    match (module, name) {
        ("", "") => "documentation".to_string(),
        (m, "") => m.to_string(),
        ("", n) => n.to_string(),
        (m, n) => format!("{m}.{n}"),
    }
}

/// Ends the open example. Declarations at its head stand outside of the test, so the test's own first
/// line takes the place of a blank line before it, else everything above moves up by a line.
fn close(
    file: &SourceInput,
    open: &mut Vec<String>,
    first: usize,
    last: usize,
    out: &mut Vec<Example>,
) {
    let mut lines = std::mem::take(open);
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    if lines.is_empty() {
        return;
    }
    let declares = |l: &str| {
        let word = l.split(|c: char| !c.is_ascii_alphabetic()).next();
        word.is_some_and(|w| ITEMS.contains(&w))
    };
    let body = lines
        .iter()
        .position(|l| !(l.is_empty() || l.starts_with([' ', '#']) || declares(l)))
        .unwrap_or(lines.len());
    let name = subject(file, last + 1);
    let name: String = name.chars().filter(|c| *c != '"' && *c != '\\').collect();
    let header = format!("test \"{name}\":");
    let mut head: Vec<String> = lines.drain(..body).collect();
    let mut at = first;
    match head.last() {
        Some(l) if l.is_empty() => {
            head.pop();
        }
        _ => at = at.saturating_sub(1),
    }
    let mut text = "\n".repeat(at);
    for l in head {
        text.push_str(&l);
        text.push('\n');
    }
    text.push_str(&header);
    text.push('\n');
    if lines.is_empty() {
        text.push_str("    pass\n");
    }
    for l in lines {
        if !l.is_empty() {
            text.push_str("    ");
            text.push_str(&l);
        }
        text.push('\n');
    }
    let module = format!("{}#example{}", file.module, out.len() + 1);
    out.push(Example {
        source: SourceInput {
            path: file.path.clone(),
            module,
            text,
        },
    });
}

/// Whether a module is one of examples.
pub(crate) fn is_example(module: &str) -> bool {
    module.contains("#example")
}

/// Readable name of the function behind a test.
pub(crate) fn function_name(test: &ast::TestItem<'_>) -> String {
    let name: String = test
        .name
        .chars()
        .filter(|c| c.is_alphanumeric() || " _-.,:+*/=<>()[]".contains(*c))
        .take(80)
        .collect();
    format!("test {name}")
}

/// Makes running one of the program's tests its entry point, and says which there are.
pub(crate) fn enter(prog: &mut Program, sources: &SourceMap) -> Vec<TestInfo> {
    let span = Span::default();
    let args_ty = prog.tys.intern(TyKind::List(TyTable::STR));
    let args = LocalId(0);
    let e = |kind, ty| Expr { kind, ty, span };
    let mut body = Vec::new();
    let mut infos = Vec::new();
    for (i, test) in prog.tests.iter().enumerate() {
        let (line, _) = sources.line_col(test.span);
        infos.push(TestInfo {
            name: test.name.clone(),
            path: sources.path(test.span.file).to_string(),
            line,
            example: test.example,
        });
        let local = e(ExprKind::Local(args), args_ty);
        let first = e(
            ExprKind::Index(Box::new(local), Box::new(e(ExprKind::Int(0), TyTable::INT))),
            TyTable::STR,
        );
        let wanted = e(ExprKind::Str(i.to_string()), TyTable::STR);
        let cond = e(
            ExprKind::Binary(BinOp::Eq, Box::new(first), Box::new(wanted)),
            TyTable::BOOL,
        );
        let call = e(
            ExprKind::Call {
                callee: Box::new(Callee::Fn(test.function, Vec::new())),
                caps: Vec::new(),
                args: Vec::new(),
                ret: TyTable::UNIT,
                errs: TyTable::NEVER,
            },
            TyTable::UNIT,
        );
        let done = e(ExprKind::Return(None), TyTable::NEVER);
        let block = e(
            ExprKind::Block(vec![Stmt::Expr(call), Stmt::Expr(done)], None),
            TyTable::NEVER,
        );
        body.push(Stmt::Expr(e(
            ExprKind::If(Box::new(cond), Box::new(block), None),
            TyTable::UNIT,
        )));
    }
    let function = FnId(u32::try_from(prog.fns.len()).unwrap_or(u32::MAX));
    let package = PkgId(u32::try_from(prog.packages.len().saturating_sub(1)).unwrap_or(0));
    prog.fns.push(FnDef {
        open: false,
        named: Vec::new(),
        package,
        name: "tests".to_string(),
        generics: 0,
        uses: Vec::new(),
        needs: Vec::new(),
        params: vec![args],
        ret: TyTable::UNIT,
        errs: TyTable::NEVER,
        locals: vec![LocalDef {
            name: "args".to_string(),
            ty: args_ty,
            mutable: false,
        }],
        body: Some(e(ExprKind::Block(body, None), TyTable::UNIT)),
        intrinsic: None,
        span,
    });
    prog.main = Some(Entry {
        function,
        paths: Vec::new(),
    });
    infos
}
