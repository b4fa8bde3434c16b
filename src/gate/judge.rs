//! The gate: everything in this folder together, per tenant.
//!
//! In the flow: a dialect ([`super::nginx`]) reads a question off the wire, [`Gate::rule`] answers it, the
//! dialect writes the answer. What a repeated call may skip is the signature; the records are looked up on
//! every call, all under one view. Holds no lock across an await, and a crash loses nothing but the cache.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};

use super::cache::{Admitted, Cache, TokenDigest};
use super::home::{GateTenant, TenantDef};
use super::issuer::Issuer;
use super::metrics::Metrics;
use super::refusal::Refusal;
use super::ruling::Ruling;
use super::token::{self, TOKEN_BYTES_MAX};
use crate::clock::SharedClock;
use crate::egress::Egress;
use crate::jose::remote;
use crate::tenant::TenantId;

/// How the gate is set up.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Most tokens whose signature is remembered, for all tenants together; fewer than 32: none.
    pub cached_tokens: usize,
    /// Longest token that is read, in bytes.
    pub token_bytes_max: usize,
    /// How long copies of issuers' keys serve.
    pub jwks: remote::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self { cached_tokens: 100_000, token_bytes_max: TOKEN_BYTES_MAX, jwks: remote::Config::default() }
    }
}

/// What a caller presents: a token, or why there is none to look at.
pub type Presented<'a> = Result<&'a [u8], Refusal>;

/// The gate of all tenants.
pub struct Gate {
    config: Config,
    clock: SharedClock,
    egress: Arc<Egress>,
    cache: Cache,
    tenants: RwLock<HashMap<TenantId, Arc<GateTenant>>>,
    metrics: Metrics,
}

impl Gate {
    /// A gate without tenants: every call is answered 403 `point_unknown`.
    pub fn new(config: Config, clock: SharedClock, egress: Arc<Egress>) -> Self {
        let cache = Cache::new(config.cached_tokens);
        Self { config, clock, egress, cache, tenants: RwLock::default(), metrics: Metrics::default() }
    }

