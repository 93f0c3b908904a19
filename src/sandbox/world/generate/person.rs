//! One invented person: who they are, what Entra has of them, and which rows ServiceNow has.

use super::instance_rows::{Login, Place, Rows};
use super::{Case, Drawn, Inventor, guid, portrait, stream};
use crate::sandbox::portraits::{self, Encoding, Portrait};
use crate::sandbox::random::Random;
use crate::sandbox::world::directory::{DirectoryPhoto, DirectoryUser, Mailbox};
use crate::sandbox::world::names::{self, Name};
use crate::sandbox::world::picture::Picture;

/// The size in which photos are brought to ServiceNow by default.
const PUSHED_SIZE: u32 = 360;

/// How a person signs in and is called.
struct Identity {
    display_name: String,
    principal: String,
    mail: Option<String>,
    /// What ServiceNow knows them as.
    login: Login,
}

impl<'a> Inventor<'a> {
    /// Invents one more person; gives what ServiceNow knows of them. `other`: whose picture comes into it too.
    pub(super) fn add(&mut self, position: usize, case: Case, other: Option<usize>) -> Option<Rows<'a>> {
        let random = &mut stream(self.seed, "person", position);
        let face = portrait(self.seed, self.drawn, position, case);
        let id = guid(&mut stream(self.seed, "object", position));
        let employee_id = format!("{:06}", 100_000 + position);
        let identity = self.identity(position, case, &face, id, &employee_id, random);
        let (own, mailbox) = self.photo(case, face);
        let others = other
            .map(|other| self.photo(case, portrait(self.seed, self.drawn, other, case)))
            .and_then(|(photo, _)| photo);
        let (photo, shown) = match case {
            Case::SharedPhoto => (others.or(own), None),
            Case::SwappedPhotos | Case::ShowsAnother => (own, others),
            _ => (own, None),
        };
        let pushed = shown.as_ref().or(photo.as_ref()).map(pushed);

