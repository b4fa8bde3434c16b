//! The steps about SETs: letting events happen, and what comes of them by push and by poll.
//!
//! What comes is taken into the inbox of its stream and into the record of the run; a poll acknowledges what the poll
//! before it brought. A SET that was waited for is taken once. Never acknowledges what it did not see.

use std::time::Duration;

use serde_json::{Value, json};

use super::Trouble;
use super::action::{Collect, Emit, Interest, Receive, Status, Watch};
use super::emit::{Hook, Values};
use super::exchange::{Exchange, Request, send};
use super::needs;
use super::seen;
use super::shape::{Shape, at, quoted};
use super::stage::{Stage, Via};
use super::template::Unknown;
use super::token::{Who, authorization};
use crate::clock::Stopwatch;

/// Rest between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// How often it is looked, at least, before it is said that nothing came: time also goes by while this machine stands still.
const LOOKS_MIN: u32 = 3;
/// How long nothing more came, at least, when all SETs are taken to be there.
const QUIET: Duration = Duration::from_millis(700);

/// Adds a subject to a stream that has none of its own. Where nobody says which it has, to add one does no harm.
pub async fn interest(stage: &mut Stage<'_>, interest: &Interest) -> Result<(), Trouble> {
    let met = |need: &str| needs::unmet(stage.lab, need).is_none();
    if met("subjects:ALL") || (!met("subjects:NONE") && !met("endpoint:add_subject_endpoint")) {
        return Ok(());
    }
    let subject = match &interest.subject {
        Some(subject) => stage.fill(subject)?,
        None => stage.fill(&json!({ "format": "email", "email": "{user}" }))?,
    };
    let stream = stage.stream(&interest.stream)?;
    let (who, body) = (stream.who, json!({ "stream_id": stream.id, "subject": subject }));
    let url = stage.text("{add_subject_endpoint}")?;
    let exchange = ask_json(stage, who, url, "add", &body).await?;
    match exchange.doc["status"].as_u64() {
        Some(200..=299) => Ok(()),
        _ => Err(Trouble::wrong(format!("add: {}", exchange.evidence))),
    }
}

/// POSTs JSON, keeps the answer.
pub(super) async fn ask_json(
    stage: &mut Stage<'_>,
    who: Who,
    url: String,
    operation: &str,
    body: &Value,
) -> Result<Exchange, Trouble> {
    let field = authorization(stage.lab, who).await?;
    let mut headers = vec![("content-type".to_string(), "application/json".to_string())];
    headers.extend(field.map(|f| ("authorization".to_string(), f)));
    let request = Request { method: "POST".into(), url, headers, body: Some(body.to_string()) };
    let mut exchange = send(stage.lab, &request).await?;
    exchange.doc["operation"] = operation.into();
    let doc = exchange.doc.clone();
    stage.lab.record(|record| record.answers.push(doc));
    Ok(exchange)
}

/// Lets an event happen.
pub async fn emit(stage: &mut Stage<'_>, emit: &Emit) -> Result<(), Trouble> {
    let event_type = stage.text(&emit.event_type)?;
    let subject = match emit.subject.as_ref().or_else(|| stage.cases.subjects.get(&event_type)) {
        Some(subject) => stage.fill(subject)?,
        None => stage.fill(&json!({ "format": "email", "email": "{user}" }))?,
    };
    let event = match emit.event.as_ref().or_else(|| stage.cases.events.get(&event_type)) {
        Some(event) => stage.fill(event)?,
        None => json!({}),
    };
    let txn = stage.lab.fresh();
    stage.known.insert("txn".into(), json!(txn));
    stage.saw(format!("emit {event_type} about {subject}: {event}"));
    let values = Values::from([
        ("type", event_type.clone()),
        ("subject", subject.to_string()),
        ("event", event.to_string()),
        ("txn", txn),
    ]);
    let done = ask(stage, stage.lab.settings.emit.as_ref(), values, "emit").await;
    if let (Ok(()), Some(Value::Array(emitted))) = (&done, stage.known.get_mut("emitted")) {
        emitted.push(event_type.into());
    }
    if emit.perhaps { Ok(()) } else { done }
}

/// Lets the transmitter's operator set a status.
pub async fn status(stage: &mut Stage<'_>, status: &Status) -> Result<(), Trouble> {
    let id = stage.stream(&status.stream)?.id.clone();
    let wanted = stage.text(&status.status)?;
    stage.saw(format!("the operator sets {id} to {wanted}"));
    let values = Values::from([("stream", id), ("status", wanted)]);
    ask(stage, stage.lab.settings.status.as_ref(), values, "status").await
}

