//! Modules that break a rule of authority, accepted because that rule is switched off: the monitor finds the breach when
//! they run, and nothing else would.

use std::sync::Arc;

use jet_bytecode::builder::FunctionBuilder;
use jet_bytecode::module::Bundle;
use jet_bytecode::opcodes::Op;
use jet_bytecode::verify::{Rule, verify, watch};
use jet_vm::{GcMode, Loaded};

use super::families::program;
use super::fuzz::{limits, run};
use super::programs::World;

/// How a run ends without and with the monitor.
fn outcomes(bundle: &Bundle, off: Rule) -> (String, String) {
    let refused = verify(bundle.clone()).unwrap_err();
    assert_eq!(refused.rule, off, "{refused}");
    let load = || {
        let verified =
            watch(Some(off), || verify(bundle.clone())).unwrap_or_else(|e| panic!("{e}"));
        Loaded::new(verified).unwrap()
    };
    let go = |loaded: Loaded| {
        let end = run(
            &Arc::new(loaded),
            GcMode::Normal,
            limits(10_000, 1 << 20),
            false,
        );
        end.unwrap().outcome
    };
    let mut observed = load();
    observed.observe();
    (go(load()), go(observed))
}

#[test]
fn a_storable_function_with_authority() {
    // It captured the capability and is called as if it had none.
    let b = program(|w: &mut World, f: &mut FunctionBuilder| {
        let (own, s, n) = (f.reg(w.own), f.reg(w.str_), f.reg(w.int));
        let k = w.p.const_str("x");
        f.load_const(s, k);
        f.const_imm(n, 1);
        f.emit_fn(Op::MakeFn, own, w.lit_cap, &[s, 0]);
        f.emit_args(Op::CallFn, n, own, &[n]);
    });
    let (plain, observed) = outcomes(&b, Rule::Capture);
    assert!(!plain.contains("monitor"), "{plain}");
    assert!(
        observed.contains("is stored and captured authority"),
        "{observed}"
    );
}

#[test]
fn a_capability_in_a_data_argument() {
    let b = program(|w: &mut World, f: &mut FunctionBuilder| {
        let (node, n, s, l) = (
            f.reg(w.node),
            f.reg(w.int),
            f.reg(w.str_),
            f.reg(w.lists[5].0),
        );
        let file = f.reg(w.file);
        let k = w.p.const_str("x");
        f.load_const(s, k);
        f.const_imm(n, 1);
        f.emit(Op::Mov, node, 0, 0);
        f.emit(Op::Mov, file, 0, 0);
        f.emit_fn(Op::Call, l, w.step, &[0, n, s, node, file]);
    });
    let (plain, observed) = outcomes(&b, Rule::SameType);
    assert!(!plain.contains("monitor"), "{plain}");
    assert!(
        observed.contains("a binding is behind an argument of data"),
        "{observed}"
    );
}
