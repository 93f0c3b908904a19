//! What is wrong with somebody's picture, in one stable word.

use super::StepKind;

/// The one thing that decides, and whatever else was seen (`servicenow.md` 1.7; `entra.md` 1.6, 1.7, 8.2).
///
/// The order is the weight: of several causes the first of [`Cause::ALL`] decides. It follows the photo's way: whoever
/// is left out has no other trouble, a photo that cannot be read hides what is behind it, damage comes before
/// difference, and oddities that nobody sees come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The person exists in the target alone.
    NotInEntra,
    /// On the opt-out list.
    OptedOut,
    /// A guest, and guests are not considered.
    Guest,
    /// Sign-in is disabled, and such accounts are not considered.
    Disabled,
    /// In none of the included groups.
    NotInGroups,
    /// In an excluded group.
    InExcludedGroup,
    /// Several people in the target might be meant.
    Ambiguous,
    /// Somebody else in the source matches the same person in the target.
    ClaimedTwice,
    /// The only match in the target is inactive, and so out of scope.
    InactiveUser,
    /// The only match in the target is out of scope for another reason, like a missing e-mail address.
    OutOfScope,
    /// Nobody in the target has any of this person's keys.
    Unmatched,
    /// The target could not be read.
    ChainUnreadable,
    /// The mailbox is not in Exchange Online, so the source cannot tell whether there is a photo.
    MailboxOnPremises,
    /// The photo could not be read.
    PhotoUnreadable,
    /// The target displays bytes that are no picture: an error message or a page stored as one.
    ErrorBody,
    /// The picture displayed by the target ends in the middle or cannot be decoded.
    StoredPictureUnsound,
    /// The picture displayed by the target did not pass its virus scan.
    Quarantined,
    /// The bytes of the picture displayed by the target could not be had.
    StoredPictureUnreadable,
    /// A column names a picture that is gone.
    DanglingColumn,
    /// A column names a picture that is stored at somebody else's record.
    ForeignPicture,
    /// The picture is stored as a type that the target does not show.
    BadType,
    /// Several profile records.
    DuplicateProfile,
    /// Several image rows at one record.
    DuplicateImage,
    /// What the target says it displays is not what its precedence predicts.
    AvatarMismatch,
    /// The photo in the source is a placeholder, which counts as none.
    Placeholder,
    /// The photo in the source ends in the middle.
    PhotoTruncated,
    /// The photo in the source cannot be decoded, is too large, or is no picture.
    PhotoUnsound,
    /// This program stored the picture, and it is gone.
    RemovedMeanwhile,
    /// A picture is attached, but in a form that is no avatar.
    Unprefixed,
    /// Nothing is stored in the target.
    Missing,
    /// The person put a picture there themselves.
    ChosenByPerson,
    /// This program stored the photo, and somebody has put another picture there since.
    Overwritten,
    /// The user record holds the right picture, but the profile holds another one and wins.
    ShadowedByProfile,
    /// The target displays another picture than the source has.
    Outdated,
    /// The target displays a picture, the source has none.
    OnlyInServiceNow,
    /// A picture waits for the virus scan.
    NotScanned,
    /// A thumbnail shows another picture than the one it belongs to.
    StaleThumbnail,
    /// A rule of the instance copied the picture from one record to the other.
    MirrorRule,
    /// Profile and user record hold different pictures; the right one wins.
    Split,
    /// One stored picture is named by two columns; whoever deletes it breaks both.
    SharedAttachment,
    /// The account in the target is locked out.
    LockedOut,
    /// The same picture in other bytes.
    Reencoded,
    /// No profile record; the picture is the user record's.
    NoProfile,
    /// Only the user record has a picture.
    UserOnly,
    /// Only the profile has a picture.
    ProfileOnly,
    /// The picture's row states no hash, so its bytes have to be compared.
    NoHash,
    /// The avatar is an ordinary attachment that a column names, as the well-known article stores it.
    StoredAsAttachment,
    /// Sign-in name and e-mail address differ.
    MailDiffers,
    /// Neither side has a picture.
    NoPhoto,
    /// Nothing is wrong.
    NothingWrong,
}

/// How much a cause matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// It may decide.
    Deciding,
    /// It is worth a line, but whoever has nothing else is all right.
    Remark,
}

struct Row {
    code: &'static str,
    words: &'static str,
    step: StepKind,
    weight: Weight,
}

