//! From what was read to the [`Xray`].

use std::collections::HashMap;

use super::facts::{Facts, OurDeed};
use super::xray::{Author, Link, LinkColumn, LinkPicture, LinkThumbnail, Served, Staleness, Xray};
use crate::domain::anatomy::{Anatomy, Thumbnail};
use crate::domain::comparison::Content;
use crate::domain::ids::PictureId;
use crate::domain::pairing::fold;
use crate::domain::photo::{AvatarRecord, Column, Finding, PictureForm, Place, Scan, StoredPicture};
use crate::domain::text::RemoteText;

/// Puts the links together.
pub(super) fn expose(facts: &Facts, anatomy: &Anatomy) -> Xray {
    let chain = &anatomy.chain;
    let predicted = chain.served.as_ref().map(|served| served.picture.clone());
    let served = match &anatomy.displayed {
        None => Served::Unknown("the account may not read sys_user.avatar".into()),
        Some(None) => Served::Nothing,
        Some(Some(picture)) => Served::Picture(picture.clone()),
    };
    // People see what the target says it displays; where it does not say, what precedence predicts.
    let shown = match &served {
        Served::Picture(picture) => Some(picture),
        Served::Nothing => None,
        Served::Unknown(_) => predicted.as_ref(),
    };
    let mut named: HashMap<&PictureId, usize> = HashMap::new();
    for record in &chain.records {
        if let Column::Names(picture) = &record.column {
            *named.entry(picture).or_default() += 1;
        }
    }
    let exposing = Exposing {
        facts,
        anatomy,
        shown,
        named,
    };
    let mut links = Vec::with_capacity(chain.records.len() + 1);
    if chain.record(Place::LIVE_PROFILE).is_none() && chain.has(Finding::NoProfile) {
        links.push(no_profile());
    }
    let mut profiles = 0;
    for record in &chain.records {
        profiles += usize::from(record.place == Place::LIVE_PROFILE);
        let is_extra = record.place == Place::LIVE_PROFILE && profiles > 1;
        links.push(exposing.link(record, is_extra));
    }
    // One picture may be reached from two records; people see it once, from the first.
    let mut is_won = false;
    for link in &mut links {
        link.wins &= !is_won;
        is_won |= link.wins;
    }
    Xray {
        links,
        predicted,
        served,
    }
}

fn no_profile() -> Link {
    Link {
        place: Place::LIVE_PROFILE,
        record: None,
        created_at: None,
        updated_at: None,
        updated_by: None,
        column: LinkColumn {
            value: Column::Empty,
            is_dangling: false,
            is_foreign: false,
            is_shared: false,
        },
        pictures: Vec::new(),
        wins: false,
        broken: None,
        is_extra: false,
    }
}

struct Exposing<'a> {
    facts: &'a Facts,
    anatomy: &'a Anatomy,
    shown: Option<&'a PictureId>,
    /// How many columns name each picture.
    named: HashMap<&'a PictureId, usize>,
}

