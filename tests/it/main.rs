//! Journeys over real HTTP: a hub as users meet it. One test binary, for each more links everything again.
//!
//! `real` holds the journeys with real parts (NGINX, Keycloak, Kafka); all else needs nothing but loopback.

mod bad_input;
mod conformance;
mod delivery;
mod hub;
mod kill;
mod lineage;
#[path = "../parts/mod.rs"]
mod parts;
mod peers;
mod power;
mod real;
mod receiver_table;
mod tenants;
mod transmitter;
