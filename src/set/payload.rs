//! What each event type says beside the common claims (SSF 8.1.4–5, CAEP 3, RISC 2).
//!
//! Called by `event`. A REQUIRED claim that is missing, a wrong JSON type, or a value outside a closed list
//! is an error, and the SET is refused with `invalid_request` (CAEP-EVT-26). Open lists stay text.

use serde_json::{Map, Value};

use super::dialect::Dialect;
use super::event_type::EventType;
use super::members::Members;
use super::words::{AccountDisabledReason, ChangeDirection, ChangeType, Compliance, RiskLevel, StreamStatus};

/// How an event object breaks its type's definition. Names the claim, never its value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The event is no JSON object.
    #[error("an event is a JSON object")]
    NotAnObject,
    /// A REQUIRED claim is missing.
    #[error("claim {0} is required")]
    Missing(&'static str),
    /// A claim has the wrong JSON type.
    #[error("claim {0} has the wrong type")]
    Type(&'static str),
    /// A claim has a value that the definition does not allow.
    #[error("claim {0} has no allowed value")]
    Value(&'static str),
}

impl Error {
    /// The claim in question.
    pub fn claim(&self) -> &'static str {
        match self {
            Self::NotAnObject => "events",
            Self::Missing(name) | Self::Type(name) | Self::Value(name) => name,
        }
    }
}

/// The claims that an event's type defines.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the members are the claims of the specifications")]
pub enum Payload {
    /// SSF 8.1.4.1.
    Verification { state: Option<String> },
    /// SSF 8.1.5.
    StreamUpdated { status: StreamStatus, reason: Option<String> },
    /// CAEP 3.1: the subject says all.
    SessionRevoked,
    /// CAEP 3.2.
    TokenClaimsChange { claims: Map<String, Value> },
    /// CAEP 3.3.
    CredentialChange {
        credential_type: String,
        change_type: ChangeType,
        friendly_name: Option<String>,
        x509_issuer: Option<String>,
        x509_serial: Option<String>,
        fido2_aaguid: Option<String>,
    },
    /// CAEP 3.4.
    AssuranceLevelChange {
        namespace: String,
        current_level: String,
        previous_level: Option<String>,
        change_direction: Option<ChangeDirection>,
    },
    /// CAEP 3.5.
    DeviceComplianceChange { previous_status: Compliance, current_status: Compliance },
    /// CAEP 3.6.
    SessionEstablished {
        fp_ua: Option<String>,
        acr: Option<String>,
        amr: Vec<String>,
        ext_id: Option<String>,
    },
    /// CAEP 3.7.
    SessionPresented { fp_ua: Option<String>, ext_id: Option<String> },
    /// CAEP 3.8. An absent `previous_level` is unknown, never inferred.
    RiskLevelChange {
        risk_reason: Option<String>,
        principal: String,
        current_level: RiskLevel,
        previous_level: Option<RiskLevel>,
    },
    /// RISC 2.3.
    AccountDisabled { reason: Option<AccountDisabledReason> },
    /// RISC 2.5; `new-value` on the wire.
    IdentifierChanged { new_value: Option<String> },
    /// RISC 2.7.
    CredentialCompromise { credential_type: String },
    /// A RISC type without attributes.
    Empty,
    /// A type that is not known here, its members as they came.
    Other(Map<String, Value>),
}

impl Payload {
    /// Reads what `event_type` defines.
    pub fn parse(
        event_type: &EventType,
        members: &Map<String, Value>,
        dialect: Dialect,
    ) -> Result<Self, Error> {
        use EventType as T;
        let m = Members(members);
        Ok(match event_type {
            T::Verification => Self::Verification { state: m.optional_text("state")? },
            T::StreamUpdated => stream_updated(m, dialect)?,
            T::SessionRevoked => Self::SessionRevoked,
            T::TokenClaimsChange => match m.required("claims")? {
                Value::Object(claims) if claims.is_empty() => return Err(Error::Value("claims")),
                Value::Object(claims) => Self::TokenClaimsChange { claims: claims.clone() },
                _ => return Err(Error::Type("claims")),
            },
            T::CredentialChange => Self::CredentialChange {
                credential_type: m.text("credential_type")?,
                change_type: m.closed("change_type")?,
                friendly_name: m.optional_text("friendly_name")?,
                x509_issuer: m.optional_text("x509_issuer")?,
                x509_serial: m.optional_text("x509_serial")?,
                fido2_aaguid: m.optional_text("fido2_aaguid")?,
            },
            T::AssuranceLevelChange => Self::AssuranceLevelChange {
                namespace: m.text("namespace")?,
                current_level: m.text("current_level")?,
                previous_level: m.optional_text("previous_level")?,
                change_direction: m.optional_closed("change_direction")?,
            },
            T::DeviceComplianceChange => Self::DeviceComplianceChange {
                previous_status: m.closed("previous_status")?,
                current_status: m.closed("current_status")?,
            },
            T::SessionEstablished => Self::SessionEstablished {
                fp_ua: m.optional_text("fp_ua")?,
                acr: m.optional_text("acr")?,
                amr: m.texts("amr")?,
                ext_id: m.optional_text("ext_id")?,
            },
            T::SessionPresented => Self::SessionPresented {
                fp_ua: m.optional_text("fp_ua")?,
                ext_id: m.optional_text("ext_id")?,
            },
            T::RiskLevelChange => Self::RiskLevelChange {
                risk_reason: m.optional_text("risk_reason")?,
                principal: m.text("principal")?,
                current_level: m.closed("current_level")?,
                previous_level: m.optional_closed("previous_level")?,
            },
            T::AccountDisabled => Self::AccountDisabled { reason: m.optional_closed("reason")? },
            T::IdentifierChanged => Self::IdentifierChanged { new_value: m.optional_text("new-value")? },
            T::CredentialCompromise => {
                Self::CredentialCompromise { credential_type: m.text("credential_type")? }
            }
            T::Other(_) => Self::Other(members.clone()),
            T::AccountCredentialChangeRequired
            | T::AccountPurged
            | T::AccountEnabled
            | T::IdentifierRecycled
            | T::OptIn
            | T::OptOutInitiated
            | T::OptOutCancelled
            | T::OptOutEffective
            | T::RecoveryActivated
            | T::RecoveryInformationChanged
            | T::SessionsRevoked => Self::Empty,
        })
    }
}

/// Keycloak puts an object with the status where SSF has the status itself.
fn stream_updated(m: Members<'_>, dialect: Dialect) -> Result<Payload, Error> {
    let status = match (dialect, m.required("status")?) {
        (Dialect::Keycloak, Value::Object(inner)) => Members(inner).closed("status")?,
        _ => m.closed("status")?,
    };
    Ok(Payload::StreamUpdated { status, reason: m.optional_text("reason")? })
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
