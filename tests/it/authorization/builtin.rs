//! The built-in authorization server: how a client asks, what it gets, what it finds out by itself.

use serde_json::json;

use super::super::hub::{Hub, Setup};
use super::super::peers::{claims_of, now_s};
use super::{GRANT, Got, oauth, poll, receiver, shifted_with, token};

#[tokio::test]
async fn a_token_is_asked_for_and_used() {
    let hub = Hub::start().await;
    let issuer = hub.iss("default");
    let secret = receiver(&hub, "a", json!({ "token_lifetime_s": 600 })).await;
    let asked_s = now_s();
    let got = Got::of(oauth(&hub, "token", &[GRANT]).basic_auth("a", Some(&secret))).await;
    assert_eq!(
        (got.status, got.header("cache-control"), got.header("pragma")),
        (200, "no-store", "no-cache")
    );
    assert_eq!(
        (&got.body["token_type"], &got.body["expires_in"], &got.body["scope"]),
        (&json!("Bearer"), &json!(600), &json!("ssf.read ssf.manage"))
    );
    let access_token = got.body["access_token"].as_str().unwrap();
    let claims = claims_of(access_token);
    for (name, value) in
        [("iss", &issuer), ("sub", &"a".into()), ("client_id", &"a".into()), ("aud", &issuer)]
    {
        assert_eq!(claims[name], json!(value), "{name}");
    }
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);
    assert!((asked_s..=now_s()).contains(&claims["iat"].as_i64().unwrap()), "{claims}");
    assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
    assert_eq!(poll(&hub, "a", access_token).await.status, 200);

    let post = |more: &[(&str, &str)]| {
        let mut pairs = vec![GRANT, ("client_id", "a"), ("client_secret", secret.as_str())];
        pairs.extend(more);
        Got::of(oauth(&hub, "token", &pairs))
    };
    for (scope, granted) in [("ssf.read", "ssf.read"), ("ssf.manage ssf.read", "ssf.read ssf.manage")] {
        let got = post(&[("scope", scope), ("resource", &issuer)]).await;
        assert_eq!((got.status, &got.body["scope"]), (200, &json!(granted)), "{}", got.body);
        assert_eq!(poll(&hub, "a", got.body["access_token"].as_str().unwrap()).await.status, 200);
    }
    for (more, error) in [
        (("scope", "openid"), "invalid_scope"),
        (("scope", "ssf.read  ssf.manage"), "invalid_scope"),
        (("resource", "https://elsewhere.example"), "invalid_target"),
        (("client_id", "a"), "invalid_request"),
        (("grant_type", "password"), "invalid_request"),
    ] {
        let got = post(&[more]).await;
        assert_eq!(got.error(), (400, error), "{more:?}");
        assert_eq!(got.header("cache-control"), "no-store");
    }
    hub.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_and_whose_it_was_is_not() {
    let hub = Hub::start_as(Setup::with("[authorization]\nfailures_per_s = 1000")).await;
    let secret = receiver(&hub, "a", json!({ "scopes": ["ssf.read"] })).await;
    hub.client("default", "plain", false).await;
    let url = format!("{}/oauth/token", hub.iss("default"));
    let body = "grant_type=client_credentials";
    let basic = |id: &str, secret: &str| {
        let request = hub.http.post(&url).header("content-type", "application/x-www-form-urlencoded");
        request.basic_auth(id.to_string(), Some(secret.to_string()))
    };
    let wrong = "0123456789-0123456789";
    let refused = [
        ("a wrong secret", basic("a", wrong).body(body)),
        ("no secret", basic("a", "").body(body)),
        ("nobody", basic("nobody", wrong).body(body)),
        ("no name of a client", basic("../a", wrong).body(body)),
        ("no receiver", basic("plain", wrong).body(body)),
        ("a client of another tenant", basic("acme", &secret).body(body)),
        ("nothing", oauth(&hub, "token", &[GRANT])),
        ("a name alone", oauth(&hub, "token", &[GRANT, ("client_id", "a")])),
        ("a bearer", oauth(&hub, "token", &[GRANT]).bearer_auth(&secret)),
        (
            "a wrong secret by post",
            oauth(&hub, "token", &[GRANT, ("client_id", "a"), ("client_secret", wrong)]),
        ),
    ];
    let mut said = vec![];
    for (what, request) in refused {
        let got = Got::of(request).await;
        assert_eq!(got.error(), (401, "invalid_client"), "{what}");
        assert!(got.header("www-authenticate").starts_with("Basic realm="), "{what}");
        said.push(got.body.to_string());
    }
    said.dedup();
    assert_eq!(said.len(), 1, "whatever it was, the same is said: {said:?}");
    let rows = [
        (
            "another grant",
            basic("a", &secret).body("grant_type=authorization_code"),
            "unsupported_grant_type",
        ),
        ("no grant", basic("a", &secret).body(""), "invalid_request"),
        (
            "a scope that is not its own",
            basic("a", &secret).body(format!("{body}&scope=ssf.manage")),
            "invalid_scope",
        ),
        ("two grants", basic("a", &secret).body(format!("{body}&{body}")), "invalid_request"),
        ("two ways", basic("a", &secret).body(format!("{body}&client_secret=x")), "invalid_request"),
        ("JSON", hub.http.post(&url).basic_auth("a", Some(&secret)).json_like(), "invalid_request"),
        ("the query", oauth_query(&hub, &url, &secret), "invalid_request"),
    ];
    for (what, request, error) in rows {
        assert_eq!(Got::of(request).await.error(), (400, error), "{what}");
    }
    let got = Got::of(basic("a", &secret).body(body)).await;
    assert_eq!((got.status, &got.body["scope"]), (200, &json!("ssf.read")));
    let far = Got::of(hub.http.post(format!("{}/t/nobody/oauth/token", hub.public)).body(body)).await;
    assert_eq!(far.status, 404);
    let large = basic("a", &secret).body(format!("{body}&x={}", "x".repeat(20_000)));
    assert_eq!(Got::of(large).await.status, 413);
    hub.stop().await;
}

