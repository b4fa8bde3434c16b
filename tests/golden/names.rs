//! Derived names, computed here from their parts and held against the product (DESIGN 5, FORMATS, Names).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use ssf_hub::hub::effect::Item;
use ssf_hub::hub::names;
use ssf_hub::lineage::alias::Alias;
use ssf_hub::revocation::key::{Kind, SubjectKey};
use ssf_hub::tenant::{Seq, TenantId};
use ssf_hub::transmitter::issue::{Issuer, jti};

fn cut(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&bytes[..16])
}

/// Journal id (one byte, sixteen times), tenant, seq, audience, index; and the `jti` that they make, computed once by an
/// independent program.
const JTI: [(u8, &str, u64, &str, u32, &str); 6] = [
    (0x01, "default", 1, r#"["https://receiver.example/"]"#, 0, "0pBy8NueMZ9WPBjNNP4x7w"),
    (0x01, "default", 1, r#"["https://receiver.example/"]"#, 1, "W_eOeKEMeRNw1K6orrmuhA"),
    (0x02, "t-1", u64::MAX, r#"["a","b"]"#, 7, "CaIT6pWpgDHQi_f3s5c3nA"),
    (0xff, "a", 256, r#"["https://a.example"]"#, 0, "8yf2gJQlvgN6z_G_txghtw"),
    (0x00, "t-2", 65_536, r#"["ü"]"#, 1_000, "oQCfP2bFx_N8JxfU7B6C8g"),
    (0x7f, "tenant-with-a-long-name", 4_294_967_296, r#"["x"]"#, u32::MAX, "CvgCe6w_IJQPmXBsUVLeMw"),
];

#[test]
fn every_jti_is_as_it_was_released() {
    for (journal, tenant, seq, audience, index, want) in JTI {
        let mut bytes = vec![journal; 16];
        bytes.extend((tenant.len() as u16).to_be_bytes());
        bytes.extend(tenant.bytes());
        bytes.extend(seq.to_be_bytes());
        bytes.extend((audience.len() as u16).to_be_bytes());
        bytes.extend(audience.bytes());
        bytes.extend(index.to_be_bytes());
        assert_eq!(cut(&Sha256::digest(&bytes)), want, "by hand: {tenant} {seq} {audience} {index}");
        let issuer = Issuer::new([journal; 16], "https://hub.example");
        let item = Item { seq: Seq(seq), index };
        assert_eq!(jti(&issuer.name(&TenantId::parse(tenant).unwrap(), item, audience)), want);
    }
}

/// Hashes over parts, each behind its length as u64.
fn parts(all: &[&[u8]]) -> String {
    let bytes: Vec<u8> =
        all.iter().flat_map(|part| [&(part.len() as u64).to_be_bytes(), *part].concat()).collect();
    cut(&Sha256::digest(&bytes))
}

#[test]
fn every_other_hash_is_as_formats_says() {
    let seen = names::seen_key("idp", "https://idp.example", "j-1");
    assert_eq!(seen.text(), parts(&[b"seen", b"idp", b"https://idp.example", b"j-1"]));
    let event = names::event_hash("urn:x", r#"{ "format":"email", "email":"a@b" }"#, r#"{"z":1,"a":[2, 1]}"#);
    let sub_id = br#"{"email":"a@b","format":"email"}"#;
    assert_eq!(event.text(), parts(&[b"event", b"urn:x", sub_id, br#"{"a":[2,1],"z":1}"#]));
    assert_eq!(names::echo("txn-1", event).text(), parts(&[b"echo", b"txn-1", &event.0]));
    let txn = names::txn(&[9; 16], &TenantId::parse("t-1").unwrap(), Seq(77));
    assert_eq!(txn, parts(&[b"txn", &[9; 16], b"t-1", &77u64.to_be_bytes()]));
}

#[test]
fn every_key_of_a_record_is_as_formats_says() {
    let cases = [
        (Kind::User, "user", Alias::new("iss_sub", "https://idp.example", "alice")),
        (Kind::RootRun, "root_run", Alias::new("run", "", "run-1")),
        (Kind::User, "user", Alias::new("email", "", "alice@example.com")),
        (Kind::Jti, "jti", Alias::new("jti", "https://as.example", "t-1")),
    ];
    for (kind, word, alias) in cases {
        let mut mac = Hmac::<Sha256>::new_from_slice(&[5; 32]).unwrap();
        let text = [word, &alias.kind, &alias.iss, &alias.value].join("\0");
        mac.update(text.as_bytes());
        let want = cut(&mac.finalize().into_bytes());
        assert_eq!(SubjectKey::new(&[5; 32]).hash(kind, &alias).text(), want, "{alias:?}");
    }
}
