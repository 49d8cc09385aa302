//! `request`: a ticket before the write, for exactly what it would change; several are one batch.

mod action;
mod direct;

use std::io::Write;

use anyhow::bail;
use clap::Args;
use countersign_api::ApprovalTicket;
use countersign_core::{advice::Advice, plain::plain, policy::Policy, resource_name::ResourceName};

pub use self::action::{Action, unaliased};
use self::{
    action::{Verb, agreed},
    direct::Options,
};
use crate::{
    batch::{self, parse_name},
    connection::{Session, operator_namespace},
    describe::approve_command,
    failure::{Outcome, explain, usage},
    known,
    kubectl::Manifests,
    output::{Format, name_of, serialized_all},
    preview::{Preview, Verdict, previews, violations},
    ticket::{self, Said, state_of},
};

/// Ask for approval of a change before making it
///
/// With -f of what kubectl apply would change, one ticket for each object and one batch for all; or with --action and --resource of a delete, an eviction or an
/// exec, which need no content.
#[derive(Args, Clone, Debug)]
pub struct Request {
    /// What would be applied
    #[command(flatten)]
    pub manifests: Manifests,
    /// What is done: <domain>.<type>.<operation>, such as object.deployments.apps.delete
    #[arg(long, value_name = "ACTION", requires = "resource")]
    pub action: Option<Action>,
    /// To which object: <type>:<project>/<env>/<name>, such as app:billing/prod/my-api
    #[arg(long, value_name = "RESOURCE", requires = "action")]
    pub resource: Option<ResourceName>,
    /// Why the change is wanted, for the reviewers
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The name of the batch; made from the changes when there are several and none is given
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub batch: Option<String>,
    /// What is bound beside the object
    #[command(flatten)]
    pub options: Options,
    /// The form of what is printed
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

impl Request {
    /// Makes a ticket for each write that needs approval.
    pub async fn run(&self, session: &Session, out: &mut impl Write) -> anyhow::Result<Outcome> {
        let named = self.action.as_ref().zip(self.resource.as_ref());
        self.check()?;
        let (writes, notes) = match named {
            Some((action, resource)) if self.manifests.is_empty() => {
                self.without_content(session, action, resource).await?
            }
            _ => self.with_content(session).await?,
        };
        for (reason, message) in &notes {
            eprintln!("not enforced here: {reason}: {}", plain(message));
        }
        self.ask_all(&writes, session, out).await
    }

    /// Asks for each; what cannot be asked for keeps nobody from asking for the rest.
    async fn ask_all(
        &self,
        writes: &[Preview],
        session: &Session,
        out: &mut impl Write,
    ) -> anyhow::Result<Outcome> {
        let bound: Vec<_> = writes.iter().filter_map(Preview::binding).collect();
        let batch = match &self.batch {
            Some(name) => Some(name.clone()),
            None => (bound.len() > 1).then(|| batch::generated_name(bound.iter())),
        };
        let (mut asked, mut failed) = (Vec::new(), 0);
        for write in writes {
            match self.ask(write, batch.as_deref(), session, out).await {
                Ok(ticket) => asked.extend(ticket),
                Err(error) if writes.len() == 1 => return Err(error),
                Err(error) => {
                    failed += 1;
                    let place = plain(&write.target.target().place());
                    eprintln!("error: {place}: {}", explain(&error));
                }
            }
        }
        match (self.output, batch) {
            (Format::Table | Format::Wide, Some(batch)) if asked.len() > 1 => {
                write!(out, "{}", batch::told(&batch, &asked))?;
            }
            (Format::Json | Format::Yaml, _) => {
                out.write_all(serialized_all(&asked, self.output)?.as_bytes())?;
            }
            _ => {}
        }
        if failed == 0 {
            return Ok(Outcome::Yes);
        }
        eprintln!("{failed} of {} changes were not asked for", bound.len());
        Ok(Outcome::No)
    }

    /// Refuses what cannot be asked for before anything is sent.
    fn check(&self) -> anyhow::Result<()> {
        match &self.action {
            None if self.manifests.is_empty() => Err(usage(
                "name what is to be approved: -f with what would be applied, or --action and --resource",
            )),
            Some(action) if self.manifests.is_empty() && action.verb == Verb::Write => Err(usage(format!(
                "an approval that binds nothing is not given: {action} needs -f with the content of the change"
            ))),
            Some(action) if !self.manifests.is_empty() && action.verb != Verb::Write => {
                Err(usage(format!("{action} has no content: leave -f out")))
            }
            Some(action) if action.verb == Verb::Exec && self.options.argv.is_empty() => Err(usage(
                "an approval that binds nothing is not given: name the command behind --",
            )),
            _ => Ok(()),
        }
    }

