//! The kinds of people an invented tenant is made of, and what a program should say about each.

/// One kind of person (`sandbox.md`, "Invented people").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// A short name, unique, for tables and tests.
    pub name: &'static str,
    /// What is special about these people, in words for an administrator.
    pub what: &'static str,
    /// The verdict code of `cli.md` that a deep status with default settings comes to: scope
    /// `active=true^emailISNOTEMPTY`, guests and disabled accounts excluded, matched by object id, employee number,
    /// UPN, then mail.
    pub verdict: &'static str,
    /// The codes of the causes that `explain` may name for these people, with default settings; one, but for kinds that
    /// come in two ways.
    pub causes: &'static [&'static str],
    /// True if their Entra photo is probably not their own, and a push of it waits for a confirmation.
    pub is_suspicious: bool,
    /// How many of 10,000 people are of this kind. What is missing to 10,000 is ordinary.
    pub(super) share: u32,
    /// They come in groups of so many, because their pictures have to do with each other.
    pub(super) group: usize,
    pub(super) case: Case,
}

/// What the generator does for a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Case {
    Ordinary,
    Missing,
    Differs,
    Neither,
    OnlyInServiceNow,
    Reencoded,
    Resized,
    Unmatched,
    Ambiguous,
    Guest,
    Disabled,
    Leaver,
    MailDiffers,
    Renamed,
    SplitServedRight,
    SplitServedWrong,
    StaleThumbnail,
    DanglingColumn,
    OrphanAttachment,
    DuplicateImages,
    TwoProfiles,
    SeedArticle,
    ErrorBody,
    TruncatedPhoto,
    BlankGif,
    BlankGifOverAvatar,
    PngPhoto,
    ProgressivePhoto,
    CmykPhoto,
    TurnedPhoto,
    DeepPngPhoto,
    OldAttachment,
    PlusInUpn,
    HashInUpn,
    NameMarks,
    NameRightToLeft,
    NameWide,
    NameEmoji,
    NameControls,
    OnPremisesMailbox,
    Logo,
    BlankPhoto,
    SharedPhoto,
    SwappedPhotos,
    ShownForAnother,
    ShowsAnother,
}

const fn kind(
    name: &'static str,
    verdict: &'static str,
    causes: &'static [&'static str],
    share: u32,
    case: Case,
    what: &'static str,
) -> Kind {
    Kind {
        name,
        what,
        verdict,
        causes,
        is_suspicious: false,
        share,
        group: 1,
        case,
    }
}

impl Kind {
    /// People of this kind have a photo that is probably not their own.
    const fn suspicious(self) -> Self {
        Self {
            is_suspicious: true,
            ..self
        }
    }

    /// They come in groups of so many.
    const fn in_groups_of(self, group: usize) -> Self {
        Self { group, ..self }
    }
}

