//! `ssf-hub attempts STREAM`: the last attempts to push, or answers to polls, and how its destination is.

use http::Method;

use super::TenantArg;
use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;
use crate::stream::is_id;

/// Of which stream.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its stream_id.
    #[arg(value_parser = stream)]
    pub stream: String,
    /// Whose.
    #[command(flatten)]
    pub tenant: TenantArg,
}

fn stream(text: &str) -> Result<String, String> {
    if is_id(text) { Ok(text.into()) } else { Err("not a stream_id".into()) }
}

/// Shows them.
pub fn run(config: &Config, args: &Args, printer: &Printer) -> Result<(), Failure> {
    let path = format!("/admin/v1/t/{}/streams/{}/attempts", args.tenant.tenant, args.stream);
    printer.answer(&AdminClient::new(config)?.call(Method::GET, &path, None)?)
}
