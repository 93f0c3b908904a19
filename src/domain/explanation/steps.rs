//! The five steps in words.

mod chain;

use jiff::Timestamp;

use super::cause::Cause;
use super::derive;
use super::facts::{Facts, OurDeed, SeenBefore, Whereabouts};
use super::xray::Xray;
use super::{ExplainedStep, StepKind, StepState, Value};
use crate::domain::anatomy::PhotoStore;
use crate::domain::comparison::Content;
use crate::domain::pairing::{Ambiguity, MatchRule, fold};
use crate::domain::person::{AccountKind, TargetPerson};
use crate::domain::photo::SourcePhoto;
use crate::domain::picture::PictureProblem;
use crate::domain::text::RemoteText;

/// How many candidates, outsiders and deeds of ours are listed.
const LISTED: usize = 8;

pub(super) fn steps(facts: &Facts, xray: Option<&Xray>, cause: Cause) -> Vec<ExplainedStep> {
    let mut steps = vec![
        found(facts),
        photo(facts),
        matched(facts),
        chain::chain(facts, xray),
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
            let why = facts.photo_unread.as_deref().unwrap_or("could not be read");
            values.push(Value::marked("bytes", why, StepState::Unknown));
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
    if target.locked_out == Some(true) {
        values.push(Value::marked("locked out", "yes", StepState::Attention));
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
        .map(|action| Value::new(action.place().0, action.words()))
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
            next: Some(facts.push_command()),
            ..step(
                kind,
                StepState::Attention,
                values,
                format!(
                    "{}{}: {}",
                    change.words(),
                    if facts.preview.takes_repair {
                        " (with --repair)"
                    } else {
                        ""
                    },
                    facts.preview.reason
                ),
            )
        },
    }
}
