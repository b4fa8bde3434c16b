//! Batches: commands go in, answers come out and settle what the outside world knows.

use ssf_hub::hub::command::{
    Command, Done, Redriven, Refused, SetAnswer, SetDraft, StreamAct, StreamChange, Which,
};
use ssf_hub::hub::entry::{Act, Body, FactInput, IssuerKeys, Route};
use ssf_hub::hub::names;
use ssf_hub::hub::object::{Object, ObjectKind};
use ssf_hub::lineage::fact::Fact;
use ssf_hub::lineage::keyed::KeyHash;
use ssf_hub::tenant::{EntryId, TenantId};
use tokio::sync::oneshot::{self, Receiver};

use crate::facts::{self, FactWord};
use crate::fail::{Failure, ensure};
use crate::ledger::fingerprint;
use crate::mirror::write_base;
use crate::model::{Known, Sent};
use crate::op::Cmd;
use crate::say::{EmitWord, GotEmit};
use crate::words::{self, Content, SetWord, Who, tenant};
use crate::world::World;

pub type Got<T> = Receiver<Result<T, Refused>>;

/// A fact on its way in.
#[derive(Clone, Copy, Debug)]
pub struct Telling {
    pub tenant: u8,
    pub client: u8,
    pub key: Option<u8>,
    pub fact: FactWord,
}

/// An answer that is waited for.
pub enum Wait {
    Set(Sent, Option<SetWord>, Got<SetAnswer>),
    Fact(Telling, Got<Done>),
    Act { tenant: u8, kill: bool, who: Who, got: Got<Done> },
    Stream { tenant: u8, stream: u8, shape: Option<u8>, print: KeyHash, got: Got<EntryId> },
    StreamAct { tenant: u8, stream: u8, got: Got<EntryId> },
    Entry(Option<KeyHash>, Got<EntryId>),
    Redrive { discard: bool, got: Got<Redriven> },
    Base(Got<String>),
    Emit(EmitWord, GotEmit),
}

const BY: &str = "sim";

fn act(tenant: u8, who: Who) -> Act {
    Act { by: BY.into(), target: words::named(tenant, who.alias()), reason: words::mark(tenant) }
}

pub fn client(n: u8) -> String {
    format!("c-{}", n + 1)
}

impl Telling {
    pub fn print(&self) -> KeyHash {
        let (fact, client) = (self.fact.fact(), client(self.client));
        fingerprint(&Body::Fact(FactInput { client, fact, hashes: vec![], idempotency_key: None }))
    }

    pub fn hash(&self) -> KeyHash {
        names::fact_hash(&self.fact.fact())
    }
}

