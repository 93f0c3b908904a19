//! The five steps in words.

use jiff::Timestamp;

use super::cause::Cause;
use super::derive;
use super::facts::{Facts, OurDeed, SeenBefore, Whereabouts};
use super::xray::{Author, Link, LinkPicture, Served, Staleness, Xray};
use super::{ExplainedStep, StepKind, StepState, Value};
use crate::domain::anatomy::PhotoStore;
use crate::domain::comparison::Content;
use crate::domain::pairing::{Ambiguity, MatchRule, fold};
use crate::domain::person::{AccountKind, TargetPerson};
use crate::domain::photo::{Column, PictureForm, Place, Scan, SourcePhoto};
use crate::domain::picture::PictureProblem;
use crate::domain::text::RemoteText;

/// How many candidates, outsiders and deeds of ours are listed.
const LISTED: usize = 8;

pub(super) fn steps(facts: &Facts, xray: Option<&Xray>, cause: Cause) -> Vec<ExplainedStep> {
    let mut steps = vec![
        found(facts),
        photo(facts),
        matched(facts),
        chain(facts, xray),
        push(facts, xray),
    ];
    // The command that helps belongs to the step in which the deciding cause shows.
    let next = derive::next(facts, cause);
    if let Some(step) = steps.iter_mut().find(|step| step.kind == cause.step()) {
        step.next = next.or(step.next.take());
    }
    steps
}

fn step(kind: StepKind, state: StepState, values: Vec<Value>, verdict: impl Into<String>) -> ExplainedStep {
    ExplainedStep {
        kind,
        state,
        values,
        verdict: crate::domain::text::clean(&verdict.into()).into_owned(),
        next: None,
    }
}

/// A moment, to the minute.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn shown(text: &RemoteText) -> String {
    text.shown().into_owned()
}

fn found(facts: &Facts) -> ExplainedStep {
    let mut values = vec![Value::new("looked for", &facts.typed)];
    let Some(person) = &facts.source else {
        return step(
            StepKind::FoundInSource,
            StepState::Broken,
            values,
            "nobody in Entra ID has any of the keys of this ServiceNow user",
        );
    };
    values.push(Value::new("found by", matching_key(facts).unwrap_or("a match")));
    values.push(Value::new("name", shown(&person.name)));
    values.push(Value::new("object id", person.id.as_str()));
    values.push(Value::new("sign-in name", shown(&person.principal)));
    let mail_differs = person
        .mail
        .as_ref()
        .is_some_and(|mail| fold(mail.raw()) != fold(person.principal.raw()));
    values.push(match &person.mail {
        None => Value::marked("e-mail", "none", StepState::Attention),
        Some(mail) if mail_differs => Value::marked(
            "e-mail",
            format!("{}, which is not the sign-in name", mail.shown()),
            StepState::Attention,
        ),
        Some(mail) => Value::new("e-mail", shown(mail)),
    });
    if let Some(number) = &person.employee_id {
        values.push(Value::new("employee number", shown(number)));
    }
    values.push(match person.kind {
        AccountKind::Member => Value::new("account", "member"),
        AccountKind::Guest => Value::marked("account", "guest", StepState::Attention),
        AccountKind::Unspecified => Value::marked("account", "not told", StepState::Unknown),
    });
    values.push(match person.enabled {
        Some(true) => Value::new("sign-in", "enabled"),
        Some(false) => Value::marked("sign-in", "disabled", StepState::Attention),
        None => Value::marked(
            "sign-in",
            "not readable with the rights granted",
            StepState::Unknown,
        ),
    });
    if let Whereabouts::Excluded(exclusion) = &facts.whereabouts {
        let why = exclusion.sentence();
        values.push(Value::marked(
            "scope",
            format!("left out: {why}"),
            StepState::Broken,
        ));
        return step(
            StepKind::FoundInSource,
            StepState::Broken,
            values,
            format!("found, but left out: {why}"),
        );
    }
    values.push(Value::new("scope", "considered"));
    if mail_differs {
        return step(
            StepKind::FoundInSource,
            StepState::Ok,
            values,
            "found and in scope; sign-in name and e-mail address differ",
        );
    }
    step(
        StepKind::FoundInSource,
        StepState::Ok,
        values,
        "found and in scope",
    )
}

