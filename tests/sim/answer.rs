//! What an answer means for what the outside world knows, and which answers may not come.

use ssf_hub::hub::command::{Done, Refused, SetAnswer};
use ssf_hub::hub::entry::{Act, Body, Route};
use ssf_hub::hub::object::{Object, ObjectKind};
use ssf_hub::revocation::record::{Basis, Until};

use crate::act::{Got, Telling, Wait};
use crate::facts::{FactWord, SHAPES, is_relay, stream, stream_id};
use crate::fail::{Failure, ensure, failure};
use crate::ledger::fingerprint;
use crate::model::{Expect, Known};
use crate::words::{By, LIFETIME_S, SetWord, What, Who, mark, named, tenant};
use crate::world::World;

/// The answer, if it came. `died`: the batch failed, so that it may be missing.
fn take<T>(got: &mut Got<T>, died: bool) -> Result<Option<Result<T, Refused>>, Failure> {
    match got.try_recv() {
        Ok(answer) => Ok(Some(answer)),
        Err(_) if died => Ok(None),
        Err(_) => failure("silent", "a batch is done and a command was not answered"),
    }
}

impl World {
    /// Takes an answer in. Tells whether the command may have changed something.
    pub fn answer(&mut self, wait: Wait, died: bool) -> Result<bool, Failure> {
        match wait {
            Wait::Set(mut sent, word, mut got) => {
                let answer = take(&mut got, died)?;
                sent.must = self.model.wanting(sent.origin.0, &sent.uri);
                let (of, now_ms) = (sent.origin.0, self.now_ms());
                let took = match &answer {
                    Some(Ok(SetAnswer::Accepted { route, .. })) => Some(*route),
                    _ => None,
                };
                let in_doubt = answer.is_none();
                let refusable = self.refusable(answer.as_ref().and_then(|a| a.as_ref().err()));
                let what = self.model.set(sent, answer, now_ms, refusable)?;
                self.count(what);
                if let Some(word) = word {
                    self.holds_of_set(of, word, took, in_doubt);
                }
                Ok(took.is_some() || in_doubt)
            }
            Wait::Fact(telling, mut got) => {
                let answer = take(&mut got, died)?;
                self.fact(telling, answer)
            }
            Wait::Act { tenant, kill, who, mut got } => {
                let answer = take(&mut got, died)?;
                self.act(tenant, kill, who, answer)
            }
            Wait::Stream { tenant: of, stream, shape, print, mut got } => {
                let (answer, before) = (take(&mut got, died)?, self.model.streams[&(of, stream)]);
                let known = match answer {
                    None => Known::InDoubt,
                    Some(Ok(id)) => {
                        self.model.entry(id, print)?;
                        Known::Is(shape)
                    }
                    Some(Err(Refused::NoObject(_)))
                        if shape.is_none() && !matches!(before, Known::Is(Some(_))) =>
                    {
                        Known::Is(None)
                    }
                    Some(Err(other)) if self.refusable(Some(&other)) => before,
                    // A stream that relays stays one, and no other becomes one.
                    Some(Err(Refused::Unfit(_)))
                        if shape.is_some_and(|shape| match before {
                            Known::Is(Some(old)) => is_relay(old) != is_relay(shape),
                            Known::Is(None) => false,
                            Known::InDoubt => true,
                        }) =>
                    {
                        before
                    }
                    Some(Err(other)) => return failure("refused", format!("stream {stream}: {other}")),
                };
                self.model.streams.insert((of, stream), known);
                // Taking away what is not there writes nothing; nor does what was refused.
                Ok(shape.is_some() || before != Known::Is(None))
            }
            Wait::StreamAct { tenant: of, stream, mut got } => {
                let before = self.model.streams[&(of, stream)];
                match take(&mut got, died)? {
                    None => Ok(true),
                    Some(Ok(_)) => {
                        let there = before != Known::Is(None);
                        ensure!(there, "stream", "stream {stream} is none, and was changed");
                        self.count("stream status or verification");
                        Ok(true)
                    }
                    Some(Err(Refused::NoObject(_))) if !matches!(before, Known::Is(Some(_))) => Ok(false),
                    // What relays is never verified.
                    Some(Err(Refused::Unfit(_))) if !matches!(before, Known::Is(Some(shape)) if !crate::facts::is_relay(shape)) => {
                        Ok(false)
                    }
                    Some(Err(other)) => {
                        ensure!(self.refusable(Some(&other)), "refused", "stream {stream}: {other}");
                        Ok(false)
                    }
                }
            }
            Wait::Entry(print, mut got) => match (take(&mut got, died)?, print) {
                (None, _) => Ok(true),
                (Some(Ok(id)), Some(print)) => {
                    self.life.leapt = false;
                    self.model.entry(id, print)?;
                    Ok(true)
                }
                (Some(Ok(_)), None) => Ok(true),
                (Some(Err(other)), _) => {
                    ensure!(self.refusable(Some(&other)), "refused", "keys or clock: {other}");
                    Ok(false)
                }
            },
            Wait::Emit(word, mut got) => {
                let answer = take(&mut got, died)?;
                let refusable = self.refusable(answer.as_ref().and_then(|a| a.as_ref().err()));
                self.said(word, answer, refusable)
            }
            Wait::Redrive { discard, mut got } => match take(&mut got, died)? {
                None => Ok(true),
                Some(Ok(done)) => {
                    ensure!(done.id.is_some() == (done.items > 0), "redrive", "{done:?}");
                    if done.items > 0 {
                        self.count(if discard {
                            "dead letters discarded"
                        } else {
                            "dead letters sent again"
                        });
                    }
                    Ok(done.items > 0)
                }
                Some(Err(other)) => {
                    ensure!(self.refusable(Some(&other)), "refused", "redrive: {other}");
                    Ok(false)
                }
            },
            Wait::Base(mut got) => {
                let answer = take(&mut got, died)?;
                let wrong = matches!(answer, Some(Err(_))) && !self.life.troubled;
                ensure!(!wrong, "base", "a base could not be written: {answer:?}");
                self.count(if matches!(answer, Some(Ok(_))) { "base" } else { "base failed" });
                Ok(false)
            }
        }
    }

