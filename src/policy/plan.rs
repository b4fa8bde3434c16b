//! From an event to a plan: SIGNALS, "Default effect of each received standard event", as far as this line acts.
//!
//! In the flow: `hub::decide` calls [`plan`] with what was received, resolves the subject to [`Stop::wanted`],
//! walks as far as [`Stop::reach`] says, and hands all to `conclude`. Pure: the same event, the same plan.

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::lineage::node::How;
use crate::lineage::subject::{Facet, Resolved};
use crate::lineage::walk::Reach;
use crate::revocation::record::{Basis, Effect};
use crate::set::event::{Event, InitiatingEntity};
use crate::set::event_type::EventType;
use crate::set::payload::Payload;
use crate::set::sub_id::SubId;
use crate::set::words::{AccountDisabledReason, ChangeType, Compliance};

/// The strongest effect that a source may cause (DESIGN 11).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// It is kept and goes out; nothing is stopped.
    Record,
    /// As `record`; scores rise with the risk engine.
    RaiseRisk,
    /// It may stop runs, tokens and principals.
    #[default]
    Contain,
}

/// What an event leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plan {
    /// Nothing is stopped and nothing given back; why.
    Nothing(Reason),
    /// Something must stop.
    Stop(Stop),
    /// Something is given back.
    Lift(Lift),
}

/// Until when what is named is dead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// A session, run or token ends for good; whoever lives on gets a watermark (DESIGN 10).
    ByRole,
    /// A watermark at acceptance.
    Watermark,
    /// A watermark at the time of the event, under the named identifiers alone and no other name of the
    /// principal.
    AtEvent,
    /// A hold.
    Hold,
    /// No record on what is named, only on the runs below.
    BelowOnly,
}

/// How far a stop reaches down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cascade {
    /// Only what is named.
    No,
    /// What was launched from sessions; `by_user`: an ordinary logout.
    Sessions {
        /// The person did it.
        by_user: bool,
    },
    /// Everything below.
    Everything,
}

/// Something must stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stop {
    /// Why.
    pub reason: Reason,
    /// Until when.
    pub mark: Mark,
    /// Denied or suspended.
    pub effect: Effect,
    /// What the records rest on.
    pub basis: Basis,
    /// How what is named ends, if it ends.
    pub how: How,
    /// How far down.
    pub cascade: Cascade,
    /// At whom it aims, whatever else the subject names; empty: at the narrowest.
    pub aims: &'static [Facet],
    /// Nobody said who did it: if what is named turns out to be a session, the person did.
    pub unsaid: bool,
}

/// Something is given back: what stands on `basis` becomes a watermark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lift {
    /// Why.
    pub reason: Reason,
    /// Which basis is taken back.
    pub basis: Basis,
    /// Which ends are taken back.
    pub how: How,
    /// At whom it aims.
    pub aims: &'static [Facet],
}

/// Whose account, whose credential.
const PRINCIPAL: &[Facet] = &[Facet::User, Facet::Agent, Facet::Workload, Facet::Tool, Facet::Plain];
/// Which device; where it is not known, the session on it that is named beside it.
const DEVICE: &[Facet] = &[Facet::Device, Facet::Session, Facet::Plain];

impl Stop {
    const fn new(reason: Reason, mark: Mark, basis: Basis, how: How, cascade: Cascade) -> Self {
        Self { reason, mark, effect: Effect::Deny, basis, how, cascade, aims: &[], unsaid: false }
    }

    const fn at(self, aims: &'static [Facet]) -> Self {
        Self { aims, ..self }
    }

    const fn suspending(self) -> Self {
        Self { effect: Effect::Suspend, ..self }
    }

    /// The revocation of sessions, by a person or by anybody else.
    fn sessions(reason: Reason, by_user: bool) -> Self {
        let how = if by_user { How::LoggedOut } else { How::Revoked };
        Self::new(reason, Mark::ByRole, Basis::Issued, how, Cascade::Sessions { by_user })
    }

    /// An operator's kill: a hold that only a lift takes back.
    pub fn kill() -> Self {
        Self::new(Reason::Killed, Mark::Hold, Basis::Killed, How::Killed, Cascade::Everything)
    }

