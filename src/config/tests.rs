//! The configuration from outside: what is taken, and what is told of mistakes.

use super::*;

fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.toml");
    std::fs::write(&path, text).unwrap();
    let env = env.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string()));
    Config::load(Some(&path), env).map_err(|m| m.to_string().lines().map(Into::into).collect())
}

#[test]
fn defaults_are_whole() {
    let config = Config::load(None, std::iter::empty()).unwrap();
    assert_eq!(config.public_url, "http://127.0.0.1:8480");
    assert_eq!(config.limits.set_bytes, 65536);
    assert_eq!(config.outbox.retry_delays_ms.len(), 11);
    assert_eq!(config.jwks.unknown_kid_pause_s, 30);
    assert!(!config.kafka.is_on());
    assert!(config.objects().is_empty());
    assert_eq!(config.keys_dir(), Path::new("ssf-hub-data/keys"));
}

#[test]
fn the_environment_is_on_top_of_the_file() {
    let text = "data_dir = 'a'\n[limits]\nset_bytes = 1000\nfacts_bytes = 2000\n[[tenant]]\nid = 'x'\n";
    let env = [
        ("SSF_HUB__LIMITS__SET_BYTES", "3000"),
        ("SSF_HUB__PUBLIC__LISTEN", "127.0.0.1:9"),
        ("SSF_HUB__TENANT", "[{ id = 'y' }, { id = 'z' }]"),
        ("SSF_HUB_CONFIG", "no key of ours"),
        ("PATH", "/bin"),
    ];
    let config = load(text, &env).unwrap();
    assert_eq!(
        (config.limits.set_bytes, config.limits.facts_bytes, config.limits.admin_bytes),
        (3000, 2000, 262144)
    );
    assert_eq!(config.data_dir, Path::new("a"));
    assert_eq!(config.public_url, "http://127.0.0.1:9");
    let ids: Vec<&str> = config.objects().iter().map(|o| o.object.id()).collect();
    assert_eq!(ids, ["y", "z"]);
}

