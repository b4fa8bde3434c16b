//! Who showed a certificate that is good: stands beside every request of the connection.
//!
//! An extension of the request, `Arc<Peer>`. Says who it is, never what he may do.

use openssl::hash::MessageDigest;
use openssl::ssl::SslRef;
use openssl::x509::{X509NameRef, X509Ref, X509VerifyResult};

use super::acceptor::Loaded;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A client with a certificate that its authority stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The subject, as `CN=…, O=…` in the order of the certificate.
    pub subject: String,
    /// Its other names: host names and URIs.
    pub names: Vec<String>,
    /// `x5t#S256`: base64url of the certificate's SHA-256 (RFC 8705, 3.1).
    pub sha256: String,
}

impl Peer {
    /// Who is at the other end; `None` for nobody, and for the hub's own command line.
    pub(super) fn of(ssl: &SslRef, loaded: &Loaded) -> Option<Self> {
        let shown = ssl.peer_certificate()?;
        if shown.to_der().ok()? == loaded.own || ssl.verify_result() != X509VerifyResult::OK {
            return None;
        }
        Self::read(&shown)
    }

    fn read(certificate: &X509Ref) -> Option<Self> {
        let names = certificate.subject_alt_names();
        let names = names.iter().flatten().filter_map(|n| n.dnsname().or_else(|| n.uri()).map(Into::into));
        let digest = certificate.digest(MessageDigest::sha256()).ok()?;
        Some(Self {
            subject: subject(certificate.subject_name()),
            names: names.collect(),
            sha256: URL_SAFE_NO_PAD.encode(digest),
        })
    }
}

fn subject(name: &X509NameRef) -> String {
    let parts = name.entries().map(|entry| {
        let kind = entry.object().nid().short_name().unwrap_or("?");
        let value = entry.data().to_string().unwrap_or_default();
        // A comma inside a name must not look like the next part.
        format!("{kind}={}", value.replace('\\', "\\\\").replace(',', "\\,"))
    });
    parts.collect::<Vec<_>>().join(", ")
}
