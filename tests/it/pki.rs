//! A small certificate authority for tests.

use std::path::Path;

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

/// The name that hubs have in these certificates.
pub const NAME: &str = "hub.test";

pub struct Authority {
    pub certificate: X509,
    key: PKey<Private>,
}

/// A certificate and its key.
pub struct Leaf {
    pub certificate: X509,
    pub key: PKey<Private>,
}

pub fn ec_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

pub fn rsa_key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

fn name_of(name: &str) -> X509Name {
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    subject.build()
}

fn begin(name: &str, key: &PKey<Private>, days: u32) -> X509Builder {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(120, MsbOption::MAYBE_ZERO, false).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name_of(name)).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(super::peers::now_s() - 3600).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(days).unwrap()).unwrap();
    builder
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = ec_key();
        let mut builder = begin(name, &key, 30);
        builder.set_issuer_name(&name_of(name)).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        let usage = KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap();
        builder.append_extension(usage).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    /// A certificate for `name`, valid for so many days.
    pub fn leaf(&self, name: &str, key: PKey<Private>, days: u32) -> Leaf {
        let mut builder = begin(name, &key, days);
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        let names = SubjectAlternativeName::new()
            .dns(name)
            .ip("127.0.0.1")
            .build(&builder.x509v3_context(None, None))
            .unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        Leaf { certificate: builder.build(), key }
    }

    pub fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.pem()).unwrap();
    }
}

impl Leaf {
    pub fn serial(&self) -> String {
        serial(&self.certificate)
    }

    pub fn key_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().unwrap()
    }

    pub fn write(&self, dir: &Path) {
        std::fs::write(dir.join("hub.pem"), self.certificate.to_pem().unwrap()).unwrap();
        std::fs::write(dir.join("hub.key"), self.key_pem()).unwrap();
    }
}

pub fn serial(certificate: &X509) -> String {
    certificate.serial_number().to_bn().unwrap().to_hex_str().unwrap().to_string()
}
