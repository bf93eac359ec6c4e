//! `verify`: how fast bundles are read and verified, on one core, beside wasmparser's validation of modules of
//! about the same size.
//!
//! Must stay true: modules are made here, of ordinary code (arithmetic, branches, loops, calls that can fail, lists,
//! records), the same for every size; hostile ones are verified or refused, and counted by the byte like the others.
//! Memory is that of a process of its own.

use std::process::Command;
use std::time::Instant;

use clap::Args;
use jet_bytecode::builder::{FnRef, FunctionBuilder, PackageBuilder};
use jet_bytecode::format;
use jet_bytecode::joins::Joins;
use jet_bytecode::module::*;
use jet_bytecode::opcodes::{Op, Word};
use jet_bytecode::verify;

/// Options of `verify`.
#[derive(Args)]
pub struct Options {
    /// How often; the shortest time counts.
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// Reads and verifies this file and says what it took of memory.
    #[arg(long, hide = true)]
    memory_of: Option<std::path::PathBuf>,
    /// Verifies a module of this many KiB for so many seconds, for profilers.
    #[arg(long, hide = true)]
    spin: Option<u64>,
}

/// Types that the generated code uses.
struct World {
    p: PackageBuilder,
    unit: TypeIx,
    int: TypeIx,
    text: TypeIx,
    ints: TypeIx,
    point: TypeIx,
    error: NominalIx,
    error_ty: TypeIx,
}

impl World {
    fn new() -> World {
        let mut p = PackageBuilder::new("app", "1");
        let (unit, int, text) = (p.ty(Type::Unit), p.ty(Type::Int), p.ty(Type::Str));
        let ints = p.ty(Type::List(int));
        let field = |name: &str| Field {
            name: name.into(),
            ty: int,
            mutable: true,
        };
        let point = p.nominal(0, "Point");
        p.define_nominal(point, NominalKind::Struct(vec![field("x"), field("y")]));
        let error = p.nominal(0, "Bad");
        let variant = Variant {
            name: "Bad".into(),
            fields: vec![],
        };
        p.define_nominal(error, NominalKind::Error(vec![variant]));
        let (point, error_ty) = (p.ty(Type::Nominal(point)), p.ty(Type::Nominal(error)));
        World {
            p,
            unit,
            int,
            text,
            ints,
            point,
            error,
            error_ty,
        }
    }

    /// `(int, [int]) -> int ! Bad`, about a KiB of code; it calls the function before it.
    fn function(&mut self, n: usize, before: Option<FnRef>) -> FnRef {
        let (int, ints) = (self.int, self.ints);
        let sig = self.p.sig(vec![int, ints], vec![], int, vec![self.error]);
        let name = format!("part.function_{n}");
        let mut f = FunctionBuilder::new(&name, FnKind::Named, sig, vec![], vec![int, ints]);
        let file = self.p.file("app/part.jet");
        let regs: Vec<u16> = (0..12).map(|_| f.reg(int)).collect();
        let (s, p, e) = (f.reg(self.text), f.reg(self.point), f.reg(self.error_ty));
        let k = self.p.const_str("text");
        for r in &regs {
            f.const_imm(*r, 1);
        }
        for round in 0..6u16 {
            f.line(file, u32::from(round) * 3 + 1, 5);
            let r = |k: u16| regs[usize::from((round + k) % 12)];
            let (top, done, bad, on) = (f.label(), f.label(), f.label(), f.label());
            f.emit(Op::ListLen, r(0), 1, 0);
            f.bind(top);
            f.jump(Op::JLeImm, r(0), 0, done);
            f.emit(Op::AddInt, r(1), r(2), r(3));
            f.emit(Op::MulInt, r(3), r(1), r(4));
            f.emit(Op::AddImm, r(0), r(0), 0xffff);
            f.line(file, u32::from(round) * 3 + 2, 9);
            f.emit(Op::ListGet, r(5), 1, r(0));
            f.jump(Op::JEq, r(5), r(1), top);
            f.emit_args(Op::New, p, 0, &[r(5), r(1)]);
            f.emit(Op::GetField, r(6), p, 1);
            f.emit(Op::SetField, p, 0, r(6));
            f.jmp(top);
            f.bind(done);
            f.load_const(s, k);
            f.emit(Op::StrLen, r(7), s, 0);
            f.line(file, u32::from(round) * 3 + 3, 5);
            if let Some(before) = before {
                f.emit_fn(Op::Call, r(8), before, &[r(7), 1]);
                f.on_error(e, bad);
                f.jmp(on);
                f.bind(bad);
                f.emit(Op::Raise, e, 0, 0);
                f.bind(on);
            }
        }
        f.emit(Op::Ret, regs[1], 0, 0);
        let at = self.p.declare(&name);
        self.p.define(at, f.finish().expect("generated code"));
        at
    }

