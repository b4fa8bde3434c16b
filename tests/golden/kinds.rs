//! What the golden journal must hold: one word for every variant of every released enum.
//!
//! Each match has no wildcard: a variant that is added does not compile until it is given a word here, and then the test
//! fails until the journal holds it.

use std::collections::BTreeSet;

use ssf_hub::hub::entry::{Body, Decision, Fate, Route};
use ssf_hub::hub::object::{Object, ObjectKind};
use ssf_hub::lineage::fact::{EdgeType, Fact};
use ssf_hub::lineage::node::{Class, How};
use ssf_hub::revocation::key::Kind;
use ssf_hub::revocation::record::{Basis, Effect, Until};
use ssf_hub::stream::Method;

/// Every word that must be met.
pub const ALL: [&str; 73] = [
    "put",
    "remove",
    "keys",
    "set",
    "fact",
    "kill",
    "lift",
    "decision",
    "outcomes",
    "tick",
    "clock_accepted",
    "tenant",
    "operator",
    "upstream",
    "token_issuer",
    "stream",
    "client",
    "point",
    "removed point",
    "push",
    "poll",
    "route forward",
    "route control",
    "route beyond",
    "route echo",
    "route heard",
    "fact agent",
    "fact run",
    "fact token",
    "fact tool",
    "fact edge",
    "fact complete",
    "edge session_of",
    "edge on_device",
    "edge runs_on",
    "edge exchanged_into",
    "edge presented_to",
    "edge may_use",
    "edge owns",
    "edge alias_of",
    "class human",
    "class agent",
    "class automation",
    "class workload",
    "key jti",
    "key run",
    "key root_run",
    "key session",
    "key agent",
    "key client",
    "key user",
    "key on_behalf_of",
    "key workload",
    "key tool",
    "key tenant",
    "key cnf",
    "watermark",
    "hold",
    "deny",
    "suspend",
    "issued",
    "logged_out",
    "ended",
    "disabled",
    "outdated",
    "pending",
    "suspended",
    "killed",
    "delivered",
    "gave up",
    "lifted",
    "closed",
    "ambiguous",
];

/// How a node can end.
pub const ENDS: [&str; 7] = [
    "end suspended",
    "end logged_out",
    "end completed",
    "end deadline",
    "end revoked",
    "end disabled",
    "end killed",
];

/// What an entry's payload holds.
pub fn of(body: &Body, met: &mut BTreeSet<String>) {
    met.insert(body.name().into());
    match body {
        Body::Put { object, .. } => of_object(object, met),
        Body::Remove { kind, .. } => drop(met.insert(format!("removed {}", object_kind(*kind)))),
        Body::Set(set) => drop(met.insert(route(set.route).into())),
        Body::Fact(fact) => of_fact(&fact.fact, met),
        Body::Decision(decision) => of_decision(decision, met),
        Body::Outcomes(outcomes) => outcomes.iter().for_each(|outcome| {
            met.insert(fate(outcome.3).into());
        }),
        Body::Keys(_) | Body::Kill(_) | Body::Lift(_) | Body::Tick | Body::ClockAccepted { .. } => {}
        Body::Subjects(_) | Body::Status(_) | Body::Control(_) => {}
    }
}

fn of_object(object: &Object, met: &mut BTreeSet<String>) {
    met.insert(object_kind(object.kind()).into());
    match object {
        Object::Stream(stream) => met.insert(
            match stream.method {
                Method::Push => "push",
                Method::Poll => "poll",
            }
            .into(),
        ),
        Object::Tenant(_) | Object::Operator(_) | Object::Upstream(_) => false,
        Object::TokenIssuer(_) | Object::Client(_) | Object::Point(_) => false,
    };
}

fn object_kind(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Tenant => "tenant",
        ObjectKind::Operator => "operator",
        ObjectKind::Upstream => "upstream",
        ObjectKind::TokenIssuer => "token_issuer",
        ObjectKind::Stream => "stream",
        ObjectKind::Client => "client",
        ObjectKind::Point => "point",
    }
}

