//! Objects from files: those of the configuration file are its own, those of `ssf-hub apply` differ, change, go.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use super::hub::{Hub, Setup};

const FILE: &str = "[[client]]\nid = \"app\"\nbearer_env = \"APP\"\n[[tenant]]\nid = \"acme\"\n";

/// Runs the command line against a hub.
async fn command(hub: &Hub, args: &[&str]) -> (i32, Value, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ssf-hub"));
    command.arg("--config").arg(hub.dir.path().join("hub.toml")).args(args);
    command
        .env("APPLY_BEARER", "applied-bearer-0123456789")
        .env("CRM", "Basic c2VjcmV0")
        .env("APP", "app-bearer-0123456789");
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let out = String::from_utf8(stdout).unwrap();
    let said = format!("{out}{}", String::from_utf8(stderr).unwrap());
    (status.code().unwrap(), serde_json::from_str(&out).unwrap_or(Value::Null), said)
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
}

const OBJECTS: &str = "[[tenant]]\nid = 'acme'\n\
    [[client]]\ntenant = 'acme'\nid = 'app'\nbearer_env = 'APPLY_BEARER'\n";
const STREAM: &str = r#"{"stream": [{"tenant": "acme", "stream_id": "crm", "client": "app", "method": "push",
    "endpoint_url": "http://127.0.0.1:9/ssf", "authorization_header_env": "CRM", "aud": ["crm"], "events_requested": ["*"]}]}"#;

