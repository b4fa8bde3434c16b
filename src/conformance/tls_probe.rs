//! TLS handshakes with the transmitter: what it agrees to and what it refuses (RFC 9325).
//!
//! Only shakes hands, with OpenSSL, at the issuer's host and port; nothing is sent. Certificates are not checked here:
//! that every other request of the run does. Blocking work runs on a thread of its own.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode, SslVersion};

use super::Trouble;
use super::lab::Lab;

/// Ciphers that nobody may agree to: no encryption, RC4, 3DES, export, anonymous, static RSA.
const WEAK: &str = "eNULL:RC4:3DES:EXPORT:aNULL:kRSA:@SECLEVEL=0";

/// What came of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shake {
    /// A version was agreed.
    Agreed(String),
    /// The other side said no.
    Refused,
    /// This machine cannot ask for it.
    CannotAsk,
}

/// Judges one probe.
pub async fn judge(lab: &Lab, probe: &str) -> Result<(), Trouble> {
    let url = url::Url::parse(&lab.settings.issuer).map_err(Trouble::na)?;
    let (Some(host), Some(port)) = (url.host_str().map(String::from), url.port_or_known_default()) else {
        return Err(Trouble::na("the issuer has no host"));
    };
    if url.scheme() != "https" {
        return Err(Trouble::na("the issuer is plain http"));
    }
    let (kind, timeout) = (probe.to_string(), lab.settings.timeout);
    let shaken = tokio::task::spawn_blocking(move || shake(&kind, &host, port, timeout)).await;
    let shaken = shaken.map_err(Trouble::na)?.map_err(Trouble::Wrong)?;
    match (probe, shaken) {
        ("modern", Shake::Agreed(_)) | ("old" | "weak", Shake::Refused) => Ok(()),
        ("newest", Shake::Agreed(version)) if version == "TLSv1.3" => Ok(()),
        (_, Shake::CannotAsk) => Err(Trouble::na("the TLS library of this machine cannot ask for that")),
        (_, shaken) => Err(Trouble::wrong(format!("TLS probe {probe}: {shaken:?}"))),
    }
}

fn shake(probe: &str, host: &str, port: u16, timeout: Duration) -> Result<Shake, String> {
    let Ok(connector) = connector(probe) else { return Ok(Shake::CannotAsk) };
    let addresses = (host.trim_matches(['[', ']']), port).to_socket_addrs();
    let address = addresses.ok().and_then(|mut all| all.next());
    let address = address.ok_or_else(|| format!("{host} has no address"))?;
    let stream = TcpStream::connect_timeout(&address, timeout).map_err(|e| format!("cannot connect: {e}"))?;
    for set in [stream.set_read_timeout(Some(timeout)), stream.set_write_timeout(Some(timeout))] {
        set.map_err(|e| e.to_string())?;
    }
    let mut configuration = connector.configure().map_err(|e| e.to_string())?;
    configuration.set_verify(SslVerifyMode::NONE);
    match configuration.connect(host, stream) {
        Ok(tls) => Ok(Shake::Agreed(tls.ssl().version_str().into())),
        Err(_) => Ok(Shake::Refused),
    }
}

fn connector(probe: &str) -> Result<SslConnector, openssl::error::ErrorStack> {
    let mut builder: SslConnectorBuilder = SslConnector::builder(SslMethod::tls_client())?;
    let (min, max) = match probe {
        "old" => (None, Some(SslVersion::TLS1_1)),
        "weak" => (None, Some(SslVersion::TLS1_2)),
        _ => (Some(SslVersion::TLS1_2), None),
    };
    builder.set_min_proto_version(min)?;
    builder.set_max_proto_version(max)?;
    match probe {
        "old" => builder.set_cipher_list("DEFAULT:@SECLEVEL=0")?,
        "weak" => builder.set_cipher_list(WEAK)?,
        _ => {}
    }
    Ok(builder.build())
}
