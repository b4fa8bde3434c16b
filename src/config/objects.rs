//! The objects that the file names: upstreams, token issuers, clients, points, streams, tenants, operators.
//!
//! They become the same [`Object`]s that the admin API makes; `app` journals those that changed. Secrets are read by
//! [`super::credentials`].

use serde_json::{Map, Value};

use super::credentials;
use super::mistake::{Fault, Place};
use super::secret::Sources;
use crate::hub::object::{Error, Object, ObjectKind};
use crate::tenant::TenantId;

/// The lists of the file, in the order in which their objects are journaled.
pub const LISTS: [(&str, ObjectKind); 8] = [
    ("tenant", ObjectKind::Tenant),
    ("authorization_server", ObjectKind::AuthorizationServer),
    ("operator", ObjectKind::Operator),
    ("client", ObjectKind::Client),
    ("upstream", ObjectKind::Upstream),
    ("token_issuer", ObjectKind::TokenIssuer),
    ("point", ObjectKind::Point),
    ("stream", ObjectKind::Stream),
];

/// An object of the file.
#[derive(Clone, PartialEq)]
pub struct FileObject {
    /// Whose it is; `_hub` for tenants and operators.
    pub tenant: TenantId,
    /// The object.
    pub object: Object,
    /// What `keys/` must hold for it: the id of the secret and its value.
    pub secret: Option<(String, String)>,
}

impl std::fmt::Debug for FileObject {
    // The value of the secret is never shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let secret = self.secret.as_ref().map(|(id, _)| id);
        let mut shown = f.debug_struct("FileObject");
        shown.field("tenant", &self.tenant).field("object", &self.object).field("secret", &secret).finish()
    }
}

/// An object and where it stands.
pub type Placed = (Place, FileObject);

