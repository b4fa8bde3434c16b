//! What the scripted transmitter does when it is asked: streams, their status, their subjects, verification, polls.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use ssf_hub::clock::Stopwatch;

use super::scripted::{Reply, Scripted, VERIFICATION, World};
use super::wire::Stream;

/// How long a poll waits: longer than a busy machine takes for what is asked meanwhile.
const LONG_POLL: Duration = Duration::from_secs(20);
/// How often a stream may be asked about subjects.
const SUBJECTS_MAX: usize = 40;
/// How many streams a receiver may have, but where it is otherwise.
const STREAMS_MAX: usize = 6;

impl Scripted {
    pub(super) fn manage(
        &self,
        method: &Method,
        path: &str,
        query: &HashMap<String, String>,
        body: &Value,
        who: &str,
    ) -> Reply {
        let named = body["stream_id"].as_str().or(query.get("stream_id").map(String::as_str));
        let owner = if self.goes_wrong("everybody's streams") { "" } else { who };
        self.with(|world| {
            let mine =
                |s: &&mut Stream| Some(s.id.as_str()) == named && (owner.is_empty() || s.owner == owner);
            match (method.as_str(), path, named) {
                ("POST", "/ssf/streams", _) => self.create(world, body, who),
                ("GET", "/ssf/streams", None) => {
                    let all: Vec<_> =
                        world.streams.iter().filter(|s| s.owner == who).map(|s| self.config(s)).collect();
                    if all.is_empty() && self.goes_wrong("no streams is 404") {
                        return (404, json!({}));
                    }
                    let one = self.goes_wrong("one is no list") && all.len() == 1;
                    (200, if one { all[0].clone() } else { Value::Array(all) })
                }
                (_, _, None) => (400, json!({})),
                ("DELETE", _, Some(id)) => {
                    let gone = world
                        .streams
                        .iter()
                        .position(|s| s.id == id && (owner.is_empty() || s.owner == owner));
                    let Some(place) = gone else {
                        return (if self.goes_wrong("every delete is 204") { 204 } else { 404 }, Value::Null);
                    };
                    let gone = world.streams.remove(place);
                    if self.goes_wrong("polls what is deleted") {
                        world.ghosts.push(gone);
                    }
                    (if self.goes_wrong("delete is 200") { 200 } else { 204 }, Value::Null)
                }
                (verb, path, Some(_)) => {
                    let all =
                        self.goes_wrong("one status for all") && verb == "POST" && path == "/ssf/status";
                    let status = body["status"].clone();
                    if path == "/ssf/verify" {
                        world.state = body["state"].clone();
                    }
                    let Some(stream) = world.streams.iter_mut().find(mine) else {
                        return (if self.goes_wrong("unknown is 200") { 200 } else { 404 }, json!({}));
                    };
                    if !self.goes_wrong("idle: nothing counts") {
                        stream.seen = Stopwatch::start();
                    }
                    let reply = self.about(stream, verb, path, body);
                    if self.goes_wrong("subjects of all streams") && path.ends_with("add") {
                        let added = stream.added.clone();
                        world.streams.iter_mut().for_each(|s| s.added = added.clone());
                    }
                    if all {
                        world
                            .streams
                            .iter_mut()
                            .for_each(|s| s.status = status.as_str().unwrap_or("enabled").into());
                    }
                    reply
                }
            }
        })
    }

    fn create(&self, world: &mut World, body: &Value, who: &str) -> Reply {
        let has = world.streams.iter().filter(|s| s.owner == who).count();
        if has >= self.streams_max() {
            return (409, json!({}));
        }
        if has > 0 && self.goes_wrong("second create is 500") {
            return (500, json!({}));
        }
        let method = body["delivery"]["method"].as_str();
        let url = body["delivery"]["endpoint_url"].as_str().unwrap_or_default();
        let refused = match self.wrong() {
            "offers poll alone" => method == Some("urn:ietf:rfc:8935"),
            "offers push alone" => method != Some("urn:ietf:rfc:8935"),
            "wants a delivery" => method.is_none(),
            "pushes in the clear" => false,
            _ => url.starts_with("http://") && !url.starts_with("http://127.0.0.1"),
        };
        if refused {
            return (400, json!({}));
        }
        world.made += 1;
        let mut stream = Stream::new(&format!("s{}", world.made), who);
        if self.goes_wrong("takes a stream_id") && body["stream_id"].is_string() {
            stream.id = body["stream_id"].as_str().unwrap().into();
        }
        if self.goes_wrong("state unasked") {
            let sub_id = json!({ "format": "opaque", "id": stream.id });
            self.send(&mut stream, &sub_id, VERIFICATION, &json!({ "state": "unasked" }), None);
        }
        let old_state = self.goes_wrong("an old state unasked") && world.state.is_string();
        if old_state || self.goes_wrong("keeps alive") {
            let sub_id = json!({ "format": "opaque", "id": stream.id });
            let event = if old_state { json!({ "state": world.state }) } else { json!({}) };
            self.send(&mut stream, &sub_id, VERIFICATION, &event, None);
        }
        if self.goes_wrong("pushes to nowhere") && method == Some("urn:ietf:rfc:8935") && url.is_empty() {
            return (201, self.config(&stream));
        }
        if let Err(reply) = stream.take(body, false) {
            return if self.goes_wrong("takes any body") { (201, self.config(&stream)) } else { reply };
        }
        let config = self.config(&stream);
        world.streams.push(stream);
        (if self.goes_wrong("create is 200") { 200 } else { 201 }, config)
    }

