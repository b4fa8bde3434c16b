//! Which accounts opted out of the exchange of RISC events (RISC 2.8): the states, the words that change them, the names
//! that an account goes by.
//!
//! Part of the state; `apply::opting` writes and reads it. Holds hashes of names only, and no row for who is opted in.
//! Reads subjects by itself, with code of its own, for what a subject names must stay the same for ever. Never judges who
//! may say a word: what gets here was accepted.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hub::base::hex;
use crate::hub::names;
use crate::lineage::alias::Alias;
use crate::lineage::node::Class;
use crate::revocation::key::KeyHash;
use crate::rows::{Rows, Table, Tables};
use crate::stream::subject::Matcher;
use crate::tenant::Seq;

/// Where RISC's event types begin (RISC 2).
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";

/// Why nobody can opt out by such a subject.
pub const NO_ACCOUNT: &str = "it is about no account: a complex subject names one by its member user";

/// The state of an account (RISC 2.8). The order is how much is withheld.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum Opted {
    /// It takes part.
    #[default]
    In,
    /// It asked to leave; for a while everything still flows, so that a hijacker cannot silence it at once.
    Initiated,
    /// It takes no part.
    Out,
}

impl Opted {
    /// The specification's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "opt-in",
            Self::Initiated => "opt-out-initiated",
            Self::Out => "opt-out",
        }
    }
}

/// What is said of an account: one of the four opt events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// RISC 2.8.1.
    OptIn,
    /// RISC 2.8.2.
    Initiated,
    /// RISC 2.8.3.
    Cancelled,
    /// RISC 2.8.4.
    Effective,
}

impl Word {
    /// The word that an event type is; `None` for every other type.
    pub fn of(uri: &str) -> Option<Self> {
        Some(match uri.strip_prefix(RISC)? {
            "opt-in" => Self::OptIn,
            "opt-out-initiated" => Self::Initiated,
            "opt-out-cancelled" => Self::Cancelled,
            "opt-out-effective" => Self::Effective,
            _ => return None,
        })
    }

    /// The last part of the event type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptIn => "opt-in",
            Self::Initiated => "opt-out-initiated",
            Self::Cancelled => "opt-out-cancelled",
            Self::Effective => "opt-out-effective",
        }
    }

    /// The one state that it leads from (RISC 2.8, figure of the states).
    pub fn from(self) -> Opted {
        match self {
            Self::OptIn => Opted::Out,
            Self::Initiated => Opted::In,
            Self::Cancelled | Self::Effective => Opted::Initiated,
        }
    }

    /// The state that the account is in by it.
    pub fn to(self) -> Opted {
        match self {
            Self::OptIn | Self::Cancelled => Opted::In,
            Self::Initiated => Opted::Initiated,
            Self::Effective => Opted::Out,
        }
    }
}

/// Whether events of this type are withheld from streams while an account is opted out: RISC's, the opt events aside.
pub fn is_withheld_type(uri: &str) -> bool {
    uri.starts_with(RISC) && Word::of(uri).is_none()
}

/// What of a RISC event changes which names an account has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Renamed {
    /// The identifier is somebody else's from now on (RISC 2.6).
    Recycled,
    /// The account has a further identifier (RISC 2.5).
    To(String),
}

impl Renamed {
    /// Of an event; `None` where it changes no name.
    pub fn by(uri: &str, event: &str) -> Option<Self> {
        match uri.strip_prefix(RISC)? {
            "identifier-recycled" => Some(Self::Recycled),
            "identifier-changed" => {
                let event: Value = serde_json::from_str(event).ok()?;
                event.get("new-value")?.as_str().map(|new| Self::To(new.into()))
            }
            _ => None,
        }
    }
}

/// The identifiers of the account that a subject is about; empty where it is about none. Of a complex subject its member
/// `user` counts alone. An opaque id is one within `scope`: the SET's `iss`, or empty for an operator's word.
pub fn said(sub_id: &str, scope: &str) -> Vec<Alias> {
    let Ok(subject) = serde_json::from_str::<Value>(sub_id) else { return vec![] };
    let account = match subject["format"].as_str() {
        Some("complex") => subject.get("user"),
        _ => Some(&subject),
    };
    match account {
        Some(account) if account["format"] == "aliases" => {
            let many = account["identifiers"].as_array().into_iter().flatten();
            many.filter_map(|one| identifier(one, scope)).collect()
        }
        account => account.and_then(|one| identifier(one, scope)).into_iter().collect(),
    }
}

