//! Why a command did not do what it was asked, and the exit code that says so.

use std::process::ExitCode;

use countersign_core::{decision::Reason, plain::plain};
use kube::core::Status;

/// What a command that ran to its end says to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or yes: exit code 0.
    Yes,
    /// No: exit code 1.
    No,
    /// Not without an approval: exit code 3.
    NeedsApproval,
}

/// A command line that asks for nothing that can be done: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A wrong use of the command line.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    Usage(message.into()).into()
}

/// Whether the API server's answer is that somebody has to approve this first.
pub fn needs_approval(error: &kube::Error) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes
        .into_iter()
        .any(|cause| cause.reason == Reason::ApprovalRequired.as_str())
}

/// The exit code of a command's end, of one that failed `on_failure`.
pub fn exit_code(result: &anyhow::Result<Outcome>, on_failure: u8) -> ExitCode {
    match result {
        Ok(Outcome::Yes) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Ok(Outcome::NeedsApproval) => ExitCode::from(3),
        Err(error) if error.is::<Usage>() => ExitCode::from(2),
        Err(_) => ExitCode::from(on_failure),
    }
}

/// The error as one harmless line; of an answer of the API server, what it says.
pub fn explain(error: &anyhow::Error) -> String {
    let said = error
        .chain()
        .find_map(|cause| match cause.downcast_ref::<kube::Error>() {
            Some(kube::Error::Api(status)) => Some(answer(status)),
            _ => None,
        });
    plain(&said.unwrap_or_else(|| format!("{error:#}")))
}

fn answer(status: &Status) -> String {
    let message = if status.message.is_empty() {
        &status.reason
    } else {
        &status.message
    };
    if status.is_not_found()
        && status
            .details
            .as_ref()
            .is_none_or(|details| details.name.is_empty())
    {
        return format!("{message} (is Countersign installed in this cluster?)");
    }
    without_webhook(message).to_owned()
}

/// A denial without the API server's words around it.
fn without_webhook(message: &str) -> &str {
    let said = message
        .strip_prefix("admission webhook ")
        .and_then(|rest| rest.split_once(" denied the request: "))
        .map(|(_, said)| said);
    said.unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> anyhow::Error {
        let status = Status {
            message: message.to_owned(),
            code: 403,
            ..Status::default()
        };
        anyhow::Error::from(kube::Error::Api(status.boxed())).context("cannot make the review")
    }

    #[test]
    fn a_denial_is_what_the_webhook_says() {
        let error =
            refused("admission webhook \"w.countersign.dev\" denied the request: user:al is the subject");
        assert_eq!(explain(&error), "user:al is the subject");
    }

    #[test]
    fn hostile_words_stay_on_one_line() {
        assert_eq!(explain(&refused("no\n\u{1b}[2Jerror")), "no\\n\\u{1b}[2Jerror");
    }

    #[test]
    fn causes_are_told_from_the_outside_in() {
        let error = anyhow::anyhow!("no such file").context("cannot read `k`");
        assert_eq!(explain(&error), "cannot read `k`: no such file");
    }
}
