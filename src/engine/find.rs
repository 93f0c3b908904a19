//! Finds people by what an administrator types, without listing everybody.
//!
//! What is typed is looked up on both sides; then the look-ups go back and forth between the sides until everybody is
//! known who could share a match with the people found, so that ambiguities are seen as a full scan would see them:
//!
//! ```text
//! typed ─► source people, target people
//! target people ─► source people who match them
//! source people ─► target people in scope who match them
//! those         ─► their other claimants ─► whom those match first
//! ```

use std::collections::{HashMap, HashSet};

use tokio_util::sync::CancellationToken;

use super::packed::{PackedSources, PackedTargets};
use super::roster::{Exclusions, Roster};
use super::scan::{Everybody, Ignore, Looking, Problems};
use super::{Depth, Engine, EngineError, PersonState, Scan, Standing};
use crate::connector::{ConnectorError, Priority, SourceLookup, TargetLookup};
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::listing::Listing;
use crate::domain::pairing::{Match, MatchRule, fold, pair};
use crate::domain::person::{SourcePerson, TargetPerson};
use crate::domain::scope::Exclusion;
use crate::domain::suspicion::Suspicions;
use crate::domain::text::{RemoteText, clean};

/// Somebody found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// As the source knows them.
    pub person: SourcePerson,
    /// Who they are in the target.
    pub standing: Standing,
}

/// Why a PERSON argument does not name exactly one person.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Nobody on either side.
    #[error("nobody is called \"{}\"; looked for {}", clean(wanted), searched.join(" and "))]
    NotFound {
        /// What was typed.
        wanted: String,
        /// Where it was looked for, in words: "sign-in name and e-mail address in Entra ID".
        searched: Vec<String>,
    },
    /// Somebody in the target, whom nobody in the source matches.
    #[error(
        "\"{}\" exists in {target}, but nobody in {source_name} matches",
        clean(wanted)
    )]
    OnlyInTarget {
        /// What was typed.
        wanted: String,
        /// The target's name.
        target: &'static str,
        /// The source's name.
        source_name: &'static str,
        /// Who.
        candidates: Vec<FoundCandidate>,
    },
    /// Several people.
    #[error("\"{}\" may be any of {} people", clean(wanted), candidates.len())]
    Ambiguous {
        /// What was typed.
        wanted: String,
        /// Who.
        candidates: Vec<FoundCandidate>,
    },
    /// A service could not be asked.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
}

/// Somebody who might be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCandidate {
    /// Display name.
    pub name: RemoteText,
    /// Sign-in name in the source.
    pub upn: Option<RemoteText>,
    /// Id in the source.
    pub source: Option<SourceId>,
    /// Sign-in name in the target.
    pub user_name: Option<RemoteText>,
    /// Id in the target.
    pub target: Option<TargetId>,
}

impl Engine {
    /// Finds the one person that `person` names: a sign-in name, an e-mail address or an id of either side.
    ///
    /// Ids are tried first, then sign-in names, then addresses; the first kind that hits anybody decides.
    pub async fn find(&self, person: &str) -> Result<Found, EngineError> {
        let roster = self.identify(&[person.to_owned()]).await?;
        let portion = roster.take(0);
        let (person, standing) = roster.unpack(portion.get(0));
        Ok(Found { person, standing })
    }

    /// Looks at the people named by PERSON arguments, without listing everybody: see [`Engine::find`] for how they are
    /// found. Ambiguities are seen as a full scan would see them. Somebody named twice is looked at once.
    pub async fn scan_people(&self, people: &[String], depth: Depth) -> Result<Scan, EngineError> {
        let problems = Problems::new(&Ignore);
        let cancel = CancellationToken::new();
        let looking = Looking {
            depth,
            is_everybody: false,
            priority: Priority::Foreground,
            progress: &Ignore,
            problems: &problems,
            cancel: &cancel,
        };
        let roster = self.identify(people).await?;
        let (seen, everybody) = self.look_at(roster, true, &looking, Everybody::default()).await?;
        let mut scan = everybody.into_scan(seen, problems.into_list(), Suspicions::default());
        scan.suspicions = self.suspicions_of_some(&scan.people).await;
        Ok(scan)
    }

    /// What is suspicious about a few people's photos: what can be told from them alone, and what the last scan of
    /// everybody has found.
    pub(super) async fn suspicions_of_some(&self, people: &[PersonState]) -> Suspicions {
        let mut among_them = Listing::builder(0);
        for person in people {
            among_them.push_with(&person.particulars(), person.faces());
        }
        let mut suspicions = among_them.finish().suspicions();
        let wanted = people.iter().map(|person| person.source.id.clone()).collect();
        match self.store.memory().suspicions(wanted).await {
            Ok(found) => {
                for (person, sentence) in found.iter() {
                    suspicions.add(person.clone(), sentence);
                }
            }
            // It can be made again, and the push itself looks at every photo.
            Err(error) => tracing::debug!(
                error = error.sentence(),
                "what the last scan suspected cannot be read"
            ),
        }
        suspicions
    }