#[tokio::test]
async fn files_are_applied_once_compared_and_pruned() {
    let hub = Hub::start().await;
    let dir = hub.dir.path().join("objects");
    std::fs::create_dir(&dir).unwrap();
    write(&dir, "a.toml", OBJECTS);
    write(&dir, "b.json", STREAM);
    write(&dir, "notes.txt", "no object");
    let from = dir.to_str().unwrap();
    let seq = || async { hub.status().await["tenants"]["_hub"]["seq"].as_u64().unwrap() };

    let before = seq().await;
    let (code, _, said) = command(&hub, &["apply", "-f", from, "--dry-run"]).await;
    assert_eq!(code, 3, "{said}");
    for line in
        ["+ _hub/tenants/acme", "+ acme/clients/app", "+ acme/streams/crm", "3 would change, 0 as they are"]
    {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(seq().await, before);
    let (code, done, said) = command(&hub, &["--json", "apply", "-f", from]).await;
    assert_eq!((code, done["changes"].as_array().map(Vec::len)), (0, Some(3)), "{said}");
    let shown = hub.admin_send("GET", "/admin/v1/t/acme/streams/crm", None).await.1;
    assert_eq!(shown["made_by"], "apply:default:admin");

    // The same again: nothing is written.
    let mark = hub.mark("acme").await;
    for more in ["--dry-run", "--prune"] {
        let (code, _, said) = command(&hub, &["apply", "-f", from, more]).await;
        assert!(code == 0 && said.contains("0 ") && said.contains("3 as they are"), "{code} {said}");
    }
    assert_eq!(hub.mark("acme").await, mark);

    // Member by member, and no secret is shown.
    write(&dir, "a.toml", &format!("{OBJECTS}facts = true\nauthority = {{ rate_per_s = 7 }}\n"));
    write(&dir, "b.json", &STREAM.replace("[\"*\"]", "[\"urn:x\"]").replace("\"CRM\"", "\"APPLY_BEARER\""));
    let (code, _, said) = command(&hub, &["apply", "-f", from, "--dry-run"]).await;
    assert_eq!(code, 3);
    for line in [
        "~ acme/clients/app",
        "facts  false -> true",
        "authority.rate_per_s  2000 -> 7",
        "events_requested  [\"*\"] -> [\"urn:x\"]",
        "authorization_secret  \"(secret)\" -> \"(secret)\"",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("applied-bearer") && !said.contains("c2VjcmV0"), "{said}");
    assert_eq!(command(&hub, &["apply", "-f", from]).await.0, 0);

    // One that is refused leaves all as it was.
    let mark = hub.mark("acme").await;
    write(
        &dir,
        "c.toml",
        "[[stream]]\ntenant = 'acme'\nstream_id = 'bad'\nclient = 'app'\nmethod = 'push'\nendpoint_url = 'http://10.0.0.1/x'\naud = ['a']\nevents_requested = ['*']\n",
    );
    write(&dir, "a.toml", OBJECTS);
    let (code, _, said) = command(&hub, &["apply", "-f", from]).await;
    assert!(
        code == 1 && said.contains("nothing is applied") && said.contains("acme/streams/bad"),
        "{code} {said}"
    );
    write(&dir, "c.toml", "[[client]]\nid = 'x'\nbearer_env = 'NOT_THERE'\n");
    assert_eq!(command(&hub, &["apply", "-f", from]).await.0, 2);
    assert_eq!(hub.mark("acme").await, mark);
    std::fs::remove_file(dir.join("c.toml")).unwrap();

    // Pruned is what this set made: neither another set's, nor what a hand took over.
    hub.put("acme", "points", "by-hand", json!({ "new_bearer": true, "aud": ["a"] })).await;
    let other = hub.dir.path().join("other.toml");
    std::fs::write(
        &other,
        "[[point]]\ntenant = 'acme'\nid = 'other'\nbearer_env = 'APPLY_BEARER'\naud = ['a']\n",
    )
    .unwrap();
    assert_eq!(command(&hub, &["apply", "-f", other.to_str().unwrap(), "--set", "team-b"]).await.0, 0);
    std::fs::remove_file(dir.join("b.json")).unwrap();
    let (code, _, said) = command(&hub, &["apply", "-f", from, "--prune"]).await;
    assert!(code == 0 && said.contains("- acme/streams/crm") && !said.contains("points"), "{code} {said}");
    assert_eq!(hub.admin_send("GET", "/admin/v1/t/acme/streams/crm", None).await.0, 404);
    for point in ["by-hand", "other"] {
        assert_eq!(hub.admin_send("GET", &format!("/admin/v1/t/acme/points/{point}"), None).await.0, 200);
    }
    hub.stop().await;
}

#[tokio::test]
async fn what_a_file_holds_is_changed_there() {
    let bearer = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bearer.path(), "app-bearer-0123456789").unwrap();
    let file = FILE.replace("bearer_env = \"APP\"", &format!("bearer_file = {:?}", bearer.path()));
    let hub = Hub::start_as(Setup::with(&file)).await;
    let name = hub.dir.path().join("hub.toml").display().to_string();
    let mark = hub.mark("default").await;
    let path = "/admin/v1/t/default/clients/app";
    let body = json!({ "bearer": "another-bearer-0123456789" });
    for (method, path, body) in [
        ("PUT", path, Some(body.clone())),
        ("PUT", "/admin/v1/t/default/clients/app?apply=x", Some(body.clone())),
        ("PUT", "/admin/v1/t/default/clients/app?apply=x&dry_run=true", Some(body.clone())),
        ("DELETE", path, None),
        ("PUT", "/admin/v1/t/_hub/tenants/acme", Some(json!({}))),
    ] {
        let (status, problem) = hub.admin_send(method, path, body).await;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(status == 409 && detail.contains(&name), "{method} {path}: {status} {detail}");
    }
    assert_eq!(hub.mark("default").await, mark);

    // A start with the same file writes nothing; taken out of it, the object is the API's.
    let hub = hub.restart().await;
    assert_eq!(hub.mark("default").await, mark);
    let (public, admin, _) = hub.setup.clone();
    let dir = hub.stop().await;
    let hub = Hub::start_in(dir, Setup { public, admin, ..Setup::default() }).await;
    assert_eq!(hub.admin_send("GET", path, None).await.1["made_by"], "hub");
    assert_eq!(hub.admin_send("PUT", path, Some(body)).await.0, 200);
    assert_eq!(hub.admin_send("DELETE", path, None).await.0, 204);
    hub.stop().await;
}
