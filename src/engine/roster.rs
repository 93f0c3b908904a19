//! Who takes part: scope, and what pairing found for each source person.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::civil::Date;
use parking_lot::Mutex;

use super::Standing;
use super::packed::{
    PackedSources, PackedTargets, PersonView, Records, read_target, read_target_column, write_target,
};
use crate::domain::comparison::Unpaired;
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::packing::{Pool, Reader};
use crate::domain::pairing::{Ambiguity, Match, MatchRule, fold};
use crate::domain::person::{SourcePerson, TargetPerson};
use crate::domain::photo::Column;
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

/// Who is left out, by position, each reason kept once as far as that is easily seen.
#[derive(Debug, Default)]
pub(super) struct Exclusions {
    /// One more than a position in `reasons`; 0 for whoever is considered.
    of: Vec<u32>,
    reasons: Vec<Exclusion>,
}

impl Exclusions {
    /// Adds the next person.
    pub(super) fn push(&mut self, exclusion: Option<Exclusion>) {
        /// Guests and the like come first and often; who has opted out has a reason of their own.
        const LOOKED_AT: usize = 8;
        let Some(exclusion) = exclusion else {
            self.of.push(0);
            return;
        };
        let known = self
            .reasons
            .iter()
            .take(LOOKED_AT)
            .position(|known| *known == exclusion);
        let number = known.unwrap_or_else(|| {
            self.reasons.push(exclusion);
            self.reasons.len() - 1
        });
        self.of.push(number as u32 + 1);
    }

    /// The positions of everybody who is considered.
    pub(super) fn considered(&self) -> Vec<u32> {
        let is_considered = |position: &u32| self.of[*position as usize] == 0;
        (0..self.of.len() as u32).filter(is_considered).collect()
    }
}

/// Who is who: everybody in the source, what was found for each, and the target people who were matched. Packed, in
/// portions that can be taken one after the other.
pub(super) struct Roster {
    portions: Vec<Mutex<Option<Arc<Records>>>>,
    texts: Pool,
    exclusions: Vec<Exclusion>,
    ambiguities: Vec<(Ambiguity, Vec<TargetPerson>)>,
    /// How many source people there are.
    pub people: u64,
    /// How many of them were matched, portion by portion.
    paired: Vec<u32>,
    pub target_only: u64,
    rules: Vec<MatchRule>,
    /// If so, "nobody matches" is not known.
    pub targets_cut_short: bool,
}

/// What stands behind a source person in their record.
mod slot {
    pub(super) const UNMATCHED: u8 = 0;
    pub(super) const EXCLUDED: u8 = 1;
    pub(super) const AMBIGUOUS: u8 = 2;
    /// And above: matched, by the rule with this number from here on.
    pub(super) const PAIRED: u8 = 3;
}

impl Roster {
    /// `exclusions` has one entry per source person, `matches` one per source person who is not excluded.
    pub(super) fn new(
        sources: PackedSources,
        exclusions: Exclusions,
        matches: impl Iterator<Item = Match>,
        targets: PackedTargets,
        rules: Vec<MatchRule>,
        targets_cut_short: bool,
    ) -> Self {
        let people = sources.len() as u64;
        let mut is_meant = vec![false; targets.len()];
        let mut of = exclusions.of.into_iter();
        let mut matches = matches;
        let mut ambiguities = Vec::new();
        let (listed, mut texts) = sources.into_parts();
        let mut portions = Vec::with_capacity(listed.len());
        let mut paired = Vec::with_capacity(listed.len());
        for listed in listed {
            let mut portion = Records::default();
            let mut paired_here = 0;
            for (record, exclusion) in listed.iter().zip(of.by_ref()) {
                let found = (exclusion == 0).then(|| matches.next().unwrap_or(Match::Nobody));
                let target = match &found {
                    Some(Match::One { target, .. }) => {
                        is_meant[*target] = true;
                        paired_here += 1;
                        let source = PersonView::read(&mut Reader(record), &texts).unpack();
                        Some((targets.get(*target), source))
                    }
                    _ => None,
                };
                portion.add(|writer| {
                    writer.bytes(record);
                    match found {
                        None => {
                            writer.byte(slot::EXCLUDED);
                            writer.number(u64::from(exclusion - 1));
                        }
                        Some(Match::Nobody) => writer.byte(slot::UNMATCHED),
                        Some(Match::Ambiguous(ambiguity)) => {
                            writer.byte(slot::AMBIGUOUS);
                            writer.number(ambiguities.len() as u64);
                            ambiguities.push((ambiguity, Vec::new()));
                        }
                        Some(Match::One { rule, .. }) => {
                            let number = MatchRule::DEFAULT_ORDER.iter().position(|known| *known == rule);
                            writer.byte(slot::PAIRED + number.unwrap_or_default() as u8);
                            if let Some((target, source)) = &target {
                                write_target(writer, target, Some(source), &mut texts);
                            }
                        }
                    }
                });
            }
            portion.shrink();
            portions.push(Mutex::new(Some(Arc::new(portion))));
            paired.push(paired_here);
        }
        fill_in_candidates(&mut ambiguities, &targets, &mut is_meant);
        Self {
            portions,
            texts,
            exclusions: exclusions.reasons,
            ambiguities,
            people,
            paired,
            target_only: is_meant.iter().filter(|is_meant| !**is_meant).count() as u64,
            rules,
            targets_cut_short,
        }
    }

