//! The promises, checked: a few after each step, all of them at every start.

use std::sync::Arc;

use ssf_hub::hub::effect::Item;
use ssf_hub::hub::entry::Fate;
use ssf_hub::hub::start::{self, From, States};
use ssf_hub::hub::state::SEEN_WINDOW_MS;
use ssf_hub::journal::sim::SimDisk;
use ssf_hub::journal::verify::verify;
use ssf_hub::journal::{Position, Reader};
use ssf_hub::lineage::keyed::KeyHash;
use ssf_hub::revocation::record::{Basis, Standing, Until};

use crate::fail::{Failure, ensure, failure};
use crate::ledger::{Ledger, Said, set_print};
use crate::mirror::SimSeal;
use crate::model::Expect;
use crate::words::{Who, keys_of, number, tenant};
use crate::world::World;

fn holds(standing: &[Standing], basis: Basis) -> bool {
    standing.iter().any(|s| s.basis == basis && s.until == Until::Hold)
}

impl World {
    /// After each step: what was handed out is what the state holds, and what must stop stops.
    pub fn check_cheaply(&mut self) -> Result<(), Failure> {
        self.count_opts();
        let (told, spine) = (self.life.sink.told(), &self.life.spine);
        if let Some(wrong) = &told.wrong {
            return failure("sink", wrong.clone());
        }
        ensure!(
            told.durable == spine.journal().end(),
            "sink",
            "the durable mark lags behind a finished batch"
        );
        ensure!(!spine.leapt() || self.life.leapt, "clock", "a leap is seen where the clock only went on");
        for (tenant, state) in spine.states() {
            let owed: Vec<_> = state.owed().map(|(no, item, _)| (tenant.clone(), no, item)).collect();
            let handed = told.owed.keys().filter(|(of, ..)| of == tenant);
            ensure!(handed.eq(&owed), "owed", "{tenant}: the outbox does not hold what is owed");
            let Some(set) = told.sets.get(tenant) else { continue };
            let mut standing = 0;
            for (key, _, list) in state.standings().filter(|(.., list)| !list.is_empty()) {
                ensure!(set.view().standing(key) == list, "gate", "{tenant}: the gate holds another record");
                standing += 1;
            }
            ensure!(
                set.len() == standing,
                "gate",
                "{tenant}: the gate holds {} keys, not {standing}",
                set.len()
            );
        }
        drop(told);
        self.check_holds()
    }

    fn count_opts(&mut self) {
        let mut told = self.life.sink.told();
        let (withheld, undefined) = (std::mem::take(&mut told.withheld), std::mem::take(&mut told.undefined));
        drop(told);
        (0..withheld).for_each(|_| self.count("withheld"));
        (0..undefined).for_each(|_| self.count("word out of turn"));
    }

    /// What was stopped and answered stays stopped, at the gate and in the state, until it was given back.
    fn check_holds(&self) -> Result<(), Failure> {
        let (told, now_ms) = (self.life.sink.told(), self.now_ms());
        for ((of, key, basis), expect) in &self.model.holds {
            let (tenant, want) = (tenant(*of), *expect);
            let state = self.life.spine.state(&tenant).map_or(&[][..], |state| state.standing(*key));
            let view = told.sets[&tenant].view();
            for (place, standing) in [("state", state), ("gate", view.standing(*key))] {
                let held = holds(standing, *basis);
                let wrong = match want {
                    Expect::Held(until) => !held && until.is_none_or(|until| now_ms < until),
                    Expect::Free => held,
                };
                ensure!(
                    !wrong,
                    "kill",
                    "{tenant}: {} should be {want:?} on {basis:?}; in the {place} stands {standing:?}",
                    shown(*of, *key)
                );
            }
        }
        for ((of, token), (_, exp_ms)) in &self.model.tokens {
            if now_ms >= *exp_ms {
                continue;
            }
            let stopped = self.model.above(*of, *token).into_iter().find(|who| {
                let at = |basis| self.model.holds.get(&(*of, who.key(*of), basis)).copied();
                at(Basis::Killed) == Some(Expect::Held(None))
            });
            let Some(stopped) = stopped else { continue };
            let view = told.sets[&tenant(*of)].view();
            let own = Who::Token(*token).key(*of);
            let lineage = view.lineage(own).map_or(&[][..], |lineage| &lineage.keys);
            let mut keys = lineage.iter().map(|(_, key)| *key).chain([own]);
            let caught = keys.any(|key| view.standing(key).iter().any(|s| s.catches(i64::MAX)));
            ensure!(
                caught,
                "gate",
                "{}: token {token} passes below {stopped:?}, which is killed",
                tenant(*of)
            );
        }
        Ok(())
    }

