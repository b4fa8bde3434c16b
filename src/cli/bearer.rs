//! `ssf-hub bearer new KIND ID`: a new bearer of an operator, an upstream, a client or a point, beside the old one for a
//! while.
//!
//! Made by the hub and seen once: on a terminal, or in a new 0600 file.

use std::path::PathBuf;

use http::Method;
use serde_json::json;

use super::admin_client::AdminClient;
use super::failure::Failure;
use super::once::{Once, duration_s};
use super::print::Printer;
use super::remove::id;
use super::{TenantArg, collection_path};
use crate::config::Config;
use crate::hub::object::ObjectKind;

/// What to do with bearers.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make one; it is shown once.
    New(New),
}

/// What a new bearer is like.
#[derive(Debug, clap::Args)]
pub struct New {
    /// operators, upstreams, clients or points.
    #[arg(value_parser = kind)]
    kind: ObjectKind,
    /// Whose.
    #[arg(value_parser = id)]
    id: String,
    /// How long those before it are still good: a number and s, m, h or d. 0s: not at all.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration_s)]
    overlap: i64,
    /// Write the bearer into this new file (0600) instead of the terminal.
    #[arg(long, value_name = "FILE")]
    bearer_file: Option<PathBuf>,
    /// Whose.
    #[command(flatten)]
    tenant: TenantArg,
}

fn kind(text: &str) -> Result<ObjectKind, String> {
    let found = super::kind(text).ok().filter(|kind| kind.has_bearer());
    found.ok_or_else(|| "one of: operators, upstreams, clients, points".into())
}

/// Does it.
pub fn run(config: &Config, command: &Command, printer: &Printer) -> Result<(), Failure> {
    let Command::New(new) = command;
    let path = format!("{}/{}/bearer", collection_path(new.kind, &new.tenant.tenant), new.id);
    let client = AdminClient::new(config)?;
    let once = Once::to(new.bearer_file.as_deref(), "--bearer-file")?;
    match client.call(Method::POST, &path, Some(&json!({ "overlap_s": new.overlap }))) {
        Ok(mut answer) => {
            once.tell(&mut answer, "bearer")?;
            printer.answer(&answer)
        }
        Err(failure) => {
            once.forget();
            Err(failure)
        }
    }
}
