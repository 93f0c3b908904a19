//! The audit trail: nothing in it is changed, and what is changed all the same is found.

use super::*;
use crate::domain::photo::ChainStamp;
use crate::store::database;
use crate::store::journal::writer::{Entry, insert};
use crate::store::journal::{SCHEMA, TrailFilter, TrailLine, Verified, trail};

/// A journal with a run of three writes, two of them answered.
async fn with_writes(folder: &Path) -> RunId {
    let store = open(folder);
    let journal = store.journal();
    let run = journal.begin_run(start()).await.expect("begun");
    for (number, name) in (1..).zip(["ada", "bob", "cleo"]) {
        begin(journal, &run, name).await;
        let intent = Intent {
            at: at(number * 60),
            ..upload(&run, name)
        };
        let intent = journal.intend(intent).await.expect("announced");
        let answer = match name {
            "ada" => Answer::Done(Some("new".into())),
            "bob" => Answer::NotDone("refused".into()),
            _ => continue,
        };
        journal
            .answer(intent, at(number * 60 + 1), answer)
            .await
            .expect("passed on");
    }
    run
}

fn read(folder: &Path, filter: &TrailFilter) -> Vec<TrailLine> {
    let store = Store::open(&paths(folder), Access::Read).expect("opens");
    let mut lines = Vec::new();
    store
        .journal()
        .trail(filter, |line| {
            lines.push(line);
            Ok(())
        })
        .expect("read");
    lines
}

fn verify(folder: &Path) -> Verified {
    let store = Store::open(&paths(folder), Access::Read).expect("opens");
    store.journal().verify(None).expect("read").expect("there is one")
}

/// Everything but the guards, as somebody who can write the file would do away with them.
fn without_guards(folder: &Path) -> Connection {
    let connection = Connection::open(paths(folder).journal()).expect("opens");
    let guards: Vec<String> = {
        let mut names = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
            .expect("prepared");
        let names = names.query_map([], |row| row.get(0)).expect("read");
        names.collect::<Result<_, _>>().expect("names")
    };
    assert!(guards.len() >= 8, "{guards:?}");
    for guard in guards {
        connection
            .execute_batch(&format!("DROP TRIGGER {guard}"))
            .expect("dropped");
    }
    connection
}

#[tokio::test]
async fn every_write_is_told_of_with_who_when_whom_and_what() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = with_writes(folder.path()).await;
    let lines = read(folder.path(), &TrailFilter::default());
    assert_eq!(lines.len(), 3);
    let told = &lines[0];
    assert_eq!(told.run.start.actor, start().actor);
    assert_eq!(told.write.intent.target, TargetId::new("ada-sys"));
    assert_eq!(told.write.uploaded(), Some(PictureId::new("new")));
    let mut out = Vec::new();
    for line in &lines {
        crate::report::audit::write_json(&mut out, line).expect("memory");
    }
    let json: Vec<serde_json::Value> = String::from_utf8(out)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(json[0]["schema"], "avatar-sync/audit/1");
    for (key, expected) in [
        ("os_user", "ada"),
        ("host", "laptop"),
        ("account", "avatar.sync"),
        ("run", run.as_str()),
        ("entra_id", "ada"),
        ("servicenow_sys_id", "ada-sys"),
        ("kind", "upload"),
        ("table", "live_profile"),
        ("record", "p1"),
        ("old_attachment", "old"),
        ("new_attachment", "new"),
        ("outcome", "done"),
        ("at", "2026-03-02T09:01:00Z"),
    ] {
        assert_eq!(json[0][key], expected, "{key}");
    }
    assert_eq!(json[0]["sha256"], Sha256::of(b"face").to_string());
    let outcomes: Vec<&str> = json.iter().filter_map(|line| line["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["done", "not_done", "unknown"]);
}

#[tokio::test]
async fn a_part_of_the_trail_is_told_by_run_and_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = with_writes(folder.path()).await;
    let of = |filter: TrailFilter| -> Vec<String> {
        read(folder.path(), &filter)
            .iter()
            .map(|line| line.write.intent.source.to_string())
            .collect()
    };
    let since = TrailFilter {
        since: Some(at(120)),
        ..TrailFilter::default()
    };
    assert_eq!(of(since), ["bob", "cleo"]);
    let until = TrailFilter {
        until: Some(at(120)),
        ..TrailFilter::default()
    };
    assert_eq!(of(until), ["ada"]);
    for (wanted, count) in [(run, 3), (RunId::new("another"), 0)] {
        let filter = TrailFilter {
            run: Some(wanted),
            ..TrailFilter::default()
        };
        assert_eq!(of(filter).len(), count);
    }
}

