//! A fresh look at a few people whom a listing has named already: for the row under the cursor and its neighbours.
//!
//! Nobody is identified again: that was the scan's work. What costs is one stamp and one chain a person, in requests
//! that people share, and the bytes of both pictures, which are wanted for showing anyway and settle the verdict too.

use std::collections::HashMap;

use tokio_util::sync::CancellationToken;

use super::memory::{Learning, Lesson};
use super::scan::{Ignore, Looking, Problems};
use super::{Depth, Engine, EngineError, SidePicture, in_words};
use crate::connector::Priority;
use crate::domain::comparison::{Content, Judgement, SourceContent, Verdict, judge};
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::photo::{AvatarChain, Sha256, SourcePhoto};
use crate::domain::run::PersonRef;
use crate::domain::suspicion::{Face, Faces};

/// What a fresh look at one person has found.
#[derive(Clone, Debug)]
pub struct Look {
    /// Their photo in the source.
    pub photo: SourcePhoto,
    /// What its bytes are.
    pub content: SourceContent,
    /// Their avatar in the target; `None` for somebody who is not paired, or whose chain could not be read.
    pub chain: Option<AvatarChain>,
    /// What the bytes of the displayed avatar are.
    pub displayed: Content,
    /// The verdict as it is now; `None` for somebody who is not paired: why, only a scan can tell.
    pub judgement: Option<Judgement>,
    /// The source's picture.
    pub source: SidePicture,
    /// The picture that the target displays.
    pub target: SidePicture,
}

impl Look {
    /// What the wrong-face guard is told about this person.
    pub fn faces(&self) -> Faces {
        let face = |content: &Content| match content {
            Content::Sound(facts) => Some(Face::of(&facts.fingerprint)),
            Content::Unseen | Content::Unsound(_) => None,
        };
        Faces {
            source: face(&self.content.original),
            target: face(&self.displayed),
        }
    }

    /// False if a picture could not be downloaded: then a verdict that is known already may be worth more than this one.
    pub fn is_whole(&self) -> bool {
        let has_failed = |side: &SidePicture| matches!(side, SidePicture::Failed(_));
        !has_failed(&self.source) && !has_failed(&self.target)
    }
}

impl Engine {
    /// Looks at these people anew; one answer a person, in their order.
    ///
    /// `people` carry the pairing that a scan has found. What goes wrong for one person is in that person's answer.
    ///
    /// # Errors
    ///
    /// Only where nobody could be read: a refused sign-in, a missing right, a service that is not there.
    pub async fn look(&self, people: &[PersonRef], priority: Priority) -> Result<Vec<Look>, EngineError> {
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
        let sources = people.iter().map(|person| person.source.clone()).collect();
        let targets: Vec<TargetId> = people.iter().filter_map(|person| person.target.clone()).collect();
        let chains = async {
            if targets.is_empty() {
                return Ok(Vec::new());
            }
            self.target
                .chains(&targets, priority)
                .await
                .map_err(EngineError::from)
        };
        let (photos, chains) = tokio::try_join!(self.load_stamps(sources, &looking), chains)?;
        let mut chains: HashMap<TargetId, AvatarChain> = chains.into_iter().collect();
        let each = people.iter().zip(photos).map(|(person, photo)| {
            let chain = person.target.as_ref().and_then(|target| chains.remove(target));
            self.look_at_one(person, photo, chain, priority)
        });
        let looked = futures::future::join_all(each).await;

        let mut learning = Learning::new(self);
        let mut looks = Vec::with_capacity(looked.len());
        for (look, lessons) in looked {
            for lesson in lessons {
                learning.add(lesson).await;
            }
            looks.push(look);
        }
        // What is forgotten is downloaded again, which the next scan does by itself.
        if let Err(problem) = learning.finish().await {
            tracing::warn!(problem, "what a look has learnt is not remembered");
        }
        Ok(looks)
    }

