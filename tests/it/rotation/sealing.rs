//! The sealing key, the certificate, the authority of client certificates and the admin credential, while SETs flow over
//! TLS. A sealing key is changed by a start: whoever sends tries again meanwhile, and nothing is lost.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openssl::ssl::{Ssl, SslConnector, SslMethod};
use serde_json::json;
use ssf_hub::jose::alg::Alg;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use super::super::hub::{Hub, toml, until};
use super::super::pki::{Authority, Leaf, NAME, ec_key, rsa_key, serial};
use super::super::power::process::{Process, Site};
use super::sender::Sender;
use super::takers::{Jwks, Polled, Pushed, Taker};
use super::world::Credential;
use super::{QUICKLY, stream};

/// Somebody who shows a certificate, and whom he trusts.
#[expect(clippy::disallowed_methods, reason = "the client of a test is not outbound traffic of the hub")]
fn dialing(site: &Site, trusted: &Authority, shown: &Leaf) -> reqwest::Client {
    let identity = shown.certificate.to_pem().unwrap();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(&trusted.pem()).unwrap()])
        .identity(reqwest::Identity::from_pkcs8_pem(&identity, &shown.key_pem()).unwrap())
        .resolve(NAME, format!("127.0.0.1:{}", site.public).parse().unwrap())
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

struct Stand {
    site: Site,
    hub: Hub,
    ca: Authority,
    sender: Sender,
    pushed: Pushed,
    polled: Polled,
}

fn configure(site: &Site, keys: &str) {
    let at = |name: &str| site.dir.path().join(name);
    let more = format!(
        "public_url = \"https://{NAME}:{}\"\n{QUICKLY}[keys]\n{keys}\n[public.tls]\ncertificate_file = {:?}\n\
         key_file = {:?}\nclient_certificates = \"require\"\nclient_ca_file = {:?}\nreload_s = 1\n",
        site.public,
        at("hub.pem"),
        at("hub.key"),
        at("clients.pem"),
    );
    std::fs::write(site.file(), toml(site.dir.path(), site.public, site.admin, &more)).unwrap();
}

fn sealing_key(site: &Site, byte: u8) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = site.dir.path().join(format!("sealing-{byte}"));
    std::fs::write(&path, format!("{byte:02x}").repeat(32)).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// How many files in `keys/` show a private key to who reads them.
fn plain(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let shows = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains("PRIVATE KEY");
    entries.map(|path| if path.is_dir() { plain(&path) } else { usize::from(shows(&path)) }).sum()
}

impl Stand {
    /// Stops the hub in order and starts it with other sealing keys.
    async fn restart(&self, process: Process, keys: &str) -> Process {
        process.stop().await;
        configure(&self.site, keys);
        let process = self.site.start().await;
        let before = self.count();
        until("SETs flow again", 60, || async { self.count() > before + 5 }).await;
        process
    }