    /// Whether a refusal is one that the state of disk and clock allows.
    fn refusable(&self, refused: Option<&Refused>) -> bool {
        match refused {
            Some(Refused::DiskFull) => self.life.troubled,
            Some(Refused::ClockLeapt) => self.life.leapt,
            _ => false,
        }
    }

    fn hold(&mut self, tenant: u8, who: Who, basis: Basis, expect: Option<Expect>) {
        let key = (tenant, who.key(tenant), basis);
        match expect {
            Some(expect) => self.model.holds.insert(key, expect),
            None => self.model.holds.remove(&key),
        };
    }

    /// Until when somebody who ended is held: a token's lifetime from now, or from when he ended first, for a signal
    /// that asks for what holds already changes nothing (DESIGN 6).
    fn ended_until(&self, of: u8, who: Who, basis: Basis) -> i64 {
        let until = self.now_ms() + i64::from(LIFETIME_S) * 1000;
        let standing = self.life.spine.state(&tenant(of)).map_or(&[][..], |s| s.standing(who.key(of)));
        let held = standing.iter().find(|s| s.basis == basis && s.until == Until::Hold);
        held.and_then(|s| s.expires_at).map_or(until, |first| first.min(until))
    }

    /// What a SET that was taken leaves behind for certain.
    fn holds_of_set(&mut self, of: u8, word: SetWord, took: Option<Route>, in_doubt: bool) {
        let acts = matches!(took, Some(Route::Forward | Route::Heard)) && word.by == By::Idp;
        if !acts && !in_doubt {
            return;
        }
        let (who, basis, expect) = match word.what {
            What::Disabled(user) => (Who::User(user), Basis::Disabled, Expect::Held(None)),
            What::Enabled(user) => (Who::User(user), Basis::Disabled, Expect::Free),
            What::Logout(_, session) | What::SessionRevoked(_, session) => {
                let who = Who::Session(session);
                let logout = matches!(word.what, What::Logout(..));
                let basis = if logout { Basis::LoggedOut } else { Basis::Ended };
                (who, basis, Expect::Held(Some(self.ended_until(of, who, basis))))
            }
            _ => return,
        };
        // A hold that is there already is not made shorter by what is in doubt.
        let keeps = in_doubt && matches!(basis, Basis::Ended | Basis::LoggedOut);
        if !keeps {
            self.hold(of, who, basis, (!in_doubt).then_some(expect));
        }
    }

    fn act(
        &mut self,
        of: u8,
        kill: bool,
        who: Who,
        answer: Option<Result<Done, Refused>>,
    ) -> Result<bool, Failure> {
        let expect = match answer {
            None => None,
            Some(Ok(done)) => {
                let act = Act { by: "sim".into(), target: named(of, who.alias()), reason: mark(of) };
                let body = if kill { Body::Kill(act) } else { Body::Lift(act) };
                self.model.entry(done.id, fingerprint(&body))?;
                let closed = self.life.spine.intake().is_err();
                self.count(match (kill, closed) {
                    (true, true) => "kill while intake is closed",
                    (true, false) => "kill",
                    (false, _) => "lift",
                });
                match (kill, who) {
                    (true, _) => Some(Expect::Held(None)),
                    (false, Who::Agent(_) | Who::User(_)) => Some(Expect::Free),
                    // What stands above it may hold it as well.
                    (false, _) => None,
                }
            }
            Some(Err(Refused::DiskFull)) if self.life.troubled => {
                self.count("kill refused");
                return Ok(false);
            }
            Some(Err(other)) => return failure("refused", format!("kill or lift of {who:?}: {other}")),
        };
        if kill && expect.is_some() {
            self.model.over.insert((of, who));
        } else {
            self.model.over.remove(&(of, who));
        }
        self.hold(of, who, Basis::Killed, expect);
        Ok(true)
    }