async fn ask(stage: &Stage<'_>, hook: Option<&Hook>, values: Values, name: &str) -> Result<(), Trouble> {
    let hook = hook.ok_or_else(|| Trouble::na(format!("there is no --{name}-command")))?;
    let done = hook.call(values, stage.lab.settings.timeout).await;
    done.map_err(|why| Trouble::na(format!("the {name} command: {why}")))
}

/// Takes in what came on a stream since the last look.
pub async fn gather(stage: &mut Stage<'_>, name: &str) -> Result<(), Trouble> {
    let stream = stage.stream(name)?;
    let (who, config) = (stream.who, stream.config.clone());
    let arrived = match stream.via.clone() {
        Some(Via::Poll(url)) => poll(stage, name, who, &url).await?,
        Some(Via::Push(url)) => pushed(stage, name, &url)?,
        None => return Err(Trouble::na("the stream has no delivery method that the runner speaks")),
    };
    let shared = stage
        .streams
        .values()
        .filter(|s| s.via == stage.streams.get(name).and_then(|s| s.via.clone()))
        .count()
        > 1;
    for (raw, mut about) in arrived {
        if shared && !seen::is_for(&raw, &config["aud"]) {
            continue;
        }
        about["stream"] = config.clone();
        about["as"] = json!(if who == Who::B { "b" } else { "a" });
        about["case"] = json!(stage.case.id);
        about["asked"] = json!(stage.stream(name)?.verified.is_some());
        let mut doc = seen::see(stage.lab, &raw, &about).await;
        if is_of_case(&doc, stage) {
            doc["uniq"] = stage.known.get("uniq").cloned().unwrap_or_default();
        }
        stage.lab.record(|record| {
            if !record.sets.iter().any(|other| other["raw"] == doc["raw"] && other["case"] == doc["case"]) {
                record.sets.push(doc.clone());
            }
        });
        stage.stream(name)?.inbox.push((doc, false));
    }
    Ok(())
}

async fn poll(
    stage: &mut Stage<'_>,
    name: &str,
    who: Who,
    url: &str,
) -> Result<Vec<(String, Value)>, Trouble> {
    let acks = std::mem::take(&mut stage.stream(name)?.acks);
    let body = json!({ "returnImmediately": true, "ack": acks });
    let exchange = ask_json(stage, who, url.into(), "poll", &body).await?;
    let doc = exchange.doc;
    let sets: Vec<_> = doc["body"]["sets"].as_object().cloned().unwrap_or_default().into_iter().collect();
    if doc["status"] != 200 || !sets.is_empty() {
        stage.saw(exchange.evidence);
    }
    stage.stream(name)?.acks = sets.iter().map(|(jti, _)| jti.clone()).collect();
    let set = |(jti, raw): (String, Value)| {
        Some((raw.as_str()?.to_string(), json!({ "via": "poll", "poll_key": jti })))
    };
    Ok(sets.into_iter().filter_map(set).collect())
}

fn pushed(stage: &mut Stage<'_>, name: &str, url: &str) -> Result<Vec<(String, Value)>, Trouble> {
    let sink = stage.lab.sink.as_ref().ok_or_else(|| Trouble::na("there is no --push-url"))?;
    let read = stage.stream(name)?.pushes_read;
    let expected = stage.sinks.get(url).cloned().flatten();
    let requests = sink.requests_from(url, read).unwrap_or_default();
    stage.stream(name)?.pushes_read += requests.len();
    let mut arrived = vec![];
    for mut request in requests {
        let raw = request["body"].as_str().unwrap_or_default().to_string();
        request["expected_authorization"] = json!(expected);
        stage.saw(format!("pushed: {} {}", request["method"], quoted(&request["body"])));
        if request["answered"] == 202 {
            arrived.push((raw, json!({ "via": "push" })));
        }
        stage.lab.record(|record| record.pushes.push(request));
    }
    Ok(arrived)
}

fn fits(shape: &Shape, doc: &Value, stage: &Stage<'_>) -> Result<bool, Trouble> {
    shape.fits(doc, &stage.known).map_err(|Unknown(name)| Trouble::na(format!("nothing is known as {name}")))
}