impl Exposing<'_> {
    fn link(&self, record: &AvatarRecord, is_extra: bool) -> Link {
        let chain = &self.anatomy.chain;
        let column_names = match &record.column {
            Column::Names(picture) => Some(picture),
            Column::Unreadable | Column::Empty => None,
        };
        let elsewhere =
            column_names.and_then(|named| self.anatomy.elsewhere.iter().find(|picture| &picture.id == named));
        let exists = |named: &PictureId| chain.picture(named).is_some() || elsewhere.is_some();
        let is_dangling = column_names.is_some_and(|named| !exists(named));
        let best = column_names
            .filter(|named| exists(named))
            .or_else(|| record.image_rows().next().map(|picture| &picture.id))
            .cloned();
        let mut pictures: Vec<LinkPicture> = record
            .pictures
            .iter()
            .map(|picture| self.picture(picture, best.as_ref(), false))
            .collect();
        pictures.extend(elsewhere.map(|picture| self.picture(picture, best.as_ref(), true)));
        let trace = self.anatomy.trace(&record.id);
        Link {
            place: record.place,
            record: Some(record.id.clone()),
            created_at: trace.and_then(|trace| trace.created_at),
            updated_at: trace.and_then(|trace| trace.updated_at),
            updated_by: trace.and_then(|trace| trace.updated_by.as_ref()).map(shown),
            wins: best.is_some() && best.as_ref() == self.shown,
            broken: if is_dangling {
                Some("its photo column names a picture that is gone".into())
            } else {
                let best = pictures.iter().find(|picture| picture.is_best);
                best.and_then(|picture| picture.broken.clone())
                    .map(|why| format!("its picture {why}"))
            },
            column: LinkColumn {
                value: record.column.clone(),
                is_dangling,
                is_foreign: elsewhere.is_some(),
                is_shared: column_names.is_some_and(|named| self.named.get(named).is_some_and(|by| *by > 1)),
            },
            pictures,
            is_extra,
        }
    }

    fn picture(&self, picture: &StoredPicture, best: Option<&PictureId>, is_elsewhere: bool) -> LinkPicture {
        let content = self.facts.contents.get(&picture.id);
        let sound = match content {
            Some(Content::Sound(facts)) => Some(facts),
            _ => None,
        };
        let sha256 = sound.map(|facts| facts.sha256).or(picture.sha256);
        let is_best = best == Some(&picture.id);
        let is_the_photo = sha256.is_some_and(|hash| self.facts.is_the_photo(hash));
        let looks_like_the_photo = !is_the_photo
            && match (&self.facts.content.original, sound) {
                (Content::Sound(photo), Some(stored)) => {
                    photo.fingerprint.is_same_picture(&stored.fingerprint)
                }
                _ => false,
            };
        LinkPicture {
            form: picture.form,
            file_name: shown(&picture.file_name),
            bytes: picture.bytes,
            sha256,
            content_type: shown(&picture.content_type),
            seen: sound.map(|facts| format!("{} {} x {}", facts.format.name(), facts.width, facts.height)),
            scan: picture.scan,
            created_at: picture.created_at,
            author: self.author(&picture.id, picture.created_by.as_ref()),
            is_served: self.shown == Some(&picture.id),
            is_best,
            is_named: self.named.contains_key(&picture.id),
            is_superseded: picture.form == PictureForm::ImageField && !is_best,
            is_the_photo,
            looks_like_the_photo,
            is_elsewhere,
            broken: self.why_broken(picture, content),
            thumbnails: self
                .anatomy
                .thumbnails_of(&picture.id)
                .map(|thumbnail| self.thumbnail(thumbnail, picture, content))
                .collect(),
            id: picture.id.clone(),
        }
    }

    fn why_broken(&self, picture: &StoredPicture, content: Option<&Content>) -> Option<String> {
        if let Some(Content::Unsound(problem)) = content {
            return Some(crate::domain::text::clean(&problem.to_string()).into_owned());
        }
        if self.facts.unread.contains_key(&picture.id) && picture.scan != Scan::Quarantined {
            return Some("could not be downloaded".into());
        }
        if picture.scan == Scan::Quarantined {
            return Some("did not pass the virus scan".into());
        }
        if !picture.can_be_served() {
            return Some(format!(
                "is stored as \"{}\", which is not shown",
                shown(&picture.content_type)
            ));
        }
        None
    }

    fn thumbnail(
        &self,
        thumbnail: &Thumbnail,
        picture: &StoredPicture,
        content: Option<&Content>,
    ) -> LinkThumbnail {
        LinkThumbnail {
            file_name: shown(&thumbnail.file_name),
            bytes: thumbnail.bytes,
            created_at: thumbnail.created_at,
            author: self.author(&thumbnail.id, thumbnail.created_by.as_ref()),
            staleness: staleness(
                thumbnail,
                picture,
                content,
                self.facts.contents.get(&thumbnail.id),
            ),
            id: thumbnail.id.clone(),
        }
    }

    fn author(&self, picture: &PictureId, created_by: Option<&RemoteText>) -> Author {
        let ours = self.facts.writes.iter().find(
            |write| matches!(&write.deed, OurDeed::Stored { picture: stored, .. } if stored == picture),
        );
        if let Some(write) = ours {
            return Author::Us {
                run: write.run.clone(),
            };
        }
        let Some(created_by) = created_by else {
            return Author::Unknown;
        };
        let is = |name: &str| !name.trim().is_empty() && fold(name) == fold(created_by.raw());
        if is(&self.facts.account) {
            Author::OurAccount(shown(created_by))
        } else if self
            .facts
            .target()
            .is_some_and(|person| is(person.user_name.raw()))
        {
            Author::Person(shown(created_by))
        } else {
            Author::Other(shown(created_by))
        }
    }
}

/// Whether a thumbnail shows its picture, surest evidence first: what both show, then when they were made
/// (`servicenow.md` 1.2). `content` is what the picture's bytes are, `small` what the thumbnail's are, where seen.
pub fn staleness(
    thumbnail: &Thumbnail,
    picture: &StoredPicture,
    content: Option<&Content>,
    small: Option<&Content>,
) -> Staleness {
    match (content, small) {
        (Some(Content::Sound(large)), Some(Content::Sound(small))) => {
            let distance = large.fingerprint.distance(&small.fingerprint);
            if large.fingerprint.is_same_picture(&small.fingerprint) {
                return Staleness::Fresh;
            }
            return Staleness::Stale(format!("shows another picture ({distance} of 64 bits apart)"));
        }
        (_, Some(Content::Unsound(problem))) => {
            let problem = problem.to_string();
            return Staleness::Unknown(crate::domain::text::clean(&problem).into_owned());
        }
        _ => {}
    }
    match (thumbnail.created_at, picture.created_at) {
        (Some(small), Some(large)) if small < large => {
            Staleness::Stale("is older than the picture it belongs to".into())
        }
        _ => Staleness::Unknown("its bytes were not looked at".into()),
    }
}

fn shown(text: &RemoteText) -> String {
    text.shown().into_owned()
}
