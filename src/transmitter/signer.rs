//! Signing, lazily and on a bounded pool: one signature per cause, audience and algorithm (DESIGN 4, 5).
//!
//! Push tasks and polls call it. RSA takes most of a millisecond, so it never runs on a thread that serves: it goes to
//! the pool, whose threads stand back behind everything else. A few signatures on curves cost less than the exchange that
//! carries them and are made where they are wanted. What a revoked key signed is never handed out again: it is signed
//! anew, under the same `jti`. Never holds a lock across an await.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;

use super::dress::dress;
use super::issue::{Issuer, jti};
use super::pool::{Pool, Stopped};
use super::signed::{Cache, Key};
use crate::hub::effect::{Claims, Item};
use crate::jose::alg::Alg;
use crate::jose::sign::{SigningKey, sign_compact};
use crate::keys::vault::Keys;
use crate::outbox::names::Name;
use crate::set::claims_out::{NotJson, Outgoing};
use crate::stream::Stream;
use crate::stream::dialect::Dialect;
use crate::tenant::TenantId;

/// The short media type that SETs carry as `typ` (RFC 8417, 2.3).
const TYP: &str = "secevent+jwt";
/// So many signatures of a quick algorithm that are wanted together are made on the caller's thread: it is held no longer
/// than one RSA signature would hold it.
const HERE_MAX: usize = 16;

