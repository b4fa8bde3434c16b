//! RFC 8935 push, receiving side: one path per upstream.
//!
//! Authenticate, limit, verify, judge authority, journal; 202 means durable. Errors are RFC 8935, 2.3; general HTTP
//! problems are plain statuses (the receiver decision table). Refusals are operational events, not entries.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, header};
use serde_json::value::RawValue;

use crate::auth;
use crate::clock::SharedClock;
use crate::hub::bearer;
use crate::hub::command::{Concluded, Refused, SetAnswer, SetDraft};
use crate::hub::entry::{Named, Read, Route, Touched};
use crate::hub::names;
use crate::hub::object::Upstream;
use crate::hub::sequencer::Hub;
use crate::hub::view::Views;
use crate::jose::keyset::KeySet;
use crate::jose::remote;
use crate::keys::Keys;
use crate::lineage::alias::Alias;
use crate::lineage::subject;
use crate::operations::Operations;
use crate::receiver::authority;
use crate::receiver::issuers::Issuers;
use crate::receiver::metrics::Metrics;
use crate::revocation::key::{KeyHash, SubjectKey};
use crate::set::reject::{ErrCode, Reject};
use crate::set::verify::{CLOCK_TOLERANCE_S_MAX, Policy, VerifiedSet, verify};
use crate::tenant::TenantId;

/// What the door answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed {
    /// 202, empty.
    Accepted,
    /// 400 with `err` and `description`.
    Rejected(ErrCode, &'static str),
    /// A plain HTTP status: 404, 408, 413, 415.
    Status(StatusCode),
    /// 429 or 503 with `Retry-After` (s).
    Later(StatusCode, u64),
}

/// What the door needs.
pub struct Door {
    /// Where accepted SETs go.
    pub hub: Hub,
    /// Upstreams.
    pub views: Arc<Views>,
    /// Their keys.
    pub issuers: Issuers,
    /// Our keys: subject keys.
    pub keys: Arc<Keys>,
    /// Rates per upstream.
    pub rate: auth::rate::Rate<(TenantId, String)>,
    /// What was refused.
    pub operations: Arc<Operations>,
    /// What was counted.
    pub metrics: Metrics,
    /// What time it is.
    pub clock: SharedClock,
    /// Every `iss` that begins so is this hub's own.
    pub own_issuer_prefix: String,
    /// Largest SET, in bytes.
    pub max_bytes: usize,
}

impl Door {
    /// Receives one request; `body` is the status to answer with where it could not be read.
    pub async fn receive(
        &self,
        tenant: &TenantId,
        id: &str,
        headers: &HeaderMap,
        body: Result<&[u8], StatusCode>,
    ) -> Pushed {
        let known = self.views.of(tenant).and_then(|view| view.upstreams.get(id).cloned());
        // No row and no label: whoever calls could make up any number of names.
        let Some(upstream) = known else { return Pushed::Status(StatusCode::NOT_FOUND) };
        let answer = self.judge(tenant, &upstream, headers, body).await;
        self.metrics.received(tenant, id, outcome(&answer));
        let what = match &answer {
            Pushed::Accepted => return answer,
            Pushed::Rejected(err, description) => format!("{}: {description}", err.as_str()),
            Pushed::Status(status) | Pushed::Later(status, _) => format!("answered {status}"),
        };
        self.operations.note(tenant.as_str(), "set_rejected", id, &what, body.map_or(0, <[u8]>::len));
        answer
    }

