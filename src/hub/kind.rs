//! The kinds of objects, and the collections of the admin API where they are.

use serde::{Deserialize, Serialize};

/// Which kind of object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// A tenant.
    Tenant,
    /// An operator.
    Operator,
    /// An upstream.
    Upstream,
    /// A token issuer.
    TokenIssuer,
    /// A stream.
    Stream,
    /// A client.
    Client,
    /// An enforcement point.
    Point,
    /// An outside authorization server.
    AuthorizationServer,
}

impl ObjectKind {
    /// Its collection in the admin API: `/admin/v1/t/{tenant}/{collection}`.
    pub fn collection(self) -> &'static str {
        match self {
            Self::Tenant => "tenants",
            Self::Operator => "operators",
            Self::Upstream => "upstreams",
            Self::TokenIssuer => "token-issuers",
            Self::Stream => "streams",
            Self::Client => "clients",
            Self::Point => "points",
            Self::AuthorizationServer => "authorization-servers",
        }
    }

    /// The kind of a collection.
    pub fn of_collection(name: &str) -> Option<Self> {
        use ObjectKind as K;
        let all = [
            K::Tenant,
            K::Operator,
            K::Upstream,
            K::TokenIssuer,
            K::Stream,
            K::Client,
            K::Point,
            K::AuthorizationServer,
        ];
        all.into_iter().find(|k| k.collection() == name)
    }

    /// Whether its holders are known by a bearer of their own.
    pub fn has_bearer(self) -> bool {
        matches!(self, Self::Operator | Self::Upstream | Self::Client | Self::Point)
    }

    /// Whether such objects live in `_hub`.
    pub fn in_hub(self) -> bool {
        matches!(self, Self::Tenant | Self::Operator)
    }
}
