//! TLS in the hub itself: who is let in, what changes while it runs, and who holds nobody up (SET-16, INTEROP-01, -02).

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openssl::ssl::{
    Ssl, SslConnector, SslConnectorBuilder, SslMethod, SslSession, SslSessionCacheMode, SslVersion,
};
use ssf_hub::cli::admin_client::AdminClient;
use ssf_hub::config::Config;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_openssl::SslStream;

use super::hub::{Hub, Setup, free_port, until};
use super::pki::{Authority, Leaf, NAME, ec_key, rsa_key, serial};

struct Secure {
    hub: Hub,
    ca: Authority,
    dir: Arc<TempDir>,
}

/// A hub whose public listener speaks TLS. `more` is more of its configuration.
async fn secure(leaf: impl FnOnce(&Authority) -> Leaf, more: &str) -> Secure {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let ca = Authority::new("the hub's authority");
    leaf(&ca).write(dir.path());
    let public = free_port();
    let at = |name: &str| dir.path().join(name);
    let more = format!(
        "public_url = \"https://{NAME}:{public}\"\n[public.tls]\ncertificate_file = {:?}\nkey_file = {:?}\n\
         reload_s = 1\n{more}\n",
        at("hub.pem"),
        at("hub.key"),
    );
    let setup = Setup { public, more, ..Setup::default() };
    Secure { hub: Hub::start_in(dir.clone(), setup).await, ca, dir }
}

impl Secure {
    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.hub.setup.0)
    }

    fn connector(&self) -> SslConnectorBuilder {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
        builder.cert_store_mut().add_cert(self.ca.certificate.clone()).unwrap();
        builder
    }

    async fn connect(&self, builder: SslConnectorBuilder) -> Result<SslStream<TcpStream>, String> {
        shake(&self.address(), builder.build().configure().unwrap().into_ssl(NAME).unwrap()).await
    }

    #[expect(clippy::disallowed_methods, reason = "the client of a test is not outbound traffic of the hub")]
    fn client(&self) -> reqwest::Client {
        reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([reqwest::Certificate::from_pem(&self.ca.pem()).unwrap()])
            .resolve(NAME, self.address().parse().unwrap())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.hub.setup.0)
    }

    async fn metrics(&self) -> String {
        self.hub.http.get(format!("{}/metrics", self.hub.admin)).send().await.unwrap().text().await.unwrap()
    }

    /// How many changed pairs of files were refused.
    async fn refused(&self) -> u32 {
        let line = "ssf_hub_tls_reloads_total{listener=\"public\",result=\"refused\"} ";
        let page = self.metrics().await;
        page.lines().find_map(|l| l.strip_prefix(line)?.parse().ok()).unwrap_or(0)
    }

    /// Whether there is an operational event of the public listener that says so.
    async fn said(&self, kind: &str, what: &str) -> bool {
        let events = self.hub.admin_send("GET", "/admin/v1/operations", None).await.1;
        events.as_array().unwrap().iter().any(|e| {
            e["kind"] == kind && e["subject"] == "public" && e["what"].as_str().unwrap().contains(what)
        })
    }
}

async fn shake(address: &str, ssl: Ssl) -> Result<SslStream<TcpStream>, String> {
    let mut stream = SslStream::new(ssl, TcpStream::connect(address).await.unwrap()).unwrap();
    Pin::new(&mut stream).connect().await.map_err(|e| e.to_string())?;
    Ok(stream)
}

/// One request on a connection that is kept; the status line of the answer.
async fn get(stream: &mut SslStream<TcpStream>, path: &str) -> Result<String, String> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {NAME}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|e| e.to_string())?;
    let (mut answer, mut buf) = (vec![], [0; 16384]);
    loop {
        let n = stream.read(&mut buf).await.map_err(|e| e.to_string())?;
        answer.extend(&buf[..n]);
        let text = String::from_utf8_lossy(&answer).to_string();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse().unwrap() {
                return Ok(head.lines().next().unwrap().into());
            }
        }
        if n == 0 {
            return Err(format!("ended behind {text:?}"));
        }
    }
}

const JWKS: &str = "/t/default/jwks.json";

