//! The configuration: default.toml, one TOML file, and the environment, as one whole.
//!
//! Stands before everything: nothing is bound, opened or made before [`Config::load`] has judged all of it
//! and told all mistakes together. `app` hands each part its own section. The environment is read here and
//! nowhere else.
//!
//! - [`layer`]: TOML and variables, with the line of each key
//! - [`schema`], [`format`]: keys, types and ranges, from `schemas/config.schema.json`
//! - [`sections`]: the structs
//! - [`secret`]: what the configuration only points at
//! - [`objects`]: upstreams, issuers, clients, points and streams of the file
//! - [`check`]: how things fit together
//! - [`mistake`]: what is wrong, and where
//! - [`load`]: all of it in order

pub mod check;
pub mod format;
pub mod layer;
pub mod load;
pub mod mistake;
pub mod objects;
pub mod schema;
pub mod secret;
pub mod sections;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mistake::Mistakes;
pub use objects::FileObject;
use sections::{Clock, Gate, Journal, Kafka, Limits, Listener, Outbox, Sections, Ssf};

/// A whole configuration that was found good.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything lies that the hub keeps.
    pub data_dir: PathBuf,
    /// How the world reaches the public listener; no slash at its end.
    pub public_url: String,
    /// The public listener.
    pub public: Listener,
    /// The admin listener.
    pub admin: Listener,
    /// Bounds.
    pub limits: Limits,
    /// The journal.
    pub journal: Journal,
    /// Streams of SSF receivers.
    pub ssf: Ssf,
    /// The wall clock.
    pub clock: Clock,
    /// Push.
    pub outbox: Outbox,
    /// The gate.
    pub gate: Gate,
    /// Outbound HTTP.
    pub egress: crate::egress::Config,
    /// Copies of issuers' keys.
    pub jwks: crate::jose::remote::Config,
    /// Kafka out.
    pub kafka: Kafka,
    /// Logs.
    pub log: crate::telemetry::Config,
    objects: Vec<FileObject>,
}

impl Config {
    fn new(s: Sections, objects: Vec<FileObject>) -> Self {
        Self {
            data_dir: s.data_dir,
            public_url: s.public_url,
            public: s.public,
            admin: s.admin,
            limits: s.limits,
            journal: s.journal,
            ssf: s.ssf,
            clock: s.clock,
            outbox: s.outbox,
            gate: s.gate,
            egress: s.egress,
            jwks: s.jwks,
            kafka: s.kafka,
            log: s.log,
            objects,
        }
    }

    /// Reads and judges everything: the defaults, the file if one is given, the variables `SSF_HUB__…` of
    /// `env`, and the secrets that they point at. Errors are the operator's; they come all at once.
    pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Self, Mistakes> {
        load::load(path, &env.collect::<BTreeMap<_, _>>())
    }

    /// The objects that the file names; tenants first, clients before streams.
    pub fn objects(&self) -> &[FileObject] {
        &self.objects
    }

    /// The folder of the keys.
    pub fn keys_dir(&self) -> PathBuf {
        self.data_dir.join("keys")
    }

    /// The file that holds the admin credential (0600).
    pub fn admin_credential(&self) -> PathBuf {
        self.data_dir.join("admin.credential")
    }

    /// Where the command line reaches the admin listener from this machine.
    pub fn admin_address(&self) -> SocketAddr {
        SocketAddr::new(check::reachable(self.admin.listen.ip()), self.admin.listen.port())
    }
}

/// The process's environment, as far as it is text.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
}

#[cfg(test)]
mod tests;
