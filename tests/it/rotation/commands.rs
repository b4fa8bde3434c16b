//! Secrets, tokens and bearers by the command line, as users make, list, rotate and revoke them; and what is refused, with
//! its exit status, its words, and nothing changed.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::hub::{Hub, until};
use super::super::power::process::Site;
use super::world::Credential;

const FILE: &str = "[[client]]\nid = \"of-file\"\n[[client.receiver.tokens]]\nid = \"t\"\ntoken_file = \"TOKEN\"\n\
                    expires_at = 9999999999\n";

/// A hub in a process of its own, with a receiver `crm` made by the command line, and its stream.
async fn furnished(site: &Site) -> Hub {
    let hub = site.hub();
    site.put("clients", &json!({ "id": "crm", "receiver": { "scopes": ["ssf.read", "ssf.manage"] } })).await;
    let stream = json!({ "stream_id": "crm", "client": "crm", "method": "poll", "aud": ["crm"], "events_requested": ["*"] });
    site.put("streams", &stream).await;
    hub
}

/// Whether a secret gets a token at the built-in authorization server that may poll.
async fn secret_is_good(hub: &Hub, secret: &str) -> bool {
    for n in [0, 1] {
        let mut credential = Credential::Secret("crm", secret.into(), n);
        let Ok(token) = credential.bearer(&hub.http, &hub.iss("default")).await else { return false };
        assert!(token_is_good(hub, &token).await);
    }
    true
}

async fn token_is_good(hub: &Hub, token: &str) -> bool {
    match hub.poll("default", "crm", token, json!({ "returnImmediately": true })).await {
        (200, _) => true,
        (401, _) => false,
        other => panic!("{other:?}"),
    }
}

async fn shown(site: &Site, id: &str) -> Value {
    let listed = site.answer(&["list", "clients"]).await;
    listed.as_array().unwrap().iter().find(|client| client["id"] == id).unwrap().clone()
}

#[tokio::test]
async fn a_receivers_secrets_are_made_rotated_and_ended() {
    let site = Site::new("[authorization]\nfailures_per_s = 1000\n");
    let mut process = site.start().await;
    let hub = furnished(&site).await;
    let new = async |more: &[&str]| {
        site.secret_of(&[&["secret", "new", "crm"], more].concat(), "--secret-file").await
    };
    let first = new(&[]).await;
    assert!(secret_is_good(&hub, &first).await && !secret_is_good(&hub, "nonsense-0123456789").await);
    let second = new(&["--overlap", "1h"]).await;
    assert!(secret_is_good(&hub, &first).await && secret_is_good(&hub, &second).await);
    let listed = shown(&site, "crm").await;
    let secrets = listed["receiver"]["secrets"].as_array().unwrap();
    assert!(secrets.len() == 2 && secrets[0]["expires_at"].is_i64() && secrets[1] == json!({}), "{listed}");
    for secret in [&first, &second, &ssf_hub::keys::hash_secret(&first)] {
        assert!(!listed.to_string().contains(secret.as_str()), "{listed}");
    }
    let third = new(&["--overlap", "1s"]).await;
    assert!(secret_is_good(&hub, &third).await);
    until("both before it are over", 30, || async {
        !secret_is_good(&hub, &first).await && !secret_is_good(&hub, &second).await
    })
    .await;
    let fourth = new(&[]).await;
    assert!(!secret_is_good(&hub, &third).await && secret_is_good(&hub, &fourth).await, "at once");
    // To lock it out: what it has, and what it could get.
    let mut credential = Credential::Secret("crm", fourth.clone(), 0);
    let access = credential.bearer(&hub.http, &hub.iss("default")).await.unwrap();
    site.answer(&["token", "revoke-all", "crm"]).await;
    let fifth = new(&[]).await;
    assert!(!token_is_good(&hub, &access).await && !secret_is_good(&hub, &fourth).await);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(secret_is_good(&hub, &fifth).await);
    process.kill();
}

