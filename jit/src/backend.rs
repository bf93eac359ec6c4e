//! From trace IR to machine code, by Cranelift, which this file, `emit.rs`, `emit_ops.rs` and `emit_own.rs` alone know.
//!
//! Every region is one function (context, registers, cage, fuel) → (fuel or code, value), with a second one by which it is
//! entered where it calls itself, in a module of its own, whose pages are writable or executable, never both. Exits are cold blocks and the first target of their branch. What
//! must stay true: a register slot, context field or object is read and written where the interpreter has it
//! (`jet_vm::plug::Abi`, `jet_gc::layout`); memory of the context that never changes during a life is the
//! only memory marked read-only.

use std::time::{Duration, Instant};

use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{AbiParam, Signature, types};
use cranelift_codegen::isa::{self, CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module};
use jet_vm::Loaded;
use jet_vm::plug::Abi;
use rustc_hash::FxHashMap;

use crate::Dump;
use crate::emit::{Emit, ty};
use crate::emit_own;
use crate::ir::Graph;

/// Compiles graphs.
pub(crate) struct Backend {
    isa: OwnedTargetIsa,
    /// Another machine, for which everything is emitted and thrown away.
    foreign: Option<OwnedTargetIsa>,
    abi: Abi,
    contexts: FunctionBuilderContext,
    /// Time that Cranelift took.
    pub spent: Duration,
    /// By region, with the memory that each takes.
    modules: FxHashMap<usize, (JITModule, usize)>,
    /// Versions that were replaced but may still be entered.
    replaced: Vec<(JITModule, usize)>,
    /// Memory that all of these take.
    mapped: usize,
    /// Whether to keep the texts of what is compiled.
    dump_clif: bool,
    /// The same for machine code.
    dump_asm: bool,
}

/// What a module was given to define.
struct Built {
    /// Functions with their bytes, the entry last.
    functions: Vec<(FuncId, usize)>,
    /// Instructions that Cranelift was given.
    instructions: usize,
    /// Texts that were asked for.
    text: String,
}

/// Machine code of a region.
pub(crate) struct Compiled {
    /// Its entry.
    pub entry: *const (),
    /// Bytes.
    pub bytes: usize,
    /// Instructions that Cranelift was given.
    pub instructions: usize,
    /// Texts that were asked for.
    pub text: String,
    /// Whether it was emitted for another machine too.
    pub foreign: bool,
}

impl Backend {
    /// For this machine, and where it is `foreign` and built for that, for another one to see that it can be; `None` where
    /// Cranelift has no back end.
    pub fn new(verify: bool, dump: &[Dump], foreign: bool) -> Option<Backend> {
        let mut flags = settings::builder();
        let on = if verify { "true" } else { "false" };
        for (name, value) in [
            ("opt_level", "speed"),
            ("enable_verifier", on),
            ("is_pic", "false"),
            ("use_colocated_libcalls", "false"),
            ("unwind_info", "false"),
            ("enable_probestack", "false"),
        ] {
            flags.set(name, value).ok()?;
        }
        let flags = settings::Flags::new(flags);
        let foreign = match foreign && cfg!(feature = "arm64") {
            true => Some(
                isa::lookup_by_name("aarch64")
                    .ok()?
                    .finish(flags.clone())
                    .ok()?,
            ),
            false => None,
        };
        let isa = cranelift_native::builder().ok()?.finish(flags).ok()?;
        Some(Backend {
            isa,
            foreign,
            abi: jet_vm::plug::abi(),
            contexts: FunctionBuilderContext::new(),
            spent: Duration::ZERO,
            modules: FxHashMap::default(),
            replaced: Vec::new(),
            mapped: 0,
            dump_clif: dump.contains(&Dump::Clif),
            dump_asm: dump.contains(&Dump::Asm),
        })
    }

    /// Compiles a graph; its exits get numbers from `first_exit` on.
    pub fn compile(
        &mut self,
        loaded: &Loaded,
        region: usize,
        name: &str,
        g: &Graph,
        first_exit: u64,
    ) -> Result<Compiled, String> {
        let builder =
            JITBuilder::with_isa(self.isa.clone(), cranelift_module::default_libcall_names());
        let mut module = JITModule::new(builder);
        let mut cx = module.make_context();
        let built = self.build(&mut module, &mut cx, (loaded, name), g, first_exit);
        let Built {
            functions,
            instructions,
            text,
        } = match built {
            Ok(built) => built,
            Err(text) => {
                // SAFETY: nothing of the module was given out.
                unsafe { module.free_memory() };
                return Err(text);
            }
        };
        module.finalize_definitions().map_err(|e| e.to_string())?;
        let mut entry = std::ptr::null();
        let mut bytes = 0;
        for (id, size) in functions {
            entry = module.get_finalized_function(id).cast::<()>();
            bytes += size;
            publish(entry, size);
        }
        // Pages, and what Cranelift keeps of a module.
        let mapped = bytes.next_multiple_of(4096) + 16_384;
        self.mapped += mapped;
        let before = self.modules.insert(region, (module, mapped));
        self.replaced.extend(before);
        Ok(Compiled {
            entry,
            bytes,
            instructions,
            text,
            foreign: self.foreign.is_some(),
        })
    }

