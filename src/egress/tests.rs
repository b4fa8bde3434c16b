//! Peers on loopback that redirect, flood, hang, or speak another protocol.

use super::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn egress(allow: &[&str]) -> Egress {
    waiting(allow, 30_000)
}

fn waiting(allow: &[&str], ms: u64) -> Egress {
    let allow_cidrs = allow.iter().map(|a| a.parse().unwrap()).collect();
    let config = Config { allow_cidrs, connect_timeout_ms: ms, timeout_ms: ms, ..Config::default() };
    Egress::new(&config).unwrap()
}

/// Serves one connection with `answer` and then keeps it open.
async fn peer(answer: Vec<u8>) -> (String, tokio::sync::oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://127.0.0.1:{}/x", listener.local_addr().unwrap().port());
    let (seen, told) = tokio::sync::oneshot::channel();
    #[expect(clippy::disallowed_methods, reason = "a peer of the test")]
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let n = stream.read(&mut request).await.unwrap();
        let _ = seen.send(String::from_utf8_lossy(&request[..n]).into_owned());
        let _ = stream.write_all(&answer).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    });
    (url, told)
}

#[test]
fn what_cannot_be_used_is_said_at_once() {
    let missing = Config { extra_ca_files: vec!["/nonexistent".into()], ..Config::default() };
    assert!(matches!(Egress::new(&missing), Err(ConfigError::CaFile(_))));
    let proxy = Config { proxy: "proxy:3128".into(), ..Config::default() };
    assert!(matches!(Egress::new(&proxy), Err(ConfigError::Proxy(_))));
}

#[tokio::test]
async fn redirects_come_back_as_they_are() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 2\r\n\r\nhi";
    let (url, told) = peer(answer.into()).await;
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/secevent+jwt".parse().unwrap());
    let got = egress(&["127.0.0.1/32"]).post(&url, headers, b"a.b.c".to_vec(), 100).await.unwrap();
    assert_eq!((got.status, got.body.as_slice(), got.truncated), (302, b"hi".as_slice(), false));
    assert_eq!(got.headers["location"], "http://127.0.0.1:1/");
    let request = told.await.unwrap();
    assert!(request.starts_with("POST /x HTTP/1.1\r\n") && request.ends_with("a.b.c"), "{request}");
    assert!(request.contains("content-type: application/secevent+jwt"), "{request}");
}

#[tokio::test]
async fn large_bodies_are_cut() {
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n".to_vec();
    answer.resize(answer.len() + 10_000_000, b'x');
    let (url, _told) = peer(answer).await;
    let got = egress(&["127.0.0.1/32"]).get(&url, HeaderMap::new(), 64 * 1024).await.unwrap();
    assert_eq!((got.status, got.body.len(), got.truncated), (200, 64 * 1024, true));
    assert!(matches!(got.whole_body(), Err(Error::TooLarge)));
    let (url, _told) = peer(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour".to_vec()).await;
    let got = egress(&["127.0.0.1/32"]).get(&url, HeaderMap::new(), 4).await.unwrap();
    assert_eq!(got.whole_body().unwrap(), b"four");
}

#[tokio::test]
async fn a_peer_that_hangs_and_one_that_is_not_there() {
    let (url, _told) = peer(vec![]).await;
    let hasty = waiting(&["127.0.0.1/32"], 400);
    assert!(matches!(hasty.get(&url, HeaderMap::new(), 10).await, Err(Error::Timeout)));
    let (url, _told) = peer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()).await;
    assert!(matches!(hasty.get(&url, HeaderMap::new(), 10).await, Err(Error::Timeout)));
    let egress = egress(&["127.0.0.1/32"]);
    // Taken, so that nobody else gets it, and nobody listens.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/", taken.local_addr().unwrap());
    assert!(matches!(egress.get(&url, HeaderMap::new(), 10).await, Err(Error::Connect)));
    let (url, _told) = peer(b"no http at all\r\n\r\n".to_vec()).await;
    assert!(matches!(egress.get(&url, HeaderMap::new(), 10).await, Err(Error::Other)));
    let (url, _told) = peer(b"HTTP/1.1 400 no tls\r\n\r\n".to_vec()).await;
    let url = url.replace("http:", "https:");
    assert!(matches!(egress.get(&url, HeaderMap::new(), 10).await, Err(Error::Tls)));
}