    /// At every start: journal, folds, acknowledgements, deliveries, tenants.
    pub fn check_everything(&mut self) -> Result<(), Failure> {
        let read = self.check_lost()?;
        self.check_rest(read)
    }

    /// What was acknowledged is there.
    pub fn check_lost(&self) -> Result<(Ledger, States), Failure> {
        let read = self.enter_all(Arc::new(self.disk.fork()))?;
        self.check_acknowledged(&read.0)?;
        Ok(read)
    }

    /// All the other promises.
    pub fn check_rest(&mut self, (ledger, states): (Ledger, States)) -> Result<(), Failure> {
        self.check_cheaply()?;
        let disk = Arc::new(self.disk.fork());
        let verified = verify(&*disk, &self.heads);
        let report = verified.map_err(|e| Failure { code: "verify", what: e.to_string() })?;
        ensure!(report.heads_agreed == self.heads.len(), "verify", "signed heads are not in the chain");
        self.same_as_live("the fold from zero", &states)?;
        self.other_folds(disk)?;
        self.check_owed(&ledger)?;
        self.check_tenants()?;
        self.sign_heads();
        self.count("everything checked");
        Ok(())
    }

    fn enter_all(&self, disk: Arc<SimDisk>) -> Result<(Ledger, States), Failure> {
        let broken = |e: &dyn std::fmt::Display| Failure { code: "read", what: e.to_string() };
        let mut reader = Reader::open(disk).map_err(|e| broken(&e))?;
        let (mut ledger, mut states) = (Ledger::default(), start::empty());
        for batch in reader.batches(Position::OLDEST).map_err(|e| broken(&e))? {
            for entry in batch.map_err(|e| broken(&e))?.entries {
                let (tenant, seq, time_ms) = (entry.tenant.clone(), entry.seq, entry.time_ms);
                let body = start::fold_one(&mut states, entry).map_err(|e| broken(&e))?;
                ledger.enter(&tenant, seq, time_ms, &body)?;
            }
        }
        Ok((ledger, states))
    }

    fn same_as_live(&self, what: &str, states: &States) -> Result<(), Failure> {
        let live = self.digests();
        ensure!(states.keys().eq(live.keys()), "digest", "{what} has other tenants");
        for (tenant, state) in states {
            ensure!(
                state.digest() == live[tenant],
                "digest",
                "{what} of {tenant} differs from the live state"
            );
        }
        Ok(())
    }

    /// Mirror and tail, every base and tail: the same state, byte for byte.
    fn other_folds(&mut self, disk: Arc<SimDisk>) -> Result<(), Failure> {
        let (id, end) = (self.life.spine.journal().id(), self.life.spine.journal().end());
        let broken = |e: start::Error| Failure { code: "fold", what: e.to_string() };
        let mut reader = Reader::open(disk).map_err(|e| broken(e.into()))?;
        if let Some((states, position)) = self.mirror.states(id, end) {
            let begun = (states, position, From::Mirror);
            let loaded = start::load_from(&mut reader, begun).map_err(broken)?;
            self.same_as_live("mirror and tail", &loaded.states)?;
            self.count("mirror and tail folded");
        }
        let bases = self.bases.fork();
        for name in ssf_hub::hub::base::names(&bases).map_err(|e| broken(e.into()))? {
            let read = ssf_hub::hub::base::read(&bases, &SimSeal, &name);
            let (header, states) = read.map_err(|e| Failure { code: "base", what: e.to_string() })?;
            let begun = (states, header.position, From::Base(name.clone()));
            let loaded = start::load_from(&mut reader, begun).map_err(broken)?;
            self.same_as_live(&format!("{name} and tail"), &loaded.states)?;
            self.count("base and tail folded");
        }
        Ok(())
    }

