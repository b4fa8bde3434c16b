//! Event types by URI: SSF, CAEP 1.0, RISC 1.0; everything else keeps its URI.
//!
//! Read by `event` when a SET comes in and by streams when they match. The URI of an `EventType` is
//! stable: it is what the journal keeps. Never says what a payload must hold; that is `payload`.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! event_types {
    ($($variant:ident = $path:literal $doc:literal;)*) => {
        /// The type of an event. As text it is its URI.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum EventType {
            $(#[doc = $doc] $variant,)*
            /// Any other URI, kept as it is (RFC 8417 §1.2).
            Other(String),
        }

        impl EventType {
            /// All types that have a name here.
            pub const NAMED: &'static [Self] = &[$(Self::$variant,)*];

            /// The type's URI.
            pub fn uri(&self) -> &str {
                match self {
                    $(Self::$variant => concat!("https://schemas.openid.net/secevent/", $path),)*
                    Self::Other(uri) => uri,
                }
            }

            /// The type that `uri` names, by its own URI only.
            fn named(uri: &str) -> Option<Self> {
                match uri {
                    $(concat!("https://schemas.openid.net/secevent/", $path) => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

event_types! {
    Verification = "ssf/event-type/verification" "SSF 8.1.4.1: proves end-to-end delivery of a stream.";
    StreamUpdated = "ssf/event-type/stream-updated" "SSF 8.1.5: the transmitter changed the stream's status.";
    SessionRevoked = "caep/event-type/session-revoked" "CAEP 3.1.";
    TokenClaimsChange = "caep/event-type/token-claims-change" "CAEP 3.2.";
    CredentialChange = "caep/event-type/credential-change" "CAEP 3.3.";
    AssuranceLevelChange = "caep/event-type/assurance-level-change" "CAEP 3.4.";
    DeviceComplianceChange = "caep/event-type/device-compliance-change" "CAEP 3.5.";
    SessionEstablished = "caep/event-type/session-established" "CAEP 3.6.";
    SessionPresented = "caep/event-type/session-presented" "CAEP 3.7.";
    RiskLevelChange = "caep/event-type/risk-level-change" "CAEP 3.8.";
    AccountCredentialChangeRequired = "risc/event-type/account-credential-change-required" "RISC 2.1.";
    AccountPurged = "risc/event-type/account-purged" "RISC 2.2.";
    AccountDisabled = "risc/event-type/account-disabled" "RISC 2.3.";
    AccountEnabled = "risc/event-type/account-enabled" "RISC 2.4.";
    IdentifierChanged = "risc/event-type/identifier-changed" "RISC 2.5.";
    IdentifierRecycled = "risc/event-type/identifier-recycled" "RISC 2.6.";
    CredentialCompromise = "risc/event-type/credential-compromise" "RISC 2.7.";
    OptIn = "risc/event-type/opt-in" "RISC 2.8.1.";
    OptOutInitiated = "risc/event-type/opt-out-initiated" "RISC 2.8.2.";
    OptOutCancelled = "risc/event-type/opt-out-cancelled" "RISC 2.8.3.";
    OptOutEffective = "risc/event-type/opt-out-effective" "RISC 2.8.4.";
    RecoveryActivated = "risc/event-type/recovery-activated" "RISC 2.9.";
    RecoveryInformationChanged = "risc/event-type/recovery-information-changed" "RISC 2.10.";
    SessionsRevoked = "risc/event-type/sessions-revoked" "RISC 2.11, deprecated: never sent, still understood.";
}

/// Where SSF's own types lay in its drafts. Understood on receipt, never sent (AMB-28).
const DRAFT_PREFIX: &str = "https://schemas.openid.net/secevent/sse/event-type/";

impl EventType {
    /// The type that a URI names; a draft's URI of an SSF type is an alternative of the final one.
    pub fn from_uri(uri: &str) -> Self {
        let named = Self::named(uri).or_else(|| match uri.strip_prefix(DRAFT_PREFIX)? {
            "verification" => Some(Self::Verification),
            "stream-updated" => Some(Self::StreamUpdated),
            _ => None,
        });
        named.unwrap_or_else(|| Self::Other(uri.into()))
    }

    /// Whether the event is about the stream itself and never about a subject (SSF 8.1.4, 8.1.5).
    pub fn is_control(&self) -> bool {
        matches!(self, Self::Verification | Self::StreamUpdated)
    }

    /// The last part of the URI, such as `session-revoked`: for people, not for matching.
    pub fn name(&self) -> &str {
        let uri = self.uri();
        uri.rsplit_once('/').map_or(uri, |(_, name)| name)
    }
}

impl From<String> for EventType {
    fn from(uri: String) -> Self {
        Self::from_uri(&uri)
    }
}

impl From<EventType> for String {
    fn from(event_type: EventType) -> Self {
        event_type.uri().into()
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris() {
        assert_eq!(EventType::NAMED.len(), 24);
        for event_type in EventType::NAMED {
            assert_eq!(&EventType::from_uri(event_type.uri()), event_type);
        }
        let revoked =
            EventType::from_uri("https://schemas.openid.net/secevent/caep/event-type/session-revoked");
        assert_eq!((revoked.name(), revoked.is_control()), ("session-revoked", false));
        let other = EventType::from_uri("urn:ietf:params:scim:event:prov:delete");
        assert_eq!(other.uri(), "urn:ietf:params:scim:event:prov:delete");
        let draft = EventType::from_uri("https://schemas.openid.net/secevent/sse/event-type/verification");
        assert!(draft == EventType::Verification && draft.is_control());
        assert_ne!(EventType::SessionsRevoked, EventType::SessionRevoked);
        assert_eq!(serde_json::to_value(&revoked).unwrap(), revoked.uri());
    }
}