#[test]
fn all_mistakes_are_told_together_each_with_its_line() {
    let text = "\
public_url = 'http://signals.example'
nonsense = 1

[public]
listen = '0.0.0.0:80'

[admin]
listen = 'localhost'

[limits]
set_bytes = 1
poll-bytes = 32
poll_batch_max = 'many'

[journal]
base_cron = 'daily'

[egress]
allow_cidrs = ['10.0.0.0/8', '10.0.0.0/99']
extra_ca_files = ['/no/such/file']

[kafka.properties]
'sasl.password' = 'hunter2'
'x' = 1.5

[log]
format = 'yaml'
filter = 'ssf_hub=loud'

[[upstream]]
id = 'a/b'
iss = 'https://idp.example'
aud = []
jwks = { url = 'gopher://x' }
bearer = 'hunter2-hunter2-hunter2'

[[upstream]]
tenant = 'nobody'
id = 'u'
iss = 'https://idp.example'
aud = ['x']
jwks = { url = 'http://idp.example/keys' }
authority = { effect = 'destroy', rate_per_s = 0, rate = 1 }

[[client]]
id = 'c'
bearer_env = 'NO_SUCH'

[[stream]]
stream_id = 's'
client = 'someone'
method = 'push'
endpoint_url = 'https://r.example/'
aud = ['r']
events_requested = ['*']
";
    let env = [
        ("SSF_HUB__OUTBOX__PUSH_TIMEOUT_MS", "soon"),
        ("SSF_HUB__CLOCK__LEAP_MAX_MS", "1"),
        ("SSF_HUB__X", "1"),
    ];
    let mistakes = load(text, &env).unwrap_err();
    let expected = [
        ("public_url (line 1): ", "must be https"),
        ("nonsense (line 2): ", "unknown key"),
        ("public.listen (line 5): ", "behind_proxy"),
        ("admin.listen (line 8): ", "IP address and a port"),
        ("limits.set_bytes (line 11): ", "from 512 to 1048576"),
        ("limits.poll-bytes (line 12): ", "`poll_bytes` is one"),
        ("limits.poll_batch_max (line 13): ", "must be integer, is string"),
        ("journal.base_cron (line 16): ", "six fields"),
        ("egress.allow_cidrs[1] (line 19): ", "CIDR"),
        ("egress.extra_ca_files[0] (line 20): ", "cannot be read"),
        ("kafka.properties.sasl.password (line 23): ", "`file:PATH` or `env:NAME`"),
        ("kafka.properties.x (line 24): ", "is number"),
        ("log.format (line 27): ", "\"text\", \"json\""),
        ("log.filter (line 28): ", ""),
        ("upstream[0].id (line 31): ", "1 to 64"),
        ("upstream[0].aud (line 33): ", "at least 1"),
        ("upstream[0].jwks.url (line 34): ", "https URL"),
        ("upstream[0].bearer (line 35): ", "`bearer_file`"),
        ("upstream[1].tenant (line 38): ", "no tenant `nobody`"),
        ("upstream[1].jwks.url (line 42): ", "must be https"),
        ("upstream[1].authority.effect (line 43): ", "\"record\""),
        ("upstream[1].authority.rate_per_s (line 43): ", "from 1"),
        ("upstream[1].authority.rate (line 43): ", "unknown key"),
        ("client[0].bearer_env (line 47): ", "NO_SUCH"),
        ("stream[0].client (line 51): ", "no client `someone`"),
        ("SSF_HUB__OUTBOX__PUSH_TIMEOUT_MS (environment): ", ""),
        ("clock.leap_max_ms (environment SSF_HUB__CLOCK__LEAP_MAX_MS): ", "from 1000"),
        ("SSF_HUB__X (environment): ", "no key"),
    ];
    for (at, what) in expected {
        assert!(
            mistakes.iter().any(|m| m.starts_with(at) && m.contains(what)),
            "{at}{what}\n{}",
            mistakes.join("\n")
        );
    }
    assert_eq!(mistakes.len(), expected.len(), "{}", mistakes.join("\n"));
    assert!(mistakes.iter().all(|m| !m.contains("hunter2")));
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let jwks = "jwks = { url = 'https://idp.example/keys' }";
    let upstream = format!("[[upstream]]\nid = 'u'\niss = 'https://idp.example'\naud = ['x']\n{jwks}\n");
    let issuer = |id: &str, iss: &str| format!("[[token_issuer]]\nid = '{id}'\niss = '{iss}'\n{jwks}\n");
    let client = |id: &str, var: &str| format!("[[client]]\nid = '{id}'\nbearer_env = '{var}'\n");
    let stream =
        "[[stream]]\nstream_id = 's'\nclient = 'c'\nmethod = 'push'\naud = ['r']\nevents_requested = ['*']\n";
    let receiver = |more: &str| format!("[[client]]\nid = 'r'\n[client.receiver]\n{more}\n");
    let server =
        |more: &str| format!("[[authorization_server]]\nid = 'as'\niss = 'https://as.example'\n{more}\n");
    let cases = [
        (upstream.clone(), None),
        (format!("{upstream}{upstream}"), Some("the id `u` is taken")),
        (upstream.replace("id = 'u'", "id = 'u'\ntenant = 'nobody'"), Some("no tenant `nobody`")),
        (format!("[[tenant]]\nid = 't'\n{}", upstream.replace("id = 'u'", "id = 'u'\ntenant = 't'")), None),
        (upstream.replace("id = 'u'", "id = 'u'\ntenant = '_hub'"), Some("is reserved")),
        (
            upstream.replace("https://idp.example'\naud", "http://127.0.0.1:8480/t/default'\naud"),
            Some("of its own"),
        ),
        (upstream.replace("https://idp.example/keys", "https://10.0.0.1/keys"), Some("egress.allow_cidrs")),
        (
            format!(
                "[egress]\nallow_cidrs = ['10.0.0.0/8']\nallow_http = true\n{}",
                upstream.replace("https://idp", "http://10.0.0.1/idp")
            ),
            None,
        ),
        (
            upstream
                .replace("{ url = 'https://idp.example/keys' }", "{ inline = { keys = [{ kty = 'oct' }] } }"),
            Some("jwks.inline (line 5): keys[0] is a private or symmetric key"),
        ),
        (format!("{upstream}authority = {{ namespaces = [] }}\n"), Some("needs at least 1")),
        (format!("{upstream}authority = {{ event_types = [] }}\n"), Some("needs at least 1")),
        (format!("{upstream}authority = []\n"), Some("must be object")),
        (
            format!("{}{}", issuer("a", "https://i.example"), issuer("b", "https://i.example")),
            Some("the same iss"),
        ),
        (format!("{}{}", issuer("a", "https://i.example"), issuer("b", "https://j.example")), None),
        (format!("{}{}", client("a", "ONE"), client("b", "ONE")), Some("the same bearer")),
        (format!("{}{}", client("a", "ONE"), client("b", "TWO")), None),
        (client("a", "SHORT"), Some("shorter than 16")),
        (receiver("tokens = [{ id = 't', token_env = 'ONE', expires_at = 9 }]"), None),
        (
            format!(
                "{}{}",
                client("a", "ONE"),
                receiver("tokens = [{ id = 't', token_env = 'ONE', expires_at = 9 }]")
            ),
            Some("the same bearer"),
        ),
        (receiver("secrets = [{ secret_env = 'SHORT' }]"), Some("shorter than 16")),
        (receiver("secrets = [{ secret_env = 'ONE', secret = 'x' }]"), Some("secret")),
        (
            receiver("secrets = [{ secret_env = 'ONE' }, { secret_env = 'ONE' }]"),
            Some("names something twice"),
        ),
        (receiver("push_urls = ['https://a.example*']"), Some("push_urls")),
        (receiver("token_lifetime_s = 3601"), Some("from 60 to 3600")),
        (receiver("scopes = ['ssf.admin']"), Some("scopes")),
        (receiver("alg = 'ES256'\ndialect = 'caep_interop'"), Some("RS256")),
        (receiver("jwks = { url = 'https://10.0.0.1/keys' }"), Some("egress.allow_cidrs")),
        (
            receiver("outside = [{ authorization_server = 'as', client_id = 'c' }]"),
            Some("no authorization server `as`"),
        ),
        (
            format!(
                "{}{}",
                server("jwks = { url = 'https://as.example/keys' }"),
                receiver("outside = [{ authorization_server = 'as', client_id = 'c' }]")
            ),
            None,
        ),
        (server(""), Some("either jwks or introspection")),
        (
            server(
                "introspection = { url = 'http://as.example/', client_id = 'c', client_secret_env = 'ONE' }",
            ),
            Some("must be https"),
        ),
        (server("introspection = { url = 'https://as.example/', client_id = 'c' }"), Some("is missing")),
        (
            server("jwks = { url = 'https://as.example/keys' }")
                .replace("https://as.example'", "http://127.0.0.1:8480/t/default'"),
            Some("of its own"),
        ),
        (format!("{}{stream}endpoint_url = 'https://r.example/'\n", client("c", "ONE")), None),
        (
            format!("{}{stream}endpoint_url = 'http://r.example/'\n", client("c", "ONE")),
            Some("must be https"),
        ),
        (format!("{}{stream}", client("c", "ONE")), Some("endpoint_url belongs to push")),
        ("[admin]\nlisten = '127.0.0.1:8480'".into(), Some("address of public.listen too")),
        (
            "[public]\nlisten = '0.0.0.0:8480'\nbehind_proxy = 'nginx'".into(),
            Some("must be set when public.behind_proxy"),
        ),
        (
            "public_url = 'https://a.example'\n[public]\nlisten = '0.0.0.0:8480'\nbehind_proxy = 'nginx'"
                .into(),
            None,
        ),
        ("[public]\nlisten = '127.0.0.1:0'".into(), Some("port 0")),
        ("public_url = 'https://a.example/x'".into(), Some("scheme, host and port alone")),
        ("public_url = 'http://[::1]:1/'".into(), None),
        ("public_url = 'http://localhost'".into(), Some("must be https")),
        ("public_url = 'nowhere'".into(), Some("must be a URL")),
        (
            "[kafka]\nbootstrap_servers = 'k:9092'\n[kafka.properties]\n'acks' = '1'".into(),
            Some("kafka (line 1)"),
        ),
        (
            "[kafka]\nbootstrap_servers = 'k:9092'\n[kafka.properties]\n'no.such' = '1'".into(),
            Some("no.such"),
        ),
        ("[kafka]\nbootstrap_servers = 'k:9092'".into(), None),
        ("data_dir = ".into(), Some("(line 1)")),
        ("[egress]\nproxy = 'proxy:3128'".into(), Some("egress.proxy (line 2): must be http://host:port")),
        ("[egress]\nproxy = 'http://u:p@proxy:3128'".into(), Some("without path and credentials")),
        ("[egress]\nno_proxy = ['a b']".into(), Some("`a b` is no host")),
        ("[egress]\nproxy_credentials = 'hub:secret'".into(), Some("a secret is not written here")),
        (
            "[egress]\nproxy = 'http://proxy:3128'\nproxy_credentials = 'env:ONE'".into(),
            Some("must be user:password"),
        ),
        (
            format!(
                "[egress]\nallow_cidrs = ['10.0.0.0/8']\n{}",
                upstream.replace("https://idp", "http://10.0.0.1/idp")
            ),
            Some("egress.allow_http"),
        ),
    ];
    let env = [("ONE", "one-0123456789abcdef"), ("TWO", "two-0123456789abcdef"), ("SHORT", "short")];
    for (text, want) in cases {
        match (load(&text, &env), want) {
            (Ok(_), None) => {}
            (Err(mistakes), Some(want)) => {
                assert!(mistakes.iter().any(|m| m.contains(want)), "{text}\n{want}\n{mistakes:?}");
                assert_eq!(mistakes.len(), 1, "{text}\n{mistakes:?}");
            }
            (Ok(_), Some(want)) => panic!("{text}\nshould say {want}"),
            (Err(mistakes), None) => panic!("{text}\n{mistakes:?}"),
        }
    }
}

