//! Deliveries: what is owed is sent to receivers that remember every name.

use std::sync::Arc;

use ssf_hub::hub::effect::{Claims, Item};
use ssf_hub::hub::entry::{Fate, Outcome, Route};
use ssf_hub::stream::{Stream, StreamNo};
use ssf_hub::tenant::TenantId;
use ssf_hub::transmitter::issue;

use crate::fail::{Failure, ensure};
use crate::model::Named;
use crate::op::How;
use crate::sink::Owed;
use crate::words::{TENANTS, mark, number, tenant};
use crate::world::World;

/// Most rounds in which everything owed must be delivered.
const ROUNDS: usize = 20;

impl World {
    /// Sends one thing that is owed.
    pub fn deliver(&mut self, of: u8, pick: u16, how: How) -> Result<(), Failure> {
        let owed: Vec<Owed> = {
            let told = self.life.sink.told();
            told.owed.keys().filter(|(t, ..)| *t == tenant(of)).cloned().collect()
        };
        let Some(one) = owed.get(usize::from(pick) % owed.len().max(1)) else { return Ok(()) };
        self.count(match how {
            How::Acknowledged => "delivered",
            How::AnswerLost => "answer lost",
            How::GaveUp => "gave up",
        });
        if how != How::GaveUp {
            self.receive(one)?;
        } else {
            self.model.gave_up.insert((of, one.1.0, one.2));
        }
        let (fate, why) = match how {
            How::AnswerLost => return Ok(()),
            How::Acknowledged => (Fate::Delivered, None),
            How::GaveUp => (Fate::GaveUp, Some("410".into())),
        };
        self.outcomes.push((tenant(of), Outcome(one.1, one.2.seq, one.2.index, fate, why)));
        Ok(())
    }

    /// The receiver of a stream gets something.
    fn receive(&mut self, (tenant, no, item): &Owed) -> Result<(), Failure> {
        let (stream, claims): (Arc<Stream>, Arc<Claims>) = {
            let told = self.life.sink.told();
            let key = (tenant.clone(), *no, *item);
            (told.streams[&(tenant.clone(), *no)].clone(), told.owed[&key].clone())
        };
        let of = number(tenant).expect("nothing is owed in _hub");
        if stream.relay {
            return self.relayed(of, (tenant, *no, *item));
        }
        let aud = stream.aud_json();
        let jti = issue::jti(&self.issuer.name(tenant, *item, &aud));
        let Claims { uri, sub_id, event, txn, iat, .. } = &*claims;
        let content = format!("{uri} {sub_id} {event} {txn} {iat}");
        for other in (0..TENANTS.len() as u8).filter(|n| *n != of) {
            let leaks = content.contains(&mark(other))
                || content.contains(&format!("\"{}\"", TENANTS[usize::from(other)]));
            ensure!(
                !leaks,
                "tenant",
                "{tenant} sends what belongs to {}: {content}",
                TENANTS[usize::from(other)]
            );
        }
        ensure!(item.index > 0 || content.contains(&mark(of)), "tenant", "{tenant}:{item:?} says {content}");
        self.model.receive(jti, Named { tenant: of, item: *item, aud, content }, no.0, &claims)
    }

    /// The receiver of a relay stream gets the original, byte for byte as it came in.
    fn relayed(&mut self, of: u8, (tenant, no, item): (&TenantId, StreamNo, Item)) -> Result<(), Failure> {
        let held = self.life.sink.told().originals.get(&(tenant.clone(), item)).cloned();
        let Some(held) = held else {
            return crate::fail::failure(
                "relay",
                format!("{tenant}:{item:?} is owed and its original is not held"),
            );
        };
        let same = self.model.originals.get(&(of, held.jti.clone()));
        let fine = item.index == 0 && same.is_some_and(|all| all.contains(&held.compact));
        ensure!(fine, "relay", "{tenant}:{item:?}: {} was never sent like this", held.jti);
        self.model.got.insert((of, no.0, item));
        self.count("relayed");
        Ok(())
    }

    /// Whatever the outbox holds goes out, and no answer comes back.
    pub fn send_all_owed(&mut self) -> Result<(), Failure> {
        let owed: Vec<Owed> = self.life.sink.told().owed.keys().cloned().collect();
        owed.iter().try_for_each(|one| self.receive(one))
    }

    /// Delivers and acknowledges until nothing is owed.
    pub fn drain(&mut self) -> Result<(), Failure> {
        for _ in 0..ROUNDS {
            let owed: Vec<Owed> = self.life.sink.told().owed.keys().cloned().collect();
            if owed.is_empty() {
                return Ok(());
            }
            for one in owed {
                self.receive(&one)?;
                self.outcomes.push((one.0, Outcome(one.1, one.2.seq, one.2.index, Fate::Delivered, None)));
            }
            self.batch(&[])?;
        }
        let left = self.life.sink.told().owed.len();
        ensure!(left == 0, "owed", "{left} deliveries do not end");
        Ok(())
    }

    /// What was acknowledged was delivered, at the very end.
    pub fn all_delivered(&self, ledger: &crate::ledger::Ledger) -> Result<(), Failure> {
        for (origin, ack) in &self.model.sets {
            let account = &ledger.accounts[&tenant(origin.0)];
            let key = (origin.1.clone(), origin.2.clone());
            for (seq, ..) in account.sets.get(&key).into_iter().flatten() {
                let item = ssf_hub::hub::effect::Item { seq: *seq, index: 0 };
                for (no, stream) in account.matched.get(&item).into_iter().flatten() {
                    let one = (origin.0, *no, item);
                    let fine = self.model.got.contains(&one)
                        || self.model.gave_up.contains(&one)
                        || account.dropped.contains(&(*no, item));
                    ensure!(fine, "undelivered", "{origin:?} never came to {}", stream.stream_id);
                }
            }
            ensure!(ack.route != Some(Route::Forward) || ack.seq.is_some(), "undelivered", "{origin:?}");
        }
        Ok(())
    }
}
