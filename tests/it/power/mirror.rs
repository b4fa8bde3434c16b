//! Whatever lies where the mirror should be: the hub starts, and its state is the journal's.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use ssf_hub::app::verify;
use ssf_hub::config::Config;
use ssf_hub::hub::mirror::Cursor;
use ssf_hub::jose::alg::Alg;
use ssf_hub::store::Mirror;
use tempfile::TempDir;

use super::super::hub::{Hub, Setup, until};
use super::super::peers::Idp;

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let into = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &into);
        } else {
            std::fs::copy(item.path(), into).unwrap();
        }
    }
}

/// Waits until sled has let go of a mirror that this process closed: its own threads outlive it by a moment, and write on.
pub async fn settled(mirror: &Path) {
    until("sled lets go of the mirror", 30, || async {
        // Without this file there is no mirror.
        let Ok(db) = std::fs::File::open(mirror.join("db")) else { return true };
        rustix::fs::flock(&db, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
    })
    .await;
}

/// A hub that is stopped, and started again for each look.
struct Stopped {
    dir: Arc<TempDir>,
    setup: (u16, u16, String),
    idp: Idp,
    sent: usize,
}

impl Stopped {
    async fn new() -> Self {
        let hub = Hub::start().await;
        let idp = Idp::new("https://idp.example", Alg::ES256);
        hub.put("default", "upstreams", "kc", idp.upstream("hub")).await;
        let setup = hub.setup.clone();
        let mut stopped = Self { dir: hub.stop().await, setup, idp, sent: 0 };
        stopped.look(20).await;
        stopped
    }

    fn mirror(&self) -> std::path::PathBuf {
        self.dir.path().join("data/mirror")
    }

    /// Starts, holds the state against the journal's, sends some SETs, does so again, and stops.
    async fn look(&mut self, sets: usize) -> Value {
        let (public, admin, more) = self.setup.clone();
        let hub = Hub::start_in(self.dir.clone(), Setup { public, admin, more, ..Setup::default() }).await;
        let config = Config::load(Some(&self.dir.path().join("hub.toml")), std::iter::empty()).unwrap();
        for n in [0, sets] {
            for _ in 0..n {
                self.sent += 1;
                let (jti, user) = (format!("j{}", self.sent), format!("user{}", self.sent % 7));
                let set = self.idp.session_revoked("hub", &jti, &user, Some(&jti), "user");
                assert_eq!(hub.push("default", "kc", &set).await.0, 202);
            }
            let live = hub.mark("default").await;
            let folded = verify(&config).unwrap()["tenants"]["default"].clone();
            assert_eq!((folded["digest"].as_str(), folded["seq"].as_u64()), (Some(&*live.0), Some(live.1)));
        }
        let tenants = hub.status().await["tenants"].clone();
        hub.stop().await;
        settled(&self.mirror()).await;
        tenants
    }
}

#[tokio::test]
async fn half_snapshots_garbage_and_other_hubs_mirrors_change_nothing() {
    let mut stopped = Stopped::new().await;
    let mirror = stopped.mirror();
    let before = stopped.look(0).await;

    std::fs::write(mirror.join("snap.00000000DEADBEEF.generating"), b"half").unwrap();
    std::fs::write(mirror.join("snap.0000000000000010.generating"), []).unwrap();
    assert_eq!(stopped.look(0).await, before, "planted .generating");
    assert!(!mirror.join("snap.00000000DEADBEEF.generating").exists());

    for bytes in [&b""[..], &[0; 7], &[0xff; 300]] {
        std::fs::write(mirror.join("snap.FFFFFFFFFFFFFFF0"), bytes).unwrap();
        assert_eq!(stopped.look(0).await, before, "a planted snapshot of {} bytes", bytes.len());
    }
    for snap in std::fs::read_dir(&mirror).unwrap().map(|i| i.unwrap().path()) {
        if snap.file_name().unwrap().to_str().unwrap().starts_with("snap.") {
            let bytes = std::fs::read(&snap).unwrap();
            std::fs::write(&snap, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
    assert_eq!(stopped.look(0).await, before, "snapshots cut in half");

    let db = std::fs::metadata(mirror.join("db")).unwrap().len();
    std::fs::write(mirror.join("db"), vec![0xa5; usize::try_from(db).unwrap()]).unwrap();
    assert_eq!(stopped.look(0).await, before, "a garbage db");
    std::fs::write(mirror.join("conf"), b"garbage").unwrap();
    assert_eq!(stopped.look(0).await, before, "a garbage conf");

    let other = Stopped::new().await;
    copy(&other.mirror(), &mirror);
    assert_eq!(stopped.look(0).await, before, "another hub's mirror");

    std::fs::remove_dir_all(&mirror).unwrap();
    assert_eq!(stopped.look(0).await, before, "no mirror");
    std::fs::remove_dir_all(&mirror).unwrap();
    std::fs::write(&mirror, b"a file").unwrap();
    assert_eq!(stopped.look(0).await, before, "a file where the mirror should be");
    std::fs::remove_file(&mirror).unwrap();
    stopped.look(3).await;
}

#[tokio::test]
async fn a_mirror_from_earlier_gets_what_it_missed() {
    let mut stopped = Stopped::new().await;
    let (mirror, kept) = (stopped.mirror(), stopped.dir.path().join("kept"));
    copy(&mirror, &kept);
    stopped.look(10).await;
    // Twice: what the first start folds behind the old rows must be in the mirror at the second.
    copy(&kept, &mirror);
    stopped.look(1).await;
    stopped.look(1).await;
    stopped.look(0).await;
}

#[tokio::test]
async fn a_tenant_without_an_entry_of_its_own_is_still_there_after_a_start() {
    let mut hub = Hub::start().await;
    hub.tenant("acme").await;
    for _ in 0..2 {
        let before = hub.status().await["tenants"].clone();
        assert!(before["acme"].is_object(), "{before}");
        hub = hub.restart().await;
        assert_eq!(hub.status().await["tenants"], before);
    }
    hub.client("acme", "saas", false).await;
    hub.stop().await;
}

#[tokio::test]
async fn a_cursor_that_points_into_a_batch_is_no_reason_not_to_start() {
    let mut stopped = Stopped::new().await;
    let before = stopped.look(0).await;
    let mut mirror = Mirror::open(&stopped.mirror()).unwrap();
    let mut cursor: Cursor = serde_json::from_slice(&mirror.cursor().unwrap().unwrap().0).unwrap();
    cursor.position.offset -= 5;
    mirror.apply(vec![], &serde_json::to_vec(&cursor).unwrap()).unwrap();
    drop(mirror);
    assert_eq!(stopped.look(0).await, before);

    // At an earlier batch than its rows: the fold does not follow upon them.
    let mut mirror = Mirror::open(&stopped.mirror()).unwrap();
    cursor.position.segment = 1;
    cursor.position.offset = 64;
    mirror.apply(vec![], &serde_json::to_vec(&cursor).unwrap()).unwrap();
    drop(mirror);
    assert_eq!(stopped.look(2).await["_hub"], before["_hub"]);
}
