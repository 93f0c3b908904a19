//! Looking back, page by page.

use super::*;
use crate::store::PastPerson;
use crate::store::journal::{PastPicture, PastRun, PeopleFilter};

async fn all_runs(journal: &Journal, limit: usize) -> Vec<PastRun> {
    let (mut runs, mut after) = (Vec::new(), None);
    loop {
        let page = journal.past_runs(after, limit).await.expect("read");
        assert!(page.runs.len() <= limit);
        assert!(
            runs.is_empty() || !page.runs.is_empty(),
            "nobody turns to an empty page"
        );
        runs.extend(page.runs);
        after = page.next;
        if after.is_none() {
            return runs;
        }
    }
}

async fn all_people(store: &Store, run: &RunId, filter: &PeopleFilter, limit: usize) -> Vec<PastPerson> {
    let (mut people, mut after) = (Vec::new(), None);
    loop {
        let page = store.past_people(run, filter, after, limit).await.expect("read");
        assert!(page.people.len() <= limit);
        assert!(
            people.is_empty() || !page.people.is_empty(),
            "nobody turns to an empty page"
        );
        people.extend(page.people);
        after = page.next;
        if after.is_none() {
            return people;
        }
    }
}

#[tokio::test]
async fn pages_of_runs_lead_from_the_newest_to_the_oldest_and_miss_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal();
    let mut begun = Vec::new();
    for number in 0..7 {
        // Two at a time begin at the same moment.
        let run = RunStart {
            started: at(number / 2),
            ..start()
        };
        begun.push(journal.begin_run(run).await.expect("begun"));
    }
    begun.reverse();
    for limit in [1, 2, 3, 7, 100] {
        let runs = all_runs(journal, limit).await;
        let ids: Vec<RunId> = runs.into_iter().map(|run| run.record.id).collect();
        assert_eq!(ids, begun, "{limit} a page");
    }
}

#[tokio::test]
async fn a_run_tells_who_went_on_with_it_who_took_it_back_and_whom_it_did_not_reach() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal();
    let planned = Planned {
        selected: 5,
        add: 4,
        ..Planned::default()
    };
    let run = RunStart { planned, ..start() };
    let run = journal.begin_run(run).await.expect("begun");
    journal.step(step(&run, "ada")).await.expect("ended");
    begin(journal, &run, "bob").await;
    let unsettled = StepRecord {
        outcome: Outcome::Failed,
        settled: false,
        ..step(&run, "bob")
    };
    journal.step(unsettled).await.expect("ended");
    let next = RunStart {
        started: at(60),
        continues: Some(run.clone()),
        ..start()
    };
    let next = journal.begin_run(next).await.expect("begun");
    let undo = RunStart {
        started: at(90),
        kind: RunKind::Undo,
        undoes: Some(run.clone()),
        ..start()
    };
    let undo = journal.begin_run(undo).await.expect("begun");

    let told = journal.past_run(&run).await.expect("read").expect("known");
    assert_eq!(told.continued_by, Some(next.clone()));
    assert_eq!(told.undone_by, Some(undo));
    assert_eq!((told.endings.updated, told.endings.selected), (1, 1));
    assert_eq!((told.unsettled, told.not_reached()), (1, 2));
    let next = journal.past_run(&next).await.expect("read").expect("known");
    assert_eq!(next.record.start.continues, Some(run));
    assert_eq!(next.continued_by, None);
    assert_eq!(journal.past_run(&RunId::new("none")).await.expect("read"), None);
}

#[tokio::test]
async fn pages_of_people_follow_their_turns_and_a_filter_leaves_out_the_rest() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let run = store.journal().begin_run(start()).await.expect("begun");
    let names = ["zoe", "ada", "bob", "cleo", "dan"];
    for (second, name) in (0..).zip(names) {
        let outcome = if name == "bob" || name == "dan" {
            Outcome::Failed
        } else {
            Outcome::Updated
        };
        let ended = StepRecord {
            outcome,
            at: at(second / 2),
            ..step(&run, name)
        };
        store.journal().step(ended).await.expect("ended");
    }
    // Turns that end at the same moment are in the order of their ids.
    let order = ["ada", "zoe", "bob", "cleo", "dan"];
    let named = |people: Vec<PastPerson>| -> Vec<String> {
        people
            .iter()
            .map(|person| person.past.step.person.source.as_str().to_owned())
            .collect()
    };
    for limit in [1, 2, 5] {
        let everybody = all_people(&store, &run, &PeopleFilter::default(), limit).await;
        assert_eq!(named(everybody), order, "{limit} a page");
        let failed = PeopleFilter {
            text: String::new(),
            outcome: Some(Outcome::Failed),
        };
        let failed = all_people(&store, &run, &failed, limit).await;
        assert_eq!(named(failed), ["bob", "dan"], "{limit} a page");
    }
}

