//! `avatar-sync demo`: the whole story on a practice tenant and instance in this process.

use std::collections::BTreeMap;

use clap::Args;

use super::connect::Session;
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, WriteArguments, exit, screen, writing};
use crate::config::paths::Paths;
use crate::config::settings::SETTINGS;
use crate::config::{Configuration, Effective, Origin, Value};
use crate::domain::filter::Filter;
use crate::engine::{Depth, Scan};
use crate::report::status::{self, Listing, Status};
use crate::sandbox::{self, Sandbox, SandboxOptions};
use crate::store::Access;
use crate::store::journal::RunKind;
use crate::store::keys::VaultKey;

/// How large the practice tenant is.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// People to invent.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    users: u32,
    /// Which people: the same seed invents the same ones.
    #[arg(long, default_value_t = 1, value_name = "S")]
    seed: u64,
}

/// Opens the screen on a sandbox. Without a terminal it prints the status, pushes what is missing or wrong, and prints
/// the status again.
pub async fn run(output: &Output, global: &GlobalArguments, arguments: DemoArguments) -> Result<u8, Failure> {
    let options = SandboxOptions {
        users: arguments.users as usize,
        seed: arguments.seed,
        ..SandboxOptions::default()
    };
    let sandbox = sandbox::start(&options).map_err(|error| Failure::new(exit::UNEXPECTED, error))?;
    let home = tempfile_folder()?;
    let configuration = configuration_for(&sandbox, home.path());
    if screen::has_terminal() {
        let code = screen::open(output, global, &configuration).await;
        sandbox.shutdown().await;
        return code;
    }
    output.talk("A practice tenant and instance run in this process; nothing leaves this machine.");
    output.talk("");

    let access = if global.readonly {
        Access::Read
    } else {
        Access::Write
    };
    let session = Session::open(&configuration, access)?;
    let scan = show_status(output, &session).await?;
    if global.readonly {
        return Ok(exit::OK);
    }
    output.talk("");
    let plan = session.engine.plan(&scan).await;
    drop(scan);
    let write = WriteArguments {
        yes: true,
        ..WriteArguments::default()
    };
    let code = writing::carry_out(output, &session, plan, RunKind::Sync, &write).await?;
    output.talk("");
    show_status(output, &session).await?;
    output.talk("");
    output.talk("That was `avatar-sync status --deep`, `sync` and `status --deep`. `avatar-sync sandbox` keeps such a");
    output.talk("world running for your own experiments.");
    drop(session);
    sandbox.shutdown().await;
    Ok(code)
}

async fn show_status(output: &Output, session: &Session) -> Result<Scan, Failure> {
    let scan = session.scan(output, Depth::Deep).await?;
    output.data(|out| {
        let headline = session.headline(output.look);
        let status = Status::of(&scan, Filter::default(), Listing::NeedsALook);
        status::write_human(out, output.look, &headline, &status)
    })?;
    Ok(scan)
}

/// A folder that is gone when the demo is over.
fn tempfile_folder() -> Result<TemporaryFolder, Failure> {
    let name = format!("avatar-sync-demo-{}", uuid::Uuid::new_v4());
    let path = std::env::temp_dir().join(name);
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(&path)?;
    Ok(TemporaryFolder(path))
}

struct TemporaryFolder(std::path::PathBuf);

impl TemporaryFolder {
    fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // The system's own cleaning of temporary files takes what cannot be removed here.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The defaults, pointed at the sandbox; files and environment are not looked at.
pub(super) fn configuration_for(sandbox: &Sandbox, home: &std::path::Path) -> Configuration {
    let ready = sandbox.ready_line();
    let text = |key: &str| Value::Text(ready[key].as_str().unwrap_or_default().to_owned());
    let mut values: BTreeMap<&'static str, Effective> = SETTINGS
        .iter()
        .filter_map(|setting| {
            let value = setting.default_value()?;
            Some((
                setting.key,
                Effective {
                    value,
                    origin: Origin::Default,
                },
            ))
        })
        .collect();
    for (key, value) in [
        ("entra.tenant", text("tenant_id")),
        ("entra.client_id", text("client_id")),
        ("entra.client_secret", text("client_secret")),
        ("entra.login_url", text("entra_url")),
        ("entra.graph_url", text("entra_url")),
        ("servicenow.instance", text("servicenow_url")),
        ("servicenow.client_id", text("servicenow_client_id")),
        ("servicenow.client_secret", text("servicenow_client_secret")),
        // It goes with the folder; nothing is left in the system's secret store.
        (
            "vault.key",
            Value::Text(VaultKey::generate().to_text().to_string()),
        ),
    ] {
        values.insert(
            key,
            Effective {
                value,
                origin: Origin::Flag("demo"),
            },
        );
    }
    Configuration {
        profile: "demo".into(),
        is_configured: true,
        paths: Paths {
            configuration: home.to_owned(),
            state: home.join("state"),
            cache: home.join("cache"),
        },
        values,
        opt_outs: Vec::new(),
    }
}