#[tokio::test]
async fn the_database_refuses_to_change_or_lose_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    with_writes(folder.path()).await;
    let connection = Connection::open(paths(folder.path()).journal()).expect("opens");
    for statement in [
        "DELETE FROM writes",
        "DELETE FROM writes WHERE id = 3",
        "UPDATE writes SET sha256 = 'x' WHERE id = 3",
        "UPDATE writes SET at = '2020-01-01T00:00:00Z'",
        "UPDATE writes SET answer = 'done' WHERE id = 2",
        "UPDATE writes SET answer = NULL WHERE id = 1",
        "UPDATE writes SET id = 9 WHERE id = 3",
        "REPLACE INTO writes SELECT * FROM writes WHERE id = 1",
        "DELETE FROM runs",
        "UPDATE runs SET os_user = 'eve'",
        "UPDATE runs SET rowid = 9",
        "REPLACE INTO runs SELECT * FROM runs",
        "DELETE FROM trail",
        "UPDATE trail SET digest = zeroblob(32)",
        "REPLACE INTO trail SELECT * FROM trail",
    ] {
        let refused = connection.execute(statement, []);
        let is_allowed = statement.contains("rowid");
        assert!(is_allowed || refused.is_err(), "{statement}");
    }
    assert_eq!(verify(folder.path()).broken, None);
}

#[tokio::test]
async fn an_answer_is_filled_in_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal();
    let run = journal.begin_run(start()).await.expect("begun");
    let intent = journal.intend(upload(&run, "ada")).await.expect("announced");
    for made in ["first", "second"] {
        journal
            .answer(intent, at(2), Answer::Done(Some(made.into())))
            .await
            .expect("passed on");
    }
    let writes = journal.writes(&run).await.expect("read");
    assert_eq!(writes[0].uploaded(), Some(PictureId::new("first")));
    assert_eq!(journal.verify(None).expect("read").expect("one").broken, None);
}

#[tokio::test]
async fn whatever_is_changed_behind_the_guards_is_found() {
    let changes = [
        "UPDATE writes SET sha256 = 'x' WHERE id = 1",
        "UPDATE writes SET target = 'somebody-else' WHERE id = 2",
        "UPDATE writes SET at = '2020-01-01T00:00:00Z' WHERE id = 3",
        "UPDATE writes SET detail = 'all is well' WHERE id = 2",
        "UPDATE writes SET answer = 'done' WHERE id = 2",
        "UPDATE writes SET answer = NULL WHERE id = 1",
        "UPDATE writes SET answer = 'done', answered = at WHERE id = 3",
        "UPDATE runs SET os_user = 'eve'",
        "UPDATE runs SET account = 'admin'",
        "DELETE FROM writes WHERE id = 3",
        "DELETE FROM writes WHERE id = 1",
        "DELETE FROM trail WHERE line = 2",
        "DELETE FROM trail WHERE line = (SELECT max(line) FROM trail)",
        "DELETE FROM trail",
        "UPDATE trail SET subject = 2 WHERE line = 2",
        "UPDATE trail SET subject = 'not a number' WHERE line = 2",
        "UPDATE trail SET what = 4 WHERE line = 2",
        "UPDATE trail SET what = 2 WHERE line = 1",
        "UPDATE trail SET subject = x'ff' WHERE line = 1",
        "UPDATE trail SET subject = 'nonsense' WHERE line = 0",
        "UPDATE trail SET subject = '0 x' WHERE line = 0",
        "UPDATE trail SET subject = 7 WHERE line = 0",
        "UPDATE trail SET subject = '1 0' WHERE line = 0",
        "UPDATE trail SET subject = '0 1' WHERE line = 0",
        "UPDATE trail SET digest = zeroblob(32) WHERE line = 3",
        "INSERT INTO writes SELECT 4, run, source, target, kind, place, record, picture, old_picture, sha256, bytes, \
         expected, at, answer, answer_id, detail, answered FROM writes WHERE id = 1",
        "INSERT INTO runs SELECT 'another', profile, kind, started, finished, os_user, host, account, planned, \
         summary, stopped, continues, undoes FROM runs",
    ];
    for change in changes {
        let folder = tempfile::tempdir().expect("a folder");
        with_writes(folder.path()).await;
        assert_eq!(verify(folder.path()).broken, None);
        let connection = without_guards(folder.path());
        let rows = connection.execute(change, []).expect(change);
        assert!(rows > 0, "{change}");
        drop(connection);
        assert!(verify(folder.path()).broken.is_some(), "{change}");
    }
}

