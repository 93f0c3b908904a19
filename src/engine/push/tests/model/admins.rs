//! Two administrators, each with a machine of their own.

use super::super::points::copy_folder;
use super::super::*;
use super::small::PEOPLE;
use crate::domain::photo::{AvatarChain, ChainStamp};
use crate::engine::UndoError;
use crate::engine::fakes::Gate;
use crate::store::quick_folder;

/// A machine.
pub(super) struct Admin {
    paths: StorePaths,
    folder: tempfile::TempDir,
    store: Option<Arc<Store>>,
    /// Promises that were broken, in words.
    pub(super) broken: Vec<String>,
    /// How much its clock is ahead of that of the services.
    pub(super) hours_ahead: i64,
    /// How the last change has left everybody.
    left: [Option<ChainStamp>; PEOPLE.len()],
    /// How a run that is not settled has found somebody, and how it has left them.
    begun: [Option<(ChainStamp, ChainStamp)>; PEOPLE.len()],
}

/// How a person ended.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) outcome: Outcome,
    pub(super) writes: usize,
    pub(super) was_disturbed: bool,
    #[expect(dead_code, reason = "read by whoever reads the message of a failed story")]
    detail: String,
}

/// What came of an undo.
#[derive(Clone, Debug)]
pub(super) enum TakenBack {
    /// This administrator has changed nothing.
    Nothing,
    /// It was left alone; why is read by whoever reads the message of a failed story.
    Left(Outcome, #[expect(dead_code, reason = "for the message")] String),
    /// It was done.
    Done(Came),
}

/// What the records hold: one that holds nothing is nobody's change.
pub(super) fn contents(chain: &AvatarChain) -> ChainStamp {
    let mut filled = chain.clone();
    filled
        .records
        .retain(|record| !record.pictures.is_empty() || record.column != Column::Empty);
    filled.stamp()
}

fn paths_in(folder: &tempfile::TempDir) -> StorePaths {
    StorePaths {
        state_dir: folder.path().join("state"),
        cache_dir: folder.path().join("cache"),
        profile: "default".into(),
    }
}

/// The person chooses a picture: whatever is in the record's field makes way, and its column names nothing else.
pub(super) fn edit(world: &World, name: &str, place: Place, seed: u8) {
    let chain = world.chain(name);
    // Nobody has a profile before somebody opens it.
    let place = if chain.record(place).is_some() {
        place
    } else {
        USER
    };
    for row in world.rows(name, place) {
        world.delete_row(&row.id);
    }
    world.store_at(name, place, picture(seed));
    world.point_column(name, place, None);
}

/// True if a record of the person holds a row with these bytes.
pub(super) fn holds(world: &World, name: &str, place: Place, sha256: Sha256) -> bool {
    world
        .rows(name, place)
        .iter()
        .any(|row| row.sha256 == Some(sha256))
}

impl Admin {
    pub(super) fn new() -> Self {
        let folder = quick_folder();
        let mut admin = Self {
            paths: paths_in(&folder),
            folder,
            store: None,
            broken: Vec::new(),
            hours_ahead: 0,
            left: [const { None }; PEOPLE.len()],
            begun: [const { None }; PEOPLE.len()],
        };
        admin.start();
        admin
    }

    fn start(&mut self) {
        let store = Store::open(&self.paths, Access::Write).expect("nobody else has it");
        self.store = Some(Arc::new(store));
    }

    fn store(&self) -> &Arc<Store> {
        self.store.as_ref().expect("started")
    }

    pub(super) fn restart(&mut self) {
        self.store = None;
        self.start();
    }

    fn engine(&self, world: &World, target: &Arc<Watched>) -> Engine {
        let (clock, ahead) = (world.clock(), jiff::SignedDuration::from_hours(self.hours_ahead));
        let target = Arc::clone(target);
        world
            .engine_to(target, self.store(), |_| {})
            .with_clock(Arc::new(move || clock() + ahead))
    }

    /// Who has to be settled.
    pub(super) async fn unfinished(&self) -> Vec<usize> {
        let unfinished = self.store().journal().unfinished().await.expect("readable");
        let people = unfinished.into_iter().map(|left| {
            let name = left.person.name.shown().into_owned();
            let who = PEOPLE.iter().position(|known| **known == *name);
            who.expect("somebody of this story")
        });
        people.collect()
    }

    /// True if a copy of this picture is in the vault.
    pub(super) async fn keeps(&self, sha256: Sha256) -> bool {
        self.store().vault().holds(&sha256).await.expect("readable")
    }

    /// A change has left somebody so.
    pub(super) fn leaves(&mut self, who: usize, left: ChainStamp) {
        self.left[who] = Some(left);
    }

    /// True if nobody has touched the records since the last change.
    pub(super) fn is_as_left(&self, who: usize, now: &ChainStamp) -> bool {
        self.left[who].as_ref() == Some(now)
    }

    /// A run that came to no settled end has found and left somebody so.
    pub(super) fn breaks_off(&mut self, who: usize, found: ChainStamp, left: ChainStamp) {
        self.begun[who] = Some((found, left));
    }

    /// How the run that is settled now has found and left somebody.
    pub(super) fn broke_off(&mut self, who: usize) -> (ChainStamp, ChainStamp) {
        self.begun[who].take().expect("it was interrupted")
    }

    /// Settles what was interrupted; answers whose it was.
    pub(super) async fn recover(&mut self, world: &World) -> Vec<usize> {
        let people = self.unfinished().await;
        let target = Arc::new(Watched::new(world));
        for who in &people {
            let photo = world.photo_of(PEOPLE[*who]);
            target.promise(PEOPLE[*who], &photo.into_iter().collect::<Vec<_>>());
        }
        self.engine(world, &target).recover().await.expect("settled");
        self.broken.extend(target.broken_promises());
        assert_eq!(self.unfinished().await, [0; 0]);
        people
    }

