//! Why a SET is not believed: the wire's error code, a fixed description, and the reason for our logs.
//!
//! Made by `verify`; `receiver` answers with `err` and `description` (RFC 8935 §2.3, RFC 8936 §2.6). The
//! description never repeats what the SET held and never tells what we would have accepted.

use std::fmt;

/// The IANA "Security Event Token Error Codes" (RFC 8935 §2.4, SSF 11).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ErrCode {
    /// Not a SET, or it breaks the event's definition.
    InvalidRequest,
    /// The key or the algorithm is not acceptable, or the signature is wrong.
    InvalidKey,
    /// The issuer is not valid for this recipient.
    InvalidIssuer,
    /// The audience is not this recipient.
    InvalidAudience,
    /// The transmitter could not be authenticated.
    AuthenticationFailed,
    /// The transmitter may not deliver this SET here.
    AccessDenied,
    /// The `state` of a verification event is not the one that was asked for.
    InvalidState,
}

impl ErrCode {
    /// The registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidKey => "invalid_key",
            Self::InvalidIssuer => "invalid_issuer",
            Self::InvalidAudience => "invalid_audience",
            Self::AuthenticationFailed => "authentication_failed",
            Self::AccessDenied => "access_denied",
            Self::InvalidState => "invalid_state",
        }
    }
}

impl fmt::Display for ErrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What exactly was wrong, for logs and counters. Names claims, never their values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RejectReason {
    /// Longer than the upstream may send.
    TooLarge,
    /// Not a compact JWS with an unambiguous header.
    NotAJws,
    /// `crit` or `b64` in the header.
    Critical,
    /// `jwk`, `jku` or `x5u` in the header.
    OwnKey,
    /// `typ` is not `secevent+jwt`.
    Typ,
    /// `alg` is not allowed for the upstream.
    AlgNotAllowed,
    /// No key has this `kid`.
    UnknownKid,
    /// No single key fits `kid` and `alg`.
    NoKey,
    /// The signature is wrong.
    Signature,
    /// The payload is no unambiguous JSON object.
    NotJson,
    /// The SET comes from a hub or tenant of our own: signals must not run in circles.
    OwnIssuer,
    /// `iss` is not the upstream's.
    ForeignIssuer,
    /// None of our audiences is in `aud`.
    ForeignAudience,
    /// `sub` or `exp` is present (SSF 4.1.2, 4.1.7).
    ForbiddenClaim(&'static str),
    /// A claim is missing or malformed.
    Claim(&'static str),
    /// `iat` lies too far ahead.
    IatAhead,
    /// `events` holds more than one type of event.
    SeveralEvents,
    /// The event breaks the definition of its type, at this claim.
    Definition(&'static str),
}

impl RejectReason {
    /// A short name without detail, for counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotAJws => "not_a_jws",
            Self::Critical => "critical",
            Self::OwnKey => "own_key",
            Self::Typ => "typ",
            Self::AlgNotAllowed => "alg_not_allowed",
            Self::UnknownKid => "unknown_kid",
            Self::NoKey => "no_key",
            Self::Signature => "signature",
            Self::NotJson => "not_json",
            Self::OwnIssuer => "own_issuer",
            Self::ForeignIssuer => "foreign_issuer",
            Self::ForeignAudience => "foreign_audience",
            Self::ForbiddenClaim(_) => "forbidden_claim",
            Self::Claim(_) => "claim",
            Self::IatAhead => "iat_ahead",
            Self::SeveralEvents => "several_events",
            Self::Definition(_) => "definition",
        }
    }

    /// The claim in question, if it is about one.
    pub fn claim(self) -> Option<&'static str> {
        match self {
            Self::ForbiddenClaim(name) | Self::Claim(name) | Self::Definition(name) => Some(name),
            _ => None,
        }
    }

    /// The wire's code and description.
    fn wire(self) -> (ErrCode, &'static str) {
        use ErrCode::{InvalidAudience, InvalidIssuer, InvalidKey, InvalidRequest};
        match self {
            Self::TooLarge => (InvalidRequest, "The request body is too large for a SET."),
            Self::NotAJws => (InvalidRequest, "The request body is not a signed SET in compact form."),
            Self::Critical => (InvalidRequest, "The SET's header holds an extension that is not supported."),
            Self::OwnKey => (InvalidRequest, "The SET's header must not hold or point to a key."),
            Self::Typ => (InvalidRequest, "The SET's header must have typ secevent+jwt."),
            Self::AlgNotAllowed => (InvalidKey, "The SET's signature algorithm is not acceptable."),
            Self::UnknownKid | Self::NoKey => (InvalidKey, "The SET's signing key is not acceptable."),
            Self::Signature => (InvalidKey, "The SET's signature is not valid."),
            Self::NotJson => (InvalidRequest, "The SET's payload is not a valid JSON object."),
            Self::OwnIssuer | Self::ForeignIssuer => {
                (InvalidIssuer, "The SET's issuer is not valid for this recipient.")
            }
            Self::ForeignAudience => (InvalidAudience, "The SET's audience is not this recipient."),
            Self::ForbiddenClaim(_) => (InvalidRequest, "The SET must hold neither sub nor exp."),
            Self::Claim(_) => (InvalidRequest, "A claim of the SET is missing or malformed."),
            Self::IatAhead => (InvalidRequest, "The SET was issued in the future."),
            Self::SeveralEvents => (InvalidRequest, "The SET must hold exactly one event."),
            Self::Definition(_) => (InvalidRequest, "The event does not meet the definition of its type."),
        }
    }
}

/// A SET that is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{err}: {description}")]
pub struct Reject {
    /// What the transmitter is told, by name.
    pub err: ErrCode,
    /// What the transmitter is told, in English.
    pub description: &'static str,
    /// What the operator is told.
    pub reason: RejectReason,
    /// The `kid` is unknown: fetch the issuer's keys once more and verify again.
    pub retry_with_fresh_keys: bool,
}

impl From<RejectReason> for Reject {
    fn from(reason: RejectReason) -> Self {
        let (err, description) = reason.wire();
        Self { err, description, reason, retry_with_fresh_keys: reason == RejectReason::UnknownKid }
    }
}
