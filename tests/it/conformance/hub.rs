//! The cases against our own hub, over real HTTP, as any receiver would run them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use ssf_hub::conformance::emit::{Hook, Values};
use ssf_hub::conformance::report::Verdict;
use ssf_hub::conformance::settings::{Credentials, Profile, SinkSettings};
use ssf_hub::conformance::{Report, Settings};
use ssf_hub::jose::alg::Alg;

use crate::hub::{Hub, Setup, free_port};
use crate::peers::{Idp, SESSION_REVOKED, now_s};
use crate::pki::{Authority, NAME, ec_key};

/// A hub whose operator and whose IdP the runner may ask.
struct Asked {
    hub: Hub,
    idp: Idp,
}

impl Asked {
    /// Speaks TLS at its public door, as a transmitter does.
    #[expect(clippy::disallowed_methods, reason = "the client of a test is not outbound traffic of the hub")]
    async fn start(more: &str) -> Arc<Self> {
        let (dir, ca) = (Arc::new(tempfile::tempdir().unwrap()), Authority::new("the hub's authority"));
        ca.leaf(NAME, ec_key(), 30).write(dir.path());
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("ca.pem"), ca.pem()).unwrap();
        let public = free_port();
        let more = format!(
            "public_url = \"https://127.0.0.1:{public}\"\n[public.tls]\ncertificate_file = {:?}\nkey_file = {:?}\n{more}",
            at("hub.pem"),
            at("hub.key"),
        );
        let trusted = reqwest::Certificate::from_pem(&ca.pem()).unwrap();
        let mut hub = Hub::start_in(dir, Setup { public, more, ..Setup::default() }).await;
        hub.public = format!("https://127.0.0.1:{public}");
        hub.http = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
        let idp = Idp::new("https://idp.example", Alg::ES256);
        hub.put("default", "upstreams", "idp", idp.upstream("hub")).await;
        hub.tenant("other").await;
        Arc::new(Self { hub, idp })
    }

    /// `rights` are those of a receiver; `rate_per_s` among them is its client's.
    async fn client(&self, id: &str, mut rights: Value) -> String {
        let rate = rights.as_object_mut().and_then(|rights| rights.remove("rate_per_s"));
        let mut body = json!({ "new_bearer": true, "receiver": rights });
        if let Some(rate) = rate {
            body["authority"] = json!({ "rate_per_s": rate });
        }
        let answer = self.hub.put("default", "clients", id, body).await;
        answer["bearer"].as_str().unwrap().to_string()
    }

    /// The same as one that gets its tokens at the built-in authorization server.
    async fn credentials(&self, id: &str, rights: Value) -> Credentials {
        self.client(id, rights).await;
        let path = format!("/admin/v1/t/default/clients/{id}/secrets");
        let (status, answer) = self.hub.admin_send("POST", &path, Some(json!({}))).await;
        assert_eq!(status, 201, "{answer}");
        Credentials::Client { id: id.into(), secret: answer["secret"].as_str().unwrap().into() }
    }

    async fn emit(&self, values: Values) -> Result<(), String> {
        let parse = |name: &str| serde_json::from_str::<Value>(&values[name]).unwrap();
        let mut claims =
            self.idp.claims("hub", &values["txn"], &values["type"], parse("subject"), parse("event"));
        claims["txn"] = json!(values["txn"]);
        claims["toe"] = json!(now_s());
        match self.hub.push("default", "idp", &self.idp.sign(&claims)).await {
            (202, _) => Ok(()),
            (status, body) => Err(format!("{status} {body}")),
        }
    }

    async fn set_status(&self, values: Values) -> Result<(), String> {
        let path = format!("/admin/v1/t/default/streams/{}/status", values["stream"]);
        let body = json!({ "status": values["status"], "reason": "drill" });
        match self.hub.admin_send("POST", &path, Some(body)).await {
            (200..=299, _) => Ok(()),
            (status, body) => Err(format!("{status} {body}")),
        }
    }
}

