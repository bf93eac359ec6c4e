//! Builds small programs with the bytecode builder and runs them; what they put out is recorded by a host
//! capability `app.Out`.
#![allow(dead_code)]

use std::sync::{Arc, Mutex};

use jet_bytecode::builder::{FnRef, FunctionBuilder, PackageBuilder};
use jet_bytecode::module::{
    Bundle, CapIx, Field, FnKind, Method, NominalIx, NominalKind, Sig, Type, TypeIx, Variant,
};
use jet_bytecode::opcodes::Op;
use jet_bytecode::verify::verify;
use jet_vm::host::{
    HostAnswer, HostCapability, HostCx, HostEnum, HostFailure, HostMethod, HostType, HostValue,
    HostVariant, Ticket,
};
use jet_vm::{Binding, Config, Instance, Loaded, Outcome, RunStats, Trap};

static REFUSED: HostEnum = HostEnum {
    name: "Refused",
    variants: &[HostVariant {
        name: "Number",
        fields: &[("n", HostType::Int)],
    }],
};

pub static METHODS: &[HostMethod] = &[
    HostMethod {
        name: "int",
        params: &[HostType::Int],
        ret: HostType::Unit,
        errors: &[],
    },
    HostMethod {
        name: "text",
        params: &[HostType::Str],
        ret: HostType::Unit,
        errors: &[],
    },
    HostMethod {
        name: "float",
        params: &[HostType::Float],
        ret: HostType::Unit,
        errors: &[],
    },
    HostMethod {
        name: "check",
        params: &[HostType::Int],
        ret: HostType::Int,
        errors: &[&REFUSED],
    },
    HostMethod {
        name: "later",
        params: &[HostType::Int],
        ret: HostType::Str,
        errors: &[],
    },
    HostMethod {
        name: "ints",
        params: &[HostType::List(&HostType::Int)],
        ret: HostType::List(&HostType::Int),
        errors: &[],
    },
    HostMethod {
        name: "open",
        params: &[],
        ret: HostType::Handle("File"),
        errors: &[],
    },
    HostMethod {
        name: "read",
        params: &[HostType::Handle("File")],
        ret: HostType::Int,
        errors: &[],
    },
];

/// Method indices of `Out`.
pub const INT: u16 = 0;
pub const TEXT: u16 = 1;
pub const FLOAT: u16 = 2;
pub const CHECK: u16 = 3;
pub const LATER: u16 = 4;
pub const INTS: u16 = 5;
pub const OPEN: u16 = 6;
pub const READ: u16 = 7;

#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<HostValue>>>);

pub struct Out {
    log: Log,
}

impl HostCapability for Out {
    fn interface(&self) -> (&'static str, &'static str) {
        ("app", "Out")
    }
    fn methods(&self) -> &'static [HostMethod] {
        METHODS
    }
    fn call(&mut self, method: usize, args: &[HostValue], _: &mut HostCx<'_>) -> HostAnswer {
        let now = |v| HostAnswer::Now(Ok(v));
        match (method, args) {
            (0..=2, [v]) => {
                self.log.0.lock().unwrap().push(v.clone());
                now(HostValue::Unit)
            }
            (3, [HostValue::Int(n)]) if *n < 0 => HostAnswer::Now(Err(HostFailure::Error {
                error: "Refused",
                variant: 0,
                payload: vec![HostValue::Int(*n)],
            })),
            (3, [HostValue::Int(n)]) => now(HostValue::Int(n * 2)),
            (4, [HostValue::Int(n)]) => {
                let (ticket, completer) = Ticket::new();
                let n = *n;
                std::thread::spawn(move || {
                    completer.complete(Ok(HostValue::str(&format!("later {n}"))));
                });
                HostAnswer::Later(ticket)
            }
            (5, [HostValue::List(items)]) => {
                let mut items = items.clone();
                items.reverse();
                now(HostValue::List(items))
            }
            (6, []) => now(HostValue::Handle(77)),
            (7, [HostValue::Handle(n)]) => now(HostValue::Int(*n as i64)),
            other => panic!("call {other:?}"),
        }
    }
    fn scope_text(&self) -> String {
        "everything".into()
    }
}

/// The capability, recording into `log`.
pub fn out(log: &Log) -> Out {
    Out { log: log.clone() }
}

