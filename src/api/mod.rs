//! The HTTP surface: thin handlers over the parts, errors to the wire.
//!
//! Two listeners (DESIGN, Doors): the public one under `/t/{tenant}`, the admin one on loopback. A handler extracts,
//! authorises, makes one domain call, maps the result. Nothing here decides anything.
//!
//! - [`serve`], [`places`] (with `watched`), [`slow`], [`unread`]: the accept loop and its end; who is cut where there are
//!   too many; answers that nobody reads; bodies, as long and as slow as allowed
//! - [`access`]: the access token of a request, first of all
//! - [`public`], [`facts`]: what other systems call
//! - [`ssf`] (with `asked`, `ssf_stream`): the management API of SSF 1.0
//! - [`oauth`], [`well_known`]: the built-in authorization server, and what clients find out by themselves
//! - [`admin`], [`objects`] (with `judge`, `secret`, `diff`), [`bearer`], [`credentials`], [`keys`], [`emit`],
//!   [`accounts`], [`deliveries`]: what operators call; [`operator`]: who may
//! - [`editing`]: who changes objects, one after the other
//! - [`openapi`]: both, described
//! - [`problem`], [`push_error`]: errors as RFC 9457 problems and as RFC 8935 objects

pub mod access;
pub mod accounts;
pub mod admin;
mod asked;
pub mod bearer;
pub mod credentials;
pub mod deliveries;
mod diff;
pub mod editing;
pub mod emit;
pub mod facts;
pub mod judge;
pub mod keys;
pub mod oauth;
pub mod objects;
pub mod openapi;
pub mod operator;
pub mod places;
pub mod problem;
pub mod public;
pub mod push_error;
mod secret;
pub mod serve;
pub mod slow;
pub mod ssf;
mod ssf_stream;
pub mod unread;
mod watched;
pub mod well_known;

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::auth;
use crate::gate::judge::Gate;
use crate::hub::command::Refused;
use crate::hub::metrics::Metrics;
use crate::hub::object::Client;
use crate::hub::sequencer::Hub;
use crate::hub::view::Views;
use crate::keys::Keys;
use crate::operations::Operations;
use crate::receiver::push::Door;
use crate::tenant::TenantId;
use crate::transmitter::poll::Poll;
use problem::Problem;

/// How long and how slow request bodies may be.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// A SET, in bytes.
    pub set: usize,
    /// A fact.
    pub fact: usize,
    /// A poll request.
    pub poll: usize,
    /// An admin request.
    pub admin: usize,
    /// How long a whole body may take.
    pub timeout: std::time::Duration,
}

/// Writes a base, and says its name.
pub type Base = Arc<dyn Fn() -> BoxFuture<'static, Result<String, Refused>> + Send + Sync>;

/// Writes a backup of the whole hub into a directory, and says what is in it.
pub type Backup =
    Arc<dyn Fn(std::path::PathBuf) -> BoxFuture<'static, Result<serde_json::Value, Problem>> + Send + Sync>;

/// What the handlers need.
pub struct Api {
    /// The sequencer.
    pub hub: Hub,
    /// Objects.
    pub views: Arc<Views>,
    /// Access tokens.
    pub judge: auth::judge::Judge,
    /// The built-in authorization server, where there is one.
    pub token_server: Option<auth::server::Server>,
    /// What authorization counts.
    pub authorization: auth::metrics::Metrics,
    /// The push door.
    pub door: Door,
    /// The poll endpoint.
    pub poll: Poll,
    /// The gate.
    pub gate: Arc<Gate>,
    /// Names of what goes out.
    pub issuer: crate::transmitter::issue::Issuer,
    /// Our keys.
    pub keys: Arc<Keys>,
    /// `Cache-Control` of the JWKS: how long it may be kept (s).
    pub jwks_max_age_s: u32,
    /// Rates of clients.
    pub rate: auth::rate::Rate<(TenantId, String)>,
    /// What time it is.
    pub clock: crate::clock::SharedClock,
    /// Operational events.
    pub operations: Arc<Operations>,
    /// The spine's metrics.
    pub metrics: Metrics,
    /// The metrics page.
    pub page: Arc<crate::telemetry::Metrics>,
    /// The outbox, to show attempts.
    pub outbox: Arc<crate::outbox::queues::Outbox>,
    /// Where streams push to, to show its state.
    pub destinations: Arc<crate::outbox::destinations::Destinations>,
    /// The guard of outbound URLs.
    pub egress: Arc<crate::egress::Egress>,
    /// What the admin API reads of the journal.
    pub history: Arc<crate::history::why::Journaled>,
    /// Whether the hub is ready and not shutting down.
    pub ready: Arc<std::sync::atomic::AtomicBool>,
    /// Held by who changes an object.
    pub editing: Arc<editing::Editing>,
    /// Writes a base.
    pub base: Base,
    /// Writes a backup into a directory.
    pub backup: Backup,
    /// How Kafka out fares, for the status.
    pub kafka: Arc<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// What the SSF management API needs.
    pub ssf: ssf::Ssf,
    /// Sizes.
    pub sizes: Sizes,
}

/// A tenant as it stands in a path; `_hub` has no public path.
fn public_tenant(name: &str) -> Result<TenantId, Problem> {
    match TenantId::parse(name) {
        Ok(tenant) if !tenant.is_hub() => Ok(tenant),
        _ => Err(Problem::not_found()),
    }
}

impl Api {
    /// What time it is (s since 1970).
    fn now_s(&self) -> i64 {
        self.clock.wall_ms().div_euclid(1000)
    }

    /// Takes one request of a client's rate, `authority.rate_per_s`; 429 with `Retry-After` where there were too many.
    fn charge(&self, tenant: &TenantId, client: &Client) -> Result<(), Problem> {
        let who = (tenant.clone(), client.id.clone());
        Ok(self.rate.take(&who, client.authority.rate_per_s, self.clock.boot_ms())?)
    }

    /// The client behind a bearer. An unknown one is 401 before anything else is looked at.
    fn client(&self, tenant: &TenantId, headers: &http::HeaderMap) -> Result<Arc<Client>, Problem> {
        let bearer = auth::bearer(headers).map_err(|_| Problem::unauthorized(auth::challenge(headers)))?;
        let hash = crate::keys::hash_secret(bearer);
        self.views
            .of(tenant)
            .and_then(|view| view.client(&hash)?.at(self.now_s()).cloned())
            .ok_or_else(|| Problem::unauthorized("Bearer error=\"invalid_token\""))
    }
}
