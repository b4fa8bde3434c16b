//! A push endpoint whose certificate nobody vouches for: nothing may be sent to it (RFC 8935 3).
//!
//! Shakes hands with a certificate that it signed itself, and counts what is said behind that. Runs on threads of its
//! own until the run ends; never answers.

use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::{X509, X509Name};

use super::Trouble;
use super::lab::Lab;
use crate::clock::Stopwatch;

/// How long a silent connection is listened to.
const LISTEN: Duration = Duration::from_secs(5);
/// Rest between two looks: for the end of the run, for somebody who comes.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Heard {
    connections: AtomicUsize,
    /// How many of them are over.
    over: AtomicUsize,
    bytes: AtomicUsize,
    end: AtomicBool,
}

/// The endpoint; it ends when it is dropped.
pub struct BadTls {
    heard: Arc<Heard>,
    url: String,
}

impl BadTls {
    /// Listens.
    pub fn start(listen: SocketAddr, url: &str) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let listener = TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let mut parsed = url::Url::parse(url).with_context(|| format!("{url} is no URL"))?;
        if parsed.port() == Some(0) {
            parsed.set_port(Some(port)).map_err(|()| anyhow::anyhow!("{url} has no port"))?;
        }
        let (key, certificate) = self_signed(parsed.host_str().unwrap_or("localhost"))?;
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_private_key(&key)?;
        acceptor.set_certificate(&certificate)?;
        let acceptor = acceptor.build();
        let heard = Arc::new(Heard::default());
        let shared = heard.clone();
        std::thread::spawn(move || accept(&listener, &acceptor, &shared));
        Ok(Self { heard, url: parsed.into() })
    }

    /// What the transmitter is told.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for BadTls {
    fn drop(&mut self) {
        self.heard.end.store(true, Ordering::Relaxed);
    }
}

/// One connection after the other: whoever hangs up on the certificate is done at once.
fn accept(listener: &TcpListener, acceptor: &SslAcceptor, heard: &Heard) {
    while !heard.end.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                heard.connections.fetch_add(1, Ordering::Relaxed);
                listen(stream, acceptor, heard);
                heard.over.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}

fn listen(stream: TcpStream, acceptor: &SslAcceptor, heard: &Heard) {
    let ready = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(LISTEN)));
    let Ok(mut tls) = ready.map_err(drop).and_then(|()| acceptor.accept(stream).map_err(drop)) else {
        return;
    };
    let mut buffer = [0; 1024];
    if let Ok(n) = tls.read(&mut buffer) {
        heard.bytes.fetch_add(n, Ordering::Relaxed);
    }
}

fn self_signed(host: &str) -> Result<(PKey<Private>, X509), ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::COMMONNAME, host)?;
    let name = name.build();
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    let serial = BigNum::from_u32(1)?.to_asn1_integer()?;
    certificate.set_serial_number(&serial)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_pubkey(&key)?;
    let (from, until) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(1)?);
    certificate.set_not_before(&from)?;
    certificate.set_not_after(&until)?;
    certificate.sign(&key, MessageDigest::sha256())?;
    Ok((key, certificate.build()))
}

/// Nothing may have been said behind the handshake, though somebody came.
pub async fn judge(lab: &Lab) -> Result<(), Trouble> {
    let bad = lab.bad_tls.as_ref().ok_or_else(|| Trouble::na("there is no such endpoint"))?;
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let began = Stopwatch::start();
    while count(&bad.heard.over) == 0 && began.elapsed() < lab.settings.timeout {
        tokio::time::sleep(LOOK).await;
    }
    tokio::time::sleep(lab.settings.silence).await;
    match (count(&bad.heard.connections), count(&bad.heard.bytes)) {
        (_, bytes @ 1..) => {
            Err(Trouble::wrong(format!("{bytes} bytes were sent to a server nobody vouches for")))
        }
        (0, _) => Err(Trouble::na("the transmitter never came")),
        _ => Ok(()),
    }
}
