//! Behind an outbound proxy, with authorities of the operator's own: the guard holds as without.

use serde_json::json;

use super::super::hub::{Hub, Setup, until};
use super::super::peers::{PushReceiver, claims_of};
use super::stand::{Authority, Proxy};
use super::{errors, furnish, send, stream};

#[tokio::test]
async fn the_proxy_is_asked_for_judged_addresses_and_exceptions_go_past_it() {
    let (authority, proxy) =
        (Authority::new(), Proxy::start("proxy-authorization: basic ahvionnly3jlda==").await);
    let (tls_url, bodies) = authority.receiver();
    let plain = PushReceiver::start().await;
    let files = tempfile::tempdir().unwrap();
    let (ca, secret) = (files.path().join("ca.pem"), files.path().join("proxy.secret"));
    std::fs::write(&ca, &authority.pem).unwrap();
    std::fs::write(&secret, "hub:secret\n").unwrap();
    let egress = |allow: &str| {
        format!(
            "[egress]\nallow_cidrs = [{allow}]\nextra_ca_files = [{ca:?}]\nproxy = {:?}\n\
             proxy_credentials = \"file:{}\"\nno_proxy = [\"127.0.0.1\"]\n[outbox]\nretry_delays_ms = [50]\n",
            proxy.url,
            secret.display()
        )
    };
    let hub = Hub::start_as(Setup::with(&egress("\"127.0.0.1/32\""))).await;
    let idp = furnish(&hub).await;
    stream(&hub, "through", &tls_url, json!({})).await;
    stream(&hub, "past", &plain.url, json!({})).await;
    send(&hub, &idp, "one").await;
    plain.wait_for(1).await;
    until("it came through the proxy", 10, || async { !bodies.lock().unwrap().is_empty() }).await;
    let port = tls_url.rsplit(':').next().unwrap().split('/').next().unwrap().to_string();
    // TLS was made with the name, inside a tunnel to the address.
    assert_eq!(proxy.asked(), [format!("127.0.0.1:{port}")]);
    let body = bodies.lock().unwrap()[0].clone();
    assert!(body.to_lowercase().contains(&format!("host: localhost:{port}")), "{body}");
    assert_eq!(claims_of(body.rsplit("\r\n").next().unwrap())["aud"], "through");
    hub.stop().await;

    // Where another network is allowed and loopback is not, the proxy is not even asked, though the name is sound.
    let hub = Hub::start_as(Setup::with(&egress("\"10.0.0.0/8\""))).await;
    let idp = furnish(&hub).await;
    stream(&hub, "inside", &tls_url, json!({})).await;
    send(&hub, &idp, "two").await;
    until("it is refused", 10, || async { !errors(&hub, "inside").await.is_empty() }).await;
    assert_eq!(errors(&hub, "inside").await[0], "address_refused");
    assert_eq!(proxy.heads().len(), 1);
    hub.stop().await;
}

#[tokio::test]
async fn a_proxy_that_refuses_says_so_and_an_authority_that_is_not_named_is_not_trusted() {
    let (authority, proxy) = (Authority::new(), Proxy::start("proxy-authorization: nobody").await);
    let (tls_url, bodies) = authority.receiver();
    let more = format!(
        "[egress]\nallow_cidrs = [\"127.0.0.0/8\"]\nproxy = {:?}\nno_proxy = [\"past.localhost\"]\n\
         [outbox]\nretry_delays_ms = [50]\n",
        proxy.url
    );
    let hub = Hub::start_as(Setup::with(&more)).await;
    let idp = furnish(&hub).await;
    stream(&hub, "through", &tls_url, json!({})).await;
    send(&hub, &idp, "one").await;
    until("it is tried", 10, || async { !errors(&hub, "through").await.is_empty() }).await;
    assert_eq!(errors(&hub, "through").await[0], "proxy_407");
    assert!(!proxy.heads()[0].contains("proxy-authorization"), "{:?}", proxy.heads());
    hub.stop().await;

    let hub = Hub::start_as(Setup::with("[outbox]\nretry_delays_ms = [50]\n")).await;
    let idp = furnish(&hub).await;
    stream(&hub, "direct", &tls_url, json!({})).await;
    send(&hub, &idp, "one").await;
    until("it is tried", 10, || async { !errors(&hub, "direct").await.is_empty() }).await;
    assert_eq!(errors(&hub, "direct").await[0], "tls");
    assert!(bodies.lock().unwrap().is_empty());
    hub.stop().await;
}