/// A simple identifier as lineage names it. Of a format that it has no name for, the whole of it is the name.
fn identifier(simple: &Value, scope: &str) -> Option<Alias> {
    let text = |name: &str| simple.get(name).and_then(Value::as_str);
    let (kind, iss, value) = match simple.get("format")?.as_str()? {
        // As lineage compares addresses; beyond ASCII what is upper case is not ours to fix for ever.
        "email" => ("email", "", text("email")?.to_ascii_lowercase()),
        "iss_sub" => ("iss_sub", text("iss")?, text("sub")?.into()),
        "opaque" => ("opaque", scope, text("id")?.into()),
        "account" => ("account", "", text("uri")?.into()),
        "phone_number" => ("phone_number", "", text("phone_number")?.into()),
        "did" => ("did", "", text("url")?.into()),
        "uri" if text("uri")?.starts_with("spiffe://") => ("spiffe", "", text("uri")?.into()),
        "uri" => ("uri", "", text("uri")?.into()),
        _ => ("", "", hex(&Matcher::of(&simple.to_string())?.whole.0)),
    };
    Some(Alias { kind: kind.into(), iss: iss.into(), value })
}

/// What lineage may know the bearer of an identifier by beside it: an IdP's opaque id is its `sub` as well.
pub fn also(alias: &Alias) -> Option<Alias> {
    let opaque = alias.kind == "opaque" && !alias.iss.is_empty();
    opaque.then(|| Alias { kind: "iss_sub".into(), ..alias.clone() })
}

/// The same identifier as an operator says it, who names no issuer.
pub fn unscoped(alias: &Alias) -> Option<Alias> {
    let opaque = alias.kind == "opaque" && !alias.iss.is_empty();
    opaque.then(|| Alias { iss: String::new(), ..alias.clone() })
}

/// An identifier in place of another of its format; `None` where the format does not change so (RISC 2.5).
pub fn renamed(old: &Alias, new: &str) -> Option<Alias> {
    let value = match old.kind.as_str() {
        "email" => new.to_ascii_lowercase(),
        "phone_number" => new.into(),
        _ => return None,
    };
    Some(Alias { value, ..old.clone() })
}

/// Whether a principal of this class may be who an account is: not a session, a device, a run, a token or a tool.
pub fn has_account(class: Class) -> bool {
    matches!(class, Class::Human | Class::Agent | Class::Automation | Class::Workload | Class::Unknown)
}

/// What a name is kept under.
pub fn key(alias: &Alias) -> KeyHash {
    names::hash(&[b"account", alias.kind.as_bytes(), alias.iss.as_bytes(), alias.value.as_bytes()])
}

/// The state of one name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Row {
    opted: Opted,
    since: Seq,
}

/// Names of accounts that are not opted in.
pub struct Accounts {
    names: Table<KeyHash, Row>,
}

impl Accounts {
    /// How many bytes the state of one name has, beside what it is kept under.
    pub const ROW_BYTES: usize = size_of::<Row>();

    /// No names; `tag` is that of its table.
    pub fn new(tag: u8) -> Self {
        Self { names: Table::new(tag) }
    }

    /// Whether everybody is opted in.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The state of an account: of its names the one that withholds most counts; and since which entry.
    pub fn opted(&self, keys: &BTreeSet<KeyHash>) -> (Opted, Option<Seq>) {
        let rows = keys.iter().filter_map(|key| self.names.get(key));
        let most = rows.map(|row| (row.opted, row.since)).max();
        most.map_or((Opted::In, None), |(opted, since)| (opted, Some(since)))
    }

    /// Puts the state of names. Who is opted in has no row.
    pub fn put<'a>(&mut self, keys: impl IntoIterator<Item = &'a KeyHash>, opted: Opted, since: Seq) {
        for key in keys {
            if opted == Opted::In {
                self.names.remove(key);
            } else if self.names.get(key).is_none_or(|row| row.opted != opted) {
                self.names.insert(*key, Row { opted, since });
            }
        }
    }
}

impl Tables for Accounts {
    fn each(&self, visit: &mut dyn FnMut(&dyn Rows)) {
        visit(&self.names);
    }

    fn each_mut(&mut self, visit: &mut dyn FnMut(&mut dyn Rows)) {
        visit(&mut self.names);
    }
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
