//! From what was seen to what decides.

use jiff::SignedDuration;

use super::cause::Cause;
use super::facts::{Facts, OurDeed, OurWrite, Whereabouts};
use super::xray::{Author, Link, LinkPicture, Served, Xray};
use crate::domain::comparison::Content;
use crate::domain::pairing::{Ambiguity, fold};
use crate::domain::photo::{Finding, PictureForm, Place, Scan, SourcePhoto};
use crate::domain::picture::PictureProblem;
use crate::domain::scope::Exclusion;
use crate::domain::text::RemoteText;

/// Two rows that hold the same bytes and were stored so close together are a rule's work (`servicenow.md` 9.2, E52).
const RULE_TAKES: SignedDuration = SignedDuration::from_secs(10);

/// Everything noteworthy, the weightiest first, each once.
pub(super) fn causes(facts: &Facts, xray: Option<&Xray>) -> Vec<Cause> {
    let mut causes = Vec::new();
    causes.extend(whereabouts(facts));
    causes.extend(source(facts, xray));
    if let Some(xray) = xray {
        causes.extend(chain(facts, xray));
        causes.extend(compared(facts, xray));
    }
    causes.sort_unstable();
    causes.dedup();
    causes
}

fn whereabouts(facts: &Facts) -> Vec<Cause> {
    let mut causes = Vec::new();
    match &facts.whereabouts {
        Whereabouts::TargetAlone(_) => causes.push(Cause::NotInEntra),
        Whereabouts::Excluded(exclusion) => causes.push(match exclusion {
            Exclusion::Guest => Cause::Guest,
            Exclusion::Disabled => Cause::Disabled,
            Exclusion::NotInIncludedGroups => Cause::NotInGroups,
            Exclusion::InExcludedGroup => Cause::InExcludedGroup,
            Exclusion::OptedOut { .. } => Cause::OptedOut,
        }),
        Whereabouts::Ambiguous { ambiguity, .. } => causes.push(match ambiguity {
            Ambiguity::SeveralTargets { .. } => Cause::Ambiguous,
            Ambiguity::ClaimedTwice { .. } => Cause::ClaimedTwice,
        }),
        Whereabouts::Unmatched { outsiders } if outsiders.is_empty() => causes.push(Cause::Unmatched),
        Whereabouts::Unmatched { outsiders } => {
            let are_inactive = outsiders.iter().all(|person| person.active == Some(false));
            causes.push(if are_inactive {
                Cause::InactiveUser
            } else {
                Cause::OutOfScope
            });
        }
        Whereabouts::Paired { target, .. } => {
            if target.locked_out == Some(true) {
                causes.push(Cause::LockedOut);
            }
            if !matches!(&facts.anatomy, Ok(Some(_))) {
                causes.push(Cause::ChainUnreadable);
            }
        }
    }
    if let Some(source) = &facts.source
        && let Some(mail) = source.mail.as_ref()
        && fold(mail.raw()) != fold(source.principal.raw())
    {
        causes.push(Cause::MailDiffers);
    }
    causes
}

fn source(facts: &Facts, xray: Option<&Xray>) -> Vec<Cause> {
    if facts.source.is_none() {
        return Vec::new();
    }
    let mut causes = Vec::new();
    match &facts.photo {
        SourcePhoto::Unknown => {}
        SourcePhoto::OutOfReach(_) => causes.push(Cause::MailboxOnPremises),
        SourcePhoto::Unreadable(_) => causes.push(Cause::PhotoUnreadable),
        SourcePhoto::Absent => causes.extend(no_photo(facts, xray)),
        SourcePhoto::Present(_) => match &facts.content.original {
            Content::Unsound(PictureProblem::Placeholder) => causes.extend(no_photo(facts, xray)),
            Content::Unsound(PictureProblem::Truncated) => causes.push(Cause::PhotoTruncated),
            Content::Unsound(_) => causes.push(Cause::PhotoUnsound),
            Content::Sound(_) => {}
            Content::Unseen => causes.push(Cause::PhotoUnreadable),
        },
    }
    causes
}

