//! Everything that others present to us, that we present to them, and the keys of others, rotated by the command line while
//! SETs flow: first with an overlap that outlasts the test, then with one that ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use ssf_hub::jose::alg::Alg;
use ssf_hub::jose::sign::SigningKey;

use super::super::hub::{Hub, until};
use super::super::power::process::Site;
use super::sender::Sender;
use super::takers::{Jwks, Polled, Pushed, Taker};
use super::world::{Credential, MINT, World, minted, new_key};
use super::{QUICKLY, stream};

/// How long the last overlap is: long enough to hand over what is new, on a machine that is busy.
const LAST: &str = "10s";

/// Everybody's secrets, as they are now.
struct Held {
    upstream: String,
    plain: String,
    secret: String,
    token: String,
    point: String,
    operator: String,
    header: String,
    introspection: String,
    idp: Arc<SigningKey>,
    client: Arc<SigningKey>,
    mint: Arc<SigningKey>,
    issuer: Arc<SigningKey>,
}

/// How somebody asks the gate, and an operator the hub: changed under their locks.
struct Asking {
    point: tokio::sync::Mutex<(String, Arc<SigningKey>)>,
    operator: tokio::sync::Mutex<String>,
    stop: AtomicBool,
    refused: Mutex<Vec<String>>,
}

struct Stand {
    site: Site,
    hub: Hub,
    world: World,
    sender: Sender,
    pushed: Pushed,
    plain: Polled,
    secret: Polled,
    assertion: Polled,
    token: Polled,
    minted: Polled,
    opaque: Polled,
    asking: Asking,
}

/// The hub, with everybody who has a secret or a key.
async fn stand(site: Site) -> (Stand, Held) {
    let (hub, world) = (site.hub(), World::start().await);
    let jwks = |who: &str| json!({ "url": world.url(&format!("jwks/{who}")) });
    let key = |who: &str| {
        let key = new_key();
        world.publish(who, &[&key]);
        key
    };
    let (idp, client, mint, issuer) = (key("idp"), key("client"), key("mint"), key("issuer"));
    let named = |what: &str| format!("first-{what}-0123456789");
    let upstream = json!({ "iss": "https://idp.example", "aud": ["hub"], "jwks": jwks("idp"), "bearer": named("upstream") });
    hub.put("default", "upstreams", "kc", upstream).await;
    hub.put(
        "default",
        "token-issuers",
        "ti",
        json!({ "iss": "https://issuer.example", "jwks": jwks("issuer") }),
    )
    .await;
    hub.put("default", "points", "gw", json!({ "bearer": named("point"), "aud": ["api"] })).await;
    hub.put("_hub", "operators", "night", json!({ "bearer": named("operator"), "role": "viewer" })).await;
    hub.put("default", "authorization-servers", "mint", json!({ "iss": MINT, "jwks": jwks("mint") })).await;
    world.takes(&[&named("introspection")]);
    hub.put("default", "authorization-servers", "ask", asked(&world, &named("introspection"))).await;
    let outside = |server: &str| json!([{ "authorization_server": server, "client_id": "app" }]);
    let receivers = [
        ("secret", json!({ "secret": named("secret") })),
        ("assertion", json!({ "jwks": jwks("client") })),
        (
            "token",
            json!({ "tokens": [{ "id": "t-0", "token": named("token"), "expires_at": 9_999_999_999_i64 }] }),
        ),
        ("minted", json!({ "outside": outside("mint") })),
        ("opaque", json!({ "outside": outside("ask") })),
    ];
    for (id, receiver) in receivers {
        hub.put("default", "clients", id, json!({ "receiver": receiver })).await;
        stream(&hub, id, id, "ES256", None).await;
    }
    hub.put("default", "clients", "plain", json!({ "bearer": named("plain") })).await;
    stream(&hub, "plain", "plain", "ES256", None).await;

    let iss = hub.iss("default");
    let ours = || Jwks::new(hub.http.clone(), format!("{iss}/jwks.json"));
    let pushed = Pushed::start(&ours(), Alg::ES256).await;
    pushed.accepts.lock().unwrap().insert(named("header"));
    hub.put("default", "streams", "pushed", pushing(&pushed.url, &named("header"))).await;
    let sender = Sender::new(hub.http.clone(), format!("{iss}/in/kc"));
    sender.sign_with(idp.clone());
    sender.present(&named("upstream"));
    let poll = |stream: &str, credential| Polled::start(&ours(), Alg::ES256, &iss, stream, credential);
    let stand = Stand {
        plain: poll("plain", Credential::Bearer(named("plain"))),
        secret: poll("secret", Credential::Secret("secret", named("secret"), 0)),
        assertion: poll("assertion", Credential::Assertion("assertion", client.clone())),
        token: poll("token", Credential::Bearer(named("token"))),
        minted: poll("minted", Credential::Minted(mint.clone())),
        opaque: poll("opaque", Credential::Opaque(0)),
        asking: Asking {
            point: (named("point"), issuer.clone()).into(),
            operator: named("operator").into(),
            stop: AtomicBool::default(),
            refused: Mutex::default(),
        },
        site,
        world,
        sender,
        pushed,
        hub,
    };
    let held = Held {
        upstream: named("upstream"),
        plain: named("plain"),
        secret: named("secret"),
        token: named("token"),
        point: named("point"),
        operator: named("operator"),
        header: named("header"),
        introspection: named("introspection"),
        idp,
        client,
        mint,
        issuer,
    };
    (stand, held)
}