    /// How many people were matched.
    pub(super) fn paired(&self) -> u64 {
        self.paired.iter().map(|paired| u64::from(*paired)).sum()
    }

    /// How many people of each portion were matched.
    pub(super) fn paired_by_portion(&self) -> &[u32] {
        &self.paired
    }

    /// Takes a portion away; whoever has it is the last who sees these people.
    pub(super) fn take(&self, portion: usize) -> Arc<Records> {
        let taken = self.portions[portion].lock().take();
        taken.expect("each portion is taken once")
    }

    /// The ids of a portion's matched source people, in order.
    pub(super) fn paired_ids(&self, portion: usize) -> Vec<SourceId> {
        self.paired_of(portion, |view, _| view.id())
    }

    /// The target people who were matched, with their picture columns, in the order of the source.
    pub(super) fn paired_targets(&self) -> impl Iterator<Item = (TargetId, Column)> + Send {
        (0..self.portions.len())
            .flat_map(|portion| self.paired_of(portion, |_, reader| read_target_column(reader, &self.texts)))
    }

    fn paired_of<T>(&self, portion: usize, read: impl Fn(PersonView<'_>, Reader<'_>) -> T) -> Vec<T> {
        let Some(records) = self.portions[portion].lock().clone() else {
            return Vec::new();
        };
        let person = |record| {
            let mut reader = Reader(record);
            let view = PersonView::read(&mut reader, &self.texts);
            (reader.byte() >= slot::PAIRED).then(|| read(view, reader))
        };
        records.iter().filter_map(person).collect()
    }

    /// A person of a portion, and who they were found to be.
    pub(super) fn unpack(&self, record: &[u8]) -> (SourcePerson, Standing) {
        let mut reader = Reader(record);
        let source = PersonView::read(&mut reader, &self.texts).unpack();
        let standing = match reader.byte() {
            slot::UNMATCHED => Standing::Unmatched,
            slot::EXCLUDED => Standing::Excluded(self.exclusions[reader.number() as usize].clone()),
            slot::AMBIGUOUS => {
                let (ambiguity, candidates) = self.ambiguities[reader.number() as usize].clone();
                Standing::Ambiguous {
                    ambiguity,
                    candidates,
                }
            }
            paired => Standing::Paired {
                target: read_target(reader, Some(&source), &self.texts),
                rule: MatchRule::DEFAULT_ORDER[usize::from(paired - slot::PAIRED)],
            },
        };
        (source, standing)
    }

    /// Why somebody of this standing is not paired; `None` for somebody who is.
    pub(super) fn why_unpaired(&self, standing: &Standing) -> Option<Unpaired> {
        match standing {
            Standing::Paired { .. } => None,
            Standing::Unmatched => Some(Unpaired::Unmatched {
                rules: self.rules.clone(),
            }),
            Standing::Ambiguous { ambiguity, .. } => Some(Unpaired::Ambiguous(ambiguity.clone())),
            Standing::Excluded(exclusion) => Some(Unpaired::Excluded(exclusion.clone())),
        }
    }
}

/// Finds everybody who might be meant, as far as they were listed.
fn fill_in_candidates(
    ambiguities: &mut [(Ambiguity, Vec<TargetPerson>)],
    targets: &PackedTargets,
    is_meant: &mut [bool],
) {
    let wanted: HashSet<&TargetId> = ambiguities
        .iter()
        .flat_map(|(ambiguity, _)| ambiguity.candidates())
        .collect();
    if wanted.is_empty() {
        return;
    }
    let mut found = HashMap::new();
    for (position, is_meant) in is_meant.iter_mut().enumerate() {
        let target = targets.get(position);
        if wanted.contains(&target.id) {
            *is_meant = true;
            found.insert(target.id.clone(), target);
        }
    }
    drop(wanted);
    for (ambiguity, candidates) in ambiguities {
        let ids = ambiguity.candidates().iter();
        *candidates = ids.filter_map(|id| found.get(id).cloned()).collect();
    }
}
