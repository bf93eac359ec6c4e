//! Calls of capabilities: answers, handles, attenuators, fakes, grants.

mod common;

use common::*;
use jet_bytecode::builder::FunctionBuilder;
use jet_bytecode::builtins::Builtin;
use jet_bytecode::module::{FnKind, Interface, Method, NominalKind, Type};
use jet_bytecode::opcodes::{Op, TrapKind};
use jet_vm::host::{HostAnswer, HostCapability, HostCx, HostMethod, HostValue};
use jet_vm::{Config, Instance, Loaded, Outcome};
use std::sync::Arc;

#[test]
fn answers_may_come_later() {
    let mut p = Prog::new();
    let mut f = p.main();
    let (n, t) = (f.reg(p.int), f.reg(p.str));
    for k in [1, 2] {
        f.const_imm(n, k);
        f.emit_args(Op::CapCall, t, LATER, &[0, n]);
        p.put(&mut f, TEXT, t);
    }
    assert_eq!(run(&p.finish_main(f)).texts(), ["later 1", "later 2"]);
}

#[test]
fn lists_cross_to_the_host() {
    let mut p = Prog::new();
    let mut f = p.main();
    let (a, b, xs) = (f.reg(p.int), f.reg(p.int), f.reg(p.ints));
    f.const_imm(a, 1);
    f.const_imm(b, 2);
    f.emit_args(Op::ListOf, xs, 0, &[a, b, b]);
    f.emit_args(Op::CapCall, xs, INTS, &[0, xs]);
    f.const_imm(a, 2);
    f.emit(Op::ListGet, b, xs, a);
    p.put(&mut f, INT, b);
    assert_eq!(run(&p.finish_main(f)).ints(), [1]);
}

#[test]
fn handles_are_sealed() {
    let mut p = Prog::new();
    let mut f = p.main();
    let (h, n) = (f.reg(p.file), f.reg(p.int));
    f.emit_args(Op::CapCall, h, OPEN, &[0]);
    f.emit_args(Op::CapCall, n, READ, &[0, h]);
    p.put(&mut f, INT, n);
    assert_eq!(run(&p.finish_main(f)).ints(), [77]);
}

