//! `ssf-hub clock accept`: an operator says that the wall clock is right although it leapt (DESIGN 2).

use http::Method;

use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// What to do with the clock.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The time of the wall clock is right: intake goes on.
    Accept,
}

/// Does it.
pub fn run(config: &Config, command: &Command, printer: &Printer) -> Result<(), Failure> {
    let Command::Accept = command;
    let answer = AdminClient::new(config)?.call(Method::POST, "/admin/v1/clock/accept", None)?;
    printer.say(&answer, "the clock is accepted")
}
