//! What is taken back: by an operator's lift, an enabled account, a compliant device.
//!
//! In the flow: as `conclude`, for a plan that gives back. A hold becomes a watermark at the time of the lift: who
//! was stopped may mint again, old tokens stay dead. Only holds on the lift's own basis are touched, and
//! nothing that somebody else stopped too (the walk with `Reach::Lifting` leaves that out).

use super::conclude::{Conclusion, Context, Lifted};
use super::keys::{self, Subject};
use super::plan::Lift;
use crate::lineage::affected::Affected;
use crate::lineage::keyed::KeyHash;
use crate::lineage::node::NodeId;
use crate::revocation::key::Kind;
use crate::revocation::record::{Standing, Until};

/// What a lift gives back, given what stands under each key.
pub fn conclude<'s>(
    lift: &Lift,
    subject: &Subject<'_>,
    affected: &Affected,
    context: &Context<'_>,
    standing: impl Fn(KeyHash) -> &'s [Standing],
) -> Conclusion {
    let mut out = Conclusion::new(lift.reason, affected);
    let mut keys = subject.every_key(affected);
    for session in &affected.sessions {
        keys.extend(keys::of_kind(&session.names, Kind::Session));
    }
    for run in &affected.runs {
        keys.extend(keys::of_run(&run.name, run.root));
    }
    for token in &affected.tokens {
        keys.extend(keys::of_kind(std::slice::from_ref(&token.name), Kind::Jti));
    }
    let (at_ms, mut seen) = (context.times.accepted_ms, std::collections::BTreeSet::new());
    for (kind, key) in keys {
        let held = standing(key).iter().any(|old| old.basis == lift.basis && old.until == Until::Hold);
        if held && seen.insert((kind, key)) {
            let (basis, expires_at) = (lift.basis, context.times.outlived_ms(at_ms));
            out.lifted.push(Lifted { kind, key, basis, at_ms, expires_at });
        }
    }
    let starts =
        affected.starts.iter().filter(|s| s.ends.iter().any(|end| end.how == lift.how)).map(|s| s.node);
    let sessions = affected.sessions.iter().filter(|s| s.ends.contains(&lift.how)).map(|s| s.node);
    let runs = affected.runs.iter().filter(|run| run.ends.contains(&lift.how)).map(|run| run.node);
    let tokens = affected.tokens.iter().filter(|t| t.ends.contains(&lift.how)).map(|t| t.node);
    let mut revived: Vec<NodeId> = starts.chain(sessions).chain(runs).chain(tokens).collect();
    revived.sort();
    revived.dedup();
    out.revived = revived.into_iter().map(|id| (id, lift.how)).collect();
    if !out.lifted.is_empty() || !out.revived.is_empty() {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let back = |dead: Option<_>| dead == Some(lift.how);
        out.runs = count(affected.runs.iter().filter(|run| back(run.dead)).count());
        out.tokens = count(affected.tokens.iter().filter(|token| back(token.dead)).count());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::plan::Stop;
    use super::super::sample::{CAEP, NOW_MS, RISC, World};
    use crate::lineage::alias::Alias;
    use crate::lineage::node::Class;
    use crate::lineage::sample::{IDP, alias, company, run, token};

    #[test]
    fn a_lift_gives_back_what_is_minted_later() {
        let mut world = World::new(company());
        let bot = world.told.id("agent", "", "bot");
        let client = Alias::new("client", "https://as", "bot");
        world.act(&Stop::kill(), bot, Class::Agent);
        world.told.tell(&run("late", "bot", ""));
        world.born(world.told.run("late"));
        assert_eq!(world.carries(&client, i64::MAX), ["client", "agent"]);
        assert!(world.told.graph.is_dead(world.told.run("night")).is_some());
        let out = world.unkill(bot, Class::Agent);
        assert!(out.changes(|key| world.at(key)));
        assert_eq!(world.carries(&client, NOW_MS), ["client", "agent"]);
        assert!(world.carries(&client, NOW_MS + 1).is_empty());
        assert!(world.told.graph.is_dead(world.told.run("night")).is_none());
        assert!(world.carries(&Alias::new("run", "", "late"), NOW_MS + 1).is_empty());
        assert_eq!(world.gates(), "DDDD", "old tokens stay dead");
        assert!(world.unkill(world.told.run("night"), Class::Run).lifted.is_empty());
    }

    #[test]
    fn what_another_stopped_too_stays() {
        let mut world = World::new(company());
        let alice = world.told.id("iss_sub", IDP, "alice");
        let bot = world.told.id("agent", "", "bot");
        world.act(&Stop::kill(), world.told.run("day"), Class::Run);
        world.act(&Stop::kill(), alice, Class::Human);
        world.act(&Stop::kill(), bot, Class::Agent);
        world.unkill(bot, Class::Agent);
        let later = NOW_MS + 1;
        for id in ["day", "night"] {
            assert!(!world.carries(&Alias::new("run", "", id), later).is_empty(), "{id}");
        }
        world.unkill(alice, Class::Human);
        assert!(world.carries(&Alias::new("run", "", "night"), later).is_empty());
        assert!(!world.carries(&Alias::new("run", "", "day"), later).is_empty());
        world.unkill(world.told.run("day"), Class::Run);
        assert!(world.told.graph.is_dead(world.told.run("sub")).is_none());
        assert!(world.carries(&Alias::new("run", "", "day"), later).is_empty());
    }

    #[test]
    fn enabled_and_compliant_again() {
        let alice = r#"{"format":"email","email":"alice@example.com"}"#;
        let device = r#"{"format":"complex","device":{"format":"opaque","id":"laptop"}}"#;
        let hers = r#"{"format":"complex","device":{"format":"opaque","id":"laptop"},"user":{"format":"email","email":"alice@example.com"}}"#;
        let compliance = format!("{CAEP}device-compliance-change");
        let unfit = r#"{"previous_status":"compliant","current_status":"not-compliant"}"#;
        let fit = r#"{"previous_status":"not-compliant","current_status":"compliant"}"#;
        let (disabled, enabled) = (format!("{RISC}account-disabled"), format!("{RISC}account-enabled"));
        let cases = [
            (&disabled, "{}", &enabled, "{}", alice, true),
            (&disabled, r#"{"reason":"hijacking"}"#, &enabled, "{}", alice, false),
            (&compliance, unfit, &compliance, fit, device, true),
            (&compliance, unfit, &compliance, fit, hers, true),
        ];
        for (stop, stopped, lift, lifted, subject, back) in cases {
            let mut world = World::new(company());
            let s1 = alias("session", IDP, "s1");
            world.signal(stop, stopped, subject, false).unwrap();
            world.told.tell(&run("late", "helper", &format!(r#","session":{s1}"#)));
            world.born(world.told.run("late"));
            world.told.tell(&token("t-late", "late"));
            assert!(world.gate("t-late").is_some(), "{subject}");
            world.signal(lift, lifted, subject, false).unwrap();
            for id in ["day", "late"] {
                assert_eq!(world.told.graph.is_dead(world.told.run(id)).is_none(), back, "{id} {subject}");
                let later = world.carries(&Alias::new("run", "", id), NOW_MS + 1);
                assert_eq!(later.is_empty(), back, "{id} {subject}");
            }
            assert!(world.gate("t-day").is_some(), "old tokens stay dead");
        }
    }
}
