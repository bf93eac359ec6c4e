//! How the interpreter enters a region that calls itself.
//!
//! Such a region has its arguments in machine registers and counts in one of them how many frames may still be
//! pushed: as many as the depth and the VM stack have room for. What must stay true: the depth of the context is
//! that number and `Ctx::depth_delta` together, wherever somebody else looks at it; who returns leaves both as
//! they were.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{FuncRef, InstBuilder, MemFlagsData, Value, types};
use cranelift_frontend::FunctionBuilder;
use jet_vm::plug::{Abi, RAISED};

use crate::emit::ty;
use crate::ir::Graph;

/// Emits the entry.
pub(crate) fn entry<'a>(
    mut b: FunctionBuilder<'a>,
    abi: &Abi,
    g: &Graph,
    own: FuncRef,
    stride: u32,
) -> FunctionBuilder<'a> {
    let block = b.create_block();
    b.append_block_params_for_function_params(block);
    b.switch_to_block(block);
    let (ctx, regs, fuel) = {
        let p = b.block_params(block);
        (p[0], p[1], p[3])
    };
    let flags = MemFlagsData::trusted();
    let depth = b.ins().load(types::I64, flags, ctx, abi.depth_left);
    let limit = b.ins().load(types::I64, flags, ctx, abi.stack_limit);
    let room = b.ins().isub(limit, regs);
    let size = b.ins().iconst(types::I64, i64::from(stride) * 8);
    let frames = b.ins().sdiv(room, size);
    let budget = b.ins().smin(depth, frames);
    let before = b.ins().load(types::I64, flags, ctx, abi.depth_delta);
    let delta = b.ins().isub(depth, budget);
    b.ins().store(flags, delta, ctx, abi.depth_delta);
    let mut args: Vec<Value> = vec![ctx, regs, fuel, budget];
    for (n, v) in g.blocks[0].params.iter().skip(1).enumerate() {
        let arg = b.ins().load(ty(g.ty(*v)), flags, regs, n as i32 * 8);
        args.push(arg);
    }
    let made = b.ins().call(own, &args);
    let (code, value) = {
        let r = b.inst_results(made);
        (r[0], r[1])
    };
    b.ins().store(flags, before, ctx, abi.depth_delta);
    // Where it left, the depth is that of the frame that it left in.
    let [returned, done] = [(); 2].map(|()| b.create_block());
    let zero = b.ins().iconst(types::I64, 0);
    let fine = b.ins().icmp(IntCC::SignedGreaterThanOrEqual, code, zero);
    let raised = b.ins().iconst(types::I64, RAISED);
    let raised = b.ins().icmp(IntCC::Equal, code, raised);
    let back = b.ins().bor(fine, raised);
    b.ins().brif(back, returned, &[], done, &[]);
    b.switch_to_block(returned);
    b.ins().store(flags, depth, ctx, abi.depth_left);
    b.ins().jump(done, &[]);
    b.switch_to_block(done);
    b.ins().return_(&[code, value]);
    b.seal_all_blocks();
    b
}
