//! What no schema can say: how keys and objects fit together.
//!
//! Runs on values of the right form; adds to the same list of faults as the schema. Binds nothing, connects
//! nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::mistake::{Fault, Place};
use super::objects::{FileObject, LISTS, Placed};
use super::secret::{Secret, Sources};
use super::sections::Listener;
use crate::hub::object::Object;
use crate::jose::keyset;
use crate::stream::is_id;
use crate::tenant::{DEFAULT, TenantId};

/// Judges both listeners.
pub fn listeners(public: &Listener, admin: &Listener, faults: &mut Vec<Fault>) {
    for (section, listener) in [("public", public), ("admin", admin)] {
        let open = !listener.listen.ip().is_loopback();
        if open && listener.behind_proxy.is_empty() && !listener.tls.is_on() {
            let what = format!(
                "plain HTTP on an address that is not loopback is refused; set `{section}.tls`, or name the TLS proxy \
                 in front in `{section}.behind_proxy`"
            );
            faults.push(Fault::new(Place::of(&[section, "listen"]), what));
        }
        super::files::tls(section, &listener.tls, faults);
    }
    let (a, b) = (public.listen, admin.listen);
    let same_ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    if a.port() == b.port() && a.port() != 0 && same_ip {
        faults.push(Fault::new(Place::of(&["admin", "listen"]), "is the address of public.listen too"));
    }
}

/// The public URL without a slash at its end, or what is wrong with it.
pub fn public_url(given: &str, public: &Listener, faults: &mut Vec<Fault>) -> String {
    let mut fault = |what: &str| faults.push(Fault::new(Place::of(&["public_url"]), what));
    if given.is_empty() {
        if !public.behind_proxy.is_empty() {
            fault("must be set when public.behind_proxy is: it is how the world reaches the proxy");
        } else if public.tls.is_on() {
            fault("must be set when public.tls is: https and a name that the certificate is for");
        } else if public.listen.port() == 0 {
            fault("must be set when public.listen has port 0");
        }
        return format!("http://127.0.0.1:{}", public.listen.port());
    }
    let Ok(url) = url::Url::parse(given) else {
        fault("must be a URL, such as https://signals.example");
        return given.into();
    };
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    if !bare || !url.has_host() {
        fault("must be scheme, host and port alone");
    }
    let loopback = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(_)) | None => false,
    };
    if url.scheme() == "http" && public.tls.is_on() && public.behind_proxy.is_empty() {
        fault("must be https, for public.tls is set");
    } else if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        fault("must be https; http is for a loopback address such as 127.0.0.1");
    }
    url.as_str().trim_end_matches('/').into()
}

/// Properties whose values are secrets.
const KAFKA_SECRET: [&str; 7] = [
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.assertion.private.key.passphrase",
];

/// Reads librdkafka's properties. What the hub refuses among them,
/// [`Kafka::check`](super::sections::Kafka::check) says.
pub fn kafka_properties(
    given: &Map<String, Value>,
    sources: &Sources<'_>,
    faults: &mut Vec<Fault>,
) -> BTreeMap<String, Secret> {
    let mut properties = BTreeMap::new();
    for (name, value) in given {
        let text = value.as_str().map_or_else(|| value.to_string(), Into::into);
        let read = match sources.indirect(&text) {
            Some(read) => read,
            None if KAFKA_SECRET.contains(&name.as_str()) => {
                Err("a secret is not written here: `file:PATH` or `env:NAME` says where it is".into())
            }
            None => Ok(Secret::new(text)),
        };
        match read {
            Ok(secret) => drop(properties.insert(name.clone(), secret)),
            Err(what) => faults.push(Fault::new(Place::of(&["kafka", "properties", name]), what)),
        }
    }
    properties
}

/// Judges the outbound proxy, and reads its credentials.
pub fn egress(given: &mut crate::egress::Config, sources: &Sources<'_>, faults: &mut Vec<Fault>) {
    use crate::egress::config::Credentials;
    use crate::egress::proxy::{Bad, Proxy};
    let place = |key: &str| Place::of(&["egress", key]);
    let text = given.proxy_credentials.reveal().to_string();
    let read = match sources.indirect(&text) {
        Some(read) => read.map(|secret| Credentials::new(secret.reveal().into())),
        None if text.is_empty() => Ok(Credentials::default()),
        None => Err("a secret is not written here: `file:PATH` or `env:NAME` says where it is".into()),
    };
    given.proxy_credentials = read.unwrap_or_else(|what| {
        faults.push(Fault::new(place("proxy_credentials"), what));
        Credentials::default()
    });
    let key = match Proxy::of(given) {
        Ok(_) => return,
        Err(bad @ Bad::Url) => (bad, "proxy"),
        Err(bad @ Bad::Exception(_)) => (bad, "no_proxy"),
        Err(bad @ Bad::Credentials(_)) => (bad, "proxy_credentials"),
    };
    faults.push(Fault::new(place(key.1), key.0.to_string()));
}

