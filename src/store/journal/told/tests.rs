//! The rules of what is outstanding against a second set of rules, written another way: there the journal's rows are
//! sets that are added and subtracted; here what happens is followed one thing after the other, and everybody concerned
//! is marked on the spot.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::domain::ids::TargetId;
use crate::domain::photo::{ChainStamp, Place};
use crate::domain::plan::Change;
use crate::domain::run::{PersonRef, StopReason, Summary};
use crate::domain::tidying::Task;
use crate::store::database;
use crate::store::journal::planned::{StepToPlan, pack};
use crate::store::journal::writer::{Entry, insert};
use crate::store::journal::{
    Actor, Answer, Intent, IntentId, Planned, RunStart, SCHEMA, StepRecord, WriteKind,
};

const PEOPLE: usize = 4;
const RUNS: usize = 4;
const CASES: u32 = 3_000;

/// What happens, in its order. Runs are numbered as they begin.
#[derive(Clone, Debug)]
enum Happening {
    Begins {
        kind: RunKind,
        continues: Option<usize>,
        undoes: Option<usize>,
        /// Whom it plans a step for, one bit a person.
        people: u8,
    },
    Turn(usize, usize),
    Write(usize, usize),
    /// The oldest write of this person without an answer gets one.
    Answer(usize, usize, bool),
    Ending(usize, usize, Outcome, bool),
    Ends(usize, bool),
}

fn happening() -> impl Strategy<Value = Happening> {
    let run = || 0..RUNS;
    let person = || 0..PEOPLE;
    let kind = prop_oneof![
        Just(RunKind::Push),
        Just(RunKind::Sync),
        Just(RunKind::Undo),
        Just(RunKind::Clean)
    ];
    let maybe_run = || proptest::option::weighted(0.3, run());
    let everybody = 1..1_u8 << PEOPLE;
    prop_oneof![
        2 => (kind, maybe_run(), maybe_run(), everybody).prop_map(|(kind, continues, undoes, people)| {
            Happening::Begins { kind, continues, undoes, people }
        }),
        3 => (run(), person()).prop_map(|(run, person)| Happening::Turn(run, person)),
        3 => (run(), person()).prop_map(|(run, person)| Happening::Write(run, person)),
        2 => (run(), person(), any::<bool>())
            .prop_map(|(run, person, is_done)| Happening::Answer(run, person, is_done)),
        5 => (run(), person(), 0..Outcome::ALL.len(), any::<bool>())
            .prop_map(|(run, person, outcome, is_settled)| {
                Happening::Ending(run, person, Outcome::ALL[outcome], is_settled)
            }),
        2 => (run(), any::<bool>()).prop_map(|(run, is_stopped)| Happening::Ends(run, is_stopped)),
    ]
}

/// A story that can be: it begins with a run, nothing happens in a run before it begins, and a run ends once.
fn story() -> impl Strategy<Value = Vec<Happening>> {
    proptest::collection::vec(happening(), 1..40).prop_map(|happenings| {
        let mut ended: Vec<bool> = Vec::new();
        let mut story = Vec::new();
        for happening in happenings {
            match happening {
                Happening::Begins { .. } if ended.len() == RUNS => {}
                Happening::Begins {
                    kind,
                    continues,
                    undoes,
                    people,
                } => {
                    let known = |run: &usize| *run < ended.len();
                    story.push(Happening::Begins {
                        kind,
                        continues: continues.filter(known),
                        undoes: undoes.filter(known),
                        people,
                    });
                    ended.push(false);
                }
                Happening::Ends(run, _) if ended.get(run) == Some(&false) => {
                    ended[run] = true;
                    story.push(happening);
                }
                Happening::Ends(..) => {}
                Happening::Turn(run, _)
                | Happening::Write(run, _)
                | Happening::Answer(run, ..)
                | Happening::Ending(run, ..) => {
                    if run < ended.len() {
                        story.push(happening);
                    }
                }
            }
        }
        story
    })
}

fn run_id(run: usize) -> RunId {
    RunId::new(format!("run-{run}"))
}

fn person(person: usize) -> PersonRef {
    PersonRef {
        name: "somebody".into(),
        upn: format!("p{person}").into(),
        mail: None,
        source: SourceId::new(format!("p{person}")),
        target: Some(TargetId::new(format!("t{person}"))),
        user_name: None,
    }
}

fn planned_by(people: u8) -> impl Iterator<Item = usize> {
    (0..PEOPLE).filter(move |person| people & (1 << person) != 0)
}

const TASK: Task = Task::Push(Change::Replace);

