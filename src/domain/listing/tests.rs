//! What a listing promises, tried on people nobody would invent.

use std::collections::{BTreeSet, HashMap};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::search::{Plan, best_first};
use super::*;
use crate::domain::filter::{Field, Filter, Wanted, folded};
use crate::domain::person::AccountKind;
use crate::domain::run::PersonRef;
use crate::domain::text::clean;

/// A listing of people who have names.
pub(super) fn people<const N: usize>(names: [&str; N]) -> Listing {
    listing(&names.map(Somebody::named))
}

/// What a test says of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Somebody {
    source: String,
    name: String,
    principal: String,
    mail: Option<String>,
    department: Option<String>,
    target: Option<(String, String)>,
    verdict: Verdict,
    reason: String,
}

impl Somebody {
    fn named(name: &str) -> Self {
        Self {
            source: name.to_owned(),
            name: name.to_owned(),
            principal: format!("{}@contoso.example", folded(name).replace(' ', ".")),
            mail: None,
            department: None,
            target: None,
            verdict: Verdict::Undecided,
            reason: String::new(),
        }
    }

    fn source_person(&self) -> SourcePerson {
        SourcePerson {
            id: SourceId::new(self.source.as_str()),
            name: self.name.as_str().into(),
            principal: self.principal.as_str().into(),
            mail: self.mail.as_deref().map(RemoteText::from),
            employee_id: None,
            department: self.department.as_deref().map(RemoteText::from),
            job_title: None,
            kind: AccountKind::Member,
            enabled: Some(true),
        }
    }

    fn reference(&self) -> PersonRef {
        let target = self.target.as_ref();
        PersonRef {
            name: self.name.as_str().into(),
            upn: self.principal.as_str().into(),
            mail: self.mail.as_deref().map(RemoteText::from),
            source: SourceId::new(self.source.as_str()),
            target: target.map(|(id, _)| TargetId::new(id.as_str())),
            user_name: target.map(|(_, user_name)| user_name.as_str().into()),
        }
    }

    fn text(&self, field: Field) -> Option<&str> {
        match field {
            Field::Name => Some(&self.name),
            Field::Principal => Some(&self.principal),
            Field::Mail => self.mail.as_deref(),
            Field::Department => self.department.as_deref(),
        }
    }

    /// The rule of [`Query`], in few words and slowly.
    fn has(&self, word: &str) -> bool {
        let in_address = |address: &str| {
            let (local, domain) = address
                .rsplit_once('@')
                .map_or((address, None), |(local, domain)| (local, Some(domain)));
            let contains = |part: &str| domain.is_some_and(|domain| folded(domain).contains(part));
            match word.rsplit_once('@') {
                None => is_subsequence(word, local) || (word.chars().count() >= 3 && contains(word)),
                Some((before, behind)) => is_subsequence(before, local) && contains(behind),
            }
        };
        Field::ALL
            .into_iter()
            .any(|field| match (field, self.text(field)) {
                (_, None) => false,
                (Field::Name | Field::Department, Some(text)) => is_subsequence(word, text),
                (Field::Principal | Field::Mail, Some(address)) => in_address(address),
            })
    }
}

fn is_subsequence(word: &str, text: &str) -> bool {
    let text = folded(text);
    let mut letters = text.chars();
    word.chars().all(|wanted| letters.any(|letter| letter == wanted))
}

fn builder(people: &[Somebody]) -> Builder {
    let mut builder = Listing::builder(people.len());
    for person in people {
        let source = person.source_person();
        let target = person
            .target
            .as_ref()
            .map(|(id, user_name)| (TargetId::new(id.as_str()), RemoteText::from(user_name.as_str())));
        builder.push(&Particulars {
            target: target.as_ref().map(|(id, user_name)| (id, user_name)),
            verdict: person.verdict,
            reason: &person.reason,
            ..Particulars::of(&source)
        });
    }
    builder
}

fn listing(people: &[Somebody]) -> Listing {
    builder(people).finish()
}

/// The same people, listed and not looked at.
fn under_way(people: &[Somebody]) -> Listing {
    let mut listing = Listing::default();
    let people: Vec<SourcePerson> = people.iter().map(Somebody::source_person).collect();
    listing.append(&people);
    listing
}

