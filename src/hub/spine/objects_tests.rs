//! Objects that are put together, and sets that are only judged.

use serde_json::{Value, json};

use super::super::trial::{Change, Trial};
use super::{Answer, Command, Desk, Object, Refused, TenantId};

fn object(kind: &str, value: Value) -> Object {
    serde_json::from_value(json!({ kind: value })).unwrap()
}

fn issuer(id: &str, iss: &str) -> Object {
    object("token_issuer", json!({ "id": id, "iss": iss, "jwks": { "url": "https://i.example/k" } }))
}

fn stream(id: &str, aud: &str, dialect: &str) -> Object {
    let members = json!({ "stream_id": id, "client": "c", "method": "poll", "aud": [aud],
                          "events_requested": ["*"], "dialect": dialect });
    object("stream", members)
}

fn by(puts: Vec<Object>, by: &str) -> Vec<(Object, String)> {
    puts.into_iter().map(|object| (object, by.to_string())).collect()
}

impl Desk {
    fn put_all(&mut self, puts: Vec<Object>) -> Result<(), String> {
        let tenant = self.tenant.clone();
        let command = |answer: Answer<_>| Command::PutAll(tenant, by(puts, "admin"), answer);
        self.run(command).map(drop).map_err(|refused| refused.to_string())
    }

    fn attempt(&self, trial: &mut Trial, tenant: &str, change: Change) -> Result<(), String> {
        let tenant = TenantId::parse(tenant).unwrap();
        self.spine.attempt(trial, &tenant, change).map_err(|refused: Refused| refused.to_string())
    }
}

#[test]
fn what_is_put_together_is_judged_together_and_written_all_or_not_at_all() {
    let mut desk = Desk::new();
    desk.put_all(vec![stream("s1", "x", "ssf"), stream("s2", "x", "ssf")]).unwrap();
    let seq = desk.state().seq();
    let other = "another stream of this audience has another dialect";
    for (puts, why) in [
        (vec![stream("s1", "x", "okta")], other.to_string()),
        (vec![stream("s3", "y", "ssf"), stream("s1", "x", "okta")], format!("streams/s1: {other}")),
        (vec![stream("s3", "y", "ssf"), stream("s4", "y", "okta")], format!("streams/s3: {other}")),
        (vec![issuer("a", "i"), issuer("b", "i")], "token-issuers/a: iss is taken by another object".into()),
        (vec![issuer("a", "i"), issuer("b", "")], "token-issuers/b: iss must not be empty".into()),
        (vec![], "there is nothing to be put".into()),
    ] {
        assert_eq!(desk.put_all(puts), Err(why));
    }
    assert_eq!(desk.state().seq(), seq, "nothing of it is written");
    desk.put_all(vec![stream("s1", "x", "okta"), stream("s2", "x", "okta")]).unwrap();
    assert_eq!(desk.state().seq().0, seq.0 + 2);
    // What only fits together.
    desk.put_all(vec![issuer("a", "i"), issuer("b", "j")]).unwrap();
    desk.put_all(vec![issuer("a", "j"), issuer("b", "i")]).unwrap();
}

#[test]
fn a_set_is_judged_one_change_behind_the_other_and_nothing_is_made() {
    let desk = Desk::new();
    let seq = desk.state().seq();
    let put = |object: Object| Change::Put(vec![(object, "apply:x:admin".into())]);
    let remove = |kind: &Object| Change::Remove(kind.kind(), kind.id().into(), "apply:x:admin".into());
    let mut trial = Trial::default();
    let mut tried = |tenant: &str, change: Change| desk.attempt(&mut trial, tenant, change);
    let no_tenant = Err("there is no such tenant".to_string());
    assert_eq!(tried("new", put(issuer("a", "i"))), no_tenant);
    assert_eq!(tried("_hub", put(object("tenant", json!({ "id": "new" })))), Ok(()));
    assert_eq!(tried("new", put(issuer("a", "i"))), Ok(()));
    assert_eq!(tried("other", put(issuer("a", "i"))), no_tenant);
    assert_eq!(tried("new", put(issuer("b", "i"))), Err("iss is taken by another object".into()));
    assert_eq!(tried("default", put(issuer("b", "i"))), Ok(()), "another tenant's");
    assert_eq!(tried("new", remove(&issuer("a", "i"))), Ok(()));
    assert_eq!(tried("new", remove(&issuer("a", "i"))), Err("there is no such token-issuers".into()));
    assert_eq!(tried("new", put(issuer("b", "i"))), Ok(()), "there is room now");

    let client = object("client", json!({ "id": "c", "bearer_sha256": "0".repeat(43) }));
    let belongs = Err("a stream belongs to this client".to_string());
    assert_eq!(tried("default", remove(&client)), belongs);
    assert_eq!(tried("default", remove(&stream("all", "a", "ssf"))), Ok(()));
    assert_eq!(tried("default", put(stream("s", "a", "okta"))), Ok(()), "no other one speaks of it any more");
    assert_eq!(tried("default", remove(&client)), belongs);
    assert_eq!(tried("default", remove(&stream("s", "a", "okta"))), Ok(()));
    assert_eq!(tried("default", remove(&client)), Ok(()));
    assert_eq!(
        tried("default", put(stream("s", "a", "ssf"))),
        Err("the stream's client does not exist".into())
    );
    assert_eq!(desk.state().seq(), seq);
}

#[test]
fn the_last_admin_stays_one_in_a_set_too() {
    let mut desk = Desk::new();
    let operator = |id: &str, role: &str, n: char| {
        object("operator", json!({ "id": id, "bearer_sha256": n.to_string().repeat(43), "role": role }))
    };
    let tenant = TenantId::hub();
    let one = operator("one", "admin", 'A');
    desk.run(|answer| Command::Put(tenant, Box::new(one.clone()), "hub".into(), answer)).unwrap();
    let put = |object: Object| Change::Put(vec![(object, "admin".into())]);
    let last = Err("this is the last admin: nobody could make another one".to_string());
    let mut trial = Trial::default();
    assert_eq!(desk.attempt(&mut trial, "_hub", put(operator("one", "viewer", 'A'))), last);
    assert_eq!(
        desk.attempt(&mut trial, "_hub", put(operator("two", "admin", 'A'))),
        Err("bearer is taken by another object".into())
    );
    assert_eq!(desk.attempt(&mut trial, "_hub", put(operator("two", "admin", 'E'))), Ok(()));
    assert_eq!(desk.attempt(&mut trial, "_hub", put(operator("one", "viewer", 'A'))), Ok(()));
    let remove = Change::Remove(one.kind(), "two".into(), "admin".into());
    assert_eq!(desk.attempt(&mut trial, "_hub", remove), last);
}
