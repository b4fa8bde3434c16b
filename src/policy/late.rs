//! Stops that came before the facts: what stands under a name of somebody who was not known then.
//!
//! In the flow: `hub::late` asks behind each fact. A hold on any of his names counts as an end of the node itself
//! ([`how_of`]); and where a fact joins names, what stands under one of them is put under all ([`linked`]), so that
//! a token that carries another name of the same principal does not pass. Takes nothing back.

use super::conclusion::{Conclusion, Context};
use super::keys::is_of;
use super::reason::Reason;
use crate::lineage::affected::Affected;
use crate::lineage::keyed::{KeyHash, Named};
use crate::lineage::node::{Class, How, NodeId};
use crate::lineage::subject::facet_of;
use crate::revocation::key::{Kind, kinds_of};
use crate::revocation::record::{Basis, Record, Standing, Until};

/// How whoever bears a name has ended, by a hold that stands under it. A watermark ends nobody, and what waits for a
/// human's answer is short and stands under the root run's own key.
pub fn how_of(standing: &Standing) -> Option<How> {
    match (standing.until, standing.basis) {
        (Until::Watermark(_), _) | (_, Basis::Issued | Basis::Outdated | Basis::Pending) => None,
        (Until::Hold, Basis::LoggedOut) => Some(How::LoggedOut),
        (Until::Hold, Basis::Ended) => Some(How::Revoked),
        (Until::Hold, Basis::Disabled) => Some(How::Disabled),
        (Until::Hold, Basis::Suspended) => Some(How::Suspended),
        (Until::Hold, Basis::Killed) => Some(How::Killed),
    }
}

/// A principal whose names a fact may have joined: what stands under one of them, under all. `ended`: how it ended
/// already.
pub fn linked<'s>(
    (node, class): (NodeId, Class),
    names: &[Named],
    ended: &[How],
    context: &Context<'_>,
    standing: impl Fn(KeyHash) -> &'s [Standing],
) -> Conclusion {
    let mut out = Conclusion::new(Reason::BornRevoked, &Affected::default());
    let keys = |named: &'_ Named| -> Vec<(Kind, KeyHash)> {
        kinds_of(&named.alias).iter().copied().zip(named.hashes.iter().copied()).collect()
    };
    let all: Vec<(Kind, KeyHash)> = names.iter().flat_map(keys).collect();
    let role = facet_of(class);
    let own = |named: &Named| {
        let of_role = |(kind, _): &(Kind, KeyHash)| is_of(role, *kind, &named.alias.kind, true);
        keys(named).into_iter().filter(of_role).collect::<Vec<_>>()
    };
    let of_role: Vec<(Kind, KeyHash)> = names.iter().flat_map(own).collect();
    for (kind, key) in &all {
        for stands in standing(*key) {
            let under: Vec<(Kind, KeyHash)> = match how_of(stands) {
                Some(how) => {
                    if !ended.contains(&how) && !out.ends.contains(&(node, how)) {
                        out.ends.push((node, how));
                    }
                    of_role.clone()
                }
                // A watermark on a user who logged out is none on what acts for him: each kind for itself.
                None if spreads(stands) => all.iter().filter(|(other, _)| other == kind).copied().collect(),
                None => vec![],
            };
            for (kind, key) in under {
                let record = Record {
                    kind,
                    key,
                    until: stands.until,
                    effect: stands.effect,
                    basis: stands.basis,
                    reason_code: stands.reason_code.clone(),
                    expires_at: stands.expires_at,
                };
                let covered = standing(key).iter().any(|s| s.basis == record.basis && s.covers(&record));
                if !covered && !out.records.contains(&record) && out.records.len() < context.records_max {
                    out.records.push(record);
                }
            }
        }
    }
    out
}

/// Whether a watermark is about the principal, not about one of his names alone.
fn spreads(standing: &Standing) -> bool {
    let of_name = [Reason::IdentifierChanged, Reason::IdentifierRecycled].map(Reason::code);
    matches!(standing.until, Until::Watermark(_)) && !of_name.contains(&standing.reason_code.as_str())
}
