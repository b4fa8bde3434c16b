//! The events that lineage adds outward: one CAEP session-revoked for each session that ends with something wider,
//! each run and each lone token that stops.
//!
//! In the flow: built by `conclude`, journaled with the decision, sent to streams with `derived = true`. Subjects
//! are made as DESIGN ("Doors") says: a session or run is `complex`, a token is `jwt_id`. Hub ids never leave.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::reason::Reason;
use crate::lineage::affected::{Run, Session, Token};
use crate::lineage::alias::Alias;
use crate::set::event_type::EventType;

/// An event that lineage adds.
#[derive(Clone, Debug)]
pub struct Derived {
    /// Event type URI.
    pub uri: String,
    /// `sub_id`.
    pub sub_id: Box<RawValue>,
    /// The event object.
    pub event: Box<RawValue>,
}

impl PartialEq for Derived {
    fn eq(&self, other: &Self) -> bool {
        self.uri == other.uri
            && self.sub_id.get() == other.sub_id.get()
            && self.event.get() == other.event.get()
    }
}

/// A run that stops: CAEP 3.1 with `session` and `run` (the run's id at its source), `application` (the agent),
/// `user`, `tenant`.
pub fn of_run(run: &Run, tenant: &str, at_s: i64, reason: Reason) -> Option<Derived> {
    let opaque = |id: &str| json!({"format": "opaque", "id": id});
    let id = run.name.alias.value.as_str();
    let mut sub_id = Map::new();
    sub_id.insert("format".into(), "complex".into());
    sub_id.insert("session".into(), opaque(id));
    sub_id.insert("run".into(), opaque(id));
    if let Some(agent) = run.agent.as_ref().and_then(simple) {
        sub_id.insert("application".into(), agent);
    }
    if let Some(user) = run.user.as_ref().and_then(simple) {
        sub_id.insert("user".into(), user);
    }
    sub_id.insert("tenant".into(), opaque(tenant));
    session_revoked(&Value::Object(sub_id), at_s, reason)
}

/// A session that ends because something wider does: `complex` with `user`, where it is known, and `session`.
pub fn of_session(session: &Session, at_s: i64, reason: Reason) -> Option<Derived> {
    let name = session.names.iter().map(|named| &named.alias).find(|alias| alias.kind == "session")?;
    let mut sub_id = Map::new();
    sub_id.insert("format".into(), "complex".into());
    if let Some(user) = session.user.as_ref().and_then(simple) {
        sub_id.insert("user".into(), user);
    }
    sub_id.insert("session".into(), json!({"format": "opaque", "id": name.value}));
    session_revoked(&Value::Object(sub_id), at_s, reason)
}

/// A known token that stops and belongs to no run that is told of.
pub fn of_token(token: &Token, at_s: i64, reason: Reason) -> Option<Derived> {
    let alias = &token.name.alias;
    session_revoked(&json!({"format": "jwt_id", "iss": alias.iss, "jti": alias.value}), at_s, reason)
}

fn session_revoked(sub_id: &Value, at_s: i64, reason: Reason) -> Option<Derived> {
    let event = json!({
        "event_timestamp": at_s,
        "initiating_entity": "policy",
        "reason_admin": {"en": reason.text()},
    });
    Some(Derived {
        uri: EventType::SessionRevoked.uri().into(),
        sub_id: RawValue::from_string(sub_id.to_string()).ok()?,
        event: RawValue::from_string(event.to_string()).ok()?,
    })
}

/// An alias as a simple subject identifier, where a standard format says it (RFC 9493 §3.2).
fn simple(alias: &Alias) -> Option<Value> {
    let value = &alias.value;
    Some(match alias.kind.as_str() {
        "iss_sub" => json!({"format": "iss_sub", "iss": alias.iss, "sub": value}),
        "email" => json!({"format": "email", "email": value}),
        "account" => json!({"format": "account", "uri": value}),
        "phone_number" => json!({"format": "phone_number", "phone_number": value}),
        "did" => json!({"format": "did", "url": value}),
        "uri" | "spiffe" => json!({"format": "uri", "uri": value}),
        "opaque" => json!({"format": "opaque", "id": value}),
        _ => return None,
    })
}
