//! Who is meant, and what there is of them, from what is on this machine alone.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params_from_iter};

use super::{last_scan, places};
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::photo::Sha256;
use crate::domain::run::PersonRef;
use crate::store::vault::NO_NAME;
use crate::store::{StoreError, StorePaths};

/// Somebody of whom something is known here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// How they were last named; `None` if only ids are left.
    pub person: Option<PersonRef>,
    /// Their ids in the source, and what stands for one where the source was not asked.
    pub sources: Vec<SourceId>,
    /// Every name and address that they had.
    pub names: BTreeSet<String>,
    /// Their pictures in the vault that are nobody else's.
    pub pictures: BTreeSet<Sha256>,
    /// How many more pictures are also somebody else's, and stay.
    pub shared: u64,
    /// Steps of the history.
    pub steps: u64,
    /// True if they are in the last scan.
    pub is_in_scan: bool,
    /// True if a change was begun and is not finished.
    pub is_unfinished: bool,
    /// Ids of stored pictures that were theirs.
    pub(super) stored: BTreeSet<String>,
    /// Hashes of every picture that was theirs.
    pub(super) hashes: BTreeSet<Sha256>,
}

/// The answer to a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Nothing is known here of anybody who is called so.
    Nobody,
    /// Somebody.
    One(Box<Known>),
    /// Several people; an id says which one.
    Several(Vec<PersonRef>),
}

/// What the sources of knowledge say, put together by the id in the source.
#[derive(Default)]
struct People {
    /// The last word about each comes last.
    by_source: BTreeMap<SourceId, Vec<PersonRef>>,
    in_scan: BTreeSet<SourceId>,
    targets: BTreeMap<SourceId, BTreeSet<TargetId>>,
}

impl People {
    fn tell(&mut self, person: PersonRef) {
        self.pair(&person.source, person.target.as_ref());
        let known = self.by_source.entry(person.source.clone()).or_default();
        if !known.contains(&person) {
            known.push(person);
        }
    }

    fn pair(&mut self, source: &SourceId, target: Option<&TargetId>) {
        let targets = self.targets.entry(source.clone()).or_default();
        targets.extend(target.cloned());
    }

    fn is_called(&self, source: &SourceId, wanted: &str) -> bool {
        let is = |text: &str| text != NO_NAME && text.to_lowercase() == wanted;
        let has_id = is(source.as_str()) || self.targets[source].iter().any(|target| is(target.as_str()));
        has_id || self.names(source).iter().any(|name| is(name))
    }

    /// Sign-in names and addresses.
    fn names(&self, source: &SourceId) -> Vec<String> {
        let known = self.by_source.get(source).into_iter().flatten();
        known
            .flat_map(|person| [Some(&person.upn), person.mail.as_ref(), person.user_name.as_ref()])
            .flatten()
            .map(|text| text.raw().to_owned())
            .collect()
    }
}

pub(super) fn seek(
    journal: Option<&Connection>,
    paths: &StorePaths,
    wanted: &str,
) -> Result<Sought, StoreError> {
    let wanted = wanted.trim().to_lowercase();
    if wanted.is_empty() {
        return Ok(Sought::Nobody);
    }
    let mut people = People::default();
    if let Some(journal) = journal {
        told_by(journal, &mut people).map_err(StoreError::database("read the journal"))?;
    }
    for person in last_scan(paths)? {
        people.in_scan.insert(person.source.clone());
        people.tell(person);
    }
    for person in super::standing::people(paths)? {
        people.tell(person);
    }
    for source in super::standing::absent(paths)? {
        people.pair(&source, None);
    }
    for source in super::memory::people(paths) {
        people.pair(&source, None);
    }
    let named: Vec<&SourceId> = people
        .targets
        .keys()
        .filter(|source| people.is_called(source, &wanted))
        .collect();
    // Whoever is known in the target alone is the same person as the one of the source who is paired with them.
    let mut meant: Vec<&SourceId> = named.iter().copied().filter(|id| !id.is_not_asked()).collect();
    if meant.is_empty() {
        meant.clone_from(&named);
        if meant.len() > 1 {
            return Ok(several(&people, &meant));
        }
    }
    match meant[..] {
        [] => Ok(Sought::Nobody),
        [source] => {
            let known = known(journal, &people, source).map_err(StoreError::database("read the journal"))?;
            Ok(Sought::One(Box::new(known)))
        }
        _ => Ok(several(&people, &meant)),
    }
}

