//! Finds people: exact conditions first, then each word fuzzily in every text of who is left.

use std::num::NonZero;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use frizbee::{CaseMatching, Config, Matcher, SortStrategy};
use parking_lot::Mutex;

use super::keys::{SearchKeys, Texts, letters_in};
use super::query::{is_for_domains, split_word};
use super::{Likeness, Listing, NONE, Query, Row};
use crate::domain::comparison::Verdict;
use crate::domain::filter::{Field, Wanted};

/// Somebody who was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Who.
    pub row: Row,
    /// How well they fit the words of the query; 0 if it has none.
    pub score: u16,
}

/// How many people a thread takes on at a time: their texts stay in its cache.
const CHUNK: usize = 2048;

/// How many threads search at most. More cost longer to start than they save.
const THREADS: usize = 8;

impl Listing {
    /// Makes what [`Listing::search`] and [`Listing::find`] read, if it has not been made. The first of them does so
    /// too; some tens of milliseconds for a few hundred thousand people are better spent before it, and elsewhere.
    pub fn prepare_search(&self) {
        self.positions();
        self.search_keys();
    }

    /// Bytes that the keys of the search take in memory; 0 before they are made.
    pub fn search_size(&self) -> usize {
        self.keys.get().map_or(0, SearchKeys::size)
    }

    /// Who fits the query, the best first and equals in the order of rows. Only people of `within`, if given: the rows
    /// of earlier hits, say, in any order, of a query that this one [narrows](Query::narrows).
    pub fn search(&self, query: &Query, within: Option<&[Row]>) -> Vec<Hit> {
        let plan = Plan::new(self, query);
        let within = within.map(|rows| {
            let mut bits = vec![0_u64; self.len().div_ceil(64)];
            for row in rows {
                if let Some(word) = bits.get_mut(row.position() / 64) {
                    *word |= 1 << (row.position() % 64);
                }
            }
            bits
        });
        let searched = within.as_ref().map_or(self.len(), |bits| {
            bits.iter().map(|word| word.count_ones() as usize).sum()
        });
        let threads = searched.div_ceil(2 * CHUNK).min(*CORES);
        let hits = plan.search(within.as_deref(), threads);
        best_first(&hits)
    }

    pub(super) fn search_keys(&self) -> &SearchKeys {
        self.keys.get_or_init(|| SearchKeys::of(self))
    }
}

static CORES: LazyLock<usize> = LazyLock::new(|| {
    thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(THREADS)
});

/// A query made ready for one listing: what can be said of a department or a domain is said once.
pub(super) struct Plan<'a> {
    listing: &'a Listing,
    keys: &'a SearchKeys,
    tests: Vec<Test<'a>>,
    words: Vec<Word>,
}

/// An exact condition.
struct Test<'a> {
    is_negated: bool,
    wanted: Exact<'a>,
}

enum Exact<'a> {
    Status {
        verdicts: [bool; Verdict::ALL.len()],
        suspicious: bool,
    },
    /// A text in some fields.
    Contains { fields: &'a [Field], part: Part<'a> },
}

/// A word that is looked for fuzzily.
#[derive(Clone)]
struct Word {
    /// For names and departments.
    whole: Matcher,
    /// For what stands before an `@`, if that is not the whole word; `None` if nothing needs to stand there.
    local: Option<Matcher>,
    has_domain: bool,
    /// The word, if it is one letter or digit: the first that is typed, which nearly everybody has.
    only_letter: Option<u8>,
    /// What has to occur in a person's texts for the word to be found in one of them.
    letters: u64,
    /// The same of what stands before an `@`.
    local_letters: u64,
    /// What each department is worth; 0 for one that does not fit.
    departments: Vec<u16>,
    /// The same of domains.
    domains: Vec<u16>,
}

