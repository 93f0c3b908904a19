//! Finds one person by what an administrator types.

use super::Engine;
use crate::connector::ConnectorError;
use crate::domain::ids::{SourceId, TargetId};
use crate::domain::person::SourcePerson;
use crate::domain::text::RemoteText;

/// Somebody found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// As the source knows them.
    pub person: SourcePerson,
}

/// Why a PERSON argument does not name exactly one person.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Nobody on either side.
    #[error("nobody is called \"{wanted}\"")]
    NotFound {
        /// What was typed.
        wanted: String,
        /// Where it was looked for, in words.
        searched: Vec<String>,
    },
    /// Somebody in the target, whom nobody in the source matches.
    #[error("\"{wanted}\" exists in {target} only")]
    OnlyInTarget {
        /// What was typed.
        wanted: String,
        /// The target's name.
        target: &'static str,
        /// Who.
        candidates: Vec<Candidate>,
    },
    /// Several people.
    #[error("\"{wanted}\" names {} people", candidates.len())]
    Ambiguous {
        /// What was typed.
        wanted: String,
        /// Who.
        candidates: Vec<Candidate>,
    },
    /// A service could not be asked.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
}

/// Somebody who might be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Display name.
    pub name: RemoteText,
    /// Sign-in name in the source.
    pub upn: Option<RemoteText>,
    /// Id in the source.
    pub source: Option<SourceId>,
    /// Sign-in name in the target.
    pub user_name: Option<RemoteText>,
    /// Id in the target.
    pub target: Option<TargetId>,
}

impl Engine {
    /// Finds the one person that `person` names: a sign-in name, an e-mail address or an id of either side.
    pub async fn find(&self, person: &str) -> Result<Found, FindError> {
        Err(FindError::NotFound {
            wanted: person.into(),
            searched: Vec::new(),
        })
    }
}
