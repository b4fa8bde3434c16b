//! A name server that hangs: who waits for it, and who does not.

use std::collections::BTreeMap;
use std::sync::Condvar;

use futures_util::future::join_all;
use reqwest::header::HeaderMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::{Config, Egress};
use super::*;

/// Name servers: those of names that begin with `hang` say nothing until they are let go.
#[derive(Default)]
struct Servers {
    let_go: Mutex<bool>,
    wake: Condvar,
    asked: Mutex<BTreeMap<String, usize>>,
}

impl Servers {
    fn new() -> (Arc<Self>, Lookup) {
        let servers = Arc::new(Self::default());
        let these = servers.clone();
        (servers, Arc::new(move |host| these.look(host)))
    }

    fn look(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        *self.asked.lock().unwrap().entry(host.into()).or_default() += 1;
        if host.starts_with("hang") {
            let waiting = self.let_go.lock().unwrap();
            drop(self.wake.wait_while(waiting, |let_go| !*let_go).unwrap());
        }
        Ok(vec![([127, 0, 0, 1], 0).into()])
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().values().sum()
    }

    /// Waits until so many were asked: the threads that ask begin when the machine lets them.
    async fn reach(&self, n: usize) {
        for _ in 0..3_000 {
            if self.asked() >= n {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(self.asked(), n);
    }

    fn let_go(&self) {
        *self.let_go.lock().unwrap() = true;
        self.wake.notify_all();
    }
}

fn config() -> Config {
    Config { allow_cidrs: vec!["127.0.0.0/8".parse().unwrap()], allow_http: true, ..Config::default() }
}

fn resolver(look: Lookup) -> Resolver {
    Resolver::new(Guard::of(&config()), Duration::from_millis(800), look)
}

/// Starts to ask for each of these names, and gives up soon.
async fn ask(resolver: &Resolver, names: impl Iterator<Item = String>) -> Vec<Option<Error>> {
    let one = |name: String| async move {
        let asked = tokio::time::timeout(Duration::from_millis(300), resolver.resolve(&name, true, false));
        asked.await.ok().and_then(Result::err)
    };
    join_all(names.map(one)).await
}

#[tokio::test]
async fn a_name_is_looked_up_once_at_a_time_and_by_nobody_elses_leave() {
    let (servers, look) = Servers::new();
    let resolver = resolver(look);
    let many =
        ask(&resolver, (0..200).map(|n| if n % 2 == 0 { "hang.a.example" } else { "HANG.a.example" }.into()));
    assert!(many.await.iter().all(Option::is_none), "none was told anything");
    servers.reach(1).await;
    assert!(resolver.resolve("good.b.example", true, false).await.is_ok());
    // Another name of the same zone has room of its own, and who asks again later still finds the first one under way.
    assert!(resolver.resolve("good.a.example", true, false).await.is_ok());
    ask(&resolver, ["hang.a.example".to_string()].into_iter()).await;
    assert_eq!(servers.asked(), 3);
    servers.let_go();
    assert!(resolver.resolve("hang.a.example", true, false).await.is_ok());
    assert_eq!(resolver.resolve("hang.a.example", true, false).await.unwrap().len(), 1);
    assert!(resolver.desk.under_way().by_name.is_empty() && resolver.desk.under_way().of_zone.is_empty());
}

#[tokio::test]
async fn a_zone_has_its_share_and_who_gets_no_look_up_is_told_so() {
    let (servers, look) = Servers::new();
    let resolver = resolver(look);
    let told = ask(&resolver, (0..100).map(|n| format!("hang-{n}.of.evil.example"))).await;
    servers.reach(ZONE_LOOKUPS_MAX).await;
    assert_eq!(told.iter().filter(|e| **e == Some(Error::Busy)).count(), 100 - ZONE_LOOKUPS_MAX);
    assert!(resolver.resolve("good.example", true, false).await.is_ok(), "another zone");

    ask(&resolver, (0..LOOKUPS_MAX).map(|n| format!("hang.zone-{n}.example"))).await;
    servers.reach(LOOKUPS_MAX + 1).await;
    assert_eq!(resolver.resolve("good.example", true, false).await.err(), Some(Error::Busy));
    let patient = Resolver { patience: Duration::from_secs(60), ..resolver.clone() };
    let late = patient.resolve("good.example", true, false);
    let letting_go = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        servers.let_go();
    };
    let (late, ()) = tokio::join!(late, letting_go);
    assert!(late.is_ok(), "it waited for a place");
}

#[tokio::test]
async fn one_address_that_may_not_be_is_seen_however_many_there_are() {
    let many: Vec<SocketAddr> = (1..=20).map(|n| ([127, 0, 0, n], 0).into()).collect();
    let with = |last: [u8; 4]| -> Lookup {
        let all: Vec<_> = many.iter().copied().chain([(last, 0).into()]).collect();
        Arc::new(move |_| Ok(all.clone()))
    };
    let inside = resolver(with([10, 0, 0, 1]));
    assert_eq!(inside.resolve("x.example", false, true).await.err(), Some(Refused::Address.into()));
    assert_eq!(inside.resolve("x.example", false, false).await.unwrap().len(), ADDRESSES_MAX);
    assert_eq!(
        resolver(with([127, 0, 0, 9])).resolve("x.example", false, true).await.unwrap().len(),
        ADDRESSES_MAX
    );
    // Behind sixteen that may not be stands one that may.
    let none: Lookup = Arc::new(|_| {
        let all = (1..=20).map(|n| ([10, 0, 0, n], 0).into()).chain([([127, 0, 0, 1], 0).into()]);
        Ok(all.collect())
    });
    assert_eq!(resolver(none).resolve("x.example", false, false).await.unwrap().len(), 1);
}

#[tokio::test]
async fn other_destinations_are_served_while_one_name_hangs() {
    let (servers, look) = Servers::new();
    let config = Config { connect_timeout_ms: 5_000, ..config() };
    let egress = Egress::looking(&config, look).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 4096];
        assert!(stream.read(&mut head).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    };
    let get = async |host: &str| {
        egress.get(&format!("http://{host}:{port}/"), HeaderMap::new(), 10).await.map(|got| got.status)
    };
    let hung = join_all((0..100).map(|_| get("hang.localhost")));
    let good = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        get("good.localhost").await
    };
    let (hung, good, ()) = tokio::join!(hung, good, serving);
    assert_eq!(good, Ok(204));
    assert!(
        hung.iter().all(|got| *got == Err(Error::Timeout)),
        "its own name server is its own fault: {hung:?}"
    );
    // All look-ups hang: who finds none is told so, and nothing is held against where he wanted to go.
    let names: Vec<String> = (1..LOOKUPS_MAX).map(|n| format!("hang.zone-{n}.localhost")).collect();
    let told = join_all(names.iter().map(|name| get(name))).await;
    assert!(told.iter().all(|got| *got == Err(Error::Timeout)), "{told:?}");
    assert_eq!(get("good.localhost").await, Err(Error::Busy));
    servers.let_go();
}
