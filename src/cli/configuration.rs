//! `avatar-sync config show [--origin]`.

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, connect, exit};
use crate::config::Configuration;
use crate::config::settings::SETTINGS;

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the settings in force, secrets masked.
    Show(ShowConfigArguments),
}

/// How to print them.
#[derive(Debug, Args)]
pub struct ShowConfigArguments {
    /// Say where each value came from, and what it is for.
    #[arg(long)]
    origin: bool,
}

/// Prints the settings in force as TOML.
pub fn run(output: &Output, global: &GlobalArguments, command: &ConfigCommand) -> Result<u8, Failure> {
    let ConfigCommand::Show(arguments) = command;
    let configuration = connect::configuration(global, Vec::new())?;
    output.data(|out| {
        writeln!(out, "# profile {}", configuration.profile)?;
        let mut section = "";
        for setting in SETTINGS {
            if setting.section() != section {
                section = setting.section();
                writeln!(out, "\n[profiles.{}.{section}]", configuration.profile)?;
            }
            let effective = configuration.effective(setting);
            if arguments.origin {
                writeln!(out, "# {} ({})", setting.help, setting.environment_name())?;
            }
            let line = match effective {
                Some(effective) => {
                    format!(
                        "{} = {}",
                        setting.name(),
                        Configuration::shown(setting, &effective.value)
                    )
                }
                None => format!("# {} is not set", setting.name()),
            };
            match effective {
                Some(effective) if arguments.origin => writeln!(out, "{line}  # {}", effective.origin)?,
                _ => writeln!(out, "{line}")?,
            }
        }
        for opt_out in &configuration.opt_outs {
            writeln!(out, "\n[[profiles.{}.scope.opt_out]]", configuration.profile)?;
            writeln!(
                out,
                "person = {:?}\nreason = {:?}",
                opt_out.person, opt_out.reason
            )?;
            if let Some(until) = opt_out.until {
                writeln!(out, "until = {until}")?;
            }
        }
        Ok(())
    })?;
    Ok(exit::OK)
}
