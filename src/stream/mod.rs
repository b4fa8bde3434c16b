//! An SSF stream: who wants which events, and how they reach him.
//!
//! In the flow: `hub` matches a signal against streams when it is folded, `outbox` owes it, `transmitter`
//! delivers it. Holds configuration and matching only; never a queue, never a secret.

pub mod credentials;
pub mod dialect;
mod push_url;
pub mod receiver;
pub mod status;
pub mod subject;
pub mod topics;

use serde::{Deserialize, Serialize};

use crate::jose::alg::Alg;
use dialect::Dialect;
use receiver::DefaultSubjects;

/// A stream's number within its tenant: small, never used again, what the journal and queues hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamNo(pub u32);

/// The delivery method URNs of SSF 1.0, 6.1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Method {
    /// RFC 8935: the hub posts.
    #[serde(rename = "urn:ietf:rfc:8935", alias = "push")]
    Push,
    /// RFC 8936: the receiver asks.
    #[serde(rename = "urn:ietf:rfc:8936", alias = "poll")]
    Poll,
}

/// One stream's configuration, as it is journaled (SSF 1.0, 8.1.1).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// `stream_id`: 1 to 64 characters of `A-Za-z0-9._-`.
    pub stream_id: String,
    /// The client that may poll it; also whose stream it is.
    pub client: String,
    /// How SETs travel.
    pub method: Method,
    /// Push only: where to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
    /// Push only: the id of the secret in `keys/` whose value is sent as `Authorization`, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_secret: Option<String>,
    /// `aud` of every SET on it; at least one.
    pub aud: Vec<String>,
    /// Event type URIs wanted; `*` wants all.
    pub events_requested: Vec<String>,
    /// Whether events that the lineage graph adds are sent too (DESIGN, Doors).
    #[serde(default)]
    pub derived: bool,
    /// What its SETs are signed with.
    #[serde(default = "default_alg")]
    pub alg: Alg,
    /// `events_delivered`, where a receiver made the stream: what of `events_requested` it gets. `None`: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_delivered: Option<Vec<String>>,
    /// `description`, in the receiver's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Which subjects are in it from the start.
    #[serde(default, skip_serializing_if = "is_default")]
    pub default_subjects: DefaultSubjects,
    /// Whether complex subjects match by the letter of SSF 1.0, 8.1.3.1: also where they share no member (AMB-07).
    #[serde(default, skip_serializing_if = "is_default")]
    pub literal_matching: bool,
    /// How its SETs deviate from SSF 1.0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dialect: Dialect,
    /// Push only, made by an operator: the original SET of the first issuer goes, and only where its `aud` names one
    /// of this stream's (RFC 8935, 2). Not an SSF stream: never offered to the management API.
    #[serde(default, skip_serializing_if = "is_default")]
    pub relay: bool,
}

/// Whether a member is left out of the text: ADR 0009.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn default_alg() -> Alg {
    Alg::RS256
}

/// Why a stream's configuration is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The id has other characters or another length.
    #[error("stream_id must be 1 to 64 characters of A-Z, a-z, 0-9, `.`, `_`, `-`")]
    Id,
    /// No audience.
    #[error("aud must name at least one audience")]
    NoAudience,
    /// No events.
    #[error("events_requested must name at least one event type URI, or `*`")]
    NoEvents,
    /// Push without a place to push to, or poll with one.
    #[error("endpoint_url belongs to push, and only to push")]
    Endpoint,
    /// A credential without a place to send it to.
    #[error("an authorization header belongs to push, and only to push")]
    Authorization,
    /// What is relayed is no SSF stream.
    #[error(
        "relay belongs to push, made by an operator, and excludes what only an SSF stream has: derived, dialect, \
         description, default_subjects, events_delivered"
    )]
    Relay,
}

/// A poll stream that nobody owns yet: a place to begin from.
impl Default for Stream {
    fn default() -> Self {
        Self {
            stream_id: String::new(),
            client: String::new(),
            method: Method::Poll,
            endpoint_url: None,
            authorization_secret: None,
            aud: vec![],
            events_requested: vec![],
            derived: false,
            alg: default_alg(),
            events_delivered: None,
            description: None,
            default_subjects: DefaultSubjects::All,
            literal_matching: false,
            dialect: Dialect::Ssf,
            relay: false,
        }
    }
}

