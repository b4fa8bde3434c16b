//! Signing, lazily and on a bounded pool: one signature per cause, audience and algorithm (DESIGN 4, 5).
//!
//! Push tasks and polls call it. RSA takes most of a millisecond, so it never runs on a thread that serves;
//! no more signatures are made at once than there are permits. Never holds a lock across an await.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use tokio::sync::Semaphore;

use super::dress::dress;
use super::issue::{Issuer, jti};
use super::signed::{Cache, Key};
use crate::hub::effect::{Claims, Item};
use crate::jose::sign::sign_compact;
use crate::keys::vault::Keys;
use crate::outbox::names::Name;
use crate::set::claims_out::{NotJson, Outgoing};
use crate::stream::Stream;
use crate::stream::dialect::Dialect;
use crate::tenant::TenantId;

/// The short media type that SETs carry as `typ` (RFC 8417, 2.3).
const TYP: &str = "secevent+jwt";

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
    #[error("the signing pool has stopped")]
    Stopped,
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
}

/// The signing pool with its cache.
pub struct Signer {
    /// Names what is signed.
    pub issuer: Issuer,
    keys: Arc<Keys>,
    permits: Arc<Semaphore>,
    cache: Cache,
    made: Counter,
}

impl Signer {
    /// Signs at most `parallel` at once and keeps at most `cache_max` SETs.
    pub fn new(issuer: Issuer, keys: Arc<Keys>, parallel: usize, cache_max: usize) -> Self {
        let permits = Arc::new(Semaphore::new(parallel.max(1)));
        Self { issuer, keys, permits, cache: Cache::new(cache_max), made: Counter::default() }
    }

    /// How many signatures were made; a handle, for the metrics.
    pub fn made(&self) -> Counter {
        self.made.clone()
    }

    /// The SET of an item for a stream: from the cache, or signed now. Streams with the same audience and
    /// algorithm share it; callers that ask at the same time wait for one signature.
    pub async fn signed(
        &self,
        tenant: &TenantId,
        item: Item,
        claims: &Arc<Claims>,
        stream: &Stream,
    ) -> Result<SignedSet, Error> {
        let aud_json: Arc<str> = stream.aud_json().into();
        let name = self.issuer.name(tenant, item, &aud_json);
        let jti = jti(&name);
        let slot = self.cache.slot(Key {
            tenant: tenant.clone(),
            item,
            aud_json,
            alg: stream.alg,
            dialect: stream.dialect,
        });
        let compact = slot.get_or_try_init(|| self.sign(tenant, &jti, claims, stream)).await?;
        Ok(SignedSet { name, compact: Arc::clone(compact), jti })
    }

    async fn sign(
        &self,
        tenant: &TenantId,
        jti: &str,
        claims: &Arc<Claims>,
        stream: &Stream,
    ) -> Result<Arc<str>, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Stopped)?;
        let (keys, tenant, claims, alg) =
            (Arc::clone(&self.keys), tenant.clone(), Arc::clone(claims), stream.alg);
        let (iss, aud, dialect) = (self.issuer.iss(&tenant), sorted(&stream.aud), stream.dialect);
        let payload_of = Payload { iss, jti: jti.into(), aud, dialect };
        let signing = move || -> Result<Arc<str>, Error> {
            // The permit lies in the closure: a caller that gives up does not let one more in.
            let _permit = permit;
            let key = keys.tenant(&tenant)?.signing(alg)?;
            Ok(sign_compact(&key, TYP, &payload_of.bytes(&claims)?)?.into())
        };
        let compact = tokio::task::spawn_blocking(signing).await.map_err(|_| Error::Stopped)??;
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