impl World {
    /// Makes a command, and what waits for its answer; `None` where there is nothing to send yet.
    pub fn command(&mut self, cmd: Cmd) -> Option<(Command, Wait)> {
        Some(match cmd {
            Cmd::Set { tenant, set } => self.send(tenant, set),
            Cmd::Again { tenant, pick } => self.send(tenant, self.picked(tenant, pick)?),
            Cmd::OtherPayload { tenant, pick } => {
                let word = self.picked(tenant, pick)?;
                self.send(tenant, SetWord { version: word.version + 1, ..word })
            }
            Cmd::Echo { tenant, pick, n } => self.send_echo(tenant, pick, n)?,
            Cmd::Fact { tenant, client, key, fact } => tell(Telling { tenant, client, key, fact }),
            Cmd::Kill { tenant: of, who } => {
                let (answer, got) = oneshot::channel();
                let command = Command::Act { tenant: tenant(of), kill: true, act: act(of, who), answer };
                (command, Wait::Act { tenant: of, kill: true, who, got })
            }
            Cmd::Lift { tenant: of, who } => {
                let (answer, got) = oneshot::channel();
                let command = Command::Act { tenant: tenant(of), kill: false, act: act(of, who), answer };
                (command, Wait::Act { tenant: of, kill: false, who, got })
            }
            Cmd::Emit(word) => {
                self.perhaps_out(word.tenant, &word.uri());
                Self::say(word)
            }
            Cmd::PutStream { tenant: of, stream, shape } => {
                let (answer, got) = oneshot::channel();
                let object = Object::Stream(facts::stream(stream, shape));
                let print = fingerprint(&Body::Put { object: object.clone(), by: BY.into() });
                let command = Command::Put(tenant(of), Box::new(object), BY.into(), answer);
                (command, Wait::Stream { tenant: of, stream, shape: Some(shape), print, got })
            }
            Cmd::RemoveStream { tenant: of, stream } => {
                let (answer, got) = oneshot::channel();
                let (kind, id) = (ObjectKind::Stream, facts::stream_id(stream));
                let print = fingerprint(&Body::Remove { kind, id: id.clone(), by: BY.into() });
                let command = Command::Remove(tenant(of), kind, id, BY.into(), answer);
                (command, Wait::Stream { tenant: of, stream, shape: None, print, got })
            }
            Cmd::Status { tenant: of, stream, status, told } => {
                let announce_ms = told.then_some(20_000);
                let reason = Some(words::mark(of));
                self.stream_act(of, stream, StreamChange::Status { status, reason, announce_ms })
            }
            Cmd::Verify { tenant: of, stream } => {
                self.stream_act(of, stream, StreamChange::Verify { state: Some(words::mark(of)) })
            }
            Cmd::Keys { tenant: of, n } => {
                let (answer, got) = oneshot::channel();
                let keys = IssuerKeys { upstream: "idp".into(), jwks: format!(r#"{{"keys":[{n}]}}"#) };
                (Command::Keys(tenant(of), keys, answer), Wait::Entry(None, got))
            }
            Cmd::Redrive { tenant: of, pick, discard } => {
                let (answer, got) = oneshot::channel();
                let state = self.life.spine.state(&tenant(of));
                let dead: Vec<_> = state
                    .into_iter()
                    .flat_map(|s| s.dead_letters().map(|(no, item, _)| (no, item)))
                    .collect();
                let one = |pick: u16| dead.get(usize::from(pick) % dead.len().max(1)).copied();
                let items = pick.map(|pick| one(pick).into_iter().collect());
                let which = Which { items, discard, ..Which::default() };
                (Command::Redrive(tenant(of), which, BY.into(), answer), Wait::Redrive { discard, got })
            }
            Cmd::AcceptClock => {
                let (answer, got) = oneshot::channel();
                let print = fingerprint(&Body::ClockAccepted { by: BY.into() });
                (Command::AcceptClock(BY.into(), answer), Wait::Entry(Some(print), got))
            }
            Cmd::Base => {
                let (answer, got) = oneshot::channel();
                (Command::Snapshot(write_base(self.bases.clone(), answer)), Wait::Base(got))
            }
        })
    }

    fn stream_act(&mut self, of: u8, stream: u8, what: StreamChange) -> (Command, Wait) {
        if matches!(what, StreamChange::Status { .. }) {
            self.model.moody.insert((of, stream));
        }
        let (answer, got) = oneshot::channel();
        let act = StreamAct { stream_id: facts::stream_id(stream), by: BY.into(), what };
        (Command::Stream(tenant(of), act, answer), Wait::StreamAct { tenant: of, stream, got })
    }

    fn picked(&self, tenant: u8, pick: u16) -> Option<SetWord> {
        let sent = &self.model.sent[usize::from(tenant)];
        sent.get(usize::from(pick) % sent.len().max(1)).copied()
    }

    fn send(&mut self, tenant: u8, set: SetWord) -> (Command, Wait) {
        let sent = &mut self.model.sent[usize::from(tenant)];
        if set.version == 0 && !sent.contains(&set) {
            sent.push(set);
        }
        self.push(tenant, set.draft(tenant), Some(set))
    }

    /// What the hub sent comes back from another hub, written in another way.
    fn send_echo(&mut self, tenant: u8, pick: u16, n: u16) -> Option<(Command, Wait)> {
        let own: Vec<_> = self.model.received.iter().filter(|(of, _)| *of == tenant).collect();
        let (_, claims) = own.get(usize::from(pick) % own.len().max(1))?;
        let pretty = |json: &str| {
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            serde_json::to_string_pretty(&value).unwrap()
        };
        let content =
            Content { uri: claims.uri.clone(), sub_id: pretty(&claims.sub_id), event: pretty(&claims.event) };
        let txn = Some(claims.txn.clone());
        let draft = content.draft(tenant, "peer", &format!("echo-{n}"), txn, Route::Forward, 0);
        Some(self.push(tenant, draft, None))
    }

    fn push(&mut self, of: u8, draft: SetDraft, word: Option<SetWord>) -> (Command, Wait) {
        self.perhaps_out(of, &draft.uri);
        let originals = self.model.originals.entry((of, draft.jti.clone())).or_default();
        originals.insert(draft.compact.clone());
        let sent = Sent {
            origin: (of, draft.upstream.clone(), draft.jti.clone()),
            payload: draft.payload_hash,
            route: draft.route,
            echo: draft.txn.as_ref().map(|txn| names::echo(txn, draft.event_hash)),
            uri: draft.uri.clone(),
            must: vec![],
        };
        let (answer, got) = oneshot::channel();
        (Command::Set(tenant(of), Box::new(draft), answer), Wait::Set(sent, word, got))
    }

    /// From here on somebody may be out.
    fn perhaps_out(&mut self, of: u8, uri: &str) {
        if uri.ends_with("/opt-out-effective") {
            self.model.opted.insert(of);
        }
    }

    /// One batch, with the outcomes that wait.
    pub fn batch(&mut self, cmds: &[Cmd]) -> Result<(), Failure> {
        let outcomes = std::mem::take(&mut self.outcomes);
        let spine = &self.life.spine;
        let due = spine.next_timer_ms().is_some_and(|at| at <= spine.now_ms());
        // Behind a leap it is the batch that finds out which clock counts, and with it what is due.
        let quiet = outcomes.is_empty() && !due && !self.life.troubled && !self.life.leapt;
        let alone = cmds.len() == 1 && quiet;
        let entries = spine.stats().entries;
        let (mut commands, mut waits) = (vec![], vec![]);
        for cmd in cmds {
            if let Some((command, wait)) = self.command(*cmd) {
                commands.push(command);
                waits.push(wait);
            }
        }
        let segment = self.life.spine.journal().end().segment;
        let result = self.life.spine.batch(commands, outcomes);
        if due {
            self.count("tick");
        }
        if self.life.spine.journal().end().segment > segment {
            self.count("segment begun");
        }
        let mut changing = false;
        for wait in waits {
            changing |= self.answer(wait, result.is_err())?;
        }
        if let Err(fatal) = result {
            ensure!(self.life.troubled, "fatal", "the journal failed on a sound disk: {fatal}");
            return self.died();
        }
        let now = self.digests();
        if alone && !changing {
            let written = self.life.spine.stats().entries - entries;
            ensure!(
                written == 0 && now == self.sure,
                "changed",
                "{cmds:?} should change nothing, and wrote {written} entries"
            );
            self.count("changed nothing");
        }
        (self.sure, self.doubt) = (now, false);
        self.check_cheaply()
    }

    /// The journal failed: the process ends. What the outbox was handed by then may be on its way already.
    fn died(&mut self) -> Result<(), Failure> {
        self.count("batch failed");
        self.doubt = true;
        self.send_all_owed()?;
        let power = self.dice.once_in(2);
        self.restart(power)
    }

    /// Makes tenants, upstreams, clients and the first streams.
    pub fn set_up(&mut self) -> Result<(), Failure> {
        let own = (0..3).flat_map(|n| facts::objects().into_iter().map(move |object| (tenant(n), object)));
        let all = facts::tenants().into_iter().map(|object| (TenantId::hub(), object)).chain(own);
        let (mut commands, mut got) = (vec![], vec![]);
        for (of, object) in all {
            let (answer, one) = oneshot::channel();
            commands.push(Command::Put(of, Box::new(object), BY.into(), answer));
            got.push(one);
        }
        let done = self.life.spine.batch(commands, vec![]);
        ensure!(done.is_ok(), "set-up", "{:?}", done.err());
        for mut one in got {
            let answer = one.try_recv();
            ensure!(matches!(answer, Ok(Ok(_))), "set-up", "{answer:?}");
        }
        for n in 0..3 {
            self.model.streams.extend([((n, 0), Known::Is(Some(0))), ((n, 1), Known::Is(Some(1)))]);
            let relay = facts::SHAPES.len() as u8 - 1;
            self.model.streams.insert((n, 2), Known::Is(Some(relay)));
            let free = (3..facts::STREAMS).map(|stream| ((n, stream), Known::Is(None)));
            self.model.streams.extend(free);
        }
        self.sure = self.digests();
        Ok(())
    }
}

fn tell(telling: Telling) -> (Command, Wait) {
    let fact: Fact = telling.fact.fact();
    let hashes = fact.aliases().iter().map(|alias| words::key(telling.tenant).hashes(alias)).collect();
    let (answer, got) = oneshot::channel();
    let idempotency_key = telling.key.map(|n| format!("key-{n}"));
    let (tenant, client) = (tenant(telling.tenant), client(telling.client));
    let input = Box::new(FactInput { client, fact, hashes, idempotency_key });
    (Command::Fact(tenant, input, answer), Wait::Fact(telling, got))
}
