//! The binary. Everything is in the `app` module of the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    webmon::app::main()
}
