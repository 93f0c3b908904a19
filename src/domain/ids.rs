//! Identifiers. Ids of different systems are different types, so nobody can pass one for another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps an id that the connector has already validated.
            pub fn new(id: impl Into<Arc<str>>) -> Self {
                Self(id.into())
            }

            /// The id as the service writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id!(
    /// A person in the source: for Entra the object id, a GUID in lower case.
    SourceId
);
id!(
    /// A person in the target: for ServiceNow the `sys_id` of the `sys_user` row.
    TargetId
);
id!(
    /// A record of the target that can hold an avatar: for ServiceNow a `live_profile` or `sys_user` `sys_id`.
    RecordId
);
id!(
    /// A stored picture in the target: for ServiceNow the `sys_id` of a `sys_attachment` row.
    PictureId
);
id!(
    /// One run of the engine that writes.
    RunId
);

impl SourceId {
    /// Stands for the id in the source of somebody of whom only the target was asked. Two people of the target never
    /// share one, and no id of a source begins like it.
    pub fn not_asked(target: &str) -> Self {
        Self::new(format!("?{target}"))
    }

    /// True for an id made by [`SourceId::not_asked`].
    pub fn is_not_asked(&self) -> bool {
        self.0.starts_with('?')
    }
}