fn start(kind: RunKind, continues: Option<usize>, undoes: Option<usize>, steps: usize) -> RunStart {
    RunStart {
        profile: "default".into(),
        kind,
        started: Timestamp::UNIX_EPOCH,
        actor: Actor {
            os_user: String::new(),
            host: String::new(),
            account: String::new(),
        },
        planned: Planned {
            replace: steps as u64,
            ..Planned::default()
        },
        continues: continues.map(run_id),
        undoes: undoes.map(run_id),
    }
}

fn intent(run: usize, who: usize) -> Intent {
    Intent {
        run: run_id(run),
        source: person(who).source,
        target: TargetId::new(format!("t{who}")),
        kind: WriteKind::Upload,
        place: Place::LIVE_PROFILE,
        record: None,
        picture: None,
        old_picture: None,
        sha256: None,
        bytes: None,
        expected: ChainStamp::from_text("0123456789abcdef"),
        at: Timestamp::UNIX_EPOCH,
    }
}

/// The story as the journal writes it down.
fn write_down(connection: &Connection, story: &[Happening]) {
    let mut begun = 0;
    let mut open: Vec<(i64, usize, usize)> = Vec::new();
    for (number, happening) in (1..).zip(story) {
        let entry = match *happening {
            Happening::Begins {
                kind,
                continues,
                undoes,
                people,
            } => {
                let run = run_id(begun);
                begun += 1;
                let people: Vec<PersonRef> = planned_by(people).map(person).collect();
                let expected = ChainStamp::from_text("0123456789abcdef");
                let plan = pack(people.iter().map(|person| StepToPlan {
                    person,
                    task: TASK,
                    expected: &expected,
                }));
                Entry::RunBegins(run, start(kind, continues, undoes, people.len()), Some((0, plan)))
            }
            Happening::Turn(run, who) => Entry::StepBegins(run_id(run), person(who), TASK),
            Happening::Write(run, who) => {
                open.push((number, run, who));
                Entry::Intent(IntentId(number), intent(run, who))
            }
            Happening::Answer(run, who, is_done) => {
                let Some(position) = open.iter().position(|(_, of, by)| (*of, *by) == (run, who)) else {
                    continue;
                };
                let (id, ..) = open.remove(position);
                let answer = if is_done {
                    Answer::Done(Some("new".into()))
                } else {
                    Answer::NotDone("refused".into())
                };
                Entry::Answer(IntentId(id), Timestamp::UNIX_EPOCH, answer)
            }
            Happening::Ending(run, who, outcome, settled) => Entry::Step(StepRecord {
                run: run_id(run),
                person: person(who),
                change: TASK,
                outcome,
                detail: String::new(),
                hint: None,
                settled,
                after: None,
                at: Timestamp::UNIX_EPOCH,
            }),
            Happening::Ends(run, is_stopped) => Entry::RunEnds {
                run: run_id(run),
                at: Timestamp::UNIX_EPOCH,
                summary: Summary::default(),
                stopped: is_stopped.then_some(StopReason::Cancelled),
            },
        };
        insert(connection, &entry).expect("inserted");
    }
}

/// One person's part of one run, as far as the story has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Waiting,
    /// Something was begun, or may be left.
    Open,
    /// The turn led to nothing.
    Fruitless,
    Done,
}

struct Run {
    kind: RunKind,
    continues: Option<usize>,
    takes_back: bool,
    /// Nothing more is expected of it.
    is_over: bool,
    /// Its plan, until it is thrown away.
    plan: Vec<usize>,
    parts: [Part; PEOPLE],
    /// The last ending that was written down led to something.
    has_effect: [bool; PEOPLE],
}

