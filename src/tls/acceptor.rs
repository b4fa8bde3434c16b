//! OpenSSL's settings of a listener (RFC 9325, BCP 195): what is offered, what is asked for, what is refused.
//!
//! Built anew for every pair of files. TLS 1.2 with ephemeral keys and AEAD only, TLS 1.3; no compression, no
//! renegotiation; sessions are resumed. Built by [`super::Tls`], which swaps a whole one for another.

use std::net::IpAddr;

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::ssl::{
    AlpnError, SslAcceptor, SslAcceptorBuilder, SslMethod, SslOptions, SslVerifyMode, SslVersion,
};
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{GeneralNameRef, X509, X509Ref};

use super::ClientCertificates;
use super::pair::{Error, Files};

/// TLS 1.2: forward secrecy and AEAD (RFC 9325, 4.2).
const CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
    ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
    ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
/// TLS 1.3.
const CIPHERSUITES: &str = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
const GROUPS: &str = "X25519:P-256:P-384:P-521";
/// Sessions kept for resumption where a client takes no ticket.
const SESSIONS_MAX: i32 = 10_000;
/// The one protocol inside, as ALPN writes it (RFC 7301).
const HTTP_1_1: &[u8] = b"\x08http/1.1";
/// Sessions of this listener are resumed here only.
const SESSION_CONTEXT: &[u8] = b"ssf-hub";
/// Longest chain of a client's certificate.
const CLIENT_CHAIN_MAX: u32 = 5;

/// One pair of files, ready to shake hands with.
pub struct Loaded {
    /// Makes connections.
    pub acceptor: SslAcceptor,
    /// When the certificate begins (s since 1970).
    pub not_before_s: i64,
    /// When it ends (s since 1970).
    pub not_after_s: i64,
    /// The host names and addresses in it.
    pub names: Vec<String>,
    /// The certificate itself (DER): who shows it as a client is the hub's own command line.
    pub own: Vec<u8>,
}

impl Loaded {
    /// Judges the files and builds.
    pub fn new(files: &Files, clients: ClientCertificates) -> Result<Self, Error> {
        let pair = files.parse()?;
        let (leaf, between) = pair
            .chain
            .split_first()
            .ok_or(Error::Mismatch)
            .map(|(leaf, rest)| (leaf.clone(), rest.to_vec()))?;
        let mut builder = base()?;
        builder.set_certificate(&leaf)?;
        for certificate in between {
            builder.add_extra_chain_cert(certificate)?;
        }
        builder.set_private_key(&pair.key)?;
        builder.check_private_key()?;
        let own = leaf.to_der()?;
        ask_clients(&mut builder, clients, pair.client_cas, &own)?;
        Ok(Self {
            acceptor: builder.build(),
            not_before_s: unix_s(leaf.not_before())?,
            not_after_s: unix_s(leaf.not_after())?,
            names: names(&leaf),
            own,
        })
    }

    /// Whether the certificate is for this host name or address (RFC 9525, 6.3).
    pub fn is_for(&self, host: &str) -> bool {
        let fits = |name: &String| match name.strip_prefix("*.") {
            Some(zone) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(zone)),
            None => name.eq_ignore_ascii_case(host),
        };
        self.names.iter().any(fits)
    }

    /// Itself, if the certificate is valid at this time.
    pub fn in_time(self, now_s: i64) -> Result<Self, Error> {
        if (self.not_before_s..self.not_after_s).contains(&now_s) { Ok(self) } else { Err(Error::NotNow) }
    }
}

fn base() -> Result<SslAcceptorBuilder, ErrorStack> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_max_proto_version(Some(SslVersion::TLS1_3))?;
    builder.set_cipher_list(CIPHERS)?;
    builder.set_ciphersuites(CIPHERSUITES)?;
    builder.set_groups_list(GROUPS)?;
    builder.set_options(
        SslOptions::NO_COMPRESSION
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::CIPHER_SERVER_PREFERENCE
            | SslOptions::SINGLE_ECDH_USE,
    );
    builder.set_session_id_context(SESSION_CONTEXT)?;
    builder.set_session_cache_size(SESSIONS_MAX);
    builder.set_alpn_select_callback(|_, offered| {
        openssl::ssl::select_next_proto(HTTP_1_1, offered).ok_or(AlpnError::ALERT_FATAL)
    });
    Ok(builder)
}

/// Has clients asked for certificates. The listener's own counts as good: the command line on this machine shows it,
/// and who can sign with its key could be the hub itself.
fn ask_clients(
    builder: &mut SslAcceptorBuilder,
    clients: ClientCertificates,
    cas: Vec<X509>,
    own: &[u8],
) -> Result<(), ErrorStack> {
    let mode = match clients {
        ClientCertificates::Off => return Ok(()),
        ClientCertificates::Request => SslVerifyMode::PEER,
        ClientCertificates::Require => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
    };
    let (mut store, mut names) = (X509StoreBuilder::new()?, Stack::new()?);
    for ca in cas {
        names.push(ca.subject_name().to_owned()?)?;
        store.add_cert(ca)?;
    }
    builder.set_verify_cert_store(store.build())?;
    builder.set_client_ca_list(names);
    builder.set_verify_depth(CLIENT_CHAIN_MAX);
    let own = own.to_vec();
    builder.set_verify_callback(mode, move |good, context| {
        let is_own = |shown: &X509Ref| shown.to_der().is_ok_and(|der| der == own);
        good || (context.error_depth() == 0 && context.current_cert().is_some_and(is_own))
    });
    Ok(())
}

fn unix_s(time: &Asn1TimeRef) -> Result<i64, ErrorStack> {
    let left = Asn1Time::from_unix(0)?.diff(time)?;
    Ok(i64::from(left.days) * 86_400 + i64::from(left.secs))
}

fn names(leaf: &X509Ref) -> Vec<String> {
    let names = leaf.subject_alt_names();
    let text = |name: &GeneralNameRef| match (name.dnsname(), name.ipaddress()) {
        (Some(name), _) => Some(name.to_string()),
        (None, Some(bytes)) => address(bytes),
        (None, None) => None,
    };
    names.iter().flatten().filter_map(text).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = || Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?));
    let v6 = || Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?));
    Some(v4().or_else(v6)?.to_string())
}