    /// Defines the region's function, and where it calls itself the one by which the interpreter enters; gives
    /// what came of it.
    fn build(
        &mut self,
        module: &mut JITModule,
        cx: &mut Context,
        (loaded, name): (&Loaded, &str),
        g: &Graph,
        first_exit: u64,
    ) -> Result<Built, String> {
        let conv = self.isa.default_call_conv();
        let signature = if g.own.is_some() {
            own_signature(conv, g)
        } else {
            entry_signature(conv)
        };
        let id = declare(module, name, &signature)?;
        cx.func.signature = signature;
        let own = g.own.map(|_| module.declare_func_in_func(id, &mut cx.func));
        let builder = FunctionBuilder::new(&mut cx.func, &mut self.contexts);
        let mut emit = Emit::new(builder, loaded, g, &self.abi, first_exit, conv, own);
        emit.run();
        let bad = emit.bad;
        emit.b.finalize(self.isa.frontend_config());
        if bad {
            return Err(String::from("a graph that its verifier does not accept"));
        }
        let instructions = cx.func.dfg.num_insts();
        let (bytes, text) = self.define(module, cx, id)?;
        let mut built = Built {
            functions: vec![(id, bytes)],
            instructions,
            text,
        };
        let Some(stride) = g.own else {
            return Ok(built);
        };
        let entry = declare(module, &format!("{name} entry"), &entry_signature(conv))?;
        module.clear_context(cx);
        cx.func.signature = entry_signature(conv);
        let own = module.declare_func_in_func(id, &mut cx.func);
        let builder = FunctionBuilder::new(&mut cx.func, &mut self.contexts);
        let b = emit_own::entry(builder, &self.abi, g, own, stride);
        b.finalize(self.isa.frontend_config());
        let (more, second) = self.define(module, cx, entry)?;
        built.functions.push((entry, more));
        built.text.push_str(&second);
        Ok(built)
    }

    /// Compiles what the context holds; gives its size and the texts that were asked for.
    fn define(
        &mut self,
        module: &mut JITModule,
        cx: &mut Context,
        id: FuncId,
    ) -> Result<(usize, String), String> {
        let mut text = String::new();
        if self.dump_clif {
            text.push_str(&cx.func.display().to_string());
        }
        if let Some(isa) = &self.foreign {
            let mut other = Context::for_function(cx.func.clone());
            let compiled = other.compile(&**isa, &mut ControlPlane::default());
            compiled.map_err(|e| format!("aarch64: {:?}", e.inner))?;
        }
        cx.set_disasm(self.dump_asm);
        let started = Instant::now();
        let defined = module.define_function(id, cx);
        self.spent += started.elapsed();
        defined.map_err(|e| format!("{e:?}"))?;
        let code = cx.compiled_code();
        let bytes = code.map_or(0, |c| c.code_buffer().len());
        if let Some(asm) = code.and_then(|c| c.vcode.as_ref()) {
            text.push_str(asm);
        }
        Ok((bytes, text))
    }
}

/// Makes the processor fetch what was written: on aarch64 instructions are cached apart from data. This thread alone runs the code, until
/// the system moves it to another core, which then fetches anew.
#[cfg(target_arch = "aarch64")]
fn publish(code: *const (), bytes: usize) {
    unsafe extern "C" {
        /// Of the compiler's own library: cleans the data cache, then drops the instruction cache.
        fn __clear_cache(start: *const (), end: *const ());
    }
    let end = code.wrapping_byte_add(bytes);
    // SAFETY: the range is code that the module holds mapped; nothing is read or written but caches.
    unsafe { __clear_cache(code, end) };
}

/// This machine's caches agree.
#[cfg(not(target_arch = "aarch64"))]
fn publish(_: *const (), _: usize) {}

fn declare(module: &mut JITModule, name: &str, signature: &Signature) -> Result<FuncId, String> {
    let id = module.declare_function(name, Linkage::Local, signature);
    id.map_err(|e| e.to_string())
}

