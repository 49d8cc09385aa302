//! `--batch`: the tickets that a command is about, one or all of a batch, and whose they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use anyhow::bail;
use clap::Args;
use countersign_api::{ApprovalTicket, approval_ticket::TicketState};
use countersign_core::{binding, digest::Digest, plain::plain};
use kube::{Api, ResourceExt, api::ListParams};

use crate::{
    connection::Session,
    output::name_of,
    ticket::{get, state_of},
};

/// Which tickets.
#[derive(Args, Clone, Debug, Default)]
pub struct Chosen {
    /// The ticket
    #[arg(required_unless_present = "batch", conflicts_with = "batch")]
    pub ticket: Option<String>,
    /// All tickets of this batch
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub batch: Option<String>,
    /// The tickets of the batch in all namespaces
    #[arg(short = 'A', long, conflicts_with = "ticket")]
    pub all_namespaces: bool,
    /// Only the tickets of the batch that this subject asks for, such as agent:deploy-bot
    #[arg(long, value_name = "IDENTITY", conflicts_with = "ticket")]
    pub subject: Option<String>,
}

/// The name of a batch.
pub fn parse_name(text: &str) -> Result<String, String> {
    let is_edge = |char: Option<char>| char.is_some_and(|char| char.is_ascii_alphanumeric());
    let fits = |char: char| char.is_ascii_alphanumeric() || "._:/@+-".contains(char);
    let edges = is_edge(text.chars().next()) && is_edge(text.chars().next_back());
    if edges && text.chars().all(fits) && text.len() <= 253 {
        return Ok(text.to_owned());
    }
    Err("a batch is named by letters, digits and . _ : / @ + -, 253 at most".to_owned())
}

/// The name of the batch of these changes, when nobody gives one: the same for the same changes.
pub fn generated_name<'a>(bound: impl Iterator<Item = &'a binding::Binding>) -> String {
    let mut digests: Vec<_> = bound.map(|bound| bound.digest().to_string()).collect();
    digests.sort_unstable();
    let digest = Digest::of(&[b"countersign.dev/batch/v1\n", digests.join("\n").as_bytes()]).to_string();
    let hex = digest.split_once(':').map_or(&*digest, |(_, hex)| hex);
    format!("batch-{}", hex.chars().take(10).collect::<String>())
}

/// The digest of tickets that are shown together, by their binding hashes.
pub fn hash_of<'a>(hashes: impl Iterator<Item = &'a str>) -> Digest {
    let mut hashes: Vec<_> = hashes.collect();
    hashes.sort_unstable();
    Digest::of(&[b"countersign.dev/batch-hash/v1\n", hashes.join("\n").as_bytes()])
}

impl Chosen {
    /// The tickets. A name that several people's tickets bear chooses those of nobody.
    pub async fn tickets(&self, session: &Session) -> anyhow::Result<Vec<ApprovalTicket>> {
        let tickets = self.found(session).await?;
        let who = owners(&tickets);
        if who.len() < 2 {
            return Ok(tickets);
        }
        let told: Vec<_> = who
            .iter()
            .map(|(who, count)| format!("{who} ({count})"))
            .collect();
        bail!(
            "the batch is shared by tickets of {}: look at them (describe --batch), and choose with --subject",
            told.join(" and ")
        )
    }

    /// The tickets, whosever they are.
    pub async fn found(&self, session: &Session) -> anyhow::Result<Vec<ApprovalTicket>> {
        let Some(batch) = &self.batch else {
            let name = self.ticket.as_deref().unwrap_or_default();
            return Ok(vec![get(&session.client, &session.namespace, name).await?]);
        };
        let api: Api<ApprovalTicket> = if self.all_namespaces {
            Api::all(session.client.clone())
        } else {
            Api::namespaced(session.client.clone(), &session.namespace)
        };
        let of_batch = ListParams::default().fields(&format!("spec.batch={batch}"));
        let mut tickets = api.list(&of_batch).await?.items;
        let is_theirs = |ticket: &ApprovalTicket| {
            let subject = &ticket.spec.binding.subject_id;
            self.subject.as_ref().is_none_or(|wanted| wanted == subject)
        };
        tickets.retain(is_theirs);
        tickets.sort_by_key(|ticket| (ticket.namespace(), ticket.creation_timestamp(), ticket.name_any()));
        if tickets.is_empty() {
            bail!("no ticket of batch `{batch}` is there; -A looks into all namespaces");
        }
        Ok(tickets)
    }

    /// Whether one ticket is named.
    pub const fn is_single(&self) -> bool {
        self.batch.is_none()
    }

