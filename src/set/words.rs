//! The words that event claims are made of, where the specifications list them.
//!
//! Read by `payload`, matched by rules. A closed list is an enum without a way out; an open one keeps what
//! it does not know. Spelled on the wire exactly as listed.

use serde::{Deserialize, Serialize};

/// Status of a stream (SSF 8.1.2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words are the specification's")]
pub enum StreamStatus {
    Enabled,
    Paused,
    Disabled,
}

/// `change_type` of credential-change (CAEP 3.3.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words are the specification's")]
pub enum ChangeType {
    Create,
    Revoke,
    Update,
    Delete,
}

/// `change_direction` of assurance-level-change (CAEP 3.4.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words are the specification's")]
pub enum ChangeDirection {
    Increase,
    Decrease,
}

/// Status of device-compliance-change (CAEP 3.5.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the words are the specification's")]
pub enum Compliance {
    Compliant,
    NotCompliant,
}

/// Level of risk-level-change (CAEP 3.8.1), in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the words are the specification's")]
pub enum RiskLevel {
    Low,
    Medium,
    High,
}

/// `reason` of account-disabled (RISC 2.3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the words are the specification's")]
pub enum AccountDisabledReason {
    Hijacking,
    BulkAccount,
    /// A word that RISC does not list, kept.
    #[serde(untagged)]
    Other(String),
}