    /// Looks at one person's bytes; `chain` is fresh.
    pub(super) async fn look_at_one(
        &self,
        person: &PersonRef,
        photo: SourcePhoto,
        chain: Option<AvatarChain>,
        priority: Priority,
    ) -> (Look, Vec<Lesson>) {
        let mut lessons = Vec::new();
        let (source, target) = futures::join!(
            self.source_side(&person.source, &photo, priority),
            self.target_side(person, chain.as_ref(), priority)
        );
        let content = match &source {
            SidePicture::Bytes(bytes) => {
                let examined = self.decoding.examine_source(bytes.clone(), self.upload_form());
                match examined.await {
                    Ok(content) => {
                        if let SourcePhoto::Present(stamp) = &photo {
                            lessons.push(Lesson::Source {
                                person: person.source.clone(),
                                etag: stamp.etag.clone(),
                                content: content.clone(),
                            });
                        }
                        content
                    }
                    Err(gave_up) => SourceContent {
                        original: Content::Unsound(gave_up.into()),
                        prepared: None,
                    },
                }
            }
            SidePicture::Absent | SidePicture::Failed(_) => SourceContent::UNSEEN,
        };
        let displayed = match (&target, chain.as_ref().and_then(AvatarChain::served_picture)) {
            (SidePicture::Bytes(bytes), Some(picture)) => match self.decoding.examine(bytes.clone()).await {
                Ok(content) => {
                    lessons.push(Lesson::Target {
                        picture: picture.id.clone(),
                        stated: picture.sha256,
                        hash: Sha256::of(bytes),
                        content: content.clone(),
                    });
                    content
                }
                Err(gave_up) => Content::Unsound(gave_up.into()),
            },
            _ => Content::Unseen,
        };
        // The photo may have come or gone since its stamp was read; the bytes know better.
        let photo = match (photo, &source) {
            (SourcePhoto::Present(_), SidePicture::Absent) => SourcePhoto::Absent,
            (photo, _) => photo,
        };
        let judgement = person.target.as_ref().map(|_| match &chain {
            Some(chain) => {
                let judgement = judge(&photo, &content, Some(chain), &displayed);
                match (judgement.verdict, &source, &target) {
                    // What a scan says of somebody whose pictures it cannot download.
                    (Verdict::Undecided, SidePicture::Failed(why), _)
                    | (Verdict::Undecided, _, SidePicture::Failed(why)) => Judgement {
                        verdict: Verdict::Error,
                        reason: why.clone(),
                    },
                    _ => judgement,
                }
            }
            None => Judgement {
                verdict: Verdict::Error,
                reason: format!("the person is gone from {}", self.target.name()),
            },
        });
        let look = Look {
            photo,
            content,
            chain,
            displayed,
            judgement,
            source,
            target,
        };
        (look, lessons)
    }

    pub(super) async fn source_side(
        &self,
        person: &SourceId,
        photo: &SourcePhoto,
        priority: Priority,
    ) -> SidePicture {
        match photo {
            SourcePhoto::Absent => return SidePicture::Absent,
            SourcePhoto::Unreadable(why) | SourcePhoto::OutOfReach(why) => {
                return SidePicture::Failed(why.clone());
            }
            // Nobody asked for the stamps of people who are not paired, but a photo there may be.
            SourcePhoto::Unknown | SourcePhoto::Present(_) => {}
        }
        match self.source.photo(person, priority).await {
            Ok(Some(photo)) => SidePicture::Bytes(photo.bytes),
            Ok(None) => SidePicture::Absent,
            Err(error) => SidePicture::Failed(in_words(&error)),
        }
    }

