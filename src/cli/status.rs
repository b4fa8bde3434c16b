//! `ssf-hub status`: how the running hub is.

use clap::Args;
use http::Method;

use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// Its options.
#[derive(Debug, Args)]
pub struct Options {
    /// With the digest of each tenant's state, to hold against `journal verify`: every row is read for it
    #[arg(long)]
    digest: bool,
}

/// Asks it.
pub fn run(config: &Config, printer: &Printer, options: &Options) -> Result<(), Failure> {
    let path = if options.digest { "/admin/v1/status?digest=true" } else { "/admin/v1/status" };
    printer.answer(&AdminClient::new(config)?.call(Method::GET, path, None)?)
}