    /// A run is done, or an agent with all its runs; the agent itself may run again.
    pub fn complete(of_agent: bool) -> Self {
        let mark = if of_agent { Mark::BelowOnly } else { Mark::Hold };
        Self::new(Reason::RunCompleted, mark, Basis::Ended, How::Completed, Cascade::Everything)
    }

    /// A run's deadline passed.
    pub fn deadline() -> Self {
        Self::new(Reason::DeadlinePassed, Mark::Hold, Basis::Ended, How::Deadline, Cascade::Everything)
    }

    /// The plan once it is known whom the subject names.
    pub fn settled(self, resolved: &Resolved) -> Self {
        if self.unsaid && resolved.role() == Facet::Session {
            return Self { unsaid: false, ..Self::sessions(Reason::UserLogout, true) };
        }
        self
    }

    /// How far to walk from what the subject was resolved to.
    pub fn reach(&self, resolved: &Resolved) -> Reach {
        match (self.settled(resolved).cascade, resolved.role()) {
            (Cascade::No, _) => Reach::Nothing,
            (Cascade::Everything, _) => Reach::Everything,
            (Cascade::Sessions { by_user }, Facet::Session | Facet::Device) => {
                let unbound = !by_user && resolved.role() == Facet::Session;
                Reach::Sessions { unattended: !by_user, unbound }
            }
            // A person who logs out without naming a session leaves a record of kind `user` only.
            (Cascade::Sessions { by_user: true }, Facet::User | Facet::Plain) => Reach::Nothing,
            (Cascade::Sessions { .. }, _) => Reach::Everything,
        }
    }

    /// Whether the person did it.
    pub fn is_by_user(&self) -> bool {
        self.cascade == Cascade::Sessions { by_user: true }
    }
}

impl Lift {
    /// An operator takes a kill back.
    pub fn kill() -> Self {
        Self { reason: Reason::Lifted, basis: Basis::Killed, how: How::Killed, aims: &[] }
    }
}

/// What an event leads to. `all_sessions`: a dialect says "every session of this user, by an admin", whatever
/// the event says itself. `source`: the strongest effect its sender may cause.
pub fn plan(event: &Event, sub_id: &SubId, all_sessions: bool, source: Strength) -> Plan {
    let plan = of_type(event, sub_id, all_sessions);
    match plan {
        Plan::Stop(_) | Plan::Lift(_) if source < Strength::Contain => Plan::Nothing(Reason::BeyondStrength),
        plan => plan,
    }
}

fn of_type(event: &Event, sub_id: &SubId, all_sessions: bool) -> Plan {
    use EventType as T;
    match &event.event_type {
        T::SessionRevoked | T::SessionsRevoked => Plan::Stop(sessions_revoked(event, sub_id, all_sessions)),
        T::CredentialChange => match event.payload {
            Payload::CredentialChange { change_type: ChangeType::Revoke | ChangeType::Delete, .. } => {
                watermark(Reason::CredentialChanged, Cascade::No)
            }
            _ => Plan::Nothing(Reason::CredentialRecorded),
        },
        T::CredentialCompromise => watermark(Reason::CredentialCompromised, Cascade::Everything),
        T::TokenClaimsChange => Plan::Stop(outdated(Reason::ClaimsChanged)),
        T::AccountCredentialChangeRequired => {
            Plan::Stop(outdated(Reason::CredentialChangeRequired).at(PRINCIPAL))
        }
        T::DeviceComplianceChange => device(event, sub_id),
        T::AccountDisabled => Plan::Stop(disabled(event)),
        T::AccountEnabled => Plan::Lift(account_enabled()),
        T::AccountPurged => Plan::Stop(purged()),
        T::IdentifierChanged => at_event(Reason::IdentifierChanged),
        T::IdentifierRecycled => at_event(Reason::IdentifierRecycled),
        T::RiskLevelChange => Plan::Nothing(Reason::RiskRecorded),
        T::AssuranceLevelChange => Plan::Nothing(Reason::AssuranceRecorded),
        T::Verification | T::StreamUpdated => Plan::Nothing(Reason::ControlEvent),
        T::SessionEstablished
        | T::SessionPresented
        | T::OptIn
        | T::OptOutInitiated
        | T::OptOutCancelled
        | T::OptOutEffective
        | T::RecoveryActivated
        | T::RecoveryInformationChanged => Plan::Nothing(Reason::Recorded),
        T::Other(uri) => other(uri),
    }
}

