//! Access tokens of the built-in authorization server: JWTs under the tenant's ES256 key (RFC 9068, ADR 0012).
//!
//! Made by [`super::server`], read by [`super::judge`]. `typ` keeps them and SETs of the same key apart: one is never
//! taken for the other, in either direction. Who holds the token, and whether it was revoked, is looked up at each use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::access::{Known, ScopeSet};
use super::claims::Claims;
use crate::clock::{SharedChance, random};
use crate::hub::receivers::Holder;
use crate::hub::view::View;
use crate::jose::{Alg, Compact, KeySet, sign_compact};
use crate::keys::Keys;
use crate::tenant::TenantId;

/// `typ` of an access token (RFC 9068, 2.1).
pub const TYP: &str = "at+jwt";

/// Our keys cannot be used. The operator's to mend; it is logged here.
#[derive(Debug, thiserror::Error)]
#[error("the tenant's keys cannot be used")]
pub struct NoKeys;

/// A published key set, as its text and as it was read.
type Parsed = (Arc<str>, Arc<KeySet>);

/// Makes and reads our own access tokens.
pub struct Own {
    keys: Arc<Keys>,
    chance: SharedChance,
    /// Published key sets as they were read last.
    parsed: Mutex<HashMap<TenantId, Parsed>>,
}

impl Own {
    /// With these keys.
    pub fn new(keys: Arc<Keys>, chance: SharedChance) -> Self {
        Self { keys, chance, parsed: Mutex::default() }
    }

    /// A new access token for `holder`, issued at `now_s`.
    pub fn make(
        &self,
        (tenant, issuer): (&TenantId, &str),
        holder: &Holder,
        scopes: ScopeSet,
        now_s: i64,
    ) -> Result<String, NoKeys> {
        use base64::Engine as _;
        let id = &holder.client.id;
        let jti = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(random::<16>(&*self.chance));
        let claims = json!({
            "iss": issuer,
            "sub": id,
            "client_id": id,
            "client_no": holder.no,
            "aud": issuer,
            "iat": now_s,
            "exp": now_s.saturating_add(i64::from(holder.receiver.token_lifetime_s)),
            "jti": jti,
            "scope": scopes.to_string(),
        });
        let key = self.keys.tenant(tenant).and_then(|keys| keys.signing(Alg::ES256));
        let key = key.map_err(|error| no_keys(tenant, &error))?;
        sign_compact(&key, TYP, claims.to_string().as_bytes()).map_err(|error| no_keys(tenant, &error))
    }

    /// The claims of a token that we made for ourselves and that is in time. `None`: it is none.
    pub fn read(
        &self,
        (tenant, issuer): (&TenantId, &str),
        token: Compact<'_>,
        now_ms: i64,
    ) -> Result<Option<Claims>, NoKeys> {
        if !token.header().typ_is(TYP) || Alg::from_name(&token.header().alg) != Some(Alg::ES256) {
            return Ok(None);
        }
        let keys = self.key_set(tenant)?;
        let Ok((_, _, payload)) = token.verify(&keys, &[Alg::ES256]) else { return Ok(None) };
        let claims = Claims::read(&payload).filter(|claims| {
            let ours = claims.iss.as_deref() == Some(issuer) && claims.aud == [issuer];
            // Issued by this very clock: one that was set back a little does not make it early.
            let issued_ms = claims.iat_s.unwrap_or(0) * 1000;
            ours && claims.is_in_time(now_ms.max(issued_ms), 0)
        });
        Ok(claims)
    }

    /// Who holds a token of ours, if nobody revoked it.
    pub fn holder(view: &View, claims: &Claims) -> Option<Known> {
        let holder = view.receivers.of_id(claims.client_id.as_deref()?)?;
        let receiver = &holder.receiver;
        let early = receiver.tokens_not_before.is_some_and(|from| claims.iat_s.is_none_or(|iat| iat < from));
        let jti = claims.jti.as_deref()?;
        if claims.client_no != Some(holder.no) || early || receiver.revoked.iter().any(|r| r.jti == jti) {
            return None;
        }
        Some(Known {
            client: holder.client.clone(),
            holder: Some(holder.clone()),
            scopes: claims.scopes.and(ScopeSet::of(receiver.scopes.iter().copied())),
        })
    }

    /// The published keys: what is not published any more verifies nothing any more.
    fn key_set(&self, tenant: &TenantId) -> Result<Arc<KeySet>, NoKeys> {
        let text = self.keys.tenant(tenant).and_then(|keys| keys.jwks());
        let text = text.map_err(|error| no_keys(tenant, &error))?;
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, keys)) = parsed.get(tenant)
            && *known == text
        {
            return Ok(keys.clone());
        }
        let keys = Arc::new(KeySet::parse(text.as_bytes()).map_err(|error| no_keys(tenant, &error))?);
        parsed.insert(tenant.clone(), (text, keys.clone()));
        Ok(keys)
    }
}

fn no_keys(tenant: &TenantId, error: &dyn std::error::Error) -> NoKeys {
    tracing::error!(%tenant, %error, "the tenant's keys cannot be used for access tokens");
    NoKeys
}