const fn row(code: &'static str, step: StepKind, words: &'static str) -> Row {
    Row {
        code,
        words,
        step,
        weight: Weight::Deciding,
    }
}

const fn remark(code: &'static str, step: StepKind, words: &'static str) -> Row {
    Row {
        code,
        words,
        step,
        weight: Weight::Remark,
    }
}

impl Cause {
    /// Every cause, the weightiest first.
    pub const ALL: [Self; 50] = [
        Self::NotInEntra,
        Self::OptedOut,
        Self::Guest,
        Self::Disabled,
        Self::NotInGroups,
        Self::InExcludedGroup,
        Self::Ambiguous,
        Self::ClaimedTwice,
        Self::InactiveUser,
        Self::OutOfScope,
        Self::Unmatched,
        Self::ChainUnreadable,
        Self::MailboxOnPremises,
        Self::PhotoUnreadable,
        Self::ErrorBody,
        Self::StoredPictureUnsound,
        Self::Quarantined,
        Self::StoredPictureUnreadable,
        Self::DanglingColumn,
        Self::ForeignPicture,
        Self::BadType,
        Self::DuplicateProfile,
        Self::DuplicateImage,
        Self::AvatarMismatch,
        Self::Placeholder,
        Self::PhotoTruncated,
        Self::PhotoUnsound,
        Self::RemovedMeanwhile,
        Self::Unprefixed,
        Self::Missing,
        Self::ChosenByPerson,
        Self::Overwritten,
        Self::ShadowedByProfile,
        Self::Outdated,
        Self::OnlyInServiceNow,
        Self::NotScanned,
        Self::StaleThumbnail,
        Self::MirrorRule,
        Self::Split,
        Self::SharedAttachment,
        Self::LockedOut,
        Self::Reencoded,
        Self::NoProfile,
        Self::UserOnly,
        Self::ProfileOnly,
        Self::NoHash,
        Self::StoredAsAttachment,
        Self::MailDiffers,
        Self::NoPhoto,
        Self::NothingWrong,
    ];

