//! Doing the steps of a case: requests, and what holds steps together.
//!
//! What a step finds wrong goes to the rows that it proves. A binding row that does not hold ends the case, for the steps
//! behind it rest on it; a SHOULD or MAY does not, nor does a step that only judges. Steps about SETs are in [`super::events`].

use std::ops::ControlFlow;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;

use super::Trouble;
use super::action::{Action, Call, Check};
use super::case::Step;
use super::exchange::{Exchange, Request, send};
use super::requirement::Level;
use super::shape::{at, quoted};
use super::stage::{Finding, Stage};
use super::template;
use super::token::{Who, authorization};
use super::{bad_tls, each, events, every, pushes, tls_probe, verification};
use crate::clock::Stopwatch;

/// Rest before the steps that are done while an answer is waited for: the request is on its way by then.
const MEANWHILE_REST: Duration = Duration::from_millis(400);

/// What a case needs to know of its rows.
pub struct Rows<'a> {
    /// Rows that no step names: steps without rows prove them.
    pub unnamed: &'a [String],
    /// How much a row obliges.
    pub level: &'a (dyn Fn(&str) -> Option<Level> + Sync),
}

type Doing<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// Does the steps in turn; `Break` if the case must end. `inherited`: the rows of the step that these stand in.
pub fn run<'f>(
    stage: &'f mut Stage<'_>,
    steps: &'f [Step],
    rows: &'f Rows<'f>,
    inherited: &'f [String],
) -> Doing<'f, ControlFlow<()>> {
    Box::pin(async move {
        for step in steps {
            one(stage, step, rows, inherited).await?;
        }
        ControlFlow::Continue(())
    })
}

/// Does one step.
pub async fn one(
    stage: &mut Stage<'_>,
    step: &Step,
    rows: &Rows<'_>,
    inherited: &[String],
) -> ControlFlow<()> {
    let own = if step.rows.is_empty() { inherited } else { &step.rows };
    let now = stage.lab.now_s();
    stage.known.insert("now_s".into(), now.into());
    let done = match &step.action {
        Action::Each(each) => return each::repeat(stage, each, rows, own).await,
        Action::Call(call) => call_and_meanwhile(stage, call, rows, own).await?,
        Action::Interest(interest) => events::interest(stage, interest).await,
        Action::Emit(emit) => events::emit(stage, emit).await,
        Action::Receive(receive) => events::receive(stage, receive).await,
        Action::Silence(watch) => events::silence(stage, watch).await,
        Action::Collect(collect) => events::collect(stage, collect).await,
        Action::Verify(verify) => verification::verify(stage, verify).await,
        Action::Status(status) => events::status(stage, status).await,
        Action::Sink(sink) => pushes::sink(stage, sink),
        Action::Pushes(looked) => pushes::pushes(stage, looked).await,
        Action::Check(check) => self::check(stage, check),
        Action::Every(every) => every::judge(stage, every),
        Action::Wait(wait) => pause(stage, &wait.seconds, wait.times).await,
        Action::BadTls {} => bad_tls::judge(stage.lab).await,
        Action::Tls(tls) => tls_probe::judge(stage.lab, &tls.probe).await,
    };
    let flow = settle(stage, done, rows, own);
    match &step.action {
        // Nothing rests on a judgement, whatever it is.
        Action::Check(_) | Action::Every(_) | Action::Tls(_) => ControlFlow::Continue(()),
        _ => flow,
    }
}

