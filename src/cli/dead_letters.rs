//! `ssf-hub dead-letters list|redrive|discard`: what could not be delivered, and what becomes of it.

use http::Method;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::TenantArg;
use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// What to do with dead letters.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List them, newest first within a stream.
    List(ListArgs),
    /// Send them again, under the same jti.
    Redrive(Chosen),
    /// Throw them away.
    Discard(Chosen),
}

/// Which are listed.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Those of this stream.
    #[arg(long, value_name = "STREAM")]
    pub stream: Option<String>,
    /// Those with this reason.
    #[arg(long)]
    pub reason: Option<String>,
    /// Those before: the `next` of another page.
    #[arg(long, value_name = "NEXT")]
    pub before: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 100)]
    pub limit: u16,
    /// Whose.
    #[command(flatten)]
    pub tenant: TenantArg,
}

/// Which are meant.
#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = true, args = ["stream", "jti", "reason", "all"])]
pub struct Chosen {
    /// Those of this stream.
    #[arg(long, value_name = "STREAM")]
    pub stream: Option<String>,
    /// The one with this jti.
    #[arg(long)]
    pub jti: Option<String>,
    /// Those with this reason.
    #[arg(long)]
    pub reason: Option<String>,
    /// All of the tenant.
    #[arg(long, conflicts_with_all = ["stream", "jti", "reason"])]
    pub all: bool,
    /// Whose.
    #[command(flatten)]
    pub tenant: TenantArg,
}

/// Does it.
pub fn run(config: &Config, command: &Command, printer: &Printer) -> Result<(), Failure> {
    let client = AdminClient::new(config)?;
    let answer = match command {
        Command::List(args) => client.call(Method::GET, &listing(args), None)?,
        Command::Redrive(chosen) => {
            client.call(Method::POST, &path(chosen, "redrive"), Some(&body(chosen)))?
        }
        Command::Discard(chosen) => {
            client.call(Method::POST, &path(chosen, "discard"), Some(&body(chosen)))?
        }
    };
    printer.answer(&answer)
}

fn listing(args: &ListArgs) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &args.limit.to_string());
    for (name, value) in [("stream_id", &args.stream), ("reason", &args.reason), ("before", &args.before)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    format!("/admin/v1/t/{}/dead-letters?{}", args.tenant.tenant, query.finish())
}

fn path(chosen: &Chosen, verb: &str) -> String {
    format!("/admin/v1/t/{}/dead-letters/{verb}", chosen.tenant.tenant)
}

fn body(chosen: &Chosen) -> Value {
    let mut body = Map::new();
    for (name, value) in [("stream_id", &chosen.stream), ("jti", &chosen.jti), ("reason", &chosen.reason)] {
        body.extend(value.clone().map(|value| (name.to_string(), value.into())));
    }
    if chosen.all {
        body.insert("all".into(), true.into());
    }
    Value::Object(body)
}
