//! Entries of the golden journal that stand as they are: outcomes, and a decision of every reason.
//!
//! Beside `steps`, which are inputs. Made by hand, so that they hold every kind of key, basis, effect and end whatever
//! the rules of the build conclude.

use ssf_hub::hub::entry::{Body, Decision, Derived, Fate, Lifted, Outcome, Touched};
use ssf_hub::lineage::alias::Alias;
use ssf_hub::lineage::node::{How, NodeId};
use ssf_hub::policy::reason::Reason;
use ssf_hub::revocation::key::{KeyHash, Kind};
use ssf_hub::revocation::record::{Basis, Effect, Record, Until};
use ssf_hub::stream::StreamNo;
use ssf_hub::tenant::Seq;

use crate::steps::{CAEP, T0_MS, raw};

/// A decision that stands on its own: one of every reason, and through them every kind, basis, effect and end.
fn decision(n: usize, reason: Reason, cause: Seq) -> Decision {
    let key = |k: usize| KeyHash([(17 * n + k) as u8; 16]);
    let record = |k: usize| Record {
        kind: KINDS[(n + k) % KINDS.len()],
        key: key(k),
        until: if (n + k).is_multiple_of(2) { Until::Hold } else { Until::Watermark(T0_MS + n as i64) },
        effect: if n.is_multiple_of(4) { Effect::Suspend } else { Effect::Deny },
        basis: BASES[(n + k) % BASES.len()],
        reason_code: reason.code().into(),
        expires_at: (!n.is_multiple_of(3)).then_some(T0_MS + 86_400_000 + n as i64),
    };
    let lifted =
        |basis| Lifted { kind: Kind::User, key: key(0), basis, at_ms: T0_MS, expires_at: T0_MS + 90_000_000 };
    let derived = Derived {
        uri: format!("{CAEP}session-revoked"),
        sub_id: raw(r#"{"format":"jwt_id","iss":"https://as.example","jti":"t-day"}"#),
        event: raw(r#"{"initiating_entity":"policy"}"#),
        echo: KeyHash([n as u8; 16]),
    };
    Decision {
        cause,
        txn: format!("made-{n}"),
        rule: "golden@1".into(),
        reason_code: reason.code().into(),
        path: vec![format!("step {n}")],
        records: vec![record(0), record(1)],
        lifted: if n % 7 == 6 { BASES.map(lifted).into() } else { vec![] },
        ends: vec![(NodeId::new(Seq(3 + n as u64), 0), HOWS[n % HOWS.len()])],
        revived: if n % 5 == 4 {
            vec![(NodeId::new(Seq(2 + n as u64), 0), HOWS[(n - 1) % HOWS.len()])]
        } else {
            vec![]
        },
        derived: if n.is_multiple_of(6) { vec![derived] } else { vec![] },
        touched: Touched {
            runs: n as u32,
            tokens: 1,
            truncated: n % 9 == 8,
            left_out: (n % 4) as u32,
            ambiguous: n % 8 == 7,
        },
        closed: if n % 10 == 9 { vec![Alias::new("email", "", "old@example.com")] } else { vec![] },
        residual: if n % 9 == 8 { vec!["run far".into()] } else { vec![] },
    }
}

pub const KINDS: [Kind; 12] = [
    Kind::Jti,
    Kind::Run,
    Kind::RootRun,
    Kind::Session,
    Kind::Agent,
    Kind::Client,
    Kind::User,
    Kind::OnBehalfOf,
    Kind::Workload,
    Kind::Tool,
    Kind::Tenant,
    Kind::Cnf,
];
pub const BASES: [Basis; 8] = [
    Basis::Issued,
    Basis::LoggedOut,
    Basis::Ended,
    Basis::Disabled,
    Basis::Outdated,
    Basis::Pending,
    Basis::Suspended,
    Basis::Killed,
];
pub const HOWS: [How; 7] =
    [How::Suspended, How::LoggedOut, How::Completed, How::Deadline, How::Revoked, How::Disabled, How::Killed];

/// Entries that stand as they are, behind the steps: outcomes for what is owed, and decisions of every reason.
pub fn made(last: Seq, owed: &[(StreamNo, Seq, u32)]) -> Vec<Body> {
    let fate = |n: usize| if n.is_multiple_of(2) { Fate::Delivered } else { Fate::GaveUp };
    let why = |n: usize| (n % 2 == 1).then(|| "the receiver answered 410".into());
    let outcome =
        |(n, (no, seq, index)): (usize, &(StreamNo, Seq, u32))| Outcome(*no, *seq, *index, fate(n), why(n));
    let mut out = vec![Body::Outcomes(owed.iter().take(3).enumerate().map(outcome).collect())];
    let mut seq = last.next();
    for (n, reason) in Reason::ALL.iter().enumerate() {
        out.push(Body::Tick);
        seq = seq.next();
        out.push(Body::Decision(decision(n, *reason, seq)));
        seq = seq.next();
    }
    out
}