/// A package under construction.
pub struct Prog {
    pub p: PackageBuilder,
    pub unit: TypeIx,
    pub int: TypeIx,
    pub float: TypeIx,
    pub bool: TypeIx,
    pub str: TypeIx,
    pub ints: TypeIx,
    pub cap: CapIx,
    pub out: TypeIx,
    pub refused: NominalIx,
    pub refused_ty: TypeIx,
    pub file: TypeIx,
}

pub fn field(name: &str, ty: TypeIx, mutable: bool) -> Field {
    Field {
        name: name.into(),
        ty,
        mutable,
    }
}

pub fn variant(name: &str, fields: Vec<Field>) -> Variant {
    Variant {
        name: name.into(),
        fields,
    }
}

impl Prog {
    pub fn new() -> Prog {
        let mut p = PackageBuilder::new("app", "1.0.0");
        let unit = p.ty(Type::Unit);
        let int = p.ty(Type::Int);
        let float = p.ty(Type::Float);
        let bool = p.ty(Type::Bool);
        let str = p.ty(Type::Str);
        let ints = p.ty(Type::List(int));
        let cap = p.cap(0, "Out");
        let refused = p.nominal(0, "Refused");
        p.define_nominal(
            refused,
            NominalKind::Error(vec![variant("Number", vec![field("n", int, false)])]),
        );
        let file_ix = p.nominal(0, "File");
        p.define_nominal(file_ix, NominalKind::Handle);
        let file = p.ty(Type::Nominal(file_ix));
        let refused_ty = p.ty(Type::Nominal(refused));
        let method = |name: &str, params: Vec<TypeIx>, ret, errors| Method {
            name: name.into(),
            sig: Sig {
                params,
                uses: vec![],
                ret,
                errors,
            },
        };
        p.define_cap(
            cap,
            None,
            vec![
                method("int", vec![int], unit, vec![]),
                method("text", vec![str], unit, vec![]),
                method("float", vec![float], unit, vec![]),
                method("check", vec![int], int, vec![refused]),
                method("later", vec![int], str, vec![]),
                method("ints", vec![ints], ints, vec![]),
                method("open", vec![], file, vec![]),
                method("read", vec![file], int, vec![]),
            ],
        );
        let out = p.ty(Type::Cap(cap));
        Prog {
            p,
            unit,
            int,
            float,
            bool,
            str,
            ints,
            cap,
            out,
            refused,
            refused_ty,
            file,
        }
    }

    /// A function with these parameters; `uses` says whether it takes `Out` first.
    pub fn function(
        &mut self,
        name: &str,
        params: &[TypeIx],
        uses: bool,
        ret: TypeIx,
        errors: Vec<NominalIx>,
    ) -> FunctionBuilder {
        let caps = if uses { vec![self.cap] } else { vec![] };
        let sig = self.p.sig(params.to_vec(), caps, ret, errors);
        let mut leading = if uses { vec![self.out] } else { vec![] };
        leading.extend_from_slice(params);
        let mut f = FunctionBuilder::new(name, FnKind::Named, sig, vec![], leading);
        let file = self.p.file("app.jet");
        f.line(file, 1, 1);
        f
    }

    /// Adds a finished function under a declared name.
    pub fn add(&mut self, name: &str, f: FunctionBuilder) -> FnRef {
        let at = self.p.declare(name);
        self.p.define(at, f.finish().unwrap());
        at
    }

    /// `main`, with `Out` in register 0 and a unit register 1.
    pub fn main(&mut self) -> FunctionBuilder {
        let mut f = self.function("main", &[], true, self.unit, vec![]);
        f.reg(self.unit);
        f
    }

    /// Puts out a register.
    pub fn put(&mut self, f: &mut FunctionBuilder, method: u16, reg: u16) {
        f.emit_args(Op::CapCall, 1, method, &[0, reg]);
    }

    /// Ends `main` and verifies the program.
    pub fn finish_main(mut self, mut f: FunctionBuilder) -> Arc<Loaded> {
        f.const_imm(1, 0);
        f.emit(Op::Ret, 1, 0, 0);
        let main = self.add("main", f);
        self.finish(main)
    }