#[tokio::test]
async fn loopback_only_where_allowed() {
    let refused = |r: Result<Response, Error>| matches!(r, Err(Error::Refused(_)));
    let (closed, elsewhere) = (egress(&[]), egress(&["10.0.0.0/8"]));
    assert!(refused(closed.get("http://127.0.0.1:1/", HeaderMap::new(), 1).await));
    assert!(refused(closed.get("https://127.0.0.1:1/", HeaderMap::new(), 1).await));
    // A name is judged by what it resolves to.
    assert!(refused(closed.get("https://localhost:1/", HeaderMap::new(), 1).await));
    assert!(refused(elsewhere.get("http://localhost:1/", HeaderMap::new(), 1).await));
    let (url, _told) = peer(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
    let url = url.replace("127.0.0.1", "localhost");
    let got = egress(&["127.0.0.1/32"]).get(&url, HeaderMap::new(), 1).await.unwrap();
    assert_eq!(got.status, 204);
}

/// A TLS peer named `localhost` with a certificate of its own; answers twice. Returns its PEM and port.
fn tls_peer() -> (Vec<u8>, u16) {
    use openssl::{asn1::Asn1Time, hash::MessageDigest, ssl, x509};
    use std::io::{Read as _, Write as _};
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let key = openssl::pkey::PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap();
    let mut name = x509::X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "localhost").unwrap();
    let name = name.build();
    let mut cert = x509::X509Builder::new().unwrap();
    cert.set_version(2).unwrap();
    cert.set_subject_name(&name).unwrap();
    cert.set_issuer_name(&name).unwrap();
    cert.set_pubkey(&key).unwrap();
    cert.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    cert.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    let context = cert.x509v3_context(None, None);
    let san = x509::extension::SubjectAlternativeName::new().dns("localhost").build(&context).unwrap();
    cert.append_extension(san).unwrap();
    cert.sign(&key, MessageDigest::sha256()).unwrap();
    let cert = cert.build();
    let mut acceptor = ssl::SslAcceptor::mozilla_intermediate_v5(ssl::SslMethod::tls_server()).unwrap();
    acceptor.set_private_key(&key).unwrap();
    acceptor.set_certificate(&cert).unwrap();
    let acceptor = acceptor.build();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(4) {
            let Ok(mut tls) = acceptor.accept(stream.unwrap()) else { continue };
            let _ = tls.read(&mut [0; 4096]);
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    (cert.to_pem().unwrap(), port)
}

#[tokio::test]
async fn a_private_authority_must_be_named() {
    let (pem, port) = tls_peer();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    let allow_cidrs = vec!["127.0.0.0/8".parse().unwrap()];
    let with = Config { allow_cidrs, extra_ca_files: vec![file.path().into()], ..Config::default() };
    let without = Config { extra_ca_files: vec![], ..with.clone() };
    let get = async |config: &Config, host: &str| {
        let url = format!("https://{host}:{port}/");
        Egress::new(config).unwrap().get(&url, HeaderMap::new(), 10).await
    };
    assert_eq!(get(&with, "localhost").await.unwrap().body, b"ok");
    assert!(matches!(get(&without, "localhost").await, Err(Error::Tls)));
    // The certificate is for the name, not for the address.
    assert!(matches!(get(&with, "127.0.0.1").await, Err(Error::Tls)));
}

#[tokio::test]
async fn an_authority_is_trusted_as_soon_as_its_file_says_so() {
    let ((old, old_port), (new, new_port)) = (tls_peer(), tls_peer());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), old).unwrap();
    let allow_cidrs = vec!["127.0.0.0/8".parse().unwrap()];
    let config = Config { allow_cidrs, extra_ca_files: vec![file.path().into()], ..Config::default() };
    let egress = Egress::new(&config).unwrap();
    let get = async |port: u16| egress.get(&format!("https://localhost:{port}/"), HeaderMap::new(), 10).await;
    assert!(get(old_port).await.is_ok());
    assert!(matches!(get(new_port).await, Err(Error::Tls)));
    assert!(!egress.refresh().unwrap(), "nothing changed");
    std::fs::write(file.path(), new).unwrap();
    assert!(egress.refresh().unwrap());
    assert!(get(new_port).await.is_ok());
    assert!(matches!(get(old_port).await, Err(Error::Tls)));
    // What cannot be used leaves everything as it is.
    std::fs::write(file.path(), "no certificate").unwrap();
    assert!(matches!(egress.refresh(), Err(ConfigError::CaFile(_))));
    assert!(get(new_port).await.is_ok());
}

