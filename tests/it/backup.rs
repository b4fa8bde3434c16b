//! A backup of the running hub, and back under a new journal id: no name comes again for other content.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use ssf_hub::app::restore_backup;
use ssf_hub::config::Config;
use ssf_hub::jose::alg::Alg;

use super::hub::{Hub, Setup};
use super::peers::{Idp, claims_of};

const IDP: &str = "https://idp.example";

/// A hub with a poll stream, an upstream, and the bearer to poll with.
async fn furnished() -> (Hub, Idp, String) {
    let hub = Hub::start_as(Setup::with("[journal]\nsegment_bytes = 65536\n")).await;
    let app = hub.client("default", "app", false).await;
    let body = json!({ "client": "app", "method": "poll", "aud": ["app"], "events_requested": ["*"] });
    hub.put("default", "streams", "s", body).await;
    let idp = Idp::new(IDP, Alg::ES256);
    hub.put("default", "upstreams", "idp", idp.upstream("hub")).await;
    (hub, idp, app)
}

async fn signal(hub: &Hub, idp: &Idp, n: usize) {
    let set = idp.session_revoked("hub", &format!("j{n}"), &format!("user-{n}"), Some("s"), "user");
    assert_eq!(hub.push("default", "idp", &set).await.0, 202);
}

/// Everything that is owed now: name and content. `take`: and acknowledges it.
async fn names(hub: &Hub, app: &str, take: bool) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut ack: Vec<String> = vec![];
    loop {
        let body = json!({ "returnImmediately": true, "maxEvents": 100, "ack": ack });
        let (status, answer) = hub.poll("default", "s", app, body).await;
        assert_eq!(status, 200);
        let sets = answer["sets"].as_object().unwrap();
        ack = sets.keys().cloned().collect();
        all.extend(sets.iter().map(|(jti, set)| {
            let claims = claims_of(set.as_str().unwrap());
            (jti.clone(), format!("{}{}{}", claims["events"], claims["sub_id"], claims["txn"]))
        }));
        if sets.is_empty() || !take {
            return all;
        }
    }
}

async fn backup(hub: &Hub, dir: &Path) -> (u16, Value) {
    hub.admin_send("POST", "/admin/v1/backup", Some(json!({ "dir": dir }))).await
}

fn config(hub: &Hub, data: &Path) -> Config {
    on_config(&hub.dir, data)
}