/// Why a SET could not be signed: the operator's to mend, tried again meanwhile.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key cannot be had.
    #[error(transparent)]
    Keys(#[from] crate::keys::vault::Error),
    /// The key does not sign.
    #[error(transparent)]
    Sign(#[from] crate::jose::sign::Error),
    /// What is owed is no JSON: a bug, which no second try mends.
    #[error(transparent)]
    NotJson(#[from] NotJson),
    /// The pool is shutting down.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// A SET ready to go.
#[derive(Clone, Debug)]
pub struct SignedSet {
    /// Its name.
    pub name: Name,
    /// Its `jti`.
    pub jti: String,
    /// The compact JWS.
    pub compact: Arc<str>,
    /// The key that signed it.
    pub kid: Arc<str>,
}

/// Names and signs, with the pool and its cache.
pub struct Signer {
    /// Names what is signed.
    pub issuer: Issuer,
    keys: Arc<Keys>,
    pool: Pool,
    cache: Cache,
    made: Counter,
}

impl Signer {
    /// Signs on the pool and keeps at most `cache_max` SETs.
    pub fn new(issuer: Issuer, keys: Arc<Keys>, pool: Pool, cache_max: usize) -> Self {
        Self { issuer, keys, pool, cache: Cache::new(cache_max), made: Counter::default() }
    }

    /// Ends the pool's threads and waits for them, at most one signature each. Nothing is signed there any more.
    pub fn stop(&self) {
        self.pool.stop();
    }

    /// How many signatures were made; a handle, for the metrics.
    pub fn made(&self) -> Counter {
        self.made.clone()
    }

    /// The SET of an item for a stream: from the cache, or signed now. Streams with the same audience and
    /// algorithm share it; callers that ask at the same time wait for one signature. `together` is how many SETs this
    /// caller wants at once.
    pub async fn signed(
        &self,
        tenant: &TenantId,
        item: Item,
        claims: &Arc<Claims>,
        stream: &Stream,
        together: usize,
    ) -> Result<SignedSet, Error> {
        let aud_json: Arc<str> = stream.aud_json().into();
        let name = self.issuer.name(tenant, item, &aud_json);
        let jti = jti(&name);
        let key = self.key(tenant, stream.alg).await?;
        let kid: Arc<str> = key.kid().into();
        let (tenant_id, dialect) = (tenant.clone(), stream.dialect);
        let slot = self.cache.slot(Key { tenant: tenant_id, item, aud_json, kid: Arc::clone(&kid), dialect });
        let here = key.alg().is_quick() && together <= HERE_MAX;
        let signing = || self.sign(self.work(tenant, &jti, claims, stream, key), here);
        let compact = slot.get_or_try_init(signing).await?;
        Ok(SignedSet { name, compact: Arc::clone(compact), jti, kid })
    }

    /// Whether a key of the tenant was revoked: who refuses what it signed refuses the key, not the SET.
    pub fn is_revoked(&self, tenant: &TenantId, kid: &str) -> bool {
        self.keys.tenant(tenant).is_ok_and(|keys| keys.is_revoked(kid))
    }

    /// Whether receivers may not know a key of the tenant yet: who refuses what it signed may know it in a while.
    pub fn may_be_unknown(&self, tenant: &TenantId, kid: &str) -> bool {
        self.keys.tenant(tenant).is_ok_and(|keys| keys.may_be_unknown(kid))
    }

    /// The same of the key that signs with `alg` now.
    pub fn signs_with_new(&self, tenant: &TenantId, alg: Alg) -> bool {
        self.keys.ready(tenant, alg).is_some_and(|key| self.may_be_unknown(tenant, key.kid()))
    }

    /// Whether this SET was handed out under a key that was revoked since. Once for each such key: a refusal of what is signed
    /// anew counts.
    pub fn was_revoked(&self, tenant: &TenantId, item: Item, stream: &Stream) -> bool {
        let aud_json: Arc<str> = stream.aud_json().into();
        let Ok(keys) = self.keys.tenant(tenant) else { return false };
        let handed_out = |kid: String| {
            self.cache.forget(&Key {
                tenant: tenant.clone(),
                item,
                aud_json: aud_json.clone(),
                kid: kid.into(),
                dialect: stream.dialect,
            })
        };
        keys.revoked(stream.alg).into_iter().map(handed_out).filter(|was| *was).count() > 0
    }

    /// The key that signs now. Reading or making one blocks.
    async fn key(&self, tenant: &TenantId, alg: Alg) -> Result<Arc<SigningKey>, Error> {
        if let Some(key) = self.keys.ready(tenant, alg) {
            return Ok(key);
        }
        let (keys, tenant) = (Arc::clone(&self.keys), tenant.clone());
        let finding = move || keys.tenant(&tenant)?.signing(alg);
        Ok(tokio::task::spawn_blocking(finding).await.map_err(|_| Stopped)??)
    }

    /// What is to be done, claims and signature, wherever that will be.
    fn work(
        &self,
        tenant: &TenantId,
        jti: &str,
        claims: &Arc<Claims>,
        stream: &Stream,
        key: Arc<SigningKey>,
    ) -> impl FnOnce() -> Result<Arc<str>, Error> + Send + use<> {
        let claims = Arc::clone(claims);
        let (iss, aud, dialect) = (self.issuer.iss(tenant), sorted(&stream.aud), stream.dialect);
        let payload_of = Payload { iss, jti: jti.into(), aud, dialect };
        move || Ok(sign_compact(&key, TYP, &payload_of.bytes(&claims)?)?.into())
    }

    async fn sign(
        &self,
        work: impl FnOnce() -> Result<Arc<str>, Error> + Send + 'static,
        here: bool,
    ) -> Result<Arc<str>, Error> {
        let compact = if here { work()? } else { self.pool.run(work).await?? };
        self.made.inc();
        Ok(compact)
    }
}

/// Two streams whose audiences are the same set share one SET, so its order is fixed too.
fn sorted(aud: &[String]) -> Vec<String> {
    let mut aud = aud.to_vec();
    aud.sort();
    aud
}

/// The claims that depend on who gets it.
struct Payload {
    iss: String,
    jti: String,
    aud: Vec<String>,
    dialect: Dialect,
}

impl Payload {
    fn bytes(&self, claims: &Claims) -> Result<Vec<u8>, NotJson> {
        let event = dress(self.dialect, &claims.uri, &claims.sub_id, &claims.event);
        Outgoing {
            iss: &self.iss,
            aud: &self.aud,
            iat: claims.iat,
            jti: &self.jti,
            txn: Some(&claims.txn),
            toe: claims.toe,
            sub_id_json: &claims.sub_id,
            event_uri: &claims.uri,
            event_json: &event,
        }
        .to_json()
    }
}
