//! What every test needs: a cluster, people in it, and their tickets.

mod area;
mod balancer;
mod cluster;
pub mod control_plane;
pub mod intent;
pub mod kubelet;
mod operator;
mod person;
pub mod proxy;
mod room;
pub mod ticket;
pub mod wait;
mod wiretap;

pub use self::{
    area::{Area, pods},
    cluster::{Cluster, Setup, shared},
    operator::Operator,
    person::{Outcome, Person},
    ticket::Ticket,
    wiretap::Wiretap,
};