/// Reads all lists. Objects that the schema finds fault with (`faulty`) are left out; their secrets are
/// looked for all the same.
pub fn read(
    values: &Map<String, Value>,
    sources: &Sources<'_>,
    faulty: &[Place],
    faults: &mut Vec<Fault>,
) -> Vec<Placed> {
    let mut objects = vec![];
    for (list, kind) in LISTS {
        let items = values.get(list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (i, item) in items.iter().enumerate() {
            let place = Place::of(&[list]).index(i);
            let sound = !faulty.iter().any(|f| f.0.starts_with(&place.0));
            if let Some(members) = item.as_object() {
                objects.extend(object(kind, members.clone(), place, sound, sources, faults));
            }
        }
    }
    objects
}

fn object(
    kind: ObjectKind,
    mut members: Map<String, Value>,
    place: Place,
    sound: bool,
    sources: &Sources<'_>,
    faults: &mut Vec<Fault>,
) -> Option<Placed> {
    let before = faults.len();
    let tenant = match (kind, members.remove("tenant")) {
        (ObjectKind::Tenant | ObjectKind::Operator, _) => TenantId::hub(),
        (_, Some(Value::String(id))) => TenantId::parse(&id).ok()?,
        _ => TenantId::default_tenant(),
    };
    credentials::presented(kind, &mut members, &place, sources, faults);
    let secret = credentials::kept(kind, &mut members, &place, sources, faults);
    if !sound || faults.len() > before {
        return None;
    }
    let checked = |object: Object| match object.check() {
        Ok(()) => Ok(object),
        Err(Error::Jwks(_)) => Err(None),
        Err(error) => Err(Some(error.to_string())),
    };
    let object = typed(kind, Value::Object(members)).map_err(|e| Some(e.to_string())).and_then(checked);
    match object {
        Ok(object) => Some((place, FileObject { tenant, object, secret })),
        // Told by `check::names`, together with whatever else is wrong with the object.
        Err(None) => None,
        Err(Some(what)) => {
            faults.push(Fault::new(place, what));
            None
        }
    }
}

fn typed(kind: ObjectKind, members: Value) -> Result<Object, serde_json::Error> {
    use serde_json::from_value as of;
    Ok(match kind {
        ObjectKind::Tenant => Object::Tenant(of(members)?),
        ObjectKind::Operator => Object::Operator(of(members)?),
        ObjectKind::Upstream => Object::Upstream(of(members)?),
        ObjectKind::TokenIssuer => Object::TokenIssuer(of(members)?),
        ObjectKind::Stream => Object::Stream(of(members)?),
        ObjectKind::Client => Object::Client(of(members)?),
        ObjectKind::Point => Object::Point(of(members)?),
        ObjectKind::AuthorizationServer => Object::AuthorizationServer(of(members)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layer::Layer;
    use crate::config::schema::TEXT;
    use crate::keys::hash_secret;

    const VARIABLES: [(&str, &str); 14] = [
        ("NIGHT_SHIFT_BEARER", "nightshift-0123456789"),
        ("ACME_PARTNERS_SECRET", "partners:0123456789"),
        ("ACME_CRM_SECRET", "crm-secret-0123456789"),
        ("ACME_CRM_OLD_SECRET", "crm-old-secret-0123456789"),
        ("ACME_CRM_TOKEN", "crm-token-0123456789"),
        ("KAFKA_PASSWORD", "hunter2hunter2hunter2"),
        ("ACME_KEYCLOAK_BEARER", "keycloak-0123456789"),
        ("ACME_PLATFORM_BEARER", "platform-0123456789"),
        ("ACME_NGINX_BEARER", "nginx-0123456789abc"),
        ("NIGHT_SHIFT_OLD_BEARER", "nightshift-old-0123456789"),
        ("ACME_KEYCLOAK_OLD_BEARER", "keycloak-old-0123456789"),
        ("ACME_PLATFORM_OLD_BEARER", "platform-old-0123456789"),
        ("ACME_NGINX_OLD_BEARER", "nginx-old-0123456789abc"),
        ("ACME_CRM_AUTHORIZATION", "Basic Y3JtOnNlY3JldA=="),
    ];

    fn read_all(text: &str) -> (Vec<FileObject>, Vec<Fault>) {
        let variables = VARIABLES.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let values = Layer::parse("x", text).unwrap().values;
        let mut faults = vec![];
        let objects = read(&values, &Sources { variables: &variables }, &[], &mut faults);
        (objects.into_iter().map(|(_, object)| object).collect(), faults)
    }

    #[test]
    fn the_example_becomes_objects_without_secrets() {
        let (objects, faults) = read_all(include_str!("example.toml"));
        assert_eq!(faults, []);
        let names: Vec<(&str, &str, &str)> = objects
            .iter()
            .map(|o| (o.tenant.as_str(), o.object.kind().collection(), o.object.id()))
            .collect();
        assert_eq!(
            names,
            [
                ("_hub", "tenants", "acme"),
                ("acme", "authorization-servers", "corp"),
                ("acme", "authorization-servers", "partners"),
                ("_hub", "operators", "night-shift"),
                ("acme", "clients", "agent-platform"),
                ("acme", "clients", "crm-receiver"),
                ("acme", "upstreams", "keycloak"),
                ("acme", "token-issuers", "people"),
                ("acme", "points", "nginx"),
                ("acme", "streams", "crm"),
                ("acme", "streams", "broker"),
                ("acme", "streams", "siem"),
            ]
        );
        let Object::Client(client) = &objects[4].object else { panic!("no client") };
        assert_eq!(client.bearer_sha256, hash_secret("platform-0123456789"));
        let old: Vec<&str> = client.old_bearers.iter().map(|old| old.sha256.as_str()).collect();
        assert_eq!(old, [hash_secret("platform-old-0123456789")]);
        let Object::AuthorizationServer(server) = &objects[2].object else { panic!("no server") };
        let (id, value) = objects[2].secret.as_ref().unwrap();
        assert_eq!(
            (&server.introspection.as_ref().unwrap().secret, value.as_str()),
            (id, "partners:0123456789")
        );
        let Object::Client(client) = &objects[5].object else { panic!("no client") };
        let receiver = client.receiver.as_ref().unwrap();
        let hashes: Vec<&str> = receiver.secrets.iter().map(|s| s.sha256.as_str()).collect();
        assert_eq!(hashes, ["crm-secret-0123456789", "crm-old-secret-0123456789"].map(hash_secret));
        assert_eq!(receiver.tokens[0].sha256, hash_secret("crm-token-0123456789"));
        assert_eq!(client.bearer_sha256, "");
        let (id, value) = objects[9].secret.as_ref().unwrap();
        assert_eq!(value, "Basic Y3JtOnNlY3JldA==");
        let Object::Stream(stream) = &objects[9].object else { panic!("no stream") };
        assert_eq!(stream.authorization_secret.as_ref(), Some(id));
        assert!(crate::stream::is_id(id));
        let shown = format!("{objects:?}");
        assert!(VARIABLES.iter().all(|(_, secret)| !shown.contains(secret)));
    }

    /// The members of an object in the journal, and those of the file, differ only by how secrets are named.
    #[test]
    fn every_member_is_in_the_schema_and_the_other_way_round() {
        let schema: Value = serde_json::from_str(TEXT).unwrap();
        let (objects, _) = read_all(include_str!("example.toml"));
        for (list, kind) in LISTS {
            let mut ours: Vec<String> = vec![];
            for object in objects.iter().filter(|o| o.object.kind() == kind) {
                let json = serde_json::to_value(&object.object).unwrap();
                let members = json.as_object().unwrap().values().next().unwrap().as_object().unwrap();
                ours.extend(members.keys().map(|k| {
                    let secret = k.replace("bearer_sha256", "bearer_env");
                    secret.replace("authorization_secret", "authorization_header_env")
                }));
                for within in ["authority", "receiver"] {
                    let Some(part) = members.get(within) else { continue };
                    let of: Vec<&String> = part.as_object().unwrap().keys().collect();
                    let known = schema["$defs"][within]["properties"].as_object().unwrap();
                    assert_eq!(of, known.keys().collect::<Vec<_>>());
                }
            }
            ours.sort();
            ours.dedup();
            let known = schema["$defs"][list]["properties"].as_object().unwrap();
            let mut theirs: Vec<String> =
                known.keys().filter(|k| *k != "tenant" && !k.ends_with("_file")).cloned().collect();
            theirs.sort();
            assert_eq!(ours, theirs, "{list}");
        }
    }

    #[test]
    fn faults_of_secrets_name_their_place() {
        let cases = [
            ("[[client]]\nid='c'", "client[0]", "is missing"),
            (
                "[[client]]\nid='c'\n[[client.receiver.secrets]]",
                "client[0].receiver.secrets[0]",
                "`secret_env` is missing",
            ),
            (
                "[[client]]\nid='c'\n[[client.receiver.tokens]]\nid='t'\nexpires_at=1\ntoken_env='NOPE'",
                "client[0].receiver.tokens[0].token_env",
                "NOPE",
            ),
            (
                "[[authorization_server]]\nid='a'\niss='i'\nintrospection={url='https://a.example/',client_id='c'}",
                "authorization_server[0].introspection",
                "`client_secret_env` is missing",
            ),
            (
                "[[authorization_server]]\nid='a'\niss='i'",
                "authorization_server[0]",
                "either jwks or introspection",
            ),
            ("[[client]]\nid='c'\nbearer_env='NOPE'", "client[0].bearer_env", "NOPE"),
            (
                "[[upstream]]\nid='u'\niss='i'\naud=['a']\njwks={url='https://x'}\n\
                 old_bearers=[{bearer_env='ACME_NGINX_BEARER',expires_at=1}]",
                "upstream[0]",
                "belong to a bearer that follows them",
            ),
            (
                "[[client]]\nid='c'\nbearer_env='ACME_NGINX_BEARER'\nold_bearers=[{expires_at=1}]",
                "client[0].old_bearers[0]",
                "`bearer_env` is missing",
            ),
            (
                "[[point]]\nid='c'\naud=['a']\nbearer_file='/no/such'",
                "point[0].bearer_file",
                "cannot be read",
            ),
            (
                "[[stream]]\nstream_id='s'\nclient='c'\nmethod='poll'\naud=['a']\nevents_requested=['*']\n\
                 authorization_header_env='ACME_CRM_AUTHORIZATION'",
                "stream[0]",
                "only to push",
            ),
            (
                "[[stream]]\nstream_id='s'\nclient='c'\nmethod='push'\naud=['a']\nevents_requested=['*']",
                "stream[0]",
                "endpoint_url",
            ),
        ];
        for (text, at, what) in cases {
            let (objects, faults) = read_all(text);
            assert!(objects.is_empty(), "{text}");
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert_eq!(faults[0].place.to_string(), at);
            assert!(faults[0].what.contains(what), "{}", faults[0].what);
        }
    }
}
