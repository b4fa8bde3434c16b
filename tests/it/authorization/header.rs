//! The token comes in the header and nowhere else; it is looked at before anything else is; who may not learns nothing.

use serde_json::json;

use super::super::hub::Hub;
use super::{Got, poll, receiver, token};

#[tokio::test]
async fn one_token_in_the_header_before_anything_else() {
    let hub = Hub::start().await;
    let secret = receiver(&hub, "a", json!({})).await;
    let good = token(&hub, "a", &secret).await;
    let bearer = format!("Bearer {good}");
    let long = format!("Bearer {}", "a".repeat(17_000));
    let query = format!("?access_token={good}");
    let table: [(&str, &[&str], &str, u16, &str); 15] = [
        ("nothing", &[], "", 401, ""),
        ("another scheme", &["Basic YTpi"], "", 401, ""),
        ("in the query alone", &[], &query, 401, ""),
        ("in both", &[&bearer], &query, 400, "invalid_request"),
        ("in both, the one in the header wrong", &["Bearer x"], &query, 401, "invalid_token"),
        ("in both, another scheme", &["Basic YTpi"], &query, 401, ""),
        ("two fields", &[&bearer, &bearer], "", 400, "invalid_request"),
        ("no token", &["Bearer"], "", 401, "invalid_token"),
        ("no token's characters", &["Bearer a b"], "", 401, "invalid_token"),
        ("too long", &[&long], "", 401, "invalid_token"),
        ("unknown", &["Bearer unknown"], "", 401, "invalid_token"),
        ("unknown, three parts", &["Bearer a.b.c"], "", 401, "invalid_token"),
        ("tampered", &[&format!("{bearer}A")], "", 401, "invalid_token"),
        ("good", &[&bearer], "", 200, ""),
        ("good, another query", &[&bearer], "?x=access_token", 200, ""),
    ];
    for (what, authorization, query, status, error) in table {
        let mut request = hub.http.post(format!("{}/poll/a{query}", hub.iss("default")));
        for value in authorization {
            request = request.header("authorization", *value);
        }
        let got = Got::of(request.body(r#"{"returnImmediately":true}"#)).await;
        assert_eq!(got.refusal(), (status, error), "{what}: {}", got.body);
        if status == 200 {
            continue;
        }
        assert_eq!(got.header("content-type"), "application/problem+json", "{what}");
        assert_eq!(got.body["status"], status, "{what}");
        let challenge = got.header("www-authenticate");
        assert!(challenge.starts_with("Bearer realm=\"ssf-hub\""), "{what}: {challenge}");
        let at =
            format!("resource_metadata=\"{}/.well-known/oauth-protected-resource/t/default\"", hub.public);
        assert!(challenge.contains(&at) && challenge.contains("scope=\"ssf.read\""), "{what}: {challenge}");
    }
    // The management API holds to the same, with the scope of its own.
    let url = format!("{}/ssf/streams{query}", hub.iss("default"));
    let twice = Got::of(hub.http.post(url).bearer_auth(&good).body("{}")).await;
    assert_eq!(twice.refusal(), (400, "invalid_request"));
    assert!(twice.header("www-authenticate").contains("scope=\"ssf.manage\", resource_metadata="));
    // A body that would be refused, a stream that does not exist: neither is looked at.
    let looked = lookups(&hub).await;
    for (stream, body) in [("a", "no json".to_string()), ("nobody", "{}".into()), ("a", "x".repeat(1 << 20))]
    {
        let url = format!("{}/poll/{stream}", hub.iss("default"));
        let got = Got::of(hub.http.post(url).bearer_auth("unknown").body(body)).await;
        assert_eq!(got.refusal(), (401, "invalid_token"));
    }
    assert_eq!(lookups(&hub).await, looked);
    let elsewhere = hub.http.post(format!("{}/t/nobody/poll/a", hub.public)).bearer_auth(&good);
    assert_eq!(Got::of(elsewhere).await.refusal(), (401, "invalid_token"), "no hint at tenants");
    hub.stop().await;
}

/// How many streams were looked up since the start.
async fn lookups(hub: &Hub) -> u64 {
    let (_, page) = hub.admin_send("GET", "/metrics", None).await;
    let line = page.as_str().unwrap().lines().find_map(|l| l.strip_prefix("ssf_hub_stream_lookups "));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn anothers_stream_is_found_as_little_as_none_and_by_as_many_look_ups() {
    let hub = Hub::start().await;
    let secrets = [receiver(&hub, "a", json!({})).await, receiver(&hub, "b", json!({})).await];
    let (a, b) = (token(&hub, "a", &secrets[0]).await, token(&hub, "b", &secrets[1]).await);
    let mut seen = vec![];
    for stream in ["a", "b", "nobody"] {
        let before = lookups(&hub).await;
        let got = poll(&hub, stream, &a).await;
        seen.push((got.status, got.body.to_string(), lookups(&hub).await - before));
        let names: Vec<String> = got.headers.keys().map(ToString::to_string).collect();
        assert!(!names.contains(&"www-authenticate".to_string()), "{names:?}");
    }
    assert_eq!((seen[0].0, seen[0].2), (200, 1));
    assert_eq!((seen[1].0, seen[1].2), (404, 1));
    assert_eq!(seen[1], seen[2]);
    assert_eq!(poll(&hub, "b", &b).await.status, 200);
    // The bearer of a client that is no receiver still polls what is its own.
    let old = hub.client("default", "old", false).await;
    let stream = json!({ "client": "old", "method": "poll", "aud": ["old"], "events_requested": ["*"] });
    hub.put("default", "streams", "old", stream).await;
    let got = [poll(&hub, "old", &old).await.status, poll(&hub, "a", &old).await.status];
    assert_eq!(got, [200, 404]);
    hub.stop().await;
}
