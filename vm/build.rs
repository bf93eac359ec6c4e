//! Chooses how the interpreter dispatches: by sibling calls where the compiler turns them into jumps
//! (optimisation level 1 and above on x86-64 and aarch64), else by a loop that calls one handler after
//! the other. The handlers are the same. Feature `trampoline` forces the loop.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(jet_threaded)");
    let optimised = var("OPT_LEVEL").is_ok_and(|level| level != "0");
    let arch = var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let known = arch == "x86_64" || arch == "aarch64";
    if optimised && known && var("CARGO_FEATURE_TRAMPOLINE").is_err() {
        println!("cargo::rustc-cfg=jet_threaded");
    }
}
