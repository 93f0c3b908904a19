//! The command line: one file a command; they drive the engine and print through `report`.

mod apply;
mod audit;
mod brakes;
mod check;
mod clean;
mod completions;
mod configuration;
mod connect;
mod demo;
pub mod exit;
mod explain;
mod failure;
mod forget;
mod health;
mod history;
mod info;
mod interrupt;
mod notify;
mod output;
mod parked;
mod plan;
mod push;
mod release;
mod removals;
mod report;
mod resume;
pub mod sandbox;
mod screen;
mod show;
mod status;
mod sync;
mod undo;
mod writing;

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand, ValueEnum};

use failure::Failure;
use output::Output;

/// Brings people's Microsoft Entra ID photos into ServiceNow: see both sides, push the right ones, prove it.
#[derive(Debug, Parser)]
#[command(
    name = "avatar-sync",
    version,
    max_term_width = 100,
    arg_required_else_help = false
)]
#[command(
    after_help = "Start with `avatar-sync demo`: a practice tenant and instance, nothing to configure."
)]
struct Arguments {
    #[command(flatten)]
    global: GlobalArguments,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub struct GlobalArguments {
    /// Profile of the configuration file.
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub profile: Option<String>,
    /// When to use colour; NO_COLOR is honoured too.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", help_heading = "Global options")]
    pub color: Colour,
    /// Symbols and lines in ASCII alone.
    #[arg(long, global = true, help_heading = "Global options")]
    pub ascii: bool,
    /// How the screen draws pictures; auto asks the terminal.
    #[arg(long, global = true, value_name = "HOW", value_parser = ["auto", "kitty", "sixel", "iterm2", "blocks", "off"], help_heading = "Global options")]
    pub graphics: Option<String>,
    /// Words instead of pictures.
    #[arg(long, global = true, help_heading = "Global options")]
    pub no_images: bool,
    /// Refuse everything that would write to ServiceNow.
    #[arg(long, global = true, help_heading = "Global options")]
    pub readonly: bool,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal that can.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try it on a practice tenant and instance; needs no configuration and leaves nothing behind.
    Demo(demo::DemoArguments),
    /// Serve the practice tenant and instance over HTTP on loopback.
    Sandbox(sandbox::SandboxArguments),
    /// Prove connection, sign-in and every right on both sides, with harmless probes.
    Check(check::CheckArguments),
    /// Scan both sides and print how they compare.
    Status(status::StatusArguments),
    /// Show one person's pictures side by side, with the reasons.
    Show(show::ShowArguments),
    /// Say why one person's picture is what it is, step by step, and what to try next.
    Explain(explain::ExplainArguments),
    /// Write how both sides compare to a file: one HTML page with the pictures, CSV, or JSON.
    Report(report::ReportArguments),
    /// Show what a run would do, or write it to a file for `apply`.
    Plan(plan::PlanArguments),
    /// Do exactly what a plan file says; what has moved since is left alone.
    Apply(apply::ApplyArguments),
    /// Bring some people's photos into ServiceNow.
    Push(push::PushArguments),
    /// A full run: scan, plan, apply. Once, or again and again with --every or --cron.
    Sync(sync::SyncArguments),
    /// Say if a program that repeats runs is well, for probes: ends with 0 or 1.
    Health(health::HealthArguments),
    /// Notifications by e-mail and webhook.
    #[command(subcommand)]
    Notify(notify::NotifyCommand),
    /// Clear away stored pictures that nobody sees; what people see stays.
    Clean(clean::CleanArguments),
    /// Go on with a run that was stopped or cut off: whom it has not reached is planned anew.
    Resume(resume::ResumeArguments),
    /// Take back a run, or the last change to a person.
    Undo(undo::UndoArguments),
    /// List people whom runs pass over for a while because they keep failing.
    Parked(parked::ParkedArguments),
    /// Try people at once who are parked, or end a quarantine.
    Release(release::ReleaseArguments),
    /// List avatars that are to be removed and wait for approval; approve or reject them.
    Removals(removals::RemovalsArguments),
    /// List past runs, or one of them person by person.
    History(history::HistoryArguments),
    /// Every write with who, when, whom and what: JSON lines or a table; or a proof that none was changed.
    Audit(audit::AuditArguments),
    /// Remove a person, or everything, from what is kept on this machine.
    Forget(forget::ForgetArguments),
    /// Settings in force.
    #[command(subcommand)]
    Config(configuration::ConfigCommand),
    /// Paths and sizes in use.
    Info(info::InfoArguments),
    /// Completions for a shell, on standard output.
    Completions(completions::CompletionsArguments),
}

/// Flags of every command that writes.
#[derive(Clone, Debug, Default, Args)]
pub struct WriteArguments {
    /// Show the plan and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
    /// One JSON event a line on standard output.
    #[arg(long)]
    pub json: bool,
    /// Push photos too that are probably not the person's own: you have looked at them.
    #[arg(long)]
    pub push_suspicious: bool,
    /// The most requests at a time to each service.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub concurrency: Option<u16>,
    /// Stop if the plan changes more people.
    #[arg(long, value_name = "N")]
    pub max_changes: Option<u32>,
    /// Stop if the plan changes more of the people in scope.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub max_change_share: Option<u8>,
    /// Stop if the plan removes more avatars.
    #[arg(long, value_name = "N")]
    pub max_removals: Option<u32>,
    /// Stop if the plan removes the avatars of more of the people in scope.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub max_removal_share: Option<u8>,
}

/// The command line as it is declared: commands, flags and their help.
pub fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// Runs the program with these arguments and says how it ends.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { exit::OK };
            // Nothing can be said if even the help cannot be printed.
            let _ = error.print();
            return code;
        }
    };
    let output = Output::new(&arguments.global);
    match dispatch(&output, arguments) {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.code
        }
    }
}