#[test]
fn intents_that_overtake_each_other_are_no_damage() {
    let connection = database::in_memory(&SCHEMA).expect("opens");
    let run = RunId::new("run");
    insert(&connection, &Entry::RunBegins(run.clone(), start(), None)).expect("begun");
    for id in [2, 1, 4, 3] {
        insert(&connection, &Entry::Intent(IntentId(id), upload(&run, "ada"))).expect("announced");
    }
    let verified = trail::verify(&connection, None).expect("read");
    assert_eq!((verified.broken, verified.writes), (None, 4));
}

#[tokio::test]
async fn a_digest_noted_elsewhere_is_found_again_unless_the_trail_was_cut_or_written_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    with_writes(folder.path()).await;
    let noted = verify(folder.path()).head;
    let has = |folder: &Path| {
        let store = Store::open(&paths(folder), Access::Read).expect("opens");
        let verified = store.journal().verify(Some(&noted)).expect("read").expect("one");
        assert_eq!(verified.broken, None);
        verified.has_asked
    };
    let store = open(folder.path());
    store.journal().begin_run(start()).await.expect("begun");
    drop(store);
    assert!(has(folder.path()), "it goes on");
    let other = tempfile::tempdir().expect("a folder");
    with_writes(other.path()).await;
    assert!(!has(other.path()), "another trail, sound in itself");
}

#[test]
fn what_was_written_before_there_was_a_chain_is_told_apart() {
    let older = Schema {
        migrations: &SCHEMA.migrations[..2],
        self_test: |_| Ok(()),
        ..SCHEMA
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.sqlite");
    let connection = database::open(&path, &older, &mut Vec::new()).expect("opens");
    connection
        .execute_batch(
            "INSERT INTO runs (id, profile, kind, started, os_user, host, account, planned)
             VALUES ('old-run', 'prod', 'sync', '2026-01-01T00:00:00Z', 'ada', 'laptop', '',
                     '{\"selected\":1,\"add\":1,\"replace\":0,\"repair\":0,\"remove\":0}');
             INSERT INTO writes (id, run, source, target, kind, place, expected, at)
             VALUES (1, 'old-run', 'ada', 'ada-sys', 'upload', 'live_profile', '\"0123456789abcdef\"',
                     '2026-01-01T00:00:01Z')",
        )
        .expect("an older version did that");
    drop(connection);
    let connection = database::open(&path, &SCHEMA, &mut Vec::new()).expect("brought up to date");
    let answer = Entry::Answer(IntentId(1), at(1), Answer::Done(None));
    insert(&connection, &answer).expect("answered late");
    insert(
        &connection,
        &Entry::RunBegins(RunId::new("new-run"), start(), None),
    )
    .expect("begun");
    let intent = upload(&RunId::new("new-run"), "bob");
    insert(&connection, &Entry::Intent(IntentId(2), intent)).expect("announced");
    let verified = trail::verify(&connection, None).expect("read");
    assert_eq!(verified.broken, None);
    assert_eq!((verified.before, verified.writes, verified.links), (1, 1, 3));
    assert_eq!(rows::runs(&connection, 5).expect("read").len(), 2);
    let copy = folder.path().join("journal.format-2.sqlite");
    assert!(copy.exists(), "the file of before is kept");
    crate::tried("J5", 1);
}

#[test]
fn a_long_trail_is_read_and_verified_line_by_line() {
    const LINES: i64 = 20_000;
    let connection = database::in_memory(&SCHEMA).expect("opens");
    let run = RunId::new("run");
    insert(&connection, &Entry::RunBegins(run.clone(), start(), None)).expect("begun");
    let transaction = connection.unchecked_transaction().expect("begins");
    for id in 1..=LINES {
        let id = IntentId(id);
        insert(&transaction, &Entry::Intent(id, upload(&run, "ada"))).expect("announced");
        insert(&transaction, &Entry::Answer(id, at(1), Answer::Done(None))).expect("answered");
    }
    transaction.commit().expect("committed");
    let mut last = 0;
    let mut count = 0;
    trail::read::<rusqlite::Error>(&connection, &TrailFilter::default(), |line| {
        assert!(line.write.id.number() > last, "in order");
        last = line.write.id.number();
        count += 1;
        Ok(())
    })
    .expect("read");
    assert_eq!(count, LINES);
    let verified = trail::verify(&connection, None).expect("read");
    assert_eq!((verified.broken, verified.writes), (None, LINES as u64));
}

#[tokio::test]
async fn every_line_is_told_with_its_own_run_however_they_alternate() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal();
    let first = journal.begin_run(start()).await.expect("begun");
    let second = journal.begin_run(start()).await.expect("begun");
    let turns = [&first, &first, &second, &first, &second, &second];
    for (run, name) in turns.into_iter().zip(["ada", "bob", "cleo", "dan", "eve", "fay"]) {
        journal.intend(upload(run, name)).await.expect("announced");
    }
    let lines = read(folder.path(), &TrailFilter::default());
    let told: Vec<&RunId> = lines.iter().map(|line| &line.run.id).collect();
    assert_eq!(told, turns);
    assert!(lines.iter().all(|line| line.run.id == line.write.intent.run));
    // A run that is told of twice in a row is read once.
    assert!(Arc::ptr_eq(&lines[0].run, &lines[1].run));
    assert!(Arc::ptr_eq(&lines[4].run, &lines[5].run));
}