/// RFC 9967: SCIM's provisioning events are lineage changes and stops at once.
fn other(uri: &str) -> Plan {
    let name = uri.strip_prefix("urn:ietf:params:scim:event:prov:").unwrap_or_default();
    match name {
        "deactivate" => Plan::Stop(account_disabled()),
        "activate" => Plan::Lift(account_enabled()),
        "delete" => Plan::Stop(purged()),
        _ => Plan::Nothing(Reason::UnknownEvent),
    }
}

/// A missing `initiating_entity` reads as `user` where the subject names a session, else as `system`.
fn sessions_revoked(event: &Event, sub_id: &SubId, all_sessions: bool) -> Stop {
    if all_sessions {
        return Stop { aims: PRINCIPAL, ..Stop::sessions(Reason::SessionsRevoked, false) };
    }
    let session = sub_id.member("session").is_some();
    let by_user = match &event.common.initiating_entity {
        Some(entity) => *entity == InitiatingEntity::User,
        None => session && event.event_type == EventType::SessionRevoked,
    };
    let reason = match (by_user, session) {
        (true, _) => Reason::UserLogout,
        (false, true) => Reason::SessionRevoked,
        (false, false) => Reason::SessionsRevoked,
    };
    // RISC's event means all sessions, whatever its subject turns out to be.
    let unsaid = event.common.initiating_entity.is_none() && event.event_type == EventType::SessionRevoked;
    Stop { unsaid, ..Stop::sessions(reason, by_user) }
}

fn watermark(reason: Reason, cascade: Cascade) -> Plan {
    Plan::Stop(Stop::new(reason, Mark::Watermark, Basis::Issued, How::Revoked, cascade).at(PRINCIPAL))
}

fn at_event(reason: Reason) -> Plan {
    Plan::Stop(Stop::new(reason, Mark::AtEvent, Basis::Issued, How::Revoked, Cascade::No))
}

/// What was issued before is suspended; nothing lifts it, for what is minted anew passes.
fn outdated(reason: Reason) -> Stop {
    Stop::new(reason, Mark::Watermark, Basis::Outdated, How::Suspended, Cascade::No).suspending()
}

fn device(event: &Event, sub_id: &SubId) -> Plan {
    let named = matches!(sub_id, SubId::Simple(_)) || sub_id.member("device").is_some();
    match event.payload {
        _ if !named => Plan::Nothing(Reason::NoDevice),
        Payload::DeviceComplianceChange { current_status: Compliance::NotCompliant, .. } => {
            let (reason, basis) = (Reason::DeviceNotCompliant, Basis::Suspended);
            let stop = Stop::new(reason, Mark::Hold, basis, How::Suspended, Cascade::Everything);
            Plan::Stop(stop.suspending().at(DEVICE))
        }
        _ => Plan::Lift(Lift {
            reason: Reason::DeviceCompliant,
            basis: Basis::Suspended,
            how: How::Suspended,
            aims: DEVICE,
        }),
    }
}

fn disabled(event: &Event) -> Stop {
    match event.payload {
        Payload::AccountDisabled { reason: Some(AccountDisabledReason::Hijacking) } => {
            Stop { reason: Reason::AccountHijacked, ..Stop::kill() }.at(PRINCIPAL)
        }
        _ => account_disabled(),
    }
}

fn account_disabled() -> Stop {
    let (reason, basis) = (Reason::AccountDisabled, Basis::Disabled);
    Stop::new(reason, Mark::Hold, basis, How::Disabled, Cascade::Everything).at(PRINCIPAL)
}

fn account_enabled() -> Lift {
    let (reason, basis) = (Reason::AccountEnabled, Basis::Disabled);
    Lift { reason, basis, how: How::Disabled, aims: PRINCIPAL }
}

fn purged() -> Stop {
    Stop::new(Reason::AccountPurged, Mark::Hold, Basis::Ended, How::Revoked, Cascade::Everything)
        .at(PRINCIPAL)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
