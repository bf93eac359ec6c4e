//! A grant is taken back at random moments while compiled code is in the middle of a loop of calls: the next call that starts fails,
//! by the binding, through an attenuator, and on handles that were open before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use jet_vm::host::file_read::FileRead;
use jet_vm::host::scope::Scope;
use jet_vm::host::{HostAnswer, HostCapability, HostCx, HostMethod, HostValue, Limits, PathGrant};
use jet_vm::{Binding, Quota};
use jetvm::engine::{Config, End, GcChoice, Module};

use super::World;

/// Loops: over the binding, over a handle, over a handle of an attenuator.
const LOOPS: [&str; 3] = [
    "fn main() uses FileRead:\n    let mut n = 0\n    loop:\n        n += FileRead.stat(\"in/a\").map(fn(s) => s.size) else 0\n        n = n % 1000\n",
    "fn main() uses FileRead ! IoError:\n    let f = FileRead.open(\"in/a\")?\n    let mut n = 0\n    loop:\n        n = (n + FileRead.read(f, 0)?.len() + 1) % 1000\n",
    "fn main() uses FileRead ! IoError:\n    with FileRead = ReadOnlyFiles(FileRead):\n        let f = FileRead.open(\"in/a\")?\n        let mut n = 0\n        loop:\n            n = (n + FileRead.read(f, 0)?.len() + 1) % 1000\n",
];

/// Counts calls, and those that reach the host after the grant was taken back.
struct Watched {
    host: FileRead,
    calls: Arc<AtomicU64>,
    gone: Arc<AtomicBool>,
    late: Arc<AtomicU32>,
}

impl HostCapability for Watched {
    fn interface(&self) -> (&'static str, &'static str) {
        self.host.interface()
    }

    fn methods(&self) -> &'static [HostMethod] {
        self.host.methods()
    }

    fn call(&mut self, method: usize, args: &[HostValue], cx: &mut HostCx<'_>) -> HostAnswer {
        if self.gone.load(Ordering::SeqCst) {
            self.late.fetch_add(1, Ordering::SeqCst);
        }
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.host.call(method, args, cx)
    }

    fn scope_text(&self) -> String {
        self.host.scope_text()
    }
}

pub fn module(text: &str) -> Module {
    let modules = [(String::new(), text.to_owned())];
    let output = jet_frontend::driver::compile(&jet_tests::generate::oracle::input(&modules));
    let bundle = output
        .bundle
        .unwrap_or_else(|| panic!("{:?}", output.diagnostics));
    Module::from_bytes(&jet_bytecode::format::encode(&bundle).expect("a bundle"))
        .expect("it verifies")
}

#[test]
fn no_call_begins_after_a_revocation() {
    let world = World::new("revocation");
    std::fs::create_dir(world.0.join("in")).expect("folder");
    world.write("in/a", "some");
    let grant = PathGrant {
        allow: Some(vec!["in".into()]),
        deny: vec![],
    };
    let scope = Arc::new(Scope::open(&grant, &world.0).expect("folder"));
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut moments = 0;
    for (kind, text) in LOOPS.iter().enumerate() {
        let module = module(text);
        for round in 0..334 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let (calls, gone, late) = (
                Arc::<AtomicU64>::default(),
                Arc::<AtomicBool>::default(),
                Arc::<AtomicU32>::default(),
            );
            let host = Watched {
                host: FileRead::new(Arc::clone(&scope)),
                calls: Arc::clone(&calls),
                gone: Arc::clone(&gone),
                late: Arc::clone(&late),
            };
            let revoked = Arc::<AtomicBool>::default();
            let binding = Binding {
                host: Box::new(host),
                quota: Quota::default(),
                revoked: Arc::clone(&revoked),
            };
            // Most moments are in hot code, some before it.
            let (warm, then) = (random % 700, (random >> 20) % 2000);
            let revoker = {
                let (calls, revoked, gone) =
                    (Arc::clone(&calls), Arc::clone(&revoked), Arc::clone(&gone));
                std::thread::spawn(move || {
                    while calls.load(Ordering::SeqCst) < warm {
                        std::hint::spin_loop();
                    }
                    for _ in 0..then {
                        std::hint::spin_loop();
                    }
                    revoked.store(true, Ordering::SeqCst);
                    gone.store(true, Ordering::SeqCst);
                })
            };
            let config = Config {
                limits: Limits {
                    time: Some(Duration::from_secs(60)),
                    ..Limits::default()
                },
                gc: GcChoice::Normal,
                seed: random,
                gc_log: None,
                debug: None,
                observe: jet_vm::Observe::default(),
                jit: jet_jit::Options {
                    mode: if round % 4 == 0 {
                        jet_jit::Mode::Off
                    } else {
                        jet_jit::Mode::Eager
                    },
                    ..jet_jit::Options::default()
                },
            };
            let report = module
                .run_bound(vec![binding], &[], &config, None)
                .expect("it starts");
            revoker.join().expect("no panic");
            match &report.end {
                End::Ended(ending) => assert_eq!(ending.kind, "revoked", "loop {kind}: {ending:?}"),
                other => panic!("loop {kind} ended with {other:?}"),
            }
            // One call may have passed the check before, and reached the host after.
            assert!(
                late.load(Ordering::SeqCst) <= 1,
                "loop {kind}, round {round}: {late:?} calls after the revocation"
            );
            moments += 1;
        }
    }
    assert!(moments >= 1000);
}
