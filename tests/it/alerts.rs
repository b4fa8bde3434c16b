//! `deploy/alerts.yaml` and `deploy/dashboard.json` against what a running hub exposes, and against the manual.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};
use ssf_hub::app::health::Kafka;
use ssf_hub::jose::alg::Alg;
use ssf_hub::telemetry::Metrics;

use super::hub::{Hub, Setup, free_port, until};
use super::peers::{Idp, PushReceiver};
use super::pki::{Authority, NAME, ec_key};

/// Metrics that no panel and no alert shows.
const UNSHOWN: [(&str, &str); 1] =
    [("ssf_hub_stream_lookups", "how much work an answer was: read where a test or a bench compares two")];

/// Metrics that appear only once something went wrong for a while: other tests wait for them (`crowd.rs`, `egress/isolation.rs`,
/// `transmitter/poll_tests.rs`).
const RARE: [&str; 4] = [
    "ssf_hub_connections_crowded_total",
    "ssf_hub_destination_changes_total",
    "ssf_hub_poll_stuck_sets_total",
    "ssf_hub_stream_brakes_total",
];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names of the samples on a metrics page.
fn samples(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(['{', ' ']).next().unwrap().to_string()).collect()
}

/// The metrics that the table in the manual has. After a whole name the last parts of others that only differ there may stand.
fn told(manual: &str) -> BTreeSet<String> {
    let section = manual.split_once("\n## Metrics\n").unwrap().1.split("\n## ").next().unwrap();
    let mut told = BTreeSet::new();
    for row in section.lines().filter(|line| line.starts_with("| `ssf_hub_")) {
        let mut whole = "";
        for name in row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2) {
            if name.starts_with('_') {
                told.insert(format!("{}{name}", whole.rsplit_once('_').unwrap().0));
            } else {
                whole = name;
                told.insert(name.to_string());
            }
        }
    }
    told
}

/// The hub's metrics that an expression names.
fn named(expr: &str) -> BTreeSet<String> {
    let words = expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("ssf_hub_")).map(String::from).collect()
}

/// Everything that a hub exposes once each of its parts had something to do.
async fn exposed() -> BTreeSet<String> {
    let refusing = PushReceiver::answering(|_, _| StatusCode::BAD_REQUEST).await;
    let hub = Hub::start_as(Setup::with("[keys]\nrotate = \"* * * * * *\"\n")).await;
    let app = hub.client("default", "app", false).await;
    let idp = Idp::new("https://idp.example", Alg::ES256);
    hub.put("default", "upstreams", "idp", idp.upstream("hub")).await;
    hub.put("default", "token-issuers", "idp", idp.token_issuer()).await;
    hub.put("default", "points", "gw", json!({ "bearer": "point-secret-0123456789", "aud": ["api"] })).await;
    let stream =
        |method: &str| json!({ "client": "app", "method": method, "aud": ["a"], "events_requested": ["*"] });
    let mut push = stream("push");
    push["endpoint_url"] = json!(refusing.url);
    hub.put("default", "streams", "pushed", push).await;
    hub.put("default", "streams", "polled", stream("poll")).await;
    let set = idp.session_revoked("hub", "j", "alice", Some("s"), "user");
    assert_eq!(hub.push("default", "idp", &set).await.0, 202);
    hub.ask("default", "point-secret-0123456789", &idp.token("t", "bob", "api", json!({}))).await;
    let (_, offered) = hub.poll("default", "polled", &app, json!({ "returnImmediately": true })).await;
    let ack: Vec<&String> = offered["sets"].as_object().unwrap().keys().collect();
    hub.poll("default", "polled", &app, json!({ "returnImmediately": true, "ack": ack })).await;
    let endpoint = |path: &str| format!("{}/t/default/{path}", hub.public);
    assert_eq!(hub.http.get(endpoint("ssf/streams")).send().await.unwrap().status(), 401);
    assert!(
        hub.http.post(endpoint("oauth/token")).body("x=y").send().await.unwrap().status().is_client_error()
    );
    let needed = [
        "ssf_hub_sets_settled_total{",
        "ssf_hub_push_sets_total{",
        "ssf_hub_poll_sets_total{",
        "ssf_hub_signing_key_age_seconds{",
        "ssf_hub_key_rotations_total{",
        "ssf_hub_token_requests_total{",
    ];
    let mut all = samples(&page_with(&hub, &needed).await);
    hub.stop().await;
    all.extend(of_tls().await);
    // Kafka's are there where Kafka is.
    let with_kafka = Metrics::new();
    with_kafka.with(|registry| registry.register_collector(Box::new(Kafka(Default::default()))));
    all.extend(samples(&with_kafka.encode()));
    all
}