fn somebody_of(entry: Entry<'_>) -> Somebody {
    let reference = entry.reference();
    Somebody {
        source: reference.source.to_string(),
        name: reference.name.raw().to_owned(),
        principal: reference.upn.raw().to_owned(),
        mail: reference.mail.map(|mail| mail.raw().to_owned()),
        department: entry.raw_department().map(str::to_owned),
        target: reference.target.map(|id| {
            let user_name = reference.user_name.map(|user_name| user_name.raw().to_owned());
            (id.to_string(), user_name.unwrap_or_default())
        }),
        verdict: entry.verdict(),
        reason: entry.reason().to_owned(),
    }
}

fn everybody(listing: &Listing) -> Vec<Somebody> {
    listing
        .rows()
        .map(|row| somebody_of(listing.entry(row)))
        .collect()
}

/// Letters that are apt to be confused, doubled, dropped or split.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[abAB .@]{0,6}",
        4 => "[abÅøßæı\u{301}\u{130}αΑ一﷽.@ ]{0,6}",
        1 => ".{0,8}",
        1 => any::<String>(),
    ]
}

fn address() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[abø.]{0,4}@[ab.]{0,6}", 1 => "[ab]{0,2}@[ab]{0,2}@[ab]{0,3}", 1 => text()]
}

fn somebody() -> impl Strategy<Value = Somebody> {
    let id = prop_oneof!["[0-9a-f]{32}", "[ab]{1,3}", any::<String>()];
    let verdict = (0..Verdict::ALL.len()).prop_map(|number| Verdict::ALL[number]);
    let facts = (text(), address(), option::of(address()), option::of("[abÅ]{0,2}"));
    (
        id.clone(),
        facts,
        0..5,
        option::of((id, text())),
        verdict,
        "[ab]{0,2}",
    )
        .prop_map(
            |(source, (name, principal, mail, department), likeness, target, verdict, reason)| {
                let local = principal
                    .rsplit_once('@')
                    .map_or(principal.as_str(), |(local, _)| local);
                let (mail, target) = match likeness {
                    0 => (
                        Some(principal.clone()),
                        target.map(|(id, _)| (id, principal.clone())),
                    ),
                    1 => (
                        Some(format!("{local}@other.example")),
                        target.map(|(id, _)| (id, local.to_owned())),
                    ),
                    2 => (Some(principal.to_uppercase()), target),
                    _ => (mail, target),
                };
                Somebody {
                    source,
                    name,
                    principal,
                    mail,
                    department,
                    target,
                    verdict,
                    reason,
                }
            },
        )
}

/// People who differ in their ids.
fn some_people() -> impl Strategy<Value = Vec<Somebody>> {
    vec(somebody(), 0..30).prop_map(|mut people| {
        let mut seen = BTreeSet::new();
        people.retain(|person| seen.insert(person.source.clone()));
        people
    })
}

fn query_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => "[abøßα.@]{1,4}",
        1 => text(),
        2 => "(name|upn|mail|dept):[abøα.@]{0,2}",
        1 => Just("status:missing,differs,in_sync,error,neither,broken".to_owned()),
        1 => Just("\"a b\"".to_owned()),
    ];
    vec((any::<prop::sample::Index>(), word), 0..3).prop_map(|words| {
        let words = words.into_iter().map(|(index, word)| {
            if index.index(5) == 0 {
                format!("!{word}")
            } else {
                word
            }
        });
        words.collect::<Vec<_>>().join(" ")
    })
}

fn rows(hits: &[Hit]) -> Vec<Row> {
    hits.iter().map(|hit| hit.row).collect()
}

