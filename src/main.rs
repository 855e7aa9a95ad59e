//! The binary: everything is in the library's `app`.

use std::process::ExitCode;

fn main() -> ExitCode {
    webmon::app::main()
}
