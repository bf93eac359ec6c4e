//! Builtins whose text goes to people. What must stay true: nothing that a program can see depends on them.

use super::builtins;

/// Most bytes of an error's text that are kept.
const FAILURE_BYTES: usize = 1 << 16;

builtins! {
    /// `debug_line`
    DebugLine |vm| {
        let [line] = vm.read_args([0])?;
        if let Some(log) = &vm.ctx.debug {
            log.push(vm.text(line));
        }
        0
    }
    /// `failure_text`
    FailureText |vm| {
        let [reg] = vm.read_args([0])?;
        let text = crate::debug_log::cut(vm.text(reg), FAILURE_BYTES);
        vm.ctx.failure = Some(text.into());
        0
    }
}
