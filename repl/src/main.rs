//! The `jetvm` command: see [`jetvm::cli`].

fn main() -> std::process::ExitCode {
    jetvm::cli::main()
}
