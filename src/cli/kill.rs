//! `ssf-hub kill` and `ssf-hub lift`: an operator stops somebody, and takes it back.

use http::Method;
use serde_json::{Value, json};

use super::TenantArg;
use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;
use crate::lineage::alias::Alias;

/// Whom, and why.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What sort of name: agent, run, client, session, iss_sub, email, jti, spiffe, workload, tool, cnf, or another
    /// sort of a person's name (phone_number, account, did, opaque, …). Not device, tenant, group, org_unit: no
    /// token carries these.
    pub kind: String,
    /// The name.
    pub value: String,
    /// Within which issuer or source the name is unique.
    #[arg(long, default_value = "")]
    pub iss: String,
    /// Why; it is kept in the journal and never leaves the hub.
    #[arg(long)]
    pub reason: String,
    /// Whose.
    #[command(flatten)]
    pub tenant: TenantArg,
}

/// Does it: `act` is `kill` or `lift`.
pub fn run(config: &Config, act: &str, args: &Args, printer: &Printer) -> Result<(), Failure> {
    let target = Alias { kind: args.kind.clone(), iss: args.iss.clone(), value: args.value.clone() };
    let target = target.checked().map_err(|e| Failure::Usage(e.to_string()))?;
    let path = format!("/admin/v1/t/{}/{act}", args.tenant.tenant);
    let body = json!({"target": target, "reason": args.reason});
    let answer = AdminClient::new(config)?.call(Method::POST, &path, Some(&body))?;
    let sentence = sentence(act, &format!("{} {}", target.kind, target.value), &answer);
    printer.say(&answer, &sentence)
}

fn sentence(act: &str, whom: &str, answer: &Value) -> String {
    let id = answer["id"].as_str().unwrap_or("-");
    let count = |name: &str| answer[name].as_u64().unwrap_or(0);
    let done = if act == "kill" { "is stopped" } else { "may go on" };
    let touched = match (count("runs"), count("tokens")) {
        (0, 0) => "no run and no token of it is known".into(),
        (runs, tokens) => format!("{runs} run(s) and {tokens} token(s) are touched"),
    };
    let cut = if answer["truncated"] == true { "; the walk was cut at its limit, more may be" } else { "" };
    format!("{whom} {done}: {touched}{cut}. Entry {id}: see `ssf-hub why {id}`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences() {
        let table = [
            (
                "kill",
                json!({"id": "default:7", "runs": 2, "tokens": 3, "truncated": false}),
                "run r is stopped: 2 run(s) and 3 token(s) are touched. Entry default:7: see `ssf-hub why default:7`.",
            ),
            (
                "lift",
                json!({"id": "default:8", "runs": 0, "tokens": 0, "truncated": true}),
                "run r may go on: no run and no token of it is known; the walk was cut at its limit, more may be. \
                 Entry default:8: see `ssf-hub why default:8`.",
            ),
        ];
        for (act, answer, want) in table {
            assert_eq!(sentence(act, "run r", &answer), want);
        }
    }
}
