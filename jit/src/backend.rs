//! From trace IR to machine code, by Cranelift, which this file, `emit.rs` and `emit_ops.rs` alone know.
//!
//! Every region is one function (context, registers, cage, fuel) → (fuel or code, value), in a module of its own, whose pages
//! are writable or executable, never both. Exits are cold blocks and the first target of their branch. What
//! must stay true: a register slot, context field or object is read and written where the interpreter has it
//! (`jet_vm::plug::Abi`, `jet_gc::layout`); memory of the context that never changes during a life is the
//! only memory marked read-only.

use cranelift_codegen::ir::{AbiParam, Signature, types};
use cranelift_codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Linkage, Module};
use jet_vm::Loaded;
use jet_vm::plug::Abi;
use rustc_hash::FxHashMap;

use crate::emit::Emit;
use crate::ir::Graph;

/// Compiles graphs.
pub(crate) struct Backend {
    isa: OwnedTargetIsa,
    abi: Abi,
    contexts: FunctionBuilderContext,
    /// By region.
    modules: FxHashMap<usize, JITModule>,
    /// Versions that were replaced but may still be entered.
    replaced: Vec<JITModule>,
    /// Whether to keep the texts of what is compiled.
    pub dump_clif: bool,
    /// The same for machine code.
    pub dump_asm: bool,
}

/// Machine code of a region.
pub(crate) struct Compiled {
    /// Its entry.
    pub entry: *const (),
    /// Bytes.
    pub bytes: usize,
    /// Texts that were asked for.
    pub text: String,
}

impl Backend {
    /// For this machine; `None` where Cranelift has no back end.
    pub fn new(verify: bool) -> Option<Backend> {
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
        let isa = cranelift_native::builder().ok()?;
        let isa = isa.finish(settings::Flags::new(flags)).ok()?;
        Some(Backend {
            isa,
            abi: jet_vm::plug::abi(),
            contexts: FunctionBuilderContext::new(),
            modules: FxHashMap::default(),
            replaced: Vec::new(),
            dump_clif: false,
            dump_asm: false,
        })
    }

    /// Compiles a graph; its exits get numbers from `first_exit` on.
    pub fn compile(
        &mut self,
        loaded: &Loaded,
        region: usize,
        g: &Graph,
        first_exit: u64,
    ) -> Result<Compiled, String> {
        let builder =
            JITBuilder::with_isa(self.isa.clone(), cranelift_module::default_libcall_names());
        let mut module = JITModule::new(builder);
        let mut cx = module.make_context();
        cx.func.signature = entry_signature(self.isa.default_call_conv());
        let id = module
            .declare_function("region", Linkage::Local, &cx.func.signature)
            .map_err(|e| e.to_string())?;
        let config = self.isa.frontend_config();
        let builder = FunctionBuilder::new(&mut cx.func, &mut self.contexts);
        let mut emit = Emit::new(
            builder,
            loaded,
            g,
            &self.abi,
            first_exit,
            self.isa.default_call_conv(),
        );
        emit.run();
        emit.b.finalize(config);
        let mut text = String::new();
        if self.dump_clif {
            text.push_str(&cx.func.display().to_string());
        }
        cx.set_disasm(self.dump_asm);
        let defined = module.define_function(id, &mut cx);
        if let Err(e) = defined {
            // SAFETY: nothing of the module was given out.
            unsafe { module.free_memory() };
            return Err(format!("{e:?}"));
        }
        let code = cx.compiled_code();
        let bytes = code.map_or(0, |c| c.code_buffer().len());
        if let Some(asm) = code.and_then(|c| c.vcode.as_ref()) {
            text.push_str(asm);
        }
        module.finalize_definitions().map_err(|e| e.to_string())?;
        let entry = module.get_finalized_function(id).cast::<()>();
        self.replaced.extend(self.modules.insert(region, module));
        Ok(Compiled { entry, bytes, text })
    }
}

impl Backend {
    /// Gives back the memory of versions that were replaced.
    ///
    /// # Safety
    /// No machine code of this back end is running, and the entries of what replaced them are installed.
    pub unsafe fn forget_replaced(&mut self) {
        for module in self.replaced.drain(..) {
            // SAFETY: nobody enters it any more, by the caller's promise.
            unsafe { module.free_memory() };
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        for module in self
            .modules
            .drain()
            .map(|(_, m)| m)
            .chain(self.replaced.drain(..))
        {
            // SAFETY: the compiler goes with its instance, so no machine code of it runs or will be entered.
            unsafe { module.free_memory() };
        }
    }
}

/// How machine code is entered.
pub(crate) fn entry_signature(conv: CallConv) -> Signature {
    let mut s = Signature::new(conv);
    s.params.extend([AbiParam::new(types::I64); 4]);
    s.returns.extend([AbiParam::new(types::I64); 2]);
    s
}