    async fn target_side(
        &self,
        person: &PersonRef,
        chain: Option<&AvatarChain>,
        priority: Priority,
    ) -> SidePicture {
        let Some(chain) = chain else {
            return match person.target {
                Some(_) => SidePicture::Failed(format!("the person is gone from {}", self.target.name())),
                None => SidePicture::Absent,
            };
        };
        let Some(served) = &chain.served else {
            return SidePicture::Absent;
        };
        let stated = chain.served_picture().and_then(|picture| picture.sha256);
        self.target_bytes(&served.picture, stated, priority).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::ErrorKind;
    use crate::engine::fakes::{World, cut_off, person, picture, picture_again};

    async fn everybody(engine: &Engine, depth: Depth) -> Vec<(PersonRef, Verdict)> {
        let scan = engine.scan(depth, &Ignore, &CancellationToken::new()).await;
        let people = scan.expect("a scan").people;
        people
            .iter()
            .map(|state| (state.reference(), state.judgement.verdict))
            .collect()
    }

    #[tokio::test]
    async fn a_look_says_what_a_deep_scan_says_and_brings_both_pictures() {
        let world = World::with([
            person("in sync").photo(picture(1)).avatar(picture(1)),
            person("re-encoded").photo(picture(1)).avatar(picture_again(1)),
            person("differs").photo(picture(1)).avatar(picture(2)),
            person("missing").photo(picture(1)),
            person("only in target").avatar(picture(1)),
            person("neither"),
            person("cut off").photo(cut_off(1)),
            person("hybrid").unreadable_photo("the mailbox is not in Exchange Online"),
        ]);
        let engine = world.engine();
        let expected = everybody(&engine, Depth::Deep).await;
        let people: Vec<PersonRef> = expected.iter().map(|(person, _)| person.clone()).collect();
        let looks = engine.look(&people, Priority::Foreground).await.expect("looked");
        for ((person, verdict), look) in expected.iter().zip(&looks) {
            let judgement = look.judgement.as_ref().expect("everybody is paired");
            assert_eq!(judgement.verdict, *verdict, "{:?}", person.name);
        }
        assert_eq!(looks[2].source, SidePicture::Bytes(picture(1)));
        assert_eq!(looks[2].target, SidePicture::Bytes(picture(2)));
        assert_eq!(looks[5].source, SidePicture::Absent);
        assert!(matches!(&looks[7].source, SidePicture::Failed(why) if why.contains("Exchange")));
    }

    #[tokio::test]
    async fn what_a_look_has_compared_the_next_scan_knows_without_bytes() {
        let world = World::with([person("differs").photo(picture(1)).avatar(picture(2))]);
        let engine = world.engine();
        let undecided = everybody(&engine, Depth::Stamps).await;
        assert_eq!(undecided[0].1, Verdict::Undecided);
        engine
            .look(&[undecided[0].0.clone()], Priority::Background)
            .await
            .expect("looked");
        assert_eq!(everybody(&engine, Depth::Stamps).await[0].1, Verdict::Differs);
    }

    #[tokio::test]
    async fn a_download_that_fails_is_an_error_as_in_a_scan_and_the_look_is_not_whole() {
        for call in ["source.photo", "target.download"] {
            let world = World::with([person("differs").photo(picture(1)).avatar(picture(2))]);
            let engine = world.engine();
            let people = everybody(&engine, Depth::Stamps).await;
            world.fail(call, 0, ErrorKind::Unavailable);
            let look = &engine
                .look(&[people[0].0.clone()], Priority::Foreground)
                .await
                .expect("looked")[0];
            let judgement = look.judgement.as_ref().expect("paired");
            assert_eq!(judgement.verdict, Verdict::Error, "{call}: {}", judgement.reason);
            assert!(!look.is_whole());
        }
    }

    #[tokio::test]
    async fn somebody_who_is_not_paired_has_a_photo_but_no_verdict() {
        let world = World::with([person("alone").photo(picture(1)).only_in_source()]);
        let engine = world.engine();
        let people: Vec<PersonRef> = everybody(&engine, Depth::Stamps)
            .await
            .into_iter()
            .map(|(person, _)| person)
            .collect();
        let look = &engine.look(&people, Priority::Foreground).await.expect("looked")[0];
        assert_eq!(look.judgement, None);
        assert_eq!(look.source, SidePicture::Bytes(picture(1)));
        assert_eq!(look.target, SidePicture::Absent);
    }
}
