//! What the opt events do to the state, and which events are withheld by it (RISC 2.8).
//!
//! An account is every name that the subject says and every other that lineage knows of who bears it: who is out by one
//! of them is out. What was owed before stays owed: the order of the journal decides. Lineage is not asked to spare
//! anybody: runs and tokens stop as ever, and the events about that are CAEP's.

use std::collections::BTreeSet;

use super::owe::Came;
use crate::hub::accounts::{self, Opted, Renamed, Word};
use crate::hub::effect::Effect;
use crate::hub::state::State;
use crate::lineage::alias::Alias;
use crate::revocation::key::KeyHash;
use crate::tenant::Seq;

/// An accepted event, as far as it can change an account's state.
pub(super) struct Heard<'a> {
    /// Its entry.
    pub seq: Seq,
    /// Event type URI.
    pub uri: &'a str,
    /// `sub_id`.
    pub sub_id: &'a str,
    /// The event object.
    pub event: &'a str,
    /// Within what an opaque id is one: the SET's `iss`; empty for an operator's word.
    pub scope: &'a str,
}

impl State {
    /// The state of the account that a subject is about, and since which entry; `None` where it is about no account.
    /// `scope` as in [`accounts::said`].
    pub fn opted(&self, sub_id: &str, scope: &str) -> Option<(Opted, Option<Seq>)> {
        let said = accounts::said(sub_id, scope);
        (!said.is_empty()).then(|| self.accounts.opted(&self.heeded(&said)))
    }

    /// Every name of the account.
    fn account(&self, said: &[Alias]) -> BTreeSet<KeyHash> {
        let mut keys: BTreeSet<KeyHash> = said.iter().map(accounts::key).collect();
        for alias in said {
            let known = std::iter::once(alias).cloned().chain(accounts::also(alias));
            for id in known.filter_map(|alias| self.graph.find(&alias)) {
                if self.graph.node(id).is_some_and(|node| accounts::has_account(node.class)) {
                    keys.extend(self.graph.aliases(id).map(accounts::key));
                }
            }
        }
        keys
    }

    /// The names whose state counts for the account: what an operator says of an opaque id counts for every issuer's.
    fn heeded(&self, said: &[Alias]) -> BTreeSet<KeyHash> {
        let mut keys = self.account(said);
        keys.extend(said.iter().filter_map(accounts::unscoped).map(|alias| accounts::key(&alias)));
        keys
    }

    /// Whether an event that streams want is withheld from them, because its account has opted out.
    pub(super) fn withholds(&self, (uri, sub_id): (&str, &str), came: Came<'_>) -> bool {
        if self.accounts.is_empty() || !accounts::is_withheld_type(uri) {
            return false;
        }
        let scope = match came {
            Came::From(set) => set.iss.as_str(),
            Came::Said => "",
            // The hub's own doing, whoever opted out.
            Came::Derived => return false,
        };
        self.opted(sub_id, scope).is_some_and(|(opted, _)| opted == Opted::Out)
    }

    /// An event was accepted, and owed to whom it is for. The newest word holds, whatever the state was: what another
    /// said cannot be refused, only told.
    pub(super) fn opt(&mut self, heard: &Heard<'_>, fx: &mut Vec<Effect>) {
        let Some(word) = Word::of(heard.uri) else { return self.rename(heard) };
        let said = accounts::said(heard.sub_id, heard.scope);
        if said.is_empty() {
            return;
        }
        let (from, _) = self.accounts.opted(&self.heeded(&said));
        let to = word.to();
        if from != word.from() && from != to {
            fx.push(Effect::Undefined { seq: heard.seq, from, word });
        }
        let account = self.account(&said);
        self.accounts.put(&account, to, heard.seq);
    }

    /// A name that is somebody else's now begins anew; a new name of an account begins as the account is.
    fn rename(&mut self, heard: &Heard<'_>) {
        if self.accounts.is_empty() {
            return;
        }
        let Some(renamed) = Renamed::by(heard.uri, heard.event) else { return };
        let said = accounts::said(heard.sub_id, heard.scope);
        match renamed {
            Renamed::Recycled => {
                let keys: Vec<KeyHash> = said.iter().map(accounts::key).collect();
                self.accounts.put(&keys, Opted::In, heard.seq);
            }
            Renamed::To(new) => {
                let (opted, since) = self.accounts.opted(&self.account(&said));
                if opted != Opted::In {
                    let keys: Vec<KeyHash> = said
                        .iter()
                        .filter_map(|old| accounts::renamed(old, &new))
                        .map(|a| accounts::key(&a))
                        .collect();
                    self.accounts.put(&keys, opted, since.unwrap_or(heard.seq));
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "opting_tests.rs"]
mod tests;
