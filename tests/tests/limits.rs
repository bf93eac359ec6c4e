//! How large the parts of a program may be: what the compiler accepts, it writes and the verifier takes; one more is
//! an error of the program, never one of ours.

use std::fmt::Write as _;

use jet_bytecode::format::assemble;
use jet_bytecode::limits::{MAX_CONSTS, MAX_LIST, MAX_PAYLOAD, MAX_SIG, MAX_VARIANTS};
use jet_bytecode::verify;
use jet_frontend::diag::{Severity, codes};
use jet_frontend::driver::{PackageInput, ProgramInput, SourceInput, compile};
use jet_frontend::lexer::MAX_NAME;

/// The first error of a program; without one, it was written and verified.
fn outcome(text: String) -> Result<(), (String, String)> {
    let input = ProgramInput {
        packages: vec![PackageInput {
            name: "limits".into(),
            version: "0.0.0".into(),
            deps: Vec::new(),
            files: vec![SourceInput {
                path: "limits/main.jet".into(),
                module: "main".into(),
                text,
            }],
        }],
        implementations: Vec::new(),
    };
    let output = compile(&input);
    let mut errors = output.diagnostics.iter();
    if let Some(d) = errors.find(|d| d.severity == Severity::Error) {
        return Err((d.code.to_owned(), d.message.clone()));
    }
    let bundle = output.bundle.expect("a program without errors");
    assemble(&output.encoded).expect("a bundle of this size");
    if let Err(why) = verify::verify(bundle) {
        panic!("the verifier refused what the compiler wrote: {why}");
    }
    Ok(())
}

/// `make(n)` compiles to what verifies, `make(n + 1)` has an error of this code.
fn ends_at(what: &str, n: usize, code: &str, make: impl Fn(usize) -> String) {
    assert_eq!(outcome(make(n)), Ok(()), "{n} {what}");
    let more = outcome(make(n + 1)).expect_err(what);
    assert_eq!(more.0, code, "{} {what}: {}", n + 1, more.1);
}

fn list(n: usize, sep: &str, item: impl Fn(usize) -> String) -> String {
    (0..n).map(item).collect::<Vec<_>>().join(sep)
}

#[test]
fn variants_and_fields() {
    let large = codes::TYPE_TOO_LARGE;
    ends_at("variants", MAX_VARIANTS, large, |n| {
        format!(
            "enum E:\n{}\n\nfn main() uses Console:\n    Console.print(f\"{{E.V{}}} {{E.V0 == E.V1}}\")\n",
            list(n, "\n", |i| format!("    V{i}")),
            n - 1
        )
    });
    ends_at("variants with payloads", MAX_VARIANTS, large, |n| {
        format!(
            "error E:\n{}\n\nfn f(n: int) -> int ! E:\n    if n == 0:\n        raise E.V{}(n)\n    return n\n\nfn main() ! E:\n    let x = f(1)?\n    assert x == 1\n",
            list(n, "\n", |i| format!("    V{i}(n: int)")),
            n - 1
        )
    });
    ends_at("values of a variant", MAX_PAYLOAD, large, |n| {
        format!(
            "enum E:\n    A({})\n    B\n\nfn main():\n    let e = E.A({})\n    match e:\n        E.A(a0 = a, ..) => assert a == 1\n        E.B => panic(\"\")\n",
            list(n, ", ", |i| format!("a{i}: int")),
            list(n, ", ", |_| "1".into())
        )
    });
    ends_at("fields", 500, large, |n| {
        format!(
            "struct S:\n{}\n\nfn main():\n    let s = S({})\n    assert s.a0 == 1\n",
            list(n, "\n", |i| format!("    a{i}: int")),
            list(n, ", ", |_| "1".into())
        )
    });
}

