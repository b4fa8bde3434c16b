//! `ssf-hub serve`: start, run, stop.
//!
//! Nothing is bound before the states are loaded and the configuration is in the journal. SIGTERM: not ready, let
//! running requests finish, at most 10 s; then the sequencer writes what waits, and the mirror.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;

use super::backup::Backups;
use super::bases::Bases;
use super::keeping::{self, Keeper};
use super::running::{Running, Signals};
use super::seal::AuditSeal;
use super::store::{Opened, Places, open_store};
use super::tasks::Tasks;
use super::wiring::Wiring;
use super::{authorization, listeners, notes, projections, reconcile, schedule, trust};
use crate::api::{self, Api};
use crate::auth;
use crate::auth::rate::{PRINCIPALS_MAX, Rate};
use crate::clock::{OsChance, SharedChance, SharedClock, Stopwatch, System};
use crate::config::Config;
use crate::egress::Egress;
use crate::gate::judge::{self, Gate};
use crate::history::why::Journaled;
use crate::hub;
use crate::hub::mirror::Feed;
use crate::hub::sequencer::{Hub, Limits, sequencer};
use crate::hub::spine::{Parts, Spine};
use crate::hub::view::Views;
use crate::journal::Folder;
use crate::operations::Operations;
use crate::outbox::destinations::Destinations;
use crate::outbox::outcomes::Outcomes;
use crate::outbox::queues::Outbox;
use crate::receiver::{self, issuers::Issuers, push::Door};
use crate::telemetry;
use crate::tenant::TenantId;
use crate::transmitter::{self, issue::Issuer, poll, pool::Pool, push, signer::Signer};

/// Time and chance of a hub.
#[derive(Clone)]
pub struct Runtime {
    /// What time it is.
    pub clock: SharedClock,
    /// Where randomness comes from.
    pub chance: SharedChance,
}

impl Default for Runtime {
    fn default() -> Self {
        Self { clock: Arc::new(System), chance: Arc::new(OsChance) }
    }
}

/// Starts a hub; it is ready when this returns.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    start_with(config, Runtime::default()).await
}

