//! Real parts for the journeys: NGINX, Apache Kafka, Keycloak, a foreign JOSE library, foreign SSF receivers and
//! schemathesis, started and stopped here.
//!
//! Each test asks for the part it needs, on a loopback address of its own ([`address::Address`]), and gets it running
//! or fails; nothing is skipped. A part ends when its handle is dropped, or when the test binary ends in any other
//! way ([`leash`]). What is fetched and unpacked lies in `target/parts` (`tests/parts/install`; `tests/run` calls it
//! first, so that no test pays for it). Never here: anything of the hub's own, and never a fake of a part.
#![allow(dead_code, reason = "a harness offers more than one test binary uses")]

pub mod address;
pub mod http;
pub mod install;
pub mod jose;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod keycloak;
pub mod leash;
pub mod nginx;
#[cfg(test)]
mod real;
pub mod receivers;
pub mod schemathesis;