    pub fn finish(mut self, main: FnRef) -> Arc<Loaded> {
        self.p.entry(main, vec![vec!["main".into()]]);
        let package = self.p.finish().unwrap();
        let bundle = Bundle {
            packages: vec![package],
        };
        let verified = match verify(bundle) {
            Ok(v) => v,
            Err(e) => panic!("{e}"),
        };
        Arc::new(Loaded::new(verified).unwrap())
    }
}

/// What a run came to.
pub struct Ran {
    pub out: Vec<HostValue>,
    pub outcome: Outcome,
    pub stats: RunStats,
}

impl Ran {
    pub fn ints(&self) -> Vec<i64> {
        assert!(
            matches!(self.outcome, Outcome::Finished),
            "{:?}",
            self.outcome
        );
        let int = |v: &HostValue| match v {
            HostValue::Int(n) => *n,
            other => panic!("{other:?}"),
        };
        self.out.iter().map(int).collect()
    }

    pub fn texts(&self) -> Vec<String> {
        assert!(
            matches!(self.outcome, Outcome::Finished),
            "{:?}",
            self.outcome
        );
        let text = |v: &HostValue| match v {
            HostValue::Str(s) => s.to_string(),
            other => panic!("{other:?}"),
        };
        self.out.iter().map(text).collect()
    }

    pub fn trap(&self) -> &Trap {
        match &self.outcome {
            Outcome::Trapped(t) | Outcome::Limit(_, t) => t,
            other => panic!("{other:?}"),
        }
    }
}

pub fn run_with(loaded: &Arc<Loaded>, config: Config) -> Ran {
    let log = Log::default();
    let out: Box<dyn HostCapability> = Box::new(out(&log));
    let mut instance = Instance::new(Arc::clone(loaded), config, vec![Binding::from(out)]).unwrap();
    let outcome = instance.run(&[]);
    let stats = instance.stats();
    let out = log.0.lock().unwrap().clone();
    Ran {
        out,
        outcome,
        stats,
    }
}

/// Runs under several collector modes, which must agree.
pub fn run(loaded: &Arc<Loaded>) -> Ran {
    use jet_vm::GcMode;
    let normal = run_with(loaded, Config::default());
    for gc in [
        GcMode::Stress(1),
        GcMode::StressMinor(1),
        GcMode::StressMinor(3),
    ] {
        let other = run_with(
            loaded,
            Config {
                gc,
                ..Config::default()
            },
        );
        assert_eq!(normal.out, other.out, "{gc:?}");
        assert_eq!(normal.stats.fuel, other.stats.fuel, "{gc:?}");
        assert_eq!(
            format!("{:?}", normal.outcome),
            format!("{:?}", other.outcome),
            "{gc:?}"
        );
    }
    normal
}

/// `main` puts out the sum of 0..n.
pub fn sum_to(n: i32) -> Arc<Loaded> {
    let mut p = Prog::new();
    let mut f = p.main();
    let (sum, i, end) = (f.reg(p.int), f.reg(p.int), f.reg(p.int));
    f.const_imm(sum, 0);
    f.const_imm(i, 0);
    f.const_imm(end, n);
    let (head, done) = (f.label(), f.label());
    f.bind(head);
    f.jump(Op::JLe, end, i, done);
    f.emit(Op::AddInt, sum, sum, i);
    f.emit(Op::AddImm, i, i, 1);
    f.jmp(head);
    f.bind(done);
    p.put(&mut f, INT, sum);
    p.finish_main(f)
}

/// `fib`, by two calls of itself.
pub fn add_fib(p: &mut Prog) -> FnRef {
    let fib = p.p.declare("fib");
    let mut f = p.function("fib", &[p.int], false, p.int, vec![]);
    let (a, b) = (f.reg(p.int), f.reg(p.int));
    let rec = f.label();
    f.jump(Op::JGeImm, 0, 2, rec);
    f.emit(Op::Ret, 0, 0, 0);
    f.bind(rec);
    f.emit(Op::AddImm, a, 0, -1i16 as u16);
    f.emit_fn(Op::Call, a, fib, &[a]);
    f.emit(Op::AddImm, b, 0, -2i16 as u16);
    f.emit_fn(Op::Call, b, fib, &[b]);
    f.emit(Op::AddInt, a, a, b);
    f.emit(Op::Ret, a, 0, 0);
    p.p.define(fib, f.finish().unwrap());
    fib
}
