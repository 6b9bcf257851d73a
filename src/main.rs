//! The `bringup` command.

fn main() -> std::process::ExitCode {
    bringup::cli::main()
}