    async fn judge(
        &self,
        tenant: &TenantId,
        upstream: &Arc<Upstream>,
        headers: &HeaderMap,
        body: Result<&[u8], StatusCode>,
    ) -> Pushed {
        if let Some(hash) = &upstream.bearer_sha256 {
            let (bearer, now_s) = (auth::bearer(headers).ok(), self.clock.wall_ms().div_euclid(1000));
            let mut good = bearer::good(hash, &upstream.old_bearers, now_s);
            if !bearer.is_some_and(|b| good.any(|hash| crate::keys::secret_matches(hash, b))) {
                return self.not_authenticated(tenant, bearer);
            }
        }
        let who = (tenant.clone(), upstream.id.clone());
        if let Err(too_many) = self.rate.take(&who, upstream.authority.rate_per_s, self.clock.boot_ms()) {
            return Pushed::Later(StatusCode::TOO_MANY_REQUESTS, too_many.retry_after_s());
        }
        if !is_secevent(headers) {
            return Pushed::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let body = match body {
            Ok(body) if body.len() <= self.max_bytes => body,
            Ok(_) => return Pushed::Status(StatusCode::PAYLOAD_TOO_LARGE),
            Err(status) => return Pushed::Status(status),
        };
        let set = match self.verify(tenant, upstream, body).await {
            Ok(set) => set,
            Err(pushed) => return pushed,
        };
        self.accept(tenant, upstream, set).await
    }

    /// Good credentials at a door that is not theirs are another mistake than bad ones (RFC 8935, 2.4).
    fn not_authenticated(&self, tenant: &TenantId, bearer: Option<&str>) -> Pushed {
        let hash = bearer.map(crate::keys::hash_secret);
        let of_another = hash.is_some_and(|hash| {
            let view = self.views.of(tenant);
            view.is_some_and(|v| v.upstreams.values().any(|u| u.bearer_sha256.as_ref() == Some(&hash)))
        });
        if of_another {
            return Pushed::Rejected(ErrCode::AccessDenied, "the transmitter may not deliver SETs here");
        }
        Pushed::Rejected(ErrCode::AuthenticationFailed, "the transmitter could not be authenticated")
    }

    /// Verifies with the keys at hand, and once more with fresh ones where the `kid` is unknown. Where nobody could
    /// tell whether it is new, the sender tries again: 400 would make it give the SET up.
    async fn verify(
        &self,
        tenant: &TenantId,
        upstream: &Upstream,
        body: &[u8],
    ) -> Result<VerifiedSet, Pushed> {
        let remote = self.issuers.of(tenant, upstream).map_err(later)?;
        let mut published = remote.keys().await.map_err(later)?;
        let mut verified = self.verify_with(upstream, body, published.keys());
        if verified.as_ref().is_err_and(|reject| reject.retry_with_fresh_keys) {
            let seen = published.keys();
            published = remote.refetch_for_unknown_kid(seen).await.map_err(later)?;
            verified = self.verify_with(upstream, body, published.keys());
        }
        let set = verified.map_err(|reject| Pushed::Rejected(reject.err, reject.description))?;
        self.issuers.keep_evidence(&self.hub, tenant, &upstream.id, &published).await;
        Ok(set)
    }

    fn verify_with(&self, upstream: &Upstream, body: &[u8], keys: &KeySet) -> Result<VerifiedSet, Reject> {
        let policy = Policy {
            iss: &upstream.iss,
            aud: &upstream.aud,
            algs: &upstream.algs,
            dialect: upstream.dialect,
            own_issuer_prefix: &self.own_issuer_prefix,
            // One bound for all: an upstream's own tolerance is for how far its watermarks reach (LIMITS.md).
            clock_tolerance_s: CLOCK_TOLERANCE_S_MAX,
            now_s: self.clock.wall_ms() / 1000,
            max_bytes: self.max_bytes,
        };
        verify(body, &policy, keys)
    }

    async fn accept(&self, tenant: &TenantId, upstream: &Upstream, set: VerifiedSet) -> Pushed {
        let Ok(own) = self.keys.tenant(tenant) else {
            return Pushed::Later(StatusCode::SERVICE_UNAVAILABLE, 5);
        };
        let bytes = set.compact().len();
        let Some(draft) = draft(upstream, set, own.subject_key()) else {
            return Pushed::Rejected(ErrCode::InvalidRequest, "the SET is not valid JSON");
        };
        match self.hub.set(tenant, draft).await {
            Ok(SetAnswer::Accepted { id, txn, route, concluded }) => {
                self.metrics.routed(tenant, route);
                let (route_name, upstream_id) = (route.as_str(), upstream.id.as_str());
                match concluded {
                    Some(Concluded { id: decision, reason_code, touched: Touched { runs, tokens, .. } }) => {
                        tracing::info!(%tenant, upstream = upstream_id, %id, txn, route = route_name, %decision, reason_code, runs, tokens, "SET accepted");
                    }
                    None => {
                        tracing::info!(%tenant, upstream = upstream_id, %id, txn, route = route_name, "SET accepted");
                    }
                }
                if route == Route::Beyond {
                    let what = "the SET lies beyond the upstream's authority: kept, no effect";
                    self.operations.note(tenant.as_str(), "beyond_authority", upstream_id, what, bytes);
                }
                Pushed::Accepted
            }
            Ok(SetAnswer::Duplicate) => Pushed::Accepted,
            Ok(SetAnswer::Conflict) => {
                Pushed::Rejected(ErrCode::InvalidRequest, "this jti was received before with another payload")
            }
            Err(Refused::Busy) => Pushed::Later(StatusCode::SERVICE_UNAVAILABLE, 1),
            Err(Refused::TooLarge) => Pushed::Status(StatusCode::PAYLOAD_TOO_LARGE),
            Err(_) => Pushed::Later(StatusCode::SERVICE_UNAVAILABLE, 10),
        }
    }
}

/// The issuer's keys cannot be had now.
fn later(error: remote::Error) -> Pushed {
    let retry_after_s = match error {
        remote::Error::Unavailable { retry_after_s } => retry_after_s,
        // Only an object of an older release: one that is put now is checked.
        remote::Error::Inline => 60,
    };
    Pushed::Later(StatusCode::SERVICE_UNAVAILABLE, retry_after_s)
}

fn outcome(answer: &Pushed) -> &'static str {
    match answer {
        Pushed::Accepted => "accepted",
        Pushed::Rejected(err, _) => err.as_str(),
        Pushed::Status(_) => "status",
        Pushed::Later(..) => "later",
    }
}

