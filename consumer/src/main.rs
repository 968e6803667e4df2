//! The program `laju`.

use std::process::ExitCode;

fn main() -> ExitCode {
    laju_consumer::cli::run(std::env::args_os(), &|name| std::env::var_os(name))
}