fn route(route: Route) -> &'static str {
    match route {
        Route::Forward => "route forward",
        Route::Control => "route control",
        Route::Beyond => "route beyond",
        Route::Echo => "route echo",
        Route::Heard => "route heard",
    }
}

fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Delivered => "delivered",
        Fate::GaveUp => "gave up",
    }
}

fn of_fact(fact: &Fact, met: &mut BTreeSet<String>) {
    let word = match fact {
        Fact::Agent(agent) => {
            met.insert(format!("class {}", class(agent.class)));
            "agent"
        }
        Fact::Run(_) => "run",
        Fact::Token(_) => "token",
        Fact::Tool(_) => "tool",
        Fact::Edge(edge) => {
            met.insert(format!("edge {}", edge_type(edge.kind)));
            "edge"
        }
        Fact::Complete { .. } => "complete",
    };
    met.insert(format!("fact {word}"));
}

/// Only some can be registered; the others come about by facts that name them.
fn class(class: Class) -> &'static str {
    match class {
        Class::Human => "human",
        Class::Agent => "agent",
        Class::Automation => "automation",
        Class::Workload => "workload",
        Class::Unknown | Class::Tool | Class::Device | Class::Session | Class::Run | Class::Token => {
            "that no agent fact may have"
        }
    }
}

fn edge_type(kind: EdgeType) -> &'static str {
    match kind {
        EdgeType::SessionOf => "session_of",
        EdgeType::OnDevice => "on_device",
        EdgeType::RunsOn => "runs_on",
        EdgeType::ExchangedInto => "exchanged_into",
        EdgeType::PresentedTo => "presented_to",
        EdgeType::MayUse => "may_use",
        EdgeType::Owns => "owns",
        EdgeType::AliasOf => "alias_of",
    }
}

fn of_decision(decision: &Decision, met: &mut BTreeSet<String>) {
    met.insert(format!("reason {}", decision.reason_code));
    for record in &decision.records {
        met.insert(format!("key {}", key(record.kind)));
        let until = match record.until {
            Until::Watermark(_) => "watermark",
            Until::Hold => "hold",
        };
        let effect = match record.effect {
            Effect::Deny => "deny",
            Effect::Suspend => "suspend",
        };
        met.extend([until, effect, basis(record.basis)].map(String::from));
    }
    if !decision.lifted.is_empty() {
        met.insert("lifted".into());
    }
    if !decision.closed.is_empty() {
        met.insert("closed".into());
    }
    if decision.touched.ambiguous {
        met.insert("ambiguous".into());
    }
    met.extend(decision.ends.iter().map(|(_, how)| end(*how).into()));
    met.extend(decision.revived.iter().map(|(_, how)| format!("taken back: {}", end(*how))));
}

fn key(kind: Kind) -> &'static str {
    match kind {
        Kind::Jti => "jti",
        Kind::Run => "run",
        Kind::RootRun => "root_run",
        Kind::Session => "session",
        Kind::Agent => "agent",
        Kind::Client => "client",
        Kind::User => "user",
        Kind::OnBehalfOf => "on_behalf_of",
        Kind::Workload => "workload",
        Kind::Tool => "tool",
        Kind::Tenant => "tenant",
        Kind::Cnf => "cnf",
    }
}

fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Issued => "issued",
        Basis::LoggedOut => "logged_out",
        Basis::Ended => "ended",
        Basis::Outdated => "outdated",
        Basis::Pending => "pending",
        Basis::Disabled => "disabled",
        Basis::Suspended => "suspended",
        Basis::Killed => "killed",
    }
}

fn end(how: How) -> &'static str {
    match how {
        How::Suspended => "end suspended",
        How::LoggedOut => "end logged_out",
        How::Completed => "end completed",
        How::Deadline => "end deadline",
        How::Revoked => "end revoked",
        How::Disabled => "end disabled",
        How::Killed => "end killed",
    }
}
