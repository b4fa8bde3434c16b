//! `ssf-hub account --subject …`: whether an account has opted out of RISC events (RISC 2.8).

use http::Method;
use serde_json::Value;
use url::form_urlencoded;

use super::TenantArg;
use super::admin_client::AdminClient;
use super::emit;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// Which account.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A subject that it is named by, as for `emit`: one JSON object, or members such as `format=email email=a@b.example`.
    #[arg(long, required = true, num_args = 1.., value_name = "JSON|NAME=VALUE")]
    pub subject: Vec<String>,
    /// The issuer whose opaque id it is; else what operators said of this id.
    #[arg(long, value_name = "URL")]
    pub iss: Option<String>,
    /// Whose.
    #[command(flatten)]
    pub tenant: TenantArg,
}

/// Shows its state.
pub fn run(config: &Config, args: &Args, printer: &Printer) -> Result<(), Failure> {
    let path = path(args)?;
    let answer = AdminClient::new(config)?.call(Method::GET, &path, None)?;
    printer.say(&answer, &sentence(&answer))
}

fn path(args: &Args) -> Result<String, Failure> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("subject", &emit::subject(&args.subject)?.to_string());
    if let Some(iss) = &args.iss {
        query.append_pair("iss", iss);
    }
    Ok(format!("/admin/v1/t/{}/accounts?{}", args.tenant.tenant, query.finish()))
}

fn sentence(answer: &Value) -> String {
    let flows = match answer["state"].as_str().unwrap_or("-") {
        "opt-in" => "opt-in: RISC events about it are sent",
        "opt-out-initiated" => "opt-out-initiated: RISC events about it are still sent",
        _ => "opt-out: RISC events about it are not sent",
    };
    match answer["since"].as_str() {
        Some(since) => format!("{flows}. Since entry {since}."),
        None => format!("{flows}."),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn words_become_a_path_and_an_answer_words() {
        let words = ["account", "--subject", "format=opaque", "id=a&b", "--iss", "https://i.example"];
        let path = path(&Line::try_parse_from(words).unwrap().args).unwrap();
        let (before, query) = path.split_once('?').unwrap();
        assert_eq!(before, "/admin/v1/t/default/accounts");
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let subject: Value = serde_json::from_str(&pairs[0].1).unwrap();
        assert_eq!(
            (subject, pairs[1].1.as_str()),
            (json!({ "format": "opaque", "id": "a&b" }), "https://i.example")
        );
        let said = sentence(&json!({ "state": "opt-out", "since": "default:7" }));
        assert_eq!(said, "opt-out: RISC events about it are not sent. Since entry default:7.");
        assert_eq!(
            sentence(&json!({ "state": "opt-in", "since": null })),
            "opt-in: RISC events about it are sent."
        );
    }
}
