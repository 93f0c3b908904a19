//! What a screen of 300,000 people costs, from the file to a typed key. Prints figures and fails on none but the sizes,
//! which are the same everywhere:
//!
//! ```text
//! cargo test --release --lib store::snapshot::figures -- --ignored --nocapture
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::*;
use crate::domain::comparison::Verdict;
use crate::domain::filter::Field;
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::listing::{Column, Hit, Marks, Particulars, Query, Row};
use crate::domain::person::{AccountKind, SourcePerson};

const PEOPLE: u32 = 300_000;

const FIRST: [&str; 48] = [
    "Adele",
    "Aisha",
    "Alex",
    "Amélie",
    "Anna",
    "Bianca",
    "Björn",
    "Carlos",
    "Chiara",
    "Chloé",
    "Daniel",
    "Diego",
    "Elif",
    "Emma",
    "Enrico",
    "Fatima",
    "Georg",
    "Grady",
    "Hannah",
    "Henrietta",
    "Hiroshi",
    "Irvin",
    "Isaiah",
    "Ivan",
    "Johanna",
    "José",
    "Katarzyna",
    "Lee",
    "Lidia",
    "Lynne",
    "Megan",
    "Miriam",
    "Mohammed",
    "Nestor",
    "Nguyễn",
    "Olga",
    "Patti",
    "Pradeep",
    "Raúl",
    "Søren",
    "Tom",
    "Ulrike",
    "Wei",
    "Xavier",
    "Yuki",
    "Zoë",
    "Владимир",
    "美咲",
];

const LAST: [&str; 48] = [
    "Vance",
    "Wilber",
    "Siciliani",
    "Kowalczyk",
    "Müller",
    "García",
    "Smith",
    "Johansen",
    "O'Connor",
    "Rossi",
    "Nakamura",
    "Fernández",
    "Schmidt",
    "Dubois",
    "Petrov",
    "Andersson",
    "Silva",
    "Kim",
    "Chen",
    "Patel",
    "Yılmaz",
    "Novák",
    "Horvat",
    "Popescu",
    "Jensen",
    "Virtanen",
    "Łukaszewicz",
    "van der Berg",
    "Ó Briain",
    "Macdonald",
    "Washington",
    "Abdullah",
    "Haddad",
    "Okafor",
    "Mwangi",
    "Tanaka",
    "Suzuki",
    "Nguyen",
    "Tran",
    "Sharma",
    "Gupta",
    "Ivanova",
    "Papadopoulos",
    "Weiß",
    "Bjørnstad",
    "Sæther",
    "Cole",
    "Иванов",
];

const DEPARTMENTS: [&str; 9] = [
    "Engineering",
    "Customer Service",
    "Sales",
    "Operations",
    "Marketing",
    "Human Resources",
    "Finance",
    "Legal",
    "Forschung & Entwicklung",
];

/// Numbers that look thrown and are the same each time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.throw() as usize % texts.len()]
    }
}

fn person(dice: &mut Dice, number: u32) -> SourcePerson {
    let (first, last) = (dice.pick(&FIRST), dice.pick(&LAST));
    let local =
        crate::domain::filter::folded(&format!("{first}.{last}{}", number / 2304)).replace([' ', '\''], "");
    let principal = format!("{local}@contoso.onmicrosoft.com");
    let mail = match dice.throw() % 10 {
        0 => None,
        1 | 2 => Some(format!("{local}@contoso.com").into()),
        _ => Some(principal.as_str().into()),
    };
    let id = dice.throw();
    SourcePerson {
        id: SourceId::new(format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{number:012x}",
            id as u32,
            (id >> 32) as u16,
            (id >> 48) & 0xfff,
            (id >> 20) & 0xfff
        )),
        name: format!("{first} {last}").into(),
        principal: principal.into(),
        mail,
        employee_id: None,
        department: (!dice.throw().is_multiple_of(20)).then(|| dice.pick(&DEPARTMENTS).into()),
        job_title: None,
        kind: AccountKind::Member,
        enabled: Some(true),
    }
}

