//! Somebody, described by what matters.

use bytes::Bytes;

use crate::domain::ids::{PictureId, SourceId, TargetId};
use crate::domain::person::{AccountKind, SourcePerson, TargetPerson};
use crate::domain::photo::{Column, PictureForm, Place, Scan, Sha256};

/// Somebody, described by what matters; see [`person`].
#[derive(Clone)]
pub(crate) struct PersonBuilder {
    pub(super) source: Option<SourcePerson>,
    pub(super) target: Option<TargetPerson>,
    pub(super) photo: Photo,
    pub(super) rows: Vec<(Place, Row)>,
    pub(super) profiles: usize,
    pub(super) columns: Vec<(Place, Column)>,
}

/// A picture that is to be stored.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) bytes: Bytes,
    pub(super) form: PictureForm,
    pub(super) stated_hash: bool,
    pub(super) scan: Scan,
}

impl Row {
    /// As image fields store it.
    pub(super) fn image(bytes: Bytes) -> Self {
        Self {
            bytes,
            form: PictureForm::ImageField,
            stated_hash: true,
            scan: Scan::Available,
        }
    }
}

/// A photo of the source.
#[derive(Clone, Default)]
pub(super) struct Photo {
    pub(super) bytes: Option<Bytes>,
    pub(super) etag: Option<String>,
    pub(super) unreadable: Option<String>,
}

impl Photo {
    /// Its etag follows the bytes.
    pub(super) fn of(bytes: Option<Bytes>) -> Self {
        let etag_of = |bytes: &Bytes| format!("\"{}\"", &Sha256::of(bytes).to_string()[..12]);
        Self {
            etag: bytes.as_ref().map(etag_of),
            bytes,
            unreadable: None,
        }
    }
}

/// Somebody on both sides, without a picture on either.
pub(crate) fn person(name: &str) -> PersonBuilder {
    let address = format!("{name}@x.example");
    PersonBuilder {
        source: Some(SourcePerson {
            id: SourceId::new(format!("{name}-id")),
            name: name.into(),
            principal: address.as_str().into(),
            mail: Some(address.as_str().into()),
            employee_id: None,
            department: None,
            job_title: None,
            kind: AccountKind::Member,
            enabled: Some(true),
        }),
        target: Some(TargetPerson {
            id: TargetId::new(format!("{name}-sys")),
            name: name.into(),
            user_name: address.as_str().into(),
            mail: Some(address.as_str().into()),
            employee_number: None,
            source_key: None,
            active: Some(true),
            locked_out: Some(false),
            column: Column::Empty,
        }),
        photo: Photo::default(),
        rows: Vec::new(),
        profiles: 1,
        columns: Vec::new(),
    }
}

impl PersonBuilder {
    /// A photo in the source; its etag follows the bytes.
    pub(crate) fn photo(mut self, bytes: Bytes) -> Self {
        self.photo = Photo::of(Some(bytes));
        self
    }

    /// The source names no version of the photo.
    pub(crate) fn without_etag(mut self) -> Self {
        self.photo.etag = None;
        self
    }

    /// The source cannot tell.
    pub(crate) fn unreadable_photo(mut self, why: &str) -> Self {
        self.photo.unreadable = Some(why.into());
        self
    }

    /// An image row at `live_profile`, which is displayed.
    pub(crate) fn avatar(self, bytes: Bytes) -> Self {
        self.stored(Place::LIVE_PROFILE, bytes)
    }

    /// An image row at a place; a second one makes a duplicate.
    pub(crate) fn stored(mut self, place: Place, bytes: Bytes) -> Self {
        self.rows.push((place, Row::image(bytes)));
        self
    }

    /// The last row added is an ordinary attachment.
    pub(crate) fn plain(mut self) -> Self {
        self.last_row().form = PictureForm::Plain;
        self
    }

    /// The target states no hash of the last row added.
    pub(crate) fn without_hash(mut self) -> Self {
        self.last_row().stated_hash = false;
        self
    }

    /// The last row added did not pass the virus scan.
    pub(crate) fn quarantined(mut self) -> Self {
        self.last_row().scan = Scan::Quarantined;
        self
    }

    fn last_row(&mut self) -> &mut Row {
        &mut self.rows.last_mut().expect("add a picture first").1
    }

    /// The column of a place names this picture, whether it exists or not.
    pub(crate) fn column(mut self, place: Place, picture: &str) -> Self {
        self.columns.push((place, Column::Names(PictureId::new(picture))));
        self
    }

    /// How many `live_profile` records there are; one unless told otherwise.
    pub(crate) fn profiles(mut self, profiles: usize) -> Self {
        self.profiles = profiles;
        self
    }

    /// Not in the target.
    pub(crate) fn only_in_source(mut self) -> Self {
        self.target = None;
        self
    }

    /// Not in the source.
    pub(crate) fn only_in_target(mut self) -> Self {
        self.source = None;
        self
    }

    /// An invited account.
    pub(crate) fn guest(self) -> Self {
        self.source_with(|source| source.kind = AccountKind::Guest)
    }

    /// Outside the target's scope.
    pub(crate) fn inactive_in_target(self) -> Self {
        self.target_with(|target| target.active = Some(false))
    }

    /// Anything else about the source person.
    pub(crate) fn source_with(mut self, change: impl FnOnce(&mut SourcePerson)) -> Self {
        change(self.source.as_mut().expect("a person of the source"));
        self
    }

    /// Anything else about the target person.
    pub(crate) fn target_with(mut self, change: impl FnOnce(&mut TargetPerson)) -> Self {
        change(self.target.as_mut().expect("a person of the target"));
        self
    }
}
