//! One person of a listing.

use std::borrow::Cow;

use super::columns::kept;
use super::{Likeness, Listing, Row, Text};
use crate::domain::comparison::Verdict;
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::run::PersonRef;
use crate::domain::text::clean;

/// An address before and after its last `@`; the domain is `None` where there is no `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address<'a> {
    pub local: &'a str,
    pub domain: Option<&'a str>,
}

impl<'a> Address<'a> {
    pub(super) fn whole(self) -> Cow<'a, str> {
        match self.domain {
            None => Cow::Borrowed(self.local),
            Some(domain) => Cow::Owned(format!("{}@{domain}", self.local)),
        }
    }
}

/// The parts of an address that are kept apart, because few domains stand behind many names.
pub(super) fn split_address(address: &str) -> (&str, Option<&str>) {
    let whole = kept(address, usize::MAX);
    match whole.rsplit_once('@') {
        Some((local, domain)) => (local, Some(domain)),
        None => (whole, None),
    }
}

/// One person of a listing. Texts that are given as [`Cow`] have been cleaned for showing.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub(super) listing: &'a Listing,
    pub(super) row: Row,
}

impl<'a> Entry<'a> {
    /// Where the person is.
    pub fn row(&self) -> Row {
        self.row
    }

    /// Display name in the source, for showing.
    pub fn name(&self) -> Cow<'a, str> {
        clean(self.raw_name())
    }

    /// Sign-in name in the source, for showing.
    pub fn principal(&self) -> Cow<'a, str> {
        cleaned(self.raw_principal())
    }

    /// E-mail address in the source, for showing.
    pub fn mail(&self) -> Option<Cow<'a, str>> {
        self.raw_mail().map(cleaned)
    }

    /// Department in the source, for showing.
    pub fn department(&self) -> Option<Cow<'a, str>> {
        self.raw_department().map(clean)
    }

    /// Sign-in name in the target once paired, for showing.
    pub fn user_name(&self) -> Option<Cow<'a, str>> {
        self.raw_user_name().map(cleaned)
    }

    /// Id in the source.
    pub fn source(&self) -> SourceId {
        // Every row has one: nobody is added without, and none is taken from a file without.
        SourceId::new(self.listing.sources.get(self.row.position()).unwrap_or_default())
    }

    /// Id in the target, once paired.
    pub fn target(&self) -> Option<TargetId> {
        self.listing.targets.get(self.row.position()).map(TargetId::new)
    }

    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        self.listing.verdict(self.row)
    }

    /// Why; empty for somebody who has not been looked at.
    pub fn reason(&self) -> &'a str {
        let number = self.listing.person_reasons.get(self.row.position());
        self.listing.reasons.get(number).unwrap_or_default()
    }

    /// Why the photo is probably not the person's own ([`crate::domain::suspicion`]).
    pub fn suspicion(&self) -> Option<&'a str> {
        self.listing
            .suspicions
            .get(&self.row.0)
            .map(|sentence| &**sentence)
    }

    /// How reports name this person.
    pub fn reference(&self) -> PersonRef {
        PersonRef {
            name: self.raw_name().into(),
            upn: self.raw_principal().into_owned().into(),
            mail: self.raw_mail().map(|mail| mail.into_owned().into()),
            source: self.source(),
            target: self.target(),
            user_name: self
                .raw_user_name()
                .map(|user_name| user_name.into_owned().into()),
        }
    }

    pub(super) fn raw_name(&self) -> &'a str {
        self.listing.text(self.row, Text::Name)
    }

    pub(super) fn raw_principal(&self) -> Cow<'a, str> {
        self.listing.principal_parts(self.row).whole()
    }

    pub(super) fn raw_mail(&self) -> Option<Cow<'a, str>> {
        self.listing.mail_parts(self.row).map(Address::whole)
    }

    pub(super) fn raw_department(&self) -> Option<&'a str> {
        let number = self.listing.person_departments.get(self.row.position());
        self.listing.departments.get(number)
    }

    pub(super) fn raw_user_name(&self) -> Option<Cow<'a, str>> {
        let (_, user_name) = Likeness::unpair(self.listing.likenesses[self.row.position()]);
        match user_name {
            Likeness::None => None,
            Likeness::Same => Some(self.raw_principal()),
            Likeness::Local => Some(Cow::Borrowed(self.listing.text(self.row, Text::Principal))),
            Likeness::Own => Some(Cow::Borrowed(self.listing.text(self.row, Text::UserName))),
        }
    }
}

/// Cleans a text that may be owned.
fn cleaned(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => clean(text),
        Cow::Owned(text) => Cow::Owned(clean(&text).into_owned()),
    }
}
