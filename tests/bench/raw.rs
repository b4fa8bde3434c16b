//! What the parts cost by themselves: josekit, one append with `fdatasync`, a bare axum POST.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use josekit::jws::{ES256, JwsSigner, JwsVerifier, RS256};
use openssl::pkey::PKey;
use ssf_hub::clock::Stopwatch;
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::sign::generate_pem;

use super::figures::{Aim, Figure, Unit, median, percentile};
use super::wire::{At, Load};
use super::{Bench, cpu, sets};

/// The argument that makes this binary the bare axum server.
pub const BARE_AXUM: &str = "--bare-axum";
/// About what is signed of a SET: header and payload in base64url.
const SIGNED_BYTES: usize = 640;

/// How many cores there are.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

struct Pair {
    signer: Box<dyn JwsSigner>,
    verifier: Box<dyn JwsVerifier>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

/// josekit by itself.
pub struct Josekit {
    rs256: Pair,
    es256: Pair,
}

impl Pair {
    fn new(alg: Alg) -> Self {
        let pem = generate_pem(alg).unwrap();
        let public = PKey::private_key_from_pem(&pem).unwrap().public_key_to_pem().unwrap();
        let (signer, verifier): (Box<dyn JwsSigner>, Box<dyn JwsVerifier>) = match alg {
            Alg::RS256 => (
                Box::new(RS256.signer_from_pem(&pem).unwrap()),
                Box::new(RS256.verifier_from_pem(&public).unwrap()),
            ),
            _ => (
                Box::new(ES256.signer_from_pem(&pem).unwrap()),
                Box::new(ES256.verifier_from_pem(&public).unwrap()),
            ),
        };
        let message = vec![b'x'; SIGNED_BYTES];
        let signature = signer.sign(&message).unwrap();
        Self { signer, verifier, message, signature }
    }
}

impl Josekit {
    pub fn new() -> Self {
        Self { rs256: Pair::new(Alg::RS256), es256: Pair::new(Alg::ES256) }
    }

    fn pair(&self, alg: Alg) -> &Pair {
        if alg == Alg::RS256 { &self.rs256 } else { &self.es256 }
    }

    /// CPU of one verification (µs), all cores at it.
    pub fn verify_us(&self, alg: Alg) -> f64 {
        let pair = self.pair(alg);
        cpu::of_one_busy(150, || pair.verifier.verify(&pair.message, &pair.signature).unwrap())
    }

    /// CPU of one signature (µs), all cores at it.
    pub fn sign_us(&self, alg: Alg) -> f64 {
        let pair = self.pair(alg);
        cpu::of_one_busy(150, || drop(pair.signer.sign(&pair.message).unwrap()))
    }
}

/// A file of written bytes, as the journal's: each append of 1 KB is one `fdatasync`.
pub struct Appender {
    file: File,
    at: u64,
    len: u64,
}

impl Appender {
    pub fn new() -> Self {
        let (file, len) = (tempfile::tempfile_in(super::process::folder()).unwrap(), 4 << 20);
        file.write_all_at(&vec![0; len as usize], 0).unwrap();
        file.sync_all().unwrap();
        Self { file, at: 0, len }
    }

    /// One append and flush (µs of wall time).
    pub fn append(&mut self) -> f64 {
        let watch = Stopwatch::start();
        self.file.write_all_at(&[b'x'; 1024], self.at).unwrap();
        self.file.sync_data().unwrap();
        self.at = (self.at + 1024) % self.len;
        watch.elapsed().as_secs_f64() * 1e6
    }
}

/// A server that does nothing but answer 202, as a process of its own.
pub async fn bare_axum() {
    let router = axum::Router::new().route(
        "/t/{tenant}/in/{upstream}",
        axum::routing::post(|body: axum::body::Bytes| async move {
            assert!(!body.is_empty());
            axum::http::StatusCode::ACCEPTED
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    super::peers::axum_serve(listener, router).await;
}

/// That process; killed when dropped.
pub struct BareAxum {
    child: Child,
    address: std::net::SocketAddr,
}

impl BareAxum {
    pub fn start() -> Self {
        use std::io::BufRead as _;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(BARE_AXUM)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap() }
    }

    /// Connections to it.
    pub async fn load(&self, connections: usize) -> Load {
        Load::open(At::plain(self.address), connections).await
    }

    /// CPU of the server for one POST (µs).
    pub async fn post_us(&self, load: &mut Load, requests: &Arc<Vec<Vec<u8>>>) -> f64 {
        let from = cpu::of_process(self.child.id());
        load.all_accepted(requests).await;
        (cpu::of_process(self.child.id()) - from) / requests.len() as f64
    }
}

impl Drop for BareAxum {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Shows them.
pub async fn show(b: &mut Bench) {
    let mut figure = |name: &str, what: &str, value: f64| {
        b.figures.put(Figure { name, what, unit: Unit::Us, value, raw: None, aim: Aim::None });
    };
    for (alg, verify, sign) in [
        (Alg::RS256, "raw_rs256_verify", "raw_rs256_sign"),
        (Alg::ES256, "raw_es256_verify", "raw_es256_sign"),
    ] {
        figure(verify, "josekit, 2048 bits or P-256", b.josekit.verify_us(alg));
        figure(sign, "josekit", b.josekit.sign_us(alg));
    }
    let mut appender = Appender::new();
    let mut times: Vec<f64> = (0..300).map(|_| appender.append()).collect();
    figure("raw_append_p50", "wall time of an append of 1 KB and fdatasync", percentile(&mut times, 0.5));
    figure("raw_append_p99", "the same", percentile(&mut times, 0.99));
    let bare = BareAxum::start();
    let idp = sets::idp("https://raw.example", Alg::ES256);
    let all = Arc::new(sets::requests("u", &sets::sign(&idp, "raw", 4000)));
    let (mut load, mut rounds) = (bare.load(256).await, vec![]);
    for _ in 0..3 {
        rounds.push(bare.post_us(&mut load, &all).await);
    }
    figure("raw_axum_post", "CPU of a bare axum server for a POST of a SET, 256 in flight", median(rounds));
}
