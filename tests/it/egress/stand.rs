//! Peers below HTTP: receivers that misbehave byte by byte, one with TLS, a proxy that speaks CONNECT.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

type Seen<T> = Arc<Mutex<Vec<T>>>;

#[expect(clippy::disallowed_methods, reason = "peers in a test")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// One request: head and body. `None` where the peer went away.
async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = vec![];
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if bytes.len() >= at + 4 + length.unwrap_or(0) {
                return Some((head, String::from_utf8_lossy(&bytes[at + 4..]).into_owned()));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// What a raw receiver does with its n-th request.
#[derive(Clone, Debug)]
pub enum Does {
    /// Takes it.
    Accept,
    /// Reads, and never says a word.
    Hang,
    /// Closes without a word.
    Close,
    /// A head, and then a byte now and then, for ever.
    Drip,
    /// Takes it, with so many bytes of body.
    Flood(usize),
    /// Sends elsewhere.
    Redirect(String),
    /// Takes it, but only so many ms later, on a connection that the hub has left by then.
    Late(u64),
}

/// A receiver below HTTP.
pub struct Raw {
    pub url: String,
    bodies: Seen<String>,
}

impl Raw {
    /// Does with each request as told; the last word counts for all that follow.
    pub async fn start(does: Vec<Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let bodies: Seen<String> = Arc::default();
        let seen = bodies.clone();
        spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn(one(stream, seen.clone(), does.clone()));
            }
        });
        Self { url, bodies }
    }

    /// The bodies that came.
    pub fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }
}

async fn one(mut stream: TcpStream, seen: Seen<String>, does: Vec<Does>) {
    while let Some((_, body)) = request(&mut stream).await {
        let n = {
            let mut seen = seen.lock().unwrap();
            seen.push(body);
            seen.len()
        };
        let accepted = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
        let done = match &does[(n - 1).min(does.len() - 1)] {
            Does::Accept => stream.write_all(accepted).await,
            Does::Close => return,
            Does::Hang => {
                tokio::time::sleep(Duration::from_secs(600)).await;
                return;
            }
            Does::Drip => {
                let head = b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000000\r\n\r\n";
                let mut open = stream.write_all(head).await.is_ok();
                while open {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    open = stream.write_all(b"x").await.is_ok();
                }
                return;
            }
            Does::Flood(bytes) => {
                let head = format!("HTTP/1.1 202 Accepted\r\nContent-Length: {bytes}\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&vec![b'x'; *bytes]).await;
                return;
            }
            Does::Redirect(to) => {
                let head = format!("HTTP/1.1 307 Elsewhere\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await
            }
            Does::Late(ms) => {
                tokio::time::sleep(Duration::from_millis(*ms)).await;
                stream.write_all(accepted).await
            }
        };
        if done.is_err() {
            return;
        }
    }
}

/// A certification authority of the test, and a key with its certificate for `localhost`.
pub struct Authority {
    pub pem: Vec<u8>,
    key: PKey<Private>,
    certificate: X509,
}

fn key() -> PKey<Private> {
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap()
}

fn builder(name: &str, issuer: &str, key: &PKey<Private>) -> X509Builder {
    let named = |name: &str| {
        let mut built = X509NameBuilder::new().unwrap();
        built.append_entry_by_text("CN", name).unwrap();
        built.build()
    };
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(name.len() as u32).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&named(name)).unwrap();
    builder.set_issuer_name(&named(issuer)).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    builder
}

impl Authority {
    pub fn new() -> Self {
        let (ca_key, key) = (key(), key());
        let mut ca = builder("Test authority", "Test authority", &ca_key);
        ca.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        ca.sign(&ca_key, MessageDigest::sha256()).unwrap();
        let ca = ca.build();
        let mut leaf = builder("localhost", "Test authority", &key);
        let context = leaf.x509v3_context(Some(&ca), None);
        let name = SubjectAlternativeName::new().dns("localhost").build(&context).unwrap();
        leaf.append_extension(name).unwrap();
        leaf.sign(&ca_key, MessageDigest::sha256()).unwrap();
        Self { pem: ca.to_pem().unwrap(), key, certificate: leaf.build() }
    }

    /// A receiver with TLS at `https://localhost:PORT/`, which takes what comes: its URL, and the bodies.
    pub fn receiver(&self) -> (String, Seen<String>) {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_private_key(&self.key).unwrap();
        acceptor.set_certificate(&self.certificate).unwrap();
        let acceptor = acceptor.build();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/events", listener.local_addr().unwrap().port());
        let seen: Seen<String> = Arc::default();
        let bodies = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (acceptor, bodies) = (acceptor.clone(), bodies.clone());
                std::thread::spawn(move || {
                    let Ok(mut tls) = acceptor.accept(stream.unwrap()) else { return };
                    let mut bytes = vec![0; 65536];
                    let (mut text, mut n) = (String::new(), 1);
                    while n > 0 && !text.contains("\r\n\r\ney") {
                        n = tls.read(&mut bytes).unwrap_or(0);
                        text.push_str(&String::from_utf8_lossy(&bytes[..n]));
                    }
                    bodies.lock().unwrap().push(text);
                    let _ = tls.write_all(
                        b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                    );
                });
            }
        });
        (url, seen)
    }
}

/// A proxy that speaks CONNECT.
pub struct Proxy {
    pub url: String,
    heads: Seen<String>,
}

impl Proxy {
    /// Lets through who sends this `Proxy-Authorization` (in lower case).
    pub async fn start(authorization: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads: Seen<String> = Arc::default();
        let seen = heads.clone();
        spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let seen = seen.clone();
                spawn(async move {
                    let Some((head, _)) = request(&mut near).await else { return };
                    let to = head.strip_prefix("connect ").and_then(|rest| rest.split(' ').next());
                    let to = to.map(ToString::to_string);
                    let known = head.contains(authorization);
                    seen.lock().unwrap().push(head);
                    let far = match to.filter(|_| known) {
                        Some(to) => TcpStream::connect(to).await,
                        None => Err(std::io::ErrorKind::PermissionDenied.into()),
                    };
                    match far {
                        Ok(mut far) => {
                            near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                        }
                        Err(_) => drop(near.write_all(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n").await),
                    }
                });
            }
        });
        Self { url, heads }
    }

    /// What it was asked to connect to.
    pub fn asked(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        heads.iter().map(|head| head.split(' ').nth(1).unwrap_or_default().to_string()).collect()
    }

    /// The heads of the requests, in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}
