//! The built-in authorization server: access tokens for clients that authenticate (RFC 6749, 4.4; ADR 0012).
//!
//! In the flow: `api/oauth` reads a request off the wire, this authenticates the client and makes the token. There is
//! one for each tenant; what it knows of clients are the receivers in the view. Says the same of a client that does not
//! exist and of one that did not authenticate, and takes as long for both.

use std::sync::Arc;

use http::HeaderMap;
use openssl::memcmp;

use super::access::ScopeSet;
use super::assertion::{self, ASSERTION_BYTES_MAX, Expected, Taken};
use super::claims::Claims;
use super::config::Config;
use super::form::Form;
use super::oauth::Error;
use super::own::{NoKeys, Own};
use super::presented::Presented;
use super::rate::Rate;
use crate::clock::SharedClock;
use crate::hub::receivers::Holder;
use crate::hub::view::Views;
use crate::jose::remote::Unverified;
use crate::jose::sources::Sources;
use crate::jose::{Alg, Compact};
use crate::keys::hash_secret;
use crate::operations::Operations;
use crate::stream::is_id;
use crate::tenant::TenantId;

/// The one grant (RFC 6749, 4.4).
pub const GRANT: &str = "client_credentials";
/// How many clients are followed that failed to authenticate.
const FAILED_MAX: usize = 10_000;
/// What is compared with where there is no secret.
const NOBODYS: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// An access token was granted (RFC 6749, 5.1).
#[derive(Debug)]
pub struct Granted {
    /// The token.
    pub access_token: String,
    /// How long it lives (s).
    pub expires_in: u32,
    /// What it is good for.
    pub scopes: ScopeSet,
}

/// What the server works with.
pub struct Parts {
    /// Clients.
    pub views: Arc<Views>,
    /// Our tokens.
    pub own: Arc<Own>,
    /// Clients' keys.
    pub sources: Arc<Sources>,
    /// What time it is.
    pub clock: SharedClock,
    /// What was refused.
    pub operations: Arc<Operations>,
    /// Settings.
    pub config: Config,
    /// How the world reaches the public listener, without a slash at its end.
    pub public_url: String,
}

/// The built-in authorization server of every tenant.
pub struct Server {
    parts: Parts,
    taken: Taken,
    failed: Rate<(TenantId, String)>,
    since_s: i64,
}

impl Server {
    /// Nobody failed yet.
    pub fn new(parts: Parts) -> Self {
        let (taken, failed) = (Taken::new(parts.config.assertions_max), Rate::new(FAILED_MAX));
        let since_s = parts.clock.wall_ms().div_euclid(1000);
        Self { parts, taken, failed, since_s }
    }

    /// The issuer of a tenant.
    fn issuer(&self, tenant: &TenantId) -> String {
        format!("{}/t/{tenant}", self.parts.public_url)
    }

    /// Answers a token request (RFC 6749, 4.4.2) of a client that authenticated.
    pub fn token(&self, tenant: &TenantId, holder: &Holder, form: &Form) -> Result<Granted, Error> {
        match form.value("grant_type") {
            Some(GRANT) => {}
            Some(_) => return Err(Error::UnsupportedGrantType),
            None => return Err(Error::InvalidRequest("grant_type is missing")),
        }
        let issuer = self.issuer(tenant);
        if form.resources().any(|resource| resource != issuer) {
            return Err(Error::InvalidTarget);
        }
        let scopes = scopes(holder, form.value("scope"))?;
        let now_s = self.parts.clock.wall_ms().div_euclid(1000);
        let made = self.parts.own.make((tenant, &issuer), holder, scopes, now_s);
        let access_token = made.map_err(|NoKeys| Error::Unavailable { retry_after_s: 5 })?;
        Ok(Granted { access_token, expires_in: holder.receiver.token_lifetime_s, scopes })
    }

    /// The token that a client that authenticated may revoke (RFC 7009, 2.1); `None`: one that is no token any more, which
    /// is as good.
    pub fn to_revoke(
        &self,
        tenant: &TenantId,
        holder: &Holder,
        form: &Form,
    ) -> Result<Option<Claims>, Error> {
        let token = form.value("token").ok_or(Error::InvalidRequest("token is missing"))?;
        let hash = hash_secret(token);
        if self.parts.views.of(tenant).is_some_and(|view| view.receivers.of_bearer(&hash).is_some()) {
            return Err(Error::UnsupportedTokenType);
        }
        let Ok(compact) = Compact::parse(token.as_bytes(), super::outside::TOKEN_BYTES_MAX) else {
            return Ok(None);
        };
        let (issuer, now_ms) = (self.issuer(tenant), self.parts.clock.wall_ms());
        let claims = self.parts.own.read((tenant, &issuer), compact, now_ms);
        let claims = claims.map_err(|NoKeys| Error::Unavailable { retry_after_s: 5 })?;
        match claims {
            Some(claims) if claims.client_id.as_ref() != Some(&holder.client.id) => {
                Err(Error::UnauthorizedClient)
            }
            claims => Ok(claims),
        }
    }

