//! A listener's PEM files: read, and judged as a whole before anything uses them.
//!
//! Called by [`super::acceptor`] and [`super::dial`]. Never asks a terminal for a passphrase, never shows a key.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::x509::X509;
use sha2::{Digest as _, Sha256};

use super::{ClientCertificates, Config};

/// Longest file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// Smallest RSA key (RFC 9325, 4.5).
const RSA_BITS_MIN: u32 = 2048;

/// Why the files cannot be used: the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// A file holds no certificate.
    #[error("{} holds no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// A file holds no key.
    #[error("{} holds no private key in PEM that is not encrypted", .0.display())]
    NoKey(PathBuf),
    /// A key of another sort, or a small one.
    #[error("{}: the key must be RSA of 2048 bits or more, or EC on P-256, P-384 or P-521", .0.display())]
    Weak(PathBuf),
    /// Key and certificate are of two pairs.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// The certificate is over, or has not begun.
    #[error("the certificate is not valid at this time")]
    NotNow,
    /// OpenSSL would not have it.
    #[error("OpenSSL refuses the files: {0}")]
    OpenSsl(#[from] ErrorStack),
}

impl Error {
    /// Tells one refusal from another.
    pub(super) fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_string()).into()
    }
}

/// The files as they lie there.
pub struct Files {
    certificate: (PathBuf, Vec<u8>),
    key: (PathBuf, Vec<u8>),
    client_ca: Option<(PathBuf, Vec<u8>)>,
}

/// What the files hold.
pub struct Pair {
    /// The certificate, then those between it and its authority.
    pub chain: Vec<X509>,
    /// Its key.
    pub key: PKey<Private>,
    /// The authorities of clients.
    pub client_cas: Vec<X509>,
}

fn read(path: &Path) -> Result<(PathBuf, Vec<u8>), Error> {
    let mut content = vec![];
    let unreadable = |why: String| Error::Unreadable { path: path.into(), why };
    let file = std::fs::File::open(path).map_err(|e| unreadable(e.to_string()))?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content).map_err(|e| unreadable(e.to_string()))?;
    if content.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable("it is longer than 1 MiB".into()));
    }
    Ok((path.into(), content))
}

impl Files {
    /// Reads the files that the settings name.
    pub fn read(config: &Config) -> Result<Self, Error> {
        let wanted = config.client_certificates != ClientCertificates::Off;
        Ok(Self {
            certificate: read(&config.certificate_file)?,
            key: read(&config.key_file)?,
            client_ca: wanted.then(|| read(&config.client_ca_file)).transpose()?,
        })
    }

    /// A hash of it all.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (_, content) in [&self.certificate, &self.key].into_iter().chain(&self.client_ca) {
            hash.update((content.len() as u64).to_be_bytes());
            hash.update(content);
        }
        hash.finalize().into()
    }

    /// What they hold, if it fits together.
    pub fn parse(&self) -> Result<Pair, Error> {
        let chain = certificates(&self.certificate)?;
        // The callback stands for the passphrase: without it OpenSSL would ask on the terminal.
        let key = PKey::private_key_from_pem_callback(&self.key.1, |_| Ok(0))
            .map_err(|_| Error::NoKey(self.key.0.clone()))?;
        if !is_strong(&key) {
            return Err(Error::Weak(self.key.0.clone()));
        }
        let leaf = chain.first().ok_or_else(|| Error::NoCertificate(self.certificate.0.clone()))?;
        if !leaf.public_key()?.public_eq(&key) {
            return Err(Error::Mismatch);
        }
        let client_cas = self.client_ca.as_ref().map(certificates).transpose()?.unwrap_or_default();
        Ok(Pair { chain, key, client_cas })
    }
}

fn certificates((path, pem): &(PathBuf, Vec<u8>)) -> Result<Vec<X509>, Error> {
    let none = || Error::NoCertificate(path.clone());
    let list = X509::stack_from_pem(pem).map_err(|_| none())?;
    if list.is_empty() { Err(none()) } else { Ok(list) }
}

fn is_strong(key: &PKey<Private>) -> bool {
    match key.id() {
        Id::RSA => key.bits() >= RSA_BITS_MIN,
        Id::EC => key.ec_key().is_ok_and(|ec| {
            let curves = [Nid::X9_62_PRIME256V1, Nid::SECP384R1, Nid::SECP521R1];
            ec.group().curve_name().is_some_and(|curve| curves.contains(&curve))
        }),
        _ => false,
    }
}