        let guest = case == Case::Guest;
        let (department, job_title) = if position == 0 {
            (self.texts.board.clone(), self.texts.chief.clone())
        } else {
            let (number, department, title) = self.texts.job(random);
            if !guest {
                self.departments[number].push(id);
            }
            (department, title)
        };
        let manager = self.manager(position, guest, random);
        if case == Case::Ordinary && self.turn(case) % 50 == 7 {
            self.opted_out.push(id);
        }
        let title = job_title.clone();
        self.ids.push(id);
        let added = self.directory.add(DirectoryUser {
            id,
            display_name: identity.display_name.as_str().into(),
            principal: identity.principal.as_str().into(),
            mail: identity.mail.as_deref().map(Into::into),
            enabled: case != Case::Disabled,
            guest,
            job_title: (!guest).then_some(job_title),
            department: (!guest).then_some(department),
            employee_id: (!guest).then(|| employee_id.into()),
            manager,
            mailbox,
            photo: photo.map(|picture| DirectoryPhoto { picture, version: 1 }),
        });
        assert!(added.is_ok(), "sign-in names are made unique");
        self.rows(position, case, identity, title, face, pushed)
    }

    /// The Entra photo with this face, and where it is kept. Sizes go with the face, so that people who share one share
    /// its drawings.
    fn photo(&self, case: Case, face: Portrait) -> (Option<Picture>, Mailbox) {
        photo(
            case,
            face,
            self.drawn,
            &mut stream(self.seed, "habits", usize::from(face.face())),
        )
    }

    /// Managers come earlier than their people, so that the tree has one root and no circle; one in ten has none.
    fn manager(&self, position: usize, guest: bool, random: &mut Random) -> Option<uuid::Uuid> {
        let unlucky = random.percent(10);
        let place = random.between((position / 12) as i32, (position / 8) as i32);
        if position == 0 || guest || unlucky {
            return None;
        }
        self.ids.get(place as usize).copied()
    }

    fn identity(
        &mut self,
        position: usize,
        case: Case,
        face: &Portrait,
        id: uuid::Uuid,
        employee_id: &str,
        random: &mut Random,
    ) -> Identity {
        let name = Name::invent(&portraits::appearance(face.face()), random);
        let turn = self.turn(case);
        let strange = |list: &[&str]| list[turn % list.len()].to_owned();
        let display_name = match case {
            Case::NameMarks => strange(&names::MARKS),
            Case::NameRightToLeft => strange(&names::RIGHT_TO_LEFT),
            Case::NameWide => strange(&names::WIDE),
            Case::NameEmoji => strange(&names::EMOJI),
            Case::NameControls => strange(&names::CONTROLS),
            _ => name.display(),
        };
        let northwind = random.percent(28);
        let domain = if northwind {
            "northwind.example"
        } else {
            "contoso.example"
        };
        let local = self.unique(name.sign_in());
        let usual = format!("{local}@{domain}");
        // Northwind came with an acquisition: short user names, and the object id is what ties the two sides.
        let by_object_id = northwind || random.percent(30);
        let has_number = random.percent(60);
        let without_mail = random.percent(5);

        let mut identity = Identity {
            display_name,
            principal: usual.clone(),
            mail: Some(usual.clone()),
            login: Login {
                user_name: if northwind { local.clone() } else { usual.clone() },
                email: usual.clone(),
                employee_number: if has_number {
                    employee_id.to_owned()
                } else {
                    String::new()
                },
                correlation_id: if by_object_id {
                    id.to_string()
                } else {
                    String::new()
                },
            },
        };
        let Identity {
            principal,
            mail,
            login,
            ..
        } = &mut identity;
        match case {
            Case::Ordinary if without_mail => *mail = None,
            Case::Guest => {
                let home = random.pick(&["fabrikam.example", "adatum.example", "tailspin.example"]);
                *principal = format!("{local}_{home}#EXT#@contoso.example");
                let address = format!("{local}@{home}");
                login.user_name.clone_from(&address);
                login.email.clone_from(&address);
                *mail = Some(address);
            }
            Case::MailDiffers => {
                *principal = format!("u{employee_id}@{domain}");
                *login = Login {
                    user_name: local,
                    email: usual,
                    ..Login::default()
                };
            }
            Case::Ambiguous => {
                *login = Login {
                    user_name: local,
                    email: usual,
                    ..Login::default()
                };
            }
            Case::Renamed => {
                let before = random.pick(&["harlow", "ekman", "costa", "novak", "okoro", "tanaka"]);
                let given = names::plain(name.given);
                let old = self.unique(format!("{given}.{before}"));
                *login = Login {
                    user_name: format!("{old}@{domain}"),
                    email: format!("{old}@{domain}"),
                    employee_number: employee_id.to_owned(),
                    ..Login::default()
                };
            }
            Case::PlusInUpn => {
                *principal = format!(
                    "{}.o'{}+{position}@{domain}",
                    names::plain(name.given),
                    names::plain(name.family)
                );
                login.user_name.clone_from(principal);
            }
            Case::HashInUpn => {
                *principal = format!("{local}#lab@{domain}");
                login.user_name.clone_from(principal);
            }
            _ => {}
        }
        identity
    }

    /// Counts the people of a kind, so that every variant of it gets its turn.
    fn turn(&mut self, case: Case) -> usize {
        let turn = self.turns.entry(case).or_insert(0);
        *turn += 1;
        *turn - 1
    }

    fn rows(
        &mut self,
        position: usize,
        case: Case,
        identity: Identity,
        title: std::sync::Arc<str>,
        face: Portrait,
        pushed: Option<Picture>,
    ) -> Option<Rows<'a>> {
        let random = &mut stream(self.seed, "rows", position);
        let habits = &mut stream(self.seed, "old habits", usize::from(face.face()));
        let old = Picture::Drawn(
            face.with_look(1)
                .with_width(self.drawn.width(habits.pick(&[360, 360, 240, 120]))),
        );
        let right = || pushed.clone().expect("this kind of person has a photo");
        let small = self.drawn.width(habits.pick(&[96, 120, 240]));
        let turn = if case == Case::Unmatched {
            self.turn(case)
        } else {
            0
        };
        if case == Case::Unmatched && turn % 3 != 2 {
            return None;
        }
        let Identity {
            display_name,
            mut login,
            ..
        } = identity;
        if case == Case::Unmatched {
            login.email = String::new();
        }
        let active = case != Case::Leaver;
        let mut rows = Rows::new(
            self.shared,
            self.seed,
            position,
            &display_name,
            login,
            title,
            active,
        );
        match case {
            Case::Ordinary
            | Case::MailDiffers
            | Case::ProgressivePhoto
            | Case::NameMarks
            | Case::NameWide
            | Case::SwappedPhotos
            | Case::ShowsAnother => {
                rows.usual(random, &right());
            }
            Case::Guest | Case::Disabled | Case::Leaver => {
                if random.percent(50) {
                    rows.usual(random, &pushed.unwrap_or(old));
                }
            }
            Case::Missing
            | Case::Neither
            | Case::Unmatched
            | Case::Renamed
            | Case::TruncatedPhoto
            | Case::BlankGif
            | Case::PngPhoto
            | Case::CmykPhoto
            | Case::TurnedPhoto
            | Case::DeepPngPhoto
            | Case::PlusInUpn
            | Case::HashInUpn
            | Case::NameRightToLeft
            | Case::NameControls
            | Case::Logo
            | Case::BlankPhoto
            | Case::SharedPhoto
            | Case::ShownForAnother => {
                if random.percent(80) {
                    rows.profile();
                }
            }
            Case::Differs
            | Case::NameEmoji
            | Case::OnlyInServiceNow
            | Case::BlankGifOverAvatar
            | Case::OnPremisesMailbox => {
                rows.usual(random, &old);
            }
            Case::Reencoded => rows.usual(random, &Picture::Drawn(face.with_encoding(Encoding::JpegLow))),
            Case::Resized => rows.usual(random, &Picture::Drawn(face.with_width(small))),
            Case::Ambiguous => {
                rows.usual(random, &old);
                rows.twin();
            }
            Case::SplitServedRight => {
                rows.image(Place::Profile, &right());
                rows.image(Place::User, &old);
            }
            Case::SplitServedWrong => {
                rows.image(Place::Profile, &old);
                rows.image(Place::User, &right());
            }
            Case::StaleThumbnail => {
                let picture = rows.image(Place::Profile, &right());
                rows.thumbnail(
                    picture,
                    &Picture::Drawn(face.with_look(1).with_width(self.drawn.width(150))),
                );
                rows.image(Place::User, &right());
            }
            Case::DanglingColumn => rows.dangling(),
            Case::OrphanAttachment => {
                rows.profile();
                rows.plain(&old);
                rows.image_of_deleted_profile(&old);
            }
            Case::DuplicateImages => {
                rows.image(Place::Profile, &old);
                rows.image(Place::Profile, &right());
            }
            Case::TwoProfiles => {
                rows.image(Place::Profile, &old);
                rows.second_profile(&right());
            }
            Case::SeedArticle => {
                let picture = rows.plain(&right());
                rows.name_in_both_columns(picture);
            }
            Case::ErrorBody => {
                let picture = rows.plain(&error_body());
                rows.name_in_both_columns(picture);
            }
            Case::OldAttachment => {
                rows.image(Place::Profile, &right());
                rows.forget_hashes();
            }
        }
        Some(rows)
    }
}

