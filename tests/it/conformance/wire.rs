//! A stream of the scripted transmitter: what it was told, what it owes, whom it is about.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use ssf_hub::clock::Stopwatch;

const PUSH: &str = "urn:ietf:rfc:8935";
const POLL: &str = "urn:ietf:rfc:8936";

#[derive(Clone)]
pub struct Stream {
    pub id: String,
    pub owner: String,
    pub status: String,
    pub reason: Value,
    pub requested: Vec<String>,
    /// All that was ever requested.
    pub ever: Vec<String>,
    /// Since the last sign of life.
    pub seen: Stopwatch,
    pub description: String,
    pub push: Option<(String, Option<String>)>,
    pub added: Vec<Value>,
    pub removed: Vec<Value>,
    /// How often it was asked about subjects.
    pub told: usize,
    pub verified: Option<Stopwatch>,
    pub sent: usize,
    /// `jti`, SET, and whether it goes out whatever the status.
    pub queue: Vec<(String, String, bool)>,
}

impl Stream {
    pub fn new(id: &str, owner: &str) -> Self {
        Self {
            id: id.into(),
            owner: owner.into(),
            status: "enabled".into(),
            reason: Value::Null,
            requested: vec![],
            ever: vec![],
            seen: Stopwatch::start(),
            description: String::new(),
            push: None,
            added: vec![],
            removed: vec![],
            told: 0,
            verified: None,
            sent: 0,
            queue: vec![],
        }
    }

    pub fn aud(&self) -> String {
        format!("https://{}.example", self.owner)
    }

    pub fn delivery(&self, base: &str) -> Value {
        match &self.push {
            Some((url, _)) => json!({ "method": PUSH, "endpoint_url": url }),
            None => json!({ "method": POLL, "endpoint_url": format!("{base}/poll/{}", self.id) }),
        }
    }

    /// Takes the members of a receiver.
    pub fn take(&mut self, body: &Value, changing: bool) -> Result<(), (u16, Value)> {
        let no = Err((400, json!({})));
        match &body["events_requested"] {
            Value::Null => {}
            Value::Array(all) if all.iter().all(Value::is_string) => {
                self.requested = all.iter().map(|v| v.as_str().unwrap().into()).collect();
                self.ever.extend(self.requested.clone());
            }
            _ => return no,
        }
        match &body["description"] {
            Value::Null => {}
            Value::String(text) => self.description = text.chars().take(200).collect(),
            _ => return no,
        }
        let delivery = &body["delivery"];
        match (delivery, delivery["method"].as_str()) {
            (Value::Null, _) if changing => {}
            (Value::Null, _) => self.push = None,
            (_, Some(POLL)) => self.push = None,
            (_, Some(PUSH)) if delivery["endpoint_url"].is_string() => {
                let field = delivery["authorization_header"].as_str().map(String::from);
                self.push = Some((delivery["endpoint_url"].as_str().unwrap().into(), field));
            }
            _ => return no,
        }
        Ok(())
    }

    pub fn queue(&mut self, jti: String, compact: String, urgent: bool, wrong: &str) {
        let keeps = self.status == "enabled"
            || (self.status == "paused" && wrong != "paused drops")
            || wrong == "disabled holds"
            || urgent;
        if !keeps {
            return;
        }
        if wrong == "holds the last alone" && self.status == "paused" {
            self.queue.retain(|(_, _, urgent)| *urgent);
        }
        if wrong == "paused turns round" && self.status == "paused" {
            self.queue.insert(0, (jti, compact, urgent));
        } else {
            self.queue.push((jti, compact, urgent));
        }
    }

    /// What is pushed next.
    pub fn next(&self) -> Option<(String, String)> {
        let due = self.queue.iter().find(|(_, _, urgent)| *urgent || self.status == "enabled");
        due.map(|(jti, compact, _)| (jti.clone(), compact.clone()))
    }

    pub fn done(&mut self, jti: &str) {
        self.queue.retain(|(j, _, _)| j != jti);
    }

    /// Answers a poll.
    pub fn offer(&mut self, body: &Value, wrong: &str) -> (Map<String, Value>, bool) {
        if wrong == "acks come late" {
            let (sets, more) = self.offer(&json!({ "maxEvents": body["maxEvents"] }), "");
            self.offer(&json!({ "ack": body["ack"], "maxEvents": 0 }), "");
            return (sets, more);
        }
        if wrong != "acks are forgotten" {
            for jti in body["ack"].as_array().into_iter().flatten() {
                self.done(jti.as_str().unwrap_or_default());
            }
            for (jti, _) in body["setErrs"].as_object().into_iter().flatten() {
                self.done(jti);
            }
        }
        let max = match body["maxEvents"].as_u64() {
            Some(max) if wrong != "any number" => usize::try_from(max).unwrap(),
            _ => usize::MAX,
        };
        let due: Vec<_> =
            self.queue.iter().filter(|(_, _, urgent)| *urgent || self.status == "enabled").collect();
        let key = |jti: &str| if wrong == "keys of its own" { format!("k{jti}") } else { jti.to_string() };
        let sets = due.iter().take(max).map(|(jti, compact, _)| (key(jti), json!(compact)));
        (sets.collect(), due.len() > max)
    }
}

/// SSF 8.1.3.1, with the reading that at least one member must be the same.
pub fn matches(added: &Value, subject: &Value, wrong: &str) -> bool {
    if wrong == "names without case" && added["email"].is_string() {
        return added.to_string().to_lowercase() == subject.to_string().to_lowercase();
    }
    if added["format"] != "complex" || subject["format"] != "complex" || wrong == "complex as a whole" {
        return added == subject;
    }
    let (a, b) = (added.as_object().unwrap(), subject.as_object().unwrap());
    let both = || a.iter().filter(|(name, _)| *name != "format" && b.contains_key(*name));
    let same = both().all(|(name, value)| b[name] == *value) || wrong == "any member will do";
    both().next().is_some() && same
}

/// A subject identifier, as far as a transmitter must look.
pub fn well_formed(subject: &Value, outermost: bool) -> bool {
    let Some(members) = subject.as_object() else { return false };
    let rest: Vec<_> = members.iter().filter(|(name, _)| *name != "format").map(|(_, v)| v).collect();
    match subject["format"].as_str() {
        None | Some("") => false,
        Some("complex") => outermost && !rest.is_empty() && rest.iter().all(|v| well_formed(v, false)),
        Some("aliases") => subject["identifiers"].as_array().is_some_and(|all| !all.is_empty()),
        Some("email") => subject["email"].as_str().is_some_and(|e| e.contains('@')),
        Some(_) => !rest.is_empty(),
    }
}

pub fn poll_is_sound(body: &Value) -> bool {
    let null_or = |name: &str, fits: fn(&Value) -> bool| body[name].is_null() || fits(&body[name]);
    null_or("maxEvents", Value::is_u64)
        && null_or("returnImmediately", Value::is_boolean)
        && null_or("ack", Value::is_array)
        && null_or("setErrs", Value::is_object)
}

pub fn split(compact: &str) -> (&str, &str) {
    (compact.split_once('.').unwrap().0, compact.rsplit_once('.').unwrap().1)
}

pub fn base64url(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}