fn build(people: &[SourcePerson], dice: &mut Dice) -> Listing {
    let mut builder = Listing::builder(people.len());
    for person in people {
        let local = person.principal.raw().split('@').next().unwrap_or_default();
        let target = (
            TargetId::new(format!("{:016x}{:016x}", dice.throw(), dice.throw())),
            local.into(),
        );
        let distance = dice.throw() % 64;
        builder.push(&Particulars {
            target: (!dice.throw().is_multiple_of(20)).then_some((&target.0, &target.1)),
            verdict: Verdict::ALL[dice.throw() as usize % Verdict::ALL.len()],
            reason: &format!("different pictures ({distance} of 64 bits apart), shown from live_profile"),
            ..Particulars::of(person)
        });
    }
    builder.finish()
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    println!("{:<44} {:>9.2} ms", what, milliseconds(start.elapsed()));
    result
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn spread(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| milliseconds(times[(times.len() * share / 100).min(times.len() - 1)]);
    println!(
        "{what:<44} {:>9.2} ms median, {:.2} p90, {:.2} p99, {:.2} worst of {}",
        at(50),
        at(90),
        at(99),
        at(100),
        times.len()
    );
}

#[test]
#[ignore = "measures for half a minute"]
fn figures_of_a_screen_of_300_000_people() {
    let dice = &mut Dice(0x9e37_79b9_7f4a_7c15);
    let people: Vec<SourcePerson> = (0..PEOPLE).map(|number| person(dice, number)).collect();

    timed("a listing under way, pages of 999", || {
        let mut listing = Listing::default();
        people.chunks(999).for_each(|page| listing.append(page));
        listing
    });
    let listing = timed("a listing of a whole scan", || build(&people, dice));
    drop(people);

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("last-scan");
    let listed = Listed {
        scanned_at: Timestamp::UNIX_EPOCH,
        complete: true,
        listing,
    };
    timed("saved, synced to disk", || {
        save_to(&path, &listed).expect("saved");
    });
    drop(listed);
    let size = std::fs::metadata(&path).expect("saved").len();
    println!(
        "{:<44} {:>9.1} bytes a person",
        "in the file",
        each(size as usize)
    );

    let loads = (0..9).map(|_| {
        let start = Instant::now();
        drop(load_from(&path).expect("readable").expect("sound"));
        start.elapsed()
    });
    spread("loaded", loads.collect());
    let mut listing = load_from(&path).expect("readable").expect("sound").listing;

    timed("order by name", || listing.order(Column::Name));
    for column in [
        Column::Principal,
        Column::Mail,
        Column::Department,
        Column::Verdict,
    ] {
        timed(&format!("order by {column:?}"), || listing.order(column));
    }
    println!(
        "{:<44} {:>9.1} bytes a person",
        "in memory, as loaded",
        each(listing.size())
    );
    timed("the first find", || listing.find(&SourceId::new("nobody")));
    println!(
        "{:<44} {:>9.1} bytes a person",
        "in memory, with find",
        each(listing.size())
    );
    timed("keys of the search", || listing.prepare_search());
    let all = each(listing.size() + listing.search_size());
    println!(
        "{:<44} {all:>9.1} bytes a person",
        "in memory, with find and search"
    );

    let words = [
        "adele",
        "muller",
        "kowalczyk",
        "jv",
        "søren bjørn",
        "tom cole",
        "a",
        "e",
        "an",
        "lukasz",
        "engineering",
        "wei chen",
        "contoso",
        "anna@contoso",
        "status:missing jo",
        "dept:sales garcia",
        "!smith ivan",
        "владимир",
        "美",
        "name:vance",
        "upn:lee",
        "x",
        "zzzz",
        "human res wash",
        "o'connor",
        "ioanna",
    ];
    // Of each key the best of some rounds, because other programs have the machine too.
    let mut narrowed: BTreeMap<&str, Duration> = BTreeMap::new();
    let mut whole = narrowed.clone();
    for _ in 0..7 {
        for text in words {
            let mut earlier: Option<(Query, Vec<Hit>)> = None;
            let ends = text
                .char_indices()
                .map(|(start, letter)| start + letter.len_utf8());
            for typed in ends.map(|end| &text[..end]) {
                let Ok(query) = Query::parse(typed) else { continue };
                let start = Instant::now();
                let within: Option<Vec<Row>> = earlier
                    .as_ref()
                    .filter(|(earlier, _)| query.narrows(earlier))
                    .map(|(_, hits)| hits.iter().map(|hit| hit.row).collect());
                let hits = listing.search(&query, within.as_deref());
                note(&mut narrowed, typed, start.elapsed());
                let start = Instant::now();
                let all = listing.search(&query, None);
                note(&mut whole, typed, start.elapsed());
                assert_eq!(all, hits, "{typed}");
                earlier = Some((query, hits));
            }
        }
    }
    let slowest = narrowed.iter().max_by_key(|(_, time)| **time).expect("some");
    println!("the slowest key leads to {:?}", slowest.0);
    spread("a typed key", narrowed.into_values().collect());
    spread(
        "the same without what was found before",
        whole.into_values().collect(),
    );
    for text in [
        "",
        "a",
        "adele",
        "status:missing",
        "anna@contoso",
        "a b c d e f g h i j k l m n o p",
    ] {
        let query = Query::parse(text).expect("sound");
        let hits = listing.search(&query, None).len();
        let times = (0..9).map(|_| {
            let start = Instant::now();
            listing.search(&query, None);
            start.elapsed()
        });
        spread(&format!("  {text:?}, {hits} hits"), times.collect());
    }

    let query = Query::parse("adv sales cont").expect("sound");
    timed("highlights of 60 rows", || {
        for entry in listing.rows().take(60).map(|row| listing.entry(row)) {
            query.highlights(Field::Name, &entry.name());
            query.highlights(Field::Principal, &entry.principal());
            query.highlights(Field::Department, &entry.department().unwrap_or_default());
        }
    });
    timed("10,000 verdicts set", || {
        for number in 0..10_000 {
            listing.set(
                Row(number * 30),
                Verdict::InSync,
                "ServiceNow shows the same picture",
            );
        }
    });
    let marks: Marks = timed("everybody marked", || listing.rows().collect());
    timed("marks moved to another listing", || {
        marks.remap(&listing, &listing)
    });

    assert!(
        each(listing.size()) <= 130.0,
        "{} bytes a person",
        each(listing.size())
    );
    assert!(all <= 220.0, "{all} bytes a person");
}

fn note<'a>(times: &mut BTreeMap<&'a str, Duration>, typed: &'a str, time: Duration) {
    let best = times.entry(typed).or_insert(time);
    *best = time.min(*best);
}

fn each(bytes: usize) -> f64 {
    bytes as f64 / f64::from(PEOPLE)
}
