//! The command line's way to the admin listener of its own hub, where that speaks TLS.
//!
//! Both read the same files, so no authority has to be trusted: the certificate that answers must be the one in the
//! file. Where the listener wants a certificate, the same pair is shown. Never used to call anybody else.

use std::pin::Pin;

use openssl::ssl::{Ssl, SslContext, SslMethod, SslVerifyMode, SslVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_openssl::SslStream;

use super::pair::{Error, Files, Pair};
use super::{ClientCertificates, Config};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The files cannot be used.
    #[error(transparent)]
    Files(#[from] Error),
    /// No agreement.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[from] openssl::ssl::Error),
    /// Somebody else answers, or the hub has not taken up new files yet.
    #[error("the certificate that answers is not the one in the hub's certificate_file")]
    Stranger,
}

/// Shakes hands with the listener of these settings.
pub async fn dial<S>(config: &Config, stream: S) -> Result<SslStream<S>, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let pair = Files::read(config)?.parse()?;
    let own = pair.chain.first().ok_or(Failed::Stranger)?.public_key().map_err(Error::OpenSsl)?;
    let context = context(&pair, config.client_certificates).map_err(Error::OpenSsl)?;
    let ssl = Ssl::new(&context).map_err(Error::OpenSsl)?;
    let mut stream = SslStream::new(ssl, stream).map_err(Error::OpenSsl)?;
    Pin::new(&mut stream).connect().await?;
    let answers = stream.ssl().peer_certificate().and_then(|shown| shown.public_key().ok());
    if answers.is_some_and(|shown| shown.public_eq(&own)) { Ok(stream) } else { Err(Failed::Stranger) }
}

fn context(pair: &Pair, clients: ClientCertificates) -> Result<SslContext, openssl::error::ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    // Judged by `dial` itself, before a byte is sent.
    builder.set_verify(SslVerifyMode::NONE);
    if clients != ClientCertificates::Off
        && let Some(leaf) = pair.chain.first()
    {
        builder.set_certificate(leaf)?;
        builder.set_private_key(&pair.key)?;
    }
    Ok(builder.build())
}
