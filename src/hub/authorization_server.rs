//! An outside authorization server, as it is journaled: whose access tokens the SSF API takes beside our own.
//!
//! One of [`super::object::Object`]. Its tokens are JWTs that are verified with its keys (RFC 9068), or anything that it
//! says something about when asked (RFC 7662). Who a token's client is here, `Receiver.outside` says.

use serde::{Deserialize, Serialize};

use super::object::check::{Error, filled, keys, range};
use super::object::{default_algs, default_tolerance};
use crate::jose::alg::Alg;
use crate::jose::remote::JwksSource;

/// An outside authorization server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationServer {
    /// Its id in the admin API.
    pub id: String,
    /// Its issuer identifier: `iss` of its tokens, and where receivers find its metadata (RFC 8414).
    pub iss: String,
    /// One of these must be in `aud` of a token; where it is empty, the tenant's issuer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aud: Vec<String>,
    /// Signature algorithms accepted.
    #[serde(default = "default_algs")]
    pub algs: Vec<Alg>,
    /// Where its keys are, if its tokens are JWTs (RFC 9068).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<JwksSource>,
    /// Whether a JWT whose `typ` is `JWT`, or that has none, is taken too. Without it only `at+jwt` is, so that no ID
    /// token passes as an access token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_plain_jwt: bool,
    /// Where its tokens are asked about (RFC 7662), if they are not verified here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection: Option<Introspection>,
    /// How far its clock may differ from ours (s).
    #[serde(default = "default_tolerance")]
    pub clock_tolerance_s: u32,
}

/// Where an access token is asked about (RFC 7662).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    /// The introspection endpoint.
    pub url: String,
    /// Who we are there.
    pub client_id: String,
    /// The id in `keys/` of our secret there.
    pub secret: String,
}

impl AuthorizationServer {
    /// Checks it by itself.
    pub(super) fn check(&self) -> Result<(), Error> {
        filled("iss", self.iss.is_empty())?;
        filled("aud", self.aud.iter().any(String::is_empty))?;
        filled("algs", self.algs.is_empty())?;
        range("clock_tolerance_s", self.clock_tolerance_s, 0, 300)?;
        match (&self.jwks, &self.introspection) {
            (Some(jwks), None) => keys(jwks),
            (None, Some(asked)) => {
                filled("introspection.url", asked.url.is_empty())?;
                filled("introspection.client_id", asked.client_id.is_empty())?;
                filled("introspection.client_secret", asked.secret.is_empty())
            }
            _ => Err(Error::KeysOrIntrospection),
        }
    }
}