#[tokio::test]
async fn no_more_exchanges_than_there_may_be() {
    let allow_cidrs = vec!["127.0.0.1/32".parse().unwrap()];
    let config = Config { allow_cidrs, connections_max: 1, ..Config::default() };
    let egress = Egress::new(&config).unwrap();
    let within = async |ms: u64, url: &str| {
        let (method, headers, body, timeout_ms) = (Method::GET, HeaderMap::new(), vec![], Some(ms));
        egress.send(Outbound { method, url, headers, body, max_response_bytes: 10, timeout_ms }).await
    };
    let quick = || peer(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec());
    let ((hanging, _told), (url, _tell)) = (peer(vec![]).await, quick().await);
    let mut slow = Box::pin(within(30_000, &hanging));
    let second = tokio::select! {
        biased;
        slow = &mut slow => panic!("a peer that hangs has answered: {:?}", slow.err()),
        second = within(50, &url) => second,
    };
    assert_eq!(second.err(), Some(Error::Busy));
    drop(slow);
    assert_eq!(within(30_000, &url).await.unwrap().status, 204, "given up: the place is free again");
    let ((hanging, _told), (url, _tell)) = (peer(vec![]).await, quick().await);
    assert_eq!(within(300, &hanging).await.err(), Some(Error::Timeout));
    assert_eq!(within(30_000, &url).await.unwrap().status, 204, "and when the time is up");
}

#[tokio::test]
async fn by_name_only_names_that_are_wholly_outside() {
    // Asks for the head of one CONNECT, and refuses it.
    let (proxy, told) = peer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    let proxy = proxy.trim_end_matches("/x").to_string();
    let with = |allow: &[&str]| Config {
        allow_cidrs: allow.iter().map(|a| a.parse().unwrap()).collect(),
        proxy: proxy.clone(),
        proxy_by_name: true,
        ..Config::default()
    };
    let url = "https://localhost:4433/x";
    for (allow, why) in [(&[][..], Refused::Name), (&["10.0.0.0/8"], Refused::Address)] {
        let refused = Egress::new(&with(allow)).unwrap().get(url, HeaderMap::new(), 10).await;
        assert_eq!(refused.err(), Some(Error::Refused(why)));
    }
    let open = Egress::new(&with(&["127.0.0.0/8", "::1/128"])).unwrap();
    assert_eq!(open.get(url, HeaderMap::new(), 10).await.err(), Some(Error::Proxy(403)));
    let head = told.await.unwrap();
    assert!(head.starts_with("CONNECT localhost:4433 HTTP/1.1\r\nHost: localhost:4433\r\n"), "{head}");
    // A literal is judged with its URL, behind a proxy as well.
    let inside = Egress::new(&with(&[])).unwrap().get("https://10.0.0.1/", HeaderMap::new(), 10).await;
    assert_eq!(inside.err(), Some(Error::Refused(Refused::Address)));
}
