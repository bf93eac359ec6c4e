//! Every diagnostic of the lexer and parser, each once.

use super::{assert_told, parse_as, told};
use crate::diag::codes;
use crate::source::MAX_SOURCE_BYTES;
use bumpalo::Bump;

/// Texts with the code they give, as the body of a function.
const IN_FUNCTION: &[(&str, &str)] = &[
    ("E0004", "let a = $b"),
    ("E0004", "let a = “b”"),
    ("E0004", "let a = 1 \\\n        + 2"),
    ("E0006", "let a = \"b"),
    ("E0006", "let a = f(\"b)"),
    ("E0006", "let a = r\"b"),
    ("E0007", "let a = f\"b"),
    ("E0007", "let a = f\"b{c"),
    ("E0007", "let a = f\"b{c(1"),
    ("E0008", "let a = ''"),
    ("E0008", "let a = 'ab'"),
    ("E0008", "let a = f('a)"),
    ("E0009", "let a = \"\\q\""),
    ("E0009", "let a = \"\\u{D800}\""),
    ("E0009", "let a = \"\\u41\""),
    ("E0009", "let a = \"\\xff\""),
    ("E0009", "let a = f\"\\q{b}\""),
    ("E0010", "let a = 0x"),
    ("E0010", "let a = 0b12"),
    ("E0010", "let a = 0X1"),
    ("E0010", "let a = 12u8"),
    ("E0010", "let a = 007"),
    ("E0010", "let a = .5"),
    ("E0010", "let a = 5."),
    ("E0010", "let a = t.0x1"),
    ("E0011", "let a = 9223372036854775808"),
    ("E0011", "let a = -9223372036854775809"),
    ("E0011", "let a = 0xffff_ffff_ffff_ffff"),
    ("E0012", "let a = 1e999"),
    ("E0014", "let a = f\"{b:>8q}\""),
    ("E0014", "let a = f\"{b:}\""),
    ("E0014", "let a = f\"{b:{w}}\""),
    ("E0014", "let a = f\"{b:.}\""),
    ("E0014", "let a = f\"{b:99999}\""),
    ("E0014", "let a = f\"{b:,}\""),
    ("E0014", "let a = f\"{b=}\""),
    ("E0014", "let a = f\"{b!r}\""),
    ("E0015", "let a = f\"}\""),
    ("E0015", "let a = f\"{}\""),
    ("E0015", "let a = f\"{b:3\""),
    ("E0016", "let a = b\"x\""),
    ("E0101", "let a = "),
    ("E0101", "let = 1"),
    ("E0101", "let a"),
    ("E0101", "let if = 1"),
    ("E0101", "f(1 2)"),
    ("E0101", "for i = 0, 1:\n        pass"),
    ("E0101", "with Console:\n        pass"),
    ("E0101", "let a = xs[1, 2]"),
    ("E0101", "else:\n        pass"),
    ("E0101", "catch e:\n        pass"),
    ("E0101", "let a = f\"{b c}\""),
    ("E0206", "let a = fn f(x) => x"),
    ("E0101", "let a = [1, 2; 3]"),
    ("E0102", "f(1"),
    ("E0102", "f(1))"),
    ("E0102", ")"),
    ("E0103", "if a:"),
    ("E0103", "match a:"),
    ("E0103", "select:"),
    ("E0104", "f()\n      g()"),
    ("E0105", "if a\n        f()"),
    ("E0105", "while a\n        f()"),
    ("E0107", "struct A:\n        x: int"),
    ("E0107", "import a"),
    ("E0108", "let a = b < c < d"),
    ("E0109", "let a = -b ** 2"),
    ("E0109", "let a = -2 ** 2"),
    ("E0110", "let a = b == not c"),
    ("E0111", "let a = 1..2..3"),
    ("E0112", "let a = 1.."),
    ("E0113", "f() = 1"),
    ("E0113", "a + b = 1"),
    ("E0113", "a = b = 1"),
    ("E0113", "(a, b) = (b, a)"),
    ("E0114", "let a = 1 + return 2"),
    ("E0114", "f(break)"),
    ("E0123", "if a: for x in xs: pass"),
    ("E0123", "if a: if b: c"),
    ("E0124", "try:\n        f()"),
    ("E0125", "let a = Map[]()"),
    ("E0127", "let a = spawn b"),
    ("E0128", "let mut (a, b) = c"),
    ("E0128", "f(fn(x: int = 1) => x)"),
    ("E0129", "f(a = 1, 2)"),
    ("E0130", "match a:\n        f\"x\" => pass"),
    ("E0130", "match a:\n        [..a, ..b] => pass"),
    ("E0130", "match a:\n        P(.., x) => pass"),
    ("E0130", "match a:\n        \"a\"..\"b\" => pass"),
    ("E0130", "f(fn((a, b)) => a)"),
    ("E0201", "var x = 1"),
    ("E0201", "throw Bad.Thing"),
    ("E0201", "def g(x: int):\n        pass"),
    ("E0201", "let a = new Point(1)"),
    ("E0201", "let a = await f()"),
    ("E0201", "let a = f().await"),
    ("E0201", "switch a:\n        1 => pass\n        _ => pass"),
    ("E0201", "match a:\n        case 1: f()\n        _ => pass"),
    ("E0201", "match a:\n        1 => f()\n        else => g()"),
    ("E0201", "yield x"),
    ("E0201", "del x"),
    ("E0201", "async fn g():\n        pass"),
    (
        "E0201",
        "try:\n        f()\n    except Bad as e:\n        g()",
    ),
    ("E0201", "do:\n        f()"),
    ("E0202", "if a && b:\n        f()"),
    ("E0202", "if a || b:\n        f()"),
    ("E0202", "if !a:\n        f()"),
    ("E0202", "if a === b:\n        f()"),
    ("E0202", "if a = b:\n        f()"),
    ("E0202", "let a = b::c"),
    ("E0202", "let a = b ?? c"),
    ("E0202", "let a = b in c"),
    ("E0202", "let a = b not in c"),
    ("E0202", "let a = b is None"),
    ("E0202", "let a = +b"),
    ("E0202", "let a = xs[1:2]"),
    ("E0202", "let a := 1"),
    ("E0202", "allow A, B:\n        pass"),
    ("E0203", "f();"),
    ("E0203", "let a = 1; f(); g()"),
    ("E0203", "f(1;"),
    (
        "E0204",
        "if a {\n        f()\n    } else {\n        g()\n    }",
    ),
    ("E0204", "while a { f() }"),
    ("E0204", "match a:\n        P {x} => pass"),
    ("E0205", "let a = b as int"),
    ("E0205", "let a = b as int + 1"),
    ("E0206", "xs.map(|x| x + 1)"),
    ("E0206", "xs.map(|x, y| x)"),
    ("E0206", "xs.map(|| 1)"),
    ("E0206", "xs.map(lambda x: x + 1)"),
    ("E0206", "xs.map(x => x + 1)"),
    ("E0206", "xs.map((x, y) => x + 1)"),
    ("E0207", "if let Some(x) = f():\n        g()"),
    ("E0207", "while let Some(x) = f():\n        g()"),
    ("E0208", "f(x: 1)"),
    (
        "E0209",
        "if a:\n        f()\n    else if b:\n        g()\n    else:\n        h()",
    ),
    ("E0209", "let a = if b: 1 else if c: 2 else: 3"),
    ("E0210", "match a:\n        1 -> f()\n        _ => g()"),
    ("E0210", "match a:\n        1: f()\n        _ => g()"),
    ("E0210", "if a =>\n        f()"),
    ("E0211", "let a = b ? 1 : 2"),
    ("E0212", "a++"),
    ("E0212", "++a"),
    ("E0212", "a--"),
    ("E0213", "// comment here"),
    ("E0213", "f()  // it's a comment"),
    ("E0213", "let a = 7 // 2"),
    ("E0213", "/* it's\n    long */"),
    ("E0215", "let a, b = f()"),
    ("E0215", "return a, b"),
    ("E0215", "let a = 1, 2"),
    ("E0216", "a: int = 1"),
    ("E0216", "a := 1"),
    ("E0216", "mut a = 1"),
    ("E0217", "let a = null"),
    ("E0217", "let a = True"),
    ("E0217", "match a:\n        nil => pass\n        _ => pass"),
    ("E0218", "f(&a)"),
    ("E0218", "f(&mut a)"),
    ("E0218", "f(1 + *a)"),
    ("E0219", "let a = [x for x in xs]"),
    ("E0219", "let a = {1, 2}"),
    ("E0220", "let a: int[] = []"),
    ("E0220", "let a: &str = b"),
    ("E0220", "let a: [int; 3] = b"),
    ("E0214", "let a: Map<string, int> = b"),
    ("E0221", "@f\n    g()"),
    ("E0222", "f(*a)"),
];

