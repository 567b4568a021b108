//! The `casewire` program.

use std::process::ExitCode;

use clap::Parser;

/// A host that embeds the engine keeps the allocator of its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    casewire::cli::Cli::parse().run()
}
