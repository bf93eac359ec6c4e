//! The lower half of the way, without a compiler: bundles put together by hand are verified, bound to
//! the standard capabilities and run under grants and limits.

use std::process::{Command, Stdio};
use std::sync::Arc;

use jet_bytecode::builder::{FunctionBuilder, PackageBuilder};
use jet_bytecode::format;
use jet_bytecode::module::*;
use jet_bytecode::opcodes::Op;
use jet_vm::host::console::Console;
use jet_vm::host::{Grants, Limits, PathGrant};
use jetvm::audit;
use jetvm::engine::{Config, End, GcChoice, Module, Report};

/// `main(args) uses Console + FileRead ! IoError`: prints the file that the first argument names,
/// for ever if there are two.
fn cat() -> Vec<u8> {
    let std = PackageBuilder::new("std", "0.1.0").finish().unwrap();
    let mut pb = PackageBuilder::new("app", "1.0.0");
    let dep = pb.dep("std", format::package_hash(&std).unwrap());
    let [unit, text, int] = [Type::Unit, Type::Str, Type::Int].map(|ty| pb.ty(ty));
    let strings = pb.ty(Type::List(text));
    let io_error = pb.nominal(dep, "IoError");
    let field = |name: &str| Field {
        name: name.into(),
        ty: text,
        mutable: false,
    };
    let variant = |name: &str, fields: &[&str]| Variant {
        name: name.into(),
        fields: fields.iter().map(|n| field(n)).collect(),
    };
    pb.define_nominal(
        io_error,
        NominalKind::Error(vec![
            variant("NotFound", &["path"]),
            variant("Denied", &["path"]),
            variant("Exists", &["path"]),
            variant("Invalid", &["path", "why"]),
            variant("Other", &["why"]),
        ]),
    );
    let error = pb.ty(Type::Nominal(io_error));
    let (console, files) = (pb.cap(dep, "Console"), pb.cap(dep, "FileRead"));
    let method = |name: &str, sig| {
        vec![Method {
            name: name.into(),
            sig,
        }]
    };
    let print = pb.sig(vec![text], vec![], unit, vec![]);
    let read = pb.sig(vec![text], vec![], text, vec![io_error]);
    pb.define_cap(console, None, method("print", print));
    pb.define_cap(files, None, method("read_text", read));
    let leading = vec![pb.ty(Type::Cap(console)), pb.ty(Type::Cap(files)), strings];
    let file = pb.file("app/main.jet");
    let sig = pb.sig(vec![strings], vec![console, files], unit, vec![io_error]);
    let main = pb.declare("main");
    let mut f = FunctionBuilder::new("main", FnKind::Named, sig, vec![], leading);
    let [path, content, nothing] = [text, text, unit].map(|ty| f.reg(ty));
    let [index, count, why] = [int, int, error].map(|ty| f.reg(ty));
    let (failed, repeat) = (f.label(), f.label());
    f.line(file, 2, 5);
    f.const_imm(index, 0);
    f.emit(Op::ListGet, path, 2, index);
    f.bind(repeat);
    f.line(file, 3, 5);
    f.emit_args(Op::CapCall, content, 0, &[1, path]);
    f.on_error(why, failed);
    f.line(file, 4, 5);
    f.emit_args(Op::CapCall, nothing, 0, &[0, content]);
    f.emit(Op::ListLen, count, 2, 0);
    f.const_imm(index, 1);
    f.jump(Op::JLt, index, count, repeat);
    f.emit(Op::Ret, nothing, 0, 0);
    f.bind(failed);
    f.emit(Op::Raise, why, 0, 0);
    pb.define(main, f.finish().unwrap());
    pb.entry(
        main,
        vec![
            vec!["app.main".into()],
            vec!["app.main".into(), "FileRead.read_text".into()],
        ],
    );
    let app = pb.finish().unwrap();
    format::encode(&Bundle {
        packages: vec![std, app],
    })
    .unwrap()
}

fn run(module: &Module, grants: &Grants, args: &[&str], limits: Limits) -> Report {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let config = Config {
        limits,
        gc: GcChoice::Stress(1),
        seed: 1,
        gc_log: None,
        debug: None,
        observe: jet_vm::Observe::default(),
        jit: jet_jit::Options::default(),
    };
    let mut capabilities = grants.capabilities(here).unwrap();
    let (input, out, error) = (std::io::empty(), std::io::sink(), std::io::sink());
    capabilities.push(Box::new(Console::new(
        Box::new(input),
        Box::new(out),
        Box::new(error),
    )));
    module.run(capabilities, &args, &config).unwrap()
}

fn reading(path: &str) -> Grants {
    let read = PathGrant {
        allow: Some(vec![path.into()]),
        deny: vec![],
    };
    Grants {
        read: Some(read),
        ..Grants::default()
    }
}

#[test]
fn a_bundle_runs_under_its_grants() {
    let bytes = cat();
    let module = Module::from_bytes(&bytes).unwrap();
    assert_eq!(Some(module.hash()), format::root_hash(&bytes));
    let requests: Vec<String> = audit::requests(module.program())
        .iter()
        .map(audit::Request::shown)
        .collect();
    assert_eq!(requests, ["Console", "FileRead"]);
    let good = run(
        &module,
        &reading("Cargo.toml"),
        &["Cargo.toml"],
        Limits::default(),
    );
    assert_eq!(good.end, End::Done);
    assert!(
        good.fuel > 0 && good.usage.calls == 2 && good.usage.output > 0,
        "{good:?}"
    );
    for path in ["../Cargo.toml", "/etc/passwd", "src/../../LICENSE"] {
        let End::Failed(error) = run(&module, &reading("src"), &[path], Limits::default()).end
        else {
            panic!()
        };
        assert!(error.contains("Denied") && error.contains(path), "{error}");
    }
    let End::Failed(error) = run(&module, &reading("src"), &["src/none"], Limits::default()).end
    else {
        panic!()
    };
    assert!(error.contains("NotFound"), "{error}");
    let End::Ended(trap) = run(&module, &reading("src"), &[], Limits::default()).end else {
        panic!()
    };
    assert_eq!(
        (trap.kind.as_str(), trap.limit, trap.stack[0].line),
        ("bounds", None, 2)
    );
}

