//! From a scan to a plan.

use super::{Engine, Scan};
use crate::domain::plan::{Plan, plan};

impl Engine {
    /// What a run would do with these people. Writes nothing.
    pub fn plan(&self, scan: &Scan) -> Plan {
        plan(
            Vec::new(),
            self.settings.policy,
            &self.settings.profile,
            self.now(),
            scan.complete,
        )
    }
}