    /// Who the typed names mean, in their order, each person once.
    pub(super) async fn identify(&self, typed: &[String]) -> Result<Roster, EngineError> {
        let typed: Vec<Typed> = typed.iter().map(|text| Typed::new(text)).collect();
        let mut circle = Circle::new(&self.settings.rules);
        let on_source = circle.unasked_sources(typed.iter().flat_map(Typed::source_lookups));
        let on_target: Vec<TargetLookup> = typed.iter().flat_map(Typed::target_lookups).collect();
        let (scope, sources, named) = tokio::try_join!(
            self.scope(),
            async { self.lookup_sources(&on_source).await.map_err(EngineError::from) },
            async { self.target.lookup(&on_target).await.map_err(EngineError::from) },
        )?;
        circle.add_sources(sources);
        self.widen_sources(&mut circle, &named).await?;
        self.widen_targets(&mut circle).await?;
        let rivals_of = circle.targets.clone();
        self.widen_sources(&mut circle, &rivals_of).await?;
        self.widen_targets(&mut circle).await?;

        let exclusions: Vec<Option<Exclusion>> = circle
            .sources
            .iter()
            .map(|person| scope.exclusion(person))
            .collect();
        let known = Known::new(circle, exclusions);
        let mut chosen = Vec::new();
        for typed in &typed {
            let found = known.resolve(typed, &named);
            match found.as_slice() {
                [only] if chosen.contains(only) => {}
                [only] => chosen.push(*only),
                [] => return Err(self.not_found(typed, &named).into()),
                several => {
                    return Err(FindError::Ambiguous {
                        wanted: typed.text.clone(),
                        candidates: several.iter().map(|source| known.candidate(*source)).collect(),
                    }
                    .into());
                }
            }
        }
        Ok(known.into_roster(&chosen))
    }

    async fn lookup_sources(&self, wanted: &[SourceLookup]) -> Result<Vec<SourcePerson>, ConnectorError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        self.source.lookup(wanted).await
    }

    /// Adds the source people who match any of `targets`.
    async fn widen_sources(
        &self,
        circle: &mut Circle,
        targets: &[TargetPerson],
    ) -> Result<(), ConnectorError> {
        let rules = circle.rules.clone();
        let lookups = targets
            .iter()
            .flat_map(|target| rules.iter().filter_map(|rule| source_lookup(*rule, target)));
        let wanted = circle.unasked_sources(lookups);
        circle.add_sources(self.lookup_sources(&wanted).await?);
        Ok(())
    }

    /// Adds the target people in scope who match any source person of the circle.
    async fn widen_targets(&self, circle: &mut Circle) -> Result<(), ConnectorError> {
        let wanted = circle.unasked_targets();
        if !wanted.is_empty() {
            circle.add_targets(self.target.lookup_in_scope(&wanted).await?);
        }
        Ok(())
    }

    fn not_found(&self, typed: &Typed, named: &[TargetPerson]) -> FindError {
        let candidates: Vec<FoundCandidate> = named
            .iter()
            .filter(|target| typed.kind_of_target(target).is_some())
            .map(|target| FoundCandidate {
                name: target.name.clone(),
                upn: None,
                source: None,
                user_name: Some(target.user_name.clone()),
                target: Some(target.id.clone()),
            })
            .collect();
        if candidates.is_empty() {
            FindError::NotFound {
                wanted: typed.text.clone(),
                searched: typed.searched(self.source.name(), self.target.name()),
            }
        } else {
            FindError::OnlyInTarget {
                wanted: typed.text.clone(),
                target: self.target.name(),
                source_name: self.source.name(),
                candidates,
            }
        }
    }
}

/// What was typed for one person.
struct Typed {
    text: String,
    folded: String,
}

/// What kind of name was typed, the surest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Id,
    SignIn,
    Mail,
}

impl Typed {
    fn new(text: &str) -> Self {
        Self {
            text: text.trim().to_owned(),
            folded: fold(text),
        }
    }

    fn is_address(&self) -> bool {
        self.folded.contains('@')
    }

    fn source_lookups(&self) -> Vec<SourceLookup> {
        let mut lookups = Vec::new();
        if is_object_id(&self.folded) {
            lookups.push(SourceLookup::Id(self.folded.clone()));
        }
        // Every sign-in name of the source is an address.
        if self.is_address() {
            lookups.push(SourceLookup::Principal(self.text.clone()));
            lookups.push(SourceLookup::Mail(self.text.clone()));
        }
        lookups
    }