    pub(super) async fn push(&mut self, world: &World, who: usize, photo: Option<u8>) -> Came {
        let photo: Vec<u8> = photo.into_iter().collect();
        self.carry_out(world, who, Change::Replace, &photo, None).await
    }

    /// One person's step. `allowed`: what may be displayed on the way besides the picture of now.
    pub(super) async fn carry_out(
        &mut self,
        world: &World,
        who: usize,
        change: Change,
        allowed: &[u8],
        gate: Option<(Gate, usize)>,
    ) -> Came {
        let gate_of_mine = gate.clone();
        let target = Arc::new(match gate {
            Some((gate, number)) => Watched::new(world).behind(gate, number),
            None => Watched::new(world),
        });
        if change != Change::Remove {
            target.promise(PEOPLE[who], &pictures(allowed));
        }
        let came = self.apply(world, &target, who, change).await;
        if let Some((gate, number)) = gate_of_mine {
            gate.leave(number);
        }
        self.broken.extend(target.broken_promises());
        came
    }

    async fn apply(&self, world: &World, target: &Arc<Watched>, who: usize, change: Change) -> Came {
        let (events, mut received) = mpsc::channel(64);
        self.engine(world, target)
            .apply(
                plan_for(world, who, change),
                &NO_LIMITS,
                &RunControl::new(),
                events,
            )
            .await
            .expect("begun");
        came(target, &mut received).await
    }

    /// Killed at a call; `None` if it came to that.
    pub(super) async fn push_until(
        &mut self,
        world: &World,
        who: usize,
        photo: Option<u8>,
        (call, when): (usize, When),
    ) -> Option<Came> {
        let target = Arc::new(Watched::new(world));
        let photo: Vec<u8> = photo.into_iter().collect();
        target.promise(PEOPLE[who], &pictures(&photo));
        target.die_at(call, when);
        let came = tokio::select! {
            came = self.apply(world, &target, who, Change::Replace) => Some(came),
            () = target.death() => None,
        };
        self.broken.extend(target.broken_promises());
        if came.is_none() {
            // Whatever its threads were at comes to its end first.
            self.store().journal().outstanding().await.expect("readable");
            let folder = quick_folder();
            copy_folder(&self.paths.state_dir, &folder.path().join("state"));
            self.paths = paths_in(&folder);
            self.folder = folder;
            self.start();
        }
        came
    }

    /// Something happens before a call of the push.
    pub(super) async fn push_while(
        &mut self,
        world: &World,
        who: usize,
        photo: Option<u8>,
        also_allowed: &[u8],
        (call, act): (usize, impl FnOnce(&World) + Send + 'static),
    ) -> Came {
        let target = Arc::new(Watched::new(world));
        let allowed: Vec<u8> = photo.into_iter().chain(also_allowed.iter().copied()).collect();
        target.promise_a_picture(PEOPLE[who], &pictures(&allowed));
        target.at_call(call, act);
        let came = self.apply(world, &target, who, Change::Replace).await;
        self.broken.extend(target.broken_promises());
        Came {
            was_disturbed: target.calls().len() >= call,
            ..came
        }
    }

    /// Takes back the last change to somebody.
    pub(super) async fn undo(&mut self, world: &World, who: usize) -> TakenBack {
        let target = Arc::new(Watched::new(world));
        let engine = self.engine(world, &target);
        let mut plan = match engine.undo_plan(&format!("{}-sys", PEOPLE[who])).await {
            Ok(plan) => plan,
            Err(UndoError::Unknown(_)) => return TakenBack::Nothing,
            Err(error) => panic!("{error}"),
        };
        if let Some(left) = plan.left.pop() {
            return TakenBack::Left(left.outcome, left.reason);
        }
        let (events, mut received) = mpsc::channel(64);
        engine
            .tidy(plan, &NO_LIMITS, &RunControl::new(), events)
            .await
            .expect("begun");
        TakenBack::Done(came(&target, &mut received).await)
    }
}

/// How the one person of a run ended.
async fn came(target: &Watched, received: &mut mpsc::Receiver<RunEvent>) -> Came {
    let mut came = None;
    while let Some(event) = received.recv().await {
        if let RunEvent::Step { outcome, detail, .. } = event {
            came = Some(Came {
                outcome,
                detail,
                writes: target.writes(),
                was_disturbed: false,
            });
        }
    }
    came.expect("everybody is told of")
}

fn pictures(seeds: &[u8]) -> Vec<Bytes> {
    seeds.iter().map(|seed| picture(*seed)).collect()
}

fn plan_for(world: &World, who: usize, change: Change) -> Plan {
    let name = PEOPLE[who];
    let address = format!("{name}@x.example");
    Plan {
        schema: PLAN_SCHEMA.into(),
        profile: "default".into(),
        made_at: world.now(),
        complete: true,
        in_scope: None,
        push_suspicious: true,
        steps: vec![Step {
            person: PersonRef {
                name: name.into(),
                upn: address.as_str().into(),
                mail: Some(address.as_str().into()),
                source: SourceId::new(format!("{name}-id")),
                target: Some(TargetId::new(format!("{name}-sys"))),
                user_name: Some(address.as_str().into()),
            },
            change,
            expected: world.chain(name).stamp(),
            photo: None,
            upload: None,
            replaces: None,
            reason: "because".into(),
        }],
        skips: vec![],
    }
}
