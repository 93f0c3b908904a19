use jiff::Timestamp;

use super::*;
use crate::domain::ids::{RecordId, RunId, SourceId, TargetId};
use crate::domain::photo::{AvatarRecord, Column, Scan, Served};
use crate::domain::run::PersonRef;
use crate::store::journal::{Answer, Intent, KeptPicture};

fn row(id: &str, content: &str) -> StoredPicture {
    StoredPicture {
        id: PictureId::new(id),
        form: PictureForm::ImageField,
        file_name: "photo".into(),
        sha256: Some(Sha256::of(content.as_bytes())),
        bytes: content.len() as u64,
        content_type: "image/jpeg".into(),
        scan: Scan::Available,
        created_at: None,
        created_by: None,
    }
}

fn chain(rows: Vec<StoredPicture>) -> AvatarChain {
    AvatarChain {
        served: rows.first().map(|row| Served {
            place: Place::LIVE_PROFILE,
            record: RecordId::new("p"),
            picture: row.id.clone(),
        }),
        records: vec![AvatarRecord {
            place: Place::LIVE_PROFILE,
            id: RecordId::new("p"),
            column: Column::Empty,
            pictures: rows,
        }],
        findings: vec![],
    }
}

/// Somebody whose old picture `old` was to be replaced by `new`; `answer` is what is known of the upload.
fn interrupted(answer: Option<Answer>) -> Unfinished {
    let run = RunId::new("run");
    let intent = Intent {
        run: run.clone(),
        source: SourceId::new("s"),
        target: TargetId::new("t"),
        kind: WriteKind::Upload,
        place: Place::LIVE_PROFILE,
        record: Some(RecordId::new("p")),
        picture: None,
        old_picture: None,
        sha256: Some(Sha256::of(b"new")),
        bytes: Some(3),
        expected: chain(vec![]).stamp(),
        at: Timestamp::UNIX_EPOCH,
    };
    Unfinished {
        run: run.clone(),
        person: PersonRef {
            name: "ada".into(),
            upn: "ada".into(),
            mail: None,
            source: SourceId::new("s"),
            target: Some(TargetId::new("t")),
            user_name: None,
        },
        change: Task::Push(Change::Replace),
        writes: vec![WriteRecord::known(
            1,
            intent,
            answer.map(|answer| (answer, Timestamp::UNIX_EPOCH)),
        )],
        kept: vec![KeptPicture {
            run,
            source: SourceId::new("s"),
            target: TargetId::new("t"),
            place: Place::LIVE_PROFILE,
            record: RecordId::new("p"),
            sha256: Sha256::of(b"old"),
            stored: row("old", "old"),
            was_displayed: true,
            at: Timestamp::UNIX_EPOCH,
        }],
    }
}

#[test]
fn what_to_do_follows_from_what_is_there_now() {
    let unknown = || interrupted(None);
    let told = || interrupted(Some(Answer::Done(Some("new".into()))));
    let refused = || interrupted(Some(Answer::NotDone("refused".into())));
    for (what, person, rows, expected) in [
        (
            "never arrived",
            unknown(),
            vec![row("old", "old")],
            Decision::Nothing,
        ),
        ("refused", refused(), vec![row("old", "old")], Decision::Nothing),
        (
            "arrived unheard",
            unknown(),
            vec![row("old", "old"), row("x", "new")],
            Decision::Finish,
        ),
        (
            "arrived",
            told(),
            vec![row("old", "old"), row("new", "new")],
            Decision::Finish,
        ),
        ("nearly done", told(), vec![row("new", "new")], Decision::Finish),
        (
            "somebody else's",
            told(),
            vec![row("old", "old"), row("new", "new"), row("theirs", "other")],
            Decision::StepBack,
        ),
    ] {
        let places = [Place::LIVE_PROFILE];
        assert_eq!(decide(&person, &chain(rows), &places), expected, "{what}");
    }
    let removal = Unfinished {
        change: Task::Push(Change::Remove),
        ..told()
    };
    assert_eq!(
        decide(&removal, &chain(vec![row("new", "new")]), &[Place::LIVE_PROFILE]),
        Decision::Nothing
    );
}

#[test]
fn only_what_nobody_sees_goes() {
    let person = interrupted(Some(Answer::Done(Some("new".into()))));
    let rows = chain(vec![row("old", "old"), row("new", "new"), row("theirs", "other")]);
    let ours = rows_of_ours(&person, &rows);
    let gone = |displayed: &str| surplus(&person, &rows, &ours, Some(&PictureId::new(displayed)));
    assert_eq!(gone("old"), [PictureId::new("new")]);
    assert_eq!(gone("theirs"), [PictureId::new("new")]);
    assert_eq!(gone("new"), [PictureId::new("old")]);
    let mut named = rows.clone();
    named.records[0].column = Column::Names(PictureId::new("new"));
    assert_eq!(
        surplus(&person, &named, &ours, Some(&PictureId::new("theirs"))),
        []
    );
}