#[tokio::test]
async fn long_lived_tokens_are_made_listed_expire_and_are_revoked() {
    let site = Site::new("");
    let mut process = site.start().await;
    let hub = furnished(&site).await;
    let new = async |more: &[&str]| {
        site.secret_of(&[&["token", "new", "crm"], more].concat(), "--token-file").await
    };
    let one = new(&["--expires", "90d", "--id", "one", "--scope", "ssf.read"]).await;
    let two = new(&["--expires", "1h"]).await;
    let brief = new(&["--expires", "10s", "--id", "brief"]).await;
    let good = async |tokens: [&String; 3]| {
        let mut good = vec![];
        for token in tokens {
            good.push(token_is_good(&hub, token).await);
        }
        good
    };
    assert_eq!(good([&one, &two, &brief]).await, [true, true, true]);
    let manages = async |token: &str| {
        let url = format!("{}/ssf/streams", hub.iss("default"));
        let request = hub.http.post(url).bearer_auth(token).header("content-type", "application/json");
        request.body("{}").send().await.unwrap().status().as_u16()
    };
    assert_eq!([manages(&one).await, manages(&two).await], [403, 201], "only what it is for");
    let listed = shown(&site, "crm").await;
    let tokens = listed["receiver"]["tokens"].as_array().unwrap();
    let named: Vec<&str> = tokens.iter().map(|token| token["id"].as_str().unwrap()).collect();
    assert!(named.len() == 3 && named[0] == "one" && named[1].starts_with("t-"), "{listed}");
    assert!(
        tokens.iter().all(|token| token["expires_at"].is_i64() && token.get("sha256").is_none()),
        "{listed}"
    );
    until("it is over by itself", 30, || async { !token_is_good(&hub, &brief).await }).await;
    assert_eq!(good([&one, &two, &brief]).await, [true, true, false]);
    // Its name is free again.
    let again = new(&["--expires", "1h", "--id", "brief"]).await;
    site.answer(&["token", "revoke", "crm", "one"]).await;
    assert_eq!(good([&one, &two, &again]).await, [false, true, true]);
    site.answer(&["token", "revoke-all", "crm"]).await;
    assert_eq!(good([&one, &two, &again]).await, [false, false, false]);
    assert_eq!(shown(&site, "crm").await["receiver"]["tokens"], json!([]));
    process.kill();
}

/// One command that is refused: exit status, and what it says.
async fn refused(site: &Site, args: &[&str], status: i32, what: &str) {
    let output = site.cli(args).await;
    let said = String::from_utf8_lossy(&output.stderr).to_string();
    assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
    assert!(said.contains(what), "{args:?}: {said}");
    assert!(output.stdout.is_empty(), "{args:?}");
}

