//! The native command; everything is in [`mera_lab::cli`].

fn main() -> std::process::ExitCode {
    mera_lab::cli::main()
}
