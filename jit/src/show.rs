//! Trace IR as text, for `--jit-dump=ir`.

use std::fmt::Write;

use crate::ir::{Edge, Graph, Op, Term};

/// The graph, block by block.
pub(crate) fn text(g: &Graph) -> String {
    let mut out = String::new();
    let edge = |e: &Edge| {
        let args: Vec<String> = e.args.iter().map(|v| format!("v{v}")).collect();
        format!("b{}({})", e.block, args.join(", "))
    };
    for b in g.order() {
        let block = &g.blocks[b];
        let params: Vec<String> = block.params.iter().map(|v| format!("v{v}")).collect();
        let _ = writeln!(out, "b{b}({}):", params.join(", "));
        for v in &block.ops {
            let op = &g.ops[*v as usize];
            let text = match op {
                Op::Call(c) => format!("Call({c:?})"),
                other => format!("{other:?}"),
            };
            let _ = writeln!(out, "    v{v} = {text}");
        }
        let _ = match &block.term {
            Term::Jump(e) => writeln!(out, "    jump {}", edge(e)),
            Term::Branch(cc, a, b, y, n) => {
                writeln!(out, "    if v{a} {cc:?} v{b} {} else {}", edge(y), edge(n))
            }
            Term::FBranch(cc, a, b, y, n) => {
                writeln!(out, "    if v{a} {cc:?} v{b} {} else {}", edge(y), edge(n))
            }
            Term::Switch(v, edges) => {
                let edges: Vec<String> = edges.iter().map(edge).collect();
                writeln!(out, "    switch v{v} {}", edges.join(" "))
            }
            other => writeln!(out, "    {other:?}"),
        };
    }
    for (n, e) in g.exits.iter().enumerate() {
        let slots: Vec<String> = e.slots.iter().map(|(s, v)| format!("{s}=v{v}")).collect();
        let _ = writeln!(
            out,
            "exit {n}: at {} frame {} fuel v{} frames {} {} [{}]",
            e.left.at,
            e.left.base,
            e.fuel,
            e.left.frames.len(),
            if e.grows { "grows" } else { "" },
            slots.join(" ")
        );
    }
    out
}