/// Texts with the code they give, as whole files.
const ON_TOP: &[(&str, &str)] = &[
    ("E0002", "fn f():\0\n"),
    ("E0003", "fn f():\n    pass # \u{202E}\n"),
    ("E0003", "fn f():\n    let a = \"\u{2066}\"\n"),
    ("E0003", "fn f():\n    let a\u{200B} = 1\n"),
    ("E0005", "fn f():\n\tpass\n\tpass\n"),
    ("E0006", "const A: string = \"\"\"x\n"),
    ("E0007", "const A: string = f\"\"\"x\n"),
    ("E0101", "const A: = 1\n"),
    ("E0216", "struct A:\n    x int\n"),
    ("E0101", "struct A:\n    x = 1\n"),
    ("E0101", "trait A:\n    x: int\n"),
    ("E0101", "fn f() ! E uses C:\n    pass\n"),
    ("E0101", "from a import *\n"),
    ("E0101", "import a, b\n"),
    ("E0101", "fn f(a: int:\n    pass\n"),
    ("E0103", "struct A:\nfn f():\n    pass\n"),
    ("E0103", "enum A: B C\n"),
    ("E0105", "struct A\n    x: int\n"),
    ("E0106", "let x = 1\nx = 2\nf()\n"),
    (
        "E0106",
        "fn f():\n    pass\nfor x in xs:\n    if y:\n        z(\n",
    ),
    ("E0115", "fn f() -> int\n"),
    ("E0115", "struct A:\n    fn f(self)\n"),
    ("E0116", "capability A:\n    fn f():\n        pass\n"),
    ("E0116", "deferred fn f():\n    pass\n"),
    ("E0117", "fn f(self):\n    pass\n"),
    ("E0117", "capability A:\n    fn f(self)\n"),
    (
        "E0117",
        "struct A:\n    fn f(x: int, self):\n        pass\n",
    ),
    ("E0117", "struct A:\n    fn f(self: A):\n        pass\n"),
    ("E0118", "fn f(a):\n    pass\n"),
    ("E0118", "fn f(int a):\n    pass\n"),
    ("E0119", "const A = 1\n"),
    ("E0120", "fn f() -> fn(int) -> int:\n    pass\n"),
    ("E0121", "intrinsic fn f()\n"),
    ("E0121", "impl A:\n    fn f(self):\n        pass\n"),
    ("E0122", "enum A:\n    B(int)\n"),
    ("E0125", "fn f[]():\n    pass\n"),
    ("E0126", "derive Ord\nfn f():\n    pass\n"),
    ("E0128", "fn f(mut a: int):\n    pass\n"),
    ("E0128", "enum A:\n    B(x: int = 1)\n"),
    ("E0201", "def f(x: int) -> int:\n    return x\n"),
    ("E0201", "class A:\n    x: int\n"),
    ("E0201", "interface A:\n    fn f(self)\n"),
    ("E0201", "async fn f():\n    pass\n"),
    ("E0201", "public fn f():\n    pass\n"),
    ("E0201", "type A = int\n"),
    ("E0201", "use a\n"),
    ("E0201", "struct A:\n    def f(self):\n        pass\n"),
    ("E0201", "fn f() -> int throws E:\n    pass\n"),
    ("E0202", "fn f() uses A, B:\n    pass\n"),
    ("E0202", "fn f() ! A + B:\n    pass\n"),
    ("E0203", "import a;\n"),
    ("E0203", "struct A:\n    x: int,\n    y: int\n"),
    ("E0203", "enum A:\n    B,\n    C\n"),
    ("E0204", "fn f() {\n    g();\n    if a { b }\n}\n"),
    ("E0204", "struct A {\n    x: int\n}\n"),
    ("E0210", "fn f() => 1\n"),
    ("E0210", "fn f(): int:\n    return 1\n"),
    ("E0214", "fn f<T>(x: T):\n    pass\n"),
    ("E0214", "fn f(x: Map<string, Map<int, int>>):\n    pass\n"),
    ("E0216", "struct A:\n    let x: int\n"),
    ("E0218", "struct A:\n    fn f(&mut self):\n        pass\n"),
    ("E0220", "fn f(g: fn(x: int) -> int):\n    pass\n"),
    ("E0220", "fn f(a: ?int):\n    pass\n"),
    ("E0221", "@a\nfn f():\n    pass\n"),
    ("E0222", "fn f(*a: int):\n    pass\n"),
];

