//! A disk that is full, a database that refuses, and what becomes of the entries in hand.

use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::store::journal::writer::Entry;

/// More than there is space for in a page that is there already.
fn long() -> String {
    "x".repeat(200_000)
}

/// Something else that has the file open.
fn beside(folder: &Path) -> Connection {
    Connection::open(paths(folder).journal()).expect("opens")
}

fn has_no_room(error: &StoreError) -> bool {
    crate::store::patience::has_no_room(error)
}

#[tokio::test]
async fn without_room_no_run_begins_and_what_is_announced_waits_until_there_is_some() {
    let folder = quick_folder();
    let store = open(folder.path());
    let journal = store.journal();
    let run = journal.begin_run(start()).await.expect("begun");
    let first = journal.intend(upload(&run, "ada")).await.expect("announced");
    journal.limit_pages(1).await;

    let actor = Actor {
        account: long(),
        ..start().actor
    };
    let refused = journal.begin_run(RunStart { actor, ..start() }).await;
    assert!(has_no_room(&refused.expect_err("no room")));
    let people: Vec<PersonRef> = (0..1_000)
        .map(|number| person(&format!("person-{number}")))
        .collect();
    let stamp = upload(&run, "x").expected;
    let plan = (0..40_000).map(|number| StepToPlan {
        person: &people[number % people.len()],
        task: Task::Push(Change::Add),
        expected: &stamp,
    });
    let refused = journal.begin_planned_run(start(), plan).await;
    assert!(has_no_room(&refused.expect_err("no room for its plan either")));

    let name = long();
    begin(journal, &run, &name).await;
    let made = Answer::Done(Some("new".into()));
    journal.answer(first, at(2), made).await.expect("passed on");
    let mut announced = std::pin::pin!(journal.intend(upload(&run, &name)));
    // Whoever reads is not held up, and sees what is on the disk.
    let runs = tokio::select! {
        biased;
        written = &mut announced => panic!("nothing can be written: {written:?}"),
        runs = journal.runs(5) => runs.expect("read"),
    };
    assert_eq!(runs.len(), 1);
    // Whoever asks during the next attempt finds it said.
    journal.runs(5).await.expect("read");
    assert!(store.without_room().is_some());

    let (announced, ()) = tokio::join!(announced, journal.limit_pages(1_000_000));
    announced.expect("there is room again");
    assert_eq!(store.without_room(), None);
    let writes = journal.writes(&run).await.expect("read");
    assert_eq!(writes.len(), 2);
    assert_eq!(writes[0].uploaded(), Some(PictureId::new("new")));
    assert_eq!(journal.unfinished().await.expect("read").len(), 1);
    assert_eq!(journal.runs(5).await.expect("read").len(), 1);
    crate::tried("J2", 1);
}

#[tokio::test]
async fn whoever_closes_does_not_wait_for_room() {
    let folder = quick_folder();
    let store = open(folder.path());
    let run = store.journal().begin_run(start()).await.expect("begun");
    store.journal().limit_pages(1).await;
    begin(store.journal(), &run, &long()).await;
    // Answered once there was an attempt without room.
    store.journal().runs(5).await.expect("read");
    let (closed, is_closed) = mpsc::channel();
    std::thread::spawn(move || {
        drop(store);
        closed.send(()).expect("somebody waits");
    });
    is_closed
        .recv_timeout(Duration::from_mins(1))
        .expect("it closes at once");
    let store = open(folder.path());
    assert_eq!(store.journal().unfinished().await.expect("read"), vec![]);
}

#[tokio::test]
async fn whoever_stops_waiting_for_room_is_told_at_once_and_the_next_run_waits_again() {
    let folder = quick_folder();
    let store = open(folder.path());
    let journal = store.journal();
    store.stop_waiting_for_room();
    let run = journal.begin_run(start()).await.expect("begun");
    journal.limit_pages(1).await;
    let name = long();
    let mut announced = std::pin::pin!(journal.intend(upload(&run, &name)));
    tokio::select! {
        biased;
        ended = &mut announced => panic!("it waits: {ended:?}"),
        runs = journal.runs(5) => assert_eq!(runs.expect("read").len(), 1),
    }
    store.stop_waiting_for_room();
    let told = announced.await.expect_err("nobody waits any more");
    assert!(has_no_room(&told), "{told:?}");
}

/// Somebody's turn has come while the database refused to write such a thing down.
async fn refused(folder: &Path) -> (Store, Connection, RunId) {
    let store = open(folder);
    let run = store.journal().begin_run(start()).await.expect("begun");
    let beside = beside(folder);
    beside
        .execute_batch("ALTER TABLE under_way RENAME TO elsewhere")
        .expect("renamed");
    begin(store.journal(), &run, "ada").await;
    let error = store.journal().intend(upload(&run, "ada")).await;
    let error = error.expect_err("it must not be sent").sentence();
    assert!(error.contains("under_way"), "{error}");
    (store, beside, run)
}

fn mend(connection: &Connection) {
    connection
        .execute_batch("ALTER TABLE elsewhere RENAME TO under_way")
        .expect("renamed");
}

#[tokio::test]
async fn what_nobody_waited_for_is_written_with_the_next_when_the_database_had_refused_it() {
    let folder = quick_folder();
    let (store, beside, run) = refused(folder.path()).await;
    mend(&beside);
    let journal = store.journal();
    journal.intend(upload(&run, "ada")).await.expect("announced");
    let unfinished = journal.unfinished().await.expect("read");
    assert_eq!(unfinished.len(), 1);
    assert_eq!(
        (&unfinished[0].person, unfinished[0].writes.len()),
        (&person("ada"), 1)
    );
}

#[tokio::test]
async fn what_nobody_waited_for_is_written_at_the_end_if_nothing_else_comes() {
    let folder = quick_folder();
    let (store, beside, run) = refused(folder.path()).await;
    mend(&beside);
    drop(store);
    let store = open(folder.path());
    let unfinished = store.journal().unfinished().await.expect("read");
    assert_eq!(unfinished.len(), 1);
    assert_eq!(
        (&unfinished[0].run, &unfinished[0].person),
        (&run, &person("ada"))
    );
}

#[tokio::test]
async fn what_could_not_be_written_to_the_end_is_missing_and_nothing_else() {
    let folder = quick_folder();
    let (store, beside, run) = refused(folder.path()).await;
    drop(store);
    mend(&beside);
    let store = open(folder.path());
    assert_eq!(store.journal().unfinished().await.expect("read"), vec![]);
    assert_eq!(store.journal().writes(&run).await.expect("read"), vec![]);
    assert_eq!(store.notes(), &[] as &[String], "the file is sound");
}

#[tokio::test]
async fn a_plan_whose_run_did_not_begin_is_gone_at_the_next_start_and_no_other() {
    let folder = quick_folder();
    let store = open(folder.path());
    let somebody = person("ada");
    let stamp = upload(&RunId::new("x"), "x").expected;
    let plan = || {
        std::iter::once(StepToPlan {
            person: &somebody,
            task: Task::Push(Change::Add),
            expected: &stamp,
        })
    };
    let run = store
        .journal()
        .begin_planned_run(start(), plan())
        .await
        .expect("begun");
    // As when there is no room for what comes after the first portion.
    let first = Entry::Planned(RunId::new("never"), 0, planned::pack(plan()));
    store.journal().commit(first).await.expect("written");
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.journal().not_reached(&run).await.expect("read").len(), 1);
    let plans: i64 = beside(folder.path())
        .query_row("SELECT count(*) FROM planned", [], |row| row.get(0))
        .expect("read");
    assert_eq!(plans, 1);
}
