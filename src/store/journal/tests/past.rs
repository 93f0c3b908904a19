//! Looking back, page by page.

use super::*;
use crate::store::PastPerson;
use crate::store::journal::{PastRun, PeopleFilter};

async fn all_runs(journal: &Journal, limit: usize) -> Vec<PastRun> {
    let (mut runs, mut after) = (Vec::new(), None);
    loop {
        let page = journal.past_runs(after, limit).await.expect("read");
        assert!(page.runs.len() <= limit);
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