/// Books what came of a step.
pub(super) fn settle(
    stage: &mut Stage<'_>,
    done: Result<(), Trouble>,
    rows: &Rows<'_>,
    own: &[String],
) -> ControlFlow<()> {
    let Err(trouble) = done else { return ControlFlow::Continue(()) };
    let concerned = if own.is_empty() { rows.unnamed } else { own };
    let binds =
        concerned.is_empty() || concerned.iter().any(|row| (rows.level)(row).is_some_and(Level::binds));
    let finding = Finding { rows: concerned.to_vec(), trouble };
    let ends = binds || finding.is_na();
    stage.findings.push(finding);
    if ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

async fn call_and_meanwhile(
    stage: &mut Stage<'_>,
    call: &Call,
    rows: &Rows<'_>,
    own: &[String],
) -> ControlFlow<(), Result<(), Trouble>> {
    let (request, who) = match build(stage, call).await {
        Ok(built) => built,
        Err(trouble) => return ControlFlow::Continue(Err(trouble)),
    };
    let lab = stage.lab;
    let sent = if call.meanwhile.is_empty() {
        send_until(stage, call, &request).await
    } else {
        let inside = async {
            tokio::time::sleep(MEANWHILE_REST).await;
            run(stage, &call.meanwhile, rows, own).await
        };
        let (sent, inside) = tokio::join!(send(lab, &request), inside);
        if inside.is_break() {
            return ControlFlow::Break(());
        }
        sent
    };
    ControlFlow::Continue(match sent {
        Ok(exchange) => {
            stage.saw(exchange.evidence);
            answered(stage, call, who, exchange.doc)
        }
        Err(trouble) => Err(trouble),
    })
}

/// Sends a request until its answer looks as the call waits for; the last answer counts. Each rest is twice the one before.
async fn send_until(stage: &mut Stage<'_>, call: &Call, request: &Request) -> Result<Exchange, Trouble> {
    let (began, mut rest) = (Stopwatch::start(), events::LOOK);
    loop {
        let exchange = send(stage.lab, request).await?;
        let there = call.until.fits(&exchange.doc, &stage.known).map_err(|u| Trouble::na(u.to_string()))?;
        if there || began.elapsed() + rest > stage.lab.settings.timeout {
            return Ok(exchange);
        }
        if is_ok(&exchange.doc) && call.what == "verify" {
            asked_to_verify(stage, call)?;
        }
        tokio::time::sleep(rest).await;
        rest *= 2;
    }
}

fn is_ok(answer: &Value) -> bool {
    answer["status"].as_u64().is_some_and(|status| (200..300).contains(&status))
}

/// The request that a call means.
async fn build(stage: &Stage<'_>, call: &Call) -> Result<(Request, Who), Trouble> {
    let what = stage.text(&call.what)?;
    let (method, endpoint) = match what.as_str() {
        "create" => ("POST", "{configuration_endpoint}"),
        "read" => ("GET", "{configuration_endpoint}"),
        "patch" => ("PATCH", "{configuration_endpoint}"),
        "put" => ("PUT", "{configuration_endpoint}"),
        "delete" => ("DELETE", "{configuration_endpoint}"),
        "status" => ("GET", "{status_endpoint}"),
        "set_status" => ("POST", "{status_endpoint}"),
        "add" => ("POST", "{add_subject_endpoint}"),
        "remove" => ("POST", "{remove_subject_endpoint}"),
        "verify" => ("POST", "{verification_endpoint}"),
        "poll" | "post" => ("POST", call.url.as_deref().unwrap_or_default()),
        _ => ("GET", call.url.as_deref().unwrap_or_default()),
    };
    let who = stage.text(call.who.as_deref().unwrap_or("a"))?;
    let who = Who::parse(&who).ok_or_else(|| Trouble::na(format!("nobody is called {who}")))?;
    let url = stage.text(endpoint)?;
    let mut url =
        url::Url::parse(&url).map_err(|_| Trouble::wrong(format!("{} is no URL", quoted(&url.into()))))?;
    let query = stage.fill(&call.query)?;
    for (name, value) in query.as_object().into_iter().flatten() {
        url.query_pairs_mut().append_pair(name, &template::plain(value));
    }
    let body = match (&call.json, &call.text) {
        (Some(json), _) => Some(stage.fill(json)?).filter(|v| !v.is_null()).map(|v| v.to_string()),
        (None, Some(text)) => Some(stage.text(text)?),
        (None, None) => None,
    };
    let mut headers = vec![("accept".to_string(), "application/json".to_string())];
    let field = match &call.authorization {
        Some(field) => Some(stage.text(field)?),
        None => authorization(stage.lab, who).await?,
    };
    headers.extend(field.map(|f| ("authorization".to_string(), f)));
    if body.is_some() && !call.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("content-type".into(), "application/json".into()));
    }
    for (name, value) in &call.headers {
        headers.push((name.clone(), stage.text(value)?));
    }
    let method = stage.text(call.method.as_deref().unwrap_or(method))?;
    Ok((Request { method, url: url.into(), headers, body }, who))
}

