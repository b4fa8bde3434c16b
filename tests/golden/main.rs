//! Golden: a journal of every released format, kept as files; every later build reads, verifies, folds and continues it.
//!
//! A folder holds segments, one base, signed heads, the audit key that signed them, and the digests that the fold must
//! give. `v1/` and `v2/` are of fold versions 1 and 2, `v3/` of the one that is being made: `GOLDEN_WRITE=1 cargo test
//! --release --locked --test golden` writes it anew, allowed until it is released, never after. A released folder is never
//! changed; a new format or fold version gets a folder of its own, and says in `of_v1.json`, … what each older journal
//! folds to with it.
//! `keycloak/` holds SETs of a real Keycloak, which the tests of `set` read.

mod kinds;
mod made;
mod names;
mod steps;
mod write;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use ssf_hub::hub::base::{self, hex};
use ssf_hub::hub::command::Command;
use ssf_hub::hub::entry::{Act, Body};
use ssf_hub::hub::spine::Spine;
use ssf_hub::hub::start::{self, States};
use ssf_hub::journal::verify::{Report, verify};
use ssf_hub::journal::{Folder, Payload, Position, Reader};
use ssf_hub::lineage::alias::Alias;
use ssf_hub::policy::reason::Reason;
use ssf_hub::tenant::{Seq, TenantId};

/// The folder whose fold version is that of this build, and the older ones.
const NEW: &str = "v3";
const OLD: [&str; 2] = ["v1", "v2"];

fn all() -> impl Iterator<Item = &'static str> {
    OLD.into_iter().chain([NEW])
}

/// What an older journal folds to, beside the journal of this build.
fn of(version: &str) -> String {
    format!("of_{version}.json")
}

fn folder(version: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version)
}

/// Two tests must not meet while one writes the files anew.
fn written(version: &str) -> PathBuf {
    static WRITTEN: std::sync::Once = std::sync::Once::new();
    WRITTEN.call_once(|| {
        if std::env::var_os("GOLDEN_WRITE").is_some() {
            let new = folder(NEW);
            // What is not there need not go.
            let _ = ["journal", "bases"].map(|name| std::fs::remove_dir_all(new.join(name)));
            let gone = ["heads.jws", "expected.json"].map(String::from).into_iter().chain(OLD.map(of));
            gone.for_each(|name| drop(std::fs::remove_file(new.join(name))));
            std::fs::create_dir_all(&new).unwrap();
            write::write(&new);
            for old in OLD {
                std::fs::write(new.join(of(old)), write::digests(&folded(&folder(old)))).unwrap();
            }
        }
    });
    folder(version)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let to = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &to);
        } else {
            std::fs::copy(item.path(), to).unwrap();
        }
    }
}

/// A copy that may be changed.
fn copied(version: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&written(version), dir.path());
    dir
}

fn reader(dir: &Path) -> Reader {
    Reader::open(Arc::new(Folder::read_only(&dir.join("journal")))).unwrap()
}

fn verified(dir: &Path) -> Report {
    let heads = write::seal(dir).signed_heads(dir, &hex(&reader(dir).id().0)).unwrap();
    let report = verify(&Folder::read_only(&dir.join("journal")), &heads).unwrap();
    assert_eq!((report.heads_agreed, report.heads_below), (heads.len(), 0));
    assert_eq!(heads.len(), 6, "two signatures over three tenants");
    report
}

fn folded(dir: &Path) -> States {
    let mut states = start::empty();
    start::fold(&mut reader(dir), Position::OLDEST, &mut states, |_, _| {}).unwrap();
    states
}

