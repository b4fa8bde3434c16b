//! Signing keys through rotations, revocations and crashes between any two steps.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::clock::{Clock, OsChance};
use crate::jose::compact::verify_compact;
use crate::jose::keyset::KeySet;
use crate::jose::sign::sign_compact;
use crate::keys::seal::{Sealing, SealingKey};
use crate::keys::state::Unfit;

struct At(AtomicI64);

impl Clock for At {
    fn wall_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
    fn boot_ms(&self) -> i64 {
        0
    }
}

const TIMES: Times = Times { ahead_ms: 1_000, overlap_ms: 10_000, kept_ms: 500 };

fn clock() -> Arc<At> {
    Arc::new(At(AtomicI64::new(1_000_000)))
}

fn open(dir: &Path, clock: &Arc<At>) -> Ring {
    let sealing = Sealing { current: Some(SealingKey::new([5; 32])), previous: None };
    let (safe, _) = Safe::open(dir, sealing, Arc::new(OsChance), true).unwrap();
    Ring::new(Arc::new(safe), "t/a".into(), clock.clone(), TIMES)
}

fn kids(ring: &Ring) -> BTreeSet<String> {
    let jwks: serde_json::Value = serde_json::from_str(&ring.jwks().unwrap()).unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    let kids: BTreeSet<String> = keys.iter().map(|k| k["kid"].as_str().unwrap().into()).collect();
    assert_eq!(kids.len(), keys.len(), "kids are unique");
    assert!(keys.iter().all(|k| k["use"] == "sig" && k["alg"].is_string() && k.get("d").is_none()));
    kids
}

fn verifies(ring: &Ring, alg: Alg) -> String {
    let key = ring.signing(alg).unwrap();
    let set = KeySet::parse(ring.jwks().unwrap().as_bytes()).unwrap();
    let token = sign_compact(&key, "t", b"{}").unwrap();
    verify_compact(token.as_bytes(), &set, &[alg], 1000).unwrap();
    key.kid().into()
}

#[test]
fn every_algorithm_is_published_signs_and_rotates() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let ring = open(dir.path(), &clock);
    assert_eq!(kids(&ring).len(), 4);
    for alg in Alg::ALL {
        let old = verifies(&ring, alg);
        let rotated = ring.rotate(alg).unwrap();
        assert!(matches!(ring.rotate(alg), Err(Error::Unfit(Unfit::Rotating(_)))));
        assert_eq!(verifies(&ring, alg), old, "published, not signing yet");
        assert!(kids(&ring).contains(&rotated.kid));
        clock.0.fetch_add(1_000, Ordering::Relaxed);
        assert_eq!(verifies(&ring, alg), rotated.kid);
        assert!(kids(&ring).contains(&old) && ring.sweep().unwrap().is_empty());
        assert_eq!(verifies(&open(dir.path(), &clock), alg), rotated.kid);
        clock.0.fetch_add(10_000, Ordering::Relaxed);
        assert!(!kids(&ring).contains(&old), "not published even before it is swept");
        assert_eq!(ring.sweep().unwrap(), [old]);
        assert_eq!(kids(&open(dir.path(), &clock)), kids(&ring));
    }
    let files = std::fs::read_dir(dir.path().join("t/a")).unwrap().count();
    assert_eq!(files, 5, "four keys and signing.json");
}

#[test]
fn a_revoked_key_is_gone_at_once_and_for_good() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let ring = open(dir.path(), &clock);
    let old = verifies(&ring, Alg::ES256);
    let gone = ring.revoke(&old, "admin").unwrap();
    assert_eq!((gone.kid.as_str(), verifies(&ring, Alg::ES256)), (old.as_str(), gone.signing.clone()));
    assert!(!kids(&ring).contains(&old) && ring.is_revoked(&old) && !ring.is_revoked(&gone.signing));
    assert!(matches!(ring.revoke(&old, "admin"), Err(Error::Unfit(Unfit::NoKey))));
    let again = open(dir.path(), &clock);
    assert_eq!(kids(&again), kids(&ring));
    assert!(again.list().unwrap().iter().any(|k| k.kid == old && k.by.as_deref() == Some("admin")));
    // With the next one published, that one signs now.
    let next = ring.rotate(Alg::ES256).unwrap().kid;
    assert_eq!(ring.revoke(&gone.signing, "admin").unwrap().signing, next);
    assert_eq!(verifies(&ring, Alg::ES256), next);
}