/// Runs the cases as a receiver of its own with these rights.
async fn run(asked: &Arc<Asked>, name: &str, mut rights: Value, only: &[&str]) -> Report {
    use base64::Engine as _;
    use sha2::Digest as _;
    let default = rights["default_subjects"].as_str().unwrap_or("ALL").to_string();
    let reader = format!("reader-of-{name}");
    let sha256 = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(&reader));
    rights["tokens"] =
        json!([{ "id": "reader", "sha256": sha256, "scopes": ["ssf.read"], "expires_at": now_s() + 3600 }]);
    rights["streams_max"] = json!(6);
    rights["min_verification_interval_s"] = json!(1);
    let reader = Some(Credentials::Token(reader));
    let other = json!({ "default_subjects": default, "streams_max": 6 });
    let (a, b) = (asked.credentials(name, rights).await, asked.client(&format!("{name}-b"), other).await);
    let (emitting, operating) = (asked.clone(), asked.clone());
    let push = SinkSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        url: "http://127.0.0.1:0/events".into(),
        tls: None,
    };
    let settings = Settings {
        b: Some(Credentials::Token(b)),
        reader,
        only: only.iter().map(ToString::to_string).collect(),
        bad_tls: Some(("127.0.0.1:0".parse().unwrap(), "https://127.0.0.1:0/events".into())),
        other_issuer: Some(asked.hub.iss("other")),
        keep_alive: (name == "alive").then_some(Duration::from_secs(1)),
        known_subject: Some(json!({ "format": "email", "email": KNOWN })),
        push: Some(push),
        emit: Some(Hook::Function(Arc::new(move |values| {
            let asked = emitting.clone();
            Box::pin(async move { asked.emit(values).await })
        }))),
        status: Some(Hook::Function(Arc::new(move |values| {
            let asked = operating.clone();
            Box::pin(async move { asked.set_status(values).await })
        }))),
        default_subjects: Some(default),
        profile: Profile::CaepInterop,
        timeout: Duration::from_secs(30),
        silence: Duration::from_millis(400),
        ca_files: vec![asked.hub.dir.path().join("ca.pem")],
        ..Settings::new(&asked.hub.iss("default"), a)
    };
    ssf_hub::conformance::run(settings).await.unwrap_or_else(|e| panic!("{e:#}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_hub_keeps_to_every_row_that_a_case_can_try() {
    let asked = Asked::start("").await;
    let alive = Asked::start("[ssf]\nkeep_alive_cron = \"* * * * * *\"\n").await;
    let rights = |default: &str| json!({ "default_subjects": default });
    // Somebody the hub has heard of.
    let known = asked.idp.claims(
        "hub",
        "known",
        SESSION_REVOKED,
        json!({ "format": "email", "email": KNOWN }),
        json!({}),
    );
    assert_eq!(asked.hub.push("default", "idp", &asked.idp.sign(&known)).await.0, 202);
    let short = json!({ "inactivity_timeout_s": 6 });
    let okta = json!({ "dialect": "okta" });
    // So few that a burst is soon at its end.
    let busy = json!({ "rate_per_s": 6 });
    let (all, none, idle, busy, alive, okta) = tokio::join!(
        run(&asked, "all", rights("ALL"), &[]),
        run(&asked, "none", rights("NONE"), &[]),
        run(&asked, "idle", short, &["configuration", "inactivity-*"]),
        run(&asked, "busy", busy, &["subject-refusals"]),
        run(&alive, "alive", json!({}), &["keep-alive", "metadata-members", "sets"]),
        run(&asked, "okta", okta, &OKTA)
    );
    let passed = |report: &Report, row: &str| report.row(row).is_some_and(|r| r.verdict == Verdict::Passed);
    // What nobody provoked is not said to hold.
    for row in ["SSF-TX-SUBJ-12", "SSF-TX-SUBJ-14", "SSF-VER-01", "SSF-VER-06"] {
        assert!(!passed(&all, row), "{row}: {}", all.table());
    }
    // Subjects are inside, and not where they must not be.
    for row in ["SSF-SET-05", "SSF-SET-07", "SUBJ-22", "SSF-VER-04", "SSF-UPD-04"] {
        assert!(passed(&okta, row), "{row}: {}", okta.table());
    }
    let provoked = [&idle, &busy, &alive, &okta];
    for report in [&all, &none].into_iter().chain(provoked) {
        let bad = |v: Verdict| matches!(v, Verdict::Failed | Verdict::Warning);
        assert!(!report.rows.iter().any(|row| bad(row.verdict)), "{}", report.table());
        assert!(report.cases.iter().all(|case| case.left.is_empty()), "{:?}", report.cases);
    }
    let mut untried = super::skipped(&all, &none);
    untried.retain(|row| !provoked.iter().any(|report| passed(report, row)));
    assert_eq!(untried, UNTRIED, "{}", all.table());
    // The table says what this hub does about them.
    let ours = ssf_hub::conformance::requirement::reasons().unwrap().ours;
    assert!(UNTRIED.iter().all(|row| ours.contains_key(*row)));
}

/// What a dialect may change: all that brings SETs, and what is said about every one of them.
const OKTA: [&str; 10] = [
    "verification*",
    "stream-updated",
    "one-cause",
    "caep-events",
    "risc-events",
    "subject-formats",
    "complex-subjects",
    "delivered-types",
    "push",
    "sets",
];

/// An address that the hub has heard of.
const KNOWN: &str = "known@example.com";

/// Rows that have a case and that cannot be tried on this hub: an issuer with a terminating slash, critical members.
const UNTRIED: [&str; 2] = ["SSF-TX-META-03", "SSF-TX-META-22"];
