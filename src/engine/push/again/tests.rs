use super::*;
use crate::domain::photo::{Place, Scan, Sha256};
use crate::domain::run::StopReason;

const PROFILE: Place = Place::LIVE_PROFILE;
const USER: Place = Place::SYS_USER;

fn row(id: &str, content: &str) -> StoredPicture {
    StoredPicture {
        id: PictureId::new(id),
        form: PictureForm::ImageField,
        file_name: "photo".into(),
        sha256: Some(Sha256::of(content.as_bytes())),
        bytes: content.len() as u64,
        content_type: "image/jpeg".into(),
        scan: Scan::NotScanned,
        created_at: None,
        created_by: None,
    }
}

fn record(place: Place, id: &str, column: Column, pictures: &[StoredPicture]) -> AvatarRecord {
    AvatarRecord {
        place,
        id: RecordId::new(id),
        column,
        pictures: pictures.to_vec(),
    }
}

fn chain(records: &[AvatarRecord]) -> AvatarChain {
    AvatarChain {
        records: records.to_vec(),
        served: None,
        findings: Vec::new(),
    }
}

fn names(id: &str) -> Column {
    Column::Names(PictureId::new(id))
}

/// A push that found an old picture at the profile and none at the user, whose column names something gone.
fn push() -> Trace {
    Trace {
        before: chain(&[
            record(PROFILE, "p", names("old"), &[row("old", "before")]),
            record(USER, "u", names("gone"), &[]),
        ]),
        created: HashSet::new(),
        uploaded: HashSet::from([PictureId::new("ours")]),
        wanted: Some(Wanted {
            sha256: Sha256::of(b"wanted"),
            bytes: 6,
        }),
        learned: Learned::new(),
        superseded: HashSet::new(),
    }
}

#[test]
fn what_the_turn_itself_has_left_is_explained() {
    let trace = push();
    let user = || record(USER, "u", names("gone"), &[]);
    let old = || row("old", "before");
    for (what, now) in [
        ("nothing changed", trace.before.clone()),
        (
            "its row beside the old one",
            chain(&[
                record(PROFILE, "p", names("old"), &[old(), row("ours", "wanted")]),
                user(),
            ]),
        ),
        (
            "a row of an upload without an answer",
            chain(&[
                record(PROFILE, "p", names("old"), &[old(), row("unheard of", "wanted")]),
                user(),
            ]),
        ),
        (
            "the column names its row",
            chain(&[
                record(PROFILE, "p", names("ours"), &[old(), row("ours", "wanted")]),
                user(),
            ]),
        ),
        (
            "a column that named nothing was cleared",
            chain(&[
                record(PROFILE, "p", names("old"), &[old()]),
                record(USER, "u", Column::Empty, &[]),
            ]),
        ),
    ] {
        assert_eq!(trace.explains(&now), Some(now.stamp()), "{what}");
    }
}

#[test]
fn the_only_record_is_explained_as_long_as_it_is_there() {
    let trace = Trace {
        before: chain(&[record(USER, "u", Column::Empty, &[])]),
        ..push()
    };
    assert!(trace.explains(&trace.before).is_some());
    assert_eq!(trace.explains(&chain(&[])), None);
}

#[test]
fn what_somebody_else_has_done_is_not() {
    let trace = push();
    let user = || record(USER, "u", names("gone"), &[]);
    let old = || row("old", "before");
    for (what, now) in [
        (
            "another picture",
            chain(&[
                record(PROFILE, "p", names("old"), &[old(), row("theirs", "chosen")]),
                user(),
            ]),
        ),
        (
            "the old picture is gone, and this turn has deleted nothing",
            chain(&[record(PROFILE, "p", names("old"), &[]), user()]),
        ),
        (
            "the old row holds something else",
            chain(&[
                record(PROFILE, "p", names("old"), &[row("old", "edited")]),
                user(),
            ]),
        ),
        (
            "the column names another one",
            chain(&[record(PROFILE, "p", names("theirs"), &[old()]), user()]),
        ),
        (
            "a column that named a picture is empty",
            chain(&[record(PROFILE, "p", Column::Empty, &[old()]), user()]),
        ),
        (
            "a column cannot be read any more",
            chain(&[record(PROFILE, "p", Column::Unreadable, &[old()]), user()]),
        ),
        ("a record is gone", chain(&[user()])),
        ("a column that could not be read is empty", {
            let mut unreadable = trace.before.clone();
            unreadable.records[0].column = Column::Unreadable;
            unreadable
        }),
        (
            "a second profile",
            chain(&[
                record(PROFILE, "p", names("old"), &[old()]),
                record(PROFILE, "p2", Column::Empty, &[]),
                user(),
            ]),
        ),
    ] {
        assert_eq!(trace.explains(&now), None, "{what}");
    }
}