proptest! {
    #[test]
    fn everybody_comes_out_as_they_went_in(people in some_people()) {
        let listing = listing(&people);
        prop_assert_eq!(listing.len(), people.len());
        for person in &people {
            let row = listing.find(&SourceId::new(person.source.as_str())).expect("listed");
            let entry = listing.entry(row);
            prop_assert_eq!(&somebody_of(entry), person);
            prop_assert_eq!(entry.reference(), person.reference());
            prop_assert_eq!(entry.name(), clean(&person.name));
            prop_assert_eq!(entry.principal(), clean(&person.principal));
            prop_assert_eq!(entry.mail(), person.mail.as_deref().map(clean));
            prop_assert_eq!(entry.department(), person.department.as_deref().map(clean));
            prop_assert_eq!(entry.user_name(), person.target.as_ref().map(|(_, user_name)| clean(user_name)));
            prop_assert_eq!(listing.verdict(row), person.verdict);
        }
        prop_assert_eq!(listing.find(&SourceId::new("somebody else, of whom nobody knows")), None);
    }

    #[test]
    fn a_stored_listing_is_the_same_one(people in some_people(), size in any::<prop::sample::Index>()) {
        let listing = listing(&people);
        let mut bytes = Vec::new();
        listing.write(&mut bytes).expect("memory takes everything");
        let stored = Listing::read(&mut &*bytes, bytes.len() as u64).expect("sound");
        prop_assert_eq!(everybody(&stored), everybody(&listing));
        prop_assert_eq!(stored.counts(), listing.counts());
        prop_assert_eq!(stored.order(Column::Name), listing.order(Column::Name));
        let cut = size.index(bytes.len());
        prop_assert!(matches!(Listing::read(&mut &bytes[..cut], bytes.len() as u64), Err(BlockError::Damaged)));
        prop_assert!(matches!(Listing::read(&mut &*bytes, cut as u64), Err(BlockError::Damaged)));
    }

    #[test]
    fn no_bytes_do_harm(people in some_people(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = Vec::new();
        listing(&people).write(&mut bytes).expect("memory takes everything");
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(mut listing) = Listing::read(&mut &*bytes, bytes.len() as u64) {
            everybody(&listing);
            for column in COLUMNS {
                prop_assert_eq!(listing.order(column).len(), listing.len());
            }
            listing.search(&Query::parse("a").expect("sound"), None);
            for row in listing.rows() {
                listing.find(&listing.entry(row).source());
                listing.set(row, Verdict::InSync, "looked at");
                listing.set_target(row, None);
            }
            prop_assert_eq!(listing.counts().of(Verdict::InSync) as usize, listing.len());
        }
    }

    #[test]
    fn a_listing_under_way_grows_by_pages_and_takes_nobody_twice(people in some_people(), at in any::<prop::sample::Index>()) {
        let at = at.index(people.len() + 1);
        let sources: Vec<SourcePerson> = people.iter().map(Somebody::source_person).collect();
        let mut listing = Listing::default();
        listing.append(&sources[..at]);
        listing.prepare_search();
        listing.append(&sources[at.saturating_sub(2)..]);
        let undecided: Vec<Somebody> = people
            .iter()
            .map(|person| Somebody { target: None, verdict: Verdict::Undecided, reason: String::new(), ..person.clone() })
            .collect();
        prop_assert_eq!(everybody(&listing), undecided);
        prop_assert_eq!(listing.counts().of(Verdict::Undecided) as usize, people.len());
        let query = Query::parse("a").expect("sound");
        prop_assert_eq!(listing.search(&query, None), under_way(&people).search(&query, None));
    }

    #[test]
    fn what_is_learnt_of_somebody_changes_nobody_else(
        people in some_people(),
        lessons in vec((any::<prop::sample::Index>(), somebody()), 0..20),
    ) {
        let mut listing = listing(&people);
        let mut expected = everybody(&listing);
        for (who, lesson) in lessons {
            if expected.is_empty() {
                break;
            }
            let who = who.index(expected.len());
            let row = Row(who as u32);
            listing.set(row, lesson.verdict, &lesson.reason);
            let target = lesson
                .target
                .as_ref()
                .map(|(id, user_name)| (TargetId::new(id.as_str()), RemoteText::from(user_name.as_str())));
            listing.set_target(row, target.as_ref().map(|(id, user_name)| (id, user_name)));
            let Somebody { target, verdict, reason, .. } = lesson;
            expected[who] = Somebody { target, verdict, reason, ..expected[who].clone() };
        }
        prop_assert_eq!(everybody(&listing), expected.clone());
        for verdict in Verdict::ALL {
            let count = expected.iter().filter(|person| person.verdict == verdict).count();
            prop_assert_eq!(listing.counts().of(verdict) as usize, count);
        }
        prop_assert_eq!(listing.counts().total() as usize, expected.len());
    }

    #[test]
    fn columns_are_sorted_as_one_would_by_hand(people in some_people(), is_under_way in any::<bool>()) {
        let listing = if is_under_way { under_way(&people) } else { listing(&people) };
        let everybody = everybody(&listing);
        for column in COLUMNS {
            let mut expected: Vec<Row> = listing.rows().collect();
            expected.sort_by_key(|row| {
                let person = &everybody[row.position()];
                let fold = |text: &Option<String>| (text.is_none(), text.as_deref().map(folded));
                let key = match column {
                    Column::Name => (false, None),
                    Column::Principal => (false, Some(folded(&person.principal))),
                    Column::Mail => fold(&person.mail),
                    Column::Department => fold(&person.department),
                    Column::Verdict => (false, Some(format!("{:02}", person.verdict as u8))),
                };
                (key, folded(&person.name), *row)
            });
            prop_assert_eq!(listing.order(column), expected, "{:?}", column);
        }
    }

    #[test]
    fn the_search_finds_whom_one_would_find_by_hand(people in some_people(), text in query_text()) {
        let Ok(query) = Query::parse(&text) else { return Ok(()) };
        let listing = listing(&people);
        let hits = listing.search(&query, None);
        prop_assert!(hits.is_sorted_by_key(|hit| (std::cmp::Reverse(hit.score), hit.row)));

        // The exact conditions are those of the filter.
        let exact = query.terms.iter().filter(|term| term.is_negated || !matches!(term.wanted, Wanted::Anywhere(_)));
        let exact = Filter { terms: exact.cloned().collect() };
        let expected: BTreeSet<Row> = listing
            .rows()
            .filter(|row| {
                let person = somebody_of(listing.entry(*row));
                query.words().all(|word| person.has(word))
                    && exact.matches(&person.source_person(), person.verdict, false)
            })
            .collect();
        let found: BTreeSet<Row> = rows(&hits).into_iter().collect();
        prop_assert_eq!(found, expected, "{:?}", text);
        prop_assert!(query.words().next().is_none() || hits.iter().all(|hit| hit.score > 0));
    }

    #[test]
    fn a_narrower_query_needs_only_the_hits_of_the_wider_one(
        people in some_people(),
        (one, other) in prop_oneof![
            1 => (query_text(), query_text()),
            3 => (query_text(), "[abøα.@ ]{0,2}").prop_map(|(text, more)| (text.clone(), text + &more)),
            1 => (query_text(), "[abøα.@ ]{0,2}").prop_map(|(text, more)| (text.clone(), more + &text)),
        ],
    ) {
        let (Ok(wider), Ok(narrower)) = (Query::parse(&one), Query::parse(&other)) else { return Ok(()) };
        prop_assume!(narrower.narrows(&wider));
        let listing = listing(&people);
        let all = listing.search(&narrower, None);
        let within = rows(&listing.search(&wider, None));
        prop_assert_eq!(listing.search(&narrower, Some(&within)), all, "{:?} after {:?}", other, one);
    }

    #[test]
    fn highlights_are_whole_characters_one_after_the_other(text in any::<String>(), near in text(), query in query_text()) {
        let Ok(query) = Query::parse(&query) else { return Ok(()) };
        for text in [text, near] {
            for field in Field::ALL {
                let mut end = None;
                for range in query.highlights(field, &text) {
                    prop_assert!(text.get(range.clone()).is_some_and(|part| !part.is_empty()));
                    prop_assert!(end.is_none_or(|end| end < range.start));
                    end = Some(range.end);
                }
            }
        }
    }

    #[test]
    fn every_hit_shows_why_it_is_one(people in some_people(), word in "[abøα.@]{1,4}") {
        let query = Query::parse(&word).expect("a word");
        let listing = listing(&people);
        for hit in listing.search(&query, None) {
            let person = somebody_of(listing.entry(hit.row));
            let is_highlighted = |field: Field| {
                let text = person.text(field);
                text.is_some_and(|text| !query.highlights(field, text).is_empty())
            };
            prop_assert!(Field::ALL.into_iter().any(is_highlighted), "{:?}: {:?}", word, person);
        }
    }

    #[test]
    fn no_query_does_harm(text in any::<String>(), people in some_people()) {
        if let Ok(query) = Query::parse(&text) {
            listing(&people).search(&query, None);
        }
    }
}

const COLUMNS: [Column; 5] = [
    Column::Name,
    Column::Department,
    Column::Principal,
    Column::Mail,
    Column::Verdict,
];

fn found(listing: &Listing, query: &str) -> Vec<String> {
    let hits = listing.search(&Query::parse(query).expect("a sound query"), None);
    hits.iter()
        .map(|hit| listing.entry(hit.row).name().into_owned())
        .collect()
}

#[test]
fn letters_in_order_find_a_name_and_the_closest_comes_first() {
    let listing = people(["Adele Vance", "Ada Ivanova", "Diego Siciliani", "Søren Øster"]);
    assert_eq!(found(&listing, "adv"), ["Adele Vance", "Ada Ivanova"]);
    assert_eq!(found(&listing, "ivan"), ["Ada Ivanova"]);
    assert_eq!(found(&listing, "SÖREN oster"), ["Søren Øster"]);
    assert_eq!(
        found(&listing, ""),
        ["Ada Ivanova", "Adele Vance", "Diego Siciliani", "Søren Øster"]
    );
}

#[test]
fn one_letter_finds_first_whose_name_begins_with_it() {
    let listing = people(["Bob Ada", "Ada Byron", "Nora Hill", "Kim"]);
    assert_eq!(found(&listing, "a"), ["Ada Byron", "Bob Ada", "Nora Hill"]);
}

#[test]
fn everybodys_domain_is_no_reason_to_find_everybody() {
    let listing = people(["Cole Porter", "Tom Bell", "Ann Wu"]);
    assert_eq!(found(&listing, "cole"), ["Cole Porter"]);
    assert_eq!(found(&listing, "c"), ["Cole Porter"]);
    assert_eq!(found(&listing, "tom"), ["Tom Bell"]);
    assert_eq!(found(&listing, "contoso").len(), 3);
    assert_eq!(found(&listing, "w@contoso"), ["Ann Wu"]);
    assert_eq!(found(&listing, "@example").len(), 3);
}

#[test]
fn a_name_counts_more_than_the_domain_it_resembles() {
    let mut everybody = ["Ann Wu", "Contessa Bell", "Tom Contoso"].map(Somebody::named);
    everybody[0].department = Some("Marketing".to_owned());
    let listing = listing(&everybody);
    assert_eq!(found(&listing, "contoso")[0], "Tom Contoso");
    assert_eq!(found(&listing, "market"), ["Ann Wu"]);
}

#[test]
fn status_and_field_terms_narrow_a_fuzzy_search() {
    let mut everybody = ["Ada Byron", "Adele Vance"].map(Somebody::named);
    everybody[0].verdict = Verdict::Missing;
    let listing = listing(&everybody);
    assert_eq!(found(&listing, "ad status:missing"), ["Ada Byron"]);
    assert_eq!(found(&listing, "ad !byron"), ["Adele Vance"]);
    assert_eq!(found(&listing, "name:vance"), ["Adele Vance"]);
    assert!(Query::parse("status:nonsense").is_err());
}

#[test]
fn suspicions_stay_with_their_people_in_every_order_and_on_disk() {
    let mut listing = under_way(&["Zoe Last", "Ada Byron", "Ben Tall"].map(Somebody::named));
    let row = |listing: &Listing, name: &str| {
        listing
            .rows()
            .find(|row| listing.entry(*row).name() == name)
            .expect("is there")
    };
    let (zoe, ben) = (row(&listing, "Zoe Last"), row(&listing, "Ben Tall"));
    listing.set_suspicion(zoe, Some("the photo is blank"));
    listing.set_suspicion(ben, Some("the same photo as Zoe Last"));
    listing.set_suspicion(ben, None);
    let mut arranged = listing.clone();
    arranged.arrange(&listing.order(Column::Name));
    let mut bytes = Vec::new();
    arranged.write(&mut bytes).expect("memory takes everything");
    let stored = Listing::read(&mut &*bytes, bytes.len() as u64).expect("sound");
    for listing in [&listing, &arranged, &stored] {
        assert_eq!(found(listing, "status:suspicious"), ["Zoe Last"]);
        assert_eq!(found(listing, "a !status:suspicious").len(), 2);
        let suspicion = listing.entry(row(listing, "Zoe Last")).suspicion();
        assert_eq!((suspicion, listing.suspicious()), (Some("the photo is blank"), 1));
    }
}

#[test]
fn the_letters_that_were_found_are_highlighted() {
    let marked = |query: &str, field: Field, text: &str| {
        let ranges = Query::parse(query).expect("sound").highlights(field, text);
        ranges
            .into_iter()
            .map(|range| text[range].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(marked("vance", Field::Name, "Adele Vance"), ["Vance"]);
    assert_eq!(marked("adv", Field::Name, "Adele Vance"), ["Ad", "V"]);
    assert_eq!(marked("oster", Field::Name, "Søren Øster"), ["Øster"]);
    assert_eq!(marked("strasse", Field::Name, "Anna Straße"), ["Straße"]);
    assert_eq!(marked("e", Field::Name, "Ce\u{301}line"), ["e\u{301}"]);
    assert_eq!(marked("va ad", Field::Name, "Adele Vance"), ["Ad", "Va"]);
    assert_eq!(marked("ee", Field::Name, "Eve Lee"), ["ee"]);
    assert_eq!(marked("soe", Field::Principal, "adele@contoso.example"), [""; 0]);
    assert_eq!(
        marked("ade@con", Field::Principal, "adele@contoso.example"),
        ["ade", "@con"]
    );
    assert_eq!(
        marked("contoso", Field::Mail, "adele@contoso.example"),
        ["contoso"]
    );
    assert_eq!(marked("dept:sal", Field::Department, "Global Sales"), ["Sal"]);
    assert_eq!(marked("dept:sal", Field::Name, "Sally"), [""; 0]);
    assert_eq!(marked("!ada status:missing", Field::Name, "Ada"), [""; 0]);
}

#[test]
fn typing_on_narrows_and_correcting_does_not() {
    let narrows = |later: &str, earlier: &str| {
        let [later, earlier] = [later, earlier].map(|text| Query::parse(text).expect("sound"));
        later.narrows(&earlier)
    };
    for (later, earlier) in [
        ("adele", "adel"),
        ("adele va", "adele"),
        ("xadele", "adele"),
        ("co", "c"),
        ("adele@c", "adele"),
        ("anything", ""),
        ("status:missing", "status:missing,differs"),
        ("ada !b", "ada !bell"),
        ("name:ada", "name:ad"),
    ] {
        assert!(narrows(later, earlier), "{later} after {earlier}");
    }
    for (later, earlier) in [
        ("adel", "adele"),
        // "con" is looked for in domains, too, and "co" is not.
        ("con", "co"),
        ("a@c", "c"),
        ("", "a"),
        ("ada !bell", "ada !b"),
        ("status:missing,differs", "status:missing"),
        ("!status:missing", "status:missing"),
        ("name:ada", "mail:ada"),
    ] {
        assert!(!narrows(later, earlier), "{later} after {earlier}");
    }
}

#[test]
fn many_people_are_searched_by_several_threads_with_the_same_result() {
    let everybody: Vec<Somebody> = (0..20_000)
        .map(|number| Somebody {
            source: format!("{number:032x}"),
            ..Somebody::named(["Ada Byron", "Bob Ross", "Cy Twombly"][number % 3])
        })
        .collect();
    let listing = listing(&everybody);
    let query = Query::parse("bo").expect("a word");
    let hits = listing.search(&query, None);
    assert!(hits.is_sorted_by_key(|hit| (std::cmp::Reverse(hit.score), hit.row)));
    let expected: BTreeSet<Row> = listing
        .rows()
        .filter(|row| somebody_of(listing.entry(*row)).has("bo"))
        .collect();
    assert_eq!(rows(&hits).into_iter().collect::<BTreeSet<_>>(), expected);
    let one_thread = Plan::new(&listing, &query).search(None, 1);
    assert_eq!(best_first(&one_thread), hits);
}

#[test]
fn texts_and_reasons_that_nobody_has_any_more_are_dropped() {
    let mut listing = people(["Ada", "Bob"]);
    let names: HashMap<u32, String> = (0..20_000)
        .map(|number| (number, format!("{number}").repeat(8)))
        .collect();
    for (number, text) in &names {
        listing.set(Row(number % 2), Verdict::Error, text);
        listing.set_target(
            Row(number % 2),
            Some((&TargetId::new("a"), &text.as_str().into())),
        );
    }
    assert_eq!(listing.entry(Row(0)).name(), "Ada");
    assert!(listing.size() < 1_000_000, "{} bytes", listing.size());
}

#[test]
fn overlong_texts_are_cut_and_harm_nobody() {
    let mut long = Somebody::named("Ada");
    long.name = "ﷺ".repeat(100_000);
    long.principal = format!("{}@{}", "ä".repeat(100_000), "b".repeat(100_000));
    let listing = listing(&[long, Somebody::named("Bob")]);
    assert_eq!(found(&listing, "bob"), ["Bob"]);
    assert_eq!(
        listing.entry(Row(1)).name().chars().count(),
        crate::domain::text::SHOWN_LIMIT + 1
    );
    assert!(listing.size() < 50_000, "{} bytes", listing.size());
}