#[tokio::test]
async fn what_is_refused_says_why_and_changes_nothing() {
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "token-of-the-file-0123456789\n").unwrap();
    let site = Site::new(&FILE.replace("TOKEN", token.path().to_str().unwrap()));
    let mut process = site.start().await;
    let hub = furnished(&site).await;
    hub.client("default", "plain", true).await;
    let secret = site.secret_of(&["secret", "new", "crm"], "--secret-file").await;
    site.secret_of(&["token", "new", "crm", "--expires", "1h", "--id", "one"], "--token-file").await;
    let there = site.dir.path().join("there");
    std::fs::write(&there, "something").unwrap();
    let (fresh, nowhere) = (site.dir.path().join("fresh"), site.dir.path().join("no/such/place"));
    let text = |path: &Path| path.to_str().unwrap().to_string();
    let (fresh, there, nowhere) = (text(&fresh), text(&there), text(&nowhere));
    let object = site.dir.path().join("new-secret.json");
    std::fs::write(&object, json!({ "id": "crm", "receiver": { "new_secret": true } }).to_string()).unwrap();
    let object = text(&object);
    let before = [hub.mark("default").await, hub.mark("_hub").await];

    // Usage: said before anybody is asked.
    for (line, what) in [
        ("secret new crm --overlap 1w --secret-file FRESH", "a number and s, m, h or d"),
        ("secret new ../x --secret-file FRESH", "1 to 64 characters"),
        ("secret new crm", "standard output is no terminal: name a file for what is new with --secret-file"),
        ("token new crm --expires 1d", "--token-file"),
        ("token new crm --token-file FRESH", "--expires"),
        ("token new crm --expires soon --token-file FRESH", "a number and s, m, h or d"),
        ("token new crm --expires 1d --scope admin --token-file FRESH", "ssf.read"),
        ("token new crm --expires 1d --id a/b --token-file FRESH", "1 to 64 characters"),
        ("token revoke crm", "<TOKEN>"),
        ("bearer new streams crm --bearer-file FRESH", "one of: operators, upstreams, clients, points"),
        ("bearer new clients plain", "--bearer-file"),
        ("put clients OBJECT", "ssf-hub secret new"),
    ] {
        let line = line.replace("FRESH", &fresh).replace("OBJECT", &object);
        refused(&site, &line.split(' ').collect::<Vec<_>>(), 2, what).await;
    }
    // Refused by the hub, or not to be kept.
    for (line, what) in [
        ("secret new crm --secret-file THERE", "cannot be made"),
        ("secret new crm --secret-file NOWHERE", "cannot be made"),
        ("secret new nobody --secret-file FRESH", "404"),
        ("secret new crm --tenant nobody --secret-file FRESH", "404"),
        ("secret new plain --secret-file FRESH", "the client plain is no receiver"),
        ("secret new crm --overlap 400d --secret-file FRESH", "overlap_s must be from 0 to"),
        ("secret new of-file --secret-file FRESH", "hub.toml"),
        ("token new crm --expires 0s --token-file FRESH", "expires_in_s must be from 1 to"),
        ("token new crm --expires 4000d --token-file FRESH", "expires_in_s must be from 1 to"),
        ("token new crm --expires 1d --id one --token-file FRESH", "there is a token one"),
        ("token new nobody --expires 1d --token-file FRESH", "404"),
        ("token new of-file --expires 1d --token-file FRESH", "hub.toml"),
        ("token revoke crm two", "404"),
        ("token revoke nobody one", "404"),
        ("token revoke-all nobody", "404"),
        ("token revoke-all plain", "is no receiver"),
        ("bearer new clients nobody --bearer-file FRESH", "404"),
        ("bearer new upstreams crm --bearer-file FRESH", "404"),
        ("bearer new clients plain --overlap 400d --bearer-file FRESH", "overlap_s must be from 0 to"),
        ("bearer new clients plain --bearer-file THERE", "cannot be made"),
        ("bearer new clients of-file --bearer-file FRESH", "hub.toml"),
    ] {
        let line = line.replace("FRESH", &fresh).replace("THERE", &there).replace("NOWHERE", &nowhere);
        refused(&site, &line.split(' ').collect::<Vec<_>>(), 1, what).await;
        assert!(!Path::new(&fresh).exists(), "{line}: an empty file is left");
    }
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "something");
    assert_eq!([hub.mark("default").await, hub.mark("_hub").await], before);
    assert!(secret_is_good(&hub, &secret).await);
    // As many as there may be, and not one more.
    for n in 0..8 {
        let args = ["secret", "new", "crm", "--overlap", "1h", "--secret-file", &format!("{fresh}-{n}")];
        if n < 7 {
            site.answer(&args).await;
        } else {
            refused(&site, &args, 1, "receiver.secrets: no more than 8").await;
        }
    }
    assert!(secret_is_good(&hub, &secret).await, "within its overlap");
    // A revocation does not wait for a file to be edited.
    let of_file = async || hub.poll("default", "crm", "token-of-the-file-0123456789", json!({})).await.0;
    assert_eq!(of_file().await, 404, "it is good, and the stream is another's");
    site.answer(&["token", "revoke", "of-file", "t"]).await;
    assert_eq!(of_file().await, 401);

    process.kill();
    refused(&site, &["secret", "new", "crm", "--secret-file", &fresh], 1, "is it running?").await;
    std::fs::write(site.data().join("admin.credential"), "x").unwrap();
    refused(&site, &["secret", "new", "crm", "--secret-file", &fresh], 1, "holds no admin credential").await;
    std::fs::remove_file(site.data().join("admin.credential")).unwrap();
    refused(&site, &["token", "revoke", "crm", "one"], 1, "cannot be read").await;
    assert!(!Path::new(&fresh).exists());
}
