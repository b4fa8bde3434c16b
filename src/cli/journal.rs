//! `ssf-hub journal verify`: checks chain and fold beside a running hub, without a lock.

use std::path::PathBuf;

use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// What to do with the journal.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check the chain and fold everything again from the oldest base.
    Verify {
        /// Another data directory than that of the configuration.
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
}

/// Does it.
pub fn run(mut config: Config, command: Command, printer: &Printer) -> Result<(), Failure> {
    let Command::Verify { data_dir } = command;
    if let Some(dir) = data_dir {
        config.data_dir = dir;
    }
    printer.answer(&crate::app::verify(&config)?)
}