#[test]
fn without_its_grants_nothing_runs() {
    let module = Module::from_bytes(&cat()).unwrap();
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = Config {
        limits: Limits::default(),
        gc: GcChoice::Normal,
        seed: 1,
        gc_log: None,
        debug: None,
        observe: jet_vm::Observe::default(),
        jit: jet_jit::Options::default(),
    };
    let only_console = Grants {
        console: true,
        ..Grants::default()
    };
    let refused = module
        .run(only_console.capabilities(here).unwrap(), &[], &config)
        .unwrap_err();
    assert!(refused.to_string().contains("FileRead"), "{refused}");
}

#[test]
fn limits_name_themselves() {
    let module = Module::from_bytes(&cat()).unwrap();
    let limited =
        |limits: Limits| match run(&module, &reading("."), &["Cargo.toml", "again"], limits).end {
            End::Ended(ending) => ending.kind,
            other => panic!("{other:?}"),
        };
    let base = Limits::default();
    assert_eq!(
        limited(Limits {
            fuel: Some(5000),
            ..base.clone()
        }),
        "fuel"
    );
    assert_eq!(
        limited(Limits {
            output: 5000,
            ..base.clone()
        }),
        "output"
    );
    assert_eq!(
        limited(Limits {
            time: Some(std::time::Duration::from_millis(50)),
            ..base
        }),
        "time"
    );
}

#[test]
fn bits_that_flip_are_noticed() {
    let good = cat();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(Module::from_bytes(&bytes).is_err(), "byte {at}");
        assert!(Module::from_bytes(&good[..at]).is_err(), "cut at {at}");
    }
    let shared = Arc::new(Module::from_bytes(&good).unwrap());
    let other = Arc::clone(&shared);
    let thread = std::thread::spawn(move || {
        run(&other, &reading("."), &["Cargo.toml"], Limits::default()).end
    });
    assert_eq!(thread.join().unwrap(), End::Done);
}

#[test]
fn the_command_runs_bundles() {
    let folder = std::env::temp_dir().join(format!("jet-bundles-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("in")).unwrap();
    std::fs::write(folder.join("cat.jbc"), cat()).unwrap();
    std::fs::write(folder.join("in/text"), "some text").unwrap();
    let command = |line: &str| {
        // Tests may be started with interrupts ignored, which a process inherits.
        let mut command = Command::new("env");
        command
            .args(["--default-signal=INT", env!("CARGO_BIN_EXE_jetvm")])
            .args(line.split_whitespace())
            .current_dir(&folder);
        command
    };
    let ran = |line: &str| {
        let output = command(line).output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code().unwrap(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, out, err) = ran("run cat.jbc --allow-read=in -- in/text");
    assert_eq!((code, out.as_str(), err.as_str()), (0, "some text\n", ""));
    let (code, out, err) = ran("cat.jbc -- in/text");
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(
        err.contains("`FileRead`")
            && err.contains("app.main → FileRead.read_text")
            && err.contains("--allow-read"),
        "{err}"
    );
    let (code, _, err) = ran("cat.jbc --allow-read=in -- in/../cat.jbc");
    assert!(
        code == 1 && err.contains("main failed: ") && err.contains("Denied"),
        "{err}"
    );
    let (code, _, err) = ran("cat.jbc --allow-read=in");
    assert!(
        code == 1
            && err.starts_with("trap[bounds]: ")
            && err.contains("at app.main (app/main.jet:2:5)"),
        "{err}"
    );
    let (code, _, err) = ran("cat.jbc --allow-read=in --fuel=10000 -- in/text again");
    assert!(code == 4 && err.starts_with("limit[fuel]: "), "{err}");
    let (code, _, err) = ran("cat.jbc --allow-read=in --max-time=100ms -- in/text again");
    assert!(code == 4 && err.starts_with("limit[time]: "), "{err}");
    let (code, out, _) = ran("verify cat.jbc");
    assert!(
        code == 0 && out.starts_with("ok: 2 packages, 1 functions, hash "),
        "{out}"
    );
    let (code, out, _) = ran("audit cat.jbc");
    assert!(code == 0 && out.starts_with("main asks for\n  Console\n    app.main\n  FileRead\n    app.main → FileRead.read_text\nforeign functions: none\npackages\n"), "{out}");
    assert!(ran("disasm cat.jbc").1.contains("cap_call"));
    let (code, _, err) = ran("cat.jbc --allow-read=in --stats=json --jit=on -- in/text");
    assert!(code == 0 && err.contains("\"mode\":\"on\""), "{err}");

    let interrupted = command("cat.jbc --allow-read=in --max-output=1T -- in/text again")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let id = interrupted.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        interrupted.wait_with_output().unwrap().status.code(),
        Some(130)
    );

    // Nobody reads: an error, not a signal and not a panic.
    let mut child = command("cat.jbc --allow-read=in -- in/text again")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && err.contains("nobody reads it any more"),
        "{err}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