/// Every kind, the commonest first. A tenant of fifty people or more has all of them; a smaller one has as many as fit,
/// from the top, but for the last ones, whose pictures have to do with each other: they come all together or not at all.
pub const KINDS: &[Kind] = &[
    kind(
        "ordinary",
        "in_sync",
        &["nothing_wrong"],
        0,
        Case::Ordinary,
        "The Entra photo is what ServiceNow serves, byte for byte",
    ),
    kind(
        "missing",
        "missing",
        &["missing"],
        800,
        Case::Missing,
        "A photo in Entra, nothing in ServiceNow",
    ),
    kind(
        "differs",
        "differs",
        &["outdated"],
        760,
        Case::Differs,
        "ServiceNow still shows an older photo",
    ),
    kind(
        "neither",
        "neither",
        &["no_photo"],
        640,
        Case::Neither,
        "No photo on either side",
    ),
    kind(
        "only_in_servicenow",
        "only_in_servicenow",
        &["only_in_servicenow"],
        240,
        Case::OnlyInServiceNow,
        "An avatar in ServiceNow, no photo in Entra",
    ),
    kind(
        "reencoded",
        "same_picture",
        &["reencoded"],
        120,
        Case::Reencoded,
        "The same picture, saved again at a lower quality",
    ),
    kind(
        "resized",
        "same_picture",
        &["reencoded"],
        120,
        Case::Resized,
        "The same picture, scaled down on the way",
    ),
    kind(
        "unmatched",
        "unmatched",
        &["unmatched", "out_of_scope"],
        160,
        Case::Unmatched,
        "No ServiceNow user, or one without an e-mail address",
    ),
    kind(
        "ambiguous",
        "ambiguous",
        &["ambiguous"],
        30,
        Case::Ambiguous,
        "Two ServiceNow users with this person's e-mail address and nothing else to tell them apart",
    ),
    kind(
        "guest",
        "excluded",
        &["guest"],
        100,
        Case::Guest,
        "A guest from another company, #EXT# in the UPN",
    ),
    kind(
        "disabled",
        "excluded",
        &["disabled"],
        50,
        Case::Disabled,
        "The Entra account is disabled",
    ),
    kind(
        "leaver",
        "unmatched",
        &["inactive_user"],
        60,
        Case::Leaver,
        "The ServiceNow user is inactive and so outside the scope",
    ),
    kind(
        "mail_differs",
        "in_sync",
        &["nothing_wrong"],
        200,
        Case::MailDiffers,
        "The UPN is not the mail address, and only the mail address is known to ServiceNow",
    ),
    kind(
        "renamed",
        "missing",
        &["missing"],
        40,
        Case::Renamed,
        "A new family name: only the employee number is still the same",
    ),
    kind(
        "split_served_right",
        "in_sync",
        &["split"],
        40,
        Case::SplitServedRight,
        "live_profile has the right picture and sys_user another one",
    ),
    kind(
        "split_served_wrong",
        "differs",
        &["shadowed_by_profile"],
        40,
        Case::SplitServedWrong,
        "sys_user has the right picture, but live_profile has another one and wins",
    ),
    kind(
        "stale_thumbnail",
        "in_sync",
        &["stale_thumbnail"],
        30,
        Case::StaleThumbnail,
        "The picture is right, its thumbnail is of the one before",
    ),
    kind(
        "dangling_column",
        "broken",
        &["dangling_column"],
        30,
        Case::DanglingColumn,
        "live_profile.photo names an attachment that is gone",
    ),
    kind(
        "orphan_attachment",
        "missing",
        &["unprefixed"],
        30,
        Case::OrphanAttachment,
        "Pictures are stored, at the profile and at a deleted one, but nothing points to them",
    ),
    kind(
        "duplicate_images",
        "broken",
        &["dup_image"],
        30,
        Case::DuplicateImages,
        "Two pictures in one image field: the old one was never deleted, and it wins",
    ),
    kind(
        "two_profiles",
        "broken",
        &["dup_profile"],
        20,
        Case::TwoProfiles,
        "Two live_profile rows with different pictures",
    ),
    kind(
        "seed_article",
        "in_sync",
        &["shared_attachment"],
        100,
        Case::SeedArticle,
        "Stored as the well-known article does it: an ordinary attachment that both columns name",
    ),
    kind(
        "error_body",
        "broken",
        &["error_body"],
        20,
        Case::ErrorBody,
        "A script stored Graph's error message as the picture",
    ),
    kind(
        "truncated_photo",
        "broken",
        &["photo_truncated"],
        20,
        Case::TruncatedPhoto,
        "The Entra photo ends in the middle",
    ),
    kind(
        "blank_gif",
        "neither",
        &["placeholder"],
        20,
        Case::BlankGif,
        "Entra has a GIF of one pixel, which is no photo",
    ),
    kind(
        "blank_gif_over_avatar",
        "only_in_servicenow",
        &["placeholder"],
        20,
        Case::BlankGifOverAvatar,
        "Entra has a GIF of one pixel, ServiceNow a picture",
    ),
    kind(
        "png_photo",
        "missing",
        &["missing"],
        40,
        Case::PngPhoto,
        "A PNG photo, not yet in ServiceNow",
    ),
    kind(
        "progressive_photo",
        "in_sync",
        &["nothing_wrong"],
        40,
        Case::ProgressivePhoto,
        "A progressive JPEG, the same on both sides",
    ),
    kind(
        "cmyk_photo",
        "missing",
        &["missing"],
        20,
        Case::CmykPhoto,
        "A JPEG in four colours, not yet in ServiceNow",
    ),
    kind(
        "exif_rotated_photo",
        "missing",
        &["missing"],
        30,
        Case::TurnedPhoto,
        "A JPEG that lies on its side until EXIF turns it, not yet in ServiceNow",
    ),
    kind(
        "deep_png_photo",
        "missing",
        &["missing"],
        20,
        Case::DeepPngPhoto,
        "A PNG with 16 bits a channel, not yet in ServiceNow",
    ),
    kind(
        "old_attachment",
        "in_sync",
        &["nothing_wrong"],
        60,
        Case::OldAttachment,
        "The right picture in a row from before ServiceNow stored hashes",
    ),
    kind(
        "plus_in_upn",
        "missing",
        &["missing"],
        50,
        Case::PlusInUpn,
        "A plus sign and an apostrophe in the UPN",
    ),
    kind(
        "hash_in_upn",
        "missing",
        &["missing"],
        20,
        Case::HashInUpn,
        "A number sign in a member's UPN",
    ),
    kind(
        "name_marks",
        "in_sync",
        &["nothing_wrong"],
        20,
        Case::NameMarks,
        "A name of letters and combining marks",
    ),
    kind(
        "name_right_to_left",
        "missing",
        &["missing"],
        20,
        Case::NameRightToLeft,
        "A right-to-left name, or one that overrides the direction",
    ),
    kind(
        "name_wide",
        "in_sync",
        &["nothing_wrong"],
        20,
        Case::NameWide,
        "A name of double-width characters",
    ),
    kind(
        "name_emoji",
        "differs",
        &["outdated"],
        20,
        Case::NameEmoji,
        "Emoji in the name",
    ),
    kind(
        "name_controls",
        "missing",
        &["missing"],
        20,
        Case::NameControls,
        "Terminal control sequences, line breaks or a spreadsheet formula in the name",
    ),
    kind(
        "on_premises_mailbox",
        "error",
        &["mailbox_on_premises"],
        50,
        Case::OnPremisesMailbox,
        "The mailbox is on premises: Graph cannot tell whether there is a photo",
    ),
    kind(
        "logo_photo",
        "missing",
        &["missing"],
        15,
        Case::Logo,
        "The company's logo in place of a face; a few people use it",
    )
    .suspicious()
    .in_groups_of(3),
    kind(
        "blank_photo",
        "missing",
        &["missing"],
        10,
        Case::BlankPhoto,
        "A photo of one colour, with nothing on it",
    )
    .suspicious(),
    kind(
        "shared_photo",
        "missing",
        &["missing"],
        10,
        Case::SharedPhoto,
        "Two people have one and the same photo in Entra",
    )
    .suspicious()
    .in_groups_of(2),
    kind(
        "swapped_photos",
        "differs",
        &["outdated"],
        10,
        Case::SwappedPhotos,
        "Two people are shown in ServiceNow with each other's photo",
    )
    .suspicious()
    .in_groups_of(2),
    kind(
        "shown_for_another",
        "missing",
        &["missing"],
        10,
        Case::ShownForAnother,
        "Nothing in ServiceNow, but their photo is shown there for somebody else",
    )
    .suspicious(),
    kind(
        "shows_another",
        "differs",
        &["outdated"],
        10,
        Case::ShowsAnother,
        "ServiceNow shows somebody else's photo; the one in Entra is their own",
    ),
];

