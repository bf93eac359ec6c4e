//! What programs share: pieces of text that are put in where something mentions them, and for their functions what
//! they compute. Forms that random text seldom hits stand here, called with random arguments.

use super::core::{EnumDef, FnSig, Gen, Ty};
use super::models as m;
use super::rng::Rng;
use super::value::{Callable, Res, Stop, Val, World, caps, text_of};
use std::rc::Rc;

/// A piece of text, and the names that it declares.
struct Section {
    names: &'static [&'static str],
    text: &'static str,
}

const SECTIONS: &[Section] = &[
    Section {
        names: &["Cell"],
        text: include_str!("library/cell.jet"),
    },
    Section {
        names: &["Score", "score_of"],
        text: include_str!("library/score.jet"),
    },
    Section {
        names: &["choose", "apply", "each_of", "twice_of"],
        text: include_str!("library/functions.jet"),
    },
    Section {
        names: &["bits"],
        text: include_str!("library/bits.jet"),
    },
    Section {
        names: &["Log", "Prefixed", "Both", "twice_noted"],
        text: include_str!("library/log.jet"),
    },
    Section {
        names: &["shout", "Hook", "noted"],
        text: include_str!("library/hook.jet"),
    },
    Section {
        names: &["shop"],
        text: include_str!("library/shop.jet"),
    },
    Section {
        names: &["sorted_keys"],
        text: include_str!("library/tree.jet"),
    },
    Section {
        names: &["term_text"],
        text: include_str!("library/term.jet"),
    },
    Section {
        names: &["countdown"],
        text: include_str!("library/countdown.jet"),
    },
    Section {
        names: &["caseless"],
        text: include_str!("library/caseless.jet"),
    },
    Section {
        names: &["deferred_steps"],
        text: include_str!("library/deferred.jet"),
    },
    Section {
        names: &["ranks"],
        text: include_str!("library/rank.jet"),
    },
    Section {
        names: &["sources"],
        text: include_str!("library/source.jet"),
    },
    Section {
        names: &["totals"],
        text: include_str!("library/zero.jet"),
    },
    Section {
        names: &["built", "matrix", "sieve", "checksum", "algebra", "sorting"],
        text: include_str!("library/collections.jet"),
    },
    Section {
        names: &["either"],
        text: include_str!("library/either.jet"),
    },
    Section {
        names: &["routed"],
        text: include_str!("library/router.jet"),
    },
    Section {
        names: &["lazy"],
        text: include_str!("library/lazy.jet"),
    },
    Section {
        names: &["parsed"],
        text: include_str!("library/parsed.jet"),
    },
    Section {
        names: &["arith", "waves", "rolls", "wording"],
        text: include_str!("library/modules.jet"),
    },
];

/// `IoError`, which every program knows.
pub fn io_error() -> EnumDef {
    let path = || ("path".to_string(), Ty::Str);
    let why = || ("why".to_string(), Ty::Str);
    EnumDef {
        name: "IoError".into(),
        variants: vec![
            ("NotFound".into(), vec![path()]),
            ("Denied".into(), vec![path()]),
            ("Exists".into(), vec![path()]),
            ("Invalid".into(), vec![path(), why()]),
            ("Other".into(), vec![why()]),
        ],
        error: true,
        ord: false,
        json: false,
    }
}

type Model = fn(&mut World, &[Val]) -> Res<Val>;

