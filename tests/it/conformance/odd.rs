//! What is hardly a transmitter: pages instead of JSON, errors, redirects, floods, silence. A run ends in bounded time with
//! a verdict on every row, and names what it had to leave behind.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use ssf_hub::conformance::report::{Report, Verdict};
use ssf_hub::conformance::settings::{Credentials, Settings};
use ssf_hub::conformance::{requirement, run};
use tokio::sync::Semaphore;

use crate::peers::axum_serve;

/// How it answers.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Odd {
    Html,
    Error,
    Redirect,
    Flood,
    Silence,
    Deep,
    /// Creates, and then knows nothing of it.
    Forgets,
    /// Creates, and answers with what is no configuration.
    Strange,
}

const ALL: [Odd; 8] =
    [Odd::Html, Odd::Error, Odd::Redirect, Odd::Flood, Odd::Silence, Odd::Deep, Odd::Forgets, Odd::Strange];

/// How many run at a time.
const AT_ONCE: usize = 4;

/// Longest answer of a flood: more than a run reads.
const FLOOD_BYTES: usize = 5 * 1024 * 1024;

#[derive(Clone)]
struct Peer {
    odd: Odd,
    /// Whether its metadata is as it should be.
    found: bool,
    base: String,
}

async fn answer(State(peer): State<Peer>, method: Method, uri: Uri) -> Response {
    if peer.found && uri.path() == "/.well-known/ssf-configuration/t/x" && method == Method::GET {
        let at = |path: &str| format!("{}{path}", peer.base);
        let document = json!({
            "issuer": at("/t/x"), "jwks_uri": at("/jwks"), "configuration_endpoint": at("/streams"),
            "status_endpoint": at("/status"), "verification_endpoint": at("/verify"),
            "add_subject_endpoint": at("/add"), "remove_subject_endpoint": at("/remove"),
        });
        return ([("content-type", "application/json")], document.to_string()).into_response();
    }
    let json_type = [("content-type", "application/json")];
    let creates = method == Method::POST && uri.path() == "/streams";
    match peer.odd {
        Odd::Html => {
            (StatusCode::OK, [("content-type", "text/html")], "<h1>It works!</h1>\u{1b}[31m").into_response()
        }
        Odd::Redirect => {
            (StatusCode::FOUND, [("location", format!("{}{uri}", peer.base))], "").into_response()
        }
        Odd::Flood => (json_type, "x".repeat(FLOOD_BYTES)).into_response(),
        Odd::Silence => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            StatusCode::OK.into_response()
        }
        Odd::Deep => (json_type, "[".repeat(100_000)).into_response(),
        Odd::Forgets if creates => {
            let url = format!("{}/poll", peer.base);
            let delivery = json!({ "method": "urn:ietf:rfc:8936", "endpoint_url": url });
            let body = json!({ "stream_id": "s/\u{1b}?", "iss": format!("{}/t/x", peer.base), "aud": "a",
                               "events_delivered": [], "delivery": delivery });
            (StatusCode::CREATED, json_type, body.to_string()).into_response()
        }
        Odd::Strange if creates => {
            let body = json!({ "stream_id": 7, "delivery": [], "min_verification_interval": u64::MAX });
            (StatusCode::CREATED, json_type, body.to_string()).into_response()
        }
        Odd::Error | Odd::Forgets | Odd::Strange => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[expect(clippy::disallowed_methods, reason = "a peer in a test")]
async fn against(odd: Odd, found: bool) -> Report {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let peer = Peer { odd, found, base: base.clone() };
    tokio::spawn(axum_serve(listener, Router::new().fallback(answer).with_state(peer)));
    let settings = Settings {
        timeout: Duration::from_secs(if odd == Odd::Silence { 4 } else { 20 }),
        silence: Duration::from_millis(50),
        // Who says nothing is waited for until then.
        at_most: Duration::from_secs(if odd == Odd::Silence { 60 } else { 600 }),
        ..Settings::new(&format!("{base}/t/x"), Credentials::Token("a-static-token".into()))
    };
    let ended = tokio::time::timeout(Duration::from_secs(300), run(settings)).await;
    ended.unwrap_or_else(|_| panic!("{odd:?} holds the run up")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_answers_a_run_ends_with_a_verdict_on_every_row() {
    let (mut running, places) = (tokio::task::JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
    for (odd, found) in ALL.into_iter().flat_map(|odd| [(odd, false), (odd, true)]) {
        let places = places.clone();
        running.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            (odd, found, against(odd, found).await)
        });
    }
    for (odd, found, report) in running.join_all().await {
        let what = format!("{odd:?} {found}");
        let rows: Vec<&String> = report.rows.iter().map(|row| &row.row).collect();
        let all = requirement::rows().unwrap();
        assert_eq!(rows, all.iter().map(|row| &row.id).collect::<Vec<_>>(), "{what}");
        let verdict = |row: &str| report.row(row).unwrap().verdict;
        let (first, said) = if found { ("SSF-TX-CRE-01", "create: ") } else { ("SSF-TX-META-01", "") };
        let wrong = !(found && odd == Odd::Forgets);
        assert_eq!(verdict(first) == Verdict::Failed, wrong, "{what}: {}", report.table());
        assert!(
            !wrong
                || report.row(first).unwrap().why.contains(said)
                || odd == Odd::Strange
                || odd == Odd::Silence
                || odd == Odd::Flood
        );
        assert!(report.objection().unwrap().contains("do not hold"), "{what}");
        let left: Vec<&String> = report.cases.iter().flat_map(|case| &case.left).collect();
        assert_eq!(left.is_empty(), !(found && odd == Odd::Forgets), "{what}: {left:?}");
        let table = report.table();
        assert!(!table.contains('\u{1b}') && table.contains("SSF-TX-META-01"), "{what}: {table}");
        let parsed: Value = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!(parsed["rows"].as_array().unwrap().len(), all.len());
        assert!(!table.contains("a-static-token"), "{what}");
    }
}

/// Nobody there: the same.
#[tokio::test]
async fn nobody_there() {
    let issuer = format!("http://127.0.0.1:{}/t/x", crate::hub::free_port());
    let report = run(Settings::new(&issuer, Credentials::Token("a-static-token".into()))).await.unwrap();
    let row = report.row("SSF-TX-META-01").unwrap();
    assert!(row.verdict == Verdict::Failed && row.why.contains("cannot connect"), "{}", row.why);
}
