//! How much a run may do.

/// Up to so many removals are no breach of their share: one of ten people is a tenth.
const REMOVALS_ALWAYS_ALLOWED: u64 = 3;
/// The same for changes.
const CHANGES_ALWAYS_ALLOWED: u64 = 50;

/// The administrator's limits; `None` is no limit.
///
/// Shares are of everybody in scope, and so asked only of plans that know how many that are
/// ([`Plan::in_scope`](crate::domain::plan::Plan::in_scope)); a few people named one by one are a share of nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most steps.
    pub max_changes: Option<u64>,
    /// The most steps, in percent of the people in scope. Few people are never a breach.
    pub max_change_share: Option<u8>,
    /// The most removals.
    pub max_removals: Option<u64>,
    /// The most removals, in percent of the people in scope. A few are never a breach.
    pub max_removal_share: Option<u8>,
}

/// What a plan would do, as limits see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Steps of any kind.
    pub changes: u64,
    /// Removals among them.
    pub removals: u64,
    /// Everybody in scope, where that is known.
    pub in_scope: Option<u64>,
}

/// A plan outside its limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// Too many steps.
    #[error("the plan changes {planned} people; the limit is {limit} (--max-changes)")]
    Changes {
        /// Steps planned.
        planned: u64,
        /// The limit.
        limit: u64,
    },
    /// Steps for too many of everybody.
    #[error(
        "the plan changes {planned} of {in_scope} people in scope, more than {limit} percent (--max-change-share)"
    )]
    ChangeShare {
        /// Steps planned.
        planned: u64,
        /// Everybody in scope.
        in_scope: u64,
        /// The limit, in percent.
        limit: u8,
    },
    /// Too many removals.
    #[error("the plan removes {planned} avatars; the limit is {limit} (--max-removals)")]
    Removals {
        /// Removals planned.
        planned: u64,
        /// The limit.
        limit: u64,
    },
    /// Removals for too many of everybody.
    #[error(
        "the plan removes the avatars of {planned} of {in_scope} people in scope, more than {limit} percent (--max-removal-share)"
    )]
    RemovalShare {
        /// Removals planned.
        planned: u64,
        /// Everybody in scope.
        in_scope: u64,
        /// The limit, in percent.
        limit: u8,
    },
    /// Too much is cleared away.
    #[error("the plan clears away {planned} stored pictures; the limit is {limit} (--max-removals)")]
    Clearing {
        /// Pictures.
        planned: u64,
        /// The limit.
        limit: u64,
    },
}

impl Breach {
    /// The flag that allows this very plan and no more.
    pub fn flag(&self) -> String {
        let percent = |planned: u64, in_scope: u64| {
            let percent = (u128::from(planned) * 100).div_ceil(u128::from(in_scope.max(1)));
            percent.min(100)
        };
        match self {
            Self::Changes { planned, .. } => format!("--max-changes {planned}"),
            Self::ChangeShare {
                planned, in_scope, ..
            } => {
                format!("--max-change-share {}", percent(*planned, *in_scope))
            }
            Self::Removals { planned, .. } | Self::Clearing { planned, .. } => {
                format!("--max-removals {planned}")
            }
            Self::RemovalShare {
                planned, in_scope, ..
            } => {
                format!("--max-removal-share {}", percent(*planned, *in_scope))
            }
        }
    }
}

impl Limits {
    /// No limit at all.
    pub const NONE: Self = Self {
        max_changes: None,
        max_change_share: None,
        max_removals: None,
        max_removal_share: None,
    };

    /// The same, whatever the share of changes is: for a run whose number somebody types (`reliability.md` N1), and for
    /// a profile whose first full run is not over, which changes nearly everybody.
    #[must_use]
    pub fn without_change_share(self) -> Self {
        Self {
            max_change_share: None,
            ..self
        }
    }

    /// Refuses what goes too far. Removals are looked at first: they are what cannot be seen any more.
    ///
    /// # Errors
    ///
    /// The first limit that is exceeded.
    pub fn check(&self, extent: Extent) -> Result<(), Breach> {
        let Extent {
            changes,
            removals,
            in_scope,
        } = extent;
        if let Some(limit) = self.max_removals
            && removals > limit
        {
            return Err(Breach::Removals {
                planned: removals,
                limit,
            });
        }
        if let (Some(limit), Some(in_scope)) = (self.max_removal_share, in_scope)
            && removals > REMOVALS_ALWAYS_ALLOWED
            && exceeds(removals, in_scope, limit)
        {
            return Err(Breach::RemovalShare {
                planned: removals,
                in_scope,
                limit,
            });
        }
        if let Some(limit) = self.max_changes
            && changes > limit
        {
            return Err(Breach::Changes {
                planned: changes,
                limit,
            });
        }
        if let (Some(limit), Some(in_scope)) = (self.max_change_share, in_scope)
            && changes > CHANGES_ALWAYS_ALLOWED
            && exceeds(changes, in_scope, limit)
        {
            return Err(Breach::ChangeShare {
                planned: changes,
                in_scope,
                limit,
            });
        }
        Ok(())
    }
}

