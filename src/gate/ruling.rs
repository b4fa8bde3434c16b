//! The answer to one call, whatever the dialect.
//!
//! In the flow: made by [`super::home`], put on the wire by [`super::nginx`]. Says a code and an entry, never
//! a name.

use super::decide::{Cause, Verdict};
use super::refusal::Refusal;
use crate::tenant::{EntryId, TenantId};

/// The answer to one call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// It may pass.
    Allow,
    /// The token is refused by itself: 401.
    Refused(Refusal),
    /// The token is revoked: 401.
    Revoked(Cause),
    /// Its principal is suspended: 403.
    Suspended(Cause),
    /// Nobody known asks: 403.
    PointUnknown,
}

impl Ruling {
    /// The reason code; `allow` where there is no reason against it.
    pub fn reason_code(&self) -> &str {
        match self {
            Self::Allow => "allow",
            Self::Refused(refusal) => refusal.code(),
            Self::Revoked(cause) | Self::Suspended(cause) => &cause.reason_code,
            Self::PointUnknown => "point_unknown",
        }
    }

    /// `tenant:seq` where a record decided (what `ssf-hub why` takes), else `tenant:code`.
    pub fn decision_id(&self, tenant: &TenantId) -> String {
        match self {
            Self::Revoked(cause) | Self::Suspended(cause) => {
                EntryId { tenant: tenant.clone(), seq: cause.seq }.to_string()
            }
            _ => format!("{tenant}:{}", self.reason_code()),
        }
    }
}

impl From<Verdict> for Ruling {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allow => Self::Allow,
            Verdict::Deny(cause) => Self::Revoked(cause),
            Verdict::Suspend(cause) => Self::Suspended(cause),
        }
    }
}