fn no_photo(facts: &Facts, xray: Option<&Xray>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let is_placeholder = facts.details().is_some_and(|details| details.is_placeholder)
        || facts.content.original == Content::Unsound(PictureProblem::Placeholder);
    if is_placeholder {
        causes.push(Cause::Placeholder);
    }
    if let Some(xray) = xray {
        causes.push(if xray.served_picture().is_some() {
            Cause::OnlyInServiceNow
        } else {
            Cause::NoPhoto
        });
    }
    causes
}

/// Damage and oddities of the chain itself, whatever the source has.
fn chain(facts: &Facts, xray: &Xray) -> Vec<Cause> {
    let Some(anatomy) = facts.anatomy() else {
        return Vec::new();
    };
    let findings = &anatomy.chain.findings;
    let mut causes: Vec<Cause> = findings
        .iter()
        .filter_map(|finding| match finding {
            Finding::DanglingColumn => Some(Cause::DanglingColumn),
            Finding::DuplicateImage => Some(Cause::DuplicateImage),
            Finding::DuplicateProfile => Some(Cause::DuplicateProfile),
            Finding::NoProfile => Some(Cause::NoProfile),
            Finding::BadType => Some(Cause::BadType),
            Finding::NotScanned => Some(Cause::NotScanned),
            Finding::NoHash => Some(Cause::NoHash),
            Finding::SharedPicture => Some(Cause::SharedAttachment),
            Finding::Split => Some(Cause::Split),
            Finding::Quarantined | Finding::Unprefixed | Finding::StaleThumbnail => None,
        })
        .collect();
    if xray.links.iter().any(|link| link.column.is_foreign) {
        causes.push(Cause::ForeignPicture);
    }
    if let Some(picture) = xray.served_picture() {
        match facts.contents.get(&picture.id) {
            Some(Content::Unsound(PictureProblem::NotAPicture { .. } | PictureProblem::Empty)) => {
                causes.push(Cause::ErrorBody);
            }
            Some(Content::Unsound(_)) => causes.push(Cause::StoredPictureUnsound),
            None if facts.unread.contains_key(&picture.id) => causes.push(Cause::StoredPictureUnreadable),
            _ => {}
        }
        if picture.scan == Scan::Quarantined {
            causes.push(Cause::Quarantined);
        }
        if picture.form == PictureForm::Plain {
            causes.push(Cause::StoredAsAttachment);
        }
        if picture
            .thumbnails
            .iter()
            .any(|thumbnail| thumbnail.staleness.is_stale())
        {
            causes.push(Cause::StaleThumbnail);
        }
    } else if findings.contains(&Finding::Unprefixed) {
        causes.push(Cause::Unprefixed);
    }
    let disagrees = match &xray.served {
        Served::Picture(picture) => xray.predicted.as_ref() != Some(picture),
        Served::Nothing => xray.predicted.is_some(),
        Served::Unknown(_) => false,
    };
    if disagrees {
        causes.push(Cause::AvatarMismatch);
    }
    let has_picture = |place: Place| {
        xray.links
            .iter()
            .any(|link| link.place == place && best(link).is_some())
    };
    match (has_picture(Place::LIVE_PROFILE), has_picture(Place::SYS_USER)) {
        (true, false) => causes.push(Cause::ProfileOnly),
        (false, true) => causes.push(Cause::UserOnly),
        _ => {}
    }
    if is_mirrored(facts, xray) {
        causes.push(Cause::MirrorRule);
    }
    causes
}

