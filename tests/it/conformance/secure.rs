//! The rows about https and TLS, on a scripted transmitter that speaks it: right, and wrong in each way.

use std::pin::Pin;

use axum::Router;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use openssl::ssl::{Ssl, SslAcceptor, SslMethod, SslOptions};
use ssf_hub::conformance::Report;
use ssf_hub::conformance::report::Verdict;
use tokio::net::TcpListener;
use tokio_openssl::SslStream;

use super::scripted::{Common, Scripted, common};
use crate::pki::{Authority, Leaf, NAME, rsa_key};

const ROWS: [&str; 12] = [
    "SSF-TX-META-11",
    "SSF-TX-META-14",
    "SSF-TX-META-17",
    "SSF-TX-META-18",
    "SSF-TX-META-19",
    "SSF-TX-META-20",
    "SSF-TX-META-21",
    "SET-16",
    "POLL-27",
    "INTEROP-01",
    "INTEROP-02",
    "PUSH-32",
];

/// How it goes wrong, and the rows that say so.
const TABLE: [(&str, &[&str]); 6] = [
    ("", &[]),
    ("issuer with a query", &["SSF-TX-META-11"]),
    (
        "points to http",
        &[
            "SSF-TX-META-14",
            "SSF-TX-META-17",
            "SSF-TX-META-18",
            "SSF-TX-META-19",
            "SSF-TX-META-20",
            "SSF-TX-META-21",
        ],
    ),
    // It takes every cipher as well.
    ("old TLS", &["SET-16", "POLL-27", "INTEROP-01", "INTEROP-02"]),
    ("weak ciphers", &["INTEROP-02"]),
    ("pushes in the clear", &["PUSH-32"]),
];

#[expect(clippy::disallowed_methods, reason = "a peer in a test")]
pub async fn serve(listener: TcpListener, acceptor: SslAcceptor, router: Router) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let ssl = Ssl::new(acceptor.context()).unwrap();
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut stream = SslStream::new(ssl, stream).unwrap();
            if Pin::new(&mut stream).accept().await.is_ok() {
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            }
        });
    }
}

fn acceptor(wrong: &str, leaf: &Leaf) -> SslAcceptor {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    match wrong {
        "old TLS" => {
            builder.set_min_proto_version(None).unwrap();
            builder.clear_options(SslOptions::NO_TLSV1 | SslOptions::NO_TLSV1_1);
            builder.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
        }
        "weak ciphers" => builder.set_cipher_list("ECDHE+AESGCM:AES128-SHA:@SECLEVEL=0").unwrap(),
        _ => {}
    }
    builder.set_private_key(&leaf.key).unwrap();
    builder.set_certificate(&leaf.certificate).unwrap();
    builder.build()
}

async fn run(common: &Common, ca: &Authority, leaf: &Leaf, wrong: &'static str) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, ca.pem()).unwrap();
    let transmitter = Scripted::start_with(common.clone(), wrong, "ALL", Some(acceptor(wrong, leaf))).await;
    let mut settings = super::settings(&transmitter);
    // Who points to where nothing is cannot be asked for a stream.
    let asked = |row: &&&str| wrong != "points to http" || **row != "PUSH-32";
    settings.only = ROWS.iter().filter(asked).map(ToString::to_string).collect();
    settings.ca_files = vec![file];
    ssf_hub::conformance::run(settings).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_tls_can_show_is_seen() {
    let (common, ca) = (common(), Authority::new("the transmitter's authority"));
    let leaf = ca.leaf(NAME, rsa_key(), 20);
    for (wrong, rows) in TABLE {
        let report = run(&common, &ca, &leaf, wrong).await;
        let failed: Vec<&str> =
            report.rows.iter().filter(|r| r.verdict == Verdict::Failed).map(|r| r.row.as_str()).collect();
        let mut want = rows.to_vec();
        want.sort_unstable();
        let mut got: Vec<&str> = ROWS.iter().copied().filter(|row| failed.contains(row)).collect();
        got.sort_unstable();
        assert_eq!(got, want, "{wrong}: {}", report.table());
        if wrong.is_empty() {
            let passed = |row: &&str| report.row(row).is_some_and(|r| r.verdict == Verdict::Passed);
            assert!(ROWS.iter().all(|row| passed(&row)), "{}", report.table());
        }
    }
}