fn asked(world: &World, secret: &str) -> Value {
    json!({ "id": "ask", "iss": "https://ask.example",
            "introspection": { "url": world.url("introspect"), "client_id": "hub", "client_secret": secret } })
}

fn pushing(url: &str, header: &str) -> Value {
    json!({ "stream_id": "pushed", "client": "plain", "method": "push", "endpoint_url": url, "aud": ["pushed"],
            "events_requested": ["*"], "alg": "ES256", "authorization_header": header })
}

impl Asking {
    /// Asks as NGINX would, and as an operator, all the time.
    async fn run(&self, hub: &Hub) {
        while !self.stop.load(Ordering::Relaxed) {
            {
                let now = self.point.lock().await;
                let token = minted(&now.1, "https://issuer.example", "api");
                let answer = hub.ask("default", &now.0, &token).await;
                if answer.0 != 200 {
                    self.refused.lock().unwrap().push(format!("the gate: {answer:?}"));
                }
            }
            {
                let now = self.operator.lock().await;
                let status = looks(hub, &now).await;
                if status != 200 {
                    self.refused.lock().unwrap().push(format!("the operator: {status}"));
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn looks(hub: &Hub, bearer: &str) -> u16 {
    let request = hub.http.get(format!("{}/admin/v1/status", hub.admin)).bearer_auth(bearer);
    request.send().await.unwrap().status().as_u16()
}

impl Stand {
    fn takers(&self) -> [(&'static str, &Arc<Taker>); 7] {
        [
            ("pushed", &self.pushed.taker),
            ("plain", &self.plain.taker),
            ("secret", &self.secret.taker),
            ("assertion", &self.assertion.taker),
            ("token", &self.token.taker),
            ("minted", &self.minted.taker),
            ("opaque", &self.opaque.taker),
        ]
    }

    /// Everything that is rotated by a command that makes the new one.
    async fn made(&self, overlap: &str, n: usize) -> Made {
        let bearer = async |kind: &str, id: &str| {
            self.site.secret_of(&["bearer", "new", kind, id, "--overlap", overlap], "--bearer-file").await
        };
        let upstream = bearer("upstreams", "kc").await;
        self.sender.present(&upstream);
        let plain = bearer("clients", "plain").await;
        *self.plain.credential.lock().await = Credential::Bearer(plain.clone());
        let point = bearer("points", "gw").await;
        self.asking.point.lock().await.0.clone_from(&point);
        let operator = bearer("operators", "night").await;
        self.asking.operator.lock().await.clone_from(&operator);
        let args = ["secret", "new", "secret", "--overlap", overlap];
        let secret = self.site.secret_of(&args, "--secret-file").await;
        *self.secret.credential.lock().await = Credential::Secret("secret", secret.clone(), 0);
        let (name, before) = (format!("t-{n}"), format!("t-{}", n - 1));
        let args = ["token", "new", "token", "--expires", "1h", "--id", &name];
        let token = self.site.secret_of(&args, "--token-file").await;
        *self.token.credential.lock().await = Credential::Bearer(token.clone());
        // Nobody uses the one before any more: it is not waited for.
        self.site.answer(&["token", "revoke", "token", &before]).await;
        Made { upstream, plain, point, operator, secret, token }
    }

    /// What we present to others: they take both for a while.
    async fn presented(&self, held: &Held, n: usize) -> (String, String) {
        let header = format!("Bearer header-{n}-0123456789");
        self.pushed.accepts.lock().unwrap().insert(header.clone());
        self.site.put("streams", &pushing(&self.pushed.url, &header)).await;
        let only_new = || {
            let book = self.pushed.taker.book.lock().unwrap();
            book.shown.len() > 20 && book.shown.iter().rev().take(20).all(|shown| *shown == header)
        };
        until("only the new header is shown", 30, || async { only_new() }).await;
        self.pushed.accepts.lock().unwrap().remove(&held.header);
        let introspection = format!("introspection-{n}-0123456789");
        self.world.takes(&[&held.introspection, &introspection]);
        self.site.put("authorization-servers", &asked(&self.world, &introspection)).await;
        let is_shown = || self.world.asked().last() == Some(&introspection);
        until("the new secret is shown", 30, || async { is_shown() }).await;
        let idle = self.opaque.credential.lock().await;
        self.world.takes(&[&introspection]);
        drop(idle);
        (header, introspection)
    }

    /// Keys of others: published beside the old ones, then in use, then alone.
    async fn foreign(&self, held: &Held, ahead: bool) -> [Arc<SigningKey>; 4] {
        let old =
            [("idp", &held.idp), ("client", &held.client), ("mint", &held.mint), ("issuer", &held.issuer)];
        let new = [(); 4].map(|()| new_key());
        for ((who, old), new) in old.iter().zip(&new) {
            self.world.publish(who, &[old, new]);
        }
        if ahead {
            // As long as a copy is fresh: a second fetch for an unknown kid would be refused so soon.
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
        let [idp, client, mint, issuer] = new.clone();
        self.sender.sign_with(idp);
        *self.assertion.credential.lock().await = Credential::Assertion("assertion", client);
        *self.minted.credential.lock().await = Credential::Minted(mint);
        self.asking.point.lock().await.1 = issuer;
        let before = self.sender.sent();
        until("each signed", 30, || async { self.sender.sent() > before + 20 }).await;
        for ((who, _), new) in old.iter().zip(&new) {
            self.world.publish(who, &[new]);
        }
        new
    }
}

/// What [`Stand::made`] made.
struct Made {
    upstream: String,
    plain: String,
    point: String,
    operator: String,
    secret: String,
    token: String,
}

impl Held {
    fn of(made: Made, (header, introspection): (String, String), foreign: [Arc<SigningKey>; 4]) -> Self {
        let Made { upstream, plain, point, operator, secret, token } = made;
        let [idp, client, mint, issuer] = foreign;
        Self {
            upstream,
            plain,
            secret,
            token,
            point,
            operator,
            header,
            introspection,
            idp,
            client,
            mint,
            issuer,
        }
    }
}

#[tokio::test]
async fn secrets_tokens_and_the_keys_of_others_are_rotated_while_sets_flow() {
    let more = "[jwks]\nfresh_s = 1\n[authorization]\nfailures_per_s = 1000\n";
    let site = Site::new(&format!("{QUICKLY}{more}"));
    let mut process = site.start().await;
    let (stand, first) = stand(site).await;
    let story = async {
        let each_has = |n| stand.takers().into_iter().all(|(_, taker)| taker.count() > n);
        until("SETs flow", 30, || async { each_has(10) }).await;
        let made = stand.made("1h", 1).await;
        let presented = stand.presented(&first, 1).await;
        let second = Held::of(made, presented, stand.foreign(&first, false).await);
        // Within the overlap each of them is good.
        assert_eq!(good(&stand, &second).await, [true; 5]);
        assert_eq!(good(&stand, &first).await, [true; 5]);
        let made = stand.made(LAST, 2).await;
        let presented = stand.presented(&second, 2).await;
        let third = Held::of(made, presented, stand.foreign(&second, true).await);
        // Behind it the old ones are not, how long their own overlap was to be.
        for old in [&first, &second] {
            until("the overlap is over", 40, || async { good(&stand, old).await == [false; 5] }).await;
            assert!(!token_is_good(&stand, &old.token).await);
            until("keys that are published no more are forgotten", 30, || async {
                foreign_are_good(&stand, old, &third).await == [false; 4]
            })
            .await;
        }
        for held in [&first, &second, &third] {
            assert!(!stand.world.was_asked_about(&held.plain), "whose it is, or was, is known here");
        }
        assert_eq!(good(&stand, &third).await, [true; 5]);
        assert!(token_is_good(&stand, &third.token).await);
        assert_eq!(foreign_are_good(&stand, &third, &third).await, [true; 4]);
        stand.sender.end();
        stand.asking.stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(stand.sender.run(), stand.asking.run(&stand.hub), story);
    let sent = stand.sender.sent();
    stand.sender.check();
    assert_eq!(*stand.asking.refused.lock().unwrap(), Vec::<String>::new());
    until("everything is taken", 60, || async { stand.takers().iter().all(|(_, t)| t.count() == sent) })
        .await;
    for (who, taker) in stand.takers() {
        let book = taker.book.lock().unwrap();
        book.check(who, sent);
        assert!(book.unverified.is_empty(), "{who}");
    }
    assert_eq!(stand.hub.status().await["tenants"]["default"]["dead_letters"], 0);
    assert!(process.is_running());
    process.kill();
}

/// Whether a push, a poll, the gate, an operator and a token request are taken.
async fn good(stand: &Stand, held: &Held) -> [bool; 5] {
    let hub = &stand.hub;
    let mut secret = Credential::Secret("secret", held.secret.clone(), 0);
    [
        // No SET, and looked at only behind the bearer.
        push(stand, &held.upstream, "").await == "invalid_request",
        hub.poll("default", "nothing", &held.plain, json!({ "returnImmediately": true })).await.0 == 404,
        hub.ask("default", &held.point, "x").await.0 == 401,
        looks(hub, &held.operator).await == 200,
        secret.bearer(&hub.http, &hub.iss("default")).await.is_ok(),
    ]
}

/// Why a push is refused.
async fn push(stand: &Stand, bearer: &str, set: &str) -> String {
    let request = stand.hub.http.post(format!("{}/in/kc", stand.hub.iss("default"))).bearer_auth(bearer);
    let request = request.header("content-type", "application/secevent+jwt").body(set.to_string());
    let answer = request.send().await.unwrap().text().await.unwrap();
    serde_json::from_str::<Value>(&answer).unwrap()["err"].as_str().unwrap().into()
}

async fn token_is_good(stand: &Stand, token: &str) -> bool {
    stand.hub.poll("default", "nothing", token, json!({ "returnImmediately": true })).await.0 == 404
}

/// Whether keys of others still verify: of an upstream, a client, an authorization server and a token issuer. `now` has what
/// is presented beside.
async fn foreign_are_good(stand: &Stand, held: &Held, now: &Held) -> [bool; 4] {
    let (hub, iss) = (&stand.hub, stand.hub.iss("default"));
    // For another audience: a signature that holds is told by what is said behind it.
    let set = json!({ "iss": "https://idp.example", "aud": "another", "iat": 1, "jti": "x", "events": {} });
    let set =
        ssf_hub::jose::sign::sign_compact(&held.idp, "secevent+jwt", set.to_string().as_bytes()).unwrap();
    let mut assertion = Credential::Assertion("assertion", held.client.clone());
    let mut token = Credential::Minted(held.mint.clone());
    let token = token.bearer(&hub.http, &iss).await.unwrap();
    let body = json!({ "returnImmediately": true });
    [
        push(stand, &now.upstream, &set).await != "invalid_key",
        assertion.bearer(&hub.http, &iss).await.is_ok(),
        hub.poll("default", "nothing", &token, body).await.0 == 404,
        hub.ask("default", &now.point, &minted(&held.issuer, "https://issuer.example", "api")).await.0 == 200,
    ]
}
