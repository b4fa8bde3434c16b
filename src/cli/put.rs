//! `ssf-hub put KIND FILE`: makes or changes an object, effective without a restart.
//!
//! The file holds the members of the object as the admin API takes them, in JSON or TOML. A new bearer is
//! made by the hub and seen once: on a terminal, or in a new 0600 file.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use http::Method;
use serde_json::Value;

use super::admin_client::AdminClient;
use super::failure::Failure;
use super::once::Once;
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
    /// The object, in JSON or TOML; `-` is standard input.
    pub file: PathBuf,
    /// Let the hub make a new bearer; it is shown once.
    #[arg(long)]
    pub new_bearer: bool,
    /// Write the new bearer into this new file (0600) instead of the terminal.
    #[arg(long, value_name = "FILE", requires = "new_bearer")]
    pub bearer_file: Option<PathBuf>,
    /// Whose.
    #[command(flatten)]
    pub tenant: TenantArg,
}

/// Makes or changes it.
pub fn run(config: &Config, args: &Args, printer: &Printer) -> Result<(), Failure> {
    let mut object = parse(&read(&args.file)?)?;
    let id = id_of(args.kind, &object)?;
    if args.new_bearer {
        object["new_bearer"] = true.into();
    }
    if object["receiver"]["new_secret"] == true {
        return Err(Failure::Usage("a new secret is made by `ssf-hub secret new`".into()));
    }
    let client = AdminClient::new(config)?;
    let once =
        if args.new_bearer { Some(Once::to(args.bearer_file.as_deref(), "--bearer-file")?) } else { None };
    let path = format!("{}/{id}", collection_path(args.kind, &args.tenant.tenant));
    let answer = match (client.call(Method::PUT, &path, Some(&object)), once) {
        (Ok(mut answer), Some(once)) => {
            once.tell(&mut answer, "bearer")?;
            answer
        }
        (Err(failure), once) => {
            once.into_iter().for_each(Once::forget);
            return Err(failure);
        }
        (Ok(answer), None) => answer,
    };
    if answer.is_null() { printer.say(&answer, &format!("{id} is put")) } else { printer.answer(&answer) }
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let done = if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map(drop)
    } else {
        std::fs::read_to_string(path).map(|read| text = read)
    };
    done.map_err(|e| Failure::failed(format!("{} cannot be read: {e}", path.display())))?;
    Ok(text)
}

/// One object: JSON where the text begins with a brace, else TOML.
fn parse(text: &str) -> Result<Value, Failure> {
    let parsed: Result<Value, String> = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|e| e.to_string())
    } else {
        toml::from_str(text).map_err(|e| e.message().to_string())
    };
    parsed.map_err(|e| Failure::Usage(format!("the file holds no object in JSON or TOML: {e}")))
}

fn id_of(kind: ObjectKind, object: &Value) -> Result<String, Failure> {
    let key = if kind == ObjectKind::Stream { "stream_id" } else { "id" };
    match object[key].as_str().filter(|id| is_id(id)) {
        Some(id) => Ok(id.into()),
        None => Err(Failure::Usage(format!(
            "the object needs `{key}`: 1 to 64 characters of A-Z, a-z, 0-9, `.`, `_`, `-`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_in_json_and_toml() {
        let want = json!({"id": "u", "aud": ["a"], "jwks": {"url": "https://x/"}});
        assert_eq!(parse("id = 'u'\naud = ['a']\njwks.url = 'https://x/'\n").unwrap(), want);
        assert_eq!(parse(&format!("\n {want}")).unwrap(), want);
        for bad in ["{", "id = ", "[1", "- a: b"] {
            assert_eq!(parse(bad).unwrap_err().status(), 2, "{bad}");
        }
        assert_eq!(id_of(ObjectKind::Upstream, &want).unwrap(), "u");
        assert!(id_of(ObjectKind::Stream, &want).is_err());
        assert!(id_of(ObjectKind::Upstream, &json!({"id": "../x"})).is_err());
    }
}
