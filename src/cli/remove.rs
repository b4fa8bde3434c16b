//! `ssf-hub remove KIND ID`: takes an object away.

use http::Method;

use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use super::{TenantArg, collection_path};
use crate::config::Config;
use crate::hub::object::ObjectKind;
use crate::stream::is_id;

/// Which object.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// tenants, operators, upstreams, token-issuers, streams, clients, points or authorization-servers.
    #[arg(value_parser = super::kind)]
    pub kind: ObjectKind,
    /// Its id.
    #[arg(value_parser = id)]
    pub id: String,
    /// Whose.
    #[command(flatten)]
    pub tenant: TenantArg,
}

pub(super) fn id(text: &str) -> Result<String, String> {
    if is_id(text) {
        Ok(text.into())
    } else {
        Err("1 to 64 characters of A-Z, a-z, 0-9, `.`, `_`, `-`".into())
    }
}

/// Takes it away.
pub fn run(config: &Config, args: &Args, printer: &Printer) -> Result<(), Failure> {
    let path = format!("{}/{}", collection_path(args.kind, &args.tenant.tenant), args.id);
    let answer = AdminClient::new(config)?.call(Method::DELETE, &path, None)?;
    printer.say(&answer, &format!("{} is gone from {}", args.id, args.kind.collection()))
}
