//! Complex subjects as the state keeps them, and how many of which kinds a receiver may have (SSF 1.0, 3.3).
//!
//! Works on names and hashes of members. What is beyond the bounds is refused at the door (`spine/streams.rs`); where an
//! entry of an older release holds it all the same, it is folded as a subject that only its identical matches.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::stream::subject::{Matcher, SubjectHash, cut, joined};

/// The members that SSF 1.0, 3.3 names: their combinations are free.
const NAMED: [&str; 7] = ["application", "device", "group", "org_unit", "session", "tenant", "user"];
/// Most members of a complex subject of a stream: those that SSF names, and one more.
pub const MEMBERS_MAX: usize = NAMED.len() + 1;
/// Longest name of a member, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Most combinations of members beyond those that SSF names, over all streams of a receiver.
pub const COMBINATIONS_MAX: usize = 16;
/// Most look-up rows of the complex subjects of a stream: six for each of a million subjects.
pub const LOOK_UPS_MAX: usize = 6_000_000;

/// The names of a complex subject's members, in order; shared by all subjects that have the same.
pub type Names = Arc<[Box<str>]>;

/// The members of a complex subject, in order of their names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Complex {
    /// Their names.
    pub names: Names,
    /// Their hashes, in the same order.
    pub parts: Box<[SubjectHash]>,
}

/// What a subject is known by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// All of it.
    pub whole: SubjectHash,
    /// Its members, if it is complex.
    pub complex: Option<Complex>,
}

/// How far complex subjects go.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Members of one.
    pub members: usize,
    /// Bytes of a member's name.
    pub name_bytes: usize,
    /// Combinations of a receiver with members of its own.
    pub combinations: usize,
    /// Look-up rows of a stream.
    pub look_ups: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            members: MEMBERS_MAX,
            name_bytes: NAME_BYTES_MAX,
            combinations: COMBINATIONS_MAX,
            look_ups: LOOK_UPS_MAX,
        }
    }
}

/// Why a receiver cannot have a complex subject in its stream, or out of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// Too many members.
    #[error("a complex subject of a stream has 1 to {0} members")]
    Members(usize),
    /// A long name.
    #[error("a member's name has at most {0} bytes")]
    Name(usize),
    /// Too many kinds of complex subjects.
    #[error(
        "this receiver's complex subjects have as many combinations of members as they may: {0}, beside those of user, \
         device, session, application, tenant, org_unit and group alone"
    )]
    Combinations(usize),
    /// Too much to look up.
    #[error(
        "the stream's complex subjects are as many as they may be: those of n members count 2^n - 2, up to {0}"
    )]
    LookUps(usize),
}

impl From<&Matcher> for Subject {
    fn from(matcher: &Matcher) -> Self {
        Self { whole: matcher.whole, complex: matcher.parts.as_deref().map(Complex::of) }
    }
}

impl Complex {
    /// Of a complex subject's members.
    pub fn of(parts: &[(String, SubjectHash)]) -> Self {
        Self {
            names: parts.iter().map(|(name, _)| name.as_str().into()).collect(),
            parts: parts.iter().map(|(_, hash)| *hash).collect(),
        }
    }

    /// Its row: names and members as one hash.
    pub fn key(&self) -> SubjectHash {
        key(&self.names, self.parts.iter().copied())
    }

    /// Whether it is within what holds for one alone.
    pub fn check(&self, bounds: &Bounds) -> Result<(), Unfit> {
        if !(1..=bounds.members).contains(&self.names.len()) {
            return Err(Unfit::Members(bounds.members));
        }
        if self.names.iter().any(|name| name.len() > bounds.name_bytes) {
            return Err(Unfit::Name(bounds.name_bytes));
        }
        Ok(())
    }

    /// How many look-up rows it takes: one for each choice of its members, but none and all.
    pub fn look_ups(&self) -> usize {
        let choices = u32::try_from(self.names.len()).ok().and_then(|n| 1_usize.checked_shl(n));
        choices.unwrap_or(usize::MAX).saturating_sub(2)
    }

    /// What it is looked up by where an event shares these members with it.
    pub fn projection(&self, choice: usize) -> SubjectHash {
        let chosen = self.parts.iter().enumerate().filter(|(at, _)| choice & (1 << at) != 0);
        projection(chosen.map(|(_, part)| *part), choice.count_ones())
    }
}

/// Whether members are among them that SSF does not name.
pub fn is_own(names: &Names) -> bool {
    names.iter().any(|name| NAMED.binary_search(&&**name).is_err())
}

/// The row of a complex subject: each name behind its length, with its member.
pub fn key(names: &Names, parts: impl Iterator<Item = SubjectHash>) -> SubjectHash {
    let mut sha = Sha256::new();
    for (name, part) in names.iter().zip(parts) {
        sha.update((name.len() as u64).to_be_bytes());
        sha.update(name.as_bytes());
        sha.update(part.0);
    }
    cut(sha)
}

/// Some members as one hash; a single one is its own.
pub fn projection(mut parts: impl Iterator<Item = SubjectHash>, count: u32) -> SubjectHash {
    match (count, parts.next()) {
        (1, Some(only)) => only,
        (_, first) => joined(first.into_iter().chain(parts)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complex(names: &[&str]) -> Complex {
        let parts: Vec<_> =
            (0_u8..).zip(names).map(|(n, name)| ((*name).to_string(), SubjectHash([n; 16]))).collect();
        Complex::of(&parts)
    }

    #[test]
    fn what_one_may_be_alone() {
        assert!(NAMED.is_sorted());
        let bounds = Bounds::default();
        let long = "n".repeat(NAME_BYTES_MAX + 1);
        let mut all = NAMED.to_vec();
        for (names, want) in [
            (vec!["user"], Ok(())),
            (all.clone(), Ok(())),
            (vec![&long[1..]], Ok(())),
            (vec![], Err(Unfit::Members(MEMBERS_MAX))),
            (vec![long.as_str()], Err(Unfit::Name(NAME_BYTES_MAX))),
        ] {
            assert_eq!(complex(&names).check(&bounds), want, "{names:?}");
        }
        all.push("workload");
        assert_eq!(complex(&all).check(&bounds), Ok(()));
        all.push("x");
        assert_eq!(complex(&all).check(&bounds), Err(Unfit::Members(8)));
        assert!(
            is_own(&complex(&["user", "workload"]).names) && !is_own(&complex(&["device", "user"]).names)
        );
    }

    #[test]
    fn look_ups_double_with_each_member() {
        let all = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let of = |n: usize| complex(&all[..n]).look_ups();
        assert_eq!([of(1), of(2), of(3), of(7), of(8)], [0, 2, 6, 126, 254]);
        let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!((complex(&many).look_ups(), complex(&[]).look_ups()), (usize::MAX - 2, 0));
    }

    /// Names cannot run into each other, nor into values.
    #[test]
    fn rows_differ_where_names_or_members_do() {
        let one = |name: &str, n: u8| Complex::of(&[(name.to_string(), SubjectHash([n; 16]))]).key();
        let two = complex(&["a", "b"]);
        let keys =
            [one("a", 1), one("b", 1), one("a", 2), one("a\0b", 1), two.key(), complex(&["a\0b", "c"]).key()];
        assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), keys.len());
        assert_eq!((two.projection(0b01), two.projection(0b10)), (two.parts[0], two.parts[1]));
        assert_ne!(complex(&["a", "b", "c"]).projection(0b011), complex(&["a", "b", "c"]).projection(0b101));
    }
}
