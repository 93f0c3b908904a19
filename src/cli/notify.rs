//! `avatar-sync notify`.

use clap::Subcommand;
use jiff::Timestamp;

use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, connect, exit};
use crate::config::values::NotifyValues;
use crate::notify::{Notice, Notifier, Occasion};
use crate::store::host_name;

/// Notifications.
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Send one notification each way and say what was answered.
    Test,
}

/// Sends a test to everybody who is configured.
pub async fn run(output: &Output, global: &GlobalArguments, command: &NotifyCommand) -> Result<u8, Failure> {
    let NotifyCommand::Test = command;
    let configuration = connect::configuration(global, Vec::new())?;
    let notifier = Notifier::new(&NotifyValues::of(&configuration)).map_err(Failure::usage)?;
    let Some(notifier) = notifier else {
        return Err(
            Failure::usage(format!("profile {:?} tells nobody", configuration.profile)).with_hint(
                "set notify.email_to, notify.email_from and notify.smtp_host, or notify.webhook_url",
            ),
        );
    };
    let notice = Notice {
        occasion: Occasion::Test,
        profile: configuration.profile.clone(),
        host: host_name(),
        at: Timestamp::now(),
        run: None,
        exit_code: exit::OK,
        sentence: "If you can read this, notifications arrive here.".into(),
        summary: None,
        next_command: format!("avatar-sync history --profile {}", configuration.profile),
        next_run: None,
        in_a_row: 0,
        people: Vec::new(),
    };
    let deliveries = notifier.tell(&notice).await;
    output.data(|out| {
        for delivery in &deliveries {
            match &delivery.result {
                Ok(answer) => writeln!(out, "{}: accepted, {answer}", delivery.channel)?,
                Err(why) => writeln!(out, "{}: not accepted: {why}", delivery.channel)?,
            }
        }
        Ok(())
    })?;
    let is_good = deliveries.iter().all(|delivery| delivery.result.is_ok());
    Ok(if is_good { exit::OK } else { exit::UNEXPECTED })
}
