use super::*;
use crate::domain::brake::parking::Situation;
use crate::domain::ids::{RunId, TargetId};
use crate::domain::photo::ChainStamp;
use crate::domain::run::PersonRef;

struct Bench {
    standing: Standing,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            standing: open(folder.path(), Access::Write),
            folder,
        }
    }

    /// Another process.
    fn again(&self, access: Access) -> Standing {
        open(self.folder.path(), access)
    }
}

fn open(folder: &Path, access: Access) -> Standing {
    let mut notes = Vec::new();
    let standing = Standing::open(&folder.join("standing.sqlite"), access, &mut notes).expect("opens");
    assert!(notes.is_empty(), "{notes:?}");
    standing
}

fn hour(hour: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour)
}

fn stamp(state: &str) -> ChainStamp {
    serde_json::from_value(state.into()).expect("a stamp is a text")
}

fn who(name: &str) -> SourceId {
    SourceId::new(format!("{name}-id"))
}

fn person(name: &str) -> PersonRef {
    PersonRef {
        name: name.into(),
        upn: format!("{name}@x.example").into(),
        mail: None,
        source: who(name),
        target: Some(TargetId::new(format!("{name}-sys"))),
        user_name: None,
    }
}

fn failure(name: &str, run: i64) -> Failure {
    Failure {
        person: person(name),
        run: RunId::new(format!("run-{run}")),
        at: hour(run),
        why: "did not pass the virus scan".into(),
        situation: Situation {
            photo: None,
            expected: stamp("old"),
        },
    }
}

fn staged(name: &str, state: &str) -> StagedRemoval {
    StagedRemoval {
        person: person(name),
        expected: stamp(state),
        picture: None,
        evidence: None,
        staged: hour(0),
        decision: Decision::Waiting,
    }
}

fn approved() -> Decision {
    Decision::Approved {
        at: hour(5),
        by: "eve".into(),
    }
}

fn nobody() -> Overtaken {
    Overtaken::These(Vec::new())
}

#[tokio::test]
async fn a_quarantine_outlives_the_process_and_ends_when_it_is_released() {
    let bench = Bench::new();
    for run in 0..3 {
        let end = RunEnd::Failed("no sign-in".into());
        bench.standing.run_ended(end, hour(run)).await.expect("written");
    }
    let reader = bench.again(Access::Read);
    let quarantine = reader.conduct().await.expect("read").quarantine();
    assert_eq!(quarantine.expect("a quarantine").failures, 3);
    reader
        .release_quarantine()
        .await
        .expect("released without the lock");
    let conduct = bench.standing.conduct().await.expect("read");
    assert_eq!(conduct.quarantine(), None);
}

#[tokio::test]
async fn somebody_who_fails_in_three_runs_is_parked_and_one_success_forgets_it() {
    let bench = Bench::new();
    for run in 0..3 {
        bench
            .standing
            .people_ended(
                vec![failure("ada", run), failure("bob", run)],
                vec![],
                vec![],
                hour(run),
            )
            .await
            .expect("written");
    }
    let failing = bench.again(Access::Read).failing().await.expect("read");
    assert_eq!(failing.len(), 2);
    assert!(failing.values().all(|series| series.parked().is_some()));
    bench
        .standing
        .people_ended(vec![], vec![who("ada")], vec![], hour(4))
        .await
        .expect("written");
    assert_eq!(
        bench
            .standing
            .failing()
            .await
            .expect("read")
            .into_keys()
            .collect::<Vec<_>>(),
        [who("bob")]
    );
    assert_eq!(
        bench
            .standing
            .release(vec![who("bob"), who("eve")])
            .await
            .expect("released"),
        1
    );
}

#[tokio::test]
async fn failures_of_long_ago_are_forgotten() {
    let bench = Bench::new();
    bench
        .standing
        .people_ended(vec![failure("ada", 0)], vec![], vec![], hour(0))
        .await
        .expect("written");
    bench
        .standing
        .people_ended(vec![], vec![], vec![], hour(24 * 91))
        .await
        .expect("written");
    assert!(bench.standing.failing().await.expect("read").is_empty());
}