#[tokio::test]
async fn only_what_bcp_195_allows() {
    let secure = secure(|ca| ca.leaf(NAME, rsa_key(), 20), "").await;
    for (version, ciphers, good) in [
        (SslVersion::TLS1, "ALL:@SECLEVEL=0", false),
        (SslVersion::TLS1_1, "ALL:@SECLEVEL=0", false),
        (SslVersion::TLS1_2, "ECDHE+AESGCM", true),
        (SslVersion::TLS1_2, "ECDHE+CHACHA20", true),
        (SslVersion::TLS1_2, "AES128-GCM-SHA256:@SECLEVEL=0", false),
        (SslVersion::TLS1_2, "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", false),
        (SslVersion::TLS1_2, "ECDHE-RSA-AES128-SHA256:@SECLEVEL=0", false),
        (SslVersion::TLS1_3, "ALL", true),
    ] {
        let mut builder = secure.connector();
        builder.set_min_proto_version(Some(version)).unwrap();
        builder.set_max_proto_version(Some(version)).unwrap();
        builder.set_cipher_list(ciphers).unwrap();
        match secure.connect(builder).await {
            Ok(mut stream) => {
                assert!(good, "{version:?} {ciphers}: {:?}", stream.ssl().current_cipher().map(|c| c.name()));
                assert_eq!(get(&mut stream, JWKS).await.unwrap(), "HTTP/1.1 200 OK");
                assert_eq!(
                    get(&mut stream, JWKS).await.unwrap(),
                    "HTTP/1.1 200 OK",
                    "the connection is kept"
                );
            }
            Err(error) => assert!(!good, "{version:?} {ciphers}: {error}"),
        }
    }
    let mut http = secure.connector();
    http.set_alpn_protos(b"\x02h2\x08http/1.1").unwrap();
    let stream = secure.connect(http).await.unwrap();
    assert_eq!(stream.ssl().selected_alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut h2 = secure.connector();
    h2.set_alpn_protos(b"\x02h2").unwrap();
    assert!(secure.connect(h2).await.is_err());
    let stranger = SslConnector::builder(SslMethod::tls_client()).unwrap();
    let refused = secure.connect(stranger).await.unwrap_err();
    assert!(refused.contains("certificate verify failed"), "{refused}");
    // Plain HTTP at the same port is no handshake.
    let plain = secure.hub.http.get(format!("http://{}{JWKS}", secure.address())).send().await;
    assert!(plain.is_err());
    until("failures are counted", 20, || async {
        let text = secure.metrics().await;
        let of = |result: &str| {
            let line = format!("ssf_hub_tls_handshakes_total{{listener=\"public\",result=\"{result}\"}} ");
            text.lines().find_map(|l| l.strip_prefix(&line)?.parse::<u32>().ok()).unwrap_or(0)
        };
        of("ok") >= 4 && of("failed") >= 7 && text.contains("ssf_hub_tls_certificate_not_after_seconds{")
    })
    .await;
    secure.hub.stop().await;
}

#[tokio::test]
async fn sessions_are_resumed() {
    let secure = secure(|ca| ca.leaf(NAME, ec_key(), 20), "").await;
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let kept: Arc<Mutex<Option<SslSession>>> = Arc::default();
        let mut builder = secure.connector();
        builder.set_max_proto_version(Some(version)).unwrap();
        builder.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
        let keep = kept.clone();
        builder.set_new_session_callback(move |_, session| *keep.lock().unwrap() = Some(session));
        let connector = builder.build();
        let ssl = || connector.configure().unwrap().into_ssl(NAME).unwrap();
        let mut first = shake(&secure.address(), ssl()).await.unwrap();
        get(&mut first, JWKS).await.unwrap();
        assert!(!first.ssl().session_reused());
        // OpenSSL gives up the session of a connection that ends without a word.
        first.shutdown().await.unwrap();
        drop(first);
        let session = kept.lock().unwrap().take().expect("a session to resume");
        let mut again = ssl();
        // SAFETY: the session was made by this very context.
        unsafe { again.set_session(&session) }.unwrap();
        let mut second = shake(&secure.address(), again).await.unwrap();
        assert_eq!(get(&mut second, JWKS).await.unwrap(), "HTTP/1.1 200 OK");
        assert!(second.ssl().session_reused(), "{version:?}");
    }
    secure.hub.stop().await;
}