/// Starts a hub with another clock or another source of randomness.
pub async fn start_with(config: Config, runtime: Runtime) -> anyhow::Result<Running> {
    let began = Stopwatch::start();
    let Runtime { clock, chance } = runtime;
    // It reads the system's certification authorities, which takes longer than all of a small state.
    let sending = config.egress.clone();
    let egress = tokio::task::spawn_blocking(move || Egress::new(&sending));
    let places = Places::under(&config.data_dir);
    anyhow::ensure!(
        !super::restore::is_unfinished(&places.root),
        "a restore into {} was interrupted: empty the directory and restore again",
        places.root.display()
    );
    crate::folders::private(&places.root)
        .with_context(|| format!("the data directory {} cannot be made", places.root.display()))?;
    // The lock comes first: a second hub on this directory must not make keys beside the first one's.
    let disk = Arc::new(Folder::open(&places.journal).context("the journal's directory cannot be opened")?);
    let keys = Arc::new(super::convert::keys(&config, &places, (clock.clone(), chance.clone()), true)?);
    let resealed = keys.resealed();
    if resealed.written > 0 {
        tracing::info!(files = resealed.files, written = resealed.written, "key files are sealed anew");
    }
    let seal = Arc::new(AuditSeal::new(&keys)?);
    let bases = Folder::open(&places.bases).context("the bases' directory cannot be opened")?;
    // A long history takes its time: elsewhere, so that whoever calls can give up meanwhile.
    let (at, with, sealed, random) = (places.clone(), config.clone(), seal.clone(), chance.clone());
    let opening = tokio::task::spawn_blocking(move || {
        open_store(&at, &with, &sealed, (disk, &bases), random).map(|opened| (opened, bases))
    });
    let (Opened { journal, loaded, mirror }, bases) =
        opening.await.context("the store cannot be opened")??;
    tracing::info!(
        from = ?loaded.from,
        folded = loaded.folded,
        tenants = loaded.states.len(),
        ms = began.elapsed().as_millis() as u64,
        "states loaded"
    );

    let page = Arc::new(telemetry::Metrics::new());
    let operations = Arc::new(Operations::open(&places.root, clock.clone())?);
    let (noting, noted) = notes::channel();
    let egress = Arc::new(egress.await.context("the clients for what is sent cannot be made")??);
    let (stop, stopping) = watch::channel(false);
    let views = Arc::new(Views::default());
    let outbox = Arc::new(Outbox::default());
    let gate_config = judge::Config {
        jwks: config.jwks.clone(),
        cached_tokens: config.gate.cached_tokens,
        token_bytes_max: config.gate.token_bytes_max,
    };
    let gate = Arc::new(Gate::new(gate_config, clock.clone(), egress.clone()));
    page.with(|registry| gate.register(registry));
    page.with(|registry| registry.register_collector(Box::new(crate::keys::metrics::Ages(keys.clone()))));
    let metrics = hub::metrics::Metrics::new(&page);
    let (wake, ring) = projections::bell();
    let durable = Arc::new(Mutex::new(journal.durable_end()));
    let wiring = Arc::new(Wiring {
        views: views.clone(),
        outbox: outbox.clone(),
        gate: gate.clone(),
        keys: keys.clone(),
        metrics: metrics.clone(),
        sets: Default::default(),
        durable: durable.clone(),
        wake: ring.clone(),
        noting,
    });

    let journal_id = journal.id();
    let feed = mirror.is_some().then(|| Arc::new(Feed::default()));
    let mut spine = Spine::new(
        journal,
        loaded.states,
        Parts {
            clock: clock.clone(),
            sink: wiring.clone(),
            mirror: feed.clone(),
            leap_max_ms: config.clock.leap_max_ms,
            bounds: super::convert::bounds(&config),
        },
    );
    spine.mirror_tail();
    spine.publish_all();
    spine.decide_late(loaded.undecided)?;
    let limits = Limits { batch_max: config.journal.batch_max, in_flight_max: config.limits.in_flight_max };
    let (hub, sequencer) = sequencer(spine, limits);
    let (ended_tx, ended) = tokio::sync::oneshot::channel();
    let sequencer_thread = thread("sequencer", move || {
        let ended = sequencer.run();
        // Nobody listens any more when the process is already stopping.
        let _ = ended_tx.send(());
        ended
    })?;
    let mirror_thread = match (feed, mirror) {
        (Some(feed), Some(mut mirror)) => {
            let run = feed.clone();
            Some((feed, thread("mirror", move || run.run(&mut mirror))?))
        }
        _ => None,
    };

    let credential = reconcile::found(&hub, &places.root, &*chance).await?;
    let changed = reconcile::apply_file(&hub, &keys, config.objects().to_vec(), config.source()).await?;
    let revised = reconcile::revise_streams(&hub).await?;
    if revised > 0 {
        tracing::info!(revised, "streams follow the rights that their receivers have now");
    }
    if changed > 0 {
        tracing::info!(changed, "objects of the configuration file that are new or changed are journaled");
    }

    let tasks = Tasks::default();
    let transmitting = super::convert::transmitter(&config);
    let issuer = Issuer::new(journal_id.0, &config.public_url);
    let pool = Pool::start(transmitting.sign_parallel()).context("no signing thread can start")?;
    let signer = Arc::new(Signer::new(issuer.clone(), keys.clone(), pool, transmitting.signed_cache_max));
    let outcomes: Arc<dyn Outcomes> = Arc::new(Telling(hub.clone()));
    let transmitted = transmitter::metrics::Metrics::default();
    page.with(|registry| transmitted.register(registry, outbox.clone(), signer.made()));
    let destinations = Arc::new(Destinations::new(transmitting.bounds()));
    page.with(|registry| transmitted.register_destinations(registry, destinations.clone()));
    tasks.spawn("notes", notes::keep(noted, operations.clone(), stopping.clone()));
    tasks.spawn(
        "certification authorities",
        trust::watch(egress.clone(), operations.clone(), stopping.clone()),
    );
    let spawn = tasks.spawner();
    let push = push::Push::new(push::Parts {
        outbox: outbox.clone(),
        destinations: destinations.clone(),
        signer: signer.clone(),
        egress: egress.clone(),
        keys: keys.clone(),
        outcomes: outcomes.clone(),
        clock: clock.clone(),
        chance: chance.clone(),
        config: transmitting.clone(),
        metrics: transmitted.clone(),
        operations: operations.clone(),
        spawn: spawn.clone(),
        shutdown: stopping.clone(),
    });
    tasks.spawn("push streams", push.run());

    let (kafka_health, kafka_told) = projections::show(&config, &page);
    let ready = Arc::new(AtomicBool::new(false));
    let door = Door {
        hub: hub.clone(),
        views: views.clone(),
        issuers: Issuers::new(config.jwks.clone(), egress.clone(), clock.clone()),
        keys: keys.clone(),
        rate: Rate::new(PRINCIPALS_MAX),
        operations: operations.clone(),
        metrics: receiver::metrics::Metrics::new(&page),
        clock: clock.clone(),
        own_issuer_prefix: format!("{}/t/", config.public_url),
        max_bytes: config.limits.set_bytes,
    };
    let editing = Arc::<api::editing::Editing>::default();
    let bases = Arc::new(Bases {
        hub: hub.clone(),
        disk: Arc::new(bases),
        seal: seal.clone(),
        root: places.root.clone(),
        keep: config.journal.bases_kept,
        clock: clock.clone(),
        metrics: metrics.clone(),
        one: tokio::sync::Mutex::new(()),
    });
    metrics.base(clock.wall_ms());
    let backups = Arc::new(Backups {
        bases: bases.clone(),
        places: places.clone(),
        keys: keys.clone(),
        seal: seal.clone(),
        clock: clock.clone(),
        editing: editing.clone(),
        one: tokio::sync::Mutex::new(()),
    });
    let keeper = Keeper {
        hub: hub.clone(),
        views: views.clone(),
        activity: Arc::default(),
        operations: operations.clone(),
        stopped: page.counter("streams_inactive", "Streams stopped because their receiver was silent"),
        clock: clock.clone(),
        announce_ms: config.ssf.announce_ms,
    };
    keeping::start(keeper.clone(), &tasks, &config.ssf.keep_alive_cron, &stopping);
    let (judge, token_server) = authorization::build(authorization::Parts {
        config: &config,
        views: views.clone(),
        keys: keys.clone(),
        egress: egress.clone(),
        clock: clock.clone(),
        chance: chance.clone(),
        operations: operations.clone(),
        spawn: spawn.clone(),
    });
    let api = Arc::new(Api {
        hub: hub.clone(),
        judge,
        token_server,
        authorization: auth::metrics::Metrics::new(&page),
        views,
        door,
        poll: poll::Poll::new(poll::Parts {
            outbox: outbox.clone(),
            signer: signer.clone(),
            outcomes,
            clock: clock.clone(),
            config: transmitting,
            metrics: transmitted.clone(),
            operations: operations.clone(),
            shutdown: stopping.clone(),
        }),
        gate,
        issuer,
        keys: keys.clone(),
        jwks_max_age_s: config.keys.jwks_max_age_s,
        rate: Rate::new(PRINCIPALS_MAX),
        clock: clock.clone(),
        operations,
        metrics,
        page: page.clone(),
        outbox,
        destinations,
        egress,
        history: Arc::new(Journaled::new(super::origins::journals(&places))),
        ready: ready.clone(),
        editing,
        base: base_of(&bases),
        backup: Arc::new(move |dir| Box::pin(backups.clone().write(dir))),
        kafka: kafka_told,
        ssf: api::ssf::Ssf {
            public_url: config.public_url.clone(),
            calls: Rate::new(PRINCIPALS_MAX),
            calls_per_s: config.ssf.calls_per_s,
            intervals: Default::default(),
            activity: keeper.activity.clone(),
            announce_ms: config.ssf.announce_ms,
        },
        sizes: api::Sizes {
            set: config.limits.set_bytes,
            fact: config.limits.facts_bytes,
            poll: config.limits.poll_bytes,
            admin: config.limits.admin_bytes,
            timeout: Duration::from_millis(config.limits.body_read_timeout_ms),
        },
    });
    let projection = projections::start(
        projections::Parts {
            config: &config,
            places: &places,
            journal: journal_id,
            durable,
            keys: keys.clone(),
            operations: api.operations.clone(),
            seal: seal.clone(),
            health: kafka_health,
        },
        wake,
        ring,
    )?;
    let operations = api.operations.clone();
    let parts = listeners::Parts { config: &config, page: &page, clock: &clock, operations: &operations };
    let [public_at, admin_at] = listeners::open(parts, api, (&tasks, &stopping)).await?;
    let counts = super::rotation::counts(&page);
    let rotating =
        super::rotation::Parts { keys, operations, hub: hub.clone(), clock: clock.clone(), counts };
    tasks.spawn("signing keys", super::rotation::run(rotating, config.keys.rotate.clone(), stopping.clone()));
    tasks.spawn(
        "chain heads",
        schedule::heads(
            hub.clone(),
            seal,
            places.root.clone(),
            clock.clone(),
            config.journal.heads_signed_every_s,
            stopping.clone(),
        ),
    );
    tasks.spawn("bases", schedule::bases(bases, config.journal.base_cron.clone(), clock, stopping));
    ready.store(true, Ordering::Release);
    let ms = began.elapsed().as_millis() as u64;
    tracing::info!(public = %public_at, admin = %admin_at, public_url = config.public_url, ms, "ready");
    let running = Running {
        hub,
        public: public_at,
        admin: admin_at,
        credential,
        tasks,
        stop,
        ready,
        signer,
        sequencer: Some(sequencer_thread),
        mirror: mirror_thread,
        projection,
    };
    running.watch_sequencer(ended);
    Ok(running)
}

fn base_of(bases: &Arc<Bases>) -> api::Base {
    let bases = bases.clone();
    Arc::new(move || {
        let bases = bases.clone();
        Box::pin(async move { bases.write().await })
    })
}

struct Telling(Hub);

impl Outcomes for Telling {
    fn tell(&self, tenant: &TenantId, outcome: hub::entry::Outcome) {
        self.0.tell(tenant, outcome);
    }
}

fn thread<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .with_context(|| format!("thread {name} cannot start"))
}

/// Runs a hub until it is told to stop.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let running = tokio::select! {
        running = start(config) => running?,
        // Whatever was answered by then is durable; what is half done is begun anew at the next start, as after a kill.
        () = signals.come() => return Ok(()),
    };
    tokio::select! {
        () = signals.come() => {}
        () = running.ended() => {}
    }
    running.stop().await
}