/// Whether a SET is about the stream itself or about what this case let happen: at a transmitter in use more goes on.
fn is_of_case(doc: &Value, stage: &Stage<'_>) -> bool {
    let of_the_stream = doc["type"].as_str().is_some_and(|uri| uri.contains("/secevent/ssf/"));
    let uniq = stage.known.get("uniq").and_then(Value::as_str).unwrap_or_default();
    let about = doc["claims"]["sub_id"].to_string();
    of_the_stream || doc["claims"]["sub_id"].is_null() || about.contains(uniq)
}

/// The first SET that fits and that no step has taken, if it is there.
fn take(stage: &mut Stage<'_>, name: &str, filter: &Shape) -> Result<Option<Value>, Trouble> {
    let inbox = stage.stream(name)?.inbox.clone();
    for (place, (doc, taken)) in inbox.into_iter().enumerate() {
        if !taken && is_of_case(&doc, stage) && fits(filter, &doc, stage)? {
            if let Some(entry) = stage.stream(name)?.inbox.get_mut(place) {
                entry.1 = true;
            }
            return Ok(Some(doc));
        }
    }
    Ok(None)
}

/// Waits for a SET.
pub async fn receive(stage: &mut Stage<'_>, receive: &Receive) -> Result<(), Trouble> {
    let doc = await_set(stage, &receive.stream, &receive.filter).await?;
    judge(stage, &receive.expect, &doc)?;
    if let Some(name) = &receive.save {
        stage.known.insert(name.clone(), doc);
    }
    Ok(())
}

pub(super) async fn await_set(stage: &mut Stage<'_>, name: &str, filter: &Shape) -> Result<Value, Trouble> {
    let began = Stopwatch::start();
    loop {
        gather(stage, name).await?;
        if let Some(doc) = take(stage, name, filter)? {
            return Ok(doc);
        }
        if began.elapsed() > stage.lab.settings.timeout {
            let came: Vec<_> =
                stage.stream(name)?.inbox.iter().map(|(doc, _)| quoted(&doc["type"])).collect();
            let waited = stage.lab.settings.timeout.as_secs_f64();
            return Err(Trouble::wrong(format!("no such SET came within {waited} s; what came: {came:?}")));
        }
        tokio::time::sleep(LOOK).await;
    }
}

pub(super) fn judge(stage: &Stage<'_>, shape: &Shape, doc: &Value) -> Result<(), Trouble> {
    let faults = shape.faults(doc, &stage.known).map_err(|Unknown(name)| Trouble::na(name))?;
    if faults.is_empty() { Ok(()) } else { Err(Trouble::wrong(format!("SET: {}", faults.join("; ")))) }
}

/// Watches that no SET comes.
pub async fn silence(stage: &mut Stage<'_>, watch: &Watch) -> Result<(), Trouble> {
    let (began, mut looks) = (Stopwatch::start(), 0);
    loop {
        gather(stage, &watch.stream).await?;
        if let Some(doc) = take(stage, &watch.stream, &watch.filter)? {
            return Err(Trouble::wrong(format!("a SET came that should not: {}", quoted(&doc["claims"]))));
        }
        looks += 1;
        if looks >= LOOKS_MIN && began.elapsed() > stage.lab.settings.silence {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Takes all SETs that come.
pub async fn collect(stage: &mut Stage<'_>, collect: &Collect) -> Result<(), Trouble> {
    let at_least = count(&stage.fill(&collect.at_least)?);
    let hoped = count(&stage.fill(&collect.hoped)?).max(at_least);
    let still = QUIET.max(stage.lab.settings.silence / 10);
    // The rests between looks are counted: while this machine stands still nobody looks.
    let (began, mut quiet, mut found) = (Stopwatch::start(), Duration::ZERO, vec![]);
    while quiet < still || (found.len() < hoped && began.elapsed() < stage.lab.settings.timeout) {
        gather(stage, &collect.stream).await?;
        quiet += LOOK;
        while let Some(doc) = take(stage, &collect.stream, &collect.filter)? {
            found.push(at(&doc, &collect.path).cloned().unwrap_or_default());
            quiet = Duration::ZERO;
        }
        tokio::time::sleep(LOOK).await;
    }
    let came = found.len();
    stage.known.insert(collect.save.clone(), Value::Array(found));
    if came < at_least {
        return Err(Trouble::wrong(format!("{came} SETs came instead of {at_least}")));
    }
    Ok(())
}

/// A number, or as many as a list has.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        number => number.as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0),
    }
}