#[tokio::test]
async fn a_step_names_the_picture_of_before_and_the_one_it_brought() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal();
    let run = journal.begin_run(start()).await.expect("begun");
    let old = store
        .vault()
        .keep(bytes::Bytes::from_static(b"old"))
        .await
        .expect("kept");
    begin(journal, &run, "ada").await;
    journal.kept(kept(&run, "ada")).await.expect("passed on");
    for (place, made) in [(Place::SYS_USER, "at user"), (Place::LIVE_PROFILE, "at profile")] {
        let upload = Intent {
            place,
            ..upload(&run, "ada")
        };
        let upload = journal.intend(upload).await.expect("announced");
        let made = Answer::Done(Some(made.into()));
        journal.answer(upload, at(2), made).await.expect("passed on");
    }
    journal.step(step(&run, "ada")).await.expect("ended");
    let person = store
        .past_person(&run, &SourceId::new("ada"))
        .await
        .expect("read")
        .expect("had a step");
    let (before, after) = (person.past.old.expect("one"), person.past.new.expect("one"));
    assert_eq!(
        (before.id, before.sha256),
        (Some(PictureId::new("old")), Some(old))
    );
    assert_eq!(after.id, Some(PictureId::new("at profile")));
    assert_eq!(after.sha256, Some(Sha256::of(b"face")));
    assert!(person.old_is_kept && !person.new_is_kept);

    for name in ["ADA", "ada-sys"] {
        let everything = store.past_of_person(name).await.expect("read");
        assert_eq!(everything.len(), 1, "{name}");
    }
    assert_eq!(store.past_of_person("bob").await.expect("read"), vec![]);
}

#[tokio::test]
async fn a_picture_that_was_taken_back_is_none_that_a_step_brought() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal();
    let run = journal.begin_run(start()).await.expect("begun");
    let stored = journal.intend(upload(&run, "ada")).await.expect("announced");
    let made = Answer::Done(Some("new".into()));
    journal.answer(stored, at(2), made).await.expect("passed on");
    let back = Intent {
        kind: WriteKind::Remove,
        picture: Some(PictureId::new("new")),
        ..upload(&run, "ada")
    };
    let back = journal.intend(back).await.expect("announced");
    journal
        .answer(back, at(3), Answer::Done(None))
        .await
        .expect("passed on");
    journal.step(step(&run, "ada")).await.expect("ended");
    let person = journal
        .past_person(&run, &SourceId::new("ada"))
        .await
        .expect("read")
        .expect("had a step");
    assert_eq!((person.old, person.new), (None, None));
}

#[tokio::test]
async fn people_of_a_run_are_found_by_their_names_whatever_the_capitals_and_accents() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let run = store.journal().begin_run(start()).await.expect("begun");
    for (second, (name, upn)) in (0..).zip([
        ("René", "r@x"),
        ("Bob", "RENE@x"),
        ("Cleo", "c@x"),
        ("Irène", "i@x"),
    ]) {
        let called = PersonRef {
            name: name.into(),
            upn: upn.into(),
            ..person(name)
        };
        let ended = StepRecord {
            person: called,
            at: at(second),
            ..step(&run, name)
        };
        store.journal().step(ended).await.expect("ended");
    }
    for (text, expected) in [
        ("rene", &["René", "Bob", "Irène"][..]),
        (" RENÉ ", &["René", "Bob", "Irène"]),
        ("cleo", &["Cleo"]),
        ("@x", &["René", "Bob", "Cleo", "Irène"]),
        ("nobody", &[]),
        ("  ", &["René", "Bob", "Cleo", "Irène"]),
    ] {
        for limit in [1, 2, 3, 100] {
            let filter = PeopleFilter {
                text: text.into(),
                outcome: None,
            };
            let found: Vec<String> = all_people(&store, &run, &filter, limit)
                .await
                .into_iter()
                .map(|person| person.past.step.person.source.to_string())
                .collect();
            assert_eq!(found, expected, "{text:?}, {limit} a page");
        }
    }
    // A page of nobody would never end.
    let everybody = PeopleFilter::default();
    let page = store.journal().past_people(&run, &everybody, None, 0).await;
    assert_eq!(page.expect("read").people.len(), 1);
    assert_eq!(
        store.journal().past_runs(None, 0).await.expect("read").runs.len(),
        1
    );
}

/// A write of a step, at `sys_user`.
struct Deed {
    kind: WriteKind,
    /// The picture it is about.
    picture: Option<&'static str>,
    /// The one the column named before.
    before: Option<&'static str>,
    answer: Answer,
}

fn done(kind: WriteKind, picture: Option<&'static str>, made: Option<&str>) -> Deed {
    Deed {
        kind,
        picture,
        before: None,
        answer: Answer::Done(made.map(str::to_owned)),
    }
}

fn uploads(made: &str) -> Deed {
    done(WriteKind::Upload, None, Some(made))
}