    fn about(&self, stream: &mut Stream, verb: &str, path: &str, body: &Value) -> Reply {
        match (verb, path) {
            ("GET", "/ssf/streams") if self.goes_wrong("a list for one") => {
                (200, json!([self.config(stream)]))
            }
            ("GET", "/ssf/streams") => (200, self.config(stream)),
            ("GET", "/ssf/status") if self.goes_wrong("no status by GET") => (405, json!({})),
            ("PATCH" | "PUT", _) => self.change(stream, body, verb == "PUT"),
            ("GET", "/ssf/status") => {
                let status = stream.status.to_string();
                let status =
                    if self.goes_wrong("status in upper case") { status.to_uppercase() } else { status };
                let mut answer = json!({ "stream_id": stream.id, "status": status });
                if self.goes_wrong("status without stream_id") {
                    answer["stream_id"] = Value::Null;
                }
                if stream.reason.is_string() {
                    answer["reason"] = stream.reason.clone();
                }
                (200, answer)
            }
            ("POST", "/ssf/status") => self.set_status(stream, body),
            (_, "/ssf/subjects/add" | "/ssf/subjects/remove") => {
                self.subject(stream, path.ends_with("add"), body)
            }
            _ => self.verify(stream, body),
        }
    }

    fn change(&self, stream: &mut Stream, body: &Value, replace: bool) -> Reply {
        let now = self.config(stream);
        let supplied = ["iss", "aud", "events_supported", "events_delivered", "min_verification_interval"];
        let mut after = stream.clone();
        if replace && !self.goes_wrong("put keeps") {
            (after.description, after.requested) = (String::new(), vec![]);
        }
        if !replace && self.goes_wrong("patch clears") {
            after.requested = vec![];
        }
        if let Err(reply) = after.take(body, true) {
            return reply;
        }
        if self.goes_wrong("wants iss") && body.get("iss").is_none() {
            return (400, json!({}));
        }
        if self.goes_wrong("loses what is owed") && after.push.is_some() != stream.push.is_some() {
            after.queue.clear();
        }
        let compared = if self.goes_wrong("compares what comes") { self.config(&after) } else { now };
        let differs = |name: &str| body.get(name).is_some_and(|v| *v != compared[name]);
        let forgiven = |name: &str| {
            self.goes_wrong("takes any iss") || (name == "aud" && self.goes_wrong("takes any aud"))
        };
        if supplied.iter().any(|name| differs(name) && !forgiven(name)) {
            return (400, json!({}));
        }
        if !self.goes_wrong("changes nothing") {
            *stream = after;
        }
        if self.goes_wrong("changes are 204") {
            return (204, Value::Null);
        }
        (200, self.config(stream))
    }

    fn set_status(&self, stream: &mut Stream, body: &Value) -> Reply {
        let status = body["status"].as_str().unwrap_or_default().to_string();
        if !["enabled", "paused", "disabled"].contains(&status.as_str()) {
            return (if self.goes_wrong("any status") { 200 } else { 400 }, json!({}));
        }
        match self.wrong() {
            "no disabled" if status == "disabled" => return (400, json!({})),
            "manages all but the status" => return (403, json!({})),
            _ => {}
        }
        if !self.goes_wrong("status stays") {
            stream.status = status.clone();
        }
        stream.reason = if self.goes_wrong("reason is lost") { Value::Null } else { body["reason"].clone() };
        if status == "disabled" {
            stream.queue.clear();
        }
        (200, json!({ "stream_id": stream.id, "status": status }))
    }