/// The directory as it would be had the process been killed behind each durable step.
#[test]
fn killed_between_any_two_steps() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let ring = open(dir.path(), &clock);
    let before = kids(&ring);
    let old = verifies(&ring, Alg::ES256);
    let state = std::fs::read(dir.path().join("t/a/signing.json")).unwrap();
    let file = std::fs::read(dir.path().join("t/a/sign-ES256.pem")).unwrap();
    ring.revoke(&old, "admin").unwrap();
    let after = (kids(&ring), std::fs::read(dir.path().join("t/a/signing.json")).unwrap());
    let (state_at, file_at) = (dir.path().join("t/a/signing.json"), dir.path().join("t/a/sign-ES256.pem"));

    // Behind the new key's file, before signing.json: nothing has happened, and the new file goes.
    std::fs::write(&file_at, &file).unwrap();
    std::fs::write(&state_at, &state).unwrap();
    let crashed = open(dir.path(), &clock);
    assert_eq!((kids(&crashed), verifies(&crashed, Alg::ES256)), (before, old.clone()));
    assert_eq!(std::fs::read_dir(dir.path().join("t/a")).unwrap().count(), 5);

    // Behind signing.json, before the old key's file went: it is revoked, and its file goes.
    let gone = crashed.revoke(&old, "admin").unwrap();
    std::fs::write(&file_at, &file).unwrap();
    let crashed = open(dir.path(), &clock);
    assert_eq!(verifies(&crashed, Alg::ES256), gone.signing);
    assert!(crashed.is_revoked(&old) && !file_at.exists());
    assert_eq!(after.0.len(), kids(&crashed).len());

    // signing.json lost, cut, or of another time: never guessed.
    let whole = std::fs::read(&state_at).unwrap();
    for bad in [None, Some(&whole[..40]), Some(&after.1[..])] {
        match bad {
            None => std::fs::remove_file(&state_at).unwrap(),
            Some(bytes) => std::fs::write(&state_at, bytes).unwrap(),
        }
        if let Ok((safe, _)) = Safe::open(
            dir.path(),
            Sealing { current: Some(SealingKey::new([5; 32])), previous: None },
            Arc::new(OsChance),
            false,
        ) {
            let ring = Ring::new(Arc::new(safe), "t/a".into(), clock.clone(), TIMES);
            assert!(matches!(ring.signing(Alg::ES256), Err(Error::Damaged(_))));
        }
    }
}

#[test]
fn files_of_the_first_release_are_taken_up() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), clock());
    let pem = sign::generate_pem(Alg::ES256).unwrap();
    let kid = SigningKey::from_pem(Alg::ES256, &pem).unwrap().kid().to_string();
    std::fs::create_dir_all(dir.path().join("t/a")).unwrap();
    std::fs::write(dir.path().join("t/a/sign-ES256.pem"), pem).unwrap();
    let ring = open(dir.path(), &clock);
    assert_eq!(verifies(&ring, Alg::ES256), kid);
    let next = ring.rotate(Alg::ES256).unwrap().kid;
    clock.0.fetch_add(20_000, Ordering::Relaxed);
    let again = open(dir.path(), &clock);
    assert_eq!((verifies(&again, Alg::ES256), again.sweep().unwrap()), (next, vec![kid]));
    assert!(!dir.path().join("t/a/sign-ES256.pem").exists());
}
