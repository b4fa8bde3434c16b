//! What an operator configures, as it is journaled: tenants, upstreams, token issuers, clients, points.
//!
//! Made by file or by admin API; either way an entry. Secrets are here as SHA-256 hashes or as the id of
//! a file in `keys/`, never by value (DESIGN 9).

use serde::{Deserialize, Serialize};

use crate::jose::alg::Alg;
use crate::jose::remote::JwksSource;
use crate::set::dialect::Dialect;
use crate::stream::receiver::Receiver;
use crate::stream::{Stream, is_id};

pub use super::authorization_server::{AuthorizationServer, Introspection};
pub use super::bearer::OldBearer;
pub use crate::policy::plan::Strength;

use super::bearer;
use super::owner::RESERVED;

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

/// Somebody who may use the admin API. Lives in `_hub`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Its name in the journal.
    pub id: String,
    /// Hash of its bearer.
    pub bearer_sha256: String,
    /// Those before it that are good for a while yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_bearers: Vec<OldBearer>,
    /// What it may do.
    #[serde(default, skip_serializing_if = "Role::is_admin")]
    pub role: Role,
}

/// What an operator may do at the admin API, from most to least.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything: also objects, and backups, which hold the keys. Who was made before there were roles is one.
    #[default]
    Admin,
    /// What runs a hub by day and night: emit, kill, lift, redrive, bases, the clock; and all reads.
    Operator,
    /// Reads only.
    Viewer,
}

impl Role {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    /// Whether what only needs `need` is open to it.
    pub fn may(self, need: Self) -> bool {
        match need {
            Self::Viewer => true,
            Self::Operator => self != Self::Viewer,
            Self::Admin => self == Self::Admin,
        }
    }

    fn is_admin(&self) -> bool {
        *self == Self::Admin
    }
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

/// Why an object is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Its id.
    #[error("id must be 1 to 64 characters of A-Z, a-z, 0-9, `.`, `_`, `-`")]
    Id,
    /// A name that would read as an owner of another sort.
    #[error("an operator cannot be called `{0}`")]
    Reserved(String),
    /// Its tenant id.
    #[error(transparent)]
    Tenant(#[from] crate::tenant::BadTenant),
    /// The stream in it.
    #[error(transparent)]
    Stream(#[from] crate::stream::Error),
    /// A client's rights as a receiver.
    #[error(transparent)]
    Receiver(#[from] crate::stream::receiver::Error),
    /// A member that must hold something.
    #[error("{0} must not be empty")]
    Empty(&'static str),
    /// An inline key set.
    #[error("jwks.inline: {0}")]
    Jwks(#[from] crate::jose::keyset::BadSet),
    /// What stands for a bearer.
    #[error("bearer_sha256 must be the SHA-256 of a bearer, in base64url without padding")]
    Hash,
    /// Bearers that were replaced.
    #[error(transparent)]
    OldBearers(#[from] bearer::Error),
    /// An authorization server without one way to judge its tokens, or with two.
    #[error("an authorization server has either jwks or introspection")]
    KeysOrIntrospection,
    /// A number out of range.
    #[error("{0} must be from {1} to {2}")]
    Range(&'static str, u32, u32),
}

pub(super) fn filled(name: &'static str, empty: bool) -> Result<(), Error> {
    if empty { Err(Error::Empty(name)) } else { Ok(()) }
}

pub(super) fn range(name: &'static str, value: u32, from: u32, to: u32) -> Result<(), Error> {
    if (from..=to).contains(&value) { Ok(()) } else { Err(Error::Range(name, from, to)) }
}

/// A list without anything in it, or with an empty text, which is the beginning of everything.
fn holds_nothing(list: &[String]) -> bool {
    list.is_empty() || list.iter().any(String::is_empty)
}

pub(super) fn keys(jwks: &JwksSource) -> Result<(), Error> {
    match jwks {
        JwksSource::Inline(set) => Ok(crate::jose::keyset::check(set)?),
        JwksSource::Url(url) => filled("jwks.url", url.is_empty()),
    }
}

fn hash(text: &str) -> Result<(), Error> {
    if bearer::is_hash(text) { Ok(()) } else { Err(Error::Hash) }
}

impl Authority {
    /// An empty list would read as "nothing" to one and as "not said" to another: it is refused.
    fn check(&self) -> Result<(), Error> {
        filled("authority.event_types", holds_nothing(&self.event_types))?;
        filled("authority.namespaces", holds_nothing(&self.namespaces))?;
        range("authority.rate_per_s", self.rate_per_s, 1, 1_000_000)
    }
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

    /// Checks it by itself.
    pub fn check(&self) -> Result<(), Error> {
        if let Self::Tenant(t) = self {
            let id = crate::tenant::TenantId::parse(&t.id)?;
            return if id.is_hub() { Err(Error::Id) } else { Ok(()) };
        }
        if !is_id(self.id()) {
            return Err(Error::Id);
        }
        match self {
            Self::Upstream(u) => {
                filled("iss", u.iss.is_empty())?;
                filled("aud", holds_nothing(&u.aud))?;
                filled("algs", u.algs.is_empty())?;
                u.authority.check()?;
                keys(&u.jwks)?;
                u.bearer_sha256.as_deref().map_or(Ok(()), hash)?;
                bearer::check(u.bearer_sha256.as_deref().unwrap_or_default(), &u.old_bearers)?;
                range("clock_tolerance_s", u.clock_tolerance_s, 0, 300)?;
                range("max_token_lifetime_s", u.max_token_lifetime_s, 60, 366 * 86_400)
            }
            Self::TokenIssuer(i) => {
                filled("iss", i.iss.is_empty())?;
                filled("algs", i.algs.is_empty())?;
                keys(&i.jwks)?;
                range("clock_tolerance_s", i.clock_tolerance_s, 0, 300)?;
                range("max_refresh_lifetime_s", i.max_refresh_lifetime_s, 0, 366 * 86_400)?;
                range("max_token_lifetime_s", i.max_token_lifetime_s, 60, 366 * 86_400)
            }
            Self::Stream(s) => Ok(s.check()?),
            Self::Client(c) => {
                match &c.receiver {
                    // Without a bearer it must be somebody all the same.
                    Some(receiver) => receiver.check()?,
                    None => filled("bearer", c.bearer_sha256.is_empty())?,
                }
                if !c.bearer_sha256.is_empty() {
                    hash(&c.bearer_sha256)?;
                }
                bearer::check(&c.bearer_sha256, &c.old_bearers)?;
                c.authority.check()
            }
            Self::Point(p) => {
                filled("bearer", p.bearer_sha256.is_empty())?;
                hash(&p.bearer_sha256)?;
                bearer::check(&p.bearer_sha256, &p.old_bearers)?;
                filled("aud", holds_nothing(&p.aud))
            }
            Self::Operator(o) if RESERVED.contains(&o.id.as_str()) => Err(Error::Reserved(o.id.clone())),
            Self::Operator(o) => {
                filled("bearer", o.bearer_sha256.is_empty())?;
                hash(&o.bearer_sha256)?;
                Ok(bearer::check(&o.bearer_sha256, &o.old_bearers)?)
            }
            Self::AuthorizationServer(server) => server.check(),
            Self::Tenant(_) => Ok(()),
        }
    }
}
