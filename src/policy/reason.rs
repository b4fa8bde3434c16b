//! The fixed table of reasons: a code that is journaled, and the text that goes out as `reason_admin`.
//!
//! In the flow: chosen by `plan`, carried by records, decisions and derived events. No other words of the hub
//! leave it; an operator's own words never do.

macro_rules! reasons {
    ($($variant:ident = $code:literal $text:literal;)*) => {
        /// Why something was decided, or nothing was.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Reason {
            $(#[doc = $text] $variant,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code, part of released formats.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// The text, in English.
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The reason of a code.
            pub fn of_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

reasons! {
    SessionRevoked = "session_revoked" "The session was revoked";
    UserLogout = "user_logout" "The user logged out of the session";
    SessionsRevoked = "sessions_revoked" "All sessions of the principal were revoked";
    CredentialChanged = "credential_changed" "A credential was revoked or deleted";
    CredentialCompromised = "credential_compromised" "A credential was compromised";
    CredentialChangeRequired = "credential_change_required" "The account must change its credential";
    ClaimsChanged = "claims_changed" "Claims of issued tokens no longer hold";
    DeviceNotCompliant = "device_not_compliant" "The device is out of compliance";
    DeviceCompliant = "device_compliant" "The device is compliant again";
    AccountDisabled = "account_disabled" "The account was disabled";
    AccountHijacked = "account_hijacked" "The account was disabled because it was hijacked";
    AccountEnabled = "account_enabled" "The account was enabled again";
    AccountPurged = "account_purged" "The account was deleted";
    IdentifierChanged = "identifier_changed" "The identifier no longer names this principal";
    IdentifierRecycled = "identifier_recycled" "The identifier now names another principal";
    RunCompleted = "run_completed" "The run completed";
    DeadlinePassed = "deadline_passed" "The run's deadline passed";
    BornRevoked = "born_revoked" "It was told of after what it belongs to had ended";
    Killed = "killed" "An operator stopped it";
    Suspended = "suspended" "It is suspended until a human answers";
    Lifted = "lifted" "An operator lifted the stop";
    TokenExpired = "token_expired" "The token expired";
    Recorded = "recorded" "The event is recorded and stops nothing";
    RiskRecorded = "risk_recorded" "The risk level is recorded and stops nothing by itself";
    AssuranceRecorded = "assurance_recorded" "The assurance level is recorded and stops nothing by itself";
    CredentialRecorded = "credential_recorded" "A new or updated credential is recorded and stops nothing";
    ControlEvent = "control_event" "The event is about the stream and stops nothing";
    UnknownEvent = "unknown_event" "The event type is not known and stops nothing";
    BeyondStrength = "beyond_strength" "The source may not stop anything";
    NoDevice = "no_device" "The event names no device";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_come_back() {
        let mut seen = std::collections::BTreeSet::new();
        for reason in Reason::ALL {
            assert!(seen.insert(reason.code()), "{reason:?}");
            assert_eq!(Reason::of_code(reason.code()), Some(*reason));
            assert!(!reason.text().is_empty() && reason.text().is_ascii());
        }
        assert_eq!(Reason::of_code("because"), None);
    }
}
