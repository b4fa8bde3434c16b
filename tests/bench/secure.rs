//! TLS of a measurement: one authority, and one P-256 certificate for the hub and the receivers, TLS 1.3.

use std::path::Path;
use std::pin::Pin;
use std::sync::OnceLock;

use openssl::ssl::{Ssl, SslAcceptor, SslConnector, SslMethod, SslVersion};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::pki::{Authority, NAME, ec_key};

/// Whether a measured hub and its receivers speak TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Plain,
    Tls,
}

/// What both ends need.
pub struct Secure {
    dir: TempDir,
    connector: SslConnector,
    acceptor: SslAcceptor,
}

/// That of this run.
pub fn secure() -> &'static Secure {
    static ALL: OnceLock<Secure> = OnceLock::new();
    ALL.get_or_init(Secure::new)
}

impl Secure {
    fn new() -> Self {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new("the benchmark's authority"));
        authority.write(&dir.path().join("ca.pem"));
        let leaf = authority.leaf(NAME, ec_key(), 20);
        leaf.write(dir.path());
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.cert_store_mut().add_cert(authority.certificate.clone()).unwrap();
        connector.set_min_proto_version(Some(SslVersion::TLS1_3)).unwrap();
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_certificate(&leaf.certificate).unwrap();
        acceptor.set_private_key(&leaf.key).unwrap();
        Self { dir, connector: connector.build(), acceptor: acceptor.build() }
    }

    fn file(&self, name: &str) -> String {
        Path::to_string_lossy(&self.dir.path().join(name)).into_owned()
    }

    /// Configuration of a hub that listens so at `port`, and trusts receivers that do.
    pub fn toml(&self, port: u16) -> String {
        format!(
            "public_url = \"https://{NAME}:{port}\"\n[public.tls]\ncertificate_file = {:?}\nkey_file = {:?}\n\
             [egress]\nallow_cidrs = [\"127.0.0.0/8\"]\nextra_ca_files = [{:?}]\n",
            self.file("hub.pem"),
            self.file("hub.key"),
            self.file("ca.pem"),
        )
    }

    pub async fn connect(&self, stream: TcpStream) -> SslStream<TcpStream> {
        let ssl = self.connector.configure().unwrap().into_ssl(NAME).unwrap();
        let mut stream = SslStream::new(ssl, stream).unwrap();
        Pin::new(&mut stream).connect().await.expect("the hub shakes hands");
        stream
    }

    pub async fn accept(&self, stream: TcpStream) -> SslStream<TcpStream> {
        let mut stream = SslStream::new(Ssl::new(self.acceptor.context()).unwrap(), stream).unwrap();
        Pin::new(&mut stream).accept().await.expect("the hub trusts the receiver");
        stream
    }
}
