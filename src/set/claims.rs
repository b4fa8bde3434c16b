//! The claims of a SET (RFC 8417 §2.2 under SSF 3, 4), parsed once from the payload's bytes.
//!
//! Two steps, so that issuer and audience are judged before anything else is looked at: `Draft::open` →
//! the verifier's judgement → `Draft::finish`. What must be forwarded keeps the text that was signed.
//! Never verifies a signature; only `verify` may turn claims into a `VerifiedSet`.

use serde_json::{Number, Value};

use super::dialect::Dialect;
use super::event::{Event, InitiatingEntity, TIME_S_MAX};
use super::event_type::EventType;
use super::reject::RejectReason;
use super::sub_id::{Simple, SubId};
use crate::jose::strict::Object;

/// Longest `iss`, `jti`, `txn` and audience, in bytes.
pub const TEXT_BYTES_MAX: usize = 1024;

/// What a SET says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// For whom; empty only for a control event of the Keycloak dialect.
    pub aud: Vec<String>,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// Its name at the issuer.
    pub jti: String,
    /// The cause that it shares with other SETs.
    pub txn: Option<String>,
    /// When the event happened, in seconds since 1970.
    pub toe: Option<i64>,
    /// Whom it is about.
    pub sub_id: SubId,
    /// The text of `sub_id` as it was signed; for a subject that was lifted out of the event, that text
    /// with its `format` added.
    pub sub_id_json: String,
    /// What happened.
    pub event: Event,
    /// The text of the event object as it was signed.
    pub event_json: String,
    /// The session named is "all sessions of this user", ended by an administrator (Keycloak only).
    /// `sub_id` still holds the session member as it came.
    pub all_sessions: bool,
}

/// A payload whose issuer and audience are known, and nothing else yet.
pub(super) struct Draft<'a> {
    object: Object<'a>,
    iss: String,
    aud: Vec<String>,
}

impl<'a> Draft<'a> {
    /// Reads strictly: no duplicate member at any level, no deep nesting. `aud` may be missing here.
    pub(super) fn open(payload: &'a [u8]) -> Result<Self, RejectReason> {
        let object = Object::parse(payload).map_err(|_| RejectReason::NotJson)?;
        let iss = text(&object, "iss")?.ok_or(RejectReason::Claim("iss"))?;
        let aud = audiences(&object)?;
        Ok(Self { object, iss, aud })
    }

    pub(super) fn iss(&self) -> &str {
        &self.iss
    }

    pub(super) fn aud(&self) -> &[String] {
        &self.aud
    }

    /// Whether every event is about the stream itself.
    pub(super) fn is_control(&self) -> bool {
        let events = self.object.member("events").and_then(|json| Object::within(json).ok());
        events.is_some_and(|events| {
            !events.is_empty() && events.members().all(|(uri, _)| EventType::from_uri(uri).is_control())
        })
    }

    /// Reads everything else.
    pub(super) fn finish(self, dialect: Dialect) -> Result<Claims, RejectReason> {
        let object = &self.object;
        for name in ["sub", "exp"] {
            if object.member(name).is_some() {
                return Err(RejectReason::ForbiddenClaim(name));
            }
        }
        let iat = numeric_date(object, "iat")?.ok_or(RejectReason::Claim("iat"))?;
        let jti = text(object, "jti")?.ok_or(RejectReason::Claim("jti"))?;
        let (txn, toe) = (text(object, "txn")?, numeric_date(object, "toe")?);
        let (mut event, event_json) = the_event(object, dialect)?;
        let sub_id_json = sub_id_json(object, event_json, dialect)?;
        let sub_id = SubId::parse_str(&sub_id_json).map_err(|_| RejectReason::Claim("sub_id"))?;
        let all_sessions = dialect == Dialect::Keycloak
            && event.event_type == EventType::SessionRevoked
            && matches!(sub_id.member("session"), Some(Simple::Opaque { id }) if id == "ALL");
        if all_sessions {
            // Keycloak says `user` here although only an administrator can do it.
            event.common.initiating_entity = Some(InitiatingEntity::Admin);
        }
        let event_json = event_json.to_string();
        let (iss, aud) = (self.iss, self.aud);
        Ok(Claims { iss, aud, iat, jti, txn, toe, sub_id, sub_id_json, event, event_json, all_sessions })
    }
}