impl Word {
    fn new(word: &str, keys: &SearchKeys) -> Self {
        let config = Config::default()
            .max_typos(Some(0))
            .casing(CaseMatching::Respect)
            .sort(SortStrategy::IndexAsc);
        let mut whole = Matcher::new(word, &config);
        let mut departments = vec![0; keys.departments.len()];
        for found in whole.match_list(&keys.departments) {
            departments[found.index as usize] = found.score.max(1);
        }
        let (local, domain) = split_word(word);
        let wanted = domain.unwrap_or(word);
        let mut of_domain = Matcher::new(wanted, &config);
        let is_wanted = domain.is_some() || is_for_domains(word);
        let domains = keys.domains.iter().map(|text| {
            if !is_wanted || !text.contains(wanted) {
                return 0;
            }
            // Half as good as in a name: it is the same for thousands.
            let score = of_domain.match_one(text, 0).map_or(0, |found| found.score);
            (score / 2).max(1)
        });
        Self {
            domains: domains.collect(),
            departments,
            whole,
            local: (domain.is_some() && !local.is_empty()).then(|| Matcher::new(local, &config)),
            has_domain: domain.is_some(),
            only_letter: match word.as_bytes() {
                [letter] if letter.is_ascii_alphanumeric() => Some(*letter),
                _ => None,
            },
            letters: letters_in(word),
            local_letters: letters_in(local),
        }
    }
}

impl<'a> Plan<'a> {
    pub(super) fn new(listing: &'a Listing, query: &'a Query) -> Self {
        let keys = listing.search_keys();
        let mut tests: Vec<Test<'_>> = Vec::new();
        for term in &query.terms {
            let wanted = match &term.wanted {
                Wanted::Status(statuses) => Exact::Status {
                    verdicts: Verdict::ALL.map(|verdict| statuses.verdicts.contains(&verdict)),
                    suspicious: statuses.suspicious,
                },
                Wanted::Anywhere(text) if term.is_negated => Exact::Contains {
                    fields: &Field::ALL,
                    part: Part::new(text, keys),
                },
                Wanted::Anywhere(_) => continue,
                Wanted::In(field, text) => Exact::Contains {
                    fields: std::slice::from_ref(field),
                    part: Part::new(text, keys),
                },
            };
            tests.push(Test {
                is_negated: term.is_negated,
                wanted,
            });
        }
        // What the verdict tells costs least.
        tests.sort_by_key(|test| !matches!(test.wanted, Exact::Status { .. }));
        let mut words: Vec<&str> = query.words().collect();
        // The longest leaves the fewest for the others.
        words.sort_by_key(|word| (std::cmp::Reverse(word.len()), *word));
        words.dedup();
        Self {
            listing,
            keys,
            tests,
            words: words.into_iter().map(|word| Word::new(word, keys)).collect(),
        }
    }

    /// The hits of each chunk, in the order of rows.
    pub(super) fn search(&self, within: Option<&[u64]>, threads: usize) -> Vec<Vec<Hit>> {
        let chunks = self.listing.len().div_ceil(CHUNK);
        let next = AtomicUsize::new(0);
        let found: Mutex<Vec<Vec<Hit>>> = Mutex::new(vec![Vec::new(); chunks]);
        let work = || {
            let mut searcher = Searcher::new(self);
            loop {
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                if chunk >= chunks {
                    break;
                }
                let hits = searcher.search(chunk, within);
                if !hits.is_empty() {
                    found.lock()[chunk] = hits;
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                // Without a second thread this one does it all.
                drop(
                    thread::Builder::new()
                        .name("search".into())
                        .spawn_scoped(scope, work),
                );
            }
            work();
        });
        found.into_inner()
    }

    fn passes(&self, position: usize) -> bool {
        self.tests
            .iter()
            .all(|test| self.holds(&test.wanted, position) != test.is_negated)
    }

    fn holds(&self, wanted: &Exact<'_>, position: usize) -> bool {
        match wanted {
            Exact::Status { verdicts, suspicious } => {
                verdicts[usize::from(self.listing.verdicts[position])]
                    || (*suspicious && self.listing.suspicions.contains_key(&(position as u32)))
            }
            Exact::Contains { fields, part } => fields.iter().any(|field| match field {
                Field::Name => {
                    part.may_be_in(self.keys, position) && {
                        self.keys.texts(position).name.contains(part.text)
                    }
                }
                Field::Department => is_in(&part.departments, self.listing.person_departments.get(position)),
                Field::Principal => {
                    let domain = self.listing.principal_domains.get(position);
                    self.is_in_address(part, position, |texts| texts.principal, domain)
                }
                Field::Mail => self
                    .mail_domain(position)
                    .is_some_and(|domain| self.is_in_address(part, position, Texts::mail, domain)),
            }),
        }
    }

