//! `approve`, `deny`, `revoke`, `cancel`: one person's word on one ticket, or on each of a batch, about exactly what was
//! shown.

mod submit;

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, bail};
use clap::Args;
use countersign_api::{
    ApprovalReview, ApprovalReviewSpec, ApprovalTicket,
    approval_review::{ReviewProof, TicketRef},
    approval_ticket::TicketState,
};
use countersign_core::{digest::Digest, plain::plain, review::ReviewDecision, ssh::Statement};
use jiff::Timestamp;
use kube::{Api, ResourceExt};

use self::submit::submit;
use crate::{
    batch::{Chosen, hash_of},
    cascade,
    confirm::confirmed,
    connection::Session,
    describe::{self, Beside},
    failure::{Outcome, explain},
    known,
    output::{Format, name_of, serialized_all},
    sign::{Signer, Signing},
    ticket::{state_of, verify},
};

/// The flags of the four commands.
#[derive(Args, Clone, Debug)]
pub struct Review {
    /// Which tickets
    #[command(flatten)]
    pub chosen: Chosen,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The binding hash that was looked at, of a batch the batch's hash: what has another one is refused
    #[arg(long, value_name = "sha256:...")]
    pub hash: Option<Digest>,
    /// The proof of who reviews
    #[command(flatten)]
    pub signing: Signing,
    /// Do not ask to confirm
    #[arg(short, long)]
    pub yes: bool,
    /// The form of what is printed
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// A ticket as it was shown: a review is of this hash and no other.
struct Seen {
    ticket: ApprovalTicket,
    hash: Digest,
}

/// What a review is made by.
struct Means<'a> {
    decision: ReviewDecision,
    signer: Option<Signer>,
    session: &'a Session,
}

impl Review {
    /// Shows the tickets, asks once, and makes a review of each.
    pub async fn run(
        &self,
        decision: ReviewDecision,
        session: &Session,
        out: &mut impl Write,
    ) -> anyhow::Result<Outcome> {
        let seen = self.seen(decision, session).await?;
        if seen.is_empty() {
            eprintln!("no ticket of the batch is open to this");
            return Ok(Outcome::No);
        }
        let asks = !self.yes && io::stdin().is_terminal();
        let text = self.text(&seen, session).await?;
        match self.output {
            Format::Table | Format::Wide => out.write_all(text.as_bytes())?,
            _ if asks => eprint!("{text}"),
            _ => {}
        }
        out.flush()?;
        if asks && !confirmed(&deed(decision, &seen), &mut io::stdin().lock())? {
            eprintln!("nothing was done");
            return Ok(Outcome::No);
        }
        let means = Means {
            decision,
            signer: self.signing.signer(session).await?,
            session,
        };
        match &*seen {
            [alone] if self.chosen.is_single() => {
                let review = self.make(alone, &means).await?;
                self.print(&review, out)?;
                out.write_all(self.objects(&[review])?.as_bytes())?;
                Ok(Outcome::Yes)
            }
            several => self.make_all(several, &means, out).await,
        }
    }

    /// Makes all that can be made, and tells which cannot.
    async fn make_all(
        &self,
        seen: &[Seen],
        means: &Means<'_>,
        out: &mut impl Write,
    ) -> anyhow::Result<Outcome> {
        let (mut made, mut failed) = (Vec::new(), 0);
        for one in seen {
            match self.make(one, means).await {
                Ok(review) => {
                    self.print(&review, out)?;
                    made.push(review);
                }
                Err(error) => {
                    failed += 1;
                    eprintln!("error: {}: {}", plain(&one.ticket.name_any()), explain(&error));
                }
            }
        }
        out.write_all(self.objects(&made)?.as_bytes())?;
        if failed == 0 {
            return Ok(Outcome::Yes);
        }
        eprintln!("{failed} of {} tickets were not reviewed", seen.len());
        Ok(Outcome::No)
    }

    /// The tickets that the decision is about, each with the hash of what it shows.
    async fn seen(&self, decision: ReviewDecision, session: &Session) -> anyhow::Result<Vec<Seen>> {
        let mut tickets = self.chosen.tickets(session).await?;
        if !self.chosen.is_single() {
            tickets.retain(|ticket| is_open_to(decision, state_of(ticket)));
            // Whoever repeats the command reviews what is left.
            if tickets
                .iter()
                .any(|ticket| !reviewers(ticket, decision).is_empty())
            {
                let me = known::myself(session).await?;
                tickets.retain(|ticket| !reviewers(ticket, decision).contains(&me.as_str()));
            }
        }
        let seen = |ticket: ApprovalTicket| {
            let hash = shown_hash(&ticket, decision)
                .with_context(|| format!("the ticket `{}`", plain(&ticket.name_any())))?;
            Ok(Seen { ticket, hash })
        };
        let seen: Vec<_> = tickets.into_iter().map(seen).collect::<anyhow::Result<_>>()?;
        self.check_hash(&seen)?;
        Ok(seen)
    }

