//! `approve`, `deny`, `revoke`, `cancel`: one person's word on one ticket, about exactly what was shown.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, bail};
use clap::Args;
use countersign_api::{
    ApprovalReview, ApprovalReviewSpec, ApprovalTicket,
    approval_review::{ReviewProof, TicketRef},
};
use countersign_core::{digest::Digest, plain::plain, review::ReviewDecision};
use jiff::Timestamp;
use kube::{
    Api, ResourceExt,
    api::{ObjectMeta, PostParams},
};

use crate::{
    confirm::confirmed,
    connection::Session,
    describe,
    failure::Outcome,
    output::{Format, name_of, serialized},
    ticket::{get, verify},
};

/// The flags of the four commands.
#[derive(Args, Clone, Debug)]
pub struct Review {
    /// The ticket
    pub ticket: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The binding hash that was looked at: a ticket with another one is refused
    #[arg(long, value_name = "sha256:...")]
    pub hash: Option<Digest>,
    /// Do not ask to confirm
    #[arg(short, long)]
    pub yes: bool,
    /// The form of what is printed
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

impl Review {
    /// Shows the ticket, asks, and makes the review.
    pub async fn run(
        &self,
        decision: ReviewDecision,
        session: &Session,
        out: &mut impl Write,
    ) -> anyhow::Result<Outcome> {
        let ticket = get(&session.client, &session.namespace, &self.ticket).await?;
        let shown = self.check(&ticket, decision)?;
        let asks = !self.yes && io::stdin().is_terminal();
        let text = describe::text(&ticket, None, Timestamp::now());
        match self.output {
            Format::Table | Format::Wide => out.write_all(text.as_bytes())?,
            _ if asks => eprint!("{text}"),
            _ => {}
        }
        out.flush()?;
        if asks && !confirmed(decision.as_str(), &mut io::stdin().lock())? {
            eprintln!("nothing was done");
            return Ok(Outcome::No);
        }
        let namespace = ticket.namespace().unwrap_or_default();
        let api = Api::<ApprovalReview>::namespaced(session.client.clone(), &namespace);
        let review = submit(&api, &self.draft(&ticket, decision, &shown)?).await?;
        match self.output {
            Format::Table | Format::Wide => writeln!(out, "{} created", name_of(&review))?,
            Format::Name => writeln!(out, "{}", name_of(&review))?,
            Format::Json | Format::Yaml => out.write_all(serialized(&review, self.output)?.as_bytes())?,
        }
        Ok(Outcome::Yes)
    }

    /// The hash of what the ticket shows. A ticket that shows something else than it binds can only be refused.
    fn check(&self, ticket: &ApprovalTicket, decision: ReviewDecision) -> anyhow::Result<String> {
        let stated = ticket
            .spec
            .binding_hash
            .clone()
            .context("the operator has not stamped this ticket")?;
        let hash = match verify(ticket) {
            Ok(hash) => hash.to_string(),
            Err(error) if decision == ReviewDecision::Approve => {
                return Err(error.context("this ticket does not show what it binds"));
            }
            Err(_) => stated,
        };
        match self.hash {
            Some(expected) if expected.to_string() != hash => {
                bail!("the ticket's hash is {hash}, not {expected}: look at it again")
            }
            _ => Ok(hash),
        }
    }

