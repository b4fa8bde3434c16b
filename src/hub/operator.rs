//! Who may use the admin API, and for what.

use serde::{Deserialize, Serialize};

use super::bearer::OldBearer;

/// Somebody who may use the admin API. Lives in `_hub`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// Its name in the journal.
    pub id: String,
    /// Hash of its bearer.
    pub bearer_sha256: String,
    /// Those before it that are good for a while yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old_bearers: Vec<OldBearer>,
    /// What it may do.
    #[serde(default, skip_serializing_if = "Role::is_admin")]
    pub role: Role,
}

/// What an operator may do at the admin API, from most to least.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything: also objects, and backups, which hold the keys. Who was made before there were roles is one.
    #[default]
    Admin,
    /// What runs a hub by day and night: emit, kill, lift, redrive, bases, the clock; and all reads.
    Operator,
    /// Reads only.
    Viewer,
}

impl Role {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    /// Whether what only needs `need` is open to it.
    pub fn may(self, need: Self) -> bool {
        match need {
            Self::Viewer => true,
            Self::Operator => self != Self::Viewer,
            Self::Admin => self == Self::Admin,
        }
    }

    fn is_admin(&self) -> bool {
        *self == Self::Admin
    }
}
