use super::*;
use crate::{
    binding::BoundTarget,
    environment::Environment,
    fixtures::{digest, id},
    request::Operation,
};

fn key(seed: u8) -> MacKey {
    MacKey::new([seed; 32])
}

fn binding(cluster_id: &str) -> Binding {
    Binding {
        cluster_id: cluster_id.to_owned(),
        subject: id("user:carl"),
        environment: Environment::Prod,
        target: BoundTarget::default(),
        operation: Operation::Update,
        resource_hash: digest(1),
        old_hash: None,
        command_hash: None,
        zone_claims: Vec::new(),
    }
}

#[test]
fn the_stamp_of_a_ticket_fits_nothing_else() {
    let (carl, olga, here) = (id("user:carl"), id("user:olga"), binding("here"));
    let there = binding("there");
    let claimed = Provenance::default();
    let verified = Provenance {
        authors: vec![id("user:olga")],
        ..Provenance::default()
    };
    let ticket = || TicketStamp {
        binding: &here,
        namespace: "billing",
        nonce: "nonce",
        requester: &carl,
        provenance: &claimed,
    };
    let stamp = ticket().sign(&key(1));
    assert!(ticket().verify(&key(1), &stamp));
    assert!(!ticket().verify(&key(2), &stamp), "another key");
    let mut other = here.clone();
    other.resource_hash = digest(9);
    for (told, another) in [
        (
            "another change",
            TicketStamp {
                binding: &other,
                ..ticket()
            },
        ),
        (
            "another cluster",
            TicketStamp {
                binding: &there,
                ..ticket()
            },
        ),
        (
            "another namespace",
            TicketStamp {
                namespace: "lab",
                ..ticket()
            },
        ),
        (
            "another nonce",
            TicketStamp {
                nonce: "n",
                ..ticket()
            },
        ),
        (
            "another requester",
            TicketStamp {
                requester: &olga,
                ..ticket()
            },
        ),
        (
            "another author",
            TicketStamp {
                provenance: &verified,
                ..ticket()
            },
        ),
    ] {
        assert!(!another.verify(&key(1), &stamp), "{told}");
        assert!(another.verify(&key(1), &another.sign(&key(1))), "{told}");
    }
}

#[test]
fn the_stamp_of_a_review_fits_nothing_else() {
    let (olga, ada) = (id("user:olga"), id("user:ada"));
    let review = || ReviewStamp {
        cluster_id: "here",
        namespace: "billing",
        ticket_uid: "uid",
        binding_hash: digest(1),
        reviewer: &olga,
        decision: ReviewDecision::Deny,
    };
    let stamp = review().sign(&key(1));
    assert!(review().verify(&key(1), &stamp));
    assert!(!review().verify(&key(2), &stamp), "another key");
    for (told, another) in [
        (
            "another cluster",
            ReviewStamp {
                cluster_id: "there",
                ..review()
            },
        ),
        (
            "another namespace",
            ReviewStamp {
                namespace: "lab",
                ..review()
            },
        ),
        (
            "another ticket",
            ReviewStamp {
                ticket_uid: "other",
                ..review()
            },
        ),
        (
            "another binding",
            ReviewStamp {
                binding_hash: digest(9),
                ..review()
            },
        ),
        (
            "another reviewer",
            ReviewStamp {
                reviewer: &ada,
                ..review()
            },
        ),
        (
            "another decision",
            ReviewStamp {
                decision: ReviewDecision::Approve,
                ..review()
            },
        ),
    ] {
        assert!(!another.verify(&key(1), &stamp), "{told}");
        assert!(another.verify(&key(1), &another.sign(&key(1))), "{told}");
    }
}
