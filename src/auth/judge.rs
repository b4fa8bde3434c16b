//! Whose access token a request carries, and what it is good for.
//!
//! First thing that a handler of the SSF API asks, before it looks at the body or at a stream. A bearer that lies with
//! us is known by its hash. Says the same of every token that is not good, whatever is wrong with it.

use std::sync::Arc;

use http::HeaderMap;

use super::access::{Known, Refusal, ScopeSet};
use super::bearer;
use crate::clock::SharedClock;
use crate::hub::receivers::Bearer;
use crate::hub::view::{View, Views};
use crate::keys::hash_secret;
use crate::tenant::TenantId;

/// Judges access tokens.
pub struct Judge {
    /// Receivers.
    pub views: Arc<Views>,
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
        self.by_hash(&view, &hash_secret(token)).ok_or(Refusal::InvalidToken)
    }

    /// A bearer whose hash lies with us.
    fn by_hash(&self, view: &View, hash: &str) -> Option<Known> {
        if let Some(bearer) = view.receivers.of_bearer(hash) {
            return self.static_token(bearer);
        }
        let client = view.clients.get(hash)?;
        Some(Known { client: client.clone(), receiver: None, scopes: ScopeSet::default() })
    }

    fn static_token(&self, bearer: &Bearer) -> Option<Known> {
        let now_s = self.clock.wall_ms().div_euclid(1000);
        if bearer.expires_at.is_some_and(|until| now_s >= until) {
            return None;
        }
        let Bearer { holder, scopes, .. } = bearer;
        let granted = ScopeSet::of(holder.receiver.scopes.iter().copied());
        Some(Known {
            client: holder.client.clone(),
            receiver: Some(holder.receiver.clone()),
            scopes: ScopeSet::of(scopes.iter().copied()).and(granted),
        })
    }
}
