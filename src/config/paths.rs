//! The folders in use, by each platform's own convention.

use std::path::PathBuf;

use etcetera::app_strategy::{AppStrategy, AppStrategyArgs, choose_native_strategy};

/// Where files live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Configuration.
    pub configuration: PathBuf,
    /// Journal and vault: not to be lost.
    pub state: PathBuf,
    /// What can be made again.
    pub cache: PathBuf,
}

impl Paths {
    /// The platform's folders, each replaced by its environment variable if that is set; `None` if no home folder is
    /// known and a variable is missing.
    pub fn from_environment(environment: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let given = |name| {
            environment(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let configuration = given("AVATAR_SYNC_CONFIG_DIR");
        let state = given("AVATAR_SYNC_STATE_DIR");
        let cache = given("AVATAR_SYNC_CACHE_DIR");
        if let (Some(configuration), Some(state), Some(cache)) = (&configuration, &state, &cache) {
            return Some(Self {
                configuration: configuration.clone(),
                state: state.clone(),
                cache: cache.clone(),
            });
        }
        let native = choose_native_strategy(AppStrategyArgs {
            top_level_domain: "io.github".into(),
            author: "avatar-sync".into(),
            app_name: "avatar-sync".into(),
        })
        .ok()?;
        Some(Self {
            configuration: configuration.unwrap_or_else(|| native.config_dir()),
            state: state.unwrap_or_else(|| native.state_dir().unwrap_or_else(|| native.data_dir())),
            cache: cache.unwrap_or_else(|| native.cache_dir()),
        })
    }

    /// The configuration file.
    pub fn configuration_file(&self) -> PathBuf {
        self.configuration.join("config.toml")
    }
}
