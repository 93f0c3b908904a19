//! A journal that was damaged, cut, swapped, or brought back to an earlier moment.

use std::fs;

use super::*;
use crate::store::journal::{CutShort, PeopleFilter, TrailFilter};

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// A journal with some of everything, as a program leaves it that was ended properly.
async fn rich(folder: &Path) -> Vec<u8> {
    let store = open(folder);
    let journal = store.journal();
    for number in 0..4 {
        let run = RunStart {
            started: at(number * 100),
            planned: Planned {
                add: 6,
                ..Planned::default()
            },
            ..start()
        };
        let people: Vec<PersonRef> = (0..6).map(|number| person(&format!("person-{number}"))).collect();
        let stamp = upload(&RunId::new("x"), "x").expected;
        let plan = people.iter().map(|person| StepToPlan {
            person,
            task: Task::Push(Change::Add),
            expected: &stamp,
        });
        let run = journal.begin_planned_run(run, plan).await.expect("begun");
        for name in ["person-0", "person-1", "person-2"] {
            begin(journal, &run, name).await;
            journal.kept(kept(&run, name)).await.expect("passed on");
            let intent = journal.intend(upload(&run, name)).await.expect("announced");
            let made = Answer::Done(Some(format!("new-{number}")));
            journal.answer(intent, at(2), made).await.expect("passed on");
            if name != "person-2" {
                journal.step(step(&run, name)).await.expect("ended");
            }
        }
        if number == 1 {
            let mut summary = Summary::default();
            summary.count(Outcome::Updated);
            journal
                .finish_run(&run, at(9), summary, None)
                .await
                .expect("ended");
        }
    }
    drop(store);
    fs::read(paths(folder).journal()).expect("readable")
}

/// How many questions [`ask_everything`] asks of a journal that has a run.
const QUESTIONS: usize = 10;

/// Asks for everything that anybody asks a journal; whatever is wrong with it is an error, never more.
async fn ask_everything(store: &Store) -> usize {
    let journal = store.journal();
    let mut answered = 0;
    let page = journal.past_runs(None, 50).await;
    answered += usize::from(page.is_ok());
    // One run is asked for in full; a thousand journals are many.
    for run in page.map(|page| page.runs).unwrap_or_default().into_iter().take(1) {
        let run = &run.record.id;
        answered += usize::from(
            journal
                .past_people(run, &PeopleFilter::default(), None, 50)
                .await
                .is_ok(),
        );
        answered += usize::from(journal.left_of(run).await.is_ok());
        answered += usize::from(journal.not_reached(run).await.is_ok());
        answered += usize::from(journal.kept_in_run(run).await.is_ok());
    }
    answered += usize::from(journal.unfinished().await.is_ok());
    answered += usize::from(journal.outstanding().await.is_ok());
    let cut_short: Result<Vec<CutShort>, _> = journal.cut_short().await;
    answered += usize::from(cut_short.is_ok());
    answered += usize::from(journal.trail(&TrailFilter::default(), |_| Ok(())).is_ok());
    answered += usize::from(journal.verify(None).is_ok());
    answered
}

/// One thing that happens to a file.
fn mutated(sound: &[u8], dice: &mut Dice, number: usize) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    let length = bytes.len();
    match number % 8 {
        0 => bytes[dice.below(length)] ^= 1 << dice.below(8),
        1 => {
            for _ in 0..20 {
                bytes[dice.below(length)] = dice.below(256) as u8;
            }
        }
        2 => bytes.truncate(dice.below(length)),
        3 => {
            // Two pages change places.
            let pages = length / 4096;
            let (a, b) = (dice.below(pages) * 4096, dice.below(pages) * 4096);
            for offset in 0..4096 {
                bytes.swap(a + offset, b + offset);
            }
        }
        4 => {
            let from = dice.below(length);
            let until = (from + 1 + dice.below(8192)).min(length);
            bytes[from..until].fill(0);
        }
        5 => bytes.extend((0..dice.below(5000)).map(|byte| byte as u8)),
        6 => {
            let from = dice.below(length);
            let until = (from + 1 + dice.below(2000)).min(length);
            bytes.drain(from..until);
        }
        _ => {
            // Within text, so that the database itself sees nothing wrong.
            let words: [&[u8]; 5] = [b"\"change\"", b"upload", b"updated", b"live_profile", b"2026-"];
            let word = words[dice.below(words.len())];
            let places: Vec<usize> = (0..length - word.len())
                .filter(|at| bytes[*at..].starts_with(word))
                .collect();
            if !places.is_empty() {
                bytes[places[dice.below(places.len())] + 1] = b'?';
            }
        }
    }
    bytes
}