    fn is_in_address(
        &self,
        part: &Part<'_>,
        position: usize,
        local: impl Fn(&Texts<'a>) -> &'a str,
        domain: u32,
    ) -> bool {
        if is_in(&part.domains, domain) {
            return true;
        }
        if !part.may_be_in(self.keys, position) {
            return false;
        }
        let local = local(&self.keys.texts(position));
        if !part.has_at {
            return local.contains(part.text);
        }
        // Only such a text can stand on both sides of the `@`.
        match self.keys.domains.get(domain as usize) {
            Some(domain) => format!("{local}@{domain}").contains(part.text),
            None => local.contains(part.text),
        }
    }

    /// The number of the mail address's domain, [`NONE`] included; `None` where there is no mail address.
    fn mail_domain(&self, position: usize) -> Option<u32> {
        match Likeness::unpair(self.listing.likenesses[position]).0 {
            Likeness::None => None,
            Likeness::Same => Some(self.listing.principal_domains.get(position)),
            Likeness::Local | Likeness::Own => Some(self.listing.mail_domains.get(position)),
        }
    }
}

/// A text that has to stand somewhere letter for letter.
struct Part<'a> {
    text: &'a str,
    has_at: bool,
    letters: u64,
    /// Whether it is in each department.
    departments: Vec<bool>,
    /// Whether it is in each domain.
    domains: Vec<bool>,
}

impl<'a> Part<'a> {
    fn new(text: &'a str, keys: &SearchKeys) -> Self {
        let contain = |texts: &[Box<str>]| texts.iter().map(|known| known.contains(text)).collect();
        let has_at = text.contains('@');
        Self {
            text,
            has_at,
            // With an `@` it may stand partly in a domain.
            letters: if has_at { 0 } else { letters_in(text) },
            departments: contain(&keys.departments),
            domains: contain(&keys.domains),
        }
    }

    /// False if it cannot be in a person's name or in front of a domain.
    fn may_be_in(&self, keys: &SearchKeys, position: usize) -> bool {
        keys.letters[position] & self.letters == self.letters
    }
}

/// What stands at a number in a table; false for [`NONE`].
fn is_in(table: &[bool], number: u32) -> bool {
    table.get(number as usize).copied().unwrap_or_default()
}

/// One thread's tools.
struct Searcher<'a> {
    plan: &'a Plan<'a>,
    words: Vec<Word>,
    /// The positions that are still in the running, with their scores so far.
    left: Vec<(u32, u16)>,
    /// What the word at hand is worth for each of them; 0 if it is not found.
    scores: Vec<u16>,
    /// The texts to look at, and for whom.
    texts: Vec<&'a str>,
    owners: Vec<u32>,
}

impl<'a> Searcher<'a> {
    fn new(plan: &'a Plan<'a>) -> Self {
        Self {
            plan,
            words: plan.words.clone(),
            left: Vec::with_capacity(CHUNK),
            scores: Vec::with_capacity(CHUNK),
            texts: Vec::with_capacity(2 * CHUNK),
            owners: Vec::with_capacity(2 * CHUNK),
        }
    }

    fn search(&mut self, chunk: usize, within: Option<&[u64]>) -> Vec<Hit> {
        let plan = self.plan;
        let start = chunk * CHUNK;
        let end = (start + CHUNK).min(plan.listing.len());
        self.left.clear();
        let candidates = (start..end)
            .filter(|position| within.is_none_or(|bits| bits[position / 64] & (1 << (position % 64)) != 0))
            .filter(|position| plan.passes(*position));
        self.left.extend(candidates.map(|position| (position as u32, 0)));
        let mut words = std::mem::take(&mut self.words);
        for word in &mut words {
            if self.left.is_empty() {
                break;
            }
            self.look_for(word);
        }
        self.words = words;
        let hits = self.left.iter();
        hits.map(|&(position, score)| Hit {
            row: Row(position),
            score,
        })
        .collect()
    }

