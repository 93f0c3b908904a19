//! Who takes part: scope, and what pairing found for each source person.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;

use super::Standing;
use crate::domain::comparison::Unpaired;
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::pairing::{Ambiguity, Match, MatchRule, fold};
use crate::domain::person::{SourcePerson, TargetPerson};
use crate::domain::scope::{Exclusion, SourceScope};
use crate::domain::text::RemoteText;

/// Who is in scope. Tells most people from those on the opt-out list by one look-up instead of comparing them with
/// every entry.
pub(super) struct Scope {
    with_opt_outs: SourceScope,
    without_opt_outs: SourceScope,
    opted_out: HashSet<String>,
    today: Date,
}

impl Scope {
    pub(super) fn new(scope: SourceScope, today: Date) -> Self {
        let opted_out: HashSet<String> = scope
            .opt_outs
            .iter()
            .map(|opt_out| fold(&opt_out.person))
            .collect();
        let with_opt_outs = SourceScope {
            include: scope.include.clone(),
            exclude: scope.exclude.clone(),
            ..scope
        };
        let without_opt_outs = SourceScope {
            opt_outs: Vec::new(),
            ..with_opt_outs.clone()
        };
        Self {
            with_opt_outs,
            without_opt_outs,
            opted_out,
            today,
        }
    }

    pub(super) fn exclusion(&self, person: &SourcePerson) -> Option<Exclusion> {
        let names = [
            Some(person.id.as_str()),
            Some(person.principal.raw()),
            person.mail.as_ref().map(RemoteText::raw),
        ];
        let may_be_opted_out = !self.opted_out.is_empty()
            && names
                .into_iter()
                .flatten()
                .any(|name| self.opted_out.contains(&fold(name)));
        let scope = if may_be_opted_out {
            &self.with_opt_outs
        } else {
            &self.without_opt_outs
        };
        scope.exclusion(person, self.today)
    }
}

/// Who is who: the source people, what is known about each, and the target people who were matched.
pub(super) struct Roster {
    pub sources: Vec<SourcePerson>,
    /// One for each of `sources`.
    pub slots: Vec<Slot>,
    /// Everybody who was matched, in the order of `sources`.
    pub targets: Vec<TargetPerson>,
    pub target_only: u64,
    pub rules: Vec<MatchRule>,
    /// If so, "nobody matches" is not known.
    pub targets_cut_short: bool,
}

/// What one source person was found to be.
pub(super) enum Slot {
    /// The next of [`Roster::targets`].
    Paired(MatchRule),
    Unmatched,
    Ambiguous(Box<(Ambiguity, Vec<TargetPerson>)>),
    Excluded(Exclusion),
}

impl Roster {
    /// `exclusions` has one entry per source person, `matches` one per source person who is not excluded.
    pub(super) fn new(
        sources: Vec<SourcePerson>,
        exclusions: Vec<Option<Exclusion>>,
        matches: Vec<Match>,
        targets: Vec<TargetPerson>,
        rules: Vec<MatchRule>,
        targets_cut_short: bool,
    ) -> Self {
        let mut is_meant = vec![false; targets.len()];
        let wanted: HashSet<&str> = matches
            .iter()
            .filter_map(|found| match found {
                Match::Ambiguous(ambiguity) => Some(ambiguity.candidates()),
                _ => None,
            })
            .flatten()
            .map(TargetId::as_str)
            .collect();
        // Cloned, because another source person may be matched with one of them.
        let candidates: HashMap<String, TargetPerson> = targets
            .iter()
            .zip(&mut is_meant)
            .filter(|(target, _)| wanted.contains(target.id.as_str()))
            .map(|(target, is_meant)| {
                *is_meant = true;
                (target.id.as_str().to_owned(), target.clone())
            })
            .collect();
        drop(wanted);

        let mut targets: Vec<Option<TargetPerson>> = targets.into_iter().map(Some).collect();
        let mut paired = Vec::new();
        let mut matches = matches.into_iter();
        let slots = exclusions
            .into_iter()
            .map(|exclusion| {
                if let Some(exclusion) = exclusion {
                    return Slot::Excluded(exclusion);
                }
                match matches.next().unwrap_or(Match::Nobody) {
                    Match::Nobody => Slot::Unmatched,
                    Match::One { target, rule } => match targets[target].take() {
                        Some(person) => {
                            is_meant[target] = true;
                            paired.push(person);
                            Slot::Paired(rule)
                        }
                        // Pairing gives nobody away twice.
                        None => Slot::Unmatched,
                    },
                    Match::Ambiguous(ambiguity) => {
                        let people = ambiguity
                            .candidates()
                            .iter()
                            .filter_map(|id| candidates.get(id.as_str()).cloned())
                            .collect();
                        Slot::Ambiguous(Box::new((ambiguity, people)))
                    }
                }
            })
            .collect();
        Self {
            sources,
            slots,
            targets: paired,
            target_only: is_meant.iter().filter(|is_meant| !**is_meant).count() as u64,
            rules,
            targets_cut_short,
        }
    }

    /// The ids of the paired source people, in order.
    pub(super) fn paired_ids(&self) -> Vec<SourceId> {
        self.sources
            .iter()
            .zip(&self.slots)
            .filter(|(_, slot)| matches!(slot, Slot::Paired(_)))
            .map(|(person, _)| person.id.clone())
            .collect()
    }
}

impl Slot {
    /// The standing of somebody who is not paired, and why; `None` for somebody who is.
    pub(super) fn into_unpaired(self, rules: &[MatchRule]) -> Option<(Standing, Unpaired)> {
        match self {
            Self::Paired(_) => None,
            Self::Unmatched => Some((
                Standing::Unmatched,
                Unpaired::Unmatched {
                    rules: rules.to_vec(),
                },
            )),
            Self::Ambiguous(found) => {
                let (ambiguity, candidates) = *found;
                let standing = Standing::Ambiguous {
                    ambiguity: ambiguity.clone(),
                    candidates,
                };
                Some((standing, Unpaired::Ambiguous(ambiguity)))
            }
            Self::Excluded(exclusion) => Some((
                Standing::Excluded(exclusion.clone()),
                Unpaired::Excluded(exclusion),
            )),
        }
    }
}