/// Which key of either side is what was typed.
fn matching_key(facts: &Facts) -> Option<&'static str> {
    let typed = fold(&facts.typed);
    let is = |value: Option<&str>| value.is_some_and(|value| !typed.is_empty() && fold(value) == typed);
    if let Some(person) = &facts.source {
        if is(Some(person.id.as_str())) {
            return Some("object id in Entra ID");
        }
        if is(Some(person.principal.raw())) {
            return Some("sign-in name in Entra ID");
        }
        if is(person.mail.as_ref().map(RemoteText::raw)) {
            return Some("e-mail address in Entra ID");
        }
    }
    let in_target = |target: &TargetPerson| {
        if is(Some(target.id.as_str())) {
            Some("sys_id in ServiceNow")
        } else if is(Some(target.user_name.raw())) {
            Some("user name in ServiceNow")
        } else if is(target.mail.as_ref().map(RemoteText::raw)) {
            Some("e-mail address in ServiceNow")
        } else {
            None
        }
    };
    match &facts.whereabouts {
        Whereabouts::Paired { target, .. } | Whereabouts::TargetAlone(target) => in_target(target),
        Whereabouts::Unmatched { outsiders: people }
        | Whereabouts::Ambiguous {
            candidates: people, ..
        } => people.iter().find_map(in_target),
        Whereabouts::Excluded(_) => None,
    }
}

fn photo(facts: &Facts) -> ExplainedStep {
    let kind = StepKind::PhotoInSource;
    if facts.source.is_none() {
        return step(kind, StepState::NotApplicable, Vec::new(), "nobody to look for");
    }
    let mut values = Vec::new();
    let mut asked = Vec::new();
    match &facts.details {
        Ok(details) => {
            if let Some(answer) = &details.answer {
                asked.push(Value::new("answer", answer));
            }
            if let Some(store) = details.store {
                let store = match store {
                    PhotoStore::Mailbox => "Microsoft 365, judging by its sizes",
                    PhotoStore::Directory => "the directory, judging by its one size",
                };
                asked.push(Value::new("kept in", store));
            }
            if !details.sizes.is_empty() {
                let sizes: Vec<String> = details
                    .sizes
                    .iter()
                    .map(|(width, height)| {
                        if width == height {
                            width.to_string()
                        } else {
                            format!("{width}x{height}")
                        }
                    })
                    .collect();
                asked.push(Value::new("sizes", sizes.join(", ")));
            }
        }
        Err(why) => asked.push(Value::marked("sizes", why, StepState::Unknown)),
    }
    match &facts.photo {
        SourcePhoto::Unknown => {
            values.push(Value::marked("photo", "not asked for", StepState::Unknown));
            values.extend(asked);
            return step(
                kind,
                StepState::Unknown,
                values,
                "it is not known whether there is a photo",
            );
        }
        SourcePhoto::OutOfReach(why) => {
            values.push(Value::marked("photo", "cannot be told", StepState::Unknown));
            values.extend(asked);
            return step(kind, StepState::Unknown, values, why.clone());
        }
        SourcePhoto::Unreadable(why) => {
            values.push(Value::marked("photo", "could not be read", StepState::Unknown));
            values.extend(asked);
            return step(kind, StepState::Unknown, values, why.clone());
        }
        SourcePhoto::Absent => {
            values.push(Value::marked("photo", "none", StepState::Attention));
            let is_placeholder = facts.details().is_some_and(|details| details.is_placeholder);
            values.extend(asked);
            let verdict = if is_placeholder {
                "a picture of one pixel, which counts as no photo"
            } else {
                "Entra ID has no photo of this person"
            };
            return step(kind, StepState::Attention, values, verdict);
        }
        SourcePhoto::Present(stamp) => {
            values.push(Value::new("photo", "yes"));
            values.extend(asked);
            values.push(match &stamp.etag {
                Some(etag) => Value::new("ETag", etag),
                None => Value::marked(
                    "ETag",
                    "none: only the bytes can tell a change",
                    StepState::Attention,
                ),
            });
            match facts.seen_before {
                SeenBefore::Never => {}
                SeenBefore::Same => values.push(Value::new("since the last look", "the same version")),
                SeenBefore::Changed => values.push(Value::marked(
                    "since the last look",
                    "a new version",
                    StepState::Attention,
                )),
            }
            values.push(Value::new("claimed type", &stamp.content_type));
        }
    }
    values.push(Value::new("asked for", &facts.photo_size));
    match &facts.content.original {
        Content::Unseen => {
            values.push(Value::marked("bytes", "could not be read", StepState::Unknown));
            step(
                kind,
                StepState::Unknown,
                values,
                "there is a photo, but its bytes could not be read",
            )
        }
        Content::Unsound(problem) => {
            values.push(Value::marked("bytes", problem.to_string(), StepState::Broken));
            step(kind, StepState::Broken, values, format!("the photo {problem}"))
        }
        Content::Sound(seen) => {
            values.push(Value::new(
                "bytes",
                format!(
                    "{} {} x {}, {} bytes",
                    seen.format.name(),
                    seen.width,
                    seen.height,
                    seen.bytes
                ),
            ));
            values.push(Value::new("SHA-256", seen.sha256.to_string()));
            if let Some(prepared) = facts.content.prepared {
                values.push(Value::new("uploaded as", format!("a JPEG, SHA-256 {prepared}")));
            }
            let pushed = facts.writes.iter().rev().find(|write| {
                matches!(&write.deed, OurDeed::Stored { sha256: Some(hash), .. } if facts.is_the_photo(*hash))
            });
            if let Some(pushed) = pushed {
                values.push(Value::new("first pushed", moment(pushed.at)));
            }
            step(kind, StepState::Ok, values, "a sound photo")
        }
    }
}