#[tokio::test]
async fn an_absence_counts_from_its_first_sighting_until_a_photo_is_seen() {
    let bench = Bench::new();
    let see = async |at, without: &[&str], with: &[&str]| {
        let ids = |names: &[&str]| names.iter().map(|name| who(name)).collect::<Vec<_>>();
        bench
            .standing
            .see_absences(hour(at), ids(without), ids(with))
            .await
            .expect("written");
        bench.standing.absences().await.expect("read").remove(&who("ada"))
    };
    see(1, &["ada"], &[]).await;
    let seen = see(30, &["ada"], &[]).await.expect("seen");
    assert_eq!((seen.first, seen.last, seen.scans), (hour(1), hour(30), 2));
    bench
        .standing
        .stage(vec![staged("ada", "old")], nobody())
        .await
        .expect("staged");
    assert_eq!(see(31, &[], &["ada"]).await, None);
    let waiting = bench.standing.staged_removals().await.expect("read");
    assert!(waiting.is_empty(), "nothing is left to approve");
    let seen = see(32, &["ada"], &[]).await.expect("seen");
    assert_eq!((seen.first, seen.scans), (hour(32), 1));
    assert_eq!(bench.standing.absent().await.expect("read"), [who("ada")].into());
    assert_eq!(
        see(32 + 24 * 91, &["bob"], &[]).await,
        None,
        "nobody has looked for months"
    );
}

#[tokio::test]
async fn a_decision_is_about_the_state_that_was_shown() {
    let bench = Bench::new();
    let shown = staged("ada", "old");
    bench
        .standing
        .stage(vec![shown.clone(), staged("bob", "old")], nobody())
        .await
        .expect("staged");
    bench
        .standing
        .stage(vec![staged("ada", "new")], nobody())
        .await
        .expect("staged anew");
    let decided = bench
        .standing
        .decide(vec![shown], approved())
        .await
        .expect("decided");
    assert_eq!(decided, 0, "it has moved since");
    let other = bench.again(Access::Read);
    let decided = other
        .decide(vec![staged("bob", "old")], approved())
        .await
        .expect("decided");
    assert_eq!(decided, 1);
    let now = bench.standing.staged_removals().await.expect("read");
    assert_eq!(now[&who("ada")].decision, Decision::Waiting);
    assert_eq!(now[&who("bob")].decision, approved());
}

#[tokio::test]
async fn what_events_have_overtaken_is_cleared_away() {
    let bench = Bench::new();
    let all = ["ada", "bob", "eve"].map(|name| staged(name, "old")).to_vec();
    bench.standing.stage(all, nobody()).await.expect("staged");
    bench
        .standing
        .stage(vec![], Overtaken::These(vec![who("ada")]))
        .await
        .expect("cleared");
    bench
        .standing
        .stage(vec![], Overtaken::AllBut(HashSet::from([who("bob")])))
        .await
        .expect("cleared");
    let left = bench.standing.staged_removals().await.expect("read");
    assert_eq!(left.into_keys().collect::<Vec<_>>(), [who("bob")]);
}

#[tokio::test]
async fn nothing_is_left_of_a_person_who_is_to_be_forgotten() {
    let bench = Bench::new();
    for name in ["ada", "bob"] {
        bench
            .standing
            .people_ended(vec![failure(name, 0)], vec![], vec![], hour(0))
            .await
            .expect("written");
        bench
            .standing
            .see_absences(hour(0), vec![who(name)], vec![])
            .await
            .expect("written");
        bench
            .standing
            .stage(vec![staged(name, "old")], nobody())
            .await
            .expect("written");
    }
    assert!(bench.standing.remove(&who("ada")).await.expect("deleted"));
    assert!(!bench.standing.remove(&who("ada")).await.expect("nothing left"));
    assert_eq!(bench.standing.failing().await.expect("read").len(), 1);
    assert_eq!(bench.standing.absences().await.expect("read").len(), 1);
    assert_eq!(bench.standing.staged_removals().await.expect("read").len(), 1);
    bench.standing.clear().await.expect("cleared");
    assert!(bench.standing.failing().await.expect("read").is_empty());
}

#[tokio::test]
async fn a_reader_begins_nothing_and_finds_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("state");
    let standing = open(&missing, Access::Read);
    assert!(!standing.is_begun() && !missing.exists());
    assert_eq!(standing.conduct().await.expect("nothing"), Conduct::default());
    assert!(standing.staged_removals().await.expect("nothing").is_empty());
    assert!(matches!(
        standing.release_quarantine().await,
        Err(StoreError::ReadOnly)
    ));
}

#[test]
fn several_processes_that_begin_the_file_at_once_share_one() {
    let folder = tempfile::tempdir().expect("a folder");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| open(folder.path(), Access::Write));
        }
    });
    let aside = std::fs::read_dir(folder.path())
        .expect("readable")
        .filter(|entry| {
            let name = entry.as_ref().expect("readable").file_name();
            name.to_string_lossy().contains("damaged")
        })
        .count();
    assert_eq!(aside, 0);
}