    fn check_hash(&self, seen: &[Seen]) -> anyhow::Result<()> {
        let (what, hash) = match seen {
            [alone] if self.chosen.is_single() => ("ticket", alone.hash),
            _ => ("batch", batch_hash(seen)),
        };
        match self.hash {
            Some(expected) if expected != hash => {
                bail!("the {what}'s hash is {hash}, not {expected}: look at it again")
            }
            _ => Ok(()),
        }
    }

    /// What is read before deciding.
    async fn text(&self, seen: &[Seen], session: &Session) -> anyhow::Result<String> {
        let policy = session.policy().await?;
        let mut texts = Vec::new();
        for Seen { ticket, .. } in seen {
            let beside = Beside {
                full: None,
                cascade: cascade::of(ticket, session).await,
                unbound: describe::unbound(ticket, policy.as_ref()),
            };
            texts.push(describe::text(ticket, beside, Timestamp::now()));
        }
        let Some(batch) = &self.chosen.batch else {
            return Ok(texts.concat());
        };
        let hash = batch_hash(seen);
        Ok(format!(
            "{}\nBatch {}: {} tickets\nBatch hash:     {hash}\n",
            texts.join(describe::BETWEEN),
            plain(batch),
            seen.len()
        ))
    }

    async fn make(&self, seen: &Seen, means: &Means<'_>) -> anyhow::Result<ApprovalReview> {
        let mut draft = self.draft(seen, means.decision)?;
        if let Some(signer) = &means.signer {
            let statement = Statement {
                cluster_id: &seen.ticket.spec.binding.cluster_id,
                ticket_uid: &draft.spec.ticket_ref.uid,
                binding_hash: seen.hash,
                decision: means.decision,
                reviewer: signer.identity(),
            };
            draft.spec.proof = signer.prove(&statement).await?;
        }
        let namespace = seen.ticket.namespace().unwrap_or_default();
        let api = Api::<ApprovalReview>::namespaced(means.session.client.clone(), &namespace);
        submit(&api, &draft).await
    }

    /// A line for each review as it is made.
    fn print(&self, review: &ApprovalReview, out: &mut impl Write) -> io::Result<()> {
        match self.output {
            Format::Table | Format::Wide => writeln!(out, "{} created", name_of(review)),
            Format::Name => writeln!(out, "{}", name_of(review)),
            Format::Json | Format::Yaml => Ok(()),
        }
    }

    /// The reviews themselves, where they are asked for.
    fn objects(&self, made: &[ApprovalReview]) -> anyhow::Result<String> {
        match self.output {
            Format::Json | Format::Yaml => serialized_all(made, self.output),
            Format::Table | Format::Wide | Format::Name => Ok(String::new()),
        }
    }

    fn draft(&self, seen: &Seen, decision: ReviewDecision) -> anyhow::Result<ApprovalReview> {
        let name = seen.ticket.name_any();
        let mut review = ApprovalReview::new(
            "",
            ApprovalReviewSpec {
                ticket_ref: TicketRef {
                    name: name.clone(),
                    uid: seen.ticket.uid().context("the ticket has no uid")?,
                },
                binding_hash: seen.hash.to_string(),
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

fn deed(decision: ReviewDecision, seen: &[Seen]) -> String {
    match seen {
        [_] => format!("{} this", decision.as_str()),
        _ => format!("{} all {} of these", decision.as_str(), seen.len()),
    }
}

fn batch_hash(seen: &[Seen]) -> Digest {
    let hashes: Vec<_> = seen.iter().map(|seen| seen.hash.to_string()).collect();
    hash_of(hashes.iter().map(String::as_str))
}

/// Whether a ticket in this state waits for such a word; of a batch, the others are left out.
const fn is_open_to(decision: ReviewDecision, state: TicketState) -> bool {
    match decision {
        ReviewDecision::Approve => matches!(state, TicketState::Pending),
        ReviewDecision::Revoke => matches!(state, TicketState::Approved | TicketState::Claimed),
        ReviewDecision::Deny | ReviewDecision::Cancel => !crate::ticket::is_final(state),
    }
}

/// Who said so of the ticket already.
fn reviewers(ticket: &ApprovalTicket, decision: ReviewDecision) -> Vec<&str> {
    let reviews = ticket.status.iter().flat_map(|status| &status.reviews);
    let same = reviews.filter(|review| review.decision == decision);
    same.map(|review| review.reviewer.as_str()).collect()
}

/// The hash of what the ticket shows. A ticket that shows something else than it binds can only be refused.
fn shown_hash(ticket: &ApprovalTicket, decision: ReviewDecision) -> anyhow::Result<Digest> {
    let stated = ticket
        .spec
        .binding_hash
        .as_deref()
        .context("the operator has not stamped this ticket")?;
    match verify(ticket) {
        Ok(hash) => Ok(hash),
        Err(error) if decision == ReviewDecision::Approve => {
            Err(error.context("this ticket does not show what it binds"))
        }
        Err(_) => Ok(stated.parse()?),
    }
}

#[cfg(test)]
mod tests;