    async fn without_content(
        &self,
        session: &Session,
        action: &Action,
        resource: &ResourceName,
    ) -> anyhow::Result<(Vec<Preview>, Vec<Note>)> {
        let resource_type = agreed(action, resource, &known::policy(session).await?)?;
        let (preview, advice): (Preview, Vec<Advice>) =
            direct::preview(session, action.verb, (&resource_type, resource), &self.options).await?;
        Ok((vec![preview], violations(advice)))
    }

    async fn with_content(&self, session: &Session) -> anyhow::Result<(Vec<Preview>, Vec<Note>)> {
        let mut found = previews(session, &self.manifests).await?;
        if let (Some(action), Some(resource)) = (&self.action, &self.resource) {
            let policy = known::policy(session).await?;
            found.objects = only(found.objects, action, resource, &policy)?;
        }
        Ok((found.objects, found.violations))
    }

    /// Asks for one change; the ticket, if it needs one.
    async fn ask(
        &self,
        write: &Preview,
        batch: Option<&str>,
        session: &Session,
        out: &mut impl Write,
    ) -> anyhow::Result<Option<ApprovalTicket>> {
        let place = plain(&write.target.target().place());
        match &write.verdict {
            Verdict::Unchanged => eprintln!("{place}: unchanged, needs no approval"),
            Verdict::Allowed => eprintln!("{place}: allowed, needs no approval"),
            Verdict::NeedsApproval(approval) => {
                let namespace = match &write.target.namespace {
                    Some(namespace) => namespace.clone(),
                    None => operator_namespace(session.policy().await?.as_ref()),
                };
                let said = Said {
                    reason: self.reason.as_deref(),
                    batch,
                };
                let made = ticket::request(&session.client, &namespace, write, said).await?;
                self.print(&made.ticket, made.is_new, out)?;
                if self.output == Format::Table {
                    writeln!(
                        out,
                        "  ask {} to run: {}",
                        plain(&approval.whom),
                        approve_command(&made.ticket)
                    )?;
                }
                return Ok(Some(made.ticket));
            }
        }
        Ok(None)
    }

    fn print(&self, ticket: &ApprovalTicket, is_new: bool, out: &mut impl Write) -> anyhow::Result<()> {
        match self.output {
            Format::Name => writeln!(out, "{}", name_of(ticket))?,
            Format::Json | Format::Yaml => {}
            Format::Table | Format::Wide => {
                let done = if is_new { "created" } else { "unchanged" };
                writeln!(out, "{} {done}\n  state: {:?}", name_of(ticket), state_of(ticket))?;
            }
        }
        Ok(())
    }
}

type Note = (countersign_core::decision::Reason, String);

/// The writes that the two flags name; the manifests must hold them.
fn only(
    writes: Vec<Preview>,
    action: &Action,
    resource: &ResourceName,
    policy: &Policy,
) -> anyhow::Result<Vec<Preview>> {
    let resource_type = agreed(action, resource, policy)?;
    let is_named = |write: &Preview| {
        let target = write.target.target();
        target.resource_type() == resource_type
            && target.namespace == resource.namespace.as_deref()
            && target.name == resource.name
            && action.to_string().ends_with(write.operation.verb())
    };
    let named: Vec<_> = writes.into_iter().filter(is_named).collect();
    if named.is_empty() {
        bail!("the manifests hold no {action} of {}", plain(&resource.name));
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        request: Request,
    }

    fn refusal(arguments: &[&str]) -> String {
        let line = Line::try_parse_from([&["request"], arguments].concat()).unwrap();
        line.request.check().unwrap_err().to_string()
    }

    #[test]
    fn an_approval_that_binds_nothing_is_not_given() {
        let named = |action: &'static str| ["--action", action, "--resource", "app:billing/prod/my-api"];
        assert_eq!(
            refusal(&named("deploy.app.update")),
            "an approval that binds nothing is not given: deploy.app.update needs -f with the content of the change"
        );
        assert_eq!(
            refusal(&[
                "--action",
                "object.pods.exec",
                "--resource",
                "pods:billing/prod/a"
            ]),
            "an approval that binds nothing is not given: name the command behind --"
        );
        let with_content = [&named("deploy.app.delete")[..], &["-f", "a.yaml"]].concat();
        assert_eq!(
            refusal(&with_content),
            "deploy.app.delete has no content: leave -f out"
        );
        assert_eq!(
            refusal(&[]),
            "name what is to be approved: -f with what would be applied, or --action and --resource"
        );
    }

    #[test]
    fn a_command_stands_behind_two_hyphens() {
        let arguments = [
            "request",
            "--action",
            "object.pods.exec",
            "--resource",
            "pods:a/prod/b",
            "-c",
            "app",
            "--",
            "ls",
            "-l",
        ];
        let line = Line::try_parse_from(arguments).unwrap();
        assert!(line.request.check().is_ok());
        assert_eq!(line.request.options.argv, ["ls", "-l"]);
        assert_eq!(line.request.options.container.as_deref(), Some("app"));
    }
}
