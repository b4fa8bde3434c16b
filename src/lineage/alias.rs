//! An alias: one name of a principal, `{"kind","iss","value"}` everywhere (DESIGN, Doors).
//!
//! Matching is exact after the kind's canonical form; nothing in a revocation path is fuzzy.
//! Canonical forms serve resolution only: SSF stream subject matching stays as the specification says.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::set::sub_id::Simple;

/// Longest part of an alias, in bytes.
pub const PART_BYTES_MAX: usize = 1024;

/// One name of one principal.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// What sort of name: `iss_sub`, `email`, `client`, `agent`, `run`, `session`, `device`, `jti`, …
    pub kind: String,
    /// Within which issuer or scope the value is unique; empty where it is unique by itself.
    #[serde(default)]
    pub iss: String,
    /// The name.
    pub value: String,
}

/// Why an alias is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// A part is empty that must not be.
    #[error("an alias needs a kind and a value")]
    Empty,
    /// A part is too long.
    #[error("a part of an alias is longer than {PART_BYTES_MAX} bytes")]
    TooLong,
    /// A NUL would make two aliases look alike.
    #[error("an alias contains a control character")]
    Control,
}

/// By what tells most apart first: a million names of few kinds are found with one comparison of texts a step.
impl Ord for Alias {
    fn cmp(&self, other: &Self) -> Ordering {
        let rest = || self.iss.cmp(&other.iss).then_with(|| self.kind.cmp(&other.kind));
        self.value.cmp(&other.value).then_with(rest)
    }
}

impl PartialOrd for Alias {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Alias {
    /// An alias in canonical form.
    pub fn new(kind: &str, iss: &str, value: &str) -> Self {
        Self { kind: kind.into(), iss: iss.into(), value: value.into() }.canonical()
    }

    /// Checks the parts and brings them into canonical form.
    pub fn checked(self) -> Result<Self, Error> {
        if self.kind.is_empty() || self.value.is_empty() {
            return Err(Error::Empty);
        }
        for part in [&self.kind, &self.iss, &self.value] {
            if part.len() > PART_BYTES_MAX {
                return Err(Error::TooLong);
            }
            if part.chars().any(char::is_control) {
                return Err(Error::Control);
            }
        }
        Ok(self.canonical())
    }

    /// E-mail addresses are compared without case and belong to no issuer; all else is exact.
    fn canonical(mut self) -> Self {
        if self.kind == "email" {
            self.iss.clear();
            self.value = self.value.to_lowercase();
        }
        self
    }

    /// The alias that a simple subject identifier names. `scope` is the issuer within which an opaque
    /// id is unique (the SET's issuer). Several identifiers of one subject give several aliases.
    pub fn of_simple(subject: &Simple, scope: &str) -> Vec<Self> {
        let one = |kind: &str, iss: &str, value: &str| vec![Self::new(kind, iss, value)];
        match subject {
            Simple::Account { uri } => one("account", "", uri),
            Simple::Email { email } => one("email", "", email),
            Simple::IssSub { iss, sub } => one("iss_sub", iss, sub),
            Simple::Opaque { id } => one("opaque", scope, id),
            Simple::PhoneNumber { phone_number } => one("phone_number", "", phone_number),
            Simple::Did { url } => one("did", "", url),
            Simple::Uri { uri } if uri.starts_with("spiffe://") => one("spiffe", "", uri),
            Simple::Uri { uri } => one("uri", "", uri),
            Simple::JwtId { iss, jti } => one("jti", iss, jti),
            Simple::SamlAssertionId { issuer, assertion_id } => {
                one("saml_assertion_id", issuer, assertion_id)
            }
            Simple::Aliases(many) => many.iter().flat_map(|s| Self::of_simple(s, scope)).collect(),
            Simple::IpAddresses { .. } | Simple::Other { .. } => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        assert_eq!(Alias::new("email", "x", "A@Example.COM"), Alias::new("email", "", "a@example.com"));
        assert_ne!(Alias::new("iss_sub", "i", "A"), Alias::new("iss_sub", "i", "a"));
        let bad = |kind: &str, value: &str| {
            Alias { kind: kind.into(), iss: String::new(), value: value.into() }.checked().unwrap_err()
        };
        assert_eq!(bad("", "x"), Error::Empty);
        assert_eq!(bad("email", ""), Error::Empty);
        assert_eq!(bad("run", &"x".repeat(1025)), Error::TooLong);
        assert_eq!(bad("run", "a\0b"), Error::Control);
    }
}