/// Takes an answer: streams that were made, what it must look like, what is saved of it.
fn answered(stage: &mut Stage<'_>, call: &Call, who: Who, mut doc: Value) -> Result<(), Trouble> {
    let what = stage.text(&call.what)?;
    doc["operation"] = what.as_str().into();
    stage.lab.record(|record| record.answers.push(doc.clone()));
    let ok = is_ok(&doc);
    if let Some(id) = doc["body"]["stream_id"].as_str().filter(|_| ok && what == "create") {
        stage.made.push((who, id.into()));
    }
    if ok && what == "verify" {
        asked_to_verify(stage, call)?;
    }
    let faults = call.expect.faults(&doc, &stage.known).map_err(|u| Trouble::na(u.to_string()))?;
    if !faults.is_empty() {
        if what == "create" && doc["status"] == 409 {
            no_further(stage, who)?;
        }
        return Err(Trouble::wrong(format!("{what}: {}", faults.join("; "))));
    }
    if let Some(name) = &call.stream {
        stage.adopt(name, who, &doc["body"])?;
        for wanted in &call.must_deliver {
            let wanted = stage.text(wanted)?;
            let delivered = doc["body"]["events_delivered"].as_array();
            if !delivered.is_some_and(|all| all.iter().any(|uri| *uri == *wanted)) {
                return Err(Trouble::na(format!(
                    "the transmitter does not deliver {wanted} to this receiver"
                )));
            }
        }
    }
    if ok && let Some(json) = &call.json {
        let delivery = stage.fill(json)?["delivery"].clone();
        if let Some(url) = delivery["endpoint_url"].as_str() {
            let field = delivery["authorization_header"].as_str().map(String::from);
            stage.sinks.insert(url.into(), field);
        }
    }
    for (name, path) in &call.save {
        let value = at(&doc, path).ok_or_else(|| Trouble::wrong(format!("{what}: {path} is missing")))?;
        stage.known.insert(name.clone(), value.clone());
    }
    Ok(())
}

/// A 409 is no fault where the receiver has all the streams that it may have.
fn no_further(stage: &Stage<'_>, who: Who) -> Result<(), Trouble> {
    if !stage.made.is_empty() {
        return Err(Trouble::na("the transmitter allows this receiver no further stream (409)"));
    }
    match stage.lab.before(who).unwrap_or_default().len() {
        0 => Ok(()),
        n => Err(Trouble::na(format!(
            "this receiver had {n} stream(s) before the run, and the transmitter allows it no further one (409): delete \
             them, or take a receiver that has none"
        ))),
    }
}

/// Verification was asked for: from here on the interval runs.
fn asked_to_verify(stage: &mut Stage<'_>, call: &Call) -> Result<(), Trouble> {
    let body = call.json.as_ref().map(|json| stage.fill(json)).transpose()?.unwrap_or_default();
    for stream in stage.streams.values_mut().filter(|s| body["stream_id"] == *s.id) {
        stream.verified = Some(Stopwatch::start());
    }
    Ok(())
}

fn check(stage: &Stage<'_>, check: &Check) -> Result<(), Trouble> {
    let doc = stage.fill(&check.value)?;
    let apart = check.when.faults(&doc, &stage.known).map_err(|u| Trouble::na(u.to_string()))?;
    if !apart.is_empty() {
        return Err(Trouble::na(apart.join("; ")));
    }
    let faults = check.expect.faults(&doc, &stage.known).map_err(|u| Trouble::na(u.to_string()))?;
    if faults.is_empty() { Ok(()) } else { Err(Trouble::wrong(faults.join("; "))) }
}

async fn pause(stage: &Stage<'_>, seconds: &Value, times: f64) -> Result<(), Trouble> {
    let seconds = stage.fill(seconds)?;
    let Some(seconds) = seconds.as_f64().filter(|s| s.is_finite() && *s >= 0.0) else {
        return Err(Trouble::wrong(format!("{} is no number of seconds", quoted(&seconds))));
    };
    let wait = Duration::from_secs_f64((seconds * times).clamp(0.0, 1e6));
    if wait > stage.lab.settings.patience {
        return Err(Trouble::na(format!("{seconds} s are more than this run waits for (--patience-s)")));
    }
    tokio::time::sleep(wait).await;
    Ok(())
}
