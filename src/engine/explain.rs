//! Why one person's picture is what it is: gathers what both sides and the journal tell, and lets `domain` decide.
//!
//! The target is read once, as the whole anatomy, so that verdict, chain and X-ray speak of one moment. What goes wrong
//! on the way is part of the explanation; an error means that there is nobody to explain.

use std::collections::HashMap;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::find::{FindError, is_object_id, target_lookups};
use super::memory::Learning;
use super::push::aim::{self, Learned, Wanted};
use super::roster::Roster;
use super::scan::{Ignore, Looking, Problems};
use super::{Depth, Engine, EngineError, Look, PersonState, Scan, SidePicture, Standing, in_words};
use crate::connector::{Priority, TargetLookup};
use crate::domain::anatomy::{Anatomy, Colleagues};
use crate::domain::comparison::{Content, Judgement, SourceContent, Verdict, judge_unpaired};
use crate::domain::explanation::{
    Action, Explanation, Facts, LinkPicture, OurDeed, OurWrite, Preview, SeenBefore, Whereabouts, staleness,
};
use crate::domain::ids::{PictureId, SourceId};
use crate::domain::person::{SourcePerson, TargetPerson};
use crate::domain::photo::{AvatarChain, Finding, Sha256, SourcePhoto};
use crate::domain::plan::{Change, Policy};
use crate::domain::run::PersonRef;
use crate::store::journal::{Answer, WriteKind, WriteRecord};

/// Stored pictures and thumbnails whose bytes are looked at; a chain has two or three.
const PICTURES_SEEN: usize = 16;
/// How many of them at once.
const PICTURES_AT_ONCE: usize = 4;
/// How far back our own writes are told.
const WRITES_TOLD: usize = 100;

/// What was found out about one person before the target is read.
struct Subject {
    source: Option<SourcePerson>,
    whereabouts: Whereabouts,
    /// The verdict of somebody who has no place in the comparison.
    unpaired: Option<Judgement>,
}

/// What was seen of stored pictures.
#[derive(Default)]
struct Seen {
    contents: HashMap<PictureId, Content>,
    /// Why bytes could not be had, in words.
    unread: HashMap<PictureId, String>,
}

impl Engine {
    /// Explains one person's picture; `person` is found as by [`Engine::find`]. Somebody who exists in the target
    /// alone is explained too, as far as it goes.
    ///
    /// # Errors
    ///
    /// `person` names nobody or several people, or a service could not be asked who they are.
    pub async fn explain(&self, person: &str, priority: Priority) -> Result<Explanation, EngineError> {
        let subject = self.subject(person).await?;
        let facts = self.facts(person.trim(), subject, priority).await;
        Ok(Explanation::of(&facts))
    }

    /// Explains somebody whom a listing has named already.
    ///
    /// # Errors
    ///
    /// Like [`Engine::explain`].
    pub async fn explain_person(
        &self,
        person: &PersonRef,
        priority: Priority,
    ) -> Result<Explanation, EngineError> {
        let id = person.source.as_str();
        let typed = if is_object_id(id) { id } else { person.upn.raw() };
        self.explain(typed, priority).await
    }

    /// Who works with this person; their photos are asked for by [`Engine::photo_of`].
    ///
    /// # Errors
    ///
    /// The source could not be asked.
    pub async fn colleagues(&self, person: &SourceId, priority: Priority) -> Result<Colleagues, EngineError> {
        Ok(self.source.colleagues(person, priority).await?)
    }

    /// The photo of somebody of the source, whoever they are in the target.
    pub async fn photo_of(&self, person: &SourceId, priority: Priority) -> SidePicture {
        self.source_side(person, &SourcePhoto::Unknown, priority).await
    }

    /// The bytes of a picture of an X-ray, from this side where they are kept.
    pub async fn link_picture(&self, picture: &LinkPicture, priority: Priority) -> SidePicture {
        self.target_bytes(&picture.id, picture.sha256, priority).await
    }

