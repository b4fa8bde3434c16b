//! What happens because its time has come: deadlines, expired records, what is forgotten.
//!
//! Due timers fire first, by the entry's time, at most so many for one entry.

use crate::hub::effect::Effect;
use crate::hub::state::{State, Timer, expiries_of};
use crate::lineage::node::{Class, NodeId};
use crate::revocation::key::{KeyHash, Kind};
use crate::revocation::record::Standing;

/// Most timers that one entry fires; the rest wait for the next entry.
const TIMERS_PER_ENTRY: usize = 10_000;
/// How long an expired token, or a run whose last token is dead, stays in memory; and when what could not be
/// forgotten is looked at again (ms).
pub(super) const GRACE_MS: i64 = 3_600_000;

impl State {
    pub(super) fn fire(&mut self, now_ms: i64, fx: &mut Vec<Effect>) {
        for (at_ms, timer) in self.due(now_ms) {
            match timer {
                Timer::Expiry(hash) => self.expire(hash, now_ms, fx),
                Timer::Deadline(_) => drop(self.timers.remove(&(at_ms, timer))),
                Timer::Forget(node) => {
                    self.timers.remove(&(at_ms, timer));
                    self.forget(node, now_ms, fx);
                }
                Timer::Stop(stream) => {
                    self.timers.remove(&(at_ms, timer));
                    self.stop_due(stream, now_ms, fx);
                }
                Timer::Leave(stream, subject) => {
                    self.timers.remove(&(at_ms, timer));
                    self.grace_over(stream, subject, now_ms);
                }
            }
        }
    }

    /// What is due, in order, as much as one entry fires.
    fn due(&self, now_ms: i64) -> Vec<(i64, Timer)> {
        let rows = self.timers.iter().map(|(key, ())| key).take_while(|(at, _)| *at <= now_ms);
        let rows = rows.filter(|key| !self.waits_for_decision(key)).take(TIMERS_PER_ENTRY).cloned();
        let expiries = self.expiries.iter().take_while(|(at, _)| *at <= now_ms).take(TIMERS_PER_ENTRY);
        let mut due: Vec<_> = rows.chain(expiries.map(|(at, key)| (*at, Timer::Expiry(*key)))).collect();
        due.sort();
        due.truncate(TIMERS_PER_ENTRY);
        due
    }

    /// A deadline ends a run by a decision, so that it stands in the journal like any other end. One that was cut
    /// short since, or whose run is over or gone, needs none.
    pub(super) fn waits_for_decision(&self, (at, timer): &(i64, Timer)) -> bool {
        let Timer::Deadline(node) = timer else { return false };
        self.graph.lasts_until_ms(*node) == Some(*at) && self.graph.node(*node).is_some_and(|n| !n.is_over())
    }

    /// Forgets a node that is over for good. What still has something below it is looked at again later.
    pub(super) fn forget(&mut self, node: NodeId, now_ms: i64, fx: &mut Vec<Effect>) {
        let key = self.jti_key(node);
        if self.graph.forget(node, now_ms) {
            fx.extend(key.map(|key| Effect::Token { key, lineage: None }));
        } else if self.graph.node(node).is_some() {
            self.timers.insert((now_ms.saturating_add(GRACE_MS), Timer::Forget(node)), ());
        }
    }

    /// Runs whose deadline has passed, oldest first, at most `max`.
    pub(in crate::hub) fn overdue(&self, now_ms: i64, max: usize) -> Vec<NodeId> {
        let due = self.timers.iter().map(|(k, ())| k).take_while(|(at, _)| *at <= now_ms);
        let runs = due.filter_map(|(_, timer)| match timer {
            Timer::Deadline(node) => Some(*node),
            _ => None,
        });
        runs.take(max).collect()
    }

    /// A run is forgotten once its last token is dead by itself: until then a token told late must find it over.
    pub(super) fn forget_later(&mut self, node: NodeId, last_ms: i64) {
        if self.graph.node(node).is_some_and(|n| n.class == Class::Run) {
            let at_ms = last_ms.saturating_add(self.longest_token_ms()).saturating_add(GRACE_MS);
            self.timers.insert((at_ms, Timer::Forget(node)), ());
        }
    }

    pub(super) fn expire(&mut self, key: KeyHash, now_ms: i64, fx: &mut Vec<Effect>) {
        let Some((kind, mut list)) = self.take_standing(key) else { return };
        list.retain(|s| s.expires_at.is_none_or(|at| at > now_ms));
        fx.push(Effect::Standing { key, standing: list.clone() });
        if !list.is_empty() {
            self.put_standing(key, kind, list);
        }
    }

    /// Takes away what stands under a key, and when it expires.
    pub(super) fn take_standing(&mut self, key: KeyHash) -> Option<(Kind, Vec<Standing>)> {
        let taken = self.standing.remove(&key)?;
        for expiry in expiries_of(key, &taken.1) {
            self.expiries.remove(&expiry);
        }
        Some(taken)
    }

    /// Puts what stands under a key, of which nothing stood.
    pub(super) fn put_standing(&mut self, key: KeyHash, kind: Kind, list: Vec<Standing>) {
        self.expiries.extend(expiries_of(key, &list));
        self.standing.insert(key, (kind, list));
    }
}
