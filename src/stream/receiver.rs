//! What a client may do as an SSF receiver: the rights behind its credentials, and what its streams are like.
//!
//! A member of `hub::object::Client`; made by an operator, by file or admin API. In the flow: `auth` finds it behind
//! an access token, `api/ssf` holds requests against it. Secrets are here as SHA-256 hashes only.

use serde::{Deserialize, Serialize};

use super::Method;
use super::credentials::{REVOKED_MAX, Revoked, SECRETS_MAX, TOKENS_MAX};
use super::dialect::Dialect;
use super::push_url;
use super::status::Status;
use crate::jose::alg::Alg;
use crate::jose::remote::JwksSource;

/// A scope of the SSF management API (CAEP interoperability profile, 2.7.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Scope {
    /// All read operations.
    #[serde(rename = "ssf.read")]
    Read,
    /// All operations.
    #[serde(rename = "ssf.manage")]
    Manage,
}

impl Scope {
    /// As it stands in a token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "ssf.read",
            Self::Manage => "ssf.manage",
        }
    }

    /// The scope that a word of a `scope` claim names.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Read, Self::Manage].into_iter().find(|s| s.as_str() == name)
    }
}

/// Which subjects are in a fresh stream (SSF 1.0, 7.1 `default_subjects`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DefaultSubjects {
    /// Every subject, until one is removed.
    #[default]
    All,
    /// None, until one is added.
    None,
}

/// A client secret, for the built-in authorization server. Two at once overlap while one is replaced.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// SHA-256 of the secret, base64url.
    pub sha256: String,
    /// Not taken any more from then on (s since 1970).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// A long-lived bearer, for receivers that can do no better.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticToken {
    /// Its name, by which it is revoked.
    pub id: String,
    /// SHA-256 of the bearer, base64url.
    pub sha256: String,
    /// What it is good for.
    #[serde(default = "all_scopes")]
    pub scopes: Vec<Scope>,
    /// Not taken any more from then on (s since 1970).
    pub expires_at: i64,
}

/// Who the client is at an outside authorization server.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outside {
    /// The id of the authorization server in the admin API.
    pub authorization_server: String,
    /// Its `client_id` there.
    pub client_id: String,
}

/// What a client may do as a receiver.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Receiver {
    /// `aud` of every SET on its streams; where it is empty, the client's id.
    pub aud: Vec<String>,
    /// The scopes that it may ask for.
    pub scopes: Vec<Scope>,
    /// Event type URIs that it may have; `*` is all that the hub knows.
    pub event_types: Vec<String>,
    /// Delivery methods that it may ask for.
    pub methods: Vec<Method>,
    /// Push URLs that it may name: exact, or the beginning of one followed by `*`. At least scheme and host must
    /// stand before the `*`, unless it is alone.
    pub push_urls: Vec<String>,
    /// How many streams it may have.
    pub streams_max: u32,
    /// How many subjects one of its streams may have.
    pub subjects_max: u32,
    /// Which subjects are in its streams from the start.
    pub default_subjects: DefaultSubjects,
    /// Whether complex subjects match by the letter of SSF 1.0, 8.1.3.1 (AMB-07).
    pub literal_matching: bool,
    /// What its SETs are signed with.
    pub alg: Alg,
    /// How its SETs deviate from SSF 1.0.
    pub dialect: Dialect,
    /// Whether its streams get what lineage adds.
    pub derived: bool,
    /// How long events about a removed subject are still sent (s) (SSF 1.0, 9.3).
    pub removal_grace_s: u32,
    /// The least time between two verification requests (s).
    pub min_verification_interval_s: u32,
    /// After so long without a sign of life a stream stops (s) (SSF 1.0, 8.1.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactivity_timeout_s: Option<u32>,
    /// How it stops then.
    pub inactivity_status: Status,
    /// Access tokens of the built-in authorization server live so long (s); at most an hour.
    pub token_lifetime_s: u32,
    /// Access tokens of the built-in authorization server that were issued before are refused (s since 1970).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_not_before: Option<i64>,
    /// Those that were revoked one by one (RFC 7009), until they expire.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<Revoked>,
    /// Hashes of long-lived bearers that were revoked: whoever names one again does not bring it back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revoked_tokens: Vec<String>,
    /// Secrets for the built-in authorization server.
    pub secrets: Vec<Secret>,
    /// Keys for `private_key_jwt` there (RFC 7523).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<JwksSource>,
    /// Long-lived bearers.
    pub tokens: Vec<StaticToken>,
    /// Who it is at outside authorization servers.
    pub outside: Vec<Outside>,
}