    /// Who is meant.
    async fn subject(&self, typed: &str) -> Result<Subject, EngineError> {
        match self.identify(&[typed.to_owned()]).await {
            Ok(roster) => self.subject_of(roster).await,
            Err(EngineError::Find(FindError::OnlyInTarget {
                wanted,
                target,
                source_name,
                candidates,
            })) => {
                let alone = match candidates.as_slice() {
                    [one] => one.target.clone(),
                    _ => None,
                };
                if let Some(id) = alone {
                    let found = self
                        .target
                        .lookup(&[TargetLookup::Id(id.as_str().to_owned())])
                        .await?;
                    if let Some(person) = found.into_iter().find(|person| person.id == id) {
                        return Ok(Subject {
                            source: None,
                            whereabouts: Whereabouts::TargetAlone(person),
                            unpaired: None,
                        });
                    }
                }
                Err(FindError::OnlyInTarget {
                    wanted,
                    target,
                    source_name,
                    candidates,
                }
                .into())
            }
            Err(error) => Err(error),
        }
    }

    async fn subject_of(&self, roster: Roster) -> Result<Subject, EngineError> {
        let portion = roster.take(0);
        let (source, standing) = roster.unpack(portion.get(0));
        let Some(why) = roster.why_unpaired(&standing) else {
            let Standing::Paired { target, rule } = standing else {
                unreachable!("whoever is not paired has a reason");
            };
            return Ok(Subject {
                source: Some(source),
                whereabouts: Whereabouts::Paired { target, rule },
                unpaired: None,
            });
        };
        let whereabouts = match standing {
            Standing::Excluded(exclusion) => Whereabouts::Excluded(exclusion),
            Standing::Ambiguous {
                ambiguity,
                candidates,
            } => Whereabouts::Ambiguous {
                ambiguity,
                candidates,
            },
            Standing::Unmatched | Standing::Paired { .. } => Whereabouts::Unmatched {
                outsiders: self.outsiders(&source).await?,
            },
        };
        Ok(Subject {
            unpaired: Some(judge_unpaired(&why)),
            source: Some(source),
            whereabouts,
        })
    }

    /// People outside the scope who share a key with `source`.
    async fn outsiders(&self, source: &SourcePerson) -> Result<Vec<TargetPerson>, EngineError> {
        let lookups = target_lookups(&self.settings.rules, source);
        if lookups.is_empty() {
            return Ok(Vec::new());
        }
        let mut people = self.target.lookup(&lookups).await?;
        people.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(people)
    }

    async fn facts(&self, typed: &str, subject: Subject, priority: Priority) -> Facts {
        let Subject {
            source,
            whereabouts,
            unpaired,
        } = subject;
        let target = match &whereabouts {
            Whereabouts::Paired { target, .. } | Whereabouts::TargetAlone(target) => Some(target.clone()),
            _ => None,
        };
        let anatomy = async {
            let Some(target) = &target else { return Ok(None) };
            let read = self.target.anatomy(&target.id, priority).await;
            read.map_err(|error| in_words(&error))
        };
        let details = async {
            let Some(source) = &source else {
                return Ok(crate::domain::anatomy::PhotoDetails::default());
            };
            let read = self.source.photo_details(&source.id, priority).await;
            read.map_err(|error| in_words(&error))
        };
        let writes = async {
            match &target {
                Some(target) => self.our_writes(target).await,
                None => Vec::new(),
            }
        };
        let (stamp, anatomy, details, writes) =
            futures::join!(self.stamp_of(source.as_ref(), priority), anatomy, details, writes);
        let seen_before = self.seen_before(source.as_ref(), &stamp).await;
        let chain = match &anatomy {
            Ok(Some(anatomy)) => Some(anatomy.chain.clone()),
            Ok(None) | Err(_) => None,
        };
        let reference = reference(source.as_ref(), target.as_ref());
        let look = match (&source, &reference) {
            (Some(_), Some(reference)) => {
                let (look, lessons) = self.look_at_one(reference, stamp, chain, priority).await;
                let mut learning = Learning::new(self);
                for lesson in lessons {
                    learning.add(lesson).await;
                }
                if let Err(problem) = learning.finish().await {
                    tracing::warn!(problem, "what was explained is not remembered");
                }
                Some(look)
            }
            _ => None,
        };
        let Seen { contents, unread } = match &anatomy {
            Ok(Some(anatomy)) => self.see(anatomy, look.as_ref(), priority).await,
            Ok(None) | Err(_) => Seen::default(),
        };
        let photo_unread = match look.as_ref().map(|look| &look.source) {
            Some(SidePicture::Failed(why)) => Some(why.clone()),
            _ => None,
        };
        let (photo, content, displayed, judged) = match look {
            Some(look) => (look.photo, look.content, look.displayed, look.judgement),
            None => (SourcePhoto::Unknown, SourceContent::UNSEEN, Content::Unseen, None),
        };
        let judgement = unpaired.or(match &anatomy {
            Err(why) => judged.map(|_| Judgement {
                verdict: Verdict::Error,
                reason: why.clone(),
            }),
            Ok(_) => judged,
        });
        let preview = self
            .preview(
                source.as_ref(),
                &whereabouts,
                judgement.as_ref(),
                anatomy.as_ref().ok().and_then(Option::as_ref),
                (&photo, &content, &displayed),
                &contents,
            )
            .await;
        Facts {
            typed: typed.to_owned(),
            source,
            whereabouts,
            rules: self.settings.rules.clone(),
            photo,
            content,
            details,
            seen_before,
            photo_size: self.source.photo_size(),
            anatomy,
            contents,
            unread,
            photo_unread,
            writes,
            account: self.account.clone(),
            judgement,
            preview,
            now: self.now(),
        }
    }

