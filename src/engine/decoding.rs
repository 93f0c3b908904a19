//! Decoding off the async threads: as many at once as there are processors, each with a time limit.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::domain::comparison::{Content, SourceContent};
use crate::domain::photo::Sha256;
use crate::domain::picture::{self, PictureFacts, PictureFormat, PictureProblem, Prepared, Rendition};

/// How long one picture may take (`reliability.md` F9).
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The form that the target takes; see [`picture::prepare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UploadForm {
    /// The most bytes.
    pub limit: u64,
    /// The longest side of a converted picture, in pixels.
    pub side: u32,
}

impl UploadForm {
    /// True if [`picture::prepare`] hands a picture with these facts on as it is.
    pub(super) fn takes_original(self, facts: &PictureFacts) -> bool {
        matches!(facts.format, PictureFormat::Jpeg | PictureFormat::Png) && facts.bytes <= self.limit
    }
}

/// The work was given up: true today, on this machine; not a fact about the picture to be remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GaveUp(String);

impl From<GaveUp> for PictureProblem {
    fn from(gave_up: GaveUp) -> Self {
        Self::Broken(gave_up.0)
    }
}

/// Runs picture work on blocking threads.
#[derive(Clone, Debug)]
pub(super) struct Decoding {
    slots: Arc<Semaphore>,
}

impl Decoding {
    pub(super) fn new() -> Self {
        let slots = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            slots: Arc::new(Semaphore::new(slots)),
        }
    }

    /// Checks a picture of the target.
    pub(super) async fn examine(&self, bytes: Bytes) -> Result<Content, GaveUp> {
        self.run(move || match picture::examine(&bytes) {
            Ok(facts) => Content::Sound(facts),
            Err(problem) => Content::Unsound(problem),
        })
        .await
    }

    /// Checks a photo of the source and finds out what would be uploaded for it.
    pub(super) async fn examine_source(
        &self,
        bytes: Bytes,
        form: UploadForm,
    ) -> Result<SourceContent, GaveUp> {
        let unsound = |problem| SourceContent {
            original: Content::Unsound(problem),
            prepared: None,
        };
        self.run(move || {
            let facts = match picture::examine(&bytes) {
                Ok(facts) => facts,
                Err(problem) => return unsound(problem),
            };
            match prepared_hash(&bytes, &facts, form) {
                Ok(prepared) => SourceContent {
                    original: Content::Sound(facts),
                    prepared,
                },
                Err(problem) => unsound(problem),
            }
        })
        .await
    }

    /// Examines a photo and puts it into the form in which it is uploaded.
    pub(super) async fn prepare(
        &self,
        bytes: Bytes,
        form: UploadForm,
    ) -> Result<Result<(PictureFacts, Prepared), PictureProblem>, GaveUp> {
        self.run(move || {
            let facts = picture::examine(&bytes)?;
            let prepared = picture::prepare(&bytes, facts.format, form.limit, form.side)?;
            Ok((facts, prepared))
        })
        .await
    }

    /// Draws a picture anew, small.
    pub(super) async fn thumbnail(&self, bytes: Bytes, side: u32) -> Result<Rendition, PictureProblem> {
        self.run(move || picture::thumbnail(&bytes, side)).await?
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, GaveUp> {
        self.run_within(TIME_LIMIT, work).await
    }

    /// Waits for a processor, then for the work. A decoder that exceeds its time cannot be stopped, so it keeps its
    /// processor until it ends: run-away decoders never pile up.
    async fn run_within<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, GaveUp> {
        let slot = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let working = tokio::task::spawn_blocking(move || {
            // Dropped when the work ends, even if it panics.
            let _slot = slot;
            work()
        });
        match tokio::time::timeout(limit, working).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err(GaveUp("the decoder failed".into())),
            Err(_) => Err(GaveUp(format!("not decoded within {} seconds", limit.as_secs()))),
        }
    }
}

/// SHA-256 of what would be uploaded, where that is not the original.
fn prepared_hash(
    bytes: &Bytes,
    facts: &PictureFacts,
    form: UploadForm,
) -> Result<Option<Sha256>, PictureProblem> {
    if form.takes_original(facts) {
        return Ok(None);
    }
    let prepared = picture::prepare(bytes, facts.format, form.limit, form.side)?;
    Ok((!prepared.is_original).then(|| Sha256::of(&prepared.bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_processor() -> Decoding {
        Decoding {
            slots: Arc::new(Semaphore::new(1)),
        }
    }

    #[tokio::test]
    async fn a_decoder_that_exceeds_its_time_is_given_up_but_keeps_its_processor() {
        let decoding = one_processor();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let stuck = decoding.run_within(Duration::from_millis(1), move || released.recv());
        assert!(stuck.await.is_err());
        assert_eq!(decoding.slots.available_permits(), 0);
        release.send(()).expect("still waiting");
        assert_eq!(decoding.run(|| 7).await, Ok(7), "the next one gets the processor");
        crate::tried("F9", 1);
    }

    #[tokio::test]
    async fn a_decoder_that_fails_is_a_problem_of_one_picture() {
        let decoding = one_processor();
        let failed = decoding
            .run(|| std::panic::resume_unwind(Box::new("a decoder's bug")))
            .await;
        assert_eq!(failed, Err::<(), _>(GaveUp("the decoder failed".into())));
        assert_eq!(decoding.run(|| 7).await, Ok(7));
        crate::tried("F9", 1);
    }
}
