//! What an operator configures, as it is journaled: tenants, upstreams, token issuers, clients, points.
//!
//! Made by file or by admin API; either way an entry. Secrets are here as SHA-256 hashes or as the id of
//! a file in `keys/`, never by value (DESIGN 9).

use serde::{Deserialize, Serialize};

use crate::jose::alg::Alg;
use crate::jose::remote::JwksSource;
use crate::set::dialect::Dialect;
use crate::stream::Stream;
use crate::stream::receiver::Receiver;

pub use self::check::Error;
pub use super::authorization_server::{AuthorizationServer, Introspection};
pub use super::bearer::OldBearer;
pub use super::kind::ObjectKind;
pub use super::operator::{Operator, Role};
pub use crate::policy::plan::Strength;

use super::bearer;

pub(super) mod check;
mod revoking;

/// What a source may speak of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// Event type URIs; `*` is all.
    #[serde(default = "all")]
    pub event_types: Vec<String>,
    /// Subject namespaces: an issuer (for `iss_sub`, `jwt_id`), `@domain` (for `email`), another prefix of the
    /// identifier; `*` is all.
    #[serde(default = "all")]
    pub namespaces: Vec<String>,
    /// The strongest effect.
    #[serde(default)]
    pub effect: Strength,
    /// Requests per second, as a long-term mean; bursts up to twice as many.
    #[serde(default = "default_rate")]
    pub rate_per_s: u32,
}

fn all() -> Vec<String> {
    vec!["*".into()]
}

fn default_rate() -> u32 {
    2000
}

impl Default for Authority {
    fn default() -> Self {
        Self { event_types: all(), namespaces: all(), effect: Strength::Contain, rate_per_s: default_rate() }
    }
}

/// A tenant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// Its id.
    pub id: String,
}

/// Somebody who pushes SETs to `in/{id}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Its id: the last part of its path.
    pub id: String,
    /// The one `iss` accepted from it.
    pub iss: String,
    /// Our audiences at it: at least one must be named.
    pub aud: Vec<String>,
    /// How its SETs deviate.
    #[serde(default)]
    pub dialect: Dialect,
    /// Signature algorithms accepted.
    #[serde(default = "default_algs")]
    pub algs: Vec<Alg>,
    /// Where its keys are.
    pub jwks: JwksSource,
    /// Hash of the bearer it must send, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_sha256: Option<String>,
    /// Those before it that are good for a while yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_bearers: Vec<OldBearer>,
    /// How far its clock may be ahead of ours (s): its watermarks reach that much further.
    #[serde(default = "default_tolerance")]
    pub clock_tolerance_s: u32,
    /// How long tokens of its issuer live at most (s): a watermark lasts that long.
    #[serde(default = "default_token_lifetime")]
    pub max_token_lifetime_s: u32,
    /// What it may speak of.
    #[serde(default)]
    pub authority: Authority,
}

pub(super) fn default_algs() -> Vec<Alg> {
    vec![Alg::RS256, Alg::PS256, Alg::ES256, Alg::EdDSA]
}

/// How far a clock may differ, where nothing is configured (s).
pub const DEFAULT_TOLERANCE_S: u32 = 2;
/// How long refresh tokens live, where nothing is configured (s): 30 days. A hold that goes too early lets a thief
/// mint again, one that stays too long costs memory; an issuer that gives none says 0.
pub const DEFAULT_REFRESH_LIFETIME_S: u32 = 30 * 86_400;

pub(super) fn default_tolerance() -> u32 {
    DEFAULT_TOLERANCE_S
}

fn default_refresh_lifetime() -> u32 {
    DEFAULT_REFRESH_LIFETIME_S
}

fn default_token_lifetime() -> u32 {
    86_400
}

/// Somebody who mints the access tokens that the gate sees.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenIssuer {
    /// Its id in the admin API.
    pub id: String,
    /// `iss` of its tokens.
    pub iss: String,
    /// Where its keys are.
    pub jwks: JwksSource,
    /// Signature algorithms accepted.
    #[serde(default = "default_algs")]
    pub algs: Vec<Alg>,
    /// How far its clock may differ from ours (s).
    #[serde(default = "default_tolerance")]
    pub clock_tolerance_s: u32,
    /// A token that lives longer is denied (s).
    #[serde(default = "default_token_lifetime")]
    pub max_token_lifetime_s: u32,
    /// How long its refresh tokens may outlive the run or session that they were given for (s): a hold on what ended
    /// lasts so much longer. 0 where it gives none.
    #[serde(default = "default_refresh_lifetime")]
    pub max_refresh_lifetime_s: u32,
    /// Claims that are names of its user besides `sub`: `email` is one by default (GATES 2.2).
    #[serde(default = "default_alias_claims")]
    pub alias_claims: Vec<String>,
    /// Whether its tokens carry their lineage in the claims `run`, `root_run`, `agent`.
    #[serde(default)]
    pub lineage_stamp: bool,
}

