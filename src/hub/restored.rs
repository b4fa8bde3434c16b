//! Where a restored journal comes from: the first entry of the new one (DESIGN 5, ADR 0015).
//!
//! Written by `ssf-hub restore` and never again. Changes nothing in the state but the place of the last entry: evidence,
//! for who reads the journal later.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::base::Mark;
use crate::journal::Position;
use crate::tenant::TenantId;

/// The backup that a journal goes on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The id of this journal (hex): no name that it gives was given before.
    pub journal: String,
    /// The id of the journal that was backed up (hex).
    pub origin: String,
    /// Where it was cut.
    pub position: Position,
    /// When it was backed up (ms since 1970).
    pub backed_up_at_ms: i64,
    /// Where each tenant stood there: the chains of this journal go on from these heads.
    pub tenants: BTreeMap<TenantId, Mark>,
}