/// What both sides show, if the source has a photo.
fn compared(facts: &Facts, xray: &Xray) -> Vec<Cause> {
    let is_placeholder = facts.content.original == Content::Unsound(PictureProblem::Placeholder);
    if is_placeholder || !matches!(facts.photo, SourcePhoto::Present(_)) {
        return Vec::new();
    }
    let Some(served) = xray.served_picture() else {
        let says_nothing = matches!(xray.served, Served::Nothing | Served::Unknown(_));
        return match lost(facts, xray).next() {
            _ if !says_nothing => Vec::new(),
            Some(_) => vec![Cause::RemovedMeanwhile],
            None => vec![Cause::Missing],
        };
    };
    if served.is_the_photo || !matches!(facts.content.original, Content::Sound(_)) {
        return Vec::new();
    }
    if served.looks_like_the_photo {
        return vec![Cause::Reencoded];
    }
    if !matches!(facts.contents.get(&served.id), Some(Content::Sound(_))) {
        // Other bytes may still show the same picture: what nobody has seen is not different.
        return Vec::new();
    }
    let winner = xray.winner().map(|link| link.place);
    let user_has_it = xray
        .links
        .iter()
        .filter(|link| link.place == Place::SYS_USER)
        .filter_map(best)
        .any(|picture| picture.is_the_photo);
    let mut causes = Vec::new();
    if winner == Some(Place::LIVE_PROFILE) && user_has_it {
        causes.push(Cause::ShadowedByProfile);
    }
    if matches!(served.author, Author::Person(_)) {
        causes.push(Cause::ChosenByPerson);
    }
    let was_ours = lost(facts, xray).any(|write| {
        matches!(&write.deed, OurDeed::Stored { sha256: Some(hash), .. } if facts.is_the_photo(*hash))
    });
    if was_ours && !matches!(served.author, Author::Us { .. }) {
        causes.push(Cause::Overwritten);
    }
    if causes.is_empty() {
        causes.push(Cause::Outdated);
    }
    causes
}

/// Pictures that this program stored, did not remove, and that are gone.
fn lost<'a>(facts: &'a Facts, xray: &'a Xray) -> impl Iterator<Item = &'a OurWrite> {
    facts.writes.iter().filter(|write| {
        let OurDeed::Stored { picture, .. } = &write.deed else {
            return false;
        };
        let is_there = xray.pictures().any(|stored| &stored.id == picture);
        let is_ours = facts
            .writes
            .iter()
            .any(|other| matches!(&other.deed, OurDeed::Removed(removed) if removed == picture));
        !is_there && !is_ours
    })
}

/// True if a rule of the instance seems to copy pictures: what we stored was replaced by a copy with the same bytes, or
/// a copy that is not ours appeared at the other record within seconds.
fn is_mirrored(facts: &Facts, xray: &Xray) -> bool {
    let is_ours = |picture: &LinkPicture| matches!(picture.author, Author::Us { .. } | Author::OurAccount(_));
    let replaced = lost(facts, xray).any(|write| {
        let OurDeed::Stored {
            sha256: Some(hash), ..
        } = &write.deed
        else {
            return false;
        };
        xray.links
            .iter()
            .filter(|link| link.place == write.place)
            .flat_map(|link| &link.pictures)
            .any(|picture| picture.sha256 == Some(*hash) && !is_ours(picture))
    });
    let copied = || {
        let pictures: Vec<(Place, &LinkPicture)> = xray
            .links
            .iter()
            .flat_map(|link| link.pictures.iter().map(|picture| (link.place, picture)))
            .collect();
        pictures.iter().any(|(place, ours)| {
            is_ours(ours)
                && pictures.iter().any(|(other_place, other)| {
                    let is_soon = matches!((ours.created_at, other.created_at), (Some(ours), Some(other))
                        if other >= ours && other.duration_since(ours) <= RULE_TAKES);
                    place != other_place
                        && !is_ours(other)
                        && other.sha256.is_some()
                        && other.sha256 == ours.sha256
                        && is_soon
                })
        })
    };
    replaced || copied()
}

/// The picture that a link would show.
pub(super) fn best(link: &Link) -> Option<&LinkPicture> {
    link.pictures.iter().find(|picture| picture.is_best)
}