/// An attenuator of `Out` that counts its calls, keeps a list and gives it out.
fn attenuated(direct_handle: bool) -> Arc<Loaded> {
    let mut p = Prog::new();
    let att = p.p.nominal(0, "Narrow");
    let ty = p.p.ty(Type::Nominal(att));
    let fields = vec![
        field("inner", p.out, false),
        field("calls", p.int, true),
        field("kept", p.ints, false),
    ];
    p.p.define_nominal(att, NominalKind::Struct(fields));
    let mut methods = vec![];
    let mut method = |p: &mut Prog,
                      name: &str,
                      params: &[u16],
                      ret,
                      errors,
                      body: &dyn Fn(&mut Prog, &mut FunctionBuilder)| {
        let mut all = vec![ty];
        all.extend_from_slice(params);
        let full = format!("Narrow.{name}");
        let mut f = p.function(&full, &all, false, ret, errors);
        body(p, &mut f);
        methods.push(p.add(&full, f));
    };
    let (unit, int, str, ints, float, file) = (p.unit, p.int, p.str, p.ints, p.float, p.file);
    method(&mut p, "int", &[int], unit, vec![], &|p, f| {
        let (c, n, u) = (f.reg(p.out), f.reg(p.int), f.reg(p.unit));
        f.emit(Op::GetField, n, 0, 1);
        f.emit(Op::AddImm, n, n, 1);
        f.emit(Op::SetField, 0, 1, n);
        f.emit(Op::GetCap, c, 0, 0);
        f.emit(Op::AddInt, 1, 1, n);
        f.emit_args(Op::CapCall, u, INT, &[c, 1]);
        f.emit(Op::Ret, u, 0, 0);
    });
    for (name, ty) in [("text", str), ("float", float)] {
        method(&mut p, name, &[ty], unit, vec![], &|p, f| {
            let u = f.reg(p.unit);
            f.const_imm(u, 0);
            f.emit(Op::Ret, u, 0, 0);
        });
    }
    let refused = p.refused;
    method(&mut p, "check", &[int], int, vec![refused], &|p, f| {
        let e = f.reg(p.refused_ty);
        f.emit_args(Op::New, e, 0, &[1]);
        f.emit(Op::Raise, e, 0, 0);
    });
    method(&mut p, "later", &[int], str, vec![], &|p, f| {
        let (c, t) = (f.reg(p.out), f.reg(p.str));
        f.emit(Op::GetCap, c, 0, 0);
        f.emit_args(Op::CapCall, t, LATER, &[c, 1]);
        f.emit(Op::Ret, t, 0, 0);
    });
    // Changes its argument, which must be a copy, and gives out its own list, which must be copied.
    method(&mut p, "ints", &[ints], ints, vec![], &|p, f| {
        let (xs, i) = (f.reg(p.ints), f.reg(p.int));
        f.const_imm(i, 0);
        f.emit(Op::ListPush, 1, i, 0);
        f.emit(Op::GetField, xs, 0, 2);
        f.emit(Op::Ret, xs, 0, 0);
    });
    method(&mut p, "open", &[], file, vec![], &|p, f| {
        let (c, h) = (f.reg(p.out), f.reg(p.file));
        f.emit(Op::GetCap, c, 0, 0);
        f.emit_args(Op::CapCall, h, OPEN, &[c]);
        f.emit(Op::Ret, h, 0, 0);
    });
    method(&mut p, "read", &[file], int, vec![], &|p, f| {
        let (c, n) = (f.reg(p.out), f.reg(p.int));
        f.emit(Op::GetCap, c, 0, 0);
        f.emit_args(Op::CapCall, n, READ, &[c, 1]);
        f.emit(Op::AddImm, n, n, 1);
        f.emit(Op::Ret, n, 0, 0);
    });
    p.p.implement(att, Interface::Cap(p.cap), methods);
    let mut f = p.main();
    let (a, cap) = (f.reg(ty), f.reg(p.out));
    let (xs, ys) = (f.reg(p.ints), f.reg(p.ints));
    let (n, i) = (f.reg(p.int), f.reg(p.int));
    f.const_imm(n, 5);
    f.const_imm(i, 0);
    f.emit_args(Op::ListOf, xs, 0, &[n]);
    f.emit_args(Op::NewAtt, a, 0, &[0, i, xs]);
    f.emit(Op::AsCap, cap, a, 0);
    // The attenuator's list is its own.
    f.emit(Op::ListPush, xs, n, 0);
    f.const_imm(n, 100);
    f.emit_args(Op::CapCall, 1, INT, &[cap, n]);
    f.emit_args(Op::CapCall, 1, INT, &[cap, n]);
    f.emit_args(Op::CapCall, ys, INTS, &[cap, xs]);
    f.emit(Op::ListLen, n, xs, 0);
    p.put(&mut f, INT, n);
    f.emit(Op::ListLen, n, ys, 0);
    p.put(&mut f, INT, n);
    f.emit(Op::ListPush, ys, n, 0);
    f.emit_args(Op::CapCall, ys, INTS, &[cap, xs]);
    f.emit(Op::ListLen, n, ys, 0);
    p.put(&mut f, INT, n);
    let e = f.reg(p.refused_ty);
    let (bad, end) = (f.label(), f.label());
    f.const_imm(n, 17);
    f.emit_args(Op::CapCall, n, CHECK, &[cap, n]);
    f.on_error(e, bad);
    f.jmp(end);
    f.bind(bad);
    f.emit(Op::GetPayload, n, e, 0);
    f.bind(end);
    p.put(&mut f, INT, n);
    let (h, t) = (f.reg(p.file), f.reg(p.str));
    f.emit_args(Op::CapCall, t, LATER, &[cap, n]);
    f.emit(Op::StrLen, n, t, 0);
    p.put(&mut f, INT, n);
    f.emit_args(Op::CapCall, h, OPEN, &[cap]);
    let by = if direct_handle { 0 } else { cap };
    f.emit_args(Op::CapCall, n, READ, &[by, h]);
    p.put(&mut f, INT, n);
    p.finish_main(f)
}