    fn target_lookups(&self) -> Vec<TargetLookup> {
        let mut lookups = Vec::new();
        if self.folded.is_empty() {
            return lookups;
        }
        lookups.push(TargetLookup::UserName(self.text.clone()));
        if self.is_address() {
            lookups.push(TargetLookup::Mail(self.text.clone()));
        } else {
            lookups.push(TargetLookup::Id(self.text.clone()));
        }
        lookups
    }

    fn searched(&self, source: &str, target: &str) -> Vec<String> {
        let mut searched = Vec::new();
        if is_object_id(&self.folded) {
            searched.push(format!("object ids in {source}"));
        }
        if self.is_address() {
            searched.push(format!("sign-in names and e-mail addresses in {source}"));
            searched.push(format!("user names and e-mail addresses in {target}"));
        } else {
            searched.push(format!("user names and ids in {target}"));
        }
        searched
    }

    fn is(&self, value: &str) -> bool {
        !self.folded.is_empty() && fold(value) == self.folded
    }

    fn kind_of_source(&self, person: &SourcePerson) -> Option<Kind> {
        if self.is(person.id.as_str()) {
            Some(Kind::Id)
        } else if self.is(person.principal.raw()) {
            Some(Kind::SignIn)
        } else if person.mail.as_ref().is_some_and(|mail| self.is(mail.raw())) {
            Some(Kind::Mail)
        } else {
            None
        }
    }

    fn kind_of_target(&self, person: &TargetPerson) -> Option<Kind> {
        if self.is(person.id.as_str()) {
            Some(Kind::Id)
        } else if self.is(person.user_name.raw()) {
            Some(Kind::SignIn)
        } else if person.mail.as_ref().is_some_and(|mail| self.is(mail.raw())) {
            Some(Kind::Mail)
        } else {
            None
        }
    }
}

/// How to find the target people who share any key with `source`.
pub(super) fn target_lookups(rules: &[MatchRule], source: &SourcePerson) -> Vec<TargetLookup> {
    rules
        .iter()
        .filter_map(|rule| target_lookup(*rule, source))
        .collect()
}