/// A hub on restored data, with ports of its own.
async fn on(home: &Arc<tempfile::TempDir>, more: &str) -> Hub {
    Hub::start_in(home.clone(), Setup::with(more)).await
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for item in std::fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

#[tokio::test]
async fn an_old_backup_restored_gives_no_name_twice() {
    let (hub, idp, app) = furnished().await;
    for n in 0..150 {
        signal(&hub, &idp, n).await;
    }
    let mut seen: BTreeSet<String> = names(&hub, &app, true).await.into_keys().collect();
    for n in 150..160 {
        signal(&hub, &idp, n).await;
    }
    let home = Arc::new(tempfile::tempdir().unwrap());
    let dir = home.path().join("backup");
    let (status, told) = backup(&hub, &dir).await;
    assert_eq!(status, 200, "{told}");
    // What comes after the backup is lost with the machine, and was seen by receivers.
    let owed = names(&hub, &app, false).await;
    for n in 160..200 {
        signal(&hub, &idp, n).await;
    }
    seen.extend(names(&hub, &app, true).await.into_keys());
    let digests = hub.status().await;
    assert_ne!(digests["tenants"]["default"]["digest"], told["tenants"]["default"]["digest"]);

    let data = home.path().join("data");
    let kid = told["audit_kid"].as_str().unwrap();
    let restored = restore_backup(&config(&hub, &data), &dir, Some(kid)).unwrap();
    assert_eq!(restored["digests"], "agreed");
    assert_eq!(restored["origin"], told["journal"]);
    assert_ne!(restored["journal"], told["journal"]);
    for (tenant, mark) in told["tenants"].as_object().unwrap() {
        assert_eq!(restored["tenants"][tenant]["digest"], mark["digest"], "{tenant}");
    }
    hub.stop().await;

    let more = "[journal]\nsegment_bytes = 65536\n";
    let hub = on(&home, more).await;
    let status = hub.status().await;
    assert_eq!(status["journal"], restored["journal"]);
    assert_eq!(status["tenants"]["default"]["digest"], told["tenants"]["default"]["digest"], "same state");
    // What was owed goes out again, under new names: nobody can tell who had it already.
    let again = names(&hub, &app, true).await;
    let content = |sets: &BTreeMap<String, String>| sets.values().cloned().collect::<BTreeSet<_>>();
    assert_eq!(content(&again), content(&owed));
    for n in 300..340 {
        signal(&hub, &idp, n).await;
    }
    let new = names(&hub, &app, true).await;
    assert_eq!(new.len(), 40);
    let twice: Vec<_> = again.keys().chain(new.keys()).filter(|jti| seen.contains(*jti)).collect();
    assert!(twice.is_empty(), "{twice:?}");

    // The history before is still read, and where the journal comes from stands in its first entry.
    let old = hub.admin_send("GET", "/admin/v1/why/default:5", None).await;
    assert_eq!((old.0, old.1["kind"].as_str()), (200, Some("set")), "{}", old.1);
    let first = told["tenants"]["_hub"]["seq"].as_u64().unwrap() + 1;
    let why = hub.admin_send("GET", &format!("/admin/v1/why/_hub:{first}"), None).await.1;
    assert_eq!((&why["kind"], &why["restored"]["origin"]), (&json!("restored"), &told["journal"]), "{why}");

    // Without mirror and bases everything is folded again, through the journal before.
    let mark = hub.mark("default").await;
    let (public, admin) = (hub.setup.0, hub.setup.1);
    hub.stop().await;
    super::power::mirror::settled(&data.join("mirror")).await;
    for gone in ["mirror", "bases"] {
        std::fs::remove_dir_all(data.join(gone)).unwrap();
    }
    let verified = ssf_hub::app::verify(&on_config(&home, &data)).unwrap();
    assert_eq!(verified["folded_from"], "zero");
    std::fs::remove_file(data.join(origin_base(&data))).unwrap();
    let setup = Setup { public, admin, ..Setup::with(more) };
    let hub = Hub::start_in(home.clone(), setup).await;
    assert_eq!(hub.mark("default").await, mark);

    // And a backup of a restored hub holds all of it.
    let (status, told) = backup(&hub, &home.path().join("second")).await;
    assert_eq!(status, 200, "{told}");
    hub.stop().await;
    let third = home.path().join("third");
    let restored = restore_backup(&on_config(&home, &third), &home.path().join("second"), None);
    assert_eq!(restored.unwrap()["digests"], "agreed");
    assert_eq!(std::fs::read_dir(third.join("origins")).unwrap().count(), 2);
}

fn on_config(home: &Arc<tempfile::TempDir>, data: &Path) -> Config {
    let mut config = Config::load(Some(&home.path().join("hub.toml")), std::iter::empty()).unwrap();
    config.data_dir = data.into();
    config
}

fn origin_base(data: &Path) -> PathBuf {
    let mut all = vec![];
    files(&data.join("origins"), &mut all);
    let mut bases = all.into_iter().filter(|f| f.file_name().unwrap().to_str().unwrap().starts_with("base-"));
    bases.next().unwrap().strip_prefix(data).unwrap().into()
}

#[tokio::test]
async fn a_backup_under_load_restores_to_the_digest_it_names() {
    let (hub, idp, _app) = furnished().await;
    let home = Arc::new(tempfile::tempdir().unwrap());
    let dir = home.path().join("backup");
    let over = AtomicBool::new(false);
    let load = async {
        let mut n = 0;
        while !over.load(Ordering::Relaxed) || n < 200 {
            signal(&hub, &idp, n).await;
            n += 1;
        }
        // Some come behind it in any case.
        for n in n..n + 10 {
            signal(&hub, &idp, n).await;
        }
    };
    let meanwhile = async {
        super::hub::until("some came", 30, || async { hub.mark("default").await.1 > 40 }).await;
        let told = backup(&hub, &dir).await;
        over.store(true, Ordering::Relaxed);
        told
    };
    let ((), (status, told)) = tokio::join!(load, meanwhile);
    assert_eq!(status, 200, "{told}");
    let cut = told["tenants"]["default"]["seq"].as_u64().unwrap();
    assert!(cut > 40 && cut < hub.mark("default").await.1, "in the middle: {cut}");
    let data = home.path().join("data");
    let restored = restore_backup(&config(&hub, &data), &dir, None).unwrap();
    for (tenant, mark) in told["tenants"].as_object().unwrap() {
        assert_eq!(restored["tenants"][tenant]["digest"], mark["digest"], "{tenant}");
        assert_eq!(restored["tenants"][tenant]["seq"], mark["seq"], "{tenant}");
    }
    use std::os::unix::fs::PermissionsExt as _;
    let mut all = vec![];
    files(&dir, &mut all);
    for file in &all {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        let above = file.parent().unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(above & 0o777, 0o700, "{}", file.display());
    }
    hub.stop().await;
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_named_and_leaves_nothing() {
    let (hub, idp, _app) = furnished().await;
    for n in 0..5 {
        signal(&hub, &idp, n).await;
    }
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("backup");
    assert_eq!(backup(&hub, &dir).await.0, 200);
    let data = home.path().join("data");
    let config = config(&hub, &data);
    let mut all = vec![];
    files(&dir, &mut all);
    assert!(all.len() > 8, "{all:?}");
    for file in &all {
        let good = std::fs::read(file).unwrap();
        let mut bad = good.clone();
        let at = bad.len() / 2;
        bad[at] ^= 1;
        std::fs::write(file, &bad).unwrap();
        let refused = format!("{:#}", restore_backup(&config, &dir, None).unwrap_err());
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(refused.contains(name) || name.starts_with("audit"), "{name}: {refused}");
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "{name}");
        std::fs::write(file, &bad[..bad.len() / 2]).unwrap();
        assert!(restore_backup(&config, &dir, None).is_err(), "{name} is cut");
        std::fs::remove_file(file).unwrap();
        assert!(restore_backup(&config, &dir, None).is_err(), "{name} is gone");
        std::fs::write(file, &good).unwrap();
    }
    assert!(restore_backup(&config, &dir, Some("another-key")).is_err());
    std::fs::write(data.join("x"), b"").unwrap();
    let refused = restore_backup(&config, &dir, None).unwrap_err().to_string();
    assert!(refused.contains("is not empty"), "{refused}");
    std::fs::remove_file(data.join("x")).unwrap();
    restore_backup(&config, &dir, None).unwrap();

    // Where it may not go.
    let taken = backup(&hub, &dir).await;
    assert!(taken.0 == 409 && taken.1["detail"].as_str().unwrap().contains("is not empty"), "{}", taken.1);
    assert_eq!(backup(&hub, &hub.data().join("copy")).await.0, 400);
    assert_eq!(backup(&hub, Path::new("copy")).await.0, 400);
    hub.stop().await;
}

#[tokio::test]
async fn a_backup_of_keys_that_cannot_sign_is_not_restored() {
    let (hub, idp, _app) = furnished().await;
    signal(&hub, &idp, 1).await;
    let home = tempfile::tempdir().unwrap();
    let jwks = hub.http.get(format!("{}/t/default/jwks.json", hub.public)).send().await.unwrap();
    assert_eq!(jwks.status(), 200);
    let own = hub.data().join("keys/t/default");
    let good = home.path().join("good");
    assert_eq!(backup(&hub, &good).await.0, 200);
    // What a rotation beside the copying used to leave: `signing.json` names a key that is not there.
    let pem = std::fs::read(own.join("sign-ES256.pem")).unwrap();
    std::fs::remove_file(own.join("sign-ES256.pem")).unwrap();
    let bad = home.path().join("bad");
    assert_eq!(backup(&hub, &bad).await.0, 200);
    std::fs::write(own.join("sign-ES256.pem"), pem).unwrap();
    let data = home.path().join("data");
    let refused = format!("{:#}", restore_backup(&config(&hub, &data), &bad, None).unwrap_err());
    assert!(
        refused.contains("tenant default could not sign") && refused.contains("sign-ES256.pem"),
        "{refused}"
    );
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
    restore_backup(&config(&hub, &data), &good, None).unwrap();
    hub.stop().await;
}

#[tokio::test]
async fn a_backup_of_sealed_keys_is_restored_with_their_key() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Arc::new(tempfile::tempdir().unwrap());
    let key = home.path().join("sealing-key");
    std::fs::write(&key, "01".repeat(32)).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let sealed = format!("[keys]\nsealing_key_file = {key:?}\n");
    let hub = Hub::start_as(Setup::with(&sealed)).await;
    hub.tenant("acme").await;
    let kids = async |hub: &Hub| {
        let url = format!("{}/t/acme/jwks.json", hub.public);
        hub.http.get(url).send().await.unwrap().text().await.unwrap()
    };
    let published = kids(&hub).await;
    let dir = home.path().join("backup");
    assert_eq!(backup(&hub, &dir).await.0, 200);
    let data = home.path().join("data");
    let config = config(&hub, &data);
    hub.stop().await;
    restore_backup(&config, &dir, None).unwrap();
    let hub = on(&home, &sealed).await;
    assert_eq!(kids(&hub).await, published);
    hub.stop().await;
}

#[tokio::test]
async fn an_interrupted_restore_does_not_start() {
    let home = Arc::new(tempfile::tempdir().unwrap());
    std::fs::create_dir(home.path().join("data")).unwrap();
    std::fs::write(home.path().join("data/restore.unfinished"), b"").unwrap();
    std::fs::write(home.path().join("hub.toml"), super::hub::toml(home.path(), 1, 2, "")).unwrap();
    let config = on_config(&home, &home.path().join("data"));
    let refused = ssf_hub::app::serve::start(config).await.err().unwrap().to_string();
    assert!(refused.contains("was interrupted"), "{refused}");
}
