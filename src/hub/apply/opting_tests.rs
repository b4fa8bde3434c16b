//! Opt-out, folded: what is withheld from whom, by which names, and what comes back from the rows.

use serde_json::json;

use super::*;
use crate::hub::emit::Emit;
use crate::hub::entry::Body;
use crate::hub::names;
use crate::hub::sample::{Bench, CAEP, RISC};
use crate::lineage::sample::IDP;
use crate::tenant::TenantId;

const MAIL: &str = r#"{"format":"email","email":"ann@example.com"}"#;

struct Desk(Bench);

fn sub(name: &str) -> String {
    json!({ "format": "iss_sub", "iss": IDP, "sub": name }).to_string()
}

impl Desk {
    /// Two streams want everything.
    fn new() -> Self {
        let mut bench = Bench::new("");
        for id in ["a", "b"] {
            let stream = json!({ "stream": { "stream_id": id, "client": "c", "method": "poll", "aud": [id],
                                             "events_requested": ["*"] } });
            bench.input(Body::Put { object: serde_json::from_value(stream).unwrap(), by: "file".into() });
        }
        Self(bench)
    }

    /// An IdP's event: to how many streams it is owed, from how many withheld, whether it was a word out of turn. Holds
    /// the state against one that was loaded from its rows.
    fn said(&mut self, uri: &str, event: &str, sub_id: &str) -> (usize, usize, bool) {
        self.0.fx.clear();
        self.0.signal(uri, event, sub_id, None);
        self.came()
    }

    /// The same by an operator.
    fn emitted(&mut self, uri: &str, sub_id: &str) -> (usize, usize, bool) {
        self.0.fx.clear();
        let raw = |json: &str| serde_json::value::RawValue::from_string(json.into()).unwrap();
        let seq = self.0.state.seq().to_string();
        self.0.input(Body::Emit(Emit {
            by: "ops".into(),
            uri: uri.into(),
            sub_id: raw(sub_id),
            event: raw("{}"),
            echo: names::hash(&[seq.as_bytes()]),
            txn: seq,
            toe: None,
            stream: None,
        }));
        self.came()
    }

    fn came(&self) -> (usize, usize, bool) {
        let mut rows = vec![];
        self.0.state.dump(&mut rows);
        let mut back = State::new(TenantId::default_tenant());
        rows.iter().for_each(|(key, value)| back.load(key, value).unwrap());
        back.reindex();
        assert_eq!(back.digest(), self.0.state.digest());
        let (mut owed, mut withheld, mut undefined) = (0, 0, false);
        for effect in &self.0.fx {
            match effect {
                Effect::Owed { streams, item, .. } if item.index == 0 => owed += streams.len(),
                Effect::Withheld { streams, .. } => withheld += streams,
                Effect::Undefined { .. } => undefined = true,
                _ => {}
            }
        }
        (owed, withheld, undefined)
    }

    fn opt(&mut self, word: &str, sub_id: &str) -> bool {
        let (owed, withheld, undefined) = self.said(&format!("{RISC}{word}"), "{}", sub_id);
        assert_eq!((owed, withheld), (2, 0), "the word itself always goes out");
        undefined
    }

    fn out(&mut self, sub_id: &str) {
        self.opt("opt-out-initiated", sub_id);
        self.opt("opt-out-effective", sub_id);
    }

    /// Whether a RISC event about this subject goes out.
    fn flows(&mut self, sub_id: &str) -> bool {
        match self.said(&format!("{RISC}recovery-activated"), "{}", sub_id) {
            (2, 0, _) => true,
            (0, 2, _) => false,
            other => panic!("{other:?}"),
        }
    }

    fn state(&self, sub_id: &str) -> &'static str {
        self.0.state.opted(sub_id, IDP).unwrap().0.as_str()
    }
}

/// Every word in every state: what the state is then, whether it was out of turn, whether RISC events flow.
#[test]
fn the_newest_word_holds() {
    let reach: [(&str, &[&str]); 3] = [
        ("opt-in", &[]),
        ("opt-out-initiated", &["opt-out-initiated"]),
        ("opt-out", &["opt-out-initiated", "opt-out-effective"]),
    ];
    let table = [
        ("opt-in", "opt-in", "opt-in", false),
        ("opt-in", "opt-out-initiated", "opt-out-initiated", false),
        ("opt-in", "opt-out-cancelled", "opt-in", false),
        ("opt-in", "opt-out-effective", "opt-out", true),
        ("opt-out-initiated", "opt-in", "opt-in", true),
        ("opt-out-initiated", "opt-out-initiated", "opt-out-initiated", false),
        ("opt-out-initiated", "opt-out-cancelled", "opt-in", false),
        ("opt-out-initiated", "opt-out-effective", "opt-out", false),
        ("opt-out", "opt-in", "opt-in", false),
        ("opt-out", "opt-out-initiated", "opt-out-initiated", true),
        ("opt-out", "opt-out-cancelled", "opt-in", true),
        ("opt-out", "opt-out-effective", "opt-out", false),
    ];
    for (from, word, to, undefined) in table {
        let mut desk = Desk::new();
        let words = reach.iter().find(|(state, _)| *state == from).unwrap().1;
        words.iter().for_each(|word| assert!(!desk.opt(word, MAIL)));
        assert_eq!(desk.state(MAIL), from);
        assert_eq!(desk.opt(word, MAIL), undefined, "{word} in {from}");
        assert_eq!(desk.state(MAIL), to, "{word} in {from}");
        assert_eq!(desk.flows(MAIL), to != "opt-out", "{word} in {from}");
        assert_eq!(desk.0.state.accounts.is_empty(), to == "opt-in", "who is opted in has no row");
    }
}

