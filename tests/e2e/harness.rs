//! What every test needs: a cluster, people in it, and their tickets.

mod area;
mod cluster;
mod control_plane;
mod operator;
mod person;
mod ticket;
pub mod wait;

pub use self::{
    area::Area,
    cluster::{Cluster, shared},
    person::{Outcome, Person},
    ticket::Ticket,
};