#[tokio::test]
async fn the_latest_writes_of_a_person_come_first_and_of_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal();
    let run = journal.begin_run(start()).await.expect("begun");
    let mut ids = Vec::new();
    for name in ["ada", "bob", "ada", "ada"] {
        ids.push(journal.intend(upload(&run, name)).await.expect("announced"));
    }
    let ada = TargetId::new("ada-sys");
    let writes = journal.writes_of_person(&ada, 2).await.expect("read");
    let told: Vec<_> = writes.iter().map(|write| write.id).collect();
    assert_eq!(told, [ids[3], ids[2]]);
}

#[tokio::test]
async fn what_is_wrong_with_the_chain_is_said_in_a_sentence() {
    for (change, sentence) in [
        ("DELETE FROM trail", "the chain is missing"),
        (
            "DELETE FROM trail WHERE line = 2",
            "line 2 of the chain is missing",
        ),
        (
            "UPDATE trail SET subject = 'x' WHERE line = 0",
            "line 0 of the chain is not understood",
        ),
        (
            "UPDATE trail SET what = 9 WHERE line = 3",
            "line 3 of the chain is not understood",
        ),
        (
            "UPDATE writes SET answer = NULL WHERE id = 1",
            "line 3 of the chain is about something that is not there any more",
        ),
        (
            "UPDATE writes SET target = 'x' WHERE id = 1",
            "line 2 of the chain does not match what is written down",
        ),
        (
            "INSERT INTO writes SELECT 4, run, source, target, kind, place, record, picture, old_picture, sha256, bytes, \
             expected, at, NULL, NULL, NULL, NULL FROM writes WHERE id = 1",
            "something is written down that is not in the chain",
        ),
        (
            "UPDATE writes SET answer = 'done', answered = at WHERE id = 3",
            "something is written down that is not in the chain",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        with_writes(folder.path()).await;
        without_guards(folder.path()).execute(change, []).expect(change);
        assert_eq!(
            verify(folder.path()).broken.as_deref(),
            Some(sentence),
            "{change}"
        );
    }
}

#[test]
fn digests_are_made_as_they_have_always_been() {
    let connection = database::in_memory(&SCHEMA).expect("opens");
    let run = RunId::new("run");
    let intent = Intent {
        expected: ChainStamp::from_text("0123456789abcdef"),
        ..upload(&run, "ada")
    };
    let made = Answer::Done(Some("new".into()));
    let head = || {
        let verified = trail::verify(&connection, None).expect("read");
        assert_eq!(verified.broken, None);
        verified.head.to_string()
    };
    // Whoever has noted one of these in an earlier version finds it again. They were worked out by another program.
    assert_eq!(
        head(),
        "33a1c021e6f705b8c76132ac0a508f233a5d23daedaeea19353eaaead2c96a5e"
    );
    for (entry, expected) in [
        (
            Entry::RunBegins(run.clone(), start(), None),
            "a59d9c8b3ebfe0270b5da6e9a285f046c5548ee1d004a4a333ae89fb223defe5",
        ),
        (
            Entry::Intent(IntentId(1), intent),
            "d6034a86d8c7729541659d7dea6a4a474a185f164afc6418365b8cea337d0c08",
        ),
        (
            Entry::Answer(IntentId(1), at(2), made),
            "61a143ba81f1436fd68bfba510a1ca8dac34229468de45f598ec5ab1814a6a68",
        ),
    ] {
        insert(&connection, &entry).expect("written");
        assert_eq!(head(), expected);
    }
}

#[tokio::test]
async fn a_sound_chain_is_counted_and_a_digest_of_its_middle_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let journal = store.journal();
    let nothing = journal.verify(None).expect("read").expect("one");
    assert_eq!((nothing.links, nothing.writes, nothing.before), (0, 0, 0));
    let run = journal.begin_run(start()).await.expect("begun");
    let intent = journal.intend(upload(&run, "ada")).await.expect("announced");
    let middle = journal.verify(None).expect("read").expect("one").head;
    journal
        .answer(intent, at(2), Answer::Done(None))
        .await
        .expect("passed on");
    journal.intend(upload(&run, "bob")).await.expect("announced");
    let verified = journal.verify(Some(&middle)).expect("read").expect("one");
    assert_eq!((verified.links, verified.writes, verified.before), (4, 2, 0));
    assert!(verified.has_asked && verified.head != middle);
    let beginning = journal.verify(Some(&nothing.head)).expect("read").expect("one");
    assert!(!beginning.has_asked, "nothing stands there yet");
}

