//! Compares what both sides hold for one person and says it in one word and one sentence.
//!
//! What counts is the picture that the target *displays*. Damage in the chain behind it comes first, because a push
//! has to mend it; *unknown* is never *absent*.

use serde::{Deserialize, Serialize};

use super::pairing::{Ambiguity, MatchRule};
use super::photo::{AvatarChain, Column, Finding, Sha256, SourcePhoto, StoredPicture};
use super::picture::{PictureFacts, PictureProblem};
use super::scope::Exclusion;

/// The state of one person, in one word (`cli.md`, Verdicts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The target displays the source's photo, byte for byte.
    InSync,
    /// Other bytes, the same image.
    SamePicture,
    /// Different images.
    Differs,
    /// The source has a photo, the target displays none.
    Missing,
    /// The target displays one, the source has none.
    #[serde(rename = "only_in_servicenow")]
    OnlyInTarget,
    /// Neither side has one.
    Neither,
    /// The chain is damaged: dangling, duplicate rows, unreadable picture.
    Broken,
    /// No such person in the target.
    Unmatched,
    /// Several people might be meant.
    Ambiguous,
    /// Out of scope, by policy or by opt-out.
    Excluded,
    /// Not looked at deeply enough yet.
    Undecided,
    /// It could not be found out.
    Error,
}

impl Verdict {
    /// Every verdict, in the order in which reports list them.
    pub const ALL: [Self; 12] = [
        Self::InSync,
        Self::SamePicture,
        Self::Differs,
        Self::Missing,
        Self::OnlyInTarget,
        Self::Neither,
        Self::Broken,
        Self::Unmatched,
        Self::Ambiguous,
        Self::Excluded,
        Self::Undecided,
        Self::Error,
    ];

    /// The stable code in JSON and in filters.
    pub fn code(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::SamePicture => "same_picture",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::OnlyInTarget => "only_in_servicenow",
            Self::Neither => "neither",
            Self::Broken => "broken",
            Self::Unmatched => "unmatched",
            Self::Ambiguous => "ambiguous",
            Self::Excluded => "excluded",
            Self::Undecided => "undecided",
            Self::Error => "error",
        }
    }

    /// The words people read.
    pub fn words(self) -> &'static str {
        match self {
            Self::InSync => "in sync",
            Self::SamePicture => "same picture",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::OnlyInTarget => "only in ServiceNow",
            Self::Neither => "no photo",
            Self::Broken => "broken",
            Self::Unmatched => "unmatched",
            Self::Ambiguous => "ambiguous",
            Self::Excluded => "excluded",
            Self::Undecided => "undecided",
            Self::Error => "error",
        }
    }

    /// A one-cell symbol beside the word; the second one is for terminals that know ASCII alone.
    pub fn symbol(self) -> (char, char) {
        match self {
            Self::InSync => ('✓', '='),
            Self::SamePicture => ('≈', '~'),
            Self::Differs => ('≠', '#'),
            Self::Missing => ('+', '+'),
            Self::OnlyInTarget => ('◂', '<'),
            Self::Neither => ('·', '.'),
            Self::Broken => ('✗', 'x'),
            Self::Unmatched => ('?', '?'),
            Self::Ambiguous => ('⁇', '*'),
            Self::Excluded => ('–', '-'),
            Self::Undecided => ('…', ':'),
            Self::Error => ('!', '!'),
        }
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.code() == code)
    }

    /// True if the two sides are known to hold the same picture, or none.
    pub fn is_settled_and_equal(self) -> bool {
        matches!(self, Self::InSync | Self::SamePicture | Self::Neither)
    }

    /// True for what counts as a difference between the sides (`--exit-code`).
    pub fn is_difference(self) -> bool {
        matches!(
            self,
            Self::Differs | Self::Missing | Self::OnlyInTarget | Self::Broken
        )
    }
}

/// A verdict with its reason in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The word.
    pub verdict: Verdict,
    /// Why, without a full stop.
    pub reason: String,
}

impl Judgement {
    fn new(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self {
            verdict,
            reason: reason.into(),
        }
    }
}

/// What is known about a picture's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nobody has looked at them.
    Unseen,
    /// They are a sound picture.
    Sound(PictureFacts),
    /// They are not.
    Unsound(PictureProblem),
}

/// What is known about the source's photo beyond its stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceContent {
    /// The bytes as the source serves them.
    pub original: Content,
    /// SHA-256 of what would be uploaded, where that is not the original (`picture::prepare`).
    pub prepared: Option<Sha256>,
}

impl SourceContent {
    /// Nobody has looked at the bytes.
    pub const UNSEEN: Self = Self {
        original: Content::Unseen,
        prepared: None,
    };

