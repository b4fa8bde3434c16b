//! `ssf-hub stream status ID [enabled|paused|disabled]`: how a stream is, or how it shall be.

use clap::builder::PossibleValuesParser;
use http::Method;
use serde_json::json;

use super::TenantArg;
use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// What to do with a stream.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show its status, or change it: its receiver is told before it stops (SSF 1.0, 8.1.5).
    Status(Status),
}

/// Which stream, and what it becomes.
#[derive(Debug, clap::Args)]
pub struct Status {
    /// Its `stream_id`.
    stream_id: String,
    /// The new status; without one it is shown.
    #[arg(value_parser = PossibleValuesParser::new(["enabled", "paused", "disabled"]))]
    status: Option<String>,
    /// Why, for the receiver.
    #[arg(long, requires = "status")]
    reason: Option<String>,
    #[command(flatten)]
    of: TenantArg,
}

/// Does it.
pub fn run(config: &Config, command: &Command, printer: &Printer) -> Result<(), Failure> {
    let Command::Status(Status { stream_id, status, reason, of }) = command;
    let path = format!("/admin/v1/t/{}/streams/{stream_id}/status", of.tenant);
    let client = AdminClient::new(config)?;
    let answer = match status {
        None => client.call(Method::GET, &path, None)?,
        Some(status) => {
            client.call(Method::POST, &path, Some(&json!({ "status": status, "reason": reason })))?
        }
    };
    printer.answer(&answer)
}