    /// The client that authenticated, at `endpoint` (`token`, `revoke`): first of all. Failures under one name are counted, and too many are told so; but what is right is
    /// let in, however many others tried before: what is kept of it cannot be guessed, and a name is known to many.
    pub async fn authenticate(
        &self,
        tenant: &TenantId,
        headers: &HeaderMap,
        form: &Form,
        endpoint: &str,
    ) -> Result<Arc<Holder>, Error> {
        let presented = Presented::read(headers, form)?;
        let client_id = match &presented {
            Presented::Secret { client_id, .. } => Some(client_id.clone()),
            Presented::Assertion { client_id, jwt } => {
                let named =
                    Compact::parse(jwt.as_bytes(), ASSERTION_BYTES_MAX).ok().and_then(|j| j.unverified_iss());
                named.filter(|named| client_id.as_ref().is_none_or(|id| id == named))
            }
        };
        // What no client can be called is nobody's failure.
        let client_id = client_id.filter(|id| is_id(id)).ok_or(Error::InvalidClient)?;
        let (who, rate) = ((tenant.clone(), client_id), self.parts.config.failures_per_s);
        let known = self.parts.views.of(tenant).and_then(|view| view.receivers.of_id(&who.1).cloned());
        let checked = match &presented {
            Presented::Secret { secret, .. } => {
                if self.is_secret(known.as_deref(), secret) {
                    Ok(())
                } else {
                    Err(Error::InvalidClient)
                }
            }
            Presented::Assertion { jwt, .. } => self.assertion(tenant, known.as_deref(), jwt, endpoint).await,
        };
        if checked == Err(Error::InvalidClient) {
            let taken = self.failed.take(&who, rate, self.parts.clock.boot_ms());
            taken.map_err(|too| Error::TooMany { retry_after_s: too.retry_after_s() })?;
            if known.is_some() {
                // No row for names that anybody could make up, nor for more than so many failures.
                self.parts.operations.note(tenant.as_str(), "client_refused", &who.1, "invalid_client", 0);
            }
        }
        checked?;
        known.ok_or(Error::InvalidClient)
    }

    /// Whether it is one of the client's secrets. A client that does not exist costs as much as one that does.
    fn is_secret(&self, holder: Option<&Holder>, presented: &str) -> bool {
        let now_s = self.parts.clock.wall_ms().div_euclid(1000);
        let hash = hash_secret(presented);
        let same = |known: &str| known.len() == hash.len() && memcmp::eq(known.as_bytes(), hash.as_bytes());
        let mut right = false;
        std::hint::black_box(same(NOBODYS));
        for secret in holder.iter().flat_map(|h| &h.receiver.secrets) {
            let good = secret.expires_at.is_none_or(|until| now_s < until);
            right |= same(&secret.sha256) && good;
        }
        right
    }

    /// Checks a client's assertion (RFC 7523, 3).
    async fn assertion(
        &self,
        tenant: &TenantId,
        holder: Option<&Holder>,
        jwt: &str,
        endpoint: &str,
    ) -> Result<(), Error> {
        let holder = holder.ok_or(Error::InvalidClient)?;
        let (id, jwks) = (&holder.client.id, holder.receiver.jwks.as_ref().ok_or(Error::InvalidClient)?);
        // A name that no object id has keeps it apart from other sources of the tenant.
        let keys =
            self.parts.sources.of(tenant, &format!("client/{id}"), jwks).map_err(|_| Error::InvalidClient)?;
        let verified = keys.verify(jwt.as_bytes(), ASSERTION_BYTES_MAX, &Alg::ALL).await;
        let (header, payload) = verified.map_err(|unverified| match unverified {
            Unverified::Token(_) => Error::InvalidClient,
            Unverified::Keys(_) => Error::Unavailable { retry_after_s: 5 },
        })?;
        let typed = |typ: &str| header.typ_is(typ);
        if header.typ.is_some() && !typed("JWT") && !typed("client-authentication+jwt") {
            return Err(Error::InvalidClient);
        }
        let (issuer, now_ms) = (self.issuer(tenant), self.parts.clock.wall_ms());
        let audiences = [format!("{issuer}/oauth/{endpoint}"), format!("{issuer}/oauth/token"), issuer];
        let lifetime_s = self.parts.config.assertion_lifetime_s;
        let expected =
            Expected { client_id: id, audiences: &audiences, now_ms, lifetime_s, since_s: self.since_s };
        let (jti, exp_s) = assertion::check(&payload, &expected)?;
        self.taken.take(tenant, id, &jti, exp_s, now_ms)
    }
}

/// The scopes to grant: those asked for, or all that the client has (RFC 6749, 3.3).
fn scopes(holder: &Holder, asked: Option<&str>) -> Result<ScopeSet, Error> {
    use crate::stream::receiver::Scope;
    let granted = ScopeSet::of(holder.receiver.scopes.iter().copied());
    let Some(asked) = asked else { return Ok(granted) };
    let mut scopes = vec![];
    for word in asked.split(' ') {
        let scope = Scope::from_name(word).filter(|scope| granted.allows(*scope));
        scopes.push(scope.ok_or(Error::InvalidScope)?);
    }
    Ok(ScopeSet::of(scopes))
}
