//! The program's own log: what it does, for the people who run it. What it decides is in the audit log.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, filter::ParseError};

/// How the lines of the log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("`{filter}` is not a log filter: {source}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The log was started before.
    #[error("the log is already started: {0}")]
    Started(Box<dyn std::error::Error + Send + Sync>),
}

/// Starts the log on standard error, with a filter such as `info,countersign=debug`.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let env = EnvFilter::try_new(filter).map_err(|source| TelemetryError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(env)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    }
    .map_err(TelemetryError::Started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_named() {
        let error = init(LogFormat::Text, "countersign=loud").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`countersign=loud` is not a log filter: "),
            "{error}"
        );
    }
}