fn removes(picture: &'static str) -> Deed {
    done(WriteKind::Remove, Some(picture), None)
}

fn sets(before: Option<&'static str>, picture: Option<&'static str>) -> Deed {
    Deed {
        before,
        ..done(WriteKind::SetColumn, picture, None)
    }
}

impl Deed {
    fn in_vain(self) -> Self {
        Self {
            answer: Answer::NotDone("refused".into()),
            ..self
        }
    }
}

#[tokio::test]
async fn the_pictures_of_a_step_are_those_that_people_saw_before_and_see_after() {
    let (a, b, c, d) = (Some("a"), Some("b"), Some("c"), Some("d"));
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal();
    let run = journal.begin_run(start()).await.expect("begun");
    for (name, deeds, before, after) in [
        ("nothing was written", vec![], None, None),
        ("it was not carried out", vec![uploads("a").in_vain()], None, None),
        (
            "a record was made",
            vec![done(WriteKind::CreateRecord, None, a)],
            None,
            None,
        ),
        ("a column moved on", vec![sets(a, b)], a, b),
        ("a column was filled", vec![sets(None, b)], None, b),
        ("a column was cleared", vec![sets(a, None)], a, None),
        (
            "a column moved on twice",
            vec![sets(None, b), sets(b, c), sets(c, d).in_vain()],
            b,
            c,
        ),
        (
            "what it named was removed",
            vec![sets(a, b), removes("b")],
            a,
            None,
        ),
        (
            "the upload stayed, and the column is named after it",
            vec![uploads("c"), sets(a, b), removes("a"), removes("c").in_vain()],
            a,
            c,
        ),
    ] {
        for deed in deeds {
            let intent = Intent {
                kind: deed.kind,
                place: Place::SYS_USER,
                picture: deed.picture.map(PictureId::new),
                old_picture: deed.before.map(PictureId::new),
                ..upload(&run, name)
            };
            let intent = journal.intend(intent).await.expect("announced");
            journal
                .answer(intent, at(2), deed.answer)
                .await
                .expect("passed on");
        }
        journal.step(step(&run, name)).await.expect("ended");
        let past = journal.past_person(&run, &SourceId::new(name)).await;
        let past = past.expect("read").expect("known");
        let named = |picture: Option<PastPicture>| picture?.id.map(|id| id.to_string());
        assert_eq!(named(past.old).as_deref(), before, "{name}: before");
        assert_eq!(named(past.new).as_deref(), after, "{name}: after");
    }
}

#[tokio::test]
async fn steps_that_wrote_something_are_told_newest_first_by_the_order_of_their_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal();
    // The clock is put back between the runs; the last one writes nothing.
    let mut runs = Vec::new();
    for (second, writes) in [(300, true), (200, true), (100, true), (400, false)] {
        let run = RunStart {
            started: at(second),
            ..start()
        };
        let run = journal.begin_run(run).await.expect("begun");
        for name in ["ada", "bob"] {
            if writes {
                journal.intend(upload(&run, name)).await.expect("announced");
            }
            let called = PersonRef {
                upn: format!("{name}@x.example").into(),
                mail: Some(format!("{name}.vance@mail.example").into()),
                user_name: Some(format!("{name}.v").into()),
                ..person(name)
            };
            let ended = StepRecord {
                at: at(second),
                person: called,
                ..step(&run, name)
            };
            journal.step(ended).await.expect("ended");
        }
        runs.push(run);
    }
    let newest_first = [runs[2].clone(), runs[1].clone(), runs[0].clone()];
    let of = |steps: &[StepRecord]| -> Vec<RunId> { steps.iter().map(|step| step.run.clone()).collect() };
    for name in [
        "ada",
        "ada-sys",
        " ADA@x.example ",
        "Ada.Vance@mail.example",
        "ADA.V",
    ] {
        let steps = journal.steps_of(name).await.expect("read");
        assert_eq!(of(&steps), newest_first, "{name}");
        assert!(steps.iter().all(|step| step.person.source.as_str() == "ada"));
    }
    assert_eq!(
        journal.steps_of("ADA-SYS").await.expect("read"),
        vec![],
        "ids are exact"
    );
    let people = ["bob-sys", "nobody", "ada-sys"].map(TargetId::new).to_vec();
    let changes = journal.changes_of(people).await.expect("read");
    assert_eq!(changes.len(), 3);
    assert_eq!(
        (of(&changes[0]), of(&changes[2])),
        (newest_first.to_vec(), newest_first.to_vec())
    );
    assert_eq!(changes[0][0].person.source.as_str(), "bob");
    assert_eq!(changes[1], vec![]);
    // Looking back tells of every step, by the clock.
    let ever = journal.past_of_person("ada").await.expect("read");
    let ever: Vec<&RunId> = ever.iter().map(|past| &past.step.run).collect();
    assert_eq!(ever, [&runs[3], &runs[0], &runs[1], &runs[2]]);
}