    /// The stamp of one photo; what goes wrong is a state of it.
    async fn stamp_of(&self, source: Option<&SourcePerson>, priority: Priority) -> SourcePhoto {
        let Some(source) = source else {
            return SourcePhoto::Unknown;
        };
        let problems = Problems::new(&Ignore);
        let cancel = CancellationToken::new();
        let looking = Looking {
            depth: Depth::Deep,
            is_everybody: false,
            priority,
            progress: &Ignore,
            problems: &problems,
            cancel: &cancel,
        };
        match self.load_stamps(vec![source.id.clone()], &looking).await {
            Ok(photos) => photos.into_iter().next().unwrap_or(SourcePhoto::Unknown),
            Err(error) => SourcePhoto::Unreadable(in_words(&error)),
        }
    }

    /// Whether the version that is there now is the one that was remembered.
    async fn seen_before(&self, source: Option<&SourcePerson>, photo: &SourcePhoto) -> SeenBefore {
        let (Some(source), SourcePhoto::Present(stamp)) = (source, photo) else {
            return SeenBefore::Never;
        };
        let remembered = self
            .store
            .memory()
            .photo(&self.source.photo_size(), &source.id)
            .await;
        match remembered {
            Ok(Some(photo)) if photo.etag.is_some() && photo.etag == stamp.etag => SeenBefore::Same,
            Ok(Some(photo)) if photo.etag.is_some() => SeenBefore::Changed,
            Ok(_) => SeenBefore::Never,
            Err(error) => {
                tracing::warn!(%error, "what was seen before cannot be read");
                SeenBefore::Never
            }
        }
    }

    /// What this program has done for somebody, newest first. A journal that cannot be read leaves the authors as the
    /// target names them.
    async fn our_writes(&self, target: &TargetPerson) -> Vec<OurWrite> {
        let journal = self.store.journal();
        match journal.writes_of_person(&target.id, WRITES_TOLD).await {
            Ok(writes) => writes.into_iter().filter_map(our_write).collect(),
            Err(error) => {
                tracing::warn!(%error, "the journal cannot be read");
                Vec::new()
            }
        }
    }

