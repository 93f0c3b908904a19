//! The fourth step: what is stored in the target, link by link.

use super::{LISTED, moment, step};
use crate::domain::explanation::cause::Cause;
use crate::domain::explanation::derive;
use crate::domain::explanation::facts::{Facts, OurDeed};
use crate::domain::explanation::xray::{Author, Link, LinkPicture, Served, Staleness, Xray};
use crate::domain::explanation::{ExplainedStep, StepKind, StepState, Value};
use crate::domain::photo::{Column, PictureForm, Scan};

pub(super) fn chain(facts: &Facts, xray: Option<&Xray>) -> ExplainedStep {
    let kind = StepKind::Chain;
    let Some(xray) = xray else {
        return match &facts.anatomy {
            Err(why) => step(
                kind,
                StepState::Unknown,
                vec![Value::marked("ServiceNow", why, StepState::Unknown)],
                "the chain could not be read",
            ),
            Ok(_) if facts.target().is_some() => step(
                kind,
                StepState::Unknown,
                Vec::new(),
                "the person is gone from ServiceNow, or hidden from this account",
            ),
            Ok(_) => step(kind, StepState::NotApplicable, Vec::new(), "nobody was matched"),
        };
    };
    let mut values = vec![displayed(xray)];
    for link in &xray.links {
        link_values(link, &mut values);
    }
    for write in facts.writes.iter().take(LISTED) {
        let what = match &write.deed {
            OurDeed::Created => "created the record".to_owned(),
            OurDeed::Stored { picture, .. } => format!("stored {picture}"),
            OurDeed::SetColumn(Some(picture)) => format!("set the column to {picture}"),
            OurDeed::SetColumn(None) => "cleared the column".to_owned(),
            OurDeed::Removed(picture) => format!("deleted {picture}"),
        };
        values.push(Value::new(
            "our journal",
            format!("{}, {}: {what}, run {}", moment(write.at), write.place, write.run),
        ));
    }
    let causes: Vec<Cause> = derive::causes(facts, Some(xray))
        .into_iter()
        .filter(|cause| cause.step() == StepKind::Chain && cause.can_decide())
        .collect();
    let Some(worst) = causes.first().copied() else {
        return match xray.served_picture() {
            Some(picture) if picture.is_the_photo => step(
                kind,
                StepState::Ok,
                values,
                "whole, and it shows the photo from Entra ID",
            ),
            Some(_) => step(kind, StepState::Ok, values, "whole"),
            None => step(
                kind,
                StepState::Ok,
                values,
                "nothing is stored, and people see initials",
            ),
        };
    };
    let state = match worst {
        Cause::Reencoded
        | Cause::Split
        | Cause::SharedAttachment
        | Cause::StaleThumbnail
        | Cause::MirrorRule
        | Cause::NotScanned
        | Cause::AvatarMismatch
        | Cause::Outdated
        | Cause::ShadowedByProfile
        | Cause::ChosenByPerson
        | Cause::Overwritten
        | Cause::Unprefixed
        | Cause::Missing
        | Cause::RemovedMeanwhile => StepState::Attention,
        Cause::ChainUnreadable | Cause::StoredPictureUnreadable => StepState::Unknown,
        _ => StepState::Broken,
    };
    let verdict = derive::summary(facts, Some(xray), worst);
    step(kind, state, values, verdict)
}

fn displayed(xray: &Xray) -> Value {
    match (&xray.served, &xray.predicted) {
        (Served::Picture(served), Some(predicted)) if served == predicted => {
            Value::new("displayed", format!("{served}, as precedence predicts"))
        }
        (Served::Picture(served), predicted) => Value::marked(
            "displayed",
            match predicted {
                Some(predicted) => format!("{served}, but precedence predicts {predicted}"),
                None => format!("{served}, but precedence predicts nothing"),
            },
            StepState::Attention,
        ),
        (Served::Nothing, None) => Value::new("displayed", "nothing: people see initials"),
        (Served::Nothing, Some(predicted)) => Value::marked(
            "displayed",
            format!("nothing, but precedence predicts {predicted}"),
            StepState::Attention,
        ),
        (Served::Unknown(why), _) => Value::marked("displayed", why, StepState::Unknown),
    }
}

