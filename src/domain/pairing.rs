//! Who is who: finds the target person of each source person.
//!
//! The rules are fixed and few (`reliability.md` E7, E8): values are trimmed, put into NFC and lower case, and compared
//! for equality; nothing cleverer. For each person the first rule that hits anybody decides. A person who hits several,
//! or whose match is claimed by somebody else at least as strongly, is ambiguous and is not pushed.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::ids::{SourceId, TargetId};
use super::person::{SourcePerson, TargetPerson};
use super::text::RemoteText;

/// One way to recognise a person, from the strongest evidence to the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchRule {
    /// The target keeps the source's object id (`correlation_id` unless configured otherwise).
    ObjectId,
    /// The employee numbers are equal.
    EmployeeNumber,
    /// The sign-in name in the source equals `user_name` in the target.
    UserName,
    /// The e-mail addresses are equal.
    Mail,
}

impl MatchRule {
    /// The rules in the order in which they are tried unless configured otherwise.
    pub const DEFAULT_ORDER: [Self; 4] = [Self::ObjectId, Self::EmployeeNumber, Self::UserName, Self::Mail];

    /// The name in the configuration and in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::ObjectId => "object_id",
            Self::EmployeeNumber => "employee_number",
            Self::UserName => "user_name",
            Self::Mail => "mail",
        }
    }

    /// For sentences: "matched by …".
    pub fn words(self) -> &'static str {
        match self {
            Self::ObjectId => "object id",
            Self::EmployeeNumber => "employee number",
            Self::UserName => "user name",
            Self::Mail => "e-mail address",
        }
    }

    /// The value this rule compares, on the source's side.
    pub fn source_value(self, person: &SourcePerson) -> Option<&str> {
        match self {
            Self::ObjectId => Some(person.id.as_str()),
            Self::EmployeeNumber => person.employee_id.as_ref().map(RemoteText::raw),
            Self::UserName => Some(person.principal.raw()),
            Self::Mail => person.mail.as_ref().map(RemoteText::raw),
        }
    }

    /// The value this rule compares, on the target's side.
    pub fn target_value(self, person: &TargetPerson) -> Option<&str> {
        match self {
            Self::ObjectId => person.source_key.as_ref().map(RemoteText::raw),
            Self::EmployeeNumber => person.employee_number.as_ref().map(RemoteText::raw),
            Self::UserName => Some(person.user_name.raw()),
            Self::Mail => person.mail.as_ref().map(RemoteText::raw),
        }
    }
}

/// The form in which two values are compared: trimmed, NFC, lower case. Empty means "no value".
pub fn fold(value: &str) -> String {
    let value = value.trim();
    if value.is_ascii() {
        value.to_ascii_lowercase()
    } else {
        value.nfc().collect::<String>().to_lowercase()
    }
}

/// Whom a source person was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Exactly one target person.
    One {
        /// Position in the list of target people.
        target: usize,
        /// The rule that found them.
        rule: MatchRule,
    },
    /// Nobody.
    Nobody,
    /// Cannot be told.
    Ambiguous(Ambiguity),
}

/// Why a match cannot be told, with everybody who might be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// One rule hits several target people.
    SeveralTargets {
        /// The rule.
        rule: MatchRule,
        /// Whom it hits.
        candidates: Vec<TargetId>,
    },
    /// Another source person matches the same target person at least as strongly.
    ClaimedTwice {
        /// The rule by which this person matches.
        rule: MatchRule,
        /// The target person in question.
        candidate: TargetId,
        /// One of the others who claim them.
        other: SourceId,
    },
}

impl Ambiguity {
    /// Everybody in the target who might be meant.
    pub fn candidates(&self) -> &[TargetId] {
        match self {
            Self::SeveralTargets { candidates, .. } => candidates,
            Self::ClaimedTwice { candidate, .. } => std::slice::from_ref(candidate),
        }
    }
}

/// The people of one side by their positions, however they are kept.
pub trait Side {
    /// What names a person of this side.
    type Id;

    /// How many people there are.
    fn count(&self) -> usize;

    /// The id of the person at a position.
    fn id(&self, position: usize) -> Self::Id;

    /// The value that a rule compares, as this side has it.
    fn value(&self, position: usize, rule: MatchRule) -> Option<Cow<'_, str>>;
}

impl Side for [&SourcePerson] {
    type Id = SourceId;

    fn count(&self) -> usize {
        self.len()
    }

    fn id(&self, position: usize) -> SourceId {
        self[position].id.clone()
    }

    fn value(&self, position: usize, rule: MatchRule) -> Option<Cow<'_, str>> {
        rule.source_value(self[position]).map(Cow::Borrowed)
    }
}

impl Side for [TargetPerson] {
    type Id = TargetId;

    fn count(&self) -> usize {
        self.len()
    }

    fn id(&self, position: usize) -> TargetId {
        self[position].id.clone()
    }

    fn value(&self, position: usize, rule: MatchRule) -> Option<Cow<'_, str>> {
        rule.target_value(&self[position]).map(Cow::Borrowed)
    }
}