    /// The stable code in JSON.
    pub fn code(self) -> &'static str {
        self.row().code
    }

    /// The words people read.
    pub fn words(self) -> &'static str {
        self.row().words
    }

    /// The step in which it shows.
    pub fn step(self) -> StepKind {
        self.row().step
    }

    /// True if it may decide; the others are remarks about somebody who is all right.
    pub fn can_decide(self) -> bool {
        self.row().weight == Weight::Deciding
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.code() == code)
    }

    fn row(self) -> Row {
        use StepKind::{Chain, FoundInSource, MatchedInTarget, PhotoInSource};
        match self {
            Self::NotInEntra => row("not_in_entra", FoundInSource, "nobody in Entra ID matches"),
            Self::OptedOut => row("opted_out", FoundInSource, "on the opt-out list"),
            Self::Guest => row("guest", FoundInSource, "a guest account"),
            Self::Disabled => row("disabled", FoundInSource, "the account is disabled in Entra ID"),
            Self::NotInGroups => row("not_in_groups", FoundInSource, "in none of the included groups"),
            Self::InExcludedGroup => row("in_excluded_group", FoundInSource, "in an excluded group"),
            Self::Ambiguous => row(
                "ambiguous",
                MatchedInTarget,
                "several ServiceNow users might be meant",
            ),
            Self::ClaimedTwice => row(
                "claimed_twice",
                MatchedInTarget,
                "somebody else in Entra ID matches the same ServiceNow user",
            ),
            Self::InactiveUser => row(
                "inactive_user",
                MatchedInTarget,
                "the ServiceNow user is inactive",
            ),
            Self::OutOfScope => row(
                "out_of_scope",
                MatchedInTarget,
                "the ServiceNow user is not in the configured scope",
            ),
            Self::Unmatched => row("unmatched", MatchedInTarget, "nobody in ServiceNow matches"),
            Self::ChainUnreadable => row("chain_unreadable", Chain, "ServiceNow could not be read"),
            Self::MailboxOnPremises => row(
                "mailbox_on_premises",
                PhotoInSource,
                "the mailbox is not in Exchange Online",
            ),
            Self::PhotoUnreadable => row(
                "photo_unreadable",
                PhotoInSource,
                "the photo in Entra ID could not be read",
            ),
            Self::ErrorBody => row("error_body", Chain, "what is stored as the avatar is no picture"),
            Self::StoredPictureUnsound => row(
                "stored_picture_unsound",
                Chain,
                "the stored avatar cannot be decoded",
            ),
            Self::Quarantined => row("quarantined", Chain, "the avatar did not pass the virus scan"),
            Self::StoredPictureUnreadable => row(
                "stored_picture_unreadable",
                Chain,
                "the stored avatar could not be downloaded",
            ),
            Self::DanglingColumn => row(
                "dangling_column",
                Chain,
                "a photo column names a picture that is gone",
            ),
            Self::ForeignPicture => row(
                "foreign_picture",
                Chain,
                "a photo column names a picture stored at another record",
            ),
            Self::BadType => row(
                "bad_type",
                Chain,
                "the avatar is stored as a type that is not shown",
            ),
            Self::DuplicateProfile => row("dup_profile", Chain, "more than one live_profile record"),
            Self::DuplicateImage => row("dup_image", Chain, "more than one picture at one record"),
            Self::AvatarMismatch => row(
                "avatar_mismatch",
                Chain,
                "ServiceNow displays another picture than its own precedence predicts",
            ),
            Self::Placeholder => row("placeholder", PhotoInSource, "the photo is a placeholder"),
            Self::PhotoTruncated => row(
                "photo_truncated",
                PhotoInSource,
                "the photo in Entra ID ends in the middle",
            ),
            Self::PhotoUnsound => row(
                "photo_unsound",
                PhotoInSource,
                "the photo in Entra ID cannot be used",
            ),
            Self::RemovedMeanwhile => row(
                "removed_meanwhile",
                Chain,
                "avatar-sync stored the picture, and it was removed since",
            ),
            Self::Unprefixed => row(
                "unprefixed",
                Chain,
                "a picture is attached, but not in the form of an avatar",
            ),
            Self::Missing => row("missing", Chain, "ServiceNow has no picture"),
            Self::ShadowedByProfile => row(
                "shadowed_by_profile",
                Chain,
                "sys_user has the right picture, but live_profile has another one and wins",
            ),
            Self::Overwritten => row(
                "overwritten",
                Chain,
                "avatar-sync stored the photo, and somebody stored another picture since",
            ),
            Self::ChosenByPerson => row(
                "chosen_by_person",
                Chain,
                "the person stored another picture in ServiceNow",
            ),
            Self::Outdated => row("outdated", Chain, "ServiceNow shows another picture"),
            Self::OnlyInServiceNow => row(
                "only_in_servicenow",
                PhotoInSource,
                "ServiceNow shows a picture, Entra ID has none",
            ),
            Self::NotScanned => row("not_scanned", Chain, "the picture waits for the virus scan"),
            Self::StaleThumbnail => row("stale_thumbnail", Chain, "a thumbnail shows another picture"),
            Self::MirrorRule => row(
                "mirror_rule",
                Chain,
                "a rule of the instance copies pictures between live_profile and sys_user",
            ),
            Self::Split => row(
                "split",
                Chain,
                "live_profile and sys_user hold different pictures",
            ),
            Self::SharedAttachment => row("shared_attachment", Chain, "two columns name one attachment"),
            Self::LockedOut => remark(
                "locked_out",
                MatchedInTarget,
                "the ServiceNow account is locked out",
            ),
            Self::Reencoded => row("reencoded", Chain, "the same picture in other bytes"),
            Self::NoProfile => remark("no_profile", Chain, "no live_profile record"),
            Self::UserOnly => remark("user_only", Chain, "only sys_user has a picture"),
            Self::ProfileOnly => remark("profile_only", Chain, "only live_profile has a picture"),
            Self::NoHash => remark("no_hash", Chain, "the stored picture states no hash"),
            Self::StoredAsAttachment => remark(
                "stored_as_attachment",
                Chain,
                "the avatar is an ordinary attachment that a column names",
            ),
            Self::MailDiffers => remark(
                "mail_differs",
                FoundInSource,
                "the sign-in name is not the e-mail address",
            ),
            Self::NoPhoto => row("no_photo", PhotoInSource, "no picture on either side"),
            Self::NothingWrong => row("nothing_wrong", Chain, "nothing is wrong"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_listed_once_in_the_order_of_its_weight_and_has_a_code_of_its_own() {
        let mut sorted = Cause::ALL;
        sorted.sort();
        assert_eq!(sorted, Cause::ALL);
        for cause in Cause::ALL {
            assert_eq!(Cause::from_code(cause.code()), Some(cause));
            let is_plain = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            assert!(cause.code().chars().all(is_plain), "{cause:?}");
        }
    }
}
