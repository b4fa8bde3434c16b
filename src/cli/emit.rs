//! `ssf-hub emit TYPE`: an operator says something to the streams of a tenant. It stops nobody; `kill` does.

use http::Method;
use serde_json::{Map, Value, json};

use super::TenantArg;
use super::admin_client::AdminClient;
use super::failure::Failure;
use super::print::Printer;
use crate::config::Config;

/// What to say, about whom, to whom.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An event type: a name such as session-revoked, or an absolute URI.
    #[arg(value_name = "TYPE")]
    pub event_type: String,
    /// Whom it is about: one JSON object, or members such as `format=email email=a@b.example`,
    /// `format=complex user.format=opaque user.id=1`.
    #[arg(long, required = true, num_args = 1.., value_name = "JSON|NAME=VALUE")]
    pub subject: Vec<String>,
    /// A member of the event: NAME=VALUE, the value as JSON or, if it is none, as text.
    #[arg(long = "field", value_name = "NAME=VALUE")]
    pub fields: Vec<String>,
    /// Why, for the receivers' administrators (`reason_admin`, in English).
    #[arg(long, value_name = "TEXT")]
    pub reason_admin: Option<String>,
    /// The one stream that it is for; else every stream that wants the type.
    #[arg(long, value_name = "ID")]
    pub stream: Option<String>,
    /// The transaction that it belongs to (`txn`); the same said again under it goes nowhere.
    #[arg(long, value_name = "TEXT")]
    pub txn: Option<String>,
    /// When it happened (`toe`), in seconds since 1970.
    #[arg(long, value_name = "SECONDS")]
    pub toe: Option<i64>,
    /// Whose streams.
    #[command(flatten)]
    pub tenant: TenantArg,
}

/// Says it.
pub fn run(config: &Config, args: &Args, printer: &Printer) -> Result<(), Failure> {
    let body = body(args)?;
    let path = format!("/admin/v1/t/{}/emit", args.tenant.tenant);
    let answer = AdminClient::new(config)?.call(Method::POST, &path, Some(&body))?;
    printer.say(&answer, &sentence(&args.event_type, &answer))
}

fn body(args: &Args) -> Result<Value, Failure> {
    let mut event = Map::new();
    for field in &args.fields {
        let (name, text) = pair(field)?;
        let value = serde_json::from_str(text).unwrap_or_else(|_| text.into());
        put(&mut event, name, value)?;
    }
    if let Some(reason) = &args.reason_admin {
        put(&mut event, "reason_admin", json!({ "en": reason }))?;
    }
    let mut body = json!({ "type": args.event_type, "subject": subject(&args.subject)?, "event": event });
    let more = [
        ("stream_id", args.stream.clone().map(Value::from)),
        ("txn", args.txn.clone().map(Value::from)),
        ("toe", args.toe.map(Value::from)),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    Ok(body)
}

/// One JSON object, or members whose values are texts; a dot leads into a member of a complex subject.
pub(super) fn subject(given: &[String]) -> Result<Value, Failure> {
    if let [one] = given
        && one.trim_start().starts_with('{')
    {
        return serde_json::from_str(one).map_err(|e| Failure::Usage(format!("--subject is no JSON: {e}")));
    }
    let mut subject = Map::new();
    for member in given {
        let (name, text) = pair(member)?;
        match name.split_once('.') {
            None => put(&mut subject, name, text.into())?,
            Some((outer, inner)) => {
                let part = subject.entry(outer).or_insert_with(|| json!({}));
                let part = part.as_object_mut().ok_or_else(|| twice(outer))?;
                put(part, inner, text.into())?;
            }
        }
    }
    Ok(Value::Object(subject))
}

fn pair(text: &str) -> Result<(&str, &str), Failure> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.ok_or_else(|| Failure::Usage(format!("`{text}` is not NAME=VALUE")))
}

fn put(members: &mut Map<String, Value>, name: &str, value: Value) -> Result<(), Failure> {
    if members.insert(name.into(), value).is_some() { Err(twice(name)) } else { Ok(()) }
}