#[tokio::test]
async fn a_thousand_damaged_journals_each_end_in_one_that_can_be_written() {
    const TIMES: usize = 1_000;
    let folder = quick_folder();
    let sound = rich(folder.path()).await;
    let place = quick_folder();
    let journal = paths(place.path()).journal();
    let state = paths(place.path()).state();
    let mut dice = Dice(0x5eed_1234_abcd_9876);
    let (mut set_aside, mut read_in_full) = (0, 0);
    for number in 0..TIMES {
        let _ = fs::remove_dir_all(&state);
        fs::create_dir_all(&state).expect("created");
        let bytes = match number {
            0 => Vec::new(),
            1 => b"not a database at all".to_vec(),
            _ => mutated(&sound, &mut dice, number),
        };
        fs::write(&journal, &bytes).expect("written");
        // A reader is told that it cannot read, or reads.
        if number % 4 == 0
            && let Ok(reader) = Store::open(&paths(place.path()), Access::Read)
        {
            ask_everything(&reader).await;
        }
        match Store::open(&paths(place.path()), Access::Write) {
            Ok(store) => {
                let answered = ask_everything(&store).await;
                read_in_full += usize::from(answered == QUESTIONS);
                let is_aside = store.notes().iter().any(|note| note.contains("damaged"));
                set_aside += usize::from(is_aside);
                let began = store.journal().begin_run(start()).await;
                // Damage that nobody has looked at yet shows when it is written to; then nothing is sent either.
                assert!(began.is_ok() || !is_aside, "{number}: {began:?}");
                if is_aside {
                    let kept = fs::read_dir(&state)
                        .expect("readable")
                        .flatten()
                        .filter(|entry| entry.file_name().to_string_lossy().contains("damaged-20"))
                        .count();
                    assert!(kept >= 1, "{number}: the damaged file is kept with its date");
                }
            }
            // The damaged byte was the format, which now looks like a newer version's: refused, nothing is touched.
            Err(StoreError::Newer { .. }) => {
                assert_eq!(fs::read(&journal).expect("readable"), bytes, "{number}");
            }
            Err(error) => panic!("{number}: {}", error.sentence()),
        }
    }
    assert!(set_aside > TIMES / 4, "{set_aside} were set aside");
    assert!(read_in_full > 0, "{read_in_full} were read in full");
    crate::tried("J4", TIMES);
}

#[tokio::test]
async fn a_journal_cut_back_to_any_earlier_moment_forgets_nothing_before_it() {
    const TIMES: usize = 200;
    let folder = quick_folder();
    let store = open(folder.path());
    let journal = store.journal();
    let run = journal.begin_run(start()).await.expect("begun");
    let file = paths(folder.path()).journal();
    let log = file.with_file_name("journal.sqlite-wal");
    // How long the log was when each intent was said to be on the disk.
    let mut synced = Vec::new();
    for number in 0..40 {
        let name = format!("person-{number}");
        begin(journal, &run, &name).await;
        let intent = journal.intend(upload(&run, &name)).await.expect("announced");
        synced.push(fs::metadata(&log).expect("a log").len());
        let made = Answer::Done(Some("new".into()));
        journal.answer(intent, at(2), made).await.expect("passed on");
        if number % 2 == 0 {
            journal.step(step(&run, &name)).await.expect("ended");
        }
    }
    let (database, whole) = (
        fs::read(&file).expect("readable"),
        fs::read(&log).expect("readable"),
    );
    let mut dice = Dice(0xc0ff_ee00_dead_beef);
    let place = quick_folder();
    let state = paths(place.path()).state();
    for number in 0..TIMES {
        let length = dice.below(whole.len() + 1);
        let _ = fs::remove_dir_all(&state);
        fs::create_dir_all(&state).expect("created");
        fs::write(paths(place.path()).journal(), &database).expect("written");
        fs::write(state.join("journal.sqlite-wal"), &whole[..length]).expect("written");
        let store = Store::open(&paths(place.path()), Access::Write).expect("opens");
        assert!(
            store.notes().iter().all(|note| !note.contains("damaged")),
            "{number}: {:?}",
            store.notes()
        );
        let announced = store.journal().writes(&run).await.expect("read").len();
        let promised = synced.iter().filter(|moment| **moment <= length as u64).count();
        assert!(announced >= promised, "{number}: {announced} of {promised}");
        // Whoever has an announced write is settled, or is looked at by this start.
        let unfinished = store.journal().unfinished().await.expect("read");
        let settled = store.journal().steps(&run).await.expect("read").len();
        assert!(unfinished.len() + settled >= announced, "{number}");
        let verified = store.journal().verify(None).expect("read").expect("one");
        assert_eq!(verified.broken, None, "{number}");
    }
    crate::tried("I2", TIMES);
}

#[tokio::test]
async fn three_hundred_thousand_steps_are_written_down_in_a_moment() {
    const PEOPLE: usize = 300_000;
    let folder = quick_folder();
    let store = open(folder.path());
    let people: Vec<PersonRef> = (0..1_000)
        .map(|number| PersonRef {
            upn: format!("person.{number}@contoso.example").into(),
            source: SourceId::new(format!("0b0e2b3c-5a5e-4a5c-9d0e-{number:012}")),
            target: Some(TargetId::new(format!("{number:032}"))),
            ..person("somebody with a usual name")
        })
        .collect();
    let stamp = upload(&RunId::new("x"), "x").expected;
    let plan = (0..PEOPLE).map(|number| StepToPlan {
        person: &people[number % people.len()],
        task: Task::Push(Change::Replace),
        expected: &stamp,
    });
    let began = std::time::Instant::now();
    let run = store
        .journal()
        .begin_planned_run(start(), plan)
        .await
        .expect("begun");
    let took = began.elapsed();
    println!("{PEOPLE} steps written down in {took:?}");
    // A debug build on a busy machine; a release build takes a quarter of a second.
    assert!(took.as_secs() < 20, "{took:?}");
    assert_eq!(
        store.journal().not_reached(&run).await.expect("read").len(),
        PEOPLE
    );
    store
        .journal()
        .finish_run(&run, at(9), Summary::default(), None)
        .await
        .expect("ended");
    assert_eq!(store.journal().not_reached(&run).await.expect("read"), vec![]);
}