    /// SHA-256 of the bytes a push would upload.
    pub fn upload_hash(&self) -> Option<Sha256> {
        match (&self.original, self.prepared) {
            (_, Some(prepared)) => Some(prepared),
            (Content::Sound(facts), None) => Some(facts.sha256),
            _ => None,
        }
    }

    fn equals(&self, hash: Sha256) -> bool {
        self.prepared == Some(hash) || matches!(&self.original, Content::Sound(facts) if facts.sha256 == hash)
    }
}

/// Judges one paired person in scope.
///
/// `displayed` is what is known about the bytes of the picture that `chain` serves; ignored if it serves none.
pub fn judge(
    source: &SourcePhoto,
    source_content: &SourceContent,
    chain: Option<&AvatarChain>,
    displayed: &Content,
) -> Judgement {
    let Some(chain) = chain else {
        return Judgement::new(
            Verdict::Undecided,
            "the avatar in ServiceNow has not been read yet",
        );
    };
    if let SourcePhoto::Unreadable(why) | SourcePhoto::OutOfReach(why) = source {
        return Judgement::new(
            Verdict::Error,
            format!("the photo in Entra ID cannot be read: {why}"),
        );
    }
    if let Content::Unsound(PictureProblem::Placeholder) = source_content.original {
        return judge(
            &SourcePhoto::Absent,
            &SourceContent::UNSEEN,
            Some(chain),
            displayed,
        );
    }
    if let Some(damage) = damage(chain, displayed) {
        return Judgement::new(Verdict::Broken, damage);
    }
    if let (SourcePhoto::Present(_), Content::Unsound(problem)) = (source, &source_content.original) {
        return Judgement::new(Verdict::Broken, format!("the photo in Entra ID {problem}"));
    }
    match (source, chain.served_picture()) {
        (SourcePhoto::Unknown, _) => Judgement::new(
            Verdict::Undecided,
            "the photo in Entra ID has not been asked for yet",
        ),
        (SourcePhoto::Unreadable(_) | SourcePhoto::OutOfReach(_) | SourcePhoto::Absent, None) => {
            Judgement::new(Verdict::Neither, "no photo in Entra ID, no avatar in ServiceNow")
        }
        (SourcePhoto::Unreadable(_) | SourcePhoto::OutOfReach(_) | SourcePhoto::Absent, Some(_)) => {
            Judgement::new(
                Verdict::OnlyInTarget,
                format!("no photo in Entra ID; ServiceNow shows one {}", from(chain)),
            )
        }
        (SourcePhoto::Present(_), None) => Judgement::new(
            Verdict::Missing,
            if chain.has(Finding::Unprefixed) {
                "ServiceNow shows no avatar; a picture is attached there, but not as one"
            } else {
                "ServiceNow shows no avatar"
            },
        ),
        (SourcePhoto::Present(_), Some(picture)) => compare(source_content, chain, picture, displayed),
    }
}

/// Both sides have a picture: are they the same?
fn compare(
    source: &SourceContent,
    chain: &AvatarChain,
    picture: &StoredPicture,
    displayed: &Content,
) -> Judgement {
    let target_hash = match displayed {
        Content::Sound(facts) => Some(facts.sha256),
        _ => picture.sha256,
    };
    if target_hash.is_some_and(|hash| source.equals(hash)) {
        let reason = if chain.has(Finding::Split) {
            format!(
                "ServiceNow shows the same picture {}; its other record holds another one",
                from(chain)
            )
        } else {
            format!("ServiceNow shows the same picture {}", from(chain))
        };
        return Judgement::new(Verdict::InSync, reason);
    }
    match (&source.original, displayed) {
        (Content::Sound(source), Content::Sound(target)) => {
            let distance = source.fingerprint.distance(&target.fingerprint);
            if source.fingerprint.is_same_picture(&target.fingerprint) {
                Judgement::new(
                    Verdict::SamePicture,
                    format!("the same picture in other bytes ({distance} of 64 bits apart)"),
                )
            } else {
                Judgement::new(
                    Verdict::Differs,
                    format!(
                        "different pictures ({distance} of 64 bits apart), shown {}",
                        from(chain)
                    ),
                )
            }
        }
        _ => Judgement::new(
            Verdict::Undecided,
            "both sides have a picture; their bytes have not been compared yet",
        ),
    }
}