    fn takers(&self) -> [(&'static str, &Arc<Taker>); 2] {
        [("pushed", &self.pushed.taker), ("polled", &self.polled.taker)]
    }

    /// How many SETs whoever took fewest has.
    fn count(&self) -> usize {
        self.takers().iter().map(|(_, taker)| taker.count()).min().unwrap()
    }

    /// The certificate that a new connection sees; an error where the one shown is not taken.
    async fn seen(&self, shown: &Leaf) -> Result<String, String> {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
        builder.cert_store_mut().add_cert(self.ca.certificate.clone()).unwrap();
        builder.set_certificate(&shown.certificate).unwrap();
        builder.set_private_key(&shown.key).unwrap();
        let ssl: Ssl = builder.build().configure().unwrap().into_ssl(NAME).unwrap();
        let socket = TcpStream::connect(("127.0.0.1", self.site.public)).await.map_err(|e| e.to_string())?;
        let mut stream = SslStream::new(ssl, socket).unwrap();
        Pin::new(&mut stream).connect().await.map_err(|e| e.to_string())?;
        Ok(serial(&stream.ssl().peer_certificate().unwrap()))
    }

    /// Whether a request with this certificate is answered on a new connection.
    async fn is_served(&self, shown: &Leaf) -> bool {
        let http = dialing(&self.site, &self.ca, shown);
        let url = format!("https://{NAME}:{}/t/default/jwks.json", self.site.public);
        http.get(url).send().await.is_ok_and(|answer| answer.status() == 200)
    }

    fn dial_with(&self, shown: &Leaf) {
        let http = dialing(&self.site, &self.ca, shown);
        self.sender.dial_with(http.clone());
        *self.polled.http.lock().unwrap() = http;
    }
}

async fn stand(site: Site, ca: Authority, shown: &Leaf) -> Stand {
    let hub = site.hub();
    let bearer = hub.client("default", "saas", false).await;
    let http = dialing(&site, &ca, shown);
    let iss = format!("https://{NAME}:{}/t/default", site.public);
    let sender = Sender::new(http.clone(), format!("{iss}/in/kc"));
    let upstream =
        json!({ "iss": "https://idp.example", "aud": ["hub"], "jwks": { "inline": sender.jwks() } });
    hub.put("default", "upstreams", "kc", upstream).await;
    // Who verifies keeps the JWKS: our signing keys stay the same.
    let jwks = Jwks::new(http, format!("{iss}/jwks.json"));
    let pushed = Pushed::start(&jwks, Alg::RS256).await;
    stream(&hub, "pushed", "saas", "RS256", Some(&pushed.url)).await;
    stream(&hub, "polled", "saas", "RS256", None).await;
    let polled = Polled::start(&jwks, Alg::RS256, &iss, "polled", Credential::Bearer(bearer));
    Stand { site, hub, ca, sender, pushed, polled }
}

/// The certificate, then whose certificates clients may show; the old and the new authority overlap in the file.
async fn certificates(stand: &Stand, old: &Leaf, authorities: [&Authority; 2]) {
    let dir = stand.site.dir.path();
    let renewed = stand.ca.leaf(NAME, rsa_key(), 20);
    renewed.write(dir);
    until("the new certificate is in use", 30, || async {
        stand.seen(old).await.is_ok_and(|seen| seen == renewed.serial())
    })
    .await;
    let [before, after] = authorities.map(Authority::pem);
    let new = authorities[1].leaf("idp.test", ec_key(), 5);
    assert!(!stand.is_served(&new).await, "not yet");
    std::fs::write(dir.join("clients.pem"), [before, after.clone()].concat()).unwrap();
    until("both authorities are known", 30, || async { stand.is_served(&new).await }).await;
    assert!(stand.is_served(old).await);
    stand.dial_with(&new);
    std::fs::write(dir.join("clients.pem"), after).unwrap();
    until("the old authority is not", 30, || async { !stand.is_served(old).await }).await;
    assert!(stand.is_served(&new).await);
    let before = stand.count();
    until("SETs flow", 30, || async { stand.count() > before + 5 }).await;
}

/// By the command line, which goes on with the new one from the moment that it lies in its file.
async fn admin_credential(stand: &Stand) {
    let (site, file) = (&stand.site, stand.hub.data().join("admin.credential"));
    let works = async |credential: &str| {
        let request =
            stand.hub.http.get(format!("{}/admin/v1/status", stand.hub.admin)).bearer_auth(credential);
        request.send().await.unwrap().status() == 200
    };
    let old = stand.hub.credential.as_str();
    let to = site.fresh("admin");
    site.answer(&[
        "bearer",
        "new",
        "operators",
        "admin",
        "--overlap",
        "10s",
        "--bearer-file",
        to.to_str().unwrap(),
    ])
    .await;
    let new = std::fs::read_to_string(&to).unwrap();
    assert!(works(old).await && works(new.trim()).await);
    site.answer(&["status"]).await;
    std::fs::rename(&to, file).unwrap();
    site.answer(&["status"]).await;
    until("the overlap is over", 40, || async { !works(old).await }).await;
    assert!(works(new.trim()).await);
    site.answer(&["status"]).await;
}

#[tokio::test]
async fn seal_certificates_and_the_admin_credential_are_changed_while_sets_flow() {
    let site = Site::new("");
    let (ca, clients) =
        (Authority::new("the hub's authority"), [Authority::new("before"), Authority::new("after")]);
    let shown = clients[0].leaf("idp.test", ec_key(), 5);
    ca.leaf(NAME, ec_key(), 20).write(site.dir.path());
    clients[0].write(&site.dir.path().join("clients.pem"));
    configure(&site, "");
    let (one, two) = (sealing_key(&site, 1), sealing_key(&site, 2));
    let process = site.start().await;
    let stand = stand(site, ca, &shown).await;
    let kept = stand.hub.data().join("keys");
    let story = async {
        until("SETs flow", 30, || async { stand.count() > 10 }).await;
        certificates(&stand, &shown, [&clients[0], &clients[1]]).await;
        admin_credential(&stand).await;
        // Up to here nobody had to try anything again.
        stand.sender.patient.store(true, Ordering::Relaxed);
        stand.polled.patient.store(true, Ordering::Relaxed);
        assert!(plain(&kept) >= 5);
        let process = stand.restart(process, &format!("sealing_key_file = {one:?}\n")).await;
        assert_eq!(plain(&kept), 0, "everything is sealed");
        let both = format!("sealing_key_file = {two:?}\nsealing_key_previous_file = {one:?}\n");
        let process = stand.restart(process, &both).await;
        std::fs::remove_file(&one).unwrap();
        let mut process = stand.restart(process, &format!("sealing_key_file = {two:?}\n")).await;
        stand.sender.end();
        assert!(process.is_running());
        process
    };
    let ((), process) = tokio::join!(stand.sender.run(), story);
    let sent = stand.sender.sent();
    stand.sender.check();
    until("everything is taken", 60, || async { stand.count() == sent }).await;
    for (who, taker) in stand.takers() {
        let book = taker.book.lock().unwrap();
        book.check(who, sent);
        assert!(book.unverified.is_empty() && book.kids().len() == 1, "{who}: the same key all the time");
    }
    stand.polled.finish().await;
    process.stop().await;
}