trait JsonLike {
    fn json_like(self) -> Self;
}

impl JsonLike for reqwest::RequestBuilder {
    fn json_like(self) -> Self {
        self.header("content-type", "application/json").body(r#"{"grant_type":"client_credentials"}"#)
    }
}

fn oauth_query(hub: &Hub, url: &str, secret: &str) -> reqwest::RequestBuilder {
    let url = format!("{url}?client_id=a&client_secret={secret}");
    let request = hub.http.post(url).header("content-type", "application/x-www-form-urlencoded");
    request.body("grant_type=client_credentials")
}

#[tokio::test]
async fn who_fails_often_waits_and_locks_nobody_out() {
    let (hub, clock) = shifted_with("[authorization]\nfailures_per_s = 1").await;
    // A second that passes forgives a failure.
    clock.hold();
    let secrets = [receiver(&hub, "a", json!({})).await, receiver(&hub, "b", json!({})).await];
    let ask = async |id: &str, secret: &str| {
        Got::of(oauth(&hub, "token", &[GRANT]).basic_auth(id, Some(secret))).await
    };
    let mut last = ask("a", "wrong-wrong-wrong-1").await;
    for n in 0..5 {
        if last.status == 429 {
            break;
        }
        assert_eq!(last.error(), (401, "invalid_client"), "{n}");
        last = ask("a", "wrong-wrong-wrong-2").await;
    }
    assert_eq!(last.status, 429);
    assert!(last.header("retry-after").parse::<u64>().unwrap() >= 1);
    // Anybody may know the name: the client itself is let in all the same.
    assert_eq!(ask("a", &secrets[0]).await.status, 200);
    assert_eq!(ask("a", "wrong-wrong-wrong-3").await.status, 429);
    assert_eq!(ask("b", &secrets[1]).await.status, 200);
    let (_, events) = hub.admin_send("GET", "/admin/v1/operations?last=100", None).await;
    let refused = events.as_array().unwrap().iter().filter(|e| e["kind"] == "client_refused").count();
    assert!((1..=4).contains(&refused), "a row for what is counted, none for what is beyond: {refused}");
    hub.stop().await;
}

#[tokio::test]
async fn who_authenticates_has_a_rate_and_nobody_else_uses_it_up() {
    let (hub, clock) = shifted_with("[ssf]\ncalls_per_s = 1\n").await;
    // A second that passes lets one more in.
    clock.hold();
    let secrets = [receiver(&hub, "a", json!({})).await, receiver(&hub, "b", json!({})).await];
    let ask = async |endpoint: &str, id: &str, secret: &str, pair: (&str, &str)| {
        Got::of(oauth(&hub, endpoint, &[pair]).basic_auth(id, Some(secret))).await
    };
    let before = ask("token", "a", "wrong-wrong-wrong-1", GRANT).await;
    assert_eq!(before.error(), (401, "invalid_client"));
    let first = ask("token", "a", &secrets[0], GRANT).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let access = first.body["access_token"].as_str().unwrap();
    assert_eq!(ask("revoke", "a", &secrets[0], ("token", "no-token")).await.status, 200);
    // Two at once is all, whatever is asked; what the management API takes counts with it.
    for (endpoint, pair) in [("token", GRANT), ("revoke", ("token", access))] {
        let too_many = ask(endpoint, "a", &secrets[0], pair).await;
        assert_eq!(too_many.error(), (429, "temporarily_unavailable"), "{endpoint}");
        assert_eq!((too_many.header("retry-after"), too_many.header("cache-control")), ("1", "no-store"));
    }
    let managed = hub.http.get(format!("{}/ssf/streams", hub.iss("default"))).bearer_auth(access);
    assert_eq!(Got::of(managed).await.status, 429);
    assert_eq!(poll(&hub, "a", access).await.status, 200, "not revoked, and polls go on");
    assert_eq!(ask("token", "a", "wrong-wrong-wrong-2", GRANT).await.error(), (401, "invalid_client"));
    assert_eq!(ask("token", "b", &secrets[1], GRANT).await.status, 200);
    clock.by_s(1);
    assert_eq!(ask("token", "a", &secrets[0], GRANT).await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn clients_find_out_by_themselves() {
    let hub = Hub::start().await;
    let issuer = hub.iss("default");
    let get = async |path: &str| Got::of(hub.http.get(format!("{}{path}", hub.public))).await;
    let server = get("/.well-known/oauth-authorization-server/t/default").await;
    assert_eq!((server.status, server.header("cache-control")), (200, "public, max-age=300"));
    assert_eq!(
        (&server.body["issuer"], &server.body["token_endpoint"], &server.body["grant_types_supported"]),
        (&json!(issuer), &json!(format!("{issuer}/oauth/token")), &json!(["client_credentials"]))
    );
    let resource = get("/.well-known/oauth-protected-resource/t/default").await;
    assert_eq!(
        resource.body,
        json!({ "resource": issuer, "authorization_servers": [issuer], "scopes_supported": ["ssf.read", "ssf.manage"],
                "bearer_methods_supported": ["header"], "resource_name": "ssf-hub" })
    );
    for kind in ["oauth-authorization-server", "oauth-protected-resource"] {
        for tenant in ["nobody", "_hub", "A"] {
            assert_eq!(get(&format!("/.well-known/{kind}/t/{tenant}")).await.status, 404, "{kind} {tenant}");
        }
    }
    // A token asked for at the endpoints that are told there.
    let secret = receiver(&hub, "a", json!({})).await;
    let endpoint = server.body["token_endpoint"].as_str().unwrap();
    let request = hub.http.post(endpoint).basic_auth("a", Some(&secret));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(Got::of(request.body("grant_type=client_credentials")).await.status, 200);
    hub.stop().await;
}

#[tokio::test]
async fn without_the_built_in_server_its_tokens_count_no_more() {
    let hub = Hub::start().await;
    let secret = receiver(&hub, "a", json!({})).await;
    let own = token(&hub, "a", &secret).await;
    let (public, admin, _) = hub.setup.clone();
    let dir = hub.stop().await;
    let setup = Setup { public, admin, ..Setup::with("[authorization]\nbuiltin = false") };
    let hub = Hub::start_in(dir, setup).await;
    assert_eq!(poll(&hub, "a", &own).await.refusal(), (401, "invalid_token"));
    assert_eq!(Got::of(oauth(&hub, "token", &[GRANT]).basic_auth("a", Some(&secret))).await.status, 404);
    let get = async |path: &str| Got::of(hub.http.get(format!("{}{path}", hub.public))).await;
    assert_eq!(get("/.well-known/oauth-authorization-server/t/default").await.status, 404);
    let resource = get("/.well-known/oauth-protected-resource/t/default").await;
    assert!(
        resource.status == 200 && resource.body.get("authorization_servers").is_none(),
        "{}",
        resource.body
    );
    hub.stop().await;
}