#[test]
fn no_two_values_are_the_same_to_a_digest() {
    let connection = database::in_memory(&SCHEMA).expect("opens");
    let values = ["NULL", "0", "1", "0.0", "'0'", "''", "x''", "x'30'", "'00'"];
    let digests: std::collections::HashSet<Vec<u8>> = values
        .iter()
        // With a neighbour, so that one cannot take something from the other.
        .flat_map(|value| [format!("SELECT {value}, 'a'"), format!("SELECT 'a', {value}")])
        .map(|sql| {
            let taken_up = connection.query_row(&sql, [], |row| {
                let mut hasher = <sha2::Sha256 as sha2::Digest>::new();
                trail::take_up(&mut hasher, row, 0)?;
                trail::take_up(&mut hasher, row, 1)?;
                Ok(sha2::Digest::finalize(hasher).to_vec())
            });
            taken_up.expect("read")
        })
        .collect();
    assert_eq!(digests.len(), 2 * values.len());
}

#[tokio::test]
async fn whoever_cannot_take_the_trail_ends_the_reading() {
    let folder = tempfile::tempdir().expect("a folder");
    with_writes(folder.path()).await;
    let store = Store::open(&paths(folder.path()), Access::Read).expect("opens");
    let mut taken = 0;
    let ended = store.journal().trail(&TrailFilter::default(), |_| {
        taken += 1;
        if taken == 2 {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    });
    assert!(matches!(ended, Err(TrailError::Output(_))), "{ended:?}");
    assert_eq!(taken, 2);
    drop(store);
    // A write of a run that is not there, which an SQL shell can bring about.
    let connection = without_guards(folder.path());
    connection.execute("DELETE FROM runs", []).expect("deleted");
    drop(connection);
    let store = Store::open(&paths(folder.path()), Access::Read).expect("opens");
    let ended = store.journal().trail(&TrailFilter::default(), |_| Ok(()));
    assert!(matches!(ended, Err(TrailError::Storage(_))), "{ended:?}");
}

#[test]
fn without_a_journal_there_is_no_trail() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&paths(folder.path()), Access::Read).expect("opens");
    assert_eq!(store.journal().verify(None).expect("no error"), None);
    let told = store
        .journal()
        .trail(&TrailFilter::default(), |line| panic!("{line:?}"));
    told.expect("no error");
}