/// The shape of a source's id, 8-4-4-4-12 hexadecimal digits: a service refuses to look for anything else.
pub(super) fn is_object_id(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// The value of one side as it is looked up on the other; `None` for what can be nobody's name there. A directory's
/// texts are not ours, and one odd value must not spoil the look-up of everybody else.
fn name(value: Option<&str>) -> Option<String> {
    const LONGEST: usize = 256;
    let value = value?.trim();
    let breaks_lines =
        |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    let is_name = !value.is_empty() && value.len() <= LONGEST && !value.chars().any(breaks_lines);
    is_name.then(|| value.to_owned())
}

/// How to find the source people whom `rule` would pair with `target`.
fn source_lookup(rule: MatchRule, target: &TargetPerson) -> Option<SourceLookup> {
    let value = name(rule.target_value(target))?;
    match rule {
        MatchRule::ObjectId => is_object_id(&value).then(|| SourceLookup::Id(value.to_ascii_lowercase())),
        MatchRule::EmployeeNumber => Some(SourceLookup::EmployeeId(value)),
        MatchRule::UserName => Some(SourceLookup::Principal(value)),
        MatchRule::Mail => Some(SourceLookup::Mail(value)),
    }
}

/// How to find the target people whom `rule` would pair with `source`.
fn target_lookup(rule: MatchRule, source: &SourcePerson) -> Option<TargetLookup> {
    let value = name(rule.source_value(source))?;
    Some(match rule {
        MatchRule::ObjectId => TargetLookup::SourceKey(value),
        MatchRule::EmployeeNumber => TargetLookup::EmployeeNumber(value),
        MatchRule::UserName => TargetLookup::UserName(value),
        MatchRule::Mail => TargetLookup::Mail(value),
    })
}

/// Everybody who could share a match, as far as they have been looked up; nothing is asked twice.
struct Circle {
    rules: Vec<MatchRule>,
    sources: Vec<SourcePerson>,
    targets: Vec<TargetPerson>,
    source_ids: HashSet<SourceId>,
    target_ids: HashSet<TargetId>,
    asked_sources: HashSet<SourceLookup>,
    asked_targets: HashSet<TargetLookup>,
}

impl Circle {
    fn new(rules: &[MatchRule]) -> Self {
        Self {
            rules: rules.to_vec(),
            sources: Vec::new(),
            targets: Vec::new(),
            source_ids: HashSet::new(),
            target_ids: HashSet::new(),
            asked_sources: HashSet::new(),
            asked_targets: HashSet::new(),
        }
    }

    fn unasked_sources(&mut self, lookups: impl IntoIterator<Item = SourceLookup>) -> Vec<SourceLookup> {
        lookups
            .into_iter()
            .filter(|lookup| self.asked_sources.insert(lookup.clone()))
            .collect()
    }

    fn unasked_targets(&mut self) -> Vec<TargetLookup> {
        let rules = &self.rules;
        self.sources
            .iter()
            .flat_map(|source| rules.iter().filter_map(move |rule| target_lookup(*rule, source)))
            .filter(|lookup| self.asked_targets.insert(lookup.clone()))
            .collect()
    }

    fn add_sources(&mut self, people: Vec<SourcePerson>) {
        for person in people {
            if self.source_ids.insert(person.id.clone()) {
                self.sources.push(person);
            }
        }
    }

    fn add_targets(&mut self, people: Vec<TargetPerson>) {
        for person in people {
            if self.target_ids.insert(person.id.clone()) {
                self.targets.push(person);
            }
        }
    }
}

/// The circle once it is closed, with its matches.
struct Known {
    sources: Vec<SourcePerson>,
    targets: Vec<TargetPerson>,
    exclusions: Vec<Option<Exclusion>>,
    /// One for each source person who is not excluded, by position.
    matches: HashMap<usize, Match>,
    rules: Vec<MatchRule>,
}

impl Known {
    fn new(circle: Circle, exclusions: Vec<Option<Exclusion>>) -> Self {
        let considered: Vec<usize> = (0..circle.sources.len())
            .filter(|position| exclusions[*position].is_none())
            .collect();
        let people: Vec<&SourcePerson> = considered
            .iter()
            .map(|position| &circle.sources[*position])
            .collect();
        let matches = pair(people.as_slice(), circle.targets.as_slice(), &circle.rules);
        Self {
            matches: considered.into_iter().zip(matches.iter()).collect(),
            sources: circle.sources,
            targets: circle.targets,
            exclusions,
            rules: circle.rules,
        }
    }

    /// The source people whom `typed` means, by position.
    fn resolve(&self, typed: &Typed, named: &[TargetPerson]) -> Vec<usize> {
        for kind in [Kind::Id, Kind::SignIn, Kind::Mail] {
            let mut found: Vec<usize> = (0..self.sources.len())
                .filter(|position| typed.kind_of_source(&self.sources[*position]) == Some(kind))
                .collect();
            for target in named {
                if typed.kind_of_target(target) == Some(kind) {
                    found.extend(self.owners(target));
                }
            }
            found.sort_unstable();
            found.dedup();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    /// The source people who are `target`; else who may be; else who would be if either were in scope.
    fn owners(&self, target: &TargetPerson) -> Vec<usize> {
        let is = self.positions(|position| {
            matches!(self.matches.get(&position),
                Some(Match::One { target: found, .. }) if self.targets[*found].id == target.id)
        });
        if !is.is_empty() {
            return is;
        }
        let may_be = self.positions(|position| {
            matches!(self.matches.get(&position),
                Some(Match::Ambiguous(ambiguity)) if ambiguity.candidates().contains(&target.id))
        });
        if !may_be.is_empty() {
            return may_be;
        }
        self.positions(|position| {
            !matches!(self.matches.get(&position), Some(Match::One { .. }))
                && self.rules.iter().any(|rule| {
                    let value = |value: Option<&str>| value.map(fold).filter(|value| !value.is_empty());
                    let source = value(rule.source_value(&self.sources[position]));
                    source.is_some() && source == value(rule.target_value(target))
                })
        })
    }

    fn positions(&self, holds: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.sources.len())
            .filter(|position| holds(*position))
            .collect()
    }

    fn candidate(&self, position: usize) -> FoundCandidate {
        let person = &self.sources[position];
        let target = match self.matches.get(&position) {
            Some(Match::One { target, .. }) => self.targets.get(*target),
            _ => None,
        };
        FoundCandidate {
            name: person.name.clone(),
            upn: Some(person.principal.clone()),
            source: Some(person.id.clone()),
            user_name: target.map(|target| target.user_name.clone()),
            target: target.map(|target| target.id.clone()),
        }
    }

    fn into_roster(mut self, chosen: &[usize]) -> Roster {
        let mut sources = PackedSources::default();
        let mut exclusions = Exclusions::default();
        let mut matches = Vec::new();
        for position in chosen {
            sources.add(&self.sources[*position]);
            exclusions.push(self.exclusions[*position].take());
            matches.extend(self.matches.remove(position));
        }
        let mut targets = PackedTargets::default();
        for person in &self.targets {
            targets.add(person);
        }
        let mut roster = Roster::new(
            sources,
            exclusions,
            matches.into_iter(),
            targets,
            self.rules,
            false,
        );
        // Who else is there was not asked.
        roster.target_only = 0;
        roster
    }
}
