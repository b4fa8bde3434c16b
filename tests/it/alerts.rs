//! `deploy/alerts.yaml` and `deploy/dashboard.json` against what a running hub exposes, and against the manual.

use std::collections::BTreeSet;
use std::path::Path;

use axum::http::StatusCode;
use serde_json::{Value, json};
use ssf_hub::app::health::Kafka;
use ssf_hub::jose::alg::Alg;
use ssf_hub::telemetry::Metrics;

use super::hub::{Hub, until};
use super::peers::{Idp, PushReceiver};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names of the samples on a metrics page.
fn samples(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(['{', ' ']).next().unwrap().to_string()).collect()
}

/// The hub's metrics that an expression names.
fn named(expr: &str) -> BTreeSet<String> {
    let words = expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("ssf_hub_")).map(String::from).collect()
}

/// Everything that a hub exposes once each of its parts had something to do.
async fn exposed() -> BTreeSet<String> {
    let refusing = PushReceiver::answering(|_, _| StatusCode::BAD_REQUEST).await;
    let hub = Hub::start().await;
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
    let page = || async {
        let answer = hub.http.get(format!("{}/metrics", hub.admin)).send().await.unwrap();
        answer.text().await.unwrap()
    };
    until("outcomes are journaled", 10, || async {
        let page = page().await;
        ["ssf_hub_sets_settled_total", "ssf_hub_dead_letters_total"].iter().all(|name| page.contains(name))
    })
    .await;
    let mut all = samples(&page().await);
    hub.stop().await;
    // Kafka's are there where Kafka is.
    let with_kafka = Metrics::new();
    with_kafka.with(|registry| registry.register_collector(Box::new(Kafka(Default::default()))));
    all.extend(samples(&with_kafka.encode()));
    all
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
    for (alert, expr) in alerts() {
        let used = named(&expr);
        assert!(!used.is_empty(), "{alert} looks at nothing");
        let unknown: Vec<_> = used.difference(&exposed).collect();
        assert!(unknown.is_empty(), "{alert}: {unknown:?} is not among {exposed:?}");
        let pairs = [('(', ')'), ('[', ']'), ('{', '}')];
        assert!(pairs.iter().all(|(a, b)| expr.matches(*a).count() == expr.matches(*b).count()), "{alert}");
    }
    let dashboard: Value = serde_json::from_str(&read("deploy/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut shown = BTreeSet::new();
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            let used = named(target["expr"].as_str().unwrap());
            let unknown: Vec<_> = used.difference(&exposed).collect();
            assert!(!used.is_empty() && unknown.is_empty(), "{}: {unknown:?}", panel["title"]);
            shown.extend(used);
        }
    }
    assert!(panels.len() > 10 && shown.len() > 15);
    // And the manual names every metric: whole, or by its last part behind the name before it.
    let manual = read("docs/OPERATIONS.md");
    let missing: Vec<_> = exposed
        .iter()
        .filter(|name| !name.is_empty() && !manual.contains(&format!("`{name}`")))
        .filter(|name| !name.rsplit('_').next().is_some_and(|last| manual.contains(&format!("`_{last}`"))))
        .collect();
    assert!(missing.is_empty(), "docs/OPERATIONS.md says nothing about {missing:?}");
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