fn key_of(rule: MatchRule, facts: &Facts, target: &TargetPerson) -> String {
    let source = facts
        .source
        .as_ref()
        .and_then(|person| rule.source_value(person))
        .unwrap_or_default();
    let target = rule.target_value(target).unwrap_or_default();
    format!("{}: {source} = {target}", rule.words())
}

/// One line about somebody in the target.
fn in_short(person: &TargetPerson) -> String {
    let mut text = format!("{}, sys_id {}", person.user_name.shown(), person.id);
    if person.active == Some(false) {
        text.push_str(", inactive");
    }
    if person.mail.is_none() {
        text.push_str(", no e-mail address");
    }
    text
}

fn target_values(target: &TargetPerson) -> Vec<Value> {
    let mut values = vec![
        Value::new("user name", shown(&target.user_name)),
        Value::new("name", shown(&target.name)),
        Value::new("sys_id", target.id.as_str()),
    ];
    values.push(match &target.mail {
        Some(mail) => Value::new("e-mail", shown(mail)),
        None => Value::marked("e-mail", "none", StepState::Attention),
    });
    if let Some(number) = &target.employee_number {
        values.push(Value::new("employee number", shown(number)));
    }
    if let Some(key) = &target.source_key {
        values.push(Value::new("Entra object id", shown(key)));
    }
    values.push(match target.active {
        Some(true) => Value::new("active", "yes"),
        Some(false) => Value::marked("active", "no", StepState::Attention),
        None => Value::marked("active", "not readable", StepState::Unknown),
    });
    match target.locked_out {
        Some(true) => values.push(Value::marked("locked out", "yes", StepState::Attention)),
        Some(false) | None => {}
    }
    values
}

