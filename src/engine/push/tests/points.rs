//! The crash points of `reliability.md` I1: every remote write of a push, from four starting states, at five instants.
//! After each of them the journal is what a dead process leaves on the disk, nothing more, and there are two ways of
//! going on: the program starts again, or another administrator's run comes first, on a machine whose journal knows
//! nothing.

use std::path::Path;

use super::*;

/// An instant around a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instant {
    /// What came before is in the journal; the write is not.
    BeforeIntent,
    /// Announced, and not sent.
    AfterIntent,
    /// Sent; the service carries it out when the next program has begun to look.
    Sent,
    /// Carried out and answered, and not yet in the journal.
    Answered,
    /// In the journal.
    Recorded,
}

impl Instant {
    const ALL: [Self; 5] = [
        Self::BeforeIntent,
        Self::AfterIntent,
        Self::Sent,
        Self::Answered,
        Self::Recorded,
    ];
}

/// Who goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The program, with its journal.
    OwnRestart,
    /// Another administrator, with an empty one; the program starts again after that.
    AnotherMachine,
}

/// Where it begins; Ada always has a new photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    NoProfile,
    NoPicture,
    OldPicture,
    DanglingColumn,
}

impl Start {
    const ALL: [Self; 4] = [
        Self::NoProfile,
        Self::NoPicture,
        Self::OldPicture,
        Self::DanglingColumn,
    ];

    fn scene(self) -> Scene {
        let ada = ada_with_photo();
        let mut scene = Scene::of(match self {
            Self::NoProfile => ada.profiles(0).stored(USER, old()),
            Self::NoPicture => ada,
            Self::OldPicture => ada.stored(PROFILE, old()).stored(USER, old()),
            Self::DanglingColumn => ada.stored(USER, old()).column(PROFILE, "gone"),
        });
        let columns = Watched::new(&scene.world).naming_columns();
        scene.target = Arc::new(columns);
        for place in [PROFILE, USER] {
            let rows = scene.world.rows("ada", place);
            if let Some(row) = rows.first() {
                scene.world.point_column("ada", place, Some(&row.id));
            }
        }
        scene
    }
}

/// A write of the push, as the number of its call.
#[derive(Clone, Copy, Debug)]
struct Point {
    start: Start,
    call: usize,
    write: &'static str,
    is_next_a_write: bool,
    instant: Instant,
}

const WRITES: [&str; 4] = ["create_record", "upload", "set_column", "remove"];

/// Every point of a push from this state, in order.
async fn points_from(start: Start) -> Vec<Point> {
    let scene = start.scene();
    let told = scene.push().await;
    assert_eq!(told.outcome, Outcome::Updated, "{start:?}: {}", told.detail);
    let calls = scene.target.calls();
    let mut points = Vec::new();
    for (position, call) in calls.iter().enumerate() {
        if let Some(write) = WRITES.into_iter().find(|write| write == call) {
            points.extend(Instant::ALL.map(|instant| Point {
                start,
                call: position + 1,
                write,
                is_next_a_write: WRITES.contains(&calls[position + 1]),
                instant,
            }));
        }
    }
    points
}

async fn all_points() -> Vec<Point> {
    let mut points = Vec::new();
    for start in Start::ALL {
        points.extend(points_from(start).await);
    }
    points
}

impl Point {
    /// The program dies here; the other way of going on must end well all the same.
    async fn survived_by(self, next: Next) {
        let at = format!("{self:?}, {next:?}");
        let mut scene = self.start.scene();
        scene.target.promise("ada", &[new()]);
        match self.instant {
            Instant::BeforeIntent | Instant::AfterIntent | Instant::Sent => {
                scene.target.die_at(self.call, When::Before);
            }
            Instant::Answered => scene.target.die_at(self.call, When::After),
            Instant::Recorded => scene.target.die_at(self.call + 1, When::Before),
        }
        let engine = scene.engine();
        scene.die(&engine, scene.plan(Change::Replace)).await;
        drop(engine);
        let has_intent_too_many = match self.instant {
            Instant::BeforeIntent => true,
            Instant::Recorded => self.is_next_a_write,
            Instant::AfterIntent | Instant::Sent | Instant::Answered => false,
        };
        scene.start_from_what_is_on_the_disk(has_intent_too_many).await;
        scene.assert_one_left_over_at_most(&at);
        scene.target.live();
        if self.instant == Instant::Sent {
            scene.deliver_at_the_next_look(self.write);
        }
        if next == Next::AnotherMachine {
            scene.push_from_another_machine(&at).await;
        }
        scene
            .engine()
            .recover()
            .await
            .unwrap_or_else(|error| panic!("{at}: {error:?}"));
        scene.nobody_is_unfinished().await;
        if next == Next::OwnRestart && self.instant != Instant::Sent {
            scene.assert_nothing_left_over(&at);
        }
        let told = scene.push().await;
        assert!(
            matches!(told.outcome, Outcome::Updated | Outcome::Unchanged),
            "{at}: {:?} {}",
            told.outcome,
            told.detail
        );
        scene.assert_in_order(&new());
        assert_eq!(scene.world.chain("ada").records.len(), 2, "{at}: one profile");
        let writes = scene.target.writes();
        assert_eq!(scene.push().await.outcome, Outcome::Unchanged, "{at}");
        assert_eq!(scene.target.writes(), writes, "{at}");
        assert_eq!(scene.target.broken_promises(), Vec::<String>::new(), "{at}");
    }
}