#[test]
fn a_record_of_its_own_is_explained_as_long_as_nobody_else_uses_it() {
    let mut trace = push();
    trace.created.insert(RecordId::new("p2"));
    let with = |second: AvatarRecord| {
        let mut records = vec![second];
        records.extend(trace.before.records.clone());
        chain(&records)
    };
    let ours = [row("ours", "wanted")];
    for own in [
        record(PROFILE, "p2", Column::Empty, &[]),
        record(PROFILE, "p2", names("ours"), &ours),
    ] {
        assert!(trace.explains(&with(own.clone())).is_some(), "{own:?}");
    }
    for used in [
        record(PROFILE, "p2", Column::Empty, &[row("theirs", "chosen")]),
        record(PROFILE, "p2", names("theirs"), &ours),
    ] {
        assert_eq!(trace.explains(&with(used.clone())), None, "{used:?}");
    }
}

#[test]
fn what_it_may_have_deleted_may_be_gone() {
    let trace = Trace {
        superseded: HashSet::from([PictureId::new("old")]),
        ..push()
    };
    let now = chain(&[
        record(PROFILE, "p", names("ours"), &[row("ours", "wanted")]),
        record(USER, "u", names("gone"), &[]),
    ]);
    assert!(trace.explains(&now).is_some());
}

#[test]
fn a_removal_explains_what_is_missing_and_nothing_that_is_there() {
    let trace = Trace {
        uploaded: HashSet::new(),
        wanted: None,
        superseded: HashSet::from([PictureId::new("old")]),
        ..push()
    };
    let user = || record(USER, "u", Column::Empty, &[]);
    let cleared = chain(&[
        record(PROFILE, "p", Column::Empty, &[row("old", "before")]),
        user(),
    ]);
    let emptied = chain(&[record(PROFILE, "p", Column::Empty, &[]), user()]);
    let refilled = chain(&[
        record(PROFILE, "p", Column::Empty, &[row("new", "wanted")]),
        user(),
    ]);
    assert!(trace.explains(&cleared).is_some());
    assert!(trace.explains(&emptied).is_some());
    assert_eq!(trace.explains(&refilled), None);
}

fn ended(outcome: Outcome, settled: bool, again: Option<Again>) -> Ended {
    Ended {
        settled,
        again,
        ..Ended::new(outcome, format!("{outcome:?}"))
    }
}

fn traced() -> Again {
    Again::From(Box::new(push()))
}

#[test]
fn the_later_turn_tells_how_it_ended_but_forgets_nothing() {
    // Left in the target by the first turn, and the second one has not even begun: still to be settled.
    let failed = ended(Outcome::Failed, true, Some(Again::AsFound)).after(Some(ended(
        Outcome::Failed,
        false,
        Some(traced()),
    )));
    assert_eq!((failed.outcome, failed.settled), (Outcome::Failed, false));
    assert!(
        matches!(failed.again, Some(Again::From(_))),
        "from where the first one left it"
    );

    // The second turn may have left something of its own, and goes on from there.
    let later = Trace {
        created: HashSet::from([RecordId::new("p2")]),
        ..push()
    };
    let failed = ended(Outcome::Failed, false, Some(later.into())).after(Some(ended(
        Outcome::Failed,
        true,
        Some(traced()),
    )));
    assert!(!failed.settled);
    let Some(Again::From(trace)) = failed.again else {
        panic!("{:?}", failed.again)
    };
    assert!(
        trace.created.contains(&RecordId::new("p2")),
        "not from where the first one left it"
    );

    // What the first one stored and could not confirm is there: this run has changed something.
    let there =
        ended(Outcome::Unchanged, true, None).after(Some(ended(Outcome::Failed, false, Some(traced()))));
    assert_eq!((there.outcome, there.settled), (Outcome::Updated, true));
    assert_eq!(there.detail, "stored by an earlier turn of this run");
    // Nothing was written before somebody else brought the same picture.
    let theirs =
        ended(Outcome::Unchanged, true, None).after(Some(ended(Outcome::Failed, true, Some(Again::AsFound))));
    assert_eq!(theirs.outcome, Outcome::Unchanged);
    let theirs =
        ended(Outcome::Unchanged, true, None).after(Some(ended(Outcome::Failed, true, Some(traced()))));
    assert_eq!(theirs.outcome, Outcome::Unchanged, "all was taken back before");

    // Displayed by the first turn; that the second could not clear up takes nothing back.
    let stop = || Some(StopReason::Cancelled);
    let later = Ended {
        stop: stop(),
        stalls: stop(),
        ..ended(Outcome::ChangedMeanwhile, true, None)
    };
    let displayed = later.after(Some(ended(Outcome::Updated, false, Some(traced()))));
    assert_eq!((displayed.outcome, displayed.settled), (Outcome::Updated, false));
    assert_eq!(
        (displayed.stop, displayed.stalls),
        (stop(), stop()),
        "the run stops"
    );
    assert!(displayed.again.is_some(), "from where the first one left it");
}
