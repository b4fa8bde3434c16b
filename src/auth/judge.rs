//! Whose access token a request carries, and what it is good for.
//!
//! First thing that a handler of the SSF API asks, before it looks at the body or at a stream. A bearer that lies with
//! us is known by its hash; then come tokens of the built-in authorization server, then those of outside ones. Says the
//! same of every token that is not good, whatever is wrong with it.

use std::sync::Arc;

use http::HeaderMap;

use super::access::{Known, Refusal, ScopeSet};
use super::bearer;
use super::outside::{Outside, TOKEN_BYTES_MAX};
use super::own::{NoKeys, Own};
use crate::clock::SharedClock;
use crate::hub::bearer::is_good;
use crate::hub::receivers::Bearer;
use crate::hub::view::{View, Views};
use crate::jose::Compact;
use crate::keys::hash_secret;
use crate::tenant::TenantId;

/// Judges access tokens.
pub struct Judge {
    /// Receivers.
    pub views: Arc<Views>,
    /// Tokens of the built-in authorization server, if there is one.
    pub own: Option<Arc<Own>>,
    /// Tokens of outside ones.
    pub outside: Outside,
    /// What time it is.
    pub clock: SharedClock,
    /// How the world reaches the public listener, without a slash at its end.
    pub public_url: String,
}

impl Judge {
    /// The issuer, and resource identifier (RFC 8707, RFC 9728), of a tenant.
    pub fn issuer(&self, tenant: &TenantId) -> String {
        format!("{}/t/{tenant}", self.public_url)
    }

    /// Where the metadata of a tenant as a protected resource is (RFC 9728, 3.1).
    pub fn resource_metadata(&self, tenant: &TenantId) -> String {
        format!("{}/.well-known/oauth-protected-resource/t/{tenant}", self.public_url)
    }

    /// Whose the bearer in these header fields is.
    pub async fn known(&self, tenant: &TenantId, headers: &HeaderMap) -> Result<Known, Refusal> {
        let token = bearer::authorization(headers)?;
        // A tenant that does not exist has no token: nobody learns which ones do.
        let view = self.views.of(tenant).ok_or(Refusal::InvalidToken)?;
        if let Some(known) = self.by_hash(&view, &hash_secret(token))? {
            return Ok(known);
        }
        let issuer = self.issuer(tenant);
        if let Ok(compact) = Compact::parse(token.as_bytes(), TOKEN_BYTES_MAX)
            && compact.unverified_iss().as_deref() == Some(&*issuer)
        {
            return self.own_token(tenant, &issuer, &view, compact)?.ok_or(Refusal::InvalidToken);
        }
        self.outside.known(tenant, &view, token, &issuer).await?.ok_or(Refusal::InvalidToken)
    }

    /// A bearer whose hash lies with us. One that is over is not asked about elsewhere.
    fn by_hash(&self, view: &View, hash: &str) -> Result<Option<Known>, Refusal> {
        if let Some(bearer) = view.receivers.of_bearer(hash) {
            return self.static_token(bearer).map(Some).ok_or(Refusal::InvalidToken);
        }
        let Some(known) = view.client(hash) else { return Ok(None) };
        let client = known.at(self.now_s()).cloned().ok_or(Refusal::InvalidToken)?;
        Ok(Some(Known { client, holder: None, scopes: ScopeSet::default() }))
    }

    fn now_s(&self) -> i64 {
        self.clock.wall_ms().div_euclid(1000)
    }

    fn static_token(&self, bearer: &Bearer) -> Option<Known> {
        if !is_good(bearer.expires_at, self.now_s()) {
            return None;
        }
        let Bearer { holder, scopes, .. } = bearer;
        let granted = ScopeSet::of(holder.receiver.scopes.iter().copied());
        Some(Known {
            client: holder.client.clone(),
            holder: Some(holder.clone()),
            scopes: ScopeSet::of(scopes.iter().copied()).and(granted),
        })
    }

    fn own_token(
        &self,
        tenant: &TenantId,
        issuer: &str,
        view: &View,
        token: Compact<'_>,
    ) -> Result<Option<Known>, Refusal> {
        let Some(own) = &self.own else { return Ok(None) };
        let read = own.read((tenant, issuer), token, self.clock.wall_ms());
        let claims = read.map_err(|NoKeys| Refusal::Unavailable { retry_after_s: 5 })?;
        Ok(claims.and_then(|claims| Own::holder(view, &claims)))
    }
}