#[test]
fn attenuators() {
    let ran = run(&attenuated(false));
    assert_eq!(ran.ints(), [101, 102, 2, 1, 1, 17, 8, 78]);
    // A handle from the attenuator does not work with what is behind it.
    let ran = run(&attenuated(true));
    assert_eq!(ran.trap().kind, TrapKind::Handle);
    assert_eq!(ran.out.last(), Some(&HostValue::Int(8)));
}

#[test]
fn a_missing_grant_is_refused_before_anything_runs() {
    use jet_vm::{Instance, InstanceError};
    let made = Instance::new(sum_to(1), Config::default(), vec![]);
    match made {
        Err(InstanceError::NotGranted {
            capability, path, ..
        }) => {
            assert_eq!((capability.as_str(), path.len()), ("Out", 1));
        }
        other => panic!("{other:?}"),
    }
}

/// A capability `Small` with one method, implemented by a fake: an enum with or without payload.
fn fake(payload: bool) -> Arc<Loaded> {
    let mut p = Prog::new();
    let small = p.p.cap(0, "Small");
    let sig = p.p.sig(vec![p.int], vec![], p.int, vec![]);
    p.p.define_cap(
        small,
        None,
        vec![Method {
            name: "next".into(),
            sig,
        }],
    );
    let small_ty = p.p.ty(Type::Cap(small));
    let fake = p.p.nominal(0, "Fake");
    let ty = p.p.ty(Type::Nominal(fake));
    let fields = if payload {
        vec![field("n", p.int, false)]
    } else {
        vec![]
    };
    p.p.define_nominal(
        fake,
        NominalKind::Enum(vec![variant("A", vec![]), variant("B", fields)]),
    );
    let mut f = p.function("Fake.next", &[ty, p.int], false, p.int, vec![]);
    let n = f.reg(p.int);
    f.emit(Op::GetTag, n, 0, 0);
    f.emit(Op::AddInt, 1, 1, n);
    if payload {
        let plain = f.label();
        f.jump(Op::JTag, 0, 0, plain);
        f.emit(Op::GetPayload, n, 0, 256);
        f.emit(Op::AddInt, 1, 1, n);
        f.bind(plain);
    }
    f.emit(Op::Ret, 1, 0, 0);
    let next = p.add("Fake.next", f);
    p.p.implement(fake, Interface::Cap(small), vec![next]);
    let sig = p.p.sig(vec![p.int], vec![small], p.int, vec![]);
    let mut f = FunctionBuilder::new("use", FnKind::Named, sig, vec![], vec![small_ty, p.int]);
    f.emit_args(Op::CapCall, 1, 0, &[0, 1]);
    f.emit_args(Op::CapCall, 1, 0, &[0, 1]);
    f.emit(Op::Ret, 1, 0, 0);
    let twice = p.add("use", f);
    let mut f = p.main();
    let (n, v) = (f.reg(p.int), f.reg(ty));
    for variant in 0..2 {
        let c = f.reg(small_ty);
        f.const_imm(n, 100);
        match (payload, variant) {
            (true, 1) => f.emit_args(Op::New, v, 1, &[n]),
            (true, v0) => f.emit_args(Op::New, v, v0, &[]),
            (false, v0) => f.const_imm(v, i32::from(v0)),
        }
        f.emit(Op::AsCap, c, v, 0);
        f.emit_fn(Op::Call, n, twice, &[c, n]);
        p.put(&mut f, INT, n);
    }
    p.finish_main(f)
}

#[test]
fn fakes() {
    assert_eq!(run(&fake(false)).ints(), [100, 102]);
    assert_eq!(run(&fake(true)).ints(), [100, 302]);
}

