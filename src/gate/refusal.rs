//! Why a token is refused before any record is looked up: a fixed table of codes and texts.
//!
//! Codes go to the enforcement point (`X-Hub-Decision-Id`, `X-Hub-Reason`) and into metrics, texts to the
//! caller as `error_description` (RFC 6750 §3). Nothing that a token carries ever gets into either.

/// Why a token is refused. All of them are 401 at the wire (DESIGN, Doors).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The call carries no bearer token.
    #[error("the call carries no bearer token")]
    Missing,
    /// Longer than the limit.
    #[error("the token is too long")]
    TooLong,
    /// No compact JWS over one unambiguous JSON object, or a claim of the wrong type.
    #[error("the token is malformed")]
    Malformed,
    /// A Security Event Token is no access token (RFC 8725 §3.11, RFC 8417 §4).
    #[error("a security event token is not an access token")]
    IsSet,
    /// Nobody configured this issuer.
    #[error("the issuer is not known")]
    IssuerUnknown,
    /// The header has `crit`, or brings its own key.
    #[error("the token has a header that is not accepted")]
    Header,
    /// `alg` is not on the issuer's list.
    #[error("the signature algorithm is not accepted")]
    AlgNotAllowed,
    /// No single key of the issuer fits, also after one fresh look.
    #[error("the signing key is not known")]
    KeyUnknown,
    /// The issuer's keys cannot be had.
    #[error("the keys of the issuer cannot be had")]
    KeysUnavailable,
    /// The signature does not hold.
    #[error("the signature is wrong")]
    Signature,
    /// `iat` or `exp` is absent or no integer (GATES 2.2).
    #[error("the token lacks iat or exp")]
    Timeless,
    /// `exp` has passed.
    #[error("the token expired")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It lives longer than its issuer's tokens may (GATES 2.2).
    #[error("the token lives too long")]
    LivesTooLong,
    /// It is for somebody else than this point.
    #[error("the token is for another audience")]
    Audience,
    /// The `act` chain is deeper than the limit; it is never cut silently.
    #[error("the chain of actors is too deep")]
    ActTooDeep,
    /// It has more revocation keys than are looked up.
    #[error("the token names too many principals")]
    TooManyKeys,
}

impl Refusal {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 17] = [
        Self::Missing,
        Self::TooLong,
        Self::Malformed,
        Self::IsSet,
        Self::IssuerUnknown,
        Self::Header,
        Self::AlgNotAllowed,
        Self::KeyUnknown,
        Self::KeysUnavailable,
        Self::Signature,
        Self::Timeless,
        Self::Expired,
        Self::NotYetValid,
        Self::LivesTooLong,
        Self::Audience,
        Self::ActTooDeep,
        Self::TooManyKeys,
    ];

    /// The refusal of a code.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.code() == code)
    }

    /// The code: `[a-z_]`, stable across releases.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::TooLong => "token_too_long",
            Self::Malformed => "token_malformed",
            Self::IsSet => "token_is_set",
            Self::IssuerUnknown => "issuer_unknown",
            Self::Header => "header_not_accepted",
            Self::AlgNotAllowed => "alg_not_allowed",
            Self::KeyUnknown => "key_unknown",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Signature => "signature_wrong",
            Self::Timeless => "token_timeless",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::LivesTooLong => "token_lives_too_long",
            Self::Audience => "audience_wrong",
            Self::ActTooDeep => "act_too_deep",
            Self::TooManyKeys => "too_many_keys",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_fit_a_header() {
        let codes: std::collections::BTreeSet<_> = Refusal::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        for refusal in Refusal::ALL {
            assert!(refusal.code().bytes().all(|c| c.is_ascii_lowercase() || c == b'_'), "{refusal:?}");
            // `error_description` may hold no quote and no backslash (RFC 6750 §3).
            assert!(
                refusal.to_string().bytes().all(|c| c == b' ' || c.is_ascii_alphanumeric()),
                "{refusal:?}"
            );
        }
    }
}
