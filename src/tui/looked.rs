//! What a fresh look at one person means for the screen: sentences and captions.

use bytes::Bytes;
use jiff::Timestamp;

use super::message::Subject;
use crate::domain::comparison::{Content, Verdict};
use crate::domain::photo::{AvatarChain, Finding, Place, Sha256, SourcePhoto, StoredPicture};
use crate::domain::picture::{PictureFacts, PictureFormat};
use crate::domain::text::clean;
use crate::engine::{Look, SidePicture};
use crate::report::text::size;

/// One person as the panels show them.
#[derive(Clone, Debug)]
pub struct PersonLook {
    /// When.
    pub at: Timestamp,
    /// The verdict and its reason; `None` for somebody who is not paired.
    pub judgement: Option<(Verdict, String)>,
    /// Whether both pictures could be had.
    pub is_whole: bool,
    /// The source's side.
    pub source: Side,
    /// The target's side.
    pub target: Side,
    /// The chain, link by link; empty where it was not read.
    pub chain: Vec<Link>,
    /// How alike both pictures are, in words.
    pub similarity: Option<String>,
    /// What a push would do, in words.
    pub push: String,
}

/// One side.
#[derive(Clone, Debug)]
pub struct Side {
    /// What is to be seen.
    pub picture: SideView,
    /// Lines below it.
    pub caption: Vec<String>,
}

/// What is to be seen on one side.
#[derive(Clone, Debug)]
pub enum SideView {
    /// A picture.
    Picture {
        /// SHA-256 of its bytes.
        hash: Sha256,
        /// Its bytes as the service sent them, unless they were let go to save memory.
        bytes: Option<Bytes>,
    },
    /// No picture.
    Absent,
    /// None that can be shown; why.
    Explained(String),
}

/// One link of the chain from the record to what is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which record: `live_profile`, `sys_user`.
    pub place: Place,
    /// What hangs there, in words.
    pub words: String,
    /// Its picture is the one that is displayed.
    pub wins: bool,
    /// It is damaged.
    pub is_broken: bool,
}

impl Side {
    /// What would draw its picture, if there is one.
    pub fn subject(&self) -> Option<Subject> {
        match &self.picture {
            SideView::Picture { hash, .. } => Some(Subject::Picture(*hash)),
            SideView::Absent | SideView::Explained(_) => None,
        }
    }

    /// The bytes of its picture, if there is one and they are still held.
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.picture {
            SideView::Picture { bytes, .. } => bytes.as_ref(),
            SideView::Absent | SideView::Explained(_) => None,
        }
    }

    /// Lets the bytes go; what they were is still known.
    fn let_bytes_go(&mut self) {
        if let SideView::Picture { bytes, .. } = &mut self.picture {
            *bytes = None;
        }
    }
}

impl PersonLook {
    /// Bytes of pictures that it holds.
    pub fn held(&self) -> usize {
        [&self.source, &self.target]
            .into_iter()
            .filter_map(|side| side.bytes())
            .map(Bytes::len)
            .sum()
    }

    /// The same without the bytes of the pictures.
    #[must_use]
    pub fn without_bytes(&self) -> Self {
        let mut slim = self.clone();
        slim.source.let_bytes_go();
        slim.target.let_bytes_go();
        slim
    }

    /// Puts what was seen into words.
    pub fn of(look: &Look, at: Timestamp) -> Self {
        Self {
            at,
            judgement: look
                .judgement
                .as_ref()
                .map(|judgement| (judgement.verdict, clean(&judgement.reason).into_owned())),
            is_whole: look.is_whole(),
            source: source_side(look),
            target: target_side(look),
            chain: look.chain.as_ref().map(links).unwrap_or_default(),
            similarity: similarity(look),
            push: push(look),
        }
    }
}

fn facts(content: &Content) -> Option<&PictureFacts> {
    match content {
        Content::Sound(facts) => Some(facts),
        Content::Unseen | Content::Unsound(_) => None,
    }
}

/// "360×360 JPEG · 21 KB".
fn measures(facts: &PictureFacts) -> String {
    format!(
        "{}x{} {}, {}",
        facts.width,
        facts.height,
        facts.format.name(),
        size(facts.bytes)
    )
}

fn view(side: &SidePicture, content: &Content, what: &str) -> SideView {
    match (side, content) {
        (SidePicture::Absent, _) => SideView::Absent,
        (SidePicture::Failed(why), _) => SideView::Explained(clean(why).into_owned()),
        (SidePicture::Bytes(_), Content::Unsound(problem)) => {
            SideView::Explained(format!("the {what} {problem}"))
        }
        (SidePicture::Bytes(bytes), _) => SideView::Picture {
            hash: Sha256::of(bytes),
            bytes: Some(bytes.clone()),
        },
    }
}

