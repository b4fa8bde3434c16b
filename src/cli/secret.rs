//! `ssf-hub secret new CLIENT`: a new secret for the built-in authorization server, beside the old one for a while.

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

/// What to do with secrets.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make one; it is shown once.
    New(New),
}

/// What a new secret is like.
#[derive(Debug, clap::Args)]
pub struct New {
    /// The client.
    #[arg(value_parser = id)]
    client: String,
    /// How long the old ones are still good: a number and s, m, h or d. 0s: not at all.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration_s)]
    overlap: i64,
    /// Write the secret into this new file (0600) instead of the terminal.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Whose.
    #[command(flatten)]
    tenant: TenantArg,
}

/// Does it.
pub fn run(config: &Config, command: &Command, printer: &Printer) -> Result<(), Failure> {
    let Command::New(new) = command;
    let path = format!("{}/{}/secrets", collection_path(ObjectKind::Client, &new.tenant.tenant), new.client);
    let client = AdminClient::new(config)?;
    let once = Once::to(new.secret_file.as_deref(), "--secret-file")?;
    match client.call(Method::POST, &path, Some(&json!({ "overlap_s": new.overlap }))) {
        Ok(mut answer) => {
            once.tell(&mut answer, "secret")?;
            printer.answer(&answer)
        }
        Err(failure) => {
            once.forget();
            Err(failure)
        }
    }
}