/// The first of the kinds that come all together or not at all.
fn first_of_groups() -> usize {
    KINDS
        .iter()
        .position(|kind| kind.case == Case::Logo)
        .unwrap_or(KINDS.len())
}

/// A planted person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// What kind of person it is.
    pub kind: &'static Kind,
    /// The Entra `userPrincipalName`.
    pub principal: String,
    /// The ServiceNow `user_name`; `None` if there is no user, the first of two if there are two.
    pub user_name: Option<String>,
}

/// How many people of each kind, in the order of [`KINDS`], a tenant of so many people has.
pub(super) fn counts(people: usize) -> Vec<usize> {
    let by_share = KINDS.iter().map(|kind| {
        let wanted = (people * kind.share as usize + 5_000) / 10_000;
        (wanted / kind.group).max(1) * kind.group
    });
    // A small tenant has one of each, as far as it goes.
    let one_of_each = KINDS.iter().map(|kind| kind.group);
    let alone = people.min(first_of_groups());
    let as_far_as_it_goes = (0..KINDS.len()).map(|position| usize::from(position < alone));
    // The first kind takes what the others leave.
    let fill = |mut counts: Vec<usize>| {
        let special: usize = counts.iter().skip(1).sum();
        counts[0] = people.checked_sub(special)?;
        (people == 0 || counts[0] > 0).then_some(counts)
    };
    fill(by_share.collect())
        .or_else(|| fill(one_of_each.collect()))
        .or_else(|| fill(as_far_as_it_goes.collect()))
        .expect("the kinds that fit fit")
}