#[test]
fn risc_alone_is_withheld_and_what_is_owed_stays_owed() {
    let mut desk = Desk::new();
    assert!(desk.flows(MAIL));
    let before = desk.0.state.owed_len();
    desk.out(MAIL);
    assert_eq!(desk.0.state.owed_len(), before + 4, "nothing is taken back");
    for (uri, withheld) in [
        (format!("{RISC}account-disabled"), 2),
        (format!("{RISC}sessions-revoked"), 2),
        (format!("{RISC}identifier-changed"), 2),
        (format!("{CAEP}session-revoked"), 0),
        ("urn:ietf:params:scim:event:prov:deactivate".into(), 0),
        ("https://schemas.openid.net/secevent/risc/other".into(), 0),
    ] {
        assert_eq!(desk.said(&uri, "{}", MAIL), (2 - withheld, withheld, false), "{uri}");
    }
    let decided = desk.0.signal(&format!("{RISC}account-disabled"), "{}", &sub("carl"), None);
    desk.out(&sub("carl"));
    let enabled = desk.0.signal(&format!("{RISC}account-enabled"), "{}", &sub("carl"), None);
    assert!(decided.is_some() && enabled.is_some(), "what it does here it does all the same");
}

#[test]
fn an_account_is_all_its_names() {
    let mut desk = Desk::new();
    desk.out(MAIL);
    for (sub_id, flows) in [
        (r#"{"format":"email","email":"Ann@EXAMPLE.com","extra":"x"}"#.to_string(), false),
        (format!(r#"{{"format":"aliases","identifiers":[{},{MAIL}]}}"#, sub("x")), false),
        (format!(r#"{{"format":"complex","user":{MAIL},"session":{{"format":"opaque","id":"s"}}}}"#), false),
        (format!(r#"{{"format":"complex","device":{MAIL}}}"#), true),
        (sub("ann"), true),
        (r#"{"format":"email","email":"bob@example.com"}"#.into(), true),
    ] {
        assert_eq!(desk.flows(&sub_id), flows, "{sub_id}");
    }
    // Lineage learns who it is: also under the other name, also back.
    desk.0.fact(&format!(
        r#"{{"fact":"agent","id":"ann","class":"human","aliases":[{{"kind":"email","value":"ann@example.com"}},{{"kind":"iss_sub","iss":"{IDP}","value":"ann"}}]}}"#
    ));
    assert!(!desk.flows(&sub("ann")) && !desk.flows(r#"{"format":"opaque","id":"ann"}"#));
    desk.opt("opt-in", &sub("ann"));
    assert!(desk.flows(MAIL) && desk.flows(&sub("ann")));
    assert!(desk.0.state.accounts.is_empty(), "in by one name is in by all");
    desk.out(&sub("ann"));
    // The address is somebody else's now; who had it stays out.
    desk.said(&format!("{RISC}identifier-recycled"), "{}", MAIL);
    assert!(desk.flows(MAIL) && !desk.flows(&sub("ann")));
}

#[test]
fn a_new_address_is_the_same_account() {
    let mut desk = Desk::new();
    let (old, new) = (MAIL, r#"{"format":"email","email":"new@example.com"}"#);
    let changed = format!("{RISC}identifier-changed");
    desk.said(&changed, r#"{"new-value":"early@example.com"}"#, old);
    desk.out(old);
    desk.said(&changed, r#"{"new-value":"New@example.com"}"#, old);
    assert!(!desk.flows(new) && !desk.flows(old));
    assert!(desk.flows(r#"{"format":"email","email":"early@example.com"}"#), "that was before");
    assert_eq!(desk.0.state.opted(new, "").unwrap().1, desk.0.state.opted(old, "").unwrap().1);
}

#[test]
fn an_opaque_id_is_its_issuers_and_an_operators_word_is_everybodys() {
    let mut desk = Desk::new();
    let id = r#"{"format":"opaque","id":"7"}"#;
    desk.out(id);
    assert!(!desk.flows(id));
    let recovery = format!("{RISC}recovery-activated");
    assert_eq!(desk.emitted(&recovery, id), (2, 0, false), "an operator names no issuer");
    desk.opt("opt-in", id);
    desk.emitted(&format!("{RISC}opt-out-initiated"), id);
    desk.emitted(&format!("{RISC}opt-out-effective"), id);
    assert!(!desk.flows(id) && desk.emitted(&recovery, id) == (0, 2, false));
    desk.opt("opt-in", id);
    assert!(!desk.flows(id), "only who said it takes it back");
    desk.emitted(&format!("{RISC}opt-in"), id);
    assert!(desk.flows(id));
}

#[test]
fn what_was_not_accepted_changes_nothing() {
    use crate::hub::entry::Route;
    for route in [Route::Beyond, Route::Echo, Route::Heard, Route::Control] {
        let mut desk = Desk::new();
        desk.0.route = route;
        desk.0.signal(&format!("{RISC}opt-out-effective"), "{}", MAIL, None);
        assert!(desk.0.state.accounts.is_empty(), "{route:?}");
    }
}