#[test]
fn grants_are_counted_and_revoked() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let mut p = Prog::new();
    let mut f = p.main();
    let n = f.reg(p.int);
    for k in 0..3 {
        f.const_imm(n, k);
        p.put(&mut f, INT, n);
    }
    let loaded = p.finish_main(f);
    let revoked = Arc::new(AtomicBool::new(false));
    let calls = |calls: Option<u64>, bytes: Option<u64>, revoke: bool, deaf: bool| {
        let quota = jet_vm::Quota { calls, bytes };
        let host: Box<dyn HostCapability> = Box::new(out(&Log::default()));
        let binding = jet_vm::Binding {
            host,
            quota,
            revoked: Arc::clone(&revoked),
        };
        revoked.store(revoke, Ordering::Relaxed);
        let audited = Arc::new(std::sync::Mutex::new(vec![]));
        let sink = Arc::clone(&audited);
        let config = Config {
            audit: Some(Box::new(move |event: &jet_vm::AuditEvent<'_>| {
                let ends = match event.verdict {
                    jet_vm::Verdict::Ok => "ok",
                    jet_vm::Verdict::Error(..) => "error",
                    jet_vm::Verdict::Trap(_) => "stopped",
                };
                let call = format!("{}.{} {ends}", event.capability, event.method);
                sink.lock().unwrap().push(call);
                !deaf
            })),
            ..Config::default()
        };
        let mut instance = Instance::new(Arc::clone(&loaded), config, vec![binding]).unwrap();
        let outcome = instance.run(&[]);
        let seen = audited.lock().unwrap().clone();
        (outcome, seen)
    };
    let (outcome, seen) = calls(Some(2), None, false, false);
    assert!(matches!(outcome, Outcome::Trapped(t) if t.kind == TrapKind::Revoked));
    assert_eq!(
        seen,
        ["app.Out.int ok", "app.Out.int ok", "app.Out.int stopped"]
    );
    let (outcome, seen) = calls(None, None, true, false);
    assert!(matches!(outcome, Outcome::Trapped(t) if t.kind == TrapKind::Revoked));
    assert_eq!(seen, ["app.Out.int stopped"]);
    assert!(matches!(
        calls(Some(3), Some(0), false, false).0,
        Outcome::Finished
    ));
    // What could not be recorded is the last thing that happens.
    let (outcome, seen) = calls(None, None, false, true);
    assert!(matches!(outcome, Outcome::Trapped(t) if t.message.contains("recorded")));
    assert_eq!(seen, ["app.Out.int ok", "app.Out.int stopped"]);
}

/// Answers every call with a number, having done work; cancels the run if it can.
struct Worker {
    work: u64,
    cancel: Arc<std::sync::OnceLock<Arc<std::sync::atomic::AtomicBool>>>,
}

impl HostCapability for Worker {
    fn interface(&self) -> (&'static str, &'static str) {
        ("app", "Out")
    }
    fn methods(&self) -> &'static [HostMethod] {
        METHODS
    }
    fn call(&mut self, _: usize, _: &[HostValue], cx: &mut HostCx<'_>) -> HostAnswer {
        cx.charge_work(self.work);
        if let Some(cancel) = self.cancel.get() {
            cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        HostAnswer::Now(Ok(HostValue::Int(1)))
    }
    fn scope_text(&self) -> String {
        "everything".into()
    }
}

#[test]
fn the_audit_hears_why_a_call_ended_the_run() {
    let mut p = Prog::new();
    let mut f = p.main();
    let n = f.reg(p.int);
    f.const_imm(n, 1);
    p.put(&mut f, INT, n);
    let loaded = p.finish_main(f);
    for (work, cancels, kind) in [
        // More than the fuel limit, from a run that nobody wants any more.
        (1 << 40, true, TrapKind::Cancelled),
        (1 << 40, false, TrapKind::Fuel),
        // The method returns nothing: a number is no answer.
        (0, false, TrapKind::Panic),
    ] {
        let told = Arc::new(std::sync::Mutex::new(vec![]));
        let sink = Arc::clone(&told);
        let config = Config {
            limits: jet_vm::host::Limits {
                fuel: Some(100_000),
                ..jet_vm::host::Limits::default()
            },
            audit: Some(Box::new(move |event: &jet_vm::AuditEvent<'_>| {
                sink.lock().unwrap().push(format!("{:?}", event.verdict));
                true
            })),
            ..Config::default()
        };
        let cancel = Arc::default();
        let host: Box<dyn HostCapability> = Box::new(Worker {
            work,
            cancel: Arc::clone(&cancel),
        });
        let mut instance = Instance::new(Arc::clone(&loaded), config, vec![host.into()]).unwrap();
        if cancels {
            cancel.set(instance.cancel_flag()).unwrap();
        }
        let (Outcome::Trapped(trap) | Outcome::Limit(_, trap)) = instance.run(&[]) else {
            panic!("{kind:?}");
        };
        assert_eq!(trap.kind, kind);
        let why = format!("Trap({:?})", trap.message);
        assert_eq!(*told.lock().unwrap(), [why]);
    }
}