/// A string that is not empty and not too long.
fn text(object: &Object<'_>, name: &'static str) -> Result<Option<String>, RejectReason> {
    let Some(json) = object.member(name) else { return Ok(None) };
    let parsed = serde_json::from_str::<String>(json).ok();
    parsed.filter(|s| fits(s)).map(Some).ok_or(RejectReason::Claim(name))
}

fn fits(s: &str) -> bool {
    !s.is_empty() && s.len() <= TEXT_BYTES_MAX
}

/// One string or an array of strings (RFC 7519 §4.1.3).
fn audiences(object: &Object<'_>) -> Result<Vec<String>, RejectReason> {
    let Some(json) = object.member("aud") else { return Ok(vec![]) };
    let bad = RejectReason::Claim("aud");
    let all = match serde_json::from_str(json).map_err(|_| bad)? {
        Value::String(one) => vec![one],
        many => serde_json::from_value::<Vec<String>>(many).map_err(|_| bad)?,
    };
    if all.iter().all(|s| fits(s)) { Ok(all) } else { Err(bad) }
}

/// A NumericDate that is a whole number of seconds up to the year 9999.
fn numeric_date(object: &Object<'_>, name: &'static str) -> Result<Option<i64>, RejectReason> {
    let Some(json) = object.member(name) else { return Ok(None) };
    let number = serde_json::from_str::<Number>(json).map_err(|_| RejectReason::Claim(name))?;
    let whole = number.as_i64().or_else(|| {
        // Some libraries write whole seconds as 1763795899.0; beyond the range the cast is never reached.
        let n = number.as_f64().filter(|n| n.fract() == 0.0 && (0.0..=TIME_S_MAX as f64).contains(n))?;
        Some(n as i64)
    });
    whole.filter(|n| (0..=TIME_S_MAX).contains(n)).map(Some).ok_or(RejectReason::Claim(name))
}

/// The one event of a SET; several members only if all name the same type (SSF 4.2.1), and then the
/// type's own URI counts first.
fn the_event<'a>(object: &Object<'a>, dialect: Dialect) -> Result<(Event, &'a str), RejectReason> {
    let bad = RejectReason::Claim("events");
    let events = Object::within(object.member("events").ok_or(bad)?).map_err(|_| bad)?;
    let mut found: Option<(Event, &'a str)> = None;
    for (uri, json) in events.members() {
        if uri.is_empty() || uri.len() > TEXT_BYTES_MAX || !super::syntax::is_uri(uri) {
            return Err(bad);
        }
        let event = Event::parse_str(uri, json, dialect).map_err(|e| match e {
            super::payload::Error::NotAnObject => bad,
            other => RejectReason::Definition(other.claim()),
        })?;
        match &found {
            Some((first, _)) if first.event_type != event.event_type => {
                return Err(RejectReason::SeveralEvents);
            }
            Some(_) if event.uri != event.event_type.uri() => {}
            _ => found = Some((event, json)),
        }
    }
    found.ok_or(bad)
}

/// The text of `sub_id`; under the Keycloak dialect, failing that, the `subject` inside the event.
fn sub_id_json(object: &Object<'_>, event_json: &str, dialect: Dialect) -> Result<String, RejectReason> {
    let missing = RejectReason::Claim("sub_id");
    if let Some(json) = object.member("sub_id") {
        return Ok(json.into());
    }
    if dialect != Dialect::Keycloak {
        return Err(missing);
    }
    let event = Object::within(event_json).map_err(|_| missing)?;
    let json = event.member("subject").ok_or(missing)?;
    let subject = Object::within(json).map_err(|_| missing)?;
    if subject.member("format").is_some() {
        return Ok(json.into());
    }
    let mut lifted = String::from(r#"{"format":"complex""#);
    for (name, part) in subject.members() {
        lifted.push(',');
        lifted.push_str(&Value::from(name).to_string());
        lifted.push(':');
        lifted.push_str(part);
    }
    lifted.push('}');
    Ok(lifted)
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
