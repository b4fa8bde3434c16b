//! `ssf-hub dead-letters list`: what could not be delivered, and why.

use http::Method;

use super::TenantArg;
use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// What to do with dead letters.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List them.
    List(TenantArg),
}

/// Does it.
pub fn run(config: &Config, command: &Command, printer: &Printer) -> Result<(), Failure> {
    let Command::List(TenantArg { tenant }) = command;
    let path = format!("/admin/v1/t/{tenant}/dead-letters");
    printer.answer(&AdminClient::new(config)?.call(Method::GET, &path, None)?)
}
