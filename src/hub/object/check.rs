//! What makes an object one: judged by itself, before it is looked at beside others.

use super::{Authority, Object, bearer};
use crate::hub::owner::RESERVED;
use crate::jose::remote::JwksSource;
use crate::stream::is_id;

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

pub(in crate::hub) fn filled(name: &'static str, empty: bool) -> Result<(), Error> {
    if empty { Err(Error::Empty(name)) } else { Ok(()) }
}

pub(in crate::hub) fn range(name: &'static str, value: u32, from: u32, to: u32) -> Result<(), Error> {
    if (from..=to).contains(&value) { Ok(()) } else { Err(Error::Range(name, from, to)) }
}

/// A list without anything in it, or with an empty text, which is the beginning of everything.
fn holds_nothing(list: &[String]) -> bool {
    list.is_empty() || list.iter().any(String::is_empty)
}

pub(in crate::hub) fn keys(jwks: &JwksSource) -> Result<(), Error> {
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
