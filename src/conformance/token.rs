//! Access tokens for the receivers that a run plays.
//!
//! Static ones are used as they are; others are had once by client credentials (RFC 6749 4.4) and kept for the run.
//! Never logged, and known to the redaction before anything is sent with them.

use serde_json::Value;

use super::Trouble;
use super::discover;
use super::exchange::{Request, send};
use super::lab::Lab;
use super::settings::Credentials;

/// Whom a request is sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// The receiver.
    A,
    /// The second receiver.
    B,
    /// The first receiver with a token that may only read.
    Reader,
    /// Nobody: no credentials.
    None,
    /// Somebody with a token that nobody gave out.
    Garbage,
}

impl Who {
    /// By the word that cases use.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "a" => Self::A,
            "b" => Self::B,
            "reader" => Self::Reader,
            "none" => Self::None,
            "garbage" => Self::Garbage,
            _ => return None,
        })
    }

    fn credentials(self, lab: &Lab) -> Option<Credentials> {
        let settings = &lab.settings;
        match self {
            Self::A => Some(settings.a.clone()),
            Self::B => settings.b.clone(),
            // Who can ask for tokens can ask for one that may only read.
            Self::Reader => settings
                .reader
                .clone()
                .or_else(|| Some(settings.a.clone()).filter(|a| matches!(a, Credentials::Client { .. }))),
            Self::None | Self::Garbage => None,
        }
    }

    /// Whether the run has credentials for it.
    pub fn is_known(self, lab: &Lab) -> bool {
        matches!(self, Self::None | Self::Garbage) || self.credentials(lab).is_some()
    }
}

/// The `Authorization` field of `who`; nothing for nobody.
pub async fn authorization(lab: &Lab, who: Who) -> Result<Option<String>, Trouble> {
    match who {
        Who::None => return Ok(None),
        // A colon is no character of a token (RFC 6750 2.1): still nobody's token, not a bad request.
        Who::Garbage => return Ok(Some(format!("Bearer invalid:{}", lab.fresh()))),
        _ => {}
    }
    if let Some(why) = lab.refusal().filter(|_| who != Who::B) {
        return Err(Trouble::NotApplicable(why));
    }
    if let Some(token) = lab.known_token(who) {
        return Ok(Some(format!("Bearer {token}")));
    }
    let token = match who.credentials(lab) {
        Some(Credentials::Token(token)) => token,
        Some(Credentials::Client { id, secret }) => {
            let scope = if who == Who::Reader { Some("ssf.read") } else { lab.settings.scope.as_deref() };
            request(lab, &id, &secret, scope).await?
        }
        None => return Err(Trouble::na("the run has no credentials for that")),
    };
    lab.keep_token(who, &token);
    Ok(Some(format!("Bearer {token}")))
}

async fn request(lab: &Lab, id: &str, secret: &str, scope: Option<&str>) -> Result<String, Trouble> {
    let endpoint = match &lab.settings.token_endpoint {
        Some(endpoint) => endpoint.clone(),
        None => discover::token_endpoint(lab).await?,
    };
    lab.keep_secret(secret);
    let basic = basic(id, secret);
    lab.keep_secret(&basic);
    let mut said = String::new();
    // By HTTP Basic, which every server must take (RFC 6749 2.3.1); those that do not get it in the body.
    for (field, body) in
        [(Some(format!("Basic {basic}")), form(scope, None)), (None, form(scope, Some((id, secret))))]
    {
        let mut headers = vec![
            ("content-type".into(), "application/x-www-form-urlencoded".into()),
            ("accept".into(), "application/json".into()),
        ];
        headers.extend(field.map(|field| ("authorization".into(), field)));
        let request = Request { method: "POST".into(), url: endpoint.clone(), headers, body: Some(body) };
        let exchange = send(lab, &request).await?;
        let answer = &exchange.doc["body"];
        if let Some(token) = answer["access_token"].as_str().filter(|_| exchange.doc["status"] == 200) {
            lab.keep_token_answer(answer);
            return Ok(token.into());
        }
        said = exchange.evidence;
    }
    Err(Trouble::wrong(format!("no access token: {said}")))
}

/// The body of a request for a token.
fn form(scope: Option<&str>, client: Option<(&str, &str)>) -> String {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.append_pair("grant_type", "client_credentials");
    if let Some(scope) = scope.filter(|scope| !scope.is_empty()) {
        body.append_pair("scope", scope);
    }
    if let Some((id, secret)) = client {
        body.append_pair("client_id", id).append_pair("client_secret", secret);
    }
    body.finish()
}

/// RFC 6749 2.3.1: both parts are form-encoded before they are joined.
fn basic(id: &str, secret: &str) -> String {
    use base64::Engine as _;
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", encode(id), encode(secret)))
}

/// What is known of a token answer without the token itself.
pub fn about(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(members) = answer.as_object_mut() {
        members.insert("access_token".into(), "•••".into());
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    #[test]
    fn both_parts_are_form_encoded() {
        let decoded = base64::engine::general_purpose::STANDARD.decode(basic("a:b", "c d+é")).unwrap();
        assert_eq!(String::from_utf8(decoded).unwrap(), "a%3Ab:c+d%2B%C3%A9");
        assert!(Who::parse("nobody").is_none() && Who::parse("garbage") == Some(Who::Garbage));
    }
}
