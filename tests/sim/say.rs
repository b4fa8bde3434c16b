//! Emits: an operator says something, to all streams or to one, under a `txn` of his own or the hub's.

use serde_json::value::RawValue;
use ssf_hub::hub::command::{Command, Refused};
use ssf_hub::hub::emit::{EmitDraft, Emitted};
use ssf_hub::hub::names;
use ssf_hub::lineage::keyed::KeyHash;
use tokio::sync::oneshot;

use crate::act::{Got, Wait};
use crate::facts;
use crate::fail::{Failure, ensure, failure};
use crate::ledger::emit_print;
use crate::model::Known;
use crate::optout::OPTS;
use crate::words::{CAEP, RISC, mark, tenant};
use crate::world::World;

/// What is said. Few words, so that the same is said again under the same `txn`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EmitWord {
    pub tenant: u8,
    pub user: u8,
    pub says: Says,
    pub txn: Option<u8>,
    pub stream: Option<u8>,
}

/// Of what sort.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    Known,
    Unknown,
    /// An event of RISC.
    Recovery,
    /// One of the four opt events.
    Opt(u8),
}

impl EmitWord {
    pub fn uri(self) -> String {
        match self.says {
            Says::Known => format!("{CAEP}session-revoked"),
            Says::Unknown => "urn:example:said".into(),
            Says::Recovery => format!("{RISC}recovery-activated"),
            Says::Opt(word) => format!("{RISC}{}", OPTS[usize::from(word)]),
        }
    }

    fn sub_id(self) -> String {
        format!(r#"{{"format":"email","email":"user-{}@example.com"}}"#, self.user)
    }

    fn event(self) -> String {
        format!(r#"{{"reason_admin":{{"en":"{} emitted"}}}}"#, mark(self.tenant))
    }

    fn hash(self) -> KeyHash {
        names::event_hash(&self.uri(), &self.sub_id(), &self.event())
    }

    fn print(self) -> KeyHash {
        emit_print(&self.uri(), &self.sub_id(), &self.event())
    }

    fn txn(self) -> Option<String> {
        self.txn.map(|n| format!("said-{n}"))
    }
}

impl World {
    /// The command, and what waits for its answer.
    pub fn say(word: EmitWord) -> (Command, Wait) {
        let (answer, got) = oneshot::channel();
        let draft = EmitDraft {
            by: "sim".into(),
            uri: word.uri(),
            sub_id: RawValue::from_string(word.sub_id()).unwrap(),
            event: RawValue::from_string(word.event()).unwrap(),
            event_hash: word.hash(),
            txn: word.txn(),
            toe: None,
            stream_id: word.stream.map(facts::stream_id),
        };
        (Command::Emit(tenant(word.tenant), Box::new(draft), answer), Wait::Emit(word, got))
    }

    /// Its answer. Tells whether something may have changed.
    pub fn said(
        &mut self,
        word: EmitWord,
        answer: Option<Result<Emitted, Refused>>,
        refusable: bool,
    ) -> Result<bool, Failure> {
        let of = word.tenant;
        let before = word.txn().map(|txn| (of, names::echo(&txn, word.hash())));
        match answer {
            None => {
                self.model.maybe_out.extend(before);
                Ok(true)
            }
            // That it is never taken out of turn, the ledger sees.
            Some(Err(Refused::Unfit(why))) if why.contains("RISC 2.8") => {
                ensure!(matches!(word.says, Says::Opt(_)), "refused", "{word:?}: {why}");
                self.count("emit out of turn");
                Ok(false)
            }
            Some(Err(Refused::NoObject(_) | Refused::Unfit(_))) => {
                let known = word.stream.map(|stream| self.model.streams[&(of, stream)]);
                let wants = |shape: u8| {
                    let stream = facts::stream(word.stream.unwrap_or(0), shape);
                    !stream.relay
                        && stream.events_requested.iter().any(|uri| uri == "*" || *uri == word.uri())
                };
                let wrong = matches!(known, None | Some(Known::Is(Some(_))))
                    && !matches!(known, Some(Known::Is(Some(shape))) if !wants(shape));
                ensure!(!wrong, "refused", "{word:?}: the stream is there and wants it");
                self.count("emit refused");
                Ok(false)
            }
            Some(Err(_)) if refusable => Ok(false),
            Some(Err(other)) => failure("refused", format!("{word:?}: {other}")),
            Some(Ok(emitted)) if emitted.no_change => {
                let known = |key| self.model.went_out.contains(&key) || self.model.maybe_out.contains(&key);
                ensure!(before.is_some_and(known), "emit", "{word:?} was never said before");
                self.count("emitted before");
                Ok(false)
            }
            Some(Ok(emitted)) => {
                let withheld = emitted.withheld > 0;
                ensure!(
                    !withheld || (word.says == Says::Recovery && emitted.owed.is_empty()),
                    "opt",
                    "{word:?} is withheld"
                );
                let again = before.is_some_and(|key| self.model.went_out.contains(&key));
                ensure!(!again, "emit", "{word:?} goes out twice, the second time as {}", emitted.id);
                self.model.went_out.insert((of, names::echo(&emitted.txn, word.hash())));
                self.model.entry(emitted.id, word.print())?;
                self.count(if word.stream.is_some() { "emitted to one" } else { "emitted" });
                Ok(true)
            }
        }
    }
}

/// What waits for the answer to an emit.
pub type GotEmit = Got<Emitted>;