    /// Every input that was acknowledged is in the journal, once, and says what it said.
    fn check_acknowledged(&self, ledger: &Ledger) -> Result<(), Failure> {
        for (origin, ack) in &self.model.sets {
            let account = ledger.accounts.get(&tenant(origin.0)).ok_or_else(|| Failure {
                code: "lost",
                what: format!("SET {origin:?} got its 202, and of its tenant nothing is in the journal"),
            })?;
            let taken = account.sets.get(&(origin.1.clone(), origin.2.clone()));
            let same = taken.into_iter().flatten().find(|(_, _, payload)| *payload == ack.payload);
            ensure!(same.is_some(), "lost", "SET {origin:?} got its 202 and is not in the journal");
            let Some(seq) = ack.seq else { continue };
            let item = Item { seq, index: 0 };
            let matched = account.matched.get(&item);
            for n in &ack.must {
                let id = crate::facts::stream_id(*n);
                let told = matched.is_some_and(|all| all.iter().any(|(_, stream)| stream.stream_id == id));
                ensure!(told, "unmatched", "SET {origin:?} is not owed to {id}, which wants it");
            }
            let print = set_print(&origin.1, &origin.2, ack.payload);
            ensure!(account.entries.get(&seq) == Some(&print), "lost", "SET {origin:?} is not at {seq}");
        }
        for (id, print) in &self.model.entries {
            let found = ledger.accounts.get(&id.tenant).and_then(|account| account.entries.get(&id.seq));
            ensure!(found.is_some(), "lost", "{id} was acknowledged and is not in the journal");
            ensure!(found == Some(print), "lost", "{id} was acknowledged and now says something else");
        }
        for (tenant, account) in &ledger.accounts {
            for (key, taken) in &account.sets {
                let twice = taken.windows(2).find(|two| two[1].1 - two[0].1 < SEEN_WINDOW_MS);
                ensure!(twice.is_none(), "duplicate", "{tenant}: SET {key:?} was taken twice: {twice:?}");
            }
        }
        Ok(())
    }

    /// What the state owes is what the journal says; what receivers got is in the journal, word for word.
    fn check_owed(&self, ledger: &Ledger) -> Result<(), Failure> {
        for (tenant, state) in self.life.spine.states() {
            let Some(account) = ledger.accounts.get(tenant) else { continue };
            let owed: Vec<_> = state.owed().map(|(no, item, _)| (no.0, item)).collect();
            ensure!(account.owed.iter().eq(&owed), "owed", "{tenant} owes {owed:?}, not {:?}", account.owed);
            let dead: Vec<_> = state.dead_letters().map(|(no, item, _)| (no.0, item)).collect();
            ensure!(
                account.dead.iter().eq(&dead),
                "owed",
                "{tenant}: dead letters {dead:?}, not {:?}",
                account.dead
            );
            let of = number(tenant);
            for ((no, item), fate) in &account.ended {
                let one = (of.unwrap_or(9), *no, *item);
                let real = match fate {
                    Fate::Delivered => self.model.got.contains(&one),
                    Fate::GaveUp => self.model.gave_up.contains(&one),
                };
                ensure!(real, "outcome", "{tenant}: {item:?} on {no} never came to this end");
            }
        }
        for (jti, named) in &self.model.named {
            let said = ledger.accounts[&tenant(named.tenant)].said.get(&named.item);
            let same = said.is_some_and(|Said { uri, sub_id, event, txn }| {
                named.content.starts_with(&format!("{uri} {sub_id} {event} {txn} "))
            });
            ensure!(same, "early", "{jti} was sent as {named:?}, and the journal has {said:?}");
        }
        Ok(())
    }

    /// Records of a tenant stand under its own keys only, and its names carry its own hashes.
    fn check_tenants(&self) -> Result<(), Failure> {
        for (tenant, state) in self.life.spine.states() {
            let Some(of) = number(tenant) else { continue };
            let foreign = state.standings().find(|(key, ..)| !keys_of(of).contains(key));
            ensure!(foreign.is_none(), "tenant", "{tenant} holds a record under a foreign key: {foreign:?}");
        }
        Ok(())
    }

    /// The accounts of the journal as it is.
    pub fn ledger(&self) -> Result<Ledger, Failure> {
        Ok(self.enter_all(Arc::new(self.disk.fork()))?.0)
    }
}

fn shown(of: u8, key: KeyHash) -> String {
    let who = Who::all().find(|who| who.key(of) == key);
    format!("{who:?}")
}