fn all_scopes() -> Vec<Scope> {
    vec![Scope::Read, Scope::Manage]
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            aud: vec![],
            scopes: all_scopes(),
            event_types: vec!["*".into()],
            methods: vec![Method::Push, Method::Poll],
            push_urls: vec!["*".into()],
            streams_max: 10,
            subjects_max: 1_000_000,
            default_subjects: DefaultSubjects::All,
            literal_matching: false,
            alg: Alg::RS256,
            dialect: Dialect::Ssf,
            derived: false,
            removal_grace_s: 0,
            min_verification_interval_s: 30,
            inactivity_timeout_s: None,
            inactivity_status: Status::Paused,
            token_lifetime_s: 3600,
            tokens_not_before: None,
            revoked: vec![],
            revoked_tokens: vec![],
            secrets: vec![],
            jwks: None,
            tokens: vec![],
            outside: vec![],
        }
    }
}

/// Why a receiver's rights are refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// A list that must hold something.
    #[error("receiver.{0} must not be empty, nor hold an empty text")]
    Empty(&'static str),
    /// A number out of range.
    #[error("receiver.{0} must be from {1} to {2}")]
    Range(&'static str, u32, u32),
    /// A pattern that names no host.
    #[error("receiver.push_urls: {0:?} must be `*`, a URL, or the beginning of one with its host, then `*`")]
    Pattern(String),
    /// More than there may be.
    #[error("receiver.{0}: no more than {1}")]
    TooMany(&'static str, usize),
    /// A hash that is none.
    #[error("receiver.{0}: sha256 must be the SHA-256 of a secret, in base64url without padding")]
    Hash(&'static str),
    /// Two of the same name, or the same secret twice.
    #[error("receiver.{0} names something twice")]
    Twice(&'static str),
    /// Streams are paused or disabled for inactivity; nothing else.
    #[error("receiver.inactivity_status must be paused or disabled")]
    Inactivity,
    /// The profile has one algorithm.
    #[error("receiver.alg must be RS256 where the dialect is caep_interop")]
    InteropAlg,
    /// An inline key set.
    #[error("receiver.jwks.inline: {0}")]
    Jwks(#[from] crate::jose::keyset::BadSet),
}

impl Receiver {
    /// The audience of its streams.
    pub fn audience(&self, client: &str) -> Vec<String> {
        if self.aud.is_empty() { vec![client.to_string()] } else { self.aud.clone() }
    }

    /// Whether it may have events of this type.
    pub fn may_have(&self, uri: &str) -> bool {
        self.event_types.iter().any(|e| e == "*" || e == uri)
    }

    /// Whether it may be pushed to at this URL.
    pub fn may_push_to(&self, url: &str) -> bool {
        // As it will be called: `/in/../x` is `/x`.
        url::Url::parse(url).is_ok_and(|url| self.push_urls.iter().any(|p| push_url::matches(p, &url)))
    }

    /// Checks it by itself.
    pub fn check(&self) -> Result<(), Error> {
        let filled = |name, list: &[String], may_be_empty: bool| {
            let bad = (list.is_empty() && !may_be_empty) || list.iter().any(String::is_empty);
            if bad { Err(Error::Empty(name)) } else { Ok(()) }
        };
        filled("aud", &self.aud, true)?;
        filled("event_types", &self.event_types, false)?;
        filled("push_urls", &self.push_urls, !self.methods.contains(&Method::Push))?;
        if self.scopes.is_empty() {
            return Err(Error::Empty("scopes"));
        }
        if self.methods.is_empty() {
            return Err(Error::Empty("methods"));
        }
        if let Some(bad) = self.push_urls.iter().find(|p| !push_url::is_pattern(p)) {
            return Err(Error::Pattern(bad.clone()));
        }
        range("streams_max", self.streams_max, 1, 10_000)?;
        range("subjects_max", self.subjects_max, 0, 10_000_000)?;
        range("removal_grace_s", self.removal_grace_s, 0, 366 * 86_400)?;
        range("min_verification_interval_s", self.min_verification_interval_s, 0, 86_400)?;
        range("inactivity_timeout_s", self.inactivity_timeout_s.unwrap_or(60), 1, 366 * 86_400)?;
        range("token_lifetime_s", self.token_lifetime_s, 60, 3600)?;
        if self.inactivity_status == Status::Enabled {
            return Err(Error::Inactivity);
        }
        if self.dialect == Dialect::CaepInterop && self.alg != Alg::RS256 {
            return Err(Error::InteropAlg);
        }
        if let Some(JwksSource::Inline(set)) = &self.jwks {
            crate::jose::keyset::check(set)?;
        }
        bounded("secrets", self.secrets.len(), SECRETS_MAX)?;
        bounded("tokens", self.tokens.len(), TOKENS_MAX)?;
        bounded("revoked", self.revoked.len(), REVOKED_MAX)?;
        bounded("revoked_tokens", self.revoked_tokens.len(), REVOKED_MAX)?;
        bounded("outside", self.outside.len(), TOKENS_MAX)?;
        once("secrets", self.secrets.iter().map(|s| s.sha256.as_str()))?;
        once("tokens", self.tokens.iter().map(|t| t.sha256.as_str()))?;
        once("tokens", self.tokens.iter().map(|t| t.id.as_str()))?;
        hashes("secrets", self.secrets.iter().map(|s| s.sha256.as_str()))?;
        hashes("tokens", self.tokens.iter().map(|t| t.sha256.as_str()))
    }
}

fn range(name: &'static str, value: u32, from: u32, to: u32) -> Result<(), Error> {
    if (from..=to).contains(&value) { Ok(()) } else { Err(Error::Range(name, from, to)) }
}

fn bounded(name: &'static str, len: usize, max: usize) -> Result<(), Error> {
    if len <= max { Ok(()) } else { Err(Error::TooMany(name, max)) }
}

fn once<'a>(name: &'static str, texts: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut seen = std::collections::BTreeSet::new();
    for text in texts {
        if text.is_empty() || !seen.insert(text) {
            return Err(Error::Twice(name));
        }
    }
    Ok(())
}

fn hashes<'a>(name: &'static str, mut texts: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    use base64::Engine as _;
    let is_hash = |text: &str| {
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
    };
    if texts.all(is_hash) { Ok(()) } else { Err(Error::Hash(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_hold_is_named() {
        let hash = "A".repeat(43);
        let secret = |sha256: &str| Secret { sha256: sha256.into(), expires_at: None };
        let base = Receiver::default;
        assert_eq!(base().check(), Ok(()));
        let cases = [
            (Receiver { scopes: vec![], ..base() }, Error::Empty("scopes")),
            (Receiver { methods: vec![], ..base() }, Error::Empty("methods")),
            (Receiver { event_types: vec![], ..base() }, Error::Empty("event_types")),
            (Receiver { aud: vec![String::new()], ..base() }, Error::Empty("aud")),
            (Receiver { streams_max: 0, ..base() }, Error::Range("streams_max", 1, 10_000)),
            (Receiver { token_lifetime_s: 3601, ..base() }, Error::Range("token_lifetime_s", 60, 3600)),
            (Receiver { inactivity_status: Status::Enabled, ..base() }, Error::Inactivity),
            (Receiver { dialect: Dialect::CaepInterop, alg: Alg::ES256, ..base() }, Error::InteropAlg),
            (Receiver { secrets: vec![secret("short")], ..base() }, Error::Hash("secrets")),
            (Receiver { secrets: vec![secret(&hash), secret(&hash)], ..base() }, Error::Twice("secrets")),
        ];
        for (bad, want) in cases {
            assert_eq!(bad.check(), Err(want));
        }
    }
}