/// True if `part` is more than `percent` of `whole`.
fn exceeds(part: u64, whole: u64, percent: u8) -> bool {
    u128::from(part) * 100 > u128::from(whole) * u128::from(percent)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USUAL: Limits = Limits {
        max_changes: None,
        max_change_share: Some(50),
        max_removals: Some(10),
        max_removal_share: Some(5),
    };

    fn check(limits: Limits, changes: u64, removals: u64, in_scope: u64) -> Result<(), Breach> {
        limits.check(Extent {
            changes,
            removals,
            in_scope: Some(in_scope),
        })
    }

    #[test]
    fn each_limit_stops_at_its_own_figure_and_not_before() {
        for (changes, removals, in_scope, expected) in [
            (1, 1, 10, Ok(())),
            (3, 3, 10, Ok(())),
            (
                4,
                4,
                10,
                Err(Breach::RemovalShare {
                    planned: 4,
                    in_scope: 10,
                    limit: 5,
                }),
            ),
            (5, 5, 100, Ok(())),
            (
                6,
                6,
                100,
                Err(Breach::RemovalShare {
                    planned: 6,
                    in_scope: 100,
                    limit: 5,
                }),
            ),
            (10, 10, 100_000, Ok(())),
            (
                11,
                11,
                100_000,
                Err(Breach::Removals {
                    planned: 11,
                    limit: 10,
                }),
            ),
            (50, 0, 60, Ok(())),
            (
                51,
                0,
                60,
                Err(Breach::ChangeShare {
                    planned: 51,
                    in_scope: 60,
                    limit: 50,
                }),
            ),
            (500, 0, 1_000, Ok(())),
            (
                501,
                0,
                1_000,
                Err(Breach::ChangeShare {
                    planned: 501,
                    in_scope: 1_000,
                    limit: 50,
                }),
            ),
        ] {
            assert_eq!(
                check(USUAL, changes, removals, in_scope),
                expected,
                "{changes} {removals} {in_scope}"
            );
        }
        let counted = Limits {
            max_changes: Some(2),
            ..Limits::NONE
        };
        assert_eq!(check(counted, 2, 0, 2), Ok(()));
        assert_eq!(
            check(counted, 3, 0, 3),
            Err(Breach::Changes { planned: 3, limit: 2 })
        );
    }

    #[test]
    fn a_first_run_may_change_everybody_but_removes_no_more_than_any_other() {
        let first = USUAL.without_change_share();
        assert_eq!(check(first, 1_000, 0, 1_000), Ok(()));
        assert!(check(first, 1_000, 11, 1_000).is_err());
    }

    #[test]
    fn a_share_is_asked_of_nobody_when_it_is_not_known_of_whom() {
        let extent = Extent {
            changes: 900,
            removals: 9,
            in_scope: None,
        };
        assert_eq!(USUAL.check(extent), Ok(()));
    }

    #[test]
    fn a_limit_of_nothing_allows_nothing() {
        let none = Limits {
            max_removals: Some(0),
            ..USUAL
        };
        assert!(check(none, 1, 1, 100_000).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whoever_does_less_is_never_stopped_where_more_was_allowed(
            changes in 0_u64..5_000, removals in 0_u64..100, in_scope in 0_u64..10_000,
            fewer in 0_u64..5_000, share in 0_u8..=100,
        ) {
            let limits = Limits { max_change_share: Some(share), ..USUAL };
            let changes = changes.max(removals);
            if check(limits, changes, removals, in_scope).is_ok() {
                prop_assert!(check(limits, changes.min(fewer), removals.min(fewer), in_scope).is_ok());
            }
        }

        #[test]
        fn every_breach_names_what_was_planned_and_the_flag_that_allows_it(
            changes in 0_u64..5_000, removals in 0_u64..100, in_scope in 0_u64..10_000,
        ) {
            let limits = Limits { max_changes: Some(1_000), ..USUAL };
            if let Err(breach) = check(limits, changes.max(removals), removals, in_scope) {
                let sentence = breach.to_string();
                let flag = breach.flag();
                let (name, value) = flag.split_once(' ').expect("a flag and its value");
                prop_assert!(sentence.contains(name), "{} and {}", sentence, flag);
                let value: u64 = value.parse().expect("a number");
                let share = u8::try_from(value).unwrap_or(100);
                let raised = match breach {
                    Breach::Changes { .. } => Limits { max_changes: Some(value), ..limits },
                    Breach::ChangeShare { .. } => Limits { max_change_share: Some(share), ..limits },
                    Breach::Removals { .. } | Breach::Clearing { .. } => Limits { max_removals: Some(value), ..limits },
                    Breach::RemovalShare { .. } => Limits { max_removal_share: Some(share), ..limits },
                };
                let next = check(raised, changes.max(removals), removals, in_scope);
                prop_assert!(next.as_ref().err() != Some(&breach) || in_scope < changes.max(removals), "{:?}", next);
                let figures = [changes.max(removals), removals];
                prop_assert!(figures.iter().any(|figure| sentence.contains(&figure.to_string())), "{}", sentence);
            }
        }
    }
}
