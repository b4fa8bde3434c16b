//! `ssf-hub token new|revoke|revoke-all`: long-lived tokens of a receiver, for those that can do no better.
//!
//! A new token is made by the hub and seen once: on a terminal, or in a new 0600 file.

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

/// What to do with tokens.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make one; it is shown once.
    New(New),
    /// Refuse one from now on.
    Revoke {
        /// The client.
        #[arg(value_parser = id)]
        client: String,
        /// The token's name.
        #[arg(value_parser = id)]
        token: String,
        /// Whose.
        #[command(flatten)]
        tenant: TenantArg,
    },
    /// Refuse every token of a client from now on: its bearer, long-lived ones, and those that were issued so far.
    RevokeAll {
        /// The client.
        #[arg(value_parser = id)]
        client: String,
        /// Whose.
        #[command(flatten)]
        tenant: TenantArg,
    },
}

/// What a new token is like.
#[derive(Debug, clap::Args)]
pub struct New {
    /// The client.
    #[arg(value_parser = id)]
    client: String,
    /// How long it is good: a number and s, m, h or d.
    #[arg(long, value_name = "TIME", value_parser = duration_s)]
    expires: i64,
    /// Its name; left out, the hub makes one.
    #[arg(long, value_parser = id)]
    id: Option<String>,
    /// A scope that it is good for (ssf.read, ssf.manage); again for a second one. Left out: all of the client's.
    #[arg(long = "scope", value_parser = ["ssf.read", "ssf.manage"])]
    scopes: Vec<String>,
    /// Write the token into this new file (0600) instead of the terminal.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Whose.
    #[command(flatten)]
    tenant: TenantArg,
}

/// Does it.
pub fn run(config: &Config, command: &Command, printer: &Printer) -> Result<(), Failure> {
    let path = |tenant: &TenantArg, client: &str| {
        format!("{}/{client}/tokens", collection_path(ObjectKind::Client, &tenant.tenant))
    };
    match command {
        Command::New(new) => {
            let mut asked = json!({ "expires_in_s": new.expires });
            if let Some(id) = &new.id {
                asked["id"] = id.as_str().into();
            }
            if !new.scopes.is_empty() {
                asked["scopes"] = json!(new.scopes);
            }
            let client = AdminClient::new(config)?;
            let once = Once::to(new.token_file.as_deref(), "--token-file")?;
            match client.call(Method::POST, &path(&new.tenant, &new.client), Some(&asked)) {
                Ok(mut answer) => {
                    once.tell(&mut answer, "token")?;
                    printer.answer(&answer)
                }
                Err(failure) => {
                    once.forget();
                    Err(failure)
                }
            }
        }
        Command::Revoke { client, token, tenant } => {
            let path = format!("{}/{token}", path(tenant, client));
            let answer = AdminClient::new(config)?.call(Method::DELETE, &path, None)?;
            printer.say(&answer, &format!("{token} of {client} is refused from now on"))
        }
        Command::RevokeAll { client, tenant } => {
            let answer = AdminClient::new(config)?.call(Method::DELETE, &path(tenant, client), None)?;
            printer.say(&answer, &format!("every token of {client} is refused from now on"))
        }
    }
}
