//! The rows of the requirement matrix that concern a transmitter, and why some of them have no case.
//!
//! Read from `conformance/rows.json` and `conformance/reasons.json`, which are compiled in. Asked by the runner for levels
//! and by the generated table for everything. Never judges.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How much a row obliges (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Level {
    /// MUST, and what the text states as a fact.
    #[serde(rename = "MUST")]
    Must,
    /// MUST NOT.
    #[serde(rename = "MUST NOT")]
    MustNot,
    /// SHOULD.
    #[serde(rename = "SHOULD")]
    Should,
    /// SHOULD NOT.
    #[serde(rename = "SHOULD NOT")]
    ShouldNot,
    /// MAY.
    #[serde(rename = "MAY")]
    May,
}

impl Level {
    /// Whether a row of this level that does not hold is a failure.
    pub fn binds(self) -> bool {
        matches!(self, Self::Must | Self::MustNot)
    }

    /// The keyword.
    pub fn word(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::MustNot => "MUST NOT",
            Self::Should => "SHOULD",
            Self::ShouldNot => "SHOULD NOT",
            Self::May => "MAY",
        }
    }
}

/// A row.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Its number, such as `SSF-TX-META-01`.
    pub id: String,
    /// `transmitter` or `both`.
    pub role: String,
    /// How much it obliges.
    pub level: Level,
    /// What it asks for, in short.
    pub text: String,
}

/// Why rows have no case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reasons {
    /// Names of reasons → the reason.
    pub reasons: BTreeMap<String, String>,
    /// Row → the name of its reason.
    pub rows: BTreeMap<String, String>,
    /// Rows that no case proves of our own hub, for want of a case or because it cannot be tried there: how it keeps to them.
    pub ours: BTreeMap<String, String>,
    /// Whole areas that the data leaves out: prefix of ids → why.
    pub areas: BTreeMap<String, String>,
}

/// The data that is compiled in cannot be read; a test of this crate rules that out for a released one.
#[derive(Debug, thiserror::Error)]
#[error("conformance/{0}: {1}")]
pub struct BadData(pub &'static str, pub String);

/// All rows.
pub fn rows() -> Result<Vec<Requirement>, BadData> {
    let text = include_str!("../../conformance/rows.json");
    serde_json::from_str(text).map_err(|e| BadData("rows.json", e.to_string()))
}

/// All reasons.
pub fn reasons() -> Result<Reasons, BadData> {
    let text = include_str!("../../conformance/reasons.json");
    serde_json::from_str(text).map_err(|e| BadData("reasons.json", e.to_string()))
}