    fn fact(&mut self, told: Telling, answer: Option<Result<Done, Refused>>) -> Result<bool, Failure> {
        let key = told.key.map(|key| (told.tenant, told.client, key));
        let before = key.and_then(|key| self.model.idempotent.get(&key).cloned());
        let other = match &before {
            Some(Known::Is((hash, _))) => *hash != told.hash(),
            _ => false,
        };
        match answer {
            None => {
                if let Some(key) = key {
                    self.model.idempotent.insert(key, Known::InDoubt);
                }
                Ok(true)
            }
            Some(Err(Refused::IdempotencyKey)) => {
                ensure!(before.is_some() && (other || before == Some(Known::InDoubt)), "refused", "{told:?}");
                self.count("idempotency key used for something else");
                Ok(false)
            }
            Some(Err(refused)) => {
                let of_facts = matches!(refused, Refused::Fact(_) | Refused::Unknown);
                ensure!(of_facts || self.refusable(Some(&refused)), "refused", "{told:?}: {refused}");
                self.count("fact refused");
                Ok(false)
            }
            Some(Ok(done)) => {
                ensure!(!other, "idempotency", "{told:?} was answered as another fact");
                if let Some(Known::Is((_, id))) = &before {
                    ensure!(done.id == *id, "idempotency", "{told:?} is {} and was {id}", done.id);
                    self.count("same idempotency key");
                    return Ok(false);
                }
                self.told(told, &done, before.is_some())
            }
        }
    }

    /// A fact that was taken, or known already. `doubtful`: it may be the repetition of one whose answer never came.
    fn told(&mut self, told: Telling, done: &Done, doubtful: bool) -> Result<bool, Failure> {
        let of = told.tenant;
        match told.fact {
            FactWord::Run { run, agent, parent, .. } => {
                self.model.runs.insert((of, run), (agent, parent));
            }
            FactWord::Token { token, run, until } => {
                let exp_ms = crate::chance::T0_MS + i64::from(until) * 1000;
                self.model.tokens.insert((of, token), (run, exp_ms));
            }
            FactWord::CompleteRun(run) if !done.no_change && !doubtful => {
                let until = self.ended_until(of, Who::Run(run), Basis::Ended);
                self.hold(of, Who::Run(run), Basis::Ended, Some(Expect::Held(Some(until))));
                self.model.over.insert((of, Who::Run(run)));
                self.count("run completed");
            }
            _ => {}
        }
        let key = told.key.map(|key| (of, told.client, key));
        if done.no_change {
            key.map(|key| self.model.idempotent.remove(&key));
            self.count("fact known already");
            return Ok(doubtful);
        }
        self.model.entry(done.id.clone(), told.print())?;
        if let Some(key) = key {
            self.model.idempotent.insert(key, Known::Is((told.hash(), done.id.clone())));
        }
        self.count("fact");
        if !doubtful {
            self.must_be_born_revoked(told, done)?;
        }
        Ok(true)
    }

    fn must_be_born_revoked(&mut self, told: Telling, done: &Done) -> Result<(), Failure> {
        let above = match told.fact {
            FactWord::Token { token, .. } => self.model.above(told.tenant, token),
            FactWord::Run { run, .. } => self.model.above_run(told.tenant, run),
            _ => return Ok(()),
        };
        if let Some(over) = above.iter().find(|who| self.model.over.contains(&(told.tenant, **who))) {
            ensure!(done.born_revoked, "born-revoked", "{told:?} is told below {over:?}, which is over");
            self.count("born revoked");
        }
        Ok(())
    }

    /// What was in doubt about streams is looked up, as an operator would.
    pub fn settle_doubt(&mut self) {
        let doubtful = self.model.streams.iter().filter(|(_, known)| **known == Known::InDoubt);
        for (of, n) in doubtful.map(|(key, _)| *key).collect::<Vec<_>>() {
            let state = self.life.spine.state(&tenant(of));
            let found = state.and_then(|state| state.object(ObjectKind::Stream, &stream_id(n)));
            let is = |shape: &u8| found.is_some_and(|s| s.object == Object::Stream(stream(n, *shape)));
            let shape = (0..SHAPES.len() as u8).find(is);
            self.model.streams.insert((of, n), Known::Is(shape));
        }
    }
}