fn cases() -> Vec<(&'static str, String)> {
    let inside = IN_FUNCTION.iter().map(|(code, text)| {
        (
            *code,
            format!("fn f():\n    before()\n    {text}\n    after()\n"),
        )
    });
    let top = ON_TOP.iter().map(|(code, text)| (*code, text.to_string()));
    inside.chain(top).collect()
}

#[test]
fn each_mistake_is_told_once() {
    let mut wrong = Vec::new();
    for (code, text) in cases() {
        let arena = Bump::new();
        let parsed = parse_as(&arena, &text, false);
        let found: Vec<_> = parsed.errors.iter().map(|d| d.code).collect();
        if found != [code] {
            wrong.push(format!(
                "{code}: {text:?}\n{:#?}",
                told(&text, &parsed.errors)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_code_has_a_test() {
    let cases = cases();
    // These need texts that are too long for the table.
    let elsewhere = [
        codes::SOURCE_TOO_LARGE,
        codes::TOO_DEEP,
        codes::NAME_TOO_LONG,
    ];
    for (code, title) in codes::ALL.iter().filter(|(c, _)| *c < "E0300") {
        assert!(
            elsewhere.contains(code) || cases.iter().any(|(c, _)| c == code),
            "{code} ({title}) is not tested"
        );
    }
}

#[test]
fn texts_that_are_too_long_or_too_deep() {
    assert_told(&"(".repeat(10 << 20), &["E0001 1:1"]);
    assert_told(&"#".repeat(MAX_SOURCE_BYTES), &[]);
    assert_told(
        &format!("const A: int = {}", "(".repeat(1 << 20)),
        &["E0013 1:216"],
    );
    let right = format!("{}1{}", "(".repeat(150), ")".repeat(150));
    assert_told(&format!("const A: int = {right}"), &[]);
    assert_told(&format!("const A: int = 1{}", " + 1".repeat(300)), &[]);
    for text in [
        format!("const A: int = 1{}", " + 1".repeat(1000)),
        format!("const A: int = a{}", ".b()".repeat(1000)),
        format!("const A: int = {}a", "-".repeat(1000)),
        format!("const A: int = {}a", "not ".repeat(1000)),
        format!("const A: int{} = 1", "?".repeat(1000)),
    ] {
        let arena = Bump::new();
        let parsed = parse_as(&arena, &text, false);
        let found: Vec<_> = parsed.errors.iter().map(|d| d.code).collect();
        assert_eq!(found, ["E0013"], "{}", &text[..40]);
    }
}

#[test]
fn fixes_repair() {
    for (text, repaired) in [
        ("const A: bool = a && b\n", "const A: bool = a and b\n"),
        ("const A: bool = !a\n", "const A: bool = not a\n"),
        ("const A: int = 007\n", "const A: int = 7\n"),
        (
            "const A: int = 0xffff_ffff_ffff_fffe\n",
            "const A: int = (-2)\n",
        ),
        ("const A: int = a::b\n", "const A: int = a.b\n"),
        ("const A: int = f(x: 1)\n", "const A: int = f(x = 1)\n"),
        ("const A: int = 1;\n", "const A: int = 1\n"),
        ("const A: int = null\n", "const A: int = None\n"),
        ("const A: string = 'ab'\n", "const A: string = \"ab\"\n"),
        ("fn f()\n    pass\n", "fn f():\n    pass\n"),
        ("fn f():\n\tpass\n", "fn f():\n    pass\n"),
        ("const A: int = 1 – 2\n", "const A: int = 1 - 2\n"),
    ] {
        let arena = Bump::new();
        let parsed = parse_as(&arena, text, false);
        let fix = parsed.errors[0].fix[0].clone();
        let mut fixed = text.to_string();
        fixed.replace_range(
            fix.span.start as usize..fix.span.end as usize,
            &fix.replacement,
        );
        assert_eq!(fixed.replace("=  ", "= ").replace("x  =", "x ="), repaired);
        assert_told(&fixed, &[]);
    }
}