impl Stream {
    /// Checks the configuration by itself.
    pub fn check(&self) -> Result<(), Error> {
        if !is_id(&self.stream_id) {
            return Err(Error::Id);
        }
        if self.aud.is_empty() || self.aud.iter().any(String::is_empty) {
            return Err(Error::NoAudience);
        }
        let may_be_empty = self.events_delivered.is_some();
        if (self.events_requested.is_empty() && !may_be_empty)
            || self.events_requested.iter().any(String::is_empty)
        {
            return Err(Error::NoEvents);
        }
        if self.endpoint_url.is_some() != (self.method == Method::Push) {
            return Err(Error::Endpoint);
        }
        if self.authorization_secret.is_some() && self.method != Method::Push {
            return Err(Error::Authorization);
        }
        if self.relay && (self.method != Method::Push || self.is_ssf()) {
            return Err(Error::Relay);
        }
        Ok(())
    }

    /// Whether it has what only an SSF stream has: SETs with the hub's `iss`, in shapes of its own, or a receiver's hand.
    fn is_ssf(&self) -> bool {
        self.derived
            || self.dialect != Dialect::default()
            || self.default_subjects != DefaultSubjects::default()
            || self.events_delivered.is_some()
            || self.description.is_some()
            || self.literal_matching
    }

    /// Whether events of this type are wanted.
    pub fn wants(&self, uri: &str) -> bool {
        self.wanted().iter().any(|e| e == "*" || e == uri)
    }

    /// The event types that it wants; `*` is every type.
    pub fn wanted(&self) -> &[String] {
        self.events_delivered.as_ref().unwrap_or(&self.events_requested)
    }

    /// Whether it wants every event type.
    pub fn wants_all(&self) -> bool {
        self.wanted().iter().any(|e| e == "*")
    }

    /// The audience as it enters derived names: sorted, as a JSON array (DESIGN 5).
    pub fn aud_json(&self) -> String {
        let mut aud = self.aud.clone();
        aud.sort();
        serde_json::Value::from(aud).to_string()
    }
}

/// Whether `s` can name an object of a tenant in a URL and in a file name.
pub fn is_id(s: &str) -> bool {
    (1..=64).contains(&s.len())
        && !s.starts_with('.')
        && s.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream {
            stream_id: "s1".into(),
            client: "c".into(),
            method: Method::Push,
            endpoint_url: Some("https://r.example/".into()),
            aud: vec!["b".into(), "a".into()],
            events_requested: vec!["u:1".into()],
            ..Stream::default()
        }
    }

    #[test]
    fn checks_and_matches() {
        let good = stream();
        assert_eq!(good.check(), Ok(()));
        assert_eq!(Stream { relay: true, ..stream() }.check(), Ok(()));
        assert!(good.wants("u:1") && !good.wants("u:2"));
        assert!(Stream { events_requested: vec!["*".into()], ..stream() }.wants("u:2"));
        assert_eq!(good.aud_json(), r#"["a","b"]"#);
        let cases = [
            (Stream { stream_id: "../x".into(), ..stream() }, Error::Id),
            (Stream { aud: vec![], ..stream() }, Error::NoAudience),
            (Stream { events_requested: vec![], ..stream() }, Error::NoEvents),
            (Stream { events_requested: vec!["u:1".into(), String::new()], ..stream() }, Error::NoEvents),
            (Stream { method: Method::Poll, ..stream() }, Error::Endpoint),
            (
                Stream {
                    method: Method::Poll,
                    endpoint_url: None,
                    authorization_secret: Some("a".into()),
                    ..stream()
                },
                Error::Authorization,
            ),
            (Stream { method: Method::Poll, endpoint_url: None, relay: true, ..stream() }, Error::Relay),
            (Stream { relay: true, literal_matching: true, ..stream() }, Error::Relay),
            (Stream { relay: true, derived: true, ..stream() }, Error::Relay),
            (Stream { relay: true, dialect: Dialect::CaepInterop, ..stream() }, Error::Relay),
            (Stream { relay: true, description: Some("d".into()), ..stream() }, Error::Relay),
            (Stream { relay: true, events_delivered: Some(vec![]), ..stream() }, Error::Relay),
            (Stream { relay: true, default_subjects: DefaultSubjects::None, ..stream() }, Error::Relay),
        ];
        for (bad, want) in cases {
            assert_eq!(bad.check(), Err(want));
        }
    }
}