    fn finish(self) -> Vec<u8> {
        let bundle = Bundle {
            packages: vec![self.p.finish().expect("generated package")],
        };
        format::encode(&bundle).expect("generated bundle")
    }
}

/// An ordinary module of about this size.
fn ordinary(bytes: usize) -> Vec<u8> {
    let build = |functions: usize| {
        let mut w = World::new();
        let mut before = None;
        for n in 0..functions {
            before = Some(w.function(n, before));
        }
        w.finish()
    };
    let one = build(20).len() - build(10).len();
    build((bytes * 10 / one).max(1))
}

/// Raw code as the only function, `(int, [int]) -> int`.
fn raw(registers: usize, code: Vec<u64>, joins: Joins) -> Vec<u8> {
    let w = World::new();
    let (int, ints) = (w.int, w.ints);
    let sig = w.p.sig(vec![int, ints], vec![], int, vec![]);
    let mut regs = vec![int, ints];
    regs.resize(registers.max(2), int);
    let mut p = w.p.finish().expect("generated package");
    for n in 0..4 {
        p.functions.push(Function {
            name: format!("f{n}"),
            kind: FnKind::Named,
            sig: sig.clone(),
            captures: vec![],
            regs: regs.clone(),
            code: code.clone(),
            joins: joins.clone(),
            lines: vec![],
        });
    }
    format::encode(&Bundle { packages: vec![p] }).expect("generated bundle")
}

/// Modules that are made to be slow, by name.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let ret = Word::abc(Op::Ret, 0, 0, 0).0;
    let words = 60_000u32;
    // Every word a branch and a join, with all registers declared.
    let mut branches: Vec<u64> = (0..words)
        .map(|_| Word::abc(Op::JEqImm, 0, 0, 1).0)
        .collect();
    branches.push(ret);
    let joins = |live: Vec<u16>, step: usize| -> Joins {
        let places = (1..=words).step_by(step);
        places.map(|pc| (pc, live.clone())).collect()
    };
    let one_join = |pc: u32| Joins::from_iter([(pc, vec![0])]);
    // All jump to one place, forwards and backwards.
    let mut star: Vec<u64> = (0..words)
        .map(|pc| Word::a32(Op::JmpIf, 2, words.wrapping_sub(pc)).0)
        .collect();
    star.insert(0, Word::a32(Op::ConstImm, 2, 0).0);
    star.push(ret);
    // One `switch` after the other, each with thousands of targets.
    let mut switches = Vec::new();
    for _ in 0..12 {
        let n = 5_000u16;
        switches.push(Word::abc(Op::Switch, 0, n, 0).0);
        let at = switches.len() as u32;
        let to = 12 * 2_501 - (at - 1);
        switches.extend((0..n / 2).map(|_| u64::from(to) << 32 | u64::from(to)));
    }
    let end = switches.len() as u32;
    switches.push(ret);
    // Lists of the same registers over and over.
    let mut args = Vec::new();
    for _ in 0..60 {
        args.push(Word::abc(Op::ListOf, 1, 0, 3_996).0);
        args.extend((0..999).map(|_| 0u64));
    }
    args.push(ret);
    vec![
        (
            "branch to the next word",
            raw(1024, branches.clone(), joins(vec![0], 1)),
        ),
        ("everything jumps to one place", {
            let mut b = raw(1024, star, one_join(words));
            b.shrink_to_fit();
            b
        }),
        ("switches of thousands", raw(1024, switches, one_join(end))),
        ("thousands of operands", raw(1024, args, Joins::default())),
        ("large error sets", error_sets()),
    ]
}

/// Error values moved between sets of 255 members.
fn error_sets() -> Vec<u8> {
    let mut w = World::new();
    let errors: Vec<NominalIx> = (0..255)
        .map(|n| {
            let e = w.p.nominal(0, &format!("Error{n}"));
            let v = Variant {
                name: "V".into(),
                fields: vec![],
            };
            w.p.define_nominal(e, NominalKind::Error(vec![v]));
            e
        })
        .collect();
    let all = w.p.error_type(errors.clone()).expect("set");
    let less = w.p.error_type(errors[1..].to_vec()).expect("set");
    let sig = w.p.sig(vec![less], vec![], w.unit, errors);
    let mut f = FunctionBuilder::new("f", FnKind::Named, sig, vec![], vec![less]);
    let to = f.reg(all);
    for _ in 0..60_000 {
        f.emit(Op::Mov, to, 0, 0);
    }
    f.emit(Op::Raise, to, 0, 0);
    let at = w.p.declare("f");
    w.p.define(at, f.finish().expect("generated code"));
    w.finish()
}