#[test]
fn a_run_shows_no_error_of_another() {
    let mut p = Prog::new();
    let strings = p.p.ty(Type::List(p.str));
    let mut f = p.function("main", &[strings], true, p.unit, vec![p.refused]);
    let (n, t, u, e) = (
        f.reg(p.int),
        f.reg(p.str),
        f.reg(p.unit),
        f.reg(p.refused_ty),
    );
    let silent = f.label();
    f.emit(Op::ListLen, n, 1, 0);
    f.jump(Op::JGeImm, n, 1, silent);
    let told = p.p.const_str("told");
    f.load_const(t, told);
    f.emit_args(Op::Builtin, u, Builtin::FailureText as u16, &[t]);
    f.bind(silent);
    f.emit_args(Op::New, e, 0, &[n]);
    f.emit(Op::Raise, e, 0, 0);
    let main = p.add("main", f);
    let loaded = p.finish(main);
    let host: Box<dyn HostCapability> = Box::new(out(&Log::default()));
    let mut instance = Instance::new(loaded, Config::default(), vec![host.into()]).unwrap();
    let mut text = |args: &[String]| match instance.run(args) {
        Outcome::Failed(failure) => failure.text,
        other => panic!("{other:?}"),
    };
    assert_eq!(text(&[]), "told");
    let shown = text(&["silent".to_owned()]);
    assert!(shown.contains("Number") && shown.contains('1'), "{shown}");
}

#[test]
fn a_call_that_is_given_up_while_it_waits_is_audited() {
    let mut p = Prog::new();
    let mut f = p.main();
    let (n, text) = (f.reg(p.int), f.reg(p.str));
    f.const_imm(n, 1);
    f.emit_args(Op::CapCall, text, LATER, &[0, n]);
    p.put(&mut f, TEXT, text);
    let loaded = p.finish_main(f);
    let waiting = || {
        let audited = Arc::new(std::sync::Mutex::new(vec![]));
        let sink = Arc::clone(&audited);
        let config = Config {
            audit: Some(Box::new(move |event: &jet_vm::AuditEvent<'_>| {
                let call = format!("{}({:?}) {:?}", event.method, event.args, event.verdict);
                sink.lock().unwrap().push(call);
                true
            })),
            ..Config::default()
        };
        let host: Box<dyn HostCapability> = Box::new(out(&Log::default()));
        let mut instance = Instance::new(Arc::clone(&loaded), config, vec![host.into()]).unwrap();
        let outcome = instance.run_main(&[]);
        assert!(matches!(outcome, Outcome::Waiting(_)), "{outcome:?}");
        assert!(audited.lock().unwrap().is_empty());
        (instance, audited)
    };
    let (mut instance, audited) = waiting();
    let outcome = instance.fail(TrapKind::Cancelled, "enough");
    assert!(matches!(outcome, Outcome::Trapped(t) if t.kind == TrapKind::Cancelled));
    drop(instance);
    assert_eq!(
        *audited.lock().unwrap(),
        ["later([Int(1)]) Trap(\"enough\")"]
    );
    // Another run in its place, and the end of the instance.
    let (mut instance, audited) = waiting();
    assert!(matches!(instance.run_main(&[]), Outcome::Waiting(_)));
    assert_eq!(audited.lock().unwrap().len(), 1);
    drop(instance);
    let seen = audited.lock().unwrap();
    assert!(
        seen.len() == 2 && seen.iter().all(|s| s.contains("Trap")),
        "{seen:?}"
    );
}
