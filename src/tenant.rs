//! The ids that every part shares: tenant, sequence number, and the two together.
//!
//! Ground floor: imports nobody. Every id, URL, credential and metric carries its tenant.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The reserved tenant that holds tenants, operators and hub-wide configuration.
pub const HUB: &str = "_hub";
/// The tenant that always exists.
pub const DEFAULT: &str = "default";

/// Why a name cannot be a tenant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("tenant `{0}` is not 1 to 63 characters of a-z, 0-9 and `-`, beginning with a letter or digit")]
pub struct BadTenant(pub String);

/// A tenant's id: 1 to 63 characters of `a-z`, `0-9`, `-`; or the reserved `_hub`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The tenant `default`.
    pub fn default_tenant() -> Self {
        Self(DEFAULT.into())
    }

    /// The reserved tenant `_hub`.
    pub fn hub() -> Self {
        Self(HUB.into())
    }

    /// Parses a tenant id; `_hub` is accepted (it is never a path of the public listener).
    pub fn parse(s: &str) -> Result<Self, BadTenant> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = s == HUB
            || (s.len() <= 63
                && s.bytes().next().is_some_and(plain)
                && s.bytes().all(|c| plain(c) || c == b'-'));
        if good { Ok(Self(s.into())) } else { Err(BadTenant(s.into())) }
    }

    /// Whether this is the reserved `_hub`.
    pub fn is_hub(&self) -> bool {
        &*self.0 == HUB
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TenantId {
    type Error = BadTenant;
    fn try_from(s: String) -> Result<Self, BadTenant> {
        Self::parse(&s)
    }
}

impl From<TenantId> for String {
    fn from(t: TenantId) -> String {
        t.0.as_ref().into()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The position of an entry within its tenant, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The position behind this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One entry, named across tenants: `tenant:seq`. This is what `ssf-hub why` takes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntryId {
    /// Whose entry.
    pub tenant: TenantId,
    /// Its position.
    pub seq: Seq,
}

impl EntryId {
    /// Parses `tenant:seq`.
    pub fn parse(s: &str) -> Option<Self> {
        let (tenant, seq) = s.rsplit_once(':')?;
        Some(Self { tenant: TenantId::parse(tenant).ok()?, seq: Seq(seq.parse().ok()?) })
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.tenant, self.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["default", "a", "t-1", "9x", "_hub"] {
            assert!(TenantId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a_b", "a/b", "_x", &"a".repeat(64)] {
            assert!(TenantId::parse(bad).is_err(), "{bad}");
        }
        let id = EntryId::parse("t-1:42").unwrap();
        assert_eq!((id.tenant.as_str(), id.seq), ("t-1", Seq(42)));
        assert_eq!(id.to_string(), "t-1:42");
        assert_eq!(EntryId::parse("nope"), None);
    }
}
