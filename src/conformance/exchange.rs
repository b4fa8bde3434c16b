//! One HTTP request and its answer, as a document that shapes judge and as evidence that people read.
//!
//! All traffic of a run that does not come from the transmitter goes through here. Evidence is shortened and holds no
//! secret: what is known to be one is replaced wherever it stands, and so are members that always hold one. Redirects
//! are never followed.

use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::Trouble;
use super::lab::Lab;
use crate::clock::Stopwatch;
use crate::egress::Outbound;

/// Longest answer that is read (bytes).
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest piece of evidence (characters).
const EVIDENCE_CHARS_MAX: usize = 400;
/// Members whose values are never shown.
const SECRET_MEMBERS: [&str; 5] =
    ["authorization_header", "access_token", "client_secret", "client_assertion", "refresh_token"];

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Where to, query included.
    pub url: String,
    /// Header fields; `content-type` and `authorization` among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// `{"method","url","status","headers","body","text","elapsed_ms"}`; names of header fields in lower case.
    pub doc: Value,
    /// The same for people.
    pub evidence: String,
}

/// Sends a request.
pub async fn send(lab: &Lab, request: &Request) -> Result<Exchange, Trouble> {
    let began = Stopwatch::start();
    let said = format!("{} {}", request.method, request.url);
    let answer = lab
        .egress
        .send(Outbound {
            method: Method::from_bytes(request.method.as_bytes()).map_err(Trouble::na)?,
            url: &request.url,
            headers: headers(&request.headers)?,
            body: request.body.clone().unwrap_or_default().into_bytes(),
            max_response_bytes: ANSWER_BYTES_MAX,
            timeout_ms: Some(u64::try_from(lab.settings.timeout.as_millis()).unwrap_or(u64::MAX)),
        })
        .await
        .map_err(|e| Trouble::wrong(format!("no answer to {}: {e}", lab.redacted(&said))))?;
    lab.moments.took(began.elapsed());
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let doc = json!({
        "method": request.method, "url": request.url, "status": answer.status, "headers": fields(&answer.headers),
        "body": serde_json::from_str::<Value>(&text).ok(), "text": text,
        "elapsed_ms": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    });
    let asked = request.body.as_deref().map(|b| format!(" {}", lab.redacted(&shown(b)))).unwrap_or_default();
    let evidence = format!(
        "{}{asked} → {} {}",
        lab.redacted(&said),
        answer.status,
        lab.redacted(&shown(doc["text"].as_str().unwrap_or_default()))
    );
    Ok(Exchange { doc, evidence })
}

fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, Trouble> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(Trouble::na)?;
        map.append(name, HeaderValue::from_str(value).map_err(Trouble::na)?);
    }
    Ok(map)
}

/// Header fields by name; several of one name are joined as RFC 9110 5.3 has it.
pub fn fields(map: &HeaderMap) -> Map<String, Value> {
    let mut out = Map::new();
    for name in map.keys() {
        let values = map.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        out.insert(name.as_str().into(), values.collect::<Vec<_>>().join(", ").into());
    }
    out
}

/// A body for people: without the members that hold secrets, shortened, on one line.
pub fn shown(body: &str) -> String {
    let text = match serde_json::from_str::<Value>(body) {
        Ok(mut json) => {
            hide(&mut json);
            json.to_string()
        }
        Err(_) => hide_form(body),
    };
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.char_indices().nth(EVIDENCE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(members) => {
            for (name, value) in members {
                if SECRET_MEMBERS.contains(&name.as_str()) {
                    *value = "•••".into()
                } else {
                    hide(value)
                }
            }
        }
        _ => {}
    }
}

/// A form for people; any other text stays.
fn hide_form(body: &str) -> String {
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if SECRET_MEMBERS.contains(&name) => format!("{name}=•••"),
        _ => pair.to_string(),
    };
    body.split('&').map(pair).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_holds_no_secret_and_is_short() {
        let body =
            json!({ "delivery": { "authorization_header": "Bearer s3cret", "method": "m" }, "x": ["\n"] });
        let said = shown(&body.to_string());
        assert!(!said.contains("s3cret") && said.contains("\"method\":\"m\""), "{said}");
        assert_eq!(shown("a=b&client_secret=s3cret"), "a=b&client_secret=•••");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), EVIDENCE_CHARS_MAX + 1);
        assert_eq!(shown("a\u{1b}[31m\nb"), "a [31m b");
    }
}