/// Pairs every source person. The answer has one entry per source person, in their order.
pub fn pair<S, T>(sources: &S, targets: &T, rules: &[MatchRule]) -> Matches
where
    S: Side<Id = SourceId> + ?Sized,
    T: Side<Id = TargetId> + ?Sized,
{
    let mut matches = Matches {
        found: vec![Found::Nobody; sources.count()],
        ambiguities: Vec::new(),
    };
    let mut claims = Vec::new();
    let mut open: Vec<u32> = (0..sources.count() as u32).collect();

    for (strength, rule) in rules.iter().copied().enumerate() {
        let index = Index::new(rule, targets);
        open.retain(|&source| {
            let hits = index.hits(&folded(sources.value(source as usize, rule)));
            match hits.as_slice() {
                [] => return true,
                &[target] => {
                    matches.found[source as usize] = Found::One { target, rule };
                    claims.push(Claim {
                        target,
                        strength: strength as u8,
                        source,
                    });
                }
                several => {
                    let candidates = several
                        .iter()
                        .map(|target| targets.id(*target as usize))
                        .collect();
                    matches.set_ambiguous(source, Ambiguity::SeveralTargets { rule, candidates });
                }
            }
            false
        });
    }
    settle_rival_claims(claims, sources, targets, &mut matches);
    matches
}

/// Whom every source person was found to be, in few bytes.
#[derive(Clone, Debug)]
pub struct Matches {
    found: Vec<Found>,
    ambiguities: Vec<Ambiguity>,
}

#[derive(Clone, Copy, Debug)]
enum Found {
    Nobody,
    One { target: u32, rule: MatchRule },
    Ambiguous(u32),
}

impl Matches {
    /// Whom the source person at a position was found to be.
    ///
    /// # Panics
    ///
    /// If there is no such position.
    pub fn get(&self, source: usize) -> Match {
        match self.found[source] {
            Found::Nobody => Match::Nobody,
            Found::One { target, rule } => Match::One {
                target: target as usize,
                rule,
            },
            Found::Ambiguous(number) => Match::Ambiguous(self.ambiguities[number as usize].clone()),
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Match> {
        (0..self.found.len()).map(|source| self.get(source))
    }

    /// Why the matches that cannot be told cannot be told.
    pub fn ambiguities(&self) -> &[Ambiguity] {
        &self.ambiguities
    }

    fn set_ambiguous(&mut self, source: u32, ambiguity: Ambiguity) {
        self.found[source as usize] = Found::Ambiguous(self.ambiguities.len() as u32);
        self.ambiguities.push(ambiguity);
    }
}

fn folded(value: Option<Cow<'_, str>>) -> String {
    value.map(|value| fold(&value)).unwrap_or_default()
}

/// Target people by the value of one rule. Keeps hashes only: the values are where they were.
struct Index<'a, T: ?Sized> {
    targets: &'a T,
    rule: MatchRule,
    /// Keyed at random, because the values come from outside.
    hasher: RandomState,
    /// Hash and position of everybody who has a value, sorted.
    hashes: Vec<(u64, u32)>,
}

impl<'a, T: Side + ?Sized> Index<'a, T> {
    fn new(rule: MatchRule, targets: &'a T) -> Self {
        let hasher = RandomState::new();
        let mut hashes: Vec<(u64, u32)> = (0..targets.count())
            .filter_map(|position| {
                let key = folded(targets.value(position, rule));
                (!key.is_empty()).then(|| (hasher.hash_one(key.as_str()), position as u32))
            })
            .collect();
        hashes.sort_unstable();
        Self {
            targets,
            rule,
            hasher,
            hashes,
        }
    }

    /// The positions of everybody who has this value, in order.
    fn hits(&self, key: &str) -> Vec<u32> {
        if key.is_empty() {
            return Vec::new();
        }
        let wanted = self.hasher.hash_one(key);
        let start = self.hashes.partition_point(|(hash, _)| *hash < wanted);
        self.hashes[start..]
            .iter()
            .take_while(|(hash, _)| *hash == wanted)
            .map(|(_, position)| *position)
            .filter(|position| folded(self.targets.value(*position as usize, self.rule)) == key)
            .collect()
    }
}

/// A source person who matches one target person; the order is that of the target people, the strongest claim first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    target: u32,
    /// The position of the rule: less is stronger.
    strength: u8,
    source: u32,
}

