//! Who is who: finds the target person of each source person.
//!
//! The rules are fixed and few (`reliability.md` E7, E8): values are trimmed, put into NFC and lower case, and compared
//! for equality; nothing cleverer. For each person the first rule that hits anybody decides. A person who hits several,
//! or whose match is claimed by somebody else at least as strongly, is ambiguous and is not pushed.

use std::collections::HashMap;

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

/// Pairs every source person. The answer has one entry per source person, in their order.
pub fn pair(sources: &[&SourcePerson], targets: &[TargetPerson], rules: &[MatchRule]) -> Vec<Match> {
    let mut matches: Vec<Match> = vec![Match::Nobody; sources.len()];
    let mut claims: HashMap<usize, Vec<(usize, usize)>> = HashMap::new();
    let mut open: Vec<usize> = (0..sources.len()).collect();

    for (strength, rule) in rules.iter().copied().enumerate() {
        let index = index_by(rule, targets);
        open.retain(|&source| {
            let key = rule.source_value(sources[source]).map(fold).unwrap_or_default();
            match index.get(key.as_str()).map(Vec::as_slice) {
                None | Some([]) => true,
                Some(&[target]) => {
                    matches[source] = Match::One { target, rule };
                    claims.entry(target).or_default().push((strength, source));
                    false
                }
                Some(several) => {
                    let candidates = several.iter().map(|&target| targets[target].id.clone()).collect();
                    matches[source] = Match::Ambiguous(Ambiguity::SeveralTargets { rule, candidates });
                    false
                }
            }
        });
    }
    settle_rival_claims(&claims, sources, targets, &mut matches);
    matches
}

fn index_by(rule: MatchRule, targets: &[TargetPerson]) -> HashMap<String, Vec<usize>> {
    let mut index: HashMap<String, Vec<usize>> = HashMap::with_capacity(targets.len());
    for (position, target) in targets.iter().enumerate() {
        let key = rule.target_value(target).map(fold).unwrap_or_default();
        if !key.is_empty() {
            index.entry(key).or_default().push(position);
        }
    }
    index
}

/// The strongest claim on a target person wins; equally strong ones are all ambiguous.
fn settle_rival_claims(
    claims: &HashMap<usize, Vec<(usize, usize)>>,
    sources: &[&SourcePerson],
    targets: &[TargetPerson],
    matches: &mut [Match],
) {
    for (&target, claimants) in claims {
        if claimants.len() < 2 {
            continue;
        }
        let strongest = claimants
            .iter()
            .map(|(strength, _)| *strength)
            .min()
            .unwrap_or_default();
        let winners = claimants
            .iter()
            .filter(|(strength, _)| *strength == strongest)
            .count();
        for &(strength, source) in claimants {
            if strength == strongest && winners == 1 {
                continue;
            }
            let rival = claimants
                .iter()
                .filter(|(_, other)| *other != source)
                .min()
                .map(|(_, other)| sources[*other].id.clone());
            if let (Match::One { rule, .. }, Some(other)) = (matches[source].clone(), rival) {
                matches[source] = Match::Ambiguous(Ambiguity::ClaimedTwice {
                    rule,
                    candidate: targets[target].id.clone(),
                    other,
                });
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
        pair(
            &sources.iter().collect::<Vec<_>>(),
            targets,
            &MatchRule::DEFAULT_ORDER,
        )
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
    }

    #[test]
    fn plus_addresses_and_lookalikes_stay_different_people() {
        let sources = [source("1", "ann+lab@x.example", "ann+lab@x.example")];
        let targets = [target("a", "ann@x.example", "ann@x.example")];
        assert_eq!(pair_all(&sources, &targets), [Match::Nobody]);
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