/// What is pushed of an Entra photo: the wanted size, or the original where that is smaller.
fn pushed(photo: &Picture) -> Picture {
    photo.resized(PUSHED_SIZE).unwrap_or_else(|| photo.clone())
}

/// The Entra photo, and where it is kept (`entra.md` 1.5 and 9.3).
fn photo(case: Case, face: Portrait, drawn: Drawn, habits: &mut Random) -> (Option<Picture>, Mailbox) {
    let width = habits.weighted(&[(648, 68), (504, 8), (432, 6), (360, 8), (240, 10)]);
    let odd_width = habits.pick(&[96, 128, 185, 200, 275, 300]);
    let (in_directory, tall) = (habits.percent(5), habits.percent(40));
    let large = face.with_width(drawn.width(width));
    let kept = |portrait: Portrait| (Some(Picture::Drawn(portrait)), Mailbox::ExchangeOnline);
    match case {
        Case::Neither | Case::OnlyInServiceNow => (None, Mailbox::ExchangeOnline),
        Case::OnPremisesMailbox => (None, Mailbox::OnPremises),
        Case::BlankGif | Case::BlankGifOverAvatar => (Some(Picture::single_pixel()), Mailbox::ExchangeOnline),
        Case::Logo => (Some(Picture::logo()), Mailbox::ExchangeOnline),
        Case::BlankPhoto => (Some(Picture::blank()), Mailbox::ExchangeOnline),
        Case::Guest => {
            let thumbnail = face.with_width(drawn.width(96));
            (
                habits.percent(40).then_some(Picture::Drawn(thumbnail)),
                Mailbox::None,
            )
        }
        Case::Ordinary | Case::Missing if in_directory => {
            let odd = face.with_width(drawn.width(odd_width));
            (
                Some(Picture::Drawn(if tall { odd.tall() } else { odd })),
                Mailbox::None,
            )
        }
        Case::Reencoded | Case::Resized => kept(face.with_width(drawn.width(648))),
        // These keep their form only in the size they were uploaded in: Graph's smaller renditions are ordinary.
        Case::PngPhoto => kept(face.with_encoding(Encoding::Png)),
        Case::DeepPngPhoto => kept(face.with_encoding(Encoding::Png16)),
        Case::ProgressivePhoto => kept(face.with_encoding(Encoding::JpegProgressive)),
        Case::CmykPhoto => kept(face.with_encoding(Encoding::JpegCmyk)),
        Case::TurnedPhoto => kept(face.with_encoding(Encoding::JpegTurned)),
        Case::TruncatedPhoto => kept(face.with_encoding(Encoding::JpegTruncated)),
        _ => kept(large),
    }
}

/// What a script that does not look at the status stores as a picture.
fn error_body() -> Picture {
    static SHARED: std::sync::LazyLock<Picture> = std::sync::LazyLock::new(|| {
        Picture::from_bytes(
            r#"{"error":{"code":"ImageNotFound","message":"Exception of type 'Microsoft.Fast.Profile.Core.Exception.ImageNotFoundException' was thrown.","innerError":{"date":"2025-03-04T02:00:07","request-id":"3f0c1a52-0d6b-4b8e-9a3c-5d9f27e46b0a","client-request-id":"3f0c1a52-0d6b-4b8e-9a3c-5d9f27e46b0a"}}}"#
                .as_bytes(),
        )
    });
    SHARED.clone()
}
