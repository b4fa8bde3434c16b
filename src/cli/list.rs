//! `ssf-hub list KIND`: the objects of a tenant.

use http::Method;

use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use super::{TenantArg, collection_path};
use crate::config::Config;
use crate::hub::object::ObjectKind;

/// Which objects.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// tenants, operators, upstreams, token-issuers, streams, clients, points or authorization-servers.
    #[arg(value_parser = super::kind)]
    pub kind: ObjectKind,
    /// Whose.
    #[command(flatten)]
    pub tenant: TenantArg,
}

/// Lists them.
pub fn run(config: &Config, args: &Args, printer: &Printer) -> Result<(), Failure> {
    let path = collection_path(args.kind, &args.tenant.tenant);
    printer.answer(&AdminClient::new(config)?.call(Method::GET, &path, None)?)
}