impl Backend {
    /// Gives back the memory of versions that were replaced.
    ///
    /// # Safety
    /// No machine code of this back end is running, and the entries of what replaced them are installed.
    pub unsafe fn forget_replaced(&mut self) {
        for (module, mapped) in self.replaced.drain(..) {
            self.mapped -= mapped;
            // SAFETY: nobody enters it any more, by the caller's promise.
            unsafe { module.free_memory() };
        }
    }

    /// Memory that machine code takes.
    pub fn mapped(&self) -> usize {
        self.mapped
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let current = self.modules.drain().map(|(_, m)| m);
        for (module, _) in current.chain(self.replaced.drain(..)) {
            // SAFETY: the compiler goes with its instance, so no machine code of it runs or will be entered.
            unsafe { module.free_memory() };
        }
    }
}

/// How a region that calls itself is called: context, registers, fuel, frames that may be pushed, arguments.
fn own_signature(conv: CallConv, g: &Graph) -> Signature {
    let mut s = Signature::new(conv);
    s.params.extend([AbiParam::new(types::I64); 4]);
    let args = g.blocks[0].params.iter().skip(1);
    s.params.extend(args.map(|v| AbiParam::new(ty(g.ty(*v)))));
    s.returns.extend([AbiParam::new(types::I64); 2]);
    s
}

/// How machine code is entered.
pub(crate) fn entry_signature(conv: CallConv) -> Signature {
    let mut s = Signature::new(conv);
    s.params.extend([AbiParam::new(types::I64); 4]);
    s.returns.extend([AbiParam::new(types::I64); 2]);
    s
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Op, Term, Ty, Val};
    use crate::ir_check::verify;
    use jet_bytecode::builder::{FunctionBuilder, PackageBuilder};
    use jet_bytecode::module::{Bundle, FnKind, Type};
    use jet_bytecode::opcodes::Op as Code;

    /// A program that does nothing.
    fn program() -> Loaded {
        let mut p = PackageBuilder::new("app", "1.0.0");
        let unit = p.ty(Type::Unit);
        let sig = p.sig(vec![], vec![], unit, vec![]);
        let mut f = FunctionBuilder::new("main", FnKind::Named, sig, vec![], vec![]);
        let r = f.reg(unit);
        f.const_imm(r, 0);
        f.emit(Code::Ret, r, 0, 0);
        let main = p.declare("main");
        p.define(main, f.finish().expect("a function"));
        p.entry(main, vec![]);
        let packages = vec![p.finish().expect("a package")];
        let verified = jet_bytecode::verify::verify(Bundle { packages }).expect("verified");
        Loaded::new(verified).expect("loaded")
    }

    /// A graph of one block that ends so; its first value is the fuel.
    fn graph(end: impl FnOnce(&mut Graph, Val) -> Term) -> Graph {
        let mut g = Graph::default();
        let entry = g.block();
        let fuel = g.param(entry, Ty::I);
        g.blocks[entry].term = end(&mut g, fuel);
        g
    }

    #[test]
    fn what_the_verifier_refuses_is_not_emitted_without_it() {
        let Some(mut backend) = Backend::new(false, &[], false) else {
            assert!(!crate::supported());
            return;
        };
        let loaded = program();
        let fine = graph(|_, fuel| Term::Return(fuel, fuel));
        verify(&fine).expect("a graph");
        backend
            .compile(&loaded, 0, "fine", &fine, 1)
            .map(|_| ())
            .expect("machine code");
        let undefined = |ty| {
            move |g: &mut Graph, fuel| {
                let v = g.value(Op::Slot(0, ty));
                Term::Return(fuel, v)
            }
        };
        let bad = [
            graph(|_, _| Term::Open),
            graph(|_, fuel| Term::Switch(fuel, Vec::new())),
            graph(undefined(Ty::I)),
            graph(undefined(Ty::F)),
        ];
        for (n, g) in bad.iter().enumerate() {
            assert!(verify(g).is_err(), "{n}");
            assert!(backend.compile(&loaded, 0, "bad", g, 1).is_err(), "{n}");
        }
        assert_eq!(backend.mapped(), 4096 + 16_384);
        // Nor is the back end the worse for it.
        backend
            .compile(&loaded, 0, "fine", &fine, 1)
            .map(|_| ())
            .expect("machine code");
        // The version that it replaces counts until its memory is given back.
        assert_eq!(backend.mapped(), 2 * (4096 + 16_384));
        // SAFETY: nothing of it ever ran.
        unsafe { backend.forget_replaced() };
        assert_eq!(backend.mapped(), 4096 + 16_384);
    }
}
