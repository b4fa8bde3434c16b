//! `ssf-hub store rebuild`: makes the mirror of the state again from the journal. The hub must not be
//! running.

use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// What to do with the mirror.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make it again from the journal; the hub must not be running.
    Rebuild,
}

/// Does it.
pub fn run(config: Config, command: Command, printer: &Printer) -> Result<(), Failure> {
    let Command::Rebuild = command;
    printer.answer(&crate::app::rebuild_store(&config)?)
}
