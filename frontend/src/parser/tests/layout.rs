//! Blocks, brackets and line ends.

use super::{assert_clean, assert_told, parse_as};
use crate::ast::{ExprKind, FnBody, ItemKind, StmtKind};
use bumpalo::Bump;

fn body(lines: &str) -> String {
    let mut text = String::from("fn main():\n");
    for line in lines.lines() {
        if !line.is_empty() {
            text.push_str("    ");
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[test]
fn forms_that_are_right() {
    for lines in [
        "pass",
        "let a = (1 +\n    2)",
        "let a = (1 +\n2)",
        "let a = xs\n    .map(f)\n    .sum()",
        "let a = xs\n.map(f)",
        "f(\n    1,\n    2,\n)",
        "xs.each(fn(x):\n    let y = x\n    g(y)\n)",
        "xs.each(fn(x):\n    g(x))",
        "let s = xs.fold(fn(a, x):\n    return a + x\n, 0)",
        "let s = xs.fold(0, fn(a, x):\n    if a:\n        return x\n    return a\n).more()",
        "let s = xs.map(fn(x):\n    return ys.map(fn(y):\n        return x + y\n    )\n)",
        "let a = if c: 1 else: 2",
        "let a = if c: x else 0 else: 2",
        "let a = if c: 1 elif d: 2 else: 3",
        "let a = if c:\n    1\nelif d:\n    2\nelse:\n    3",
        "f(if c: 1 else: 2, 3)",
        "f(\n    if c:\n        1\n    else:\n        2,\n    3)",
        "let a = match x:\n    1 => 2\n    _ =>\n        g()\n        3",
        "f(match x:\n    1 => 2\n    _ => 3\n)",
        "if a: f()\nelse: g()",
        "if a:\n    f()\n\n# comment\nelse:\n    g()",
        "match x:\n    Some(y) => match y:\n        1 => f()\n        _ => g()\n    None => pass",
        "let f = fn(x):\n    return x\nf(1)",
        "let f = fn(x) => x + 1",
        "xs.each(fn(x) => n += x)",
        "outer: for x in xs:\n    loop:\n        break outer\n    while c:\n        continue",
        "let x = f() else return",
        "let x = f() else:\n    g()\n    return",
        "let Some(x) = f() else return 1",
        "let Some(x) = f() else:\n    return",
        "let x = a else b else c",
        "f(a else 0, b)",
        "let x = f\"{a:>8.2f} {m[\"k\"]} {f\"{b}\"} {{}} \\u{41}\"",
        "let x = f\"\"\"\n  {a +\n b}\n\"\"\"",
        "let m = {\n    \"a\": 1,\n    \"b\": 2,\n}",
        "select:\n    v = rx.recv() => f(v)\n    tx.send(1) => pass\n    timeout 20 => pass\n    else => pass",
        "with Console = Buffer(), Net = OneHost(\"h\", Net):\n    allow none:\n        pass",
        "try:\n    f()?\ncatch e: A | B:\n    pass\ncatch e:\n    pass",
        "fn local(a: int) -> int:\n    return a\nlocal(1)",
        "for i, (a, b) in xs.enumerate():\n    pass",
        "defer:\n    f()",
        "let test = 1\nlet error = test\nlet own = error\nf(where = own, from = 2)",
        "x.y[0].z = 1\nt.0.1 = 2",
        "let r = xs[1..]\nlet s = xs[..n]\nlet t = xs[..]\nlet u = xs[a..=b]",
        "let n = -9223372036854775808",
        "let n = 2 ** -1",
        "let n = not a == b and not c",
    ] {
        assert_clean(&body(lines));
    }
}

#[test]
fn items_that_are_right() {
    for text in [
        "",
        "\n\n# only a comment\n",
        "## Docs.\n\n## Of f.\nfn f():\n    pass\n",
        "struct A: pass\n",
        "pub struct A[T: Ord + Show, uses U] where T: Hash:\n    pub mut a: T? = None\n    b: own fn(int) -> (fn(int) -> int uses Net)\n",
        "derive Ord, Json\nenum E[T]:\n    A\n    B(x: T, y: Map[string, [T]])\n\n    fn f(self) -> int:\n        return 1\n",
        "error E:\n    A(at: int)\n",
        "trait T: Show + Ord:\n    fn a(self)\n    fn b(self):\n        pass\n",
        "impl[T: Show] Describe for Box[T] where T: Ord:\n    fn d(self) -> string: return \"\"\n",
        "capability A: B\ncapability C: D:\n    fn f(x: int) -> int ! E\ncapability F:\n    fn g()\n",
        "capset App = Console + Database\n",
        "deferred fn ai_main() uses Orders + Console\n",
        "extern \"m\":\n    fn sin(x: float) -> float\n",
        "test \"a\":\n    assert 1 == 1, \"no\"\n",
        "import a.b as c\nfrom a.b import C, d as e\nfrom x import (\n    A,\n    B,\n)\n",
        "fn f[T, X](xs: [T], g: fn(T) -> T ! X, n: int = 3) -> Result[T, A | B] uses C ! X | D where T: Ord:\n    pass\n",
        "const A: int = 0xff\n",
        "struct A:\n    fn or(self, x: int) -> int:\n        return self.or(x)\n",
    ] {
        assert_clean(text);
    }
}

#[test]
fn std_forms() {
    let text = "pub intrinsic fn len[T](xs: [T]) -> int\nimpl[T] [T]:\n    intrinsic fn len(self) -> int\nimpl string:\n    fn f(self):\n        pass\nimpl [byte]:\n    fn f(self):\n        pass\nimpl[K: Hash + Eq, V] Map[K, V]:\n    fn g(self):\n        pass\n";
    let arena = Bump::new();
    assert!(parse_as(&arena, text, true).errors.is_empty());
    assert_told(
        text,
        &[
            "E0121 1:5",
            "E0121 2:1",
            "E0121 3:5",
            "E0121 4:1",
            "E0121 7:1",
            "E0121 10:1",
        ],
    );
}

#[test]
fn block_literal_ends_with_its_indentation() {
    let text = body("f(fn(x):\n    a()\n    b()\n, 1)\nc()");
    let arena = Bump::new();
    let parsed = parse_as(&arena, &text, false);
    assert!(parsed.errors.is_empty(), "{:?}", parsed.errors);
    let ItemKind::Fn(main) = parsed.module.items[0].kind else {
        panic!()
    };
    let stmts = main.body.unwrap().stmts;
    assert_eq!(stmts.len(), 2);
    let StmtKind::Expr(call) = stmts[0].kind else {
        panic!()
    };
    let ExprKind::Call { args, .. } = call.kind else {
        panic!()
    };
    assert_eq!(args.len(), 2);
    let ExprKind::Fn(literal) = args[0].value.kind else {
        panic!()
    };
    let FnBody::Block(block) = literal.body else {
        panic!()
    };
    assert_eq!(block.stmts.len(), 2);
}

#[test]
fn errors_do_not_cascade() {
    assert_told(
        "fn f():\n    let a = \n    let b = 1 +\n    c d e\n    g()\n",
        &["E0101 2:12", "E0101 3:16", "E0101 4:7"],
    );
    assert_told(
        "fn f():\n    g(1\n    return\nfn h():\n    pass\n",
        &["E0102 2:6"],
    );
    assert_told(
        "fn f():\n    g(1, [2, 3\n\nfn h():\n    pass\n",
        &["E0102 2:10"],
    );
    assert_told("fn f():\n    g(1 2, 3)\n    h()\n", &["E0101 2:9"]);
    assert_told("fn f(a b, c: int):\n    pass\n", &["E0118 1:6"]);
    assert_told(
        "fn f():\n    if a\n        b()\n    else\n        c()\n",
        &["E0105 2:9", "E0105 4:9"],
    );
    assert_told("fn f():\n    a()\n      b()\n    c()\n", &["E0104 3:7"]);
    assert_told("fn f():\n        a()\n    b()\n", &["E0104 3:5"]);
    assert_told("fn f():\npass\n", &["E0103 1:8", "E0106 2:1"]);
    assert_told("fn f()\n    pass\n", &["E0105 1:7"]);
    assert_told(
        "struct A:\n    x: int\n    y int\n    z: int\n",
        &["E0216 3:5"],
    );
    assert_told("fn f():\n\ta()\n\tb()\n", &["E0005 2:1"]);
}
