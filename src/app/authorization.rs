//! Access tokens: who judges them and who makes them, put together.

use std::sync::Arc;

use crate::auth::introspect::{Introspector, Spawn};
use crate::auth::judge::Judge;
use crate::auth::outside::Outside;
use crate::auth::own::Own;
use crate::auth::server::{self, Server};
use crate::clock::{SharedChance, SharedClock};
use crate::config::Config;
use crate::egress::Egress;
use crate::hub::view::Views;
use crate::jose::sources::Sources;
use crate::keys::Keys;
use crate::operations::Operations;

/// What they work with.
pub struct Parts<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Clients.
    pub views: Arc<Views>,
    /// Our keys.
    pub keys: Arc<Keys>,
    /// The way out.
    pub egress: Arc<Egress>,
    /// Time.
    pub clock: SharedClock,
    /// Chance.
    pub chance: SharedChance,
    /// What was refused.
    pub operations: Arc<Operations>,
    /// Where tasks are spawned.
    pub spawn: Spawn,
}

/// The judge, and the built-in authorization server where there is one.
pub fn build(parts: Parts<'_>) -> (Judge, Option<Server>) {
    let Parts { config, views, keys, egress, clock, chance, operations, spawn } = parts;
    let settings = config.authorization.clone();
    let sources = Arc::new(Sources::new(config.jwks.clone(), egress.clone(), clock.clone()));
    let own = settings.builtin.then(|| Arc::new(Own::new(keys.clone(), chance)));
    let server = own.clone().map(|own| {
        Server::new(server::Parts {
            views: views.clone(),
            own,
            sources: sources.clone(),
            clock: clock.clone(),
            operations,
            config: settings.clone(),
            public_url: config.public_url.clone(),
        })
    });
    let introspector = Introspector::new(settings, egress, keys, clock.clone(), spawn);
    let outside = Outside { sources, introspector, clock: clock.clone() };
    (Judge { views, own, outside, clock, public_url: config.public_url.clone() }, server)
}
