//! Files that change, and what is said of them; the journeys in `tests/it/tls.rs` shake hands.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use openssl::x509::X509;

use super::*;
use crate::clock::Clock;

const NOW_S: i64 = 1_900_000_000;

struct At(AtomicI64);

impl Clock for At {
    fn wall_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
    fn boot_ms(&self) -> i64 {
        0
    }
}

fn ec() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

/// A certificate of its own, for so many seconds around now.
fn certificate(key: &PKey<Private>, from_s: i64, until_s: i64) -> Vec<u8> {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(NOW_S + from_s).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(NOW_S + until_s).unwrap()).unwrap();
    let digest = if matches!(key.id(), openssl::pkey::Id::ED25519) {
        MessageDigest::null()
    } else {
        MessageDigest::sha256()
    };
    builder.sign(key, digest).unwrap();
    builder.build().to_pem().unwrap()
}

fn pem(key: &PKey<Private>) -> Vec<u8> {
    key.private_key_to_pem_pkcs8().unwrap()
}

fn config(dir: &Path) -> Config {
    Config {
        certificate_file: dir.join("c"),
        key_file: dir.join("k"),
        client_certificates: ClientCertificates::Off,
        client_ca_file: PathBuf::new(),
        reload_s: 1,
    }
}

#[test]
fn pairs_that_are_no_good() {
    let dir = tempfile::tempdir().unwrap();
    let (good, other, ed) = (ec(), ec(), PKey::generate_ed25519().unwrap());
    let weak = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
    let locked = good.private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"hunter2").unwrap();
    let of = |key| certificate(key, -10, 1_000_000_000);
    for (certificate, key, want) in [
        (of(&good), pem(&good), None),
        ([of(&good), of(&other)].concat(), pem(&good), None),
        ([of(&other), of(&good)].concat(), pem(&good), Some("does not belong")),
        (of(&good), pem(&other), Some("does not belong")),
        (of(&weak), pem(&weak), Some("2048 bits")),
        (of(&ed), pem(&ed), Some("2048 bits")),
        (of(&good), locked, Some("not encrypted")),
        (of(&good), of(&good), Some("no private key")),
        (pem(&good), pem(&good), Some("no certificate")),
        (vec![], pem(&good), Some("no certificate")),
        (of(&good), vec![b'x'; 1 << 21], Some("longer than 1 MiB")),
    ] {
        std::fs::write(dir.path().join("c"), certificate).unwrap();
        std::fs::write(dir.path().join("k"), key).unwrap();
        let got = Files::read(&config(dir.path()))
            .and_then(|files| Loaded::new(&files, ClientCertificates::Off))
            .map(drop)
            .map_err(|e| e.to_string());
        match want {
            None => assert_eq!(got, Ok(())),
            Some(want) => assert!(got.clone().unwrap_err().contains(want), "{want}: {got:?}"),
        }
    }
    std::fs::remove_file(dir.path().join("k")).unwrap();
    assert!(matches!(Files::read(&config(dir.path())), Err(Error::Unreadable { .. })));
}

#[test]
fn whom_a_certificate_is_for() {
    let key = ec();
    let dir = tempfile::tempdir().unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(NOW_S).unwrap()).unwrap();
    let mut names = openssl::x509::extension::SubjectAlternativeName::new();
    names.dns("Hub.example").dns("*.zone.example").ip("10.0.0.1").ip("::1");
    let names = names.build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    std::fs::write(dir.path().join("c"), builder.build().to_pem().unwrap()).unwrap();
    std::fs::write(dir.path().join("k"), pem(&key)).unwrap();
    let files = Files::read(&config(dir.path())).unwrap();
    let loaded = Loaded::new(&files, ClientCertificates::Off).unwrap();
    for (host, good) in [
        ("hub.example", true),
        ("a.zone.example", true),
        ("10.0.0.1", true),
        ("::1", true),
        ("zone.example", false),
        ("a.b.zone.example", false),
        ("xhub.example", false),
        ("10.0.0.2", false),
        ("", false),
    ] {
        assert_eq!(loaded.is_for(host), good, "{host}");
    }
    assert!(loaded.in_time(NOW_S).is_err());
}