/// What decides, as a sentence about this person.
pub(super) fn summary(facts: &Facts, xray: Option<&Xray>, cause: Cause) -> String {
    let served = xray.and_then(Xray::served_picture);
    let stored_by = || {
        let Some(picture) = served else {
            return String::new();
        };
        let when = picture
            .created_at
            .map(|at| format!(" on {}", at.strftime("%Y-%m-%d")))
            .unwrap_or_default();
        format!(", stored{when} by {}", picture.author.words())
    };
    match cause {
        Cause::NothingWrong => match served {
            Some(_) => "ServiceNow shows the photo from Entra ID".into(),
            None => cause.words().into(),
        },
        Cause::Outdated => format!("ServiceNow shows another picture{}", stored_by()),
        Cause::ChosenByPerson => format!("the person chose another picture in ServiceNow{}", stored_by()),
        Cause::Overwritten => format!(
            "avatar-sync stored the photo, and another picture replaced it{}",
            stored_by()
        ),
        Cause::OptedOut | Cause::Guest | Cause::Disabled | Cause::NotInGroups | Cause::InExcludedGroup => {
            match &facts.whereabouts {
                Whereabouts::Excluded(exclusion) => {
                    crate::domain::text::clean(&exclusion.sentence()).into_owned()
                }
                _ => cause.words().into(),
            }
        }
        Cause::MailboxOnPremises | Cause::PhotoUnreadable => match &facts.photo {
            SourcePhoto::OutOfReach(why) | SourcePhoto::Unreadable(why) => {
                format!(
                    "the photo in Entra ID cannot be read: {}",
                    crate::domain::text::clean(why)
                )
            }
            _ => match &facts.photo_unread {
                Some(why) => format!(
                    "the photo in Entra ID cannot be read: {}",
                    crate::domain::text::clean(why)
                ),
                None => cause.words().into(),
            },
        },
        Cause::ErrorBody | Cause::StoredPictureUnsound => {
            match served.and_then(|picture| picture.broken.as_deref()) {
                Some(why) => format!("the avatar in ServiceNow {why}"),
                None => cause.words().into(),
            }
        }
        Cause::StoredPictureUnreadable => match served.and_then(|picture| facts.unread.get(&picture.id)) {
            Some(why) => format!("{}: {}", cause.words(), crate::domain::text::clean(why)),
            None => cause.words().into(),
        },
        Cause::PhotoTruncated | Cause::PhotoUnsound => match &facts.content.original {
            Content::Unsound(problem) => {
                format!(
                    "the photo in Entra ID {}",
                    crate::domain::text::clean(&problem.to_string())
                )
            }
            _ => cause.words().into(),
        },
        Cause::InactiveUser | Cause::OutOfScope => match &facts.whereabouts {
            Whereabouts::Unmatched { outsiders } => match outsiders.first() {
                Some(person) => format!("{}: {}", cause.words(), RemoteText::shown(&person.user_name)),
                None => cause.words().into(),
            },
            _ => cause.words().into(),
        },
        _ => cause.words().into(),
    }
}

/// The command to try next.
pub(super) fn next(facts: &Facts, cause: Cause) -> Option<String> {
    let person = facts.argument();
    match cause {
        Cause::OptedOut
        | Cause::Guest
        | Cause::Disabled
        | Cause::NotInGroups
        | Cause::InExcludedGroup
        | Cause::OutOfScope
        | Cause::InactiveUser
        | Cause::Unmatched
        | Cause::Ambiguous
        | Cause::ClaimedTwice => Some("avatar-sync config show --origin".into()),
        Cause::ChainUnreadable | Cause::PhotoUnreadable | Cause::StoredPictureUnreadable => {
            Some("avatar-sync check".into())
        }
        Cause::NothingWrong
        | Cause::NoPhoto
        | Cause::NotInEntra
        | Cause::MailboxOnPremises
        | Cause::NotScanned => None,
        _ if facts.preview.change.is_some() => Some(facts.push_command()),
        Cause::DuplicateProfile | Cause::DuplicateImage | Cause::DanglingColumn | Cause::ErrorBody => {
            Some("avatar-sync clean --dry-run".into())
        }
        Cause::Overwritten | Cause::RemovedMeanwhile | Cause::MirrorRule => {
            Some("avatar-sync history".into())
        }
        Cause::Reencoded | Cause::Split => Some(format!("avatar-sync show {person}")),
        _ => None,
    }
}