#[tokio::test]
async fn clients_show_certificates_where_they_must() {
    let clients = Authority::new("the clients' authority");
    let shown = |leaf: Option<&Leaf>, mut builder: SslConnectorBuilder| {
        if let Some(leaf) = leaf {
            builder.set_certificate(&leaf.certificate).unwrap();
            builder.set_private_key(&leaf.key).unwrap();
        }
        builder
    };
    let good = clients.leaf("receiver.test", ec_key(), 5);
    let other = Authority::new("somebody").leaf("receiver.test", ec_key(), 5);
    for (asked, none_is_served) in [("request", true), ("require", false)] {
        let ca_dir = tempfile::tempdir().unwrap();
        let ca_file = ca_dir.path().join("clients.pem");
        clients.write(&ca_file);
        let more = format!(
            "client_certificates = \"{asked}\"\nclient_ca_file = {ca_file:?}\n[admin.tls]\ncertificate_file = \
             {:?}\nkey_file = {:?}\nclient_certificates = \"{asked}\"\nclient_ca_file = {ca_file:?}",
            ca_dir.path().join("hub.pem"),
            ca_dir.path().join("hub.key"),
        );
        let admin_ca = Authority::new("another authority");
        admin_ca.leaf("admin.test", rsa_key(), 20).write(ca_dir.path());
        let secure = secure(|ca| ca.leaf(NAME, ec_key(), 20), &more).await;
        for (leaf, served) in [(Some(&good), true), (Some(&other), false), (None, none_is_served)] {
            // In TLS 1.3 a client only hears with the first answer that it was refused.
            let got = match secure.connect(shown(leaf, secure.connector())).await {
                Ok(mut stream) => get(&mut stream, JWKS).await,
                Err(error) => Err(error),
            };
            assert_eq!(got.is_ok(), served, "{asked}: {got:?}");
        }
        // The command line on this machine reads the same files.
        let config = Config::load(Some(&secure.dir.path().join("hub.toml")), std::iter::empty()).unwrap();
        let status =
            move || AdminClient::new(&config).unwrap().call(http::Method::GET, "/admin/v1/status", None);
        let answered = tokio::task::spawn_blocking(status).await.unwrap().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(answered["intake"], "open");
        secure.hub.stop().await;
    }
}