fn from_base(dir: &Path) -> (States, u64) {
    let bases = Folder::read_only(&dir.join("bases"));
    let names = base::names(&bases).unwrap();
    assert_eq!(names.len(), 1, "{names:?}");
    let (header, mut states) = base::read(&bases, &write::seal(dir), &names[0]).unwrap();
    let folded = start::fold(&mut reader(dir), header.position, &mut states, |_, _| {}).unwrap();
    (states, folded)
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every tenant has the last entry, the chain head and the digest that were written down; the digest by the build
/// whose fold version is this one's.
fn as_expected(dir: &Path, states: &States, report: &Report) {
    let expected = json(&dir.join("expected.json"));
    let version = format!("v{}", expected["fold_version"]);
    let of_old = OLD.contains(&version.as_str()).then(|| json(&written(NEW).join(of(&version))));
    assert_eq!(expected["journal"], report.journal.to_string());
    let tenants = expected["tenants"].as_object().unwrap();
    assert_eq!(tenants.len(), states.len());
    for (tenant, seq, head) in &report.tenants {
        let want = &tenants[tenant.as_str()];
        let state = &states[tenant];
        assert_eq!((want["seq"].as_u64(), state.seq()), (Some(seq.0), *seq), "{tenant}");
        assert_eq!(want["head"], hex(head), "{tenant}: the chain");
        assert_eq!(
            of_old.as_ref().map_or(&want["digest"], |old| &old[tenant.as_str()]),
            &hex(&state.digest()),
            "{tenant}: the state; a release that folds differently \
                   raises the fold version (DESIGN 8)"
        );
    }
}

fn bodies(dir: &Path) -> Vec<(TenantId, Seq, Position, Body)> {
    let mut reader = reader(dir);
    let mut out = vec![];
    for batch in reader.batches(Position::OLDEST).unwrap() {
        let batch = batch.unwrap();
        for entry in batch.entries {
            let Payload::Present(payload) = &entry.payload else { panic!("erased") };
            let body = Body::parse(entry.kind, entry.version, payload).unwrap();
            out.push((entry.tenant, entry.seq, batch.at, body));
        }
    }
    out
}

#[test]
fn the_journal_is_read_verified_and_folded_as_ever() {
    for version in all() {
        let dir = copied(version);
        let report = verified(dir.path());
        assert!(report.segments > 2 && report.entries > 100 && report.erased == 0, "{report:?}");
        as_expected(dir.path(), &folded(dir.path()), &report);
    }
}

#[test]
fn a_base_of_another_fold_version_is_passed_over() {
    for version in OLD {
        passed_over(version);
    }
}

fn passed_over(version: &str) {
    let dir = copied(version);
    let bases = Folder::read_only(&dir.path().join("bases"));
    let seal = write::seal(dir.path());
    let (header, states) = base::read(&bases, &seal, &base::names(&bases).unwrap()[0]).unwrap();
    assert!(format!("v{}", header.fold_version) == version && header.rows > 50 && states.is_empty());
    let report = verified(dir.path());
    let (journal, ..) = write::open(dir.path());
    let mut reader = reader(dir.path());
    let loaded = start::load(&bases, &mut reader, &seal, None, journal.id(), journal.end()).unwrap();
    assert_eq!((loaded.from, loaded.folded), (start::From::Zero, report.entries));
    as_expected(dir.path(), &loaded.states, &report);
}

#[test]
fn the_base_and_its_tail_fold_to_the_same() {
    let dir = copied(NEW);
    let (states, tail) = from_base(dir.path());
    let report = verified(dir.path());
    assert!(tail > 50 && tail < report.entries, "{tail}");
    as_expected(dir.path(), &states, &report);
}

#[test]
fn every_kind_of_entry_is_in_it() {
    let dir = copied(NEW);
    let mut met = BTreeSet::new();
    bodies(dir.path()).iter().for_each(|(.., body)| kinds::of(body, &mut met));
    let reasons = Reason::ALL.iter().map(|reason| format!("reason {}", reason.code()));
    let must = kinds::ALL.iter().chain(&kinds::ENDS).map(ToString::to_string).chain(reasons);
    let missing: Vec<String> = must.filter(|word| !met.contains(word)).collect();
    assert!(missing.is_empty(), "the golden journal lacks: {missing:?}");
}

#[test]
fn what_is_read_is_written_again_byte_for_byte() {
    for dir in all().map(copied) {
        let mut reader = reader(dir.path());
        for entry in reader.batches(Position::OLDEST).unwrap().flat_map(|batch| batch.unwrap().entries) {
            let Payload::Present(payload) = &entry.payload else { panic!("erased") };
            let again = Body::parse(entry.kind, entry.version, payload).unwrap().to_vec().unwrap();
            assert_eq!(
                String::from_utf8_lossy(&again),
                String::from_utf8_lossy(payload),
                "{}:{}",
                entry.tenant,
                entry.seq
            );
        }
    }
}

#[test]
fn it_opens_and_goes_on() {
    all().for_each(goes_on);
}

fn goes_on(version: &str) {
    let dir = copied(version);
    let before = folded(dir.path());
    let mut spine = write::spine(dir.path());
    let default = steps::tenant("default");
    let alias = Alias::new("agent", "", "nightly");
    let target = ssf_hub::hub::entry::Named { hashes: steps::subject_key().hashes(&alias), alias };
    let act = Act { by: "later".into(), target, reason: "a later build".into() };
    let (answer, mut got) = tokio::sync::oneshot::channel();
    let (told, mut based) = tokio::sync::oneshot::channel();
    let kill = Command::Act { tenant: default.clone(), kill: true, act, answer };
    let (bases, seal) = (Folder::open(&dir.path().join("bases")).unwrap(), write::seal(dir.path()));
    let write = move |_: &Spine, snapshot| drop(told.send(base::write(&snapshot, &bases, &seal, 9)));
    spine.batch(vec![kill, Command::Snapshot(Box::new(write))], vec![]).unwrap();
    let done = got.try_recv().unwrap().unwrap();
    assert!(done.id.seq > before[&default].seq() && done.decision.is_some(), "{done:?}");
    based.try_recv().unwrap().unwrap();
    let live: Vec<_> = spine.states().values().map(|state| state.digest()).collect();
    drop(spine);
    verified(dir.path());
    let again: Vec<_> = folded(dir.path()).values().map(|state| state.digest()).collect();
    assert_eq!(live, again);
}

#[test]
fn an_erased_payload_leaves_the_chain_whole() {
    let dir = copied(NEW);
    let report = verified(dir.path());
    let all = bodies(dir.path());
    let (tenant, seq, at, _) = all.iter().find(|(.., body)| matches!(body, Body::Set(_))).unwrap().clone();
    let (mut journal, _, _) = write::open(dir.path());
    assert_eq!(journal.erase(&[(at, tenant.clone(), seq)]).unwrap(), 1);
    drop(journal);

    let erased = verified(dir.path());
    assert_eq!((erased.erased, &erased.tenants), (1, &report.tenants), "the chain is the same to its heads");
    let holds = |secret: &[u8]| {
        let files = std::fs::read_dir(dir.path().join("journal")).unwrap();
        files.into_iter().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(secret.len()).any(|window| window == secret)
        })
    };
    assert!(!holds(b"golden-1.c2ln") && holds(b"golden-2.c2ln"), "what was erased is gone, and only that");
    let error = start::fold(&mut reader(dir.path()), Position::OLDEST, &mut start::empty(), |_, _| {});
    let text = error.unwrap_err().to_string();
    assert!(text.contains(&format!("{tenant}:{seq}")) && text.contains("erased"), "{text}");
    as_expected(dir.path(), &from_base(dir.path()).0, &erased);
}

