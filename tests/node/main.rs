//! The local node in strict mode: a real kubelet, scheduler and controller manager do all their work without a ticket,
//! and each write that they are let is one that they made. And the charts, installed there. `make test-node` runs each
//! of the two in the namespaces of a node of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[expect(dead_code, unused_imports, reason = "the end-to-end tests use all of it")]
#[path = "../e2e"]
mod e2e {
    pub mod harness;
}
mod chart;
mod node;
mod power;
mod trail;
mod work;

use self::{
    e2e::harness::{self, Cluster},
    node::{Node, step},
};

/// One after the other, since there is one node: what people ask for, what goes wrong, and what is left of it.
#[test]
fn a_node_and_its_control_plane_do_their_work_in_strict_mode() {
    let cluster = Cluster::with_company(1);
    let node = Node::new(&cluster);
    node.apply_as_admin(include_str!("../data/node/stand-in.yaml"));
    cluster.see_admins();
    cluster.enforce();
    node.waits("wait --for=condition=Compiled writedelegation/machines");

    step(&node, "what people ask for", work::is_done);
    step(&node, "what people change", work::follows_changes);
    step(
        &node,
        "what is only the control plane's",
        work::is_refused_to_people,
    );
    step(&node, "a node in trouble", work::moves_away);
    step(&node, "a node that joins again", power::joins_again);
    step(&node, "power off", power::comes_back_without_the_operator);
    step(&node, "what people take away", work::is_cleaned_up);

    trail::has_no_denial(&node);
    trail::lets_the_operator_back(&node);
    trail::proves_every_row(&node);
}
