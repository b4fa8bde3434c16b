//! `ssf-hub why ID`: what led to a decision or an entry. The id is that of `X-Hub-Decision-Id`, of a log
//! line, or `tenant:seq`.

use http::Method;

use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// Of what.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `tenant:seq`, or what stood in `X-Hub-Decision-Id`.
    #[arg(value_parser = id)]
    pub id: String,
}

fn id(text: &str) -> Result<String, String> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b':' | b'_' | b'-');
    let good = (1..=256).contains(&text.len()) && text.bytes().all(fits);
    if good { Ok(text.into()) } else { Err("such as default:42".into()) }
}

/// Asks the hub.
pub fn run(config: &Config, args: &Args, printer: &Printer) -> Result<(), Failure> {
    let path = format!("/admin/v1/why/{}", args.id);
    printer.answer(&AdminClient::new(config)?.call(Method::GET, &path, None)?)
}