    fn subject(&self, stream: &mut Stream, add: bool, body: &Value) -> Reply {
        stream.told += 1;
        if stream.told > SUBJECTS_MAX && !self.goes_wrong("takes any number of subjects") {
            return (429, json!({}));
        }
        let subject = body["subject"].clone();
        let sound = super::wire::well_formed(&subject, true) || self.goes_wrong("any subject");
        if !add && self.goes_wrong("removes anything") {
            return (204, Value::Null);
        }
        let verified = body["verified"].is_null() || body["verified"].is_boolean();
        if !sound || body.get("subject").is_none() || !(verified || self.goes_wrong("verified as it likes")) {
            return (400, json!({}));
        }
        if self.goes_wrong("tells who is known") && subject != super::known_subject() {
            return (404, json!({}));
        }
        let (to, from) = if add {
            (&mut stream.added, &mut stream.removed)
        } else {
            (&mut stream.removed, &mut stream.added)
        };
        if add || !self.goes_wrong("remove is forgotten") {
            from.retain(|s| *s != subject);
            to.push(subject);
        }
        let is_200 = if add { !self.goes_wrong("add is 204") } else { self.goes_wrong("remove is 200") };
        (if is_200 { 200 } else { 204 }, Value::Null)
    }

    fn verify(&self, stream: &mut Stream, body: &Value) -> Reply {
        if !(body["state"].is_null() || body["state"].is_string()) {
            return (400, json!({}));
        }
        let too_soon = stream.verified.is_some_and(|at| at.elapsed() < Duration::from_secs(1));
        if too_soon || (stream.verified.is_some() && self.goes_wrong("verifies once")) {
            return (429, json!({}));
        }
        stream.verified = Some(Stopwatch::start());
        let mut event = json!({});
        if body["state"].is_string() && !self.goes_wrong("state is lost") {
            event["state"] = body["state"].clone();
        }
        let id = if self.goes_wrong("sub_id of another") { "x" } else { stream.id.as_str() };
        let sub_id = json!({ "format": "opaque", "id": id });
        let lost = self.goes_wrong("removes itself") && stream.removed.contains(&sub_id);
        if !lost {
            let old = "https://schemas.openid.net/secevent/ssf/event-type/verify";
            let uri = if self.goes_wrong("old verification") { old } else { VERIFICATION };
            self.send(stream, &sub_id, uri, &event, None);
        }
        (if self.goes_wrong("verify is 200") { 200 } else { 204 }, Value::Null)
    }

    pub(super) async fn poll(&self, id: &str, who: &str, body: &Value) -> Reply {
        let shape = super::wire::poll_is_sound(body);
        if self.goes_wrong("no poll there") {
            return (404, json!({}));
        }
        let nothing = self.goes_wrong("an empty poll is 400") && *body == json!({});
        let strange = self.goes_wrong("unknown ack is 400") && body["ack"].to_string().contains("no-such");
        if (!shape && !self.goes_wrong("any poll")) || nothing || strange {
            return (400, json!({}));
        }
        let began = Stopwatch::start();
        loop {
            let reply = self.with(|world| {
                let World { streams, ghosts, .. } = world;
                let all = self.goes_wrong("everybody polls");
                let stream = streams.iter_mut().chain(ghosts).find(|s| s.id == id && (all || s.owner == who));
                stream.map(|s| {
                    if !self.goes_wrong("idle: a poll does not count")
                        && !self.goes_wrong("idle: nothing counts")
                    {
                        s.seen = Stopwatch::start();
                    }
                    s.offer(body, self.wrong())
                })
            });
            let Some((sets, more)) = reply else { return (404, json!({})) };
            let at_once = body["returnImmediately"] == true || self.goes_wrong("never waits");
            if !sets.is_empty() || at_once || began.elapsed() > LONG_POLL {
                let sets = if self.goes_wrong("sets as a list") { json!([]) } else { Value::Object(sets) };
                return (
                    200,
                    if more {
                        json!({ "sets": sets, "moreAvailable": true })
                    } else {
                        json!({ "sets": sets })
                    },
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many streams a receiver may have.
    fn streams_max(&self) -> usize {
        match self.wrong() {
            "offers one stream" | "has a stream and offers no other" => 1,
            "offers any number of streams" => usize::MAX,
            _ => STREAMS_MAX,
        }
    }
}
