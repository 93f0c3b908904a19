//! Brakes as the command line meets them: before a plan is carried out, and around a full run.

use std::future::Future;

use super::connect::{Session, store_failure};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, WriteArguments, exit, removals, writing};
use crate::domain::brake::quarantine::Quarantine;
use crate::domain::plan::{Breach, Change, Limits, Plan};
use crate::domain::run::PersonRef;
use crate::domain::text::clean;
use crate::report::text::number;

/// A plan after the brakes have looked at it.
pub struct Braked {
    /// What may be carried out.
    pub plan: Plan,
    /// The limits that hold for it.
    pub limits: Limits,
    /// Set if it goes too far: then nothing of it is carried out.
    pub breach: Option<Failure>,
    /// How many removals were taken out and wait for approval.
    pub waiting: u64,
}

/// Takes out of a plan what nobody has approved, and checks the rest against the limits.
///
/// Where somebody confirms the plan, that is the approval, and typing its number stands for the limit on the share of
/// changes.
pub async fn before(
    output: &Output,
    session: &Session,
    plan: Plan,
    arguments: &WriteArguments,
) -> Result<Braked, Failure> {
    let is_confirmed = !arguments.yes && output.can_ask;
    let mut waiting = 0;
    let (plan, limits) = if is_confirmed {
        (plan, session.limits.without_change_share())
    } else {
        let limits = session.engine.limits_in_force(session.limits).await;
        let held = session.engine.hold_back_removals(plan).await;
        let (plan, staging) = held.map_err(store_failure)?;
        if !arguments.dry_run {
            waiting = session.engine.stage(staging).await.map_err(store_failure)?;
            if waiting > 0 {
                output.talk(&format!(
                    "{} to be removed and {} for approval: see `avatar-sync removals`",
                    if waiting == 1 {
                        "1 avatar is".to_owned()
                    } else {
                        format!("{} avatars are", number(waiting))
                    },
                    if waiting == 1 { "waits" } else { "wait" },
                ));
            }
        }
        (plan, limits.map_err(store_failure)?)
    };
    let breach = match plan.check(&limits) {
        Ok(()) => None,
        Err(breach) if arguments.dry_run => Some(breached(&breach)),
        Err(breach) => Some(keep(session, &plan, &breach)),
    };
    Ok(Braked {
        plan,
        limits,
        breach,
        waiting,
    })
}

fn breached(breach: &Breach) -> Failure {
    let hint = format!("if the plan is right, allow it with {}", breach.flag());
    Failure::new(exit::BRAKE, breach.clone()).with_hint(hint)
}

/// Keeps a plan that goes too far, so that it can be looked at and applied on purpose.
fn keep(session: &Session, plan: &Plan, breach: &Breach) -> Failure {
    let file = session.paths().stopped_plan();
    match writing::save_plan(&file, plan) {
        Ok(()) => {
            let (file, flag) = (file.display(), breach.flag());
            Failure::new(exit::BRAKE, breach.clone()).with_hint(format!(
                "nothing was written, and the plan is kept; look at it, and carry it out on purpose:\n\
                 avatar-sync apply {file} --dry-run\n\
                 avatar-sync apply {file} {flag}\n\
                 or make a fresh one with `avatar-sync plan -o FILE`"
            ))
        }
        Err(failure) => breached(breach).with_hint(format!(
            "nothing was written, and {}; `avatar-sync plan -o FILE` makes the plan again",
            failure.error
        )),
    }
}

/// A scheduled run that does not take place, because those before it have failed.
#[derive(Debug, thiserror::Error)]
#[error("this profile is {}", .0.sentence())]
pub struct Quarantined(Quarantine);

/// A full run within its quarantine: left out if nobody sits beside it and the time has not come; one that fails before
/// anything is written counts as much as one that fails later.
pub async fn full_run<T>(
    output: &Output,
    session: &Session,
    is_attended: bool,
    run: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let engine = &session.engine;
    if let Some(quarantine) = engine.quarantine().await.map_err(store_failure)? {
        if !is_attended && !engine.is_allowed_by(&quarantine) {
            return Err(Failure::new(exit::BRAKE, Quarantined(quarantine)).with_hint(
                "mend the cause, then `avatar-sync release quarantine`; a run on a terminal is not held up",
            ));
        }
        output.talk(&format!(
            "warning: this profile is {}; this run tries anyway",
            clean(&quarantine.sentence())
        ));
    }
    let ended = run.await;
    if let Err(failure) = &ended
        && matches!(failure.code, exit::NO_ACCESS | exit::BRAKE | exit::UNEXPECTED)
    {
        let noted = engine.run_failed(failure.error.to_string()).await;
        match noted {
            Ok(Some(quarantine)) => {
                output.talk(&format!("This profile is now {}", clean(&quarantine.sentence())));
            }
            Ok(None) => {}
            Err(error) => output.talk(&format!(
                "warning: that this run has failed could not be kept: {}",
                error.sentence()
            )),
        }
    }
    ended
}

/// Says on standard error what slows the profile down or waits for somebody.
pub async fn talk(output: &Output, session: &Session) {
    match session.engine.brakes().await {
        Ok(brakes) => {
            for line in brakes.lines() {
                output.talk(&clean(&line));
            }
        }
        Err(error) => output.talk(&format!("warning: {}", error.sentence())),
    }
}

/// The faces that a plan would remove, in words and where the terminal can draw.
pub async fn tell_of_removals(
    output: &Output,
    global: &GlobalArguments,
    session: &Session,
    plan: &Plan,
) -> Result<(), Failure> {
    let people: Vec<&PersonRef> = plan
        .steps
        .iter()
        .filter(|step| step.change == Change::Remove)
        .map(|step| &step.person)
        .collect();
    if people.is_empty() {
        return Ok(());
    }
    let engine = &session.engine;
    output.data(|out| writeln!(out, "\nFaces that would vanish from {}:", session.instance))?;
    removals::draw_faces(output, global, engine, &people).await?;
    if engine.settings().removals_need_approval {
        let staged = engine.hold_back_removals(plan.clone()).await;
        let (left, _) = staged.map_err(store_failure)?;
        let approved = left.count(Change::Remove);
        output.talk(&format!(
            "{} of {} are approved; a run that nobody confirms removes no others (`avatar-sync removals`).",
            number(approved),
            number(people.len() as u64)
        ));
    }
    Ok(())
}

/// The one of `people` whom this names: by an id, a sign-in name or an e-mail address, in any capitalisation.
///
/// # Errors
///
/// If it is nobody, or several.
pub fn named<'a, T>(
    all: &'a [T],
    person: impl Fn(&T) -> &PersonRef,
    wanted: &str,
    what: &str,
) -> Result<&'a T, Failure> {
    let wanted = wanted.trim();
    let is_meant = |entry: &&T| {
        let person = person(entry);
        let names = [Some(&person.upn), person.mail.as_ref(), person.user_name.as_ref()];
        let ids = [
            Some(person.source.as_str()),
            person.target.as_ref().map(crate::domain::ids::TargetId::as_str),
        ];
        names
            .into_iter()
            .flatten()
            .any(|name| name.raw().to_lowercase() == wanted.to_lowercase())
            || ids
                .into_iter()
                .flatten()
                .any(|id| id.eq_ignore_ascii_case(wanted))
    };
    let mut meant = all.iter().filter(is_meant);
    match (meant.next(), meant.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Failure::usage(format!(
            "{:?} is nobody who is {what}",
            clean(wanted)
        ))),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "{:?} is more than one person who is {what}",
            clean(wanted)
        ))
        .with_hint("say which one, by an id")),
    }
}
