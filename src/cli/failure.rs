//! A command that did not get where it wanted: what to print and how to end.

use std::error::Error;

use super::exit;

/// A command's failure: the error with its causes, a hint, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// Headline and causes.
    pub error: Box<dyn Error + Send + Sync>,
    /// What to do next.
    pub hint: Option<String>,
    /// How the program ends.
    pub code: u8,
}

impl Failure {
    /// A failure with an exit code.
    pub fn new(code: u8, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            error: error.into(),
            hint: None,
            code,
        }
    }

    /// A mistake on the command line or in the configuration.
    pub fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(exit::USAGE, error)
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<crate::config::ConfigurationError> for Failure {
    fn from(error: crate::config::ConfigurationError) -> Self {
        Self::usage(error)
    }
}

impl From<crate::config::ValuesError> for Failure {
    fn from(error: crate::config::ValuesError) -> Self {
        let hint = error.hint();
        Self {
            hint,
            ..Self::usage(error)
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(exit::UNEXPECTED, error)
    }
}

impl From<crate::domain::filter::FilterError> for Failure {
    fn from(error: crate::domain::filter::FilterError) -> Self {
        Self::usage(error)
    }
}