#[test]
fn files_that_change_while_the_hub_runs() {
    let dir = tempfile::tempdir().unwrap();
    let write = |certificate: &[u8], key: &[u8]| {
        std::fs::write(dir.path().join("c"), certificate).unwrap();
        std::fs::write(dir.path().join("k"), key).unwrap();
    };
    let clock = Arc::new(At(AtomicI64::new(NOW_S * 1000)));
    let operations = Arc::new(Operations::open(dir.path(), clock.clone()).unwrap());
    let page = crate::telemetry::Metrics::new();
    let (old, new, year) = (ec(), ec(), 366 * 86_400);
    write(&certificate(&old, -10, year), &pem(&old));
    let limits = Limits { timeout: Duration::from_secs(1), handshakes_max: 1 };
    let around = (clock.clone() as SharedClock, operations.clone());
    let tls = Tls::load("public", config(dir.path()), limits, around, Metrics::new(&page)).unwrap();
    let said = |kind: &str| operations.latest(100).iter().filter(|e| e.kind == kind).count();
    let ends = || tls.loaded.load().not_after_s;
    assert_eq!(
        (tls.look(false), tls.look(true), ends()),
        (Looked::Same, Looked::Same, NOW_S + i64::from(year))
    );

    // Half of a change, then the whole of it.
    write(&certificate(&new, -10, year + 1), &pem(&old));
    assert_eq!(tls.look(false), Looked::Same);
    write(&certificate(&new, -10, year + 1), &pem(&new));
    assert_eq!((tls.look(false), ends()), (Looked::Reloaded, NOW_S + i64::from(year) + 1));
    assert_eq!((said("certificate_reloaded"), said("certificate_refused")), (1, 0));

    // No good, and it stays so: said once. At once where somebody asks.
    write(b"", &pem(&new));
    assert_eq!(
        [tls.look(false), tls.look(false), tls.look(false)],
        [Looked::Same, Looked::Refused, Looked::Same]
    );
    write(&certificate(&old, -10, year), &pem(&new));
    assert_eq!([tls.look(true), tls.look(true)], [Looked::Refused, Looked::Same]);
    std::fs::remove_file(dir.path().join("c")).unwrap();
    assert_eq!(
        [tls.look(false), tls.look(false), tls.look(false)],
        [Looked::Same, Looked::Refused, Looked::Same]
    );
    // Over, or not begun: no reason to give up one that is valid.
    for (from, until) in [(-20, -10), (10, 20)] {
        write(&certificate(&old, from, until), &pem(&old));
        assert_eq!(tls.look(true), Looked::Refused);
    }
    assert_eq!((ends(), said("certificate_refused")), (NOW_S + i64::from(year) + 1, 5));

    // Soon over: said once a day.
    assert_eq!(said("certificate_expires"), 0);
    write(&certificate(&old, -10, 86_400), &pem(&old));
    assert_eq!((tls.look(false), said("certificate_expires")), (Looked::Reloaded, 1));
    for (hours, times) in [(1, 1), (23, 2), (1, 2), (24, 3)] {
        clock.0.fetch_add(hours * 3_600_000, Ordering::Relaxed);
        assert_eq!((tls.look(false), said("certificate_expires")), (Looked::Same, times), "{hours}");
    }
    assert!(operations.latest(1)[0].what.contains("has expired"));
    let text = page.encode();
    for line in [
        "ssf_hub_tls_reloads_total{listener=\"public\",result=\"ok\"} 2",
        "ssf_hub_tls_reloads_total{listener=\"public\",result=\"refused\"} 5",
        &format!("ssf_hub_tls_certificate_not_after_seconds{{listener=\"public\"}} {}", NOW_S + 86_400),
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
