//! `ssf-hub base`: writes a base now.

use http::Method;

use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// Asks the hub to, and waits until it is written.
pub fn run(config: &Config, printer: &Printer) -> Result<(), Failure> {
    printer.answer(&AdminClient::new(config)?.call(Method::POST, "/admin/v1/base", None)?)
}
