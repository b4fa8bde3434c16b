//! Who opted out, at the scripted transmitter (RISC 2.8): the events that change it, and what is then not sent.

use std::collections::BTreeMap;

use serde_json::Value;

const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";

/// Accounts that do not simply take part, by subject: whether they are out.
#[derive(Default)]
pub struct Opted(BTreeMap<String, bool>);

impl Opted {
    /// An event happens: whether it is sent. `wrong` says how to go wrong.
    pub fn sends(&mut self, uri: &str, subject: &Value, wrong: &str) -> bool {
        let Some(name) = uri.strip_prefix(RISC) else { return true };
        let of = subject.to_string();
        match name {
            "opt-out-initiated" => drop(self.0.insert(of, wrong == "opts out at once")),
            "opt-out-cancelled" if wrong == "opt-out cannot be cancelled" => drop(self.0.insert(of, true)),
            "opt-out-effective" => drop(self.0.insert(of, wrong != "opt-out is forgotten")),
            "opt-in" if wrong == "opt-out is for ever" => {}
            "opt-in" | "opt-out-cancelled" => drop(self.0.remove(&of)),
            _ => return !self.0.get(&of).copied().unwrap_or(false),
        }
        wrong != "says nothing of opt-out" || name != "opt-out-initiated"
    }
}