#[test]
fn signatures() {
    let large = codes::TYPE_TOO_LARGE;
    ends_at("used capabilities", MAX_SIG, large, |n| {
        format!(
            "{}\n\nfn f() uses {}:\n{}\n\nfn main():\n    pass\n",
            list(n, "\n", |i| format!("capability C{i}:\n    fn m()\n")),
            list(n, " + ", |i| format!("C{i}")),
            list(n, "\n", |i| format!("    C{i}.m()"))
        )
    });
    ends_at("capabilities of a set", MAX_SIG, large, |n| {
        format!(
            "{}\n\ncapset All = {}\n\nfn f(g: own fn() uses All) uses All:\n    g()\n\nfn main():\n    pass\n",
            list(n, "\n", |i| format!("capability C{i}:\n    fn m()\n")),
            list(n, " + ", |i| format!("C{i}"))
        )
    });
    ends_at("parameters", 200, large, |n| {
        format!(
            "struct S:\n    x: int\n\n    fn f(self, {}) -> int:\n        return a0\n\nfn main():\n    assert S(1).f({}) == 1\n",
            list(n, ", ", |i| format!("a{i}: int")),
            list(n, ", ", |_| "1".into())
        )
    });
    ends_at("parameters of a literal", 200, large, |n| {
        format!(
            "fn main():\n    let f = fn({}) => a0\n    assert f({}) == 1\n",
            list(n, ", ", |i| format!("a{i}: int")),
            list(n, ", ", |_| "1".into())
        )
    });
    ends_at("parameters of a type", 200, large, |n| {
        format!(
            "fn f(g: own fn({})):\n    pass\n\nfn main():\n    pass\n",
            list(n, ", ", |_| "int".into())
        )
    });
    ends_at("errors", 100, large, |n| {
        format!(
            "{}\nfn f() ! {}:\n{}\n\nfn main():\n    pass\n",
            list(n, "\n", |i| format!("error E{i}:\n    X\n")),
            list(n, " | ", |i| format!("E{i}")),
            list(n, "\n", |i| format!(
                "    if {i} == 0:\n        raise E{i}.X"
            ))
        )
    });
}

#[test]
fn interfaces() {
    let large = codes::TYPE_TOO_LARGE;
    let methods = |n: usize, of: &str| list(n, "\n", |i| format!("    fn m{i}({of}) -> int"));
    let bodies = |n: usize| {
        list(n, "\n", |i| {
            format!("    fn m{i}(self) -> int:\n        return 1")
        })
    };
    ends_at("methods of a capability", MAX_LIST, large, |n| {
        format!(
            "capability C:\n{}\n\nstruct S:\n    x: int\n\nimpl C for S:\n{}\n\nfn f() -> int uses C:\n    return C.m0()\n\nfn main():\n    with C = S(1):\n        assert f() == 1\n",
            methods(n, ""),
            bodies(n)
        )
    });
    ends_at("methods with the parent's", MAX_LIST, large, |n| {
        format!(
            "capability P:\n    fn p()\n\ncapability C: P:\n{}\n\nfn f() -> int uses C:\n    return C.m0()\n\nfn main():\n    pass\n",
            methods(n - 1, "")
        )
    });
    ends_at("methods of a trait", MAX_LIST, large, |n| {
        format!(
            "trait T:\n{}\n\nstruct S:\n    x: int\n\nimpl T for S:\n{}\n\nfn main():\n    let all: [T] = [S(1)]\n    assert all[0].m0() == 1\n",
            methods(n, "self"),
            bodies(n)
        )
    });
    // What an object offers is its trait's methods and those of the traits that it asks for.
    let two = |n: usize| {
        format!(
            "trait A:\n{}\n\ntrait T: A:\n    fn t(self) -> int\n\nstruct S:\n    x: int\n\nimpl A for S:\n{}\n\nimpl T for S:\n    fn t(self) -> int:\n        return 2\n\nfn main():\n    let all: [T] = [S(1)]\n    assert all[0].t() == 2\n",
            methods(n, "self"),
            bodies(n)
        )
    };
    ends_at("methods of an object", MAX_LIST - 1, codes::LOWERING, two);
}

#[test]
fn names() {
    let long = codes::NAME_TOO_LONG;
    let name = |n: usize, first: char| format!("{first}{}", "x".repeat(n - 1));
    ends_at("bytes of a field", MAX_NAME, long, |n| {
        let f = name(n, 'f');
        format!("struct S:\n    {f}: int\n\nfn main():\n    assert S(1).{f} == 1\n")
    });
    ends_at(
        "bytes of a capability, its type and method",
        MAX_NAME,
        long,
        |n| {
            let (c, s, m) = (name(n, 'C'), name(n, 'S'), name(n, 'm'));
            format!(
                "capability {c}:\n    fn {m}()\n\nstruct {s}:\n    x: int\n\nimpl {c} for {s}:\n    fn {m}(self):\n        pass\n\nfn main():\n    with {c} = {s}(1):\n        {c}.{m}()\n"
            )
        },
    );
    ends_at("bytes of a variant", MAX_NAME, long, |n| {
        let v = name(n, 'V');
        format!("enum E:\n    {v}\n    B\n\nfn main():\n    assert E.{v} != E.B\n")
    });
    // Types inside of types have names that grow: they end before the format's bound.
    let nested = format!(
        "struct {0}[T]:\n    x: T\n\nfn main():\n    let mut y = ({1})\n    let f = fn() => y.0.x\n    y = y\n    assert f() == 1\n",
        name(MAX_NAME, 'G'),
        list(40, ", ", |_| format!("{}(1)", name(MAX_NAME, 'G')))
    );
    let (code, why) = outcome(nested).expect_err("a name of 10,000 bytes");
    assert_eq!(code, codes::GROWING_TYPES, "{why}");
}

