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
async fn a_set_is_judged_as_a_whole_before_anything_of_it_is_applied() {
    let hub = Hub::start().await;
    let file = hub.dir.path().join("set.toml");
    let apply = async |text: &str, more: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let args = [&["apply", "-f", file.to_str().unwrap()][..], more].concat();
        command(&hub, &args).await
    };
    let issuer = |id: &str, iss: &str| {
        format!(
            "[[token_issuer]]\ntenant = 'acme'\nid = '{id}'\niss = '{iss}'\njwks = {{ url = 'https://i.example/k' }}\n"
        )
    };
    let acme = "[[tenant]]\nid = 'acme'\n";
    let same = format!("{acme}{}{}", issuer("a", "https://i.example"), issuer("b", "https://i.example"));
    let mark = hub.mark("_hub").await;
    for more in [&["--dry-run"][..], &[]] {
        let (code, _, said) = apply(&same, more).await;
        assert!(
            code == 1 && said.contains("nothing is applied: acme/token-issuers/b: iss is taken"),
            "{said}"
        );
        assert!(!said.contains("token-issuers/a"), "{said}");
    }
    assert_eq!(hub.mark("_hub").await, mark, "not even the tenant is made");
    let other = format!("{acme}{}{}", issuer("a", "https://i.example"), issuer("b", "https://j.example"));
    let (code, _, said) = apply(&other, &[]).await;
    assert!(code == 0 && said.contains("3 changed"), "{said}");

    // What an earlier object of the set makes room for, fits; what prune cannot take away stops all of it.
    let client = format!("{acme}[[client]]\ntenant = 'acme'\nid = 'app'\nbearer_env = 'APPLY_BEARER'\n");
    assert_eq!(apply(&client, &["--prune"]).await.0, 0);
    let stream = json!({ "client": "app", "method": "poll", "aud": ["a"], "events_requested": ["*"] });
    hub.put("acme", "streams", "by-hand", stream).await;
    let (code, _, said) = apply(&format!("{acme}{}", issuer("c", "https://c.example")), &["--prune"]).await;
    assert!(code == 1 && said.contains("acme/clients/app: a stream belongs to this client"), "{said}");
    assert_eq!(hub.admin_send("GET", "/admin/v1/t/acme/token-issuers/c", None).await.0, 404);
    hub.stop().await;
}

#[tokio::test]
async fn every_object_of_the_example_is_applied_with_its_secrets() {
    let hub = Hub::start().await;
    let example = include_str!("../../src/config/example.toml");
    let file = hub.dir.path().join("example.toml");
    let variables = [
        "NIGHT_SHIFT_BEARER",
        "ACME_KEYCLOAK_BEARER",
        "ACME_PLATFORM_BEARER",
        "ACME_PARTNERS_SECRET",
        "ACME_CRM_SECRET",
        "ACME_CRM_OLD_SECRET",
        "ACME_CRM_TOKEN",
        "ACME_NGINX_BEARER",
        "ACME_CRM_AUTHORIZATION",
        "NIGHT_SHIFT_OLD_BEARER",
        "ACME_KEYCLOAK_OLD_BEARER",
        "ACME_PLATFORM_OLD_BEARER",
        "ACME_NGINX_OLD_BEARER",
    ];
    // Secrets lie in files here: the command of a test has an environment of its own.
    let mut text = example[example.find("[[tenant]]").unwrap()..].to_string();
    for name in variables {
        let value = hub.dir.path().join(name);
        std::fs::write(&value, format!("{name}-0123456789")).unwrap();
        for member in ["bearer", "secret", "client_secret", "token", "authorization_header"] {
            text =
                text.replace(&format!(" {member}_env = \"{name}\""), &format!(" {member}_file = {value:?}"));
            text = text
                .replace(&format!("\n{member}_env = \"{name}\""), &format!("\n{member}_file = {value:?}"));
        }
    }
    std::fs::write(&file, text).unwrap();
    let from = file.to_str().unwrap();
    let (code, _, said) = command(&hub, &["apply", "-f", from]).await;
    assert!(code == 0 && said.contains("+ acme/authorization-servers/partners"), "{code} {said}");
    let (code, _, said) = command(&hub, &["apply", "-f", from, "--dry-run"]).await;
    assert!(code == 0 && said.contains("0 would change"), "{code} {said}");

    // Another secret is taken up; none is ever shown.
    let secrets = || {
        let dir = hub.data().join("keys/secrets/acme");
        let files =
            std::fs::read_dir(dir).unwrap().map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap());
        let mut found: Vec<String> = files.collect();
        found.sort();
        found
    };
    assert_eq!(secrets(), ["ACME_CRM_AUTHORIZATION-0123456789", "ACME_PARTNERS_SECRET-0123456789"]);
    std::fs::write(hub.dir.path().join("ACME_PARTNERS_SECRET"), "another-0123456789").unwrap();
    let (code, _, said) = command(&hub, &["apply", "-f", from]).await;
    assert!(code == 0 && said.contains("~ acme/authorization-servers/partners"), "{said}");
    assert!(said.contains("1 changed") && !said.contains("0123456789"), "{said}");
    assert_eq!(secrets(), ["ACME_CRM_AUTHORIZATION-0123456789", "another-0123456789"]);
    hub.stop().await;
}