/// Judges the names that objects give each other, and where they reach out to. Works on the values as they
/// are written, so that a mistake elsewhere in an object hides none of these.
pub fn names(values: &Map<String, Value>, guard: &crate::egress::Guard, faults: &mut Vec<Fault>) {
    let text = |item: &Value, key: &str| item[key].as_str().map(ToString::to_string);
    let tenant = |item: &Value| text(item, "tenant").unwrap_or_else(|| DEFAULT.into());
    let tenants: BTreeSet<String> = items(values, "tenant").filter_map(|(_, t)| text(t, "id")).collect();
    let clients: BTreeSet<(String, String)> =
        items(values, "client").filter_map(|(_, c)| Some((tenant(c), text(c, "id")?))).collect();
    let servers: BTreeSet<(String, String)> = items(values, "authorization_server")
        .filter_map(|(_, a)| Some((tenant(a), text(a, "id")?)))
        .collect();
    for (list, _) in LISTS {
        let mut ids = BTreeSet::new();
        for (place, item) in items(values, list) {
            let tenant = tenant(item);
            let is_known = |t: &str| t == DEFAULT || tenants.contains(t) || TenantId::parse(t).is_err();
            if !is_known(&tenant) && tenant != crate::tenant::HUB {
                let what = format!("there is no tenant `{tenant}`; name it in [[tenant]]");
                faults.push(Fault::new(place.key("tenant"), what));
            }
            let key = if list == "stream" { "stream_id" } else { "id" };
            if let Some(id) = text(item, key).filter(|id| is_id(id))
                && !ids.insert((tenant.clone(), id.clone()))
            {
                faults.push(Fault::new(
                    place.key(key),
                    format!("the id `{id}` is taken by another of this kind"),
                ));
            }
            if let Some(client) = text(item, "client").filter(|c| list == "stream" && is_id(c))
                && !clients.contains(&(tenant.clone(), client.clone()))
            {
                let what = format!("there is no client `{client}` in tenant `{tenant}`");
                faults.push(Fault::new(place.key("client"), what));
            }
            outsiders(&place, item, &tenant, &servers, faults);
            for (jwks, set) in [
                (place.key("jwks"), &item["jwks"]),
                (place.key("receiver").key("jwks"), &item["receiver"]["jwks"]),
            ] {
                let inline = set.get("inline");
                if let Some(Err(bad)) = inline.filter(|set| set.is_object()).map(keyset::check)
                    && faults.iter().all(|f| !f.place.0.starts_with(&jwks.0))
                {
                    faults.push(Fault::new(jwks.key("inline"), bad.to_string()));
                }
            }
            for (at, url) in [
                (place.key("endpoint_url"), &item["endpoint_url"]),
                (place.key("jwks").key("url"), &item["jwks"]["url"]),
                (place.key("receiver").key("jwks").key("url"), &item["receiver"]["jwks"]["url"]),
                (place.key("introspection").key("url"), &item["introspection"]["url"]),
            ] {
                let Some(url) = url.as_str() else { continue };
                let refused = guard.check_url(url).err();
                // What is no URL at all was told by the schema.
                if let Some(refused) = refused.filter(|_| faults.iter().all(|f| f.place != at)) {
                    let keys = "egress.allow_cidrs, egress.allow_http";
                    faults.push(Fault::new(at, format!("{refused} (see {keys})")));
                }
            }
        }
    }
}

/// Judges the authorization servers that a receiver names.
fn outsiders(
    place: &Place,
    item: &Value,
    tenant: &str,
    servers: &BTreeSet<(String, String)>,
    faults: &mut Vec<Fault>,
) {
    for (i, outside) in item["receiver"]["outside"].as_array().into_iter().flatten().enumerate() {
        let Some(id) = outside["authorization_server"].as_str().filter(|id| is_id(id)) else { continue };
        if !servers.contains(&(tenant.to_string(), id.to_string())) {
            let at = place.key("receiver").key("outside").index(i).key("authorization_server");
            let what = format!("there is no authorization server `{id}` in tenant `{tenant}`");
            faults.push(Fault::new(at, what));
        }
    }
}

fn items<'a>(values: &'a Map<String, Value>, list: &'a str) -> impl Iterator<Item = (Place, &'a Value)> {
    let items = values.get(list).and_then(Value::as_array).into_iter().flatten().enumerate();
    items.map(move |(i, item)| (Place::of(&[list]).index(i), item))
}

/// Judges objects against each other and against this hub.
pub fn objects(objects: &[Placed], public_url: &str, faults: &mut Vec<Fault>) {
    let mut once = BTreeSet::new();
    for (place, FileObject { tenant, object, .. }) in objects {
        let bearers = object.bearers().chain(tokens(object)).map(|hash| ("bearer", hash));
        if let Some((what, _)) = unique(object)
            .into_iter()
            .chain(bearers)
            .find(|(_, key)| !once.insert((tenant, object.kind(), (*key).to_string())))
        {
            faults.push(Fault::new(place.clone(), format!("another of this kind has the same {what}")));
        }
        let own = |iss: &str| iss.strip_prefix(public_url).is_some_and(|rest| rest.starts_with("/t/"));
        if issuer(object).is_some_and(own) {
            let what = "is an issuer of this hub; it takes no SET and no token of its own";
            faults.push(Fault::new(place.key("iss"), what));
        }
    }
}

/// What two objects of a kind must not share besides bearers, because requests are told apart by it.
fn unique(object: &Object) -> Option<(&'static str, &str)> {
    match object {
        Object::TokenIssuer(i) => Some(("iss", &i.iss)),
        Object::AuthorizationServer(a) => Some(("iss", &a.iss)),
        _ => None,
    }
}

/// The long-lived bearers of a receiver.
fn tokens(object: &Object) -> impl Iterator<Item = &str> {
    let receiver = match object {
        Object::Client(client) => client.receiver.as_ref(),
        _ => None,
    };
    receiver.into_iter().flat_map(|r| &r.tokens).map(|token| token.sha256.as_str())
}

fn issuer(object: &Object) -> Option<&str> {
    match object {
        Object::Upstream(u) => Some(&u.iss),
        Object::TokenIssuer(i) => Some(&i.iss),
        Object::AuthorizationServer(a) => Some(&a.iss),
        _ => None,
    }
}

/// The address by which a client on this machine reaches a listener.
pub fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}
