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

    /// What a code of a decision id says, in words; `None` for what is no such code.
    pub fn text_of(code: &str) -> Option<String> {
        let text = match code {
            "allow" => "no record in force catches the token",
            "point_unknown" => {
                "no known enforcement point asked: X-Hub-Point is absent or wrong, or there is no such tenant"
            }
            _ => return Refusal::of_code(code).map(|refusal| refusal.to_string()),
        };
        Some(text.into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_that_an_answer_can_carry_is_in_words() {
        let codes =
            [Ruling::Allow, Ruling::PointUnknown].into_iter().chain(Refusal::ALL.map(Ruling::Refused));
        for ruling in codes {
            let id = ruling.decision_id(&TenantId::default_tenant());
            let code = id.strip_prefix("default:").unwrap();
            assert!(Ruling::text_of(code).is_some_and(|text| !text.is_empty()), "{code}");
        }
        assert_eq!(Ruling::text_of("because"), None);
    }
}