fn twice(name: &str) -> Failure {
    Failure::Usage(format!("the member `{name}` is given twice"))
}

fn sentence(event_type: &str, answer: &Value) -> String {
    let (id, txn) = (answer["id"].as_str().unwrap_or("-"), answer["txn"].as_str().unwrap_or("-"));
    let count = |name: &str| answer[name].as_u64().unwrap_or(0);
    let said = match (answer["no_change"] == true, count("owed"), count("withheld")) {
        (true, ..) => "was said before under this txn: nothing is sent again".to_string(),
        (false, 0, 0) => "is recorded; no stream wants it".to_string(),
        (false, 0, n) => format!("is recorded and not sent to {n} stream(s): the account has opted out"),
        (false, n, _) => format!("is owed to {n} stream(s)"),
    };
    let warnings = answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let warnings: String = warnings.map(|w| format!(" Note: {w}.")).collect();
    format!(
        "{event_type} {said}. Entry {id}, txn {txn}. It stops nobody here: that is `ssf-hub kill`.{warnings}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(words: &[&str]) -> Result<Value, Failure> {
        body(&Line::try_parse_from(std::iter::once(&"emit").chain(words)).unwrap().args)
    }

    #[test]
    fn words_become_a_request() {
        let simple = ["session-revoked", "--subject", "format=email", "email=a=b@c.example"];
        let want = json!({ "type": "session-revoked", "subject": { "format": "email", "email": "a=b@c.example" }, "event": {} });
        assert_eq!(parse(&simple).unwrap(), want);
        let all = [
            "risk-level-change",
            "--subject",
            "{\"format\":\"opaque\",\"id\":\"1\"}",
            "--field",
            "current_level=HIGH",
            "--field",
            "n={\"a\":1}",
            "--reason-admin",
            "drill",
            "--stream",
            "s",
            "--txn",
            "t",
            "--toe",
            "5",
        ];
        let want = json!({
            "type": "risk-level-change", "subject": { "format": "opaque", "id": "1" },
            "event": { "current_level": "HIGH", "n": { "a": 1 }, "reason_admin": { "en": "drill" } },
            "stream_id": "s", "txn": "t", "toe": 5,
        });
        assert_eq!(parse(&all).unwrap(), want);
        let complex = ["x", "--subject", "format=complex", "user.format=opaque", "user.id=007"];
        let user = json!({ "format": "opaque", "id": "007" });
        assert_eq!(parse(&complex).unwrap()["subject"], json!({ "format": "complex", "user": user }));
    }

    #[test]
    fn words_that_are_no_request() {
        let bad: [&[&str]; 6] = [
            &["x", "--subject", "{nonsense"],
            &["x", "--subject", "format"],
            &["x", "--subject", "=v"],
            &["x", "--subject", "id=1", "id=2"],
            &["x", "--subject", "user=1", "user.id=2"],
            &["x", "--subject", "id=1", "--field", "reason_admin=1", "--reason-admin", "y"],
        ];
        for words in bad {
            assert_eq!(parse(words).unwrap_err().status(), 2, "{words:?}");
        }
    }

    #[test]
    fn sentences() {
        let owed =
            json!({ "id": "default:7", "txn": "t", "owed": 2, "no_change": false, "warnings": ["event: x"] });
        let said = sentence("session-revoked", &owed);
        assert!(
            said.starts_with("session-revoked is owed to 2 stream(s). Entry default:7, txn t."),
            "{said}"
        );
        assert!(said.ends_with("Note: event: x."), "{said}");
        assert!(sentence("x", &json!({ "owed": 0 })).contains("no stream wants it"));
        assert!(sentence("x", &json!({ "owed": 0, "no_change": true })).contains("said before"));
        assert!(sentence("x", &json!({ "owed": 0, "withheld": 2 })).contains("not sent to 2 stream(s)"));
    }
}
