//! `ssf-hub keys list | rotate | revoke | reseal`: signing keys, and the seal on everything in `keys/`.

use http::Method;
use serde_json::{Value, json};

use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;
use crate::jose::Alg;
use crate::tenant::TenantId;

/// What to do with keys.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the signing keys of a tenant: next, signing, retiring, revoked.
    List {
        /// Whose.
        #[arg(default_value = crate::tenant::DEFAULT, value_parser = super::tenant)]
        tenant: TenantId,
    },
    /// Publish new signing keys; they sign after `keys.publish_ahead_s`.
    Rotate {
        /// Whose.
        #[arg(value_parser = super::tenant)]
        tenant: TenantId,
        /// Of one algorithm only: RS256, ES256, PS256, EdDSA.
        #[arg(long, value_parser = alg)]
        alg: Option<Alg>,
    },
    /// Take a signing key out of the JWKS at once; what it signed and nobody has is signed anew.
    Revoke {
        /// Whose.
        #[arg(value_parser = super::tenant)]
        tenant: TenantId,
        /// The key's `kid`.
        #[arg(value_parser = kid, allow_hyphen_values = true)]
        kid: String,
    },
    /// Seal everything in `keys/` with the sealing key that is configured; the hub must not be running.
    Reseal,
}

fn alg(text: &str) -> Result<Alg, String> {
    Alg::from_name(text).ok_or_else(|| "one of: RS256, ES256, PS256, EdDSA".into())
}

fn kid(text: &str) -> Result<String, String> {
    let fits = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    let good = (1..=128).contains(&text.len()) && text.bytes().all(fits);
    if good { Ok(text.into()) } else { Err("a kid has characters of A-Z, a-z, 0-9, `-`, `_`".into()) }
}

/// Does it.
pub fn run(config: &Config, command: &Command, printer: &Printer) -> Result<(), Failure> {
    let call = |method, path: &str, body: Option<&Value>| AdminClient::new(config)?.call(method, path, body);
    match command {
        Command::List { tenant } => {
            printer.answer(&call(Method::GET, &format!("/admin/v1/t/{tenant}/keys"), None)?)
        }
        Command::Rotate { tenant, alg } => {
            let body = alg.map_or_else(|| json!({}), |alg| json!({ "alg": alg }));
            printer.answer(&call(Method::POST, &format!("/admin/v1/t/{tenant}/keys/rotate"), Some(&body))?)
        }
        Command::Revoke { tenant, kid } => {
            let answer = call(Method::POST, &format!("/admin/v1/t/{tenant}/keys/{kid}/revoke"), None)?;
            let signing = answer["signing"].as_str().unwrap_or("-");
            printer.say(&answer, &format!("{kid} is revoked; {signing} signs now"))
        }
        Command::Reseal => printer.answer(&crate::app::reseal(config)?),
    }
}
