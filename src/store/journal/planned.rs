//! What a run set out to do, kept until it is complete: a hundred bytes a step, in portions.
//!
//! Of each step it holds what is needed to plan it anew, and the names to tell of it. The bytes are read back from a
//! file that may have been damaged, so nothing in them is trusted.

use rusqlite::{Connection, Row, types::Type};

use crate::domain::ids::{RunId, SourceId, TargetId};
use crate::domain::outstanding::PlannedStep;
use crate::domain::packing::{IdForm, Writer, unpack_id};
use crate::domain::photo::ChainStamp;
use crate::domain::plan::Change;
use crate::domain::run::PersonRef;
use crate::domain::text::RemoteText;
use crate::domain::tidying::{Task, TidyKind};

/// Steps of one portion: about four megabytes.
pub(super) const PORTION: usize = 32_768;

/// Tasks by their number; only ever appended to.
const TASKS: [Task; 6] = [
    Task::Push(Change::Add),
    Task::Push(Change::Replace),
    Task::Push(Change::Repair),
    Task::Push(Change::Remove),
    Task::Tidy(TidyKind::Clean),
    Task::Tidy(TidyKind::Undo),
];

/// A step to be written down, borrowed from the plan.
#[derive(Clone, Copy, Debug)]
pub struct StepToPlan<'a> {
    /// Who.
    pub person: &'a PersonRef,
    /// What.
    pub task: Task,
    /// The target's state when this was decided.
    pub expected: &'a ChainStamp,
}

/// A person may have neither e-mail nor user name of their own: most have what they sign in with.
const NONE: u8 = 0;
const SAME: u8 = 1;
const OTHER: u8 = 2;

pub(super) fn pack<'a>(steps: impl Iterator<Item = StepToPlan<'a>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = Writer(&mut bytes);
    for step in steps {
        let task = TASKS.iter().position(|task| *task == step.task);
        out.byte(task.expect("every task has a number") as u8);
        let person = step.person;
        out.id(person.source.as_str());
        match &person.target {
            Some(target) => {
                out.byte(1);
                out.id(target.as_str());
            }
            None => out.byte(0),
        }
        out.text(person.name.raw());
        let upn = person.upn.raw();
        out.text(upn);
        for text in [&person.mail, &person.user_name] {
            match text {
                None => out.byte(NONE),
                Some(text) if text.raw() == upn => out.byte(SAME),
                Some(text) => {
                    out.byte(OTHER);
                    out.text(text.raw());
                }
            }
        }
        out.text(step.expected.as_str());
    }
    bytes
}

/// Reads a portion; `None` if [`pack`] did not write it.
pub(super) fn unpack(bytes: &[u8]) -> Option<Vec<PlannedStep>> {
    let mut rest = Rest(bytes);
    let mut steps = Vec::new();
    while !rest.0.is_empty() {
        steps.push(rest.step()?);
    }
    Some(steps)
}

/// A text that may not be there.
struct Beside(Option<RemoteText>);

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn step(&mut self) -> Option<PlannedStep> {
        let task = *TASKS.get(usize::from(self.byte()?))?;
        let source = SourceId::new(self.id()?);
        let target = match self.byte()? {
            0 => None,
            1 => Some(TargetId::new(self.id()?)),
            _ => return None,
        };
        let name = RemoteText::from(self.text()?);
        let upn = self.text()?;
        let mail = self.text_beside(upn)?.0;
        let user_name = self.text_beside(upn)?.0;
        Some(PlannedStep {
            person: PersonRef {
                name,
                upn: upn.into(),
                mail,
                source,
                target,
                user_name,
            },
            task,
            expected: ChainStamp::from_text(self.text()?),
        })
    }

    fn text_beside(&mut self, upn: &str) -> Option<Beside> {
        match self.byte()? {
            NONE => Some(Beside(None)),
            SAME => Some(Beside(Some(upn.into()))),
            OTHER => Some(Beside(Some(self.text()?.into()))),
            _ => None,
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return usize::try_from(number).ok();
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    fn id(&mut self) -> Option<String> {
        let form = match self.byte()? {
            0 => return self.text().map(str::to_owned),
            1 => IdForm::Guid,
            2 => IdForm::Hexadecimal,
            _ => return None,
        };
        let value: &[u8; 16] = self.bytes(16)?.try_into().ok()?;
        Some(unpack_id(form, value))
    }
}

/// Hands on a run's steps in the order of its plan, one portion in memory at a time.
pub(super) fn read(
    connection: &Connection,
    run: &RunId,
    mut each: impl FnMut(PlannedStep),
) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("SELECT steps FROM planned WHERE run = ?1 ORDER BY portion")?;
    let mut rows = statement.query([run.as_str()])?;
    while let Some(row) = rows.next()? {
        steps_of(row)?.into_iter().for_each(&mut each);
    }
    Ok(())
}

/// Everybody in a plan that is not complete.
pub(in crate::store) fn people(
    connection: &Connection,
    mut each: impl FnMut(PersonRef),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT steps FROM planned")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for step in steps_of(row)? {
            each(step.person);
        }
    }
    Ok(())
}

