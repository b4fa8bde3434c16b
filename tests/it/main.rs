//! Journeys over real HTTP: a hub as users meet it. One test binary, for each more links everything again.
//!
//! `real` holds the journeys with real parts (NGINX, Keycloak, Kafka); all else needs nothing but loopback.

mod alerts;
mod apply;
mod authorization;
mod backup;
mod bad_input;
mod conformance;
mod crowd;
mod delivery;
mod demo;
mod dialects;
mod egress;
mod emit;
mod hub;
mod keys;
mod kill;
mod lineage;
mod openapi;
mod optout;
#[path = "../parts/mod.rs"]
mod parts;
mod peers;
mod pki;
mod power;
mod real;
mod receiver_table;
mod rights;
mod rotation;
mod subjects;
mod suite;
mod tenants;
mod tls;
mod transmitter;
