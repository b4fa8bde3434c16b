//! A tenant at the gate: its issuers, its points, its records.
//!
//! In the flow: [`super::judge`] finds the tenant of a call and lets it rule. Replaced as a whole when
//! an object of the tenant changes; what did not change is carried over, so that a new stream does not cost
//! every issuer's keys.

use std::sync::Arc;

use super::cache::Admitted;
use super::decide::decide;
use super::derive::Derived;
use super::issuer::{Issuer, IssuerDef, Issuers};
use super::keys::Keys;
use super::metrics::Counters;
use super::point::{PointDef, Points};
use super::refusal::Refusal;
use super::ruling::Ruling;
use super::token::Signed;
use crate::jose::remote;
use crate::revocation::key::{KeyHash, Kind, SubjectKey};
use crate::revocation::set::Set;
use crate::tenant::TenantId;

/// What the gate must know of a tenant.
pub struct TenantDef {
    /// Its token issuers.
    pub issuers: Vec<IssuerDef>,
    /// Its enforcement points.
    pub points: Vec<PointDef>,
    /// What is revoked.
    pub set: Arc<Set>,
    /// Under which names are hashed.
    pub subject_key: SubjectKey,
}

/// A tenant at the gate. Replaced as a whole, never changed.
pub struct GateTenant {
    pub(super) issuers: Issuers,
    pub(super) points: Points,
    set: Arc<Set>,
    subject_key: SubjectKey,
    pub(super) counters: Counters,
}

impl GateTenant {
    /// Builds a tenant upon what stood `before`: an issuer whose settings did not change is kept, the others
    /// are made by `make`. One that cannot be used, or whose `iss` another one has, is left out and said.
    pub fn new<F>(id: &TenantId, def: TenantDef, before: Option<&Self>, counters: Counters, make: F) -> Self
    where
        F: Fn(IssuerDef) -> Result<Arc<Issuer>, remote::Error>,
    {
        let before = before.filter(|t| probe(&t.subject_key) == probe(&def.subject_key));
        let mut issuers = Issuers::new();
        for issuer in def.issuers {
            let iss = issuer.iss.clone();
            if issuers.contains_key(&iss) {
                tracing::warn!(tenant = %id, iss, "token issuer left out: another one has this iss");
                continue;
            }
            let same = before.and_then(|t| t.issuers.get(&iss)).filter(|old| *old.def() == issuer).cloned();
            match same.map_or_else(|| make(issuer), Ok) {
                Ok(issuer) => drop(issuers.insert(iss, issuer)),
                Err(error) => tracing::warn!(tenant = %id, iss, %error, "token issuer left out"),
            }
        }
        let points = Points::new(def.points);
        Self { issuers, points, set: def.set, subject_key: def.subject_key, counters }
    }

    /// What is kept of a token whose signature holds.
    pub(super) fn admitted(&self, signed: Signed) -> Result<Admitted, Refusal> {
        let derived = Derived::new(&signed.token, &self.subject_key).map_err(|_| Refusal::TooManyKeys)?;
        let (times, aud) = (signed.token.times, signed.token.aud);
        Ok(Admitted { times, aud, derived, issuer: signed.issuer, keys: signed.keys })
    }

    /// Whether the issuer and the key set that a cached token rests on are the ones in use.
    pub(super) async fn still_holds(&self, cached: &Admitted) -> Result<bool, Refusal> {
        match self.issuers.get(&cached.issuer.def().iss) {
            Some(issuer) if Arc::ptr_eq(issuer, &cached.issuer) => {
                Ok(Arc::ptr_eq(&issuer.keys().await?, &cached.keys))
            }
            _ => Ok(false),
        }
    }

    /// Judges a token whose signature holds, at a point that accepts `audiences`, at `now_ms` (ms since
    /// 1970): times, audience, and every record, under one view of the set.
    pub fn rule(&self, token: &Admitted, audiences: &[String], now_ms: i64) -> Ruling {
        if let Err(refusal) = token.times.check(token.issuer.def(), now_ms) {
            return Ruling::Refused(refusal);
        }
        if !token.aud.iter().any(|aud| audiences.contains(aud)) {
            return Ruling::Refused(Refusal::Audience);
        }
        let view = self.set.view();
        let lineage = token.derived.jti().and_then(|jti| view.lineage(jti));
        let mut keys = Keys::default();
        if token.derived.select(lineage, &mut keys).is_err() {
            return Ruling::Refused(Refusal::TooManyKeys);
        }
        // Every ancestor counts, however deep the chain of runs: an accepted fact must be enforceable.
        let above = lineage.into_iter().flat_map(|l| l.keys.iter().map(|(_, key)| *key));
        let all = keys.as_slice().iter().copied().chain(above);
        decide(token.times.iat_s.saturating_mul(1000), all, &view, now_ms).into()
    }
}

/// Tells two subject keys apart: a cache under the one would find nothing under the other.
fn probe(key: &SubjectKey) -> KeyHash {
    key.hash_parts(Kind::Tenant, "", "", "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{Bench, NOW_S, POINT, def, key, payload, served, sign};
    use super::*;

    #[tokio::test]
    async fn a_key_that_the_issuer_withdrew_verifies_nothing_although_the_token_is_cached() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let bench = Bench::new();
        bench.put_issuers(vec![IssuerDef { jwks: remote::JwksSource::Url(url), ..def() }]);
        let compact = sign("at+jwt", &payload(json!({"exp": NOW_S + 3600})));
        let other = crate::jose::SigningKey::generate(crate::jose::Alg::ES256).unwrap();
        let [with, without] = [key(), &other].map(|key| json!({"keys": [key.public_jwk()]}));
        let ask = || bench.gate.rule(&bench.tenant, Some(POINT.as_bytes()), Ok(compact.as_bytes()));
        let calls = async {
            let before = [ask().await, ask().await];
            bench.clock.set_s(NOW_S + 600);
            (before, ask().await)
        };
        let bodies = [with, without.clone(), without];
        let got = served(&listener, &bodies, calls).await;
        assert_eq!(got, ([Ruling::Allow, Ruling::Allow], Ruling::Refused(Refusal::KeyUnknown)));
    }
}
