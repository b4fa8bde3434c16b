//! Errors of the authorization server (RFC 6749, 5.2; RFC 8707, 2; RFC 7009, 2.2.1).

/// Why a request of a client is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Malformed; what is wrong with it.
    InvalidRequest(&'static str),
    /// The client is unknown, did not authenticate, or not as it should: the same for all of them.
    InvalidClient,
    /// Another grant than `client_credentials`.
    UnsupportedGrantType,
    /// A scope that is none of the client's.
    InvalidScope,
    /// A resource that is not this one (RFC 8707).
    InvalidTarget,
    /// The client may not do this with this token.
    UnauthorizedClient,
    /// A token that is not revoked here (RFC 7009).
    UnsupportedTokenType,
    /// Too many failures of this client: 429.
    TooMany {
        /// `Retry-After` (s).
        retry_after_s: u64,
    },
    /// Too many requests of this client, which authenticated: 429.
    TooOften {
        /// `Retry-After` (s).
        retry_after_s: u64,
    },
    /// Nobody can tell now: 503.
    Unavailable {
        /// `Retry-After` (s).
        retry_after_s: u64,
    },
}

impl Error {
    /// Its HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::TooMany { .. } | Self::TooOften { .. } => 429,
            Self::Unavailable { .. } => 503,
            _ => 400,
        }
    }

    /// `error`.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedTokenType => "unsupported_token_type",
            // Not among those of RFC 6749, 5.2: those of 4.1.2.1 say it best.
            Self::TooMany { .. } | Self::TooOften { .. } | Self::Unavailable { .. } => {
                "temporarily_unavailable"
            }
        }
    }

    /// `error_description`.
    pub fn description(self) -> &'static str {
        match self {
            Self::InvalidRequest(what) => what,
            Self::InvalidClient => "the client is not known, or did not authenticate as it should",
            Self::UnsupportedGrantType => "the only grant is client_credentials",
            Self::InvalidScope => "a scope is asked for that this client does not have",
            Self::InvalidTarget => "the only resource is this tenant's issuer",
            Self::UnauthorizedClient => "the token was issued to another client",
            Self::UnsupportedTokenType => "a long-lived token is revoked by an operator",
            Self::TooMany { .. } => "this client failed to authenticate too often",
            Self::TooOften { .. } => "this client asks too often",
            Self::Unavailable { .. } => "this cannot be answered now",
        }
    }

    /// After how long (s) it may be tried again.
    pub fn retry_after_s(self) -> Option<u64> {
        match self {
            Self::TooMany { retry_after_s }
            | Self::TooOften { retry_after_s }
            | Self::Unavailable { retry_after_s } => Some(retry_after_s),
            _ => None,
        }
    }
}