fn source_side(look: &Look) -> Side {
    let picture = view(&look.source, &look.content.original, "photo");
    let mut caption = Vec::new();
    match (facts(&look.content.original), &look.source) {
        (Some(facts), _) => caption.push(measures(facts)),
        (None, SidePicture::Bytes(bytes)) => caption.push(unreadable(bytes)),
        (None, SidePicture::Absent) => caption.push("no photo".into()),
        (None, SidePicture::Failed(_)) => caption.push("not readable".into()),
    }
    if let SourcePhoto::Present(stamp) = &look.photo
        && let Some(etag) = &stamp.etag
    {
        let etag = clean(etag.trim_start_matches("W/").trim_matches('"')).into_owned();
        caption.push(format!("version {etag}"));
    }
    Side { picture, caption }
}

fn target_side(look: &Look) -> Side {
    let picture = view(&look.target, &look.displayed, "avatar");
    let mut caption = Vec::new();
    match (facts(&look.displayed), &look.target) {
        (Some(facts), _) => caption.push(measures(facts)),
        (None, SidePicture::Bytes(bytes)) => caption.push(unreadable(bytes)),
        (None, SidePicture::Absent) => caption.push("no avatar".into()),
        (None, SidePicture::Failed(_)) => caption.push("not readable".into()),
    }
    if let Some(chain) = &look.chain
        && let (Some(served), Some(stored)) = (&chain.served, chain.served_picture())
    {
        caption.push(format!("from {}", served.place.0));
        let created = stored.created_at.map(|at| at.strftime("%Y-%m-%d").to_string());
        let by = stored.created_by.as_ref().map(|by| format!("by {}", by.shown()));
        let when: Vec<String> = [created, by].into_iter().flatten().collect();
        if !when.is_empty() {
            caption.push(when.join(" "));
        }
    }
    Side { picture, caption }
}

fn unreadable(bytes: &Bytes) -> String {
    let kind = PictureFormat::sniff(bytes).map_or("no picture", PictureFormat::name);
    format!("{kind}, {}", size(bytes.len() as u64))
}

fn links(chain: &AvatarChain) -> Vec<Link> {
    chain
        .records
        .iter()
        .map(|record| {
            let wins = chain
                .served
                .as_ref()
                .is_some_and(|served| served.record == record.id);
            let is_broken = match &record.column {
                crate::domain::photo::Column::Names(id) => chain.picture(id).is_none(),
                _ => false,
            };
            let mut parts = Vec::new();
            if is_broken {
                parts.push("names a picture that is gone".to_owned());
            }
            match record.pictures.len() {
                0 if !is_broken => parts.push("no picture".into()),
                0 => {}
                1 => parts.push(picture_words(&record.pictures[0])),
                count => parts.push(format!("{count} pictures")),
            }
            Link {
                place: record.place,
                words: parts.join("; "),
                wins,
                is_broken,
            }
        })
        .collect()
}

fn picture_words(picture: &StoredPicture) -> String {
    let kind = picture.content_type.shown();
    let kind = kind.strip_prefix("image/").unwrap_or(&kind).to_uppercase();
    format!("{kind}, {}", size(picture.bytes))
}

fn similarity(look: &Look) -> Option<String> {
    let (source, target) = (facts(&look.content.original)?, facts(&look.displayed)?);
    let distance = source.fingerprint.distance(&target.fingerprint);
    Some(if source.sha256 == target.sha256 {
        "the same bytes".into()
    } else if look.content.prepared == Some(target.sha256) {
        "the same picture, converted as it is pushed".into()
    } else {
        let likeness = source.fingerprint.likeness(&target.fingerprint);
        format!("{likeness} % alike, {distance} of 64 bits apart")
    })
}

fn push(look: &Look) -> String {
    let Some(judgement) = &look.judgement else {
        return "nothing, nobody in ServiceNow to push to".into();
    };
    let words = match judgement.verdict {
        Verdict::InSync => "nothing, it is right",
        Verdict::SamePicture => "nothing, it is the same picture",
        Verdict::Missing => "add the photo",
        Verdict::Differs => "replace the avatar by the photo",
        Verdict::Broken => match &look.photo {
            SourcePhoto::Present(_) if facts(&look.content.original).is_some() => "mend it with the photo",
            SourcePhoto::Present(_) => "nothing, the photo cannot be used",
            _ => "nothing, no photo to mend it with",
        },
        Verdict::OnlyInTarget => "nothing, unless removals are switched on",
        Verdict::Neither => "nothing, there is no photo",
        Verdict::Undecided => "first compare both pictures",
        Verdict::Error => "nothing as long as this cannot be read",
        Verdict::Unmatched | Verdict::Ambiguous | Verdict::Excluded => "nothing",
    };
    let split = look.chain.as_ref().is_some_and(|chain| chain.has(Finding::Split));
    if split && judgement.verdict == Verdict::Differs {
        return format!("{words}, in both records");
    }
    words.into()
}