fn several(people: &People, sources: &[&SourceId]) -> Sought {
    let last = |source: &&SourceId| {
        let nameless = || PersonRef {
            name: NO_NAME.into(),
            upn: NO_NAME.into(),
            mail: None,
            source: (*source).clone(),
            target: people.targets[*source].first().cloned(),
            user_name: None,
        };
        let known = people.by_source.get(*source);
        known
            .and_then(|known| known.last().cloned())
            .unwrap_or_else(nameless)
    };
    Sought::Several(sources.iter().map(last).collect())
}

/// Everybody of whom the journal tells.
fn told_by(journal: &Connection, people: &mut People) -> rusqlite::Result<()> {
    let mut named = journal.prepare(
        "SELECT person FROM (SELECT person, max(at) AS last FROM steps GROUP BY person
         UNION ALL SELECT person, '9999' FROM under_way) ORDER BY last",
    )?;
    for person in named.query_map([], |row| row.get::<_, String>(0))? {
        // A row that cannot be understood is found by its ids below.
        if let Ok(person) = serde_json::from_str(&person?) {
            people.tell(person);
        }
    }
    crate::store::journal::planned::people(journal, |person| people.tell(person))?;
    for table in ["steps", "kept", "writes", "released"] {
        let mut ids = journal.prepare(&format!("SELECT DISTINCT source, target FROM {table}"))?;
        let rows = ids.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
        })?;
        for row in rows {
            let (source, target) = row?;
            people.pair(&SourceId::new(source), target.map(TargetId::new).as_ref());
        }
    }
    Ok(())
}

fn known(journal: Option<&Connection>, people: &People, source: &SourceId) -> rusqlite::Result<Known> {
    let mut sources = vec![source.clone()];
    let alone = people.targets[source]
        .iter()
        .map(|target| SourceId::not_asked(target.as_str()));
    sources.extend(alone.filter(|alone| alone != source && people.targets.contains_key(alone)));
    let mut known = Known {
        person: people
            .by_source
            .get(source)
            .and_then(|known| known.last().cloned()),
        is_in_scan: sources.iter().any(|source| people.in_scan.contains(source)),
        ..Known::default()
    };
    for source in &sources {
        known.names.extend(people.names(source));
        let told = people.by_source.get(source).into_iter().flatten();
        known
            .names
            .extend(told.map(|person| person.name.raw().to_owned()));
    }
    known.names.retain(|name| name != NO_NAME && !name.is_empty());
    known.sources = sources;
    let Some(journal) = journal else { return Ok(known) };

    let of_them = format!("source IN ({})", places(known.sources.len()));
    let ids = || params_from_iter(known.sources.iter().map(SourceId::as_str));
    let count = |table: &str| -> rusqlite::Result<u64> {
        let mut rows = journal.prepare(&format!("SELECT count(*) FROM {table} WHERE {of_them}"))?;
        rows.query_row(ids(), |row| row.get::<_, i64>(0))
            .map(|count| count as u64)
    };
    let texts = |column: &str, table: &str| -> rusqlite::Result<Vec<Option<String>>> {
        let mut rows = journal.prepare(&format!("SELECT DISTINCT {column} FROM {table} WHERE {of_them}"))?;
        rows.query_map(ids(), |row| row.get(0))?.collect()
    };
    let hashes = |table| -> rusqlite::Result<BTreeSet<Sha256>> {
        let texts = texts("sha256", table)?;
        Ok(texts
            .iter()
            .flatten()
            .filter_map(|text| Sha256::from_hex(text))
            .collect())
    };
    let (kept, written) = (hashes("kept")?, hashes("writes")?);
    let mut stored = BTreeSet::new();
    for (column, table) in [
        ("picture", "kept"),
        ("picture", "writes"),
        ("old_picture", "writes"),
        ("answer_id", "writes"),
    ] {
        stored.extend(texts(column, table)?.into_iter().flatten());
    }
    let mut named_by_others = journal.prepare(&format!(
        "SELECT EXISTS (SELECT 1 FROM kept WHERE sha256 = ? AND source NOT IN ({}))",
        places(known.sources.len())
    ))?;
    let mut pictures = BTreeSet::new();
    for sha256 in &kept {
        let of_others = std::iter::once(sha256.to_string())
            .chain(known.sources.iter().map(|source| source.as_str().to_owned()));
        if !named_by_others.query_row(params_from_iter(of_others), |row| row.get::<_, bool>(0))? {
            pictures.insert(*sha256);
        }
    }
    let (steps, unfinished) = (count("steps")?, count("under_way")?);
    known.shared = (kept.len() - pictures.len()) as u64;
    known.hashes = &kept | &written;
    (known.pictures, known.stored, known.steps) = (pictures, stored, steps);
    known.is_unfinished = unfinished > 0;
    Ok(known)
}