#[test]
fn writing_it_again_gives_the_same_bytes() {
    let (kept, fresh) = (written(NEW), tempfile::tempdir().unwrap());
    copy(&kept.join("keys"), &fresh.path().join("keys"));
    write::write(fresh.path());
    let files = |dir: &Path, part: &str| -> Vec<(String, Vec<u8>)> {
        let item = |item: std::fs::DirEntry| {
            let name = item.file_name().into_string().unwrap();
            let bytes = std::fs::read(item.path()).unwrap();
            (name, unsigned(&bytes))
        };
        let mut all: Vec<_> = std::fs::read_dir(dir.join(part)).unwrap().map(|i| item(i.unwrap())).collect();
        all.sort();
        all
    };
    for part in ["journal", "bases"] {
        let (old, new) = (files(&kept, part), files(fresh.path(), part));
        let names = |all: &[(String, Vec<u8>)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&old), names(&new));
        for ((name, old), (_, new)) in old.iter().zip(&new) {
            assert!(old == new, "{part}/{name} is written differently by this build");
        }
    }
    for file in ["expected.json", "heads.jws"] {
        let read = |dir: &Path| unsigned(&std::fs::read(dir.join(file)).unwrap());
        assert!(read(&kept) == read(fresh.path()), "{file} is written differently by this build");
    }
}

/// Without the signature part of compact JWS at the beginning of lines: ES256 never signs twice alike.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let jws = line.starts_with(b"eyJ") && line.iter().filter(|byte| **byte == b'.').count() == 2;
        let end = line.iter().rposition(|byte| *byte == b'.').filter(|_| jws).unwrap_or(line.len());
        out.extend_from_slice(&line[..end]);
    }
    out
}

#[test]
fn it_is_small() {
    fn bytes(dir: &Path) -> u64 {
        let size = |item: std::fs::DirEntry| match item.metadata().unwrap() {
            meta if meta.is_dir() => bytes(&item.path()),
            meta => meta.len(),
        };
        std::fs::read_dir(dir).unwrap().map(|item| size(item.unwrap())).sum()
    }
    assert!(all().all(|version| bytes(&written(version)) < 200_000));
}
