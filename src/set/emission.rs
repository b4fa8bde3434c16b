//! What the hub may be made to say: an event and its subject, held to their definitions as strictly as a transmitter's.
//!
//! Read by `api` before an operator's words become an entry. Stricter than receipt on purpose: what others send is
//! borne with (SSF 4.2.3), what we send is right (SUBJ-03, CAEP 3, RISC 2). Keeps no opt-out state: whether an opt event
//! may be said now (RISC 2.8) the spine judges, where the state is.

use serde_json::{Map, Value};

use super::dialect::Dialect;
use super::event::{Event, InitiatingEntity};
use super::event_type::EventType;
use super::payload::{self, Payload};
use super::sub_id::{self, Simple, SubId};
use super::syntax;
use super::words::AccountDisabledReason;

/// Longest event type URI and longest `txn`, in bytes: what a hub takes in (`set/claims.rs`).
pub const TEXT_BYTES_MAX: usize = 1024;
/// A larger `event_timestamp` is in milliseconds (CAEP 2 wants seconds).
const SECONDS_MAX: f64 = 1e11;
/// The claims that every CAEP event may have (CAEP 2).
const COMMON: [&str; 4] = ["event_timestamp", "initiating_entity", "reason_admin", "reason_user"];
/// Names that are gone and never sent again (SUBJ-27).
const GONE: [&str; 4] = ["iss-sub", "id-token-claims", "phone", "jwt-id"];