fn dispatch(output: &Output, arguments: Arguments) -> Result<u8, Failure> {
    let global = arguments.global;
    match arguments.command {
        Some(Command::Completions(arguments)) => completions::run(&arguments),
        Some(Command::Config(command)) => configuration::run(output, &global, &command),
        Some(Command::Audit(arguments)) => audit::run(output, &global, &arguments),
        Some(Command::Info(arguments)) => info::run(output, &global, &arguments),
        Some(Command::Health(arguments)) => health::run(output, &arguments),
        Some(Command::Forget(arguments)) => forget::run(output, &global, &arguments),
        command => {
            let runtime = runtime().map_err(|error| {
                Failure::new(exit::UNEXPECTED, error)
                    .with_hint("the system gives this program no more threads: look at its limits of memory and processes")
            })?;
            let result = runtime.block_on(dispatch_async(output, &global, command));
            // A decoder or a request that does not come back must not keep the program.
            runtime.shutdown_timeout(std::time::Duration::from_secs(2));
            result
        }
    }
}

/// A runtime with its threads. They are tried before: where the system refuses one, the runtime would panic and then wait
/// for ever for those that it has.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let gate = parking_lot::Mutex::new(());
    std::thread::scope(|scope| {
        // All of them are there at once until the gate opens.
        let _closed = gate.lock();
        for _ in 0..=workers {
            std::thread::Builder::new().spawn_scoped(scope, || drop(gate.lock()))?;
        }
        std::io::Result::Ok(())
    })?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
}

async fn dispatch_async(
    output: &Output,
    global: &GlobalArguments,
    command: Option<Command>,
) -> Result<u8, Failure> {
    let Some(command) = command else {
        return screen::run(output, global).await;
    };
    match command {
        Command::Demo(arguments) => Box::pin(demo::run(output, global, arguments)).await,
        Command::Sandbox(arguments) => sandbox::run(arguments)
            .await
            .map_err(|error| Failure::new(exit::USAGE, error)),
        Command::Parked(arguments) => parked::run(output, global, &arguments).await,
        Command::Release(arguments) => release::run(output, global, &arguments).await,
        Command::Removals(arguments) => removals::run(output, global, &arguments).await,
        Command::History(arguments) => history::run(output, global, &arguments).await,
        Command::Check(arguments) => check::run(output, global, &arguments).await,
        Command::Status(arguments) => status::run(output, global, &arguments).await,
        Command::Show(arguments) => show::run(output, global, &arguments).await,
        Command::Explain(arguments) => explain::run(output, global, &arguments).await,
        Command::Report(arguments) => report::run(output, global, &arguments).await,
        Command::Plan(arguments) => plan::run(output, global, &arguments).await,
        Command::Apply(arguments) => Box::pin(apply::run(output, global, &arguments)).await,
        Command::Push(arguments) => Box::pin(push::run(output, global, &arguments)).await,
        Command::Sync(arguments) => Box::pin(sync::run(output, global, &arguments)).await,
        Command::Notify(command) => notify::run(output, global, &command).await,
        Command::Clean(arguments) => Box::pin(clean::run(output, global, &arguments)).await,
        Command::Resume(arguments) => Box::pin(resume::run(output, global, &arguments)).await,
        Command::Undo(arguments) => Box::pin(undo::run(output, global, &arguments)).await,
        Command::Completions(_)
        | Command::Config(_)
        | Command::Info(_)
        | Command::Audit(_)
        | Command::Health(_)
        | Command::Forget(_) => {
            unreachable!("commands without a runtime are dispatched before")
        }
    }
}
