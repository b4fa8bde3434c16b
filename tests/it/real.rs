//! Journeys with real parts: Keycloak, NGINX, Apache Kafka, a foreign JOSE library, foreign receivers, schemathesis. `tests/run --fast` leaves this
//! module out; otherwise a part that cannot be had or started is a failure, never a skip.
//!
//! - `logout`: a logout at Keycloak stops the next call at NGINX, and everybody is told (one Keycloak for all of it)
//! - `away`: Kafka is not there, comes, is killed, comes back
//! - `secured`: Kafka asks for a password, refuses a user, refuses a message
//! - `rejected`: what was refused, on Kafka
//! - `foreign`: SETs of joserfc, and ours judged by it
//! - `receivers`: foreign SSF receivers find the hub, make their streams and receive
//! - `schemathesis`: whatever the OpenAPI document allows, and what it does not, at both listeners
//! - `kit`: what they share

mod away;
mod foreign;
mod kit;
mod logout;
mod receivers;
mod rejected;
mod schemathesis;
mod secured;