/// Makes some functions of the library known to a program.
pub fn declare(g: &mut Gen) {
    let ints = || Ty::List(Rc::new(Ty::Int));
    let texts = || Ty::List(Rc::new(Ty::Str));
    let note: Callable = Rc::new(|w, a| {
        let s = text_of(&a[0]);
        w.invoke(caps::LOG, 0, vec![a[0].clone()])?;
        let n = w.invoke(caps::LOG, 1, Vec::new())?;
        if super::value::int_of(&n) % 2 == 0 {
            let twice = super::value::str_val(&format!("{s}{s}"));
            w.invoke(caps::LOG, 0, vec![twice])?;
        }
        Ok(Val::Unit)
    });
    let id = g.declare(note);
    g.sigs.push(FnSig {
        name: "twice_noted".into(),
        id,
        params: vec![("s".into(), Ty::Str, None)],
        ret: Ty::Unit,
        errs: Vec::new(),
        caps: 1 << caps::LOG,
        of: None,
        generic: false,
        shown: false,
    });
    let all: Vec<(&str, Vec<Ty>, Ty, Model)> = vec![
        ("sorted_keys", vec![ints()], ints(), m::sorted_keys),
        ("term_text", vec![ints()], Ty::Str, m::term_text),
        ("countdown", vec![Ty::Int, Ty::Int], ints(), m::countdown),
        ("caseless", vec![texts()], Ty::Str, m::caseless),
        ("deferred_steps", vec![Ty::Int], ints(), m::deferred_steps),
        ("ranks", vec![ints(), Ty::Str], Ty::Str, m::ranks),
        ("sources", vec![ints(), Ty::Int], Ty::Str, m::sources),
        (
            "totals",
            vec![ints(), texts()],
            Ty::Tuple(vec![Ty::Int, Ty::Str]),
            m::totals,
        ),
        ("built", vec![texts(), Ty::Char, Ty::Int], Ty::Str, m::built),
        ("matrix", vec![Ty::Int, Ty::Int], Ty::Float, m::matrix),
        ("sieve", vec![Ty::Int], ints(), m::sieve),
        ("checksum", vec![Ty::Str], Ty::Byte, m::checksum),
        (
            "algebra",
            vec![ints(), ints()],
            Ty::List(Rc::new(ints())),
            m::algebra,
        ),
        ("sorting", vec![texts()], texts(), m::sorting),
        ("either", vec![Ty::Int, Ty::Str], texts(), m::either),
        ("lazy", vec![ints(), Ty::Int], ints(), m::lazy),
        ("parsed", vec![Ty::Str], Ty::Str, m::parsed),
        ("routed", vec![Ty::Str, Ty::Int], Ty::Str, m::routed),
        ("arith", vec![Ty::Int, Ty::Int], ints(), m::arith),
        ("waves", vec![Ty::Float], ints(), m::waves),
        ("rolls", vec![Ty::Int, ints()], ints(), m::rolls),
        ("wording", vec![Ty::Str, Ty::Int], texts(), m::wording),
    ];
    for (name, params, ret, model) in all {
        if !g.rng.chance(22) {
            continue;
        }
        let id = g.declare(Rc::new(move |w, args| {
            // What takes long here takes long there.
            w.steps = w.steps.checked_sub(40).ok_or(Stop::TooLong)?;
            model(w, &args)
        }));
        let params = params
            .into_iter()
            .enumerate()
            .map(|(i, t)| (format!("a{i}"), t, None))
            .collect();
        g.sigs.push(FnSig {
            name: name.into(),
            id,
            params,
            ret,
            errs: Vec::new(),
            caps: u32::from(name == "routed") << caps::CONSOLE,
            of: None,
            generic: false,
            shown: false,
        });
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

fn imports(text: &str) -> String {
    let mut out = String::new();
    for module in ["iter", "json", "math", "random", "text"] {
        let dotted = format!("{module}.");
        let used = text.match_indices(&dotted).any(|(i, _)| {
            let before = text[..i].chars().next_back().unwrap_or(' ');
            !(before.is_alphanumeric() || before == '_' || before == '.')
        });
        if used {
            let alias = if text.len().is_multiple_of(7) {
                format!(" as {module}")
            } else {
                String::new()
            };
            out.push_str(&format!("import std.{module}{alias}\n"));
        }
    }
    out
}

/// The modules of a program: declarations and functions, with what they need of the library.
pub fn modules(
    rng: &mut Rng,
    head: &str,
    body: &str,
    mut names: Vec<String>,
    split: bool,
) -> Vec<(String, String)> {
    let mut chosen = vec![false; SECTIONS.len()];
    let mut texts: Vec<&str> = vec![head, body];
    while let Some(text) = texts.pop() {
        for word in words(text) {
            for (s, c) in SECTIONS.iter().zip(&mut chosen) {
                if !*c && s.names.contains(&word) {
                    *c = true;
                    texts.push(s.text);
                }
            }
        }
    }
    let mut library = String::new();
    for (s, _) in SECTIONS.iter().zip(&chosen).filter(|p| *p.1) {
        library.push_str(s.text);
        library.push('\n');
        names.extend(s.names.iter().map(|n| n.to_string()));
    }
    let head = format!("{library}\n{head}\n");
    if !split {
        let text = format!("{head}{body}");
        return vec![("main".into(), format!("{}\n{text}", imports(&text)))];
    }
    let used: std::collections::BTreeSet<&str> = words(body).collect();
    names.retain(|n| used.contains(n.as_str()));
    let mut main = imports(body);
    let module = if rng.chance(30) {
        "parts.shared"
    } else {
        "shared"
    };
    for n in &mut names {
        if n.starts_with('K') && rng.chance(20) {
            *n = format!("{n} as {n}");
        }
    }
    if !names.is_empty() {
        main.push_str(&format!("from {module} import {}\n", names.join(", ")));
    }
    vec![
        (
            module.into(),
            format!("## What is shared.\n\n{}\n{head}", imports(&head)),
        ),
        ("main".into(), format!("{main}{body}")),
    ]
}
