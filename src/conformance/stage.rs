//! The world of one case: what it knows, the streams that it made, what it found wrong.
//!
//! Made for each case and cleared behind it: every stream that a case made is deleted, however the case ended. Never
//! shared between cases.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Trouble;
use super::case::{Case, Cases};
use super::exchange::{Request, send};
use super::lab::Lab;
use super::needs;
use super::shape::quoted;
use super::template::{self, Known};
use super::token::{Who, authorization};
use crate::clock::Stopwatch;

/// How a stream's SETs come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// By polling this URL.
    Poll(String),
    /// To this URL of the push sink.
    Push(String),
}

/// A stream.
pub struct Stream {
    /// `stream_id`.
    pub id: String,
    /// Whose it is.
    pub who: Who,
    /// Its configuration, as answered last.
    pub config: Value,
    /// How its SETs come; nothing for a method that the runner does not speak.
    pub via: Option<Via>,
    /// SETs that came, and whether a step has taken them.
    pub inbox: Vec<(Value, bool)>,
    /// What the next poll acknowledges.
    pub acks: Vec<String>,
    /// How many requests of its endpoint were looked at.
    pub pushes_read: usize,
    /// Since the last request for verification.
    pub verified: Option<Stopwatch>,
}

/// Something that a case found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rows that it concerns.
    pub rows: Vec<String>,
    /// What.
    pub trouble: Trouble,
}

impl Finding {
    /// Whether it only says that the rows do not apply.
    pub fn is_na(&self) -> bool {
        matches!(self.trouble, Trouble::NotApplicable(_))
    }
}

/// The world of a case.
pub struct Stage<'a> {
    /// The run.
    pub lab: &'a Lab,
    /// The data.
    pub cases: &'a Cases,
    /// The case.
    pub case: &'a Case,
    /// What is known by name.
    pub known: Known,
    /// Streams by name.
    pub streams: BTreeMap<String, Stream>,
    /// The `Authorization` that was configured for an endpoint of the push sink: URL → field.
    pub sinks: BTreeMap<String, Option<String>>,
    /// Streams to delete, newest last.
    pub made: Vec<(Who, String)>,
    /// Requests and answers, shortened.
    pub evidence: Vec<String>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Most pieces of evidence that a case keeps; the newest count.
const EVIDENCE_MAX: usize = 8;

impl<'a> Stage<'a> {
    /// An empty world.
    pub fn new(lab: &'a Lab, cases: &'a Cases, case: &'a Case) -> Self {
        let mut known = Known::new();
        for (name, value) in &cases.names {
            // A name that uses an unknown one stays as it is written; a test rules that out.
            let filled = template::fill(value, &known).unwrap_or_else(|_| value.clone());
            known.insert(name.clone(), filled);
        }
        known.extend(lab.names());
        let uniq = lab.fresh();
        known.insert("uniq".into(), json!(uniq));
        known.insert("user".into(), json!(format!("user-{uniq}@conformance.example")));
        known.insert("other_user".into(), json!(format!("other-{uniq}@conformance.example")));
        known.insert("past_s".into(), json!(lab.now_s() - 3600));
        known.insert("long_text".into(), json!("long ".repeat(1000)));
        known.insert("emitted".into(), json!([]));
        known.extend(any_delivery(lab).map(|delivery| ("delivery".to_string(), delivery)));
        Self {
            lab,
            cases,
            case,
            known,
            streams: BTreeMap::new(),
            sinks: BTreeMap::new(),
            made: vec![],
            evidence: vec![],
            findings: vec![],
        }
    }

    /// Fills a value with what is known.
    pub fn fill(&self, value: &Value) -> Result<Value, Trouble> {
        template::fill(value, &self.known).map_err(|unknown| missing(&unknown.0))
    }

    /// Fills a text.
    pub fn text(&self, text: &str) -> Result<String, Trouble> {
        template::text(text, &self.known).map_err(|unknown| missing(&unknown.0))
    }

    /// Keeps evidence.
    pub fn saw(&mut self, evidence: String) {
        self.evidence.push(evidence);
        if self.evidence.len() > EVIDENCE_MAX {
            self.evidence.remove(0);
        }
    }

