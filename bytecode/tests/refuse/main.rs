//! Programs that the verifier must refuse, each by the right rule; every rule has at least one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod builtins;
mod calls;
mod code;
#[path = "../common/mod.rs"]
mod common;
mod limits;
mod tables;

use common::{World, everything};
use jet_bytecode::builder::*;
use jet_bytecode::joins::JoinList;
use jet_bytecode::module::*;
use jet_bytecode::opcodes::{Op, Word};
use jet_bytecode::verify::{RULES, Rule, VerifyLimits, verify, verify_with};

/// What the verifier refuses.
#[derive(Default)]
pub struct Cases {
    /// Each with the rule that refuses it, and what is wrong.
    pub all: Vec<(Rule, String, Bundle)>,
    wrong: Vec<String>,
}

impl Cases {
    fn bundle(&mut self, rule: Rule, what: &str, b: Bundle) {
        self.all.push((rule, what.to_string(), b.clone()));
        match verify(b) {
            Err(e) if e.rule == rule => {
                assert!(!e.to_string().is_empty());
            }
            Err(e) => self.wrong.push(format!("{rule:?}, {what}: {e}")),
            Ok(_) => self.wrong.push(format!("{rule:?}, {what}: accepted")),
        }
    }

    /// Changes the valid bundle.
    fn change(&mut self, rule: Rule, what: &str, f: impl FnOnce(&mut Package)) {
        let mut b = everything();
        f(&mut b.packages[0]);
        self.bundle(rule, what, b);
    }

    /// Adds to the world.
    fn world(&mut self, rule: Rule, what: &str, f: impl FnOnce(&mut World)) {
        let mut w = World::new();
        f(&mut w);
        self.bundle(rule, what, w.finish());
    }

    /// A function `(int, string) -> int uses Out ! IoError` with this body; it returns r1 at the end.
    /// r0 is the capability, r1 the int, r2 the string.
    fn body(&mut self, rule: Rule, what: &str, f: impl FnOnce(&mut FunctionBuilder, &mut World)) {
        self.world(rule, what, |w| {
            let (int, str_, out, e2) = (w.int, w.str_, w.out, w.e2);
            w.named("bad", &[int, str_], &[out], int, &[e2], |b, w| {
                f(b, w);
                b.emit(Op::Ret, 1, 0, 0);
            });
        });
    }

    /// A function `(int) -> int` of these words, with these joins; r0 is the parameter, r1 another int.
    fn raw(&mut self, rule: Rule, what: &str, code: Vec<Word>, joins: JoinList) {
        let w = World::new();
        let (int, sig) = (w.int, w.pb.sig(vec![w.int], vec![], w.int, vec![]));
        let mut b = w.finish();
        b.packages[0].functions.push(Function {
            name: "raw".into(),
            kind: FnKind::Named,
            sig,
            captures: vec![],
            regs: vec![int, int],
            code: code.into_iter().map(|w| w.0).collect(),
            joins: joins.into_iter().collect(),
            lines: vec![],
        });
        self.bundle(rule, what, b);
    }
}

fn ret() -> Word {
    Word::abc(Op::Ret, 0, 0, 0)
}

fn find(p: &mut Package, name: &str) -> usize {
    p.functions.iter().position(|f| f.name == name).unwrap()
}

/// All cases.
pub fn cases() -> Cases {
    let mut c = Cases::default();
    tables::structure(&mut c);
    tables::formation(&mut c);
    tables::records(&mut c);
    code::frames(&mut c);
    code::flow(&mut c);
    code::operands(&mut c);
    calls::calls(&mut c);
    tables::packages(&mut c);
    c
}

#[test]
fn every_rule_refuses() {
    let c = cases();
    // Work: the same program under a small limit.
    let limits = VerifyLimits {
        work: 100,
        ..VerifyLimits::default()
    };
    assert_eq!(
        verify_with(everything(), limits).unwrap_err().rule,
        Rule::Work
    );
    assert!(c.wrong.is_empty(), "{}", c.wrong.join("\n"));
    assert!(c.all.len() >= 100, "{} cases", c.all.len());
    let tested = |r: &Rule| *r == Rule::Work || c.all.iter().any(|(seen, ..)| seen == r);
    let untested: Vec<_> = RULES.iter().filter(|r| !tested(r)).collect();
    assert!(untested.is_empty(), "no test for {untested:?}");
}