#[tokio::test]
async fn a_stream_that_a_receiver_made_is_nobodys_to_prune() {
    let hub = Hub::start().await;
    let file = hub.dir.path().join("set.toml");
    let apply = async |text: &str| {
        std::fs::write(&file, text).unwrap();
        command(&hub, &["apply", "-f", file.to_str().unwrap(), "--prune"]).await
    };
    let client = "[[client]]\nid = 'crm'\nbearer_env = 'APPLY_BEARER'\n[client.receiver]\n";
    assert_eq!(apply(client).await.0, 0);
    let made = hub
        .http
        .post(format!("{}/t/default/ssf/streams", hub.public))
        .bearer_auth("applied-bearer-0123456789")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    let made: Value = serde_json::from_str(&made.text().await.unwrap()).unwrap();
    let path = format!("/admin/v1/t/default/streams/{}", made["stream_id"].as_str().unwrap());
    for rights in ["derived = true\n", "derived = true\nalg = 'ES256'\n"] {
        let (code, _, said) = apply(&format!("{client}{rights}")).await;
        assert!(code == 0 && said.contains("~ default/clients/crm") && !said.contains("streams"), "{said}");
        let stream = hub.admin_send("GET", &path, None).await.1;
        assert_eq!((&stream["made_by"], &stream["derived"]), (&json!("client:crm"), &json!(true)));
    }
    // One that an earlier release had taken over, as well.
    let mut stream = hub.admin_send("GET", &path, None).await.1;
    stream["description"] = "taken over".into();
    assert_eq!(hub.admin_send("PUT", &format!("{path}?apply=default"), Some(stream)).await.0, 200);
    let (code, _, said) = apply(&format!("{client}derived = true\nalg = 'ES256'\n")).await;
    assert!(code == 0 && said.contains("0 changed"), "{said}");
    assert_eq!(hub.admin_send("GET", &path, None).await.0, 200);
    hub.stop().await;
}

#[tokio::test]
async fn a_query_that_is_none_is_told_as_a_problem() {
    let hub = Hub::start().await;
    for query in ["dry_run=maybe", "dry_run=true&dry_run=false", "apply=..", "apply="] {
        let path = format!("/admin/v1/t/_hub/tenants/x?{query}");
        let (status, problem) = hub.admin_send("PUT", &path, Some(json!({}))).await;
        assert_eq!((status, problem["status"].as_u64()), (400, Some(400)), "{query}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
    }
    for body in [json!({}), json!({ "apply": "a b" }), json!({ "apply": "x", "put": [{}] }), json!([])] {
        let (status, problem) = hub.admin_send("POST", "/admin/v1/dry-run", Some(body)).await;
        assert_eq!((status, problem["status"].as_u64()), (400, Some(400)), "{problem}");
    }
    assert_eq!(hub.admin_send("GET", "/admin/v1/t/_hub/tenants/x", None).await.0, 404);
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
