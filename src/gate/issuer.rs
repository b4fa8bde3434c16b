//! Token issuers: who mints what the gate sees, what is accepted of them, and their keys.
//!
//! `app` maps the journaled objects to [`IssuerDef`]. The keys come from where the configuration says, never
//! from where a token says.

use std::collections::HashMap;
use std::sync::Arc;

use super::refusal::Refusal;
use crate::clock::SharedClock;
use crate::egress::Egress;
use crate::jose::alg::Alg;
use crate::jose::keyset::KeySet;
use crate::jose::remote::{self, JwksSource, RemoteKeys};

/// A token issuer, as it is configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IssuerDef {
    /// `iss` of its tokens.
    pub iss: String,
    /// Where its keys are.
    pub jwks: JwksSource,
    /// Signature algorithms accepted.
    pub algs: Vec<Alg>,
    /// How far its clock may differ from ours (s).
    pub clock_tolerance_s: u32,
    /// A token that lives longer is denied (s).
    pub max_token_lifetime_s: u32,
    /// Claims that are names of its user besides `sub` (GATES 2.2).
    pub alias_claims: Vec<String>,
    /// Whether its tokens carry their lineage in the claims `run`, `root_run`, `agent`.
    pub lineage_stamp: bool,
}

/// A token issuer with its keys. Whoever holds the same `Arc` sees the same settings.
#[derive(Debug)]
pub struct Issuer {
    def: IssuerDef,
    keys: RemoteKeys,
}

/// The issuers of a tenant, by `iss`.
pub type Issuers = HashMap<String, Arc<Issuer>>;

impl Issuer {
    /// An issuer; nothing is fetched before its first token.
    ///
    /// # Errors
    /// An inline key set that is none.
    pub fn new(
        def: IssuerDef,
        config: remote::Config,
        egress: Arc<Egress>,
        clock: SharedClock,
    ) -> Result<Self, remote::Error> {
        let keys = RemoteKeys::new(&def.jwks, config, egress, clock)?;
        Ok(Self { def, keys })
    }

    /// Its settings.
    pub fn def(&self) -> &IssuerDef {
        &self.def
    }

    /// Its keys, as they are to be used now. Goes out only when the copy is missing or old.
    pub async fn keys(&self) -> Result<Arc<KeySet>, Refusal> {
        self.keys.keys().await.map(|p| p.keys().clone()).map_err(|_| Refusal::KeysUnavailable)
    }

    /// Its keys after one fresh look for a `kid` that `seen` does not hold, if the pause allows it.
    pub async fn keys_again(&self, seen: &Arc<KeySet>) -> Result<Arc<KeySet>, Refusal> {
        let again = self.keys.refetch_for_unknown_kid(seen).await;
        again.map(|p| p.keys().clone()).map_err(|_| Refusal::KeysUnavailable)
    }
}