fn link_values(link: &Link, values: &mut Vec<Value>) {
    let label = link.place.0;
    let Some(record) = &link.record else {
        values.push(Value::marked(label, "no record", StepState::Attention));
        return;
    };
    let mut parts = vec![record.to_string()];
    if link.wins {
        parts.push("wins".into());
    }
    if link.is_extra {
        parts.push("one too many".into());
    }
    match (link.updated_at.map(moment), &link.updated_by) {
        (Some(at), Some(by)) => parts.push(format!("changed {at} by {by}")),
        (Some(at), None) => parts.push(format!("changed {at}")),
        (None, _) => {}
    }
    let state = if link.is_extra {
        StepState::Broken
    } else {
        StepState::Ok
    };
    values.push(Value::marked(label, parts.join(", "), state));
    values.push(match &link.column.value {
        Column::Empty => Value::new("  column photo", "empty, which is usual"),
        Column::Unreadable => Value::marked("  column photo", "not readable", StepState::Unknown),
        Column::Names(picture) if link.column.is_dangling => Value::marked(
            "  column photo",
            format!("{picture}, which is gone"),
            StepState::Broken,
        ),
        Column::Names(picture) if link.column.is_foreign => Value::marked(
            "  column photo",
            format!("{picture}, which is stored at another record"),
            StepState::Broken,
        ),
        Column::Names(picture) if link.column.is_shared => Value::marked(
            "  column photo",
            format!("{picture}, which another column names too"),
            StepState::Attention,
        ),
        Column::Names(picture) => Value::new("  column photo", picture.as_str()),
    });
    for picture in &link.pictures {
        picture_values(picture, values);
    }
}

fn picture_values(picture: &LinkPicture, values: &mut Vec<Value>) {
    let label = match (picture.form, picture.is_elsewhere) {
        (_, true) => "  of another record",
        (PictureForm::ImageField, false) => "  picture",
        (PictureForm::Plain, false) => "  attachment",
    };
    let mut parts = vec![picture.id.to_string()];
    match &picture.seen {
        Some(seen) => parts.push(seen.clone()),
        None => parts.push(picture.content_type.clone()),
    }
    parts.push(format!("{} bytes", picture.bytes));
    if let Some(at) = picture.created_at {
        parts.push(format!("stored {} by {}", moment(at), picture.author.words()));
    } else if picture.author != Author::Unknown {
        parts.push(format!("stored by {}", picture.author.words()));
    }
    match picture.scan {
        Scan::Pending => parts.push("waits for the virus scan".into()),
        Scan::Quarantined | Scan::NotScanned | Scan::Available => {}
    }
    if picture.sha256.is_none() {
        parts.push("states no hash".into());
    }
    if picture.is_the_photo {
        parts.push("the photo from Entra ID".into());
    } else if picture.looks_like_the_photo {
        parts.push("the photo from Entra ID in other bytes".into());
    }
    if picture.is_served {
        parts.push("shown".into());
    } else if picture.is_superseded {
        parts.push("hidden by another one".into());
    }
    let state = if let Some(why) = &picture.broken {
        parts.push(why.clone());
        StepState::Broken
    } else if picture.is_superseded || picture.form == PictureForm::Plain {
        StepState::Attention
    } else {
        StepState::Ok
    };
    values.push(Value::marked(label, parts.join(", "), state));
    for thumbnail in &picture.thumbnails {
        let (state, words) = match &thumbnail.staleness {
            Staleness::Fresh => (StepState::Ok, "shows its picture".to_owned()),
            Staleness::Stale(why) => (StepState::Broken, format!("stale: {why}")),
            Staleness::Unknown(why) => (StepState::Unknown, why.clone()),
        };
        let made = thumbnail
            .created_at
            .map(|at| format!(", made {}", moment(at)))
            .unwrap_or_default();
        values.push(Value::marked(
            "    thumbnail",
            format!("{}, {} bytes{made}, {words}", thumbnail.id, thumbnail.bytes),
            state,
        ));
    }
}
