//! The program `laju-kiosk`.

use std::process::ExitCode;

fn main() -> ExitCode {
    laju_producer::cli::run(std::env::args_os(), &|name| std::env::var_os(name))
}
