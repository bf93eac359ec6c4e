//! `jet-bench`: runs the benchmark programs of `bench/awfy` beside those of other
//! languages and prints how they compare.
//!
//! Must stay true: the numbers of a comparison come from one run of this program, with
//! the contenders taking turns; what did not run is reported, never left out silently.

mod compare;
mod compile;
mod contender;
mod output;
mod pauses;
mod plot;
mod process;
mod report;
mod serve;
mod shapes;
mod short;
mod start;
mod stats;
mod suite;
mod verify;

use std::process::ExitCode;

/// The allocator of `jetvm`, so that what is measured here is what it does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use clap::{Parser, Subcommand};

/// Benchmark programs and the harness that runs them beside peers.
#[derive(Parser)]
#[command(name = "jet-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs ours and the peers' programs in turn; prints ratios and geometric means.
    Compare(compare::Options),
    /// Measures the compiler on a generated project, beside `rustc --emit=metadata`.
    Compile(compile::Options),
    /// Measures how long collections stop a program that keeps much alive.
    Pauses(pauses::Options),
    /// Measures reading and verifying bundles, beside wasmparser's validation.
    Verify(verify::Options),
    /// Measures processes that run the smallest program, beside LuaJIT, and new instances, beside wasmtime.
    Start(start::Options),
    /// Measures programs that end soon, with machine code beside without.
    Short(short::Options),
    /// Measures the server of `examples/reports-server` under load, beside the same handler on Node.
    Serve(serve::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Compare(options) => compare::run(&options).map(|r| r.failures().is_empty()),
        Command::Compile(options) => compile::run(&options).map(|()| true),
        Command::Pauses(options) => pauses::run(&options).map(|()| true),
        Command::Verify(options) => verify::run(&options).map(|()| true),
        Command::Start(options) => start::run(&options).map(|()| true),
        Command::Short(options) => short::run(&options).map(|()| true),
        Command::Serve(options) => serve::run(&options),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}