    /// Looks at the bytes of stored pictures and thumbnails, the displayed one first.
    async fn see(&self, anatomy: &Anatomy, look: Option<&Look>, priority: Priority) -> Seen {
        let mut seen = Seen::default();
        if let (Some(look), Some(served)) = (look, &anatomy.chain.served) {
            if look.displayed != Content::Unseen {
                seen.contents
                    .insert(served.picture.clone(), look.displayed.clone());
            } else if let SidePicture::Failed(why) = &look.target {
                seen.unread.insert(served.picture.clone(), why.clone());
            }
        }
        let stored: HashMap<&PictureId, Option<Sha256>> = anatomy
            .chain
            .records
            .iter()
            .flat_map(|record| &record.pictures)
            .chain(&anatomy.elsewhere)
            .map(|picture| (&picture.id, picture.sha256))
            .chain(
                anatomy
                    .thumbnails
                    .iter()
                    .map(|thumbnail| (&thumbnail.id, thumbnail.sha256)),
            )
            .collect();
        let said = anatomy.displayed.iter().flatten();
        let mut wanted: Vec<(PictureId, Option<Sha256>)> = Vec::new();
        for id in said.chain(anatomy.ids()) {
            let is_known = seen.contents.contains_key(id) || seen.unread.contains_key(id);
            let is_wanted = wanted.iter().any(|(other, _)| other == id);
            if !is_known && !is_wanted && wanted.len() < PICTURES_SEEN {
                wanted.push((id.clone(), stored.get(id).copied().flatten()));
            }
        }
        let answers: Vec<(PictureId, Result<Content, String>)> = stream::iter(wanted)
            .map(|(id, hash)| async move {
                let content = match self.target_bytes(&id, hash, priority).await {
                    SidePicture::Bytes(bytes) => Ok(match self.decoding.examine(bytes).await {
                        Ok(content) => content,
                        Err(gave_up) => Content::Unsound(gave_up.into()),
                    }),
                    SidePicture::Absent => Err(format!("the picture is gone from {}", self.target.name())),
                    SidePicture::Failed(why) => Err(why),
                };
                (id, content)
            })
            .buffer_unordered(PICTURES_AT_ONCE)
            .collect()
            .await;
        for (id, content) in answers {
            match content {
                Ok(content) => _ = seen.contents.insert(id, content),
                Err(why) => _ = seen.unread.insert(id, why),
            }
        }
        seen
    }

    /// What a push would do now: the decision of a plan, and the writes it leads to.
    async fn preview(
        &self,
        source: Option<&SourcePerson>,
        whereabouts: &Whereabouts,
        judgement: Option<&Judgement>,
        anatomy: Option<&Anatomy>,
        (photo, content, displayed): (&SourcePhoto, &SourceContent, &Content),
        contents: &HashMap<PictureId, Content>,
    ) -> Preview {
        let nothing = |reason: &str| Preview {
            change: None,
            takes_repair: false,
            reason: reason.to_owned(),
            actions: Vec::new(),
        };
        let (Some(source), Some(judgement)) = (source, judgement) else {
            return nothing("nobody in the source");
        };
        let (Whereabouts::Paired { target, rule }, Some(anatomy)) = (whereabouts, anatomy) else {
            return nothing(&judgement.reason);
        };
        let mut chain = anatomy.chain.clone();
        let stale: Vec<Action> = stale_of_displayed(anatomy, contents).collect();
        if !stale.is_empty() {
            chain.findings.push(Finding::StaleThumbnail);
        }
        let people = vec![PersonState {
            source: source.clone(),
            standing: Standing::Paired {
                target: target.clone(),
                rule: *rule,
            },
            photo: photo.clone(),
            content: content.clone(),
            chain: Some(chain),
            displayed: displayed.clone(),
            judgement: judgement.clone(),
        }];
        let scan = Scan {
            scanned_at: self.now(),
            complete: true,
            problems: Vec::new(),
            suspicions: self.suspicions_of_some(&people).await,
            people,
            target_only: 0,
        };
        let usual = self.settings.policy;
        let repairing = Policy {
            repair: true,
            ..usual
        };
        let mut plan = self.plan_by(&scan, usual).await;
        let takes_repair = plan.steps.is_empty() && !usual.repair;
        if takes_repair {
            let skips = plan.skips;
            plan = self.plan_by(&scan, repairing).await;
            if plan.steps.is_empty() {
                plan.skips = skips;
            }
        }
        match (plan.steps.into_iter().next(), plan.skips.into_iter().next()) {
            (Some(step), _) => Preview {
                change: Some(step.change),
                takes_repair,
                reason: step.reason,
                actions: match step.change {
                    Change::Remove => in_actions(
                        aim::removals(&anatomy.chain, &self.target.places_to_write(&anatomy.chain)),
                        None,
                    ),
                    Change::Repair => {
                        let mut actions = self.actions(&anatomy.chain, content, displayed);
                        actions.extend(stale);
                        actions
                    }
                    Change::Add | Change::Replace => self.actions(&anatomy.chain, content, displayed),
                },
            },
            (None, Some(skip)) => nothing(&skip.reason),
            (None, None) => nothing("nobody to write to"),
        }
    }