/// What is damaged in the chain, worst first.
fn damage(chain: &AvatarChain, displayed: &Content) -> Option<String> {
    if chain.has(Finding::DanglingColumn) {
        let place = chain
            .records
            .iter()
            .find(|record| matches!(&record.column, Column::Names(id) if chain.picture(id).is_none()));
        let place = place.map_or("a record", |record| record.place.0);
        return Some(format!(
            "the photo column of {place} names a picture that is gone"
        ));
    }
    if let (Content::Unsound(problem), Some(_)) = (displayed, &chain.served) {
        return Some(format!("the avatar in ServiceNow {problem}"));
    }
    if chain.has(Finding::Quarantined)
        && chain
            .served_picture()
            .is_some_and(|picture| picture.scan == super::photo::Scan::Quarantined)
    {
        return Some("the avatar in ServiceNow did not pass its virus scan".into());
    }
    if chain.has(Finding::BadType) {
        return Some("the avatar in ServiceNow is stored as something that is no picture".into());
    }
    if chain.has(Finding::DuplicateProfile) {
        return Some("more than one live_profile record; the oldest counts".into());
    }
    if chain.has(Finding::DuplicateImage) {
        return Some("more than one picture is stored at one record".into());
    }
    None
}

fn from(chain: &AvatarChain) -> String {
    chain
        .served
        .as_ref()
        .map_or_else(String::new, |served| format!("from {}", served.place))
}

/// Judges somebody who has no place in the comparison.
pub fn judge_unpaired(why: &Unpaired) -> Judgement {
    match why {
        Unpaired::Excluded(exclusion) => Judgement::new(Verdict::Excluded, exclusion.sentence()),
        Unpaired::Unmatched { rules } => {
            let tried: Vec<&str> = rules.iter().map(|rule| rule.words()).collect();
            Judgement::new(
                Verdict::Unmatched,
                format!("nobody in ServiceNow's scope has the same {}", either(&tried)),
            )
        }
        Unpaired::Ambiguous(Ambiguity::SeveralTargets { rule, candidates }) => Judgement::new(
            Verdict::Ambiguous,
            format!("{} ServiceNow users have this {}", candidates.len(), rule.words()),
        ),
        Unpaired::Ambiguous(Ambiguity::ClaimedTwice { rule, other, .. }) => Judgement::new(
            Verdict::Ambiguous,
            format!(
                "matches a ServiceNow user by {}, but so does {other} in Entra ID",
                rule.words()
            ),
        ),
    }
}