#[test]
fn letters_that_are_not_seen() {
    for c in [
        '\u{AD}',
        '\u{34F}',
        '\u{115F}',
        '\u{1160}',
        '\u{17B4}',
        '\u{180B}',
        '\u{200B}',
        '\u{3164}',
        '\u{FE0F}',
        '\u{FFA0}',
        '\u{1BCA0}',
        '\u{1D173}',
        '\u{E0100}',
    ] {
        for text in [
            format!("struct S:\n    user{c}: int\n\nfn main():\n    pass\n"),
            format!("fn main():\n    let user = 1\n    let user{c} = 2\n    assert user != 3\n"),
        ] {
            let (code, why) = outcome(text).expect_err("a letter that is not seen");
            assert_eq!(code, codes::BIDI, "U+{:04X}: {why}", u32::from(c));
        }
    }
    // A sign's form is chosen by one of them.
    let heart =
        "fn main() uses Console:\n    Console.print(\"\u{2764}\u{FE0F} \u{e9}\u{3042}\u{65e5}\")\n";
    assert_eq!(outcome(heart.to_owned()), Ok(()));
}

#[test]
fn constants_of_a_program() {
    // 250,000 texts fit, 270,000 do not; all of them are in one list, which is compiled in pieces.
    let texts = |n: usize| {
        let mut out = String::from("fn main():\n    let xs = [");
        for i in 0..n {
            let _ = write!(out, "\"{i:x}\",");
        }
        out.push_str("]\n    assert xs.len() > 1\n");
        out
    };
    assert_eq!(outcome(texts(MAX_CONSTS - 2_000)), Ok(()));
    let (code, why) = outcome(texts(MAX_CONSTS + 1)).expect_err("too many constants");
    assert_eq!(code, codes::LOWERING, "{why}");
    assert!(why.contains("different numbers and texts"), "{why}");
}

#[test]
fn branches_of_one_if() {
    let chain = |n: usize| {
        format!(
            "fn f(n: int) -> int:\n    if n == 0:\n        return 0\n{}\n    return -1\n\nfn main():\n    assert f(3) == 3\n",
            list(n, "\n", |i| format!(
                "    elif n == {}:\n        return {}",
                i + 1,
                i + 1
            ))
        )
    };
    assert_eq!(outcome(chain(350)), Ok(()));
    for n in [401, 20_000] {
        let (code, why) = outcome(chain(n)).expect_err("too many branches");
        assert_eq!(code, codes::TOO_DEEP, "{n}: {why}");
    }
}

#[test]
fn data_of_many_types_has_what_data_has() {
    let uses = "fn main() uses Console:\n    let n = S0([], 1)\n    Console.print(f\"{n} {n == n} {n.hash() == n.hash()}\")\n";
    // Each holds the next and an earlier one: proofs go as deep as there are types.
    for n in [40, 400] {
        let circle = list(n, "\n", |i| {
            format!(
                "struct S{i}:\n    next: [S{}]\n    x: int\n    up: S{}? = None\n",
                (i + 1) % n,
                (i * 7 + 3) % n
            )
        });
        assert_eq!(outcome(format!("{circle}\n{uses}")), Ok(()), "{n}");
    }
    let chain = list(65, "\n", |i| {
        format!("struct S{i}:\n    next: [S{}]\n    x: int\n", i + 1)
    });
    let text = format!("{chain}\nstruct S65:\n    f: own fn()\n\n{uses}");
    let (code, why) = outcome(text).expect_err("a function at the end");
    assert_eq!(code, codes::BOUND, "{why}");
}

#[test]
fn a_long_map_literal() {
    let mut text = String::from("fn main():\n    let m = {");
    for i in 0..320_000 {
        let _ = write!(text, "\"{}\":1,", i % 1000);
    }
    text.push_str("}\n    assert m.len() == 1000\n");
    match outcome(text) {
        Ok(()) => {}
        Err((code, why)) => assert!(
            [codes::TYPE_TOO_LARGE, codes::LOWERING].contains(&code.as_str()),
            "{code} {why}"
        ),
    }
}
