//! Who is included: accounts, groups and the opt-out list.
//!
//! Everybody is listed and left out here rather than by the service, so that the screen can say *why* somebody is not
//! considered (`entra.md` 2.3).

use std::collections::HashSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::ids::SourceId;
use super::pairing::fold;
use super::person::{AccountKind, SourcePerson};
use super::text::RemoteText;

/// Which source people are considered.
#[derive(Clone, Debug, Default)]
pub struct SourceScope {
    /// Consider guests.
    pub guests: bool,
    /// Consider accounts whose sign-in is disabled.
    pub disabled: bool,
    /// If set, only members of these groups (already flattened) are considered.
    pub include: Option<HashSet<SourceId>>,
    /// Members of these groups (already flattened) are not considered.
    pub exclude: HashSet<SourceId>,
    /// People who do not want to be synchronised.
    pub opt_outs: Vec<OptOut>,
}

/// One entry of the opt-out list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptOut {
    /// Sign-in name, e-mail address or object id.
    pub person: String,
    /// Why, for the report.
    pub reason: String,
    /// The last day on which it holds; for good if absent.
    #[serde(default)]
    pub until: Option<Date>,
}

/// Why somebody is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// A guest account.
    Guest,
    /// Sign-in is disabled.
    Disabled,
    /// In none of the included groups.
    NotInIncludedGroups,
    /// In an excluded group.
    InExcludedGroup,
    /// On the opt-out list.
    OptedOut {
        /// The reason given there.
        reason: String,
        /// The last day on which it holds.
        until: Option<Date>,
    },
}

impl Exclusion {
    /// The reason as a sentence.
    pub fn sentence(&self) -> String {
        match self {
            Self::Guest => "guest accounts are not considered".into(),
            Self::Disabled => "the account is disabled in Entra ID".into(),
            Self::NotInIncludedGroups => "in none of the included groups".into(),
            Self::InExcludedGroup => "member of an excluded group".into(),
            Self::OptedOut {
                reason,
                until: Some(until),
            } => format!("opted out until {until}: {reason}"),
            Self::OptedOut { reason, until: None } => format!("opted out: {reason}"),
        }
    }
}

impl SourceScope {
    /// Why `person` is left out, or `None` if they are considered. Opt-outs come first: they are a promise.
    pub fn exclusion(&self, person: &SourcePerson, today: Date) -> Option<Exclusion> {
        if let Some(opt_out) = self
            .opt_outs
            .iter()
            .find(|opt_out| opt_out.holds_for(person, today))
        {
            return Some(Exclusion::OptedOut {
                reason: opt_out.reason.clone(),
                until: opt_out.until,
            });
        }
        if !self.guests && person.kind == AccountKind::Guest {
            return Some(Exclusion::Guest);
        }
        if !self.disabled && person.enabled == Some(false) {
            return Some(Exclusion::Disabled);
        }
        if self.exclude.contains(&person.id) {
            return Some(Exclusion::InExcludedGroup);
        }
        if self
            .include
            .as_ref()
            .is_some_and(|included| !included.contains(&person.id))
        {
            return Some(Exclusion::NotInIncludedGroups);
        }
        None
    }
}

impl OptOut {
    fn holds_for(&self, person: &SourcePerson, today: Date) -> bool {
        if self.until.is_some_and(|until| until < today) {
            return false;
        }
        let wanted = fold(&self.person);
        [
            Some(person.id.as_str()),
            Some(person.principal.raw()),
            person.mail.as_ref().map(RemoteText::raw),
        ]
        .into_iter()
        .flatten()
        .any(|value| fold(value) == wanted)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn ada() -> SourcePerson {
        SourcePerson {
            id: SourceId::new("1"),
            name: "Ada".into(),
            principal: "ada@x.example".into(),
            mail: Some("ada.byron@x.example".into()),
            employee_id: None,
            department: None,
            job_title: None,
            kind: AccountKind::Member,
            enabled: Some(true),
        }
    }

    const TODAY: Date = date(2026, 3, 2);

    #[test]
    fn members_with_an_enabled_account_are_considered() {
        assert_eq!(SourceScope::default().exclusion(&ada(), TODAY), None);
    }

    #[test]
    fn guests_and_disabled_accounts_are_left_out_unless_asked_for() {
        let guest = SourcePerson {
            kind: AccountKind::Guest,
            ..ada()
        };
        let disabled = SourcePerson {
            enabled: Some(false),
            ..ada()
        };
        let narrow = SourceScope::default();
        assert_eq!(narrow.exclusion(&guest, TODAY), Some(Exclusion::Guest));
        assert_eq!(narrow.exclusion(&disabled, TODAY), Some(Exclusion::Disabled));
        let wide = SourceScope {
            guests: true,
            disabled: true,
            ..SourceScope::default()
        };
        assert_eq!(wide.exclusion(&guest, TODAY), None);
        assert_eq!(wide.exclusion(&disabled, TODAY), None);
    }

    #[test]
    fn an_account_whose_state_is_not_readable_is_considered() {
        let unknown = SourcePerson {
            enabled: None,
            kind: AccountKind::Unspecified,
            ..ada()
        };
        assert_eq!(SourceScope::default().exclusion(&unknown, TODAY), None);
    }

    #[test]
    fn an_opt_out_holds_through_its_last_day_and_names_its_reason() {
        let scope = |until| SourceScope {
            opt_outs: vec![OptOut {
                person: "ADA.Byron@x.example".into(),
                reason: "asked".into(),
                until,
            }],
            ..SourceScope::default()
        };
        assert!(matches!(
            scope(Some(TODAY)).exclusion(&ada(), TODAY),
            Some(Exclusion::OptedOut { reason, .. }) if reason == "asked"
        ));
        assert!(scope(None).exclusion(&ada(), TODAY).is_some());
        assert_eq!(scope(Some(date(2026, 3, 1))).exclusion(&ada(), TODAY), None);
    }

    #[test]
    fn included_groups_narrow_and_excluded_groups_win() {
        let included = HashSet::from([SourceId::new("1")]);
        let scope = SourceScope {
            include: Some(included.clone()),
            ..SourceScope::default()
        };
        assert_eq!(scope.exclusion(&ada(), TODAY), None);
        let scope = SourceScope {
            include: Some(HashSet::new()),
            ..SourceScope::default()
        };
        assert_eq!(
            scope.exclusion(&ada(), TODAY),
            Some(Exclusion::NotInIncludedGroups)
        );
        let scope = SourceScope {
            include: Some(included.clone()),
            exclude: included,
            ..SourceScope::default()
        };
        assert_eq!(scope.exclusion(&ada(), TODAY), Some(Exclusion::InExcludedGroup));
    }
}