    /// Makes its metrics visible.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Adds or replaces a tenant. An issuer whose settings did not change keeps its keys and its place in the
    /// cache. An issuer that cannot be used, or whose `iss` another one has already, is left out and said.
    pub fn put_tenant(&self, id: &TenantId, def: TenantDef) {
        let before = self.tenant(id);
        let counters = self.metrics.counters(id);
        let make = |issuer| {
            Issuer::new(issuer, self.config.jwks.clone(), self.egress.clone(), self.clock.clone())
                .map(Arc::new)
        };
        let tenant = Arc::new(GateTenant::new(id, def, before.as_deref(), counters, make));
        // Two callers at once build on the same predecessor: the last one stands, whole.
        self.tenants.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), tenant);
    }

    /// Takes a tenant away.
    pub fn remove_tenant(&self, id: &TenantId) {
        self.tenants.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// The tenant as it stands.
    pub fn tenant(&self, id: &TenantId) -> Option<Arc<GateTenant>> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Answers one call: who asks (the point's secret), and with which token.
    pub async fn rule(&self, id: &TenantId, secret: Option<&[u8]>, presented: Presented<'_>) -> Ruling {
        let Some(tenant) = self.tenant(id) else {
            // Counted without its name: whoever calls could make up any number of names.
            self.metrics.counters(&TenantId::hub()).point_unknown.inc();
            return Ruling::PointUnknown;
        };
        let now_s = self.clock.wall_ms().div_euclid(1000);
        let Some(point) = secret.and_then(|secret| tenant.points.by_secret(secret, now_s)) else {
            tenant.counters.point_unknown.inc();
            return Ruling::PointUnknown;
        };
        let ruling = match self.admit(id, &tenant, presented).await {
            Ok(admitted) => tenant.rule(&admitted, &point.aud, self.clock.wall_ms()),
            Err(refusal) => Ruling::Refused(refusal),
        };
        tenant.counters.count(&ruling);
        ruling
    }

    /// A token whose signature holds under the keys in use, from the cache or by verifying it.
    async fn admit(
        &self,
        id: &TenantId,
        tenant: &GateTenant,
        presented: Presented<'_>,
    ) -> Result<Arc<Admitted>, Refusal> {
        let compact = presented?;
        if compact.len() > self.config.token_bytes_max {
            return Err(Refusal::TooLong);
        }
        let digest = TokenDigest::new(id, compact);
        if let Some(found) = self.cache.find(digest) {
            if tenant.still_holds(&found).await? {
                tenant.counters.cache_hit.inc();
                return Ok(found);
            }
            self.cache.forget(digest);
        }
        tenant.counters.cache_miss.inc();
        let signed = token::verify(compact, self.config.token_bytes_max, &tenant.issuers).await?;
        signed.token.times.check(signed.issuer.def(), self.clock.wall_ms())?;
        let admitted = Arc::new(tenant.admitted(signed)?);
        self.cache.insert(digest, admitted.clone());
        Ok(admitted)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{Bench, NOW_S, POINT, def, payload, sign};
    use super::super::issuer::IssuerDef;
    use super::*;
    use crate::lineage::alias::Alias;
    use crate::revocation::key::{KeyHash, Kind, SubjectKey};
    use crate::revocation::record::{Basis, Effect, Until};
    use crate::revocation::set::Lineage;

    async fn rule(bench: &Bench, compact: &str) -> Ruling {
        bench.gate.rule(&bench.tenant, Some(POINT.as_bytes()), Ok(compact.as_bytes())).await
    }

    fn revoked(ruling: &Ruling) -> Option<u64> {
        if let Ruling::Revoked(cause) = ruling { Some(cause.seq.0) } else { None }
    }

    #[tokio::test]
    async fn a_record_counts_from_the_next_call_on_although_the_token_is_cached() {
        let bench = Bench::new();
        let compact = sign("at+jwt", &payload(json!({})));
        assert_eq!(rule(&bench, &compact).await, Ruling::Allow);
        let alice = bench.hash(Kind::User, "iss_sub", "alice");
        bench.put(alice, 7, Basis::Issued, Until::Watermark(NOW_S * 1000), Effect::Deny);
        assert_eq!(revoked(&rule(&bench, &compact).await), Some(7));
        bench.put(alice, 8, Basis::Issued, Until::Watermark(NOW_S * 1000 - 1), Effect::Deny);
        assert_eq!(rule(&bench, &compact).await, Ruling::Allow, "issued behind the watermark");
        bench.put(alice, 9, Basis::Suspended, Until::Hold, Effect::Suspend);
        assert!(matches!(rule(&bench, &compact).await, Ruling::Suspended(_)));
        assert_eq!((bench.counters().cache_hit.get(), bench.counters().cache_miss.get()), (3, 1));
    }

    #[tokio::test]
    async fn a_logout_does_not_kill_the_night_shift() {
        let bench = Bench::new();
        let compact = sign("at+jwt", &payload(json!({})));
        let (jti, run) = (bench.hash(Kind::Jti, "jti", "j1"), KeyHash([1; 16]));
        let session = bench.hash(Kind::Session, "session", "s1");
        bench.put(session, 5, Basis::Ended, Until::Hold, Effect::Deny);
        assert_eq!(revoked(&rule(&bench, &compact).await), Some(5), "unregistered: its sid counts");
        bench.set.put_token(jti, Some(Lineage { keys: Box::new([(Kind::Jti, jti)]) }));
        assert_eq!(revoked(&rule(&bench, &compact).await), Some(5), "mentioned by an edge: no run's token");
        bench.set.put_token(jti, Some(Lineage { keys: Box::new([(Kind::Run, run)]) }));
        assert_eq!(rule(&bench, &compact).await, Ruling::Allow, "registered: the lineage names no session");
        let keys = Box::new([(Kind::Run, run), (Kind::Session, session)]);
        bench.set.put_token(jti, Some(Lineage { keys }));
        assert_eq!(revoked(&rule(&bench, &compact).await), Some(5), "launched from that session");
        bench.set.put_token(jti, Some(Lineage { keys: Box::new([(Kind::Run, run)]) }));
        bench.put(run, 6, Basis::Killed, Until::Hold, Effect::Deny);
        assert_eq!(revoked(&rule(&bench, &compact).await), Some(6), "its run was killed");
    }

    #[tokio::test]
    async fn a_run_deep_down_is_enforced_by_its_topmost_ancestor() {
        let bench = Bench::new();
        let compact = sign("at+jwt", &payload(json!({})));
        let runs = (0..64).map(|n| (Kind::Run, KeyHash([n; 16])));
        let jti = bench.hash(Kind::Jti, "jti", "j1");
        bench.set.put_token(jti, Some(Lineage { keys: runs.collect() }));
        assert_eq!(rule(&bench, &compact).await, Ruling::Allow);
        bench.put(KeyHash([63; 16]), 6, Basis::Killed, Until::Hold, Effect::Deny);
        assert_eq!(revoked(&rule(&bench, &compact).await), Some(6));
    }

    #[tokio::test]
    async fn times_and_audience_are_checked_on_cached_tokens_too() {
        let bench = Bench::new();
        let compact = sign("at+jwt", &payload(json!({})));
        assert_eq!(rule(&bench, &compact).await, Ruling::Allow);
        let other = bench.gate.rule(&bench.tenant, Some(b"other point"), Ok(compact.as_bytes())).await;
        assert_eq!(other, Ruling::Refused(Refusal::Audience));
        bench.clock.set_s(NOW_S + 302);
        assert_eq!(rule(&bench, &compact).await, Ruling::Refused(Refusal::Expired));
        bench.clock.set_s(NOW_S - 3);
        assert_eq!(rule(&bench, &compact).await, Ruling::Refused(Refusal::NotYetValid));
    }

    #[tokio::test]
    async fn refusals_by_table() {
        let bench = Bench::new();
        let auds: Vec<_> = (0..40).map(|n| format!("t{n}")).chain(["tool-a".to_string()]).collect();
        let table = [
            (json!({"exp": NOW_S - 3}), Refusal::Expired),
            (json!({"exp": NOW_S + 3601}), Refusal::LivesTooLong),
            (json!({"nbf": NOW_S + 60}), Refusal::NotYetValid),
            (json!({"aud": "tool-b"}), Refusal::Audience),
            (json!({"aud": []}), Refusal::Audience),
            (json!({"aud": null}), Refusal::Audience),
            (json!({"aud": auds}), Refusal::TooManyKeys),
            (json!({"iat": null}), Refusal::Timeless),
        ];
        for (changes, want) in table {
            let compact = sign("at+jwt", &payload(changes.clone()));
            for round in ["first", "again"] {
                assert_eq!(rule(&bench, &compact).await, Ruling::Refused(want), "{changes} {round}");
            }
        }
    }

    #[tokio::test]
    async fn new_settings_and_new_keys_drop_what_was_cached() {
        let bench = Bench::new();
        let compact = sign("at+jwt", &payload(json!({})));
        let misses = || bench.counters().cache_miss.get();
        rule(&bench, &compact).await;
        bench.put_issuers(vec![def()]);
        rule(&bench, &compact).await;
        assert_eq!(misses(), 1, "the same settings keep the cache");
        bench.put_issuers(vec![IssuerDef { max_token_lifetime_s: 299, ..def() }]);
        assert_eq!(rule(&bench, &compact).await, Ruling::Refused(Refusal::LivesTooLong));
        bench.put_issuers(vec![IssuerDef { jwks: remote::JwksSource::Inline(json!({"keys": []})), ..def() }]);
        assert_eq!(rule(&bench, &compact).await, Ruling::Refused(Refusal::KeyUnknown));
        bench.put_issuers(vec![]);
        assert_eq!(rule(&bench, &compact).await, Ruling::Refused(Refusal::IssuerUnknown));
        bench.put_issuers(vec![IssuerDef { jwks: remote::JwksSource::Inline(json!(7)), ..def() }]);
        assert_eq!(rule(&bench, &compact).await, Ruling::Refused(Refusal::IssuerUnknown));
    }

    #[tokio::test]
    async fn a_tenant_made_again_under_another_subject_key_shares_nothing() {
        let bench = Bench::new();
        let compact = sign("at+jwt", &payload(json!({})));
        assert_eq!(rule(&bench, &compact).await, Ruling::Allow);
        let key = SubjectKey::new(&[9; 32]);
        let alice = key.hash(Kind::User, &Alias::new("iss_sub", &def().iss, "alice"));
        bench.put(alice, 4, Basis::Killed, Until::Hold, Effect::Deny);
        bench.put_with_key(vec![def()], key);
        assert_eq!(revoked(&rule(&bench, &compact).await), Some(4));
    }

    #[tokio::test]
    async fn who_is_not_known_learns_nothing() {
        let bench = Bench::new();
        let compact = sign("at+jwt", &payload(json!({})));
        let nobody = TenantId::parse("nobody").unwrap();
        for (tenant, secret) in
            [(&nobody, Some(POINT)), (&bench.tenant, None), (&bench.tenant, Some("wrong"))]
        {
            let ruling = bench.gate.rule(tenant, secret.map(str::as_bytes), Ok(compact.as_bytes())).await;
            assert_eq!(ruling, Ruling::PointUnknown);
        }
        bench.gate.remove_tenant(&bench.tenant);
        assert_eq!(rule(&bench, &compact).await, Ruling::PointUnknown);
        let mut registry = Registry::default();
        bench.gate.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(
            text.contains(r#"gate_decisions_total{tenant="default",outcome="point_unknown"} 2"#),
            "{text}"
        );
        assert!(!text.contains("nobody"));
    }
}