    /// The writes of a push of this photo onto this chain, in their order. Empty for a photo that has not been seen.
    fn actions(&self, chain: &AvatarChain, content: &SourceContent, displayed: &Content) -> Vec<Action> {
        let Some(sha256) = content.upload_hash() else {
            return Vec::new();
        };
        let mut learned = Learned::new();
        if let (Some(served), Content::Sound(facts)) = (&chain.served, displayed) {
            learned.insert(served.picture.clone(), facts.sha256);
        }
        let rows = || chain.records.iter().flat_map(|record| &record.pictures);
        let stored = rows()
            .find(|row| row.sha256.or_else(|| learned.get(&row.id).copied()) == Some(sha256))
            .map(|row| row.bytes);
        let original = match (&content.original, content.prepared) {
            (Content::Sound(facts), None) => Some(facts.bytes),
            _ => None,
        };
        // A size of nothing fits no row: then nothing is found to be there already.
        let wanted = Wanted {
            sha256,
            bytes: stored.or(original).unwrap_or_default(),
        };
        let places = self.target.places_to_write(chain);
        let aims = aim::aims(chain, &places, wanted, &learned);
        let writes = aim::writes(chain, &aims, |place, column, picture| {
            self.target.column_to_set(place, column, picture)
        });
        in_actions(writes, stored.or(original))
    }
}

/// The stale thumbnails of the displayed picture, as a repair would delete them.
fn stale_of_displayed(
    anatomy: &Anatomy,
    contents: &HashMap<PictureId, Content>,
) -> impl Iterator<Item = Action> {
    let chain = &anatomy.chain;
    let shown = chain.served.as_ref().zip(chain.served_picture());
    shown.into_iter().flat_map(move |(served, picture)| {
        anatomy
            .thumbnails
            .iter()
            .filter(move |thumbnail| {
                let (large, small) = (contents.get(&picture.id), contents.get(&thumbnail.id));
                thumbnail.of == picture.id && staleness(thumbnail, picture, large, small).is_stale()
            })
            .map(|thumbnail| Action::DeleteThumbnail {
                place: served.place,
                thumbnail: thumbnail.id.clone(),
            })
    })
}

/// `bytes` is the size of what would be stored, where it is known.
fn in_actions(writes: Vec<aim::Write>, bytes: Option<u64>) -> Vec<Action> {
    let action = |write| match write {
        aim::Write::Create(place) => Action::Create(place),
        aim::Write::Store(place) => Action::Store { place, bytes },
        aim::Write::Keep(place, picture) => Action::Keep { place, picture },
        aim::Write::SetColumn(place) => Action::SetColumn(place),
        aim::Write::ClearColumn(place) => Action::ClearColumn(place),
        aim::Write::Delete(place, row) => Action::Delete {
            place,
            picture: row.id,
            bytes: row.bytes,
        },
    };
    writes.into_iter().map(action).collect()
}

fn our_write(write: WriteRecord) -> Option<OurWrite> {
    let at: Timestamp = write.intent.at;
    let uploaded = write.uploaded();
    let (Answer::Done(_), _) = write.answer? else {
        return None;
    };
    let intent = write.intent;
    let deed = match intent.kind {
        WriteKind::CreateRecord => OurDeed::Created,
        WriteKind::Upload => OurDeed::Stored {
            picture: uploaded?,
            sha256: intent.sha256,
        },
        WriteKind::SetColumn => OurDeed::SetColumn(intent.picture),
        WriteKind::Remove => OurDeed::Removed(intent.picture?),
    };
    Some(OurWrite {
        run: intent.run,
        at,
        place: intent.place,
        record: intent.record,
        deed,
    })
}

fn reference(source: Option<&SourcePerson>, target: Option<&TargetPerson>) -> Option<PersonRef> {
    let source = source?;
    Some(PersonRef {
        name: source.name.clone(),
        upn: source.principal.clone(),
        mail: source.mail.clone(),
        source: source.id.clone(),
        target: target.map(|target| target.id.clone()),
        user_name: target.map(|target| target.user_name.clone()),
    })
}