/// The metrics page, once each of these stands on it.
async fn page_with(hub: &Hub, needed: &[&str]) -> String {
    let found = std::cell::RefCell::new(String::new());
    until("all that is needed is on the page", 30, || async {
        let answer = hub.http.get(format!("{}/metrics", hub.admin)).send().await.unwrap();
        let page = answer.text().await.unwrap();
        let there = needed.iter().all(|name| page.contains(name));
        found.replace(page);
        there
    })
    .await;
    found.into_inner()
}

/// What a hub exposes that speaks TLS.
async fn of_tls() -> BTreeSet<String> {
    let (dir, ca, public) =
        (Arc::new(tempfile::tempdir().unwrap()), Authority::new("the hub's"), free_port());
    ca.leaf(NAME, ec_key(), 30).write(dir.path());
    let at = |name: &str| dir.path().join(name);
    let more = format!(
        "public_url = \"https://{NAME}:{public}\"\n[public.tls]\ncertificate_file = {:?}\nkey_file = {:?}\n",
        at("hub.pem"),
        at("hub.key"),
    );
    let hub = Hub::start_in(dir, Setup { public, more, ..Setup::default() }).await;
    assert!(hub.http.get(format!("http://127.0.0.1:{public}/")).send().await.is_err(), "that is no TLS");
    let needed = ["ssf_hub_tls_handshakes_total{", "ssf_hub_tls_certificate_not_after_seconds{"];
    let page = page_with(&hub, &needed).await;
    hub.stop().await;
    samples(&page)
}

/// One alert: its name and its expression.
fn alerts() -> Vec<(String, String)> {
    let text = read("deploy/alerts.yaml");
    let mut alerts: Vec<(String, String)> = vec![];
    let mut parts = BTreeSet::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            assert!(alerts.is_empty() || parts.len() == 5, "{alerts:?}: {parts:?}");
            parts.clear();
            alerts.push((name.into(), String::new()));
        } else if let (Some((key, value)), Some(last)) = (line.split_once(':'), alerts.last_mut()) {
            if key == "expr" {
                last.1 = value.trim().into();
            }
            if ["expr", "for", "severity", "summary", "runbook"].contains(&key) {
                assert!(!value.trim().is_empty(), "{line}");
                parts.insert(key.to_string());
            }
        }
    }
    assert!(alerts.len() > 10 && parts.len() == 5);
    alerts
}

#[tokio::test]
async fn alerts_and_dashboard_use_what_there_is() {
    let exposed = exposed().await;
    let known: BTreeSet<String> = exposed.iter().cloned().chain(RARE.map(String::from)).collect();
    let mut shown = BTreeSet::new();
    for (alert, expr) in alerts() {
        let used = named(&expr);
        assert!(!used.is_empty(), "{alert} looks at nothing");
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{alert}: {unknown:?} is not among {exposed:?}");
        shown.extend(used);
        let pairs = [('(', ')'), ('[', ']'), ('{', '}')];
        assert!(pairs.iter().all(|(a, b)| expr.matches(*a).count() == expr.matches(*b).count()), "{alert}");
    }
    let dashboard: Value = serde_json::from_str(&read("deploy/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            let used = named(target["expr"].as_str().unwrap());
            let unknown: Vec<_> = used.difference(&known).collect();
            assert!(!used.is_empty() && unknown.is_empty(), "{}: {unknown:?}", panel["title"]);
            shown.extend(used);
        }
    }
    assert!(panels.len() > 10 && shown.len() > 15);
    // The manual has every metric, and every metric is shown somewhere.
    let told = told(&read("docs/OPERATIONS.md"));
    let untold: Vec<_> = known.iter().filter(|name| !name.is_empty() && !told.contains(*name)).collect();
    assert!(untold.is_empty(), "docs/OPERATIONS.md says nothing about {untold:?}");
    let unshown: Vec<_> = told.difference(&shown).map(String::as_str).collect();
    assert_eq!(unshown, UNSHOWN.map(|(name, _)| name), "neither in the dashboard nor in an alert");
    let gone: Vec<_> = told.difference(&known).collect();
    assert!(gone.is_empty(), "docs/OPERATIONS.md has {gone:?}, and the hub has not");
}

#[test]
fn every_alert_is_in_the_manual_and_the_other_way_round() {
    let manual = read("docs/OPERATIONS.md");
    let (_, rest) = manual.split_once("\n## Alerts\n").unwrap();
    let section = rest.split("\n## ").next().unwrap();
    let mut told = BTreeSet::new();
    for part in section.split("\n### ").skip(1) {
        let (name, text) = part.split_once('\n').unwrap();
        assert!(text.trim().split("\n\n").count() >= 2, "{name}: what it means, and what to do");
        told.insert(name.to_string());
    }
    assert_eq!(told, alerts().into_iter().map(|(name, _)| name).collect());
}
