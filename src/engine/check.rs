//! Probes of everything a run needs.

use super::{Engine, EngineSettings, in_words};
use crate::connector::{ConnectorError, ErrorKind, Probe, ProbeResult};

impl Engine {
    /// Harmless probes of both services and of this side: the source's, the target's, the groups of the scope, then
    /// our own.
    pub async fn check(&self) -> Vec<Probe> {
        let EngineSettings {
            include_groups,
            exclude_groups,
            ..
        } = &self.settings;
        let groups = include_groups.iter().chain(exclude_groups);
        let groups = futures::future::join_all(groups.map(|group| self.check_group(group)));
        let (mut probes, target, groups, store) = futures::join!(
            self.source.check(),
            self.target.check(),
            groups,
            self.check_store()
        );
        probes.extend(target);
        probes.extend(groups);
        probes.extend(self.check_opt_outs());
        probes.push(store);
        probes
    }

    async fn check_group(&self, group: &str) -> Probe {
        let what = format!("read the members of group \"{group}\" in {}", self.source.name());
        let result = match self.source.group_members(group).await {
            Ok(members) if members.is_empty() => ProbeResult::Warning {
                seen: "it has no members".into(),
                hint: "check the group's name in the scope of this profile".into(),
            },
            Ok(members) => ProbeResult::Passed(format!("{} members", members.len())),
            Err(error) => failed(error),
        };
        Probe { what, result }
    }

    /// Says which opt-outs have run out: whoever wrote them may not know.
    fn check_opt_outs(&self) -> Option<Probe> {
        let opt_outs = &self.settings.opt_outs;
        if opt_outs.is_empty() {
            return None;
        }
        let today = self.today();
        let over: Vec<&str> = opt_outs
            .iter()
            .filter(|opt_out| opt_out.until.is_some_and(|until| until < today))
            .map(|opt_out| opt_out.person.as_str())
            .collect();
        let result = if over.is_empty() {
            ProbeResult::Passed(format!("{} people opted out", opt_outs.len()))
        } else {
            ProbeResult::Warning {
                seen: format!(
                    "{} of {} entries are over: {}",
                    over.len(),
                    opt_outs.len(),
                    over.join(", ")
                ),
                hint: "these people are considered again; renew or delete the entries".into(),
            }
        };
        Some(Probe {
            what: "read the opt-out list".into(),
            result,
        })
    }
}

fn failed(error: ConnectorError) -> ProbeResult {
    let seen = in_words(&error);
    ProbeResult::Failed {
        hint: error.hint.unwrap_or_else(|| match &error.kind {
            ErrorKind::NotAllowed { needs } => format!("grant {needs}"),
            ErrorKind::NotFound => "check its spelling, or use its object id".into(),
            _ => "try again; if it stays, see the cause above".into(),
        }),
        kind: error.kind,
        seen,
    }
}
