//! The `casewire` program.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    casewire::cli::Cli::parse().run()
}