    fn draft(
        &self,
        ticket: &ApprovalTicket,
        decision: ReviewDecision,
        hash: &str,
    ) -> anyhow::Result<ApprovalReview> {
        let name = ticket.name_any();
        let mut review = ApprovalReview::new(
            "",
            ApprovalReviewSpec {
                ticket_ref: TicketRef {
                    name: name.clone(),
                    uid: ticket.uid().context("the ticket has no uid")?,
                },
                binding_hash: hash.to_owned(),
                decision,
                reason: self.reason.clone(),
                reviewer: None,
                proof: ReviewProof::default(),
                stamp: None,
            },
        );
        review.metadata.name = None;
        review.metadata.generate_name = Some(format!("{name}-{}-", decision.as_str().to_lowercase()));
        Ok(review)
    }
}

/// Makes the review, and makes sure that the one that is stored says the same.
async fn submit(api: &Api<ApprovalReview>, draft: &ApprovalReview) -> anyhow::Result<ApprovalReview> {
    let stored = api.create(&PostParams::default(), draft).await?;
    let Some(difference) = rewritten(draft, &stored) else {
        return Ok(stored);
    };
    let undone = take_back(api, &stored).await;
    bail!(
        "THE REVIEW WAS CHANGED ON ITS WAY by something else in the API server: {difference}. {undone}. Tell an admin: \
         kubectl get mutatingadmissionpolicies,mutatingwebhookconfigurations"
    )
}

/// Where the review that was stored says something else than the one that was sent.
fn rewritten(sent: &ApprovalReview, stored: &ApprovalReview) -> Option<String> {
    let said = |review: &ApprovalReview| {
        let spec = &review.spec;
        [
            ("spec.ticketRef.name", spec.ticket_ref.name.clone()),
            ("spec.ticketRef.uid", spec.ticket_ref.uid.clone()),
            ("spec.bindingHash", spec.binding_hash.clone()),
            ("spec.decision", spec.decision.as_str().to_owned()),
        ]
    };
    let pairs = said(sent).into_iter().zip(said(stored));
    let differences: Vec<_> = pairs
        .filter(|((_, sent), (_, stored))| sent != stored)
        .map(|((field, sent), (_, stored))| {
            format!("{field} was `{}` and is `{}`", plain(&sent), plain(&stored))
        })
        .collect();
    (!differences.is_empty()).then(|| differences.join(", "))
}

/// Denies what an approval approves that nobody gave; what was done, in words.
async fn take_back(api: &Api<ApprovalReview>, stored: &ApprovalReview) -> String {
    let ticket = plain(&stored.spec.ticket_ref.name);
    if stored.spec.decision != ReviewDecision::Approve {
        return format!("Ticket `{ticket}` was not approved by you");
    }
    let mut denial = stored.clone();
    denial.metadata = ObjectMeta {
        generate_name: Some("take-back-".to_owned()),
        ..ObjectMeta::default()
    };
    denial.status = None;
    denial.spec.decision = ReviewDecision::Deny;
    denial.spec.reason = Some("the approval was changed on its way".to_owned());
    (denial.spec.reviewer, denial.spec.stamp) = (None, None);
    match api.create(&PostParams::default(), &denial).await {
        Ok(taken) if rewritten(&denial, &taken).is_none() => format!("Ticket `{ticket}` is denied again"),
        Ok(_) => format!("TICKET `{ticket}` MAY BE APPROVED: the denial was changed, too"),
        Err(error) => format!(
            "TICKET `{ticket}` MAY BE APPROVED, and it could not be denied: {}",
            plain(&error.to_string())
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::tests::ticket;

    fn review(hash: Option<Digest>) -> Review {
        Review {
            ticket: "t".to_owned(),
            reason: None,
            hash,
            yes: true,
            output: Format::Table,
        }
    }

    #[test]
    fn a_review_is_of_the_very_ticket_and_hash_that_was_shown() {
        let ticket = ticket(&[("/spec/replicas", Some("2"), Some("3"))]);
        let hash = review(None).check(&ticket, ReviewDecision::Approve).unwrap();
        let draft = review(None)
            .draft(&ticket, ReviewDecision::Approve, &hash)
            .unwrap();
        assert_eq!(Some(draft.spec.binding_hash), ticket.spec.binding_hash);
        assert_eq!(
            (draft.spec.ticket_ref.uid.as_str(), draft.metadata.name),
            ("t1", None)
        );
        let prefix = "deployment-my-api-0123456789-approve-";
        assert_eq!(draft.metadata.generate_name.as_deref(), Some(prefix));
    }

    #[test]
    fn another_hash_than_the_one_looked_at_is_refused() {
        let error = review(Some(Digest::of(&[])))
            .check(&ticket(&[]), ReviewDecision::Deny)
            .unwrap_err();
        assert!(error.to_string().ends_with(": look at it again"), "{error}");
    }

    #[test]
    fn a_ticket_that_shows_something_else_can_be_denied_and_not_approved() {
        let mut forged = ticket(&[("/spec/replicas", Some("2"), Some("3"))]);
        forged.spec.change[0].new = Some("2".to_owned());
        let error = review(None).check(&forged, ReviewDecision::Approve).unwrap_err();
        assert_eq!(error.to_string(), "this ticket does not show what it binds");
        assert!(review(None).check(&forged, ReviewDecision::Deny).is_ok());
    }

    #[test]
    fn a_review_that_says_something_else_than_was_sent_is_noticed() {
        let ticket = ticket(&[("/spec/replicas", Some("2"), Some("3"))]);
        let sent = review(None)
            .draft(&ticket, ReviewDecision::Deny, "sha256:a")
            .unwrap();
        let mut stored = sent.clone();
        stored.metadata.name = Some("r".to_owned());
        stored.spec.reviewer = Some("user:ada".to_owned());
        stored.spec.stamp = Some("stamp".to_owned());
        assert_eq!(rewritten(&sent, &stored), None);
        stored.spec.decision = ReviewDecision::Approve;
        stored.spec.ticket_ref.uid = "t2".to_owned();
        let told = "spec.ticketRef.uid was `t1` and is `t2`, spec.decision was `Deny` and is `Approve`";
        assert_eq!(rewritten(&sent, &stored).as_deref(), Some(told));
    }
}