fn default_alias_claims() -> Vec<String> {
    vec!["email".into()]
}

/// Somebody with a bearer of ours: tells facts, polls its streams.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its id: the source of its facts, the owner of its streams.
    pub id: String,
    /// Hash of its bearer. Empty where it has none: an SSF receiver has credentials of its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bearer_sha256: String,
    /// Those before it that are good for a while yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_bearers: Vec<OldBearer>,
    /// Whether it may tell facts.
    #[serde(default)]
    pub facts: bool,
    /// What its facts may speak of.
    #[serde(default)]
    pub authority: Authority,
    /// What it may do as an SSF receiver; without it the management API is closed to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<Receiver>,
}

/// An enforcement point: asks the gate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Its id.
    pub id: String,
    /// Hash of what it sends in `X-Hub-Point` behind `Bearer `.
    pub bearer_sha256: String,
    /// Those before it that are good for a while yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_bearers: Vec<OldBearer>,
    /// Audiences of tokens that it accepts.
    pub aud: Vec<String>,
}

/// Any of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "objects are few, and travel in boxes")]
pub enum Object {
    /// A tenant (in `_hub`).
    Tenant(Tenant),
    /// An operator (in `_hub`).
    Operator(Operator),
    /// An upstream.
    Upstream(Upstream),
    /// A token issuer.
    TokenIssuer(TokenIssuer),
    /// A stream.
    Stream(Stream),
    /// A client.
    Client(Client),
    /// An enforcement point.
    Point(Point),
    /// An outside authorization server.
    AuthorizationServer(AuthorizationServer),
}

impl Object {
    /// Its kind.
    pub fn kind(&self) -> ObjectKind {
        match self {
            Self::Tenant(_) => ObjectKind::Tenant,
            Self::Operator(_) => ObjectKind::Operator,
            Self::Upstream(_) => ObjectKind::Upstream,
            Self::TokenIssuer(_) => ObjectKind::TokenIssuer,
            Self::Stream(_) => ObjectKind::Stream,
            Self::Client(_) => ObjectKind::Client,
            Self::Point(_) => ObjectKind::Point,
            Self::AuthorizationServer(_) => ObjectKind::AuthorizationServer,
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Self::Tenant(o) => &o.id,
            Self::Operator(o) => &o.id,
            Self::Upstream(o) => &o.id,
            Self::TokenIssuer(o) => &o.id,
            Self::Stream(o) => &o.stream_id,
            Self::Client(o) => &o.id,
            Self::Point(o) => &o.id,
            Self::AuthorizationServer(o) => &o.id,
        }
    }

    /// Hashes of the bearers by which its holder is told apart from others of its kind; an upstream is known by its path.
    pub fn bearers(&self) -> impl Iterator<Item = &str> {
        let (current, old) = match self {
            Self::Operator(o) => (o.bearer_sha256.as_str(), o.old_bearers.as_slice()),
            Self::Client(o) => (o.bearer_sha256.as_str(), o.old_bearers.as_slice()),
            Self::Point(o) => (o.bearer_sha256.as_str(), o.old_bearers.as_slice()),
            Self::Tenant(_) | Self::Upstream(_) | Self::TokenIssuer(_) | Self::Stream(_) => {
                ("", [].as_slice())
            }
            Self::AuthorizationServer(_) => ("", [].as_slice()),
        };
        bearer::all(current, old).map(|(hash, _)| hash)
    }

    /// Puts a new bearer, as its hash, in the place of the one in use ([`bearer::replace`]); whether it can have one.
    pub fn replace_bearer(&mut self, sha256: String, now_s: i64, overlap_s: i64) -> bool {
        let (current, old) = match self {
            Self::Operator(o) => (&mut o.bearer_sha256, &mut o.old_bearers),
            Self::Upstream(o) => (o.bearer_sha256.get_or_insert_default(), &mut o.old_bearers),
            Self::Client(o) => (&mut o.bearer_sha256, &mut o.old_bearers),
            Self::Point(o) => (&mut o.bearer_sha256, &mut o.old_bearers),
            Self::Tenant(_) | Self::TokenIssuer(_) | Self::Stream(_) | Self::AuthorizationServer(_) => {
                return false;
            }
        };
        bearer::replace(current, old, sha256, now_s, overlap_s);
        true
    }
}