#[test]
fn the_example_is_good_and_shows_no_secret() {
    let text = include_str!("example.toml");
    let env = [
        ("KAFKA_PASSWORD", "hunter2-kafka"),
        ("ACME_PARTNERS_SECRET", "hunter2-partners"),
        ("ACME_CRM_SECRET", "hunter2-crm-secret"),
        ("ACME_CRM_OLD_SECRET", "hunter2-crm-old-secret"),
        ("ACME_CRM_TOKEN", "hunter2-crm-token"),
        ("NIGHT_SHIFT_BEARER", "hunter2-night-shift"),
        ("ACME_KEYCLOAK_BEARER", "hunter2-keycloak"),
        ("ACME_PLATFORM_BEARER", "hunter2-platform"),
        ("ACME_NGINX_BEARER", "hunter2-nginx-xx"),
        ("NIGHT_SHIFT_OLD_BEARER", "hunter2-night-shift-old"),
        ("ACME_KEYCLOAK_OLD_BEARER", "hunter2-keycloak-old"),
        ("ACME_PLATFORM_OLD_BEARER", "hunter2-platform-old"),
        ("ACME_NGINX_OLD_BEARER", "hunter2-nginx-old"),
        ("ACME_CRM_AUTHORIZATION", "Basic hunter2"),
    ];
    let config = load(text, &env).unwrap();
    assert_eq!(config.objects().len(), 12);
    assert_eq!(config.kafka.properties["sasl.password"].reveal(), "hunter2-kafka");
    assert_eq!(config.admin_address(), "127.0.0.1:8481".parse().unwrap());
    assert!(!format!("{config:?}").contains("hunter2"));
    let missing = load(text, &env[..13]).unwrap_err();
    assert_eq!(missing.len(), 1, "{missing:?}");
}

#[test]
fn a_file_that_is_not_there_does_not_hide_the_rest() {
    let env = [("SSF_HUB__NOPE".to_string(), "1".to_string())];
    let mistakes = Config::load(Some(Path::new("/no/such.toml")), env.into_iter()).unwrap_err();
    assert_eq!(mistakes.0.len(), 2, "{mistakes}");
}