fn matched(facts: &Facts) -> ExplainedStep {
    let kind = StepKind::MatchedInTarget;
    let tried = || {
        let rules: Vec<&str> = facts.rules.iter().map(|rule| rule.words()).collect();
        Value::new("rules tried", rules.join(", "))
    };
    match &facts.whereabouts {
        Whereabouts::Excluded(_) => step(
            kind,
            StepState::NotApplicable,
            Vec::new(),
            "nobody was looked for, because the person is left out",
        ),
        Whereabouts::TargetAlone(target) => {
            let mut values = vec![tried()];
            values.extend(target_values(target));
            step(
                kind,
                StepState::Attention,
                values,
                "a ServiceNow user whom nobody in Entra ID matches",
            )
        }
        Whereabouts::Paired { target, rule } => {
            let mut values = vec![Value::new("matched by", key_of(*rule, facts, target))];
            values.extend(target_values(target));
            if target.active == Some(false) {
                return step(
                    kind,
                    StepState::Attention,
                    values,
                    "matched; the user is inactive",
                );
            }
            if target.locked_out == Some(true) {
                return step(
                    kind,
                    StepState::Attention,
                    values,
                    "matched; the user is locked out",
                );
            }
            step(
                kind,
                StepState::Ok,
                values,
                format!("matched by {}", rule.words()),
            )
        }
        Whereabouts::Unmatched { outsiders } => {
            let mut values = vec![tried()];
            values.extend(
                outsiders
                    .iter()
                    .take(LISTED)
                    .map(|person| Value::marked("out of scope", in_short(person), StepState::Attention)),
            );
            let verdict = match outsiders.as_slice() {
                [] => "nobody in ServiceNow has any of these keys",
                people if people.iter().all(|person| person.active == Some(false)) => {
                    "the matching ServiceNow user is inactive, and so out of scope"
                }
                _ => "the matching ServiceNow user is not in the configured scope",
            };
            step(kind, StepState::Broken, values, verdict)
        }
        Whereabouts::Ambiguous {
            ambiguity,
            candidates,
        } => {
            let mut values = vec![tried()];
            values.extend(
                candidates
                    .iter()
                    .take(LISTED)
                    .map(|person| Value::marked("candidate", in_short(person), StepState::Attention)),
            );
            let verdict = match ambiguity {
                Ambiguity::SeveralTargets { rule, candidates } => {
                    format!("{} ServiceNow users have this {}", candidates.len(), rule.words())
                }
                Ambiguity::ClaimedTwice { rule, other, .. } => {
                    values.push(Value::marked(
                        "also claimed by",
                        other.as_str(),
                        StepState::Attention,
                    ));
                    format!(
                        "somebody else in Entra ID matches the same ServiceNow user by {}",
                        rule.words()
                    )
                }
            };
            step(kind, StepState::Broken, values, verdict)
        }
    }
}

fn chain(facts: &Facts, xray: Option<&Xray>) -> ExplainedStep {
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
        | Cause::ChosenByPerson
        | Cause::Overwritten
        | Cause::Unprefixed
        | Cause::Missing
        | Cause::RemovedMeanwhile => StepState::Attention,
        Cause::ChainUnreadable => StepState::Unknown,
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
    let label = if link.place == Place::LIVE_PROFILE {
        "live_profile"
    } else {
        "sys_user"
    };
    let Some(record) = &link.record else {
        values.push(Value::marked(label, "no record", StepState::Attention));
        return;
    };
    let mut text = record.to_string();
    if link.wins {
        text.push_str(", wins");
    }
    if link.is_extra {
        text.push_str(", one too many");
    }
    if let Some(at) = link.updated_at {
        text.push_str(&format!(", changed {}", moment(at)));
        if let Some(by) = &link.updated_by {
            text.push_str(&format!(" by {by}"));
        }
    }
    let state = if link.is_extra {
        StepState::Broken
    } else {
        StepState::Ok
    };
    values.push(Value::marked(label, text, state));
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

fn push(facts: &Facts, xray: Option<&Xray>) -> ExplainedStep {
    let kind = StepKind::Push;
    if xray.is_none() || facts.source.is_none() {
        let why = if facts.source.is_none() {
            "nothing: there is nobody in Entra ID to take a photo from".to_owned()
        } else {
            format!("nothing: {}", facts.preview.reason)
        };
        return step(kind, StepState::NotApplicable, Vec::new(), why);
    }
    let values: Vec<Value> = facts
        .preview
        .actions
        .iter()
        .map(|action| {
            let label = if action.place() == Place::LIVE_PROFILE {
                "live_profile"
            } else {
                "sys_user"
            };
            Value::new(label, action.words())
        })
        .collect();
    match facts.preview.change {
        None => {
            let is_fine = !matches!(
                facts.content.original,
                Content::Unsound(ref problem) if *problem != PictureProblem::Placeholder
            );
            let state = if is_fine {
                StepState::Ok
            } else {
                StepState::Attention
            };
            step(kind, state, values, format!("nothing: {}", facts.preview.reason))
        }
        Some(change) => ExplainedStep {
            next: Some(format!("avatar-sync push {}", facts.argument())),
            ..step(
                kind,
                StepState::Attention,
                values,
                format!("{}: {}", change.words(), facts.preview.reason),
            )
        },
    }
}