/// Takes people out of all plans.
pub(in crate::store) fn forget_people(connection: &Connection, sources: &[SourceId]) -> rusqlite::Result<()> {
    let portions: Vec<i64> = connection
        .prepare("SELECT id FROM planned")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for portion in portions {
        let mut steps =
            connection.query_row("SELECT steps FROM planned WHERE id = ?1", [portion], steps_of)?;
        steps.retain(|step| !sources.contains(&step.person.source));
        let rest = pack(steps.iter().map(|step| StepToPlan {
            person: &step.person,
            task: step.task,
            expected: &step.expected,
        }));
        connection.execute("UPDATE planned SET steps = ?2 WHERE id = ?1", (portion, rest))?;
    }
    Ok(())
}

/// The steps of a portion.
fn steps_of(row: &Row<'_>) -> rusqlite::Result<Vec<PlannedStep>> {
    let not_understood = "a plan that is not understood";
    unpack(row.get_ref(0)?.as_blob()?)
        .ok_or_else(|| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, not_understood.into()))
}

/// Plans that were written down for runs that then did not begin.
pub(super) fn forget_unbegun(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("DELETE FROM planned WHERE run NOT IN (SELECT id FROM runs)", [])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id() -> impl Strategy<Value = String> {
        prop_oneof![
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "[0-9a-f]{32}",
            "\\PC{1,12}",
        ]
    }

    fn step() -> impl Strategy<Value = PlannedStep> {
        let text = || "\\PC{0,20}";
        (
            (0..TASKS.len(), id(), proptest::option::of(id()), text(), text()),
            (proptest::option::of(text()), any::<bool>(), "[0-9a-f]{16}"),
        )
            .prop_map(
                |((task, source, target, name, upn), (mail, is_same, stamp))| PlannedStep {
                    person: PersonRef {
                        name: name.as_str().into(),
                        upn: upn.as_str().into(),
                        mail: mail.as_deref().map(Into::into),
                        source: SourceId::new(source),
                        target: target.map(TargetId::new),
                        user_name: is_same.then(|| upn.as_str().into()),
                    },
                    task: TASKS[task],
                    expected: ChainStamp::from_text(&stamp),
                },
            )
    }

    fn packed(steps: &[PlannedStep]) -> Vec<u8> {
        pack(steps.iter().map(|step| StepToPlan {
            person: &step.person,
            task: step.task,
            expected: &step.expected,
        }))
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(steps in proptest::collection::vec(step(), 0..5)) {
            prop_assert_eq!(unpack(&packed(&steps)), Some(steps));
        }

        #[test]
        fn bytes_that_nobody_packed_are_no_plan_and_no_panic(
            steps in proptest::collection::vec(step(), 1..4),
            at in any::<proptest::sample::Index>(),
            byte in any::<u8>(),
            cut in any::<proptest::sample::Index>(),
        ) {
            let mut bytes = packed(&steps);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(cut.index(bytes.len()) + 1);
            let _ = unpack(&bytes);
        }
    }

    fn somebody(name: &str, upn: &str, task: Task) -> PlannedStep {
        PlannedStep {
            person: PersonRef {
                name: name.into(),
                upn: upn.into(),
                mail: None,
                source: SourceId::new("s"),
                target: None,
                user_name: None,
            },
            task,
            expected: ChainStamp::from_text("0123456789abcdef"),
        }
    }

    #[test]
    fn every_task_keeps_the_number_it_was_once_written_down_with() {
        for (number, task) in [
            (0, Task::Push(Change::Add)),
            (1, Task::Push(Change::Replace)),
            (2, Task::Push(Change::Repair)),
            (3, Task::Push(Change::Remove)),
            (4, Task::Tidy(TidyKind::Clean)),
            (5, Task::Tidy(TidyKind::Undo)),
        ] {
            assert_eq!(packed(&[somebody("", "", task)])[0], number, "{task:?}");
        }
    }

    #[test]
    fn texts_of_any_length_come_back() {
        for length in [0, 1, 127, 128, 129, 16_383, 16_384, 2_097_152] {
            let step = somebody(&"ä".repeat(length / 2), &"x".repeat(length), TASKS[0]);
            let steps = [step.clone(), step];
            assert!(unpack(&packed(&steps)).as_deref() == Some(&steps[..]), "{length}");
        }
    }

    /// Somebody with all that a person can have.
    fn full() -> PlannedStep {
        let mut step = somebody("Ada", "ada@x", TASKS[1]);
        step.person.mail = Some("ada@x".into());
        step.person.user_name = Some("ada".into());
        step.person.source = SourceId::new("0b0e2b3c-5a5e-4a5c-9d0e-0123456789ab");
        step.person.target = Some(TargetId::new("0123456789abcdef0123456789abcdef"));
        step
    }

    #[test]
    fn a_plan_that_breaks_off_anywhere_is_not_understood() {
        let bytes = packed(&[full()]);
        assert_eq!(unpack(&bytes), Some(vec![full()]));
        for length in 1..bytes.len() {
            assert_eq!(
                unpack(&bytes[..length]),
                None,
                "{length} of {} bytes",
                bytes.len()
            );
        }
        assert_eq!(unpack(&[]), Some(vec![]));
    }

    #[test]
    fn what_no_version_has_ever_written_is_not_understood() {
        let bytes = packed(&[full()]);
        // Where what stands: the task, the form of the first id, whether there is a target, the form of its id, the
        // name with its length, the name to sign in with, then what mail and user name are, and the stamp's length.
        let layout = [
            (0, 1),
            (1, 1),
            (18, 1),
            (19, 2),
            (36, 3),
            (40, 5),
            (46, SAME),
            (47, OTHER),
            (48, 3),
            (52, 16),
        ];
        for (place, value) in layout {
            assert_eq!(bytes[place], value, "at {place}");
        }
        for (place, value) in [
            (0, TASKS.len() as u8),
            (0, 255),
            (1, 3),
            (18, 2),
            (19, 3),
            (37, 0xff), // no text begins like this
            (46, 3),
            (47, 3),
            (52, 17), // longer than what is left
        ] {
            let mut changed = bytes.clone();
            changed[place] = value;
            assert_eq!(unpack(&changed), None, "{value} at {place}");
        }
        // Lengths that do not end, and one beyond all that there can be.
        for length in [vec![0x80; 5], vec![0xff; 9], vec![0xff, 0xff, 0xff, 0xff, 0x7f]] {
            let mut changed = bytes.clone();
            changed.splice(36..37, length.iter().copied());
            assert_eq!(unpack(&changed), None, "{length:?}");
        }
    }

    /// A journal with two runs, of which the first plans for three people in two portions, and the second for one.
    fn journal() -> Connection {
        use crate::store::database;
        use crate::store::journal::SCHEMA;

        let connection = database::in_memory(&SCHEMA).expect("opens");
        for (run, portion, people) in [
            ("first", 0, &["a", "b"][..]),
            ("first", 1, &["c"]),
            ("second", 0, &["b"]),
        ] {
            let steps: Vec<PlannedStep> = people
                .iter()
                .map(|name| {
                    let mut step = somebody(name, name, TASKS[0]);
                    step.person.source = SourceId::new(*name);
                    step
                })
                .collect();
            connection
                .execute(
                    "INSERT INTO planned (run, portion, steps) VALUES (?1, ?2, ?3)",
                    (run, portion, packed(&steps)),
                )
                .expect("written");
        }
        connection
    }

    fn names_of(connection: &Connection, run: &str) -> Vec<String> {
        let mut names = Vec::new();
        let note = |step: PlannedStep| names.push(step.person.name.raw().to_owned());
        read(connection, &RunId::new(run), note).expect("read");
        names
    }

    #[test]
    fn whoever_asks_to_be_forgotten_is_in_no_plan_and_everybody_else_still_is() {
        let connection = journal();
        let everybody = || {
            let mut names = Vec::new();
            people(&connection, |person| names.push(person.name.raw().to_owned())).expect("read");
            names
        };
        assert_eq!(everybody(), ["a", "b", "c", "b"]);
        let gone = ["b", "nobody"].map(SourceId::new);
        forget_people(&connection, &gone).expect("written");
        assert_eq!(everybody(), ["a", "c"]);
        assert_eq!(names_of(&connection, "first"), ["a", "c"]);
        assert_eq!(names_of(&connection, "second"), &[] as &[String]);
    }

    #[test]
    fn a_plan_that_is_damaged_is_an_error_for_whoever_reads_it() {
        let connection = journal();
        connection
            .execute("UPDATE planned SET steps = x'ff' WHERE portion = 1", [])
            .expect("written");
        let errors = [
            read(&connection, &RunId::new("first"), |_| ()).expect_err("damaged"),
            people(&connection, |_| ()).expect_err("damaged"),
            forget_people(&connection, &[]).expect_err("damaged"),
        ];
        for error in errors {
            assert!(error.to_string().contains("not understood"), "{error}");
        }
        assert_eq!(names_of(&connection, "second"), ["b"]);
    }

    #[test]
    fn a_usual_step_takes_little_more_than_a_hundred_bytes() {
        let step = PlannedStep {
            person: PersonRef {
                name: "Adele Vance".into(),
                upn: "adele.vance@contoso.com".into(),
                mail: Some("adele.vance@contoso.com".into()),
                source: SourceId::new("0b0e2b3c-5a5e-4a5c-9d0e-0123456789ab"),
                target: Some(TargetId::new("0123456789abcdef0123456789abcdef")),
                user_name: Some("adele.vance".into()),
            },
            task: Task::Push(Change::Replace),
            expected: ChainStamp::from_text("0123456789abcdef"),
        };
        let bytes = packed(&[step]).len();
        assert!(bytes <= 112, "{bytes}");
    }
}