    /// Whether something was found wrong.
    pub fn is_wrong(&self) -> bool {
        self.findings.iter().any(|finding| !finding.is_na())
    }

    /// A stream by its name in the case.
    pub fn stream(&mut self, name: &str) -> Result<&mut Stream, Trouble> {
        self.streams.get_mut(name).ok_or_else(|| Trouble::na(format!("there is no stream {name}")))
    }

    /// Takes over a configuration that was answered for the stream `name`.
    pub fn adopt(&mut self, name: &str, who: Who, config: &Value) -> Result<(), Trouble> {
        let Some(id) = config["stream_id"].as_str().filter(|id| !id.is_empty()) else {
            return Err(Trouble::wrong("the configuration has no stream_id"));
        };
        let url = config["delivery"]["endpoint_url"].as_str().unwrap_or_default();
        let via = match config["delivery"]["method"].as_str() {
            Some("urn:ietf:rfc:8936") => Some(Via::Poll(url.into())),
            Some("urn:ietf:rfc:8935") => Some(Via::Push(url.into())),
            _ => None,
        };
        self.known.insert(name.into(), json!({ "id": id, "config": config, "url": url }));
        match self.streams.get_mut(name).filter(|stream| stream.id == id) {
            Some(stream) => {
                stream.pushes_read = if stream.via == via { stream.pushes_read } else { 0 };
                (stream.config, stream.via) = (config.clone(), via);
            }
            None => {
                // What another stream of this case took from the same endpoint is not this one's.
                let before = self.streams.values().filter(|other| other.via == via);
                let pushes_read = before.map(|other| other.pushes_read).max().unwrap_or(0);
                let stream = Stream {
                    id: id.into(),
                    who,
                    config: config.clone(),
                    via,
                    inbox: vec![],
                    acks: vec![],
                    pushes_read,
                    verified: None,
                };
                self.streams.insert(name.into(), stream);
            }
        }
        Ok(())
    }

    /// Deletes all streams that the case made. What cannot be deleted is said in words.
    pub async fn clear(&mut self) -> Vec<String> {
        let mut left = vec![];
        while let Some((who, id)) = self.made.pop() {
            if let Err(why) = self.delete(who, &id).await {
                left.push(format!("stream {} could not be deleted: {why}", quoted(&id.into())));
            }
        }
        left
    }

    async fn delete(&self, who: Who, id: &str) -> Result<(), String> {
        let said = |trouble: Trouble| self.lab.trouble(&trouble);
        let endpoint = self.text("{configuration_endpoint}").map_err(said)?;
        let mut url = url::Url::parse(&endpoint).map_err(|e| e.to_string())?;
        url.query_pairs_mut().append_pair("stream_id", id);
        let field = authorization(self.lab, who).await.map_err(said)?;
        let headers = field.map(|f| ("authorization".to_string(), f)).into_iter().collect();
        let request = Request { method: "DELETE".into(), url: url.into(), headers, body: None };
        let exchange = send(self.lab, &request).await.map_err(said)?;
        match exchange.doc["status"].as_u64() {
            Some(200..=299 | 404) => Ok(()),
            status => Err(format!("status {status:?}")),
        }
    }
}

/// A delivery that the transmitter offers: by poll if it can be, for that needs nothing else.
fn any_delivery(lab: &Lab) -> Option<Value> {
    if needs::unmet(lab, "poll").is_none() {
        return Some(json!({ "method": "urn:ietf:rfc:8936" }));
    }
    needs::unmet(lab, "push").is_none().then_some(())?;
    let url = lab.sink.as_ref()?.endpoint(&lab.fresh(), vec![]);
    let field = format!("Bearer push-{}", lab.fresh());
    lab.keep_secret(&field);
    Some(json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": url, "authorization_header": field }))
}

fn missing(name: &str) -> Trouble {
    let endpoint = name.ends_with("_endpoint") || name.ends_with("_uri");
    if name == "delivery" {
        return Trouble::na("there is no delivery method that this run can use (--push-url?)");
    }
    Trouble::na(if endpoint {
        format!("the metadata names no {name}")
    } else {
        format!("nothing is known as {name}")
    })
}
