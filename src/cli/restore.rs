//! `ssf-hub restore DIR`: a backup becomes a data directory, under a new journal id. No hub may run there.

use std::path::PathBuf;

use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// What from, and where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A backup.
    #[arg(value_name = "DIR")]
    pub from: PathBuf,
    /// Another data directory than that of the configuration; it must be new or empty.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The audit key that must have signed the backup (`audit_kid`, as `backup` printed it).
    #[arg(long, value_name = "KID")]
    pub audit_kid: Option<String>,
}

/// Restores it.
pub fn run(mut config: Config, args: Args, printer: &Printer) -> Result<(), Failure> {
    if let Some(dir) = args.data_dir {
        config.data_dir = dir;
    }
    printer.answer(&crate::app::restore_backup(&config, &args.from, args.audit_kid.as_deref())?)
}