/// A WebAssembly module of about this size, of code of the same kind.
fn wasm(bytes: usize) -> Vec<u8> {
    fn leb(mut n: u32, out: &mut Vec<u8>) {
        while n >= 0x80 {
            out.push(n as u8 | 0x80);
            n >>= 7;
        }
        out.push(n as u8);
    }
    fn section(id: u8, body: &[u8], out: &mut Vec<u8>) {
        out.push(id);
        leb(body.len() as u32, out);
        out.extend(body);
    }
    let mut body = vec![1, 12, 0x7e]; // twelve locals of i64
    for round in 0..6u8 {
        let r = |k: u8| 1 + (round + k) % 12;
        for _ in 0..5 {
            body.extend([0x02, 0x40, 0x03, 0x40]); // block, loop
            body.extend([0x20, r(0), 0x50, 0x0d, 1]); // get, eqz, br_if 1
            body.extend([0x20, r(2), 0x20, r(3), 0x7c, 0x21, r(1)]); // add
            body.extend([0x20, r(1), 0x20, r(4), 0x7e, 0x21, r(3)]); // mul
            body.extend([0x20, r(0), 0x42, 1, 0x7d, 0x21, r(0)]); // sub 1
            body.extend([0x20, r(0), 0xa7, 0x29, 3, 0, 0x21, r(5)]); // load
            body.extend([0x20, r(5), 0x20, r(1), 0x51, 0x0d, 0]); // eq, br_if 0
            body.extend([0x20, r(0), 0xa7, 0x20, r(6), 0x37, 3, 0]); // store
            body.extend([0x0c, 0, 0x0b, 0x0b]); // br 0, ends
        }
        body.extend([0x20, r(7), 0x10, 0, 0x21, r(8)]); // call 0
    }
    body.extend([0x20, 1, 0x0b]);
    let count = (bytes / (body.len() + 3)).max(1) as u32;
    let mut out = b"\0asm\x01\0\0\0".to_vec();
    section(1, &[1, 0x60, 1, 0x7e, 1, 0x7e], &mut out);
    let mut functions = Vec::new();
    leb(count, &mut functions);
    functions.resize(functions.len() + count as usize, 0);
    section(3, &functions, &mut out);
    section(5, &[1, 0, 1], &mut out);
    let mut code = Vec::new();
    leb(count, &mut code);
    for _ in 0..count {
        leb(body.len() as u32, &mut code);
        code.extend(&body);
    }
    section(10, &code, &mut out);
    out
}

/// Seconds that this thread has had of a processor, so that other processes do not count.
pub fn now() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|n| n.parse::<u64>().ok());
    nanoseconds.unwrap_or_default() as f64 / 1e9
}

/// Seconds of the fastest of some runs.
fn fastest<T>(runs: usize, mut f: impl FnMut() -> T) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..runs.max(1) {
        let start = now();
        let result = std::hint::black_box(f());
        best = best.min(now() - start);
        drop(result);
    }
    best
}

/// Bytes that one measurement verifies at least: the clock is coarse.
const AT_LEAST: usize = 32 << 20;

/// Small modules are verified many times in one measurement.
fn speed(bytes: &[u8], runs: usize, mut f: impl FnMut()) -> f64 {
    let times = (AT_LEAST / bytes.len()).max(1);
    let seconds = fastest(runs, || (0..times).for_each(|_| f())) / times as f64;
    bytes.len() as f64 / seconds / 1e6
}

/// Verifies on this thread alone, whose time is what is measured.
fn one_thread(read: format::Decoded) -> Result<verify::VerifiedProgram, verify::VerifyError> {
    let limits = verify::VerifyLimits {
        threads: 1,
        ..verify::VerifyLimits::default()
    };
    verify::verify_decoded_with(read, limits)
}

fn jet(bytes: &[u8]) -> bool {
    let read = format::read(bytes).expect("a bundle");
    one_thread(read).is_ok()
}

/// Most memory that this process ever held, in bytes.
fn peak() -> Result<u64, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.trim().split(' ').next()?.parse::<u64>().ok());
    kib.map(|k| k << 10).ok_or_else(|| "no VmHWM".to_owned())
}