    /// Leaves those in whom the word is found.
    fn look_for(&mut self, word: &mut Word) {
        let plan = self.plan;
        self.scores.clear();
        self.texts.clear();
        self.owners.clear();
        for (owner, &(position, _)) in (0..).zip(&self.left) {
            let position = position as usize;
            let worth = |table: &[u16], number: u32| table.get(number as usize).copied().unwrap_or_default();
            let domain = plan.listing.principal_domains.get(position);
            let mail_domain = plan.mail_domain(position).unwrap_or(NONE);
            let department = worth(&word.departments, plan.listing.person_departments.get(position));
            let score = if word.has_domain {
                department
            } else {
                department
                    .max(worth(&word.domains, domain))
                    .max(worth(&word.domains, mail_domain))
            };
            self.scores.push(score);
            if plan.keys.letters[position] & word.letters != word.letters {
                continue;
            }
            let texts = plan.keys.texts(position);
            if let Some(letter) = word.only_letter {
                let all = [Some(texts.name), Some(texts.principal), texts.own_mail];
                let best = all
                    .into_iter()
                    .flatten()
                    .map(|text| letter_score(text, letter))
                    .max();
                let score = self.scores.last_mut().expect("pushed above");
                *score = (*score).max(best.unwrap_or_default());
                continue;
            }
            self.texts.push(texts.name);
            self.owners.push(owner);
            if !word.has_domain {
                for text in [Some(texts.principal), texts.own_mail].into_iter().flatten() {
                    self.texts.push(text);
                    self.owners.push(owner);
                }
            }
        }
        for found in word.whole.match_list(&self.texts) {
            let score = &mut self.scores[self.owners[found.index as usize] as usize];
            *score = (*score).max(found.score).max(1);
        }
        if word.has_domain {
            self.look_in_addresses(word);
        }
        let mut scores = self.scores.iter();
        self.left.retain_mut(|(_, total)| {
            let score = scores.next().copied().unwrap_or_default();
            *total = total.saturating_add(score);
            score > 0
        });
    }

    /// Looks for both sides of a word with an `@`.
    fn look_in_addresses(&mut self, word: &mut Word) {
        let plan = self.plan;
        self.texts.clear();
        self.owners.clear();
        let mut domains = Vec::new();
        for (owner, &(position, _)) in (0..).zip(&self.left) {
            let position = position as usize;
            if plan.keys.letters[position] & word.local_letters != word.local_letters {
                continue;
            }
            let texts = plan.keys.texts(position);
            let principal_domain = plan.listing.principal_domains.get(position);
            let mail = plan.mail_domain(position).map(|domain| (texts.mail(), domain));
            for (local, domain) in [Some((texts.principal, principal_domain)), mail]
                .into_iter()
                .flatten()
            {
                let worth = word.domains.get(domain as usize).copied().unwrap_or_default();
                if worth > 0 {
                    self.texts.push(local);
                    self.owners.push(owner);
                    domains.push(worth);
                }
            }
        }
        let mut note = |index: usize, score: u16| {
            let noted = &mut self.scores[self.owners[index] as usize];
            *noted = (*noted).max(score.saturating_add(domains[index]));
        };
        match &mut word.local {
            None => (0..self.texts.len()).for_each(|index| note(index, 0)),
            Some(matcher) => {
                for found in matcher.match_list(&self.texts) {
                    note(found.index as usize, found.score);
                }
            }
        }
    }
}

/// How well one letter fits a text, on the scale of the matcher for longer words and at a fraction of its cost.
fn letter_score(text: &str, letter: u8) -> u16 {
    let mut score = 0;
    let mut before = None;
    for byte in text.bytes() {
        if byte == letter {
            score = match before {
                None => return 28,
                Some(before) if !u8::is_ascii_alphanumeric(&before) && before.is_ascii() => return 20,
                Some(_) => 16,
            };
        }
        before = Some(byte);
    }
    score
}

/// Puts hits that come in the order of rows into the order of their scores, keeping it among equals.
pub(super) fn best_first(chunks: &[Vec<Hit>]) -> Vec<Hit> {
    let hits = || chunks.iter().flatten();
    let best = usize::from(hits().map(|hit| hit.score).max().unwrap_or_default());
    if best == 0 {
        return hits().copied().collect();
    }
    let place = |hit: &Hit| best - usize::from(hit.score);
    let mut starts = vec![0; best + 1];
    for hit in hits() {
        starts[place(hit)] += 1;
    }
    let mut start = 0;
    for count in &mut starts {
        start += std::mem::replace(count, start);
    }
    let mut sorted = vec![
        Hit {
            row: Row(0),
            score: 0
        };
        start
    ];
    for hit in hits() {
        let next = &mut starts[place(hit)];
        sorted[*next] = *hit;
        *next += 1;
    }
    sorted
}