#[tokio::test]
async fn new_files_are_taken_up_under_load_and_broken_ones_are_not() {
    let secure = Arc::new(secure(|ca| ca.leaf(NAME, rsa_key(), 20), "").await);
    let seen = || async {
        let stream = secure.connect(secure.connector()).await.unwrap();
        serial(&stream.ssl().peer_certificate().unwrap())
    };
    let (stop, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = async {
        let mut kept = secure.connect(secure.connector()).await.unwrap();
        let client = secure.client();
        while !stop.load(Ordering::Relaxed) {
            assert_eq!(get(&mut kept, JWKS).await.unwrap(), "HTTP/1.1 200 OK");
            assert_eq!(client.get(secure.url(JWKS)).send().await.unwrap().status(), 200);
            let mut fresh = secure.connect(secure.connector()).await.unwrap();
            assert_eq!(get(&mut fresh, JWKS).await.unwrap(), "HTTP/1.1 200 OK");
            served.fetch_add(3, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let story = async {
        let old = seen().await;
        let new = secure.ca.leaf(NAME, ec_key(), 20);
        // File by file, as whoever renews a certificate writes them.
        std::fs::write(secure.dir.path().join("hub.pem"), new.certificate.to_pem().unwrap()).unwrap();
        tokio::time::sleep(Duration::from_millis(30)).await;
        std::fs::write(secure.dir.path().join("hub.key"), new.key_pem()).unwrap();
        until("the new pair is in use", 30, || async { seen().await == new.serial() }).await;
        assert_ne!(old, new.serial());
        // A key of another pair: refused, said, and nothing changes.
        let (other, before) = (secure.ca.leaf(NAME, ec_key(), 20), secure.refused().await);
        std::fs::write(secure.dir.path().join("hub.key"), other.key_pem()).unwrap();
        until("the broken pair is refused", 30, || async { secure.refused().await > before }).await;
        assert_eq!(seen().await, new.serial());
        until("both are said", 20, || async {
            secure.said("certificate_reloaded", "").await
                && secure.said("certificate_refused", "does not belong").await
        })
        .await;
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, story);
    assert!(served.load(Ordering::Relaxed) > 10);
}

/// Whether the other end closes within a while.
async fn is_cut(stream: &mut TcpStream) -> bool {
    let mut buf = [0; 1024];
    let ended = async { while matches!(stream.read(&mut buf).await, Ok(n) if n > 0) {} };
    tokio::time::timeout(Duration::from_secs(30), ended).await.is_ok()
}

#[tokio::test]
async fn slow_and_half_open_clients_hold_nobody_up_and_are_cut() {
    // More than a machine stands still: nobody else is to be cut.
    let limits = "[limits]\nhandshake_timeout_ms = 5000\nhandshakes_max = 8\nheader_read_timeout_ms = 5000\n";
    let secure = secure(|ca| ca.leaf(NAME, ec_key(), 20), limits).await;
    // Twenty that say nothing, or the beginning of a ClientHello: more than may shake hands at a time.
    let mut half_open = vec![];
    for n in 0..20 {
        let mut stream = TcpStream::connect(secure.address()).await.unwrap();
        if n % 2 == 0 {
            stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00").await.unwrap();
        }
        half_open.push(stream);
    }
    // Two whose request never ends.
    let mut endless = vec![];
    for _ in 0..2 {
        let mut stream = secure.connect(secure.connector()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nx-a: b\r\n").await.unwrap();
        endless.push(stream);
    }
    let client = secure.client();
    for _ in 0..5 {
        assert_eq!(client.get(secure.url(JWKS)).send().await.unwrap().status(), 200);
    }
    for mut stream in half_open {
        assert!(is_cut(&mut stream).await);
    }
    for stream in &mut endless {
        let mut rest = vec![];
        let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the request without an end was not cut");
    }
    until("both ways out are counted", 20, || async {
        let text = secure.metrics().await;
        let some = |result: &str| {
            text.contains(&format!(
                "ssf_hub_tls_handshakes_total{{listener=\"public\",result=\"{result}\"}} "
            ))
        };
        some("crowded") && some("timeout")
    })
    .await;
    secure.hub.stop().await;
}

#[tokio::test]
async fn whoever_stalls_behind_the_handshake_keeps_nobody_out_either() {
    let limits =
        "[limits]\nconnections_max = 8\nhandshake_timeout_ms = 60000\nheader_read_timeout_ms = 60000\n";
    let secure = secure(|ca| ca.leaf(NAME, ec_key(), 20), limits).await;
    let mut held = vec![];
    for n in 0..20 {
        let mut stream = secure.connect(secure.connector()).await.unwrap();
        if n % 2 == 0 {
            stream.write_all(b"GET / HTTP/1.1\r\nx-a: b\r\n").await.unwrap();
        }
        held.push(stream);
    }
    assert_eq!(secure.client().get(secure.url(JWKS)).send().await.unwrap().status(), 200);
    assert!(is_cut(held[0].get_mut()).await, "the oldest");
    secure.hub.stop().await;
}

#[tokio::test]
async fn who_does_not_read_his_answers_is_cut() {
    let hub = Hub::start_as(Setup::with("[limits]\nwrite_timeout_ms = 300\n")).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(format!("127.0.0.1:{}", hub.setup.1).parse().unwrap()).await.unwrap();
    let asking = async {
        let many = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(100);
        // Until nobody takes them any more.
        while stream.write_all(many.as_bytes()).await.is_ok() {}
    };
    tokio::time::timeout(Duration::from_secs(60), asking).await.expect("the connection was not cut");
    let page = hub.http.get(format!("{}/metrics", hub.admin)).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("ssf_hub_connections_unread_total 1"), "{page}");
    hub.stop().await;
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_bound() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, at) = (Authority::new("ca"), |name: &str| dir.path().join(name));
    ca.leaf(NAME, ec_key(), 20).write(dir.path());
    ca.write(&at("ca.pem"));
    std::fs::write(at("other.key"), ec_key().private_key_to_pem_pkcs8().unwrap()).unwrap();
    let (pem, key, ca) = (at("hub.pem"), at("hub.key"), at("ca.pem"));
    let url = "public_url = 'https://hub.test'\n";
    let pair = format!("certificate_file = {pem:?}\nkey_file = {key:?}\n");
    let cases = [
        (format!("{url}[public]\nlisten = '0.0.0.0:1'\n[public.tls]\n{pair}"), None),
        (format!("[public.tls]\n{pair}"), Some("public_url: must be set when public.tls")),
        (format!("public_url = 'http://127.0.0.1:1'\n[public.tls]\n{pair}"), Some("for public.tls is set")),
        (
            format!("{url}[public.tls]\ncertificate_file = {pem:?}\n"),
            Some("public.tls.key_file: must be set"),
        ),
        (format!("{url}[public.tls]\nkey_file = {key:?}\n"), Some("certificate_file: must be set")),
        (
            format!("{url}[public.tls]\ncertificate_file = {pem:?}\nkey_file = {:?}\n", at("other.key")),
            Some("does not belong"),
        ),
        (
            format!("{url}[public.tls]\n{pair}client_certificates = 'require'\n"),
            Some("client_ca_file: must name"),
        ),
        (
            format!("{url}[public.tls]\n{pair}client_certificates = 'require'\nclient_ca_file = {key:?}\n"),
            Some("no certificate"),
        ),
        (
            format!("{url}[public.tls]\n{pair}client_certificates = 'require'\nclient_ca_file = {ca:?}\n"),
            None,
        ),
        (format!("[admin]\nlisten = '0.0.0.0:1'\n[admin.tls]\n{pair}"), None),
        ("[admin]\nlisten = '0.0.0.0:1'\n".into(), Some("set `admin.tls`, or name")),
    ];
    for (text, want) in cases {
        let file = at("hub.toml");
        std::fs::write(&file, &text).unwrap();
        let got = Config::load(Some(&file), std::iter::empty()).map(drop).map_err(|m| m.to_string());
        match want {
            None => assert_eq!(got, Ok(()), "{text}"),
            Some(want) => {
                // The mistake names the line in between.
                let got = got.unwrap_err();
                let (at, what) = want.split_once(": ").unwrap_or(("", want));
                assert!(got.contains(at) && got.contains(what) && got.lines().count() == 1, "{text}\n{got}");
            }
        }
    }
}