/// Follows the story; answers what is left of each run, for whom.
fn follow(story: &[Happening]) -> Vec<Vec<(usize, Rest)>> {
    let mut runs: Vec<Run> = Vec::new();
    for happening in story {
        match *happening {
            Happening::Begins {
                kind,
                continues,
                undoes,
                people,
            } => {
                for earlier in [continues, undoes].into_iter().flatten() {
                    runs[earlier].is_over = true;
                }
                runs.push(Run {
                    kind,
                    continues,
                    takes_back: undoes.is_some(),
                    is_over: false,
                    plan: planned_by(people).collect(),
                    parts: [Part::Waiting; PEOPLE],
                    has_effect: [false; PEOPLE],
                });
            }
            Happening::Turn(run, who) => runs[run].parts[who] = Part::Open,
            Happening::Write(run, who) => {
                let part = &mut runs[run].parts[who];
                if *part == Part::Waiting {
                    *part = Part::Open;
                }
            }
            Happening::Answer(..) => {}
            Happening::Ending(run, who, outcome, is_settled) => {
                let is_effect = outcome != Outcome::Failed && outcome != Outcome::Skipped;
                runs[run].has_effect[who] = is_settled && is_effect;
                runs[run].parts[who] = match (is_settled, is_effect) {
                    (false, _) => Part::Open,
                    (true, true) => Part::Done,
                    (true, false) => Part::Fruitless,
                };
            }
            Happening::Ends(_, true) => {}
            Happening::Ends(run, false) => {
                runs[run].is_over = true;
                if runs[run].kind == RunKind::Sync && runs[run].continues.is_none() {
                    for earlier in &mut runs[..run] {
                        earlier.is_over |= !earlier.takes_back;
                    }
                    for run in &mut runs {
                        run.plan.clear();
                    }
                }
                let mut answered = Some(run);
                while let Some(run) = answered {
                    runs[run].plan.clear();
                    answered = runs[run].continues;
                }
            }
        }
    }
    let mut passed = [false; PEOPLE];
    let mut left = Vec::new();
    for run in runs.iter().rev() {
        let rest = |who: usize| match run.parts[who] {
            Part::Open => Some(Rest::Settle),
            _ if run.is_over || passed[who] => None,
            Part::Waiting => Some(Rest::Start),
            Part::Fruitless => Some(Rest::Again),
            Part::Done => None,
        };
        let of_run = run.plan.iter().filter_map(|who| Some((*who, rest(*who)?)));
        left.push(of_run.collect());
        if run.kind != RunKind::Clean {
            for (passed, has_effect) in passed.iter_mut().zip(run.has_effect) {
                *passed |= has_effect;
            }
        }
    }
    left.reverse();
    left
}

/// What the journal itself answers.
fn asked(connection: &Connection, runs: usize) -> Vec<Vec<(usize, Rest)>> {
    let number = |step: &PlannedStep| {
        (0..PEOPLE)
            .find(|who| person(*who) == step.person)
            .expect("nobody else is planned for")
    };
    (0..runs)
        .map(|run| {
            let left = left_of(connection, &run_id(run)).expect("read").expect("begun");
            left.people
                .iter()
                .map(|(step, rest)| (number(step), *rest))
                .collect()
        })
        .collect()
}

#[test]
fn two_sets_of_rules_agree_on_what_is_outstanding_whatever_has_happened() {
    let connection = database::in_memory(&SCHEMA).expect("opens");
    let rests = std::cell::RefCell::new([0_u32; 3]);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::with_cases(CASES)
        },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    runner
        .run(&story(), |story| {
            let transaction = connection.unchecked_transaction().expect("begins");
            write_down(&transaction, &story);
            let expected = follow(&story);
            let found = asked(&transaction, expected.len());
            let listed: Vec<RunId> = cut_short(&transaction)
                .expect("read")
                .into_iter()
                .map(|left| left.record.id)
                .collect();
            transaction.rollback().expect("rolled back");
            for (_, rest) in found.iter().flatten() {
                rests.borrow_mut()[*rest as usize] += 1;
            }
            for (run, left) in expected.iter().enumerate() {
                let has_to_begin = left.iter().any(|(_, rest)| *rest != Rest::Settle);
                prop_assert!(
                    !has_to_begin || listed.contains(&run_id(run)),
                    "{} is not listed",
                    run_id(run)
                );
            }
            prop_assert_eq!(found, expected);
            Ok(())
        })
        .expect("they agree");
    let rests = rests.into_inner();
    assert!(
        rests.iter().all(|count| *count > 200),
        "each kind of rest was met often: {rests:?}"
    );
}

#[test]
fn a_run_whose_plan_was_not_written_down_is_told_of_until_it_is_answered() {
    let begins = |run: usize, continues, steps| {
        Entry::RunBegins(run_id(run), start(RunKind::Push, continues, None, steps), None)
    };
    let connection = database::in_memory(&SCHEMA).expect("opens");
    insert(&connection, &begins(0, None, 3)).expect("begun");
    insert(&connection, &begins(1, None, 0)).expect("begun");
    let left = |run| left_of(&connection, &run_id(run)).expect("read").expect("known");
    let listed = || -> Vec<RunId> {
        let runs = cut_short(&connection).expect("read");
        runs.into_iter().map(|left| left.record.id).collect()
    };
    assert!(!left(0).is_plan_known, "an older version has written it");
    assert!(left(1).is_plan_known, "there was nothing to do");
    assert_eq!(listed(), [run_id(0)]);
    insert(&connection, &begins(2, Some(0), 0)).expect("begun");
    assert!(left(0).is_plan_known, "what is left is the other run's");
    assert_eq!(listed(), &[] as &[RunId]);
    assert_eq!(left_of(&connection, &run_id(3)).expect("read"), None);
}