/// "a, b or c".
fn either(words: &[&str]) -> String {
    match words {
        [] => "key".into(),
        [one] => (*one).into(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Why a source person takes no part in the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpaired {
    /// Left out by scope.
    Excluded(Exclusion),
    /// Nobody in the target.
    Unmatched {
        /// The rules that were tried.
        rules: Vec<MatchRule>,
    },
    /// Several might be meant.
    Ambiguous(Ambiguity),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{PictureId, RecordId};
    use crate::domain::photo::{AvatarRecord, PhotoStamp, PictureForm, Place, Scan, Served};
    use crate::domain::picture::{Fingerprint, PictureFormat};

    fn present() -> SourcePhoto {
        SourcePhoto::Present(PhotoStamp {
            etag: Some("W/\"1\"".into()),
            width: 360,
            height: 360,
            content_type: "image/jpeg".into(),
        })
    }

    fn facts(seed: u8) -> PictureFacts {
        PictureFacts {
            sha256: Sha256::of(&[seed]),
            bytes: 100,
            format: PictureFormat::Jpeg,
            width: 360,
            height: 360,
            fingerprint: Fingerprint {
                bits: u64::from(seed) * 0x0101_0101_0101_0101,
                colours: [[seed; 3]; 16],
                shades: 16,
            },
        }
    }

    fn seen(seed: u8) -> SourceContent {
        SourceContent {
            original: Content::Sound(facts(seed)),
            prepared: None,
        }
    }

    fn chain_with(seed: Option<u8>, findings: &[Finding]) -> AvatarChain {
        let picture = seed.map(|seed| StoredPicture {
            id: PictureId::new("a1"),
            form: PictureForm::ImageField,
            file_name: "photo".into(),
            sha256: Some(Sha256::of(&[seed])),
            bytes: 100,
            content_type: "image/jpeg".into(),
            scan: Scan::Available,
            created_at: None,
            created_by: None,
        });
        AvatarChain {
            served: picture.as_ref().map(|picture| Served {
                place: Place::LIVE_PROFILE,
                record: RecordId::new("p1"),
                picture: picture.id.clone(),
            }),
            records: vec![AvatarRecord {
                place: Place::LIVE_PROFILE,
                id: RecordId::new("p1"),
                column: Column::Empty,
                pictures: picture.into_iter().collect(),
            }],
            findings: findings.to_vec(),
        }
    }

    fn verdict(
        source: &SourcePhoto,
        content: &SourceContent,
        chain: &AvatarChain,
        shown: &Content,
    ) -> Verdict {
        judge(source, content, Some(chain), shown).verdict
    }

    #[test]
    fn equal_hashes_are_in_sync_without_any_download_from_the_target() {
        let chain = chain_with(Some(1), &[]);
        assert_eq!(
            verdict(&present(), &seen(1), &chain, &Content::Unseen),
            Verdict::InSync
        );
    }

    #[test]
    fn a_converted_upload_is_in_sync_with_its_original() {
        let content = SourceContent {
            prepared: Some(Sha256::of(&[9])),
            ..seen(1)
        };
        let chain = chain_with(Some(9), &[]);
        assert_eq!(
            verdict(&present(), &content, &chain, &Content::Unseen),
            Verdict::InSync
        );
    }

    #[test]
    fn unseen_bytes_are_undecided_never_different() {
        let chain = chain_with(Some(2), &[]);
        for (content, shown) in [
            (SourceContent::UNSEEN, Content::Unseen),
            (seen(1), Content::Unseen),
            (SourceContent::UNSEEN, Content::Sound(facts(2))),
        ] {
            assert_eq!(verdict(&present(), &content, &chain, &shown), Verdict::Undecided);
        }
    }

    #[test]
    fn seen_bytes_decide_between_the_same_picture_and_another() {
        let chain = chain_with(Some(2), &[]);
        let mut again = facts(2);
        again.fingerprint = facts(1).fingerprint;
        assert_eq!(
            verdict(&present(), &seen(1), &chain, &Content::Sound(again)),
            Verdict::SamePicture
        );
        assert_eq!(
            verdict(&present(), &seen(1), &chain, &Content::Sound(facts(2))),
            Verdict::Differs
        );
    }

    #[test]
    fn an_absence_is_only_what_was_seen_as_one() {
        let empty = chain_with(None, &[]);
        let full = chain_with(Some(1), &[]);
        let unseen = (SourceContent::UNSEEN, Content::Unseen);
        for (source, chain, expected) in [
            (SourcePhoto::Absent, &empty, Verdict::Neither),
            (SourcePhoto::Absent, &full, Verdict::OnlyInTarget),
            (SourcePhoto::Unknown, &empty, Verdict::Undecided),
            (SourcePhoto::Unknown, &full, Verdict::Undecided),
            (
                SourcePhoto::Unreadable("mailbox is on premises".into()),
                &full,
                Verdict::Error,
            ),
            (present(), &empty, Verdict::Missing),
        ] {
            assert_eq!(
                verdict(&source, &unseen.0, chain, &unseen.1),
                expected,
                "{source:?}"
            );
        }
        assert_eq!(
            judge(&present(), &unseen.0, None, &unseen.1).verdict,
            Verdict::Undecided
        );
    }

    #[test]
    fn damage_in_the_chain_comes_first() {
        for finding in [
            Finding::DanglingColumn,
            Finding::DuplicateImage,
            Finding::DuplicateProfile,
            Finding::BadType,
        ] {
            let chain = chain_with(Some(1), &[finding]);
            assert_eq!(
                verdict(&present(), &seen(1), &chain, &Content::Unseen),
                Verdict::Broken,
                "{finding:?}"
            );
        }
    }

    #[test]
    fn what_is_merely_odd_is_not_broken() {
        for finding in [
            Finding::Split,
            Finding::NoProfile,
            Finding::Unprefixed,
            Finding::NoHash,
            Finding::NotScanned,
        ] {
            let chain = chain_with(Some(1), &[finding]);
            assert_eq!(
                verdict(&present(), &seen(1), &chain, &Content::Unseen),
                Verdict::InSync,
                "{finding:?}"
            );
        }
    }

    #[test]
    fn an_unreadable_picture_on_either_side_is_broken() {
        let cut = Content::Unsound(PictureProblem::Truncated);
        let chain = chain_with(Some(1), &[]);
        assert_eq!(verdict(&present(), &seen(2), &chain, &cut), Verdict::Broken);
        let cut = SourceContent {
            original: cut,
            prepared: None,
        };
        assert_eq!(
            verdict(&present(), &cut, &chain, &Content::Unseen),
            Verdict::Broken
        );
    }

    #[test]
    fn a_placeholder_in_the_source_counts_as_no_photo() {
        let placeholder = SourceContent {
            original: Content::Unsound(PictureProblem::Placeholder),
            prepared: None,
        };
        assert_eq!(
            verdict(&present(), &placeholder, &chain_with(None, &[]), &Content::Unseen),
            Verdict::Neither
        );
    }

    #[test]
    fn codes_are_those_of_the_command_line() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).expect("plain"), verdict.code());
            assert_eq!(Verdict::from_code(verdict.code()), Some(verdict));
        }
    }
}
