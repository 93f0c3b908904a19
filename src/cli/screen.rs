//! `avatar-sync` without a command: the screen on a profile. Also where the screen is put together for `demo`.

use std::io::IsTerminal as _;
use std::sync::Arc;

use super::connect::{self, Session, store_paths};
use super::failure::Failure;
use super::output::Output;
use super::{Colour, GlobalArguments, exit};
use crate::config::{Configuration, Values};
use crate::domain::text::clean;
use crate::graphics::Wish;
use crate::store::{Access, StoreError};
use crate::tui::keymap::Keymap;
use crate::tui::{self, Ending, Opening, Palette, Services, Setting, Theme, Trouble};

/// Opens the screen on the profile in force; without one, or without a terminal, says how to start.
pub async fn run(output: &Output, global: &GlobalArguments) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, Vec::new())?;
    if !configuration.is_configured {
        how_to_start(output, &configuration);
        return Ok(exit::USAGE);
    }
    if !has_terminal() {
        output.talk(&format!(
            "Profile {:?} is configured, but the screen needs a terminal for input and output. Without one there are \
             `avatar-sync status`, `plan`, `push` and `sync`; `avatar-sync --help` lists everything.",
            configuration.profile
        ));
        return Ok(exit::USAGE);
    }
    open(output, global, &configuration).await
}

/// True if the screen can open: it reads keys and writes frames.
pub fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Opens the screen on a configuration.
pub async fn open(
    output: &Output,
    global: &GlobalArguments,
    configuration: &Configuration,
) -> Result<u8, Failure> {
    let values = Values::of(configuration)?.screen;
    let keymap =
        Keymap::with(values.keys.iter().map(|(action, keys)| (action.as_str(), keys))).map_err(|error| {
            Failure::usage(error).with_hint("see screen.keys in `avatar-sync config show --origin`")
        })?;
    let graphics = match (&global.graphics, global.no_images) {
        (_, true) => "off",
        (Some(graphics), false) => graphics,
        (None, false) => &values.graphics,
    };
    // Reading needs no lock, so a scheduled run is not kept waiting while somebody looks on.
    let session = Session::open(configuration, Access::Read)?;
    let services = Services {
        engine: Arc::clone(&session.engine),
        writer: writer(&session),
        // Whoever confirms a large plan on the screen types its number.
        limits: session.limits.without_change_share(),
        requests: session.requests.clone(),
        store: store_paths(configuration),
    };
    let setting = Setting {
        profile: clean(&configuration.profile).into_owned(),
        tenant: session.tenant.clone(),
        instance: host(&session.instance).to_owned(),
        is_production: values.is_production,
        is_readonly: global.readonly,
        limits: session.limits.without_change_share(),
        target_record: format!("{}/sys_user.do?sys_id=", session.instance),
        source_record: "https://entra.microsoft.com/#view/Microsoft_AAD_UsersAndTenants/UserProfileMenuBlade/~/overview/userId/".into(),
        facts: facts(configuration, &session),
    };
    let (palette, follows_ground) = palette(global, &values.theme);
    let opening = Opening {
        services,
        setting,
        theme: Theme {
            palette,
            is_ascii: output.look.is_ascii,
        },
        follows_ground,
        keymap,
        wish: Wish::from_code(graphics).unwrap_or(Wish::Auto),
        has_mouse: values.has_mouse,
    };
    match Box::pin(tui::open(opening)).await {
        Ok(Ending::Quit) => Ok(exit::OK),
        Ok(Ending::Terminated) => Ok(exit::INTERRUPTED),
        Err(error) => Err(Failure::new(exit::UNEXPECTED, error).with_hint(
            "the terminal could not be used; `avatar-sync status` and the other commands need none",
        )),
    }
}

fn writer(session: &Session) -> Arc<dyn Fn() -> Result<Arc<crate::engine::Engine>, Trouble> + Send + Sync> {
    let open = session.writer();
    Arc::new(move || {
        open().map_err(|error| {
            let hint = match &error {
                StoreError::Locked { .. } => "wait until it is done, then push again",
                StoreError::Key(error) => error.hint(),
                _ => "make the folder writable, or choose another one with AVATAR_SYNC_STATE_DIR",
            };
            Trouble {
                what: clean(&error.sentence()).into_owned(),
                hint: Some(hint.into()),
            }
        })
    })
}

/// `https://dev12345.service-now.com` → `dev12345.service-now.com`.
fn host(address: &str) -> &str {
    address.split_once("://").map_or(address, |(_, host)| host)
}

fn facts(configuration: &Configuration, session: &Session) -> Vec<(String, String)> {
    let path = |path: std::path::PathBuf| clean(&path.display().to_string()).into_owned();
    vec![
        ("profile".into(), clean(&configuration.profile).into_owned()),
        ("Entra tenant".into(), session.tenant.clone()),
        ("ServiceNow".into(), session.instance.clone()),
        (
            "configuration".into(),
            path(configuration.paths.configuration_file()),
        ),
        ("journal".into(), path(store_paths(configuration).journal())),
        ("old pictures".into(), path(store_paths(configuration).vault())),
    ]
}

/// The palette that is asked for, or the one that seems to fit the terminal, and whether the terminal's answer about its
/// background may change it.
fn palette(global: &GlobalArguments, wanted: &str) -> (Palette, bool) {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if global.color == Colour::Never || (global.color == Colour::Auto && set("NO_COLOR").is_some()) {
        return (Palette::Plain, false);
    }
    if let Some(palette) = Palette::from_code(wanted) {
        return (palette, false);
    }
    let term = set("TERM").unwrap_or_default();
    let has_many_colours = term.contains("256color")
        || term.contains("kitty")
        || term.contains("direct")
        || set("COLORTERM").is_some()
        || set("WT_SESSION").is_some();
    match (term.as_str(), has_many_colours) {
        ("dumb", _) => (Palette::Plain, false),
        (_, false) => (Palette::Sixteen, false),
        // Foreground and background by number: 7 and above, but for 8, are light.
        (_, true) => match set("COLORFGBG").and_then(|pair| pair.rsplit(';').next()?.parse::<u8>().ok()) {
            Some(background) if background >= 7 && background != 8 => (Palette::Light, true),
            _ => (Palette::Dark, true),
        },
    }
}

fn how_to_start(output: &Output, configuration: &Configuration) {
    output.talk("avatar-sync brings people's Entra ID photos into ServiceNow. Nothing is configured yet.");
    output.talk("");
    output.talk("  avatar-sync demo      try it on a practice tenant and instance");
    output.talk("  avatar-sync --help    all commands");
    output.talk("");
    output.talk(&format!(
        "Configuration goes to {} or into the environment:",
        configuration.paths.configuration_file().display()
    ));
    output.talk("  AVATAR_SYNC_ENTRA_TENANT, AVATAR_SYNC_ENTRA_CLIENT_ID, AVATAR_SYNC_ENTRA_CLIENT_SECRET,");
    output.talk("  AVATAR_SYNC_SERVICENOW_INSTANCE, AVATAR_SYNC_SERVICENOW_CLIENT_ID, AVATAR_SYNC_SERVICENOW_CLIENT_SECRET");
}