/// Why it cannot be said.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Neither a name that is known here nor a URI.
    #[error("type: `{0}` is no event type that is known here, and no absolute URI")]
    Type(String),
    /// About the stream itself: its own endpoint makes it.
    #[error("type: verification and stream-updated are about a stream and cannot be emitted")]
    Control,
    /// RISC 2.11.
    #[error("type: RISC's sessions-revoked is deprecated (RISC 2.11); emit session-revoked (CAEP 3.1)")]
    Deprecated,
    /// The subject is none.
    #[error("subject: {0}")]
    Subject(#[from] sub_id::Error),
    /// A member that its format does not describe (RFC 9493, 3).
    #[error("subject: it has members that its format does not describe")]
    Undescribed,
    /// A spelling of drafts and older feeds.
    #[error("subject: `{0}` is a name of a draft; it is not sent any more")]
    Gone(String),
    /// RISC 2.5, 2.6.
    #[error("subject: this event is about an e-mail address or a phone number (RISC 2.5, 2.6)")]
    Identifier,
    /// The event breaks its type's definition.
    #[error("event: {0}")]
    Event(#[from] payload::Error),
    /// RISC types have no other attributes than those defined.
    #[error("event: this type has no attribute `{0}`")]
    Attribute(String),
    /// Milliseconds where CAEP has seconds.
    #[error("event: event_timestamp is in seconds")]
    Milliseconds,
}

/// What may be said.
#[derive(Clone, PartialEq, Debug)]
pub struct Emission {
    /// Event type URI.
    pub uri: String,
    /// `sub_id`.
    pub sub_id: Value,
    /// The event object.
    pub event: Value,
    /// What a specification recommends and is not there.
    pub warnings: Vec<String>,
}

/// The type of a short name such as `session-revoked`, or of an absolute URI.
pub fn resolve(name: &str) -> Result<EventType, Error> {
    let short = EventType::NAMED.iter().find(|t| t.name() == name).cloned();
    let named = match short {
        Some(named) => named,
        None if name.len() <= TEXT_BYTES_MAX && syntax::is_uri(name) => EventType::from_uri(name),
        None => return Err(Error::Type(name.chars().take(80).collect())),
    };
    match named {
        named if named.is_control() => Err(Error::Control),
        EventType::SessionsRevoked => Err(Error::Deprecated),
        named => Ok(named),
    }
}

impl Emission {
    /// Holds an event to its type's definition and its subject to RFC 9493.
    pub fn checked(name: &str, subject: &Value, event: &Map<String, Value>) -> Result<Self, Error> {
        let event_type = resolve(name)?;
        let sub_id = self::subject(subject)?;
        if matches!(event_type, EventType::IdentifierChanged | EventType::IdentifierRecycled)
            && !matches!(sub_id, SubId::Simple(Simple::Email { .. } | Simple::PhoneNumber { .. }))
        {
            return Err(Error::Identifier);
        }
        let parsed = Event::parse(event_type.uri(), event, Dialect::Ssf)?;
        closed_words(&parsed)?;
        let in_seconds = |at: &Value| at.as_f64().is_none_or(|at| at <= SECONDS_MAX);
        if is_named(&event_type) && !event.get("event_timestamp").is_none_or(in_seconds) {
            return Err(Error::Milliseconds);
        }
        let warnings = attributes(&event_type, event)?.into_iter().chain(recommended(&parsed)).collect();
        let uri = event_type.uri().to_string();
        Ok(Self { uri, sub_id: sub_id.to_value(), event: Value::Object(event.clone()), warnings })
    }
}

fn is_named(event_type: &EventType) -> bool {
    !matches!(event_type, EventType::Other(_))
}

/// A subject with nothing in it that its format does not describe. Aliases that are there twice are there once.
fn subject(given: &Value) -> Result<SubId, Error> {
    let mut sub_id = SubId::parse(given)?;
    let same = |a: &Value, b: &Value| {
        let (mut a, mut b) = (a.clone(), b.clone());
        a.sort_all_objects();
        b.sort_all_objects();
        a == b
    };
    if !same(&sub_id.to_value(), given) {
        return Err(Error::Undescribed);
    }
    match &mut sub_id {
        SubId::Simple(simple) => simple_subject(simple)?,
        SubId::Complex(parts) => parts.iter_mut().try_for_each(|(_, part)| simple_subject(part))?,
    }
    Ok(sub_id)
}

fn simple_subject(simple: &mut Simple) -> Result<(), Error> {
    match simple {
        Simple::Aliases(many) => {
            let mut seen = std::collections::BTreeSet::new();
            many.retain(|one| seen.insert(one.key()));
            many.iter_mut().try_for_each(simple_subject)
        }
        Simple::Other { format, .. } if GONE.contains(&format.as_str()) => Err(Error::Gone(format.clone())),
        Simple::Other { members, .. } if members.contains_key("subject_type") => {
            Err(Error::Gone("subject_type".into()))
        }
        _ => Ok(()),
    }
}

/// Words that are borne with when they come in, and never sent (CAEP 2, RISC 2.3).
fn closed_words(event: &Event) -> Result<(), payload::Error> {
    if matches!(event.common.initiating_entity, Some(InitiatingEntity::Other(_))) {
        return Err(payload::Error::Value("initiating_entity"));
    }
    let other = AccountDisabledReason::Other(String::new());
    match &event.payload {
        Payload::AccountDisabled { reason: Some(reason) }
            if std::mem::discriminant(reason) == std::mem::discriminant(&other) =>
        {
            Err(payload::Error::Value("reason"))
        }
        _ => Ok(()),
    }
}

/// The attributes that a type defines; `None` where it is not known here.
fn defined(event_type: &EventType) -> Option<&'static [&'static str]> {
    use EventType as T;
    Some(match event_type {
        T::Other(_) | T::Verification | T::StreamUpdated => return None,
        T::TokenClaimsChange => &["claims"],
        T::CredentialChange => {
            &["credential_type", "change_type", "friendly_name", "x509_issuer", "x509_serial", "fido2_aaguid"]
        }
        T::AssuranceLevelChange => &["namespace", "current_level", "previous_level", "change_direction"],
        T::DeviceComplianceChange => &["previous_status", "current_status"],
        T::SessionEstablished => &["fp_ua", "acr", "amr", "ext_id"],
        T::SessionPresented => &["fp_ua", "ext_id"],
        T::RiskLevelChange => &["risk_reason", "principal", "current_level", "previous_level"],
        T::AccountDisabled => &["reason"],
        T::IdentifierChanged => &["new-value"],
        T::CredentialCompromise => &["credential_type", "event_timestamp", "reason_admin", "reason_user"],
        T::SessionRevoked
        | T::AccountCredentialChangeRequired
        | T::AccountPurged
        | T::AccountEnabled
        | T::IdentifierRecycled
        | T::OptIn
        | T::OptOutInitiated
        | T::OptOutCancelled
        | T::OptOutEffective
        | T::RecoveryActivated
        | T::RecoveryInformationChanged
        | T::SessionsRevoked => &[],
    })
}

/// RISC's types have the attributes that they have. CAEP's may be extended: an unknown one is only named.
fn attributes(event_type: &EventType, event: &Map<String, Value>) -> Result<Vec<String>, Error> {
    let Some(defined) = defined(event_type) else { return Ok(vec![]) };
    let is_caep = event_type.uri().contains("/caep/");
    let known = |name: &str| defined.contains(&name) || (is_caep && COMMON.contains(&name));
    let unknown = event.keys().filter(|name| !known(name));
    if is_caep {
        return Ok(unknown.map(|name| format!("event: {name} is not defined for this type")).collect());
    }
    unknown.take(1).map(|name| Err(Error::Attribute(name.clone()))).collect()
}

fn recommended(event: &Event) -> Option<String> {
    match &event.payload {
        Payload::AssuranceLevelChange { previous_level: Some(_), change_direction: None, .. } => {
            Some("event: change_direction should stand beside previous_level (CAEP 3.4.1)".into())
        }
        Payload::RiskLevelChange { risk_reason: None, .. } => {
            Some("event: risk_reason is recommended (CAEP 3.8.1)".into())
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "emission_tests.rs"]
mod tests;
