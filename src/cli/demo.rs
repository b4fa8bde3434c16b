//! `ssf-hub demo`: the whole story on loopback.

use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// How the story is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End when the story is told, instead of staying up for exploring.
    #[arg(long)]
    pub once: bool,
}

/// Tells it.
pub fn run(config: Config, args: &Args, printer: &Printer) -> Result<(), Failure> {
    super::block_on(true, async { Ok(crate::demo::run(config, args.once, printer.json).await?) })
}