/// The strongest claim on a target person wins; equally strong ones are all ambiguous.
fn settle_rival_claims<S, T>(mut claims: Vec<Claim>, sources: &S, targets: &T, matches: &mut Matches)
where
    S: Side<Id = SourceId> + ?Sized,
    T: Side<Id = TargetId> + ?Sized,
{
    claims.sort_unstable();
    for claimants in claims.chunk_by(|one, other| one.target == other.target) {
        let [first, second, ..] = claimants else {
            continue;
        };
        let has_winner = first.strength < second.strength;
        for claim in claimants {
            if has_winner && claim == first {
                continue;
            }
            let rival = if claim == first { second } else { first };
            if let Found::One { rule, .. } = matches.found[claim.source as usize] {
                let ambiguity = Ambiguity::ClaimedTwice {
                    rule,
                    candidate: targets.id(claim.target as usize),
                    other: sources.id(rival.source as usize),
                };
                matches.set_ambiguous(claim.source, ambiguity);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::person::AccountKind;
    use crate::domain::photo::Column;

    fn source(id: &str, principal: &str, mail: &str) -> SourcePerson {
        SourcePerson {
            id: SourceId::new(id),
            name: id.into(),
            principal: principal.into(),
            mail: RemoteText::non_empty(mail),
            employee_id: None,
            department: None,
            job_title: None,
            kind: AccountKind::Member,
            enabled: Some(true),
        }
    }

    fn target(id: &str, user_name: &str, mail: &str) -> TargetPerson {
        TargetPerson {
            id: TargetId::new(id),
            name: id.into(),
            user_name: user_name.into(),
            mail: RemoteText::non_empty(mail),
            employee_number: None,
            source_key: None,
            active: Some(true),
            locked_out: Some(false),
            column: Column::Empty,
        }
    }

    fn pair_all(sources: &[SourcePerson], targets: &[TargetPerson]) -> Vec<Match> {
        let sources: Vec<_> = sources.iter().collect();
        pair(sources.as_slice(), targets, &MatchRule::DEFAULT_ORDER)
            .iter()
            .collect()
    }

    #[test]
    fn case_white_space_and_unicode_form_do_not_separate_people() {
        let sources = [
            source("1", "JOS\u{c9}@x.example", ""),
            source("2", " Ann@x.example ", ""),
        ];
        let targets = [
            target("a", "jose\u{301}@X.example", ""),
            target("b", "ann@x.example", ""),
        ];
        assert_eq!(
            pair_all(&sources, &targets),
            [
                Match::One {
                    target: 0,
                    rule: MatchRule::UserName
                },
                Match::One {
                    target: 1,
                    rule: MatchRule::UserName
                }
            ]
        );
        crate::tried("E8", 2);
    }

    #[test]
    fn plus_addresses_and_lookalikes_stay_different_people() {
        let sources = [source("1", "ann+lab@x.example", "ann+lab@x.example")];
        let targets = [target("a", "ann@x.example", "ann@x.example")];
        assert_eq!(pair_all(&sources, &targets), [Match::Nobody]);
        crate::tried("E8", 1);
    }

    #[test]
    fn an_earlier_rule_beats_a_later_one() {
        let mut by_id = target("a", "other", "");
        by_id.source_key = Some("ID-1".into());
        let targets = [target("b", "ann@x.example", ""), by_id];
        assert_eq!(
            pair_all(&[source("id-1", "ann@x.example", "")], &targets),
            [Match::One {
                target: 1,
                rule: MatchRule::ObjectId
            }]
        );
    }

    #[test]
    fn two_target_people_with_one_address_are_ambiguous_and_both_are_named() {
        let targets = [
            target("a", "u1", "ann@x.example"),
            target("b", "u2", "ann@x.example"),
        ];
        let matches = pair_all(&[source("1", "ann", "ann@x.example")], &targets);
        let Match::Ambiguous(ambiguity) = &matches[0] else {
            panic!("{matches:?}")
        };
        assert_eq!(ambiguity.candidates(), [TargetId::new("a"), TargetId::new("b")]);
        crate::tried("E7", 1);
    }

    #[test]
    fn two_source_people_with_one_address_are_both_ambiguous() {
        let sources = [
            source("1", "x", "ann@x.example"),
            source("2", "y", "ann@x.example"),
        ];
        let matches = pair_all(&sources, &[target("a", "u", "ann@x.example")]);
        assert!(
            matches
                .iter()
                .all(|found| matches!(found, Match::Ambiguous(Ambiguity::ClaimedTwice { .. })))
        );
        crate::tried("E7", 1);
    }

    #[test]
    fn an_admin_account_with_the_same_mail_does_not_take_the_match_from_its_owner() {
        let sources = [
            source("adm", "adm-ann@x.example", "ann@x.example"),
            source("1", "ann@x.example", "ann@x.example"),
        ];
        let matches = pair_all(&sources, &[target("a", "ann@x.example", "ann@x.example")]);
        assert!(
            matches!(&matches[0], Match::Ambiguous(Ambiguity::ClaimedTwice { other, .. }) if other.as_str() == "1")
        );
        assert_eq!(
            matches[1],
            Match::One {
                target: 0,
                rule: MatchRule::UserName
            }
        );
    }

    #[test]
    fn empty_values_match_nobody() {
        let mut without = target("a", "", "");
        without.employee_number = Some("".into());
        let mut person = source("1", "", "");
        person.employee_id = Some("".into());
        assert_eq!(pair_all(&[person], &[without]), [Match::Nobody]);
    }
}