/// Runs the benchmark.
pub fn run(options: &Options) -> Result<(), String> {
    if let Some(path) = &options.memory_of {
        return memory(path);
    }
    if let Some(seconds) = options.spin {
        let bytes = ordinary(4 << 20);
        let start = Instant::now();
        while start.elapsed().as_secs() < seconds {
            assert!(jet(&bytes));
        }
        return Ok(());
    }
    let sizes = [
        ("64 KiB", 64 << 10),
        ("1 MiB", 1 << 20),
        ("15.9 MiB", 15_900 << 10),
    ];
    println!("MB/s of one core      read+verify      verify   wasmparser   ratio");
    let mut rates = Vec::new();
    for (name, size) in sizes {
        let bytes = ordinary(size);
        assert!(jet(&bytes), "the generated module is refused");
        let both = speed(&bytes, options.runs, || {
            assert!(jet(&bytes));
        });
        let read = format::read(&bytes).map_err(|e| e.to_string())?;
        let mut copies = Vec::new();
        let only = {
            let times = (AT_LEAST / bytes.len()).max(1);
            let mut best = f64::INFINITY;
            for _ in 0..options.runs {
                copies.extend((0..times).map(|_| read.clone()));
                let start = now();
                for b in copies.drain(..) {
                    assert!(std::hint::black_box(one_thread(b)).is_ok());
                }
                best = best.min((now() - start) / times as f64);
            }
            bytes.len() as f64 / best / 1e6
        };
        let module = wasm(size);
        let theirs = speed(&module, options.runs, || {
            let mut v = wasmparser::Validator::new();
            v.validate_all(&module).expect("a valid module");
        });
        println!(
            "{name:<12} {:>9} B {both:>10.1} {only:>11.1} {theirs:>12.1} {:>7.2}",
            bytes.len(),
            both / theirs
        );
        rates.push(both);
    }
    if let [small, .., large] = rates[..] {
        println!(
            "time per byte, 15.9 MiB against 64 KiB: {:.2}",
            small / large
        );
        for (name, bytes) in hostile() {
            let rate = speed(&bytes, options.runs, || {
                jet(&bytes);
            });
            let verdict = if jet(&bytes) { "verified" } else { "refused" };
            println!(
                "{name:<32} {:>9} B {rate:>10.1} MB/s, {verdict}, time per byte {:.2}",
                bytes.len(),
                small / rate
            );
        }
    }
    let dir = std::env::temp_dir().join(format!("jet-bench-verify-{}", std::process::id()));
    std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let result = shapes().into_iter().try_for_each(|(name, bytes)| {
        let path = dir.join("x.jbc");
        std::fs::write(&path, bytes).map_err(|e| e.to_string())?;
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut child = Command::new(own);
        child.arg("verify").arg("--memory-of").arg(&path);
        let said = child.output().map_err(|e| e.to_string())?;
        print!(
            "memory, {name:<24} {}",
            String::from_utf8_lossy(&said.stdout)
        );
        Ok(())
    });
    let _ = std::fs::remove_dir_all(&dir);
    result
}

/// Modules of nearly the largest size whose memory is measured.
fn shapes() -> Vec<(&'static str, Vec<u8>)> {
    let most = 15_900usize << 10;
    // As many functions as fit, of one word repeated, with a position or a join at each.
    let dense = |each: usize, lines: bool| {
        let w = World::new();
        let sig = w.p.sig(vec![w.int], vec![], w.int, vec![]);
        let regs = vec![w.int];
        let mut p = w.p.finish().expect("generated package");
        p.files.push("f".into());
        let words = 60_000u32;
        for n in 0..most / (each * words as usize) {
            let body = match lines {
                true => Word::abc(Op::AddInt, 0, 0, 0).0,
                false => Word::abc(Op::JEqImm, 0, 0, 1).0,
            };
            let mut code = vec![body; words as usize];
            code.push(Word::abc(Op::Ret, 0, 0, 0).0);
            let line = |pc| LineEntry {
                pc,
                file: 0,
                line: 1,
                col: 1,
            };
            p.functions.push(Function {
                name: format!("f{n}"),
                kind: FnKind::Named,
                sig: sig.clone(),
                captures: vec![],
                regs: regs.clone(),
                code,
                joins: (1..=words)
                    .filter(|_| !lines)
                    .map(|pc| (pc, vec![0]))
                    .collect(),
                lines: (0..words).filter(|_| lines).map(line).collect(),
            });
        }
        format::encode(&Bundle { packages: vec![p] }).expect("generated bundle")
    };
    vec![
        ("ordinary", ordinary(most)),
        ("a position at each word", dense(14, true)),
        ("a join at each word", dense(13, false)),
    ]
}

/// Reads and verifies a file, and says what that took of memory.
fn memory(path: &std::path::Path) -> Result<(), String> {
    let before = peak()?;
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let size = bytes.len() as f64;
    let read = format::read(&bytes).map_err(|e| e.to_string())?;
    let decoded = peak()?;
    let program = one_thread(read).map_err(|e| e.to_string())?;
    let after = peak()?;
    std::hint::black_box(&program);
    println!(
        "{size} B of module, {:.2} times that to read it, {:.2} times in all",
        (decoded - before) as f64 / size,
        (after - before) as f64 / size
    );
    Ok(())
}
