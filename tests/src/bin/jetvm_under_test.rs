//! The `jetvm` command, built with this package so that its tests always run the current one.

fn main() -> std::process::ExitCode {
    jetvm::cli::main()
}
