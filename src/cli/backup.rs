//! `ssf-hub backup DIR`: the running hub copies itself into a new directory on its own machine.

use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use serde_json::json;

use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// Longest wait: the whole journal is copied.
const WAIT: Duration = Duration::from_secs(4 * 3600);

/// Where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A directory that is new or empty, on the hub's machine and writable for it. It will hold the private keys.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

/// Asks the hub to, and waits until it is written.
pub fn run(config: &Config, args: &Args, printer: &Printer) -> Result<(), Failure> {
    let dir = std::path::absolute(&args.dir).map_err(|e| Failure::Failed(e.into()))?;
    let client = AdminClient::new(config)?.patiently(WAIT);
    printer.answer(&client.call(Method::POST, "/admin/v1/backup", Some(&json!({ "dir": dir })))?)
}
