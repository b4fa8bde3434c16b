//! `ssf-hub status`: how the running hub is.

use http::Method;

use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// Asks it.
pub fn run(config: &Config, printer: &Printer) -> Result<(), Failure> {
    printer.answer(&AdminClient::new(config)?.call(Method::GET, "/admin/v1/status", None)?)
}