impl Scene {
    /// The process is gone: the next one finds the files as they are, in a folder of its own, so that nothing that the
    /// dead one's threads do can reach it. `has_intent_too_many`: the last intent was not there yet.
    async fn start_from_what_is_on_the_disk(&mut self, has_intent_too_many: bool) {
        // Nobody adds to the journal any more; what was passed to it without waiting has reached the disk.
        self.store().journal().outstanding().await.expect("readable");
        let folder = crate::store::quick_folder();
        copy_folder(&self.paths.state_dir, &folder.path().join("state"));
        self.paths.state_dir = folder.path().join("state");
        self.paths.cache_dir = folder.path().join("cache");
        self.folder = folder;
        if has_intent_too_many {
            let journal = rusqlite::Connection::open(self.paths.journal()).expect("opens");
            // A file that never had the line has no guard that would miss it.
            journal
                .execute_batch(
                    "DROP TRIGGER writes_stay; DROP TRIGGER trail_stays;
                     DELETE FROM trail WHERE what = 2 AND subject = (SELECT max(id) FROM writes)",
                )
                .expect("no guards");
            let gone = journal
                .execute("DELETE FROM writes WHERE id = (SELECT max(id) FROM writes)", [])
                .expect("the last intent");
            assert_eq!(gone, 1);
        }
        self.start();
    }

    /// The write that was on its way when the program died is carried out right after somebody has looked.
    fn deliver_at_the_next_look(&self, write: &str) {
        if write == "create_record" {
            // A profile that appears after it was looked for is one too many, and only the instance can refuse it.
            self.target.deliver();
        } else {
            self.target.deliver_after("chains");
        }
    }

    async fn push_from_another_machine(&self, at: &str) {
        let elsewhere = crate::store::quick_folder();
        let paths = StorePaths {
            state_dir: elsewhere.path().join("state"),
            cache_dir: elsewhere.path().join("cache"),
            profile: "default".into(),
        };
        let store = Arc::new(Store::open(&paths, Access::Write).expect("another machine"));
        let target = Arc::clone(&self.target);
        let other = self.world.engine_to(target, &store, |_| {});
        // The second run finds what arrived while the first one looked.
        for _ in 0..2 {
            let (events, _received) = mpsc::channel(64);
            let report = other
                .apply(self.plan(Change::Replace), &NO_LIMITS, &RunControl::new(), events)
                .await
                .expect("begun");
            let summary = report.summary;
            assert_eq!(
                summary.updated + summary.unchanged + summary.changed_meanwhile,
                1,
                "{at}: {summary:?}"
            );
        }
        self.assert_in_order(&new());
    }

    /// Image rows at each place beyond those of the start.
    fn assert_one_left_over_at_most(&self, at: &str) {
        for place in [PROFILE, USER] {
            let hashes = self.hashes(place);
            let count = |picture: &Bytes| {
                let wanted = Some(Sha256::of(picture));
                hashes.iter().filter(|hash| **hash == wanted).count()
            };
            assert!(count(&new()) <= 1 && count(&old()) <= 1, "{at}: {place}");
        }
    }

    fn assert_nothing_left_over(&self, at: &str) {
        for place in [PROFILE, USER] {
            let rows = self.hashes(place);
            assert!(rows.len() <= 1, "{at}: {place} holds {rows:?}");
        }
    }
}

/// As a backup would find it; the main file before what is to be added to it, and no lock.
pub(super) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("writable");
    let mut entries: Vec<_> = std::fs::read_dir(from)
        .expect("readable")
        .map(|entry| entry.expect("readable"))
        .collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_of_the_process = name.starts_with("lock") || name.ends_with("-shm");
        if entry.file_type().expect("known").is_dir() {
            copy_folder(&entry.path(), &to.join(&*name));
        } else if !is_of_the_process {
            std::fs::copy(entry.path(), to.join(&*name)).expect("copied");
        }
    }
}

#[tokio::test]
async fn there_are_a_hundred_points_and_each_write_is_among_them() {
    let points = all_points().await;
    assert!(points.len() >= 100, "{}", points.len());
    for write in WRITES {
        assert!(points.iter().any(|point| point.write == write), "{write}");
    }
}

#[tokio::test]
async fn killed_at_every_fourth_point_and_going_on_in_both_ways() {
    let points = all_points().await;
    let mut tried = 0;
    // Four is no divisor of five: every instant and every write has its turn.
    for point in points.into_iter().step_by(4) {
        point.survived_by(Next::OwnRestart).await;
        point.survived_by(Next::AnotherMachine).await;
        tried += 1;
    }
    assert!(tried >= 25, "{tried}");
    crate::tried("I1", 2 * tried);
}

#[tokio::test]
#[ignore = "every crash point, both ways: a minute; see docs/testing.md"]
async fn killed_at_every_point_and_going_on_in_both_ways() {
    let points = all_points().await;
    for point in &points {
        point.survived_by(Next::OwnRestart).await;
        point.survived_by(Next::AnotherMachine).await;
    }
    println!("{} crash points, two ways each", points.len());
    crate::tried("I1", 2 * points.len());
}
