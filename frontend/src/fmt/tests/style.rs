//! What the style looks like. Each test is one rule of `docs/style.md`.

use super::formatted;

#[track_caller]
fn becomes(from: &str, to: &str) {
    assert_eq!(formatted(from), to);
    assert_eq!(formatted(to), to);
}

#[test]
fn indentation_and_spaces() {
    becomes(
        "fn f( a:int,b :[int] )->int ! E|F :\n  let  x=-a+b [0]*2\n  if x==1 and not(a>2) :return x\n  for i,v in b[1 .. 3].enumerate( ):\n   x+=i*-v\n  return f( a=x )?\n",
        "fn f(a: int, b: [int]) -> int ! E | F:\n    let x = -a + b[0] * 2\n    if x == 1 and not (a > 2): return x\n    for i, v in b[1..3].enumerate():\n        x += i * -v\n    return f(a = x)?\n",
    );
}

#[test]
fn blank_lines() {
    becomes(
        "import a\nfn f():\n\n\n    pass\n\n\n\n    pass\nstruct S:\n\n    x: int\n    fn g(self):\n        pass\n    # About h.\n    fn h(self):\n        pass\nconst A: int = 1\nconst B: int = 2\n\n\n\n",
        "import a\n\nfn f():\n    pass\n\n    pass\n\nstruct S:\n    x: int\n\n    fn g(self):\n        pass\n\n    # About h.\n    fn h(self):\n        pass\n\nconst A: int = 1\nconst B: int = 2\n",
    );
}

#[test]
fn long_lines_break_at_brackets() {
    becomes(
        "fn a_function_of_so_many_parameters(first: int, second: string, third: [string], fourth: bool) -> int:\n    return another_function_that_is_long(first + 1, second.trim(), third[0..2], fourth, second.len())\n",
        "fn a_function_of_so_many_parameters(\n    first: int,\n    second: string,\n    third: [string],\n    fourth: bool,\n) -> int:\n    return another_function_that_is_long(\n        first + 1,\n        second.trim(),\n        third[0..2],\n        fourth,\n        second.len(),\n    )\n",
    );
}

#[test]
fn short_lists_are_joined() {
    becomes(
        "fn f():\n    let a = [\n        1,\n        2,\n    ]\n    g(\n        a\n    )\n    xs\n        .map(h)\n        .sum()\n",
        "fn f():\n    let a = [1, 2]\n    g(a)\n    xs.map(h).sum()\n",
    );
}

#[test]
fn lists_of_plain_values_are_filled() {
    let number = "1_000_000, ";
    let from = std::format!("const A: [int] = [{}]\n", number.repeat(12));
    let to = std::format!(
        "const A: [int] = [\n    {}\n    {}\n]\n",
        number.repeat(8).trim_end(),
        number.repeat(4).trim_end()
    );
    becomes(&from, &to);
}

#[test]
fn chains_break_before_each_link() {
    becomes(
        "fn f():\n    let names = people.filter(fn(p) => p.age > 18 and p.active).map(fn(p) => p.name.to_upper()).take(10).join(\", \")\n",
        "fn f():\n    let names = people\n        .filter(fn(p) => p.age > 18 and p.active)\n        .map(fn(p) => p.name.to_upper())\n        .take(10)\n        .join(\", \")\n",
    );
}

#[test]
fn operators_break_before_themselves_in_parentheses() {
    becomes(
        "fn f() -> bool:\n    return (first_condition_of_this(a) or second_condition_of_this(b) and third_condition or fourth_and_last(c))\n",
        "fn f() -> bool:\n    return (\n        first_condition_of_this(a)\n        or second_condition_of_this(b) and third_condition\n        or fourth_and_last(c)\n    )\n",
    );
}

#[test]
fn blocks_in_brackets_stay_blocks() {
    becomes(
        "fn f():\n  xs.each(fn(x):\n     g(x)\n     h(x))\n  k(fn(x):\n     g(x)\n  , 1)\n",
        "fn f():\n    xs.each(fn(x):\n        g(x)\n        h(x)\n    )\n    k(\n        fn(x):\n            g(x),\n        1,\n    )\n",
    );
}

#[test]
fn comments_keep_their_places() {
    becomes(
        "#top\n\nfn f():   # head\n  # first\n  let xs = [1, # one\n    # before two\n    2]\n  a # last\n  # end of f\n\n# about g\nfn g():\n  if a: # yes\n    b\n  # otherwise\n  else:\n    c\n# end\n",
        "#top\n\nfn f():  # head\n    # first\n    let xs = [\n        1,  # one\n        # before two\n        2,\n    ]\n    a  # last\n    # end of f\n\n# about g\nfn g():\n    if a:  # yes\n        b\n    # otherwise\n    else:\n        c\n# end\n",
    );
}

#[test]
fn comments_of_neighbouring_lines_are_aligned() {
    becomes(
        "struct S:\n    a: int # one\n    x: int\n    bcd: string # two\n\n    e: int # three\n",
        "struct S:\n    a: int       # one\n    x: int\n    bcd: string  # two\n\n    e: int  # three\n",
    );
}

#[test]
fn strings_stay_as_they_are() {
    becomes(
        "fn f():\n  g( \"\"\"\n  text\n\"\"\" , f\"{ x :>8}{ {1:2}[1] } }}\")\n",
        "fn f():\n    g(\"\"\"\n  text\n\"\"\", f\"{x:>8}{ {1: 2}[1]} }}\")\n",
    );
}

#[test]
fn documentation_stays_with_its_item() {
    becomes(
        "## module\n\n## of f\n## too\nfn f():\n    pass\n## of g\nderive Ord\nstruct G:\n    ## of x\n    x: int\n",
        "## module\n\n## of f\n## too\nfn f():\n    pass\n\n## of g\nderive Ord\nstruct G:\n    ## of x\n    x: int\n",
    );
}

#[test]
fn tokens_that_would_run_together_stay_apart() {
    becomes(
        "fn f():\n    let a = - -x\n    let b = t.0 .1\n    let c = 0 .. -1\n    let d = x.match[1] (2)\n",
        "fn f():\n    let a = - -x\n    let b = t.0 .1\n    let c = 0..-1\n    let d = x.match[1](2)\n",
    );
}

#[test]
fn errors_of_syntax_are_told() {
    assert!(matches!(
        super::format("fn f(:\n"),
        Err(super::Failure::Syntax(errors)) if !errors.is_empty()
    ));
    assert_eq!(formatted(""), "");
    assert_eq!(formatted("\n\n# only\r\n"), "# only\n");
}