    /// The flags that choose the same again.
    pub fn flags(&self, session: &Session) -> String {
        let mut flags = format!("--batch {}", plain(self.batch.as_deref().unwrap_or_default()));
        let _ = if self.all_namespaces {
            write!(flags, " -A")
        } else {
            write!(flags, " -n {}", plain(&session.namespace))
        };
        if let Some(subject) = &self.subject {
            let _ = write!(flags, " --subject {}", plain(subject));
        }
        flags
    }
}

/// Who asks, and for how many tickets each; a requester is named where it is somebody else than the subject.
pub fn owners(tickets: &[ApprovalTicket]) -> BTreeMap<String, usize> {
    let mut owners = BTreeMap::new();
    for ticket in tickets {
        let subject = &ticket.spec.binding.subject_id;
        let requester = ticket.spec.requester.as_ref().filter(|who| *who != subject);
        let who = requester.map_or_else(
            || plain(subject),
            |requester| format!("{} requested by {}", plain(subject), plain(requester)),
        );
        *owners.entry(who).or_default() += 1;
    }
    owners
}

/// What to run to approve the tickets together: in all namespaces when they are in several. Tickets that were there
/// before may be of another batch, and are told.
pub fn told(batch: &str, tickets: &[ApprovalTicket]) -> String {
    let is_of_it = |ticket: &&ApprovalTicket| ticket.spec.batch.as_deref() == Some(batch);
    let (of_it, others): (Vec<_>, Vec<_>) = tickets.iter().partition(is_of_it);
    let namespaces: BTreeSet<_> = of_it.iter().filter_map(|ticket| ticket.namespace()).collect();
    let place = match namespaces.first() {
        Some(only) if namespaces.len() == 1 => format!("-n {}", plain(only)),
        _ => "-A".to_owned(),
    };
    let waits = |ticket: &&&ApprovalTicket| state_of(ticket) == TicketState::Pending;
    let waiting = of_it.iter().filter(waits);
    let hash = hash_of(waiting.filter_map(|ticket| ticket.spec.binding_hash.as_deref()));
    let mut text = String::new();
    if !of_it.is_empty() {
        let _ = writeln!(
            text,
            "batch {batch}: {} tickets\n  to approve all of them: kubectl countersign approve --batch {batch} {place} \
             --hash {hash}",
            of_it.len()
        );
    }
    for ticket in others {
        let other = ticket.spec.batch.as_deref().unwrap_or("no batch");
        let _ = writeln!(
            text,
            "  {} was there before, in {}",
            name_of(ticket),
            plain(other)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ticket::tests::ticket;

    #[test]
    fn a_name_is_what_a_shell_and_a_selector_take_as_it_is() {
        for name in ["rollout-7", "flux-system/apps@main@sha1:0a1b", "A", "1.2+b"] {
            assert_eq!(parse_name(name), Ok(name.to_owned()));
        }
        for name in [
            "",
            "a b",
            "a,spec.x=y",
            "a;rm",
            "$a",
            "-A",
            "a-",
            "\u{202e}a",
            &"a".repeat(254),
        ] {
            assert!(parse_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_same_changes_make_the_same_batch_in_any_order() {
        let bound = |parts: &[_]| ticket(parts).spec.bound().unwrap();
        let one = bound(&[("/spec/replicas", Some("2"), Some("3"))]);
        let two = bound(&[("/spec/replicas", Some("2"), Some("4"))]);
        let name = generated_name([&one, &two].into_iter());
        assert_eq!(name, generated_name([&two, &one].into_iter()));
        assert_ne!(name, generated_name([&one].into_iter()));
        assert_eq!(parse_name(&name), Ok(name.clone()));
        assert_eq!(name.len(), "batch-0123456789".len());
    }

    #[test]
    fn the_hash_is_of_a_set() {
        let hash = |hashes: &[&str]| hash_of(hashes.iter().copied());
        assert_eq!(hash(&["a", "b"]), hash(&["b", "a"]));
        assert_ne!(hash(&["a", "b"]), hash(&["a"]));
    }

    #[test]
    fn subjects_and_requesters_of_a_name_are_told_apart() {
        let by = |subject: &str, requester: &str| {
            let mut ticket = ticket(&[]);
            ticket.spec.binding.subject_id = subject.to_owned();
            ticket.spec.requester = Some(requester.to_owned());
            ticket
        };
        let (bot, mallory) = ("agent:deploy-bot", "user:mallory");
        let tickets = [by(bot, bot), by(bot, bot), by(bot, mallory), by(mallory, mallory)];
        let told: Vec<_> = owners(&tickets).into_iter().collect();
        let expected = [
            ("agent:deploy-bot", 2),
            ("agent:deploy-bot requested by user:mallory", 1),
            ("user:mallory", 1),
        ];
        assert_eq!(told, expected.map(|(who, count)| (who.to_owned(), count)));
    }
}