/// The kind of everybody, sorted. The kinds that have to do with each other take the places of ordinary people, and
/// leave everybody else the one they have in a tenant without such kinds.
pub(super) fn sorted(people: usize) -> Vec<u8> {
    let counts = counts(people);
    let several = |kind: usize| std::iter::repeat_n(kind as u8, counts[kind]);
    let groups = first_of_groups();
    std::iter::once(0)
        .chain(groups..KINDS.len())
        .chain(1..groups)
        .flat_map(several)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn kinds_have_names_of_their_own_and_verdicts_of_the_command_line() {
        const VERDICTS: [&str; 12] = [
            "in_sync",
            "same_picture",
            "differs",
            "missing",
            "only_in_servicenow",
            "neither",
            "broken",
            "unmatched",
            "ambiguous",
            "excluded",
            "undecided",
            "error",
        ];
        let names: HashSet<_> = KINDS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), KINDS.len());
        for kind in KINDS {
            assert!(VERDICTS.contains(&kind.verdict), "{kind:?}");
        }
    }

    #[test]
    fn every_size_adds_up_and_has_as_many_kinds_as_fit() {
        for people in (0..=300).chain([1_000, 12_431, 300_000]) {
            let counts = counts(people);
            assert_eq!(counts.iter().sum::<usize>(), people);
            let kinds = counts.iter().filter(|count| **count > 0).count();
            let as_many_as_fit = if people < 50 {
                people.min(first_of_groups())
            } else {
                KINDS.len()
            };
            assert_eq!(kinds, as_many_as_fit, "{people} people");
            assert_eq!(sorted(people).len(), people);
        }
    }

    #[test]
    fn people_whose_pictures_have_to_do_with_each_other_come_in_groups() {
        for people in [50, 200, 2_000, 300_000] {
            let counts = counts(people);
            for (kind, count) in KINDS.iter().zip(&counts) {
                assert_eq!(count % kind.group, 0, "{} of {people}", kind.name);
            }
            let of = |case| {
                let found = KINDS.iter().position(|kind| kind.case == case);
                counts[found.expect("a kind")]
            };
            assert_eq!(of(Case::ShownForAnother), of(Case::ShowsAnother));
        }
    }

    #[test]
    fn most_people_are_ordinary() {
        for people in [200, 1_000, 100_000] {
            let ordinary = counts(people)[0] * 100 / people;
            assert!((45..=70).contains(&ordinary), "{ordinary} % of {people}");
        }
    }
}