/// RFC 8935, 2.1: `application/secevent+jwt`, without case, parameters ignored.
fn is_secevent(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let essence = value.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/secevent+jwt")
}

/// What the sequencer needs of a verified SET; `None` where its verbatim parts are no JSON, which verification
/// has ruled out.
fn draft(upstream: &Upstream, set: VerifiedSet, key: &SubjectKey) -> Option<SetDraft> {
    let (claims, compact, hash) = set.into_parts();
    let facets = subject::facets(&claims.sub_id, &claims.iss);
    let names = subject::names_of(&facets);
    let within = authority::allows_type(&upstream.authority, &claims.event.uri)
        && authority::allows_subject(&upstream.authority, &names);
    let route = match () {
        () if claims.event.event_type.is_control() => Route::Control,
        () if within => Route::Forward,
        () => Route::Beyond,
    };
    let named = |alias: Alias| Named { hashes: key.hashes(&alias), alias };
    let mut payload_hash = KeyHash([0; 16]);
    payload_hash.0.copy_from_slice(&hash[..16]);
    Some(SetDraft {
        upstream: upstream.id.clone(),
        iss: claims.iss,
        jti: claims.jti,
        compact,
        payload_hash,
        uri: claims.event.uri.clone(),
        event_hash: names::event_hash(&claims.event.uri, &claims.sub_id_json, &claims.event_json),
        sub_id: RawValue::from_string(claims.sub_id_json).ok()?,
        event: RawValue::from_string(claims.event_json).ok()?,
        txn: claims.txn,
        toe: claims.toe,
        all_sessions: claims.all_sessions,
        route,
        names: names.into_iter().map(named).collect(),
        read: Some(Box::new(Read {
            sub_id: claims.sub_id,
            facets,
            event: claims.event,
            dialect: upstream.dialect,
        })),
    })
}
