//! Access tokens of outside authorization servers: verified with their keys, or asked about.
//!
//! In the flow: [`super::judge`] comes here for tokens that are not ours. The token's `iss` chooses among the configured
//! servers and nothing else; keys and URLs come from the configuration.

use std::sync::Arc;

use super::access::{Known, Refusal, ScopeSet};
use super::claims::Claims;
use super::introspect::{Answer, Introspector};
use crate::clock::SharedClock;
use crate::hub::object::AuthorizationServer;
use crate::hub::view::View;
use crate::jose::Compact;
use crate::jose::remote::{self, JwksSource, Unverified};
use crate::jose::sources::Sources;
use crate::tenant::TenantId;

/// Longest token that is read, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Judges tokens of outside authorization servers.
pub struct Outside {
    /// Their keys.
    pub sources: Arc<Sources>,
    /// Their answers.
    pub introspector: Introspector,
    /// What time it is.
    pub clock: SharedClock,
}

impl Outside {
    /// Whose the token is. `resource` is what it must be for where the server names no audience.
    pub async fn known(
        &self,
        tenant: &TenantId,
        view: &View,
        token: &str,
        resource: &str,
    ) -> Result<Option<Known>, Refusal> {
        let named = match Compact::parse(token.as_bytes(), TOKEN_BYTES_MAX) {
            // A SET is no access token, whoever signed it (SSF-TX-AUTH-09).
            Ok(jws) if jws.header().typ_is("secevent+jwt") || jws.header().typ_is("logout+jwt") => {
                return Ok(None);
            }
            Ok(jws) => jws.unverified_iss(),
            Err(_) => None,
        };
        let mut refusal = None;
        for server in &view.authorization_servers {
            // One that names another issuer is not his; one that names nobody may be anybody's that can be asked.
            if named.as_ref().is_some_and(|iss| *iss != server.iss) {
                continue;
            }
            let claims = match (&server.jwks, &server.introspection) {
                (Some(jwks), _) if named.is_some() => self.verified(tenant, server, jwks, token).await?,
                (None, Some(at)) => match self.introspector.ask(tenant, server, at, token).await {
                    Answer::Active(claims) => Some((*claims).clone()),
                    Answer::Inactive => None,
                    Answer::Unknown => {
                        refusal = Some(Refusal::Unavailable { retry_after_s: 2 });
                        None
                    }
                },
                _ => None,
            };
            let known = claims.and_then(|claims| self.holder(view, server, &claims, resource));
            if known.is_some() {
                return Ok(known);
            }
        }
        // Nobody knows it, and one could not say.
        refusal.map_or(Ok(None), Err)
    }

    /// The claims of a JWT access token (RFC 9068, 4).
    async fn verified(
        &self,
        tenant: &TenantId,
        server: &AuthorizationServer,
        jwks: &JwksSource,
        token: &str,
    ) -> Result<Option<Claims>, Refusal> {
        let unavailable = |error: &remote::Error| match error {
            remote::Error::Unavailable { retry_after_s } => {
                Refusal::Unavailable { retry_after_s: *retry_after_s }
            }
            remote::Error::Inline => Refusal::InvalidToken,
        };
        // A name that no object id has keeps it apart from other sources of the tenant.
        let name = format!("authorization-server/{}", server.id);
        let keys = self.sources.of(tenant, &name, jwks).map_err(|e| unavailable(&e))?;
        let (header, payload) = match keys.verify(token.as_bytes(), TOKEN_BYTES_MAX, &server.algs).await {
            Ok(verified) => verified,
            Err(Unverified::Token(_)) => return Ok(None),
            Err(Unverified::Keys(error)) => return Err(unavailable(&error)),
        };
        let plain = server.accept_plain_jwt && (header.typ.is_none() || header.typ_is("JWT"));
        let typed = plain || header.typ_is(super::own::TYP);
        if !typed {
            return Ok(None);
        }
        // What a JWT access token must have (RFC 9068, 2.2), as far as it is needed here.
        Ok(Claims::read(&payload).filter(|c| c.iss.as_ref() == Some(&server.iss) && !c.aud.is_empty()))
    }

    /// Who the token's client is here, if the token is for us and in time.
    fn holder(
        &self,
        view: &View,
        server: &AuthorizationServer,
        claims: &Claims,
        resource: &str,
    ) -> Option<Known> {
        let own = [resource.to_string()];
        let audiences = if server.aud.is_empty() { &own[..] } else { &server.aud[..] };
        // An authorization server that is asked need not repeat what it knows (RFC 7662, 2.2).
        let asked = server.introspection.is_some();
        let for_us = claims.is_for(audiences) || (asked && claims.aud.is_empty());
        let his = claims.iss.as_ref().map_or(asked, |iss| *iss == server.iss);
        let now_ms = self.clock.wall_ms();
        let in_time = match claims.exp_s {
            None if asked => claims.has_begun(now_ms, server.clock_tolerance_s),
            _ => claims.is_in_time(now_ms, server.clock_tolerance_s),
        };
        if !for_us || !his || !in_time {
            return None;
        }
        let holder = view.receivers.of_outside(&server.id, claims.client_id.as_deref()?)?;
        Some(Known {
            client: holder.client.clone(),
            holder: Some(holder.clone()),
            scopes: claims.scopes.and(ScopeSet::of(holder.receiver.scopes.iter().copied())),
        })
    }
}
