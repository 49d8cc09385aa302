//! The name of a ticket: readable, the same for the same binding, and always a DNS label.

use crate::{binding::Binding, digest::Digest};

/// The longest DNS label (RFC 1123), in bytes.
const MAX_LABEL: usize = 63;
/// How much of the object's name is kept, in bytes.
const MAX_NAME: usize = 30;
/// How many hex digits of the binding's digest tell tickets apart.
const DIGITS: usize = 10;
/// How many names are tried before the API server is left to choose one.
const FIXED: u32 = 4;

/// A name of a new ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TicketName {
    /// This one, unless there is a ticket of the name.
    Fixed(String),
    /// One that the API server makes of this beginning, which is free.
    Beginning(String),
}

/// The names to try for a ticket, one after the other. Whoever asks at the same time tries the same, so that one
/// ticket is made. Each may be taken by a finished ticket of the binding or, since people make tickets too and name
/// them as they like, by any other; the last cannot.
pub fn ticket_names(binding: &Binding) -> impl Iterator<Item = TicketName> {
    let fixed = (0..FIXED).map(|sequence| TicketName::Fixed(ticket_name(binding, sequence)));
    let beginning = format!("{}-", ticket_name(binding, 0));
    fixed.chain([TicketName::Beginning(beginning)])
}

/// `<kind>-<name>-<digits>`, and `-<sequence>` behind it when that is above zero: for a binding whose first ticket
/// is finished, or whose name another binding took.
///
/// The digits are of the binding without its nonce, so that three retries of one write ask for one ticket.
fn ticket_name(binding: &Binding, sequence: u32) -> String {
    let digits: String = binding.digest().hex().chars().take(DIGITS).collect();
    let sequence = if sequence == 0 {
        String::new()
    } else {
        format!("-{sequence}")
    };
    let name = dns_safe(&binding.target.name, MAX_NAME);
    let tail = [name, digits]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    let room = MAX_LABEL.saturating_sub(tail.len() + sequence.len() + 1);
    let kind = dns_safe(&binding.target.kind, room);
    if kind.is_empty() {
        format!("{tail}{sequence}")
    } else {
        format!("{kind}-{tail}{sequence}")
    }
}

/// `<kind>-<name>-<digits>`: the name that the tickets of one owner share, for what the digest is over.
pub fn batch_name(kind: &str, name: &str, of: &Digest) -> String {
    let digits: String = of.hex().chars().take(DIGITS).collect();
    let parts = [dns_safe(kind, MAX_NAME / 2), dns_safe(name, MAX_NAME), digits];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

/// The lower-case letters and digits of the text, at most `max` bytes, each run of anything else as one hyphen.
fn dns_safe(text: &str, max: usize) -> String {
    let mut safe = String::new();
    for char in text.chars().map(|char| char.to_ascii_lowercase()) {
        if safe.len() == max {
            break;
        }
        if char.is_ascii_alphanumeric() {
            safe.push(char);
        } else if !safe.is_empty() && !safe.ends_with('-') {
            safe.push('-');
        }
    }
    safe.truncate(safe.trim_end_matches('-').len());
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{binding::BoundTarget, environment::Environment, request::Operation};

    fn binding(kind: &str, name: &str) -> Binding {
        Binding {
            cluster_id: "c1".to_owned(),
            subject: "agent:deploy-bot".parse().unwrap(),
            environment: Environment::Prod,
            target: BoundTarget {
                kind: kind.to_owned(),
                name: name.to_owned(),
                ..BoundTarget::default()
            },
            operation: Operation::Update,
            resource_hash: Digest::of(&[b"new"]),
            old_hash: None,
            command_hash: None,
            zone_claims: Vec::new(),
        }
    }

    fn head(kind: &str, name: &str) -> String {
        let name = ticket_name(&binding(kind, name), 0);
        name.rsplit_once('-')
            .map_or(String::new(), |(head, _)| head.to_owned())
    }

    #[test]
    fn kind_name_and_digits_of_the_binding() {
        let binding = binding("Deployment", "my-api");
        let hex = binding.digest().hex();
        let digits = hex.get(..10).unwrap();
        assert_eq!(ticket_name(&binding, 0), format!("deployment-my-api-{digits}"));
        assert_eq!(ticket_name(&binding, 7), format!("deployment-my-api-{digits}-7"));
    }

    #[test]
    fn names_that_are_no_labels_become_safe() {
        assert_eq!(
            head("ClusterRole", "system:controller:HPA"),
            "clusterrole-system-controller-hpa"
        );
        assert_eq!(head("Zone", "--..--"), "zone");
        assert_eq!(head("Zone", "a\u{202e}b"), "zone-a-b");
        assert_eq!(head("Pod", &"x".repeat(253)), format!("pod-{}", "x".repeat(30)));
        assert_eq!(
            head("Pod", &format!("{}-tail", "x".repeat(29))),
            format!("pod-{}", "x".repeat(29))
        );
    }

    #[test]
    fn a_long_kind_takes_the_room_that_is_left() {
        let binding = binding(&"K".repeat(80), &"x".repeat(80));
        for sequence in [0, 7, 12345] {
            assert_eq!(ticket_name(&binding, sequence).len(), MAX_LABEL);
        }
    }

    #[test]
    fn the_last_name_to_try_is_a_new_one() {
        let binding = binding("Pod", "a");
        let names: Vec<_> = ticket_names(&binding).collect();
        let (last, fixed) = names.split_last().unwrap();
        let first = ticket_name(&binding, 0);
        assert_eq!(fixed[0], TicketName::Fixed(first.clone()));
        assert_eq!(fixed[1], TicketName::Fixed(format!("{first}-1")));
        assert_eq!(*last, TicketName::Beginning(format!("{first}-")));
    }

    #[test]
    fn another_binding_has_another_name_and_the_same_has_the_same() {
        let other = Binding {
            operation: Operation::Delete,
            ..binding("Pod", "a")
        };
        assert_ne!(ticket_name(&binding("Pod", "a"), 0), ticket_name(&other, 0));
        assert_eq!(ticket_name(&other, 3), ticket_name(&other.clone(), 3));
    }

    proptest! {
        #[test]
        fn always_a_dns_label(kind in "\\PC{0,80}", name in "\\PC{0,300}", sequence: u32) {
            let label = ticket_name(&binding(&kind, &name), sequence);
            let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            prop_assert!((1..=63).contains(&label.len()), "{label}");
            prop_assert!(label.bytes().all(inner), "{label}");
            prop_assert!(!label.starts_with('-') && !label.ends_with('-'), "{label}");
        }
    }
}
